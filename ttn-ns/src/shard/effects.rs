//! What goes into a shard and what comes out.

use ttn_core::{
    event::Event,
    id::DeviceKey,
    msg::{
        ApplicationUp, Downlink, JoinAnswer, JoinRequest, Scheduled, TransmissionId, TxAck,
        TxRequest, UplinkBatch,
    },
    peer::PeerError,
    store::{Durable, LaneId, Owned, Replaces, Revision},
};
use ttn_mac::state::Hot;

use crate::{device::Device, error::Error, store::NetworkWrite};

/// What a shard is told.
#[derive(Debug)]
#[non_exhaustive]
pub enum Input {
    /// A call of the registry or of the Application Server.
    Call {
        /// Carried back by [`Effect::Reply`].
        call: CallId,
        /// What is asked.
        command: Command,
    },
    /// The process is about to end: windows that are open are closed now.
    Drain,
    /// Everything up to a commit is durable.
    Durable {
        /// The number of the commit.
        ticket: u64,
        /// The proof.
        proof: Durable,
    },
    /// A Join Server answered.
    JoinAnswered {
        /// Of [`Effect::Join`].
        join: JoinId,
        /// Its answer.
        result: Result<Box<JoinAnswer>, PeerError>,
    },
    /// A Gateway Server took a transmission, or did not.
    Scheduled {
        /// Which transmission.
        id: TransmissionId,
        /// What it said.
        result: Result<Scheduled, NotScheduled>,
    },
    /// A deadline may have passed.
    Tick,
    /// Gateways reported on transmissions.
    TxAcks(Vec<TxAck>),
    /// Gateways received frames.
    Uplinks(UplinkBatch),
}

/// Why a transmission was not taken.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum NotScheduled {
    /// It was certainly not sent.
    NotSent(PeerError),
    /// Nobody knows: the answer got lost.
    Unknown(PeerError),
}

/// A call that waits for its reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(clippy::exhaustive_structs, reason = "built by the runner")]
pub struct CallId(pub u64);

/// A join that waits for the Join Server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_structs, reason = "carried by the runner")]
pub struct JoinId(pub u64);

/// What the owner of a device is asked to do.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Command {
    /// Removes a device.
    Delete {
        /// Which device.
        key: DeviceKey,
        /// The revision that is removed.
        replaces: Replaces,
    },
    /// Reads a device.
    Get {
        /// Which device.
        key: DeviceKey,
    },
    /// Lists the queue.
    ListQueue {
        /// Which device.
        key: DeviceKey,
    },
    /// Adds downlinks to the end of the queue.
    PushQueue {
        /// Which device.
        key: DeviceKey,
        /// The downlinks.
        downlinks: Vec<Downlink>,
    },
    /// Writes a device: its registration, and with `hot` also its counters.
    Put {
        /// The device.
        device: Box<Device>,
        /// Its counters, if they are replaced: new and imported sessions.
        hot: Option<Box<Hot>>,
        /// The revision that is replaced.
        replaces: Replaces,
    },
    /// Replaces the queue.
    ReplaceQueue {
        /// Which device.
        key: DeviceKey,
        /// The downlinks.
        downlinks: Vec<Downlink>,
    },
}

/// The answer to a command.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Reply {
    /// The device as it is now.
    Device(Box<DeviceView>),
    /// It was done.
    Done,
    /// The queue.
    Queue(Vec<Downlink>),
}

/// A device with everything that its owner knows of it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct DeviceView {
    /// The registration.
    pub device: Device,
    /// The counters and the history of the session.
    pub hot: Hot,
    /// The queue.
    pub queue: Vec<Downlink>,
    /// The revision of the registration.
    pub revision: Revision,
}

/// What a shard wants done. One value can take the effects of several inputs.
#[derive(Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "built and emptied by the runner")]
pub struct Effects {
    /// Whether anybody wants events.
    pub events_wanted: bool,
    /// To be carried out now, in order.
    pub now: Vec<Effect>,
    /// To be made durable; what waits for it comes out when [`Input::Durable`] goes in.
    pub commit: Option<Commit>,
}

/// What is to be made durable together, in one lane: first the messages, then the writes (DESIGN 4).
#[derive(Debug)]
#[non_exhaustive]
pub struct Commit {
    /// Its number: they rise.
    pub ticket: u64,
    /// The lane.
    pub lane: LaneId,
    /// Messages for the application log.
    pub application: Vec<(Owned, ApplicationUp)>,
    /// Writes of the Network Server.
    pub writes: Vec<(Owned, NetworkWrite)>,
}

impl Commit {
    pub(super) const fn new(ticket: u64, lane: LaneId) -> Self {
        Self { ticket, lane, application: Vec::new(), writes: Vec::new() }
    }
}

/// Something to be carried out.
#[derive(Debug)]
#[non_exhaustive]
pub enum Effect {
    /// Publish an event.
    Event(Box<Event>),
    /// Ask the Join Server; the answer is [`Input::JoinAnswered`].
    Join {
        /// Carried back.
        join: JoinId,
        /// What to ask.
        request: Box<JoinRequest>,
    },
    /// Answer a call.
    Reply {
        /// Which call.
        call: CallId,
        /// The answer.
        result: Result<Reply, Error>,
    },
    /// Ask a Gateway Server to send; the answer is [`Input::Scheduled`].
    Transmit {
        /// The request, `id` included.
        request: Box<TxRequest>,
        /// The proof that its counter is durable.
        proof: Durable,
    },
}

//! What goes into the engine and what comes out.
#![expect(
    clippy::exhaustive_structs,
    clippy::exhaustive_enums,
    reason = "arguments are built by other crates"
)]

use alloc::vec::Vec;
use core::time::Duration;

use ttn_core::{
    frame::PhyPayload,
    key::SessionKeyId,
    radio::{DataRate, DataRateIndex, Frequency},
    time::{GpsTime, Timestamp},
};

use super::{MacEvent, NetworkTiming, NoClassB, RelayReject, RelayedUplink, Wait};
use crate::{
    command::Command,
    frame::BuildError,
    state::{Candidate, DeviceClass, JoinParameters, Session},
};

/// How an uplink was sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UplinkRadio {
    /// The frequency.
    pub frequency: Frequency,
    /// The modulation.
    pub data_rate: DataRate,
}

/// The same in the terms of a device: made by [`super::Engine::join_channel`], part of a [`MatchedUplink`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UplinkChannel {
    /// The index of the channel.
    pub channel_index: u8,
    /// The index of the data rate.
    pub data_rate_index: DataRateIndex,
}

/// An uplink that belongs to a session: counter and integrity code are right. Made by [`super::Engine::try_match`] only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MatchedUplink {
    /// Which session.
    pub candidate: Candidate,
    /// How it relates to what came before.
    pub kind: MatchKind,
    /// The full frame counter.
    pub f_cnt: u32,
    /// Channel and data rate.
    pub channel: UplinkChannel,
    /// The confirmed downlink that it acknowledges. LoRaWAN 1.1 is sure of it; before, the last one is meant.
    pub acknowledges: Option<u32>,
}

/// How an uplink relates to what came before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MatchKind {
    /// A counter that was not seen before.
    New,
    /// The counter of an ABP device that starts again (NS-10).
    Reset,
    /// The last uplink once more (NS-12).
    Retransmission,
}

/// A frame together with the proof that it belongs to a session.
#[derive(Clone, Copy, Debug)]
pub struct UplinkFrame<'a> {
    /// The frame.
    pub phy: &'a PhyPayload,
    /// The proof.
    pub matched: MatchedUplink,
}

/// What all gateways together know of an uplink, at the end of its window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RxInfo {
    /// When the first copy was received. Receive windows are reckoned from here.
    pub received_at: Timestamp,
    /// The best SNR over all gateways in dB; `None` if no gateway measures it (FSK).
    pub max_snr: Option<f32>,
    /// How many different gateways received it.
    pub gateway_count: u32,
    /// GPS time of reception: of the first metadata that has one, else from the first gateway's receive time (NS-56).
    /// `received_at` stands in for a missing one.
    pub gps_time: Option<GpsTime>,
}

/// What follows from an uplink.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Outcome {
    /// What it was.
    pub kind: UplinkKind,
    /// The full frame counter.
    pub f_cnt: u32,
    /// Channel and data rate.
    pub channel: UplinkChannel,
    /// Whether the application gets it: always, unless it is a retransmission (NS-12) or the payload of a relay. A frame
    /// on port 0 is delivered without payload (NS-18).
    pub deliver: bool,
    /// The frame of a served device that a relay has forwarded, or why there is none (NS-109).
    pub relayed: Option<Result<RelayedUplink, RelayReject>>,
    /// What happened, in order.
    pub events: Vec<MacEvent>,
    /// How the confirmed downlink that waited for an acknowledgement ended (NS-87).
    pub queue_result: Option<QueueResult>,
    /// Whether the device must be answered even if the application has nothing to send.
    pub reply_due: bool,
    /// The receive windows: the argument of [`super::Engine::next_downlink`].
    pub slot: Slot,
    /// Lost over expected among the last uplinks (NS-20); `None` while there is only one.
    pub packet_error_rate: Option<f32>,
    /// Whether the slow part of the state has changed and must be stored. The hot part always has.
    pub slow_changed: bool,
}

/// What an uplink was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UplinkKind {
    /// The next frame of the session.
    New,
    /// The first frame after the counter of an ABP device started again; `started_at` of the session is new (NS-10).
    Reset,
    /// The last frame once more.
    Retransmission,
    /// The first frame of the pending session, which is the current one from now on (NS-15). The queue of the old
    /// session is void.
    SessionStarted,
}

/// How a confirmed item of the application's queue ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueResult {
    /// Its counter.
    pub f_cnt: u32,
    /// Whether the device acknowledged it.
    pub acknowledged: bool,
}

/// A time at which the device listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Slot {
    /// RX1 and RX2 after an uplink.
    ClassA {
        /// When the uplink was received.
        received_at: Timestamp,
        /// The channel and data rate of the uplink.
        channel: UplinkChannel,
    },
    /// Whenever the device listens by itself: the next ping slot in class B, at once in class C, or at the time of the
    /// item (NS-78). [`NoDownlink::NotYet`] says when to ask again.
    Network(NetworkTiming),
    /// Behind a relay, made by [`super::Engine::relay_slot`]: the plan has no windows of its own (NS-110).
    Relayed {
        /// The largest PHYPayload that the relay takes.
        phy_payload_max: usize,
        /// When its last receive window opens.
        until: Timestamp,
    },
}

/// An item of the application's queue. Pass on only items that may be sent in the slot: those bound to class B or C, to
/// gateways or to a time are not for class A.
#[derive(Clone, Copy, Debug)]
pub struct QueuedDownlink<'a> {
    /// The session whose AppSKey encrypted it.
    pub session_key_id: &'a SessionKeyId,
    /// Its counter, which is part of the encryption.
    pub f_cnt: u32,
    /// The port, 1 to 255.
    pub f_port: u8,
    /// The encrypted payload.
    pub frm_payload: &'a [u8],
    /// Wants an acknowledgement.
    pub confirmed: bool,
    /// Who is served first; capped at [`Priority::High`] (NS-91).
    pub priority: Priority,
    /// When it becomes useless.
    pub expires_at: Option<Timestamp>,
    /// When it is to be sent, in class B or C: in class B the first ping slot from then on. Not looked at in class A.
    pub absolute_time: Option<Timestamp>,
}

/// Who is served first when air time is short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Priority {
    /// Lowest.
    Lowest,
    /// Low.
    Low,
    /// Below normal.
    BelowNormal,
    /// Normal.
    #[default]
    Normal,
    /// Above normal.
    AboveNormal,
    /// High.
    High,
    /// Highest: join-accepts and MAC commands.
    Highest,
}

/// What [`super::Engine::next_downlink`] decided.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct DownlinkDecision {
    /// Items of the queue that can never be sent, by index. Remove them and tell the application (NS-89).
    pub dropped: Vec<Dropped>,
    /// The frame, or why there is none.
    pub result: Result<DataPlan, NoDownlink>,
}

/// An item of the queue that can never be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dropped {
    /// The index in the queue.
    pub index: usize,
    /// Why.
    pub reason: QueueDrop,
}

/// Why an item of the queue can never be sent (NS-89).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum QueueDrop {
    /// The time that the application has chosen is over, or too near.
    AbsoluteTimeMissed {
        /// The time.
        at: Timestamp,
        /// The first that could be met.
        earliest: Timestamp,
    },
    /// A multicast group acknowledges nothing (NS-100).
    ConfirmedMulticast,
    /// Its time is over.
    Expired {
        /// When it ended.
        at: Timestamp,
    },
    /// Its counter was used already: the application must encrypt it again (NS-90).
    FCntTooLow {
        /// Its counter.
        got: u32,
        /// The last one that was used.
        last: u32,
    },
    /// FRMPayload is longer than the larger receive window can carry.
    TooLong {
        /// Its octets.
        size: usize,
        /// How many there may be.
        max: usize,
    },
    /// It belongs to another session.
    UnknownSession,
}

impl QueueDrop {
    /// A name that never changes.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::AbsoluteTimeMissed { .. } => "invalid_absolute_time",
            Self::ConfirmedMulticast => "confirmed_multicast_downlink",
            Self::Expired { .. } => "expired",
            Self::FCntTooLow { .. } => "f_cnt_too_low",
            Self::TooLong { .. } => "application_downlink_too_long",
            Self::UnknownSession => "unknown_session",
        }
    }
}

/// A frame that is ready to be sent.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TxPlan {
    /// The PHYPayload, encrypted, with its integrity code.
    pub bytes: Vec<u8>,
    /// In which class the device listens.
    pub class: DeviceClass,
    /// From the end of the uplink to RX1. RX2 follows a second later. Zero for classes B and C.
    pub rx1_delay: Duration,
    /// RX1, unless it is over or too small. None for classes B and C.
    pub rx1: Option<RxWindow>,
    /// RX2, unless it is over or too small; for classes B and C the window.
    pub rx2: Option<RxWindow>,
    /// When exactly it is sent: a ping slot, or the time that the application wants. `None` in class C is: at once.
    pub absolute_time: Option<Timestamp>,
    /// Who is served first.
    pub priority: Priority,
}

/// A receive window.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct RxWindow {
    /// The frequency.
    pub frequency: Frequency,
    /// The modulation.
    pub data_rate: DataRate,
    /// Its index in the band.
    pub data_rate_index: DataRateIndex,
    /// When it opens.
    pub opens_at: Timestamp,
}

/// A data downlink. The state has moved already: its counter is taken, its requests are pending.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct DataPlan {
    /// What is sent, and when.
    pub tx: TxPlan,
    /// The full frame counter.
    pub f_cnt: u32,
    /// The index of the item that it carries; take it from the queue, and back if it was not sent (NS-82).
    pub item: Option<usize>,
    /// Whether it wants an acknowledgement.
    pub confirmed: bool,
    /// Whether it acknowledges the uplink.
    pub ack: bool,
    /// Whether it announces more.
    pub f_pending: bool,
    /// The MAC commands in it, answers first.
    pub commands: Vec<Command>,
    /// Why it is sent, the first reason first.
    pub reasons: Vec<DownlinkReason>,
    /// Whether it took a counter that queued items may have been encrypted for: items up to this counter are void, and
    /// the next call drops them with [`QueueDrop::FCntTooLow`] (NS-90).
    pub takes_queue_f_cnt: bool,
    /// What happened while it was made.
    pub events: Vec<MacEvent>,
    /// Whether it carries [`crate::state::MacState::relayed`]. If not, that frame was not sent.
    pub relayed: bool,
    /// A confirmed downlink whose acknowledgement is not waited for any more (NS-86): this one takes its place.
    pub queue_result: Option<QueueResult>,
    /// Whether the slow part of the state has changed and must be stored. The hot part always has.
    pub slow_changed: bool,
}

/// Why a downlink is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DownlinkReason {
    /// The uplink was confirmed.
    Ack,
    /// The device asked for a sign of life (NS-76).
    AdrAckReq,
    /// Commands of the device are answered.
    Answers,
    /// The application has something to send.
    Queue,
    /// A device that this one serves as a relay is answered (NS-110).
    Relay,
    /// The network wants something changed.
    Requests,
    /// The device repeats answers until it hears a downlink (NS-40).
    StickyAnswers,
}

/// Why there is no downlink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoDownlink {
    /// The device listens after its uplinks only.
    ClassA,
    /// The frame cannot be built from the state: a corrupted state.
    Build(BuildError),
    /// The counter has reached its end.
    FCntExhausted,
    /// `schedule_downlinks` is off (NS-94).
    Disabled,
    /// The device is in class B, but its ping slots are not known.
    NoClassB(NoClassB),
    /// The device has no session.
    NoSession,
    /// The parameters of the device give no receive window: a corrupted state (NS-79).
    NoWindow,
    /// There is nothing to send.
    NothingToSend,
    /// The network begins later.
    NotYet {
        /// When to ask again.
        at: Timestamp,
        /// What it waits for.
        wait: Wait,
    },
    /// Both windows are over.
    WindowsClosed {
        /// When the last one opened.
        opened_at: Timestamp,
    },
}

impl NoDownlink {
    /// A name that never changes.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Build(_) => "build",
            Self::ClassA => "device_in_class_a",
            Self::Disabled => "downlinks_disabled",
            Self::FCntExhausted => "f_cnt_exhausted",
            Self::NoClassB(missing) => missing.name(),
            Self::NoSession => "no_session",
            Self::NoWindow => "no_receive_window",
            Self::NothingToSend => "nothing_to_send",
            Self::NotYet { wait, .. } => wait.name(),
            Self::WindowsClosed { .. } => "receive_windows_closed",
        }
    }
}

/// Whether a downlink was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TxReport {
    /// It was certainly not sent: no gateway took it. Its counter is free again.
    NotSent {
        /// Its counter.
        f_cnt: u32,
    },
    /// It was sent.
    Sent {
        /// Its counter.
        f_cnt: u32,
    },
    /// Nobody knows, as after a crash. Its counter is burnt (DESIGN 6).
    Unknown {
        /// Its counter.
        f_cnt: u32,
    },
}

/// What follows from a [`TxReport`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TxOutcome {
    /// Whether the report belongs to the downlink in flight; if not, nothing has changed.
    pub known: bool,
    /// Whether the downlink carried an item of the queue, which goes back to its head if it was not sent (NS-82).
    pub queue_item: bool,
    /// Whether the slow part of the state has changed and must be stored.
    pub slow_changed: bool,
}

/// A join that the Join Server has accepted.
#[derive(Clone, Debug)]
pub struct JoinAccepted {
    /// The new session: its address, keys and key id.
    pub session: Session,
    /// What [`super::Engine::join_parameters`] gave for this join.
    pub parameters: JoinParameters,
    /// The join-accept as it goes on air.
    pub phy: Vec<u8>,
    /// What [`super::Engine::join_channel`] gave for the join-request.
    pub channel: UplinkChannel,
    /// When the join-request was received.
    pub received_at: Timestamp,
}

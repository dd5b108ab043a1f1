//! The owner of devices: a machine without I/O, which holds their hot state in memory: decoded where it is at work.
//!
//! [`Shard::handle`] takes an [`Input`] and adds to [`Effects`]; [`Shard::next_deadline`] says when to call it with
//! [`Input::Tick`]. Whoever drives it submits each [`Commit`] (messages first, then writes, in one lane), and tells it by
//! [`Input::Durable`] when that is durable: only then transmissions and replies come out.
//!
//! Everything is bounded. At the limits: a frame beyond [`WINDOWS_MAX`] open windows is dropped as `too_many_windows`, a
//! join beyond [`JOINS_MAX`] as `too_many_joins`, a downlink beyond [`QUEUE_MAX`] is refused by name, and metadata beyond
//! [`METADATA_MAX`] is left out.

mod devices;
mod downlink;
mod effects;
mod entry;
mod join;
mod matching;
mod path;
mod queue;
mod registry;
mod rest;
mod sessions;
mod uplink;
mod window;

pub use effects::{
    CallId, Command, Commit, DeviceView, Effect, Effects, Input, JoinId, NotScheduled, Reply,
};
pub use entry::{Defaults, LoadError};
pub(crate) use entry::{engine, rules};
pub use queue::{QUEUE_MAX, REQUEST_MAX};
pub use window::{METADATA_MAX, WINDOWS_MAX};

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use ttn_core::{
    event::{Event, EventData, EventDefinition},
    id::EntityId,
    map::Map,
    msg::{ApplicationUp, CorrelationIds, TransmissionId},
    rand::Entropy,
    store::{Durable, Epoch, LaneId, Owned, PartitionId},
    time::{Monotonic, Now},
};

use crate::{
    config::Config,
    error::Error,
    stats::NetworkStats,
    store::{DeviceNo, NetworkWrite, Sealer},
};
use devices::Devices;
use downlink::Waiting;
use join::Join;
use window::Window;

/// How many joins wait for the Join Server at most.
pub const JOINS_MAX: usize = 4096;

/// How much longer windows may stay when nothing happens.
const FORGET_SLACK: Duration = Duration::from_secs(5);

/// The owner of devices.
pub struct Shard {
    config: Config,
    defaults: Arc<Defaults>,
    lane: LaneId,
    sealer: Sealer,
    entropy: Arc<dyn Entropy>,
    epochs: BTreeMap<PartitionId, Epoch>,
    devices: Devices,
    device_no_max: BTreeMap<PartitionId, u64>,
    windows: Map<u64, Window>,
    joins: BTreeMap<JoinId, Join>,
    flights: BTreeMap<TransmissionId, FlightOf>,
    /// What the join-accepts among them belong to; data downlinks have it with their device.
    join_flights: BTreeMap<TransmissionId, CorrelationIds>,
    timers: BTreeMap<(Monotonic, u64), Timer>,
    /// When windows are forgotten. Nobody is woken for one of them: it is seen to with the next input.
    forgets: BTreeMap<(Monotonic, u64), u64>,
    timer_seq: u64,
    /// What waits for each commit.
    waiting: BTreeMap<u64, Vec<Waiting>>,
    ticket_next: u64,
    join_next: u64,
    counters: BTreeMap<&'static str, u64>,
    stats: Arc<NetworkStats>,
}

/// A device within a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Handle {
    partition: PartitionId,
    no: DeviceNo,
}

/// What a transmission carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FlightOf {
    Data(Handle),
    JoinAccept(Handle),
}

#[derive(Clone, Copy, Debug)]
enum Timer {
    CloseWindow(u64),
    ForgetFlight(TransmissionId),
    ForgetJoin(JoinId),
}

impl Shard {
    /// Makes a shard without devices. Its writes go through `lane`.
    #[must_use]
    pub fn new(
        config: Config,
        defaults: Defaults,
        lane: LaneId,
        sealer: Sealer,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        let defaults = Arc::new(defaults);
        Self {
            config,
            defaults: defaults.clone(),
            lane,
            sealer,
            entropy,
            epochs: BTreeMap::new(),
            devices: Devices::new(defaults),
            device_no_max: BTreeMap::new(),
            windows: Map::default(),
            joins: BTreeMap::new(),
            flights: BTreeMap::new(),
            join_flights: BTreeMap::new(),
            timers: BTreeMap::new(),
            forgets: BTreeMap::new(),
            timer_seq: 0,
            waiting: BTreeMap::new(),
            ticket_next: 1,
            join_next: 1,
            counters: BTreeMap::new(),
            stats: Arc::default(),
        }
    }

    /// Counts frames there from now on.
    pub fn count_in(&mut self, stats: Arc<NetworkStats>) {
        self.stats = stats;
    }

    /// What is counted of frames.
    #[must_use]
    pub fn stats(&self) -> &NetworkStats {
        &self.stats
    }

    /// Makes the shard the owner of a partition. Its devices are handed over by [`Self::load`].
    pub fn own(&mut self, partition: PartitionId, epoch: Epoch) {
        self.epochs.insert(partition, epoch);
    }

    /// Takes an input and adds what follows from it to `out`.
    pub fn handle(&mut self, now: Now, input: Input, out: &mut Effects) {
        self.forget_windows(now.monotonic);
        match input {
            Input::Call { call, command } => self.on_call(now, call, command, out),
            Input::Durable { ticket, proof } => self.on_durable(now, ticket, proof, out),
            Input::JoinAnswered { join, result } => self.on_join_answered(now, join, result, out),
            Input::Scheduled { id, result } => self.on_scheduled(now, id, result, out),
            Input::Drain => self.close_windows(now, out),
            Input::Tick => {}
            Input::TxAcks(acks) => {
                for ack in acks {
                    self.on_tx_ack(now, &ack, out);
                }
            }
            Input::Uplinks(batch) => {
                for uplink in batch.uplinks {
                    self.on_copy(now, uplink, out);
                }
            }
        }
        self.run_timers(now, out);
        self.devices.settle(now.utc, self.config.devices_awake);
    }

    /// When to call [`Self::handle`] with [`Input::Tick`], if nothing else happens before.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Monotonic> {
        let timer = self.timers.first_key_value().map(|((deadline, _), _)| *deadline);
        let forget = self.forgets.first_key_value().map(|((at, _), _)| at.plus(FORGET_SLACK));
        [timer, forget].into_iter().flatten().min()
    }

    /// How often something was dropped or refused, by reason.
    #[must_use]
    pub const fn counters(&self) -> &BTreeMap<&'static str, u64> {
        &self.counters
    }

    /// Whether a commit, a join or a transmission waits for its outcome.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        !self.waiting.is_empty()
            || !self.joins.is_empty()
            || self.flights.values().any(|flight| matches!(flight, FlightOf::Data(_)))
    }

    /// How many devices it owns.
    #[must_use]
    pub fn len(&self) -> usize {
        self.devices.len()
    }

    /// Whether it owns no device.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.devices.is_empty()
    }

    fn run_timers(&mut self, now: Now, out: &mut Effects) {
        while let Some(timer) = self.timers.first_entry() {
            if timer.key().0 > now.monotonic {
                break;
            }
            match timer.remove() {
                Timer::CloseWindow(key) => self.close_window(now, key, out),
                Timer::ForgetFlight(id) => self.forget_flight(now, id, out),
                Timer::ForgetJoin(join) => self.forget_join(now, join, out),
            }
        }
    }

    fn forget_windows(&mut self, now: Monotonic) {
        while let Some(entry) = self.forgets.first_entry() {
            if entry.key().0 > now {
                break;
            }
            self.windows.remove(&entry.remove());
        }
    }

    fn forget_window_at(&mut self, at: Monotonic, window: u64) {
        self.timer_seq += 1;
        self.forgets.insert((at, self.timer_seq), window);
    }

    fn set_timer(&mut self, at: Monotonic, timer: Timer) {
        self.timer_seq += 1;
        self.timers.insert((at, self.timer_seq), timer);
    }

    fn count(&mut self, reason: &'static str) {
        *self.counters.entry(reason).or_default() += 1;
    }

    fn owned(&self, handle: Handle) -> Owned {
        let epoch = self.epochs.get(&handle.partition).copied().unwrap_or(Epoch(0));
        Owned { partition: handle.partition, epoch }
    }

    /// The commit that collects what must become durable now.
    fn commit<'o>(&mut self, out: &'o mut Effects) -> &'o mut Commit {
        let (ticket_next, lane) = (&mut self.ticket_next, self.lane);
        out.commit.get_or_insert_with(|| {
            let ticket = *ticket_next;
            *ticket_next += 1;
            Commit::new(ticket, lane)
        })
    }

    fn write(&mut self, handle: Handle, write: NetworkWrite, out: &mut Effects) {
        let owned = self.owned(handle);
        self.commit(out).writes.push((owned, write));
    }

    fn tell_application(&mut self, handle: Handle, up: ApplicationUp, out: &mut Effects) {
        let owned = self.owned(handle);
        self.commit(out).application.push((owned, up));
    }

    /// Keeps something back until what was committed so far is durable.
    fn when_durable(&mut self, waiting: Waiting, out: &mut Effects) {
        let ticket = self.commit(out).ticket;
        self.waiting.entry(ticket).or_default().push(waiting);
    }

    fn on_durable(&mut self, now: Now, ticket: u64, proof: Durable, out: &mut Effects) {
        while let Some(entry) = self.waiting.first_entry() {
            if *entry.key() > ticket {
                break;
            }
            for waiting in entry.remove() {
                self.release(now, waiting, proof, out);
            }
        }
    }

    fn reply(call: CallId, result: Result<Reply, Error>, out: &mut Effects) {
        out.now.push(Effect::Reply { call, result });
    }

    /// Publishes an event about a device, if anybody wants it.
    fn publish<D: Into<EventData>>(
        &self,
        now: Now,
        definition: &'static EventDefinition,
        handle: Handle,
        correlation_ids: &CorrelationIds,
        data: impl FnOnce() -> D,
        out: &mut Effects,
    ) {
        if !out.events_wanted {
            return;
        }
        let Some(entry) = self.devices.get(&handle) else { return };
        out.now.push(Effect::Event(Box::new(Event {
            definition,
            time: now.utc,
            identifiers: vec![EntityId::Device(entry.device.ids.key.clone())],
            radio_ids: entry.radio_ids(),
            correlation_ids: correlation_ids.clone(),
            caller: None,
            data: data().into(),
        })));
    }
}

impl fmt::Debug for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shard")
            .field("devices", &self.devices.len())
            .field("windows", &self.windows.len())
            .field("waiting", &self.waiting.len())
            .finish_non_exhaustive()
    }
}

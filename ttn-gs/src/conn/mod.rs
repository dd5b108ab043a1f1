//! A connected gateway as a value: its clock, its round-trip times, its scheduler, its statistics.

mod clock;
mod radio;
mod repeat;
mod rtt;
mod stats;
mod token;

pub use clock::{ClockSync, Synced, unfold};
pub use radio::RadioPlan;
pub use repeat::{REPEAT_MAX, Repeat, RepeatFilter};
pub use rtt::{RoundTripStats, RoundTrips, SAMPLES_MAX, SAMPLES_MIN};
pub use stats::{ConnectionStats, SubBandStats};
pub use token::UplinkToken;

use std::{
    fmt,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use ttn_core::{
    auth::Credentials,
    error::{ApiError, ErrorKind},
    id::{FrequencyPlanId, GatewayId, GatewayIds},
    peer::GatewayInfo,
    time::{ConcentratorTime, Monotonic, Now, Timestamp},
};

use crate::{
    error::Error,
    frontend::{ConnectRequest, DownlinkSink, GatewayDown, GatewayRef},
    sched::{LEAD_MIN, QUEUE_DELAY, Rules, Scheduler},
};

/// A connection of a gateway. It is shared by its front end and the server.
#[derive(Debug)]
pub struct Connection {
    info: GatewayInfo,
    plan: RadioPlan,
    protocol: &'static str,
    remote: Option<SocketAddr>,
    connected_at: Timestamp,
    sink: Arc<dyn DownlinkSink>,
    closed: AtomicBool,
    downlink_path: AtomicBool,
    pushing: AtomicBool,
    authenticated: bool,
    gateway: GatewayRef,
    credentials: Credentials,
    fallback_plan: Option<FrequencyPlanId>,
    downlinks_waiting: AtomicUsize,
    state: Mutex<State>,
}

/// What changes while a gateway is connected. Held for microseconds at a time.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) radio: Radio,
    pub(crate) round_trips: RoundTrips,
    pub(crate) repeats: RepeatFilter,
    pub(crate) stats: ConnectionStats,
    pub(crate) changed: bool,
    /// When the registry was told last where the gateway is (GS-58).
    pub(crate) location_told: Option<Monotonic>,
}

/// What outlives a connection: the concentrator's clock and what it has sent.
#[derive(Clone, Debug)]
pub(crate) struct Radio {
    pub(crate) clock: ClockSync,
    pub(crate) scheduler: Scheduler,
}

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DisconnectReason {
    /// The registration changed in a way that matters to the connection, or is gone (GS-07, GS-08).
    Changed,
    /// The gateway was silent for too long (GS-19).
    Expired,
    /// The gateway connected anew (GS-05).
    NewConnection,
}

impl Connection {
    pub(crate) fn new(
        info: GatewayInfo,
        plan: RadioPlan,
        radio: Radio,
        request: &ConnectRequest,
        now: Now,
    ) -> Self {
        let stats = ConnectionStats {
            connected_at: Some(now.utc),
            protocol: request.protocol,
            remote: request.remote,
            ..ConnectionStats::default()
        };
        Self {
            info,
            plan,
            protocol: request.protocol,
            remote: request.remote,
            connected_at: now.utc,
            sink: request.sink.clone(),
            closed: AtomicBool::new(false),
            downlink_path: AtomicBool::new(false),
            pushing: AtomicBool::new(true),
            authenticated: request.authenticated,
            gateway: request.gateway.clone(),
            credentials: request.credentials.clone(),
            fallback_plan: request.fallback_frequency_plan.clone(),
            downlinks_waiting: AtomicUsize::new(0),
            state: Mutex::new(State {
                radio,
                round_trips: RoundTrips::default(),
                repeats: RepeatFilter::default(),
                stats,
                changed: true,
                location_told: None,
            }),
        }
    }

    /// Says whether the gateway can be reached with downlinks.
    pub fn set_downlink_path(&self, open: bool) {
        self.downlink_path.store(open, Ordering::Relaxed);
        self.state.lock().changed = true;
    }

    /// Says whether the gateway goes on sending uplinks and statuses; until told otherwise it does (GS-77).
    pub fn set_pushing(&self, active: bool) {
        self.pushing.store(active, Ordering::Relaxed);
        self.state.lock().changed = true;
    }

    /// How the gateway named itself.
    #[must_use]
    pub const fn gateway(&self) -> &GatewayRef {
        &self.gateway
    }

    pub(crate) const fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    pub(crate) const fn fallback_plan(&self) -> Option<&FrequencyPlanId> {
        self.fallback_plan.as_ref()
    }

    /// Whether the gateway proved who it is.
    #[must_use]
    pub const fn is_authenticated(&self) -> bool {
        self.authenticated
    }

    /// Says that a downlink left the front end, or was given up there.
    pub fn downlink_taken(&self) {
        // A stray call must not wrap the counter.
        let _ = self
            .downlinks_waiting
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1));
    }

    /// Whether the connection ended.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// The gateway as it was known when it connected.
    #[must_use]
    pub const fn info(&self) -> &GatewayInfo {
        &self.info
    }

    /// The gateway.
    #[must_use]
    pub const fn ids(&self) -> &GatewayIds {
        &self.info.ids
    }

    /// The gateway's id.
    #[must_use]
    pub const fn gateway_id(&self) -> &GatewayId {
        &self.info.ids.gateway_id
    }

    /// The protocol that it speaks.
    #[must_use]
    pub const fn protocol(&self) -> &'static str {
        self.protocol
    }

    /// Where it connects from.
    #[must_use]
    pub const fn remote(&self) -> Option<SocketAddr> {
        self.remote
    }

    /// When it connected.
    #[must_use]
    pub const fn connected_at(&self) -> Timestamp {
        self.connected_at
    }

    /// What is told about it: of streams that have ended nothing (GS-77).
    #[must_use]
    pub fn stats(&self, now: Monotonic) -> ConnectionStats {
        let mut stats = self.all_stats(now);
        if !self.pushing.load(Ordering::Relaxed) {
            stats.without_uplinks();
        }
        if !self.downlink_path.load(Ordering::Relaxed) {
            stats.without_downlinks();
        }
        stats
    }

    /// Everything that it counted.
    pub(crate) fn all_stats(&self, now: Monotonic) -> ConnectionStats {
        let state = self.state.lock();
        let mut stats = state.stats.clone();
        stats.round_trips = state.round_trips.stats(now);
        if let Some(at) = state.radio.clock.at(now) {
            let usage = state.radio.scheduler.usage(at);
            stats.sub_bands = usage.map(|usage| SubBandStats::of(&usage)).collect();
        }
        stats
    }

    pub(crate) const fn plan(&self) -> &RadioPlan {
        &self.plan
    }

    pub(crate) fn state(&self) -> parking_lot::MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Marks the connection as ended; `false` if it was already.
    pub(crate) fn close(&self, now: Timestamp) -> bool {
        let first = !self.closed.swap(true, Ordering::Relaxed);
        if first {
            self.state.lock().stats.disconnected_at = Some(now);
        }
        first
    }

    /// Makes sure that a downlink can be handed over.
    pub(crate) fn check_downlink(&self) -> Result<(), Error> {
        if self.is_closed() {
            return Err(Error::NotConnected { gateway_id: self.gateway_id().clone() });
        }
        if !self.downlink_path.load(Ordering::Relaxed) {
            return Err(Error::DownlinkPathExpired { gateway_id: self.gateway_id().clone() });
        }
        if self.downlinks_waiting.load(Ordering::Relaxed) >= DOWNLINKS_MAX {
            return Err(Error::BufferFull);
        }
        Ok(())
    }

    pub(crate) fn sink(&self) -> &dyn DownlinkSink {
        &*self.sink
    }

    pub(crate) fn send(&self, down: GatewayDown) -> Result<(), Error> {
        self.downlinks_waiting.fetch_add(1, Ordering::Relaxed);
        self.sink.send(down).inspect_err(|_| self.downlink_taken())
    }
}

impl State {
    /// The concentrator's time, as it is now at the gateway.
    pub(crate) fn concentrator_now(&self, now: Monotonic) -> Option<ConcentratorTime> {
        let seen = self.radio.clock.at(now)?;
        // Even the fastest uplink was on its way for a while.
        let on_the_way = self
            .round_trips
            .stats(now)
            .filter(|stats| stats.count >= SAMPLES_MIN)
            .map_or(Duration::ZERO, |stats| stats.min / 2);
        Some(seen.plus(on_the_way))
    }

    /// How long before its begin a transmission must leave the server (GS-65).
    pub(crate) fn lead_min(&self, now: Monotonic) -> Duration {
        let round_trip = self.round_trips.percentile(now, 90);
        round_trip.map_or(LEAD_MIN, |round_trip| round_trip / 2 + QUEUE_DELAY)
    }
}

impl Radio {
    pub(crate) fn new(rules: Rules) -> Self {
        Self { clock: ClockSync::default(), scheduler: Scheduler::new(rules) }
    }

    /// Takes a stamp; if the concentrator started anew, what it has sent keeps its distance from now.
    pub(crate) fn sync(&mut self, counter: u32, received: Monotonic) -> ConcentratorTime {
        let synced = self.clock.sync(counter, received);
        if let Some(nanos) = synced.jumped {
            self.scheduler.shift(nanos);
        }
        synced.time
    }
}

impl DisconnectReason {
    /// The name that stands in events.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Changed => "gateway_changed",
            Self::Expired => "connection_expired",
            Self::NewConnection => "new_connection",
        }
    }
}

impl fmt::Display for DisconnectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Changed => "the registration of the gateway changed",
            Self::Expired => "the gateway was silent for too long",
            Self::NewConnection => "the gateway connected anew",
        })
    }
}

impl std::error::Error for DisconnectReason {}

impl ApiError for DisconnectReason {
    fn namespace(&self) -> &'static str {
        match self {
            Self::Expired => "pkg/gatewayserver/io/udp",
            Self::Changed | Self::NewConnection => "pkg/gatewayserver",
        }
    }

    fn name(&self) -> &'static str {
        self.as_str()
    }

    fn kind(&self) -> ErrorKind {
        match self {
            Self::Expired => ErrorKind::Unknown,
            Self::Changed | Self::NewConnection => ErrorKind::Aborted,
        }
    }
}

/// Downlinks per gateway that the front end has not sent yet; further ones are refused with `buffer_full` (GS-80).
pub const DOWNLINKS_MAX: usize = 16;

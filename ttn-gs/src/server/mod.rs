//! The Gateway Server: who is connected, and the ways of frames through it.

mod connect;
mod receive;
mod schedule;
mod upkeep;

pub use receive::{Intake, UpDrop};

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use parking_lot::{Mutex, RwLock};
use ttn_core::{
    clock::Clock,
    event::EventData,
    id::{GatewayId, GatewayIds},
    limit::RateLimiter,
    map::Map,
    peer::Peers,
    rand::Entropy,
    task::Tasks,
};
use ttn_mac::plan::Plans;

use crate::{
    builder::GatewayServerBuilder,
    config::Config,
    conn::{Connection, ConnectionStats},
    count::Counters,
    event::{self, Publisher},
    frontend::Frontend,
    upstream::Forwarding,
};

use connect::Retired;
use upkeep::Upkeep;

/// The Gateway Server.
///
/// It implements [`ttn_core::peer::NsGs`]; front ends call [`Self::connect`], [`Self::receive`], [`Self::tx_ack`] and
/// [`Self::forward`].
pub struct GatewayServer {
    require_registered_gateways: bool,
    forwarding: Forwarding,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    peers: Arc<dyn Peers>,
    publisher: Publisher,
    frontends: Mutex<Vec<Box<dyn Frontend>>>,
    connections: RwLock<Map<GatewayId, Arc<Connection>>>,
    retired: Mutex<Retired>,
    up_drops: Counters<UpDrop>,
    upkeep: Upkeep,
    limiter: Option<Arc<dyn RateLimiter>>,
    plans: Arc<Plans>,
}

impl GatewayServer {
    /// Begins to build a server.
    pub fn builder(
        config: Config,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        peers: Arc<dyn Peers>,
    ) -> GatewayServerBuilder {
        GatewayServerBuilder::new(config, clock, entropy, peers)
    }

    pub(crate) fn of(builder: GatewayServerBuilder, frontends: Vec<Box<dyn Frontend>>) -> Self {
        Self {
            require_registered_gateways: builder.config.require_registered_gateways,
            forwarding: Forwarding::new(builder.config.forward),
            clock: builder.clock,
            entropy: builder.entropy,
            peers: builder.peers,
            publisher: Publisher::new(builder.events),
            frontends: Mutex::new(frontends),
            connections: RwLock::default(),
            retired: Mutex::default(),
            up_drops: Counters::new(),
            upkeep: Upkeep::default(),
            limiter: builder.limiter,
            plans: builder.plans,
        }
    }

    /// Starts the front ends, the statistics and the upkeep of connections. To be called once.
    pub fn start(self: &Arc<Self>, tasks: &mut Tasks) {
        for frontend in std::mem::take(&mut *self.frontends.lock()) {
            frontend.start(self.clone(), tasks);
        }
        let server = self.clone();
        tasks.spawn("gateway upkeep", async move { server.keep_up().await });
        let server = self.clone();
        tasks.spawn("gateway statistics", async move {
            loop {
                let next = server.clock.monotonic().plus(STATS_INTERVAL);
                server.clock.sleep_until(next).await;
                server.publish_stats();
            }
        });
    }

    /// The clock.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// The source of randomness.
    #[must_use]
    pub fn entropy(&self) -> &Arc<dyn Entropy> {
        &self.entropy
    }

    /// The other components.
    #[cfg(feature = "grpc")]
    pub(crate) fn peers(&self) -> &dyn Peers {
        &*self.peers
    }

    pub(crate) const fn limiter(&self) -> Option<&Arc<dyn RateLimiter>> {
        self.limiter.as_ref()
    }

    /// Uplinks that were not forwarded, by reason.
    #[must_use]
    pub const fn up_drops(&self) -> &Counters<UpDrop> {
        &self.up_drops
    }

    /// The connection of a gateway, if it has one.
    #[must_use]
    pub fn connection(&self, gateway: &GatewayId) -> Option<Arc<Connection>> {
        self.connections.read().get(gateway).cloned()
    }

    /// All that names a gateway: its EUI is known while it is connected.
    pub(crate) fn ids_of(&self, gateway: &GatewayId) -> GatewayIds {
        let eui = self.connection(gateway).and_then(|connection| connection.ids().eui);
        GatewayIds { gateway_id: gateway.clone(), eui }
    }

    /// How many status messages the registry was told of: where gateways are, and what they run (GS-79).
    #[must_use]
    pub fn status_forwarded(&self) -> u64 {
        self.upkeep.forwarded()
    }

    /// How many gateways are connected.
    #[must_use]
    pub fn connected(&self) -> usize {
        self.connections.read().len()
    }

    /// How many gateways are connected, by the protocol that they speak (GS-79).
    #[must_use]
    pub fn connected_by_protocol(&self) -> BTreeMap<&'static str, usize> {
        let mut connected = BTreeMap::new();
        for connection in self.connections.read().values() {
            *connected.entry(connection.protocol()).or_default() += 1;
        }
        connected
    }

    /// What is told about a gateway's connection, or about its last one for two days (GS-75).
    #[must_use]
    pub fn stats(&self, gateway: &GatewayId) -> Option<ConnectionStats> {
        let now = self.clock.now();
        let connection = self.connection(gateway);
        connection
            .map(|connection| connection.stats(now.monotonic))
            .or_else(|| self.retired.lock().stats(gateway, now))
    }

    /// Tells of connections that changed since the last time.
    fn publish_stats(&self) {
        let now = self.clock.now();
        let connections: Vec<_> = self.connections.read().values().cloned().collect();
        for connection in connections {
            if !std::mem::take(&mut connection.state().changed) {
                continue;
            }
            let id = connection.ids();
            self.publisher.gateway(&event::CONNECTION_STATS, now.utc, id, &vec![], || {
                let stats = connection.stats(now.monotonic);
                EventData::message(move || stats.to_json())
            });
        }
        self.retired.lock().prune(now);
    }
}

impl fmt::Debug for GatewayServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GatewayServer")
            .field("connected", &self.connected())
            .field("up_drops", &self.up_drops)
            .finish_non_exhaustive()
    }
}

/// How often statistics that changed are published (GS-75).
const STATS_INTERVAL: Duration = Duration::from_secs(60);

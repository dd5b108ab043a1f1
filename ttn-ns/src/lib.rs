//! Network Server: deduplication, device matching, the driver of the MAC engine and downlink slots.
//!
//! * [`NetworkServer`]: the component; [`NetworkServer::builder`] makes it, [`NetworkServer::start`] sets it going;
//! * [`shard`]: the owner of devices, a machine without I/O; its runner drives it;
//! * [`registry`]: what a registration may say, and the calls that change it;
//! * [`store`]: the storage port and the records that it holds;
//! * [`device`]: a device as the Network Server knows it.
//!
//! ```
//! use std::sync::Arc;
//! use ttn_core::{clock::SystemClock, peer::Local, task::Tasks};
//! use ttn_ns::{NetworkServer, config::Config};
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//! # runtime.block_on(async {
//! let peers = Arc::new(Local::default());
//! let clock = Arc::new(SystemClock::new());
//! let ns = NetworkServer::builder(Config::default(), clock, peers.clone()).build()?;
//! peers.set_gs_ns(&ns).set_as_ns(&ns);
//! let mut tasks = Tasks::new();
//! ns.start(&mut tasks);
//! # Ok::<_, ttn_ns::builder::BuildError>(())
//! # })?;
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```

#[cfg(feature = "grpc")]
pub mod api;
pub mod builder;
pub mod config;
#[cfg(feature = "proto")]
pub mod convert;
pub mod device;
pub mod error;
mod event;
mod peer;
pub mod registry;
mod runner;
pub mod shard;
pub mod stats;
pub mod store;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use parking_lot::Mutex;
use tokio::sync::mpsc;
use ttn_core::{
    clock::Clock,
    event::Events,
    peer::Peers,
    rand::Entropy,
    store::{LaneId, OwnerId},
};

use builder::Builder;
use config::Config;
use runner::{Message, Runner};
use shard::Defaults;
use stats::NetworkStats;
use store::{NetworkStore, Sealer};

/// A Network Server.
pub struct NetworkServer {
    config: Config,
    defaults: Defaults,
    clock: Arc<dyn Clock>,
    peers: Arc<dyn Peers>,
    entropy: Arc<dyn Entropy>,
    store: Arc<dyn NetworkStore>,
    events: Events,
    sealer: Sealer,
    lane: LaneId,
    owner: OwnerId,
    inputs: mpsc::Sender<Message>,
    receiver: Mutex<Option<mpsc::Receiver<Message>>>,
    /// What has taken the devices over, until it is started.
    loaded: Mutex<Option<Box<Runner>>>,
    stats: Arc<NetworkStats>,
    ready: Arc<AtomicBool>,
    draining: Arc<AtomicBool>,
}

impl NetworkServer {
    /// Begins to put a Network Server together.
    pub fn builder(config: Config, clock: Arc<dyn Clock>, peers: Arc<dyn Peers>) -> Builder {
        Builder::new(config, clock, peers)
    }

    /// Whether every device is loaded, so that uplinks are matched and calls are answered at once.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    /// Whether it is about to end and takes nothing new.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// What it counted since its start.
    #[must_use]
    pub fn stats(&self) -> &NetworkStats {
        &self.stats
    }

    /// Its configuration.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }
}

impl fmt::Debug for NetworkServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NetworkServer").field("config", &self.config).finish_non_exhaustive()
    }
}

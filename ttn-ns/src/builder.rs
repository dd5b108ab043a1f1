//! The only constructor of a Network Server.

use std::{fmt, sync::Arc};

use tokio::sync::mpsc;
use ttn_core::{
    clock::Clock,
    event::{Events, NoEvents},
    peer::Peers,
    rand::{Entropy, OsEntropy},
    store::{LaneId, OwnerId},
    vault::{KeyVault, VaultError},
};
use ttn_mac::{plan::Plans, state::MacSettings};

use crate::{
    NetworkServer,
    config::Config,
    shard::Defaults,
    store::{MemoryNetworkStore, NetworkStore, Sealer},
};

/// Puts a Network Server together.
pub struct Builder {
    config: Config,
    clock: Arc<dyn Clock>,
    peers: Arc<dyn Peers>,
    entropy: Arc<dyn Entropy>,
    store: Option<Arc<dyn NetworkStore>>,
    events: Events,
    vault: Option<Arc<dyn KeyVault>>,
    lane: LaneId,
    defaults: Defaults,
}

/// Why a Network Server cannot be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// There must be room for at least one input.
    #[error("input-queue-length is 0: no uplink could be taken")]
    InputQueue,
    /// The vault does not have the key that session keys are wrapped with.
    #[error("device-kek-label: {source}")]
    Kek {
        /// What is missing.
        source: VaultError,
    },
    /// A label, but no vault.
    #[error("device-kek-label is {label:?}, but there is no key vault")]
    NoVault {
        /// The label.
        label: String,
    },
}

impl Builder {
    pub(crate) fn new(config: Config, clock: Arc<dyn Clock>, peers: Arc<dyn Peers>) -> Self {
        Self {
            config,
            clock,
            peers,
            entropy: Arc::new(OsEntropy::default()),
            store: None,
            events: Arc::new(NoEvents::default()),
            vault: None,
            lane: LaneId::default(),
            defaults: Defaults::new(MacSettings::default()),
        }
    }

    /// Where to draw addresses and ids from; the operating system's generator unless set.
    #[must_use]
    pub fn entropy(mut self, entropy: Arc<dyn Entropy>) -> Self {
        self.entropy = entropy;
        self
    }

    /// Where devices are kept; in memory unless set.
    #[must_use]
    pub fn store(mut self, store: Arc<dyn NetworkStore>) -> Self {
        self.store = Some(store);
        self
    }

    /// Where events go; nowhere unless set.
    #[must_use]
    pub fn events(mut self, events: Events) -> Self {
        self.events = events;
        self
    }

    /// What wraps session keys with the key of `Config::device_kek_label`, and unwraps those of the Join Server.
    #[must_use]
    pub fn vault(mut self, vault: Arc<dyn KeyVault>) -> Self {
        self.vault = Some(vault);
        self
    }

    /// MAC settings of devices that do not set them, and the ADR policy.
    #[must_use]
    pub fn defaults(mut self, defaults: Defaults) -> Self {
        self.defaults = defaults;
        self
    }

    /// The frequency plans that there are; those built in unless set.
    #[must_use]
    pub fn plans(mut self, plans: Arc<Plans>) -> Self {
        self.defaults.plans = plans;
        self
    }

    /// The lane of all writes: the Application Server's messages go into the same one.
    #[must_use]
    pub const fn lane(mut self, lane: LaneId) -> Self {
        self.lane = lane;
        self
    }

    /// Builds it. [`NetworkServer::start`] sets it going.
    ///
    /// # Errors
    ///
    /// The configuration and the vault do not fit.
    pub fn build(self) -> Result<Arc<NetworkServer>, BuildError> {
        if self.config.input_queue_length == 0 {
            return Err(BuildError::InputQueue);
        }
        let sealer = self.sealer()?;
        let (inputs, receiver) = mpsc::channel(self.config.input_queue_length);
        let store = self.store.unwrap_or_else(|| Arc::new(MemoryNetworkStore::new()));
        Ok(Arc::new(NetworkServer {
            ready: Arc::default(),
            draining: Arc::default(),
            stats: Arc::default(),
            owner: OwnerId(self.entropy.next_u64()),
            config: self.config,
            defaults: self.defaults,
            clock: self.clock,
            peers: self.peers,
            entropy: self.entropy,
            store,
            events: self.events,
            sealer,
            lane: self.lane,
            inputs,
            receiver: parking_lot::Mutex::new(Some(receiver)),
            loaded: parking_lot::Mutex::default(),
        }))
    }

    fn sealer(&self) -> Result<Sealer, BuildError> {
        let label = self.config.device_kek_label.as_str();
        match &self.vault {
            None if label.is_empty() => Ok(Sealer::clear()),
            None => Err(BuildError::NoVault { label: label.to_owned() }),
            Some(vault) if label.is_empty() || vault.has(label) => {
                Ok(Sealer::new(vault.clone(), label))
            }
            Some(_) => {
                Err(BuildError::Kek { source: VaultError::KekNotFound { label: label.into() } })
            }
        }
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("config", &self.config).finish_non_exhaustive()
    }
}

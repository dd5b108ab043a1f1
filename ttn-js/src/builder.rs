//! How a Join Server comes to be.

use std::sync::Arc;

use ttn_core::{
    clock::Clock,
    event::{Events, NoEvents},
    peer::Peers,
    rand::Entropy,
    vault::KeyVault,
};

use crate::{
    config::Config, count::JoinCounters, error::Error, keys::KeyRing, server::JoinServer,
    store::JoinStore,
};

/// Puts a [`JoinServer`] together.
#[derive(Debug)]
pub struct Builder {
    config: Config,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    peers: Arc<dyn Peers>,
    store: Option<Arc<dyn JoinStore>>,
    vault: Option<Arc<dyn KeyVault>>,
    events: Events,
}

impl Builder {
    pub(crate) fn new(
        config: Config,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        peers: Arc<dyn Peers>,
    ) -> Self {
        Self {
            config,
            clock,
            entropy,
            peers,
            store: None,
            vault: None,
            events: Arc::new(NoEvents::default()),
        }
    }

    /// Keeps devices, nonces and keys in a store.
    #[must_use]
    pub fn store(mut self, store: Arc<dyn JoinStore>) -> Self {
        self.store = Some(store);
        self
    }

    /// Wraps keys with a vault. It must have the key of `device-kek-label`.
    #[must_use]
    pub fn vault(mut self, vault: Arc<dyn KeyVault>) -> Self {
        self.vault = Some(vault);
        self
    }

    /// Publishes events.
    #[must_use]
    pub fn events(mut self, events: Events) -> Self {
        self.events = events;
        self
    }

    /// Builds the Join Server.
    ///
    /// # Errors
    ///
    /// Store or vault are missing, or the vault lacks the key for keys at rest.
    pub fn build(self) -> Result<Arc<JoinServer>, Error> {
        let store = self.store.ok_or(Error::Incomplete { part: "a store" })?;
        let vault = self.vault.ok_or(Error::Incomplete { part: "a key vault" })?;
        let keys = KeyRing::new(vault, self.config.device_kek_label.clone())?;
        Ok(Arc::new(JoinServer {
            config: self.config,
            clock: self.clock,
            entropy: self.entropy,
            peers: self.peers,
            store,
            keys,
            events: self.events,
            joins: JoinCounters::default(),
        }))
    }
}

//! The Identity Server.

mod api_keys;
mod batches;
mod bootstrap;
mod cache;
mod clients;
mod collaborators;
mod contacts;
mod dev_euis;
mod devices;
mod entities;
mod kind;
mod lifecycle;
mod listing;
mod purge;
mod users;

pub use api_keys::Issued;
pub use bootstrap::Admin;
pub use clients::NewClient;

use std::{fmt, sync::Arc};

use ttn_core::{clock::Clock, event::Events, rand::Entropy, task::Tasks};

use crate::{auth::hash::Hasher, builder::Builder, config::Config, store::IdentityStore};

/// Users, applications, gateways, end devices, API keys, memberships and rights.
///
/// Every method that takes a `caller` checks his rights before anything else. What a method writes is durable when
/// it returns. Methods may be dropped halfway: their write is then done or not done, never half.
pub struct IdentityServer {
    pub(crate) config: Config,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) store: Arc<dyn IdentityStore>,
    pub(crate) events: Events,
    pub(crate) hasher: Hasher,
    pub(crate) gateways: cache::GatewayCache,
    /// One DevEUI is drawn at a time: drawing is a race on one counter.
    pub(crate) drawing: tokio::sync::Mutex<()>,
}

impl IdentityServer {
    /// Starts to build one.
    pub fn builder(config: Config, clock: Arc<dyn Clock>) -> Builder {
        Builder::new(config, clock)
    }

    pub(crate) fn new(
        config: Config,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        store: Arc<dyn IdentityStore>,
        events: Events,
    ) -> Self {
        let hasher = Hasher::new(&*entropy);
        let gateways = cache::GatewayCache::default();
        let drawing = tokio::sync::Mutex::default();
        Self { config, clock, entropy, store, events, hasher, gateways, drawing }
    }

    /// Starts its tasks. It has none today; a composition starts all components alike.
    pub const fn start(self: &Arc<Self>, _tasks: &mut Tasks) {}

    /// How it is configured.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }
}

impl fmt::Debug for IdentityServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdentityServer").field("store", &self.store).finish_non_exhaustive()
    }
}

/// How often a change is tried against other writers before it gives up.
pub(crate) const TRIES: usize = 8;

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
mod invitations;
mod kind;
mod lifecycle;
mod listing;
mod oauth;
mod passwords;
mod purge;
mod sessions;
mod users;

pub use api_keys::Issued;
pub use bootstrap::Admin;
pub use clients::NewClient;
pub use sessions::OpenSession;
#[cfg(feature = "grpc")]
pub(crate) use sessions::{Presented, user_principal};

use std::{fmt, sync::Arc};

use ttn_core::{clock::Clock, event::Events, limit::MemoryLimiter, rand::Entropy, task::Tasks};

use crate::{
    auth::hash::Hasher, builder::Builder, config::Config, email::Mails, store::IdentityStore,
};

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
    pub(crate) mails: Mails,
    /// How often passwords may be tried.
    pub(crate) guesses: MemoryLimiter,
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
        mails: Mails,
    ) -> Self {
        let guesses = MemoryLimiter::new(clock.clone(), &sessions::guess_limits());
        let hasher = Hasher::new(&*entropy);
        let gateways = cache::GatewayCache::default();
        let drawing = tokio::sync::Mutex::default();
        Self { config, clock, entropy, store, events, hasher, gateways, mails, guesses, drawing }
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

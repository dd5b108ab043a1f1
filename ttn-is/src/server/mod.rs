//! The Identity Server.

mod api_keys;
mod audit;
mod batches;
mod bookmarks;
mod bootstrap;
mod cache;
mod cleanup;
mod clients;
mod collaborators;
mod contacts;
mod dev_euis;
mod devices;
mod entities;
mod invitations;
mod kind;
mod lifecycle;
mod limits;
mod listing;
mod login_tokens;
pub mod notifications;
mod oauth;
mod passwords;
pub(crate) mod pictures;
mod purge;
mod search;
mod sessions;
mod tenants;
mod users;

pub use api_keys::Issued;
pub use bootstrap::Admin;
pub use cleanup::Cleanup;
pub use clients::NewClient;
pub use search::AccountSearch;
pub use sessions::OpenSession;
#[cfg(feature = "grpc")]
pub(crate) use sessions::{Presented, user_principal};
pub use tenants::{NewAdministrator, NewTenant};

use std::{
    fmt,
    sync::{Arc, atomic::AtomicU32},
};

use ttn_core::{clock::Clock, event::Events, limit::MemoryLimiter, rand::Entropy, task::Tasks};

use crate::{
    auth::hash::Hasher,
    builder::Builder,
    config::Config,
    email::{Mails, Outbox, Templates},
    store::IdentityStore,
    tenant::TenantHost,
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
    pub(crate) outbox: Outbox,
    /// What mails say.
    pub(crate) templates: Templates,
    /// How often passwords may be tried.
    pub(crate) guesses: MemoryLimiter,
    /// How many ids of notifications and of entries of the audit log were drawn.
    pub(crate) drawn: AtomicU32,
    /// One DevEUI is drawn at a time: drawing is a race on one counter.
    pub(crate) drawing: tokio::sync::Mutex<()>,
    pub(crate) room: limits::Room,
    /// Who runs the networks of tenants, where there may be any.
    pub(crate) tenants: Option<Arc<dyn TenantHost>>,
    /// One picture is drawn at a time.
    pub(crate) painting: tokio::sync::Mutex<()>,
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
        (mails, templates): (Mails, Templates),
    ) -> Self {
        let guesses = MemoryLimiter::new(clock.clone(), &sessions::guess_limits());
        let hasher = Hasher::new(&*entropy);
        let gateways = cache::GatewayCache::default();
        let outbox = Outbox::new(mails, clock.clone());
        let (drawing, painting) = Default::default();
        let drawn = AtomicU32::default();
        let room = limits::Room::new(config.limits);
        Self {
            config,
            clock,
            entropy,
            store,
            events,
            hasher,
            gateways,
            outbox,
            templates,
            guesses,
            drawn,
            drawing,
            room,
            tenants: None,
            painting,
        }
    }

    /// Starts its tasks: mails are sent, and old entries of the audit log are deleted. Without it, calls wait until their
    /// mails are sent.
    pub fn start(self: &Arc<Self>, tasks: &mut Tasks) {
        let server = self.clone();
        tasks.spawn("mails", async move { server.outbox.run().await });
        let server = self.clone();
        tasks.spawn("audit", async move { server.keep_audit_short().await });
    }

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

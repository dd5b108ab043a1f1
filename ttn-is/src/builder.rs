//! The only constructor.

use std::sync::Arc;

use ttn_core::{
    clock::Clock,
    event::{Events, NoEvents},
    rand::{Entropy, OsEntropy},
};

use crate::{
    config::Config,
    email::{Mails, NoMail, Templates},
    server::IdentityServer,
    store::IdentityStore,
    tenant::TenantHost,
};

/// Builds an [`IdentityServer`].
#[derive(Debug)]
#[must_use = "nothing happens before `build`"]
pub struct Builder {
    config: Config,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    store: Option<Arc<dyn IdentityStore>>,
    events: Events,
    mails: Mails,
    templates: Templates,
    tenants: Option<Arc<dyn TenantHost>>,
}

/// Why an Identity Server could not be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// A cluster key is so short that it could be guessed.
    #[error("a cluster key has {octets} octets; use {CLUSTER_KEY_LENGTH_MIN} or more")]
    ClusterKeyTooShort {
        /// How many it has.
        octets: usize,
    },
    /// A tenant admin key is so short that it could be guessed.
    #[error("a tenant admin key has {octets} octets; use {CLUSTER_KEY_LENGTH_MIN} or more")]
    TenantAdminKeyTooShort {
        /// How many it has.
        octets: usize,
    },
    /// There is no store.
    #[error("the Identity Server needs a store; call `store`")]
    NoStore,
}

impl Builder {
    pub(crate) fn new(config: Config, clock: Arc<dyn Clock>) -> Self {
        Self {
            config,
            clock,
            entropy: Arc::new(OsEntropy::default()),
            store: None,
            events: Arc::new(NoEvents::default()),
            mails: Arc::new(NoMail::default()),
            templates: Templates::default(),
            tenants: None,
        }
    }

    /// Sets where ids, secrets and salts come from; otherwise the operating system.
    pub fn entropy(mut self, entropy: Arc<dyn Entropy>) -> Self {
        self.entropy = entropy;
        self
    }

    /// Sets the store. There must be one.
    pub fn store(mut self, store: Arc<dyn IdentityStore>) -> Self {
        self.store = Some(store);
        self
    }

    /// Sets where events go; otherwise nowhere.
    pub fn events(mut self, events: Events) -> Self {
        self.events = events;
        self
    }

    /// Sets how mails are sent; otherwise not at all.
    pub fn mails(mut self, mails: Mails) -> Self {
        self.mails = mails;
        self
    }

    /// Sets what mails say; otherwise what [`Templates::default`] has.
    pub fn templates(mut self, templates: Templates) -> Self {
        self.templates = templates;
        self
    }

    /// Sets who runs the networks of tenants; otherwise there are none, and nothing tells of them.
    pub fn tenants(mut self, host: Arc<dyn TenantHost>) -> Self {
        self.tenants = Some(host);
        self
    }

    /// Builds the server.
    ///
    /// # Errors
    ///
    /// There is no store, or a key is too short.
    pub fn build(self) -> Result<Arc<IdentityServer>, BuildError> {
        let short = self.config.cluster_keys.iter().map(Vec::len);
        if let Some(octets) = short.into_iter().find(|octets| *octets < CLUSTER_KEY_LENGTH_MIN) {
            return Err(BuildError::ClusterKeyTooShort { octets });
        }
        let short = self.config.tenancy.admin_keys.iter().map(String::len);
        if let Some(octets) = short.into_iter().find(|octets| *octets < CLUSTER_KEY_LENGTH_MIN) {
            return Err(BuildError::TenantAdminKeyTooShort { octets });
        }
        let store = self.store.ok_or(BuildError::NoStore)?;
        let Self { config, clock, entropy, events, mails, templates, tenants, .. } = self;
        let mails = (mails, templates);
        let mut server = IdentityServer::new(config, clock, entropy, store, events, mails);
        server.tenants = tenants;
        Ok(Arc::new(server))
    }
}

const CLUSTER_KEY_LENGTH_MIN: usize = 16;

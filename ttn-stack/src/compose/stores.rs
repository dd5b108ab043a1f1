//! The stores of a stack.

use std::sync::Arc;

use ttn_as::{log::ApplicationLog, store::ApplicationStore};
use ttn_core::store::StoreError;
use ttn_is::store::IdentityStore;
use ttn_js::store::JoinStore;
use ttn_ns::store::NetworkStore;
use ttn_store_embedded::EmbeddedStore;
use ttn_store_postgres::PostgresStore;

use crate::config::{Config, Store};

/// One store per port. Those of the Network Server and the application log share their lanes.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "built by embedders")]
pub struct Stores {
    /// Sessions, registrations and queues.
    pub network: Arc<dyn NetworkStore>,
    /// What applications get.
    pub log: Arc<dyn ApplicationLog>,
    /// Devices and links of the Application Server.
    pub applications: Arc<dyn ApplicationStore>,
    /// Root keys, nonces and session keys.
    pub joins: Arc<dyn JoinStore>,
    /// Users, applications, gateways, devices and keys.
    pub identity: Arc<dyn IdentityStore>,
}

impl Stores {
    /// Opens what the configuration names.
    ///
    /// # Errors
    ///
    /// The directory or the database cannot be opened; it is named.
    pub async fn open(config: &Config) -> Result<Self, StoreError> {
        match &config.store {
            Store::Embedded => {
                Ok(Self::embedded(&EmbeddedStore::open(&config.data, Default::default())?))
            }
            Store::Postgres(url) => {
                Ok(Self::postgres(&PostgresStore::open(url, Default::default()).await?))
            }
        }
    }

    /// Everything in a database.
    #[must_use]
    pub fn postgres(store: &Arc<PostgresStore>) -> Self {
        Self {
            network: store.clone(),
            log: store.clone(),
            applications: store.clone(),
            joins: store.clone(),
            identity: store.clone(),
        }
    }

    /// Everything in one directory.
    #[must_use]
    pub fn embedded(store: &Arc<EmbeddedStore>) -> Self {
        Self {
            network: store.clone(),
            log: store.clone(),
            applications: store.clone(),
            joins: store.clone(),
            identity: store.clone(),
        }
    }
}

//! The stores of a stack.

use std::sync::Arc;

use ttn_as::{log::ApplicationLog, store::ApplicationStore};
use ttn_is::store::IdentityStore;
use ttn_js::store::JoinStore;
use ttn_ns::store::NetworkStore;
use ttn_store_embedded::EmbeddedStore;

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

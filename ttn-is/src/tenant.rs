//! Tenants: networks of their own in one server (docs/adr/0039-tenants.md).
//!
//! The Identity Server of the server itself keeps the registry of tenants; it knows nothing of what is in them. Whoever runs
//! their networks is a [`TenantHost`], given to [`Builder::tenants`](crate::Builder::tenants).

use std::fmt;

use serde_json::{Map, Value};
use ttn_core::id::TenantId;

/// Who runs the networks of tenants.
pub trait TenantHost: fmt::Debug + Send + Sync + 'static {
    /// Checks what a tenant is to have otherwise than the server, and that there can be such a tenant at all.
    ///
    /// # Errors
    ///
    /// What is wrong, with the key.
    fn check(&self, configuration: &Map<String, Value>) -> Result<(), String>;

    /// Is told after a tenant was created, changed or deleted. It is called from within the call that did it and may not block.
    fn changed(&self, id: &TenantId);
}

//! Tenants.

use std::{collections::BTreeMap, fmt};

use ttn_core::id::TenantId;

use super::{Record, Time};
use crate::{config::Limits, store::Table};

/// A tenant (IS-61).
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Tenant {
    /// Its id.
    #[prost(string, tag = "1")]
    pub tenant_id: String,
    /// When it was created.
    #[prost(message, optional, tag = "2")]
    pub created_at: Option<Time>,
    /// When it was changed.
    #[prost(message, optional, tag = "3")]
    pub updated_at: Option<Time>,
    /// The name.
    #[prost(string, tag = "4")]
    pub name: String,
    /// The description.
    #[prost(string, tag = "5")]
    pub description: String,
    /// Free attributes.
    #[prost(btree_map = "string, string", tag = "6")]
    pub attributes: BTreeMap<String, String>,
    /// Whether its network runs: [`Self::APPROVED`] or [`Self::SUSPENDED`].
    #[prost(int32, tag = "7")]
    pub state: i32,
    /// How much it may have.
    #[prost(message, optional, tag = "8")]
    pub limits: Option<TenantLimits>,
    /// What its network has otherwise: a JSON object, or empty.
    #[prost(string, tag = "1001")]
    pub configuration: String,
    /// The user that its first start creates.
    #[prost(message, optional, tag = "1002")]
    pub administrator: Option<TenantAdministrator>,
}

/// How much a tenant may have, see [`Limits`].
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
#[expect(missing_docs, reason = "the names say it")]
pub struct TenantLimits {
    #[prost(uint32, optional, tag = "1")]
    pub max_applications: Option<u32>,
    #[prost(uint32, optional, tag = "2")]
    pub max_clients: Option<u32>,
    #[prost(uint32, optional, tag = "3")]
    pub max_end_devices: Option<u32>,
    #[prost(uint32, optional, tag = "4")]
    pub max_gateways: Option<u32>,
    #[prost(uint32, optional, tag = "5")]
    pub max_organizations: Option<u32>,
    #[prost(uint32, optional, tag = "6")]
    pub max_users: Option<u32>,
}

/// The first user of a tenant. `Debug` hides the hash.
#[derive(Clone, PartialEq, Eq, prost::Message)]
#[prost(skip_debug)]
pub struct TenantAdministrator {
    /// The user's id.
    #[prost(string, tag = "1")]
    pub user_id: String,
    /// His address.
    #[prost(string, tag = "2")]
    pub primary_email_address: String,
    /// The hash of his password.
    #[prost(string, tag = "3")]
    pub password_hash: String,
}

impl Tenant {
    /// Its network runs.
    pub const APPROVED: i32 = 1;
    /// Nothing of it runs, and everything is kept.
    pub const SUSPENDED: i32 = 2;

    /// Makes a tenant with an id, approved.
    #[must_use]
    pub fn new(id: &TenantId) -> Self {
        Self { tenant_id: id.to_string(), state: Self::APPROVED, ..Self::default() }
    }

    /// The id as text.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.tenant_id
    }

    /// How much it may have.
    #[must_use]
    pub fn limits(&self) -> Limits {
        let limits = self.limits.unwrap_or_default();
        Limits {
            max_applications: limits.max_applications,
            max_clients: limits.max_clients,
            max_end_devices: limits.max_end_devices,
            max_gateways: limits.max_gateways,
            max_organizations: limits.max_organizations,
            max_users: limits.max_users,
        }
    }
}

impl Record for Tenant {
    const TABLE: Table = Table::Tenant;

    fn key(&self) -> String {
        self.tenant_id.clone()
    }
}

impl fmt::Debug for TenantAdministrator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantAdministrator")
            .field("user_id", &self.user_id)
            .finish_non_exhaustive()
    }
}

//! Who calls, and what he may do.

mod right;

pub use right::{Right, Rights};

use std::{fmt, sync::Arc};

use subtle::ConstantTimeEq as _;

use crate::{
    error::{ApiError, Attributes, ErrorKind},
    event::EventCaller,
    id::{ApplicationId, EntityId, GatewayId, OrganizationId, UserId},
};

/// What a caller presents. `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Credentials {
    /// `Authorization: Bearer NNSXS.…`, or an MQTT password.
    Bearer(String),
    /// `Authorization: ClusterKey …`: another server of the same cluster.
    ClusterKey(Vec<u8>),
    /// Nothing.
    None,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bearer(_) => "Bearer(…)",
            Self::ClusterKey(_) => "ClusterKey(…)",
            Self::None => "None",
        })
    }
}

/// Compares secrets in constant time.
#[must_use]
pub fn same_secret(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Caller {
    /// Nobody known.
    Anonymous,
    /// An API key of an entity.
    ApiKey {
        /// Whose key it is.
        entity: EntityId,
        /// The key's id.
        id: String,
        /// What the key allows on that entity (and on what belongs to it).
        rights: Rights,
    },
    /// A server of the same cluster.
    Cluster,
    /// Whoever has a tenant admin key: he may do nothing but look after tenants.
    TenantAdmin,
    /// A user, by password or session.
    User(UserId),
}

/// A caller whose credentials were checked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "built by other crates")]
pub struct Principal {
    /// Who it is.
    pub caller: Caller,
    /// Whether he is an administrator.
    pub is_admin: bool,
    /// Rights that he has on every entity.
    pub universal: Rights,
    /// How he called, for events; `None` within the process.
    pub call: Option<Arc<EventCaller>>,
}

impl Principal {
    /// The principal of calls within the cluster.
    #[must_use]
    pub fn cluster() -> Self {
        Self { caller: Caller::Cluster, is_admin: false, universal: Rights::cluster(), call: None }
    }

    /// The principal of calls without credentials.
    #[must_use]
    pub const fn anonymous() -> Self {
        Self { caller: Caller::Anonymous, is_admin: false, universal: Rights::NONE, call: None }
    }
}

/// A call without the right it needs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AccessDenied {
    /// The caller lacks rights on the entity.
    #[error("no {missing:?} on {} {}; use a key or an account that has it", entity.kind(), entity.uid())]
    MissingRights {
        /// The entity.
        entity: EntityId,
        /// What is missing.
        missing: Rights,
    },
    /// The caller has nothing to do with the entity.
    #[error("no rights on {} {}; use a key or an account that has some", entity.kind(), entity.uid())]
    NoRights {
        /// The entity.
        entity: EntityId,
    },
    /// The call carries no credentials.
    #[error("this call needs credentials: send `Authorization: Bearer <API key>`")]
    Unauthenticated,
}

impl AccessDenied {
    /// Checks that `has` covers `needs` on an entity.
    ///
    /// # Errors
    ///
    /// A right is missing, or the caller has none at all.
    pub fn check(has: Rights, needs: &[Right], entity: &EntityId) -> Result<(), Self> {
        let needs: Rights = needs.iter().copied().collect();
        let missing = needs.difference(has.implied());
        if missing.is_empty() {
            Ok(())
        } else if has.is_empty() {
            Err(Self::NoRights { entity: entity.clone() })
        } else {
            Err(Self::MissingRights { entity: entity.clone(), missing })
        }
    }
}

impl ApiError for AccessDenied {
    fn namespace(&self) -> &'static str {
        "pkg/auth/rights"
    }

    fn name(&self) -> &'static str {
        match self {
            Self::MissingRights { entity, .. } => match entity {
                EntityId::Application(_) | EntityId::Device(_) => "insufficient_application_rights",
                EntityId::Client(_) => "insufficient_client_rights",
                EntityId::Gateway(_) => "insufficient_gateway_rights",
                EntityId::Organization(_) => "insufficient_organization_rights",
                EntityId::User(_) => "insufficient_user_rights",
            },
            Self::NoRights { entity } => match entity {
                EntityId::Application(_) | EntityId::Device(_) => "no_application_rights",
                EntityId::Client(_) => "no_client_rights",
                EntityId::Gateway(_) => "no_gateway_rights",
                EntityId::Organization(_) => "no_organization_rights",
                EntityId::User(_) => "no_user_rights",
            },
            Self::Unauthenticated => "unauthenticated",
        }
    }

    fn kind(&self) -> ErrorKind {
        match self {
            Self::MissingRights { .. } | Self::NoRights { .. } => ErrorKind::PermissionDenied,
            Self::Unauthenticated => ErrorKind::Unauthenticated,
        }
    }

    fn attributes(&self) -> Attributes {
        match self {
            Self::MissingRights { entity, missing } => {
                let names: Vec<_> = missing.iter().map(Right::name).collect();
                Attributes::from([
                    ("uid", entity.uid().into()),
                    ("missing", names.join(",").into()),
                ])
            }
            Self::NoRights { entity } => Attributes::from([("uid", entity.uid().into())]),
            Self::Unauthenticated => Attributes::new(),
        }
    }
}

impl From<ApplicationId> for EntityId {
    fn from(id: ApplicationId) -> Self {
        Self::Application(id)
    }
}

impl From<GatewayId> for EntityId {
    fn from(id: GatewayId) -> Self {
        Self::Gateway(id)
    }
}

impl From<OrganizationId> for EntityId {
    fn from(id: OrganizationId) -> Self {
        Self::Organization(id)
    }
}

impl From<UserId> for EntityId {
    fn from(id: UserId) -> Self {
        Self::User(id)
    }
}

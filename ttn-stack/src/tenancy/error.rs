//! Why a call reaches no network.

use ttn_core::{
    error::{ApiError, Attributes, ErrorKind},
    id::TenantId,
};

/// Why a call reaches no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TenancyError {
    /// An id names another tenant than the host or another id.
    #[error("this call is for tenant {expected}; {named} has a host name of its own")]
    Mismatch {
        /// Whom the call is for.
        expected: TenantId,
        /// Whom the id names.
        named: TenantId,
    },
    /// There is no such tenant.
    #[error("there is no tenant {id:?}")]
    NotFound {
        /// What was asked for.
        id: String,
    },
    /// Nothing of the tenant runs.
    #[error("tenant {id} is suspended; whoever looks after tenants can change that")]
    Suspended {
        /// The tenant.
        id: TenantId,
    },
    /// It is being started, or cannot be.
    #[error("the network of tenant {id} does not run yet; try again soon")]
    Unavailable {
        /// The tenant.
        id: TenantId,
    },
}

impl ApiError for TenancyError {
    fn namespace(&self) -> &'static str {
        "pkg/tenancy"
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Mismatch { .. } => "tenant_mismatch",
            Self::NotFound { .. } => "tenant_not_found",
            Self::Suspended { .. } => "tenant_suspended",
            Self::Unavailable { .. } => "tenant_unavailable",
        }
    }

    fn kind(&self) -> ErrorKind {
        match self {
            Self::Mismatch { .. } => ErrorKind::InvalidArgument,
            Self::NotFound { .. } => ErrorKind::NotFound,
            Self::Suspended { .. } => ErrorKind::PermissionDenied,
            Self::Unavailable { .. } => ErrorKind::Unavailable,
        }
    }

    fn attributes(&self) -> Attributes {
        let id = match self {
            Self::Mismatch { named, .. } => named.as_str(),
            Self::NotFound { id } => id,
            Self::Suspended { id } | Self::Unavailable { id } => id.as_str(),
        };
        Attributes::from([("tenant_id", id.into())])
    }
}

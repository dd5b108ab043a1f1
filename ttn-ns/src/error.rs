//! What goes wrong, as callers and clients see it.

use std::collections::BTreeMap;

use ttn_core::{
    error::{ApiError, ErrorBody, ErrorKind},
    id::DeviceKey,
    peer::{PeerError, QueueMismatch},
    store::{Refusal, StoreError},
    vault::VaultError,
};

/// Why a call was not carried out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The input queue of the shard is full.
    #[error("the Network Server is busy; try again later")]
    Busy,
    /// Somebody else changed the device in the meantime.
    #[error("device {device} was changed by somebody else; read it again")]
    Conflict {
        /// Which device.
        device: DeviceKey,
    },
    /// Another device has this id or these EUIs.
    #[error("a device {device} exists already, or another one has the same EUIs")]
    DeviceExists {
        /// Which device.
        device: DeviceKey,
    },
    /// There is no such device.
    #[error("device {device} does not exist in the Network Server; create it")]
    DeviceNotFound {
        /// Which device.
        device: DeviceKey,
    },
    /// A field that must have a value has none.
    #[error("{field} is needed: {reason}")]
    FieldMissing {
        /// Which field.
        field: &'static str,
        /// What it is needed for.
        reason: &'static str,
    },
    /// A field has a value that it may not have.
    #[error("{field} has a value that is not possible: {reason}")]
    FieldValue {
        /// Which field.
        field: &'static str,
        /// Why not.
        reason: String,
    },
    /// A downlink cannot be queued.
    #[error(transparent)]
    Queue(QueueError),
    /// The Network Server stops, or its store failed.
    #[error("the Network Server is stopping; try again later")]
    Stopping,
    /// The store failed.
    #[error("{source}")]
    Store {
        /// How.
        source: StoreError,
    },
    /// The store refused writes although nobody else may own them.
    #[error("the store took no writes: {reason}")]
    StoreRefused {
        /// Why.
        reason: Refusal,
    },
    /// A session key cannot be wrapped or unwrapped.
    #[error("{source}")]
    Vault {
        /// Why.
        source: VaultError,
    },
}

/// Why a downlink cannot be queued (NS-88).
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{}", .mismatch.reason.message)]
#[non_exhaustive]
pub struct QueueError {
    /// The named error, and what would fit.
    pub mismatch: Box<QueueMismatch>,
}

/// The namespace of this component's errors.
pub(crate) const NAMESPACE: &str = "pkg/networkserver";

impl ApiError for Error {
    fn namespace(&self) -> &'static str {
        NAMESPACE
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Busy | Self::Stopping => "unavailable",
            Self::Conflict { .. } => "outdated_data",
            Self::DeviceExists { .. } => "device_exists",
            Self::DeviceNotFound { .. } => "device_not_found",
            Self::FieldMissing { .. } => "field_is_zero",
            Self::FieldValue { .. } => "field_value",
            Self::Queue(_) => "queue",
            Self::Store { .. } | Self::StoreRefused { .. } => "store",
            Self::Vault { .. } => "unknown_session_key",
        }
    }

    fn kind(&self) -> ErrorKind {
        match self {
            Self::Busy | Self::Stopping => ErrorKind::Unavailable,
            Self::Conflict { .. } => ErrorKind::FailedPrecondition,
            Self::DeviceExists { .. } => ErrorKind::AlreadyExists,
            Self::DeviceNotFound { .. } => ErrorKind::NotFound,
            Self::FieldMissing { .. } | Self::FieldValue { .. } => ErrorKind::InvalidArgument,
            Self::Queue(error) => error.mismatch.reason.kind,
            Self::Store { .. } | Self::StoreRefused { .. } => ErrorKind::Internal,
            Self::Vault { .. } => ErrorKind::FailedPrecondition,
        }
    }

    fn attributes(&self) -> BTreeMap<&'static str, serde_json::Value> {
        match self {
            Self::Conflict { device }
            | Self::DeviceExists { device }
            | Self::DeviceNotFound { device } => {
                BTreeMap::from([("device_uid", device.to_string().into())])
            }
            Self::FieldMissing { field, .. } => BTreeMap::from([("name", (*field).into())]),
            Self::FieldValue { field, .. } => BTreeMap::from([("field", (*field).into())]),
            _ => BTreeMap::new(),
        }
    }
}

impl Error {
    /// What a client sees of it.
    #[must_use]
    pub fn to_body(&self) -> ErrorBody {
        match self {
            Self::Queue(error) => error.mismatch.reason.clone(),
            error => ErrorBody::of(error),
        }
    }
}

impl From<Error> for PeerError {
    fn from(error: Error) -> Self {
        match error {
            Error::Queue(error) => Self::QueueMismatch(error.mismatch),
            Error::Busy | Error::Stopping => Self::Unavailable { relation: "AsNs" },
            error => Self::rejected(&error),
        }
    }
}

impl From<VaultError> for Error {
    fn from(source: VaultError) -> Self {
        Self::Vault { source }
    }
}

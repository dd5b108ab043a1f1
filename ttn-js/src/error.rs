//! Errors, and why a join is refused.

use std::fmt;

use ttn_core::{
    addr::NetId,
    error::{ApiError, Attributes, ErrorKind},
    eui::JoinEui,
    id::ApplicationId,
    store::{StoreError, StoreErrorKind},
    vault::VaultError,
};
use ttn_mac::frame::FrameError;

use crate::device::Euis;

/// Why a join is refused. Ordinary life: counted and told, never logged as a failure of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reject {
    /// The DevNonce of a counting device did not rise (JS-05).
    #[error(
        "DevNonce {got} is not above the last one, {last}; if the device lost its counter, set resets_join_nonces"
    )]
    DevNonceTooSmall {
        /// The highest DevNonce so far.
        last: u16,
        /// The DevNonce of the request.
        got: u16,
    },
    /// The device is not registered here.
    #[error("no device with EUIs {euis} is registered in the Join Server")]
    DeviceNotFound {
        /// Its EUIs.
        euis: Euis,
    },
    /// The octets are no frame.
    #[error("the join-request does not decode: {0}")]
    Frame(FrameError),
    /// All 24-bit JoinNonces are used (JS-06).
    #[error("all JoinNonces of the device are used; give it a new identity")]
    JoinNonceTooHigh {
        /// The last JoinNonce.
        last: u32,
    },
    /// The message integrity code is wrong: the device has another root key.
    #[error(
        "the message integrity code is wrong: the device has another {key} than the Join Server"
    )]
    MicMismatch {
        /// The key that was used to check.
        key: RootKey,
    },
    /// The device may only join another network.
    #[error("the device may only join the network {device}, not {request}")]
    NetIdMismatch {
        /// The network of the registration.
        device: NetId,
        /// The network that asks.
        request: NetId,
    },
    /// The request has no DevEUI.
    #[error("the join-request has DevEUI 0000000000000000")]
    NoDevEui,
    /// The registration lacks the root key that this version needs (JS-07).
    #[error("the device has no {key}; set it in the Join Server")]
    NoRootKey {
        /// The key.
        key: RootKey,
    },
    /// Nobody can build an accept of what the Network Server offered.
    #[error(
        "the join-accept cannot be built of the settings that the Network Server offers: {what}"
    )]
    Offer {
        /// What does not fit.
        what: &'static str,
    },
    /// The message is no join-request.
    #[error("the message is no join-request")]
    PayloadType,
    /// The DevNonce was used before (JS-04).
    #[error(
        "DevNonce {got} was used before; if the device forgets its nonces, set resets_join_nonces"
    )]
    ReuseDevNonce {
        /// The DevNonce of the request.
        got: u16,
    },
    /// The JoinEUI is not served here (JS-02).
    #[error("JoinEUI {join_eui} is not served by this Join Server")]
    UnknownJoinEui {
        /// The JoinEUI.
        join_eui: JoinEui,
    },
}

/// One of the two root keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum RootKey {
    /// AppKey.
    App,
    /// NwkKey.
    Nwk,
}

impl fmt::Display for RootKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::App => "AppKey",
            Self::Nwk => "NwkKey",
        })
    }
}

/// What went wrong in the Join Server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A part that the Join Server cannot do without was not given to its builder.
    #[error("the Join Server was built without {part}")]
    Incomplete {
        /// The part.
        part: &'static str,
    },
    /// The EUIs of a device cannot change (JS-17).
    #[error(
        "the EUIs of {device} are {stored} and cannot change; delete the device and register it again"
    )]
    ImmutableEuis {
        /// The device.
        device: String,
        /// Its EUIs.
        stored: Euis,
    },
    /// A key encryption key that a device or the configuration names is missing.
    #[error("{0}")]
    Kek(VaultError),
    /// The activation settings of an application name a key encryption key that they do not have (JS-12).
    #[error(
        "the activation settings of {application} have a kek_label, but no kek; set both or none"
    )]
    NoKek {
        /// The application.
        application: ApplicationId,
    },
    /// An application has no activation settings.
    #[error("the application {application} has no activation settings")]
    NoActivationSettings {
        /// The application.
        application: ApplicationId,
    },
    /// The device has no AppKey or NwkKey, so it has no nonces either.
    #[error(
        "the device has no root key, so nonces cannot be set; send the root key first or with them"
    )]
    NoncesWithoutKey,
    /// The join is refused.
    #[error(transparent)]
    Rejected(#[from] Reject),
    /// The set of session keys is not known.
    #[error(
        "the Join Server has no session keys {id} for {euis}; they were replaced, or the device is deleted"
    )]
    SessionKeysNotFound {
        /// The device.
        euis: Euis,
        /// The id, as hexadecimal digits.
        id: String,
    },
    /// The store failed or refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A stored key does not unwrap.
    #[error("{0}")]
    Unwrap(VaultError),
}

impl ApiError for Reject {
    fn namespace(&self) -> &'static str {
        NAMESPACE
    }

    fn name(&self) -> &'static str {
        match self {
            Self::DevNonceTooSmall { .. } => "dev_nonce_too_small",
            Self::DeviceNotFound { .. } => "device_not_found",
            Self::Frame(FrameError::UnsupportedMajor { .. }) => "lorawan_major_version",
            Self::Frame(_) => "decode_payload",
            Self::JoinNonceTooHigh { .. } => "join_nonce_too_high",
            Self::MicMismatch { .. } => "mic_mismatch",
            Self::NetIdMismatch { .. } => "net_id_mismatch",
            Self::NoDevEui => "no_dev_eui",
            Self::NoRootKey { key: RootKey::App } => "no_app_key",
            Self::NoRootKey { key: RootKey::Nwk } => "no_nwk_key",
            Self::Offer { .. } => "encode_payload",
            Self::PayloadType => "payload_type",
            Self::ReuseDevNonce { .. } => "reuse_dev_nonce",
            Self::UnknownJoinEui { .. } => "unknown_join_eui",
        }
    }

    fn kind(&self) -> ErrorKind {
        match self {
            Self::DeviceNotFound { .. } => ErrorKind::NotFound,
            Self::JoinNonceTooHigh { .. } => ErrorKind::Unknown,
            Self::NoRootKey { .. } => ErrorKind::FailedPrecondition,
            _ => ErrorKind::InvalidArgument,
        }
    }

    fn attributes(&self) -> Attributes {
        match self {
            Self::DevNonceTooSmall { last, got } => {
                Attributes::from([("last", (*last).into()), ("dev_nonce", (*got).into())])
            }
            Self::Frame(FrameError::UnsupportedMajor { got }) => {
                Attributes::from([("major", (*got).into())])
            }
            Self::JoinNonceTooHigh { last } => Attributes::from([("last", (*last).into())]),
            Self::NetIdMismatch { device, request } => Attributes::from([
                ("net_id", request.to_string().into()),
                ("device_net_id", device.to_string().into()),
            ]),
            Self::PayloadType => Attributes::from([("type", "not JOIN_REQUEST".into())]),
            Self::ReuseDevNonce { got } => Attributes::from([("dev_nonce", (*got).into())]),
            Self::UnknownJoinEui { join_eui } => {
                Attributes::from([("join_eui", join_eui.to_string().into())])
            }
            _ => Attributes::new(),
        }
    }
}

impl ApiError for Error {
    fn namespace(&self) -> &'static str {
        NAMESPACE
    }

    fn name(&self) -> &'static str {
        match self {
            Self::ImmutableEuis { .. } | Self::NoncesWithoutKey => "field_value",
            Self::Incomplete { .. } => "registry_operation",
            Self::Kek(VaultError::KekNotFound { .. }) => "kek",
            Self::Kek(_) => "wrap_key",
            Self::NoActivationSettings { .. } => "application_activation_settings_not_found",
            Self::NoKek { .. } => "kek",
            Self::Rejected(reject) => reject.name(),
            Self::SessionKeysNotFound { .. } => "device_not_found",
            Self::Store(error) => match error.kind {
                StoreErrorKind::AlreadyExists => "duplicate_identifiers",
                StoreErrorKind::NotFound => "device_not_found",
                _ => "registry_operation",
            },
            Self::Unwrap(_) => "unwrap_key",
        }
    }

    fn kind(&self) -> ErrorKind {
        match self {
            Self::ImmutableEuis { .. } | Self::NoncesWithoutKey => ErrorKind::InvalidArgument,
            Self::Kek(VaultError::KekNotFound { .. })
            | Self::NoActivationSettings { .. }
            | Self::NoKek { .. }
            | Self::SessionKeysNotFound { .. } => ErrorKind::NotFound,
            Self::Incomplete { .. } | Self::Kek(_) | Self::Unwrap(_) => ErrorKind::Unknown,
            Self::Rejected(reject) => reject.kind(),
            Self::Store(error) => match error.kind {
                StoreErrorKind::AlreadyExists => ErrorKind::AlreadyExists,
                StoreErrorKind::Conflict => ErrorKind::Aborted,
                StoreErrorKind::NotFound => ErrorKind::NotFound,
                _ => ErrorKind::Unknown,
            },
        }
    }

    fn attributes(&self) -> Attributes {
        match self {
            Self::ImmutableEuis { .. } => Attributes::from([("field", "ids".into())]),
            Self::Kek(VaultError::KekNotFound { label } | VaultError::Unwrap { label }) => {
                Attributes::from([("label", label.as_ref().into())])
            }
            Self::NoActivationSettings { application } | Self::NoKek { application } => {
                Attributes::from([("application_id", application.to_string().into())])
            }
            Self::NoncesWithoutKey => Attributes::from([("field", "last_join_nonce".into())]),
            Self::Rejected(reject) => reject.attributes(),
            _ => Attributes::new(),
        }
    }
}

const NAMESPACE: &str = "pkg/joinserver";

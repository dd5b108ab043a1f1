//! What can go wrong in the Application Server.

use ttn_core::{
    error::{ApiError, Attributes, ErrorBody, ErrorKind},
    eui::JoinEui,
    id::DeviceKey,
    peer::PeerError,
    store::{Refusal, StoreError, StoreErrorKind},
    vault::VaultError,
};

use crate::format::FormatError;

/// An error of the Application Server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The store changed between reading and writing.
    #[error("{0}")]
    Conflict(#[source] StoreError),
    /// The device is not registered here.
    #[error("the device {0} is not registered at the Application Server; create it there first")]
    DeviceNotFound(DeviceKey),
    /// The formatter failed on a downlink.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The AppSKey could not be had.
    #[error("the AppSKey of the session is not known and could not be fetched: {source}")]
    AppSKey {
        /// Why.
        source: PeerError,
    },
    /// No Join Server answers for the device.
    #[error("no Join Server answers for {join_eui}; connect one")]
    JoinServerUnavailable {
        /// The JoinEUI.
        join_eui: JoinEui,
    },
    /// The link does not exist.
    #[error("the application has no link")]
    LinkNotFound,
    /// More retries of a confirmed downlink than the server allows.
    #[error("a confirmed downlink is sent again at most {max} times; 1 to {max} may be asked for")]
    MaxRetriesInvalid {
        /// The limit.
        max: u32,
    },
    /// A confirmed downlink was never acknowledged.
    #[error(
        "the device did not acknowledge the downlink, and it was sent again {max_retries} times"
    )]
    MaxRetriesReached {
        /// How often it was sent again.
        max_retries: u32,
    },
    /// The AppSKey is wrapped with a key that this server lacks.
    #[error("the AppSKey is wrapped with a key encryption key that this server lacks")]
    NoAppSKey,
    /// The device has no DevEUI, so that its keys cannot be asked for.
    #[error("the device has no DevEUI: its AppSKey cannot be fetched")]
    NoDevEui,
    /// The device has no session.
    #[error("the device has no session; let it join, or set one")]
    NoDeviceSession,
    /// The device has no JoinEUI, so that its keys cannot be asked for.
    #[error("the device has no JoinEUI: its AppSKey cannot be fetched")]
    NoJoinEui,
    /// The port is not one of an application.
    #[error("FPort {f_port} is not one of an application; use 1 to 223")]
    NoFPort {
        /// The port.
        f_port: u32,
    },
    /// A message that cannot be simulated.
    #[error("only `uplink_message`, `location_solved` and `service_data` are simulated")]
    NotSimulated,
    /// A downlink has neither octets nor a structure.
    #[error("a downlink has no payload: give `frm_payload` or `decoded_payload`")]
    NoPayload,
    /// A question would read too much of the log.
    #[error("the log has too many messages for this; name a device, or read the oldest first")]
    TooManyMessages,
    /// A payload or a list is too large.
    #[error("{field} is too large: {size}, at most {max}")]
    TooLarge {
        /// What.
        field: &'static str,
        /// Its size.
        size: usize,
        /// The limit.
        max: usize,
    },
    /// Another component refused.
    #[error(transparent)]
    Peer(#[from] PeerError),
    /// Sessions were rebuilt too often.
    #[error("the Network Server wanted other sessions {attempts} times; try again")]
    Rebuild {
        /// How often.
        attempts: u32,
    },
    /// The log takes nothing now.
    #[error("the application log takes nothing now: {0}; try again")]
    Refused(Refusal),
    /// A downlink names a session that the device does not have.
    #[error("the device has no session with these keys; read its sessions and encrypt again")]
    UnknownSession,
    /// The store failed.
    #[error("{0}")]
    Store(#[source] StoreError),
    /// The settings of an integration cannot be sealed, or not be opened.
    #[error("the settings of an integration: {0}")]
    Vault(#[source] VaultError),
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error.kind {
            StoreErrorKind::Conflict | StoreErrorKind::AlreadyExists => Self::Conflict(error),
            _ => Self::Store(error),
        }
    }
}

impl Error {
    /// What clients see of it.
    #[must_use]
    pub fn to_body(&self) -> ErrorBody {
        match self {
            Self::Peer(error) => error.to_body(),
            other => ErrorBody::of(other),
        }
    }
}

impl ApiError for Error {
    fn namespace(&self) -> &'static str {
        match self {
            Self::Format(error) => error.namespace(),
            _ => "pkg/applicationserver",
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::AppSKey { .. } => "app_s_key",
            Self::Conflict(_) => "already_exists",
            Self::DeviceNotFound(_) => "device_not_found",
            Self::Format(error) => error.name(),
            Self::JoinServerUnavailable { .. } => "join_server_unavailable",
            Self::LinkNotFound => "link_not_found",
            Self::MaxRetriesInvalid { .. } => "downlink_max_retries_invalid",
            Self::MaxRetriesReached { .. } => "max_retries_reached",
            Self::NoAppSKey => "no_app_s_key",
            Self::NoDevEui => "no_dev_eui",
            Self::NoDeviceSession => "no_device_session",
            Self::NoFPort { .. } => "no_f_port",
            Self::NoJoinEui => "no_join_eui",
            Self::NoPayload => "no_payload",
            Self::Peer(_) => "peer",
            Self::Rebuild { .. } => "rebuild",
            Self::Refused(_) | Self::Store(_) => "store",
            Self::NotSimulated | Self::TooLarge { .. } => "field_value",
            Self::TooManyMessages => "too_many_messages",
            Self::UnknownSession => "unknown_session",
            Self::Vault(_) => "vault",
        }
    }

    fn kind(&self) -> ErrorKind {
        match self {
            Self::AppSKey { source } => source.kind(),
            Self::Conflict(error) if error.kind == StoreErrorKind::AlreadyExists => {
                ErrorKind::AlreadyExists
            }
            Self::Conflict(_) | Self::MaxRetriesReached { .. } | Self::Rebuild { .. } => {
                ErrorKind::Aborted
            }
            Self::DeviceNotFound(_) | Self::LinkNotFound | Self::UnknownSession => {
                ErrorKind::NotFound
            }
            Self::Format(error) => error.kind(),
            Self::JoinServerUnavailable { .. } | Self::Refused(_) => ErrorKind::Unavailable,
            Self::NoDeviceSession => ErrorKind::FailedPrecondition,
            Self::NoAppSKey => ErrorKind::DataLoss,
            Self::MaxRetriesInvalid { .. }
            | Self::NoDevEui
            | Self::NoFPort { .. }
            | Self::NoJoinEui
            | Self::NoPayload
            | Self::NotSimulated
            | Self::TooLarge { .. } => ErrorKind::InvalidArgument,
            Self::Peer(error) => error.kind(),
            Self::Store(_) | Self::Vault(_) => ErrorKind::Internal,
            Self::TooManyMessages => ErrorKind::ResourceExhausted,
        }
    }

    fn attributes(&self) -> Attributes {
        match self {
            Self::DeviceNotFound(key) => Attributes::from([("device_uid", key.to_string().into())]),
            Self::Format(error) => error.attributes(),
            Self::JoinServerUnavailable { join_eui } => {
                Attributes::from([("join_eui", join_eui.to_string().into())])
            }
            Self::MaxRetriesInvalid { max } => Attributes::from([("max", (*max).into())]),
            Self::MaxRetriesReached { max_retries } => {
                Attributes::from([("max_retries", (*max_retries).into())])
            }
            Self::NoFPort { f_port } => Attributes::from([("f_port", (*f_port).into())]),
            Self::NotSimulated => Attributes::from([("field", "up".into())]),
            Self::TooLarge { field, .. } => Attributes::from([("field", (*field).into())]),
            _ => Attributes::new(),
        }
    }
}

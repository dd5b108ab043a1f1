//! Why a payload was not formatted, with the names that clients know.

use std::time::Duration;

use ttn_core::error::{ApiError, Attributes, ErrorKind};

use super::{CodecError, NormalizeError};

/// Why a payload was not formatted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// The address of a formatter's service is wrong.
    #[error("the formatter's service cannot be at {address:?}: {reason}")]
    Address {
        /// The address.
        address: String,
        /// What is wrong.
        reason: String,
    },
    /// The script itself gave errors.
    #[error("the script gave errors: {}", .errors.join(", "))]
    Aborted {
        /// Its errors.
        errors: Vec<String>,
    },
    /// Too many formatters wait for their turn.
    #[error("too many payloads wait for the formatter {formatter}; try again")]
    Busy {
        /// The formatter.
        formatter: &'static str,
    },
    /// The device repository has no codec.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// The octets do not decode.
    #[error("the payload does not decode with {formatter}: {reason}")]
    Decode {
        /// The formatter.
        formatter: &'static str,
        /// Where and why.
        reason: String,
    },
    /// The structure does not encode.
    #[error("the structure does not encode with {formatter}: {reason}")]
    Encode {
        /// The formatter.
        formatter: &'static str,
        /// What and why.
        reason: String,
    },
    /// The script gave a number that is not finite.
    #[error("the script's result has a number that is not finite at `{path}`; give null instead")]
    Encoding {
        /// Where.
        path: String,
    },
    /// The script has no function of the name that is needed.
    #[error("the script has no function `{entrypoint}`; add it")]
    EntrypointNotFound {
        /// The name.
        entrypoint: String,
    },
    /// The device repository is to be asked about a device whose model is not known.
    #[error("the device has no `version_ids`: set them, or choose another formatter")]
    NoVersionIds,
    /// The formatter is not there.
    #[error("the formatter {formatter} is not built into this server; choose another one")]
    NotConfigured {
        /// The formatter.
        formatter: &'static str,
    },
    /// The script gave a result of a wrong type.
    #[error("the script's result cannot be used: {reason}")]
    Output {
        /// What is wrong.
        reason: String,
        /// What is wrong with its measurements.
        source: Option<NormalizeError>,
    },
    /// What runs scripts failed: it ran out of memory, or its process ended.
    #[error("the script could not be run to its end: {message}")]
    Runtime {
        /// What happened.
        message: String,
    },
    /// The script does not compile, or threw.
    #[error("the script failed: {message}")]
    Script {
        /// What it threw.
        message: String,
    },
    /// The script is larger than this server takes.
    #[error("the script has {size} octets; at most {max}")]
    ScriptTooLarge {
        /// Its size.
        size: usize,
        /// The limit.
        max: usize,
    },
    /// The formatter's service does not answer, or refuses.
    #[error("the formatter's service at {address} says: {message}")]
    Service {
        /// Where it is.
        address: String,
        /// What it says.
        message: String,
        /// How it says so.
        kind: ErrorKind,
    },
    /// The time was up.
    #[error("the formatter {formatter} ran longer than {limit:?} and was stopped")]
    Timeout {
        /// The formatter.
        formatter: &'static str,
        /// The limit.
        limit: Duration,
    },
}

impl FormatError {
    /// A result of a wrong type.
    #[must_use]
    pub fn output(reason: impl Into<String>) -> Self {
        Self::Output { reason: reason.into(), source: None }
    }
}

impl ApiError for FormatError {
    fn namespace(&self) -> &'static str {
        match self {
            Self::Aborted { .. } | Self::Encoding { .. } | Self::Output { .. } => {
                "pkg/messageprocessors/javascript"
            }
            Self::Decode { .. } | Self::Encode { .. } => "pkg/messageprocessors/cayennelpp",
            Self::Codec(error) => error.namespace(),
            Self::NoVersionIds => "pkg/messageprocessors/devicerepository",
            Self::Address { .. } | Self::NotConfigured { .. } | Self::Service { .. } => {
                "pkg/messageprocessors"
            }
            Self::ScriptTooLarge { .. } => "pkg/applicationserver",
            Self::Busy { .. }
            | Self::EntrypointNotFound { .. }
            | Self::Runtime { .. }
            | Self::Script { .. }
            | Self::Timeout { .. } => "pkg/scripting/javascript",
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Aborted { .. } => "output_errors",
            Self::Address { .. } => "formatter_address",
            Self::Busy { .. } => "script_interrupt",
            Self::Codec(error) => error.name(),
            Self::Decode { .. } | Self::Output { .. } => "output",
            Self::Encode { .. } => "input",
            Self::Encoding { .. } => "output_encoding",
            Self::EntrypointNotFound { .. } => "entrypoint_not_found",
            Self::NoVersionIds => "no_version_identifiers",
            Self::NotConfigured { .. } => "formatter_not_configured",
            Self::Runtime { .. } => "runtime",
            Self::Script { .. } => "script",
            Self::ScriptTooLarge { .. } => "formatter_script_too_large",
            Self::Service { .. } => "formatter_service",
            Self::Timeout { .. } => "script_timeout",
        }
    }

    fn kind(&self) -> ErrorKind {
        match self {
            Self::Aborted { .. }
            | Self::Busy { .. }
            | Self::Runtime { .. }
            | Self::Script { .. } => ErrorKind::Aborted,
            Self::Codec(error) => error.kind(),
            Self::Address { .. }
            | Self::Decode { .. }
            | Self::Encode { .. }
            | Self::Encoding { .. }
            | Self::NoVersionIds
            | Self::ScriptTooLarge { .. } => ErrorKind::InvalidArgument,
            Self::EntrypointNotFound { .. } => ErrorKind::NotFound,
            Self::NotConfigured { .. } => ErrorKind::FailedPrecondition,
            Self::Output { .. } => ErrorKind::Unknown,
            Self::Service { kind, .. } => *kind,
            Self::Timeout { .. } => ErrorKind::DeadlineExceeded,
        }
    }

    fn attributes(&self) -> Attributes {
        match self {
            Self::Aborted { errors } => Attributes::from([("errors", errors.join(", ").into())]),
            Self::Codec(error) => error.attributes(),
            Self::Encoding { path } => Attributes::from([("errors", path.as_str().into())]),
            Self::EntrypointNotFound { entrypoint } => {
                Attributes::from([("entrypoint", entrypoint.as_str().into())])
            }
            Self::NotConfigured { formatter } => {
                Attributes::from([("formatter", (*formatter).into())])
            }
            Self::Runtime { message } | Self::Script { message } => {
                Attributes::from([("message", message.as_str().into())])
            }
            Self::Address { address, .. } => {
                Attributes::from([("address", address.as_str().into())])
            }
            Self::Service { address, message, .. } => Attributes::from([
                ("address", address.as_str().into()),
                ("message", message.as_str().into()),
            ]),
            Self::ScriptTooLarge { size, max } => {
                Attributes::from([("size", (*size).into()), ("max_size", (*max).into())])
            }
            _ => Attributes::new(),
        }
    }

    fn cause(&self) -> Option<&dyn ApiError> {
        match self {
            Self::Output { source: Some(source), .. } => Some(source),
            _ => None,
        }
    }
}

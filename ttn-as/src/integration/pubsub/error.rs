//! What can go wrong with pub/subs.

use ttn_core::{
    error::{ApiError, Attributes, ErrorBody, ErrorKind},
    store::StoreError,
};

use crate::Error;

/// Why a pub/sub cannot be read or set.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PubSubError {
    /// The format is not known.
    #[error("there is no format {format:?}; use `json` or `protobuf`")]
    FormatNotFound {
        /// The format.
        format: String,
    },
    /// It does not exist.
    #[error("the application has no pub/sub of this id")]
    NotFound,
    /// Nobody may use the provider here.
    #[error("the provider `{provider}` is disabled on this server")]
    ProviderDisabled {
        /// The provider.
        provider: &'static str,
    },
    /// The provider is not built into this server.
    #[error("the provider `{provider}` is not built into this server; use `mqtt` or `nats`")]
    ProviderNotImplemented {
        /// The provider.
        provider: &'static str,
    },
    /// The application has too many.
    #[error("an application has at most {max} pub/subs")]
    TooMany {
        /// The limit.
        max: usize,
    },
    /// The provider is not known.
    #[error("a pub/sub needs a provider: set `mqtt` or `nats`")]
    UnknownProvider,
    /// The server failed.
    #[error(transparent)]
    Server(#[from] Error),
}

impl From<StoreError> for PubSubError {
    fn from(error: StoreError) -> Self {
        Self::Server(error.into())
    }
}

impl PubSubError {
    /// What clients see of it.
    #[must_use]
    pub fn to_body(&self) -> ErrorBody {
        match self {
            Self::Server(error) => error.to_body(),
            other => ErrorBody::of(other),
        }
    }
}

impl ApiError for PubSubError {
    fn namespace(&self) -> &'static str {
        match self {
            Self::NotFound => "pkg/redis",
            Self::ProviderNotImplemented { .. } => "pkg/applicationserver/io/pubsub/provider",
            Self::Server(error) => error.namespace(),
            _ => "pkg/applicationserver/io/pubsub",
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::FormatNotFound { .. } => "format_not_found",
            Self::NotFound => "not_found",
            Self::ProviderDisabled { .. } => "provider_disabled",
            Self::ProviderNotImplemented { .. } => "provider_not_implemented",
            Self::Server(error) => error.name(),
            Self::TooMany { .. } => "too_many",
            Self::UnknownProvider => "unknown_provider",
        }
    }

    fn kind(&self) -> ErrorKind {
        match self {
            Self::FormatNotFound { .. } | Self::NotFound => ErrorKind::NotFound,
            Self::ProviderDisabled { .. } => ErrorKind::FailedPrecondition,
            Self::ProviderNotImplemented { .. } => ErrorKind::Unimplemented,
            Self::Server(error) => error.kind(),
            Self::TooMany { .. } => ErrorKind::ResourceExhausted,
            Self::UnknownProvider => ErrorKind::InvalidArgument,
        }
    }

    fn attributes(&self) -> Attributes {
        match self {
            Self::FormatNotFound { format } => {
                Attributes::from([("format", format.as_str().into())])
            }
            Self::ProviderDisabled { provider } => {
                Attributes::from([("provider", (*provider).into())])
            }
            Self::ProviderNotImplemented { provider } => {
                Attributes::from([("provider_id", (*provider).into())])
            }
            Self::Server(error) => error.attributes(),
            _ => Attributes::new(),
        }
    }
}

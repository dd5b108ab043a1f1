//! What can go wrong with a webhook.

use ttn_core::error::{ApiError, Attributes, ErrorKind};

use super::{transport::SendError, url::UrlError};

/// An error of the webhooks.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WebhookError {
    /// The format is unknown.
    #[error("there is no format `{format}`; use `json` or `protobuf`")]
    FormatNotFound {
        /// The format.
        format: String,
    },
    /// A header cannot be sent.
    #[error("the header `{name}` has a name or value that HTTP does not allow")]
    Header {
        /// Its name.
        name: String,
    },
    /// The webhook does not exist.
    #[error("the application has no such webhook")]
    NotFound,
    /// The webhook is paused.
    #[error("the webhook is paused; set `paused` to false first")]
    Paused,
    /// The server failed.
    #[error(transparent)]
    Server(#[from] crate::Error),
    /// The target may not be reached.
    #[error(transparent)]
    Target(SendError),
    /// The template does not exist.
    #[error("there is no template `{template_id}`")]
    TemplateNotFound {
        /// Its id.
        template_id: String,
    },
    /// The application has as many as it may have.
    #[error("the application has {max} webhooks already; delete one first")]
    TooMany {
        /// How many it may have.
        max: usize,
    },
    /// A URL is wrong.
    #[error("the URL of `{field}` is wrong: {source}")]
    Url {
        /// The field of the webhook.
        field: &'static str,
        /// What is wrong.
        source: UrlError,
    },
}

impl ApiError for WebhookError {
    fn namespace(&self) -> &'static str {
        match self {
            Self::FormatNotFound { .. } | Self::NotFound | Self::TemplateNotFound { .. } => {
                "pkg/applicationserver/io/web"
            }
            Self::Server(error) => error.namespace(),
            _ => "pkg/applicationserver",
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::FormatNotFound { .. } => "format_not_found",
            Self::Header { .. } | Self::Target(_) | Self::Url { .. } => "field_value",
            Self::NotFound => "webhook_not_found",
            Self::Paused => "webhook_paused",
            Self::Server(error) => error.name(),
            Self::TemplateNotFound { .. } => "template_not_found",
            Self::TooMany { .. } => "too_many_webhooks",
        }
    }

    fn kind(&self) -> ErrorKind {
        match self {
            Self::FormatNotFound { .. } | Self::NotFound | Self::TemplateNotFound { .. } => {
                ErrorKind::NotFound
            }
            Self::Header { .. } | Self::Target(_) | Self::Url { .. } => ErrorKind::InvalidArgument,
            Self::Paused => ErrorKind::FailedPrecondition,
            Self::Server(error) => error.kind(),
            Self::TooMany { .. } => ErrorKind::ResourceExhausted,
        }
    }

    fn attributes(&self) -> Attributes {
        match self {
            Self::FormatNotFound { format } => {
                Attributes::from([("format", format.as_str().into())])
            }
            Self::Header { .. } => Attributes::from([("field", "headers".into())]),
            Self::Server(error) => error.attributes(),
            Self::Target(_) => Attributes::from([("field", "base_url".into())]),
            Self::TemplateNotFound { template_id } => {
                Attributes::from([("template_id", template_id.as_str().into())])
            }
            Self::Url { field, .. } => Attributes::from([("field", (*field).into())]),
            _ => Attributes::new(),
        }
    }
}

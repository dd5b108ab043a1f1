//! Errors between components.

use crate::{
    addr::DevAddr,
    error::{ApiError, ErrorBody, ErrorKind},
    key::SessionKeyId,
};

/// Why a peer did not do what was asked.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PeerError {
    /// Downlinks do not fit the device's sessions; what would fit is given (AS-23).
    #[error("the downlinks do not fit the sessions of the device: {}", .0.reason)]
    QueueMismatch(Box<QueueMismatch>),
    /// The peer refused, with a named error.
    #[error("{0}")]
    Rejected(Box<ErrorBody>),
    /// Nobody plays this part, or it does not answer.
    #[error("{relation} is not available; start the component or connect it")]
    Unavailable {
        /// The relation, such as `NsJs`.
        relation: &'static str,
    },
}

impl PeerError {
    /// Refuses with what clients see of an error.
    #[must_use]
    pub fn rejected(error: &dyn ApiError) -> Self {
        Self::Rejected(Box::new(ErrorBody::of(error)))
    }

    /// What clients see of it.
    #[must_use]
    pub fn to_body(&self) -> ErrorBody {
        match self {
            Self::QueueMismatch(mismatch) => mismatch.reason.clone(),
            Self::Rejected(body) => (**body).clone(),
            Self::Unavailable { relation } => ErrorBody::new(
                "pkg/cluster",
                "peer_unavailable",
                ErrorKind::Unavailable,
                self.to_string(),
            )
            .with("cluster_role", *relation),
        }
    }

    /// The kind of error.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::QueueMismatch(mismatch) => mismatch.reason.kind,
            Self::Rejected(body) => body.kind,
            Self::Unavailable { .. } => ErrorKind::Unavailable,
        }
    }
}

/// What would fit a device's sessions.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "built by other crates")]
pub struct QueueMismatch {
    /// The named error.
    pub reason: ErrorBody,
    /// The session in use.
    pub current: Option<QueueMismatchSession>,
    /// The session that the device has not used yet.
    pub pending: Option<QueueMismatchSession>,
}

/// A session that downlinks can be encrypted for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "built by other crates")]
pub struct QueueMismatchSession {
    /// Its keys.
    pub session_key_id: SessionKeyId,
    /// Its address.
    pub dev_addr: DevAddr,
    /// The lowest counter that is still free.
    pub min_f_cnt_down: u32,
}

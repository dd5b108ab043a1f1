//! How requests leave: the port that a composition fills.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Uri};

/// Sends requests to endpoints.
///
/// # Contract
///
/// * Redirects are not followed: the answer is the first one.
/// * At most [`ANSWER_OCTETS_MAX`] octets of a body are read.
/// * `send` may be dropped halfway, when the time is over; the connection is closed then.
/// * What the operator does not allow to be reached is [`SendError::Forbidden`], whatever its name resolves to.
#[async_trait]
pub trait Transport: fmt::Debug + Send + Sync + 'static {
    /// Sends a request by POST and waits for the answer.
    ///
    /// # Errors
    ///
    /// There is no answer.
    async fn send(&self, request: Request) -> Result<Answer, SendError>;

    /// Checks what can be told of a target without connecting.
    ///
    /// # Errors
    ///
    /// It may not be reached.
    fn check(&self, url: &Uri) -> Result<(), SendError> {
        let _ = url;
        Ok(())
    }
}

/// How much of an answer's body is read.
pub const ANSWER_OCTETS_MAX: usize = 1024;

/// A request. `Debug` shows neither headers nor body: they carry secrets.
#[derive(Clone)]
#[expect(clippy::exhaustive_structs, reason = "taken apart by transports")]
pub struct Request {
    /// Where it goes.
    pub url: Uri,
    /// Its headers, without those of the connection.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("host", &self.url.host())
            .field("octets", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// An answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "built by transports")]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// When to come again, if the endpoint says so.
    pub retry_after: Option<Duration>,
    /// The beginning of the body, unless the status is 2xx.
    pub body: Bytes,
}

/// A request without an answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The connection ended before the answer.
    #[error("the connection ended before the answer: {0}")]
    Closed(String),
    /// There is no connection.
    #[error("no connection: {0}")]
    Connect(String),
    /// The target may not be reached.
    #[error("the target may not be reached: {0}")]
    Forbidden(String),
    /// The time is over.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
}

/// A transport of a server that has none: nothing is delivered, everything waits.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct NoTransport;

#[async_trait]
impl Transport for NoTransport {
    async fn send(&self, _request: Request) -> Result<Answer, SendError> {
        Err(SendError::Connect("this server has no HTTP client".to_owned()))
    }
}

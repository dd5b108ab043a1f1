//! The transport over HTTP/1.1, with or without TLS, on hyper.

use std::{error::Error as StdError, fmt, time::Duration};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::{self, Client},
    rt::{TokioExecutor, TokioTimer},
};
use ttn_core::net::Reach;

use super::transport::{ANSWER_OCTETS_MAX, Answer, Request, SendError, Transport};
use crate::connect::{CheckedConnector, allow, checked, literal};

pub use crate::connect::TlsError;

/// Requests over sockets.
pub struct HttpTransport {
    client: Client<HttpsConnector<CheckedConnector>, Full<Bytes>>,
    reach: Reach,
}

/// How long a connection may wait for the next request.
const IDLE: Duration = Duration::from_secs(30);
/// How many connections to an endpoint may wait.
const IDLE_MAX: usize = 4;
/// The longest pause that an endpoint may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(15 * 60);

impl HttpTransport {
    /// Makes a transport that reaches that far and trusts the public certificate authorities, and those of `pem`.
    ///
    /// # Errors
    ///
    /// A certificate is malformed.
    pub fn new(reach: Reach, pem: &[u8]) -> Result<Self, TlsError> {
        let connector = checked(pem)?.enable_http1().wrap_connector(CheckedConnector { reach });
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_MAX)
            .pool_timer(TokioTimer::new())
            .build(connector);
        Ok(Self { client, reach })
    }

    /// Downloads a file of at most `size_max` octets. Redirects are not followed. Safe to drop halfway.
    ///
    /// # Errors
    ///
    /// There is no answer, or another one than 200, or the file is larger.
    pub async fn download(&self, url: Uri, size_max: usize) -> Result<Bytes, SendError> {
        let mut request = http::Request::new(Full::default());
        *request.uri_mut() = url;
        let answer = self.client.request(request).await.map_err(|error| failure(&error))?;
        if answer.status() != http::StatusCode::OK {
            return Err(SendError::Closed(format!("the server answers {}", answer.status())));
        }
        let body = Limited::new(answer.into_body(), size_max).collect().await;
        Ok(body.map_err(|error| SendError::Closed(error.to_string()))?.to_bytes())
    }
}

impl fmt::Debug for HttpTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpTransport").field("reach", &self.reach).finish_non_exhaustive()
    }
}

#[async_trait]
impl Transport for HttpTransport {
    async fn send(&self, request: Request) -> Result<Answer, SendError> {
        let Request { url, headers, body } = request;
        let mut outgoing = http::Request::new(Full::new(body));
        *outgoing.method_mut() = http::Method::POST;
        *outgoing.uri_mut() = url;
        *outgoing.headers_mut() = headers;
        let answer = self.client.request(outgoing).await.map_err(|error| failure(&error))?;
        let (head, body) = answer.into_parts();
        let is_success = head.status.is_success();
        // What the endpoint says about a message that it took is not read: it has taken it.
        let body = if is_success { Bytes::new() } else { beginning(body).await };
        Ok(Answer { status: head.status.as_u16(), retry_after: retry_after(&head.headers), body })
    }

    fn check(&self, url: &Uri) -> Result<(), SendError> {
        match url.host().and_then(literal) {
            Some(address) => allow(self.reach, address),
            None => Ok(()),
        }
    }
}

/// Reads the beginning of a body; the rest is left, and the connection with it.
async fn beginning(mut body: Incoming) -> Bytes {
    let mut read = BytesMut::new();
    while let Some(Ok(frame)) = body.frame().await {
        let Ok(data) = frame.into_data() else { break };
        let room = ANSWER_OCTETS_MAX - read.len();
        read.extend_from_slice(data.get(..room).unwrap_or(&data));
        if read.len() == ANSWER_OCTETS_MAX {
            break;
        }
    }
    read.freeze()
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX))
}

/// The error of ours that hides in one of the client, or what the client says.
fn failure(error: &legacy::Error) -> SendError {
    let mut source: Option<&(dyn StdError + 'static)> = Some(error);
    let mut last = error.to_string();
    while let Some(cause) = source {
        if let Some(ours) = cause.downcast_ref::<SendError>() {
            return ours.clone();
        }
        last = cause.to_string();
        source = cause.source();
    }
    if error.is_connect() { SendError::Connect(last) } else { SendError::Closed(last) }
}

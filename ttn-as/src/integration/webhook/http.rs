//! The transport over HTTP/1.1, with or without TLS, on hyper.
//!
//! Names are resolved here, each address is checked, and the connection goes to a checked address: a name that resolves
//! differently the second time reaches nothing else (DESIGN 8).

use std::{
    error::Error as StdError,
    fmt,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::future::BoxFuture;
use http::{HeaderMap, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{self, Client},
    rt::{TokioExecutor, TokioIo, TokioTimer},
};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use tokio::net::TcpStream;
use tower_service::Service;
use ttn_core::net::Reach;

use super::transport::{ANSWER_OCTETS_MAX, Answer, Request, SendError, Transport};

/// Requests over sockets.
pub struct HttpTransport {
    client: Client<HttpsConnector<CheckedConnector>, Full<Bytes>>,
    reach: Reach,
}

/// Certificates that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the certificates cannot be used: {0}")]
#[non_exhaustive]
pub struct TlsError(String);

/// How many addresses of a name are tried.
const ADDRESSES_MAX: usize = 4;
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
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|error| TlsError(error.to_string()))?;
            roots.add(certificate).map_err(|error| TlsError(error.to_string()))?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(CheckedConnector { reach });
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

fn literal(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

fn allow(reach: Reach, address: IpAddr) -> Result<(), SendError> {
    reach.check(address).map_err(|refused| SendError::Forbidden(refused.to_string()))
}

/// Connects to checked addresses only.
#[derive(Clone, Debug)]
struct CheckedConnector {
    reach: Reach,
}

impl CheckedConnector {
    async fn connect(self, url: Uri) -> Result<TokioIo<TcpStream>, SendError> {
        let host = url.host().unwrap_or_default();
        let default = if url.scheme_str() == Some("https") { 443 } else { 80 };
        let port = url.port_u16().unwrap_or(default);
        let addresses = match literal(host) {
            Some(address) => vec![SocketAddr::new(address, port)],
            None => {
                let found = tokio::net::lookup_host((host, port)).await;
                let unknown =
                    |error| SendError::Connect(format!("{host} does not resolve: {error}"));
                found.map_err(unknown)?.take(ADDRESSES_MAX).collect()
            }
        };
        let mut failed = SendError::Connect(format!("{host} has no address"));
        for address in addresses {
            if let Err(refused) = allow(self.reach, address.ip()) {
                failed = refused;
                continue;
            }
            match TcpStream::connect(address).await {
                Ok(stream) => {
                    // Requests are written at once; a socket that refuses this is slower, no more.
                    let _ = stream.set_nodelay(true);
                    return Ok(TokioIo::new(stream));
                }
                Err(error) => failed = SendError::Connect(format!("{address}: {error}")),
            }
        }
        Err(failed)
    }
}

impl Service<Uri> for CheckedConnector {
    type Response = TokioIo<TcpStream>;
    type Error = SendError;
    type Future = BoxFuture<'static, Result<Self::Response, SendError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, url: Uri) -> Self::Future {
        Box::pin(self.clone().connect(url))
    }
}

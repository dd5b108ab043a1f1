//! Connections to addresses that users name: formatters and webhooks.
//!
//! Names are resolved here, each address is checked, and the connection goes to a checked address: a name that resolves
//! differently the second time reaches nothing else (DESIGN 8).

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    task::{Context, Poll},
};

use futures::future::BoxFuture;
use http::Uri;
use hyper_rustls::{HttpsConnectorBuilder, builderstates::WantsProtocols1};
use hyper_util::rt::TokioIo;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use tokio::net::TcpStream;
use tower_service::Service;
use ttn_core::net::Reach;

use crate::integration::webhook::SendError;

/// Certificates that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the certificates cannot be used: {0}")]
#[non_exhaustive]
pub struct TlsError(String);

/// How many addresses of a name are tried.
const ADDRESSES_MAX: usize = 4;

/// Connections with and without TLS; the public certificate authorities are trusted, and those of `pem`.
pub(crate) fn checked(pem: &[u8]) -> Result<HttpsConnectorBuilder<WantsProtocols1>, TlsError> {
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
    Ok(HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http())
}

pub(crate) fn literal(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

pub(crate) fn allow(reach: Reach, address: IpAddr) -> Result<(), SendError> {
    reach.check(address).map_err(|refused| SendError::Forbidden(refused.to_string()))
}

/// Connects to checked addresses only.
#[derive(Clone, Debug)]
pub(crate) struct CheckedConnector {
    pub(crate) reach: Reach,
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

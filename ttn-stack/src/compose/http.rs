//! HTTP and gRPC over sockets, with and without TLS.
//!
//! One listener speaks HTTP/1.1 and HTTP/2. A connection that asks for nothing is closed, so that whoever opens many keeps
//! nobody else out for long.

use std::{
    fmt,
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Body, http::Request};
use futures::future::{Either, select};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;
use ttn_core::{clock::Clock, task::Tasks};

use super::TrustedProxies;

/// How many connections a listener has; further ones wait in its backlog.
const CONNECTIONS_MAX: usize = 16_384;
/// How long a connection may take to its first request, the handshake included.
const FIRST_REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection may take to each further request (HTTP/1.1) or answer to a ping (HTTP/2).
const IDLE_TIMEOUT: Duration = Duration::from_secs(75);
/// The pause after a connection could not be taken.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A listener of clients over HTTP and gRPC.
pub struct HttpSockets {
    listener: TcpListener,
    router: Router,
    proxies: Arc<TrustedProxies>,
    clock: Arc<dyn Clock>,
    tls: Option<TlsAcceptor>,
}

impl HttpSockets {
    /// What a router serves, to whoever connects.
    #[must_use]
    pub fn new(
        listener: TcpListener,
        router: Router,
        proxies: &TrustedProxies,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { listener, router, proxies: Arc::new(proxies.clone()), clock, tls: None }
    }

    /// Clients speak TLS.
    #[must_use]
    pub fn tls(mut self, config: Arc<ServerConfig>) -> Self {
        self.tls = Some(TlsAcceptor::from(config));
        self
    }

    /// Serves until it is told to stop, and then until the requests that were being answered are.
    pub async fn serve(self, stopping: CancellationToken) {
        let mut connections = Tasks::new();
        loop {
            let has_room = connections.len() < CONNECTIONS_MAX;
            tokio::select! {
                biased;
                () = stopping.cancelled() => break,
                Some(ended) = connections.next_ended(), if !connections.is_empty() => {
                    if let Err(error) = ended {
                        tracing::error!(%error, "a client over HTTP");
                    }
                }
                accepted = self.listener.accept(), if has_room => match accepted {
                    Ok((stream, remote)) => {
                        let connection = self.connection(remote, &stopping);
                        connections.spawn("http-client", connection.run(stream, self.tls.clone()));
                    }
                    Err(error) => {
                        tracing::warn!(%error, "a client over HTTP could not be taken");
                        self.clock.sleep_until(self.clock.monotonic().plus(ACCEPT_PAUSE)).await;
                    }
                }
            }
        }
        drop(self.listener);
        while connections.next_ended().await.is_some() {}
    }

    fn connection(&self, remote: SocketAddr, stopping: &CancellationToken) -> Connection {
        Connection {
            remote,
            router: self.router.clone(),
            proxies: self.proxies.clone(),
            clock: self.clock.clone(),
            stopping: stopping.clone(),
            has_asked: Arc::default(),
        }
    }
}

impl fmt::Debug for HttpSockets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpSockets").field("tls", &self.tls.is_some()).finish_non_exhaustive()
    }
}

struct Connection {
    remote: SocketAddr,
    router: Router,
    proxies: Arc<TrustedProxies>,
    clock: Arc<dyn Clock>,
    stopping: CancellationToken,
    /// Whether there was a request.
    has_asked: Arc<AtomicBool>,
}

impl Connection {
    async fn run(self, stream: TcpStream, tls: Option<TlsAcceptor>) {
        // It may be gone already; whoever reads from it will see.
        let _ = stream.set_nodelay(true);
        let (remote, has_asked) = (self.remote, self.has_asked.clone());
        let late = self.clock.sleep_until(self.clock.monotonic().plus(FIRST_REQUEST_TIMEOUT));
        let serving = pin!(async move {
            let Some(tls) = tls else { return self.answer(stream).await };
            match tls.accept(stream).await {
                Ok(stream) => self.answer(stream).await,
                Err(error) => tracing::debug!(%remote, %error, "a client shook no hands"),
            }
        });
        if let Either::Right(((), serving)) = select(serving, late).await {
            if has_asked.load(Ordering::Relaxed) {
                serving.await;
            } else {
                tracing::debug!(%remote, "a client asked for nothing");
            }
        }
    }

    /// Answers requests until the client leaves.
    async fn answer<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(self, stream: S) {
        let Self { remote, router, proxies, stopping, has_asked, .. } = self;
        let service = tower::service_fn(move |mut request: Request<hyper::body::Incoming>| {
            has_asked.store(true, Ordering::Relaxed);
            proxies.apply(remote.ip(), request.headers_mut());
            router.clone().oneshot(request.map(Body::new))
        });
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder.http1().timer(TokioTimer::new()).header_read_timeout(IDLE_TIMEOUT);
        builder.http2().timer(TokioTimer::new()).keep_alive_interval(IDLE_TIMEOUT);
        let service = TowerToHyperService::new(service);
        let mut serving =
            pin!(builder.serve_connection_with_upgrades(TokioIo::new(stream), service));
        let result = tokio::select! {
            biased;
            result = &mut serving => result,
            () = stopping.cancelled() => {
                serving.as_mut().graceful_shutdown();
                serving.await
            }
        };
        if let Err(error) = result {
            tracing::debug!(%remote, %error, "a client over HTTP");
        }
    }
}

//! MQTT clients over sockets: with or without TLS, with or without WebSockets.

use std::{fmt, io, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{
    SinkExt as _, StreamExt as _,
    future::{BoxFuture, Either, ready, select},
    stream::FuturesUnordered,
};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig};
use tokio_tungstenite::{
    accept_hdr_async_with_config,
    tungstenite::{
        self, Message,
        handshake::server::{ErrorResponse, Request, Response},
        http::{HeaderValue, StatusCode, header::SEC_WEBSOCKET_PROTOCOL},
        protocol::WebSocketConfig,
    },
};
use tokio_util::io::{CopyToBytes, SinkWriter, StreamReader};
use ttn_as::integration::mqtt::{Connection, Io, Listener};
use ttn_core::clock::Clock;

/// The path of WebSockets.
const PATH: &str = "/mqtt";
/// The subprotocols of MQTT 3.1.1 and 3.1 over WebSockets.
const PROTOCOLS: [&str; 2] = ["mqtt", "mqttv3.1"];
/// The largest WebSocket message, in octets; larger packets come in several.
const MESSAGE_MAX: usize = 512 * 1024;
/// How many clients may be shaking hands; further ones wait in the backlog.
const HANDSHAKES_MAX: usize = 16_384;
/// How long a client may shake hands.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// A listener of MQTT clients.
pub struct MqttSockets {
    listener: TcpListener,
    clock: Arc<dyn Clock>,
    tls: Option<TlsAcceptor>,
    is_websocket: bool,
    handshakes: FuturesUnordered<BoxFuture<'static, Option<Connection>>>,
}

impl MqttSockets {
    /// Clients that speak MQTT over TCP.
    #[must_use]
    pub fn new(listener: TcpListener, clock: Arc<dyn Clock>) -> Self {
        let handshakes = FuturesUnordered::new();
        Self { listener, clock, tls: None, is_websocket: false, handshakes }
    }

    /// They speak TLS.
    #[must_use]
    pub fn tls(mut self, config: &Arc<ServerConfig>) -> Self {
        self.tls = Some(TlsAcceptor::from(config.clone()));
        self
    }

    /// They speak WebSockets, at the path `/mqtt`.
    #[must_use]
    pub const fn websocket(mut self) -> Self {
        self.is_websocket = true;
        self
    }

    fn shake_hands(&self, stream: TcpStream, remote: String) {
        let (tls, is_websocket) = (self.tls.clone(), self.is_websocket);
        let late = self.clock.sleep_until(self.clock.monotonic().plus(HANDSHAKE_TIMEOUT));
        self.handshakes.push(Box::pin(async move {
            let handshake = Box::pin(open(stream, tls, is_websocket));
            match select(handshake, late).await {
                Either::Left((Ok(io), _)) => Some(Connection { io, remote }),
                Either::Left((Err(error), _)) => {
                    tracing::debug!(remote, %error, "an MQTT client shook no hands");
                    None
                }
                Either::Right(_) => None,
            }
        }));
    }
}

#[async_trait]
impl Listener for MqttSockets {
    async fn accept(&mut self) -> io::Result<Connection> {
        loop {
            tokio::select! {
                biased;
                Some(done) = self.handshakes.next(), if !self.handshakes.is_empty() => {
                    if let Some(connection) = done {
                        return Ok(connection);
                    }
                }
                accepted = self.listener.accept(), if self.handshakes.len() < HANDSHAKES_MAX => {
                    let (stream, remote) = accepted?;
                    // It may be gone already; whoever reads from it will see.
                    let _ = stream.set_nodelay(true);
                    let remote = remote.to_string();
                    if self.tls.is_none() && !self.is_websocket {
                        return Ok(Connection { io: Box::new(stream), remote });
                    }
                    self.shake_hands(stream, remote);
                }
            }
        }
    }
}

async fn open(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    is_websocket: bool,
) -> io::Result<Box<dyn Io>> {
    match (tls, is_websocket) {
        (None, false) => Ok(Box::new(stream)),
        (None, true) => websocket(stream).await,
        (Some(tls), false) => Ok(Box::new(tls.accept(stream).await?)),
        (Some(tls), true) => websocket(tls.accept(stream).await?).await,
    }
}

/// The octets in the binary messages of a WebSocket.
async fn websocket<S: Io + 'static>(stream: S) -> io::Result<Box<dyn Io>> {
    let config = WebSocketConfig::default()
        .max_message_size(Some(MESSAGE_MAX))
        .max_frame_size(Some(MESSAGE_MAX));
    let socket = accept_hdr_async_with_config(stream, check, Some(config)).await;
    let (sink, messages) = socket.map_err(io::Error::other)?.split();
    let reader = StreamReader::new(messages.map(|message| match message {
        Ok(Message::Binary(octets)) => Ok(octets),
        Ok(Message::Text(_)) => Err(io::Error::from(io::ErrorKind::InvalidData)),
        // Answered by the library.
        Ok(_) => Ok(Bytes::new()),
        Err(error) => Err(io::Error::other(error)),
    }));
    let sink = sink
        .with(|octets| ready(Ok::<_, tungstenite::Error>(Message::Binary(octets))))
        .sink_map_err(io::Error::other);
    let writer = SinkWriter::new(CopyToBytes::new(sink));
    Ok(Box::new(tokio::io::join(reader, writer)))
}

/// Checks path and subprotocol.
#[expect(clippy::result_large_err, reason = "the library's signature")]
fn check(request: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
    let refuse = |status, text: &str| {
        let mut refusal = ErrorResponse::new(Some(text.to_owned()));
        *refusal.status_mut() = status;
        Err(refusal)
    };
    if request.uri().path() != PATH {
        return refuse(StatusCode::NOT_FOUND, "MQTT is at /mqtt");
    }
    let offers = request.headers().get_all(SEC_WEBSOCKET_PROTOCOL).into_iter();
    let offers = offers.filter_map(|offer| offer.to_str().ok()).flat_map(|it| it.split(','));
    let mut known = offers.filter_map(|offer| PROTOCOLS.iter().find(|it| **it == offer.trim()));
    let Some(protocol) = known.next() else {
        return refuse(StatusCode::BAD_REQUEST, "the subprotocol `mqtt` is missing");
    };
    let protocol = HeaderValue::from_static(protocol);
    response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, protocol);
    Ok(response)
}

impl fmt::Debug for MqttSockets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MqttSockets")
            .field("tls", &self.tls.is_some())
            .field("is_websocket", &self.is_websocket)
            .finish_non_exhaustive()
    }
}

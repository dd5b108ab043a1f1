//! The MQTT server of applications (AS-32 to AS-36): MQTT 3.1 and 3.1.1, QoS 0 outwards.
//!
//! The user name is the application's id, the password one of its API keys. A client reads what its key may read, from
//! the live end of the durable log: nothing is handed out before it survives a crash. A slow client loses its oldest
//! messages, counted, and delays nobody. Sockets belong to whoever gives the [`Listener`].

mod session;
mod topic;

use std::{fmt, io, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::{StreamExt as _, stream::FuturesUnordered};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::ApplicationServer;

/// A stream of octets both ways.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// A client that has connected.
#[expect(clippy::exhaustive_structs, reason = "built by listeners")]
pub struct Connection {
    /// Its octets.
    pub io: Box<dyn Io>,
    /// Where it comes from, for events.
    pub remote: String,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("remote", &self.remote).finish_non_exhaustive()
    }
}

/// Where clients come from: a socket, one with TLS, or memory.
#[async_trait]
pub trait Listener: Send + 'static {
    /// Waits for the next client. Safe to drop halfway.
    ///
    /// # Errors
    ///
    /// A client could not be taken. It is tried again after a pause.
    async fn accept(&mut self) -> io::Result<Connection>;
}

/// The pause after a client could not be taken.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves MQTT clients until it is dropped; that closes all connections.
pub async fn serve<L: Listener>(server: Arc<ApplicationServer>, mut listener: L) {
    let mut sessions = FuturesUnordered::new();
    loop {
        let has_room = sessions.len() < server.config.mqtt.connections_max;
        tokio::select! {
            biased;
            Some(()) = sessions.next(), if !sessions.is_empty() => {}
            // Above the limit clients wait in the backlog of the listener.
            accepted = listener.accept(), if has_room => match accepted {
                Ok(connection) => sessions.push(session::run(server.clone(), connection)),
                Err(error) => {
                    tracing::warn!(%error, "an MQTT client could not be taken");
                    server.sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

//! The MQTT server of applications (AS-32 to AS-36): MQTT 3.1 and 3.1.1, QoS 0 and 1 outwards.
//!
//! The user name is the application's id, the password one of its API keys. A client gets what its key may read out of
//! the durable log: nothing is handed out before it survives a crash. Sockets belong to whoever gives the [`Listener`].
//!
//! * A client whose filters are all at QoS 0 reads the live end of the log. A slow one loses its oldest messages, counted.
//! * A client with a filter at QoS 1 has a place in the log. It is told what it missed, however slow it is, as long as
//!   the log keeps it; up to 64 messages may be unacknowledged. QoS 2 is granted as 1.
//! * With CleanSession 0, filters and place outlive the connection (for [`crate::config::MqttConfig::session_expiry`]) and
//!   the process. The place is written every [`crate::config::MqttConfig::session_save_interval`]: after a crash, what
//!   was handed out behind the last written place is sent again with DUP.
//! * A second connection with the client id of a first one closes it.
//! * Many clients get their messages in bundles: from ten on, each is written to at most every 100 µs for each one that
//!   is connected, and never less often than every 10 ms ([`crate::config::MqttConfig::writes_per_second`]).
//! * Rights are asked for again every [`crate::config::MqttConfig::rights_interval`]; a key that is gone, or has lost
//!   a right that the connection had, ends it within that time.

mod connect;
mod downlinks;
mod feed;
pub mod memory;
mod record;
mod session;
mod sessions;
mod state;
pub mod topic;
mod window;

pub(crate) use sessions::Mqtt;
pub use sessions::SESSIONS_MAX;

use std::{
    fmt, io,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use rmqtt_codec::v3::Connect;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;
use ttn_core::task::Tasks;

use crate::ApplicationServer;
use connect::{Opened, Opening};

/// A stream of octets both ways.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// A client that has connected.
#[expect(clippy::exhaustive_structs, reason = "built by listeners")]
pub struct Connection {
    /// Its octets.
    pub io: Box<dyn Io>,
    /// Where it comes from, for events and rate limits; with a port, if it has one.
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

/// What has happened at the MQTT server since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MqttCounters {
    /// Clients that were let in.
    pub accepted: u64,
    /// Clients that were refused with a code.
    pub refused: u64,
    /// Connections that a rate limit closed.
    pub limited: u64,
    /// Connections that were closed because they took nothing for too long.
    pub cut: u64,
    /// Messages that slow clients lost at QoS 0.
    pub lost: u64,
    /// Times that a client found its place in the log deleted.
    pub gaps: u64,
    /// Sessions that nobody came back to in time.
    pub expired: u64,
}

#[derive(Debug, Default)]
struct Counters {
    accepted: AtomicU64,
    refused: AtomicU64,
    limited: AtomicU64,
    cut: AtomicU64,
    lost: AtomicU64,
    gaps: AtomicU64,
    expired: AtomicU64,
    connected: AtomicU32,
}

/// A client that is served; it is counted as long as this lives.
struct Connected(Arc<ApplicationServer>);

impl Connected {
    fn new(server: Arc<ApplicationServer>) -> Self {
        server.mqtt.counters.connected.fetch_add(1, Ordering::Relaxed);
        Self(server)
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.mqtt.counters.connected.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The pause after a client could not be taken.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The Application Server of a tenant.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "built by other crates")]
pub struct Tenant {
    /// The server.
    pub server: Arc<ApplicationServer>,
    /// Its clients are closed when this is cancelled.
    pub stopped: CancellationToken,
}

/// Finds the server of a tenant by its name; `None` if there is none.
pub type Tenants = Arc<dyn Fn(&str) -> Option<Tenant> + Send + Sync>;

/// Serves the MQTT clients of a listener until it is dropped; that closes all connections. A server may have several
/// listeners; each may have [`crate::config::MqttConfig::connections_max`] clients.
pub async fn serve<L: Listener>(server: Arc<ApplicationServer>, listener: L) {
    serve_clients(server, None, listener).await;
}

/// The same; clients that say `APPLICATION@TENANT` are those of the tenant's server, as far as it knows this name
/// ([`crate::config::MqttConfig::tenant`]). A tenant that is not found is refused.
pub async fn serve_with_tenants<L: Listener>(
    server: Arc<ApplicationServer>,
    tenants: Tenants,
    listener: L,
) {
    serve_clients(server, Some(tenants), listener).await;
}

async fn serve_clients<L: Listener>(
    server: Arc<ApplicationServer>,
    tenants: Option<Tenants>,
    mut listener: L,
) {
    let mut clients = Tasks::new();
    loop {
        let has_room = clients.len() < server.config.mqtt.connections_max;
        tokio::select! {
            biased;
            Some(ended) = clients.next_ended(), if !clients.is_empty() => {
                if let Err(error) = ended {
                    tracing::error!(%error, "an MQTT client");
                }
            }
            // Above the limit clients wait in the backlog of the listener.
            accepted = listener.accept(), if has_room => match accepted {
                Ok(connection) => {
                    let (server, tenants) = (server.clone(), tenants.clone());
                    clients.spawn("mqtt-client", run(server, tenants, connection));
                }
                Err(error) => {
                    tracing::warn!(%error, "an MQTT client could not be taken");
                    server.sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

/// Serves a client until it leaves.
async fn run(server: Arc<ApplicationServer>, tenants: Option<Tenants>, connection: Connection) {
    let Some(Opening { connection, connect }) = connect::open(&server, connection).await else {
        return;
    };
    let tenant = tenants.and_then(|tenants| {
        let (_, name) = connect.username.as_deref()?.rsplit_once('@')?;
        // The base may have a name itself.
        if server.config.mqtt.tenant.as_deref() == Some(name) { None } else { tenants(name) }
    });
    match tenant {
        None => serve_client(server, connection, *connect).await,
        Some(Tenant { server: own, stopped }) => {
            drop(server);
            let client = std::pin::pin!(serve_client(own, connection, *connect));
            stopped.run_until_cancelled(client).await;
        }
    }
}

async fn serve_client(server: Arc<ApplicationServer>, connection: Opened, connect: Connect) {
    if let Some((session, will)) = connect::accept(&server, connection, connect).await {
        let _connected = Connected::new(server);
        session.serve(will).await;
    }
}

/// Takes one call of a rate limit.
async fn is_limited(server: &ApplicationServer, class: &str, key: &str) -> bool {
    server.limiter.take(class, key).await.is_some_and(|state| !state.allowed)
}

impl ApplicationServer {
    /// What has happened at the MQTT server since the start.
    #[must_use]
    pub fn mqtt_counters(&self) -> MqttCounters {
        let counters = &self.mqtt.counters;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        MqttCounters {
            accepted: read(&counters.accepted),
            refused: read(&counters.refused),
            limited: read(&counters.limited),
            cut: read(&counters.cut),
            lost: read(&counters.lost),
            gaps: read(&counters.gaps),
            expired: read(&counters.expired),
        }
    }
}

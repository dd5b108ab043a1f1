//! The shell around [`UdpSession`]: reads datagrams in batches, connects gateways, hands uplinks over.

use std::{
    future::poll_fn,
    io,
    net::SocketAddr,
    ops::Range,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll},
};

use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use tokio::sync::{Notify, mpsc};
use ttn_core::{
    auth::Credentials,
    clock::Clock,
    eui::GatewayEui,
    id::FrequencyPlanId,
    limit::RateLimiter,
    map::Map,
    task::{TaskError, Tasks},
    time::{Monotonic, Now},
};

use super::{
    PROTOCOL,
    reject::Reject,
    session::{Effect, UdpCounters, UdpSession},
    transport::{SocketTransport, Transport},
};
use crate::{
    config::{UdpConfig, UdpListener},
    conn::{Connection, DisconnectReason},
    error::Error,
    frontend::{ConnectRequest, DownlinkSink, Frontend, GatewayDown, GatewayRef},
    server::{GatewayServer, Intake},
};

/// A listener of the UDP protocol.
#[derive(Debug)]
pub struct UdpFrontend {
    transport: Box<dyn Transport>,
    config: UdpConfig,
    fallback_frequency_plan: Option<FrequencyPlanId>,
    counters: Arc<UdpCounters>,
}

impl UdpFrontend {
    /// Makes a listener on any transport. Gateways that nobody registered get the fallback plan (GS-02).
    #[must_use]
    pub fn new(
        transport: impl Transport,
        config: UdpConfig,
        fallback_frequency_plan: Option<FrequencyPlanId>,
    ) -> Self {
        let transport = Box::new(transport);
        Self { transport, config, fallback_frequency_plan, counters: Arc::default() }
    }

    /// Opens a socket. To be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`Error::Listen`]: the address is taken or not ours.
    pub fn bind(listener: &UdpListener, config: UdpConfig) -> Result<Self, Error> {
        let transport =
            SocketTransport::bind(listener.address, config.receive_buffer).map_err(|source| {
                Error::Listen { protocol: PROTOCOL, address: listener.address, source }
            })?;
        Ok(Self::new(transport, config, listener.fallback_frequency_plan_id.clone()))
    }

    /// The address at which it listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.transport.local_addr()
    }

    /// What it counted; stays valid after the front end was handed over.
    #[must_use]
    pub fn counters(&self) -> Arc<UdpCounters> {
        self.counters.clone()
    }
}

impl Frontend for UdpFrontend {
    fn protocol(&self) -> &'static str {
        PROTOCOL
    }

    fn start(self: Box<Self>, server: Arc<GatewayServer>, tasks: &mut Tasks) {
        let (sender, downs) = mpsc::channel(DOWNLINKS_MAX);
        let clock = server.clock().clone();
        let session = UdpSession::new(self.config, server.entropy().clone(), self.counters.clone());
        let shell = Shell {
            transport: self.transport,
            fallback_frequency_plan: self.fallback_frequency_plan,
            counters: self.counters,
            connections: Map::default(),
            connecting: FuturesUnordered::new(),
            sender,
            downs,
            batch: Batch::new(),
            effects: Vec::new(),
            intake: Intake::default(),
            receipts_due: session.receipts_due(),
            session,
            timer: Timer::new(clock.clone()),
            clock,
            server,
        };
        tasks.spawn_fallible("udp front end", shell.run());
    }
}

/// The sink of one gateway: all gateways of a listener share its queue.
#[derive(Debug)]
struct UdpSink {
    eui: GatewayEui,
    sender: mpsc::Sender<(GatewayEui, ToGateway)>,
}

/// What the server has for a gateway.
#[derive(Debug)]
enum ToGateway {
    Closed,
    Down(Box<GatewayDown>),
}

impl DownlinkSink for UdpSink {
    fn send(&self, down: GatewayDown) -> Result<(), Error> {
        let down = ToGateway::Down(Box::new(down));
        self.sender.try_send((self.eui, down)).map_err(|_| Error::BufferFull)
    }

    fn closed(&self) {
        // When there is no room, the next uplink shows it.
        self.sender.try_send((self.eui, ToGateway::Closed)).ok();
    }
}

type Connecting = BoxFuture<'static, (GatewayEui, Result<Arc<Connection>, Error>)>;

struct Shell {
    server: Arc<GatewayServer>,
    clock: Arc<dyn Clock>,
    transport: Box<dyn Transport>,
    fallback_frequency_plan: Option<FrequencyPlanId>,
    counters: Arc<UdpCounters>,
    session: UdpSession,
    receipts_due: Arc<Notify>,
    connections: Map<GatewayEui, Arc<Connection>>,
    connecting: FuturesUnordered<Connecting>,
    sender: mpsc::Sender<(GatewayEui, ToGateway)>,
    downs: mpsc::Receiver<(GatewayEui, ToGateway)>,
    batch: Batch,
    effects: Vec<Effect>,
    intake: Intake,
    timer: Timer,
}

impl Shell {
    async fn run(mut self) -> Result<(), TaskError> {
        loop {
            self.step().await?;
            self.apply_effects();
            self.server.forward(&mut self.intake);
            self.transmit();
        }
    }

    /// Waits for one cause and lets the session handle it. Downlinks first, they are in a hurry.
    async fn step(&mut self) -> Result<(), TaskError> {
        self.timer.set(self.session.next_timeout());
        tokio::select! {
            biased;
            Some((eui, message)) = self.downs.recv() => match message {
                ToGateway::Down(down) => {
                    self.session.handle_down(self.clock.now(), eui, *down, &mut self.effects);
                }
                // It may be about a connection before the present one.
                ToGateway::Closed => drop(self.live(eui)),
            },
            Some((eui, result)) = self.connecting.next(), if !self.connecting.is_empty() => {
                self.connected(eui, result);
            }
            () = self.receipts_due.notified() => {}
            () = self.timer.wait() => {
                self.session.handle_timeout(self.clock.now(), &mut self.effects);
            }
            read = self.batch.fill(&mut *self.transport, &*self.clock) => {
                read?;
                for (from, range, now) in self.batch.datagrams.drain(..) {
                    if is_limited(self.server.limiter(), from) {
                        self.session.reject(Reject::RateExceeded);
                        continue;
                    }
                    let octets = self.batch.octets.get(range).unwrap_or_default();
                    self.session.handle_datagram(now, from, octets, &mut self.effects);
                }
            }
        }
        Ok(())
    }

    fn connected(&mut self, eui: GatewayEui, result: Result<Arc<Connection>, Error>) {
        match result {
            Ok(connection) => {
                let late = connection.info().schedule_downlink_late;
                if self.session.connected(eui, late, &mut self.effects) {
                    self.connections.insert(eui, connection);
                } else {
                    self.server.disconnect(&connection, DisconnectReason::Expired);
                }
            }
            Err(error) => {
                let passes = error.passes();
                // What passes is tried every second; the log need not say so each time.
                if passes {
                    tracing::debug!(%eui, %error, "gateway could not connect; trying again");
                } else {
                    tracing::info!(%eui, %error, "gateway could not connect");
                }
                self.session.connect_failed(self.clock.now(), eui, passes);
            }
        }
    }

    fn apply_effects(&mut self) {
        for effect in std::mem::take(&mut self.effects) {
            match effect {
                // GS-15: at the limit they wait their turn; what others send is read all the same.
                Effect::Connect { eui, .. } if self.connecting.len() >= CONNECTING_MAX => {
                    self.session.connect_failed(self.clock.now(), eui, true);
                }
                Effect::Connect { eui, remote } => self.connect(eui, remote),
                Effect::Disconnect { eui } => {
                    if let Some(connection) = self.connections.remove(&eui) {
                        self.server.disconnect(&connection, DisconnectReason::Expired);
                    }
                }
                Effect::DownlinkPath { eui, open } => {
                    if let Some(connection) = self.connections.get(&eui) {
                        connection.set_downlink_path(open);
                    }
                }
                Effect::DownlinkTaken { eui } => {
                    if let Some(connection) = self.connections.get(&eui) {
                        connection.downlink_taken();
                    }
                }
                Effect::Pushing { eui, active } => {
                    if let Some(connection) = self.connections.get(&eui) {
                        connection.set_pushing(active);
                    }
                }
                Effect::TxAck { eui, received, ack } => {
                    if let Some(connection) = self.live(eui) {
                        self.server.tx_ack(&connection, received, ack, &mut self.intake);
                    }
                }
                Effect::Untaken { eui, received, part, reason } => {
                    if let Some(connection) = self.live(eui) {
                        self.server.untaken(&connection, received.utc, part, reason);
                    }
                }
                Effect::Up { eui, received, up } => {
                    if let Some(connection) = self.live(eui) {
                        self.server.receive(&connection, received, up, &mut self.intake);
                    }
                }
            }
        }
    }

    /// The connection of a gateway, unless somebody else has taken it over (GS-05).
    fn live(&mut self, eui: GatewayEui) -> Option<Arc<Connection>> {
        let connection = self.connections.get(&eui)?.clone();
        if connection.is_closed() {
            self.connections.remove(&eui);
            self.session.closed(eui);
            return None;
        }
        Some(connection)
    }

    fn connect(&self, eui: GatewayEui, remote: SocketAddr) {
        let request = ConnectRequest {
            gateway: GatewayRef::Eui(eui),
            protocol: PROTOCOL,
            authenticated: false,
            credentials: Credentials::None,
            remote: Some(remote),
            fallback_frequency_plan: self.fallback_frequency_plan.clone(),
            sink: Arc::new(UdpSink { eui, sender: self.sender.clone() }),
        };
        let server = self.server.clone();
        self.connecting.push(async move { (eui, server.connect(request).await) }.boxed());
    }

    fn transmit(&mut self) {
        while let Some(transmit) = self.session.poll_transmit() {
            if self.transport.send(transmit.to, &transmit.octets).is_err() {
                self.counters.send_failed.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// GS-18. A limiter that does not answer at once holds nobody up.
fn is_limited(limiter: Option<&Arc<dyn RateLimiter>>, from: SocketAddr) -> bool {
    let Some(limiter) = limiter else { return false };
    let refused = |class: &str| {
        let state = limiter.take(class, &from.ip().to_string()).now_or_never().flatten();
        state.is_some_and(|state| !state.allowed)
    };
    ["gs:up:udp", "gs:up"].into_iter().any(|class| limiter.limits(class) && refused(class))
}

/// Datagrams that were read at one go, one behind the other.
struct Batch {
    buffer: Vec<u8>,
    octets: Vec<u8>,
    datagrams: Vec<(SocketAddr, Range<usize>, Now)>,
}

impl Batch {
    fn new() -> Self {
        Self { buffer: vec![0; DATAGRAM_LENGTH_MAX], octets: Vec::new(), datagrams: Vec::new() }
    }

    /// Waits for a datagram and reads what is there with it. Nothing is lost when dropped halfway.
    async fn fill(&mut self, transport: &mut dyn Transport, clock: &dyn Clock) -> io::Result<()> {
        poll_fn(|cx| self.poll_fill(cx, transport, clock)).await
    }

    fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        transport: &mut dyn Transport,
        clock: &dyn Clock,
    ) -> Poll<io::Result<()>> {
        self.octets.clear();
        self.datagrams.clear();
        while self.datagrams.len() < BATCH_MAX {
            match transport.poll_receive(cx, &mut self.buffer) {
                Poll::Ready(Ok((length, from))) => {
                    let begin = self.octets.len();
                    self.octets.extend_from_slice(self.buffer.get(..length).unwrap_or_default());
                    self.datagrams.push((from, begin..self.octets.len(), clock.now()));
                }
                Poll::Ready(Err(error)) if self.datagrams.is_empty() => {
                    return Poll::Ready(Err(error));
                }
                Poll::Ready(Err(_)) | Poll::Pending => break,
            }
        }
        if self.datagrams.is_empty() { Poll::Pending } else { Poll::Ready(Ok(())) }
    }
}

/// One timer that is set anew only when its time changes.
struct Timer {
    clock: Arc<dyn Clock>,
    armed: Option<(Monotonic, BoxFuture<'static, ()>)>,
}

impl Timer {
    fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, armed: None }
    }

    fn set(&mut self, at: Option<Monotonic>) {
        if self.armed.as_ref().map(|(armed, _)| *armed) != at {
            self.armed = at.map(|at| (at, self.clock.sleep_until(at)));
        }
    }

    async fn wait(&mut self) {
        match &mut self.armed {
            Some((_, sleep)) => {
                sleep.await;
                self.armed = None;
            }
            None => std::future::pending().await,
        }
    }
}

/// The longest datagram that UDP carries.
const DATAGRAM_LENGTH_MAX: usize = 65_507;
/// Datagrams read before they are handled.
const BATCH_MAX: usize = 64;
/// Gateways that are looked up at the same time; further ones wait their turn.
const CONNECTING_MAX: usize = 1024;
/// Downlinks on their way from the server to one listener; further ones are refused with `buffer_full`.
const DOWNLINKS_MAX: usize = 1024;

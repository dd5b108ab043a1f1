//! The protocol's state machine: datagrams, connections and downlinks in, datagrams and [`Effect`]s out. No I/O.
//!
//! One session serves all gateways of a listener; each has a [`Link`] under its EUI, and nothing that is said in the
//! name of one EUI touches another's link.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use tokio::sync::Notify;
use ttn_core::{
    eui::GatewayEui,
    map::Map,
    msg::{CorrelationIds, Receipt, TransmissionId, TxResult},
    rand::Entropy,
    time::{Monotonic, Now},
};

use super::{
    codec::{self, Header, PacketType, PushData, UpBody, Version},
    firewall::Firewall,
    reject::Reject,
    rxpk::RxpkReject,
    txpk,
};
use crate::{
    config::{Ack, UdpConfig},
    count::{Counters, Reason as _},
    frontend::{GatewayDown, GatewayTxAck, GatewayUp, Part},
};

/// What the shell is to do.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "the shell must handle all of them")]
pub enum Effect {
    /// Connect a gateway, then call [`UdpSession::connected`] or [`UdpSession::connect_failed`].
    Connect {
        /// The gateway.
        eui: GatewayEui,
        /// Where it sends from.
        remote: SocketAddr,
    },
    /// The gateway fell silent: end its connection.
    Disconnect {
        /// The gateway.
        eui: GatewayEui,
    },
    /// The gateway can or can no longer be reached with downlinks.
    DownlinkPath {
        /// The gateway.
        eui: GatewayEui,
        /// Whether it can.
        open: bool,
    },
    /// A downlink left for the gateway, or was given up.
    DownlinkTaken {
        /// The gateway.
        eui: GatewayEui,
    },
    /// A gateway reported on a transmission.
    TxAck {
        /// The gateway.
        eui: GatewayEui,
        /// When.
        received: Now,
        /// The report.
        ack: GatewayTxAck,
    },
    /// The gateway pushes again, or has not for a while (GS-77).
    Pushing {
        /// The gateway.
        eui: GatewayEui,
        /// Whether it does.
        active: bool,
    },
    /// A part of what a connected gateway sent breaks a rule.
    Untaken {
        /// The gateway.
        eui: GatewayEui,
        /// When.
        received: Now,
        /// Which part.
        part: Part,
        /// The rule, by its name in the counters.
        reason: &'static str,
    },
    /// A gateway sent something.
    Up {
        /// The gateway.
        eui: GatewayEui,
        /// When.
        received: Now,
        /// What.
        up: GatewayUp,
    },
}

/// A datagram to send.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "complete by definition")]
pub struct Transmit {
    /// Where to.
    pub to: SocketAddr,
    /// The octets.
    pub octets: Vec<u8>,
}

/// The machine.
#[derive(Debug)]
pub struct UdpSession {
    config: UdpConfig,
    entropy: Arc<dyn Entropy>,
    counters: Arc<UdpCounters>,
    links: Map<GatewayEui, Link>,
    /// Downlinks for gateways without a queue, by the time when they are to leave.
    late: BTreeMap<(Monotonic, u64), (GatewayEui, GatewayDown)>,
    late_count: u64,
    /// When gateways are connected anew that could not be, for a reason that passes.
    retries: BTreeSet<(Monotonic, GatewayEui)>,
    transmits: VecDeque<Transmit>,
    receipts: Receipts,
    sweep_at: Option<Monotonic>,
}

/// Acknowledgements that wait until what they promise is durable.
#[derive(Debug, Default)]
struct Receipts {
    due: Arc<Mutex<VecDeque<Transmit>>>,
    changed: Arc<Notify>,
}

impl Receipts {
    /// The receipt that lets an acknowledgement go.
    fn of(&self, ack: Transmit) -> Receipt {
        let (due, changed) = (self.due.clone(), self.changed.clone());
        Receipt::new(move || {
            due.lock().push_back(ack.clone());
            changed.notify_one();
        })
    }

    fn pop(&self) -> Option<Transmit> {
        self.due.lock().pop_front()
    }
}

/// What a listener counted.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct UdpCounters {
    /// Datagrams that were not taken, by reason.
    pub datagrams: Counters<Reject>,
    /// Entries of PUSH_DATA that were not taken, by reason.
    pub rxpk: Counters<RxpkReject>,
    /// Datagrams received in all, whatever became of them.
    pub received: std::sync::atomic::AtomicU64,
    /// Datagrams that the network did not take.
    pub send_failed: std::sync::atomic::AtomicU64,
}

/// What is known of one gateway.
#[derive(Debug)]
struct Link {
    state: LinkState,
    remote: SocketAddr,
    firewall: Firewall,
    last_heard: Monotonic,
    /// The last PUSH_DATA, while its counters are shown (GS-77).
    last_push: Option<Monotonic>,
    path: Option<Path>,
    /// Whether it has sent a TX_ACK, so that it has a queue of its own (GS-22).
    has_queue: bool,
    schedule_late: bool,
    outstanding: VecDeque<Outstanding>,
}

#[derive(Debug)]
enum LinkState {
    /// Somebody else ended its connection: the next datagram connects it anew.
    Closed,
    Connected,
    Failed {
        until: Monotonic,
    },
    Pending {
        waiting: VecDeque<(Now, GatewayUp)>,
    },
}

#[derive(Clone, Copy, Debug)]
struct Path {
    to: SocketAddr,
    version: Version,
    last: Monotonic,
}

/// A PULL_RESP that was not acknowledged yet.
#[derive(Debug)]
struct Outstanding {
    token: u16,
    sent: Monotonic,
    id: TransmissionId,
    correlation_ids: CorrelationIds,
}

impl UdpSession {
    /// Makes a session without gateways.
    #[must_use]
    pub fn new(config: UdpConfig, entropy: Arc<dyn Entropy>, counters: Arc<UdpCounters>) -> Self {
        Self {
            config,
            entropy,
            counters,
            links: Map::default(),
            late: BTreeMap::new(),
            late_count: 0,
            retries: BTreeSet::new(),
            transmits: VecDeque::new(),
            receipts: Receipts::default(),
            sweep_at: None,
        }
    }

    /// Takes a datagram. Acknowledgements are queued before anything else is done (GS-14).
    pub fn handle_datagram(
        &mut self,
        now: Now,
        from: SocketAddr,
        octets: &[u8],
        effects: &mut Vec<Effect>,
    ) {
        self.counters.received.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        if let Err(reject) = self.datagram(now, from, octets, effects) {
            self.counters.datagrams.count(reject);
        }
    }

    /// Counts a datagram that the shell did not hand over.
    pub fn reject(&self, reason: Reject) {
        self.counters.received.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.counters.datagrams.count(reason);
    }

    /// Takes the news that a gateway is connected: what waited for that is handed over. `false` if it fell silent
    /// meanwhile and its connection is of no use.
    pub fn connected(
        &mut self,
        eui: GatewayEui,
        schedule_late: bool,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let Some(link) = self.links.get_mut(&eui) else { return false };
        link.schedule_late = schedule_late;
        let before = std::mem::replace(&mut link.state, LinkState::Connected);
        if link.path.is_some() {
            effects.push(Effect::DownlinkPath { eui, open: true });
        }
        if let LinkState::Pending { waiting } = before {
            link.last_push = waiting.back().map(|(received, _)| received.monotonic);
            effects.extend(waiting.into_iter().map(|(received, up)| Effect::Up {
                eui,
                received,
                up,
            }));
        }
        true
    }

    /// Takes the news that a gateway could not be connected. It is refused for a while (GS-20), unless the reason
    /// passes: then it is tried again soon, and what waits for it goes on waiting.
    pub fn connect_failed(&mut self, now: Now, eui: GatewayEui, passes: bool) {
        let until = now.monotonic.plus(self.config.connection_error_ttl);
        let Some(link) = self.links.get_mut(&eui) else { return };
        if passes && matches!(link.state, LinkState::Pending { .. }) {
            self.retries.insert((now.monotonic.plus(RETRY_INTERVAL), eui));
            return;
        }
        if let LinkState::Pending { waiting } = &link.state {
            (0..waiting.len()).for_each(|_| self.counters.datagrams.count(Reject::ConnectFailed));
        }
        link.state = LinkState::Failed { until };
    }

    /// Takes the news that somebody else ended a gateway's connection. Its next datagram connects it anew.
    pub fn closed(&mut self, eui: GatewayEui) {
        if let Some(link) = self.links.get_mut(&eui)
            && matches!(link.state, LinkState::Connected)
        {
            link.state = LinkState::Closed;
            link.last_push = None;
        }
    }

    /// Takes a downlink. It leaves at once, or as late as possible for gateways without a queue (GS-22).
    pub fn handle_down(
        &mut self,
        now: Now,
        eui: GatewayEui,
        down: GatewayDown,
        effects: &mut Vec<Effect>,
    ) {
        let Some(link) = self.links.get(&eui) else {
            return self.counters.datagrams.count(Reject::DownlinkPath);
        };
        let late = !link.has_queue || link.schedule_late;
        let leave_at = down.starts_at.map(|at| at.minus(self.config.schedule_late_time));
        match leave_at {
            Some(at) if late && at > now.monotonic => {
                self.late_count += 1;
                self.late.insert((at, self.late_count), (eui, down));
            }
            _ => self.send_down(now, eui, down, effects),
        }
    }

    /// Does what is due: late downlinks, and looking for gateways that fell silent (GS-19, GS-21).
    pub fn handle_timeout(&mut self, now: Now, effects: &mut Vec<Effect>) {
        while let Some(entry) = self.late.first_entry() {
            if entry.key().0 > now.monotonic {
                break;
            }
            let (eui, down) = entry.remove();
            self.send_down(now, eui, down, effects);
        }
        while let Some((at, eui)) = self.retries.first().copied() {
            if at > now.monotonic {
                break;
            }
            self.retries.pop_first();
            if let Some(link) = self.links.get(&eui)
                && matches!(link.state, LinkState::Pending { .. })
            {
                effects.push(Effect::Connect { eui, remote: link.remote });
            }
        }
        if self.sweep_at.is_some_and(|at| at <= now.monotonic) {
            self.sweep(now, effects);
        }
    }

    /// When [`Self::handle_timeout`] wants to be called.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Monotonic> {
        let late = self.late.first_key_value().map(|((at, _), _)| *at);
        let retry = self.retries.first().map(|(at, _)| *at);
        [late, retry, self.sweep_at].into_iter().flatten().min()
    }

    /// Takes the next datagram to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front().or_else(|| self.receipts.pop())
    }

    /// Is told when an acknowledgement became due that had to wait; then [`Self::poll_transmit`] gives it.
    #[must_use]
    pub fn receipts_due(&self) -> Arc<Notify> {
        self.receipts.changed.clone()
    }

    /// How many gateways the session knows.
    #[must_use]
    pub fn gateways(&self) -> usize {
        self.links.len()
    }

    fn datagram(
        &mut self,
        now: Now,
        from: SocketAddr,
        octets: &[u8],
        effects: &mut Vec<Effect>,
    ) -> Result<(), Reject> {
        let datagram = codec::decode_up(octets)?;
        if let Some(link) = self.links.get_mut(&datagram.gateway_eui) {
            link.firewall.check(now.monotonic, from.ip(), &self.config)?;
            link.remote = from;
        }
        let ack = datagram.header.ack();
        let mut ack = ack.map(|ack| Transmit { to: from, octets: ack.encode().to_vec() });
        let promises =
            self.config.ack == Ack::Durable && matches!(datagram.body, UpBody::PushData(_));
        let receipt = ack.take_if(|_| promises).map(|ack| self.receipts.of(ack));
        self.transmits.extend(ack);
        let eui = datagram.gateway_eui;
        match datagram.body {
            UpBody::PullData => {
                self.link(now, eui, from, effects)?;
                self.pull_data(now, eui, from, datagram.header.version, effects);
                Ok(())
            }
            UpBody::PushData(push) => {
                self.count_rejected(&push);
                self.link(now, eui, from, effects)?;
                self.push_data(now, eui, push, receipt, effects)
            }
            UpBody::TxAck(result) => self.tx_ack(now, eui, datagram.header.token, result, effects),
        }
    }

    /// Finds the link of a gateway or begins to connect it.
    fn link(
        &mut self,
        now: Now,
        eui: GatewayEui,
        remote: SocketAddr,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Reject> {
        let first = self.sweep_at.is_none();
        if let Some(link) = self.links.get_mut(&eui) {
            link.last_heard = now.monotonic;
            match link.state {
                LinkState::Failed { until } if now.monotonic < until => {
                    return Err(Reject::ConnectFailed);
                }
                LinkState::Closed | LinkState::Failed { .. } => {}
                LinkState::Connected | LinkState::Pending { .. } => return Ok(()),
            }
            link.state = LinkState::Pending { waiting: VecDeque::new() };
        } else {
            if self.links.len() >= self.config.gateways_max {
                return Err(Reject::TooManyGateways);
            }
            let mut link = Link::new(now.monotonic, remote);
            // The first one counts like every other.
            link.firewall.check(now.monotonic, remote.ip(), &self.config)?;
            self.links.insert(eui, link);
        }
        if first {
            self.sweep_at = Some(now.monotonic.plus(SWEEP_INTERVAL));
        }
        effects.push(Effect::Connect { eui, remote });
        Ok(())
    }

    fn pull_data(
        &mut self,
        now: Now,
        eui: GatewayEui,
        from: SocketAddr,
        version: Version,
        effects: &mut Vec<Effect>,
    ) {
        let Some(link) = self.links.get_mut(&eui) else { return };
        let opened = link.path.is_none();
        link.path = Some(Path { to: from, version, last: now.monotonic });
        if opened && matches!(link.state, LinkState::Connected) {
            effects.push(Effect::DownlinkPath { eui, open: true });
        }
    }

    fn push_data(
        &mut self,
        now: Now,
        eui: GatewayEui,
        push: PushData,
        receipt: Option<Receipt>,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Reject> {
        let untaken = untaken(&push);
        let up = GatewayUp { uplinks: push.uplinks, status: push.status, receipt };
        let Some(link) = self.links.get_mut(&eui) else { return Err(Reject::ConnectFailed) };
        match &mut link.state {
            LinkState::Connected => {
                if link.last_push.replace(now.monotonic).is_none() {
                    effects.push(Effect::Pushing { eui, active: true });
                }
                effects.extend(untaken.into_iter().map(|(part, reason)| Effect::Untaken {
                    eui,
                    received: now,
                    part,
                    reason,
                }));
                effects.push(Effect::Up { eui, received: now, up });
            }
            LinkState::Pending { waiting } if waiting.len() < PENDING_MAX => {
                waiting.push_back((now, up));
            }
            LinkState::Pending { .. } => return Err(Reject::PendingFull),
            LinkState::Closed | LinkState::Failed { .. } => return Err(Reject::ConnectFailed),
        }
        Ok(())
    }

    fn tx_ack(
        &mut self,
        now: Now,
        eui: GatewayEui,
        token: u16,
        result: TxResult,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Reject> {
        let link = self.links.get_mut(&eui).ok_or(Reject::NotConnected)?;
        if !matches!(link.state, LinkState::Connected) {
            return Err(Reject::NotConnected);
        }
        let index = link.outstanding.iter().position(|sent| sent.token == token);
        let sent = index.and_then(|index| link.outstanding.remove(index));
        let Some(sent) = sent else {
            let reason = Reject::UnknownToken.name();
            effects.push(Effect::Untaken { eui, received: now, part: Part::TxAck, reason });
            return Err(Reject::UnknownToken);
        };
        link.last_heard = now.monotonic;
        link.has_queue = true;
        if let Some(path) = &mut link.path {
            path.last = now.monotonic;
        }
        let ack = GatewayTxAck {
            id: sent.id,
            correlation_ids: sent.correlation_ids,
            result,
            round_trip: now.monotonic.since(sent.sent),
        };
        effects.push(Effect::TxAck { eui, received: now, ack });
        Ok(())
    }

    fn send_down(
        &mut self,
        now: Now,
        eui: GatewayEui,
        down: GatewayDown,
        effects: &mut Vec<Effect>,
    ) {
        effects.push(Effect::DownlinkTaken { eui });
        let taken: Vec<u16> =
            self.links.get(&eui).map_or_else(Vec::new, |link| link.outstanding_tokens().collect());
        let token = self.free_token(&taken);
        let Some((link, path)) =
            self.links.get_mut(&eui).and_then(|link| link.path.map(|path| (link, path)))
        else {
            return self.counters.datagrams.count(Reject::DownlinkPath);
        };
        let header = Header { version: path.version, token, packet_type: PacketType::PullResp };
        let Ok(octets) = txpk::encode_pull_resp(header, &down) else { return };
        if link.outstanding.len() == OUTSTANDING_MAX {
            link.outstanding.pop_front();
        }
        link.outstanding.push_back(Outstanding {
            token,
            sent: now.monotonic,
            id: down.id,
            correlation_ids: down.correlation_ids,
        });
        self.transmits.push_back(Transmit { to: path.to, octets });
    }

    /// Tokens are random, so that nobody who does not see the traffic can acknowledge in a gateway's name.
    fn free_token(&self, taken: &[u16]) -> u16 {
        let mut token = self.entropy.next_u64() as u16;
        while taken.contains(&token) {
            token = token.wrapping_add(1);
        }
        token
    }

    fn sweep(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let UdpConfig { downlink_path_expires, connection_expires, .. } = self.config;
        self.links.retain(|eui, link| {
            let path_expired = link
                .path
                .is_some_and(|path| now.monotonic.since(path.last) >= downlink_path_expires);
            if path_expired {
                link.path = None;
                if matches!(link.state, LinkState::Connected) {
                    effects.push(Effect::DownlinkPath { eui: *eui, open: false });
                }
            }
            let idle = |last: Monotonic| now.monotonic.since(last) >= connection_expires;
            if link.last_push.take_if(|last| idle(*last)).is_some() {
                effects.push(Effect::Pushing { eui: *eui, active: false });
            }
            let silent = now.monotonic.since(link.last_heard) >= connection_expires;
            match link.state {
                LinkState::Connected if silent => {
                    effects.push(Effect::Disconnect { eui: *eui });
                    false
                }
                LinkState::Failed { until } => now.monotonic < until,
                LinkState::Closed | LinkState::Pending { .. } if silent => false,
                LinkState::Closed | LinkState::Connected | LinkState::Pending { .. } => true,
            }
        });
        self.sweep_at =
            if self.links.is_empty() { None } else { Some(now.monotonic.plus(SWEEP_INTERVAL)) };
    }

    fn count_rejected(&self, push: &PushData) {
        push.rejected.iter().for_each(|reject| self.counters.rxpk.count(*reject));
        if let Some(reject) = push.status_rejected {
            self.counters.datagrams.count(reject);
        }
    }
}

/// What of a datagram breaks a rule, and which.
fn untaken(push: &PushData) -> Vec<(Part, &'static str)> {
    let uplinks = push.rejected.iter().map(|reject| (Part::Uplink, reject.name()));
    let status = push.status_rejected.map(|reject| (Part::Status, reject.name()));
    uplinks.chain(status).collect()
}

impl Link {
    const fn new(now: Monotonic, remote: SocketAddr) -> Self {
        Self {
            state: LinkState::Pending { waiting: VecDeque::new() },
            remote,
            firewall: Firewall::new(remote.ip()),
            last_heard: now,
            last_push: None,
            path: None,
            has_queue: false,
            schedule_late: false,
            outstanding: VecDeque::new(),
        }
    }

    fn outstanding_tokens(&self) -> impl Iterator<Item = u16> + '_ {
        self.outstanding.iter().map(|sent| sent.token)
    }
}

/// Transmissions without acknowledgement that are remembered per gateway; the oldest is forgotten (GS-23).
pub const OUTSTANDING_MAX: usize = 16;
/// Datagrams that wait per gateway until it is connected; further ones are dropped and counted.
pub const PENDING_MAX: usize = 16;
/// When a gateway is tried again that could not be connected for a reason that passes.
pub const RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// How often silent gateways are looked for.
pub const SWEEP_INTERVAL: Duration = Duration::from_secs(45);

#[cfg(test)]
mod tests;

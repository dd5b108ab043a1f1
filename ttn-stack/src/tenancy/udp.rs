//! One UDP socket for the gateways of all networks.

use std::{
    future::poll_fn,
    io,
    net::SocketAddr,
    sync::{Arc, Weak},
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::sync::mpsc;
use ttn_core::{
    eui::GatewayEui, id::TenantId, map::Map, peer::Directory as _, task::TaskError, time::Monotonic,
};
use ttn_gs::frontend::udp::Transport;
use ttn_is::IdentityServer;

use super::{Slot, Tenants};

/// A datagram and where it comes from or goes to.
pub(super) type Datagram = (SocketAddr, Vec<u8>);

/// Datagrams on their way into a network, and out of all; further ones are lost, as datagrams may be.
pub(super) const DATAGRAMS_MAX: usize = 4096;
/// How long it is remembered whose a gateway is: one that is registered or deleted moves within this time.
const KNOWN_FOR: Duration = Duration::from_secs(5);
/// Of how many gateways it is remembered; one more, and all are asked for anew.
const KNOWN_MAX: usize = 65_536;
/// The largest datagram.
const OCTETS_MAX: usize = 65_536;

/// What one network hears its gateways through.
#[derive(Debug)]
pub struct TenantTransport {
    address: SocketAddr,
    incoming: mpsc::Receiver<Datagram>,
    outgoing: mpsc::Sender<Datagram>,
}

impl TenantTransport {
    pub(super) const fn new(
        address: SocketAddr,
        incoming: mpsc::Receiver<Datagram>,
        outgoing: mpsc::Sender<Datagram>,
    ) -> Self {
        Self { address, incoming, outgoing }
    }
}

impl Transport for TenantTransport {
    fn local_addr(&self) -> SocketAddr {
        self.address
    }

    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        // Without the socket there is silence; whoever owns it tells of its error.
        let Some((from, octets)) = ready!(self.incoming.poll_recv(cx)) else {
            return Poll::Pending;
        };
        let length = octets.len().min(buffer.len());
        if let (Some(to), Some(octets)) = (buffer.get_mut(..length), octets.get(..length)) {
            to.copy_from_slice(octets);
        }
        Poll::Ready(Ok((length, from)))
    }

    fn send(&mut self, to: SocketAddr, octets: &[u8]) -> io::Result<()> {
        self.outgoing.try_send((to, octets.to_vec())).map_err(|_| io::ErrorKind::WouldBlock.into())
    }
}

/// Gives datagrams to the network whose gateway sent them.
pub(super) struct Demultiplexer<T> {
    socket: T,
    outgoing: mpsc::Receiver<Datagram>,
    to_base: mpsc::Sender<Datagram>,
    tenants: Arc<Tenants>,
    base: Weak<IdentityServer>,
    known: Map<GatewayEui, Known>,
}

/// Whose a gateway is: a tenant's, or the base's.
struct Known {
    owner: Option<TenantId>,
    until: Monotonic,
}

impl<T: Transport> Demultiplexer<T> {
    pub(super) fn new(
        socket: T,
        (outgoing, to_base): (mpsc::Receiver<Datagram>, mpsc::Sender<Datagram>),
        tenants: Arc<Tenants>,
        base: Weak<IdentityServer>,
    ) -> Self {
        Self { socket, outgoing, to_base, tenants, base, known: Map::default() }
    }

    pub(super) async fn run(mut self) -> Result<(), TaskError> {
        let mut buffer = vec![0; OCTETS_MAX];
        loop {
            tokio::select! {
                biased;
                Some((to, octets)) = self.outgoing.recv() => {
                    // The network did not take it: it is lost, as datagrams may be.
                    self.socket.send(to, &octets).ok();
                }
                received = poll_fn(|cx| self.socket.poll_receive(cx, &mut buffer)) => {
                    let (length, from) = received?;
                    let octets = buffer.get(..length).unwrap_or_default();
                    self.deliver(from, octets).await;
                }
            }
        }
    }

    async fn deliver(&mut self, from: SocketAddr, octets: &[u8]) {
        let owner = match eui_of(octets) {
            Some(eui) => self.owner(eui).await,
            // The base counts what is no datagram of a gateway.
            None => None,
        };
        let datagram = (from, octets.to_vec());
        let lost = match owner {
            None => self.to_base.try_send(datagram).is_err(),
            Some(id) => match self.tenants.running(&id) {
                Ok(running) => running.from_gateways.try_send(datagram).is_err(),
                Err(_) => true,
            },
        };
        if lost {
            tracing::debug!(%from, "a datagram was lost: its network is busy or does not run");
        }
    }

    async fn owner(&mut self, eui: GatewayEui) -> Option<TenantId> {
        let now = self.tenants.shared.clock.monotonic();
        let last = match self.known.get(&eui) {
            Some(known) if now < known.until => return known.owner.clone(),
            Some(known) => known.owner.clone(),
            None => None,
        };
        let owner = self.find(eui, last).await;
        if self.known.len() >= KNOWN_MAX {
            self.known.clear();
        }
        self.known.insert(eui, Known { owner: owner.clone(), until: now.plus(KNOWN_FOR) });
        owner
    }

    /// Asks who registered a gateway: the base, whose it was last, the other tenants in the order of their ids.
    async fn find(&self, eui: GatewayEui, last: Option<TenantId>) -> Option<TenantId> {
        if let Some(base) = self.base.upgrade()
            && is_registered(&base, eui).await
        {
            return None;
        }
        let mut running: Vec<_> = {
            let slots = self.tenants.slots.read();
            let running = slots.iter().filter_map(|(id, slot)| match slot {
                Slot::Running(running) => Some((id.clone(), running.stack.identity.clone())),
                _ => None,
            });
            running.collect()
        };
        running.sort_by_key(|(id, _)| Some(id) != last.as_ref());
        for (id, identity) in running {
            if is_registered(&identity, eui).await {
                return Some(id);
            }
        }
        // A tenant that does not run at the moment keeps its gateways.
        last.filter(|id| self.tenants.slots.read().get(id).is_some_and(|slot| !slot.is_running()))
    }
}

impl Slot {
    const fn is_running(&self) -> bool {
        matches!(self, Self::Running(_))
    }
}

async fn is_registered(identity: &IdentityServer, eui: GatewayEui) -> bool {
    identity.gateway_by_eui(eui).await.is_ok_and(|gateway| gateway.is_some())
}

/// The gateway that a datagram names: PUSH_DATA, PULL_DATA and TX_ACK have it behind version, token and kind.
fn eui_of(octets: &[u8]) -> Option<GatewayEui> {
    let (head, rest) = octets.split_at_checked(4)?;
    let is_gateways = matches!(head.last()?, 0 | 2 | 5);
    let eui: [u8; 8] = rest.get(..8)?.try_into().ok()?;
    is_gateways.then(|| GatewayEui::from_u64(u64::from_be_bytes(eui)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datagrams_of_gateways_name_them() {
        let datagram = |kind| [2, 0, 7, kind, 0, 0, 0, 0, 0, 0, 0, 9, b'{'];
        for kind in [0, 2, 5] {
            assert_eq!(eui_of(&datagram(kind)), Some(GatewayEui::from_u64(9)));
        }
        for kind in [1, 3, 4, 6] {
            assert_eq!(eui_of(&datagram(kind)), None);
        }
        for length in 0..12 {
            assert_eq!(eui_of(&datagram(0)[..length]), None);
        }
    }
}

//! A network in memory: datagrams between simulated gateways and a front end, without sockets.
//!
//! ```
//! use ttn_gs::frontend::{memory, udp::UdpFrontend};
//!
//! let (transport, network) = memory::network("[::1]:1700".parse()?);
//! let frontend = UdpFrontend::new(transport, Default::default(), None);
//! network.send("[2001:db8::1]:50000".parse()?, vec![2, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1]);
//! # drop(frontend);
//! # Ok::<(), std::net::AddrParseError>(())
//! ```

use std::{
    io,
    net::SocketAddr,
    task::{Context, Poll, ready},
};

use tokio::sync::mpsc;

use super::udp::Transport;

/// Makes a network: the server's end, which listens at an address, and the gateways' end.
#[must_use]
pub fn network(address: SocketAddr) -> (MemoryTransport, MemoryNetwork) {
    let (to_server, from_gateways) = mpsc::channel(QUEUE_MAX);
    let (to_gateways, from_server) = mpsc::channel(QUEUE_MAX);
    let transport = MemoryTransport { address, incoming: from_gateways, outgoing: to_gateways };
    (transport, MemoryNetwork { incoming: from_server, outgoing: to_server })
}

/// A datagram and where it comes from or goes to.
type Addressed = (SocketAddr, Vec<u8>);

/// The server's end.
#[derive(Debug)]
pub struct MemoryTransport {
    address: SocketAddr,
    incoming: mpsc::Receiver<Addressed>,
    outgoing: mpsc::Sender<Addressed>,
}

/// The gateways' end.
#[derive(Debug)]
pub struct MemoryNetwork {
    incoming: mpsc::Receiver<Addressed>,
    outgoing: mpsc::Sender<Addressed>,
}

impl MemoryNetwork {
    /// Sends a datagram to the server in the name of an address. Tells whether there was room for it.
    pub fn send(&self, from: SocketAddr, octets: Vec<u8>) -> bool {
        self.outgoing.try_send((from, octets)).is_ok()
    }

    /// Waits for a datagram of the server and the address that it is for; `None` when the server is gone. Safe to
    /// drop halfway.
    pub async fn receive(&mut self) -> Option<(SocketAddr, Vec<u8>)> {
        self.incoming.recv().await
    }

    /// Takes a datagram of the server, if there is one.
    pub fn try_receive(&mut self) -> Option<(SocketAddr, Vec<u8>)> {
        self.incoming.try_recv().ok()
    }

    /// A handle that only sends.
    #[must_use]
    pub fn sender(&self) -> MemorySender {
        MemorySender(self.outgoing.clone())
    }
}

/// Sends datagrams to the server.
#[derive(Clone, Debug)]
pub struct MemorySender(mpsc::Sender<Addressed>);

impl MemorySender {
    /// Sends a datagram to the server in the name of an address. Tells whether there was room for it.
    pub fn send(&self, from: SocketAddr, octets: Vec<u8>) -> bool {
        self.0.try_send((from, octets)).is_ok()
    }
}

impl Transport for MemoryTransport {
    fn local_addr(&self) -> SocketAddr {
        self.address
    }

    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        // Without gateways there is silence, not an error.
        let Some((from, octets)) = ready!(self.incoming.poll_recv(cx)) else {
            return Poll::Pending;
        };
        // What does not fit is cut off, as a socket does.
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

/// Datagrams on their way in each direction; further ones are lost.
pub const QUEUE_MAX: usize = 4096;

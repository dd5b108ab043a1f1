//! Where datagrams come from and go to.

use std::{
    fmt, io,
    net::SocketAddr,
    task::{Context, Poll},
};

use tokio::{io::ReadBuf, net::UdpSocket};

/// Carries datagrams: a socket, or memory ([`crate::frontend::memory`]).
pub trait Transport: fmt::Debug + Send + Sync + 'static {
    /// The address at which it listens.
    fn local_addr(&self) -> SocketAddr;

    /// Receives one datagram into `buffer` and gives its length and sender. Pending wakes the task.
    ///
    /// # Errors
    ///
    /// Nothing will be received any more.
    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>>;

    /// Sends a datagram without waiting.
    ///
    /// # Errors
    ///
    /// The network did not take it; it is lost, as datagrams may be.
    fn send(&mut self, to: SocketAddr, octets: &[u8]) -> io::Result<()>;
}

/// A UDP socket.
#[derive(Debug)]
pub struct SocketTransport {
    socket: UdpSocket,
    local: SocketAddr,
}

impl SocketTransport {
    /// Opens a socket with a receive buffer of that many octets, or as many as the system grants.
    ///
    /// # Errors
    ///
    /// The address is taken or not ours.
    pub fn bind(address: SocketAddr, receive_buffer: usize) -> io::Result<Self> {
        let domain = socket2::Domain::for_address(address);
        let socket =
            socket2::Socket::new(domain, socket2::Type::DGRAM, Some(socket2::Protocol::UDP))?;
        // Best effort: systems cap it without saying so.
        let _ = socket.set_recv_buffer_size(receive_buffer);
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        let socket = UdpSocket::from_std(socket.into())?;
        let local = socket.local_addr()?;
        Ok(Self { socket, local })
    }
}

impl Transport for SocketTransport {
    fn local_addr(&self) -> SocketAddr {
        self.local
    }

    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        let mut buffer = ReadBuf::new(buffer);
        loop {
            match self.socket.poll_recv_from(cx, &mut buffer) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(from)) => return Poll::Ready(Ok((buffer.filled().len(), from))),
                // An ICMP answer to something we sent; the socket is fine.
                Poll::Ready(Err(error)) if is_passing(&error) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            }
        }
    }

    fn send(&mut self, to: SocketAddr, octets: &[u8]) -> io::Result<()> {
        self.socket.try_send_to(octets, to).map(|_| ())
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::Interrupted
            | io::ErrorKind::NetworkUnreachable
    )
}

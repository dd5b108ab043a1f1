//! Carries datagrams between a world and a server.

use std::{io, net::SocketAddr, sync::Arc};

use futures::future::{BoxFuture, FutureExt as _, select_all};
use parking_lot::Mutex;
use tokio::{net::UdpSocket, sync::Notify};
use ttn_core::clock::Clock;

use crate::world::{Action, DeviceNo, GatewayNo, Happened, World};
use ttn_core::time::Monotonic;

/// The way of datagrams between gateways and a server.
pub trait GatewayLink: Send {
    /// Sends a gateway's datagram to the server.
    fn send(&mut self, gateway: GatewayNo, datagram: Vec<u8>) -> BoxFuture<'_, ()>;

    /// Waits for a datagram of the server. Safe to drop halfway.
    fn receive(&mut self) -> BoxFuture<'_, (GatewayNo, Vec<u8>)>;
}

/// A shared world.
#[derive(Clone, Debug)]
pub struct WorldHandle {
    world: Arc<Mutex<World>>,
    changed: Arc<Notify>,
    clock: Arc<dyn Clock>,
}

impl WorldHandle {
    /// Shares a world that lives by a clock.
    #[must_use]
    pub fn new(world: World, clock: Arc<dyn Clock>) -> Self {
        Self { world: Arc::new(Mutex::new(world)), changed: Arc::new(Notify::new()), clock }
    }

    /// Looks at the world, or changes it.
    pub fn with<R>(&self, change: impl FnOnce(&mut World, Monotonic) -> R) -> R {
        let result = change(&mut self.world.lock(), self.clock.monotonic());
        self.changed.notify_one();
        result
    }

    /// Lets a device act now.
    pub fn act(&self, device: DeviceNo, action: Action) {
        self.with(|world, now| world.at(now, device, action));
    }

    /// The record of what happened so far, from an index on.
    #[must_use]
    pub fn happened_since(&self, index: usize) -> Vec<(Monotonic, Happened)> {
        self.world.lock().happened().get(index..).unwrap_or_default().to_vec()
    }
}

/// Runs a world against a server until it is dropped.
pub async fn drive<L: GatewayLink>(handle: WorldHandle, mut link: L) {
    loop {
        let now = handle.clock.monotonic();
        let (datagrams, next) = {
            let mut world = handle.world.lock();
            (world.advance(now), world.next_at())
        };
        for (gateway, datagram) in datagrams {
            link.send(gateway, datagram).await;
        }
        let wake = async {
            match next {
                Some(at) => handle.clock.sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            (gateway, datagram) = link.receive() => {
                let now = handle.clock.monotonic();
                handle.world.lock().from_server(now, gateway, datagram);
            }
            () = handle.changed.notified() => {}
            () = wake => {}
        }
    }
}

/// Real sockets: one per gateway, towards one server.
#[derive(Debug)]
pub struct UdpLink {
    sockets: Vec<UdpSocket>,
}

impl UdpLink {
    /// Opens a socket per gateway.
    ///
    /// # Errors
    ///
    /// A socket cannot be opened.
    pub async fn connect(server: SocketAddr, gateways: usize) -> io::Result<Self> {
        let mut sockets = Vec::with_capacity(gateways);
        for _ in 0..gateways {
            let local = if server.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" };
            let socket = UdpSocket::bind(local).await?;
            socket.connect(server).await?;
            sockets.push(socket);
        }
        Ok(Self { sockets })
    }
}

impl GatewayLink for UdpLink {
    fn send(&mut self, gateway: GatewayNo, datagram: Vec<u8>) -> BoxFuture<'_, ()> {
        async move {
            if let Some(socket) = self.sockets.get(gateway.index()) {
                // A datagram that the network refuses is lost, as datagrams are.
                let _ = socket.send(&datagram).await;
            }
        }
        .boxed()
    }

    fn receive(&mut self) -> BoxFuture<'_, (GatewayNo, Vec<u8>)> {
        async move {
            loop {
                let ready = self.sockets.iter().map(|socket| socket.readable().boxed());
                if self.sockets.is_empty() {
                    std::future::pending::<()>().await;
                }
                let (_, index, _) = select_all(ready).await;
                let mut buffer = vec![0; 65_536];
                if let Ok(length) = self.sockets[index].try_recv(&mut buffer) {
                    buffer.truncate(length);
                    return (GatewayNo(index), buffer);
                }
            }
        }
        .boxed()
    }
}

//! The listener of MQTT clients.

use std::io;

use async_trait::async_trait;
use tokio::net::TcpListener;
use ttn_as::integration::mqtt::{Connection, Listener};

/// MQTT clients over TCP.
#[derive(Debug)]
pub(super) struct TcpClients(pub(super) TcpListener);

#[async_trait]
impl Listener for TcpClients {
    async fn accept(&mut self) -> io::Result<Connection> {
        let (stream, remote) = self.0.accept().await?;
        stream.set_nodelay(true)?;
        Ok(Connection { io: Box::new(stream), remote: remote.to_string() })
    }
}

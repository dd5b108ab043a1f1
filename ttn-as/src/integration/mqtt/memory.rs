//! MQTT clients in memory: for tests and simulations.

use std::io;

use async_trait::async_trait;
use tokio::{io::DuplexStream, sync::mpsc};

use super::{Connection, Listener};

/// How many clients wait for the server; further ones wait to connect.
const BACKLOG: usize = 128;
/// How many octets are buffered in each direction.
const BUFFER: usize = 4096;

/// Makes a listener and what connects to it.
#[must_use]
pub fn listener() -> (MemoryClients, MemoryListener) {
    let (clients, listener) = mpsc::channel(BACKLOG);
    (MemoryClients(clients), MemoryListener(listener))
}

/// Connects clients. Cheap to clone.
#[derive(Clone, Debug)]
pub struct MemoryClients(mpsc::Sender<DuplexStream>);

/// A listener whose clients are in memory.
#[derive(Debug)]
pub struct MemoryListener(mpsc::Receiver<DuplexStream>);

impl MemoryClients {
    /// Connects a client; gives its end.
    ///
    /// # Errors
    ///
    /// The server is gone.
    pub async fn connect(&self) -> io::Result<DuplexStream> {
        let (ours, theirs) = tokio::io::duplex(BUFFER);
        let refused = |_| io::Error::from(io::ErrorKind::ConnectionRefused);
        self.0.send(theirs).await.map_err(refused)?;
        Ok(ours)
    }
}

#[async_trait]
impl Listener for MemoryListener {
    async fn accept(&mut self) -> io::Result<Connection> {
        match self.0.recv().await {
            Some(io) => Ok(Connection { io: Box::new(io), remote: "memory".to_owned() }),
            None => std::future::pending().await,
        }
    }
}

//! Application Server: payload cryptography, formatters, the log and the integrations that read it.
//!
//! * [`log`]: the durable log of all applications, its port, readers with cursors;
//! * [`store`]: devices, links, integrations and sessions, and their port;
//! * [`mod@format`]: payload formatters;
//! * [`integration`]: what hands messages to applications, and takes downlinks from them.
//!
//! The Network Server hands messages over through [`ttn_core::peer::NsAs`]: they are matched, decrypted and appended
//! to the log at once; what needs a key from the Join Server or a formatter is completed by a second record. Nothing
//! is handed out before it is durable.
//!
//! ```
//! use std::sync::Arc;
//! use ttn_as::{ApplicationServer, Config, log::MemoryLog, store::MemoryStore};
//! use ttn_core::{clock::SystemClock, peer::Local, rand::OsEntropy, task::Tasks};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), ttn_as::Error> {
//! let peers = Arc::new(Local::default());
//! let log = Arc::new(MemoryLog::new());
//! let store = Arc::new(MemoryStore::new(log.clone()));
//! let server = ApplicationServer::builder(
//!     Config::default(),
//!     Arc::new(SystemClock::new()),
//!     Arc::new(OsEntropy::default()),
//!     peers.clone(),
//!     log,
//!     store,
//! )
//! .build();
//! server.load().await?;
//! peers.set_ns_as(&server);
//! let mut tasks = Tasks::new();
//! server.start(&mut tasks);
//! # Ok(())
//! # }
//! ```

#[cfg(feature = "grpc")]
pub mod api;
pub mod config;
pub mod format;
pub mod integration;
pub mod log;
pub mod store;

mod builder;
mod complete;
#[cfg(feature = "webhook-http")]
mod connect;
#[cfg(feature = "grpc")]
mod convert;
mod devices;
mod directory;
mod downlink;
mod error;
mod event;
mod integrations;
mod json;
mod last_seen;
mod location;
mod peer;
mod ready;
mod registry;
mod retention;
mod secret;
mod simulate;
mod state;
mod stats;
mod uplink;

#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use builder::{ApplicationServer, Builder};
pub use config::Config;
pub use downlink::{DOWNLINKS_MAX, DownlinkItem, QueueOperation};
pub use error::Error;
pub use registry::DeviceSessions;
pub use stats::LinkStats;

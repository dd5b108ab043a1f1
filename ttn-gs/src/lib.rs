//! Gateway Server: gateway protocols, concentrator clocks and downlink scheduling.
//!
//! * [`frontend`]: gateway protocols; so far the Semtech UDP protocol, on sockets or in memory;
//! * [`conn`]: a connected gateway as a value: clock, round-trip times, statistics;
//! * [`sched`]: the scheduler of a gateway's transmissions, a machine without I/O;
//! * [`server`]: [`GatewayServer`], which ties them together and implements [`ttn_core::peer::NsGs`].
//!
//! ```
//! use std::sync::Arc;
//!
//! use ttn_core::{clock::SystemClock, peer::Local, rand::OsEntropy, task::Tasks};
//! use ttn_gs::{Config, GatewayServer, frontend::{memory, udp::UdpFrontend}};
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//! # runtime.block_on(async {
//! let peers = Arc::new(Local::default());
//! let (transport, _network) = memory::network("[::1]:1700".parse()?);
//! let config = Config::default();
//! let udp = UdpFrontend::new(transport, config.udp.clone(), None);
//! let clock = Arc::new(SystemClock::new());
//! let server = GatewayServer::builder(config, clock, Arc::new(OsEntropy::default()), peers.clone())
//!     .frontend(udp)
//!     .build()?;
//! peers.set_ns_gs(&server);
//! let mut tasks = Tasks::new();
//! server.start(&mut tasks);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[cfg(feature = "grpc")]
pub mod api;
pub mod builder;
pub mod config;
pub mod conn;
mod convert;
pub mod count;
pub mod error;
pub mod event;
pub mod frontend;
mod peer;
pub mod sched;
pub mod server;
mod upstream;

pub use builder::GatewayServerBuilder;
pub use config::Config;
pub use error::Error;
pub use server::GatewayServer;

//! What hands messages to applications, and takes downlinks from them.
//!
//! The MQTT server, webhooks and the storage API are here; pub/sub and application packages are not built yet.

mod downlinks;
pub mod mqtt;
pub mod packages;
#[cfg(feature = "grpc")]
pub mod pubsub;
#[cfg(feature = "webhook")]
pub mod storage;
#[cfg(feature = "webhook")]
pub mod webhook;

pub use downlinks::{ParseDownlinksError, parse_downlinks};

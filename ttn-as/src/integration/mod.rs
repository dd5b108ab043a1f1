//! What hands messages to applications, and takes downlinks from them.
//!
//! The MQTT server is here; webhooks, pub/sub and application packages are not built yet.

mod downlinks;
pub mod mqtt;

pub use downlinks::{ParseDownlinksError, parse_downlinks};

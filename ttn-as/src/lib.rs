//! Application Server: payload cryptography, formatters, the log and the integrations that read it.

pub mod log;
pub mod store;

mod json;

#[cfg(any(test, feature = "testing"))]
pub mod testing;

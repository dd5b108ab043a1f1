//! Component tests: memory stores, fake peers, virtual time.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests stop at the first surprise, and run in virtual time"
)]

#[cfg(feature = "grpc")]
mod api;
mod conformance;
mod devices;
mod downlinks;
mod integrations;
#[cfg(feature = "proto")]
mod json;
mod mqtt;
mod sealed;
mod uplinks;
mod world;

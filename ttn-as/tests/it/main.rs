//! Component tests: memory stores, fake peers, virtual time.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests stop at the first surprise"
)]

mod conformance;
mod downlinks;
#[cfg(feature = "proto")]
mod json;
mod mqtt;
mod uplinks;
mod world;

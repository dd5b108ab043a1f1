//! Tests of the Network Server through its public interface.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::too_many_lines,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod acknowledge;
#[cfg(feature = "grpc")]
mod api;
mod downlink;
mod harness;
mod join;
mod recovery;
mod registry;
mod runner;
#[cfg(feature = "testing")]
mod store;
mod uplink;

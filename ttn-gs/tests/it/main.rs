//! The Gateway Server from outside: datagrams on one side, fake peers on the other.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test may panic"
)]

#[cfg(feature = "grpc")]
mod api;
mod corpus;
mod memory;
mod registry;
mod socket;
mod support;

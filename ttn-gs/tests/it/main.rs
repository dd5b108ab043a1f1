//! The Gateway Server from outside: datagrams on one side, fake peers on the other.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test may panic"
)]

mod corpus;
mod memory;
mod socket;
mod support;

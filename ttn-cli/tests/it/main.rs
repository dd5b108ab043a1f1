//! The client against the API of a whole stack in this process.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may panic"
)]

mod access;
mod codec;
mod devices;
mod guide;
mod import;
mod integrations;
mod server;
mod tools;
mod usage;

//! The reference server as a library: configuration, composition and commands.
//!
//! [`compose::Stack`] is the whole network in one process; the binary of this crate loads a [`config::Config`],
//! composes a stack on the embedded store and serves it.

pub mod bench;
pub mod client;
pub mod command;
pub mod compose;
pub mod config;
mod devices;
pub mod endpoint;
mod interop;
mod metrics;
pub mod provision;
pub mod simulation;
pub mod tenancy;
mod traces;

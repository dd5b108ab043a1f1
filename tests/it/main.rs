//! The whole stack in one process, in virtual time, through public APIs only.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod api;
mod applications;
mod audit;
mod bad_input;
mod devices;
mod events;
mod formatters;
mod gateways;
mod matrix;
mod metrics;
mod mqtt;
mod net;
mod plans;
mod radio;
mod regions;
mod revocation;
mod search;
mod sessions;
mod store;
mod traffic;
mod webhooks;

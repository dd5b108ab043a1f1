//! Frames, commands, sessions, network and device through the public interface: round trips, random octets, corpora,
//! allocations, comparison with other codecs, exchanges in virtual time.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may panic"
)]

mod adr_fading;
mod adr_replay;
mod adr_rules;
mod allocation;
mod app_package;
mod chance;
mod channels;
mod clock_sync;
mod command;
mod corpus;
mod differential;
mod exchange;
mod fragmentation;
mod frame;
mod join;
mod multicast_setup;
mod region_table;
mod second_opinion;
mod session;
mod strategy;

//! Packages of the application layer: what devices and applications speak on ports of their own.
//!
//! | module | specification | port |
//! |---|---|---|
//! | [`clock_sync`] | TS003, versions 1 and 2 | 202 |
//! | [`fragmentation`] | TS004, versions 1 and 2 | 201 |
//! | [`multicast_setup`] | TS005, versions 1 and 2 | 200 |
//! | [`firmware`] | TS006, version 1 | 203 |
//! | [`certification`] | TS009, version 1.0 | 224 |
//!
//! Each has a codec (`Uplink` and `Downlink`, parsed and encoded) and sessions for both ends. A session does no I/O: it
//! takes payloads and the time, and gives back commands to send and what happened. Parsing is total, and a command that
//! does not go onto the wire is refused with the field and the value.
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)
)]

pub mod certification;
pub mod clock_sync;
mod codec;
mod error;
pub mod firmware;
pub mod fragmentation;
pub mod multicast_setup;

pub use error::{BuildError, ParseError};

/// How many commands of one payload are read; a longest payload of shortest commands has fewer than this.
pub const COMMANDS_MAX: usize = 256;

/// The edition of a package's specification: 1.0.0 or 2.0.0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "complete by the specifications")]
pub enum Version {
    /// Version 1.
    V1,
    /// Version 2.
    V2,
}

impl Version {
    /// The number in PackageVersionAns.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::V1 => 1,
            Self::V2 => 2,
        }
    }
}

/// Whom a downlink was sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum Source {
    /// The multicast group with this McGroupID, 0 to 3.
    Multicast(u8),
    /// The device alone.
    Unicast,
}

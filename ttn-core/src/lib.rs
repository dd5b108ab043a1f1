//! The vocabulary of The Things Stack in Rust.
//!
//! Everything that two components must name in the same way lives here and nowhere else:
//!
//! * [`id`], [`eui`], [`addr`]: identifiers of entities, EUIs, device addresses;
//! * [`key`]: AES keys that never show themselves, key envelopes, session key ids;
//! * [`radio`]: frequencies, data rates, time on air;
//! * [`time`], [`clock`], [`rand`]: time and randomness as arguments;
//! * [`frame`], [`msg`]: a parsed frame and the messages between components;
//! * [`peer`]: one trait per relation between two components, and [`peer::Peers`] to find them;
//! * [`store`]: positions, durability proofs, revisions, pages;
//! * [`net`]: which addresses may be connected to on behalf of users;
//! * [`error`], [`event`], [`auth`], [`vault`], [`limit`], [`task`]: what every component needs.
//!
//! The first half is `no_std` with `alloc`, so that `ttn-mac` cannot read a clock or open a socket.
//!
//! ```
//! use ttn_core::{eui::DevEui, id::DeviceKey};
//!
//! let key: DeviceKey = "my-app.my-device".parse()?;
//! assert_eq!(key.application_id.as_str(), "my-app");
//! let eui: DevEui = "70B3D57ED0000001".parse().map_err(|e| format!("{e}"))?;
//! assert_eq!(eui.to_string(), "70B3D57ED0000001");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

pub mod addr;
pub mod eui;
pub mod frame;
pub mod id;
pub mod key;
pub mod net;
pub mod radio;
pub mod rand;
pub mod time;
pub mod version;

#[cfg(feature = "std")]
pub mod auth;
#[cfg(feature = "std")]
pub mod clock;
#[cfg(feature = "std")]
pub mod error;
#[cfg(feature = "std")]
pub mod event;
#[cfg(feature = "std")]
pub mod limit;
#[cfg(feature = "std")]
pub mod map;
#[cfg(feature = "std")]
pub mod msg;
#[cfg(feature = "std")]
pub mod peer;
#[cfg(feature = "std")]
pub mod store;
#[cfg(feature = "rt")]
pub mod task;
#[cfg(feature = "std")]
pub mod vault;

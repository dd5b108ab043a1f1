//! LoRaWAN itself: frames, MAC commands, cryptography, bands and the MAC state machine, without I/O and without a clock.
//!
//! * [`frame`]: octets to a frame whose form is proven, and back;
//! * [`command`]: the MAC commands, both directions;
//! * [`crypto`]: integrity codes, encryption, key derivation, key wrap;
//! * [`session`]: frame counters, verification, sealing and opening of data frames;
//! * [`band`], [`plan`]: the Regional Parameters and frequency plans as data;
//! * [`state`], [`engine`]: what the network knows of a device, and the state machine over it;
//! * [`package`]: packages of the application layer;
//! * [`class_b`]: when beacons and ping slots are;
//! * [`adr`]: policies for data rate, power and repetitions;
//! * [`device`]: the other side of the air, classes A, B and C, for tests and simulations.
//!
//! Feature `std` adds `plan::load`, which reads frequency plans in the public YAML format.
//!
//! Time, randomness and keys are arguments, decisions are values; the crate is `no_std` with `alloc`, so that it cannot
//! read a clock or open a socket. What is stored, sent or published is the business of its callers.
//!
//! ```
//! use ttn_core::{key::Aes128Key, radio::DataRateIndex, version::MacVersion};
//! use ttn_mac::{
//!     frame,
//!     session::{NetworkKeys, UplinkContext, full_f_cnt, verify_uplink},
//! };
//!
//! let octets = [
//!     0x40, 0x04, 0x03, 0x02, 0x01, 0x80, 0x01, 0x00, 0x01, 0xA6, 0x94, 0x64, 0x26, 0x15, 0xD6,
//!     0xC3, 0xB5, 0x82,
//! ];
//! let phy = frame::parse(octets)?;
//! let data = phy.data().expect("an unconfirmed uplink");
//! assert_eq!(data.dev_addr.to_string(), "01020304");
//!
//! let keys = NetworkKeys::v1_0(Aes128Key::new([2; 16]));
//! let context = UplinkContext {
//!     f_cnt: full_f_cnt(None, data.f_cnt, true).expect("a first frame has a counter"),
//!     conf_f_cnt: 0,
//!     data_rate: DataRateIndex::ZERO,
//!     channel: 0,
//! };
//! assert!(verify_uplink(&keys, MacVersion::V1_0_3, &phy, &context));
//! # Ok::<(), frame::FrameError>(())
//! ```
#![no_std]
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unwrap_used
    )
)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

pub mod adr;
pub mod band;
pub mod class_b;
pub mod command;
pub mod crypto;
pub mod device;
pub mod engine;
pub mod frame;
pub mod package;
pub mod plan;
pub mod session;
pub mod state;
pub mod version;

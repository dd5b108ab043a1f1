//! LoRaWAN itself: frames, MAC commands, cryptography, regions and the MAC state machine, without I/O and without a clock.
//!
//! | module | what it has |
//! |---|---|
//! | [`frame`] | octets to a frame whose form is proven, and back |
//! | [`command`] | the MAC commands, both directions |
//! | [`crypto`] | integrity codes, encryption, key derivation, key wrap |
//! | [`session`] | frame counters, verification, sealing and opening of data frames |
//! | [`band`], [`plan`] | the Regional Parameters and frequency plans as data |
//! | [`version`] | what differs between versions of LoRaWAN |
//! | [`state`], [`engine`] | what the network knows of a device, and the state machine over it |
//! | [`adr`] | policies for data rate, power and repetitions, and dry runs of them |
//! | [`class_b`] | when beacons and ping slots are |
//! | [`package`] | packages of the application layer |
//! | [`device`] | the other side of the air, classes A, B and C, for tests and simulations |
//!
//! Feature `std` adds `plan::load`, which reads frequency plans in the public YAML format.
//!
//! Time, randomness and keys are arguments, decisions are values that say why; the crate is `no_std` with `alloc`, so that it
//! cannot read a clock or open a socket. What is stored, sent or published is the business of its callers.
//!
//! # Read a frame
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
//!
//! # Ask the Regional Parameters
//!
//! ```
//! use ttn_core::radio::{DataRateIndex, time_on_air};
//! use ttn_mac::{band, plan, version::PhyVersion};
//!
//! let plan = plan::get("EU_863_870_TTN").expect("built in");
//! let band = band::get(plan.band_id, PhyVersion::RP002_V1_0_4)?;
//! let channel = &plan.uplink_channels[3];
//! let fastest = band.data_rate(channel.max_data_rate).expect("in the band");
//!
//! let rx1 = band.rx1_data_rate(channel.max_data_rate, 0, false).expect("an answer");
//! let (_, sub_band) = band.sub_band(channel.frequency).expect("in the band");
//! let airtime = time_on_air(33, channel.frequency, &fastest.rate).expect("LoRa");
//! assert_eq!((rx1, fastest.max_mac_payload), (DataRateIndex::new(5).unwrap(), 250));
//! assert_eq!((sub_band.duty_cycle, airtime.as_micros()), (0.01, 71_936));
//! # Ok::<(), band::UnknownBand>(())
//! ```
//!
//! # Be the network
//!
//! ```
//! # use ttn_core::{
//! #     addr::DevAddr, frame::FCtrl, key::{Aes128Key, SessionKeyId}, radio::{DataRate, DataRateIndex, Frequency},
//! #     time::Timestamp,
//! # };
//! # use ttn_mac::frame::DataFrame;
//! use ttn_mac::{
//!     adr::SteadyAdr, band, engine::{Engine, RxInfo, UplinkFrame, UplinkRadio}, frame, plan,
//!     session::{NetworkKeys, UplinkContext, seal_uplink},
//!     state::{Candidate, MacSettings, Session}, version::{MacVersion, PhyVersion},
//! };
//!
//! # let (now, version) = (Timestamp::from_unix_nanos(1_000_000_000), MacVersion::V1_0_3);
//! # let dev_addr = DevAddr::from_u32(0x2601_0203);
//! # let keys = NetworkKeys::v1_0(Aes128Key::new([1; 16]));
//! # let context = UplinkContext { f_cnt: 0, conf_f_cnt: 0, data_rate: DataRateIndex::ZERO, channel: 0 };
//! # let sent = DataFrame {
//! #     uplink: true, confirmed: true, dev_addr, f_ctrl: FCtrl::default(), f_cnt: 0, f_opts: vec![],
//! #     f_port: Some(1), frm_payload: vec![0; 4],
//! # };
//! # let octets = seal_uplink(&keys, version, sent, &context).unwrap();
//! let plan = plan::get("EU_863_870_TTN").expect("built in");
//! let band = band::get(plan.band_id, PhyVersion::RP001_V1_0_3_REV_A)?;
//! let (settings, defaults) = (MacSettings::default(), MacSettings::default());
//! let engine = Engine::new(band, plan, &settings, &defaults, &SteadyAdr);
//! # let session_key_id = SessionKeyId::new(&[1]).expect("short");
//! let session =
//!     Session { dev_addr, keys, session_key_id, started_at: now };
//! let mut device = engine.new_abp(version, session);
//!
//! // A confirmed uplink comes, on 868.1 MHz at SF12.
//! let phy = frame::parse(octets).expect("a frame");
//! let radio = UplinkRadio {
//!     frequency: Frequency::from_hz(868_100_000), data_rate: DataRate::lora(12, 125_000),
//! };
//! let matched =
//!     engine.try_match(&device, Candidate::Current, &phy, &radio, now).expect("its session");
//! let rx = RxInfo { received_at: now, max_snr: Some(-3.5), gateway_count: 1, gps_time: None };
//! let uplink = UplinkFrame { phy: &phy, matched };
//! let outcome = engine.on_uplink(&mut device, &uplink, &rx, now).expect("a new frame");
//! assert!(outcome.deliver && outcome.reply_due);
//!
//! // The acknowledgement takes the MAC commands along that the plan asks for.
//! let answer = engine.next_downlink(&mut device, &outcome.slot, &[], now).result.expect("due");
//! assert!(answer.ack && !answer.commands.is_empty());
//! assert_eq!(answer.f_cnt, 0);
//! # Ok::<(), band::UnknownBand>(())
//! ```
#![no_std]
#![warn(clippy::missing_errors_doc, clippy::missing_panics_doc)]
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

/// The examples of the README compile.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

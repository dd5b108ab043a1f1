//! Fragmented Data Block Transport (TS004): a large block of data comes to many devices in fragments, some of them
//! redundant, so that each may miss different ones.
//!
//! ```
//! use ttn_mac::package::{
//!     Source, Version,
//!     fragmentation::{DataBlock, Device, Effect, Limits, Offer, Recipient},
//! };
//!
//! let offer = Offer { frag_index: 0, frag_size: 10, redundancy: 6, ..Offer::default() };
//! let mut block = DataBlock::new(Version::V1, offer, vec![7; 95])?;
//! let mut device = Device::new(None, Limits::default());
//!
//! let mut payload = Vec::new();
//! block.setup(&Recipient::V1)?.encode(Version::V1, &mut payload)?;
//! device.handle(Source::Unicast, &payload);
//! while let Some(fragment) = block.next_fragment() {
//!     let mut payload = Vec::new();
//!     fragment.encode(Version::V1, &mut payload)?;
//!     for effect in device.handle(Source::Unicast, &payload) {
//!         if let Effect::Block { data, .. } = effect {
//!             assert_eq!(data, vec![7; 95]);
//!             return Ok(());
//!         }
//!     }
//! }
//! # panic!("the block did not arrive");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod command;
mod decoder;
mod device;
mod encoder;
mod matrix;
mod server;

pub use command::{
    Downlink, Integrity, Reception, Setup, SetupAns, StatusAns, Uplink, parse_downlink,
    parse_uplink,
};
pub use decoder::{Decoder, FragmentError, Inserted, Limits};
pub use device::{Device, Effect, Ignored};
pub use encoder::{Encoder, EncoderError};
pub use server::{DataBlock, Offer, Recipient, Transfer, TransferState};

/// The port of the package unless an application chooses another.
pub const F_PORT: u8 = 201;
/// The number of the package.
pub const IDENTIFIER: u8 = 3;
/// How many sessions a device may have at once: FragIndex has two bits.
pub const SESSIONS_MAX: usize = 4;
/// The highest number of a fragment: N has 14 bits.
pub const N_MAX: u16 = (1 << 14) - 1;

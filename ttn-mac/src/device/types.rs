//! What goes on air, what comes back, and why something does not. Own design; names are those of TS001.

use alloc::vec::Vec;
use core::{fmt, time::Duration};

use ttn_core::{
    addr::DevAddr,
    radio::{DataRate, DataRateIndex, Frequency},
    time::GpsTime,
};

use crate::{
    command::Command,
    frame::{BuildError, FrameError},
};

/// A frame for the air.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "read by other crates")]
pub struct DeviceTx {
    /// The PHYPayload.
    pub bytes: Vec<u8>,
    /// The channel.
    pub channel: u8,
    /// Its frequency.
    pub frequency: Frequency,
    /// The index of the data rate.
    pub data_rate_index: DataRateIndex,
    /// The modulation.
    pub data_rate: DataRate,
    /// RX1 and RX2.
    pub windows: Vec<RxWindow>,
}

/// A receive window.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "read by other crates")]
pub struct RxWindow {
    /// From the end of the uplink to the opening.
    pub opens_after: Duration,
    /// The frequency.
    pub frequency: Frequency,
    /// The modulation.
    pub data_rate: DataRate,
}

/// A ping slot of class B.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "read by other crates")]
pub struct PingSlot {
    /// Whose: the device's address or that of a multicast group.
    pub dev_addr: DevAddr,
    /// When it opens.
    pub opens_at: GpsTime,
    /// The frequency.
    pub frequency: Frequency,
    /// The modulation.
    pub data_rate: DataRate,
}

/// Where a device listens all the time in class C.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "read by other crates")]
pub struct ContinuousWindow {
    /// For whom: the device's address or that of a multicast group.
    pub dev_addr: DevAddr,
    /// The frequency.
    pub frequency: Frequency,
    /// The modulation.
    pub data_rate: DataRate,
}

/// When a frame was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum WindowClass {
    /// In RX1 or RX2 after an uplink.
    A,
    /// In a ping slot.
    B,
    /// In the window that is always open.
    C,
}

/// What a device took.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Received {
    /// Data, or commands alone.
    Data(ReceivedData),
    /// A join-accept: it has a new session.
    Joined,
    /// Data for a multicast group.
    Multicast(DevAddr, ReceivedData),
}

/// A downlink that a device took.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "read by other crates")]
pub struct ReceivedData {
    /// The whole counter.
    pub f_cnt: u32,
    /// The port; `None` if there is none.
    pub f_port: Option<u8>,
    /// The decrypted payload of the application; empty on port 0.
    pub payload: Vec<u8>,
    /// Whether the last confirmed uplink is acknowledged.
    pub ack: bool,
    /// Whether the device is to acknowledge it.
    pub confirmed: bool,
    /// Whether more is waiting.
    pub f_pending: bool,
    /// The commands, in order.
    pub commands: Vec<Command>,
}

/// Why a device cannot send, or did not take a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeviceError {
    /// The frame cannot be built.
    Build(BuildError),
    /// The frame has commands in FOpts and on port 0, or a multicast frame what it must not have.
    Forbidden,
    /// The frame has no form.
    Frame(FrameError),
    /// The counter jumps too far (up to LoRaWAN 1.0.3).
    FCntGapTooLarge {
        /// The last one.
        last: u32,
        /// The one of the frame.
        got: u32,
    },
    /// The counter was used before.
    FCntReplayed {
        /// The last one.
        last: u32,
        /// The one of the frame.
        got: u32,
    },
    /// The JoinNonce was used before (from LoRaWAN 1.0.4 on).
    JoinNonceReplayed {
        /// The last one.
        last: u32,
        /// The one of the join-accept.
        got: u32,
    },
    /// The integrity code is wrong.
    Mic,
    /// No channel allows the data rate.
    NoChannel,
    /// All DevNonces or rejoin counters are used up.
    NoncesExhausted,
    /// It has no root keys to join with.
    NoRootKeys,
    /// It has no session.
    NoSession,
    /// The frame is not for this device, or no downlink.
    NotForMe,
    /// The payload is longer than the data rate allows.
    TooLong {
        /// The octets of the MACPayload.
        size: usize,
        /// How many there may be.
        max: usize,
    },
    /// The version of the session has no rejoin-requests.
    Unsupported,
}

impl fmt::Display for DeviceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Build(error) => write!(f, "the frame cannot be built: {error}"),
            Self::Forbidden => f.write_str("the frame has fields that must not be together"),
            Self::Frame(error) => write!(f, "{error}"),
            Self::FCntGapTooLarge { last, got } => {
                write!(f, "counter {got} after {last} jumps too far")
            }
            Self::FCntReplayed { last, got } => {
                write!(f, "counter {got} was used before; the last one was {last}")
            }
            Self::JoinNonceReplayed { last, got } => {
                write!(f, "JoinNonce {got} was used before; the last one was {last}")
            }
            Self::Mic => f.write_str("the integrity code is wrong"),
            Self::NoChannel => f.write_str("no channel allows the data rate"),
            Self::NoncesExhausted => f.write_str("all nonces are used up"),
            Self::NoRootKeys => f.write_str("the device has no root keys to join with"),
            Self::NoSession => f.write_str("the device has no session; join first"),
            Self::NotForMe => f.write_str("the frame is not a downlink for this device"),
            Self::TooLong { size, max } => {
                write!(f, "{size} octets of MACPayload, the data rate allows {max}")
            }
            Self::Unsupported => f.write_str("only LoRaWAN 1.1 has rejoin-requests"),
        }
    }
}

impl core::error::Error for DeviceError {}

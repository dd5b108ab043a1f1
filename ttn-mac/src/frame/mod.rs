//! PHYPayloads: octets to a frame whose form is proven, and back.
//!
//! [`parse`] makes a [`PhyPayload`] of received octets and keeps them, because integrity codes cover the octets as they
//! were sent, reserved bits included. To send, fill a [`DataFrame`], a [`JoinAccept`] or a form of [`ttn_core::frame`]
//! and encode it; the integrity code is the work of [`crate::session`] and [`crate::crypto`].

mod data;
mod join;
mod rejoin;
mod relay;
mod step;

pub use data::{DataFrame, F_OPTS_LENGTH_MAX, decode_f_ctrl, encode_f_ctrl};
pub use join::{CfList, DlSettings, JoinAccept, encode_join_request};
pub use rejoin::encode_rejoin_request;
pub use relay::{RELAY_F_PORT, RelayForwardUplink};
pub use step::FrequencyStep;

use alloc::sync::Arc;
use core::fmt;

use ttn_core::frame::{Form, PhyPayload};

use crate::command::Direction;

/// The longest PHYPayload: what a LoRa header can announce.
pub const PHY_PAYLOAD_LENGTH_MAX: usize = 255;

/// Checks the form of a PHYPayload, uplink or downlink (TS001-1.0.4 §4.1).
///
/// Reserved bits are ignored. Whether the frame is authentic, and whether its FOpts and FRMPayload are MAC commands
/// that can be read, is not looked at. A proprietary message may have any content and any major version.
///
/// # Errors
///
/// The first rule that the octets break.
pub fn parse<B: AsRef<[u8]> + Into<Arc<[u8]>>>(octets: B) -> Result<PhyPayload, FrameError> {
    let form = parse_form(octets.as_ref())?;
    Ok(PhyPayload { bytes: octets.into(), form })
}

fn parse_form(octets: &[u8]) -> Result<Form, FrameError> {
    if octets.len() > PHY_PAYLOAD_LENGTH_MAX {
        return Err(FrameError::TooLong { got: octets.len() });
    }
    // TS001-1.0.4 §4.2.2: other major versions are reserved.
    let (m_hdr, rest) = octets.split_first().ok_or(FrameError::Empty)?;
    let m_type = MType::of(*m_hdr);
    if m_hdr & 0x03 != 0 && m_type != MType::Proprietary {
        return Err(FrameError::UnsupportedMajor { got: m_hdr & 0x03 });
    }
    match m_type {
        MType::JoinRequest => join::parse_request(rest).map(Form::JoinRequest),
        MType::JoinAccept => match octets.len() {
            17 | 33 => Ok(Form::JoinAccept),
            got => Err(FrameError::JoinAcceptLength { got }),
        },
        MType::RejoinRequest => rejoin::parse(rest).map(Form::RejoinRequest),
        MType::Proprietary => Ok(Form::Proprietary),
        MType::Data { direction, confirmed } => {
            data::parse(direction, confirmed, octets).map(Form::Data)
        }
    }
}

/// The message type of the MAC header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MType {
    Data { direction: Direction, confirmed: bool },
    JoinAccept,
    JoinRequest,
    Proprietary,
    RejoinRequest,
}

impl MType {
    const fn of(m_hdr: u8) -> Self {
        match m_hdr >> 5 {
            0 => Self::JoinRequest,
            1 => Self::JoinAccept,
            2 => Self::Data { direction: Direction::Uplink, confirmed: false },
            3 => Self::Data { direction: Direction::Downlink, confirmed: false },
            4 => Self::Data { direction: Direction::Uplink, confirmed: true },
            5 => Self::Data { direction: Direction::Downlink, confirmed: true },
            6 => Self::RejoinRequest,
            _ => Self::Proprietary,
        }
    }

    /// The MAC header of LoRaWAN R1.
    const fn m_hdr(self) -> u8 {
        let m_type = match self {
            Self::JoinRequest => 0,
            Self::JoinAccept => 1,
            Self::Data { direction: Direction::Uplink, confirmed: false } => 2,
            Self::Data { direction: Direction::Downlink, confirmed: false } => 3,
            Self::Data { direction: Direction::Uplink, confirmed: true } => 4,
            Self::Data { direction: Direction::Downlink, confirmed: true } => 5,
            Self::RejoinRequest => 6,
            Self::Proprietary => 7,
        };
        m_type << 5
    }
}

/// The MAC header of a join-accept, which its integrity code covers and its encryption does not.
pub const JOIN_ACCEPT_M_HDR: u8 = MType::JoinAccept.m_hdr();

/// Octets that are no PHYPayload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FrameError {
    /// The CFList has a type that is not known.
    CfListType {
        /// The type.
        got: u8,
    },
    /// A data message ends before the end of its FOpts.
    CutOffFOpts {
        /// The length that FCtrl announces.
        announced: u8,
        /// The octets between FCnt and MIC.
        got: usize,
    },
    /// There is no octet at all.
    Empty,
    /// A join-accept has neither 17 nor 33 octets.
    JoinAcceptLength {
        /// The octets of the PHYPayload.
        got: usize,
    },
    /// A join-request has not 23 octets.
    JoinRequestLength {
        /// The octets of the PHYPayload.
        got: usize,
    },
    /// A rejoin-request has not the 19 octets of type 0 and 2, or the 24 of type 1.
    RejoinRequestLength {
        /// The octets of the PHYPayload.
        got: usize,
    },
    /// A rejoin-request is of none of the types 0 to 2.
    RejoinType {
        /// The type.
        got: u8,
    },
    /// The PHYPayload is longer than [`PHY_PAYLOAD_LENGTH_MAX`].
    TooLong {
        /// The octets of the PHYPayload.
        got: usize,
    },
    /// A data message has no room for MHDR, FHDR and MIC.
    TooShort {
        /// The octets of the PHYPayload.
        got: usize,
    },
    /// The message is not of LoRaWAN R1.
    UnsupportedMajor {
        /// The major version of the MAC header.
        got: u8,
    },
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::CfListType { got } => write!(f, "CFListType {got} is unknown"),
            Self::CutOffFOpts { announced, got } => {
                write!(f, "FOpts shall have {announced} octets, the frame has {got}")
            }
            Self::Empty => f.write_str("the frame is empty"),
            Self::JoinAcceptLength { got } => {
                write!(f, "a join-accept has 17 or 33 octets, not {got}")
            }
            Self::JoinRequestLength { got } => write!(f, "a join-request has 23 octets, not {got}"),
            Self::RejoinRequestLength { got } => {
                write!(f, "a rejoin-request has 19 octets (type 0 and 2) or 24 (type 1), not {got}")
            }
            Self::RejoinType { got } => write!(f, "rejoin-request type {got} is unknown"),
            Self::TooLong { got } => {
                write!(f, "a frame has {PHY_PAYLOAD_LENGTH_MAX} octets at most, not {got}")
            }
            Self::TooShort { got } => write!(f, "a data message has 12 octets at least, not {got}"),
            Self::UnsupportedMajor { got } => write!(f, "major version {got} is not LoRaWAN R1"),
        }
    }
}

impl core::error::Error for FrameError {}

/// A frame that cannot be built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BuildError {
    /// FOpts are longer than [`F_OPTS_LENGTH_MAX`].
    FOptsLength {
        /// Their octets.
        got: usize,
    },
    /// A frequency is none that the wire can carry.
    Frequency {
        /// The frequency in hertz.
        hz: u64,
        /// The unit of the wire in hertz.
        step: u32,
    },
    /// There is an FRMPayload without a port.
    MissingFPort,
    /// A number is too large for its field.
    OutOfRange {
        /// The field.
        field: &'static str,
        /// The number.
        got: u32,
        /// The largest number that fits.
        max: u32,
    },
    /// The frame would be longer than [`PHY_PAYLOAD_LENGTH_MAX`].
    TooLong {
        /// The octets of the PHYPayload.
        got: usize,
    },
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::FOptsLength { got } => {
                write!(f, "FOpts have {F_OPTS_LENGTH_MAX} octets at most, not {got}")
            }
            Self::Frequency { hz, step } => {
                write!(f, "{hz} Hz does not fit into 24 bits of {step} Hz from 100 kHz on")
            }
            Self::MissingFPort => f.write_str("an FRMPayload needs a port"),
            Self::OutOfRange { field, got, max } => {
                write!(f, "{field} is {max} at most, not {got}")
            }
            Self::TooLong { got } => {
                write!(f, "a frame has {PHY_PAYLOAD_LENGTH_MAX} octets at most, not {got}")
            }
        }
    }
}

impl core::error::Error for BuildError {}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    // TS001-1.0.4 §4.1
    #[test]
    fn refuses_more_octets_than_a_radio_frame_has() {
        assert_eq!(parse(vec![0xE0; 256]), Err(FrameError::TooLong { got: 256 }));
        assert!(parse(vec![0xE0; 255]).is_ok());
    }

    // TS001-1.0.4 §4.2.2
    #[test]
    fn a_proprietary_message_may_have_any_major_version() {
        assert_eq!(parse([0xE3].as_slice()).map(|phy| phy.form), Ok(Form::Proprietary));
        let refused = parse([0x43].as_slice()).map(|phy| phy.form);
        assert_eq!(refused, Err(FrameError::UnsupportedMajor { got: 3 }));
    }

    #[test]
    fn the_message_type_survives_its_header() {
        for m_type in 0..8_u8 {
            assert_eq!(MType::of(m_type << 5).m_hdr(), m_type << 5);
        }
    }
}

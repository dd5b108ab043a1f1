//! Certification (TS009, version 1.0): a test tool drives a device over an own port.
//!
//! Payloads hold one command each. What version 1.1 adds for class B, relays and the fragmentation package is not here:
//! its numbers differ between the sources that were at hand.

mod device;

use alloc::vec::Vec;

use ttn_core::radio::{DeviceClass, Frequency};

use super::{
    BuildError, ParseError,
    codec::{Read, fits, frequency, identifier, take},
};
use crate::frame::FrequencyStep;
pub use device::{Device, Effect, Versions};

/// The port of the package; no other.
pub const F_PORT: u8 = 224;
/// The number of the package.
pub const IDENTIFIER: u8 = 6;
/// The version of the package.
pub const VERSION: u8 = 1;

/// The seconds between uplinks by their index; index 0 is what the device does without being told.
pub const PERIODICITIES: [Option<u16>; 11] = [
    None,
    Some(5),
    Some(10),
    Some(20),
    Some(30),
    Some(40),
    Some(50),
    Some(60),
    Some(120),
    Some(240),
    Some(480),
];

const CID_PACKAGE_VERSION: u8 = 0x00;
const CID_DUT_RESET: u8 = 0x01;
const CID_DUT_JOIN: u8 = 0x02;
const CID_SWITCH_CLASS: u8 = 0x03;
const CID_ADR_BIT_CHANGE: u8 = 0x04;
const CID_REGIONAL_DUTY_CYCLE: u8 = 0x05;
const CID_TX_PERIODICITY: u8 = 0x06;
const CID_TX_FRAMES: u8 = 0x07;
const CID_ECHO: u8 = 0x08;
const CID_RX_APP_CNT: u8 = 0x09;
const CID_RX_APP_CNT_RESET: u8 = 0x0A;
const CID_LINK_CHECK: u8 = 0x20;
const CID_DEVICE_TIME: u8 = 0x21;
const CID_PING_SLOT_INFO: u8 = 0x22;
const CID_TX_CW: u8 = 0x7D;
const CID_PORT_DISABLE: u8 = 0x7E;
const CID_DUT_VERSIONS: u8 = 0x7F;

/// A command from the device.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by the specification")]
pub enum Uplink {
    /// What the device runs: each major, minor, patch and revision.
    DutVersionsAns {
        /// The firmware.
        firmware: [u8; 4],
        /// The link layer.
        lorawan: [u8; 4],
        /// The regional parameters.
        regional_parameters: [u8; 4],
    },
    /// What was sent, with each octet one higher.
    EchoIncPayloadAns {
        /// The octets.
        payload: Vec<u8>,
    },
    /// The device tells which package it speaks.
    PackageVersionAns {
        /// The number of the package.
        identifier: u8,
        /// Its version.
        version: u8,
    },
    /// How many downlinks of the application came.
    RxAppCntAns {
        /// The number modulo 2^16.
        count: u16,
    },
}

/// A command to the device.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by the specification")]
pub enum Downlink {
    /// Sets the ADR bit of uplinks.
    AdrBitChangeReq {
        /// Its value.
        adr_enable: bool,
    },
    /// Sends DeviceTimeReq.
    DeviceTimeReq,
    /// Closes this port for good, and resets.
    DutFPort224DisableReq,
    /// Joins anew.
    DutJoinReq,
    /// Resets the device.
    DutResetReq,
    /// Asks what the device runs.
    DutVersionsReq,
    /// Asks for the octets back, each one higher.
    EchoIncPayloadReq {
        /// The octets.
        payload: Vec<u8>,
    },
    /// Sends LinkCheckReq.
    LinkCheckReq,
    /// Asks which package the device speaks.
    PackageVersionReq,
    /// Sends PingSlotInfoReq.
    PingSlotInfoReq {
        /// The periodicity, 0 to 7.
        periodicity: u8,
    },
    /// Whether the duty cycle of the region is kept.
    RegionalDutyCycleCtrlReq {
        /// It is.
        enable: bool,
    },
    /// Asks how many downlinks of the application came.
    RxAppCntReq,
    /// Counts from zero.
    RxAppCntResetReq,
    /// Changes the class.
    SwitchClassReq {
        /// The class.
        class: DeviceClass,
    },
    /// Sends a carrier without modulation.
    TxCwReq {
        /// For so many seconds.
        timeout_s: u16,
        /// The frequency.
        frequency: Frequency,
        /// The power in dBm.
        power_dbm: i8,
    },
    /// Whether uplinks are confirmed.
    TxFramesCtrlReq {
        /// 0 for no change, 1 for unconfirmed, 2 for confirmed uplinks.
        frame_type: u8,
        /// What is behind it; devices ignore it.
        rest: Vec<u8>,
    },
    /// Changes the time between uplinks.
    TxPeriodicityChangeReq {
        /// An index of [`PERIODICITIES`].
        periodicity_index: u8,
    },
}

/// Reads the command of an uplink.
///
/// # Errors
///
/// If there is none, if it is not known, or if octets lack. Octets behind a command are ignored.
pub fn parse_uplink(payload: &[u8]) -> Result<Uplink, ParseError> {
    let (cid, rest) = identifier(payload)?;
    match cid {
        CID_PACKAGE_VERSION => {
            let ([identifier, version], _) = take::<2>(cid, rest)?;
            Ok(Uplink::PackageVersionAns { identifier, version })
        }
        CID_ECHO => Ok(Uplink::EchoIncPayloadAns { payload: rest.to_vec() }),
        CID_RX_APP_CNT => {
            let (count, _) = take::<2>(cid, rest)?;
            Ok(Uplink::RxAppCntAns { count: u16::from_le_bytes(count) })
        }
        CID_DUT_VERSIONS => {
            let (firmware, rest) = take::<4>(cid, rest)?;
            let (lorawan, rest) = take::<4>(cid, rest)?;
            let (regional_parameters, _) = take::<4>(cid, rest)?;
            Ok(Uplink::DutVersionsAns { firmware, lorawan, regional_parameters })
        }
        _ => Err(ParseError::Unknown { cid }),
    }
}

/// Reads the command of a downlink.
///
/// # Errors
///
/// If there is none, if it is not known, if octets lack, or if a field has a reserved value. Octets behind a command
/// are ignored.
pub fn parse_downlink(payload: &[u8]) -> Result<Downlink, ParseError> {
    let (cid, rest) = identifier(payload)?;
    match cid {
        CID_PACKAGE_VERSION => Ok(Downlink::PackageVersionReq),
        CID_DUT_RESET => Ok(Downlink::DutResetReq),
        CID_DUT_JOIN => Ok(Downlink::DutJoinReq),
        CID_SWITCH_CLASS => {
            let class = match octet(cid, rest)? {
                (0, _) => DeviceClass::A,
                (1, _) => DeviceClass::B,
                (2, _) => DeviceClass::C,
                (value, _) => return Err(ParseError::Value { cid, field: "class", value }),
            };
            Ok(Downlink::SwitchClassReq { class })
        }
        CID_ADR_BIT_CHANGE => {
            Ok(Downlink::AdrBitChangeReq { adr_enable: octet(cid, rest)?.0 != 0 })
        }
        CID_REGIONAL_DUTY_CYCLE => {
            Ok(Downlink::RegionalDutyCycleCtrlReq { enable: octet(cid, rest)?.0 != 0 })
        }
        CID_TX_PERIODICITY => {
            let (periodicity_index, _) = octet(cid, rest)?;
            let (field, value) = ("periodicity_index", periodicity_index);
            if PERIODICITIES.get(usize::from(value)).is_none() {
                return Err(ParseError::Value { cid, field, value });
            }
            Ok(Downlink::TxPeriodicityChangeReq { periodicity_index })
        }
        CID_TX_FRAMES => {
            let (frame_type, rest) = octet(cid, rest)?;
            if frame_type > 2 {
                let (field, value) = ("frame_type", frame_type);
                return Err(ParseError::Value { cid, field, value });
            }
            Ok(Downlink::TxFramesCtrlReq { frame_type, rest: rest.to_vec() })
        }
        CID_ECHO => Ok(Downlink::EchoIncPayloadReq { payload: rest.to_vec() }),
        CID_RX_APP_CNT => Ok(Downlink::RxAppCntReq),
        CID_RX_APP_CNT_RESET => Ok(Downlink::RxAppCntResetReq),
        CID_LINK_CHECK => Ok(Downlink::LinkCheckReq),
        CID_DEVICE_TIME => Ok(Downlink::DeviceTimeReq),
        CID_PING_SLOT_INFO => {
            Ok(Downlink::PingSlotInfoReq { periodicity: octet(cid, rest)?.0 & 0x07 })
        }
        CID_TX_CW => {
            let ([a, b, c, d, e, power], _) = take::<6>(cid, rest)?;
            let frequency = FrequencyStep::Hz100.decode([c, d, e]);
            let (timeout_s, power_dbm) = (u16::from_le_bytes([a, b]), power.cast_signed());
            Ok(Downlink::TxCwReq { timeout_s, frequency, power_dbm })
        }
        CID_PORT_DISABLE => Ok(Downlink::DutFPort224DisableReq),
        CID_DUT_VERSIONS => Ok(Downlink::DutVersionsReq),
        _ => Err(ParseError::Unknown { cid }),
    }
}

fn octet(cid: u8, octets: &[u8]) -> Read<'_, u8> {
    let ([octet], rest) = take::<1>(cid, octets)?;
    Ok((octet, rest))
}

impl Uplink {
    /// The payload with the command.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::DutVersionsAns { firmware, lorawan, regional_parameters } => {
                [&[CID_DUT_VERSIONS][..], firmware, lorawan, regional_parameters].concat()
            }
            Self::EchoIncPayloadAns { payload } => [&[CID_ECHO][..], payload].concat(),
            Self::PackageVersionAns { identifier, version } => {
                [CID_PACKAGE_VERSION, *identifier, *version].into()
            }
            Self::RxAppCntAns { count } => {
                let [a, b] = count.to_le_bytes();
                [CID_RX_APP_CNT, a, b].into()
            }
        }
    }
}

impl Downlink {
    /// The payload with the command.
    ///
    /// # Errors
    ///
    /// If a number does not go into its field or is reserved, and for a frequency that the wire cannot carry.
    pub fn encode(&self) -> Result<Vec<u8>, BuildError> {
        let payload = match self {
            Self::AdrBitChangeReq { adr_enable } => {
                [CID_ADR_BIT_CHANGE, u8::from(*adr_enable)].into()
            }
            Self::DeviceTimeReq => [CID_DEVICE_TIME].into(),
            Self::DutFPort224DisableReq => [CID_PORT_DISABLE].into(),
            Self::DutJoinReq => [CID_DUT_JOIN].into(),
            Self::DutResetReq => [CID_DUT_RESET].into(),
            Self::DutVersionsReq => [CID_DUT_VERSIONS].into(),
            Self::EchoIncPayloadReq { payload } => [&[CID_ECHO][..], payload].concat(),
            Self::LinkCheckReq => [CID_LINK_CHECK].into(),
            Self::PackageVersionReq => [CID_PACKAGE_VERSION].into(),
            Self::PingSlotInfoReq { periodicity } => {
                [CID_PING_SLOT_INFO, fits("periodicity", *periodicity, 7)?].into()
            }
            Self::RegionalDutyCycleCtrlReq { enable } => {
                [CID_REGIONAL_DUTY_CYCLE, u8::from(*enable)].into()
            }
            Self::RxAppCntReq => [CID_RX_APP_CNT].into(),
            Self::RxAppCntResetReq => [CID_RX_APP_CNT_RESET].into(),
            Self::SwitchClassReq { class } => {
                let class = match class {
                    DeviceClass::A => 0,
                    DeviceClass::B => 1,
                    DeviceClass::C => 2,
                };
                [CID_SWITCH_CLASS, class].into()
            }
            Self::TxCwReq { timeout_s, frequency: at, power_dbm } => {
                let ([a, b], step) = (timeout_s.to_le_bytes(), FrequencyStep::Hz100);
                let [c, d, e] = frequency("frequency", *at, step, false)?;
                [CID_TX_CW, a, b, c, d, e, power_dbm.cast_unsigned()].into()
            }
            Self::TxFramesCtrlReq { frame_type, rest } => {
                [&[CID_TX_FRAMES, fits("frame_type", *frame_type, 2)?][..], rest].concat()
            }
            Self::TxPeriodicityChangeReq { periodicity_index } => {
                [CID_TX_PERIODICITY, fits("periodicity_index", *periodicity_index, 10)?].into()
            }
        };
        Ok(payload)
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use super::*;

    // TS009-1.0.0 §5.14: the example of the specification.
    #[test]
    fn a_carrier_without_modulation() {
        let octets = [0x7D, 0x08, 0x00, 0xD8, 0xB2, 0x83, 0x0E];
        let frequency = Frequency::from_hz(863_100_000);
        let wanted = Downlink::TxCwReq { timeout_s: 8, frequency, power_dbm: 14 };
        assert_eq!(parse_downlink(&octets), Ok(wanted.clone()));
        assert_eq!(wanted.encode().unwrap(), octets);
    }

    #[test]
    fn what_is_reserved_is_refused_both_ways() {
        for (octets, field) in
            [([3, 3], "class"), ([6, 11], "periodicity_index"), ([7, 3], "frame_type")]
        {
            let [cid, value] = octets;
            assert_eq!(parse_downlink(&octets), Err(ParseError::Value { cid, field, value }));
        }
        let refused = Downlink::TxPeriodicityChangeReq { periodicity_index: 11 }.encode();
        assert_eq!(refused.unwrap_err().to_string(), "periodicity_index is 11, not 0 to 10");
        Downlink::TxFramesCtrlReq { frame_type: 3, rest: Vec::new() }.encode().unwrap_err();
    }
}

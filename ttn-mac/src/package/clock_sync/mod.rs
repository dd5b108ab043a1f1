//! Application Layer Clock Synchronization (TS003): the clock of a device is corrected over its uplinks.
//!
//! A payload is a sequence of commands. Versions 1 and 2 have the same octets; version 2 calls
//! [`Downlink::ForceDeviceResyncReq`] a Cmd, because nothing answers it, and says what to do when a correction does not
//! go into its field ([`correction_saturating`]).

mod session;

use alloc::vec::Vec;

use super::codec::{Read, commands, identifier, take};
pub use super::{COMMANDS_MAX, ParseError};
pub use session::{Device, Heard};

/// The port of the package unless an application chooses another.
pub const F_PORT: u8 = 202;
/// The number of the package.
pub const IDENTIFIER: u8 = 1;
/// The version of the package that is spoken here.
pub const VERSION: u8 = 1;

const CID_PACKAGE_VERSION: u8 = 0;
const CID_APP_TIME: u8 = 1;
const CID_PERIODICITY: u8 = 2;
const CID_FORCE_RESYNC: u8 = 3;

/// A command from the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by the specification")]
pub enum Uplink {
    /// The device asks how far its clock is off.
    AppTimeReq {
        /// Its clock: seconds since the GPS epoch, modulo 2^32.
        device_time: u32,
        /// A number that the answer repeats, 0 to 15.
        token: u8,
        /// Whether an answer is wanted also if the clock is right.
        answer_required: bool,
    },
    /// The device answers how often it will ask.
    DeviceAppTimePeriodicityAns {
        /// It does not do what was asked.
        not_supported: bool,
        /// Its clock: seconds since the GPS epoch, modulo 2^32.
        device_time: u32,
    },
    /// The device tells which package it speaks.
    PackageVersionAns {
        /// The number of the package.
        identifier: u8,
        /// Its version.
        version: u8,
    },
}

/// A command to the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by the specification")]
pub enum Downlink {
    /// How many seconds the device adds to its clock.
    AppTimeAns {
        /// The seconds.
        correction: i32,
        /// The number of the request, 0 to 15.
        token: u8,
    },
    /// Asks the device to ask every 128·2^`period` seconds.
    DeviceAppTimePeriodicityReq {
        /// The exponent, 0 to 15.
        period: u8,
    },
    /// Asks the device to ask now.
    ForceDeviceResyncReq {
        /// How often it asks, 0 to 7.
        transmissions: u8,
    },
    /// Asks which package the device speaks.
    PackageVersionReq,
}

/// Reads the commands of an uplink in order. Ends behind the first error.
pub fn parse_uplink(payload: &[u8]) -> impl Iterator<Item = Result<Uplink, ParseError>> {
    commands(payload, uplink)
}

/// Reads the commands of a downlink in order. Ends behind the first error.
pub fn parse_downlink(payload: &[u8]) -> impl Iterator<Item = Result<Downlink, ParseError>> {
    commands(payload, downlink)
}

fn uplink(octets: &[u8]) -> Read<'_, Uplink> {
    let (cid, rest) = identifier(octets)?;
    match cid {
        CID_PACKAGE_VERSION => {
            let ([identifier, version], rest) = take::<2>(cid, rest)?;
            Ok((Uplink::PackageVersionAns { identifier, version }, rest))
        }
        CID_APP_TIME => {
            let ([a, b, c, d, param], rest) = take::<5>(cid, rest)?;
            let command = Uplink::AppTimeReq {
                device_time: u32::from_le_bytes([a, b, c, d]),
                token: param & 0x0F,
                answer_required: param & 0x10 != 0,
            };
            Ok((command, rest))
        }
        CID_PERIODICITY => {
            let ([status, a, b, c, d], rest) = take::<5>(cid, rest)?;
            let command = Uplink::DeviceAppTimePeriodicityAns {
                not_supported: status & 0x01 != 0,
                device_time: u32::from_le_bytes([a, b, c, d]),
            };
            Ok((command, rest))
        }
        _ => Err(ParseError::Unknown { cid }),
    }
}

fn downlink(octets: &[u8]) -> Read<'_, Downlink> {
    let (cid, rest) = identifier(octets)?;
    match cid {
        CID_PACKAGE_VERSION => Ok((Downlink::PackageVersionReq, rest)),
        CID_APP_TIME => {
            let ([a, b, c, d, param], rest) = take::<5>(cid, rest)?;
            let correction = i32::from_le_bytes([a, b, c, d]);
            Ok((Downlink::AppTimeAns { correction, token: param & 0x0F }, rest))
        }
        CID_PERIODICITY => {
            let ([period], rest) = take::<1>(cid, rest)?;
            Ok((Downlink::DeviceAppTimePeriodicityReq { period: period & 0x0F }, rest))
        }
        CID_FORCE_RESYNC => {
            let ([transmissions], rest) = take::<1>(cid, rest)?;
            Ok((Downlink::ForceDeviceResyncReq { transmissions: transmissions & 0x07 }, rest))
        }
        _ => Err(ParseError::Unknown { cid }),
    }
}

impl Uplink {
    /// The identifier of the command.
    #[must_use]
    pub const fn cid(&self) -> u8 {
        match self {
            Self::AppTimeReq { .. } => CID_APP_TIME,
            Self::DeviceAppTimePeriodicityAns { .. } => CID_PERIODICITY,
            Self::PackageVersionAns { .. } => CID_PACKAGE_VERSION,
        }
    }

    /// Appends the command to a payload. A token above 15 loses its high bits.
    pub fn encode(&self, payload: &mut Vec<u8>) {
        payload.push(self.cid());
        match *self {
            Self::AppTimeReq { device_time, token, answer_required } => {
                payload.extend_from_slice(&device_time.to_le_bytes());
                payload.push((token & 0x0F) | if answer_required { 0x10 } else { 0 });
            }
            Self::DeviceAppTimePeriodicityAns { not_supported, device_time } => {
                payload.push(u8::from(not_supported));
                payload.extend_from_slice(&device_time.to_le_bytes());
            }
            Self::PackageVersionAns { identifier, version } => {
                payload.extend_from_slice(&[identifier, version]);
            }
        }
    }
}

impl Downlink {
    /// Appends the command to a payload. Numbers above their limit lose their high bits.
    pub fn encode(&self, payload: &mut Vec<u8>) {
        match *self {
            Self::AppTimeAns { correction, token } => {
                payload.push(CID_APP_TIME);
                payload.extend_from_slice(&correction.to_le_bytes());
                payload.push(token & 0x0F);
            }
            Self::DeviceAppTimePeriodicityReq { period } => {
                payload.extend_from_slice(&[CID_PERIODICITY, period & 0x0F]);
            }
            Self::ForceDeviceResyncReq { transmissions } => {
                payload.extend_from_slice(&[CID_FORCE_RESYNC, transmissions & 0x07]);
            }
            Self::PackageVersionReq => payload.push(CID_PACKAGE_VERSION),
        }
    }
}

/// How many seconds a clock that shows `device_time` must be moved to show `time`, both modulo 2^32: the shorter way.
#[must_use]
pub const fn correction(device_time: u32, time: u32) -> i32 {
    time.wrapping_sub(device_time).cast_signed()
}

/// As [`correction`], but never around the turn of the 32 bits: version 2 sends the largest or smallest number that
/// goes, and the device asks again (TS003-2.0.0 §3.2).
#[must_use]
pub const fn correction_saturating(device_time: u32, time: u32) -> i32 {
    let difference = (time as i64).saturating_sub(device_time as i64);
    if difference > i32::MAX as i64 {
        i32::MAX
    } else if difference < i32::MIN as i64 {
        i32::MIN
    } else {
        difference as i32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    // AS-56
    #[test]
    fn commands_of_one_payload_are_read_in_order() {
        let mut payload = Vec::new();
        let ask = Uplink::AppTimeReq { device_time: 0x0102_0304, token: 15, answer_required: true };
        let version = Uplink::PackageVersionAns { identifier: 1, version: 1 };
        let period =
            Uplink::DeviceAppTimePeriodicityAns { not_supported: true, device_time: u32::MAX };
        for command in [ask, version, period] {
            command.encode(&mut payload);
        }
        let read: Vec<_> = parse_uplink(&payload).collect();
        assert_eq!(read, [Ok(ask), Ok(version), Ok(period)]);
        assert_eq!(payload[..6], [1, 4, 3, 2, 1, 0x1F]);
    }

    #[test]
    fn reading_ends_behind_what_is_short_or_unknown() {
        let short = ParseError::Short { cid: 1, expected: 5, got: 2 };
        assert_eq!(parse_uplink(&[1, 0, 0]).collect::<Vec<_>>(), [Err(short)]);
        let read: Vec<_> = parse_uplink(&[0, 1, 1, 0x7F, 0, 1, 1]).collect();
        let version = Uplink::PackageVersionAns { identifier: 1, version: 1 };
        assert_eq!(read, [Ok(version), Err(ParseError::Unknown { cid: 0x7F })]);
        assert_eq!(parse_uplink(&[]).count(), 0);
        assert_eq!(parse_downlink(&vec![0; 1000]).count(), COMMANDS_MAX);
    }

    #[test]
    fn the_shorter_way_is_taken_also_across_the_turn() {
        assert_eq!(correction(100, 110), 10);
        assert_eq!(correction(110, 100), -10);
        assert_eq!(correction(u32::MAX, 4), 5);
        assert_eq!(correction(4, u32::MAX), -5);
    }
}

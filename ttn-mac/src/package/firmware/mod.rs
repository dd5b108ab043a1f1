//! Firmware Management (TS006): which firmware a device runs and has received, and when it reboots into it.

mod device;

use alloc::vec::Vec;

use super::{
    BuildError, ParseError,
    codec::{Read, bit, commands, fits, identifier, le_24, take},
};
pub use device::{Device, Effect, Reboot};

/// The port of the package unless an application chooses another.
pub const F_PORT: u8 = 203;
/// The number of the package.
pub const IDENTIFIER: u8 = 4;
/// The version of the package.
pub const VERSION: u8 = 1;
/// The longest countdown to a reboot, in seconds.
pub const COUNTDOWN_MAX: u32 = (1 << 24) - 2;

const CID_PACKAGE_VERSION: u8 = 0;
const CID_DEV_VERSION: u8 = 1;
const CID_REBOOT_TIME: u8 = 2;
const CID_REBOOT_COUNTDOWN: u8 = 3;
const CID_UPGRADE_IMAGE: u8 = 4;
const CID_DELETE_IMAGE: u8 = 5;

/// A command from the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by the specification")]
pub enum Uplink {
    /// Whether the image is deleted: it is if neither reason is given.
    DevDeleteImageAns {
        /// There is no valid image.
        no_valid_image: bool,
        /// The valid image has another version.
        invalid_version: bool,
    },
    /// Whether the device will reboot.
    DevRebootCountdownAns(RebootAns),
    /// Whether the device will reboot.
    DevRebootTimeAns(RebootAns),
    /// Which image the device has received.
    DevUpgradeImageAns(UpImageStatus),
    /// What the device runs.
    DevVersionAns {
        /// The version of its firmware; vendors decide.
        fw_version: u32,
        /// The version of its hardware; vendors decide.
        hw_version: u32,
    },
    /// The device tells which package it speaks.
    PackageVersionAns {
        /// The number of the package.
        identifier: u8,
        /// Its version.
        version: u8,
    },
}

/// Whether a device will reboot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by the specification")]
pub enum RebootAns {
    /// It will not: the reboot is cancelled.
    Cancelled,
    /// It cannot at the time that was asked for.
    Failed,
    /// It will after so many seconds from this answer on.
    In(u32),
}

/// The image that a device has received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by the specification")]
pub enum UpImageStatus {
    /// None.
    Absent,
    /// One that is corrupt or whose signature is wrong.
    Corrupt,
    /// An authentic one for other hardware.
    Incompatible,
    /// One that can be installed.
    Valid {
        /// The version that will run then.
        next_version: u32,
    },
}

/// A command to the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by the specification")]
pub enum Downlink {
    /// Deletes the valid image if it has this version.
    DevDeleteImageReq {
        /// The version.
        version: u32,
    },
    /// Reboots after a number of seconds.
    DevRebootCountdownReq(RebootReq),
    /// Reboots at a time.
    DevRebootTimeReq(RebootReq),
    /// Asks which image the device has received.
    DevUpgradeImageReq,
    /// Asks what the device runs.
    DevVersionReq,
    /// Asks which package the device speaks.
    PackageVersionReq,
}

/// When to reboot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by the specification")]
pub enum RebootReq {
    /// Not at all: forget the last request.
    Cancel,
    /// As soon as possible.
    Now,
    /// At so many seconds since the GPS epoch (time), or after so many seconds (countdown).
    When(u32),
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
        CID_DEV_VERSION => {
            let (fw_version, rest) = number(cid, rest)?;
            let (hw_version, rest) = number(cid, rest)?;
            Ok((Uplink::DevVersionAns { fw_version, hw_version }, rest))
        }
        CID_REBOOT_TIME => {
            let (time, rest) = number(cid, rest)?;
            Ok((Uplink::DevRebootTimeAns(reboot_ans(time, u32::MAX)), rest))
        }
        CID_REBOOT_COUNTDOWN => {
            let (seconds, rest) = countdown(cid, rest)?;
            Ok((Uplink::DevRebootCountdownAns(reboot_ans(seconds, CANCEL_COUNTDOWN)), rest))
        }
        CID_UPGRADE_IMAGE => {
            let ([status], rest) = take::<1>(cid, rest)?;
            let (status, rest) = match status & 0x03 {
                0 => (UpImageStatus::Absent, rest),
                1 => (UpImageStatus::Corrupt, rest),
                2 => (UpImageStatus::Incompatible, rest),
                _ => {
                    let (next_version, rest) = number(cid, rest)?;
                    (UpImageStatus::Valid { next_version }, rest)
                }
            };
            Ok((Uplink::DevUpgradeImageAns(status), rest))
        }
        CID_DELETE_IMAGE => {
            let ([status], rest) = take::<1>(cid, rest)?;
            let (no_valid_image, invalid_version) = (status & 0x01 != 0, status & 0x02 != 0);
            Ok((Uplink::DevDeleteImageAns { no_valid_image, invalid_version }, rest))
        }
        _ => Err(ParseError::Unknown { cid }),
    }
}

fn downlink(octets: &[u8]) -> Read<'_, Downlink> {
    let (cid, rest) = identifier(octets)?;
    match cid {
        CID_PACKAGE_VERSION => Ok((Downlink::PackageVersionReq, rest)),
        CID_DEV_VERSION => Ok((Downlink::DevVersionReq, rest)),
        CID_REBOOT_TIME => {
            let (time, rest) = number(cid, rest)?;
            Ok((Downlink::DevRebootTimeReq(reboot_req(time, u32::MAX)), rest))
        }
        CID_REBOOT_COUNTDOWN => {
            let (seconds, rest) = countdown(cid, rest)?;
            Ok((Downlink::DevRebootCountdownReq(reboot_req(seconds, CANCEL_COUNTDOWN)), rest))
        }
        CID_UPGRADE_IMAGE => Ok((Downlink::DevUpgradeImageReq, rest)),
        CID_DELETE_IMAGE => {
            let (version, rest) = number(cid, rest)?;
            Ok((Downlink::DevDeleteImageReq { version }, rest))
        }
        _ => Err(ParseError::Unknown { cid }),
    }
}

const CANCEL_COUNTDOWN: u32 = (1 << 24) - 1;

fn number(cid: u8, octets: &[u8]) -> Read<'_, u32> {
    let (number, rest) = take::<4>(cid, octets)?;
    Ok((u32::from_le_bytes(number), rest))
}

fn countdown(cid: u8, octets: &[u8]) -> Read<'_, u32> {
    let ([a, b, c], rest) = take::<3>(cid, octets)?;
    Ok((u32::from_le_bytes([a, b, c, 0]), rest))
}

const fn reboot_ans(number: u32, cancel: u32) -> RebootAns {
    match number {
        0 => RebootAns::Failed,
        _ if number == cancel => RebootAns::Cancelled,
        _ => RebootAns::In(number),
    }
}

const fn reboot_req(number: u32, cancel: u32) -> RebootReq {
    match number {
        0 => RebootReq::Now,
        _ if number == cancel => RebootReq::Cancel,
        _ => RebootReq::When(number),
    }
}

impl RebootAns {
    fn number(self, cancel: u32) -> Result<u32, BuildError> {
        match self {
            Self::Cancelled => Ok(cancel),
            Self::Failed => Ok(0),
            Self::In(seconds) => between(seconds, cancel),
        }
    }
}

impl RebootReq {
    fn number(self, cancel: u32) -> Result<u32, BuildError> {
        match self {
            Self::Cancel => Ok(cancel),
            Self::Now => Ok(0),
            Self::When(when) => between(when, cancel),
        }
    }
}

/// Zero and `cancel` mean something else.
fn between(number: u32, cancel: u32) -> Result<u32, BuildError> {
    let (value, max) = (number.into(), u64::from(cancel).saturating_sub(1));
    if number == 0 {
        return Err(BuildError::Value { field: "reboot time", value, min: 1, max });
    }
    fits("reboot time", number, max)
}

impl Uplink {
    /// Appends the command to a payload.
    ///
    /// # Errors
    ///
    /// For times that the wire has for something else or not at all; nothing is appended.
    pub fn encode(&self, payload: &mut Vec<u8>) -> Result<(), BuildError> {
        match *self {
            Self::DevDeleteImageAns { no_valid_image, invalid_version } => {
                let status = bit(no_valid_image, 0x01) | bit(invalid_version, 0x02);
                payload.extend_from_slice(&[CID_DELETE_IMAGE, status]);
            }
            Self::DevRebootCountdownAns(answer) => {
                let seconds = le_24(answer.number(CANCEL_COUNTDOWN)?);
                payload.push(CID_REBOOT_COUNTDOWN);
                payload.extend_from_slice(&seconds);
            }
            Self::DevRebootTimeAns(answer) => {
                let seconds = answer.number(u32::MAX)?.to_le_bytes();
                payload.push(CID_REBOOT_TIME);
                payload.extend_from_slice(&seconds);
            }
            Self::DevUpgradeImageAns(status) => {
                payload.push(CID_UPGRADE_IMAGE);
                match status {
                    UpImageStatus::Absent => payload.push(0),
                    UpImageStatus::Corrupt => payload.push(1),
                    UpImageStatus::Incompatible => payload.push(2),
                    UpImageStatus::Valid { next_version } => {
                        payload.push(3);
                        payload.extend_from_slice(&next_version.to_le_bytes());
                    }
                }
            }
            Self::DevVersionAns { fw_version, hw_version } => {
                payload.push(CID_DEV_VERSION);
                payload.extend_from_slice(&fw_version.to_le_bytes());
                payload.extend_from_slice(&hw_version.to_le_bytes());
            }
            Self::PackageVersionAns { identifier, version } => {
                payload.extend_from_slice(&[CID_PACKAGE_VERSION, identifier, version]);
            }
        }
        Ok(())
    }
}

impl Downlink {
    /// Appends the command to a payload.
    ///
    /// # Errors
    ///
    /// For times that the wire has for something else or not at all; nothing is appended.
    pub fn encode(&self, payload: &mut Vec<u8>) -> Result<(), BuildError> {
        match *self {
            Self::DevDeleteImageReq { version } => {
                payload.push(CID_DELETE_IMAGE);
                payload.extend_from_slice(&version.to_le_bytes());
            }
            Self::DevRebootCountdownReq(request) => {
                let seconds = le_24(request.number(CANCEL_COUNTDOWN)?);
                payload.push(CID_REBOOT_COUNTDOWN);
                payload.extend_from_slice(&seconds);
            }
            Self::DevRebootTimeReq(request) => {
                let time = request.number(u32::MAX)?.to_le_bytes();
                payload.push(CID_REBOOT_TIME);
                payload.extend_from_slice(&time);
            }
            Self::DevUpgradeImageReq => payload.push(CID_UPGRADE_IMAGE),
            Self::DevVersionReq => payload.push(CID_DEV_VERSION),
            Self::PackageVersionReq => payload.push(CID_PACKAGE_VERSION),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use super::*;

    #[test]
    fn commands_are_read_as_they_were_written() {
        let up = [
            Uplink::PackageVersionAns { identifier: IDENTIFIER, version: VERSION },
            Uplink::DevVersionAns { fw_version: 0x0102_0304, hw_version: 5 },
            Uplink::DevRebootTimeAns(RebootAns::In(60)),
            Uplink::DevRebootTimeAns(RebootAns::Cancelled),
            Uplink::DevRebootCountdownAns(RebootAns::In(COUNTDOWN_MAX)),
            Uplink::DevRebootCountdownAns(RebootAns::Failed),
            Uplink::DevUpgradeImageAns(UpImageStatus::Valid { next_version: 9 }),
            Uplink::DevUpgradeImageAns(UpImageStatus::Incompatible),
            Uplink::DevDeleteImageAns { no_valid_image: false, invalid_version: true },
        ];
        let down = [
            Downlink::PackageVersionReq,
            Downlink::DevVersionReq,
            Downlink::DevRebootTimeReq(RebootReq::When(1_300_000_000)),
            Downlink::DevRebootTimeReq(RebootReq::Now),
            Downlink::DevRebootCountdownReq(RebootReq::Cancel),
            Downlink::DevUpgradeImageReq,
            Downlink::DevDeleteImageReq { version: 7 },
        ];
        let (mut sent, mut answered) = (Vec::new(), Vec::new());
        down.iter().for_each(|command| command.encode(&mut sent).unwrap());
        up.iter().for_each(|command| command.encode(&mut answered).unwrap());
        assert_eq!(parse_downlink(&sent).collect::<Result<Vec<_>, _>>().unwrap(), down);
        assert_eq!(parse_uplink(&answered).collect::<Result<Vec<_>, _>>().unwrap(), up);
        assert_eq!(answered[3..12], [1, 4, 3, 2, 1, 5, 0, 0, 0]);
    }

    // TS006-1.0.0 §3.3, §3.4
    #[test]
    fn times_that_mean_something_else_are_not_sent() {
        let mut payload = Vec::new();
        for command in [
            Downlink::DevRebootCountdownReq(RebootReq::When(COUNTDOWN_MAX + 1)),
            Downlink::DevRebootCountdownReq(RebootReq::When(0)),
            Downlink::DevRebootTimeReq(RebootReq::When(u32::MAX)),
        ] {
            command.encode(&mut payload).unwrap_err();
        }
        let answer = Uplink::DevRebootTimeAns(RebootAns::In(0));
        let why = answer.encode(&mut payload).unwrap_err().to_string();
        assert_eq!(why, "reboot time is 0, not 1 to 4294967294");
        assert!(payload.is_empty());
    }
}

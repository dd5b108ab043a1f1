//! The device itself: DevStatus, DeviceTime (TS001-1.0.4 §5.5, §5.9), DeviceMode (TS001-1.1 §18.1).

use alloc::vec::Vec;

use super::{Command, Direction};
use crate::frame::BuildError;

/// The class that DeviceModeInd names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition: class B has its own bit")]
pub enum DeviceModeClass {
    /// Downlinks only after uplinks.
    A,
    /// Downlinks at any time.
    C,
}

pub(super) fn decode(direction: Direction, cid: u8, fields: &[u8]) -> Option<Command> {
    use Direction::{Downlink, Uplink};
    Some(match (direction, cid, fields) {
        (Downlink, 0x06, []) => Command::DevStatusReq,
        (Uplink, 0x06, &[battery, margin]) => {
            // Six bits in two's complement: the sign is shifted up and down again.
            Command::DevStatusAns { battery, margin: (margin << 2).cast_signed() >> 2 }
        }
        (Uplink, 0x0D, []) => Command::DeviceTimeReq,
        (Downlink, 0x0D, &[a, b, c, d, fraction_256]) => {
            Command::DeviceTimeAns { gps_seconds: u32::from_le_bytes([a, b, c, d]), fraction_256 }
        }
        (Uplink, 0x20, &[class]) => Command::DeviceModeInd { class: decode_class(class)? },
        (Downlink, 0x20, &[class]) => Command::DeviceModeConf { class: decode_class(class)? },
        _ => return None,
    })
}

pub(super) fn encode(command: &Command, out: &mut Vec<u8>) -> Result<(), BuildError> {
    match *command {
        Command::DevStatusAns { battery, margin } => {
            if !(-32..=31).contains(&margin) {
                let got = u32::from(margin.unsigned_abs());
                return Err(BuildError::OutOfRange { field: "|Margin|", got, max: 31 });
            }
            out.extend_from_slice(&[battery, margin.cast_unsigned() & 0x3F]);
        }
        Command::DeviceTimeAns { gps_seconds, fraction_256 } => {
            out.extend_from_slice(&gps_seconds.to_le_bytes());
            out.push(fraction_256);
        }
        Command::DeviceModeInd { class } | Command::DeviceModeConf { class } => {
            out.push(encode_class(class));
        }
        _ => {}
    }
    Ok(())
}

const fn decode_class(octet: u8) -> Option<DeviceModeClass> {
    match octet {
        0 => Some(DeviceModeClass::A),
        2 => Some(DeviceModeClass::C),
        _ => None,
    }
}

const fn encode_class(class: DeviceModeClass) -> u8 {
    match class {
        DeviceModeClass::A => 0,
        DeviceModeClass::C => 2,
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        command::{Command, CommandError, Direction, parse},
        frame::FrequencyStep,
    };

    #[test]
    fn a_class_that_means_nothing_does_not_end_the_stream() {
        let mut commands = parse(Direction::Uplink, FrequencyStep::Hz100, &[0x20, 7, 0x0D]);
        let refused = CommandError::InvalidFields { name: "DeviceModeInd" };
        assert_eq!(commands.next(), Some(Err(refused)));
        assert_eq!(commands.next(), Some(Ok(Command::DeviceTimeReq)));
        assert_eq!(commands.next(), None);
    }
}

//! The session: Reset, Rekey, ForceRejoin, RejoinParamSetup (TS001-1.1 §5.1, §5.10, §5.13, §5.14).

use alloc::vec::Vec;

use ttn_core::radio::DataRateIndex;

use super::{Command, Direction, at_most, bit};
use crate::frame::BuildError;

pub(super) fn decode(direction: Direction, cid: u8, fields: &[u8]) -> Option<Command> {
    use Direction::{Downlink, Uplink};
    Some(match (direction, cid, fields) {
        (Uplink, 0x01, &[version]) => Command::ResetInd { minor_version: version & 0x0F },
        (Downlink, 0x01, &[version]) => Command::ResetConf { minor_version: version & 0x0F },
        (Uplink, 0x0B, &[version]) => Command::RekeyInd { minor_version: version & 0x0F },
        (Downlink, 0x0B, &[version]) => Command::RekeyConf { minor_version: version & 0x0F },
        (Downlink, 0x0E, &[low, high]) => Command::ForceRejoinReq {
            period_exponent: (high >> 3) & 0x07,
            max_retries: high & 0x07,
            rejoin_type: (low >> 4) & 0x07,
            data_rate_index: DataRateIndex::from_low_bits(low),
        },
        (Downlink, 0x0F, &[octet]) => Command::RejoinParamSetupReq {
            max_time_exponent: octet >> 4,
            max_count_exponent: octet & 0x0F,
        },
        (Uplink, 0x0F, &[status]) => {
            Command::RejoinParamSetupAns { max_time_exponent_ack: bit(status, 0) }
        }
        _ => return None,
    })
}

pub(super) fn encode(command: &Command, out: &mut Vec<u8>) -> Result<(), BuildError> {
    match *command {
        Command::ResetInd { minor_version }
        | Command::ResetConf { minor_version }
        | Command::RekeyInd { minor_version }
        | Command::RekeyConf { minor_version } => {
            out.push(at_most("Minor", minor_version, 15)?);
        }
        Command::ForceRejoinReq { period_exponent, max_retries, rejoin_type, data_rate_index } => {
            // A 16-bit field, little-endian on the air like every other.
            out.push((at_most("RejoinType", rejoin_type, 2)? << 4) | data_rate_index.get());
            let period = at_most("Period", period_exponent, 7)?;
            out.push((period << 3) | at_most("Max_Retries", max_retries, 7)?);
        }
        Command::RejoinParamSetupReq { max_time_exponent, max_count_exponent } => {
            let time = at_most("MaxTimeN", max_time_exponent, 15)?;
            out.push((time << 4) | at_most("MaxCountN", max_count_exponent, 15)?);
        }
        Command::RejoinParamSetupAns { max_time_exponent_ack } => {
            out.push(u8::from(max_time_exponent_ack));
        }
        _ => {}
    }
    Ok(())
}

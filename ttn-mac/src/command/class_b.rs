//! Class B: PingSlotInfo, BeaconFreq, PingSlotChannel (TS001-1.0.4 §12.1, §12.2, §12.3), BeaconTiming.

use alloc::vec::Vec;

use ttn_core::radio::DataRateIndex;

use super::{Command, Direction, at_most, bit};
use crate::frame::{BuildError, FrequencyStep};

pub(super) fn decode(
    direction: Direction,
    cid: u8,
    fields: &[u8],
    step: FrequencyStep,
) -> Option<Command> {
    use Direction::{Downlink, Uplink};
    Some(match (direction, cid, fields) {
        (Uplink, 0x10, &[octet]) => Command::PingSlotInfoReq { period: octet & 0x07 },
        (Downlink, 0x10, []) => Command::PingSlotInfoAns,
        (Downlink, 0x11, &[a, b, c, data_rate]) => Command::PingSlotChannelReq {
            frequency: step.decode([a, b, c]),
            data_rate_index: DataRateIndex::from_low_bits(data_rate),
        },
        (Uplink, 0x11, &[status]) => Command::PingSlotChannelAns {
            frequency_ack: bit(status, 0),
            data_rate_index_ack: bit(status, 1),
        },
        (Uplink, 0x12, []) => Command::BeaconTimingReq,
        (Downlink, 0x12, &[low, high, channel_index]) => {
            Command::BeaconTimingAns { delay: u16::from_le_bytes([low, high]), channel_index }
        }
        (Downlink, 0x13, &[a, b, c]) => {
            Command::BeaconFreqReq { frequency: step.decode([a, b, c]) }
        }
        (Uplink, 0x13, &[status]) => Command::BeaconFreqAns { frequency_ack: bit(status, 0) },
        _ => return None,
    })
}

pub(super) fn encode(
    command: &Command,
    step: FrequencyStep,
    out: &mut Vec<u8>,
) -> Result<(), BuildError> {
    match *command {
        Command::PingSlotInfoReq { period } => out.push(at_most("Periodicity", period, 7)?),
        Command::PingSlotChannelReq { frequency, data_rate_index } => {
            out.extend_from_slice(&step.encode_or_none(frequency)?);
            out.push(data_rate_index.get());
        }
        Command::PingSlotChannelAns { frequency_ack, data_rate_index_ack } => {
            out.push(u8::from(frequency_ack) | (u8::from(data_rate_index_ack) << 1));
        }
        Command::BeaconTimingAns { delay, channel_index } => {
            out.extend_from_slice(&delay.to_le_bytes());
            out.push(channel_index);
        }
        Command::BeaconFreqReq { frequency } => {
            out.extend_from_slice(&step.encode_or_none(frequency)?);
        }
        Command::BeaconFreqAns { frequency_ack } => out.push(u8::from(frequency_ack)),
        _ => {}
    }
    Ok(())
}

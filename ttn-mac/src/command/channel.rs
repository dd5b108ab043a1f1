//! Channels, receive windows and transmit parameters: RXParamSetup, NewChannel and DlChannel, RXTimingSetup, TXParamSetup
//! (TS001-1.0.4 §5.4, §5.6, §5.7, §5.8).

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
        (Downlink, 0x05, &[settings, a, b, c]) => Command::RxParamSetupReq {
            rx1_data_rate_offset: (settings >> 4) & 0x07,
            rx2_data_rate_index: DataRateIndex::from_low_bits(settings),
            rx2_frequency: step.decode([a, b, c]),
        },
        (Uplink, 0x05, &[status]) => Command::RxParamSetupAns {
            rx2_frequency_ack: bit(status, 0),
            rx2_data_rate_index_ack: bit(status, 1),
            rx1_data_rate_offset_ack: bit(status, 2),
        },
        (Downlink, 0x07, &[channel_index, a, b, c, data_rates]) => Command::NewChannelReq {
            channel_index,
            frequency: step.decode([a, b, c]),
            min_data_rate_index: DataRateIndex::from_low_bits(data_rates),
            max_data_rate_index: DataRateIndex::from_low_bits(data_rates >> 4),
        },
        (Uplink, 0x07, &[status]) => {
            Command::NewChannelAns { frequency_ack: bit(status, 0), data_rate_ack: bit(status, 1) }
        }
        (Downlink, 0x08, &[octet]) => Command::RxTimingSetupReq { delay: octet & 0x0F },
        (Uplink, 0x08, []) => Command::RxTimingSetupAns,
        (Downlink, 0x09, &[octet]) => Command::TxParamSetupReq {
            max_eirp_index: octet & 0x0F,
            uplink_dwell_time: bit(octet, 4),
            downlink_dwell_time: bit(octet, 5),
        },
        (Uplink, 0x09, []) => Command::TxParamSetupAns,
        (Downlink, 0x0A, &[channel_index, a, b, c]) => {
            Command::DlChannelReq { channel_index, frequency: step.decode([a, b, c]) }
        }
        (Uplink, 0x0A, &[status]) => Command::DlChannelAns {
            channel_frequency_ok: bit(status, 0),
            uplink_frequency_exists: bit(status, 1),
        },
        _ => return None,
    })
}

pub(super) fn encode(
    command: &Command,
    step: FrequencyStep,
    out: &mut Vec<u8>,
) -> Result<(), BuildError> {
    match *command {
        Command::RxParamSetupReq { rx1_data_rate_offset, rx2_data_rate_index, rx2_frequency } => {
            let offset = at_most("RX1DROffset", rx1_data_rate_offset, 7)?;
            out.push((offset << 4) | rx2_data_rate_index.get());
            out.extend_from_slice(&step.encode(rx2_frequency)?);
        }
        Command::RxParamSetupAns {
            rx2_frequency_ack,
            rx2_data_rate_index_ack,
            rx1_data_rate_offset_ack,
        } => out.push(
            u8::from(rx2_frequency_ack)
                | (u8::from(rx2_data_rate_index_ack) << 1)
                | (u8::from(rx1_data_rate_offset_ack) << 2),
        ),
        Command::NewChannelReq {
            channel_index,
            frequency,
            min_data_rate_index,
            max_data_rate_index,
        } => {
            out.push(channel_index);
            out.extend_from_slice(&step.encode_or_none(frequency)?);
            out.push((max_data_rate_index.get() << 4) | min_data_rate_index.get());
        }
        Command::NewChannelAns { frequency_ack, data_rate_ack } => {
            out.push(u8::from(frequency_ack) | (u8::from(data_rate_ack) << 1));
        }
        Command::RxTimingSetupReq { delay } => out.push(at_most("Del", delay, 15)?),
        Command::TxParamSetupReq { max_eirp_index, uplink_dwell_time, downlink_dwell_time } => {
            out.push(
                at_most("MaxEIRP", max_eirp_index, 15)?
                    | (u8::from(uplink_dwell_time) << 4)
                    | (u8::from(downlink_dwell_time) << 5),
            );
        }
        Command::DlChannelReq { channel_index, frequency } => {
            out.push(channel_index);
            out.extend_from_slice(&step.encode(frequency)?);
        }
        Command::DlChannelAns { channel_frequency_ok, uplink_frequency_exists } => {
            out.push(u8::from(channel_frequency_ok) | (u8::from(uplink_frequency_exists) << 1));
        }
        _ => {}
    }
    Ok(())
}

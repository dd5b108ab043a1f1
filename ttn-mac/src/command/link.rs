//! The radio link: LinkCheck, LinkADR, DutyCycle (TS001-1.0.4 §5.1, §5.2, §5.3), ADRParamSetup (TS001-1.1 §5.11).

use alloc::vec::Vec;

use ttn_core::radio::DataRateIndex;

use super::{Command, Direction, at_most, bit};
use crate::frame::BuildError;

pub(super) fn decode(direction: Direction, cid: u8, fields: &[u8]) -> Option<Command> {
    use Direction::{Downlink, Uplink};
    Some(match (direction, cid, fields) {
        (Uplink, 0x02, []) => Command::LinkCheckReq,
        (Downlink, 0x02, &[margin, gateway_count]) => {
            Command::LinkCheckAns { margin, gateway_count }
        }
        (Downlink, 0x03, &[data_rate_and_power, mask_low, mask_high, redundancy]) => {
            Command::LinkAdrReq {
                data_rate_index: DataRateIndex::from_low_bits(data_rate_and_power >> 4),
                tx_power_index: data_rate_and_power & 0x0F,
                channel_mask: u16::from_le_bytes([mask_low, mask_high]),
                channel_mask_control: (redundancy >> 4) & 0x07,
                nb_trans: redundancy & 0x0F,
            }
        }
        (Uplink, 0x03, &[status]) => Command::LinkAdrAns {
            channel_mask_ack: bit(status, 0),
            data_rate_index_ack: bit(status, 1),
            tx_power_index_ack: bit(status, 2),
        },
        (Downlink, 0x04, &[octet]) => Command::DutyCycleReq { max_duty_cycle: octet & 0x0F },
        (Uplink, 0x04, []) => Command::DutyCycleAns,
        (Downlink, 0x0C, &[octet]) => Command::AdrParamSetupReq {
            adr_ack_limit_exponent: octet >> 4,
            adr_ack_delay_exponent: octet & 0x0F,
        },
        (Uplink, 0x0C, []) => Command::AdrParamSetupAns,
        _ => return None,
    })
}

pub(super) fn encode(command: &Command, out: &mut Vec<u8>) -> Result<(), BuildError> {
    match *command {
        Command::LinkCheckAns { margin, gateway_count } => {
            // 255 is reserved.
            out.extend_from_slice(&[at_most("Margin", margin, 254)?, gateway_count]);
        }
        Command::LinkAdrReq {
            data_rate_index,
            tx_power_index,
            channel_mask,
            channel_mask_control,
            nb_trans,
        } => {
            out.push((data_rate_index.get() << 4) | at_most("TXPower", tx_power_index, 15)?);
            out.extend_from_slice(&channel_mask.to_le_bytes());
            let control = at_most("ChMaskCntl", channel_mask_control, 7)?;
            out.push((control << 4) | at_most("NbTrans", nb_trans, 15)?);
        }
        Command::LinkAdrAns { channel_mask_ack, data_rate_index_ack, tx_power_index_ack } => {
            out.push(
                u8::from(channel_mask_ack)
                    | (u8::from(data_rate_index_ack) << 1)
                    | (u8::from(tx_power_index_ack) << 2),
            );
        }
        Command::DutyCycleReq { max_duty_cycle } => {
            out.push(at_most("MaxDutyCycle", max_duty_cycle, 15)?);
        }
        Command::AdrParamSetupReq { adr_ack_limit_exponent, adr_ack_delay_exponent } => {
            let limit = at_most("Limit_exp", adr_ack_limit_exponent, 15)?;
            out.push((limit << 4) | at_most("Delay_exp", adr_ack_delay_exponent, 15)?);
        }
        _ => {}
    }
    Ok(())
}

//! Rejoin-requests of LoRaWAN 1.1 (TS001-1.1 §6.2.4).

use alloc::vec::Vec;

use ttn_core::{
    addr::NetId,
    eui::{DevEui, JoinEui},
    frame::RejoinRequestForm,
};

use super::{BuildError, FrameError, MType};

/// Writes a rejoin-request without its integrity code.
///
/// # Errors
///
/// [`BuildError::OutOfRange`] for a request to the home network of another type than 0 and 2.
pub fn encode_rejoin_request(request: &RejoinRequestForm) -> Result<Vec<u8>, BuildError> {
    let mut octets = Vec::with_capacity(20);
    octets.push(MType::RejoinRequest.m_hdr());
    match *request {
        RejoinRequestForm::HomeNetwork { rejoin_type, net_id, dev_eui, rejoin_count } => {
            if !matches!(rejoin_type, 0 | 2) {
                let got = u32::from(rejoin_type);
                return Err(BuildError::OutOfRange { field: "rejoin type", got, max: 2 });
            }
            octets.push(rejoin_type);
            octets.extend_from_slice(&net_id.to_le_bytes());
            octets.extend_from_slice(&dev_eui.to_le_bytes());
            octets.extend_from_slice(&rejoin_count.to_le_bytes());
        }
        RejoinRequestForm::JoinServer { join_eui, dev_eui, rejoin_count } => {
            octets.push(1);
            octets.extend_from_slice(&join_eui.to_le_bytes());
            octets.extend_from_slice(&dev_eui.to_le_bytes());
            octets.extend_from_slice(&rejoin_count.to_le_bytes());
        }
    }
    Ok(octets)
}

/// Reads what stands behind the MAC header of a rejoin-request.
pub(super) fn parse(rest: &[u8]) -> Result<RejoinRequestForm, FrameError> {
    let refused = FrameError::RejoinRequestLength { got: rest.len().saturating_add(1) };
    let (&rejoin_type, fields) = rest.split_first().ok_or(refused)?;
    match rejoin_type {
        0 | 2 => {
            let (&[n0, n1, n2], fields) = fields.split_first_chunk::<3>().ok_or(refused)?;
            let (dev_eui, rejoin_count) = dev_eui_and_count(fields).ok_or(refused)?;
            let net_id = NetId::from_be_bytes([n2, n1, n0]);
            Ok(RejoinRequestForm::HomeNetwork { rejoin_type, net_id, dev_eui, rejoin_count })
        }
        1 => {
            let (join_eui, fields) = fields.split_first_chunk::<8>().ok_or(refused)?;
            let (dev_eui, rejoin_count) = dev_eui_and_count(fields).ok_or(refused)?;
            let join_eui = JoinEui::from_le_bytes(*join_eui);
            Ok(RejoinRequestForm::JoinServer { join_eui, dev_eui, rejoin_count })
        }
        got => Err(FrameError::RejoinType { got }),
    }
}

/// DevEUI and counter, with nothing but the four octets of the integrity code behind them.
fn dev_eui_and_count(fields: &[u8]) -> Option<(DevEui, u16)> {
    let (dev_eui, fields) = fields.split_first_chunk::<8>()?;
    let &[low, high, _, _, _, _] = fields else { return None };
    Some((DevEui::from_le_bytes(*dev_eui), u16::from_le_bytes([low, high])))
}

#[cfg(test)]
mod tests {
    use super::*;

    // TS001-1.1 §6.2.4
    #[test]
    fn refuses_types_and_lengths_that_are_not_defined() {
        assert_eq!(parse(&[3; 18]), Err(FrameError::RejoinType { got: 3 }));
        assert_eq!(parse(&[0; 19]), Err(FrameError::RejoinRequestLength { got: 20 }));
        assert_eq!(parse(&[]), Err(FrameError::RejoinRequestLength { got: 1 }));
        let wrong = RejoinRequestForm::HomeNetwork {
            rejoin_type: 1,
            net_id: NetId::default(),
            dev_eui: DevEui::default(),
            rejoin_count: 0,
        };
        assert!(encode_rejoin_request(&wrong).is_err());
    }
}

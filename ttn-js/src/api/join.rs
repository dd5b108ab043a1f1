//! `NsJs`: joins and network keys for Network Servers of the same cluster.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tonic::{Request, Response, Status};
use ttn_core::{
    addr::{DevAddr, NetId},
    frame::Form,
    msg::{DlSettings, JoinAnswer, JoinRequest},
    radio::DataRateIndex,
};
use ttn_mac::frame;
use ttn_proto::{
    convert::{duration, to_mac_version},
    service, v3,
};

use super::{Api, invalid, session, status};
use crate::error::{Error, Reject};

#[async_trait]
impl service::NsJs for Api {
    async fn handle_join(
        &self,
        request: Request<v3::JoinRequest>,
    ) -> Result<Response<v3::JoinResponse>, Status> {
        self.require_cluster(&request).await?;
        let request = join_request(&request.into_inner())?;
        let answer = self.0.handle_join(&request).await.map_err(status)?;
        Ok(Response::new(join_response(&answer)))
    }

    async fn get_nwk_s_keys(
        &self,
        request: Request<v3::SessionKeyRequest>,
    ) -> Result<Response<v3::NwkSKeysResponse>, Status> {
        self.require_cluster(&request).await?;
        let (euis, id) = session(request.get_ref())?;
        let keys = self.0.session_keys(euis, &id).await.map_err(status)?;
        Ok(Response::new(v3::NwkSKeysResponse {
            f_nwk_s_int_key: Some((&keys.f_nwk_s_int_key).into()),
            s_nwk_s_int_key: Some((&keys.s_nwk_s_int_key).into()),
            nwk_s_enc_key: Some((&keys.nwk_s_enc_key).into()),
        }))
    }
}

/// What the frame says is read from the frame; the decoded payload of the message is not looked at.
fn join_request(message: &v3::JoinRequest) -> Result<JoinRequest, Status> {
    let phy: Arc<[u8]> = message.raw_payload.as_slice().into();
    let parsed =
        frame::parse(phy.clone()).map_err(|error| status(Error::Rejected(Reject::Frame(error))))?;
    let Form::JoinRequest(form) = parsed.form else {
        return Err(status(Error::Rejected(Reject::PayloadType)));
    };
    let dev_addr = <[u8; 4]>::try_from(message.dev_addr.as_slice())
        .map_err(|_| invalid("field_value", "dev_addr has not 4 octets"))?;
    let net_id = <[u8; 3]>::try_from(message.net_id.as_slice())
        .map_err(|_| invalid("field_value", "net_id has not 3 octets"))?;
    let settings = message.downlink_settings.unwrap_or_default();
    let small = |name: &str, value: i32, max: u8| {
        let value = u8::try_from(value).ok().filter(|value| *value <= max);
        value.ok_or_else(|| invalid("field_value", &format!("{name} is above {max}")))
    };
    let rx2_dr = small("downlink_settings.rx2_dr", settings.rx2_dr, 15)?;
    Ok(JoinRequest {
        phy,
        join_eui: form.join_eui,
        dev_eui: form.dev_eui,
        dev_nonce: form.dev_nonce,
        dev_addr: DevAddr::from_be_bytes(dev_addr),
        net_id: NetId::from_be_bytes(net_id),
        mac_version: to_mac_version(message.selected_mac_version)
            .map_err(|error| invalid("unsupported_lorawan_version", &error.to_string()))?,
        dl_settings: DlSettings {
            opt_neg: settings.opt_neg,
            rx1_dr_offset: small("downlink_settings.rx1_dr_offset", settings.rx1_dr_offset, 7)?,
            rx2_dr: DataRateIndex::from_low_bits(rx2_dr),
        },
        rx_delay: small("rx_delay", message.rx_delay, 15)?,
        cf_list: message.cf_list.as_ref().map(cf_list),
        correlation_ids: message.correlation_ids.iter().map(|id| id.as_str().into()).collect(),
    })
}

/// The octets of a channel list: frequencies in the units of the frame, or masks.
fn cf_list(list: &v3::CfList) -> [u8; 16] {
    let mut octets = [0; 16];
    if list.r#type == i32::from(v3::CfListType::ChannelMasks) {
        for (at, on) in list.ch_masks.iter().take(96).enumerate() {
            if let (true, Some(octet)) = (*on, octets.get_mut(at / 8)) {
                *octet |= 1 << (at % 8);
            }
        }
        octets[15] = TYPE_CHANNEL_MASKS;
        return octets;
    }
    for (to, from) in octets.chunks_exact_mut(3).zip(&list.freq) {
        to.iter_mut().zip(from.to_le_bytes()).for_each(|(to, from)| *to = from);
    }
    octets
}

fn join_response(answer: &JoinAnswer) -> v3::JoinResponse {
    v3::JoinResponse {
        raw_payload: answer.phy.to_vec(),
        session_keys: Some((&answer.keys).into()),
        lifetime: Some(duration(answer.lifetime.unwrap_or(Duration::ZERO))),
        correlation_ids: answer.correlation_ids.iter().map(ToString::to_string).collect(),
    }
}

/// CFListType of channel masks; that of frequencies is 0.
const TYPE_CHANNEL_MASKS: u8 = 1;

//! What applications get and send.

use ttn_core::id::GatewayId;
use ttn_core::msg::{
    ApplicationUp, ClassBC, ClassBCGateway, ConfirmedRetry, Downlink, JoinAcceptUp, LocationSolved,
    QueueInvalidated, ServiceData, TxPriority, Up, UplinkUp,
};

use super::{
    ConvertError, correlation_ids, duration, error_details, session_key_id, timestamp,
    to_correlation_ids, to_session_key_id, to_timestamp,
};
use crate::json::to_proto_value;
use crate::v3;
use crate::v3::application_downlink::ClassBc;
use crate::v3::application_up::Up as ApiUp;

impl From<&ApplicationUp> for v3::ApplicationUp {
    fn from(message: &ApplicationUp) -> Self {
        let received_at = timestamp(message.received_at);
        let up = match &message.up {
            Up::DownlinkAck(downlink) => Some(ApiUp::DownlinkAck(downlink.into())),
            Up::DownlinkFailed(downlink, error) => {
                Some(ApiUp::DownlinkFailed(v3::ApplicationDownlinkFailed {
                    downlink: Some(downlink.into()),
                    error: Some(error_details(&error.0)),
                }))
            }
            Up::DownlinkNack(downlink) => Some(ApiUp::DownlinkNack(downlink.into())),
            Up::DownlinkQueued(downlink) => Some(ApiUp::DownlinkQueued(downlink.into())),
            Up::DownlinkQueueInvalidated(queue) => {
                Some(ApiUp::DownlinkQueueInvalidated(queue.into()))
            }
            Up::DownlinkSent(downlink) => Some(ApiUp::DownlinkSent(downlink.into())),
            Up::JoinAccept(join) => Some(ApiUp::JoinAccept(join.into())),
            Up::LocationSolved(solved) => Some(ApiUp::LocationSolved(solved.into())),
            Up::ServiceData(data) => Some(ApiUp::ServiceData(data.into())),
            Up::Uplink(uplink) => Some(ApiUp::UplinkMessage(v3::ApplicationUplink {
                received_at: Some(received_at),
                ..uplink.as_ref().into()
            })),
            _ => None,
        };
        Self {
            end_device_ids: Some((&message.ids).into()),
            correlation_ids: correlation_ids(&message.correlation_ids),
            received_at: Some(received_at),
            simulated: message.simulated,
            up,
        }
    }
}

impl From<&LocationSolved> for v3::ApplicationLocation {
    fn from(solved: &LocationSolved) -> Self {
        Self {
            service: solved.service.clone(),
            location: Some(solved.location.into()),
            attributes: solved.attributes.clone(),
        }
    }
}

impl From<&ServiceData> for v3::ApplicationServiceData {
    fn from(data: &ServiceData) -> Self {
        let fields = data.data.iter();
        let fields = fields.map(|(name, value)| (name.clone(), to_proto_value(value.clone())));
        Self {
            service: data.service.clone(),
            data: Some(prost_types::Struct { fields: fields.collect() }),
        }
    }
}

/// Without `received_at`, which the message around it has.
impl From<&UplinkUp> for v3::ApplicationUplink {
    fn from(uplink: &UplinkUp) -> Self {
        Self {
            session_key_id: session_key_id(&uplink.session_key_id),
            f_port: uplink.f_port.map_or(0, Into::into),
            f_cnt: uplink.f_cnt,
            frm_payload: uplink.frm_payload.to_vec(),
            rx_metadata: uplink.rx_metadata.iter().map(Into::into).collect(),
            settings: Some((&uplink.settings).into()),
            confirmed: uplink.confirmed,
            consumed_airtime: Some(duration(uplink.consumed_airtime)),
            packet_error_rate: uplink.packet_error_rate.unwrap_or_default(),
            network_ids: Some(uplink.net_id.into()),
            ..Self::default()
        }
    }
}

impl From<&JoinAcceptUp> for v3::ApplicationJoinAccept {
    fn from(join: &JoinAcceptUp) -> Self {
        Self {
            session_key_id: session_key_id(&join.session_key_id),
            app_s_key: join.app_s_key.as_ref().map(Into::into),
            invalidated_downlinks: join.invalidated_downlinks.iter().map(Into::into).collect(),
            pending_session: join.pending_session,
            received_at: Some(timestamp(join.received_at)),
        }
    }
}

impl From<&QueueInvalidated> for v3::ApplicationInvalidatedDownlinks {
    fn from(queue: &QueueInvalidated) -> Self {
        Self {
            downlinks: queue.downlinks.iter().map(Into::into).collect(),
            last_f_cnt_down: queue.last_f_cnt_down,
            session_key_id: session_key_id(&queue.session_key_id),
        }
    }
}

impl From<&Downlink> for v3::ApplicationDownlink {
    fn from(downlink: &Downlink) -> Self {
        Self {
            session_key_id: session_key_id(&downlink.session_key_id),
            f_port: downlink.f_port.into(),
            f_cnt: downlink.f_cnt,
            frm_payload: downlink.frm_payload.to_vec(),
            confirmed: downlink.confirmed,
            class_b_c: downlink.class_b_c.as_ref().map(Into::into),
            priority: v3::TxSchedulePriority::from(downlink.priority).into(),
            correlation_ids: correlation_ids(&downlink.correlation_ids),
            confirmed_retry: downlink.confirmed_retry.map(|retry| {
                v3::application_downlink::ConfirmedRetry {
                    attempt: retry.attempt,
                    max_attempts: retry.max_attempts,
                }
            }),
            ..Self::default()
        }
    }
}

/// A decoded payload is not looked at: whoever encodes it does so before.
impl TryFrom<&v3::ApplicationDownlink> for Downlink {
    type Error = ConvertError;

    fn try_from(downlink: &v3::ApplicationDownlink) -> Result<Self, ConvertError> {
        let f_port = u8::try_from(downlink.f_port).ok().filter(|port| *port != 0);
        Ok(Self {
            session_key_id: to_session_key_id(&downlink.session_key_id)?,
            f_port: f_port.ok_or_else(|| {
                ConvertError::malformed("f_port", format!("{} is not 1 to 255", downlink.f_port))
            })?,
            f_cnt: downlink.f_cnt,
            frm_payload: downlink.frm_payload.as_slice().into(),
            confirmed: downlink.confirmed,
            priority: priority(downlink.priority)?,
            class_b_c: downlink.class_b_c.as_ref().map(TryInto::try_into).transpose()?,
            correlation_ids: to_correlation_ids(downlink.correlation_ids.clone()),
            confirmed_retry: downlink.confirmed_retry.as_ref().map(|retry| ConfirmedRetry {
                attempt: retry.attempt,
                max_attempts: retry.max_attempts,
            }),
        })
    }
}

/// The priority of a number of the API.
///
/// # Errors
///
/// The number has no name.
pub fn priority(number: i32) -> Result<TxPriority, ConvertError> {
    let priority = v3::TxSchedulePriority::try_from(number);
    let priority = priority.map_err(|error| ConvertError::malformed("priority", error))?;
    Ok(priority.into())
}

impl From<&ClassBC> for ClassBc {
    fn from(class: &ClassBC) -> Self {
        let gateways = class.gateways.iter().map(|gateway| v3::ClassBcGatewayIdentifiers {
            gateway_ids: Some((&gateway.gateway_id).into()),
            antenna_index: gateway.antenna_index,
            group_index: gateway.group_index,
        });
        Self { gateways: gateways.collect(), absolute_time: class.absolute_time.map(timestamp) }
    }
}

impl TryFrom<&ClassBc> for ClassBC {
    type Error = ConvertError;

    fn try_from(class: &ClassBc) -> Result<Self, ConvertError> {
        let gateways = class.gateways.iter().map(|gateway| {
            let ids = gateway.gateway_ids.as_ref().ok_or(ConvertError::missing("gateway_ids"))?;
            Ok(ClassBCGateway {
                gateway_id: GatewayId::try_from(ids)?,
                antenna_index: gateway.antenna_index,
                group_index: gateway.group_index,
            })
        });
        Ok(Self {
            gateways: gateways.collect::<Result<_, ConvertError>>()?,
            absolute_time: class.absolute_time.as_ref().map(to_timestamp),
        })
    }
}

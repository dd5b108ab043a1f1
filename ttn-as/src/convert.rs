//! The records of the Application Server to and from messages of the API.

use std::{sync::Arc, time::Duration};

use serde_json::{Map, Value};
use tonic::Status;
use ttn_core::{
    addr::{DevAddr, NetId},
    error::{ErrorBody, ErrorKind},
    id::DeviceIds,
    key::{Aes128Key, KeyEnvelope, SessionKeyId},
    msg::{ApplicationUp, LocationSolved, RxMetadata, ServiceData, TxSettings, Up, UplinkUp},
    peer::DeviceVersionIds,
    radio::{DataRate, DataRateIndex, Frequency},
    time::Timestamp,
};
use ttn_proto::{convert, json, v3, v3::application_up::Up as ApiUp};

use crate::{
    Error,
    downlink::DownlinkItem,
    format::check_parameter,
    store::{Device, FormatterKind, Formatters, Session, SessionRecord},
};

/// What is wrong with a field of a message.
pub(crate) fn wrong(field: &'static str, message: impl std::fmt::Display) -> Status {
    let text = format!("{field}: {message}");
    let body =
        ErrorBody::new("pkg/applicationserver", "field_value", ErrorKind::InvalidArgument, text);
    ttn_rpc::status::from_body(&body.with("field", field))
}

pub(crate) fn formatters_to_api(formatters: &Formatters) -> v3::MessagePayloadFormatters {
    v3::MessagePayloadFormatters {
        up_formatter: formatters.up as i32,
        up_formatter_parameter: formatters.up_parameter.clone(),
        down_formatter: formatters.down as i32,
        down_formatter_parameter: formatters.down_parameter.clone(),
    }
}

pub(crate) fn formatters_from_api(
    message: &v3::MessagePayloadFormatters,
) -> Result<Formatters, Status> {
    let kind = |field, number| {
        FormatterKind::from_number(number).ok_or_else(|| wrong(field, "no such formatter"))
    };
    for parameter in [&message.up_formatter_parameter, &message.down_formatter_parameter] {
        check_parameter(parameter)
            .map_err(|error| ttn_rpc::status::from_body(&ErrorBody::of(&error)))?;
    }
    Ok(Formatters {
        up: kind("formatters.up_formatter", message.up_formatter)?,
        up_parameter: message.up_formatter_parameter.clone(),
        down: kind("formatters.down_formatter", message.down_formatter)?,
        down_parameter: message.down_formatter_parameter.clone(),
    })
}

/// A device with its sessions; `unwrap` gives keys in clear text.
pub(crate) fn device_to_api(
    device: &Device,
    sessions: &SessionRecord,
    unwrap: &dyn Fn(&KeyEnvelope) -> Option<Aes128Key>,
) -> v3::EndDevice {
    let mut ids = device.ids.clone();
    ids.dev_addr = sessions.current.as_ref().map(|session| session.dev_addr).or(ids.dev_addr);
    v3::EndDevice {
        ids: Some((&ids).into()),
        created_at: Some(convert::timestamp(device.created_at)),
        updated_at: Some(convert::timestamp(device.updated_at)),
        formatters: device.formatters.as_ref().map(formatters_to_api),
        skip_payload_crypto_override: device.skip_payload_crypto_override,
        session: sessions.current.as_ref().map(|session| session_to_api(session, unwrap)),
        pending_session: sessions.pending.as_ref().map(|session| session_to_api(session, unwrap)),
        ..v3::EndDevice::default()
    }
}

/// Takes over the settings of a message, sessions left aside.
pub(crate) fn device_from_api(device: &mut Device, message: &v3::EndDevice) -> Result<(), Status> {
    device.formatters = message.formatters.as_ref().map(formatters_from_api).transpose()?;
    device.skip_payload_crypto_override = message.skip_payload_crypto_override;
    Ok(())
}

fn session_to_api(
    session: &Session,
    unwrap: &dyn Fn(&KeyEnvelope) -> Option<Aes128Key>,
) -> v3::Session {
    let app_s_key = session.app_s_key.as_ref().map(|envelope| {
        let clear = unwrap(envelope).map(KeyEnvelope::from);
        (&clear.unwrap_or_else(|| envelope.clone())).into()
    });
    v3::Session {
        dev_addr: session.dev_addr.to_be_bytes().to_vec(),
        keys: Some(v3::SessionKeys {
            session_key_id: session.session_key_id.as_bytes().to_vec(),
            app_s_key,
            ..v3::SessionKeys::default()
        }),
        last_a_f_cnt_down: session.last_a_f_cnt_down,
        ..v3::Session::default()
    }
}

pub(crate) fn session_from_api(message: &v3::Session) -> Result<Session, Status> {
    let octets = <[u8; 4]>::try_from(message.dev_addr.as_slice())
        .map_err(|_| wrong("session.dev_addr", "a session needs an address of 4 octets"))?;
    let keys = message.keys.clone().unwrap_or_default();
    let app_s_key = keys.app_s_key.as_ref().map(KeyEnvelope::try_from).transpose();
    let session_key_id = SessionKeyId::new(&keys.session_key_id)
        .ok_or_else(|| wrong("session.keys.session_key_id", "too long"))?;
    Ok(Session {
        session_key_id,
        app_s_key: app_s_key.map_err(|error| wrong("session.keys.app_s_key", error))?,
        dev_addr: DevAddr::from_be_bytes(octets),
        last_a_f_cnt_down: message.last_a_f_cnt_down,
        last_uplink: None,
    })
}

pub(crate) fn downlink_from_api(message: &v3::ApplicationDownlink) -> Result<DownlinkItem, Status> {
    let class_b_c = message.class_b_c.as_ref().map(TryInto::try_into).transpose();
    let decoded = message.decoded_payload.as_ref().map(object);
    Ok(DownlinkItem {
        f_port: message.f_port,
        frm_payload: message.frm_payload.clone(),
        decoded_payload: decoded,
        confirmed: message.confirmed,
        priority: convert::priority(message.priority).map_err(|error| wrong("priority", error))?,
        class_b_c: class_b_c.map_err(|error| wrong("class_b_c", error))?,
        correlation_ids: message.correlation_ids.iter().map(|id| Arc::from(id.as_str())).collect(),
        retries_max: message.confirmed_retry.as_ref().and_then(|retry| retry.max_attempts),
        session_key_id: SessionKeyId::new(&message.session_key_id)
            .filter(|id| !id.as_bytes().is_empty()),
        f_cnt: message.f_cnt,
    })
}

/// A message to be simulated (AS-19). What an uplink does not say about its transmission is taken to be SF7BW125.
pub(crate) fn simulated_from_api(
    ids: DeviceIds,
    message: v3::ApplicationUp,
    now: Timestamp,
) -> Result<ApplicationUp, Status> {
    let refused = || wrong("up", Error::NotSimulated);
    let up = match message.up.ok_or_else(refused)? {
        ApiUp::UplinkMessage(uplink) => Up::Uplink(Box::new(uplink_from_api(&uplink, now)?)),
        ApiUp::LocationSolved(solved) => Up::LocationSolved(LocationSolved {
            location: solved.location.as_ref().map(Into::into).ok_or_else(refused)?,
            service: solved.service,
            attributes: solved.attributes,
        }),
        ApiUp::ServiceData(data) => {
            let fields = data.data.unwrap_or_default().fields.into_iter();
            let data_of = |(name, value)| (name, json::from_proto_value(value));
            Up::ServiceData(ServiceData {
                service: data.service,
                data: fields.map(data_of).collect(),
            })
        }
        _ => return Err(refused()),
    };
    let correlation_ids = message.correlation_ids.iter().map(|id| Arc::from(id.as_str())).collect();
    Ok(ApplicationUp {
        ids,
        correlation_ids,
        received_at: now,
        up,
        simulated: true,
        repeated: false,
    })
}

fn uplink_from_api(message: &v3::ApplicationUplink, now: Timestamp) -> Result<UplinkUp, Status> {
    let rx_metadata = message.rx_metadata.iter().map(|metadata| {
        let mut metadata = metadata.clone();
        metadata.received_at.get_or_insert_with(|| convert::timestamp(now));
        RxMetadata::try_from(&metadata).map_err(|error| wrong("uplink_message.rx_metadata", error))
    });
    let settings = message.settings.clone().unwrap_or_default();
    let data_rate = settings.data_rate.as_ref().map(DataRate::try_from).transpose();
    let data_rate = data_rate.map_err(|error| wrong("uplink_message.settings", error))?;
    Ok(UplinkUp {
        session_key_id: SessionKeyId::new(&message.session_key_id)
            .ok_or_else(|| wrong("uplink_message.session_key_id", "too long"))?,
        f_port: u8::try_from(message.f_port).ok().filter(|port| *port != 0),
        f_cnt: message.f_cnt,
        frm_payload: message.frm_payload.as_slice().into(),
        rx_metadata: rx_metadata.collect::<Result<_, _>>()?,
        settings: TxSettings {
            data_rate: data_rate.unwrap_or_else(|| DataRate::lora(7, 125_000)),
            frequency: Frequency::from_hz(settings.frequency),
            timestamp: settings.timestamp,
            time: settings.time.as_ref().map(convert::to_timestamp),
            concentrator_time: None,
        },
        data_rate_index: DataRateIndex::ZERO,
        confirmed: message.confirmed,
        consumed_airtime: message
            .consumed_airtime
            .as_ref()
            .map_or(Duration::ZERO, convert::to_duration),
        packet_error_rate: (message.packet_error_rate > 0.0).then_some(message.packet_error_rate),
        net_id: NetId::default(),
    })
}

/// The model and version of a device.
pub(crate) fn version_ids_from_api(of: &v3::EndDeviceVersionIdentifiers) -> DeviceVersionIds {
    DeviceVersionIds {
        brand_id: of.brand_id.clone(),
        model_id: of.model_id.clone(),
        hardware_version: of.hardware_version.clone(),
        firmware_version: of.firmware_version.clone(),
        band_id: of.band_id.clone(),
    }
}

/// An object of the API as JSON.
pub(crate) fn object(of: &prost_types::Struct) -> Map<String, Value> {
    let fields = of.fields.clone().into_iter();
    fields.map(|(name, value)| (name, json::from_proto_value(value))).collect()
}

/// JSON as an object of the API.
pub(crate) fn structure(of: Map<String, Value>) -> prost_types::Struct {
    let fields = of.into_iter().map(|(name, value)| (name, json::to_proto_value(value)));
    prost_types::Struct { fields: fields.collect() }
}

//! Messages as JSON of the API (`ApplicationUp`), written straight from the log's records (DESIGN 6).
//!
//! With feature `proto`, `tests/it/json.rs` compares every kind of message with the JSON of the API messages.

mod write;

use serde_json::{Map, Value};
use ttn_core::{
    addr::DevAddr,
    error::ErrorBody,
    eui::{DevEui, GatewayEui, JoinEui},
    id::DeviceIds,
    key::KeyEnvelope,
    msg::{
        ClassBC, ConfirmedRetry, Downlink, JoinAcceptUp, Location, LocationSolved, LocationSource,
        PathConstraint, QueueInvalidated, RxMetadata, ServiceData, TxPriority, TxSettings, Up,
        UplinkUp,
    },
    peer::{DeviceInfo, DeviceVersionIds},
    radio::DataRate,
};

use self::write::Writer;
use crate::{
    format::Normalized,
    log::{Decoded, Record},
};

/// The message as an `ApplicationUp` of the API.
pub(crate) fn application_up(record: &Record) -> Vec<u8> {
    let up = &record.up;
    let mut w = Writer::new();
    w.open();
    w.name("end_device_ids");
    ids(&mut w, &up.ids);
    w.texts("correlation_ids", up.correlation_ids.iter().map(AsRef::as_ref));
    w.time("received_at", Some(up.received_at));
    match &up.up {
        Up::DownlinkAck(of) => down(&mut w, "downlink_ack", of, record.decoded.as_ref()),
        Up::DownlinkFailed(of, reason) => {
            w.name("downlink_failed");
            w.open();
            down(&mut w, "downlink", of, record.decoded.as_ref());
            w.name("error");
            error(&mut w, &reason.0);
            w.close();
        }
        Up::DownlinkNack(of) => down(&mut w, "downlink_nack", of, record.decoded.as_ref()),
        Up::DownlinkQueued(of) => down(&mut w, "downlink_queued", of, record.decoded.as_ref()),
        Up::DownlinkQueueInvalidated(of) => invalidated(&mut w, of),
        Up::DownlinkSent(of) => down(&mut w, "downlink_sent", of, record.decoded.as_ref()),
        Up::JoinAccept(of) => join(&mut w, record, of),
        Up::LocationSolved(of) => located(&mut w, of),
        Up::ServiceData(of) => service_data(&mut w, of),
        Up::Uplink(of) => uplink(&mut w, record, of),
        Up::UplinkNormalized(of) => uplink_normalized(&mut w, record, of),
        // The log holds no kind that it does not know.
        _ => {}
    }
    w.flag("simulated", up.simulated);
    w.close();
    w.finish()
}

/// The name of a priority in the API.
pub(crate) const fn priority_name(priority: TxPriority) -> &'static str {
    match priority {
        TxPriority::Lowest => "LOWEST",
        TxPriority::Low => "LOW",
        TxPriority::BelowNormal => "BELOW_NORMAL",
        TxPriority::Normal => "NORMAL",
        TxPriority::AboveNormal => "ABOVE_NORMAL",
        TxPriority::High => "HIGH",
        TxPriority::Highest => "HIGHEST",
    }
}

fn ids(w: &mut Writer, of: &DeviceIds) {
    w.open();
    w.text("device_id", of.key.device_id.as_str());
    w.name("application_ids");
    w.open();
    w.text("application_id", of.key.application_id.as_str());
    w.close();
    w.hex_of("dev_eui", of.dev_eui.map(DevEui::to_be_bytes));
    w.hex_of("join_eui", of.join_eui.map(JoinEui::to_be_bytes));
    w.hex_of("dev_addr", of.dev_addr.map(DevAddr::to_be_bytes));
    w.close();
}

fn uplink(w: &mut Writer, record: &Record, of: &UplinkUp) {
    w.name("uplink_message");
    w.open();
    frame(w, of);
    decoded(w, record.decoded.as_ref());
    if let Some(of) = record.decoded.as_ref().and_then(|decoded| decoded.normalized.as_ref()) {
        normalized(w, of);
    }
    reception(w, record, of);
    w.float("packet_error_rate", of.packet_error_rate.unwrap_or_default());
    w.close();
}

fn uplink_normalized(w: &mut Writer, record: &Record, of: &UplinkUp) {
    w.name("uplink_normalized");
    w.open();
    frame(w, of);
    if let Some(of) = &record.decoded {
        w.name("normalized_payload");
        object(w, &of.payload);
        w.texts("normalized_payload_warnings", of.warnings.iter().map(String::as_str));
    }
    reception(w, record, of);
    w.close();
}

fn frame(w: &mut Writer, of: &UplinkUp) {
    w.octets("session_key_id", of.session_key_id.as_bytes());
    w.number("f_port", u64::from(of.f_port.unwrap_or_default()));
    w.number("f_cnt", u64::from(of.f_cnt));
    w.octets("frm_payload", &of.frm_payload);
}

fn normalized(w: &mut Writer, of: &Normalized) {
    if !of.measurements.is_empty() {
        w.name("normalized_payload");
        w.open_list();
        for measurement in &of.measurements {
            w.item();
            object(w, measurement);
        }
        w.close_list();
    }
    w.texts("normalized_payload_warnings", of.warnings.iter().map(String::as_str));
}

fn reception(w: &mut Writer, record: &Record, of: &UplinkUp) {
    if !of.rx_metadata.is_empty() {
        w.name("rx_metadata");
        w.open_list();
        of.rx_metadata.iter().for_each(|metadata| rx(w, metadata));
        w.close_list();
    }
    w.name("settings");
    settings(w, &of.settings);
    w.time("received_at", Some(record.up.received_at));
    // A normalised payload is never sealed: the API has no fields for it.
    if let (Some(sealed), Up::Uplink(_)) = (&record.context.sealed, &record.up.up) {
        app_s_key(w, &sealed.app_s_key);
        w.number("last_a_f_cnt_down", u64::from(sealed.last_a_f_cnt_down));
    }
    w.flag("confirmed", of.confirmed);
    w.duration("consumed_airtime", of.consumed_airtime);
    if let Some(of) = &record.context.device {
        device(w, of);
    }
    w.name("network_ids");
    w.open();
    w.hex("net_id", &of.net_id.to_be_bytes());
    w.close();
}

fn app_s_key(w: &mut Writer, of: &KeyEnvelope) {
    w.name("app_s_key");
    w.open();
    // A key that this server can read goes to nobody.
    if let KeyEnvelope::Wrapped { kek_label, encrypted_key } = of {
        w.text("kek_label", kek_label.as_ref());
        w.octets("encrypted_key", encrypted_key);
    }
    w.close();
}

fn device(w: &mut Writer, of: &DeviceInfo) {
    if !of.locations.is_empty() {
        w.name("locations");
        w.open();
        for (service, of) in &of.locations {
            w.key(service);
            location(w, of);
        }
        w.close();
    }
    if let Some(of) = &of.version_ids {
        version_ids(w, of);
    }
}

fn version_ids(w: &mut Writer, of: &DeviceVersionIds) {
    w.name("version_ids");
    w.open();
    w.text("brand_id", &of.brand_id);
    w.text("model_id", &of.model_id);
    w.text("hardware_version", &of.hardware_version);
    w.text("firmware_version", &of.firmware_version);
    w.text("band_id", &of.band_id);
    w.close();
}

fn located(w: &mut Writer, of: &LocationSolved) {
    w.name("location_solved");
    w.open();
    w.text("service", &of.service);
    w.name("location");
    location(w, &of.location);
    if !of.attributes.is_empty() {
        w.name("attributes");
        w.open();
        for (name, value) in &of.attributes {
            w.key(name);
            w.string(value);
        }
        w.close();
    }
    w.close();
}

fn service_data(w: &mut Writer, of: &ServiceData) {
    w.name("service_data");
    w.open();
    w.text("service", &of.service);
    w.name("data");
    object(w, &of.data);
    w.close();
}

fn decoded(w: &mut Writer, of: Option<&Decoded>) {
    if let Some(of) = of {
        w.name("decoded_payload");
        object(w, &of.payload);
        w.texts("decoded_payload_warnings", of.warnings.iter().map(String::as_str));
    }
}

fn rx(w: &mut Writer, of: &RxMetadata) {
    w.item();
    w.open();
    w.name("gateway_ids");
    w.open();
    w.text("gateway_id", of.gateway_id.as_str());
    w.hex_of("eui", of.gateway_eui.map(GatewayEui::to_be_bytes));
    w.close();
    w.number("antenna_index", u64::from(of.antenna_index));
    w.time("time", of.time);
    w.number("timestamp", u64::from(of.timestamp));
    w.number_as_text("fine_timestamp", of.fine_timestamp.unwrap_or_default());
    w.float("rssi", of.rssi);
    if let Some(rssi) = of.signal_rssi {
        w.name("signal_rssi");
        w.float_value(rssi);
    }
    w.float("channel_rssi", of.channel_rssi);
    w.float("snr", of.snr);
    w.number_as_text("frequency_offset", of.frequency_offset);
    if let Some(of) = &of.location {
        w.name("location");
        location(w, of);
    }
    match of.path_constraint {
        PathConstraint::None => {}
        PathConstraint::PreferOther => {
            w.text("downlink_path_constraint", "DOWNLINK_PATH_CONSTRAINT_PREFER_OTHER");
        }
        PathConstraint::Never => {
            w.text("downlink_path_constraint", "DOWNLINK_PATH_CONSTRAINT_NEVER");
        }
    }
    w.octets("uplink_token", &of.uplink_token);
    w.number("channel_index", u64::from(of.channel_index));
    w.time("gps_time", of.gps_time);
    w.time("received_at", Some(of.received_at));
    w.close();
}

fn location(w: &mut Writer, of: &Location) {
    w.open();
    w.double("latitude", of.latitude);
    w.double("longitude", of.longitude);
    w.signed("altitude", of.altitude);
    w.signed("accuracy", of.accuracy);
    match of.source {
        LocationSource::Gps => w.text("source", "SOURCE_GPS"),
        LocationSource::Registry => w.text("source", "SOURCE_REGISTRY"),
        LocationSource::Unknown => {}
    }
    w.close();
}

fn settings(w: &mut Writer, of: &TxSettings) {
    w.open();
    w.name("data_rate");
    w.open();
    match of.data_rate {
        DataRate::Lora { spreading_factor, bandwidth, coding_rate } => {
            w.name("lora");
            w.open();
            w.number("bandwidth", u64::from(bandwidth));
            w.number("spreading_factor", u64::from(spreading_factor));
            w.text("coding_rate", coding_rate.as_str());
            w.close();
        }
        DataRate::Fsk { bit_rate } => {
            w.name("fsk");
            w.open();
            w.number("bit_rate", u64::from(bit_rate));
            w.close();
        }
        DataRate::LrFhss { modulation_type, operating_channel_width, coding_rate } => {
            w.name("lrfhss");
            w.open();
            w.number("modulation_type", u64::from(modulation_type));
            w.number("operating_channel_width", u64::from(operating_channel_width));
            w.text("coding_rate", coding_rate.as_str());
            w.close();
        }
        _ => {}
    }
    w.close();
    w.number_as_text("frequency", of.frequency.hz());
    w.number("timestamp", u64::from(of.timestamp));
    w.time("time", of.time);
    w.number_as_text("concentrator_timestamp", of.concentrator_time.map_or(0, |t| t.nanos()));
    w.close();
}

fn join(w: &mut Writer, record: &Record, of: &JoinAcceptUp) {
    w.name("join_accept");
    w.open();
    w.octets("session_key_id", of.session_key_id.as_bytes());
    if let Some(sealed) = &record.context.sealed {
        app_s_key(w, &sealed.app_s_key);
    }
    downlinks(w, "invalidated_downlinks", &of.invalidated_downlinks);
    w.flag("pending_session", of.pending_session);
    w.time("received_at", Some(of.received_at));
    w.close();
}

fn invalidated(w: &mut Writer, of: &QueueInvalidated) {
    w.name("downlink_queue_invalidated");
    w.open();
    downlinks(w, "downlinks", &of.downlinks);
    w.number("last_f_cnt_down", u64::from(of.last_f_cnt_down));
    w.octets("session_key_id", of.session_key_id.as_bytes());
    w.close();
}

fn downlinks(w: &mut Writer, name: &str, of: &[Downlink]) {
    if of.is_empty() {
        return;
    }
    w.name(name);
    w.open_list();
    for of in of {
        w.item();
        downlink(w, of, None);
    }
    w.close_list();
}

fn down(w: &mut Writer, name: &str, of: &Downlink, payload: Option<&Decoded>) {
    w.name(name);
    downlink(w, of, payload);
}

fn downlink(w: &mut Writer, of: &Downlink, payload: Option<&Decoded>) {
    w.open();
    w.octets("session_key_id", of.session_key_id.as_bytes());
    w.number("f_port", u64::from(of.f_port));
    w.number("f_cnt", u64::from(of.f_cnt));
    w.octets("frm_payload", &of.frm_payload);
    decoded(w, payload);
    w.flag("confirmed", of.confirmed);
    if let Some(of) = &of.class_b_c {
        class_b_c(w, of);
    }
    if of.priority != TxPriority::Lowest {
        w.text("priority", priority_name(of.priority));
    }
    w.texts("correlation_ids", of.correlation_ids.iter().map(AsRef::as_ref));
    if let Some(of) = &of.confirmed_retry {
        confirmed_retry(w, *of);
    }
    w.close();
}

fn confirmed_retry(w: &mut Writer, of: ConfirmedRetry) {
    w.name("confirmed_retry");
    w.open();
    w.number("attempt", u64::from(of.attempt));
    if let Some(max) = of.max_attempts {
        w.name("max_attempts");
        w.raw(&max.to_string());
    }
    w.close();
}

fn class_b_c(w: &mut Writer, of: &ClassBC) {
    w.name("class_b_c");
    w.open();
    if !of.gateways.is_empty() {
        w.name("gateways");
        w.open_list();
        for gateway in &of.gateways {
            w.item();
            w.open();
            w.name("gateway_ids");
            w.open();
            w.text("gateway_id", gateway.gateway_id.as_str());
            w.close();
            w.number("antenna_index", u64::from(gateway.antenna_index));
            w.number("group_index", u64::from(gateway.group_index));
            w.close();
        }
        w.close_list();
    }
    w.time("absolute_time", of.absolute_time);
    w.close();
}

fn error(w: &mut Writer, of: &ErrorBody) {
    w.open();
    w.text("namespace", &of.namespace);
    w.text("name", &of.name);
    w.text("message_format", &of.message);
    if !of.attributes.is_empty() {
        w.name("attributes");
        w.open();
        for (name, value) in &of.attributes {
            w.key(name);
            any(w, value);
        }
        w.close();
    }
    if let Some(cause) = &of.cause {
        w.name("cause");
        error(w, cause);
    }
    w.number("code", u64::from(of.kind.code()));
    w.close();
}

fn object(w: &mut Writer, of: &Map<String, Value>) {
    w.open();
    for (name, value) in of {
        w.key(name);
        any(w, value);
    }
    w.close();
}

fn any(w: &mut Writer, value: &Value) {
    match value {
        Value::Null => w.raw("null"),
        Value::Bool(true) => w.raw("true"),
        Value::Bool(false) => w.raw("false"),
        // Numbers of a Struct are doubles.
        Value::Number(number) => w.double_value(number.as_f64().unwrap_or_default()),
        Value::String(text) => w.string(text),
        Value::Array(items) => {
            w.open_list();
            for item in items {
                w.item();
                any(w, item);
            }
            w.close_list();
        }
        Value::Object(members) => object(w, members),
    }
}

/// A time of the API: RFC 3339 with `Z` and 0, 3, 6 or 9 digits of a second's fraction.
pub(crate) fn format_time(time: ttn_core::time::Timestamp) -> String {
    let mut text = String::with_capacity(30);
    write::time(&mut text, time);
    text
}

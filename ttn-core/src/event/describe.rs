//! Messages between components as events show them: in the JSON of the API.

use data_encoding::BASE64;
use serde_json::{Map, Value, json};

use crate::{
    frame::Form,
    msg::{RxMetadata, Uplink},
    radio::DataRate,
};

/// A frame with who received it, as `UplinkMessage` without times.
#[must_use]
pub fn uplink_message(uplink: &Uplink) -> Value {
    let settings = &uplink.settings;
    json!({
        "raw_payload": BASE64.encode(&uplink.phy.bytes),
        "payload": payload(uplink),
        "settings": {
            "data_rate": data_rate(&settings.data_rate),
            "frequency": settings.frequency.hz().to_string(),
            "timestamp": settings.timestamp,
        },
        "rx_metadata": uplink.rx_metadata.iter().map(reception).collect::<Value>(),
        "correlation_ids": uplink.correlation_ids.iter().map(|id| &**id).collect::<Value>(),
    })
}

/// What the frame says in clear.
fn payload(uplink: &Uplink) -> Value {
    match &uplink.phy.form {
        Form::Data(data) => {
            let m_type = if data.confirmed { "CONFIRMED_UP" } else { "UNCONFIRMED_UP" };
            let f_hdr = json!({ "dev_addr": data.dev_addr.to_string(), "f_cnt": data.f_cnt });
            let mac_payload = json!({ "f_hdr": f_hdr, "f_port": data.f_port.unwrap_or_default() });
            json!({ "m_hdr": { "m_type": m_type }, "mac_payload": mac_payload })
        }
        Form::JoinRequest(request) => json!({
            "m_hdr": { "m_type": "JOIN_REQUEST" },
            "join_request_payload": {
                "join_eui": request.join_eui.to_string(),
                "dev_eui": request.dev_eui.to_string(),
                "dev_nonce": format!("{:04X}", request.dev_nonce),
            },
        }),
        _ => Value::Null,
    }
}

fn reception(metadata: &RxMetadata) -> Value {
    json!({
        "gateway_ids": { "gateway_id": metadata.gateway_id.as_str() },
        "antenna_index": metadata.antenna_index,
        "timestamp": metadata.timestamp,
        "rssi": metadata.rssi,
        "channel_rssi": metadata.channel_rssi,
        "snr": metadata.snr,
        "channel_index": metadata.channel_index,
    })
}

fn data_rate(rate: &DataRate) -> Value {
    let (name, fields) = match rate {
        DataRate::Fsk { bit_rate } => ("fsk", json!({ "bit_rate": bit_rate })),
        DataRate::Lora { spreading_factor, bandwidth, coding_rate } => (
            "lora",
            json!({
                "spreading_factor": spreading_factor,
                "bandwidth": bandwidth,
                "coding_rate": coding_rate.as_str(),
            }),
        ),
        DataRate::LrFhss { modulation_type, operating_channel_width, coding_rate } => (
            "lrfhss",
            json!({
                "modulation_type": modulation_type,
                "operating_channel_width": operating_channel_width,
                "coding_rate": coding_rate.as_str(),
            }),
        ),
    };
    Value::Object(Map::from_iter([(name.to_owned(), fields)]))
}

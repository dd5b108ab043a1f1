//! Payload formatters: of the device, of the link, broken ones; tried out through the API.

use serde_json::{Value, json};

use crate::net::{Kind, Net};

const DECODES: &str = "function decodeUplink(input) {
    return { data: { air: { temperature: input.bytes[0] / 2 } }, warnings: ['from the script'] };
}
function encodeDownlink(input) { return { bytes: [input.data.led ? 1 : 0], fPort: 9 }; }
function decodeDownlink(input) { return { data: { led: input.bytes[0] === 1 } }; }";

fn script(script: &str) -> Value {
    json!({
        "up_formatter": "FORMATTER_JAVASCRIPT",
        "up_formatter_parameter": script,
        "down_formatter": "FORMATTER_JAVASCRIPT",
        "down_formatter_parameter": script,
    })
}

async fn set_link(net: &Net, formatters: Value) {
    let body = json!({
        "link": { "default_formatters": formatters },
        "field_mask": { "paths": ["default_formatters"] },
    });
    let path = format!("/as/applications/{}/link", net.app);
    net.sim.client().unwrap().put(&path, body).await.unwrap();
}

/// Sets the formatters of a device; `null` leaves them to the link.
async fn set_device(net: &Net, device: &str, formatters: Value) {
    let ids =
        json!({ "device_id": device, "application_ids": { "application_id": net.app.as_str() } });
    let body = json!({
        "end_device": { "ids": ids, "formatters": formatters },
        "field_mask": { "paths": ["formatters"] },
    });
    let path = format!("/as/applications/{}/devices/{device}", net.app);
    net.sim.client().unwrap().put(&path, body).await.unwrap();
}

async fn last_uplink(net: &Net) -> Value {
    net.messages("uplink_message").await.pop().unwrap()["uplink_message"].clone()
}

// AS-11, AS-12, AS-16
#[tokio::test(start_paused = true)]
async fn an_uplink_is_decoded_by_the_script_of_the_link() {
    let mut net = Net::start(61, 1).await;
    let device = net.abp("sensor", Kind::default()).await;
    set_device(&net, "sensor", Value::Null).await;
    set_link(&net, script(DECODES)).await;
    net.send(device, &[41], false).await;
    let uplink = last_uplink(&net).await;
    let measurement = json!({ "air": { "temperature": 20.5 } });
    assert_eq!(uplink["decoded_payload"], measurement);
    assert_eq!(uplink["decoded_payload_warnings"], json!(["from the script"]));
    assert_eq!(uplink["normalized_payload"], json!([measurement]));
    let normalized = net.messages("uplink_normalized").await;
    assert_eq!(normalized.len(), 1);
    assert_eq!(normalized[0]["uplink_normalized"]["normalized_payload"], measurement);
    let events = net.sim.events().unwrap();
    for name in ["as.up.data.decode.warning", "as.up.normalized.forward"] {
        assert!(events.iter().any(|(event, _)| event == name), "{name}");
    }
}

// AS-11
#[tokio::test(start_paused = true)]
async fn the_formatter_of_the_device_wins() {
    let mut net = Net::start(62, 1).await;
    let device = net.abp("sensor", Kind::default()).await;
    set_link(&net, script(DECODES)).await;
    let own = "function Decoder(bytes, port) { return { own: bytes.length, port: port }; }";
    set_device(&net, "sensor", script(own)).await;
    net.send(device, &[1, 2], false).await;
    assert_eq!(last_uplink(&net).await["decoded_payload"], json!({ "own": 2, "port": 1 }));
    assert!(net.messages("uplink_normalized").await.is_empty());
}

// AS-11, AS-13
#[tokio::test(start_paused = true)]
async fn broken_scripts_still_deliver() {
    let mut net = Net::start(63, 1).await;
    let device = net.abp("sensor", Kind::default()).await;
    let cases = [
        ("function decodeUplink() { while (true) {} }", "script_timeout"),
        ("function decodeUplink() { throw new Error('no'); }", "script"),
        ("function decodeUplink( {", "script"),
        ("", "entrypoint_not_found"),
        ("function decodeUplink() { return { errors: ['bad'] }; }", "output_errors"),
    ];
    for (index, (text, name)) in cases.into_iter().enumerate() {
        set_device(&net, "sensor", script(text)).await;
        net.send(device, &[7], false).await;
        let uplink = last_uplink(&net).await;
        assert_eq!(uplink["f_cnt"].as_u64().unwrap_or_default(), index as u64);
        assert_eq!(uplink["frm_payload"], "Bw==");
        assert!(uplink["decoded_payload"].is_null());
        let drops = net.drops();
        let failed = drops.iter().find(|(event, _)| event == "as.up.data.decode.fail");
        assert_eq!(failed.unwrap().1["reason"], name);
    }
}

// AS-12
#[tokio::test(start_paused = true)]
async fn formatters_that_are_not_there_are_named() {
    let mut net = Net::start(64, 1).await;
    let device = net.abp("sensor", Kind::default()).await;
    let formatters = [
        ("FORMATTER_REPOSITORY", "formatter_not_configured"),
        ("FORMATTER_GRPC_SERVICE", "formatter_address"),
    ];
    for (kind, reason) in formatters {
        set_device(&net, "sensor", json!({ "up_formatter": kind })).await;
        net.send(device, &[7], false).await;
        let drops = net.drops();
        let failed = drops.iter().find(|(event, _)| event == "as.up.data.decode.fail");
        assert_eq!(failed.unwrap().1["reason"], reason);
    }
    assert_eq!(net.f_cnts().await, [0, 1]);
}

// AS-22
#[tokio::test(start_paused = true)]
async fn a_downlink_is_encoded_by_the_script_and_reaches_the_device() {
    let mut net = Net::start(65, 1).await;
    let device = net.otaa("sensor", Kind::default()).await;
    set_device(&net, "sensor", script(DECODES)).await;
    net.join(device).await;
    net.send(device, &[1], false).await;
    let path = format!("/as/applications/{}/devices/sensor/down/push", net.app);
    let body = json!({ "downlinks": [{ "decoded_payload": { "led": true } }] });
    net.sim.client().unwrap().post(&path, body).await.unwrap();
    let heard = net.send(device, &[2], false).await;
    let down = heard.iter().find(|(_, data)| data.f_port == Some(9)).unwrap();
    assert_eq!(down.1.payload, [1]);
}

// AS-20
#[tokio::test(start_paused = true)]
async fn scripts_are_tried_out_through_the_api() {
    let net = Net::start(66, 1).await;
    let path = format!("/as/applications/{}/devices/any", net.app);
    let client = net.sim.client().unwrap();
    let body = |name: &str, message: Value, script: &str| {
        let mut body = json!({ "formatter": "FORMATTER_JAVASCRIPT", "parameter": script });
        body[name] = message;
        body
    };
    let lora = json!({ "bandwidth": 125_000, "spreading_factor": 7 });
    let settings = json!({ "data_rate": { "lora": lora }, "frequency": "868100000" });
    let uplink = json!({ "f_port": 1, "frm_payload": "KQ==", "settings": settings });
    let decoded = client
        .post(&format!("{path}/up/decode"), body("uplink", uplink.clone(), DECODES))
        .await
        .unwrap();
    assert_eq!(decoded["uplink"]["decoded_payload"], json!({ "air": { "temperature": 20.5 } }));
    let downlink = json!({ "decoded_payload": { "led": true } });
    let encoded =
        client.post(&format!("{path}/down/encode"), body("downlink", downlink, DECODES)).await;
    let encoded = encoded.unwrap()["downlink"].clone();
    assert_eq!((&encoded["frm_payload"], &encoded["f_port"]), (&json!("AQ=="), &json!(9)));
    let back = body("downlink", encoded, DECODES);
    let back = client.post(&format!("{path}/down/decode"), back).await.unwrap();
    assert_eq!(back["downlink"]["decoded_payload"], json!({ "led": true }));
    let broken = body("uplink", uplink, "function decodeUplink() { return { errors: ['bad'] }; }");
    let refused = client.post(&format!("{path}/up/decode"), broken).await.unwrap_err();
    assert_eq!(refused.name(), "output_errors");
}

// AS-13: larger than the reference takes
#[tokio::test(start_paused = true)]
async fn a_script_of_a_mebibyte_is_kept_and_a_larger_one_refused() {
    let mut net = Net::start(67, 1).await;
    let device = net.abp("sensor", Kind::default()).await;
    let mut text = format!("{DECODES}\n//");
    text.push_str(&"x".repeat(1024 * 1024 - text.len()));
    let one_too_many = format!("{text}x");
    set_device(
        &net,
        "sensor",
        json!({ "up_formatter": "FORMATTER_JAVASCRIPT", "up_formatter_parameter": text }),
    )
    .await;
    net.send(device, &[40], false).await;
    assert_eq!(last_uplink(&net).await["decoded_payload"], json!({ "air": { "temperature": 20 } }));
    let formatters =
        json!({ "up_formatter": "FORMATTER_JAVASCRIPT", "up_formatter_parameter": one_too_many });
    let body = json!({
        "link": { "default_formatters": formatters },
        "field_mask": { "paths": ["default_formatters"] },
    });
    let path = format!("/as/applications/{}/link", net.app);
    let refused = net.sim.client().unwrap().put(&path, body).await.unwrap_err();
    assert_eq!(refused.name(), "validation", "{refused:?}");
}

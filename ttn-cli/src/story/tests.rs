use serde_json::{Value, json};

use super::*;

const UPLINK: &[&str] = &["gs:uplink:01", "ns:uplink:02"];

/// An event of a device, or of a gateway if its name begins with `gs.`.
fn event(number: u64, millis: u64, name: &str, ids: &[&str], data: Value) -> Value {
    let identifiers = if name.starts_with("gs.") {
        json!({ "gateway_ids": { "gateway_id": "roof" } })
    } else {
        let application_ids = json!({ "application_id": "app" });
        json!({ "device_ids": { "device_id": "sensor", "application_ids": application_ids } })
    };
    json!({
        "name": name,
        "time": format!("2026-01-01T00:00:{:02}.{:03}Z", millis / 1000, millis % 1000),
        "identifiers": [identifiers],
        "correlation_ids": ids,
        "data": data,
        "unique_id": format!("{number:026}"),
    })
}

fn frame() -> Value {
    json!({
        "@type": "type.googleapis.com/ttn.lorawan.v3.UplinkMessage",
        "payload": { "mac_payload": { "f_hdr": { "dev_addr": "00001001", "f_cnt": 7 } } },
        "rx_metadata": [{ "gateway_ids": { "gateway_id": "roof" }, "rssi": -60, "snr": 9.5 }],
    })
}

fn reception() -> Value {
    let settings = json!({
        "data_rate": { "lora": { "spreading_factor": 7, "bandwidth": 125_000 } },
        "frequency": "868100000",
    });
    json!({
        "@type": "type.googleapis.com/ttn.lorawan.v3.GatewayUplinkMessage",
        "message": { "raw_payload": "AQID", "settings": settings, "rx_metadata": [{ "rssi": -60, "snr": 9.5 }] },
    })
}

fn value(value: Value) -> Value {
    json!({ "@type": "type.googleapis.com/google.protobuf.Value", "value": value })
}

fn reason(name: &str, message: &str, attributes: Value) -> Value {
    json!({
        "@type": "type.googleapis.com/ttn.lorawan.v3.ErrorDetails",
        "name": name,
        "message_format": message,
        "attributes": attributes,
    })
}

// EVT-07, DESIGN 3
#[test]
fn an_uplink_and_the_downlink_in_answer_are_one_tree() {
    let down = &["gs:uplink:01", "ns:uplink:02", "ns:downlink:03", "as:downlink:04"];
    let up = &["gs:uplink:01", "ns:uplink:02", "as:up:05"];
    let message = json!({
        "@type": "type.googleapis.com/ttn.lorawan.v3.ApplicationUp",
        "uplink_message": { "f_cnt": 7, "f_port": 1, "frm_payload": "AQ==" },
    });
    let scheduled = json!({ "gateway_id": "roof", "rx1": true, "rx2": false, "refused": [] });
    let transmitted = json!({ "gateway_id": "roof", "result": "Success" });
    let events = [
        event(1, 0, "gs.up.receive", &["gs:uplink:01"], reception()),
        event(2, 0, "gs.up.forward", &["gs:uplink:01"], value(json!({ "host": "cluster" }))),
        event(3, 0, "ns.up.data.receive", UPLINK, frame()),
        event(4, 200, "ns.up.data.process", UPLINK, frame()),
        event(5, 203, "as.up.data.forward", up, message),
        event(6, 203, "ns.down.data.schedule.attempt", down, value(json!({ "rx1": true }))),
        event(7, 203, "ns.down.data.schedule.success", down, value(scheduled)),
        event(8, 5100, "ns.down.transmission.success", down, value(transmitted)),
    ];
    let expected = "\
Uplink of app/sensor   2026-01-01 00:00:00.000 UTC
  → delivered to the application after 0.203 s
├─ Gateway Server
│  ├─ +0.000 s  roof: received: 3 octets, SF7BW125 at 868.1 MHz, -60 dBm / SNR 9.5
│  └─ +0.000 s  roof: forwarded to the Network Server
├─ Network Server
│  ├─ +0.000 s  first copy matched a device: DevAddr 00001001, FCnt 7; heard by roof -60 dBm / SNR 9.5
│  └─ +0.200 s  processed with all copies: DevAddr 00001001, FCnt 7; heard by roof -60 dBm / SNR 9.5
├─ Application Server
│  └─ +0.203 s  delivered to the application: FCnt 7, port 1, payload 01
└─ Downlink in answer
   ├─ → transmitted by roof after 4.897 s
   ├─ carries what the application asked for: as:downlink:04
   ├─ +0.203 s  offered to gateways: rx1
   ├─ +0.203 s  scheduled: gateway id roof, rx1
   └─ +5.100 s  transmitted: gateway id roof, result Success
";
    let mut shuffled = events.to_vec();
    shuffled.reverse();
    let told = tell(&shuffled);
    assert_eq!(told, expected, "\n{told}");
}

// DESIGN 3: a refusal names rule, numbers and the next time
#[test]
fn a_refusal_shows_every_rule_with_its_numbers() {
    let causes = json!([
        { "name": "duty_cycle", "message": "the sub-band is used up", "attributes": { "window": 1, "used": 0.0123, "retry_after": "41s" } },
        { "name": "conflict", "message": "another emission is planned", "attributes": { "window": 2 } },
    ]);
    let ids = &["gs:uplink:01", "ns:uplink:02", "ns:downlink:03"];
    let failed = reason(
        "schedule",
        "no path could take the downlink: one; two",
        json!({ "causes": causes }),
    );
    let story = tell(&[
        event(
            1,
            0,
            "ns.down.data.schedule.attempt",
            ids,
            value(json!({ "rx1": true, "rx2": true })),
        ),
        event(2, 1, "ns.down.data.schedule.fail", ids, failed),
    ]);
    let expected = "\
Downlink to app/sensor   2026-01-01 00:00:00.000 UTC
  → failed at the Network Server: not scheduled: schedule — no path could take the downlink
    • duty_cycle — the sub-band is used up (retry after 41s, used 0.012, window 1)
    • conflict — another emission is planned (window 2)
└─ Network Server
   ├─ +0.000 s  offered to gateways: rx1, rx2
   └─ +0.001 s  ✗ not scheduled: schedule — no path could take the downlink
                • duty_cycle — the sub-band is used up (retry after 41s, used 0.012, window 1)
                • conflict — another emission is planned (window 2)
";
    assert_eq!(story, expected, "\n{story}");
}

// EVT-07: a person reads numbers and channels
#[test]
fn a_mac_command_is_told_by_its_fields() {
    let mut request = json!({
        "@type": "type.googleapis.com/ttn.lorawan.v3.MACCommand.LinkADRReq",
        "data_rate_index": "DATA_RATE_5", "tx_power_index": 1, "nb_trans": 1,
    });
    request["channel_mask"] = json!([true, true, true, false]);
    let answer = json!({
        "@type": "type.googleapis.com/ttn.lorawan.v3.MACCommand.NewChannelAns",
        "frequency_ack": true, "data_rate_ack": false,
    });
    let story = tell(&[
        event(1, 0, "ns.mac.link_adr.request", UPLINK, request),
        event(2, 0, "ns.mac.new_channel.answer.reject", UPLINK, answer),
    ]);
    assert!(
        story.contains(
            "MAC link adr: request: channel mask 0 1 2, data rate index 5, nb trans 1, tx power index 1"
        ),
        "{story}"
    );
    assert!(
        story.contains(
            "MAC new channel: the device rejected: data rate refused, frequency accepted"
        ),
        "{story}"
    );
}

// Promise 2: a frame that was dropped has a reason that an operator can read
#[test]
fn a_dropped_uplink_says_who_dropped_it_and_why() {
    let dropped = reason("f_cnt_replayed", "FCnt 1 after 2", json!({ "gateways": 1 }));
    let story = tell(&[
        event(1, 0, "gs.up.receive", &["gs:uplink:01"], reception()),
        event(2, 200, "ns.up.data.drop", UPLINK, dropped),
    ]);
    let outcome =
        "  → dropped by the Network Server: dropped: f_cnt_replayed — FCnt 1 after 2 (gateways 1)";
    assert!(story.lines().any(|line| line == outcome), "{story}");
}

// NS-04: a late copy does not undo a delivery
#[test]
fn what_was_delivered_stays_delivered() {
    let late = reason("late_copy", "a copy 250 ms after the first", json!({}));
    let story = tell(&[
        event(1, 0, "ns.up.data.receive", UPLINK, frame()),
        event(2, 200, "as.up.data.forward", UPLINK, Value::Null),
        event(3, 250, "ns.up.data.drop", UPLINK, late),
    ]);
    assert!(story.contains("→ delivered to the application after 0.200 s"), "{story}");
    assert!(story.contains("✗ dropped: late_copy — a copy 250 ms after the first"), "{story}");
}

#[test]
fn nothing_is_no_story_and_a_lost_end_is_said() {
    assert_eq!(tell(&[]), "");
    let story = tell(&[event(1, 0, "gs.up.receive", &["gs:uplink:01"], reception())]);
    assert!(story.contains("no end is known; the last that is known: roof: received"), "{story}");
    assert!(story.starts_with("Uplink of an unknown device"), "{story}");
}

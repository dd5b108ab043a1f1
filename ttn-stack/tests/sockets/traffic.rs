//! Frames, messages and restarts.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    home::Home,
    mqtt::{self, Subscriber},
    network::{APPLICATION, Exchange, MUST_ANSWER, Network, Node},
};

const UPLINKS: &str = "v3/+/devices/+/up";
/// Cayenne LPP: 23.5 °C on channel 1.
pub(crate) const PAYLOAD: [u8; 4] = [1, 0x67, 0, 235];

/// The counter of an uplink message.
pub(crate) fn f_cnt(message: &Value) -> u64 {
    // JSON of the API leaves out what is 0.
    message["uplink_message"]["f_cnt"].as_u64().unwrap_or_default()
}

/// Checks that an answer is what RX1 demands, to the microsecond. // NS-24, NS-26, GS-62
fn assert_rx1(exchange: &Exchange, delay: u32) {
    let txpk = &exchange.answer.as_ref().unwrap().txpk;
    let tmst = exchange.tmst.wrapping_add(delay);
    assert_eq!(txpk["tmst"], tmst, "{txpk}");
    let freq = exchange.uplink.frequency.hz() as f64 / 1e6;
    assert!((txpk["freq"].as_f64().unwrap() - freq).abs() < 1e-6, "{txpk}");
    assert_eq!(txpk["datr"], exchange.uplink.data_rate.to_string(), "{txpk}");
    assert_eq!((&txpk["ipol"], &txpk["modu"]), (&json!(true), &json!("LORA")), "{txpk}");
    // 16 dBm radiated, without the 2.15 dB of a dipole.
    assert_eq!(txpk["powe"], 14, "{txpk}");
}

pub(crate) fn uplinks_reach_mqtt_and_downlinks_start_at_the_microsecond_of_rx1(home: &Home) {
    let mut network = Network::start_in(home);
    let fast = json!({ "rx1_delay": 1, "desired_rx1_delay": 1 });
    let devices = [
        (network.add_device("slow", 1, &Value::Null), 5_000_000),
        (network.add_device("fast", 2, &fast), 1_000_000),
    ];
    let subscriber = Subscriber::start(network.server.mqtt, APPLICATION, &network.api_key, UPLINKS);
    for (mut node, rx1_delay) in devices {
        let accept = network.join(&mut node);
        assert_rx1(&accept, 5_000_000);
        let (exchange, _) = network.send(&mut node, &PAYLOAD);
        if exchange.answer.is_some() {
            assert_rx1(&exchange, rx1_delay);
        }
        let message = subscriber.next();
        assert_eq!(message["end_device_ids"]["device_id"], node.name);
        assert_eq!((f_cnt(&message), &message["uplink_message"]["f_port"]), (0, &json!(1)));
        let decoded = &message["uplink_message"]["decoded_payload"];
        assert_eq!(decoded["temperature_1"], 23.5, "{message}");
        let gateway = &message["uplink_message"]["rx_metadata"][0];
        assert_eq!(gateway["gateway_ids"]["gateway_id"], "test-gateway");
        assert_eq!(gateway["rssi"], -57);

        network.push(&node, "AQID");
        let (exchange, heard) = network.send(&mut node, &PAYLOAD);
        assert_rx1(&exchange, rx1_delay);
        let heard = heard.unwrap();
        assert_eq!((heard.f_port, heard.payload.as_slice()), (Some(2), &[1, 2, 3][..]));
        assert_eq!(f_cnt(&subscriber.next()), 1);
    }
}

pub(crate) fn a_wrong_api_key_is_refused_by_the_broker() {
    let network = Network::start();
    let port = network.server.mqtt;
    let right = mqtt::try_subscribe(port, APPLICATION, &network.api_key);
    assert!(right.status.success(), "{right:?}");
    let (start, end) = network.api_key.split_at(network.api_key.len() - 1);
    let changed = format!("{start}{}", if end == "A" { "B" } else { "A" });
    for wrong in [changed.as_str(), "nonsense"] {
        let refused = mqtt::try_subscribe(port, APPLICATION, wrong);
        assert!(!refused.status.success(), "{wrong}: {refused:?}");
        let text = String::from_utf8_lossy(&refused.stderr).to_lowercase();
        assert!(text.contains("refused"), "{wrong}: {refused:?}");
    }
}

/// Joins a device and lets it send once.
pub(crate) fn with_session(home: &Home) -> (Network, Node) {
    let mut network = Network::start_in(home);
    let mut node = network.add_device("meter", 1, &Value::Null);
    network.join(&mut node);
    let subscriber = Subscriber::start(network.server.mqtt, APPLICATION, &network.api_key, UPLINKS);
    network.send(&mut node, &PAYLOAD);
    // It is written: whoever subscribes from now on does not get it.
    assert_eq!(f_cnt(&subscriber.next()), 0);
    (network, node)
}

/// What holds after every kind of restart: the session goes on, downlinks too, and an old frame stays old.
fn assert_goes_on(network: &mut Network, node: &mut Node, old: &Exchange, next: u64) {
    let subscriber = Subscriber::start(network.server.mqtt, APPLICATION, &network.api_key, UPLINKS);
    // NS-12: the old frame is not delivered again.
    network.transmit(old.uplink.clone(), MUST_ANSWER);
    network.push(node, "BAUG");
    let (exchange, heard) = network.send_within(node, &PAYLOAD, MUST_ANSWER);
    assert_rx1(&exchange, 5_000_000);
    assert_eq!(heard.unwrap().payload, [4, 5, 6]);
    assert_eq!(f_cnt(&subscriber.next()), next);
    assert_eq!(subscriber.next_within(Duration::from_millis(500)), None);
}

// Promise 4
pub(crate) fn an_ordered_restart_keeps_sessions(home: &Home) {
    let (mut network, mut node) = with_session(home);
    let (old, _) = network.send(&mut node, &PAYLOAD);
    let mut network = network.restart(|server| {
        let status = server.terminate();
        assert!(status.success(), "{status}");
    });
    assert_goes_on(&mut network, &mut node, &old, 2);
}

// Promise 1
pub(crate) fn a_kill_after_a_delivered_message_loses_nothing(home: &Home) {
    let (mut network, mut node) = with_session(home);
    let subscriber = Subscriber::start(network.server.mqtt, APPLICATION, &network.api_key, UPLINKS);
    let entropy = ttn_core::rand::OsEntropy::default();
    let uplink = node.mac.uplink(1, &PAYLOAD, false, &entropy).unwrap();
    let tmst = network.forwarder.forward(&uplink);
    assert_eq!(f_cnt(&subscriber.next()), 1);
    let data = network.data();
    let mut network = network.restart(|server| {
        server.kill();
        assert_eq!(home.logged(&data), [0, 1]);
    });
    drop(subscriber);
    let old = Exchange { uplink, tmst, answer: None };
    assert_goes_on(&mut network, &mut node, &old, 2);
    // The log once more: the restart has added exactly one uplink.
    network.restart(|server| {
        server.terminate();
        assert_eq!(home.logged(&data), [0, 1, 2]);
    });
}

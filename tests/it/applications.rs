//! What the Application Server does of its own accord: sends again, answers clocks, tells places.

use std::time::Duration;

use serde_json::{Value, json};
use ttn::{
    core::{clock::Clock as _, time::GpsTime},
    mac::device::ReceivedData,
    testkit::{Action, DeviceNo},
};

use crate::net::{Kind, NEAR, Net};

/// Lets a device send and hear nothing of the answer.
async fn send_deaf(net: &Net, device: DeviceNo) {
    net.sim.world.act(device, Action::Uplink { f_port: 1, payload: vec![], confirmed: false });
    net.sim.wait(Duration::from_millis(500)).await;
    let gateway = net.gateways[0];
    net.sim.world.with(|world, _| world.link(device, gateway, None));
    net.wait(10).await;
    net.sim.world.with(|world, _| world.link(device, gateway, Some(NEAR)));
}

// AS-26
#[tokio::test(start_paused = true)]
async fn a_confirmed_downlink_is_sent_again_eight_times_and_then_given_up() {
    let mut net = Net::start(91, 1).await;
    let device = net.otaa("sensor", Kind::default()).await;
    net.join(device).await;
    // The network has nothing of its own to say any more: that would go first.
    net.send(device, &[], false).await;
    net.send(device, &[], false).await;
    net.push("sensor", "aGVsbG8=", true).await;
    let given_up = |net: &Net| {
        let drops = net.drops();
        drops.into_iter().find(|(name, _)| name == "as.down.data.drop")
    };
    let mut uplinks = 0;
    let (_, data) = loop {
        uplinks += 1;
        assert!(uplinks < 40);
        send_deaf(&net, device).await;
        if let Some(found) = given_up(&net) {
            break found;
        }
    };
    assert_eq!(data["max_retries"], 8, "{data}");
    let sent = net.messages("downlink_sent").await;
    let counters: Vec<_> = sent.iter().map(|it| it["downlink_sent"]["f_cnt"].as_u64()).collect();
    assert_eq!(counters.len(), 9, "{counters:?}");
    assert!(counters.is_sorted_by(|one, next| one < next), "a new counter each time: {counters:?}");
    assert_eq!(net.messages("downlink_nack").await.len(), 9);
    assert!(net.queue("sensor").await.is_empty());

    // An acknowledged one is not sent again.
    net.push("sensor", "d29ybGQ=", true).await;
    net.send(device, &[], false).await;
    net.send(device, &[], false).await;
    net.send(device, &[], false).await;
    assert_eq!(net.messages("downlink_ack").await.len(), 1);
    assert_eq!(net.messages("downlink_sent").await.len(), 10);
}

// AS-53, AS-56
#[tokio::test(start_paused = true)]
async fn a_device_whose_clock_is_off_is_told_by_how_much() {
    let mut net = Net::start(92, 1).await;
    let device = net.abp("sensor", Kind::default()).await;
    let association = json!({
        "default": { "package_name": "alcsync-v1" },
        "field_mask": { "paths": ["package_name"] },
    });
    let path = format!("/as/applications/{}/packages/associations/202", net.app);
    net.sim.client().unwrap().put(&path, association).await.unwrap();
    net.wait(1).await;
    let ask = |net: &Net, behind: u32, token: u8| {
        let now = GpsTime::from_utc(net.sim.clock.utc()).nanos() / 1_000_000_000;
        let its_time = u32::try_from(now).unwrap() - behind;
        let mut payload = vec![0x01];
        payload.extend(its_time.to_le_bytes());
        payload.push(token);
        net.sim.world.act(device, Action::Uplink { f_port: 202, payload, confirmed: false });
    };
    // Two seconds off are not told unless the device wants it so.
    ask(&net, 2, 0x03);
    net.wait(10).await;
    let is_answer = |(_, data): &(usize, ReceivedData)| data.f_port == Some(202);
    assert!(!net.send(device, &[], false).await.iter().any(is_answer));
    ask(&net, 10, 0x05);
    net.wait(10).await;
    let heard = net.send(device, &[], false).await;
    let (_, answer) = heard.iter().find(|heard| is_answer(heard)).unwrap();
    assert_eq!((answer.payload[0], answer.payload[5] & 0x0F), (0x01, 0x05), "{answer:?}");
    let correction = i32::from_le_bytes(answer.payload[1..5].try_into().unwrap());
    assert!((9..=10).contains(&correction), "{correction}");
    let events = net.sim.events().unwrap();
    let answered = "as.packages.alcsync.v1.time_correction.answer_enqueued";
    assert_eq!(events.iter().filter(|(name, _)| name == answered).count(), 1);
}

// AS-17
#[tokio::test(start_paused = true)]
async fn a_place_in_a_payload_is_told_registered_and_comes_with_later_uplinks() {
    let mut net = Net::start(93, 1).await;
    let device = net.abp("sensor", Kind::default()).await;
    // Cayenne: a GPS position on channel 1.
    let place = [0x01, 0x88, 0x06, 0x76, 0x5F, 0xF2, 0x96, 0x0A, 0x00, 0x03, 0xE8];
    net.send(device, &place, false).await;
    let solved = net.messages("location_solved").await;
    let solved = &solved[0]["location_solved"];
    assert_eq!(solved["service"], "frm-payload");
    let near = |value: &Value, expected: f64| (value.as_f64().unwrap() - expected).abs() < 1e-6;
    let location = &solved["location"];
    assert!(near(&location["latitude"], 42.3519) && near(&location["longitude"], -87.9094));
    net.wait(120).await;
    let path = format!("/applications/{}/devices/sensor?field_mask=locations", net.app);
    let registered = net.sim.client().unwrap().get(&path).await.unwrap();
    let registered = &registered["locations"]["frm-payload"];
    assert!(near(&registered["latitude"], 42.3519), "{registered}");
    net.send(device, &[], false).await;
    let last = net.messages("uplink_message").await.pop().unwrap();
    let known = &last["uplink_message"]["locations"]["frm-payload"];
    assert!(near(&known["longitude"], -87.9094), "{last}");
}

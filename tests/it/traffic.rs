//! Uplinks and downlinks.

use ttn::{core::version::MacVersion, testkit::Action};

use crate::net::{Kind, Net};

// NS-02, promise 3
#[tokio::test(start_paused = true)]
async fn three_gateways_make_one_message_with_three_receptions() {
    let mut net = Net::start(11, 3).await;
    let device = net.abp("sensor", Kind::default()).await;
    net.send(device, &[1], false).await;
    let uplinks = net.messages("uplink_message").await;
    assert_eq!(uplinks.len(), 1);
    let metadata = uplinks[0]["uplink_message"]["rx_metadata"].as_array().unwrap();
    assert_eq!(metadata.len(), 3);
}

// NS-12, NS-87
#[tokio::test(start_paused = true)]
async fn a_confirmed_uplink_is_acknowledged_once() {
    let mut net = Net::start(12, 2).await;
    let device = net.abp("sensor", Kind::default()).await;
    let heard = net.send(device, &[1], true).await;
    assert_eq!(heard.len(), 1, "{:?}", net.sim.events().unwrap());
    assert!(heard[0].1.ack);
    net.wait(30).await;
    assert_eq!(net.f_cnts().await, [0]);
}

// NS-87, NS-93, AS-21, AS-28
#[tokio::test(start_paused = true)]
async fn a_confirmed_downlink_is_queued_sent_and_acknowledged() {
    let mut net = Net::start(13, 1).await;
    let device = net.otaa("sensor", Kind::default()).await;
    net.join(device).await;
    net.send(device, &[1], false).await;
    net.push("sensor", "AQI=", true).await;
    assert_eq!(net.messages("downlink_queued").await.len(), 1);
    let heard = net.send(device, &[2], false).await;
    let down = heard.iter().find(|(_, data)| data.f_port == Some(2)).unwrap();
    assert_eq!(down.1.payload, [1, 2]);
    assert!(down.1.confirmed);
    assert_eq!(net.messages("downlink_sent").await.len(), 1, "{:?}", net.sim.events().unwrap());
    net.send(device, &[3], false).await;
    let acks = net.messages("downlink_ack").await;
    assert_eq!(acks.len(), 1, "{:?}", net.sim.events().unwrap());
    assert_eq!(acks[0]["downlink_ack"]["frm_payload"], "AQI=");
}

// The same with the key set and counters of 1.1
#[tokio::test(start_paused = true)]
async fn downlinks_reach_a_device_of_1_1() {
    let mut net = Net::start(14, 1).await;
    let device = net.otaa("sensor", Kind { version: MacVersion::V1_1, ..Kind::default() }).await;
    net.join(device).await;
    net.send(device, &[1], false).await;
    for (pushed, payload) in [("AQ==", 1_u8), ("Ag==", 2), ("Aw==", 3)] {
        net.push("sensor", pushed, true).await;
        let heard = net.send(device, &[1], true).await;
        let down = heard.iter().find(|(_, data)| data.f_port == Some(2));
        let (_, data) = down.unwrap_or_else(|| panic!("{heard:?} {:?}", net.sim.events().unwrap()));
        assert_eq!(data.payload, [payload]);
        assert!(data.ack);
    }
    net.send(device, &[1], false).await;
    assert_eq!(net.messages("downlink_ack").await.len(), 3);
}

// NS-45
#[tokio::test(start_paused = true)]
async fn link_check_and_device_time_are_answered() {
    use ttn::mac::command::Command;
    let mut net = Net::start(15, 2).await;
    let device = net.abp("sensor", Kind::default()).await;
    net.sim.world.act(device, Action::Request(Command::LinkCheckReq));
    net.sim.world.act(device, Action::Request(Command::DeviceTimeReq));
    let heard = net.send(device, &[1], false).await;
    let commands: Vec<_> = heard.iter().flat_map(|(_, data)| data.commands.clone()).collect();
    let gateways = commands.iter().find_map(|command| match command {
        Command::LinkCheckAns { gateway_count, .. } => Some(*gateway_count),
        _ => None,
    });
    assert_eq!(gateways, Some(2), "{commands:?}");
    // 2026-01-01T00:00:00Z is GPS second 1 451 260 818; the uplink ends about a second later.
    let time = commands.iter().find_map(|command| match command {
        Command::DeviceTimeAns { gps_seconds, .. } => Some(*gps_seconds),
        _ => None,
    });
    assert_eq!(time.map(|seconds| seconds / 10), Some(145_126_081), "{commands:?}");
}

// Promise: the same seed gives the same events
#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_run() {
    let (first, second) = (run(42).await, run(42).await);
    assert_eq!(first, second);
    assert_ne!(first.1, run(43).await.1);
}

async fn run(seed: u64) -> (Vec<String>, Vec<ttn::testkit::Happened>) {
    let mut net = Net::start(seed, 2).await;
    let device = net.otaa("sensor", Kind::default()).await;
    net.join(device).await;
    for _ in 0..3 {
        net.push("sensor", "AQ==", false).await;
        net.send(device, &[7], true).await;
    }
    let events = net.sim.events().unwrap();
    let happened = net.sim.world.happened_since(0).into_iter().map(|(_, what)| what).collect();
    (events.into_iter().map(|(name, data)| format!("{name} {data}")).collect(), happened)
}

// AS-21, NS-31: a session without a session key id
#[tokio::test(start_paused = true)]
async fn an_abp_device_hears_a_downlink() {
    let mut net = Net::start(16, 1).await;
    let device = net.abp("sensor", Kind::default()).await;
    net.push("sensor", "AQI=", false).await;
    let mut heard = net.send(device, &[1], false).await;
    heard.extend(net.send(device, &[1], false).await);
    let down = heard.iter().find(|(_, data)| data.f_port == Some(2));
    let (_, data) = down.unwrap_or_else(|| panic!("{heard:?} {:#?}", net.drops()));
    assert_eq!(data.payload, [1, 2]);
    assert_eq!(net.messages("downlink_sent").await.len(), 1);
}

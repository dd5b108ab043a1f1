//! Joining, sessions and counters.

use ttn::{core::version::MacVersion, testkit::Happened};

use crate::net::{Kind, Net};

async fn joins_and_is_heard(kind: Kind) {
    let mut net = Net::start(1, 1).await;
    let device = net.otaa("sensor", kind).await;
    net.join(device).await;
    let joins = net.messages("join_accept").await;
    assert_eq!(joins.len(), 1, "{:?}", net.sim.events().unwrap());
    net.send(device, &[1, 0x67, 0, 250], false).await;
    let uplinks = net.messages("uplink_message").await;
    assert_eq!(uplinks.len(), 1, "{:?}", net.sim.events().unwrap());
    let uplink = &uplinks[0]["uplink_message"];
    assert_eq!(uplink["decoded_payload"]["temperature_1"], 25.0, "{uplink}");
    assert_eq!(uplink["frm_payload"], "AWcA+g==");
    assert!(uplinks[0]["end_device_ids"]["dev_addr"].is_string());
}

// NS-22, NS-24, JS-01, AS-15
#[tokio::test(start_paused = true)]
async fn an_otaa_device_of_1_0_2_joins_and_its_uplink_arrives_decoded() {
    joins_and_is_heard(Kind { version: MacVersion::V1_0_2, ..Kind::default() }).await;
}

// NS-22
#[tokio::test(start_paused = true)]
async fn an_otaa_device_of_1_0_3_joins_and_its_uplink_arrives_decoded() {
    joins_and_is_heard(Kind::default()).await;
}

// NS-22; real devices, fact 4: the first FCntUp may be 1
#[tokio::test(start_paused = true)]
async fn an_otaa_device_of_1_0_4_joins_and_its_uplink_arrives_decoded() {
    let kind = Kind { version: MacVersion::V1_0_4, first_f_cnt_up: 1, ..Kind::default() };
    joins_and_is_heard(kind).await;
}

// NS-30
#[tokio::test(start_paused = true)]
async fn an_otaa_device_of_1_1_joins_and_its_uplink_arrives_decoded() {
    joins_and_is_heard(Kind { version: MacVersion::V1_1, ..Kind::default() }).await;
}

// NS-31
#[tokio::test(start_paused = true)]
async fn an_abp_device_is_heard_without_joining() {
    let mut net = Net::start(2, 1).await;
    let device = net.abp("sensor", Kind::default()).await;
    net.send(device, &[1, 0x67, 0, 250], false).await;
    assert_eq!(net.f_cnts().await, [0]);
}

// NS-31: ResetInd is confirmed and not sent again
#[tokio::test(start_paused = true)]
async fn an_abp_device_of_1_1_resets() {
    let mut net = Net::start(2, 1).await;
    let device = net.abp("sensor", Kind { version: MacVersion::V1_1, ..Kind::default() }).await;
    let heard = net.send(device, &[1, 0x67, 0, 250], false).await;
    assert_eq!(heard.len(), 1, "{:?}", net.sim.events().unwrap());
    let names: Vec<_> = heard[0].1.commands.iter().map(|command| command.name()).collect();
    assert!(names.contains(&"ResetConf"), "{names:?}");
}

// US915: fixed channel plan, RX1 on 500 kHz
#[tokio::test(start_paused = true)]
async fn a_device_in_us915_joins_and_hears_a_downlink() {
    let mut net = Net::start(3, 0).await;
    net.add_gateway("gateway-us", "US_902_928_FSB_2").await;
    net.wait(1).await;
    let version = MacVersion::V1_0_2;
    let kind = Kind { version, plan: "US_902_928_FSB_2", data_rate: 3, ..Kind::default() };
    let device = net.otaa("sensor", kind).await;
    net.join(device).await;
    net.send(device, &[1], false).await;
    net.push("sensor", "AQI=", false).await;
    let heard = net.send(device, &[2], false).await;
    assert!(heard.iter().any(|(_, data)| data.payload == [1, 2]), "{heard:?}");
}

// NS-08
#[tokio::test(start_paused = true)]
async fn the_counter_of_uplinks_rolls_over_at_65535() {
    let mut net = Net::start(4, 1).await;
    let device = net.abp("sensor", Kind::default()).await;
    // Up to 1.0.3 the gap is limited (NS-09), so the counter is brought near the end in steps.
    for f_cnt in [16_000, 32_000, 48_000, 64_000, 65_535] {
        net.mac(device, |mac| mac.set_next_f_cnt_up(f_cnt));
        net.send(device, &[1], false).await;
    }
    net.send(device, &[1], false).await;
    let expected = [16_000, 32_000, 48_000, 64_000, 65_535, 65_536];
    assert_eq!(net.f_cnts().await, expected, "{:#?}", net.drops());
}

// JS-05, promise 4
#[tokio::test(start_paused = true)]
async fn a_replayed_join_is_refused_with_a_reason() {
    let mut net = Net::start(5, 1).await;
    let device = net.otaa("sensor", Kind::default()).await;
    net.join(device).await;
    let Happened::Sent(_, phy, frequency, data_rate) = net.last_sent(device) else { panic!() };
    net.sim.events().unwrap();
    net.wait(60).await;
    let gateway = net.gateways[0];
    net.sim.world.with(|world, now| world.replay(now, gateway, &phy, frequency, &data_rate));
    net.wait(10).await;
    assert_eq!(net.messages("join_accept").await.len(), 1);
    let events = net.sim.events().unwrap();
    let refused =
        events.iter().find(|(name, _)| name == "ns.up.join.drop" || name == "js.join.reject");
    let (_, data) = refused.unwrap_or_else(|| panic!("{events:?}"));
    assert!(data.to_string().contains("dev_nonce"), "{data}");
}

// NS-12, promise 2
#[tokio::test(start_paused = true)]
async fn a_replayed_uplink_is_refused_with_a_reason() {
    let mut net = Net::start(6, 1).await;
    let device = net.abp("sensor", Kind::default()).await;
    net.send(device, &[1], false).await;
    let Happened::Sent(_, phy, frequency, data_rate) = net.last_sent(device) else { panic!() };
    net.send(device, &[2], false).await;
    net.sim.events().unwrap();
    let gateway = net.gateways[0];
    net.sim.world.with(|world, now| world.replay(now, gateway, &phy, frequency, &data_rate));
    net.wait(10).await;
    assert_eq!(net.f_cnts().await, [0, 1]);
    let events = net.sim.events().unwrap();
    let drop = events.iter().find(|(name, _)| name == "ns.up.data.drop");
    assert!(drop.is_some(), "{events:?}");
}

// AS-24, NS-29
#[tokio::test(start_paused = true)]
async fn a_device_that_joins_again_keeps_its_queue() {
    let mut net = Net::start(7, 1).await;
    let device = net.otaa("sensor", Kind::default()).await;
    net.join(device).await;
    net.send(device, &[1], false).await;
    net.push("sensor", "AQ==", false).await;
    net.push("sensor", "Ag==", false).await;
    net.join(device).await;
    let mut payloads = Vec::new();
    for _ in 0..4 {
        let heard = net.send(device, &[1], false).await;
        payloads.extend(
            heard.into_iter().filter(|(_, it)| it.f_port == Some(2)).map(|(_, it)| it.payload),
        );
    }
    assert_eq!(payloads, [[1], [2]], "{:?}", net.sim.events().unwrap());
}

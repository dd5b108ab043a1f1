//! MQTT clients in memory (AS-32 to AS-36).

use std::time::Duration;

use futures::StreamExt as _;
use rmqtt_codec::{
    types::QoS,
    v3::{ConnectAckReason, Packet, SubscribeReturnCode},
};
use ttn_as::Config;

use crate::world::{World, settle, uplink};

// AS-33
#[tokio::test(start_paused = true)]
async fn an_uplink_reaches_a_client_as_clear_json() {
    let world = World::new().await;
    let mut client = world.connect("read").await;
    let ack = client.subscribe("v3/+/devices/+/up").await;
    let Packet::SubscribeAck { status, .. } = ack else { panic!("{ack:?}") };
    assert_eq!(status, [SubscribeReturnCode::Success(QoS::AtLeastOnce)]);
    world.deliver(vec![uplink(1, b"hello")]);
    let (topic, json) = client.message().await;
    assert_eq!(topic, "v3/my-app/devices/my-dev/up");
    assert_eq!(json["end_device_ids"]["device_id"], "my-dev");
    assert_eq!(json["end_device_ids"]["dev_addr"], "26010203");
    let uplink = &json["uplink_message"];
    assert_eq!(uplink["frm_payload"], "aGVsbG8=");
    assert_eq!((&uplink["f_port"], &uplink["f_cnt"]), (&2.into(), &1.into()));
    assert_eq!(uplink["settings"]["data_rate"]["lora"]["spreading_factor"], 7);
    assert_eq!(uplink["settings"]["frequency"], "868100000");
    assert_eq!(uplink["rx_metadata"][0]["gateway_ids"]["eui"], "58A0CBFFFE800001");
    assert_eq!(json["received_at"], "2026-11-18T11:06:40.123456789Z");
}

// DESIGN 4
#[tokio::test(start_paused = true)]
async fn nothing_is_published_before_it_is_durable() {
    let world = World::new().await;
    let mut client = world.connect("read").await;
    client.subscribe("#").await;
    world.log.hold();
    world.deliver(vec![uplink(1, b"x")]);
    assert!(client.is_silent().await);
    world.log.release();
    assert_eq!(client.message().await.1["uplink_message"]["f_cnt"], 1);
}

// AS-36
#[tokio::test(start_paused = true)]
async fn wrong_keys_and_foreign_applications_are_not_authorized() {
    let world = World::new().await;
    for (user, key) in [("my-app", "wrong"), ("other-app", "full"), ("No Id", "full")] {
        let (mut client, code) = world.try_connect(user, key, 0).await;
        assert_eq!(code, ConnectAckReason::NotAuthorized, "{user} {key}");
        assert!(client.0.next().await.is_none(), "the connection is closed");
    }
    *world.access.away.lock() = true;
    let (_, code) = world.try_connect("my-app", "full", 0).await;
    assert_eq!(code, ConnectAckReason::ServiceUnavailable);
}

// AS-33
#[tokio::test(start_paused = true)]
async fn foreign_filters_fail_and_filters_without_the_right_stay_silent() {
    let world = World::new().await;
    let mut client = world.connect("write").await;
    let Packet::SubscribeAck { status, .. } = client.subscribe("v3/other-app/#").await else {
        panic!("no SUBACK")
    };
    assert_eq!(status, [SubscribeReturnCode::Failure]);
    let Packet::SubscribeAck { status, .. } = client.subscribe("#").await else {
        panic!("no SUBACK")
    };
    assert_eq!(status, [SubscribeReturnCode::Success(QoS::AtLeastOnce)]);
    world.deliver(vec![uplink(1, b"x")]);
    assert!(client.is_silent().await);
}

// AS-30; DESIGN promise 9
#[tokio::test(start_paused = true)]
async fn a_slow_client_loses_messages_and_others_do_not() {
    let world = World::empty(Config { reader_lag_max: 16, ..Config::default() }).await;
    world.add_device(None).await;
    let mut slow = world.connect("read").await;
    slow.subscribe("#").await;
    let mut fast = world.connect("read").await;
    fast.subscribe("#").await;
    for f_cnt in 1..=100 {
        world.deliver(vec![uplink(f_cnt, b"payload")]);
        assert_eq!(fast.message().await.1["uplink_message"]["f_cnt"], f_cnt);
    }
    let mut got = Vec::new();
    while let Ok(message) = tokio::time::timeout(Duration::from_millis(50), slow.message()).await {
        got.push(message.1["uplink_message"]["f_cnt"].as_u64().unwrap());
    }
    assert!(got.len() < 100, "the slow client lost messages");
    assert_eq!(got.last(), Some(&100));
    assert!(got.is_sorted(), "what it got is in order: {got:?}");
}

// AS-32
#[tokio::test(start_paused = true)]
async fn every_quality_of_service_is_acknowledged() {
    let world = World::new().await;
    let mut client = world.connect("full").await;
    let body = r#"{"downlinks":[{"f_port":1,"frm_payload":"AQ=="}]}"#;
    let topic = "v3/my-app/devices/my-dev/down/push";
    client.publish(topic, QoS::AtLeastOnce, body).await;
    assert!(matches!(client.packet().await, Packet::PublishAck { .. }));
    for _ in 0..2 {
        // The second one is a repetition, and not queued again.
        client.publish(topic, QoS::ExactlyOnce, body).await;
        assert!(matches!(client.packet().await, Packet::PublishReceived { .. }));
    }
    assert_eq!(world.ns.pushed.lock().len(), 2);
}

// AS-32
#[tokio::test(start_paused = true)]
async fn a_silent_client_is_closed_after_one_and_a_half_keep_alives() {
    let world = World::new().await;
    let (mut client, _) = world.try_connect("my-app", "read", 10).await;
    let start = tokio::time::Instant::now();
    assert!(client.0.next().await.is_none());
    assert_eq!(start.elapsed().as_secs(), 15);
}

#[tokio::test(start_paused = true)]
async fn an_undecodable_downlink_is_dropped_and_the_session_goes_on() {
    let world = World::new().await;
    let mut client = world.connect("full").await;
    client.subscribe("#").await;
    client.publish("v3/my-app/devices/my-dev/down/push", QoS::AtMostOnce, "{").await;
    client.publish("v3/other-app/devices/my-dev/down/push", QoS::AtMostOnce, "{}").await;
    settle().await;
    world.deliver(vec![uplink(1, b"x")]);
    assert_eq!(client.message().await.1["uplink_message"]["f_cnt"], 1);
    assert!(world.ns.pushed.lock().is_empty());
}

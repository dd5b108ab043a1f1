//! MQTT clients at QoS 1: acknowledgements, sessions that outlive connections, and many clients.

use std::time::Duration;

use rmqtt_codec::{
    types::QoS,
    v3::{Connect, ConnectAckReason, Packet},
};
use ttn_as::{Config, config::RetentionConfig, integration::mqtt::SESSIONS_MAX};

use crate::world::{Client, World, connect_packet, settle, uplink};

const UPLINKS: [&str; 1] = ["v3/my-app/devices/+/up"];

/// Takes the messages with these counters, unmarked, and acknowledges them.
async fn take(client: &mut Client, f_cnts: std::ops::RangeInclusive<u64>) {
    for expected in f_cnts {
        let (id, dup, f_cnt) = client.received().await;
        assert_eq!((f_cnt, dup), (expected, false));
        client.acknowledge(id.unwrap()).await;
    }
}

async fn subscribed(world: &World, client_id: &str) -> Client {
    let (mut client, is_present) = world.resume(client_id).await;
    assert!(!is_present);
    client.subscribe_at(QoS::AtLeastOnce, &UPLINKS).await;
    client
}

fn deliver(world: &World, f_cnts: std::ops::RangeInclusive<u32>) {
    for f_cnt in f_cnts {
        world.deliver(vec![uplink(f_cnt, b"payload")]);
    }
}

// AS-32: no more than the window is under way
#[tokio::test(start_paused = true)]
async fn sixty_four_messages_may_wait_for_their_acknowledgement() {
    let world = World::new().await;
    let mut client = world.connect("read").await;
    client.subscribe_at(QoS::AtLeastOnce, &UPLINKS).await;
    deliver(&world, 1..=70);
    let mut ids = Vec::new();
    for _ in 0..64 {
        ids.push(client.received().await.0.unwrap());
    }
    assert!(client.is_silent().await);
    client.acknowledge(ids[1]).await;
    assert!(client.is_silent().await, "the oldest is still under way");
    client.acknowledge(ids[0]).await;
    assert_eq!(client.received().await.2, 65);
    assert_eq!(client.received().await.2, 66);
    assert!(client.is_silent().await);
}

#[tokio::test(start_paused = true)]
async fn what_came_while_a_client_was_away_is_sent_once() {
    let world = World::new().await;
    let mut client = subscribed(&world, "node-red").await;
    deliver(&world, 1..=2);
    take(&mut client, 1..=2).await;
    drop(client);
    settle().await;
    deliver(&world, 3..=200);
    let (mut client, is_present) = world.resume("node-red").await;
    assert!(is_present);
    take(&mut client, 3..=200).await;
    deliver(&world, 201..=201);
    take(&mut client, 201..=201).await;
}

// MQTT 3.1.1 §4.4
#[tokio::test(start_paused = true)]
async fn what_was_not_acknowledged_is_sent_again_with_dup_and_the_same_id() {
    let world = World::new().await;
    let mut client = subscribed(&world, "node-red").await;
    deliver(&world, 1..=3);
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(client.received().await.0.unwrap());
    }
    client.acknowledge(ids[1]).await;
    settle().await;
    drop(client);
    deliver(&world, 4..=4);
    let (mut client, is_present) = world.resume("node-red").await;
    assert!(is_present);
    assert_eq!(client.received().await, (Some(ids[0]), true, 1));
    assert_eq!(client.received().await, (Some(ids[2]), true, 3));
    take(&mut client, 4..=4).await;
}

// DESIGN promise 3
#[tokio::test(start_paused = true)]
async fn after_the_process_was_killed_every_message_comes_once_or_marked() {
    let world = World::new().await;
    let mut client = subscribed(&world, "node-red").await;
    deliver(&world, 1..=4);
    take(&mut client, 1..=4).await;
    // The place is stored.
    tokio::time::sleep(Duration::from_secs(6)).await;
    deliver(&world, 5..=8);
    // Acknowledged, but the place is not stored yet.
    take(&mut client, 5..=6).await;
    settle().await;
    let world = world.restarted(None).await;
    let (mut client, is_present) = world.resume("node-red").await;
    assert!(is_present);
    for expected in 5..=8 {
        let (id, dup, f_cnt) = client.received().await;
        assert_eq!((f_cnt, dup), (expected, true));
        client.acknowledge(id.unwrap()).await;
    }
    assert!(client.is_silent().await);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_left_in_order_gets_nothing_marked_after_a_restart() {
    let world = World::new().await;
    let mut client = subscribed(&world, "node-red").await;
    deliver(&world, 1..=2);
    take(&mut client, 1..=2).await;
    drop(client);
    settle().await;
    deliver(&world, 3..=4);
    settle().await;
    let world = world.restarted(None).await;
    let (mut client, _) = world.resume("node-red").await;
    take(&mut client, 3..=4).await;
}

// MQTT 3.1.1 §3.1.4
#[tokio::test(start_paused = true)]
async fn a_second_connection_with_the_same_client_id_takes_over() {
    let world = World::new().await;
    let mut first = subscribed(&world, "node-red").await;
    deliver(&world, 1..=1);
    let (id, ..) = first.received().await;
    let (mut second, is_present) = world.resume("node-red").await;
    assert!(is_present);
    assert!(first.is_closed_within(Duration::from_secs(1)).await);
    assert_eq!(second.received().await, (id, true, 1));
    deliver(&world, 2..=2);
    take(&mut second, 2..=2).await;
    let clean = Connect { client_id: "node-red".into(), ..connect_packet("my-app", "read") };
    let (mut third, ack) = world.connect_with(clean).await;
    assert!(!ack.session_present);
    assert!(second.is_closed_within(Duration::from_secs(1)).await);
    assert!(third.is_silent().await, "it begins with nothing");
    drop(third);
    settle().await;
    assert!(!world.resume("node-red").await.1, "a clean connection ended the session");
}

#[tokio::test(start_paused = true)]
async fn clients_without_an_id_live_side_by_side() {
    let world = World::new().await;
    let (mut first, mut second) = (world.connect("read").await, world.connect("read").await);
    first.subscribe_at(QoS::AtLeastOnce, &UPLINKS).await;
    second.subscribe_at(QoS::AtLeastOnce, &UPLINKS).await;
    deliver(&world, 1..=1);
    take(&mut first, 1..=1).await;
    take(&mut second, 1..=1).await;
}

#[tokio::test(start_paused = true)]
async fn a_session_ends_a_day_after_its_client_left() {
    let world = World::new().await;
    drop(subscribed(&world, "a").await);
    settle().await;
    tokio::time::sleep(Duration::from_secs(23 * 3600)).await;
    let (client, is_present) = world.resume("a").await;
    assert!(is_present);
    drop(client);
    settle().await;
    tokio::time::sleep(Duration::from_secs(24 * 3600 + 60)).await;
    assert_eq!(world.server.mqtt_counters().expired, 1);
    let world = world.restarted(None).await;
    assert!(!world.resume("a").await.1, "the store has forgotten it too");
}

// AS-36
#[tokio::test(start_paused = true)]
async fn an_application_has_a_thousand_sessions_at_most() {
    let world = World::new().await;
    for number in 0..SESSIONS_MAX {
        drop(world.resume(&format!("client-{number}")).await);
    }
    let connect = |id: &str, clean_session| Connect {
        clean_session,
        client_id: id.into(),
        ..connect_packet("my-app", "full")
    };
    let code = world.connect_with(connect("one-more", false)).await.1.return_code;
    assert_eq!(code, ConnectAckReason::ServiceUnavailable);
    assert!(world.resume("client-7").await.1, "those that are there may come back");
    drop(world.connect_with(connect("client-8", true)).await);
    settle().await;
    let code = world.connect_with(connect("one-more", false)).await.1.return_code;
    assert_eq!(code, ConnectAckReason::ConnectionAccepted);
}

// DESIGN 4: one counted gap
#[tokio::test(start_paused = true)]
async fn a_client_that_comes_too_late_gets_what_is_left() {
    let retention =
        RetentionConfig { age: Duration::from_secs(3600), ..RetentionConfig::default() };
    let world = World::empty(Config { retention, ..Config::default() }).await;
    world.add_device(None).await;
    let mut client = subscribed(&world, "late").await;
    deliver(&world, 1..=2);
    client.received().await;
    drop(client);
    settle().await;
    // The messages of this world are of a fixed day in the past.
    tokio::time::sleep(Duration::from_secs(61)).await;
    deliver(&world, 3..=4);
    let (mut client, is_present) = world.resume("late").await;
    assert!(is_present);
    take(&mut client, 3..=4).await;
    assert_eq!(world.server.mqtt_counters().gaps, 1);
}

#[tokio::test(start_paused = true)]
async fn overlapping_filters_give_one_message_at_the_higher_quality() {
    let world = World::new().await;
    let mut client = world.connect("read").await;
    client.subscribe("#").await;
    deliver(&world, 1..=1);
    assert_eq!(client.received().await, (None, false, 1));
    client.subscribe_at(QoS::AtLeastOnce, &UPLINKS).await;
    deliver(&world, 2..=2);
    take(&mut client, 2..=2).await;
    let unsubscribe = |filter: &str| Packet::Unsubscribe {
        packet_id: 2.try_into().unwrap(),
        topic_filters: vec![filter.into()],
    };
    futures::SinkExt::send(&mut client.0, unsubscribe(UPLINKS[0])).await.unwrap();
    assert!(matches!(client.packet().await, Packet::UnsubscribeAck { .. }));
    deliver(&world, 3..=3);
    assert_eq!(client.received().await, (None, false, 3));
}

#[tokio::test(start_paused = true)]
async fn a_session_without_the_right_to_read_stays_silent_and_goes_on_with_it() {
    let world = World::new().await;
    drop(subscribed(&world, "a").await);
    settle().await;
    deliver(&world, 1..=1);
    let connect = Connect {
        clean_session: false,
        client_id: "a".into(),
        ..connect_packet("my-app", "write")
    };
    let (mut silent, ack) = world.connect_with(connect).await;
    assert!(ack.session_present);
    assert!(silent.is_silent().await);
    let (mut client, _) = world.resume("a").await;
    take(&mut client, 1..=1).await;
}

// 1,000 clients with 10,000 subscriptions, half of them at QoS 1, one of them dead
#[tokio::test(start_paused = true)]
async fn a_thousand_clients_get_every_message() {
    let world = World::new().await;
    let mut clients = Vec::new();
    for number in 0..1000 {
        let mut client = world.connect("read").await;
        let other: Vec<_> = (0..9).map(|n| format!("v3/+/devices/d{number}-{n}/up")).collect();
        let mut filters: Vec<_> = other.iter().map(String::as_str).collect();
        filters.push(UPLINKS[0]);
        let qos = if number % 2 == 0 { QoS::AtLeastOnce } else { QoS::AtMostOnce };
        assert_eq!(client.subscribe_at(qos, &filters).await.len(), 10);
        clients.push(client);
    }
    let _dead = clients.pop();
    for f_cnt in 1..=5 {
        deliver(&world, f_cnt..=f_cnt);
        for client in &mut clients {
            let (id, _, got) = client.received().await;
            assert_eq!(got, u64::from(f_cnt));
            if let Some(id) = id {
                client.acknowledge(id).await;
            }
        }
    }
    assert_eq!(world.server.mqtt_counters().lost, 0);
}

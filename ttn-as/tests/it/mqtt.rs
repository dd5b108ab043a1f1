//! MQTT clients in memory (AS-32 to AS-36).

use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use rmqtt_codec::{
    types::QoS,
    v3::{Connect, ConnectAckReason, LastWill, Packet, SubscribeReturnCode},
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use ttn_as::Config;

use crate::world::{World, connect_packet, settle, uplink};

// AS-33
#[tokio::test(start_paused = true)]
async fn an_uplink_reaches_a_client_as_clear_json() {
    let world = World::new().await;
    let mut client = world.connect("read").await;
    let status = client.subscribe("v3/+/devices/+/up").await;
    assert_eq!(status, [SubscribeReturnCode::Success(QoS::AtMostOnce)]);
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
    let filters = ["v3/other-app/#", "#", "v3/my-app/dev#"];
    let status = client.subscribe_at(QoS::ExactlyOnce, &filters).await;
    let granted = SubscribeReturnCode::Success(QoS::AtLeastOnce);
    assert_eq!(status, [SubscribeReturnCode::Failure, granted, SubscribeReturnCode::Failure]);
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
    assert_eq!(world.server.mqtt_counters().lost, 100 - got.len() as u64);
}

/// How long it takes until so many clients have two messages that come within a millisecond, right behind another one.
async fn wait_with(clients: usize) -> Duration {
    let world = World::new().await;
    let mut connected = Vec::new();
    for _ in 0..clients {
        let mut client = world.connect("read").await;
        client.subscribe("#").await;
        connected.push(client);
    }
    world.deliver(vec![uplink(1, b"payload")]);
    for client in &mut connected {
        assert_eq!(client.message().await.1["uplink_message"]["f_cnt"], 1);
    }
    let began = tokio::time::Instant::now();
    for f_cnt in [2, 3] {
        world.deliver(vec![uplink(f_cnt, b"payload")]);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    for client in &mut connected {
        for f_cnt in [2, 3] {
            assert_eq!(client.message().await.1["uplink_message"]["f_cnt"], f_cnt);
        }
    }
    began.elapsed()
}

// What many clients get is collected, so that one write carries more than one message of each.
#[tokio::test(start_paused = true)]
async fn messages_of_many_clients_are_collected_for_ten_milliseconds_at_most() {
    assert_eq!(wait_with(3).await, Duration::from_millis(2));
    let wait = wait_with(120).await;
    assert!((8..=12).contains(&wait.as_millis()), "{wait:?}");
}

// DESIGN promise 9
#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_is_cut_and_its_memory_freed() {
    let world = World::new().await;
    let mut dead = world.connect("read").await;
    dead.subscribe_at(QoS::AtLeastOnce, &["#"]).await;
    let mut live = world.connect("read").await;
    live.subscribe("#").await;
    for f_cnt in 1..=20 {
        world.deliver(vec![uplink(f_cnt, b"payload")]);
        assert_eq!(live.message().await.1["uplink_message"]["f_cnt"], f_cnt);
    }
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert_eq!(world.server.mqtt_counters().cut, 1);
    live.publish("v3/my-app/nothing", QoS::AtLeastOnce, "").await;
    assert!(matches!(live.packet().await, Packet::PublishAck { .. }), "it lives on");
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

// AS-34
#[tokio::test(start_paused = true)]
async fn wrong_downlinks_are_dropped_with_the_reason_and_the_session_goes_on() {
    let world = World::new().await;
    let mut client = world.connect("full").await;
    let long = format!(r#"{{"downlinks":[{{"f_port":1,"frm_payload":"{}"}}]}}"#, "A".repeat(344));
    let cases = [
        ("my-dev", "{", "json", "no JSON"),
        ("my-dev", r#"{"downlinks":[{"f_port":1,"frm_payload":"%%"}]}"#, "field_value", "base64"),
        ("my-dev", r#"{"downlinks":[{"f_port":0,"frm_payload":"AQ=="}]}"#, "no_f_port", "0"),
        ("my-dev", r#"{"downlinks":[{"f_port":224,"frm_payload":"AQ=="}]}"#, "no_f_port", "224"),
        ("my-dev", long.as_str(), "field_value", "at most 255"),
        (
            "other",
            r#"{"downlinks":[{"f_port":1,"frm_payload":"AQ=="}]}"#,
            "device_not_found",
            "other",
        ),
    ];
    for (device, body, reason, part) in cases {
        world.events();
        let topic = format!("v3/my-app/devices/{device}/down/replace");
        client.publish(&topic, QoS::AtLeastOnce, body).await;
        assert!(matches!(client.packet().await, Packet::PublishAck { .. }));
        let events = world.events();
        let drop = events.iter().find(|(name, _)| *name == "as.down.data.drop");
        let (_, data) = drop.unwrap_or_else(|| panic!("no drop for {body}: {events:?}"));
        let named = [&data["reason"], &data["name"]];
        assert!(named.into_iter().any(|name| name == reason), "{body}: {data}");
        assert!(data.to_string().contains(part), "{data}");
    }
    client.publish("v3/other-app/devices/my-dev/down/push", QoS::AtMostOnce, "{}").await;
    client.publish("v3/my-app/devices/my-dev/up", QoS::AtMostOnce, "{}").await;
    settle().await;
    assert!(world.ns.pushed.lock().is_empty() && world.ns.replaced.lock().is_empty());
}

// AS-34
#[tokio::test(start_paused = true)]
async fn replace_takes_the_place_of_the_queue_and_needs_the_right() {
    let world = World::new().await;
    let body = r#"{"downlinks":[{"f_port":1,"frm_payload":"AQ=="}]}"#;
    for (key, queued) in [("read", 0), ("write", 1)] {
        let mut client = world.connect(key).await;
        client.publish("v3/my-app/devices/my-dev/down/replace", QoS::AtLeastOnce, body).await;
        assert!(matches!(client.packet().await, Packet::PublishAck { .. }));
        assert_eq!(world.ns.replaced.lock().len(), queued, "{key}");
    }
    let drop = |(name, data): &(&str, serde_json::Value)| {
        *name == "as.down.data.drop" && data["reason"] == "insufficient_application_rights"
    };
    assert!(world.events().iter().any(drop));
}

// AS-32
#[tokio::test(start_paused = true)]
async fn a_will_is_a_publish_of_a_client_that_was_lost() {
    let world = World::new().await;
    let will = LastWill {
        qos: QoS::AtLeastOnce,
        retain: false,
        topic: "v3/my-app/devices/my-dev/down/push".into(),
        message: r#"{"downlinks":[{"f_port":1,"frm_payload":"AQ=="}]}"#.into(),
    };
    for (says_goodbye, queued) in [(true, 0), (false, 1)] {
        let connect = Connect { last_will: Some(will.clone()), ..connect_packet("my-app", "full") };
        let (mut client, _) = world.connect_with(connect).await;
        if says_goodbye {
            client.0.send(Packet::Disconnect).await.unwrap();
        }
        drop(client);
        settle().await;
        assert_eq!(world.ns.pushed.lock().len(), queued);
    }
}

// AS-32: class as:accept:mqtt; AS-34: class as:down:mqtt
#[tokio::test(start_paused = true)]
async fn rate_limits_close_connections() {
    let world = World::new().await;
    let mut client = world.connect("full").await;
    *world.limiter.refused.lock() =
        vec![("as:accept:mqtt", "ip:memory"), ("as:down:mqtt", "dev:my-app.my-dev")];
    let mut refused = world.dial().await;
    // Without a CONNACK; the connection may be closed before CONNECT is written.
    let _ = refused.0.send(connect_packet("my-app", "full").into()).await;
    assert!(refused.is_closed_within(Duration::from_secs(1)).await);
    client.publish("v3/my-app/devices/my-dev/down/push", QoS::AtLeastOnce, "{}").await;
    assert!(client.is_closed_within(Duration::from_secs(1)).await);
    assert_eq!(world.server.mqtt_counters().limited, 2);
}

// AS-36
#[tokio::test(start_paused = true)]
async fn a_key_that_is_deleted_ends_its_connections_within_a_minute() {
    let world = World::new().await;
    let (mut gone, mut kept) = (world.connect("read").await, world.connect("full").await);
    *world.access.away.lock() = true;
    tokio::time::sleep(Duration::from_secs(65)).await;
    assert!(gone.is_silent().await, "nobody can say that the key is gone");
    *world.access.away.lock() = false;
    world.access.revoked.lock().push("read".to_owned());
    assert!(gone.is_closed_within(Duration::from_secs(61)).await);
    assert!(kept.is_silent().await);
}

// AS-32, AS-36
#[tokio::test(start_paused = true)]
async fn events_tell_who_reads_and_who_was_refused() {
    let world = World::new().await;
    let mut client = world.connect("read").await;
    client.subscribe("#").await;
    drop(client);
    world.try_connect("my-app", "wrong", 0).await;
    settle().await;
    let events = world.events();
    let names: Vec<_> =
        events.iter().map(|(name, _)| *name).filter(|it| !it.contains("device")).collect();
    let wanted = ["as.application.subscribe", "as.application.unsubscribe", "as.mqtt.connect.fail"];
    assert_eq!(names, wanted);
    assert_eq!(events.last().unwrap().1["remote"], "memory");
}

// AS-32 [E]
#[tokio::test(start_paused = true)]
async fn with_a_tenant_the_user_name_and_topics_may_name_it() {
    let mut config = Config::default();
    config.mqtt.tenant = Some("ttn".to_owned());
    let world = World::empty(config).await;
    world.add_device(None).await;
    let (_, code) = world.try_connect("my-app@other", "full", 0).await;
    assert_eq!(code, ConnectAckReason::NotAuthorized);
    let (mut client, _) = world.try_connect("my-app@ttn", "full", 0).await;
    client.subscribe("v3/my-app@ttn/devices/+/up").await;
    world.deliver(vec![uplink(1, b"x")]);
    assert_eq!(client.message().await.0, "v3/my-app@ttn/devices/my-dev/up");
}

// MQTT 3.1.1 §3.1.2.2
#[tokio::test(start_paused = true)]
async fn broken_first_packets_are_refused_or_closed() {
    let world = World::new().await;
    // Level 5; then no client id without CleanSession.
    let cases: [(&[u8], Option<u8>); 4] = [
        (b"\x10\x0c\0\x04MQTT\x05\x02\0\0\0\0", Some(1)),
        (b"\x10\x0c\0\x04MQTT\x04\0\0\0\0\0", Some(2)),
        (b"\xc0\0", None),
        (b"\x10\xff\xff\xff\x7f", None),
    ];
    for (octets, code) in cases {
        let mut stream = world.dial().await.0.into_inner();
        stream.write_all(octets).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let expected = code.map(|code| vec![0x20, 2, 0, code]).unwrap_or_default();
        assert_eq!(answer, expected, "{octets:?}");
    }
}

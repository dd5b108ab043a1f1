//! Applications over MQTT.

use bytes::Bytes;
use futures::{SinkExt as _, StreamExt as _};
use rmqtt_codec::{
    types::QoS,
    v3::{Codec, Connect, Packet},
};
use serde_json::{Value, json};
use tokio::io::DuplexStream;
use tokio_util::codec::Framed;
use ttn::{core::limit::LimitProfile, stack::config::Config};

use crate::net::{Kind, Net};

type Client = Framed<DuplexStream, Codec>;

/// A client whose session outlives it; gives whether it was there before.
async fn connect(net: &Net, api_key: &str) -> (Client, bool) {
    let stream = net.sim.mqtt().unwrap().connect().await.unwrap();
    let mut client = Framed::new(stream, Codec::new(0));
    let connect = Connect {
        clean_session: false,
        client_id: "node-red".into(),
        username: Some(net.app.as_str().into()),
        password: Some(Bytes::copy_from_slice(api_key.as_bytes())),
        ..Connect::default()
    };
    client.send(connect.into()).await.unwrap();
    match client.next().await.unwrap().unwrap().0 {
        Packet::ConnectAck(ack) => (client, ack.session_present),
        other => panic!("{other:?} is no CONNACK"),
    }
}

async fn subscribe(client: &mut Client) {
    let packet_id = 1.try_into().unwrap();
    let topic_filters = vec![("v3/+/devices/+/up".into(), QoS::AtLeastOnce)];
    client.send(Packet::Subscribe { packet_id, topic_filters }).await.unwrap();
    let answer = client.next().await.unwrap().unwrap().0;
    assert!(matches!(answer, Packet::SubscribeAck { .. }), "{answer:?}");
}

/// The messages that come within a second, as DUP and FCnt; all are acknowledged.
async fn received(client: &mut Client) -> Vec<(bool, u64)> {
    let mut received = Vec::new();
    let second = std::time::Duration::from_secs(1);
    while let Ok(packet) = tokio::time::timeout(second, client.next()).await {
        let Packet::Publish(publish) = packet.unwrap().unwrap().0 else { panic!("no PUBLISH") };
        let json: Value = serde_json::from_slice(&publish.payload).unwrap();
        // JSON of the API leaves out what is 0.
        let f_cnt = json["uplink_message"]["f_cnt"].as_u64().unwrap_or_default();
        received.push((publish.dup, f_cnt));
        let packet_id = publish.packet_id.unwrap();
        client.send(Packet::PublishAck { packet_id }).await.unwrap();
    }
    received
}

// AS-32, DESIGN promise 3
#[tokio::test(start_paused = true)]
async fn a_session_lives_on_while_the_stack_restarts_between_messages() {
    let mut net = Net::start(31, 1).await;
    let device = net.abp("sensor", Kind::default()).await;
    let key = net.sim.api_key().to_owned();
    let (mut client, is_present) = connect(&net, &key).await;
    assert!(!is_present);
    subscribe(&mut client).await;
    net.send(device, &[1], false).await;
    assert_eq!(received(&mut client).await, [(false, 0)]);
    // The place is stored every five seconds.
    net.wait(6).await;
    net.send(device, &[2], false).await;
    net.sim.restart().await.unwrap();
    drop(client);
    net.wait(10).await;
    net.send(device, &[3], false).await;
    let (mut client, is_present) = connect(&net, &key).await;
    assert!(is_present);
    // What had been sent before the restart is marked.
    assert_eq!(received(&mut client).await, [(true, 1), (false, 2)]);
    net.send(device, &[4], false).await;
    assert_eq!(received(&mut client).await, [(false, 3)]);
}

// AS-36
#[tokio::test(start_paused = true)]
async fn a_key_that_is_deleted_ends_its_connection_within_a_minute() {
    let net = Net::start(32, 1).await;
    let api = net.sim.client().unwrap();
    let path = format!("/applications/{}/api-keys", net.app);
    let rights = json!({ "rights": ["RIGHT_APPLICATION_TRAFFIC_READ"] });
    let made = api.post(&path, rights).await.unwrap();
    let key = made["key"].as_str().unwrap().to_owned();
    let (mut client, _) = connect(&net, &key).await;
    subscribe(&mut client).await;
    net.wait(70).await;
    assert_eq!(received(&mut client).await, []);
    // A key without rights is deleted.
    let none = json!({ "api_key": { "rights": [] }, "field_mask": { "paths": ["rights"] } });
    api.put(&format!("{path}/{}", made["id"].as_str().unwrap()), none).await.unwrap();
    let minute = std::time::Duration::from_secs(61);
    let end = tokio::time::timeout(minute, client.next()).await;
    assert!(matches!(end, Ok(None)), "{end:?}");
}

// AS-32
#[tokio::test(start_paused = true)]
async fn a_configured_limit_of_connections_is_kept() {
    let mut config = Config::default();
    config.rate_limiting.profiles = vec![LimitProfile {
        name: "MQTT".to_owned(),
        max_per_min: 1,
        max_burst: 1,
        associations: vec!["as:accept:mqtt".to_owned()],
    }];
    let net = Net::configured(33, 0, config).await;
    let key = net.sim.api_key().to_owned();
    let (first, _) = connect(&net, &key).await;
    drop(first);
    let stream = net.sim.mqtt().unwrap().connect().await.unwrap();
    let mut second: Client = Framed::new(stream, Codec::new(0));
    assert!(second.next().await.is_none(), "it is closed before it may say anything");
    net.wait(60).await;
    connect(&net, &key).await;
}

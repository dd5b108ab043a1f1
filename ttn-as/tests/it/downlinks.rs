//! Downlinks of applications (AS-21 to AS-25, AS-28).

use rmqtt_codec::types::QoS;
use ttn_as::{DownlinkItem, Error, QueueOperation, testing};
use ttn_core::{
    error::{ErrorBody, ErrorKind},
    key::Aes128Key,
    msg::{ClassBCGateway, Downlink, JoinAcceptUp, QueueInvalidated, TxPriority, Up},
    peer::{PeerError, QueueMismatch, QueueMismatchSession},
    time::Timestamp,
};
use ttn_mac::command::Direction;

use crate::world::{APP_S_KEY, World, crypt, dev_addr, device, key_id, settle};

fn item(payload: &[u8]) -> DownlinkItem {
    DownlinkItem { f_port: 5, frm_payload: payload.to_vec(), ..DownlinkItem::default() }
}

fn queued(f_cnt: u32, payload: &[u8]) -> Downlink {
    let mut downlink = testing::downlink(f_cnt);
    downlink.session_key_id = key_id("one");
    downlink.frm_payload = crypt(Direction::Downlink, f_cnt, payload).into();
    downlink
}

// AS-21, AS-23, AS-34
#[tokio::test(start_paused = true)]
async fn a_push_by_mqtt_reaches_the_network_server_encrypted() {
    let world = World::new().await;
    let mut client = world.connect("full").await;
    client.subscribe("v3/my-app/devices/+/down/queued").await;
    let body = r#"{"downlinks":[{"f_port":5,"frm_payload":"aGVsbG8=","priority":"HIGH","confirmed":true}]}"#;
    client.publish("v3/my-app/devices/my-dev/down/push", QoS::AtMostOnce, body).await;
    let (_, json) = client.message().await;
    assert_eq!(json["downlink_queued"]["frm_payload"], "aGVsbG8=");
    assert_eq!(json["downlink_queued"]["f_cnt"], 1);
    let pushed = world.ns.pushed.lock().clone();
    assert_eq!(pushed.len(), 1);
    assert_eq!((pushed[0].f_port, pushed[0].f_cnt, pushed[0].confirmed), (5, 1, true));
    assert_eq!(crypt(Direction::Downlink, 1, &pushed[0].frm_payload), b"hello");
    let listed = world.server.list_downlinks(&device()).await.unwrap();
    assert_eq!(&*listed[0].frm_payload, b"hello");
}

// AS-22
#[tokio::test(start_paused = true)]
async fn downlinks_without_port_or_payload_are_refused() {
    let world = World::new().await;
    let push = |item| {
        let server = world.server.clone();
        async move { server.queue_downlinks(&device(), QueueOperation::Push, vec![item]).await }
    };
    let refused = push(DownlinkItem { f_port: 0, ..item(b"x") }).await;
    assert!(matches!(refused, Err(Error::NoFPort { f_port: 0 })));
    let refused = push(DownlinkItem { f_port: 224, ..item(b"x") }).await;
    assert!(matches!(refused, Err(Error::NoFPort { f_port: 224 })));
    assert!(matches!(push(item(b"")).await, Err(Error::NoPayload)));
    assert!(matches!(push(item(&[0; 256])).await, Err(Error::TooLarge { .. })));
    assert!(world.ns.pushed.lock().is_empty());
}

// AS-23
#[tokio::test(start_paused = true)]
async fn sessions_are_rebuilt_as_the_network_server_wants_them() {
    let world = World::new().await;
    world.js.keys.lock().insert(key_id("two"), Aes128Key::new(APP_S_KEY).into());
    let session = |id, min_f_cnt_down| {
        Some(QueueMismatchSession {
            session_key_id: key_id(id),
            dev_addr: dev_addr(),
            min_f_cnt_down,
        })
    };
    let (namespace, name) = ("pkg/networkserver", "f_cnt_too_low");
    *world.ns.answers.lock() = vec![PeerError::QueueMismatch(Box::new(QueueMismatch {
        reason: ErrorBody::new(namespace, name, ErrorKind::FailedPrecondition, "too low"),
        current: session("one", 40),
        pending: session("two", 0),
    }))];
    let operation = QueueOperation::Push;
    world.server.queue_downlinks(&device(), operation, vec![item(b"x")]).await.unwrap();
    let pushed: Vec<_> = world.ns.pushed.lock().clone();
    let sent: Vec<_> = pushed.iter().map(|d| (d.session_key_id.clone(), d.f_cnt)).collect();
    assert_eq!(sent, [(key_id("one"), 40), (key_id("two"), 1)]);
}

// AS-24
#[tokio::test(start_paused = true)]
async fn a_queue_survives_a_rejoin() {
    let world = World::new().await;
    world.deliver(vec![Up::JoinAccept(JoinAcceptUp {
        session_key_id: key_id("two"),
        app_s_key: Some(Aes128Key::new(APP_S_KEY).into()),
        invalidated_downlinks: (1..=3).map(|f_cnt| queued(f_cnt, b"wait")).collect(),
        pending_session: true,
        received_at: Timestamp::UNIX_EPOCH,
    })]);
    settle().await;
    let pushed = world.ns.pushed.lock().clone();
    let new: Vec<_> = pushed.iter().filter(|d| d.session_key_id == key_id("two")).collect();
    assert_eq!(new.len(), 3);
    for downlink in new {
        let clear = crypt(Direction::Downlink, downlink.f_cnt, &downlink.frm_payload);
        assert_eq!(clear, b"wait");
    }
    assert_eq!(world.log().await.len(), 1, "the join-accept is delivered");
}

// AS-25, NS-90
#[tokio::test(start_paused = true)]
async fn an_invalidated_queue_is_encrypted_anew_and_not_forwarded() {
    let world = World::new().await;
    world.deliver(vec![Up::DownlinkQueueInvalidated(QueueInvalidated {
        downlinks: vec![queued(1, b"a"), queued(2, b"b")],
        last_f_cnt_down: 9,
        session_key_id: key_id("one"),
        dev_addr: Some(dev_addr()),
    })]);
    settle().await;
    let replaced = world.ns.replaced.lock().clone();
    let clear: Vec<_> = replaced
        .iter()
        .map(|d| (d.f_cnt, crypt(Direction::Downlink, d.f_cnt, &d.frm_payload)))
        .collect();
    assert_eq!(clear, [(10, b"a".to_vec()), (11, b"b".to_vec())]);
    assert!(world.log().await.is_empty());
}

// AS-28
#[tokio::test(start_paused = true)]
async fn reports_carry_clear_payloads() {
    let world = World::new().await;
    world.deliver(vec![Up::DownlinkSent(queued(4, b"sent")), Up::DownlinkAck(queued(4, b"sent"))]);
    let log = world.log().await;
    assert_eq!(log.len(), 2);
    for message in log {
        match &message.record().up.up {
            Up::DownlinkSent(downlink) | Up::DownlinkAck(downlink) => {
                assert_eq!(&*downlink.frm_payload, b"sent");
            }
            other => panic!("{other:?}"),
        }
    }
}

// AS-26
#[tokio::test(start_paused = true)]
async fn a_downlink_without_acknowledgement_is_sent_again_as_often_as_asked() {
    let world = World::new().await;
    let confirmed = DownlinkItem { confirmed: true, retries_max: Some(2), ..item(b"again") };
    world.server.queue_downlinks(&device(), QueueOperation::Push, vec![confirmed]).await.unwrap();
    let mut attempts = Vec::new();
    for _ in 0..4 {
        let Some(sent) = world.ns.pushed.lock().pop() else { break };
        attempts.push((sent.f_cnt, sent.confirmed_retry.unwrap().attempt));
        assert_eq!(crypt(Direction::Downlink, sent.f_cnt, &sent.frm_payload), b"again");
        world.deliver(vec![Up::DownlinkNack(sent)]);
        settle().await;
    }
    assert_eq!(attempts, [(1, 0), (2, 1), (3, 2)]);
    let log = world.log().await;
    let nacks = log.iter().filter(|m| matches!(m.record().up.up, Up::DownlinkNack(_)));
    assert_eq!(nacks.count(), 3, "every one is told");
}

// AS-26
#[tokio::test(start_paused = true)]
async fn eight_retries_are_the_default_and_more_than_32_are_refused() {
    let (world, key) = (World::new().await, device());
    let push = |retries_max| {
        let item = DownlinkItem { confirmed: true, retries_max, ..item(b"x") };
        world.server.queue_downlinks(&key, QueueOperation::Push, vec![item])
    };
    for wrong in [0, 33] {
        let refused = push(Some(wrong)).await.unwrap_err();
        assert!(matches!(refused, Error::MaxRetriesInvalid { max: 32 }));
        assert_eq!(refused.to_body().name, "downlink_max_retries_invalid");
    }
    push(None).await.unwrap();
    let mut sent = 0;
    for _ in 0..20 {
        let Some(downlink) = world.ns.pushed.lock().pop() else { break };
        sent += 1;
        world.deliver(vec![Up::DownlinkNack(downlink)]);
        settle().await;
    }
    assert_eq!(sent, 1 + 8);
}

// AS-29
#[tokio::test(start_paused = true)]
async fn what_class_b_and_c_need_reaches_the_network_server() {
    let world = World::new().await;
    let mut client = world.connect("write").await;
    let body = r#"{"downlinks":[{"f_port":5,"frm_payload":"aGVsbG8=","priority":"ABOVE_NORMAL","class_b_c":{
        "gateways":[{"gateway_ids":{"gateway_id":"gtw-1"},"antenna_index":1,"group_index":2}],
        "absolute_time":"2026-11-18T11:06:40.5Z"}}]}"#;
    client.publish("v3/my-app/devices/my-dev/down/push", QoS::AtMostOnce, body).await;
    settle().await;
    let sent = world.ns.pushed.lock().pop().unwrap();
    let class_b_c = sent.class_b_c.unwrap();
    let gateway_id = "gtw-1".parse().unwrap();
    let gateway = ClassBCGateway { gateway_id, antenna_index: 1, group_index: 2 };
    assert_eq!(class_b_c.gateways, [gateway]);
    let time = Timestamp::from_unix_nanos(1_795_000_000_500_000_000);
    assert_eq!(class_b_c.absolute_time, Some(time));
    assert_eq!(sent.priority, TxPriority::AboveNormal);
    let long = body.replace(
        r#""f_port":5,"#,
        &format!(r#""f_port":5,"correlation_ids":["{}"],"#, "x".repeat(101)),
    );
    client.publish("v3/my-app/devices/my-dev/down/push", QoS::AtMostOnce, &long).await;
    settle().await;
    assert!(world.ns.pushed.lock().is_empty(), "a correlation id has at most 100 characters");
}

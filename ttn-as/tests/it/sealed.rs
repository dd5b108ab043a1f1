//! Payloads that only the application can read (AS-05, AS-27).

use ttn_as::{DeviceSessions, DownlinkItem, Error, QueueOperation, store::Session};
use ttn_core::{
    key::KeyEnvelope,
    msg::{QueueInvalidated, Up},
    store::Replaces,
};
use ttn_mac::command::Direction;

use crate::world::{World, as_uplink, crypt, dev_addr, device, key_id, settle, uplink, uplink_of};

fn sealed_key() -> KeyEnvelope {
    KeyEnvelope::Wrapped { kek_label: "their-kek".into(), encrypted_key: vec![5; 24] }
}

/// A device whose key only the application can unwrap.
async fn sealed(skips: Option<bool>) -> World {
    let world = World::new().await;
    let (mut stored, _) = world.server.device(&device()).unwrap();
    stored.value.skip_payload_crypto_override = skips;
    let mut session = Session::new(key_id("one"), dev_addr());
    session.app_s_key = Some(sealed_key());
    session.last_a_f_cnt_down = 41;
    let sessions = DeviceSessions { current: Some(session), pending: None };
    let world = world.restarted(None).await;
    let replaces = Replaces::Revision(stored.revision);
    world.server.set_device(stored.value, Some(sessions), replaces).await.unwrap();
    // The key of the first session is forgotten with the process.
    world.restarted(None).await
}

// AS-05
#[tokio::test(start_paused = true)]
async fn a_payload_whose_key_is_sealed_goes_to_the_application_as_it_is() {
    let world = sealed(Some(true)).await;
    world.deliver(vec![uplink(1, b"secret")]);
    let log = world.log().await;
    let octets = &as_uplink(&log[0].record().up.up).frm_payload;
    assert_eq!(**octets, *crypt(Direction::Uplink, 1, b"secret"));
    let json: serde_json::Value = serde_json::from_slice(&log[0].json()).unwrap();
    let message = &json["uplink_message"];
    assert_eq!(message["app_s_key"]["kek_label"], "their-kek");
    assert_eq!(message["last_a_f_cnt_down"], 41);
}

// AS-05: the setting does nothing while the key can be had
#[tokio::test(start_paused = true)]
async fn a_payload_whose_key_is_known_is_decrypted_whatever_is_set() {
    let world = World::new().await;
    let (mut stored, _) = world.server.device(&device()).unwrap();
    stored.value.skip_payload_crypto_override = Some(true);
    let replaces = Replaces::Revision(stored.revision);
    world.server.set_device(stored.value, None, replaces).await.unwrap();
    world.deliver(vec![uplink(1, b"clear")]);
    let log = world.log().await;
    assert_eq!(&*as_uplink(&log[0].record().up.up).frm_payload, b"clear");
    assert!(log[0].record().context.sealed.is_none());
}

// AS-05: without the setting, nothing is handed out encrypted
#[tokio::test(start_paused = true)]
async fn a_sealed_payload_is_dropped_unless_the_application_wants_it() {
    let world = sealed(None).await;
    world.js.keys.lock().insert(key_id("one"), sealed_key());
    world.deliver(vec![uplink(1, b"secret")]);
    assert!(world.log().await.is_empty());
}

// AS-03, AS-05: a sealed key that is fetched first
#[tokio::test(start_paused = true)]
async fn a_sealed_key_of_the_join_server_is_handed_on() {
    let world = sealed(Some(true)).await;
    world.js.keys.lock().insert(key_id("two"), sealed_key());
    world.deliver(vec![uplink_of("two", 1, b"secret"), uplink_of("two", 2, b"secret")]);
    let log = world.log().await;
    assert_eq!(log.len(), 2);
    assert!(log.iter().all(|message| message.record().context.sealed.is_some()));
}

// AS-25: an invalidated queue is the application's business then
#[tokio::test(start_paused = true)]
async fn a_sealed_queue_that_became_invalid_is_forwarded() {
    let world = sealed(Some(true)).await;
    let mut downlink = ttn_as::testing::downlink(7);
    downlink.session_key_id = key_id("one");
    let octets = downlink.frm_payload.clone();
    world.deliver(vec![Up::DownlinkQueueInvalidated(QueueInvalidated {
        downlinks: vec![downlink],
        last_f_cnt_down: 9,
        session_key_id: key_id("one"),
        dev_addr: Some(dev_addr()),
    })]);
    let log = world.log().await;
    let Up::DownlinkQueueInvalidated(queue) = &log[0].record().up.up else { panic!("{log:?}") };
    assert_eq!(queue.downlinks[0].frm_payload, octets);
    assert!(world.ns.replaced.lock().is_empty());
}

// AS-27
#[tokio::test(start_paused = true)]
async fn octets_that_the_application_encrypted_are_queued_unchanged() {
    let world = sealed(Some(true)).await;
    let item = |session: Option<&str>| DownlinkItem {
        f_port: 5,
        f_cnt: 42,
        frm_payload: b"sealed".to_vec(),
        session_key_id: session.map(key_id),
        ..DownlinkItem::default()
    };
    let key = device();
    let push = |item| world.server.queue_downlinks(&key, QueueOperation::Push, vec![item]);
    assert!(matches!(push(item(None)).await, Err(Error::UnknownSession)));
    assert!(matches!(push(item(Some("two"))).await, Err(Error::UnknownSession)));
    push(item(Some("one"))).await.unwrap();
    let pushed = world.ns.pushed.lock().clone();
    assert_eq!(pushed.len(), 1);
    assert_eq!((pushed[0].f_cnt, &*pushed[0].frm_payload), (42, b"sealed".as_slice()));
    let listed = world.server.list_downlinks(&device()).await.unwrap();
    assert_eq!(&*listed[0].frm_payload, b"sealed");
    assert_eq!(
        world.server.device(&device()).unwrap().1.current.as_ref().unwrap().last_a_f_cnt_down,
        42
    );
    settle().await;
    assert_eq!(world.log().await.len(), 1, "downlink_queued is told");
}

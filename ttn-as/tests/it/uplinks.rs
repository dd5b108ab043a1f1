//! Messages of the Network Server (AS-02 to AS-04, AS-11, DESIGN promises 1 and 3).

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use ttn_as::{
    format::{Encoded, FormatError, Formatter, Payload, Structure},
    log::Decoded,
};
use ttn_core::{
    key::Aes128Key,
    msg::{JoinAcceptUp, Up},
    time::Timestamp,
};

use crate::world::{APP_S_KEY, World, as_uplink, device, key_id, settle, uplink, uplink_of};

fn f_cnts(messages: &[Arc<ttn_as::log::Delivery>]) -> Vec<u32> {
    messages.iter().map(|message| as_uplink(&message.record().up.up).f_cnt).collect()
}

fn join(session: &str) -> Up {
    Up::JoinAccept(JoinAcceptUp {
        session_key_id: key_id(session),
        app_s_key: Some(Aes128Key::new(APP_S_KEY).into()),
        invalidated_downlinks: Vec::new(),
        pending_session: true,
        received_at: Timestamp::UNIX_EPOCH,
    })
}

// AS-04
#[tokio::test(start_paused = true)]
async fn a_pending_session_is_promoted_by_its_first_uplink() {
    let world = World::new().await;
    world.deliver(vec![join("two")]);
    let (_, sessions) = world.server.device(&device()).unwrap();
    assert_eq!(sessions.current.as_ref().unwrap().session_key_id, key_id("one"));
    assert_eq!(sessions.pending.as_ref().unwrap().session_key_id, key_id("two"));
    world.deliver(vec![uplink_of("two", 0, b"new")]);
    let (_, sessions) = world.server.device(&device()).unwrap();
    assert_eq!(sessions.current.as_ref().unwrap().session_key_id, key_id("two"));
    assert!(sessions.pending.is_none());
    let log = world.log().await;
    assert_eq!(&*as_uplink(&log[1].record().up.up).frm_payload, b"new");
}

// AS-03, AS-04
#[tokio::test(start_paused = true)]
async fn a_missing_key_is_fetched_and_the_order_is_kept() {
    let world = World::new().await;
    *world.js.away.lock() = true;
    world.js.keys.lock().insert(key_id("two"), Aes128Key::new(APP_S_KEY).into());
    world.deliver(vec![uplink_of("two", 1, b"first"), uplink_of("two", 2, b"second")]);
    assert!(world.log().await.is_empty(), "nothing is delivered encrypted");
    *world.js.away.lock() = false;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let log = world.log().await;
    assert_eq!(f_cnts(&log), [1, 2]);
    assert_eq!(&*as_uplink(&log[0].record().up.up).frm_payload, b"first");
}

#[tokio::test(start_paused = true)]
async fn an_uplink_whose_key_does_not_exist_is_dropped_and_later_ones_go_on() {
    let world = World::new().await;
    world.deliver(vec![uplink_of("unknown", 1, b"x")]);
    settle().await;
    assert!(world.log().await.is_empty());
    world.deliver(vec![join("two"), uplink_of("two", 1, b"y")]);
    assert_eq!(world.log().await.len(), 2);
}

// DESIGN promise 3
#[tokio::test(start_paused = true)]
async fn an_uplink_is_logged_once_also_across_a_restart() {
    let world = World::new().await;
    let first = world.deliver(vec![uplink(1, b"x")]);
    assert_eq!(world.deliver(vec![uplink(1, b"x")]), first);
    let world = world.restarted(None).await;
    world.deliver(vec![uplink(1, b"x"), uplink(2, b"y")]);
    let log = world.log().await;
    assert_eq!(f_cnts(&log), [1, 2]);
    assert_eq!(&*as_uplink(&log[1].record().up.up).frm_payload, b"y", "the session was kept");
}

/// Decodes slowly if the first octet says so, and not at all if that is 0xFF.
#[derive(Debug)]
struct Slow;

#[async_trait]
impl Formatter for Slow {
    async fn decode_uplink(&self, payload: &Payload<'_>) -> Result<Decoded, FormatError> {
        let first = payload.octets[0];
        if first == 0xFF {
            let reason = "the first octet".to_owned();
            return Err(FormatError::Decode { formatter: "SLOW", reason });
        }
        tokio::time::sleep(Duration::from_millis(first.into())).await;
        let payload = [("first".to_owned(), first.into())].into_iter().collect();
        Ok(Decoded { payload, ..Decoded::default() })
    }

    async fn decode_downlink(&self, _: &Payload<'_>) -> Result<Decoded, FormatError> {
        Ok(Decoded::default())
    }

    async fn encode_downlink(&self, _: &Structure<'_>) -> Result<Encoded, FormatError> {
        Ok(Encoded { f_port: None, octets: vec![1], warnings: Vec::new() })
    }
}

// AS-11
#[tokio::test(start_paused = true)]
async fn decoded_messages_keep_the_order_of_the_device_and_errors_stop_nothing() {
    let world = World::with_formatter(Arc::new(Slow)).await;
    let mut client = world.connect("read").await;
    client.subscribe("#").await;
    // Slow, broken, too slow, a message without formatter, quick.
    world.deliver(vec![uplink(1, &[90]), uplink(2, &[0xFF]), uplink(3, &[200]), join("two")]);
    world.deliver(vec![uplink(4, &[1])]);
    let mut seen = Vec::new();
    for _ in 0..5 {
        let (topic, json) = client.message().await;
        let first = json["uplink_message"]["decoded_payload"]["first"].as_u64();
        seen.push((topic.rsplit('/').next().unwrap().to_owned(), first));
    }
    let up = |first| ("up".to_owned(), first);
    let expected = [up(Some(90)), up(None), up(None), ("join".to_owned(), None), up(Some(1))];
    assert_eq!(seen, expected);
}

#[tokio::test(start_paused = true)]
async fn what_was_pending_at_a_crash_is_completed_after_the_start() {
    let world = World::with_formatter(Arc::new(Slow)).await;
    world.deliver(vec![uplink(1, &[90]), uplink(2, &[1])]);
    let world = world.restarted(Some(Arc::new(Slow))).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let log = world.log().await;
    assert_eq!(f_cnts(&log), [1, 2]);
    assert!(log.iter().all(|message| message.record().decoded.is_some()));
}

// DESIGN promise 8
#[tokio::test(start_paused = true)]
async fn pending_messages_of_a_device_are_bounded() {
    let world = World::with_formatter(Arc::new(Slow)).await;
    let max = u32::try_from(ttn_as::Config::default().pending_max).unwrap();
    let many = (1..=max + 10).map(|f_cnt| uplink(f_cnt, &[90])).collect();
    world.deliver(many);
    tokio::time::sleep(Duration::from_secs(60)).await;
    let log = world.log().await;
    assert_eq!(f_cnts(&log), (1..=max + 10).collect::<Vec<_>>());
    assert_eq!(log.iter().filter(|message| message.record().decoded.is_none()).count(), 10);
}

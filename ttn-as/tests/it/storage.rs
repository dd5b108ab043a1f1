//! The storage API (AS-57).

use ttn_as::{
    integration::{
        storage::{Order, Query, Token},
        webhook::MessageKind,
    },
    log::{LogFilter, Record},
    testing,
};
use ttn_core::{
    msg::{ApplicationBatch, ApplicationUp, Up},
    peer::NsAs as _,
    store::LaneId,
    time::Timestamp,
};

use crate::world::{World, settle, uplink};

const APPLICATION: &str = "my-app";

fn send(world: &World, up: Up, received_at: i64) {
    let mut message = ApplicationUp { up, ..testing::up(uplink(0, b"")) };
    message.received_at = Timestamp::from_unix_secs(received_at);
    let messages = vec![(testing::owned(), message)];
    world.server.uplinks(ApplicationBatch { lane: LaneId(0), messages }).unwrap();
}

/// Uplinks 1 to 5 at 10 s to 50 s, and a downlink at 30 s.
async fn filled() -> World {
    let world = World::new().await;
    for f_cnt in 1..=5 {
        send(&world, uplink(f_cnt, b"x"), i64::from(f_cnt) * 10);
        if f_cnt == 3 {
            let mut downlink = testing::downlink(9);
            downlink.session_key_id = crate::world::key_id("one");
            send(&world, Up::DownlinkSent(downlink), 30);
        }
    }
    settle().await;
    world
}

fn query() -> Query {
    Query {
        filter: LogFilter::application(APPLICATION.parse().unwrap()),
        kind: None,
        before: None,
        f_port: None,
        order: Order::OldestFirst,
        limit: 100,
    }
}

fn f_cnt(record: &Record) -> u32 {
    match &record.up.up {
        Up::Uplink(uplink) => uplink.f_cnt,
        Up::DownlinkSent(downlink) => 100 + downlink.f_cnt,
        other => panic!("{other:?}"),
    }
}

async fn found(world: &World, query: &Query) -> Vec<u32> {
    let found = world.server.stored_messages(query, None).await.unwrap();
    assert!(found.token.is_none());
    found.messages.iter().map(|record| f_cnt(record)).collect()
}

#[tokio::test(start_paused = true)]
async fn messages_are_found_by_kind_time_and_port() {
    let world = filled().await;
    assert_eq!(found(&world, &query()).await, [1, 2, 3, 109, 4, 5]);
    let newest = Query { order: Order::NewestFirst, ..query() };
    assert_eq!(found(&world, &newest).await, [5, 4, 109, 3, 2, 1]);
    let kind = Some(MessageKind::DownlinkSent);
    assert_eq!(found(&world, &Query { kind, ..query() }).await, [109]);
    assert_eq!(found(&world, &Query { f_port: Some(3), ..query() }).await, [109]);
    let mut between = Query { before: Some(Timestamp::from_unix_secs(40)), ..query() };
    between.filter.since = Some(Timestamp::from_unix_secs(20));
    assert_eq!(found(&world, &between).await, [2, 3, 109]);
    let device = Some("my-app.other-dev".parse().unwrap());
    let filter = LogFilter { device, ..LogFilter::default() };
    assert!(found(&world, &Query { filter, ..query() }).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn pages_in_both_orders_give_every_message_once() {
    let world = filled().await;
    for (order, expected) in
        [(Order::OldestFirst, [1, 2, 3, 109, 4, 5]), (Order::NewestFirst, [5, 4, 109, 3, 2, 1])]
    {
        for limit in 1..=7 {
            let query = Query { order, limit, ..query() };
            let (mut all, mut token) = (Vec::new(), None);
            loop {
                let page = world.server.stored_messages(&query, token).await.unwrap();
                assert!(page.messages.len() <= limit);
                all.extend(page.messages.iter().map(|record| f_cnt(record)));
                let Some(next) = page.token else { break };
                token = Some(next.to_string().parse::<Token>().unwrap());
            }
            assert_eq!(all, expected, "{order:?} {limit}");
        }
    }
    assert!("nonsense".parse::<Token>().is_err());
}

#[tokio::test(start_paused = true)]
async fn messages_are_counted_by_kind() {
    let world = filled().await;
    let counts = world.server.count_stored(&query()).await.unwrap();
    let counts: Vec<_> = counts.into_iter().collect();
    assert_eq!(counts, [(MessageKind::UplinkMessage, 5), (MessageKind::DownlinkSent, 1)]);
}

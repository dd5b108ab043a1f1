//! Positions, watermarks, refusals, and more than one process.

use std::sync::Arc;

use futures::TryStreamExt as _;
use ttn_as::{
    log::{ApplicationLog as _, Cursor, LogBatch, LogEntry, LogFilter, Record},
    store::ApplicationStore,
    testing,
};
use ttn_core::{
    msg::Up,
    store::{Epoch, LaneId, Owned, OwnerId, PartitionId, Refusal, StoreErrorKind, durable},
    time::Timestamp,
};
use ttn_ns::store::{NetworkBatch, NetworkStore as _};
use ttn_store_postgres::PostgresStore;

use crate::{Database, Test};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("nothing_that_was_taken_is_lost_when_the_store_is_dropped", |database| {
        Box::pin(nothing_that_was_taken_is_lost_when_the_store_is_dropped(database))
    }),
    ("a_full_queue_gives_the_batch_back", |database| {
        Box::pin(a_full_queue_gives_the_batch_back(database))
    }),
    ("after_a_stop_every_wait_and_write_fails", |database| {
        Box::pin(after_a_stop_every_wait_and_write_fails(database))
    }),
    ("the_log_is_fenced_by_the_network_servers_epochs", |database| {
        Box::pin(the_log_is_fenced_by_the_network_servers_epochs(database))
    }),
    ("a_process_that_lost_a_partition_writes_nothing_more", |database| {
        Box::pin(a_process_that_lost_a_partition_writes_nothing_more(database))
    }),
    ("two_processes_share_one_order_of_the_log", |database| {
        Box::pin(two_processes_share_one_order_of_the_log(database))
    }),
    ("a_log_of_many_pages_is_read_once_and_in_order", |database| {
        Box::pin(a_log_of_many_pages_is_read_once_and_in_order(database))
    }),
];

pub(crate) fn record(number: u64, payload: &[u8]) -> Arc<Record> {
    let f_cnt = u32::try_from(number).unwrap();
    let mut up = testing::up(Up::Uplink(Box::new(testing::uplink(f_cnt, payload))));
    up.received_at = Timestamp::from_unix_secs(i64::from(f_cnt));
    Arc::new(Record::deliver(number, up))
}

pub(crate) fn batch(lane: u16, records: &[Arc<Record>]) -> LogBatch {
    let records = records.iter().map(|record| (testing::owned(), record.clone())).collect();
    LogBatch { lane: LaneId(lane), records, sessions: Vec::new() }
}

/// The numbers of all records.
pub(crate) async fn numbers(store: &PostgresStore, filter: &LogFilter) -> Vec<u64> {
    let found: Vec<_> = store.read(&Cursor::start(), filter).try_collect().await.unwrap();
    let number = |entry: LogEntry| match entry {
        LogEntry::Record(record) => record.number,
        LogEntry::Gap { .. } => panic!("no gap"),
    };
    found.into_iter().map(|found| number(found.entry)).collect()
}

async fn nothing_that_was_taken_is_lost_when_the_store_is_dropped(database: Database) {
    let store = database.open().await;
    for number in 1..=500 {
        store.append(batch(0, &[record(number, b"payload")])).unwrap();
    }
    drop(store);
    assert_eq!(database.open().await.end(), Cursor::behind(500));
}

// DESIGN promise 8: bounded, and the batch comes back
async fn a_full_queue_gives_the_batch_back(database: Database) {
    let store = database.open().await;
    let large = record(1, &vec![7; 200 << 10]);
    let mut last = None;
    let refused = loop {
        match store.append(batch(0, &vec![large.clone(); 40])) {
            Ok(position) => last = Some(position),
            Err(refused) => break refused,
        }
    };
    assert_eq!(refused.reason, Refusal::Full);
    assert_eq!(refused.batch.records.len(), 40);
    durable(&*store, last.unwrap()).await.unwrap();
    let position = store.append(refused.batch).unwrap();
    durable(&*store, position).await.unwrap();
}

async fn after_a_stop_every_wait_and_write_fails(database: Database) {
    let store = database.open().await;
    let position = store.append(batch(0, &[record(1, b"a")])).unwrap();
    durable(&*store, position).await.unwrap();
    store.abort();
    let refused = store.append(batch(0, &[record(2, b"b")])).unwrap_err();
    assert_eq!(refused.reason, Refusal::Unavailable);
    let next = ttn_core::store::Position { seq: position.seq + 1, ..position };
    assert!(durable(&*store, next).await.is_err());
    // What was proven stays proven.
    durable(&*store, position).await.unwrap();
}

// An older owner may write neither session records nor log
async fn the_log_is_fenced_by_the_network_servers_epochs(database: Database) {
    let store = database.open().await;
    let mut owned = testing::owned();
    let partition: PartitionId = owned.partition;
    owned.epoch = store.acquire(partition, OwnerId(1)).await.unwrap();
    store.append(one(owned, 1)).unwrap();
    store.acquire(partition, OwnerId(2)).await.unwrap();
    assert_eq!(store.append(one(owned, 2)).unwrap_err().reason, Refusal::Fenced);
    drop(store);
    let store = database.open().await;
    assert_eq!(store.append(one(owned, 2)).unwrap_err().reason, Refusal::Fenced);
    let latest = Owned { epoch: Epoch::LATEST, ..owned };
    let position = store.append(one(latest, 2)).unwrap();
    durable(&*store, position).await.unwrap();
    assert_eq!(numbers(&store, &LogFilter::default()).await, [1, 2]);
}

// DESIGN 4: the store refuses a stale epoch
async fn a_process_that_lost_a_partition_writes_nothing_more(database: Database) {
    let (old, new) = (database.open().await, database.open().await);
    let mut owned = testing::owned();
    owned.epoch = old.acquire(owned.partition, OwnerId(1)).await.unwrap();
    let position = old.append(one(owned, 1)).unwrap();
    durable(&*old, position).await.unwrap();
    new.acquire(owned.partition, OwnerId(2)).await.unwrap();
    // It does not know yet: the database refuses.
    let position = old.append(one(owned, 2)).unwrap();
    let error = durable(&*old, position).await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Fenced, "{error}");
    let empty = NetworkBatch { lane: LaneId(0), writes: Vec::new() };
    assert_eq!(old.submit(empty).unwrap_err().reason, Refusal::Unavailable);
    assert_eq!(numbers(&new, &LogFilter::default()).await, [1]);
}

async fn two_processes_share_one_order_of_the_log(database: Database) {
    let stores = [database.open().await, database.open().await];
    for number in 0..200_u64 {
        let store = &stores[usize::from(number % 2 == 1)];
        let position = store.append(batch(0, &[record(number, b"x")])).unwrap();
        if number % 7 == 0 {
            durable(&**store, position).await.unwrap();
        }
    }
    for store in &stores {
        let position = store.append(batch(0, &[])).unwrap();
        durable(&**store, position).await.unwrap();
    }
    let found = numbers(&stores[0], &LogFilter::default()).await;
    assert_eq!(numbers(&stores[1], &LogFilter::default()).await, found);
    for parity in 0..2 {
        let of_one: Vec<u64> = found.iter().copied().filter(|it| it % 2 == parity).collect();
        let expected: Vec<u64> = (0..200).filter(|it| it % 2 == parity).collect();
        assert_eq!(of_one, expected, "the order of each process is kept");
    }
}

// Readers see nothing that a crash could take back
async fn a_log_of_many_pages_is_read_once_and_in_order(database: Database) {
    let store = database.open().await;
    let mut last = None;
    for first in (1..=1500).step_by(100) {
        let records: Vec<_> = (first..first + 100).map(|number| record(number, b"x")).collect();
        last = Some(store.append(batch(0, &records)).unwrap());
    }
    durable(&*store, last.unwrap()).await.unwrap();
    let application = record(1, b"").up.ids.key.application_id.clone();
    for filter in [LogFilter::default(), LogFilter::application(application)] {
        assert_eq!(numbers(&store, &filter).await, (1..=1500).collect::<Vec<_>>());
    }
    let loaded: Vec<_> = ApplicationStore::load(&*store).try_collect().await.unwrap();
    assert!(loaded.is_empty(), "the log is no registry");
}

fn one(owned: Owned, number: u64) -> LogBatch {
    LogBatch { lane: LaneId(0), records: vec![(owned, record(number, b"a"))], sessions: Vec::new() }
}

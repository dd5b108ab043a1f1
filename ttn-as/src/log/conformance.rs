//! What every [`ApplicationLog`] promises, as tests. A backend is a backend when it passes.
#![expect(clippy::expect_used, reason = "a broken promise ends the test that calls the suite")]

use std::sync::Arc;

use futures::{StreamExt as _, future::BoxFuture};
use ttn_core::{
    msg::Up,
    store::{LaneId, Position, durable},
    time::Timestamp,
};

use super::{ApplicationLog, Cursor, LogBatch, LogEntry, LogFilter, Record, Retention};
use crate::{
    store::{ApplicationStore, Loaded, SessionRecord},
    testing,
};

/// Opens a backend again and again.
pub trait Fixture: Send + Sync {
    /// Opens the backend, with everything that was durable when it was dropped (or killed) before.
    fn open(&self) -> BoxFuture<'_, Backend>;
}

/// An opened backend.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "built by stores")]
pub struct Backend {
    /// Its log.
    pub log: Arc<dyn ApplicationLog>,
    /// Its store.
    pub store: Arc<dyn ApplicationStore>,
}

/// A check of the suite.
pub type Check = for<'a> fn(&'a dyn Fixture) -> BoxFuture<'a, ()>;

/// Every check with its name.
pub const SUITE: &[(&str, Check)] = &[
    ("reads_records_in_the_order_of_their_lane", |f| Box::pin(in_order(f))),
    ("continues_behind_a_cursor", |f| Box::pin(cursors(f))),
    ("keeps_records_and_sessions_across_a_reopening", |f| Box::pin(reopening(f))),
    ("filters_by_application_device_and_time", |f| Box::pin(filters(f))),
    ("a_cursor_that_fell_behind_gets_one_counted_gap", |f| Box::pin(gaps(f))),
];

fn record(uid: &str, number: u64, seconds: i64) -> Arc<Record> {
    let mut up = testing::up(Up::Uplink(Box::new(testing::uplink(number as u32, b"payload"))));
    up.ids = testing::ids(uid);
    up.received_at = Timestamp::from_unix_secs(seconds);
    Arc::new(Record::deliver(number, up))
}

fn batch(records: Vec<Arc<Record>>) -> LogBatch {
    let records = records.into_iter().map(|record| (testing::owned(), record)).collect();
    LogBatch { lane: LaneId(0), records, sessions: Vec::new() }
}

async fn append(log: &dyn ApplicationLog, records: Vec<Arc<Record>>) -> Position {
    let position = log.append(batch(records)).expect("an append is taken");
    let proof = durable(log, position).await.expect("a watermark");
    assert!(proof.covers(position), "the proof covers the position");
    position
}

async fn read(
    log: &dyn ApplicationLog,
    from: &Cursor,
    filter: &LogFilter,
) -> Vec<(Cursor, LogEntry)> {
    let entries: Vec<_> = log.read(from, filter).collect().await;
    entries.into_iter().map(|e| e.expect("a readable entry")).map(|e| (e.cursor, e.entry)).collect()
}

fn numbers(entries: &[(Cursor, LogEntry)]) -> Vec<u64> {
    let number = |(_, entry): &(Cursor, LogEntry)| match entry {
        LogEntry::Record(record) => Some(record.number),
        LogEntry::Gap { .. } => None,
    };
    entries.iter().filter_map(number).collect()
}

async fn in_order(fixture: &dyn Fixture) {
    let Backend { log, .. } = fixture.open().await;
    let first = append(&*log, vec![record("an-app.dev", 1, 1), record("an-app.dev", 2, 2)]).await;
    let second = append(&*log, vec![record("an-app.dev", 3, 3)]).await;
    assert!(second > first, "positions rise within a lane");
    let entries = read(&*log, &Cursor::start(), &LogFilter::default()).await;
    assert_eq!(numbers(&entries), [1, 2, 3]);
}

async fn cursors(fixture: &dyn Fixture) {
    let Backend { log, .. } = fixture.open().await;
    append(&*log, (1..=5).map(|n| record("an-app.dev", n, 1)).collect()).await;
    let all = read(&*log, &Cursor::start(), &LogFilter::default()).await;
    let after_third = all[2].0.to_string().parse().expect("a printed cursor parses");
    let rest = read(&*log, &after_third, &LogFilter::default()).await;
    assert_eq!(numbers(&rest), [4, 5]);
    assert!(read(&*log, &Cursor::end(), &LogFilter::default()).await.is_empty());
    let end = log.end();
    append(&*log, vec![record("an-app.dev", 6, 1)]).await;
    assert_eq!(numbers(&read(&*log, &end, &LogFilter::default()).await), [6]);
}

async fn reopening(fixture: &dyn Fixture) {
    let device = testing::ids("an-app.dev").key;
    let backend = fixture.open().await;
    let sessions = SessionRecord { last_number: 9, lane: LaneId(2), ..SessionRecord::default() };
    let mut with_sessions = batch(vec![record("an-app.dev", 9, 1)]);
    with_sessions.sessions = vec![(testing::owned(), device.clone(), Arc::new(sessions.clone()))];
    let position = backend.log.append(with_sessions).expect("an append is taken");
    durable(&*backend.log, position).await.expect("a watermark");
    let entries = read(&*backend.log, &Cursor::start(), &LogFilter::default()).await;
    drop(backend);
    let backend = fixture.open().await;
    let again = read(&*backend.log, &Cursor::start(), &LogFilter::default()).await;
    assert_eq!(format!("{again:?}"), format!("{entries:?}"));
    let loaded: Vec<_> = backend.store.load().collect().await;
    let found = loaded.into_iter().any(|loaded| match loaded.expect("a readable record") {
        Loaded::Sessions(key, found) => key == device && *found == sessions,
        Loaded::Reader(..) | Loaded::Registry(_) => false,
    });
    assert!(found, "the session record is loaded");
}

async fn filters(fixture: &dyn Fixture) {
    let Backend { log, .. } = fixture.open().await;
    append(
        &*log,
        vec![
            record("an-app.dev", 1, 10),
            record("an-app.other", 2, 20),
            record("other-app.dev", 3, 30),
        ],
    )
    .await;
    let of = |filter| {
        let log = log.clone();
        async move { numbers(&read(&*log, &Cursor::start(), &filter).await) }
    };
    let device = testing::ids("an-app.dev").key;
    let application = LogFilter::application(device.application_id.clone());
    assert_eq!(of(application).await, [1, 2]);
    assert_eq!(of(LogFilter { device: Some(device), ..LogFilter::default() }).await, [1]);
    let since = Some(Timestamp::from_unix_secs(20));
    assert_eq!(of(LogFilter { since, ..LogFilter::default() }).await, [2, 3]);
}

async fn gaps(fixture: &dyn Fixture) {
    let Backend { log, .. } = fixture.open().await;
    append(&*log, (1..=4).map(|n| record("an-app.dev", n, n as i64)).collect()).await;
    let all = read(&*log, &Cursor::start(), &LogFilter::default()).await;
    let retention = Retention { before: Some(Timestamp::from_unix_secs(4)), bytes_max: None };
    let deleted = log.truncate(&retention).await.expect("a truncation");
    // Backends delete whole segments and may keep more than asked.
    assert!(deleted <= 3, "only old records are deleted");
    let rest = read(&*log, &all[0].0, &LogFilter::default()).await;
    if deleted <= 1 {
        assert_eq!(numbers(&rest), [2, 3, 4]);
        return;
    }
    assert!(matches!(rest[0].1, LogEntry::Gap { lost } if lost == deleted - 1));
    assert_eq!(rest.iter().filter(|(_, e)| matches!(e, LogEntry::Gap { .. })).count(), 1);
    let from_start = read(&*log, &Cursor::start(), &LogFilter::default()).await;
    assert!(from_start.iter().all(|(_, entry)| matches!(entry, LogEntry::Record(_))));
}

//! Positions, watermarks and refusals.

use std::{
    sync::Arc,
    task::{Context, Poll, Waker},
};

use ttn_as::{
    log::{ApplicationLog as _, Cursor, LogBatch, LogEntry, LogFilter, Record},
    testing,
};
use ttn_core::{
    msg::Up,
    store::{LaneId, OwnerId, PartitionId, Position, Refusal, Watermark as _, durable},
    time::Timestamp,
};
use ttn_ns::store::{NetworkBatch, NetworkStore as _};
use ttn_store_embedded::{Commit, EmbeddedStore, Options};

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

#[tokio::test]
async fn positions_go_on_after_a_reopening() {
    let directory = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(directory.path(), Options::default()).unwrap();
    let first = store.append(batch(3, &[record(1, b"a")])).unwrap();
    let second = store.append(batch(3, &[record(2, b"b")])).unwrap();
    let other = store.append(batch(4, &[])).unwrap();
    assert_eq!((first.seq, second.seq, other.seq), (1, 2, 1));
    let proof = durable(&*store, second).await.unwrap();
    assert!(proof.covers(first) && !proof.covers(other));
    drop(store);
    let store = EmbeddedStore::open(directory.path(), Options::default()).unwrap();
    let start = Position { lane: LaneId(3), seq: 0 };
    assert_eq!(durable(&*store, start).await.unwrap().position(), second);
    assert_eq!(store.append(batch(3, &[record(3, b"c")])).unwrap().seq, 3);
}

// A drop writes what is pending
#[tokio::test]
async fn nothing_that_was_taken_is_lost_when_the_store_is_dropped() {
    let directory = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(directory.path(), Options::default()).unwrap();
    for number in 1..=500 {
        store.append(batch(0, &[record(number, b"payload")])).unwrap();
    }
    drop(store);
    let store = EmbeddedStore::open(directory.path(), Options::default()).unwrap();
    assert_eq!(store.end(), Cursor::behind(500));
}

// A clean stop leaves nothing to replay, and what follows it is safe too
#[tokio::test]
async fn a_clean_stop_leaves_an_empty_journal_and_everything_in_tables() {
    let directory = tempfile::tempdir().unwrap();
    for turn in 0..4_u64 {
        let store = EmbeddedStore::open(directory.path(), Options::default()).unwrap();
        assert_eq!(store.end(), Cursor::behind(turn * 500));
        let mut last = None;
        for number in turn * 500 + 1..=(turn + 1) * 500 {
            last = Some(store.append(batch(0, &[record(number, b"payload")])).unwrap());
        }
        let last = last.unwrap();
        assert_eq!(last.seq, (turn + 1) * 500);
        durable(&*store, last).await.unwrap();
        drop(store);
        let engine = std::fs::read_dir(directory.path().join("engine")).unwrap();
        let journal = engine
            .map(Result::unwrap)
            .filter(|file| file.path().extension().is_some_and(|extension| extension == "jnl"));
        let lengths: Vec<u64> = journal.map(|file| file.metadata().unwrap().len()).collect();
        assert_eq!(lengths, [0]);
        assert_eq!(std::fs::read_dir(directory.path().join("log")).unwrap().count(), 1);
    }
}

// DESIGN 4: a sync error ends acknowledging
#[tokio::test]
async fn after_a_failed_sync_nothing_is_acknowledged_and_what_was_stays() {
    let directory = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(directory.path(), Options::default()).unwrap();
    let first = store.append(batch(0, &[record(1, b"a")])).unwrap();
    durable(&*store, first).await.unwrap();
    store.break_disk();
    let second = store.append(batch(0, &[record(2, b"b")])).unwrap();
    let error = durable(&*store, second).await.unwrap_err();
    assert!(error.to_string().contains("a commit"), "{error}");
    assert_eq!(
        store.append(batch(0, &[record(3, b"c")])).unwrap_err().reason,
        Refusal::Unavailable
    );
    durable(&*store, first).await.unwrap();
    drop(store);
    let store = EmbeddedStore::open(directory.path(), Options::default()).unwrap();
    // It was written, but nobody was told so: it may be there.
    let end = store.end();
    assert!(end == Cursor::behind(1) || end == Cursor::behind(2), "{end:?}");
}

// DESIGN 4: … and the process
#[tokio::test]
async fn a_failed_sync_ends_the_network_server_with_its_reason() {
    use ttn_core::{clock::SystemClock, peer::Local, task::Tasks};
    let directory = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(directory.path(), Options::default()).unwrap();
    let (clock, peers) = (Arc::new(SystemClock::new()), Arc::new(Local::default()));
    let network = ttn_ns::NetworkServer::builder(ttn_ns::config::Config::default(), clock, peers)
        .store(store.clone())
        .build()
        .unwrap();
    let mut tasks = Tasks::new();
    network.start(&mut tasks);
    let device = |name: &str| {
        let key = format!("app.{name}").parse().unwrap();
        let mut ids = testing::ids("an-app.dev");
        ids.key = key;
        ids.dev_eui = Some(ttn_core::eui::DevEui::from_u64(name.len() as u64));
        ids.join_eui = Some(ttn_core::eui::JoinEui::from_u64(0));
        ttn_ns::device::Device::new(
            ids,
            "EU_863_870_TTN".parse().unwrap(),
            ttn_core::version::MacVersion::V1_0_3,
            ttn_core::version::PhyVersion::RP001_V1_0_3_REV_A,
        )
    };
    network.create_device(device("dev"), None).await.unwrap();
    store.break_disk();
    let answer = network.create_device(device("other"), None);
    let (answer, ended) = tokio::join!(
        answer,
        tasks.until_shutdown(futures::future::pending(), futures::future::ready(())),
    );
    assert!(answer.is_err(), "nothing is acknowledged");
    let ended = ended.unwrap_err().to_string();
    for part in ["network server", "the store can no longer write", "a commit"] {
        assert!(ended.contains(part), "{part} is missing in: {ended}");
    }
}

#[test]
fn inline_batches_are_durable_when_submit_returns() {
    let directory = tempfile::tempdir().unwrap();
    let options = Options { commit: Commit::Inline, ..Options::default() };
    let store = EmbeddedStore::open(directory.path(), options).unwrap();
    let position = store.append(batch(0, &[record(1, b"a")])).unwrap();
    let mut cx = Context::from_waker(Waker::noop());
    let Poll::Ready(Ok(proof)) = store.poll_durable(position.lane, position.seq, &mut cx) else {
        panic!("it is durable")
    };
    assert!(proof.covers(position));
    assert!(store.poll_durable(position.lane, position.seq + 1, &mut cx).is_pending());
}

// DESIGN promise 8: bounded, and the batch comes back
#[tokio::test]
async fn a_full_queue_gives_the_batch_back() {
    let directory = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(directory.path(), Options::default()).unwrap();
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
    store.append(refused.batch).unwrap();
}

#[tokio::test]
async fn after_a_stop_every_wait_and_write_fails() {
    let directory = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(directory.path(), Options::default()).unwrap();
    let position = store.append(batch(0, &[record(1, b"a")])).unwrap();
    durable(&*store, position).await.unwrap();
    store.abort();
    let refused = store.append(batch(0, &[record(2, b"b")])).unwrap_err();
    assert_eq!(refused.reason, Refusal::Unavailable);
    let next = Position { seq: position.seq + 1, ..position };
    assert!(durable(&*store, next).await.is_err());
    // What was proven stays proven.
    durable(&*store, position).await.unwrap();
}

// An older owner may write neither session records nor log
#[tokio::test]
async fn the_log_is_fenced_by_the_network_servers_epochs() {
    let directory = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(directory.path(), Options::default()).unwrap();
    let mut owned = testing::owned();
    let partition: PartitionId = owned.partition;
    owned.epoch = store.acquire(partition, OwnerId(1)).await.unwrap();
    let one = |owned| LogBatch {
        lane: LaneId(0),
        records: vec![(owned, record(1, b"a"))],
        sessions: Vec::new(),
    };
    store.append(one(owned)).unwrap();
    store.acquire(partition, OwnerId(2)).await.unwrap();
    assert_eq!(store.append(one(owned)).unwrap_err().reason, Refusal::Fenced);
    drop(store);
    let store = EmbeddedStore::open(directory.path(), Options::default()).unwrap();
    assert_eq!(store.append(one(owned)).unwrap_err().reason, Refusal::Fenced);
    let empty = NetworkBatch { lane: LaneId(0), writes: Vec::new() };
    store.submit(empty).unwrap();
}

// Readers see nothing that a crash could take back
#[tokio::test]
async fn a_log_of_many_pages_is_read_once_and_in_order() {
    use futures::TryStreamExt as _;
    let directory = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(directory.path(), Options::default()).unwrap();
    let mut last = None;
    for first in (1..=1500).step_by(100) {
        let records: Vec<_> = (first..first + 100).map(|number| record(number, b"x")).collect();
        last = Some(store.append(batch(0, &records)).unwrap());
        if first == 701 {
            // Half of them are read from the engine, the others from the layers above it.
            durable(&*store, last.unwrap()).await.unwrap();
            store.checkpoint().unwrap();
        }
    }
    durable(&*store, last.unwrap()).await.unwrap();
    let device = testing::ids("an-app.dev").key;
    let application = record(1, b"").up.ids.key.application_id.clone();
    assert_ne!(device.device_id.as_str(), "");
    for filter in [LogFilter::default(), LogFilter::application(application)] {
        let found: Vec<_> = store.read(&Cursor::start(), &filter).try_collect().await.unwrap();
        let numbers: Vec<_> = found
            .iter()
            .map(|entry| match &entry.entry {
                LogEntry::Record(record) => record.number,
                LogEntry::Gap { .. } => panic!("no gap"),
            })
            .collect();
        assert_eq!(numbers, (1..=1500).collect::<Vec<_>>());
    }
}

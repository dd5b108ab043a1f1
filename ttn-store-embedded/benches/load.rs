//! The store under load: how many batches become durable, how long each waits, and how long it takes to open.
//!
//! ```text
//! cargo bench -p ttn-store-embedded --bench load -- seconds=60
//! ```
#![allow(
    missing_docs,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a benchmark: it measures real time"
)]

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use ttn_as::{
    log::{ApplicationLog as _, LogBatch, Record},
    testing,
};
use ttn_core::{
    msg::Up,
    store::{LaneId, durable},
};
use ttn_store_embedded::{EmbeddedStore, Options};

fn main() {
    let directory = tempfile::tempdir().unwrap();
    let begin = Instant::now();
    let store = EmbeddedStore::open(directory.path(), Options::default()).unwrap();
    println!("first open: {:?}", begin.elapsed());
    drop(store);
    println!("empty store: {} KiB", octets(directory.path()) >> 10);
    let begin = Instant::now();
    let store = EmbeddedStore::open(directory.path(), Options::default()).unwrap();
    println!("open of an empty store: {:?}", begin.elapsed());

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let seconds = std::env::args().find_map(|arg| arg.strip_prefix("seconds=")?.parse().ok());
    let length = Duration::from_secs(seconds.unwrap_or(20));
    for waiting in [1_u64, 16, 64, 256] {
        let begin = Instant::now();
        let mut latencies = runtime.block_on(async {
            let writers = (0..waiting).map(|writer| {
                let store = store.clone();
                async move {
                    let mut latencies = Vec::new();
                    let mut number = writer + 1;
                    while begin.elapsed() < length {
                        let sent = Instant::now();
                        let position = store.append(batch(number)).unwrap();
                        durable(&*store, position).await.unwrap();
                        latencies.push(sent.elapsed());
                        number += waiting;
                    }
                    latencies
                }
            });
            futures::future::join_all(writers).await.concat()
        });
        latencies.sort_unstable();
        let at = |part: usize| latencies[(latencies.len() - 1) * part / 1000];
        println!(
            "{waiting:>4} waiting: {:>7.0} batches/s, p50 {:?}, p99 {:?}, p999 {:?}, max {:?}",
            latencies.len() as f64 / length.as_secs_f64(),
            at(500),
            at(990),
            at(999),
            at(1000),
        );
    }
    // What a kill would leave.
    let killed = tempfile::tempdir().unwrap();
    copy(directory.path(), killed.path());
    let begin = Instant::now();
    drop(store);
    println!("clean stop: {:?}", begin.elapsed());
    println!("store after load: {} MiB", octets(directory.path()) >> 20);
    for (what, path) in [("a clean stop", directory.path()), ("a kill", killed.path())] {
        let begin = Instant::now();
        let store = EmbeddedStore::open(path, Options::default()).unwrap();
        println!("open after {what}: {:?}, {} records", begin.elapsed(), store.end());
        drop(store);
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.metadata().unwrap().is_dir() {
            std::fs::create_dir(&to).unwrap();
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), &to).unwrap();
        }
    }
}

/// One uplink of 380 octets.
fn batch(number: u64) -> LogBatch {
    let up = testing::up(Up::Uplink(Box::new(testing::uplink(1, &[7; 380]))));
    let record = (testing::owned(), Arc::new(Record::deliver(number, up)));
    LogBatch { lane: LaneId(0), records: vec![record], sessions: Vec::new() }
}

fn octets(path: &Path) -> u64 {
    std::fs::read_dir(path)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let metadata = entry.metadata().unwrap();
            // Blocks that are taken, not lengths: the journal is allocated ahead.
            #[cfg(unix)]
            let taken = std::os::unix::fs::MetadataExt::blocks(&metadata) * 512;
            #[cfg(not(unix))]
            let taken = metadata.len();
            if metadata.is_dir() { octets(&entry.path()) } else { taken }
        })
        .sum()
}

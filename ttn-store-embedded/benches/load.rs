//! The store under load: what uplinks at a given rate cost, how many batches become durable at most, how long each waits,
//! and how long it takes to open.
//!
//! ```text
//! cargo bench -p ttn-store-embedded --bench load -- seconds=60 rates=80,1000,10000
//! ```
#![allow(
    missing_docs,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a benchmark: it measures real time"
)]

use std::{
    fs,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::mpsc;
use ttn_as::{
    log::{ApplicationLog as _, LogBatch, Record},
    testing,
};
use ttn_core::{
    id::DeviceIds,
    msg::Up,
    store::{LaneId, Owned, OwnerId, PartitionId, Position, Replaces, Watermark as _, durable},
    version::{MacVersion, PhyVersion},
};
use ttn_mac::state::Hot;
use ttn_ns::{
    device::Device,
    store::{
        DeviceNo, DeviceRecord, HotRecord, NetworkBatch, NetworkStore as _, NetworkWrite, Sealer,
    },
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
    let argument =
        |name: &str| std::env::args().find_map(|arg| Some(arg.strip_prefix(name)?.to_owned()));
    let seconds = argument("seconds=").map(|seconds| seconds.parse().unwrap());
    let length = Duration::from_secs(seconds.unwrap_or(20));
    let rates = argument("rates=").unwrap_or_else(|| "80,1000,10000".to_owned());
    let devices = runtime.block_on(Devices::register(&store));
    for rate in rates.split(',').filter(|rate| !rate.is_empty()) {
        runtime.block_on(devices.uplinks(&store, rate.parse().unwrap(), length));
    }
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

/// Devices that send.
struct Devices {
    owned: Owned,
}

impl Devices {
    const COUNT: u64 = 1000;

    async fn register(store: &Arc<EmbeddedStore>) -> Self {
        let partition = PartitionId::new(1).unwrap();
        let epoch = store.acquire(partition, OwnerId(1)).await.unwrap();
        let owned = Owned { partition, epoch };
        let writes = (0..Self::COUNT).map(|number| {
            let ids = DeviceIds::new(format!("app.dev-{number}").parse().unwrap());
            let plan = "EU_863_870".parse().unwrap();
            let device = Device::new(ids, plan, MacVersion::V1_0_3, PhyVersion::RP001_V1_0_3_REV_A);
            let record = Box::new(DeviceRecord::seal(&device, &Sealer::clear()).unwrap());
            let device = DeviceNo(number);
            (owned, NetworkWrite::Device { device, replaces: Replaces::Nothing, record })
        });
        let batch = NetworkBatch { lane: LaneId(0), writes: writes.collect() };
        durable(&**store, store.submit(batch).unwrap()).await.unwrap();
        Self { owned }
    }

    /// What an uplink writes: a record of the log, then the device's session.
    fn uplink(&self, store: &EmbeddedStore, number: u64) -> Option<Position> {
        store.append(batch(number)).ok()?;
        let hot = Hot { f_cnt_up: Some(u32::try_from(number).unwrap()), ..Hot::default() };
        let write = NetworkWrite::Hot {
            device: DeviceNo(number % Self::COUNT),
            hot: HotRecord { hot, first_copy: None },
        };
        store.submit(NetworkBatch { lane: LaneId(0), writes: vec![(self.owned, write)] }).ok()
    }

    /// Lets uplinks come at a rate, and prints what each costs.
    async fn uplinks(&self, store: &Arc<EmbeddedStore>, rate: u64, length: Duration) {
        let (sent, mut waiting) = mpsc::unbounded_channel::<(Position, Instant)>();
        let (begin, usage, syncs) = (Instant::now(), Usage::now(), store.syncs());
        let send = async {
            let (mut number, mut refused) = (0, 0);
            let mut ticks = tokio::time::interval(Duration::from_millis(1));
            while begin.elapsed() < length {
                ticks.tick().await;
                while number < (begin.elapsed().as_secs_f64() * rate as f64) as u64 {
                    number += 1;
                    match self.uplink(store, number) {
                        Some(position) => sent.send((position, Instant::now())).unwrap(),
                        None => refused += 1,
                    }
                }
            }
            drop(sent);
            (number, refused)
        };
        let wait = async {
            let mut latencies = Vec::new();
            while let Some((position, at)) = waiting.recv().await {
                durable(&**store, position).await.unwrap();
                latencies.push(at.elapsed());
            }
            latencies
        };
        let ((number, refused), mut latencies) = futures::future::join(send, wait).await;
        latencies.sort_unstable();
        let at = |part: usize| latencies[(latencies.len() - 1) * part / 1000];
        let used = Usage::now();
        println!(
            "{rate:>6} uplinks/s ({refused} refused): {:.1} µs CPU, {:.1} KiB, {:.2} syncs each; p50 {:?}, p99 {:?}, \
             max {:?}",
            (used.cpu - usage.cpu).as_secs_f64() * 1e6 / number as f64,
            (used.written - usage.written) as f64 / 1024.0 / number as f64,
            (store.syncs() - syncs) as f64 / number as f64,
            at(500),
            at(990),
            at(1000),
        );
    }
}

/// What this process has used, as Linux counts it.
struct Usage {
    cpu: Duration,
    written: u64,
}

impl Usage {
    fn now() -> Self {
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let ticks = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(2);
        let ticks: u64 = ticks.filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
        let io = fs::read_to_string("/proc/self/io").unwrap_or_default();
        let written = io.lines().find_map(|line| line.strip_prefix("write_bytes: ")?.parse().ok());
        Self { cpu: Duration::from_millis(ticks * 10), written: written.unwrap_or_default() }
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.metadata().unwrap().is_dir() {
            fs::create_dir(&to).unwrap();
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), &to).unwrap();
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
    fs::read_dir(path)
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

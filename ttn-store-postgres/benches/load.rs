//! The store under load, on a server of its own: how many session updates become durable per second.
//!
//! ```text
//! cargo bench -p ttn-store-postgres --bench load -- seconds=60
//! ```
#![allow(
    missing_docs,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a benchmark: it measures real time"
)]

#[path = "../tests/server/cluster.rs"]
mod cluster;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures::future::{join_all, try_join_all};
use ttn_core::{
    eui::DevEui,
    id::DeviceIds,
    store::{LaneId, Owned, OwnerId, PartitionId, Replaces, durable},
    version::{MacVersion, PhyVersion},
};
use ttn_mac::state::Hot;
use ttn_ns::{
    device::Device,
    store::{
        DeviceNo, DeviceRecord, HotRecord, NetworkBatch, NetworkStore as _, NetworkWrite, Sealer,
    },
};
use ttn_store_postgres::{Options, PostgresStore};

/// How many devices there are; they send in turn.
const DEVICES: u64 = 20_000;

fn main() {
    if cluster::bin().is_none() {
        println!("PostgreSQL is not installed");
        return;
    }
    let cluster = cluster::Cluster::start();
    let url = cluster.database("load");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let seconds = std::env::args().find_map(|arg| arg.strip_prefix("seconds=")?.parse().ok());
    let length = Duration::from_secs(seconds.unwrap_or(20));
    runtime.block_on(async {
        let begin = Instant::now();
        let store = PostgresStore::open(&url, Options::default()).await.unwrap();
        println!("first open, with tables: {:?}", begin.elapsed());
        let devices = register(&store).await;
        for waiting in [1, 16, 64, 512] {
            measure(&store, &devices, waiting, length).await;
        }
    });
}

/// Makes devices in all partitions.
async fn register(store: &Arc<PostgresStore>) -> Vec<(Owned, DeviceNo)> {
    let begin = Instant::now();
    let epochs = PartitionId::all().map(|partition| async move {
        let epoch = store.acquire(partition, OwnerId(1)).await?;
        Ok::<_, ttn_core::store::StoreError>(Owned { partition, epoch })
    });
    let owned = try_join_all(epochs).await.unwrap();
    println!("acquired {} partitions: {:?}", owned.len(), begin.elapsed());
    let begin = Instant::now();
    let mut devices = Vec::new();
    for number in 0..DEVICES {
        let key = format!("app.device-{number}").parse().unwrap();
        let dev_eui = Some(DevEui::from_u64(number));
        let ids = DeviceIds { dev_eui, ..DeviceIds::new(key) };
        let of = PartitionId::of_device(dev_eui, "");
        let plan = "EU_863_870".parse().unwrap();
        let device = Device::new(ids, plan, MacVersion::V1_0_3, PhyVersion::RP001_V1_0_3_REV_A);
        let record = Box::new(DeviceRecord::seal(&device, &Sealer::clear()).unwrap());
        let (owned, device) = (owned[usize::from(of.get())], DeviceNo(number));
        let replaces = Replaces::Nothing;
        let writes = vec![(owned, NetworkWrite::Device { device, replaces, record })];
        let position = store.submit(NetworkBatch { lane: LaneId(0), writes }).unwrap();
        if number % 1000 == 999 {
            durable(&**store, position).await.unwrap();
        }
        devices.push((owned, device));
    }
    println!("registered {DEVICES} devices: {:?}", begin.elapsed());
    devices
}

async fn measure(
    store: &Arc<PostgresStore>,
    devices: &[(Owned, DeviceNo)],
    waiting: usize,
    length: Duration,
) {
    let begin = Instant::now();
    let writers = (0..waiting).map(|writer| async move {
        let mut latencies = Vec::new();
        let mut turn = writer;
        while begin.elapsed() < length {
            let (owned, device) = devices[turn % devices.len()];
            let f_cnt_up = u32::try_from(turn).ok();
            let hot = HotRecord { hot: Hot { f_cnt_up, ..Hot::default() }, first_copy: None };
            let writes = vec![(owned, NetworkWrite::Hot { device, hot })];
            let sent = Instant::now();
            let position = store.submit(NetworkBatch { lane: LaneId(0), writes }).unwrap();
            durable(&**store, position).await.unwrap();
            latencies.push(sent.elapsed());
            turn += waiting;
        }
        latencies
    });
    let mut latencies = join_all(writers).await.concat();
    latencies.sort_unstable();
    let at = |part: usize| latencies[(latencies.len() - 1) * part / 1000];
    println!(
        "{waiting:>4} waiting: {:>7.0} session updates/s, p50 {:?}, p99 {:?}, p999 {:?}, max {:?}",
        latencies.len() as f64 / length.as_secs_f64(),
        at(500),
        at(990),
        at(999),
        at(1000),
    );
}

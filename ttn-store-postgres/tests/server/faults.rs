//! A server that restarts or refuses while records are written.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use futures::future::BoxFuture;
use tokio::sync::watch;
use ttn_as::log::{ApplicationLog as _, LogFilter};
use ttn_core::{
    id::DeviceKey,
    store::{Refusal, StoreErrorKind, durable},
};
use ttn_is::store::{IdentityStore as _, Table};
use ttn_js::store::{DeviceSelector, JoinStore as _};
use ttn_store_postgres::{Options, PostgresStore};

use crate::{
    cluster::Cluster,
    lanes::{batch, numbers, record},
};

/// A test on a server of its own.
type Test = fn(Cluster) -> BoxFuture<'static, ()>;

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("nothing_is_lost_or_doubled_when_the_server_crashes_and_comes_back", |cluster| {
        Box::pin(nothing_is_lost_or_doubled_when_the_server_crashes_and_comes_back(cluster))
    }),
    ("calls_wait_for_a_server_that_restarts", |cluster| {
        Box::pin(calls_wait_for_a_server_that_restarts(cluster))
    }),
    ("an_outage_beyond_the_bound_ends_acknowledging_with_its_reason", |cluster| {
        Box::pin(an_outage_beyond_the_bound_ends_acknowledging_with_its_reason(cluster))
    }),
];

/// Writes records one after the other until it is told to stop; gives how many were confirmed.
async fn write(store: &PostgresStore, confirmed: &AtomicU64, stop: &watch::Receiver<bool>) -> u64 {
    let mut number = 0;
    while !*stop.borrow() {
        number += 1;
        let position = loop {
            match store.append(batch(0, &[record(number, b"x")])) {
                Ok(position) => break position,
                Err(refused) => assert_eq!(refused.reason, Refusal::Full),
            }
        };
        durable(store, position).await.unwrap();
        confirmed.store(number, Ordering::Relaxed);
    }
    number
}

/// Waits until so many more records were confirmed.
async fn more(confirmed: &AtomicU64, count: u64) {
    let goal = confirmed.load(Ordering::Relaxed) + count;
    while confirmed.load(Ordering::Relaxed) < goal {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn nothing_is_lost_or_doubled_when_the_server_crashes_and_comes_back(mut cluster: Cluster) {
    let url = cluster.database("ttn");
    let store = PostgresStore::open(&url, Options::default()).await.unwrap();
    let (confirmed, (stop, stopped)) = (AtomicU64::new(0), watch::channel(false));
    let faults = async {
        for round in 0..4 {
            more(&confirmed, 50).await;
            if round % 2 == 0 {
                cluster.crash()
            } else {
                cluster.stop()
            }
            cluster.start_again();
        }
        more(&confirmed, 50).await;
        stop.send(true).unwrap();
    };
    let (written, ()) = tokio::join!(write(&store, &confirmed, &stopped), faults);
    let found = numbers(&store, &LogFilter::default()).await;
    assert_eq!(found, (1..=written).collect::<Vec<_>>());
}

async fn calls_wait_for_a_server_that_restarts(mut cluster: Cluster) {
    let url = cluster.database("ttn");
    let store = PostgresStore::open(&url, Options::default()).await.unwrap();
    assert_eq!(store.get(Table::User, "nobody").await.unwrap(), None);
    cluster.stop();
    // It refuses connections; the call is under way before it comes back.
    let call = store.get(Table::User, "nobody");
    let back = async {
        tokio::task::yield_now().await;
        cluster.start_again();
    };
    let (answer, ()) = tokio::join!(call, back);
    assert_eq!(answer.unwrap(), None);
    let key: DeviceKey = "app.device".parse().unwrap();
    let missing = store.device(&DeviceSelector::Key(key)).await.unwrap_err();
    assert_eq!(missing.kind, StoreErrorKind::NotFound);
}

async fn an_outage_beyond_the_bound_ends_acknowledging_with_its_reason(mut cluster: Cluster) {
    let url = cluster.database("ttn");
    let bound = Duration::from_millis(300);
    let options = Options { outage_max: bound, call_max: bound, ..Options::default() };
    let store = PostgresStore::open(&url, options).await.unwrap();
    let first = store.append(batch(0, &[record(1, b"x")])).unwrap();
    durable(&*store, first).await.unwrap();
    cluster.stop();
    let second = store.append(batch(0, &[record(2, b"x")])).unwrap();
    let error = durable(&*store, second).await.unwrap_err().to_string();
    assert!(error.contains("the database ttn") && error.contains("300ms"), "{error}");
    let refused = store.append(batch(0, &[record(3, b"x")])).unwrap_err();
    assert_eq!(refused.reason, Refusal::Unavailable);
    store.get(Table::User, "nobody").await.unwrap_err();
    // It stays ended, so that nothing is written out of order.
    cluster.start_again();
    assert!(durable(&*store, second).await.is_err());
    durable(&*store, first).await.unwrap();
    assert_eq!(numbers(&store, &LogFilter::default()).await, [1]);
}

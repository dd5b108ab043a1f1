//! A server that restarts, refuses, is slow, or loses its answers, while records are written.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::future::BoxFuture;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{UnixListener, UnixStream},
    sync::watch,
    task::JoinSet,
};
use ttn_as::log::{ApplicationLog as _, LogFilter};
use ttn_core::{
    id::DeviceKey,
    store::{Refusal, StoreErrorKind, durable},
};
use ttn_is::store::{IdentityStore as _, Table};
use ttn_js::store::{DeviceSelector, JoinStore as _};
use ttn_store_postgres::{Options, PostgresStore};

use crate::{
    cluster::{Cluster, socket_name, url_of},
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
    ("a_server_that_is_slow_or_loses_its_answers_writes_everything_once", |cluster| {
        Box::pin(a_server_that_is_slow_or_loses_its_answers_writes_everything_once(cluster))
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

async fn a_server_that_is_slow_or_loses_its_answers_writes_everything_once(cluster: Cluster) {
    cluster.database("ttn");
    let proxy = Proxy::start(&cluster.socket());
    let options = Options { answer_max: Duration::from_secs(1), ..Options::default() };
    let store = PostgresStore::open(&proxy.url("ttn"), options).await.unwrap();
    let (confirmed, (stop, stopped)) = (AtomicU64::new(0), watch::channel(false));
    let faults = async {
        for manner in [Manner::Late, Manner::Cut, Manner::Silent, Manner::Cut, Manner::Silent] {
            more(&confirmed, 30).await;
            // Some records in an odd manner, or some of its time where nothing gets through.
            proxy.manner.send(manner).unwrap();
            match manner {
                Manner::Late => more(&confirmed, 10).await,
                _ => tokio::time::sleep(Duration::from_millis(1_800)).await,
            }
            proxy.manner.send(Manner::Prompt).unwrap();
        }
        more(&confirmed, 30).await;
        stop.send(true).unwrap();
    };
    let (written, ()) = tokio::join!(write(&store, &confirmed, &stopped), faults);
    let found = numbers(&store, &LogFilter::default()).await;
    assert_eq!(found, (1..=written).collect::<Vec<_>>());
    assert!(proxy.cuts.load(Ordering::Relaxed) > 1, "answers were lost");
}

/// How answers come through.
#[derive(Clone, Copy, PartialEq)]
enum Manner {
    /// The connection ends in place of the answer to a commit.
    Cut,
    /// After a while.
    Late,
    /// At once.
    Prompt,
    /// Not at all, and the connection stays.
    Silent,
}

/// A way to the server: a socket in a directory of its own.
struct Proxy {
    directory: TempDir,
    manner: watch::Sender<Manner>,
    cuts: Arc<AtomicU64>,
    _tasks: JoinSet<()>,
}

impl Proxy {
    fn start(server: &Path) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(directory.path().join(socket_name())).unwrap();
        let (manner, manners) = watch::channel(Manner::Prompt);
        let cuts = Arc::new(AtomicU64::new(0));
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, server.to_owned(), manners, cuts.clone()));
        Self { directory, manner, cuts, _tasks: tasks }
    }

    fn url(&self, database: &str) -> String {
        url_of(self.directory.path(), database)
    }
}

async fn accept(
    listener: UnixListener,
    server: std::path::PathBuf,
    manner: watch::Receiver<Manner>,
    cuts: Arc<AtomicU64>,
) {
    let mut ways = JoinSet::new();
    loop {
        let (near, _) = listener.accept().await.unwrap();
        let far = UnixStream::connect(&server).await.unwrap();
        ways.spawn(carry(near, far, manner.clone(), cuts.clone()));
    }
}

/// Carries one connection until one side ends it.
async fn carry(
    near: UnixStream,
    far: UnixStream,
    manner: watch::Receiver<Manner>,
    cuts: Arc<AtomicU64>,
) {
    let (mut from_near, mut to_near) = near.into_split();
    let (mut from_far, mut to_far) = far.into_split();
    let up = async {
        tokio::io::copy(&mut from_near, &mut to_far).await.ok();
    };
    let down = async {
        let mut octets = vec![0; 1 << 16];
        while let Ok(length @ 1..) = from_far.read(&mut octets).await {
            let answer = &octets[..length];
            let manner = *manner.borrow();
            match manner {
                Manner::Prompt => {}
                Manner::Late => tokio::time::sleep(Duration::from_millis(100)).await,
                Manner::Silent => continue,
                // `CommandComplete` of a commit.
                Manner::Cut if answer.windows(7).any(|part| part == b"COMMIT\0") => {
                    cuts.fetch_add(1, Ordering::Relaxed);
                    return;
                }
                Manner::Cut => {}
            }
            if to_near.write_all(answer).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = up => {}
        () = down => {}
    }
}

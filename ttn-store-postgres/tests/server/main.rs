//! The store on a server of the test's own, in real time: every port's suite, lanes, faults, kills.
//!
//! Without PostgreSQL the tests are listed as ignored, and fail if `TTN_REQUIRE` contains `postgres`.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests stop at the first surprise, and these live in real time"
)]

mod cluster;
mod dump;
mod everything;
mod faults;
mod kill;
mod lanes;
mod migrations;
mod suites;

use std::{
    env,
    process::ExitCode,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use futures::future::BoxFuture;
use libtest_mimic::{Arguments, Failed, Trial};
use ttn_store_postgres::{Options, PostgresStore};

use crate::cluster::Cluster;

/// How long a test may take before it fails.
const LIMIT: Duration = Duration::from_secs(120);

/// A test on a database of its own.
type Test = fn(Database) -> BoxFuture<'static, ()>;

/// The server that most tests share: it is started by the first one.
#[derive(Default)]
struct Shared(Mutex<Option<Cluster>>, AtomicU32);

/// A database of one test.
struct Database {
    url: String,
    server: Arc<Shared>,
}

impl Shared {
    fn database(self: &Arc<Self>) -> Database {
        let number = self.1.fetch_add(1, Ordering::Relaxed);
        let mut cluster = self.0.lock().unwrap();
        let cluster = cluster.get_or_insert_with(Cluster::start);
        Database { url: cluster.database(&format!("test_{number}")), server: self.clone() }
    }
}

impl Database {
    /// Another one, empty.
    fn another(&self) -> Self {
        self.server.database()
    }

    async fn open(&self) -> Arc<PostgresStore> {
        self.open_with(Options::default()).await
    }

    async fn open_with(&self, options: Options) -> Arc<PostgresStore> {
        // Many tests share a server.
        let options = Options { connections: 3, ..options };
        PostgresStore::open(&self.url, options).await.unwrap()
    }
}

fn main() -> ExitCode {
    if kill::is_child() {
        run(kill::write_for_ever());
        return ExitCode::SUCCESS;
    }
    let arguments = Arguments::from_args();
    let shared = Arc::new(Shared::default());
    let mut tests = suites::tests();
    tests.extend(lanes::TESTS.iter().map(|(name, test)| (format!("lanes::{name}"), *test)));
    tests.extend(
        migrations::TESTS.iter().map(|(name, test)| (format!("migrations::{name}"), *test)),
    );
    tests.extend(dump::TESTS.iter().map(|(name, test)| (format!("dump::{name}"), *test)));
    tests.push(("kill::what_was_confirmed_before_a_kill_is_there".to_owned(), |database| {
        Box::pin(kill::what_was_confirmed_before_a_kill_is_there(database))
    }));
    let on_shared = tests.into_iter().map(|(name, test)| {
        let shared = shared.clone();
        trial(name, move || run(test(shared.database())))
    });
    let faults = faults::TESTS
        .iter()
        .map(|(name, test)| trial(format!("faults::{name}"), move || run(test(Cluster::start()))));
    let trials: Vec<Trial> = on_shared.chain(faults).collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    // The server ends before the process does.
    shared.0.lock().unwrap().take();
    conclusion.exit_code()
}

fn trial(name: String, test: impl FnOnce() + Send + 'static) -> Trial {
    if cluster::bin().is_some() {
        return Trial::test(name, move || {
            test();
            Ok(())
        });
    }
    let required =
        env::var("TTN_REQUIRE").is_ok_and(|list| list.split(',').any(|it| it == "postgres"));
    let reason = "PostgreSQL is not installed";
    Trial::test(format!("{name}: {reason}"), move || Err(Failed::from(reason)))
        .with_ignored_flag(!required)
}

fn run(test: impl Future<Output = ()>) {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(LIMIT, test).await.expect("in time") });
}

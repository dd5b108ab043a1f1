//! The suites of the ports.

use std::sync::{Arc, Mutex, Weak};

use async_trait::async_trait;
use futures::future::BoxFuture;
use ttn_ns::store::{NetworkStore, conformance::Backend};
use ttn_store_postgres::PostgresStore;

use crate::{Database, Test};

/// Every promise of every port, with its name.
pub(crate) fn tests() -> Vec<(String, Test)> {
    let mut tests: Vec<(String, Test)> = Vec::new();
    macro_rules! network {
        ($($name:ident)*) => {$({
            let test: Test = |database| Box::pin(async move {
                ttn_ns::store::conformance::$name(&Network::new(database)).await;
            });
            tests.push((format!("network::{}", stringify!($name)), test));
        })*};
    }
    macro_rules! join {
        ($($name:ident,)*) => {$({
            let test: Test = |database| Box::pin(async move {
                ttn_js::store::conformance::$name(&*database.open().await).await;
            });
            tests.push((format!("join::{}", stringify!($name)), test));
        })*};
    }
    macro_rules! identity {
        ($($name:ident,)*) => {$({
            let test: Test = |database| Box::pin(async move {
                ttn_is::store::conformance::$name(database.open().await).await;
            });
            tests.push((format!("identity::{}", stringify!($name)), test));
        })*};
    }
    ttn_ns::network_store_conformance! { @list [network] [] }
    ttn_js::join_store_suite! { @list [join] [] }
    ttn_is::identity_store_conformance! { @list [identity] [] }
    let application: [(&str, Test); 2] = [
        ("log_keeps_its_promises", |database| {
            Box::pin(all(ttn_as::log::conformance::SUITE, database))
        }),
        ("store_keeps_its_promises", |database| {
            Box::pin(all(ttn_as::store::conformance::SUITE, database))
        }),
    ];
    tests.extend(application.map(|(name, test)| (format!("application::{name}"), test)));
    tests
}

/// Runs the checks of the Application Server, each on tables of its own.
async fn all(suite: &[(&str, ttn_as::log::conformance::Check)], database: Database) {
    for (name, check) in suite {
        println!("{name}");
        check(&Application(database.another())).await;
    }
}

struct Application(Database);

impl ttn_as::log::conformance::Fixture for Application {
    fn open(&self) -> BoxFuture<'_, ttn_as::log::conformance::Backend> {
        Box::pin(async {
            let store = self.0.open().await;
            ttn_as::log::conformance::Backend { log: store.clone(), store }
        })
    }
}

/// A store that can be killed and opened again.
struct Network {
    database: Database,
    // What was opened last, to stop it.
    last: Mutex<Weak<PostgresStore>>,
}

impl Network {
    fn new(database: Database) -> Self {
        Self { database, last: Mutex::new(Weak::new()) }
    }
}

#[async_trait]
impl Backend for Network {
    async fn open(&self) -> Arc<dyn NetworkStore> {
        let store = self.database.open().await;
        *self.last.lock().unwrap() = Arc::downgrade(&store);
        store
    }

    async fn kill(&self, store: Arc<dyn NetworkStore>) {
        if let Some(last) = self.last.lock().unwrap().upgrade() {
            last.abort();
        }
        drop(store);
    }
}

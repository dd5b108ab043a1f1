//! What every [`crate::store::ApplicationStore`] promises, as tests. A backend is a backend when it passes.
#![expect(clippy::expect_used, reason = "a broken promise ends the test that calls the suite")]

use std::sync::Arc;

use futures::StreamExt as _;
use ttn_core::{
    store::{LaneId, Replaces, StoreErrorKind, durable},
    time::Timestamp,
};

use super::{
    ApplicationStore, Device, Integration, IntegrationKey, IntegrationKind, Link, Loaded,
    ReaderState, RegistryRecord, SessionRecord,
};
use crate::{
    log::{
        Cursor, LogBatch,
        conformance::{Backend, Check, Fixture},
    },
    testing,
};

/// Every check with its name.
pub const SUITE: &[(&str, Check)] = &[
    ("a_write_against_another_revision_changes_nothing", |f| Box::pin(revisions(f))),
    ("records_are_there_after_a_reopening", |f| Box::pin(reopening(f))),
    ("deleting_a_device_deletes_its_sessions", |f| Box::pin(deletion(f))),
    ("places_in_the_log_live_with_their_integration", |f| Box::pin(readers(f))),
];

/// Makes one test of every check of both suites. `$fixture` is an expression that makes a new, empty
/// [`Fixture`] for each test.
#[macro_export]
macro_rules! application_store_conformance {
    ($fixture:expr) => {
        #[tokio::test]
        async fn application_log_keeps_its_promises() {
            for (name, check) in $crate::log::conformance::SUITE {
                println!("{name}");
                check(&$fixture).await;
            }
        }

        #[tokio::test]
        async fn application_store_keeps_its_promises() {
            for (name, check) in $crate::store::conformance::SUITE {
                println!("{name}");
                check(&$fixture).await;
            }
        }
    };
}

fn device() -> RegistryRecord {
    RegistryRecord::Device(Device::new(testing::ids("an-app.dev"), Timestamp::from_unix_secs(1)))
}

async fn revisions(fixture: &dyn Fixture) {
    let Backend { store, .. } = fixture.open().await;
    let record = device();
    let key = record.key();
    let missing = store.get(&key).await.expect_err("nothing is stored");
    assert_eq!(missing.kind, StoreErrorKind::NotFound);
    let first = store.put(&record, Replaces::Nothing).await.expect("a new record");
    let again = store.put(&record, Replaces::Nothing).await.expect_err("it exists");
    assert_eq!(again.kind, StoreErrorKind::AlreadyExists);
    let second = store.put(&record, Replaces::Revision(first)).await.expect("a new revision");
    assert!(second > first, "revisions rise");
    let stale = store.put(&record, Replaces::Revision(first)).await.expect_err("a stale one");
    assert_eq!(stale.kind, StoreErrorKind::Conflict);
    let stale = store.delete(&key, Replaces::Revision(first)).await.expect_err("a stale one");
    assert_eq!(stale.kind, StoreErrorKind::Conflict);
    assert_eq!(store.get(&key).await.expect("it is there").revision, second);
    store.delete(&key, Replaces::Any).await.expect("a deletion");
    let gone = store.delete(&key, Replaces::Any).await.expect_err("it is gone");
    assert_eq!(gone.kind, StoreErrorKind::NotFound);
}

async fn reopening(fixture: &dyn Fixture) {
    let backend = fixture.open().await;
    let link = RegistryRecord::Link(Link::new(testing::ids("an-app.dev").key.application_id));
    for record in [device(), link.clone()] {
        backend.store.put(&record, Replaces::Nothing).await.expect("a new record");
    }
    drop(backend);
    let Backend { store, .. } = fixture.open().await;
    assert_eq!(store.get(&link.key()).await.expect("it is there").value, link);
    let loaded: Vec<_> = store.load().collect().await;
    let mut found = loaded
        .into_iter()
        .filter_map(|loaded| match loaded.expect("a readable record") {
            Loaded::Registry(record) => Some(record.value),
            Loaded::Reader(..) | Loaded::Sessions(..) => None,
        })
        .collect::<Vec<_>>();
    found.sort_by_key(RegistryRecord::key);
    assert_eq!(found, [device(), link]);
}

async fn deletion(fixture: &dyn Fixture) {
    let Backend { log, store } = fixture.open().await;
    let record = device();
    store.put(&record, Replaces::Nothing).await.expect("a new record");
    let key = testing::ids("an-app.dev").key;
    let sessions = vec![(testing::owned(), key, Arc::new(SessionRecord::default()))];
    let batch = LogBatch { lane: LaneId(0), records: Vec::new(), sessions };
    let position = log.append(batch).expect("an append is taken");
    durable(&*log, position).await.expect("a watermark");
    assert_eq!(store.load().count().await, 2);
    store.delete(&record.key(), Replaces::Any).await.expect("a deletion");
    assert_eq!(store.load().count().await, 0);
}

async fn readers(fixture: &dyn Fixture) {
    let application = testing::ids("an-app.dev").key.application_id;
    let key = |id: &str| IntegrationKey::new(IntegrationKind::Webhook, application.clone(), id);
    let place = |number| ReaderState {
        cursor: Cursor::behind(number),
        progress: bytes::Bytes::from_static(b"in flight"),
    };
    let backend = fixture.open().await;
    let settings = bytes::Bytes::from_static(b"settings");
    let integration = RegistryRecord::Integration(Integration { key: key("hook"), settings });
    backend.store.put(&integration, Replaces::Nothing).await.expect("a new record");
    let both = [(key("hook"), place(1)), (key("unknown"), place(1))];
    backend.store.put_readers(&both).await.expect("places");
    backend.store.put_readers(&[(key("hook"), place(2))]).await.expect("a later place");
    drop(backend);

    let Backend { store, .. } = fixture.open().await;
    assert_eq!(store.get(&integration.key()).await.expect("it is there").value, integration);
    assert_eq!(places(&*store).await, [(key("hook"), place(2))]);
    store.delete(&integration.key(), Replaces::Any).await.expect("a deletion");
    assert_eq!(places(&*store).await, []);
    store.put_readers(&[(key("hook"), place(3))]).await.expect("nothing to keep");
    assert_eq!(places(&*store).await, []);
}

async fn places(store: &dyn ApplicationStore) -> Vec<(IntegrationKey, ReaderState)> {
    let loaded = store.load().map(|loaded| loaded.expect("a readable record"));
    let places = loaded.filter_map(|loaded| async move {
        match loaded {
            Loaded::Reader(key, state) => Some((key, state)),
            Loaded::Registry(_) | Loaded::Sessions(..) => None,
        }
    });
    places.collect().await
}

//! The suite of [`IdentityStore`]: each function checks one promise of the port on an empty store.

use std::sync::Arc;

use ttn_core::store::{Replaces, Revision};

use super::{Change, IdentityStore, Row, Scan, Table, Write, WriteError};

/// Turns every function of the suite into a test. The argument makes an empty `Arc<impl IdentityStore>`.
#[macro_export]
macro_rules! identity_store_conformance {
    ($make:expr) => {
        $crate::identity_store_conformance! { @list [$crate::identity_store_conformance] [@each $make;] }
    };
    // Hands the names of all tests to another macro, behind its arguments.
    (@list [$($then:tt)*] [$($arguments:tt)*]) => {
        $($then)*! { $($arguments)*
            reads_what_was_written,
            refuses_a_write_against_another_revision,
            refuses_a_whole_write_if_one_condition_fails,
            lets_one_of_many_writers_win,
            raises_revisions_over_deletion,
            checks_without_writing,
            scans_in_order_within_the_prefix,
            scans_on_after_a_key,
            keeps_tables_apart,
        }
    };
    (@each $make:expr; $($name:ident,)*) => {
        #[cfg(test)]
        mod identity_store_conformance {
            $(
                #[tokio::test]
                async fn $name() {
                    $crate::store::conformance::$name($make).await;
                }
            )*
        }
    };
}

fn put(table: Table, key: &str, value: &[u8], replaces: Replaces) -> Change {
    Change { table, key: key.to_owned(), replaces, write: Write::Put(value.to_vec()) }
}

fn delete(table: Table, key: &str, replaces: Replaces) -> Change {
    Change { table, key: key.to_owned(), replaces, write: Write::Delete }
}

async fn write<S: IdentityStore>(store: &S, changes: Vec<Change>) -> Revision {
    match store.write(changes).await {
        Ok(revision) => revision,
        Err(error) => unreachable!("the write is allowed: {error}"),
    }
}

async fn value<S: IdentityStore>(store: &S, table: Table, key: &str) -> Option<Vec<u8>> {
    match store.get(table, key).await {
        Ok(record) => record.map(|record| record.value),
        Err(error) => unreachable!("the store reads: {error}"),
    }
}

async fn keys<S: IdentityStore>(store: &S, scan: &Scan) -> Vec<String> {
    match store.scan(scan).await {
        Ok(rows) => rows.into_iter().map(|Row { key, .. }| key).collect(),
        Err(error) => unreachable!("the store scans: {error}"),
    }
}

fn scan(prefix: &str, after: Option<&str>, limit: usize) -> Scan {
    Scan { table: Table::Device, prefix: prefix.to_owned(), after: after.map(str::to_owned), limit }
}

/// `get` and `scan` see a write, with the revision that `write` gave.
pub async fn reads_what_was_written<S: IdentityStore>(store: Arc<S>) {
    assert_eq!(value(&*store, Table::User, "alice").await, None);
    let revision = write(&*store, vec![put(Table::User, "alice", b"1", Replaces::Nothing)]).await;
    let record = store.get(Table::User, "alice").await;
    let record = record.ok().flatten();
    assert_eq!(record.as_ref().map(|record| record.revision), Some(revision));
    assert_eq!(record.map(|record| record.value), Some(b"1".to_vec()));
    write(&*store, vec![delete(Table::User, "alice", Replaces::Revision(revision))]).await;
    assert_eq!(value(&*store, Table::User, "alice").await, None);
}

/// A write against another revision, or against nothing when there is something, is refused.
pub async fn refuses_a_write_against_another_revision<S: IdentityStore>(store: Arc<S>) {
    let first = write(&*store, vec![put(Table::User, "a", b"1", Replaces::Nothing)]).await;
    let second = write(&*store, vec![put(Table::User, "a", b"2", Replaces::Revision(first))]).await;
    assert!(second > first, "the revision rises");
    for replaces in [Replaces::Nothing, Replaces::Revision(first)] {
        let refused = store.write(vec![put(Table::User, "a", b"3", replaces)]).await;
        assert!(
            matches!(&refused, Err(WriteError::Conflict { table: Table::User, key, exists: true }) if key == "a"),
            "{refused:?}"
        );
    }
    assert_eq!(value(&*store, Table::User, "a").await, Some(b"2".to_vec()));
    let gone = store.write(vec![put(Table::User, "b", b"3", Replaces::Revision(first))]).await;
    assert!(matches!(gone, Err(WriteError::Conflict { exists: false, .. })), "{gone:?}");
}

/// All changes happen or none.
pub async fn refuses_a_whole_write_if_one_condition_fails<S: IdentityStore>(store: Arc<S>) {
    write(&*store, vec![put(Table::GatewayOfEui, "E", b"x", Replaces::Nothing)]).await;
    let changes = vec![
        put(Table::Gateway, "g1", b"1", Replaces::Nothing),
        put(Table::GatewayOfEui, "E", b"g1", Replaces::Nothing),
        put(Table::Membership, "m", b"1", Replaces::Any),
    ];
    let refused = store.write(changes).await;
    assert!(
        matches!(&refused, Err(WriteError::Conflict { table: Table::GatewayOfEui, key, .. }) if key == "E"),
        "{refused:?}"
    );
    assert_eq!(value(&*store, Table::Gateway, "g1").await, None);
    assert_eq!(value(&*store, Table::Membership, "m").await, None);
    assert_eq!(value(&*store, Table::GatewayOfEui, "E").await, Some(b"x".to_vec()));
}

/// Of many writers that read the same revision, one wins.
pub async fn lets_one_of_many_writers_win<S: IdentityStore>(store: Arc<S>) {
    let revision = write(&*store, vec![put(Table::User, "a", b"0", Replaces::Nothing)]).await;
    let writers = (1..9_u8).map(|n| {
        let store = store.clone();
        async move {
            let change = put(Table::User, "a", &[n], Replaces::Revision(revision));
            store.write(vec![change]).await.is_ok()
        }
    });
    let won = futures::future::join_all(writers).await;
    assert_eq!(won.into_iter().filter(|won| *won).count(), 1);
}

/// A revision never comes back, so that an old reader cannot replace a record made anew.
pub async fn raises_revisions_over_deletion<S: IdentityStore>(store: Arc<S>) {
    let first = write(&*store, vec![put(Table::User, "a", b"1", Replaces::Nothing)]).await;
    write(&*store, vec![delete(Table::User, "a", Replaces::Any)]).await;
    let again = write(&*store, vec![put(Table::User, "a", b"1", Replaces::Nothing)]).await;
    assert!(again > first);
    let refused = store.write(vec![delete(Table::User, "a", Replaces::Revision(first))]).await;
    assert!(refused.is_err());
}

/// A check stops a write and changes nothing itself.
pub async fn checks_without_writing<S: IdentityStore>(store: Arc<S>) {
    let check = |replaces| Change {
        table: Table::Application,
        key: "app".to_owned(),
        replaces,
        write: Write::Check,
    };
    let device = || put(Table::Device, "app/dev", b"1", Replaces::Nothing);
    let revision =
        write(&*store, vec![put(Table::Application, "app", b"1", Replaces::Nothing)]).await;
    assert!(store.write(vec![check(Replaces::Nothing), device()]).await.is_err());
    assert_eq!(value(&*store, Table::Device, "app/dev").await, None);
    write(&*store, vec![check(Replaces::Revision(revision)), device()]).await;
    let record = store.get(Table::Application, "app").await.ok().flatten();
    assert_eq!(
        record.map(|record| (record.revision, record.value)),
        Some((revision, b"1".to_vec()))
    );
}

/// A scan gives the keys with a prefix, in order of their octets, up to the limit.
pub async fn scans_in_order_within_the_prefix<S: IdentityStore>(store: Arc<S>) {
    let all = ["app/c", "app-2/a", "app/a", "app/b-1", "app/b", "apq/a", "ap/z"];
    let changes = all.map(|key| put(Table::Device, key, b"1", Replaces::Nothing));
    write(&*store, changes.to_vec()).await;
    assert_eq!(
        keys(&*store, &scan("app/", None, 10)).await,
        ["app/a", "app/b", "app/b-1", "app/c"]
    );
    assert_eq!(keys(&*store, &scan("app/", None, 2)).await, ["app/a", "app/b"]);
    assert_eq!(keys(&*store, &scan("", None, 100)).await.len(), all.len());
    assert!(keys(&*store, &scan("none/", None, 10)).await.is_empty());
}

/// A scan goes on after a key, whether it still exists or not.
pub async fn scans_on_after_a_key<S: IdentityStore>(store: Arc<S>) {
    let changes =
        ["a/1", "a/2", "a/3", "b/1"].map(|key| put(Table::Device, key, b"1", Replaces::Nothing));
    write(&*store, changes.to_vec()).await;
    assert_eq!(keys(&*store, &scan("a/", Some("a/1"), 10)).await, ["a/2", "a/3"]);
    assert_eq!(keys(&*store, &scan("a/", Some("a/20"), 10)).await, ["a/3"]);
    assert!(keys(&*store, &scan("a/", Some("a/3"), 10)).await.is_empty());
    assert_eq!(keys(&*store, &scan("a/", Some("0"), 10)).await.len(), 3);
}

/// The same key in two tables is two rows.
pub async fn keeps_tables_apart<S: IdentityStore>(store: Arc<S>) {
    let both = vec![
        put(Table::User, "x", b"user", Replaces::Nothing),
        put(Table::Gateway, "x", b"gateway", Replaces::Nothing),
    ];
    write(&*store, both).await;
    write(&*store, vec![delete(Table::Gateway, "x", Replaces::Any)]).await;
    assert_eq!(value(&*store, Table::User, "x").await, Some(b"user".to_vec()));
    let scan = Scan { table: Table::Gateway, prefix: String::new(), after: None, limit: 10 };
    assert!(keys(&*store, &scan).await.is_empty());
}

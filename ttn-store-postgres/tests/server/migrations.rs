//! Tables: made once, forward only, and never those of a newer version.

use futures::future::join_all;
use tokio::task::JoinSet;
use tokio_postgres::{Client, Error, NoTls};
use ttn_core::store::StoreErrorKind;
use ttn_store_postgres::{Options, PostgresStore, migrate, schema};

use crate::{Database, Test};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("an_empty_database_gets_its_tables_once", |database| {
        Box::pin(an_empty_database_gets_its_tables_once(database))
    }),
    ("a_store_that_may_not_migrate_says_what_to_do", |database| {
        Box::pin(a_store_that_may_not_migrate_says_what_to_do(database))
    }),
    ("a_newer_schema_is_refused_and_left_as_it_is", |database| {
        Box::pin(a_newer_schema_is_refused_and_left_as_it_is(database))
    }),
    ("a_step_that_fails_leaves_nothing_behind", |database| {
        Box::pin(a_step_that_fails_leaves_nothing_behind(database))
    }),
    ("a_server_that_forgets_what_it_confirms_is_refused", |database| {
        Box::pin(a_server_that_forgets_what_it_confirms_is_refused(database))
    }),
    ("a_missing_database_is_named_without_its_password", |database| {
        Box::pin(a_missing_database_is_named_without_its_password(database))
    }),
];

/// A connection beside the store, and the task that keeps it.
pub(crate) async fn connect(database: &Database) -> (Client, JoinSet<Result<(), Error>>) {
    let (client, connection) = tokio_postgres::connect(&database.url, NoTls).await.unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(connection);
    (client, tasks)
}

/// Runs SQL beside the store.
async fn execute(database: &Database, sql: &str) {
    let (client, _tasks) = connect(database).await;
    client.batch_execute(sql).await.unwrap();
}

async fn an_empty_database_gets_its_tables_once(database: Database) {
    assert_eq!(schema(&database.url).await.unwrap().found, 0);
    let opened = join_all((0..4).map(|_| database.open())).await;
    assert_eq!(opened.len(), 4, "they may start at once");
    let found = schema(&database.url).await.unwrap();
    assert_eq!(found.found, found.known);
    assert_eq!(migrate(&database.url).await.unwrap(), found, "there is nothing to do");
}

async fn a_store_that_may_not_migrate_says_what_to_do(database: Database) {
    let options = Options { migrate: false, ..Options::default() };
    let refused = PostgresStore::open(&database.url, options).await.unwrap_err();
    assert!(refused.to_string().contains("ttn-stack db migrate"), "{refused}");
    assert_eq!(migrate(&database.url).await.unwrap().found, 0);
    PostgresStore::open(&database.url, options).await.unwrap();
}

async fn a_newer_schema_is_refused_and_left_as_it_is(database: Database) {
    migrate(&database.url).await.unwrap();
    execute(&database, "UPDATE ttn_schema SET version = 4711").await;
    let refused = [
        PostgresStore::open(&database.url, Options::default()).await.err().unwrap(),
        migrate(&database.url).await.err().unwrap(),
    ];
    for refused in refused {
        assert_eq!(refused.kind, StoreErrorKind::Schema);
        let text = refused.to_string();
        assert!(text.contains("4711") && text.contains("newer version"), "{text}");
    }
    assert_eq!(schema(&database.url).await.unwrap().found, 4711);
}

async fn a_step_that_fails_leaves_nothing_behind(database: Database) {
    // The last table of the first step is in the way.
    execute(&database, "CREATE TABLE identity_state (other integer)").await;
    let failed = migrate(&database.url).await.unwrap_err();
    assert!(failed.to_string().contains("identity_state"), "{failed}");
    assert_eq!(schema(&database.url).await.unwrap().found, 0);
    execute(&database, "DROP TABLE identity_state").await;
    migrate(&database.url).await.unwrap();
    database.open().await;
}

async fn a_server_that_forgets_what_it_confirms_is_refused(database: Database) {
    let name = database.url.split(['/', '?']).nth(3).unwrap();
    let sql = format!("ALTER DATABASE {name} SET synchronous_commit = off");
    execute(&database, &sql).await;
    let refused = PostgresStore::open(&database.url, Options::default()).await.unwrap_err();
    assert!(refused.to_string().contains("synchronous_commit"), "{refused}");
}

async fn a_missing_database_is_named_without_its_password(database: Database) {
    let url =
        database.url.replace("test_", "nowhere_").replace("user=ttn", "user=ttn&password=hunter2");
    let refused = PostgresStore::open(&url, Options::default()).await.unwrap_err().to_string();
    assert!(refused.contains("nowhere_") && !refused.contains("hunter2"), "{refused}");
}

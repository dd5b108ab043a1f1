//! Moving a whole store.

use futures::{
    StreamExt as _, TryStreamExt as _,
    stream::{self, BoxStream},
};
use ttn_as::log::ApplicationLog as _;
use ttn_as::log::{Cursor, LogFilter, Retention};
use ttn_core::store::{
    StoreError, StoreErrorKind,
    dump::{Dump, DumpRow, DumpTable},
};
use ttn_store_postgres::PostgresStore;

use crate::{Database, Test, everything, lanes, migrations::connect};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("a_database_moves_with_everything_in_it", |database| {
        Box::pin(a_database_moves_with_everything_in_it(database))
    }),
    ("a_move_that_fails_leaves_nothing_behind", |database| {
        Box::pin(a_move_that_fails_leaves_nothing_behind(database))
    }),
    ("a_log_of_many_pages_moves", |database| Box::pin(a_log_of_many_pages_moves(database))),
];

/// What belongs to processes or to the tables themselves, and stays.
const STAYS: [&str; 2] = ["ttn_schema", "writers"];

async fn dump(store: &PostgresStore) -> Vec<DumpRow> {
    store.dump().try_collect().await.unwrap()
}

fn all(rows: &[DumpRow]) -> BoxStream<'static, Result<DumpRow, StoreError>> {
    stream::iter(rows.to_vec()).map(Ok).boxed()
}

/// All rows of every table that the catalogue knows, as JSON.
async fn contents(database: &Database) -> Vec<(String, Vec<String>)> {
    let (client, _tasks) = connect(database).await;
    let names = "SELECT table_name::text FROM information_schema.tables \
                 WHERE table_schema = 'public' ORDER BY table_name";
    let mut found = Vec::new();
    for name in client.query(names, &[]).await.unwrap() {
        let name: String = name.get(0);
        if STAYS.contains(&name.as_str()) {
            continue;
        }
        // Who owns a partition is a process; of the numbers of session keys only the order counts, which dumps show.
        let left_out = match name.as_str() {
            "partitions" => "- 'owner'",
            "join_session_keys" => "- 'number'",
            _ => "",
        };
        let rows = format!("SELECT (to_jsonb(t) {left_out})::text FROM {name} t ORDER BY 1");
        let rows = client.query(&rows, &[]).await.unwrap();
        found.push((name, rows.iter().map(|row| row.get(0)).collect()));
    }
    found
}

async fn a_database_moves_with_everything_in_it(database: Database) {
    let other = database.another();
    let (from, to) = (database.open().await, other.open().await);
    everything::write(&*from).await;
    let before = contents(&database).await;
    // A new table has to be written by `everything`, and moved.
    for (name, rows) in &before {
        assert!(!rows.is_empty(), "{name}");
    }
    let rows = dump(&from).await;
    for table in DumpTable::ALL {
        assert!(rows.iter().any(|row| row.table == table), "{table:?}");
    }
    assert_eq!(to.fill(all(&rows)).await.unwrap(), rows.len() as u64);
    assert_eq!(dump(&to).await, rows);
    assert_eq!(contents(&other).await, before);
    drop(to);
    let to = other.open().await;
    assert_eq!(to.end(), Cursor::behind(everything::LOGGED + 1));
    let refused = to.fill(all(&rows)).await.unwrap_err();
    assert_eq!(refused.kind, StoreErrorKind::AlreadyExists);
    // What was counted is what is there: nothing is left over when it goes.
    let retention = Retention { before: None, bytes_max: Some(0) };
    assert_eq!(to.truncate(&retention).await.unwrap(), everything::LOGGED);
    let state = contents(&other).await.into_iter().find(|(name, _)| name == "log_state").unwrap();
    assert!(state.1[0].contains("\"bytes\": 0"), "{state:?}");
}

async fn a_move_that_fails_leaves_nothing_behind(database: Database) {
    let other = database.another();
    let (from, to) = (database.open().await, other.open().await);
    everything::write(&*from).await;
    let rows = dump(&from).await;
    let empty = contents(&other).await;
    let place = rows.iter().position(|row| row.table == DumpTable::JoinNonces).unwrap();
    let mut damaged = rows.clone();
    damaged[place].value.pop();
    let refused = to.fill(all(&damaged)).await.unwrap_err();
    assert_eq!(refused.kind, StoreErrorKind::Corrupt, "{refused}");
    let broken = StoreError::new(StoreErrorKind::Io, "the file");
    let cut_off = all(&rows[..place]).chain(stream::iter([Err(broken)])).boxed();
    assert_eq!(to.fill(cut_off).await.unwrap_err().kind, StoreErrorKind::Io);
    assert_eq!(contents(&other).await, empty);
    assert_eq!(to.fill(all(&rows)).await.unwrap(), rows.len() as u64);
}

async fn a_log_of_many_pages_moves(database: Database) {
    let other = database.another();
    let (from, to) = (database.open().await, other.open().await);
    let mut last = None;
    for first in (1..=1_250).step_by(250) {
        let records: Vec<_> =
            (first..first + 250).map(|number| lanes::record(number, b"x")).collect();
        last = Some(from.append(lanes::batch(0, &records)).unwrap());
    }
    ttn_core::store::durable(&*from, last.unwrap()).await.unwrap();
    to.fill(from.dump()).await.unwrap();
    let numbers = lanes::numbers(&to, &LogFilter::default()).await;
    assert_eq!(numbers, (1..=1_250).collect::<Vec<_>>());
}

//! A storage port on an engine of one's own: the Identity Server's, proven by the suite that comes with the port.
//!
//! ```text
//! cargo run --example own_store --no-default-features --features identity-server,testing
//! cargo test --example own_store --no-default-features --features identity-server,testing
//! ```
//!
//! The port asks for ordered keys and an atomic write with conditions; any engine has that. A map plays the engine here.
#![allow(missing_docs, reason = "an example")]

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use tokio::sync::Mutex;
use ttn::{
    core::{
        clock::SystemClock,
        store::{Revision, StoreError, Versioned},
    },
    identity_server::{
        Config, IdentityServer,
        store::{Change, IdentityStore, Row, Scan, Table, Write, WriteError},
    },
};

/// The engine: octets to octets, in order. The first octet of a key is the number of its table.
#[derive(Debug, Default)]
struct MyStore(Mutex<Engine>);

#[derive(Debug, Default)]
struct Engine {
    rows: BTreeMap<Vec<u8>, Versioned<Vec<u8>>>,
    /// One counter for all keys: a revision never comes back, not even after a deletion.
    revision: u64,
}

fn engine_key(table: Table, key: &str) -> Vec<u8> {
    [&[table.number()], key.as_bytes()].concat()
}

#[async_trait]
impl IdentityStore for MyStore {
    async fn get(&self, table: Table, key: &str) -> Result<Option<Versioned<Vec<u8>>>, StoreError> {
        Ok(self.0.lock().await.rows.get(&engine_key(table, key)).cloned())
    }

    async fn write(&self, changes: Vec<Change>) -> Result<Revision, WriteError> {
        // The lock is the transaction: all conditions first, then all writes.
        let mut engine = self.0.lock().await;
        for Change { table, key, replaces, .. } in &changes {
            let current = engine.rows.get(&engine_key(*table, key)).map(|row| row.revision);
            if !replaces.allows(current) {
                let (table, key, exists) = (*table, key.clone(), current.is_some());
                return Err(WriteError::Conflict { table, key, exists });
            }
        }
        engine.revision += 1;
        let revision = Revision(engine.revision);
        for Change { table, key, write, .. } in changes {
            let key = engine_key(table, &key);
            match write {
                Write::Check => {}
                Write::Delete => drop(engine.rows.remove(&key)),
                Write::Put(value) => drop(engine.rows.insert(key, Versioned { revision, value })),
            }
        }
        // An engine with a disk syncs here: what was written is durable when this returns.
        Ok(revision)
    }

    async fn scan(&self, scan: &Scan) -> Result<Vec<Row>, StoreError> {
        let engine = self.0.lock().await;
        let prefix = engine_key(scan.table, &scan.prefix);
        let after = scan.after.as_ref().map(|after| engine_key(scan.table, after));
        let rows = engine.rows.range(prefix.clone()..);
        let rows = rows
            .take_while(|(key, _)| key.starts_with(&prefix))
            .filter(|(key, _)| after.as_ref().is_none_or(|after| *key > after))
            .take(scan.limit);
        let row = |(key, record): (&Vec<u8>, &Versioned<Vec<u8>>)| Row {
            key: String::from_utf8_lossy(&key[1..]).into_owned(),
            record: record.clone(),
        };
        Ok(rows.map(row).collect())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let (clock, store) = (Arc::new(SystemClock::new()), Arc::new(MyStore::default()));
    let server =
        || IdentityServer::builder(Config::default(), clock.clone()).store(store.clone()).build();
    let admin = "admin".parse()?;
    let created = server()?.ensure_admin(&admin, "a good password", "admin@example.com").await?;
    println!("the first server created the administrator: {}", created.is_some());
    let created = server()?.ensure_admin(&admin, "a good password", "admin@example.com").await?;
    println!("the second server found it in the store: {}", created.is_none());
    println!("rows in the engine: {}", store.0.lock().await.rows.len());
    Ok(())
}

// A store is a store when it passes: one test per promise of the port.
ttn::identity_server::identity_store_conformance!(std::sync::Arc::new(super::MyStore::default()));

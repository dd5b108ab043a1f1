//! The tables in memory: for tests and simulations.

use std::{
    collections::BTreeMap,
    fmt,
    ops::Bound::{Excluded, Included, Unbounded},
};

use async_trait::async_trait;
use parking_lot::Mutex;
use ttn_core::store::{Revision, StoreError, Versioned};

use super::{Change, IdentityStore, Row, Scan, Table, Write, WriteError};

/// An [`IdentityStore`] in memory; nothing survives the process.
#[derive(Default)]
pub struct MemoryIdentityStore(Mutex<Tables>);

#[derive(Default)]
struct Tables {
    rows: BTreeMap<(Table, String), Versioned<Vec<u8>>>,
    revision: u64,
}

impl MemoryIdentityStore {
    /// Makes an empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl fmt::Debug for MemoryIdentityStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryIdentityStore")
            .field("rows", &self.0.lock().rows.len())
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl IdentityStore for MemoryIdentityStore {
    async fn get(&self, table: Table, key: &str) -> Result<Option<Versioned<Vec<u8>>>, StoreError> {
        Ok(self.0.lock().rows.get(&(table, key.to_owned())).cloned())
    }

    async fn write(&self, changes: Vec<Change>) -> Result<Revision, WriteError> {
        let mut tables = self.0.lock();
        for change in &changes {
            let current = tables.rows.get(&(change.table, change.key.clone()));
            let current = current.map(|record| record.revision);
            if !change.replaces.allows(current) {
                return Err(WriteError::Conflict {
                    table: change.table,
                    key: change.key.clone(),
                    exists: current.is_some(),
                });
            }
        }
        tables.revision += 1;
        let revision = Revision(tables.revision);
        for Change { table, key, write, .. } in changes {
            match write {
                Write::Check => {}
                Write::Delete => drop(tables.rows.remove(&(table, key))),
                Write::Put(value) => {
                    tables.rows.insert((table, key), Versioned { revision, value });
                }
            }
        }
        Ok(revision)
    }

    async fn scan(&self, scan: &Scan) -> Result<Vec<Row>, StoreError> {
        let tables = self.0.lock();
        let from = match &scan.after {
            Some(after) if *after >= scan.prefix => Excluded((scan.table, after.clone())),
            _ => Included((scan.table, scan.prefix.clone())),
        };
        let rows = tables.rows.range((from, Unbounded));
        let rows = rows
            .take_while(|((table, key), _)| *table == scan.table && key.starts_with(&scan.prefix));
        let rows = rows.take(scan.limit);
        Ok(rows
            .map(|((_, key), record)| Row { key: key.clone(), record: record.clone() })
            .collect())
    }
}

#[cfg(test)]
crate::identity_store_conformance!(std::sync::Arc::new(super::MemoryIdentityStore::new()));

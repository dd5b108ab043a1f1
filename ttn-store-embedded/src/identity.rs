//! The Identity Server's tables.

use async_trait::async_trait;
use ttn_core::store::{Revision, StoreError, Versioned};
use ttn_is::store::{
    Change as IdentityChange, IdentityStore, Row, Scan, Table as IdentityTable, Write, WriteError,
};

use crate::{
    EmbeddedStore,
    base::Space,
    table::{IDENTITY_REVISION, Table, after_prefix, corrupt, split_u64},
    write::Denied,
};

#[async_trait]
impl IdentityStore for EmbeddedStore {
    async fn get(
        &self,
        table: IdentityTable,
        key: &str,
    ) -> Result<Option<Versioned<Vec<u8>>>, StoreError> {
        let row = self.lanes.get(Space::State, &row_key(table, key))?;
        row.map(|row| versioned(&row)).transpose()
    }

    async fn write(&self, changes: Vec<IdentityChange>) -> Result<Revision, WriteError> {
        let written = self.lanes.write(|write| {
            for (index, change) in changes.iter().enumerate() {
                let row = write.get(Space::State, &row_key(change.table, &change.key))?;
                let current =
                    row.map(|row| split_u64(&row).map(|(revision, _)| Revision(revision)));
                let current = current.transpose()?;
                if !change.replaces.allows(current) {
                    return Err(Denied::Condition { index, exists: current.is_some() });
                }
            }
            let revision = write.state.counters.identity_revision + 1;
            for IdentityChange { table, key, write: what, .. } in &changes {
                let key = row_key(*table, key);
                match what {
                    Write::Check => {}
                    Write::Delete => write.delete(Space::State, key),
                    Write::Put(value) => {
                        write.put(Space::State, key, [&revision.to_be_bytes()[..], value].concat());
                    }
                }
            }
            write.put(Space::State, IDENTITY_REVISION.to_vec(), &revision.to_be_bytes()[..]);
            write.state.counters.identity_revision = revision;
            Ok(Revision(revision))
        });
        match written.await {
            Ok((_, revision)) => Ok(revision),
            Err(Denied::Condition { index, exists }) => {
                let change = changes.into_iter().nth(index);
                let change = change.ok_or_else(|| corrupt("the place of a condition"))?;
                Err(WriteError::Conflict { table: change.table, key: change.key, exists })
            }
            Err(denied) => Err(StoreError::from(denied).into()),
        }
    }

    async fn scan(&self, scan: &Scan) -> Result<Vec<Row>, StoreError> {
        let prefix = row_key(scan.table, &scan.prefix);
        let to = after_prefix(&prefix);
        let mut from = prefix;
        if let Some(after) = &scan.after {
            let mut next = row_key(scan.table, after);
            next.push(0);
            from = from.max(next);
        }
        let rows = self.lanes.range(Space::State, from, to, scan.limit);
        rows.map(|row| {
            let (key, value) = row?;
            let key = key.get(2..).map(|key| String::from_utf8(key.to_vec()));
            let Some(Ok(key)) = key else { return Err(corrupt("a key of the Identity Server")) };
            Ok(Row { key, record: versioned(&value)? })
        })
        .collect()
    }
}

fn row_key(table: IdentityTable, key: &str) -> Vec<u8> {
    Table::Identity.key(&[&[table.number()], key.as_bytes()])
}

fn versioned(row: &[u8]) -> Result<Versioned<Vec<u8>>, StoreError> {
    let (revision, value) = split_u64(row)?;
    Ok(Versioned { revision: Revision(revision), value: value.to_vec() })
}

//! The Identity Server's tables.

use std::collections::BTreeMap;

use async_trait::async_trait;
use ttn_core::store::{Revision, StoreError, StoreErrorKind, Versioned};
use ttn_is::store::{Change, IdentityStore, Row, Scan, Table, Write, WriteError};

use crate::{
    PostgresStore,
    engine::{self, Db, Failure, get},
};

#[async_trait]
impl IdentityStore for PostgresStore {
    async fn get(&self, table: Table, key: &str) -> Result<Option<Versioned<Vec<u8>>>, StoreError> {
        let of = (number(table), key.to_owned());
        let read = self.engine.read(of, |db, (kind, key)| {
            Box::pin(async move {
                let row = db.row(GET, &[kind, key]).await?;
                Ok(row.map(|row| versioned(&row, 0)).transpose()?)
            })
        });
        read.await
    }

    async fn write(&self, changes: Vec<Change>) -> Result<Revision, WriteError> {
        let written =
            self.engine.write(changes.clone(), |db, changes| Box::pin(write(db, changes))).await;
        match written {
            Ok(revision) => Ok(revision),
            Err(Failure::Condition { index, exists }) => {
                let change = changes.into_iter().nth(index);
                let Some(Change { table, key, .. }) = change else {
                    let context = "the place of a condition";
                    return Err(StoreError::new(StoreErrorKind::Corrupt, context).into());
                };
                Err(WriteError::Conflict { table, key, exists })
            }
            Err(failure) => Err(StoreError::from(failure).into()),
        }
    }

    async fn scan(&self, scan: &Scan) -> Result<Vec<Row>, StoreError> {
        self.engine.read(scan.clone(), |db, scan| Box::pin(rows(db, scan))).await
    }
}

/// All writes take the row of the shared revision first: they come one after the other, each condition is checked
/// against what the one before has left.
async fn write(db: &Db, changes: &[Change]) -> Result<Revision, Failure> {
    let row = db.row(NEXT_REVISION, &[]).await?;
    let row = row.ok_or_else(|| StoreError::new(StoreErrorKind::Corrupt, "the shared revision"))?;
    let revision: i64 = get(&row, 0)?;
    let (kinds, keys) = keys_of(changes.iter());
    let mut stored = BTreeMap::new();
    for row in db.rows(REVISIONS, &[&kinds, &keys]).await? {
        let key: (i16, String) = (get(&row, 0)?, get(&row, 1)?);
        stored.insert(key, Revision(get::<i64>(&row, 2)?.cast_unsigned()));
    }
    for (index, change) in changes.iter().enumerate() {
        let current = stored.get(&(number(change.table), change.key.clone())).copied();
        if !change.replaces.allows(current) {
            return Err(Failure::Condition { index, exists: current.is_some() });
        }
    }
    let is_deleted = |change: &&Change| change.write == Write::Delete;
    let (kinds, keys) = keys_of(changes.iter().filter(is_deleted));
    if !kinds.is_empty() {
        db.run(DELETE, &[&kinds, &keys]).await?;
    }
    let puts = changes.iter().filter_map(|change| match &change.write {
        Write::Put(value) => Some((change, value.as_slice())),
        Write::Check | Write::Delete => None,
    });
    let values: Vec<&[u8]> = puts.clone().map(|(_, value)| value).collect();
    if !values.is_empty() {
        let (kinds, keys) = keys_of(puts.map(|(change, _)| change));
        db.run(PUT, &[&kinds, &keys, &values, &revision]).await?;
    }
    Ok(Revision(revision.cast_unsigned()))
}

async fn rows(db: &Db, scan: &Scan) -> Result<Vec<Row>, Failure> {
    let limit = i64::try_from(scan.limit).unwrap_or(i64::MAX);
    let (from, to) = (scan.prefix.as_str(), after_prefix(&scan.prefix));
    let rows = db.rows(SCAN, &[&number(scan.table), &from, &to, &scan.after, &limit]).await?;
    let rows = rows.iter().map(|row| Ok(Row { key: get(row, 0)?, record: versioned(row, 1)? }));
    rows.collect()
}

fn keys_of<'a>(changes: impl Iterator<Item = &'a Change>) -> (Vec<i16>, Vec<&'a str>) {
    changes.map(|change| (number(change.table), change.key.as_str())).unzip()
}

fn number(table: Table) -> i16 {
    i16::from(table.number())
}

fn versioned(row: &engine::Row, column: usize) -> Result<Versioned<Vec<u8>>, StoreError> {
    let revision = Revision(get::<i64>(row, column)?.cast_unsigned());
    Ok(Versioned { revision, value: get(row, column + 1)? })
}

/// The first text behind all that begin with a prefix, in the order of their octets; `None` if there is none.
fn after_prefix(prefix: &str) -> Option<String> {
    let mut characters: Vec<char> = prefix.chars().collect();
    while let Some(last) = characters.pop() {
        // Scalar values are in the order of their octets; those of surrogates are none.
        let next = match last {
            '\u{D7FF}' => Some('\u{E000}'),
            other => char::from_u32(u32::from(other) + 1),
        };
        if let Some(next) = next {
            characters.push(next);
            return Some(characters.into_iter().collect());
        }
    }
    None
}

const GET: &str = "SELECT revision, value FROM identity WHERE kind = $1 AND key = $2";
const NEXT_REVISION: &str = "UPDATE identity_state SET revision = revision + 1 RETURNING revision";
const REVISIONS: &str = "SELECT t.kind, t.key, t.revision FROM identity t \
    JOIN unnest($1::int2[], $2::text[]) AS w(kind, key) ON t.kind = w.kind AND t.key = w.key";
const DELETE: &str = "DELETE FROM identity t USING unnest($1::int2[], $2::text[]) AS w(kind, key) \
    WHERE t.kind = w.kind AND t.key = w.key";
const PUT: &str = "INSERT INTO identity (kind, key, revision, value) \
    SELECT w.kind, w.key, $4, w.value FROM unnest($1::int2[], $2::text[], $3::bytea[]) \
    AS w(kind, key, value) \
    ON CONFLICT (kind, key) DO UPDATE SET revision = EXCLUDED.revision, value = EXCLUDED.value";
const SCAN: &str = "SELECT key, revision, value FROM identity WHERE kind = $1 AND key >= $2 \
    AND ($3::text IS NULL OR key < $3) AND ($4::text IS NULL OR key > $4) ORDER BY key LIMIT $5";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_prefix_is_behind_all_its_keys() {
        for (prefix, end) in [
            ("app/", Some("app0")),
            ("", None),
            ("a\u{10FFFF}", Some("b")),
            ("\u{D7FF}", Some("\u{E000}")),
            ("\u{10FFFF}", None),
        ] {
            assert_eq!(after_prefix(prefix).as_deref(), end, "{prefix:?}");
        }
    }
}

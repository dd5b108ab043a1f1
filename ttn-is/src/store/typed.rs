//! Records over the tables.

use async_trait::async_trait;
use ttn_core::store::{Replaces, Revision, StoreError, StoreErrorKind, Versioned};

use super::{Change, IdentityStore, Scan, Table, Write, WriteError};
use crate::record::Record;

/// Several writes that happen together.
#[derive(Debug, Default)]
#[must_use = "nothing is written before `commit`"]
pub(crate) struct Transaction(Vec<Change>);

impl Transaction {
    /// Makes an empty one.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Writes nothing, and takes as long as if it did: whoever waits for an answer does not learn what was done.
    pub(crate) fn idle() -> Self {
        Self::new().delete(Table::LoginToken, "-".to_owned(), Replaces::Any)
    }

    /// Writes a record under its key.
    pub(crate) fn put<R: Record>(self, record: &R, replaces: Replaces) -> Self {
        self.set(R::TABLE, record.key(), record.encode_to_vec(), replaces)
    }

    /// Writes octets.
    pub(crate) fn set(
        mut self,
        table: Table,
        key: String,
        value: Vec<u8>,
        replaces: Replaces,
    ) -> Self {
        self.0.push(Change { table, key, replaces, write: Write::Put(value) });
        self
    }

    /// Deletes a key.
    pub(crate) fn delete(mut self, table: Table, key: String, replaces: Replaces) -> Self {
        self.0.push(Change { table, key, replaces, write: Write::Delete });
        self
    }

    /// Demands something of a key without writing it.
    pub(crate) fn check(mut self, table: Table, key: String, replaces: Replaces) -> Self {
        self.0.push(Change { table, key, replaces, write: Write::Check });
        self
    }

    /// Adds everything of another one.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// Writes everything or nothing.
    ///
    /// # Errors
    ///
    /// A condition does not hold, or the store failed.
    pub(crate) async fn commit(self, store: &dyn IdentityStore) -> Result<Revision, WriteError> {
        store.write(self.0).await
    }
}

/// Conveniences of every [`IdentityStore`].
#[async_trait]
pub(crate) trait IdentityStoreExt {
    /// Reads a record; `None` if it does not exist.
    async fn record<R: Record>(&self, key: &str) -> Result<Option<Versioned<R>>, StoreError>;

    /// Reads all records whose keys start with `prefix`, in order.
    async fn records<R: Record>(&self, prefix: &str) -> Result<Vec<R>, StoreError>;

    /// Reads the records of one scan.
    async fn scan_records<R: Record>(&self, scan: &Scan) -> Result<Vec<R>, StoreError>;

    /// As [`Self::records`], some of them: `limit` behind `skip` others, which are not decoded.
    async fn slice<R: Record>(
        &self,
        prefix: &str,
        skip: usize,
        limit: usize,
    ) -> Result<Vec<R>, StoreError>;

    /// Reads all rows of a table whose keys start with `prefix`, as text.
    async fn texts(&self, table: Table, prefix: &str) -> Result<Vec<(String, String)>, StoreError>;

    /// Reads a key whose octets are text.
    async fn text(&self, table: Table, key: &str) -> Result<Option<Versioned<String>>, StoreError>;
}

#[async_trait]
impl<S: IdentityStore + ?Sized> IdentityStoreExt for S {
    async fn record<R: Record>(&self, key: &str) -> Result<Option<Versioned<R>>, StoreError> {
        let Some(stored) = self.get(R::TABLE, key).await? else { return Ok(None) };
        let value = decode(R::TABLE, key, &stored.value)?;
        Ok(Some(Versioned { revision: stored.revision, value }))
    }

    async fn records<R: Record>(&self, prefix: &str) -> Result<Vec<R>, StoreError> {
        self.slice(prefix, 0, usize::MAX).await
    }

    async fn slice<R: Record>(
        &self,
        prefix: &str,
        skip: usize,
        limit: usize,
    ) -> Result<Vec<R>, StoreError> {
        let rows = rows(self, R::TABLE, prefix, skip, limit).await?;
        rows.iter().map(|(key, value)| decode(R::TABLE, key, value)).collect()
    }

    async fn scan_records<R: Record>(&self, scan: &Scan) -> Result<Vec<R>, StoreError> {
        let rows = self.scan(scan).await?;
        rows.iter().map(|row| decode(scan.table, &row.key, &row.record.value)).collect()
    }

    async fn texts(&self, table: Table, prefix: &str) -> Result<Vec<(String, String)>, StoreError> {
        let rows = rows(self, table, prefix, 0, usize::MAX).await?;
        rows.into_iter().map(|(key, value)| text(table, &key, value).map(|v| (key, v))).collect()
    }

    async fn text(&self, table: Table, key: &str) -> Result<Option<Versioned<String>>, StoreError> {
        let Some(Versioned { revision, value }) = self.get(table, key).await? else {
            return Ok(None);
        };
        Ok(Some(Versioned { revision, value: text(table, key, value)? }))
    }
}

async fn rows<S: IdentityStore + ?Sized>(
    store: &S,
    table: Table,
    prefix: &str,
    skip: usize,
    limit: usize,
) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
    let mut all = Vec::new();
    let (mut skip, mut wanted) = (skip, skip.saturating_add(limit));
    let mut scan = Scan { table, prefix: prefix.to_owned(), after: None, limit: 0 };
    loop {
        scan.limit = wanted.min(ROWS_PER_SCAN);
        let rows = store.scan(&scan).await?;
        let read = rows.len();
        scan.after = rows.last().map(|row| row.key.clone());
        all.extend(rows.into_iter().skip(skip).map(|row| (row.key, row.record.value)));
        skip = skip.saturating_sub(read);
        wanted = wanted.saturating_sub(read);
        if read < scan.limit || wanted == 0 {
            return Ok(all);
        }
    }
}

fn decode<R: Record>(table: Table, key: &str, octets: &[u8]) -> Result<R, StoreError> {
    R::decode(octets).map_err(|error| corrupt(table, key).caused_by(error))
}

fn text(table: Table, key: &str, octets: Vec<u8>) -> Result<String, StoreError> {
    String::from_utf8(octets).map_err(|error| corrupt(table, key).caused_by(error))
}

fn corrupt(table: Table, key: &str) -> StoreError {
    StoreError::new(StoreErrorKind::Corrupt, format!("{} {key}", table.name()))
}

/// How many rows are read at a time.
const ROWS_PER_SCAN: usize = 1000;

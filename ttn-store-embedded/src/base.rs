//! What lies below the log: rows by key, which may lag behind. Keys and values are octets, errors are [`StoreError`].

use std::{collections::BTreeMap, sync::Arc};

use ttn_core::store::StoreError;

/// A part of the store with its own tables, because its rows live differently. Each costs memory: keep them few. Stored
/// data depends on the numbers; they never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Space {
    /// Small rows that are rewritten all the time.
    Hot = 0,
    /// Rows that are written once, in the order of their keys, and deleted from the front.
    Log = 1,
    /// Everything else.
    State = 2,
}

/// A row's place.
pub(crate) type Key = (Space, Vec<u8>);
/// What a row is to become; `None` deletes it.
pub(crate) type Value = Option<Arc<[u8]>>;
/// Writes that belong together.
pub(crate) type Layer = BTreeMap<Key, Value>;
/// A row that was read.
pub(crate) type Row = (Vec<u8>, Vec<u8>);
/// Rows that are being read, in the order of their keys.
pub(crate) type Rows = Box<dyn Iterator<Item = Result<Row, StoreError>> + Send>;

/// The engine as the layers and checkpoints see it.
pub(crate) trait Base: Send + Sync {
    /// Reads a row.
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// Reads rows from `from` on, up to and without `to`, as they are when it is called.
    fn range(&self, space: Space, from: Vec<u8>, to: Vec<u8>) -> Rows;

    /// Writes rows. A crash before the next [`Self::sync`] keeps any part of them.
    fn write(&self, rows: &[(&Key, &Value)]) -> Result<(), StoreError>;

    /// Makes everything durable that was written, as the options of the store say.
    fn sync(&self) -> Result<(), StoreError>;
}

/// What a row costs in memory.
pub(crate) fn cost((_, key): &Key, value: &Value) -> usize {
    ROW_OVERHEAD + key.len() + value.as_ref().map_or(0, |value| value.len())
}

/// What a row costs besides its octets.
const ROW_OVERHEAD: usize = 64;

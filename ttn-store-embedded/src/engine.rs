//! The storage engine. Nothing else names it: keys and values are octets here, errors are [`StoreError`].

use std::{collections::BTreeMap, fmt, path::Path, sync::Arc};

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode, Readable as _};
use ttn_core::store::{StoreError, StoreErrorKind};

use crate::options::{Options, Survives};

/// A part of the engine with its own tables, because its rows live differently. Each costs memory: keep them few.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Space {
    /// Small rows that are rewritten all the time.
    Hot,
    /// Rows that are written once, in the order of their keys, and deleted from the front.
    Log,
    /// Everything else.
    State,
}

/// A row's place.
pub(crate) type Key = (Space, Vec<u8>);
/// Writes that belong together; `None` deletes.
pub(crate) type Layer = BTreeMap<Key, Option<Arc<[u8]>>>;
/// A row that was read.
pub(crate) type Row = (Vec<u8>, Vec<u8>);

/// The opened engine.
pub(crate) struct Engine {
    hot: Keyspace,
    log: Keyspace,
    state: Keyspace,
    // Dropped last: it stops the engine's threads.
    database: Database,
}

impl Engine {
    /// Opens the engine in a directory that the caller holds.
    pub(crate) fn open(directory: &Path, options: &Options) -> Result<Self, StoreError> {
        let failed = |error: fjall::Error| {
            let context = format!("the store in {}", directory.display());
            io(context, error)
        };
        let database = Database::builder(directory)
            .cache_size(options.cache_bytes)
            .max_journaling_size(JOURNAL_BYTES)
            .worker_threads(WORKER_THREADS)
            .open()
            .map_err(failed)?;
        let keyspace = |name| {
            let create =
                || KeyspaceCreateOptions::default().max_memtable_size(options.memtable_bytes);
            database.keyspace(name, create).map_err(failed)
        };
        Ok(Self {
            hot: keyspace("hot")?,
            log: keyspace("log")?,
            state: keyspace("state")?,
            database,
        })
    }

    /// Writes a layer as one: after a crash all of it is there or nothing.
    pub(crate) fn commit(&self, layer: &Layer, survives: Survives) -> Result<(), StoreError> {
        let mode = match survives {
            Survives::PowerLoss => PersistMode::SyncData,
            Survives::ProcessKill => PersistMode::Buffer,
        };
        let mut batch = self.database.batch().durability(Some(mode));
        for ((space, key), value) in layer {
            let keyspace = self.keyspace(*space);
            match value {
                Some(value) => batch.insert(keyspace, key.as_slice(), &**value),
                None => batch.remove(keyspace, key.as_slice()),
            }
        }
        batch.commit().map_err(|error| io("a commit".to_owned(), error))
    }

    pub(crate) fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let value = self.keyspace(space).get(key).map_err(|error| io("a row".to_owned(), error))?;
        Ok(value.map(|value| value.to_vec()))
    }

    /// Reads rows from `from` on, up to and without `to`, in the state of now.
    pub(crate) fn range(
        &self,
        space: Space,
        from: Vec<u8>,
        to: Vec<u8>,
    ) -> impl DoubleEndedIterator<Item = Result<Row, StoreError>> + Send + use<> {
        let rows = self.database.snapshot().range(self.keyspace(space), from..to);
        rows.map(|guard| {
            let (key, value) = guard.into_inner().map_err(|error| io("rows".to_owned(), error))?;
            Ok((key.to_vec(), value.to_vec()))
        })
    }

    const fn keyspace(&self, space: Space) -> &Keyspace {
        match space {
            Space::Hot => &self.hot,
            Space::Log => &self.log,
            Space::State => &self.state,
        }
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}

fn io(context: String, error: fjall::Error) -> StoreError {
    let kind = match &error {
        fjall::Error::InvalidVersion(_) => StoreErrorKind::Schema,
        fjall::Error::Locked => StoreErrorKind::Locked,
        _ => StoreErrorKind::Io,
    };
    StoreError::new(kind, context).caused_by(error)
}

/// How much journal there may be: it is read when the store is opened. The engine takes no less.
const JOURNAL_BYTES: u64 = 64 << 20;
/// Threads that write tables and compact them.
const WORKER_THREADS: usize = 1;

//! The storage engine, which checkpoints bring up to the log. Nothing else names it.

use std::{
    fmt, fs, io as files,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Duration,
};

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode, Readable as _};
use ttn_core::store::{StoreError, StoreErrorKind};

use crate::{
    base::{Base, Key, Row, Rows, Space, Value},
    options::{Options, Survives},
};

/// The opened engine.
pub(crate) struct Engine {
    open: Option<Open>,
    directory: PathBuf,
    survives: Survives,
    /// Octets that were written since the last rotation.
    since_rotation: AtomicU64,
}

struct Open {
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
        let open = Open {
            hot: keyspace("hot")?,
            log: keyspace("log")?,
            state: keyspace("state")?,
            database,
        };
        Ok(Self {
            open: Some(open),
            directory: directory.to_owned(),
            survives: options.survives,
            since_rotation: AtomicU64::new(0),
        })
    }

    /// Lets the engine write tables of what was written every [`ROTATION_BYTES`], of all parts: its journal is only cut
    /// when every part is in tables, and a part that is small would hold it for long. So what is replayed after a kill
    /// is bounded.
    fn rotate(&self, open: &Open, octets: u64) -> Result<(), StoreError> {
        let since = self.since_rotation.fetch_add(octets, Ordering::Relaxed) + octets;
        if since < ROTATION_BYTES {
            return Ok(());
        }
        self.since_rotation.store(0, Ordering::Relaxed);
        open.rotate()
    }

    fn opened(&self) -> Result<&Open, StoreError> {
        // It is closed by the drop alone.
        self.open.as_ref().ok_or_else(|| StoreError::new(StoreErrorKind::Io, "a closed store"))
    }
}

impl Base for Engine {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let value = self.opened()?.keyspace(space).get(key);
        let value = value.map_err(|error| io("a row".to_owned(), error))?;
        Ok(value.map(|value| value.to_vec()))
    }

    fn range(&self, space: Space, from: Vec<u8>, to: Vec<u8>) -> Rows {
        let open = self.open.as_ref();
        let rows = open.map(|open| open.database.snapshot().range(open.keyspace(space), from..to));
        Box::new(rows.into_iter().flatten().map(|guard| -> Result<Row, StoreError> {
            let (key, value) = guard.into_inner().map_err(|error| io("rows".to_owned(), error))?;
            Ok((key.to_vec(), value.to_vec()))
        }))
    }

    fn write(&self, rows: &[(&Key, &Value)]) -> Result<(), StoreError> {
        let open = self.opened()?;
        let mut batch = open.database.batch();
        let mut octets = 0;
        for ((space, key), value) in rows {
            let keyspace = open.keyspace(*space);
            octets += ROW_OVERHEAD + key.len() + value.as_ref().map_or(0, |value| value.len());
            match value {
                Some(value) => batch.insert(keyspace, key.as_slice(), &**value),
                None => batch.remove(keyspace, key.as_slice()),
            }
        }
        batch.commit().map_err(|error| io("a checkpoint".to_owned(), error))?;
        self.rotate(open, u64::try_from(octets).unwrap_or(u64::MAX))
    }

    fn sync(&self) -> Result<(), StoreError> {
        let mode = match self.survives {
            Survives::PowerLoss => PersistMode::SyncData,
            Survives::ProcessKill => PersistMode::Buffer,
        };
        let synced = self.opened()?.database.persist(mode);
        synced.map_err(|error| io("a checkpoint".to_owned(), error))
    }
}

impl Open {
    /// Begins to write what is in memory into tables.
    fn rotate(&self) -> Result<(), StoreError> {
        for keyspace in [&self.hot, &self.log, &self.state] {
            keyspace
                .rotate_memtable()
                .map_err(|error| io("the begin of a table".to_owned(), error))?;
        }
        Ok(())
    }

    /// Waits until everything is in tables. `false` if that takes too long.
    fn flushed(&self) -> bool {
        let waiting =
            || [&self.hot, &self.log, &self.state].iter().any(|of| of.sealed_memtable_count() > 0);
        for _ in 0..FLUSH_TRIES {
            if !waiting() {
                return true;
            }
            pause();
        }
        false
    }

    const fn keyspace(&self, space: Space) -> &Keyspace {
        match space {
            Space::Hot => &self.hot,
            Space::Log => &self.log,
            Space::State => &self.state,
        }
    }
}

/// A clean stop leaves no journal to replay: what is in memory goes into tables, then the journal is emptied. Whatever
/// fails on the way leaves the journal as it is, and the next open replays it. A directory that is gone is not waited for.
impl Drop for Engine {
    fn drop(&mut self) {
        let Some(open) = self.open.take() else { return };
        let clean = self.directory.is_dir() && open.rotate().is_ok() && open.flushed();
        // Stops the engine's threads: nobody writes the journal any more.
        drop(open);
        if clean && let Err(error) = empty_journals(&self.directory) {
            tracing::warn!(%error, "the next start replays the journal");
        }
    }
}

/// Empties the journal of a closed engine whose tables hold everything: old parts go, the newest one stays without
/// content, because the engine takes its place in the numbering from it.
fn empty_journals(directory: &Path) -> files::Result<()> {
    let mut parts: Vec<(u64, PathBuf)> = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let number =
            path.file_name().and_then(|name| name.to_str()?.strip_suffix(".jnl")?.parse().ok());
        parts.extend(number.map(|number| (number, path)));
    }
    parts.sort();
    let Some((_, newest)) = parts.pop() else { return Ok(()) };
    for (_, path) in parts {
        fs::remove_file(path)?;
    }
    let newest = fs::OpenOptions::new().write(true).open(newest)?;
    newest.set_len(0)?;
    newest.sync_all()?;
    fs::File::open(directory)?.sync_all()
}

fn pause() {
    thread::sleep(FLUSH_PAUSE);
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

/// How much journal there may be behind the part that is written: it is read when the store is opened after a kill.
/// The engine takes no less.
const JOURNAL_BYTES: u64 = 64 << 20;
/// How much is written between two rotations.
const ROTATION_BYTES: u64 = 16 << 20;
/// What a row costs in the journal besides its octets.
const ROW_OVERHEAD: usize = 24;
/// How often a clean stop looks whether everything is in tables.
const FLUSH_TRIES: usize = 2500;
/// How long it pauses in between.
const FLUSH_PAUSE: Duration = Duration::from_millis(2);
/// Threads that write tables and compact them.
const WORKER_THREADS: usize = 1;

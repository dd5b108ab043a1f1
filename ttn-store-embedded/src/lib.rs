//! The storage ports on an embedded engine: one directory, nothing else to install.
//!
//! [`EmbeddedStore::open`] gives a store that implements every port of the components: `NetworkStore`,
//! `ApplicationLog` and `ApplicationStore`, `JoinStore`, `IdentityStore`, each behind a feature. All ports share the
//! same lanes: what one wrote before another in the same lane survives before it.
//!
//! * One process holds a directory at a time. A second one gets an error that names it.
//! * Batches are grouped: 200 µs after the first when idle, at most every 2 ms when busy, one record of an append-only
//!   log and one sync for all lanes. The log is what makes them durable; the engine follows every 5 s, or after 16 MiB.
//! * An error of the disk ends all acknowledging: every later wait and write fails, and the process should end. The next
//!   start finds everything that was confirmed.
//! * Dropping the last handle writes what is pending and lets go; the directory can be opened again at once, without
//!   anything to replay. After a kill at most some 130 MB of the engine's journal and some 100 MB of the log are read.
//! * A write that was cut off by a crash is no error, because nobody was told of it. Anything else in the log that does
//!   not decode is one, which names the file and the octet; nothing is left out silently.
//!
//! ```
//! use ttn_store_embedded::{EmbeddedStore, Options};
//!
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("store");
//! let store = EmbeddedStore::open(&path, Options::default())?;
//! assert!(EmbeddedStore::open(&path, Options::default()).is_err(), "it is held");
//! drop(store);
//! EmbeddedStore::open(&path, Options::default())?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod base;
mod checkpoint;
mod directory;
mod disk;
#[cfg(feature = "dump")]
mod dump;
mod engine;
mod kek;
mod lane;
mod layers;
mod log;
mod options;
mod table;
mod write;
mod writer;

#[cfg(test)]
mod simulated;

#[cfg(feature = "application")]
mod application;
#[cfg(feature = "identity")]
mod identity;
#[cfg(feature = "join")]
mod join;
#[cfg(feature = "network")]
mod network;

pub use kek::{KekError, LocalVault};
pub use options::{Commit, Options, Survives};

use std::{
    path::Path,
    sync::Arc,
    task::{Context, Poll},
};

use ttn_core::{
    rand::OsEntropy,
    store::{Durable, LaneId, StoreError, StoreErrorKind, Watermark},
};

use crate::{
    base::Space,
    directory::Held,
    disk::Directory,
    engine::Engine,
    lane::Lanes,
    table::FILLING,
    writer::{Limits, Place, Shared},
};

/// An opened store.
#[derive(Debug)]
pub struct EmbeddedStore {
    lanes: Lanes,
}

impl EmbeddedStore {
    /// Opens the store in a directory, which is made if it is not there (for nobody else's eyes: mode 0700).
    ///
    /// # Errors
    ///
    /// `Locked` if another process (or this one) holds the directory, `Schema` if a newer version wrote it (it is left
    /// as it is), `Corrupt` and `Io` otherwise. The directory is named, and what is corrupt in the log by file and octet.
    pub fn open(path: impl AsRef<Path>, options: Options) -> Result<Arc<Self>, StoreError> {
        let held = Held::take(path.as_ref())?;
        let base = Box::new(Engine::open(&held.engine(), &options)?);
        let disk = Directory::open(&held.log()).map_err(|error| {
            let context = format!("the directory {}", held.log().display());
            StoreError::new(StoreErrorKind::Io, context).caused_by(error)
        })?;
        let (disk, entropy) = (Arc::new(disk), Arc::new(OsEntropy::default()));
        let place = Place { base, disk, entropy, held: Some(held) };
        let shared = Shared::open(place, options, Limits::default())?;
        let lanes = Lanes::start(shared)?;
        if lanes.get(Space::State, &FILLING)?.is_some() {
            let context = format!(
                "the store in {}: it was being filled from a dump, and that was cut off. Remove its `engine`, `log` and \
                 `FORMAT` and fill it again; as it is, it",
                path.as_ref().display()
            );
            return Err(StoreError::new(StoreErrorKind::Corrupt, context));
        }
        Ok(Arc::new(Self { lanes }))
    }

    /// Brings the engine up to the log now, instead of some seconds later.
    ///
    /// Blocks until that is durable. Nothing depends on it: what is in the log is as safe.
    ///
    /// # Errors
    ///
    /// `Io` if the engine cannot write. Then the store takes nothing more, and the next start brings it up to the log.
    pub fn checkpoint(&self) -> Result<(), StoreError> {
        self.lanes.shared.checkpoint()
    }

    /// Stops as a crash does: what is not durable is forgotten, every wait and write from now on fails. For tests.
    pub fn abort(&self) {
        self.lanes.abort();
    }
}

impl EmbeddedStore {
    /// Lets every commit from now on fail, as a broken disk does: what it wrote may be there or not, and nothing is
    /// acknowledged any more. For tests.
    pub fn break_disk(&self) {
        self.lanes.shared.log.break_disk();
    }
}

impl Watermark for EmbeddedStore {
    fn poll_durable(
        &self,
        lane: LaneId,
        seq: u64,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Durable, StoreError>> {
        self.lanes.poll_durable(lane, seq, cx)
    }

    fn syncs(&self) -> u64 {
        self.lanes.with_state(|state| state.commits)
    }
}

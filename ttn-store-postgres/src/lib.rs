//! The storage ports on the PostgreSQL protocol: one server, or a distributed one.
//!
//! [`PostgresStore::open`] gives a store that implements every port of the components: `NetworkStore`,
//! `ApplicationLog` and `ApplicationStore`, `JoinStore`, `IdentityStore`, each behind a feature.
//!
//! * Batches of all lanes are grouped into one transaction: at once when idle, at most every 2 ms when busy. It is
//!   fenced by the epochs of its partitions: when another process has taken one over, nothing is written any more.
//! * A server that restarts, refuses or is slow is waited for within [`Options::outage_max`]. Meanwhile nothing is
//!   acknowledged; then it goes on by itself, or every wait and write fails and the process should end.
//! * Tables are made and grow by themselves, or with [`migrate`]; a database of a newer version is refused.
//! * The store lives in a thread of its own and in real time, whatever runtime calls it.
//!
//! ```no_run
//! use ttn_store_postgres::{Options, PostgresStore};
//!
//! # async fn open() -> Result<(), ttn_core::store::StoreError> {
//! let store = PostgresStore::open("postgres://ttn:secret@localhost/ttn", Options::default()).await?;
//! # Ok(())
//! # }
//! ```

#[cfg(feature = "dump")]
mod dump;
mod engine;
mod lane;
mod options;

#[cfg(feature = "application")]
mod application;
#[cfg(feature = "identity")]
mod identity;
#[cfg(feature = "join")]
mod join;
#[cfg(feature = "network")]
mod network;

pub use options::Options;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use tokio::runtime::{Builder, Runtime};
use ttn_core::store::{Durable, LaneId, Position, StoreError, StoreErrorKind, Watermark};

use crate::{
    engine::{Engine, SCHEMA},
    lane::Lanes,
};

/// An opened store.
pub struct PostgresStore {
    engine: Arc<Engine>,
    // Dropped before the threads that write for it.
    lanes: Lanes,
    /// How many writes were proven without a lane.
    proofs: AtomicU64,
    _threads: Threads,
}

/// The schema of a database, and the one that this program needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Schema {
    /// What is there; 0 for a database without tables.
    pub found: u32,
    /// What this program knows.
    pub known: u32,
}

impl PostgresStore {
    /// Opens the store in a database: `postgres://user:password@host:port/database`. `sslmode` is `disable` or
    /// `require`, by default `require` for other machines, with a certificate that is checked against public ones or
    /// those in the file `sslrootcert`. A server that is away is waited for within [`Options::call_max`].
    ///
    /// # Errors
    ///
    /// `Schema` if a newer version wrote it (it is left as it is), `Io` otherwise. The database is named, its password
    /// is not.
    pub async fn open(url: &str, options: Options) -> Result<Arc<Self>, StoreError> {
        let threads = Threads::start()?;
        let engine = Engine::new(url, options, threads.handle()?)?;
        check_durability(&engine).await?;
        let mut schema = engine.schema().await?;
        if options.migrate && schema < SCHEMA {
            engine.migrate().await?;
            schema = engine.schema().await?;
        }
        engine.check_schema(schema)?;
        let handle = threads.handle()?;
        let lanes = Lanes::open(&engine, |writer| drop(handle.spawn(writer))).await?;
        Ok(Arc::new(Self { engine, lanes, proofs: AtomicU64::new(0), _threads: threads }))
    }

    /// Stops as a crash does: what is not durable is forgotten, every wait and write from now on fails. For tests.
    pub fn abort(&self) {
        self.lanes.abort();
    }

    /// The proof of a write that waited for its commit: in a lane of its own.
    #[cfg_attr(not(feature = "join"), expect(dead_code, reason = "joins alone are proven so"))]
    fn prove(&self) -> Durable {
        let seq = self.proofs.fetch_add(1, Ordering::Relaxed) + 1;
        Durable::attested_by_store(Position { lane: CONTROL_LANE, seq })
    }
}

/// Makes the tables of a database, or brings them up to date. Gives the schema that was there.
///
/// # Errors
///
/// The database cannot be reached or changed; `Schema` if a newer version wrote it.
pub async fn migrate(url: &str) -> Result<Schema, StoreError> {
    let threads = Threads::start()?;
    let engine = Engine::new(url, Options::default(), threads.handle()?)?;
    let found = engine.schema().await?;
    if found < SCHEMA {
        engine.migrate().await?;
    } else {
        engine.check_schema(found)?;
    }
    Ok(Schema { found, known: SCHEMA })
}

/// Reads the schema of a database and changes nothing.
///
/// # Errors
///
/// The database cannot be reached.
pub async fn schema(url: &str) -> Result<Schema, StoreError> {
    let threads = Threads::start()?;
    let engine = Engine::new(url, Options::default(), threads.handle()?)?;
    Ok(Schema { found: engine.schema().await?, known: SCHEMA })
}

/// What the server confirms has to survive its crash.
async fn check_durability(engine: &Arc<Engine>) -> Result<(), StoreError> {
    let setting = engine.read((), |db, ()| {
        Box::pin(async move {
            let row = db.row("SELECT current_setting('synchronous_commit')", &[]).await?;
            Ok(row.map(|row| engine::get::<String>(&row, 0)).transpose()?)
        })
    });
    if setting.await?.as_deref() == Some("off") {
        let context = format!(
            "{} has `synchronous_commit = off`: what it confirms does not survive its crash. Set it to `on` for this \
             user or database (`ALTER ROLE … SET synchronous_commit = on`); until then it",
            engine.name
        );
        return Err(StoreError::new(StoreErrorKind::Io, context));
    }
    Ok(())
}

/// The threads of a store: its work does not stop when a caller's runtime does, and never runs in virtual time.
struct Threads(Option<Runtime>);

impl Threads {
    fn start() -> Result<Self, StoreError> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("ttn-store-postgres")
            .enable_all()
            .build();
        let runtime = runtime.map_err(|error| {
            StoreError::new(StoreErrorKind::Io, "the threads of the store").caused_by(error)
        })?;
        Ok(Self(Some(runtime)))
    }

    fn handle(&self) -> Result<tokio::runtime::Handle, StoreError> {
        let handle = self.0.as_ref().map(|runtime| runtime.handle().clone());
        // It is taken by the drop alone.
        handle.ok_or_else(|| StoreError::new(StoreErrorKind::Io, "a closed store"))
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            // Whoever drops it may be in a runtime himself and must not wait for this one.
            runtime.shutdown_background();
        }
    }
}

impl Watermark for PostgresStore {
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

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore").field("engine", &self.engine).finish_non_exhaustive()
    }
}

/// The lane of writes that belong to no shard.
const CONTROL_LANE: LaneId = LaneId(u16::MAX);

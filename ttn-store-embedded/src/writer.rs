//! Who commits: one writer for all lanes into the log, and checkpoints of the log into the engine behind it.

use std::{
    sync::Arc,
    task::Waker,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex, MutexGuard};
use ttn_core::{
    rand::Entropy,
    store::{StoreError, StoreErrorKind},
};

use crate::{
    base::Base,
    checkpoint::{Checkpoint, Goal, recover},
    directory::Held,
    disk::Disk,
    lane::State,
    log::{Log, LogOptions},
    options::{Options, Survives},
};

/// What handles and threads of a store share. The last one who drops it makes the last checkpoint.
pub(crate) struct Shared {
    pub(crate) state: Mutex<State>,
    /// The writer waits here.
    pub(crate) work: Condvar,
    /// Who makes checkpoints waits here.
    due: Condvar,
    pub(crate) options: Options,
    limits: Limits,
    /// Whoever makes a checkpoint holds it.
    checkpointing: Mutex<()>,
    pub(crate) log: Log,
    pub(crate) base: Box<dyn Base>,
    // Dropped last: the directory is free when the engine is closed.
    _held: Option<Held>,
}

/// Where a store lies.
pub(crate) struct Place {
    pub(crate) base: Box<dyn Base>,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) entropy: Arc<dyn Entropy>,
    /// Held as long as the store is open.
    pub(crate) held: Option<Held>,
}

/// Sizes at which something happens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// How long a segment of the log grows.
    pub(crate) segment_bytes: u64,
    /// How much a checkpoint writes at a time.
    pub(crate) chunk_bytes: usize,
    /// How much in the log makes a checkpoint due, before its time or without a time.
    pub(crate) checkpoint_bytes: usize,
    /// How much in the log, and not in a checkpoint under way, lets commits wait for the checkpoint. Then the pending
    /// layer fills, and at its limit batches are refused as full.
    pub(crate) written_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            segment_bytes: 4 << 20,
            chunk_bytes: 1 << 20,
            checkpoint_bytes: 16 << 20,
            written_bytes_max: 32 << 20,
        }
    }
}

/// The least time between two commits when there is always something to commit.
const COMMIT_INTERVAL: Duration = Duration::from_millis(2);
/// How long the first batch waits for others: whoever submits it often submits the next one right behind it, as an uplink
/// does with its message and its session.
const GATHER: Duration = Duration::from_micros(200);
/// How long what is in the log waits for the engine.
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(5);

impl Shared {
    /// Brings the engine up to the log and begins to take batches.
    pub(crate) fn open(place: Place, options: Options, limits: Limits) -> Result<Self, StoreError> {
        let Place { base, disk, entropy, held } = place;
        let found = recover(&*base, &*disk, limits.chunk_bytes)?;
        let syncs = options.survives == Survives::PowerLoss;
        let log_options = LogOptions { segment_bytes: limits.segment_bytes, syncs };
        let log = Log::begin(disk, entropy, log_options, &found)?;
        Ok(Self {
            state: Mutex::new(State::load(&*base)?),
            work: Condvar::new(),
            due: Condvar::new(),
            options,
            limits,
            checkpointing: Mutex::new(()),
            log,
            base,
            _held: held,
        })
    }

    /// The writer: after [`GATHER`] when idle, at most every [`COMMIT_INTERVAL`] when busy. Ends when the store closes and
    /// everything is committed.
    pub(crate) fn write_on(&self) {
        let mut not_before = now();
        let mut state = self.state.lock();
        loop {
            let pending = &state.layers.pending;
            if state.failure.is_some() || (pending.batches == 0 && state.is_closing) {
                break;
            }
            if pending.batches == 0 {
                self.work.wait(&mut state);
                not_before = not_before.max(now() + GATHER);
                continue;
            }
            if state.layers.written.bytes >= self.limits.written_bytes_max {
                self.work.wait(&mut state);
                continue;
            }
            if !state.is_closing && !pending.is_full() && now() < not_before {
                self.work.wait_until(&mut state, not_before);
                continue;
            }
            not_before = now() + COMMIT_INTERVAL;
            drop(state);
            self.commit();
            state = self.state.lock();
        }
        state.is_written_out = true;
        drop(state);
        self.due.notify_one();
    }

    /// Makes checkpoints: [`CHECKPOINT_INTERVAL`] after there is something new, or earlier when there is much. Ends after
    /// the writer.
    pub(crate) fn checkpoint_on(&self) {
        let mut not_before = now() + CHECKPOINT_INTERVAL;
        let mut state = self.state.lock();
        loop {
            let written = &state.layers.written;
            if state.failure.is_some() || state.is_written_out {
                return;
            }
            if written.is_empty() {
                self.due.wait(&mut state);
                not_before = now() + CHECKPOINT_INTERVAL;
                continue;
            }
            if written.bytes < self.limits.checkpoint_bytes && now() < not_before {
                self.due.wait_until(&mut state, not_before);
                continue;
            }
            not_before = now() + CHECKPOINT_INTERVAL;
            drop(state);
            // An error is the store's failure.
            self.checkpoint().ok();
            state = self.state.lock();
        }
    }

    /// Commits what is pending, as one.
    pub(crate) fn commit(&self) {
        let layer = self.state.lock().begin_commit();
        let result = self.log.append(&layer);
        // Then the layer is not shared any more and need not be copied.
        drop(layer);
        let mut state = self.state.lock();
        let was_empty = state.layers.written.is_empty();
        let wakers = state.end_commit(result);
        let is_due = was_empty || self.is_large(&state) || state.failure.is_some();
        drop(state);
        if is_due {
            self.due.notify_one();
        }
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Commits what is pending before the caller goes on. Nobody looks at a clock here: only sizes make checkpoints.
    pub(crate) fn commit_inline(&self, mut state: MutexGuard<'_, State>) {
        let layer = state.begin_commit();
        let result = self.log.append(&layer);
        drop(layer);
        let wakers = state.end_commit(result);
        let is_large = self.is_large(&state);
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        if is_large {
            // An error is the store's failure.
            self.checkpoint().ok();
        }
    }

    /// Brings the engine up to what was written to the log when it is called.
    pub(crate) fn checkpoint(&self) -> Result<(), StoreError> {
        let _only = self.checkpointing.lock();
        if let Some(failure) = &self.state.lock().failure {
            return Err(StoreError::new(StoreErrorKind::Io, failure.clone()));
        }
        let Some(checkpoint) = self.begin_checkpoint() else { return Ok(()) };
        self.end_checkpoint(checkpoint.run(self.goal()))
    }

    /// Takes what was written for a checkpoint. One at a time.
    pub(crate) fn begin_checkpoint(&self) -> Option<Checkpoint> {
        let (rows, seq) = self.state.lock().layers.freeze()?;
        // There is room again.
        self.work.notify_one();
        Some(Checkpoint::new(rows, seq))
    }

    /// Lets go of what a checkpoint has written. After an error the log still has it, and nothing more is taken.
    pub(crate) fn end_checkpoint(&self, result: Result<(), StoreError>) -> Result<(), StoreError> {
        let mut state = self.state.lock();
        let (rows, wakers) = match &result {
            Ok(()) => (state.layers.thaw(), Vec::new()),
            Err(error) => (None, state.fail(error.to_string())),
        };
        drop(state);
        // Many rows: not under the lock.
        drop(rows);
        if result.is_err() {
            self.wake(wakers);
        }
        result
    }

    /// Where checkpoints go.
    pub(crate) fn goal(&self) -> Goal<'_> {
        Goal { base: &*self.base, log: &self.log, chunk_bytes: self.limits.chunk_bytes }
    }

    /// Wakes whoever waits for a change of the state.
    pub(crate) fn wake(&self, wakers: Vec<Waker>) {
        self.work.notify_one();
        self.due.notify_one();
        wakers.into_iter().for_each(Waker::wake);
    }

    fn is_large(&self, state: &State) -> bool {
        state.layers.written.bytes >= self.limits.checkpoint_bytes
    }
}

/// A clean stop: the engine has everything, and the next start replays nothing. After a failure the log is left to the
/// next start.
impl Drop for Shared {
    fn drop(&mut self) {
        let has_failed = self.state.lock().failure.is_some();
        if !has_failed && let Err(error) = self.checkpoint() {
            tracing::warn!(%error, "the next start replays the log");
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the threads' own pace, in their own threads")]
fn now() -> Instant {
    Instant::now()
}

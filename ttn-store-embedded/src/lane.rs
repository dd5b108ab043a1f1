//! Lanes: batches in, positions out, one record of the log for all of them.
//!
//! What was taken lies in the *pending* layer. The writer takes that layer as a whole, commits it to the log as a whole,
//! and then moves the watermarks; meanwhile the next layer fills. So a batch survives as a whole, and with it every
//! earlier one of every lane. Reads look through the layers first: they see everything that was taken.

use std::{
    collections::BTreeMap,
    fmt,
    sync::Arc,
    task::{Context, Poll, Waker},
    thread,
};

use ttn_core::store::{
    Durable, Epoch, LaneId, Owned, PartitionId, Position, Refusal, StoreError, StoreErrorKind,
};

use crate::{
    base::{Base, Layer, Space},
    layers::{Layers, Merged},
    options::Commit,
    table::{Counters, LANE_ROWS, epoch_rows, lane_row},
    writer::Shared,
};

/// The lanes of a store.
pub(crate) struct Lanes {
    pub(crate) shared: Arc<Shared>,
    threads: Vec<thread::JoinHandle<()>>,
}

/// What the lock guards.
pub(crate) struct State {
    lanes: BTreeMap<LaneId, Lane>,
    pub(crate) layers: Layers,
    pub(crate) failure: Option<String>,
    pub(crate) is_closing: bool,
    /// Whether the writer has ended.
    pub(crate) is_written_out: bool,
    /// Commits that succeeded.
    pub(crate) commits: u64,
    /// The epochs of partitions, as of all batches that were taken.
    pub(crate) epochs: BTreeMap<PartitionId, Epoch>,
    /// Counters of the ports.
    pub(crate) counters: Counters,
}

#[derive(Default)]
struct Lane {
    taken: u64,
    committing: u64,
    durable: u64,
    waiting: BTreeMap<u64, Vec<Waker>>,
}

/// A batch in the making: reads through the layers, collects writes. Dropped without
/// [`Lanes::submit`]'s consent it changes nothing.
pub(crate) struct Change<'a> {
    /// What the lock guards. Change it only when nothing can fail any more.
    pub(crate) state: &'a mut State,
    base: &'a dyn Base,
    staged: Layer,
}

/// The lane of writes that belong to no shard.
pub(crate) const CONTROL_LANE: LaneId = LaneId(u16::MAX);

impl Lanes {
    /// Starts to commit as the options say.
    pub(crate) fn start(shared: Shared) -> Result<Self, StoreError> {
        let mut lanes = Self::idle(shared);
        if lanes.shared.options.commit == Commit::Thread {
            lanes.spawn("ttn-store", Shared::write_on)?;
            lanes.spawn("ttn-checkpoint", Shared::checkpoint_on)?;
        }
        Ok(lanes)
    }

    /// Lanes that nobody commits: for tests that do it themselves.
    pub(crate) fn idle(shared: Shared) -> Self {
        Self { shared: Arc::new(shared), threads: Vec::new() }
    }

    fn spawn(&mut self, name: &str, work: fn(&Shared)) -> Result<(), StoreError> {
        let shared = self.shared.clone();
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || work(&shared));
        self.threads.push(thread.map_err(|error| {
            StoreError::new(StoreErrorKind::Io, format!("the thread {name}")).caused_by(error)
        })?);
        Ok(())
    }

    /// Takes a batch, if there is room: `change` reads and stages, all under the lock. An error changes nothing.
    pub(crate) fn submit<T, E: From<Refusal>>(
        &self,
        lane: LaneId,
        change: impl FnOnce(&mut Change<'_>) -> Result<T, E>,
    ) -> Result<(Position, T), E> {
        let mut state = self.shared.state.lock();
        if state.failure.is_some() || state.is_closing {
            return Err(Refusal::Unavailable.into());
        }
        if state.layers.pending.is_full() {
            return Err(Refusal::Full.into());
        }
        let mut batch =
            Change { state: &mut state, base: &*self.shared.base, staged: Layer::new() };
        let value = change(&mut batch)?;
        let staged = batch.staged;
        let position = state.take(lane, staged);
        match self.shared.options.commit {
            Commit::Thread => {
                // The writer sleeps only if there was nothing, and wakes early only when there is no more room.
                let pending = &state.layers.pending;
                if pending.batches == 1 || pending.is_full() {
                    self.shared.work.notify_one();
                }
            }
            Commit::Inline => self.shared.commit_inline(state),
        }
        Ok((position, value))
    }

    /// Reads a row as of all batches that were taken.
    pub(crate) fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let key = (space, key.to_vec());
        if let Some(value) = self.shared.state.lock().layers.get(&key) {
            return Ok(value);
        }
        // A row that leaves the layers meanwhile is in the engine before.
        self.shared.base.get(space, &key.1)
    }

    /// Reads rows, up to and without `to` and at most `limit`, as of all batches that were taken when it is called.
    pub(crate) fn range(&self, space: Space, from: Vec<u8>, to: Vec<u8>, limit: usize) -> Merged {
        // The engine's state is taken under the lock, so that no checkpoint falls between the two.
        let state = self.shared.state.lock();
        state.layers.range(&*self.shared.base, &Layer::new(), (space, from, to), limit)
    }

    /// Looks at what the lock guards.
    pub(crate) fn with_state<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.shared.state.lock())
    }

    pub(crate) fn poll_durable(
        &self,
        lane_id: LaneId,
        seq: u64,
        cx: &Context<'_>,
    ) -> Poll<Result<Durable, StoreError>> {
        let mut state = self.shared.state.lock();
        let failure = state.failure.clone();
        let lane = state.lanes.entry(lane_id).or_default();
        if seq <= lane.durable {
            let position = Position { lane: lane_id, seq: lane.durable };
            return Poll::Ready(Ok(Durable::attested_by_store(position)));
        }
        if let Some(failure) = failure {
            return Poll::Ready(Err(StoreError::new(StoreErrorKind::Io, failure)));
        }
        let waiting = lane.waiting.entry(seq).or_default();
        if !waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Waits until everything that was taken so far is durable.
    pub(crate) async fn flushed(&self, position: Position) -> Result<Durable, StoreError> {
        std::future::poll_fn(|cx| self.poll_durable(position.lane, position.seq, cx)).await
    }

    /// Forgets what is not durable and takes nothing more, as a crash does.
    pub(crate) fn abort(&self) {
        let mut state = self.shared.state.lock();
        state.is_closing = true;
        let wakers = state.fail("the store was stopped".to_owned());
        drop(state);
        self.shared.wake(wakers);
    }
}

impl Drop for Lanes {
    fn drop(&mut self) {
        self.shared.state.lock().is_closing = true;
        self.shared.wake(Vec::new());
        let current = thread::current().id();
        // The last handle may be dropped by a task that a thread of the store itself has woken.
        if self.threads.iter().all(|thread| thread.thread().id() != current) {
            for thread in self.threads.drain(..) {
                // It has said why in `failure` if it ended with an error; a panic has printed itself.
                thread.join().ok();
            }
        }
    }
}

impl State {
    pub(crate) fn load(base: &dyn Base) -> Result<Self, StoreError> {
        let mut lanes = BTreeMap::new();
        let (from, to) = LANE_ROWS;
        for row in base.range(Space::State, from.to_vec(), to.to_vec()) {
            let (lane, seq) = lane_row::decode(&row?)?;
            lanes.insert(
                lane,
                Lane { taken: seq, committing: seq, durable: seq, waiting: BTreeMap::new() },
            );
        }
        let mut epochs = BTreeMap::new();
        let (from, to) = epoch_rows::RANGE;
        for row in base.range(Space::State, from.to_vec(), to.to_vec()) {
            let (partition, epoch) = epoch_rows::decode(&row?)?;
            epochs.insert(partition, epoch);
        }
        Ok(Self {
            lanes,
            layers: Layers::default(),
            failure: None,
            is_closing: false,
            is_written_out: false,
            commits: 0,
            epochs,
            counters: Counters::load(base)?,
        })
    }

    fn take(&mut self, lane_id: LaneId, staged: Layer) -> Position {
        let lane = self.lanes.entry(lane_id).or_default();
        lane.taken += 1;
        let position = Position { lane: lane_id, seq: lane.taken };
        self.layers.take(staged);
        position
    }

    /// Takes the pending layer and adds the rows that tell how far each lane has come.
    pub(crate) fn begin_commit(&mut self) -> Arc<Layer> {
        let moved = self.lanes.iter().filter(|(_, lane)| lane.taken > lane.durable);
        let rows = moved.map(|(id, lane)| {
            let (key, value) = lane_row::encode(*id, lane.taken);
            ((Space::State, key), Some(value))
        });
        let layer = self.layers.begin_commit(rows);
        for lane in self.lanes.values_mut() {
            lane.committing = lane.taken;
        }
        self.counters.begin_commit();
        layer
    }

    /// Moves the watermarks and gives who waits for them; after an error nothing is durable any more.
    pub(crate) fn end_commit(&mut self, result: Result<u64, StoreError>) -> Vec<Waker> {
        if self.failure.is_some() {
            return Vec::new();
        }
        match result {
            Ok(seq) => self.layers.end_commit(seq),
            Err(error) => return self.fail(error.to_string()),
        }
        self.commits += 1;
        self.counters.end_commit();
        let mut wakers = Vec::new();
        for lane in self.lanes.values_mut() {
            lane.durable = lane.committing;
            let still_waiting = lane.waiting.split_off(&(lane.durable + 1));
            let woken = std::mem::replace(&mut lane.waiting, still_waiting);
            wakers.extend(woken.into_values().flatten());
        }
        wakers
    }

    /// Ends all acknowledging and gives who waits.
    pub(crate) fn fail(&mut self, failure: String) -> Vec<Waker> {
        tracing::error!(%failure, "the store takes no more writes");
        self.failure = Some(failure);
        let waiting = self.lanes.values_mut().map(|lane| std::mem::take(&mut lane.waiting));
        waiting.flat_map(BTreeMap::into_values).flatten().collect()
    }

    /// The last position of a lane that is behind its watermark, if one is.
    pub(crate) fn behind(&self) -> Option<Position> {
        let (id, lane) = self.lanes.iter().find(|(_, lane)| lane.taken > lane.durable)?;
        Some(Position { lane: *id, seq: lane.durable + 1 })
    }

    /// Whether a write of this owner is out of date.
    pub(crate) fn is_fenced(&self, owned: &Owned) -> bool {
        self.epochs.get(&owned.partition).is_some_and(|epoch| owned.epoch < *epoch)
    }
}

impl Change<'_> {
    pub(crate) fn put(&mut self, space: Space, key: Vec<u8>, value: impl Into<Arc<[u8]>>) {
        self.staged.insert((space, key), Some(value.into()));
    }

    pub(crate) fn delete(&mut self, space: Space, key: Vec<u8>) {
        self.staged.insert((space, key), None);
    }

    /// Reads a row as of all batches that were taken and what this one has staged.
    pub(crate) fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let key = (space, key.to_vec());
        if let Some(value) = self.staged.get(&key) {
            return Ok(value.as_deref().map(<[u8]>::to_vec));
        }
        match self.state.layers.get(&key) {
            Some(value) => Ok(value),
            None => self.base.get(space, &key.1),
        }
    }

    /// Reads rows, up to and without `to` and at most `limit`, as [`Self::get`] does.
    pub(crate) fn range(&self, space: Space, from: Vec<u8>, to: Vec<u8>, limit: usize) -> Merged {
        self.state.layers.range(self.base, &self.staged, (space, from, to), limit)
    }
}

impl fmt::Debug for Lanes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lanes").field("options", &self.shared.options).finish_non_exhaustive()
    }
}

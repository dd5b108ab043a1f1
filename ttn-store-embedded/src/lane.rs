//! Lanes: batches in, positions out, one sync for all of them.
//!
//! What was taken lies in the *pending* layer. The writer takes that layer as a whole, commits it as a whole, and then
//! moves the watermarks; meanwhile the next layer fills. So a batch survives as a whole, and with it every earlier one
//! of every lane. Reads look through the layers first: they see everything that was taken.

use std::{
    collections::BTreeMap,
    fmt,
    iter::Peekable,
    ops::Bound,
    sync::Arc,
    task::{Context, Poll, Waker},
    thread,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};
use ttn_core::store::{
    Durable, Epoch, LaneId, Owned, PartitionId, Position, Refusal, StoreError, StoreErrorKind,
};

use crate::{
    engine::{Engine, Key, Layer, Row, Space},
    options::{Commit, Options},
    table::{Counters, LANE_ROWS, epoch_rows, lane_row},
};

/// The lanes of a store.
pub(crate) struct Lanes {
    shared: Arc<Shared>,
    writer: Option<thread::JoinHandle<()>>,
}

struct Shared {
    engine: Engine,
    options: Options,
    state: Mutex<State>,
    work: Condvar,
}

/// What the lock guards.
pub(crate) struct State {
    lanes: BTreeMap<LaneId, Lane>,
    pending: Pending,
    committing: Option<Arc<Layer>>,
    failure: Option<String>,
    is_closing: bool,
    /// Commits that succeeded.
    pub(crate) commits: u64,
    /// The epochs of partitions, as of all batches that were taken.
    pub(crate) epochs: BTreeMap<PartitionId, Epoch>,
    /// Counters of the ports.
    pub(crate) counters: Counters,
}

#[derive(Default)]
struct Pending {
    layer: Layer,
    batches: usize,
    bytes: usize,
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
    engine: &'a Engine,
    staged: Layer,
}

/// The most octets that wait for their commit; at this limit batches are refused as full.
pub(crate) const PENDING_BYTES_MAX: usize = 16 << 20;
/// The most batches that wait for their commit.
pub(crate) const PENDING_BATCHES_MAX: usize = 16_384;
/// The least time between two commits when there is always something to commit.
pub(crate) const COMMIT_INTERVAL: Duration = Duration::from_millis(2);
/// The lane of writes that belong to no shard.
pub(crate) const CONTROL_LANE: LaneId = LaneId(u16::MAX);
/// What a row costs besides its octets.
const ROW_OVERHEAD: usize = 64;

impl Lanes {
    pub(crate) fn open(engine: Engine, options: Options) -> Result<Self, StoreError> {
        let state = State::load(&engine)?;
        let shared =
            Arc::new(Shared { engine, options, state: Mutex::new(state), work: Condvar::new() });
        let writer = match options.commit {
            Commit::Inline => None,
            Commit::Thread => {
                let shared = shared.clone();
                let name = "ttn-store".to_owned();
                let thread = thread::Builder::new().name(name).spawn(move || shared.write_on());
                Some(thread.map_err(|error| {
                    StoreError::new(StoreErrorKind::Io, "the writer's thread").caused_by(error)
                })?)
            }
        };
        Ok(Self { shared, writer })
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
        if state.pending.is_full() {
            return Err(Refusal::Full.into());
        }
        let mut batch =
            Change { state: &mut state, engine: &self.shared.engine, staged: Layer::new() };
        let value = change(&mut batch)?;
        let staged = batch.staged;
        let position = state.take(lane, staged);
        match self.shared.options.commit {
            Commit::Thread => {
                self.shared.work.notify_one();
            }
            Commit::Inline => {
                let layer = state.begin_commit();
                let result = self.shared.engine.commit(&layer, self.shared.options.survives);
                let wakers = state.end_commit(result);
                drop(state);
                wakers.into_iter().for_each(Waker::wake);
            }
        }
        Ok((position, value))
    }

    /// Reads a row as of all batches that were taken.
    pub(crate) fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let key = (space, key.to_vec());
        if let Some(value) = self.shared.state.lock().overlay(&key) {
            return Ok(value);
        }
        self.shared.engine.get(space, &key.1)
    }

    /// Reads rows, up to and without `to`, as of all batches that were taken when it is called.
    pub(crate) fn range(&self, space: Space, from: Vec<u8>, to: Vec<u8>) -> Merged {
        let state = self.shared.state.lock();
        let overlay = state.overlay_range(space, &from, &to, &Layer::new());
        // Under the lock, so that no commit falls between the two.
        let rows = self.shared.engine.range(space, from, to);
        drop(state);
        Merged::new(overlay, rows)
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

    /// Makes every later commit fail, as a broken disk does.
    pub(crate) fn break_disk(&self) {
        self.shared.engine.break_disk();
    }

    /// Forgets what is not durable and takes nothing more, as a crash does.
    pub(crate) fn abort(&self) {
        let mut state = self.shared.state.lock();
        let wakers = state.fail("the store was stopped".to_owned());
        state.is_closing = true;
        drop(state);
        self.shared.work.notify_one();
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl Drop for Lanes {
    fn drop(&mut self) {
        self.shared.state.lock().is_closing = true;
        self.shared.work.notify_one();
        if let Some(writer) = self.writer.take()
            // The last handle may be dropped by a task that the writer itself has woken.
            && writer.thread().id() != thread::current().id()
        {
            // It has said why in `failure` if it ended with an error; a panic has printed itself.
            writer.join().ok();
        }
    }
}

impl Shared {
    /// The writer: at once when idle, at most every [`COMMIT_INTERVAL`] when busy. Ends when the store closes and
    /// everything is committed.
    fn write_on(&self) {
        let mut not_before = now();
        let mut state = self.state.lock();
        loop {
            if state.failure.is_some() || (state.pending.batches == 0 && state.is_closing) {
                return;
            }
            if state.pending.batches == 0 {
                self.work.wait(&mut state);
                continue;
            }
            if !state.is_closing && !state.pending.is_full() && now() < not_before {
                self.work.wait_until(&mut state, not_before);
                continue;
            }
            not_before = now() + COMMIT_INTERVAL;
            let layer = state.begin_commit();
            drop(state);
            let result = self.engine.commit(&layer, self.options.survives);
            state = self.state.lock();
            let wakers = state.end_commit(result);
            drop(state);
            wakers.into_iter().for_each(Waker::wake);
            state = self.state.lock();
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the writer's own pace, in its own thread")]
fn now() -> Instant {
    Instant::now()
}

impl State {
    fn load(engine: &Engine) -> Result<Self, StoreError> {
        let mut lanes = BTreeMap::new();
        let (from, to) = LANE_ROWS;
        for row in engine.range(Space::State, from.to_vec(), to.to_vec()) {
            let (lane, seq) = lane_row::decode(&row?)?;
            lanes.insert(
                lane,
                Lane { taken: seq, committing: seq, durable: seq, waiting: BTreeMap::new() },
            );
        }
        let mut epochs = BTreeMap::new();
        let (from, to) = epoch_rows::RANGE;
        for row in engine.range(Space::State, from.to_vec(), to.to_vec()) {
            let (partition, epoch) = epoch_rows::decode(&row?)?;
            epochs.insert(partition, epoch);
        }
        Ok(Self {
            lanes,
            pending: Pending::default(),
            committing: None,
            failure: None,
            is_closing: false,
            commits: 0,
            epochs,
            counters: Counters::load(engine)?,
        })
    }

    fn take(&mut self, lane_id: LaneId, staged: Layer) -> Position {
        let lane = self.lanes.entry(lane_id).or_default();
        lane.taken += 1;
        let position = Position { lane: lane_id, seq: lane.taken };
        self.pending.batches += 1;
        self.pending.bytes += staged.iter().map(|(key, value)| size(key, value)).sum::<usize>();
        self.pending.layer.extend(staged);
        position
    }

    /// Takes the pending layer and adds the rows that tell how far each lane has come.
    fn begin_commit(&mut self) -> Arc<Layer> {
        let Pending { mut layer, .. } = std::mem::take(&mut self.pending);
        for (id, lane) in self.lanes.iter().filter(|(_, lane)| lane.taken > lane.durable) {
            let (key, value) = lane_row::encode(*id, lane.taken);
            layer.insert((Space::State, key), Some(value));
        }
        let layer = Arc::new(layer);
        for lane in self.lanes.values_mut() {
            lane.committing = lane.taken;
        }
        self.counters.begin_commit();
        self.committing = Some(layer.clone());
        layer
    }

    /// Moves the watermarks and gives who waits for them; after an error nothing is durable any more.
    fn end_commit(&mut self, result: Result<(), StoreError>) -> Vec<Waker> {
        if self.failure.is_some() {
            return Vec::new();
        }
        if let Err(error) = result {
            return self.fail(error.to_string());
        }
        self.committing = None;
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

    fn fail(&mut self, failure: String) -> Vec<Waker> {
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

    fn layers(&self) -> impl Iterator<Item = &Layer> {
        // The older first.
        self.committing.as_deref().into_iter().chain([&self.pending.layer])
    }

    /// What the layers say of a row: `None` if nothing.
    fn overlay(&self, key: &Key) -> Option<Option<Vec<u8>>> {
        let value = self.pending.layer.get(key);
        let value = value.or_else(|| self.committing.as_ref().and_then(|layer| layer.get(key)))?;
        Some(value.as_deref().map(<[u8]>::to_vec))
    }

    fn overlay_range(&self, space: Space, from: &[u8], to: &[u8], staged: &Layer) -> Overlay {
        let bounds =
            (Bound::Included((space, from.to_vec())), Bound::Excluded((space, to.to_vec())));
        let mut overlay = BTreeMap::new();
        if from < to {
            for layer in self.layers().chain([staged]) {
                let rows = layer.range(bounds.clone());
                overlay.extend(rows.map(|((_, key), value)| (key.clone(), value.clone())));
            }
        }
        overlay
    }
}

impl Pending {
    const fn is_full(&self) -> bool {
        self.bytes >= PENDING_BYTES_MAX || self.batches >= PENDING_BATCHES_MAX
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
        match self.state.overlay(&key) {
            Some(value) => Ok(value),
            None => self.engine.get(space, &key.1),
        }
    }

    /// Reads rows, up to and without `to`, as [`Self::get`] does.
    pub(crate) fn range(&self, space: Space, from: Vec<u8>, to: Vec<u8>) -> Merged {
        let overlay = self.state.overlay_range(space, &from, &to, &self.staged);
        Merged::new(overlay, self.engine.range(space, from, to))
    }
}

/// What the layers say of rows; `None` for deleted ones.
type Overlay = BTreeMap<Vec<u8>, Option<Arc<[u8]>>>;

/// Rows of the engine with the layers laid over them, in order.
pub(crate) struct Merged {
    overlay: Peekable<<Overlay as IntoIterator>::IntoIter>,
    rows: Peekable<Box<dyn Iterator<Item = Result<Row, StoreError>> + Send>>,
}

impl Merged {
    fn new(
        overlay: Overlay,
        rows: impl Iterator<Item = Result<Row, StoreError>> + Send + 'static,
    ) -> Self {
        let rows: Box<dyn Iterator<Item = _> + Send> = Box::new(rows);
        Self { overlay: overlay.into_iter().peekable(), rows: rows.peekable() }
    }
}

impl Iterator for Merged {
    type Item = Result<Row, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let Some((over, _)) = self.overlay.peek() else { return self.rows.next() };
            match self.rows.peek() {
                Some(Err(_)) => return self.rows.next(),
                Some(Ok((key, _))) if key < over => return self.rows.next(),
                Some(Ok((key, _))) if key == over => drop(self.rows.next()),
                _ => {}
            }
            if let Some((key, Some(value))) = self.overlay.next() {
                return Some(Ok((key, value.to_vec())));
            }
        }
    }
}

fn size((_, key): &Key, value: &Option<Arc<[u8]>>) -> usize {
    ROW_OVERHEAD + key.len() + value.as_ref().map_or(0, |value| value.len())
}

impl fmt::Debug for Lanes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lanes").field("options", &self.shared.options).finish_non_exhaustive()
    }
}

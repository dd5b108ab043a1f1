//! Lanes: batches in, positions out, one transaction for all of them.
//!
//! What was taken lies in the *pending* group. The writer takes that group as a whole, commits it in one transaction,
//! and then moves the watermarks; meanwhile the next group fills. So a batch survives as a whole, and with it every
//! earlier one of every lane.

mod group;
mod writer;

pub(crate) use group::{Acquired, Group, LogRow, device_key};
#[cfg(feature = "network")]
pub(crate) use group::{DeviceRow, Place, small};

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    future::poll_fn,
    sync::{Arc, mpsc},
    task::{Context, Poll, Waker},
    time::Duration,
};

use futures::channel::oneshot;
use parking_lot::Mutex;
use tokio::sync::Notify;
use ttn_core::store::{
    Durable, Epoch, LaneId, Owned, OwnerId, PartitionId, Position, Refusal, StoreError,
    StoreErrorKind,
};

use crate::engine::{Engine, Failure, get};
#[cfg(feature = "network")]
use crate::network::Index;

/// The lanes of a store.
pub(crate) struct Lanes {
    shared: Arc<Shared>,
    /// Says that the writer has ended.
    ended: Mutex<mpsc::Receiver<()>>,
}

struct Shared {
    state: Mutex<State>,
    work: Notify,
}

/// What the lock guards.
pub(crate) struct State {
    lanes: BTreeMap<LaneId, Lane>,
    /// What is taken and not yet being committed.
    pub(crate) pending: Group,
    failure: Option<(StoreErrorKind, String)>,
    is_closing: bool,
    /// Transactions that succeeded.
    pub(crate) commits: u64,
    /// The epochs of partitions, as far as they are known here.
    epochs: BTreeMap<PartitionId, Epoch>,
    /// Partitions that are being acquired: every earlier epoch is about to end.
    acquiring: BTreeSet<PartitionId>,
    /// The devices of the partitions that were acquired here.
    #[cfg(feature = "network")]
    pub(crate) index: Index,
    /// The number of the last durable record of the application log, as far as it is known here.
    pub(crate) log_last: u64,
}

#[derive(Default)]
struct Lane {
    taken: u64,
    committing: u64,
    durable: u64,
    waiting: BTreeMap<u64, Vec<Waker>>,
}

/// The most octets that wait for their commit; at this limit batches are refused as full.
const PENDING_BYTES_MAX: usize = 16 << 20;
/// The most batches that wait for their commit.
const PENDING_BATCHES_MAX: usize = 16_384;
/// The least time between two commits when there is always something to commit.
const COMMIT_INTERVAL: Duration = Duration::from_millis(2);
/// How long a drop waits for what is pending.
const CLOSE_MAX: Duration = Duration::from_secs(10);

impl Lanes {
    /// Begins to write.
    pub(crate) async fn open(
        engine: &Arc<Engine>,
        spawn: impl FnOnce(futures::future::BoxFuture<'static, ()>),
    ) -> Result<Self, StoreError> {
        let known = engine.read((), |db, ()| {
            Box::pin(async move {
                let epochs = db.rows("SELECT partition, epoch FROM partitions", &[]).await?;
                let epochs = epochs.iter().map(group::epoch).collect::<Result<_, _>>()?;
                let row = db.row("SELECT last FROM log_state", &[]).await?;
                let last: i64 = row.map(|row| get(&row, 0)).transpose()?.unwrap_or_default();
                Ok::<(BTreeMap<_, _>, _), Failure>((epochs, last.cast_unsigned()))
            })
        });
        let (epochs, log_last) = known.await?;
        let state = State {
            lanes: BTreeMap::new(),
            pending: Group::default(),
            failure: None,
            is_closing: false,
            commits: 0,
            epochs,
            acquiring: BTreeSet::new(),
            #[cfg(feature = "network")]
            index: Index::default(),
            log_last,
        };
        let shared = Arc::new(Shared { state: Mutex::new(state), work: Notify::new() });
        let (end, ended) = mpsc::channel();
        let writer = writer::Writer::register(engine.clone(), shared.clone()).await?;
        spawn(Box::pin(async move {
            writer.run().await;
            // Nobody waits if the store is not being dropped.
            end.send(()).ok();
        }));
        Ok(Self { shared, ended: Mutex::new(ended) })
    }

    /// Takes a batch, if there is room: `change` checks and stages under the lock. An error changes nothing.
    pub(crate) fn submit(
        &self,
        lane: LaneId,
        change: impl FnOnce(&mut State) -> Result<(), Refusal>,
    ) -> Result<Position, Refusal> {
        let mut state = self.shared.state.lock();
        if state.failure.is_some() || state.is_closing {
            return Err(Refusal::Unavailable);
        }
        if state.pending.bytes >= PENDING_BYTES_MAX || state.pending.batches >= PENDING_BATCHES_MAX
        {
            return Err(Refusal::Full);
        }
        change(&mut state)?;
        state.pending.batches += 1;
        let lane_id = lane;
        let lane = state.lanes.entry(lane_id).or_default();
        lane.taken += 1;
        let position = Position { lane: lane_id, seq: lane.taken };
        drop(state);
        self.shared.work.notify_one();
        Ok(position)
    }

    /// Takes a partition over: what was taken for it before is committed first, and its earlier epochs end.
    pub(crate) async fn acquire(
        &self,
        partition: PartitionId,
        owner: OwnerId,
    ) -> Result<Epoch, StoreError> {
        let (sender, receiver) = oneshot::channel();
        {
            let mut state = self.shared.state.lock();
            if let Some(error) = state.error() {
                return Err(error);
            }
            state.acquiring.insert(partition);
            state.pending.acquire(partition, owner, sender);
        }
        self.shared.work.notify_one();
        receiver.await.map_err(|_| self.error())
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
        let error = state.error();
        let lane = state.lanes.entry(lane_id).or_default();
        if seq <= lane.durable {
            let position = Position { lane: lane_id, seq: lane.durable };
            return Poll::Ready(Ok(Durable::attested_by_store(position)));
        }
        if let Some(error) = error {
            return Poll::Ready(Err(error));
        }
        let waiting = lane.waiting.entry(seq).or_default();
        if !waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Waits until everything that was taken so far is durable.
    pub(crate) async fn flush(&self) -> Result<(), StoreError> {
        let behind: Vec<Position> = {
            let state = self.shared.state.lock();
            let lanes = state.lanes.iter().filter(|(_, lane)| lane.taken > lane.durable);
            lanes.map(|(id, lane)| Position { lane: *id, seq: lane.taken }).collect()
        };
        for Position { lane, seq } in behind {
            poll_fn(|cx| self.poll_durable(lane, seq, cx)).await?;
        }
        Ok(())
    }

    /// Forgets what is not durable and takes nothing more, as a crash does.
    pub(crate) fn abort(&self) {
        let mut state = self.shared.state.lock();
        let wakers = state.fail(StoreErrorKind::Io, "the store was stopped".to_owned());
        drop(state);
        self.shared.work.notify_one();
        wakers.into_iter().for_each(Waker::wake);
    }

    fn error(&self) -> StoreError {
        let error = self.shared.state.lock().error();
        error.unwrap_or_else(|| StoreError::new(StoreErrorKind::Io, "a store that was closed"))
    }
}

impl Drop for Lanes {
    fn drop(&mut self) {
        self.shared.state.lock().is_closing = true;
        self.shared.work.notify_one();
        // It has said why if it cannot write.
        self.ended.lock().recv_timeout(CLOSE_MAX).ok();
    }
}

impl State {
    /// Whether an owner's epoch has ended.
    pub(crate) fn is_fenced(&self, owned: &Owned) -> bool {
        owned.epoch != Epoch::LATEST
            && (self.acquiring.contains(&owned.partition)
                || self.epochs.get(&owned.partition).is_some_and(|epoch| owned.epoch < *epoch))
    }

    /// Whether an owner holds a partition here.
    #[cfg(feature = "network")]
    pub(crate) fn holds(&self, owned: &Owned) -> bool {
        !self.acquiring.contains(&owned.partition)
            && self.index.has(owned.partition)
            && self.epochs.get(&owned.partition) == Some(&owned.epoch)
    }

    fn error(&self) -> Option<StoreError> {
        let (kind, text) = self.failure.as_ref()?;
        Some(StoreError::new(*kind, text.clone()))
    }

    fn fail(&mut self, kind: StoreErrorKind, text: String) -> Vec<Waker> {
        if self.failure.is_some() {
            return Vec::new();
        }
        self.failure = Some((kind, text));
        // Whoever waits to acquire hears of it because his channel ends.
        self.pending = Group::default();
        let waiting = self.lanes.values_mut().map(|lane| std::mem::take(&mut lane.waiting));
        waiting.flat_map(BTreeMap::into_values).flatten().collect()
    }

    fn begin_commit(&mut self) -> Group {
        for lane in self.lanes.values_mut() {
            lane.committing = lane.taken;
        }
        std::mem::take(&mut self.pending)
    }

    /// Moves the watermarks and gives who waits for them; after a failure nothing is durable any more.
    fn end_commit(&mut self, result: Result<writer::Committed, StoreError>) -> Vec<Waker> {
        if self.failure.is_some() {
            return Vec::new();
        }
        let committed = match result {
            Ok(committed) => committed,
            Err(error) => {
                tracing::error!(%error, "the store takes no more writes");
                return self.fail(error.kind, error.to_string());
            }
        };
        self.commits += 1;
        self.log_last = committed.log_last.unwrap_or(self.log_last);
        for (partition, acquired) in committed.acquired {
            self.acquiring.remove(&partition);
            self.epochs.insert(partition, acquired.epoch);
            #[cfg(feature = "network")]
            self.index.acquire(partition, acquired.devices);
            for sender in acquired.senders {
                // Whoever asked may be gone.
                sender.send(acquired.epoch).ok();
            }
        }
        let mut wakers = Vec::new();
        for lane in self.lanes.values_mut() {
            lane.durable = lane.committing;
            let still_waiting = lane.waiting.split_off(&(lane.durable + 1));
            let woken = std::mem::replace(&mut lane.waiting, still_waiting);
            wakers.extend(woken.into_values().flatten());
        }
        wakers
    }
}

impl fmt::Debug for Lanes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lanes").finish_non_exhaustive()
    }
}

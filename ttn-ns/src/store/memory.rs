//! The store that forgets everything when it is dropped: for tests, examples and trials.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    task::{Context, Poll, Waker},
};

use async_trait::async_trait;
use futures::{StreamExt as _, stream, stream::BoxStream};
use parking_lot::Mutex;
use ttn_core::{
    id::DeviceKey,
    store::{
        Durable, Epoch, LaneId, OwnerId, Page, PartitionId, Position, Refusal, Refused, Revision,
        StoreError, StoreErrorKind, Versioned, Watermark,
    },
};

use super::{
    DeviceNo, DeviceQuery, DeviceRecord, HotRecord, HotRow, NetworkBatch, NetworkStore,
    NetworkWrite, QueueItem,
};

/// Keeps everything in memory. Batches are durable at once, or, for tests, when [`Self::release`] says so.
#[derive(Default)]
pub struct MemoryNetworkStore {
    inner: Mutex<Inner>,
    held: bool,
}

/// The most batches that wait for [`MemoryNetworkStore::release`]; further ones are refused as full.
pub const HELD_BATCHES_MAX: usize = 4096;
/// The most tasks that wait for one watermark.
const WAKERS_MAX: usize = 1024;

#[derive(Default)]
struct Inner {
    /// As of all batches that were taken.
    taken: State,
    /// What a crash leaves.
    durable: State,
    /// Taken, but not durable.
    pending: VecDeque<(u64, NetworkBatch)>,
    seq: u64,
    durable_seq: u64,
    wakers: Vec<Waker>,
}

#[derive(Clone, Default)]
struct State {
    epochs: BTreeMap<PartitionId, Epoch>,
    devices: BTreeMap<(PartitionId, DeviceNo), Row>,
    by_key: BTreeMap<DeviceKey, (PartitionId, DeviceNo)>,
}

#[derive(Clone)]
struct Row {
    revision: Revision,
    record: DeviceRecord,
    hot: Option<HotRecord>,
    queue: BTreeMap<u64, QueueItem>,
}

impl MemoryNetworkStore {
    /// Makes an empty store in which everything is durable at once.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes an empty store in which nothing is durable until [`Self::release`].
    #[must_use]
    pub fn held_back() -> Self {
        Self { held: true, ..Self::default() }
    }

    /// Makes everything durable that was taken so far.
    pub fn release(&self) {
        self.release_up_to(u64::MAX);
    }

    /// Makes everything durable up to a sequence number.
    pub fn release_up_to(&self, seq: u64) {
        let mut inner = self.inner.lock();
        while inner.pending.front().is_some_and(|(at, _)| *at <= seq) {
            if let Some((at, batch)) = inner.pending.pop_front() {
                inner.durable.apply(&batch);
                inner.durable_seq = at;
            }
        }
        let wakers = std::mem::take(&mut inner.wakers);
        drop(inner);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Forgets everything that is not durable, as a crash does.
    pub fn crash(&self) {
        let mut inner = self.inner.lock();
        inner.pending.clear();
        inner.taken = inner.durable.clone();
        inner.seq = inner.durable_seq;
    }

    /// How many batches are taken, but not durable.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.inner.lock().pending.len()
    }
}

#[async_trait]
impl NetworkStore for MemoryNetworkStore {
    fn submit(&self, batch: NetworkBatch) -> Result<Position, Refused<NetworkBatch>> {
        let mut inner = self.inner.lock();
        if inner.pending.len() >= HELD_BATCHES_MAX {
            return Err(Refused { batch, reason: Refusal::Full });
        }
        if let Err(reason) = inner.taken.check(&batch) {
            return Err(Refused { batch, reason });
        }
        let lane = batch.lane;
        inner.seq += 1;
        let seq = inner.seq;
        inner.taken.apply(&batch);
        if self.held {
            inner.pending.push_back((seq, batch));
        } else {
            inner.durable.apply(&batch);
            inner.durable_seq = seq;
        }
        Ok(Position { lane, seq })
    }

    async fn acquire(&self, partition: PartitionId, _owner: OwnerId) -> Result<Epoch, StoreError> {
        let mut inner = self.inner.lock();
        let epoch = Epoch(inner.taken.epochs.get(&partition).map_or(1, |epoch| epoch.0 + 1));
        inner.taken.epochs.insert(partition, epoch);
        inner.durable.epochs.insert(partition, epoch);
        Ok(epoch)
    }

    fn load(
        &self,
        partition: PartitionId,
        epoch: Epoch,
    ) -> BoxStream<'_, Result<Vec<HotRow>, StoreError>> {
        let inner = self.inner.lock();
        if inner.taken.epochs.get(&partition) != Some(&epoch) {
            let context = format!("partition {}", partition.get());
            let fenced = StoreError::new(StoreErrorKind::Fenced, context);
            return stream::iter([Err(fenced)]).boxed();
        }
        let range = (partition, DeviceNo(0))..=(partition, DeviceNo(u64::MAX));
        let rows: Vec<HotRow> =
            inner.taken.devices.range(range).map(|((_, no), row)| row.to_hot_row(*no)).collect();
        let pages: Vec<_> = rows.chunks(LOAD_PAGE).map(|page| Ok(page.to_vec())).collect();
        stream::iter(pages).boxed()
    }

    async fn device(&self, key: &DeviceKey) -> Result<HotRow, StoreError> {
        let inner = self.inner.lock();
        let found = inner
            .taken
            .by_key
            .get(key)
            .and_then(|at| inner.taken.devices.get(at).map(|row| row.to_hot_row(at.1)));
        found.ok_or_else(|| StoreError::new(StoreErrorKind::NotFound, format!("device {key}")))
    }

    async fn list(&self, query: &DeviceQuery) -> Result<Page<HotRow>, StoreError> {
        let inner = self.inner.lock();
        let (skip, limit) = query.window();
        let wanted = |key: &DeviceKey| {
            query.application_id.as_ref().is_none_or(|id| *id == key.application_id)
        };
        let all: Vec<_> = inner.taken.by_key.iter().filter(|(key, _)| wanted(key)).collect();
        let items = all
            .iter()
            .skip(skip)
            .take(limit)
            .filter_map(|(_, at)| inner.taken.devices.get(at).map(|row| row.to_hot_row(at.1)))
            .collect();
        Ok(Page { items, total: all.len() as u64 })
    }
}

/// How many rows `load` gives at a time.
const LOAD_PAGE: usize = 256;

impl Watermark for MemoryNetworkStore {
    fn poll_durable(
        &self,
        lane: LaneId,
        seq: u64,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Durable, StoreError>> {
        let mut inner = self.inner.lock();
        if inner.durable_seq >= seq {
            let position = Position { lane, seq: inner.durable_seq };
            return Poll::Ready(Ok(Durable::attested_by_store(position)));
        }
        if inner.wakers.len() >= WAKERS_MAX {
            // Whoever waited longest asks again.
            inner.wakers.remove(0).wake();
        }
        inner.wakers.push(cx.waker().clone());
        Poll::Pending
    }
}

impl State {
    /// Checks a batch as a whole before anything changes.
    fn check(&self, batch: &NetworkBatch) -> Result<(), Refusal> {
        // What earlier writes of the same batch would have changed.
        let mut revisions: BTreeMap<(PartitionId, DeviceNo), Option<Revision>> = BTreeMap::new();
        let mut keys: BTreeMap<&DeviceKey, Option<(PartitionId, DeviceNo)>> = BTreeMap::new();
        for (owned, write) in &batch.writes {
            if self.epochs.get(&owned.partition) != Some(&owned.epoch) {
                return Err(Refusal::Fenced);
            }
            let (device, replaces) = match write {
                NetworkWrite::Device { device, replaces, .. }
                | NetworkWrite::Delete { device, replaces } => (*device, *replaces),
                _ => continue,
            };
            let at = (owned.partition, device);
            let stored = self.devices.get(&at);
            let current =
                revisions.get(&at).copied().unwrap_or_else(|| stored.map(|row| row.revision));
            if !replaces.allows(current) {
                return Err(Refusal::Conflict);
            }
            if let NetworkWrite::Device { record, .. } = write {
                let holder = keys
                    .get(record.key())
                    .copied()
                    .unwrap_or_else(|| self.by_key.get(record.key()).copied());
                if holder.is_some_and(|holder| holder != at) {
                    return Err(Refusal::Conflict);
                }
                keys.insert(record.key(), Some(at));
                revisions.insert(at, Some(next(current)));
            } else {
                if let Some(row) = stored {
                    keys.insert(row.record.key(), None);
                }
                revisions.insert(at, None);
            }
        }
        Ok(())
    }

    fn apply(&mut self, batch: &NetworkBatch) {
        for (owned, write) in &batch.writes {
            match write {
                NetworkWrite::Delete { device, .. } => {
                    if let Some(row) = self.devices.remove(&(owned.partition, *device)) {
                        self.by_key.remove(row.record.key());
                    }
                }
                NetworkWrite::Device { device, record, .. } => {
                    self.put((owned.partition, *device), record);
                }
                NetworkWrite::Hot { device, hot } => {
                    if let Some(row) = self.devices.get_mut(&(owned.partition, *device)) {
                        row.hot = Some(hot.clone());
                    }
                }
                NetworkWrite::QueueItem { device, seq, item } => {
                    let Some(row) = self.devices.get_mut(&(owned.partition, *device)) else {
                        continue;
                    };
                    match item {
                        Some(item) => row.queue.insert(*seq, item.clone()),
                        None => row.queue.remove(seq),
                    };
                }
            }
        }
    }

    fn put(&mut self, at: (PartitionId, DeviceNo), record: &DeviceRecord) {
        self.by_key.insert(record.key().clone(), at);
        match self.devices.get_mut(&at) {
            Some(row) => {
                if row.record.key() != record.key() {
                    self.by_key.remove(row.record.key());
                }
                row.revision = next(Some(row.revision));
                row.record = record.clone();
            }
            None => {
                let row = Row {
                    revision: next(None),
                    record: record.clone(),
                    hot: None,
                    queue: BTreeMap::new(),
                };
                self.devices.insert(at, row);
            }
        }
    }
}

impl Row {
    fn to_hot_row(&self, device: DeviceNo) -> HotRow {
        HotRow {
            device,
            record: Versioned { revision: self.revision, value: self.record.clone() },
            hot: self.hot.clone(),
            queue: self.queue.iter().map(|(seq, item)| (*seq, item.clone())).collect(),
        }
    }
}

fn next(revision: Option<Revision>) -> Revision {
    Revision(revision.map_or(1, |revision| revision.0 + 1))
}

impl fmt::Debug for MemoryNetworkStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryNetworkStore").field("held", &self.held).finish_non_exhaustive()
    }
}

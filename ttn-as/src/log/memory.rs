//! The log in memory.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    task::{Context, Poll},
};

use async_trait::async_trait;
use futures::{StreamExt as _, stream::BoxStream};
use parking_lot::Mutex;
use ttn_core::{
    id::DeviceKey,
    store::{
        Durable, Epoch, ImmediateWatermark, LaneId, PartitionId, Position, Refusal, Refused,
        StoreError, Watermark,
    },
};

use super::{ApplicationLog, Cursor, LogBatch, LogEntry, LogFilter, LogRecord, Record, Retention};
use crate::store::SessionRecord;

/// A log without a disk, durable at once. It keeps [`RECORDS_MAX`] records and forgets older ones.
#[derive(Debug, Default)]
pub struct MemoryLog {
    watermark: ImmediateWatermark,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// How many records were forgotten: the number of the first kept one, less one.
    forgotten: u64,
    records: VecDeque<Arc<Record>>,
    sessions: BTreeMap<DeviceKey, Arc<SessionRecord>>,
    epochs: BTreeMap<PartitionId, Epoch>,
}

/// How many records a log in memory keeps; the oldest are forgotten.
pub const RECORDS_MAX: usize = 100_000;

impl MemoryLog {
    /// Makes an empty log.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Refuses batches of a partition with an older epoch from now on.
    pub fn fence(&self, partition: PartitionId, epoch: Epoch) {
        self.inner.lock().epochs.insert(partition, epoch);
    }

    pub(crate) fn sessions(&self) -> Vec<(DeviceKey, Arc<SessionRecord>)> {
        self.inner.lock().sessions.iter().map(|(k, v)| (k.clone(), v.clone())).collect()
    }

    pub(crate) fn forget(&self, device: &DeviceKey) {
        self.inner.lock().sessions.remove(device);
    }
}

impl Inner {
    fn end(&self) -> u64 {
        self.forgotten + self.records.len() as u64
    }

    fn is_fenced(&self, batch: &LogBatch) -> bool {
        let records = batch.records.iter().map(|(owned, _)| owned);
        let sessions = batch.sessions.iter().map(|(owned, _, _)| owned);
        records
            .chain(sessions)
            .any(|owned| self.epochs.get(&owned.partition).is_some_and(|e| owned.epoch < *e))
    }

    /// Some records behind a place, and where to go on; `None` at the end.
    fn page(&self, from: &Cursor, filter: &LogFilter) -> (Vec<LogRecord>, Option<Cursor>) {
        let at = match from.number() {
            Some(number) => number,
            None if from.is_start() => self.forgotten,
            None => self.end(),
        };
        let mut found = Vec::new();
        if at < self.forgotten {
            let lost = self.forgotten - at;
            let cursor = Cursor::behind(self.forgotten);
            found.push(LogRecord { cursor, entry: LogEntry::Gap { lost } });
        }
        let first = at.max(self.forgotten);
        let skipped = usize::try_from(first - self.forgotten).unwrap_or(usize::MAX);
        let last = skipped.saturating_add(PAGE).min(self.records.len());
        for (number, record) in (first + 1..).zip(self.records.range(skipped.min(last)..last)) {
            if filter.matches(record) {
                let cursor = Cursor::behind(number);
                found.push(LogRecord { cursor, entry: LogEntry::Record(record.clone()) });
            }
        }
        let is_end = last == self.records.len();
        (found, (!is_end).then(|| Cursor::behind(self.forgotten + last as u64)))
    }
}

/// How many records are looked at before others may use the log.
const PAGE: usize = 64;

#[async_trait]
impl ApplicationLog for MemoryLog {
    fn append(&self, batch: LogBatch) -> Result<Position, Refused<LogBatch>> {
        let mut inner = self.inner.lock();
        if inner.is_fenced(&batch) {
            return Err(Refused { batch, reason: Refusal::Fenced });
        }
        for (_, record) in batch.records {
            if inner.records.len() == RECORDS_MAX {
                inner.records.pop_front();
                inner.forgotten += 1;
            }
            inner.records.push_back(record);
        }
        for (_, device, sessions) in batch.sessions {
            inner.sessions.insert(device, sessions);
        }
        Ok(self.watermark.advance(batch.lane))
    }

    fn read<'a>(
        &'a self,
        from: &Cursor,
        filter: &LogFilter,
    ) -> BoxStream<'a, Result<LogRecord, StoreError>> {
        let filter = filter.clone();
        let pages = futures::stream::unfold(Some(from.clone()), move |from| {
            let page = from.map(|from| self.inner.lock().page(&from, &filter));
            std::future::ready(page)
        });
        pages.flat_map(|found| futures::stream::iter(found.into_iter().map(Ok))).boxed()
    }

    fn end(&self) -> Cursor {
        Cursor::behind(self.inner.lock().end())
    }

    async fn truncate(&self, retention: &Retention) -> Result<u64, StoreError> {
        let mut inner = self.inner.lock();
        let before = inner.forgotten;
        let Some(time) = retention.before else { return Ok(0) };
        while inner.records.front().is_some_and(|record| record.up.received_at < time) {
            inner.records.pop_front();
            inner.forgotten += 1;
        }
        Ok(inner.forgotten - before)
    }
}

impl Watermark for MemoryLog {
    fn poll_durable(
        &self,
        lane: LaneId,
        seq: u64,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Durable, StoreError>> {
        self.watermark.poll_durable(lane, seq, cx)
    }
}

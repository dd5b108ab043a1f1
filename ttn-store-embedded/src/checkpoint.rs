//! Checkpoints: what the log has goes into the engine, coalesced, and old segments go.
//!
//! The order is the promise: first all rows and a sync, then the mark that says up to which record the engine is
//! complete, and a sync, then segments are removed. A crash at any point leaves the engine complete up to a mark, some
//! rows that are newer, and the log from the mark on; to replay it over them changes nothing that it should not,
//! because a record says what rows are and not how they change.

use std::{ops::Bound, sync::Arc};

use ttn_core::store::StoreError;

use crate::{
    base::{Base, Key, Layer, Space, Value, cost},
    disk::Disk,
    log::{Found, Log, replay},
    table::{MARK, split_u64},
};

/// A checkpoint under way.
pub(crate) struct Checkpoint {
    rows: Arc<Layer>,
    /// The record of the log up to which the rows are complete.
    seq: u64,
    stage: Stage,
}

enum Stage {
    /// The rows behind this one are still to be written.
    Rows(Option<Key>),
    Sync,
    Mark,
    Forget,
    Done,
}

/// Where a checkpoint goes, and how.
#[derive(Clone, Copy)]
pub(crate) struct Goal<'a> {
    pub(crate) base: &'a dyn Base,
    pub(crate) log: &'a Log,
    /// How much is written at a time.
    pub(crate) chunk_bytes: usize,
}

impl Checkpoint {
    pub(crate) const fn new(rows: Arc<Layer>, seq: u64) -> Self {
        Self { rows, seq, stage: Stage::Rows(None) }
    }

    /// Does all of it.
    pub(crate) fn run(mut self, goal: Goal<'_>) -> Result<(), StoreError> {
        while !self.step(goal)? {}
        Ok(())
    }

    /// Does the next part and says whether it was the last one.
    pub(crate) fn step(&mut self, goal: Goal<'_>) -> Result<bool, StoreError> {
        self.stage = match &self.stage {
            Stage::Rows(behind) => match self.write(behind.as_ref(), goal)? {
                Some(last) => Stage::Rows(Some(last)),
                None => Stage::Sync,
            },
            Stage::Sync => {
                goal.base.sync()?;
                Stage::Mark
            }
            Stage::Mark => {
                mark(goal.base, self.seq)?;
                Stage::Forget
            }
            Stage::Forget => {
                goal.log.forget(self.seq);
                Stage::Done
            }
            Stage::Done => Stage::Done,
        };
        Ok(matches!(self.stage, Stage::Done))
    }

    /// Writes the next chunk and gives its last row's key.
    fn write(&self, behind: Option<&Key>, goal: Goal<'_>) -> Result<Option<Key>, StoreError> {
        let from = behind.map_or(Bound::Unbounded, Bound::Excluded);
        let mut octets = 0;
        let chunk =
            self.rows.range::<Key, _>((from, Bound::Unbounded)).take_while(|(key, value)| {
                let has_room = octets < goal.chunk_bytes;
                octets += cost(key, value);
                has_room
            });
        let chunk: Vec<(&Key, &Value)> = chunk.collect();
        let Some((last, _)) = chunk.last() else { return Ok(None) };
        goal.base.write(&chunk)?;
        Ok(Some((*last).clone()))
    }
}

/// Brings the engine up to the end of the log, durably.
pub(crate) fn recover(
    base: &dyn Base,
    disk: &dyn Disk,
    chunk_bytes: usize,
) -> Result<Found, StoreError> {
    let done = base.get(Space::State, &MARK)?;
    let done = done.map(|value| split_u64(&value).map(|(seq, _)| seq)).transpose()?;
    let mut rows = Layer::new();
    let mut octets = 0;
    let found = replay(disk, done, |record| {
        octets += record.iter().map(|(key, value)| cost(key, value)).sum::<usize>();
        rows.extend(record);
        if octets >= chunk_bytes {
            base.write(&rows.iter().collect::<Vec<_>>())?;
            rows.clear();
            octets = 0;
        }
        Ok(())
    })?;
    if found.last > done.unwrap_or(0) {
        base.write(&rows.iter().collect::<Vec<_>>())?;
        base.sync()?;
        mark(base, found.last)?;
    }
    Ok(found)
}

fn mark(base: &dyn Base, seq: u64) -> Result<(), StoreError> {
    let row = ((Space::State, MARK.to_vec()), Some(Arc::from(seq.to_be_bytes())));
    base.write(&[(&row.0, &row.1)])?;
    base.sync()
}

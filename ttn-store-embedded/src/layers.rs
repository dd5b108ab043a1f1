//! What was taken and is not in the engine yet, in layers; reads look through them first.
//!
//! From new to old: *pending* collects batches; *committing* is being written to the log; *written* is in the log and
//! collects what the next checkpoint takes; *frozen* is on its way into the engine. A row leaves a layer only when the
//! next one has it.

use std::{iter::Peekable, ops::Bound, sync::Arc};

use ttn_core::store::StoreError;

use crate::base::{Base, Key, Layer, Row, Rows, Space, Value, cost};

/// All layers.
#[derive(Default)]
pub(crate) struct Layers {
    pub(crate) pending: Pending,
    committing: Option<Arc<Layer>>,
    pub(crate) written: Written,
    frozen: Option<Arc<Layer>>,
}

/// Batches that wait for their commit.
#[derive(Default)]
pub(crate) struct Pending {
    layer: Layer,
    pub(crate) batches: usize,
    bytes: usize,
}

/// What is in the log and not in the engine.
#[derive(Default)]
pub(crate) struct Written {
    layer: Layer,
    /// What went into the log: as much as the layer, or more, if rows were rewritten.
    pub(crate) bytes: usize,
    /// The last record of the log that is in it.
    seq: u64,
}

/// The most octets that wait for their commit; at this limit batches are refused as full.
pub(crate) const PENDING_BYTES_MAX: usize = 16 << 20;
/// The most batches that wait for their commit.
pub(crate) const PENDING_BATCHES_MAX: usize = 16_384;

impl Layers {
    pub(crate) fn take(&mut self, staged: Layer) {
        self.pending.batches += 1;
        self.pending.bytes += staged.iter().map(|(key, value)| cost(key, value)).sum::<usize>();
        self.pending.layer.extend(staged);
    }

    /// Takes the pending layer to commit it, with rows that the lanes add.
    pub(crate) fn begin_commit(&mut self, rows: impl Iterator<Item = (Key, Value)>) -> Arc<Layer> {
        let Pending { mut layer, .. } = std::mem::take(&mut self.pending);
        layer.extend(rows);
        let layer = Arc::new(layer);
        self.committing = Some(layer.clone());
        layer
    }

    /// Lays what was committed as this record of the log over what was written before.
    pub(crate) fn end_commit(&mut self, seq: u64) {
        self.written.seq = seq;
        let Some(layer) = self.committing.take() else { return };
        let layer = Arc::try_unwrap(layer).unwrap_or_else(|shared| Layer::clone(&shared));
        self.written.bytes += layer.iter().map(|(key, value)| cost(key, value)).sum::<usize>();
        if self.written.layer.is_empty() {
            self.written.layer = layer;
        } else {
            self.written.layer.extend(layer);
        }
    }

    /// Takes what was written for a checkpoint, with the record of the log up to which it is complete. `None` if there
    /// is nothing, or if a checkpoint is under way.
    pub(crate) fn freeze(&mut self) -> Option<(Arc<Layer>, u64)> {
        if self.frozen.is_some() || self.written.layer.is_empty() {
            return None;
        }
        let Written { layer, seq, .. } = std::mem::take(&mut self.written);
        let layer = Arc::new(layer);
        self.frozen = Some(layer.clone());
        Some((layer, seq))
    }

    /// Forgets what a checkpoint has written. The caller drops it, when it holds no lock.
    pub(crate) fn thaw(&mut self) -> Option<Arc<Layer>> {
        self.frozen.take()
    }

    /// What the layers say of a row: `None` if nothing.
    pub(crate) fn get(&self, key: &Key) -> Option<Option<Vec<u8>>> {
        let value = self.newest_last().rev().find_map(|layer| layer.get(key))?;
        Some(value.as_deref().map(<[u8]>::to_vec))
    }

    /// Reads rows, up to and without `to` and at most `limit`, of the layers, one more upon them, and the engine.
    pub(crate) fn range(
        &self,
        base: &dyn Base,
        staged: &Layer,
        (space, from, to): (Space, Vec<u8>, Vec<u8>),
        limit: usize,
    ) -> Merged {
        if from >= to {
            return Merged::new(Vec::new(), Box::new(std::iter::empty()), limit);
        }
        let bounds = (Bound::Included((space, from.clone())), Bound::Excluded((space, to.clone())));
        let layers = self.newest_last().chain([staged]);
        let mut layers: Vec<_> =
            layers.map(|layer| layer.range(bounds.clone()).peekable()).collect();
        let mut rows = Vec::new();
        let mut living = 0;
        while living < limit {
            let keys = layers.iter_mut().filter_map(|layer| layer.peek().map(|(key, _)| *key));
            let Some(least) = keys.min() else { break };
            let mut newest = None;
            for layer in &mut layers {
                newest = layer.next_if(|(key, _)| *key == least).or(newest);
            }
            if let Some((key, value)) = newest {
                living += usize::from(value.is_some());
                rows.push((key.1.clone(), value.clone()));
            }
        }
        // What lies behind the last row is not wanted, because there are enough in front of it.
        let to = match rows.last() {
            Some((last, _)) if living == limit => [last.as_slice(), &[0]].concat(),
            _ => to,
        };
        Merged::new(rows, base.range(space, from, to), limit)
    }

    fn newest_last(&self) -> impl DoubleEndedIterator<Item = &Layer> {
        let older = [self.frozen.as_deref(), Some(&self.written.layer)];
        let newer = [self.committing.as_deref(), Some(&self.pending.layer)];
        older.into_iter().chain(newer).flatten()
    }
}

impl Pending {
    pub(crate) const fn is_full(&self) -> bool {
        self.bytes >= PENDING_BYTES_MAX || self.batches >= PENDING_BATCHES_MAX
    }
}

impl Written {
    pub(crate) fn is_empty(&self) -> bool {
        self.layer.is_empty()
    }
}

/// Rows of the engine with the layers laid over them, in order.
pub(crate) struct Merged {
    /// `None` for deleted rows.
    over: Peekable<std::vec::IntoIter<(Vec<u8>, Value)>>,
    rows: Peekable<Rows>,
    left: usize,
}

impl Merged {
    fn new(over: Vec<(Vec<u8>, Value)>, rows: Rows, limit: usize) -> Self {
        Self { over: over.into_iter().peekable(), rows: rows.peekable(), left: limit }
    }

    fn merged(&mut self) -> Option<Result<Row, StoreError>> {
        loop {
            let Some((over, _)) = self.over.peek() else { return self.rows.next() };
            match self.rows.peek() {
                Some(Err(_)) => return self.rows.next(),
                Some(Ok((key, _))) if key < over => return self.rows.next(),
                Some(Ok((key, _))) if key == over => drop(self.rows.next()),
                _ => {}
            }
            if let Some((key, Some(value))) = self.over.next() {
                return Some(Ok((key, value.to_vec())));
            }
        }
    }
}

impl Iterator for Merged {
    type Item = Result<Row, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        self.merged()
    }
}

//! The live end of the log, for readers that want what comes from now on.
//!
//! Readers of one application share a bounded queue of `Arc`s; a slow one loses the oldest, counted, and delays nobody.
//! JSON is encoded at most once for all of them, and not at all without one.

use std::{
    collections::VecDeque,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
};

use bytes::Bytes;
use futures::task::AtomicWaker;
use parking_lot::Mutex;
use ttn_core::{
    id::ApplicationId,
    map::Map,
    store::{Durable, LaneId, Position, StoreError},
};

use super::{
    ApplicationLog, Record, RecordState,
    ring::{Ring, RingReader},
};

/// A message on its way to readers.
#[derive(Debug)]
pub struct Delivery {
    record: Arc<Record>,
    json: OnceLock<Bytes>,
}

impl Delivery {
    /// A message of the log.
    #[must_use]
    pub const fn new(record: Arc<Record>) -> Self {
        Self { record, json: OnceLock::new() }
    }

    /// The message.
    #[must_use]
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// The message as JSON of the API (`ApplicationUp`), encoded by the first reader that asks.
    #[must_use]
    pub fn json(&self) -> Bytes {
        self.json.get_or_init(|| Bytes::from(crate::json::application_up(&self.record))).clone()
    }

    /// Whether a reader has asked for the JSON.
    #[must_use]
    pub fn is_encoded(&self) -> bool {
        self.json.get().is_some()
    }
}

/// Hands records to live readers as soon as they are durable.
#[derive(Debug)]
pub(crate) struct Tail {
    applications: Mutex<Map<ApplicationId, Arc<Ring<Arc<Delivery>>>>>,
    waiting: Mutex<Waiting>,
    wake: AtomicWaker,
    /// How far a reader may lag behind.
    lag_max: usize,
}

#[derive(Debug, Default)]
struct Waiting {
    lanes: std::collections::BTreeMap<LaneId, VecDeque<(u64, Arc<Record>)>>,
    count: usize,
    lost: u64,
}

/// How many records wait for durability; further ones are not handed to live readers, and counted.
const WAITING_MAX: usize = 65_536;

impl Tail {
    pub(crate) fn new(lag_max: usize) -> Self {
        Self {
            applications: Mutex::default(),
            waiting: Mutex::default(),
            wake: AtomicWaker::new(),
            lag_max,
        }
    }

    /// Reads what comes from now on.
    pub(crate) fn subscribe(&self, application: &ApplicationId) -> Live {
        let mut applications = self.applications.lock();
        let ring = applications
            .entry(application.clone())
            .or_insert_with(|| Arc::new(Ring::new(self.lag_max)));
        ring.subscribe()
    }

    /// Publishes a record as soon as `position` is durable.
    pub(crate) fn push(&self, position: Position, record: &Arc<Record>) {
        let mut waiting = self.waiting.lock();
        if waiting.count == WAITING_MAX {
            waiting.lost += 1;
            return;
        }
        waiting.count += 1;
        let lane = waiting.lanes.entry(position.lane).or_default();
        lane.push_back((position.seq, record.clone()));
        drop(waiting);
        self.wake.wake();
    }

    /// Waits for durability and publishes; `published` sees every record. Ends only when the store can no longer write.
    pub(crate) fn poll_publish(
        &self,
        log: &dyn ApplicationLog,
        published: &mut dyn FnMut(&Arc<Record>),
        cx: &mut Context<'_>,
    ) -> Poll<StoreError> {
        self.wake.register(cx.waker());
        let fronts: Vec<(LaneId, u64)> = {
            let waiting = self.waiting.lock();
            let front = |(lane, queue): (&LaneId, &VecDeque<(u64, Arc<Record>)>)| {
                queue.front().map(|(seq, _)| (*lane, *seq))
            };
            waiting.lanes.iter().filter_map(front).collect()
        };
        let mut progressed = false;
        for (lane, seq) in fronts {
            match log.poll_durable(lane, seq, cx) {
                Poll::Ready(Ok(proof)) => {
                    progressed = true;
                    for record in self.covered(lane, &proof) {
                        published(&record);
                        self.publish(record);
                    }
                }
                Poll::Ready(Err(error)) => return Poll::Ready(error),
                Poll::Pending => {}
            }
        }
        if progressed {
            // More may have become durable behind the fronts.
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// How many records were not handed to live readers because too many waited for the store.
    pub(crate) fn lost(&self) -> u64 {
        self.waiting.lock().lost
    }

    fn covered(&self, lane: LaneId, proof: &Durable) -> Vec<Arc<Record>> {
        let mut waiting = self.waiting.lock();
        let mut covered = Vec::new();
        if let Some(queue) = waiting.lanes.get_mut(&lane) {
            while let Some((_, record)) =
                queue.pop_front_if(|(seq, _)| proof.covers(Position { lane, seq: *seq }))
            {
                covered.push(record);
            }
        }
        waiting.count -= covered.len();
        covered
    }

    fn publish(&self, record: Arc<Record>) {
        if record.state != RecordState::Deliver {
            return;
        }
        let mut applications = self.applications.lock();
        let id = record.up.ids.key.application_id.clone();
        let Some(ring) = applications.get(&id) else { return };
        if !ring.push(Arc::new(Delivery::new(record))) {
            applications.remove(&id);
        }
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        for ring in self.applications.get_mut().values() {
            ring.close();
        }
    }
}

/// A reader at the live end of an application's log.
pub(crate) type Live = RingReader<Arc<Delivery>>;

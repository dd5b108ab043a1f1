//! The last events of every entity (EVT-05), in memory.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use super::{EventFilter, Published};
use crate::{id::EntityId, map::Map, time::Timestamp};

/// How much is kept. Nothing of it survives the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "built by other crates")]
pub struct HistoryConfig {
    /// Events kept per entity; at the limit its oldest goes. 0 keeps nothing at all.
    pub per_entity: usize,
    /// Entities of which events are kept; at the limit the tenth that was quiet for the longest is forgotten.
    pub entities: usize,
    /// How long an event is kept at most.
    pub age: Duration,
}

impl Default for HistoryConfig {
    fn default() -> Self {
        Self { per_entity: 100, entities: 1000, age: Duration::from_secs(24 * 3600) }
    }
}

impl HistoryConfig {
    /// Keeps nothing.
    pub const OFF: Self = Self { per_entity: 0, entities: 0, age: Duration::ZERO };
}

/// One ring per entity; events of several entities are shared. Events of nobody known have a ring of their own.
#[derive(Debug)]
pub(super) struct History {
    config: HistoryConfig,
    rings: Map<EntityId, Ring>,
    /// Of events of nobody known.
    nobody: Ring,
}

type Ring = VecDeque<Arc<Published>>;

impl History {
    pub(super) fn new(config: HistoryConfig) -> Self {
        Self { config, rings: Map::default(), nobody: Ring::new() }
    }

    pub(super) const fn is_on(&self) -> bool {
        self.config.per_entity > 0 && self.config.entities > 0
    }

    pub(super) fn keep(&mut self, event: &Arc<Published>) {
        if !self.is_on() {
            return;
        }
        if event.identifiers.is_empty() {
            push(&self.config, &mut self.nobody, event);
        }
        for id in &event.identifiers {
            if let Some(ring) = self.rings.get_mut(id) {
                push(&self.config, ring, event);
                continue;
            }
            if self.rings.len() >= self.config.entities {
                self.forget_quiet();
            }
            push(&self.config, self.rings.entry(id.clone()).or_default(), event);
        }
    }

    /// Forgets a tenth at once, so that a crowd of new entities costs a sort only now and then.
    fn forget_quiet(&mut self) {
        let last = |ring: &Ring| ring.back().map_or(0, |event| event.number);
        let mut ages: Vec<u64> = self.rings.values().map(last).collect();
        ages.sort_unstable();
        let limit = ages.get(self.config.entities / 10).copied().unwrap_or(u64::MAX);
        self.rings.retain(|_, ring| last(ring) > limit);
    }

    /// The last `limit` events that a filter selects, no older than `after`, the oldest first.
    pub(super) fn tail(
        &self,
        filter: &EventFilter,
        limit: usize,
        after: Timestamp,
    ) -> Vec<Arc<Published>> {
        let mut events: Vec<Arc<Published>> = Vec::new();
        let of_some = self.rings.iter().filter(|(id, _)| concerns(filter, id));
        let of_nobody = Some(&self.nobody).filter(|_| filter.entities.is_none());
        for ring in of_some.map(|(_, ring)| ring).chain(of_nobody) {
            let wanted = ring.iter().filter(|event| event.time > after && filter.matches(event));
            events.extend(wanted.cloned());
        }
        in_order(events, limit)
    }

    /// The last `limit` events that `wanted` selects, no older than `after`, the oldest first. It looks at everything
    /// that is kept: events have no index, because every event would pay for it and few are asked for.
    pub(super) fn search(
        &self,
        wanted: &dyn Fn(&Published) -> bool,
        limit: usize,
        after: Timestamp,
    ) -> Vec<Arc<Published>> {
        let events = self.rings.values().chain([&self.nobody]).flatten();
        let found = events.filter(|event| event.time > after && wanted(event));
        in_order(found.cloned().collect(), limit)
    }

    /// The time before which events are too old.
    pub(super) const fn oldest(&self, now: Timestamp) -> Timestamp {
        now.minus(self.config.age)
    }
}

/// Adds an event to a ring; what is too much or too old goes.
fn push(config: &HistoryConfig, ring: &mut Ring, event: &Arc<Published>) {
    let oldest = event.time.minus(config.age);
    while ring.len() >= config.per_entity || ring.front().is_some_and(|front| front.time < oldest) {
        ring.pop_front();
    }
    ring.push_back(event.clone());
}

/// Events of several entities are in several rings: they are told once.
fn in_order(mut events: Vec<Arc<Published>>, limit: usize) -> Vec<Arc<Published>> {
    events.sort_unstable_by_key(|event| event.number);
    events.dedup_by_key(|event| event.number);
    let extra = events.len().saturating_sub(limit);
    events.drain(..extra);
    events
}

/// Whether the ring of an entity may hold what a filter selects.
fn concerns(filter: &EventFilter, id: &EntityId) -> bool {
    let Some(entities) = &filter.entities else { return true };
    entities.iter().any(|entity| match (entity, id) {
        (EntityId::Application(application), EntityId::Device(device)) => {
            device.application_id == *application
        }
        _ => entity == id,
    })
}

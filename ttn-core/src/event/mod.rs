//! Events: what happened, to whom, and why.

mod bus;

pub use bus::{EventBus, QUEUE_MAX, Subscription};

use std::{fmt, sync::Arc};

use crate::{auth::Right, id::EntityId, msg::CorrelationIds, time::Timestamp};

/// The definition of an event: its name as in the API, and who may see it.
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "consts of other crates")]
pub struct EventDefinition {
    /// The name, such as `ns.up.data.receive`.
    pub name: &'static str,
    /// Rights of which one is needed to see it.
    pub visibility: &'static [Right],
}

/// Something that happened.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "built by other crates")]
pub struct Event {
    /// What it is.
    pub definition: &'static EventDefinition,
    /// When it happened.
    pub time: Timestamp,
    /// To whom it happened.
    pub identifiers: Vec<EntityId>,
    /// What else belongs to it.
    pub correlation_ids: CorrelationIds,
    /// The reason and its numbers.
    pub data: serde_json::Value,
}

/// Takes events. Publishing is synchronous and never blocks.
pub trait EventSink: fmt::Debug + Send + Sync + 'static {
    /// Whether anybody wants events; without a reader none need be made.
    fn is_enabled(&self) -> bool {
        true
    }

    /// Publishes an event.
    fn publish(&self, event: Event);
}

/// A sink that forgets everything.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct NoEvents;

impl EventSink for NoEvents {
    fn is_enabled(&self) -> bool {
        false
    }

    fn publish(&self, _event: Event) {}
}

/// A shared sink.
pub type Events = Arc<dyn EventSink>;

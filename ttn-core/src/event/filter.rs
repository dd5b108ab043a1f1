//! Which events a reader wants.

use super::{Event, EventDefinition};
use crate::id::EntityId;

/// Events of some entities with some names.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "built by other crates")]
pub struct EventFilter {
    /// To whom they happened; none for everybody.
    pub entities: Option<Vec<EntityId>>,
    /// What they are; none for everything. Ordered by name.
    pub definitions: Option<Vec<&'static EventDefinition>>,
}

impl EventFilter {
    /// Every event.
    pub const ALL: Self = Self { entities: None, definitions: None };

    /// Whether the reader wants an event.
    #[must_use]
    pub fn matches(&self, event: &Event) -> bool {
        self.selects(event.definition)
            && self.entities.as_ref().is_none_or(|entities| {
                let of = |id: &EntityId| entities.iter().any(|entity| shows(entity, id, event));
                event.identifiers.iter().any(of)
            })
    }

    fn selects(&self, definition: &EventDefinition) -> bool {
        let name = definition.name;
        self.definitions
            .as_ref()
            .is_none_or(|wanted| wanted.binary_search_by(|wanted| wanted.name.cmp(name)).is_ok())
    }
}

/// Whether an event of `id` is shown under `entity`: its own, and for an application those that its devices pass on.
fn shows(entity: &EntityId, id: &EntityId, event: &Event) -> bool {
    match (entity, id) {
        (EntityId::Application(application), EntityId::Device(device)) => {
            event.definition.propagate_to_parent && device.application_id == *application
        }
        _ => entity == id,
    }
}

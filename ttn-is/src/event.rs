//! The events of the Identity Server (IS-20), named as in the API.

use ttn_core::{
    auth::Principal,
    event::{Event, EventDefinition, RadioIds, named},
    id::EntityId,
};

use crate::server::IdentityServer;

/// The events of one kind of entity.
#[derive(Debug)]
pub(crate) struct KindEvents {
    pub(crate) create: EventDefinition,
    pub(crate) update: EventDefinition,
    pub(crate) delete: EventDefinition,
    pub(crate) restore: EventDefinition,
    pub(crate) purge: EventDefinition,
    pub(crate) key_create: EventDefinition,
    pub(crate) key_update: EventDefinition,
    pub(crate) key_delete: EventDefinition,
    /// Users have no collaborators.
    pub(crate) collaborators: Option<CollaboratorEvents>,
}

/// The events of the collaborators of one kind of entity.
#[derive(Debug)]
pub(crate) struct CollaboratorEvents {
    pub(crate) update: EventDefinition,
    pub(crate) delete: EventDefinition,
}

macro_rules! kind_events {
    ($kind:literal) => {
        KindEvents {
            create: named(concat!($kind, ".create")),
            update: named(concat!($kind, ".update")),
            delete: named(concat!($kind, ".delete")),
            restore: named(concat!($kind, ".restore")),
            purge: named(concat!($kind, ".purge")),
            key_create: named(concat!($kind, ".api-key.create")),
            key_update: named(concat!($kind, ".api-key.update")),
            key_delete: named(concat!($kind, ".api-key.delete")),
            collaborators: None,
        }
    };
}

macro_rules! collaborator_events {
    ($kind:literal) => {
        Some(CollaboratorEvents {
            update: named(concat!($kind, ".collaborator.update")),
            delete: named(concat!($kind, ".collaborator.delete")),
        })
    };
}

pub(crate) static APPLICATION: KindEvents = KindEvents {
    collaborators: collaborator_events!("application"),
    ..kind_events!("application")
};
pub(crate) static GATEWAY: KindEvents =
    KindEvents { collaborators: collaborator_events!("gateway"), ..kind_events!("gateway") };
pub(crate) static ORGANIZATION: KindEvents = KindEvents {
    collaborators: collaborator_events!("organization"),
    ..kind_events!("organization")
};
pub(crate) static USER: KindEvents = kind_events!("user");

/// An end device was created.
pub static END_DEVICE_CREATE: EventDefinition = named("end_device.create");
/// An end device was changed.
pub static END_DEVICE_UPDATE: EventDefinition = named("end_device.update");
/// An end device was deleted.
pub static END_DEVICE_DELETE: EventDefinition = named("end_device.delete");
/// A wrong old password was given.
pub static USER_INCORRECT_PASSWORD: EventDefinition = named("user.update.incorrect_password");

impl IdentityServer {
    pub(crate) fn publish(
        &self,
        caller: &Principal,
        definition: &'static EventDefinition,
        entity: &EntityId,
        data: serde_json::Value,
    ) {
        if self.events.is_enabled() {
            let call = caller.call.as_ref();
            self.events.publish(Event {
                definition,
                time: self.clock.utc(),
                identifiers: vec![entity.clone()],
                radio_ids: RadioIds::default(),
                correlation_ids: call
                    .and_then(|call| call.correlation_id.clone())
                    .into_iter()
                    .collect(),
                caller: call.filter(|_| definition.names_caller).cloned(),
                data: data.into(),
            });
        }
    }
}

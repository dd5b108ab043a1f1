//! The events of the Identity Server (IS-20), named as in the API.

use ttn_core::{
    auth::Right,
    event::{Event, EventDefinition},
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
    pub(crate) collaborator_update: EventDefinition,
    pub(crate) collaborator_delete: EventDefinition,
}

macro_rules! kind_events {
    ($kind:literal, $info:ident, $keys:ident, [$($members:ident),*]) => {
        KindEvents {
            create: definition(concat!($kind, ".create"), &[Right::$info]),
            update: definition(concat!($kind, ".update"), &[Right::$info]),
            delete: definition(concat!($kind, ".delete"), &[Right::$info]),
            restore: definition(concat!($kind, ".restore"), &[Right::$info]),
            purge: definition(concat!($kind, ".purge"), &[Right::$info]),
            key_create: definition(concat!($kind, ".api-key.create"), &[Right::$keys]),
            key_update: definition(concat!($kind, ".api-key.update"), &[Right::$keys]),
            key_delete: definition(concat!($kind, ".api-key.delete"), &[Right::$keys]),
            collaborator_update:
                definition(concat!($kind, ".collaborator.update"), &[$(Right::$members),*]),
            collaborator_delete:
                definition(concat!($kind, ".collaborator.delete"), &[$(Right::$members),*]),
        }
    };
}

const fn definition(name: &'static str, visibility: &'static [Right]) -> EventDefinition {
    EventDefinition { name, visibility }
}

pub(crate) static APPLICATION: KindEvents = kind_events!(
    "application",
    ApplicationInfo,
    ApplicationSettingsApiKeys,
    [ApplicationSettingsCollaborators, UserApplicationsList]
);
pub(crate) static GATEWAY: KindEvents = kind_events!(
    "gateway",
    GatewayInfo,
    GatewaySettingsApiKeys,
    [GatewaySettingsCollaborators, UserGatewaysList]
);
pub(crate) static ORGANIZATION: KindEvents = kind_events!(
    "organization",
    OrganizationInfo,
    OrganizationSettingsApiKeys,
    [OrganizationSettingsMembers, UserOrganizationsList]
);
/// Users have no collaborators; the last two are never published.
pub(crate) static USER: KindEvents = kind_events!("user", UserInfo, UserSettingsApiKeys, []);

/// An end device was created.
pub static END_DEVICE_CREATE: EventDefinition =
    definition("end_device.create", &[Right::ApplicationDevicesRead]);
/// An end device was changed.
pub static END_DEVICE_UPDATE: EventDefinition =
    definition("end_device.update", &[Right::ApplicationDevicesRead]);
/// An end device was deleted.
pub static END_DEVICE_DELETE: EventDefinition =
    definition("end_device.delete", &[Right::ApplicationDevicesRead]);
/// A wrong old password was given.
pub static USER_INCORRECT_PASSWORD: EventDefinition =
    definition("user.update.incorrect_password", &[Right::UserInfo]);

impl IdentityServer {
    pub(crate) fn publish(
        &self,
        definition: &'static EventDefinition,
        entity: &EntityId,
        data: serde_json::Value,
    ) {
        if self.events.is_enabled() {
            self.events.publish(Event {
                definition,
                time: self.clock.utc(),
                identifiers: vec![entity.clone()],
                correlation_ids: Vec::new(),
                data,
            });
        }
    }
}

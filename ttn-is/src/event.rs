//! The events of the Identity Server (IS-20), named as in the API.

use ttn_core::{
    auth::Principal,
    event::{Event, EventData, EventDefinition, RadioIds, named},
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
    /// OAuth clients have no API keys.
    pub(crate) keys: Option<KeyEvents>,
    /// Users have no collaborators.
    pub(crate) collaborators: Option<CollaboratorEvents>,
}

/// The events of the API keys of one kind of entity.
#[derive(Debug)]
pub(crate) struct KeyEvents {
    pub(crate) create: EventDefinition,
    pub(crate) update: EventDefinition,
    pub(crate) delete: EventDefinition,
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
            keys: None,
            collaborators: None,
        }
    };
}

macro_rules! key_events {
    ($kind:literal) => {
        Some(KeyEvents {
            create: named(concat!($kind, ".api-key.create")),
            update: named(concat!($kind, ".api-key.update")),
            delete: named(concat!($kind, ".api-key.delete")),
        })
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
    keys: key_events!("application"),
    collaborators: collaborator_events!("application"),
    ..kind_events!("application")
};
pub(crate) static CLIENT: KindEvents =
    KindEvents { collaborators: collaborator_events!("client"), ..kind_events!("client") };
pub(crate) static GATEWAY: KindEvents = KindEvents {
    keys: key_events!("gateway"),
    collaborators: collaborator_events!("gateway"),
    ..kind_events!("gateway")
};
pub(crate) static ORGANIZATION: KindEvents = KindEvents {
    keys: key_events!("organization"),
    collaborators: collaborator_events!("organization"),
    ..kind_events!("organization")
};
pub(crate) static USER: KindEvents =
    KindEvents { keys: key_events!("user"), ..kind_events!("user") };

/// Somebody failed to log in as a user.
pub static ACCOUNT_LOGIN_FAILED: EventDefinition = named("account.user.login_failed");
/// Somebody was invited.
pub static INVITATION_CREATE: EventDefinition = named("invitation.create");
/// A user let an OAuth client act for him.
pub static OAUTH_AUTHORIZE: EventDefinition = named("oauth.authorize");
/// A session was ended by an OAuth client.
pub static OAUTH_SESSION_TERMINATED: EventDefinition = named("oauth.session.terminated");
/// Tokens of an OAuth client were revoked.
pub static OAUTH_TOKEN_DELETED: EventDefinition = named("oauth.token.deleted");
/// An OAuth client got tokens for a code or a refresh token.
pub static OAUTH_TOKEN_EXCHANGE: EventDefinition = named("oauth.token.exchange");
/// A user logged in.
pub static OAUTH_USER_LOGIN: EventDefinition = named("oauth.user.login");
/// A user logged out.
pub static OAUTH_USER_LOGOUT: EventDefinition = named("oauth.user.logout");
/// An application got a DevEUI.
pub static APPLICATION_ISSUE_DEV_EUI: EventDefinition = named("application.issue_dev_eui");
/// End devices were deleted at once.
pub static END_DEVICE_BATCH_DELETE: EventDefinition = named("end_device.batch.delete");
/// Gateways were deleted at once.
pub static GATEWAY_BATCH_DELETE: EventDefinition = named("gateway.batch.delete");
/// An end device was created.
pub static END_DEVICE_CREATE: EventDefinition = named("end_device.create");
/// An end device was changed.
pub static END_DEVICE_UPDATE: EventDefinition = named("end_device.update");
/// An end device was deleted.
pub static END_DEVICE_DELETE: EventDefinition = named("end_device.delete");
/// A user was told something.
pub static NOTIFICATION_CREATE: EventDefinition = named("user.notification.create");
/// A user has seen, or put away, what he was told.
pub static NOTIFICATION_UPDATE_STATUS: EventDefinition = named("user.notification.update_status");
/// A wrong old password was given.
pub static USER_INCORRECT_PASSWORD: EventDefinition = named("user.update.incorrect_password");

impl IdentityServer {
    pub(crate) fn publish(
        &self,
        caller: &Principal,
        definition: &'static EventDefinition,
        entity: &EntityId,
        data: impl Into<EventData>,
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

//! Rules of entities: names of things, ids that nobody may take.

mod list;
mod search;

pub use list::Query;
pub(crate) use list::{Sortable, page};
pub use search::Search;
pub(crate) use search::{Searchable, contains};

use ttn_core::{
    eui::{DevEui, JoinEui},
    id::{DeviceKey, EntityId, OrganizationId, UserId},
};

use crate::{error::Error, record::AccountIds};

/// Who can be a member: a user or an organization.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum Account {
    /// An organization.
    Organization(OrganizationId),
    /// A user.
    User(UserId),
}

impl Account {
    /// The account as an entity.
    #[must_use]
    pub fn entity(&self) -> EntityId {
        match self {
            Self::Organization(id) => EntityId::Organization(id.clone()),
            Self::User(id) => EntityId::User(id.clone()),
        }
    }

    /// The kind of account, as error attributes name it.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Organization(_) => "organization",
            Self::User(_) => "user",
        }
    }

    /// The id as text.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::Organization(id) => id.as_str(),
            Self::User(id) => id.as_str(),
        }
    }

    pub(crate) fn key(&self) -> String {
        format!("{}/{}", self.kind(), self.id())
    }

    pub(crate) fn of_key(key: &str) -> Option<Self> {
        match entity_of_key(key)? {
            EntityId::Organization(id) => Some(Self::Organization(id)),
            EntityId::User(id) => Some(Self::User(id)),
            _ => None,
        }
    }

    /// The account that identifiers name.
    #[must_use]
    pub fn of_ids(ids: &AccountIds) -> Option<Self> {
        if let Some(ids) = &ids.organization_ids {
            return OrganizationId::new(&ids.organization_id).ok().map(Self::Organization);
        }
        let ids = ids.user_ids.as_ref()?;
        UserId::new(&ids.user_id).ok().map(Self::User)
    }

    /// The identifiers of the account.
    #[must_use]
    pub fn to_ids(&self) -> AccountIds {
        match self {
            Self::Organization(id) => {
                AccountIds { organization_ids: Some(id.into()), user_ids: None }
            }
            Self::User(id) => id.into(),
        }
    }
}

impl From<OrganizationId> for Account {
    fn from(id: OrganizationId) -> Self {
        Self::Organization(id)
    }
}

impl From<UserId> for Account {
    fn from(id: UserId) -> Self {
        Self::User(id)
    }
}

/// The first segment of the keys of an entity's kind.
pub(crate) const fn kind_key(entity: &EntityId) -> &'static str {
    match entity {
        EntityId::Application(_) => "application",
        EntityId::Client(_) => "client",
        EntityId::Device(_) => "device",
        EntityId::Gateway(_) => "gateway",
        EntityId::Organization(_) => "organization",
        EntityId::User(_) => "user",
        _ => "unknown",
    }
}

/// An entity as part of a key: `kind/id`.
pub(crate) fn entity_key(entity: &EntityId) -> String {
    match entity {
        EntityId::Device(key) => format!("device/{}/{}", key.application_id, key.device_id),
        _ => format!("{}/{}", kind_key(entity), entity.uid()),
    }
}

/// The entity of a key made by [`entity_key`].
pub(crate) fn entity_of_key(key: &str) -> Option<EntityId> {
    let (kind, id) = key.split_once('/')?;
    Some(match kind {
        "application" => EntityId::Application(id.parse().ok()?),
        "client" => EntityId::Client(id.parse().ok()?),
        "device" => {
            let (application, device) = id.split_once('/')?;
            EntityId::Device(DeviceKey::new(application.parse().ok()?, device.parse().ok()?))
        }
        "gateway" => EntityId::Gateway(id.parse().ok()?),
        "organization" => EntityId::Organization(id.parse().ok()?),
        "user" => EntityId::User(id.parse().ok()?),
        _ => return None,
    })
}

/// The key of a device in the store.
pub(crate) fn device_key(key: &DeviceKey) -> String {
    format!("{}/{}", key.application_id, key.device_id)
}

/// A device of its key in the store.
pub(crate) fn device_of_key(key: &str) -> Option<DeviceKey> {
    let (application, device) = key.split_once('/')?;
    Some(DeviceKey::new(application.parse().ok()?, device.parse().ok()?))
}

pub(crate) fn euis_key(join_eui: JoinEui, dev_eui: DevEui) -> String {
    format!("{join_eui}/{dev_eui}")
}

/// Refuses ids that are kept for other uses (IS-01).
///
/// # Errors
///
/// The id is reserved.
pub fn check_reserved(id: &str) -> Result<(), Error> {
    if RESERVED_IDS.lines().any(|reserved| reserved == id) {
        return Err(Error::ForbiddenId { id: id.to_owned() });
    }
    Ok(())
}

const RESERVED_IDS: &str = include_str!("reserved_ids.txt");

#[cfg(test)]
mod tests {
    use super::*;

    // IS-01
    #[test]
    fn refuses_reserved_ids() {
        assert!(check_reserved("www").is_err());
        assert!(check_reserved("about").is_err());
        assert!(check_reserved("my-application").is_ok());
        assert!(RESERVED_IDS.lines().count() > 700);
    }

    #[test]
    fn keys_of_entities_come_back() {
        for key in
            ["application/app", "device/app/dev", "gateway/gtw", "organization/org", "user/me"]
        {
            let entity = entity_of_key(key).unwrap();
            assert_eq!(entity_key(&entity), key);
        }
        assert!(entity_of_key("user/NOT VALID").is_none());
        assert_eq!(Account::of_key("application/app"), None);
    }
}

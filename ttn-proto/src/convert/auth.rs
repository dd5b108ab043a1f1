//! Rights and entities.

use ttn_core::auth::{Right, Rights};
use ttn_core::id::{EntityId, OrganizationId, UserId};

use super::ConvertError;
use crate::v3;
use crate::v3::entity_identifiers::Ids;
use crate::v3::organization_or_user_identifiers::Ids as CollaboratorIds;

/// A set of rights as the numbers of the API.
pub fn rights(rights: Rights) -> v3::Rights {
    v3::Rights { rights: rights.iter().map(Right::number).collect() }
}

/// The set of rights of the numbers of the API.
///
/// # Errors
///
/// A number is no right.
pub fn to_rights(numbers: &[i32]) -> Result<Rights, ConvertError> {
    let unknown = |number: &i32| ConvertError::malformed("rights", format!("{number} is no right"));
    numbers
        .iter()
        .map(|number| Right::from_number(*number).ok_or_else(|| unknown(number)))
        .collect()
}

/// The identifiers of an entity.
pub fn entity_ids(entity: &EntityId) -> v3::EntityIdentifiers {
    let ids = match entity {
        EntityId::Application(id) => Some(Ids::ApplicationIds(id.into())),
        EntityId::Client(id) => Some(Ids::ClientIds(id.into())),
        EntityId::Device(key) => Some(Ids::DeviceIds(key.into())),
        EntityId::Gateway(id) => Some(Ids::GatewayIds(id.into())),
        EntityId::Organization(id) => Some(Ids::OrganizationIds(id.into())),
        EntityId::User(id) => Some(Ids::UserIds(id.into())),
        _ => None,
    };
    v3::EntityIdentifiers { ids }
}

/// The entity of identifiers.
///
/// # Errors
///
/// No identifier is set, or it is malformed.
pub fn to_entity_id(ids: &v3::EntityIdentifiers) -> Result<EntityId, ConvertError> {
    Ok(match ids.ids.as_ref().ok_or(ConvertError::missing("ids"))? {
        Ids::ApplicationIds(ids) => EntityId::Application(ids.try_into()?),
        Ids::ClientIds(ids) => EntityId::Client(ids.try_into()?),
        Ids::DeviceIds(ids) => EntityId::Device(ids.try_into()?),
        Ids::GatewayIds(ids) => EntityId::Gateway(ids.try_into()?),
        Ids::OrganizationIds(ids) => EntityId::Organization(ids.try_into()?),
        Ids::UserIds(ids) => EntityId::User(ids.try_into()?),
    })
}

/// The user or organization that collaborates; an [`EntityId`] of one of these two kinds.
///
/// # Errors
///
/// No identifier is set, or it is malformed.
pub fn collaborator(ids: &v3::OrganizationOrUserIdentifiers) -> Result<EntityId, ConvertError> {
    Ok(match ids.ids.as_ref().ok_or(ConvertError::missing("ids"))? {
        CollaboratorIds::OrganizationIds(ids) => {
            EntityId::Organization(OrganizationId::try_from(ids)?)
        }
        CollaboratorIds::UserIds(ids) => EntityId::User(UserId::try_from(ids)?),
    })
}

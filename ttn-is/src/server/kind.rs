//! What differs between the kinds of entities.

use ttn_core::{auth::Right, id::EntityId};

use super::{audit::Audited, pictures::PictureOf};
use crate::{
    config::{Limits, UserRights},
    entity::{Searchable, Sortable},
    error::{AdminOnly, Error},
    event::{self, KindEvents},
    record::{AccountIds, Application, Client, Gateway, Organization, Picture, Record, Time, User},
    store::Table,
};

/// The rights and events of a kind of entity.
#[derive(Debug)]
pub(crate) struct Kind {
    pub(crate) all: Right,
    pub(crate) info: Right,
    pub(crate) settings: Right,
    pub(crate) delete: Right,
    /// None for OAuth clients: they have no keys.
    pub(crate) api_keys: Option<Right>,
    /// None for users.
    pub(crate) collaborators: Option<Right>,
    /// None for users: they register.
    pub(crate) creation: Option<Creation>,
    /// What is needed to list those of a user, and of an organization.
    pub(crate) list: Option<(Right, Option<Right>)>,
    pub(crate) purge: AdminOnly,
    /// How many there may be.
    pub(crate) limit: fn(&Limits) -> Option<u32>,
    pub(crate) events: &'static KindEvents,
}

/// Who creates entities of a kind.
#[derive(Debug)]
pub(crate) struct Creation {
    /// What a user needs to create one for himself.
    pub(crate) user: Right,
    /// What an organization needs; none if it cannot have any.
    pub(crate) organization: Option<Right>,
    /// Whether others than administrators may (IS-32).
    pub(crate) allowed: fn(&UserRights) -> bool,
    pub(crate) admins: AdminOnly,
}

/// Runs an expression with the record type of an entity's kind. A device has the kind of its application.
macro_rules! for_kind {
    ($entity:expr, $record:ident => $run:expr) => {
        match $entity {
            ttn_core::id::EntityId::Client(_) => {
                type $record = crate::record::Client;
                $run
            }
            ttn_core::id::EntityId::Gateway(_) => {
                type $record = crate::record::Gateway;
                $run
            }
            ttn_core::id::EntityId::Organization(_) => {
                type $record = crate::record::Organization;
                $run
            }
            ttn_core::id::EntityId::User(_) => {
                type $record = crate::record::User;
                $run
            }
            _ => {
                type $record = crate::record::Application;
                $run
            }
        }
    };
}
pub(crate) use for_kind;

impl Kind {
    /// The kind of an entity; `None` for devices: they have their application's rights.
    pub(crate) const fn of(entity: &EntityId) -> Option<&'static Self> {
        match entity {
            EntityId::Application(_) => Some(&APPLICATION),
            EntityId::Client(_) => Some(&CLIENT),
            EntityId::Gateway(_) => Some(&GATEWAY),
            EntityId::Organization(_) => Some(&ORGANIZATION),
            EntityId::User(_) => Some(&USER),
            _ => None,
        }
    }

    pub(crate) fn require(entity: &EntityId) -> Result<&'static Self, Error> {
        Self::of(entity).ok_or(Error::Unsupported { what: "this kind of entity" })
    }
}

static APPLICATION: Kind = Kind {
    all: Right::ApplicationAll,
    info: Right::ApplicationInfo,
    settings: Right::ApplicationSettingsBasic,
    delete: Right::ApplicationDelete,
    api_keys: Some(Right::ApplicationSettingsApiKeys),
    collaborators: Some(Right::ApplicationSettingsCollaborators),
    creation: Some(Creation {
        user: Right::UserApplicationsCreate,
        organization: Some(Right::OrganizationApplicationsCreate),
        allowed: |rights| rights.create_applications,
        admins: AdminOnly::CreateApplications,
    }),
    list: Some((Right::UserApplicationsList, Some(Right::OrganizationApplicationsList))),
    purge: AdminOnly::PurgeApplications,
    limit: |limits| limits.max_applications,
    events: &event::APPLICATION,
};

static CLIENT: Kind = Kind {
    all: Right::ClientAll,
    info: Right::ClientInfo,
    settings: Right::ClientSettingsBasic,
    delete: Right::ClientDelete,
    api_keys: None,
    collaborators: Some(Right::ClientSettingsCollaborators),
    creation: Some(Creation {
        user: Right::UserClientsCreate,
        organization: Some(Right::OrganizationClientsCreate),
        allowed: |rights| rights.create_clients,
        admins: AdminOnly::CreateClients,
    }),
    list: Some((Right::UserClientsList, Some(Right::OrganizationClientsList))),
    purge: AdminOnly::PurgeClients,
    limit: |limits| limits.max_clients,
    events: &event::CLIENT,
};

static GATEWAY: Kind = Kind {
    all: Right::GatewayAll,
    info: Right::GatewayInfo,
    settings: Right::GatewaySettingsBasic,
    delete: Right::GatewayDelete,
    api_keys: Some(Right::GatewaySettingsApiKeys),
    collaborators: Some(Right::GatewaySettingsCollaborators),
    creation: Some(Creation {
        user: Right::UserGatewaysCreate,
        organization: Some(Right::OrganizationGatewaysCreate),
        allowed: |rights| rights.create_gateways,
        admins: AdminOnly::CreateGateways,
    }),
    list: Some((Right::UserGatewaysList, Some(Right::OrganizationGatewaysList))),
    purge: AdminOnly::PurgeGateways,
    limit: |limits| limits.max_gateways,
    events: &event::GATEWAY,
};

static ORGANIZATION: Kind = Kind {
    all: Right::OrganizationAll,
    info: Right::OrganizationInfo,
    settings: Right::OrganizationSettingsBasic,
    delete: Right::OrganizationDelete,
    api_keys: Some(Right::OrganizationSettingsApiKeys),
    collaborators: Some(Right::OrganizationSettingsMembers),
    creation: Some(Creation {
        user: Right::UserOrganizationsCreate,
        organization: None,
        allowed: |rights| rights.create_organizations,
        admins: AdminOnly::CreateOrganizations,
    }),
    list: Some((Right::UserOrganizationsList, None)),
    purge: AdminOnly::PurgeOrganizations,
    limit: |limits| limits.max_organizations,
    events: &event::ORGANIZATION,
};

static USER: Kind = Kind {
    all: Right::UserAll,
    info: Right::UserInfo,
    settings: Right::UserSettingsBasic,
    delete: Right::UserDelete,
    api_keys: Some(Right::UserSettingsApiKeys),
    collaborators: None,
    creation: None,
    list: None,
    purge: AdminOnly::PurgeUsers,
    limit: |limits| limits.max_users,
    events: &event::USER,
};

/// Times and contacts that all entities have.
#[derive(Debug)]
pub(crate) struct Common<'a> {
    pub(crate) created_at: &'a mut Option<Time>,
    pub(crate) updated_at: &'a mut Option<Time>,
    pub(crate) deleted_at: &'a mut Option<Time>,
}

/// An entity with an id of its own.
pub(crate) trait Entity: Record + Clone + Audited + Searchable + Sortable {
    const KIND: &'static Kind;

    /// The entity; an error if its id is missing or malformed.
    fn entity(&self) -> Result<EntityId, Error>;

    fn common(&mut self) -> Common<'_>;

    fn deleted_at(&self) -> Option<Time>;

    /// The administrative and the technical contact.
    fn contacts(&mut self) -> Option<(&mut Option<AccountIds>, &mut Option<AccountIds>)>;

    /// The row that keeps a field unique among the living.
    fn unique(&self) -> Option<(Table, String)>;

    /// The row that keeps the id unique beyond the table, for ever.
    fn claim(&self) -> Option<(Table, String)> {
        None
    }

    /// What everybody may see who is known (IS-03).
    fn public(&self) -> Self;

    /// Fields that an update leaves alone.
    fn keep(&mut self, old: &Self);

    /// The picture of it, for those that have one.
    fn picture(&mut self) -> Option<(PictureOf, &mut Option<Picture>)> {
        None
    }
}

macro_rules! common {
    () => {
        fn common(&mut self) -> Common<'_> {
            Common {
                created_at: &mut self.created_at,
                updated_at: &mut self.updated_at,
                deleted_at: &mut self.deleted_at,
            }
        }

        fn deleted_at(&self) -> Option<Time> {
            self.deleted_at
        }
    };
}

macro_rules! contacts {
    () => {
        fn contacts(&mut self) -> Option<(&mut Option<AccountIds>, &mut Option<AccountIds>)> {
            Some((&mut self.administrative_contact, &mut self.technical_contact))
        }
    };
}

impl Entity for Application {
    const KIND: &'static Kind = &APPLICATION;

    common!();
    contacts!();

    fn entity(&self) -> Result<EntityId, Error> {
        Ok(EntityId::Application(self.id().parse()?))
    }

    fn unique(&self) -> Option<(Table, String)> {
        None
    }

    fn public(&self) -> Self {
        Self {
            ids: self.ids.clone(),
            created_at: self.created_at,
            updated_at: self.updated_at,
            deleted_at: self.deleted_at,
            administrative_contact: self.administrative_contact.clone(),
            technical_contact: self.technical_contact.clone(),
            ..Self::default()
        }
    }

    fn keep(&mut self, old: &Self) {
        self.ids.clone_from(&old.ids);
        self.dev_eui_counter = old.dev_eui_counter;
    }
}

impl Entity for Client {
    const KIND: &'static Kind = &CLIENT;

    common!();
    contacts!();

    fn entity(&self) -> Result<EntityId, Error> {
        Ok(EntityId::Client(self.id().parse()?))
    }

    fn unique(&self) -> Option<(Table, String)> {
        None
    }

    fn public(&self) -> Self {
        Self { attributes: Default::default(), state_description: String::new(), ..self.clone() }
    }

    fn keep(&mut self, old: &Self) {
        self.ids.clone_from(&old.ids);
    }
}

impl Entity for Organization {
    const KIND: &'static Kind = &ORGANIZATION;

    common!();
    contacts!();

    fn entity(&self) -> Result<EntityId, Error> {
        Ok(EntityId::Organization(self.id().parse()?))
    }

    fn unique(&self) -> Option<(Table, String)> {
        None
    }

    fn claim(&self) -> Option<(Table, String)> {
        Some((Table::Account, self.id().to_owned()))
    }

    fn public(&self) -> Self {
        Self {
            ids: self.ids.clone(),
            created_at: self.created_at,
            updated_at: self.updated_at,
            deleted_at: self.deleted_at,
            administrative_contact: self.administrative_contact.clone(),
            technical_contact: self.technical_contact.clone(),
            ..Self::default()
        }
    }

    fn keep(&mut self, old: &Self) {
        self.ids.clone_from(&old.ids);
    }
}

impl Entity for Gateway {
    const KIND: &'static Kind = &GATEWAY;

    common!();
    contacts!();

    fn entity(&self) -> Result<EntityId, Error> {
        let octets = self.ids.as_ref().map_or(0, |ids| ids.eui.len());
        if octets != 0 && octets != 8 {
            return Err(Error::InvalidField { field: "ids.eui", reason: "an EUI has 8 octets" });
        }
        Ok(EntityId::Gateway(self.id().parse()?))
    }

    fn unique(&self) -> Option<(Table, String)> {
        self.eui().map(|eui| (Table::GatewayOfEui, eui.to_string()))
    }

    fn public(&self) -> Self {
        Self {
            ids: self.ids.clone(),
            created_at: self.created_at,
            updated_at: self.updated_at,
            deleted_at: self.deleted_at,
            name: self.name.clone(),
            description: self.description.clone(),
            administrative_contact: self.administrative_contact.clone(),
            technical_contact: self.technical_contact.clone(),
            frequency_plan_id: self.frequency_plan_id.clone(),
            frequency_plan_ids: self.frequency_plan_ids.clone(),
            status_public: self.status_public,
            location_public: self.location_public,
            gateway_server_address: if self.status_public {
                self.gateway_server_address.clone()
            } else {
                String::new()
            },
            antennas: if self.location_public { self.antennas.clone() } else { Vec::new() },
            ..Self::default()
        }
    }

    fn keep(&mut self, old: &Self) {
        let eui = self.ids.take().map(|ids| ids.eui).unwrap_or_default();
        self.ids.clone_from(&old.ids);
        self.ids.get_or_insert_default().eui = eui;
    }
}

impl Entity for User {
    const KIND: &'static Kind = &USER;

    common!();

    fn entity(&self) -> Result<EntityId, Error> {
        Ok(EntityId::User(self.id().parse()?))
    }

    fn contacts(&mut self) -> Option<(&mut Option<AccountIds>, &mut Option<AccountIds>)> {
        None
    }

    fn picture(&mut self) -> Option<(PictureOf, &mut Option<Picture>)> {
        Some((PictureOf::USER, &mut self.profile_picture))
    }

    fn unique(&self) -> Option<(Table, String)> {
        self.email_key().map(|key| (Table::UserOfEmail, key))
    }

    fn claim(&self) -> Option<(Table, String)> {
        Some((Table::Account, self.id().to_owned()))
    }

    fn public(&self) -> Self {
        Self {
            ids: self.ids.clone(),
            created_at: self.created_at,
            updated_at: self.updated_at,
            deleted_at: self.deleted_at,
            ..Self::default()
        }
    }

    fn keep(&mut self, old: &Self) {
        self.ids.clone_from(&old.ids);
        self.password_hash.clone_from(&old.password_hash);
        self.password_updated_at = old.password_updated_at;
        self.temporary_password_hash.clone_from(&old.temporary_password_hash);
        self.temporary_password_created_at = old.temporary_password_created_at;
        self.temporary_password_expires_at = old.temporary_password_expires_at;
    }
}

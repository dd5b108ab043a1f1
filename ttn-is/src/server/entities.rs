//! Applications, OAuth clients, gateways, organizations and users alike: read, list, change, delete, restore, purge.

use ttn_core::{
    auth::Principal,
    eui::GatewayEui,
    id::{ApplicationId, ClientId, EntityId, GatewayId, OrganizationId},
    store::Page,
};

use super::{
    IdentityServer,
    kind::{Entity, Kind, for_kind},
};
use crate::{
    access::{is_full_admin, require_known},
    entity::{Account, Query, Search},
    error::Error,
    record::{Application, Client, Gateway, Organization},
    store::{IdentityStoreExt as _, Table},
};

macro_rules! readers {
    ($record:ident, $id:ty, $variant:ident, $get:ident, $get_public:ident, $list:ident, $search:ident) => {
        impl IdentityServer {
            /// Reads an entity; the caller needs the right to its information.
            ///
            /// # Errors
            ///
            /// The caller lacks the right, or it does not exist.
            pub async fn $get(&self, caller: &Principal, id: &$id) -> Result<$record, Error> {
                let entity = EntityId::$variant(id.clone());
                self.authorize(caller, &entity, &[<$record as Entity>::KIND.info]).await?;
                self.live(&entity).await.map(|found| found.value)
            }

            /// Reads what everybody may see who is known (IS-03).
            ///
            /// # Errors
            ///
            /// The caller is nobody, or it does not exist.
            pub async fn $get_public(
                &self,
                caller: &Principal,
                id: &$id,
            ) -> Result<$record, Error> {
                require_known(caller)?;
                let found = self.live::<$record>(&EntityId::$variant(id.clone())).await?;
                Ok(found.value.public())
            }

            /// Lists the entities of a collaborator; without one, everything that the caller is a member of, and for an
            /// administrator everything. Of those that the caller may not read, the public fields are given.
            ///
            /// # Errors
            ///
            /// The caller lacks the right to list them.
            pub async fn $list(
                &self,
                caller: &Principal,
                collaborator: Option<&Account>,
                query: &Query,
            ) -> Result<Page<$record>, Error> {
                self.list_entities(caller, collaborator, query).await
            }

            /// Searches what the caller is a member of, and for an administrator everything (IS-52). What the caller may
            /// not read is not found by it either.
            ///
            /// # Errors
            ///
            /// The caller lacks the right to list them, or acts for nobody who is a member of anything.
            pub async fn $search(
                &self,
                caller: &Principal,
                search: &Search,
                query: &Query,
            ) -> Result<Page<$record>, Error> {
                self.search_entities(caller, search, query).await
            }
        }
    };
}

macro_rules! writers {
    ($record:ident, $id:ty, $variant:ident, $create:ident, $update:ident) => {
        impl IdentityServer {
            /// Creates an entity. `collaborator` becomes its owner; the caller needs the right to create such entities
            /// for him.
            ///
            /// # Errors
            ///
            /// The caller lacks the right; only administrators create them here (IS-32); the id is malformed, reserved or
            /// taken; a unique field is taken.
            pub async fn $create(
                &self,
                caller: &Principal,
                record: $record,
                collaborator: &Account,
            ) -> Result<$record, Error> {
                self.create_entity(caller, record, collaborator).await
            }

            /// Changes an entity. `change` is pure, because it may run more than once; `fields` are named in the event.
            /// Identifiers and times are left alone.
            ///
            /// # Errors
            ///
            /// The caller lacks the right; it does not exist; a unique field is taken; `change` failed.
            pub async fn $update<F>(
                &self,
                caller: &Principal,
                id: &$id,
                fields: &[String],
                change: F,
            ) -> Result<$record, Error>
            where
                F: FnMut(&mut $record) -> Result<(), Error> + Send,
            {
                let entity = EntityId::$variant(id.clone());
                self.authorize(caller, &entity, &[<$record as Entity>::KIND.settings]).await?;
                self.update_entity(caller, &entity, fields, change).await
            }
        }
    };
}

readers!(
    Application,
    ApplicationId,
    Application,
    application,
    application_public,
    list_applications,
    search_applications
);
readers!(Client, ClientId, Client, client, client_public, list_clients, search_clients);
readers!(
    Gateway,
    GatewayId,
    Gateway,
    gateway_record,
    gateway_public,
    list_gateways,
    search_gateways
);
readers!(
    Organization,
    OrganizationId,
    Organization,
    organization,
    organization_public,
    list_organizations,
    search_organizations
);
writers!(Application, ApplicationId, Application, create_application, update_application);
writers!(Gateway, GatewayId, Gateway, create_gateway, update_gateway);
writers!(Organization, OrganizationId, Organization, create_organization, update_organization);

impl IdentityServer {
    /// Finds the id of a gateway by its EUI, for anybody who is known.
    ///
    /// # Errors
    ///
    /// The caller is nobody, or no gateway has this EUI.
    pub async fn gateway_id_for_eui(
        &self,
        caller: &Principal,
        eui: GatewayEui,
    ) -> Result<GatewayId, Error> {
        require_known(caller)?;
        let stored = self.store.text(Table::GatewayOfEui, &eui.to_string()).await?;
        let stored = stored.ok_or(Error::GatewayNotFoundByEui { eui })?;
        Ok(stored.value.parse()?)
    }

    /// Deletes an entity: it can be restored for a while. An application must have no devices (IS-07).
    ///
    /// # Errors
    ///
    /// The caller lacks the right, it does not exist, or it still has devices.
    pub async fn delete(&self, caller: &Principal, entity: &EntityId) -> Result<(), Error> {
        let kind = Kind::require(entity)?;
        self.authorize(caller, entity, &[kind.delete]).await?;
        if let EntityId::User(id) = entity {
            self.keep_an_admin(id).await?;
        }
        for_kind!(entity, E => self.delete_entity::<E>(caller, entity).await)
    }

    /// Restores an entity that was deleted (IS-16).
    ///
    /// # Errors
    ///
    /// The caller lacks the right to delete it, it was not deleted or too long ago, or a unique field is taken now.
    pub async fn restore(&self, caller: &Principal, entity: &EntityId) -> Result<(), Error> {
        let kind = Kind::require(entity)?;
        self.authorize(caller, entity, &[kind.delete]).await?;
        for_kind!(entity, E => self.restore_entity::<E>(caller, entity).await)
    }

    /// Removes an entity for good, with its API keys and memberships, and frees its id (IS-16). Administrators only.
    ///
    /// # Errors
    ///
    /// The caller is no administrator, it does not exist, or it still has devices.
    pub async fn purge(&self, caller: &Principal, entity: &EntityId) -> Result<(), Error> {
        let kind = Kind::require(entity)?;
        require_known(caller)?;
        if !is_full_admin(caller) {
            return Err(Error::AdminOnly { what: kind.purge });
        }
        self.authorize(caller, entity, &[kind.delete]).await?;
        for_kind!(entity, E => self.purge_entity::<E>(caller, entity).await)
    }
}

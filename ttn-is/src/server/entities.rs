//! Applications, gateways, organizations and users alike: create, read, list, update, delete, restore, purge.

use ttn_core::{
    auth::{Caller, Principal, Right, Rights},
    eui::GatewayEui,
    event::EventDefinition,
    id::{ApplicationId, EntityId, GatewayId, OrganizationId},
    store::{Page, Replaces, StoreError, Versioned},
    time::Timestamp,
};

use super::{
    IdentityServer, TRIES,
    kind::{Common, Entity, Kind},
};
use crate::{
    access::{is_full_admin, require_known},
    entity::{self, Account, Query, check_reserved, entity_key},
    error::Error,
    record::{
        AccountIds, Application, DeviceCount, Gateway, Membership, Organization, Record as _,
    },
    store::{IdentityStoreExt as _, Table, Transaction, WriteError},
};

macro_rules! public_methods {
    ($record:ident, $id:ty, $variant:ident, $create:ident, $get:ident, $get_public:ident, $list:ident, $update:ident) => {
        impl IdentityServer {
            /// Creates an entity. `collaborator` becomes its owner; the caller needs the right to create such entities
            /// for him.
            ///
            /// # Errors
            ///
            /// The caller lacks the right; the id is malformed, reserved or taken; a unique field is taken.
            pub async fn $create(
                &self,
                caller: &Principal,
                record: $record,
                collaborator: &Account,
            ) -> Result<$record, Error> {
                self.create_entity(caller, record, collaborator).await
            }

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

public_methods!(
    Application,
    ApplicationId,
    Application,
    create_application,
    application,
    application_public,
    list_applications,
    update_application
);
public_methods!(
    Gateway,
    GatewayId,
    Gateway,
    create_gateway,
    gateway_record,
    gateway_public,
    list_gateways,
    update_gateway
);
public_methods!(
    Organization,
    OrganizationId,
    Organization,
    create_organization,
    organization,
    organization_public,
    list_organizations,
    update_organization
);

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
        match entity {
            EntityId::Application(_) => self.delete_entity::<Application>(caller, entity).await,
            EntityId::Gateway(_) => self.delete_entity::<Gateway>(caller, entity).await,
            EntityId::Organization(_) => self.delete_entity::<Organization>(caller, entity).await,
            _ => self.delete_user(caller, entity).await,
        }
    }

    /// Restores an entity that was deleted (IS-16).
    ///
    /// # Errors
    ///
    /// The caller lacks the right to delete it, it was not deleted or too long ago, or a unique field is taken now.
    pub async fn restore(&self, caller: &Principal, entity: &EntityId) -> Result<(), Error> {
        let kind = Kind::require(entity)?;
        self.authorize(caller, entity, &[kind.delete]).await?;
        match entity {
            EntityId::Application(_) => self.restore_entity::<Application>(caller, entity).await,
            EntityId::Gateway(_) => self.restore_entity::<Gateway>(caller, entity).await,
            EntityId::Organization(_) => self.restore_entity::<Organization>(caller, entity).await,
            _ => self.restore_entity::<crate::record::User>(caller, entity).await,
        }
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
        match entity {
            EntityId::Application(_) => self.purge_entity::<Application>(caller, entity).await,
            EntityId::Gateway(_) => self.purge_entity::<Gateway>(caller, entity).await,
            EntityId::Organization(_) => self.purge_entity::<Organization>(caller, entity).await,
            _ => self.purge_entity::<crate::record::User>(caller, entity).await,
        }
    }

    async fn create_entity<E: Entity>(
        &self,
        caller: &Principal,
        mut record: E,
        collaborator: &Account,
    ) -> Result<E, Error> {
        require_known(caller)?;
        let (user, organization) = E::KIND.create.ok_or(Error::NestedOrganizations)?;
        let needs = match collaborator {
            Account::Organization(_) => organization.ok_or(Error::NestedOrganizations)?,
            Account::User(_) => user,
        };
        self.authorize(caller, &collaborator.entity(), &[needs]).await?;
        self.require_account(collaborator).await?;
        let entity = record.entity()?;
        check_reserved(&record.key())?;
        if let Some((administrative, technical)) = record.contacts() {
            for contact in [administrative, technical] {
                let ids = contact.get_or_insert_with(|| collaborator.to_ids());
                if Account::of_ids(ids).as_ref() != Some(collaborator) {
                    return Err(contact_error(ids));
                }
            }
        }
        let owner = Membership::new(&entity, collaborator, Rights::from_iter([ALL]));
        let transaction = put_membership(Transaction::new(), &owner);
        self.insert(&mut record, &entity, transaction).await?;
        self.publish(caller, &E::KIND.events.create, &entity, serde_json::Value::Null);
        Ok(record)
    }

    /// Writes a new record with what keeps its fields unique.
    pub(crate) async fn insert<E: Entity>(
        &self,
        record: &mut E,
        entity: &EntityId,
        transaction: Transaction,
    ) -> Result<(), Error> {
        let now = self.clock.utc().into();
        let Common { created_at, updated_at, deleted_at } = record.common();
        (*created_at, *updated_at, *deleted_at) = (Some(now), Some(now), None);
        let mut transaction = transaction.put(record, Replaces::Nothing);
        for (table, key) in record.claim().into_iter().chain(record.unique()) {
            let value = record.key().into_bytes();
            transaction = transaction.set(table, key, value, Replaces::Nothing);
        }
        let written = transaction.commit(&*self.store).await;
        self.forget(entity);
        match written {
            Ok(_) => Ok(()),
            Err(error) => Err(self.name_conflict(error).await),
        }
    }

    pub(crate) async fn update_entity<E, F>(
        &self,
        caller: &Principal,
        entity: &EntityId,
        fields: &[String],
        mut change: F,
    ) -> Result<E, Error>
    where
        E: Entity,
        F: FnMut(&mut E) -> Result<(), Error> + Send,
    {
        for _ in 0..TRIES {
            let old = self.live::<E>(entity).await?;
            let mut record = old.value.clone();
            change(&mut record)?;
            record.keep(&old.value);
            let mut before = old.value.clone();
            let was = before.common();
            let Common { created_at, updated_at, deleted_at } = record.common();
            *created_at = *was.created_at;
            *updated_at = Some(self.clock.utc().into());
            *deleted_at = None;
            record.entity()?;
            self.check_contacts(entity, &mut record, &mut before).await?;
            let mut transaction = Transaction::new().put(&record, Replaces::Revision(old.revision));
            if record.unique() != old.value.unique() {
                if let Some((table, key)) = old.value.unique() {
                    transaction = transaction.delete(table, key, Replaces::Any);
                }
                if let Some((table, key)) = record.unique() {
                    let value = record.key().into_bytes();
                    transaction = transaction.set(table, key, value, Replaces::Nothing);
                }
            }
            let written = transaction.commit(&*self.store).await;
            self.forget(entity);
            match written {
                Ok(_) => {
                    self.publish(caller, &E::KIND.events.update, entity, fields.into());
                    return Ok(record);
                }
                Err(error) if is_conflict_in(&error, E::TABLE) => {}
                Err(error) => return Err(self.name_conflict(error).await),
            }
        }
        Err(contention(entity))
    }

    pub(crate) async fn delete_entity<E: Entity>(
        &self,
        caller: &Principal,
        entity: &EntityId,
    ) -> Result<(), Error> {
        for _ in 0..TRIES {
            let Versioned { revision, value: mut record } = self.live::<E>(entity).await?;
            *record.common().deleted_at = Some(self.clock.utc().into());
            let mut transaction = Transaction::new().put(&record, Replaces::Revision(revision));
            if let Some((table, key)) = record.unique() {
                // Only deletion gives the EUI or the address free; the id stays taken (IS-10).
                transaction = transaction.delete(table, key, Replaces::Any);
            }
            if let EntityId::Application(id) = entity {
                transaction = self.without_devices(id, transaction).await?;
            }
            if self.finish(caller, transaction, entity, &E::KIND.events.delete).await? {
                return Ok(());
            }
        }
        Err(contention(entity))
    }

    async fn restore_entity<E: Entity>(
        &self,
        caller: &Principal,
        entity: &EntityId,
    ) -> Result<(), Error> {
        for _ in 0..TRIES {
            let stored = self.store.record::<E>(&entity.uid()).await?;
            let not_found = || Error::NotFound { entity: entity.clone() };
            let Versioned { revision, value: mut record } = stored.ok_or_else(not_found)?;
            let Some(deleted_at) = record.deleted_at() else { return Ok(()) };
            if self.clock.utc().since(Timestamp::from(deleted_at)) > self.config.restore_window {
                return Err(Error::RestoreWindowExpired { entity: entity.clone() });
            }
            *record.common().deleted_at = None;
            let mut transaction = Transaction::new().put(&record, Replaces::Revision(revision));
            if let Some((table, key)) = record.unique() {
                let value = record.key().into_bytes();
                transaction = transaction.set(table, key, value, Replaces::Nothing);
            }
            let written = transaction.commit(&*self.store).await;
            self.forget(entity);
            match written {
                Ok(_) => {
                    self.publish(caller, &E::KIND.events.restore, entity, serde_json::Value::Null);
                    return Ok(());
                }
                Err(error) if is_conflict_in(&error, E::TABLE) => {}
                Err(error) => return Err(self.name_conflict(error).await),
            }
        }
        Err(contention(entity))
    }

    async fn purge_entity<E: Entity>(
        &self,
        caller: &Principal,
        entity: &EntityId,
    ) -> Result<(), Error> {
        for _ in 0..TRIES {
            let stored = self.store.record::<E>(&entity.uid()).await?;
            let not_found = || Error::NotFound { entity: entity.clone() };
            let Versioned { revision, value: record } = stored.ok_or_else(not_found)?;
            let mut transaction =
                Transaction::new().delete(E::TABLE, record.key(), Replaces::Revision(revision));
            let lives = record.deleted_at().is_none();
            for (table, key) in record.claim().into_iter().chain(record.unique().filter(|_| lives))
            {
                transaction = transaction.delete(table, key, Replaces::Any);
            }
            if let EntityId::Application(id) = entity {
                transaction = self.without_devices(id, transaction).await?;
            }
            transaction = self.without_belongings(entity, transaction).await?;
            if self.finish(caller, transaction, entity, &E::KIND.events.purge).await? {
                return Ok(());
            }
        }
        Err(contention(entity))
    }

    /// Deletes the API keys and memberships of an entity.
    async fn without_belongings(
        &self,
        entity: &EntityId,
        mut transaction: Transaction,
    ) -> Result<Transaction, Error> {
        let prefix = format!("{}/", entity_key(entity));
        for (key, _) in self.store.texts(Table::ApiKeyOfEntity, &prefix).await? {
            if let Some((_, id)) = key.rsplit_once('/') {
                let id = id.to_owned();
                transaction = transaction.delete(Table::ApiKey, id, Replaces::Any);
            }
            transaction = transaction.delete(Table::ApiKeyOfEntity, key, Replaces::Any);
        }
        let mut memberships = self.store.records::<Membership>(&prefix).await?;
        for (key, _) in self.store.texts(Table::MembershipOfAccount, &prefix).await? {
            let entity = key.strip_prefix(&prefix).unwrap_or_default().to_owned();
            let account = prefix.trim_end_matches('/').to_owned();
            memberships.push(Membership { entity, account, rights: Vec::new() });
        }
        for membership in memberships {
            transaction = delete_membership(transaction, &membership, Replaces::Any);
        }
        Ok(transaction)
    }

    /// Adds to a transaction that an application has no devices, and gets none meanwhile.
    async fn without_devices(
        &self,
        id: &ApplicationId,
        transaction: Transaction,
    ) -> Result<Transaction, Error> {
        let count = self.store.record::<DeviceCount>(id.as_str()).await?;
        let (count, replaces) = count.map_or((0, Replaces::Nothing), |stored| {
            (stored.value.count, Replaces::Revision(stored.revision))
        });
        if count > 0 {
            return Err(Error::ApplicationHasDevices { id: id.to_string(), count });
        }
        Ok(transaction.check(Table::DeviceCount, id.to_string(), replaces))
    }

    /// Commits; false if somebody else was faster.
    async fn finish(
        &self,
        caller: &Principal,
        transaction: Transaction,
        entity: &EntityId,
        event: &'static EventDefinition,
    ) -> Result<bool, Error> {
        let written = transaction.commit(&*self.store).await;
        self.forget(entity);
        match written {
            Ok(_) => {
                self.publish(caller, event, entity, serde_json::Value::Null);
                Ok(true)
            }
            Err(WriteError::Conflict { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    async fn list_entities<E: Entity>(
        &self,
        caller: &Principal,
        collaborator: Option<&Account>,
        query: &Query,
    ) -> Result<Page<E>, Error> {
        require_known(caller)?;
        let own = match &caller.caller {
            Caller::ApiKey { entity: EntityId::User(id), .. } | Caller::User(id) => {
                Some(Account::User(id.clone()))
            }
            Caller::ApiKey { entity: EntityId::Organization(id), .. } => {
                Some(Account::Organization(id.clone()))
            }
            _ => None,
        };
        let everything = collaborator.is_none() && caller.universal.contains(E::KIND.info);
        let all = if everything {
            self.store.records::<E>("").await?
        } else {
            let Some(account) = collaborator.or(own.as_ref()) else {
                return Ok(Page { items: Vec::new(), total: 0 });
            };
            self.require_list::<E>(caller, account).await?;
            let mut keys = self.entities_of(account, &E::TABLE).await?;
            if collaborator.is_none() {
                for membership in self.organizations_of(account).await? {
                    if let Some(organization) = Account::of_key(&membership.entity) {
                        keys.extend(self.entities_of(&organization, &E::TABLE).await?);
                    }
                }
            }
            let mut all = Vec::new();
            for key in keys {
                all.extend(self.store.record::<E>(&key).await?.map(|found| found.value));
            }
            all
        };
        let mut all = all;
        all.retain(|record: &E| record.deleted_at().is_some() == query.deleted);
        let mut page = entity::page(all, query);
        if !everything {
            for record in &mut page.items {
                let rights = self.effective_rights(caller, &record.entity()?).await?;
                if !rights.contains(E::KIND.info) {
                    *record = record.public();
                }
            }
        }
        Ok(page)
    }

    async fn require_list<E: Entity>(
        &self,
        caller: &Principal,
        account: &Account,
    ) -> Result<(), Error> {
        let (user, organization) = E::KIND.list.ok_or(Error::NestedOrganizations)?;
        let needs = match account {
            Account::Organization(_) => organization.ok_or(Error::NestedOrganizations)?,
            Account::User(_) => user,
        };
        self.authorize(caller, &account.entity(), &[needs]).await?;
        Ok(())
    }

    /// The keys of the entities in `table` that an account is a direct member of.
    async fn entities_of(
        &self,
        account: &Account,
        table: &Table,
    ) -> Result<std::collections::BTreeSet<String>, StoreError> {
        let prefix = format!("{}/{}/", account.key(), table.name());
        let rows = self.store.texts(Table::MembershipOfAccount, &prefix).await?;
        Ok(rows
            .iter()
            .filter_map(|(key, _)| key.strip_prefix(&prefix))
            .map(str::to_owned)
            .collect())
    }

    /// The memberships of an account in organizations.
    pub(crate) async fn organizations_of(
        &self,
        account: &Account,
    ) -> Result<Vec<Membership>, StoreError> {
        let mut memberships = Vec::new();
        for id in self.entities_of(account, &Table::Organization).await? {
            let key = format!("organization/{id}/{}", account.key());
            memberships.extend(self.store.record(&key).await?.map(|found| found.value));
        }
        Ok(memberships)
    }

    /// Reads an entity that exists and is not deleted.
    pub(crate) async fn live<E: Entity>(&self, entity: &EntityId) -> Result<Versioned<E>, Error> {
        let stored = self.store.record::<E>(&entity.uid()).await?;
        let lives = stored.filter(|stored| stored.value.deleted_at().is_none());
        lives.ok_or_else(|| Error::NotFound { entity: entity.clone() })
    }

    pub(crate) async fn require_account(&self, account: &Account) -> Result<(), Error> {
        match account {
            Account::Organization(_) => {
                self.live::<Organization>(&account.entity()).await.map(drop)
            }
            Account::User(_) => self.live::<crate::record::User>(&account.entity()).await.map(drop),
        }
    }

    /// New contacts must be collaborators (IS-19).
    async fn check_contacts<E: Entity>(
        &self,
        entity: &EntityId,
        record: &mut E,
        before: &mut E,
    ) -> Result<(), Error> {
        let mut changed = Vec::new();
        if let (Some(new), Some(old)) = (record.contacts(), before.contacts()) {
            for (new, old) in [(new.0, old.0), (new.1, old.1)] {
                changed.extend(new.clone().filter(|_| *new != *old));
            }
        }
        for ids in changed {
            let Some(account) = Account::of_ids(&ids) else { return Err(contact_error(&ids)) };
            if self.membership_rights(entity, &account).await?.is_empty() {
                return Err(Error::ContactNoCollaborator { contact: account });
            }
        }
        Ok(())
    }

    /// Says what is taken when a write that claims something fails.
    pub(crate) async fn name_conflict(&self, error: WriteError) -> Error {
        let WriteError::Conflict { table, key, .. } = error else { return error.into() };
        match table {
            Table::GatewayOfEui => match self.eui_taken(&key).await {
                Ok(error) | Err(error) => error,
            },
            Table::UserOfEmail => Error::EmailTaken,
            _ => Error::IdTaken { id: key },
        }
    }

    async fn eui_taken(&self, key: &str) -> Result<Error, Error> {
        let reason = "an EUI has 16 hexadecimal digits";
        let eui = key.parse().map_err(|_| Error::InvalidField { field: "eui", reason })?;
        let id = self.store.text(Table::GatewayOfEui, key).await?;
        let gateway_id = id.map(|id| id.value).unwrap_or_default();
        let gateway = self.store.record::<Gateway>(&gateway_id).await?;
        let contact = gateway.and_then(|gateway| gateway.value.administrative_contact);
        let contact = contact.as_ref().and_then(Account::of_ids);
        let contact = contact.map(|contact| contact.id().to_owned()).unwrap_or_default();
        Ok(Error::GatewayEuiTaken { eui, gateway_id, contact })
    }

    /// Forgets what is cached of an entity, after every write of it.
    pub(crate) fn forget(&self, entity: &EntityId) {
        if let EntityId::Gateway(id) = entity {
            self.gateways.forget(id);
        }
    }
}

pub(crate) fn put_membership(transaction: Transaction, membership: &Membership) -> Transaction {
    let key = membership.key_of_account();
    transaction.put(membership, Replaces::Any).set(
        Table::MembershipOfAccount,
        key,
        Vec::new(),
        Replaces::Any,
    )
}

pub(crate) fn delete_membership(
    transaction: Transaction,
    membership: &Membership,
    replaces: Replaces,
) -> Transaction {
    let key = membership.key_of_account();
    transaction.delete(Table::Membership, membership.key(), replaces).delete(
        Table::MembershipOfAccount,
        key,
        Replaces::Any,
    )
}

pub(crate) fn contention(entity: &EntityId) -> Error {
    Error::Contention { what: entity_key(entity) }
}

pub(crate) fn is_conflict_in(error: &WriteError, of: Table) -> bool {
    matches!(error, WriteError::Conflict { table, .. } if *table == of)
}

fn contact_error(ids: &AccountIds) -> Error {
    match Account::of_ids(ids) {
        Some(contact) => Error::ContactNoCollaborator { contact },
        None => Error::InvalidField { field: "administrative_contact", reason: "names nobody" },
    }
}

/// What whoever creates something gets on it.
const ALL: Right = Right::All;

//! From creation to deletion and back, alike for every kind of entity.

use ttn_core::{
    auth::{Principal, Right, Rights},
    event::EventDefinition,
    id::EntityId,
    store::{Replaces, Versioned},
    time::Timestamp,
};

use super::{
    IdentityServer, TRIES,
    audit::Deed,
    contacts::NO_CONTACT,
    kind::{Common, Entity},
    purge::put_membership,
};
use crate::{
    access::{is_full_admin, require_known},
    audit::Action,
    entity::{Account, check_reserved, entity_key},
    error::Error,
    record::{Gateway, Membership},
    store::{IdentityStoreExt as _, Table, Transaction, WriteError},
};

impl IdentityServer {
    pub(crate) async fn create_entity<E: Entity>(
        &self,
        caller: &Principal,
        mut record: E,
        collaborator: &Account,
    ) -> Result<E, Error> {
        require_known(caller)?;
        let creation = E::KIND.creation.as_ref().ok_or(Error::NestedOrganizations)?;
        let needs = match collaborator {
            Account::Organization(_) => creation.organization.ok_or(Error::NestedOrganizations)?,
            Account::User(_) => creation.user,
        };
        self.authorize(caller, &collaborator.entity(), &[needs]).await?;
        if !(creation.allowed)(&self.config.user_rights) && !is_full_admin(caller) {
            return Err(Error::AdminOnly { what: creation.admins });
        }
        self.require_account(collaborator).await?;
        let entity = record.entity()?;
        check_reserved(&record.key())?;
        if let Some((administrative, technical)) = record.contacts() {
            for contact in [administrative, technical] {
                let ids = contact.get_or_insert_with(|| collaborator.to_ids());
                let account = Account::of_ids(ids).ok_or(NO_CONTACT)?;
                if account != *collaborator {
                    return Err(Error::ContactNoCollaborator { contact: account });
                }
            }
        }
        let _room = self.room_for::<E>().await?;
        let owner = Membership::new(&entity, collaborator, Rights::from_iter([ALL]));
        let transaction = put_membership(Transaction::new(), &owner);
        let deed = Deed::new(Action::EntityCreate, &entity).after(&record);
        let deed = deed.subject(collaborator.kind(), collaborator.id());
        let transaction = self.remember(transaction, caller, deed).await?;
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
            let mut checks = self.check_contacts(caller, entity, &mut record, &mut before).await?;
            if let (Some((of, new)), Some((_, old))) = (record.picture(), before.picture()) {
                checks = self.draw(checks, of, old.as_ref(), new).await?;
            }
            let mut transaction = checks.put(&record, Replaces::Revision(old.revision));
            let deed = Deed::new(Action::EntityUpdate, entity).before(&old.value).after(&record);
            transaction = self.remember(transaction, caller, deed).await?;
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
                    let fields = serde_json::Value::from(fields);
                    self.publish(caller, &E::KIND.events.update, entity, fields);
                    return Ok(record);
                }
                Err(error)
                    if is_conflict_in(&error, E::TABLE)
                        || is_conflict_in(&error, Table::Membership) => {}
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
            let deed = Deed::new(Action::EntityDelete, entity).before(&record);
            transaction = self.remember(transaction, caller, deed).await?;
            if self.finish(caller, transaction, entity, &E::KIND.events.delete).await? {
                return Ok(());
            }
        }
        Err(contention(entity))
    }

    pub(crate) async fn restore_entity<E: Entity>(
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
            let _room = self.room_for::<E>().await?;
            *record.common().deleted_at = None;
            let mut transaction = Transaction::new().put(&record, Replaces::Revision(revision));
            if let Some((table, key)) = record.unique() {
                let value = record.key().into_bytes();
                transaction = transaction.set(table, key, value, Replaces::Nothing);
            }
            let deed = Deed::new(Action::EntityRestore, entity).after(&record);
            let transaction = self.remember(transaction, caller, deed).await?;
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

    /// Commits; false if somebody else was faster.
    pub(crate) async fn finish(
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

pub(crate) fn contention(entity: &EntityId) -> Error {
    Error::Contention { what: entity_key(entity) }
}

pub(crate) fn is_conflict_in(error: &WriteError, of: Table) -> bool {
    matches!(error, WriteError::Conflict { table, .. } if *table == of)
}

/// What whoever creates something gets on it.
const ALL: Right = Right::All;

//! The end of an entity, with everything that is kept about it.

use ttn_core::{
    auth::Principal,
    id::{ApplicationId, EntityId, UserId},
    store::{Replaces, Versioned},
};

use super::{
    IdentityServer, TRIES, audit::Deed, kind::Entity, lifecycle::contention, oauth::without_grant,
    pictures::without_picture, sessions::without_session,
};
use crate::{
    audit::Action,
    entity::entity_key,
    error::Error,
    record::{Authorization, DeviceCount, EmailValidation, Membership, Notification, Record as _},
    store::{IdentityStoreExt as _, Table, Transaction},
};

impl IdentityServer {
    pub(crate) async fn purge_entity<E: Entity>(
        &self,
        caller: &Principal,
        entity: &EntityId,
    ) -> Result<(), Error> {
        for _ in 0..TRIES {
            let stored = self.store.record::<E>(&entity.uid()).await?;
            let not_found = || Error::NotFound { entity: entity.clone() };
            let Versioned { revision, value: mut record } = stored.ok_or_else(not_found)?;
            let mut transaction =
                Transaction::new().delete(E::TABLE, record.key(), Replaces::Revision(revision));
            if let Some((_, picture)) = record.picture() {
                transaction = without_picture(transaction, picture.as_ref());
            }
            let lives = record.deleted_at().is_none();
            for (table, key) in record.claim().into_iter().chain(record.unique().filter(|_| lives))
            {
                transaction = transaction.delete(table, key, Replaces::Any);
            }
            if let EntityId::Application(id) = entity {
                transaction = self.without_devices(id, transaction).await?;
            }
            transaction = self.without_belongings(entity, transaction).await?;
            let deed = Deed::new(Action::EntityPurge, entity).before(&record);
            transaction = self.remember(transaction, caller, deed).await?;
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
        if let EntityId::User(id) = entity {
            transaction = self.without_access(id, transaction).await?;
            let key = EmailValidation::key_of(id);
            transaction = transaction.delete(Table::EmailValidation, key, Replaces::Any);
            transaction = self.without_login_tokens(id, transaction).await?;
            for told in self.store.records::<Notification>(&format!("{id}/")).await? {
                transaction = transaction.delete(Table::Notification, told.key(), Replaces::Any);
            }
        }
        transaction = self.without_bookmarks(entity, transaction).await?;
        if let EntityId::Client(id) = entity {
            transaction = self.without_client(id, transaction).await?;
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

    /// Ends all sessions of a user, and takes back what he let OAuth clients do.
    pub(crate) async fn without_access(
        &self,
        id: &UserId,
        transaction: Transaction,
    ) -> Result<Transaction, Error> {
        let sessions = self.sessions_of(id).await?;
        let transaction = sessions.iter().fold(transaction, without_session);
        let prefix = format!("{id}/");
        let grants = self.grants_of(&prefix).await?;
        let transaction = grants.iter().fold(transaction, without_grant);
        let authorizations = self.store.records::<Authorization>(&prefix).await?;
        Ok(authorizations.iter().fold(transaction, |transaction, authorization| {
            transaction.delete(Table::Authorization, authorization.key(), Replaces::Any)
        }))
    }

    /// Adds to a transaction that an application has no devices, and gets none meanwhile.
    pub(crate) async fn without_devices(
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

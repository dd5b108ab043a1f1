//! What users keep at hand (IS-53).

use std::{cmp::Ordering, collections::BTreeSet};

use ttn_core::{
    auth::{Principal, Right},
    id::{EntityId, UserId},
    store::{Page, Replaces},
};

use super::IdentityServer;
use crate::{
    entity::{self, Query, Sortable, entity_key, entity_of_key},
    error::Error,
    record::{Bookmark, Record as _},
    store::{IdentityStoreExt as _, Scan, Table, Transaction},
};

impl IdentityServer {
    /// Makes a bookmark of a user. One that is there stays as it is.
    ///
    /// # Errors
    ///
    /// The caller lacks the right; the entity does not exist, or is a device that he may not read; the user has too many.
    pub async fn create_bookmark(
        &self,
        caller: &Principal,
        user: &UserId,
        entity: &EntityId,
    ) -> Result<Bookmark, Error> {
        self.authorize(caller, &EntityId::User(user.clone()), &[Right::UserSettingsBasic]).await?;
        match entity {
            EntityId::Device(key) => drop(self.device(caller, key).await?),
            entity => self.require_entity(entity).await?,
        }
        let mut bookmark = Bookmark::new(user, entity);
        if let Some(known) = self.store.record::<Bookmark>(&bookmark.key()).await? {
            return Ok(known.value);
        }
        let prefix = format!("{user}/");
        let limit = BOOKMARKS_MAX;
        let scan = Scan { table: Table::Bookmark, prefix, after: None, limit };
        if self.store.scan(&scan).await?.len() == limit {
            let reason = "cannot be kept: there are 1000 bookmarks; delete one";
            return Err(Error::InvalidField { field: "entity_ids", reason });
        }
        bookmark.created_at = Some(self.clock.utc().into());
        let of_entity = bookmark.key_of_entity();
        Transaction::new()
            .put(&bookmark, Replaces::Any)
            .set(Table::BookmarkOfEntity, of_entity, Vec::new(), Replaces::Any)
            .commit(&*self.store)
            .await?;
        Ok(bookmark)
    }

    /// Lists the bookmarks of a user: of entities that live, or with `query.deleted` of those that were deleted and can be
    /// restored. `kinds` are those of [`EntityId::kind`]; none: all.
    ///
    /// # Errors
    ///
    /// The caller lacks the right.
    pub async fn list_bookmarks(
        &self,
        caller: &Principal,
        user: &UserId,
        kinds: &[String],
        query: &Query,
    ) -> Result<Page<Bookmark>, Error> {
        self.authorize(caller, &EntityId::User(user.clone()), &[Right::UserInfo]).await?;
        let mut found = Vec::new();
        for bookmark in self.store.records::<Bookmark>(&format!("{user}/")).await? {
            let Some(entity) = entity_of_key(&bookmark.entity) else { continue };
            let wanted = kinds.is_empty() || kinds.iter().any(|kind| kind == entity.kind());
            if wanted && self.is_deleted(&entity).await? == query.deleted {
                found.push(bookmark);
            }
        }
        Ok(entity::page(found, query))
    }

    /// Deletes bookmarks of a user: all or none.
    ///
    /// # Errors
    ///
    /// The caller lacks the right, or the user has one of them not.
    pub async fn delete_bookmarks(
        &self,
        caller: &Principal,
        user: &UserId,
        entities: &[EntityId],
    ) -> Result<(), Error> {
        self.authorize(caller, &EntityId::User(user.clone()), &[Right::UserSettingsBasic]).await?;
        let mut keys = BTreeSet::new();
        for entity in entities {
            let key = Bookmark::new(user, entity).key();
            if self.store.record::<Bookmark>(&key).await?.is_none() {
                return Err(Error::BookmarkNotFound { entity: entity.clone() });
            }
            keys.insert(entity_key(entity));
        }
        let pairs = keys.into_iter().map(|entity| (user.to_string(), entity));
        without(Transaction::new(), pairs).commit(&*self.store).await?;
        Ok(())
    }

    /// Adds to a transaction that nobody has a bookmark of an entity, and a user none at all.
    pub(crate) async fn without_bookmarks(
        &self,
        entity: &EntityId,
        transaction: Transaction,
    ) -> Result<Transaction, Error> {
        let mut pairs = BTreeSet::new();
        let key = entity_key(entity);
        let prefix = format!("{key}/");
        for (row, _) in self.store.texts(Table::BookmarkOfEntity, &prefix).await? {
            let user = row.strip_prefix(&prefix).unwrap_or_default();
            pairs.insert((user.to_owned(), key.clone()));
        }
        if let EntityId::User(id) = entity {
            let own = self.store.records::<Bookmark>(&format!("{id}/")).await?;
            pairs.extend(own.into_iter().map(|own| (id.to_string(), own.entity)));
        }
        Ok(without(transaction, pairs))
    }

    async fn is_deleted(&self, entity: &EntityId) -> Result<bool, Error> {
        if let EntityId::Device(_) = entity {
            // With them go their bookmarks.
            return Ok(false);
        }
        match self.require_entity(entity).await {
            Ok(()) => Ok(false),
            Err(Error::NotFound { .. }) => Ok(true),
            Err(error) => Err(error),
        }
    }
}

/// Deletes the bookmarks of users of entities.
fn without(
    transaction: Transaction,
    pairs: impl IntoIterator<Item = (String, String)>,
) -> Transaction {
    pairs.into_iter().fold(transaction, |transaction, (user, entity)| {
        transaction.delete(Table::Bookmark, format!("{user}/{entity}"), Replaces::Any).delete(
            Table::BookmarkOfEntity,
            format!("{entity}/{user}"),
            Replaces::Any,
        )
    })
}

impl Sortable for Bookmark {
    fn compare(&self, other: &Self, field: &str) -> Ordering {
        let parts = |bookmark: &'_ Self| {
            let (kind, id) = bookmark.entity.split_once('/').unwrap_or_default();
            (kind.to_owned(), id.to_owned())
        };
        match field {
            "user_id" => self.user_id().cmp(other.user_id()),
            "entity_type" => parts(self).0.cmp(&parts(other).0),
            "entity_id" => parts(self).1.cmp(&parts(other).1),
            "created_at" => self.created_at.cmp(&other.created_at),
            _ => Ordering::Equal,
        }
    }
}

/// How many bookmarks a user has; one more is refused.
const BOOKMARKS_MAX: usize = 1000;

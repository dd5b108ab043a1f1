//! API keys of users, applications, gateways and organizations (IS-26).

use std::fmt;

use ttn_core::{
    auth::{AccessDenied, Principal, Right, Rights},
    id::EntityId,
    store::{Page, Replaces, Versioned},
    time::Timestamp,
};

use super::{IdentityServer, TRIES, entities::contention, kind::Kind};
use crate::{
    auth::{api_key, hash::API_KEY_ITERATIONS},
    entity::{self, Query, entity_key},
    error::Error,
    record::{ApiKey, Time, rights_to_numbers},
    rights,
    store::{IdentityStoreExt as _, Table, Transaction, WriteError},
};

/// A new API key with its token, which is given once. `Debug` hides the token.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Issued {
    /// The key.
    pub key: ApiKey,
    /// The token: `NNSXS.<id>.<secret>`.
    pub token: String,
}

impl fmt::Debug for Issued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issued").field("key", &self.key).finish_non_exhaustive()
    }
}

impl IdentityServer {
    /// Creates an API key. Nobody gives a key rights that he lacks on the entity.
    ///
    /// # Errors
    ///
    /// The caller lacks a right; there are no rights; it ends in the past; the entity does not exist.
    pub async fn create_api_key(
        &self,
        caller: &Principal,
        entity: &EntityId,
        name: &str,
        rights: Rights,
        expires_at: Option<Timestamp>,
    ) -> Result<Issued, Error> {
        let kind = Kind::require(entity)?;
        let has = self.authorize(caller, entity, &[kind.api_keys]).await?;
        require_covered(has, rights, entity)?;
        if rights.is_empty() {
            return Err(Error::InvalidField { field: "rights", reason: "a key needs a right" });
        }
        if expires_at.is_some_and(|end| end <= self.clock.utc()) {
            return Err(Error::InvalidField {
                field: "expires_at",
                reason: "must be in the future",
            });
        }
        self.require_entity(entity).await?;
        let issued = self.new_key(entity, name, rights, expires_at).await;
        put_key(Transaction::new(), &issued.key, Replaces::Nothing).commit(&*self.store).await?;
        self.publish(caller, &kind.events.key_create, entity, serde_json::Value::Null);
        Ok(issued)
    }

    /// Draws a key; nothing is stored.
    pub(crate) async fn new_key(
        &self,
        entity: &EntityId,
        name: &str,
        rights: Rights,
        expires_at: Option<Timestamp>,
    ) -> Issued {
        let (id, secret) = api_key::generate(&*self.entropy);
        let hash = self.hasher.hash(&secret, API_KEY_ITERATIONS, &*self.entropy).await;
        let token = api_key::token(&id, &secret);
        let now = Some(Time::from(self.clock.utc()));
        let key = ApiKey {
            id,
            name: name.to_owned(),
            rights: rights_to_numbers(rights),
            created_at: now,
            updated_at: now,
            expires_at: expires_at.map(Time::from),
            hash,
            entity: entity_key(entity),
        };
        Issued { key, token }
    }

    /// Lists the API keys of an entity, without secrets.
    ///
    /// # Errors
    ///
    /// The caller lacks the right.
    pub async fn list_api_keys(
        &self,
        caller: &Principal,
        entity: &EntityId,
        query: &Query,
    ) -> Result<Page<ApiKey>, Error> {
        self.authorize(caller, entity, &[Kind::require(entity)?.api_keys]).await?;
        let prefix = format!("{}/", entity_key(entity));
        let mut keys = Vec::new();
        for (key, _) in self.store.texts(Table::ApiKeyOfEntity, &prefix).await? {
            let id = key.strip_prefix(&prefix).unwrap_or_default();
            keys.extend(self.store.record::<ApiKey>(id).await?.map(|key| key.value));
        }
        Ok(entity::page(keys, query))
    }

    /// Reads an API key of an entity, without the secret.
    ///
    /// # Errors
    ///
    /// The caller lacks the right, or the entity has no such key.
    pub async fn api_key(
        &self,
        caller: &Principal,
        entity: &EntityId,
        id: &str,
    ) -> Result<ApiKey, Error> {
        self.authorize(caller, entity, &[Kind::require(entity)?.api_keys]).await?;
        Ok(self.key_of(entity, id).await?.value)
    }

    /// Changes name, rights and end of an API key. Rights that are taken away are gone at the next call. An update to
    /// no rights deletes the key.
    ///
    /// # Errors
    ///
    /// The caller lacks the right, or one that he would give or take; the entity has no such key.
    pub async fn update_api_key<F>(
        &self,
        caller: &Principal,
        entity: &EntityId,
        id: &str,
        mut change: F,
    ) -> Result<ApiKey, Error>
    where
        F: FnMut(&mut ApiKey) + Send,
    {
        let kind = Kind::require(entity)?;
        let has = self.authorize(caller, entity, &[kind.api_keys]).await?;
        for _ in 0..TRIES {
            let Versioned { revision, value: old } = self.key_of(entity, id).await?;
            let mut key = old.clone();
            change(&mut key);
            key.updated_at = Some(self.clock.utc().into());
            key.created_at = old.created_at;
            (key.id, key.hash, key.entity) = (old.id.clone(), old.hash.clone(), old.entity.clone());
            require_change(has, old.rights(), key.rights())?;
            if key.rights().is_empty() {
                self.delete_api_key(caller, entity, id).await?;
                return Ok(key);
            }
            let write = Transaction::new().put(&key, Replaces::Revision(revision));
            match write.commit(&*self.store).await {
                Ok(_) => {
                    self.publish(caller, &kind.events.key_update, entity, serde_json::Value::Null);
                    return Ok(key);
                }
                Err(WriteError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(contention(entity))
    }

    /// Deletes an API key. It is refused from the next call on.
    ///
    /// # Errors
    ///
    /// The caller lacks the right, or the entity has no such key.
    pub async fn delete_api_key(
        &self,
        caller: &Principal,
        entity: &EntityId,
        id: &str,
    ) -> Result<(), Error> {
        let kind = Kind::require(entity)?;
        self.authorize(caller, entity, &[kind.api_keys]).await?;
        let key = self.key_of(entity, id).await?.value;
        let of_entity = key.key_of_entity();
        Transaction::new()
            .delete(Table::ApiKey, key.id, Replaces::Any)
            .delete(Table::ApiKeyOfEntity, of_entity, Replaces::Any)
            .commit(&*self.store)
            .await?;
        self.publish(caller, &kind.events.key_delete, entity, serde_json::Value::Null);
        Ok(())
    }

    async fn key_of(&self, entity: &EntityId, id: &str) -> Result<Versioned<ApiKey>, Error> {
        let key = self.store.record::<ApiKey>(id).await?;
        let key = key.filter(|key| key.value.entity == entity_key(entity));
        key.ok_or_else(|| Error::ApiKeyNotFound { entity: entity.clone(), id: id.to_owned() })
    }

    /// Reads the key that a caller presented, for `AuthInfo`.
    #[cfg(feature = "grpc")]
    pub(crate) async fn presented_key(&self, id: &str) -> Result<ApiKey, Error> {
        let key = self.store.record::<ApiKey>(id).await?;
        key.map(|key| key.value).ok_or(Error::ApiKeyUnknown)
    }
}

pub(crate) fn put_key(transaction: Transaction, key: &ApiKey, replaces: Replaces) -> Transaction {
    transaction.put(key, replaces).set(
        Table::ApiKeyOfEntity,
        key.key_of_entity(),
        Vec::new(),
        replaces,
    )
}

fn require_covered(has: Rights, wanted: Rights, entity: &EntityId) -> Result<(), Error> {
    let wanted: Vec<Right> = wanted.implied().iter().collect();
    Ok(AccessDenied::check(has, &wanted, entity)?)
}

/// Refuses changes of rights that the caller lacks himself.
pub(crate) fn require_change(has: Rights, old: Rights, new: Rights) -> Result<(), Error> {
    let missing = rights::missing_for_change(has, old, new);
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = missing.iter().map(Right::name).collect();
    Err(Error::InsufficientRights { missing: names.join(",") })
}

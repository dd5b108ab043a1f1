//! API keys of users, applications, gateways and organizations (IS-26).

use std::{fmt, time::Duration};

use ttn_core::{
    auth::{AccessDenied, Principal, Right, Rights},
    id::EntityId,
    store::{Page, Replaces, Versioned},
    time::Timestamp,
};

use super::{
    IdentityServer, TRIES, audit::Deed, kind::Kind, lifecycle::contention, notifications::Told,
};
use crate::{
    audit::Action,
    auth::{
        api_key::{self, TokenKind},
        hash::API_KEY_ITERATIONS,
    },
    entity::{self, Query, entity_key},
    error::Error,
    event::KeyEvents,
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
        let (right, events) = keys_of(entity)?;
        let has = self.authorize(caller, entity, &[right]).await?;
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
        let write = put_key(Transaction::new(), &issued.key, Replaces::Nothing);
        let deed = deed(Action::ApiKeyCreate, entity, &issued.key.id).after(&issued.key);
        self.remember(write, caller, deed).await?.commit(&*self.store).await?;
        self.publish(caller, &events.create, entity, serde_json::Value::Null);
        self.tell(caller, Told::api_key(entity, right, &issued.key, true)).await;
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
        let token = TokenKind::ApiKey.token(&id, &secret);
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
            ..ApiKey::default()
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
        self.authorize(caller, entity, &[keys_of(entity)?.0]).await?;
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
        self.authorize(caller, entity, &[keys_of(entity)?.0]).await?;
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
        let (right, events) = keys_of(entity)?;
        let has = self.authorize(caller, entity, &[right]).await?;
        for _ in 0..TRIES {
            let Versioned { revision, value: old } = self.key_of(entity, id).await?;
            let mut key = old.clone();
            change(&mut key);
            key.updated_at = Some(self.clock.utc().into());
            let ApiKey { name, rights, expires_at, updated_at, .. } = key;
            let key = ApiKey { name, rights, expires_at, updated_at, ..old.clone() };
            require_change(has, old.rights(), key.rights())?;
            if key.rights().is_empty() {
                self.delete_api_key(caller, entity, id).await?;
                return Ok(key);
            }
            let write = Transaction::new().put(&key, Replaces::Revision(revision));
            let deed = deed(Action::ApiKeyUpdate, entity, id).before(&old).after(&key);
            match self.remember(write, caller, deed).await?.commit(&*self.store).await {
                Ok(_) => {
                    self.publish(caller, &events.update, entity, serde_json::Value::Null);
                    self.tell(caller, Told::api_key(entity, right, &key, false)).await;
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
        let (right, events) = keys_of(entity)?;
        self.authorize(caller, entity, &[right]).await?;
        let key = self.key_of(entity, id).await?.value;
        let of_entity = key.key_of_entity();
        let deed = deed(Action::ApiKeyDelete, entity, id).before(&key);
        let write = Transaction::new().delete(Table::ApiKey, key.id, Replaces::Any).delete(
            Table::ApiKeyOfEntity,
            of_entity,
            Replaces::Any,
        );
        self.remember(write, caller, deed).await?.commit(&*self.store).await?;
        self.publish(caller, &events.delete, entity, serde_json::Value::Null);
        Ok(())
    }

    /// Gives an API key a new secret under its old id. The old secret is accepted for `overlap` longer, so that those who
    /// use it can change over; a secret from before that one ends now.
    ///
    /// # Errors
    ///
    /// The caller lacks the right, or one that the key has; the entity has no such key; the overlap is too long.
    pub async fn rotate_api_key(
        &self,
        caller: &Principal,
        entity: &EntityId,
        id: &str,
        overlap: Duration,
    ) -> Result<Issued, Error> {
        let (right, events) = keys_of(entity)?;
        let has = self.authorize(caller, entity, &[right]).await?;
        if overlap > OVERLAP_MAX {
            return Err(Error::InvalidField { field: "overlap", reason: "is longer than 30 days" });
        }
        for _ in 0..TRIES {
            let Versioned { revision, value: old } = self.key_of(entity, id).await?;
            require_covered(has, old.rights(), entity)?;
            let (_, secret) = api_key::generate(&*self.entropy);
            let now = self.clock.utc();
            let key = ApiKey {
                hash: self.hasher.hash(&secret, API_KEY_ITERATIONS, &*self.entropy).await,
                updated_at: Some(now.into()),
                previous_until: Some(now.plus(overlap).into()),
                previous_hash: old.hash.clone(),
                ..old.clone()
            };
            let write = Transaction::new().put(&key, Replaces::Revision(revision));
            let deed = deed(Action::ApiKeyRotate, entity, id).before(&old).after(&key);
            match self.remember(write, caller, deed).await?.commit(&*self.store).await {
                Ok(_) => {
                    self.publish(caller, &events.update, entity, serde_json::Value::Null);
                    self.tell(caller, Told::api_key(entity, right, &key, false)).await;
                    let token = TokenKind::ApiKey.token(&key.id, &secret);
                    return Ok(Issued { key, token });
                }
                Err(WriteError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(contention(entity))
    }

    /// Refuses a secret that is not the key's, and keys that have ended.
    pub(crate) async fn check_key(&self, key: &ApiKey, secret: &str) -> Result<(), Error> {
        let now = self.clock.utc();
        let ends = |at: Option<Time>| at.is_some_and(|end| Timestamp::from(end) <= now);
        if !self.hasher.verify(secret, &key.hash, &*self.clock).await {
            let previous = !key.previous_hash.is_empty() && !ends(key.previous_until);
            if !previous || !self.hasher.verify(secret, &key.previous_hash, &*self.clock).await {
                return Err(Error::ApiKeyUnknown);
            }
        }
        if ends(key.expires_at) {
            return Err(Error::ApiKeyExpired { id: key.id.clone() });
        }
        Ok(())
    }

    /// Notes when a key is used, at most once an hour.
    pub(crate) async fn note_use(&self, stored: Versioned<ApiKey>) -> Result<ApiKey, Error> {
        let Versioned { revision, value: mut key } = stored;
        let now = self.clock.utc();
        let known = key.last_used_at.map(Timestamp::from);
        if known.is_some_and(|at| now.since(at) < USE_NOTED_EVERY) {
            return Ok(key);
        }
        key.last_used_at = Some(now.into());
        let write = Transaction::new().put(&key, Replaces::Revision(revision));
        match write.commit(&*self.store).await {
            // Somebody else changed the key meanwhile: the next use is noted.
            Ok(_) | Err(WriteError::Conflict { .. }) => Ok(key),
            Err(error) => Err(error.into()),
        }
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

/// What it takes to see the API keys of an entity, and their events.
fn keys_of(entity: &EntityId) -> Result<(Right, &'static KeyEvents), Error> {
    let kind = Kind::require(entity)?;
    let unsupported = Error::Unsupported { what: "API keys of this kind of entity" };
    kind.api_keys.zip(kind.events.keys.as_ref()).ok_or(unsupported)
}

fn deed(action: Action, entity: &EntityId, id: &str) -> Deed {
    Deed::new(action, entity).subject("api_key", id)
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

/// The longest time that the secret of before a rotation is accepted.
const OVERLAP_MAX: Duration = Duration::from_secs(30 * 24 * 3600);
/// A use is written down when the last one that was is older.
const USE_NOTED_EVERY: Duration = Duration::from_secs(3600);

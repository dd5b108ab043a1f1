//! Removing what has ended (IS-59): sessions, tokens, invitations, and what was deleted too long ago to be restored.

use std::fmt;

use ttn_core::{auth::Principal, id::EntityId, store::Replaces, time::Timestamp};

use super::{
    IdentityServer,
    kind::Entity,
    oauth::{is_over, without_grant},
    sessions::without_session,
};
use crate::{
    access::{is_full_admin, require_known},
    entity::entity_key,
    error::{AdminOnly, Error},
    record::{
        Application, Client, EmailValidation, Gateway, Grant, Invitation, LoginToken, Organization,
        Record, Session, Time, User, is_past,
    },
    store::{IdentityStoreExt as _, Transaction},
};

/// What [`IdentityServer::clean_up`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cleanup {
    /// Logins that have ended.
    pub sessions: usize,
    /// Codes and tokens of OAuth clients that have ended.
    pub grants: usize,
    /// Tokens to log in with and questions for addresses that have ended or were used.
    pub tokens: usize,
    /// Invitations that have ended and that nobody accepted.
    pub invitations: usize,
    /// What was deleted too long ago to be restored, as `kind/id`.
    pub entities: Vec<String>,
}

impl fmt::Display for Cleanup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sessions, grants, tokens, invitations, entities } = self;
        write!(
            f,
            "{sessions} sessions, {grants} grants of OAuth clients, {tokens} tokens, {invitations} invitations, \
             {} deleted entities",
            entities.len(),
        )
    }
}

impl IdentityServer {
    /// Removes what has ended, and purges what was deleted too long ago to be restored, which frees its id. With
    /// `look_only`, nothing is removed. May be dropped halfway: what is left is found again.
    ///
    /// # Errors
    ///
    /// The caller is no administrator, or the store failed.
    pub async fn clean_up(&self, caller: &Principal, look_only: bool) -> Result<Cleanup, Error> {
        require_known(caller)?;
        if !is_full_admin(caller) {
            return Err(Error::AdminOnly { what: AdminOnly::CleanUp });
        }
        let now = self.clock.utc();
        let mut found = Cleanup {
            sessions: self
                .remove(look_only, |it: &Session| is_past(it.expires_at, now), without_session)
                .await?,
            grants: self.remove(look_only, |it: &Grant| is_over(it, now), without_grant).await?,
            ..Cleanup::default()
        };
        let validation = |it: &EmailValidation| it.used || is_past(it.expires_at, now);
        let login = |it: &LoginToken| it.used || is_past(it.expires_at, now);
        found.tokens = self.remove(look_only, validation, without).await?
            + self.remove(look_only, login, without).await?;
        let invitation = |it: &Invitation| it.accepted_at.is_none() && is_past(it.expires_at, now);
        found.invitations = self.remove(look_only, invitation, without).await?;
        let mut deleted = self.deleted::<Application>(now).await?;
        deleted.extend(self.deleted::<Client>(now).await?);
        deleted.extend(self.deleted::<Gateway>(now).await?);
        deleted.extend(self.deleted::<Organization>(now).await?);
        deleted.extend(self.deleted::<User>(now).await?);
        for entity in &deleted {
            if !look_only {
                self.purge(caller, entity).await?;
            }
        }
        found.entities = deleted.iter().map(entity_key).collect();
        Ok(found)
    }

    /// Removes the records that have ended, a few at a time; gives how many.
    async fn remove<R: Record>(
        &self,
        look_only: bool,
        has_ended: impl Fn(&R) -> bool,
        without: impl Fn(Transaction, &R) -> Transaction,
    ) -> Result<usize, Error> {
        let mut ended = self.store.records::<R>("").await?;
        ended.retain(has_ended);
        if !look_only {
            for some in ended.chunks(REMOVED_AT_ONCE) {
                let write = some.iter().fold(Transaction::new(), &without);
                write.commit(&*self.store).await?;
            }
        }
        Ok(ended.len())
    }

    /// The entities of a kind that can be restored no more.
    async fn deleted<E: Entity>(&self, now: Timestamp) -> Result<Vec<EntityId>, Error> {
        let is_over = |at: Time| now.since(Timestamp::from(at)) > self.config.restore_window;
        let records = self.store.records::<E>("").await?;
        let over = records.iter().filter(|record| record.deleted_at().is_some_and(is_over));
        over.map(Entity::entity).collect()
    }
}

fn without<R: Record>(transaction: Transaction, record: &R) -> Transaction {
    transaction.delete(R::TABLE, record.key(), Replaces::Any)
}

/// How many records one write removes.
const REMOVED_AT_ONCE: usize = 500;

//! Links by mail that log in once (IS-38).

use std::sync::Arc;

use ttn_core::{
    auth::Principal,
    event::EventCaller,
    id::{EntityId, UserId},
    store::{Replaces, Versioned},
};

use super::{
    IdentityServer, OpenSession, audit::Deed, passwords::require_login_state,
    sessions::user_principal,
};
use crate::{
    access::is_full_admin,
    audit::Action,
    auth::{LoginError, api_key, hash::API_KEY_ITERATIONS},
    email::Letter,
    error::Error,
    record::{LoginToken, Record as _, is_past},
    store::{IdentityStoreExt as _, Table, Transaction, WriteError},
};

impl IdentityServer {
    /// Mails a link to a user that logs him in once. Anybody may ask; who does not exist is answered the same. An
    /// administrator gets the token of a user who is none himself, and may do without the mail.
    ///
    /// # Errors
    ///
    /// Login tokens are switched off; the user has as many as he may have; there were too many attempts.
    pub async fn create_login_token(
        &self,
        caller: &Principal,
        id: &UserId,
        skip_email: bool,
    ) -> Result<Option<String>, Error> {
        self.require_login_tokens()?;
        let is_admin = is_full_admin(caller);
        if !is_admin {
            self.limit_guesses(id.as_str(), caller.call.as_deref()).await?;
        }
        let user = self.live_user(id).await?;
        let entity = EntityId::User(id.clone());
        if is_admin && user.is_none() {
            return Err(Error::NotFound { entity });
        }
        let now = self.clock.utc();
        let known = self.store.records::<LoginToken>(&format!("{id}/")).await?;
        let (ended, live): (Vec<_>, Vec<_>) =
            known.into_iter().partition(|token| token.used || is_past(token.expires_at, now));
        let has_room = live.len() < LOGIN_TOKENS_MAX;
        if is_admin && !has_room {
            return Err(LoginError::LoginTokensStillValid.into());
        }
        let (token_id, secret) = api_key::generate(&*self.entropy);
        let ttl = self.config.login.login_token_ttl;
        let record = LoginToken {
            user_ids: Some(id.into()),
            created_at: Some(now.into()),
            updated_at: Some(now.into()),
            expires_at: Some(now.plus(ttl).into()),
            used: false,
            secret_hash: self.hasher.hash(&secret, API_KEY_ITERATIONS, &*self.entropy).await,
            id: token_id,
        };
        // A stranger learns neither who exists nor who asked before him, also not by the time.
        let user = user.filter(|_| has_room);
        let write = match user {
            // Those that have ended say so for as long as no new one is asked for.
            Some(_) => ended
                .iter()
                .fold(Transaction::new(), |write, token| {
                    write.delete(Table::LoginToken, token.key(), Replaces::Any)
                })
                .put(&record, Replaces::Nothing),
            None => Transaction::idle(),
        };
        let deed = Deed::new(Action::LoginTokenCreate, &entity).subject("login_token", &record.id);
        self.remember(write, caller, deed).await?.commit(&*self.store).await?;
        let Some(user) = user else { return Ok(None) };
        let token = format!("{id}.{}.{secret}", record.id);
        if !(is_admin && skip_email) {
            let letter = Letter::LoginToken { token: &token, minutes: ttl.as_secs() / 60 };
            self.write_to(&user, &letter).await;
        }
        Ok(Some(token).filter(|_| is_admin && !user.admin))
    }

    /// Opens a session by a login token, which works once.
    ///
    /// # Errors
    ///
    /// Login tokens are switched off; it is not known, has ended or was used; the state of the user does not allow it;
    /// there were too many attempts from the address.
    pub async fn open_session_by_token(
        &self,
        token: &str,
        call: Arc<EventCaller>,
    ) -> Result<OpenSession, Error> {
        self.require_login_tokens()?;
        self.limit("address", &call.remote_ip).await?;
        let Versioned { revision, value: mut record } = self.login_token(token).await?;
        if record.used {
            return Err(LoginError::LoginTokenUsed.into());
        }
        let now = self.clock.utc();
        if is_past(record.expires_at, now) {
            return Err(LoginError::LoginTokenExpired.into());
        }
        let id: UserId = record.user_ids.as_ref().map_or("", |ids| &ids.user_id).parse()?;
        let user = self.live_user(&id).await?.ok_or(LoginError::LoginTokenNotFound)?;
        require_login_state(&user)?;
        (record.used, record.updated_at) = (true, Some(now.into()));
        let write = Transaction::new().put(&record, Replaces::Revision(revision));
        match write.commit(&*self.store).await {
            Ok(_) => {}
            Err(WriteError::Conflict { .. }) => return Err(LoginError::LoginTokenUsed.into()),
            Err(error) => return Err(error.into()),
        }
        let caller = Principal { call: Some(call), ..user_principal(&id) };
        self.new_session(&caller, &id).await
    }

    async fn login_token(&self, token: &str) -> Result<Versioned<LoginToken>, Error> {
        let not_found = || Error::from(LoginError::LoginTokenNotFound);
        let mut parts = token.splitn(3, '.');
        let [Some(user), Some(id), Some(secret)] = [parts.next(), parts.next(), parts.next()]
        else {
            return Err(not_found());
        };
        let user: UserId = user.parse().map_err(|_| not_found())?;
        if id.len() > TOKEN_PART_LENGTH_MAX || secret.len() > TOKEN_PART_LENGTH_MAX {
            return Err(not_found());
        }
        let stored = self.store.record::<LoginToken>(&format!("{user}/{id}")).await?;
        let stored = stored.ok_or_else(not_found)?;
        let fits = self.hasher.verify(secret, &stored.value.secret_hash, &*self.clock).await;
        if fits { Ok(stored) } else { Err(not_found()) }
    }

    /// Fails if login tokens are switched off.
    pub(crate) fn require_login_tokens(&self) -> Result<(), Error> {
        if self.config.login.login_tokens {
            return Ok(());
        }
        Err(LoginError::LoginTokensDisabled.into())
    }

    /// Adds to a transaction that a user has no login tokens.
    pub(crate) async fn without_login_tokens(
        &self,
        id: &UserId,
        transaction: Transaction,
    ) -> Result<Transaction, Error> {
        let tokens = self.store.records::<LoginToken>(&format!("{id}/")).await?;
        Ok(tokens.iter().fold(transaction, |write, token| {
            write.delete(Table::LoginToken, token.key(), Replaces::Any)
        }))
    }
}

/// How many login tokens a user has that can still be used.
const LOGIN_TOKENS_MAX: usize = 5;
/// The longest part of a token that is looked up or hashed.
const TOKEN_PART_LENGTH_MAX: usize = 128;

//! Logins by password (IS-41, IS-42).

use std::{fmt, sync::Arc};

use ttn_core::{
    auth::{Caller, Principal, Right},
    event::EventCaller,
    id::{EntityId, UserId},
    limit::{LimitProfile, RateLimiter as _},
    store::{Page, Replaces},
};

use super::{
    IdentityServer,
    audit::Deed,
    passwords::{nobody, user_key},
};
use crate::{
    audit::Action,
    auth::{
        LoginError,
        api_key::{self, TokenKind},
        hash::API_KEY_ITERATIONS,
    },
    entity::{self, Query},
    error::Error,
    event,
    record::{Session, Time, is_past},
    store::{IdentityStoreExt as _, Table, Transaction},
};

/// A new session with its token, which is given once. `Debug` hides the token.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpenSession {
    /// The session.
    pub session: Session,
    /// The token: `ONZW4.<id>.<secret>`.
    pub token: String,
}

impl fmt::Debug for OpenSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenSession").field("session", &self.session).finish_non_exhaustive()
    }
}

/// A record that a caller presented the token of.
#[cfg(feature = "grpc")]
pub(crate) enum Presented {
    AccessToken(crate::record::Grant),
    ApiKey(crate::record::ApiKey),
    Session(Session),
}

impl IdentityServer {
    /// Logs a user in by his id or e-mail address and his password.
    ///
    /// # Errors
    ///
    /// They do not fit, or his state does not allow it; there were too many attempts for the account or from the address.
    pub async fn open_session(
        &self,
        user: &str,
        password: &str,
        call: Option<Arc<EventCaller>>,
    ) -> Result<OpenSession, Error> {
        self.limit_guesses(user, call.as_deref()).await?;
        let id = self.named(user).await?;
        let found = match &id {
            Some(id) => self.live_user(id).await?,
            None => None,
        };
        let checked = self.check_login(found.as_ref(), password).await;
        let caller = |id: &UserId| Principal { call: call.clone(), ..user_principal(id) };
        let error = match (checked, id, found) {
            (Ok(()), Some(id), Some(_)) => return self.new_session(&caller(&id), &id).await,
            (Err(error), Some(id), Some(_)) => {
                let entity = EntityId::User(id.clone());
                let event = &event::ACCOUNT_LOGIN_FAILED;
                self.publish(&caller(&id), event, &entity, serde_json::Value::Null);
                self.fail_login(id.as_str(), call).await?;
                return Err(error);
            }
            (Err(error), ..) => error,
            (Ok(()), ..) => LoginError::NoPasswordMatch.into(),
        };
        self.fail_login(user, call).await?;
        Err(error)
    }

    /// Remembers that somebody failed to log in as whom this names, who need not exist: the time does not tell.
    pub(crate) async fn fail_login(
        &self,
        user: &str,
        call: Option<Arc<EventCaller>>,
    ) -> Result<(), Error> {
        self.remember_alone(&nobody(call), Deed::on(Action::LoginFailed, user_key(user))).await
    }

    /// Whom an id or an e-mail address names.
    pub(crate) async fn named(&self, user: &str) -> Result<Option<UserId>, Error> {
        if user.contains('@') { self.user_id_by_email(user).await } else { Ok(user.parse().ok()) }
    }

    /// Opens a session for a user who has proven who he is.
    pub(crate) async fn new_session(
        &self,
        caller: &Principal,
        id: &UserId,
    ) -> Result<OpenSession, Error> {
        let (session_id, secret) = api_key::generate(&*self.entropy);
        let now = self.clock.utc();
        let session = Session {
            user_ids: Some(id.into()),
            session_id,
            created_at: Some(now.into()),
            updated_at: Some(now.into()),
            expires_at: Some(now.plus(self.config.login.session_ttl).into()),
            secret_hash: self.hasher.hash(&secret, API_KEY_ITERATIONS, &*self.entropy).await,
        };
        let mut transaction = self.without_old_sessions(id).await?;
        transaction = transaction.put(&session, Replaces::Nothing).set(
            Table::SessionOfUser,
            session.key_of_user(),
            Vec::new(),
            Replaces::Nothing,
        );
        let entity = EntityId::User(id.clone());
        let deed = Deed::new(Action::LoginSucceeded, &entity).after(&session);
        let deed = deed.subject("session", &session.session_id);
        self.remember(transaction, caller, deed).await?.commit(&*self.store).await?;
        self.publish(caller, &event::OAUTH_USER_LOGIN, &entity, serde_json::Value::Null);
        let token = TokenKind::Session.token(&session.session_id, &secret);
        Ok(OpenSession { session, token })
    }

    /// Finds the session of a token's parts.
    ///
    /// # Errors
    ///
    /// There is none, its secret is another one, or it has ended.
    pub(crate) async fn session_of(&self, id: &str, secret: &str) -> Result<Session, Error> {
        let stored = self.store.record::<Session>(id).await?;
        let session = stored.ok_or(LoginError::SessionEnded)?.value;
        let fits = self.hasher.verify(secret, &session.secret_hash, &*self.clock).await;
        if !fits || is_past(session.expires_at, self.clock.utc()) {
            return Err(LoginError::SessionEnded.into());
        }
        Ok(session)
    }

    /// What a caller presented, for `AuthInfo`.
    #[cfg(feature = "grpc")]
    pub(crate) async fn presented(
        &self,
        metadata: &tonic::metadata::MetadataMap,
    ) -> Result<Option<Presented>, Error> {
        let credentials = ttn_rpc::auth::credentials(metadata);
        let Ok(ttn_core::auth::Credentials::Bearer(text)) = credentials else { return Ok(None) };
        let api_key::Token { kind, id, secret } = api_key::Token::parse(&text)?;
        Ok(match kind {
            TokenKind::Access => {
                Some(Presented::AccessToken(self.access_token_of(id, secret).await?))
            }
            TokenKind::ApiKey => Some(Presented::ApiKey(self.presented_key(id).await?)),
            TokenKind::Session => Some(Presented::Session(self.session_of(id, secret).await?)),
            TokenKind::Code | TokenKind::Refresh => None,
        })
    }

    /// Lists the sessions of a user that have not ended.
    ///
    /// # Errors
    ///
    /// The caller lacks the right.
    pub async fn list_sessions(
        &self,
        caller: &Principal,
        id: &UserId,
        query: &Query,
    ) -> Result<Page<Session>, Error> {
        self.authorize(caller, &EntityId::User(id.clone()), &[Right::UserAll]).await?;
        let now = self.clock.utc();
        let mut sessions = self.sessions_of(id).await?;
        sessions.retain(|session| !is_past(session.expires_at, now));
        Ok(entity::page(sessions, query))
    }

    /// Ends a session of a user; its token is refused from the next call on.
    ///
    /// # Errors
    ///
    /// The caller lacks the right, or the user has no such session.
    pub async fn delete_session(
        &self,
        caller: &Principal,
        id: &UserId,
        session_id: &str,
    ) -> Result<(), Error> {
        let entity = EntityId::User(id.clone());
        self.authorize(caller, &entity, &[Right::UserAll]).await?;
        let stored = self.store.record::<Session>(session_id).await?;
        let session = stored.filter(|stored| stored.value.user_id() == id.as_str());
        let not_found =
            || LoginError::SessionNotFound { user: id.clone(), session: session_id.to_owned() };
        let session = session.ok_or_else(not_found)?.value;
        self.end_session(caller, &session).await
    }

    /// Ends a session.
    pub(crate) async fn end_session(
        &self,
        caller: &Principal,
        session: &Session,
    ) -> Result<(), Error> {
        let owner = format!("user/{}", session.user_id());
        let deed = Deed::on(Action::SessionEnd, owner).subject("session", &session.session_id);
        let write = without_session(Transaction::new(), session);
        self.remember(write, caller, deed).await?.commit(&*self.store).await?;
        if let Ok(id) = session.user_id().parse() {
            let (entity, data) = (EntityId::User(id), serde_json::Value::Null);
            self.publish(caller, &event::OAUTH_USER_LOGOUT, &entity, data);
        }
        Ok(())
    }

    pub(crate) async fn sessions_of(&self, id: &UserId) -> Result<Vec<Session>, Error> {
        let prefix = format!("{id}/");
        let mut sessions = Vec::new();
        for (key, _) in self.store.texts(Table::SessionOfUser, &prefix).await? {
            let session = key.strip_prefix(&prefix).unwrap_or_default();
            sessions.extend(self.store.record::<Session>(session).await?.map(|found| found.value));
        }
        Ok(sessions)
    }

    /// Ends the sessions of a user that have ended anyway, and the oldest ones if he has too many.
    async fn without_old_sessions(&self, id: &UserId) -> Result<Transaction, Error> {
        let now = self.clock.utc();
        let (ended, mut live): (Vec<_>, Vec<_>) = self
            .sessions_of(id)
            .await?
            .into_iter()
            .partition(|session| is_past(session.expires_at, now));
        live.sort_by_key(|session| session.created_at);
        let too_many = (live.len() + 1).saturating_sub(SESSIONS_MAX);
        let old = ended.iter().chain(live.iter().take(too_many));
        Ok(old.fold(Transaction::new(), without_session))
    }

    /// Refuses more attempts than a person makes. Who exists does not matter.
    pub(crate) async fn limit_guesses(
        &self,
        user: &str,
        call: Option<&EventCaller>,
    ) -> Result<(), Error> {
        let user = user.to_lowercase();
        let address = call.map_or("", |call| call.remote_ip.as_str());
        self.limit("account", &user).await?;
        self.limit("address", address).await
    }

    /// Refuses what happens too often; nothing is limited without a key.
    pub(crate) async fn limit(&self, class: &str, key: &str) -> Result<(), Error> {
        let state = match key {
            "" => None,
            key => self.guesses.take(class, key).await,
        };
        let Some(state) = state.filter(|state| !state.allowed) else { return Ok(()) };
        let seconds = state.retry_after.as_secs() + 1;
        Err(LoginError::TooManyAttempts { seconds }.into())
    }
}

pub(crate) fn without_session(transaction: Transaction, session: &Session) -> Transaction {
    transaction.delete(Table::Session, session.session_id.clone(), Replaces::Any).delete(
        Table::SessionOfUser,
        session.key_of_user(),
        Replaces::Any,
    )
}

/// A user by himself, without what he may do.
pub(crate) fn user_principal(id: &UserId) -> Principal {
    Principal { caller: Caller::User(id.clone()), ..Principal::anonymous() }
}

impl entity::Sortable for Session {
    fn compare(&self, other: &Self, field: &str) -> std::cmp::Ordering {
        let order = |a: Option<Time>, b: Option<Time>| a.cmp(&b);
        match field {
            "created_at" => order(self.created_at, other.created_at),
            _ => std::cmp::Ordering::Equal,
        }
    }
}

/// How often a password may be tried: ten times at once and then once a minute per account; per address more, for many
/// people may share one. An OAuth client asks for the tokens of many people from one address.
pub(crate) fn guess_limits() -> [LimitProfile; 3] {
    let profile = |class: &str, max_per_min, max_burst| LimitProfile {
        name: class.to_owned(),
        max_per_min,
        max_burst,
        associations: vec![class.to_owned()],
    };
    [profile("account", 1, 10), profile("address", 20, 100), profile("client", 600, 600)]
}

/// How many sessions a user has; one more ends the oldest.
const SESSIONS_MAX: usize = 50;

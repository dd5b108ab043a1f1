//! OAuth 2.0: what clients ask users for, and what users let them (IS-45 to IS-50).
//!
//! A [`Grant`] begins as a code and becomes tokens. Its id stays, so that a code or refresh token that comes a second time
//! names the tokens that were made of it: they are revoked, because one of both callers stole it.

mod authorizations;
mod tokens;

pub(crate) use tokens::without_grant;

use ttn_core::{
    auth::Principal,
    id::{ClientId, EntityId, UserId},
    store::Replaces,
    time::Timestamp,
};

use super::{IdentityServer, TRIES, audit::Deed, bootstrap::CLI_CLIENT, lifecycle::contention};
use crate::{
    audit::Action,
    auth::{
        api_key::{self, TokenKind},
        hash::API_KEY_ITERATIONS,
        oauth::{
            AnswerTo, AuthorizationParameters, AuthorizationRequest, OAuthError, Refusal, pkce,
            redirect,
        },
    },
    entity,
    error::Error,
    event,
    record::{
        Authorization, Client, GRANT_AUTHORIZATION_CODE, Grant, Record as _, Session, User,
        is_past, rights_of_numbers, rights_to_numbers,
    },
    rights,
    store::{IdentityStoreExt as _, Table, Transaction, WriteError},
};

impl IdentityServer {
    /// Checks what a client sends a user's browser with (RFC 6749, 4.1.1).
    ///
    /// # Errors
    ///
    /// Something is missing or not allowed. The client is told only where it is registered, and unless it is refused.
    pub async fn authorization_request(
        &self,
        asked: &AuthorizationParameters<'_>,
    ) -> Result<AuthorizationRequest, Refusal> {
        let to_user = |error: OAuthError| Refusal::ToUser(error.into());
        if asked.client_id.is_empty() {
            return Err(to_user(OAuthError::Missing { field: "client_id" }));
        }
        let client = self.oauth_client(asked.client_id).await.map_err(Refusal::ToUser)?;
        let client = client.ok_or_else(|| to_user(OAuthError::InvalidClient))?;
        let location = redirect::choose(&client.redirect_uris, asked.redirect_uri);
        let location = location.ok_or_else(|| to_user(OAuthError::RedirectUri))?;
        require_approved(&client).map_err(to_user)?;
        let mut answer_to = AnswerTo { location, state: String::new() };
        if asked.state.len() > STATE_LENGTH_MAX {
            let reason = "the state is too long";
            return Err(Refusal::ToClient(answer_to, OAuthError::InvalidRequest { reason }));
        }
        asked.state.clone_into(&mut answer_to.state);
        match check(&client, asked) {
            Ok(code_challenge) => {
                let redirect_uri = asked.redirect_uri.to_owned();
                Ok(AuthorizationRequest { client, answer_to, redirect_uri, code_challenge })
            }
            Err(error) => Err(Refusal::ToClient(answer_to, error)),
        }
    }

    /// Where a client wants its answer, whatever it asks for; `None` if it is not known there.
    #[cfg(feature = "grpc")]
    pub(crate) async fn place_of(&self, asked: &AuthorizationParameters<'_>) -> Option<String> {
        let client = self.oauth_client(asked.client_id).await.ok()??;
        redirect::choose(&client.redirect_uris, asked.redirect_uri)
    }

    /// Whether a user need not be asked: an administrator says so, or he let the client do all this before.
    ///
    /// # Errors
    ///
    /// The store failed.
    pub async fn is_authorized(
        &self,
        user: &User,
        request: &AuthorizationRequest,
    ) -> Result<bool, Error> {
        if request.client.skip_authorization {
            return Ok(true);
        }
        let key = format!("{}/{}", user.id(), request.client.id());
        let known = self.store.record::<Authorization>(&key).await?;
        let known = known.map(|known| rights_of_numbers(&known.value.rights));
        Ok(known.is_some_and(|known| known.implied().contains_all(request.client.rights())))
    }

    /// A user lets a client do what it asks for. Gives the address that his browser goes to, with a code that can be used
    /// once and for five minutes.
    ///
    /// # Errors
    ///
    /// The store failed.
    pub async fn authorize_client(
        &self,
        caller: &Principal,
        session: &Session,
        request: &AuthorizationRequest,
    ) -> Result<String, Error> {
        let user: UserId = session.user_id().parse()?;
        let entity = EntityId::User(user.clone());
        let now = self.clock.utc();
        let (id, secret) = api_key::generate(&*self.entropy);
        let grant = Grant {
            user_ids: session.user_ids.clone(),
            user_session_id: session.session_id.clone(),
            client_ids: request.client.ids.clone(),
            id,
            rights: request.client.rights.clone(),
            created_at: Some(now.into()),
            expires_at: Some(now.plus(CODE_TTL).into()),
            code_hash: self.hasher.hash(&secret, API_KEY_ITERATIONS, &*self.entropy).await,
            redirect_uri: request.redirect_uri.clone(),
            code_challenge: request.code_challenge.clone(),
            ..Grant::default()
        };
        for _ in 0..TRIES {
            let known = self.authorization_of(&user, &request.client).await?;
            let write = self.without_old_grants(&grant, now).await?.and(known);
            let write = write.put(&grant, Replaces::Nothing);
            let key = grant.key_of_user();
            let write = write.set(Table::GrantOfUser, key, Vec::new(), Replaces::Nothing);
            let write = self.remember(write, caller, let_client(&entity, request)).await?;
            match write.commit(&*self.store).await {
                Ok(_) => {
                    self.publish(caller, &event::OAUTH_AUTHORIZE, &entity, NOTHING);
                    let code = TokenKind::Code.token(&grant.id, &secret);
                    return Ok(request.answer_to.code(&code));
                }
                Err(WriteError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(contention(&entity))
    }

    /// Writes down that a user lets a client do what it asks for.
    async fn authorization_of(&self, user: &UserId, client: &Client) -> Result<Transaction, Error> {
        let now = Some(self.clock.utc().into());
        let mut authorization = Authorization {
            user_ids: Some(user.into()),
            client_ids: client.ids.clone(),
            rights: client.rights.clone(),
            created_at: now,
            updated_at: now,
        };
        let stored = self.store.record::<Authorization>(&authorization.key()).await?;
        let replaces = match stored {
            Some(stored) => {
                let before = rights_of_numbers(&stored.value.rights);
                authorization.rights = rights_to_numbers(before.union(client.rights()));
                authorization.created_at = stored.value.created_at;
                Replaces::Revision(stored.revision)
            }
            None => Replaces::Nothing,
        };
        Ok(Transaction::new().put(&authorization, replaces))
    }

    /// Deletes what has ended of a user and a client, and the oldest if there is too much.
    async fn without_old_grants(&self, new: &Grant, now: Timestamp) -> Result<Transaction, Error> {
        let grants = self.grants_of(&format!("{}/{}/", new.user_id(), new.client_id())).await?;
        let (ended, mut live): (Vec<_>, Vec<_>) =
            grants.into_iter().partition(|grant| is_over(grant, now));
        live.sort_by_key(|grant| grant.created_at);
        let too_many = (live.len() + 1).saturating_sub(GRANTS_MAX);
        let old = ended.iter().chain(live.iter().take(too_many));
        Ok(old.fold(Transaction::new(), without_grant))
    }

    /// A client that was not deleted.
    pub(crate) async fn oauth_client(&self, id: &str) -> Result<Option<Client>, Error> {
        let Ok(id) = id.parse::<ClientId>() else { return Ok(None) };
        let client = self.store.record::<Client>(id.as_str()).await?.map(|client| client.value);
        Ok(client.filter(|client| client.deleted_at.is_none()))
    }

    /// The codes and tokens below a prefix of [`Table::GrantOfUser`].
    pub(crate) async fn grants_of(&self, prefix: &str) -> Result<Vec<Grant>, Error> {
        let mut grants = Vec::new();
        for (key, _) in self.store.texts(Table::GrantOfUser, prefix).await? {
            let id = key.rsplit_once('/').map_or("", |(_, id)| id);
            grants.extend(self.store.record::<Grant>(id).await?.map(|found| found.value));
        }
        Ok(grants)
    }
}

fn let_client(user: &EntityId, request: &AuthorizationRequest) -> Deed {
    let given = Authorization { rights: request.client.rights.clone(), ..Authorization::default() };
    let deed = Deed::new(Action::AuthorizationCreate, user).after(&given);
    deed.subject("client", request.client.id())
}

/// What the client is told about if it is wrong. Gives the PKCE challenge.
fn check(client: &Client, asked: &AuthorizationParameters<'_>) -> Result<String, OAuthError> {
    require_grant(client, GRANT_AUTHORIZATION_CODE)?;
    if asked.response_type != "code" {
        return Err(OAuthError::UnsupportedResponseType);
    }
    let challenge = pkce::challenge(asked.code_challenge, asked.code_challenge_method)?;
    if challenge.is_empty() && needs_pkce(client) {
        let reason = "a client without a secret needs code_challenge (PKCE, method S256)";
        return Err(OAuthError::InvalidRequest { reason });
    }
    Ok(challenge)
}

/// Public clients do. Command-line clients of The Things Stack do not know it; their code stays on the user's machine.
fn needs_pkce(client: &Client) -> bool {
    client.secret_hash.is_empty() && client.id() != CLI_CLIENT
}

/// Refuses clients whose state does not allow them anything (IS-47).
const fn require_approved(client: &Client) -> Result<(), OAuthError> {
    match client.state {
        rights::STATE_APPROVED | rights::STATE_FLAGGED => Ok(()),
        rights::STATE_REJECTED => Err(OAuthError::ClientRejected),
        rights::STATE_SUSPENDED => Err(OAuthError::ClientSuspended),
        _ => Err(OAuthError::ClientNotApproved),
    }
}

fn require_grant(client: &Client, grant: i32) -> Result<(), OAuthError> {
    if client.grants.contains(&grant) {
        return Ok(());
    }
    let name =
        if grant == GRANT_AUTHORIZATION_CODE { "authorization_code" } else { "refresh_token" };
    Err(OAuthError::ClientMissingGrant { grant: name })
}

/// Whether neither code nor tokens can be used any more.
pub(crate) fn is_over(grant: &Grant, now: Timestamp) -> bool {
    if grant.redeemed && !grant.refresh_hash.is_empty() {
        let made: Timestamp = grant.created_at.unwrap_or_default().into();
        return now.since(made) >= REFRESH_TTL;
    }
    is_past(grant.expires_at, now)
}

impl entity::Sortable for Authorization {
    fn compare(&self, other: &Self, field: &str) -> std::cmp::Ordering {
        match field {
            "created_at" => self.created_at.cmp(&other.created_at),
            _ => std::cmp::Ordering::Equal,
        }
    }
}

impl entity::Sortable for Grant {
    fn compare(&self, other: &Self, field: &str) -> std::cmp::Ordering {
        match field {
            "created_at" => self.created_at.cmp(&other.created_at),
            _ => std::cmp::Ordering::Equal,
        }
    }
}

const NOTHING: serde_json::Value = serde_json::Value::Null;
const fn seconds(seconds: u64) -> std::time::Duration {
    std::time::Duration::from_secs(seconds)
}
/// How long a code can be used.
const CODE_TTL: std::time::Duration = seconds(5 * 60);
/// How long an access token can be used.
const ACCESS_TTL: std::time::Duration = seconds(3600);
/// How long a refresh token can be used that nobody used.
const REFRESH_TTL: std::time::Duration = seconds(90 * 24 * 3600);
/// How many codes and tokens a client has for one user; one more ends the oldest.
const GRANTS_MAX: usize = 50;
/// The longest `state`.
const STATE_LENGTH_MAX: usize = 2048;

//! Codes and refresh tokens become tokens (IS-46).

use std::sync::Arc;

use data_encoding::BASE32_NOPAD;
use ttn_core::{
    auth::Principal,
    event::EventCaller,
    id::{EntityId, UserId},
    store::{Replaces, Versioned},
};

use super::{ACCESS_TTL, NOTHING, is_over, require_approved, require_grant};
use crate::{
    audit::Action,
    auth::{
        api_key::{Token, TokenKind},
        hash::API_KEY_ITERATIONS,
        oauth::{OAuthError, TokenRequest, Tokens, pkce},
    },
    error::Error,
    event,
    record::{
        Client, GRANT_AUTHORIZATION_CODE, GRANT_REFRESH_TOKEN, Grant, is_past, rights_of_numbers,
        rights_to_numbers,
    },
    rights,
    server::{IdentityServer, TRIES, audit::Deed, lifecycle::contention, sessions::user_principal},
    store::{IdentityStoreExt as _, Table, Transaction, WriteError},
};

impl IdentityServer {
    /// Gives a client tokens for a code (RFC 6749, 4.1.3) or for a refresh token, which ends with the tokens of before (6).
    ///
    /// Each works once. If it comes again, all tokens that were made of it are revoked.
    ///
    /// # Errors
    ///
    /// The client is unknown, its secret is wrong, or its state does not allow it; code or refresh token are wrong, used,
    /// ended, or another client's; the redirect URI or the PKCE verifier do not fit; the user may not log in.
    pub async fn exchange(
        &self,
        request: &TokenRequest<'_>,
        call: Arc<EventCaller>,
    ) -> Result<Tokens, Error> {
        let wanted = match request.grant_type {
            "" => return Err(OAuthError::Missing { field: "grant_type" }.into()),
            "authorization_code" => GRANT_AUTHORIZATION_CODE,
            "refresh_token" => GRANT_REFRESH_TOKEN,
            _ => return Err(OAuthError::UnsupportedGrantType.into()),
        };
        let client = self.authenticate_client(request, &call).await?;
        require_approved(&client)?;
        require_grant(&client, wanted)?;
        let (kind, field, text) = match wanted {
            GRANT_AUTHORIZATION_CODE => (TokenKind::Code, "code", request.code),
            _ => (TokenKind::Refresh, "refresh_token", request.refresh_token),
        };
        if text.is_empty() {
            return Err(OAuthError::Missing { field }.into());
        }
        let token = Token::of_kind(kind, text).ok_or(OAuthError::InvalidGrant)?;
        for _ in 0..TRIES {
            let stored = self.store.record::<Grant>(token.id).await?;
            let Versioned { revision, value: grant } = stored.ok_or(OAuthError::InvalidGrant)?;
            if grant.client_id() != client.id() {
                return Err(OAuthError::InvalidGrant.into());
            }
            let user = grant.user_id().parse()?;
            let caller = Principal { call: Some(call.clone()), ..user_principal(&user) };
            match kind {
                TokenKind::Code => self.check_code(&caller, &grant, &token, &client, request).await,
                _ => self.check_refresh(&caller, &grant, &token).await,
            }?;
            self.check_user(&user).await?;
            let (grant, tokens) = self.renew(grant, &client, &token).await;
            let write = Transaction::new().put(&grant, Replaces::Revision(revision));
            let entity = EntityId::User(user);
            let deed = Deed::new(Action::TokenIssue, &entity).subject("client", client.id());
            let write = self.remember(write, &caller, deed).await?;
            match write.commit(&*self.store).await {
                Ok(_) => {
                    self.publish(&caller, &event::OAUTH_TOKEN_EXCHANGE, &entity, NOTHING);
                    return Ok(tokens);
                }
                // Somebody was faster with the same code or token: the next look revokes it.
                Err(WriteError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(contention(&EntityId::Client(client.id().parse()?)))
    }

    /// Finds out which client calls (RFC 6749, 2.3.1). One without a secret calls by its id alone.
    async fn authenticate_client(
        &self,
        request: &TokenRequest<'_>,
        call: &EventCaller,
    ) -> Result<Client, Error> {
        if request.client_id.is_empty() {
            return Err(OAuthError::Missing { field: "client_id" }.into());
        }
        self.limit("client", &call.remote_ip).await?;
        let client = self.oauth_client(request.client_id).await?;
        let client = client.ok_or(OAuthError::InvalidClient)?;
        let fits = match (client.secret_hash.as_str(), request.client_secret) {
            ("", secret) => secret.is_empty(),
            (_, "") => return Err(OAuthError::Missing { field: "client_secret" }.into()),
            (hash, secret) => self.hasher.verify(secret, hash, &*self.clock).await,
        };
        if fits { Ok(client) } else { Err(OAuthError::InvalidClient.into()) }
    }

    async fn check_code(
        &self,
        caller: &Principal,
        grant: &Grant,
        code: &Token<'_>,
        client: &Client,
        request: &TokenRequest<'_>,
    ) -> Result<(), Error> {
        if !self.hasher.verify(code.secret, &grant.code_hash, &*self.clock).await {
            return Err(OAuthError::InvalidGrant.into());
        }
        if grant.redeemed {
            // RFC 6749, 4.1.2
            self.revoke(caller, grant, Action::TokenReuse).await?;
            return Err(OAuthError::InvalidGrant.into());
        }
        if is_past(grant.expires_at, self.clock.utc()) {
            return Err(OAuthError::InvalidGrant.into());
        }
        let given = request.redirect_uri;
        let is_only = grant.redirect_uri.is_empty() && client.redirect_uris == [given];
        if grant.redirect_uri != given && !is_only {
            return Err(OAuthError::RedirectUri.into());
        }
        if !pkce::fits(&grant.code_challenge, request.code_verifier) {
            return Err(OAuthError::InvalidGrant.into());
        }
        Ok(())
    }

    async fn check_refresh(
        &self,
        caller: &Principal,
        grant: &Grant,
        token: &Token<'_>,
    ) -> Result<(), Error> {
        let family = token.secret.get(..FAMILY_LENGTH).unwrap_or_default();
        let is_ours =
            grant.redeemed && self.hasher.verify(family, &grant.family_hash, &*self.clock).await;
        if !is_ours {
            return Err(OAuthError::InvalidGrant.into());
        }
        let is_last = self.hasher.verify(token.secret, &grant.refresh_hash, &*self.clock).await;
        if !is_last || is_over(grant, self.clock.utc()) {
            self.revoke(caller, grant, Action::TokenReuse).await?;
            return Err(OAuthError::InvalidGrant.into());
        }
        Ok(())
    }

    /// A user who may not log in gives nobody new tokens.
    async fn check_user(&self, id: &UserId) -> Result<(), Error> {
        let user = self.live_user(id).await?.ok_or(OAuthError::InvalidGrant)?;
        match user.state {
            rights::STATE_REJECTED | rights::STATE_SUSPENDED => {
                Err(OAuthError::InvalidGrant.into())
            }
            _ => Ok(()),
        }
    }

    /// Draws tokens; nothing is stored.
    async fn renew(&self, grant: Grant, client: &Client, given: &Token<'_>) -> (Grant, Tokens) {
        let now = self.clock.utc();
        let mut access = [0; FAMILY_OCTETS + GENERATION_OCTETS];
        self.entropy.fill(&mut access);
        let access = BASE32_NOPAD.encode(&access);
        let refresh = if client.grants.contains(&GRANT_REFRESH_TOKEN) {
            Some(self.refresh_secret(&grant, given))
        } else {
            None
        };
        let (mut refresh_hash, mut family_hash) = (String::new(), grant.family_hash.clone());
        if let Some(refresh) = &refresh {
            refresh_hash = self.hash(refresh).await;
            if family_hash.is_empty() {
                family_hash = self.hash(&refresh[..FAMILY_LENGTH]).await;
            }
        }
        let tokens = Tokens {
            access_token: TokenKind::Access.token(&grant.id, &access),
            refresh_token: refresh.map(|secret| TokenKind::Refresh.token(&grant.id, &secret)),
            expires_in: ACCESS_TTL,
        };
        let grant = Grant {
            created_at: Some(now.into()),
            expires_at: Some(now.plus(ACCESS_TTL).into()),
            redeemed: true,
            access_hash: self.hash(&access).await,
            refresh_hash,
            family_hash,
            ..grant
        };
        (grant, tokens)
    }

    /// The secret of a refresh token: the first part stays over all refreshes, the second is new.
    fn refresh_secret(&self, grant: &Grant, given: &Token<'_>) -> String {
        let (mut family, mut generation) = ([0; FAMILY_OCTETS], [0; GENERATION_OCTETS]);
        self.entropy.fill(&mut generation);
        let family = match given.secret.get(..FAMILY_LENGTH) {
            Some(family) if grant.redeemed => family.to_owned(),
            _ => {
                self.entropy.fill(&mut family);
                BASE32_NOPAD.encode(&family)
            }
        };
        family + &BASE32_NOPAD.encode(&generation)
    }

    async fn hash(&self, secret: &str) -> String {
        self.hasher.hash(secret, API_KEY_ITERATIONS, &*self.entropy).await
    }

    /// Ends the tokens of a grant.
    pub(super) async fn revoke(
        &self,
        caller: &Principal,
        grant: &Grant,
        why: Action,
    ) -> Result<(), Error> {
        let entity = EntityId::User(grant.user_id().parse()?);
        let deed = Deed::new(why, &entity).subject("client", grant.client_id());
        let write = without_grant(Transaction::new(), grant);
        self.remember(write, caller, deed).await?.commit(&*self.store).await?;
        self.publish(caller, &event::OAUTH_TOKEN_DELETED, &entity, NOTHING);
        Ok(())
    }

    /// Finds what an access token gives, as far as its client asks for it today.
    ///
    /// # Errors
    ///
    /// It is not known or has ended; its client is deleted, rejected or suspended (IS-47).
    pub(crate) async fn access_token_of(&self, id: &str, secret: &str) -> Result<Grant, Error> {
        let stored = self.store.record::<Grant>(id).await?.map(|stored| stored.value);
        let grant = stored.filter(|grant| grant.redeemed).ok_or(OAuthError::AccessTokenEnded)?;
        let fits = self.hasher.verify(secret, &grant.access_hash, &*self.clock).await;
        if !fits || is_past(grant.expires_at, self.clock.utc()) {
            return Err(OAuthError::AccessTokenEnded.into());
        }
        let client = self.oauth_client(grant.client_id()).await?;
        let client = client.ok_or(OAuthError::AccessTokenEnded)?;
        let description = client.state_description.clone();
        match client.state {
            rights::STATE_REJECTED => Err(OAuthError::TokenOfRejectedClient { description })?,
            rights::STATE_SUSPENDED => Err(OAuthError::TokenOfSuspendedClient { description })?,
            _ => {}
        }
        let given = rights_of_numbers(&grant.rights).implied();
        let rights = rights_to_numbers(given.intersection(client.rights().implied()));
        Ok(Grant { rights, ..grant })
    }
}

pub(crate) fn without_grant(transaction: Transaction, grant: &Grant) -> Transaction {
    transaction.delete(Table::Grant, grant.id.clone(), Replaces::Any).delete(
        Table::GrantOfUser,
        grant.key_of_user(),
        Replaces::Any,
    )
}

/// The part of a refresh token's secret that stays, and as text: five octets are eight characters, so that both parts as
/// text are the text of both.
const FAMILY_OCTETS: usize = 20;
const FAMILY_LENGTH: usize = 32;
/// The part that is new each time.
const GENERATION_OCTETS: usize = 12;

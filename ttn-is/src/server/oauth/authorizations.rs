//! What users let OAuth clients do: seen, taken back, left behind (IS-49, IS-50).

use ttn_core::{
    auth::{Principal, Right},
    id::{ClientId, EntityId, UserId},
    store::{Page, Replaces},
};

use super::{NOTHING, is_over, tokens::without_grant};
use crate::{
    audit::Action,
    auth::oauth::{OAuthError, redirect},
    entity::{self, Query},
    error::Error,
    event,
    record::{Authorization, Grant, Record as _, Session},
    server::{IdentityServer, audit::Deed, sessions::user_principal},
    store::{IdentityStoreExt as _, Table, Transaction},
};

impl IdentityServer {
    /// Lists what a user lets OAuth clients do.
    ///
    /// # Errors
    ///
    /// The caller lacks the right.
    pub async fn list_authorizations(
        &self,
        caller: &Principal,
        user: &UserId,
        query: &Query,
    ) -> Result<Page<Authorization>, Error> {
        self.authorize_clients(caller, user).await?;
        let all = self.store.records::<Authorization>(&format!("{user}/")).await?;
        Ok(entity::page(all, query))
    }

    /// Lists the tokens of a client for a user, without secrets. A token that only waits to be refreshed is among them.
    ///
    /// # Errors
    ///
    /// The caller lacks the right.
    pub async fn list_access_tokens(
        &self,
        caller: &Principal,
        user: &UserId,
        client: &ClientId,
        query: &Query,
    ) -> Result<Page<Grant>, Error> {
        self.authorize_clients(caller, user).await?;
        let now = self.clock.utc();
        let mut grants = self.grants_of(&format!("{user}/{client}/")).await?;
        grants.retain(|grant| grant.redeemed && !is_over(grant, now));
        Ok(entity::page(grants, query))
    }

    /// Takes back what a user lets a client do: its codes and tokens end at once.
    ///
    /// # Errors
    ///
    /// The caller lacks the right, or the user did not let the client.
    pub async fn delete_authorization(
        &self,
        caller: &Principal,
        user: &UserId,
        client: &ClientId,
    ) -> Result<(), Error> {
        let entity = self.authorize_clients(caller, user).await?;
        let key = format!("{user}/{client}");
        if self.store.record::<Authorization>(&key).await?.is_none() {
            let (user, client) = (user.to_string(), client.to_string());
            return Err(OAuthError::AuthorizationNotFound { user, client }.into());
        }
        let grants = self.grants_of(&format!("{key}/")).await?;
        let write = Transaction::new().delete(Table::Authorization, key, Replaces::Any);
        let write = grants.iter().fold(write, without_grant);
        let deed = Deed::new(Action::AuthorizationDelete, &entity);
        let deed = deed.subject("client", client.as_str());
        self.remember(write, caller, deed).await?.commit(&*self.store).await?;
        self.publish(caller, &event::OAUTH_TOKEN_DELETED, &entity, NOTHING);
        Ok(())
    }

    /// Revokes a token, and the refresh token that belongs to it.
    ///
    /// # Errors
    ///
    /// The caller lacks the right, or there is no such token.
    pub async fn delete_access_token(
        &self,
        caller: &Principal,
        user: &UserId,
        client: &ClientId,
        id: &str,
    ) -> Result<(), Error> {
        self.authorize_clients(caller, user).await?;
        let stored = self.store.record::<Grant>(id).await?.map(|stored| stored.value);
        let found = stored.filter(|grant| {
            (grant.user_id(), grant.client_id()) == (user.as_str(), client.as_str())
        });
        let not_found = || OAuthError::AccessTokenNotFound { id: id.to_owned() };
        self.revoke(caller, &found.ok_or_else(not_found)?, Action::TokenRevoke).await
    }

    /// Ends a token and the session in which it was given, in the name of the client that knows the token's id. Gives the
    /// address that the browser goes to; empty if the client has none.
    ///
    /// # Errors
    ///
    /// There is no such token; the address is not registered for it. Nothing has ended then.
    pub async fn log_out_of_client(
        &self,
        access_token_id: &str,
        redirect_uri: &str,
    ) -> Result<String, Error> {
        if access_token_id.is_empty() {
            return Err(OAuthError::AccessTokenIdMissing.into());
        }
        let stored = self.store.record::<Grant>(access_token_id).await?;
        let grant = stored.map(|stored| stored.value).filter(|grant| grant.redeemed);
        let id = access_token_id.to_owned();
        let grant = grant.ok_or(OAuthError::AccessTokenNotFound { id })?;
        let client = self.oauth_client(grant.client_id()).await?;
        let registered = client.map(|client| client.logout_redirect_uris).unwrap_or_default();
        let location = match (redirect_uri, registered.as_slice()) {
            ("", []) => String::new(),
            ("", [first, ..]) => redirect::place(first).unwrap_or_default(),
            _ => {
                redirect::choose(&registered, redirect_uri).ok_or(OAuthError::LogoutRedirectUri)?
            }
        };
        let caller = user_principal(&grant.user_id().parse()?);
        self.revoke(&caller, &grant, Action::TokenRevoke).await?;
        if let Some(session) = self.store.record::<Session>(&grant.user_session_id).await? {
            self.end_session(&caller, &session.value).await?;
            let entity = EntityId::User(grant.user_id().parse()?);
            self.publish(&caller, &event::OAUTH_SESSION_TERMINATED, &entity, NOTHING);
        }
        Ok(location)
    }

    /// Takes back what anybody lets a client do.
    pub(crate) async fn without_client(
        &self,
        id: &ClientId,
        transaction: Transaction,
    ) -> Result<Transaction, Error> {
        // A client that is purged is rare enough for a look at all of them.
        let authorizations = self.store.records::<Authorization>("").await?;
        let of_client = authorizations.iter().filter(|it| it.client_id() == id.as_str());
        let mut transaction = transaction;
        for authorization in of_client {
            let key = authorization.key();
            let grants = self.grants_of(&format!("{key}/")).await?;
            transaction = grants.iter().fold(transaction, without_grant).delete(
                Table::Authorization,
                key,
                Replaces::Any,
            );
        }
        Ok(transaction)
    }

    async fn authorize_clients(
        &self,
        caller: &Principal,
        user: &UserId,
    ) -> Result<EntityId, Error> {
        let entity = EntityId::User(user.clone());
        self.authorize(caller, &entity, &[Right::UserAuthorizedClients]).await?;
        Ok(entity)
    }
}

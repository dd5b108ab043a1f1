//! OAuth clients (IS-12, IS-47).

use std::fmt;

use ttn_core::{
    auth::Principal,
    id::{ClientId, EntityId},
};

use super::{IdentityServer, kind::Entity as _, notifications::Told};
use crate::{
    access::is_full_admin,
    auth::{api_key, hash::API_KEY_ITERATIONS, oauth::redirect},
    entity::Account,
    error::Error,
    record::{Client, GRANT_AUTHORIZATION_CODE, GRANT_REFRESH_TOKEN},
    rights,
};

/// A new OAuth client with its secret, which is given once. `Debug` hides the secret.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct NewClient {
    /// The client.
    pub client: Client,
    /// The secret.
    pub secret: String,
}

impl fmt::Debug for NewClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewClient").field("client", &self.client).finish_non_exhaustive()
    }
}

impl IdentityServer {
    /// Creates an OAuth client. An empty `secret` draws one. What somebody else than an administrator creates waits for
    /// approval.
    ///
    /// # Errors
    ///
    /// The caller lacks the right; only administrators create them here (IS-32); the id is malformed, reserved or taken.
    pub async fn create_client(
        &self,
        caller: &Principal,
        mut client: Client,
        secret: &str,
        collaborator: &Account,
    ) -> Result<NewClient, Error> {
        if !is_full_admin(caller) {
            client.state = rights::STATE_REQUESTED;
            client.state_description = "waits for the approval of an administrator".to_owned();
            client.skip_authorization = false;
            client.endorsed = false;
        }
        if client.grants.is_empty() {
            client.grants = vec![GRANT_AUTHORIZATION_CODE, GRANT_REFRESH_TOKEN];
        }
        let secret = match secret {
            "" => api_key::generate(&*self.entropy).1,
            secret => secret.to_owned(),
        };
        client.secret_hash = self.hash_secret(&secret).await;
        check_redirects(&Client::default(), &client)?;
        let client = self.create_entity(caller, client, collaborator).await?;
        if client.state == rights::STATE_REQUESTED {
            let told = Told::client_requested(&client, collaborator, &client.entity()?);
            self.tell(caller, told).await;
        }
        Ok(NewClient { client, secret })
    }

    /// Changes an OAuth client, and its secret if one is given; an empty one makes it a public client, which proves itself
    /// with PKCE alone. State, grants and what spares users the question are for administrators.
    ///
    /// # Errors
    ///
    /// The caller lacks the right or is no administrator; it does not exist; `change` failed.
    pub async fn update_client<F>(
        &self,
        caller: &Principal,
        id: &ClientId,
        fields: &[String],
        secret: Option<&str>,
        mut change: F,
    ) -> Result<Client, Error>
    where
        F: FnMut(&mut Client) -> Result<(), Error> + Send,
    {
        let entity = EntityId::Client(id.clone());
        self.authorize(caller, &entity, &[Client::KIND.settings]).await?;
        let is_admin = is_full_admin(caller);
        let secret_hash = match secret {
            Some("") => Some(String::new()),
            Some(secret) => Some(self.hash_secret(secret).await),
            None => None,
        };
        let mut state = None;
        let updated = self.update_entity(caller, &entity, fields, |client: &mut Client| {
            let old = client.clone();
            state = Some(old.state);
            change(client)?;
            check_redirects(&old, client)?;
            client.secret_hash.clone_from(secret_hash.as_ref().unwrap_or(&old.secret_hash));
            if is_admin { Ok(()) } else { check_admin_fields(&old, client) }
        });
        let updated = updated.await?;
        if state != Some(updated.state) {
            let (state, why) = (updated.state, &updated.state_description);
            self.tell(caller, Told::state(&entity, Client::KIND.info, state, why)).await;
        }
        Ok(updated)
    }

    /// Hashes a secret that was drawn, or given by a program: rounds would not make it stronger.
    async fn hash_secret(&self, secret: &str) -> String {
        self.hasher.hash(secret, API_KEY_ITERATIONS, &*self.entropy).await
    }
}

/// Refuses places that nobody should be sent to. Those that are stored already lead nowhere, and stay.
fn check_redirects(old: &Client, new: &Client) -> Result<(), Error> {
    let bad = |uris: &[String], old: &[String]| {
        uris != old && uris.iter().any(|uri| redirect::place(uri).is_none())
    };
    let reason = "must be a URI without a fragment that leads to a page or a program";
    if bad(&new.redirect_uris, &old.redirect_uris) {
        return Err(Error::InvalidField { field: "redirect_uris", reason });
    }
    if bad(&new.logout_redirect_uris, &old.logout_redirect_uris) {
        return Err(Error::InvalidField { field: "logout_redirect_uris", reason });
    }
    Ok(())
}

fn check_admin_fields(old: &Client, new: &Client) -> Result<(), Error> {
    let changed = [
        ("state", old.state != new.state),
        ("state_description", old.state_description != new.state_description),
        ("skip_authorization", old.skip_authorization != new.skip_authorization),
        ("endorsed", old.endorsed != new.endorsed),
        ("grants", old.grants != new.grants),
    ];
    match changed.into_iter().find(|(_, changed)| *changed) {
        Some((field, _)) => Err(Error::UpdateAdminField { field }),
        None => Ok(()),
    }
}

//! The first start: an administrator and his key.

use std::fmt;

use ttn_core::{
    auth::{Principal, Right, Rights},
    id::{ClientId, EntityId, UserId},
    store::Replaces,
};

use super::{IdentityServer, api_keys::put_key, audit::Deed, purge::put_membership};
use crate::{
    audit::Action,
    auth::api_key::{Token, TokenKind},
    entity::Account,
    error::Error,
    record::{ApiKey, Client, GRANT_AUTHORIZATION_CODE, GRANT_REFRESH_TOKEN, Membership, User},
    rights,
    store::{IdentityStoreExt as _, Table, Transaction, WriteError},
};

/// What [`IdentityServer::ensure_admin`] made. `Debug` hides the key.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Admin {
    /// An API key with all rights of the administrator, given once.
    pub api_key: String,
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin").finish_non_exhaustive()
    }
}

impl IdentityServer {
    /// Creates an administrator with a password and an API key named `admin` with all rights, in one write; `None` if
    /// the user exists, whatever he is, or existed. Reserved ids and weak passwords are allowed: this is called by
    /// whoever runs the server.
    ///
    /// # Errors
    ///
    /// The e-mail address is another user's, or the store failed.
    pub async fn ensure_admin(
        &self,
        id: &UserId,
        password: &str,
        email: &str,
    ) -> Result<Option<Admin>, Error> {
        if self.store.record::<User>(id.as_str()).await?.is_some() {
            return Ok(None);
        }
        let entity = EntityId::User(id.clone());
        let hash = self.hasher.hash_password(password, &*self.entropy).await;
        let now = Some(self.clock.utc().into());
        let mut user = User {
            password_hash: hash,
            password_updated_at: now,
            primary_email_address_validated_at: now,
            state: rights::STATE_APPROVED,
            admin: true,
            ..User::new(id, email)
        };
        let issued = self.new_key(&entity, "admin", Rights::from_iter([Right::All]), None).await;
        let transaction = put_key(Transaction::new(), &issued.key, Replaces::Nothing);
        let deed = Deed::new(Action::EntityCreate, &entity).after(&user);
        let transaction = self.remember(transaction, &Principal::cluster(), deed).await?;
        self.insert(&mut user, &entity, transaction).await?;
        self.publish(
            &Principal::cluster(),
            &crate::event::USER.create,
            &entity,
            serde_json::Value::Null,
        );
        Ok(Some(Admin { api_key: issued.token }))
    }

    /// Creates the public OAuth client `cli`, with which command-line clients let people log in with a browser; false if
    /// there is one, whatever it is. It asks users for every right and is `owner`'s.
    ///
    /// # Errors
    ///
    /// The store failed.
    pub async fn ensure_cli_client(&self, owner: &UserId) -> Result<bool, Error> {
        let id: ClientId = CLI_CLIENT.parse()?;
        if self.store.record::<Client>(id.as_str()).await?.is_some() {
            return Ok(false);
        }
        let account = Account::User(owner.clone());
        let mut client = Client {
            name: "Command-line client".to_owned(),
            administrative_contact: Some(account.to_ids()),
            technical_contact: Some(account.to_ids()),
            redirect_uris: vec!["local-callback".to_owned(), "code".to_owned()],
            state: rights::STATE_APPROVED,
            endorsed: true,
            grants: vec![GRANT_AUTHORIZATION_CODE, GRANT_REFRESH_TOKEN],
            rights: vec![Right::All.number()],
            ..Client::new(&id)
        };
        let entity = EntityId::Client(id);
        let all = Rights::from_iter([Right::All]);
        let owner = Membership::new(&entity, &account, all);
        let write = put_membership(Transaction::new(), &owner);
        let deed = Deed::new(Action::EntityCreate, &entity).after(&client);
        let write = self.remember(write, &Principal::cluster(), deed).await?;
        self.insert(&mut client, &entity, write).await?;
        let event = &crate::event::CLIENT.create;
        self.publish(&Principal::cluster(), event, &entity, serde_json::Value::Null);
        Ok(true)
    }

    /// Gives the API key with this token to a user, for development and tests that need a key known beforehand.
    ///
    /// # Errors
    ///
    /// The token is malformed or its id is taken; the user does not exist; the store failed.
    pub async fn import_api_key(
        &self,
        entity: &EntityId,
        name: &str,
        rights: Rights,
        token: &str,
    ) -> Result<ApiKey, Error> {
        let parsed = Token::of_kind(TokenKind::ApiKey, token).ok_or(Error::Token)?;
        self.require_entity(entity).await?;
        let mut issued = self.new_key(entity, name, rights, None).await;
        let rounds = crate::auth::hash::API_KEY_ITERATIONS;
        issued.key.id = parsed.id.to_owned();
        issued.key.hash = self.hasher.hash(parsed.secret, rounds, &*self.entropy).await;
        let write = put_key(Transaction::new(), &issued.key, Replaces::Nothing);
        let deed = Deed::new(Action::ApiKeyCreate, entity).after(&issued.key);
        let deed = deed.subject("api_key", parsed.id);
        let write = self.remember(write, &Principal::cluster(), deed).await?;
        match write.commit(&*self.store).await {
            Ok(_) => Ok(issued.key),
            Err(WriteError::Conflict { table: Table::ApiKey, key, .. }) => {
                Err(Error::IdTaken { id: key })
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// The id that command-line clients of The Things Stack have.
pub(crate) const CLI_CLIENT: &str = "cli";

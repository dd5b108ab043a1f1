//! Invitations to register, and whether an address is its user's (IS-39, IS-40).

use ttn_core::{
    auth::{Principal, Right},
    id::{EntityId, UserId},
    store::{Page, Replaces, Versioned},
};

use super::{IdentityServer, TRIES, audit::Deed, kind::Entity as _, lifecycle::contention};
use crate::{
    access::{own_account, require_known},
    audit::Action,
    auth::{LoginError, api_key, hash::API_KEY_ITERATIONS},
    email::Letter,
    entity::{self, Query, Sortable},
    error::Error,
    event,
    record::{EmailValidation, Invitation, User, is_past},
    store::{IdentityStoreExt as _, Table, Transaction, WriteError},
};

impl IdentityServer {
    /// Invites an address to register: it gets a mail.
    ///
    /// # Errors
    ///
    /// The caller may not invite; the address is malformed or was invited.
    pub async fn send_invitation(
        &self,
        caller: &Principal,
        email: &str,
    ) -> Result<Invitation, Error> {
        let sender = Self::require_invites(caller)?;
        super::users::check_email(email)?;
        let (now, ttl) = (self.clock.utc(), self.config.login.invitation_ttl);
        let old = self.store.record::<Invitation>(&email.to_lowercase()).await?;
        let replaces = match old {
            Some(old) if !is_past(old.value.expires_at, now) || old.value.accepted_at.is_some() => {
                return Err(LoginError::InvitationAlreadySent.into());
            }
            Some(old) => Replaces::Revision(old.revision),
            None => Replaces::Nothing,
        };
        let (_, token) = api_key::generate(&*self.entropy);
        let invitation = Invitation {
            email: email.to_owned(),
            token,
            expires_at: Some(now.plus(ttl).into()),
            created_at: Some(now.into()),
            updated_at: Some(now.into()),
            sender,
            ..Invitation::default()
        };
        let write = Transaction::new().put(&invitation, replaces);
        let deed = Deed::on(Action::InvitationCreate, invitation.sender.clone());
        let deed = deed.subject("invitation", &invitation.email);
        self.remember(write, caller, deed).await?.commit(&*self.store).await?;
        let account = own_account(caller).map(|account| account.entity());
        if let Some(entity) = account {
            self.publish(caller, &event::INVITATION_CREATE, &entity, serde_json::Value::Null);
        }
        let letter =
            Letter::Invitation { token: &invitation.token, days: ttl.as_secs() / (24 * 3600) };
        self.write_letter(&letter, (email, email)).await;
        Ok(invitation)
    }

    /// Lists the invitations that a caller sent.
    ///
    /// # Errors
    ///
    /// The caller may not invite.
    pub async fn list_invitations(
        &self,
        caller: &Principal,
        query: &Query,
    ) -> Result<Page<Invitation>, Error> {
        let sender = Self::require_invites(caller)?;
        let mut invitations = self.store.records::<Invitation>("").await?;
        invitations.retain(|invitation| invitation.sender == sender);
        Ok(entity::page(invitations, query))
    }

    /// Takes an invitation back.
    ///
    /// # Errors
    ///
    /// The caller may not invite, or sent none to this address.
    pub async fn delete_invitation(&self, caller: &Principal, email: &str) -> Result<(), Error> {
        let sender = Self::require_invites(caller)?;
        let stored = self.store.record::<Invitation>(&email.to_lowercase()).await?;
        let stored = stored.filter(|stored| stored.value.sender == sender);
        let Versioned { revision, value } = stored.ok_or(LoginError::InvitationNotFound)?;
        let key = email.to_lowercase();
        let replaces = Replaces::Revision(revision);
        let write = Transaction::new().delete(Table::Invitation, key, replaces);
        let deed = Deed::on(Action::InvitationDelete, sender).subject("invitation", &value.email);
        self.remember(write, caller, deed).await?.commit(&*self.store).await?;
        Ok(())
    }

    /// Who may invite, as the key of his account: it takes the right on everything, which administrators have.
    fn require_invites(caller: &Principal) -> Result<String, Error> {
        require_known(caller)?;
        let account = own_account(caller).filter(|_| caller.universal.contains(Right::SendInvites));
        Ok(account.ok_or(LoginError::NoInviteRights)?.key())
    }

    /// Finds the invitation of a token, and marks it as used by a user who is being created.
    pub(crate) async fn accept_invitation(
        &self,
        token: &str,
        id: &UserId,
    ) -> Result<(Transaction, Invitation), Error> {
        let invitations = self.store.records::<Invitation>("").await?;
        let found = invitations
            .into_iter()
            .find(|found| ttn_core::auth::same_secret(found.token.as_bytes(), token.as_bytes()));
        let found = found.ok_or(LoginError::InvitationNotFound)?;
        let stored = self.store.record::<Invitation>(&found.email.to_lowercase()).await?;
        let Versioned { revision, value: mut invitation } =
            stored.ok_or(LoginError::InvitationNotFound)?;
        if invitation.accepted_at.is_some() {
            return Err(LoginError::InvitationUsed.into());
        }
        if is_past(invitation.expires_at, self.clock.utc()) {
            return Err(LoginError::InvitationExpired.into());
        }
        let now = Some(self.clock.utc().into());
        (invitation.accepted_at, invitation.updated_at) = (now, now);
        invitation.accepted_by = Some(id.into());
        Ok((Transaction::new().put(&invitation, Replaces::Revision(revision)), invitation))
    }

    /// Mails the question whether his address is his to a user.
    ///
    /// # Errors
    ///
    /// The caller lacks the right; it is known already; it was asked a short while ago.
    pub async fn request_email_validation(
        &self,
        caller: &Principal,
        id: &UserId,
    ) -> Result<EmailValidation, Error> {
        let entity = EntityId::User(id.clone());
        self.authorize(caller, &entity, &[User::KIND.settings]).await?;
        let user = self.live::<User>(&entity).await?.value;
        self.ask_for_address(&user).await
    }

    /// Mails the question without anybody's right.
    pub(crate) async fn ask_for_address(&self, user: &User) -> Result<EmailValidation, Error> {
        if user.primary_email_address_validated_at.is_some() {
            return Err(LoginError::NoValidationNeeded.into());
        }
        let (now, login) = (self.clock.utc(), &self.config.login);
        let address = &user.primary_email_address;
        let id: UserId = user.id().parse()?;
        let stored = self.store.record::<EmailValidation>(&EmailValidation::key_of(&id)).await?;
        let asked = stored.as_ref().map(|stored| &stored.value);
        let recently =
            asked.filter(|asked| asked.address == *address).and_then(|asked| asked.created_at);
        if let Some(at) = recently
            && now.since(at.into()) < login.email_validation_retry
        {
            return Err(
                LoginError::ValidationAlreadySent { retry: login.email_validation_retry }.into()
            );
        }
        let (validation_id, token) = api_key::generate(&*self.entropy);
        let validation = EmailValidation {
            id: format!("{id}.{validation_id}"),
            address: address.clone(),
            created_at: Some(now.into()),
            expires_at: Some(now.plus(login.email_validation_ttl).into()),
            updated_at: Some(now.into()),
            user_id: id.to_string(),
            token_hash: self.hasher.hash(&token, API_KEY_ITERATIONS, &*self.entropy).await,
            used: false,
        };
        let replaces =
            stored.map_or(Replaces::Nothing, |stored| Replaces::Revision(stored.revision));
        Transaction::new().put(&validation, replaces).commit(&*self.store).await?;
        let letter = Letter::Validate { id: &validation.id, token: &token };
        self.write_to(user, &letter).await;
        Ok(validation)
    }

    /// Takes the answer of the mail: the address is the user's.
    ///
    /// # Errors
    ///
    /// The answer is wrong, used or too late, or the address is another one by now.
    pub async fn validate_email(&self, validation: &str, token: &str) -> Result<(), Error> {
        let not_found = || LoginError::ValidationNotFound { id: validation.to_owned() };
        let (user, _) = validation.split_once('.').ok_or_else(not_found)?;
        let id: UserId = user.parse().map_err(|_| not_found())?;
        let entity = EntityId::User(id.clone());
        for _ in 0..TRIES {
            let stored =
                self.store.record::<EmailValidation>(&EmailValidation::key_of(&id)).await?;
            let stored = stored.filter(|stored| stored.value.id == validation);
            let Versioned { revision, value: mut asked } = stored.ok_or_else(not_found)?;
            if !self.hasher.verify(token, &asked.token_hash, &*self.clock).await {
                return Err(not_found().into());
            }
            if asked.used {
                return Err(LoginError::ValidationUsed { id: validation.to_owned() }.into());
            }
            let now = self.clock.utc();
            let mut user = self.live::<User>(&entity).await?;
            if is_past(asked.expires_at, now) || user.value.primary_email_address != asked.address {
                return Err(LoginError::ValidationExpired { id: validation.to_owned() }.into());
            }
            asked.used = true;
            let deed = Deed::new(Action::EntityUpdate, &entity).before(&user.value);
            user.value.primary_email_address_validated_at = Some(now.into());
            let write = Transaction::new()
                .put(&asked, Replaces::Revision(revision))
                .put(&user.value, Replaces::Revision(user.revision));
            let caller = super::sessions::user_principal(&id);
            let write = self.remember(write, &caller, deed.after(&user.value)).await?;
            match write.commit(&*self.store).await {
                Ok(_) => {
                    let fields = vec!["primary_email_address_validated_at"];
                    let fields = serde_json::Value::from(fields);
                    self.publish(&caller, &event::USER.update, &entity, fields);
                    return Ok(());
                }
                Err(WriteError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(contention(&entity))
    }
}

impl Sortable for Invitation {
    fn compare(&self, _other: &Self, _field: &str) -> std::cmp::Ordering {
        std::cmp::Ordering::Equal
    }
}

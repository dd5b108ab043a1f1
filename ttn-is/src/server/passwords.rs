//! Passwords: checked, changed, replaced for a while (IS-28, IS-35 to IS-37).

use std::sync::Arc;

use ttn_core::{
    auth::Principal,
    event::EventCaller,
    id::{EntityId, UserId},
    store::Replaces,
};

use super::{
    IdentityServer, TRIES, kind::Entity as _, lifecycle::contention, notifications::Told,
    sessions::user_principal,
};
use crate::{
    access::{is_full_admin, require_known},
    auth::{LoginError, PasswordRule, hash, password},
    email::{Letter, address, mail},
    error::{AdminOnly, Error},
    event,
    record::{User, is_past},
    rights,
    store::{Transaction, WriteError},
};

impl IdentityServer {
    /// Checks a user's password and state, and hashes the password anew if it is hashed as of old. Without a user, a hash
    /// is computed all the same: the time does not tell who exists.
    pub(crate) async fn check_login(
        &self,
        user: Option<&User>,
        password: &str,
    ) -> Result<(), Error> {
        let stored = user.map_or(hash::NO_PASSWORD, |user| user.password_hash.as_str());
        let fits = self.hasher.verify_password(password, stored).await;
        let Some(user) = user.filter(|_| fits) else {
            return Err(LoginError::NoPasswordMatch.into());
        };
        require_login_state(user)?;
        if hash::is_outdated(&user.password_hash) {
            self.rehash(user, password).await?;
        }
        Ok(())
    }

    async fn rehash(&self, user: &User, password: &str) -> Result<(), Error> {
        let entity = user.entity()?;
        let mut stored = self.live::<User>(&entity).await?;
        if stored.value.password_hash != user.password_hash {
            return Ok(());
        }
        stored.value.password_hash = self.hasher.hash_password(password, &*self.entropy).await;
        let write = Transaction::new().put(&stored.value, Replaces::Revision(stored.revision));
        match write.commit(&*self.store).await {
            // Somebody else changed the user meanwhile: the next login tries again.
            Ok(_) | Err(WriteError::Conflict { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Changes a user's password; the old one, or a temporary one, is checked (IS-36). With `revoke_all_access` all his
    /// sessions end, and OAuth clients may do nothing for him until he lets them again.
    ///
    /// # Errors
    ///
    /// The caller lacks the right; the old password is wrong; the new one is the old one or too weak.
    pub async fn update_password(
        &self,
        caller: &Principal,
        id: &UserId,
        old: &str,
        new: &str,
        revoke_all_access: bool,
    ) -> Result<(), Error> {
        let entity = EntityId::User(id.clone());
        require_known(caller)?;
        if !is_full_admin(caller) {
            self.authorize(caller, &entity, &[User::KIND.settings]).await?;
        }
        self.replace_password(caller, id, old, new, revoke_all_access).await
    }

    /// As [`Self::update_password`], by whoever knows the old password: nobody else can.
    pub(crate) async fn replace_password(
        &self,
        caller: &Principal,
        id: &UserId,
        old: &str,
        new: &str,
        revoke_all_access: bool,
    ) -> Result<(), Error> {
        let entity = EntityId::User(id.clone());
        for _ in 0..TRIES {
            let mut stored = self.live::<User>(&entity).await?;
            let user = &mut stored.value;
            self.check_old(caller, user, old).await?;
            if old == new || self.hasher.verify_password(new, &user.password_hash).await {
                return Err(PasswordRule::EqualsOld.into());
            }
            password::check(&self.config.login.password, new, id.as_str())?;
            user.password_hash = self.hasher.hash_password(new, &*self.entropy).await;
            let now = Some(self.clock.utc().into());
            (user.password_updated_at, user.updated_at) = (now, now);
            user.require_password_update = false;
            user.temporary_password_hash.clear();
            (user.temporary_password_created_at, user.temporary_password_expires_at) = (None, None);
            let mut write = Transaction::new().put(user, Replaces::Revision(stored.revision));
            if revoke_all_access {
                write = self.without_access(id, write).await?;
            }
            match write.commit(&*self.store).await {
                Ok(_) => {
                    let fields = ["password".to_owned(), "password_updated_at".to_owned()];
                    let fields = serde_json::Value::from(fields.to_vec());
                    self.publish(caller, &event::USER.update, &entity, fields);
                    self.write_to(user, &Letter::PasswordChanged).await;
                    self.tell(caller, Told::password(&entity)).await;
                    return Ok(());
                }
                Err(WriteError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(contention(&entity))
    }

    /// Checks that a password is a user's own or his temporary one.
    async fn check_old(&self, caller: &Principal, user: &User, old: &str) -> Result<(), Error> {
        if self.hasher.verify_password(old, &user.password_hash).await {
            return Ok(());
        }
        let temporary = &user.temporary_password_hash;
        if !temporary.is_empty() && self.hasher.verify_password(old, temporary).await {
            if is_past(user.temporary_password_expires_at, self.clock.utc()) {
                return Err(LoginError::TemporaryPasswordExpired.into());
            }
            return Ok(());
        }
        let (entity, data) = (user.entity()?, serde_json::Value::Null);
        self.publish(caller, &event::USER_INCORRECT_PASSWORD, &entity, data);
        Err(Error::OldPassword)
    }

    /// Mails a temporary password to a user: with it he can choose a new one (IS-37). Anybody may ask; who does not exist
    /// is answered the same.
    ///
    /// # Errors
    ///
    /// One that was sent has not ended; the store failed.
    pub async fn create_temporary_password(
        &self,
        caller: &Principal,
        id: &UserId,
    ) -> Result<(), Error> {
        let Some(_) = self.live_user(id).await? else { return Ok(()) };
        let entity = EntityId::User(id.clone());
        for _ in 0..TRIES {
            let mut stored = self.live::<User>(&entity).await?;
            let (user, now) = (&mut stored.value, self.clock.utc());
            let has_one = !user.temporary_password_hash.is_empty();
            if has_one && !is_past(user.temporary_password_expires_at, now) {
                return Err(LoginError::TemporaryPasswordStillValid.into());
            }
            let (_, password) = crate::auth::api_key::generate(&*self.entropy);
            let ttl = self.config.login.temporary_password_ttl;
            user.temporary_password_hash =
                self.hasher.hash_password(&password, &*self.entropy).await;
            user.temporary_password_created_at = Some(now.into());
            user.temporary_password_expires_at = Some(now.plus(ttl).into());
            let write = Transaction::new().put(user, Replaces::Revision(stored.revision));
            match write.commit(&*self.store).await {
                Ok(_) => {
                    let fields = serde_json::Value::from(vec!["temporary_password"]);
                    self.publish(caller, &event::USER.update, &entity, fields);
                    let minutes = ttl.as_secs() / 60;
                    let letter = Letter::TemporaryPassword { password: &password, minutes };
                    self.write_to(user, &letter).await;
                    return Ok(());
                }
                Err(WriteError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(contention(&entity))
    }

    /// Mails a temporary password to whom an id or an e-mail address names, if anybody.
    ///
    /// # Errors
    ///
    /// There were too many attempts; one that was sent has not ended.
    pub async fn forgot_password(&self, user: &str, call: Arc<EventCaller>) -> Result<(), Error> {
        self.limit_guesses(user, Some(&call)).await?;
        let Some(id) = self.named(user).await? else { return Ok(()) };
        let caller = Principal { call: Some(call), ..Principal::anonymous() };
        self.create_temporary_password(&caller, &id).await
    }

    /// Changes the password of whom an id or an e-mail address names, by whoever knows the old or a temporary one. All his
    /// sessions end.
    ///
    /// # Errors
    ///
    /// There were too many attempts; they do not fit; the new password is the old one or too weak.
    pub async fn choose_password(
        &self,
        user: &str,
        old: &str,
        new: &str,
        call: Arc<EventCaller>,
    ) -> Result<(), Error> {
        self.limit_guesses(user, Some(&call)).await?;
        let found = match self.named(user).await? {
            Some(id) => self.live_user(&id).await?.map(|_| id),
            None => None,
        };
        let Some(id) = found else {
            self.hasher.verify_password(old, hash::NO_PASSWORD).await;
            return Err(Error::OldPassword);
        };
        let caller = Principal { call: Some(call), ..user_principal(&id) };
        self.replace_password(&caller, &id, old, new, true).await
    }

    /// Draws what a form has to repeat.
    #[cfg(feature = "grpc")]
    pub(crate) fn draw_csrf(&self) -> String {
        crate::auth::api_key::generate(&*self.entropy).1
    }

    /// Writes a letter to a user.
    pub(crate) async fn write_to(&self, user: &User, letter: &Letter<'_>) {
        self.write_letter(letter, address(user)).await;
    }

    pub(crate) async fn write_letter(&self, letter: &Letter<'_>, to: (&str, &str)) {
        let login = &self.config.login;
        let mail = mail(letter, &login.account_url, &login.network_name, to);
        self.outbox.post(mail).await;
    }

    /// Whether people may register themselves now.
    pub(crate) fn require_registration(&self) -> Result<(), Error> {
        if self.config.registration_enabled {
            return Ok(());
        }
        Err(Error::AdminOnly { what: AdminOnly::CreateUsers })
    }
}

/// Refuses users whose state lets nobody in.
pub(super) fn require_login_state(user: &User) -> Result<(), Error> {
    let state = match user.state {
        rights::STATE_REJECTED => "rejected",
        rights::STATE_SUSPENDED => "suspended",
        _ => return Ok(()),
    };
    let (id, description) = (user.id().to_owned(), user.state_description.clone());
    Err(Error::UserState { id, state, description })
}

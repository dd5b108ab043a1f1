//! Passwords: checked, changed, replaced for a while (IS-28, IS-35 to IS-37).

use std::sync::Arc;

use ttn_core::{
    auth::Principal,
    event::EventCaller,
    id::{EntityId, UserId},
    store::{Replaces, Versioned},
};

use super::{
    IdentityServer, TRIES,
    audit::{Deed, Fields},
    kind::Entity as _,
    lifecycle::contention,
    notifications::Told,
    sessions::user_principal,
};
use crate::{
    access::{is_full_admin, require_known},
    audit::Action,
    auth::{LoginError, PasswordRule, hash, password},
    email::{Letter, address},
    error::{AdminOnly, Error},
    event,
    record::{User, is_past},
    rights,
    store::{IdentityStoreExt as _, Transaction, WriteError},
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
            let fields = Fields::default().set("revoke_all_access", revoke_all_access);
            let deed = Deed::new(Action::PasswordUpdate, &entity).with(fields);
            write = self.remember(write, caller, deed).await?;
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
        // Without one as well, so that the time is that of an account that does not exist.
        let temporary = match &*user.temporary_password_hash {
            "" => hash::NO_PASSWORD,
            temporary => temporary,
        };
        if self.hasher.verify_password(old, temporary).await {
            if is_past(user.temporary_password_expires_at, self.clock.utc()) {
                return Err(LoginError::TemporaryPasswordExpired.into());
            }
            return Ok(());
        }
        let (entity, data) = (user.entity()?, serde_json::Value::Null);
        self.publish(caller, &event::USER_INCORRECT_PASSWORD, &entity, data);
        let is_proven = caller.call.as_ref().is_none_or(|call| !call.token_type.is_empty());
        let caller = if is_proven { caller.clone() } else { nobody(caller.call.clone()) };
        self.refuse_password(user.id(), &caller).await?;
        Err(Error::OldPassword)
    }

    /// Mails a temporary password to a user: with it he can choose a new one (IS-37). Anybody may ask; whether there is such
    /// a user, or one that was sent has not ended, only an administrator is told.
    ///
    /// # Errors
    ///
    /// There were too many attempts; an administrator asks and one that was sent has not ended; the store failed.
    pub async fn create_temporary_password(
        &self,
        caller: &Principal,
        id: &UserId,
    ) -> Result<(), Error> {
        let is_admin = is_full_admin(caller);
        if !is_admin {
            self.limit_guesses(id.as_str(), caller.call.as_deref()).await?;
        }
        let is_sent = self.send_temporary_password(caller, id.as_str(), Some(id)).await?;
        if is_admin && !is_sent {
            let entity = EntityId::User(id.clone());
            self.live::<User>(&entity).await?;
            return Err(LoginError::TemporaryPasswordStillValid.into());
        }
        Ok(())
    }

    /// Mails a temporary password to whom an id or an e-mail address names, if anybody.
    ///
    /// # Errors
    ///
    /// There were too many attempts; the store failed.
    pub async fn forgot_password(&self, user: &str, call: Arc<EventCaller>) -> Result<(), Error> {
        self.limit_guesses(user, Some(&call)).await?;
        let id = self.named(user).await?;
        self.send_temporary_password(&nobody(Some(call)), user, id.as_ref()).await.map(drop)
    }

    /// Mails a temporary password to a user who exists and has none. It hashes and writes whoever exists.
    async fn send_temporary_password(
        &self,
        caller: &Principal,
        named: &str,
        id: Option<&UserId>,
    ) -> Result<bool, Error> {
        let (_, password) = crate::auth::api_key::generate(&*self.entropy);
        let hash = self.hasher.hash_password(&password, &*self.entropy).await;
        let (now, ttl) = (self.clock.utc(), self.config.login.temporary_password_ttl);
        let key = id.map_or("-", UserId::as_str);
        for _ in 0..TRIES {
            let stored = self.store.record::<User>(key).await?;
            let mut stored = stored.filter(|Versioned { value: user, .. }| {
                let ended = is_past(user.temporary_password_expires_at, now);
                user.deleted_at.is_none() && (user.temporary_password_hash.is_empty() || ended)
            });
            let write = match &mut stored {
                Some(Versioned { revision, value: user }) => {
                    user.temporary_password_hash.clone_from(&hash);
                    user.temporary_password_created_at = Some(now.into());
                    user.temporary_password_expires_at = Some(now.plus(ttl).into());
                    Transaction::new().put(user, Replaces::Revision(*revision))
                }
                None => Transaction::idle(),
            };
            let deed =
                Deed::on(Action::PasswordTemporary, user_key(id.map_or(named, UserId::as_str)));
            match self.remember(write, caller, deed).await?.commit(&*self.store).await {
                Ok(_) => {}
                Err(WriteError::Conflict { .. }) => continue,
                Err(error) => return Err(error.into()),
            }
            let Some(Versioned { value: user, .. }) = stored else { return Ok(false) };
            let fields = serde_json::Value::from(vec!["temporary_password"]);
            self.publish(caller, &event::USER.update, &user.entity()?, fields);
            let letter =
                Letter::TemporaryPassword { password: &password, minutes: ttl.as_secs() / 60 };
            self.write_to(&user, &letter).await;
            return Ok(true);
        }
        Err(Error::Contention { what: user_key(named) })
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
            // His own and a temporary one.
            self.hasher.verify_password(old, hash::NO_PASSWORD).await;
            self.hasher.verify_password(old, hash::NO_PASSWORD).await;
            self.refuse_password(user, &nobody(Some(call))).await?;
            return Err(Error::OldPassword);
        };
        let caller = Principal { call: Some(call), ..user_principal(&id) };
        self.replace_password(&caller, &id, old, new, true).await
    }

    /// Remembers that the old password of whom this names, who need not exist, was wrong.
    async fn refuse_password(&self, user: &str, caller: &Principal) -> Result<(), Error> {
        self.remember_alone(caller, Deed::on(Action::PasswordRefused, user_key(user))).await
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
        let mail = self.templates.mail(letter, &login.account_url, &login.network_name, to);
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

/// Somebody who has not proven who he is.
pub(super) fn nobody(call: Option<Arc<EventCaller>>) -> Principal {
    Principal { call, ..Principal::anonymous() }
}

/// Whom somebody named, as `user/ID`; nothing of what cannot be an id, for people type passwords there too.
pub(super) fn user_key(named: &str) -> String {
    named.parse::<UserId>().map(|id| format!("user/{id}")).unwrap_or_default()
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

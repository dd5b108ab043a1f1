//! Users (IS-05, IS-06, IS-36).

use ttn_core::{
    auth::Principal,
    id::{EntityId, UserId},
    store::Page,
};

use super::IdentityServer;
use crate::{
    access::{is_full_admin, require_known},
    audit::Action,
    auth::{LoginError, password},
    entity::{self, Query, Search, check_reserved},
    error::{AdminOnly, Error},
    event,
    record::User,
    rights,
    store::{IdentityStoreExt as _, Table, Transaction},
};

use super::{audit::Deed, kind::Entity as _, notifications::Told};

impl IdentityServer {
    /// Creates a user: an administrator anybody, others themselves if registration is enabled (IS-34). Who registers
    /// himself is no administrator, and approved unless an administrator must approve. `invitation` is the token of one, or
    /// empty; whoever has it got it at the address that was invited.
    ///
    /// # Errors
    ///
    /// Registration is disabled, or for those only who are invited; the invitation is wrong;
    /// the id is malformed, reserved or taken; the address is taken or missing; the password
    /// is too weak.
    pub async fn create_user(
        &self,
        caller: &Principal,
        mut user: User,
        password: &str,
        invitation: &str,
    ) -> Result<User, Error> {
        let mut transaction = Transaction::new();
        let mut invited_at = None;
        if !is_full_admin(caller) {
            self.require_registration()?;
            if !invitation.is_empty() {
                let (accepting, found) =
                    self.accept_invitation(invitation, &user.id().parse()?).await?;
                transaction = accepting;
                invited_at = Some(found.email);
            } else if self.config.login.invitation_required {
                return Err(LoginError::InvitationRequired.into());
            }
            user.admin = false;
            user.require_password_update = false;
            user.primary_email_address_validated_at = None;
            user.state_description = String::new();
            user.state = if self.config.registration_admin_approval {
                rights::STATE_REQUESTED
            } else {
                rights::STATE_APPROVED
            };
            let known =
                invited_at.is_some_and(|at| at.eq_ignore_ascii_case(&user.primary_email_address));
            user.primary_email_address_validated_at = known.then(|| self.clock.utc().into());
        }
        // Pictures are taken of users who exist: drawing takes time, and anybody may register.
        user.profile_picture = None;
        let entity = user.entity()?;
        check_reserved(user.id())?;
        check_email(&user.primary_email_address)?;
        password::check(&self.config.login.password, password, user.id())?;
        user.password_hash = self.hasher.hash_password(password, &*self.entropy).await;
        user.password_updated_at = Some(self.clock.utc().into());
        let room = self.room_for::<User>().await?;
        let deed = Deed::new(Action::EntityCreate, &entity).after(&user);
        let transaction = self.remember(transaction, caller, deed).await?;
        self.insert(&mut user, &entity, transaction).await?;
        drop(room);
        self.publish(caller, &event::USER.create, &entity, serde_json::Value::Null);
        if user.primary_email_address_validated_at.is_none()
            && let Err(error) = self.ask_for_address(&user).await
        {
            tracing::warn!(%error, "the question for the address of a new user was not sent");
        }
        if user.state == rights::STATE_REQUESTED && !is_full_admin(caller) {
            self.tell(caller, Told::user_requested(&user, &entity)).await;
        }
        Ok(user)
    }

    /// Reads a user; the caller needs the right to his information.
    ///
    /// # Errors
    ///
    /// The caller lacks the right, or the user does not exist.
    pub async fn user(&self, caller: &Principal, id: &UserId) -> Result<User, Error> {
        let entity = EntityId::User(id.clone());
        self.authorize(caller, &entity, &[User::KIND.info]).await?;
        Ok(self.live(&entity).await?.value)
    }

    /// Reads what everybody may see of a user who is known (IS-03).
    ///
    /// # Errors
    ///
    /// The caller is nobody, or the user does not exist.
    pub async fn user_public(&self, caller: &Principal, id: &UserId) -> Result<User, Error> {
        require_known(caller)?;
        Ok(self.live::<User>(&EntityId::User(id.clone())).await?.value.public())
    }

    /// Lists users. Administrators only.
    ///
    /// # Errors
    ///
    /// The caller is no administrator.
    pub async fn list_users(&self, caller: &Principal, query: &Query) -> Result<Page<User>, Error> {
        require_known(caller)?;
        if !is_full_admin(caller) {
            return Err(Error::AdminOnly { what: AdminOnly::ListUsers });
        }
        let mut users = self.store.records::<User>("").await?;
        users.retain(|user| user.deleted_at.is_some() == query.deleted);
        Ok(entity::page(users, query))
    }

    /// Searches users (IS-52). Administrators only: others find whom they can work with by
    /// [`Self::search_accounts`].
    ///
    /// # Errors
    ///
    /// The caller is no administrator.
    pub async fn search_users(
        &self,
        caller: &Principal,
        search: &Search,
        query: &Query,
    ) -> Result<Page<User>, Error> {
        require_known(caller)?;
        if !is_full_admin(caller) {
            return Err(Error::SearchForbidden);
        }
        let mut users = self.store.records::<User>("").await?;
        users.retain(|user| user.deleted_at.is_some() == query.deleted && search.finds(user));
        Ok(entity::page(users, query))
    }

    /// Changes a user. State, administration and validation are for administrators; the password has its own method.
    ///
    /// # Errors
    ///
    /// The caller lacks the right; the user does not exist or would be no administrator any more and is the last one.
    pub async fn update_user<F>(
        &self,
        caller: &Principal,
        id: &UserId,
        fields: &[String],
        mut change: F,
    ) -> Result<User, Error>
    where
        F: FnMut(&mut User) -> Result<(), Error> + Send,
    {
        let entity = EntityId::User(id.clone());
        self.authorize(caller, &entity, &[User::KIND.settings]).await?;
        let others = self.other_admin(id).await?;
        let is_admin = is_full_admin(caller);
        let mut state = None;
        let updated = self.update_entity(caller, &entity, fields, |user: &mut User| {
            let old = user.clone();
            state = Some(old.state);
            change(user)?;
            check_email(&user.primary_email_address)?;
            if old.email_key() != user.email_key() && !is_admin {
                user.primary_email_address_validated_at = None;
            } else if !is_admin {
                let (was, is) = (
                    old.primary_email_address_validated_at,
                    &mut user.primary_email_address_validated_at,
                );
                if *is != was {
                    return Err(Error::UpdateAdminField {
                        field: "primary_email_address_validated_at",
                    });
                }
            }
            if !is_admin {
                check_admin_fields(&old, user)?;
            }
            let steps_down = old.admin && !(user.admin && user.state == old.state);
            if steps_down && !others {
                return Err(Error::LastAdmin { id: user.id().to_owned() });
            }
            Ok(())
        });
        let updated = updated.await?;
        if state != Some(updated.state) {
            let (state, why) = (updated.state, &updated.state_description);
            self.tell(caller, Told::state(&entity, User::KIND.info, state, why)).await;
        }
        Ok(updated)
    }

    /// Refuses to lose the last administrator.
    pub(crate) async fn keep_an_admin(&self, id: &UserId) -> Result<(), Error> {
        let user = self.live::<User>(&EntityId::User(id.clone())).await?.value;
        if user.admin && !self.other_admin(id).await? {
            return Err(Error::LastAdmin { id: id.to_string() });
        }
        Ok(())
    }

    /// Whether there is an administrator who can work.
    ///
    /// # Errors
    ///
    /// The store failed.
    pub async fn has_admin(&self) -> Result<bool, Error> {
        self.other_admin_than("").await
    }

    /// Whether somebody else is an administrator who can work.
    async fn other_admin(&self, id: &UserId) -> Result<bool, Error> {
        self.other_admin_than(id.as_str()).await
    }

    async fn other_admin_than(&self, id: &str) -> Result<bool, Error> {
        let users = self.store.records::<User>("").await?;
        Ok(users.iter().any(|user| {
            user.admin
                && user.id() != id
                && user.deleted_at.is_none()
                && user.state == rights::STATE_APPROVED
        }))
    }

    /// Finds a user by his e-mail address, for logins.
    ///
    /// # Errors
    ///
    /// The store failed.
    pub async fn user_id_by_email(&self, email: &str) -> Result<Option<UserId>, Error> {
        let stored = self.store.text(Table::UserOfEmail, &email.to_lowercase()).await?;
        stored.map(|id| id.value.parse().map_err(Error::from)).transpose()
    }
}

fn check_admin_fields(old: &User, new: &User) -> Result<(), Error> {
    let changed = [
        ("admin", old.admin != new.admin),
        ("state", old.state != new.state),
        ("state_description", old.state_description != new.state_description),
        ("require_password_update", old.require_password_update != new.require_password_update),
    ];
    match changed.into_iter().find(|(_, changed)| *changed) {
        Some((field, _)) => Err(Error::UpdateAdminField { field }),
        None => Ok(()),
    }
}

pub(super) fn check_email(email: &str) -> Result<(), Error> {
    let valid = email.len() <= EMAIL_LENGTH_MAX
        && email.split_once('@').is_some_and(|(local, domain)| {
            !local.is_empty() && !domain.is_empty() && !domain.contains('@')
        })
        && !email.chars().any(|c| c.is_whitespace() || c.is_control());
    if valid {
        Ok(())
    } else {
        let reason = "must be an e-mail address";
        Err(Error::InvalidField { field: "primary_email_address", reason })
    }
}

const EMAIL_LENGTH_MAX: usize = 254;

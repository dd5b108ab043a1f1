//! Who calls, and what he may do (IS-21 to IS-31).

use async_trait::async_trait;
use ttn_core::{
    auth::{AccessDenied, Caller, Credentials, Principal, Right, Rights, same_secret},
    id::{EntityId, UserId},
    peer::{Access, PeerError},
};

use crate::{
    auth::{
        LoginError,
        api_key::{Token, TokenKind},
        oauth::OAuthError,
    },
    entity::{Account, entity_key, entity_of_key},
    error::Error,
    record::{ApiKey, Membership, Organization, User, rights_of_numbers},
    rights,
    server::IdentityServer,
    store::IdentityStoreExt as _,
};

impl IdentityServer {
    /// Finds out who calls.
    ///
    /// # Errors
    ///
    /// The credentials are wrong, expired or revoked.
    pub async fn authenticate(&self, credentials: &Credentials) -> Result<Principal, Error> {
        match credentials {
            Credentials::None => Ok(Principal::anonymous()),
            Credentials::ClusterKey(key) => {
                // Every key is compared, so that the time tells nothing.
                let known = self.config.cluster_keys.iter();
                let fits = known.fold(false, |fits, known| same_secret(known, key) | fits);
                if fits { Ok(Principal::cluster()) } else { Err(Error::ClusterKey) }
            }
            Credentials::Bearer(text) => self.authenticate_token(text).await,
            _ => Err(Error::Unsupported { what: "this kind of credentials" }),
        }
    }

    async fn authenticate_token(&self, text: &str) -> Result<Principal, Error> {
        let token = Token::parse(text)?;
        match token.kind {
            TokenKind::Access => return self.by_access_token(token.id, token.secret).await,
            TokenKind::ApiKey => {}
            TokenKind::Session => {
                let session = self.session_of(token.id, token.secret).await?;
                return self.by_password(session.user_id()).await;
            }
            // They are for the token endpoint alone.
            TokenKind::Code | TokenKind::Refresh => return Err(Error::Token),
        }
        let key = self.store.record::<ApiKey>(token.id).await?.ok_or(Error::ApiKeyUnknown)?;
        self.check_key(&key.value, token.secret).await?;
        let key = self.note_use(key).await?;
        let entity = entity_of_key(&key.entity).ok_or(Error::ApiKeyUnknown)?;
        let mut rights = key.rights();
        let (mut is_admin, mut universal) = (false, Rights::NONE);
        match &entity {
            EntityId::User(id) => {
                let user = self.live_user(id).await?.ok_or(Error::ApiKeyUnknown)?;
                (rights, is_admin, universal) = self.in_the_name_of(&user, rights);
            }
            EntityId::Organization(id) => {
                let organization = self.store.record::<Organization>(id.as_str()).await?;
                let organization = organization.ok_or(Error::ApiKeyUnknown)?.value;
                if organization.deleted_at.is_some() {
                    return Err(Error::ApiKeyUnknown);
                }
            }
            _ => {}
        }
        Ok(Principal {
            caller: Caller::ApiKey { entity, id: key.id, rights },
            is_admin,
            universal,
            call: None,
        })
    }

    /// Checks a user's password (IS-28).
    ///
    /// # Errors
    ///
    /// The password is wrong, nobody has this id, or his state does not allow it.
    pub async fn log_in(&self, id: &UserId, password: &str) -> Result<Principal, Error> {
        let user = self.live_user(id).await?;
        self.check_login(user.as_ref(), password).await?;
        self.by_password(id.as_str()).await
    }

    /// A user who has proven who he is.
    async fn by_password(&self, id: &str) -> Result<Principal, Error> {
        let id: UserId = id.parse()?;
        let user = self.live_user(&id).await?.ok_or(LoginError::SessionEnded)?;
        let is_admin = is_working_admin(&user);
        let universal = if is_admin { self.admin_rights() } else { Rights::NONE };
        Ok(Principal { caller: Caller::User(id), is_admin, universal, call: None })
    }

    /// An OAuth client in the name of a user who let it: it has the rights that he gave, the client still asks for, and his
    /// state leaves him. It is a key of his, as far as rights go.
    async fn by_access_token(&self, id: &str, secret: &str) -> Result<Principal, Error> {
        let grant = self.access_token_of(id, secret).await?;
        let entity = EntityId::User(grant.user_id().parse()?);
        let user = self.live_user(&grant.user_id().parse()?).await?;
        let user = user.ok_or(OAuthError::AccessTokenEnded)?;
        let (rights, is_admin, universal) =
            self.in_the_name_of(&user, rights_of_numbers(&grant.rights));
        let caller = Caller::ApiKey { entity, id: grant.id, rights };
        Ok(Principal { caller, is_admin, universal, call: None })
    }

    /// What remains of rights that a user gave away: on his own entities, whether as an administrator, and on everything.
    fn in_the_name_of(&self, user: &User, rights: Rights) -> (Rights, bool, Rights) {
        let rights = rights.implied().intersection(self.allowed(user));
        let is_admin = is_working_admin(user);
        let universal = if is_admin { self.admin_rights() } else { Rights::NONE };
        (rights, is_admin, universal.intersection(rights))
    }

    /// What the state of a user, and of his address, leaves him (IS-06).
    fn allowed(&self, user: &User) -> Rights {
        let unknown = self.config.login.email_validation_required
            && user.primary_email_address_validated_at.is_none();
        let state = match user.state {
            rights::STATE_APPROVED | rights::STATE_FLAGGED if unknown => rights::STATE_REQUESTED,
            state => state,
        };
        rights::allowed_in_state(state)
    }

    /// Gives a caller's rights on an entity, implied ones included.
    ///
    /// # Errors
    ///
    /// The store failed.
    pub async fn effective_rights(
        &self,
        caller: &Principal,
        entity: &EntityId,
    ) -> Result<Rights, Error> {
        let of_application;
        let entity = match entity {
            EntityId::Device(key) => {
                of_application = EntityId::Application(key.application_id.clone());
                &of_application
            }
            entity => entity,
        };
        let own = match &caller.caller {
            Caller::ApiKey { entity: owner, rights, .. } if owner == entity => rights.implied(),
            Caller::ApiKey { entity: owner, rights, .. } => {
                self.as_member(owner, entity).await?.intersection(rights.implied())
            }
            Caller::User(id) => {
                let Some(user) = self.live_user(id).await? else { return Ok(Rights::NONE) };
                let rights = match entity {
                    EntityId::User(other) if other == id => rights::all(),
                    _ => self.as_member(&EntityId::User(id.clone()), entity).await?,
                };
                rights.intersection(self.allowed(&user))
            }
            _ => Rights::NONE,
        };
        Ok(own.union(caller.universal))
    }

    /// Refuses callers that lack one of `needs`, and gives the rights of the others.
    ///
    /// # Errors
    ///
    /// The caller is nobody or lacks a right, or the store failed.
    pub(crate) async fn authorize(
        &self,
        caller: &Principal,
        entity: &EntityId,
        needs: &[Right],
    ) -> Result<Rights, Error> {
        require_known(caller)?;
        let has = self.effective_rights(caller, entity).await?;
        AccessDenied::check(has, needs, entity)?;
        Ok(has)
    }

    /// The rights of an account on an entity, by itself and through organizations.
    async fn as_member(&self, owner: &EntityId, entity: &EntityId) -> Result<Rights, Error> {
        let account = match owner {
            EntityId::Organization(id) => Account::Organization(id.clone()),
            EntityId::User(id) => Account::User(id.clone()),
            // Applications and gateways are members of nothing.
            _ => return Ok(Rights::NONE),
        };
        let direct = self.membership_rights(entity, &account).await?;
        let mut through = Vec::new();
        if let (Account::User(_), false) = (&account, matches!(entity, EntityId::Organization(_))) {
            for membership in self.organizations_of(&account).await? {
                let Some(EntityId::Organization(id)) = entity_of_key(&membership.entity) else {
                    continue;
                };
                let record = self.store.record::<Organization>(id.as_str()).await?;
                if record.is_none_or(|record| record.value.deleted_at.is_some()) {
                    continue;
                }
                let organization = Account::Organization(id);
                let rights = self.membership_rights(entity, &organization).await?;
                through.push((rights, membership.rights()));
            }
        }
        Ok(rights::effective(direct, &through))
    }

    /// The rights of a membership as given; none without one.
    pub(crate) async fn membership_rights(
        &self,
        entity: &EntityId,
        account: &Account,
    ) -> Result<Rights, Error> {
        let key = format!("{}/{}", entity_key(entity), account.key());
        let membership = self.store.record::<Membership>(&key).await?;
        Ok(membership.map_or(Rights::NONE, |membership| membership.value.rights()))
    }

    pub(crate) async fn live_user(&self, id: &UserId) -> Result<Option<User>, Error> {
        let user = self.store.record::<User>(id.as_str()).await?.map(|user| user.value);
        Ok(user.filter(|user| user.deleted_at.is_none()))
    }

    fn admin_rights(&self) -> Rights {
        if self.config.admin_rights_all { rights::all() } else { Rights::admin() }
    }
}

/// Refuses calls without credentials.
pub(crate) fn require_known(caller: &Principal) -> Result<(), Error> {
    match caller.caller {
        Caller::Anonymous => Err(AccessDenied::Unauthenticated.into()),
        _ => Ok(()),
    }
}

/// The account in whose name a caller acts.
pub(crate) fn own_account(caller: &Principal) -> Option<Account> {
    match &caller.caller {
        Caller::ApiKey { entity: EntityId::User(id), .. } | Caller::User(id) => {
            Some(Account::User(id.clone()))
        }
        Caller::ApiKey { entity: EntityId::Organization(id), .. } => {
            Some(Account::Organization(id.clone()))
        }
        _ => None,
    }
}

/// Whether a caller may do what only administrators may. A key of an administrator that was made with fewer rights does
/// not: somebody gave it away on purpose.
pub(crate) fn is_full_admin(caller: &Principal) -> bool {
    caller.is_admin && caller.universal.contains_all(Rights::admin())
}

pub(crate) const fn is_working_admin(user: &User) -> bool {
    user.admin && matches!(user.state, rights::STATE_APPROVED | rights::STATE_FLAGGED)
}

#[async_trait]
impl Access for IdentityServer {
    async fn principal(&self, credentials: &Credentials) -> Result<Principal, PeerError> {
        Ok(self.authenticate(credentials).await?)
    }

    async fn rights_of(&self, caller: &Principal, entity: &EntityId) -> Result<Rights, PeerError> {
        Ok(self.effective_rights(caller, entity).await?)
    }
}

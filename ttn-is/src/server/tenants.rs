//! The registry of tenants (IS-61).

use std::fmt;

use serde_json::{Map, Value};
use ttn_core::{
    auth::{Caller, Principal, Rights, same_secret},
    id::{EntityId, TenantId, UserId},
    store::{Page, Replaces, Versioned},
};

use super::{IdentityServer, TRIES, audit::Deed, users::check_email};
use crate::{
    access::{is_full_admin, require_known},
    audit::Action,
    auth::password,
    entity::{self, Query, check_reserved, contains},
    error::{AdminOnly, Error},
    record::{Tenant, TenantAdministrator, User},
    rights,
    store::{IdentityStoreExt as _, Table, Transaction, WriteError},
    tenant::TenantHost,
};

/// The first user of a tenant that is created. `Debug` hides the password.
#[derive(Clone, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "built by other crates")]
pub struct NewAdministrator {
    /// The user's id; `admin` if empty.
    pub user_id: String,
    /// His address; `admin@localhost` if empty.
    pub email: String,
    /// His password; drawn if empty.
    pub password: String,
}

/// A tenant that was created. `Debug` hides the password.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewTenant {
    /// The tenant.
    pub tenant: Tenant,
    /// The password of its first user, if it was drawn; it is given once.
    pub password: Option<String>,
}

impl IdentityServer {
    /// Finds out who calls with a tenant admin key.
    ///
    /// # Errors
    ///
    /// The key is none of this server's, or there can be no tenants.
    pub fn tenant_admin(&self, key: &str) -> Result<Principal, Error> {
        self.tenant_host()?;
        // Every key is compared, so that the time tells nothing.
        let known = self.config.tenancy.admin_keys.iter();
        let fits =
            known.fold(false, |fits, known| same_secret(known.as_bytes(), key.as_bytes()) | fits);
        if !fits {
            return Err(Error::TenantAdminKey);
        }
        let caller = Caller::TenantAdmin;
        Ok(Principal { caller, is_admin: false, universal: Rights::NONE, call: None })
    }

    /// Creates a tenant; its network is started then.
    ///
    /// # Errors
    ///
    /// The caller looks after no tenants; the id is malformed, reserved or taken; the configuration, the address or the
    /// password is not sound; there are as many tenants as there may be.
    pub async fn create_tenant(
        &self,
        caller: &Principal,
        mut tenant: Tenant,
        administrator: NewAdministrator,
    ) -> Result<NewTenant, Error> {
        self.require_tenant_admin(caller)?;
        let id: TenantId = tenant.tenant_id.parse()?;
        check_reserved(id.as_str())?;
        if tenant.state == 0 {
            tenant.state = Tenant::APPROVED;
        }
        self.check_tenant(&tenant)?;
        // One by one: the number is bounded.
        let _turn = self.drawing.lock().await;
        let all = self.store.records::<Tenant>("").await?;
        if all.len() >= self.config.tenancy.tenants_max {
            let limit = self.config.tenancy.tenants_max as u64;
            return Err(Error::LimitReached { entity: "tenant", limit });
        }
        let (administrator, password) = self.new_administrator(administrator).await?;
        let now = Some(self.clock.utc().into());
        (tenant.created_at, tenant.updated_at) = (now, now);
        tenant.administrator = Some(administrator);
        let write = Transaction::new().put(&tenant, Replaces::Nothing);
        let deed = deed(Action::EntityCreate, &id).after(&tenant);
        match self.remember(write, caller, deed).await?.commit(&*self.store).await {
            Ok(_) => {}
            Err(WriteError::Conflict { table: Table::Tenant, .. }) => {
                return Err(Error::IdTaken { id: id.to_string() });
            }
            Err(error) => return Err(error.into()),
        }
        self.tenant_host()?.changed(&id);
        Ok(NewTenant { tenant, password })
    }

    /// Reads a tenant.
    ///
    /// # Errors
    ///
    /// The caller looks after no tenants, or there is none of this id.
    pub async fn tenant(&self, caller: &Principal, id: &TenantId) -> Result<Tenant, Error> {
        self.require_tenant_admin(caller)?;
        Ok(self.stored_tenant(id).await?.value)
    }

    /// Lists tenants whose id or name has a text as a part.
    ///
    /// # Errors
    ///
    /// The caller looks after no tenants.
    pub async fn list_tenants(
        &self,
        caller: &Principal,
        text: &str,
        query: &Query,
    ) -> Result<Page<Tenant>, Error> {
        self.require_tenant_admin(caller)?;
        let mut tenants = self.store.records::<Tenant>("").await?;
        tenants.retain(|tenant| contains(tenant.id(), text) || contains(&tenant.name, text));
        Ok(entity::page(tenants, query))
    }

    /// Changes a tenant; `change` may be called more than once.
    ///
    /// # Errors
    ///
    /// The caller looks after no tenants; there is none of this id; what it would become is not sound.
    pub async fn update_tenant(
        &self,
        caller: &Principal,
        id: &TenantId,
        change: impl Fn(&mut Tenant) -> Result<(), Error> + Send + Sync,
    ) -> Result<Tenant, Error> {
        self.require_tenant_admin(caller)?;
        for _ in 0..TRIES {
            let Versioned { revision, value: old } = self.stored_tenant(id).await?;
            let mut tenant = old.clone();
            change(&mut tenant)?;
            tenant.tenant_id.clone_from(&old.tenant_id);
            tenant.administrator.clone_from(&old.administrator);
            tenant.created_at = old.created_at;
            tenant.updated_at = Some(self.clock.utc().into());
            self.check_tenant(&tenant)?;
            let write = Transaction::new().put(&tenant, Replaces::Revision(revision));
            let deed = deed(Action::EntityUpdate, id).before(&old).after(&tenant);
            match self.remember(write, caller, deed).await?.commit(&*self.store).await {
                Ok(_) => {
                    self.tenant_host()?.changed(id);
                    return Ok(tenant);
                }
                Err(WriteError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Contention { what: key(id) })
    }

    /// Deletes a tenant; its network is stopped then, and its data are put aside by whoever runs it.
    ///
    /// # Errors
    ///
    /// The caller looks after no tenants, or there is none of this id.
    pub async fn delete_tenant(&self, caller: &Principal, id: &TenantId) -> Result<(), Error> {
        self.require_tenant_admin(caller)?;
        let Versioned { revision, value: tenant } = self.stored_tenant(id).await?;
        let replaces = Replaces::Revision(revision);
        let write = Transaction::new().delete(Table::Tenant, id.to_string(), replaces);
        let deed = deed(Action::EntityDelete, id).before(&tenant);
        self.remember(write, caller, deed).await?.commit(&*self.store).await?;
        self.tenant_host()?.changed(id);
        Ok(())
    }

    /// Every tenant, for who runs their networks.
    ///
    /// # Errors
    ///
    /// The store failed.
    pub async fn tenants(&self) -> Result<Vec<Tenant>, Error> {
        Ok(self.store.records::<Tenant>("").await?)
    }

    /// Creates the first user of a tenant in the tenant's own network, an administrator. Nothing happens if he exists.
    ///
    /// # Errors
    ///
    /// The id is malformed, or the store failed.
    pub async fn ensure_administrator(&self, first: &TenantAdministrator) -> Result<(), Error> {
        let id: UserId = first.user_id.parse()?;
        if self.store.record::<User>(id.as_str()).await?.is_some() {
            return Ok(());
        }
        let now = Some(self.clock.utc().into());
        let mut user = User {
            password_hash: first.password_hash.clone(),
            password_updated_at: now,
            primary_email_address_validated_at: now,
            state: rights::STATE_APPROVED,
            admin: true,
            ..User::new(&id, &first.primary_email_address)
        };
        let entity = EntityId::User(id.clone());
        let deed = Deed::new(Action::EntityCreate, &entity).after(&user);
        let caller = Principal::cluster();
        let write = self.remember(Transaction::new(), &caller, deed).await?;
        self.insert(&mut user, &entity, write).await?;
        self.publish(&caller, &crate::event::USER.create, &entity, Value::Null);
        Ok(())
    }

    fn tenant_host(&self) -> Result<&dyn TenantHost, Error> {
        self.tenants.as_deref().ok_or(Error::Unsupported { what: "a tenant in this server" })
    }

    fn require_tenant_admin(&self, caller: &Principal) -> Result<(), Error> {
        self.tenant_host()?;
        require_known(caller)?;
        if caller.caller != Caller::TenantAdmin && !is_full_admin(caller) {
            return Err(Error::AdminOnly { what: AdminOnly::ManageTenants });
        }
        Ok(())
    }

    fn check_tenant(&self, tenant: &Tenant) -> Result<(), Error> {
        if !matches!(tenant.state, Tenant::APPROVED | Tenant::SUSPENDED) {
            let reason = "a tenant is approved or suspended";
            return Err(Error::InvalidField { field: "state", reason });
        }
        if tenant.configuration.len() > CONFIGURATION_LENGTH_MAX {
            let reason = "has more than 64 KiB";
            return Err(Error::InvalidField { field: "configuration", reason });
        }
        let configuration = match &*tenant.configuration {
            "" => Map::new(),
            text => serde_json::from_str(text)
                .map_err(|error| Error::TenantConfiguration { reason: error.to_string() })?,
        };
        let checked = self.tenant_host()?.check(&configuration);
        checked.map_err(|reason| Error::TenantConfiguration { reason })
    }

    /// What is stored of a first user, and his password if it was drawn.
    async fn new_administrator(
        &self,
        new: NewAdministrator,
    ) -> Result<(TenantAdministrator, Option<String>), Error> {
        let or = |text: String, default: &str| if text.is_empty() { default.into() } else { text };
        let user_id = or(new.user_id, "admin");
        user_id.parse::<UserId>()?;
        let primary_email_address = or(new.email, "admin@localhost");
        check_email(&primary_email_address)?;
        let (password, drawn) = if new.password.is_empty() {
            let mut secret = [0; 15];
            self.entropy.fill(&mut secret);
            let drawn = data_encoding::BASE32_NOPAD.encode(&secret).to_lowercase();
            (drawn.clone(), Some(drawn))
        } else {
            password::check(&self.config.login.password, &new.password, &user_id)?;
            (new.password, None)
        };
        let password_hash = self.hasher.hash_password(&password, &*self.entropy).await;
        Ok((TenantAdministrator { user_id, primary_email_address, password_hash }, drawn))
    }

    async fn stored_tenant(&self, id: &TenantId) -> Result<Versioned<Tenant>, Error> {
        let stored = self.store.record::<Tenant>(id.as_str()).await?;
        stored.ok_or_else(|| Error::TenantNotFound { id: id.clone() })
    }
}

impl fmt::Debug for NewAdministrator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewAdministrator").field("user_id", &self.user_id).finish_non_exhaustive()
    }
}

impl fmt::Debug for NewTenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewTenant").field("tenant", &self.tenant).finish_non_exhaustive()
    }
}

fn deed(action: Action, id: &TenantId) -> Deed {
    Deed::on(action, key(id))
}

fn key(id: &TenantId) -> String {
    format!("tenant/{id}")
}

const CONFIGURATION_LENGTH_MAX: usize = 64 * 1024;

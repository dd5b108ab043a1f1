//! Lists of entities, by who is a member of what.

use ttn_core::{
    auth::Principal,
    store::{Page, StoreError},
};

use super::{IdentityServer, kind::Entity};
use crate::{
    access::{own_account, require_known},
    entity::{self, Account, Query},
    error::Error,
    record::Membership,
    store::{IdentityStoreExt as _, Table},
};

impl IdentityServer {
    pub(crate) async fn list_entities<E: Entity>(
        &self,
        caller: &Principal,
        collaborator: Option<&Account>,
        query: &Query,
    ) -> Result<Page<E>, Error> {
        require_known(caller)?;
        let own = own_account(caller);
        let everything = collaborator.is_none() && caller.universal.contains(E::KIND.info);
        let all = if everything {
            self.store.records::<E>("").await?
        } else {
            let Some(account) = collaborator.or(own.as_ref()) else {
                return Ok(Page { items: Vec::new(), total: 0 });
            };
            self.require_list::<E>(caller, account).await?;
            let mut keys = self.entities_of(account, &E::TABLE).await?;
            if collaborator.is_none() {
                for membership in self.organizations_of(account).await? {
                    if let Some(organization) = Account::of_key(&membership.entity) {
                        keys.extend(self.entities_of(&organization, &E::TABLE).await?);
                    }
                }
            }
            let mut all = Vec::new();
            for key in keys {
                all.extend(self.store.record::<E>(&key).await?.map(|found| found.value));
            }
            all
        };
        let mut all = all;
        all.retain(|record: &E| record.deleted_at().is_some() == query.deleted);
        let mut page = entity::page(all, query);
        if !everything {
            for record in &mut page.items {
                let rights = self.effective_rights(caller, &record.entity()?).await?;
                if !rights.contains(E::KIND.info) {
                    *record = record.public();
                }
            }
        }
        Ok(page)
    }

    async fn require_list<E: Entity>(
        &self,
        caller: &Principal,
        account: &Account,
    ) -> Result<(), Error> {
        let (user, organization) = E::KIND.list.ok_or(Error::NestedOrganizations)?;
        let needs = match account {
            Account::Organization(_) => organization.ok_or(Error::NestedOrganizations)?,
            Account::User(_) => user,
        };
        self.authorize(caller, &account.entity(), &[needs]).await?;
        Ok(())
    }

    /// The keys of the entities in `table` that an account is a direct member of.
    async fn entities_of(
        &self,
        account: &Account,
        table: &Table,
    ) -> Result<std::collections::BTreeSet<String>, StoreError> {
        let prefix = format!("{}/{}/", account.key(), table.name());
        let rows = self.store.texts(Table::MembershipOfAccount, &prefix).await?;
        Ok(rows
            .iter()
            .filter_map(|(key, _)| key.strip_prefix(&prefix))
            .map(str::to_owned)
            .collect())
    }

    /// The memberships of an account in organizations.
    pub(crate) async fn organizations_of(
        &self,
        account: &Account,
    ) -> Result<Vec<Membership>, StoreError> {
        let mut memberships = Vec::new();
        for id in self.entities_of(account, &Table::Organization).await? {
            let key = format!("organization/{id}/{}", account.key());
            memberships.extend(self.store.record(&key).await?.map(|found| found.value));
        }
        Ok(memberships)
    }
}

//! Lists of entities, by who is a member of what.

use ttn_core::{
    auth::Principal,
    store::{Page, StoreError},
};

use super::{IdentityServer, kind::Entity};
use crate::{
    access::{own_account, require_known},
    entity::{self, Account, Query, Search},
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
        let (everything, mut all) = self.reachable::<E>(caller, collaborator).await?;
        all.retain(|record: &E| record.deleted_at().is_some() == query.deleted);
        let mut page = entity::page(all, query);
        if !everything {
            for record in &mut page.items {
                if !self.may_read(caller, record).await? {
                    *record = record.public();
                }
            }
        }
        Ok(page)
    }

    /// Finds what a caller can reach, in as far as he may read it.
    pub(crate) async fn search_entities<E: Entity>(
        &self,
        caller: &Principal,
        search: &Search,
        query: &Query,
    ) -> Result<Page<E>, Error> {
        require_known(caller)?;
        let everything = caller.universal.contains(E::KIND.info);
        if !everything && own_account(caller).is_none() {
            return Err(Error::SearchForbidden);
        }
        let (everything, all) = self.reachable::<E>(caller, None).await?;
        let mut found = Vec::new();
        for record in all {
            let wanted = record.deleted_at().is_some() == query.deleted;
            if !wanted || !search.finds(&record) {
                continue;
            }
            if everything || self.may_read(caller, &record).await? {
                found.push(record);
            } else {
                found.extend(Some(record.public()).filter(|public| search.finds(public)));
            }
        }
        Ok(entity::page(found, query))
    }

    /// The entities of a collaborator; without one, everything that the caller is a member of. Says whether they are all
    /// that there are, because he may read all.
    async fn reachable<E: Entity>(
        &self,
        caller: &Principal,
        collaborator: Option<&Account>,
    ) -> Result<(bool, Vec<E>), Error> {
        require_known(caller)?;
        if collaborator.is_none() && caller.universal.contains(E::KIND.info) {
            return Ok((true, self.store.records::<E>("").await?));
        }
        let own = own_account(caller);
        let Some(account) = collaborator.or(own.as_ref()) else { return Ok((false, Vec::new())) };
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
        Ok((false, all))
    }

    async fn may_read<E: Entity>(&self, caller: &Principal, record: &E) -> Result<bool, Error> {
        let rights = self.effective_rights(caller, &record.entity()?).await?;
        Ok(rights.contains(E::KIND.info))
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

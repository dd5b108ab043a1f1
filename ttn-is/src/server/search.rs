//! Accounts that may become collaborators, for people who know part of an id (IS-52).

use std::collections::BTreeSet;

use ttn_core::{
    auth::Principal,
    id::{EntityId, OrganizationId, UserId},
};

use super::{IdentityServer, collaborators::collaborators_right};
use crate::{
    access::{is_full_admin, require_known},
    entity::{Account, contains},
    error::Error,
    store::{IdentityStoreExt as _, Table},
};

/// Which accounts are looked for.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_structs, reason = "built by other crates")]
pub struct AccountSearch {
    /// Part of the id.
    pub query: String,
    /// Whether organizations are left out.
    pub only_users: bool,
    /// Only collaborators of an entity.
    pub collaborator_of: Option<EntityId>,
    /// Instead, only those who are none of its collaborators.
    pub complement: bool,
}

impl IdentityServer {
    /// Searches users and organizations by their ids. Who is no administrator needs two characters to find others than
    /// collaborators, and finds ten at most: this is no list of all users.
    ///
    /// # Errors
    ///
    /// The caller is nobody, or may not see the collaborators of the entity.
    pub async fn search_accounts(
        &self,
        caller: &Principal,
        search: &AccountSearch,
    ) -> Result<Vec<Account>, Error> {
        require_known(caller)?;
        let mut members = BTreeSet::new();
        if let Some(entity) = &search.collaborator_of {
            self.authorize(caller, entity, &[collaborators_right(entity)?]).await?;
            let all = self.memberships(entity).await?;
            members.extend(all.iter().filter_map(|member| Account::of_key(&member.account)));
        }
        // Organizations have users only.
        let nested = matches!(search.collaborator_of, Some(EntityId::Organization(_)));
        let only_users = search.only_users || nested;
        let wanted = |account: &Account| {
            contains(account.id(), &search.query)
                && !(only_users && matches!(account, Account::Organization(_)))
        };
        if search.collaborator_of.is_some() && !search.complement {
            return Ok(members.into_iter().filter(wanted).collect());
        }
        let limit = match is_full_admin(caller) {
            true => ACCOUNTS_MAX,
            false if search.query.chars().count() < QUERY_LENGTH_MIN => return Ok(Vec::new()),
            false => ACCOUNTS_OF_STRANGERS_MAX,
        };
        let mut found = Vec::new();
        for (id, _) in self.store.texts(Table::Account, "").await? {
            if found.len() == limit {
                break;
            }
            if contains(&id, &search.query)
                && let Some(account) = self.live_account(&id).await?
                && wanted(&account)
                && !members.contains(&account)
            {
                found.push(account);
            }
        }
        Ok(found)
    }

    /// The user or the organization with an id, if there is one.
    async fn live_account(&self, id: &str) -> Result<Option<Account>, Error> {
        let accounts = [
            UserId::new(id).ok().map(Account::User),
            OrganizationId::new(id).ok().map(Account::Organization),
        ];
        for account in accounts.into_iter().flatten() {
            match self.require_account(&account).await {
                Ok(()) => return Ok(Some(account)),
                Err(Error::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }
}

/// How many accounts a search gives.
const ACCOUNTS_MAX: usize = 1000;
/// How many to those who are no administrators.
const ACCOUNTS_OF_STRANGERS_MAX: usize = 10;
/// How many characters of an id they must know.
const QUERY_LENGTH_MIN: usize = 2;

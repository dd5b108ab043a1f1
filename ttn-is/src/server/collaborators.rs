//! Members of applications, gateways and organizations (IS-23, IS-25).

use ttn_core::{
    auth::{Principal, Right, Rights},
    id::EntityId,
    store::{Page, Replaces, Versioned},
};

use super::{
    IdentityServer, TRIES, api_keys::require_change, audit::Deed, kind::Kind,
    lifecycle::contention, notifications::Told, purge::delete_membership,
};
use crate::{
    audit::Action,
    entity::{Account, Query, entity_key},
    error::Error,
    record::{Membership, Record as _},
    rights,
    store::{IdentityStoreExt as _, Table, Transaction, WriteError},
};

impl IdentityServer {
    /// Gives a caller's rights on an entity that exists.
    ///
    /// # Errors
    ///
    /// The caller is nobody, or the store failed.
    pub async fn list_rights(
        &self,
        caller: &Principal,
        entity: &EntityId,
    ) -> Result<Rights, Error> {
        crate::access::require_known(caller)?;
        self.effective_rights(caller, entity).await
    }

    /// Reads the rights of a collaborator, as given.
    ///
    /// # Errors
    ///
    /// The caller lacks the right, or the account is no collaborator.
    pub async fn collaborator(
        &self,
        caller: &Principal,
        entity: &EntityId,
        account: &Account,
    ) -> Result<Rights, Error> {
        self.authorize(caller, entity, &[collaborators_right(entity)?]).await?;
        let membership = self.membership(entity, account).await?;
        let not_found =
            || Error::MembershipNotFound { entity: entity.clone(), account: account.clone() };
        Ok(membership.ok_or_else(not_found)?.value.rights())
    }

    /// Lists collaborators with their rights, as given.
    ///
    /// # Errors
    ///
    /// The caller lacks the right.
    pub async fn list_collaborators(
        &self,
        caller: &Principal,
        entity: &EntityId,
        query: &Query,
    ) -> Result<Page<(Account, Rights)>, Error> {
        self.authorize(caller, entity, &[collaborators_right(entity)?]).await?;
        let all = self.memberships(entity).await?;
        let members = all.into_iter().filter_map(|membership| {
            Some(Member(Account::of_key(&membership.account)?, membership.rights()))
        });
        let page = crate::entity::page(members.collect(), query);
        let items = page.items.into_iter().map(|Member(account, rights)| (account, rights));
        Ok(Page { items: items.collect(), total: page.total })
    }

    /// Sets the rights of a collaborator; no rights remove him. Nobody gives or takes rights that he lacks, and
    /// somebody with all rights must remain.
    ///
    /// # Errors
    ///
    /// The caller lacks a right; the account does not exist; nobody with all rights would remain.
    pub async fn set_collaborator(
        &self,
        caller: &Principal,
        entity: &EntityId,
        account: &Account,
        new: Rights,
    ) -> Result<(), Error> {
        let kind = Kind::require(entity)?;
        let right = collaborators_right(entity)?;
        let has = self.authorize(caller, entity, &[right]).await?;
        if let (EntityId::Organization(_), Account::Organization(_)) = (entity, account) {
            return Err(Error::NestedOrganizations);
        }
        self.require_entity(entity).await?;
        if !new.is_empty() {
            self.require_account(account).await?;
        }
        for _ in 0..TRIES {
            let old = self.membership(entity, account).await?;
            let old_rights = old.as_ref().map_or(Rights::NONE, |old| old.value.rights());
            require_change(has, old_rights, new)?;
            let replaces = old.map_or(Replaces::Nothing, |old| Replaces::Revision(old.revision));
            let membership = Membership::new(entity, account, new);
            let deed = deed(entity, account, old_rights, &membership);
            let mut transaction = Transaction::new();
            if rights::owns(old_rights, kind.all) && !rights::owns(new, kind.all) {
                transaction = self.keep_an_owner(entity, account, kind.all, transaction).await?;
            }
            let (transaction, event) = if new.is_empty() {
                let transaction = transaction.and(self.require_no_contact(entity, account).await?);
                let delete = delete_membership(transaction, &membership, replaces);
                (delete, kind.events.collaborators.as_ref().map(|events| &events.delete))
            } else {
                let key = membership.key_of_account();
                let put = transaction.put(&membership, replaces);
                let put = put.set(Table::MembershipOfAccount, key, Vec::new(), Replaces::Any);
                (put, kind.events.collaborators.as_ref().map(|events| &events.update))
            };
            let transaction = self.remember(transaction, caller, deed).await?;
            match transaction.commit(&*self.store).await {
                Ok(_) => {
                    if let Some(event) = event {
                        self.publish(caller, event, entity, serde_json::Value::Null);
                    }
                    self.tell(caller, Told::collaborator(entity, right, account, new)).await;
                    return Ok(());
                }
                Err(WriteError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(contention(entity))
    }

    /// Removes a collaborator.
    ///
    /// # Errors
    ///
    /// As [`Self::set_collaborator`], and he is none.
    pub async fn delete_collaborator(
        &self,
        caller: &Principal,
        entity: &EntityId,
        account: &Account,
    ) -> Result<(), Error> {
        self.collaborator(caller, entity, account).await?;
        self.set_collaborator(caller, entity, account, Rights::NONE).await
    }

    /// Makes a transaction depend on somebody else who keeps all rights: of two owners who remove each other at the
    /// same time, one fails.
    async fn keep_an_owner(
        &self,
        entity: &EntityId,
        leaving: &Account,
        all: Right,
        transaction: Transaction,
    ) -> Result<Transaction, Error> {
        for membership in self.memberships(entity).await? {
            if membership.account == leaving.key() || !rights::owns(membership.rights(), all) {
                continue;
            }
            let key = membership.key();
            let Some(again) = self.store.record::<Membership>(&key).await? else { continue };
            if rights::owns(again.value.rights(), all) {
                let replaces = Replaces::Revision(again.revision);
                return Ok(transaction.check(Table::Membership, key, replaces));
            }
        }
        Err(Error::NeedsCollaborator { entity: entity.clone() })
    }

    async fn membership(
        &self,
        entity: &EntityId,
        account: &Account,
    ) -> Result<Option<Versioned<Membership>>, Error> {
        let key = format!("{}/{}", entity_key(entity), account.key());
        Ok(self.store.record(&key).await?)
    }

    pub(crate) async fn memberships(&self, entity: &EntityId) -> Result<Vec<Membership>, Error> {
        Ok(self.store.records(&format!("{}/", entity_key(entity))).await?)
    }
}

fn deed(entity: &EntityId, account: &Account, old: Rights, new: &Membership) -> Deed {
    let old = Membership::new(entity, account, old);
    let action = match new.rights.as_slice() {
        [] => Action::CollaboratorDelete,
        _ => Action::CollaboratorUpdate,
    };
    Deed::new(action, entity).subject(account.kind(), account.id()).before(&old).after(new)
}

struct Member(Account, Rights);

impl crate::entity::Sortable for Member {
    fn compare(&self, other: &Self, field: &str) -> std::cmp::Ordering {
        match field {
            "id" => self.0.id().cmp(other.0.id()),
            "rights" => self.1.iter().count().cmp(&other.1.iter().count()),
            _ => std::cmp::Ordering::Equal,
        }
    }
}

pub(super) fn collaborators_right(entity: &EntityId) -> Result<Right, Error> {
    let unsupported = Error::Unsupported { what: "collaborators of this kind of entity" };
    Kind::require(entity)?.collaborators.ok_or(unsupported)
}

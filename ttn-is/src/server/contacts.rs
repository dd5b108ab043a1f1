//! Entities that are there, and their contacts (IS-19).

use std::collections::BTreeSet;

use ttn_core::{
    auth::Principal,
    id::EntityId,
    store::{Replaces, Versioned},
};

use super::{
    IdentityServer,
    kind::{Entity, for_kind},
};
use crate::{
    access::{is_full_admin, own_account},
    entity::{Account, entity_key},
    error::Error,
    record::{Membership, Record as _},
    store::{IdentityStoreExt as _, Table, Transaction},
};

impl IdentityServer {
    /// Reads an entity that exists and is not deleted.
    pub(crate) async fn live<E: Entity>(&self, entity: &EntityId) -> Result<Versioned<E>, Error> {
        let stored = self.store.record::<E>(&entity.uid()).await?;
        let lives = stored.filter(|stored| stored.value.deleted_at().is_none());
        lives.ok_or_else(|| Error::NotFound { entity: entity.clone() })
    }

    /// Fails if an entity does not exist or is deleted. A device counts as its application.
    pub(crate) async fn require_entity(&self, entity: &EntityId) -> Result<(), Error> {
        for_kind!(entity, E => self.live::<E>(entity).await.map(drop))
    }

    pub(crate) async fn require_account(&self, account: &Account) -> Result<(), Error> {
        self.require_entity(&account.entity()).await
    }

    /// New contacts must be collaborators, and oneself if others may not be set. Gives what must hold until the write.
    pub(crate) async fn check_contacts<E: Entity>(
        &self,
        caller: &Principal,
        entity: &EntityId,
        record: &mut E,
        before: &mut E,
    ) -> Result<Transaction, Error> {
        let mut changed = BTreeSet::new();
        if let (Some(new), Some(old)) = (record.contacts(), before.contacts()) {
            for (new, old) in [(new.0, old.0), (new.1, old.1)] {
                if let Some(ids) = new.as_ref().filter(|_| *new != *old) {
                    changed.insert(Account::of_ids(ids).ok_or(NO_CONTACT)?);
                }
            }
        }
        let mut checks = Transaction::new();
        for contact in changed {
            let key = format!("{}/{}", entity_key(entity), contact.key());
            let Some(membership) = self.store.record::<Membership>(&key).await? else {
                return Err(Error::ContactNoCollaborator { contact });
            };
            let others = self.config.set_others_as_contacts || is_full_admin(caller);
            if !others && own_account(caller).as_ref() != Some(&contact) {
                return Err(Error::ContactRestricted);
            }
            checks = checks.check(Table::Membership, key, Replaces::Revision(membership.revision));
        }
        Ok(checks)
    }

    /// Fails if an account is a contact of an entity; gives what must hold until it is removed.
    pub(crate) async fn require_no_contact(
        &self,
        entity: &EntityId,
        account: &Account,
    ) -> Result<Transaction, Error> {
        for_kind!(entity, E => {
            let Versioned { revision, value: mut record } = self.live::<E>(entity).await?;
            let contacts = record.contacts().map(|(one, other)| [one.take(), other.take()]);
            for ids in contacts.into_iter().flatten().flatten() {
                if Account::of_ids(&ids).as_ref() == Some(account) {
                    return Err(Error::CollaboratorIsContact { account: account.clone() });
                }
            }
            let replaces = Replaces::Revision(revision);
            Ok(Transaction::new().check(E::TABLE, entity.uid(), replaces))
        })
    }
}

/// Whose contacts name nobody.
pub(crate) const NO_CONTACT: Error =
    Error::InvalidField { field: "administrative_contact", reason: "names nobody" };

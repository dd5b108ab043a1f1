//! What users are told (IS-54, IS-11).

use std::{collections::BTreeSet, sync::atomic::Ordering};

use prost::Message;
use serde_json::json;
use ttn_core::{
    auth::{Caller, Principal, Right, Rights},
    event::EventData,
    id::{EntityId, UserId},
    store::{Page, Replaces},
    time::Timestamp,
};

use super::{
    IdentityServer, TRIES,
    kind::{Entity as _, for_kind},
    lifecycle::contention,
};
use crate::{
    access::own_account,
    email::{Letter, address},
    entity::{self, Account, Query, Sortable, entity_key},
    error::Error,
    event,
    record::{
        ApiKey, Client, ClientData, CollaboratorData, Notification, Organization, Packed,
        StateData, User, UserData, rights_to_numbers,
    },
    store::{IdentityStoreExt as _, Scan, Table, Transaction, WriteError},
};

/// Something to tell.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "built by the API service")]
pub struct News {
    /// What it is about, such as `api_key_created`.
    pub notification_type: String,
    /// The entity that it is about.
    pub entity: EntityId,
    /// Who did it, if a user did.
    pub sender: Option<UserId>,
    /// What there is to tell.
    pub data: Option<Packed>,
    /// Who is told, as in the API: [`COLLABORATOR`], [`ADMINISTRATIVE_CONTACT`], [`TECHNICAL_CONTACT`].
    pub receivers: Vec<i32>,
    /// Whether they are told by mail, too.
    pub email: bool,
}

/// News of our own: they say who may know.
pub(super) struct Told {
    news: News,
    whom: Whom,
}

enum Whom {
    /// Whoever could see it himself.
    Members(Right),
    /// Whoever could see it himself, and the one it is about.
    MembersAnd(Right, Account),
    Admins,
}

impl Told {
    fn new(kind: &str, entity: &EntityId, whom: Whom, data: Option<Packed>) -> Self {
        let news = News {
            notification_type: kind.to_owned(),
            entity: entity.clone(),
            sender: None,
            data,
            receivers: vec![COLLABORATOR],
            email: true,
        };
        Self { news, whom }
    }

    /// A key was made or changed. Its secrets are not told.
    pub(super) fn api_key(entity: &EntityId, right: Right, key: &ApiKey, is_new: bool) -> Self {
        let kind = if is_new { "api_key_created" } else { "api_key_changed" };
        let key = ApiKey {
            hash: String::new(),
            previous_hash: String::new(),
            previous_until: None,
            entity: String::new(),
            last_used_at: None,
            ..key.clone()
        };
        Self::new(kind, entity, Whom::Members(right), Some(pack("APIKey", &key)))
    }

    pub(super) fn collaborator(
        entity: &EntityId,
        right: Right,
        account: &Account,
        rights: Rights,
    ) -> Self {
        let ids = Some(account.to_ids());
        let data = CollaboratorData { ids, rights: rights_to_numbers(rights) };
        let whom = Whom::MembersAnd(right, account.clone());
        Self::new("collaborator_changed", entity, whom, Some(pack("Collaborator", &data)))
    }

    pub(super) fn client_requested(client: &Client, owner: &Account, entity: &EntityId) -> Self {
        let client = Client { secret_hash: String::new(), ..client.clone() };
        let data = ClientData { client: Some(client), collaborator: Some(owner.to_ids()) };
        let data = Some(pack("CreateClientRequest", &data));
        Self::new("client_requested", entity, Whom::Admins, data)
    }

    pub(super) fn user_requested(user: &User, entity: &EntityId) -> Self {
        let User { ids, created_at, name, description, primary_email_address, state, .. } =
            user.clone();
        let user = User {
            ids,
            created_at,
            name,
            description,
            primary_email_address,
            state,
            ..User::default()
        };
        let data = Some(pack("CreateUserRequest", &UserData { user: Some(user) }));
        Self::new("user_requested", entity, Whom::Admins, data)
    }

    pub(super) fn state(entity: &EntityId, right: Right, state: i32, description: &str) -> Self {
        let data = StateData { state, state_description: description.to_owned() };
        let data = Some(pack("EntityStateChangedNotification", &data));
        Self::new("entity_state_changed", entity, Whom::Members(right), data)
    }

    /// The mail about it is a letter of its own.
    pub(super) fn password(entity: &EntityId) -> Self {
        let mut told = Self::new("password_changed", entity, Whom::Members(User::KIND.info), None);
        told.news.email = false;
        told
    }
}

impl IdentityServer {
    /// Tells users something, and gives the id of what they are told. Other servers of the cluster only.
    ///
    /// # Errors
    ///
    /// The caller is no server of the cluster; the entity does not exist; a receiver is unknown.
    pub async fn create_notification(
        &self,
        caller: &Principal,
        news: News,
    ) -> Result<String, Error> {
        if caller.caller != Caller::Cluster {
            crate::access::require_known(caller)?;
            return Err(Error::ClusterKey);
        }
        self.require_entity(&news.entity).await?;
        let mut users = BTreeSet::new();
        for receiver in &news.receivers {
            match *receiver {
                COLLABORATOR => users.extend(self.members_of(&news.entity, None).await?),
                ADMINISTRATIVE_CONTACT | TECHNICAL_CONTACT => {
                    let contact = self.contact(&news.entity, *receiver).await?;
                    if let Some(account) = contact {
                        users.extend(self.people_of(&account, None).await?);
                    }
                }
                _ => {
                    let reason = "has an unknown receiver";
                    return Err(Error::InvalidField { field: "receivers", reason });
                }
            }
        }
        self.deliver(caller, &news, users).await
    }

    /// Tells what happened here. What fails is noted in the log: what happened has happened.
    pub(super) async fn tell(&self, caller: &Principal, told: Told) {
        let Told { mut news, whom } = told;
        if let Some(Account::User(id)) = own_account(caller) {
            news.sender = Some(id);
        }
        let kind = news.notification_type.clone();
        let told = async {
            let users = match &whom {
                Whom::Admins => self.admins().await?,
                Whom::Members(right) => self.members_of(&news.entity, Some(*right)).await?,
                Whom::MembersAnd(right, account) => {
                    let mut users = self.members_of(&news.entity, Some(*right)).await?;
                    users.extend(self.people_of(account, None).await?);
                    users
                }
            };
            self.deliver(caller, &news, users).await
        };
        if let Err(error) = told.await {
            tracing::warn!(%error, kind, "users were not told what happened");
        }
    }

    /// Lists what a user was told, the latest first; of some statuses only, if any are given.
    ///
    /// # Errors
    ///
    /// The caller lacks the right.
    pub async fn list_notifications(
        &self,
        caller: &Principal,
        user: &UserId,
        statuses: &[i32],
        query: &Query,
    ) -> Result<Page<Notification>, Error> {
        let entity = EntityId::User(user.clone());
        self.authorize(caller, &entity, &[Right::UserNotificationsRead]).await?;
        let mut all = self.store.records::<Notification>(&format!("{user}/")).await?;
        all.retain(|told| statuses.is_empty() || statuses.contains(&told.status));
        all.reverse();
        Ok(entity::page(all, query))
    }

    /// Sets the status of what a user was told. Ids that he was not told of change nothing.
    ///
    /// # Errors
    ///
    /// The caller lacks the right.
    pub async fn update_notifications(
        &self,
        caller: &Principal,
        user: &UserId,
        ids: &[String],
        status: i32,
    ) -> Result<(), Error> {
        let entity = EntityId::User(user.clone());
        self.authorize(caller, &entity, &[Right::UserNotificationsRead]).await?;
        let ids: BTreeSet<_> = ids.iter().collect();
        for _ in 0..TRIES {
            let (mut transaction, mut changes) = (Transaction::new(), 0);
            for id in &ids {
                let found = self.store.record::<Notification>(&format!("{user}/{id}")).await?;
                let Some(mut found) = found.filter(|found| found.value.status != status) else {
                    continue;
                };
                found.value.status = status;
                found.value.status_updated_at = Some(self.clock.utc().into());
                transaction = transaction.put(&found.value, Replaces::Revision(found.revision));
                changes += 1;
            }
            if changes == 0 {
                return Ok(());
            }
            match transaction.commit(&*self.store).await {
                Ok(_) => {
                    let (ids, user) = (json!(ids), json!({ "user_id": user.as_str() }));
                    let data = EventData::message(
                        move || json!({ "receiver_ids": user, "ids": ids, "status": status }),
                    );
                    self.publish(caller, &event::NOTIFICATION_UPDATE_STATUS, &entity, data);
                    return Ok(());
                }
                Err(WriteError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(contention(&entity))
    }

    /// Writes it down for each user, and mails it.
    async fn deliver(
        &self,
        caller: &Principal,
        news: &News,
        users: BTreeSet<UserId>,
    ) -> Result<String, Error> {
        let now = self.clock.utc();
        let id = self.notification_id(now);
        for user in users.into_iter().take(RECEIVERS_MAX) {
            let Some(receiver) = self.live_user(&user).await? else { continue };
            let record = Notification {
                id: id.clone(),
                created_at: Some(now.into()),
                notification_type: news.notification_type.clone(),
                data: news.data.clone(),
                sender_ids: news.sender.as_ref().map(Into::into),
                receivers: news.receivers.clone(),
                email: news.email,
                user_id: user.to_string(),
                entity: entity_key(&news.entity),
                ..Notification::default()
            };
            let write = self.without_oldest(&user).await?.put(&record, Replaces::Any);
            write.commit(&*self.store).await?;
            let (kind, id) = (news.notification_type.clone(), id.clone());
            let data = EventData::message(move || json!({ "id": id, "notification_type": kind }));
            let entity = EntityId::User(user);
            self.publish(caller, &event::NOTIFICATION_CREATE, &entity, data);
            if news.email {
                let (kind, about) = (&*news.notification_type, &news.entity);
                let letter = Letter::Notification { kind, entity: about };
                self.write_letter(&letter, address(&receiver)).await;
            }
        }
        Ok(id)
    }

    /// Makes room for one more.
    async fn without_oldest(&self, user: &UserId) -> Result<Transaction, Error> {
        let limit = NOTIFICATIONS_MAX;
        let scan =
            Scan { table: Table::Notification, prefix: format!("{user}/"), after: None, limit };
        let rows = self.store.scan(&scan).await?;
        let is_full = rows.len() >= limit;
        let oldest = rows.into_iter().next().filter(|_| is_full);
        Ok(oldest.into_iter().fold(Transaction::new(), |transaction, row| {
            transaction.delete(Table::Notification, row.key, Replaces::Any)
        }))
    }

    /// The users who may know: of an application, say, its members who have `needs`.
    async fn members_of(
        &self,
        entity: &EntityId,
        needs: Option<Right>,
    ) -> Result<BTreeSet<UserId>, Error> {
        let entity = match entity {
            EntityId::User(id) => return Ok(BTreeSet::from([id.clone()])),
            EntityId::Device(key) => EntityId::Application(key.application_id.clone()),
            entity => entity.clone(),
        };
        let mut users = BTreeSet::new();
        for membership in self.memberships(&entity).await? {
            let may = needs.is_none_or(|right| membership.rights().implied().contains(right));
            if let Some(account) = Account::of_key(&membership.account).filter(|_| may) {
                users.extend(self.people_of(&account, needs).await?);
            }
        }
        Ok(users)
    }

    /// The user of an account. For an organization its members if it wants so, and otherwise its contacts (IS-11); of
    /// both those only who have `needs` in it.
    async fn people_of(
        &self,
        account: &Account,
        needs: Option<Right>,
    ) -> Result<BTreeSet<UserId>, Error> {
        let id = match account {
            Account::User(id) => return Ok(BTreeSet::from([id.clone()])),
            Account::Organization(id) => id,
        };
        let stored = self.store.record::<Organization>(id.as_str()).await?;
        let Some(organization) = stored.map(|stored| stored.value) else {
            return Ok(BTreeSet::new());
        };
        let contacts = [organization.administrative_contact, organization.technical_contact];
        let contacts: Vec<_> = contacts.iter().flatten().filter_map(Account::of_ids).collect();
        let mut people = BTreeSet::new();
        for membership in self.memberships(&EntityId::Organization(id.clone())).await? {
            let may = needs.is_none_or(|right| membership.rights().implied().contains(right));
            let Some(member) = Account::of_key(&membership.account).filter(|_| may) else {
                continue;
            };
            if (organization.fanout_notifications || contacts.contains(&member))
                && let Account::User(user) = member
            {
                people.insert(user);
            }
        }
        Ok(people)
    }

    async fn contact(&self, entity: &EntityId, which: i32) -> Result<Option<Account>, Error> {
        for_kind!(entity, E => {
            let entity = match entity {
                EntityId::Device(key) => EntityId::Application(key.application_id.clone()),
                entity => entity.clone(),
            };
            let mut record = self.live::<E>(&entity).await?.value;
            let contact = record.contacts().and_then(|(administrative, technical)| {
                if which == TECHNICAL_CONTACT { technical.take() } else { administrative.take() }
            });
            Ok(contact.as_ref().and_then(Account::of_ids))
        })
    }

    async fn admins(&self) -> Result<BTreeSet<UserId>, Error> {
        let users = self.store.records::<User>("").await?;
        let admins = users
            .iter()
            .filter(|user| user.deleted_at.is_none() && crate::access::is_working_admin(user));
        Ok(admins.filter_map(|user| user.id().parse().ok()).collect())
    }
}

impl IdentityServer {
    /// Draws an id: a UUID of version 7 (RFC 9562) with a counter, so that keys are ordered as they were drawn.
    fn notification_id(&self, now: Timestamp) -> String {
        let mut octets = [0; 16];
        self.entropy.fill(&mut octets);
        let millis = u64::try_from(now.unix_nanos() / 1_000_000).unwrap_or(0);
        octets[..6].copy_from_slice(&millis.to_be_bytes()[2..]);
        let [_, high, middle, low] = self.drawn.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        octets[6] = 0x70 | (high & 0x0F);
        octets[7] = middle;
        octets[8] = 0x80 | (low >> 2);
        octets[9] = (low << 6) | (octets[9] & 0x3F);
        let hex = data_encoding::HEXLOWER.encode(&octets);
        [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
    }
}

impl Sortable for Notification {
    /// They are listed by time alone.
    fn compare(&self, _: &Self, _: &str) -> std::cmp::Ordering {
        std::cmp::Ordering::Equal
    }
}

fn pack(name: &str, message: &impl Message) -> Packed {
    let type_url = format!("type.googleapis.com/ttn.lorawan.v3.{name}");
    Packed { type_url, value: message.encode_to_vec() }
}

/// The members of the entity.
pub const COLLABORATOR: i32 = 1;
/// Whom to ask about its administration.
pub const ADMINISTRATIVE_CONTACT: i32 = 3;
/// Whom to ask about its technology.
pub const TECHNICAL_CONTACT: i32 = 4;
/// How many notifications a user keeps; one more, and the oldest is deleted.
const NOTIFICATIONS_MAX: usize = 500;
/// How many users are told the same; the others are not.
const RECEIVERS_MAX: usize = 1000;

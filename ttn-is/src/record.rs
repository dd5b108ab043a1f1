//! What is stored: protobuf of our own, package `ttn.store.v1`.
//!
//! The entities of the Identity Server are records of the API. A field that the API has too bears the API's number and
//! type, so that a record is read from an API message by decoding its octets, and the other way round; a test of
//! `convert` holds both together. Fields of our own count from 1001. Numbers are never used anew.
#![expect(clippy::exhaustive_structs, reason = "built by embedders and by the API services")]

mod audit;
mod client;
mod device;
mod gateway;
mod login;
mod notification;
mod oauth;
mod tenant;
mod user;

pub use audit::AuditEntry;
pub use client::{Client, ClientIds, GRANT_AUTHORIZATION_CODE, GRANT_REFRESH_TOKEN};
pub use device::{Device, DeviceCount, DeviceIds, DeviceVersion, EuiCount, LoraAllianceProfile};
pub use gateway::{Antenna, Gateway, GatewayIds, GatewayVersion, LrFhss, Span};
pub(crate) use login::is_past;
pub use login::{EmailValidation, Invitation, LoginToken, Session};
pub use notification::{Bookmark, Notification, Packed};
pub(crate) use notification::{ClientData, CollaboratorData, StateData, UserData};
pub use oauth::{Authorization, Grant};
pub use tenant::{Tenant, TenantAdministrator, TenantLimits};
pub use user::{ApiKey, ConsolePreferences, DashboardLayouts, SortBy, User, UserIds};

use std::collections::BTreeMap;

use ttn_core::{
    auth::{Right, Rights},
    id::{ApplicationId, EntityId, OrganizationId},
    time::Timestamp,
};

use crate::{entity::Account, store::Table};

/// A record with a table and a key.
pub(crate) trait Record: prost::Message + Default {
    /// The table it is in.
    const TABLE: Table;

    /// Its key.
    fn key(&self) -> String;
}

/// A point in time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, prost::Message)]
pub struct Time {
    /// Seconds since 1970.
    #[prost(int64, tag = "1")]
    pub seconds: i64,
    /// Nanoseconds within the second.
    #[prost(int32, tag = "2")]
    pub nanos: i32,
}

impl From<Timestamp> for Time {
    fn from(time: Timestamp) -> Self {
        let nanos = time.unix_nanos();
        Self {
            seconds: nanos.div_euclid(NANOS),
            nanos: i32::try_from(nanos.rem_euclid(NANOS)).unwrap_or(0),
        }
    }
}

impl From<Time> for Timestamp {
    fn from(time: Time) -> Self {
        Self::from_unix_nanos(
            time.seconds.saturating_mul(NANOS).saturating_add(i64::from(time.nanos)),
        )
    }
}

/// The identifier of a user or an organization: one of both is set.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct AccountIds {
    /// The organization.
    #[prost(message, optional, tag = "1")]
    pub organization_ids: Option<OrganizationIds>,
    /// The user.
    #[prost(message, optional, tag = "2")]
    pub user_ids: Option<UserIds>,
}

/// The identifiers of an organization.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct OrganizationIds {
    /// Its id.
    #[prost(string, tag = "1")]
    pub organization_id: String,
}

/// The identifiers of an application.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ApplicationIds {
    /// Its id.
    #[prost(string, tag = "1")]
    pub application_id: String,
}

impl From<&ApplicationId> for ApplicationIds {
    fn from(id: &ApplicationId) -> Self {
        Self { application_id: id.as_str().to_owned() }
    }
}

impl From<&OrganizationId> for OrganizationIds {
    fn from(id: &OrganizationId) -> Self {
        Self { organization_id: id.as_str().to_owned() }
    }
}

/// An application (IS-07).
#[derive(Clone, PartialEq, prost::Message)]
pub struct Application {
    /// Its identifiers.
    #[prost(message, optional, tag = "1")]
    pub ids: Option<ApplicationIds>,
    /// When it was created.
    #[prost(message, optional, tag = "2")]
    pub created_at: Option<Time>,
    /// When it was changed.
    #[prost(message, optional, tag = "3")]
    pub updated_at: Option<Time>,
    /// When it was deleted; it can be restored for a while.
    #[prost(message, optional, tag = "8")]
    pub deleted_at: Option<Time>,
    /// The name.
    #[prost(string, tag = "4")]
    pub name: String,
    /// The description.
    #[prost(string, tag = "5")]
    pub description: String,
    /// Free attributes.
    #[prost(btree_map = "string, string", tag = "6")]
    pub attributes: BTreeMap<String, String>,
    /// Whom to ask about administration.
    #[prost(message, optional, tag = "10")]
    pub administrative_contact: Option<AccountIds>,
    /// Whom to ask about technology.
    #[prost(message, optional, tag = "11")]
    pub technical_contact: Option<AccountIds>,
    /// The address of the Network Server.
    #[prost(string, tag = "12")]
    pub network_server_address: String,
    /// The address of the Application Server.
    #[prost(string, tag = "13")]
    pub application_server_address: String,
    /// The address of the Join Server.
    #[prost(string, tag = "14")]
    pub join_server_address: String,
    /// How many DevEUIs were issued to it.
    #[prost(uint32, tag = "9")]
    pub dev_eui_counter: u32,
}

impl Application {
    /// Makes an application with an id.
    #[must_use]
    pub fn new(id: &ApplicationId) -> Self {
        Self { ids: Some(id.into()), ..Self::default() }
    }

    /// The id as text.
    #[must_use]
    pub fn id(&self) -> &str {
        self.ids.as_ref().map_or("", |ids| &ids.application_id)
    }
}

impl Record for Application {
    const TABLE: Table = Table::Application;

    fn key(&self) -> String {
        self.id().to_owned()
    }
}

/// An organization (IS-11).
#[derive(Clone, PartialEq, prost::Message)]
pub struct Organization {
    /// Its identifiers.
    #[prost(message, optional, tag = "1")]
    pub ids: Option<OrganizationIds>,
    /// When it was created.
    #[prost(message, optional, tag = "2")]
    pub created_at: Option<Time>,
    /// When it was changed.
    #[prost(message, optional, tag = "3")]
    pub updated_at: Option<Time>,
    /// When it was deleted.
    #[prost(message, optional, tag = "8")]
    pub deleted_at: Option<Time>,
    /// The name.
    #[prost(string, tag = "4")]
    pub name: String,
    /// The description.
    #[prost(string, tag = "5")]
    pub description: String,
    /// Free attributes.
    #[prost(btree_map = "string, string", tag = "6")]
    pub attributes: BTreeMap<String, String>,
    /// Whom to ask about administration.
    #[prost(message, optional, tag = "9")]
    pub administrative_contact: Option<AccountIds>,
    /// Whom to ask about technology.
    #[prost(message, optional, tag = "10")]
    pub technical_contact: Option<AccountIds>,
    /// Whether notifications go on to the members.
    #[prost(bool, tag = "14")]
    pub fanout_notifications: bool,
}

impl Organization {
    /// Makes an organization with an id.
    #[must_use]
    pub fn new(id: &OrganizationId) -> Self {
        Self { ids: Some(id.into()), ..Self::default() }
    }

    /// The id as text.
    #[must_use]
    pub fn id(&self) -> &str {
        self.ids.as_ref().map_or("", |ids| &ids.organization_id)
    }
}

impl Record for Organization {
    const TABLE: Table = Table::Organization;

    fn key(&self) -> String {
        self.id().to_owned()
    }
}

/// What an account may do on an entity (IS-23).
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Membership {
    /// The entity, as `kind/id`.
    #[prost(string, tag = "1001")]
    pub entity: String,
    /// The account, as `kind/id`.
    #[prost(string, tag = "1002")]
    pub account: String,
    /// The rights, as numbers of the API.
    #[prost(int32, repeated, tag = "1003")]
    pub rights: Vec<i32>,
}

impl Membership {
    /// Makes a membership.
    #[must_use]
    pub fn new(entity: &EntityId, account: &Account, rights: Rights) -> Self {
        Self {
            entity: crate::entity::entity_key(entity),
            account: account.key(),
            rights: rights_to_numbers(rights),
        }
    }

    /// The rights as given, without those implied.
    #[must_use]
    pub fn rights(&self) -> Rights {
        rights_of_numbers(&self.rights)
    }

    pub(crate) fn key_of_account(&self) -> String {
        format!("{}/{}", self.account, self.entity)
    }
}

impl Record for Membership {
    const TABLE: Table = Table::Membership;

    fn key(&self) -> String {
        format!("{}/{}", self.entity, self.account)
    }
}

/// A picture, or where to find it.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Picture {
    /// The picture itself.
    #[prost(message, optional, tag = "1")]
    pub embedded: Option<EmbeddedPicture>,
    /// Addresses by size.
    #[prost(btree_map = "uint32, string", tag = "2")]
    pub sizes: BTreeMap<u32, String>,
}

/// A picture as octets.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct EmbeddedPicture {
    /// The media type.
    #[prost(string, tag = "1")]
    pub mime_type: String,
    /// The octets.
    #[prost(bytes = "vec", tag = "2")]
    pub data: Vec<u8>,
}

/// A place on the earth.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct Location {
    /// Degrees north.
    #[prost(double, tag = "1")]
    pub latitude: f64,
    /// Degrees east.
    #[prost(double, tag = "2")]
    pub longitude: f64,
    /// Metres above the sea.
    #[prost(int32, tag = "3")]
    pub altitude: i32,
    /// Metres.
    #[prost(int32, tag = "4")]
    pub accuracy: i32,
    /// Where it comes from, as in the API.
    #[prost(int32, tag = "5")]
    pub source: i32,
}

pub(crate) fn rights_to_numbers(rights: Rights) -> Vec<i32> {
    rights.iter().map(Right::number).collect()
}

pub(crate) fn rights_of_numbers(numbers: &[i32]) -> Rights {
    numbers.iter().filter_map(|number| Right::from_number(*number)).collect()
}

const NANOS: i64 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_before_1970_keep_their_nanoseconds() {
        for nanos in [-1, 0, 1, 1_790_000_000_123_456_789, -5_000_000_001] {
            let time = Timestamp::from_unix_nanos(nanos);
            assert_eq!(Timestamp::from(Time::from(time)), time);
        }
    }
}

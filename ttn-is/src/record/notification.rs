//! What users are told, and what they keep at hand.

use std::fmt;

use ttn_core::id::{EntityId, UserId};

use super::{AccountIds, Client, Record, Time, User, UserIds};
use crate::{entity::entity_key, store::Table};

/// A message with the name of its type, as `google.protobuf.Any` has it.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Packed {
    /// The name of the type, as an address.
    #[prost(string, tag = "1")]
    pub type_url: String,
    /// The message.
    #[prost(bytes = "vec", tag = "2")]
    pub value: Vec<u8>,
}

/// What a user is told (IS-54); each receiver has one of his own. `Debug` gives the id only.
#[derive(Clone, PartialEq, Eq, prost::Message)]
#[prost(skip_debug)]
pub struct Notification {
    /// A UUID that begins with the time: later ones are greater.
    #[prost(string, tag = "1")]
    pub id: String,
    /// When it happened.
    #[prost(message, optional, tag = "2")]
    pub created_at: Option<Time>,
    /// What it is about, such as `api_key_created`.
    #[prost(string, tag = "4")]
    pub notification_type: String,
    /// What there is to tell.
    #[prost(message, optional, tag = "5")]
    pub data: Option<Packed>,
    /// Who did it, if a user did.
    #[prost(message, optional, tag = "6")]
    pub sender_ids: Option<UserIds>,
    /// As whom the user is told, as in the API.
    #[prost(int32, repeated, tag = "8")]
    pub receivers: Vec<i32>,
    /// Whether he is told by mail, too.
    #[prost(bool, tag = "9")]
    pub email: bool,
    /// Whether he has seen it, as in the API.
    #[prost(int32, tag = "10")]
    pub status: i32,
    /// Since when it has that status.
    #[prost(message, optional, tag = "11")]
    pub status_updated_at: Option<Time>,
    /// Whose it is.
    #[prost(string, tag = "1001")]
    pub user_id: String,
    /// What it is about, as `kind/id`.
    #[prost(string, tag = "1002")]
    pub entity: String,
}

impl fmt::Debug for Notification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notification").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Record for Notification {
    const TABLE: Table = Table::Notification;

    fn key(&self) -> String {
        format!("{}/{}", self.user_id, self.id)
    }
}

/// An entity that a user keeps at hand (IS-53).
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Bookmark {
    /// Whose it is.
    #[prost(message, optional, tag = "1")]
    pub user_ids: Option<UserIds>,
    /// When it was made.
    #[prost(message, optional, tag = "3")]
    pub created_at: Option<Time>,
    /// The entity, as `kind/id`.
    #[prost(string, tag = "1001")]
    pub entity: String,
}

impl Bookmark {
    /// Makes a bookmark.
    #[must_use]
    pub fn new(user: &UserId, entity: &EntityId) -> Self {
        Self { user_ids: Some(user.into()), created_at: None, entity: entity_key(entity) }
    }

    /// Whose it is.
    #[must_use]
    pub fn user_id(&self) -> &str {
        self.user_ids.as_ref().map_or("", |ids| &ids.user_id)
    }

    /// The key in [`Table::BookmarkOfEntity`].
    pub(crate) fn key_of_entity(&self) -> String {
        format!("{}/{}", self.entity, self.user_id())
    }
}

impl Record for Bookmark {
    const TABLE: Table = Table::Bookmark;

    fn key(&self) -> String {
        format!("{}/{}", self.user_id(), self.entity)
    }
}

/// The data of `collaborator_changed`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct CollaboratorData {
    #[prost(message, optional, tag = "1")]
    pub(crate) ids: Option<AccountIds>,
    #[prost(int32, repeated, tag = "2")]
    pub(crate) rights: Vec<i32>,
}

/// The data of `client_requested`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ClientData {
    #[prost(message, optional, tag = "1")]
    pub(crate) client: Option<Client>,
    #[prost(message, optional, tag = "2")]
    pub(crate) collaborator: Option<AccountIds>,
}

/// The data of `user_requested`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct UserData {
    #[prost(message, optional, tag = "1")]
    pub(crate) user: Option<User>,
}

/// The data of `entity_state_changed`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct StateData {
    #[prost(int32, tag = "1")]
    pub(crate) state: i32,
    #[prost(string, tag = "2")]
    pub(crate) state_description: String,
}

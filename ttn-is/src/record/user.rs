//! Users and API keys.

use std::{collections::BTreeMap, fmt};

use ttn_core::{auth::Rights, id::UserId};

use super::{AccountIds, Picture, Record, Time, rights_of_numbers};
use crate::store::Table;

/// The identifiers of a user.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct UserIds {
    /// His id.
    #[prost(string, tag = "1")]
    pub user_id: String,
}

impl From<&UserId> for UserIds {
    fn from(id: &UserId) -> Self {
        Self { user_id: id.as_str().to_owned() }
    }
}

/// How a user likes the Console.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ConsolePreferences {
    /// The theme, as in the API.
    #[prost(int32, tag = "1")]
    pub console_theme: i32,
    /// Layouts by kind of page.
    #[prost(message, optional, tag = "2")]
    pub dashboard_layouts: Option<DashboardLayouts>,
    /// Orders by kind of list.
    #[prost(message, optional, tag = "3")]
    pub sort_by: Option<SortBy>,
}

/// Layouts by kind of page, as in the API.
#[derive(Clone, PartialEq, Eq, prost::Message)]
#[expect(missing_docs, reason = "the names are the kinds of pages")]
pub struct DashboardLayouts {
    #[prost(int32, tag = "1")]
    pub api_key: i32,
    #[prost(int32, tag = "2")]
    pub application: i32,
    #[prost(int32, tag = "3")]
    pub collaborator: i32,
    #[prost(int32, tag = "4")]
    pub end_device: i32,
    #[prost(int32, tag = "5")]
    pub gateway: i32,
    #[prost(int32, tag = "6")]
    pub organization: i32,
    #[prost(int32, tag = "7")]
    pub overview: i32,
    #[prost(int32, tag = "8")]
    pub user: i32,
}

/// Orders by kind of list, as in the API.
#[derive(Clone, PartialEq, Eq, prost::Message)]
#[expect(missing_docs, reason = "the names are the kinds of lists")]
pub struct SortBy {
    #[prost(string, tag = "1")]
    pub api_key: String,
    #[prost(string, tag = "2")]
    pub application: String,
    #[prost(string, tag = "3")]
    pub collaborator: String,
    #[prost(string, tag = "4")]
    pub end_device: String,
    #[prost(string, tag = "5")]
    pub gateway: String,
    #[prost(string, tag = "6")]
    pub organization: String,
    #[prost(string, tag = "7")]
    pub user: String,
}

/// A user (IS-05). `Debug` gives the id only.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
pub struct User {
    /// His identifiers.
    #[prost(message, optional, tag = "1")]
    pub ids: Option<UserIds>,
    /// When he was created.
    #[prost(message, optional, tag = "2")]
    pub created_at: Option<Time>,
    /// When he was changed.
    #[prost(message, optional, tag = "3")]
    pub updated_at: Option<Time>,
    /// When he was deleted.
    #[prost(message, optional, tag = "19")]
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
    /// The e-mail address.
    #[prost(string, tag = "8")]
    pub primary_email_address: String,
    /// When the address was found to be his.
    #[prost(message, optional, tag = "9")]
    pub primary_email_address_validated_at: Option<Time>,
    /// The password as a hash.
    #[prost(string, tag = "1001")]
    pub password_hash: String,
    /// When the password was changed.
    #[prost(message, optional, tag = "11")]
    pub password_updated_at: Option<Time>,
    /// A password that lets him choose a new one, as a hash; empty for none (IS-37).
    #[prost(string, tag = "1002")]
    pub temporary_password_hash: String,
    /// When that one was made.
    #[prost(message, optional, tag = "16")]
    pub temporary_password_created_at: Option<Time>,
    /// When it ends.
    #[prost(message, optional, tag = "17")]
    pub temporary_password_expires_at: Option<Time>,
    /// Whether he must change the password.
    #[prost(bool, tag = "12")]
    pub require_password_update: bool,
    /// The state, as in the API (IS-06).
    #[prost(int32, tag = "13")]
    pub state: i32,
    /// Why he is in that state.
    #[prost(string, tag = "20")]
    pub state_description: String,
    /// Whether he is an administrator.
    #[prost(bool, tag = "14")]
    pub admin: bool,
    /// A picture of him.
    #[prost(message, optional, tag = "18")]
    pub profile_picture: Option<Picture>,
    /// How he likes the Console.
    #[prost(message, optional, tag = "25")]
    pub console_preferences: Option<ConsolePreferences>,
}

impl User {
    /// Makes a user with an id and an e-mail address.
    #[must_use]
    pub fn new(id: &UserId, email: &str) -> Self {
        Self { ids: Some(id.into()), primary_email_address: email.to_owned(), ..Self::default() }
    }

    /// The id as text.
    #[must_use]
    pub fn id(&self) -> &str {
        self.ids.as_ref().map_or("", |ids| &ids.user_id)
    }

    /// The key of the address in [`Table::UserOfEmail`].
    pub(crate) fn email_key(&self) -> Option<String> {
        let email = &self.primary_email_address;
        (!email.is_empty()).then(|| email.to_lowercase())
    }
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User").field("id", &self.id()).finish_non_exhaustive()
    }
}

impl Record for User {
    const TABLE: Table = Table::User;

    fn key(&self) -> String {
        self.id().to_owned()
    }
}

/// An API key (IS-26); the secret is kept as a hash. `Debug` gives the id only.
#[derive(Clone, PartialEq, Eq, prost::Message)]
#[prost(skip_debug)]
pub struct ApiKey {
    /// The id part of the token.
    #[prost(string, tag = "1")]
    pub id: String,
    /// The name.
    #[prost(string, tag = "3")]
    pub name: String,
    /// The rights, as numbers of the API.
    #[prost(int32, repeated, tag = "4")]
    pub rights: Vec<i32>,
    /// When it was created.
    #[prost(message, optional, tag = "5")]
    pub created_at: Option<Time>,
    /// When it was changed.
    #[prost(message, optional, tag = "6")]
    pub updated_at: Option<Time>,
    /// When it ends.
    #[prost(message, optional, tag = "7")]
    pub expires_at: Option<Time>,
    /// The secret as a hash.
    #[prost(string, tag = "1001")]
    pub hash: String,
    /// Whose key it is, as `kind/id`.
    #[prost(string, tag = "1002")]
    pub entity: String,
    /// When it was last used, to the hour.
    #[prost(message, optional, tag = "1003")]
    pub last_used_at: Option<Time>,
    /// The secret of before, as a hash.
    #[prost(string, tag = "1004")]
    pub previous_hash: String,
    /// Until when the secret of before is accepted too.
    #[prost(message, optional, tag = "1005")]
    pub previous_until: Option<Time>,
}

impl ApiKey {
    /// The rights as given, without those implied.
    #[must_use]
    pub fn rights(&self) -> Rights {
        rights_of_numbers(&self.rights)
    }

    /// The key in [`Table::ApiKeyOfEntity`].
    pub(crate) fn key_of_entity(&self) -> String {
        format!("{}/{}", self.entity, self.id)
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKey").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Record for ApiKey {
    const TABLE: Table = Table::ApiKey;

    fn key(&self) -> String {
        self.id.clone()
    }
}

/// Whose account it is.
impl From<&UserId> for AccountIds {
    fn from(id: &UserId) -> Self {
        Self { organization_ids: None, user_ids: Some(id.into()) }
    }
}

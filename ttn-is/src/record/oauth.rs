//! What users let OAuth clients do.

use std::fmt;

use super::{ClientIds, Record, Time, UserIds};
use crate::store::Table;

/// What a user lets an OAuth client do in his name (IS-45).
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Authorization {
    /// The user.
    #[prost(message, optional, tag = "1")]
    pub user_ids: Option<UserIds>,
    /// The client.
    #[prost(message, optional, tag = "2")]
    pub client_ids: Option<ClientIds>,
    /// The rights, as numbers of the API.
    #[prost(int32, repeated, tag = "3")]
    pub rights: Vec<i32>,
    /// When he let it for the first time.
    #[prost(message, optional, tag = "4")]
    pub created_at: Option<Time>,
    /// When he let it for the last time.
    #[prost(message, optional, tag = "5")]
    pub updated_at: Option<Time>,
}

impl Authorization {
    /// The client's id.
    #[must_use]
    pub fn client_id(&self) -> &str {
        self.client_ids.as_ref().map_or("", |ids| &ids.client_id)
    }
}

impl Record for Authorization {
    const TABLE: Table = Table::Authorization;

    fn key(&self) -> String {
        let user = self.user_ids.as_ref().map_or("", |ids| &ids.user_id);
        format!("{user}/{}", self.client_id())
    }
}

/// One way of an OAuth client to act for a user: at first a code, then tokens, which change while the id stays. `Debug`
/// gives the id only.
#[derive(Clone, PartialEq, Eq, prost::Message)]
#[prost(skip_debug)]
pub struct Grant {
    /// The user.
    #[prost(message, optional, tag = "1")]
    pub user_ids: Option<UserIds>,
    /// The session in which he let the client.
    #[prost(string, tag = "9")]
    pub user_session_id: String,
    /// The client.
    #[prost(message, optional, tag = "2")]
    pub client_ids: Option<ClientIds>,
    /// The id part of the code and of the tokens.
    #[prost(string, tag = "3")]
    pub id: String,
    /// The rights, as numbers of the API.
    #[prost(int32, repeated, tag = "6")]
    pub rights: Vec<i32>,
    /// When the code, or the last tokens, were made.
    #[prost(message, optional, tag = "7")]
    pub created_at: Option<Time>,
    /// When the code, or the access token, ends.
    #[prost(message, optional, tag = "8")]
    pub expires_at: Option<Time>,
    /// The secret of the code as a hash. It stays when the code is used: a second use is noticed.
    #[prost(string, tag = "1001")]
    pub code_hash: String,
    /// The redirect URI that the code was asked for with; it may be empty.
    #[prost(string, tag = "1002")]
    pub redirect_uri: String,
    /// The PKCE challenge (method S256); empty without.
    #[prost(string, tag = "1003")]
    pub code_challenge: String,
    /// Whether the code was used.
    #[prost(bool, tag = "1004")]
    pub redeemed: bool,
    /// The secret of the access token as a hash.
    #[prost(string, tag = "1005")]
    pub access_hash: String,
    /// The secret of the refresh token as a hash; empty if there is none.
    #[prost(string, tag = "1006")]
    pub refresh_hash: String,
    /// The part of that secret which stays when tokens are refreshed, as a hash: an old token is told from a wrong one.
    #[prost(string, tag = "1007")]
    pub family_hash: String,
}

impl Grant {
    /// The user's id.
    #[must_use]
    pub fn user_id(&self) -> &str {
        self.user_ids.as_ref().map_or("", |ids| &ids.user_id)
    }

    /// The client's id.
    #[must_use]
    pub fn client_id(&self) -> &str {
        self.client_ids.as_ref().map_or("", |ids| &ids.client_id)
    }

    /// The key in [`Table::GrantOfUser`].
    pub(crate) fn key_of_user(&self) -> String {
        format!("{}/{}/{}", self.user_id(), self.client_id(), self.id)
    }
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grant").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Record for Grant {
    const TABLE: Table = Table::Grant;

    fn key(&self) -> String {
        self.id.clone()
    }
}

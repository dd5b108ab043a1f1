//! OAuth clients.

use std::{collections::BTreeMap, fmt};

use ttn_core::{auth::Rights, id::ClientId};

use super::{AccountIds, Record, Time, rights_of_numbers};
use crate::store::Table;

/// The identifiers of an OAuth client.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ClientIds {
    /// Its id.
    #[prost(string, tag = "1")]
    pub client_id: String,
}

/// An OAuth client (IS-12): a program that acts in the name of users who let it. `Debug` gives the id only.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
pub struct Client {
    /// Its identifiers.
    #[prost(message, optional, tag = "1")]
    pub ids: Option<ClientIds>,
    /// When it was created.
    #[prost(message, optional, tag = "2")]
    pub created_at: Option<Time>,
    /// When it was changed.
    #[prost(message, optional, tag = "3")]
    pub updated_at: Option<Time>,
    /// When it was deleted.
    #[prost(message, optional, tag = "16")]
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
    #[prost(message, optional, tag = "18")]
    pub administrative_contact: Option<AccountIds>,
    /// Whom to ask about technology.
    #[prost(message, optional, tag = "19")]
    pub technical_contact: Option<AccountIds>,
    /// The secret as a hash; empty for a public client, which has none.
    #[prost(string, tag = "1001")]
    pub secret_hash: String,
    /// Where users may be sent back to.
    #[prost(string, repeated, tag = "9")]
    pub redirect_uris: Vec<String>,
    /// Where users may be sent to after they logged out.
    #[prost(string, repeated, tag = "15")]
    pub logout_redirect_uris: Vec<String>,
    /// The state, as in the API (IS-47).
    #[prost(int32, tag = "10")]
    pub state: i32,
    /// Why it is in that state.
    #[prost(string, tag = "17")]
    pub state_description: String,
    /// Whether users are not asked.
    #[prost(bool, tag = "11")]
    pub skip_authorization: bool,
    /// Whether administrators vouch for it.
    #[prost(bool, tag = "12")]
    pub endorsed: bool,
    /// How it may get tokens, as in the API.
    #[prost(int32, repeated, packed = "false", tag = "13")]
    pub grants: Vec<i32>,
    /// The rights that it asks for, as numbers of the API.
    #[prost(int32, repeated, packed = "false", tag = "14")]
    pub rights: Vec<i32>,
}

impl Client {
    /// Makes an OAuth client with an id.
    #[must_use]
    pub fn new(id: &ClientId) -> Self {
        let ids = ClientIds { client_id: id.as_str().to_owned() };
        Self { ids: Some(ids), ..Self::default() }
    }

    /// The id as text.
    #[must_use]
    pub fn id(&self) -> &str {
        self.ids.as_ref().map_or("", |ids| &ids.client_id)
    }

    /// The rights that it asks for, without those implied.
    #[must_use]
    pub fn rights(&self) -> Rights {
        rights_of_numbers(&self.rights)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("id", &self.id()).finish_non_exhaustive()
    }
}

impl Record for Client {
    const TABLE: Table = Table::Client;

    fn key(&self) -> String {
        self.id().to_owned()
    }
}

/// It gets tokens for codes that users brought back.
pub const GRANT_AUTHORIZATION_CODE: i32 = 0;
/// It renews tokens by itself.
pub const GRANT_REFRESH_TOKEN: i32 = 2;

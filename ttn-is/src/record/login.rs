//! What lets people in: sessions, invitations, tokens sent by mail.

use std::fmt;

use ttn_core::{id::UserId, time::Timestamp};

use super::{Record, Time, UserIds};
use crate::store::Table;

macro_rules! hidden_debug {
    ($record:ident, $id:ident) => {
        impl fmt::Debug for $record {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($record))
                    .field(stringify!($id), &self.$id)
                    .finish_non_exhaustive()
            }
        }
    };
}

/// A login of a user (IS-41). `Debug` gives the id only.
#[derive(Clone, PartialEq, Eq, prost::Message)]
#[prost(skip_debug)]
pub struct Session {
    /// Whose it is.
    #[prost(message, optional, tag = "1")]
    pub user_ids: Option<UserIds>,
    /// The id part of its token.
    #[prost(string, tag = "2")]
    pub session_id: String,
    /// When he logged in.
    #[prost(message, optional, tag = "3")]
    pub created_at: Option<Time>,
    /// When it was changed.
    #[prost(message, optional, tag = "4")]
    pub updated_at: Option<Time>,
    /// When it ends.
    #[prost(message, optional, tag = "5")]
    pub expires_at: Option<Time>,
    /// The secret as a hash.
    #[prost(string, tag = "1001")]
    pub secret_hash: String,
}

impl Session {
    /// Whose it is.
    #[must_use]
    pub fn user_id(&self) -> &str {
        self.user_ids.as_ref().map_or("", |ids| &ids.user_id)
    }

    /// The key in [`Table::SessionOfUser`].
    pub(crate) fn key_of_user(&self) -> String {
        format!("{}/{}", self.user_id(), self.session_id)
    }
}

hidden_debug!(Session, session_id);

impl Record for Session {
    const TABLE: Table = Table::Session;

    fn key(&self) -> String {
        self.session_id.clone()
    }
}

/// An invitation to register (IS-39), one per address. `Debug` gives the address only.
#[derive(Clone, PartialEq, Eq, prost::Message)]
#[prost(skip_debug)]
pub struct Invitation {
    /// The address.
    #[prost(string, tag = "1")]
    pub email: String,
    /// The token; who has it may register.
    #[prost(string, tag = "2")]
    pub token: String,
    /// When it ends.
    #[prost(message, optional, tag = "3")]
    pub expires_at: Option<Time>,
    /// When it was sent.
    #[prost(message, optional, tag = "4")]
    pub created_at: Option<Time>,
    /// When it was changed.
    #[prost(message, optional, tag = "5")]
    pub updated_at: Option<Time>,
    /// When somebody registered with it.
    #[prost(message, optional, tag = "6")]
    pub accepted_at: Option<Time>,
    /// Who.
    #[prost(message, optional, tag = "7")]
    pub accepted_by: Option<UserIds>,
    /// Who sent it, as `kind/id`.
    #[prost(string, tag = "1001")]
    pub sender: String,
}

hidden_debug!(Invitation, email);

impl Record for Invitation {
    const TABLE: Table = Table::Invitation;

    fn key(&self) -> String {
        self.email.to_lowercase()
    }
}

/// The question whether an address is a user's (IS-40), one per user. `Debug` gives the id only.
#[derive(Clone, PartialEq, Eq, prost::Message)]
#[prost(skip_debug)]
pub struct EmailValidation {
    /// Names it in the mail.
    #[prost(string, tag = "1")]
    pub id: String,
    /// The address.
    #[prost(string, tag = "3")]
    pub address: String,
    /// When it was sent.
    #[prost(message, optional, tag = "4")]
    pub created_at: Option<Time>,
    /// When it ends.
    #[prost(message, optional, tag = "5")]
    pub expires_at: Option<Time>,
    /// When it was changed.
    #[prost(message, optional, tag = "6")]
    pub updated_at: Option<Time>,
    /// Whose address it is.
    #[prost(string, tag = "1001")]
    pub user_id: String,
    /// The token of the mail as a hash.
    #[prost(string, tag = "1002")]
    pub token_hash: String,
    /// Whether it was answered.
    #[prost(bool, tag = "1003")]
    pub used: bool,
}

impl EmailValidation {
    pub(crate) fn key_of(id: &UserId) -> String {
        id.to_string()
    }
}

hidden_debug!(EmailValidation, id);

impl Record for EmailValidation {
    const TABLE: Table = Table::EmailValidation;

    fn key(&self) -> String {
        self.user_id.clone()
    }
}

/// A token to log in with once (IS-38). `Debug` gives the id only.
#[derive(Clone, PartialEq, Eq, prost::Message)]
#[prost(skip_debug)]
pub struct LoginToken {
    /// Who logs in with it.
    #[prost(message, optional, tag = "1")]
    pub user_ids: Option<UserIds>,
    /// When it was made.
    #[prost(message, optional, tag = "2")]
    pub created_at: Option<Time>,
    /// When it was changed.
    #[prost(message, optional, tag = "3")]
    pub updated_at: Option<Time>,
    /// When it ends.
    #[prost(message, optional, tag = "4")]
    pub expires_at: Option<Time>,
    /// Whether somebody logged in with it.
    #[prost(bool, tag = "6")]
    pub used: bool,
    /// The id part of the token.
    #[prost(string, tag = "1001")]
    pub id: String,
    /// The secret as a hash.
    #[prost(string, tag = "1002")]
    pub secret_hash: String,
}

hidden_debug!(LoginToken, id);

impl Record for LoginToken {
    const TABLE: Table = Table::LoginToken;

    fn key(&self) -> String {
        let user = self.user_ids.as_ref().map_or("", |ids| &ids.user_id);
        format!("{user}/{}", self.id)
    }
}

/// Whether a time has come.
pub(crate) fn is_past(time: Option<Time>, now: Timestamp) -> bool {
    time.is_some_and(|time| Timestamp::from(time) <= now)
}

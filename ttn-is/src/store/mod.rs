//! The storage port of the Identity Server: ordered tables of octets, written atomically.
//!
//! Everything that lists, filters or must be unique is built on these tables by this crate: a unique field is a
//! table whose key is the field; a secondary index is a table whose key starts with the indexed field. A backend
//! knows nothing of entities and needs no migration when they change.

#[cfg(any(test, feature = "testing"))]
pub mod conformance;
mod memory;
mod typed;

pub use memory::MemoryIdentityStore;
pub(crate) use typed::{IdentityStoreExt, Transaction};

use std::fmt;

use async_trait::async_trait;
use ttn_core::store::{Replaces, Revision, StoreError, StoreErrorKind, Versioned};

/// A table. Keys are text, ordered by their octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
#[repr(u8)]
pub enum Table {
    /// Users and organizations by id: they share one namespace.
    Account = 1,
    /// API keys by their id.
    ApiKey = 2,
    /// API keys by the entity they belong to: `kind/id/key`.
    ApiKeyOfEntity = 3,
    /// Applications by id.
    Application = 4,
    /// End devices by `application/device`.
    Device = 5,
    /// How many end devices an application has, by its id.
    DeviceCount = 6,
    /// The keys of end devices by `JoinEUI/DevEUI`.
    DeviceOfEuis = 7,
    /// Gateways by id.
    Gateway = 8,
    /// The ids of gateways by EUI.
    GatewayOfEui = 9,
    /// Memberships by `entity kind/entity id/account kind/account id`.
    Membership = 10,
    /// Memberships by `account kind/account id/entity kind/entity id`.
    MembershipOfAccount = 11,
    /// Organizations by id.
    Organization = 12,
    /// Users by id.
    User = 13,
    /// The ids of users by e-mail address in lower case.
    UserOfEmail = 14,
    /// OAuth clients by id.
    Client = 15,
    /// How many DevEUIs of a block are given out, by the block.
    EuiBlock = 16,
    /// Sessions by their id.
    Session = 17,
    /// Sessions by `user/session`.
    SessionOfUser = 18,
    /// Invitations by e-mail address in lower case.
    Invitation = 19,
    /// Questions whether an address is a user's, by his id.
    EmailValidation = 20,
    /// What users let OAuth clients do, by `user/client`.
    Authorization = 21,
    /// Codes and tokens of OAuth clients by their id.
    Grant = 22,
    /// Codes and tokens of OAuth clients by `user/client/id`.
    GrantOfUser = 23,
    /// What users are told, by `user/notification`.
    Notification = 24,
    /// What users keep at hand, by `user/entity kind/entity id`.
    Bookmark = 25,
    /// Who keeps an entity at hand, by `entity kind/entity id/user`.
    BookmarkOfEntity = 26,
    /// Tokens to log in with, by `user/token`.
    LoginToken = 27,
    /// Who did what, the latest first.
    Audit = 28,
    /// Tenants by id.
    Tenant = 29,
    /// Pictures by the place in their addresses: `directory/picture/size.extension`.
    Picture = 30,
}

impl Table {
    /// Every table.
    pub const ALL: [Self; 30] = [
        Self::Account,
        Self::ApiKey,
        Self::ApiKeyOfEntity,
        Self::Application,
        Self::Device,
        Self::DeviceCount,
        Self::DeviceOfEuis,
        Self::Gateway,
        Self::GatewayOfEui,
        Self::Membership,
        Self::MembershipOfAccount,
        Self::Organization,
        Self::User,
        Self::UserOfEmail,
        Self::Client,
        Self::EuiBlock,
        Self::Session,
        Self::SessionOfUser,
        Self::Invitation,
        Self::EmailValidation,
        Self::Authorization,
        Self::Grant,
        Self::GrantOfUser,
        Self::Notification,
        Self::Bookmark,
        Self::BookmarkOfEntity,
        Self::LoginToken,
        Self::Audit,
        Self::Tenant,
        Self::Picture,
    ];

    /// The number of the table; it never changes.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The name of the table; it never changes.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::ApiKey => "api_key",
            Self::ApiKeyOfEntity => "api_key_of_entity",
            Self::Application => "application",
            Self::Device => "device",
            Self::DeviceCount => "device_count",
            Self::DeviceOfEuis => "device_of_euis",
            Self::Gateway => "gateway",
            Self::GatewayOfEui => "gateway_of_eui",
            Self::Membership => "membership",
            Self::MembershipOfAccount => "membership_of_account",
            Self::Organization => "organization",
            Self::User => "user",
            Self::UserOfEmail => "user_of_email",
            Self::Client => "client",
            Self::EuiBlock => "eui_block",
            Self::Session => "session",
            Self::SessionOfUser => "session_of_user",
            Self::Invitation => "invitation",
            Self::EmailValidation => "email_validation",
            Self::Authorization => "authorization",
            Self::Grant => "grant",
            Self::GrantOfUser => "grant_of_user",
            Self::Notification => "notification",
            Self::Bookmark => "bookmark",
            Self::BookmarkOfEntity => "bookmark_of_entity",
            Self::LoginToken => "login_token",
            Self::Audit => "audit",
            Self::Tenant => "tenant",
            Self::Picture => "picture",
        }
    }
}

/// One row of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "built by stores")]
pub struct Row {
    /// The key.
    pub key: String,
    /// The octets with their revision.
    pub record: Versioned<Vec<u8>>,
}

/// What happens to one key.
#[derive(Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum Write {
    /// Nothing; only the condition is checked.
    Check,
    /// It is deleted; fine if it is not there and the condition allows it.
    Delete,
    /// It is written.
    Put(Vec<u8>),
}

impl fmt::Debug for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Check => f.write_str("Check"),
            Self::Delete => f.write_str("Delete"),
            Self::Put(octets) => write!(f, "Put({} octets)", octets.len()),
        }
    }
}

/// One part of a write. A key occurs at most once per write.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "read by stores")]
pub struct Change {
    /// The table.
    pub table: Table,
    /// The key.
    pub key: String,
    /// What must be there for the whole write to happen.
    pub replaces: Replaces,
    /// What happens to the key.
    pub write: Write,
}

/// A write that did not happen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The condition of a change does not hold. The first one that fails is named.
    #[error("{} {key} was changed by somebody else; read it again", table.name())]
    Conflict {
        /// The table.
        table: Table,
        /// The key.
        key: String,
        /// Whether something is stored there.
        exists: bool,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<WriteError> for StoreError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Conflict { table, key, .. } => {
                Self::new(StoreErrorKind::Conflict, format!("{} {key}", table.name()))
            }
            WriteError::Store(error) => error,
        }
    }
}

/// Which rows a scan gives.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "read by stores")]
pub struct Scan {
    /// The table.
    pub table: Table,
    /// What the keys start with; empty for all.
    pub prefix: String,
    /// Only keys greater than this one; `None` from the start.
    pub after: Option<String>,
    /// How many rows at most; 1 at least.
    pub limit: usize,
}

/// The tables of the Identity Server.
///
/// # Contract
///
/// * [`Self::write`] happens as a whole or not at all: every condition is checked against one state of the store.
/// * What was written is durable when it returns, and every later `get` and `scan` on any handle sees it.
/// * The revision of a key rises with every write, also over its deletion: a revision never comes back.
/// * [`Self::scan`] gives rows in ascending order of the octets of their keys, each state of a row at most once; it
///   need not be one state of the store.
/// * Dropping a call halfway leaves the write done or not done, never half.
///
/// [`conformance`] checks this; a backend is a backend when it passes.
#[async_trait]
pub trait IdentityStore: fmt::Debug + Send + Sync + 'static {
    /// Reads a key; `None` if nothing is there.
    async fn get(&self, table: Table, key: &str) -> Result<Option<Versioned<Vec<u8>>>, StoreError>;

    /// Writes all changes or none, and gives the revision that all of them have.
    async fn write(&self, changes: Vec<Change>) -> Result<Revision, WriteError>;

    /// Reads rows in order.
    async fn scan(&self, scan: &Scan) -> Result<Vec<Row>, StoreError>;
}

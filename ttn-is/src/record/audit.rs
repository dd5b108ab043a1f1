//! Who did what.

use super::{Record, Time};
use crate::store::Table;

/// Something that was done and matters for security. It is never changed.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct AuditEntry {
    /// Its key: of two entries the later one has the smaller.
    #[prost(string, tag = "1")]
    pub id: String,
    /// When it was done.
    #[prost(message, optional, tag = "2")]
    pub time: Option<Time>,
    /// What was done: the name of an [`Action`](crate::audit::Action).
    #[prost(string, tag = "3")]
    pub action: String,
    /// What it was done to, as `kind/id`; empty if a login named nobody that could be.
    #[prost(string, tag = "4")]
    pub entity: String,
    /// Which part of the entity, such as `api_key/ID`.
    #[prost(string, tag = "5")]
    pub subject: String,
    /// Who did it, as `kind/id`; `cluster` for this network itself, empty for somebody unknown.
    #[prost(string, tag = "6")]
    pub actor: String,
    /// What he presented, such as `session/ID`.
    #[prost(string, tag = "7")]
    pub credential: String,
    /// The OAuth client that acted for him.
    #[prost(string, tag = "8")]
    pub client: String,
    /// Where the call came from.
    #[prost(string, tag = "9")]
    pub remote_ip: String,
    /// The program that called.
    #[prost(string, tag = "10")]
    pub user_agent: String,
    /// What was changed, as it was before: a JSON object, or empty.
    #[prost(string, tag = "1001")]
    pub before: String,
    /// What was changed, as it is now: a JSON object, or empty.
    #[prost(string, tag = "1002")]
    pub after: String,
}

impl Record for AuditEntry {
    const TABLE: Table = Table::Audit;

    fn key(&self) -> String {
        self.id.clone()
    }
}

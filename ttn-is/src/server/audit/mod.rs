//! The audit log: written with each change, read by administrators, forgotten in time.

mod fields;

pub(crate) use fields::{Audited, Fields};

use std::{sync::atomic::Ordering, time::Duration};

use ttn_core::{
    auth::{Caller, Principal},
    id::EntityId,
    store::Replaces,
    time::Timestamp,
};

use super::IdentityServer;
use crate::{
    access::{is_full_admin, require_known},
    audit::{Action, AuditPage, AuditQuery},
    entity::entity_key,
    error::{AdminOnly, Error},
    record::{AuditEntry, Grant},
    store::{IdentityStoreExt as _, Scan, Table, Transaction},
};

/// What somebody does, before it is known who.
#[must_use = "nothing is remembered before `remember`"]
pub(crate) struct Deed {
    action: Action,
    entity: String,
    subject: String,
    before: Option<Fields>,
    after: Option<Fields>,
}

impl Deed {
    pub(crate) fn new(action: Action, entity: &EntityId) -> Self {
        Self::on(action, entity_key(entity))
    }

    /// On an entity as `kind/id`, or on nothing.
    pub(crate) const fn on(action: Action, entity: String) -> Self {
        Self { action, entity, subject: String::new(), before: None, after: None }
    }

    /// Names the part of the entity that is concerned.
    pub(crate) fn subject(self, kind: &str, id: &str) -> Self {
        Self { subject: format!("{kind}/{id}"), ..self }
    }

    pub(crate) fn before(self, record: &impl Audited) -> Self {
        Self { before: Some(record.audited()), ..self }
    }

    pub(crate) fn after(self, record: &impl Audited) -> Self {
        self.with(record.audited())
    }

    /// Says something that is in no record.
    pub(crate) fn with(self, after: Fields) -> Self {
        Self { after: Some(after), ..self }
    }
}

impl IdentityServer {
    /// Adds to a transaction that somebody does this. Nothing is added if nothing is kept, or if an update changes nothing
    /// that matters.
    pub(crate) async fn remember(
        &self,
        write: Transaction,
        caller: &Principal,
        deed: Deed,
    ) -> Result<Transaction, Error> {
        if self.config.audit_retention.is_zero() {
            return Ok(write);
        }
        let Deed { action, entity, subject, before, after } = deed;
        let (before, after) = fields::difference(before, after);
        if action == Action::EntityUpdate && before.is_empty() && after.is_empty() {
            return Ok(write);
        }
        let now = self.clock.utc();
        let (actor, credential) = actor(caller);
        let client = match credential.strip_prefix("access_token/") {
            Some(grant) => self.client_of(grant).await?,
            None => String::new(),
        };
        let call = caller.call.as_deref();
        let entry = AuditEntry {
            id: self.audit_key(now),
            time: Some(now.into()),
            action: action.name().to_owned(),
            entity,
            subject,
            actor,
            credential,
            client,
            remote_ip: short(call.map_or("", |call| &call.remote_ip)),
            user_agent: short(call.map_or("", |call| &call.user_agent)),
            before,
            after,
        };
        Ok(write.put(&entry, Replaces::Nothing))
    }

    /// Writes down what changed nothing, such as a login that failed.
    pub(crate) async fn remember_alone(&self, caller: &Principal, deed: Deed) -> Result<(), Error> {
        let write = self.remember(Transaction::new(), caller, deed).await?;
        write.commit(&*self.store).await?;
        Ok(())
    }

    /// Reads the audit log, the latest first. A call looks at 20,000 entries at most; `next` says where to go on.
    ///
    /// # Errors
    ///
    /// The caller is no administrator; `after` is not from a page.
    pub async fn list_audit(
        &self,
        caller: &Principal,
        query: &AuditQuery,
    ) -> Result<AuditPage, Error> {
        require_known(caller)?;
        if !is_full_admin(caller) {
            return Err(Error::AdminOnly { what: AdminOnly::ReadAudit });
        }
        if !query.after.bytes().all(|octet| octet.is_ascii_hexdigit()) {
            let reason = "is not the `next` of a page";
            return Err(Error::InvalidField { field: "after", reason });
        }
        let limit = match query.limit {
            0 => LIMIT_DEFAULT,
            limit => limit.min(LIMIT_MAX),
        } as usize;
        // Keys behind that of `until` are earlier.
        let until = query.until.map(before_key).unwrap_or_default();
        let mut after = until.max(query.after.clone());
        let mut page = AuditPage::default();
        for _ in 0..SCANS_MAX {
            let rows = self.audit_rows(&after).await?;
            let is_last = rows.len() < ROWS_PER_SCAN;
            for entry in rows {
                if query.since.is_some_and(|since| time(&entry) < since) {
                    return Ok(page);
                }
                after.clone_from(&entry.id);
                if query.finds(&entry) {
                    page.entries.push(entry);
                }
                if page.entries.len() == limit {
                    page.next = after;
                    return Ok(page);
                }
            }
            if is_last {
                return Ok(page);
            }
        }
        page.next = after;
        Ok(page)
    }

    /// Deletes entries that are older than they are kept, and gives their number. A task of [`Self::start`] does it every
    /// hour.
    ///
    /// # Errors
    ///
    /// The store failed.
    pub async fn forget_audit(&self) -> Result<usize, Error> {
        let oldest = self.clock.utc().unix_nanos();
        let kept = i64::try_from(self.config.audit_retention.as_nanos()).unwrap_or(i64::MAX);
        let after = before_key(Timestamp::from_unix_nanos(oldest.saturating_sub(kept)));
        let mut forgotten = 0;
        loop {
            let rows = self.audit_rows(&after).await?;
            if rows.is_empty() {
                return Ok(forgotten);
            }
            forgotten += rows.len();
            let write = rows.into_iter().fold(Transaction::new(), |write, entry| {
                write.delete(Table::Audit, entry.id, Replaces::Any)
            });
            write.commit(&*self.store).await?;
        }
    }

    /// Forgets what is too old, for ever.
    pub(super) async fn keep_audit_short(&self) {
        loop {
            if let Err(error) = self.forget_audit().await {
                tracing::warn!(%error, "old entries of the audit log stay for now");
            }
            self.clock.sleep_until(self.clock.monotonic().plus(FORGET_EVERY)).await;
        }
    }

    async fn audit_rows(&self, after: &str) -> Result<Vec<AuditEntry>, Error> {
        let after = Some(after.to_owned()).filter(|after| !after.is_empty());
        let scan = Scan { table: Table::Audit, prefix: String::new(), after, limit: ROWS_PER_SCAN };
        Ok(self.store.scan_records(&scan).await?)
    }

    /// The key of an entry: the later, the smaller, so that a scan begins with the latest.
    fn audit_key(&self, now: Timestamp) -> String {
        let drawn = COUNTER_MAX - (self.drawn.fetch_add(1, Ordering::Relaxed) & COUNTER_MAX);
        format!("{}{drawn:06x}", time_key(now))
    }

    async fn client_of(&self, grant: &str) -> Result<String, Error> {
        let grant = self.store.record::<Grant>(grant).await?;
        Ok(grant.map(|grant| grant.value.client_id().to_owned()).unwrap_or_default())
    }
}

/// Who does it, and what he presented.
fn actor(caller: &Principal) -> (String, String) {
    let call = caller.call.as_deref();
    let token = call.map_or("", |call| short_id(&call.token_id));
    let presented = match call.map_or("", |call| call.token_type) {
        "AccessToken" => format!("access_token/{token}"),
        "APIKey" => format!("api_key/{token}"),
        "SessionToken" => format!("session/{token}"),
        _ => String::new(),
    };
    match &caller.caller {
        Caller::ApiKey { entity, id, .. } if presented.is_empty() => {
            (entity_key(entity), format!("api_key/{id}"))
        }
        Caller::ApiKey { entity, .. } => (entity_key(entity), presented),
        Caller::User(id) => (entity_key(&EntityId::User(id.clone())), presented),
        Caller::Cluster if call.is_some() => ("cluster".to_owned(), "cluster_key".to_owned()),
        Caller::Cluster => ("cluster".to_owned(), String::new()),
        Caller::TenantAdmin => (String::new(), "tenant_admin_key".to_owned()),
        // A credential that nobody checked names nobody.
        _ => (String::new(), String::new()),
    }
}

fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(TEXT_LENGTH_MAX).collect()
}

fn short_id(text: &str) -> &str {
    text.get(..TEXT_LENGTH_MAX).unwrap_or(text)
}

fn time(entry: &AuditEntry) -> Timestamp {
    entry.time.map_or(Timestamp::from_unix_nanos(0), Timestamp::from)
}

fn time_key(time: Timestamp) -> String {
    format!("{:016x}", u64::MAX - u64::try_from(time.unix_nanos()).unwrap_or(0))
}

/// The greatest key of an entry at a time: behind it are those before.
fn before_key(time: Timestamp) -> String {
    time_key(time) + "ffffff"
}

/// The longest text of a caller that is kept.
const TEXT_LENGTH_MAX: usize = 200;
const COUNTER_MAX: u32 = 0x00FF_FFFF;
const LIMIT_DEFAULT: u32 = 100;
const LIMIT_MAX: u32 = 1000;
const ROWS_PER_SCAN: usize = 500;
/// How many scans one call makes: 20,000 entries.
const SCANS_MAX: usize = 40;
const FORGET_EVERY: Duration = Duration::from_secs(3600);

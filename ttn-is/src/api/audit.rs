//! The audit log: `ttn.v1.Audit`.

use prost_types::Struct;
use serde_json::Value;
use tonic::{Request, Response, Status};
use ttn_proto::{json, service, v3};

use super::{Api, status, timestamp};
use crate::{
    audit::{Action, AuditQuery},
    error::Error,
    record::AuditEntry,
};

#[async_trait::async_trait]
impl service::Audit for Api {
    async fn list(
        &self,
        request: Request<v3::ListAuditEntriesRequest>,
    ) -> Result<Response<v3::AuditEntries>, Status> {
        let caller = self.caller(&request).await?;
        let request = request.into_inner();
        let unknown = || Error::InvalidField { field: "actions", reason: "has no such action" };
        let actions =
            request.actions.iter().map(|name| Action::from_name(name).ok_or_else(unknown));
        let query = AuditQuery {
            actions: actions.collect::<Result<_, _>>().map_err(status)?,
            entity: request.entity,
            actor: request.actor,
            since: request.since.map(timestamp),
            until: request.until.map(timestamp),
            limit: request.limit,
            after: request.after,
        };
        let page = self.0.list_audit(&caller, &query).await.map_err(status)?;
        let entries = page.entries.into_iter().map(message).collect();
        Ok(Response::new(v3::AuditEntries { entries, next: page.next }))
    }
}

fn message(entry: AuditEntry) -> v3::AuditEntry {
    v3::AuditEntry {
        id: entry.id,
        time: entry
            .time
            .map(|time| prost_types::Timestamp { seconds: time.seconds, nanos: time.nanos }),
        action: entry.action,
        entity: entry.entity,
        subject: entry.subject,
        actor: entry.actor,
        credential: entry.credential,
        client: entry.client,
        remote_ip: entry.remote_ip,
        user_agent: entry.user_agent,
        before: fields(&entry.before),
        after: fields(&entry.after),
    }
}

fn fields(text: &str) -> Option<Struct> {
    let fields: Value = serde_json::from_str(text).ok()?;
    match json::to_proto_value(fields).kind {
        Some(prost_types::value::Kind::StructValue(fields)) => Some(fields),
        _ => None,
    }
}

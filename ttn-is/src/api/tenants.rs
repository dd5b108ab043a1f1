//! The registry of tenants: `ttn.v1.Tenants` (IS-61).

use std::sync::Arc;

use prost_types::Struct;
use serde_json::Value;
use tonic::{Request, Response, Status};
use ttn_core::{auth::Principal, id::TenantId};
use ttn_proto::{json, mask, service, v3};

use super::{Api, counted, invalid, paths, query, status};
use crate::{
    error::Error,
    record::{Tenant, TenantLimits, Time},
    server::NewAdministrator,
};

/// The scheme of `Authorization` that nothing else takes.
const SCHEME: &str = "TenantAdminKey";

#[async_trait::async_trait]
impl service::Tenants for Api {
    async fn create(
        &self,
        request: Request<v3::CreateTenantRequest>,
    ) -> Result<Response<v3::CreateTenantResponse>, Status> {
        let caller = self.tenant_caller(&request).await?;
        let request = request.into_inner();
        let tenant = record(request.tenant.unwrap_or_default());
        let first = request.administrator.unwrap_or_default();
        let first = NewAdministrator {
            user_id: first.user_id,
            email: first.primary_email_address,
            password: first.password,
        };
        let created = self.0.create_tenant(&caller, tenant, first).await.map_err(status)?;
        let first = created.tenant.administrator.clone().unwrap_or_default();
        let administrator = v3::TenantAdministrator {
            user_id: first.user_id,
            primary_email_address: first.primary_email_address,
            password: created.password.unwrap_or_default(),
        };
        Ok(Response::new(v3::CreateTenantResponse {
            tenant: Some(message(created.tenant)),
            administrator: Some(administrator),
        }))
    }

    async fn get(
        &self,
        request: Request<v3::GetTenantRequest>,
    ) -> Result<Response<v3::Tenant>, Status> {
        let caller = self.tenant_caller(&request).await?;
        let id = id(request.into_inner().tenant_ids.as_ref())?;
        Ok(Response::new(message(self.0.tenant(&caller, &id).await.map_err(status)?)))
    }

    async fn list(
        &self,
        request: Request<v3::ListTenantsRequest>,
    ) -> Result<Response<v3::ListTenantsResponse>, Status> {
        let caller = self.tenant_caller(&request).await?;
        let request = request.into_inner();
        let of = query(request.order, request.limit, request.page, false);
        let page = self.0.list_tenants(&caller, &request.query, &of).await.map_err(status)?;
        let tenants = page.items.into_iter().map(message).collect();
        Ok(counted(v3::ListTenantsResponse { tenants }, page.total))
    }

    async fn update(
        &self,
        request: Request<v3::UpdateTenantRequest>,
    ) -> Result<Response<v3::Tenant>, Status> {
        let caller = self.tenant_caller(&request).await?;
        let request = request.into_inner();
        let from = request.tenant.unwrap_or_default();
        let (id, paths) = (id(from.ids.as_ref())?, paths(request.field_mask));
        let updated = self.0.update_tenant(&caller, &id, |tenant| {
            let mut new = message(tenant.clone());
            let reason = "has a path that is unknown";
            let unknown = |_| Error::InvalidField { field: "field_mask", reason };
            mask::apply(&mut new, &from, &paths).map_err(unknown)?;
            *tenant = Tenant { administrator: tenant.administrator.clone(), ..record(new) };
            Ok(())
        });
        Ok(Response::new(message(updated.await.map_err(status)?)))
    }

    async fn delete(
        &self,
        request: Request<v3::TenantIdentifiers>,
    ) -> Result<Response<()>, Status> {
        let caller = self.tenant_caller(&request).await?;
        let id = id(Some(request.get_ref()))?;
        self.0.delete_tenant(&caller, &id).await.map_err(status)?;
        Ok(Response::new(()))
    }
}

impl Api {
    /// Finds out who calls: by a tenant admin key, which nothing else takes, or as everywhere.
    async fn tenant_caller<T: Sync>(&self, request: &Request<T>) -> Result<Principal, Status> {
        let value = request.metadata().get_all("authorization").iter().next_back();
        let value = value.and_then(|value| value.to_str().ok()).unwrap_or_default();
        match value.trim().split_once(' ') {
            Some((scheme, key)) if scheme.eq_ignore_ascii_case(SCHEME) => {
                let principal = self.0.tenant_admin(key.trim()).map_err(status)?;
                let call = Some(Arc::new(ttn_rpc::auth::event_caller(request)));
                Ok(Principal { call, ..principal })
            }
            _ => self.caller(request).await,
        }
    }
}

fn id(ids: Option<&v3::TenantIdentifiers>) -> Result<TenantId, Status> {
    ids.map_or("", |ids| ids.tenant_id.as_str()).parse().map_err(invalid)
}

fn message(tenant: Tenant) -> v3::Tenant {
    let limits = tenant.limits.unwrap_or_default();
    v3::Tenant {
        ids: Some(v3::TenantIdentifiers { tenant_id: tenant.tenant_id }),
        created_at: tenant.created_at.map(timestamp),
        updated_at: tenant.updated_at.map(timestamp),
        name: tenant.name,
        description: tenant.description,
        attributes: tenant.attributes.into_iter().collect(),
        state: tenant.state,
        limits: tenant.limits.map(|_| v3::TenantLimits {
            max_applications: limits.max_applications,
            max_clients: limits.max_clients,
            max_end_devices: limits.max_end_devices,
            max_gateways: limits.max_gateways,
            max_organizations: limits.max_organizations,
            max_users: limits.max_users,
        }),
        configuration: configuration(&tenant.configuration),
    }
}

/// The record of a message. Times and the first user are not the client's.
fn record(message: v3::Tenant) -> Tenant {
    Tenant {
        tenant_id: message.ids.map(|ids| ids.tenant_id).unwrap_or_default(),
        name: message.name,
        description: message.description,
        attributes: message.attributes.into_iter().collect(),
        state: message.state,
        limits: message.limits.map(|limits| TenantLimits {
            max_applications: limits.max_applications,
            max_clients: limits.max_clients,
            max_end_devices: limits.max_end_devices,
            max_gateways: limits.max_gateways,
            max_organizations: limits.max_organizations,
            max_users: limits.max_users,
        }),
        configuration: message.configuration.map(text).unwrap_or_default(),
        ..Tenant::default()
    }
}

const fn timestamp(time: Time) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds: time.seconds, nanos: time.nanos }
}

fn configuration(text: &str) -> Option<Struct> {
    let fields: Value = serde_json::from_str(text).ok()?;
    match json::to_proto_value(fields).kind {
        Some(prost_types::value::Kind::StructValue(fields)) => Some(fields),
        _ => None,
    }
}

/// A structure as JSON.
fn text(fields: Struct) -> String {
    let kind = Some(prost_types::value::Kind::StructValue(fields));
    json::from_proto_value(prost_types::Value { kind }).to_string()
}

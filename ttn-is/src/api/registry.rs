//! Applications, OAuth clients, gateways and organizations.

use tonic::{Request, Response, Status};
use ttn_core::{eui::GatewayEui, id::EntityId, time::Timestamp};
use ttn_proto::{mask, service, v3};

use super::{
    Api, account, answer, answers, apply, are_public, counted, defect, invalid, optional_account,
    paths, query, status, timestamp,
};
use crate::{convert::Convert as _, entity::Query, error::Error, record};

macro_rules! registry {
    (
        $service:ident, $message:ident, $field:ident, $ids:ident, $ids_type:ident, $id:ident, $entity:ident;
        read $get_request:ident, $list_request:ident, $list_answer:ident, $items:ident,
        $get:ident, $get_public:ident, $list:ident, $public:expr, $since:ident
        $(; write $create_request:ident, $update_request:ident, $create:ident, $update:ident, $check:ident, $finish:ident)?
        $(; also { $($extra:item)* })?
    ) => {
        #[async_trait::async_trait]
        impl service::$service for Api {
            async fn get(
                &self,
                request: Request<v3::$get_request>,
            ) -> Result<Response<v3::$message>, Status> {
                let caller = self.caller(&request).await?;
                let request = request.into_inner();
                let id = request.$ids.unwrap_or_default().$id.parse().map_err(invalid)?;
                let paths = paths(request.field_mask);
                let record = match self.0.$get(&caller, &id).await {
                    Err(Error::Access(_)) if are_public(&paths, $public) => {
                        self.0.$get_public(&caller, &id).await
                    }
                    found => found,
                };
                Ok(Response::new(answer(&record.map_err(status)?, &paths)?))
            }

            async fn list(
                &self,
                request: Request<v3::$list_request>,
            ) -> Result<Response<v3::$list_answer>, Status> {
                let caller = self.caller(&request).await?;
                let request = request.into_inner();
                let owner = optional_account(request.collaborator.as_ref())?;
                let updated_since = $since(&request);
                let query = query(request.order, request.limit, request.page, request.deleted);
                let query = Query { updated_since, ..query };
                let page = self.0.$list(&caller, owner.as_ref(), &query).await.map_err(status)?;
                let mut message = v3::$list_answer::default();
                message.$items = answers(&page, &paths(request.field_mask))?;
                Ok(counted(message, page.total))
            }

            async fn delete(
                &self,
                request: Request<v3::$ids_type>,
            ) -> Result<Response<()>, Status> {
                let caller = self.caller(&request).await?;
                let entity = EntityId::$entity(request.into_inner().$id.parse().map_err(invalid)?);
                self.0.delete(&caller, &entity).await.map_err(status)?;
                Ok(Response::new(()))
            }

            async fn restore(
                &self,
                request: Request<v3::$ids_type>,
            ) -> Result<Response<()>, Status> {
                let caller = self.caller(&request).await?;
                let entity = EntityId::$entity(request.into_inner().$id.parse().map_err(invalid)?);
                self.0.restore(&caller, &entity).await.map_err(status)?;
                Ok(Response::new(()))
            }

            async fn purge(
                &self,
                request: Request<v3::$ids_type>,
            ) -> Result<Response<()>, Status> {
                let caller = self.caller(&request).await?;
                let entity = EntityId::$entity(request.into_inner().$id.parse().map_err(invalid)?);
                self.0.purge(&caller, &entity).await.map_err(status)?;
                Ok(Response::new(()))
            }

            $(
                async fn create(
                    &self,
                    request: Request<v3::$create_request>,
                ) -> Result<Response<v3::$message>, Status> {
                    let caller = self.caller(&request).await?;
                    let request = request.into_inner();
                    let owner = account(request.collaborator.as_ref())?;
                    let message = request.$field.unwrap_or_default();
                    $check(&message)?;
                    let mut record = record::$message::of_api(&message).map_err(defect)?;
                    $finish(&mut record, &[]);
                    let created = self.0.$create(&caller, record, &owner).await.map_err(status)?;
                    Ok(Response::new(created.to_api().map_err(defect)?))
                }

                async fn update(
                    &self,
                    request: Request<v3::$update_request>,
                ) -> Result<Response<v3::$message>, Status> {
                    let caller = self.caller(&request).await?;
                    let request = request.into_inner();
                    let message = request.$field.unwrap_or_default();
                    let id = message.ids.as_ref().map_or("", |ids| ids.$id.as_str());
                    let id = id.parse().map_err(invalid)?;
                    let paths = paths(request.field_mask);
                    let masked = mask::filter(&message, &paths).map_err(super::unknown_path)?;
                    $check(&masked)?;
                    let updated = self.0.$update(&caller, &id, &paths, |record| {
                        apply(record, &message, &paths)?;
                        $finish(record, &paths);
                        Ok(())
                    });
                    Ok(Response::new(answer(&updated.await.map_err(status)?, &paths)?))
                }
            )?

            $($($extra)*)?
        }
    };
}

registry!(
    ApplicationRegistry, Application, application, application_ids, ApplicationIdentifiers,
    application_id, Application;
    read GetApplicationRequest, ListApplicationsRequest, Applications, applications,
    application, application_public, list_applications, PUBLIC, always;
    write CreateApplicationRequest, UpdateApplicationRequest,
    create_application, update_application, allow, leave;
    also {
    async fn issue_dev_eui(
        &self,
        request: Request<v3::ApplicationIdentifiers>,
    ) -> Result<Response<v3::IssueDevEuiResponse>, Status> {
        let caller = self.caller(&request).await?;
        let id = request.into_inner().application_id.parse().map_err(invalid)?;
        let eui = self.0.issue_dev_eui(&caller, &id).await.map_err(status)?;
        Ok(Response::new(v3::IssueDevEuiResponse { dev_eui: eui.to_be_bytes().to_vec() }))
    }
    }
);

registry!(
    ClientRegistry, Client, client, client_ids, ClientIdentifiers, client_id, Client;
    read GetClientRequest, ListClientsRequest, Clients, clients,
    client, client_public, list_clients, PUBLIC_CLIENT, always;
    also {
    async fn create(
        &self,
        request: Request<v3::CreateClientRequest>,
    ) -> Result<Response<v3::Client>, Status> {
        let caller = self.caller(&request).await?;
        let request = request.into_inner();
        let owner = account(request.collaborator.as_ref())?;
        let message = request.client.unwrap_or_default();
        super::access::known_rights(&message.rights)?;
        let client = record::Client::of_api(&message).map_err(defect)?;
        let created = self.0.create_client(&caller, client, &message.secret, &owner).await;
        let created = created.map_err(status)?;
        let mut answer = created.client.to_api().map_err(defect)?;
        answer.secret = created.secret;
        Ok(Response::new(answer))
    }

    async fn update(
        &self,
        request: Request<v3::UpdateClientRequest>,
    ) -> Result<Response<v3::Client>, Status> {
        let caller = self.caller(&request).await?;
        let request = request.into_inner();
        let message = request.client.unwrap_or_default();
        let id = message.ids.as_ref().map_or("", |ids| ids.client_id.as_str());
        let id = id.parse().map_err(invalid)?;
        let paths = paths(request.field_mask);
        super::access::known_rights(&message.rights)?;
        let secret = paths.iter().any(|path| path == "secret").then_some(message.secret.as_str());
        let updated = self.0.update_client(&caller, &id, &paths, secret, |client| {
            apply(client, &message, &paths)
        });
        Ok(Response::new(answer(&updated.await.map_err(status)?, &paths)?))
    }
    }
);

registry!(
    GatewayRegistry, Gateway, gateway, gateway_ids, GatewayIdentifiers, gateway_id, Gateway;
    read GetGatewayRequest, ListGatewaysRequest, Gateways, gateways,
    gateway_record, gateway_public, list_gateways, PUBLIC_GATEWAY, gateways_since;
    write CreateGatewayRequest, UpdateGatewayRequest,
    create_gateway, update_gateway, refuse_secrets, set_plans;
    also {
    async fn get_identifiers_for_eui(
        &self,
        request: Request<v3::GetGatewayIdentifiersForEuiRequest>,
    ) -> Result<Response<v3::GatewayIdentifiers>, Status> {
        let caller = self.caller(&request).await?;
        let eui = request.into_inner().eui;
        let octets = <[u8; 8]>::try_from(eui.as_slice()).map_err(|_| {
            status(Error::InvalidField { field: "eui", reason: "an EUI has 8 octets" })
        })?;
        let found = self.0.gateway_id_for_eui(&caller, GatewayEui::from_be_bytes(octets)).await;
        let gateway_id = found.map_err(status)?.to_string();
        Ok(Response::new(v3::GatewayIdentifiers { gateway_id, eui }))
    }
    }
);

registry!(
    OrganizationRegistry, Organization, organization, organization_ids, OrganizationIdentifiers,
    organization_id, Organization;
    read GetOrganizationRequest, ListOrganizationsRequest, Organizations, organizations,
    organization, organization_public, list_organizations, PUBLIC, always;
    write CreateOrganizationRequest, UpdateOrganizationRequest,
    create_organization, update_organization, allow, leave
);

/// Lists that cannot be asked for what changed.
const fn always<T>(_request: &T) -> Option<Timestamp> {
    None
}

/// All filters hold: the latest time counts.
fn gateways_since(request: &v3::ListGatewaysRequest) -> Option<Timestamp> {
    use v3::list_gateways_request::filter::Field;
    let times = request.filters.iter().filter_map(|filter| match filter.field.as_ref()? {
        Field::UpdatedSince(at) => Some(timestamp(*at)),
    });
    times.max()
}

#[expect(clippy::unnecessary_wraps, reason = "one of several checks")]
const fn allow<T>(_message: &T) -> Result<(), Status> {
    Ok(())
}

const fn leave<T>(_record: &mut T, _paths: &[String]) {}

/// Secrets of gateways need keys at rest that are not built (IS-09); dropping them silently would be worse.
fn refuse_secrets(message: &v3::Gateway) -> Result<(), Status> {
    let secret = message.lbs_lns_secret.is_some()
        || message.target_cups_key.is_some()
        || message.claim_authentication_code.is_some();
    if secret {
        return Err(Status::unimplemented(
            "storing lbs_lns_secret, target_cups_key and claim_authentication_code is not built; leave them out",
        ));
    }
    Ok(())
}

/// Keeps the single frequency plan of old clients and the list in step.
fn set_plans(gateway: &mut record::Gateway, paths: &[String]) {
    let only_single = paths.iter().any(|path| path == "frequency_plan_id")
        && !paths.iter().any(|path| path == "frequency_plan_ids");
    if only_single || gateway.frequency_plan_ids.is_empty() && paths.is_empty() {
        let single = &gateway.frequency_plan_id;
        gateway.frequency_plan_ids =
            Some(single.clone()).filter(|id| !id.is_empty()).into_iter().collect();
    }
    gateway.frequency_plan_id = gateway.frequency_plan_ids.first().cloned().unwrap_or_default();
}

/// What everybody may see who is known, besides ids and times.
const PUBLIC: &[&str] =
    &["deleted_at", "contact_info", "administrative_contact", "technical_contact"];
const PUBLIC_CLIENT: &[&str] = &[
    "deleted_at",
    "contact_info",
    "administrative_contact",
    "technical_contact",
    "name",
    "description",
    "redirect_uris",
    "logout_redirect_uris",
    "state",
    "skip_authorization",
    "endorsed",
    "grants",
    "rights",
];
const PUBLIC_GATEWAY: &[&str] = &[
    "deleted_at",
    "contact_info",
    "administrative_contact",
    "technical_contact",
    "name",
    "description",
    "frequency_plan_id",
    "frequency_plan_ids",
    "status_public",
    "location_public",
    "gateway_server_address",
    "antennas",
];

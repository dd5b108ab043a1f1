//! Searches (IS-52).

use tonic::{Request, Response, Status};
use ttn_core::id::EntityId;
use ttn_proto::{service, v3};

use super::{Api, account_ids, answers, counted, invalid, paths, query, status};
use crate::{entity::Search, server::AccountSearch};

macro_rules! search {
    ($request:ident $(, $field:ident = $from:ident)*) => {
        Search {
            query: $request.query,
            id: $request.id_contains,
            name: $request.name_contains,
            description: $request.description_contains,
            attributes: $request.attributes_contain.into_iter().collect(),
            $($field: $request.$from,)*
            ..Search::default()
        }
    };
}

macro_rules! entity_searches {
    ($($method:ident, $request:ident, $answer:ident, $items:ident $(, $field:ident = $from:ident)*;)*) => {
        #[async_trait::async_trait]
        impl service::EntityRegistrySearch for Api {
            $(
                async fn $method(
                    &self,
                    request: Request<v3::$request>,
                ) -> Result<Response<v3::$answer>, Status> {
                    let caller = self.caller(&request).await?;
                    let request = request.into_inner();
                    let query = query(request.order, request.limit, request.page, request.deleted);
                    let search = search!(request $(, $field = $from)*);
                    let page = self.0.$method(&caller, &search, &query).await.map_err(status)?;
                    let $items = answers(&page, &paths(request.field_mask))?;
                    Ok(counted(v3::$answer { $items }, page.total))
                }
            )*

            async fn search_accounts(
                &self,
                request: Request<v3::SearchAccountsRequest>,
            ) -> Result<Response<v3::SearchAccountsResponse>, Status> {
                self.find_accounts(request).await
            }
        }
    };
}

entity_searches! {
    search_applications, SearchApplicationsRequest, Applications, applications;
    search_clients, SearchClientsRequest, Clients, clients, states = state;
    search_gateways, SearchGatewaysRequest, Gateways, gateways, eui = eui_contains;
    search_organizations, SearchOrganizationsRequest, Organizations, organizations;
    search_users, SearchUsersRequest, Users, users, states = state;
}

impl Api {
    async fn find_accounts(
        &self,
        request: Request<v3::SearchAccountsRequest>,
    ) -> Result<Response<v3::SearchAccountsResponse>, Status> {
        let caller = self.caller(&request).await?;
        let request = request.into_inner();
        let search = AccountSearch {
            query: request.query,
            only_users: request.only_users,
            collaborator_of: request.collaborator_of.map(entity).transpose()?,
            complement: request.complement_collaborators,
        };
        let accounts = self.0.search_accounts(&caller, &search).await.map_err(status)?;
        let account_ids: Result<_, _> = accounts.iter().map(account_ids).collect();
        Ok(Response::new(v3::SearchAccountsResponse { account_ids: account_ids? }))
    }
}

fn entity(of: v3::search_accounts_request::CollaboratorOf) -> Result<EntityId, Status> {
    use v3::search_accounts_request::CollaboratorOf::{
        ApplicationIds, ClientIds, GatewayIds, OrganizationIds,
    };
    Ok(match of {
        ApplicationIds(ids) => EntityId::Application(ids.application_id.parse().map_err(invalid)?),
        ClientIds(ids) => EntityId::Client(ids.client_id.parse().map_err(invalid)?),
        GatewayIds(ids) => EntityId::Gateway(ids.gateway_id.parse().map_err(invalid)?),
        OrganizationIds(ids) => {
            EntityId::Organization(ids.organization_id.parse().map_err(invalid)?)
        }
    })
}

#[async_trait::async_trait]
impl service::EndDeviceRegistrySearch for Api {
    async fn search_end_devices(
        &self,
        request: Request<v3::SearchEndDevicesRequest>,
    ) -> Result<Response<v3::EndDevices>, Status> {
        let caller = self.caller(&request).await?;
        let request = request.into_inner();
        if !request.dev_addr_contains.is_empty() {
            let text =
                "searching by DevAddr is not built: the Identity Server does not know sessions";
            return Err(Status::unimplemented(text));
        }
        let application = request.application_ids.unwrap_or_default().application_id;
        let application = application.parse().map_err(invalid)?;
        let query = query(request.order, request.limit, request.page, false);
        let search = search!(request, eui = dev_eui_contains, join_eui = join_eui_contains);
        let page = self.0.search_devices(&caller, &application, &search, &query).await;
        let page = page.map_err(status)?;
        let end_devices = answers(&page, &paths(request.field_mask))?;
        Ok(counted(v3::EndDevices { end_devices }, page.total))
    }
}

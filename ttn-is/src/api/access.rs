//! Rights, API keys and collaborators.

use tonic::{Request, Response, Status};
use ttn_core::{
    auth::{Principal, Right, Rights},
    id::EntityId,
};
use ttn_proto::{mask, service, v3};

use super::{Api, account, account_ids, counted, defect, invalid, paths, query, status, timestamp};
use crate::{
    convert::Convert as _,
    entity::Query,
    error::Error,
    record::{ApiKey, Time, rights_of_numbers, rights_to_numbers},
    rights,
};

impl Api {
    async fn rights(
        &self,
        caller: &Principal,
        entity: &EntityId,
        prefix: &str,
    ) -> Result<Response<v3::Rights>, Status> {
        let rights = self.0.list_rights(caller, entity).await.map_err(status)?;
        let rights = rights_to_numbers(rights::of_kind(rights, prefix));
        Ok(Response::new(v3::Rights { rights }))
    }

    async fn create_key(
        &self,
        caller: &Principal,
        entity: &EntityId,
        name: &str,
        rights: &[i32],
        expires_at: Option<prost_types::Timestamp>,
    ) -> Result<Response<v3::ApiKey>, Status> {
        let rights = known_rights(rights)?;
        let expires_at = expires_at.map(timestamp);
        let issued = self.0.create_api_key(caller, entity, name, rights, expires_at).await;
        let issued = issued.map_err(status)?;
        let mut message = issued.key.to_api().map_err(defect)?;
        message.key = issued.token;
        Ok(Response::new(message))
    }

    async fn list_keys(
        &self,
        caller: &Principal,
        entity: &EntityId,
        query: &Query,
    ) -> Result<Response<v3::ApiKeys>, Status> {
        let page = self.0.list_api_keys(caller, entity, query).await.map_err(status)?;
        let keys: Result<_, _> = page.items.iter().map(ApiKey::to_api).collect();
        let message = v3::ApiKeys { api_keys: keys.map_err(defect)? };
        Ok(counted(message, page.total))
    }

    async fn get_key(
        &self,
        caller: &Principal,
        entity: &EntityId,
        id: &str,
    ) -> Result<Response<v3::ApiKey>, Status> {
        let key = self.0.api_key(caller, entity, id).await.map_err(status)?;
        Ok(Response::new(key.to_api().map_err(defect)?))
    }

    async fn update_key(
        &self,
        caller: &Principal,
        entity: &EntityId,
        key: v3::ApiKey,
        paths: Vec<String>,
    ) -> Result<Response<v3::ApiKey>, Status> {
        let rights = known_rights(&key.rights)?;
        // Clients of before field masks send none and mean these two.
        let all = ["name".to_owned(), "rights".to_owned()].to_vec();
        let paths = if paths.is_empty() { all } else { paths };
        let expires_at = key.expires_at.map(timestamp).map(Time::from);
        let updated = self.0.update_api_key(caller, entity, &key.id, |record| {
            if mask::selects(&paths, "name") {
                record.name.clone_from(&key.name);
            }
            if mask::selects(&paths, "rights") {
                record.rights = rights_to_numbers(rights);
            }
            if mask::selects(&paths, "expires_at") {
                record.expires_at = expires_at;
            }
        });
        Ok(Response::new(updated.await.map_err(status)?.to_api().map_err(defect)?))
    }

    async fn delete_key(
        &self,
        caller: &Principal,
        entity: &EntityId,
        id: &str,
    ) -> Result<Response<()>, Status> {
        self.0.delete_api_key(caller, entity, id).await.map_err(status)?;
        Ok(Response::new(()))
    }

    async fn get_member(
        &self,
        caller: &Principal,
        entity: &EntityId,
        ids: Option<v3::OrganizationOrUserIdentifiers>,
    ) -> Result<Response<v3::GetCollaboratorResponse>, Status> {
        let account = account(ids.as_ref())?;
        let rights = self.0.collaborator(caller, entity, &account).await.map_err(status)?;
        let rights = rights_to_numbers(rights);
        Ok(Response::new(v3::GetCollaboratorResponse { ids, rights }))
    }

    async fn set_member(
        &self,
        caller: &Principal,
        entity: &EntityId,
        member: v3::Collaborator,
    ) -> Result<Response<()>, Status> {
        let account = account(member.ids.as_ref())?;
        let rights = known_rights(&member.rights)?;
        self.0.set_collaborator(caller, entity, &account, rights).await.map_err(status)?;
        Ok(Response::new(()))
    }

    async fn list_members(
        &self,
        caller: &Principal,
        entity: &EntityId,
        query: &Query,
    ) -> Result<Response<v3::Collaborators>, Status> {
        let page = self.0.list_collaborators(caller, entity, query).await.map_err(status)?;
        let collaborators: Result<_, Status> = page
            .items
            .iter()
            .map(|(account, rights)| {
                let (ids, rights) = (Some(account_ids(account)?), rights_to_numbers(*rights));
                Ok(v3::Collaborator { ids, rights })
            })
            .collect();
        Ok(counted(v3::Collaborators { collaborators: collaborators? }, page.total))
    }

    async fn delete_member(
        &self,
        caller: &Principal,
        entity: &EntityId,
        ids: Option<v3::OrganizationOrUserIdentifiers>,
    ) -> Result<Response<()>, Status> {
        let account = account(ids.as_ref())?;
        self.0.delete_collaborator(caller, entity, &account).await.map_err(status)?;
        Ok(Response::new(()))
    }
}

/// Rights of numbers, all of which must be known: dropping one silently would change what a key may do.
pub(super) fn known_rights(numbers: &[i32]) -> Result<Rights, Status> {
    if numbers.iter().any(|number| Right::from_number(*number).is_none()) {
        return Err(status(Error::InvalidField {
            field: "rights",
            reason: "has an unknown right",
        }));
    }
    Ok(rights_of_numbers(numbers))
}

macro_rules! access {
    (
        $service:ident, $ids:ident, $ids_type:ident, $id:ident, $entity:ident, $prefix:literal
        $(; keys $create:ident, $list:ident, $get:ident, $update:ident, $delete:ident)?
        $(; members $get_member:ident, $set_member:ident, $list_members:ident, $delete_member:ident)?
        $(; login $create_login_token:ident)?
    ) => {
        #[async_trait::async_trait]
        impl service::$service for Api {
            async fn list_rights(
                &self,
                request: Request<v3::$ids_type>,
            ) -> Result<Response<v3::Rights>, Status> {
                let caller = self.caller(&request).await?;
                let entity = EntityId::$entity(request.into_inner().$id.parse().map_err(invalid)?);
                self.rights(&caller, &entity, $prefix).await
            }
            $(
                async fn create_api_key(
                    &self,
                    request: Request<v3::$create>,
                ) -> Result<Response<v3::ApiKey>, Status> {
                    let caller = self.caller(&request).await?;
                    let r = request.into_inner();
                    let id = r.$ids.unwrap_or_default().$id;
                    let entity = EntityId::$entity(id.parse().map_err(invalid)?);
                    self.create_key(&caller, &entity, &r.name, &r.rights, r.expires_at).await
                }

                async fn list_api_keys(
                    &self,
                    request: Request<v3::$list>,
                ) -> Result<Response<v3::ApiKeys>, Status> {
                    let caller = self.caller(&request).await?;
                    let r = request.into_inner();
                    let id = r.$ids.unwrap_or_default().$id;
                    let entity = EntityId::$entity(id.parse().map_err(invalid)?);
                    self.list_keys(&caller, &entity, &query(r.order, r.limit, r.page, false)).await
                }

                async fn get_api_key(
                    &self,
                    request: Request<v3::$get>,
                ) -> Result<Response<v3::ApiKey>, Status> {
                    let caller = self.caller(&request).await?;
                    let r = request.into_inner();
                    let id = r.$ids.unwrap_or_default().$id;
                    let entity = EntityId::$entity(id.parse().map_err(invalid)?);
                    self.get_key(&caller, &entity, &r.key_id).await
                }

                async fn update_api_key(
                    &self,
                    request: Request<v3::$update>,
                ) -> Result<Response<v3::ApiKey>, Status> {
                    let caller = self.caller(&request).await?;
                    let r = request.into_inner();
                    let id = r.$ids.unwrap_or_default().$id;
                    let entity = EntityId::$entity(id.parse().map_err(invalid)?);
                    let key = r.api_key.unwrap_or_default();
                    self.update_key(&caller, &entity, key, paths(r.field_mask)).await
                }

                async fn delete_api_key(
                    &self,
                    request: Request<v3::$delete>,
                ) -> Result<Response<()>, Status> {
                    let caller = self.caller(&request).await?;
                    let r = request.into_inner();
                    let id = r.$ids.unwrap_or_default().$id;
                    let entity = EntityId::$entity(id.parse().map_err(invalid)?);
                    self.delete_key(&caller, &entity, &r.key_id).await
                }
            )?
            $(
                async fn get_collaborator(
                    &self,
                    request: Request<v3::$get_member>,
                ) -> Result<Response<v3::GetCollaboratorResponse>, Status> {
                    let caller = self.caller(&request).await?;
                    let r = request.into_inner();
                    let id = r.$ids.unwrap_or_default().$id;
                    let entity = EntityId::$entity(id.parse().map_err(invalid)?);
                    self.get_member(&caller, &entity, r.collaborator).await
                }

                async fn set_collaborator(
                    &self,
                    request: Request<v3::$set_member>,
                ) -> Result<Response<()>, Status> {
                    let caller = self.caller(&request).await?;
                    let r = request.into_inner();
                    let id = r.$ids.unwrap_or_default().$id;
                    let entity = EntityId::$entity(id.parse().map_err(invalid)?);
                    self.set_member(&caller, &entity, r.collaborator.unwrap_or_default()).await
                }

                async fn list_collaborators(
                    &self,
                    request: Request<v3::$list_members>,
                ) -> Result<Response<v3::Collaborators>, Status> {
                    let caller = self.caller(&request).await?;
                    let r = request.into_inner();
                    let id = r.$ids.unwrap_or_default().$id;
                    let entity = EntityId::$entity(id.parse().map_err(invalid)?);
                    self.list_members(&caller, &entity, &query(r.order, r.limit, r.page, false)).await
                }

                async fn delete_collaborator(
                    &self,
                    request: Request<v3::$delete_member>,
                ) -> Result<Response<()>, Status> {
                    let caller = self.caller(&request).await?;
                    let r = request.into_inner();
                    let id = r.$ids.unwrap_or_default().$id;
                    let entity = EntityId::$entity(id.parse().map_err(invalid)?);
                    self.delete_member(&caller, &entity, r.collaborator_ids).await
                }
            )?
            $(
                /// For everybody: it is mailed to the user.
                async fn create_login_token(
                    &self,
                    request: Request<v3::$create_login_token>,
                ) -> Result<Response<v3::CreateLoginTokenResponse>, Status> {
                    let caller = self.caller(&request).await?;
                    let r = request.into_inner();
                    let id = super::users::id(r.$ids.as_ref())?;
                    let token = self.0.create_login_token(&caller, &id, r.skip_email).await;
                    let token = token.map_err(status)?.unwrap_or_default();
                    Ok(Response::new(v3::CreateLoginTokenResponse { token }))
                }
            )?
        }
    };
}

access!(
    ApplicationAccess, application_ids, ApplicationIdentifiers, application_id, Application,
    "RIGHT_APPLICATION_";
    keys CreateApplicationApiKeyRequest, ListApplicationApiKeysRequest,
    GetApplicationApiKeyRequest, UpdateApplicationApiKeyRequest, DeleteApplicationApiKeyRequest;
    members GetApplicationCollaboratorRequest, SetApplicationCollaboratorRequest,
    ListApplicationCollaboratorsRequest, DeleteApplicationCollaboratorRequest
);

access!(
    ClientAccess, client_ids, ClientIdentifiers, client_id, Client, "RIGHT_CLIENT_";
    members GetClientCollaboratorRequest, SetClientCollaboratorRequest,
    ListClientCollaboratorsRequest, DeleteClientCollaboratorRequest
);

access!(
    GatewayAccess, gateway_ids, GatewayIdentifiers, gateway_id, Gateway, "RIGHT_GATEWAY_";
    keys CreateGatewayApiKeyRequest, ListGatewayApiKeysRequest, GetGatewayApiKeyRequest,
    UpdateGatewayApiKeyRequest, DeleteGatewayApiKeyRequest;
    members GetGatewayCollaboratorRequest, SetGatewayCollaboratorRequest,
    ListGatewayCollaboratorsRequest, DeleteGatewayCollaboratorRequest
);

access!(
    OrganizationAccess, organization_ids, OrganizationIdentifiers, organization_id, Organization,
    "RIGHT_";
    keys CreateOrganizationApiKeyRequest, ListOrganizationApiKeysRequest,
    GetOrganizationApiKeyRequest, UpdateOrganizationApiKeyRequest,
    DeleteOrganizationApiKeyRequest;
    members GetOrganizationCollaboratorRequest, SetOrganizationCollaboratorRequest,
    ListOrganizationCollaboratorsRequest, DeleteOrganizationCollaboratorRequest
);

access!(
    UserAccess, user_ids, UserIdentifiers, user_id, User, "RIGHT_";
    keys CreateUserApiKeyRequest, ListUserApiKeysRequest, GetUserApiKeyRequest,
    UpdateUserApiKeyRequest, DeleteUserApiKeyRequest;
    login CreateLoginTokenRequest
);

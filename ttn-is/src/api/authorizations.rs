//! What users let OAuth clients do (IS-50).

use tonic::{Request, Response, Status};
use ttn_core::id::ClientId;
use ttn_proto::{service, v3};

use super::{Api, counted, defect, invalid, query, status, users::id};
use crate::{
    convert::Convert as _,
    record::{Authorization, Grant},
};

#[async_trait::async_trait]
impl service::OAuthAuthorizationRegistry for Api {
    async fn list(
        &self,
        request: Request<v3::ListOAuthClientAuthorizationsRequest>,
    ) -> Result<Response<v3::OAuthClientAuthorizations>, Status> {
        let caller = self.caller(&request).await?;
        let request = request.into_inner();
        let user = id(request.user_ids.as_ref())?;
        let query = query(request.order, request.limit, request.page, false);
        let page = self.0.list_authorizations(&caller, &user, &query).await.map_err(status)?;
        let authorizations: Result<_, _> = page.items.iter().map(Authorization::to_api).collect();
        let authorizations = authorizations.map_err(defect)?;
        Ok(counted(v3::OAuthClientAuthorizations { authorizations }, page.total))
    }

    async fn list_tokens(
        &self,
        request: Request<v3::ListOAuthAccessTokensRequest>,
    ) -> Result<Response<v3::OAuthAccessTokens>, Status> {
        let caller = self.caller(&request).await?;
        let request = request.into_inner();
        let (user, client) = (id(request.user_ids.as_ref())?, client(request.client_ids)?);
        let query = query(request.order, request.limit, request.page, false);
        let page = self.0.list_access_tokens(&caller, &user, &client, &query).await;
        let page = page.map_err(status)?;
        let tokens: Result<_, _> = page.items.iter().map(Grant::to_api).collect();
        Ok(counted(v3::OAuthAccessTokens { tokens: tokens.map_err(defect)? }, page.total))
    }

    async fn delete(
        &self,
        request: Request<v3::OAuthClientAuthorizationIdentifiers>,
    ) -> Result<Response<()>, Status> {
        let caller = self.caller(&request).await?;
        let request = request.into_inner();
        let (user, client) = (id(request.user_ids.as_ref())?, client(request.client_ids)?);
        self.0.delete_authorization(&caller, &user, &client).await.map_err(status)?;
        Ok(Response::new(()))
    }

    async fn delete_token(
        &self,
        request: Request<v3::OAuthAccessTokenIdentifiers>,
    ) -> Result<Response<()>, Status> {
        let caller = self.caller(&request).await?;
        let request = request.into_inner();
        let (user, client) = (id(request.user_ids.as_ref())?, client(request.client_ids)?);
        let deleted = self.0.delete_access_token(&caller, &user, &client, &request.id);
        deleted.await.map_err(status)?;
        Ok(Response::new(()))
    }
}

fn client(ids: Option<v3::ClientIdentifiers>) -> Result<ClientId, Status> {
    ids.unwrap_or_default().client_id.parse().map_err(invalid)
}

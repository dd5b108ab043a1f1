//! Sessions, invitations, and whether addresses are those of their users.

use tonic::{Request, Response, Status};
use ttn_proto::{service, v3};

use super::{Api, counted, defect, query, status, users::id};
use crate::{
    convert::Convert as _,
    error::Error,
    record::{EmailValidation, Invitation, Session},
};

#[async_trait::async_trait]
impl service::UserSessionRegistry for Api {
    async fn list(
        &self,
        request: Request<v3::ListUserSessionsRequest>,
    ) -> Result<Response<v3::UserSessions>, Status> {
        let caller = self.caller(&request).await?;
        let request = request.into_inner();
        let user = id(request.user_ids.as_ref())?;
        let query = query(request.order, request.limit, request.page, false);
        let page = self.0.list_sessions(&caller, &user, &query).await.map_err(status)?;
        let sessions: Result<_, _> = page.items.iter().map(Session::to_api).collect();
        Ok(counted(v3::UserSessions { sessions: sessions.map_err(defect)? }, page.total))
    }

    async fn delete(
        &self,
        request: Request<v3::UserSessionIdentifiers>,
    ) -> Result<Response<()>, Status> {
        let caller = self.caller(&request).await?;
        let request = request.into_inner();
        let user = id(request.user_ids.as_ref())?;
        self.0.delete_session(&caller, &user, &request.session_id).await.map_err(status)?;
        Ok(Response::new(()))
    }
}

#[async_trait::async_trait]
impl service::UserInvitationRegistry for Api {
    async fn send(
        &self,
        request: Request<v3::SendInvitationRequest>,
    ) -> Result<Response<v3::Invitation>, Status> {
        let caller = self.caller(&request).await?;
        let email = request.into_inner().email;
        let invitation = self.0.send_invitation(&caller, &email).await.map_err(status)?;
        Ok(Response::new(invitation.to_api().map_err(defect)?))
    }

    async fn list(
        &self,
        request: Request<v3::ListInvitationsRequest>,
    ) -> Result<Response<v3::Invitations>, Status> {
        let caller = self.caller(&request).await?;
        let request = request.into_inner();
        let query = query(String::new(), request.limit, request.page, false);
        let page = self.0.list_invitations(&caller, &query).await.map_err(status)?;
        let invitations: Result<_, _> = page.items.iter().map(Invitation::to_api).collect();
        Ok(counted(v3::Invitations { invitations: invitations.map_err(defect)? }, page.total))
    }

    async fn delete(
        &self,
        request: Request<v3::DeleteInvitationRequest>,
    ) -> Result<Response<()>, Status> {
        let caller = self.caller(&request).await?;
        let email = request.into_inner().email;
        self.0.delete_invitation(&caller, &email).await.map_err(status)?;
        Ok(Response::new(()))
    }
}

#[async_trait::async_trait]
impl service::EmailValidationRegistry for Api {
    async fn request_validation(
        &self,
        request: Request<v3::UserIdentifiers>,
    ) -> Result<Response<v3::EmailValidation>, Status> {
        let caller = self.caller(&request).await?;
        let user = id(Some(request.get_ref()))?;
        let asked = self.0.request_email_validation(&caller, &user).await.map_err(status)?;
        Ok(Response::new(EmailValidation::to_api(&asked).map_err(defect)?))
    }

    /// The token is the credential.
    async fn validate(
        &self,
        request: Request<v3::ValidateEmailRequest>,
    ) -> Result<Response<()>, Status> {
        let request = request.into_inner();
        self.0.validate_email(&request.id, &request.token).await.map_err(status)?;
        Ok(Response::new(()))
    }
}

/// The form of old clients: they name the user as an entity.
#[async_trait::async_trait]
impl service::ContactInfoRegistry for Api {
    async fn request_validation(
        &self,
        request: Request<v3::EntityIdentifiers>,
    ) -> Result<Response<v3::ContactInfoValidation>, Status> {
        use v3::entity_identifiers::Ids;
        let caller = self.caller(&request).await?;
        let entity = request.into_inner();
        let Some(Ids::UserIds(ids)) = &entity.ids else {
            let reason = "only users have an address to validate";
            return Err(status(Error::InvalidField { field: "ids", reason }));
        };
        let asked = self.0.request_email_validation(&caller, &id(Some(ids))?).await;
        let asked = EmailValidation::to_api(&asked.map_err(status)?).map_err(defect)?;
        Ok(Response::new(v3::ContactInfoValidation {
            id: asked.id,
            entity: Some(entity),
            created_at: asked.created_at,
            expires_at: asked.expires_at,
            updated_at: asked.updated_at,
            ..Default::default()
        }))
    }

    async fn validate(
        &self,
        request: Request<v3::ContactInfoValidation>,
    ) -> Result<Response<()>, Status> {
        let request = request.into_inner();
        self.0.validate_email(&request.id, &request.token).await.map_err(status)?;
        Ok(Response::new(()))
    }
}

//! Users.

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};
use tonic::{Request, Response, Status};
use ttn_core::id::{EntityId, UserId};
use ttn_proto::{service, v3};

use super::{
    Api, answer, answers, apply, are_public, counted, defect, invalid, paths, query, status,
};
use crate::{
    convert::Convert as _,
    error::Error,
    record::{Picture, User},
};

#[async_trait::async_trait]
impl service::UserRegistry for Api {
    async fn create(
        &self,
        request: Request<v3::CreateUserRequest>,
    ) -> Result<Response<v3::User>, Status> {
        let caller = self.caller(&request).await?;
        let request = request.into_inner();
        let message = request.user.unwrap_or_default();
        let user = User::of_api(&message).map_err(defect)?;
        let invitation = &request.invitation_token;
        let created = self.0.create_user(&caller, user, &message.password, invitation).await;
        Ok(Response::new(created.map_err(status)?.to_api().map_err(defect)?))
    }

    async fn get(
        &self,
        request: Request<v3::GetUserRequest>,
    ) -> Result<Response<v3::User>, Status> {
        let caller = self.caller(&request).await?;
        let request = request.into_inner();
        let id = id(request.user_ids.as_ref())?;
        let paths = paths(request.field_mask);
        let user = match self.0.user(&caller, &id).await {
            Err(Error::Access(_)) if are_public(&paths, &["deleted_at", "contact_info"]) => {
                self.0.user_public(&caller, &id).await
            }
            found => found,
        };
        let user = self.with_face(user.map_err(status)?);
        Ok(Response::new(answer(&user, &paths)?))
    }

    async fn list(
        &self,
        request: Request<v3::ListUsersRequest>,
    ) -> Result<Response<v3::Users>, Status> {
        let caller = self.caller(&request).await?;
        let request = request.into_inner();
        let query = query(request.order, request.limit, request.page, request.deleted);
        let mut page = self.0.list_users(&caller, &query).await.map_err(status)?;
        page.items = page.items.into_iter().map(|user| self.with_face(user)).collect();
        let users = answers(&page, &paths(request.field_mask))?;
        Ok(counted(v3::Users { users }, page.total))
    }

    async fn update(
        &self,
        request: Request<v3::UpdateUserRequest>,
    ) -> Result<Response<v3::User>, Status> {
        let caller = self.caller(&request).await?;
        let request = request.into_inner();
        let message = request.user.unwrap_or_default();
        let id = id(message.ids.as_ref())?;
        let paths = paths(request.field_mask);
        if let Some(field) = paths.iter().find(|path| path.starts_with("temporary_password")) {
            return Err(Status::unimplemented(format!("setting {field} is not built")));
        }
        let updated =
            self.0.update_user(&caller, &id, &paths, |user| apply(user, &message, &paths));
        Ok(Response::new(answer(&updated.await.map_err(status)?, &paths)?))
    }

    async fn update_password(
        &self,
        request: Request<v3::UpdateUserPasswordRequest>,
    ) -> Result<Response<()>, Status> {
        let caller = self.caller(&request).await?;
        let request = request.into_inner();
        let id = id(request.user_ids.as_ref())?;
        let (old, new, revoke) = (&request.old, &request.new, request.revoke_all_access);
        self.0.update_password(&caller, &id, old, new, revoke).await.map_err(status)?;
        Ok(Response::new(()))
    }

    /// For everybody: who forgot his password has nothing to show.
    async fn create_temporary_password(
        &self,
        request: Request<v3::CreateTemporaryPasswordRequest>,
    ) -> Result<Response<()>, Status> {
        let caller = self.caller(&request).await?;
        let id = id(request.into_inner().user_ids.as_ref())?;
        self.0.create_temporary_password(&caller, &id).await.map_err(status)?;
        Ok(Response::new(()))
    }

    async fn delete(&self, request: Request<v3::UserIdentifiers>) -> Result<Response<()>, Status> {
        let caller = self.caller(&request).await?;
        let entity = EntityId::User(id(Some(request.get_ref()))?);
        self.0.delete(&caller, &entity).await.map_err(status)?;
        Ok(Response::new(()))
    }

    async fn restore(&self, request: Request<v3::UserIdentifiers>) -> Result<Response<()>, Status> {
        let caller = self.caller(&request).await?;
        let entity = EntityId::User(id(Some(request.get_ref()))?);
        self.0.restore(&caller, &entity).await.map_err(status)?;
        Ok(Response::new(()))
    }

    async fn purge(&self, request: Request<v3::UserIdentifiers>) -> Result<Response<()>, Status> {
        let caller = self.caller(&request).await?;
        let entity = EntityId::User(id(Some(request.get_ref()))?);
        self.0.purge(&caller, &entity).await.map_err(status)?;
        Ok(Response::new(()))
    }
}

impl Api {
    /// Who has no picture is shown with that of Gravatar, if it is configured (IS-18).
    fn with_face(&self, mut user: User) -> User {
        let email = user.primary_email_address.trim().to_lowercase();
        let wanted = self.0.config().pictures.gravatar && !email.is_empty();
        if wanted && user.profile_picture.is_none() {
            let hash = HEXLOWER.encode(&Sha256::digest(email));
            let address =
                |size: u32| (size, format!("https://www.gravatar.com/avatar/{hash}?s={size}&d=mp"));
            let sizes = [64, 128, 256, 512].map(address).into();
            user.profile_picture = Some(Picture { embedded: None, sizes });
        }
        user
    }
}

pub(super) fn id(ids: Option<&v3::UserIdentifiers>) -> Result<UserId, Status> {
    ids.map_or("", |ids| ids.user_id.as_str()).parse().map_err(invalid)
}

//! Bookmarks (IS-53).

use tonic::{Request, Response, Status};
use ttn_proto::{service, v3};

use super::{Api, counted, defect, entity, entity_ids, query, status, users::id};
use crate::{convert::Convert as _, record::Bookmark};

#[async_trait::async_trait]
impl service::UserBookmarkRegistry for Api {
    async fn create(
        &self,
        request: Request<v3::CreateUserBookmarkRequest>,
    ) -> Result<Response<v3::UserBookmark>, Status> {
        let caller = self.caller(&request).await?;
        let request = request.into_inner();
        let (user, entity) = (id(request.user_ids.as_ref())?, entity(request.entity_ids.as_ref())?);
        let bookmark = self.0.create_bookmark(&caller, &user, &entity).await.map_err(status)?;
        Ok(Response::new(message(&bookmark)?))
    }

    async fn list(
        &self,
        request: Request<v3::ListUserBookmarksRequest>,
    ) -> Result<Response<v3::UserBookmarks>, Status> {
        let caller = self.caller(&request).await?;
        let request = request.into_inner();
        let user = id(request.user_ids.as_ref())?;
        let query = query(request.order, request.limit, request.page, request.deleted);
        let kinds = &request.entity_types;
        let page = self.0.list_bookmarks(&caller, &user, kinds, &query).await.map_err(status)?;
        let bookmarks: Result<_, _> = page.items.iter().map(message).collect();
        Ok(counted(v3::UserBookmarks { bookmarks: bookmarks? }, page.total))
    }

    async fn delete(
        &self,
        request: Request<v3::DeleteUserBookmarkRequest>,
    ) -> Result<Response<()>, Status> {
        let caller = self.caller(&request).await?;
        let request = request.into_inner();
        let (user, entity) = (id(request.user_ids.as_ref())?, entity(request.entity_ids.as_ref())?);
        self.0.delete_bookmarks(&caller, &user, &[entity]).await.map_err(status)?;
        Ok(Response::new(()))
    }

    async fn batch_delete(
        &self,
        request: Request<v3::BatchDeleteUserBookmarksRequest>,
    ) -> Result<Response<()>, Status> {
        let caller = self.caller(&request).await?;
        let request = request.into_inner();
        let user = id(request.user_ids.as_ref())?;
        let entities: Result<Vec<_>, _> =
            request.entity_ids.iter().map(|ids| entity(Some(ids))).collect();
        self.0.delete_bookmarks(&caller, &user, &entities?).await.map_err(status)?;
        Ok(Response::new(()))
    }
}

fn message(bookmark: &Bookmark) -> Result<v3::UserBookmark, Status> {
    let mut message = bookmark.to_api().map_err(defect)?;
    message.entity_ids = entity_ids(&bookmark.entity);
    Ok(message)
}

//! Notifications (IS-54).

use tonic::{Request, Response, Status};
use ttn_proto::{service, v3};

use super::{Api, counted, defect, entity, entity_ids, query, status, users::id};
use crate::{
    convert::Convert as _,
    record::{Notification, Packed},
    server::notifications::News,
};

#[async_trait::async_trait]
impl service::NotificationService for Api {
    /// For other servers of the cluster.
    async fn create(
        &self,
        request: Request<v3::CreateNotificationRequest>,
    ) -> Result<Response<v3::CreateNotificationResponse>, Status> {
        let caller = self.caller(&request).await?;
        let request = request.into_inner();
        let sender = request.sender_ids.as_ref().map(|ids| id(Some(ids))).transpose()?;
        let news = News {
            notification_type: request.notification_type,
            entity: entity(request.entity_ids.as_ref())?,
            sender,
            data: request.data.map(|any| Packed { type_url: any.type_url, value: any.value }),
            receivers: request.receivers,
            email: request.email,
        };
        let id = self.0.create_notification(&caller, news).await.map_err(status)?;
        Ok(Response::new(v3::CreateNotificationResponse { id }))
    }

    async fn list(
        &self,
        request: Request<v3::ListNotificationsRequest>,
    ) -> Result<Response<v3::ListNotificationsResponse>, Status> {
        let caller = self.caller(&request).await?;
        let request = request.into_inner();
        let user = id(request.receiver_ids.as_ref())?;
        let query = query(String::new(), request.limit, request.page, false);
        let page = self.0.list_notifications(&caller, &user, &request.status, &query).await;
        let page = page.map_err(status)?;
        let notifications: Result<_, _> = page.items.iter().map(message).collect();
        let answer = v3::ListNotificationsResponse { notifications: notifications? };
        Ok(counted(answer, page.total))
    }

    async fn update_status(
        &self,
        request: Request<v3::UpdateNotificationStatusRequest>,
    ) -> Result<Response<()>, Status> {
        let caller = self.caller(&request).await?;
        let request = request.into_inner();
        let user = id(request.receiver_ids.as_ref())?;
        let updated =
            self.0.update_notifications(&caller, &user, &request.ids, request.status).await;
        updated.map_err(status)?;
        Ok(Response::new(()))
    }
}

fn message(told: &Notification) -> Result<v3::Notification, Status> {
    let mut message = told.to_api().map_err(defect)?;
    message.entity_ids = entity_ids(&told.entity);
    Ok(message)
}

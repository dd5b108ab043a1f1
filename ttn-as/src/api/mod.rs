//! The API services of the Application Server: who may call, and what is asked of the component.

mod formatters;
mod link;
mod packages;
mod pubsub;
mod registry;
mod storage;
mod traffic;
mod web;
mod webhook;

pub use ttn_proto::v3::ApplicationWebhookTemplate as WebhookTemplate;
pub use web::routes;

use std::sync::Arc;

use tonic::{Request, Response, Status, metadata::MetadataMap};
use ttn_core::{
    auth::{Principal, Right},
    error::{ErrorBody, ErrorKind},
    id::{ApplicationId, DeviceIds, EntityId},
    peer::{PeerError, require_rights},
};
use ttn_proto::{
    ApiMessage, mask,
    service::{self, Method},
    v3,
};

use crate::{ApplicationServer, Error};

/// The services of an Application Server. Webhooks have [`routes`] besides.
#[must_use]
pub fn methods(server: &Arc<ApplicationServer>) -> Vec<Method> {
    let api = Arc::new(Api::new(server.clone()));
    let mut methods = service::r#as(api.clone());
    methods.extend(service::app_as(api.clone()));
    methods.extend(service::application_package_registry(api.clone()));
    methods.extend(service::application_pub_sub_registry(api.clone()));
    methods.extend(service::as_end_device_batch_registry(api.clone()));
    methods.extend(service::as_end_device_registry(api.clone()));
    methods.extend(service::application_up_storage(api.clone()));
    methods.extend(service::application_webhook_registry(api));
    methods
}

/// The services over a server.
#[derive(Clone, Debug)]
pub struct Api(Arc<ApplicationServer>);

impl Api {
    /// Serves a server.
    #[must_use]
    pub const fn new(server: Arc<ApplicationServer>) -> Self {
        Self(server)
    }

    /// Finds out who calls and checks his rights on an application.
    async fn authorize<T: Sync>(
        &self,
        request: &Request<T>,
        application: &ApplicationId,
        needs: &[Right],
    ) -> Result<(), Status> {
        self.authorize_metadata(request.metadata(), application, needs).await
    }

    async fn authorize_metadata(
        &self,
        metadata: &MetadataMap,
        application: &ApplicationId,
        needs: &[Right],
    ) -> Result<(), Status> {
        let credentials = ttn_rpc::auth::credentials(metadata);
        let credentials = credentials.map_err(|body| ttn_rpc::status::from_body(&body))?;
        let access = self.0.peers.access().map_err(|error| peer(&error))?;
        let caller: Principal =
            access.principal(&credentials).await.map_err(|error| peer(&error))?;
        let entity = EntityId::Application(application.clone());
        require_rights(&*access, &caller, &entity, needs).await.map_err(|error| peer(&error))
    }
}

fn application(ids: Option<&v3::ApplicationIdentifiers>) -> Result<ApplicationId, Status> {
    let id = ids.map(|ids| ids.application_id.as_str()).unwrap_or_default();
    ApplicationId::new(id).map_err(|error| invalid(&error.to_string()))
}

fn device(ids: Option<&v3::EndDeviceIdentifiers>) -> Result<DeviceIds, Status> {
    let none = v3::EndDeviceIdentifiers::default();
    DeviceIds::try_from(ids.unwrap_or(&none)).map_err(|error| invalid(&error.to_string()))
}

/// The fields of a message that are wanted.
fn answer<M: ApiMessage + Default>(message: &M, paths: &[String]) -> Result<Response<M>, Status> {
    let answer = mask::filter(message, paths);
    answer.map(Response::new).map_err(|error| invalid(&error.to_string()))
}

fn invalid(message: &str) -> Status {
    ttn_rpc::status::from_body(&ErrorBody::new(
        "pkg/applicationserver",
        "field_value",
        ErrorKind::InvalidArgument,
        message,
    ))
}

fn status(error: &Error) -> Status {
    ttn_rpc::status::from_body(&error.to_body())
}

fn peer(error: &PeerError) -> Status {
    ttn_rpc::status::from_body(&error.to_body())
}

//! The API services of the Network Server: they check rights, convert, and call the component.

mod band;
mod device;
mod info;
mod queue;

use std::sync::Arc;

use tonic::{Status, metadata::MetadataMap};
use ttn_core::{
    auth::{Principal, Right},
    id::{ApplicationId, EntityId},
    peer::{PeerError, require_rights},
};
use ttn_proto::service::{self, Method};
use ttn_rpc::status;

use crate::{NetworkServer, convert::FromApiError, error::Error};

/// All methods of a Network Server, to be handed to `ttn_rpc::server::Api`.
pub fn methods(ns: &Arc<NetworkServer>) -> Vec<Method> {
    let api = Arc::new(Api(ns.clone()));
    let mut methods = service::ns_end_device_registry(api.clone());
    methods.extend(service::ns(api.clone()));
    methods.extend(service::as_ns(api.clone()));
    methods.extend(service::configuration(api));
    methods
}

#[derive(Debug)]
struct Api(Arc<NetworkServer>);

impl Api {
    async fn caller(&self, metadata: &MetadataMap) -> Result<Principal, Status> {
        let credentials =
            ttn_rpc::auth::credentials(metadata).map_err(|body| status::from_body(&body))?;
        let access = self.0.peers.access().map_err(|error| peer(&error))?;
        access.principal(&credentials).await.map_err(|error| peer(&error))
    }

    async fn require(
        &self,
        metadata: &MetadataMap,
        application: &ApplicationId,
        rights: &[Right],
    ) -> Result<(), Status> {
        let caller = self.caller(metadata).await?;
        let access = self.0.peers.access().map_err(|error| peer(&error))?;
        let entity = EntityId::Application(application.clone());
        require_rights(access.as_ref(), &caller, &entity, rights)
            .await
            .map_err(|error| peer(&error))
    }
}

fn peer(error: &PeerError) -> Status {
    status::from_body(&error.to_body())
}

fn component(error: Error) -> Status {
    status::from_body(&error.to_body())
}

fn malformed(error: impl Into<FromApiError>) -> Status {
    Status::invalid_argument(error.into().to_string())
}

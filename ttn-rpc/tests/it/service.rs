//! A server with a few services, and clients for it.

use std::net::SocketAddr;
use std::sync::Arc;

use futures::StreamExt as _;
use tonic::{Request, Response, Status};
use ttn_core::clock::SystemClock;
use ttn_core::error::{ErrorBody, ErrorKind};
use ttn_core::rand::OsEntropy;
use ttn_proto::service::{self, BoxStream};
use ttn_proto::v3;
use ttn_rpc::server::Api;

pub(crate) struct Applications;

#[tonic::async_trait]
impl service::ApplicationRegistry for Applications {
    async fn get(
        &self,
        request: Request<v3::GetApplicationRequest>,
    ) -> Result<Response<v3::Application>, Status> {
        let caller = ttn_rpc::auth::credentials(request.metadata());
        let caller = caller.map_err(|error| ttn_rpc::status::from_body(&error))?;
        let request_id = ttn_rpc::auth::request_id(request.metadata()).unwrap_or_default();
        let attributes = [
            ("caller", format!("{caller:?}")),
            ("request-id", request_id.to_owned()),
            ("forwarded-for", ttn_rpc::auth::forwarded_for(request.metadata()).join(",")),
        ];
        let attributes = attributes.map(|(name, value)| (name.to_owned(), value)).into();
        let message = request.into_inner();
        let id = message.application_ids.clone().unwrap_or_default().application_id;
        match id.as_str() {
            "missing" => Err(ttn_rpc::status::from_body(
                &ErrorBody::new(
                    "pkg/identityserver/store",
                    "application_not_found",
                    ErrorKind::NotFound,
                    "application `missing` not found",
                )
                .with("application_id", "missing"),
            )),
            "slow" => std::future::pending().await,
            "panic" => panic!("on purpose"),
            _ => {
                let paths = message.field_mask.unwrap_or_default().paths;
                let name = paths.join(",");
                let ids = message.application_ids;
                Ok(Response::new(v3::Application { ids, name, attributes, ..Default::default() }))
            }
        }
    }

    async fn list(
        &self,
        request: Request<v3::ListApplicationsRequest>,
    ) -> Result<Response<v3::Applications>, Status> {
        let message = request.into_inner();
        if message.order == "-name" {
            return Err(Status::unauthenticated("who are you"));
        }
        let count = usize::try_from(message.limit).unwrap();
        let applications = vec![v3::Application::default(); count];
        let mut response = Response::new(v3::Applications { applications });
        response.metadata_mut().insert("x-total-count", "42".parse().unwrap());
        response.metadata_mut().append("warning", "one".parse().unwrap());
        response.metadata_mut().append("warning", "two".parse().unwrap());
        Ok(response)
    }

    async fn update(
        &self,
        request: Request<v3::UpdateApplicationRequest>,
    ) -> Result<Response<v3::Application>, Status> {
        Ok(Response::new(request.into_inner().application.unwrap_or_default()))
    }

    async fn delete(&self, _: Request<v3::ApplicationIdentifiers>) -> Result<Response<()>, Status> {
        Ok(Response::new(()))
    }
}

pub(crate) struct Events;

#[tonic::async_trait]
impl service::Events for Events {
    async fn stream(
        &self,
        request: Request<v3::StreamEventsRequest>,
    ) -> Result<Response<BoxStream<v3::Event>>, Status> {
        let names = request.into_inner().names.into_iter().map(|name| match name.as_str() {
            "error" => Err(Status::unavailable("the bus is gone")),
            _ => Ok(v3::Event { name, ..Default::default() }),
        });
        Ok(Response::new(futures::stream::iter(names.collect::<Vec<_>>()).boxed()))
    }
}

pub(crate) struct Gateways;

#[tonic::async_trait]
impl service::GtwGs for Gateways {
    async fn link_gateway(
        &self,
        request: Request<BoxStream<v3::GatewayUp>>,
    ) -> Result<Response<BoxStream<v3::GatewayDown>>, Status> {
        let id = ttn_rpc::auth::gateway_id(request.metadata());
        id.map_err(|error| ttn_rpc::status::from_body(&error))?;
        let down = request.into_inner().map(|up| {
            let up = up?;
            let raw_payload = vec![u8::try_from(up.uplink_messages.len()).unwrap()];
            let message = v3::DownlinkMessage { raw_payload, ..Default::default() };
            Ok(v3::GatewayDown { downlink_message: Some(message) })
        });
        Ok(Response::new(down.boxed()))
    }
}

/// Says whom the call came from, as services are told.
async fn beside(headers: http::HeaderMap) -> String {
    let mut request = Request::new(());
    *request.metadata_mut() = tonic::metadata::MetadataMap::from_headers(headers);
    ttn_rpc::auth::event_caller(&request).remote_ip
}

/// Serves on a free port until the test's runtime ends.
pub(crate) async fn serve() -> SocketAddr {
    let api = Api::builder(Arc::new(SystemClock::new()), Arc::new(OsEntropy::default()))
        .methods(service::application_registry(Arc::new(Applications)))
        .methods(service::events(Arc::new(Events)))
        .methods(service::gtw_gs(Arc::new(Gateways)))
        .routes(axum::Router::new().route("/beside", axum::routing::get(beside)))
        .readiness(Arc::new(|| Err("the store is closed".to_owned())))
        .build();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = api.router().into_make_service_with_connect_info::<SocketAddr>();
    #[allow(clippy::disallowed_methods, reason = "the runtime of the test owns it")]
    tokio::spawn(async move { axum::serve(listener, service).await });
    address
}

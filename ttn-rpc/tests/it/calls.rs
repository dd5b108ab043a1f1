//! Calls over HTTP/JSON: no path, query or body panics, and the path of a call wins over its query and body.
//!
//! Both the fuzz target `http` and a test that replays its seeds run this.

use std::sync::Arc;

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Method, Request as HttpRequest, StatusCode, Uri},
};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};
use tonic::{Request, Response, Status};
use tower::ServiceExt as _;
use ttn_core::{clock::SystemClock, rand::OsEntropy};
use ttn_proto::{service, v3};
use ttn_rpc::server::Api;

/// Answers with the device that it was asked for.
struct Echo;

#[tonic::async_trait]
impl service::EndDeviceRegistry for Echo {
    async fn get(
        &self,
        request: Request<v3::GetEndDeviceRequest>,
    ) -> Result<Response<v3::EndDevice>, Status> {
        let ids = request.into_inner().end_device_ids;
        Ok(Response::new(v3::EndDevice { ids, ..Default::default() }))
    }

    async fn update(
        &self,
        request: Request<v3::UpdateEndDeviceRequest>,
    ) -> Result<Response<v3::EndDevice>, Status> {
        Ok(Response::new(request.into_inner().end_device.unwrap_or_default()))
    }
}

impl service::AppAs for Echo {}
impl service::ApplicationAccess for Echo {}
impl service::ApplicationRegistry for Echo {}
impl service::ApplicationWebhookRegistry for Echo {}
impl service::EndDeviceRegistrySearch for Echo {}
impl service::EntityRegistrySearch for Echo {}
impl service::GatewayRegistry for Echo {}
impl service::NotificationService for Echo {}
impl service::NsEndDeviceRegistry for Echo {}
impl service::UserRegistry for Echo {}

thread_local! {
    static SERVER: (Runtime, Router) = {
        let runtime = Builder::new_current_thread().enable_time().build().unwrap();
        let router = runtime.block_on(async { router() });
        (runtime, router)
    };
}

fn router() -> Router {
    let echo = Arc::new(Echo);
    Api::builder(Arc::new(SystemClock::new()), Arc::new(OsEntropy::default()))
        .methods(service::app_as(echo.clone()))
        .methods(service::application_access(echo.clone()))
        .methods(service::application_registry(echo.clone()))
        .methods(service::application_webhook_registry(echo.clone()))
        .methods(service::end_device_registry(echo.clone()))
        .methods(service::end_device_registry_search(echo.clone()))
        .methods(service::entity_registry_search(echo.clone()))
        .methods(service::gateway_registry(echo.clone()))
        .methods(service::notification_service(echo.clone()))
        .methods(service::ns_end_device_registry(echo.clone()))
        .methods(service::user_registry(echo))
        .build()
        .router()
}

/// The first line is a method and a path with its query, the rest is the body.
pub(crate) fn check(octets: &[u8]) {
    let end = octets.iter().position(|octet| *octet == b'\n').unwrap_or(octets.len());
    let (line, body) = octets.split_at(end);
    let Some(line) = std::str::from_utf8(line).ok() else { return };
    let Some((method, uri)) = line.split_once(' ') else { return };
    let (Ok(method), Ok(uri)) = (method.parse::<Method>(), uri.parse::<Uri>()) else { return };
    let path = uri.path().to_owned();
    let body = Body::from(body.get(1..).unwrap_or_default().to_vec());
    let request = HttpRequest::builder().method(method).uri(uri).body(body).unwrap();
    let (status, answer) = SERVER.with(|(runtime, router)| {
        runtime.block_on(async {
            let answer = router.clone().oneshot(request).await.unwrap();
            let status = answer.status();
            (status, to_bytes(answer.into_body(), usize::MAX).await.unwrap())
        })
    });
    assert_ne!(status, StatusCode::INTERNAL_SERVER_ERROR, "{line}");
    if status == StatusCode::OK && path.starts_with(DEVICES) {
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        let ids = &answer["ids"];
        let named: Vec<_> = path[DEVICES.len()..].split('/').collect();
        let [application, "devices", device] = *named else { return };
        let plain = |text: &str| text.bytes().all(|octet| octet != b'%');
        if plain(application) && plain(device) && ids["device_id"].is_string() {
            assert_eq!(ids["application_ids"]["application_id"], application, "{line}");
            assert_eq!(ids["device_id"], device, "{line}");
        }
    }
}

const DEVICES: &str = "/api/v3/applications/";

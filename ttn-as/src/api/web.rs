//! What webhooks have besides the API's bindings: downlinks (AS-42), dead letters and replays (AS-45).

use std::sync::Arc;

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing,
};
use prost::Message as _;
use serde::Deserialize;
use serde_json::{Value, json};
use tonic::{Status, metadata::MetadataMap};
use ttn_core::{
    auth::Right,
    error::{ErrorBody, ErrorKind},
    id::{ApplicationId, DeviceId, DeviceKey},
    limit::LimitState,
};
use ttn_proto::{convert, json as api_json, v3};

use super::{Api, invalid, status};
use crate::{
    ApplicationServer, DownlinkItem,
    convert::downlink_from_api,
    downlink::{DOWNLINKS_MAX, QueueOperation},
    integration::{
        parse_downlinks,
        webhook::{DeadLetter, Format, Webhook, WebhookError, webhook_key},
    },
    store::IntegrationKey,
};

/// The largest body that is read.
const BODY_MAX: usize = 1 << 20;
/// The class of downlinks by webhooks for rate limits.
const RATE_CLASS: &str = "as:down:web";
const NAMESPACE: &str = "pkg/applicationserver/io/web";

/// The routes of webhooks, to be added to the API's.
///
/// * `POST /api/v3/as/applications/{app}/webhooks/{hook}/devices/{dev}/down/push` and `…/replace`: downlinks;
/// * `GET /api/v1/as/applications/{app}/webhooks/{hook}/dead-letters`: messages that were given up;
/// * `POST /api/v1/as/applications/{app}/webhooks/{hook}/replay`: delivers again what was received since `after`.
pub fn routes(server: &Arc<ApplicationServer>) -> Router {
    let down = "/api/v3/as/applications/{application}/webhooks/{webhook}/devices/{device}/down";
    let own = "/api/v1/as/applications/{application}/webhooks/{webhook}";
    Router::new()
        .route(&format!("{down}/push"), routing::post(push))
        .route(&format!("{down}/replace"), routing::post(replace))
        .route(&format!("{own}/dead-letters"), routing::get(dead_letters))
        .route(&format!("{own}/replay"), routing::post(replay))
        .with_state(Api(server.clone()))
}

type DownlinkPath = Path<(String, String, String)>;

async fn push(
    State(api): State<Api>,
    Path(path): DownlinkPath,
    headers: HeaderMap,
    body: Body,
) -> Response {
    answer(api.downlinks(path, headers, body, QueueOperation::Push).await)
}

async fn replace(
    State(api): State<Api>,
    Path(path): DownlinkPath,
    headers: HeaderMap,
    body: Body,
) -> Response {
    answer(api.downlinks(path, headers, body, QueueOperation::Replace).await)
}

async fn dead_letters(
    State(api): State<Api>,
    Path((application, webhook)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    answer(api.dead_letters(&application, &webhook, headers).await)
}

async fn replay(
    State(api): State<Api>,
    Path((application, webhook)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    answer(api.replay(&application, &webhook, headers, body).await)
}

/// A body of JSON or nothing; or an error, and whether it is that the webhook is paused.
fn answer(result: Result<Option<Value>, Status>) -> Response {
    match result {
        Ok(None) => StatusCode::OK.into_response(),
        Ok(Some(value)) => {
            ([(header::CONTENT_TYPE, "application/json")], value.to_string()).into_response()
        }
        Err(error) => {
            let is_paused =
                ttn_proto::status::details(&error).is_some_and(|it| it.name == "webhook_paused");
            let mut response = ttn_rpc::status::to_http(&error);
            if is_paused {
                *response.status_mut() = StatusCode::NOT_ACCEPTABLE;
            }
            response
        }
    }
}

#[derive(Deserialize)]
struct ReplayRequest {
    after: String,
}

impl Api {
    async fn downlinks(
        &self,
        (application, webhook, device): (String, String, String),
        headers: HeaderMap,
        body: Body,
        operation: QueueOperation,
    ) -> Result<Option<Value>, Status> {
        let needs = [Right::ApplicationTrafficDownWrite];
        let (key, webhook) = self.open(&application, &webhook, headers, &needs).await?;
        if webhook.paused {
            return Err(ttn_rpc::status::from_error(WebhookError::Paused));
        }
        let device = DeviceId::new(&device).map_err(|error| invalid(&error.to_string()))?;
        let device = DeviceKey::new(key.application_id.clone(), device);
        let limited = self.0.limiter.take(RATE_CLASS, &device.to_string()).await;
        if let Some(state) = limited.filter(|state| !state.allowed) {
            return Err(too_fast(state));
        }
        let items = downlinks(&webhook, &read(body).await?)?;
        let queued = self.0.queue_downlinks(&device, operation, items).await;
        queued.map_err(|error| status(&error))?;
        Ok(None)
    }

    async fn dead_letters(
        &self,
        application: &str,
        webhook: &str,
        headers: HeaderMap,
    ) -> Result<Option<Value>, Status> {
        let needs = [Right::ApplicationTrafficRead];
        let (key, _) = self.open(application, webhook, headers, &needs).await?;
        let letters = self.0.dead_letters(&key);
        let letters: Vec<_> = letters.iter().map(|letter| dead_letter(letter, &key)).collect();
        Ok(Some(json!({ "dead_letters": letters })))
    }

    async fn replay(
        &self,
        application: &str,
        webhook: &str,
        headers: HeaderMap,
        body: Body,
    ) -> Result<Option<Value>, Status> {
        let needs = [Right::ApplicationSettingsBasic, Right::ApplicationTrafficRead];
        let (key, _) = self.open(application, webhook, headers, &needs).await?;
        let asked: ReplayRequest = serde_json::from_slice(&read(body).await?)
            .map_err(|error| invalid(&format!("after: {error}")))?;
        let after = api_json::parse_timestamp(&asked.after)
            .ok_or_else(|| invalid("after: an RFC 3339 time such as 2026-11-22T23:00:00Z"))?;
        let replayed = self.0.replay_webhook(&key, convert::to_timestamp(&after)).await;
        replayed.map_err(ttn_rpc::status::from_error)?;
        Ok(Some(json!({})))
    }

    /// Checks the caller's rights and finds the webhook.
    async fn open(
        &self,
        application: &str,
        webhook: &str,
        headers: HeaderMap,
        needs: &[Right],
    ) -> Result<(IntegrationKey, Webhook), Status> {
        let id = ApplicationId::new(application).map_err(|error| invalid(&error.to_string()))?;
        self.authorize_metadata(&MetadataMap::from_headers(headers), &id, needs).await?;
        let key = webhook_key(&id, webhook);
        let stored = self.0.webhook(&key).map_err(ttn_rpc::status::from_error)?;
        Ok((key, stored.value))
    }
}

async fn read(body: Body) -> Result<Vec<u8>, Status> {
    let octets = to_bytes(body, BODY_MAX).await.map_err(|_| {
        let text = format!("the body ended early, or is larger than {BODY_MAX} octets");
        named("read_body", ErrorKind::Canceled, text)
    })?;
    Ok(octets.to_vec())
}

fn downlinks(webhook: &Webhook, body: &[u8]) -> Result<Vec<DownlinkItem>, Status> {
    let wrong = |text: String| named("decode_body", ErrorKind::InvalidArgument, text);
    match webhook.format {
        Format::Json => parse_downlinks(body).map_err(|error| wrong(error.to_string())),
        Format::Protobuf => {
            let message = v3::ApplicationDownlinks::decode(body);
            let message = message.map_err(|error| wrong(error.to_string()))?;
            if message.downlinks.len() > DOWNLINKS_MAX {
                return Err(wrong(format!("at most {DOWNLINKS_MAX} downlinks")));
            }
            message.downlinks.iter().map(downlink_from_api).collect()
        }
    }
}

fn dead_letter(letter: &DeadLetter, key: &IntegrationKey) -> Value {
    let error = convert::error_details(&letter.failure.to_body(&key.id));
    let error: Value = serde_json::from_str(&api_json::to_string(&error)).unwrap_or_default();
    let time = |time| api_json::format_timestamp(&convert::timestamp(time));
    json!({
        "device_id": letter.device_id.as_str(),
        "delivery": format!("{}.{}/{}", key.application_id, letter.device_id, letter.number),
        "type": letter.kind.name(),
        "received_at": time(letter.received_at),
        "failed_at": time(letter.failed_at),
        "attempts": letter.attempts,
        "error": error,
    })
}

fn named(name: &'static str, kind: ErrorKind, text: impl Into<String>) -> Status {
    ttn_rpc::status::from_body(&ErrorBody::new(NAMESPACE, name, kind, text))
}

fn too_fast(state: LimitState) -> Status {
    let retry = state.retry_after.as_secs().max(1);
    let text = format!("too many downlinks; try again in {retry} s");
    let mut error = named("rate_limit_exceeded", ErrorKind::ResourceExhausted, text);
    for (name, value) in [
        ("x-rate-limit-limit", u64::from(state.limit)),
        ("x-rate-limit-available", u64::from(state.available)),
        ("x-rate-limit-reset", state.reset_after.as_secs()),
        ("x-rate-limit-retry", retry),
    ] {
        error.metadata_mut().insert(name, value.into());
    }
    error
}

//! HTTP routes besides the bindings of the API: API keys beyond it, and pictures.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing,
};
use serde_json::{Value, json};
use tonic::{
    Request, Status,
    metadata::{MetadataMap, MetadataValue},
};
use ttn_core::{
    auth::Principal,
    id::{EntityId, IdError},
};

use super::{Api, defect, invalid, status};
use crate::{
    convert::Convert as _,
    error::Error,
    record::Time,
    server::{IdentityServer, pictures::ROUTE as PICTURES},
};

/// Routes besides the bindings of the API:
///
/// * `GET /api/v1/is/{kind}/{id}/api-keys/{key}`: when the key was last used, and until when the secret of before its
///   last rotation is accepted, in seconds since 1970. `kind` is `applications`, `gateways`, `organizations` or `users`.
/// * `POST /api/v1/is/{kind}/{id}/api-keys/{key}/rotate` with `{"overlap_seconds": 3600}`: a new secret.
/// * `GET /assets/blob/…`: pictures (IS-18), for everybody who knows their address, which cannot be guessed.
pub fn routes(server: &Arc<IdentityServer>) -> Router {
    let key = "/api/v1/is/{kind}/{id}/api-keys/{key}";
    Router::new()
        .route(key, routing::get(usage))
        .route(&format!("{key}/rotate"), routing::post(rotate))
        .route(&format!("{PICTURES}/{{*place}}"), routing::get(picture))
        .with_state(Arc::new(Api(server.clone())))
}

type KeyPath = Path<(String, String, String)>;

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Rotation {
    overlap_seconds: u64,
}

async fn usage(
    State(api): State<Arc<Api>>,
    Path((kind, id, key)): KeyPath,
    headers: HeaderMap,
) -> Response {
    answer(
        async {
            let (caller, entity) = api.called(&headers, &kind, &id).await?;
            let key = api.0.api_key(&caller, &entity, &key).await.map_err(status)?;
            Ok(json!({
                "id": key.id,
                "last_used_at": key.last_used_at.map(unix_seconds),
                "previous_until": key.previous_until.map(unix_seconds),
            }))
        }
        .await,
    )
}

async fn rotate(
    State(api): State<Arc<Api>>,
    Path((kind, id, key)): KeyPath,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    answer(
        async {
            let (caller, entity) = api.called(&headers, &kind, &id).await?;
            let rotation: Rotation = match body.len() {
                0 => Rotation::default(),
                _ => serde_json::from_slice(&body)
                    .map_err(|error| Status::invalid_argument(format!("the body: {error}")))?,
            };
            let overlap = Duration::from_secs(rotation.overlap_seconds);
            let issued = api.0.rotate_api_key(&caller, &entity, &key, overlap).await;
            let issued = issued.map_err(status)?;
            let mut message = issued.key.to_api().map_err(defect)?;
            message.key = issued.token;
            serde_json::from_str(&ttn_proto::json::to_string(&message))
                .map_err(|error| Status::internal(error.to_string()))
        }
        .await,
    )
}

/// Nothing in a picture is ever taken for a page.
async fn picture(State(api): State<Arc<Api>>, Path(place): Path<String>) -> Response {
    match api.0.picture(&place).await {
        Ok(Some((media_type, octets))) => {
            let headers = [
                (header::CONTENT_TYPE, media_type),
                (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
                (header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"),
            ];
            (headers, octets).into_response()
        }
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Err(error) => ttn_rpc::status::to_http(&status(error)),
    }
}

impl Api {
    async fn called(
        &self,
        headers: &HeaderMap,
        kind: &str,
        id: &str,
    ) -> Result<(Principal, EntityId), Status> {
        let mut metadata = MetadataMap::new();
        for name in ["authorization", "user-agent", "x-request-id", "x-forwarded-for"] {
            let value = headers.get_all(name).iter().next_back();
            let value = value.and_then(|value| value.to_str().ok());
            if let Some(value) = value.and_then(|value| MetadataValue::try_from(value).ok()) {
                metadata.insert(name, value);
            }
        }
        let mut request = Request::new(());
        *request.metadata_mut() = metadata;
        let caller = self.caller(&request).await?;
        Ok((caller, entity(kind, id).map_err(invalid)?.ok_or_else(|| status(UNKNOWN_KIND))?))
    }
}

const UNKNOWN_KIND: Error =
    Error::InvalidField { field: "kind", reason: "has no API keys, or is unknown" };

fn entity(kind: &str, id: &str) -> Result<Option<EntityId>, IdError> {
    Ok(Some(match kind {
        "applications" => EntityId::Application(id.parse()?),
        "gateways" => EntityId::Gateway(id.parse()?),
        "organizations" => EntityId::Organization(id.parse()?),
        "users" => EntityId::User(id.parse()?),
        _ => return Ok(None),
    }))
}

const fn unix_seconds(time: Time) -> i64 {
    time.seconds
}

fn answer(result: Result<Value, Status>) -> Response {
    match result {
        Ok(value) => {
            ([(header::CONTENT_TYPE, "application/json")], value.to_string()).into_response()
        }
        Err(error) => ttn_rpc::status::to_http(&error),
    }
}

//! Request headers as metadata of the call.

use axum::extract::ConnectInfo;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use tonic::metadata::{AsciiMetadataKey, AsciiMetadataValue, MetadataMap};

/// The longest request id that is echoed.
const REQUEST_ID_LENGTH_MAX: usize = 128;

/// Headers that keep their name.
const AS_IS: &[&str] = &[
    "authorization",
    "forwarded",
    "grpc-timeout",
    "x-forwarded-client-cert",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-forwarded-tls-client-cert",
    "x-forwarded-tls-client-cert-info",
    "x-real-ip",
];

/// Headers that arrive as `grpcgateway-<name>`.
const PREFIXED: &[&str] = &[
    "accept",
    "accept-language",
    "cache-control",
    "content-type",
    "cookie",
    "date",
    "from",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-unmodified-since",
    "origin",
    "pragma",
    "referer",
    "user-agent",
    "via",
    "warning",
];

/// The request id of the caller, if it is usable.
pub(super) fn request_id(headers: &HeaderMap) -> Option<String> {
    let id = headers.get("x-request-id")?.to_str().ok()?;
    (!id.is_empty() && id.len() <= REQUEST_ID_LENGTH_MAX).then(|| id.to_owned())
}

/// Whether streams are to be sent as events.
pub(super) fn accepts_event_stream(headers: &HeaderMap) -> bool {
    let accepts = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepts
        .flat_map(|value| value.split(','))
        .any(|kind| kind.split(';').next().is_some_and(|kind| kind.trim() == "text/event-stream"))
}

/// Whether answers may be compressed with gzip.
pub(super) fn accepts_gzip(headers: &HeaderMap) -> bool {
    let accepts = headers.get_all(header::ACCEPT_ENCODING).iter();
    let mut codings = accepts.filter_map(|value| value.to_str().ok()).flat_map(|v| v.split(','));
    codings.any(|coding| {
        let (name, quality) = coding.split_once(';').unwrap_or((coding, ""));
        name.trim() == "gzip" && !matches!(quality.trim(), "q=0" | "q=0.0")
    })
}

/// The metadata of a call.
pub(super) fn metadata(parts: &Parts, id: &str) -> MetadataMap {
    let mut metadata = MetadataMap::new();
    for (name, value) in &parts.headers {
        let name = name.as_str();
        let name = if AS_IS.contains(&name) {
            name.to_owned()
        } else if let Some(name) = name.strip_prefix("grpc-metadata-") {
            name.to_owned()
        } else if PREFIXED.contains(&name) {
            format!("grpcgateway-{name}")
        } else {
            continue;
        };
        add(&mut metadata, &name, value.to_str().unwrap_or_default());
    }
    add(&mut metadata, "x-request-id", id);
    let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    if let Some(host) = host.or_else(|| parts.uri.authority().map(|host| host.as_str())) {
        add(&mut metadata, "host", host);
    }
    add(&mut metadata, "uri", parts.uri.path());
    if let Some(ConnectInfo(address)) = parts.extensions.get::<ConnectInfo<std::net::SocketAddr>>()
    {
        add(&mut metadata, "x-forwarded-for", &address.ip().to_string());
    }
    metadata
}

fn add(metadata: &mut MetadataMap, name: &str, value: &str) {
    let name = name.parse::<AsciiMetadataKey>();
    if let (Ok(name), Ok(value)) = (name, value.parse::<AsciiMetadataValue>()) {
        metadata.append(name, value);
    }
}

//! Answers: bodies, errors, streams and the headers that all of them have.

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Response as HttpResponse, StatusCode, header};
use bytes::Bytes;
use futures::StreamExt as _;
use tonic::metadata::MetadataMap;
use tonic::{Code, Response, Status};
use ttn_proto::json::Writer;
use ttn_proto::service::{BoxStream, Outgoing};
use ttn_proto::status;

use crate::status::http_status;

/// Shorter answers are not compressed.
const COMPRESSED_MIN: usize = 1024;

/// Response metadata and the headers that carry it.
const FORWARDED: &[(&str, &str)] = &[
    ("warning", "x-warning"),
    ("x-continuation-token", "x-continuation-token"),
    ("x-rate-limit-available", "x-rate-limit-available"),
    ("x-rate-limit-limit", "x-rate-limit-limit"),
    ("x-rate-limit-reset", "x-rate-limit-reset"),
    ("x-rate-limit-retry", "x-rate-limit-retry"),
    ("x-total-count", "x-total-count"),
];

/// Headers of every answer.
const ALWAYS: &[(&str, &str)] = &[
    ("cache-control", "no-store"),
    ("pragma", "no-cache"),
    ("referrer-policy", "strict-origin-when-cross-origin"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "SAMEORIGIN"),
    ("x-xss-protection", "1; mode=block"),
];

/// Headers that scripts of other origins may read.
const EXPOSED: &str = "Date, Content-Length, X-Continuation-Token, X-Rate-Limit-Limit, X-Rate-Limit-Available, \
                       X-Rate-Limit-Reset, X-Rate-Limit-Retry, X-Request-Id, X-Total-Count, X-Warning";

/// The answer of a call without streams.
pub(super) fn unary(answer: Response<Outgoing>, gzip: bool) -> HttpResponse<Body> {
    let (metadata, message, _) = answer.into_parts();
    let mut writer = Writer::default();
    message.write_json(&mut writer);
    let mut response = document(writer.finish().into(), gzip);
    forward(&metadata, &mut response);
    response
}

/// An answer that is JSON already.
pub(super) fn document(text: Bytes, gzip: bool) -> HttpResponse<Body> {
    let compressed = (gzip && text.len() >= COMPRESSED_MIN).then(|| compress(&text)).flatten();
    let mut response = match compressed {
        Some(bytes) => {
            let mut response = json(StatusCode::OK, bytes);
            set(&mut response, "content-encoding", "gzip");
            response
        }
        None => json(StatusCode::OK, text),
    };
    set(&mut response, "vary", "accept-encoding");
    response
}

#[cfg(feature = "gzip")]
fn compress(text: &[u8]) -> Option<Vec<u8>> {
    use std::io::Write as _;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text).ok()?;
    encoder.finish().ok()
}

#[cfg(not(feature = "gzip"))]
fn compress(_: &[u8]) -> Option<Vec<u8>> {
    None
}

/// The answer of a call that failed.
pub(super) fn error(error: &Status) -> HttpResponse<Body> {
    let code = StatusCode::from_u16(http_status(error.code()));
    let code = code.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut writer = Writer::default();
    write_status(error, &mut writer);
    let mut response = json(code, writer.finish());
    forward(error.metadata(), &mut response);
    if error.code() == Code::Unauthenticated {
        let message: String = error.message().chars().filter(|c| !c.is_control()).collect();
        if let Ok(message) = HeaderValue::try_from(message) {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, message);
        }
    }
    response
}

/// The answer of a call that streams.
pub(super) fn stream(
    messages: BoxStream<Outgoing>,
    metadata: &MetadataMap,
    event_stream: bool,
) -> HttpResponse<Body> {
    let (kind, end) =
        if event_stream { ("text/event-stream", "\n\n") } else { ("application/json", "\n") };
    // An error is the last thing that is sent.
    let lines = messages.scan(false, move |ended, message| {
        let line = (!*ended).then(|| {
            *ended = message.is_err();
            Ok::<_, std::convert::Infallible>(line(message, end))
        });
        std::future::ready(line)
    });
    let mut response = HttpResponse::new(Body::from_stream(lines));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    forward(metadata, &mut response);
    response
}

fn line(message: Result<Outgoing, Status>, end: &str) -> Bytes {
    let mut writer = Writer::default();
    writer.begin_object();
    match message {
        Ok(message) => {
            writer.name("result");
            message.write_json(&mut writer);
        }
        Err(error) => {
            writer.name("error");
            write_status(&error, &mut writer);
        }
    }
    writer.end_object();
    let mut line = writer.finish();
    line.push_str(end);
    Bytes::from(line)
}

/// Writes `google.rpc.Status`.
fn write_status(error: &Status, writer: &mut Writer) {
    let status = status::rpc_status(error);
    writer.begin_object();
    writer.name("code");
    writer.raw(error.code() as i32);
    writer.name("message");
    writer.string(error.message());
    if !status.details.is_empty() {
        writer.name("details");
        writer.begin_list();
        for detail in &status.details {
            writer.item();
            ttn_proto::json::write_any(detail, writer);
        }
        writer.end_list();
    }
    writer.end_object();
}

/// The answer to a question of CORS.
pub(super) fn preflight() -> HttpResponse<Body> {
    let mut response = HttpResponse::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    for (name, value) in [
        ("access-control-allow-origin", "*"),
        ("access-control-allow-methods", "GET, POST, PUT, PATCH, DELETE"),
        ("access-control-allow-headers", "Authorization, Content-Type, X-CSRF-Token"),
        ("access-control-max-age", "600"),
    ] {
        set(&mut response, name, value);
    }
    response
}

/// Adds the headers that every answer has.
pub(super) fn decorate(response: &mut HttpResponse<Body>, id: &str, is_api: bool) {
    for (name, value) in ALWAYS {
        set(response, name, value);
    }
    if let Ok(id) = HeaderValue::from_str(id) {
        response.headers_mut().insert("x-request-id", id);
    }
    if is_api {
        set(response, "access-control-allow-origin", "*");
        set(response, "access-control-expose-headers", EXPOSED);
    }
}

fn set(response: &mut HttpResponse<Body>, name: &'static str, value: &'static str) {
    let name = HeaderName::from_static(name);
    response.headers_mut().insert(name, HeaderValue::from_static(value));
}

fn json(code: StatusCode, body: impl Into<Body>) -> HttpResponse<Body> {
    let mut response = HttpResponse::new(body.into());
    *response.status_mut() = code;
    set(&mut response, "content-type", "application/json");
    response
}

fn forward(metadata: &MetadataMap, response: &mut HttpResponse<Body>) {
    for (from, to) in FORWARDED {
        for value in metadata.get_all(*from) {
            if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
                response.headers_mut().append(HeaderName::from_static(to), value);
            }
        }
    }
}

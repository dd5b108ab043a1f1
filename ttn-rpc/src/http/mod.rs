//! HTTP/JSON: the bindings of the API below `/api/v3`, and of what is only ours below `/api/v1`.

mod headers;
pub(crate) mod openapi;
mod params;
mod response;
mod route;
mod session;

use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use axum::extract::Request as HttpRequest;
use axum::http::header::AUTHORIZATION;
use axum::http::{Method as HttpMethod, Response as HttpResponse, StatusCode};
use axum::middleware::Next;
use futures::StreamExt as _;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde_json::Value;
use tonic::{Code, Request, Status};
use ttn_proto::service::{Incoming, Method};
use ttn_proto::status;

use crate::server::{Api, MESSAGE_SIZE_MAX, deadline};

pub(crate) use self::route::Routes;
use self::route::{Lookup, Matched};

/// What the bindings stand below.
const BASES: [&str; 2] = ["/api/v3/", "/api/v1/"];

/// How long a client may take to send a body.
const BODY_TIMEOUT: Duration = Duration::from_secs(60);

/// Answers one request.
pub(crate) async fn handle(api: &Api, request: HttpRequest) -> HttpResponse<Body> {
    let path = request.uri().path();
    let is_bound = BASES.iter().any(|base| path.starts_with(base));
    let is_api = path.starts_with("/api/");
    if is_api && request.method() == HttpMethod::OPTIONS {
        return response::preflight();
    }
    let id = headers::request_id(request.headers()).unwrap_or_else(|| api.request_id());
    let mut answer = if path == openapi::PATH && request.method() == HttpMethod::GET {
        response::document(api.openapi(), headers::accepts_gzip(request.headers()))
    } else if is_bound {
        let path = path.to_owned();
        call(api, &path, request, &id).await
    } else {
        response::error(&unknown_route(path))
    };
    response::decorate(&mut answer, &id, is_api);
    answer
}

/// Gives the answer of a route beside the bindings what all answers have.
pub(crate) async fn beside(api: Api, mut request: HttpRequest, next: Next) -> HttpResponse<Body> {
    crate::server::forwarded_for(&mut request);
    let id = headers::request_id(request.headers()).unwrap_or_else(|| api.request_id());
    let is_api = request.uri().path().starts_with("/api/");
    let mut answer = next.run(request).await;
    response::decorate(&mut answer, &id, is_api);
    answer
}

/// The answer to gRPC-Web, which browsers speak who cannot speak gRPC.
pub(crate) fn grpc_web() -> HttpResponse<Body> {
    let text = "gRPC-Web is not served; call `/api/v3` with JSON, or use gRPC over HTTP/2";
    response::error(&Status::unimplemented(text))
}

/// The answer of a call that failed.
pub(crate) fn error(status: &Status) -> HttpResponse<Body> {
    response::error(status)
}

/// Answers `GET /healthz`.
pub(crate) fn health(api: &Api) -> HttpResponse<Body> {
    let (status, text) = match api.readiness() {
        Ok(()) => (StatusCode::OK, "ready\n".to_owned()),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {reason}\n")),
    };
    let mut answer = HttpResponse::new(Body::from(text));
    *answer.status_mut() = status;
    answer
}

fn unknown_route(path: &str) -> Status {
    let text = format!("there is nothing at `{path}`");
    let route = [("route", status::text(path))];
    status::named(Code::NotFound, "pkg/webhandlers", "route_not_found", &text, route)
}

async fn call(api: &Api, path: &str, request: HttpRequest, id: &str) -> HttpResponse<Body> {
    let matched = match api.routes().find(request.method(), path) {
        Lookup::Found(matched) => matched,
        Lookup::WrongMethod => {
            return response::error(&Status::unimplemented("Method Not Allowed"));
        }
        Lookup::Unknown => return response::error(&Status::not_found("Not Found")),
    };
    let gzip = headers::accepts_gzip(request.headers());
    let event_stream = headers::accepts_event_stream(request.headers());
    let result = async {
        let method = api.method(matched.rpc)?;
        let request = read(api, &matched, request, id).await?;
        if method.rpc().server_stream {
            stream(api, method, request, event_stream).await
        } else {
            let answer = api.unary(method, request).await?;
            Ok(response::unary(answer, gzip))
        }
    };
    result.await.unwrap_or_else(|status| response::error(&status))
}

/// Answers with a stream. The first message decides about the HTTP status.
async fn stream(
    api: &Api,
    method: &Method,
    request: Request<Incoming>,
    event_stream: bool,
) -> Result<HttpResponse<Body>, Status> {
    let answer = api.server_stream(method, request).await?;
    let (metadata, mut messages, _) = answer.into_parts();
    let first = messages.next().await.transpose()?;
    let messages = futures::stream::iter(first.map(Ok)).chain(messages);
    Ok(response::stream(messages.boxed(), &metadata, event_stream))
}

/// Makes the request of a call: body, query, path and headers.
async fn read(
    api: &Api,
    matched: &Matched,
    request: HttpRequest,
    id: &str,
) -> Result<Request<Incoming>, Status> {
    let (mut parts, body) = request.into_parts();
    if let Some(by_cookie) = session::authorization(&parts.method, &parts.headers)?
        && let Ok(value) = by_cookie.parse()
    {
        parts.headers.insert(AUTHORIZATION, value);
    }
    let descriptor = (matched.rpc.request)();
    let mut message = if matched.binding.body {
        json_body(api, body).await?
    } else {
        let mut message = serde_json::Map::new();
        params::query(descriptor, parts.uri.query().unwrap_or_default(), &mut message)?;
        message
    };
    for (path, value) in matched.params() {
        params::insert(descriptor, path, &value, &mut message)?;
    }
    let mut call = Request::new(Incoming::Json(Value::Object(message)));
    *call.metadata_mut() = headers::metadata(&parts, id);
    *call.extensions_mut() = parts.extensions;
    Ok(call)
}

/// The body as a JSON object; an empty body is an empty object. One that says that it is too large is not read.
async fn json_body(api: &Api, body: Body) -> Result<serde_json::Map<String, Value>, Status> {
    if body.size_hint().lower() > MESSAGE_SIZE_MAX as u64 {
        return Err(too_large());
    }
    let body = Limited::new(body, MESSAGE_SIZE_MAX).collect();
    let body = deadline::within(Some(BODY_TIMEOUT), api.clock(), body).await;
    let body = body.ok_or_else(|| Status::deadline_exceeded("the body took too long"))?;
    let body = body.map_err(|error| {
        if error.is::<LengthLimitError>() {
            return too_large();
        }
        Status::invalid_argument("the body ended early")
    })?;
    let bytes = body.to_bytes();
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(serde_json::Map::new());
    }
    let wrong =
        |text: &str| status::named(Code::InvalidArgument, "pkg/types", "invalid_json", text, []);
    match serde_json::from_slice(&bytes) {
        Ok(Value::Object(message)) => Ok(message),
        Ok(_) => Err(wrong("the body must be a JSON object")),
        Err(error) => Err(wrong(&format!("the body is not JSON: {error}"))),
    }
}

fn too_large() -> Status {
    let text = format!("the body is larger than {MESSAGE_SIZE_MAX} bytes");
    let value = prost_types::value::Kind::NumberValue(MESSAGE_SIZE_MAX as f64);
    let maximum = [("maximum", prost_types::Value { kind: Some(value) })];
    let name = "request_body_too_large";
    status::named(Code::InvalidArgument, "pkg/webmiddleware", name, &text, maximum)
}

//! Which network a call over HTTP or gRPC is for.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::Request,
    http::{Response, Uri, header, uri::PathAndQuery},
};
use futures::future::{Either, select};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use percent_encoding::percent_decode_str;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tower::ServiceExt as _;
use ttn_core::id::TenantId;

use super::{TenancyError, Tenants};

pub(super) fn router(tenants: Arc<Tenants>, base: Router) -> Router {
    Router::new().fallback(move |request: Request| {
        let (tenants, base) = (tenants.clone(), base.clone());
        async move { answer(&tenants, base, request).await }
    })
}

async fn answer(tenants: &Tenants, base: Router, mut request: Request) -> Response<Body> {
    let running = match choose(tenants.domain(), &mut request) {
        Ok(None) => {
            let Ok(answer) = base.oneshot(request).await;
            return answer;
        }
        Ok(Some(id)) => tenants.running(&id).map(|running| (id, running)),
        Err(error) => Err(error),
    };
    let is_grpc = is_grpc(&request);
    let (id, running) = match running {
        Ok(running) => running,
        Err(error) => return refuse(error, is_grpc),
    };
    let stopped = running.stopped.clone();
    let answer = running.router.clone().oneshot(request);
    drop(running);
    match select(Box::pin(answer), Box::pin(stopped.clone().cancelled_owned())).await {
        Either::Left((Ok(answer), _)) => answer.map(|body| Body::new(Until::new(body, stopped))),
        Either::Right(_) => refuse(TenancyError::Unavailable { id }, is_grpc),
    }
}

/// The tenant of a call, if it is for one; its name is taken out of the path then.
fn choose(domain: &str, request: &mut Request) -> Result<Option<TenantId>, TenancyError> {
    let by_host = match host(request).and_then(|host| label(&host, domain)) {
        Some(label) => {
            Some(label.parse().map_err(|_| TenancyError::NotFound { id: label.clone() })?)
        }
        None => None,
    };
    let Some((path, named)) = without_tenant(request.uri().path(), by_host.as_ref())? else {
        return Ok(by_host);
    };
    let mut parts = request.uri().clone().into_parts();
    let path = match request.uri().query() {
        Some(query) => format!("{path}?{query}"),
        None => path,
    };
    // What was a path without some of its octets still is one.
    parts.path_and_query = PathAndQuery::try_from(path).ok();
    if let Ok(uri) = Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
    Ok(Some(named))
}

/// The host that a client called, without the port.
fn host(request: &Request) -> Option<String> {
    let header = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let host = request.uri().host().or(header)?;
    let host = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|octet| octet.is_ascii_digit()) => name,
        _ => host,
    };
    Some(host.trim_end_matches('.').to_ascii_lowercase())
}

/// What stands before the domain in a host name.
fn label(host: &str, domain: &str) -> Option<String> {
    let label = host.strip_suffix(&domain.to_ascii_lowercase())?.strip_suffix('.')?;
    Some(label.to_owned())
}

/// A path of the API without the tenant of its ids `ID@TENANT`, and that tenant; `None` if there is none.
fn without_tenant(
    path: &str,
    host: Option<&TenantId>,
) -> Result<Option<(String, TenantId)>, TenancyError> {
    if !path.starts_with("/api/") {
        return Ok(None);
    }
    let mut expected = host.cloned();
    let mut found = None;
    let mut segments = Vec::new();
    for segment in path.split('/') {
        let Some((id, named)) = split(segment) else {
            segments.push(segment.to_owned());
            continue;
        };
        match &expected {
            Some(expected) if *expected != named => {
                return Err(TenancyError::Mismatch { expected: expected.clone(), named });
            }
            _ => expected = Some(named.clone()),
        }
        segments.push(id);
        found = Some(named);
    }
    Ok(found.map(|named| (segments.join("/"), named)))
}

/// `ID@TENANT`, where both could be.
fn split(segment: &str) -> Option<(String, TenantId)> {
    let text = percent_decode_str(segment).decode_utf8().ok()?;
    let (id, tenant) = text.rsplit_once('@')?;
    let is_id = !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    is_id.then(|| Some((id.to_owned(), tenant.parse().ok()?))).flatten()
}

fn is_grpc(request: &Request) -> bool {
    let kind = request.headers().get(header::CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}

/// The answer of a call that reaches no network, in the form of the API.
fn refuse(error: TenancyError, is_grpc: bool) -> Response<Body> {
    let status = ttn_rpc::status::from_error(error);
    if is_grpc { status.into_http() } else { ttn_rpc::status::to_http(&status) }
}

/// A body that ends when its network stops.
struct Until {
    body: Body,
    stopped: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Until {
    fn new(body: Body, stopped: CancellationToken) -> Self {
        Self { body, stopped: Box::pin(stopped.cancelled_owned()) }
    }
}

impl HttpBody for Until {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if frame.is_pending() && self.stopped.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Some(Err(axum::Error::new(Stopped))));
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the network of the tenant was stopped")]
struct Stopped;

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(host: &str, path: &str) -> Result<(Option<String>, String), TenancyError> {
        let mut request = Request::new(Body::empty());
        request.headers_mut().insert(header::HOST, host.parse().unwrap());
        *request.uri_mut() = path.parse().unwrap();
        let tenant = super::choose("Lora.Example", &mut request)?;
        Ok((tenant.map(|tenant| tenant.to_string()), request.uri().to_string()))
    }

    // CLU-24
    #[test]
    fn the_host_name_says_whose_a_call_is() {
        let of = |host| choose(host, "/api/v3/applications").unwrap().0;
        for host in ["lora.example", "localhost:1885", "127.0.0.1", "xlora.example", "[::1]:1885"] {
            assert_eq!(of(host), None, "{host}");
        }
        for host in ["acme.lora.example", "ACME.Lora.Example:1885", "acme.lora.example."] {
            assert_eq!(of(host).as_deref(), Some("acme"), "{host}");
        }
        for host in ["a.b.lora.example", "x_y.lora.example", ".lora.example"] {
            let error = choose(host, "/").unwrap_err();
            assert!(matches!(error, TenancyError::NotFound { .. }), "{host}: {error}");
        }
    }

    // CLU-24
    #[test]
    fn an_id_in_the_path_may_name_the_tenant() {
        let (tenant, path) =
            choose("lora.example", "/api/v3/applications/app@acme/devices/d-1?x=a@b").unwrap();
        assert_eq!(tenant.as_deref(), Some("acme"));
        assert_eq!(path, "/api/v3/applications/app/devices/d-1?x=a@b");
        let (tenant, path) =
            choose("acme.lora.example", "/api/v3/as/applications/app%40acme/devices/d@acme/up")
                .unwrap();
        assert_eq!(tenant.as_deref(), Some("acme"));
        assert_eq!(path, "/api/v3/as/applications/app/devices/d/up");
        for (host, path) in [
            ("other.lora.example", "/api/v3/applications/app@acme"),
            ("lora.example", "/api/v3/applications/app@acme/devices/d@other"),
        ] {
            let error = choose(host, path).unwrap_err();
            assert!(matches!(error, TenancyError::Mismatch { .. }), "{path}: {error}");
        }
        // Addresses, and what is not of the API, are left alone.
        for path in ["/api/v3/invitations/me@example.com", "/oauth/me@acme", "/api/v3/users/@acme"]
        {
            assert_eq!(choose("lora.example", path).unwrap(), (None, path.to_owned()));
        }
    }
}

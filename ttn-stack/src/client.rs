//! The HTTP API without sockets: for the demo, for tests and for embedders of the whole stack.

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Method, Request, Response, StatusCode, header},
};
use futures::{StreamExt as _, stream::BoxStream};
use serde_json::Value;
use tower::ServiceExt as _;

/// Calls the API of a stack in the same process, as a client would over HTTP.
#[derive(Clone, Debug)]
pub struct Client {
    router: Router,
    api_key: Option<String>,
}

/// A call that the API refused.
#[derive(Debug, thiserror::Error)]
#[error("{method} {path} answered {status}: {}", body["message"].as_str().unwrap_or("no message"))]
#[non_exhaustive]
pub struct CallError {
    /// The method.
    pub method: Method,
    /// The path below `/api/v3`.
    pub path: String,
    /// The status of HTTP.
    pub status: StatusCode,
    /// The body: a `google.rpc.Status` with the error's name and attributes.
    pub body: Value,
}

impl CallError {
    /// The name of the error, such as `end_device_not_found`.
    #[must_use]
    pub fn name(&self) -> &str {
        self.body["details"][0]["name"].as_str().unwrap_or_default()
    }
}

/// The largest answer that is read.
const ANSWER_OCTETS_MAX: usize = 16 << 20;

impl Client {
    /// Makes a client that calls in the name of an API key, or of nobody.
    #[must_use]
    pub const fn new(router: Router, api_key: Option<String>) -> Self {
        Self { router, api_key }
    }

    /// The same in the name of another key.
    #[must_use]
    pub fn with_key(&self, api_key: &str) -> Self {
        Self { router: self.router.clone(), api_key: Some(api_key.to_owned()) }
    }

    /// Calls a method of the API; `path` is below `/api/v3`, or begins with `/api/`. A body of `null` is left out.
    ///
    /// # Errors
    ///
    /// The API refused the call.
    pub async fn call(&self, method: Method, path: &str, body: Value) -> Result<Value, CallError> {
        let answer = self.send(method, path, body).await?;
        let octets = to_bytes(answer.into_body(), ANSWER_OCTETS_MAX).await.unwrap_or_default();
        Ok(serde_json::from_slice(&octets).unwrap_or(Value::Null))
    }

    /// Sends a request; gives an answer that does not refuse it.
    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Value,
    ) -> Result<Response<Body>, CallError> {
        let failed = |status, body| CallError {
            method: method.clone(),
            path: path.to_owned(),
            status,
            body,
        };
        let base = if path.starts_with("/api/") { "" } else { "/api/v3" };
        let mut request = Request::builder().method(&method).uri(format!("{base}{path}"));
        if let Some(key) = &self.api_key {
            request = request.header(header::AUTHORIZATION, format!("Bearer {key}"));
        }
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        let request = request.header(header::CONTENT_TYPE, "application/json").body(body);
        let request = request
            .map_err(|error| failed(StatusCode::BAD_REQUEST, Value::String(error.to_string())))?;
        let Ok(answer) = self.router.clone().oneshot(request).await;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let octets = to_bytes(answer.into_body(), ANSWER_OCTETS_MAX).await.unwrap_or_default();
        Err(failed(status, serde_json::from_slice(&octets).unwrap_or(Value::Null)))
    }

    /// Reads.
    ///
    /// # Errors
    ///
    /// The API refused the call.
    pub async fn get(&self, path: &str) -> Result<Value, CallError> {
        self.call(Method::GET, path, Value::Null).await
    }

    /// Sends a body by POST.
    ///
    /// # Errors
    ///
    /// The API refused the call.
    pub async fn post(&self, path: &str, body: Value) -> Result<Value, CallError> {
        self.call(Method::POST, path, body).await
    }

    /// Opens a stream of messages by POST: the objects as the API sends them, `{"result":…}` or a last `{"error":…}`.
    ///
    /// # Errors
    ///
    /// The API refused the call.
    pub async fn stream(
        &self,
        path: &str,
        body: Value,
    ) -> Result<BoxStream<'static, Value>, CallError> {
        let answer = self.send(Method::POST, path, body).await?;
        // The server sends one line in one piece.
        let lines = answer
            .into_body()
            .into_data_stream()
            .filter_map(|piece| async move { serde_json::from_slice(&piece.ok()?).ok() });
        Ok(lines.boxed())
    }

    /// Sends a body by PUT.
    ///
    /// # Errors
    ///
    /// The API refused the call.
    pub async fn put(&self, path: &str, body: Value) -> Result<Value, CallError> {
        self.call(Method::PUT, path, body).await
    }

    /// Deletes.
    ///
    /// # Errors
    ///
    /// The API refused the call.
    pub async fn delete(&self, path: &str) -> Result<Value, CallError> {
        self.call(Method::DELETE, path, Value::Null).await
    }
}

//! Calls of the HTTP/JSON API of a server.

mod http;
mod stream;

pub use self::{
    http::Http,
    stream::{Messages, Results},
};

use std::{
    fmt,
    io::{self, Read},
};

use ::http::{Method, Request, Response, StatusCode, header};
use serde_json::Value;

use crate::{error::Error, login::ApiKey};

/// Carries requests to a server: over HTTP, or in the same process for tests and embedders.
pub trait Transport: fmt::Debug {
    /// Sends a request, whose path starts with `/api/v3`, and waits for the head of the answer. An answer that refuses is
    /// not an error here.
    ///
    /// # Errors
    ///
    /// The server cannot be reached, or what came is no answer.
    fn send(&self, request: Request<Vec<u8>>) -> io::Result<Response<Box<dyn Read>>>;
}

/// A server and in whose name it is called.
#[derive(Debug)]
pub struct Api {
    server: String,
    transport: Box<dyn Transport>,
    api_key: Option<ApiKey>,
}

/// One page of a list asks for as much.
const PAGE: usize = 1_000;
/// The largest answer that is read at once.
const ANSWER_OCTETS_MAX: u64 = 64 << 20;

impl Api {
    /// Calls `server`, which is named in errors, over a transport.
    #[must_use]
    pub fn new(
        server: impl Into<String>,
        transport: Box<dyn Transport>,
        api_key: Option<ApiKey>,
    ) -> Self {
        Self { server: server.into(), transport, api_key }
    }

    /// The server, as errors name it.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.server
    }

    /// Calls a method of the API; `path` is below `/api/v3`, with its query. A body of `null` is left out.
    ///
    /// # Errors
    ///
    /// The server cannot be reached, or refuses.
    pub fn call(&self, method: Method, path: &str, body: &Value) -> Result<Value, Error> {
        Ok(self.answer(method, path, body)?.1)
    }

    /// Reads.
    ///
    /// # Errors
    ///
    /// As for [`Self::call`].
    pub fn get(&self, path: &str) -> Result<Value, Error> {
        self.call(Method::GET, path, &Value::Null)
    }

    /// Sends a body by POST.
    ///
    /// # Errors
    ///
    /// As for [`Self::call`].
    pub fn post(&self, path: &str, body: &Value) -> Result<Value, Error> {
        self.call(Method::POST, path, body)
    }

    /// Sends a body by PUT.
    ///
    /// # Errors
    ///
    /// As for [`Self::call`].
    pub fn put(&self, path: &str, body: &Value) -> Result<Value, Error> {
        self.call(Method::PUT, path, body)
    }

    /// Deletes.
    ///
    /// # Errors
    ///
    /// As for [`Self::call`].
    pub fn delete(&self, path: &str) -> Result<Value, Error> {
        self.call(Method::DELETE, path, &Value::Null)
    }

    /// Every item of a list, page by page; `field` holds them in the answer.
    ///
    /// # Errors
    ///
    /// As for [`Self::call`].
    pub fn list(&self, path: &str, field: &str) -> Result<Vec<Value>, Error> {
        let joint = if path.contains('?') { '&' } else { '?' };
        let mut items = Vec::new();
        for page in 1.. {
            let page = format!("{path}{joint}limit={PAGE}&page={page}");
            let (total, mut answer) = self.answer(Method::GET, &page, &Value::Null)?;
            let Value::Array(more) = answer[field].take() else { break };
            let last = more.len() < PAGE || more.is_empty();
            items.extend(more);
            if last || total.is_some_and(|total| items.len() >= total) {
                break;
            }
        }
        Ok(items)
    }

    /// Opens a stream of messages, each of which comes as it happens.
    ///
    /// # Errors
    ///
    /// As for [`Self::call`]; what goes wrong later is an item.
    pub fn stream(&self, method: Method, path: &str, body: &Value) -> Result<Results, Error> {
        let answer = self.send(method.clone(), path, body)?;
        let status = answer.status();
        if !status.is_success() {
            return Err(self.refused(method, path, status, read(answer.into_body())));
        }
        let messages = Messages::new(answer.into_body());
        Ok(Results::new(messages, self.server.clone(), method, path.to_owned()))
    }

    fn answer(
        &self,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Result<(Option<usize>, Value), Error> {
        let answer = self.send(method.clone(), path, body)?;
        let status = answer.status();
        let total = answer.headers().get("x-total-count");
        let total = total.and_then(|total| total.to_str().ok()?.parse().ok());
        let value = read(answer.into_body());
        if status.is_success() {
            return Ok((total, value.unwrap_or(Value::Null)));
        }
        Err(self.refused(method, path, status, value))
    }

    fn refused(
        &self,
        method: Method,
        path: &str,
        status: StatusCode,
        body: io::Result<Value>,
    ) -> Error {
        let server = self.server.clone();
        Error::refused(server, method, path, status, body.unwrap_or(Value::Null))
    }

    fn send(
        &self,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Result<Response<Box<dyn Read>>, Error> {
        let mut request = Request::builder().method(method).uri(format!("/api/v3{path}"));
        if let Some(key) = &self.api_key {
            request = request.header(header::AUTHORIZATION, format!("Bearer {}", key.expose()));
        }
        let octets = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let request = request.header(header::CONTENT_TYPE, "application/json").body(octets);
        let unreachable = |source| Error::Unreachable { server: self.server.clone(), source };
        let request = request.map_err(|error| unreachable(io::Error::other(error)))?;
        self.transport.send(request).map_err(unreachable)
    }
}

fn read(body: Box<dyn Read>) -> io::Result<Value> {
    let mut octets = Vec::new();
    body.take(ANSWER_OCTETS_MAX).read_to_end(&mut octets)?;
    Ok(serde_json::from_slice(&octets)?)
}

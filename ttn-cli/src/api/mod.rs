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
    thread,
    time::Duration,
};

use ::http::{Method, Request, Response, StatusCode, header};
use serde_json::Value;

use crate::{error::Error, login::ApiKey};

/// Carries requests to a server: over HTTP, or in the same process for tests and embedders.
pub trait Transport: fmt::Debug {
    /// Sends a request, whose path starts with `/api/`, and waits for the head of the answer. An answer that refuses is
    /// not an error here.
    ///
    /// # Errors
    ///
    /// The server cannot be reached, or what came is no answer.
    fn send(&self, request: Request<Vec<u8>>) -> io::Result<Response<Box<dyn Read>>>;

    /// Waits before a request is sent once more.
    fn wait(&self, time: Duration) {
        thread::sleep(time);
    }
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
/// How often a request is sent once more when the server is too busy for it (CLI-12).
const RETRIES_MAX: u32 = 5;
/// The pause before the first of them, doubled before each next one, if the server names none.
const RETRY_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause that a server is obeyed with; an answer that asks for more is shown.
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(60);
/// The headers with the seconds to wait.
const RETRY_HEADERS: [&str; 2] = ["retry-after", "x-rate-limit-retry"];
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

    /// Calls a method of the API; `path` is below `/api/v3`, with its query, or begins with `/api/`. A body of `null` is left out.
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
        let base = if path.starts_with("/api/") { "" } else { "/api/v3" };
        let mut request = Request::builder().method(&method).uri(format!("{base}{path}"));
        if let Some(key) = &self.api_key {
            request = request.header(header::AUTHORIZATION, format!("Bearer {}", key.expose()));
        }
        let octets = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let request = request.header(header::CONTENT_TYPE, "application/json").body(octets);
        let unreachable = |source| Error::Unreachable { server: self.server.clone(), source };
        let request = request.map_err(|error| unreachable(io::Error::other(error)))?;
        let mut retries = 0;
        loop {
            let answer = self.transport.send(request.clone()).map_err(unreachable)?;
            let pause = RETRY_PAUSE * 2_u32.saturating_pow(retries);
            match retry_pause(&method, &answer, pause) {
                Some(pause) if retries < RETRIES_MAX => self.transport.wait(pause),
                _ => return Ok(answer),
            }
            retries += 1;
        }
    }
}

/// How long to wait before the request is sent once more; `None` if it is not. What a server refuses as too much was not
/// done; what it is not there for may have been, so that only requests that can be repeated are.
fn retry_pause<T>(method: &Method, answer: &Response<T>, default: Duration) -> Option<Duration> {
    let may_be_sent_again = match answer.status() {
        StatusCode::TOO_MANY_REQUESTS => true,
        StatusCode::SERVICE_UNAVAILABLE => method.is_idempotent(),
        _ => false,
    };
    let named = RETRY_HEADERS.iter().find_map(|name| {
        let seconds = answer.headers().get(*name)?.to_str().ok()?.parse().ok()?;
        Some(Duration::from_secs(seconds))
    });
    let pause = named.map_or(default, |named| named.max(default));
    (may_be_sent_again && pause <= RETRY_PAUSE_MAX).then_some(pause)
}

fn read(body: Box<dyn Read>) -> io::Result<Value> {
    let mut octets = Vec::new();
    body.take(ANSWER_OCTETS_MAX).read_to_end(&mut octets)?;
    Ok(serde_json::from_slice(&octets)?)
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, rc::Rc};

    use super::*;

    /// Answers with these statuses and pauses, then with 200; writes down how long it was waited for.
    #[derive(Debug)]
    struct Busy {
        answers: RefCell<Vec<(u16, Option<&'static str>)>>,
        waits: Rc<RefCell<Vec<Duration>>>,
    }

    impl Transport for Busy {
        fn send(&self, _: Request<Vec<u8>>) -> io::Result<Response<Box<dyn Read>>> {
            let (status, pause) = self.answers.borrow_mut().pop().unwrap_or((200, None));
            let mut answer = Response::builder().status(status);
            if let Some(pause) = pause {
                answer = answer.header("retry-after", pause);
            }
            Ok(answer.body(Box::new(&b"{}"[..]) as Box<dyn Read>).unwrap())
        }

        fn wait(&self, time: Duration) {
            self.waits.borrow_mut().push(time);
        }
    }

    /// The status that is shown in the end, and the pauses in milliseconds.
    fn sent(
        method: Method,
        mut answers: Vec<(u16, Option<&'static str>)>,
    ) -> (Option<u16>, Vec<u128>) {
        answers.reverse();
        let waits = Rc::<RefCell<Vec<Duration>>>::default();
        let busy = Busy { answers: RefCell::new(answers), waits: waits.clone() };
        let api = Api::new("a server", Box::new(busy), None);
        let failed = api.call(method, "/x", &Value::Null).err();
        let waits = waits.borrow().iter().map(Duration::as_millis).collect();
        (failed.and_then(|error| Some(error.status()?.as_u16())), waits)
    }

    // CLI-12
    #[test]
    fn a_busy_server_is_asked_again_after_as_long_as_it_says() {
        let (get, post) = (Method::GET, Method::POST);
        let busy = |count| vec![(429, None); count];
        assert_eq!(sent(post.clone(), busy(3)), (None, vec![100, 200, 400]));
        assert_eq!(sent(post.clone(), vec![(429, Some("7"))]), (None, vec![7000]));
        assert_eq!(sent(get.clone(), vec![(503, None)]), (None, vec![100]));
        let (failed, waits) = sent(get.clone(), busy(9));
        assert_eq!((failed, waits.len()), (Some(429), 5), "it gives up");
        assert_eq!(sent(post, vec![(503, None)]), (Some(503), vec![]), "it may have been done");
        assert_eq!(sent(get.clone(), vec![(429, Some("3600"))]), (Some(429), vec![]));
        assert_eq!(sent(get, vec![(500, None)]), (Some(500), vec![]));
    }
}

//! The API over HTTP/1.1, with TLS for `https`.

use std::{
    io::{self, Read},
    time::Duration,
};

use http::{Request, Response, Uri};

use super::Transport;

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the head of an answer may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// A server by its URL. Connections are kept and used again.
#[derive(Debug)]
pub struct Http {
    base: String,
    agent: ureq::Agent,
}

impl Http {
    /// Calls the server at `url`, such as `http://localhost:1885`; without a scheme it is `http`.
    ///
    /// # Errors
    ///
    /// It is no URL of HTTP.
    pub fn new(url: &str) -> io::Result<Self> {
        Self::open(url, None)
    }

    /// The same, but takes at most so long to read the body of an answer; else a stream is read for ever.
    ///
    /// # Errors
    ///
    /// As for [`Self::new`].
    pub fn with_body_timeout(url: &str, timeout: Duration) -> io::Result<Self> {
        Self::open(url, Some(timeout))
    }

    fn open(url: &str, body_timeout: Option<Duration>) -> io::Result<Self> {
        let base = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
        let base = base.trim_end_matches('/').trim_end_matches("/api/v3").to_owned();
        let uri: Uri = base.parse().map_err(io::Error::other)?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none() {
            return Err(io::Error::other(format!("{url:?} is no URL like http://localhost:1885")));
        }
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_recv_response(Some(ANSWER_TIMEOUT))
            .timeout_recv_body(body_timeout)
            .user_agent(concat!("ttn-cli/", env!("CARGO_PKG_VERSION")))
            .build()
            .new_agent();
        Ok(Self { base, agent })
    }

    /// Where the server is.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }
}

impl Transport for Http {
    fn send(&self, request: Request<Vec<u8>>) -> io::Result<Response<Box<dyn Read>>> {
        let (mut parts, body) = request.into_parts();
        parts.uri = format!("{}{}", self.base, parts.uri).parse().map_err(io::Error::other)?;
        let send = || {
            let parts = parts.clone();
            let answer = if body.is_empty() {
                self.agent.run(Request::from_parts(parts, ()))
            } else {
                self.agent.run(Request::from_parts(parts, body.as_slice()))
            };
            answer.map_err(ureq::Error::into_io)
        };
        let mut answer = send();
        // A server may close a connection that is kept while we begin to use it. POST is not repeated: it may have been done.
        if let Err(error) = &answer
            && error.kind() == io::ErrorKind::UnexpectedEof
            && parts.method.is_idempotent()
        {
            answer = send();
        }
        let answer = answer?;
        Ok(answer.map(|body| Box::new(body.into_reader()) as Box<dyn Read>))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_urls_with_and_without_scheme_and_path() {
        for url in ["localhost:1885", "http://localhost:1885/", "http://localhost:1885/api/v3"] {
            assert_eq!(Http::new(url).unwrap().base(), "http://localhost:1885");
        }
        assert!(Http::new("ftp://localhost").is_err());
    }
}

//! Streams: one JSON object per line, `{"result":…}` or a last `{"error":…}`.

use std::{
    fmt,
    io::{self, BufRead as _, BufReader, Read},
};

use http::{Method, StatusCode};
use serde_json::Value;

use crate::error::Error;

/// The lines of a body as JSON.
pub struct Messages(BufReader<Box<dyn Read>>);

/// The results of a stream. Ends with the stream or with its first error.
#[derive(Debug)]
pub struct Results {
    messages: Option<Messages>,
    server: String,
    method: Method,
    path: String,
}

impl Messages {
    /// Reads a body as it comes.
    #[must_use]
    pub fn new(body: Box<dyn Read>) -> Self {
        Self(BufReader::new(body))
    }
}

impl Iterator for Messages {
    type Item = io::Result<Value>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut line = String::new();
        loop {
            line.clear();
            match self.0.read_line(&mut line) {
                Ok(0) => return None,
                Ok(_) if line.trim().is_empty() => {}
                Ok(_) => return Some(serde_json::from_str(&line).map_err(io::Error::from)),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

impl fmt::Debug for Messages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Messages").finish_non_exhaustive()
    }
}

impl Results {
    pub(super) const fn new(
        messages: Messages,
        server: String,
        method: Method,
        path: String,
    ) -> Self {
        Self { messages: Some(messages), server, method, path }
    }

    fn failed(&mut self, error: Value) -> Error {
        self.messages = None;
        let server = self.server.clone();
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        Error::refused(server, self.method.clone(), &self.path, status, error)
    }
}

impl Iterator for Results {
    type Item = Result<Value, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.messages.as_mut()?.next()? {
            Ok(mut message) if message["error"].is_null() => Some(Ok(message["result"].take())),
            Ok(mut message) => {
                let error = message["error"].take();
                Some(Err(self.failed(error)))
            }
            Err(source) => {
                self.messages = None;
                Some(Err(Error::Unreachable { server: self.server.clone(), source }))
            }
        }
    }
}

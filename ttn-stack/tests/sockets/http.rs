//! A client of HTTP/1.1 over a socket: one request per connection.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    time::Duration,
};

use serde_json::Value;

const TIMEOUT: Duration = Duration::from_secs(20);

/// A request that asks whether the server is well, the last one of its connection.
pub(crate) const HEALTH: &[u8] =
    b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

/// Sends a request and reads the answer to the end of the connection.
pub(crate) fn request(
    port: u16,
    method: &str,
    path: &str,
    api_key: Option<&str>,
    body: &str,
) -> io::Result<Answer> {
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    let authorization = api_key.map(|key| format!("Authorization: Bearer {key}\r\n"));
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n{}\r\n{body}",
        body.len(),
        authorization.unwrap_or_default(),
    );
    exchange(stream, request.as_bytes())
}

/// Sends octets and reads the answer to the end of the connection.
pub(crate) fn exchange(mut stream: impl Read + Write, request: &[u8]) -> io::Result<Answer> {
    // The server may answer before it has read everything.
    let sent = stream.write_all(request).and_then(|()| stream.flush());
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    if answer.is_empty() {
        sent.and(read)?;
    }
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let invalid = || io::Error::other(format!("no answer of HTTP: {answer:?}"));
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(invalid)?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let chunked = head.to_lowercase().contains("transfer-encoding: chunked");
    let body = if chunked { unchunked(body).ok_or_else(invalid)? } else { body.to_owned() };
    Ok(Answer { status: status.ok_or_else(invalid)?, head: head.to_owned(), body })
}

fn unchunked(mut rest: &str) -> Option<String> {
    let mut body = String::new();
    loop {
        let (length, after) = rest.split_once("\r\n")?;
        let length = usize::from_str_radix(length.trim(), 16).ok()?;
        if length == 0 {
            return Some(body);
        }
        body.push_str(after.get(..length)?);
        rest = after.get(length..)?.strip_prefix("\r\n")?;
    }
}

/// Calls a method of the API that has to succeed; `path` is below `/api/v3`.
pub(crate) fn call(port: u16, api_key: &str, method: &str, path: &str, body: &Value) -> Value {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let path = format!("/api/v3{path}");
    let answer = request(port, method, &path, Some(api_key), &body).unwrap();
    assert_eq!(answer.status, 200, "{method} {path}: {}", answer.body);
    serde_json::from_str(&answer.body).unwrap()
}

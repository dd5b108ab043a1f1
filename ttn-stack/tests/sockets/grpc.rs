//! A client of gRPC that sends what it is told, well-formed or not.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{HeaderMap, Request, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo};

/// What came back; `code` and `message` from headers or trailers.
#[derive(Debug)]
pub(crate) struct Reply {
    /// The status of HTTP; 0 if the stream was reset.
    pub(crate) http: u16,
    pub(crate) code: Option<u8>,
    pub(crate) message: String,
    headers: HeaderMap,
}

impl Reply {
    pub(crate) fn has_header(&self, name: &str) -> bool {
        self.headers.contains_key(name)
    }
}

/// Calls a method without streams; `body` is a message with its five octets in front.
pub(crate) fn call(port: u16, path: &str, metadata: &[(&str, &str)], body: Vec<u8>) -> Reply {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.unwrap();
        tokio::spawn(connection);
        let mut request = Request::post(format!("http://localhost{path}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        for (name, value) in metadata {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::from(body))).unwrap();
        let mut reply =
            Reply { http: 0, code: None, message: String::new(), headers: HeaderMap::new() };
        let Ok(answer) = sender.send_request(request).await else { return reply };
        reply.http = answer.status().as_u16();
        reply.headers = answer.headers().clone();
        if let Ok(body) = answer.into_body().collect().await {
            reply.headers.extend(body.trailers().cloned().unwrap_or_default());
        }
        let text = |name| reply.headers.get(name).and_then(|value| value.to_str().ok());
        reply.code = text("grpc-status").and_then(|code| code.parse().ok());
        reply.message = text("grpc-message").unwrap_or_default().to_owned();
        reply
    })
}

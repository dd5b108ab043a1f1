//! gRPC: one codec for all messages, one handler for all methods.

use std::future::Future;
use std::pin::Pin;

use axum::extract::{ConnectInfo, Request as HttpRequest};
use axum::http::{HeaderValue, Response as HttpResponse};
use bytes::{Buf as _, BufMut as _};
use futures::StreamExt as _;
use tonic::body::Body;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::server::{Grpc, ServerStreamingService, StreamingService, UnaryService};
use tonic::{Request, Response, Status, Streaming};
use ttn_proto::service::{BoxStream, Incoming, Method, Outgoing};

use super::{Api, MESSAGE_SIZE_MAX};

/// Answers one call.
pub(super) async fn handle(api: Api, mut request: HttpRequest) -> HttpResponse<Body> {
    forwarded_for(&mut request);
    if let Ok(id) = HeaderValue::try_from(api.request_id()) {
        request.headers_mut().entry("x-request-id").or_insert(id);
    }
    let method = match api.method_by_path(request.uri().path()) {
        Ok(method) => method.clone(),
        Err(status) => return status.into_http(),
    };
    let mut grpc = Grpc::new(AnyCodec)
        .max_decoding_message_size(MESSAGE_SIZE_MAX)
        .max_encoding_message_size(MESSAGE_SIZE_MAX);
    #[cfg(feature = "gzip")]
    {
        use tonic::codec::CompressionEncoding::Gzip;
        grpc = grpc.accept_compressed(Gzip).send_compressed(Gzip);
    }
    let rpc = method.rpc();
    let call = Call { api, method };
    match (rpc.client_stream, rpc.server_stream) {
        (true, _) => grpc.streaming(call, request).await,
        (false, true) => grpc.server_streaming(call, request).await,
        (false, false) => grpc.unary(call, request).await,
    }
}

/// Adds the address of the caller to `x-forwarded-for`, if the listener gave it.
pub(crate) fn forwarded_for(request: &mut HttpRequest) {
    let address = request.extensions().get::<ConnectInfo<std::net::SocketAddr>>();
    let address = address.and_then(|info| HeaderValue::try_from(info.ip().to_string()).ok());
    if let Some(address) = address {
        request.headers_mut().append("x-forwarded-for", address);
    }
}

/// A method for one call.
struct Call {
    api: Api,
    method: Method,
}

type Reply<T> = Pin<Box<dyn Future<Output = Result<Response<T>, Status>> + Send>>;

impl UnaryService<Incoming> for Call {
    type Response = Outgoing;
    type Future = Reply<Outgoing>;

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let (api, method) = (self.api.clone(), self.method.clone());
        Box::pin(async move { api.unary(&method, request).await })
    }
}

impl ServerStreamingService<Incoming> for Call {
    type Response = Outgoing;
    type ResponseStream = BoxStream<Outgoing>;
    type Future = Reply<BoxStream<Outgoing>>;

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let (api, method) = (self.api.clone(), self.method.clone());
        Box::pin(async move { api.server_stream(&method, request).await })
    }
}

impl StreamingService<Incoming> for Call {
    type Response = Outgoing;
    type ResponseStream = BoxStream<Outgoing>;
    type Future = Reply<BoxStream<Outgoing>>;

    fn call(&mut self, request: Request<Streaming<Incoming>>) -> Self::Future {
        let (api, method) = (self.api.clone(), self.method.clone());
        let request = request.map(|stream| -> BoxStream<Incoming> { stream.boxed() });
        Box::pin(async move { api.duplex(&method, request).await })
    }
}

/// Leaves decoding to the method, which knows the type.
struct AnyCodec;

impl Codec for AnyCodec {
    type Encode = Outgoing;
    type Decode = Incoming;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for AnyCodec {
    type Item = Outgoing;
    type Error = Status;

    fn encode(&mut self, message: Outgoing, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(&message.encode_to_vec());
        Ok(())
    }
}

impl Decoder for AnyCodec {
    type Item = Incoming;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Incoming>, Status> {
        let mut bytes = vec![0; buffer.remaining()];
        buffer.copy_to_slice(&mut bytes);
        Ok(Some(Incoming::Proto(bytes)))
    }
}

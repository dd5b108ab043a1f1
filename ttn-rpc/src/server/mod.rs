//! Everything that one server offers over gRPC and HTTP.

pub(crate) mod deadline;
mod grpc;
mod reflection;

use std::collections::BTreeMap;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::body::Body;
use axum::http::HeaderValue;
use bytes::Bytes;
use futures::FutureExt as _;
use prost_types::Timestamp;
use tonic::{Code, Request, Response, Status};
use tower::ServiceExt as _;
use ttn_core::clock::Clock;
use ttn_core::rand::Entropy;
use ttn_proto::rpc::{self, Rpc};
use ttn_proto::service::{BoxStream, Incoming, Method, Outgoing};
use ttn_proto::status;

pub(crate) use self::grpc::forwarded_for;
use crate::http::{self, Routes};

/// The largest request and response, both over gRPC and over HTTP.
pub const MESSAGE_SIZE_MAX: usize = 16 << 20;

/// Whether the server can do its work; the error is for the operator.
pub type Readiness = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// The services of one server. Cheap to clone.
#[derive(Clone)]
pub struct Api {
    shared: Arc<Shared>,
}

struct Shared {
    methods: BTreeMap<&'static str, Method>,
    routes: Routes,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    ready: Readiness,
    beside: Router,
    /// The document of the HTTP API, made when somebody asks for it first.
    openapi: OnceLock<Bytes>,
    /// What tells clients about the services, made when somebody asks first.
    reflection: OnceLock<Router>,
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api").field("methods", &self.shared.methods.len()).finish_non_exhaustive()
    }
}

/// Collects the services of an [`Api`].
pub struct Builder {
    methods: BTreeMap<&'static str, Method>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    ready: Readiness,
    beside: Router,
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("methods", &self.methods.len()).finish_non_exhaustive()
    }
}

impl Builder {
    /// Adds a service, as given by the functions of [`ttn_proto::service`]. A service that is added
    /// again takes the place of the first.
    #[must_use]
    pub fn methods(mut self, methods: impl IntoIterator<Item = Method>) -> Self {
        self.methods.extend(methods.into_iter().map(|method| (method.rpc().path, method)));
        self
    }

    /// Says whether the server is ready, for `GET /healthz`. Without this it always is.
    #[must_use]
    pub fn readiness(mut self, ready: Readiness) -> Self {
        self.ready = ready;
        self
    }

    /// Adds routes that are no bindings of the API. Their answers get the headers that all answers have; errors are made
    /// with [`crate::status::to_http`].
    #[must_use]
    pub fn routes(mut self, routes: Router) -> Self {
        self.beside = self.beside.merge(routes);
        self
    }

    /// Builds the server.
    #[must_use]
    pub fn build(self) -> Api {
        let Self { methods, clock, entropy, ready, beside } = self;
        let routes = Routes::new(|rpc| is_known(&methods, rpc));
        let (openapi, reflection) = (OnceLock::new(), OnceLock::new());
        let shared = Shared { methods, routes, clock, entropy, ready, beside, openapi, reflection };
        Api { shared: Arc::new(shared) }
    }
}

impl Api {
    /// Starts to collect services.
    #[must_use]
    pub fn builder(clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Builder {
        let (methods, beside) = (BTreeMap::new(), Router::new());
        Builder { methods, clock, entropy, ready: Arc::new(|| Ok(())), beside }
    }

    /// A router that serves gRPC with its reflection, HTTP below `/api/v3` and `/api/v1`, what that is as
    /// `GET /api/v3/openapi.json`, and `GET /healthz` on any listener, plain (HTTP/1.1 and h2c) or TLS. Other routes can be
    /// added to it; what nobody knows answers `route_not_found`.
    pub fn router(&self) -> Router {
        let api = self.clone();
        let health = self.clone();
        let decorating = self.clone();
        let mut beside = self.shared.beside.clone();
        if beside.has_routes() {
            beside = beside.route_layer(axum::middleware::from_fn(move |request, next| {
                http::beside(decorating.clone(), request, next)
            }));
        }
        beside
            .route("/healthz", axum::routing::get(move || async move { http::health(&health) }))
            .fallback(move |request: axum::extract::Request| api.clone().handle(request))
    }

    /// Answers one HTTP request, of gRPC or not.
    async fn handle(self, request: axum::extract::Request) -> axum::http::Response<Body> {
        let kind = request.headers().get(axum::http::header::CONTENT_TYPE);
        let kind = kind.map(HeaderValue::as_bytes).unwrap_or_default();
        if kind.starts_with(b"application/grpc-web") {
            return http::grpc_web();
        }
        let is_grpc = kind.starts_with(b"application/grpc");
        if is_grpc && request.uri().path().starts_with("/grpc.reflection.") {
            let router = self.shared.reflection.get_or_init(|| reflection::routes(&self)).clone();
            let Ok(answer) = router.oneshot(request).await;
            return answer;
        }
        if is_grpc {
            return grpc::handle(self, request).await.map(Body::new);
        }
        http::handle(&self, request).await
    }

    /// Every method that is served.
    pub fn methods(&self) -> impl Iterator<Item = &Method> {
        self.shared.methods.values()
    }

    /// The method of an RPC.
    ///
    /// # Errors
    ///
    /// Answers UNIMPLEMENTED, by name.
    pub(crate) fn method(&self, rpc: &Rpc) -> Result<&Method, Status> {
        self.shared.methods.get(rpc.path).ok_or_else(|| {
            let Rpc { service, name, .. } = rpc;
            Status::unimplemented(format!("{service}.{name} is not served here"))
        })
    }

    /// The method of a gRPC path.
    pub(crate) fn method_by_path(&self, path: &str) -> Result<&Method, Status> {
        let mut known = rpc::SERVICES.iter().flat_map(|service| service.rpcs);
        match known.find(|rpc| rpc.path == path) {
            Some(rpc) if is_known(&self.shared.methods, rpc) => self.method(rpc),
            _ => Err(Status::unimplemented(format!("there is no RPC `{path}`"))),
        }
    }

    /// The bindings of the methods that are served, as an OpenAPI document.
    pub(crate) fn openapi(&self) -> Bytes {
        self.shared.openapi.get_or_init(|| http::openapi::document(self.methods())).clone()
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.shared.clock
    }

    pub(crate) fn routes(&self) -> &Routes {
        &self.shared.routes
    }

    pub(crate) fn readiness(&self) -> Result<(), String> {
        (self.shared.ready)()
    }

    /// A fresh request id: a ULID.
    pub(crate) fn request_id(&self) -> String {
        let id = ttn_core::msg::correlation_id("", self.shared.clock.utc(), &*self.shared.entropy);
        id.trim_start_matches(':').to_owned()
    }

    fn now(&self) -> Timestamp {
        let nanos = self.shared.clock.utc().unix_nanos();
        let nanos_within = i32::try_from(nanos.rem_euclid(1_000_000_000)).unwrap_or_default();
        Timestamp { seconds: nanos.div_euclid(1_000_000_000), nanos: nanos_within }
    }

    /// Calls a method without streams. It is dropped when the caller's `grpc-timeout` has passed.
    pub(crate) async fn unary(
        &self,
        method: &Method,
        mut request: Request<Incoming>,
    ) -> Result<Response<Outgoing>, Status> {
        request.extensions_mut().insert(method.rpc());
        let deadline = deadline::of(request.metadata());
        let call = AssertUnwindSafe(method.unary(request, self.now())).catch_unwind();
        let result = deadline::within(deadline, &*self.shared.clock, call).await;
        let result = result.unwrap_or_else(|| Ok(Err(deadline::exceeded(method.rpc()))));
        result.unwrap_or_else(|_| Err(recovered(method))).map_err(|status| self.stamp(status))
    }

    /// Calls a method that answers with a stream.
    pub(crate) async fn server_stream(
        &self,
        method: &Method,
        mut request: Request<Incoming>,
    ) -> Result<Response<BoxStream<Outgoing>>, Status> {
        request.extensions_mut().insert(method.rpc());
        let call = AssertUnwindSafe(method.server_stream(request, self.now())).catch_unwind();
        let result = call.await.unwrap_or_else(|_| Err(recovered(method)));
        self.stamp_stream(result)
    }

    /// Calls a method with streams both ways.
    pub(crate) async fn duplex(
        &self,
        method: &Method,
        mut request: Request<BoxStream<Incoming>>,
    ) -> Result<Response<BoxStream<Outgoing>>, Status> {
        request.extensions_mut().insert(method.rpc());
        let call = AssertUnwindSafe(method.duplex(request, self.now())).catch_unwind();
        let result = call.await.unwrap_or_else(|_| Err(recovered(method)));
        self.stamp_stream(result)
    }

    fn stamp_stream(
        &self,
        result: Result<Response<BoxStream<Outgoing>>, Status>,
    ) -> Result<Response<BoxStream<Outgoing>>, Status> {
        use futures::StreamExt as _;
        let api = self.clone();
        match result {
            Ok(response) => Ok(response.map(|stream| -> BoxStream<Outgoing> {
                Box::pin(stream.map(move |item| item.map_err(|status| api.stamp(status))))
            })),
            Err(status) => Err(self.stamp(status)),
        }
    }

    /// Gives details without a correlation id a fresh one, so that a report can be found in the logs.
    fn stamp(&self, error: Status) -> Status {
        let Some(mut details) = status::details(&error) else { return error };
        if details.correlation_id.is_empty() {
            let words = [self.shared.entropy.next_u64(), self.shared.entropy.next_u64()];
            details.correlation_id = format!("{:016x}{:016x}", words[0], words[1]);
        }
        tracing::debug!(
            namespace = details.namespace,
            name = details.name,
            correlation_id = details.correlation_id,
            "call failed"
        );
        let mut stamped = status::with_details(error.code(), error.message(), &details);
        *stamped.metadata_mut() = error.metadata().clone();
        stamped
    }
}

/// Whether clients are told that there is such an RPC. The API of The Things Stack is known, served or not; of ours, what is
/// served.
fn is_known(methods: &BTreeMap<&'static str, Method>, rpc: &Rpc) -> bool {
    rpc.path.starts_with("/ttn.lorawan.v3.") || methods.contains_key(rpc.path)
}

/// The answer for a service that panicked: a defect of ours.
fn recovered(method: &Method) -> Status {
    tracing::error!(rpc = method.rpc().path, "a service panicked");
    let text = "the server failed to handle the call; this is a defect, please report it";
    status::named(Code::Internal, "pkg/rpcserver", "rpc_recovered", text, [])
}

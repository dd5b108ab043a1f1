//! One trait per service, and the methods that call it without knowing its types.
//!
//! Both gRPC and HTTP call the same object in process through [`Method`]s, so that nothing goes over a
//! loopback connection.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use futures::{Stream, StreamExt as _};
use prost_types::Timestamp;
use serde_json::Value;
use tonic::{Request, Response, Status};

use crate::message::{ApiMessage, DynMessage};
use crate::rpc::Rpc;
use crate::{json, mask, status, validate};

pub use crate::generated::services::*;

/// A stream of messages or of the error that ends it.
pub type BoxStream<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;
type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;
/// A message that goes out.
pub type Outgoing = Box<dyn DynMessage>;

/// A message that came in, not decoded yet.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_enums, reason = "there are two transports")]
pub enum Incoming {
    /// JSON of HTTP.
    Json(Value),
    /// Protobuf of gRPC.
    Proto(Vec<u8>),
}

impl Incoming {
    /// Decodes the message.
    ///
    /// # Errors
    ///
    /// Answers INVALID_ARGUMENT if it is malformed.
    pub fn decode<T: ApiMessage>(self) -> Result<T, Status> {
        match self {
            Self::Json(value) => json::from_value(value).map_err(|error| status::json(&error)),
            Self::Proto(bytes) => T::decode(bytes.as_slice()).map_err(|error| {
                Status::internal(format!("failed to decode Protobuf message: {error}"))
            }),
        }
    }
}

/// A method of a service, bound to the object that serves it.
#[derive(Clone)]
pub struct Method {
    rpc: &'static Rpc,
    call: Call,
}

#[derive(Clone)]
enum Call {
    Duplex(Erased<BoxStream<Incoming>, BoxStream<Outgoing>>),
    Stream(Erased<Incoming, BoxStream<Outgoing>>),
    Unary(Erased<Incoming, Outgoing>),
}

type Erased<Q, A> = Arc<dyn Fn(Request<Q>, Timestamp) -> Reply<A> + Send + Sync>;
/// A method of a service as generated code names it.
type Typed<S, Q, A> = fn(Arc<S>, Request<Q>) -> Reply<A>;
type Reply<T> = BoxFuture<Result<Response<T>, Status>>;

impl fmt::Debug for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Method").field(&self.rpc.path).finish()
    }
}

impl Method {
    /// What the method is.
    pub fn rpc(&self) -> &'static Rpc {
        self.rpc
    }

    /// Calls a method without streams; `now` is for the validation of the request.
    ///
    /// # Errors
    ///
    /// As the service answers, and INVALID_ARGUMENT for a request that is malformed or breaks a rule.
    pub async fn unary(
        &self,
        request: Request<Incoming>,
        now: Timestamp,
    ) -> Result<Response<Outgoing>, Status> {
        match &self.call {
            Call::Unary(call) => call(request, now).await,
            Call::Stream(_) | Call::Duplex(_) => Err(self.wrong_kind()),
        }
    }

    /// Calls a method that answers with a stream.
    ///
    /// # Errors
    ///
    /// As [`Method::unary`].
    pub async fn server_stream(
        &self,
        request: Request<Incoming>,
        now: Timestamp,
    ) -> Result<Response<BoxStream<Outgoing>>, Status> {
        match &self.call {
            Call::Stream(call) => call(request, now).await,
            Call::Unary(_) | Call::Duplex(_) => Err(self.wrong_kind()),
        }
    }

    /// Calls a method with streams both ways. A message that breaks a rule ends the stream of requests.
    ///
    /// # Errors
    ///
    /// As the service answers.
    pub async fn duplex(
        &self,
        request: Request<BoxStream<Incoming>>,
        now: Timestamp,
    ) -> Result<Response<BoxStream<Outgoing>>, Status> {
        match &self.call {
            Call::Duplex(call) => call(request, now).await,
            Call::Unary(_) | Call::Stream(_) => Err(self.wrong_kind()),
        }
    }

    fn wrong_kind(&self) -> Status {
        Status::internal(format!("{} was called with the wrong kind of streams", self.rpc.path))
    }
}

/// The answer of an RPC that nobody serves.
pub(crate) fn not_served<T>(request: Request<T>, service: &str, rpc: &str) -> Status {
    drop(request);
    Status::unimplemented(format!("{service}.{rpc} is not served here"))
}

/// Builds a method without streams.
pub(crate) fn unary<S: ?Sized + Send + Sync + 'static, Q: ApiMessage, A: ApiMessage>(
    rpc: &'static Rpc,
    service: &Arc<S>,
    call: Typed<S, Q, A>,
) -> Method {
    let service = service.clone();
    let call = move |request: Request<Incoming>, now: Timestamp| -> Reply<Outgoing> {
        let service = service.clone();
        Box::pin(async move {
            let response = call(service, prepare(rpc, request, now)?).await?;
            Ok(response.map(|message| Box::new(message) as Outgoing))
        })
    };
    Method { rpc, call: Call::Unary(Arc::new(call)) }
}

/// Builds a method that answers with a stream.
pub(crate) fn server_stream<S: ?Sized + Send + Sync + 'static, Q: ApiMessage, A: ApiMessage>(
    rpc: &'static Rpc,
    service: &Arc<S>,
    call: Typed<S, Q, BoxStream<A>>,
) -> Method {
    let service = service.clone();
    let call = move |request: Request<Incoming>, now: Timestamp| -> Reply<BoxStream<Outgoing>> {
        let service = service.clone();
        Box::pin(async move {
            let response = call(service, prepare(rpc, request, now)?).await?;
            Ok(response.map(outgoing))
        })
    };
    Method { rpc, call: Call::Stream(Arc::new(call)) }
}

/// Builds a method with streams both ways.
pub(crate) fn duplex<S: ?Sized + Send + Sync + 'static, Q: ApiMessage, A: ApiMessage>(
    rpc: &'static Rpc,
    service: &Arc<S>,
    call: Typed<S, BoxStream<Q>, BoxStream<A>>,
) -> Method {
    let service = service.clone();
    let call = move |request: Request<BoxStream<Incoming>>, now: Timestamp| {
        let service = service.clone();
        let reply: Reply<BoxStream<Outgoing>> = Box::pin(async move {
            let request = request.map(|stream| -> BoxStream<Q> {
                Box::pin(stream.map(move |message| {
                    let message: Q = message?.decode()?;
                    let checked = validate::validate(&message, now);
                    checked.map_err(|violation| status::validation(&violation))?;
                    Ok(message)
                }))
            });
            Ok(call(service, request).await?.map(outgoing))
        });
        reply
    };
    Method { rpc, call: Call::Duplex(Arc::new(call)) }
}

fn outgoing<A: ApiMessage>(stream: BoxStream<A>) -> BoxStream<Outgoing> {
    Box::pin(stream.map(|message| Ok(Box::new(message?) as Outgoing)))
}

/// Decodes and validates a request.
fn prepare<Q: ApiMessage>(
    rpc: &'static Rpc,
    request: Request<Incoming>,
    now: Timestamp,
) -> Result<Request<Q>, Status> {
    let (metadata, extensions, message) = request.into_parts();
    let message: Q = message.decode()?;
    check(rpc, &message, now)?;
    Ok(Request::from_parts(metadata, extensions, message))
}

/// Checks a request: its field mask against what the RPC takes, and the rules of its fields. With a
/// field mask only the masked fields and the identifiers of what is set are checked.
///
/// # Errors
///
/// Answers INVALID_ARGUMENT with the details of `field_mask_paths`, `non_zero_path` or `validation`.
pub fn check<Q: ApiMessage>(rpc: &'static Rpc, message: &Q, now: Timestamp) -> Result<(), Status> {
    let paths = message.field_mask().map(|mask| mask.paths.clone()).unwrap_or_default();
    if let Some(rule) = rpc.field_mask {
        let forbidden: Vec<_> =
            paths.iter().filter(|path| !rule.allows(path)).map(String::as_str).collect();
        if !forbidden.is_empty() {
            return Err(status::forbidden_paths(&forbidden));
        }
        if let Some(field) = rule.set
            && let Some(path) = hidden(message, field, &paths, rule)
        {
            return Err(status::non_zero_path(&path));
        }
    } else if !paths.is_empty() {
        let paths: Vec<_> = paths.iter().map(String::as_str).collect();
        return Err(status::forbidden_paths(&paths));
    }
    let set = rpc.field_mask.and_then(|rule| rule.set);
    let result = match set {
        Some(field) if !paths.is_empty() => {
            let checked = masked(Q::descriptor().fields, field, &paths);
            validate::validate_paths(message, now, &checked)
        }
        _ => validate::validate(message, now),
    };
    result.map_err(|violation| status::validation(&violation))
}

/// The paths to check when `paths` of the field `set` are written.
fn masked(fields: &[crate::Field], set: &str, paths: &[String]) -> Vec<String> {
    let mut checked: Vec<_> = paths.iter().map(|path| format!("{set}.{path}")).collect();
    checked.push(format!("{set}.ids"));
    let others = fields.iter().filter(|field| field.name != set);
    checked.extend(others.map(|field| field.oneof.unwrap_or(field.name).to_owned()));
    checked
}

/// The first path below a selected one that the RPC does not take, although it is set.
fn hidden<Q: ApiMessage>(
    message: &Q,
    field: &str,
    paths: &[String],
    rule: &crate::rpc::FieldMaskRule,
) -> Option<String> {
    if matches!(rule.allowed, crate::rpc::Allowed::All | crate::rpc::Allowed::AllPlus(_)) {
        return None;
    }
    let is_hidden = |path: &&String| {
        mask::selects(paths, path) && mask::is_set(message, &format!("{field}.{path}"))
    };
    rule.forbidden().iter().find(is_hidden).cloned()
}

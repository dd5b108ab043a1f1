//! Errors as clients see them: `google.rpc.Status` with `ttn.lorawan.v3.ErrorDetails` in the details.

use prost::Message as _;
use prost_types::{Any, Struct, Value, value};
use tonic::{Code, Status};

use crate::json::{JsonError, Reason};
use crate::v3::ErrorDetails;
use crate::validate::Violation;

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, prost::Message)]
#[expect(clippy::exhaustive_structs, reason = "fixed by gRPC")]
pub struct RpcStatus {
    /// The gRPC code.
    #[prost(int32, tag = "1")]
    pub code: i32,
    /// The text.
    #[prost(string, tag = "2")]
    pub message: String,
    /// The details, one of them an `ErrorDetails`.
    #[prost(message, repeated, tag = "3")]
    pub details: Vec<Any>,
}

/// The type of the details.
pub const DETAILS_TYPE: &str = "type.googleapis.com/ttn.lorawan.v3.ErrorDetails";

/// A status with details.
pub fn with_details(code: Code, message: impl Into<String>, details: &ErrorDetails) -> Status {
    let message = message.into();
    let any = Any { type_url: DETAILS_TYPE.to_owned(), value: details.encode_to_vec() };
    let status = RpcStatus { code: code as i32, message: message.clone(), details: vec![any] };
    Status::with_details(code, message, status.encode_to_vec().into())
}

/// The `google.rpc.Status` of a status; without details if it has none or they are malformed.
pub fn rpc_status(status: &Status) -> RpcStatus {
    let bare = || RpcStatus {
        code: status.code() as i32,
        message: status.message().to_owned(),
        details: Vec::new(),
    };
    if status.details().is_empty() {
        return bare();
    }
    RpcStatus::decode(status.details()).unwrap_or_else(|_| bare())
}

/// The details of a status.
pub fn details(status: &Status) -> Option<ErrorDetails> {
    let any = rpc_status(status).details.into_iter().find(|any| any.type_url == DETAILS_TYPE)?;
    ErrorDetails::decode(any.value.as_slice()).ok()
}

/// An error by namespace and name, with its text and public attributes.
pub fn named(
    code: Code,
    namespace: &str,
    name: &str,
    text: &str,
    attributes: impl IntoIterator<Item = (&'static str, Value)>,
) -> Status {
    let fields: std::collections::BTreeMap<_, _> =
        attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let details = ErrorDetails {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        message_format: text.to_owned(),
        attributes: (!fields.is_empty()).then_some(Struct { fields }),
        code: code as u32,
        ..ErrorDetails::default()
    };
    with_details(code, format!("error:{namespace}:{name} ({text})"), &details)
}

/// A string attribute.
pub fn text(value: impl Into<String>) -> Value {
    Value { kind: Some(value::Kind::StringValue(value.into())) }
}

/// A rule that a request breaks.
pub fn validation(violation: &Violation) -> Status {
    let attributes = [
        ("name", text(format!("{}ValidationError", violation.message))),
        ("field", text(&*violation.field)),
        ("reason", text(&*violation.reason)),
    ];
    let message = format!("the field `{}` {}", violation.field, violation.reason);
    named(Code::InvalidArgument, "pkg/errors", "validation", &message, attributes)
}

/// Field mask paths that the RPC does not take.
pub fn forbidden_paths(paths: &[&str]) -> Status {
    let values = paths.iter().map(|path| text(*path)).collect();
    let list = Value { kind: Some(value::Kind::ListValue(prost_types::ListValue { values })) };
    let message = format!("this call does not take the field mask paths `{}`", paths.join(", "));
    let (namespace, name) = ("pkg/rpcmiddleware/validator", "field_mask_paths");
    named(Code::InvalidArgument, namespace, name, &message, [("forbidden_paths", list)])
}

/// A field that must not be set is set, below a selected path.
pub fn non_zero_path(path: &str) -> Status {
    let message = format!("the field `{path}` can not be set by this call and must be left out");
    let (namespace, name) = ("pkg/rpcmiddleware/validator", "non_zero_path");
    named(Code::InvalidArgument, namespace, name, &message, [("path", text(path))])
}

/// A JSON request that does not fit its message.
pub fn json(error: &JsonError) -> Status {
    let message = error.to_string();
    let name = match error.reason {
        Reason::Length { .. } => "invalid_length",
        _ => "invalid_json",
    };
    named(Code::InvalidArgument, "pkg/types", name, &message, [])
}

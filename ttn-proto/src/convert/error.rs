//! Errors.

use std::borrow::Cow;
use std::collections::BTreeMap;

use prost_types::Struct;
use ttn_core::error::{ErrorBody, ErrorKind};

use crate::json::{from_proto_value, to_proto_value};
use crate::v3::ErrorDetails;

/// How deep causes are followed.
const CAUSES_MAX: usize = 8;

/// The details of an error.
pub fn error_details(body: &ErrorBody) -> ErrorDetails {
    let fields = body.attributes.iter();
    let fields: BTreeMap<_, _> =
        fields.map(|(name, value)| (name.clone(), to_proto_value(value.clone()))).collect();
    ErrorDetails {
        namespace: body.namespace.to_string(),
        name: body.name.to_string(),
        message_format: body.message.clone(),
        attributes: (!fields.is_empty()).then_some(Struct { fields }),
        cause: body.cause.as_deref().map(|cause| Box::new(error_details(cause))),
        code: u32::from(body.kind.code()),
        ..ErrorDetails::default()
    }
}

/// The error of details; causes are followed eight times.
pub fn to_error_body(details: &ErrorDetails) -> ErrorBody {
    body(details, 0)
}

fn body(details: &ErrorDetails, depth: usize) -> ErrorBody {
    let attributes = details.attributes.clone().unwrap_or_default().fields.into_iter();
    let cause = details.cause.as_deref().filter(|_| depth < CAUSES_MAX);
    ErrorBody {
        namespace: Cow::Owned(details.namespace.clone()),
        name: Cow::Owned(details.name.clone()),
        kind: u8::try_from(details.code).map_or(ErrorKind::Unknown, ErrorKind::from_code),
        message: details.message_format.clone(),
        attributes: attributes.map(|(name, value)| (name, from_proto_value(value))).collect(),
        cause: cause.map(|cause| Box::new(body(cause, depth + 1))),
    }
}

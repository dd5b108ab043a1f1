//! The document that says what can be called over HTTP.

use std::collections::BTreeSet;

use bytes::Bytes;
use serde_json::Value;
use ttn_proto::{OPENAPI, service::Method};

/// Where it is.
pub(crate) const PATH: &str = "/api/v3/openapi.json";

/// The document of the whole API without what is not served here.
pub(crate) fn document<'a>(served: impl Iterator<Item = &'a Method>) -> Bytes {
    let served: BTreeSet<_> = served.map(|it| (it.rpc().service, it.rpc().name)).collect();
    let is_served = |operation: &Value| {
        let id = operation["operationId"].as_str().and_then(|id| id.split_once('.'));
        // A further binding of an RPC has a number behind its name.
        id.is_some_and(|(service, name)| {
            served.contains(&(service, name.split('_').next().unwrap_or(name)))
        })
    };
    let Ok(mut document) = serde_json::from_str::<Value>(OPENAPI) else {
        // A test of the generator reads it.
        return Bytes::from_static(OPENAPI.as_bytes());
    };
    if let Some(paths) = document["paths"].as_object_mut() {
        for operations in paths.values_mut().filter_map(Value::as_object_mut) {
            operations.retain(|_, operation| is_served(operation));
        }
        paths.retain(|_, operations| operations.as_object().is_some_and(|it| !it.is_empty()));
    }
    if let Some(tags) = document["tags"].as_array_mut() {
        let services: BTreeSet<_> = served.iter().map(|(service, _)| *service).collect();
        tags.retain(|tag| tag["name"].as_str().is_some_and(|name| services.contains(name)));
    }
    Bytes::from(document.to_string())
}

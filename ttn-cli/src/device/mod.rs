//! A whole device: one JSON of `EndDevice`, spread over the registries of the Identity, Join, Network and Application
//! Server.

mod check;
pub mod csv;
mod generate;
mod read;
mod registries;

pub use check::{Problem, check, complete};
pub use generate::{Issued, Wanted, issue};
pub use read::{Secrets, read};
pub(crate) use registries::put;
pub use registries::{Created, Part, Registry, create, delete, finish, parts, set};

use serde_json::Value;

/// The application and the id of a device.
pub(crate) fn ids(device: &Value) -> (&str, &str) {
    let ids = &device["ids"];
    let application = ids["application_ids"]["application_id"].as_str().unwrap_or_default();
    (application, ids["device_id"].as_str().unwrap_or_default())
}

/// Whether a device joins: it has root keys or says so.
#[must_use]
pub fn joins(device: &Value) -> bool {
    device["supports_join"].as_bool().unwrap_or_else(|| device["root_keys"].is_object())
}

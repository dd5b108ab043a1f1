//! Tests of the generated API against its facts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod api_json;
mod convert;
mod corpus;
mod field_mask;
mod json;
mod mask;
#[cfg(feature = "service")]
mod openapi;
mod tables;
mod validate;

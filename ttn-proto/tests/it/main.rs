//! Tests of the generated API against its facts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod convert;
mod json;
mod mask;
#[cfg(feature = "service")]
mod openapi;
mod tables;
mod validate;

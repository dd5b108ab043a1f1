//! Real calls over real sockets against small services.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod grpc;
mod http;
mod service;

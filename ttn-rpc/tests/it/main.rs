//! Real calls over real sockets against small services.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod calls;
mod corpus;
mod grpc;
mod http;
mod service;

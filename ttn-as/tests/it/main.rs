//! Component tests: memory stores, fake peers, virtual time.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests stop at the first surprise, and run in virtual time"
)]

#[cfg(feature = "grpc")]
mod api;
mod conformance;
#[cfg(feature = "javascript")]
mod corpus;
mod devices;
mod downlinks;
#[cfg(feature = "webhook")]
mod endpoint;
#[cfg(feature = "javascript")]
mod guide;
#[cfg(feature = "webhook-http")]
mod http;
mod integrations;
#[cfg(feature = "proto")]
mod json;
mod mqtt;
mod mqtt_sessions;
#[cfg(feature = "grpc")]
mod packages;
#[cfg(feature = "grpc")]
mod pubsub;
mod repository;
#[cfg(feature = "javascript")]
mod scripts;
mod sealed;
mod secrets;
#[cfg(feature = "grpc-formatter")]
mod service;
#[cfg(feature = "grpc")]
mod storage;
mod uplinks;
#[cfg(feature = "grpc")]
mod webhook_api;
#[cfg(feature = "webhook")]
mod webhooks;
mod world;

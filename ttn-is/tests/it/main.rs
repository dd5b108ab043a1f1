//! The Identity Server as a whole, over the memory store.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod access;
mod api_keys;
mod audit;
mod batches;
mod bench;
mod bookmarks;
mod cleanup;
mod clients;
mod devices;
mod directory;
mod entities;
mod limits;
mod login_tokens;
mod logins;
mod notifications;
mod search;
mod security;
mod users;

#[cfg(feature = "grpc")]
mod account;
#[cfg(feature = "grpc")]
mod api;
#[cfg(feature = "grpc")]
mod corpus;
#[cfg(feature = "grpc")]
mod oauth;
#[cfg(feature = "grpc")]
mod oauth_client;
#[cfg(all(feature = "grpc", feature = "pictures"))]
mod pictures;
#[cfg(feature = "grpc")]
mod questions;
#[cfg(feature = "grpc")]
mod tenants;
#[cfg(feature = "grpc")]
mod tokens;

//! Identity Server: users, organizations, applications, OAuth clients, gateways, end devices, rights and API keys.
//!
//! [`IdentityServer`] is the system of record. It implements [`ttn_core::peer::Directory`] (what other components ask
//! about entities) and [`ttn_core::peer::Access`] (who calls, and what he may do). Every method that acts for
//! somebody takes the caller and checks his rights.
//!
//! ```
//! use std::sync::Arc;
//! use ttn_core::{clock::SystemClock, peer::Access as _, rand::OsEntropy};
//! use ttn_is::{Config, IdentityServer, store::MemoryIdentityStore};
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let server = IdentityServer::builder(Config::default(), Arc::new(SystemClock::new()))
//!     .entropy(Arc::new(OsEntropy::default()))
//!     .store(Arc::new(MemoryIdentityStore::new()))
//!     .build()?;
//! let admin = server.ensure_admin(&"admin".parse()?, "a long password", "admin@example.com").await?;
//! let token = admin.map(|admin| admin.api_key).unwrap_or_default();
//! let caller = server.principal(&ttn_core::auth::Credentials::Bearer(token)).await?;
//! assert!(caller.is_admin);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod access;
#[cfg(feature = "grpc")]
pub mod account;
#[cfg(feature = "grpc")]
pub mod api;
pub mod audit;
mod auth;
mod builder;
mod config;
#[cfg(feature = "proto")]
pub mod convert;
pub mod email;
pub mod entity;
mod error;
pub mod event;
mod peer;
mod picture;
pub mod record;
pub mod rights;
mod server;
pub mod store;
pub mod tenant;

pub use auth::{LoginError, PasswordRule, oauth};
pub use builder::{BuildError, Builder};
pub use config::{
    Config, DevEuis, EuiBlock, Limits, Login, PasswordRules, Pictures, Tenancy, UserRights,
};
pub use entity::{Query, Search};
pub use error::{AdminOnly, Error, Server};
pub use server::notifications;
pub use server::{
    AccountSearch, Admin, Cleanup, IdentityServer, Issued, NewAdministrator, NewClient, NewTenant,
    OpenSession,
};

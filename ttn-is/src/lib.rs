//! Identity Server: users, applications, gateways, end devices, rights and API keys.

mod auth;
pub mod entity;
mod error;
pub mod record;
pub mod store;

pub use auth::PasswordRule;
pub use error::Error;

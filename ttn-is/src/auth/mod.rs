//! Credentials: passwords and tokens.

pub(crate) mod api_key;
pub(crate) mod argon;
mod error;
pub(crate) mod hash;
pub mod oauth;
pub(crate) mod password;

pub use error::LoginError;
pub use password::PasswordRule;

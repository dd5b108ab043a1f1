//! Credentials: passwords and tokens.

pub(crate) mod api_key;
pub(crate) mod hash;
pub(crate) mod password;

pub use password::PasswordRule;

//! Keys at rest.

use std::{fmt, sync::Arc};

use crate::key::{Aes128Key, KeyEnvelope};

/// A key encryption key that cannot do what was asked of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VaultError {
    /// The vault has no key of this label.
    #[error("no key encryption key has the label {label:?}; add it to the key vault")]
    KekNotFound {
        /// The label.
        label: Arc<str>,
    },
    /// The wrapped key was changed, or wrapped with another key.
    #[error("a key wrapped with {label:?} does not unwrap: it was wrapped with another key")]
    Unwrap {
        /// The label.
        label: Arc<str>,
    },
}

/// Wraps and unwraps keys with named key encryption keys (RFC 3394). Called when records are loaded and
/// stored, never on the way of a frame.
pub trait KeyVault: fmt::Debug + Send + Sync + 'static {
    /// Wraps a key.
    ///
    /// # Errors
    ///
    /// The vault has no key of this label.
    fn wrap(&self, key: &Aes128Key, kek_label: &str) -> Result<KeyEnvelope, VaultError>;

    /// Unwraps an envelope; gives back the key of one in clear text.
    ///
    /// # Errors
    ///
    /// The vault has no key of this label, or the key was wrapped with another one.
    fn unwrap(&self, envelope: &KeyEnvelope) -> Result<Aes128Key, VaultError>;

    /// Whether the vault has a key of this label.
    fn has(&self, kek_label: &str) -> bool;
}

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
    /// The sealed secret was changed, or sealed with another key.
    #[error("a secret sealed with {label:?} does not open: it was sealed with another key")]
    Open {
        /// The label.
        label: Arc<str>,
    },
    /// The key does not seal: it has 24 octets.
    #[error("the key encryption key {label:?} does not seal secrets; it takes 16 or 32 octets")]
    Seal {
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

/// The octets of the nonce of a sealed secret.
pub const NONCE_LENGTH: usize = 12;

/// Wraps and unwraps keys with named key encryption keys (RFC 3394), seals and opens secrets with them. Called when records are loaded and
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

    /// Seals a secret of any length: the nonce, then the secret encrypted with AES-GCM, then its tag of 16 octets. The
    /// nonce has to be random or a counter: two secrets under one nonce betray each other.
    ///
    /// # Errors
    ///
    /// The vault has no key of this label, or it does not seal.
    fn seal(
        &self,
        secret: &[u8],
        nonce: [u8; NONCE_LENGTH],
        kek_label: &str,
    ) -> Result<Vec<u8>, VaultError>;

    /// Opens what [`Self::seal`] sealed.
    ///
    /// # Errors
    ///
    /// The vault has no key of this label, or the secret was changed or sealed with another one.
    fn open(&self, sealed: &[u8], kek_label: &str) -> Result<Vec<u8>, VaultError>;

    /// Whether the vault has a key of this label.
    fn has(&self, kek_label: &str) -> bool;
}

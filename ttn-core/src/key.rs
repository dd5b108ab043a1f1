//! AES keys that never show themselves, key envelopes and session key ids.

use alloc::{string::String, sync::Arc, vec::Vec};
use core::{fmt, str::FromStr};

use subtle::ConstantTimeEq as _;
use zeroize::Zeroize as _;

use crate::eui::{HexError, parse_hex, write_hex};

/// A 128-bit AES key. It is erased when dropped and compared in constant time; `Debug` hides it.
#[derive(Clone)]
pub struct Aes128Key([u8; 16]);

impl Aes128Key {
    /// Makes a key of its octets in display order.
    #[must_use]
    pub const fn new(octets: [u8; 16]) -> Self {
        Self(octets)
    }

    /// The octets of the key. Never log them.
    #[must_use]
    pub const fn expose(&self) -> &[u8; 16] {
        &self.0
    }
}

impl Drop for Aes128Key {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl PartialEq for Aes128Key {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Aes128Key {}

impl fmt::Debug for Aes128Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Aes128Key(…)")
    }
}

impl FromStr for Aes128Key {
    type Err = HexError;

    fn from_str(text: &str) -> Result<Self, HexError> {
        // A refused key is not repeated in the error.
        parse_hex("AES-128 key", text)
            .map(Self)
            .map_err(|error| HexError { value: String::from("(hidden)"), ..error })
    }
}

/// A key, either in clear text or wrapped with a key encryption key (RFC 3394).
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyEnvelope {
    /// The key itself.
    Clear(Aes128Key),
    /// The key wrapped with the key encryption key of this label.
    Wrapped {
        /// The label of the key encryption key.
        kek_label: Arc<str>,
        /// The wrapped key: 24 octets.
        encrypted_key: Vec<u8>,
    },
}

impl KeyEnvelope {
    /// The key, if it is in clear text.
    #[must_use]
    pub const fn clear(&self) -> Option<&Aes128Key> {
        match self {
            Self::Clear(key) => Some(key),
            Self::Wrapped { .. } => None,
        }
    }
}

impl fmt::Debug for KeyEnvelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Clear(_) => f.write_str("KeyEnvelope::Clear(…)"),
            Self::Wrapped { kek_label, .. } => write!(f, "KeyEnvelope::Wrapped({kek_label:?}, …)"),
        }
    }
}

impl From<Aes128Key> for KeyEnvelope {
    fn from(key: Aes128Key) -> Self {
        Self::Clear(key)
    }
}

/// The id of a set of session keys; made by the Join Server, opaque to everybody else.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionKeyId(Arc<[u8]>);

impl SessionKeyId {
    /// The longest id that is accepted.
    pub const LENGTH_MAX: usize = 2048;

    /// Makes an id of octets; `None` above [`Self::LENGTH_MAX`].
    #[must_use]
    pub fn new(octets: &[u8]) -> Option<Self> {
        (octets.len() <= Self::LENGTH_MAX).then(|| Self(Arc::from(octets)))
    }

    /// The octets of the id.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether the id has no octets: a session without an id.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for SessionKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl fmt::Debug for SessionKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    // DESIGN promise 7
    #[test]
    fn keys_never_show_themselves() {
        let key: Aes128Key = "000102030405060708090A0B0C0D0E0F".parse().unwrap();
        assert!(!format!("{key:?} {:?}", KeyEnvelope::from(key.clone())).contains("0A"));
        let error = "000102030405060708090A0B0C0D0E0X".parse::<Aes128Key>().unwrap_err();
        assert!(!format!("{error} {error:?}").contains("0A0B"));
    }
}

//! Key wrap (RFC 3394).

use alloc::{vec, vec::Vec};
use core::fmt;

use aes_kw::{KeyInit as _, KwAes128, KwAes192, KwAes256};
use ttn_core::key::Aes128Key;
use zeroize::Zeroize as _;

/// The octets of a wrapped AES-128 key.
pub const WRAPPED_KEY_LENGTH: usize = 24;

/// Wraps `plaintext` with a key encryption key of 16, 24 or 32 octets.
///
/// # Errors
///
/// [`WrapError::KekLength`]; [`WrapError::Length`] for less than 16 octets and for no multiple of 8.
pub fn wrap(kek: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, WrapError> {
    check_length(plaintext.len(), 16)?;
    let mut out = vec![0; plaintext.len().saturating_add(8)];
    let wrapped = match kek.len() {
        16 => KwAes128::new_from_slice(kek).map(|kek| kek.wrap_key(plaintext, &mut out).is_ok()),
        24 => KwAes192::new_from_slice(kek).map(|kek| kek.wrap_key(plaintext, &mut out).is_ok()),
        _ => KwAes256::new_from_slice(kek).map(|kek| kek.wrap_key(plaintext, &mut out).is_ok()),
    };
    match wrapped {
        Ok(true) => Ok(out),
        Ok(false) => Err(WrapError::Length { got: plaintext.len() }),
        Err(_) => Err(WrapError::KekLength { got: kek.len() }),
    }
}

/// Unwraps what [`wrap`] made.
///
/// # Errors
///
/// As [`wrap`], for less than 24 octets; [`WrapError::Integrity`] if the key encryption key is another one.
pub fn unwrap(kek: &[u8], ciphertext: &[u8]) -> Result<Vec<u8>, WrapError> {
    check_length(ciphertext.len(), 24)?;
    let mut out = vec![0; ciphertext.len().saturating_sub(8)];
    let unwrapped = match kek.len() {
        16 => KwAes128::new_from_slice(kek).map(|kek| kek.unwrap_key(ciphertext, &mut out).is_ok()),
        24 => KwAes192::new_from_slice(kek).map(|kek| kek.unwrap_key(ciphertext, &mut out).is_ok()),
        _ => KwAes256::new_from_slice(kek).map(|kek| kek.unwrap_key(ciphertext, &mut out).is_ok()),
    };
    match unwrapped {
        Ok(true) => Ok(out),
        Ok(false) => {
            out.zeroize();
            Err(WrapError::Integrity)
        }
        Err(_) => Err(WrapError::KekLength { got: kek.len() }),
    }
}

/// Wraps an AES-128 key.
///
/// # Errors
///
/// [`WrapError::KekLength`].
pub fn wrap_key(kek: &[u8], key: &Aes128Key) -> Result<[u8; WRAPPED_KEY_LENGTH], WrapError> {
    let wrapped = wrap(kek, key.expose())?;
    wrapped.as_slice().try_into().map_err(|_| WrapError::Length { got: wrapped.len() })
}

/// Unwraps an AES-128 key.
///
/// # Errors
///
/// As [`unwrap`], and [`WrapError::Length`] if what was wrapped is no AES-128 key.
pub fn unwrap_key(kek: &[u8], ciphertext: &[u8]) -> Result<Aes128Key, WrapError> {
    let mut plaintext = unwrap(kek, ciphertext)?;
    let key = <[u8; 16]>::try_from(plaintext.as_slice())
        .map(Aes128Key::new)
        .map_err(|_| WrapError::Length { got: ciphertext.len() });
    plaintext.zeroize();
    key
}

const fn check_length(got: usize, min: usize) -> Result<(), WrapError> {
    if got < min || !got.is_multiple_of(8) {
        return Err(WrapError::Length { got });
    }
    Ok(())
}

/// A key that cannot be wrapped or unwrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WrapError {
    /// The integrity check failed: another key encryption key, or damaged octets.
    Integrity,
    /// The key encryption key has none of 16, 24 and 32 octets.
    KekLength {
        /// Its octets.
        got: usize,
    },
    /// The octets to be wrapped or unwrapped are too few or no multiple of 8.
    Length {
        /// The octets.
        got: usize,
    },
}

impl fmt::Display for WrapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integrity => f.write_str("the key was not wrapped with this key encryption key"),
            Self::KekLength { got } => {
                write!(f, "a key encryption key has 16, 24 or 32 octets, not {got}")
            }
            Self::Length { got } => write!(f, "{got} octets cannot be a wrapped or wrappable key"),
        }
    }
}

impl core::error::Error for WrapError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrapped_key_opens_with_its_kek_alone() {
        let key = Aes128Key::new([7; 16]);
        let wrapped = wrap_key(&[1; 32], &key).unwrap();
        assert_eq!(unwrap_key(&[1; 32], &wrapped), Ok(key));
        assert_eq!(unwrap_key(&[2; 32], &wrapped), Err(WrapError::Integrity));
        assert_eq!(unwrap_key(&[1; 31], &wrapped), Err(WrapError::KekLength { got: 31 }));
    }

    #[test]
    fn a_wrapped_text_is_no_key() {
        let wrapped = wrap(&[1; 16], &[0; 24]).unwrap();
        assert_eq!(unwrap_key(&[1; 16], &wrapped), Err(WrapError::Length { got: 32 }));
    }
}

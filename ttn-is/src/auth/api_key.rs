//! Tokens of API keys, `NNSXS.<id>.<secret>`, and of sessions, `ONZW4.<id>.<secret>` (IS-27).

use std::fmt;

use data_encoding::BASE32_NOPAD;
use ttn_core::rand::Entropy;

use crate::error::Error;

/// What a token is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenKind {
    ApiKey,
    Session,
}

/// A token, taken apart. `Debug` hides the secret.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Token<'a> {
    /// What it is of.
    pub(crate) kind: TokenKind,
    /// The id part.
    pub(crate) id: &'a str,
    /// The secret part.
    pub(crate) secret: &'a str,
}

impl<'a> Token<'a> {
    /// Takes a token of an API key apart.
    pub(crate) fn parse(text: &'a str) -> Result<Self, Error> {
        let mut parts = text.split('.');
        let (Some(kind), Some(id), Some(secret), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Error::Token);
        };
        let is_part =
            |part: &str| (1..=PART_LENGTH_MAX).contains(&part.len()) && part.bytes().all(is_base32);
        if !is_part(id) || !is_part(secret) {
            return Err(Error::Token);
        }
        match kind {
            API_KEY => Ok(Self { kind: TokenKind::ApiKey, id, secret }),
            SESSION => Ok(Self { kind: TokenKind::Session, id, secret }),
            "MFRWG" => Err(Error::Unsupported { what: "an OAuth access token" }),
            "OJSWM" => Err(Error::Unsupported { what: "an OAuth refresh token" }),
            "MF2XI" => Err(Error::Unsupported { what: "an authorization code" }),
            _ => Err(Error::Token),
        }
    }
}

impl fmt::Debug for Token<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("id", &self.id).finish_non_exhaustive()
    }
}

const fn is_base32(octet: u8) -> bool {
    matches!(octet, b'A'..=b'Z' | b'2'..=b'7')
}

/// Draws the id and the secret of a new key.
pub(crate) fn generate(entropy: &dyn Entropy) -> (String, String) {
    let (mut id, mut secret) = ([0; ID_OCTETS], [0; SECRET_OCTETS]);
    entropy.fill(&mut id);
    entropy.fill(&mut secret);
    (BASE32_NOPAD.encode(&id), BASE32_NOPAD.encode(&secret))
}

/// Puts a token together.
pub(crate) fn token(id: &str, secret: &str) -> String {
    format!("{API_KEY}.{id}.{secret}")
}

/// Puts the token of a session together.
pub(crate) fn session_token(id: &str, secret: &str) -> String {
    format!("{SESSION}.{id}.{secret}")
}

/// The base32 form of `key`.
const API_KEY: &str = "NNSXS";
/// The base32 form of `ssn`.
const SESSION: &str = "ONZW4";
const ID_OCTETS: usize = 24;
const SECRET_OCTETS: usize = 32;
/// The longest part of a token that is looked up or hashed.
const PART_LENGTH_MAX: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    // IS-27
    #[test]
    fn a_generated_token_has_parts_of_39_and_52_characters() {
        let (id, secret) = generate(&ttn_core::rand::OsEntropy::default());
        assert_eq!((id.len(), secret.len()), (39, 52));
        let text = token(&id, &secret);
        let parsed = Token::parse(&text).unwrap();
        assert_eq!((parsed.id, parsed.secret), (id.as_str(), secret.as_str()));
        assert!(!format!("{parsed:?}").contains(&secret));
        assert_eq!(BASE32_NOPAD.encode(b"key"), API_KEY);
        assert_eq!(BASE32_NOPAD.encode(b"ssn"), SESSION);
    }

    #[test]
    fn refuses_what_is_no_token() {
        for bad in ["", "NNSXS", "NNSXS.A", "NNSXS.A.B.C", "NNSXS..B", "NNSXS.a.b", "XXXXX.A.B"] {
            assert!(matches!(Token::parse(bad), Err(Error::Token)), "{bad}");
        }
        assert!(matches!(Token::parse("MFRWG.A.B"), Err(Error::Unsupported { .. })));
        assert!(Token::parse(&format!("NNSXS.A.{}", "B".repeat(1000))).is_err());
    }
}

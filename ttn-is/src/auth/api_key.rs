//! Tokens, `<kind>.<id>.<secret>`: of API keys, sessions, and what OAuth clients get (IS-27).

use std::fmt;

use data_encoding::BASE32_NOPAD;
use ttn_core::rand::Entropy;

use crate::error::Error;

/// What a token is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenKind {
    /// An access token of an OAuth client.
    Access,
    ApiKey,
    /// An authorization code.
    Code,
    /// A refresh token of an OAuth client.
    Refresh,
    Session,
}

impl TokenKind {
    const fn prefix(self) -> &'static str {
        // The base32 forms of `acc`, `key`, `aut`, `ref` and `ssn`.
        match self {
            Self::Access => "MFRWG",
            Self::ApiKey => "NNSXS",
            Self::Code => "MF2XI",
            Self::Refresh => "OJSWM",
            Self::Session => "ONZW4",
        }
    }

    /// Puts a token together.
    pub(crate) fn token(self, id: &str, secret: &str) -> String {
        format!("{}.{id}.{secret}", self.prefix())
    }

    const ALL: [Self; 5] = [Self::Access, Self::ApiKey, Self::Code, Self::Refresh, Self::Session];
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
    /// Takes a token apart.
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
        let kind = TokenKind::ALL.into_iter().find(|known| known.prefix() == kind);
        Ok(Self { kind: kind.ok_or(Error::Token)?, id, secret })
    }

    /// Takes a token of one kind apart; `None` if it is none.
    pub(crate) fn of_kind(kind: TokenKind, text: &'a str) -> Option<Self> {
        Self::parse(text).ok().filter(|token| token.kind == kind)
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
        let text = TokenKind::ApiKey.token(&id, &secret);
        let parsed = Token::parse(&text).unwrap();
        assert_eq!((parsed.id, parsed.secret), (id.as_str(), secret.as_str()));
        assert!(!format!("{parsed:?}").contains(&secret));
        for (name, kind) in [
            ("acc", TokenKind::Access),
            ("aut", TokenKind::Code),
            ("key", TokenKind::ApiKey),
            ("ref", TokenKind::Refresh),
            ("ssn", TokenKind::Session),
        ] {
            assert_eq!(BASE32_NOPAD.encode(name.as_bytes()), kind.prefix());
        }
    }

    #[test]
    fn refuses_what_is_no_token() {
        for bad in ["", "NNSXS", "NNSXS.A", "NNSXS.A.B.C", "NNSXS..B", "NNSXS.a.b", "XXXXX.A.B"] {
            assert!(matches!(Token::parse(bad), Err(Error::Token)), "{bad}");
        }
        assert!(Token::of_kind(TokenKind::Code, "MFRWG.A.B").is_none());
        assert!(Token::parse(&format!("NNSXS.A.{}", "B".repeat(1000))).is_err());
    }
}

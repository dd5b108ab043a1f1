//! Proof Key for Code Exchange (RFC 7636).

use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest as _, Sha256};
use ttn_core::auth::same_secret;

use super::OAuthError;

/// Takes a challenge; empty if there is none. The method `plain` is refused: who sees the request sees the verifier.
pub(crate) fn challenge(challenge: &str, method: &str) -> Result<String, OAuthError> {
    let reason = match (challenge, method) {
        ("", "") => return Ok(String::new()),
        ("", _) => "code_challenge_method comes without code_challenge",
        (_, "S256") if challenge.len() == DIGEST_LENGTH && challenge.bytes().all(is_unreserved) => {
            return Ok(challenge.to_owned());
        }
        (_, "S256") => "code_challenge has not the form of a SHA-256 digest",
        _ => "code_challenge_method must be S256",
    };
    Err(OAuthError::InvalidRequest { reason })
}

/// Whether a verifier fits a challenge. Without a challenge there may be no verifier: somebody took the challenge away.
pub(crate) fn fits(challenge: &str, verifier: &str) -> bool {
    if challenge.is_empty() || verifier.is_empty() {
        return challenge.is_empty() && verifier.is_empty();
    }
    let sound = (VERIFIER_LENGTH_MIN..=VERIFIER_LENGTH_MAX).contains(&verifier.len())
        && verifier.bytes().all(is_unreserved);
    let digest = BASE64URL_NOPAD.encode(&Sha256::digest(verifier.as_bytes()));
    sound && same_secret(digest.as_bytes(), challenge.as_bytes())
}

const fn is_unreserved(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_' | b'~')
}

/// 32 octets in base64 without padding.
const DIGEST_LENGTH: usize = 43;
// RFC 7636, 4.1
const VERIFIER_LENGTH_MIN: usize = 43;
const VERIFIER_LENGTH_MAX: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 7636, appendix B
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    #[test]
    fn the_published_verifier_fits_its_challenge_and_no_other_does() {
        assert_eq!(challenge(CHALLENGE, "S256").unwrap(), CHALLENGE);
        assert!(fits(CHALLENGE, VERIFIER));
        for wrong in ["", &VERIFIER[1..], CHALLENGE, &"a".repeat(129), &format!("{VERIFIER} ")] {
            assert!(!fits(CHALLENGE, wrong), "{wrong}");
        }
        assert!(fits("", "") && !fits("", VERIFIER));
    }

    #[test]
    fn other_methods_and_forms_are_refused() {
        assert_eq!(challenge("", "").unwrap(), "");
        for (text, method) in [
            ("", "S256"),
            (CHALLENGE, ""),
            (CHALLENGE, "plain"),
            ("short", "S256"),
            (&"é".repeat(21), "S256"),
        ] {
            assert!(challenge(text, method).is_err(), "{text} {method}");
        }
    }
}

//! Signatures of requests: an endpoint that shares a secret with its webhook can tell that a request is ours.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use ttn_core::time::Timestamp;

/// The header of a webhook that holds the secret. It is a setting like the other headers, and never sent.
pub const SECRET_HEADER: &str = "X-Tts-Signing-Secret";
/// The header with the signature.
pub const SIGNATURE_HEADER: &str = "X-Tts-Signature";

/// Signs a body: `t=<seconds since 1970>,v1=<HMAC-SHA256 in lower-case hexadecimal>` over the seconds, a dot and the
/// body.
#[must_use]
pub fn sign(secret: &[u8], now: Timestamp, body: &[u8]) -> String {
    let seconds = now.unix_nanos().div_euclid(1_000_000_000);
    let sum = hmac_sha256(secret, &[seconds.to_string().as_bytes(), b".", body]);
    format!("t={seconds},v1={}", data_encoding::HEXLOWER.encode(&sum))
}

/// HMAC-SHA256 over the parts of a message.
#[must_use]
pub fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        unreachable!("HMAC takes keys of any length")
    };
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `printf '1795000000.{}' | openssl dgst -sha256 -hmac secret`
    #[test]
    fn the_signature_is_what_openssl_computes() {
        let signature = sign(b"secret", Timestamp::from_unix_secs(1_795_000_000), b"{}");
        let expected = "6b4c7e66d3b69c810f27c4aa67ee370757d4dfdabf1fbb338ea7cf6aba9e0494";
        assert_eq!(signature, format!("t=1795000000,v1={expected}"));
    }
}

//! Passwords as argon2id: `$argon2id$v=19$m=19456,t=2,p=1$<salt>$<hash>`, the form that other programs read too.

use argon2::{Algorithm, Argon2, Params, Version};
use data_encoding::BASE64_NOPAD;
use ttn_core::auth::same_secret;

/// Hashes a password; `None` if this machine has not the memory.
pub(crate) fn hash(password: &str, salt: &[u8; SALT_LENGTH]) -> Option<String> {
    let key = derive(password, salt, CURRENT)?;
    let Cost { memory, time, lanes } = CURRENT;
    let (salt, key) = (BASE64_NOPAD.encode(salt), BASE64_NOPAD.encode(&key));
    Some(format!("{PREFIX}v=19$m={memory},t={time},p={lanes}${salt}${key}"))
}

/// Whether a password fits a hash of this form.
pub(crate) fn verify(password: &str, hash: &str) -> bool {
    let Some((cost, salt, key)) = parse(hash) else { return false };
    derive(password, &salt, cost).is_some_and(|derived| same_secret(&derived, &key))
}

/// Whether a hash has this form.
pub(crate) fn is_argon(hash: &str) -> bool {
    hash.starts_with(PREFIX)
}

/// Whether a hash is not as hashes are made today.
pub(crate) fn is_outdated(hash: &str) -> bool {
    parse(hash).is_none_or(|(cost, ..)| cost != CURRENT)
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Cost {
    /// KiB.
    memory: u32,
    time: u32,
    lanes: u32,
}

fn parse(hash: &str) -> Option<(Cost, Vec<u8>, Vec<u8>)> {
    let mut parts = hash.strip_prefix(PREFIX)?.split('$');
    let (version, costs, salt, key) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    if version != "v=19" || parts.next().is_some() {
        return None;
    }
    let mut costs = costs.split(',');
    let mut cost = |name: &str| costs.next()?.strip_prefix(name)?.parse().ok();
    let cost = Cost { memory: cost("m=")?, time: cost("t=")?, lanes: cost("p=")? };
    let sane = cost.memory <= MEMORY_MAX && cost.time <= TIME_MAX && cost.lanes <= LANES_MAX;
    let salt = BASE64_NOPAD.decode(salt.as_bytes()).ok()?;
    let key = BASE64_NOPAD.decode(key.as_bytes()).ok()?;
    (sane && key.len() == KEY_LENGTH).then_some((cost, salt, key))
}

fn derive(password: &str, salt: &[u8], cost: Cost) -> Option<[u8; KEY_LENGTH]> {
    let params = Params::new(cost.memory, cost.time, cost.lanes, Some(KEY_LENGTH)).ok()?;
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let mut key = [0; KEY_LENGTH];
    argon.hash_password_into(password.as_bytes(), salt, &mut key).ok()?;
    Some(key)
}

const PREFIX: &str = "$argon2id$";
/// What OWASP names as the least: 19 MiB, two rounds, one lane.
const CURRENT: Cost = Cost { memory: 19_456, time: 2, lanes: 1 };
/// More than this is taken for a broken record.
const MEMORY_MAX: u32 = 1 << 20;
const TIME_MAX: u32 = 64;
const LANES_MAX: u32 = 16;
pub(crate) const SALT_LENGTH: usize = 16;
const KEY_LENGTH: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    // IS-28
    #[test]
    fn a_password_fits_its_hash_and_no_other() {
        let hash = hash("Correct-horse-1", &[7; 16]).unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(verify("Correct-horse-1", &hash) && !verify("correct-horse-1", &hash));
        assert!(!is_outdated(&hash) && is_outdated("PBKDF2$sha256$1$a$b"));
        for broken in [
            "$argon2id$v=19$m=99999999,t=2,p=1$AAAA$AAAA",
            "$argon2id$v=19$m=19456$AAAA$AAAA",
            "$argon2id$v=16$m=19456,t=2,p=1$AAAA$AAAA",
            "$argon2i$v=19$m=19456,t=2,p=1$AAAA$AAAA",
        ] {
            assert!(!verify("", broken), "{broken}");
        }
    }

    #[test]
    fn derives_what_others_derive() {
        // The test vector of argon2 (P-H-C): version 19, t=2, m=65536, p=1, "password", "somesalt".
        let known = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        assert!(verify("password", known) && is_outdated(known));
    }
}

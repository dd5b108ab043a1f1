//! Hashes of secrets: `PBKDF2$sha256$<iterations>$<salt>$<key>` (IS-28).

use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;
use ttn_core::{auth::same_secret, clock::Clock, map::Map, rand::Entropy, time::Monotonic};

use super::argon;

/// Hashes secrets and remembers for a while which secret fits which hash.
///
/// A hash takes milliseconds on the thread of the caller. At most [`HASHERS_MAX`] run at a time, so that logins do
/// not take every core from the radio path.
pub(crate) struct Hasher {
    running: Semaphore,
    verified: parking_lot::Mutex<Map<[u8; 32], Monotonic>>,
    /// Makes the digests in memory useless to anybody else.
    salt: [u8; 32],
}

impl std::fmt::Debug for Hasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hasher").finish_non_exhaustive()
    }
}

impl Hasher {
    pub(crate) fn new(entropy: &dyn Entropy) -> Self {
        let mut salt = [0; 32];
        entropy.fill(&mut salt);
        Self { running: Semaphore::new(HASHERS_MAX), verified: Default::default(), salt }
    }

    /// Hashes a secret under a new salt.
    pub(crate) async fn hash(
        &self,
        secret: &str,
        iterations: u32,
        entropy: &dyn Entropy,
    ) -> String {
        let mut octets = [0; SALT_LENGTH];
        entropy.fill(&mut octets);
        let salt: String = octets.iter().map(|octet| alphabet(*octet)).collect();
        let _running = self.running.acquire().await;
        let key = derive(secret, &salt, iterations);
        format!("PBKDF2$sha256${iterations}${salt}${}", BASE64URL_NOPAD.encode(&key))
    }

    /// Hashes a password.
    pub(crate) async fn hash_password(&self, password: &str, entropy: &dyn Entropy) -> String {
        let mut salt = [0; argon::SALT_LENGTH];
        entropy.fill(&mut salt);
        let running = self.running.acquire().await;
        let hash = argon::hash(password, &salt);
        drop(running);
        match hash {
            Some(hash) => hash,
            // Without the memory for argon2, the reference's form is better than no login at all.
            None => self.hash(password, PASSWORD_ITERATIONS, entropy).await,
        }
    }

    /// Whether a password fits a hash of either form. Nothing is remembered: people log in seldom.
    pub(crate) async fn verify_password(&self, password: &str, hash: &str) -> bool {
        let _running = self.running.acquire().await;
        if argon::is_argon(hash) {
            return argon::verify(password, hash);
        }
        let Some(parsed) = Parsed::parse(hash) else { return false };
        same_secret(&derive(password, parsed.salt, parsed.iterations), &parsed.key)
    }

    /// Whether a secret fits a hash. The answer yes is remembered for [`VERIFIED_FOR`]; whoever deletes or
    /// changes the hash revokes it at once, because the hash is part of what is remembered.
    pub(crate) async fn verify(&self, secret: &str, hash: &str, clock: &dyn Clock) -> bool {
        let Some(parsed) = Parsed::parse(hash) else { return false };
        let digest = self.digest(secret, hash);
        let now = clock.monotonic();
        if self.verified.lock().get(&digest).is_some_and(|until| *until > now) {
            return true;
        }
        let _running = self.running.acquire().await;
        let fits = same_secret(&derive(secret, parsed.salt, parsed.iterations), &parsed.key);
        if fits {
            self.remember(digest, now);
        }
        fits
    }

    fn remember(&self, digest: [u8; 32], now: Monotonic) {
        let mut verified = self.verified.lock();
        if verified.len() >= VERIFIED_MAX {
            verified.retain(|_, until| *until > now);
        }
        if verified.len() >= VERIFIED_MAX {
            // All are fresh: forgetting costs one hash per key, once.
            verified.clear();
        }
        verified.insert(digest, now.plus(VERIFIED_FOR));
    }

    fn digest(&self, secret: &str, hash: &str) -> [u8; 32] {
        let mut digest = Sha256::new();
        digest.update(self.salt);
        digest.update((secret.len() as u64).to_le_bytes());
        digest.update(secret.as_bytes());
        digest.update(hash.as_bytes());
        digest.finalize().into()
    }
}

struct Parsed<'a> {
    iterations: u32,
    salt: &'a str,
    key: Vec<u8>,
}

impl<'a> Parsed<'a> {
    fn parse(hash: &'a str) -> Option<Self> {
        let mut parts = hash.split('$');
        if parts.next()? != "PBKDF2" || parts.next()? != "sha256" {
            return None;
        }
        let iterations = parts.next()?.parse().ok()?;
        let salt = parts.next().filter(|salt| !salt.is_empty())?;
        let key = BASE64URL_NOPAD.decode(parts.next()?.as_bytes()).ok()?;
        let sane = parts.next().is_none()
            && (1..=ITERATIONS_MAX).contains(&iterations)
            && key.len() == KEY_LENGTH;
        sane.then_some(Self { iterations, salt, key })
    }
}

fn derive(secret: &str, salt: &str, iterations: u32) -> [u8; KEY_LENGTH] {
    let mut key = [0; KEY_LENGTH];
    pbkdf2::pbkdf2_hmac::<Sha256>(secret.as_bytes(), salt.as_bytes(), iterations, &mut key);
    key
}

/// One of 64 characters of which none is `$`.
fn alphabet(octet: u8) -> char {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    char::from(ALPHABET[usize::from(octet & 63)])
}

/// Whether a password should be hashed anew when it is known.
pub(crate) fn is_outdated(hash: &str) -> bool {
    argon::is_outdated(hash)
}

/// A hash that no password fits, as expensive as any.
pub(crate) const NO_PASSWORD: &str = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Rounds for passwords.
pub(crate) const PASSWORD_ITERATIONS: u32 = 20_000;
/// Rounds for API keys. IS-28 says 20,000 for keys too; the reference's API keys have 1,000 as its other tokens,
/// and their 256 random bits make rounds pointless. Hashes carry their rounds, so that both verify.
pub(crate) const API_KEY_ITERATIONS: u32 = 1_000;
/// More rounds than this are taken for a broken record.
const ITERATIONS_MAX: u32 = 10_000_000;
const SALT_LENGTH: usize = 16;
const KEY_LENGTH: usize = 32;
/// How many hashes are computed at a time; further ones wait.
const HASHERS_MAX: usize = 2;
/// How many verified secrets are remembered.
const VERIFIED_MAX: usize = 65_536;
const VERIFIED_FOR: core::time::Duration = core::time::Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use super::*;
    use ttn_core::{clock::SystemClock, rand::OsEntropy};

    // IS-28
    #[tokio::test(start_paused = true)]
    async fn a_hash_has_the_published_form_and_verifies() {
        let entropy = OsEntropy::default();
        let hasher = Hasher::new(&entropy);
        let hash = hasher.hash("secret", API_KEY_ITERATIONS, &entropy).await;
        let parts: Vec<_> = hash.split('$').collect();
        assert_eq!(parts[..3], ["PBKDF2", "sha256", "1000"]);
        assert_eq!((parts[3].len(), parts[4].len()), (16, 43));
        let clock = SystemClock::new();
        for _ in 0..2 {
            assert!(hasher.verify("secret", &hash, &clock).await);
            assert!(!hasher.verify("secreT", &hash, &clock).await);
        }
        for broken in ["", "PBKDF2$sha256$0$a$b", "PBKDF2$md5$1$a$b", "PBKDF2$sha256$1$$AA"] {
            assert!(!hasher.verify("secret", broken, &clock).await, "{broken}");
        }
    }

    #[test]
    fn derives_what_others_derive() {
        // RFC 7914 gives PBKDF2-HMAC-SHA-256 of "passwd", "salt", 1 round.
        let expected = "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc";
        let key = derive("passwd", "salt", 1);
        assert_eq!(data_encoding::HEXLOWER.encode(&key), expected);
    }
}

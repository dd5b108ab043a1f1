//! Key encryption keys in a local file, so that keys are never stored in clear text even where nobody set up a vault.

use std::{
    collections::BTreeMap,
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use aes_kw::{KeyInit as _, KwAes128, KwAes192, KwAes256};
use ring::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ttn_core::{
    key::{Aes128Key, KeyEnvelope},
    rand::Entropy,
    vault::{KeyVault, NONCE_LENGTH, VaultError},
};
use zeroize::Zeroizing;

use crate::directory::private;

/// A vault whose key encryption keys lie in memory, by their labels (RFC 3394). They are erased when it is dropped and
/// never shown.
#[derive(Clone, Default)]
pub struct LocalVault {
    keks: BTreeMap<String, Zeroizing<Vec<u8>>>,
}

/// Why key encryption keys cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KekError {
    /// The file can be read by others.
    #[error("{} can be read by other users; run `chmod 600` on it", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be read or written.
    #[error("the key file {} cannot be read or written: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A key encryption key has not 16, 24 or 32 octets.
    #[error("the key encryption key {label:?} has {got} octets; it takes 16, 24 or 32")]
    Length {
        /// Its label.
        label: String,
        /// Its octets.
        got: usize,
    },
    /// A line of the file is no label and key.
    #[error("line {line} of the key file {} is no `label=hexadecimal key`", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
}

impl LocalVault {
    /// The label of the key that [`Self::load_or_create`] makes: what keys at rest are wrapped with.
    pub const AT_REST: &'static str = "at-rest";

    /// Makes a vault without keys.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a key encryption key of 16, 24 or 32 octets.
    ///
    /// # Errors
    ///
    /// It has another length.
    pub fn with(mut self, label: &str, kek: &[u8]) -> Result<Self, KekError> {
        if !matches!(kek.len(), 16 | 24 | 32) {
            return Err(KekError::Length { label: label.to_owned(), got: kek.len() });
        }
        self.keks.insert(label.to_owned(), Zeroizing::new(kek.to_vec()));
        Ok(self)
    }

    /// Reads key encryption keys from a file of lines `label=hexadecimal key`. If it is not there, it is made with one
    /// random key of 32 octets, [`Self::AT_REST`], readable by its owner only (mode 0600). Without this file everything
    /// that was wrapped is lost: it belongs into backups, apart from the store.
    ///
    /// # Errors
    ///
    /// The file cannot be read or made, is readable by others, or is no key file.
    pub fn load_or_create(path: impl AsRef<Path>, entropy: &dyn Entropy) -> Result<Self, KekError> {
        let path = path.as_ref();
        let failed = |source| KekError::Io { path: path.to_owned(), source };
        match fs::read_to_string(path) {
            Ok(text) => {
                check_private(path)?;
                Self::parse(path, &Zeroizing::new(text))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let mut kek = Zeroizing::new([0; 32]);
                entropy.fill(&mut *kek);
                create(path, &kek[..]).map_err(failed)?;
                Self::new().with(Self::AT_REST, &*kek)
            }
            Err(error) => Err(failed(error)),
        }
    }

    fn parse(path: &Path, text: &str) -> Result<Self, KekError> {
        let mut vault = Self::new();
        for (line, content) in (1..).zip(text.lines()) {
            let content = content.trim();
            if content.is_empty() || content.starts_with('#') {
                continue;
            }
            let refused = || KekError::Line { path: path.to_owned(), line };
            let (label, kek) = content.split_once('=').ok_or_else(refused)?;
            let kek = Zeroizing::new(unhex(kek.trim()).ok_or_else(refused)?);
            vault = vault.with(label.trim(), &kek)?;
        }
        Ok(vault)
    }

    fn kek(&self, label: &str) -> Result<&[u8], VaultError> {
        let kek = self.keks.get(label).map(|kek| kek.as_slice());
        kek.ok_or_else(|| VaultError::KekNotFound { label: label.into() })
    }
}

impl KeyVault for LocalVault {
    fn wrap(&self, key: &Aes128Key, kek_label: &str) -> Result<KeyEnvelope, VaultError> {
        let kek = self.kek(kek_label)?;
        let mut out = vec![0; WRAPPED_LENGTH];
        let is_wrapped = match kek.len() {
            16 => KwAes128::new_from_slice(kek)
                .is_ok_and(|kek| kek.wrap_key(key.expose(), &mut out).is_ok()),
            24 => KwAes192::new_from_slice(kek)
                .is_ok_and(|kek| kek.wrap_key(key.expose(), &mut out).is_ok()),
            _ => KwAes256::new_from_slice(kek)
                .is_ok_and(|kek| kek.wrap_key(key.expose(), &mut out).is_ok()),
        };
        if is_wrapped {
            Ok(KeyEnvelope::Wrapped { kek_label: kek_label.into(), encrypted_key: out })
        } else {
            Err(VaultError::KekNotFound { label: kek_label.into() })
        }
    }

    fn unwrap(&self, envelope: &KeyEnvelope) -> Result<Aes128Key, VaultError> {
        let (kek_label, encrypted_key) = match envelope {
            KeyEnvelope::Clear(key) => return Ok(key.clone()),
            KeyEnvelope::Wrapped { kek_label, encrypted_key } => (kek_label, encrypted_key),
            _ => return Err(VaultError::Unwrap { label: "(unknown)".into() }),
        };
        let kek = self.kek(kek_label)?;
        let mut out = Zeroizing::new([0; 16]);
        let is_whole = encrypted_key.len() == WRAPPED_LENGTH;
        let is_unwrapped = is_whole
            && match kek.len() {
                16 => KwAes128::new_from_slice(kek)
                    .is_ok_and(|kek| kek.unwrap_key(encrypted_key, &mut *out).is_ok()),
                24 => KwAes192::new_from_slice(kek)
                    .is_ok_and(|kek| kek.unwrap_key(encrypted_key, &mut *out).is_ok()),
                _ => KwAes256::new_from_slice(kek)
                    .is_ok_and(|kek| kek.unwrap_key(encrypted_key, &mut *out).is_ok()),
            };
        if is_unwrapped {
            Ok(Aes128Key::new(*out))
        } else {
            Err(VaultError::Unwrap { label: kek_label.clone() })
        }
    }

    fn seal(
        &self,
        secret: &[u8],
        nonce: [u8; NONCE_LENGTH],
        kek_label: &str,
    ) -> Result<Vec<u8>, VaultError> {
        let refused = || VaultError::Seal { label: kek_label.into() };
        let kek = sealing_key(self.kek(kek_label)?).ok_or_else(refused)?;
        let mut sealed = Vec::with_capacity(nonce.len() + secret.len() + kek.algorithm().tag_len());
        sealed.extend(nonce);
        sealed.extend(secret);
        let tag = match sealed.split_at_mut_checked(nonce.len()) {
            Some((_, secret)) => kek.seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::empty(),
                secret,
            ),
            None => return Err(refused()),
        };
        sealed.extend(tag.map_err(|_| refused())?.as_ref());
        Ok(sealed)
    }

    fn open(&self, sealed: &[u8], kek_label: &str) -> Result<Vec<u8>, VaultError> {
        let refused = || VaultError::Open { label: kek_label.into() };
        let kek = sealing_key(self.kek(kek_label)?).ok_or_else(refused)?;
        let (nonce, secret) = sealed.split_first_chunk().ok_or_else(refused)?;
        let (nonce, mut secret) = (Nonce::assume_unique_for_key(*nonce), secret.to_vec());
        let length = kek.open_in_place(nonce, Aad::empty(), &mut secret);
        let length = length.map_err(|_| refused())?.len();
        secret.truncate(length);
        Ok(secret)
    }

    fn has(&self, kek_label: &str) -> bool {
        self.keks.contains_key(kek_label)
    }
}

impl fmt::Debug for LocalVault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalVault").field("labels", &self.keks.keys()).finish_non_exhaustive()
    }
}

fn sealing_key(kek: &[u8]) -> Option<LessSafeKey> {
    let algorithm = match kek.len() {
        16 => &AES_128_GCM,
        32 => &AES_256_GCM,
        _ => return None,
    };
    UnboundKey::new(algorithm, kek).ok().map(LessSafeKey::new)
}

fn create(path: &Path, kek: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    // Two processes that start at once do not overwrite each other's key.
    options.write(true).create_new(true);
    private(&mut options);
    let mut file = options.open(path)?;
    let mut text = Zeroizing::new(format!(
        "# Without this file no stored key can be read.\n{}=",
        LocalVault::AT_REST
    ));
    kek.iter().for_each(|octet| text.push_str(&format!("{octet:02X}")));
    text.push('\n');
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    if let Some(directory) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        File::open(directory)?.sync_all()?;
    }
    Ok(())
}

#[cfg(unix)]
fn check_private(path: &Path) -> Result<(), KekError> {
    use std::os::unix::fs::PermissionsExt as _;
    let metadata =
        fs::metadata(path).map_err(|source| KekError::Io { path: path.to_owned(), source })?;
    if metadata.permissions().mode() & 0o077 == 0 {
        Ok(())
    } else {
        Err(KekError::Exposed { path: path.to_owned() })
    }
}

#[cfg(not(unix))]
fn check_private(_path: &Path) -> Result<(), KekError> {
    Ok(())
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return None;
    }
    let octet = |at| text.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    (0..text.len()).step_by(2).map(octet).collect()
}

/// A wrapped AES-128 key.
const WRAPPED_LENGTH: usize = 24;

#[cfg(test)]
mod tests {
    use ttn_core::rand::OsEntropy;

    use super::*;

    // RFC 3394, 4.1, 4.2 and 4.3: the key data of 128 bits
    #[test]
    fn wraps_as_published() {
        let kek: Vec<u8> = (0..32).collect();
        let key: Aes128Key = "00112233445566778899AABBCCDDEEFF".parse().unwrap();
        let vectors = [
            (16, "1FA68B0A8112B447AEF34BD8FB5A7B829D3E862371D2CFE5"),
            (24, "96778B25AE6CA435F92B5B97C050AED2468AB8A17AD84E5D"),
            (32, "64E8C3F9CE0F5BA263E9777905818A2A93C8191E7D6E8AE7"),
        ];
        for (length, wrapped) in vectors {
            let vault = LocalVault::new().with("k", &kek[..length]).unwrap();
            let envelope = vault.wrap(&key, "k").unwrap();
            let KeyEnvelope::Wrapped { encrypted_key, .. } = &envelope else { panic!("wrapped") };
            assert_eq!(*encrypted_key, unhex(wrapped).unwrap());
            assert_eq!(vault.unwrap(&envelope).unwrap(), key);
        }
    }

    #[test]
    fn a_sealed_secret_opens_with_its_key_only_and_as_a_whole() {
        let vault = |octet: u8, length| LocalVault::new().with("k", &vec![octet; length]).unwrap();
        for length in [16, 32] {
            let sealed = vault(1, length).seal(b"hunter2", [7; 12], "k").unwrap();
            assert_eq!(vault(1, length).open(&sealed, "k").unwrap(), b"hunter2");
            assert!(!sealed.windows(7).any(|window| window == b"hunter2"));
            let other = vault(2, length).open(&sealed, "k");
            assert!(matches!(other, Err(VaultError::Open { .. })));
            for at in 0..sealed.len() {
                let mut changed = sealed.clone();
                changed[at] ^= 1;
                vault(1, length).open(&changed, "k").expect_err("it was changed");
                vault(1, length).open(&sealed[..at], "k").expect_err("it was cut");
            }
        }
        let refused = vault(1, 24).seal(b"hunter2", [7; 12], "k");
        assert!(matches!(refused, Err(VaultError::Seal { .. })));
        assert!(matches!(vault(1, 16).open(&[], "x"), Err(VaultError::KekNotFound { .. })));
    }

    // DESIGN 8, promise 7
    #[test]
    fn the_key_file_is_made_once_and_for_its_owner_only() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keks");
        let first = LocalVault::load_or_create(&path, &OsEntropy::default()).unwrap();
        let key: Aes128Key = "00112233445566778899AABBCCDDEEFF".parse().unwrap();
        let envelope = first.wrap(&key, LocalVault::AT_REST).unwrap();
        let second = LocalVault::load_or_create(&path, &OsEntropy::default()).unwrap();
        assert_eq!(second.unwrap(&envelope).unwrap(), key);
        let shown = format!("{second:?}");
        let text = fs::read_to_string(&path).unwrap();
        assert!(!shown.contains(text.rsplit('=').next().unwrap().trim()), "{shown}");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
            let error = LocalVault::load_or_create(&path, &OsEntropy::default()).unwrap_err();
            assert!(matches!(error, KekError::Exposed { .. }), "{error}");
        }
    }

    #[test]
    fn a_key_file_that_is_none_is_refused_with_its_line() {
        let path = Path::new("keks");
        for text in ["\nat-rest", "\nat-rest=0G", "\nat-rest=0", "\nat-rest=äö"] {
            let error = LocalVault::parse(path, text).unwrap_err();
            assert!(matches!(error, KekError::Line { line: 2, .. }), "{error}");
        }
        let error = LocalVault::parse(path, "k=00").unwrap_err();
        assert!(matches!(error, KekError::Length { got: 1, .. }), "{error}");
    }

    #[test]
    fn other_keys_do_not_unwrap() {
        let key: Aes128Key = "00112233445566778899AABBCCDDEEFF".parse().unwrap();
        let one = LocalVault::new().with("k", &[1; 16]).unwrap();
        let two = LocalVault::new().with("k", &[2; 16]).unwrap();
        let envelope = one.wrap(&key, "k").unwrap();
        assert!(matches!(two.unwrap(&envelope), Err(VaultError::Unwrap { .. })));
        assert!(matches!(one.wrap(&key, "x"), Err(VaultError::KekNotFound { .. })));
    }
}

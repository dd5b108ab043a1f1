//! Settings of integrations at rest: they hold passwords, tokens and API keys, so they are sealed as a whole.
//!
//! A sealed record is [`MARK`], the length and the octets of the key's label, and what the vault made. No record in clear
//! begins with the mark, for no protobuf message begins with 0: records of before are read as they are, and sealed when
//! they are written next.

use bytes::Bytes;
use ttn_core::vault::{NONCE_LENGTH, VaultError};

use crate::{ApplicationServer, Error};

/// What sealed records begin with: no message, and the version of this form.
const MARK: [u8; 2] = [0, 1];

impl ApplicationServer {
    /// The settings as they are kept.
    pub(crate) fn settings_at_rest(&self, clear: &Bytes) -> Result<Bytes, Error> {
        let label = self.config.device_kek_label.as_str();
        let Some(vault) = self.vault.as_ref().filter(|_| !label.is_empty()) else {
            return Ok(clear.clone());
        };
        let no_key = || Error::Vault(VaultError::KekNotFound { label: label.into() });
        let length = u8::try_from(label.len()).map_err(|_| no_key())?;
        let mut nonce = [0; NONCE_LENGTH];
        self.entropy.fill(&mut nonce);
        let sealed = vault.seal(clear, nonce, label).map_err(Error::Vault)?;
        Ok([&MARK, &[length][..], label.as_bytes(), &sealed].concat().into())
    }

    /// The settings in clear.
    pub(crate) fn settings_in_clear(&self, kept: Bytes) -> Result<Bytes, Error> {
        let Some(rest) = kept.strip_prefix(&MARK) else { return Ok(kept) };
        let cut = || Error::Vault(VaultError::Open { label: "(unreadable)".into() });
        let (length, rest) = rest.split_first().ok_or_else(cut)?;
        let (label, sealed) = rest.split_at_checked(usize::from(*length)).ok_or_else(cut)?;
        let label = str::from_utf8(label).map_err(|_| cut())?;
        let no_key = || Error::Vault(VaultError::KekNotFound { label: label.into() });
        let vault = self.vault.as_ref().ok_or_else(no_key)?;
        vault.open(sealed, label).map(Bytes::from).map_err(Error::Vault)
    }
}

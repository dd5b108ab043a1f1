//! Keys and ids of sessions.

use ttn_core::key::{Aes128Key, KeyEnvelope, SessionKeyId};
use ttn_core::msg::SessionKeys;

use super::ConvertError;
use super::id::octets;
use crate::v3;

impl From<&KeyEnvelope> for v3::KeyEnvelope {
    fn from(envelope: &KeyEnvelope) -> Self {
        match envelope {
            KeyEnvelope::Clear(key) => Self { key: key.expose().to_vec(), ..Self::default() },
            KeyEnvelope::Wrapped { kek_label, encrypted_key } => Self {
                kek_label: kek_label.to_string(),
                encrypted_key: encrypted_key.clone(),
                ..Self::default()
            },
            _ => Self::default(),
        }
    }
}

impl TryFrom<&v3::KeyEnvelope> for KeyEnvelope {
    type Error = ConvertError;

    fn try_from(envelope: &v3::KeyEnvelope) -> Result<Self, ConvertError> {
        if let Some(key) = octets(&envelope.key, "key")? {
            return Ok(Self::Clear(Aes128Key::new(key)));
        }
        if envelope.encrypted_key.is_empty() {
            return Err(ConvertError::missing("key"));
        }
        Ok(Self::Wrapped {
            kek_label: envelope.kek_label.as_str().into(),
            encrypted_key: envelope.encrypted_key.clone(),
        })
    }
}

impl From<&SessionKeys> for v3::SessionKeys {
    fn from(keys: &SessionKeys) -> Self {
        Self {
            session_key_id: session_key_id(&keys.id),
            f_nwk_s_int_key: Some((&keys.f_nwk_s_int_key).into()),
            s_nwk_s_int_key: Some((&keys.s_nwk_s_int_key).into()),
            nwk_s_enc_key: Some((&keys.nwk_s_enc_key).into()),
            app_s_key: keys.app_s_key.as_ref().map(Into::into),
        }
    }
}

impl TryFrom<&v3::SessionKeys> for SessionKeys {
    type Error = ConvertError;

    /// Keys that only LoRaWAN 1.1 has are taken from FNwkSIntKey if they are not set.
    fn try_from(keys: &v3::SessionKeys) -> Result<Self, ConvertError> {
        let first = keys.f_nwk_s_int_key.as_ref();
        let first = first.ok_or(ConvertError::missing("f_nwk_s_int_key"))?;
        let or_first = |key: &Option<v3::KeyEnvelope>| key.as_ref().unwrap_or(first).try_into();
        Ok(Self {
            id: to_session_key_id(&keys.session_key_id)?,
            f_nwk_s_int_key: first.try_into()?,
            s_nwk_s_int_key: or_first(&keys.s_nwk_s_int_key)?,
            nwk_s_enc_key: or_first(&keys.nwk_s_enc_key)?,
            app_s_key: keys.app_s_key.as_ref().map(TryInto::try_into).transpose()?,
        })
    }
}

/// The octets of an id.
pub fn session_key_id(id: &SessionKeyId) -> Vec<u8> {
    id.as_bytes().to_vec()
}

/// The id of octets.
///
/// # Errors
///
/// Fails above [`SessionKeyId::LENGTH_MAX`].
pub fn to_session_key_id(bytes: &[u8]) -> Result<SessionKeyId, ConvertError> {
    let too_long = || ConvertError::malformed("session_key_id", "it is too long");
    SessionKeyId::new(bytes).ok_or_else(too_long)
}

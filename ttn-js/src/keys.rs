//! Keys on their way: at rest, to the Network Server, to the Application Server.

use std::sync::Arc;

use ttn_core::{
    addr::NetId,
    id::ApplicationId,
    key::{Aes128Key, KeyEnvelope, SessionKeyId},
    msg::SessionKeys,
    vault::{KeyVault, VaultError},
};
use ttn_mac::crypto::{derive, wrap};

use crate::{
    device::{ActivationSettings, Device, RootKeys},
    error::Error,
    join::{JoinKeys, RootKeyChoice, root_key_tag},
    store::RootKeyTag,
};

/// Wraps and unwraps keys by the rules of the Join Server.
#[derive(Clone, Debug)]
pub(crate) struct KeyRing {
    vault: Arc<dyn KeyVault>,
    at_rest: String,
}

/// The label of the key encryption key for a Network Server, if the vault has one: `ns/<NetID>/<host>`, empty parts
/// left out (JS-11).
pub(crate) fn network_label(net_id: Option<NetId>, address: &str) -> String {
    label("ns", net_id, address)
}

/// The label of the key encryption key for an Application Server, if the vault has one: `as/<host>` (JS-12).
pub(crate) fn application_label(address: &str) -> String {
    label("as", None, address)
}

fn label(role: &str, net_id: Option<NetId>, address: &str) -> String {
    let net_id = net_id.map(|net_id| net_id.to_string()).unwrap_or_default();
    let parts = [role, &net_id, host(address)];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/")
}

/// The host of `host:port`, `[v6]:port` or `host`.
fn host(address: &str) -> &str {
    if let Some((host, _)) = address.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return host;
    }
    match address.split_once(':') {
        Some((host, port)) if !port.contains(':') => host,
        _ => address,
    }
}

impl KeyRing {
    pub(crate) fn new(vault: Arc<dyn KeyVault>, at_rest: String) -> Result<Self, Error> {
        if vault.has(&at_rest) {
            Ok(Self { vault, at_rest })
        } else {
            Err(Error::Kek(VaultError::KekNotFound { label: at_rest.into() }))
        }
    }

    /// Wraps a key for the store. An envelope that somebody else wrapped stays as it is, once it has been shown to
    /// unwrap.
    pub(crate) fn rest(&self, envelope: &KeyEnvelope) -> Result<KeyEnvelope, Error> {
        match envelope {
            KeyEnvelope::Clear(key) => self.vault.wrap(key, &self.at_rest).map_err(Error::Kek),
            wrapped => {
                self.vault.unwrap(wrapped).map_err(Error::Unwrap)?;
                Ok(wrapped.clone())
            }
        }
    }

    pub(crate) fn rest_root_keys(&self, keys: &RootKeys) -> Result<RootKeys, Error> {
        let rest = |key: &Option<KeyEnvelope>| key.as_ref().map(|key| self.rest(key)).transpose();
        Ok(RootKeys {
            id: keys.id.clone(),
            app_key: rest(&keys.app_key)?,
            nwk_key: rest(&keys.nwk_key)?,
        })
    }

    pub(crate) fn clear_root_keys(&self, keys: &RootKeys) -> Result<RootKeys, Error> {
        let clear = |key: &Option<KeyEnvelope>| {
            key.as_ref().map(|key| self.clear(key).map(KeyEnvelope::Clear)).transpose()
        };
        Ok(RootKeys {
            id: keys.id.clone(),
            app_key: clear(&keys.app_key)?,
            nwk_key: clear(&keys.nwk_key)?,
        })
    }

    pub(crate) fn clear(&self, envelope: &KeyEnvelope) -> Result<Aes128Key, Error> {
        self.vault.unwrap(envelope).map_err(Error::Unwrap)
    }

    pub(crate) fn join_keys(
        &self,
        choice: RootKeyChoice,
        keys: &RootKeys,
    ) -> Result<JoinKeys, Error> {
        Ok(JoinKeys::new(
            choice,
            self.clear(keys.of(choice.network)?)?,
            self.clear(keys.of(choice.application)?)?,
        ))
    }

    /// The tags of all root keys that the device has, NwkKey first.
    pub(crate) fn tags(&self, keys: &RootKeys) -> Result<Vec<RootKeyTag>, Error> {
        let present = [&keys.nwk_key, &keys.app_key].into_iter().flatten();
        present.map(|key| self.clear(key).map(|key| root_key_tag(&key))).collect()
    }

    pub(crate) fn rest_session(
        &self,
        id: &SessionKeyId,
        keys: &derive::SessionKeys,
    ) -> Result<SessionKeys, Error> {
        let rest = |key: &Aes128Key| self.vault.wrap(key, &self.at_rest).map_err(Error::Kek);
        Ok(SessionKeys {
            id: id.clone(),
            f_nwk_s_int_key: rest(&keys.network.f_nwk_s_int_key)?,
            s_nwk_s_int_key: rest(&keys.network.s_nwk_s_int_key)?,
            nwk_s_enc_key: rest(&keys.network.nwk_s_enc_key)?,
            app_s_key: Some(rest(&keys.app_s_key)?),
        })
    }

    /// A stored set as the Network Server gets it: network keys for it, AppSKey for the Application Server.
    pub(crate) fn hand_out(
        &self,
        device: &Device,
        settings: Option<&ActivationSettings>,
        net_id: NetId,
        keys: &SessionKeys,
    ) -> Result<SessionKeys, Error> {
        let network = |key: &KeyEnvelope| self.for_network(device, Some(net_id), &self.clear(key)?);
        let app_s_key = match &keys.app_s_key {
            Some(key) => Some(self.for_application(device, settings, &self.clear(key)?)?),
            None => None,
        };
        Ok(SessionKeys {
            id: keys.id.clone(),
            f_nwk_s_int_key: network(&keys.f_nwk_s_int_key)?,
            s_nwk_s_int_key: network(&keys.s_nwk_s_int_key)?,
            nwk_s_enc_key: network(&keys.nwk_s_enc_key)?,
            app_s_key,
        })
    }

    fn for_network(
        &self,
        device: &Device,
        net_id: Option<NetId>,
        key: &Aes128Key,
    ) -> Result<KeyEnvelope, Error> {
        let pattern = || network_label(net_id, &device.network_server_address);
        self.envelope(&device.network_server_kek_label, pattern, key)
    }

    /// JS-12: the label of the device, else the application's own key, else the label of the pattern.
    pub(crate) fn for_application(
        &self,
        device: &Device,
        settings: Option<&ActivationSettings>,
        key: &Aes128Key,
    ) -> Result<KeyEnvelope, Error> {
        match settings {
            Some(settings) if device.application_server_kek_label.is_empty() => {
                self.for_settings(&device.key.application_id, settings, key)
            }
            _ => {
                let pattern = || application_label(&device.application_server_address);
                self.envelope(&device.application_server_kek_label, pattern, key)
            }
        }
    }

    fn for_settings(
        &self,
        application: &ApplicationId,
        settings: &ActivationSettings,
        key: &Aes128Key,
    ) -> Result<KeyEnvelope, Error> {
        if settings.kek_label.is_empty() {
            return Ok(KeyEnvelope::Clear(key.clone()));
        }
        let kek = settings.kek.as_ref();
        let kek = kek.ok_or_else(|| Error::NoKek { application: application.clone() })?;
        let kek = self.clear(kek)?;
        let label = || Arc::from(settings.kek_label.as_str());
        let wrapped = wrap::wrap_key(kek.expose(), key)
            .map_err(|_| Error::Kek(VaultError::Unwrap { label: label() }))?;
        Ok(KeyEnvelope::Wrapped { kek_label: label(), encrypted_key: wrapped.to_vec() })
    }

    /// Activation settings with their key wrapped for the store.
    pub(crate) fn rest_settings(
        &self,
        settings: &ActivationSettings,
    ) -> Result<ActivationSettings, Error> {
        let kek = settings.kek.as_ref().map(|kek| self.rest(kek)).transpose()?;
        Ok(ActivationSettings { kek, ..settings.clone() })
    }

    /// The same with their key in clear text.
    pub(crate) fn clear_settings(
        &self,
        settings: &ActivationSettings,
    ) -> Result<ActivationSettings, Error> {
        let kek = settings.kek.as_ref().map(|kek| self.clear(kek)).transpose()?;
        Ok(ActivationSettings { kek: kek.map(KeyEnvelope::Clear), ..settings.clone() })
    }

    /// A label of the device must be in the vault; one of the pattern may be; else the key goes in clear text.
    fn envelope(
        &self,
        device_label: &str,
        pattern: impl FnOnce() -> String,
        key: &Aes128Key,
    ) -> Result<KeyEnvelope, Error> {
        if !device_label.is_empty() {
            return self.vault.wrap(key, device_label).map_err(Error::Kek);
        }
        let label = pattern();
        if self.vault.has(&label) {
            return self.vault.wrap(key, &label).map_err(Error::Kek);
        }
        Ok(KeyEnvelope::Clear(key.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // JS-11, JS-12
    #[test]
    fn labels_leave_empty_parts_out() {
        let net_id = NetId::from_u32(0x13);
        assert_eq!(network_label(net_id, "ns.example.com:8884"), "ns/000013/ns.example.com");
        assert_eq!(network_label(net_id, ""), "ns/000013");
        assert_eq!(network_label(None, "[2001:db8::1]:8884"), "ns/2001:db8::1");
        assert_eq!(network_label(None, "2001:db8::1"), "ns/2001:db8::1");
        assert_eq!(application_label("as.example.com"), "as/as.example.com");
        assert_eq!(application_label(""), "as");
    }
}

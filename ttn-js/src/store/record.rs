//! Records of the Join Server as octets: protobuf messages of the package `ttn.store.v1`, never the API's. Stored data
//! depends on them.

use prost::Message as _;
use ttn_core::{
    addr::NetId,
    eui::{DevEui, JoinEui},
    id::DeviceKey,
    key::{Aes128Key, KeyEnvelope, SessionKeyId},
    msg::SessionKeys,
    store::{StoreError, StoreErrorKind},
    time::Timestamp,
};

use super::SessionKeySet;
use crate::device::{ActivationSettings, Device, Euis, RootKeys};

impl Device {
    /// The octets to store, without the id.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        DeviceWire::of(self).encode_to_vec()
    }

    /// The device of an id and the octets that [`Self::encode`] gave.
    ///
    /// # Errors
    ///
    /// They are no device.
    pub fn decode(key: DeviceKey, octets: &[u8]) -> Result<Self, StoreError> {
        let wire =
            DeviceWire::decode(octets).map_err(|_| corrupt("a device of the join server"))?;
        wire.parse(key)
    }
}

impl ActivationSettings {
    /// The octets to store.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        SettingsWire::of(self).encode_to_vec()
    }

    /// The settings of octets that [`Self::encode`] gave.
    ///
    /// # Errors
    ///
    /// They are no settings.
    pub fn decode(octets: &[u8]) -> Result<Self, StoreError> {
        let wire = SettingsWire::decode(octets).map_err(|_| corrupt("activation settings"))?;
        wire.parse()
    }
}

impl SessionKeySet {
    /// The octets to store.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        SetWire::of(self).encode_to_vec()
    }

    /// The set of octets that [`Self::encode`] gave.
    ///
    /// # Errors
    ///
    /// They are no set of session keys.
    pub fn decode(octets: &[u8]) -> Result<Self, StoreError> {
        let wire = SetWire::decode(octets).map_err(|_| corrupt("a set of session keys"))?;
        wire.parse()
    }
}

/// `JoinDevice`
#[derive(Clone, PartialEq, prost::Message)]
struct DeviceWire {
    #[prost(fixed64, tag = "1")]
    join_eui: u64,
    #[prost(fixed64, tag = "2")]
    dev_eui: u64,
    #[prost(uint32, optional, tag = "3")]
    net_id: Option<u32>,
    #[prost(string, tag = "4")]
    root_key_id: String,
    #[prost(message, optional, tag = "5")]
    app_key: Option<Key>,
    #[prost(message, optional, tag = "6")]
    nwk_key: Option<Key>,
    #[prost(string, tag = "7")]
    network_server_address: String,
    #[prost(string, tag = "8")]
    network_server_kek_label: String,
    #[prost(string, tag = "9")]
    application_server_address: String,
    #[prost(string, tag = "10")]
    application_server_id: String,
    #[prost(string, tag = "11")]
    application_server_kek_label: String,
    #[prost(bool, tag = "12")]
    resets_join_nonces: bool,
    #[prost(int64, tag = "13")]
    created_at: i64,
    #[prost(int64, tag = "14")]
    updated_at: i64,
}

/// `JoinActivationSettings`
#[derive(Clone, PartialEq, prost::Message)]
struct SettingsWire {
    #[prost(string, tag = "1")]
    kek_label: String,
    #[prost(message, optional, tag = "2")]
    kek: Option<Key>,
    #[prost(uint32, optional, tag = "3")]
    home_net_id: Option<u32>,
    #[prost(string, tag = "4")]
    application_server_id: String,
}

/// `JoinKey`
#[derive(Clone, PartialEq, prost::Message)]
struct Key {
    /// Empty for a key in clear text.
    #[prost(string, tag = "1")]
    kek_label: String,
    #[prost(bytes = "vec", tag = "2")]
    octets: Vec<u8>,
}

/// `JoinSessionKeySet`
#[derive(Clone, PartialEq, prost::Message)]
struct SetWire {
    #[prost(bytes = "vec", tag = "1")]
    id: Vec<u8>,
    #[prost(uint32, tag = "2")]
    net_id: u32,
    #[prost(message, optional, tag = "3")]
    f_nwk_s_int_key: Option<Key>,
    #[prost(message, optional, tag = "4")]
    s_nwk_s_int_key: Option<Key>,
    #[prost(message, optional, tag = "5")]
    nwk_s_enc_key: Option<Key>,
    #[prost(message, optional, tag = "6")]
    app_s_key: Option<Key>,
}

impl DeviceWire {
    fn of(device: &Device) -> Self {
        Self {
            join_eui: device.euis.join_eui.to_u64(),
            dev_eui: device.euis.dev_eui.to_u64(),
            net_id: device.net_id.map(NetId::to_u32),
            root_key_id: device.root_keys.id.clone(),
            app_key: device.root_keys.app_key.as_ref().map(Key::of),
            nwk_key: device.root_keys.nwk_key.as_ref().map(Key::of),
            network_server_address: device.network_server_address.clone(),
            network_server_kek_label: device.network_server_kek_label.clone(),
            application_server_address: device.application_server_address.clone(),
            application_server_id: device.application_server_id.clone(),
            application_server_kek_label: device.application_server_kek_label.clone(),
            resets_join_nonces: device.resets_join_nonces,
            created_at: device.created_at.unix_nanos(),
            updated_at: device.updated_at.unix_nanos(),
        }
    }

    fn parse(self, key: DeviceKey) -> Result<Device, StoreError> {
        let euis = Euis {
            join_eui: JoinEui::from_u64(self.join_eui),
            dev_eui: DevEui::from_u64(self.dev_eui),
        };
        let mut device = Device::new(key, euis);
        device.net_id = self.net_id.map(net_id).transpose()?;
        device.root_keys = RootKeys {
            id: self.root_key_id,
            app_key: self.app_key.map(Key::parse).transpose()?,
            nwk_key: self.nwk_key.map(Key::parse).transpose()?,
        };
        device.network_server_address = self.network_server_address;
        device.network_server_kek_label = self.network_server_kek_label;
        device.application_server_address = self.application_server_address;
        device.application_server_id = self.application_server_id;
        device.application_server_kek_label = self.application_server_kek_label;
        device.resets_join_nonces = self.resets_join_nonces;
        device.created_at = Timestamp::from_unix_nanos(self.created_at);
        device.updated_at = Timestamp::from_unix_nanos(self.updated_at);
        Ok(device)
    }
}

impl SettingsWire {
    fn of(settings: &ActivationSettings) -> Self {
        Self {
            kek_label: settings.kek_label.clone(),
            kek: settings.kek.as_ref().map(Key::of),
            home_net_id: settings.home_net_id.map(NetId::to_u32),
            application_server_id: settings.application_server_id.clone(),
        }
    }

    fn parse(self) -> Result<ActivationSettings, StoreError> {
        Ok(ActivationSettings {
            kek_label: self.kek_label,
            kek: self.kek.map(Key::parse).transpose()?,
            home_net_id: self.home_net_id.map(net_id).transpose()?,
            application_server_id: self.application_server_id,
        })
    }
}

impl Key {
    fn of(envelope: &KeyEnvelope) -> Self {
        match envelope {
            KeyEnvelope::Wrapped { kek_label, encrypted_key } => {
                Self { kek_label: kek_label.to_string(), octets: encrypted_key.clone() }
            }
            clear => Self {
                kek_label: String::new(),
                octets: clear.clear().map(|key| key.expose().to_vec()).unwrap_or_default(),
            },
        }
    }

    fn parse(self) -> Result<KeyEnvelope, StoreError> {
        if self.kek_label.is_empty() {
            let octets = self.octets.try_into().map_err(|_| corrupt("a stored key"))?;
            return Ok(KeyEnvelope::Clear(Aes128Key::new(octets)));
        }
        Ok(KeyEnvelope::Wrapped { kek_label: self.kek_label.into(), encrypted_key: self.octets })
    }
}

impl SetWire {
    fn of(set: &SessionKeySet) -> Self {
        let keys = &set.keys;
        Self {
            id: keys.id.as_bytes().to_vec(),
            net_id: set.net_id.to_u32(),
            f_nwk_s_int_key: Some(Key::of(&keys.f_nwk_s_int_key)),
            s_nwk_s_int_key: Some(Key::of(&keys.s_nwk_s_int_key)),
            nwk_s_enc_key: Some(Key::of(&keys.nwk_s_enc_key)),
            app_s_key: keys.app_s_key.as_ref().map(Key::of),
        }
    }

    fn parse(self) -> Result<SessionKeySet, StoreError> {
        let key = |key: Option<Key>| {
            key.map(Key::parse).transpose()?.ok_or_else(|| corrupt("a set of session keys"))
        };
        Ok(SessionKeySet {
            net_id: net_id(self.net_id)?,
            keys: SessionKeys {
                id: SessionKeyId::new(&self.id)
                    .ok_or_else(|| corrupt("the id of a set of session keys"))?,
                f_nwk_s_int_key: key(self.f_nwk_s_int_key)?,
                s_nwk_s_int_key: key(self.s_nwk_s_int_key)?,
                nwk_s_enc_key: key(self.nwk_s_enc_key)?,
                app_s_key: self.app_s_key.map(Key::parse).transpose()?,
            },
        })
    }
}

fn net_id(number: u32) -> Result<NetId, StoreError> {
    NetId::from_u32(number).ok_or_else(|| corrupt("a NetID"))
}

fn corrupt(what: &str) -> StoreError {
    StoreError::new(StoreErrorKind::Corrupt, what)
}

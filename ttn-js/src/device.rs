//! A device as the Join Server knows it.
#![expect(clippy::exhaustive_structs, reason = "built by stores and callers of the registry")]

use std::fmt;

use ttn_core::{
    addr::NetId,
    eui::{DevEui, JoinEui},
    id::{DeviceIds, DeviceKey},
    key::KeyEnvelope,
    time::Timestamp,
};

use crate::error::{Reject, RootKey};

/// What names a device on the air: the EUI of its Join Server and its own.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Euis {
    /// The Join Server's EUI.
    pub join_eui: JoinEui,
    /// The device's EUI.
    pub dev_eui: DevEui,
}

impl fmt::Display for Euis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.join_eui, self.dev_eui)
    }
}

impl fmt::Debug for Euis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A device that may join. In stores its keys are always wrapped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Application and device id.
    pub key: DeviceKey,
    /// Its EUIs; they never change.
    pub euis: Euis,
    /// The only network that it may join; `None` for any.
    pub net_id: Option<NetId>,
    /// Its root keys.
    pub root_keys: RootKeys,
    /// Where its Network Server is.
    pub network_server_address: String,
    /// The label of the key encryption key for its network session keys; empty for none.
    pub network_server_kek_label: String,
    /// Where its Application Server is.
    pub application_server_address: String,
    /// The AS-ID of its Application Server.
    pub application_server_id: String,
    /// The label of the key encryption key for its AppSKey; empty for none.
    pub application_server_kek_label: String,
    /// The device forgets its nonces: DevNonces are not checked, and every join carries a warning.
    pub resets_join_nonces: bool,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When the registration was last changed.
    pub updated_at: Timestamp,
}

impl Device {
    /// A device with nothing but its names; the rest is filled in by the caller.
    #[must_use]
    pub fn new(key: DeviceKey, euis: Euis) -> Self {
        Self {
            key,
            euis,
            net_id: None,
            root_keys: RootKeys::default(),
            network_server_address: String::new(),
            network_server_kek_label: String::new(),
            application_server_address: String::new(),
            application_server_id: String::new(),
            application_server_kek_label: String::new(),
            resets_join_nonces: false,
            created_at: Timestamp::UNIX_EPOCH,
            updated_at: Timestamp::UNIX_EPOCH,
        }
    }

    /// What names it; a session is none of the Join Server's business.
    #[must_use]
    pub fn ids(&self) -> DeviceIds {
        DeviceIds {
            dev_eui: Some(self.euis.dev_eui),
            join_eui: Some(self.euis.join_eui),
            ..DeviceIds::new(self.key.clone())
        }
    }
}

/// What holds for the joins of all devices of an application (JS-13).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ActivationSettings {
    /// The label of the key encryption key for AppSKeys; empty for clear text.
    pub kek_label: String,
    /// That key. In stores it is wrapped.
    pub kek: Option<KeyEnvelope>,
    /// The home network of the devices.
    pub home_net_id: Option<NetId>,
    /// The AS-ID of the Application Server.
    pub application_server_id: String,
}

/// The root keys of a device.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct RootKeys {
    /// A name of the set that its owner chose.
    pub id: String,
    /// AppKey: of the application; up to LoRaWAN 1.0.4 of the network as well.
    pub app_key: Option<KeyEnvelope>,
    /// NwkKey: of the network.
    pub nwk_key: Option<KeyEnvelope>,
}

impl RootKeys {
    /// The id of root keys that the vendor's CLI generated: their NwkKey is not meant for LoRaWAN 1.0 (JS-07).
    pub const ID_CLI_GENERATED: &'static str = "ttn-lw-cli-generated";

    /// One of the keys.
    ///
    /// # Errors
    ///
    /// The device does not have it.
    pub fn of(&self, key: RootKey) -> Result<&KeyEnvelope, Reject> {
        let envelope = match key {
            RootKey::App => &self.app_key,
            RootKey::Nwk => &self.nwk_key,
        };
        envelope.as_ref().ok_or(Reject::NoRootKey { key })
    }
}

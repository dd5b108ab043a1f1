//! End devices as the Identity Server keeps them: what they are, not how their sessions stand.

use std::collections::BTreeMap;

use ttn_core::{
    eui::{DevEui, JoinEui},
    id::DeviceKey,
};

use super::{ApplicationIds, Location, Picture, Record, Time};
use crate::{entity, store::Table};

/// The identifiers of an end device.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct DeviceIds {
    /// Its id within the application.
    #[prost(string, tag = "1")]
    pub device_id: String,
    /// The application.
    #[prost(message, optional, tag = "2")]
    pub application_ids: Option<ApplicationIds>,
    /// The DevEUI, 8 octets or none.
    #[prost(bytes = "vec", tag = "4")]
    pub dev_eui: Vec<u8>,
    /// The JoinEUI, 8 octets or none.
    #[prost(bytes = "vec", tag = "5")]
    pub join_eui: Vec<u8>,
}

/// Model and version of an end device.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct DeviceVersion {
    /// The brand.
    #[prost(string, tag = "1")]
    pub brand_id: String,
    /// The model.
    #[prost(string, tag = "2")]
    pub model_id: String,
    /// The version of the hardware.
    #[prost(string, tag = "3")]
    pub hardware_version: String,
    /// The version of the firmware.
    #[prost(string, tag = "4")]
    pub firmware_version: String,
    /// The band.
    #[prost(string, tag = "5")]
    pub band_id: String,
}

/// How the LoRa Alliance knows a device.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct LoraAllianceProfile {
    /// The vendor.
    #[prost(uint32, tag = "1")]
    pub vendor_id: u32,
    /// The profile of that vendor.
    #[prost(uint32, tag = "2")]
    pub vendor_profile_id: u32,
}

/// An end device (IS-13).
#[derive(Clone, PartialEq, prost::Message)]
pub struct Device {
    /// Its identifiers.
    #[prost(message, optional, tag = "1")]
    pub ids: Option<DeviceIds>,
    /// When it was created.
    #[prost(message, optional, tag = "2")]
    pub created_at: Option<Time>,
    /// When it was changed.
    #[prost(message, optional, tag = "3")]
    pub updated_at: Option<Time>,
    /// The name.
    #[prost(string, tag = "4")]
    pub name: String,
    /// The description.
    #[prost(string, tag = "5")]
    pub description: String,
    /// Free attributes.
    #[prost(btree_map = "string, string", tag = "6")]
    pub attributes: BTreeMap<String, String>,
    /// Model and version.
    #[prost(message, optional, tag = "7")]
    pub version_ids: Option<DeviceVersion>,
    /// The service profile.
    #[prost(string, tag = "8")]
    pub service_profile_id: String,
    /// The address of its Network Server.
    #[prost(string, tag = "9")]
    pub network_server_address: String,
    /// The address of its Application Server.
    #[prost(string, tag = "10")]
    pub application_server_address: String,
    /// The address of its Join Server.
    #[prost(string, tag = "11")]
    pub join_server_address: String,
    /// Where it is, by source.
    #[prost(btree_map = "string, message", tag = "12")]
    pub locations: BTreeMap<String, Location>,
    /// A picture of it.
    #[prost(message, optional, tag = "50")]
    pub picture: Option<Picture>,
    /// When it was activated.
    #[prost(message, optional, tag = "53")]
    pub activated_at: Option<Time>,
    /// When it was last heard.
    #[prost(message, optional, tag = "54")]
    pub last_seen_at: Option<Time>,
    /// The serial number.
    #[prost(string, tag = "55")]
    pub serial_number: String,
    /// How the LoRa Alliance knows it.
    #[prost(message, optional, tag = "56")]
    pub lora_alliance_profile_ids: Option<LoraAllianceProfile>,
}

impl Device {
    /// Makes a device with a key.
    #[must_use]
    pub fn new(key: &DeviceKey) -> Self {
        let ids = DeviceIds {
            device_id: key.device_id.as_str().to_owned(),
            application_ids: Some((&key.application_id).into()),
            ..DeviceIds::default()
        };
        Self { ids: Some(ids), ..Self::default() }
    }

    /// Sets both EUIs.
    #[must_use]
    pub fn with_euis(mut self, join_eui: JoinEui, dev_eui: DevEui) -> Self {
        let ids = self.ids.get_or_insert_default();
        ids.join_eui = join_eui.to_be_bytes().to_vec();
        ids.dev_eui = dev_eui.to_be_bytes().to_vec();
        self
    }

    /// The id within the application.
    #[must_use]
    pub fn id(&self) -> &str {
        self.ids.as_ref().map_or("", |ids| &ids.device_id)
    }

    /// The id of the application.
    #[must_use]
    pub fn application_id(&self) -> &str {
        let ids = self.ids.as_ref().and_then(|ids| ids.application_ids.as_ref());
        ids.map_or("", |ids| &ids.application_id)
    }

    /// Both EUIs, if both are set and of the right length.
    #[must_use]
    pub fn euis(&self) -> Option<(JoinEui, DevEui)> {
        let ids = self.ids.as_ref()?;
        let join_eui = <[u8; 8]>::try_from(ids.join_eui.as_slice()).ok()?;
        let dev_eui = <[u8; 8]>::try_from(ids.dev_eui.as_slice()).ok()?;
        Some((JoinEui::from_be_bytes(join_eui), DevEui::from_be_bytes(dev_eui)))
    }

    /// The key of its EUIs in [`Table::DeviceOfEuis`].
    pub(crate) fn euis_key(&self) -> Option<String> {
        self.euis().map(|(join_eui, dev_eui)| entity::euis_key(join_eui, dev_eui))
    }
}

impl Record for Device {
    const TABLE: Table = Table::Device;

    fn key(&self) -> String {
        format!("{}/{}", self.application_id(), self.id())
    }
}

/// How many DevEUIs of a block are given out (IS-17).
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct EuiCount {
    /// The block: its first EUI and its length in bits.
    #[prost(string, tag = "1001")]
    pub block: String,
    /// How many.
    #[prost(uint64, tag = "1002")]
    pub given: u64,
    /// Whether it is drawn from though the configuration does not name it.
    #[prost(bool, tag = "1003")]
    pub standing: bool,
}

impl Record for EuiCount {
    const TABLE: Table = Table::EuiBlock;

    fn key(&self) -> String {
        self.block.clone()
    }
}

/// How many end devices an application has.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct DeviceCount {
    /// The application.
    #[prost(string, tag = "1001")]
    pub application_id: String,
    /// How many.
    #[prost(uint64, tag = "1002")]
    pub count: u64,
}

impl Record for DeviceCount {
    const TABLE: Table = Table::DeviceCount;

    fn key(&self) -> String {
        self.application_id.clone()
    }
}

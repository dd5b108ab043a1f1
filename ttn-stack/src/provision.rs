//! Registers applications, gateways and whole devices through the API: a device is written to all four registries,
//! and can be put on the virtual air as it is registered.

use serde_json::{Value, json};
use ttn_core::{
    addr::DevAddr,
    eui::{DevEui, GatewayEui, JoinEui},
    id::{ApplicationId, DeviceKey, GatewayId},
    key::Aes128Key,
    radio::DataRateIndex,
    version::{MacVersion, PhyVersion},
};
use ttn_mac::{
    band::{self, BandChannel, ChannelMask},
    device::{DevNonces, Device, DeviceConfig, DeviceSession, RootKeys},
    plan,
    session::NetworkKeys,
};

use crate::client::{CallError, Client};

/// A device to register.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "built by users")]
pub struct NewDevice {
    /// Application and device id.
    pub key: DeviceKey,
    /// Its DevEUI.
    pub dev_eui: DevEui,
    /// Its version of LoRaWAN.
    pub version: MacVersion,
    /// Its version of the Regional Parameters.
    pub phy_version: PhyVersion,
    /// Its frequency plan.
    pub frequency_plan_id: &'static str,
    /// The formatter of its uplinks as in the API, such as `FORMATTER_CAYENNELPP`.
    pub up_formatter: &'static str,
    /// Further MAC settings as in the API.
    pub mac_settings: Value,
    /// How it is activated.
    pub activation: Activation,
}

/// How a device is activated.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_enums, reason = "both ways that there are")]
pub enum Activation {
    /// By a session that both sides are given.
    Abp {
        /// The address.
        dev_addr: DevAddr,
        /// FNwkSIntKey, SNwkSIntKey, NwkSEncKey; up to LoRaWAN 1.0.4 three times NwkSKey.
        network_keys: [Aes128Key; 3],
        /// AppSKey.
        app_s_key: Aes128Key,
    },
    /// By joining.
    Otaa {
        /// The Join Server's EUI.
        join_eui: JoinEui,
        /// AppKey.
        app_key: Aes128Key,
        /// NwkKey, of LoRaWAN 1.1.
        nwk_key: Option<Aes128Key>,
    },
}

impl NewDevice {
    /// A device of LoRaWAN 1.0.3 in Europe, without formatter. Change its fields before it is created.
    #[must_use]
    pub fn new(key: DeviceKey, dev_eui: DevEui, activation: Activation) -> Self {
        Self {
            key,
            dev_eui,
            version: MacVersion::V1_0_3,
            phy_version: PhyVersion::RP001_V1_0_3_REV_A,
            frequency_plan_id: "EU_863_870_TTN",
            up_formatter: "FORMATTER_NONE",
            mac_settings: Value::Null,
            activation,
        }
    }

    /// What the device itself is made with: the channels of its plan, data rate 5, ADR.
    ///
    /// # Errors
    ///
    /// The plan is not known, or its band does not exist in this version of the Regional Parameters.
    pub fn device_config(&self) -> anyhow::Result<DeviceConfig> {
        let plan = plan::get(self.frequency_plan_id)?;
        let band = band::get(plan.band_id, self.phy_version)?;
        let in_plan = |channel: &BandChannel| {
            plan.uplink_channels.iter().any(|c| c.frequency == channel.frequency)
        };
        // A band with fixed channels: the device knows all of them, the network listens to some.
        let is_fixed = !band.uplink_channels.iter().all(in_plan);
        let channels = is_fixed.then(|| {
            let wanted = band.uplink_channels.iter().enumerate().filter(|(_, c)| in_plan(c));
            ChannelMask::from_bits(wanted.fold(0, |mask, (index, _)| mask | 1 << index))
        });
        let counts_dev_nonces = self.version >= MacVersion::V1_0_4;
        Ok(DeviceConfig {
            band,
            version: self.version,
            channels,
            data_rate: DataRateIndex::from_low_bits(5),
            adr: true,
            dev_nonces: if counts_dev_nonces { DevNonces::Counter(1) } else { DevNonces::Random },
            first_f_cnt_up: 0,
        })
    }

    /// The device itself, as it is registered: for the virtual air.
    #[must_use]
    pub fn on_air(&self, config: DeviceConfig) -> Device {
        match self.activation.clone() {
            Activation::Abp { dev_addr, network_keys: [f, s, e], app_s_key } => {
                let keys = NetworkKeys { f_nwk_s_int_key: f, s_nwk_s_int_key: s, nwk_s_enc_key: e };
                let session = DeviceSession {
                    version: config.version,
                    dev_addr,
                    keys,
                    app_s_key,
                    next_f_cnt_up: config.first_f_cnt_up,
                    last_n_f_cnt_down: None,
                    last_a_f_cnt_down: None,
                };
                Device::abp(config, session)
            }
            Activation::Otaa { join_eui, app_key, nwk_key } => {
                Device::otaa(config, RootKeys { join_eui, dev_eui: self.dev_eui, app_key, nwk_key })
            }
        }
    }
}

impl Activation {
    /// A session up to LoRaWAN 1.0.4.
    #[must_use]
    pub fn abp(dev_addr: DevAddr, nwk_s_key: Aes128Key, app_s_key: Aes128Key) -> Self {
        let network_keys = [nwk_s_key.clone(), nwk_s_key.clone(), nwk_s_key];
        Self::Abp { dev_addr, network_keys, app_s_key }
    }
}

fn hex(octets: &[u8]) -> String {
    data_encoding::HEXUPPER.encode(octets)
}

fn key(key: &Aes128Key) -> Value {
    json!({ "key": hex(key.expose()) })
}

/// Creates an application of the user `admin`.
///
/// # Errors
///
/// The API refused a call.
pub async fn create_application(client: &Client, id: &ApplicationId) -> Result<(), CallError> {
    let body = json!({ "application": { "ids": { "application_id": id.as_str() } } });
    client.post("/users/admin/applications", body).await.map(|_| ())
}

/// Creates a gateway of the user `admin`.
///
/// # Errors
///
/// The API refused a call.
pub async fn create_gateway(
    client: &Client,
    id: &GatewayId,
    eui: GatewayEui,
    plan: &str,
) -> Result<(), CallError> {
    let gateway = json!({
        "ids": { "gateway_id": id.as_str(), "eui": eui.to_string() },
        "frequency_plan_ids": [plan],
        "enforce_duty_cycle": true,
    });
    client.post("/users/admin/gateways", json!({ "gateway": gateway })).await.map(|_| ())
}

/// Creates a device in the Identity Server, the Join Server (if it joins), the Network Server and the Application
/// Server, in this order.
///
/// # Errors
///
/// The API refused a call; earlier calls have taken effect.
pub async fn create_device(client: &Client, device: &NewDevice) -> Result<(), CallError> {
    let application = &device.key.application_id;
    let path = format!("/applications/{application}/devices");
    let ids = ids(device);
    client.post(&path, json!({ "end_device": { "ids": ids } })).await?;
    let path = format!("{path}/{}", device.key.device_id);
    if let Activation::Otaa { app_key, nwk_key, .. } = &device.activation {
        let mut root_keys = json!({ "app_key": key(app_key) });
        let mut mask = vec!["root_keys.app_key.key"];
        if let Some(nwk_key) = nwk_key {
            root_keys["nwk_key"] = key(nwk_key);
            mask.push("root_keys.nwk_key.key");
        }
        let body = set(json!({ "ids": ids, "root_keys": root_keys }), &mask);
        client.put(&format!("/js{path}"), body).await?;
    }
    client.put(&format!("/ns{path}"), network_body(device, &ids)).await?;
    client.put(&format!("/as{path}"), application_body(device, &ids)).await?;
    Ok(())
}

fn ids(device: &NewDevice) -> Value {
    let mut ids = json!({
        "application_ids": { "application_id": device.key.application_id.as_str() },
        "device_id": device.key.device_id.as_str(),
        "dev_eui": device.dev_eui.to_string(),
    });
    match &device.activation {
        Activation::Otaa { join_eui, .. } => ids["join_eui"] = json!(join_eui.to_string()),
        Activation::Abp { dev_addr, .. } => ids["dev_addr"] = json!(dev_addr.to_string()),
    }
    ids
}

fn set(end_device: Value, paths: &[&str]) -> Value {
    json!({ "end_device": end_device, "field_mask": { "paths": paths } })
}

fn network_body(device: &NewDevice, ids: &Value) -> Value {
    let mut end_device = json!({
        "ids": ids,
        "frequency_plan_id": device.frequency_plan_id,
        "lorawan_version": device.version.name(),
        "lorawan_phy_version": device.phy_version.name(),
        "supports_join": matches!(device.activation, Activation::Otaa { .. }),
    });
    let mut paths =
        vec!["frequency_plan_id", "lorawan_version", "lorawan_phy_version", "supports_join"];
    if !device.mac_settings.is_null() {
        end_device["mac_settings"] = device.mac_settings.clone();
        paths.push("mac_settings");
    }
    if let Activation::Abp { dev_addr, network_keys: [f_int, s_int, enc], .. } = &device.activation
    {
        end_device["session"] = json!({
            "dev_addr": dev_addr.to_string(),
            "keys": {
                "f_nwk_s_int_key": key(f_int),
                "s_nwk_s_int_key": key(s_int),
                "nwk_s_enc_key": key(enc),
            },
        });
        paths.extend([
            "session.dev_addr",
            "session.keys.f_nwk_s_int_key.key",
            "session.keys.s_nwk_s_int_key.key",
            "session.keys.nwk_s_enc_key.key",
        ]);
    }
    set(end_device, &paths)
}

fn application_body(device: &NewDevice, ids: &Value) -> Value {
    let formatters = json!({ "up_formatter": device.up_formatter });
    let mut end_device = json!({ "ids": ids, "formatters": formatters });
    let mut paths = vec!["formatters.up_formatter"];
    if let Activation::Abp { dev_addr, app_s_key, .. } = &device.activation {
        end_device["session"] =
            json!({ "dev_addr": dev_addr.to_string(), "keys": { "app_s_key": key(app_s_key) } });
        paths.extend(["session.dev_addr", "session.keys.app_s_key.key"]);
    }
    set(end_device, &paths)
}

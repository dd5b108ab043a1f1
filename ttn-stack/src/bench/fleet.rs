//! The devices: as they are registered, and on the air. Keys come from a seed that is drawn for each run.

use data_encoding::BASE32_NOPAD;
use parking_lot::Mutex;
use serde_json::{Value, json};
use ttn_core::{
    addr::DevAddr,
    eui::{DevEui, GatewayEui, JoinEui},
    id::{ApplicationId, DeviceKey, GatewayId},
    key::Aes128Key,
    map::Map,
    rand::Entropy,
};
use ttn_mac::device::{Device, DeviceConfig};
use ttn_testkit::SeededEntropy;

use super::options::Scenario;
use crate::provision::{Activation, NewDevice};

pub(super) const APPLICATION: &str = "bench";
pub(super) const PLAN: &str = "EU_863_870_TTN";
/// The RX1 delay of all devices, in seconds: what the plan wants, so that nothing has to be said.
pub(super) const RX1_DELAY: u8 = 5;
/// How many addresses the devices of `collide` have.
const SHARED_ADDRESSES: usize = 8;
/// In `crash`, every so manyth device joins, again and again.
const CRASH_JOINS: usize = 20;

/// All devices of a run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fleet {
    pub(super) devices: usize,
    pub(super) gateways: usize,
    scenario: Scenario,
    seed: u64,
}

/// Devices on the air, by number.
#[derive(Debug)]
pub(super) struct OnAir {
    devices: Mutex<Vec<Device>>,
    /// Knows an address that is in use, and no key.
    stranger: Mutex<Device>,
    by_addr: Map<DevAddr, usize>,
    entropy: SeededEntropy,
}

impl Fleet {
    pub(super) fn new(
        scenario: Scenario,
        devices: usize,
        gateways: usize,
        entropy: &dyn Entropy,
    ) -> Self {
        // The first join-accept of a gateway leaves late: each has one before the measuring begins.
        let warm = if scenario == Scenario::Join { gateways } else { 0 };
        Self { devices: devices + warm, gateways, scenario, seed: entropy.next_u64() }
    }

    pub(super) fn application() -> anyhow::Result<ApplicationId> {
        Ok(APPLICATION.parse()?)
    }

    /// A gateway as it is registered.
    pub(super) fn gateway(index: usize) -> anyhow::Result<(GatewayId, GatewayEui)> {
        Ok((format!("gateway-{index}").parse()?, gateway_eui(index)))
    }

    /// A device as it is registered.
    pub(super) fn registration(&self, index: usize) -> anyhow::Result<NewDevice> {
        let number = index as u64 + 1;
        let keys = SeededEntropy::new(self.seed ^ number << 20);
        let key = || {
            let mut octets = [0; 16];
            keys.fill(&mut octets);
            Aes128Key::new(octets)
        };
        let addr = |number: u64| DevAddr::from_u32((number & 0x01FF_FFFF) as u32);
        let activation = match self.scenario {
            _ if self.joins(index) => {
                let join_eui = JoinEui::from_u64(0x70B3_D57E_D000_0000);
                Activation::Otaa { join_eui, app_key: key(), nwk_key: None }
            }
            Scenario::Collide => {
                let shared = number % SHARED_ADDRESSES as u64;
                Activation::abp(addr(shared + 1), key(), key())
            }
            _ => Activation::abp(addr(number), key(), key()),
        };
        let name = DeviceKey::new(Self::application()?, device_name(index).parse()?);
        let dev_eui = DevEui::from_u64(0x70B3_D57E_D100_0000 + number);
        let mut device = NewDevice::new(name, dev_eui, activation);
        device.mac_settings = match self.scenario {
            _ if self.joins(index) => json!({ "adr": { "disabled": {} } }),
            // Its downlinks come before the server is killed.
            Scenario::Crash => settings(1),
            _ => settings(RX1_DELAY),
        };
        Ok(device)
    }

    /// Whether a device has to join: all of `join`, some of `crash`.
    pub(super) fn joins(&self, index: usize) -> bool {
        match self.scenario {
            Scenario::Join => true,
            Scenario::Crash => index.is_multiple_of(CRASH_JOINS),
            _ => false,
        }
    }

    /// All devices on the air.
    pub(super) fn on_air(&self) -> anyhow::Result<OnAir> {
        let mut devices = Vec::with_capacity(self.devices);
        let mut by_addr = Map::default();
        let mut stranger = self.registration(0)?;
        let config = DeviceConfig { adr: false, ..stranger.device_config()? };
        if let Activation::Abp { network_keys, .. } = &mut stranger.activation {
            network_keys.fill(Aes128Key::new([0; 16]));
        }
        for index in 0..self.devices {
            let registration = self.registration(index)?;
            if let Activation::Abp { dev_addr, .. } = &registration.activation {
                by_addr.insert(*dev_addr, index);
            }
            devices.push(registration.on_air(config.clone()));
        }
        let stranger = Mutex::new(stranger.on_air(config));
        let entropy = SeededEntropy::new(self.seed);
        Ok(OnAir { devices: Mutex::new(devices), stranger, by_addr, entropy })
    }

    /// A name for a client that no other run has.
    pub(super) fn client_id(&self, role: &str) -> String {
        format!("bench-{role}-{}", BASE32_NOPAD.encode(&self.seed.to_be_bytes()))
    }
}

impl OnAir {
    /// Lets a device do something; `None` if there is no such device.
    pub(super) fn with<T>(
        &self,
        index: usize,
        act: impl FnOnce(&mut Device, &SeededEntropy) -> T,
    ) -> Option<T> {
        self.devices.lock().get_mut(index).map(|device| act(device, &self.entropy))
    }

    /// Lets the stranger do something.
    pub(super) fn stranger<T>(&self, act: impl FnOnce(&mut Device, &SeededEntropy) -> T) -> T {
        act(&mut self.stranger.lock(), &self.entropy)
    }

    /// The device that has an address for itself.
    pub(super) fn of_addr(&self, addr: DevAddr) -> Option<usize> {
        self.by_addr.get(&addr).copied()
    }
}

pub(super) fn gateway_eui(index: usize) -> GatewayEui {
    GatewayEui::from_u64(0x00AA_BBCC_DD00_0001 + index as u64)
}

pub(super) fn device_name(index: usize) -> String {
    format!("dev-{index}")
}

/// The number of a device by its name.
pub(super) fn device_index(name: &str) -> Option<usize> {
    name.strip_prefix("dev-")?.parse().ok()
}

/// Devices are from the factory as the plan wants them: the network has nothing to say but what is measured.
fn settings(rx1_delay: u8) -> Value {
    let hundred_kilohertz = [8681, 8683, 8685, 8671, 8673, 8675, 8677, 8679];
    let frequencies: Vec<String> =
        hundred_kilohertz.iter().map(|it| format!("{it}00000")).collect();
    json!({
        "rx1_delay": rx1_delay,
        "desired_rx1_delay": rx1_delay,
        "rx2_data_rate_index": 3,
        "factory_preset_frequencies": frequencies,
        "adr": { "disabled": {} },
        // The question for the battery, else part of the first answer to every device.
        "status_time_periodicity": "0s",
        "status_count_periodicity": 0,
    })
}

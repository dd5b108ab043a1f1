//! A simulated network with short words for what scenarios need.

use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use ttn::{
    core::{
        addr::DevAddr,
        eui::{DevEui, JoinEui},
        id::{ApplicationId, DeviceKey},
        key::Aes128Key,
        radio::DataRateIndex,
        version::{MacVersion, PhyVersion},
    },
    mac::device::{DevNonces, Device, ReceivedData},
    stack::{
        config::Config,
        provision::{self, Activation, NewDevice},
        simulation::Simulation,
    },
    testkit::{Action, DeviceNo, GatewayNo, Happened, Heard, Link},
};

pub(crate) const JOIN_EUI: JoinEui = JoinEui::from_u64(0x70B3_D57E_D000_0000);
pub(crate) const PLAN: &str = "EU_863_870_TTN";

/// A good link.
pub(crate) const NEAR: Link = Link { rssi: -60.0, snr: 9.0, loss_per_mille: 0 };

pub(crate) struct Net {
    pub(crate) sim: Simulation,
    pub(crate) app: ApplicationId,
    pub(crate) gateways: Vec<GatewayNo>,
    devices: u64,
    seen: usize,
    directory: TempDir,
}

/// What a device is, as far as scenarios care.
#[derive(Clone, Copy)]
pub(crate) struct Kind {
    pub(crate) version: MacVersion,
    pub(crate) data_rate: u8,
    pub(crate) first_f_cnt_up: u32,
    pub(crate) plan: &'static str,
    /// `mac_settings` as JSON of the API; empty for none.
    pub(crate) mac_settings: &'static str,
}

impl Default for Kind {
    fn default() -> Self {
        Self {
            version: MacVersion::V1_0_3,
            data_rate: 5,
            first_f_cnt_up: 0,
            plan: PLAN,
            mac_settings: "",
        }
    }
}

impl Net {
    /// Starts a network with some gateways.
    pub(crate) async fn start(seed: u64, gateways: usize) -> Self {
        Self::configured(seed, gateways, Config::default()).await
    }

    /// Starts a network that is configured.
    pub(crate) async fn configured(seed: u64, gateways: usize, config: Config) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store");
        let sim = Simulation::start(seed, path, config).await.unwrap();
        let app: ApplicationId = "test-app".parse().unwrap();
        provision::create_application(sim.client().unwrap(), &app).await.unwrap();
        let mut net = Self { sim, app, gateways: Vec::new(), devices: 0, seen: 0, directory };
        for index in 0..gateways {
            net.add_gateway(&format!("gateway-{index}"), PLAN).await;
        }
        net.wait(1).await;
        net
    }

    pub(crate) async fn add_gateway(&mut self, id: &str, plan: &str) -> GatewayNo {
        let gateway = self.sim.add_gateway(&id.parse().unwrap(), plan).await.unwrap();
        self.gateways.push(gateway);
        gateway
    }

    pub(crate) async fn wait(&self, secs: u64) {
        self.sim.wait(Duration::from_secs(secs)).await;
    }

    /// Registers an OTAA device and puts it on the air, heard by every gateway.
    pub(crate) async fn otaa(&mut self, name: &str, kind: Kind) -> DeviceNo {
        self.devices += 1;
        let [app_key, nwk_key] = self.root_keys();
        let nwk_key = kind.version.is_1_1().then_some(nwk_key);
        self.add(name, kind, Activation::Otaa { join_eui: JOIN_EUI, app_key, nwk_key }).await
    }

    /// AppKey and NwkKey of the OTAA device that was added last.
    pub(crate) fn root_keys(&self) -> [Aes128Key; 2] {
        [0, 0x80].map(|first| {
            let seed = first + self.devices as u8;
            Aes128Key::new(std::array::from_fn(|index| {
                seed.wrapping_add(37_u8.wrapping_mul(index as u8))
            }))
        })
    }

    /// What is in the files of the store.
    pub(crate) fn store_files(&self) -> Vec<Vec<u8>> {
        let mut open = vec![self.directory.path().to_owned()];
        let mut files = Vec::new();
        while let Some(path) = open.pop() {
            if path.is_dir() {
                open.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
            } else {
                files.push(std::fs::read(path).unwrap());
            }
        }
        files
    }

    /// Registers an ABP device and puts it on the air, heard by every gateway.
    pub(crate) async fn abp(&mut self, name: &str, kind: Kind) -> DeviceNo {
        self.devices += 1;
        let dev_addr = DevAddr::from_u32(0x0000_1000 + self.devices as u32);
        let key = |octet: u8| Aes128Key::new([octet + self.devices as u8; 16]);
        let activation = if kind.version.is_1_1() {
            let network_keys = [key(0x10), key(0x20), key(0x30)];
            Activation::Abp { dev_addr, network_keys, app_s_key: key(0x40) }
        } else {
            Activation::abp(dev_addr, key(0x10), key(0x40))
        };
        self.add(name, kind, activation).await
    }

    async fn add(&self, name: &str, kind: Kind, activation: Activation) -> DeviceNo {
        let key = DeviceKey::new(self.app.clone(), name.parse().unwrap());
        let dev_eui = DevEui::from_u64(0x70B3_D57E_D000_1000 + self.devices);
        let mut device = NewDevice::new(key, dev_eui, activation);
        device.version = kind.version;
        device.phy_version = phy_version(kind.version);
        device.frequency_plan_id = kind.plan;
        device.up_formatter = "FORMATTER_CAYENNELPP";
        if !kind.mac_settings.is_empty() {
            device.mac_settings = serde_json::from_str(kind.mac_settings).unwrap();
        }
        let mut config = device.device_config().unwrap();
        config.data_rate = DataRateIndex::new(kind.data_rate).unwrap();
        config.dev_nonces = DevNonces::Counter(1);
        config.first_f_cnt_up = kind.first_f_cnt_up;
        self.sim.add_device_with(&device, config, NEAR).await.unwrap()
    }

    /// Lets a device join and waits until its windows have closed.
    pub(crate) async fn join(&mut self, device: DeviceNo) {
        self.sim.world.act(device, Action::Join);
        self.wait(10).await;
    }

    /// Lets a device send and waits until its windows have closed; gives what it heard.
    pub(crate) async fn send(
        &mut self,
        device: DeviceNo,
        payload: &[u8],
        confirmed: bool,
    ) -> Vec<(usize, ReceivedData)> {
        let action = Action::Uplink { f_port: 1, payload: payload.to_vec(), confirmed };
        self.sim.world.act(device, action);
        self.wait(10).await;
        self.heard(device)
    }

    /// How much of the record was looked at.
    pub(crate) const fn seen(&self) -> usize {
        self.seen
    }

    /// What happened in the world since the last call.
    pub(crate) fn happened(&mut self) -> Vec<Happened> {
        let happened = self.sim.world.happened_since(self.seen);
        self.seen += happened.len();
        for (_, what) in &happened {
            assert!(!matches!(what, Happened::Violation(_)), "{what:?}");
        }
        happened.into_iter().map(|(_, what)| what).collect()
    }

    /// The downlinks that a device took since the last call, with their windows (0 is RX1).
    pub(crate) fn heard(&mut self, device: DeviceNo) -> Vec<(usize, ReceivedData)> {
        let happened = self.happened().into_iter();
        happened
            .filter_map(|what| match what {
                Happened::Heard(by, window, Heard::Data(data)) if by == device => {
                    Some((window, data))
                }
                _ => None,
            })
            .collect()
    }

    /// All messages of one kind that the application has got, such as `uplink_message`.
    pub(crate) async fn messages(&self, kind: &str) -> Vec<Value> {
        let all = self.sim.messages(&self.app).await.unwrap();
        all.into_iter().filter(|message| message[kind].is_object()).collect()
    }

    /// The counters of the uplinks that the application has got.
    pub(crate) async fn f_cnts(&self) -> Vec<u64> {
        let uplinks = self.messages("uplink_message").await;
        uplinks
            .iter()
            .map(|up| up["uplink_message"]["f_cnt"].as_u64().unwrap_or_default())
            .collect()
    }

    /// Pushes a downlink through the API.
    pub(crate) async fn push(&self, device: &str, payload: &str, confirmed: bool) {
        let path = format!("/as/applications/{}/devices/{device}/down/push", self.app);
        let downlink = json!({ "f_port": 2, "frm_payload": payload, "confirmed": confirmed });
        let body = json!({ "downlinks": [downlink] });
        self.sim.client().unwrap().post(&path, body).await.unwrap();
    }

    /// The payloads in a device's queue, through the API.
    pub(crate) async fn queue(&self, device: &str) -> Vec<String> {
        let path = format!("/as/applications/{}/devices/{device}/down", self.app);
        let queue = self.sim.client().unwrap().get(&path).await.unwrap();
        let items = queue["downlinks"].as_array().cloned().unwrap_or_default();
        items.iter().map(|it| it["frm_payload"].as_str().unwrap_or("").to_owned()).collect()
    }

    /// The events that say that something was dropped or failed.
    pub(crate) fn drops(&self) -> Vec<(String, Value)> {
        let events = self.sim.events().unwrap().into_iter();
        events.filter(|(name, _)| name.contains("drop") || name.contains("fail")).collect()
    }

    /// The MAC of a device in the world.
    pub(crate) fn mac<R>(&self, device: DeviceNo, look: impl FnOnce(&mut Device) -> R) -> R {
        self.sim.world.with(|world, _| look(world.mac(device).unwrap()))
    }

    /// The last frame that a device sent, and how.
    pub(crate) fn last_sent(&self, device: DeviceNo) -> Happened {
        let happened = self.sim.world.happened_since(0);
        let mut sent = happened.into_iter().rev().map(|(_, what)| what);
        sent.find(|what| matches!(what, Happened::Sent(by, ..) if *by == device)).unwrap()
    }
}

fn phy_version(version: MacVersion) -> PhyVersion {
    match version {
        MacVersion::V1_1 => PhyVersion::RP001_V1_1_REV_B,
        MacVersion::V1_0_4 => PhyVersion::RP002_V1_0_1,
        MacVersion::V1_0_2 => PhyVersion::RP001_V1_0_2_REV_B,
        _ => PhyVersion::RP001_V1_0_3_REV_A,
    }
}

//! A server with an application, a gateway and devices, registered over HTTP.

use std::{path::PathBuf, thread, time::Duration};

use data_encoding::HEXUPPER;
use serde_json::{Value, json};
use tempfile::TempDir;
use ttn_core::{
    eui::{DevEui, JoinEui},
    key::Aes128Key,
    radio::DataRateIndex,
    rand::OsEntropy,
    version::{MacVersion, PhyVersion},
};
use ttn_mac::{
    band::{self, BandId},
    device::{DevNonces, Device, DeviceConfig, DeviceTx, Received, ReceivedData, RootKeys},
};

use crate::{
    home::Home,
    http, mqtt,
    radio::{Forwarder, GATEWAY_EUI, PullResp},
    server::{Server, wait_for},
};

pub(crate) const APPLICATION: &str = "test-app";
pub(crate) const PLAN: &str = "EU_863_870_TTN";
pub(crate) const JOIN_EUI: JoinEui = JoinEui::from_u64(0x70B3_D57E_D000_0000);
/// How long an answer may take that need not come.
pub(crate) const MAY_ANSWER: Duration = Duration::from_millis(1_200);
/// How long the windows of an uplink may still take a downlink: RX2 opens after six seconds.
pub(crate) const WINDOWS: Duration = Duration::from_millis(6_500);
/// How long an answer may take that has to come: until RX1 of a join.
pub(crate) const MUST_ANSWER: Duration = Duration::from_secs(6);

pub(crate) struct Network {
    pub(crate) server: Server,
    pub(crate) api_key: String,
    pub(crate) forwarder: Forwarder,
    directory: TempDir,
    /// More lines of the configuration.
    more: String,
}

/// A device on the air.
pub(crate) struct Node {
    pub(crate) name: &'static str,
    pub(crate) mac: Device,
}

impl Node {
    /// A device that joins. Its keys are made of its number.
    pub(crate) fn new(name: &'static str, number: u8) -> Self {
        let config = DeviceConfig {
            band: band::get(BandId::EU_863_870, PhyVersion::RP002_V1_0_1).unwrap(),
            version: MacVersion::V1_0_4,
            channels: None,
            data_rate: DataRateIndex::from_low_bits(5),
            adr: true,
            dev_nonces: DevNonces::Counter(1),
            first_f_cnt_up: 0,
        };
        let (dev_eui, app_key) = (Self::dev_eui(number), Aes128Key::new([number; 16]));
        let root = RootKeys { join_eui: JOIN_EUI, dev_eui, app_key, nwk_key: None };
        Self { name, mac: Device::otaa(config, root) }
    }

    pub(crate) fn dev_eui(number: u8) -> DevEui {
        DevEui::from_u64(0x70B3_D57E_D000_2000 + u64::from(number))
    }
}

/// An uplink and what the server wanted to be sent for it.
pub(crate) struct Exchange {
    pub(crate) uplink: DeviceTx,
    /// The counter of the gateway at the uplink's reception.
    pub(crate) tmst: u32,
    pub(crate) answer: Option<PullResp>,
}

impl Network {
    /// Starts a server on an empty directory, and registers an application and a gateway.
    pub(crate) fn start() -> Self {
        Self::start_with("")
    }

    /// The same on another store.
    pub(crate) fn start_in(home: &Home) -> Self {
        Self::start_with(&home.config())
    }

    /// The same with more lines in the server's configuration.
    pub(crate) fn start_with(more: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let server = Server::start_with(directory.path(), more);
        let api_key = server.api_key.clone().expect("the first start shows an API key");
        let mut network =
            Self { server, api_key, forwarder: Forwarder::new(), directory, more: more.to_owned() };
        network.call(
            "POST",
            "/users/admin/applications",
            &json!({ "application": { "ids": { "application_id": APPLICATION } } }),
        );
        let gateway = json!({
            "ids": { "gateway_id": "test-gateway", "eui": GATEWAY_EUI.to_string() },
            "frequency_plan_ids": [PLAN],
            "enforce_duty_cycle": true,
        });
        network.call("POST", "/users/admin/gateways", &json!({ "gateway": gateway }));
        network.forwarder.connect(network.server.udp);
        network
    }

    /// Starts the server again on the same data, after `end` has ended it.
    pub(crate) fn restart(self, end: impl FnOnce(Server)) -> Self {
        let more = self.more.clone();
        self.restart_with(&more, end)
    }

    /// The same with other lines in its configuration.
    pub(crate) fn restart_with(self, more: &str, end: impl FnOnce(Server)) -> Self {
        let Self { server, api_key, mut forwarder, directory, .. } = self;
        end(server);
        let server = Server::start_with(directory.path(), more);
        assert_eq!(server.api_key, None, "secrets are shown only once");
        forwarder.connect(server.udp);
        Self { server, api_key, forwarder, directory, more: more.to_owned() }
    }

    /// The directory of the store.
    pub(crate) fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// Calls the API as the administrator.
    pub(crate) fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        http::call(self.server.http, &self.api_key, method, path, body)
    }

    /// Registers a device that joins: in the Identity, Join, Network and Application Server.
    pub(crate) fn add_device(&self, name: &'static str, number: u8, mac_settings: &Value) -> Node {
        let node = Node::new(name, number);
        let dev_eui = Node::dev_eui(number);
        let ids = json!({
            "application_ids": { "application_id": APPLICATION },
            "device_id": name, "dev_eui": dev_eui.to_string(), "join_eui": JOIN_EUI.to_string(),
        });
        let path = format!("/applications/{APPLICATION}/devices");
        self.call("POST", &path, &json!({ "end_device": { "ids": ids } }));
        let set = |server: &str, mut end_device: Value, paths: &[&str]| {
            end_device["ids"] = ids.clone();
            let body = json!({ "end_device": end_device, "field_mask": { "paths": paths } });
            self.call("PUT", &format!("{server}{path}/{name}"), &body);
        };
        let key = HEXUPPER.encode(&[number; 16]);
        let root_keys = json!({ "root_keys": { "app_key": { "key": key } } });
        set("/js", root_keys, &["root_keys.app_key.key"]);
        let mut paths =
            vec!["frequency_plan_id", "lorawan_version", "lorawan_phy_version", "supports_join"];
        let mut settings = json!({
            "frequency_plan_id": PLAN, "lorawan_version": "MAC_V1_0_4",
            "lorawan_phy_version": "RP002_V1_0_1", "supports_join": true,
        });
        if !mac_settings.is_null() {
            settings["mac_settings"] = mac_settings.clone();
            paths.push("mac_settings");
        }
        set("/ns", settings, &paths);
        let formatters = json!({ "formatters": { "up_formatter": "FORMATTER_CAYENNELPP" } });
        set("/as", formatters, &["formatters.up_formatter"]);
        node
    }

    /// Lets a device join; the accept has to come.
    pub(crate) fn join(&mut self, node: &mut Node) -> Exchange {
        let tx = node.mac.join(&OsEntropy::default()).unwrap();
        let exchange = self.transmit(tx, MUST_ANSWER);
        let answer = exchange.answer.as_ref().expect("a join-accept");
        assert_eq!(node.mac.hear(&answer.phy), Ok(Received::Joined));
        exchange
    }

    /// Lets a device send and hear the answer, if one comes soon.
    pub(crate) fn send(
        &mut self,
        node: &mut Node,
        payload: &[u8],
    ) -> (Exchange, Option<ReceivedData>) {
        self.send_within(node, payload, MAY_ANSWER)
    }

    /// Lets a device send and hear the answer, if one comes in time. Before its first TX_ACK a gateway gets its
    /// transmissions as late as possible (GS-22).
    pub(crate) fn send_within(
        &mut self,
        node: &mut Node,
        payload: &[u8],
        within: Duration,
    ) -> (Exchange, Option<ReceivedData>) {
        let entropy = OsEntropy::default();
        let tx = node.mac.uplink(1, payload, false, &entropy).unwrap();
        let exchange = self.transmit(tx, within);
        let heard = exchange.answer.as_ref().map(|answer| match node.mac.hear(&answer.phy) {
            Ok(Received::Data(data)) => data,
            other => panic!("{}: {other:?}", answer.txpk),
        });
        // NbTrans is 1: it has nothing to send again.
        assert_eq!(node.mac.windows_closed(heard.is_some(), &entropy), None);
        (exchange, heard)
    }

    /// Puts a frame on the air and waits for what the server wants to be sent.
    pub(crate) fn transmit(&mut self, uplink: DeviceTx, within: Duration) -> Exchange {
        let tmst = self.forwarder.forward(&uplink);
        let answer = self.forwarder.pull_resp(within);
        Exchange { uplink, tmst, answer }
    }

    /// Queues a downlink with `mosquitto_pub` and waits until it is in the queue. Before that the windows of the last
    /// uplink pass: in an open one the downlink would be sent at once.
    pub(crate) fn push(&self, node: &Node, frm_payload: &str) {
        thread::sleep(WINDOWS);
        let topic = format!("v3/{APPLICATION}/devices/{}/down/push", node.name);
        let downlink = json!({ "f_port": 2, "frm_payload": frm_payload });
        let message = json!({ "downlinks": [downlink] });
        mqtt::publish(self.server.mqtt, APPLICATION, &self.api_key, &topic, &message);
        let path = format!("/as/applications/{APPLICATION}/devices/{}/down", node.name);
        wait_for(|| {
            let queue = self.call("GET", &path, &Value::Null);
            queue["downlinks"].as_array().is_some_and(|queue| !queue.is_empty())
        });
    }
}

//! A network and a device, joined by nothing but octets.

use alloc::vec::Vec;
use core::time::Duration;

use ttn_core::{
    addr::{DevAddr, NetId},
    eui::{DevEui, JoinEui},
    frame::{FCtrl, Form, JoinRequestForm, PhyPayload},
    key::{Aes128Key, SessionKeyId},
    rand::Entropy,
    time::Timestamp,
};

use crate::{
    adr::DefaultAdr,
    band::{self, BandId},
    command::{Command, Direction},
    crypto::{
        derive::{join_server_keys, session_keys_1_0, session_keys_1_1},
        join::{JoinAcceptMic, JoinReqType, seal_join_accept},
        payload::encrypt_frm_payload,
    },
    device::{
        DevNonces, Device, DeviceConfig, DeviceSession, DeviceTx, Received, ReceivedData, RootKeys,
    },
    engine::{
        Classes, DataPlan, DownlinkDecision, Engine, JoinAccepted, Outcome, Priority,
        QueuedDownlink, Reject, RxInfo, ServedDevice, TxPlan, UplinkFrame, UplinkRadio,
    },
    frame::{self, DataFrame, JoinAccept},
    plan::{self, FrequencyPlan},
    session::{NetworkKeys, UplinkContext, seal_uplink},
    state::{Candidate, MacSettings, MacState, Session},
    version::{MacVersion, PhyVersion},
};

/// No randomness: every draw is the first choice.
#[derive(Debug)]
pub(super) struct Zero;

impl Entropy for Zero {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill(0);
    }
}

pub(super) const APP_S_KEY: Aes128Key = Aes128Key::new([9; 16]);

/// One device on both sides of the air.
#[derive(Clone)]
pub(super) struct Rig {
    pub(super) band: &'static band::Band,
    pub(super) plan: &'static FrequencyPlan,
    pub(super) settings: MacSettings,
    pub(super) defaults: MacSettings,
    pub(super) st: MacState,
    pub(super) device: Device,
    pub(super) now: Timestamp,
    pub(super) app_s_key: Aes128Key,
    pub(super) snr: f32,
    pub(super) classes: Classes,
    pub(super) served: Vec<ServedDevice>,
    joins: u32,
}

impl Rig {
    pub(super) fn engine(&self) -> Engine<'_> {
        Engine::new(self.band, self.plan, &self.settings, &self.defaults, &DefaultAdr)
            .with_classes(self.classes)
            .with_served(&self.served)
    }

    pub(super) fn otaa(plan: &str, version: MacVersion, phy_version: PhyVersion) -> Self {
        let plan = plan::get(plan).unwrap();
        let band = band::get(plan.band_id, phy_version).unwrap();
        let device = Device::otaa(config(band, version), root(version));
        let settings = MacSettings::default();
        let st = Engine::new(band, plan, &settings, &settings, &DefaultAdr).new_otaa(version);
        Self::new(band, plan, st, device)
    }

    /// An ABP device in EU868.
    pub(super) fn abp(version: MacVersion) -> Self {
        let plan = plan::get("EU_863_870_TTN").unwrap();
        let band = band::get(BandId::EU_863_870, PhyVersion::RP001_V1_0_3_REV_A).unwrap();
        let keys = NetworkKeys::v1_0(Aes128Key::new([5; 16]));
        let dev_addr = DevAddr::from_u32(0x2600_0001);
        let device = Device::abp(
            config(band, version),
            DeviceSession {
                version,
                dev_addr,
                keys: keys.clone(),
                app_s_key: APP_S_KEY,
                next_f_cnt_up: 0,
                last_n_f_cnt_down: None,
                last_a_f_cnt_down: None,
            },
        );
        let session = Session {
            dev_addr,
            keys,
            session_key_id: SessionKeyId::new(b"abp").unwrap(),
            started_at: Timestamp::UNIX_EPOCH,
        };
        let settings = MacSettings::default();
        let st =
            Engine::new(band, plan, &settings, &settings, &DefaultAdr).new_abp(version, session);
        Self::new(band, plan, st, device)
    }

    fn new(
        band: &'static band::Band,
        plan: &'static FrequencyPlan,
        st: MacState,
        device: Device,
    ) -> Self {
        Self {
            band,
            plan,
            settings: MacSettings::default(),
            defaults: quiet(),
            st,
            device,
            now: Timestamp::from_unix_secs(1_790_000_000),
            app_s_key: APP_S_KEY,
            snr: -5.0,
            classes: Classes::default(),
            served: Vec::new(),
            joins: 0,
        }
    }

    pub(super) fn wait(&mut self, seconds: u64) {
        self.now = self.now.plus(Duration::from_secs(seconds));
    }

    /// Joins, and checks that the device hears the accept in a window that it has open.
    pub(super) fn join(&mut self) {
        self.wait(60);
        let tx = self.device.join(&Zero).unwrap();
        let plan = self.accept(&tx);
        check_windows(&tx, &plan, self.now);
        assert_eq!(self.device.hear(&plan.bytes), Ok(Received::Joined));
    }

    /// The part of Join Server and Network Server.
    pub(super) fn accept(&mut self, tx: &DeviceTx) -> TxPlan {
        let version = self.st.slow.version;
        let phy = frame::parse(tx.bytes.clone()).unwrap();
        let Form::JoinRequest(JoinRequestForm { dev_nonce: request, .. }) = phy.form else {
            panic!("{phy:?}")
        };
        self.joins += 1;
        let dev_addr = DevAddr::from_u32(0x2600_0100 + self.joins);
        let engine = Engine::new(self.band, self.plan, &self.settings, &self.defaults, &DefaultAdr)
            .with_classes(self.classes)
            .with_served(&self.served);
        let channel = engine.join_channel(&radio(tx)).unwrap();
        let parameters = engine.join_parameters(&self.st, channel);
        let accept = JoinAccept {
            join_nonce: self.joins,
            net_id: NetId::from_be_bytes([0, 0, 0x13]),
            dev_addr,
            dl_settings: parameters.dl_settings,
            rx_delay: parameters.rx_delay,
            cf_list: parameters.cf_list.clone(),
        };
        let root = root(version);
        let key = root.nwk_key.as_ref().unwrap_or(&root.app_key);
        let js_keys = join_server_keys(key, root.dev_eui);
        let step = self.band.frequency_step;
        let (mic, keys) = if version.is_1_1() {
            let mic = JoinAcceptMic::V1_1 {
                js_int_key: &js_keys.js_int_key,
                join_req_type: JoinReqType::JoinRequest,
                join_eui: root.join_eui,
                dev_nonce: request,
            };
            (mic, session_keys_1_1(key, &root.app_key, self.joins, root.join_eui, request))
        } else {
            (JoinAcceptMic::V1_0(key), session_keys_1_0(key, self.joins, accept.net_id, request))
        };
        let phy = seal_join_accept(&accept, step, mic, key).unwrap();
        self.app_s_key = keys.app_s_key;
        let session = Session {
            dev_addr,
            keys: keys.network,
            session_key_id: SessionKeyId::new(&self.joins.to_be_bytes()).unwrap(),
            started_at: self.now,
        };
        let accepted = JoinAccepted { session, parameters, phy, channel, received_at: self.now };
        engine.on_join(&mut self.st, accepted, self.now).unwrap()
    }

    /// An uplink of the device, received after a minute of silence.
    pub(super) fn send(&mut self, payload: &[u8], confirmed: bool) -> DeviceTx {
        self.wait(60);
        self.device.uplink(1, payload, confirmed, &Zero).unwrap()
    }

    /// An uplink with commands, class B bit and payload of the test's choice in place of the device's own; the payload
    /// is sent as it is.
    pub(super) fn send_frame(
        &mut self,
        f_ctrl: FCtrl,
        commands: &[Command],
        f_port: u8,
        frm_payload: Vec<u8>,
    ) -> DeviceTx {
        let mut f_opts = Vec::new();
        for command in commands {
            command.encode(self.band.frequency_step, &mut f_opts).unwrap();
        }
        let mut tx = self.send(b"x", false);
        let session = self.st.slow.session.clone().unwrap();
        let frame = DataFrame {
            uplink: true,
            confirmed: false,
            dev_addr: session.dev_addr,
            f_ctrl,
            f_cnt: 0,
            f_opts,
            f_port: Some(f_port),
            frm_payload,
        };
        let context = UplinkContext {
            f_cnt: self.next_f_cnt_up(),
            conf_f_cnt: 0,
            data_rate: tx.data_rate_index,
            channel: tx.channel,
        };
        tx.bytes = seal_uplink(&session.keys, self.st.slow.version, frame, &context).unwrap();
        tx
    }

    /// The same, received.
    pub(super) fn uplink(&mut self, class_b: bool, commands: &[Command]) -> Outcome {
        let f_ctrl = FCtrl { class_b, ..FCtrl::default() };
        let tx = self.send_frame(f_ctrl, commands, 1, [1].into());
        self.receive(&tx).unwrap()
    }

    pub(super) fn next_f_cnt_up(&self) -> u32 {
        self.st.hot.f_cnt_up.map_or(0, |last| last + 1)
    }

    /// What the network makes of a transmission.
    pub(super) fn receive(&mut self, tx: &DeviceTx) -> Result<Outcome, Reject> {
        let phy = frame::parse(tx.bytes.clone()).unwrap();
        self.receive_phy(&phy, &radio(tx), self.now)
    }

    pub(super) fn receive_phy(
        &mut self,
        phy: &PhyPayload,
        radio: &UplinkRadio,
        received_at: Timestamp,
    ) -> Result<Outcome, Reject> {
        let engine = Engine::new(self.band, self.plan, &self.settings, &self.defaults, &DefaultAdr)
            .with_classes(self.classes)
            .with_served(&self.served);
        let current = engine.try_match(&self.st, Candidate::Current, phy, radio, received_at);
        let matched = current.or_else(|refused| {
            engine.try_match(&self.st, Candidate::Pending, phy, radio, received_at).map_err(
                |pending| match pending {
                    Reject::NoSession { .. } | Reject::DevAddrMismatch => refused,
                    pending => pending,
                },
            )
        })?;
        let rx = RxInfo { received_at, max_snr: Some(self.snr), gateway_count: 2, gps_time: None };
        engine.on_uplink(&mut self.st, &UplinkFrame { phy, matched }, &rx, received_at)
    }

    pub(super) fn decide(
        &mut self,
        outcome: &Outcome,
        queue: &[QueuedDownlink<'_>],
    ) -> DownlinkDecision {
        let now = self.now.plus(Duration::from_millis(200));
        let engine = Engine::new(self.band, self.plan, &self.settings, &self.defaults, &DefaultAdr)
            .with_classes(self.classes)
            .with_served(&self.served);
        engine.next_downlink(&mut self.st, &outcome.slot, queue, now)
    }

    /// The answer, if there is one; the device hears it in a window that it has open.
    pub(super) fn answer(
        &mut self,
        tx: &DeviceTx,
        outcome: &Outcome,
        queue: &[QueuedDownlink<'_>],
    ) -> Option<(DataPlan, ReceivedData)> {
        let plan = self.decide(outcome, queue).result.ok()?;
        check_windows(tx, &plan.tx, self.now);
        match self.device.hear(&plan.tx.bytes) {
            Ok(Received::Data(data)) => Some((plan, data)),
            other => panic!("{other:?}"),
        }
    }

    /// An uplink and its answer.
    pub(super) fn exchange(
        &mut self,
        payload: &[u8],
    ) -> (Outcome, Option<(DataPlan, ReceivedData)>) {
        let tx = self.send(payload, false);
        let outcome = self.receive(&tx).unwrap();
        let answer = self.answer(&tx, &outcome, &[]);
        (outcome, answer)
    }

    /// Uplinks until the network wants nothing more.
    pub(super) fn settle(&mut self) {
        // Requests that got lost several times are made with some uplinks only.
        for _ in 0..40 {
            if self.exchange(b"settle").1.is_none() && self.st.hot.unanswered == 0 {
                return;
            }
        }
        panic!("the network always wants something: {:?}", self.st.slow);
    }

    pub(super) fn encrypted(&self, f_cnt: u32, payload: &[u8]) -> Vec<u8> {
        let mut octets = payload.to_vec();
        let dev_addr = self.st.slow.session.as_ref().unwrap().dev_addr;
        encrypt_frm_payload(&self.app_s_key, Direction::Downlink, dev_addr, f_cnt, &mut octets);
        octets
    }

    pub(super) fn session_key_id(&self) -> SessionKeyId {
        self.st.slow.session.as_ref().unwrap().session_key_id.clone()
    }
}

/// Defaults of a network that asks no device for its status: what is asked is what the test wants.
pub(super) fn quiet() -> MacSettings {
    MacSettings {
        status_count_periodicity: Some(0),
        status_time_periodicity: Some(Duration::ZERO),
        ..MacSettings::default()
    }
}

pub(super) fn item<'a>(
    id: &'a SessionKeyId,
    f_cnt: u32,
    frm_payload: &'a [u8],
) -> QueuedDownlink<'a> {
    QueuedDownlink {
        session_key_id: id,
        f_cnt,
        f_port: 7,
        frm_payload,
        confirmed: false,
        priority: Priority::Normal,
        expires_at: None,
        absolute_time: None,
    }
}

pub(super) const fn radio(tx: &DeviceTx) -> UplinkRadio {
    UplinkRadio { frequency: tx.frequency, data_rate: tx.data_rate }
}

/// Promise 5: nothing is sent outside a window that the device has open.
pub(super) fn check_windows(tx: &DeviceTx, plan: &TxPlan, received_at: Timestamp) {
    let ours = [plan.rx1, plan.rx2];
    assert!(ours.iter().any(Option::is_some));
    for window in ours.into_iter().flatten() {
        let open = tx.windows.iter().any(|open| {
            open.frequency == window.frequency
                && open.data_rate == window.data_rate
                && received_at.plus(open.opens_after) == window.opens_at
        });
        assert!(open, "{window:?} is not among {:?}", tx.windows);
    }
}

fn config(band: &'static band::Band, version: MacVersion) -> DeviceConfig {
    DeviceConfig {
        band,
        version,
        channels: None,
        data_rate: ttn_core::radio::DataRateIndex::ZERO,
        adr: true,
        dev_nonces: DevNonces::Counter(1),
        first_f_cnt_up: 0,
    }
}

fn root(version: MacVersion) -> RootKeys {
    RootKeys {
        join_eui: JoinEui::from_u64(1),
        dev_eui: DevEui::from_u64(2),
        app_key: Aes128Key::new([7; 16]),
        nwk_key: version.is_1_1().then(|| Aes128Key::new([8; 16])),
    }
}

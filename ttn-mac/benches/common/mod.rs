//! One unconfirmed uplink of 33 octets, 20 of them payload, and what can be done with it.
#![allow(unreachable_pub, reason = "shared by two benchmarks")]

use std::{fmt, hint::black_box, sync::Arc, time::Duration};

use ttn_core::{
    addr::DevAddr,
    frame::FCtrl,
    key::{Aes128Key, SessionKeyId},
    radio::{DataRateIndex, Frequency},
    time::Timestamp,
    version::MacVersion,
};
use ttn_mac::{
    adr::DefaultAdr,
    band,
    command::Direction,
    crypto::{ReadyKey, payload::encrypt_frm_payload},
    engine::{Engine, RxInfo, UplinkFrame, UplinkRadio},
    frame::{self, DataFrame},
    plan,
    session::{
        NetworkKeys, ReadyNetworkKeys, UplinkContext, open_frm_payload_into, seal_uplink,
        verify_uplink,
    },
    state::{Candidate, MacSettings, MacState, Session},
    version::PhyVersion,
};

/// A kind of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Octets that are already shared to a frame.
    Parse,
    /// Parse, integrity code, decryption; keys expanded for this frame.
    UplinkExpanded,
    /// The same with keys that are ready.
    UplinkReady,
    /// An integrity code that does not match; keys expanded for this frame.
    MicMissExpanded,
    /// The same with keys that are ready.
    MicMissReady,
    /// A frame without commands through the MAC engine: match and state.
    EngineStep,
    /// The crate `lorawan`: parse, integrity code, decryption in place.
    LorawanUplink,
    /// The crate `lorawan`: an integrity code that does not match.
    LorawanMicMiss,
    /// The crate `lrwn`: parse, integrity code, decryption.
    LrwnUplink,
    /// The crate `lrwn`: an integrity code that does not match.
    LrwnMicMiss,
}

impl Work {
    pub const ALL: [Self; 10] = [
        Self::Parse,
        Self::UplinkExpanded,
        Self::UplinkReady,
        Self::MicMissExpanded,
        Self::MicMissReady,
        Self::EngineStep,
        Self::LorawanUplink,
        Self::LorawanMicMiss,
        Self::LrwnUplink,
        Self::LrwnMicMiss,
    ];
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Parse => "parse",
            Self::UplinkExpanded => "uplink_expanded",
            Self::UplinkReady => "uplink_ready",
            Self::MicMissExpanded => "mic_miss_expanded",
            Self::MicMissReady => "mic_miss_ready",
            Self::EngineStep => "engine_step",
            Self::LorawanUplink => "lorawan_uplink",
            Self::LorawanMicMiss => "lorawan_mic_miss",
            Self::LrwnUplink => "lrwn_uplink",
            Self::LrwnMicMiss => "lrwn_mic_miss",
        })
    }
}

const NWK_S_KEY: [u8; 16] = [1; 16];
const APP_S_KEY: [u8; 16] = [2; 16];
const OTHER_KEY: [u8; 16] = [3; 16];
const F_CNT: u32 = 7;
const CONTEXT: UplinkContext =
    UplinkContext { f_cnt: F_CNT, conf_f_cnt: 0, data_rate: DataRateIndex::ZERO, channel: 0 };

fn dev_addr() -> DevAddr {
    DevAddr::from_u32(0x0102_0304)
}

/// The frame, and all keys.
#[derive(Debug)]
pub struct Fixture {
    octets: Arc<[u8]>,
    payload: [u8; 255],
    network: NetworkKeys,
    others: NetworkKeys,
    app_s_key: Aes128Key,
    ready_network: ReadyNetworkKeys,
    ready_others: ReadyNetworkKeys,
    ready_app_s_key: ReadyKey,
    settings: MacSettings,
    state: MacState,
}

impl Fixture {
    pub fn new() -> Self {
        let network = NetworkKeys::v1_0(Aes128Key::new(NWK_S_KEY));
        let app_s_key = Aes128Key::new(APP_S_KEY);
        // Nothing is wanted of the device: neither its status nor other parameters.
        let settings = MacSettings {
            status_count_periodicity: Some(0),
            status_time_periodicity: Some(Duration::ZERO),
            ..MacSettings::default()
        };
        let session = Session {
            dev_addr: dev_addr(),
            keys: network.clone(),
            session_key_id: SessionKeyId::new(&[]).unwrap(),
            started_at: Timestamp::from_unix_nanos(0),
        };
        let others = NetworkKeys::v1_0(Aes128Key::new(OTHER_KEY));
        let mut state = engine(&settings).new_abp(MacVersion::V1_0_3, session);
        state.slow.desired = state.slow.current.clone();
        Self {
            octets: uplink(&network, &app_s_key).into(),
            payload: [0; 255],
            ready_network: ReadyNetworkKeys::new(&network, MacVersion::V1_0_3),
            ready_others: ReadyNetworkKeys::new(&others, MacVersion::V1_0_3),
            ready_app_s_key: ReadyKey::new(&app_s_key),
            network,
            others,
            app_s_key,
            settings,
            state,
        }
    }

    pub fn run(&mut self, work: Work) -> usize {
        match work {
            Work::Parse => frame::parse(Arc::clone(&self.octets)).unwrap().without_mic().len(),
            Work::UplinkExpanded => self.uplink_expanded(),
            Work::UplinkReady => {
                let phy = frame::parse(Arc::clone(black_box(&self.octets))).unwrap();
                assert!(self.ready_network.verify_uplink(&phy, &CONTEXT));
                let key = &self.ready_app_s_key;
                let payload = open_frm_payload_into(key, &phy, F_CNT, &mut self.payload);
                black_box(payload.unwrap()).len()
            }
            Work::MicMissReady => {
                let phy = frame::parse(Arc::clone(&self.octets)).unwrap();
                usize::from(black_box(&self.ready_others).verify_uplink(&phy, &CONTEXT))
            }
            Work::MicMissExpanded => {
                let phy = frame::parse(Arc::clone(&self.octets)).unwrap();
                let keys = black_box(&self.others);
                usize::from(verify_uplink(keys, MacVersion::V1_0_3, &phy, &CONTEXT))
            }
            Work::EngineStep => self.engine_step(),
            Work::LorawanUplink => lorawan_uplink(&self.octets),
            Work::LorawanMicMiss => {
                let mut octets = copy(&self.octets);
                usize::from(lorawan_parse(&mut octets).validate_mic(&OTHER_KEY.into(), F_CNT))
            }
            Work::LrwnUplink => lrwn_uplink(&self.octets),
            Work::LrwnMicMiss => usize::from(lrwn_verify(&self.octets, OTHER_KEY).1),
        }
    }

    fn uplink_expanded(&mut self) -> usize {
        let phy = frame::parse(Arc::clone(black_box(&self.octets))).unwrap();
        assert!(verify_uplink(&self.network, MacVersion::V1_0_3, &phy, &CONTEXT));
        let key = ReadyKey::new(&self.app_s_key);
        let payload = open_frm_payload_into(&key, &phy, F_CNT, &mut self.payload);
        black_box(payload.unwrap()).len()
    }

    fn engine_step(&mut self) -> usize {
        let phy = frame::parse(Arc::clone(&self.octets)).unwrap();
        let engine = engine(&self.settings);
        let radio = UplinkRadio {
            frequency: Frequency::from_hz(868_100_000),
            data_rate: ttn_core::radio::DataRate::lora(12, 125_000),
        };
        let now = Timestamp::from_unix_nanos(1_000_000_000);
        // As if no uplink had come before: the counter may be 7 again.
        self.state.hot.f_cnt_up = None;
        let matched = engine.try_match(&self.state, Candidate::Current, &phy, &radio, now).unwrap();
        // So weak that ADR leaves everything as it is.
        let rx =
            RxInfo { received_at: now, max_snr: Some(-20.0), gateway_count: 1, gps_time: None };
        let uplink = UplinkFrame { phy: &phy, matched };
        let outcome = engine.on_uplink(&mut self.state, &uplink, &rx, now).unwrap();
        outcome.events.len()
    }
}

fn engine(settings: &MacSettings) -> Engine<'_> {
    let plan = plan::get("EU_863_870_TTN").unwrap();
    let band = band::get(plan.band_id, PhyVersion::RP001_V1_0_3_REV_A).unwrap();
    Engine::new(band, plan, settings, settings, &DefaultAdr)
}

fn uplink(network: &NetworkKeys, app_s_key: &Aes128Key) -> Vec<u8> {
    let mut frm_payload = vec![9; 20];
    encrypt_frm_payload(app_s_key, Direction::Uplink, dev_addr(), F_CNT, &mut frm_payload);
    let frame = DataFrame {
        uplink: true,
        confirmed: false,
        dev_addr: dev_addr(),
        f_ctrl: FCtrl { adr: true, ..FCtrl::default() },
        f_cnt: 7,
        f_opts: Vec::new(),
        f_port: Some(1),
        frm_payload,
    };
    let octets = seal_uplink(network, MacVersion::V1_0_3, frame, &CONTEXT).unwrap();
    assert_eq!(octets.len(), 33);
    octets
}

/// The crate works in place, on octets of its own.
fn copy(octets: &[u8]) -> [u8; 33] {
    black_box(octets).try_into().unwrap()
}

type Encrypted<'a> =
    lorawan::parser::EncryptedDataPayload<&'a mut [u8], lorawan::default_crypto::DefaultFactory>;

fn lorawan_parse(octets: &mut [u8]) -> Encrypted<'_> {
    use lorawan::parser::{DataPayload, PhyPayload, parse};
    match parse(octets).unwrap() {
        PhyPayload::Data(DataPayload::Encrypted(data)) => data,
        _ => unreachable!("an uplink"),
    }
}

fn lorawan_uplink(octets: &[u8]) -> usize {
    use lorawan::parser::FRMPayload;
    let mut octets = copy(octets);
    let data = lorawan_parse(&mut octets);
    assert!(data.validate_mic(&NWK_S_KEY.into(), F_CNT));
    let decrypted = data.decrypt(None, Some(&APP_S_KEY.into()), F_CNT).unwrap();
    match decrypted.frm_payload() {
        FRMPayload::Data(payload) => black_box(payload).len(),
        _ => unreachable!("a payload"),
    }
}

fn lrwn_verify(octets: &[u8], key: [u8; 16]) -> (lrwn::PhyPayload, bool) {
    let mut phy = lrwn::PhyPayload::from_slice(black_box(octets)).unwrap();
    if let lrwn::Payload::MACPayload(payload) = &mut phy.payload {
        payload.fhdr.f_cnt = F_CNT;
    }
    let key = lrwn::AES128Key::from_bytes(key);
    let version = lrwn::MACVersion::LoRaWAN1_0;
    let right = phy.validate_uplink_data_mic(version, 0, 0, 0, &key, &key).unwrap();
    (phy, right)
}

fn lrwn_uplink(octets: &[u8]) -> usize {
    let (mut phy, right) = lrwn_verify(octets, NWK_S_KEY);
    assert!(right);
    phy.decrypt_frm_payload(&lrwn::AES128Key::from_bytes(APP_S_KEY)).unwrap();
    let lrwn::Payload::MACPayload(payload) = black_box(phy).payload else { unreachable!("data") };
    payload.frm_payload.map_or(0, |payload| payload.to_vec().unwrap().len())
}

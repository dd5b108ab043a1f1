//! What the search for a session may cost: no allocation per candidate.

use core::time::Duration;

use allocation_counter::measure;
use ttn_core::{
    addr::DevAddr,
    frame::FCtrl,
    key::{Aes128Key, SessionKeyId},
    radio::{DataRate, DataRateIndex, Frequency},
    time::Timestamp,
    version::{MacVersion, PhyVersion},
};
use ttn_mac::{
    adr::DefaultAdr,
    band,
    command::{Command, Direction},
    crypto::ReadyKey,
    engine::{Engine, RxInfo, UplinkFrame, UplinkRadio},
    frame::{self, DataFrame, FrequencyStep},
    plan,
    session::{
        NetworkKeys, ReadyNetworkKeys, UplinkContext, open_frm_payload_into, seal_uplink,
        verify_uplink,
    },
    state::{Candidate, MacSettings, Session},
};

const UPLINK: [u8; 18] = [
    0x40, 0x04, 0x03, 0x02, 0x01, 0x80, 0x01, 0x00, 0x01, 0xA6, 0x94, 0x64, 0x26, 0x15, 0xD6, 0xC3,
    0xB5, 0x82,
];

#[test]
fn verifying_an_uplink_allocates_nothing() {
    let phy = frame::parse(UPLINK).unwrap();
    let context =
        UplinkContext { f_cnt: 1, conf_f_cnt: 0, data_rate: DataRateIndex::ZERO, channel: 0 };
    let keys = [2, 3].map(|octet| NetworkKeys::v1_0(Aes128Key::new([octet; 16])));
    let mut verified = 0;
    let allocations = measure(|| {
        for version in MacVersion::ALL {
            for keys in &keys {
                verified += usize::from(verify_uplink(keys, version, &phy, &context));
            }
        }
    });
    assert_eq!(verified, 5, "the first keys, in all versions but 1.1");
    assert_eq!(allocations.count_total, 0);
}

#[test]
fn an_uplink_of_shared_octets_is_parsed_verified_and_decrypted_without_allocation() {
    let octets: std::sync::Arc<[u8]> = UPLINK.into();
    let context =
        UplinkContext { f_cnt: 1, conf_f_cnt: 0, data_rate: DataRateIndex::ZERO, channel: 0 };
    let (network, app_s_key) =
        (NetworkKeys::v1_0(Aes128Key::new([2; 16])), Aes128Key::new([1; 16]));
    let ready = ReadyNetworkKeys::new(&network, MacVersion::V1_0_3);
    let ready_app_s_key = ReadyKey::new(&app_s_key);
    let mut buffer = [0; 242];
    let allocations = measure(|| {
        let phy = frame::parse(octets.clone()).unwrap();
        assert!(verify_uplink(&network, MacVersion::V1_0_3, &phy, &context));
        let key = ReadyKey::new(&app_s_key);
        assert_eq!(open_frm_payload_into(&key, &phy, 1, &mut buffer), Some(b"hello".as_slice()));

        assert!(ready.verify_uplink(&phy, &context));
        let payload = open_frm_payload_into(&ready_app_s_key, &phy, 1, &mut buffer);
        assert_eq!(payload, Some(b"hello".as_slice()));
        assert_eq!(open_frm_payload_into(&key, &phy, 1, &mut [0; 4]), None);
    });
    assert_eq!(allocations.count_total, 0);
}

#[test]
fn parsing_a_frame_allocates_its_octets_alone() {
    let allocations = measure(|| {
        assert!(frame::parse(UPLINK).is_ok());
        assert!(frame::parse(UPLINK.get(..9).unwrap_or_default()).is_err());
    });
    assert_eq!(allocations.count_total, 1);
}

#[test]
fn parsing_commands_allocates_nothing() {
    let mut commands = 0;
    let allocations = measure(|| {
        let octets = [0x02, 0x03, 0x07, 0x06, 0xFF, 0x20];
        let parsed = ttn_mac::command::parse(Direction::Uplink, FrequencyStep::Hz100, &octets);
        commands = parsed
            .filter_map(Result::ok)
            .filter(|c| c.cid() != Command::DevStatusReq.cid())
            .count();
    });
    assert_eq!((commands, allocations.count_total), (2, 0));
}

// An uplink without commands, of a device that has all that the network wants.
#[test]
fn a_step_of_the_engine_allocates_nothing() {
    let plan = plan::get("EU_863_870_TTN").unwrap();
    let band = band::get(plan.band_id, PhyVersion::RP001_V1_0_3_REV_A).unwrap();
    let settings = MacSettings {
        status_count_periodicity: Some(0),
        status_time_periodicity: Some(Duration::ZERO),
        ..MacSettings::default()
    };
    let engine = Engine::new(band, plan, &settings, &settings, &DefaultAdr);
    let version = MacVersion::V1_0_3;
    let (keys, dev_addr) = (NetworkKeys::v1_0(Aes128Key::new([2; 16])), DevAddr::from_u32(7));
    let session = Session {
        dev_addr,
        keys: keys.clone(),
        session_key_id: SessionKeyId::new(&[1]).unwrap(),
        started_at: Timestamp::UNIX_EPOCH,
    };
    let mut st = engine.new_abp(version, session);
    st.slow.desired = st.slow.current.clone();
    let radio = UplinkRadio {
        frequency: Frequency::from_hz(868_100_000),
        data_rate: DataRate::lora(12, 125_000),
    };
    for f_cnt in 0..30_u16 {
        let frame = DataFrame {
            uplink: true,
            confirmed: false,
            dev_addr,
            f_ctrl: FCtrl { adr: true, ..FCtrl::default() },
            f_cnt,
            f_opts: Vec::new(),
            f_port: Some(1),
            frm_payload: vec![0; 20],
        };
        let context = UplinkContext {
            f_cnt: f_cnt.into(),
            conf_f_cnt: 0,
            data_rate: DataRateIndex::ZERO,
            channel: 0,
        };
        let phy = frame::parse(seal_uplink(&keys, version, frame, &context).unwrap()).unwrap();
        let at = Timestamp::from_unix_secs(1_790_000_000 + 60 * i64::from(f_cnt));
        // So weak that ADR wants nothing else.
        let rx = RxInfo { received_at: at, max_snr: Some(-20.0), gateway_count: 1, gps_time: None };
        let allocations = measure(|| {
            let matched = engine.try_match(&st, Candidate::Current, &phy, &radio, at).unwrap();
            let uplink = UplinkFrame { phy: &phy, matched };
            let outcome = engine.on_uplink(&mut st, &uplink, &rx, at).unwrap();
            assert!(outcome.deliver && !outcome.reply_due);
        });
        assert_eq!(allocations.count_total, 0, "uplink {f_cnt}");
    }
}

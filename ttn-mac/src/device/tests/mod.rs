//! The device against our own crypto: what it sends verifies, what it hears is taken once.

mod adr;
mod classes;
mod joins;
mod wrong;

use alloc::{vec, vec::Vec};

use ttn_core::{
    addr::{DevAddr, NetId},
    eui::{DevEui, JoinEui},
    key::Aes128Key,
    rand::Entropy,
    version::{MacVersion, PhyVersion},
};

use super::*;
use crate::{
    band::{self, BandId},
    crypto::mic_matches,
    crypto::{
        derive::session_keys_1_0,
        join::{JoinAcceptMic, join_request_mic, seal_join_accept},
    },
    frame::{self, DataFrame, DlSettings, JoinAccept},
    session::{
        DownlinkContext, NetworkKeys, UplinkContext, open_commands, seal_downlink, verify_uplink,
    },
};

#[derive(Debug)]
struct Zero;

impl Entropy for Zero {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill(0);
    }
}

fn config() -> DeviceConfig {
    DeviceConfig {
        band: band::get(BandId::EU_863_870, PhyVersion::RP001_V1_0_3_REV_A).unwrap(),
        version: MacVersion::V1_0_3,
        channels: None,
        data_rate: DataRateIndex::from_low_bits(5),
        adr: true,
        dev_nonces: DevNonces::Counter(1),
        first_f_cnt_up: 0,
    }
}

fn root() -> RootKeys {
    RootKeys {
        join_eui: JoinEui::from_u64(1),
        dev_eui: DevEui::from_u64(2),
        app_key: Aes128Key::new([7; 16]),
        nwk_key: None,
    }
}

fn joined() -> Device {
    let mut device = Device::otaa(config(), root());
    let tx = device.join(&Zero).unwrap();
    assert!(mic_matches(
        &join_request_mic(&root().app_key, &tx.bytes[..19]).unwrap(),
        &tx.bytes[19..]
    ));
    let accept = JoinAccept {
        join_nonce: 9,
        net_id: NetId::from_be_bytes([0, 0, 0]),
        dev_addr: DevAddr::from_u32(0x0102_0304),
        dl_settings: DlSettings { opt_neg: false, rx1_dr_offset: 0, rx2_dr: DataRateIndex::ZERO },
        rx_delay: 5,
        cf_list: None,
    };
    let step = device.config.band.frequency_step;
    let key = &root().app_key;
    let phy = seal_join_accept(&accept, step, JoinAcceptMic::V1_0(key), key).unwrap();
    assert_eq!(device.hear(&phy), Ok(Received::Joined));
    let keys = session_keys_1_0(key, 9, accept.net_id, 1);
    assert_eq!(device.session().unwrap().keys, keys.network);
    device
}

/// An ABP device; its three network keys are equal, so that any version may use them.
fn abp(version: MacVersion, phy: PhyVersion) -> Device {
    let session = DeviceSession {
        version,
        dev_addr: DevAddr::from_u32(0x0102_0304),
        keys: NetworkKeys::v1_0(Aes128Key::new([5; 16])),
        app_s_key: Aes128Key::new([9; 16]),
        next_f_cnt_up: 0,
        last_n_f_cnt_down: None,
        last_a_f_cnt_down: None,
    };
    let band = band::get(BandId::EU_863_870, phy).unwrap();
    Device::abp(DeviceConfig { band, version, ..config() }, session)
}

/// An ABP device of LoRaWAN 1.0.4.
fn plain() -> Device {
    abp(MacVersion::V1_0_4, PhyVersion::RP002_V1_0_4)
}

/// The plaintext of the commands in the next uplink.
fn f_opts(device: &mut Device) -> Vec<u8> {
    let f_cnt = device.session().unwrap().next_f_cnt_up;
    let tx = device.uplink(1, &[], false, &Zero).unwrap();
    let phy = frame::parse(tx.bytes).unwrap();
    let session = device.session().unwrap();
    open_commands(&session.keys, session.version, &phy, f_cnt)
}

fn downlink(device: &Device, f_cnt: u32, f_opts: &[u8], confirmed: bool) -> Vec<u8> {
    let session = device.session().unwrap();
    let frame = DataFrame {
        uplink: false,
        confirmed,
        dev_addr: session.dev_addr,
        f_ctrl: Default::default(),
        f_cnt: 0,
        f_opts: f_opts.to_vec(),
        f_port: None,
        frm_payload: vec![],
    };
    let context = DownlinkContext { f_cnt, conf_f_cnt: 0 };
    seal_downlink(&session.keys, session.version, frame, &context).unwrap()
}

#[test]
fn joins_and_opens_its_windows_five_and_six_seconds_later() {
    let mut device = joined();
    let tx = device.uplink(1, &[1, 2], false, &Zero).unwrap();
    let delays: Vec<u64> = tx.windows.iter().map(|window| window.opens_after.as_secs()).collect();
    assert_eq!(delays, [5, 6]);
    let phy = frame::parse(tx.bytes).unwrap();
    let context = UplinkContext {
        f_cnt: 0,
        conf_f_cnt: 0,
        data_rate: tx.data_rate_index,
        channel: tx.channel,
    };
    let session = device.session().unwrap();
    assert!(verify_uplink(&session.keys, session.version, &phy, &context));
}

#[test]
fn takes_a_downlink_once_and_acknowledges_it() {
    let mut device = joined();
    let phy = downlink(&device, 0, &[], true);
    assert!(matches!(device.hear(&phy), Ok(Received::Data(_))));
    assert_eq!(device.hear(&phy), Err(DeviceError::FCntReplayed { last: 0, got: 0 }));
    let tx = device.uplink(1, &[], false, &Zero).unwrap();
    assert!(frame::parse(tx.bytes).unwrap().data().unwrap().f_ctrl.ack);
}

#[test]
fn obeys_link_adr_req_and_repeats_rx_timing_setup_ans_until_it_hears_something() {
    let mut device = joined();
    // LinkADRReq DR3 power 2 channels 0-2 once, RXTimingSetupReq 3 s.
    let phy = downlink(&device, 0, &[0x03, 0x32, 0x07, 0x00, 0x01, 0x08, 0x03], false);
    device.hear(&phy).unwrap();
    assert_eq!(device.parameters().data_rate.get(), 3);
    assert_eq!(device.parameters().tx_power_index, 2);
    assert_eq!(f_opts(&mut device), [0x08, 0x03, 0x07]);
    assert_eq!(f_opts(&mut device), [0x08]);
    let phy = downlink(&device, 1, &[], false);
    device.hear(&phy).unwrap();
    assert_eq!(f_opts(&mut device), [0_u8; 0]);
}

#[test]
fn sends_a_confirmed_uplink_again_until_it_is_acknowledged() {
    let mut device = joined();
    let first = device.uplink(1, &[1], true, &Zero).unwrap();
    let again = device.windows_closed(false, &Zero).unwrap();
    assert_eq!(first.bytes, again.bytes);
    for _ in 0..6 {
        assert!(device.windows_closed(false, &Zero).is_some());
    }
    assert_eq!(device.windows_closed(false, &Zero), None);
}

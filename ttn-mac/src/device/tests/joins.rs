//! Nonces, joins and rejoins.

use core::time::Duration;

use ttn_core::{
    frame::{Form, RejoinRequestForm},
    time::Monotonic,
};

use super::*;
use crate::crypto::{
    derive::{join_server_keys, session_keys_1_1},
    join::{JoinReqType, rejoin_request_mic},
};

fn root_1_1() -> RootKeys {
    RootKeys { nwk_key: Some(Aes128Key::new([8; 16])), ..root() }
}

fn otaa_1_1() -> Device {
    let band = band::get(BandId::EU_863_870, PhyVersion::RP001_V1_1_REV_B).unwrap();
    Device::otaa(DeviceConfig { band, version: MacVersion::V1_1, ..config() }, root_1_1())
}

/// A join-accept of LoRaWAN 1.1 to a request with a nonce or counter.
fn accept(join_nonce: u32, request: JoinReqType, nonce: u16) -> Vec<u8> {
    let root = root_1_1();
    let keys = join_server_keys(root.join_key(), root.dev_eui);
    let accept = JoinAccept {
        join_nonce,
        net_id: NetId::from_be_bytes([0, 0, 0x13]),
        dev_addr: DevAddr::from_u32(0x2600_0000 + join_nonce),
        dl_settings: DlSettings {
            opt_neg: true,
            rx1_dr_offset: 1,
            rx2_dr: DataRateIndex::from_low_bits(3),
        },
        rx_delay: 3,
        cf_list: None,
    };
    let mic = JoinAcceptMic::V1_1 {
        js_int_key: &keys.js_int_key,
        join_req_type: request,
        join_eui: root.join_eui,
        dev_nonce: nonce,
    };
    let key = match request {
        JoinReqType::JoinRequest => root.join_key(),
        _ => &keys.js_enc_key,
    };
    seal_join_accept(&accept, frame::FrequencyStep::Hz100, mic, key).unwrap()
}

fn joined_1_1() -> Device {
    let mut device = otaa_1_1();
    device.join(&Zero).unwrap();
    assert_eq!(device.hear(&accept(1, JoinReqType::JoinRequest, 1)), Ok(Received::Joined));
    device
}

// TS001-1.0.4 §6.2.6
#[test]
fn a_join_nonce_is_taken_once() {
    let mut device = joined_1_1();
    device.join(&Zero).unwrap();
    let again = device.hear(&accept(1, JoinReqType::JoinRequest, 2));
    assert_eq!(again, Err(DeviceError::JoinNonceReplayed { last: 1, got: 1 }));
    assert_eq!(device.hear(&accept(2, JoinReqType::JoinRequest, 2)), Ok(Received::Joined));
}

// TS001-1.0.4 §6.2.5
#[test]
fn counted_nonces_end() {
    let mut device =
        Device::otaa(DeviceConfig { dev_nonces: DevNonces::Counter(u16::MAX), ..config() }, root());
    assert_eq!(device.join(&Zero), Err(DeviceError::NoncesExhausted));
}

#[test]
fn random_nonces_do_not_repeat_themselves() {
    let mut device =
        Device::otaa(DeviceConfig { dev_nonces: DevNonces::Random, ..config() }, root());
    let nonce = |tx: DeviceTx| match frame::parse(tx.bytes).unwrap().form {
        Form::JoinRequest(request) => request.dev_nonce,
        form => panic!("{form:?}"),
    };
    let first = nonce(device.join(&Zero).unwrap());
    assert_ne!(nonce(device.join(&Zero).unwrap()), first);
}

// TS001-1.1 §5.10
#[test]
fn rekey_ind_is_repeated_and_without_an_answer_the_session_is_given_up() {
    let mut device = joined_1_1();
    assert_eq!(f_opts(&mut device), [0x0B, 0x01]);
    for _ in 1..64 {
        assert!(device.uplink(1, &[], false, &Zero).is_ok());
    }
    assert_eq!(device.uplink(1, &[], false, &Zero), Err(DeviceError::NoSession));

    let mut device = joined_1_1();
    let phy = downlink(&device, 0, &[0x0B, 0x01], false);
    device.hear(&phy).unwrap();
    assert_eq!(f_opts(&mut device), [0_u8; 0]);
}

// TS001-1.1 §6.2.4
#[test]
fn rejoins_of_each_type_are_signed_and_answered_with_the_keys_of_their_own() {
    for (request, keeps_parameters) in
        [(JoinReqType::Rejoin0, false), (JoinReqType::Rejoin1, false), (JoinReqType::Rejoin2, true)]
    {
        let mut device = joined_1_1();
        // RXTimingSetupReq: 7 s, so that a difference shows.
        let phy = downlink(&device, 0, &[0x0B, 0x01, 0x08, 0x07], false);
        device.hear(&phy).unwrap();
        let old = device.session().unwrap().clone();
        let tx = device.rejoin(request, &Zero).unwrap();
        let phy = frame::parse(tx.bytes.as_slice()).unwrap();
        let Form::RejoinRequest(form) = phy.form.clone() else { panic!("{phy:?}") };
        let keys = join_server_keys(root_1_1().join_key(), root().dev_eui);
        let key = match form {
            RejoinRequestForm::HomeNetwork { net_id, rejoin_count, .. } => {
                assert_eq!((net_id, rejoin_count), (NetId::from_be_bytes([0, 0, 0x13]), 0));
                &old.keys.s_nwk_s_int_key
            }
            RejoinRequestForm::JoinServer { rejoin_count, .. } => {
                assert_eq!(rejoin_count, 0);
                &keys.js_int_key
            }
        };
        let mic = rejoin_request_mic(key, phy.without_mic()).unwrap();
        assert!(mic_matches(&mic, &phy.mic()));

        // An answer to another request does not count, and the old session goes on until the right one comes.
        let wrong = accept(2, JoinReqType::JoinRequest, 0);
        assert_eq!(device.hear(&wrong), Err(DeviceError::Mic));
        assert!(device.uplink(1, &[], false, &Zero).is_ok());
        assert_eq!(device.hear(&accept(2, request, 0)), Ok(Received::Joined));
        let root = root_1_1();
        let wanted = session_keys_1_1(root.join_key(), &root.app_key, 2, root.join_eui, 0);
        assert_eq!(device.session().unwrap().keys, wanted.network);
        assert_eq!(device.parameters().rx1_delay, if keeps_parameters { 7 } else { 3 });
        assert_eq!(f_opts(&mut device), [0x0B, 0x01]);
    }
}

#[test]
fn only_a_session_of_1_1_rejoins() {
    let mut device = joined();
    assert_eq!(device.rejoin(JoinReqType::Rejoin0, &Zero), Err(DeviceError::Unsupported));
}

// TS001-1.1 §5.13
#[test]
fn force_rejoin_req_is_tried_again_until_it_is_answered() {
    let mut device = joined_1_1();
    // ForceRejoinReq: type 2, DR3, period 1, 1 retry.
    let phy = downlink(&device, 0, &[0x0B, 0x01, 0x0E, 0x23, 0x09], false);
    device.hear(&phy).unwrap();
    let at = |seconds: u64| Monotonic::from_nanos(seconds * 1_000_000_000);
    assert_eq!(device.rejoin_due(at(1), &Zero), Some(JoinReqType::Rejoin2));
    let tx = device.rejoin(JoinReqType::Rejoin2, &Zero).unwrap();
    assert_eq!(tx.data_rate_index.get(), 3);
    assert_eq!(device.rejoin_due(at(64), &Zero), None);
    assert_eq!(device.rejoin_due(at(65), &Zero), Some(JoinReqType::Rejoin2));
    assert_eq!(device.rejoin_due(at(1_000), &Zero), None);
}

// TS001-1.1 §5.14
#[test]
fn rejoin_param_setup_req_counts_uplinks_and_time() {
    for measures in [false, true] {
        let mut device = joined_1_1();
        let start = Monotonic::from_nanos(0);
        if measures {
            assert_eq!(device.rejoin_due(start, &Zero), None);
        }
        // RejoinParamSetupReq: 2^10 s, 2^4 uplinks.
        let phy = downlink(&device, 0, &[0x0B, 0x01, 0x0F, 0x00], false);
        device.hear(&phy).unwrap();
        assert_eq!(f_opts(&mut device), [0x0F, u8::from(measures)]);
        let later = start.plus(Duration::from_secs(1_100));
        let due = device.rejoin_due(later, &Zero);
        assert_eq!(due, measures.then_some(JoinReqType::Rejoin0));
        for _ in 1..16 {
            device.uplink(1, &[], false, &Zero).unwrap();
        }
        assert_eq!(device.rejoin_due(later, &Zero), Some(JoinReqType::Rejoin0));
        device.rejoin(JoinReqType::Rejoin0, &Zero).unwrap();
        assert_eq!(device.rejoin_due(later, &Zero), None);
    }
}

//! Rejoins of LoRaWAN 1.1.

use alloc::{vec, vec::Vec};
use core::time::Duration;

use ttn_core::{
    addr::{DevAddr, NetId},
    eui::{DevEui, JoinEui},
    frame::{FCtrl, PhyPayload, RejoinRequestForm},
    key::{Aes128Key, SessionKeyId},
    radio::DataRateIndex,
};

use super::rig::{Rig, radio};
use crate::{
    command::Command,
    crypto::join::{JoinReqType, rejoin_request_mic},
    engine::{
        ForceRejoinError, JoinAccepted, MacEvent, Outcome, Reject, Rejoin, TxReport, UplinkKind,
        check_rejoin_1,
    },
    frame::{self, BuildError, DataFrame, encode_rejoin_request},
    session::{NetworkKeys, UplinkContext, seal_uplink},
    state::{ForceRejoin, Session},
    version::{MacVersion, PhyVersion},
};

const NET_ID: NetId = NetId::from_be_bytes([0, 0, 0x13]);

fn settled(version: MacVersion) -> Rig {
    let phy_version =
        if version.is_1_1() { PhyVersion::RP001_V1_1_REV_B } else { PhyVersion::RP002_V1_0_4 };
    let mut rig = Rig::otaa("EU_863_870_TTN", version, phy_version);
    rig.join();
    rig.settle();
    rig
}

const fn wanted() -> ForceRejoin {
    let data_rate = DataRateIndex::from_low_bits(2);
    ForceRejoin { period_exponent: 1, max_retries: 3, rejoin_type: 0, data_rate }
}

fn force(rig: &mut Rig, wanted: ForceRejoin) -> Result<(), ForceRejoinError> {
    let mut st = rig.st.clone();
    let result = rig.engine().force_rejoin(&mut st, wanted);
    rig.st = st;
    result
}

// NS-57
#[test]
fn a_rejoin_is_asked_for_once_and_again_if_it_was_not_sent() {
    let mut rig = settled(MacVersion::V1_1);
    force(&mut rig, wanted()).unwrap();
    let tx = rig.send(b"x", false);
    let outcome = rig.receive(&tx).unwrap();
    assert!(outcome.reply_due);
    let plan = rig.decide(&outcome, &[]).result.unwrap();
    let command = Command::ForceRejoinReq {
        period_exponent: 1,
        max_retries: 3,
        rejoin_type: 0,
        data_rate_index: DataRateIndex::from_low_bits(2),
    };
    assert_eq!(plan.commands, [command]);
    let mut st = rig.st.clone();
    rig.engine().on_tx_report(&mut st, TxReport::NotSent { f_cnt: plan.f_cnt });
    rig.st = st;
    assert_eq!(rig.exchange(b"x").1.unwrap().0.commands, [command]);
    let (outcome, answer) = rig.exchange(b"x");
    assert_eq!(answer, None);
    assert!(!outcome.events.iter().any(|event| matches!(event, MacEvent::Unanswered(_))));
    assert!(outcome.slow_changed);
    assert_eq!(rig.st.slow.force_rejoin, None);
}

// NS-57
#[test]
fn what_cannot_be_asked_is_refused_by_name() {
    let mut rig = settled(MacVersion::V1_0_4);
    assert_eq!(force(&mut rig, wanted()), Err(ForceRejoinError::NotDefined));
    let mut rig = settled(MacVersion::V1_1);
    let index = DataRateIndex::from_low_bits(15);
    let refused = force(&mut rig, ForceRejoin { data_rate: index, ..wanted() });
    assert_eq!(refused, Err(ForceRejoinError::DataRate { index }));
    let refused = force(&mut rig, ForceRejoin { period_exponent: 8, ..wanted() });
    let field = BuildError::OutOfRange { field: "Period", got: 8, max: 7 };
    assert_eq!(refused, Err(ForceRejoinError::Field(field)));
    rig.st.slow.session = None;
    assert_eq!(force(&mut rig, wanted()), Err(ForceRejoinError::NoSession));
}

/// A rejoin-request with its integrity code.
fn request(key: &Aes128Key, form: &RejoinRequestForm) -> PhyPayload {
    let mut octets = encode_rejoin_request(form).unwrap();
    let mic = rejoin_request_mic(key, &octets).unwrap();
    octets.extend_from_slice(&mic);
    frame::parse(octets).unwrap()
}

const fn home(rejoin_type: u8, rejoin_count: u16) -> RejoinRequestForm {
    let dev_eui = DevEui::from_u64(2);
    RejoinRequestForm::HomeNetwork { rejoin_type, net_id: NET_ID, dev_eui, rejoin_count }
}

fn hear(rig: &mut Rig, phy: &PhyPayload, net_id: NetId) -> Result<Rejoin, Reject> {
    let radio = radio(&rig.send(b"x", false));
    let mut st = rig.st.clone();
    let result = rig.engine().on_rejoin(&mut st, phy, &radio, net_id);
    rig.st = st;
    result
}

// NS-57: types 0 and 2 are proven by the session in use, each counter once.
#[test]
fn a_rejoin_request_to_the_home_network_is_proven_by_session_and_counter() {
    let mut rig = settled(MacVersion::V1_1);
    let key = rig.st.slow.session.as_ref().unwrap().keys.s_nwk_s_int_key.clone();
    let first = request(&key, &home(0, 4));
    let elsewhere = NetId::from_be_bytes([0, 0, 1]);
    let refused = hear(&mut rig, &first, elsewhere);
    assert_eq!(refused, Err(Reject::NetIdMismatch { got: NET_ID }));
    let forged = request(&Aes128Key::new([1; 16]), &home(0, 4));
    assert_eq!(hear(&mut rig, &forged, NET_ID), Err(Reject::RejoinMicMismatch));
    assert_eq!(rig.st.slow.rejoin_count_0, None, "nothing is noted of what is refused");

    let rejoin = hear(&mut rig, &first, NET_ID).unwrap();
    assert_eq!((rejoin.answers, rejoin.rejoin_count), (JoinReqType::Rejoin0, 4));
    let replayed = Err(Reject::RejoinCountReplayed { last: 4, got: 4 });
    assert_eq!(hear(&mut rig, &first, NET_ID), replayed);
    let second = request(&key, &home(2, 5));
    let rejoin = hear(&mut rig, &second, NET_ID).unwrap();
    assert_eq!((rejoin.answers, rejoin.keeps_parameters()), (JoinReqType::Rejoin2, true));

    let mut old = settled(MacVersion::V1_0_4);
    assert_eq!(hear(&mut old, &second, NET_ID), Err(Reject::RejoinNotDefined));
}

// NS-57: type 1 is the Join Server's to prove.
#[test]
fn a_rejoin_request_to_the_join_server_is_proven_by_its_key_and_counter() {
    let mut rig = settled(MacVersion::V1_1);
    let js_int_key = Aes128Key::new([6; 16]);
    let form = RejoinRequestForm::JoinServer {
        join_eui: JoinEui::from_u64(1),
        dev_eui: DevEui::from_u64(2),
        rejoin_count: 9,
    };
    let phy = request(&js_int_key, &form);
    let rejoin = hear(&mut rig, &phy, NET_ID).unwrap();
    assert_eq!((rejoin.answers, rejoin.rejoin_count), (JoinReqType::Rejoin1, 9));
    assert_eq!(check_rejoin_1(&js_int_key, &phy, Some(8)), Ok(9));
    let replayed = Err(Reject::RejoinCountReplayed { last: 9, got: 9 });
    assert_eq!(check_rejoin_1(&js_int_key, &phy, Some(9)), replayed);
    let other = Aes128Key::new([5; 16]);
    assert_eq!(check_rejoin_1(&other, &phy, None), Err(Reject::RejoinMicMismatch));
    let wrong_type = request(&js_int_key, &home(0, 1));
    assert_eq!(check_rejoin_1(&js_int_key, &wrong_type, None), Err(Reject::NotARejoinRequest));
}

/// The accept, and the first uplink of the new session.
fn accept(rig: &mut Rig, rejoin: &Rejoin) -> Outcome {
    let parameters = rig.engine().rejoin_parameters(&rig.st, rejoin);
    assert!(parameters.dl_settings.opt_neg);
    let session = Session {
        dev_addr: DevAddr::from_u32(0x2600_0999),
        keys: NetworkKeys::v1_0(Aes128Key::new([4; 16])),
        session_key_id: SessionKeyId::new(b"rejoined").unwrap(),
        started_at: rig.now,
    };
    let length = if parameters.cf_list.is_some() { 33 } else { 17 };
    let accepted = JoinAccepted {
        session: session.clone(),
        parameters,
        phy: vec![0x20; length],
        channel: rejoin.channel,
        received_at: rig.now,
    };
    let mut st = rig.st.clone();
    let plan = rig.engine().on_rejoin_accept(&mut st, accepted, rejoin, rig.now).unwrap();
    // Before the device has proven the new session, the old one is in use.
    assert_eq!(st.slow.session, rig.st.slow.session);
    rig.st = st;
    assert_eq!(plan.rx1_delay, Duration::from_secs(5));
    assert_eq!(plan.rx1.unwrap().opens_at, rig.now.plus(Duration::from_secs(5)));

    let mut tx = rig.send(b"x", false);
    let mut f_opts = Vec::new();
    let rekey = Command::RekeyInd { minor_version: 1 };
    rekey.encode(rig.band.frequency_step, &mut f_opts).unwrap();
    let frame = DataFrame {
        uplink: true,
        confirmed: false,
        dev_addr: session.dev_addr,
        f_ctrl: FCtrl::default(),
        f_cnt: 0,
        f_opts,
        f_port: Some(1),
        frm_payload: vec![1],
    };
    let (data_rate, channel) = (tx.data_rate_index, tx.channel);
    let context = UplinkContext { f_cnt: 0, conf_f_cnt: 0, data_rate, channel };
    tx.bytes = seal_uplink(&session.keys, MacVersion::V1_1, frame, &context).unwrap();
    rig.receive(&tx).unwrap()
}

// NS-57: type 2 asks for keys, type 0 for everything.
#[test]
fn radio_parameters_outlive_a_rejoin_of_type_2_only() {
    for (rejoin_type, keeps) in [(0, false), (2, true)] {
        let mut rig = settled(MacVersion::V1_1);
        rig.st.slow.current.rx1_delay = 3;
        rig.st.slow.current.adr_tx_power_index = 2;
        rig.st.slow.rejoin_count_0 = Some(7);
        let before = rig.st.slow.current.clone();
        let key = rig.st.slow.session.as_ref().unwrap().keys.s_nwk_s_int_key.clone();
        let phy = request(&key, &home(rejoin_type, 8));
        let rejoin = hear(&mut rig, &phy, NET_ID).unwrap();
        assert_eq!(rig.engine().rejoin_parameters(&rig.st, &rejoin).cf_list.is_none(), keeps);
        let outcome = accept(&mut rig, &rejoin);
        assert_eq!(outcome.kind, UplinkKind::SessionStarted);
        let current = &rig.st.slow.current;
        assert_eq!(*current == before, keeps);
        assert_eq!(current.rx1_delay, if keeps { 3 } else { 5 });
        assert_eq!((rig.st.slow.rejoin_count_0, rig.st.hot.n_f_cnt_down), (None, None));
    }
}

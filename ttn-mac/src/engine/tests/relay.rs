//! Relays and the devices behind them (TS011).

use alloc::{vec, vec::Vec};
use core::time::Duration;

use ttn_core::{
    addr::DevAddr,
    frame::FCtrl,
    key::SessionKeyId,
    radio::{DataRateIndex, Frequency, time_on_air},
};

use super::rig::{Rig, Zero, item};
use crate::{
    command::{
        Command, Direction, RelayActivation, RelayLimit, RelayLimits, RelaySecondChannel,
        RootWorSKey,
    },
    crypto::{derive::root_wor_s_key, payload::encrypt_frm_payload},
    device::Received,
    engine::{DownlinkReason, MacEvent, NoDownlink, Outcome, RelayReject, ServedDevice, Slot},
    frame::{self, RELAY_F_PORT, RelayForwardUplink},
    session::open_frm_payload,
    state::{Relay, RelayRule, ServedRelay, ServingRelay},
    version::{MacVersion, PhyVersion},
};

fn relay_of(version: MacVersion) -> Rig {
    let mut rig = Rig::otaa("EU_863_870_TTN", version, PhyVersion::RP002_V1_0_4);
    rig.join();
    rig.settle();
    rig
}

fn wish(rig: &mut Rig, relay: Option<Relay>) {
    rig.settings.desired_relay = relay;
    let mut st = rig.st.clone();
    rig.engine().refresh_desired(&mut st);
    rig.st = st;
}

/// What the network asks after an uplink with these answers.
fn asked(rig: &mut Rig, answers: &[Command]) -> (Outcome, Vec<Command>) {
    let outcome = rig.uplink(false, answers);
    let commands = match rig.decide(&outcome, &[]).result {
        Ok(plan) => plan.commands,
        Err(NoDownlink::NothingToSend) => Vec::new(),
        Err(other) => panic!("{other:?}"),
    };
    (outcome, commands)
}

fn serving() -> ServingRelay {
    let limit = Some(RelayLimit { reload_rate: 4, bucket_size: 1 });
    let rule = RelayRule { device_id: "behind".parse().unwrap(), limit, session: None };
    ServingRelay {
        second_channel: Some(RelaySecondChannel {
            index: 1,
            data_rate_index: DataRateIndex::from_low_bits(3),
            ack_offset: 1,
            frequency: Frequency::from_hz(868_700_000),
        }),
        default_channel_index: 0,
        cad_periodicity: 2,
        rules: vec![None, Some(rule)],
        limits: Some(RelayLimits::default()),
    }
}

const ALL_ACCEPTED: Command = Command::RelayConfAns {
    second_channel_frequency_ack: true,
    second_channel_ack_offset_ack: true,
    second_channel_data_rate_index_ack: true,
    second_channel_index_ack: true,
    default_channel_index_ack: true,
    cad_periodicity_ack: true,
};

/// A device, and what a relay must know of it.
fn behind(session_key_id: &[u8]) -> (Rig, ServedDevice) {
    let mut rig = Rig::abp(MacVersion::V1_0_3);
    rig.st.slow.desired = rig.st.slow.current.clone();
    let session = rig.st.slow.session.as_mut().unwrap();
    session.session_key_id = SessionKeyId::new(session_key_id).unwrap();
    let served = ServedDevice::new("behind".parse().unwrap(), session);
    (rig, served)
}

/// A relay that does all that it shall, with one rule.
fn configured(version: MacVersion, served: ServedDevice) -> Rig {
    let mut rig = relay_of(version);
    rig.served = vec![served];
    wish(&mut rig, Some(Relay::Serving(serving())));
    asked(&mut rig, &[]);
    asked(&mut rig, &[ALL_ACCEPTED]);
    let answers = [Command::RelayUpdateUplinkListAns, Command::RelayConfigureFwdLimitAns];
    assert_eq!(asked(&mut rig, &answers).1, []);
    rig
}

// NS-64, NS-66, NS-108, NS-111, NS-114
#[test]
fn a_relay_is_started_then_told_whom_it_serves_and_how_much() {
    let (device, served) = behind(b"first");
    let mut rig = relay_of(MacVersion::V1_0_4);
    rig.served = vec![served.clone()];
    wish(&mut rig, Some(Relay::Serving(serving())));
    let wanted = serving();
    let conf = Command::RelayConfReq {
        start: true,
        cad_periodicity: 2,
        default_channel_index: 0,
        second_channel: wanted.second_channel.unwrap(),
    };
    assert_eq!(asked(&mut rig, &[]).1, [conf]);

    let (outcome, commands) = asked(&mut rig, &[ALL_ACCEPTED]);
    let answered = MacEvent::Answered { request: conf, answer: ALL_ACCEPTED, accepted: true };
    assert_eq!((outcome.events, outcome.slow_changed), (vec![answered], true));
    let keys = &device.st.slow.session.as_ref().unwrap().keys;
    let root = RootWorSKey::new(*root_wor_s_key(&keys.nwk_s_enc_key).expose());
    let update = Command::RelayUpdateUplinkListReq {
        rule_index: 1,
        limit: RelayLimit { reload_rate: 4, bucket_size: 1 },
        dev_addr: served.dev_addr,
        w_f_cnt: 0,
        root_wor_s_key: root,
    };
    let limits = Command::RelayConfigureFwdLimitReq(RelayLimits::default());
    assert_eq!(commands, [update, limits]);
    let Command::RelayUpdateUplinkListReq { root_wor_s_key, .. } = rig.st.slow.pending_requests[0]
    else {
        panic!("{:?}", rig.st.slow.pending_requests)
    };
    assert_eq!(*root_wor_s_key.expose(), [0; 16], "the state keeps no key");

    let answers = [Command::RelayUpdateUplinkListAns, Command::RelayConfigureFwdLimitAns];
    assert_eq!(asked(&mut rig, &answers).1, [], "all is as it shall be");
    let current = rig.st.slow.current.relay.as_ref().and_then(Relay::serving).unwrap();
    assert_eq!((current.limits, current.rules.len()), (wanted.limits, 2));
}

// NS-111
#[test]
fn a_new_session_of_a_served_device_starts_its_counter_again() {
    let (_, served) = behind(b"first");
    let mut rig = configured(MacVersion::V1_0_4, served);
    let Some(Relay::Serving(current)) = &mut rig.st.slow.current.relay else { panic!() };
    current.rules[1].as_mut().unwrap().session.as_mut().unwrap().w_f_cnt = 77;
    let w_f_cnt = |commands: &[Command]| match commands {
        [Command::RelayUpdateUplinkListReq { w_f_cnt, .. }] => *w_f_cnt,
        other => panic!("{other:?}"),
    };
    let mut slower = serving();
    slower.rules[1].as_mut().unwrap().limit = None;
    wish(&mut rig, Some(Relay::Serving(slower)));
    assert_eq!(w_f_cnt(&asked(&mut rig, &[]).1), 77, "the same session goes on");
    assert_eq!(asked(&mut rig, &[Command::RelayUpdateUplinkListAns]).1, []);

    rig.served = vec![behind(b"second").1];
    assert_eq!(w_f_cnt(&asked(&mut rig, &[]).1), 0);
    assert_eq!(asked(&mut rig, &[Command::RelayUpdateUplinkListAns]).1, []);
}

// NS-108
#[test]
fn rules_and_relays_end_when_they_shall() {
    let (_, served) = behind(b"first");
    let mut rig = configured(MacVersion::V1_0_4, served);
    wish(&mut rig, Some(Relay::Serving(ServingRelay { rules: Vec::new(), ..serving() })));
    let remove = Command::RelayCtrlUplinkListReq { rule_index: 1, remove: true };
    assert_eq!(asked(&mut rig, &[]).1, [remove]);
    let removed = Command::RelayCtrlUplinkListAns { rule_index_ack: true, w_f_cnt: 5 };
    assert_eq!(asked(&mut rig, &[removed]).1, []);

    wish(&mut rig, None);
    let (_, commands) = asked(&mut rig, &[]);
    assert!(matches!(commands[..], [Command::RelayConfReq { start: false, .. }]));
    assert_eq!(asked(&mut rig, &[ALL_ACCEPTED]).1, []);
    assert_eq!(rig.st.slow.current.relay, None);
}

// NS-41, NS-108
#[test]
fn what_a_device_refuses_is_not_asked_again_in_the_same_form() {
    let mut rig = relay_of(MacVersion::V1_0_4);
    let served = |backoff| {
        Some(Relay::Served(ServedRelay {
            activation: RelayActivation::Dynamic,
            smart_enable_level: 1,
            backoff,
            second_channel: None,
            serving_device_id: None,
        }))
    };
    let answer = |backoff_ack| Command::RelayEndDeviceConfAns {
        second_channel_frequency_ack: true,
        second_channel_data_rate_index_ack: true,
        second_channel_index_ack: true,
        backoff_ack,
    };
    wish(&mut rig, served(60));
    let (_, commands) = asked(&mut rig, &[]);
    assert!(matches!(commands[..], [Command::RelayEndDeviceConfReq { backoff: 60, .. }]));
    assert_eq!(asked(&mut rig, &[answer(false)]).1, []);
    assert_eq!(rig.st.slow.current.relay, None);
    assert_eq!(asked(&mut rig, &[]).1, []);

    wish(&mut rig, served(8));
    let (_, commands) = asked(&mut rig, &[]);
    assert!(matches!(commands[..], [Command::RelayEndDeviceConfReq { backoff: 8, .. }]));
    assert_eq!(asked(&mut rig, &[answer(true)]).1, []);
    assert_eq!(rig.st.slow.current.relay, served(8));

    wish(&mut rig, None);
    let off = Command::RelayEndDeviceConfReq {
        activation: RelayActivation::Disabled,
        smart_enable_level: 0,
        backoff: 0,
        second_channel: RelaySecondChannel::default(),
    };
    assert_eq!(asked(&mut rig, &[]).1, [off]);
    assert_eq!(asked(&mut rig, &[answer(true)]).1, []);
    assert_eq!(rig.st.slow.current.relay, None);
}

// NS-112
#[test]
fn a_new_device_near_a_relay_is_told_and_not_answered() {
    let mut rig = relay_of(MacVersion::V1_0_4);
    let dev_addr = DevAddr::from_u32(0x2601_0203);
    let told = Command::RelayNotifyNewEndDeviceReq { dev_addr, snr: -3, rssi: -110 };
    let (outcome, commands) = asked(&mut rig, &[told]);
    assert_eq!((outcome.events, commands), (vec![MacEvent::Received(told)], vec![]));
}

const FREQUENCY: Frequency = Frequency::from_hz(868_300_000);

/// The uplink with which the relay forwards a frame.
fn forward(rig: &mut Rig, phy_payload: &[u8]) -> Outcome {
    let header = RelayForwardUplink {
        wor_channel: 1,
        rssi: -80,
        snr: 5,
        data_rate_index: DataRateIndex::from_low_bits(5),
        frequency: FREQUENCY,
        phy_payload: phy_payload.to_vec(),
    };
    relay_payload(rig, header.encode(rig.band.frequency_step).unwrap())
}

fn relay_payload(rig: &mut Rig, mut octets: Vec<u8>) -> Outcome {
    let session = rig.st.slow.session.clone().unwrap();
    let (key, addr) = (&session.keys.nwk_s_enc_key, session.dev_addr);
    encrypt_frm_payload(key, Direction::Uplink, addr, rig.next_f_cnt_up(), &mut octets);
    let tx = rig.send_frame(FCtrl::default(), &[], RELAY_F_PORT, octets);
    let outcome = rig.receive(&tx).unwrap();
    let on_air = time_on_air(tx.bytes.len(), tx.frequency, &tx.data_rate).unwrap();
    if let Some(Ok(relayed)) = &outcome.relayed {
        assert_eq!(relayed.earlier_by, on_air + Duration::from_millis(50));
        assert_eq!(relayed.received_at, rig.now.minus(relayed.earlier_by));
    }
    outcome
}

// NS-18, NS-109, NS-110
#[test]
fn a_served_device_is_heard_and_answered_through_its_relay() {
    for version in [MacVersion::V1_0_4, MacVersion::V1_1] {
        let (mut device, served) = behind(b"first");
        let mut rig = configured(version, served);
        let tx = device.device.uplink(1, b"hello", true, &Zero).unwrap();
        let outcome = forward(&mut rig, &tx.bytes);
        assert!(!outcome.deliver);
        let relayed = outcome.relayed.clone().unwrap().unwrap();
        assert_eq!((relayed.wor_channel, relayed.rssi, relayed.snr), (1, -80, 5));
        assert_eq!(relayed.radio.frequency, FREQUENCY);

        let received_at = relayed.received_at;
        let inner = device.receive_phy(&relayed.phy, &relayed.radio, received_at).unwrap();
        assert!(inner.deliver && inner.reply_due);
        let slot = rig.engine().relay_slot(&rig.st, &outcome.slot, rig.now).unwrap();
        let mut st = device.st.clone();
        let answer = device.engine().next_downlink(&mut st, &slot, &[], rig.now).result.unwrap();
        assert!(answer.ack && answer.tx.rx1.is_none() && answer.tx.rx2.is_none());

        // The relay's own item waits.
        let (id, f_cnt) = (rig.session_key_id(), rig.engine().next_app_f_cnt(&rig.st));
        rig.st.relayed = Some(answer.tx.bytes.clone());
        let plan = rig.decide(&outcome, &[item(&id, f_cnt, b"own")]).result.unwrap();
        assert!(plan.relayed && plan.f_pending && plan.takes_queue_f_cnt);
        assert_eq!((plan.item, plan.f_cnt), (None, f_cnt));
        assert_eq!(plan.reasons[0], DownlinkReason::Relay);
        let phy = frame::parse(plan.tx.bytes).unwrap();
        assert_eq!(phy.data().unwrap().f_port, Some(RELAY_F_PORT));
        let key = &rig.st.slow.session.as_ref().unwrap().keys.nwk_s_enc_key;
        let carried = open_frm_payload(key, &phy, f_cnt);
        assert_eq!(carried, answer.tx.bytes);
        match device.device.hear(&carried) {
            Ok(Received::Data(data)) => assert!(data.ack),
            other => panic!("{other:?}"),
        }
        assert_eq!(rig.st.relayed, None);
    }
}

// NS-110
#[test]
fn what_a_relay_cannot_carry_is_not_made() {
    let (mut device, served) = behind(b"first");
    let mut rig = configured(MacVersion::V1_0_4, served);
    let tx = device.device.uplink(1, b"hello", false, &Zero).unwrap();
    let outcome = forward(&mut rig, &tx.bytes);
    let relayed = outcome.relayed.clone().unwrap().unwrap();
    device.receive_phy(&relayed.phy, &relayed.radio, relayed.received_at).unwrap();
    let slot = rig.engine().relay_slot(&rig.st, &outcome.slot, rig.now).unwrap();
    let Slot::Relayed { phy_payload_max, until } = slot else { panic!("{slot:?}") };
    // RX2 at DR3 carries 115 octets of payload.
    assert_eq!(phy_payload_max, 115);
    let id = device.session_key_id();
    let mut st = device.st.clone();
    let engine = device.engine();
    let (long, fits) = ([0; 103], [0; 102]);
    let decision = engine.next_downlink(&mut st, &slot, &[item(&id, 0, &long)], rig.now);
    assert_eq!(decision.dropped.len(), 1);
    let plan =
        engine.next_downlink(&mut st, &slot, &[item(&id, 0, &fits)], rig.now).result.unwrap();
    assert_eq!(plan.tx.bytes.len(), 115);
    let late = engine.next_downlink(&mut st, &slot, &[item(&id, 1, &fits)], until).result;
    assert_eq!(late, Err(NoDownlink::WindowsClosed { opened_at: until }));
    // A frame that is too long after all stays where it is, and the plan says so.
    rig.st.relayed = Some(vec![0; 116]);
    assert_eq!(rig.decide(&outcome, &[]).result, Err(NoDownlink::NothingToSend));
}

// NS-109
#[test]
fn what_is_no_uplink_is_not_relayed() {
    let (_, served) = behind(b"first");
    let mut rig = configured(MacVersion::V1_0_4, served);
    let relayed = |outcome: Outcome| outcome.relayed.unwrap().unwrap_err();
    assert_eq!(relayed(relay_payload(&mut rig, vec![1, 2])), RelayReject::Header);
    let accept = [0x20; 17];
    assert_eq!(relayed(forward(&mut rig, &accept)), RelayReject::MessageType);
    assert!(matches!(relayed(forward(&mut rig, &[])), RelayReject::Frame(_)));

    // A device that is no relay may use the port as it likes.
    let mut rig = relay_of(MacVersion::V1_0_4);
    let outcome = forward(&mut rig, &accept);
    assert!(outcome.deliver && outcome.relayed.is_none());
}

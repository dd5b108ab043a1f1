//! Downlinks that the network begins, and multicast groups.

use alloc::vec::Vec;
use core::time::Duration;

use ttn_core::{
    addr::DevAddr,
    key::{Aes128Key, SessionKeyId},
    time::{GpsTime, Timestamp},
};

use super::rig::{Rig, item};
use crate::{
    class_b::{PingNb, next_ping_slot, ping_slot_frequency},
    command::{Command, Direction},
    crypto::{
        mic::downlink_mic_1_1,
        multicast::{mc_app_s_key, mc_nwk_s_key},
        payload::encrypt_frm_payload,
    },
    device::Received,
    engine::{
        Classes, DataPlan, DownlinkDecision, NetworkTiming, NoDownlink, QueueDrop, QueuedDownlink,
        Reject, Slot, TxReport, Wait,
    },
    frame,
    session::{NetworkKeys, open_frm_payload},
    state::{Candidate, DeviceClass, MacSettings, Session},
    version::{MacVersion, PhyVersion},
};

const SECOND: Duration = Duration::from_secs(1);

fn timing() -> NetworkTiming {
    NetworkTiming::default()
}

/// A settled device in a class, a minute after its last uplink.
fn in_class(class: DeviceClass) -> Rig {
    let mut rig = Rig::otaa("EU_863_870_TTN", MacVersion::V1_0_3, PhyVersion::RP001_V1_0_3_REV_A);
    rig.join();
    rig.settle();
    rig.classes = Classes { b: true, c: true, multicast: false };
    rig.st.slow.class = class;
    rig.st.slow.ping_slot_periodicity = Some(7);
    rig.wait(60);
    rig
}

fn begin(rig: &mut Rig, queue: &[QueuedDownlink<'_>], now: Timestamp) -> DownlinkDecision {
    let mut st = rig.st.clone();
    let decision = rig.engine().next_downlink(&mut st, &Slot::Network(timing()), queue, now);
    rig.st = st;
    decision
}

/// The frame for one item; the device hears it.
fn deliver(rig: &mut Rig, payload: &[u8]) -> DataPlan {
    let id = rig.session_key_id();
    let f_cnt = rig.engine().next_app_f_cnt(&rig.st);
    let octets = rig.encrypted(f_cnt, payload);
    let now = rig.now;
    let plan = begin(rig, &[item(&id, f_cnt, &octets)], now).result.unwrap();
    match rig.device.hear(&plan.tx.bytes) {
        Ok(Received::Data(data)) => assert_eq!(data.payload, payload),
        other => panic!("{other:?}"),
    }
    plan
}

// NS-78
#[test]
fn a_device_of_class_a_is_not_reached_by_itself() {
    let mut rig = in_class(DeviceClass::A);
    let id = rig.session_key_id();
    let (before, now) = (rig.st.clone(), rig.now);
    let decision = begin(&mut rig, &[item(&id, 100, b"x")], now);
    assert_eq!(decision.result, Err(NoDownlink::ClassA));
    assert_eq!(rig.st, before);
}

// NS-78, NS-79
#[test]
fn class_c_is_rx2_at_once() {
    let mut rig = in_class(DeviceClass::C);
    let plan = deliver(&mut rig, b"at once");
    let rx2 = plan.tx.rx2.unwrap();
    assert_eq!((plan.tx.rx1, plan.tx.absolute_time, plan.tx.class), (None, None, DeviceClass::C));
    assert_eq!(rx2.frequency, rig.st.slow.current.rx2_frequency);
    assert_eq!(rx2.data_rate_index, rig.st.slow.current.rx2_data_rate);
    assert_eq!(rx2.opens_at, rig.now);
    assert!(!plan.f_pending && !plan.ack && plan.commands.is_empty());
}

// NS-85
#[test]
fn the_network_begins_a_second_after_the_last_downlink_and_after_rx2() {
    let mut rig = in_class(DeviceClass::C);
    deliver(&mut rig, b"first");
    let id = rig.session_key_id();
    let f_cnt = rig.engine().next_app_f_cnt(&rig.st);
    let queue = [item(&id, f_cnt, b"second")];
    let not_yet = |rig: &mut Rig, now| match begin(rig, &queue, now).result {
        Err(NoDownlink::NotYet { at, wait }) => (at, wait),
        other => panic!("{other:?}"),
    };
    let now = rig.now;
    let last = rig.st.hot.last_downlink_at.unwrap();
    assert_eq!(not_yet(&mut rig, now), (last.plus(SECOND), Wait::Interval));
    assert!(begin(&mut rig.clone(), &queue, last.plus(SECOND)).result.is_ok());

    let tx = rig.send(b"up", false);
    rig.receive(&tx).unwrap();
    let now = rig.now;
    // RX1 after 5 s, RX2 a second later, and the interval.
    assert_eq!(not_yet(&mut rig, now), (now.plus(SECOND * 7), Wait::ReceiveWindows));
}

// NS-86, NS-87
#[test]
fn a_confirmed_downlink_waits_for_the_last_one_or_its_timeout() {
    for (class, timeout) in [(DeviceClass::C, 300), (DeviceClass::B, 600)] {
        let mut rig = in_class(class);
        let id = rig.session_key_id();
        let first = rig.engine().next_app_f_cnt(&rig.st);
        let confirmed =
            |f_cnt| QueuedDownlink { confirmed: true, ..item(&id, f_cnt, b"confirmed") };
        let mut now = rig.now;
        let plan = loop {
            match begin(&mut rig, &[confirmed(first)], now).result {
                Err(NoDownlink::NotYet { at, wait: Wait::Time }) => now = at,
                plan => break plan.unwrap(),
            }
        };
        assert!(plan.confirmed && rig.st.hot.ack_pending);
        let sent = rig.st.hot.last_downlink_at.unwrap();
        let until = sent.plus(SECOND * timeout);
        let too_early = until.minus(SECOND * 30);
        let next = [confirmed(first + 1)];
        match begin(&mut rig, &next, too_early).result {
            Err(NoDownlink::NotYet { at, .. }) if class == DeviceClass::C => assert_eq!(at, until),
            Err(NoDownlink::NotYet { at, .. }) => assert!(at.plus(SECOND * 6) >= until),
            other => panic!("{other:?}"),
        }
        // An unconfirmed one need not wait.
        let mut other = rig.clone();
        let plain = [item(&id, first + 1, b"plain")];
        let mut now = sent.plus(SECOND * 2);
        while let Err(NoDownlink::NotYet { at, wait }) = begin(&mut other, &plain, now).result {
            assert_eq!(wait, Wait::Time);
            now = at;
        }
        assert!(now < too_early);
        let mut now = until;
        let plan = loop {
            match begin(&mut rig, &next, now).result {
                Err(NoDownlink::NotYet { at, wait: Wait::Time }) => now = at,
                plan => break plan.unwrap(),
            }
        };
        let given_up = plan.queue_result.unwrap();
        assert_eq!((given_up.f_cnt, given_up.acknowledged), (first, false));
    }
}

// NS-84: the slot is the one that the device computes, on the frequency of its beacon period.
#[test]
fn class_b_is_the_next_ping_slot_with_time_to_get_there() {
    let mut rig = in_class(DeviceClass::B);
    let id = rig.session_key_id();
    let dev_addr = rig.st.slow.session.as_ref().unwrap().dev_addr;
    let f_cnt = rig.engine().next_app_f_cnt(&rig.st);
    let queue = [item(&id, f_cnt, b"b"), item(&id, f_cnt + 1, b"b")];
    let once = PingNb::of_periodicity(7);
    let after = GpsTime::from_utc(rig.now.plus(SECOND));
    let slot = next_ping_slot(after, dev_addr, once).to_utc();
    let now = rig.now;
    let due = match begin(&mut rig, &queue, now).result {
        Err(NoDownlink::NotYet { at, wait: Wait::Time }) => at,
        Ok(_) => now,
        other => panic!("{other:?}"),
    };
    assert_eq!(due, slot.minus(SECOND * 6).max(now));
    let plan = match begin(&mut rig, &queue, due).result {
        Ok(plan) => plan,
        other => panic!("{other:?}"),
    };
    let window = plan.tx.rx2.unwrap();
    assert_eq!((plan.tx.absolute_time, plan.tx.class), (Some(slot), DeviceClass::B));
    assert_eq!(window.opens_at, slot);
    assert_eq!(
        Some(window.frequency),
        ping_slot_frequency(rig.band, GpsTime::from_utc(slot), dev_addr)
    );
    assert_eq!(window.data_rate_index, rig.band.beacon.data_rate);
    // NS-92
    assert!(plan.f_pending);
}

// NS-84
#[test]
fn ping_slots_of_the_device_go_before_those_of_the_band() {
    let mut rig = in_class(DeviceClass::B);
    let hertz = ttn_core::radio::Frequency::from_hz(868_500_000);
    rig.st.slow.current.ping_slot_frequency = hertz;
    rig.st.slow.current.ping_slot_data_rate =
        Some(ttn_core::radio::DataRateIndex::from_low_bits(5));
    rig.st.slow.ping_slot_periodicity = Some(0);
    let plan = deliver(&mut rig, b"every second");
    let window = plan.tx.rx2.unwrap();
    assert_eq!((window.frequency, window.data_rate_index.get()), (hertz, 5));
    assert!(window.opens_at >= rig.now.plus(SECOND));
    assert!(window.opens_at <= rig.now.plus(SECOND * 5), "a slot about every second");
    rig.st.slow.ping_slot_periodicity = None;
    let id = rig.session_key_id();
    let now = rig.now.plus(SECOND * 10);
    let refused = begin(&mut rig, &[item(&id, 99, b"x")], now).result.unwrap_err();
    assert_eq!(refused.name(), "ping_slot_periodicity_missing");
}

// NS-78, NS-88: an absolute time is kept, waited for, or missed.
#[test]
fn the_time_of_the_application_is_kept_or_missed() {
    let mut rig = in_class(DeviceClass::C);
    let id = rig.session_key_id();
    let f_cnt = rig.engine().next_app_f_cnt(&rig.st);
    let at = rig.now.plus(SECOND * 20);
    let timed = QueuedDownlink { absolute_time: Some(at), ..item(&id, f_cnt, b"at") };
    let now = rig.now;
    let far = Err(NoDownlink::NotYet { at: at.minus(SECOND * 6), wait: Wait::Time });
    assert_eq!(begin(&mut rig, &[timed], now).result, far);
    let late = at.minus(Duration::from_millis(900));
    let decision = begin(&mut rig.clone(), &[timed], late);
    let missed = QueueDrop::AbsoluteTimeMissed { at, earliest: late.plus(SECOND) };
    assert_eq!(decision.dropped[0].reason, missed);
    assert_eq!(decision.result, Err(NoDownlink::NothingToSend));
    let plan = begin(&mut rig, &[timed], at.minus(SECOND * 6)).result.unwrap();
    assert_eq!((plan.tx.absolute_time, plan.tx.rx2.unwrap().opens_at), (Some(at), at));
    assert_eq!(rig.st.hot.last_downlink_at, Some(at), "whole seconds are kept exactly");

    let mut rig = in_class(DeviceClass::B);
    let at = rig.now.plus(SECOND * 20);
    let id = rig.session_key_id();
    let timed = QueuedDownlink { absolute_time: Some(at), ..item(&id, f_cnt, b"at") };
    let mut now = rig.now;
    let plan = loop {
        match begin(&mut rig, &[timed], now).result {
            Err(NoDownlink::NotYet { at, .. }) => now = at,
            plan => break plan.unwrap(),
        }
    };
    let dev_addr = rig.st.slow.session.as_ref().unwrap().dev_addr;
    let just_before = GpsTime::from_nanos(GpsTime::from_utc(at).nanos() - 1);
    let slot = next_ping_slot(just_before, dev_addr, PingNb::of_periodicity(7)).to_utc();
    assert_eq!(plan.tx.absolute_time, Some(slot), "the first slot from then on");
}

// NS-66, NS-39
#[test]
fn requests_stay_pending_while_the_network_begins() {
    let mut rig = in_class(DeviceClass::C);
    rig.settings = MacSettings { desired_rx1_delay: Some(3), ..MacSettings::default() };
    let mut st = rig.st.clone();
    rig.engine().refresh_desired(&mut st);
    rig.st = st;
    let tx = rig.send(b"x", true);
    let outcome = rig.receive(&tx).unwrap();
    let asked = rig.decide(&outcome, &[]).result.unwrap();
    assert_eq!(asked.commands, [Command::RxTimingSetupReq { delay: 3 }]);
    rig.wait(20);
    let plan = {
        let id = rig.session_key_id();
        let f_cnt = rig.engine().next_app_f_cnt(&rig.st);
        let now = rig.now;
        begin(&mut rig, &[item(&id, f_cnt, b"between")], now).result.unwrap()
    };
    assert!(plan.commands.is_empty() && !plan.ack && !plan.slow_changed);
    assert_eq!(rig.st.slow.pending_requests, asked.commands);
    let mut st = rig.st.clone();
    rig.engine().on_tx_report(&mut st, TxReport::NotSent { f_cnt: plan.f_cnt });
    assert_eq!(st.slow.pending_requests, asked.commands);
    assert_eq!(st.hot.n_f_cnt_down, Some(plan.f_cnt - 1));
}

/// A group: no uplinks, its own keys.
fn group(version: MacVersion, class: DeviceClass) -> (Rig, Aes128Key) {
    let mut rig = Rig::abp(version);
    let mc_key = Aes128Key::new([3; 16]);
    let dev_addr = DevAddr::from_u32(0x2600_00FF);
    let session = Session {
        dev_addr,
        keys: NetworkKeys::v1_0(mc_nwk_s_key(&mc_key, dev_addr)),
        session_key_id: SessionKeyId::new(b"group").unwrap(),
        started_at: Timestamp::UNIX_EPOCH,
    };
    rig.classes =
        Classes { b: class == DeviceClass::B, c: class == DeviceClass::C, multicast: true };
    rig.settings = MacSettings { ping_slot_periodicity: Some(1), ..MacSettings::default() };
    rig.st = rig.engine().new_abp(version, session);
    (rig, mc_app_s_key(&mc_key, dev_addr))
}

// NS-100
#[test]
fn a_group_hears_its_items_under_its_own_keys_and_nothing_else() {
    for version in [MacVersion::V1_0_3, MacVersion::V1_1] {
        for class in [DeviceClass::B, DeviceClass::C] {
            let (mut rig, app_s_key) = group(version, class);
            let session = rig.st.slow.session.clone().unwrap();
            let id = session.session_key_id.clone();
            let mut payload = b"to all".to_vec();
            let (way, addr) = (Direction::Downlink, session.dev_addr);
            encrypt_frm_payload(&app_s_key, way, addr, 1, &mut payload);
            let confirmed = QueuedDownlink { confirmed: true, ..item(&id, 0, &payload) };
            let now = rig.now;
            let decision = begin(&mut rig, &[confirmed, item(&id, 1, &payload)], now);
            let reasons: Vec<_> = decision.dropped.iter().map(|it| it.reason).collect();
            assert_eq!(reasons, [QueueDrop::ConfirmedMulticast]);
            let plan = decision.result.unwrap();
            let phy = frame::parse(plan.tx.bytes.clone()).unwrap();
            let data = phy.data().unwrap();
            assert!(!data.uplink && !data.confirmed && !data.f_ctrl.adr && !data.f_ctrl.ack);
            assert!(data.f_opts.is_empty());
            let key = &session.keys.s_nwk_s_int_key;
            let mic = downlink_mic_1_1(key, addr, 1, 0, phy.without_mic());
            assert_eq!(phy.mic(), mic);
            assert_eq!(open_frm_payload(&app_s_key, &phy, 1), b"to all");
            assert_eq!(plan.tx.class, class);
        }
    }
}

// NS-100
#[test]
fn a_group_never_sends_and_has_no_receive_windows() {
    let (mut rig, _) = group(MacVersion::V1_0_3, DeviceClass::C);
    let (mut device, st) = (Rig::abp(MacVersion::V1_0_3), rig.st.clone());
    device.st.slow.session = st.slow.session.clone();
    let tx = device.send(b"x", false);
    let mut bytes = tx.bytes.clone();
    bytes[1..5].copy_from_slice(&st.slow.session.as_ref().unwrap().dev_addr.to_le_bytes());
    let phy = frame::parse(bytes).unwrap();
    let radio = super::rig::radio(&tx);
    let refused = rig.engine().try_match(&st, Candidate::Current, &phy, &radio, rig.now);
    assert_eq!(refused, Err(Reject::MulticastUplink));
    let channel = rig.engine().join_channel(&radio).unwrap();
    let slot = Slot::ClassA { received_at: rig.now, channel };
    let id = rig.session_key_id();
    let mut st = rig.st.clone();
    let decision = rig.engine().next_downlink(&mut st, &slot, &[item(&id, 0, b"x")], rig.now);
    assert_eq!(decision.result, Err(NoDownlink::NoWindow));
    rig.st = st;
    assert_eq!(rig.st.hot.n_f_cnt_down, None);
}

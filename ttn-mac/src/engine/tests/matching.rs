//! Counters, retransmissions, resets.

use core::time::Duration;

use ttn_core::radio::{DataRate, Frequency};

use super::rig::{Rig, item};
use crate::{
    device::Misbehaviour,
    engine::{QueuedDownlink, Reject, UplinkKind},
    state::MacSettings,
    version::{MacVersion, PhyVersion},
};

// NS-08
#[test]
fn a_counter_rolls_over_at_16_bits_unless_the_device_has_no_more() {
    let mut rig = Rig::abp(MacVersion::V1_0_3);
    rig.st.hot.f_cnt_up = Some(65_535);
    rig.device.set_next_f_cnt_up(65_536);
    let tx = rig.send(b"x", false);
    rig.settings = MacSettings { supports_32_bit_f_cnt: Some(false), ..MacSettings::default() };
    assert_eq!(rig.receive(&tx), Err(Reject::FCntExhausted { last: 65_535, got: 0 }));
    rig.settings = MacSettings::default();
    assert_eq!(rig.receive(&tx).unwrap().f_cnt, 65_536);
}

// NS-09
#[test]
fn a_jump_above_16384_is_refused_before_1_0_4() {
    let refusal = |version| {
        let mut rig = Rig::abp(version);
        rig.st.hot.f_cnt_up = Some(5);
        rig.device.set_next_f_cnt_up(20_005);
        let tx = rig.send(b"x", false);
        rig.receive(&tx).map(|outcome| outcome.f_cnt)
    };
    let too_large = Reject::FCntGapTooLarge { last: 5, got: 20_005, max: 16_384 };
    assert_eq!(refusal(MacVersion::V1_0_3), Err(too_large));
    assert_eq!(refusal(MacVersion::V1_0_4), Ok(20_005));
}

// NS-10
#[test]
fn an_old_frame_is_a_replay_by_name() {
    let mut rig = Rig::abp(MacVersion::V1_0_3);
    let old = rig.send(b"old", false);
    rig.receive(&old).unwrap();
    rig.exchange(b"new");
    assert_eq!(rig.receive(&old), Err(Reject::FCntReplayed { last: 1, got: 0 }));
    assert_eq!(rig.receive(&old).unwrap_err().name(), "f_cnt_replayed");
}

// NS-10, promise 4
#[test]
fn an_abp_device_may_start_again_if_its_settings_say_so_and_downlink_counters_go_on() {
    let mut rig = Rig::abp(MacVersion::V1_0_3);
    rig.settings = MacSettings { resets_f_cnt: Some(true), ..MacSettings::default() };
    rig.settle();
    rig.exchange(b"a");
    let down = rig.st.hot.n_f_cnt_down;
    assert!(down.is_some());
    let mut rebooted = Rig::abp(MacVersion::V1_0_3);
    core::mem::swap(&mut rig.device, &mut rebooted.device);
    let tx = rig.send(b"after reboot", false);
    let outcome = rig.receive(&tx).unwrap();
    assert_eq!((outcome.kind, outcome.f_cnt), (UplinkKind::Reset, 0));
    assert_eq!(rig.st.slow.current.rx1_delay, 1, "the device is as from the factory");
    assert_eq!(rig.st.hot.n_f_cnt_down, down);
    assert_eq!(rig.st.slow.session.as_ref().unwrap().started_at, rig.now);
}

// NS-11
#[test]
fn a_frame_of_another_key_is_a_mic_mismatch() {
    let mut rig = Rig::abp(MacVersion::V1_0_3);
    let mut tx = rig.send(b"x", false);
    *tx.bytes.last_mut().unwrap() ^= 1;
    assert_eq!(rig.receive(&tx), Err(Reject::MicMismatch { f_cnt: 0 }));
}

// NS-12
#[test]
fn a_confirmed_uplink_sent_three_times_is_delivered_once_and_acknowledged_three_times() {
    let mut rig = Rig::abp(MacVersion::V1_0_3);
    rig.settle();
    let tx = rig.send(b"x", true);
    let mut counters = alloc::vec![];
    for round in 0..3 {
        let outcome = rig.receive(&tx).unwrap();
        assert_eq!(outcome.deliver, round == 0);
        let plan = rig.decide(&outcome, &[]).result.unwrap();
        assert!(plan.ack);
        counters.push(plan.f_cnt);
        rig.wait(8);
    }
    assert!(counters.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{counters:?}");
}

// NS-12
#[test]
fn retransmissions_end_with_nb_trans_and_with_time() {
    let mut rig = Rig::abp(MacVersion::V1_0_3);
    rig.settle();
    rig.st.slow.current.adr_nb_trans = 2;
    let tx = rig.send(b"x", false);
    rig.receive(&tx).unwrap();
    let mut late = rig.st.clone();
    assert_eq!(rig.receive(&tx).unwrap().kind, UplinkKind::Retransmission);
    let f_cnt = rig.st.hot.f_cnt_up.unwrap();
    assert_eq!(rig.receive(&tx), Err(Reject::TooManyRepeats { f_cnt, sent: 3, max: 2 }));

    rig.wait(17);
    core::mem::swap(&mut rig.st, &mut late);
    let (after, max) = (Duration::from_secs(17), Duration::from_secs(16));
    assert_eq!(rig.receive(&tx), Err(Reject::RetransmissionTooLate { f_cnt, after, max }));
}

// NS-13
// TS001-1.0.4 §4.1
#[test]
fn an_uplink_that_is_too_long_for_its_data_rate_is_refused_in_1_0_4_only() {
    let long = |version| {
        let mut rig = Rig::abp(version);
        rig.device
            .misbehave(Misbehaviour { exceeds_length_limit: true, ..Misbehaviour::default() });
        let tx = rig.send(&[0; 100], false);
        rig.receive(&tx).map(|outcome| outcome.f_cnt)
    };
    assert_eq!(long(MacVersion::V1_0_4), Err(Reject::TooLong { size: 108, max: 59 }));
    assert_eq!(long(MacVersion::V1_0_3), Ok(0));
}

// NS-16
#[test]
fn unknown_frequencies_and_data_rates_are_refused_by_name() {
    let mut rig = Rig::abp(MacVersion::V1_0_3);
    let mut tx = rig.send(b"x", false);
    let known = tx.frequency;
    tx.frequency = Frequency::from_hz(869_000_000);
    assert_eq!(rig.receive(&tx), Err(Reject::UnknownChannel { frequency: tx.frequency }));
    tx.frequency = known;
    tx.data_rate = DataRate::lora(5, 125_000);
    assert_eq!(rig.receive(&tx), Err(Reject::UnknownDataRate { data_rate: tx.data_rate }));
}

// NS-20
#[test]
fn the_packet_error_rate_is_lost_over_expected() {
    let mut rig = Rig::abp(MacVersion::V1_0_3);
    let mut rate = None;
    for f_cnt in (0..20).filter(|f_cnt| f_cnt % 4 != 2) {
        rig.device.set_next_f_cnt_up(f_cnt);
        let tx = rig.send(b"x", false);
        rate = rig.receive(&tx).unwrap().packet_error_rate;
    }
    assert_eq!(rate, Some(0.25));
}

// NS-07
#[test]
fn a_pending_session_is_not_matched_by_a_frame_that_acknowledges() {
    let mut rig = Rig::otaa("EU_863_870", MacVersion::V1_0_3, PhyVersion::RP001_V1_0_3_REV_A);
    rig.join();
    let mut tx = rig.send(b"x", false);
    tx.bytes[5] |= 0x20;
    assert_eq!(rig.receive(&tx), Err(Reject::AckWithoutDownlink { f_cnt: 0 }));
}

// NS-11, NS-12: in LoRaWAN 1.1 the integrity code covers the counter of the downlink that is acknowledged.
#[test]
fn a_repeated_acknowledgement_is_that_of_the_downlink_before_the_lost_one() {
    let mut rig = Rig::otaa("EU_863_870_TTN", MacVersion::V1_1, PhyVersion::RP001_V1_1_REV_B);
    rig.join();
    rig.settle();
    rig.st.slow.current.adr_nb_trans = 3;
    let confirmed = |rig: &mut Rig, outcome: &crate::engine::Outcome| {
        let id = rig.session_key_id();
        let f_cnt = rig.engine().next_app_f_cnt(&rig.st);
        let payload = rig.encrypted(f_cnt, b"data");
        let queued = QueuedDownlink { confirmed: true, ..item(&id, f_cnt, &payload) };
        rig.decide(outcome, &[queued]).result.unwrap()
    };
    let tx = rig.send(b"x", false);
    let outcome = rig.receive(&tx).unwrap();
    let plan = confirmed(&mut rig, &outcome);
    rig.device.hear(&plan.tx.bytes).unwrap();
    // It acknowledges, does not hear the next confirmed downlink, and sends the same once more.
    let tx = rig.send(b"y", false);
    let outcome = rig.receive(&tx).unwrap();
    confirmed(&mut rig, &outcome);
    rig.wait(5);
    assert_eq!(rig.receive(&tx).unwrap().kind, UplinkKind::Retransmission);
}

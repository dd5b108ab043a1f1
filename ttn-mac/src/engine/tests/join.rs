//! Joining and the first frames of a session.

use ttn_core::radio::{DataRate, Frequency};

use super::rig::{Rig, item, radio};
use crate::{
    command::Command,
    engine::{NoDownlink, Reject, UplinkKind, UplinkRadio},
    frame::CfList,
    state::MacSettings,
    version::{MacVersion, PhyVersion},
};

/// A whole life: join, uplink, settled parameters, application downlink with acknowledgement, and what both sides then
/// believe.
fn whole_life(mut rig: Rig) {
    rig.join();
    assert!(rig.st.slow.session.is_none(), "the old session ends only when the new one is proven");
    let tx = rig.send(b"hello", false);
    let outcome = rig.receive(&tx).unwrap();
    assert_eq!(
        (outcome.kind, outcome.f_cnt, outcome.deliver),
        (UplinkKind::SessionStarted, 0, true)
    );
    assert!(rig.st.slow.pending_session.is_none() && rig.st.slow.session.is_some());
    let _ = rig.answer(&tx, &outcome, &[]);
    rig.settle();

    let id = rig.session_key_id();
    let f_cnt = rig.engine().next_app_f_cnt(&rig.st);
    let payload = rig.encrypted(f_cnt, b"open the door");
    let tx = rig.send(b"x", true);
    let outcome = rig.receive(&tx).unwrap();
    let confirmed = crate::engine::QueuedDownlink { confirmed: true, ..item(&id, f_cnt, &payload) };
    let (plan, heard) = rig.answer(&tx, &outcome, &[confirmed]).unwrap();
    assert!(plan.ack && plan.confirmed && !plan.f_pending && plan.item == Some(0));
    assert_eq!(
        (heard.payload.as_slice(), heard.f_port, heard.ack),
        (&b"open the door"[..], Some(7), true)
    );

    let tx = rig.send(b"y", false);
    let result = rig.receive(&tx).unwrap().queue_result.unwrap();
    assert_eq!((result.f_cnt, result.acknowledged), (f_cnt, true));

    let (device, current) = (rig.device.parameters(), &rig.st.slow.current);
    assert_eq!(device.rx1_delay, current.rx1_delay);
    assert_eq!(device.rx1_delay, 5);
    assert_eq!(device.rx1_dr_offset, current.rx1_dr_offset);
    assert_eq!(device.rx2_data_rate, current.rx2_data_rate);
    assert_eq!(device.rx2_frequency, current.rx2_frequency);
    assert_eq!(device.channels, current.channels);
    assert_eq!(device.data_rate, current.adr_data_rate);
    assert_eq!(device.tx_power_index, current.adr_tx_power_index);
    assert_eq!(device.nb_trans, current.adr_nb_trans);
    assert_eq!(current.channels.enabled, rig.st.slow.desired.channels.enabled);
}

// NS-15, NS-24 to NS-26, NS-87
#[test]
fn a_1_0_3_device_in_eu868_joins_and_talks() {
    whole_life(Rig::otaa("EU_863_870_TTN", MacVersion::V1_0_3, PhyVersion::RP001_V1_0_3_REV_A));
}

#[test]
fn a_1_0_2_device_in_eu868_joins_and_talks() {
    whole_life(Rig::otaa("EU_863_870", MacVersion::V1_0_2, PhyVersion::RP001_V1_0_2_REV_B));
}

#[test]
fn a_1_0_4_device_in_eu868_joins_and_talks() {
    whole_life(Rig::otaa("EU_863_870_TTN", MacVersion::V1_0_4, PhyVersion::RP002_V1_0_4));
}

// NS-11, NS-14, NS-30
#[test]
fn a_1_1_device_in_eu868_joins_and_talks() {
    whole_life(Rig::otaa("EU_863_870_TTN", MacVersion::V1_1, PhyVersion::RP001_V1_1_REV_B));
}

#[test]
fn a_1_0_3_device_in_us915_joins_and_talks() {
    whole_life(Rig::otaa("US_902_928_FSB_2", MacVersion::V1_0_3, PhyVersion::RP001_V1_0_2_REV_B));
}

#[test]
fn a_1_0_device_in_us915_joins_and_talks() {
    whole_life(Rig::otaa("US_902_928_FSB_2", MacVersion::V1_0, PhyVersion::TS001_V1_0));
}

#[test]
fn a_1_1_device_in_us915_joins_and_talks() {
    whole_life(Rig::otaa("US_902_928_FSB_2", MacVersion::V1_1, PhyVersion::RP001_V1_1_REV_B));
}

// NS-24, NS-25
#[test]
fn a_join_accept_carries_desired_windows_and_channels() {
    let mut rig = Rig::otaa("EU_863_870_TTN", MacVersion::V1_0_3, PhyVersion::RP001_V1_0_3_REV_A);
    let tx = rig.device.join(&super::rig::Zero).unwrap();
    let channel = rig.engine().join_channel(&radio(&tx)).unwrap();
    let parameters = rig.engine().join_parameters(&rig.st, channel);
    assert_eq!(parameters.rx_delay, 5);
    assert_eq!(parameters.dl_settings.rx2_dr.get(), 3);
    assert!(!parameters.dl_settings.opt_neg);
    let frequencies = [867_100_000, 867_300_000, 867_500_000, 867_700_000, 867_900_000];
    assert_eq!(parameters.cf_list, Some(CfList::Frequencies(frequencies.map(Frequency::from_hz))));
}

// NS-27
#[test]
fn a_join_request_on_an_unknown_channel_is_refused_by_name() {
    let rig = Rig::otaa("EU_863_870_TTN", MacVersion::V1_0_3, PhyVersion::RP001_V1_0_3_REV_A);
    let frequency = Frequency::from_hz(867_100_000);
    let radio = UplinkRadio { frequency, data_rate: DataRate::lora(7, 125_000) };
    assert_eq!(rig.engine().join_channel(&radio), Err(Reject::UnknownChannel { frequency }));
}

// NS-94
#[test]
fn a_join_accept_is_not_sent_while_downlinks_are_off_but_the_session_is_noted() {
    let mut rig = Rig::otaa("EU_863_870_TTN", MacVersion::V1_0_3, PhyVersion::RP001_V1_0_3_REV_A);
    let tx = rig.device.join(&super::rig::Zero).unwrap();
    rig.accept(&tx);
    let pending = rig.st.slow.pending_session.clone().unwrap();
    rig.settings = MacSettings { schedule_downlinks: Some(false), ..MacSettings::default() };
    let mut st = rig.st.clone();
    st.slow.pending_session = None;
    let joined = crate::engine::JoinAccepted {
        session: pending.session,
        parameters: pending.parameters,
        phy: alloc::vec![0; 33],
        channel: rig.engine().join_channel(&radio(&tx)).unwrap(),
        received_at: rig.now,
    };
    assert_eq!(rig.engine().on_join(&mut st, joined, rig.now), Err(NoDownlink::Disabled));
    assert!(st.slow.pending_session.is_some());
}

// NS-30
#[test]
fn the_first_frame_of_a_1_1_session_must_have_rekey_ind() {
    let mut rig = Rig::otaa("EU_863_870_TTN", MacVersion::V1_1, PhyVersion::RP001_V1_1_REV_B);
    rig.join();
    // A frame of the same session without commands, as the device would never send it.
    let session = rig.st.slow.pending_session.as_ref().unwrap().session.clone();
    let frame = crate::frame::DataFrame {
        uplink: true,
        confirmed: false,
        dev_addr: session.dev_addr,
        f_ctrl: Default::default(),
        f_cnt: 0,
        f_opts: alloc::vec![],
        f_port: Some(1),
        frm_payload: alloc::vec![1],
    };
    let mut tx = rig.send(b"x", false);
    let context = crate::session::UplinkContext {
        f_cnt: 0,
        conf_f_cnt: 0,
        data_rate: tx.data_rate_index,
        channel: tx.channel,
    };
    let good = tx.clone();
    tx.bytes =
        crate::session::seal_uplink(&session.keys, MacVersion::V1_1, frame, &context).unwrap();
    let before = rig.st.clone();
    assert_eq!(rig.receive(&tx), Err(Reject::RekeyIndMissing { f_cnt: 0 }));
    assert_eq!(rig.st, before, "a refusal changes nothing");

    let outcome = rig.receive(&good).unwrap();
    assert_eq!(outcome.kind, UplinkKind::SessionStarted);
    let (plan, _) = rig.answer(&good, &outcome, &[]).unwrap();
    assert_eq!(plan.commands.first(), Some(&Command::RekeyConf { minor_version: 1 }));
}

// NS-15, promise 6
#[test]
fn the_old_session_stays_in_use_until_the_device_has_proven_the_new_one() {
    let mut rig = Rig::otaa("EU_863_870_TTN", MacVersion::V1_0_3, PhyVersion::RP001_V1_0_3_REV_A);
    rig.join();
    rig.settle();
    let old = rig.st.slow.session.clone();
    let before_rejoin = rig.device.clone();
    rig.join();
    assert_eq!(rig.st.slow.session, old);
    let joined = core::mem::replace(&mut rig.device, before_rejoin);
    let tx = rig.send(b"old", false);
    assert_eq!(rig.receive(&tx).unwrap().kind, UplinkKind::New);
    assert!(rig.st.slow.pending_session.is_some());
    rig.device = joined;
    let tx = rig.send(b"new", false);
    assert_eq!(rig.receive(&tx).unwrap().kind, UplinkKind::SessionStarted);
    assert_ne!(rig.st.slow.session, old);
}

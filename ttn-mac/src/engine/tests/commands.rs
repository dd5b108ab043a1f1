//! MAC commands between network and device.

use alloc::{vec, vec::Vec};

use ttn_core::radio::{DataRateIndex, Frequency};

use super::rig::{Rig, Zero};
use crate::{
    command::Command,
    device::Misbehaviour,
    engine::{DownlinkReason, MacEvent},
    state::{AdrMode, AdrStatic, DeviceStatus, MacSettings},
    version::{MacVersion, PhyVersion},
};

fn settled(version: MacVersion) -> Rig {
    let mut rig = Rig::otaa("EU_863_870_TTN", version, PhyVersion::RP001_V1_0_3_REV_A);
    rig.join();
    rig.settle();
    rig
}

// NS-45: data rate 0 has its floor at -20 dB.
#[test]
fn link_check_tells_margin_and_gateways() {
    let mut rig = settled(MacVersion::V1_0_3);
    rig.device.request(Command::LinkCheckReq);
    let (_, answer) = rig.exchange(b"x");
    let (plan, heard) = answer.unwrap();
    assert_eq!(plan.reasons, [DownlinkReason::Answers]);
    assert_eq!(heard.commands, [Command::LinkCheckAns { margin: 15, gateway_count: 2 }]);
}

// NS-56
#[test]
fn device_time_is_gps_time_of_reception() {
    let mut rig = settled(MacVersion::V1_0_3);
    rig.device.request(Command::DeviceTimeReq);
    let tx = rig.send(b"x", false);
    rig.now = rig.now.plus(core::time::Duration::from_millis(500));
    let outcome = rig.receive(&tx).unwrap();
    let (_, heard) = rig.answer(&tx, &outcome, &[]).unwrap();
    let unix = rig.now.unix_nanos() / 1_000_000_000;
    let gps_seconds = u32::try_from(unix - 315_964_800 + 18).unwrap();
    assert_eq!(heard.commands, [Command::DeviceTimeAns { gps_seconds, fraction_256: 128 }]);
}

// NS-50, NS-51, NS-48, NS-66
#[test]
fn an_abp_device_gets_windows_and_channels_by_command() {
    let mut rig = Rig::abp(MacVersion::V1_0_3);
    let (_, answer) = rig.exchange(b"x");
    let (plan, _) = answer.unwrap();
    let names: Vec<_> = plan.commands.iter().map(Command::name).collect();
    assert_eq!(names[..2], ["RxParamSetupReq", "NewChannelReq"], "{names:?}");
    assert_eq!(names.iter().filter(|name| **name == "NewChannelReq").count(), 5);
    assert_eq!(names.last(), Some(&"RxTimingSetupReq"));
    rig.settle();
    let (device, slow) = (rig.device.parameters(), &rig.st.slow);
    assert_eq!(device.rx1_delay, 5);
    assert_eq!(device.rx2_data_rate.get(), 3);
    assert_eq!(slow.current.channels, slow.desired.channels);
    assert_eq!(device.channels, slow.current.channels);
}

// NS-69, NS-71, NS-72
#[test]
fn adr_raises_the_data_rate_and_the_device_follows() {
    let mut rig = settled(MacVersion::V1_0_3);
    rig.snr = 10.0;
    let (outcome, answer) = rig.exchange(b"x");
    assert!(outcome.events.iter().any(|event| matches!(event, MacEvent::AdrDecided(_))));
    assert!(matches!(answer.unwrap().1.commands[..], [Command::LinkAdrReq { .. }]));
    rig.settle();
    assert_eq!(rig.device.parameters().data_rate.get(), 5);
    assert_eq!(rig.st.slow.current.adr_data_rate.get(), 5);
}

// NS-68
#[test]
fn static_adr_fixes_data_rate_power_and_repetitions_and_disabled_adr_asks_nothing() {
    let mut rig = settled(MacVersion::V1_0_4);
    let fixed =
        AdrStatic { data_rate: DataRateIndex::from_low_bits(2), tx_power_index: 3, nb_trans: 2 };
    rig.settings = MacSettings { adr: Some(AdrMode::Static(fixed)), ..MacSettings::default() };
    rig.settle();
    let device = rig.device.parameters();
    assert_eq!((device.data_rate.get(), device.tx_power_index, device.nb_trans), (2, 3, 2));

    rig.settings = MacSettings { adr: Some(AdrMode::Disabled), ..MacSettings::default() };
    rig.snr = 20.0;
    assert_eq!(rig.exchange(b"x").1, None);
}

// NS-41
#[test]
fn a_refused_data_rate_is_not_asked_again() {
    let mut rig = settled(MacVersion::V1_0_3);
    // The channels end at data rate 5.
    let fixed =
        AdrStatic { data_rate: DataRateIndex::from_low_bits(6), tx_power_index: 0, nb_trans: 1 };
    rig.settings = MacSettings { adr: Some(AdrMode::Static(fixed)), ..MacSettings::default() };
    assert!(rig.exchange(b"x").1.is_some());
    rig.settle();
    assert_eq!(rig.st.slow.rejected.adr_data_rates, 1 << 6);
    assert_eq!(rig.st.slow.current.adr_data_rate.get(), 0);
}

// NS-75
#[test]
fn a_device_that_lowers_its_data_rate_is_believed() {
    let mut rig = settled(MacVersion::V1_0_3);
    rig.snr = 10.0;
    rig.exchange(b"x");
    rig.settle();
    rig.snr = -15.0;
    rig.device.set_data_rate(DataRateIndex::from_low_bits(1));
    rig.exchange(b"x");
    assert_eq!(rig.st.slow.current.adr_data_rate.get(), 1);
    assert_eq!(rig.st.slow.current.adr_tx_power_index, 0);
}

// NS-76
#[test]
fn adr_ack_req_is_answered() {
    let mut rig = settled(MacVersion::V1_0_3);
    rig.settings = MacSettings { adr: Some(AdrMode::Disabled), ..MacSettings::default() };
    // At its lowest data rate it would not ask.
    rig.device.set_data_rate(DataRateIndex::from_low_bits(2));
    let mut answered = None;
    for round in 0..70 {
        if let Some((plan, _)) = rig.exchange(b"x").1 {
            answered = Some((round, plan.reasons));
            break;
        }
    }
    let (round, reasons) = answered.unwrap();
    assert!(round >= 60, "{round}");
    assert_eq!(reasons, [DownlinkReason::AdrAckReq]);
}

// NS-40
#[test]
fn a_repeated_rx_timing_setup_ans_gets_an_empty_downlink_and_is_no_surprise() {
    let mut rig = Rig::abp(MacVersion::V1_0_3);
    rig.exchange(b"x");
    let tx = rig.send(b"x", false);
    let outcome = rig.receive(&tx).unwrap();
    assert!(outcome.reply_due);
    // The device does not hear the answer and repeats.
    let _ = rig.decide(&outcome, &[]);
    let tx = rig.send(b"y", false);
    let outcome = rig.receive(&tx).unwrap();
    let unexpected = |event: &MacEvent| matches!(event, MacEvent::AnswerUnexpected(_));
    assert!(!outcome.events.iter().any(unexpected), "{:?}", outcome.events);
    assert!(
        rig.decide(&outcome, &[]).result.unwrap().reasons.contains(&DownlinkReason::StickyAnswers)
    );
}

// NS-39
#[test]
fn a_request_that_is_not_answered_is_told_and_asked_again() {
    let mut rig = Rig::abp(MacVersion::V1_0_3);
    let tx = rig.send(b"x", false);
    let outcome = rig.receive(&tx).unwrap();
    let asked = rig.decide(&outcome, &[]).result.unwrap().commands.len();
    let tx = rig.send(b"the device has heard nothing", false);
    let outcome = rig.receive(&tx).unwrap();
    let unanswered = |event: &&MacEvent| matches!(event, MacEvent::Unanswered(_));
    assert_eq!(outcome.events.iter().filter(unanswered).count(), asked);
    assert_eq!(rig.decide(&outcome, &[]).result.unwrap().commands.len(), asked);
}

// NS-44
#[test]
fn a_1_1_abp_device_that_resets_gets_its_state_rebuilt_and_an_answer() {
    let mut rig = Rig::abp(MacVersion::V1_1);
    let (_, answer) = rig.exchange(b"x");
    assert_eq!(answer.unwrap().1.commands[0], Command::ResetConf { minor_version: 1 });
    rig.settle();
}

// NS-65
#[test]
fn unknown_commands_end_the_reading_and_are_told() {
    let mut rig = settled(MacVersion::V1_0_3);
    let frame = crate::frame::DataFrame {
        uplink: true,
        confirmed: false,
        dev_addr: rig.st.slow.session.as_ref().unwrap().dev_addr,
        f_ctrl: Default::default(),
        f_cnt: 0,
        f_opts: alloc::vec![0x02, 0x7F, 0x02],
        f_port: Some(1),
        frm_payload: alloc::vec![1],
    };
    let mut tx = rig.send(b"x", false);
    let context = crate::session::UplinkContext {
        f_cnt: rig.st.hot.f_cnt_up.unwrap() + 1,
        conf_f_cnt: 0,
        data_rate: tx.data_rate_index,
        channel: tx.channel,
    };
    let keys = &rig.st.slow.session.as_ref().unwrap().keys;
    tx.bytes = crate::session::seal_uplink(keys, MacVersion::V1_0_3, frame, &context).unwrap();
    let outcome = rig.receive(&tx).unwrap();
    assert_eq!(outcome.events.len(), 3, "{:?}", outcome.events);
    assert!(matches!(outcome.events[2], MacEvent::Unreadable(_)));
    assert!(outcome.deliver && outcome.reply_due);
}

// NS-49
#[test]
fn the_status_is_asked_after_so_many_uplinks_and_so_much_time() {
    let mut rig = Rig::abp(MacVersion::V1_0_3);
    rig.st.slow.desired = rig.st.slow.current.clone();
    rig.settings.status_count_periodicity = Some(3);
    let asked = |rig: &mut Rig| {
        let tx = rig.device.uplink(1, b"x", false, &Zero).unwrap();
        rig.receive(&tx).unwrap();
        let engine = rig.engine();
        let requests = engine.requests(&rig.st);
        requests.iter().flatten().any(|request| matches!(request, Command::DevStatusReq))
    };
    assert!(asked(&mut rig), "it never told");
    rig.st.slow.status =
        Some(DeviceStatus { battery: 1, margin: 1, received_at: rig.now, f_cnt_up: 0 });
    let turns: Vec<bool> = (0..3).map(|_| asked(&mut rig)).collect();
    assert_eq!(turns, [false, false, true]);
    rig.settings.status_count_periodicity = Some(0);
    assert!(!asked(&mut rig), "nobody wants to know");
    rig.settings.status_time_periodicity = Some(core::time::Duration::from_secs(3600));
    assert!(!asked(&mut rig));
    rig.wait(3600);
    assert!(asked(&mut rig));
}

// NS-39, NS-69: the device may have done what it was asked although its answer was lost.
#[test]
fn a_device_that_did_not_answer_link_adr_req_is_told_again_what_it_shall_do() {
    let mut rig = settled(MacVersion::V1_0_3);
    rig.st.slow.current.adr_nb_trans = 3;
    rig.st.slow.desired.adr_nb_trans = 2;
    let wanted = Command::LinkAdrReq {
        data_rate_index: rig.st.slow.current.adr_data_rate,
        tx_power_index: rig.st.slow.current.adr_tx_power_index,
        channel_mask: rig.st.slow.current.channels.enabled.bits() as u16,
        channel_mask_control: 0,
        nb_trans: 2,
    };
    rig.st.slow.pending_requests = vec![wanted];
    let tx = rig.send(b"no answer", false);
    let outcome = rig.receive(&tx).unwrap();
    assert!(outcome.events.contains(&MacEvent::Unanswered(wanted)));
    let Command::LinkAdrReq { data_rate_index, tx_power_index, channel_mask, .. } = wanted else {
        panic!("{wanted:?}")
    };
    let told = Command::LinkAdrReq {
        data_rate_index,
        tx_power_index,
        channel_mask,
        channel_mask_control: 0,
        nb_trans: 3,
    };
    let plan = rig.decide(&outcome, &[]).result.unwrap();
    assert_eq!(plan.commands, [told]);
    rig.device.hear(&plan.tx.bytes).unwrap();
    assert!(rig.exchange(b"an answer").1.is_none());
}

// NS-53, NS-40: a repeated DlChannelAns must not pass for the answer to a request that the device did not hear.
#[test]
fn no_dl_channel_req_while_the_device_repeats_its_last_answer() {
    let mut rig = settled(MacVersion::V1_0_3);
    let other = Frequency::from_hz(869_525_000);
    for index in [0, 1] {
        let channel = rig.st.slow.desired.channels.list[index].as_mut().unwrap();
        channel.downlink_frequency = other;
    }
    let is_dl_channel = |command: &Command| matches!(command, Command::DlChannelReq { .. });
    let (_, answer) = rig.exchange(b"x");
    assert_eq!(answer.unwrap().0.commands.iter().filter(|it| is_dl_channel(it)).count(), 2);
    rig.st.slow.desired.channels.list[2].as_mut().unwrap().downlink_frequency = other;
    let (_, answer) = rig.exchange(b"answers");
    assert!(!answer.unwrap().0.commands.iter().any(is_dl_channel));
    let (_, answer) = rig.exchange(b"no answers any more");
    assert_eq!(answer.unwrap().0.commands.iter().filter(|it| is_dl_channel(it)).count(), 1);
    rig.exchange(b"the last answer");
    assert_eq!(rig.device.parameters().channels, rig.st.slow.current.channels);
}

// NS-39
#[test]
fn a_device_that_ignores_requests_is_asked_less_and_less_often() {
    let mut rig = Rig::abp(MacVersion::V1_0_3);
    let ignores = vec![0x03, 0x05, 0x07, 0x08];
    rig.device.misbehave(Misbehaviour { ignores, ..Misbehaviour::default() });
    let mut asked = Vec::new();
    for uplink in 0..100_u32 {
        if rig.exchange(b"x").1.is_some() {
            asked.push(uplink);
        }
    }
    // Every uplink, every second, fourth, eighth, sixteenth.
    assert_eq!(asked, [0, 1, 2, 3, 4, 8, 16, 32, 48, 64, 80, 96]);

    // What is sent for another reason takes the requests along.
    let tx = rig.send(b"x", true);
    let outcome = rig.receive(&tx).unwrap();
    let (plan, _) = rig.answer(&tx, &outcome, &[]).unwrap();
    assert_eq!(plan.reasons, [DownlinkReason::Ack]);
    assert!(!plan.commands.is_empty());

    // As soon as it answers it is asked as before.
    rig.device.misbehave(Misbehaviour::default());
    rig.settle();
    assert_eq!(rig.st.hot.unanswered, 0);
    assert_eq!(rig.device.parameters().rx1_delay, 5);
}

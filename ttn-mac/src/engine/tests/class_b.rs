//! Class B, class changes, device status, rejoin parameters.

use core::time::Duration;

use ttn_core::{
    radio::{DataRateIndex, Frequency, time_on_air},
    time::GpsTime,
};

use super::rig::Rig;
use crate::{
    class_b::{BEACON_PERIOD_NANOS, PING_SLOT_NANOS, beacon_time},
    command::{Command, DeviceModeClass},
    engine::{Classes, MacEvent, NoClassB, Outcome},
    state::{DeviceClass, MacSettings},
    version::{MacVersion, PhyVersion},
};

const HZ: Frequency = Frequency::from_hz(869_525_000);

fn settled(version: MacVersion) -> Rig {
    let phy_version = if version.is_1_1() {
        PhyVersion::RP001_V1_1_REV_B
    } else {
        PhyVersion::RP001_V1_0_3_REV_A
    };
    let mut rig = Rig::otaa("EU_863_870_TTN", version, phy_version);
    rig.join();
    rig.settle();
    rig
}

// NS-60, NS-62, NS-66
#[test]
fn beacon_and_ping_slots_are_set_in_their_order_and_once() {
    let mut rig = settled(MacVersion::V1_0_3);
    let dr = DataRateIndex::from_low_bits(5);
    rig.settings = MacSettings {
        desired_beacon_frequency: Some(HZ),
        desired_ping_slot_frequency: Some(HZ),
        desired_ping_slot_data_rate: Some(dr),
        ..MacSettings::default()
    };
    let mut st = rig.st.clone();
    rig.engine().refresh_desired(&mut st);
    rig.st = st;
    let (plan, heard) = rig.exchange(b"x").1.unwrap();
    let wanted = [
        Command::BeaconFreqReq { frequency: HZ },
        Command::PingSlotChannelReq { frequency: HZ, data_rate_index: dr },
    ];
    assert_eq!(plan.commands, wanted);
    assert_eq!(heard.commands, wanted);
    rig.settle();
    let current = &rig.st.slow.current;
    assert_eq!((current.beacon_frequency, current.ping_slot_frequency), (HZ, HZ));
    assert_eq!(current.ping_slot_data_rate, Some(dr));
    assert_eq!(rig.device.parameters().ping_slot, Some((HZ, dr)));
    assert_eq!(rig.device.parameters().beacon_frequency, Some(HZ));
}

// NS-41, NS-62
#[test]
fn a_refused_beacon_frequency_is_not_asked_again() {
    let mut rig = settled(MacVersion::V1_0_3);
    let elsewhere = Frequency::from_hz(923_300_000);
    rig.st.slow.desired.beacon_frequency = elsewhere;
    rig.st.slow.desired.ping_slot_frequency = elsewhere;
    assert!(rig.exchange(b"x").1.is_some());
    rig.settle();
    assert_eq!(rig.st.slow.rejected.frequencies, [elsewhere]);
    assert!(rig.st.slow.current.beacon_frequency.is_zero());
    assert!(rig.st.slow.current.ping_slot_frequency.is_zero());
}

// NS-59
#[test]
fn ping_slot_info_is_not_taken_in_class_b() {
    let mut rig = settled(MacVersion::V1_0_3);
    rig.device.request(Command::PingSlotInfoReq { period: 3 });
    let (plan, _) = rig.exchange(b"x").1.unwrap();
    assert_eq!(plan.commands, [Command::PingSlotInfoAns]);
    assert_eq!(rig.st.slow.ping_slot_periodicity, Some(3));

    rig.classes.b = true;
    rig.st.slow.class = DeviceClass::B;
    let outcome = rig.uplink(true, &[Command::PingSlotInfoReq { period: 4 }]);
    assert!(rig.st.answers.is_empty());
    assert!(outcome.events.iter().any(|event| matches!(event, MacEvent::Unsupported(_))));
    assert_eq!(rig.st.slow.ping_slot_periodicity, Some(3));
}

// NS-61
#[test]
fn beacon_timing_is_not_answered_where_device_time_is_defined() {
    for version in [MacVersion::V1_0_3, MacVersion::V1_1] {
        let mut rig = settled(version);
        rig.device.request(Command::BeaconTimingReq);
        let (outcome, answer) = rig.exchange(b"x");
        assert_eq!(answer, None);
        let asked = Command::BeaconTimingReq;
        assert_eq!(outcome.events, [MacEvent::Received(asked), MacEvent::Unsupported(asked)]);
    }
}

// NS-61
#[test]
fn beacon_timing_tells_the_time_from_the_end_of_the_only_window() {
    let mut rig = Rig::otaa("EU_863_870_TTN", MacVersion::V1_0_2, PhyVersion::RP001_V1_0_2);
    rig.join();
    rig.settle();
    rig.device.request(Command::BeaconTimingReq);
    let (plan, _) = rig.exchange(b"x").1.unwrap();
    let [Command::BeaconTimingAns { delay, channel_index }] = plan.commands[..] else {
        panic!("{:?}", plan.commands)
    };
    let window = plan.tx.rx1.unwrap();
    assert_eq!((channel_index, plan.tx.rx2), (0, None));
    let on_air = time_on_air(plan.tx.bytes.len(), window.frequency, &window.data_rate).unwrap();
    let end = GpsTime::from_utc(window.opens_at.plus(on_air));
    let left = beacon_time(end).nanos() + BEACON_PERIOD_NANOS - end.nanos();
    let slots = i64::from(delay) * PING_SLOT_NANOS;
    assert!((slots..slots + PING_SLOT_NANOS).contains(&left), "{slots} {left}");
}

// NS-35, NS-63
#[test]
fn a_1_1_device_changes_its_class_and_older_ones_cannot() {
    let mut rig = settled(MacVersion::V1_1);
    rig.classes.c = true;
    let class = DeviceModeClass::C;
    rig.device.request(Command::DeviceModeInd { class });
    let (outcome, answer) = rig.exchange(b"x");
    assert_eq!(answer.unwrap().0.commands, [Command::DeviceModeConf { class }]);
    assert!(outcome.events.contains(&MacEvent::ClassSwitched(DeviceClass::C)));
    assert!(outcome.slow_changed);
    assert_eq!(rig.st.slow.class, DeviceClass::C);

    let mut rig = settled(MacVersion::V1_0_3);
    rig.device.request(Command::DeviceModeInd { class });
    assert_eq!(rig.exchange(b"x").1, None);
    assert_eq!(rig.st.slow.class, DeviceClass::A);
}

// NS-35, NS-63: what the registration does not have, the network does not do.
#[test]
fn a_1_1_device_without_class_c_is_told_that_it_stays_in_class_a() {
    let mut rig = settled(MacVersion::V1_1);
    rig.device.request(Command::DeviceModeInd { class: DeviceModeClass::C });
    let (outcome, answer) = rig.exchange(b"x");
    let stays = Command::DeviceModeConf { class: DeviceModeClass::A };
    assert_eq!(answer.unwrap().0.commands, [stays]);
    assert!(!outcome.events.iter().any(|event| matches!(event, MacEvent::ClassSwitched(_))));
    assert_eq!(rig.st.slow.class, DeviceClass::A);
}

// NS-35
#[test]
fn the_first_class_follows_from_registration_and_version() {
    let classes = |b, c, multicast| Classes { b, c, multicast };
    for (of, version, wanted) in [
        (classes(true, false, false), MacVersion::V1_0_3, DeviceClass::A),
        (classes(true, true, false), MacVersion::V1_0_4, DeviceClass::C),
        (classes(true, true, false), MacVersion::V1_1, DeviceClass::A),
        (classes(true, true, true), MacVersion::V1_0_3, DeviceClass::C),
        (classes(true, false, true), MacVersion::V1_1, DeviceClass::B),
    ] {
        let rig = Rig::abp(version);
        let session = rig.st.slow.session.clone().unwrap();
        let st = rig.engine().with_classes(of).new_abp(version, session);
        assert_eq!(st.slow.class, wanted, "{of:?} {version:?}");
    }
    // NS-37: a group cannot be asked for anything.
    let mut rig = Rig::abp(MacVersion::V1_0_3);
    rig.classes = classes(false, true, true);
    rig.settings.rx2_data_rate = Some(DataRateIndex::from_low_bits(2));
    rig.settings.desired_rx2_data_rate = Some(DataRateIndex::from_low_bits(3));
    let mut st = rig.st.clone();
    rig.engine().refresh_desired(&mut st);
    assert_eq!((st.slow.class, st.slow.current.rx2_data_rate.get()), (DeviceClass::C, 2));
    assert_eq!(st.slow.desired, st.slow.current);
}

// NS-35: a device in class C that is no class C device any more.
#[test]
fn a_class_that_the_registration_loses_is_given_up() {
    let mut rig = settled(MacVersion::V1_0_3);
    rig.classes.c = true;
    let mut st = rig.st.clone();
    rig.engine().refresh_desired(&mut st);
    assert_eq!(st.slow.class, DeviceClass::C);
    rig.classes.c = false;
    rig.engine().refresh_desired(&mut st);
    assert_eq!(st.slow.class, DeviceClass::A);
}

// NS-35, NS-36
#[test]
fn the_class_b_bit_needs_all_that_class_b_needs() {
    let mut rig = settled(MacVersion::V1_0_3);
    let missing = |outcome: Outcome| {
        outcome.events.into_iter().find_map(|event| match event {
            MacEvent::ClassBIgnored(missing) => Some(missing),
            _ => None,
        })
    };
    assert_eq!(missing(rig.uplink(true, &[])), Some(NoClassB::NotSupported));
    rig.classes.b = true;
    assert_eq!(missing(rig.uplink(true, &[])), Some(NoClassB::Periodicity));
    assert_eq!(rig.st.slow.class, DeviceClass::A);

    let outcome = rig.uplink(true, &[Command::PingSlotInfoReq { period: 5 }]);
    assert_eq!(outcome.events.last(), Some(&MacEvent::ClassSwitched(DeviceClass::B)));
    assert_eq!((rig.st.slow.class, outcome.slow_changed), (DeviceClass::B, true));
    let outcome = rig.uplink(true, &[]);
    assert_eq!(outcome.events, [], "nothing has changed");
}

// NS-35, NS-59
#[test]
fn class_b_ends_when_the_bit_clears() {
    for (c, back) in [(false, DeviceClass::A), (true, DeviceClass::C)] {
        let mut rig = settled(MacVersion::V1_0_3);
        rig.classes = Classes { b: true, c, multicast: false };
        rig.st.slow.ping_slot_periodicity = Some(0);
        rig.uplink(true, &[]);
        assert_eq!(rig.st.slow.class, DeviceClass::B);
        let slower = Command::PingSlotInfoReq { period: 7 };
        let outcome = rig.uplink(false, &[slower]);
        assert_eq!(outcome.events.first(), Some(&MacEvent::ClassSwitched(back)));
        assert_eq!(rig.st.slow.class, back);
        assert_eq!(rig.st.slow.ping_slot_periodicity, Some(7));
    }
}

// NS-35: what comes after a join is a new session, whatever was before.
#[test]
fn a_new_session_starts_in_its_first_class() {
    let mut rig = settled(MacVersion::V1_0_3);
    rig.classes.b = true;
    rig.st.slow.ping_slot_periodicity = Some(0);
    rig.uplink(true, &[]);
    rig.join();
    let tx = rig.send(b"first", false);
    let outcome = rig.receive(&tx).unwrap();
    assert!(outcome.events.contains(&MacEvent::ClassSwitched(DeviceClass::A)));
}

// NS-38, NS-58
#[test]
fn device_settings_come_before_those_of_the_network() {
    let mut rig = Rig::abp(MacVersion::V1_1);
    let dr = DataRateIndex::from_low_bits;
    rig.defaults = MacSettings {
        ping_slot_periodicity: Some(2),
        desired_ping_slot_data_rate: Some(dr(2)),
        ping_slot_frequency: Some(HZ),
        desired_rejoin_time_exponent: Some(3),
        desired_rejoin_count_exponent: Some(4),
        ..MacSettings::default()
    };
    rig.settings = MacSettings {
        desired_ping_slot_data_rate: Some(dr(5)),
        desired_rejoin_count_exponent: Some(9),
        ..MacSettings::default()
    };
    let session = rig.st.slow.session.clone().unwrap();
    let slow = rig.engine().new_abp(MacVersion::V1_1, session).slow;
    assert_eq!(slow.ping_slot_periodicity, Some(2));
    assert_eq!(slow.desired.ping_slot_data_rate, Some(dr(5)));
    assert_eq!(slow.desired.ping_slot_frequency, HZ, "what the device has is what it shall have");
    assert_eq!(slow.desired.rejoin_time_exponent, 3);
    assert_eq!(slow.desired.rejoin_count_exponent, 9);
    assert_eq!(slow.current.rejoin_count_exponent, 0);
}

// NS-49
#[test]
fn the_status_is_asked_where_nobody_says_otherwise() {
    let mut rig = settled(MacVersion::V1_0_3);
    rig.defaults = MacSettings::default();
    let asks = |rig: &mut Rig| {
        let answer = rig.exchange(b"x").1;
        answer.is_some_and(|(plan, _)| plan.commands.contains(&Command::DevStatusReq))
    };
    assert!(asks(&mut rig), "nothing is known");
    let rounds = (0..300).find(|_| asks(&mut rig)).unwrap();
    assert_eq!(rounds, 200, "200 uplinks after the one that told it");
    assert!(!asks(&mut rig));
    rig.now = rig.now.plus(Duration::from_secs(86_400));
    assert!(asks(&mut rig), "a day has passed");
}

// NS-49
#[test]
fn the_status_is_asked_at_once_and_again_after_uplinks_or_time() {
    let asks = |rig: &mut Rig| match rig.exchange(b"x").1 {
        Some((plan, _)) => plan.commands.contains(&Command::DevStatusReq),
        None => false,
    };
    let mut rig = settled(MacVersion::V1_0_3);
    assert!(!asks(&mut rig), "nothing is set");
    rig.settings = MacSettings { status_count_periodicity: Some(5), ..MacSettings::default() };
    assert!(asks(&mut rig), "nothing is known");
    assert!(!asks(&mut rig));
    assert_eq!(rig.st.slow.status.map(|status| (status.battery, status.margin)), Some((255, 10)));
    let rounds = (0..10).find(|_| asks(&mut rig)).unwrap();
    assert_eq!(rounds, 4, "five uplinks after the one that told it");

    let period = Duration::from_secs(86_400);
    rig.settings = MacSettings { status_time_periodicity: Some(period), ..MacSettings::default() };
    assert!(!asks(&mut rig));
    rig.now = rig.now.plus(period);
    assert!(asks(&mut rig));
}

// NS-58
#[test]
fn a_device_that_cannot_measure_time_keeps_the_count_of_rejoin_parameters() {
    let mut rig = settled(MacVersion::V1_1);
    rig.st.slow.desired.rejoin_time_exponent = 4;
    rig.st.slow.desired.rejoin_count_exponent = 5;
    let (plan, _) = rig.exchange(b"x").1.unwrap();
    let wanted = Command::RejoinParamSetupReq { max_time_exponent: 4, max_count_exponent: 5 };
    assert_eq!(plan.commands, [wanted]);
    rig.settle();
    let current = &rig.st.slow.current;
    assert_eq!((current.rejoin_time_exponent, current.rejoin_count_exponent), (0, 5));
}

// NS-52
#[test]
fn dwell_time_and_power_are_set_where_the_band_knows_them() {
    let mut rig = Rig::otaa("AS_923_DT", MacVersion::V1_0_3, PhyVersion::RP001_V1_0_3_REV_A);
    rig.join();
    let (plan, _) = rig.exchange(b"x").1.unwrap();
    let wanted = Command::TxParamSetupReq {
        max_eirp_index: 5,
        uplink_dwell_time: true,
        downlink_dwell_time: true,
    };
    assert_eq!(plan.commands, [wanted]);
    rig.settle();
    assert_eq!(rig.st.slow.current.downlink_dwell_time, Some(true));
    assert!(rig.device.parameters().downlink_dwell_time);
}

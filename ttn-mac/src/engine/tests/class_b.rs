//! Class B, class changes, device status, rejoin parameters.

use core::time::Duration;

use ttn_core::radio::{DataRateIndex, Frequency};

use super::rig::Rig;
use crate::{
    command::{Command, DeviceModeClass},
    engine::MacEvent,
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
fn ping_slot_info_is_taken_in_class_a_only() {
    let mut rig = settled(MacVersion::V1_0_3);
    rig.device.request(Command::PingSlotInfoReq { period: 3 });
    let (plan, _) = rig.exchange(b"x").1.unwrap();
    assert_eq!(plan.commands, [Command::PingSlotInfoAns]);
    assert_eq!(rig.st.slow.ping_slot_periodicity, Some(3));

    rig.st.slow.class = DeviceClass::B;
    rig.device.request(Command::PingSlotInfoReq { period: 4 });
    let (outcome, answer) = rig.exchange(b"x");
    assert_eq!(answer, None);
    assert!(outcome.events.iter().any(|event| matches!(event, MacEvent::Unsupported(_))));
    assert_eq!(rig.st.slow.ping_slot_periodicity, Some(3));
}

// NS-61
#[test]
fn beacon_timing_is_not_answered() {
    let mut rig = settled(MacVersion::V1_0_3);
    rig.device.request(Command::BeaconTimingReq);
    let (outcome, answer) = rig.exchange(b"x");
    assert_eq!(answer, None);
    assert_eq!(outcome.events, [MacEvent::Received(Command::BeaconTimingReq)]);
}

// NS-35, NS-63
#[test]
fn a_1_1_device_changes_its_class_and_older_ones_cannot() {
    let mut rig = settled(MacVersion::V1_1);
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

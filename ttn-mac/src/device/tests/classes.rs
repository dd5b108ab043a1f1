//! Class B, class C, multicast groups, relays.

use ttn_core::{radio::Frequency, time::GpsTime};

use super::*;
use crate::{
    class_b::{self, PingNb},
    crypto::payload::encrypt_frm_payload,
    frame::RelayForwardUplink,
};

const NOW: GpsTime = GpsTime::from_nanos(1_000_000_000_000);

// TS001-1.0.4 §12.1, §12.2, §12.3, §4.3.1.7
#[test]
fn ping_slots_open_when_the_network_knows_them_and_a_beacon_was_heard() {
    let mut device = plain();
    device.start_class_b(3);
    assert_eq!(f_opts(&mut device), [0x10, 0x03]);
    // It says so until it hears the answer.
    assert_eq!(f_opts(&mut device), [0x10, 0x03]);
    let phy = downlink(&device, 0, &[0x10], false);
    device.hear(&phy).unwrap();
    assert_eq!(f_opts(&mut device), [0_u8; 0]);
    assert_eq!(device.next_ping_slot(NOW), None);
    device.beacon_heard();
    let slot = device.next_ping_slot(NOW).unwrap();
    let ping_nb = PingNb::of_periodicity(3);
    let dev_addr = device.session().unwrap().dev_addr;
    assert_eq!(slot.opens_at, class_b::next_ping_slot(NOW, dev_addr, ping_nb));
    assert_eq!(slot.frequency.hz(), 869_525_000);
    let tx = device.uplink(1, &[], false, &Zero).unwrap();
    assert!(frame::parse(tx.bytes).unwrap().data().unwrap().f_ctrl.class_b);

    // PingSlotChannelReq moves the slots, BeaconFreqReq the beacon.
    let f_opts = [0x11, 0xD2, 0xAD, 0x84, 0x05, 0x13, 0xD2, 0xAD, 0x84];
    let phy = downlink(&device, 1, &f_opts, false);
    device.hear_in(&phy, WindowClass::B).unwrap();
    let moved = device.next_ping_slot(NOW).unwrap();
    assert_eq!(moved.opens_at, slot.opens_at);
    let rate = device.parameters().ping_slot.unwrap().1;
    assert_eq!((moved.frequency.hz(), rate.get()), (869_525_000, 5));
    assert_eq!(device.beacon_frequency(NOW), Some(moved.frequency));
    device.beacon_lost();
    assert_eq!(device.next_ping_slot(NOW), None);
}

// TS001-1.0.4 §2.1
#[test]
fn class_c_listens_with_the_parameters_of_rx2_all_the_time() {
    let mut device = plain();
    assert_eq!(device.continuous_windows(), []);
    device.set_class_c(true);
    let [window] = device.continuous_windows()[..] else { panic!("one window") };
    assert_eq!(window.frequency, device.parameters().rx2_frequency);
    // Sticky answers wait for class A.
    let phy = downlink(&device, 0, &[0x08, 0x03], false);
    device.hear_in(&phy, WindowClass::C).unwrap();
    assert_eq!(f_opts(&mut device), [0x08]);
    let phy = downlink(&device, 1, &[], false);
    device.hear_in(&phy, WindowClass::C).unwrap();
    assert_eq!(f_opts(&mut device), [0x08]);
    let phy = downlink(&device, 2, &[], false);
    device.hear(&phy).unwrap();
    assert_eq!(f_opts(&mut device), [0_u8; 0]);
}

// TS001-1.1 §18.1
#[test]
fn a_1_1_device_tells_its_class_until_the_network_confirms() {
    let mut device = abp(MacVersion::V1_1, PhyVersion::RP001_V1_1_REV_B);
    device.set_class_c(true);
    assert_eq!(f_opts(&mut device), [0x01, 0x01, 0x20, 0x02]);
    let phy = downlink(&device, 0, &[0x01, 0x01, 0x20, 0x02], false);
    device.hear(&phy).unwrap();
    assert_eq!(f_opts(&mut device), [0_u8; 0]);
    device.set_class_c(false);
    assert_eq!(f_opts(&mut device), [0x20, 0x00]);
}

fn group() -> MulticastSession {
    MulticastSession {
        dev_addr: DevAddr::from_u32(0x0A0B_0C0D),
        nwk_s_key: Aes128Key::new([3; 16]),
        app_s_key: Aes128Key::new([4; 16]),
        last_f_cnt_down: None,
        listens: MulticastListening::ClassC {
            frequency: Frequency::from_hz(869_525_000),
            data_rate: DataRateIndex::from_low_bits(3),
        },
    }
}

fn to_group(f_cnt: u32, confirmed: bool) -> Vec<u8> {
    let group = group();
    let mut frm_payload = b"all of you".to_vec();
    let direction = crate::command::Direction::Downlink;
    encrypt_frm_payload(&group.app_s_key, direction, group.dev_addr, f_cnt, &mut frm_payload);
    let frame = DataFrame {
        uplink: false,
        confirmed,
        dev_addr: group.dev_addr,
        f_ctrl: Default::default(),
        f_cnt: 0,
        f_opts: vec![],
        f_port: Some(7),
        frm_payload,
    };
    let keys = NetworkKeys::v1_0(group.nwk_s_key);
    let context = DownlinkContext { f_cnt, conf_f_cnt: 0 };
    seal_downlink(&keys, MacVersion::V1_0_4, frame, &context).unwrap()
}

// TS001-1.0.4 §9.3.2
#[test]
fn a_group_is_heard_once_and_has_nothing_to_confirm() {
    let mut device = plain();
    assert_eq!(device.hear_in(&to_group(0, false), WindowClass::C), Err(DeviceError::NotForMe));
    device.join_group(group());
    assert_eq!(device.continuous_windows().len(), 1);
    let heard = device.hear_in(&to_group(0, false), WindowClass::C).unwrap();
    let Received::Multicast(dev_addr, data) = heard else { panic!("{heard:?}") };
    assert_eq!((dev_addr, data.payload), (group().dev_addr, b"all of you".to_vec()));
    let again = device.hear_in(&to_group(0, false), WindowClass::C);
    assert_eq!(again, Err(DeviceError::FCntReplayed { last: 0, got: 0 }));
    let confirmed = device.hear_in(&to_group(1, true), WindowClass::C);
    assert_eq!(confirmed, Err(DeviceError::Forbidden));
    assert!(device.leave_group(group().dev_addr));
}

#[test]
fn a_relay_forwards_for_those_that_the_network_told_it_of() {
    let mut device = plain();
    device.start_relay();
    let served = plain().uplink(1, b"far away", false, &Zero).unwrap();
    let heard = RelayForwardUplink {
        wor_channel: 0,
        rssi: -90,
        snr: 3,
        data_rate_index: served.data_rate_index,
        frequency: served.frequency,
        phy_payload: served.bytes,
    };
    assert_eq!(device.forward(&heard, &Zero), Err(Unforwarded::NotStarted));
    // RelayConfReq: start, every 50 ms, no second channel.
    let phy = downlink(&device, 0, &[0x40, 0x00, 0x30, 0x00, 0x00, 0x00], false);
    device.hear(&phy).unwrap();
    assert_eq!(f_opts(&mut device), [0x40, 0x3F]);
    assert_eq!(device.forward(&heard, &Zero), Err(Unforwarded::NoRule));
    // UpdateUplinkListReq: rule 2, no limit, address, counter 1, a key; on port 0, since it is too long for FOpts.
    let mut command = vec![0x43, 0x02, 0x3F, 0x04, 0x03, 0x02, 0x01, 0x01, 0x00, 0x00, 0x00];
    command.extend([6; 16]);
    let frame = DataFrame {
        uplink: false,
        confirmed: false,
        dev_addr: device.session().unwrap().dev_addr,
        f_ctrl: Default::default(),
        f_cnt: 0,
        f_opts: vec![],
        f_port: Some(0),
        frm_payload: command,
    };
    let session = device.session().unwrap();
    let context = DownlinkContext { f_cnt: 1, conf_f_cnt: 0 };
    let phy = seal_downlink(&session.keys, session.version, frame, &context).unwrap();
    device.hear(&phy).unwrap();
    assert_eq!(f_opts(&mut device), [0x43]);
    let tx = device.forward(&heard, &Zero).unwrap();
    let phy = frame::parse(tx.bytes).unwrap();
    assert_eq!(phy.data().unwrap().f_port, Some(226));
    let session = device.session().unwrap();
    let key = &session.keys.nwk_s_enc_key;
    let payload = crate::session::open_frm_payload(key, &phy, session.next_f_cnt_up - 1);
    let step = device.config.band.frequency_step;
    assert_eq!(RelayForwardUplink::decode(step, &payload), Some(heard));
}

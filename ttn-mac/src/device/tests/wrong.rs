//! Limits that a device keeps, and devices that do not.

use super::*;

// TS001-1.0.4 §4.1
#[test]
fn refuses_payloads_that_the_data_rate_does_not_carry() {
    let mut device = plain();
    device.set_data_rate(DataRateIndex::ZERO);
    let too_long = device.uplink(1, &[0; 52], false, &Zero);
    assert_eq!(too_long, Err(DeviceError::TooLong { size: 60, max: 59 }));
    // A refused payload costs nothing.
    assert_eq!(device.session().unwrap().next_f_cnt_up, 0);
    assert!(device.uplink(1, &[0; 51], false, &Zero).is_ok());
    device.misbehave(Misbehaviour { exceeds_length_limit: true, ..Misbehaviour::default() });
    assert!(device.uplink(1, &[0; 52], false, &Zero).is_ok());
}

#[test]
fn commands_that_do_not_fit_stay_out_and_requests_wait() {
    let mut device = plain();
    device.set_data_rate(DataRateIndex::ZERO);
    for _ in 0..3 {
        device.request(Command::LinkCheckReq);
    }
    let f_opts = |tx: DeviceTx| {
        let phy = frame::parse(tx.bytes).unwrap();
        phy.slice(&phy.data().unwrap().f_opts).to_vec()
    };
    let tx = device.uplink(1, &[0; 50], false, &Zero).unwrap();
    assert_eq!(f_opts(tx), [0x02]);
    let tx = device.uplink(1, &[0; 5], false, &Zero).unwrap();
    assert_eq!(f_opts(tx), [0x02, 0x02]);
}

#[test]
fn many_commands_alone_go_to_port_0() {
    let mut device = plain();
    for _ in 0..20 {
        device.request(Command::LinkCheckReq);
    }
    let tx = device.uplink_commands(&Zero).unwrap();
    let phy = frame::parse(tx.bytes).unwrap();
    let data = phy.data().unwrap();
    assert_eq!((data.f_port, data.frm_payload.len()), (Some(0), 20));
}

// TS001-1.0.4 §4.3.1.6
#[test]
fn a_frame_with_commands_in_two_places_is_refused() {
    let mut device = plain();
    let session = device.session().unwrap();
    let frame = DataFrame {
        uplink: false,
        confirmed: false,
        dev_addr: session.dev_addr,
        f_ctrl: Default::default(),
        f_cnt: 0,
        f_opts: vec![0x06],
        f_port: Some(0),
        frm_payload: vec![0x06],
    };
    let context = DownlinkContext { f_cnt: 0, conf_f_cnt: 0 };
    let phy = seal_downlink(&session.keys, session.version, frame, &context).unwrap();
    assert_eq!(device.hear(&phy), Err(DeviceError::Forbidden));
}

// TS001-1.0.4 §5
#[test]
fn commands_of_a_later_version_end_the_list() {
    let mut device = abp(MacVersion::V1_0_1, PhyVersion::TS001_V1_0_1);
    // DevStatusReq, DlChannelReq (from 1.0.2 on), DevStatusReq.
    let phy = downlink(&device, 0, &[0x06, 0x0A, 0x00, 0xD2, 0xAD, 0x84, 0x06], false);
    device.hear(&phy).unwrap();
    assert_eq!(f_opts(&mut device), [0x06, 0xFF, 0x0A]);
}

#[test]
fn ignores_refuses_and_does_not_answer_what_it_shall_not() {
    let commands = [0x06, 0x03, 0x50, 0x01, 0x00, 0x01, 0x08, 0x03];
    let answers = |wrong: Misbehaviour| {
        let mut device = plain();
        device.misbehave(wrong);
        let phy = downlink(&device, 0, &commands, false);
        device.hear(&phy).unwrap();
        (f_opts(&mut device), device.parameters().rx1_delay)
    };
    let wrong = Misbehaviour::default;
    assert_eq!(answers(wrong()), (vec![0x08, 0x06, 0xFF, 0x0A, 0x03, 0x07], 3));
    let ignores = Misbehaviour { ignores: vec![0x08, 0x06], ..wrong() };
    assert_eq!(answers(ignores), (vec![0x03, 0x07], 1));
    let rejects = Misbehaviour { rejects: vec![0x03], ..wrong() };
    assert_eq!(answers(rejects), (vec![0x08, 0x06, 0xFF, 0x0A, 0x03, 0x00], 3));
    let silent = Misbehaviour { leaves_unanswered: vec![0x08, 0x03], ..wrong() };
    assert_eq!(answers(silent), (vec![0x06, 0xFF, 0x0A], 3));
}

#[test]
fn counters_nonces_and_integrity_codes_go_wrong_when_asked() {
    let mut device = plain();
    device.misbehave(Misbehaviour { f_cnt_up_step: 0, ..Misbehaviour::default() });
    let first = device.uplink(1, b"x", false, &Zero).unwrap();
    assert_eq!(device.uplink(1, b"x", false, &Zero).unwrap().bytes, first.bytes);
    device.misbehave(Misbehaviour { wrong_mic: true, ..Misbehaviour::default() });
    assert_ne!(device.uplink(1, b"x", false, &Zero).unwrap().bytes, first.bytes);

    let mut device = joined();
    device.misbehave(Misbehaviour { repeats_dev_nonce: true, ..Misbehaviour::default() });
    let first = device.join(&Zero).unwrap();
    assert_eq!(device.join(&Zero).unwrap().bytes, first.bytes);

    let mut device = plain();
    let replayed = Misbehaviour {
        takes_replayed_downlinks: true,
        never_acknowledges: true,
        repeats_sticky_answers: true,
        ..Misbehaviour::default()
    };
    device.misbehave(replayed);
    let phy = downlink(&device, 0, &[0x08, 0x03], true);
    device.hear(&phy).unwrap();
    let tx = device.uplink(1, &[], false, &Zero).unwrap();
    assert!(!frame::parse(tx.bytes).unwrap().data().unwrap().f_ctrl.ack);
    device.hear(&phy).unwrap();
    assert_eq!(f_opts(&mut device), [0x08, 0x08]);
}

// TS001-1.0.4 §5.2
#[test]
fn from_1_0_4_on_nb_trans_counts_for_confirmed_uplinks_too() {
    let mut device = plain();
    device.uplink(1, b"x", true, &Zero).unwrap();
    assert_eq!(device.windows_closed(false, &Zero), None);
}

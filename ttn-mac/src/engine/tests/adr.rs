//! ADR between network and device.

use ttn_core::{frame::FCtrl, radio::DataRateIndex};

use super::rig::{Rig, radio};
use crate::{
    command::Command,
    engine::{MacEvent, Outcome, RxInfo, UplinkFrame},
    frame::{self, DataFrame},
    session::{UplinkContext, seal_uplink},
    state::Candidate,
    version::MacVersion,
};

/// An uplink with or without the ADR bit, and whether a LinkADRReq answers it.
fn exchange(rig: &mut Rig, f_cnt: u32, adr: bool) -> (Outcome, bool) {
    rig.wait(60);
    let template = rig.device.uplink(1, b"", false, &super::rig::Zero).unwrap();
    let session = rig.st.slow.session.clone().unwrap();
    let [low, high, ..] = f_cnt.to_le_bytes();
    let frame = DataFrame {
        uplink: true,
        confirmed: false,
        dev_addr: session.dev_addr,
        f_ctrl: FCtrl { adr, ..FCtrl::default() },
        f_cnt: u16::from_le_bytes([low, high]),
        f_opts: [].into(),
        f_port: Some(1),
        frm_payload: [].into(),
    };
    let context =
        UplinkContext { f_cnt, conf_f_cnt: 0, data_rate: DataRateIndex::ZERO, channel: 0 };
    let octets = seal_uplink(&session.keys, rig.st.slow.version, frame, &context).unwrap();
    let phy = frame::parse(octets).unwrap();
    let (radio, now) = (radio(&template), rig.now);
    let engine = rig.engine();
    let matched = engine.try_match(&rig.st, Candidate::Current, &phy, &radio, now).unwrap();
    let rx = RxInfo { received_at: now, max_snr: Some(10.0), gateway_count: 1, gps_time: None };
    let mut st = rig.st.clone();
    let outcome = engine.on_uplink(&mut st, &UplinkFrame { phy: &phy, matched }, &rx, now).unwrap();
    let answer = engine.next_downlink(&mut st, &outcome.slot, &[], now).result;
    let asks = answer.is_ok_and(|plan| {
        plan.commands.iter().any(|command| {
            matches!(command, Command::LinkAdrReq { data_rate_index, .. } if data_rate_index.get() > 0)
        })
    });
    rig.st = st;
    (outcome, asks)
}

// NS-69
#[test]
fn without_the_adr_bit_nothing_is_asked_and_with_it_at_once() {
    let mut rig = Rig::abp(MacVersion::V1_0_3);
    rig.settle();
    let first = rig.st.hot.f_cnt_up.unwrap() + 1;
    // The settling uplinks had the bit: the device is back where it started.
    rig.st.slow.current.adr_data_rate = DataRateIndex::ZERO;
    rig.st.slow.desired.adr_data_rate = DataRateIndex::ZERO;
    rig.device.set_data_rate(DataRateIndex::ZERO);
    for f_cnt in first..first + 20 {
        let (outcome, asks) = exchange(&mut rig, f_cnt, false);
        let decided = |event: &MacEvent| matches!(event, MacEvent::AdrDecided(_));
        assert!(!asks && !outcome.events.iter().any(decided), "{f_cnt}");
    }
    let (outcome, asks) = exchange(&mut rig, first + 20, true);
    assert!(asks, "{:?}", outcome.events);
}

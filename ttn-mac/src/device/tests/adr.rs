//! What a device does when nobody answers.

use super::*;

fn at(device: &Device) -> (u8, u8, u8, u128) {
    let parameters = device.parameters();
    let enabled = parameters.channels.enabled.bits();
    (parameters.tx_power_index, parameters.data_rate.get(), parameters.nb_trans, enabled)
}

// TS001-1.0.4 §4.3.1.1
#[test]
fn falls_back_by_power_then_data_rate_then_channels() {
    let mut device = plain();
    // LinkADRReq: DR2, power 3, channel 1, three times. ADRParamSetupReq is not for its version.
    let phy = downlink(&device, 0, &[0x03, 0x23, 0x02, 0x00, 0x03], false);
    device.hear(&phy).unwrap();
    assert_eq!(at(&device), (3, 2, 3, 0b010));
    let mut asked_at = None;
    let mut changes = Vec::new();
    for uplink in 0..64 + 32 * 5 {
        let tx = device.uplink(1, &[], false, &Zero).unwrap();
        let phy = frame::parse(tx.bytes).unwrap();
        if phy.data().unwrap().f_ctrl.adr_ack_req {
            asked_at = asked_at.or(Some(uplink));
        }
        if changes.last().is_none_or(|(_, last)| *last != at(&device)) {
            changes.push((uplink, at(&device)));
        }
    }
    assert_eq!(asked_at, Some(64));
    assert_eq!(
        changes,
        [
            (0, (3, 2, 3, 0b010)),
            (96, (0, 2, 3, 0b010)),
            (128, (0, 1, 3, 0b010)),
            (160, (0, 0, 3, 0b010)),
            (192, (0, 0, 1, 0b111)),
        ]
    );
    let phy = downlink(&device, 1, &[], false);
    device.hear(&phy).unwrap();
    assert_eq!(device.silence(), 0);
}

#[test]
fn before_1_0_4_it_does_not_ask_at_its_lowest_data_rate() {
    let mut device = abp(MacVersion::V1_0_3, PhyVersion::RP001_V1_0_3_REV_A);
    device.set_data_rate(DataRateIndex::ZERO);
    for _ in 0..100 {
        let tx = device.uplink(1, &[], false, &Zero).unwrap();
        assert!(!frame::parse(tx.bytes).unwrap().data().unwrap().f_ctrl.adr_ack_req);
    }
}

// TS001-1.1 §5.11
#[test]
fn adr_param_setup_req_moves_the_limits() {
    let mut device = abp(MacVersion::V1_1, PhyVersion::RP001_V1_1_REV_B);
    let phy = downlink(&device, 0, &[0x0C, 0x21], false);
    device.hear(&phy).unwrap();
    assert_eq!((device.parameters().adr_ack_limit, device.parameters().adr_ack_delay), (4, 2));
    assert!(f_opts(&mut device).contains(&0x0C));
}

#[test]
fn a_relay_is_woken_after_as_many_uplinks_as_the_network_says() {
    let mut device = plain();
    // RelayEndDeviceConfReq: dynamic, level 0 (8 uplinks), no second channel.
    let phy = downlink(&device, 0, &[0x41, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00], false);
    device.hear(&phy).unwrap();
    assert_eq!(f_opts(&mut device), [0x41, 0x0F]);
    for _ in 1..8 {
        assert!(!device.uses_relay());
        device.uplink(1, &[], false, &Zero).unwrap();
    }
    assert!(device.uses_relay());
}

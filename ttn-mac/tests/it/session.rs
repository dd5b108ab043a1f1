//! Sessions: what was sealed is verified and opened by the same keys and counters, and by no others.

use proptest::prelude::*;
use ttn_core::{frame::FCtrl, key::Aes128Key, radio::DataRateIndex, version::MacVersion};
use ttn_mac::{
    frame::{DataFrame, parse},
    session::{
        DownlinkContext, NetworkKeys, ReadyNetworkKeys, UplinkContext, full_f_cnt, open_f_opts,
        open_frm_payload, seal_downlink, seal_uplink, verify_downlink, verify_uplink,
    },
};

use crate::strategy;

fn keys_1_1() -> NetworkKeys {
    NetworkKeys {
        f_nwk_s_int_key: Aes128Key::new([1; 16]),
        s_nwk_s_int_key: Aes128Key::new([2; 16]),
        nwk_s_enc_key: Aes128Key::new([3; 16]),
    }
}

const CONTEXT: UplinkContext =
    UplinkContext { f_cnt: 65_543, conf_f_cnt: 9, data_rate: DataRateIndex::ZERO, channel: 1 };

fn uplink() -> DataFrame {
    DataFrame {
        uplink: true,
        confirmed: false,
        dev_addr: ttn_core::addr::DevAddr::from_u32(0x2600_0001),
        f_ctrl: FCtrl { ack: true, ..FCtrl::default() },
        f_cnt: 0,
        f_opts: vec![0x02],
        f_port: Some(0),
        frm_payload: vec![0x0D],
    }
}

proptest! {
    // TS001-1.0.4 §4.3.3, §4.4
    #[test]
    fn an_uplink_is_verified_and_opened_as_it_was_sealed(
        (version, keys) in strategy::session(),
        frame in strategy::data_frame(),
        f_cnt in any::<u32>(),
        bound in (any::<u16>(), strategy::data_rate(), any::<u8>()),
        damaged in (any::<prop::sample::Index>(), 0..8_u8),
    ) {
        let frame = DataFrame {
            uplink: true,
            f_ctrl: FCtrl { f_pending: false, ..frame.f_ctrl },
            ..frame
        };
        let (conf_f_cnt, data_rate, channel) = bound;
        let context = UplinkContext { f_cnt, conf_f_cnt, data_rate, channel };
        let mut sealed = seal_uplink(&keys, version, frame.clone(), &context).unwrap();
        let phy = parse(sealed.clone()).unwrap();
        prop_assert!(verify_uplink(&keys, version, &phy, &context));
        prop_assert!(ReadyNetworkKeys::new(&keys, version).verify_uplink(&phy, &context));
        prop_assert_eq!(open_f_opts(&keys, version, &phy, f_cnt), frame.f_opts);
        if frame.f_port == Some(0) {
            let opened = open_frm_payload(&keys.nwk_s_enc_key, &phy, f_cnt);
            prop_assert_eq!(opened, frame.frm_payload);
        }
        prop_assert_eq!(phy.data().map(|data| data.f_cnt), Some(f_cnt as u16));

        let (position, bit) = damaged;
        let position = position.index(sealed.len());
        sealed[position] ^= 1 << bit;
        if let Ok(phy) = parse(sealed) {
            prop_assert!(!verify_uplink(&keys, version, &phy, &context));
        }
    }

    // TS001-1.1 §4.4.1, §4.3.1.6
    #[test]
    fn a_downlink_is_verified_and_opened_as_it_was_sealed(
        (version, keys) in strategy::session(),
        frame in strategy::data_frame(),
        f_cnt in any::<u32>(),
        conf_f_cnt in any::<u16>(),
    ) {
        let f_ctrl = FCtrl { adr_ack_req: false, class_b: false, ..frame.f_ctrl };
        let frame = DataFrame { uplink: false, f_ctrl, ..frame };
        let context = DownlinkContext { f_cnt, conf_f_cnt };
        let sealed = seal_downlink(&keys, version, frame.clone(), &context).unwrap();
        let phy = parse(sealed).unwrap();
        prop_assert!(verify_downlink(&keys, version, &phy, &context));
        let f_opts = open_f_opts(&keys, version, &phy, f_cnt);
        prop_assert_eq!(f_opts, frame.f_opts);
        let wrong = DownlinkContext { f_cnt: f_cnt ^ 0x1_0000, conf_f_cnt };
        prop_assert!(!verify_downlink(&keys, version, &phy, &wrong));
    }

    // NS-08
    // TS001-1.0.4 §4.3.1.5
    #[test]
    fn the_full_counter_ends_with_the_bits_on_the_air_and_never_falls(
        last in any::<u32>(),
        low in any::<u16>(),
        supports_32_bit in any::<bool>(),
    ) {
        if let Some(full) = full_f_cnt(Some(last), low, supports_32_bit) {
            prop_assert!(full >= last && full - last < 0x1_0000);
            prop_assert_eq!(full as u16, low);
        }
    }
}

// NS-11
// TS001-1.1 §4.4.2
#[test]
fn an_uplink_of_1_1_needs_both_integrity_keys_and_everything_they_cover() {
    let (keys, version) = (keys_1_1(), MacVersion::V1_1);
    let phy = parse(seal_uplink(&keys, version, uplink(), &CONTEXT).unwrap()).unwrap();
    let verified = |keys: &NetworkKeys, context| verify_uplink(keys, version, &phy, &context);
    assert!(verified(&keys, CONTEXT));

    let other = || Aes128Key::new([9; 16]);
    assert!(!verified(&NetworkKeys { s_nwk_s_int_key: other(), ..keys.clone() }, CONTEXT));
    assert!(!verified(&NetworkKeys { f_nwk_s_int_key: other(), ..keys.clone() }, CONTEXT));
    assert!(!verified(&keys, UplinkContext { f_cnt: 7, ..CONTEXT }));
    assert!(!verified(&keys, UplinkContext { conf_f_cnt: 8, ..CONTEXT }));
    assert!(!verified(&keys, UplinkContext { channel: 2, ..CONTEXT }));
    let data_rate = DataRateIndex::from_low_bits(1);
    assert!(!verified(&keys, UplinkContext { data_rate, ..CONTEXT }));
}

// NS-11
#[test]
fn an_uplink_that_acknowledges_nothing_is_bound_to_no_downlink() {
    let (keys, version) = (keys_1_1(), MacVersion::V1_1);
    let frame = DataFrame { f_ctrl: FCtrl::default(), ..uplink() };
    let phy = parse(seal_uplink(&keys, version, frame, &CONTEXT).unwrap()).unwrap();
    assert!(verify_uplink(&keys, version, &phy, &UplinkContext { conf_f_cnt: 8, ..CONTEXT }));
}

// NS-11: the code covers the octets as received, reserved bits of MHDR included.
#[test]
fn reserved_bits_of_the_header_do_not_break_the_integrity_code() {
    use ttn_mac::crypto::mic::uplink_mic_1_0;
    let key = Aes128Key::new([1; 16]);
    let mut octets = uplink().encode().unwrap();
    octets[0] |= 0x1C;
    octets.extend(uplink_mic_1_0(&key, uplink().dev_addr, 0, &octets));
    let phy = parse(octets).unwrap();
    let keys = NetworkKeys::v1_0(key);
    assert!(verify_uplink(&keys, MacVersion::V1_0_2, &phy, &UplinkContext { f_cnt: 0, ..CONTEXT }));
}

#[test]
fn a_downlink_is_no_uplink() {
    let (keys, version) = (keys_1_1(), MacVersion::V1_0_4);
    let context = DownlinkContext { f_cnt: CONTEXT.f_cnt, conf_f_cnt: 0 };
    let phy = parse(seal_downlink(&keys, version, uplink(), &context).unwrap()).unwrap();
    assert!(verify_downlink(&keys, version, &phy, &context));
    assert!(!verify_uplink(&keys, version, &phy, &CONTEXT));
}

//! What the search for a session may cost: no allocation per candidate.

use allocation_counter::measure;
use ttn_core::{key::Aes128Key, radio::DataRateIndex, version::MacVersion};
use ttn_mac::{
    command::{Command, Direction},
    frame::{self, FrequencyStep},
    session::{NetworkKeys, UplinkContext, verify_uplink},
};

const UPLINK: [u8; 18] = [
    0x40, 0x04, 0x03, 0x02, 0x01, 0x80, 0x01, 0x00, 0x01, 0xA6, 0x94, 0x64, 0x26, 0x15, 0xD6, 0xC3,
    0xB5, 0x82,
];

#[test]
fn verifying_an_uplink_allocates_nothing() {
    let phy = frame::parse(UPLINK).unwrap();
    let context =
        UplinkContext { f_cnt: 1, conf_f_cnt: 0, data_rate: DataRateIndex::ZERO, channel: 0 };
    let keys = [2, 3].map(|octet| NetworkKeys::v1_0(Aes128Key::new([octet; 16])));
    let mut verified = 0;
    let allocations = measure(|| {
        for version in MacVersion::ALL {
            for keys in &keys {
                verified += usize::from(verify_uplink(keys, version, &phy, &context));
            }
        }
    });
    assert_eq!(verified, 5, "the first keys, in all versions but 1.1");
    assert_eq!(allocations.count_total, 0);
}

#[test]
fn parsing_a_frame_allocates_its_octets_alone() {
    let allocations = measure(|| {
        assert!(frame::parse(UPLINK).is_ok());
        assert!(frame::parse(UPLINK.get(..9).unwrap_or_default()).is_err());
    });
    assert_eq!(allocations.count_total, 1);
}

#[test]
fn parsing_commands_allocates_nothing() {
    let mut commands = 0;
    let allocations = measure(|| {
        let octets = [0x02, 0x03, 0x07, 0x06, 0xFF, 0x20];
        let parsed = ttn_mac::command::parse(Direction::Uplink, FrequencyStep::Hz100, &octets);
        commands = parsed
            .filter_map(Result::ok)
            .filter(|c| c.cid() != Command::DevStatusReq.cid())
            .count();
    });
    assert_eq!((commands, allocations.count_total), (2, 0));
}

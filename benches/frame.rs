//! Parse, verify and decrypt one uplink of 33 octets.
#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark")]

use divan::{Bencher, black_box};
use ttn::{
    core::{
        addr::DevAddr, frame::FCtrl, key::Aes128Key, radio::DataRateIndex, version::MacVersion,
    },
    mac::{
        command::Direction,
        crypto::payload::encrypt_frm_payload,
        frame::{self, DataFrame},
        session::{NetworkKeys, UplinkContext, open_frm_payload, seal_uplink, verify_uplink},
    },
};

fn main() {
    divan::main();
}

const CONTEXT: UplinkContext =
    UplinkContext { f_cnt: 7, conf_f_cnt: 0, data_rate: DataRateIndex::ZERO, channel: 0 };

fn keys() -> (NetworkKeys, Aes128Key) {
    (NetworkKeys::v1_0(Aes128Key::new([1; 16])), Aes128Key::new([2; 16]))
}

fn uplink() -> Vec<u8> {
    let (keys, app_s_key) = keys();
    let dev_addr = DevAddr::from_u32(0x0102_0304);
    let mut frm_payload = vec![9; 20];
    encrypt_frm_payload(&app_s_key, Direction::Uplink, dev_addr, 7, &mut frm_payload);
    let f_ctrl = FCtrl { adr: true, ..FCtrl::default() };
    let frame = DataFrame {
        uplink: true,
        confirmed: false,
        dev_addr,
        f_ctrl,
        f_cnt: 7,
        f_opts: Vec::new(),
        f_port: Some(1),
        frm_payload,
    };
    seal_uplink(&keys, MacVersion::V1_0_3, frame, &CONTEXT).unwrap()
}

#[divan::bench]
fn parse(bencher: Bencher<'_, '_>) {
    let octets = uplink();
    bencher.bench(|| frame::parse(black_box(octets.as_slice())).unwrap());
}

#[divan::bench]
fn verify(bencher: Bencher<'_, '_>) {
    let phy = frame::parse(uplink()).unwrap();
    let (keys, _) = keys();
    bencher.bench(|| verify_uplink(&keys, MacVersion::V1_0_3, black_box(&phy), &CONTEXT));
}

#[divan::bench]
fn parse_verify_decrypt(bencher: Bencher<'_, '_>) {
    let octets = uplink();
    let (keys, app_s_key) = keys();
    bencher.bench(|| {
        let phy = frame::parse(black_box(octets.as_slice())).unwrap();
        assert!(verify_uplink(&keys, MacVersion::V1_0_3, &phy, &CONTEXT));
        open_frm_payload(&app_s_key, &phy, 7)
    });
}

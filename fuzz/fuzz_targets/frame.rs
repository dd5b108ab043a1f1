//! PHYPayloads: what is parsed can be built again, and no octets panic, whatever is done with them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ttn_core::{frame::Form, key::Aes128Key, radio::DataRateIndex, version::MacVersion};
use ttn_mac::{
    command::{self, Direction},
    frame::{
        DataFrame, FrequencyStep, decode_f_ctrl, encode_f_ctrl, encode_join_request,
        encode_rejoin_request, parse,
    },
    session::{NetworkKeys, UplinkContext, open_commands, open_frm_payload, verify_uplink},
};

fuzz_target!(|octets: &[u8]| {
    let Ok(phy) = parse(octets) else { return };
    let mut received = phy.without_mic().to_vec();
    if let Some(m_hdr) = received.first_mut() {
        *m_hdr &= 0xE3; // Reserved bits.
    }
    let built = match &phy.form {
        Form::Data(data) => {
            let direction = Direction::of_uplink(data.uplink);
            let f_ctrl = encode_f_ctrl(direction, decode_f_ctrl(direction, received[5]));
            received[5] = f_ctrl | (received[5] & 0x0F);
            DataFrame {
                uplink: data.uplink,
                confirmed: data.confirmed,
                dev_addr: data.dev_addr,
                f_ctrl: data.f_ctrl,
                f_cnt: data.f_cnt,
                f_opts: phy.slice(&data.f_opts).to_vec(),
                f_port: data.f_port,
                frm_payload: phy.slice(&data.frm_payload).to_vec(),
            }
            .encode()
            .expect("what was parsed can be built")
        }
        Form::JoinRequest(request) => encode_join_request(request).to_vec(),
        Form::RejoinRequest(request) => encode_rejoin_request(request).expect("as above"),
        Form::JoinAccept | Form::Proprietary => return,
    };
    assert_eq!(built, received);

    let keys = NetworkKeys::v1_0(Aes128Key::new([1; 16]));
    let context =
        UplinkContext { f_cnt: 0, conf_f_cnt: 0, data_rate: DataRateIndex::ZERO, channel: 0 };
    for version in [MacVersion::V1_0_3, MacVersion::V1_1] {
        let _ = verify_uplink(&keys, version, &phy, &context);
        let commands = open_commands(&keys, version, &phy, 0);
        command::parse(Direction::Uplink, FrequencyStep::Hz100, &commands).for_each(drop);
    }
    let _ = open_frm_payload(&keys.nwk_s_enc_key, &phy, 0);
});

//! Frames: round trips and random octets.

use proptest::{collection::vec, prelude::*};
use ttn_core::frame::{DataForm, Form, PhyPayload};
use ttn_mac::{
    command::Direction,
    frame::{
        DataFrame, decode_f_ctrl, encode_f_ctrl, encode_join_request, encode_rejoin_request, parse,
    },
};

use crate::strategy;

/// The message that a parsed one was built of.
pub(crate) fn rebuild(phy: &PhyPayload, data: &DataForm) -> DataFrame {
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
}

/// Builds what was parsed and compares, reserved bits apart.
pub(crate) fn check_rebuilt(phy: &PhyPayload) {
    let built = match &phy.form {
        Form::Data(data) => rebuild(phy, data).encode().unwrap(),
        Form::JoinRequest(request) => encode_join_request(request).to_vec(),
        Form::RejoinRequest(request) => encode_rejoin_request(request).unwrap(),
        Form::JoinAccept | Form::Proprietary => return,
    };
    let mut received = phy.without_mic().to_vec();
    received[0] &= 0xE3;
    if let Form::Data(data) = &phy.form {
        let direction = Direction::of_uplink(data.uplink);
        let f_opts_length = received[5] & 0x0F;
        received[5] =
            encode_f_ctrl(direction, decode_f_ctrl(direction, received[5])) | f_opts_length;
    }
    assert_eq!(built, received);
}

proptest! {
    #[test]
    fn a_data_message_is_parsed_as_it_was_built(message in strategy::data_frame()) {
        let mut octets = message.encode().unwrap();
        prop_assert_eq!(octets.len() + 4, message.encoded_length());
        octets.extend([1, 2, 3, 4]);
        let phy = parse(octets).unwrap();
        prop_assert_eq!(phy.mic(), [1, 2, 3, 4]);
        prop_assert_eq!(rebuild(&phy, phy.data().unwrap()), message);
    }

    // TS001-1.0.4 §6.2.5
    #[test]
    fn a_join_request_is_parsed_as_it_was_built(request in strategy::join_request()) {
        let mut octets = encode_join_request(&request).to_vec();
        octets.extend([0; 4]);
        prop_assert_eq!(parse(octets).unwrap().form, Form::JoinRequest(request));
    }

    // TS001-1.1 §6.2.4
    #[test]
    fn a_rejoin_request_is_parsed_as_it_was_built(request in strategy::rejoin_request()) {
        let mut octets = encode_rejoin_request(&request).unwrap();
        octets.extend([0; 4]);
        prop_assert_eq!(parse(octets).unwrap().form, Form::RejoinRequest(request));
    }

    #[test]
    fn random_octets_never_panic_and_are_built_as_they_were_parsed(
        octets in vec(any::<u8>(), 0..300),
    ) {
        if let Ok(phy) = parse(octets) {
            check_rebuilt(&phy);
        }
    }

    #[test]
    fn random_data_messages_never_panic_and_are_built_as_they_were_parsed(
        m_type in 2..=5_u8,
        octets in vec(any::<u8>(), 11..60),
    ) {
        let mut octets = octets;
        octets.insert(0, m_type << 5);
        if let Ok(phy) = parse(octets) {
            check_rebuilt(&phy);
        }
    }
}

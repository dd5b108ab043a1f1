//! Join-accepts: sealing, opening, and octets that are none.

use proptest::{collection::vec, prelude::*};
use ttn_core::eui::JoinEui;
use ttn_mac::{
    crypto::join::{
        JoinAcceptError, JoinAcceptMic, JoinReqType, open_join_accept, seal_join_accept,
    },
    frame::{FrequencyStep, JoinAccept},
};

use crate::strategy;

const STEP: FrequencyStep = FrequencyStep::Hz100;

/// Decodes octets, and builds what comes out again.
pub(crate) fn check_payload(octets: &[u8]) {
    let Ok(accept) = JoinAccept::decode(octets, STEP) else { return };
    let mut received = octets.to_vec();
    if received.len() == 28 && received[27] == 1 {
        received[24..27].fill(0); // Reserved beside channel masks.
    }
    assert_eq!(accept.encode(STEP).unwrap(), received);
}

proptest! {
    // TS001-1.0.4 §6.2.6, TS001-1.1 §6.2.3
    #[test]
    fn a_join_accept_opens_as_it_was_sealed(
        accept in strategy::join_accept(),
        keys in (strategy::key(), strategy::key()),
        join_eui in any::<u64>(),
        dev_nonce in any::<u16>(),
        damaged in (1_usize..17, 0..8_u8),
    ) {
        let (mic_key, encryption_key) = &keys;
        let mic = |accept: &JoinAccept| if accept.dl_settings.opt_neg {
            JoinAcceptMic::V1_1 {
                js_int_key: mic_key,
                join_req_type: JoinReqType::JoinRequest,
                join_eui: JoinEui::from_u64(join_eui),
                dev_nonce,
            }
        } else {
            JoinAcceptMic::V1_0(mic_key)
        };
        let mut sealed = seal_join_accept(&accept, STEP, mic(&accept), encryption_key).unwrap();
        let opened = open_join_accept(&sealed, STEP, encryption_key, mic);
        prop_assert_eq!(opened.as_ref(), Ok(&accept));

        let (position, bit) = damaged;
        sealed[position] ^= 1 << bit;
        let opened = open_join_accept(&sealed, STEP, encryption_key, mic);
        prop_assert_eq!(opened, Err(JoinAcceptError::Mic));
    }

    #[test]
    fn random_octets_never_panic(octets in vec(any::<u8>(), 0..40), key in strategy::key()) {
        check_payload(&octets);
        let opened = open_join_accept(&octets, STEP, &key, |_| JoinAcceptMic::V1_0(&key));
        prop_assert!(opened.is_err());
    }

    #[test]
    fn random_payloads_are_built_as_they_were_decoded(
        octets in prop_oneof![vec(any::<u8>(), 12), vec(any::<u8>(), 28)],
        cf_list_type in 0..3_u8,
    ) {
        let mut octets = octets;
        if let Some(last) = octets.get_mut(27) {
            *last = cf_list_type;
        }
        check_payload(&octets);
    }
}

//! Join-requests, rejoin-requests, join-accepts and the keys that follow.

use lorawan::{
    keys::{AES128, AppKey},
    parser::{DevNonce, EncryptedJoinAcceptPayload, JoinRequestPayload},
};
use lrwn::{EUI64, JoinType, NetID, Payload, PhyPayload, keys};
use ttn_core::{
    addr::{DevAddr, NetId},
    eui::{DevEui, JoinEui},
    frame::{Form, JoinRequestForm, RejoinRequestForm},
    key::Aes128Key,
    radio::{DataRateIndex, Frequency},
    rand::Entropy as _,
};
use ttn_mac::{
    crypto::{
        derive::{join_server_keys, session_keys_1_0, session_keys_1_1},
        join::{
            JoinAcceptMic, JoinReqType, join_request_mic, open_join_accept, rejoin_request_mic,
            seal_join_accept,
        },
    },
    frame::{
        CfList, DlSettings, FrequencyStep, JoinAccept, encode_join_request, encode_rejoin_request,
        parse,
    },
};

use super::Tally;
use crate::{chance::Chance, second_opinion::key};

const STEP: FrequencyStep = FrequencyStep::Hz100;

fn draw_request(chance: &Chance) -> JoinRequestForm {
    JoinRequestForm {
        join_eui: JoinEui::from_u64(chance.draw()),
        dev_eui: DevEui::from_u64(chance.draw()),
        dev_nonce: chance.draw() as u16,
    }
}

pub(super) fn requests(chance: &Chance, tally: &mut Tally, cases: u64) {
    for _ in 0..cases {
        let own = Aes128Key::new(chance.array());
        let request = draw_request(chance);
        let mut octets = encode_join_request(&request).to_vec();
        octets.extend(join_request_mic(&own, &octets).unwrap());
        assert_eq!(parse(octets.as_slice()).unwrap().form, Form::JoinRequest(request));
        lrwn_reads(tally, "join-requests", &octets, &own);
        let theirs = JoinRequestPayload::new(octets.clone()).unwrap();
        let same = theirs.validate_mic(&AES128(*own.expose()))
            && theirs.app_eui().as_ref() == request.join_eui.to_le_bytes()
            && theirs.dev_eui().as_ref() == request.dev_eui.to_le_bytes()
            && theirs.dev_nonce().as_ref() == request.dev_nonce.to_le_bytes();
        tally.agrees("lorawan join-requests", same, || format!("{octets:02X?}"));

        let JoinRequestForm { join_eui, dev_eui, dev_nonce: rejoin_count } = request;
        let request = if chance.flip() {
            RejoinRequestForm::JoinServer { join_eui, dev_eui, rejoin_count }
        } else {
            let rejoin_type = 2 * u8::from(chance.flip());
            let net_id = NetId::from_be_bytes(chance.array());
            RejoinRequestForm::HomeNetwork { rejoin_type, net_id, dev_eui, rejoin_count }
        };
        let mut octets = encode_rejoin_request(&request).unwrap();
        octets.extend(rejoin_request_mic(&own, &octets).unwrap());
        assert_eq!(parse(octets.as_slice()).unwrap().form, Form::RejoinRequest(request));
        lrwn_reads(tally, "rejoin-requests", &octets, &own);
    }
    tally.add("join-requests and rejoin-requests", 2 * cases);
}

fn lrwn_reads(tally: &mut Tally, what: &str, octets: &[u8], own: &Aes128Key) {
    let theirs = PhyPayload::from_slice(octets).unwrap();
    let same = theirs.to_vec().is_ok_and(|theirs| theirs == octets)
        && theirs.validate_join_request_mic(&key(own)).is_ok_and(|valid| valid);
    tally.agrees(&format!("lrwn {what}"), same, || format!("{octets:02X?}"));
}

fn draw_accept(chance: &Chance, opt_neg: bool) -> JoinAccept {
    let frequency = || match chance.below(4) {
        0 => Frequency::default(),
        // Behind 1.2 GHz one of the others counts in steps of 200 Hz.
        _ => Frequency::from_hz(100 * (1_000 + chance.below(11_000_000))),
    };
    let cf_list = match chance.below(3) {
        0 => None,
        1 => Some(CfList::Frequencies([(); 5].map(|()| frequency()))),
        _ => Some(CfList::ChannelMasks([(); 6].map(|()| chance.draw() as u16))),
    };
    JoinAccept {
        join_nonce: chance.draw() as u32 & 0xFF_FFFF,
        net_id: NetId::from_be_bytes(chance.array()),
        dev_addr: DevAddr::from_u32(chance.draw() as u32),
        dl_settings: DlSettings {
            opt_neg,
            rx1_dr_offset: chance.octet() & 7,
            rx2_dr: DataRateIndex::from_low_bits(chance.octet()),
        },
        rx_delay: chance.octet() & 15,
        cf_list,
    }
}

pub(super) fn accepts(chance: &Chance, tally: &mut Tally, cases: u64) {
    for _ in 0..cases {
        let nwk_key = Aes128Key::new(chance.array());
        let app_key = Aes128Key::new(chance.array());
        let JoinRequestForm { join_eui, dev_eui, dev_nonce } = draw_request(chance);
        let is_1_1 = chance.flip();
        let accept = draw_accept(chance, is_1_1);
        let js_keys = join_server_keys(&nwk_key, dev_eui);
        let (join_req_type, their_type) = match chance.below(4) {
            0 => (JoinReqType::Rejoin0, JoinType::RejoinType0),
            1 => (JoinReqType::Rejoin1, JoinType::RejoinType1),
            2 => (JoinReqType::Rejoin2, JoinType::RejoinType2),
            _ => (JoinReqType::JoinRequest, JoinType::Join),
        };
        let mic = if is_1_1 {
            let js_int_key = &js_keys.js_int_key;
            JoinAcceptMic::V1_1 { js_int_key, join_req_type, join_eui, dev_nonce }
        } else {
            JoinAcceptMic::V1_0(&nwk_key)
        };
        let sealed = seal_join_accept(&accept, STEP, mic, &nwk_key).unwrap();
        assert_eq!(open_join_accept(&sealed, STEP, &nwk_key, |_| mic).as_ref(), Ok(&accept));

        let eui = EUI64::from_be_bytes(join_eui.to_be_bytes());
        let mut theirs = PhyPayload::from_slice(&sealed).unwrap();
        theirs.decrypt_join_accept_payload(&key(&nwk_key)).unwrap();
        let mic_key = if is_1_1 { key(&js_keys.js_int_key) } else { key(&nwk_key) };
        let valid = theirs.validate_join_accept_mic(their_type, &eui, dev_nonce, &mic_key);
        let Payload::JoinAccept(payload) = &theirs.payload else { panic!("no join-accept") };
        let same = payload.to_vec().unwrap() == accept.encode(STEP).unwrap();
        tally.agrees("lrwn join-accepts", same && valid.is_ok_and(|valid| valid), || {
            format!("{accept:?}: {payload:?}")
        });
        lrwn_derives(tally, &accept, (&nwk_key, &app_key), (join_eui, dev_eui, dev_nonce));
        if !is_1_1 {
            lorawan_opens(tally, sealed, &accept, &nwk_key, dev_nonce);
        }
    }
    tally.add("join-accepts and their keys", cases);
}

fn lrwn_derives(
    tally: &mut Tally,
    accept: &JoinAccept,
    (nwk_key, app_key): (&Aes128Key, &Aes128Key),
    (join_eui, dev_eui, dev_nonce): (JoinEui, DevEui, u16),
) {
    let is_1_1 = accept.dl_settings.opt_neg;
    let nonce = accept.join_nonce;
    let ours = if is_1_1 {
        session_keys_1_1(nwk_key, app_key, nonce, join_eui, dev_nonce)
    } else {
        session_keys_1_0(nwk_key, nonce, accept.net_id, dev_nonce)
    };
    let net_id = NetID::from_be_bytes(accept.net_id.to_be_bytes());
    let eui = EUI64::from_be_bytes(join_eui.to_be_bytes());
    macro_rules! derive {
        ($name:ident, $root:expr) => {
            keys::$name(is_1_1, &key($root), &net_id, &eui, nonce, dev_nonce).unwrap().to_bytes()
        };
    }
    let app_root = if is_1_1 { app_key } else { nwk_key };
    let mut same = derive!(get_f_nwk_s_int_key, nwk_key) == *ours.network.f_nwk_s_int_key.expose()
        && derive!(get_app_s_key, app_root) == *ours.app_s_key.expose();
    if is_1_1 {
        same &= derive!(get_s_nwk_s_int_key, nwk_key) == *ours.network.s_nwk_s_int_key.expose()
            && derive!(get_nwk_s_enc_key, nwk_key) == *ours.network.nwk_s_enc_key.expose();
    }
    let js_keys = join_server_keys(nwk_key, dev_eui);
    let eui = EUI64::from_be_bytes(dev_eui.to_be_bytes());
    same &= keys::get_js_enc_key(&eui, &key(nwk_key)).unwrap() == key(&js_keys.js_enc_key)
        && keys::get_js_int_key(&eui, &key(nwk_key)).unwrap() == key(&js_keys.js_int_key);
    tally.agrees("lrwn keys", same, || format!("{accept:?}"));
}

fn lorawan_opens(
    tally: &mut Tally,
    sealed: Vec<u8>,
    accept: &JoinAccept,
    app_key: &Aes128Key,
    dev_nonce: u16,
) {
    let root = AppKey::from(*app_key.expose());
    let theirs = EncryptedJoinAcceptPayload::new(sealed).unwrap().decrypt(&root);
    let nonce = DevNonce::from(dev_nonce.to_le_bytes());
    let ours = session_keys_1_0(app_key, accept.join_nonce, accept.net_id, dev_nonce);
    let nwk_s_key: [u8; 16] = theirs.derive_newskey(&nonce, &root).inner().0;
    let app_s_key: [u8; 16] = theirs.derive_appskey(&nonce, &root).inner().0;
    let same = theirs.validate_mic(&root)
        && theirs.app_nonce().as_ref() == &accept.join_nonce.to_le_bytes()[..3]
        && theirs.net_id().as_ref() == accept.net_id.to_le_bytes()
        && theirs.dev_addr().as_ref() == accept.dev_addr.to_le_bytes()
        && theirs.rx_delay() == accept.rx_delay
        && nwk_s_key == *ours.network.f_nwk_s_int_key.expose()
        && app_s_key == *ours.app_s_key.expose();
    tally.agrees("lorawan join-accepts", same, || format!("{accept:?}"));
}

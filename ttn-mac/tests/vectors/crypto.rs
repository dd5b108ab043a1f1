//! crypto.json

use ttn_core::{radio::DataRateIndex, time::GpsTime};
use ttn_mac::{
    class_b::{self, BeaconFrame},
    crypto::{
        aes_cmac, derive,
        join::{self, JoinAcceptMic, JoinReqType},
        mic::{self, UplinkBinding},
        multicast,
        payload::{FOptsCounter, encrypt_f_opts, encrypt_frm_payload},
        wrap,
    },
};

use crate::support::{Case, Fields, Kind, checked, later};

pub(crate) const KINDS: &[Kind] = &[
    checked("aes_cmac", cmac),
    checked("beacon_frame", beacon_frame),
    checked("data_block_int_key", data_block_int_key),
    checked("data_block_mic", data_block_mic),
    checked("derive_js_keys", derive_js_keys),
    checked("derive_session_keys_1_0", derive_session_keys_1_0),
    checked("derive_session_keys_1_1", derive_session_keys_1_1),
    checked("downlink_mic_1_0", downlink_mic_1_0),
    checked("downlink_mic_1_1", downlink_mic_1_1),
    checked("f_opts_encrypt", f_opts_encrypt),
    checked("frm_payload_encrypt", frm_payload_encrypt),
    later("hmac_sha256"),
    checked("join_accept_encrypt", join_accept_encrypt),
    checked("join_accept_encrypt_error", join_accept_encrypt_error),
    checked("join_accept_mic_1_0", join_accept_mic_1_0),
    checked("join_accept_mic_1_1", join_accept_mic_1_1),
    checked("join_request_mic", join_request_mic),
    checked("key_wrap", key_wrap),
    checked("key_wrap_error", key_wrap_error),
    checked("mc_app_s_key", mc_app_s_key),
    checked("mc_ke_key", mc_ke_key),
    checked("mc_key_encrypt", mc_key_encrypt),
    checked("mc_nwk_s_key", mc_nwk_s_key),
    checked("mc_root_key_1_0", mc_root_key_1_0),
    checked("mc_root_key_1_1", mc_root_key_1_1),
    checked("mic_length_error", mic_length_error),
    checked("next_ping_slot", next_ping_slot),
    checked("ping_offset", ping_offset),
    checked("ping_offset_error", ping_offset_error),
    checked("rejoin_request_mic", rejoin_request_mic),
    checked("root_wor_s_key", root_wor_s_key),
    later("secret_envelope_gcm"),
    checked("uplink_mic_1_0", uplink_mic_1_0),
    checked("uplink_mic_1_1", uplink_mic_1_1),
];

// TS001-1.1 §15.2
fn beacon_frame(case: &Case) {
    let (input, expected) = (case.input(), case.expected());
    let payload = input.bytes("payload");
    let frame = BeaconFrame::decode(input.int("spreading_factor"), &payload).unwrap();
    assert_eq!(frame.param, expected.int::<u8>("param"));
    assert_eq!(frame.time, expected.int::<u32>("time"));
    assert_eq!(frame.crc1, expected.int::<u16>("crc1"));
    assert_eq!(frame.info_desc, expected.int::<u8>("info_desc"));
    assert_eq!(frame.latitude, expected.int::<u32>("lat_raw"));
    assert_eq!(frame.longitude, expected.int::<u32>("lng_raw"));
    assert_eq!(frame.crc2, expected.int::<u16>("crc2"));
    for at in 0..payload.len() {
        let mut broken = payload.clone();
        broken[at] ^= 0x10;
        assert_eq!(BeaconFrame::decode(input.int("spreading_factor"), &broken), None, "{at}");
    }
}

fn offset(case: &Case) -> Option<u16> {
    let input = case.input();
    class_b::ping_offset(
        input.int("beacon_time"),
        input.dev_addr("dev_addr"),
        // A type does not have the value.
        u16::try_from(input.number("ping_period")).ok()?,
    )
}

// TS001-1.0.4 §11.2
fn ping_offset(case: &Case) {
    assert_eq!(offset(case), Some(case.expected().int("ping_offset")));
}

fn ping_offset_error(case: &Case) {
    assert_eq!(offset(case), None);
}

// TS001-1.0.4 §11.1
fn next_ping_slot(case: &Case) {
    let (input, expected) = (case.input(), case.expected());
    let millis = |ms: i64| GpsTime::from_nanos(ms * 1_000_000);
    let ping_nb = class_b::PingNb::new(input.int("ping_nb")).unwrap();
    let after = millis(input.int("after_gps_ms"));
    let slot = class_b::next_ping_slot(after, input.dev_addr("dev_addr"), ping_nb);
    assert_eq!(slot, millis(expected.int("slot_gps_ms")));
}

fn mc_root_key_1_0(case: &Case) {
    let key = multicast::mc_root_key_1_0(&case.input().key("key"));
    assert_eq!(key, case.expected().key("mc_root_key"));
}

fn mc_root_key_1_1(case: &Case) {
    let key = multicast::mc_root_key_1_1(&case.input().key("key"));
    assert_eq!(key, case.expected().key("mc_root_key"));
}

fn mc_ke_key(case: &Case) {
    let key = multicast::mc_ke_key(&case.input().key("key"));
    assert_eq!(key, case.expected().key("mc_ke_key"));
}

fn mc_app_s_key(case: &Case) {
    let input = case.input();
    let key = multicast::mc_app_s_key(&input.key("key"), input.dev_addr("mc_addr"));
    assert_eq!(key, case.expected().key("mc_app_s_key"));
}

fn mc_nwk_s_key(case: &Case) {
    let input = case.input();
    let key = multicast::mc_nwk_s_key(&input.key("key"), input.dev_addr("mc_addr"));
    assert_eq!(key, case.expected().key("mc_nwk_s_key"));
}

fn mc_key_encrypt(case: &Case) {
    let input = case.input();
    let encrypted = multicast::encrypt_mc_key(&input.key("mc_ke_key"), &input.key("mc_key"));
    assert_eq!(encrypted, case.expected().array("mc_key_encrypted"));
}

fn data_block_int_key(case: &Case) {
    let key = multicast::data_block_int_key(&case.input().key("key"));
    assert_eq!(key, case.expected().key("data_block_int_key"));
}

fn data_block_mic(case: &Case) {
    let input = case.input();
    let mic = multicast::data_block_mic(
        &input.key("data_block_int_key"),
        input.int("session_cnt"),
        input.int("frag_index"),
        input.array("descriptor"),
        &input.bytes("data"),
    );
    assert_eq!(mic, Some(case.expected().array("mic")));
}

fn root_wor_s_key(case: &Case) {
    let key = derive::root_wor_s_key(&case.input().key("nwk_s_enc_key"));
    assert_eq!(key, case.expected().key("root_wor_s_key"));
}

fn cmac(case: &Case) {
    let (input, expected) = (case.input(), case.expected());
    let message = input.bytes("message");
    let (front, back) = message.split_at(message.len() / 2);
    assert_eq!(aes_cmac(&input.key("key"), &[&message]), expected.array("tag"));
    assert_eq!(aes_cmac(&input.key("key"), &[front, back]), expected.array("tag"));
}

fn key_wrap(case: &Case) {
    let (kek, plaintext) = (case.input().bytes("kek"), case.input().bytes("plaintext"));
    let ciphertext = case.expected().bytes("ciphertext");
    assert_eq!(wrap::wrap(&kek, &plaintext), Ok(ciphertext.clone()));
    assert_eq!(wrap::unwrap(&kek, &ciphertext), Ok(plaintext));
}

fn key_wrap_error(case: &Case) {
    let (kek, data) = (case.input().bytes("kek"), case.input().bytes("data"));
    let refused = match case.input().text("operation") {
        "wrap" => wrap::wrap(&kek, &data),
        "unwrap" => wrap::unwrap(&kek, &data),
        other => panic!("unknown operation {other}"),
    };
    refused.expect_err("must be refused");
}

// TS001-1.0.4 §6.2.6
fn derive_session_keys_1_0(case: &Case) {
    let (input, expected) = (case.input(), case.expected());
    let keys = derive::session_keys_1_0(
        &input.key("root_key"),
        input.nonce_24("join_nonce"),
        input.net_id("net_id"),
        input.nonce_16("dev_nonce"),
    );
    for key in
        [&keys.network.f_nwk_s_int_key, &keys.network.s_nwk_s_int_key, &keys.network.nwk_s_enc_key]
    {
        assert_eq!(key.expose(), &expected.array("nwk_s_key"));
    }
    assert_eq!(keys.app_s_key.expose(), &expected.array("app_s_key"));
}

// TS001-1.1 §6.2.3
fn derive_session_keys_1_1(case: &Case) {
    let (input, expected) = (case.input(), case.expected());
    let keys = derive::session_keys_1_1(
        &input.key("nwk_key"),
        &input.key("app_key"),
        input.nonce_24("join_nonce"),
        input.join_eui("join_eui"),
        input.nonce_16("dev_nonce"),
    );
    assert_eq!(keys.network.f_nwk_s_int_key.expose(), &expected.array("f_nwk_s_int_key"));
    assert_eq!(keys.network.s_nwk_s_int_key.expose(), &expected.array("s_nwk_s_int_key"));
    assert_eq!(keys.network.nwk_s_enc_key.expose(), &expected.array("nwk_s_enc_key"));
    assert_eq!(keys.app_s_key.expose(), &expected.array("app_s_key"));
}

// TS001-1.1 §6.1.1.4
fn derive_js_keys(case: &Case) {
    let (input, expected) = (case.input(), case.expected());
    let keys = derive::join_server_keys(&input.key("nwk_key"), input.dev_eui("dev_eui"));
    assert_eq!(keys.js_int_key.expose(), &expected.array("js_int_key"));
    assert_eq!(keys.js_enc_key.expose(), &expected.array("js_enc_key"));
}

fn join_request_mic(case: &Case) {
    let input = case.input();
    let mic = join::join_request_mic(&input.key("key"), &input.bytes("payload"));
    assert_eq!(mic, Ok(case.expected().array("mic")));
}

fn rejoin_request_mic(case: &Case) {
    let input = case.input();
    let mic = join::rejoin_request_mic(&input.key("key"), &input.bytes("payload"));
    assert_eq!(mic, Ok(case.expected().array("mic")));
}

fn join_accept_mic_1_0(case: &Case) {
    let (input, key) = (case.input(), case.input().key("key"));
    let mic = join::join_accept_mic(JoinAcceptMic::V1_0(&key), &input.bytes("payload"));
    assert_eq!(mic, Ok(case.expected().array("mic")));
}

fn join_accept_mic_1_1(case: &Case) {
    let (input, key) = (case.input(), case.input().key("js_int_key"));
    let mic = JoinAcceptMic::V1_1 {
        js_int_key: &key,
        join_req_type: JoinReqType::from_octet(input.int("join_req_type")).unwrap(),
        join_eui: input.join_eui("join_eui"),
        dev_nonce: input.nonce_16("dev_nonce"),
    };
    let mic = join::join_accept_mic(mic, &input.bytes("payload"));
    assert_eq!(mic, Ok(case.expected().array("mic")));
}

fn join_accept_encrypt(case: &Case) {
    let (key, plaintext) = (case.input().key("key"), case.input().bytes("plaintext"));
    let ciphertext = case.expected().bytes("ciphertext");
    assert_eq!(join::encrypt_join_accept(&key, &plaintext), Ok(ciphertext.clone()));
    assert_eq!(join::decrypt_join_accept(&key, &ciphertext), Ok(plaintext));
}

fn join_accept_encrypt_error(case: &Case) {
    let (key, plaintext) = (case.input().key("key"), case.input().bytes("plaintext"));
    join::encrypt_join_accept(&key, &plaintext).expect_err("must be refused");
    join::decrypt_join_accept(&key, &plaintext).expect_err("must be refused");
}

fn mic_length_error(case: &Case) {
    let key = ttn_core::key::Aes128Key::new([1; 16]);
    let payload = case.input().bytes("payload");
    let v1_1 = JoinAcceptMic::V1_1 {
        js_int_key: &key,
        join_req_type: JoinReqType::JoinRequest,
        join_eui: ttn_core::eui::JoinEui::default(),
        dev_nonce: 0,
    };
    let refused = match case.input().text("function") {
        "join_request_mic" => join::join_request_mic(&key, &payload),
        "rejoin_request_mic" => join::rejoin_request_mic(&key, &payload),
        "join_accept_mic_1_0" => join::join_accept_mic(JoinAcceptMic::V1_0(&key), &payload),
        "join_accept_mic_1_1" => join::join_accept_mic(v1_1, &payload),
        other => panic!("unknown function {other}"),
    };
    assert_eq!(refused.expect_err("must be refused").got, payload.len());
}

// TS001-1.0.4 §4.3.3
fn frm_payload_encrypt(case: &Case) {
    let input = case.input();
    let mut octets = input.bytes("plaintext");
    let mut apply = || {
        let addr = input.dev_addr("dev_addr");
        let key = input.key("key");
        encrypt_frm_payload(&key, input.direction(), addr, input.int("f_cnt"), &mut octets);
        octets.clone()
    };
    assert_eq!(apply(), case.expected().bytes("ciphertext"));
    assert_eq!(apply(), input.bytes("plaintext"));
}

// TS001-1.1 §4.3.1.6
fn f_opts_encrypt(case: &Case) {
    let input = case.input();
    let counter = match input.text("frame_type_constant") {
        "00000000" => FOptsCounter::BeforeErratum,
        "00000001" => FOptsCounter::Network,
        "00000002" => FOptsCounter::Application,
        other => panic!("unknown constant {other}"),
    };
    let mut octets = input.bytes("plaintext");
    let mut apply = || {
        let (key, addr) = (input.key("key"), input.dev_addr("dev_addr"));
        encrypt_f_opts(&key, input.direction(), counter, addr, input.int("f_cnt"), &mut octets);
        octets.clone()
    };
    assert_eq!(apply(), case.expected().bytes("ciphertext"));
    assert_eq!(apply(), input.bytes("plaintext"));
}

// TS001-1.0.4 §4.4
fn uplink_mic_1_0(case: &Case) {
    let input = case.input();
    let mic = mic::uplink_mic_1_0(
        &input.key("nwk_s_key"),
        input.dev_addr("dev_addr"),
        input.int("f_cnt"),
        &input.bytes("message"),
    );
    assert_eq!(mic, case.expected().array("mic"));
}

// TS001-1.1 §4.4.2
fn uplink_mic_1_1(case: &Case) {
    let (input, expected) = (case.input(), case.expected());
    let (addr, f_cnt) = (input.dev_addr("dev_addr"), input.int("f_cnt"));
    let message = input.bytes("message");
    let f_key = input.key("f_nwk_s_int_key");
    let mic = mic::uplink_mic_1_1(
        &input.key("s_nwk_s_int_key"),
        &f_key,
        addr,
        f_cnt,
        &binding(input),
        &message,
    );
    assert_eq!(mic, expected.array("mic"));
    let cmac_f = mic::uplink_mic_1_0(&f_key, addr, f_cnt, &message);
    assert_eq!(cmac_f[..2], expected.bytes("cmac_f_first_2"));
}

fn binding(input: Fields<'_>) -> UplinkBinding {
    UplinkBinding {
        conf_f_cnt: input.int("conf_f_cnt"),
        data_rate: DataRateIndex::new(input.int("tx_dr")).unwrap(),
        channel: input.int("tx_ch"),
    }
}

fn downlink_mic_1_0(case: &Case) {
    let input = case.input();
    let mic = mic::downlink_mic_1_0(
        &input.key("nwk_s_key"),
        input.dev_addr("dev_addr"),
        input.int("f_cnt"),
        &input.bytes("message"),
    );
    assert_eq!(mic, case.expected().array("mic"));
}

// TS001-1.1 §4.4.1
fn downlink_mic_1_1(case: &Case) {
    let input = case.input();
    let mic = mic::downlink_mic_1_1(
        &input.key("s_nwk_s_int_key"),
        input.dev_addr("dev_addr"),
        input.int("f_cnt"),
        input.int("conf_f_cnt"),
        &input.bytes("message"),
    );
    assert_eq!(mic, case.expected().array("mic"));
}

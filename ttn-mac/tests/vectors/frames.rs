//! frames.json

use ttn_core::{
    addr::DevAddrPrefix,
    frame::{DataForm, FCtrl, Form, PhyPayload, RejoinRequestForm},
    radio::DataRateIndex,
    version::MacVersion,
};
use ttn_mac::{
    command::{self, Direction},
    crypto::{
        derive,
        join::{self, JoinAcceptMic, JoinReqType},
    },
    frame::{
        self, CfList, DataFrame, FrequencyStep, JoinAccept, decode_f_ctrl, encode_f_ctrl,
        encode_join_request, encode_rejoin_request,
    },
    session::{
        self, CommandPlace, DownlinkContext, NetworkKeys, UplinkContext, seal_downlink,
        seal_uplink, verify_downlink, verify_uplink,
    },
};

use crate::{
    command_json,
    support::{Case, Fields, Kind, checked},
};

pub(crate) const KINDS: &[Kind] = &[
    checked("codec_frame", codec_frame),
    checked("data_frame", data_frame),
    checked("dev_addr_prefix_subset", dev_addr_prefix_subset),
    checked("f_ctrl", f_ctrl),
    checked("join_accept_payload", join_accept_payload),
    checked("join_exchange", join_exchange),
    checked("malformed", malformed),
    checked("net_id", net_id),
    checked("rejoin_request", rejoin_request),
    checked("semantic_reject", semantic_reject),
    checked("uplink_identifiers", uplink_identifiers),
];

const STEP: FrequencyStep = FrequencyStep::Hz100;

fn codec_frame(case: &Case) {
    let (phy, expected) = (parse(case), case.expected());
    check_form(&phy, expected);
    if expected.has("mic") {
        assert_eq!(phy.mic(), expected.array("mic"));
    }
    match &phy.form {
        Form::Data(data) => {
            check_data(&phy, data, expected);
            assert_eq!(rebuild(&phy, data).encode().unwrap(), phy.without_mic());
        }
        Form::JoinRequest(request) => {
            assert_eq!(request.join_eui, expected.join_eui("join_eui"));
            assert_eq!(request.dev_eui, expected.dev_eui("dev_eui"));
            assert_eq!(request.dev_nonce, expected.nonce_16("dev_nonce"));
            assert_eq!(encode_join_request(request), phy.without_mic());
        }
        Form::Proprietary => assert_eq!(phy.bytes[1..], expected.bytes("raw")),
        Form::RejoinRequest(request) => {
            check_rejoin(request, expected);
            assert_eq!(encode_rejoin_request(request).unwrap(), phy.without_mic());
        }
        // Encrypted: there is nothing to be read.
        Form::JoinAccept => {
            assert!(!expected.has("raw") || phy.bytes[1..].starts_with(&expected.bytes("raw")));
        }
    }
}

fn data_frame(case: &Case) {
    let (phy, input, expected) = (parse(case), case.input(), case.expected());
    let data = phy.data().expect("a data message");
    check_form(&phy, expected);
    check_data(&phy, data, expected);
    assert_eq!(phy.mic(), expected.array("mic"));

    let (version, keys) = (version(input), network_keys(input.object("keys")));
    let f_cnt = input.int("f_cnt");
    assert!(verify(&keys, version, &phy, input), "the integrity code is right");
    let mut damaged = phy.clone();
    damaged.bytes = phy.bytes.iter().map(|octet| octet ^ 0x80).collect();
    assert!(!verify(&keys, version, &damaged, input), "a damaged frame is refused");

    let f_opts = session::open_f_opts(&keys, version, &phy, f_cnt);
    assert_eq!(f_opts, expected.bytes("f_opts"));
    let on_port_0 = data.f_port == Some(0);
    let app_s_key = input.object("keys").key("app_s_key");
    let payload_key = match data.f_port {
        Some(0 | session::RELAY_F_PORT) => &keys.nwk_s_enc_key,
        _ => &app_s_key,
    };
    let payload = session::open_frm_payload(payload_key, &phy, f_cnt);
    assert_eq!(payload, expected.bytes("frm_payload"));

    // The Application Server has encrypted what is not for port 0.
    let mut sealed = DataFrame { f_opts, ..rebuild(&phy, data) };
    if on_port_0 {
        sealed.frm_payload = payload;
    }
    let sealed = if data.uplink {
        seal_uplink(&keys, version, sealed, &uplink_context(input))
    } else {
        seal_downlink(&keys, version, sealed, &downlink_context(input))
    };
    assert_eq!(sealed.unwrap(), *phy.bytes);
    check_commands(&keys, version, &phy, case);
}

fn check_commands(keys: &NetworkKeys, version: MacVersion, phy: &PhyPayload, case: &Case) {
    let Some(wanted) = case.expected().value("mac_commands").as_array() else { return };
    let octets = session::open_commands(keys, version, phy, case.input().int("f_cnt"));
    let direction = Direction::of_uplink(phy.data().is_some_and(|data| data.uplink));
    let commands: Vec<_> = command::parse(direction, STEP, &octets).map(Result::unwrap).collect();
    let wanted: Vec<_> = wanted
        .iter()
        .map(|one| command_json::command(one["name"].as_str().unwrap(), Fields(one)).unwrap())
        .collect();
    assert_eq!(commands, wanted);
}

fn f_ctrl(case: &Case) {
    let (input, expected) = (case.input(), case.expected());
    let ([octet], direction) = (input.array("byte"), Direction::of_uplink(input.flag("uplink")));
    let f_ctrl = decode_f_ctrl(direction, octet);
    assert_eq!(f_ctrl, expected_f_ctrl(expected));
    assert_eq!(octet & 0x0F, expected.int::<u8>("f_opts_len"));
    let reserved = if input.flag("uplink") { 0 } else { 0x40 };
    assert_eq!(encode_f_ctrl(direction, f_ctrl), octet & 0xF0 & !reserved);
}

fn join_accept_payload(case: &Case) {
    let (payload, expected) = (case.input().bytes("payload"), case.expected());
    let accept = JoinAccept::decode(&payload, STEP).unwrap();
    check_accept(&accept, expected);
    match (&accept.cf_list, expected.value("cf_list").is_null()) {
        (None, true) => {}
        (Some(CfList::Frequencies(frequencies)), false) => {
            let frequencies: Vec<u64> =
                frequencies.iter().map(|f| f.hz() / 100).filter(|units| *units != 0).collect();
            let wanted = expected.object("cf_list").value("frequencies_100hz");
            let wanted: Vec<u64> =
                wanted.as_array().unwrap().iter().map(|units| units.as_u64().unwrap()).collect();
            assert_eq!(frequencies, wanted);
        }
        (Some(CfList::ChannelMasks(masks)), false) => {
            let masks: Vec<u8> = masks.iter().flat_map(|mask| mask.to_le_bytes()).collect();
            assert_eq!(masks, expected.object("cf_list").bytes("ch_masks_hex"));
        }
        (got, _) => panic!("CFList {got:?}"),
    }
    assert_eq!(accept.encode(STEP).unwrap(), payload);
}

fn join_exchange(case: &Case) {
    let (input, expected) = (case.input(), case.expected());
    let (keys, phy) = (input.object("keys"), input.bytes("join_accept_phy"));
    let is_1_1 = version(input).is_1_1();
    let root_key = keys.key(if is_1_1 { "nwk_key" } else { "app_key" });
    let js = derive::join_server_keys(&root_key, input.dev_eui("dev_eui"));
    let join_req_type = JoinReqType::from_octet(input.int("join_req_type")).unwrap();
    let (join_eui, dev_nonce) = (input.join_eui("join_eui"), input.nonce_16("dev_nonce"));
    let encryption_key = match join_req_type {
        JoinReqType::JoinRequest => &root_key,
        _ => &js.js_enc_key,
    };
    let mic = |accept: &JoinAccept| {
        if accept.dl_settings.opt_neg {
            JoinAcceptMic::V1_1 { js_int_key: &js.js_int_key, join_req_type, join_eui, dev_nonce }
        } else {
            JoinAcceptMic::V1_0(&root_key)
        }
    };
    let accept = join::open_join_accept(&phy, STEP, encryption_key, mic).unwrap();
    check_accept(&accept, expected);
    let cf_list = accept.cf_list.as_ref().map(|list| list.encode(STEP).unwrap().to_vec());
    assert_eq!(cf_list, expected.has("cf_list").then(|| expected.bytes("cf_list")));
    let sealed = join::seal_join_accept(&accept, STEP, mic(&accept), encryption_key);
    assert_eq!(sealed.unwrap(), phy);
    assert_eq!(frame::parse(phy.clone()).unwrap().form, Form::JoinAccept);
    let plaintext = join::decrypt_join_accept(encryption_key, &phy[1..]).unwrap();
    assert_eq!(plaintext, expected.bytes("plaintext"));
    assert!(plaintext.ends_with(&expected.bytes("mic")));
    let mut damaged = phy;
    damaged[5] ^= 1;
    join::open_join_accept(&damaged, STEP, encryption_key, mic).expect_err("is refused");

    if input.has("join_request_phy") {
        let request = frame::parse(input.bytes("join_request_phy")).unwrap();
        let Form::JoinRequest(form) = request.form else { panic!("no join-request") };
        assert_eq!((form.join_eui, form.dev_nonce), (join_eui, dev_nonce));
        assert_eq!(form.dev_eui, input.dev_eui("dev_eui"));
        assert_eq!(join::join_request_mic(&root_key, request.without_mic()), Ok(request.mic()));
    }
    let session = if accept.dl_settings.opt_neg {
        let app_key = keys.key("app_key");
        derive::session_keys_1_1(&root_key, &app_key, accept.join_nonce, join_eui, dev_nonce)
    } else {
        derive::session_keys_1_0(&root_key, accept.join_nonce, accept.net_id, dev_nonce)
    };
    let wanted = expected.object("session_keys");
    assert_eq!(session.network, network_keys(wanted));
    assert_eq!(session.app_s_key, wanted.key("app_s_key"));
    if expected.has("js_int_key") {
        assert_eq!(js.js_int_key, expected.key("js_int_key"));
        assert_eq!(js.js_enc_key, expected.key("js_enc_key"));
    }
}

fn rejoin_request(case: &Case) {
    let (phy, expected) = (parse(case), case.expected());
    let Form::RejoinRequest(request) = phy.form else { panic!("no rejoin-request") };
    check_form(&phy, expected);
    check_rejoin(&request, expected);
    assert_eq!(phy.mic(), expected.array("mic"));
    let keys = case.input().object("keys");
    let key = match request {
        RejoinRequestForm::HomeNetwork { .. } => keys.key("s_nwk_s_int_key"),
        RejoinRequestForm::JoinServer { dev_eui, .. } => {
            derive::join_server_keys(&keys.key("nwk_key"), dev_eui).js_int_key
        }
    };
    assert_eq!(join::rejoin_request_mic(&key, phy.without_mic()), Ok(phy.mic()));
}

fn malformed(case: &Case) {
    frame::parse(case.input().bytes("phy_payload")).expect_err("must be refused");
}

fn semantic_reject(case: &Case) {
    let (phy, input) = (parse(case), case.input());
    let keys = network_keys(input.object("keys"));
    let commands_twice = phy.data().map(CommandPlace::of) == Some(CommandPlace::Both);
    assert!(commands_twice || !verify(&keys, MacVersion::V1_0_4, &phy, input));
}

fn uplink_identifiers(case: &Case) {
    let expected = case.expected();
    let (join_eui, dev_eui) = match parse(case).form {
        Form::JoinRequest(request) => (Some(request.join_eui), request.dev_eui),
        Form::RejoinRequest(RejoinRequestForm::HomeNetwork { dev_eui, .. }) => (None, dev_eui),
        Form::RejoinRequest(RejoinRequestForm::JoinServer { join_eui, dev_eui, .. }) => {
            (Some(join_eui), dev_eui)
        }
        other => panic!("no identifiers in {other:?}"),
    };
    assert_eq!(join_eui, expected.has("join_eui").then(|| expected.join_eui("join_eui")));
    assert_eq!(dev_eui, expected.dev_eui("dev_eui"));
}

fn net_id(case: &Case) {
    let (net_id, expected) = (case.input().net_id("net_id"), case.expected());
    assert_eq!(net_id.net_id_type(), expected.int::<u8>("type"));
    assert_eq!(net_id.id(), u32::from_str_radix(expected.text("id"), 16).unwrap());
    let prefix = net_id.dev_addr_prefix();
    assert_eq!(prefix.addr(), expected.dev_addr("dev_addr_prefix"));
    assert_eq!(prefix.length(), expected.int::<u8>("prefix_length"));
}

fn dev_addr_prefix_subset(case: &Case) {
    let prefix = |name| case.input().text(name).parse::<DevAddrPrefix>().unwrap();
    let is_subset = case.expected().flag("a_is_subset_of_b");
    assert_eq!(prefix("a").is_subset_of(prefix("b")), is_subset);
}

fn parse(case: &Case) -> PhyPayload {
    frame::parse(case.input().bytes("phy_payload")).unwrap()
}

fn check_form(phy: &PhyPayload, expected: Fields<'_>) {
    let m_type = match &phy.form {
        Form::Data(DataForm { uplink: true, confirmed: false, .. }) => "unconfirmed_up",
        Form::Data(DataForm { uplink: false, confirmed: false, .. }) => "unconfirmed_down",
        Form::Data(DataForm { uplink: true, confirmed: true, .. }) => "confirmed_up",
        Form::Data(DataForm { uplink: false, confirmed: true, .. }) => "confirmed_down",
        Form::JoinAccept => "join_accept",
        Form::JoinRequest(_) => "join_request",
        Form::Proprietary => "proprietary",
        Form::RejoinRequest(_) => "rejoin_request",
    };
    assert_eq!(m_type, expected.text("m_type"));
    assert_eq!(phy.bytes[0] & 3, expected.int::<u8>("major"));
}

fn check_data(phy: &PhyPayload, data: &DataForm, expected: Fields<'_>) {
    assert_eq!(data.dev_addr, expected.dev_addr("dev_addr"));
    assert_eq!(data.f_ctrl, expected_f_ctrl(expected.object("f_ctrl")));
    assert_eq!(data.f_cnt, expected.int::<u16>("f_cnt"));
    assert_eq!(phy.slice(&data.f_opts), expected.bytes("f_opts_raw"));
    assert_eq!(data.f_port, expected.has("f_port").then(|| expected.int("f_port")));
    assert_eq!(phy.slice(&data.frm_payload), expected.bytes("frm_payload_raw"));
}

fn check_rejoin(request: &RejoinRequestForm, expected: Fields<'_>) {
    let wanted = match expected.int("rejoin_type") {
        1_u8 => RejoinRequestForm::JoinServer {
            join_eui: expected.join_eui("join_eui"),
            dev_eui: expected.dev_eui("dev_eui"),
            rejoin_count: expected.int("rejoin_cnt"),
        },
        rejoin_type => RejoinRequestForm::HomeNetwork {
            rejoin_type,
            net_id: expected.net_id("net_id"),
            dev_eui: expected.dev_eui("dev_eui"),
            rejoin_count: expected.int("rejoin_cnt"),
        },
    };
    assert_eq!(*request, wanted);
}

fn check_accept(accept: &JoinAccept, expected: Fields<'_>) {
    let settings = expected.object("dl_settings");
    assert_eq!(accept.join_nonce, expected.nonce_24("join_nonce"));
    assert_eq!(accept.net_id, expected.net_id("net_id"));
    assert_eq!(accept.dev_addr, expected.dev_addr("dev_addr"));
    assert_eq!(accept.dl_settings.opt_neg, settings.flag("opt_neg"));
    assert_eq!(accept.dl_settings.rx1_dr_offset, settings.int::<u8>("rx1_dr_offset"));
    assert_eq!(accept.dl_settings.rx2_dr.get(), settings.int::<u8>("rx2_dr"));
    assert_eq!(accept.rx_delay, expected.int::<u8>("rx_delay"));
}

fn expected_f_ctrl(f: Fields<'_>) -> FCtrl {
    FCtrl {
        adr: f.flag("adr"),
        adr_ack_req: f.flag_or_false("adr_ack_req"),
        ack: f.flag("ack"),
        class_b: f.flag_or_false("class_b"),
        f_pending: f.flag_or_false("f_pending"),
    }
}

fn rebuild(phy: &PhyPayload, data: &DataForm) -> DataFrame {
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

fn version(input: Fields<'_>) -> MacVersion {
    match input.text("lorawan_version") {
        "1.0" => MacVersion::V1_0_4,
        "1.1" => MacVersion::V1_1,
        other => panic!("unknown version {other}"),
    }
}

fn network_keys(keys: Fields<'_>) -> NetworkKeys {
    if keys.has("nwk_s_key") {
        return NetworkKeys::v1_0(keys.key("nwk_s_key"));
    }
    NetworkKeys {
        f_nwk_s_int_key: keys.key("f_nwk_s_int_key"),
        s_nwk_s_int_key: keys.key("s_nwk_s_int_key"),
        nwk_s_enc_key: keys.key("nwk_s_enc_key"),
    }
}

fn verify(keys: &NetworkKeys, version: MacVersion, phy: &PhyPayload, input: Fields<'_>) -> bool {
    let up = verify_uplink(keys, version, phy, &uplink_context(input));
    let down = verify_downlink(keys, version, phy, &downlink_context(input));
    assert!(!(up && down), "verifies in one direction alone");
    up || down
}

fn uplink_context(input: Fields<'_>) -> UplinkContext {
    UplinkContext {
        f_cnt: input.int("f_cnt"),
        conf_f_cnt: input.int_or_zero("conf_f_cnt"),
        data_rate: DataRateIndex::new(input.int_or_zero("tx_dr")).unwrap(),
        channel: input.int_or_zero("tx_ch"),
    }
}

fn downlink_context(input: Fields<'_>) -> DownlinkContext {
    DownlinkContext { f_cnt: input.int("f_cnt"), conf_f_cnt: input.int_or_zero("conf_f_cnt") }
}

//! Join exchanges of the published vectors, through the decision function.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

use std::{env, fs, path::Path};

use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;
use ttn_core::{
    addr::{DevAddr, NetId},
    frame::JoinRequestForm,
    key::{Aes128Key, KeyEnvelope},
    msg::{DlSettings, JoinRequest},
    radio::DataRateIndex,
    rand::OsEntropy,
    store::Revision,
    time::Timestamp,
    version::MacVersion,
};
use ttn_js::{
    Config, Device, Euis,
    join::{JoinKeys, ParsedRequest, RootKeyChoice, decide},
    store::Nonces,
};
use ttn_mac::frame::encode_join_request;

fn main() {
    let arguments = Arguments::from_args();
    let required = env::var("TTN_REQUIRE").unwrap_or_default();
    let is_required = required.split(',').any(|name| name == "vectors");
    let trials = match env::var_os("TTN_VECTORS") {
        Some(directory) => exchanges(Path::new(&directory)),
        None if is_required => vec![Trial::test("vectors are there", || {
            Err(Failed::from("TTN_REQUIRE asks for vectors, but TTN_VECTORS names no directory"))
        })],
        None => vec![
            Trial::test("vectors (TTN_VECTORS names no directory)", || Ok(()))
                .with_ignored_flag(true),
        ],
    };
    libtest_mimic::run(&arguments, trials).exit();
}

fn exchanges(directory: &Path) -> Vec<Trial> {
    let text = fs::read_to_string(directory.join("frames.json")).unwrap();
    let vectors: Value = serde_json::from_str(&text).unwrap();
    let cases = vectors["cases"].as_array().unwrap().iter();
    let cases = cases.filter(|case| case["kind"] == "join_exchange").cloned();
    // Accepts that answer rejoin-requests come with them.
    let (joins, rejoins): (Vec<_>, Vec<_>) =
        cases.partition(|case| case["input"]["join_req_type"] == 255);
    let mut trials: Vec<_> = joins
        .into_iter()
        .map(|case| {
            let id = case["id"].as_str().unwrap().to_owned();
            Trial::test(id, move || {
                exchange(&case);
                Ok(())
            })
        })
        .collect();
    assert!(trials.len() >= 11, "the vectors have join exchanges");
    trials.extend(rejoins.into_iter().map(|case| {
        let id = case["id"].as_str().unwrap();
        Trial::test(format!("{id} (rejoin-requests are not answered yet)"), || Ok(()))
            .with_ignored_flag(true)
    }));
    trials
}

/// The published accept comes out of the published request. // JS-07, JS-08, JS-09
fn exchange(case: &Value) {
    let (input, expected) = (&case["input"], &case["expected"]);
    let version = match text(&input["lorawan_version"]) {
        "1.0" => MacVersion::V1_0_3,
        "1.1" => MacVersion::V1_1,
        other => panic!("version {other}"),
    };
    let dev_nonce = u16::from_str_radix(text(&input["dev_nonce"]), 16).unwrap();
    let euis = Euis {
        join_eui: text(&input["join_eui"]).parse().unwrap(),
        dev_eui: text(&input["dev_eui"]).parse().unwrap(),
    };
    let request = request(input, expected, version, euis, dev_nonce);
    let mut device = Device::new("app.vector".parse().unwrap(), euis);
    let key =
        |name: &str| input["keys"][name].as_str().map(|key| key.parse::<Aes128Key>().unwrap());
    device.root_keys.app_key = key("app_key").map(KeyEnvelope::Clear);
    device.root_keys.nwk_key = key("nwk_key").map(KeyEnvelope::Clear);

    let parsed = ParsedRequest::parse(&request, &Config::default()).unwrap();
    let choice =
        RootKeyChoice::of(version, request.dl_settings.opt_neg, &device.root_keys).unwrap();
    let clear = |root| device.root_keys.of(root).unwrap().clear().unwrap().clone();
    let keys = JoinKeys::new(choice, clear(choice.network), clear(choice.application));
    let join_nonce = u32::from_str_radix(text(&expected["join_nonce"]), 16).unwrap();
    let nonces = Nonces { revision: Revision(1), join_nonce: join_nonce - 1, ..Nonces::default() };
    let now = Timestamp::from_unix_secs(1_700_000_000);
    let accept =
        decide(&device, &keys, &nonces, &parsed, &request, now, &OsEntropy::default()).unwrap();

    assert_eq!(accept.join_nonce, join_nonce);
    assert_eq!(hex(&accept.phy), text(&input["join_accept_phy"]));
    let session = &expected["session_keys"];
    let network = &accept.keys.network;
    let pairs = if session["nwk_s_key"].is_string() {
        vec![
            ("nwk_s_key", &network.f_nwk_s_int_key),
            ("nwk_s_key", &network.s_nwk_s_int_key),
            ("nwk_s_key", &network.nwk_s_enc_key),
            ("app_s_key", &accept.keys.app_s_key),
        ]
    } else {
        vec![
            ("f_nwk_s_int_key", &network.f_nwk_s_int_key),
            ("s_nwk_s_int_key", &network.s_nwk_s_int_key),
            ("nwk_s_enc_key", &network.nwk_s_enc_key),
            ("app_s_key", &accept.keys.app_s_key),
        ]
    };
    for (name, key) in pairs {
        assert_eq!(hex(key.expose()), text(&session[name]), "{name}");
    }
}

fn request(
    input: &Value,
    expected: &Value,
    version: MacVersion,
    euis: Euis,
    dev_nonce: u16,
) -> JoinRequest {
    let Euis { join_eui, dev_eui } = euis;
    let phy = unhex(text(&input["join_request_phy"]));
    let form = JoinRequestForm { join_eui, dev_eui, dev_nonce };
    assert_eq!(encode_join_request(&form)[..], phy[..19]);
    let settings = &expected["dl_settings"];
    let small = |value: &Value| u8::try_from(value.as_u64().unwrap()).unwrap();
    JoinRequest {
        phy: phy.into(),
        join_eui,
        dev_eui,
        dev_nonce,
        dev_addr: text(&expected["dev_addr"]).parse::<DevAddr>().unwrap(),
        net_id: text(&expected["net_id"]).parse::<NetId>().unwrap(),
        mac_version: version,
        dl_settings: DlSettings {
            opt_neg: settings["opt_neg"].as_bool().unwrap(),
            rx1_dr_offset: small(&settings["rx1_dr_offset"]),
            rx2_dr: DataRateIndex::from_low_bits(small(&settings["rx2_dr"])),
        },
        rx_delay: small(&expected["rx_delay"]),
        cf_list: expected["cf_list"].as_str().map(|list| unhex(list).try_into().unwrap()),
        correlation_ids: Vec::new(),
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn hex(octets: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(octets)
}

fn unhex(text: &str) -> Vec<u8> {
    data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap()
}

//! Known answers of payload formatters, one test per kind of `payload_formatters.json`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests stop at the first surprise"
)]

use std::{collections::BTreeMap, path::PathBuf, process::ExitCode};

use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::{Map, Value};
use ttn_as::{
    format::{CayenneLpp, Formatter as _, NameError, Payload, Structure, channel_name},
    log::Decoded,
};
use ttn_core::id::DeviceIds;

/// Kinds that come with later formatters.
const LATER: [&str; 3] = ["cayenne_lpp_extended", "javascript", "normalized"];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let name = "payload_formatters";
    let directory = std::env::var_os("TTN_VECTORS").map(PathBuf::from);
    let required = std::env::var("TTN_REQUIRE").unwrap_or_default();
    let trials = match directory {
        Some(directory) => trials(&directory.join("payload_formatters.json")),
        None if required.split(',').any(|word| word == "vectors") => {
            vec![Trial::test(name, || Err("TTN_VECTORS is not set, but required".into()))]
        }
        None => {
            let ignored = Trial::test(format!("{name} (TTN_VECTORS is not set)"), || Ok(()));
            vec![ignored.with_ignored_flag(true)]
        }
    };
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn trials(path: &std::path::Path) -> Vec<Trial> {
    let text = std::fs::read_to_string(path).expect("payload_formatters.json");
    let vectors: Value = serde_json::from_str(&text).expect("JSON");
    let mut kinds: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for case in vectors["cases"].as_array().expect("cases") {
        let kind = case["kind"].as_str().expect("a kind").to_owned();
        kinds.entry(kind).or_default().push(case.clone());
    }
    kinds
        .into_iter()
        .map(|(kind, cases)| {
            let is_later = LATER.contains(&kind.as_str());
            let title = format!("payload_formatters {kind}: {} cases", cases.len());
            let trial = Trial::test(title, move || check_all(&kind, &cases));
            trial.with_ignored_flag(is_later)
        })
        .collect()
}

fn check_all(kind: &str, cases: &[Value]) -> Result<(), Failed> {
    let failures: Vec<_> = cases
        .iter()
        .filter_map(|case| check(kind, case).err().map(|why| format!("{}: {why}", case["id"])))
        .collect();
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\n").into()) }
}

fn check(kind: &str, case: &Value) -> Result<(), String> {
    let (input, expected) = (&case["input"], &case["expected"]);
    match kind {
        "cayenne_lpp_up" => same(&decode(input, false)?.payload, &expected["decoded_payload"]),
        "cayenne_lpp_down_decode" => {
            same(&decode(input, true)?.payload, &expected["decoded_payload"])
        }
        "cayenne_lpp_invalid" => match decode(input, false) {
            Ok(decoded) => Err(format!("decodes to {decoded:?}")),
            Err(_) => Ok(()),
        },
        "cayenne_lpp_down" | "cayenne_lpp_down_ignored" => {
            let octets = encode(input["decoded_payload"].as_object().expect("an object"))?;
            let wanted = expected["frm_payload"].as_str().expect("hex");
            let wanted = data_encoding::HEXLOWER.decode(wanted.as_bytes()).expect("hex");
            let sorted = |octets: &[u8]| {
                let mut values: Vec<_> = octets.chunks(3).map(<[u8]>::to_vec).collect();
                values.sort();
                values
            };
            equal(&sorted(&octets), &sorted(&wanted))
        }
        "cayenne_lpp_name" => {
            let name = input["name"].as_str().expect("a name");
            match (channel_name(name), expected["error"].as_str()) {
                (Ok((key, channel)), None) => equal(
                    &(key, u64::from(channel)),
                    &(
                        expected["key"].as_str().expect("a key"),
                        expected["channel"].as_u64().expect("a channel"),
                    ),
                ),
                (Err(NameError::Channel(_)), Some("channel"))
                | (Err(NameError::Key(_)), Some("key")) => Ok(()),
                (got, wanted) => Err(format!("{got:?}, not {wanted:?}")),
            }
        }
        _ if LATER.contains(&kind) => Err("the formatter is not built yet".to_owned()),
        _ => Err("the kind is not known".to_owned()),
    }
}

fn ids() -> DeviceIds {
    DeviceIds::new("my-app.my-dev".parse().expect("a key"))
}

fn decode(input: &Value, down: bool) -> Result<Decoded, String> {
    let hex = input["frm_payload"].as_str().expect("hex");
    let octets = data_encoding::HEXLOWER.decode(hex.as_bytes()).expect("hex");
    let ids = ids();
    let payload = Payload { ids: &ids, f_port: 1, octets: &octets, parameter: "" };
    let formatter = CayenneLpp::default();
    let decoded = if down {
        futures::executor::block_on(formatter.decode_downlink(&payload))
    } else {
        futures::executor::block_on(formatter.decode_uplink(&payload))
    };
    decoded.map_err(|error| error.to_string())
}

fn encode(payload: &Map<String, Value>) -> Result<Vec<u8>, String> {
    let ids = ids();
    let structure = Structure { ids: &ids, f_port: Some(1), payload, parameter: "" };
    let encoded = futures::executor::block_on(CayenneLpp::default().encode_downlink(&structure));
    encoded.map(|encoded| encoded.octets).map_err(|error| error.to_string())
}

fn same(got: &Map<String, Value>, wanted: &Value) -> Result<(), String> {
    let wanted = wanted.as_object().expect("an object");
    if got.len() != wanted.len() {
        return Err(format!("{got:?}, not {wanted:?}"));
    }
    for (name, wanted) in wanted {
        match (got.get(name), wanted) {
            (Some(Value::Object(got)), wanted @ Value::Object(_)) => same(got, wanted)?,
            (Some(Value::Number(got)), Value::Number(wanted))
                if (got.as_f64().unwrap() - wanted.as_f64().unwrap()).abs() < 1e-4 => {}
            (got, _) => return Err(format!("{name} is {got:?}, not {wanted:?}")),
        }
    }
    Ok(())
}

fn equal<T: PartialEq + std::fmt::Debug>(got: &T, wanted: &T) -> Result<(), String> {
    if got == wanted { Ok(()) } else { Err(format!("{got:?}, not {wanted:?}")) }
}

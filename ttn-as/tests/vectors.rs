//! Known answers of payload formatters, one test per kind of `payload_formatters.json`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests stop at the first surprise"
)]

use std::{collections::BTreeMap, path::PathBuf, process::ExitCode};

use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::{Map, Value, json};
use ttn_as::{
    format::{
        CayenneLpp, Formatter as _, NameError, NormalizeError, Payload, Structure, channel_name,
        normalized::{self, RangeRule},
    },
    log::Decoded,
};
use ttn_core::id::DeviceIds;

/// Kinds that come with later formatters.
const LATER: &[&str] = if cfg!(feature = "javascript") {
    &["cayenne_lpp_extended"]
} else {
    &["cayenne_lpp_extended", "javascript"]
};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let name = "payload_formatters";
    let directory = std::env::var_os("TTN_VECTORS").map(PathBuf::from);
    let required = std::env::var("TTN_REQUIRE").unwrap_or_default();
    let trials = match directory {
        Some(directory) => {
            let mut trials = trials(&directory.join("payload_formatters.json"));
            #[cfg(feature = "webhook")]
            trials.push(Trial::test("crypto hmac_sha256", move || {
                hmac_sha256(&directory.join("crypto.json"))
            }));
            trials
        }
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

#[cfg(feature = "webhook")]
fn hmac_sha256(path: &std::path::Path) -> Result<(), Failed> {
    let vectors: Value = serde_json::from_str(&std::fs::read_to_string(path)?)?;
    let cases = vectors["cases"].as_array().ok_or("no cases")?;
    let cases: Vec<_> = cases.iter().filter(|case| case["kind"] == "hmac_sha256").collect();
    assert!(!cases.is_empty(), "there is no case");
    for case in cases {
        let octets = |section: &str, name: &str| {
            let text = case[section][name].as_str().unwrap();
            data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes()).unwrap()
        };
        let (key, message) = (octets("input", "key"), octets("input", "message"));
        let mac = ttn_as::integration::webhook::hmac_sha256(&key, &[&message]);
        assert_eq!(mac, *octets("expected", "mac"), "{}", case["id"]);
    }
    Ok(())
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
        #[cfg(feature = "javascript")]
        "javascript" => javascript::check(input, expected),
        "normalized" => normalized(input, expected),
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
    let payload = Payload {
        ids: &ids,
        version: None,
        f_port: 1,
        octets: &octets,
        received_at: None,
        settings: None,
        parameter: "",
    };
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
    let structure = Structure { ids: &ids, version: None, f_port: Some(1), payload, parameter: "" };
    let encoded = futures::executor::block_on(CayenneLpp::default().encode_downlink(&structure));
    encoded.map(|encoded| encoded.octets).map_err(|error| error.to_string())
}

fn normalized(input: &Value, expected: &Value) -> Result<(), String> {
    let list = input["measurements"].as_array().expect("a list");
    let list = list.iter().map(|value| normalized::parse(value.as_object().expect("an object")));
    match (list.collect::<Result<Vec<_>, _>>(), expected["error"].as_str()) {
        (Ok(got), None) => {
            let rule = |rule| match rule {
                RangeRule::ExclusiveMaximum => "exclusive_maximum",
                RangeRule::Maximum => "maximum",
                RangeRule::Minimum => "minimum",
            };
            let got: Vec<Value> = got
                .into_iter()
                .map(|measurement| {
                    let outside = measurement.outside.iter().map(|field| {
                        json!({ "path": field.path, "rule": rule(field.rule), "limit": field.limit })
                    });
                    json!({ "valid": measurement.valid, "errors": outside.collect::<Vec<_>>() })
                })
                .collect();
            equal(&floats(&json!(got)), &floats(&expected["measurements"]))
        }
        (Err(error), Some(wanted)) => {
            let (got, path) = match &error {
                NormalizeError::FieldType { path } => ("field_type", path.as_str()),
                NormalizeError::Time { .. } => ("time", ""),
                NormalizeError::UnknownField { path } => ("unknown_field", path.as_str()),
                other => return Err(format!("{other:?}")),
            };
            equal(&(got, path), &(wanted, expected["path"].as_str().unwrap_or_default()))
        }
        (got, wanted) => Err(format!("{got:?}, not {wanted:?}")),
    }
}

/// All numbers as floats.
fn floats(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Array(list) => list.iter().map(floats).collect(),
        Value::Object(members) => {
            members.iter().map(|(name, value)| (name.clone(), floats(value))).collect()
        }
        other => other.clone(),
    }
}

#[cfg(feature = "javascript")]
mod javascript {
    use std::sync::Arc;

    use ttn_as::format::{
        FormatError, NormalizeError, Normalized,
        javascript::{InProcessHost, JavaScript, Limits},
    };

    use super::*;

    pub(super) fn check(input: &Value, expected: &Value) -> Result<(), String> {
        let formatter = JavaScript::new(Arc::new(InProcessHost::new(Limits::default())));
        let ids = ids();
        let parameter = input["script"].as_str().expect("a script");
        let f_port = input["f_port"].as_u64().expect("a port") as u8;
        let octets = input["bytes"].as_str().unwrap_or_default();
        let octets = data_encoding::HEXLOWER.decode(octets.as_bytes()).expect("hex");
        let payload = Payload {
            ids: &ids,
            version: None,
            f_port,
            octets: &octets,
            received_at: None,
            settings: None,
            parameter,
        };
        let got = match input["function"].as_str().expect("a function") {
            "decode_uplink" => futures::executor::block_on(formatter.decode_uplink(&payload))
                .map(|decoded| shown(decoded, true)),
            "decode_downlink" => futures::executor::block_on(formatter.decode_downlink(&payload))
                .map(|decoded| shown(decoded, false)),
            "encode_downlink" => {
                let data = input["data"].as_object().expect("an object");
                let port = Some(f_port).filter(|port| *port != 0);
                let structure =
                    Structure { ids: &ids, version: None, f_port: port, payload: data, parameter };
                futures::executor::block_on(formatter.encode_downlink(&structure)).map(|encoded| {
                    json!({
                        "bytes": data_encoding::HEXLOWER.encode(&encoded.octets),
                        "f_port": encoded.f_port.unwrap_or(f_port),
                        "warnings": encoded.warnings,
                    })
                })
            }
            other => return Err(format!("the function {other} is not known")),
        };
        let got = got.unwrap_or_else(|error| failure(&error, expected));
        equal(&sorted(&floats(&got)), &sorted(&floats(expected)))
    }

    fn shown(decoded: Decoded, is_uplink: bool) -> Value {
        let mut shown = json!({ "decoded_payload": decoded.payload, "warnings": decoded.warnings });
        if is_uplink {
            let measurements = decoded.normalized.as_ref().map(|of| of.measurements.clone());
            shown["normalized_payload"] = json!(measurements);
            let Normalized { warnings, .. } = decoded.normalized.unwrap_or_default();
            shown["normalized_warnings"] = json!(warnings);
        }
        shown
    }

    fn failure(error: &FormatError, expected: &Value) -> Value {
        let mut shown = match error {
            FormatError::Aborted { errors } => {
                return json!({ "error": "aborted", "message": errors.join(", ") });
            }
            FormatError::Encoding { .. } => json!({ "error": "encoding" }),
            FormatError::EntrypointNotFound { .. }
            | FormatError::Runtime { .. }
            | FormatError::Script { .. }
            | FormatError::Timeout { .. } => json!({ "error": "script" }),
            FormatError::Output { .. } => json!({ "error": "output" }),
            other => panic!("{other:?}"),
        };
        if let (FormatError::Output { source: Some(source), .. }, Some(_)) =
            (error, expected.get("detail"))
        {
            shown["detail"] = match source {
                NormalizeError::UnknownField { path } => json!(format!("unknown_field:{path}")),
                NormalizeError::FieldType { path } => json!(format!("field_type:{path}")),
                other => json!(other.to_string()),
            };
        }
        shown
    }

    /// The order of warnings does not matter.
    fn sorted(value: &Value) -> Value {
        let mut value = value.clone();
        if let Some(Value::Array(list)) = value.get_mut("normalized_warnings") {
            list.sort_by_key(Value::to_string);
        }
        value
    }
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

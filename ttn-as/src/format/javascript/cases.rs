//! Examples of a script: inputs with what it has to give, in the form of the codecs of the device repository.
//!
//! ```json
//! [
//!   {
//!     "description": "21.5 degrees",
//!     "input": { "fPort": 1, "bytes": "2b" },
//!     "output": { "data": { "air": { "temperature": 21.5 } } },
//!     "normalizedOutput": { "data": [{ "air": { "temperature": 21.5 } }] }
//!   },
//!   {
//!     "function": "encodeDownlink",
//!     "input": { "data": { "led": true } },
//!     "output": { "fPort": 9, "bytes": [1] }
//!   },
//!   { "input": { "fPort": 2, "bytes": [0] }, "output": { "errors": ["unknown port"] } }
//! ]
//! ```
//!
//! `output.error` names an error of the API, such as `script_timeout`.

use serde::Deserialize;
use serde_json::{Map, Value, json};
use ttn_core::{error::ApiError as _, id::DeviceIds};

use super::Function;
use crate::format::{FormatError, Formatter, Payload, Structure};

/// An example.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Case {
    /// What it shows.
    #[serde(default)]
    pub description: String,
    #[serde(default)]
    function: FunctionName,
    input: Input,
    #[serde(default)]
    output: Map<String, Value>,
    normalized_output: Option<Map<String, Value>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
enum FunctionName {
    DecodeDownlink,
    #[default]
    DecodeUplink,
    EncodeDownlink,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Input {
    #[serde(default)]
    f_port: u8,
    #[serde(default)]
    bytes: Octets,
    #[serde(default)]
    data: Map<String, Value>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Octets {
    List(Vec<u8>),
    Hex(#[serde(deserialize_with = "hex")] Vec<u8>),
}

impl Default for Octets {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

fn hex<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes()).map_err(serde::de::Error::custom)
}

impl Case {
    /// The function that it calls.
    #[must_use]
    pub const fn function(&self) -> Function {
        match self.function {
            FunctionName::DecodeDownlink => Function::DecodeDownlink,
            FunctionName::DecodeUplink => Function::DecodeUplink,
            FunctionName::EncodeDownlink => Function::EncodeDownlink,
        }
    }

    /// Runs a script on the example. Gives the differences to what it has to give, a line each.
    pub async fn differences(
        &self,
        formatter: &dyn Formatter,
        ids: &DeviceIds,
        script: &str,
    ) -> Vec<String> {
        let (output, normalized) = self.outcome(formatter, ids, script).await;
        let mut found = Vec::new();
        compare("output", &output, &json!(self.output), &mut found);
        if let Some(wanted) = &self.normalized_output {
            compare("normalizedOutput", &normalized, &json!(wanted), &mut found);
        }
        found
    }

    async fn outcome(
        &self,
        formatter: &dyn Formatter,
        ids: &DeviceIds,
        parameter: &str,
    ) -> (Value, Value) {
        let (Octets::List(octets) | Octets::Hex(octets)) = &self.input.bytes;
        let f_port = self.input.f_port;
        let payload = Payload {
            ids,
            version: None,
            f_port,
            octets,
            received_at: None,
            settings: None,
            parameter,
        };
        let decoded = match self.function {
            FunctionName::DecodeDownlink => formatter.decode_downlink(&payload).await,
            FunctionName::DecodeUplink => formatter.decode_uplink(&payload).await,
            FunctionName::EncodeDownlink => {
                let f_port = Some(f_port).filter(|port| *port != 0);
                let structure =
                    Structure { ids, version: None, f_port, payload: &self.input.data, parameter };
                let encoded = formatter.encode_downlink(&structure).await;
                return (encoded.map_or_else(|error| failure(&error), |encoded| {
                    let f_port = encoded.f_port.or(f_port);
                    json!({ "bytes": encoded.octets, "fPort": f_port, "warnings": encoded.warnings })
                }), Value::Null);
            }
        };
        match decoded {
            Err(error) => (failure(&error), Value::Null),
            Ok(decoded) => {
                let output = json!({ "data": decoded.payload, "warnings": decoded.warnings });
                let normalized = decoded.normalized.map(|normalized| {
                    json!({ "data": normalized.measurements, "warnings": normalized.warnings })
                });
                (output, normalized.unwrap_or_default())
            }
        }
    }
}

fn failure(error: &FormatError) -> Value {
    match error {
        FormatError::Aborted { errors } => json!({ "errors": errors }),
        other => json!({ "error": other.name(), "message": other.to_string() }),
    }
}

/// Adds a line for each place where two values differ. Empty lists, and messages beside errors, need not be named.
fn compare(path: &str, got: &Value, wanted: &Value, found: &mut Vec<String>) {
    match (got, wanted) {
        (Value::Object(got), Value::Object(wanted)) => {
            let nothing = json!([]);
            for (name, value) in wanted {
                let got =
                    got.get(name).unwrap_or(if *value == nothing { value } else { &Value::Null });
                compare(&format!("{path}.{name}"), got, value, found);
            }
            for (name, value) in got {
                if !wanted.contains_key(name) && *value != nothing && name != "message" {
                    found.push(format!("{path}.{name}: {value} was not expected"));
                }
            }
        }
        (Value::Array(got), Value::Array(wanted)) if got.len() == wanted.len() => {
            for (index, (got, wanted)) in got.iter().zip(wanted).enumerate() {
                compare(&format!("{path}[{index}]"), got, wanted, found);
            }
        }
        (Value::Number(a), Value::Number(b)) if a.as_f64() == b.as_f64() => {}
        (got, wanted) if got == wanted => {}
        _ => found.push(format!("{path}: {got} instead of {wanted}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn differences(got: &Value, wanted: &Value) -> Vec<String> {
        let mut found = Vec::new();
        compare("output", got, wanted, &mut found);
        found
    }

    #[test]
    fn every_difference_is_a_line() {
        let got = json!({ "data": { "a": 1, "b": [1, 2], "d": 0 }, "warnings": [] });
        assert!(
            differences(&got, &json!({ "data": { "a": 1.0, "b": [1, 2], "d": 0 } })).is_empty()
        );
        let wanted = json!({ "data": { "a": 2, "b": [1, 3], "c": true }, "errors": [] });
        assert_eq!(
            differences(&got, &wanted),
            [
                "output.data.a: 1 instead of 2",
                "output.data.b[1]: 2 instead of 3",
                "output.data.c: null instead of true",
                "output.data.d: 0 was not expected",
            ]
        );
    }

    #[test]
    fn octets_are_a_list_or_hexadecimal() {
        let list: Case = serde_json::from_value(json!({ "input": { "bytes": [1, 171] } })).unwrap();
        let text: Case = serde_json::from_value(json!({ "input": { "bytes": "01aB" } })).unwrap();
        for case in [list, text] {
            let (Octets::List(octets) | Octets::Hex(octets)) = case.input.bytes;
            assert_eq!(octets, [1, 171]);
            assert_eq!(case.function, FunctionName::DecodeUplink);
        }
    }
}

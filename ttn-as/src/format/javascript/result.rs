//! What a script gave, as JSON from outside: checked and taken over.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::NAME;
use crate::{
    format::{Encoded, FormatError, Normalized, kept},
    log::Decoded,
};

/// How many octets a downlink may have, whatever the data rate takes.
const OCTETS_MAX: usize = 1024;

/// An answer of the prelude or of the engine.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Outcome {
    error: Option<Failure>,
    message: String,
    result: Option<Value>,
    normalized: Option<Value>,
}

/// Why there is no result.
#[derive(Clone, Copy, Debug, Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Failure {
    Encoding,
    Entrypoint,
    Output,
    Runtime,
    Script,
    Timeout,
}

impl Failure {
    /// An answer that says so.
    pub(super) fn outcome(self, message: &str) -> Vec<u8> {
        let outcome = serde_json::json!({ "error": self, "message": message });
        outcome.to_string().into_bytes()
    }
}

/// The structure of an uplink or a downlink.
///
/// # Errors
///
/// The script failed, gave errors, or gave something else.
pub fn decoded(outcome: &[u8]) -> Result<Decoded, FormatError> {
    let outcome = parse(outcome)?;
    let mut result = object(outcome.result)?;
    let warnings = checked(&result)?;
    let payload = match result.remove("data") {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(data)) => data,
        Some(other) => return Err(wrong("`data`", &other, "an object")),
    };
    let normalized = match outcome.normalized {
        Some(given) => Some(normalized(object(Some(given))?)?),
        // What has only the fields of a measurement is one.
        None => Normalized::parse([&payload], Vec::new()).ok(),
    };
    Ok(Decoded { payload, warnings, normalized })
}

/// The octets of a downlink.
///
/// # Errors
///
/// The script failed, gave errors, or gave something else.
pub fn encoded(outcome: &[u8]) -> Result<Encoded, FormatError> {
    let result = object(parse(outcome)?.result)?;
    let warnings = checked(&result)?;
    let octets = match result.get("bytes") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(list)) if list.len() <= OCTETS_MAX => {
            list.iter().map(octet).collect::<Result<_, _>>()?
        }
        Some(Value::Array(list)) => {
            let reason = format!("{} octets; at most {OCTETS_MAX}", list.len());
            return Err(FormatError::output(reason));
        }
        Some(other) => return Err(wrong("`bytes`", other, "a list of numbers")),
    };
    let f_port = match result.get("fPort") {
        None | Some(Value::Null) => None,
        Some(value) => {
            let port = value.as_f64().filter(|port| port.fract() == 0.0);
            let port = port.filter(|port| (0.0..=255.0).contains(port));
            Some(port.ok_or_else(|| wrong("`fPort`", value, "a number from 0 to 255"))? as u8)
        }
    };
    Ok(Encoded { f_port, octets, warnings })
}

fn parse(outcome: &[u8]) -> Result<Outcome, FormatError> {
    let outcome: Outcome = serde_json::from_slice(outcome)
        .map_err(|error| FormatError::output(format!("no JSON that can be read: {error}")))?;
    let message = || outcome.message.clone();
    let Some(failure) = outcome.error else { return Ok(outcome) };
    Err(match failure {
        Failure::Encoding => FormatError::Encoding { path: message() },
        Failure::Entrypoint => FormatError::EntrypointNotFound { entrypoint: message() },
        Failure::Output => FormatError::output(message()),
        Failure::Runtime => FormatError::Runtime { message: message() },
        Failure::Script => FormatError::Script { message: message() },
        Failure::Timeout => {
            let limit = Duration::from_millis(outcome.message.parse().unwrap_or_default());
            FormatError::Timeout { formatter: NAME, limit }
        }
    })
}

fn object(value: Option<Value>) -> Result<Map<String, Value>, FormatError> {
    match value {
        Some(Value::Object(object)) => Ok(object),
        other => Err(wrong("the result", &other.unwrap_or_default(), "an object")),
    }
}

/// Fails with the errors of a result, else gives its warnings.
fn checked(result: &Map<String, Value>) -> Result<Vec<String>, FormatError> {
    let errors = texts(result, "errors")?;
    if errors.is_empty() { texts(result, "warnings") } else { Err(FormatError::Aborted { errors }) }
}

fn texts(result: &Map<String, Value>, name: &str) -> Result<Vec<String>, FormatError> {
    let list = match result.get(name) {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(list)) => list,
        Some(other) => return Err(wrong(&format!("`{name}`"), other, "a list of texts")),
    };
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    Ok(kept(list.iter().map(text)))
}

fn normalized(mut result: Map<String, Value>) -> Result<Normalized, FormatError> {
    let warnings = checked(&result)?;
    let list = match result.remove("data") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(list)) => list,
        Some(one) => vec![one],
    };
    let measurement = |value: &'_ Value| match value {
        Value::Object(_) => Ok(()),
        other => Err(wrong("a measurement", other, "an object")),
    };
    list.iter().try_for_each(measurement)?;
    Normalized::parse(list.iter().filter_map(Value::as_object), warnings).map_err(|source| {
        FormatError::Output { reason: format!("the measurements: {source}"), source: Some(source) }
    })
}

/// An octet by the rules of the language: the fraction is cut off, what is left counts modulo 256.
fn octet(value: &Value) -> Result<u8, FormatError> {
    let number = match value {
        Value::Null => Some(0.0),
        Value::Bool(value) => Some(f64::from(u8::from(*value))),
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok().filter(|number: &f64| number.is_finite()),
        Value::Array(_) | Value::Object(_) => None,
    };
    let number = number.ok_or_else(|| wrong("an octet", value, "a number"))?;
    Ok(number.trunc().rem_euclid(256.0) as u8)
}

fn wrong(what: &str, got: &Value, wanted: &str) -> FormatError {
    let kind = match got {
        Value::Null => "nothing",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    FormatError::output(format!("{what} is {kind} instead of {wanted}"))
}

#[cfg(test)]
mod tests {
    use ttn_core::error::ApiError as _;

    use super::*;

    fn name_of(outcome: &str) -> &'static str {
        decoded(outcome.as_bytes()).unwrap_err().name()
    }

    #[test]
    fn every_failure_has_its_name() {
        assert_eq!(name_of(r#"{"error":"encoding","message":"x"}"#), "output_encoding");
        assert_eq!(name_of(r#"{"error":"entrypoint","message":"x"}"#), "entrypoint_not_found");
        assert_eq!(name_of(r#"{"error":"output"}"#), "output");
        assert_eq!(name_of(r#"{"error":"runtime"}"#), "runtime");
        assert_eq!(name_of(r#"{"error":"script"}"#), "script");
        assert_eq!(name_of(r#"{"error":"timeout","message":"100"}"#), "script_timeout");
        assert_eq!(name_of(r#"{"result":{"errors":["a","b"]}}"#), "output_errors");
        assert_eq!(name_of(r#"{"result":7}"#), "output");
        assert_eq!(name_of("not json"), "output");
        let deep = format!(r#"{{"result":{}1{}}}"#, "[".repeat(500), "]".repeat(500));
        assert_eq!(name_of(&deep), "output");
    }

    // AS-14
    #[test]
    fn octets_are_those_of_the_language() {
        let outcome = br#"{"result":{"bytes":[1.5,-1,256,"7",null,true],"fPort":2}}"#;
        let encoded = encoded(outcome).unwrap();
        assert_eq!(encoded.octets, [1, 255, 0, 7, 0, 1]);
        assert_eq!(encoded.f_port, Some(2));
    }

    #[test]
    fn results_that_make_no_downlink_are_refused() {
        for result in [r#"{"bytes":"abc"}"#, r#"{"bytes":["x"]}"#, r#"{"fPort":256}"#, "null"] {
            let outcome = format!(r#"{{"result":{result}}}"#);
            assert_eq!(encoded(outcome.as_bytes()).unwrap_err().name(), "output", "{result}");
        }
        let many = format!(r#"{{"result":{{"bytes":[{}1]}}}}"#, "1,".repeat(OCTETS_MAX));
        assert_eq!(encoded(many.as_bytes()).unwrap_err().name(), "output");
    }
}

//! Path and query parameters as JSON of the request.

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};
use tonic::{Code, Status};
use ttn_proto::json::{format_duration, format_timestamp, parse_go_duration, parse_timestamp};
use ttn_proto::{Descriptor, Field, Json, Kind, Label, status};

/// The most query parameters that are read.
const PARAMETERS_MAX: usize = 1024;

/// Adds the parameters of a query string; names that are not fields are ignored.
pub(super) fn query(
    descriptor: &'static Descriptor,
    query: &str,
    message: &mut Map<String, Value>,
) -> Result<(), Status> {
    for pair in query.split('&').filter(|pair| !pair.is_empty()).take(PARAMETERS_MAX) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        insert(descriptor, &decode(name), &decode(value), message)?;
    }
    Ok(())
}

fn decode(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

/// Sets the field at a dotted path.
pub(super) fn insert(
    descriptor: &'static Descriptor,
    path: &str,
    value: &str,
    message: &mut Map<String, Value>,
) -> Result<(), Status> {
    let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
    let (name, key) = match name.split_once('[') {
        Some((name, key)) => (name, key.strip_suffix(']')),
        None => (name, None),
    };
    let Some(field) = descriptor.field(name) else { return Ok(()) };
    let malformed = || malformed(path, value);
    // The body may have used the other form of the name.
    if let Some(other) = message.remove(field.json_name) {
        message.insert(field.name.to_owned(), other);
    }
    match (field.label, field.kind, rest) {
        (Label::Map, kind, None) => {
            let (Some(key), Some(value)) = (key, scalar(kind, value)) else {
                return Err(malformed());
            };
            object(message, field).insert(key.to_owned(), value);
        }
        (Label::Repeated, kind, None) => {
            let value = scalar(kind, value).ok_or_else(malformed)?;
            match message.entry(field.name).or_insert_with(|| Value::Array(Vec::new())) {
                Value::Array(items) => items.push(value),
                slot => *slot = Value::Array(vec![value]),
            }
        }
        (Label::Single, Kind::FieldMask, None | Some("paths")) => add_paths(message, field, value),
        (Label::Single, Kind::Message(nested), rest) if nested().json == Json::Wrapper => {
            if matches!(rest, None | Some("value")) {
                let kind = nested().fields.first().map_or(Kind::String, |inner| inner.kind);
                let value = scalar(kind, value).ok_or_else(malformed)?;
                message.insert(field.name.to_owned(), value);
            }
        }
        (Label::Single, Kind::Message(nested), Some(rest)) => {
            return insert(nested(), rest, value, object(message, field));
        }
        (Label::Single, kind, None | Some("value")) => {
            let value = scalar(kind, value).ok_or_else(malformed)?;
            message.insert(field.name.to_owned(), value);
        }
        _ => {}
    }
    Ok(())
}

/// The object of a message or map field.
fn object<'a>(message: &'a mut Map<String, Value>, field: &Field) -> &'a mut Map<String, Value> {
    let slot = message.entry(field.name).or_insert(Value::Null);
    if !slot.is_object() {
        *slot = Value::Object(Map::new());
    }
    match slot {
        Value::Object(inner) => inner,
        _ => unreachable!("it was just made an object"),
    }
}

/// Paths may come one by one or joined by commas.
fn add_paths(message: &mut Map<String, Value>, field: &Field, value: &str) {
    let slot = message.entry(field.name).or_insert(Value::Null);
    *slot = match slot.as_str() {
        Some(before) => Value::String(format!("{before},{value}")),
        None => Value::String(value.to_owned()),
    };
}

/// The JSON of one value; the decoder of the message checks the rest.
fn scalar(kind: Kind, value: &str) -> Option<Value> {
    Some(match kind {
        Kind::Bool => Value::Bool(match value {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => true,
            "0" | "f" | "F" | "false" | "FALSE" | "False" => false,
            _ => return None,
        }),
        Kind::Timestamp => Value::String(format_timestamp(&parse_timestamp(value)?)),
        Kind::Duration => Value::String(format_duration(&parse_go_duration(value)?)),
        Kind::Bytes | Kind::Enum | Kind::Float | Kind::Integer | Kind::String => value.into(),
        _ => return None,
    })
}

fn malformed(path: &str, value: &str) -> Status {
    let text = format!("`{value}` does not fit the field `{path}`");
    let attributes = [("field", status::text(path)), ("value", status::text(value))];
    status::named(Code::InvalidArgument, "pkg/ttnpb", "parse", &text, attributes)
}

#[cfg(test)]
mod tests {
    use ttn_proto::rpc::find;

    use super::*;

    fn read(service: &str, rpc: &str, text: &str) -> Result<Value, Status> {
        let mut message = Map::new();
        query((find(service, rpc).unwrap().request)(), text, &mut message)?;
        Ok(Value::Object(message))
    }

    #[test]
    fn names_come_in_both_forms_and_unknown_ones_are_ignored() {
        let text = "fieldMask=name&field_mask.paths=ids&limit=3&deleted=true&x.y=1&order=-name";
        let message = read("ApplicationRegistry", "List", text).unwrap();
        let expected = r#"{"deleted":true,"field_mask":"name,ids","limit":"3","order":"-name"}"#;
        assert_eq!(message.to_string(), expected);
    }

    #[test]
    fn nested_names_and_repeated_values_are_kept() {
        let text = "collaborator.user_ids.user_id=a%20b&collaborator.user_ids.email=x";
        let message = read("ApplicationRegistry", "List", text).unwrap();
        let expected = r#"{"collaborator":{"user_ids":{"email":"x","user_id":"a b"}}}"#;
        assert_eq!(message.to_string(), expected);
        let message = read("NotificationService", "List", "status=1&status=2").unwrap();
        assert_eq!(message.to_string(), r#"{"status":["1","2"]}"#);
    }

    #[test]
    fn maps_take_their_key_in_brackets() {
        let text = "attributes_contain[a]=1&attributes_contain%5Bb%5D=2";
        let message = read("EntityRegistrySearch", "SearchApplications", text).unwrap();
        assert_eq!(message.to_string(), r#"{"attributes_contain":{"a":"1","b":"2"}}"#);
    }

    #[test]
    fn values_that_do_not_fit_are_named() {
        let error = read("ApplicationRegistry", "List", "deleted=maybe").unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument);
        assert!(error.message().contains("deleted"), "{}", error.message());
    }
}

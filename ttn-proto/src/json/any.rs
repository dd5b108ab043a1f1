//! `google.protobuf.Any`: the type name, and the fields of the message it holds.

use prost::Message as _;
use prost_types::{Any, Duration, FieldMask, ListValue, Struct, Timestamp, Value as ProtoValue};
use serde_json::Value;

use super::codec::{Codec, GoDuration, Mask, Object, Plain, Time};
use super::{JsonError, Writer};
use crate::generated::registry::MESSAGES;
use crate::message::{Entry, Json};

/// What type names begin with.
const DOMAIN: &str = "type.googleapis.com/";
const PACKAGE: &str = "ttn.lorawan.v3.";

fn entry(name: &str) -> Option<&'static Entry> {
    let name = name.strip_prefix(PACKAGE)?;
    let index = MESSAGES.binary_search_by(|entry| entry.name.cmp(name)).ok()?;
    MESSAGES.get(index)
}

/// Writes `{"@type":…}`; a message that cannot be decoded, or is nested deeper than sixteen others, is
/// written as base64 in `value`.
pub fn write(any: &Any, w: &mut Writer) {
    w.begin_object();
    if any.type_url.is_empty() {
        w.end_object();
        return;
    }
    w.name("@type");
    w.string(&any.type_url);
    let name = any.type_url.rsplit('/').next().unwrap_or_default();
    let entry = if w.enter_any() { entry(name) } else { None };
    match entry.map(|entry| (entry.decode)(&any.value)) {
        Some(Ok(message)) if message.descriptor().json == Json::Wrapper => {
            w.name("value");
            message.write_json(w);
        }
        Some(Ok(message)) => message.write_json_fields(w),
        _ if write_known(name, &any.value, w) => {}
        _ => {
            w.name("value");
            Plain::put(&any.value, w);
        }
    }
    w.leave_any();
    w.end_object();
}

/// Makes the message of a full name, such as `ttn.lorawan.v3.UplinkMessage`, from its JSON.
///
/// # Errors
///
/// There is no such message, or the JSON is another's.
pub fn from_json(name: &str, value: Value) -> Result<Any, JsonError> {
    let entry = entry(name).ok_or_else(|| JsonError::expected("the name of a message"))?;
    let value = (entry.read)(value)?.encode_to_vec();
    Ok(Any { type_url: format!("{DOMAIN}{name}"), value })
}

/// Reads what [`write`] writes.
pub(crate) fn read(value: Value) -> Result<Any, JsonError> {
    let Value::Object(mut fields) = value else {
        return Err(JsonError::expected("an object"));
    };
    let type_url = match fields.remove("@type") {
        Some(Value::String(name)) => name,
        None if fields.is_empty() => return Ok(Any::default()),
        _ => return Err(JsonError::expected("a type name").within("@type")),
    };
    let name = type_url.rsplit('/').next().unwrap_or_default();
    let type_url =
        if type_url.contains('/') { type_url.clone() } else { format!("{DOMAIN}{type_url}") };
    let value = if let Some(entry) = entry(name) {
        let wrapped = fields.len() == 1 && fields.contains_key("value");
        match (entry.read)(Value::Object(fields.clone())) {
            Ok(message) => message.encode_to_vec(),
            Err(_) if wrapped => {
                let inner = fields.remove("value").unwrap_or_default();
                (entry.read)(inner).map_err(|error| error.within("value"))?.encode_to_vec()
            }
            Err(error) => return Err(error),
        }
    } else {
        let inner = fields.remove("value").unwrap_or_default();
        read_known(name, inner).map_err(|error| error.within("value"))?
    };
    Ok(Any { type_url, value })
}

macro_rules! known {
    ($($name:literal => $type:ty, $codec:ty;)*) => {
        fn write_known(name: &str, bytes: &[u8], w: &mut Writer) -> bool {
            match name {
                $($name => {
                    let Ok(value) = <$type>::decode(bytes) else { return false };
                    w.name("value");
                    <$codec>::put(&value, w);
                    true
                })*
                "google.protobuf.Empty" => {
                    w.name("value");
                    w.raw("{}");
                    true
                }
                _ => false,
            }
        }

        fn read_known(name: &str, value: Value) -> Result<Vec<u8>, JsonError> {
            match name {
                $($name => {
                    let value: $type = <$codec>::take(value)?;
                    Ok(value.encode_to_vec())
                })*
                "google.protobuf.Empty" => Ok(Vec::new()),
                _ => Plain::take(value),
            }
        }
    };
}

known! {
    "google.protobuf.BoolValue" => bool, Plain;
    "google.protobuf.BytesValue" => Vec<u8>, Plain;
    "google.protobuf.DoubleValue" => f64, Plain;
    "google.protobuf.Duration" => Duration, GoDuration;
    "google.protobuf.FieldMask" => FieldMask, Mask;
    "google.protobuf.FloatValue" => f32, Plain;
    "google.protobuf.Int32Value" => i32, Plain;
    "google.protobuf.Int64Value" => i64, Plain;
    "google.protobuf.ListValue" => ListValue, Object;
    "google.protobuf.StringValue" => String, Plain;
    "google.protobuf.Struct" => Struct, Object;
    "google.protobuf.Timestamp" => Timestamp, Time;
    "google.protobuf.UInt32Value" => u32, Plain;
    "google.protobuf.UInt64Value" => u64, Plain;
    "google.protobuf.Value" => ProtoValue, Object;
}

//! How single values are written and read. Generated code names these types per field.

use std::marker::PhantomData;

use data_encoding::{BASE64, BASE64_NOPAD, BASE64URL_NOPAD, HEXUPPER};
use prost_types::{Any, Duration, FieldMask, ListValue, Struct, Timestamp, Value as ProtoValue};
use serde_json::Value;

use super::{JsonEnum, JsonError, Reason, Writer, time};
use crate::message::ApiMessage;

/// Writes and reads values of `T`.
pub(crate) trait Codec<T> {
    fn put(value: &T, w: &mut Writer);
    fn take(value: Value) -> Result<T, JsonError>;
}

/// Scalars in the way of proto3.
pub(crate) struct Plain;
/// Bytes as upper-case hexadecimal of a fixed length.
pub(crate) struct Hex<const N: usize>;
/// A DevAddr prefix: `<8 hex>/<bits>`.
pub(crate) struct Prefix;
/// An enum by its rules.
pub(crate) struct Enum<E>(PhantomData<E>);
/// A message of the API.
pub(crate) struct Nested;
/// A timestamp that is read as RFC 3339.
pub(crate) struct Time;
/// A timestamp that must end in `Z`.
pub(crate) struct Utc;
/// A duration that is read as `<n>s`.
pub(crate) struct Seconds;
/// A duration that is read in the syntax of Go (`1h30m`, `200ms`).
pub(crate) struct GoDuration;
/// A field mask as `{"paths":[…]}`.
pub(crate) struct Mask;
/// Any JSON object.
pub(crate) struct Object;
/// A message with its type.
pub(crate) struct AnyMessage;

impl Codec<bool> for Plain {
    fn put(value: &bool, w: &mut Writer) {
        w.raw(value);
    }

    fn take(value: Value) -> Result<bool, JsonError> {
        value.as_bool().ok_or_else(|| JsonError::expected("true or false"))
    }
}

macro_rules! integer {
    ($type:ty, $how:ident) => {
        impl Codec<$type> for Plain {
            fn put(value: &$type, w: &mut Writer) {
                w.$how(value);
            }

            fn take(value: Value) -> Result<$type, JsonError> {
                let wide = integer(&value)?;
                <$type>::try_from(wide)
                    .map_err(|_| JsonError::new(Reason::Range(value.to_string())))
            }
        }
    };
}

integer!(i32, raw);
integer!(u32, raw);
integer!(i64, quoted);
integer!(u64, quoted);

/// An integer as a number or in a string.
fn integer(value: &Value) -> Result<i128, JsonError> {
    let number = match value {
        Value::Number(number) => number.as_i64().map(i128::from).or_else(|| {
            number.as_u64().map(i128::from).or_else(|| number.as_f64().and_then(whole))
        }),
        Value::String(text) => {
            text.parse::<i128>().ok().or_else(|| text.parse::<f64>().ok().and_then(whole))
        }
        _ => None,
    };
    number.ok_or_else(|| JsonError::expected("an integer"))
}

#[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
fn whole(value: f64) -> Option<i128> {
    (value.fract() == 0.0 && value.abs() < 1e19).then_some(value as i128)
}

fn float(value: &Value) -> Result<f64, JsonError> {
    let number = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => match text.as_str() {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            text => text.parse().ok(),
        },
        _ => None,
    };
    number.ok_or_else(|| JsonError::expected("a number"))
}

impl Codec<f64> for Plain {
    fn put(value: &f64, w: &mut Writer) {
        w.float(*value, value, format_args!("{value:e}"));
    }

    fn take(value: Value) -> Result<f64, JsonError> {
        float(&value)
    }
}

impl Codec<f32> for Plain {
    fn put(value: &f32, w: &mut Writer) {
        w.float(f64::from(*value), value, format_args!("{value:e}"));
    }

    #[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
    fn take(value: Value) -> Result<f32, JsonError> {
        let wide = float(&value)?;
        let narrow = wide as f32;
        if wide.is_finite() && !narrow.is_finite() {
            return Err(JsonError::new(Reason::Range(value.to_string())));
        }
        Ok(narrow)
    }
}

impl Codec<String> for Plain {
    fn put(value: &String, w: &mut Writer) {
        w.string(value);
    }

    fn take(value: Value) -> Result<String, JsonError> {
        match value {
            Value::String(text) => Ok(text),
            _ => Err(JsonError::expected("a string")),
        }
    }
}

impl Codec<Vec<u8>> for Plain {
    fn put(value: &Vec<u8>, w: &mut Writer) {
        let text = w.text();
        text.push('"');
        BASE64.encode_append(value, text);
        text.push('"');
    }

    fn take(value: Value) -> Result<Vec<u8>, JsonError> {
        let text = string(&value)?;
        base64(text.trim_end_matches('=')).ok_or_else(|| JsonError::expected("base64"))
    }
}

/// Standard or URL alphabet, without padding; trailing bits may be anything.
fn base64(text: &str) -> Option<Vec<u8>> {
    let encoding = if text.contains(['-', '_']) { &BASE64URL_NOPAD } else { &BASE64_NOPAD };
    encoding.decode(text.as_bytes()).ok()
}

fn string(value: &Value) -> Result<&str, JsonError> {
    value.as_str().ok_or_else(|| JsonError::expected("a string"))
}

impl<const N: usize> Codec<Vec<u8>> for Hex<N> {
    fn put(value: &Vec<u8>, w: &mut Writer) {
        let text = w.text();
        text.push('"');
        HEXUPPER.encode_append(value, text);
        text.push('"');
    }

    fn take(value: Value) -> Result<Vec<u8>, JsonError> {
        let text = string(&value)?.trim_end_matches('=');
        if text.is_empty() {
            return Ok(Vec::new());
        }
        let bytes = if text.len() == 2 * N {
            data_encoding::HEXUPPER_PERMISSIVE.decode(text.as_bytes()).ok()
        } else if text.len() == (N * 8).div_ceil(6) {
            base64(text)
        } else {
            return Err(JsonError::new(Reason::Length { want: N, got: text.len() / 2 }));
        };
        bytes.ok_or_else(|| JsonError::expected("hexadecimal"))
    }
}

impl Codec<Vec<u8>> for Prefix {
    fn put(value: &Vec<u8>, w: &mut Writer) {
        match value.as_slice() {
            [address @ .., length] if address.len() == 4 => {
                let text = w.text();
                text.push('"');
                HEXUPPER.encode_append(address, text);
                w.raw(format_args!("/{length}\""));
            }
            _ => Plain::put(value, w),
        }
    }

    fn take(value: Value) -> Result<Vec<u8>, JsonError> {
        let text = string(&value)?;
        if text.is_empty() {
            return Ok(Vec::new());
        }
        let wrong = || JsonError::expected("a DevAddr prefix");
        let (address, length) = text.split_once('/').ok_or_else(wrong)?;
        let mut bytes = Hex::<4>::take(Value::from(address))?;
        let length: u8 = length.parse().map_err(|_| wrong())?;
        if bytes.len() != 4 || length > 32 {
            return Err(wrong());
        }
        bytes.push(length);
        Ok(bytes)
    }
}

impl<E: JsonEnum> Codec<i32> for Enum<E> {
    fn put(value: &i32, w: &mut Writer) {
        match E::RULES.text(*value) {
            Some(text) if !E::RULES.number => w.string(text),
            _ => w.raw(value),
        }
    }

    fn take(value: Value) -> Result<i32, JsonError> {
        let number = match &value {
            Value::String(text) => match E::RULES.number(text) {
                Some(number) => return Ok(number),
                None => text.parse().ok(),
            },
            Value::Number(_) => integer(&value)?.try_into().ok(),
            _ => return Err(JsonError::expected("an enum value")),
        };
        number.ok_or_else(|| {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            JsonError::new(Reason::Enum(text))
        })
    }
}

impl<T: ApiMessage> Codec<T> for Nested {
    fn put(value: &T, w: &mut Writer) {
        value.write(w);
    }

    fn take(value: Value) -> Result<T, JsonError> {
        T::read(value)
    }
}

macro_rules! timestamp {
    ($codec:ty, $utc:expr) => {
        impl Codec<Timestamp> for $codec {
            fn put(value: &Timestamp, w: &mut Writer) {
                w.quoted(time::format_timestamp(value));
            }

            fn take(value: Value) -> Result<Timestamp, JsonError> {
                let text = string(&value)?;
                let parsed = time::parse_timestamp(text).filter(|_| !$utc || text.ends_with('Z'));
                parsed.ok_or_else(|| JsonError::expected("an RFC 3339 timestamp"))
            }
        }
    };
}

timestamp!(Time, false);
timestamp!(Utc, true);

macro_rules! duration {
    ($codec:ty, $parse:path) => {
        impl Codec<Duration> for $codec {
            fn put(value: &Duration, w: &mut Writer) {
                w.quoted(time::format_duration(value));
            }

            fn take(value: Value) -> Result<Duration, JsonError> {
                $parse(string(&value)?).ok_or_else(|| JsonError::expected("a duration"))
            }
        }
    };
}

duration!(Seconds, time::parse_seconds);
duration!(GoDuration, time::parse_go_duration);

impl Codec<FieldMask> for Mask {
    fn put(value: &FieldMask, w: &mut Writer) {
        w.begin_object();
        w.list::<Plain, _>("paths", &value.paths);
        w.end_object();
    }

    fn take(value: Value) -> Result<FieldMask, JsonError> {
        let paths = match value {
            Value::String(text) => {
                text.split(',').filter(|path| !path.is_empty()).map(str::to_owned).collect()
            }
            Value::Object(mut fields) => match fields.remove("paths") {
                None | Some(Value::Null) => Vec::new(),
                Some(Value::Array(paths)) => {
                    paths.into_iter().map(Plain::take).collect::<Result<_, _>>()?
                }
                Some(_) => return Err(JsonError::expected("a list").within("paths")),
            },
            _ => return Err(JsonError::expected("a field mask")),
        };
        Ok(FieldMask { paths })
    }
}

impl Codec<Struct> for Object {
    fn put(value: &Struct, w: &mut Writer) {
        w.begin_object();
        for (name, value) in &value.fields {
            w.item();
            w.string(name);
            w.text().push(':');
            Self::put(value, w);
        }
        w.end_object();
    }

    fn take(value: Value) -> Result<Struct, JsonError> {
        let Value::Object(fields) = value else {
            return Err(JsonError::expected("an object"));
        };
        let fields = fields.into_iter().map(|(name, value)| (name, to_proto_value(value)));
        Ok(Struct { fields: fields.collect() })
    }
}

impl Codec<ProtoValue> for Object {
    fn put(value: &ProtoValue, w: &mut Writer) {
        use prost_types::value::Kind;
        match &value.kind {
            None | Some(Kind::NullValue(_)) => w.raw("null"),
            Some(Kind::BoolValue(value)) => w.raw(value),
            Some(Kind::NumberValue(value)) => Plain::put(value, w),
            Some(Kind::StringValue(value)) => w.string(value),
            Some(Kind::StructValue(value)) => Self::put(value, w),
            Some(Kind::ListValue(list)) => Self::put(list, w),
        }
    }

    fn take(value: Value) -> Result<ProtoValue, JsonError> {
        Ok(to_proto_value(value))
    }
}

impl Codec<ListValue> for Object {
    fn put(list: &ListValue, w: &mut Writer) {
        w.begin_list();
        for value in &list.values {
            w.item();
            Self::put(value, w);
        }
        w.end_list();
    }

    fn take(value: Value) -> Result<ListValue, JsonError> {
        let Value::Array(values) = value else {
            return Err(JsonError::expected("a list"));
        };
        Ok(ListValue { values: values.into_iter().map(to_proto_value).collect() })
    }
}

/// JSON as `google.protobuf.Value`.
pub fn to_proto_value(value: Value) -> ProtoValue {
    use prost_types::value::Kind;
    let kind = match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(value) => Kind::BoolValue(value),
        Value::Number(value) => Kind::NumberValue(value.as_f64().unwrap_or_default()),
        Value::String(value) => Kind::StringValue(value),
        Value::Array(values) => {
            Kind::ListValue(ListValue { values: values.into_iter().map(to_proto_value).collect() })
        }
        Value::Object(fields) => {
            let fields = fields.into_iter().map(|(name, value)| (name, to_proto_value(value)));
            Kind::StructValue(Struct { fields: fields.collect() })
        }
    };
    ProtoValue { kind: Some(kind) }
}

/// `google.protobuf.Value` as JSON; numbers that JSON does not have become null.
pub fn from_proto_value(value: ProtoValue) -> Value {
    use prost_types::value::Kind;
    match value.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(value)) => Value::Bool(value),
        Some(Kind::NumberValue(value)) => number(value),
        Some(Kind::StringValue(value)) => Value::String(value),
        Some(Kind::ListValue(list)) => list.values.into_iter().map(from_proto_value).collect(),
        Some(Kind::StructValue(value)) => {
            let fields = value.fields.into_iter();
            fields.map(|(name, value)| (name, from_proto_value(value))).collect()
        }
    }
}

/// Whole numbers stay whole.
#[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
fn number(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() < 9e15 {
        Value::from(value as i64)
    } else {
        serde_json::Number::from_f64(value).map_or(Value::Null, Value::Number)
    }
}

impl Codec<Any> for AnyMessage {
    fn put(value: &Any, w: &mut Writer) {
        super::any::write(value, w);
    }

    fn take(value: Value) -> Result<Any, JsonError> {
        super::any::read(value)
    }
}

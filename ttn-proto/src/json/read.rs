//! Reading fields from parsed JSON.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde_json::Value;

use super::JsonError;
use super::codec::Codec;
use crate::message::ApiMessage;

/// Reads a message from an object.
pub(crate) fn object<T: ApiMessage>(value: Value) -> Result<T, JsonError> {
    let Value::Object(fields) = value else {
        return Err(JsonError::expected("an object"));
    };
    let mut message = T::default();
    for (name, value) in fields {
        message.read_field(&name, value).map_err(|error| error.within(&name))?;
    }
    Ok(message)
}

/// The value of a wrapper, which old clients write as `{"value": …}`.
pub(crate) fn unwrapped(value: Value) -> Value {
    match value {
        Value::Object(mut fields) => fields.remove("value").unwrap_or(Value::Object(fields)),
        bare => bare,
    }
}

pub(crate) fn scalar<C: Codec<T>, T>(field: &mut T, value: Value) -> Result<(), JsonError> {
    if !value.is_null() {
        *field = C::take(value)?;
    }
    Ok(())
}

pub(crate) fn optional<C: Codec<T>, T>(
    field: &mut Option<T>,
    value: Value,
) -> Result<(), JsonError> {
    if !value.is_null() {
        *field = Some(C::take(value)?);
    }
    Ok(())
}

pub(crate) fn member<C: Codec<T>, T, O>(
    field: &mut Option<O>,
    value: Value,
    wrap: fn(T) -> O,
) -> Result<(), JsonError> {
    if !value.is_null() {
        *field = Some(wrap(C::take(value)?));
    }
    Ok(())
}

pub(crate) fn list<C: Codec<T>, T>(field: &mut Vec<T>, value: Value) -> Result<(), JsonError> {
    match value {
        Value::Null => Ok(()),
        Value::Array(items) => {
            *field = Vec::with_capacity(items.len());
            for (index, item) in items.into_iter().enumerate() {
                let item = C::take(item).map_err(|error| error.within(&index.to_string()))?;
                field.push(item);
            }
            Ok(())
        }
        _ => Err(JsonError::expected("a list")),
    }
}

pub(crate) fn map<C: Codec<T>, K: FromStr + Ord, T>(
    field: &mut BTreeMap<K, T>,
    value: Value,
) -> Result<(), JsonError> {
    match value {
        Value::Null => Ok(()),
        Value::Object(entries) => {
            field.clear();
            for (key, value) in entries {
                let parsed = key
                    .parse()
                    .map_err(|_| JsonError::expected("a key of the map").within(&key))?;
                field.insert(parsed, C::take(value).map_err(|error| error.within(&key))?);
            }
            Ok(())
        }
        _ => Err(JsonError::expected("an object")),
    }
}

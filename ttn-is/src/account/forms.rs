//! Bodies: JSON or forms, both as fields of text.

use std::collections::BTreeMap;

use axum::http::{HeaderMap, header};
use percent_encoding::percent_decode_str;

use crate::error::Error;

/// Fields by name; a field that is not there is empty.
#[derive(Default)]
pub(super) struct Fields(BTreeMap<String, String>);

impl Fields {
    /// The same fields with another value of one.
    pub(super) fn with(&self, name: &str, value: &str) -> Self {
        let mut fields = self.0.clone();
        fields.insert(name.to_owned(), value.to_owned());
        Self(fields)
    }

    pub(super) fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }
}

/// Reads a body.
pub(super) fn read(headers: &HeaderMap, body: &[u8]) -> Result<Fields, Error> {
    let malformed = |reason| Error::InvalidField { field: "body", reason };
    if body.len() > BODY_MAX {
        return Err(malformed("is too long"));
    }
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if kind.is_some_and(|kind| kind.starts_with("application/json")) {
        let fields: BTreeMap<String, serde_json::Value> =
            serde_json::from_slice(body).map_err(|_| malformed("is not a JSON object"))?;
        let texts = fields.into_iter().filter_map(|(name, value)| match value {
            serde_json::Value::String(text) => Some((name, text)),
            serde_json::Value::Bool(flag) => Some((name, flag.to_string())),
            _ => None,
        });
        return Ok(Fields(texts.collect()));
    }
    let text = std::str::from_utf8(body).map_err(|_| malformed("is not text"))?;
    query(text)
}

/// Reads the query of an address, or a form. No field may occur twice: who reads the first and who reads the last would
/// see different requests.
pub(super) fn query(text: &str) -> Result<Fields, Error> {
    let mut fields = BTreeMap::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if fields.insert(decode(name)?, decode(value)?).is_some() {
            return Err(Error::InvalidField { field: "form", reason: "has a field twice" });
        }
    }
    Ok(Fields(fields))
}

/// Reads a part of a form.
pub(super) fn decode(text: &str) -> Result<String, Error> {
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8().map(|text| text.into_owned());
    decoded.map_err(|_| Error::InvalidField { field: "form", reason: "is not text" })
}

const BODY_MAX: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_and_json_give_the_same_fields() {
        let mut headers = HeaderMap::new();
        let form = read(&headers, b"user_id=me&password=a%2Bb+c&x").ok().unwrap();
        assert_eq!((form.get("user_id"), form.get("password"), form.get("x")), ("me", "a+b c", ""));
        headers.insert(header::CONTENT_TYPE, "application/json; charset=utf-8".parse().unwrap());
        let json = read(&headers, br#"{"user_id":"me","password":"a+b c","n":1}"#).ok().unwrap();
        assert_eq!((json.get("user_id"), json.get("password")), ("me", "a+b c"));
        assert!(read(&headers, b"[]").is_err() && read(&HeaderMap::new(), &[0xFF]).is_err());
        assert!(read(&HeaderMap::new(), &vec![b'a'; BODY_MAX + 1]).is_err());
        assert!(query("a=1&b=2&a=3").is_err() && query("a=%FF").is_err());
    }
}

//! The JSON writer.

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};

use super::codec::Codec;

/// Writes compact JSON.
#[derive(Debug, Default)]
pub struct Writer {
    text: String,
    /// Whether the next name or item needs a comma before it.
    comma: bool,
    /// How many `google.protobuf.Any` are open.
    any_depth: usize,
}

/// How deep messages in `google.protobuf.Any` are decoded.
const ANY_DEPTH_MAX: usize = 16;

impl Writer {
    /// Goes into an `Any`; false if that is too deep.
    pub(crate) fn enter_any(&mut self) -> bool {
        self.any_depth += 1;
        self.any_depth <= ANY_DEPTH_MAX
    }

    /// Leaves an `Any`.
    pub(crate) fn leave_any(&mut self) {
        self.any_depth -= 1;
    }

    /// The text written so far.
    pub fn finish(self) -> String {
        self.text
    }

    /// Opens an object.
    pub fn begin_object(&mut self) {
        self.text.push('{');
        self.comma = false;
    }

    /// Closes an object.
    pub fn end_object(&mut self) {
        self.text.push('}');
        self.comma = true;
    }

    /// Opens a list.
    pub fn begin_list(&mut self) {
        self.text.push('[');
        self.comma = false;
    }

    /// Closes a list.
    pub fn end_list(&mut self) {
        self.text.push(']');
        self.comma = true;
    }

    /// Starts an item of a list.
    pub fn item(&mut self) {
        if self.comma {
            self.text.push(',');
        }
        self.comma = true;
    }

    /// Writes the name of a field; its value follows.
    pub fn name(&mut self, name: &str) {
        self.item();
        self.text.push('"');
        self.text.push_str(name);
        self.text.push_str("\":");
    }

    /// Writes a string.
    pub fn string(&mut self, value: &str) {
        self.text.push('"');
        let mut start = 0;
        for (index, byte) in value.bytes().enumerate() {
            let escape = match byte {
                b'"' => "\\\"",
                b'\\' => "\\\\",
                b'\n' => "\\n",
                b'\r' => "\\r",
                b'\t' => "\\t",
                0x08 => "\\b",
                0x0c => "\\f",
                0..=0x1f => "",
                _ => continue,
            };
            self.text.push_str(&value[start..index]);
            if escape.is_empty() {
                let _ = write!(self.text, "\\u{byte:04x}");
            } else {
                self.text.push_str(escape);
            }
            start = index + 1;
        }
        self.text.push_str(&value[start..]);
        self.text.push('"');
    }

    /// Writes something that needs no escapes, as it is.
    pub fn raw(&mut self, value: impl Display) {
        let _ = write!(self.text, "{value}");
    }

    /// Writes something that needs no escapes as a string.
    pub fn quoted(&mut self, value: impl Display) {
        let _ = write!(self.text, "\"{value}\"");
    }

    /// Writes a floating-point number; `display` and `exponent` are its two shortest forms.
    pub(crate) fn float(&mut self, value: f64, display: impl Display, exponent: impl Display) {
        let size = value.abs();
        if value.is_nan() {
            self.text.push_str("\"NaN\"");
        } else if value.is_infinite() {
            self.text.push_str(if value > 0.0 { "\"Infinity\"" } else { "\"-Infinity\"" });
        } else if size != 0.0 && !(1e-6..1e21).contains(&size) {
            let text = exponent.to_string();
            self.text.push_str(&if size >= 1.0 { text.replace('e', "e+") } else { text });
        } else {
            let _ = write!(self.text, "{display}");
        }
    }

    /// Direct access for codecs that append bytes of their own.
    pub(crate) fn text(&mut self) -> &mut String {
        &mut self.text
    }

    pub(crate) fn scalar<C: Codec<T>, T: Default + PartialEq>(&mut self, name: &str, value: &T) {
        if *value != T::default() {
            self.name(name);
            C::put(value, self);
        }
    }

    pub(crate) fn optional<C: Codec<T>, T>(&mut self, name: &str, value: &Option<T>) {
        if let Some(value) = value {
            self.name(name);
            C::put(value, self);
        }
    }

    pub(crate) fn member<C: Codec<T>, T>(&mut self, name: &str, value: &T) {
        self.name(name);
        C::put(value, self);
    }

    pub(crate) fn list<C: Codec<T>, T>(&mut self, name: &str, values: &[T]) {
        if values.is_empty() {
            return;
        }
        self.name(name);
        self.begin_list();
        for value in values {
            self.item();
            C::put(value, self);
        }
        self.end_list();
    }

    pub(crate) fn map<C: Codec<T>, K: Display, T>(&mut self, name: &str, values: &BTreeMap<K, T>) {
        if values.is_empty() {
            return;
        }
        self.name(name);
        self.begin_object();
        for (key, value) in values {
            self.item();
            self.string(&key.to_string());
            self.text.push(':');
            C::put(value, self);
        }
        self.end_object();
    }
}

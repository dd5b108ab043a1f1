//! JSON as The Things Stack reads and writes it.
//!
//! Names are written in snake_case and read in both forms; unset fields are left out; 64-bit integers
//! are strings; EUIs, addresses and keys are upper-case hexadecimal; enums follow their own rules.

pub(crate) mod any;
pub(crate) mod codec;
pub(crate) mod read;
mod time;
mod write;

use crate::message::ApiMessage;

pub use self::any::{from_json as to_any, write as write_any};
pub use self::codec::{from_proto_value, to_proto_value};
pub use self::time::{format_duration, format_timestamp, parse_go_duration, parse_timestamp};
pub use self::write::Writer;

/// Encodes a message.
pub fn to_string<T: ApiMessage>(message: &T) -> String {
    let mut writer = Writer::default();
    message.write(&mut writer);
    writer.finish()
}

/// Decodes a message.
///
/// # Errors
///
/// Fails if the text is not JSON or a value does not fit its field; the error names the field.
pub fn from_slice<T: ApiMessage>(text: &[u8]) -> Result<T, JsonError> {
    from_value(serde_json::from_slice(text).map_err(|error| JsonError::syntax(&error))?)
}

/// Decodes a message from parsed JSON.
///
/// # Errors
///
/// Fails if a value does not fit its field; the error names the field.
pub fn from_value<T: ApiMessage>(value: serde_json::Value) -> Result<T, JsonError> {
    T::read(value)
}

/// A JSON text that is not what a message needs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub struct JsonError {
    /// The field, with its parents; empty for the root.
    pub path: String,
    /// What is wrong.
    pub reason: Reason,
}

impl std::fmt::Display for JsonError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.path.is_empty() {
            write!(f, "{}", self.reason)
        } else {
            write!(f, "{}: {}", self.path, self.reason)
        }
    }
}

/// What is wrong with a JSON text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// Not a name, alias or number of the enum.
    #[error("`{0}` is not a value of the enum")]
    Enum(String),
    /// Of another length than the field has.
    #[error("{got} bytes where {want} are needed")]
    Length {
        /// The length of the field.
        want: usize,
        /// The length given.
        got: usize,
    },
    /// Outside the range of the field.
    #[error("`{0}` is out of range")]
    Range(String),
    /// Not JSON at all.
    #[error("not JSON: {0}")]
    Syntax(String),
    /// Of another type than the field.
    #[error("not {0}")]
    Type(&'static str),
}

impl JsonError {
    pub(crate) fn new(reason: Reason) -> Self {
        Self { path: String::new(), reason }
    }

    pub(crate) fn expected(what: &'static str) -> Self {
        Self::new(Reason::Type(what))
    }

    /// An error of the JSON parser.
    pub fn syntax(error: &serde_json::Error) -> Self {
        Self::new(Reason::Syntax(error.to_string()))
    }

    /// The same error, one level up.
    pub(crate) fn within(mut self, parent: &str) -> Self {
        if self.path.is_empty() {
            parent.clone_into(&mut self.path);
        } else {
            self.path = format!("{parent}.{}", self.path);
        }
        self
    }
}

/// An enum with the names that JSON may carry.
pub trait JsonEnum {
    /// The names.
    const RULES: EnumRules;
}

/// How the values of an enum are written and read.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct EnumRules {
    /// Written as a number, not as a name.
    pub number: bool,
    /// What names may leave out, without the underscore.
    pub prefix: &'static str,
    /// The values; of aliases the first is written.
    pub values: &'static [EnumValue],
}

/// One name of an enum.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct EnumValue {
    /// The name.
    pub name: &'static str,
    /// Its number.
    pub number: i32,
    /// What is written in place of the name.
    pub string: Option<&'static str>,
    /// What else is read.
    pub aliases: &'static [&'static str],
}

impl EnumRules {
    /// The text that JSON carries for a number, if it has a name.
    pub fn text(&self, number: i32) -> Option<&'static str> {
        let value = self.values.iter().find(|value| value.number == number)?;
        Some(value.string.unwrap_or(value.name))
    }

    /// The number of a name, alias, or text.
    pub fn number(&self, text: &str) -> Option<i32> {
        let matches = |value: &&EnumValue| {
            value.name == text
                || value.string == Some(text)
                || value.aliases.contains(&text)
                || (!self.prefix.is_empty()
                    && value
                        .name
                        .strip_prefix(self.prefix)
                        .and_then(|rest| rest.strip_prefix('_'))
                        .is_some_and(|rest| rest == text))
        };
        self.values.iter().find(matches).map(|value| value.number)
    }

    /// Whether a number has a name.
    pub fn is_defined(&self, number: i32) -> bool {
        self.values.iter().any(|value| value.number == number)
    }
}

//! Validation rules of messages.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::LazyLock;

use prost_types::Timestamp;
use regex_lite::Regex;

use crate::json::JsonEnum;
use crate::mask;
use crate::message::ApiMessage;

/// Checks all of a message.
///
/// # Errors
///
/// Fails with the first rule that does not hold.
pub fn validate<T: ApiMessage>(message: &T, now: Timestamp) -> Result<(), Violation> {
    message.check(&mut Validator::new(T::descriptor().name, now, None))
}

/// Checks only what `paths` touch: these fields, what is below and what is above them.
///
/// # Errors
///
/// Fails with the first rule that does not hold.
pub fn validate_paths<T: ApiMessage>(
    message: &T,
    now: Timestamp,
    paths: &[String],
) -> Result<(), Violation> {
    message.check(&mut Validator::new(T::descriptor().name, now, Some(paths)))
}

/// A field that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid field `{field}` of {message}: {reason}")]
#[non_exhaustive]
pub struct Violation {
    /// The name of the message at the root.
    pub message: &'static str,
    /// The path of the field.
    pub field: String,
    /// The rule, as a sentence without a subject: `must …`.
    pub reason: String,
}

/// A rule, as generated code names it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Rule {
    /// Above a number.
    Above(i128),
    /// An enum value that has a name.
    DefinedOnly,
    /// An e-mail address.
    Email,
    /// Later than now.
    Future,
    /// The other rules do not apply to an empty value.
    IgnoreEmpty,
    /// One of these strings.
    In(&'static [&'static str]),
    /// One of these numbers.
    InNumbers(&'static [i128]),
    /// An IP address.
    Ip,
    /// An IPv4 address.
    Ipv4,
    /// Of this length.
    Len(usize),
    /// At most this number.
    Max(i128),
    /// At most this number.
    MaxFloat(f64),
    /// At most so many items.
    MaxItems(usize),
    /// At most this length.
    MaxLen(usize),
    /// At least this number.
    Min(i128),
    /// At least this number.
    MinFloat(f64),
    /// At least so many items.
    MinItems(usize),
    /// At least this length.
    MinLen(usize),
    /// None of these numbers.
    NotInNumbers(&'static [i128]),
    /// Earlier than now.
    Past,
    /// Matches a regular expression.
    Pattern(&'static str),
    /// Items that differ from each other.
    Unique,
    /// An absolute URI.
    Uri,
    /// An absolute or relative URI.
    UriReference,
    /// A UUID.
    Uuid,
}

/// Where the check is, and what is to be checked.
#[derive(Debug)]
pub struct Validator<'a> {
    message: &'static str,
    now: Timestamp,
    filter: Option<&'a [String]>,
    path: Vec<&'static str>,
}

impl<'a> Validator<'a> {
    fn new(message: &'static str, now: Timestamp, filter: Option<&'a [String]>) -> Self {
        Self { message, now, filter, path: Vec::new() }
    }

    /// Goes to a field; false if it is not to be checked, and then there is nothing to leave.
    pub(crate) fn enter(&mut self, name: &'static str) -> bool {
        self.path.push(name);
        let wanted = match self.filter {
            None => true,
            Some(paths) => mask::touches(paths, &self.path.join(".")),
        };
        if !wanted {
            self.path.pop();
        }
        wanted
    }

    /// Leaves a field.
    pub(crate) fn leave(&mut self) {
        self.path.pop();
    }

    pub(crate) fn required(&self, is_set: bool) -> Result<(), Violation> {
        self.hold(is_set, || "must be set".to_owned())
    }

    pub(crate) fn length(&self, got: usize, rules: &[Rule]) -> Result<(), Violation> {
        for rule in rules {
            match *rule {
                Rule::MaxItems(max) => {
                    self.hold(got <= max, || format!("must have at most {max} items"))?;
                }
                Rule::MinItems(min) => {
                    self.hold(got >= min, || format!("must have at least {min} items"))?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    pub(crate) fn unique<T: PartialEq>(&self, items: &[T]) -> Result<(), Violation> {
        let repeated = items.iter().enumerate().any(|(index, item)| items[..index].contains(item));
        self.hold(!repeated, || "must not repeat an item".to_owned())
    }

    pub(crate) fn string(&self, value: &str, rules: &[Rule]) -> Result<(), Violation> {
        if value.is_empty() && ignores_empty(rules) {
            return Ok(());
        }
        let length = value.chars().count();
        for rule in rules {
            match *rule {
                Rule::Pattern(pattern) => {
                    self.hold(matches(pattern, value), || format!("must match `{pattern}`"))?;
                }
                Rule::In(values) => {
                    self.hold(values.contains(&value), || format!("must be one of {values:?}"))?
                }
                Rule::Uri => self.hold(is_uri(value), || "must be an absolute URI".to_owned())?,
                Rule::UriReference => {
                    self.hold(is_uri_reference(value), || "must be a URI".to_owned())?;
                }
                Rule::Uuid => self.hold(is_uuid(value), || "must be a UUID".to_owned())?,
                Rule::Email => {
                    self.hold(is_email(value), || "must be an e-mail address".to_owned())?;
                }
                Rule::Ip => self
                    .hold(value.parse::<IpAddr>().is_ok(), || "must be an IP address".to_owned())?,
                Rule::Ipv4 => self.hold(value.parse::<Ipv4Addr>().is_ok(), || {
                    "must be an IPv4 address".to_owned()
                })?,
                rule => self.size(length, "characters", rule)?,
            }
        }
        Ok(())
    }

    pub(crate) fn bytes(&self, value: &[u8], rules: &[Rule]) -> Result<(), Violation> {
        if value.is_empty() && ignores_empty(rules) {
            return Ok(());
        }
        rules.iter().try_for_each(|rule| self.size(value.len(), "bytes", *rule))
    }

    pub(crate) fn integer(&self, value: i128, rules: &[Rule]) -> Result<(), Violation> {
        if value == 0 && ignores_empty(rules) {
            return Ok(());
        }
        // A maximum below the minimum allows what is outside: nothing, or from so much on.
        let outside = rules.iter().find_map(|rule| match rule {
            Rule::Max(max) => rules.iter().find_map(|other| match other {
                Rule::Min(min) if max < min => Some((*max, *min)),
                _ => None,
            }),
            _ => None,
        });
        if let Some((max, min)) = outside {
            return self.hold(value <= max || value >= min, || {
                format!("must be at most {max} or at least {min}")
            });
        }
        for rule in rules {
            match *rule {
                Rule::Max(max) => self.hold(value <= max, || format!("must be at most {max}"))?,
                Rule::Min(min) => self.hold(value >= min, || format!("must be at least {min}"))?,
                Rule::Above(min) => self.hold(value > min, || format!("must be above {min}"))?,
                Rule::InNumbers(values) => {
                    self.hold(values.contains(&value), || format!("must be one of {values:?}"))?
                }
                Rule::NotInNumbers(values) => self
                    .hold(!values.contains(&value), || format!("must not be one of {values:?}"))?,
                _ => {}
            }
        }
        Ok(())
    }

    pub(crate) fn float(&self, value: f64, rules: &[Rule]) -> Result<(), Violation> {
        for rule in rules {
            match *rule {
                Rule::MaxFloat(max) => {
                    self.hold(value <= max, || format!("must be at most {max}"))?;
                }
                Rule::MinFloat(min) => {
                    self.hold(value >= min, || format!("must be at least {min}"))?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    pub(crate) fn enumeration<E: JsonEnum>(
        &self,
        value: i32,
        rules: &[Rule],
    ) -> Result<(), Violation> {
        if rules.iter().any(|rule| matches!(rule, Rule::DefinedOnly)) {
            self.hold(E::RULES.is_defined(value), || format!("must not be {value}"))?;
        }
        self.integer(i128::from(value), rules)
    }

    pub(crate) fn timestamp(&self, value: &Timestamp, rules: &[Rule]) -> Result<(), Violation> {
        let order = (value.seconds, value.nanos).cmp(&(self.now.seconds, self.now.nanos));
        for rule in rules {
            match rule {
                Rule::Future => {
                    self.hold(order.is_gt(), || "must be in the future".to_owned())?;
                }
                Rule::Past => self.hold(order.is_lt(), || "must be in the past".to_owned())?,
                _ => {}
            }
        }
        Ok(())
    }

    fn size(&self, got: usize, unit: &str, rule: Rule) -> Result<(), Violation> {
        match rule {
            Rule::Len(len) => self.hold(got == len, || format!("must have {len} {unit}")),
            Rule::MaxLen(max) => {
                self.hold(got <= max, || format!("must have at most {max} {unit}"))
            }
            Rule::MinLen(min) => {
                self.hold(got >= min, || format!("must have at least {min} {unit}"))
            }
            _ => Ok(()),
        }
    }

    fn hold(&self, holds: bool, reason: impl FnOnce() -> String) -> Result<(), Violation> {
        if holds {
            return Ok(());
        }
        Err(Violation { message: self.message, field: self.path.join("."), reason: reason() })
    }
}

fn ignores_empty(rules: &[Rule]) -> bool {
    rules.iter().any(|rule| matches!(rule, Rule::IgnoreEmpty))
}

/// Whether a value matches one of the patterns of the API.
fn matches(pattern: &str, value: &str) -> bool {
    match pattern {
        "^[a-z0-9](?:[-]?[a-z0-9]){2,}$" => is_id(value, 3),
        "^[a-z0-9](?:[-]?[a-z0-9]){1,}$" => is_id(value, 2),
        "^[a-z0-9](?:[-]?[a-z0-9]){2,}$|^$"
        | "^$|^[a-z0-9](?:[-]?[a-z0-9]){2,}$"
        | "^([a-z0-9](?:[-]?[a-z0-9]){2,}|)?$" => value.is_empty() || is_id(value, 3),
        _ => PATTERNS.get(pattern).is_some_and(|regex| regex.is_match(value)),
    }
}

/// Lower-case letters and digits, single dashes between them, at least so many of the former.
fn is_id(value: &str, min: usize) -> bool {
    let mut count = 0;
    let mut dash = true;
    for byte in value.bytes() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' => {
                count += 1;
                dash = false;
            }
            b'-' if !dash => dash = true,
            _ => return false,
        }
    }
    !dash && count >= min
}

/// The patterns that are compiled, by their text.
static PATTERNS: LazyLock<BTreeMap<&'static str, Regex>> = LazyLock::new(|| {
    let compiled = crate::generated::patterns::PATTERNS.iter();
    compiled.filter_map(|pattern| Some((*pattern, Regex::new(pattern).ok()?))).collect()
});

fn is_uri(value: &str) -> bool {
    let Some((scheme, rest)) = value.split_once(':') else { return false };
    let mut letters = scheme.bytes();
    letters.next().is_some_and(|byte| byte.is_ascii_alphabetic())
        && letters.all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
        && !rest.is_empty()
        && is_uri_reference(rest)
}

fn is_uri_reference(value: &str) -> bool {
    !value.bytes().any(|byte| byte <= b' ' || byte == 0x7f)
}

fn is_uuid(value: &str) -> bool {
    value.len() == 36
        && value.bytes().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

fn is_email(value: &str) -> bool {
    let Some((local, host)) = value.rsplit_once('@') else { return false };
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    (1..=64).contains(&local.len())
        && value.len() <= 254
        && !local.bytes().any(|byte| byte <= b' ' || b"@<>()[],;:\\\"".contains(&byte))
        && host.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_of_the_api_compiles() {
        assert_eq!(PATTERNS.len(), crate::generated::patterns::PATTERNS.len());
        assert!(PATTERNS.len() > 20);
    }

    #[test]
    fn the_short_way_for_ids_agrees_with_the_patterns() {
        for pattern in ["^[a-z0-9](?:[-]?[a-z0-9]){2,}$", "^[a-z0-9](?:[-]?[a-z0-9]){1,}$"] {
            for id in
                ["", "a", "ab", "a-b", "abc", "a--b", "-ab", "ab-", "a-b-c", "ABC", "a_c", "é00"]
            {
                let expected = PATTERNS[pattern].is_match(id);
                assert_eq!(matches(pattern, id), expected, "{pattern} {id}");
            }
        }
    }
}

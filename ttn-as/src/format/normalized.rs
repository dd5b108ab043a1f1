//! Normalised payloads (AS-16): lists of measurements whose names, units and ranges are the same for every device.

use serde_json::{Map, Value};
use ttn_core::error::{ApiError, Attributes, ErrorKind};

/// How many measurements a payload may have.
pub const MEASUREMENTS_MAX: usize = 64;

/// What a field may be.
enum Kind {
    /// A number within a range.
    Number(Range),
    /// A point in time, as RFC 3339.
    Time,
    /// Fields below it.
    Object(&'static [Field]),
}

struct Field {
    name: &'static str,
    kind: Kind,
}

/// The range of a number.
#[derive(Clone, Copy)]
struct Range {
    minimum: Option<f64>,
    maximum: Option<f64>,
    /// The maximum itself is outside.
    exclusive_maximum: bool,
}

const fn number(name: &'static str, minimum: Option<f64>, maximum: Option<f64>) -> Field {
    Field { name, kind: Kind::Number(Range { minimum, maximum, exclusive_maximum: false }) }
}

/// The lowest temperature that there is, in degrees Celsius.
const ABSOLUTE_ZERO: Option<f64> = Some(-273.15);
/// A whole in parts per million.
const MILLION: Option<f64> = Some(1_000_000.0);

const MEASUREMENT: &[Field] = &[
    Field { name: "air", kind: Kind::Object(AIR) },
    Field { name: "soil", kind: Kind::Object(SOIL) },
    Field { name: "time", kind: Kind::Time },
    Field { name: "wind", kind: Kind::Object(WIND) },
];
const AIR: &[Field] = &[
    number("co2", Some(0.0), MILLION),
    number("lightIntensity", Some(0.0), None),
    number("pressure", Some(900.0), Some(1100.0)),
    number("relativeHumidity", Some(0.0), Some(100.0)),
    number("temperature", ABSOLUTE_ZERO, None),
];
const SOIL: &[Field] = &[
    number("depth", Some(0.0), None),
    number("ec", Some(0.0), Some(621.0)),
    number("k", Some(0.0), MILLION),
    number("moisture", Some(0.0), Some(100.0)),
    number("n", Some(0.0), MILLION),
    number("p", Some(0.0), MILLION),
    number("pH", Some(0.0), Some(14.0)),
    number("temperature", ABSOLUTE_ZERO, None),
];
const WIND: &[Field] = &[
    Field {
        name: "direction",
        kind: Kind::Number(Range {
            minimum: Some(0.0),
            maximum: Some(360.0),
            exclusive_maximum: true,
        }),
    },
    number("speed", Some(0.0), None),
];

/// Measurements as applications get them.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "built by other crates")]
pub struct Normalized {
    /// The measurements; those without a valid field are left out.
    pub measurements: Vec<Map<String, Value>>,
    /// What the normaliser found odd, and which fields were left out.
    pub warnings: Vec<String>,
}

/// What was checked of one measurement.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "complete by definition")]
pub struct Measurement {
    /// The valid fields.
    pub valid: Map<String, Value>,
    /// The fields that are outside their ranges.
    pub outside: Vec<OutOfRange>,
}

/// A number outside its range.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "complete by definition")]
pub struct OutOfRange {
    /// The field.
    pub path: String,
    /// Which side of the range.
    pub rule: RangeRule,
    /// The limit.
    pub limit: f64,
}

/// A side of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum RangeRule {
    /// Less than the limit.
    ExclusiveMaximum,
    /// The limit or less.
    Maximum,
    /// The limit or more.
    Minimum,
}

/// Why a list of measurements is refused as a whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NormalizeError {
    /// A field has another type.
    #[error("`{path}` has a wrong type")]
    FieldType {
        /// The field.
        path: String,
    },
    /// A time is no time of RFC 3339.
    #[error("`{path}` is no time; use RFC 3339, such as 2026-01-31T12:00:00Z")]
    Time {
        /// The field.
        path: String,
    },
    /// There are more than [`MEASUREMENTS_MAX`].
    #[error("{0} measurements; at most {MEASUREMENTS_MAX}")]
    TooMany(usize),
    /// A field is not known.
    #[error("`{path}` is no field of a normalised payload")]
    UnknownField {
        /// The field.
        path: String,
    },
}

impl ApiError for NormalizeError {
    fn namespace(&self) -> &'static str {
        "pkg/messageprocessors/normalizedpayload"
    }

    fn name(&self) -> &'static str {
        match self {
            Self::FieldType { .. } | Self::Time { .. } | Self::TooMany(_) => "field_type",
            Self::UnknownField { .. } => "unknown_field",
        }
    }

    fn kind(&self) -> ErrorKind {
        ErrorKind::InvalidArgument
    }

    fn attributes(&self) -> Attributes {
        match self {
            Self::FieldType { path } | Self::Time { path } | Self::UnknownField { path } => {
                Attributes::from([("path", path.as_str().into())])
            }
            Self::TooMany(_) => Attributes::new(),
        }
    }
}

impl OutOfRange {
    /// The warning about the field of the measurement of this number, counted from 1.
    fn warning(&self, number: usize) -> String {
        let Self { path, rule, limit } = self;
        let should = match rule {
            RangeRule::ExclusiveMaximum => "less than",
            RangeRule::Maximum => "equal or less than",
            RangeRule::Minimum => "equal or greater than",
        };
        format!("measurement {number}: `{path}` should be {should} `{limit}`")
    }
}

impl Normalized {
    /// Checks measurements; `warnings` come first.
    ///
    /// # Errors
    ///
    /// A field is not known or has a wrong type, or there are too many measurements.
    pub fn parse<'a>(
        measurements: impl IntoIterator<Item = &'a Map<String, Value>>,
        warnings: Vec<String>,
    ) -> Result<Self, NormalizeError> {
        let mut normalized = Self { measurements: Vec::new(), warnings };
        for (index, fields) in measurements.into_iter().enumerate() {
            if index == MEASUREMENTS_MAX {
                return Err(NormalizeError::TooMany(index + 1));
            }
            let Measurement { valid, outside } = parse(fields)?;
            normalized.warnings.extend(outside.iter().map(|field| field.warning(index + 1)));
            if !valid.is_empty() {
                normalized.measurements.push(valid);
            }
        }
        Ok(normalized)
    }
}

/// Checks a measurement.
///
/// # Errors
///
/// A field is not known or has a wrong type.
pub fn parse(fields: &Map<String, Value>) -> Result<Measurement, NormalizeError> {
    let mut outside = Vec::new();
    let valid = parse_object(fields, MEASUREMENT, "", &mut outside)?;
    Ok(Measurement { valid, outside })
}

fn parse_object(
    fields: &Map<String, Value>,
    known: &[Field],
    prefix: &str,
    outside: &mut Vec<OutOfRange>,
) -> Result<Map<String, Value>, NormalizeError> {
    let mut valid = Map::new();
    for (name, value) in fields {
        let path = format!("{prefix}{name}");
        let Some(field) = known.iter().find(|field| field.name == name) else {
            return Err(NormalizeError::UnknownField { path });
        };
        match (&field.kind, value) {
            (Kind::Number(range), Value::Number(number)) => {
                let number = number.as_f64().unwrap_or(f64::NAN);
                match range.broken(number) {
                    None => drop(valid.insert(name.clone(), value.clone())),
                    Some((rule, limit)) => outside.push(OutOfRange { path, rule, limit }),
                }
            }
            (Kind::Time, Value::String(text)) => {
                if !is_time(text) {
                    return Err(NormalizeError::Time { path });
                }
                valid.insert(name.clone(), value.clone());
            }
            (Kind::Object(known), Value::Object(fields)) => {
                let below = parse_object(fields, known, &format!("{path}."), outside)?;
                if !below.is_empty() {
                    valid.insert(name.clone(), Value::Object(below));
                }
            }
            _ => return Err(NormalizeError::FieldType { path }),
        }
    }
    Ok(valid)
}

impl Range {
    /// The side on which a number is outside.
    fn broken(&self, number: f64) -> Option<(RangeRule, f64)> {
        if let Some(minimum) = self.minimum.filter(|minimum| number < *minimum) {
            return Some((RangeRule::Minimum, minimum));
        }
        let maximum = self.maximum?;
        if self.exclusive_maximum {
            (number >= maximum).then_some((RangeRule::ExclusiveMaximum, maximum))
        } else {
            (number > maximum).then_some((RangeRule::Maximum, maximum))
        }
    }
}

/// Whether a text is a time of RFC 3339.
fn is_time(text: &str) -> bool {
    let octets = text.as_bytes();
    let digits = |from: usize, to: usize| -> Option<u32> {
        let part = text.get(from..to)?;
        part.bytes().all(|octet| octet.is_ascii_digit()).then(|| part.parse().ok())?
    };
    let is = |at: usize, octet: u8| octets.get(at) == Some(&octet);
    let (Some(year), Some(month), Some(day)) = (digits(0, 4), digits(5, 7), digits(8, 10)) else {
        return false;
    };
    let (Some(hour), Some(minute), Some(second)) = (digits(11, 13), digits(14, 16), digits(17, 19))
    else {
        return false;
    };
    let separated = is(4, b'-') && is(7, b'-') && is(10, b'T') && is(13, b':') && is(16, b':');
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u32::from(leap),
        _ => 31,
    };
    let in_range = (1..=12).contains(&month)
        && (1..=days).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    let mut rest = text.get(19..).unwrap_or_default();
    if let Some(fraction) = rest.strip_prefix('.') {
        let zone = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
        if zone.len() == fraction.len() {
            return false;
        }
        rest = zone;
    }
    let zone = match rest.as_bytes() {
        [b'Z'] => true,
        [b'+' | b'-', h @ (b'0'..=b'2'), l @ b'0'..=b'9', b':', b'0'..=b'5', b'0'..=b'9'] => {
            *h < b'2' || *l < b'4'
        }
        _ => false,
    };
    separated && in_range && zone
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn normalized(list: &[Value]) -> Result<Normalized, NormalizeError> {
        Normalized::parse(list.iter().map(|value| value.as_object().unwrap()), Vec::new())
    }

    // AS-16
    #[test]
    fn a_field_outside_its_range_is_left_out_with_a_warning() {
        let list = [
            json!({ "soil": { "pH": 15, "moisture": 40 } }),
            json!({ "wind": { "direction": 360 } }),
        ];
        let normalized = normalized(&list).unwrap();
        assert_eq!(
            normalized.measurements,
            [json!({ "soil": { "moisture": 40 } }).as_object().unwrap().clone()]
        );
        assert_eq!(
            normalized.warnings,
            [
                "measurement 1: `soil.pH` should be equal or less than `14`",
                "measurement 2: `wind.direction` should be less than `360`",
            ]
        );
    }

    // AS-16
    #[test]
    fn an_unknown_field_fails() {
        let unknown = normalized(&[json!({ "air": { "smell": 1 } })]).unwrap_err();
        assert_eq!(unknown, NormalizeError::UnknownField { path: "air.smell".to_owned() });
    }

    #[test]
    fn too_many_measurements_fail() {
        let list = vec![json!({ "air": { "co2": 1 } }); MEASUREMENTS_MAX + 1];
        assert_eq!(normalized(&list), Err(NormalizeError::TooMany(MEASUREMENTS_MAX + 1)));
    }

    #[test]
    fn times_are_those_of_rfc_3339() {
        let good = ["2024-02-29T23:59:59Z", "2023-01-01T00:00:00.123+02:00"];
        let bad = [
            "2023-02-29T00:00:00Z",
            "2023-01-01 00:00:00Z",
            "2023-01-01T00:00:00",
            "2023-01-01T00:00:00.Z",
            "2023-01-01T24:00:00Z",
            "2023-01-01T00:00:00+24:00",
            "é023-01-01T00:00:00Z",
            "",
        ];
        assert!(good.into_iter().all(is_time));
        assert!(!bad.into_iter().any(is_time));
    }
}

//! Cayenne Low Power Payload (AS-15): `<type>_<channel>` upwards, `value_<channel>` downwards.

use async_trait::async_trait;
use serde_json::{Map, Value};

use super::{Encoded, FormatError, Formatter, Payload, Structure};
use crate::log::Decoded;

/// The Cayenne LPP formatter.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct CayenneLpp;

/// How the octets of a type are read.
enum Shape {
    /// An unsigned number of octets, and what it is divided by.
    Unsigned(usize, f64),
    /// A signed number of octets, and what it is divided by.
    Signed(usize, f64),
    /// Signed numbers in order: name, octets, divisor.
    Members(&'static [(&'static str, usize, f64)]),
}

/// Type, name and shape.
const TYPES: [(u8, &str, Shape); 12] = [
    (0x00, "digital_in", Shape::Unsigned(1, 1.0)),
    (0x01, "digital_out", Shape::Unsigned(1, 1.0)),
    (0x02, "analog_in", Shape::Signed(2, 100.0)),
    (0x03, "analog_out", Shape::Signed(2, 100.0)),
    (0x65, "luminosity", Shape::Unsigned(2, 1.0)),
    (0x66, "presence", Shape::Unsigned(1, 1.0)),
    (0x67, "temperature", Shape::Signed(2, 10.0)),
    (0x68, "relative_humidity", Shape::Unsigned(1, 2.0)),
    (0x71, "accelerometer", Shape::Members(&XYZ_THOUSANDTHS)),
    (0x73, "barometric_pressure", Shape::Unsigned(2, 10.0)),
    (0x86, "gyrometer", Shape::Members(&XYZ_HUNDREDTHS)),
    (0x88, "gps", Shape::Members(&POSITION)),
];
const XYZ_THOUSANDTHS: [(&str, usize, f64); 3] =
    [("x", 2, 1000.0), ("y", 2, 1000.0), ("z", 2, 1000.0)];
const XYZ_HUNDREDTHS: [(&str, usize, f64); 3] = [("x", 2, 100.0), ("y", 2, 100.0), ("z", 2, 100.0)];
const POSITION: [(&str, usize, f64); 3] =
    [("latitude", 3, 10_000.0), ("longitude", 3, 10_000.0), ("altitude", 3, 100.0)];
/// The name of the only type that downlinks have.
const VALUE: &str = "value";

#[async_trait]
impl Formatter for CayenneLpp {
    async fn decode_uplink(&self, payload: &Payload<'_>) -> Result<Decoded, FormatError> {
        decode(payload.octets)
    }

    async fn decode_downlink(&self, payload: &Payload<'_>) -> Result<Decoded, FormatError> {
        // An incomplete value at the end is left out.
        let values = payload.octets.chunks_exact(3).map(|value| {
            let (channel, raw) = value.split_first().unwrap_or((&0, &[]));
            (format!("{VALUE}_{channel}"), number(signed(raw), 100.0))
        });
        Ok(Decoded { payload: values.collect(), ..Decoded::default() })
    }

    async fn encode_downlink(&self, structure: &Structure<'_>) -> Result<Encoded, FormatError> {
        let mut octets = Vec::new();
        for (name, value) in structure.payload {
            let (Ok((VALUE, channel)), Some(value)) = (channel_name(name), value.as_f64()) else {
                continue;
            };
            let raw = (value * 100.0).round();
            if !(f64::from(i16::MIN)..=f64::from(i16::MAX)).contains(&raw) {
                return Err(FormatError::Encode {
                    formatter: "FORMATTER_CAYENNELPP",
                    reason: format!("{name} is {value}; use -327.68 to 327.67"),
                });
            }
            octets.push(channel);
            octets.extend((raw as i16).to_be_bytes());
        }
        Ok(Encoded { f_port: None, octets, warnings: Vec::new() })
    }
}

fn decode(octets: &[u8]) -> Result<Decoded, FormatError> {
    let mut payload = Map::new();
    let mut rest = octets;
    while let Some((&channel, tail)) = rest.split_first() {
        let at = octets.len() - rest.len();
        let (&kind, tail) = tail.split_first().ok_or_else(|| failure(at, "the type is missing"))?;
        let (_, name, shape) = TYPES
            .iter()
            .find(|(number, _, _)| *number == kind)
            .ok_or_else(|| failure(at, &format!("the type 0x{kind:02x} is unknown")))?;
        let length = shape.length();
        let Some((value, tail)) = tail.split_at_checked(length) else {
            let reason = format!("{name} needs {length} octets, {} are left", tail.len());
            return Err(failure(at, &reason));
        };
        payload.insert(format!("{name}_{channel}"), shape.read(value));
        rest = tail;
    }
    Ok(Decoded { payload, ..Decoded::default() })
}

fn failure(at: usize, reason: &str) -> FormatError {
    FormatError::Decode {
        formatter: "FORMATTER_CAYENNELPP",
        reason: format!("at octet {at} {reason}"),
    }
}

impl Shape {
    fn length(&self) -> usize {
        match self {
            Self::Unsigned(length, _) | Self::Signed(length, _) => *length,
            Self::Members(members) => members.iter().map(|(_, length, _)| length).sum(),
        }
    }

    fn read(&self, octets: &[u8]) -> Value {
        match self {
            Self::Unsigned(_, divisor) => number(unsigned(octets), *divisor),
            Self::Signed(_, divisor) => number(signed(octets), *divisor),
            Self::Members(members) => {
                let mut rest = octets;
                let read = members.iter().map(|(name, length, divisor)| {
                    let (value, tail) = rest.split_at_checked(*length).unwrap_or((rest, &[]));
                    rest = tail;
                    ((*name).to_owned(), number(signed(value), *divisor))
                });
                Value::Object(read.collect())
            }
        }
    }
}

fn unsigned(octets: &[u8]) -> i64 {
    octets.iter().fold(0, |number, octet| (number << 8) | i64::from(*octet))
}

fn signed(octets: &[u8]) -> i64 {
    let bits = octets.len() * 8;
    let number = unsigned(octets);
    let is_negative = bits > 0 && (number >> (bits - 1)) & 1 == 1;
    if is_negative { number - (1 << bits) } else { number }
}

fn number(raw: i64, divisor: f64) -> Value {
    if divisor == 1.0 { Value::from(raw) } else { Value::from(raw as f64 / divisor) }
}

/// A member name that does not stand for a channel.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// The channel is no number from 0 to 255.
    #[error("{0:?} is no channel; use 0 to 255")]
    Channel(String),
    /// There is no type, or no channel.
    #[error("{0:?} is no `<type>_<channel>`")]
    Key(String),
}

/// Splits `<type>_<channel>`.
///
/// # Errors
///
/// The name has another form.
pub fn channel_name(name: &str) -> Result<(&str, u8), NameError> {
    match name.rsplit_once('_') {
        Some((key, channel)) if !key.is_empty() => match channel.parse() {
            Ok(channel) => Ok((key, channel)),
            Err(_) => Err(NameError::Channel(channel.to_owned())),
        },
        _ => Err(NameError::Key(name.to_owned())),
    }
}

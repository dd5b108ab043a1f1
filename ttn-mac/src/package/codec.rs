//! What the codecs of the packages share.

use ttn_core::radio::Frequency;

use super::{BuildError, COMMANDS_MAX, ParseError};
use crate::frame::FrequencyStep;

/// A command and what is behind it.
pub(super) type Read<'p, T> = Result<(T, &'p [u8]), ParseError>;

/// Reads commands in order with `read`. Ends behind the first error and behind [`COMMANDS_MAX`].
pub(super) fn commands<'p, T>(
    payload: &'p [u8],
    read: impl Fn(&'p [u8]) -> Read<'p, T>,
) -> impl Iterator<Item = Result<T, ParseError>> {
    let mut rest = payload;
    core::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        match read(rest) {
            Ok((command, behind)) => {
                rest = behind;
                Some(Ok(command))
            }
            Err(error) => {
                rest = &[];
                Some(Err(error))
            }
        }
    })
    .take(COMMANDS_MAX)
}

/// The identifier of the first command and what is behind it.
pub(super) fn identifier(octets: &[u8]) -> Read<'_, u8> {
    let short = ParseError::Short { cid: 0, expected: 1, got: 0 };
    octets.split_first().map(|(cid, rest)| (*cid, rest)).ok_or(short)
}

/// The first `N` octets of a command and what is behind them.
pub(super) fn take<const N: usize>(cid: u8, octets: &[u8]) -> Read<'_, [u8; N]> {
    let short = ParseError::Short { cid, expected: N, got: octets.len() };
    octets.split_first_chunk::<N>().map(|(head, rest)| (*head, rest)).ok_or(short)
}

/// Refuses a number above `max`.
pub(super) fn fits<T: Copy + Into<u64>>(
    field: &'static str,
    value: T,
    max: u64,
) -> Result<T, BuildError> {
    let found = value.into();
    if found > max {
        return Err(BuildError::Value { field, value: found, min: 0, max });
    }
    Ok(value)
}

/// A frequency as the wire carries it; zero, where it stands for something, is allowed.
pub(super) fn frequency(
    field: &'static str,
    frequency: Frequency,
    step: FrequencyStep,
    zero: bool,
) -> Result<[u8; 3], BuildError> {
    let encoded = if zero { step.encode_or_none(frequency) } else { step.encode(frequency) };
    encoded.map_err(|_| BuildError::Frequency { field, hz: frequency.hz(), step: step.hz() })
}

/// The lowest three octets of a number.
pub(super) const fn le_24(number: u32) -> [u8; 3] {
    let [a, b, c, _] = number.to_le_bytes();
    [a, b, c]
}

/// A flag at its place in an octet.
pub(super) const fn bit(flag: bool, mask: u8) -> u8 {
    if flag { mask } else { 0 }
}

//! Timestamps and durations as text.

use jiff::SignedDuration;
use prost_types::{Duration, Timestamp};

const SECONDS_PER_DAY: i64 = 86_400;
const NANOS_PER_SECOND: i128 = 1_000_000_000;

/// Formats a timestamp as RFC 3339 in UTC with 0, 3, 6 or 9 fraction digits.
pub fn format_timestamp(value: &Timestamp) -> String {
    let days = value.seconds.div_euclid(SECONDS_PER_DAY);
    let second = value.seconds.rem_euclid(SECONDS_PER_DAY);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let fraction = fraction(value.nanos.unsigned_abs());
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z")
}

/// Parses RFC 3339; nothing outside the years 1 to 9999.
pub fn parse_timestamp(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    if bytes.len() < 20 || bytes[10] != b'T' {
        return None;
    }
    let parsed: jiff::Timestamp = text.parse().ok()?;
    let (mut seconds, mut nanos) = (parsed.as_second(), parsed.subsec_nanosecond());
    if nanos < 0 {
        seconds -= 1;
        nanos += 1_000_000_000;
    }
    (-62_135_596_800..=253_402_300_799).contains(&seconds).then_some(Timestamp { seconds, nanos })
}

/// Formats a duration as seconds with 0, 3, 6 or 9 fraction digits.
pub fn format_duration(value: &Duration) -> String {
    let total = i128::from(value.seconds) * NANOS_PER_SECOND + i128::from(value.nanos);
    let sign = if total < 0 { "-" } else { "" };
    let total = total.unsigned_abs();
    let seconds = total / NANOS_PER_SECOND.unsigned_abs();
    let nanos = total % NANOS_PER_SECOND.unsigned_abs();
    format!("{sign}{seconds}{}s", fraction(u32::try_from(nanos).unwrap_or_default()))
}

/// Parses `<n>s`.
pub(crate) fn parse_seconds(text: &str) -> Option<Duration> {
    let number = text.strip_suffix('s')?;
    (!number.ends_with('m') && !number.ends_with('n') && !number.ends_with('µ'))
        .then(|| parse_go_duration(text))?
        .filter(|_| number.trim_start_matches('-').chars().all(|c| c.is_ascii_digit() || c == '.'))
}

/// Parses a duration in the syntax of Go: `-1h2m3.5s`, `200ms`, `0`.
pub fn parse_go_duration(text: &str) -> Option<Duration> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(Duration::default());
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(end);
        let end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(end);
        total = total.checked_add(scaled(number, unit_nanos(unit)?)?)?;
        rest = tail;
    }
    if negative {
        total = -total;
    }
    let whole = SignedDuration::try_from_nanos_i128(total)?;
    Some(Duration { seconds: whole.as_secs(), nanos: whole.subsec_nanos() })
}

fn unit_nanos(unit: &str) -> Option<i128> {
    Some(match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => NANOS_PER_SECOND,
        "m" => 60 * NANOS_PER_SECOND,
        "h" => 3600 * NANOS_PER_SECOND,
        _ => return None,
    })
}

/// A decimal number times a unit, in nanoseconds; digits below a nanosecond are dropped.
fn scaled(number: &str, unit: i128) -> Option<i128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let mut total = whole.checked_mul(unit)?;
    let mut scale = unit;
    for digit in fraction.chars().take(18) {
        let digit = i128::from(digit.to_digit(10)?);
        total = total.checked_add(digit.checked_mul(scale)? / 10)?;
        scale /= 10;
    }
    fraction.chars().all(|c| c.is_ascii_digit()).then_some(total)
}

fn fraction(nanos: u32) -> String {
    if nanos == 0 {
        String::new()
    } else if nanos.is_multiple_of(1_000_000) {
        format!(".{:03}", nanos / 1_000_000)
    } else if nanos.is_multiple_of(1_000) {
        format!(".{:06}", nanos / 1_000)
    } else {
        format!(".{nanos:09}")
    }
}

/// The civil date of a number of days since 1970-01-01, counted in eras of 400 years.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

//! Writes JSON by the reference's rules: what is zero or empty is left out.

use std::{
    fmt::{Display, Write as _},
    time::Duration,
};

use data_encoding::BASE64;
use itoa::Integer;
use ttn_core::time::Timestamp;

/// Writes compact JSON.
#[derive(Debug)]
pub(super) struct Writer {
    text: String,
    /// Whether the next member or item needs a comma before it.
    comma: bool,
}

/// What most messages stay below.
const CAPACITY: usize = 1024;

impl Writer {
    pub(super) fn new() -> Self {
        Self { text: String::with_capacity(CAPACITY), comma: false }
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.text.into_bytes()
    }

    pub(super) fn open(&mut self) {
        self.text.push('{');
        self.comma = false;
    }

    pub(super) fn close(&mut self) {
        self.text.push('}');
        self.comma = true;
    }

    pub(super) fn open_list(&mut self) {
        self.text.push('[');
        self.comma = false;
    }

    pub(super) fn close_list(&mut self) {
        self.text.push(']');
        self.comma = true;
    }

    pub(super) fn item(&mut self) {
        if self.comma {
            self.text.push(',');
        }
        self.comma = true;
    }

    /// The name of a member that needs no escapes.
    pub(super) fn name(&mut self, name: &str) {
        self.item();
        self.text.push('"');
        self.text.push_str(name);
        self.text.push_str("\":");
    }

    /// The name of a member that comes from outside.
    pub(super) fn key(&mut self, name: &str) {
        self.item();
        self.string(name);
        self.text.push(':');
    }

    pub(super) fn raw(&mut self, text: &str) {
        self.text.push_str(text);
        self.comma = true;
    }

    pub(super) fn string(&mut self, value: &str) {
        self.text.push('"');
        let mut rest = value;
        // Nearly no text needs escapes, and looking at all octets at once is faster than stopping at the first.
        let any = value.bytes().fold(false, |found, octet| found | needs_escape(octet));
        while any && let Some(at) = rest.bytes().position(needs_escape) {
            // What needs an escape is one octet.
            let (plain, escaped) = rest.split_at(at);
            let (escaped, after) = escaped.split_at(1);
            self.text.push_str(plain);
            match escaped {
                "\"" => self.text.push_str("\\\""),
                "\\" => self.text.push_str("\\\\"),
                "\n" => self.text.push_str("\\n"),
                "\r" => self.text.push_str("\\r"),
                "\t" => self.text.push_str("\\t"),
                other => other.bytes().for_each(|octet| {
                    let _ = write!(self.text, "\\u{octet:04x}");
                }),
            }
            rest = after;
        }
        self.text.push_str(rest);
        self.text.push('"');
        self.comma = true;
    }

    pub(super) fn text(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            self.name(name);
            self.string(value);
        }
    }

    pub(super) fn texts<'a>(&mut self, name: &str, values: impl IntoIterator<Item = &'a str>) {
        let mut values = values.into_iter().peekable();
        if values.peek().is_some() {
            self.name(name);
            self.open_list();
            for value in values {
                self.item();
                self.string(value);
            }
            self.close_list();
        }
    }

    pub(super) fn flag(&mut self, name: &str, value: bool) {
        if value {
            self.name(name);
            self.raw("true");
        }
    }

    pub(super) fn number(&mut self, name: &str, value: u64) {
        if value != 0 {
            self.name(name);
            self.integer(value);
        }
    }

    pub(super) fn signed(&mut self, name: &str, value: i32) {
        if value != 0 {
            self.name(name);
            self.integer(value);
        }
    }

    /// 64-bit integers are strings.
    pub(super) fn number_as_text<T: Integer + Default + PartialEq>(
        &mut self,
        name: &str,
        value: T,
    ) {
        if value != T::default() {
            self.name(name);
            self.text.push('"');
            self.integer(value);
            self.text.push('"');
        }
    }

    fn integer(&mut self, value: impl Integer) {
        self.text.push_str(itoa::Buffer::new().format(value));
    }

    pub(super) fn float(&mut self, name: &str, value: f32) {
        if value != 0.0 {
            self.name(name);
            self.float_value(value);
        }
    }

    pub(super) fn float_value(&mut self, value: f32) {
        self.finite(f64::from(value), value);
    }

    pub(super) fn double(&mut self, name: &str, value: f64) {
        if value != 0.0 {
            self.name(name);
            self.double_value(value);
        }
    }

    pub(super) fn double_value(&mut self, value: f64) {
        self.finite(value, value);
    }

    /// `shown` is the shortest form of the number.
    fn finite(&mut self, value: f64, shown: impl Display + std::fmt::LowerExp) {
        let size = value.abs();
        if value.is_nan() {
            self.text.push_str("\"NaN\"");
        } else if value.is_infinite() {
            self.text.push_str(if value > 0.0 { "\"Infinity\"" } else { "\"-Infinity\"" });
        } else if size < WHOLE_MAX && value.fract() == 0.0 && !is_negative_zero(value) {
            self.integer(value as i64);
        } else if size != 0.0 && !(1e-6..1e21).contains(&size) {
            let _ = write!(self.text, "{shown:e}");
        } else {
            let _ = write!(self.text, "{shown}");
        }
        self.comma = true;
    }

    pub(super) fn octets(&mut self, name: &str, value: &[u8]) {
        if !value.is_empty() {
            self.name(name);
            self.text.push('"');
            BASE64.encode_append(value, &mut self.text);
            self.text.push('"');
        }
    }

    /// Hexadecimal digits, if there is something to show.
    pub(super) fn hex_of<const N: usize>(&mut self, name: &str, value: Option<[u8; N]>) {
        if let Some(value) = value {
            self.hex(name, &value);
        }
    }

    pub(super) fn hex(&mut self, name: &str, value: &[u8]) {
        self.name(name);
        self.text.push('"');
        data_encoding::HEXUPPER.encode_append(value, &mut self.text);
        self.text.push('"');
    }

    pub(super) fn time(&mut self, name: &str, value: Option<Timestamp>) {
        if let Some(value) = value {
            self.name(name);
            self.text.push('"');
            time(&mut self.text, value);
            self.text.push('"');
        }
    }

    pub(super) fn duration(&mut self, name: &str, value: Duration) {
        if !value.is_zero() {
            self.name(name);
            self.text.push('"');
            self.integer(value.as_secs());
            fraction(&mut self.text, value.subsec_nanos());
            self.text.push_str("s\"");
        }
    }
}

/// RFC 3339 in UTC; the fraction of a second has 0, 3, 6 or 9 digits.
pub(super) fn time(text: &mut String, time: Timestamp) {
    let nanos = time.unix_nanos();
    let (seconds, rest) = (nanos.div_euclid(NANOS), nanos.rem_euclid(NANOS));
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    if !(0..=9999).contains(&year) {
        let _ = write!(text, "{year:04}");
    }
    let mut octets = *b"YYYY-MM-DDThh:mm:ss";
    for (at, length, number) in
        [(0, 4, year), (5, 2, month), (8, 2, day), (11, 2, hour), (14, 2, minute), (17, 2, second)]
    {
        digits(octets.iter_mut().skip(at).take(length), number);
    }
    let known = if (0..=9999).contains(&year) { &octets[..] } else { &octets[4..] };
    text.push_str(str::from_utf8(known).unwrap_or_default());
    fraction(text, u32::try_from(rest).unwrap_or_default());
    text.push('Z');
}

fn fraction(text: &mut String, nanos: u32) {
    if nanos == 0 {
        return;
    }
    let mut octets = *b".nnnnnnnnn";
    digits(octets.iter_mut().skip(1), nanos.into());
    let length = match nanos {
        _ if nanos.is_multiple_of(1_000_000) => 4,
        _ if nanos.is_multiple_of(1000) => 7,
        _ => 10,
    };
    text.push_str(str::from_utf8(&octets[..length]).unwrap_or_default());
}

/// Writes the last digits of a number that is not negative, zeros before it included.
fn digits<'a>(places: impl DoubleEndedIterator<Item = &'a mut u8>, mut number: i64) {
    for octet in places.rev() {
        *octet = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

const fn needs_escape(octet: u8) -> bool {
    octet < 0x20 || octet == b'"' || octet == b'\\'
}

fn is_negative_zero(value: f64) -> bool {
    value == 0.0 && value.is_sign_negative()
}

/// The Gregorian date of a day since 1970: counted in eras of 400 years that begin in March.
const fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

const NANOS: i64 = 1_000_000_000;
/// Below it, whole numbers are written as such.
const WHOLE_MAX: f64 = 1e9;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_as_many_digits_as_they_need() {
        let cases = [
            (0, "1970-01-01T00:00:00Z"),
            (1_795_000_000_123_456_789, "2026-11-18T11:06:40.123456789Z"),
            (951_782_400_500_000_000, "2000-02-29T00:00:00.500Z"),
            (-1_000, "1969-12-31T23:59:59.999999Z"),
        ];
        for (nanos, expected) in cases {
            let mut text = String::new();
            time(&mut text, Timestamp::from_unix_nanos(nanos));
            assert_eq!(text, expected);
        }
    }

    #[test]
    fn strings_are_escaped() {
        let mut w = Writer::new();
        w.string("a\"b\\c\n\u{1}é");
        assert_eq!(String::from_utf8(w.finish()).unwrap(), r#""a\"b\\c\n\u0001é""#);
    }
}

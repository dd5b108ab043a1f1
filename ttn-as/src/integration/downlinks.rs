//! `ApplicationDownlinks` as JSON: what applications publish over MQTT and webhooks.
//!
//! The reference reads these with plain protobuf JSON, other places with its own; this reader takes both: names in
//! snake_case or lowerCamelCase, enums by name or number, base64 of either alphabet with or without padding.

use std::sync::Arc;

use serde_json::{Map, Value};
use ttn_core::{
    key::SessionKeyId,
    msg::{CORRELATION_ID_LENGTH_MAX, ClassBC, ClassBCGateway, TxPriority},
    time::Timestamp,
};

use crate::{DownlinkItem, downlink::DOWNLINKS_MAX};

/// Octets that are no list of downlinks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseDownlinksError {
    /// A member has a wrong value.
    #[error("{path} is wrong: {expected} expected")]
    Field {
        /// Where.
        path: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// It is no JSON.
    #[error("this is no JSON object such as {{\"downlinks\":[…]}}")]
    Json,
    /// There are too many.
    #[error("{0} downlinks in one message; at most {DOWNLINKS_MAX}")]
    TooMany(usize),
}

/// The names of priorities in the order of their numbers.
const PRIORITIES: [TxPriority; 7] = [
    TxPriority::Lowest,
    TxPriority::Low,
    TxPriority::BelowNormal,
    TxPriority::Normal,
    TxPriority::AboveNormal,
    TxPriority::High,
    TxPriority::Highest,
];
/// How many gateways a downlink of class B or C may name.
const GATEWAYS_MAX: usize = 64;

/// Reads `{"downlinks":[…]}`.
///
/// # Errors
///
/// It is no JSON, or a member is wrong.
pub fn parse_downlinks(octets: &[u8]) -> Result<Vec<DownlinkItem>, ParseDownlinksError> {
    let value: Value = serde_json::from_slice(octets).map_err(|_| ParseDownlinksError::Json)?;
    let object = value.as_object().ok_or(ParseDownlinksError::Json)?;
    let list = match member(object, "downlinks", "downlinks") {
        None => return Ok(Vec::new()),
        Some(list) => list.as_array().ok_or_else(|| wrong("downlinks", "a list"))?,
    };
    if list.len() > DOWNLINKS_MAX {
        return Err(ParseDownlinksError::TooMany(list.len()));
    }
    list.iter().map(downlink).collect()
}

fn downlink(value: &Value) -> Result<DownlinkItem, ParseDownlinksError> {
    let object = value.as_object().ok_or_else(|| wrong("downlinks", "objects"))?;
    let mut item = DownlinkItem { priority: TxPriority::Lowest, ..DownlinkItem::default() };
    if let Some(value) = member(object, "f_port", "fPort") {
        item.f_port = number(value).ok_or_else(|| wrong("f_port", "1 to 223"))?;
    }
    if let Some(value) = member(object, "frm_payload", "frmPayload") {
        let octets = value.as_str().and_then(base64);
        item.frm_payload = octets.ok_or_else(|| wrong("frm_payload", "base64"))?;
    }
    if let Some(value) = member(object, "decoded_payload", "decodedPayload") {
        let payload = value.as_object().ok_or_else(|| wrong("decoded_payload", "an object"))?;
        item.decoded_payload = Some(payload.clone());
    }
    if let Some(value) = member(object, "confirmed", "confirmed") {
        item.confirmed = value.as_bool().ok_or_else(|| wrong("confirmed", "true or false"))?;
    }
    if let Some(value) = member(object, "priority", "priority") {
        item.priority = priority(value).ok_or_else(|| wrong("priority", "LOWEST to HIGHEST"))?;
    }
    if let Some(value) = member(object, "class_b_c", "classBC") {
        item.class_b_c = Some(class_b_c(value)?);
    }
    if let Some(value) = member(object, "correlation_ids", "correlationIds") {
        let wrong = || wrong("correlation_ids", "texts of at most 100 characters");
        for id in value.as_array().ok_or_else(wrong)? {
            let id = id.as_str().filter(|id| id.len() <= CORRELATION_ID_LENGTH_MAX);
            item.correlation_ids.push(Arc::from(id.ok_or_else(wrong)?));
        }
    }
    if let Some(value) = member(object, "confirmed_retry", "confirmedRetry") {
        let wrong = || wrong("confirmed_retry.max_attempts", "a number");
        let max = member(value.as_object().ok_or_else(wrong)?, "max_attempts", "maxAttempts");
        item.retries_max = max.map(|max| number(max).ok_or_else(wrong)).transpose()?;
    }
    if let Some(value) = member(object, "session_key_id", "sessionKeyId") {
        let id = value.as_str().and_then(base64).and_then(|id| SessionKeyId::new(&id));
        let id = id.ok_or_else(|| wrong("session_key_id", "base64"))?;
        item.session_key_id = Some(id).filter(|id| !id.as_bytes().is_empty());
    }
    if let Some(value) = member(object, "f_cnt", "fCnt") {
        item.f_cnt = number(value).ok_or_else(|| wrong("f_cnt", "a number"))?;
    }
    Ok(item)
}

fn class_b_c(value: &Value) -> Result<ClassBC, ParseDownlinksError> {
    let object = value.as_object().ok_or_else(|| wrong("class_b_c", "an object"))?;
    let mut class_b_c = ClassBC { gateways: Vec::new(), absolute_time: None };
    if let Some(value) = member(object, "gateways", "gateways") {
        let list = value.as_array().filter(|list| list.len() <= GATEWAYS_MAX);
        for gateway in list.ok_or_else(|| wrong("class_b_c.gateways", "a list"))? {
            let gateway = antenna(gateway);
            let expected = "objects with gateway_ids.gateway_id, antenna_index and group_index";
            class_b_c.gateways.push(gateway.ok_or_else(|| wrong("class_b_c.gateways", expected))?);
        }
    }
    if let Some(value) = member(object, "absolute_time", "absoluteTime") {
        let time = value.as_str().and_then(parse_time);
        let time = time.ok_or_else(|| wrong("class_b_c.absolute_time", "an RFC 3339 time"))?;
        class_b_c.absolute_time = Some(time);
    }
    Ok(class_b_c)
}

fn antenna(value: &Value) -> Option<ClassBCGateway> {
    let object = value.as_object()?;
    let ids = member(object, "gateway_ids", "gatewayIds")?.as_object()?;
    let index = |snake, camel| member(object, snake, camel).map_or(Some(0), number);
    Some(ClassBCGateway {
        gateway_id: member(ids, "gateway_id", "gatewayId")?.as_str()?.parse().ok()?,
        antenna_index: index("antenna_index", "antennaIndex")?,
        group_index: index("group_index", "groupIndex")?,
    })
}

/// A member by either of its names; `null` is as good as none.
fn member<'a>(object: &'a Map<String, Value>, snake: &str, camel: &str) -> Option<&'a Value> {
    object.get(snake).or_else(|| object.get(camel)).filter(|value| !value.is_null())
}

const fn wrong(path: &'static str, expected: &'static str) -> ParseDownlinksError {
    ParseDownlinksError::Field { path, expected }
}

fn number(value: &Value) -> Option<u32> {
    let number = match value {
        Value::String(text) => text.parse().ok()?,
        _ => value.as_u64()?,
    };
    u32::try_from(number).ok()
}

fn priority(value: &Value) -> Option<TxPriority> {
    if let Some(index) = number(value) {
        return PRIORITIES.get(usize::try_from(index).ok()?).copied();
    }
    let name = value.as_str()?;
    PRIORITIES.into_iter().find(|priority| crate::json::priority_name(*priority) == name)
}

fn base64(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_end_matches('=').replace('-', "+").replace('_', "/");
    data_encoding::BASE64_NOPAD.decode(text.as_bytes()).ok()
}

/// RFC 3339 with any offset.
fn parse_time(text: &str) -> Option<Timestamp> {
    let number = |range: std::ops::Range<usize>| -> Option<i64> { text.get(range)?.parse().ok() };
    let is = |at: usize, wanted: &[u8]| text.as_bytes().get(at).is_some_and(|b| wanted.contains(b));
    if !(is(4, b"-") && is(7, b"-") && is(10, b"Tt ") && is(13, b":") && is(16, b":")) {
        return None;
    }
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    let in_range = (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && (0..24).contains(&hour)
        && (0..60).contains(&minute)
        && (0..=60).contains(&second);
    if !in_range {
        return None;
    }
    let mut rest = text.get(19..)?;
    let mut nanos = 0;
    if let Some(fraction) = rest.strip_prefix('.') {
        let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
        let kept = fraction.get(..digits.min(9)).filter(|kept| !kept.is_empty())?;
        nanos = kept.parse::<i64>().ok()? * 10_i64.pow(9 - u32::try_from(kept.len()).ok()?);
        rest = fraction.get(digits..)?;
    }
    let offset = match rest {
        "Z" | "z" => 0,
        _ => {
            let sign = if rest.starts_with('-') { -1 } else { 1 };
            let (hours, minutes) = rest.get(1..)?.split_once(':')?;
            sign * (hours.parse::<i64>().ok()? * 3600 + minutes.parse::<i64>().ok()? * 60)
        }
    };
    let seconds = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset;
    Some(Timestamp::from_unix_nanos(seconds.checked_mul(1_000_000_000)?.checked_add(nanos)?))
}

/// Days since 1970 of a Gregorian date: counted in eras of 400 years that begin in March.
const fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    // AS-34
    #[test]
    fn reads_both_spellings_and_both_alphabets() {
        let text = br#"{"downlinks":[
            {"f_port":1,"frm_payload":"-_8=","priority":"HIGH","confirmed":true,"correlation_ids":["a"],
             "class_b_c":{"gateways":[{"gateway_ids":{"gateway_id":"gtw-1"},"antenna_index":1}],
                          "absolute_time":"2026-11-18T11:06:40.5Z"}},
            {"fPort":"2","frmPayload":"+/8","priority":6,"decodedPayload":null,"unknown":1},
            {"f_port":3,"decoded_payload":{"value_1":2.5}}]}"#;
        let items = parse_downlinks(text).unwrap();
        assert_eq!(items[0].frm_payload, [0xFB, 0xFF]);
        assert_eq!(items[0].priority, TxPriority::High);
        let time = items[0].class_b_c.as_ref().unwrap().absolute_time.unwrap();
        assert_eq!(crate::json::format_time(time), "2026-11-18T11:06:40.500Z");
        assert_eq!((items[1].f_port, items[1].priority), (2, TxPriority::Highest));
        assert_eq!(items[1].frm_payload, [0xFB, 0xFF]);
        assert!(items[2].decoded_payload.is_some());
    }

    #[test]
    fn names_the_member_that_is_wrong() {
        assert_eq!(parse_downlinks(b"["), Err(ParseDownlinksError::Json));
        let error = parse_downlinks(br#"{"downlinks":[{"frm_payload":"%"}]}"#).unwrap_err();
        assert!(matches!(error, ParseDownlinksError::Field { path: "frm_payload", .. }));
        assert!(parse_downlinks(br#"{"downlinks":[{"priority":"URGENT"}]}"#).is_err());
        assert_eq!(parse_downlinks(b"{}"), Ok(vec![]));
    }
}

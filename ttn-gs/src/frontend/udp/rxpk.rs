//! `rxpk`: a frame as the forwarders write it (GS-24).
#![cfg_attr(not(test), warn(clippy::indexing_slicing, clippy::arithmetic_side_effects))]

use std::{borrow::Cow, fmt, marker::PhantomData};

use data_encoding::{BASE64, BASE64_NOPAD};
use serde::{
    Deserialize, Deserializer,
    de::{self, Unexpected, Visitor},
};
use ttn_core::{
    radio::{CodingRate, DataRate, Frequency},
    time::{GpsTime, Timestamp},
};

use crate::{
    count::Reason,
    frontend::{RawUplink, Reception},
};

/// Why an entry was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RxpkReject {
    /// `codr` is no coding rate.
    CodingRate,
    /// `data` is no base64.
    Data,
    /// `datr` is no data rate.
    DataRate,
    /// `freq` is zero.
    FrequencyZero,
    /// `freq` is negative or above 10 GHz.
    FrequencyRange,
    /// A member is missing or of the wrong JSON type, such as a number written as a string.
    Json,
    /// `modu` is unknown, or does not fit `datr`.
    Modulation,
    /// `size` differs from the length of `data`.
    SizeMismatch,
    /// `stat` is not -1, 0 or 1.
    Stat,
    /// `time` is no RFC 3339 time.
    Time,
    /// More entries in `rsig` than 16.
    TooManyAntennas,
}

impl Reason for RxpkReject {
    const ALL: &'static [Self] = &[
        Self::CodingRate,
        Self::Data,
        Self::DataRate,
        Self::FrequencyZero,
        Self::FrequencyRange,
        Self::Json,
        Self::Modulation,
        Self::SizeMismatch,
        Self::Stat,
        Self::Time,
        Self::TooManyAntennas,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::CodingRate => "rxpk_coding_rate",
            Self::Data => "rxpk_data",
            Self::DataRate => "rxpk_data_rate",
            Self::FrequencyZero => "rxpk_frequency_zero",
            Self::FrequencyRange => "rxpk_frequency_range",
            Self::Json => "rxpk_json",
            Self::Modulation => "rxpk_modulation",
            Self::SizeMismatch => "rxpk_size_mismatch",
            Self::Stat => "rxpk_stat",
            Self::Time => "rxpk_time",
            Self::TooManyAntennas => "rxpk_too_many_antennas",
        }
    }
}

impl fmt::Display for RxpkReject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl std::error::Error for RxpkReject {}

/// Decodes one entry. Members that it does not know are skipped.
///
/// # Errors
///
/// The first rule that the entry breaks.
pub fn decode(json: &str) -> Result<RawUplink, RxpkReject> {
    take(&serde_json::from_str(json).map_err(|_| RxpkReject::Json)?)
}

/// Takes over what was parsed.
pub(super) fn take(rxpk: &Rxpk<'_>) -> Result<RawUplink, RxpkReject> {
    let raw_payload = decode_base64(&rxpk.data).ok_or(RxpkReject::Data)?;
    if rxpk.size.is_some_and(|size| usize::try_from(size) != Ok(raw_payload.len())) {
        return Err(RxpkReject::SizeMismatch);
    }
    let crc_status = match rxpk.stat.unwrap_or_default() {
        -1 => Some(false),
        0 => None,
        1 => Some(true),
        _ => return Err(RxpkReject::Stat),
    };
    let gps_time = rxpk.tmms.map(gps_millis).map(GpsTime::to_utc);
    let time = match (&rxpk.time, gps_time) {
        (_, Some(gps)) => Some(gps),
        (Some(text), None) => Some(parse_time(text).ok_or(RxpkReject::Time)?),
        (None, None) => None,
    };
    Ok(RawUplink {
        frequency: frequency(rxpk.freq)?,
        data_rate: data_rate(rxpk)?,
        timestamp: rxpk.tmst,
        concentrator_time: None,
        crc_status,
        time,
        gps_time,
        hopping_width: rxpk.hpw,
        antennas: antennas(rxpk)?,
        raw_payload,
    })
}

/// Parses `datr`: `SF7BW125` or `M0CW137`, without coding rate.
#[must_use]
pub fn parse_data_rate(text: &str) -> Option<DataRate> {
    if let Some(rest) = text.strip_prefix("SF") {
        let (factor, bandwidth) = rest.split_once("BW")?;
        let spreading_factor = number(factor).and_then(|factor| u8::try_from(factor).ok())?;
        let bandwidth = kilohertz(bandwidth)?;
        return (5..=12)
            .contains(&spreading_factor)
            .then(|| DataRate::lora(spreading_factor, bandwidth));
    }
    let (modulation, width) = text.strip_prefix('M')?.split_once("CW")?;
    Some(DataRate::LrFhss {
        modulation_type: number(modulation)?,
        operating_channel_width: kilohertz(width)?,
        coding_rate: CodingRate::R1_3,
    })
}

fn data_rate(rxpk: &Rxpk<'_>) -> Result<DataRate, RxpkReject> {
    let codr = match rxpk.codr.as_deref() {
        None | Some("" | "OFF") => None,
        Some(text) => Some(text.parse::<CodingRate>().map_err(|_| RxpkReject::CodingRate)?),
    };
    let rate = match &rxpk.datr {
        Datr::BitRate(0) => return Err(RxpkReject::DataRate),
        Datr::BitRate(bit_rate) => DataRate::Fsk { bit_rate: *bit_rate },
        Datr::Text(text) => parse_data_rate(text).ok_or(RxpkReject::DataRate)?,
    };
    let (modulation, rate) = match rate {
        DataRate::Lora { spreading_factor, bandwidth, .. } => {
            let coding_rate = codr.unwrap_or(CodingRate::R4_5);
            ("LORA", DataRate::Lora { spreading_factor, bandwidth, coding_rate })
        }
        DataRate::LrFhss { modulation_type, operating_channel_width, .. } => {
            let coding_rate = lr_fhss_coding_rate(codr)?;
            ("LR-FHSS", DataRate::LrFhss { modulation_type, operating_channel_width, coding_rate })
        }
        other => ("FSK", other),
    };
    if rxpk.modu.as_deref().is_some_and(|modu| modu != modulation) {
        return Err(RxpkReject::Modulation);
    }
    Ok(rate)
}

/// The forwarders do not reduce the fraction; no rate at all is the robust one of LoRaWAN.
const fn lr_fhss_coding_rate(codr: Option<CodingRate>) -> Result<CodingRate, RxpkReject> {
    match codr {
        None | Some(CodingRate::R1_3) => Ok(CodingRate::R1_3),
        Some(CodingRate::R1_2 | CodingRate::R4_8) => Ok(CodingRate::R1_2),
        Some(CodingRate::R2_3 | CodingRate::R4_6) => Ok(CodingRate::R2_3),
        Some(_) => Err(RxpkReject::CodingRate),
    }
}

fn antennas(rxpk: &Rxpk<'_>) -> Result<Vec<Reception>, RxpkReject> {
    let signals = rxpk.rsig.as_deref().unwrap_or_default();
    if signals.len() > ANTENNAS_MAX {
        return Err(RxpkReject::TooManyAntennas);
    }
    if signals.is_empty() {
        return Ok(vec![Reception {
            antenna_index: 0,
            channel_index: rxpk.chan.unwrap_or_default(),
            rssi: rxpk.rssi.unwrap_or_default(),
            channel_rssi: rxpk.rssi.unwrap_or_default(),
            signal_rssi: rxpk.rssis,
            rssi_standard_deviation: None,
            snr: rxpk.lsnr.unwrap_or_default(),
            frequency_offset: hertz(rxpk.foff),
            frequency_drift: None,
            fine_timestamp: rxpk.ftime,
            encrypted_fine_timestamp: None,
            encrypted_fine_timestamp_key_id: None,
        }]);
    }
    let key_id = rxpk.aesk.map(|key| key.to_string());
    Ok(signals.iter().map(|signal| reception(signal, key_id.as_ref())).collect())
}

fn reception(signal: &Rsig<'_>, key_id: Option<&String>) -> Reception {
    let encrypted = signal.etime.as_deref().filter(|text| !text.is_empty()).and_then(decode_base64);
    Reception {
        antenna_index: signal.ant.unwrap_or_default(),
        channel_index: signal.chan.unwrap_or_default(),
        rssi: signal.rssic.unwrap_or_default(),
        channel_rssi: signal.rssic.unwrap_or_default(),
        signal_rssi: signal.rssis,
        rssi_standard_deviation: Some(signal.rssisd.unwrap_or_default()),
        snr: signal.lsnr.unwrap_or_default(),
        frequency_offset: hertz(signal.foff),
        frequency_drift: signal.fdri.map(|drift| hertz(Some(drift))),
        fine_timestamp: signal.ftime,
        encrypted_fine_timestamp_key_id: encrypted.as_ref().and(key_id).cloned(),
        encrypted_fine_timestamp: encrypted,
    }
}

fn frequency(megahertz: f64) -> Result<Frequency, RxpkReject> {
    if megahertz == 0.0 {
        return Err(RxpkReject::FrequencyZero);
    }
    if !(0.0..=FREQUENCY_MAX_MHZ).contains(&megahertz) {
        return Err(RxpkReject::FrequencyRange);
    }
    let hz = (megahertz * 1e6).round() as u64;
    if hz == 0 { Err(RxpkReject::FrequencyZero) } else { Ok(Frequency::from_hz(hz)) }
}

/// Digits only: no sign, no space.
fn number(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

/// Kilohertz with at most three decimals, as hertz; not zero.
fn kilohertz(text: &str) -> Option<u32> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    if decimals.len() > 3 || text.ends_with('.') {
        return None;
    }
    let thousandths = if decimals.is_empty() { 0 } else { number(&format!("{decimals:0<3}"))? };
    let hz = number(whole)?.checked_mul(1000)?.checked_add(thousandths)?;
    (hz > 0).then_some(hz)
}

const fn hertz(offset: Option<f64>) -> i64 {
    // Saturates; the forwarders write whole numbers.
    match offset {
        Some(offset) => offset as i64,
        None => 0,
    }
}

fn gps_millis(millis: u64) -> GpsTime {
    let nanos = i64::try_from(millis).unwrap_or(i64::MAX).saturating_mul(1_000_000);
    GpsTime::from_nanos(nanos.min(GPS_NANOS_MAX))
}

fn parse_time(text: &str) -> Option<Timestamp> {
    let time: jiff::Timestamp = text.parse().ok()?;
    Some(Timestamp::from_unix_nanos(i64::try_from(time.as_nanosecond()).ok()?))
}

/// Base64 with or without padding.
fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let encoding = if text.ends_with('=') { BASE64 } else { BASE64_NOPAD };
    encoding.decode(text.as_bytes()).ok()
}

/// An entry as it is written.
#[derive(Deserialize)]
pub(super) struct Rxpk<'a> {
    tmst: u32,
    tmms: Option<u64>,
    #[serde(borrow)]
    time: Option<Cow<'a, str>>,
    ftime: Option<u64>,
    freq: f64,
    chan: Option<u32>,
    stat: Option<i64>,
    #[serde(borrow)]
    modu: Option<Cow<'a, str>>,
    #[serde(borrow)]
    datr: Datr<'a>,
    #[serde(borrow)]
    codr: Option<Cow<'a, str>>,
    hpw: Option<u32>,
    rssi: Option<f32>,
    rssis: Option<f32>,
    lsnr: Option<f32>,
    foff: Option<f64>,
    size: Option<u64>,
    #[serde(borrow)]
    data: Cow<'a, str>,
    aesk: Option<u32>,
    #[serde(borrow)]
    rsig: Option<Vec<Rsig<'a>>>,
}

enum Datr<'a> {
    BitRate(u32),
    Text(Cow<'a, str>),
}

impl<'de: 'a, 'a> Deserialize<'de> for Datr<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DatrVisitor(PhantomData))
    }
}

struct DatrVisitor<'a>(PhantomData<&'a ()>);

impl<'de: 'a, 'a> Visitor<'de> for DatrVisitor<'a> {
    type Value = Datr<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a data rate or a bit rate")
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Self::Value, E> {
        let bit_rate = u32::try_from(value);
        bit_rate
            .map(Datr::BitRate)
            .map_err(|_| E::invalid_value(Unexpected::Unsigned(value), &self))
    }

    fn visit_borrowed_str<E: de::Error>(self, value: &'de str) -> Result<Self::Value, E> {
        Ok(Datr::Text(value.into()))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Datr::Text(value.to_owned().into()))
    }
}

#[derive(Deserialize)]
struct Rsig<'a> {
    ant: Option<u32>,
    chan: Option<u32>,
    rssic: Option<f32>,
    rssis: Option<f32>,
    rssisd: Option<f32>,
    lsnr: Option<f32>,
    #[serde(borrow)]
    etime: Option<Cow<'a, str>>,
    ftime: Option<u64>,
    foff: Option<f64>,
    fdri: Option<f64>,
}

/// How many antennas an entry may name.
const ANTENNAS_MAX: usize = 16;
const FREQUENCY_MAX_MHZ: f64 = 10_000.0;
/// A hundred years of GPS: later times are nonsense and would overflow the leap second table's sums.
const GPS_NANOS_MAX: i64 = 100 * 366 * 86_400 * 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn with(member: &str) -> Result<RawUplink, RxpkReject> {
        decode(&format!(
            r#"{{"tmst":1,"freq":868.1,"datr":"SF7BW125","size":1,"data":"AA=="{member}}}"#
        ))
    }

    // What the SX1302 forwarder writes besides the known members.
    #[test]
    fn skips_members_it_does_not_know() {
        let uplink = with(r#","jver":1,"mid":8,"rssis":-92,"foff":-12,"time":null"#).unwrap();
        assert_eq!(uplink.antennas[0].signal_rssi, Some(-92.0));
        assert_eq!(uplink.antennas[0].frequency_offset, -12);
        assert_eq!(uplink.time, None);
    }

    #[test]
    fn names_what_is_wrong() {
        for (member, reject) in [
            (r#","stat":2"#, RxpkReject::Stat),
            (r#","modu":"FSK""#, RxpkReject::Modulation),
            (r#","codr":"5/4""#, RxpkReject::CodingRate),
            (r#","time":"yesterday""#, RxpkReject::Time),
            (r#","rssi":"-3""#, RxpkReject::Json),
            (r#","tmst":2"#, RxpkReject::Json),
        ] {
            assert_eq!(with(member), Err(reject), "{member}");
        }
    }

    #[test]
    fn frequencies_are_rounded_to_the_nearest_hertz() {
        let text = r#"{"tmst":1,"freq":868.099975,"datr":"SF7BW125","data":""}"#;
        assert_eq!(decode(text).unwrap().frequency.hz(), 868_099_975);
        let text = r#"{"tmst":1,"freq":-1,"datr":"SF7BW125","data":""}"#;
        assert_eq!(decode(text), Err(RxpkReject::FrequencyRange));
        let text = r#"{"tmst":1,"freq":1e-9,"datr":"SF7BW125","data":""}"#;
        assert_eq!(decode(text), Err(RxpkReject::FrequencyZero));
    }

    #[test]
    fn an_absurd_gps_time_does_not_overflow() {
        assert!(with(r#","tmms":18446744073709551615"#).is_ok());
    }
}

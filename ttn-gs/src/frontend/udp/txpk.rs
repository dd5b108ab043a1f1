//! `txpk`: a transmission as the forwarders read it (GS-26), and `txpk_ack`, their report (GS-23).
#![cfg_attr(not(test), warn(clippy::indexing_slicing, clippy::arithmetic_side_effects))]

use std::borrow::Cow;

use data_encoding::BASE64;
use serde::{Deserialize, Serialize};
use ttn_core::{
    msg::TxResult,
    radio::DataRate,
    time::{GpsTime, Timestamp},
};

use super::{
    codec::{Header, trim},
    reject::Reject,
};
use crate::frontend::{GatewayDown, TxStart};

/// What a forwarder is to send. All numbers are JSON numbers: its parser takes no others.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "complete by definition")]
pub struct TxFrame<'a> {
    /// The PHYPayload.
    pub raw_payload: &'a [u8],
    /// The frequency in hertz.
    pub frequency_hz: u64,
    /// The modulation.
    pub data_rate: DataRate,
    /// EIRP in dBm.
    pub tx_power: f32,
    /// Whether the polarisation is inverted, as LoRa downlinks are.
    pub invert_polarization: bool,
    /// Whether a CRC follows the frame.
    pub enable_crc: bool,
    /// When.
    pub at: TxTime,
}

/// When a forwarder is to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum TxTime {
    /// At a value of the concentrator's counter.
    Counter(u32),
    /// At once.
    Immediate,
    /// At a time of GPS, given as UTC.
    Time(Timestamp),
}

/// LR-FHSS, which no gateway can send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no gateway can send LR-FHSS")]
#[non_exhaustive]
pub struct NoLrFhssDownlink;

/// Writes PULL_RESP.
///
/// # Errors
///
/// The data rate is LR-FHSS.
pub fn encode_pull_resp(header: Header, down: &GatewayDown) -> Result<Vec<u8>, NoLrFhssDownlink> {
    let at = match down.start {
        TxStart::Absolute(time) => TxTime::Time(time),
        TxStart::Concentrator(time) => TxTime::Counter(time.counter()),
        TxStart::Immediate => TxTime::Immediate,
    };
    let json = encode(&TxFrame {
        raw_payload: &down.phy,
        frequency_hz: down.frequency.hz(),
        data_rate: down.data_rate,
        tx_power: down.tx_power,
        invert_polarization: matches!(down.data_rate, DataRate::Lora { .. }),
        enable_crc: false,
        at,
    })?;
    let mut datagram = header.encode().to_vec();
    datagram.extend_from_slice(json.as_bytes());
    Ok(datagram)
}

/// Writes the JSON `{"txpk":{…}}`.
///
/// # Errors
///
/// The data rate is LR-FHSS.
pub fn encode(frame: &TxFrame<'_>) -> Result<String, NoLrFhssDownlink> {
    let is_lora = matches!(frame.data_rate, DataRate::Lora { .. });
    let (modu, codr, fdev) = match frame.data_rate {
        DataRate::Fsk { bit_rate } => ("FSK", None, Some(bit_rate / 2)),
        DataRate::Lora { coding_rate, .. } => ("LORA", Some(coding_rate.as_str()), None),
        _ => return Err(NoLrFhssDownlink),
    };
    let datr = match frame.data_rate {
        DataRate::Fsk { bit_rate } => Datr::BitRate(bit_rate),
        other => Datr::Text(other.to_string()),
    };
    let (imme, tmst, tmms) = match frame.at {
        TxTime::Counter(counter) => (false, Some(counter), None),
        TxTime::Immediate => (true, None, None),
        TxTime::Time(time) => (false, None, Some(GpsTime::from_utc(time).nanos() / 1_000_000)),
    };
    let txpk = Txpk {
        imme,
        tmst,
        tmms,
        freq: frame.frequency_hz as f64 / 1e6,
        rfch: 0,
        powe: erp(frame.tx_power),
        modu,
        datr,
        codr,
        fdev,
        ipol: frame.invert_polarization,
        size: frame.raw_payload.len(),
        ncrc: (is_lora && !frame.enable_crc).then_some(true),
        data: BASE64.encode(frame.raw_payload),
    };
    Ok(serde_json::to_string(&PullResp { txpk }).unwrap_or_default())
}

/// Reads the body of TX_ACK; forwarders that accepted the transmission send none.
///
/// # Errors
///
/// The text is no JSON object of the wanted form.
pub fn decode_tx_ack(json: &[u8]) -> Result<TxResult, Reject> {
    let json = trim(json);
    if json.is_empty() {
        return Ok(TxResult::Success);
    }
    let body: TxAckJson<'_> =
        serde_json::from_slice(json).map_err(|error| Reject::of_json(&error))?;
    let Some(error) = body.txpk_ack.and_then(|ack| ack.error) else {
        return Ok(TxResult::Success);
    };
    Ok(match &*error {
        "NONE" => TxResult::Success,
        "TOO_LATE" => TxResult::TooLate,
        "TOO_EARLY" => TxResult::TooEarly,
        "COLLISION_PACKET" => TxResult::CollisionPacket,
        "COLLISION_BEACON" => TxResult::CollisionBeacon,
        "TX_FREQ" => TxResult::TxFreq,
        "TX_POWER" => TxResult::TxPower,
        "GPS_UNLOCKED" => TxResult::GpsUnlocked,
        _ => TxResult::UnknownError,
    })
}

/// Whole dBm of radiated power of a dipole, 2.15 dB below EIRP, rounded down.
fn erp(eirp: f32) -> i32 {
    // In hundredths, because 16.15 - 2.15 is a little less than 14 in floating point.
    let hundredths = (f64::from(eirp) * 100.0).round() as i32;
    hundredths.saturating_sub(215).div_euclid(100)
}

#[derive(Serialize)]
struct PullResp {
    txpk: Txpk,
}

#[derive(Serialize)]
struct Txpk {
    imme: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    tmst: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tmms: Option<i64>,
    freq: f64,
    rfch: u8,
    powe: i32,
    modu: &'static str,
    datr: Datr,
    #[serde(skip_serializing_if = "Option::is_none")]
    codr: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fdev: Option<u32>,
    ipol: bool,
    size: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    ncrc: Option<bool>,
    data: String,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Datr {
    BitRate(u32),
    Text(String),
}

#[derive(Deserialize)]
struct TxAckJson<'a> {
    #[serde(borrow)]
    txpk_ack: Option<TxpkAck<'a>>,
}

#[derive(Deserialize)]
struct TxpkAck<'a> {
    #[serde(borrow)]
    error: Option<Cow<'a, str>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    // What both Semtech forwarders send for an accepted downlink: no JSON at all.
    #[test]
    fn an_empty_tx_ack_is_success() {
        assert_eq!(decode_tx_ack(b""), Ok(TxResult::Success));
        assert_eq!(decode_tx_ack(b"{}"), Ok(TxResult::Success));
        assert_eq!(decode_tx_ack(b"{\"txpk_ack\":{\"warn\":\"TX_POWER\"}}"), Ok(TxResult::Success));
        assert_eq!(decode_tx_ack(b"{\"txpk_ack\":{\"error\":1}}"), Err(Reject::JsonForm));
    }

    #[test]
    fn power_is_rounded_down_exactly() {
        assert_eq!([16.15, 27.0, 14.0, 2.0].map(erp), [14, 24, 11, -1]);
    }
}

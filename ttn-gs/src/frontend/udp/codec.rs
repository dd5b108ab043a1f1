//! Datagrams of the Semtech UDP protocol, versions 1 and 2 (GS-13): octets to values and back, nothing else.
#![cfg_attr(not(test), warn(clippy::indexing_slicing, clippy::arithmetic_side_effects))]

use serde_json::value::RawValue;
use ttn_core::{eui::GatewayEui, msg::TxResult};

use super::{
    reject::Reject,
    rxpk::{self, Rxpk, RxpkReject},
    stat, txpk,
};
use crate::frontend::{GatewayStatus, RawUplink};

/// The version of the protocol that a gateway speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum Version {
    /// Version 1.
    V1,
    /// Version 2.
    V2,
}

/// The type of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum PacketType {
    /// The gateway received frames.
    PushData,
    /// The server received PUSH_DATA.
    PushAck,
    /// The gateway keeps its downlink path open.
    PullData,
    /// The server wants a frame sent.
    PullResp,
    /// The server received PULL_DATA.
    PullAck,
    /// The gateway reports on PULL_RESP.
    TxAck,
}

/// What every datagram begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "complete by definition")]
pub struct Header {
    /// The version.
    pub version: Version,
    /// Ties an answer to its question.
    pub token: u16,
    /// The type.
    pub packet_type: PacketType,
}

/// A datagram of either side, its JSON not yet looked into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "complete by definition")]
pub struct Datagram<'a> {
    /// The first four octets.
    pub header: Header,
    /// The gateway, in the types that gateways send.
    pub gateway_eui: Option<GatewayEui>,
    /// The JSON text, in the types that have some; empty elsewhere.
    pub json: &'a [u8],
}

/// A datagram of a gateway.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "complete by definition")]
pub struct UpDatagram {
    /// The first four octets.
    pub header: Header,
    /// The gateway.
    pub gateway_eui: GatewayEui,
    /// What it says.
    pub body: UpBody,
}

/// What a gateway says.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum UpBody {
    /// Its downlink path is open.
    PullData,
    /// It received frames, or tells how it is.
    PushData(PushData),
    /// How a transmission went.
    TxAck(TxResult),
}

/// The content of PUSH_DATA. Entries that break a rule are left out and their reasons kept.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "complete by definition")]
pub struct PushData {
    /// The frames.
    pub uplinks: Vec<RawUplink>,
    /// How the gateway is.
    pub status: Option<GatewayStatus>,
    /// Why frames were left out.
    pub rejected: Vec<RxpkReject>,
    /// Whether the status was left out, because it breaks a rule.
    pub status_rejected: Option<Reject>,
}

impl Version {
    /// The octet on the wire.
    #[must_use]
    pub const fn octet(self) -> u8 {
        match self {
            Self::V1 => 1,
            Self::V2 => 2,
        }
    }
}

impl PacketType {
    const fn of(octet: u8) -> Option<Self> {
        Some(match octet {
            0 => Self::PushData,
            1 => Self::PushAck,
            2 => Self::PullData,
            3 => Self::PullResp,
            4 => Self::PullAck,
            5 => Self::TxAck,
            _ => return None,
        })
    }

    const fn octet(self) -> u8 {
        match self {
            Self::PushData => 0,
            Self::PushAck => 1,
            Self::PullData => 2,
            Self::PullResp => 3,
            Self::PullAck => 4,
            Self::TxAck => 5,
        }
    }
}

impl Header {
    /// The four octets on the wire.
    #[must_use]
    pub const fn encode(self) -> [u8; HEADER_LENGTH] {
        let [high, low] = self.token.to_be_bytes();
        [self.version.octet(), high, low, self.packet_type.octet()]
    }

    /// The acknowledgement of a datagram; `None` of types that are not acknowledged.
    #[must_use]
    pub fn ack(self) -> Option<Self> {
        let packet_type = match self.packet_type {
            PacketType::PullData => PacketType::PullAck,
            PacketType::PushData => PacketType::PushAck,
            _ => return None,
        };
        Some(Self { packet_type, ..self })
    }
}

/// Splits a datagram of either side into its parts.
///
/// # Errors
///
/// The first rule that the octets break.
pub fn split(octets: &[u8]) -> Result<Datagram<'_>, Reject> {
    let ([version, high, low, packet_type], rest) =
        octets.split_first_chunk::<HEADER_LENGTH>().ok_or(Reject::HeaderTruncated)?;
    let version = match version {
        1 => Version::V1,
        2 => Version::V2,
        _ => return Err(Reject::Version),
    };
    let packet_type = PacketType::of(*packet_type).ok_or(Reject::PacketType)?;
    let token = u16::from_be_bytes([*high, *low]);
    let header = Header { version, token, packet_type };
    let (gateway_eui, rest) = match packet_type {
        PacketType::PushData | PacketType::PullData | PacketType::TxAck => {
            let (eui, rest) = rest.split_first_chunk::<8>().ok_or(Reject::EuiTruncated)?;
            (Some(GatewayEui::from_be_bytes(*eui)), rest)
        }
        _ => (None, rest),
    };
    let json = match packet_type {
        PacketType::PushData | PacketType::PullResp | PacketType::TxAck => rest,
        _ => &[],
    };
    Ok(Datagram { header, gateway_eui, json })
}

/// Decodes a datagram of a gateway.
///
/// # Errors
///
/// The first rule that the datagram as a whole breaks; entries of PUSH_DATA are judged one by one.
pub fn decode_up(octets: &[u8]) -> Result<UpDatagram, Reject> {
    let datagram = split(octets)?;
    // Types that only the server sends have no EUI.
    let gateway_eui = datagram.gateway_eui.ok_or(Reject::PacketType)?;
    let body = match datagram.header.packet_type {
        PacketType::PullData => UpBody::PullData,
        PacketType::PushData => UpBody::PushData(decode_push_data(datagram.json)?),
        PacketType::TxAck => UpBody::TxAck(txpk::decode_tx_ack(datagram.json)?),
        _ => return Err(Reject::PacketType),
    };
    Ok(UpDatagram { header: datagram.header, gateway_eui, body })
}

/// Decodes the JSON of PUSH_DATA; without JSON there is nothing in it.
///
/// # Errors
///
/// The text is no JSON object of the wanted form.
pub fn decode_push_data(json: &[u8]) -> Result<PushData, Reject> {
    let json = trim(json);
    if json.is_empty() {
        return Ok(PushData::default());
    }
    // Nearly always all entries are as they should be. If not, each is parsed by itself, so that the good ones arrive.
    if let Ok(body) = serde_json::from_slice::<PushJson<'_, Rxpk<'_>>>(json) {
        return taken(body, rxpk::take);
    }
    let body: PushJson<'_, &RawValue> =
        serde_json::from_slice(json).map_err(|error| Reject::of_json(&error))?;
    taken(body, |entry| rxpk::decode(entry.get()))
}

fn taken<R>(
    body: PushJson<'_, R>,
    take: impl Fn(&R) -> Result<RawUplink, RxpkReject>,
) -> Result<PushData, Reject> {
    let mut push = PushData::default();
    let entries = body.rxpk.unwrap_or_default();
    if entries.len() > RXPK_MAX {
        return Err(Reject::TooManyRxpk);
    }
    for entry in &entries {
        match take(entry) {
            Ok(uplink) => push.uplinks.push(uplink),
            Err(reject) => push.rejected.push(reject),
        }
    }
    if let Some(text) = body.stat {
        match stat::decode(text.get()) {
            Ok(status) => push.status = Some(status),
            Err(reject) => push.status_rejected = Some(reject),
        }
    }
    Ok(push)
}

/// The text without the spaces and zero octets that some forwarders put behind it.
pub(super) fn trim(json: &[u8]) -> &[u8] {
    let padding = |octet: &u8| *octet == 0 || octet.is_ascii_whitespace();
    let end =
        json.iter().rposition(|octet| !padding(octet)).map_or(0, |last| last.saturating_add(1));
    json.get(..end).unwrap_or_default()
}

#[derive(serde::Deserialize)]
#[serde(bound(deserialize = "R: serde::Deserialize<'de>"))]
struct PushJson<'a, R> {
    rxpk: Option<Vec<R>>,
    #[serde(borrow)]
    stat: Option<&'a RawValue>,
}

/// The length of a header.
pub const HEADER_LENGTH: usize = 4;
/// How many frames a datagram may carry; the forwarders send at most 8.
pub const RXPK_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    // GS-13
    #[test]
    fn refuses_what_only_a_server_sends() {
        assert_eq!(decode_up(&[2, 0, 0, 3]), Err(Reject::PacketType));
        assert_eq!(decode_up(&[2, 0, 0, 1]), Err(Reject::PacketType));
    }

    #[test]
    fn refuses_other_versions_and_types() {
        assert_eq!(split(&[3, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1]), Err(Reject::Version));
        assert_eq!(split(&[2, 0, 0, 6]), Err(Reject::PacketType));
        assert_eq!(split(&[2, 0, 0]), Err(Reject::HeaderTruncated));
        assert_eq!(split(&[2, 0, 0, 2, 1, 2, 3]), Err(Reject::EuiTruncated));
    }

    #[test]
    fn a_bad_entry_does_not_take_the_good_ones_with_it() {
        let json = br#"{"rxpk":[
            {"tmst":1,"freq":868.1,"datr":"SF7BW125","size":1,"data":"AA=="},
            {"tmst":1,"freq":"868.1","datr":"SF7BW125","size":1,"data":"AA=="},
            {"tmst":1,"freq":0,"datr":"SF7BW125","size":1,"data":"AA=="},
            {"tmst":1,"freq":868.1,"datr":"SF7BW125","size":2,"data":"AA=="}]}"#;
        let push = decode_push_data(json).unwrap();
        assert_eq!(push.uplinks.len(), 1);
        assert_eq!(
            push.rejected,
            [RxpkReject::Json, RxpkReject::FrequencyZero, RxpkReject::SizeMismatch]
        );
    }

    #[test]
    fn trailing_zeros_and_newlines_are_no_error() {
        assert_eq!(decode_push_data(b"{}\n\0\0"), Ok(PushData::default()));
        assert_eq!(decode_push_data(b"\0"), Ok(PushData::default()));
    }
}

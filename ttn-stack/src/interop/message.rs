//! Messages of the LoRaWAN Backend Interfaces (TS002): JSON objects whose octets are hexadecimal text.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What every request has, and what those have that are answered here. Its other fields are left alone.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Request {
    pub(super) protocol_version: String,
    #[serde(rename = "SenderID")]
    pub(super) sender_id: String,
    #[serde(rename = "SenderNSID")]
    pub(super) sender_ns_id: Option<String>,
    #[serde(rename = "ReceiverID")]
    pub(super) receiver_id: String,
    #[serde(rename = "TransactionID")]
    pub(super) transaction_id: u32,
    pub(super) message_type: String,
    pub(super) sender_token: Option<String>,
    #[serde(rename = "DevEUI")]
    pub(super) dev_eui: String,
}

/// An answer. Sender and receiver have changed places.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Answer {
    protocol_version: String,
    #[serde(rename = "SenderID")]
    sender_id: String,
    #[serde(rename = "ReceiverID")]
    receiver_id: String,
    #[serde(rename = "ReceiverNSID", skip_serializing_if = "Option::is_none")]
    receiver_ns_id: Option<String>,
    #[serde(rename = "TransactionID")]
    transaction_id: u32,
    message_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    receiver_token: Option<String>,
    result: Outcome,
    /// What a request that succeeded is told.
    #[serde(flatten)]
    pub(super) content: Value,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Outcome {
    result_code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'static str>,
}

/// Why a request has no other answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It breaks the form; with what is wrong.
    Malformed(&'static str),
    /// It could not be answered now, or not at all.
    Other(&'static str),
    /// The version is not spoken here.
    ProtocolVersion,
    /// Nobody registered the device.
    UnknownDevEui,
}

/// The versions that are spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    V1_0,
    V1_1,
}

impl Request {
    /// The version, if the request is well formed for it.
    pub(super) fn version(&self) -> Result<Version, Refusal> {
        match (self.protocol_version.as_str(), &self.sender_ns_id) {
            ("1.0", None) => Ok(Version::V1_0),
            ("1.0", Some(_)) => Err(Refusal::Malformed("SenderNSID is not of version 1.0")),
            ("1.1", Some(_)) => Ok(Version::V1_1),
            ("1.1", None) => Err(Refusal::Malformed("SenderNSID is missing")),
            _ => Err(Refusal::ProtocolVersion),
        }
    }

    /// The answer; `None` if this is no request.
    pub(super) fn answer(&self, result: Result<Value, Refusal>) -> Option<Answer> {
        let kind = self.message_type.strip_suffix("Req")?;
        let (result_code, description) = match result {
            Ok(_) => ("Success", None),
            Err(Refusal::Malformed(what)) if self.protocol_version == "1.0" => {
                ("MalformedRequest", Some(what))
            }
            Err(Refusal::Malformed(what)) => ("MalformedMessage", Some(what)),
            Err(Refusal::Other(what)) => ("Other", Some(what)),
            Err(Refusal::ProtocolVersion) => {
                ("InvalidProtocolVersion", Some("versions 1.0 and 1.1 are spoken here"))
            }
            Err(Refusal::UnknownDevEui) => ("UnknownDevEUI", None),
        };
        Some(Answer {
            protocol_version: self.protocol_version.clone(),
            sender_id: self.receiver_id.clone(),
            receiver_id: self.sender_id.clone(),
            receiver_ns_id: self.sender_ns_id.clone(),
            transaction_id: self.transaction_id,
            message_type: format!("{kind}Ans"),
            receiver_token: self.sender_token.clone(),
            result: Outcome { result_code, description },
            content: result.unwrap_or_else(|_| Value::Object(Default::default())),
        })
    }
}

/// Reads octets as requests have them: hexadecimal digits of either case, with or without `0x`.
pub(super) fn octets<const N: usize>(text: &str) -> Option<[u8; N]> {
    let text = text.strip_prefix("0x").unwrap_or(text);
    data_encoding::HEXUPPER_PERMISSIVE.decode(text.as_bytes()).ok()?.try_into().ok()
}

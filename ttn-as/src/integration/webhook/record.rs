//! A webhook as it is kept.
#![expect(clippy::exhaustive_structs, clippy::exhaustive_enums, reason = "built by other crates")]

use std::{collections::BTreeMap, fmt};

use bytes::Bytes;
use prost::Message as _;
use ttn_core::{
    msg::Up,
    store::{StoreError, StoreErrorKind},
    time::Timestamp,
};

/// The settings of a webhook (AS-37). `Debug` shows no secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct Webhook {
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
    /// The template of the URL that all paths are below.
    pub base_url: String,
    /// Headers of every request.
    pub headers: BTreeMap<String, String>,
    /// What bodies are.
    pub format: Format,
    /// The template that it was made from.
    pub template_id: Option<String>,
    /// What was filled into the template.
    pub template_fields: BTreeMap<String, String>,
    /// The API key that endpoints may send downlinks with.
    pub downlink_api_key: String,
    /// The templates of paths, by the messages that are wanted.
    pub paths: BTreeMap<MessageKind, String>,
    /// The fields that are wanted; all if empty.
    pub field_mask: Vec<String>,
    /// Whether it rests (AS-44).
    pub paused: bool,
}

impl Webhook {
    /// An empty webhook.
    #[must_use]
    pub const fn new(now: Timestamp) -> Self {
        Self {
            created_at: now,
            updated_at: now,
            base_url: String::new(),
            headers: BTreeMap::new(),
            format: Format::Json,
            template_id: None,
            template_fields: BTreeMap::new(),
            downlink_api_key: String::new(),
            paths: BTreeMap::new(),
            field_mask: Vec::new(),
            paused: false,
        }
    }

    /// The webhook as octets.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let paths = self.paths.iter();
        WebhookWire {
            created_at: self.created_at.unix_nanos(),
            updated_at: self.updated_at.unix_nanos(),
            base_url: self.base_url.clone(),
            headers: self.headers.clone(),
            format: self.format as u32,
            template_id: self.template_id.clone(),
            template_fields: self.template_fields.clone(),
            downlink_api_key: self.downlink_api_key.clone(),
            paths: paths.map(|(kind, path)| (*kind as u32, path.clone())).collect(),
            field_mask: self.field_mask.clone(),
            paused: self.paused,
        }
        .encode_to_vec()
        .into()
    }

    /// The webhook of octets. Messages of a kind that this version does not know are left out.
    ///
    /// # Errors
    ///
    /// They are none of a webhook.
    pub fn decode(octets: &[u8]) -> Result<Self, StoreError> {
        let wire = WebhookWire::decode(octets).map_err(|error| {
            StoreError::new(StoreErrorKind::Corrupt, "a stored webhook").caused_by(error)
        })?;
        let paths = wire.paths.into_iter();
        let kind = |number| MessageKind::ALL.into_iter().find(|kind| *kind as u32 == number);
        Ok(Self {
            created_at: Timestamp::from_unix_nanos(wire.created_at),
            updated_at: Timestamp::from_unix_nanos(wire.updated_at),
            base_url: wire.base_url,
            headers: wire.headers,
            format: if wire.format == 0 { Format::Json } else { Format::Protobuf },
            template_id: wire.template_id,
            template_fields: wire.template_fields,
            downlink_api_key: wire.downlink_api_key,
            paths: paths.filter_map(|(number, path)| Some((kind(number)?, path))).collect(),
            field_mask: wire.field_mask,
            paused: wire.paused,
        })
    }
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook")
            .field("base_url", &self.base_url)
            .field("format", &self.format)
            .field("paths", &self.paths)
            .field("paused", &self.paused)
            .finish_non_exhaustive()
    }
}

/// What bodies are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Format {
    /// JSON of the API.
    Json = 0,
    /// Protobuf of the API.
    Protobuf = 1,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 2] = [Self::Json, Self::Protobuf];

    /// The name in the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Protobuf => "protobuf",
        }
    }

    /// The name for people.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Json => "JSON",
            Self::Protobuf => "Protocol Buffers",
        }
    }

    /// The format of a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }

    /// The media type.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Protobuf => "application/octet-stream",
        }
    }
}

/// The kinds of messages that a webhook may want; their numbers are stored and never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u32)]
pub enum MessageKind {
    /// Data from a device.
    UplinkMessage = 0,
    /// The same in normal form.
    UplinkNormalized = 1,
    /// A join.
    JoinAccept = 2,
    /// An acknowledged downlink.
    DownlinkAck = 3,
    /// A downlink without acknowledgement.
    DownlinkNack = 4,
    /// A sent downlink.
    DownlinkSent = 5,
    /// A downlink that will not be sent.
    DownlinkFailed = 6,
    /// A queued downlink.
    DownlinkQueued = 7,
    /// A queue to be encrypted anew.
    DownlinkQueueInvalidated = 8,
    /// A location.
    LocationSolved = 9,
    /// Data of an application package.
    ServiceData = 10,
}

impl MessageKind {
    /// Every kind.
    pub const ALL: [Self; 11] = [
        Self::UplinkMessage,
        Self::UplinkNormalized,
        Self::JoinAccept,
        Self::DownlinkAck,
        Self::DownlinkNack,
        Self::DownlinkSent,
        Self::DownlinkFailed,
        Self::DownlinkQueued,
        Self::DownlinkQueueInvalidated,
        Self::LocationSolved,
        Self::ServiceData,
    ];

    /// The name in the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::UplinkMessage => "uplink_message",
            Self::UplinkNormalized => "uplink_normalized",
            Self::JoinAccept => "join_accept",
            Self::DownlinkAck => "downlink_ack",
            Self::DownlinkNack => "downlink_nack",
            Self::DownlinkSent => "downlink_sent",
            Self::DownlinkFailed => "downlink_failed",
            Self::DownlinkQueued => "downlink_queued",
            Self::DownlinkQueueInvalidated => "downlink_queue_invalidated",
            Self::LocationSolved => "location_solved",
            Self::ServiceData => "service_data",
        }
    }

    /// The kind of a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// What a message is; `None` for kinds that come with their features.
    #[must_use]
    pub const fn of(up: &Up) -> Option<Self> {
        Some(match up {
            Up::DownlinkAck(_) => Self::DownlinkAck,
            Up::DownlinkFailed(..) => Self::DownlinkFailed,
            Up::DownlinkNack(_) => Self::DownlinkNack,
            Up::DownlinkQueued(_) => Self::DownlinkQueued,
            Up::DownlinkQueueInvalidated(_) => Self::DownlinkQueueInvalidated,
            Up::DownlinkSent(_) => Self::DownlinkSent,
            Up::JoinAccept(_) => Self::JoinAccept,
            Up::LocationSolved(_) => Self::LocationSolved,
            Up::ServiceData(_) => Self::ServiceData,
            Up::Uplink(_) => Self::UplinkMessage,
            Up::UplinkNormalized(_) => Self::UplinkNormalized,
            _ => return None,
        })
    }
}

#[derive(Clone, PartialEq, prost::Message)]
struct WebhookWire {
    #[prost(int64, tag = "1")]
    created_at: i64,
    #[prost(int64, tag = "2")]
    updated_at: i64,
    #[prost(string, tag = "3")]
    base_url: String,
    #[prost(btree_map = "string, string", tag = "4")]
    headers: BTreeMap<String, String>,
    #[prost(uint32, tag = "5")]
    format: u32,
    #[prost(string, optional, tag = "6")]
    template_id: Option<String>,
    #[prost(btree_map = "string, string", tag = "7")]
    template_fields: BTreeMap<String, String>,
    #[prost(string, tag = "8")]
    downlink_api_key: String,
    #[prost(btree_map = "uint32, string", tag = "9")]
    paths: BTreeMap<u32, String>,
    #[prost(string, repeated, tag = "10")]
    field_mask: Vec<String>,
    #[prost(bool, tag = "11")]
    paused: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    // AS-37
    #[test]
    fn a_webhook_survives_encoding() {
        let mut webhook = Webhook::new(Timestamp::from_unix_secs(1));
        webhook.updated_at = Timestamp::from_unix_secs(2);
        webhook.base_url = "https://example.com".to_owned();
        webhook.headers.insert("Authorization".to_owned(), "Bearer secret".to_owned());
        webhook.format = Format::Protobuf;
        webhook.template_id = Some("a-template".to_owned());
        webhook.template_fields.insert("field".to_owned(), "value".to_owned());
        webhook.downlink_api_key = "NNSXS.SECRET".to_owned();
        webhook.paths =
            MessageKind::ALL.map(|kind| (kind, kind.name().to_owned())).into_iter().collect();
        webhook.field_mask = vec!["up.uplink_message.f_port".to_owned()];
        webhook.paused = true;
        assert_eq!(Webhook::decode(&webhook.encode()).unwrap(), webhook);
        assert!(Webhook::decode(&[0xFF]).is_err());
        let shown = format!("{webhook:?}");
        assert!(!shown.contains("secret") && !shown.contains("SECRET"), "{shown}");
    }
}

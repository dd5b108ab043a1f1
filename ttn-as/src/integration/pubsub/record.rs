//! The settings of a pub/sub, and how they are stored: the message `ttn.store.v1.PubSub`.
#![expect(clippy::exhaustive_structs, clippy::exhaustive_enums, reason = "built by other crates")]

use std::{collections::BTreeMap, fmt};

use prost::Message as _;
use ttn_core::store::{StoreError, StoreErrorKind};

use super::{MessageKind, ProviderKind, PubSubError, Subscription, topic};
use crate::QueueOperation;

/// A pub/sub of an application. `Debug` shows no passwords and keys.
#[derive(Clone, PartialEq, prost::Message)]
pub struct PubSub {
    /// When it was created, in nanoseconds since 1970.
    #[prost(int64, tag = "1")]
    pub created_at: i64,
    /// When it was changed last.
    #[prost(int64, tag = "2")]
    pub updated_at: i64,
    /// The name of the format of messages, see [`Format`].
    #[prost(string, tag = "3")]
    pub format: String,
    /// What all topics begin with.
    #[prost(string, tag = "4")]
    pub base_topic: String,
    /// The topics of the kinds of messages that have one, by [`MessageKind::name`].
    #[prost(btree_map = "string, string", tag = "5")]
    pub topics: BTreeMap<String, String>,
    /// The broker.
    #[prost(oneof = "Provider", tags = "16, 17")]
    pub provider: Option<Provider>,
}

/// A broker.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum Provider {
    /// NATS (AS-47).
    #[prost(message, tag = "16")]
    Nats(NatsSettings),
    /// MQTT (AS-48).
    #[prost(message, tag = "17")]
    Mqtt(MqttSettings),
}

/// A NATS server.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
pub struct NatsSettings {
    /// Its address, with user and password or token.
    #[prost(string, tag = "1")]
    pub server_url: String,
}

/// An MQTT broker.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
pub struct MqttSettings {
    /// Its address.
    #[prost(string, tag = "1")]
    pub server_url: String,
    /// The client's id; one is made if it is empty.
    #[prost(string, tag = "2")]
    pub client_id: String,
    /// The user.
    #[prost(string, tag = "3")]
    pub username: String,
    /// His password.
    #[prost(string, tag = "4")]
    pub password: String,
    /// The quality of service of subscriptions, 0 to 2.
    #[prost(uint32, tag = "5")]
    pub subscribe_qos: u32,
    /// The quality of service of messages, 0 to 2.
    #[prost(uint32, tag = "6")]
    pub publish_qos: u32,
    /// Whether TLS is used whatever the address says.
    #[prost(bool, tag = "7")]
    pub use_tls: bool,
    /// The certificates that are trusted, as PEM; those of the system if empty.
    #[prost(bytes = "vec", tag = "8")]
    pub tls_ca: Vec<u8>,
    /// The client's certificate, as PEM.
    #[prost(bytes = "vec", tag = "9")]
    pub tls_client_cert: Vec<u8>,
    /// The key of the client's certificate, as PEM.
    #[prost(bytes = "vec", tag = "10")]
    pub tls_client_key: Vec<u8>,
    /// Headers of the WebSocket.
    #[prost(btree_map = "string, string", tag = "11")]
    pub headers: BTreeMap<String, String>,
}

impl fmt::Debug for NatsSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsSettings").finish_non_exhaustive()
    }
}

impl fmt::Debug for MqttSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MqttSettings")
            .field("client_id", &self.client_id)
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

/// How messages are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JSON of the API.
    Json,
    /// Protocol buffers of the API.
    Protobuf,
}

impl Format {
    /// The formats by name, with what people call them.
    pub const ALL: [(&'static str, &'static str, Self); 2] =
        [("json", "JSON", Self::Json), ("protobuf", "Protocol Buffers", Self::Protobuf)];

    /// The format of a name.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn of_name(name: &str) -> Result<Self, PubSubError> {
        let found = Self::ALL.into_iter().find(|(known, ..)| *known == name);
        let (_, _, format) =
            found.ok_or_else(|| PubSubError::FormatNotFound { format: name.to_owned() })?;
        Ok(format)
    }
}

impl PubSub {
    /// The octets to store.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        self.encode_to_vec()
    }

    /// Reads what [`Self::encode`] wrote.
    ///
    /// # Errors
    ///
    /// The octets are no pub/sub.
    pub fn decode(octets: &[u8]) -> Result<Self, StoreError> {
        <Self as prost::Message>::decode(octets).map_err(|error| {
            StoreError::new(StoreErrorKind::Corrupt, "the record of a pub/sub").caused_by(error)
        })
    }

    /// The kind of its broker.
    ///
    /// # Errors
    ///
    /// It has none.
    pub fn kind(&self) -> Result<ProviderKind, PubSubError> {
        match &self.provider {
            Some(Provider::Mqtt(_)) => Ok(ProviderKind::Mqtt),
            Some(Provider::Nats(_)) => Ok(ProviderKind::Nats),
            None => Err(PubSubError::UnknownProvider),
        }
    }

    /// The whole topic of a kind of messages, if it has one.
    #[must_use]
    pub fn topic(&self, kind: MessageKind) -> Option<String> {
        let topic = self.topics.get(kind.name())?;
        let joined = topic::join(&self.base_topic, topic, self.kind().ok()?.separator());
        Some(joined).filter(|joined| !joined.is_empty())
    }

    pub(super) fn subscriptions(&self) -> Vec<Subscription> {
        let kinds = [
            (MessageKind::DownlinkPush, QueueOperation::Push),
            (MessageKind::DownlinkReplace, QueueOperation::Replace),
        ];
        let wanted = kinds.into_iter().filter_map(|(kind, operation)| {
            Some(Subscription { topic: self.topic(kind)?, operation })
        });
        wanted.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mqtt() -> PubSub {
        let settings = MqttSettings {
            server_url: "mqtt://user:hunter2@example.org".to_owned(),
            password: "hunter2".to_owned(),
            tls_client_key: b"hunter2".to_vec(),
            ..MqttSettings::default()
        };
        PubSub {
            format: "json".to_owned(),
            base_topic: "base".to_owned(),
            topics: [("uplink_message".to_owned(), "up".to_owned())].into(),
            provider: Some(Provider::Mqtt(settings)),
            ..PubSub::default()
        }
    }

    #[test]
    fn a_pubsub_survives_encoding_and_shows_no_secret() {
        let pubsub = mqtt();
        assert_eq!(PubSub::decode(&pubsub.encode()).unwrap(), pubsub);
        let shown = format!("{pubsub:?}");
        assert!(shown.contains("base") && !shown.contains("hunter2"), "{shown}");
    }

    // AS-50
    #[test]
    fn only_kinds_with_a_topic_have_one() {
        let pubsub = mqtt();
        assert_eq!(pubsub.topic(MessageKind::UplinkMessage).as_deref(), Some("base/up"));
        assert_eq!(pubsub.topic(MessageKind::JoinAccept), None);
        assert_eq!(pubsub.subscriptions(), []);
    }
}

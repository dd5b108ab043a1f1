//! What a pub/sub needs of a broker.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::BoxFuture;
use tokio::sync::mpsc;
use ttn_core::error::{ApiError, ErrorKind};

use super::PubSub;
use crate::{
    QueueOperation,
    config::{ProviderStatus, PubSubConfig},
};

/// Connects to brokers of one kind.
///
/// # Contract
///
/// * A session's messages reach the broker in the order in which they were published.
/// * Nothing of a session is left when its parts are dropped.
/// * What the operator does not allow to be reached is not connected to, whatever its name resolves to.
#[async_trait]
pub trait PubSubProvider: fmt::Debug + Send + Sync + 'static {
    /// Connects and subscribes. May be dropped halfway, when the time is over.
    ///
    /// # Errors
    ///
    /// The broker cannot be reached or refuses.
    async fn connect(
        &self,
        pubsub: &PubSub,
        subscriptions: Vec<Subscription>,
    ) -> Result<Session, ProviderError>;
}

/// A connection to a broker.
#[expect(clippy::exhaustive_structs, reason = "built by providers")]
pub struct Session {
    /// Keeps the connection; it ends when that is lost. It has to be polled while the other parts are used.
    pub driver: BoxFuture<'static, ProviderError>,
    /// Takes messages.
    pub publisher: Box<dyn Publisher>,
    /// What the subscriptions bring.
    pub incoming: mpsc::Receiver<Incoming>,
}

/// Takes messages for a broker.
#[async_trait]
pub trait Publisher: Send {
    /// Hands over messages. When it returns, the broker has them all but those that are given back with the reason:
    /// it will never take these.
    ///
    /// # Errors
    ///
    /// The connection is lost; any number of the messages may have arrived.
    async fn publish(
        &mut self,
        messages: Vec<Message>,
    ) -> Result<Vec<(Message, ProviderError)>, ProviderError>;
}

/// A message to a broker.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "taken apart by providers")]
pub struct Message {
    /// The topic.
    pub topic: String,
    /// The content.
    pub payload: Bytes,
}

/// A subscription to downlinks.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "taken apart by providers")]
pub struct Subscription {
    /// The topic.
    pub topic: String,
    /// What is done with the downlinks.
    pub operation: QueueOperation,
}

/// A message from a broker.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "built by providers")]
pub struct Incoming {
    /// What is done with the downlinks.
    pub operation: QueueOperation,
    /// The content.
    pub payload: Bytes,
}

/// The kinds of brokers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ProviderKind {
    /// AWS IoT; no server has it.
    AwsIot,
    /// MQTT.
    Mqtt,
    /// NATS.
    Nats,
}

impl ProviderKind {
    /// Its name in the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AwsIot => "aws_iot",
            Self::Mqtt => "mqtt",
            Self::Nats => "nats",
        }
    }

    /// What stands between the levels of its topics.
    #[must_use]
    pub const fn separator(self) -> char {
        match self {
            Self::AwsIot | Self::Mqtt => '/',
            Self::Nats => '.',
        }
    }

    pub(super) const fn status(self, config: &PubSubConfig) -> ProviderStatus {
        match self {
            Self::AwsIot => ProviderStatus::Disabled,
            Self::Mqtt => config.mqtt,
            Self::Nats => config.nats,
        }
    }
}

/// Why a broker does not do what it should. Texts of libraries are kept short of secrets by the providers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProviderError {
    /// A certificate or key is not one.
    #[error("`{field}` is no PEM that can be used: {reason}")]
    Certificate {
        /// The field.
        field: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// It cannot be connected to.
    #[error("the broker cannot be reached: {reason}")]
    Connect {
        /// Why.
        reason: String,
    },
    /// A header of the WebSocket cannot be sent.
    #[error("the header {name:?} cannot be sent: it is malformed, or belongs to the handshake")]
    Header {
        /// Its name.
        name: String,
    },
    /// The connection was lost.
    #[error("the connection to the broker was lost: {reason}")]
    Lost {
        /// Why.
        reason: String,
    },
    /// A message is refused.
    #[error("the broker does not take a message to {topic:?}: {reason}")]
    Publish {
        /// The topic.
        topic: String,
        /// Why.
        reason: String,
    },
    /// A subscription is refused.
    #[error("the broker does not take the subscription {topic:?}: {reason}")]
    Subscribe {
        /// The topic.
        topic: String,
        /// Why.
        reason: String,
    },
    /// It takes too long.
    #[error("the broker did not answer within {limit:?}")]
    Timeout {
        /// The limit.
        limit: Duration,
    },
    /// The address is not one of such a broker.
    #[error("{url:?} is no address of a broker: {reason}")]
    Url {
        /// The address without what is secret.
        url: String,
        /// What is wrong.
        reason: String,
    },
}

impl ApiError for ProviderError {
    fn namespace(&self) -> &'static str {
        "pkg/applicationserver/io/pubsub/provider/mqtt"
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Certificate { .. } => "ca_pem_data",
            Self::Connect { .. }
            | Self::Header { .. }
            | Self::Lost { .. }
            | Self::Timeout { .. }
            | Self::Url { .. } => "connect_failed",
            Self::Publish { .. } => "publish_failed",
            Self::Subscribe { .. } => "subscribe_failed",
        }
    }

    fn kind(&self) -> ErrorKind {
        match self {
            Self::Certificate { .. } | Self::Header { .. } => ErrorKind::InvalidArgument,
            _ => ErrorKind::Unknown,
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

//! The records of integrations: what each of them keeps for an application, and how far it has read the log.
//!
//! The Application Server does not look into them: their octets are messages of the integration that owns the kind.
#![expect(clippy::exhaustive_structs, reason = "built by other crates")]

use bytes::Bytes;
use ttn_core::id::ApplicationId;

use crate::log::Cursor;

/// What names an integration of an application.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IntegrationKey {
    /// What it is.
    pub kind: IntegrationKind,
    /// Whose it is.
    pub application_id: ApplicationId,
    /// Its name among those of the same kind and application, at most [`Self::ID_LENGTH_MAX`] octets.
    pub id: String,
}

impl IntegrationKey {
    /// The longest name, in octets.
    pub const ID_LENGTH_MAX: usize = 512;

    /// A key.
    #[must_use]
    pub fn new(
        kind: IntegrationKind,
        application_id: ApplicationId,
        id: impl Into<String>,
    ) -> Self {
        Self { kind, application_id, id: id.into() }
    }
}

/// The kinds of integrations; their letters are stored and never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum IntegrationKind {
    /// A persistent session of an MQTT client; the name is its client id.
    MqttSession,
    /// An application package of a device and port; the name is `DEVICE/PORT`.
    PackageAssociation,
    /// An application package of a port; the name is the port.
    PackageDefaultAssociation,
    /// A publisher and subscriber; the name is its id.
    PubSub,
    /// A webhook; the name is its id.
    Webhook,
}

impl IntegrationKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [
        Self::MqttSession,
        Self::PackageAssociation,
        Self::PackageDefaultAssociation,
        Self::PubSub,
        Self::Webhook,
    ];

    /// Its letter in stored keys.
    #[must_use]
    pub const fn letter(self) -> char {
        match self {
            Self::MqttSession => 'm',
            Self::PackageAssociation => 'a',
            Self::PackageDefaultAssociation => 'f',
            Self::PubSub => 'p',
            Self::Webhook => 'w',
        }
    }
}

/// An integration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Integration {
    /// What names it.
    pub key: IntegrationKey,
    /// Its settings, as the integration encodes them.
    pub settings: Bytes,
}

/// How far an integration has read the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReaderState {
    /// Everything up to here is done with.
    pub cursor: Cursor,
    /// What else must survive a restart, as the integration encodes it: messages that were not acknowledged, say.
    pub progress: Bytes,
}

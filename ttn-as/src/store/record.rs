//! The records of the Application Server.

use ttn_core::{
    addr::DevAddr,
    id::{ApplicationId, DeviceIds, DeviceKey},
    key::{KeyEnvelope, SessionKeyId},
    store::LaneId,
    time::Timestamp,
};

use super::{Integration, IntegrationKey};

/// The key of a registry record.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum RegistryKey {
    /// A device.
    Device(DeviceKey),
    /// The link of an application.
    Link(ApplicationId),
    /// An integration of an application.
    Integration(IntegrationKey),
}

/// A registry record.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum RegistryRecord {
    /// A device.
    Device(Device),
    /// The link of an application.
    Link(Link),
    /// An integration of an application.
    Integration(Integration),
}

impl RegistryRecord {
    /// Where it is stored.
    #[must_use]
    pub fn key(&self) -> RegistryKey {
        match self {
            Self::Device(device) => RegistryKey::Device(device.ids.key.clone()),
            Self::Link(link) => RegistryKey::Link(link.application_id.clone()),
            Self::Integration(integration) => RegistryKey::Integration(integration.key.clone()),
        }
    }
}

/// An end device as the Application Server knows it (AS-09).
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "built by other crates")]
pub struct Device {
    /// What names it; the address is that of its session.
    pub ids: DeviceIds,
    /// Its formatters; `None`: those of the link (AS-11).
    pub formatters: Option<Formatters>,
    /// Whether payload cryptography is skipped, whatever the link says (AS-05).
    pub skip_payload_crypto_override: Option<bool>,
    /// When it sent data for the first time (AS-07).
    pub activated_at: Option<Timestamp>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

impl Device {
    /// A device without settings.
    #[must_use]
    pub const fn new(ids: DeviceIds, now: Timestamp) -> Self {
        Self {
            ids,
            formatters: None,
            skip_payload_crypto_override: None,
            activated_at: None,
            created_at: now,
            updated_at: now,
        }
    }
}

/// The settings of an application (AS-01). An application without one has an empty link.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "built by other crates")]
pub struct Link {
    /// The application.
    pub application_id: ApplicationId,
    /// The formatters of devices that have none.
    pub default_formatters: Option<Formatters>,
    /// Whether payload cryptography is skipped (AS-05).
    pub skip_payload_crypto: Option<bool>,
}

impl Link {
    /// An empty link.
    #[must_use]
    pub const fn new(application_id: ApplicationId) -> Self {
        Self { application_id, default_formatters: None, skip_payload_crypto: None }
    }
}

/// The formatters of a device or of an application.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_structs, reason = "built by other crates")]
pub struct Formatters {
    /// Decodes uplinks.
    pub up: FormatterKind,
    /// The script or the address of [`Self::up`].
    pub up_parameter: String,
    /// Encodes and decodes downlinks.
    pub down: FormatterKind,
    /// The script or the address of [`Self::down`].
    pub down_parameter: String,
}

/// The kinds of formatters, by their numbers in the API (AS-12).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
#[repr(u8)]
pub enum FormatterKind {
    /// No formatter.
    #[default]
    None = 0,
    /// The codec of the device repository.
    Repository = 1,
    /// A service called over gRPC.
    GrpcService = 2,
    /// A script.
    Javascript = 3,
    /// Cayenne Low Power Payload.
    CayenneLpp = 4,
}

impl FormatterKind {
    /// The name in the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "FORMATTER_NONE",
            Self::Repository => "FORMATTER_REPOSITORY",
            Self::GrpcService => "FORMATTER_GRPC_SERVICE",
            Self::Javascript => "FORMATTER_JAVASCRIPT",
            Self::CayenneLpp => "FORMATTER_CAYENNELPP",
        }
    }

    /// The kind of a number of the API.
    #[must_use]
    pub const fn from_number(number: i32) -> Option<Self> {
        match number {
            0 => Some(Self::None),
            1 => Some(Self::Repository),
            2 => Some(Self::GrpcService),
            3 => Some(Self::Javascript),
            4 => Some(Self::CayenneLpp),
            _ => None,
        }
    }
}

/// The hot state of a device: its sessions and what is under way.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_structs, reason = "built by other crates")]
pub struct SessionRecord {
    /// The session in use.
    pub current: Option<Session>,
    /// The session that the device has not used yet.
    pub pending: Option<Session>,
    /// The number of the device's last log record.
    pub last_number: u64,
    /// How many log records wait for the one that completes them.
    pub pending_records: u32,
    /// When the oldest of them was received.
    pub pending_since: Option<Timestamp>,
    /// The lane of the device's shard.
    pub lane: LaneId,
}

/// A session of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "built by other crates")]
pub struct Session {
    /// The id of its keys.
    pub session_key_id: SessionKeyId,
    /// AppSKey as it is kept; `None` until it was fetched (AS-03).
    pub app_s_key: Option<KeyEnvelope>,
    /// Its address.
    pub dev_addr: DevAddr,
    /// The last counter given to a downlink; 0 also if there was none.
    pub last_a_f_cnt_down: u32,
    /// The last uplink in the log: it is not appended twice (DESIGN promise 3).
    pub last_uplink: Option<LastUplink>,
}

/// What an uplink is recognised by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "complete by definition")]
pub struct LastUplink {
    /// Its counter.
    pub f_cnt: u32,
    /// A sum of its encrypted payload: a device whose counter may be reset sends another frame under the same one.
    pub checksum: u64,
}

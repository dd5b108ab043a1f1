//! Identifiers of entities, parsed: a value of these types is valid.

mod entity;

pub use entity::{
    ApplicationId, ClientId, DeviceId, FrequencyPlanId, GatewayId, IdError, OrganizationId,
    TenantId, UserId,
};

use alloc::string::{String, ToString};
use core::{fmt, str::FromStr};

use crate::{
    addr::DevAddr,
    eui::{DevEui, GatewayEui, JoinEui},
};

/// An end device within its application: the unique id `app.device`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(clippy::exhaustive_structs, reason = "complete by definition")]
pub struct DeviceKey {
    /// The application.
    pub application_id: ApplicationId,
    /// The device, unique within the application.
    pub device_id: DeviceId,
}

impl DeviceKey {
    /// Joins the two parts.
    #[must_use]
    pub const fn new(application_id: ApplicationId, device_id: DeviceId) -> Self {
        Self { application_id, device_id }
    }
}

impl fmt::Display for DeviceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.application_id, self.device_id)
    }
}

impl fmt::Debug for DeviceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for DeviceKey {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let Some((application, device)) = text.split_once('.') else {
            return Err(IdError::new("device key", text));
        };
        Ok(Self::new(application.parse()?, device.parse()?))
    }
}

/// Everything that names an end device.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "built by other crates")]
pub struct DeviceIds {
    /// Application and device id.
    pub key: DeviceKey,
    /// The device's EUI.
    pub dev_eui: Option<DevEui>,
    /// The EUI of its Join Server.
    pub join_eui: Option<JoinEui>,
    /// The address of its session.
    pub dev_addr: Option<DevAddr>,
}

impl DeviceIds {
    /// Makes identifiers that only have the key.
    #[must_use]
    pub const fn new(key: DeviceKey) -> Self {
        Self { key, dev_eui: None, join_eui: None, dev_addr: None }
    }
}

/// Everything that names a gateway.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "built by other crates")]
pub struct GatewayIds {
    /// The gateway's id.
    pub gateway_id: GatewayId,
    /// The gateway's EUI.
    pub eui: Option<GatewayEui>,
}

/// The identifier of any entity, as rights and events use it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum EntityId {
    /// An application.
    Application(ApplicationId),
    /// An OAuth client.
    Client(ClientId),
    /// An end device.
    Device(DeviceKey),
    /// A gateway.
    Gateway(GatewayId),
    /// An organization.
    Organization(OrganizationId),
    /// A user.
    User(UserId),
}

impl EntityId {
    /// The kind of entity, as error attributes name it.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Application(_) => "application",
            Self::Client(_) => "client",
            Self::Device(_) => "end device",
            Self::Gateway(_) => "gateway",
            Self::Organization(_) => "organization",
            Self::User(_) => "user",
        }
    }

    /// The unique id without the kind.
    #[must_use]
    pub fn uid(&self) -> String {
        match self {
            Self::Application(id) => id.to_string(),
            Self::Client(id) => id.to_string(),
            Self::Device(id) => id.to_string(),
            Self::Gateway(id) => id.to_string(),
            Self::Organization(id) => id.to_string(),
            Self::User(id) => id.to_string(),
        }
    }
}

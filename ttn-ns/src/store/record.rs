//! Stored records and their octets.

use std::{fmt, sync::Arc};

use prost::Message as _;
use ttn_core::{
    addr::DevAddr,
    eui::{DevEui, JoinEui},
    id::{ApplicationId, DeviceIds, DeviceKey, IdError},
    key::{Aes128Key, KeyEnvelope, SessionKeyId},
    msg::{ClassBC, ClassBCGateway, ConfirmedRetry, Downlink, TxPriority},
    time::Timestamp,
    vault::{KeyVault, VaultError},
};
use ttn_mac::{
    session::NetworkKeys,
    state::{Hot, HotDecodeError, Session},
};

use super::wire;
use crate::device::{ClassSettings, Device};

mod class;
mod parameters;
mod relay;
mod rest;

pub(crate) use rest::Own;

/// Wraps keys before they are stored and unwraps them when they are loaded (NS-28).
#[derive(Clone, Debug, Default)]
pub struct Sealer {
    vault: Option<(Arc<dyn KeyVault>, Arc<str>)>,
}

impl Sealer {
    /// Stores keys in clear text: for tests, and for stores that are encrypted as a whole.
    #[must_use]
    pub fn clear() -> Self {
        Self::default()
    }

    /// Wraps keys with the key encryption key of this label.
    #[must_use]
    pub fn new(vault: Arc<dyn KeyVault>, kek_label: &str) -> Self {
        Self { vault: Some((vault, Arc::from(kek_label))) }
    }

    /// Gives the key of an envelope.
    ///
    /// # Errors
    ///
    /// The key is wrapped, and the vault is missing or cannot unwrap it.
    pub fn open(&self, envelope: &KeyEnvelope) -> Result<Aes128Key, VaultError> {
        match (envelope, &self.vault) {
            (KeyEnvelope::Clear(key), _) => Ok(key.clone()),
            (wrapped, Some((vault, _))) => vault.unwrap(wrapped),
            (KeyEnvelope::Wrapped { kek_label, .. }, None) => {
                Err(VaultError::KekNotFound { label: kek_label.clone() })
            }
            (_, None) => Err(VaultError::KekNotFound { label: Arc::from("") }),
        }
    }

    fn seal(&self, key: &Aes128Key) -> Result<wire::Key, VaultError> {
        let envelope = match &self.vault {
            Some((vault, label)) => vault.wrap(key, label)?,
            None => KeyEnvelope::Clear(key.clone()),
        };
        Ok(match envelope {
            KeyEnvelope::Wrapped { kek_label, encrypted_key } => {
                wire::Key { kek_label: kek_label.to_string(), octets: encrypted_key }
            }
            _ => wire::Key { kek_label: String::new(), octets: key.expose().to_vec() },
        })
    }

    fn open_wire(&self, key: Option<&wire::Key>) -> Result<Aes128Key, RecordError> {
        let key = key.ok_or(RecordError::Field { field: "session key" })?;
        let envelope = if key.kek_label.is_empty() {
            let octets = <[u8; 16]>::try_from(key.octets.as_slice())
                .map_err(|_| RecordError::Field { field: "session key" })?;
            KeyEnvelope::Clear(Aes128Key::new(octets))
        } else {
            KeyEnvelope::Wrapped {
                kek_label: Arc::from(key.kek_label.as_str()),
                encrypted_key: key.octets.clone(),
            }
        };
        self.open(&envelope).map_err(|source| RecordError::Key { source })
    }
}

/// A record that does not decode.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// A field has a value that means nothing.
    #[error("the stored {field} means nothing")]
    Field {
        /// Which field.
        field: &'static str,
    },
    /// A session record of another layout.
    #[error("{source}")]
    Hot {
        /// What is wrong.
        source: HotDecodeError,
    },
    /// A stored identifier breaks the rules.
    #[error("{source}")]
    Id {
        /// What is wrong.
        source: IdError,
    },
    /// A key cannot be unwrapped.
    #[error("a session key cannot be unwrapped: {source}")]
    Key {
        /// Why.
        source: VaultError,
    },
    /// The octets are no protobuf message.
    #[error("the octets are no record: {source}")]
    Protobuf {
        /// What is wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A session record of a layout that this version does not know.
    #[error("a session record of layout {got}")]
    Layout {
        /// Which.
        got: u8,
    },
}

/// A registration as it is stored, keys wrapped: protobuf of package `ttn.store.v1`.
#[derive(Clone, PartialEq)]
pub struct DeviceRecord {
    key: DeviceKey,
    // Boxed: it is moved more often than it is read.
    wire: Box<wire::Device>,
}

impl DeviceRecord {
    /// Makes the record of a device.
    ///
    /// # Errors
    ///
    /// The vault cannot wrap a key.
    pub fn seal(device: &Device, sealer: &Sealer) -> Result<Self, VaultError> {
        let key = device.ids.key.clone();
        let wire = wire::Device {
            application_id: key.application_id.to_string(),
            device_id: key.device_id.to_string(),
            dev_eui: device.ids.dev_eui.map(DevEui::to_u64),
            join_eui: device.ids.join_eui.map(JoinEui::to_u64),
            created_at: device.created_at.unix_nanos(),
            updated_at: device.updated_at.unix_nanos(),
            frequency_plan_id: device.frequency_plan_id.to_string(),
            mac_version: device.mac_version.to_string(),
            phy_version: device.phy_version.name().to_owned(),
            supports_join: device.supports_join,
            supports_class_b: device.supports_class_b,
            supports_class_c: device.supports_class_c,
            multicast: device.multicast,
            settings: Some(parameters::settings_to_wire(&device.settings)),
            state: match &device.state {
                Some(state) => Some(parameters::state_to_wire(state, sealer)?),
                None => None,
            },
            class_settings: Some(&device.class_settings)
                .filter(|settings| **settings != ClassSettings::default())
                .map(class::to_wire),
        };
        Ok(Self { key, wire: Box::new(wire) })
    }

    /// Gives the device, its keys unwrapped.
    ///
    /// # Errors
    ///
    /// A field means nothing, or a key cannot be unwrapped.
    pub fn open(&self, sealer: &Sealer) -> Result<Device, RecordError> {
        let wire = &self.wire;
        let state = match &wire.state {
            Some(state) => Some(Box::new(parameters::state_from_wire(state, sealer)?)),
            None => None,
        };
        let session = state.as_ref().and_then(|state| state.session.as_ref());
        Ok(Device {
            ids: DeviceIds {
                key: self.key.clone(),
                dev_eui: self.dev_eui(),
                join_eui: wire.join_eui.map(JoinEui::from_u64),
                dev_addr: session.map(|session| session.dev_addr),
            },
            created_at: Timestamp::from_unix_nanos(wire.created_at),
            updated_at: Timestamp::from_unix_nanos(wire.updated_at),
            frequency_plan_id: wire
                .frequency_plan_id
                .parse()
                .map_err(|source| RecordError::Id { source })?,
            mac_version: parameters::mac_version(&wire.mac_version)?,
            phy_version: parameters::phy_version(&wire.phy_version)?,
            supports_join: wire.supports_join,
            supports_class_b: wire.supports_class_b,
            supports_class_c: wire.supports_class_c,
            multicast: wire.multicast,
            settings: wire.settings.as_ref().map_or_else(
                || Ok(ttn_mac::state::MacSettings::default()),
                parameters::settings_from_wire,
            )?,
            class_settings: wire
                .class_settings
                .as_ref()
                .map_or_else(ClassSettings::default, class::from_wire),
            state,
        })
    }

    /// The application and device id.
    #[must_use]
    pub const fn key(&self) -> &DeviceKey {
        &self.key
    }

    /// The application.
    #[must_use]
    pub const fn application_id(&self) -> &ApplicationId {
        &self.key.application_id
    }

    /// What names the device; the address is not looked up.
    pub(crate) fn ids(&self) -> DeviceIds {
        DeviceIds {
            dev_eui: self.dev_eui(),
            join_eui: self.wire.join_eui.map(JoinEui::from_u64),
            ..DeviceIds::new(self.key.clone())
        }
    }

    /// The DevEUI.
    #[must_use]
    pub fn dev_eui(&self) -> Option<DevEui> {
        self.wire.dev_eui.map(DevEui::from_u64)
    }

    /// The octets to store.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        self.wire.encode_to_vec()
    }

    /// Reads what [`Self::encode`] wrote.
    ///
    /// # Errors
    ///
    /// The octets are no record.
    pub fn decode(octets: &[u8]) -> Result<Self, RecordError> {
        let wire = wire::Device::decode(octets)
            .map_err(|source| RecordError::Protobuf { source: source.into() })?;
        let id = |source| RecordError::Id { source };
        let key = DeviceKey::new(
            wire.application_id.parse().map_err(id)?,
            wire.device_id.parse().map_err(id)?,
        );
        Ok(Self { key, wire: Box::new(wire) })
    }
}

impl fmt::Debug for DeviceRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceRecord").field("key", &self.key).finish_non_exhaustive()
    }
}

fn session_to_wire(session: &Session, sealer: &Sealer) -> Result<wire::Session, VaultError> {
    Ok(wire::Session {
        dev_addr: session.dev_addr.to_u32(),
        f_nwk_s_int_key: Some(sealer.seal(&session.keys.f_nwk_s_int_key)?),
        s_nwk_s_int_key: Some(sealer.seal(&session.keys.s_nwk_s_int_key)?),
        nwk_s_enc_key: Some(sealer.seal(&session.keys.nwk_s_enc_key)?),
        session_key_id: session.session_key_id.as_bytes().to_vec(),
        started_at: session.started_at.unix_nanos(),
    })
}

fn session_from_wire(session: &wire::Session, sealer: &Sealer) -> Result<Session, RecordError> {
    Ok(Session {
        dev_addr: DevAddr::from_u32(session.dev_addr),
        keys: NetworkKeys {
            f_nwk_s_int_key: sealer.open_wire(session.f_nwk_s_int_key.as_ref())?,
            s_nwk_s_int_key: sealer.open_wire(session.s_nwk_s_int_key.as_ref())?,
            nwk_s_enc_key: sealer.open_wire(session.nwk_s_enc_key.as_ref())?,
        },
        session_key_id: SessionKeyId::new(&session.session_key_id)
            .ok_or(RecordError::Field { field: "session key id" })?,
        started_at: Timestamp::from_unix_nanos(session.started_at),
    })
}

/// The session record: fixed layout, written with every frame.
///
/// Octet 0 is the layout; [`Hot`] follows, which has a layout octet of its own; then the octets of a pending first copy,
/// if any. Without one it is at most 128 octets long (DESIGN 4).
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "built by the shard and by stores' tests")]
pub struct HotRecord {
    /// Counters and history of the current session.
    pub hot: Hot,
    /// A first copy that was acknowledged before its window ended. Kept for the acknowledgement mode `durable`; always
    /// `None` until that is built.
    pub first_copy: Option<Vec<u8>>,
}

/// The layout of [`HotRecord`].
const LAYOUT: u8 = 1;

const _: () = assert!(
    ttn_mac::state::HOT_LENGTH < ttn_mac::state::HOT_LENGTH_MAX,
    "a session record without first copy has at most 128 octets"
);

impl HotRecord {
    /// The octets to store.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let copy = self.first_copy.as_deref().unwrap_or_default();
        let mut octets = Vec::with_capacity(1 + ttn_mac::state::HOT_LENGTH + copy.len());
        octets.push(LAYOUT);
        octets.extend_from_slice(&self.hot.encode());
        octets.extend_from_slice(copy);
        octets
    }

    /// Reads what [`Self::encode`] wrote.
    ///
    /// # Errors
    ///
    /// The octets are no session record of a known layout.
    pub fn decode(octets: &[u8]) -> Result<Self, RecordError> {
        let (&layout, rest) = octets.split_first().ok_or(RecordError::Layout { got: 0 })?;
        if layout != LAYOUT {
            return Err(RecordError::Layout { got: layout });
        }
        let (hot, copy) = rest.split_at_checked(ttn_mac::state::HOT_LENGTH).unwrap_or((rest, &[]));
        let hot = Hot::decode(hot).map_err(|source| RecordError::Hot { source })?;
        Ok(Self { hot, first_copy: (!copy.is_empty()).then(|| copy.to_vec()) })
    }
}

/// An item of the downlink queue as it is stored.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "built by the shard and by stores' tests")]
pub struct QueueItem {
    /// The downlink, its payload encrypted.
    pub downlink: Downlink,
}

impl QueueItem {
    /// The octets to store.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let downlink = &self.downlink;
        wire::QueueItem {
            session_key_id: downlink.session_key_id.as_bytes().to_vec(),
            f_port: downlink.f_port.into(),
            f_cnt: downlink.f_cnt,
            frm_payload: downlink.frm_payload.to_vec(),
            confirmed: downlink.confirmed,
            priority: downlink.priority as u32,
            class_b_c: downlink.class_b_c.as_ref().map(|class_b_c| wire::ClassBc {
                gateways: class_b_c
                    .gateways
                    .iter()
                    .map(|gateway| wire::Antenna {
                        gateway_id: gateway.gateway_id.to_string(),
                        antenna_index: gateway.antenna_index,
                        group_index: gateway.group_index,
                    })
                    .collect(),
                absolute_time: class_b_c.absolute_time.map(Timestamp::unix_nanos),
            }),
            correlation_ids: downlink.correlation_ids.iter().map(ToString::to_string).collect(),
            confirmed_retry: downlink.confirmed_retry.map(|retry| wire::ConfirmedRetry {
                attempt: retry.attempt,
                max_attempts: retry.max_attempts,
            }),
        }
        .encode_to_vec()
    }

    /// Reads what [`Self::encode`] wrote.
    ///
    /// # Errors
    ///
    /// The octets are no item.
    pub fn decode(octets: &[u8]) -> Result<Self, RecordError> {
        let wire = wire::QueueItem::decode(octets)
            .map_err(|source| RecordError::Protobuf { source: source.into() })?;
        let class_b_c = match wire.class_b_c {
            Some(class_b_c) => Some(class_b_c_from_wire(&class_b_c)?),
            None => None,
        };
        let downlink = Downlink {
            session_key_id: SessionKeyId::new(&wire.session_key_id)
                .ok_or(RecordError::Field { field: "session key id" })?,
            f_port: u8::try_from(wire.f_port).map_err(|_| RecordError::Field { field: "FPort" })?,
            f_cnt: wire.f_cnt,
            frm_payload: Arc::from(wire.frm_payload),
            confirmed: wire.confirmed,
            priority: priority(wire.priority)?,
            class_b_c,
            correlation_ids: wire.correlation_ids.iter().map(|id| Arc::from(id.as_str())).collect(),
            confirmed_retry: wire.confirmed_retry.map(|retry| ConfirmedRetry {
                attempt: retry.attempt,
                max_attempts: retry.max_attempts,
            }),
        };
        Ok(Self { downlink })
    }
}

fn class_b_c_from_wire(class_b_c: &wire::ClassBc) -> Result<ClassBC, RecordError> {
    let mut gateways = Vec::with_capacity(class_b_c.gateways.len());
    for antenna in &class_b_c.gateways {
        gateways.push(ClassBCGateway {
            gateway_id: antenna.gateway_id.parse().map_err(|source| RecordError::Id { source })?,
            antenna_index: antenna.antenna_index,
            group_index: antenna.group_index,
        });
    }
    let absolute_time = class_b_c.absolute_time.map(Timestamp::from_unix_nanos);
    Ok(ClassBC { gateways, absolute_time })
}

fn priority(number: u32) -> Result<TxPriority, RecordError> {
    use TxPriority::{AboveNormal, BelowNormal, High, Highest, Low, Lowest, Normal};
    [Lowest, Low, BelowNormal, Normal, AboveNormal, High, Highest]
        .get(number as usize)
        .copied()
        .ok_or(RecordError::Field { field: "priority" })
}

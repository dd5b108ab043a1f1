//! Records as octets: protobuf messages of the package `ttn.store.v1`, never the API's.
//!
//! | message | where |
//! |---|---|
//! | `ApplicationDevice`, `ApplicationLink` | registry records |
//! | `ApplicationSessions` | session records |
//! | `ApplicationReader` | how far integrations have read |

use bytes::Bytes;
use prost::Message as _;
use ttn_core::{
    id::DeviceKey,
    store::{LaneId, StoreError, StoreErrorKind},
    time::Timestamp,
};

use self::wire::{dev_addr_of, key_id_of};
use super::{
    Device, FormatterKind, Formatters, Integration, IntegrationKey, IntegrationKind, LastUplink,
    Link, ReaderState, RegistryKey, RegistryRecord, Session, SessionRecord,
};

/// What several messages of the package share.
pub(crate) mod wire {
    use ttn_core::{
        addr::DevAddr,
        eui::{DevEui, JoinEui},
        id::{DeviceIds, DeviceKey},
        key::{Aes128Key, KeyEnvelope, SessionKeyId},
        store::{StoreError, StoreErrorKind},
    };

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct Ids {
        #[prost(string, tag = "1")]
        pub(crate) application: String,
        #[prost(string, tag = "2")]
        pub(crate) device: String,
        #[prost(fixed64, optional, tag = "3")]
        pub(crate) dev_eui: Option<u64>,
        #[prost(fixed64, optional, tag = "4")]
        pub(crate) join_eui: Option<u64>,
        #[prost(fixed32, optional, tag = "5")]
        pub(crate) dev_addr: Option<u32>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct Key {
        #[prost(bytes = "vec", tag = "1")]
        pub(crate) clear: Vec<u8>,
        #[prost(string, tag = "2")]
        pub(crate) kek_label: String,
        #[prost(bytes = "vec", tag = "3")]
        pub(crate) encrypted: Vec<u8>,
    }

    pub(crate) fn corrupt(what: &str) -> StoreError {
        StoreError::new(StoreErrorKind::Corrupt, what)
    }

    pub(crate) fn ids(ids: &DeviceIds) -> Ids {
        Ids {
            application: ids.key.application_id.as_str().to_owned(),
            device: ids.key.device_id.as_str().to_owned(),
            dev_eui: ids.dev_eui.map(DevEui::to_u64),
            join_eui: ids.join_eui.map(JoinEui::to_u64),
            dev_addr: ids.dev_addr.map(DevAddr::to_u32),
        }
    }

    pub(crate) fn ids_of(wire: Option<Ids>) -> Result<DeviceIds, StoreError> {
        let wire = wire.unwrap_or_default();
        let (Ok(application), Ok(device)) = (wire.application.parse(), wire.device.parse()) else {
            return Err(corrupt("the identifiers of a stored device"));
        };
        Ok(DeviceIds {
            key: DeviceKey::new(application, device),
            dev_eui: wire.dev_eui.map(DevEui::from_u64),
            join_eui: wire.join_eui.map(JoinEui::from_u64),
            dev_addr: dev_addr_of(wire.dev_addr),
        })
    }

    pub(crate) fn dev_addr_of(wire: Option<u32>) -> Option<DevAddr> {
        wire.map(DevAddr::from_u32)
    }

    pub(crate) fn key_id_of(octets: &[u8]) -> Result<SessionKeyId, StoreError> {
        SessionKeyId::new(octets).ok_or_else(|| corrupt("a stored session key id"))
    }

    pub(crate) fn key(envelope: &KeyEnvelope) -> Key {
        match envelope {
            KeyEnvelope::Wrapped { kek_label, encrypted_key } => Key {
                clear: Vec::new(),
                kek_label: kek_label.as_ref().to_owned(),
                encrypted: encrypted_key.clone(),
            },
            other => Key {
                clear: other.clear().map(|key| key.expose().to_vec()).unwrap_or_default(),
                ..Key::default()
            },
        }
    }

    pub(crate) fn key_of(wire: Key) -> Result<KeyEnvelope, StoreError> {
        if wire.clear.is_empty() {
            return Ok(KeyEnvelope::Wrapped {
                kek_label: wire.kek_label.as_str().into(),
                encrypted_key: wire.encrypted,
            });
        }
        let octets = wire.clear.try_into().map_err(|_| corrupt("a stored key"))?;
        Ok(Aes128Key::new(octets).into())
    }
}

#[derive(Clone, PartialEq, prost::Message)]
struct ApplicationDevice {
    #[prost(message, optional, tag = "1")]
    ids: Option<wire::Ids>,
    #[prost(message, optional, tag = "2")]
    formatters: Option<FormattersWire>,
    #[prost(bool, optional, tag = "3")]
    skip_payload_crypto_override: Option<bool>,
    #[prost(int64, tag = "4")]
    created_at: i64,
    #[prost(int64, tag = "5")]
    updated_at: i64,
    #[prost(int64, optional, tag = "6")]
    activated_at: Option<i64>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ApplicationLink {
    #[prost(string, tag = "1")]
    application: String,
    #[prost(message, optional, tag = "2")]
    default_formatters: Option<FormattersWire>,
    #[prost(bool, optional, tag = "3")]
    skip_payload_crypto: Option<bool>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct FormattersWire {
    #[prost(int32, tag = "1")]
    up: i32,
    #[prost(string, tag = "2")]
    up_parameter: String,
    #[prost(int32, tag = "3")]
    down: i32,
    #[prost(string, tag = "4")]
    down_parameter: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ApplicationSessions {
    #[prost(message, optional, tag = "1")]
    current: Option<SessionWire>,
    #[prost(message, optional, tag = "2")]
    pending: Option<SessionWire>,
    #[prost(uint64, tag = "3")]
    last_number: u64,
    #[prost(uint32, tag = "4")]
    pending_records: u32,
    #[prost(int64, optional, tag = "5")]
    pending_since: Option<i64>,
    #[prost(uint32, tag = "6")]
    lane: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
struct SessionWire {
    #[prost(bytes = "vec", tag = "1")]
    session_key_id: Vec<u8>,
    #[prost(message, optional, tag = "2")]
    app_s_key: Option<wire::Key>,
    #[prost(fixed32, tag = "3")]
    dev_addr: u32,
    #[prost(uint32, tag = "4")]
    last_a_f_cnt_down: u32,
    #[prost(uint32, optional, tag = "5")]
    last_f_cnt_up: Option<u32>,
    #[prost(fixed64, tag = "6")]
    last_checksum: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ApplicationReader {
    #[prost(string, tag = "1")]
    cursor: String,
    #[prost(bytes = "bytes", tag = "2")]
    progress: Bytes,
}

impl RegistryKey {
    /// The key as octets: the keys of one kind and application share a prefix.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Device(key) => format!("d/{}/{}", key.application_id, key.device_id),
            Self::Link(application) => format!("l/{application}"),
            Self::Integration(key) => {
                format!("i/{}/{}/{}", key.kind.letter(), key.application_id, key.id)
            }
        }
        .into_bytes()
    }

    /// The key of octets that [`Self::encode`] gave.
    ///
    /// # Errors
    ///
    /// The octets are no key.
    pub fn decode(octets: &[u8]) -> Result<Self, StoreError> {
        let parse = || {
            let text = std::str::from_utf8(octets).ok()?;
            let (kind, rest) = text.split_once('/')?;
            Some(match kind {
                "d" => {
                    let (application, device) = rest.split_once('/')?;
                    let (application, device) = (application.parse().ok()?, device.parse().ok()?);
                    Self::Device(DeviceKey::new(application, device))
                }
                "l" => Self::Link(rest.parse().ok()?),
                "i" => {
                    let (letter, rest) = rest.split_once('/')?;
                    let (application, id) = rest.split_once('/')?;
                    let mut kinds = IntegrationKind::ALL.into_iter();
                    let kind = kinds.find(|kind| letter.chars().eq([kind.letter()]))?;
                    Self::Integration(IntegrationKey::new(kind, application.parse().ok()?, id))
                }
                _ => return None,
            })
        };
        parse().ok_or_else(|| wire::corrupt("a key of the Application Server's registry"))
    }
}

impl RegistryRecord {
    /// The record as octets; they do not repeat its kind, which is in the key.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Device(device) => ApplicationDevice {
                ids: Some(wire::ids(&device.ids)),
                formatters: device.formatters.as_ref().map(formatters),
                skip_payload_crypto_override: device.skip_payload_crypto_override,
                created_at: device.created_at.unix_nanos(),
                updated_at: device.updated_at.unix_nanos(),
                activated_at: device.activated_at.map(Timestamp::unix_nanos),
            }
            .encode_to_vec(),
            Self::Link(link) => ApplicationLink {
                application: link.application_id.as_str().to_owned(),
                default_formatters: link.default_formatters.as_ref().map(formatters),
                skip_payload_crypto: link.skip_payload_crypto,
            }
            .encode_to_vec(),
            Self::Integration(integration) => integration.settings.to_vec(),
        }
    }

    /// The record of a key and the octets that [`Self::encode`] gave.
    ///
    /// # Errors
    ///
    /// The octets are no such record.
    pub fn decode(key: &RegistryKey, octets: &[u8]) -> Result<Self, StoreError> {
        match key {
            RegistryKey::Device(key) => {
                let wire = ApplicationDevice::decode(octets).map_err(|e| undecodable(key, e))?;
                Ok(Self::Device(Device {
                    ids: wire::ids_of(wire.ids)?,
                    formatters: wire.formatters.map(formatters_of).transpose()?,
                    skip_payload_crypto_override: wire.skip_payload_crypto_override,
                    activated_at: wire.activated_at.map(Timestamp::from_unix_nanos),
                    created_at: Timestamp::from_unix_nanos(wire.created_at),
                    updated_at: Timestamp::from_unix_nanos(wire.updated_at),
                }))
            }
            RegistryKey::Link(id) => {
                let wire = ApplicationLink::decode(octets).map_err(|e| undecodable(id, e))?;
                Ok(Self::Link(Link {
                    application_id: id.clone(),
                    default_formatters: wire.default_formatters.map(formatters_of).transpose()?,
                    skip_payload_crypto: wire.skip_payload_crypto,
                }))
            }
            RegistryKey::Integration(key) => Ok(Self::Integration(Integration {
                key: key.clone(),
                settings: Bytes::copy_from_slice(octets),
            })),
        }
    }
}

impl SessionRecord {
    /// The record as octets.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        ApplicationSessions {
            current: self.current.as_ref().map(session),
            pending: self.pending.as_ref().map(session),
            last_number: self.last_number,
            pending_records: self.pending_records,
            pending_since: self.pending_since.map(Timestamp::unix_nanos),
            lane: u32::from(self.lane.0),
        }
        .encode_to_vec()
    }

    /// The record of octets that [`Self::encode`] gave.
    ///
    /// # Errors
    ///
    /// The octets are no such record.
    pub fn decode(octets: &[u8]) -> Result<Self, StoreError> {
        let wire = ApplicationSessions::decode(octets)
            .map_err(|error| undecodable(&"a session record", error))?;
        Ok(Self {
            current: wire.current.map(session_of).transpose()?,
            pending: wire.pending.map(session_of).transpose()?,
            last_number: wire.last_number,
            pending_records: wire.pending_records,
            pending_since: wire.pending_since.map(Timestamp::from_unix_nanos),
            lane: LaneId(u16::try_from(wire.lane).map_err(|_| wire::corrupt("a stored lane"))?),
        })
    }
}

impl ReaderState {
    /// The state as octets.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        ApplicationReader { cursor: self.cursor.to_string(), progress: self.progress.clone() }
            .encode_to_vec()
    }

    /// The state of octets that [`Self::encode`] gave.
    ///
    /// # Errors
    ///
    /// The octets are no such state.
    pub fn decode(octets: &[u8]) -> Result<Self, StoreError> {
        let wire = ApplicationReader::decode(octets)
            .map_err(|error| undecodable(&"an integration's place in the log", error))?;
        let cursor = wire.cursor.parse().map_err(|_| wire::corrupt("a stored cursor"))?;
        Ok(Self { cursor, progress: wire.progress })
    }
}

fn undecodable(what: &dyn std::fmt::Display, error: prost::DecodeError) -> StoreError {
    StoreError::new(StoreErrorKind::Corrupt, format!("the record of {what}")).caused_by(error)
}

fn formatters(of: &Formatters) -> FormattersWire {
    FormattersWire {
        up: of.up as i32,
        up_parameter: of.up_parameter.clone(),
        down: of.down as i32,
        down_parameter: of.down_parameter.clone(),
    }
}

fn formatters_of(wire: FormattersWire) -> Result<Formatters, StoreError> {
    let kind = |number| {
        FormatterKind::from_number(number).ok_or_else(|| wire::corrupt("a stored formatter kind"))
    };
    Ok(Formatters {
        up: kind(wire.up)?,
        up_parameter: wire.up_parameter,
        down: kind(wire.down)?,
        down_parameter: wire.down_parameter,
    })
}

fn session(of: &Session) -> SessionWire {
    SessionWire {
        session_key_id: of.session_key_id.as_bytes().to_vec(),
        app_s_key: of.app_s_key.as_ref().map(wire::key),
        dev_addr: of.dev_addr.to_u32(),
        last_a_f_cnt_down: of.last_a_f_cnt_down,
        last_f_cnt_up: of.last_uplink.map(|last| last.f_cnt),
        last_checksum: of.last_uplink.map_or(0, |last| last.checksum),
    }
}

fn session_of(wire: SessionWire) -> Result<Session, StoreError> {
    Ok(Session {
        session_key_id: key_id_of(&wire.session_key_id)?,
        app_s_key: wire.app_s_key.map(wire::key_of).transpose()?,
        dev_addr: dev_addr_of(Some(wire.dev_addr)).unwrap_or_default(),
        last_a_f_cnt_down: wire.last_a_f_cnt_down,
        last_uplink: wire
            .last_f_cnt_up
            .map(|f_cnt| LastUplink { f_cnt, checksum: wire.last_checksum }),
    })
}

#[cfg(test)]
mod tests {
    use ttn_core::{
        addr::DevAddr,
        id::DeviceIds,
        key::{Aes128Key, KeyEnvelope, SessionKeyId},
    };

    use super::*;
    use crate::log::Cursor;

    #[test]
    fn registry_records_survive_encoding() {
        let ids = DeviceIds::new("my-app.my-dev".parse().unwrap());
        let mut device = Device::new(ids, Timestamp::from_unix_secs(9));
        device.formatters = Some(Formatters {
            up: FormatterKind::CayenneLpp,
            down_parameter: "x".to_owned(),
            ..Formatters::default()
        });
        device.activated_at = Some(Timestamp::from_unix_secs(10));
        let mut link = Link::new("my-app".parse().unwrap());
        link.skip_payload_crypto = Some(true);
        let application: ttn_core::id::ApplicationId = "my-app".parse().unwrap();
        let integrations = IntegrationKind::ALL.map(|kind| {
            // A client id may be anything.
            let key = IntegrationKey::new(kind, application.clone(), "a/b c/\u{e4}");
            RegistryRecord::Integration(Integration { key, settings: Bytes::from_static(b"x") })
        });
        let others = [RegistryRecord::Device(device), RegistryRecord::Link(link)];
        for record in others.into_iter().chain(integrations) {
            let key = record.key();
            assert_eq!(RegistryKey::decode(&key.encode()).unwrap(), key);
            assert_eq!(RegistryRecord::decode(&key, &record.encode()).unwrap(), record);
        }
    }

    #[test]
    fn places_in_the_log_survive_encoding() {
        for cursor in [Cursor::start(), Cursor::behind(7)] {
            let state = ReaderState { cursor, progress: Bytes::from_static(&[1, 2]) };
            assert_eq!(ReaderState::decode(&state.encode()).unwrap(), state);
        }
        assert!(ReaderState::decode(&[0xFF]).is_err());
    }

    #[test]
    fn session_records_survive_encoding() {
        let session = |key| Session {
            session_key_id: SessionKeyId::new(b"id").unwrap(),
            app_s_key: Some(key),
            dev_addr: DevAddr::from_u32(0x2601_0203),
            last_a_f_cnt_down: 7,
            last_uplink: Some(LastUplink { f_cnt: 0, checksum: 3 }),
        };
        let wrapped =
            KeyEnvelope::Wrapped { kek_label: "label".into(), encrypted_key: vec![5; 24] };
        let record = SessionRecord {
            current: Some(session(Aes128Key::new([7; 16]).into())),
            pending: Some(session(wrapped)),
            last_number: 12,
            pending_records: 1,
            pending_since: Some(Timestamp::from_unix_secs(1)),
            lane: LaneId(3),
        };
        assert_eq!(SessionRecord::decode(&record.encode()).unwrap(), record);
        assert!(SessionRecord::decode(&[0xFF]).is_err());
    }
}

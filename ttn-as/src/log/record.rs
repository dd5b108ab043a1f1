//! What one entry of the log says.

use std::sync::Arc;

use serde_json::{Map, Value};
use ttn_core::{error::ErrorBody, key::KeyEnvelope, msg::ApplicationUp, peer::DeviceInfo};

use crate::format::Normalized;

/// A message in the log, or what completes one.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "built by other crates")]
pub struct Record {
    /// The number of the record among those of its device; it rises.
    pub number: u64,
    /// What readers do with it.
    pub state: RecordState,
    /// The number of the pending record that this one completes. It repeats the message whole, so that readers need
    /// not look back.
    pub completes: Option<u64>,
    /// The message. Payloads are clear unless `encrypted`.
    pub up: ApplicationUp,
    /// Whether payloads are still encrypted: the session's key is missing, or only the application has it.
    pub encrypted: bool,
    /// The decoded payload, of uplinks and queued downlinks; the measurement, of normalised uplinks.
    pub decoded: Option<Decoded>,
    /// What the server adds to an uplink or a join-accept.
    pub context: Context,
    /// Why a dropped message is not delivered.
    pub reason: Option<ErrorBody>,
}

/// What readers do with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum RecordState {
    /// The message is delivered here.
    Deliver,
    /// The message is not delivered; [`Record::reason`] says why.
    Drop,
    /// A later record completes this one; the message is delivered there.
    Pending,
}

/// What the server adds to an uplink or a join-accept.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "built by other crates")]
pub struct Context {
    /// What is registered about the device (AS-17, AS-18).
    pub device: Option<Arc<DeviceInfo>>,
    /// What the application needs to decrypt the payload itself (AS-05).
    pub sealed: Option<Box<Sealed>>,
}

/// What an application needs to decrypt payloads itself (AS-05).
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "built by other crates")]
pub struct Sealed {
    /// AppSKey, wrapped with a key that this server lacks.
    pub app_s_key: KeyEnvelope,
    /// The last counter of a downlink.
    pub last_a_f_cnt_down: u32,
}

/// A payload that a formatter decoded.
#[derive(Clone, Debug, PartialEq, Default)]
#[expect(clippy::exhaustive_structs, reason = "built by other crates")]
pub struct Decoded {
    /// The payload.
    pub payload: Map<String, Value>,
    /// What the formatter found odd.
    pub warnings: Vec<String>,
    /// The same as measurements, of uplinks whose formatter gave some.
    pub normalized: Option<Normalized>,
}

impl Record {
    /// A message that can be delivered as it is.
    #[must_use]
    pub const fn deliver(number: u64, up: ApplicationUp) -> Self {
        Self {
            number,
            state: RecordState::Deliver,
            completes: None,
            up,
            encrypted: false,
            decoded: None,
            context: Context { device: None, sealed: None },
            reason: None,
        }
    }
}

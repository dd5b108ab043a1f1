//! Payload formatters: from octets to what applications read, and back (AS-11, AS-12).
//!
//! A formatter runs after the message is in the log, bounded in time; what it decodes follows as a second record. An
//! error never stops a message. Scripts run by `javascript` (feature `javascript`).

mod cayenne;
mod error;
#[cfg(feature = "javascript")]
pub mod javascript;
pub mod normalized;

pub use cayenne::{CayenneLpp, NameError, channel_name};
pub use error::FormatError;
pub use normalized::{NormalizeError, Normalized};

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::future::{Either, select};
use serde_json::{Map, Value};
use ttn_core::{clock::Clock, id::DeviceIds, time::Timestamp};

use crate::{log::Decoded, store::FormatterKind};

/// Turns payloads into structures and back. Futures are dropped when their time is up.
#[async_trait]
pub trait Formatter: fmt::Debug + Send + Sync + 'static {
    /// How long a call may take in all, where `timeout` is set for a run. A formatter that bounds its runs by itself may
    /// give more, to wait for its turn.
    fn call_timeout(&self, timeout: Duration) -> Duration {
        timeout
    }

    /// Decodes the payload of an uplink.
    ///
    /// # Errors
    ///
    /// The payload does not decode.
    async fn decode_uplink(&self, payload: &Payload<'_>) -> Result<Decoded, FormatError>;

    /// Decodes the payload of a downlink, for information.
    ///
    /// # Errors
    ///
    /// The payload does not decode.
    async fn decode_downlink(&self, payload: &Payload<'_>) -> Result<Decoded, FormatError>;

    /// Encodes the payload of a downlink.
    ///
    /// # Errors
    ///
    /// The structure does not encode.
    async fn encode_downlink(&self, structure: &Structure<'_>) -> Result<Encoded, FormatError>;
}

/// Octets to decode.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "built by other crates")]
pub struct Payload<'a> {
    /// The device.
    pub ids: &'a DeviceIds,
    /// The port.
    pub f_port: u8,
    /// The octets.
    pub octets: &'a [u8],
    /// When it was received, of uplinks.
    pub received_at: Option<Timestamp>,
    /// The script or address of the formatter.
    pub parameter: &'a str,
}

/// A structure to encode.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "built by other crates")]
pub struct Structure<'a> {
    /// The device.
    pub ids: &'a DeviceIds,
    /// The port; `None` if the formatter may choose.
    pub f_port: Option<u8>,
    /// The structure.
    pub payload: &'a Map<String, Value>,
    /// The script or address of the formatter.
    pub parameter: &'a str,
}

/// An encoded downlink.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "built by other crates")]
pub struct Encoded {
    /// The port that the formatter chose.
    pub f_port: Option<u8>,
    /// The octets.
    pub octets: Vec<u8>,
    /// What the formatter found odd.
    pub warnings: Vec<String>,
}

/// The largest script in octets. The reference takes 40,960.
pub const SCRIPT_SIZE_MAX: usize = 1024 * 1024;

/// Checks the script or address of a formatter before it is kept.
///
/// # Errors
///
/// It is larger than [`SCRIPT_SIZE_MAX`].
pub const fn check_parameter(parameter: &str) -> Result<(), FormatError> {
    if parameter.len() > SCRIPT_SIZE_MAX {
        return Err(FormatError::ScriptTooLarge { size: parameter.len(), max: SCRIPT_SIZE_MAX });
    }
    Ok(())
}

/// The formatters that a server has, by kind.
#[derive(Clone, Debug)]
pub struct Formatters {
    by_kind: BTreeMap<u8, Arc<dyn Formatter>>,
    clock: Arc<dyn Clock>,
    timeout: Duration,
}

impl Formatters {
    /// The formatters that are built in.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, timeout: Duration) -> Self {
        let mut formatters = Self { by_kind: BTreeMap::new(), clock, timeout };
        formatters.set(FormatterKind::CayenneLpp, Arc::new(CayenneLpp));
        formatters
    }

    /// Adds or replaces the formatter of a kind.
    pub fn set(&mut self, kind: FormatterKind, formatter: Arc<dyn Formatter>) {
        self.by_kind.insert(kind as u8, formatter);
    }

    /// How long a formatter may run.
    #[must_use]
    pub const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Decodes an uplink.
    ///
    /// # Errors
    ///
    /// As [`Formatter::decode_uplink`], or the time was up.
    pub async fn decode_uplink(
        &self,
        kind: FormatterKind,
        payload: &Payload<'_>,
    ) -> Result<Decoded, FormatError> {
        let formatter = self.of(kind)?;
        self.bounded(kind, formatter, formatter.decode_uplink(payload)).await
    }

    /// Decodes a downlink.
    ///
    /// # Errors
    ///
    /// As [`Formatter::decode_downlink`], or the time was up.
    pub async fn decode_downlink(
        &self,
        kind: FormatterKind,
        payload: &Payload<'_>,
    ) -> Result<Decoded, FormatError> {
        let formatter = self.of(kind)?;
        self.bounded(kind, formatter, formatter.decode_downlink(payload)).await
    }

    /// Encodes a downlink.
    ///
    /// # Errors
    ///
    /// As [`Formatter::encode_downlink`], or the time was up.
    pub async fn encode_downlink(
        &self,
        kind: FormatterKind,
        structure: &Structure<'_>,
    ) -> Result<Encoded, FormatError> {
        let formatter = self.of(kind)?;
        self.bounded(kind, formatter, formatter.encode_downlink(structure)).await
    }

    fn of(&self, kind: FormatterKind) -> Result<&dyn Formatter, FormatError> {
        self.by_kind
            .get(&(kind as u8))
            .map(|formatter| &**formatter)
            .ok_or_else(|| FormatError::NotConfigured { formatter: kind.name() })
    }

    async fn bounded<T>(
        &self,
        kind: FormatterKind,
        formatter: &dyn Formatter,
        work: impl Future<Output = Result<T, FormatError>> + Send,
    ) -> Result<T, FormatError> {
        let deadline = self.clock.monotonic().plus(formatter.call_timeout(self.timeout));
        let work = std::pin::pin!(work);
        match select(work, self.clock.sleep_until(deadline)).await {
            Either::Left((done, _)) => done,
            Either::Right(_) => {
                Err(FormatError::Timeout { formatter: kind.name(), limit: self.timeout })
            }
        }
    }
}

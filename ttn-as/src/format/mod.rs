//! Payload formatters: from octets to what applications read, and back (AS-11, AS-12).
//!
//! A formatter runs after the message is in the log, bounded in time; what it decodes follows as a second record. An
//! error never stops a message. Scripts run by `javascript` (feature `javascript`), services of users are called by
//! `service` (feature `grpc-formatter`); scripts of the device repository are found by a [`CodecRepository`].

mod cayenne;
mod error;
#[cfg(feature = "javascript")]
pub mod javascript;
pub mod normalized;
#[cfg(any(feature = "javascript", feature = "grpc-formatter"))]
mod pool;
mod repository;
#[cfg(feature = "grpc-formatter")]
pub mod service;

pub use cayenne::{CayenneLpp, NameError, channel_name};
pub use error::FormatError;
pub use normalized::{NormalizeError, Normalized};
pub use repository::{Codec, CodecError, CodecRepository, CodecScript};

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::future::{Either, select};
use serde_json::{Map, Value};
use ttn_core::{
    clock::Clock, id::DeviceIds, msg::TxSettings, peer::DeviceVersionIds, time::Timestamp,
};

use repository::{Codecs, Part};

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
    /// Its model and version, if they are known.
    pub version: Option<&'a DeviceVersionIds>,
    /// The port.
    pub f_port: u8,
    /// The octets.
    pub octets: &'a [u8],
    /// When it was received, of uplinks.
    pub received_at: Option<Timestamp>,
    /// How it was sent, of uplinks.
    pub settings: Option<&'a TxSettings>,
    /// The script or address of the formatter.
    pub parameter: &'a str,
}

/// A structure to encode.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "built by other crates")]
pub struct Structure<'a> {
    /// The device.
    pub ids: &'a DeviceIds,
    /// Its model and version, if they are known.
    pub version: Option<&'a DeviceVersionIds>,
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

/// How many warnings or errors of a formatter are kept.
#[cfg(any(feature = "grpc-formatter", feature = "javascript"))]
const TEXTS_MAX: usize = 32;
/// How many characters of each.
#[cfg(any(feature = "grpc-formatter", feature = "javascript"))]
const TEXT_LENGTH_MAX: usize = 1000;

/// What is kept of a formatter's warnings.
#[cfg(any(feature = "grpc-formatter", feature = "javascript"))]
fn kept(texts: impl IntoIterator<Item = String>) -> Vec<String> {
    let text = |text: String| text.chars().take(TEXT_LENGTH_MAX).collect();
    texts.into_iter().take(TEXTS_MAX).map(text).collect()
}

/// How long the device repository may take to answer.
const LOOKUP_MAX: Duration = Duration::from_secs(5);

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
    repository: Option<Arc<Codecs>>,
    clock: Arc<dyn Clock>,
    timeout: Duration,
}

impl Formatters {
    /// The formatters that are built in.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, timeout: Duration) -> Self {
        let mut formatters = Self { by_kind: BTreeMap::new(), repository: None, clock, timeout };
        formatters.set(FormatterKind::CayenneLpp, Arc::new(CayenneLpp));
        formatters
    }

    /// Adds or replaces the formatter of a kind.
    pub fn set(&mut self, kind: FormatterKind, formatter: Arc<dyn Formatter>) {
        self.by_kind.insert(kind as u8, formatter);
    }

    /// Looks codecs up there for [`FormatterKind::Repository`].
    pub fn set_repository(&mut self, repository: Arc<dyn CodecRepository>) {
        self.repository = Some(Arc::new(Codecs::new(repository)));
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
        let script = self.script(kind, payload.version, Part::UplinkDecoder).await?;
        let (kind, parameter) = script.as_ref().map_or((kind, payload.parameter), CodecScript::of);
        let payload = &Payload { parameter, ..*payload };
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
        let script = self.script(kind, payload.version, Part::DownlinkDecoder).await?;
        let (kind, parameter) = script.as_ref().map_or((kind, payload.parameter), CodecScript::of);
        let payload = &Payload { parameter, ..*payload };
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
        let script = self.script(kind, structure.version, Part::DownlinkEncoder).await?;
        let (kind, parameter) =
            script.as_ref().map_or((kind, structure.parameter), CodecScript::of);
        let structure = &Structure { parameter, ..*structure };
        let formatter = self.of(kind)?;
        self.bounded(kind, formatter, formatter.encode_downlink(structure)).await
    }

    /// What the device repository says is to be run, if that is asked.
    async fn script(
        &self,
        kind: FormatterKind,
        version: Option<&DeviceVersionIds>,
        part: Part,
    ) -> Result<Option<CodecScript>, FormatError> {
        if kind != FormatterKind::Repository {
            return Ok(None);
        }
        let missing = || FormatError::NotConfigured { formatter: kind.name() };
        let codecs = self.repository.as_ref().ok_or_else(missing)?;
        let now = self.clock.monotonic();
        let lookup = std::pin::pin!(codecs.script(version, part, now));
        match select(lookup, self.clock.sleep_until(now.plus(LOOKUP_MAX))).await {
            Either::Left((found, _)) => found.map(Some),
            Either::Right(_) => {
                Err(FormatError::Timeout { formatter: kind.name(), limit: LOOKUP_MAX })
            }
        }
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
        let limit = formatter.call_timeout(self.timeout);
        let deadline = self.clock.monotonic().plus(limit);
        let work = std::pin::pin!(work);
        match select(work, self.clock.sleep_until(deadline)).await {
            Either::Left((done, _)) => done,
            Either::Right(_) => Err(FormatError::Timeout { formatter: kind.name(), limit }),
        }
    }
}

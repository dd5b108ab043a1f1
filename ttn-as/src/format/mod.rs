//! Payload formatters: from octets to what applications read, and back (AS-11, AS-12).
//!
//! A formatter runs after the message is in the log, bounded in time ([`Formatters::timeout`]); what it decodes
//! follows as a second record. An error never stops a message.

mod cayenne;

pub use cayenne::{CayenneLpp, NameError, channel_name};

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::future::{Either, select};
use serde_json::{Map, Value};
use ttn_core::{
    clock::Clock,
    error::{ApiError, Attributes, ErrorKind},
    id::DeviceIds,
};

use crate::{log::Decoded, store::FormatterKind};

/// Turns payloads into structures and back. Futures are dropped when their time is up.
#[async_trait]
pub trait Formatter: fmt::Debug + Send + Sync + 'static {
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

/// Why a payload was not formatted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// The octets do not decode.
    #[error("the payload does not decode with {formatter}: {reason}")]
    Decode {
        /// The formatter.
        formatter: &'static str,
        /// Where and why.
        reason: String,
    },
    /// The structure does not encode.
    #[error("the structure does not encode with {formatter}: {reason}")]
    Encode {
        /// The formatter.
        formatter: &'static str,
        /// What and why.
        reason: String,
    },
    /// The formatter is not there.
    #[error("the formatter {formatter} is not built into this server; choose another one")]
    NotConfigured {
        /// The formatter.
        formatter: &'static str,
    },
    /// The time was up.
    #[error("the formatter {formatter} ran longer than {limit:?} and was stopped")]
    Timeout {
        /// The formatter.
        formatter: &'static str,
        /// The limit.
        limit: Duration,
    },
}

impl ApiError for FormatError {
    fn namespace(&self) -> &'static str {
        match self {
            Self::Decode { .. } | Self::Encode { .. } => "pkg/messageprocessors/cayennelpp",
            Self::NotConfigured { .. } => "pkg/messageprocessors",
            Self::Timeout { .. } => "pkg/scripting/javascript",
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Decode { .. } => "output",
            Self::Encode { .. } => "input",
            Self::NotConfigured { .. } => "formatter_not_configured",
            Self::Timeout { .. } => "script_timeout",
        }
    }

    fn kind(&self) -> ErrorKind {
        match self {
            Self::Decode { .. } | Self::Encode { .. } => ErrorKind::InvalidArgument,
            Self::NotConfigured { .. } => ErrorKind::FailedPrecondition,
            Self::Timeout { .. } => ErrorKind::DeadlineExceeded,
        }
    }

    fn attributes(&self) -> Attributes {
        match self {
            Self::NotConfigured { formatter } => {
                Attributes::from([("formatter", (*formatter).into())])
            }
            _ => Attributes::new(),
        }
    }
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
        self.bounded(kind, self.of(kind)?.decode_uplink(payload)).await
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
        self.bounded(kind, self.of(kind)?.decode_downlink(payload)).await
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
        self.bounded(kind, self.of(kind)?.encode_downlink(structure)).await
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
        work: impl Future<Output = Result<T, FormatError>> + Send,
    ) -> Result<T, FormatError> {
        let deadline = self.clock.monotonic().plus(self.timeout);
        let work = std::pin::pin!(work);
        match select(work, self.clock.sleep_until(deadline)).await {
            Either::Left((done, _)) => done,
            Either::Right(_) => {
                Err(FormatError::Timeout { formatter: kind.name(), limit: self.timeout })
            }
        }
    }
}

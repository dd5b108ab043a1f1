//! Conversions between messages and the types of `ttn-core`.
//!
//! What always fits is `From`; what may not is `TryFrom` with [`ConvertError`], which names the field.
//! Types of third crates have functions: [`timestamp`], [`to_timestamp`] and so on.

mod application;
mod auth;
mod error;
mod gateway;
mod id;
mod key;
mod radio;
mod version;

use std::time::Duration;

use ttn_core::msg::CorrelationIds;
use ttn_core::time::Timestamp;

pub use self::application::priority;
pub use self::auth::{collaborator, entity_ids, rights, to_entity_id, to_rights};
pub use self::error::{error_details, to_error_body};
pub use self::key::{session_key_id, to_session_key_id};
pub use self::version::{mac_version, phy_version, to_mac_version, to_phy_version};

const NANOS: i64 = 1_000_000_000;

/// A message that does not fit a type of `ttn-core`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConvertError {
    /// A field has a value that is not allowed.
    #[error("the field `{field}` is malformed: {reason}")]
    Malformed {
        /// The field.
        field: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// A field is not set.
    #[error("the field `{field}` is missing")]
    Missing {
        /// The field.
        field: &'static str,
    },
}

impl ConvertError {
    fn malformed(field: &'static str, reason: impl ToString) -> Self {
        Self::Malformed { field, reason: reason.to_string() }
    }

    const fn missing(field: &'static str) -> Self {
        Self::Missing { field }
    }
}

/// A point in time as a message.
pub fn timestamp(time: Timestamp) -> prost_types::Timestamp {
    let nanos = time.unix_nanos();
    prost_types::Timestamp {
        seconds: nanos.div_euclid(NANOS),
        nanos: i32::try_from(nanos.rem_euclid(NANOS)).unwrap_or_default(),
    }
}

/// A point in time; what is outside the years 1677 to 2262 becomes the nearest of them.
pub fn to_timestamp(time: &prost_types::Timestamp) -> Timestamp {
    let nanos = i128::from(time.seconds) * i128::from(NANOS) + i128::from(time.nanos);
    let nearest = if nanos < 0 { i64::MIN } else { i64::MAX };
    Timestamp::from_unix_nanos(i64::try_from(nanos).unwrap_or(nearest))
}

/// A span of time as a message.
pub fn duration(span: Duration) -> prost_types::Duration {
    prost_types::Duration {
        seconds: i64::try_from(span.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(span.subsec_nanos()).unwrap_or_default(),
    }
}

/// A span of time; a negative one becomes zero.
pub fn to_duration(span: &prost_types::Duration) -> Duration {
    let nanos = i128::from(span.seconds) * i128::from(NANOS) + i128::from(span.nanos);
    u64::try_from(nanos.max(0)).map_or(Duration::MAX, Duration::from_nanos)
}

fn correlation_ids(ids: &CorrelationIds) -> Vec<String> {
    ids.iter().map(|id| id.to_string()).collect()
}

fn to_correlation_ids(ids: Vec<String>) -> CorrelationIds {
    ids.into_iter().map(Into::into).collect()
}

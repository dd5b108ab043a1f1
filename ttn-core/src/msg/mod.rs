//! Messages between components. They are plain data, built by one crate and read by others.
#![expect(clippy::exhaustive_structs, clippy::exhaustive_enums, reason = "built by other crates")]

mod application;
mod downlink;
mod join;
mod receipt;
mod uplink;

pub use application::{
    ApplicationBatch, ApplicationUp, ClassBC, ClassBCGateway, ConfirmedRetry, Downlink,
    DownlinkError, JoinAcceptUp, LocationSolved, QueueInvalidated, ServiceData, Up, UplinkUp,
};
pub use downlink::{
    DownlinkPath, Scheduled, TransmissionId, TxAck, TxPriority, TxRequest, TxResult, TxWindow,
};
pub use join::{DlSettings, JoinAnswer, JoinRequest, SessionKeys};
pub use receipt::Receipt;
pub use uplink::{
    Location, LocationSource, PathConstraint, RxMetadata, TxSettings, Uplink, UplinkBatch,
};

use std::sync::Arc;

/// Ids that tie together everything that one cause brought about, such as `gs:uplink:<ULID>`.
pub type CorrelationIds = Vec<Arc<str>>;
/// The longest correlation id that is accepted (EVT-01).
pub const CORRELATION_ID_LENGTH_MAX: usize = 100;

/// Makes a correlation id `prefix:<ULID>`.
#[must_use]
pub fn correlation_id(
    prefix: &str,
    now: crate::time::Timestamp,
    entropy: &dyn crate::rand::Entropy,
) -> Arc<str> {
    // 80 bits of a ULID are random; the system is asked once.
    let mut octets = [0; 16];
    entropy.fill(&mut octets[..10]);
    let ulid = ulid::Ulid::from_parts(now.unix_millis(), u128::from_le_bytes(octets));
    let mut digits = [0; ulid::ULID_LEN];
    let digits = ulid.array_to_str(&mut digits);
    let mut text = [0; CORRELATION_ID_LENGTH_MAX];
    let mut rest = &mut text[..];
    // Ours are shorter than what is accepted; nothing is allocated but the id itself.
    for part in [prefix, ":", digits] {
        let Some((to, behind)) = rest.split_at_mut_checked(part.len()) else {
            return [prefix, ":", digits].concat().into();
        };
        to.copy_from_slice(part.as_bytes());
        rest = behind;
    }
    let length = CORRELATION_ID_LENGTH_MAX - rest.len();
    str::from_utf8(&text[..length]).unwrap_or(digits).into()
}

//! The application log: everything that applications get, in order, durable.
//!
//! A message is appended once, in the lane of the device's shard and before the session record of the Network Server,
//! so that no transaction spans both. What still has to be done to a message (a key to fetch, a payload to decode)
//! follows as a second record that completes it; readers deliver a message at its first record if that is
//! [`RecordState::Deliver`], else at the completing one.

mod codec;
mod cursor;
mod memory;
mod reader;
mod record;
mod ring;
mod tail;

#[cfg(feature = "testing")]
pub mod conformance;

pub use cursor::{Cursor, ParseCursorError};
pub use memory::{MemoryLog, RECORDS_MAX};
pub use reader::{Item, Reader, Start};
pub use record::{Context, Decoded, Record, RecordState, Sealed};
pub use tail::Delivery;
pub(crate) use tail::{Live, Tail};

use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::BoxStream;
use ttn_core::{
    id::{ApplicationId, DeviceKey},
    store::{LaneId, Owned, Position, Refused, StoreError, Watermark},
    time::Timestamp,
};

use crate::store::SessionRecord;

/// The durable log of all applications.
///
/// # Contract
///
/// * `append` is atomic and ordered within its lane, and returns before durability. When full, the batch comes back
///   whole. The session records of a batch become visible to [`crate::store::ApplicationStore::load`] of the same
///   backend together with its log records.
/// * If a batch survives a crash, so does every earlier one of its lane (other ports of the backend included).
/// * A stale epoch gives `Fenced`, here or at the watermark, and changes nothing.
/// * `read` gives durable records only, in an order that never changes and keeps the order of each lane. It ends
///   where the durable records ended when it was called, or later.
/// * A cursor names the place behind a record; it stays valid for ever. If records behind it were deleted, reading
///   begins with one [`LogEntry::Gap`].
///
/// `conformance::SUITE` (feature `testing`) checks all of this.
#[async_trait]
pub trait ApplicationLog: Watermark {
    /// Appends records and writes session records, all or none.
    ///
    /// # Errors
    ///
    /// The batch is given back whole, with the reason.
    fn append(&self, batch: LogBatch) -> Result<Position, Refused<LogBatch>>;

    /// Reads from a cursor to the end of what is durable. Safe to drop halfway.
    fn read<'a>(
        &'a self,
        from: &Cursor,
        filter: &LogFilter,
    ) -> BoxStream<'a, Result<LogRecord, StoreError>>;

    /// The cursor behind the last durable record.
    fn end(&self) -> Cursor;

    /// Deletes what retention does not keep; gives the number of deleted records. Backends delete whole segments
    /// and may keep more than asked.
    ///
    /// # Errors
    ///
    /// The engine failed.
    async fn truncate(&self, retention: &Retention) -> Result<u64, StoreError>;
}

/// What goes into the log together.
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "taken apart by stores")]
pub struct LogBatch {
    /// The lane: the one of the Network Server's shard that owns the devices.
    pub lane: LaneId,
    /// The records in order.
    pub records: Vec<(Owned, Arc<Record>)>,
    /// The session records that hold after them; one per device.
    pub sessions: Vec<(Owned, DeviceKey, Arc<SessionRecord>)>,
}

/// Which records a reader wants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "built by other crates")]
pub struct LogFilter {
    /// Only of this application.
    pub application: Option<ApplicationId>,
    /// Only of this device.
    pub device: Option<DeviceKey>,
    /// Only received at this time or later.
    pub since: Option<Timestamp>,
}

impl LogFilter {
    /// Everything of an application.
    #[must_use]
    pub const fn application(id: ApplicationId) -> Self {
        Self { application: Some(id), device: None, since: None }
    }

    /// Whether a record is wanted.
    #[must_use]
    pub fn matches(&self, record: &Record) -> bool {
        let key = &record.up.ids.key;
        self.application.as_ref().is_none_or(|id| *id == key.application_id)
            && self.device.as_ref().is_none_or(|device| device == key)
            && self.since.is_none_or(|since| record.up.received_at >= since)
    }
}

/// An entry of the log with the place behind it.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "built by stores")]
pub struct LogRecord {
    /// Continues behind this entry.
    pub cursor: Cursor,
    /// The entry.
    pub entry: LogEntry,
}

/// What a reader finds.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum LogEntry {
    /// Records behind the cursor were deleted.
    Gap {
        /// How many, of all applications.
        lost: u64,
    },
    /// A record.
    Record(Arc<Record>),
}

/// What the log keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "built by other crates")]
pub struct Retention {
    /// Records received before this time may be deleted.
    pub before: Option<Timestamp>,
    /// The oldest records above this size may be deleted.
    pub bytes_max: Option<u64>,
}

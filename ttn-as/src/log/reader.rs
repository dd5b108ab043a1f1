//! A reader with a cursor: it gets everything, in order, from where it left off.

use std::{collections::VecDeque, fmt, sync::Arc};

use futures::StreamExt as _;
use ttn_core::{id::ApplicationId, store::StoreError, time::Timestamp};

use super::{ApplicationLog, Cursor, Delivery, Live, LogEntry, LogFilter, RecordState};

/// Where a reader begins.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum Start {
    /// At a place. Nothing was handed out behind it.
    At(Cursor),
    /// At a place that was kept across a crash: what the log had before this start may have been handed out, and is
    /// marked as repeated (DESIGN promise 3).
    Resume(Cursor),
}

/// Reads the messages of an application from the durable log.
pub struct Reader {
    log: Arc<dyn ApplicationLog>,
    live: Live,
    filter: LogFilter,
    cursor: Cursor,
    chunk: VecDeque<(Cursor, Item)>,
    repeated_before: Option<Timestamp>,
}

/// What a reader gets.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum Item {
    /// Records were deleted before they were read.
    Gap {
        /// How many, of all applications.
        lost: u64,
    },
    /// A message.
    Message(Arc<Delivery>),
}

/// How many messages are read ahead.
const CHUNK: usize = 64;

impl Reader {
    pub(crate) fn new(
        log: Arc<dyn ApplicationLog>,
        live: Live,
        application: ApplicationId,
        start: Start,
        started_at: Timestamp,
    ) -> Self {
        let (cursor, repeated_before) = match start {
            // The end moves; the reader wants the one of now.
            Start::At(cursor) if cursor.is_end() => (log.end(), None),
            Start::At(cursor) => (cursor, None),
            Start::Resume(cursor) => (cursor, Some(started_at)),
        };
        let filter = LogFilter::application(application);
        Self { log, live, filter, cursor, chunk: VecDeque::new(), repeated_before }
    }

    /// Waits for the next message. [`Self::cursor`] moves behind it. Safe to drop halfway.
    ///
    /// # Errors
    ///
    /// The log cannot be read; `None` when the server is gone.
    pub async fn next(&mut self) -> Option<Result<Item, StoreError>> {
        loop {
            if let Some((cursor, item)) = self.chunk.pop_front() {
                self.cursor = cursor;
                return Some(Ok(item));
            }
            if let Err(error) = self.fill().await {
                return Some(Err(error));
            }
            if self.chunk.is_empty() {
                self.live.next().await?;
            }
        }
    }

    /// The place behind the last message that [`Self::next`] gave.
    #[must_use]
    pub const fn cursor(&self) -> &Cursor {
        &self.cursor
    }

    async fn fill(&mut self) -> Result<(), StoreError> {
        let mut entries = self.log.read(&self.cursor, &self.filter);
        let mut behind = None;
        while self.chunk.len() < CHUNK {
            let Some(found) = entries.next().await.transpose()? else { break };
            behind = Some(found.cursor.clone());
            let item = match found.entry {
                LogEntry::Gap { lost } => Item::Gap { lost },
                LogEntry::Record(record) => {
                    if record.state != RecordState::Deliver {
                        continue;
                    }
                    let may_repeat = |before| record.up.received_at < before;
                    let record = if self.repeated_before.is_some_and(may_repeat) {
                        let mut again = (*record).clone();
                        again.up.repeated = true;
                        Arc::new(again)
                    } else {
                        record
                    };
                    Item::Message(Arc::new(Delivery::new(record)))
                }
            };
            self.chunk.push_back((found.cursor, item));
        }
        if let (Some(behind), true) = (behind, self.chunk.is_empty()) {
            self.cursor = behind;
        }
        Ok(())
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("cursor", &self.cursor).finish_non_exhaustive()
    }
}

//! The durable log of an application as all its MQTT clients at QoS 1 read it: read once, encoded once, kept for a
//! while. A client that lags behind what is kept reads the log by itself.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Weak},
};

use futures::StreamExt as _;
use parking_lot::Mutex;
use tokio::sync::Notify;
use ttn_core::{id::ApplicationId, map::Map, store::StoreError};

use crate::{
    ApplicationServer,
    log::{ApplicationLog, Cursor, Delivery, Item, Live, LogEntry, LogFilter, Record, RecordState},
};

/// How many messages a page of the log has.
const PAGE: usize = 64;
/// How many messages are kept for readers that are a little behind; others read the log.
const RECENT_MAX: usize = 1024;

/// The shared end of an application's log.
pub(super) struct Feed {
    log: Arc<dyn ApplicationLog>,
    filter: LogFilter,
    recent: Mutex<Recent>,
    /// Whoever waits for more fills `recent` for all.
    filler: tokio::sync::Mutex<Filler>,
    grown: Notify,
}

/// The last messages, numbered; bounded by [`RECENT_MAX`] and [`crate::Config::reader_lag_max`].
#[derive(Debug, Default)]
struct Recent {
    first: u64,
    messages: VecDeque<(Cursor, Arc<Delivery>)>,
    max: usize,
}

#[derive(Debug)]
struct Filler {
    /// Wakes, and has the JSON that readers without a cursor may have encoded.
    live: Live,
    fresh: VecDeque<Arc<Delivery>>,
    is_behind: bool,
    cursor: Cursor,
}

/// The feeds that are read. The last reader frees a feed.
#[derive(Debug, Default)]
pub(super) struct Feeds(Mutex<Map<ApplicationId, Weak<Feed>>>);

/// A reader with a cursor.
#[derive(Debug)]
pub(super) struct Follower {
    feed: Arc<Feed>,
    cursor: Cursor,
    /// The number of its next message in the feed; `None` while it reads the log by itself.
    next: Option<u64>,
    page: VecDeque<(Cursor, Item)>,
}

impl Feeds {
    /// Follows the log of an application from a place.
    pub(super) fn follow(
        &self,
        server: &ApplicationServer,
        application: &ApplicationId,
        from: Cursor,
    ) -> Follower {
        let mut feeds = self.0.lock();
        let feed = feeds.get(application).and_then(Weak::upgrade).unwrap_or_else(|| {
            feeds.retain(|_, feed| feed.strong_count() > 0);
            let feed = Arc::new(Feed::new(server, application));
            feeds.insert(application.clone(), Arc::downgrade(&feed));
            feed
        });
        Follower { feed, cursor: from, next: None, page: VecDeque::new() }
    }
}

impl Feed {
    fn new(server: &ApplicationServer, application: &ApplicationId) -> Self {
        let live = server.subscribe(application);
        let (log, max) = (server.log.clone(), server.config.reader_lag_max.clamp(1, RECENT_MAX));
        let cursor = log.end();
        let filler = Filler { live, fresh: VecDeque::new(), is_behind: true, cursor };
        Self {
            log,
            filter: LogFilter::application(application.clone()),
            recent: Mutex::new(Recent { max, ..Recent::default() }),
            filler: tokio::sync::Mutex::new(filler),
            grown: Notify::new(),
        }
    }

    /// Reads a page behind a cursor: messages, and the place behind what was read.
    async fn page(&self, from: &Cursor) -> Result<Page, StoreError> {
        let mut page = Page { items: VecDeque::new(), behind: None };
        let mut entries = self.log.read(from, &self.filter);
        while page.items.len() < PAGE {
            let Some(found) = entries.next().await.transpose()? else { break };
            page.behind = Some(found.cursor.clone());
            match found.entry {
                LogEntry::Gap { lost } => page.items.push_back((found.cursor, Entry::Gap(lost))),
                LogEntry::Record(record) if record.state == RecordState::Deliver => {
                    page.items.push_back((found.cursor, Entry::Message(record)));
                }
                LogEntry::Record(_) => {}
            }
        }
        Ok(page)
    }

    /// Waits for the log to grow, if it has not already, and reads it to its end. Safe to drop halfway. `false` when
    /// the server is gone.
    async fn fill(&self, filler: &mut Filler) -> Result<bool, StoreError> {
        if !filler.is_behind {
            let Some(delivery) = filler.live.next().await else { return Ok(false) };
            filler.fresh.push_back(delivery);
            filler.is_behind = true;
        }
        while let Some(delivery) = filler.live.try_next() {
            filler.fresh.push_back(delivery);
        }
        self.read_to_end(filler).await?;
        Ok(true)
    }

    async fn read_to_end(&self, filler: &mut Filler) -> Result<(), StoreError> {
        loop {
            let page = self.page(&filler.cursor).await?;
            let Some(behind) = page.behind else { break };
            let mut recent = self.recent.lock();
            for (cursor, entry) in page.items {
                match entry {
                    Entry::Message(record) => recent.push(cursor, filler.delivery(record)),
                    // Everybody finds the gap by himself.
                    Entry::Gap(_) => recent.forget(),
                }
            }
            filler.cursor = behind;
        }
        filler.fresh.clear();
        filler.is_behind = false;
        self.grown.notify_waiters();
        Ok(())
    }
}

/// A page of the log.
struct Page {
    items: VecDeque<(Cursor, Entry)>,
    behind: Option<Cursor>,
}

enum Entry {
    Gap(u64),
    Message(Arc<Record>),
}

impl Recent {
    fn push(&mut self, cursor: Cursor, delivery: Arc<Delivery>) {
        if self.messages.len() == self.max {
            self.messages.pop_front();
            self.first += 1;
        }
        self.messages.push_back((cursor, delivery));
    }

    fn forget(&mut self) {
        self.first = self.end() + 1;
        self.messages.clear();
    }

    fn end(&self) -> u64 {
        self.first + self.messages.len() as u64
    }

    /// The number of the message behind a place.
    fn behind(&self, cursor: &Cursor) -> Option<u64> {
        let index = self.messages.iter().rposition(|(known, _)| known == cursor)?;
        Some(self.first + index as u64 + 1)
    }

    fn get(&self, number: u64) -> Found {
        match number.checked_sub(self.first) {
            None => Found::Gone,
            Some(index) => {
                let index = usize::try_from(index).unwrap_or(usize::MAX);
                self.messages.get(index).cloned().map_or(Found::End, Found::Message)
            }
        }
    }
}

enum Found {
    End,
    Gone,
    Message((Cursor, Arc<Delivery>)),
}

impl Filler {
    /// A record to hand out: the same as readers without a cursor have, if possible.
    fn delivery(&mut self, record: Arc<Record>) -> Arc<Delivery> {
        let is_same = |known: &Arc<Delivery>| {
            let known = known.record();
            known.number == record.number && known.up.ids.key == record.up.ids.key
        };
        let shared = self.fresh.iter().position(is_same);
        let shared = shared.and_then(|index| self.fresh.remove(index));
        shared.unwrap_or_else(|| Arc::new(Delivery::new(record)))
    }
}

impl Follower {
    /// Waits for the next message and the place behind it. Safe to drop halfway.
    ///
    /// # Errors
    ///
    /// The log cannot be read; `None` when the server is gone.
    pub(super) async fn next(&mut self) -> Option<Result<(Cursor, Item), StoreError>> {
        loop {
            if let Some((cursor, item)) = self.page.pop_front() {
                self.cursor = cursor.clone();
                return Some(Ok((cursor, item)));
            }
            let Some(number) = self.next else {
                if let Err(error) = self.catch_up().await {
                    return Some(Err(error));
                }
                continue;
            };
            // Made before looking, so that nothing that comes in between is missed.
            let feed = self.feed.clone();
            let grown = feed.grown.notified();
            let found = feed.recent.lock().get(number);
            match found {
                Found::Message((cursor, delivery)) => {
                    self.next = Some(number + 1);
                    self.cursor = cursor.clone();
                    return Some(Ok((cursor, Item::Message(delivery))));
                }
                Found::Gone => self.next = None,
                Found::End => tokio::select! {
                    biased;
                    () = grown => {}
                    mut filler = feed.filler.lock() => {
                        let is_end = matches!(feed.recent.lock().get(number), Found::End);
                        match if is_end { feed.fill(&mut filler).await } else { Ok(true) } {
                            Ok(true) => {}
                            Ok(false) => return None,
                            Err(error) => return Some(Err(error)),
                        }
                    }
                },
            }
        }
    }

    /// Reads a page of the log, or joins the feed at its end.
    async fn catch_up(&mut self) -> Result<(), StoreError> {
        let feed = self.feed.clone();
        self.next = feed.recent.lock().behind(&self.cursor);
        if self.next.is_some() || self.read_page().await? {
            return Ok(());
        }
        let mut filler = feed.filler.lock().await;
        feed.read_to_end(&mut filler).await?;
        // If there is nothing behind the cursor now, everything that comes will be in the feed.
        if !self.read_page().await? {
            self.next = Some(feed.recent.lock().end());
        }
        Ok(())
    }

    async fn read_page(&mut self) -> Result<bool, StoreError> {
        let page = self.feed.page(&self.cursor).await?;
        self.page = page.items.into_iter().map(|(cursor, entry)| (cursor, entry.into())).collect();
        if let (Some(behind), true) = (page.behind, self.page.is_empty()) {
            self.cursor = behind;
        }
        Ok(!self.page.is_empty())
    }
}

impl From<Entry> for Item {
    fn from(entry: Entry) -> Self {
        match entry {
            Entry::Gap(lost) => Self::Gap { lost },
            Entry::Message(record) => Self::Message(Arc::new(Delivery::new(record))),
        }
    }
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed").field("filter", &self.filter).finish_non_exhaustive()
    }
}

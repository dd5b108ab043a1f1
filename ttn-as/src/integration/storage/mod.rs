//! The storage API (AS-57): what the log still has, by time, kind, device and port.
//!
//! The log is the storage: nothing is written twice. A call reads a bounded part of the log and gives a token to go on with;
//! how long messages are kept is the log's retention.
#![expect(clippy::exhaustive_structs, clippy::exhaustive_enums, reason = "built by the API")]

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    str::FromStr,
    sync::Arc,
    time::Duration,
};

use futures::StreamExt as _;
use ttn_core::{msg::Up, time::Timestamp};

use super::webhook::MessageKind;
use crate::{
    ApplicationServer, Error,
    log::{Cursor, LogEntry, LogFilter, Record, RecordState},
};

/// How many messages a call gives unless it says how many.
pub const LIMIT_DEFAULT: usize = 1000;
/// How many it may ask for.
pub const LIMIT_MAX: usize = 10_000;
/// How many records of the log a call reads.
pub const SCAN_MAX: usize = 200_000;
/// After how many of them others may run.
const YIELD_EVERY: usize = 256;

/// Which messages are wanted.
#[derive(Clone, Debug)]
pub struct Query {
    /// Of whom, and since when.
    pub filter: LogFilter,
    /// Only of this kind.
    pub kind: Option<MessageKind>,
    /// Only received before this time.
    pub before: Option<Timestamp>,
    /// Only with this port.
    pub f_port: Option<u32>,
    /// In which order.
    pub order: Order,
    /// How many.
    pub limit: usize,
}

/// The order of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The newest first.
    NewestFirst,
    /// The oldest first.
    OldestFirst,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The messages, in order.
    pub messages: Vec<Arc<Record>>,
    /// Goes on behind them; none at the end.
    pub token: Option<Token>,
}

/// Where a query goes on. Opaque: print and parse it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token(Place);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Behind(Cursor),
    /// Before a time; of that very time so many were given already.
    Before {
        time: Timestamp,
        given: usize,
    },
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::Behind(cursor) => write!(f, "{cursor}"),
            Place::Before { time, given } => write!(f, "b{}-{given}", time.unix_nanos()),
        }
    }
}

/// Text that is no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no continuation token")]
pub struct ParseTokenError;

impl FromStr for Token {
    type Err = ParseTokenError;

    fn from_str(text: &str) -> Result<Self, ParseTokenError> {
        if let Some(rest) = text.strip_prefix('b') {
            let (time, given) = rest.rsplit_once('-').ok_or(ParseTokenError)?;
            let (time, given) = (time.parse(), given.parse());
            let (Ok(time), Ok(given)) = (time, given) else { return Err(ParseTokenError) };
            return Ok(Self(Place::Before { time: Timestamp::from_unix_nanos(time), given }));
        }
        let cursor: Cursor = text.parse().map_err(|_| ParseTokenError)?;
        Ok(Self(Place::Behind(cursor)))
    }
}

impl Query {
    fn wants(&self, record: &Record) -> bool {
        record.state == RecordState::Deliver
            && self.before.is_none_or(|before| record.up.received_at < before)
            && self.kind.is_none_or(|kind| MessageKind::of(&record.up.up) == Some(kind))
            && self.f_port.is_none_or(|wanted| f_port(&record.up.up) == Some(wanted))
    }
}

/// The port that a message is about.
fn f_port(up: &Up) -> Option<u32> {
    match up {
        Up::Uplink(uplink) | Up::UplinkNormalized(uplink) => uplink.f_port.map(u32::from),
        Up::DownlinkAck(of)
        | Up::DownlinkFailed(of, _)
        | Up::DownlinkNack(of)
        | Up::DownlinkQueued(of)
        | Up::DownlinkSent(of) => Some(of.f_port.into()),
        _ => None,
    }
}

/// The storage API.
impl ApplicationServer {
    /// The stored messages of a query, at most its limit, and where to go on. One call reads at most [`SCAN_MAX`]
    /// records; it may give fewer messages than asked for, or none, with a token.
    ///
    /// The newest first needs everything of the application (or device) to be read.
    ///
    /// # Errors
    ///
    /// There are more than [`SCAN_MAX`] to find the newest among, or the log cannot be read.
    pub async fn stored_messages(
        &self,
        query: &Query,
        token: Option<Token>,
    ) -> Result<Found, Error> {
        match (query.order, token.map(|token| token.0)) {
            (Order::OldestFirst, Some(Place::Behind(cursor))) => self.oldest(query, &cursor).await,
            (Order::OldestFirst, _) => self.oldest(query, &Cursor::start()).await,
            (Order::NewestFirst, Some(Place::Before { time, given })) => {
                self.newest(query, Some((time, given))).await
            }
            (Order::NewestFirst, _) => self.newest(query, None).await,
        }
    }

    /// How many messages of each kind there are.
    ///
    /// # Errors
    ///
    /// There are more than [`SCAN_MAX`], or the log cannot be read.
    pub async fn count_stored(&self, query: &Query) -> Result<BTreeMap<MessageKind, u32>, Error> {
        let mut counts = BTreeMap::new();
        let (_, is_all) = self
            .scan(query, &Cursor::start(), |record, _| {
                if let Some(kind) = MessageKind::of(&record.up.up) {
                    *counts.entry(kind).or_default() += 1;
                }
                true
            })
            .await?;
        if is_all { Ok(counts) } else { Err(Error::TooManyMessages) }
    }

    async fn oldest(&self, query: &Query, from: &Cursor) -> Result<Found, Error> {
        let mut found = Found::default();
        let mut last = None;
        let (cursor, is_all) = self
            .scan(query, from, |record, behind| {
                if found.messages.len() == query.limit {
                    return false;
                }
                found.messages.push(record.clone());
                last = Some(behind.clone());
                true
            })
            .await?;
        if !is_all {
            // A full page goes on behind its last message.
            let is_full = found.messages.len() == query.limit;
            let place = if is_full { last.unwrap_or(cursor) } else { cursor };
            found.token = Some(Token(Place::Behind(place)));
        }
        Ok(found)
    }

    /// The newest messages: the log is read forwards, and the last ones are kept.
    async fn newest(
        &self,
        query: &Query,
        token: Option<(Timestamp, usize)>,
    ) -> Result<Found, Error> {
        let mut query = query.clone();
        if let Some((time, _)) = token {
            // Of that very time some were given.
            query.before = Some(time.plus(Duration::from_nanos(1)));
        }
        let given = token.map_or(0, |(_, given)| given);
        let wanted = query.limit.saturating_add(given);
        let mut kept = VecDeque::new();
        let (_, is_all) = self
            .scan(&query, &Cursor::start(), |record, _| {
                // One more tells that there are more.
                if kept.len() > wanted {
                    kept.pop_front();
                }
                kept.push_back(record.clone());
                true
            })
            .await?;
        if !is_all {
            return Err(Error::TooManyMessages);
        }
        let has_more = kept.len() > wanted;
        let mut records: Vec<_> = kept.into_iter().rev().collect();
        records.sort_by_key(|record: &Arc<Record>| std::cmp::Reverse(record.up.received_at));
        let messages: Vec<_> = records.into_iter().skip(given).take(query.limit).collect();
        let token = messages.last().filter(|_| has_more).map(|last| {
            let time = last.up.received_at;
            let same = messages.iter().filter(|record| record.up.received_at == time).count();
            let before = token.filter(|(other, _)| *other == time).map_or(0, |(_, given)| given);
            Token(Place::Before { time, given: same + before })
        });
        Ok(Found { messages, token })
    }

    /// Reads the log until `take` has had enough, the end, or [`SCAN_MAX`] records. Gives the place behind the last
    /// record read and whether everything was.
    async fn scan(
        &self,
        query: &Query,
        from: &Cursor,
        mut take: impl FnMut(&Arc<Record>, &Cursor) -> bool + Send,
    ) -> Result<(Cursor, bool), Error> {
        // What is too old is looked at here, so that it counts.
        let since = query.filter.since;
        let filter = LogFilter { since: None, ..query.filter.clone() };
        let mut entries = self.log.read(from, &filter);
        let mut place = from.clone();
        let mut read = 0;
        while let Some(found) = entries.next().await.transpose()? {
            if let LogEntry::Record(record) = &found.entry
                && since.is_none_or(|since| record.up.received_at >= since)
                && query.wants(record)
                && !take(record, &found.cursor)
            {
                return Ok((place, false));
            }
            place = found.cursor;
            read += 1;
            if read == SCAN_MAX {
                return Ok((place, false));
            }
            if read % YIELD_EVERY == 0 {
                tokio::task::yield_now().await;
            }
        }
        Ok((place, true))
    }
}

//! The Application Server's log, registry, sessions and readers.

use async_trait::async_trait;
use futures::{StreamExt as _, stream, stream::BoxStream};
use ttn_as::{
    log::{ApplicationLog, Cursor, LogBatch, LogEntry, LogFilter, LogRecord, Record, Retention},
    store::{
        ApplicationStore, IntegrationKey, Loaded, ReaderState, RegistryKey, RegistryRecord,
        SessionRecord,
    },
};
use ttn_core::{
    id::{ApplicationId, DeviceKey},
    store::{
        Position, Refusal, Refused, Replaces, Revision, StoreError, StoreErrorKind, Versioned,
    },
    time::Timestamp,
};

use crate::{
    EmbeddedStore,
    base::{Row, Space},
    lane::Change,
    table::{LOG_COUNTER, Table, corrupt, parse_uid, split_u64, uid},
    write::Denied,
};

/// How many entries are read at a time.
const READ_PAGE: usize = 256;
/// How many records are deleted at a time.
const TRUNCATE_PAGE: usize = 1024;

#[async_trait]
impl ApplicationLog for EmbeddedStore {
    fn append(&self, batch: LogBatch) -> Result<Position, Refused<LogBatch>> {
        match self.lanes.submit(batch.lane, |change| append(change, &batch)) {
            Ok((position, ())) => Ok(position),
            Err(Denied::Refused(reason)) => Err(Refused { batch, reason }),
            Err(denied) => {
                let error = StoreError::from(denied);
                tracing::error!(%error, "a batch of the application log was refused");
                Err(Refused { batch, reason: Refusal::Unavailable })
            }
        }
    }

    fn read<'a>(
        &'a self,
        from: &Cursor,
        filter: &LogFilter,
    ) -> BoxStream<'a, Result<LogRecord, StoreError>> {
        let log = self.lanes.with_state(|state| state.counters.log);
        let at = match from.number() {
            Some(number) => number,
            None if from.is_start() => log.forgotten,
            None if from.is_end() => log.durable,
            None => {
                let context = format!("the cursor {from}");
                let error = StoreError::new(StoreErrorKind::Corrupt, context);
                return stream::iter([Err(error)]).boxed();
            }
        };
        let gap = (at < log.forgotten).then(|| {
            let entry = LogEntry::Gap { lost: log.forgotten - at };
            Ok(LogRecord { cursor: Cursor::behind(log.forgotten), entry })
        });
        let (start, end, filter) = (at.max(log.forgotten), log.durable, filter.clone());
        let pages = stream::unfold(Some(start), move |behind| {
            let page = behind.map(|behind| self.read_page(behind, end, &filter));
            std::future::ready(match page {
                None => None,
                Some(Ok((records, next))) => Some((Ok(records), next)),
                Some(Err(error)) => Some((Err(error), None)),
            })
        });
        let records = pages.flat_map(|page| match page {
            Ok(records) => stream::iter(records.into_iter().map(Ok).collect::<Vec<_>>()),
            Err(error) => stream::iter(vec![Err(error)]),
        });
        stream::iter(gap).chain(records).boxed()
    }

    fn end(&self) -> Cursor {
        Cursor::behind(self.lanes.with_state(|state| state.counters.log.durable))
    }

    async fn truncate(&self, retention: &Retention) -> Result<u64, StoreError> {
        let mut deleted = 0;
        loop {
            let (_, page) = self.lanes.write(|change| truncate(change, retention)).await?;
            deleted += page;
            if page < TRUNCATE_PAGE as u64 {
                return Ok(deleted);
            }
        }
    }
}

impl EmbeddedStore {
    /// Reads behind a number, up to and with `end`: what is wanted, and where to go on.
    fn read_page(
        &self,
        behind: u64,
        end: u64,
        filter: &LogFilter,
    ) -> Result<(Vec<LogRecord>, Option<u64>), StoreError> {
        let device = filter.device.as_ref().map(|device| &device.application_id);
        match filter.application.as_ref().or(device) {
            Some(application) => self.read_indexed(application, behind, end, filter),
            None => {
                let rows =
                    self.lanes.range(Space::Log, log_key(behind + 1), log_key(end + 1), READ_PAGE);
                let rows: Vec<Row> = rows.collect::<Result<_, _>>()?;
                let mut records = Vec::with_capacity(rows.len());
                let mut last = behind;
                for (key, value) in &rows {
                    last = split_u64(key.get(1..).unwrap_or_default())?.0;
                    records.extend(wanted(last, value, filter)?);
                }
                Ok((records, (rows.len() == READ_PAGE).then_some(last)))
            }
        }
    }

    fn read_indexed(
        &self,
        application: &ApplicationId,
        behind: u64,
        end: u64,
        filter: &LogFilter,
    ) -> Result<(Vec<LogRecord>, Option<u64>), StoreError> {
        let (from, to) = (index_key(application, behind + 1), index_key(application, end + 1));
        let rows: Vec<Row> =
            self.lanes.range(Space::Log, from, to, READ_PAGE).collect::<Result<_, _>>()?;
        let mut records = Vec::with_capacity(rows.len());
        let mut last = behind;
        for (key, _) in &rows {
            let number =
                key.last_chunk::<8>().ok_or_else(|| corrupt("a key of the log's index"))?;
            last = u64::from_be_bytes(*number);
            // Retention may just have deleted it.
            if let Some(value) = self.lanes.get(Space::Log, &log_key(last))? {
                records.extend(wanted(last, &value, filter)?);
            }
        }
        Ok((records, (rows.len() == READ_PAGE).then_some(last)))
    }
}

#[async_trait]
impl ApplicationStore for EmbeddedStore {
    async fn get(&self, key: &RegistryKey) -> Result<Versioned<RegistryRecord>, StoreError> {
        let row = self.lanes.get(Space::State, &registry_key(key))?;
        registry_record(key, &row.ok_or_else(|| missing(key))?)
    }

    async fn put(
        &self,
        record: &RegistryRecord,
        replaces: Replaces,
    ) -> Result<Revision, StoreError> {
        let key = record.key();
        let octets = record.encode();
        let written = self.lanes.write(|change| {
            let current = revision(change, &key)?;
            check(&key, replaces, current)?;
            let next = current.map_or(1, |revision| revision.0 + 1);
            let value = [&next.to_be_bytes()[..], &octets].concat();
            change.put(Space::State, registry_key(&key), value);
            Ok(Revision(next))
        });
        Ok(written.await?.1)
    }

    async fn delete(&self, key: &RegistryKey, replaces: Replaces) -> Result<(), StoreError> {
        let written = self.lanes.write(|change| {
            let current = revision(change, key)?;
            if current.is_none() {
                return Err(missing(key).into());
            }
            check(key, replaces, current)?;
            change.delete(Space::State, registry_key(key));
            match key {
                RegistryKey::Device(device) => change.delete(Space::State, session_key(device)),
                RegistryKey::Integration(_) => change.delete(Space::State, reader_key(key)),
                _ => {}
            }
            Ok(())
        });
        written.await?;
        Ok(())
    }

    async fn put_readers(
        &self,
        readers: &[(IntegrationKey, ReaderState)],
    ) -> Result<(), StoreError> {
        let rows = readers.iter().map(|(key, state)| {
            let key = RegistryKey::Integration(key.clone());
            (registry_key(&key), reader_key(&key), state.encode())
        });
        let rows: Vec<_> = rows.collect();
        let written = self.lanes.write(|change| {
            for (integration, reader, state) in &rows {
                if change.get(Space::State, integration)?.is_some() {
                    change.put(Space::State, reader.clone(), state.clone());
                }
            }
            Ok(())
        });
        written.await?;
        Ok(())
    }

    fn load(&self) -> BoxStream<'_, Result<Loaded, StoreError>> {
        let (from, to) = Table::ApplicationRegistry.prefix(&[]);
        let registry = self.lanes.range(Space::State, from, to, usize::MAX).map(|row| {
            let (key, value) = row?;
            let key = RegistryKey::decode(key.get(1..).unwrap_or_default())?;
            Ok(Loaded::Registry(registry_record(&key, &value)?))
        });
        let (from, to) = Table::ApplicationSession.prefix(&[]);
        let sessions = self.lanes.range(Space::State, from, to, usize::MAX).map(|row| {
            let (key, value) = row?;
            let device = parse_uid(key.get(1..).unwrap_or_default())?;
            Ok(Loaded::Sessions(device, SessionRecord::decode(&value)?.into()))
        });
        let (from, to) = Table::ApplicationReader.prefix(&[]);
        let readers = self.lanes.range(Space::State, from, to, usize::MAX).map(|row| {
            let (key, value) = row?;
            match RegistryKey::decode(key.get(1..).unwrap_or_default())? {
                RegistryKey::Integration(key) => {
                    Ok(Loaded::Reader(key, ReaderState::decode(&value)?))
                }
                _ => Err(corrupt("the key of an integration's place in the log")),
            }
        });
        stream::iter(registry.chain(sessions).chain(readers)).boxed()
    }
}

fn append(change: &mut Change<'_>, batch: &LogBatch) -> Result<(), Denied> {
    let owners = batch.records.iter().map(|(owned, _)| owned);
    let owners = owners.chain(batch.sessions.iter().map(|(owned, ..)| owned));
    for owned in owners {
        if change.state.is_fenced(owned) {
            return Err(Refusal::Fenced.into());
        }
    }
    let mut log = change.state.counters.log;
    for (_, record) in &batch.records {
        log.last += 1;
        let application = &record.up.ids.key.application_id;
        let value = log_value(record, application);
        log.bytes += value.len() as u64;
        change.put(Space::Log, log_key(log.last), value);
        change.put(Space::Log, index_key(application, log.last), Vec::new());
    }
    for (_, device, sessions) in &batch.sessions {
        change.put(Space::State, session_key(device), sessions.encode());
    }
    if !batch.records.is_empty() {
        change.put(Space::State, LOG_COUNTER.to_vec(), log.encode());
        change.state.counters.log = log;
    }
    Ok(())
}

/// Deletes up to [`TRUNCATE_PAGE`] records from the front and gives their number.
fn truncate(change: &mut Change<'_>, retention: &Retention) -> Result<u64, Denied> {
    let mut log = change.state.counters.log;
    // Only what is durable has been delivered or can be read again.
    let (from, to) = (log_key(log.forgotten + 1), log_key(log.durable + 1));
    let rows: Vec<Row> =
        change.range(Space::Log, from, to, TRUNCATE_PAGE).collect::<Result<_, _>>()?;
    let mut deleted = 0;
    for (key, value) in rows {
        let (received_at, application, _) = split_log_value(&value)?;
        let is_old = retention.before.is_some_and(|before| received_at < before);
        let is_too_much = retention.bytes_max.is_some_and(|max| log.bytes > max);
        if !is_old && !is_too_much {
            break;
        }
        log.forgotten += 1;
        log.bytes = log.bytes.saturating_sub(value.len() as u64);
        deleted += 1;
        change.delete(Space::Log, index_key_of(application, log.forgotten));
        change.delete(Space::Log, key);
    }
    change.put(Space::State, LOG_COUNTER.to_vec(), log.encode());
    change.state.counters.log = log;
    Ok(deleted)
}

fn wanted(number: u64, value: &[u8], filter: &LogFilter) -> Result<Option<LogRecord>, StoreError> {
    let (received_at, _, octets) = split_log_value(value)?;
    if filter.since.is_some_and(|since| received_at < since) {
        return Ok(None);
    }
    let record = Record::decode(octets)?;
    Ok(filter.matches(&record).then(|| LogRecord {
        cursor: Cursor::behind(number),
        entry: LogEntry::Record(record.into()),
    }))
}

/// Time and application in front, so that retention need not decode the record.
fn log_value(record: &Record, application: &ApplicationId) -> Vec<u8> {
    let application = application.as_str().as_bytes();
    // Ids are short: they fit an octet by the rules of ids.
    let length = u8::try_from(application.len()).unwrap_or(u8::MAX);
    let time = record.up.received_at.unix_nanos().to_be_bytes();
    [&time[..], &[length], application, &record.encode()].concat()
}

fn split_log_value(value: &[u8]) -> Result<(Timestamp, &[u8], &[u8]), StoreError> {
    let (time, rest) = split_u64(value)?;
    let split =
        rest.split_first().and_then(|(length, rest)| rest.split_at_checked(usize::from(*length)));
    let (application, octets) = split.ok_or_else(|| corrupt("a record of the log"))?;
    Ok((Timestamp::from_unix_nanos(time.cast_signed()), application, octets))
}

/// The numbers of a log in the form of a dump.
#[cfg(feature = "dump")]
pub(crate) fn dump_counter(value: &[u8]) -> Vec<u8> {
    // How large a log is, every store reckons for itself.
    value.get(..16).unwrap_or_default().to_vec()
}

/// Writes the numbers of a log from a dump.
#[cfg(feature = "dump")]
pub(crate) fn fill_counter(change: &mut Change<'_>, value: &[u8]) -> Result<(), StoreError> {
    let (forgotten, rest) = split_u64(value)?;
    let log = &mut change.state.counters.log;
    (log.forgotten, log.last, log.bytes) = (forgotten, split_u64(rest)?.0, 0);
    let counter = log.encode();
    change.put(Space::State, LOG_COUNTER.to_vec(), counter);
    Ok(())
}

/// Writes a record of a log from a dump.
#[cfg(feature = "dump")]
pub(crate) fn fill_record(
    change: &mut Change<'_>,
    number: &[u8],
    value: &[u8],
) -> Result<(), StoreError> {
    let (_, application, _) = split_log_value(value)?;
    let number = split_u64(number)?.0;
    let log = &mut change.state.counters.log;
    log.bytes += value.len() as u64;
    let counter = log.encode();
    change.put(Space::State, LOG_COUNTER.to_vec(), counter);
    change.put(Space::Log, index_key_of(application, number), Vec::new());
    change.put(Space::Log, log_key(number), value);
    Ok(())
}

fn revision(change: &Change<'_>, key: &RegistryKey) -> Result<Option<Revision>, StoreError> {
    let row = change.get(Space::State, &registry_key(key))?;
    row.map(|row| split_u64(&row).map(|(revision, _)| Revision(revision))).transpose()
}

fn registry_record(key: &RegistryKey, row: &[u8]) -> Result<Versioned<RegistryRecord>, StoreError> {
    let (revision, octets) = split_u64(row)?;
    let value = RegistryRecord::decode(key, octets)?;
    Ok(Versioned { revision: Revision(revision), value })
}

fn missing(key: &RegistryKey) -> StoreError {
    StoreError::new(StoreErrorKind::NotFound, format!("{key:?}"))
}

fn check(
    key: &RegistryKey,
    replaces: Replaces,
    current: Option<Revision>,
) -> Result<(), StoreError> {
    if replaces.allows(current) {
        return Ok(());
    }
    let kind = match (replaces, current) {
        (Replaces::Nothing, _) => StoreErrorKind::AlreadyExists,
        (_, None) => StoreErrorKind::NotFound,
        _ => StoreErrorKind::Conflict,
    };
    Err(StoreError::new(kind, format!("{key:?}")))
}

fn registry_key(key: &RegistryKey) -> Vec<u8> {
    Table::ApplicationRegistry.key(&[&key.encode()])
}

fn reader_key(integration: &RegistryKey) -> Vec<u8> {
    Table::ApplicationReader.key(&[&integration.encode()])
}

fn session_key(device: &DeviceKey) -> Vec<u8> {
    Table::ApplicationSession.key(&[&uid(device)])
}

fn log_key(number: u64) -> Vec<u8> {
    [&[RECORD][..], &number.to_be_bytes()].concat()
}

fn index_key(application: &ApplicationId, number: u64) -> Vec<u8> {
    index_key_of(application.as_str().as_bytes(), number)
}

fn index_key_of(application: &[u8], number: u64) -> Vec<u8> {
    [&[INDEX][..], application, &[0], &number.to_be_bytes()].concat()
}

/// Kinds of rows in [`Space::Log`].
pub(crate) const RECORD: u8 = 0;
const INDEX: u8 = 1;

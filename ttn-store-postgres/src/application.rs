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
    id::DeviceKey,
    store::{
        Position, Refusal, Refused, Replaces, Revision, StoreError, StoreErrorKind, Versioned,
    },
};

use crate::{
    PostgresStore,
    engine::{Db, Failure, Row, ToSql, get, pages},
    lane::{LogRow, State, device_key},
};

/// How many entries are read at a time.
const READ_PAGE: i64 = 256;
/// How many records are deleted at a time.
const TRUNCATE_PAGE: i64 = 1024;
/// How many rows are loaded at a time.
const LOAD_PAGE: i64 = 1024;

#[async_trait]
impl ApplicationLog for PostgresStore {
    fn append(&self, batch: LogBatch) -> Result<Position, Refused<LogBatch>> {
        let taken = self.lanes.submit(batch.lane, |state| append(state, &batch));
        taken.map_err(|reason| Refused { batch, reason })
    }

    fn read<'a>(
        &'a self,
        from: &Cursor,
        filter: &LogFilter,
    ) -> BoxStream<'a, Result<LogRecord, StoreError>> {
        let (from, filter) = (from.clone(), filter.clone());
        let records = async move {
            let (gap, reading) = match self.begin(&from, filter).await {
                Ok(begun) => begun,
                Err(error) => return stream::iter([Err(error)]).boxed(),
            };
            let rest = pages(reading, |reading| Box::pin(self.read_page(reading)));
            stream::iter(gap.map(Ok)).chain(rest).boxed()
        };
        stream::once(records).flatten().boxed()
    }

    fn end(&self) -> Cursor {
        Cursor::behind(self.lanes.with_state(|state| state.log_last))
    }

    async fn truncate(&self, retention: &Retention) -> Result<u64, StoreError> {
        let mut deleted = 0;
        loop {
            let page =
                self.engine.write(*retention, |db, retention| Box::pin(truncate(db, retention)));
            let page = page.await?;
            deleted += page.cast_unsigned();
            if page < TRUNCATE_PAGE {
                return Ok(deleted);
            }
        }
    }
}

/// A reader on its way.
#[derive(Clone)]
struct Reading {
    behind: i64,
    end: i64,
    filter: LogFilter,
}

impl PostgresStore {
    /// Finds where to begin; gives a gap if records were deleted.
    async fn begin(
        &self,
        from: &Cursor,
        filter: LogFilter,
    ) -> Result<(Option<LogRecord>, Reading), StoreError> {
        let state = self.engine.read((), |db, ()| {
            Box::pin(async move {
                let row = db.row(LOG_STATE, &[]).await?;
                let row = row.map(|row| Ok::<_, StoreError>((get(&row, 0)?, get(&row, 1)?)));
                Ok::<(i64, i64), Failure>(row.transpose()?.unwrap_or_default())
            })
        });
        let (forgotten, last) = state.await?;
        let at = match from.number() {
            Some(number) => number.cast_signed(),
            None if from.is_start() => forgotten,
            None if from.is_end() => last,
            None => {
                let context = format!("the cursor {from}");
                return Err(StoreError::new(StoreErrorKind::Corrupt, context));
            }
        };
        let gap = (at < forgotten).then(|| {
            let entry = LogEntry::Gap { lost: (forgotten - at).cast_unsigned() };
            LogRecord { cursor: Cursor::behind(forgotten.cast_unsigned()), entry }
        });
        Ok((gap, Reading { behind: at.max(forgotten), end: last, filter }))
    }

    async fn read_page(
        &self,
        reading: Reading,
    ) -> Result<(Vec<LogRecord>, Option<Reading>), StoreError> {
        let page = self.engine.read(reading.clone(), |db, reading| Box::pin(page(db, reading)));
        let records = page.await?;
        let next = records.last().filter(|_| records.len() == READ_PAGE as usize);
        let next = next.and_then(|record| record.cursor.number());
        let next = next.map(|number| Reading { behind: number.cast_signed(), ..reading });
        Ok((records, next))
    }
}

fn append(state: &mut State, batch: &LogBatch) -> Result<(), Refusal> {
    let owners = batch.records.iter().map(|(owned, _)| owned);
    let owners = owners.chain(batch.sessions.iter().map(|(owned, ..)| owned));
    if owners.clone().any(|owned| state.is_fenced(owned)) {
        return Err(Refusal::Fenced);
    }
    owners.for_each(|owned| state.pending.own(owned));
    for (_, record) in &batch.records {
        state.pending.append(LogRow {
            key: record.up.ids.key.clone(),
            received_at: record.up.received_at.unix_nanos(),
            record: record.encode(),
        });
    }
    for (_, device, sessions) in &batch.sessions {
        state.pending.put_session(device.clone(), sessions.encode());
    }
    Ok(())
}

/// Reads what is wanted of the log, a page at most.
async fn page(
    db: &Db,
    Reading { behind, end, filter }: &Reading,
) -> Result<Vec<LogRecord>, Failure> {
    let device = filter.device.as_ref();
    let application =
        filter.application.as_ref().or_else(|| device.map(|device| &device.application_id));
    let application = application.map(ttn_core::id::ApplicationId::as_str);
    let device_id = device.map(|device| device.device_id.as_str());
    let since = filter.since.map(|since| since.unix_nanos());
    let rows = match application {
        None => db.rows(READ, &[behind, end, &since, &READ_PAGE]).await?,
        Some(application) => {
            let of: [&(dyn ToSql + Sync); 6] =
                [behind, end, &since, &READ_PAGE, &application, &device_id];
            db.rows(READ_APPLICATION, &of).await?
        }
    };
    let records = rows.iter().map(|row| {
        let record = Record::decode(get(row, 1)?)?;
        let cursor = Cursor::behind(get::<i64>(row, 0)?.cast_unsigned());
        Ok(LogRecord { cursor, entry: LogEntry::Record(record.into()) })
    });
    records.collect()
}

/// Deletes up to [`TRUNCATE_PAGE`] records from the front and gives their number.
async fn truncate(db: &Db, retention: &Retention) -> Result<i64, Failure> {
    let Some(state) = db.row(LOCK_LOG_STATE, &[]).await? else { return Ok(0) };
    let (forgotten, last): (i64, i64) = (get(&state, 0)?, get(&state, 1)?);
    let mut bytes: i64 = get(&state, 2)?;
    let mut deleted = 0;
    for row in db.rows(SIZES, &[&forgotten, &last, &TRUNCATE_PAGE]).await? {
        let (received_at, size): (i64, i32) = (get(&row, 0)?, get(&row, 1)?);
        let is_old = retention.before.is_some_and(|before| received_at < before.unix_nanos());
        let is_too_much = retention.bytes_max.is_some_and(|max| bytes.cast_unsigned() > max);
        if !is_old && !is_too_much {
            break;
        }
        bytes = (bytes - i64::from(size)).max(0);
        deleted += 1;
    }
    if deleted > 0 {
        let forgotten = forgotten + deleted;
        db.run("DELETE FROM log WHERE number <= $1", &[&forgotten]).await?;
        db.run("UPDATE log_state SET forgotten = $1, bytes = $2", &[&forgotten, &bytes]).await?;
    }
    Ok(deleted)
}

#[async_trait]
impl ApplicationStore for PostgresStore {
    async fn get(&self, key: &RegistryKey) -> Result<Versioned<RegistryRecord>, StoreError> {
        let read = self.engine.read(key.clone(), |db, key| {
            Box::pin(async move {
                let row = db.row(GET, &[&key.encode()]).await?;
                Ok(registry_record(key, &row.ok_or_else(|| missing(key))?)?)
            })
        });
        read.await
    }

    async fn put(
        &self,
        record: &RegistryRecord,
        replaces: Replaces,
    ) -> Result<Revision, StoreError> {
        let of = (record.key(), record.encode(), replaces);
        let put = self.engine.write(of, |db, (key, record, by)| {
            Box::pin(async move {
                let stored = locked_revision(db, key).await?;
                check(key, *by, stored)?;
                let next = stored.map_or(1, |revision| revision.0 + 1);
                // Who makes the same record at once fails at its key, and tries again.
                let statement = if stored.is_some() { UPDATE } else { INSERT };
                db.run(statement, &[&key.encode(), &next.cast_signed(), record]).await?;
                Ok(Revision(next))
            })
        });
        Ok(put.await?)
    }

    async fn delete(&self, key: &RegistryKey, replaces: Replaces) -> Result<(), StoreError> {
        // Session records that were taken before are not written after it.
        self.lanes.flush().await?;
        let deleted = self
            .engine
            .write((key.clone(), replaces), |db, (key, by)| Box::pin(delete(db, key, *by)));
        Ok(deleted.await?)
    }

    async fn put_readers(
        &self,
        readers: &[(IntegrationKey, ReaderState)],
    ) -> Result<(), StoreError> {
        let rows = readers
            .iter()
            .map(|(key, state)| (RegistryKey::Integration(key.clone()).encode(), state.encode()));
        let rows: (Vec<Vec<u8>>, Vec<Vec<u8>>) = rows.unzip();
        let put = self.engine.write(rows, |db, (keys, states)| {
            Box::pin(async move {
                db.rows(LOCK_INTEGRATIONS, &[keys]).await?;
                db.run(PUT_READERS, &[keys, states]).await?;
                Ok(())
            })
        });
        Ok(put.await?)
    }

    fn load(&self) -> BoxStream<'_, Result<Loaded, StoreError>> {
        let registry = self.load_table(Vec::new(), REGISTRY, |row| {
            let key: Vec<u8> = get(row, 0)?;
            let of = RegistryKey::decode(&key)?;
            let value = RegistryRecord::decode(&of, get(row, 2)?)?;
            let revision = Revision(get::<i64>(row, 1)?.cast_unsigned());
            Ok((Loaded::Registry(Versioned { revision, value }), key))
        });
        let sessions = self.load_table(vec![String::new(); 2], SESSIONS, |row| {
            let sessions = SessionRecord::decode(get(row, 2)?)?;
            let loaded = Loaded::Sessions(device_key(row, 0)?, sessions.into());
            Ok((loaded, vec![get(row, 0)?, get(row, 1)?]))
        });
        let readers = self.load_table(Vec::new(), READERS, |row| {
            let key: Vec<u8> = get(row, 0)?;
            let RegistryKey::Integration(of) = RegistryKey::decode(&key)? else {
                let context = "the key of an integration's place in the log";
                return Err(StoreError::new(StoreErrorKind::Corrupt, context));
            };
            Ok((Loaded::Reader(of, ReaderState::decode(get(row, 1)?)?), key))
        });
        registry.chain(sessions).chain(readers).boxed()
    }
}

/// What a row is, and its key.
type Parse<K> = fn(&Row) -> Result<(Loaded, K), StoreError>;

impl PostgresStore {
    /// Reads a table behind a key, in the order of the keys.
    fn load_table<K>(
        &self,
        behind: K,
        sql: &'static str,
        parse: Parse<K>,
    ) -> BoxStream<'_, Result<Loaded, StoreError>>
    where
        K: ToSql + Send + Sync + 'static,
    {
        pages(behind, move |behind| {
            Box::pin(async move {
                let read = self.engine.read((sql, behind), |db, (sql, behind)| {
                    Box::pin(async move { db.rows(sql, &[behind, &LOAD_PAGE]).await })
                });
                let rows = read.await?;
                let mut loaded = Vec::with_capacity(rows.len());
                let mut last = None;
                for row in &rows {
                    let (row, key) = parse(row)?;
                    loaded.push(row);
                    last = Some(key);
                }
                Ok((loaded, last.filter(|_| rows.len() == LOAD_PAGE as usize)))
            })
        })
    }
}

async fn delete(db: &Db, key: &RegistryKey, replaces: Replaces) -> Result<(), Failure> {
    let stored = locked_revision(db, key).await?;
    if stored.is_none() {
        return Err(missing(key).into());
    }
    check(key, replaces, stored)?;
    db.run("DELETE FROM application_registry WHERE key = $1", &[&key.encode()]).await?;
    match key {
        RegistryKey::Device(DeviceKey { application_id, device_id, .. }) => {
            db.run(DELETE_SESSION, &[&application_id.as_str(), &device_id.as_str()]).await?;
        }
        RegistryKey::Integration(_) => {
            db.run("DELETE FROM application_reader WHERE key = $1", &[&key.encode()]).await?;
        }
        _ => {}
    }
    Ok(())
}

async fn locked_revision(db: &Db, key: &RegistryKey) -> Result<Option<Revision>, Failure> {
    let row = db.row(LOCK, &[&key.encode()]).await?;
    let revision = row.map(|row| get::<i64>(&row, 0)).transpose()?;
    Ok(revision.map(|revision| Revision(revision.cast_unsigned())))
}

fn registry_record(key: &RegistryKey, row: &Row) -> Result<Versioned<RegistryRecord>, StoreError> {
    let revision = Revision(get::<i64>(row, 0)?.cast_unsigned());
    Ok(Versioned { revision, value: RegistryRecord::decode(key, get(row, 1)?)? })
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

const LOG_STATE: &str = "SELECT forgotten, last FROM log_state";
const LOCK_LOG_STATE: &str = "SELECT forgotten, last, bytes FROM log_state FOR UPDATE";
const SIZES: &str = "SELECT received_at, octet_length(record) FROM log \
    WHERE number > $1 AND number <= $2 ORDER BY number LIMIT $3";
const READ: &str = "SELECT number, record FROM log WHERE number > $1 AND number <= $2 \
    AND ($3::int8 IS NULL OR received_at >= $3) ORDER BY number LIMIT $4";
const READ_APPLICATION: &str = "SELECT number, record FROM log \
    WHERE number > $1 AND number <= $2 AND ($3::int8 IS NULL OR received_at >= $3) \
    AND application = $5 AND ($6::text IS NULL OR device_id = $6) ORDER BY number LIMIT $4";
const GET: &str = "SELECT revision, record FROM application_registry WHERE key = $1";
const LOCK: &str = "SELECT revision FROM application_registry WHERE key = $1 FOR UPDATE";
const INSERT: &str = "INSERT INTO application_registry (key, revision, record) VALUES ($1, $2, $3)";
const UPDATE: &str = "UPDATE application_registry SET revision = $2, record = $3 WHERE key = $1";
const DELETE_SESSION: &str =
    "DELETE FROM application_session WHERE application = $1 AND device_id = $2";
const LOCK_INTEGRATIONS: &str = "SELECT key FROM application_registry \
    WHERE key = ANY($1::bytea[]) ORDER BY key FOR KEY SHARE";
const PUT_READERS: &str = "INSERT INTO application_reader (key, state) \
    SELECT r.key, r.state FROM unnest($1::bytea[], $2::bytea[]) AS r(key, state) \
    JOIN application_registry i ON i.key = r.key ORDER BY r.key \
    ON CONFLICT (key) DO UPDATE SET state = EXCLUDED.state";
const REGISTRY: &str = "SELECT key, revision, record FROM application_registry \
    WHERE key > $1 ORDER BY key LIMIT $2";
const SESSIONS: &str = "SELECT application, device_id, record FROM application_session \
    WHERE (application, device_id) > (($1::text[])[1], ($1::text[])[2]) ORDER BY application, device_id LIMIT $2";
const READERS: &str =
    "SELECT key, state FROM application_reader WHERE key > $1 ORDER BY key LIMIT $2";

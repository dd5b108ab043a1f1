//! Moving a whole store: its rows in the form of `ttn_core::store::dump`.

use async_trait::async_trait;
use futures::{
    StreamExt as _, TryStreamExt as _,
    stream::{self, BoxStream},
};
use ttn_as::log::Record;
use ttn_core::{
    id::DeviceKey,
    store::{
        StoreError, StoreErrorKind,
        dump::{Dump, DumpRow, DumpTable},
    },
};
use ttn_js::{Device, store::SessionKeySet};
use ttn_ns::store::DeviceRecord;

use crate::{
    PostgresStore,
    engine::{Db, ToSql, get},
};

/// How many rows are read or written at a time.
const PAGE: usize = 500;

#[async_trait]
impl Dump for PostgresStore {
    fn dump(&self) -> BoxStream<'_, Result<DumpRow, StoreError>> {
        let first =
            Some(Reading { db: None, tables: DumpTable::ALL.to_vec().into_iter(), at: None });
        let pages = stream::try_unfold(first, move |reading| async move {
            match reading {
                Some(reading) => self.dump_page(reading).await,
                None => Ok(None),
            }
        });
        let rows = pages.map_ok(|rows| stream::iter(rows.into_iter().map(Ok)));
        rows.try_flatten().boxed()
    }

    async fn fill(
        &self,
        rows: BoxStream<'_, Result<DumpRow, StoreError>>,
    ) -> Result<u64, StoreError> {
        let db = self.engine.lend().await?;
        db.batch("BEGIN ISOLATION LEVEL READ COMMITTED").await?;
        // Not committed unless all of it was taken: the connection is closed then.
        let count = fill(&db, rows).await?;
        db.batch("COMMIT").await?;
        db.keep();
        Ok(count)
    }
}

/// A dump on its way.
struct Reading {
    /// In a transaction that sees one state of the database.
    db: Option<Db>,
    tables: std::vec::IntoIter<DumpTable>,
    /// The table whose cursor is open.
    at: Option<DumpTable>,
}

impl PostgresStore {
    async fn dump_page(
        &self,
        mut reading: Reading,
    ) -> Result<Option<(Vec<DumpRow>, Option<Reading>)>, StoreError> {
        let db = match reading.db.take() {
            Some(db) => db,
            None => {
                let db = self.engine.lend().await?;
                db.batch("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
                db
            }
        };
        let table = match reading.at {
            Some(table) => table,
            None => {
                let Some(table) = reading.tables.next() else {
                    db.batch("COMMIT").await?;
                    db.keep();
                    return Ok(None);
                };
                db.batch(&format!("DECLARE dump NO SCROLL CURSOR FOR {}", source(table))).await?;
                table
            }
        };
        let rows = db.loose_rows(&format!("FETCH {PAGE} FROM dump")).await?;
        let is_over = rows.len() < PAGE;
        if is_over {
            db.batch("CLOSE dump").await?;
        }
        reading.at = (!is_over).then_some(table);
        reading.db = Some(db);
        let dump = |row| Ok(DumpRow { table, key: get(row, 0)?, value: get(row, 1)? });
        let rows = rows.iter().map(dump).collect::<Result<_, StoreError>>()?;
        Ok(Some((rows, Some(reading))))
    }
}

async fn fill(
    db: &Db,
    rows: BoxStream<'_, Result<DumpRow, StoreError>>,
) -> Result<u64, StoreError> {
    for of in
        ["partitions", "identity", "log", "network_device", "join_nonces", "application_registry"]
    {
        if !db.loose_rows(&format!("SELECT 1 FROM {of} LIMIT 1")).await?.is_empty() {
            let context = "what is in this database";
            return Err(StoreError::new(StoreErrorKind::AlreadyExists, context));
        }
    }
    let mut pages = rows.try_chunks(PAGE);
    let mut count = 0;
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| error.1)?;
        for rows in page.chunk_by(|one, other| one.table == other.table) {
            fill_rows(db, rows).await?;
        }
        count += page.len() as u64;
    }
    db.batch(LOG_BYTES).await?;
    Ok(count)
}

/// Writes rows of one table, with what follows from them.
async fn fill_rows(db: &Db, rows: &[DumpRow]) -> Result<(), StoreError> {
    let Some(DumpRow { table, .. }) = rows.first() else { return Ok(()) };
    let mut filled = Vec::with_capacity(rows.len());
    let mut counters = Vec::new();
    for row in rows {
        filled.push(Columns::of(row).ok_or_else(|| row.corrupt())?);
        if *table == DumpTable::JoinNonces {
            let parts = row.value.get(12..).unwrap_or_default();
            for counter in parts.chunks(10) {
                counters.push(Columns::of_counter(&row.key, counter).ok_or_else(|| row.corrupt())?);
            }
        }
    }
    insert(db, target(*table), &filled).await?;
    insert(db, COUNTERS, &counters).await
}

async fn insert(db: &Db, statement: &str, rows: &[Columns]) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    let numbers = |at: usize| rows.iter().map(|row| row.numbers[at]).collect::<Vec<i64>>();
    let texts = |at: usize| rows.iter().map(|row| row.texts[at].as_str()).collect::<Vec<&str>>();
    let octets = |at: usize| rows.iter().map(|row| row.octets[at].as_slice()).collect::<Vec<_>>();
    let sql = format!("{statement} FROM {ROWS}");
    let numbers = [numbers(0), numbers(1), numbers(2)];
    let texts = [texts(0), texts(1)];
    let octets = [octets(0), octets(1), octets(2), octets(3)];
    let params: [&(dyn ToSql + Sync); 9] = [
        &numbers[0],
        &numbers[1],
        &numbers[2],
        &texts[0],
        &texts[1],
        &octets[0],
        &octets[1],
        &octets[2],
        &octets[3],
    ];
    db.loose_run(&sql, &params).await?;
    Ok(())
}

/// The columns of a row, by their kinds and in the order of the tables.
#[derive(Default)]
struct Columns {
    numbers: [i64; 3],
    texts: [String; 2],
    octets: [Vec<u8>; 4],
}

impl Columns {
    /// Takes a row apart; `None` if it is none of its table.
    fn of(row: &DumpRow) -> Option<Self> {
        let mut it = Self::default();
        let (key, value) = (row.key.as_slice(), row.value.as_slice());
        match row.table {
            DumpTable::Epoch => it.numbers = [number(key, 2)?.0, number(value, 8)?.0, 0],
            DumpTable::NetworkDevice => {
                let (revision, record) = it.place(key, value)?;
                it.numbers[2] = revision;
                it.octets[0] = record.to_vec();
                it.texts = texts(DeviceRecord::decode(record).ok()?.key());
            }
            DumpTable::NetworkHot => {
                it.place(key, &[0; 8])?;
                it.octets[0] = value.to_vec();
            }
            DumpTable::NetworkItem => {
                it.place(key, &[0; 8])?;
                it.numbers[2] = number(key.get(10..)?, 8)?.0;
                it.octets[0] = value.to_vec();
            }
            DumpTable::LogState => {
                let (forgotten, rest) = number(value, 8)?;
                it.numbers = [forgotten, number(rest, 8)?.0, 0];
            }
            DumpTable::Log => {
                let (time, rest) = number(value, 8)?;
                let (length, rest) = rest.split_first()?;
                let (_, record) = rest.split_at_checked(usize::from(*length))?;
                it.numbers = [number(key, 8)?.0, time, 0];
                it.octets[0] = record.to_vec();
                it.texts = texts(&Record::decode(record).ok()?.up.ids.key);
            }
            DumpTable::ApplicationSession => {
                it.texts = uid(key)?;
                it.octets[0] = value.to_vec();
            }
            DumpTable::ApplicationReader => {
                (it.octets[0], it.octets[1]) = (key.to_vec(), value.to_vec());
            }
            DumpTable::ApplicationRegistry => {
                let (revision, record) = number(value, 8)?;
                it.numbers[0] = revision;
                (it.octets[0], it.octets[1]) = (key.to_vec(), record.to_vec());
            }
            DumpTable::Identity => {
                let (kind, key) = number(key, 1)?;
                let (revision, value) = number(value, 8)?;
                it.numbers = [kind, revision, 0];
                it.texts[0] = text(key)?;
                it.octets[0] = value.to_vec();
            }
            DumpTable::IdentityRevision => it.numbers[0] = number(value, 8)?.0,
            _ => return it.of_join(row),
        }
        Some(it)
    }

    /// The same for the tables of the Join Server.
    fn of_join(self, row: &DumpRow) -> Option<Self> {
        let mut it = self;
        let (key, value) = (row.key.as_slice(), row.value.as_slice());
        match row.table {
            DumpTable::JoinDevice => {
                let (revision, record) = number(value, 8)?;
                it.numbers[0] = revision;
                it.texts = uid(key)?;
                let key = DeviceKey::new(it.texts[0].parse().ok()?, it.texts[1].parse().ok()?);
                let euis = Device::decode(key, record).ok()?.euis;
                it.octets[0] = record.to_vec();
                it.octets[1] = euis.join_eui.to_be_bytes().to_vec();
                it.octets[2] = euis.dev_eui.to_be_bytes().to_vec();
            }
            DumpTable::JoinNonces => {
                let (revision, rest) = number(value, 8)?;
                it.numbers = [revision, number(rest, 4)?.0, 0];
                it.euis(key)?;
            }
            DumpTable::JoinUsedDevNonce => {
                let (tag, dev_nonce) = it.euis(key)?.split_at_checked(8)?;
                it.octets[2] = tag.to_vec();
                it.numbers[0] = number(dev_nonce, 2)?.0;
            }
            DumpTable::JoinSessionKeys => {
                let (age, _) = number(it.euis(key)?, 4)?;
                // Below those of joins to come.
                it.numbers[0] = -age;
                it.octets[2] = SessionKeySet::decode(value).ok()?.keys.id.as_bytes().to_vec();
                it.octets[3] = value.to_vec();
            }
            DumpTable::JoinActivationSettings => {
                let (revision, record) = number(value, 8)?;
                it.numbers[0] = revision;
                it.texts[0] = text(key)?;
                it.octets[0] = record.to_vec();
            }
            _ => return None,
        }
        Some(it)
    }

    fn of_counter(euis: &[u8], counter: &[u8]) -> Option<Self> {
        let mut it = Self::default();
        it.euis(euis)?;
        let (tag, last) = counter.split_at_checked(8)?;
        it.octets[2] = tag.to_vec();
        it.numbers[0] = number(last, 2)?.0;
        Some(it)
    }

    /// Takes partition and device of a key; gives what begins the value.
    fn place<'a>(&mut self, key: &[u8], value: &'a [u8]) -> Option<(i64, &'a [u8])> {
        let (partition, rest) = number(key, 2)?;
        self.numbers = [partition, number(rest, 8)?.0, 0];
        number(value, 8)
    }

    /// Takes the EUIs that begin a key; gives the rest.
    fn euis<'a>(&mut self, key: &'a [u8]) -> Option<&'a [u8]> {
        let (join, rest) = key.split_at_checked(8)?;
        let (dev, rest) = rest.split_at_checked(8)?;
        (self.octets[0], self.octets[1]) = (join.to_vec(), dev.to_vec());
        Some(rest)
    }
}

/// Reads a big-endian number of so many octets.
fn number(octets: &[u8], length: usize) -> Option<(i64, &[u8])> {
    let (number, rest) = octets.split_at_checked(length)?;
    let number = number.iter().fold(0_u64, |sum, octet| (sum << 8) | u64::from(*octet));
    Some((number.cast_signed(), rest))
}

fn text(octets: &[u8]) -> Option<String> {
    String::from_utf8(octets.to_vec()).ok()
}

fn texts(key: &DeviceKey) -> [String; 2] {
    [key.application_id.to_string(), key.device_id.to_string()]
}

fn uid(octets: &[u8]) -> Option<[String; 2]> {
    let uid = text(octets)?;
    let (application, device) = uid.split_once('\0')?;
    Some([application.to_owned(), device.to_owned()])
}

/// Reads a table as keys and values.
const fn source(table: DumpTable) -> &'static str {
    match table {
        DumpTable::Epoch => {
            "SELECT int2send(partition), int8send(epoch) FROM partitions ORDER BY partition"
        }
        DumpTable::NetworkDevice => {
            "SELECT int2send(partition) || int8send(device), int8send(revision) || record \
             FROM network_device ORDER BY partition, device"
        }
        DumpTable::NetworkHot => {
            "SELECT int2send(partition) || int8send(device), hot \
             FROM network_hot ORDER BY partition, device"
        }
        DumpTable::NetworkItem => {
            "SELECT int2send(partition) || int8send(device) || int8send(seq), item \
             FROM network_queue ORDER BY partition, device, seq"
        }
        DumpTable::LogState => {
            "SELECT ''::bytea, int8send(forgotten) || int8send(last) FROM log_state"
        }
        DumpTable::Log => {
            "SELECT int8send(number), int8send(received_at) \
             || set_byte('\\x00'::bytea, 0, octet_length(application)) \
             || convert_to(application, 'UTF8') || record FROM log ORDER BY number"
        }
        DumpTable::ApplicationRegistry => {
            "SELECT key, int8send(revision) || record FROM application_registry ORDER BY key"
        }
        DumpTable::ApplicationSession => {
            "SELECT convert_to(application, 'UTF8') || '\\x00'::bytea \
             || convert_to(device_id, 'UTF8'), record \
             FROM application_session ORDER BY application, device_id"
        }
        DumpTable::ApplicationReader => "SELECT key, state FROM application_reader ORDER BY key",
        DumpTable::JoinDevice => {
            "SELECT convert_to(application, 'UTF8') || '\\x00'::bytea \
             || convert_to(device_id, 'UTF8'), int8send(revision) || record \
             FROM join_device ORDER BY application, device_id"
        }
        DumpTable::JoinNonces => {
            "SELECT n.join_eui || n.dev_eui, \
             int8send(n.revision) || substring(int8send(n.join_nonce) from 5) || coalesce(( \
             SELECT string_agg(c.root_key || substring(int4send(c.last) from 3), ''::bytea \
             ORDER BY c.root_key) FROM join_counter c \
             WHERE c.join_eui = n.join_eui AND c.dev_eui = n.dev_eui), ''::bytea) \
             FROM join_nonces n ORDER BY n.join_eui, n.dev_eui"
        }
        DumpTable::JoinUsedDevNonce => {
            "SELECT join_eui || dev_eui || root_key || substring(int4send(dev_nonce) from 3), \
             ''::bytea FROM join_used_nonce ORDER BY join_eui, dev_eui, root_key, dev_nonce"
        }
        DumpTable::JoinSessionKeys => {
            "SELECT join_eui || dev_eui || int4send((row_number() OVER ( \
             PARTITION BY join_eui, dev_eui ORDER BY number DESC) - 1)::int4), record \
             FROM join_session_keys ORDER BY join_eui, dev_eui, number DESC"
        }
        DumpTable::JoinActivationSettings => {
            "SELECT convert_to(application, 'UTF8'), int8send(revision) || record \
             FROM join_activation_settings ORDER BY application"
        }
        DumpTable::Identity => {
            "SELECT substring(int2send(kind) from 2) || convert_to(key, 'UTF8'), \
             int8send(revision) || value FROM identity ORDER BY kind, key"
        }
        DumpTable::IdentityRevision => "SELECT ''::bytea, int8send(revision) FROM identity_state",
    }
}

/// Writes a table from columns: `n`umbers, `t`exts, `b`ytes.
const fn target(table: DumpTable) -> &'static str {
    match table {
        DumpTable::Epoch => "INSERT INTO partitions (partition, epoch, owner) SELECT n1, n2, 0",
        DumpTable::NetworkDevice => {
            "INSERT INTO network_device (partition, device, revision, application, device_id, \
             record) SELECT n1, n2, n3, t1, t2, b1"
        }
        DumpTable::NetworkHot => {
            "INSERT INTO network_hot (partition, device, hot) SELECT n1, n2, b1"
        }
        DumpTable::NetworkItem => {
            "INSERT INTO network_queue (partition, device, seq, item) SELECT n1, n2, n3, b1"
        }
        DumpTable::LogState => "UPDATE log_state SET forgotten = n1, last = n2",
        DumpTable::Log => {
            "INSERT INTO log (number, received_at, application, device_id, record) \
             SELECT n1, n2, t1, t2, b1"
        }
        DumpTable::ApplicationRegistry => {
            "INSERT INTO application_registry (key, revision, record) SELECT b1, n1, b2"
        }
        DumpTable::ApplicationSession => {
            "INSERT INTO application_session (application, device_id, record) SELECT t1, t2, b1"
        }
        DumpTable::ApplicationReader => "INSERT INTO application_reader (key, state) SELECT b1, b2",
        DumpTable::JoinDevice => {
            "INSERT INTO join_device (application, device_id, revision, join_eui, dev_eui, record) \
             SELECT t1, t2, n1, b2, b3, b1"
        }
        DumpTable::JoinNonces => {
            "INSERT INTO join_nonces (join_eui, dev_eui, revision, join_nonce) \
             SELECT b1, b2, n1, n2"
        }
        DumpTable::JoinUsedDevNonce => {
            "INSERT INTO join_used_nonce (join_eui, dev_eui, root_key, dev_nonce) \
             SELECT b1, b2, b3, n1"
        }
        DumpTable::JoinSessionKeys => {
            "INSERT INTO join_session_keys (join_eui, dev_eui, number, id, record) \
             SELECT b1, b2, n1, b3, b4"
        }
        DumpTable::JoinActivationSettings => {
            "INSERT INTO join_activation_settings (application, revision, record) SELECT t1, n1, b1"
        }
        DumpTable::Identity => {
            "INSERT INTO identity (kind, key, revision, value) SELECT n1, t1, n2, b1"
        }
        DumpTable::IdentityRevision => "UPDATE identity_state SET revision = n1",
    }
}

const COUNTERS: &str =
    "INSERT INTO join_counter (join_eui, dev_eui, root_key, last) SELECT b1, b2, b3, n1";
/// How large a log is, every store reckons for itself.
const LOG_BYTES: &str = "UPDATE log_state SET bytes = \
    (SELECT coalesce(sum(octet_length(record)), 0) FROM log)";
/// The rows that are written.
const ROWS: &str = "unnest($1::int8[], $2::int8[], $3::int8[], $4::text[], $5::text[], \
    $6::bytea[], $7::bytea[], $8::bytea[], $9::bytea[]) \
    AS r(n1, n2, n3, t1, t2, b1, b2, b3, b4)";

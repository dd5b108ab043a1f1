//! What one transaction writes, and how: a few statements of many rows.

use std::collections::{BTreeMap, BTreeSet};

use futures::channel::oneshot;
use ttn_core::{
    id::DeviceKey,
    store::{Epoch, Owned, OwnerId, PartitionId, Revision, StoreError, StoreErrorKind},
};

use crate::engine::{Row, Step, ToSql, get};

/// Where a device's rows lie: partition and number.
pub(crate) type Place = (u16, u64);

/// Batches that are committed together. Of several writes to one row the last one counts.
#[derive(Default)]
pub(crate) struct Group {
    pub(crate) batches: usize,
    pub(crate) bytes: usize,
    /// The epochs that the batches were taken under.
    owned: BTreeMap<PartitionId, Epoch>,
    /// Devices that go with everything they have, before anything is written.
    removed: BTreeSet<Place>,
    /// Devices whose registration goes first because its unique id changes.
    renamed: BTreeSet<Place>,
    devices: BTreeMap<Place, DeviceRow>,
    hot: BTreeMap<Place, Vec<u8>>,
    queue: BTreeMap<(Place, u64), Option<Vec<u8>>>,
    log: Vec<LogRow>,
    sessions: BTreeMap<DeviceKey, Vec<u8>>,
    acquires: BTreeMap<PartitionId, Acquire>,
}

/// A registration.
pub(crate) struct DeviceRow {
    pub(crate) key: DeviceKey,
    pub(crate) revision: Revision,
    pub(crate) record: Vec<u8>,
}

/// A record of the application log.
pub(crate) struct LogRow {
    pub(crate) key: DeviceKey,
    pub(crate) received_at: i64,
    pub(crate) record: Vec<u8>,
}

struct Acquire {
    owner: OwnerId,
    senders: Vec<oneshot::Sender<Epoch>>,
}

/// A partition that was acquired.
pub(crate) struct Acquired {
    pub(crate) epoch: Epoch,
    /// Its devices: number, revision and unique id.
    #[cfg_attr(not(feature = "network"), expect(dead_code, reason = "read by the network"))]
    pub(crate) devices: Vec<(u64, Revision, DeviceKey)>,
    pub(super) senders: Vec<oneshot::Sender<Epoch>>,
}

impl Group {
    pub(super) fn is_empty(&self) -> bool {
        self.batches == 0 && self.acquires.is_empty()
    }

    /// Remembers who writes; `LATEST` is never fenced.
    pub(crate) fn own(&mut self, owned: &Owned) {
        if owned.epoch != Epoch::LATEST {
            self.owned.insert(owned.partition, owned.epoch);
        }
    }

    #[cfg(feature = "network")]
    pub(crate) fn remove(&mut self, place: Place) {
        self.devices.remove(&place);
        self.hot.remove(&place);
        self.queue.retain(|(of, _), _| *of != place);
        self.removed.insert(place);
    }

    #[cfg(feature = "network")]
    pub(crate) fn put_device(&mut self, place: Place, is_renamed: bool, row: DeviceRow) {
        self.bytes += ROW_OVERHEAD + row.record.len();
        if is_renamed {
            self.renamed.insert(place);
        }
        self.devices.insert(place, row);
    }

    #[cfg(feature = "network")]
    pub(crate) fn put_hot(&mut self, place: Place, hot: Vec<u8>) {
        self.bytes += ROW_OVERHEAD + hot.len();
        self.hot.insert(place, hot);
    }

    #[cfg(feature = "network")]
    pub(crate) fn put_item(&mut self, place: Place, seq: u64, item: Option<Vec<u8>>) {
        self.bytes += ROW_OVERHEAD + item.as_ref().map_or(0, Vec::len);
        self.queue.insert((place, seq), item);
    }

    #[cfg(feature = "application")]
    pub(crate) fn append(&mut self, row: LogRow) {
        self.bytes += ROW_OVERHEAD + row.record.len();
        self.log.push(row);
    }

    #[cfg(feature = "application")]
    pub(crate) fn put_session(&mut self, key: DeviceKey, record: Vec<u8>) {
        self.bytes += ROW_OVERHEAD + record.len();
        self.sessions.insert(key, record);
    }

    pub(super) fn acquire(
        &mut self,
        partition: PartitionId,
        owner: OwnerId,
        sender: oneshot::Sender<Epoch>,
    ) {
        let acquire = self.acquires.entry(partition);
        let acquire = acquire.or_insert_with(|| Acquire { owner, senders: Vec::new() });
        acquire.owner = owner;
        acquire.senders.push(sender);
    }

    /// Keeps what still has to be acquired, and nothing else.
    pub(super) fn only_acquires(&mut self) {
        *self = Self { acquires: std::mem::take(&mut self.acquires), ..Self::default() };
    }

    /// Why the group may not be written, if so: an owner has lost a partition.
    pub(super) fn fenced(&self, epochs: &[Row]) -> Result<(), StoreError> {
        for row in epochs {
            let (partition, epoch) = epoch(row)?;
            if self.owned.get(&partition).is_some_and(|ours| *ours < epoch) {
                let context = format!("partition {} of the devices", partition.get());
                return Err(StoreError::new(StoreErrorKind::Fenced, context));
            }
        }
        Ok(())
    }

    /// Takes what the transaction has acquired.
    pub(super) fn acquired(
        &mut self,
        epochs: &[Row],
        devices: &[Row],
    ) -> Result<BTreeMap<PartitionId, Acquired>, StoreError> {
        let mut acquired = BTreeMap::new();
        for row in epochs {
            let (partition, epoch) = epoch(row)?;
            let senders = self.acquires.remove(&partition).map(|it| it.senders).unwrap_or_default();
            acquired.insert(partition, Acquired { epoch, devices: Vec::new(), senders });
        }
        for row in devices {
            let no = get::<i64>(row, 1)?.cast_unsigned();
            let revision = Revision(get::<i64>(row, 2)?.cast_unsigned());
            if let Some(of) = acquired.get_mut(&partition(row)?) {
                of.devices.push((no, revision, device_key(row, 3)?));
            }
        }
        Ok(acquired)
    }
}

/// The statements of a group; those that would write nothing are left out.
pub(super) struct Steps<'a> {
    pub(super) steps: Vec<Step<'a>>,
    pub(super) fence: Option<usize>,
    pub(super) log: Option<usize>,
    pub(super) acquires: Option<usize>,
}

/// The parameters of a statement.
type Params<'a> = Vec<Box<dyn ToSql + Sync + Send + 'a>>;

impl<'a> Steps<'a> {
    /// In the order in which rows are locked and written; the first one takes the writer's turn.
    pub(super) fn of(group: &'a Group, writer: i64, number: i64) -> Self {
        let turn = Step { sql: TURN, params: vec![Box::new(writer), Box::new(number)] };
        let mut steps = Self { steps: vec![turn], fence: None, log: None, acquires: None };
        if !group.owned.is_empty() {
            let partitions: Vec<i16> = group.owned.keys().map(|id| small(id.get())).collect();
            steps.fence = Some(steps.add(FENCE, vec![Box::new(partitions)]));
        }
        steps.network(group);
        if !group.log.is_empty() {
            let bytes: i64 =
                group.log.iter().map(|row| row.record.len().cast_signed() as i64).sum();
            let log = &group.log;
            steps.add(
                LOG,
                vec![
                    Box::new(log.len().cast_signed() as i64),
                    Box::new(bytes),
                    Box::new(column(log, |row| row.key.application_id.as_str())),
                    Box::new(column(log, |row| row.key.device_id.as_str())),
                    Box::new(column(log, |row| row.received_at)),
                    Box::new(column(log, |row| row.record.as_slice())),
                ],
            );
            steps.log = Some(steps.add(LOG_LAST, Vec::new()));
        }
        if !group.sessions.is_empty() {
            let rows = &group.sessions;
            steps.add(
                SESSIONS,
                vec![
                    Box::new(column(rows.keys(), |key| key.application_id.as_str())),
                    Box::new(column(rows.keys(), |key| key.device_id.as_str())),
                    Box::new(column(rows.values(), Vec::as_slice)),
                ],
            );
        }
        if !group.acquires.is_empty() {
            let rows = &group.acquires;
            let partitions = column(rows.keys(), |partition| small(partition.get()));
            let owners = column(rows.values(), |acquire| acquire.owner.0.cast_signed());
            let params: Params<'a> = vec![Box::new(partitions.clone()), Box::new(owners)];
            steps.acquires = Some(steps.add(ACQUIRE, params));
            steps.add(ACQUIRED_DEVICES, vec![Box::new(partitions)]);
        }
        steps
    }

    fn network(&mut self, group: &'a Group) {
        let places = |places: &mut dyn Iterator<Item = &Place>| -> Params<'a> {
            let (partitions, numbers): (Vec<i16>, Vec<i64>) =
                places.map(|(partition, no)| (small(*partition), no.cast_signed())).unzip();
            vec![Box::new(partitions), Box::new(numbers)]
        };
        if !group.removed.is_empty() {
            self.add(REMOVE_HOT, places(&mut group.removed.iter()));
            self.add(REMOVE_QUEUE, places(&mut group.removed.iter()));
        }
        if !group.removed.is_empty() || !group.renamed.is_empty() {
            self.add(REMOVE_DEVICES, places(&mut group.removed.union(&group.renamed)));
        }
        if !group.devices.is_empty() {
            let mut params = places(&mut group.devices.keys());
            let rows = group.devices.values();
            params.push(Box::new(column(rows.clone(), |row| row.revision.0.cast_signed())));
            params.push(Box::new(column(rows.clone(), |row| row.key.application_id.as_str())));
            params.push(Box::new(column(rows.clone(), |row| row.key.device_id.as_str())));
            params.push(Box::new(column(rows, |row| row.record.as_slice())));
            self.add(DEVICES, params);
        }
        if !group.hot.is_empty() {
            let mut params = places(&mut group.hot.keys());
            params.push(Box::new(column(group.hot.values(), Vec::as_slice)));
            self.add(HOT, params);
        }
        let gone = group.queue.iter().filter(|(_, item)| item.is_none()).map(|(at, _)| at);
        if gone.clone().next().is_some() {
            let mut params = places(&mut gone.clone().map(|(place, _)| place));
            params.push(Box::new(column(gone, |(_, seq)| seq.cast_signed())));
            self.add(REMOVE_ITEMS, params);
        }
        let kept = group.queue.iter().filter_map(|(at, item)| Some((at, item.as_deref()?)));
        if kept.clone().next().is_some() {
            let mut params = places(&mut kept.clone().map(|((place, _), _)| place));
            params.push(Box::new(column(kept.clone(), |((_, seq), _)| seq.cast_signed())));
            params.push(Box::new(column(kept, |(_, item)| item)));
            self.add(ITEMS, params);
        }
    }

    fn add(&mut self, sql: &'static str, params: Params<'a>) -> usize {
        self.steps.push(Step { sql, params });
        self.steps.len() - 1
    }
}

fn column<R, T>(rows: impl IntoIterator<Item = R>, value: impl Fn(R) -> T) -> Vec<T> {
    rows.into_iter().map(value).collect()
}

/// Partitions are fewer than a smallint holds.
pub(crate) const fn small(partition: u16) -> i16 {
    partition.cast_signed()
}

fn partition(row: &Row) -> Result<PartitionId, StoreError> {
    let number = u16::try_from(get::<i16>(row, 0)?).ok().and_then(PartitionId::new);
    number.ok_or_else(|| StoreError::new(StoreErrorKind::Corrupt, "the number of a partition"))
}

/// Reads partition and epoch.
pub(super) fn epoch(row: &Row) -> Result<(PartitionId, Epoch), StoreError> {
    Ok((partition(row)?, Epoch(get::<i64>(row, 1)?.cast_unsigned())))
}

/// Reads a unique id of two columns.
pub(crate) fn device_key(row: &Row, column: usize) -> Result<DeviceKey, StoreError> {
    let application = get::<&str>(row, column)?.parse();
    let device = get::<&str>(row, column + 1)?.parse();
    match (application, device) {
        (Ok(application), Ok(device)) => Ok(DeviceKey::new(application, device)),
        _ => Err(StoreError::new(StoreErrorKind::Corrupt, "a stored device id")),
    }
}

/// What a row costs besides its octets.
const ROW_OVERHEAD: usize = 64;

const TURN: &str = "UPDATE writers SET commits = $2::int8, touched = now() \
    WHERE id = $1::int8 AND commits = $2::int8 - 1 RETURNING commits";
const FENCE: &str = "SELECT partition, epoch FROM partitions WHERE partition = ANY($1::int2[]) \
    ORDER BY partition FOR SHARE";
const REMOVE_HOT: &str = "DELETE FROM network_hot t \
    USING unnest($1::int2[], $2::int8[]) AS d(partition, device) \
    WHERE t.partition = d.partition AND t.device = d.device";
const REMOVE_QUEUE: &str = "DELETE FROM network_queue t \
    USING unnest($1::int2[], $2::int8[]) AS d(partition, device) \
    WHERE t.partition = d.partition AND t.device = d.device";
const REMOVE_DEVICES: &str = "DELETE FROM network_device t \
    USING unnest($1::int2[], $2::int8[]) AS d(partition, device) \
    WHERE t.partition = d.partition AND t.device = d.device";
const DEVICES: &str = "INSERT INTO network_device \
    (partition, device, revision, application, device_id, record) \
    SELECT * FROM unnest($1::int2[], $2::int8[], $3::int8[], $4::text[], $5::text[], $6::bytea[]) \
    ON CONFLICT (partition, device) DO UPDATE SET revision = EXCLUDED.revision, \
    application = EXCLUDED.application, device_id = EXCLUDED.device_id, record = EXCLUDED.record";
const HOT: &str = "INSERT INTO network_hot (partition, device, hot) \
    SELECT * FROM unnest($1::int2[], $2::int8[], $3::bytea[]) \
    ON CONFLICT (partition, device) DO UPDATE SET hot = EXCLUDED.hot";
const REMOVE_ITEMS: &str = "DELETE FROM network_queue t \
    USING unnest($1::int2[], $2::int8[], $3::int8[]) AS d(partition, device, seq) \
    WHERE t.partition = d.partition AND t.device = d.device AND t.seq = d.seq";
const ITEMS: &str = "INSERT INTO network_queue (partition, device, seq, item) \
    SELECT * FROM unnest($1::int2[], $2::int8[], $3::int8[], $4::bytea[]) \
    ON CONFLICT (partition, device, seq) DO UPDATE SET item = EXCLUDED.item";
// The row of the numbers is locked until the commit: numbers become visible in their order, whoever writes.
const LOG: &str = "WITH state AS (UPDATE log_state SET last = last + $1::int8, bytes = bytes + $2::int8 \
    RETURNING last - $1::int8 AS base) \
    INSERT INTO log (number, application, device_id, received_at, record) \
    SELECT state.base + r.place, r.application, r.device_id, r.received_at, r.record FROM state, \
    unnest($3::text[], $4::text[], $5::int8[], $6::bytea[]) WITH ORDINALITY \
    AS r(application, device_id, received_at, record, place)";
const LOG_LAST: &str = "SELECT last FROM log_state";
const SESSIONS: &str = "INSERT INTO application_session (application, device_id, record) \
    SELECT * FROM unnest($1::text[], $2::text[], $3::bytea[]) \
    ON CONFLICT (application, device_id) DO UPDATE SET record = EXCLUDED.record";
const ACQUIRE: &str = "INSERT INTO partitions (partition, epoch, owner) \
    SELECT a.partition, 1, a.owner FROM unnest($1::int2[], $2::int8[]) AS a(partition, owner) \
    ORDER BY a.partition \
    ON CONFLICT (partition) DO UPDATE SET epoch = partitions.epoch + 1, owner = EXCLUDED.owner \
    RETURNING partition, epoch";
const ACQUIRED_DEVICES: &str = "SELECT partition, device, revision, application, device_id \
    FROM network_device WHERE partition = ANY($1::int2[])";

//! The Network Server's registrations, session records and queues.
//!
//! What a batch is checked against is in memory: the revisions and unique ids of the devices of all partitions that
//! this process has acquired. Nobody else writes them while its epoch lasts.

use std::collections::BTreeMap;

use async_trait::async_trait;
use futures::stream::BoxStream;
use ttn_core::{
    id::DeviceKey,
    map::Map,
    store::{
        Epoch, Owned, OwnerId, Page, PartitionId, Position, Refusal, Refused, Replaces, Revision,
        StoreError, StoreErrorKind, Versioned,
    },
};
use ttn_ns::store::{
    DeviceNo, DeviceQuery, DeviceRecord, HotRecord, HotRow, NetworkBatch, NetworkStore,
    NetworkWrite, QueueItem, RecordError,
};

use crate::{
    PostgresStore,
    engine::{Db, Failure, Row, get, pages},
    lane::{DeviceRow, Place, State, small},
};

/// How many devices `load` gives at a time.
const LOAD_PAGE: i64 = 256;

/// The devices of acquired partitions.
#[derive(Default)]
pub(crate) struct Index {
    partitions: BTreeMap<PartitionId, BTreeMap<u64, (Revision, DeviceKey)>>,
    places: Map<DeviceKey, Place>,
}

impl Index {
    pub(crate) fn has(&self, partition: PartitionId) -> bool {
        self.partitions.contains_key(&partition)
    }

    /// Takes the devices of a partition as the database has them.
    pub(crate) fn acquire(&mut self, id: PartitionId, devices: Vec<(u64, Revision, DeviceKey)>) {
        for (_, (_, key)) in self.partitions.remove(&id).into_iter().flatten() {
            self.places.remove(&key);
        }
        let mut partition = BTreeMap::new();
        for (no, revision, key) in devices {
            self.places.insert(key.clone(), (id.get(), no));
            partition.insert(no, (revision, key));
        }
        self.partitions.insert(id, partition);
    }

    fn device(&self, (partition, no): Place) -> Option<&(Revision, DeviceKey)> {
        self.partitions.get(&PartitionId::new(partition)?)?.get(&no)
    }

    fn set(&mut self, place: Place, device: Option<(Revision, DeviceKey)>) {
        let partition = PartitionId::new(place.0).and_then(|id| self.partitions.get_mut(&id));
        let Some(partition) = partition else { return };
        let before = match device {
            Some((revision, key)) => {
                self.places.insert(key.clone(), place);
                let before = partition.insert(place.1, (revision, key.clone()));
                before.filter(|(_, before)| *before != key)
            }
            None => partition.remove(&place.1),
        };
        // Another device of the same batch may have taken the id.
        if let Some((_, key)) = before
            && self.places.get(&key) == Some(&place)
        {
            self.places.remove(&key);
        }
    }
}

#[async_trait]
impl NetworkStore for PostgresStore {
    fn submit(&self, batch: NetworkBatch) -> Result<Position, Refused<NetworkBatch>> {
        let taken = self.lanes.submit(batch.lane, |state| {
            let staged = Staged::of(state, &batch)?;
            batch.writes.iter().for_each(|(owned, _)| state.pending.own(owned));
            staged.take(state);
            Ok(())
        });
        taken.map_err(|reason| Refused { batch, reason })
    }

    async fn acquire(&self, partition: PartitionId, owner: OwnerId) -> Result<Epoch, StoreError> {
        self.lanes.acquire(partition, owner).await
    }

    fn load(
        &self,
        partition: PartitionId,
        epoch: Epoch,
    ) -> BoxStream<'_, Result<Vec<HotRow>, StoreError>> {
        pages(0_i64, move |from| Box::pin(self.load_page(partition, epoch, from)))
    }

    async fn device(&self, key: &DeviceKey) -> Result<HotRow, StoreError> {
        self.lanes.flush().await?;
        let read = self.engine.read(key.clone(), |db, key| {
            Box::pin(async move {
                let (application, device) = (key.application_id.as_str(), key.device_id.as_str());
                let rows = db.rows(DEVICE, &[&application, &device]).await?;
                let rows = with_parts(db, &rows).await?;
                let missing = || StoreError::new(StoreErrorKind::NotFound, format!("device {key}"));
                Ok(rows.into_iter().next().ok_or_else(missing)?)
            })
        });
        read.await
    }

    async fn list(&self, query: &DeviceQuery) -> Result<Page<HotRow>, StoreError> {
        self.lanes.flush().await?;
        self.engine.read(query.clone(), |db, query| Box::pin(list(db, query))).await
    }
}

impl PostgresStore {
    /// Reads a page of a partition from a number on, and says where to go on.
    async fn load_page(
        &self,
        partition: PartitionId,
        epoch: Epoch,
        from: i64,
    ) -> Result<(Vec<Vec<HotRow>>, Option<i64>), StoreError> {
        let owned = Owned { partition, epoch };
        let is_empty = self.lanes.with_state(|state| {
            let devices = state.index.partitions.get(&partition).filter(|_| state.holds(&owned));
            devices.map(BTreeMap::is_empty)
        });
        match is_empty {
            None => {
                let context = format!("partition {}", partition.get());
                return Err(StoreError::new(StoreErrorKind::Fenced, context));
            }
            // Most partitions of a small network.
            Some(true) => return Ok((Vec::new(), None)),
            Some(false) => self.lanes.flush().await?,
        }
        let of = (small(partition.get()), from);
        let rows = self.engine.read(of, |db, (of, from)| Box::pin(page(db, *of, *from))).await?;
        let next = rows.last().filter(|_| rows.len() == LOAD_PAGE as usize);
        let next = next.map(|row| row.device.0.cast_signed() + 1);
        Ok((vec![rows], next))
    }
}

/// A batch that was checked: what it changes in the index and what it writes.
#[derive(Default)]
struct Staged {
    devices: BTreeMap<Place, Option<(Revision, DeviceKey)>>,
    places: BTreeMap<DeviceKey, Option<Place>>,
    deeds: Vec<Deed>,
}

enum Deed {
    Device { place: Place, is_renamed: bool, row: DeviceRow },
    Hot { place: Place, hot: Vec<u8> },
    Item { place: Place, seq: u64, item: Option<Vec<u8>> },
    Remove { place: Place },
}

impl Staged {
    /// Checks a batch as a whole.
    fn of(state: &State, batch: &NetworkBatch) -> Result<Self, Refusal> {
        let mut staged = Self::default();
        for (owned, write) in &batch.writes {
            if !state.holds(owned) {
                return Err(Refusal::Fenced);
            }
            let place = |device: &DeviceNo| (owned.partition.get(), device.0);
            match write {
                NetworkWrite::Delete { device, replaces } => {
                    staged.delete(state, place(device), *replaces)?;
                }
                NetworkWrite::Device { device, replaces, record } => {
                    staged.put(state, place(device), *replaces, record)?;
                }
                NetworkWrite::Hot { device, hot } => {
                    let place = place(device);
                    if staged.device(state, place).is_some() {
                        staged.deeds.push(Deed::Hot { place, hot: hot.encode() });
                    }
                }
                NetworkWrite::QueueItem { device, seq, item } => {
                    let place = place(device);
                    if staged.device(state, place).is_some() {
                        let item = item.as_ref().map(QueueItem::encode);
                        staged.deeds.push(Deed::Item { place, seq: *seq, item });
                    }
                }
                _ => return Err(Refusal::Unavailable),
            }
        }
        Ok(staged)
    }

    fn put(
        &mut self,
        state: &State,
        place: Place,
        replaces: Replaces,
        record: &DeviceRecord,
    ) -> Result<(), Refusal> {
        let current = self.device(state, place).cloned();
        let revision = current.as_ref().map(|(revision, _)| *revision);
        let key = record.key().clone();
        let holder = match self.places.get(&key) {
            Some(staged) => *staged,
            None => state.index.places.get(&key).copied(),
        };
        if !replaces.allows(revision) || holder.is_some_and(|holder| holder != place) {
            return Err(Refusal::Conflict);
        }
        let revision = Revision(revision.map_or(1, |revision| revision.0 + 1));
        let before = current.map(|(_, before)| before).filter(|before| *before != key);
        let is_renamed = before.is_some();
        if let Some(before) = before {
            self.places.insert(before, None);
        }
        self.places.insert(key.clone(), Some(place));
        self.devices.insert(place, Some((revision, key.clone())));
        let row = DeviceRow { key, revision, record: record.encode() };
        self.deeds.push(Deed::Device { place, is_renamed, row });
        Ok(())
    }

    fn delete(&mut self, state: &State, place: Place, replaces: Replaces) -> Result<(), Refusal> {
        let current = self.device(state, place).cloned();
        if !replaces.allows(current.as_ref().map(|(revision, _)| *revision)) {
            return Err(Refusal::Conflict);
        }
        if let Some((_, key)) = current {
            self.places.insert(key, None);
            self.devices.insert(place, None);
            self.deeds.push(Deed::Remove { place });
        }
        Ok(())
    }

    fn device<'a>(&'a self, state: &'a State, place: Place) -> Option<&'a (Revision, DeviceKey)> {
        match self.devices.get(&place) {
            Some(staged) => staged.as_ref(),
            None => state.index.device(place),
        }
    }

    /// Takes it into the pending group.
    fn take(self, state: &mut State) {
        for deed in self.deeds {
            match deed {
                Deed::Device { place, is_renamed, row } => {
                    state.pending.put_device(place, is_renamed, row);
                }
                Deed::Hot { place, hot } => state.pending.put_hot(place, hot),
                Deed::Item { place, seq, item } => state.pending.put_item(place, seq, item),
                Deed::Remove { place } => state.pending.remove(place),
            }
        }
        for (place, device) in self.devices {
            state.index.set(place, device);
        }
    }
}

async fn page(db: &Db, partition: i16, from: i64) -> Result<Vec<HotRow>, Failure> {
    let rows = db.rows(LOAD, &[&partition, &from, &LOAD_PAGE]).await?;
    with_parts(db, &rows).await
}

async fn list(db: &Db, query: &DeviceQuery) -> Result<Page<HotRow>, Failure> {
    let (skip, limit) = query.window();
    let skip = i64::try_from(skip).unwrap_or(i64::MAX);
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let application = query.application_id.as_ref().map(ttn_core::id::ApplicationId::as_str);
    let (total, rows) = match application {
        Some(application) => (
            db.row(COUNT_OF_APPLICATION, &[&application]).await?,
            db.rows(LIST_OF_APPLICATION, &[&application, &skip, &limit]).await?,
        ),
        None => (db.row(COUNT, &[]).await?, db.rows(LIST, &[&skip, &limit]).await?),
    };
    let total = total.map(|row| get::<i64>(&row, 0)).transpose()?.unwrap_or_default();
    Ok(Page { items: with_parts(db, &rows).await?, total: total.cast_unsigned() })
}

/// Adds session records and queues to registrations, in their order.
async fn with_parts(db: &Db, devices: &[Row]) -> Result<Vec<HotRow>, Failure> {
    let mut rows = Vec::with_capacity(devices.len());
    let mut places: BTreeMap<(i16, i64), usize> = BTreeMap::new();
    for device in devices {
        let (partition, no): (i16, i64) = (get(device, 0)?, get(device, 1)?);
        let value = DeviceRecord::decode(get(device, 3)?).map_err(record_error)?;
        let revision = Revision(get::<i64>(device, 2)?.cast_unsigned());
        places.insert((partition, no), rows.len());
        rows.push(HotRow {
            device: DeviceNo(no.cast_unsigned()),
            record: Versioned { revision, value },
            hot: None,
            queue: Vec::new(),
        });
    }
    if rows.is_empty() {
        return Ok(rows);
    }
    let (partitions, numbers): (Vec<i16>, Vec<i64>) = places.keys().copied().unzip();
    let row_of = |part: &Row| {
        let place = (get(part, 0)?, get(part, 1)?);
        Ok::<_, StoreError>(places.get(&place).copied())
    };
    for part in db.rows(HOT, &[&partitions, &numbers]).await? {
        if let Some(row) = row_of(&part)?.and_then(|at| rows.get_mut(at)) {
            row.hot = Some(HotRecord::decode(get(&part, 2)?).map_err(record_error)?);
        }
    }
    for part in db.rows(QUEUE, &[&partitions, &numbers]).await? {
        if let Some(row) = row_of(&part)?.and_then(|at| rows.get_mut(at)) {
            let item = QueueItem::decode(get(&part, 3)?).map_err(record_error)?;
            row.queue.push((get::<i64>(&part, 2)?.cast_unsigned(), item));
        }
    }
    Ok(rows)
}

fn record_error(error: RecordError) -> StoreError {
    StoreError::new(StoreErrorKind::Corrupt, "a record of the network server").caused_by(error)
}

const DEVICE: &str = "SELECT partition, device, revision, record FROM network_device \
    WHERE application = $1 AND device_id = $2";
const LOAD: &str = "SELECT partition, device, revision, record FROM network_device \
    WHERE partition = $1 AND device >= $2 ORDER BY device LIMIT $3";
const LIST: &str = "SELECT partition, device, revision, record FROM network_device \
    ORDER BY application, device_id OFFSET $1 LIMIT $2";
const LIST_OF_APPLICATION: &str = "SELECT partition, device, revision, record \
    FROM network_device WHERE application = $1 ORDER BY device_id OFFSET $2 LIMIT $3";
const COUNT: &str = "SELECT count(*) FROM network_device";
const COUNT_OF_APPLICATION: &str = "SELECT count(*) FROM network_device WHERE application = $1";
const HOT: &str = "SELECT t.partition, t.device, t.hot FROM network_hot t \
    JOIN unnest($1::int2[], $2::int8[]) AS d(partition, device) \
    ON t.partition = d.partition AND t.device = d.device";
const QUEUE: &str = "SELECT t.partition, t.device, t.seq, t.item FROM network_queue t \
    JOIN unnest($1::int2[], $2::int8[]) AS d(partition, device) \
    ON t.partition = d.partition AND t.device = d.device ORDER BY t.seq";

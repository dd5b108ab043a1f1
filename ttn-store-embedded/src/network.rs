//! The Network Server's registrations, session records and queues.

use std::collections::BTreeMap;

use async_trait::async_trait;
use futures::{StreamExt as _, stream, stream::BoxStream};
#[cfg(feature = "dump")]
use ttn_core::store::dump::{DumpRow, DumpTable};
use ttn_core::{
    id::DeviceKey,
    store::{
        Epoch, OwnerId, Page, PartitionId, Position, Refusal, Refused, Replaces, Revision,
        StoreError, StoreErrorKind, Versioned,
    },
};
use ttn_ns::store::{
    DeviceNo, DeviceQuery, DeviceRecord, HotRecord, HotRow, NetworkBatch, NetworkStore,
    NetworkWrite, QueueItem, RecordError,
};

use crate::{
    EmbeddedStore,
    base::{Row, Space},
    lane::Change,
    table::{LIVE_MAX, Table, corrupt, epoch_rows, split_u64, uid},
    write::Denied,
};

/// Where a device's rows lie.
type Place = (u16, u64);

/// How many devices `load` gives at a time.
const LOAD_PAGE: usize = 256;

#[async_trait]
impl NetworkStore for EmbeddedStore {
    fn submit(&self, batch: NetworkBatch) -> Result<Position, Refused<NetworkBatch>> {
        let taken = self.lanes.submit(batch.lane, |change| apply(change, &batch));
        match taken {
            Ok((position, ())) => Ok(position),
            Err(Denied::Refused(reason)) => Err(Refused { batch, reason }),
            Err(denied) => {
                let error = StoreError::from(denied);
                tracing::error!(%error, "a batch of the network server was refused");
                Err(Refused { batch, reason: Refusal::Unavailable })
            }
        }
    }

    async fn acquire(&self, partition: PartitionId, _owner: OwnerId) -> Result<Epoch, StoreError> {
        let acquired = self.lanes.write(|change| {
            let epochs = &mut change.state.epochs;
            let epoch = Epoch(epochs.get(&partition).map_or(1, |epoch| epoch.0 + 1));
            epochs.insert(partition, epoch);
            let (key, value) = epoch_rows::encode(partition, epoch);
            change.put(Space::State, key, value);
            Ok(epoch)
        });
        Ok(acquired.await?.1)
    }

    fn load(
        &self,
        partition: PartitionId,
        epoch: Epoch,
    ) -> BoxStream<'_, Result<Vec<HotRow>, StoreError>> {
        let pages = stream::unfold(Some(0), move |next| async move {
            let no = next?;
            match self.page(partition, epoch, no) {
                Ok(rows) => {
                    let next = rows.last().filter(|_| rows.len() == LOAD_PAGE);
                    let next = next.and_then(|row| row.device.0.checked_add(1));
                    Some((Ok(rows), next))
                }
                Err(error) => Some((Err(error), None)),
            }
        });
        pages
            .filter(|page| std::future::ready(page.as_ref().map_or(true, |p| !p.is_empty())))
            .boxed()
    }

    async fn device(&self, key: &DeviceKey) -> Result<HotRow, StoreError> {
        let missing = || StoreError::new(StoreErrorKind::NotFound, format!("device {key}"));
        let place = self.lanes.get(Space::State, &uid_key(key))?.ok_or_else(missing)?;
        self.row(decode_place(&place)?)?.ok_or_else(missing)
    }

    async fn list(&self, query: &DeviceQuery) -> Result<Page<HotRow>, StoreError> {
        let (skip, limit) = query.window();
        let (from, to) = match &query.application_id {
            Some(id) => Table::NetworkDeviceOfUid.prefix(&[id.as_str().as_bytes(), &[0]]),
            None => Table::NetworkDeviceOfUid.prefix(&[]),
        };
        let mut page = Page { items: Vec::new(), total: 0 };
        for (index, row) in self.lanes.range(Space::State, from, to, usize::MAX).enumerate() {
            let (_, place) = row?;
            page.total += 1;
            if index >= skip
                && page.items.len() < limit
                && let Some(row) = self.row(decode_place(&place)?)?
            {
                page.items.push(row);
            }
        }
        Ok(page)
    }
}

impl EmbeddedStore {
    fn page(
        &self,
        partition: PartitionId,
        epoch: Epoch,
        no: u64,
    ) -> Result<Vec<HotRow>, StoreError> {
        if self.lanes.with_state(|state| state.epochs.get(&partition).copied()) != Some(epoch) {
            let context = format!("partition {}", partition.get());
            return Err(StoreError::new(StoreErrorKind::Fenced, context));
        }
        let (_, to) = Table::NetworkDevice.prefix(&[&partition.get().to_be_bytes()]);
        let from = device_key((partition.get(), no));
        let devices: Vec<Row> =
            self.lanes.range(Space::State, from, to, LOAD_PAGE).collect::<Result<_, _>>()?;
        let mut rows = BTreeMap::new();
        for (key, value) in &devices {
            let no = split_u64(key.get(3..).unwrap_or_default())?.0;
            rows.insert(no, registration(DeviceNo(no), value)?);
        }
        if let (Some((first, _)), Some((last, _))) = (rows.first_key_value(), rows.last_key_value())
        {
            let from = hot_key((partition.get(), *first), HOT, 0);
            let to = hot_key((partition.get(), *last), QUEUE, u64::MAX);
            for row in self.lanes.range(Space::Hot, from, to, usize::MAX) {
                let (no, part) = hot_part(&row?)?;
                if let Some(row) = rows.get_mut(&no) {
                    part.add_to(row);
                }
            }
        }
        Ok(rows.into_values().collect())
    }

    fn row(&self, place: Place) -> Result<Option<HotRow>, StoreError> {
        let Some(value) = self.lanes.get(Space::State, &device_key(place))? else {
            return Ok(None);
        };
        let mut row = registration(DeviceNo(place.1), &value)?;
        let (from, to) = (hot_key(place, HOT, 0), hot_key(place, QUEUE, u64::MAX));
        for part in self.lanes.range(Space::Hot, from, to, usize::MAX) {
            hot_part(&part?)?.1.add_to(&mut row);
        }
        Ok(Some(row))
    }
}

fn apply(change: &mut Change<'_>, batch: &NetworkBatch) -> Result<(), Denied> {
    // What the batch itself makes and removes.
    let mut existence: BTreeMap<Place, bool> = BTreeMap::new();
    for (owned, write) in &batch.writes {
        if change.state.epochs.get(&owned.partition) != Some(&owned.epoch) {
            return Err(Refusal::Fenced.into());
        }
        let partition = owned.partition.get();
        match write {
            NetworkWrite::Delete { device, replaces } => {
                let place = (partition, device.0);
                delete(change, place, *replaces)?;
                existence.insert(place, false);
            }
            NetworkWrite::Device { device, replaces, record } => {
                let place = (partition, device.0);
                put(change, place, *replaces, record)?;
                existence.insert(place, true);
            }
            NetworkWrite::Hot { device, hot } => {
                let place = (partition, device.0);
                if exists(change, &mut existence, place)? {
                    change.put(Space::Hot, hot_key(place, HOT, 0), hot.encode());
                }
            }
            NetworkWrite::QueueItem { device, seq, item } => {
                let place = (partition, device.0);
                if exists(change, &mut existence, place)? {
                    let key = hot_key(place, QUEUE, *seq);
                    match item {
                        Some(item) => change.put(Space::Hot, key, item.encode()),
                        None => change.delete(Space::Hot, key),
                    }
                }
            }
            _ => return Err(Refusal::Unavailable.into()),
        }
    }
    let live = &mut change.state.counters.live;
    if live.len() + existence.len() > LIVE_MAX {
        live.clear();
    }
    for (place, is_there) in existence {
        if is_there {
            live.insert(place);
        } else {
            live.remove(&place);
        }
    }
    Ok(())
}

fn exists(
    change: &Change<'_>,
    existence: &mut BTreeMap<Place, bool>,
    place: Place,
) -> Result<bool, StoreError> {
    if let Some(is_there) = existence.get(&place) {
        return Ok(*is_there);
    }
    let is_there = change.state.counters.live.contains(&place)
        || change.get(Space::State, &device_key(place))?.is_some();
    if is_there {
        existence.insert(place, true);
    }
    Ok(is_there)
}

fn put(
    change: &mut Change<'_>,
    place: Place,
    replaces: Replaces,
    record: &DeviceRecord,
) -> Result<(), Denied> {
    let stored = change.get(Space::State, &device_key(place))?;
    let current = stored.as_deref().map(split_u64).transpose()?;
    let revision = current.map(|(revision, _)| Revision(revision));
    let holder = change.get(Space::State, &uid_key(record.key()))?;
    let holder = holder.map(|holder| decode_place(&holder)).transpose()?;
    if !replaces.allows(revision) || holder.is_some_and(|holder| holder != place) {
        return Err(Refusal::Conflict.into());
    }
    if let Some((_, octets)) = current {
        let old = DeviceRecord::decode(octets).map_err(record_error)?;
        if old.key() != record.key() {
            change.delete(Space::State, uid_key(old.key()));
        }
    }
    let next = revision.map_or(1, |revision| revision.0 + 1);
    let value = [&next.to_be_bytes()[..], &record.encode()].concat();
    change.put(Space::State, device_key(place), value);
    change.put(Space::State, uid_key(record.key()), encode_place(place));
    Ok(())
}

fn delete(change: &mut Change<'_>, place: Place, replaces: Replaces) -> Result<(), Denied> {
    let stored = change.get(Space::State, &device_key(place))?;
    let current = stored.as_deref().map(split_u64).transpose()?;
    if !replaces.allows(current.map(|(revision, _)| Revision(revision))) {
        return Err(Refusal::Conflict.into());
    }
    let Some((_, octets)) = current else { return Ok(()) };
    let old = DeviceRecord::decode(octets).map_err(record_error)?;
    change.delete(Space::State, uid_key(old.key()));
    change.delete(Space::State, device_key(place));
    let (from, to) = (hot_key(place, HOT, 0), hot_key(place, QUEUE, u64::MAX));
    for row in change.range(Space::Hot, from, to, usize::MAX) {
        change.delete(Space::Hot, row?.0);
    }
    Ok(())
}

/// A row of [`Space::Hot`].
enum HotPart {
    Hot(HotRecord),
    Item(u64, QueueItem),
}

impl HotPart {
    fn add_to(self, row: &mut HotRow) {
        match self {
            Self::Hot(hot) => row.hot = Some(hot),
            Self::Item(seq, item) => row.queue.push((seq, item)),
        }
    }
}

fn hot_part((key, value): &Row) -> Result<(u64, HotPart), StoreError> {
    let (no, rest) = split_u64(key.get(2..).unwrap_or_default())?;
    let (kind, seq) = rest.split_first().ok_or_else(|| corrupt("the key of a session record"))?;
    let part = if *kind == HOT {
        HotPart::Hot(HotRecord::decode(value).map_err(record_error)?)
    } else {
        HotPart::Item(split_u64(seq)?.0, QueueItem::decode(value).map_err(record_error)?)
    };
    Ok((no, part))
}

fn registration(device: DeviceNo, value: &[u8]) -> Result<HotRow, StoreError> {
    let (revision, octets) = split_u64(value)?;
    let value = DeviceRecord::decode(octets).map_err(record_error)?;
    let record = Versioned { revision: Revision(revision), value };
    Ok(HotRow { device, record, hot: None, queue: Vec::new() })
}

fn record_error(error: RecordError) -> StoreError {
    StoreError::new(StoreErrorKind::Corrupt, "a record of the network server").caused_by(error)
}

fn device_key((partition, no): Place) -> Vec<u8> {
    Table::NetworkDevice.key(&[&partition.to_be_bytes(), &no.to_be_bytes()])
}

fn uid_key(key: &DeviceKey) -> Vec<u8> {
    Table::NetworkDeviceOfUid.key(&[&uid(key)])
}

fn hot_key((partition, no): Place, kind: u8, seq: u64) -> Vec<u8> {
    let mut key = Vec::with_capacity(19);
    key.extend_from_slice(&partition.to_be_bytes());
    key.extend_from_slice(&no.to_be_bytes());
    key.push(kind);
    key.extend_from_slice(&seq.to_be_bytes());
    key
}

/// A row of [`Space::Hot`] as a row of a dump, if it belongs to the table.
#[cfg(feature = "dump")]
pub(crate) fn dump_part(table: DumpTable, (key, value): Row) -> Option<DumpRow> {
    let (place, rest) = key.split_first_chunk::<10>()?;
    let (kind, seq) = rest.split_first()?;
    let key = match (table, *kind) {
        (DumpTable::NetworkHot, HOT) => place.to_vec(),
        (DumpTable::NetworkItem, QUEUE) => [&place[..], seq].concat(),
        _ => return None,
    };
    Some(DumpRow { table, key, value })
}

/// The key in [`Space::Hot`] of a row of a dump.
#[cfg(feature = "dump")]
pub(crate) fn part_key(table: DumpTable, key: &[u8]) -> Option<Vec<u8>> {
    let (place, seq) = key.split_first_chunk::<10>()?;
    let (kind, seq) = match table {
        DumpTable::NetworkHot => (HOT, [0; 8]),
        _ => (QUEUE, seq.try_into().ok()?),
    };
    Some([&place[..], &[kind], &seq].concat())
}

/// Writes where a device of a dump is found by its unique id.
#[cfg(feature = "dump")]
pub(crate) fn fill_place(
    change: &mut Change<'_>,
    place: &[u8],
    value: &[u8],
) -> Result<(), StoreError> {
    let (_, octets) = split_u64(value)?;
    let record = DeviceRecord::decode(octets).map_err(record_error)?;
    decode_place(place)?;
    change.put(Space::State, uid_key(record.key()), place);
    Ok(())
}

fn encode_place((partition, no): Place) -> Vec<u8> {
    [&partition.to_be_bytes()[..], &no.to_be_bytes()].concat()
}

fn decode_place(octets: &[u8]) -> Result<Place, StoreError> {
    let (partition, no) =
        octets.split_first_chunk::<2>().ok_or_else(|| corrupt("the place of a device"))?;
    Ok((u16::from_be_bytes(*partition), split_u64(no)?.0))
}

/// Kinds of rows in [`Space::Hot`], in the order of their keys.
const HOT: u8 = 0;
const QUEUE: u8 = 1;

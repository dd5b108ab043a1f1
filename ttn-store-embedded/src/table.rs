//! Where rows lie: the keys of all tables, in one place. Stored data depends on them; they never change.

use ttn_core::{
    id::DeviceKey,
    map::Set,
    store::{Epoch, LaneId, PartitionId, StoreError, StoreErrorKind},
};

use crate::base::{Base, Row, Space};

/// The first octet of a key in [`Space::State`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Table {
    /// How far the engine is: of this directory, as are the lanes.
    Mark = 0x00,
    Lane = 0x01,
    Epoch = 0x02,
    Counter = 0x03,
    #[cfg(feature = "network")]
    NetworkDevice = 0x10,
    #[cfg(feature = "network")]
    NetworkDeviceOfUid = 0x11,
    #[cfg(feature = "application")]
    ApplicationRegistry = 0x12,
    #[cfg(feature = "application")]
    ApplicationSession = 0x13,
    #[cfg(feature = "application")]
    ApplicationReader = 0x19,
    #[cfg(feature = "join")]
    JoinDevice = 0x14,
    #[cfg(feature = "join")]
    JoinDeviceOfEuis = 0x15,
    #[cfg(feature = "join")]
    JoinNonces = 0x16,
    #[cfg(feature = "join")]
    JoinUsedDevNonce = 0x17,
    #[cfg(feature = "join")]
    JoinSessionKeys = 0x18,
    #[cfg(feature = "join")]
    JoinActivationSettings = 0x1D,
    #[cfg(feature = "identity")]
    Identity = 0x40,
}

impl Table {
    /// A key of this table.
    pub(crate) fn key(self, parts: &[&[u8]]) -> Vec<u8> {
        let mut key = vec![self as u8];
        parts.iter().for_each(|part| key.extend_from_slice(part));
        key
    }

    /// The bounds of all keys that begin with the parts.
    pub(crate) fn prefix(self, parts: &[&[u8]]) -> (Vec<u8>, Vec<u8>) {
        let from = self.key(parts);
        let to = after_prefix(&from);
        (from, to)
    }
}

/// The first key behind all that begin with a prefix. The prefix is neither empty nor all 0xFF: tables end at 0xFE.
pub(crate) fn after_prefix(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while end.last() == Some(&u8::MAX) {
        end.pop();
    }
    if let Some(last) = end.last_mut() {
        *last += 1;
    }
    end
}

/// A device's unique id in the order of (application, device): 0 sorts before every character of an id.
pub(crate) fn uid(key: &DeviceKey) -> Vec<u8> {
    [key.application_id.as_str().as_bytes(), &[0], key.device_id.as_str().as_bytes()].concat()
}

/// Reads what [`uid`] made.
pub(crate) fn parse_uid(octets: &[u8]) -> Result<DeviceKey, StoreError> {
    let parse = || {
        let (application, device) = std::str::from_utf8(octets).ok()?.split_once('\0')?;
        Some(DeviceKey::new(application.parse().ok()?, device.parse().ok()?))
    };
    parse().ok_or_else(|| corrupt("a stored device id"))
}

pub(crate) fn corrupt(what: &str) -> StoreError {
    StoreError::new(StoreErrorKind::Corrupt, what)
}

/// Reads a big-endian number at the front of octets.
pub(crate) fn split_u64(octets: &[u8]) -> Result<(u64, &[u8]), StoreError> {
    let (number, rest) =
        octets.split_first_chunk::<8>().ok_or_else(|| corrupt("a number in a stored row"))?;
    Ok((u64::from_be_bytes(*number), rest))
}

/// The bounds of the rows that tell how far each lane has come.
pub(crate) const LANE_ROWS: (&[u8], &[u8]) = (&[Table::Lane as u8], &[Table::Lane as u8 + 1]);

pub(crate) mod lane_row {
    use std::sync::Arc;

    use super::{LaneId, Row, StoreError, Table, corrupt, split_u64};

    pub(crate) fn encode(lane: LaneId, seq: u64) -> (Vec<u8>, Arc<[u8]>) {
        (Table::Lane.key(&[&lane.0.to_be_bytes()]), Arc::from(seq.to_be_bytes()))
    }

    pub(crate) fn decode((key, value): &Row) -> Result<(LaneId, u64), StoreError> {
        let lane = key.last_chunk::<2>().ok_or_else(|| corrupt("the key of a lane"))?;
        Ok((LaneId(u16::from_be_bytes(*lane)), split_u64(value)?.0))
    }
}

pub(crate) mod epoch_rows {
    use super::{Epoch, PartitionId, Row, StoreError, Table, corrupt, split_u64};

    pub(crate) const RANGE: (&[u8], &[u8]) = (&[Table::Epoch as u8], &[Table::Epoch as u8 + 1]);

    #[cfg(feature = "network")]
    pub(crate) fn encode(partition: PartitionId, epoch: Epoch) -> (Vec<u8>, [u8; 8]) {
        (Table::Epoch.key(&[&partition.get().to_be_bytes()]), epoch.0.to_be_bytes())
    }

    pub(crate) fn decode((key, value): &Row) -> Result<(PartitionId, Epoch), StoreError> {
        let number = key.last_chunk::<2>().map(|octets| u16::from_be_bytes(*octets));
        let partition = number.and_then(PartitionId::new);
        let partition = partition.ok_or_else(|| corrupt("the key of an epoch"))?;
        Ok((partition, Epoch(split_u64(value)?.0)))
    }
}

/// Counters of the ports, as of all batches that were taken.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// The last revision of the Identity Server's tables.
    pub(crate) identity_revision: u64,
    /// The application log.
    pub(crate) log: LogCounter,
    /// Devices of the Network Server that are known to exist: a cache, so that a session record needs no look at the
    /// engine.
    pub(crate) live: Set<(u16, u64)>,
}

/// What the application log has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LogCounter {
    /// How many records were deleted from the front.
    pub(crate) forgotten: u64,
    /// The number of the last record; numbers begin with 1.
    pub(crate) last: u64,
    /// The octets of all records that are kept.
    pub(crate) bytes: u64,
    committing: u64,
    /// The number of the last durable record.
    pub(crate) durable: u64,
}

/// The most devices in [`Counters::live`]; above that it is begun anew.
pub(crate) const LIVE_MAX: usize = 1 << 20;

impl Counters {
    pub(crate) fn load(engine: &dyn Base) -> Result<Self, StoreError> {
        let mut counters = Self::default();
        if let Some(value) = engine.get(Space::State, &IDENTITY_REVISION)? {
            counters.identity_revision = split_u64(&value)?.0;
        }
        if let Some(value) = engine.get(Space::State, &LOG_COUNTER)? {
            let (forgotten, rest) = split_u64(&value)?;
            let (last, rest) = split_u64(rest)?;
            let (bytes, _) = split_u64(rest)?;
            counters.log = LogCounter { forgotten, last, bytes, committing: last, durable: last };
        }
        Ok(counters)
    }

    pub(crate) const fn begin_commit(&mut self) {
        self.log.committing = self.log.last;
    }

    pub(crate) const fn end_commit(&mut self) {
        self.log.durable = self.log.committing;
    }
}

impl LogCounter {
    #[cfg(feature = "application")]
    pub(crate) fn encode(&self) -> Vec<u8> {
        [self.forgotten, self.last, self.bytes].map(u64::to_be_bytes).concat()
    }
}

/// The key of [`Counters::identity_revision`].
pub(crate) const IDENTITY_REVISION: [u8; 2] = [Table::Counter as u8, b'i'];
/// The key of the row that is there while the store is filled from a dump.
pub(crate) const FILLING: [u8; 2] = [Table::Counter as u8, b'f'];
/// The key of the mark: up to which record of the log the engine is complete.
pub(crate) const MARK: [u8; 1] = [Table::Mark as u8];
/// The key of [`Counters::log`].
pub(crate) const LOG_COUNTER: [u8; 2] = [Table::Counter as u8, b'l'];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_prefix_is_behind_all_its_keys() {
        assert_eq!(after_prefix(&[1, 2]), [1, 3]);
        assert_eq!(after_prefix(&[1, 0xFF, 0xFF]), [2]);
        let (from, to) = Table::Epoch.prefix(&[&[0xFF]]);
        assert!(
            from < Table::Epoch.key(&[&[0xFF, 0xFF]]) && Table::Epoch.key(&[&[0xFF, 0xFF]]) < to
        );
    }

    #[test]
    fn unique_ids_sort_by_application_first() {
        let mut keys: Vec<DeviceKey> =
            ["app-2.aaa", "app.zzz", "app.aaa"].map(|key| key.parse().unwrap()).to_vec();
        keys.sort_by_key(uid);
        let sorted: Vec<_> = keys.iter().map(ToString::to_string).collect();
        assert_eq!(sorted, ["app.aaa", "app.zzz", "app-2.aaa"]);
        assert_eq!(parse_uid(&uid(&keys[0])).unwrap(), keys[0]);
    }
}

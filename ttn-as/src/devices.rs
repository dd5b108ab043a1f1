//! Devices in memory. Those that messages come from are decoded; the others rest as a few hundred octets (record 0038).
//!
//! Whoever asks for a device gets it decoded, and does not notice that it rested. [`Devices::settle`] puts devices to rest.

use std::{
    cell::{Cell, OnceCell, RefCell},
    collections::VecDeque,
    fmt,
    hash::{Hash as _, Hasher as _},
    sync::Arc,
};

use bytes::{Buf as _, BufMut as _};
use hashbrown::HashTable;
use ttn_core::{
    id::DeviceKey,
    key::{Aes128Key, SessionKeyId},
    map::FixedHasher,
    store::{Epoch, LaneId, Owned, Position, Revision},
};

use crate::{
    directory::KnownInfo,
    state::Entry,
    store::{RegistryKey, RegistryRecord, SessionRecord},
};

/// How many devices [`Devices::settle`] looks at: those that may not rest are passed by, in their turn.
const SETTLED_AT_ONCE: usize = 512;

/// All devices, by id.
#[derive(Default)]
pub(crate) struct Devices {
    slots: HashTable<Slot>,
    /// Those that are decoded, in the order in which they were; some may be gone.
    awake: RefCell<VecDeque<DeviceKey>>,
}

/// A device: at rest, decoded, or both as long as nothing changed it.
struct Slot {
    rest: Option<Rest>,
    entry: OnceCell<Box<Entry>>,
    /// What is registered about it, while it rests.
    info: Cell<Option<Box<KnownInfo>>>,
}

impl Slot {
    /// The device, decoded; noted in `awake` if it rested.
    fn entry(&self, key: &DeviceKey, awake: &RefCell<VecDeque<DeviceKey>>) -> Option<&Entry> {
        if let Some(entry) = self.entry.get() {
            return Some(entry);
        }
        let Some(mut entry) = self.rest.as_ref()?.wake(key) else {
            // What rests was decoded before: a defect.
            tracing::error!(device = %key, "a resting device cannot be decoded");
            return None;
        };
        entry.info = self.info.take().map(|info| *info);
        awake.borrow_mut().push_back(key.clone());
        Some(self.entry.get_or_init(|| Box::new(entry)))
    }

    fn key(&self) -> (&str, &str) {
        match (self.entry.get(), &self.rest) {
            (Some(entry), _) => parts(&entry.device.ids.key),
            (None, Some(rest)) => rest.key(),
            (None, None) => ("", ""),
        }
    }

    fn is(&self, key: &DeviceKey) -> bool {
        self.key() == parts(key)
    }
}

impl fmt::Debug for Devices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Devices").field("count", &self.slots.len()).finish_non_exhaustive()
    }
}

impl Devices {
    pub(crate) fn contains(&self, key: &DeviceKey) -> bool {
        self.slots.find(hash_of(parts(key)), |slot| slot.is(key)).is_some()
    }

    pub(crate) fn get(&self, key: &DeviceKey) -> Option<&Entry> {
        let slot = self.slots.find(hash_of(parts(key)), |slot| slot.is(key))?;
        slot.entry(key, &self.awake)
    }

    pub(crate) fn get_mut(&mut self, key: &DeviceKey) -> Option<&mut Entry> {
        let slot = self.slots.find_mut(hash_of(parts(key)), |slot| slot.is(key))?;
        slot.entry(key, &self.awake)?;
        slot.rest = None;
        slot.entry.get_mut().map(|entry| &mut **entry)
    }

    /// Adds a device, in the place of one with its id.
    pub(crate) fn insert(&mut self, entry: Entry) {
        let key = entry.device.ids.key.clone();
        self.remove(&key);
        let hash = hash_of(parts(&key));
        self.awake.get_mut().push_back(key);
        let entry = OnceCell::from(Box::new(entry));
        let slot = Slot { rest: None, entry, info: Cell::default() };
        self.slots.insert_unique(hash, slot, |slot| hash_of(slot.key()));
    }

    /// Takes a device over from the store, as it was recorded; it rests.
    pub(crate) fn load(&mut self, key: &DeviceKey, record: &[u8], revision: Revision) {
        self.remove(key);
        let rest = Some(Rest::of_record(key, record, revision));
        let slot = Slot { rest, entry: OnceCell::new(), info: Cell::default() };
        self.slots.insert_unique(hash_of(parts(key)), slot, |slot| hash_of(slot.key()));
    }

    /// Gives a device that came from the store its sessions; `false` if there is no such device.
    pub(crate) fn load_sessions(
        &mut self,
        key: &DeviceKey,
        hot: &SessionRecord,
        keys: &[(SessionKeyId, Aes128Key)],
    ) -> bool {
        let slot = self.slots.find_mut(hash_of(parts(key)), |slot| slot.is(key));
        let rested = slot.and_then(|slot| {
            let rest = slot.rest.as_mut()?;
            *rest = rest.with(hot, keys)?;
            Some(())
        });
        rested.is_some()
    }

    pub(crate) fn remove(&mut self, key: &DeviceKey) {
        if let Ok(slot) = self.slots.find_entry(hash_of(parts(key)), |slot| slot.is(key)) {
            slot.remove();
        }
    }

    /// Puts devices to rest that were decoded longest ago, if too many are.
    pub(crate) fn settle(&mut self, awake_max: usize) {
        let above = self.awake.get_mut().len().saturating_sub(awake_max);
        for _ in 0..above.min(SETTLED_AT_ONCE) {
            let Some(key) = self.awake.get_mut().pop_front() else { return };
            let slot = self.slots.find_mut(hash_of(parts(&key)), |slot| slot.is(&key));
            let Some(slot) = slot else { continue };
            if slot.rest.is_none() {
                let entry = slot.entry.get().filter(|entry| may_rest(entry));
                slot.rest = entry.map(|entry| Rest::of(entry));
            }
            if slot.rest.is_none() {
                self.awake.get_mut().push_back(key);
            } else if let Some(entry) = slot.entry.take() {
                slot.info.set(entry.info.map(Box::new));
            }
        }
    }
}

/// A formatter longer than this is not copied to and fro.
const FORMATTER_MAX: usize = 1024;

/// Whether nothing is going on with a device that its records do not tell.
fn may_rest(entry: &Entry) -> bool {
    let formatters = entry.device.formatters.as_ref();
    let length = formatters.map_or(0, |it| it.up_parameter.len() + it.down_parameter.len());
    entry.queue.is_empty() && !entry.busy && length <= FORMATTER_MAX
}

/// A device at rest: its id, its places and its record; then its keys in clear text and its sessions.
struct Rest(Box<[u8]>);

/// Which version of a device it is, and where its last record is.
struct Places {
    revision: Revision,
    epoch: Epoch,
    position: Position,
}

impl Rest {
    fn of(entry: &Entry) -> Self {
        let (revision, epoch) = (entry.revision, entry.owned.epoch);
        let places = Places { revision, epoch, position: entry.position };
        let record = RegistryRecord::Device((*entry.device).clone()).encode();
        let mut octets = front(&entry.device.ids.key, &record, &places);
        put_sessions(&mut octets, &entry.hot, &entry.keys);
        Self(octets.into())
    }

    /// A device whose sessions are not known yet.
    fn of_record(key: &DeviceKey, record: &[u8], revision: Revision) -> Self {
        let epoch = Epoch::LATEST;
        let places = Places { revision, epoch, position: Position::default() };
        let mut octets = front(key, record, &places);
        put_sessions(&mut octets, &SessionRecord::default(), &[]);
        Self(octets.into())
    }

    /// The same device with these sessions.
    fn with(&self, hot: &SessionRecord, keys: &[(SessionKeyId, Aes128Key)]) -> Option<Self> {
        let mut rest = &*self.0;
        take_front(&mut rest)?;
        let mut octets = self.0.get(..self.0.len() - rest.len())?.to_vec();
        put_sessions(&mut octets, hot, keys);
        Some(Self(octets.into()))
    }

    fn key(&self) -> (&str, &str) {
        let mut octets = &*self.0;
        let mut text = || std::str::from_utf8(take_short(&mut octets)?).ok();
        (text().unwrap_or_default(), text().unwrap_or_default())
    }

    /// The device, decoded.
    fn wake(&self, key: &DeviceKey) -> Option<Entry> {
        let mut octets = &*self.0;
        let (places, device) = take_front(&mut octets)?;
        let device = RegistryRecord::decode(&RegistryKey::Device(key.clone()), device).ok()?;
        let RegistryRecord::Device(device) = device else { return None };
        let mut keys = Vec::new();
        while octets.first()? != &KEYS_END {
            let id = SessionKeyId::new(take_short(&mut octets)?)?;
            let (key, rest) = octets.split_first_chunk()?;
            octets = rest;
            keys.push((id, Aes128Key::new(*key)));
        }
        octets.advance(1);
        let hot = Arc::new(SessionRecord::decode(octets).ok()?);
        let entry = Entry::new(device, places.revision);
        let owned = Owned { epoch: places.epoch, ..entry.owned };
        Some(Entry { hot, owned, position: places.position, keys, ..entry })
    }
}

/// Ends the keys: no session key id is as long.
const KEYS_END: u8 = u8::MAX;

fn front(key: &DeviceKey, record: &[u8], places: &Places) -> Vec<u8> {
    let mut octets = Vec::with_capacity(320 + record.len());
    let (application_id, device_id) = parts(key);
    for id in [application_id, device_id] {
        put_short(&mut octets, id.as_bytes());
    }
    octets.put_u64(places.revision.0);
    octets.put_u64(places.epoch.0);
    octets.put_u16(places.position.lane.0);
    octets.put_u64(places.position.seq);
    octets.put_u32(u32::try_from(record.len()).unwrap_or_default());
    octets.extend_from_slice(record);
    octets
}

fn take_front<'o>(octets: &mut &'o [u8]) -> Option<(Places, &'o [u8])> {
    take_short(octets)?;
    take_short(octets)?;
    let revision = Revision(octets.try_get_u64().ok()?);
    let epoch = Epoch(octets.try_get_u64().ok()?);
    let lane = LaneId(octets.try_get_u16().ok()?);
    let position = Position { lane, seq: octets.try_get_u64().ok()? };
    let length = usize::try_from(octets.try_get_u32().ok()?).ok()?;
    Some((Places { revision, epoch, position }, octets.split_off(..length)?))
}

fn put_sessions(octets: &mut Vec<u8>, hot: &SessionRecord, keys: &[(SessionKeyId, Aes128Key)]) {
    for (id, key) in keys {
        put_short(octets, id.as_bytes());
        octets.extend_from_slice(key.expose());
    }
    octets.put_u8(KEYS_END);
    octets.extend_from_slice(&hot.encode());
}

/// Octets behind their number, of which there are fewer than 255.
fn put_short(octets: &mut Vec<u8>, of: &[u8]) {
    octets.put_u8(u8::try_from(of.len()).unwrap_or_default());
    octets.extend_from_slice(of);
}

fn take_short<'o>(octets: &mut &'o [u8]) -> Option<&'o [u8]> {
    let length = octets.try_get_u8().ok()?;
    octets.split_off(..usize::from(length))
}

fn parts(key: &DeviceKey) -> (&str, &str) {
    (key.application_id.as_str(), key.device_id.as_str())
}

fn hash_of((application, device): (&str, &str)) -> u64 {
    let mut hasher = FixedHasher::default();
    application.hash(&mut hasher);
    device.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ttn_core::{
        addr::DevAddr,
        id::DeviceIds,
        peer::DeviceInfo,
        time::{Monotonic, Timestamp},
    };

    use super::*;
    use crate::store::{Device, Session};

    fn entry(id: &str) -> Entry {
        let ids = DeviceIds::new(id.parse().unwrap());
        let mut entry = Entry::new(Device::new(ids, Timestamp::from_unix_secs(7)), Revision(3));
        let id = SessionKeyId::new(b"one").unwrap();
        let session = Session::new(id.clone(), DevAddr::from_u32(0x2601_0203));
        entry.hot = Arc::new(SessionRecord {
            current: Some(session),
            last_number: 9,
            ..Default::default()
        });
        entry.keys = vec![(id, Aes128Key::new([5; 16]))];
        entry.owned.epoch = Epoch(11);
        entry.position = Position { lane: LaneId(2), seq: 13 };
        let later = Monotonic::from_nanos(1).plus(Duration::from_secs(60));
        let info = Arc::new(DeviceInfo::default());
        entry.info = Some(KnownInfo { info, refresh_at: later, expires_at: later });
        entry
    }

    #[test]
    fn a_device_wakes_as_it_went_to_rest() {
        let mut devices = Devices::default();
        let (before, key) = (entry("app.dev"), "app.dev".parse().unwrap());
        devices.insert(entry("app.dev"));
        for change in [false, true] {
            devices.settle(0);
            assert!(devices.awake.get_mut().is_empty());
            let after =
                if change { &*devices.get_mut(&key).unwrap() } else { devices.get(&key).unwrap() };
            assert_eq!((&after.device, after.revision), (&before.device, before.revision));
            assert_eq!((&after.hot, &after.keys), (&before.hot, &before.keys));
            assert_eq!((after.owned, after.position), (before.owned, before.position));
            assert_eq!(
                after.info.as_ref().unwrap().refresh_at,
                before.info.as_ref().unwrap().refresh_at
            );
        }
        devices.remove(&key);
        assert!(devices.get(&key).is_none());
    }

    #[test]
    fn whoever_is_busy_does_not_rest_and_is_in_nobodys_way() {
        let mut devices = Devices::default();
        devices.insert(Entry { busy: true, ..entry("app.busy") });
        devices.insert(entry("app.idle"));
        devices.settle(1);
        devices.settle(1);
        assert_eq!(*devices.awake.get_mut(), ["app.busy".parse().unwrap()]);
    }
}

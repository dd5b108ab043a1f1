//! The devices of a shard. Those that are at work are decoded; the others rest as a few hundred octets (record 0038).
//!
//! Whoever asks for a device gets it decoded, and does not notice that it rested. [`Devices::settle`] puts devices to rest
//! when more are decoded than the configuration says.

use std::{
    cell::{OnceCell, RefCell},
    collections::VecDeque,
    hash::{Hash as _, Hasher as _},
    sync::Arc,
    time::Duration,
};

use hashbrown::HashTable;
use ttn_core::{
    addr::DevAddr,
    eui::{DevEui, JoinEui},
    id::DeviceKey,
    map::{FixedHasher, Map},
    store::Revision,
    time::Timestamp,
};
use ttn_mac::state::{Candidate, Hot};

use super::{
    Handle,
    entry::{Defaults, Entry, LoadError},
    rest::{Patterns, Rest},
    sessions::{Known, Sessions},
};
use crate::store::{DeviceRecord, Sealer};

/// How many devices [`Devices::settle`] looks at: those that may not rest are passed by, in their turn.
const SETTLED_AT_ONCE: usize = 512;

/// All devices, by number, id, EUIs and address.
pub(super) struct Devices {
    defaults: Arc<Defaults>,
    slots: Map<Handle, Slot>,
    by_key: HashTable<Handle>,
    by_euis: HashTable<Handle>,
    by_addr: Map<DevAddr, Sessions>,
    patterns: Patterns,
    /// Those that are decoded, in the order in which they were; some may be gone.
    awake: RefCell<VecDeque<Handle>>,
}

/// A device: at rest, decoded, or both as long as nothing changed it.
struct Slot {
    rest: Option<Rest>,
    entry: OnceCell<Box<Entry>>,
}

impl Slot {
    /// The device, decoded; noted in `awake` if it rested.
    fn entry(
        &self,
        handle: Handle,
        defaults: &Defaults,
        awake: &RefCell<VecDeque<Handle>>,
    ) -> Option<&Entry> {
        if let Some(entry) = self.entry.get() {
            return Some(entry);
        }
        // What rests was decoded before: it cannot fail.
        let entry = self.rest.as_ref()?.wake(defaults);
        let entry = entry.inspect_err(|error| tracing::error!(%error, "a resting device")).ok()?;
        awake.borrow_mut().push_back(handle);
        Some(self.entry.get_or_init(|| Box::new(entry)))
    }

    fn key(&self) -> (&str, &str) {
        match (self.entry.get(), &self.rest) {
            (Some(entry), _) => {
                let key = &entry.device.ids.key;
                (key.application_id.as_str(), key.device_id.as_str())
            }
            (None, Some(rest)) => rest.key(),
            (None, None) => ("", ""),
        }
    }

    fn euis(&self) -> Option<(JoinEui, DevEui)> {
        match (self.entry.get(), &self.rest) {
            (Some(entry), _) => entry.device.ids.join_eui.zip(entry.device.ids.dev_eui),
            (None, Some(rest)) => rest.euis(),
            (None, None) => None,
        }
    }
}

impl Devices {
    pub(super) fn new(defaults: Arc<Defaults>) -> Self {
        Self {
            defaults,
            slots: Map::default(),
            by_key: HashTable::new(),
            by_euis: HashTable::new(),
            by_addr: Map::default(),
            patterns: Patterns::default(),
            awake: RefCell::default(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    pub(super) fn get(&self, handle: &Handle) -> Option<&Entry> {
        self.slots.get(handle)?.entry(*handle, &self.defaults, &self.awake)
    }

    pub(super) fn get_mut(&mut self, handle: &Handle) -> Option<&mut Entry> {
        let slot = self.slots.get_mut(handle)?;
        slot.entry(*handle, &self.defaults, &self.awake)?;
        slot.rest = None;
        slot.entry.get_mut().map(|entry| &mut **entry)
    }

    pub(super) fn by_key(&self, key: &DeviceKey) -> Option<Handle> {
        let key = (key.application_id.as_str(), key.device_id.as_str());
        let is = |handle: &Handle| self.slots.get(handle).is_some_and(|slot| slot.key() == key);
        self.by_key.find(hash_of_key(key), is).copied()
    }

    pub(super) fn by_euis(&self, join_eui: JoinEui, dev_eui: DevEui) -> Option<Handle> {
        let euis = Some((join_eui, dev_eui));
        let is = |handle: &Handle| self.slots.get(handle).is_some_and(|slot| slot.euis() == euis);
        self.by_euis.find(hash_of_euis((join_eui, dev_eui)), is).copied()
    }

    /// The sessions that have an address.
    pub(super) fn sessions(&self, dev_addr: DevAddr) -> Option<&Sessions> {
        self.by_addr.get(&dev_addr)
    }

    pub(super) fn insert(&mut self, handle: Handle, entry: Entry) {
        let slot = Slot { rest: None, entry: OnceCell::from(Box::new(entry)) };
        self.awake.get_mut().push_back(handle);
        self.insert_slot(handle, slot);
        self.index_addresses(handle);
    }

    /// Takes a device over that nothing happens to: it stays at rest.
    pub(super) fn insert_resting(
        &mut self,
        handle: Handle,
        (record, revision): (DeviceRecord, Revision),
        hot: Option<Hot>,
        sealer: &Sealer,
    ) -> Result<(), LoadError> {
        let patterns = (&mut self.patterns, &*self.defaults);
        let (rest, session) = Rest::of_record(record, revision, hot, sealer, patterns)?;
        if let Some(dev_addr) = session
            && dev_addr.is_none_or(|dev_addr| !self.by_addr.contains_key(&dev_addr))
        {
            self.insert_slot(handle, Slot { rest: Some(rest), entry: OnceCell::new() });
            let only = Sessions::One(handle, Candidate::Current);
            self.by_addr.extend(dev_addr.map(|dev_addr| (dev_addr, only)));
            return Ok(());
        }
        // Decoded for a moment: its sessions are to be found, and whatever means nothing is to be known now.
        let entry = rest.wake(&self.defaults)?;
        self.insert_slot(handle, Slot { rest: Some(rest), entry: OnceCell::new() });
        for (dev_addr, candidate) in entry.addresses() {
            self.index_session(dev_addr, Known::new(handle, candidate, &entry, &self.defaults));
        }
        Ok(())
    }

    fn insert_slot(&mut self, handle: Handle, slot: Slot) {
        let (key, euis) = (hash_of_key(slot.key()), slot.euis());
        self.slots.insert(handle, slot);
        let slots = &self.slots;
        self.by_key.insert_unique(key, handle, |handle| {
            slots.get(handle).map_or(0, |slot| hash_of_key(slot.key()))
        });
        if let Some(euis) = euis {
            self.by_euis.insert_unique(hash_of_euis(euis), handle, |handle| {
                slots.get(handle).and_then(Slot::euis).map_or(0, hash_of_euis)
            });
        }
    }

    pub(super) fn remove(&mut self, handle: Handle) -> Option<Box<Entry>> {
        self.forget_addresses(handle);
        let slot = self.slots.remove(&handle)?;
        if let Ok(found) = self.by_key.find_entry(hash_of_key(slot.key()), |it| *it == handle) {
            found.remove();
        }
        if let Some(euis) = slot.euis()
            && let Ok(found) = self.by_euis.find_entry(hash_of_euis(euis), |it| *it == handle)
        {
            found.remove();
        }
        slot.entry.into_inner()
    }

    pub(super) fn index_addresses(&mut self, handle: Handle) {
        let Some(entry) = self.get(&handle) else { return };
        let known: Vec<_> = entry
            .addresses()
            .map(|(addr, candidate)| (addr, Known::new(handle, candidate, entry, &self.defaults)))
            .collect();
        for (dev_addr, known) in known {
            self.index_session(dev_addr, known);
        }
    }

    fn index_session(&mut self, dev_addr: DevAddr, known: Known) {
        // The second session of an address: from now on both are kept with what finds them.
        let first = match self.by_addr.get(&dev_addr) {
            Some(Sessions::One(handle, candidate)) => {
                self.get(handle).map(|entry| Known::new(*handle, *candidate, entry, &self.defaults))
            }
            _ => None,
        };
        Sessions::add(self.by_addr.entry(dev_addr), first, known);
    }

    /// To be called before the sessions of a device change; [`Self::index_addresses`] afterwards.
    pub(super) fn forget_addresses(&mut self, handle: Handle) {
        let Some(entry) = self.get(&handle) else { return };
        let addresses: Vec<_> = entry.addresses().collect();
        for (dev_addr, _) in addresses {
            if let Some(sessions) = self.by_addr.get_mut(&dev_addr)
                && sessions.forget(handle)
            {
                self.by_addr.remove(&dev_addr);
            }
        }
    }

    /// To be called when the counter of a device has changed.
    pub(super) fn counted(&mut self, handle: Handle) {
        let Some(entry) = self.get(&handle) else { return };
        let Some(session) = &entry.mac.slow.session else { return };
        let (dev_addr, f_cnt_up) = (session.dev_addr, entry.mac.hot.f_cnt_up);
        if let Some(Sessions::Many(many)) = self.by_addr.get_mut(&dev_addr) {
            Sessions::counted(many, handle, Candidate::Current, f_cnt_up);
        }
    }

    /// Puts devices to rest that were decoded longest ago, if too many are.
    pub(super) fn settle(&mut self, now: Timestamp, awake_max: usize) {
        let above = self.awake.get_mut().len().saturating_sub(awake_max);
        for _ in 0..above.min(SETTLED_AT_ONCE) {
            let Some(handle) = self.awake.get_mut().pop_front() else { return };
            let Some(slot) = self.slots.get_mut(&handle) else { continue };
            if slot.rest.is_none() {
                let entry = slot.entry.get().filter(|entry| may_rest(entry, now));
                let patterns = (&mut self.patterns, &*self.defaults);
                slot.rest = entry.and_then(|entry| Rest::of_entry(entry, patterns));
            }
            if slot.rest.is_some() {
                slot.entry.take();
            } else {
                self.awake.get_mut().push_back(handle);
            }
        }
    }
}

/// How long RX2 is open behind the delay of RX1.
const RX2: Duration = Duration::from_secs(2);

/// Whether nothing is going on with a device that its records do not tell.
fn may_rest(entry: &Entry, now: Timestamp) -> bool {
    let Entry { queue, flight, awaiting_ack, first_copy, mac, .. } = entry;
    let windows = Duration::from_secs(mac.slow.current.rx1_delay.into()) + RX2;
    let windows_are_over = mac.hot.last_uplink_at.is_none_or(|at| now >= at.plus(windows));
    queue.is_empty()
        && flight.is_none()
        && awaiting_ack.is_none()
        && first_copy.is_none()
        && mac.hot.in_flight.is_none()
        && (entry.open.is_none() || windows_are_over)
}

fn hash_of_key((application, device): (&str, &str)) -> u64 {
    let mut hasher = FixedHasher::default();
    application.hash(&mut hasher);
    device.hash(&mut hasher);
    hasher.finish()
}

fn hash_of_euis((join_eui, dev_eui): (JoinEui, DevEui)) -> u64 {
    let mut hasher = FixedHasher::default();
    join_eui.hash(&mut hasher);
    dev_eui.hash(&mut hasher);
    hasher.finish()
}

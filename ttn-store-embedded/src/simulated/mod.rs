//! A disk and an engine that crash when a test says so, and what of them is there afterwards.

mod crash;
mod damage;

use std::{collections::BTreeMap, io, sync::Arc};

use parking_lot::Mutex;
use ttn_core::{
    rand::Entropy,
    store::{StoreError, StoreErrorKind},
};

use crate::{
    base::{Base, Key, Rows, Space, Value},
    disk::Disk,
};

/// Numbers from a seed: the same seed, the same crash.
#[derive(Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below a bound.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) % bound.max(1) as u64) as usize
    }

    pub(crate) fn one_in(&mut self, bound: usize) -> bool {
        self.below(bound) == 0
    }
}

/// When the power fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fuse {
    /// In this call from now on, the first being 0.
    pub(crate) call: usize,
    /// If that is an append: behind so many of its octets.
    pub(crate) octets: usize,
}

/// What a machine has: files and the engine's rows, as programs see them and as they would be after a crash.
#[derive(Debug)]
pub(crate) struct World {
    dice: Dice,
    pub(crate) fuse: Option<Fuse>,
    pub(crate) is_dead: bool,
    /// All calls so far: for appends how many octets.
    pub(crate) calls: Vec<Option<usize>>,
    pub(crate) files: BTreeMap<String, File>,
    /// Removed files that may be there again.
    removed: BTreeMap<String, Vec<u8>>,
    rows: BTreeMap<Key, Vec<u8>>,
    durable_rows: BTreeMap<Key, Vec<u8>>,
    /// Writes since the last sync of the engine.
    unsynced: Vec<(Key, Value)>,
}

/// A file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct File {
    /// `None` as long as its name is not durable.
    durable: Option<Vec<u8>>,
    pub(crate) now: Vec<u8>,
}

/// A handle on a world: its disk, its engine, its randomness.
#[derive(Clone, Debug)]
pub(crate) struct Machine(Arc<Mutex<World>>);

impl Machine {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(World {
            dice: Dice::new(seed),
            fuse: None,
            is_dead: false,
            calls: Vec::new(),
            files: BTreeMap::new(),
            removed: BTreeMap::new(),
            rows: BTreeMap::new(),
            durable_rows: BTreeMap::new(),
            unsynced: Vec::new(),
        })))
    }

    pub(crate) fn with<T>(&self, look: impl FnOnce(&mut World) -> T) -> T {
        look(&mut self.0.lock())
    }
}

impl World {
    /// Counts a call. `Ok(Some(fuse))`: the power fails in it.
    fn call(&mut self, octets: Option<usize>) -> io::Result<Option<Fuse>> {
        if self.is_dead {
            return Err(io::Error::other("the power is off"));
        }
        self.calls.push(octets);
        match &mut self.fuse {
            Some(fuse) if fuse.call == 0 => {
                self.is_dead = true;
                Ok(self.fuse.take())
            }
            Some(fuse) => {
                fuse.call -= 1;
                Ok(None)
            }
            None => Ok(None),
        }
    }

    fn cut_off() -> io::Error {
        io::Error::other("the power failed")
    }

    /// Leaves what a crash leaves: of files what was synced and any part of the rest, with holes; of the engine's
    /// parts each what was synced and any number of the writes behind.
    pub(crate) fn crash(&mut self) {
        for (name, content) in std::mem::take(&mut self.removed) {
            if !self.files.contains_key(&name) && self.dice.one_in(2) {
                self.files.insert(name, File { durable: Some(content.clone()), now: content });
            }
        }
        let dice = &mut self.dice;
        self.files.retain(|_, file| {
            if file.durable.is_none() && dice.one_in(2) {
                return false;
            }
            let durable = file.durable.as_ref().map_or(0, Vec::len);
            let end = durable + dice.below(file.now.len() - durable + 1);
            file.now.truncate(end);
            if dice.one_in(3) && end > durable {
                // A page that was not written yet, in a file that has grown already.
                let from = durable + dice.below(end - durable);
                let to = from + dice.below(end - from + 1);
                file.now[from..to].fill(0);
            }
            file.durable = Some(file.now.clone());
            true
        });
        let unsynced = std::mem::take(&mut self.unsynced);
        for space in [Space::Hot, Space::Log, Space::State] {
            let of_space: Vec<_> = unsynced.iter().filter(|((of, _), _)| *of == space).collect();
            let kept = self.dice.below(of_space.len() + 1);
            for (key, value) in of_space.into_iter().take(kept) {
                set(&mut self.durable_rows, key, value);
            }
        }
        self.rows = self.durable_rows.clone();
        self.is_dead = false;
        self.fuse = None;
    }
}

pub(crate) fn set(rows: &mut BTreeMap<Key, Vec<u8>>, key: &Key, value: &Value) {
    match value {
        Some(value) => rows.insert(key.clone(), value.to_vec()),
        None => rows.remove(key),
    };
}

impl Disk for Machine {
    fn append(&self, name: &str, octets: &[u8]) -> io::Result<()> {
        self.with(|world| {
            let dies = world.call(Some(octets.len()))?;
            let file = world.files.entry(name.to_owned()).or_default();
            let written = dies.map_or(octets.len(), |fuse| fuse.octets.min(octets.len()));
            file.now.extend(&octets[..written]);
            dies.map_or(Ok(()), |_| Err(World::cut_off()))
        })
    }

    fn sync(&self, name: &str) -> io::Result<()> {
        self.with(|world| {
            let dies = world.call(None)?.is_some();
            // It may have happened, and nobody was told.
            if !dies || world.dice.one_in(2) {
                let file = world.files.get_mut(name).ok_or(io::ErrorKind::NotFound)?;
                if file.durable.is_none() {
                    world.removed.clear();
                }
                file.durable = Some(file.now.clone());
            }
            if dies { Err(World::cut_off()) } else { Ok(()) }
        })
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.with(|world| match world.call(None)? {
            Some(_) => Err(World::cut_off()),
            None => Ok(world.files.keys().cloned().collect()),
        })
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.with(|world| {
            let dies = world.call(None)?.is_some();
            if !dies || world.dice.one_in(2) {
                let file = world.files.remove(name).ok_or(io::ErrorKind::NotFound)?;
                world.removed.extend(file.durable.map(|content| (name.to_owned(), content)));
            }
            if dies { Err(World::cut_off()) } else { Ok(()) }
        })
    }

    fn read(&self, name: &str, octets_max: u64) -> io::Result<Vec<u8>> {
        self.with(|world| {
            if world.call(None)?.is_some() {
                return Err(World::cut_off());
            }
            let file = world.files.get(name).ok_or(io::ErrorKind::NotFound)?;
            let length = file.now.len().min(usize::try_from(octets_max).unwrap_or(usize::MAX));
            Ok(file.now[..length].to_vec())
        })
    }

    fn describe(&self, name: &str) -> String {
        format!("simulated/{name}")
    }
}

impl Base for Machine {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.with(|world| Ok(world.rows.get(&(space, key.to_vec())).cloned()))
    }

    fn range(&self, space: Space, from: Vec<u8>, to: Vec<u8>) -> Rows {
        let rows: Vec<_> = self.with(|world| {
            let rows = world.rows.range((space, from)..(space, to));
            rows.map(|((_, key), value)| Ok((key.clone(), value.clone()))).collect()
        });
        Box::new(rows.into_iter())
    }

    fn write(&self, rows: &[(&Key, &Value)]) -> Result<(), StoreError> {
        self.with(|world| {
            let dies = world.call(None).map_err(off)?.is_some();
            for (key, value) in rows {
                set(&mut world.rows, key, value);
                world.unsynced.push(((*key).clone(), (*value).clone()));
            }
            if dies { Err(off(World::cut_off())) } else { Ok(()) }
        })
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.with(|world| {
            let dies = world.call(None).map_err(off)?.is_some();
            if !dies || world.dice.one_in(2) {
                world.unsynced.clear();
                world.durable_rows = world.rows.clone();
            }
            if dies { Err(off(World::cut_off())) } else { Ok(()) }
        })
    }
}

impl Entropy for Machine {
    fn fill(&self, buffer: &mut [u8]) {
        self.with(|world| buffer.fill_with(|| world.dice.below(256) as u8));
    }
}

fn off(error: io::Error) -> StoreError {
    StoreError::new(StoreErrorKind::Io, "the simulated engine").caused_by(error)
}

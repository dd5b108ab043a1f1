//! Devices, links, integrations and sessions in memory.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use futures::{StreamExt as _, stream::BoxStream};
use parking_lot::Mutex;
use ttn_core::store::{Replaces, Revision, StoreError, StoreErrorKind, Versioned};

use super::{ApplicationStore, IntegrationKey, Loaded, ReaderState, RegistryKey, RegistryRecord};
use crate::log::MemoryLog;

/// A store without a disk. Session records are those of the [`MemoryLog`] beside it.
#[derive(Debug, Default)]
pub struct MemoryStore {
    registry: Mutex<BTreeMap<RegistryKey, Versioned<RegistryRecord>>>,
    // Locked after `registry`.
    readers: Mutex<BTreeMap<IntegrationKey, ReaderState>>,
    log: Arc<MemoryLog>,
}

impl MemoryStore {
    /// Makes an empty store beside a log.
    #[must_use]
    pub fn new(log: Arc<MemoryLog>) -> Self {
        Self { registry: Mutex::default(), readers: Mutex::default(), log }
    }
}

#[async_trait]
impl ApplicationStore for MemoryStore {
    async fn get(&self, key: &RegistryKey) -> Result<Versioned<RegistryRecord>, StoreError> {
        self.registry.lock().get(key).cloned().ok_or_else(|| missing(key))
    }

    async fn put(
        &self,
        record: &RegistryRecord,
        replaces: Replaces,
    ) -> Result<Revision, StoreError> {
        let key = record.key();
        let mut registry = self.registry.lock();
        let current = registry.get(&key).map(|stored| stored.revision);
        check(&key, replaces, current)?;
        let revision = Revision(current.map_or(1, |revision| revision.0 + 1));
        registry.insert(key, Versioned { revision, value: record.clone() });
        Ok(revision)
    }

    async fn delete(&self, key: &RegistryKey, replaces: Replaces) -> Result<(), StoreError> {
        let mut registry = self.registry.lock();
        let current = registry.get(key).map(|stored| stored.revision);
        if current.is_none() {
            return Err(missing(key));
        }
        check(key, replaces, current)?;
        registry.remove(key);
        match key {
            RegistryKey::Device(device) => self.log.forget(device),
            RegistryKey::Integration(key) => drop(self.readers.lock().remove(key)),
            RegistryKey::Link(_) => {}
        }
        Ok(())
    }

    async fn put_readers(
        &self,
        readers: &[(IntegrationKey, ReaderState)],
    ) -> Result<(), StoreError> {
        let registry = self.registry.lock();
        let mut stored = self.readers.lock();
        for (key, state) in readers {
            if registry.contains_key(&RegistryKey::Integration(key.clone())) {
                stored.insert(key.clone(), state.clone());
            }
        }
        Ok(())
    }

    fn load(&self) -> BoxStream<'_, Result<Loaded, StoreError>> {
        let registry: Vec<_> =
            self.registry.lock().values().cloned().map(|r| Ok(Loaded::Registry(r))).collect();
        let sessions = self.log.sessions();
        let sessions = sessions.into_iter().map(|(key, s)| Ok(Loaded::Sessions(key, s)));
        let readers = self.readers.lock().clone();
        let readers = readers.into_iter().map(|(key, state)| Ok(Loaded::Reader(key, state)));
        futures::stream::iter(registry.into_iter().chain(sessions).chain(readers)).boxed()
    }
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
    let kind = match replaces {
        Replaces::Nothing => StoreErrorKind::AlreadyExists,
        _ if current.is_none() => StoreErrorKind::NotFound,
        _ => StoreErrorKind::Conflict,
    };
    Err(StoreError::new(kind, format!("{key:?}")))
}

//! A store in memory: for tests, and for a Join Server that may forget.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use async_trait::async_trait;
use parking_lot::Mutex;
use ttn_core::{
    id::{ApplicationId, DeviceKey},
    key::SessionKeyId,
    store::{
        Durable, ImmediateWatermark, LaneId, Replaces, Revision, StoreError, StoreErrorKind,
        Versioned,
    },
};

use super::{
    DevNonceRule, DeviceSelector, JoinStore, JoinWrite, NonceId, Nonces, NoncesChange, RootKeyTag,
    SessionKeySet,
};
use crate::device::{ActivationSettings, Device, Euis};

/// Keeps everything in memory. It is as large as the number of devices and their joins make it.
#[derive(Debug, Default)]
pub struct MemoryStore {
    state: Mutex<State>,
    watermark: ImmediateWatermark,
}

#[derive(Debug, Default)]
struct State {
    devices: BTreeMap<DeviceKey, Versioned<Device>>,
    by_euis: BTreeMap<Euis, DeviceKey>,
    nonces: BTreeMap<Euis, DeviceNonces>,
    sessions: BTreeMap<Euis, VecDeque<SessionKeySet>>,
    settings: BTreeMap<ApplicationId, Versioned<ActivationSettings>>,
}

#[derive(Debug, Default)]
struct DeviceNonces {
    revision: Revision,
    join_nonce: u32,
    last: BTreeMap<RootKeyTag, u16>,
    used: BTreeSet<(RootKeyTag, u16)>,
}

impl DeviceNonces {
    fn raise_last(&mut self, root_key: RootKeyTag, dev_nonce: u16) {
        let last = self.last.entry(root_key).or_insert(dev_nonce);
        *last = dev_nonce.max(*last);
    }
}

impl MemoryStore {
    /// Makes an empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

#[async_trait]
impl JoinStore for MemoryStore {
    async fn device(&self, of: &DeviceSelector) -> Result<Versioned<Device>, StoreError> {
        let state = self.state.lock();
        let key = match of {
            DeviceSelector::Euis(euis) => state.by_euis.get(euis),
            DeviceSelector::Key(key) => Some(key),
        };
        let device = key.and_then(|key| state.devices.get(key)).cloned();
        device.ok_or_else(|| StoreError::new(StoreErrorKind::NotFound, of.to_string()))
    }

    async fn put_device(
        &self,
        device: &Device,
        replaces: Replaces,
    ) -> Result<Revision, StoreError> {
        let mut state = self.state.lock();
        let old = state.devices.get(&device.key).map(|old| (old.revision, old.value.euis));
        if !replaces.allows(old.map(|(revision, _)| revision)) {
            let context = format!("the device {}", device.key);
            return Err(StoreError::new(StoreErrorKind::Conflict, context));
        }
        if state.by_euis.get(&device.euis).is_some_and(|owner| *owner != device.key) {
            let context = format!("a device with EUIs {}", device.euis);
            return Err(StoreError::new(StoreErrorKind::AlreadyExists, context));
        }
        if let Some((_, euis)) = old {
            state.by_euis.remove(&euis);
        }
        let revision = Revision(old.map_or(0, |(revision, _)| revision.0) + 1);
        state.by_euis.insert(device.euis, device.key.clone());
        state.devices.insert(device.key.clone(), Versioned { revision, value: device.clone() });
        Ok(revision)
    }

    async fn delete_device(&self, key: &DeviceKey, replaces: Replaces) -> Result<(), StoreError> {
        let mut state = self.state.lock();
        let context = || format!("the device {key}");
        let Some(old) = state.devices.get(key) else {
            return Err(StoreError::new(StoreErrorKind::NotFound, context()));
        };
        if !replaces.allows(Some(old.revision)) {
            return Err(StoreError::new(StoreErrorKind::Conflict, context()));
        }
        let euis = old.value.euis;
        state.devices.remove(key);
        state.by_euis.remove(&euis);
        state.sessions.remove(&euis);
        Ok(())
    }

    async fn nonces(&self, id: &NonceId, dev_nonce: u16) -> Result<Nonces, StoreError> {
        let state = self.state.lock();
        Ok(state.nonces.get(&id.euis).map_or_else(Nonces::default, |nonces| Nonces {
            revision: nonces.revision,
            join_nonce: nonces.join_nonce,
            last_dev_nonce: nonces.last.get(&id.root_key).copied(),
            is_used: nonces.used.contains(&(id.root_key, dev_nonce)),
        }))
    }

    async fn used_dev_nonces(&self, id: &NonceId, limit: usize) -> Result<Vec<u16>, StoreError> {
        let state = self.state.lock();
        let Some(nonces) = state.nonces.get(&id.euis) else { return Ok(Vec::new()) };
        let used = nonces.used.range((id.root_key, 0)..=(id.root_key, u16::MAX));
        Ok(used.take(limit).map(|(_, dev_nonce)| *dev_nonce).collect())
    }

    async fn change_nonces(&self, euis: Euis, change: &NoncesChange) -> Result<(), StoreError> {
        let mut state = self.state.lock();
        let nonces = state.nonces.entry(euis).or_default();
        let revision = Revision(nonces.revision.0 + 1);
        match change {
            NoncesChange::Purge => *nonces = DeviceNonces::default(),
            NoncesChange::Raise { root_key, join_nonce, last_dev_nonce, used_dev_nonces } => {
                nonces.join_nonce = nonces.join_nonce.max(*join_nonce);
                if let Some(dev_nonce) = last_dev_nonce {
                    nonces.raise_last(*root_key, *dev_nonce);
                }
                nonces.used.extend(used_dev_nonces.iter().map(|used| (*root_key, *used)));
            }
        }
        nonces.revision = revision;
        Ok(())
    }

    async fn join(&self, write: JoinWrite) -> Result<Durable, StoreError> {
        let mut state = self.state.lock();
        let nonces = state.nonces.entry(write.id.euis).or_default();
        if nonces.revision != write.reads {
            let context = format!("the nonces of {}", write.id.euis);
            return Err(StoreError::new(StoreErrorKind::Conflict, context));
        }
        nonces.revision.0 += 1;
        nonces.join_nonce = write.join_nonce;
        match write.dev_nonce_rule {
            DevNonceRule::Counter => nonces.raise_last(write.id.root_key, write.dev_nonce),
            DevNonceRule::Random => {
                nonces.used.insert((write.id.root_key, write.dev_nonce));
            }
        }
        let sessions = state.sessions.entry(write.id.euis).or_default();
        sessions.push_front(write.keys);
        sessions.truncate(write.session_keys_max);
        Ok(Durable::attested_by_store(self.watermark.advance(LaneId::default())))
    }

    async fn activation_settings(
        &self,
        application: &ApplicationId,
    ) -> Result<Versioned<ActivationSettings>, StoreError> {
        let found = self.state.lock().settings.get(application).cloned();
        found.ok_or_else(|| StoreError::new(StoreErrorKind::NotFound, settings_of(application)))
    }

    async fn put_activation_settings(
        &self,
        application: &ApplicationId,
        settings: Option<&ActivationSettings>,
        replaces: Replaces,
    ) -> Result<Revision, StoreError> {
        let mut state = self.state.lock();
        let old = state.settings.get(application).map(|old| old.revision);
        if old.is_none() && settings.is_none() {
            return Err(StoreError::new(StoreErrorKind::NotFound, settings_of(application)));
        }
        if !replaces.allows(old) {
            return Err(StoreError::new(StoreErrorKind::Conflict, settings_of(application)));
        }
        let revision = Revision(old.map_or(0, |old| old.0) + 1);
        match settings.cloned() {
            Some(value) => {
                state.settings.insert(application.clone(), Versioned { revision, value });
            }
            None => {
                state.settings.remove(application);
            }
        }
        Ok(revision)
    }

    async fn session_keys(
        &self,
        euis: Euis,
        id: &SessionKeyId,
    ) -> Result<SessionKeySet, StoreError> {
        let state = self.state.lock();
        let mut sets = state.sessions.get(&euis).into_iter().flatten();
        let set = sets.find(|set| set.keys.id == *id).cloned();
        set.ok_or_else(|| {
            let context = format!("the session keys {id} of {euis}");
            StoreError::new(StoreErrorKind::NotFound, context)
        })
    }
}

fn settings_of(application: &ApplicationId) -> String {
    format!("the activation settings of {application}")
}

//! Devices and links: read, set, deleted (AS-01, AS-09).

use std::sync::Arc;

use ttn_core::{
    id::{ApplicationId, DeviceKey},
    store::{Replaces, Revision, Versioned},
};

use crate::{
    ApplicationServer, Error, event,
    state::Entry,
    store::{Device, Link, RegistryKey, RegistryRecord, Session, SessionRecord},
};

/// The sessions that a caller sets for a device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "built by other crates")]
pub struct DeviceSessions {
    /// The session in use.
    pub current: Option<Session>,
    /// The session that the device has not used yet.
    pub pending: Option<Session>,
}

impl ApplicationServer {
    /// Reads a device and its sessions.
    ///
    /// # Errors
    ///
    /// The device is not registered.
    pub fn device(
        &self,
        key: &DeviceKey,
    ) -> Result<(Versioned<Device>, Arc<SessionRecord>), Error> {
        let mut state = self.state.lock();
        let entry = state.devices.get(key).ok_or_else(|| Error::DeviceNotFound(key.clone()))?;
        let device = Versioned { revision: entry.revision, value: (*entry.device).clone() };
        let hot = entry.hot.clone();
        // Whoever reads all devices wakes them all.
        state.devices.settle(self.config.devices_awake);
        Ok((device, hot))
    }

    /// Creates or changes a device; `sessions` replaces its sessions, if given.
    ///
    /// # Errors
    ///
    /// Another revision is stored, or the store failed. Sessions are refused when the log takes nothing now; the
    /// device itself is stored then.
    pub async fn set_device(
        &self,
        device: Device,
        sessions: Option<DeviceSessions>,
        replaces: Replaces,
    ) -> Result<Revision, Error> {
        let key = device.ids.key.clone();
        let revision = self.store.put(&RegistryRecord::Device(device.clone()), replaces).await?;
        let mut state = self.state.lock();
        let is_new = !state.devices.contains(&key);
        match state.devices.get_mut(&key) {
            Some(entry) => (entry.device, entry.revision) = (Arc::new(device), revision),
            None => state.devices.insert(Entry::new(device, revision)),
        }
        if let (Some(sessions), Some(entry)) = (sessions, state.devices.get(&key)) {
            let mut change = entry.change();
            for session in [&sessions.current, &sessions.pending].into_iter().flatten() {
                let clear = session.app_s_key.as_ref().and_then(|key| self.unwrap(key));
                change.keys.extend(clear.map(|key| (session.session_key_id.clone(), key)));
            }
            change.hot.current = sessions.current.map(|session| self.at_rest(session));
            change.hot.pending = sessions.pending.map(|session| self.at_rest(session));
            let lane = change.hot.lane;
            self.commit(&mut state, lane, vec![change]).map_err(Error::Refused)?;
        }
        state.devices.settle(self.config.devices_awake);
        drop(state);
        let definition = if is_new { &event::END_DEVICE_CREATE } else { &event::END_DEVICE_UPDATE };
        self.report_device(definition, &key);
        Ok(revision)
    }

    /// Deletes a device and its sessions. What it has in the log stays there.
    ///
    /// # Errors
    ///
    /// The device is not registered, another revision is stored, or the store failed.
    pub async fn delete_device(&self, key: &DeviceKey, replaces: Replaces) -> Result<(), Error> {
        self.remove_device(key, replaces).await?;
        self.report_device(&event::END_DEVICE_DELETE, key);
        Ok(())
    }

    /// Deletes devices of an application and their sessions; those that are not registered are left out (AS-09).
    ///
    /// # Errors
    ///
    /// The store failed; some devices may be deleted then.
    pub async fn delete_devices(&self, keys: &[DeviceKey]) -> Result<(), Error> {
        let mut deleted = Vec::new();
        for key in keys {
            match self.remove_device(key, Replaces::Any).await {
                Ok(()) => deleted.push(key),
                Err(Error::DeviceNotFound(_)) => {}
                Err(error) => return Err(error),
            }
        }
        for key in deleted {
            self.report_device(&event::END_DEVICE_BATCH_DELETE, key);
        }
        Ok(())
    }

    /// Reads the link of an application; an application without one has an empty link.
    #[must_use]
    pub fn link(&self, application: &ApplicationId) -> Option<Versioned<Link>> {
        let state = self.state.lock();
        let (revision, link) = state.links.get(application)?;
        Some(Versioned { revision: *revision, value: (**link).clone() })
    }

    /// Sets the link of an application.
    ///
    /// # Errors
    ///
    /// Another revision is stored, or the store failed.
    pub async fn set_link(&self, link: Link, replaces: Replaces) -> Result<Revision, Error> {
        let revision = self.store.put(&RegistryRecord::Link(link.clone()), replaces).await?;
        let id = link.application_id.clone();
        self.state.lock().links.insert(id, (revision, Arc::new(link)));
        Ok(revision)
    }

    /// Deletes the link of an application.
    ///
    /// # Errors
    ///
    /// There is none, or the store failed.
    pub async fn delete_link(&self, application: &ApplicationId) -> Result<(), Error> {
        if self.link(application).is_none() {
            return Err(Error::LinkNotFound);
        }
        self.store.delete(&RegistryKey::Link(application.clone()), Replaces::Any).await?;
        self.state.lock().links.remove(application);
        Ok(())
    }

    async fn remove_device(&self, key: &DeviceKey, replaces: Replaces) -> Result<(), Error> {
        if !self.state.lock().devices.contains(key) {
            return Err(Error::DeviceNotFound(key.clone()));
        }
        self.store.delete(&RegistryKey::Device(key.clone()), replaces).await?;
        self.state.lock().devices.remove(key);
        Ok(())
    }

    fn at_rest(&self, mut session: Session) -> Session {
        session.app_s_key = session.app_s_key.map(|key| self.wrap(key));
        session
    }

    fn report_device(
        &self,
        definition: &'static ttn_core::event::EventDefinition,
        key: &DeviceKey,
    ) {
        let id = ttn_core::id::EntityId::Device(key.clone());
        event::publish(&self.events, definition, self.clock.utc(), id, &Vec::new(), || {
            serde_json::Value::Null
        });
    }
}

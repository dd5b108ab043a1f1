//! What integrations keep: their records and how far they have read, in memory and in the store.

use std::collections::BTreeMap;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::watch;
use ttn_core::{
    id::ApplicationId,
    map::Map,
    store::{Replaces, Revision, Versioned},
};

use crate::{
    ApplicationServer, Error,
    store::{
        Integration, IntegrationKey, IntegrationKind, ReaderState, RegistryKey, RegistryRecord,
    },
};

/// The integrations of all applications.
#[derive(Debug)]
pub(crate) struct Integrations {
    known: Mutex<Known>,
    changes: Map<IntegrationKind, watch::Sender<u64>>,
}

#[derive(Debug, Default)]
struct Known {
    settings: BTreeMap<IntegrationKey, Versioned<Bytes>>,
    readers: BTreeMap<IntegrationKey, ReaderState>,
}

impl Default for Integrations {
    fn default() -> Self {
        let changes = IntegrationKind::ALL.map(|kind| (kind, watch::Sender::new(0)));
        Self { known: Mutex::default(), changes: changes.into_iter().collect() }
    }
}

impl Integrations {
    pub(crate) fn load(&self, integration: Integration, revision: Revision) {
        let value = Versioned { revision, value: integration.settings };
        self.known.lock().settings.insert(integration.key, value);
    }

    pub(crate) fn load_reader(&self, key: IntegrationKey, state: ReaderState) {
        self.known.lock().readers.insert(key, state);
    }

    fn changed(&self, kind: IntegrationKind) {
        if let Some(changes) = self.changes.get(&kind) {
            changes.send_modify(|count| *count = count.wrapping_add(1));
        }
    }
}

impl ApplicationServer {
    /// The settings of an integration, if it exists.
    #[must_use]
    pub fn integration(&self, key: &IntegrationKey) -> Option<Versioned<Bytes>> {
        self.integrations.known.lock().settings.get(key).cloned()
    }

    /// The integrations of a kind, of one application or of all, in the order of their keys.
    #[must_use]
    pub fn integrations(
        &self,
        kind: IntegrationKind,
        application: Option<&ApplicationId>,
    ) -> Vec<(IntegrationKey, Versioned<Bytes>)> {
        let known = self.integrations.known.lock();
        let wanted = known.settings.iter().filter(|(key, _)| {
            key.kind == kind && application.is_none_or(|id| *id == key.application_id)
        });
        wanted.map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    /// A counter that moves whenever an integration of the kind is created, changed or deleted.
    ///
    /// A task that lives from integrations waits for it and reads [`Self::integrations`] again.
    #[must_use]
    pub fn integration_changes(&self, kind: IntegrationKind) -> watch::Receiver<u64> {
        // Every kind has a counter; a missing one would be a closed channel.
        let changes = self.integrations.changes.get(&kind);
        changes.map_or_else(|| watch::channel(0).1, watch::Sender::subscribe)
    }

    /// Creates or changes an integration; it is durable when this returns. With a vault its settings are sealed at rest.
    ///
    /// # Errors
    ///
    /// The name is too long, the vault does not seal, another revision is stored, or the store failed.
    pub async fn set_integration(
        &self,
        key: IntegrationKey,
        settings: Bytes,
        replaces: Replaces,
    ) -> Result<Revision, Error> {
        let (size, max) = (key.id.len(), IntegrationKey::ID_LENGTH_MAX);
        if size > max {
            return Err(Error::TooLarge { field: "id", size, max });
        }
        let at_rest = Integration { key: key.clone(), settings: self.settings_at_rest(&settings)? };
        let revision = self.store.put(&RegistryRecord::Integration(at_rest), replaces).await?;
        let integration = Integration { key, settings };
        let kind = integration.key.kind;
        self.integrations.load(integration, revision);
        self.integrations.changed(kind);
        Ok(revision)
    }

    /// Deletes an integration and its place in the log.
    ///
    /// # Errors
    ///
    /// It does not exist, another revision is stored, or the store failed.
    pub async fn delete_integration(
        &self,
        key: &IntegrationKey,
        replaces: Replaces,
    ) -> Result<(), Error> {
        self.store.delete(&RegistryKey::Integration(key.clone()), replaces).await?;
        let mut known = self.integrations.known.lock();
        known.settings.remove(key);
        known.readers.remove(key);
        drop(known);
        self.integrations.changed(key.kind);
        Ok(())
    }

    /// How far an integration has read the log; `None` if it never said.
    #[must_use]
    pub fn reader_state(&self, key: &IntegrationKey) -> Option<ReaderState> {
        self.integrations.known.lock().readers.get(key).cloned()
    }

    /// Keeps how far integrations have read; durable when this returns. Many places in one call cost one sync.
    /// The place of an integration that does not exist is not kept.
    ///
    /// # Errors
    ///
    /// The store failed.
    pub async fn put_reader_states(
        &self,
        readers: Vec<(IntegrationKey, ReaderState)>,
    ) -> Result<(), Error> {
        self.store.put_readers(&readers).await?;
        let mut known = self.integrations.known.lock();
        for (key, state) in readers {
            if known.settings.contains_key(&key) {
                known.readers.insert(key, state);
            }
        }
        Ok(())
    }
}

//! The sessions of clients: per application and client id, one connection at a time. Those of clients that want it
//! (CleanSession 0) outlive the connection and the process: filters and a place in the log, no messages (DESIGN 4).

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use futures::future::{Either, select};
use parking_lot::Mutex;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};
use tokio_util::sync::CancellationToken;
use ttn_core::{id::ApplicationId, map::Map, store::Replaces};

use super::{Counters, feed::Feeds, record, state::SessionState};
use crate::{
    ApplicationServer, Error,
    store::{IntegrationKey, IntegrationKind},
};

/// How many sessions that outlive their connection an application may have; further clients are refused.
pub const SESSIONS_MAX: usize = 1000;

/// What the MQTT server knows of all clients.
#[derive(Debug, Default)]
pub(crate) struct Mqtt {
    pub(super) sessions: Sessions,
    pub(super) feeds: Feeds,
    pub(super) counters: Counters,
    stopping: CancellationToken,
}

/// Sessions by application and client id.
#[derive(Debug, Default)]
pub(super) struct Sessions(Mutex<Map<ApplicationId, BTreeMap<String, Arc<Slot>>>>);

/// The place of a session.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) application: ApplicationId,
    /// Empty for a client without one; nobody else finds its slot.
    pub(super) client_id: String,
    pub(super) state: Mutex<SessionState>,
    /// Held by the connection.
    attached: Arc<AsyncMutex<()>>,
    /// Ends the connection.
    closing: Mutex<CancellationToken>,
    /// Held while it is stored, so that an older place never follows a newer.
    saving: AsyncMutex<()>,
}

/// A connection's hold on its session.
#[derive(Debug)]
pub(super) struct Attached {
    pub(super) slot: Arc<Slot>,
    pub(super) closing: CancellationToken,
    /// Whether the session was there before.
    pub(super) is_present: bool,
    _hold: OwnedMutexGuard<()>,
}

/// Why a connection gets no session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum AttachError {
    #[error("the connection before it did not end in time; try again")]
    Busy,
    #[error(
        "the application has {SESSIONS_MAX} sessions; connect with CleanSession 1, or end others with it"
    )]
    Full,
    #[error("another connection with the same client id came after it")]
    Overtaken,
    #[error("the server is stopping; try again")]
    Stopping,
}

impl Slot {
    fn new(application: ApplicationId, client_id: String, state: SessionState) -> Self {
        Self {
            application,
            client_id,
            state: Mutex::new(state),
            attached: Arc::default(),
            closing: Mutex::default(),
            saving: AsyncMutex::default(),
        }
    }

    fn key(&self) -> IntegrationKey {
        let (application, id) = (self.application.clone(), self.client_id.clone());
        IntegrationKey::new(IntegrationKind::MqttSession, application, id)
    }
}

impl Sessions {
    /// The slot of a client; a new one if there is none.
    fn slot(
        &self,
        application: &ApplicationId,
        client_id: &str,
        is_clean: bool,
    ) -> Result<Arc<Slot>, AttachError> {
        let new = || {
            Arc::new(Slot::new(application.clone(), client_id.to_owned(), SessionState::default()))
        };
        if client_id.is_empty() {
            return Ok(new());
        }
        let mut sessions = self.0.lock();
        let clients = sessions.entry(application.clone()).or_default();
        let is_kept = |slot: &Arc<Slot>| slot.state.lock().is_kept;
        let known = clients.get(client_id);
        if !is_clean && !known.is_some_and(is_kept) {
            let kept = clients.values().filter(|slot| is_kept(slot)).count();
            if kept >= SESSIONS_MAX {
                return Err(AttachError::Full);
            }
        }
        Ok(clients.entry(client_id.to_owned()).or_insert_with(new).clone())
    }

    fn has(&self, slot: &Arc<Slot>) -> bool {
        let sessions = self.0.lock();
        let known = sessions.get(&slot.application).and_then(|it| it.get(&slot.client_id));
        slot.client_id.is_empty() || known.is_some_and(|known| Arc::ptr_eq(known, slot))
    }

    fn remove(&self, slot: &Arc<Slot>) {
        let mut sessions = self.0.lock();
        let Some(clients) = sessions.get_mut(&slot.application) else { return };
        if clients.get(&slot.client_id).is_some_and(|known| Arc::ptr_eq(known, slot)) {
            clients.remove(&slot.client_id);
        }
        if clients.is_empty() {
            sessions.remove(&slot.application);
        }
    }

    fn all(&self) -> Vec<Arc<Slot>> {
        self.0.lock().values().flat_map(BTreeMap::values).cloned().collect()
    }
}

impl Mqtt {
    /// Takes over the sessions that the store has. Called once, at the start.
    pub(crate) fn load(&self, server: &ApplicationServer) -> Result<(), Error> {
        for (key, settings) in server.integrations(IntegrationKind::MqttSession, None) {
            let filters = record::decode_filters(&settings.value)?;
            let place = server.reader_state(&key).as_ref().map(record::decode_place).transpose()?;
            let (place, end) = (place.unwrap_or_default(), || server.log.end());
            let state = SessionState::restored(filters, place, server.started_at, end);
            let slot = Slot::new(key.application_id.clone(), key.id.clone(), state);
            let mut sessions = self.sessions.0.lock();
            sessions.entry(key.application_id).or_default().insert(key.id, Arc::new(slot));
        }
        Ok(())
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.is_cancelled()
    }

    /// Gives a connection its session; one that has it is closed first. Safe to drop halfway.
    pub(super) async fn attach(
        &self,
        server: &ApplicationServer,
        application: &ApplicationId,
        client_id: &str,
        is_clean: bool,
    ) -> Result<Attached, AttachError> {
        let deadline = server.clock.monotonic().plus(server.config.mqtt.connect_timeout);
        loop {
            if self.is_stopping() {
                return Err(AttachError::Stopping);
            }
            let slot = self.sessions.slot(application, client_id, is_clean)?;
            let closing = self.stopping.child_token();
            std::mem::replace(&mut *slot.closing.lock(), closing.clone()).cancel();
            let hold = std::pin::pin!(slot.attached.clone().lock_owned());
            let hold = match select(hold, server.clock.sleep_until(deadline)).await {
                Either::Left((hold, _)) => hold,
                Either::Right(_) => return Err(AttachError::Busy),
            };
            if closing.is_cancelled() {
                return Err(AttachError::Overtaken);
            }
            // It may have been removed meanwhile.
            if !self.sessions.has(&slot) {
                continue;
            }
            let is_present = slot.state.lock().connect(is_clean);
            return Ok(Attached { slot, closing, is_present, _hold: hold });
        }
    }

    /// Ends a connection's hold on its session.
    pub(super) async fn detach(&self, server: &ApplicationServer, attached: Attached) {
        let is_kept = attached.slot.state.lock().disconnect(server.clock.utc());
        if is_kept {
            self.save_or_warn(server, &attached.slot).await;
        } else {
            self.sessions.remove(&attached.slot);
        }
    }

    /// Stores what changed of a session, and deletes one that is not kept any more. Safe to drop halfway: it counts as
    /// changed then.
    pub(super) async fn save(&self, server: &ApplicationServer, slot: &Slot) -> Result<(), Error> {
        let _saving = slot.saving.lock().await;
        let (is_kept, is_stored) = {
            let state = slot.state.lock();
            (state.is_kept, state.is_stored)
        };
        if !is_kept {
            if is_stored {
                server.delete_integration(&slot.key(), Replaces::Any).await?;
                slot.state.lock().is_stored = false;
            }
            return Ok(());
        }
        let filters = slot
            .state
            .lock()
            .unstored_filters()
            .map(|(version, filters)| (version, record::encode_filters(filters)));
        if let Some((version, settings)) = filters {
            server.set_integration(slot.key(), settings, Replaces::Any).await?;
            slot.state.lock().filters_stored(version);
        }
        let place = slot.state.lock().unstored_place();
        if let Some((version, place)) = place {
            let place = (slot.key(), record::encode_place(place));
            server.put_reader_states(vec![place]).await?;
            slot.state.lock().place_stored(version);
        }
        Ok(())
    }

    async fn save_or_warn(&self, server: &ApplicationServer, slot: &Slot) {
        if let Err(error) = self.save(server, slot).await {
            let (application, client_id) = (&slot.application, &slot.client_id);
            tracing::warn!(%application, client_id, %error, "an MQTT session was not stored");
        }
    }

    /// Stores the places of many sessions with one sync. Those that are being stored already are left out.
    async fn save_places(&self, server: &ApplicationServer, slots: &[Arc<Slot>]) {
        let (mut holds, mut stored, mut places) = (Vec::new(), Vec::new(), Vec::new());
        for slot in slots {
            let Ok(hold) = slot.saving.try_lock() else { continue };
            let state = slot.state.lock();
            if !(state.is_kept && state.is_stored) {
                continue;
            }
            let Some((version, place)) = state.unstored_place() else { continue };
            places.push((slot.key(), record::encode_place(place)));
            stored.push((slot, version));
            holds.push(hold);
        }
        if places.is_empty() {
            return;
        }
        match server.put_reader_states(places).await {
            Ok(()) => {
                for (slot, version) in stored {
                    slot.state.lock().place_stored(version);
                }
            }
            Err(error) => tracing::warn!(%error, "the places of MQTT sessions were not stored"),
        }
    }

    /// Stores places every so often, and ends sessions that nobody came back to, until it is told to stop; then it ends
    /// all connections and stores once more.
    pub(crate) async fn maintain(&self, server: &ApplicationServer, stop: CancellationToken) {
        loop {
            let pause = server.config.mqtt.session_save_interval.max(Duration::from_millis(1));
            let tick = server.clock.sleep_until(server.clock.monotonic().plus(pause));
            if let Either::Left(_) = select(std::pin::pin!(stop.cancelled()), tick).await {
                break;
            }
            let slots = self.sessions.all();
            self.save_places(server, &slots).await;
            for slot in slots {
                if let Ok(_hold) = slot.attached.try_lock() {
                    self.expire(server, &slot).await;
                }
            }
        }
        self.stopping.cancel();
        let slots = self.sessions.all();
        for slot in &slots {
            // Its connection stores what is left when it ends.
            drop(slot.attached.lock().await);
        }
        self.save_places(server, &slots).await;
    }

    /// Ends a session without a connection, if it is time.
    async fn expire(&self, server: &ApplicationServer, slot: &Arc<Slot>) {
        let (was_kept, is_kept) = {
            let mut state = slot.state.lock();
            let was_kept = state.is_kept;
            (was_kept, state.keep_until(server.clock.utc(), server.config.mqtt.session_expiry))
        };
        if is_kept {
            return;
        }
        self.counters.expired.fetch_add(was_kept.into(), Ordering::Relaxed);
        self.save_or_warn(server, slot).await;
        self.sessions.remove(slot);
    }
}

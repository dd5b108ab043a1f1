//! What the Identity Server is asked and told about devices (AS-07, AS-17, AS-18). Uplinks do not wait for it, but for
//! the first one of a device after a start.

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
    time::Duration,
};

use futures::{
    StreamExt as _,
    future::{Either, select},
};
use parking_lot::Mutex;
use tokio::sync::Notify;
use ttn_core::{
    id::DeviceKey,
    msg::Location,
    peer::{DeviceInfo, DeviceUpdate, PeerError},
    store::Replaces,
    time::{Monotonic, Timestamp},
};

use crate::{ApplicationServer, location, store::RegistryRecord};

/// What is to be asked or told.
#[derive(Debug, Default)]
pub(crate) struct Errands {
    open: Mutex<BTreeMap<(DeviceKey, What), Option<DeviceUpdate>>>,
    wake: Notify,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Activate,
    Ask,
    Locate(String),
}

/// What is registered about a device, as it was when it was asked.
#[derive(Debug)]
pub(crate) struct KnownInfo {
    pub(crate) info: Arc<DeviceInfo>,
    pub(crate) refresh_at: Monotonic,
    pub(crate) expires_at: Monotonic,
}

/// Of most devices nothing is known: all of them have the same.
fn nothing() -> Arc<DeviceInfo> {
    static NOTHING: LazyLock<Arc<DeviceInfo>> = LazyLock::new(Arc::default);
    NOTHING.clone()
}

/// How many errands wait; further ones are left out.
const ERRANDS_MAX: usize = 100_000;
/// How many errands are done at the same time.
const ERRANDS_AT_ONCE: usize = 8;
/// How long the Identity Server may take to answer.
const TIMEOUT: Duration = Duration::from_secs(5);
/// After this time at the earliest what is known is asked again; spread, so that not all devices ask together.
const REFRESH: (Duration, Duration) =
    (Duration::from_secs(15 * 60), Duration::from_secs(4 * 60 * 60));
/// The same if there was no answer.
const REFRESH_FAILED: Duration = Duration::from_secs(60);
/// How long what is known is used while nobody answers.
const LIFETIME: Duration = Duration::from_secs(14 * 24 * 60 * 60);

impl Errands {
    fn add(&self, device: DeviceKey, what: What, update: Option<DeviceUpdate>) {
        let mut open = self.open.lock();
        let key = (device, what);
        // The first activation counts, else the last.
        let is_known = open.contains_key(&key);
        if open.len() >= ERRANDS_MAX && !is_known || is_known && key.1 == What::Activate {
            return;
        }
        open.insert(key, update);
        drop(open);
        self.wake.notify_one();
    }
}

impl ApplicationServer {
    /// Notes that a device sent data for the first time (AS-07).
    pub(crate) fn note_activation(&self, device: &DeviceKey, at: Timestamp) {
        self.errands.add(device.clone(), What::Activate, Some(DeviceUpdate::Activated(at)));
    }

    /// Asks for what is registered about a device once more.
    pub(crate) fn note_stale(&self, device: &DeviceKey) {
        self.errands.add(device.clone(), What::Ask, None);
    }

    /// Notes a place that a payload told (AS-17).
    pub(crate) fn note_location(&self, device: &DeviceKey, place: Location) {
        let service = location::SERVICE.to_owned();
        let what = What::Locate(service.clone());
        let update = DeviceUpdate::Located { service: service.clone(), location: place };
        self.errands.add(device.clone(), what, Some(update));
        let mut state = self.state.lock();
        let known = state.devices.get_mut(device).and_then(|entry| entry.info.as_mut());
        if let Some(known) = known {
            Arc::make_mut(&mut known.info).locations.insert(service, place);
        }
    }

    /// What is registered about a device; asked with a bound in time. Nothing, if nobody answers.
    pub(crate) async fn device_info(&self, device: &DeviceKey) -> Arc<DeviceInfo> {
        let asked = self.bounded(async { self.peers.directory()?.device(device).await }).await;
        let now = self.clock.monotonic();
        let mut state = self.state.lock();
        let Some(entry) = state.devices.get_mut(device) else { return Arc::default() };
        let known = entry.info.get_or_insert_with(|| KnownInfo {
            info: nothing(),
            refresh_at: now.plus(REFRESH_FAILED),
            expires_at: now.plus(LIFETIME),
        });
        match asked {
            Ok(info) => {
                let spread = (REFRESH.1 - REFRESH.0).as_millis() as u64;
                let spread = Duration::from_millis(self.entropy.next_u64() % spread.max(1));
                let info = info.filter(|info| *info != DeviceInfo::default());
                known.info = info.map_or_else(nothing, Arc::new);
                known.refresh_at = now.plus(REFRESH.0 + spread);
                known.expires_at = now.plus(LIFETIME);
            }
            Err(error) => {
                tracing::debug!(%device, %error, "nothing known about a device");
                known.refresh_at = now.plus(REFRESH_FAILED);
                if known.expires_at <= now {
                    known.info = nothing();
                    known.expires_at = now.plus(LIFETIME);
                }
            }
        }
        known.info.clone()
    }

    /// Asks and tells what is to be asked and told.
    pub(crate) async fn run_errands(&self) {
        loop {
            let open = std::mem::take(&mut *self.errands.open.lock());
            if open.is_empty() {
                self.errands.wake.notified().await;
                continue;
            }
            let done = open.into_iter().map(|((device, what), update)| async move {
                let again = match &update {
                    None => {
                        self.device_info(&device).await;
                        false
                    }
                    Some(update) => self.tell(&device, update).await.is_err(),
                };
                again.then_some((device, what, update))
            });
            let failed = futures::stream::iter(done).buffer_unordered(ERRANDS_AT_ONCE);
            let failed: Vec<_> = failed.filter_map(|failed| async { failed }).collect().await;
            if !failed.is_empty() {
                self.sleep(REFRESH_FAILED).await;
            }
            let mut open = self.errands.open.lock();
            for (device, what, update) in failed {
                // What was noted meanwhile is newer.
                open.entry((device, what)).or_insert(update);
            }
        }
    }

    async fn tell(&self, device: &DeviceKey, update: &DeviceUpdate) -> Result<(), PeerError> {
        let told = async { self.peers.directory()?.update_device(device, update.clone()).await };
        self.bounded(told).await?;
        if let DeviceUpdate::Activated(at) = update {
            self.keep_activation(device, *at).await;
        }
        Ok(())
    }

    /// Keeps that the device was activated, so that nobody is told again. If somebody writes the device at the same
    /// time, the next uplink brings it up again.
    async fn keep_activation(&self, key: &DeviceKey, at: Timestamp) {
        let found = self.state.lock().devices.get(key).map(|e| (e.device.clone(), e.revision));
        let Some((device, revision)) = found else { return };
        let mut device = (*device).clone();
        device.activated_at.get_or_insert(at);
        let record = RegistryRecord::Device(device.clone());
        let Ok(new) = self.store.put(&record, Replaces::Revision(revision)).await else { return };
        let mut state = self.state.lock();
        if let Some(entry) = state.devices.get_mut(key).filter(|e| e.revision == revision) {
            entry.device = Arc::new(device);
            entry.revision = new;
        }
    }

    async fn bounded<T>(
        &self,
        work: impl Future<Output = Result<T, PeerError>> + Send,
    ) -> Result<T, PeerError> {
        let deadline = self.clock.monotonic().plus(TIMEOUT);
        match select(std::pin::pin!(work), self.clock.sleep_until(deadline)).await {
            Either::Left((done, _)) => done,
            Either::Right(_) => Err(PeerError::Unavailable { relation: "Directory" }),
        }
    }
}

//! Completes pending messages: fetches keys, decodes payloads, queues again what became invalid.
//!
//! Messages of one device are completed in order, devices beside each other. A second record in the device's lane
//! carries the result; until then the first one says that something is missing, also after a restart.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures::{StreamExt as _, stream::FuturesUnordered};
use serde_json::json;
use ttn_core::{
    addr::DevAddr,
    error::{ApiError, ErrorKind},
    id::{ApplicationId, DeviceIds, DeviceKey},
    key::{KeyEnvelope, SessionKeyId},
    msg::{ApplicationUp, ConfirmedRetry, Downlink, Location, LocationSolved, Up, UplinkUp},
    peer::{DeviceInfo, DeviceVersionIds, PeerError},
    store::{Refusal, durable},
};

use crate::{
    ApplicationServer, Error, QueueOperation, event,
    format::Payload,
    location,
    log::{Decoded, Record, RecordState, Sealed},
    state::{Entry, Waiting},
    store::{FormatterKind, Formatters},
    uplink::{complete, open_uplink, seal_downlink},
};

/// The first and the longest pause between two attempts.
const RETRY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(60));
/// How often a queue is rebuilt before its downlinks are dropped.
const REQUEUE_ATTEMPTS_MAX: u32 = 5;
/// One application has this part of the workers at most.
const APPLICATION_SHARE: usize = 4;
/// The pause while the log takes nothing.
pub(crate) const LOG_FULL_PAUSE: Duration = Duration::from_millis(10);

/// Something is not available now.
struct Retry;

/// What is set for a device.
struct Settings {
    formatters: Option<Formatters>,
    skips_crypto: bool,
}

impl ApplicationServer {
    pub(crate) async fn work_pending(&self) {
        let mut jobs = FuturesUnordered::new();
        let workers = self.config.workers.max(1);
        // A formatter that hangs holds up its own application only.
        let application_max = workers.div_ceil(APPLICATION_SHARE);
        loop {
            while jobs.len() < workers {
                let Some(key) = self.state.lock().ready.pop(application_max) else { break };
                jobs.push(self.complete_device(key));
            }
            tokio::select! {
                biased;
                Some(application) = jobs.next(), if !jobs.is_empty() => {
                    self.state.lock().ready.done(&application);
                }
                () = self.work.notified() => {}
            }
        }
    }

    /// Gives the application of the device.
    async fn complete_device(&self, key: DeviceKey) -> ApplicationId {
        let mut pause = RETRY.0;
        let mut attempt = 0;
        while let Some((waiting, settings)) = self.next_waiting(&key) {
            if durable(&*self.log, waiting.position).await.is_err() {
                break;
            }
            let mut record = (*waiting.record).clone();
            if self.complete_one(&mut record, &settings, attempt).await.is_err() {
                attempt += 1;
                self.sleep(pause).await;
                pause = (pause * 2).min(RETRY.1);
                continue;
            }
            (pause, attempt) = (RETRY.0, 0);
            while self.append_completed(&key, &record) == Err(Refusal::Full) {
                self.sleep(LOG_FULL_PAUSE).await;
            }
        }
        key.application_id
    }

    fn next_waiting(&self, key: &DeviceKey) -> Option<(Waiting, Settings)> {
        let mut state = self.state.lock();
        let entry = state.devices.get_mut(key)?;
        let Some(waiting) = entry.queue.front().cloned() else {
            entry.busy = false;
            return None;
        };
        let entry = state.devices.get(key)?;
        let formatters = state.formatters(entry);
        Some((waiting, Settings { formatters, skips_crypto: state.skips_crypto(entry) }))
    }

    async fn complete_one(
        &self,
        record: &mut Record,
        settings: &Settings,
        attempt: u32,
    ) -> Result<(), Retry> {
        if matches!(record.up.up, Up::Uplink(_)) && record.context.device.is_none() {
            record.context.device = self.known_info(&record.up.ids.key).await;
        }
        if record.encrypted {
            match self.open(record).await {
                Ok(()) => record.encrypted = false,
                Err(error) if error.kind() == ErrorKind::Unavailable => return Err(Retry),
                // AS-05: the application decrypts it.
                Err(Error::NoAppSKey) if settings.skips_crypto => {
                    record.context.sealed = self.sealed(&record.up);
                    record.state = RecordState::Deliver;
                    return Ok(());
                }
                Err(error) => {
                    record.state = RecordState::Drop;
                    record.reason = Some(error.to_body());
                    return Ok(());
                }
            }
        }
        match &record.up.up {
            Up::Uplink(uplink) => {
                let formatters = settings.formatters.as_ref();
                let formatters = formatters.filter(|f| f.up != FormatterKind::None);
                if let Some(formatters) = formatters {
                    let info = record.context.device.as_ref();
                    let version = info.and_then(|info| info.version_ids.as_ref());
                    record.decoded = self.decode(&record.up, uplink, version, formatters).await;
                }
            }
            Up::DownlinkNack(downlink) => self.send_again(&record.up, downlink, attempt).await?,
            Up::JoinAccept(join) if !join.invalidated_downlinks.is_empty() => {
                let downlinks = join.invalidated_downlinks.clone();
                self.requeue(&record.up, QueueOperation::Push, downlinks, attempt).await?;
            }
            Up::DownlinkQueueInvalidated(invalidated) => {
                let downlinks = invalidated.downlinks.clone();
                self.count_from(&record.up.ids.key, &invalidated.session_key_id, |last| {
                    *last = invalidated.last_f_cnt_down;
                });
                self.requeue(&record.up, QueueOperation::Replace, downlinks, attempt).await?;
                // AS-25: it is not forwarded.
                record.state = RecordState::Drop;
                return Ok(());
            }
            _ => {}
        }
        record.state = RecordState::Deliver;
        Ok(())
    }

    /// What is registered about a device, from memory if it is there.
    pub(crate) async fn known_info(&self, key: &DeviceKey) -> Option<Arc<DeviceInfo>> {
        let now = self.clock.monotonic();
        let known = {
            let state = self.state.lock();
            let known = state.devices.get(key).and_then(|entry| entry.info.as_ref());
            known.filter(|known| known.expires_at > now).map(|known| known.info.clone())
        };
        let info = match known {
            Some(info) => info,
            None if self.peers.directory().is_err() => return None,
            None => self.device_info(key).await,
        };
        (*info != DeviceInfo::default()).then_some(info)
    }

    /// What the application needs to decrypt a message itself.
    fn sealed(&self, up: &ApplicationUp) -> Option<Box<Sealed>> {
        let id = match &up.up {
            Up::JoinAccept(join) => &join.session_key_id,
            Up::Uplink(uplink) => &uplink.session_key_id,
            _ => return None,
        };
        let state = self.state.lock();
        self.seal(true, &state.devices.get(&up.ids.key)?.change(), id)
    }

    /// Queues a downlink again that the device did not acknowledge (AS-26), behind what waits already.
    async fn send_again(
        &self,
        up: &ApplicationUp,
        downlink: &Downlink,
        attempt: u32,
    ) -> Result<(), Retry> {
        let retry = downlink.confirmed_retry.unwrap_or_default();
        let max_retries = retry.max_attempts.unwrap_or(self.config.confirmed_retries);
        if retry.attempt >= max_retries {
            let body = Error::MaxRetriesReached { max_retries }.to_body();
            self.report(&event::DOWN_DROP, up, || {
                json!({ "reason": body.name, "message": body.message, "max_retries": max_retries })
            });
            return Ok(());
        }
        let attempts = ConfirmedRetry { attempt: retry.attempt + 1, ..retry };
        let again = Downlink { confirmed_retry: Some(attempts), ..downlink.clone() };
        self.requeue(up, QueueOperation::Push, vec![again], attempt).await
    }

    /// Decrypts a message, fetching the key if need be (AS-03).
    async fn open(&self, record: &mut Record) -> Result<(), Error> {
        let ids = record.up.ids.clone();
        match &mut record.up.up {
            Up::Uplink(uplink) => {
                let (key, dev_addr) = self.session_key(&ids, &uplink.session_key_id).await?;
                open_uplink(&key, dev_addr, uplink);
            }
            Up::DownlinkAck(downlink)
            | Up::DownlinkFailed(downlink, _)
            | Up::DownlinkNack(downlink)
            | Up::DownlinkQueued(downlink)
            | Up::DownlinkSent(downlink) => {
                let (key, dev_addr) = self.session_key(&ids, &downlink.session_key_id).await?;
                seal_downlink(&key, dev_addr, downlink);
            }
            Up::DownlinkQueueInvalidated(invalidated) => {
                let mut opened = invalidated.downlinks.clone();
                for downlink in &mut opened {
                    let (key, dev_addr) = self.session_key(&ids, &downlink.session_key_id).await?;
                    seal_downlink(&key, dev_addr, downlink);
                }
                invalidated.downlinks = opened;
            }
            Up::JoinAccept(join) => {
                self.session_key(&ids, &join.session_key_id).await?;
                // Their session is over, and nobody here can read them.
                join.invalidated_downlinks.clear();
            }
            _ => {}
        }
        Ok(())
    }

    /// The AppSKey and the address of a session; the key is fetched if it is not known.
    pub(crate) async fn session_key(
        &self,
        ids: &DeviceIds,
        id: &SessionKeyId,
    ) -> Result<(ttn_core::key::Aes128Key, DevAddr), Error> {
        let known = |entry: &Entry| {
            let session = entry.hot.session(id);
            let dev_addr = session.map(|s| s.dev_addr).or(ids.dev_addr).unwrap_or_default();
            let kept = session.and_then(|session| session.app_s_key.as_ref());
            let key = entry.key(id).cloned().or_else(|| self.unwrap(kept?));
            (key, kept.is_some(), dev_addr, entry.device.ids.clone())
        };
        let (key, is_sealed, dev_addr, registered) = {
            let state = self.state.lock();
            let entry = state.devices.get(&ids.key);
            let entry = entry.ok_or_else(|| Error::DeviceNotFound(ids.key.clone()))?;
            let (key, is_kept, dev_addr, registered) = known(entry);
            (key, is_kept && state.skips_crypto(entry), dev_addr, registered)
        };
        match key {
            Some(key) => return Ok((key, dev_addr)),
            None if is_sealed => return Err(Error::NoAppSKey),
            None => {}
        }
        let envelope = self.fetch_key(ids, &registered, id).await?;
        let key = self.unwrap(&envelope);
        let mut state = self.state.lock();
        if let Some(entry) = state.devices.get_mut(&ids.key) {
            entry.remember(key.iter().map(|key| (id.clone(), key.clone())).collect());
            // It is stored with the next record of the device.
            if let Some(session) = Arc::make_mut(&mut entry.hot).session_mut(id) {
                session.app_s_key = Some(self.wrap(envelope));
            }
        }
        Ok((key.ok_or(Error::NoAppSKey)?, dev_addr))
    }

    async fn fetch_key(
        &self,
        ids: &DeviceIds,
        registered: &DeviceIds,
        id: &SessionKeyId,
    ) -> Result<KeyEnvelope, Error> {
        let join_eui = ids.join_eui.or(registered.join_eui).ok_or(Error::NoJoinEui)?;
        let dev_eui = ids.dev_eui.or(registered.dev_eui).ok_or(Error::NoDevEui)?;
        let js =
            self.peers.as_js(join_eui).map_err(|_| Error::JoinServerUnavailable { join_eui })?;
        js.app_s_key(join_eui, dev_eui, id).await.map_err(|source| match source {
            PeerError::Unavailable { .. } => Error::JoinServerUnavailable { join_eui },
            source => Error::AppSKey { source },
        })
    }

    async fn decode(
        &self,
        up: &ApplicationUp,
        uplink: &UplinkUp,
        version: Option<&DeviceVersionIds>,
        formatters: &Formatters,
    ) -> Option<Decoded> {
        let payload = Payload {
            ids: &up.ids,
            version,
            f_port: uplink.f_port.filter(|port| *port != 0)?,
            octets: &uplink.frm_payload,
            received_at: Some(up.received_at),
            settings: Some(&uplink.settings),
            parameter: &formatters.up_parameter,
        };
        match self.formatters.decode_uplink(formatters.up, &payload).await {
            Ok(decoded) => {
                if !decoded.warnings.is_empty() {
                    let warnings = json!({ "warnings": decoded.warnings });
                    self.report(&event::UP_DECODE_WARNING, up, || warnings);
                }
                if let Some(of) = decoded.normalized.as_ref().filter(|of| !of.warnings.is_empty()) {
                    let warnings = json!({ "warnings": of.warnings });
                    self.report(&event::UP_NORMALIZE_WARNING, up, || warnings);
                }
                Some(decoded)
            }
            Err(error) => {
                self.report(
                    &event::UP_DECODE_FAIL,
                    up,
                    || json!({ "reason": error.name(), "message": error.to_string() }),
                );
                None
            }
        }
    }

    /// Queues clear downlinks again (AS-24, AS-25).
    async fn requeue(
        &self,
        up: &ApplicationUp,
        operation: QueueOperation,
        downlinks: Vec<Downlink>,
        attempt: u32,
    ) -> Result<(), Retry> {
        let Err(error) = self.send_downlinks(&up.ids.key, operation, &downlinks).await else {
            return Ok(());
        };
        if error.kind() == ErrorKind::Unavailable && attempt < REQUEUE_ATTEMPTS_MAX {
            return Err(Retry);
        }
        let body = error.to_body();
        self.report(&event::DOWN_DROP, up, || {
            json!({ "reason": body.name, "message": body.message, "downlinks": downlinks.len() })
        });
        Ok(())
    }

    /// Changes the last counter of a session.
    pub(crate) fn count_from(
        &self,
        key: &DeviceKey,
        id: &SessionKeyId,
        change: impl FnOnce(&mut u32),
    ) {
        let mut state = self.state.lock();
        let Some(entry) = state.devices.get_mut(key) else { return };
        if let Some(session) = Arc::make_mut(&mut entry.hot).session_mut(id) {
            change(&mut session.last_a_f_cnt_down);
        }
    }

    fn append_completed(&self, key: &DeviceKey, record: &Record) -> Result<(), Refusal> {
        let mut state = self.state.lock();
        let Some(entry) = state.devices.get(key) else { return Ok(()) };
        // Its room may have been needed for others in between.
        if entry.queue.front().is_none_or(|front| front.record.number != record.number) {
            return Ok(());
        }
        let mut change = entry.change();
        change.hot.pending_records = change.hot.pending_records.saturating_sub(1);
        change.hot.pending_since = entry.queue.get(1).map(|waiting| waiting.record.up.received_at);
        let mut completed = complete(record, change.next_number());
        completed.state = record.state;
        let measurements = measurements(&completed);
        change.records.push(completed);
        for mut measurement in measurements {
            measurement.number = change.next_number();
            change.records.push(measurement);
        }
        let place = location_of(record);
        if let Some(place) = place {
            self.add_own(entry, &mut change, Record::deliver(0, solved(&record.up, place)));
        }
        let lane = change.hot.lane;
        self.commit(&mut state, lane, vec![change])?;
        drop(state);
        if let Some(place) = place.filter(|_| !record.up.simulated) {
            self.note_location(key, place);
        }
        Ok(())
    }
}

/// The place in a decoded uplink (AS-17).
fn location_of(record: &Record) -> Option<Location> {
    let is_uplink = matches!(record.up.up, Up::Uplink(_));
    let delivered = is_uplink && record.state == RecordState::Deliver;
    location::of_payload(&record.decoded.as_ref().filter(|_| delivered)?.payload)
}

/// The message that tells a place.
fn solved(up: &ApplicationUp, location: Location) -> ApplicationUp {
    let service = location::SERVICE.to_owned();
    let solved = LocationSolved { service, location, attributes: BTreeMap::new() };
    ApplicationUp { up: Up::LocationSolved(solved), ..up.clone() }
}

/// The messages that follow an uplink: one for each of its measurements (AS-16).
fn measurements(uplink: &Record) -> Vec<Record> {
    let (Up::Uplink(up), Some(decoded)) = (&uplink.up.up, &uplink.decoded) else {
        return Vec::new();
    };
    let Some(normalized) = &decoded.normalized else { return Vec::new() };
    let message = |payload: &serde_json::Map<String, serde_json::Value>| {
        let up = ApplicationUp { up: Up::UplinkNormalized(up.clone()), ..uplink.up.clone() };
        let mut record = Record::deliver(0, up);
        let warnings = normalized.warnings.clone();
        record.decoded = Some(Decoded { payload: payload.clone(), warnings, normalized: None });
        record.context.device.clone_from(&uplink.context.device);
        record
    };
    normalized.measurements.iter().map(message).collect()
}

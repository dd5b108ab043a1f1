//! Messages of the Network Server: matched, decrypted, appended to the log. Nothing waits here.

use std::sync::Arc;

use serde_json::{Value, json};
use ttn_core::{
    addr::DevAddr,
    error::{ErrorBody, ErrorKind},
    event::EventData,
    id::DeviceIds,
    key::{Aes128Key, SessionKeyId},
    map::Map,
    msg::{ApplicationBatch, ApplicationUp, Downlink, JoinAcceptUp, Up, UplinkUp, correlation_id},
    peer::DeviceInfo,
    store::{Position, Refused},
};
use ttn_mac::{command::Direction, crypto::payload::encrypt_frm_payload};

use crate::{
    ApplicationServer, event,
    json::application_up,
    log::{Context, Record, RecordState, Sealed},
    state::{Change, Entry, State},
    store::{LastUplink, Session},
};

/// Why a message is not appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reject {
    /// The device is not registered here.
    DeviceNotFound,
    /// It is in the log already.
    Repeated,
    /// It belongs to a session that this server does not know.
    UnknownSession,
}

/// What is still to be done to a message, and what is added to it.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    encrypted: bool,
    pending: bool,
    context: Context,
}

impl ApplicationServer {
    pub(crate) fn take_batch(
        &self,
        batch: ApplicationBatch,
    ) -> Result<Position, Refused<ApplicationBatch>> {
        let lane = batch.lane;
        let mut state = self.state.lock();
        let mut changes: Vec<Change> = Vec::new();
        let mut index = Map::default();
        let mut known = Position { lane, seq: 0 };
        for (owned, up) in &batch.messages {
            let mut up = up.clone();
            up.correlation_ids.push(correlation_id("as:up", self.clock.utc(), &*self.entropy));
            self.report_receive(&up);
            let Some(entry) = state.devices.get(&up.ids.key) else {
                self.report_reject(&up, Reject::DeviceNotFound);
                continue;
            };
            let at = *index.entry(up.ids.key.clone()).or_insert_with(|| {
                changes.push(entry.change());
                changes.len() - 1
            });
            let Some(change) = changes.get_mut(at) else { continue };
            change.owned = *owned;
            match self.take(&state, entry, change, &mut up) {
                Ok(taken) => {
                    self.last_seen.note(&up.ids.key, up.received_at);
                    self.stats.up(&up.ids.key.application_id, up.received_at);
                    self.add(entry, change, up, taken);
                }
                Err(reject) => {
                    if reject == Reject::Repeated && entry.position.lane == lane {
                        known = known.max(entry.position);
                    }
                    self.report_reject(&up, reject);
                }
            }
        }
        changes.retain(|change| !change.records.is_empty());
        if changes.is_empty() {
            return Ok(known);
        }
        let position = self.commit(&mut state, lane, changes);
        drop(state);
        position.map_err(|reason| Refused { batch, reason })
    }

    /// Takes a message into a device's change: decrypted if the key is at hand, else pending.
    fn take(
        &self,
        state: &State,
        entry: &Entry,
        change: &mut Change,
        up: &mut ApplicationUp,
    ) -> Result<Taken, Reject> {
        let ids = &up.ids;
        let skips = state.skips_crypto(entry);
        let taken = match &mut up.up {
            Up::Uplink(uplink) => {
                let decodes = state.decodes_uplinks(entry);
                let mut taken = take_uplink(entry, change, ids, uplink, decodes)?;
                if taken.encrypted {
                    taken.context.sealed = self.seal(skips, change, &uplink.session_key_id);
                    taken.pending = taken.context.sealed.is_none();
                }
                self.attach_info(entry, &mut taken);
                if entry.device.activated_at.is_none() {
                    self.note_activation(&ids.key, up.received_at);
                }
                taken
            }
            Up::JoinAccept(join) => self.take_join(entry, change, ids, join, skips)?,
            Up::DownlinkNack(downlink) => {
                let encrypted = take_downlink(entry, change, downlink)?;
                let sealed = self.seal(skips, change, &downlink.session_key_id).is_some();
                // AS-26: it is sent again, unless only the application can encrypt it.
                Taken { encrypted, pending: !(encrypted && sealed), ..Taken::default() }
            }
            Up::DownlinkAck(downlink)
            | Up::DownlinkFailed(downlink, _)
            | Up::DownlinkQueued(downlink)
            | Up::DownlinkSent(downlink) => {
                let encrypted = take_downlink(entry, change, downlink)?;
                let sealed = || self.seal(skips, change, &downlink.session_key_id).is_some();
                Taken { encrypted, pending: encrypted && !sealed(), ..Taken::default() }
            }
            Up::DownlinkQueueInvalidated(invalidated) => {
                let known = |downlink: &Downlink| change.session(&downlink.session_key_id);
                invalidated.downlinks.retain(|downlink| known(downlink).is_some());
                let key = |downlink: &Downlink| change.key(entry, &downlink.session_key_id);
                // All are decrypted, or none.
                let encrypted = !invalidated.downlinks.iter().all(|d| key(d).is_some());
                if !encrypted {
                    for downlink in &mut invalidated.downlinks {
                        take_downlink(entry, change, downlink)?;
                    }
                }
                let sealed = self.seal(skips, change, &invalidated.session_key_id).is_some();
                Taken { encrypted, pending: !(encrypted && sealed), ..Taken::default() }
            }
            _ => Taken::default(),
        };
        Ok(taken)
    }

    /// What the application needs to decrypt the payloads of a session itself: the key is there, and cannot be
    /// unwrapped here (AS-05).
    pub(crate) fn seal(
        &self,
        skips: bool,
        change: &Change,
        id: &SessionKeyId,
    ) -> Option<Box<Sealed>> {
        let session = change.session(id).filter(|_| skips)?;
        let app_s_key = session.app_s_key.clone()?;
        let last_a_f_cnt_down = session.last_a_f_cnt_down;
        let is_sealed = self.unwrap(&app_s_key).is_none();
        is_sealed.then(|| Box::new(Sealed { app_s_key, last_a_f_cnt_down }))
    }

    /// Adds what is registered about the device; an uplink waits if that is to be asked first.
    fn attach_info(&self, entry: &Entry, taken: &mut Taken) {
        let now = self.clock.monotonic();
        let known = entry.info.as_ref().filter(|known| known.expires_at > now);
        let Some(known) = known else {
            taken.pending |= self.peers.directory().is_ok();
            return;
        };
        if known.refresh_at <= now {
            self.note_stale(&entry.device.ids.key);
        }
        let is_empty = *known.info == DeviceInfo::default();
        taken.context.device = (!is_empty).then(|| known.info.clone());
    }

    /// Adds a simulated uplink (AS-19) to a device's change.
    pub(crate) fn add_simulated(
        &self,
        state: &State,
        entry: &Entry,
        change: &mut Change,
        up: ApplicationUp,
    ) {
        let is_uplink = matches!(up.up, Up::Uplink(_));
        let pending = is_uplink && state.decodes_uplinks(entry);
        let mut taken = Taken { pending, ..Taken::default() };
        if is_uplink {
            self.attach_info(entry, &mut taken);
        }
        self.add(entry, change, up, taken);
    }

    /// Adds a clear message of this server to a device's change.
    pub(crate) fn add_own(&self, entry: &Entry, change: &mut Change, record: Record) {
        let Record { up, decoded, .. } = record;
        self.add(entry, change, up, Taken::default());
        if let Some(record) = change.records.last_mut() {
            record.decoded = decoded;
        }
    }

    fn add(&self, entry: &Entry, change: &mut Change, up: ApplicationUp, taken: Taken) {
        // Behind a pending message everything waits, so that the order of the device is kept.
        let pending = taken.pending || change.hot.pending_records > 0;
        if pending && change.hot.pending_records as usize >= self.config.pending_max.max(1) {
            give_up_oldest(entry, change);
        }
        if pending {
            change.hot.pending_records += 1;
            change.hot.pending_since.get_or_insert(up.received_at);
        }
        let mut record = Record::deliver(change.next_number(), up);
        record.encrypted = taken.encrypted;
        record.context = taken.context;
        record.state = if pending { RecordState::Pending } else { RecordState::Deliver };
        change.records.push(record);
    }

    fn take_join(
        &self,
        entry: &Entry,
        change: &mut Change,
        ids: &DeviceIds,
        join: &mut JoinAcceptUp,
        skips: bool,
    ) -> Result<Taken, Reject> {
        if change.session(&join.session_key_id).is_some() {
            return Err(Reject::Repeated);
        }
        // AS-24: what waits for the old session is decrypted while its key is at hand.
        // What only the application can decrypt is left to it.
        let mut encrypted = false;
        join.invalidated_downlinks.retain_mut(|downlink| {
            let is_clear = take_downlink(entry, change, downlink) == Ok(false);
            encrypted |= skips && !is_clear;
            is_clear || skips
        });
        let mut session =
            Session::new(join.session_key_id.clone(), ids.dev_addr.unwrap_or_default());
        if let Some(envelope) = join.app_s_key.take() {
            if let Some(key) = self.unwrap(&envelope) {
                change.keys.push((join.session_key_id.clone(), key));
            }
            session.app_s_key = Some(self.wrap(envelope));
        }
        if join.pending_session {
            change.hot.pending = Some(session);
        } else {
            change.hot.current = Some(session);
            change.hot.pending = None;
        }
        let sealed = self.seal(skips, change, &join.session_key_id);
        let pending = sealed.is_none() && !join.invalidated_downlinks.is_empty();
        Ok(Taken { encrypted, pending, context: Context { sealed, ..Context::default() } })
    }

    fn report_receive(&self, up: &ApplicationUp) {
        let definition = match up.up {
            Up::Uplink(_) => &event::UP_RECEIVE,
            Up::JoinAccept(_) => &event::UP_JOIN_RECEIVE,
            _ => return,
        };
        self.report(definition, up, EventData::default);
    }

    fn report_reject(&self, up: &ApplicationUp, reject: Reject) {
        let definition = match up.up {
            Up::Uplink(_) => &event::UP_DROP,
            Up::JoinAccept(_) => &event::UP_JOIN_DROP,
            _ => &event::DOWN_DROP,
        };
        self.report(definition, up, || json!({ "reason": reject.name() }));
    }

    /// Reports that a record can be read (or will never be).
    pub(crate) fn report_forward(&self, record: &Arc<Record>) {
        let up = &record.up;
        let drop = record.state == RecordState::Drop;
        let definition = match &up.up {
            _ if record.state == RecordState::Pending => return,
            Up::Uplink(_) if drop => &event::UP_DROP,
            Up::Uplink(_) => &event::UP_FORWARD,
            Up::UplinkNormalized(_) => &event::UP_NORMALIZED_FORWARD,
            Up::JoinAccept(_) => &event::UP_JOIN_FORWARD,
            Up::LocationSolved(_) => &event::UP_LOCATION_FORWARD,
            Up::ServiceData(_) => &event::UP_SERVICE_FORWARD,
            Up::DownlinkQueueInvalidated(_) => &event::DOWN_INVALIDATED_FORWARD,
            _ if drop => &event::DOWN_DROP,
            Up::DownlinkAck(_) => &event::DOWN_ACK_FORWARD,
            Up::DownlinkFailed(..) => &event::DOWN_FAILED_FORWARD,
            Up::DownlinkNack(_) => &event::DOWN_NACK_FORWARD,
            Up::DownlinkSent(_) => &event::DOWN_SENT_FORWARD,
            _ => &event::DOWN_FORWARD,
        };
        self.report(definition, up, || match &record.reason {
            Some(reason) => json!({ "reason": reason.name, "message": reason.message }).into(),
            None => message(record.clone()),
        });
    }

    pub(crate) fn report<D: Into<EventData>>(
        &self,
        definition: &'static ttn_core::event::EventDefinition,
        up: &ApplicationUp,
        data: impl FnOnce() -> D,
    ) {
        let time = self.clock.utc();
        event::publish(&self.events, definition, time, &up.ids, &up.correlation_ids, data);
    }
}

impl Reject {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::DeviceNotFound => "device_not_found",
            Self::Repeated => "repeated",
            Self::UnknownSession => "unknown_session",
        }
    }
}

/// The message as applications get it; of a queued downlink the downlink alone.
fn message(record: Arc<Record>) -> EventData {
    EventData::message(move || {
        let message = serde_json::from_slice(&application_up(&record)).unwrap_or_default();
        match (&record.up.up, message) {
            (Up::DownlinkQueued(_), Value::Object(mut fields)) => {
                fields.remove("downlink_queued").unwrap_or_default()
            }
            (_, message) => message,
        }
    })
}

fn take_uplink(
    entry: &Entry,
    change: &mut Change,
    ids: &DeviceIds,
    uplink: &mut UplinkUp,
    decodes: bool,
) -> Result<Taken, Reject> {
    let seen = LastUplink { f_cnt: uplink.f_cnt, checksum: checksum(&uplink.frm_payload) };
    let dev_addr = ids.dev_addr.or(entry.device.ids.dev_addr).unwrap_or_default();
    let session = change.session_of_uplink(&uplink.session_key_id, dev_addr);
    if session.last_uplink == Some(seen) {
        return Err(Reject::Repeated);
    }
    session.last_uplink = Some(seen);
    let dev_addr = session.dev_addr;
    // Port 0 carries MAC commands under another key, and no port carries nothing.
    if uplink.f_port.is_none_or(|port| port == 0) {
        return Ok(Taken::default());
    }
    match change.key(entry, &uplink.session_key_id) {
        Some(key) => {
            open_uplink(key, dev_addr, uplink);
            Ok(Taken { pending: decodes, ..Taken::default() })
        }
        None => Ok(Taken { encrypted: true, pending: true, ..Taken::default() }),
    }
}

/// Decrypts a downlink (AS-28); gives whether it is still encrypted because the key is missing.
fn take_downlink(entry: &Entry, change: &Change, downlink: &mut Downlink) -> Result<bool, Reject> {
    let id = &downlink.session_key_id;
    let dev_addr = change.session(id).ok_or(Reject::UnknownSession)?.dev_addr;
    match change.key(entry, id) {
        Some(key) => {
            seal_downlink(key, dev_addr, downlink);
            Ok(false)
        }
        None => Ok(true),
    }
}

/// Decrypts the payload of an uplink.
pub(crate) fn open_uplink(key: &Aes128Key, dev_addr: DevAddr, uplink: &mut UplinkUp) {
    let mut payload = uplink.frm_payload.to_vec();
    encrypt_frm_payload(key, Direction::Uplink, dev_addr, uplink.f_cnt, &mut payload);
    uplink.frm_payload = payload.into();
}

/// Encrypts the payload of a downlink, or decrypts it.
pub(crate) fn seal_downlink(key: &Aes128Key, dev_addr: DevAddr, downlink: &mut Downlink) {
    let mut payload = downlink.frm_payload.to_vec();
    encrypt_frm_payload(key, Direction::Downlink, dev_addr, downlink.f_cnt, &mut payload);
    downlink.frm_payload = payload.into();
}

/// Completes a device's oldest pending message without what it waits for, to make room.
fn give_up_oldest(entry: &Entry, change: &mut Change) {
    let completed: Vec<u64> = change.records.iter().filter_map(|r| r.completes).collect();
    let waiting = entry.queue.iter().map(|waiting| &*waiting.record);
    let mine = change.records.iter().filter(|record| record.state == RecordState::Pending);
    let mut open = waiting.chain(mine).filter(|record| !completed.contains(&record.number));
    let Some(oldest) = open.next().cloned() else { return };
    let next_since = open.next().map(|record| record.up.received_at);
    let mut record = complete(&oldest, change.next_number());
    if record.encrypted {
        record.state = RecordState::Drop;
        record.reason = Some(ErrorBody::new(
            "pkg/applicationserver",
            "no_app_s_key",
            ErrorKind::ResourceExhausted,
            "too many messages wait for the AppSKey; see why the Join Server does not give it",
        ));
    }
    change.records.push(record);
    change.hot.pending_records = change.hot.pending_records.saturating_sub(1);
    change.hot.pending_since = next_since;
}

/// Begins the record that completes a pending one.
pub(crate) fn complete(pending: &Record, number: u64) -> Record {
    let mut record = pending.clone();
    record.completes = Some(pending.number);
    record.number = number;
    record.state = RecordState::Deliver;
    record
}

/// FNV-1a of 64 bits; stored sessions depend on it.
fn checksum(octets: &Arc<[u8]>) -> u64 {
    octets.iter().fold(0xCBF2_9CE4_8422_2325, |sum, octet| {
        (sum ^ u64::from(*octet)).wrapping_mul(0x0000_0100_0000_01B3)
    })
}

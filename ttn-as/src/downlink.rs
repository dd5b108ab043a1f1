//! Downlinks of applications: encoded, encrypted for the device's sessions, queued at the Network Server.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use ttn_core::{
    error::ApiError,
    event::EventDefinition,
    id::{DeviceIds, DeviceKey},
    key::SessionKeyId,
    msg::{
        ApplicationUp, ClassBC, ConfirmedRetry, CorrelationIds, Downlink, TxPriority, Up,
        correlation_id,
    },
    peer::{PeerError, QueueMismatch, QueueMismatchSession},
    store::Refusal,
};

use crate::{
    ApplicationServer, Error,
    complete::LOG_FULL_PAUSE,
    event,
    format::{Payload, Structure},
    log::{Decoded, Record},
    store::{FormatterKind, Session, SessionRecord},
    uplink::seal_downlink,
};

/// A downlink as an application gives it.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "built by other crates")]
pub struct DownlinkItem {
    /// The port, 1 to 223; 0 if the formatter chooses.
    pub f_port: u32,
    /// The payload in clear octets.
    pub frm_payload: Vec<u8>,
    /// The payload as a structure; it is encoded if there are no octets.
    pub decoded_payload: Option<Map<String, Value>>,
    /// Whether the device is to acknowledge it.
    pub confirmed: bool,
    /// Who is served first.
    pub priority: TxPriority,
    /// Where and when to send to class B and C.
    pub class_b_c: Option<ClassBC>,
    /// What it belongs to.
    pub correlation_ids: CorrelationIds,
    /// How often it is sent again if the device does not acknowledge it (AS-26).
    pub retries_max: Option<u32>,
    /// The session that the application encrypted it for; only if the server lacks the key (AS-27).
    pub session_key_id: Option<SessionKeyId>,
    /// The counter that the application encrypted it under; only if the server lacks the key (AS-27).
    pub f_cnt: u32,
}

/// What happens to a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum QueueOperation {
    /// Downlinks are added at the end.
    Push,
    /// Downlinks take the place of what is queued.
    Replace,
}

/// The highest port of an application.
const F_PORT_MAX: u32 = 223;
/// How many downlinks one call may have.
pub const DOWNLINKS_MAX: usize = 1000;
/// The longest payload of a downlink.
const PAYLOAD_MAX: usize = 255;
/// How often sessions are rebuilt for one call (AS-23).
const REBUILDS_MAX: u32 = 50;
/// How often the log is asked to take the `downlink_queued` messages.
const LOG_ATTEMPTS_MAX: u32 = 100;

/// Downlinks in clear octets with what they stand for.
struct Prepared {
    downlinks: Vec<Downlink>,
    decoded: Vec<Option<Decoded>>,
}

impl ApplicationServer {
    /// Queues downlinks (AS-21 to AS-23), all or none, and tells applications (`downlink_queued`). They are durable
    /// at the Network Server when it returns. Not to be dropped halfway: the message may be missing then.
    ///
    /// # Errors
    ///
    /// A downlink is wrong, the device has no session, or the Network Server refuses.
    pub async fn queue_downlinks(
        &self,
        device: &DeviceKey,
        operation: QueueOperation,
        items: Vec<DownlinkItem>,
    ) -> Result<(), Error> {
        let ids = self.ids_of(device)?;
        let now = self.clock.utc();
        let cause = correlation_id("as:downlink", now, &*self.entropy);
        let mut told = items.first().map(|it| it.correlation_ids.clone()).unwrap_or_default();
        told.push(cause.clone());
        let cause = vec![cause];
        event::publish(
            &self.events,
            &event::DOWN_RECEIVE,
            now,
            &ids,
            &told,
            || json!({ "downlinks": items.len() }),
        );
        let done = async {
            check_count(&items)?;
            if self.is_sealed(device).await? {
                let sealed = self.send_sealed(device, operation, items, &cause).await?;
                let decoded = vec![None; sealed.len()];
                return Ok((sealed, decoded));
            }
            let prepared = self.prepare(&ids, items, &cause).await?;
            let sent = self.send_downlinks(device, operation, &prepared.downlinks).await?;
            Ok((sent, prepared.decoded))
        };
        match done.await {
            Ok((sent, decoded)) => {
                self.stats.down(&device.application_id, sent.len(), self.clock.utc());
                self.log_queued(device, sent, decoded).await;
                Ok(())
            }
            Err(error) => {
                let error: Error = error;
                event::publish(&self.events, &event::DOWN_DROP, now, &ids, &told, || {
                    event::error_json(&error.to_body())
                });
                Err(error)
            }
        }
    }

    /// Lists a device's queue in clear octets: what is encrypted for the session in use, else for the pending one.
    /// What only the application can decrypt is listed as it is (AS-27).
    ///
    /// # Errors
    ///
    /// The device has no session, its key is not known, or the Network Server refuses.
    pub async fn list_downlinks(&self, device: &DeviceKey) -> Result<Vec<Downlink>, Error> {
        let ids = self.ids_of(device)?;
        let wanted = {
            let state = self.state.lock();
            let entry = state.devices.get(device);
            let hot = entry.map(|entry| entry.hot.clone()).unwrap_or_default();
            let session = hot.current.as_ref().or(hot.pending.as_ref());
            session.ok_or(Error::NoDeviceSession)?.session_key_id.clone()
        };
        let mut queue = self.peers.as_ns()?.list_downlinks(device).await?;
        queue.retain(|downlink| downlink.session_key_id == wanted);
        if !queue.is_empty() && !self.is_sealed(device).await? {
            let (key, dev_addr) = self.session_key(&ids, &wanted).await?;
            queue.iter_mut().for_each(|downlink| seal_downlink(&key, dev_addr, downlink));
        }
        Ok(queue)
    }

    /// Encrypts clear downlinks for the device's sessions and hands them to the Network Server; gives them back in
    /// clear octets with the keys and counters of the session in use, else of the pending one.
    pub(crate) async fn send_downlinks(
        &self,
        device: &DeviceKey,
        operation: QueueOperation,
        clear: &[Downlink],
    ) -> Result<Vec<Downlink>, Error> {
        let network = self.peers.as_ns()?;
        for _ in 0..REBUILDS_MAX {
            self.require_keys(device).await?;
            let (encrypted, shown) = self.encrypt(device, clear)?;
            let sent = match operation {
                QueueOperation::Push => network.push_downlinks(device, encrypted).await,
                QueueOperation::Replace => network.replace_downlinks(device, encrypted).await,
            };
            match sent {
                Ok(()) => return Ok(shown),
                Err(PeerError::QueueMismatch(mismatch)) => self.rebuild(device, &mismatch),
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Rebuild { attempts: REBUILDS_MAX })
    }

    async fn prepare(
        &self,
        ids: &DeviceIds,
        items: Vec<DownlinkItem>,
        cause: &CorrelationIds,
    ) -> Result<Prepared, Error> {
        let mut prepared = Prepared { downlinks: Vec::new(), decoded: Vec::new() };
        for item in items {
            let (downlink, decoded) = self.prepare_one(ids, item, cause).await?;
            prepared.downlinks.push(downlink);
            prepared.decoded.push(decoded);
        }
        Ok(prepared)
    }

    async fn prepare_one(
        &self,
        ids: &DeviceIds,
        item: DownlinkItem,
        cause: &CorrelationIds,
    ) -> Result<(Downlink, Option<Decoded>), Error> {
        if item.f_port > F_PORT_MAX {
            return Err(Error::NoFPort { f_port: item.f_port });
        }
        let (kind, parameter) = {
            let state = self.state.lock();
            let entry = state.devices.get(&ids.key);
            let formatters = entry.and_then(|entry| state.formatters(entry));
            formatters.map(|f| (f.down, f.down_parameter)).unwrap_or_default()
        };
        let info = match kind {
            FormatterKind::Repository => self.known_info(&ids.key).await,
            _ => None,
        };
        let version = info.as_ref().and_then(|info| info.version_ids.as_ref());
        let mut f_port = u8::try_from(item.f_port).unwrap_or_default();
        let mut octets = item.frm_payload;
        let mut decoded = None;
        match item.decoded_payload {
            Some(payload) if octets.is_empty() => {
                if kind == FormatterKind::None {
                    return Err(Error::NoPayload);
                }
                let structure = Structure {
                    ids,
                    version,
                    f_port: (f_port != 0).then_some(f_port),
                    payload: &payload,
                    parameter: &parameter,
                };
                let encoded = self.formatters.encode_downlink(kind, &structure).await;
                let encoded =
                    encoded.inspect_err(|error| self.report_format(ids, cause, error, true))?;
                self.report_warnings(ids, cause, &event::DOWN_ENCODE_WARNING, &encoded.warnings);
                octets = encoded.octets;
                f_port = encoded.f_port.unwrap_or(f_port);
                let warnings = encoded.warnings;
                decoded = Some(Decoded { payload, warnings, normalized: None });
            }
            None if octets.is_empty() => return Err(Error::NoPayload),
            _ => {}
        }
        if f_port == 0 {
            return Err(Error::NoFPort { f_port: 0 });
        }
        if octets.len() > PAYLOAD_MAX {
            let (field, size) = ("frm_payload", octets.len());
            return Err(Error::TooLarge { field, size, max: PAYLOAD_MAX });
        }
        if decoded.is_none() && kind != FormatterKind::None {
            let payload = Payload {
                ids,
                version,
                f_port,
                octets: &octets,
                received_at: None,
                settings: None,
                parameter: &parameter,
            };
            decoded = self.decoded(kind, &payload, cause).await;
        }
        let confirmed_retry = self.retry(item.confirmed, item.retries_max)?;
        let mut correlation_ids = item.correlation_ids;
        correlation_ids.extend(cause.iter().cloned());
        let downlink = Downlink {
            session_key_id: no_session(),
            f_port,
            f_cnt: 0,
            frm_payload: octets.into(),
            confirmed: item.confirmed,
            priority: item.priority,
            class_b_c: item.class_b_c,
            correlation_ids,
            confirmed_retry,
        };
        Ok((downlink, decoded))
    }

    /// What a downlink says, for information.
    async fn decoded(
        &self,
        kind: FormatterKind,
        payload: &Payload<'_>,
        cause: &CorrelationIds,
    ) -> Option<Decoded> {
        let (ids, definition) = (payload.ids, &event::DOWN_DECODE_WARNING);
        let decoded = self.formatters.decode_downlink(kind, payload).await;
        let decoded = decoded.inspect_err(|error| self.report_format(ids, cause, error, false));
        let decoded = decoded.ok()?;
        self.report_warnings(ids, cause, definition, &decoded.warnings);
        Some(decoded)
    }

    /// How often a downlink is sent again (AS-26).
    fn retry(
        &self,
        confirmed: bool,
        max_attempts: Option<u32>,
    ) -> Result<Option<ConfirmedRetry>, Error> {
        let max = self.config.confirmed_retries_max;
        if max_attempts.is_some_and(|wanted| wanted == 0 || wanted > max) {
            return Err(Error::MaxRetriesInvalid { max });
        }
        Ok(confirmed.then_some(ConfirmedRetry { attempt: 0, max_attempts }))
    }

    /// Whether only the application can encrypt for the device (AS-27).
    async fn is_sealed(&self, device: &DeviceKey) -> Result<bool, Error> {
        let skips = {
            let state = self.state.lock();
            state.devices.get(device).is_some_and(|entry| state.skips_crypto(entry))
        };
        if !skips {
            return Ok(false);
        }
        match self.require_keys(device).await {
            Err(Error::NoAppSKey) => Ok(true),
            Err(error) => Err(error),
            Ok(()) => Ok(false),
        }
    }

    /// Hands downlinks to the Network Server that the application has encrypted (AS-27).
    async fn send_sealed(
        &self,
        device: &DeviceKey,
        operation: QueueOperation,
        items: Vec<DownlinkItem>,
        cause: &CorrelationIds,
    ) -> Result<Vec<Downlink>, Error> {
        let hot = self.device(device)?.1;
        let seal = |item: DownlinkItem| {
            let session = item.session_key_id.and_then(|id| hot.session(&id));
            let session_key_id = session.ok_or(Error::UnknownSession)?.session_key_id.clone();
            let f_port = item.f_port;
            let port = u8::try_from(f_port).ok().filter(|_| (1..=F_PORT_MAX).contains(&f_port));
            let f_port = port.ok_or(Error::NoFPort { f_port })?;
            let (size, max) = (item.frm_payload.len(), PAYLOAD_MAX);
            match size {
                0 => return Err(Error::NoPayload),
                _ if size > max => return Err(Error::TooLarge { field: "frm_payload", size, max }),
                _ => {}
            }
            let mut correlation_ids = item.correlation_ids;
            correlation_ids.extend(cause.iter().cloned());
            Ok(Downlink {
                session_key_id,
                f_port,
                f_cnt: item.f_cnt,
                frm_payload: item.frm_payload.into(),
                confirmed: item.confirmed,
                priority: item.priority,
                class_b_c: item.class_b_c,
                correlation_ids,
                confirmed_retry: self.retry(item.confirmed, item.retries_max)?,
            })
        };
        let sealed = items.into_iter().map(seal).collect::<Result<Vec<_>, Error>>()?;
        let network = self.peers.as_ns()?;
        match operation {
            QueueOperation::Push => network.push_downlinks(device, sealed.clone()).await?,
            QueueOperation::Replace => network.replace_downlinks(device, sealed.clone()).await?,
        }
        for downlink in &sealed {
            self.count_from(device, &downlink.session_key_id, |last| {
                *last = downlink.f_cnt.max(*last);
            });
        }
        Ok(sealed)
    }

    fn report_warnings(
        &self,
        ids: &DeviceIds,
        cause: &CorrelationIds,
        definition: &'static EventDefinition,
        warnings: &[String],
    ) {
        if warnings.is_empty() {
            return;
        }
        let data = || json!({ "warnings": warnings });
        event::publish(&self.events, definition, self.clock.utc(), ids, cause, data);
    }

    fn report_format(
        &self,
        ids: &DeviceIds,
        cause: &CorrelationIds,
        error: &crate::format::FormatError,
        encode: bool,
    ) {
        let definition = if encode { &event::DOWN_ENCODE_FAIL } else { &event::DOWN_DECODE_FAIL };
        event::publish(
            &self.events,
            definition,
            self.clock.utc(),
            ids,
            cause,
            || json!({ "reason": error.name(), "message": error.to_string() }),
        );
    }

    /// Fetches the keys of the device's sessions that are not known.
    async fn require_keys(&self, device: &DeviceKey) -> Result<(), Error> {
        let (ids, wanted) = {
            let state = self.state.lock();
            let Some(entry) = state.devices.get(device) else {
                return Err(Error::DeviceNotFound(device.clone()));
            };
            let sessions = [&entry.hot.current, &entry.hot.pending];
            let sessions: Vec<SessionKeyId> =
                sessions.into_iter().flatten().map(|s| s.session_key_id.clone()).collect();
            (entry.device.ids.clone(), sessions)
        };
        if wanted.is_empty() {
            return Err(Error::NoDeviceSession);
        }
        for id in wanted {
            self.session_key(&ids, &id).await?;
        }
        Ok(())
    }

    /// Gives every downlink the next counter of every session, and encrypts it.
    fn encrypt(
        &self,
        device: &DeviceKey,
        clear: &[Downlink],
    ) -> Result<(Vec<Downlink>, Vec<Downlink>), Error> {
        let mut state = self.state.lock();
        let entry = state.devices.get_mut(device);
        let entry = entry.ok_or_else(|| Error::DeviceNotFound(device.clone()))?;
        let mut hot = (*entry.hot).clone();
        let (mut encrypted, mut shown) = (Vec::new(), Vec::new());
        for session in [&mut hot.current, &mut hot.pending].into_iter().flatten() {
            let Some(key) = entry.key(&session.session_key_id) else { continue };
            let is_first = encrypted.is_empty();
            for downlink in clear {
                let mut downlink = downlink.clone();
                session.last_a_f_cnt_down = session.last_a_f_cnt_down.saturating_add(1);
                downlink.session_key_id = session.session_key_id.clone();
                downlink.f_cnt = session.last_a_f_cnt_down;
                if is_first {
                    shown.push(downlink.clone());
                }
                seal_downlink(key, session.dev_addr, &mut downlink);
                encrypted.push(downlink);
            }
        }
        // The counters are used up even if the Network Server refuses.
        entry.hot = Arc::new(hot);
        Ok((encrypted, shown))
    }

    /// Makes the sessions what the Network Server wants (AS-23).
    fn rebuild(&self, device: &DeviceKey, mismatch: &QueueMismatch) {
        let mut state = self.state.lock();
        let Some(entry) = state.devices.get_mut(device) else { return };
        let known = &entry.hot;
        let fit = |wanted: &QueueMismatchSession| {
            let session = known.session(&wanted.session_key_id).cloned();
            let mut session = session
                .unwrap_or_else(|| Session::new(wanted.session_key_id.clone(), wanted.dev_addr));
            session.dev_addr = wanted.dev_addr;
            session.last_a_f_cnt_down = wanted.min_f_cnt_down.saturating_sub(1);
            session
        };
        let hot = SessionRecord {
            current: mismatch.current.as_ref().map(fit),
            pending: mismatch.pending.as_ref().map(fit),
            ..(**known).clone()
        };
        entry.hot = Arc::new(hot);
    }

    /// Tells applications what was queued.
    async fn log_queued(
        &self,
        device: &DeviceKey,
        sent: Vec<Downlink>,
        decoded: Vec<Option<Decoded>>,
    ) {
        for _ in 0..LOG_ATTEMPTS_MAX {
            match self.append_queued(device, &sent, &decoded) {
                Err(Refusal::Full) => self.sleep(LOG_FULL_PAUSE).await,
                Err(_) => break,
                Ok(()) => return,
            }
        }
        tracing::warn!(%device, "downlinks were queued, but the log took no message about it");
    }

    fn append_queued(
        &self,
        device: &DeviceKey,
        sent: &[Downlink],
        decoded: &[Option<Decoded>],
    ) -> Result<(), Refusal> {
        let mut state = self.state.lock();
        let Some(entry) = state.devices.get(device) else { return Ok(()) };
        let mut change = entry.change();
        let mut ids = entry.device.ids.clone();
        let session = change.hot.current.as_ref().or(change.hot.pending.as_ref());
        ids.dev_addr = session.map(|session| session.dev_addr).or(ids.dev_addr);
        for (downlink, decoded) in sent.iter().zip(decoded) {
            let up = ApplicationUp {
                ids: ids.clone(),
                correlation_ids: downlink.correlation_ids.clone(),
                received_at: self.clock.utc(),
                up: Up::DownlinkQueued(downlink.clone()),
                simulated: false,
                repeated: false,
            };
            let mut record = Record::deliver(0, up);
            record.decoded = decoded.clone();
            self.add_own(entry, &mut change, record);
        }
        let lane = change.hot.lane;
        self.commit(&mut state, lane, vec![change]).map(|_| ())
    }

    fn ids_of(&self, device: &DeviceKey) -> Result<DeviceIds, Error> {
        let state = self.state.lock();
        let entry = state.devices.get(device);
        let entry = entry.ok_or_else(|| Error::DeviceNotFound(device.clone()))?;
        Ok(entry.device.ids.clone())
    }
}

fn check_count(items: &[DownlinkItem]) -> Result<(), Error> {
    let (field, size, max) = ("downlinks", items.len(), DOWNLINKS_MAX);
    if size > max { Err(Error::TooLarge { field, size, max }) } else { Ok(()) }
}

/// The id of a session that is not chosen yet.
fn no_session() -> SessionKeyId {
    SessionKeyId::new(&[]).unwrap_or_else(|| unreachable!("an empty id is short enough"))
}

//! Windows: copies of one frame from several gateways become one uplink (NS-01 to NS-04).

use std::{sync::Arc, time::Duration};

use serde_json::json;
use ttn_core::{
    event::{Event, EventData, EventDefinition, describe},
    frame::{Form, PhyPayload},
    id::EntityId,
    msg::{Receipt, TxSettings, Uplink, correlation_id},
    radio::DataRate,
    time::{Monotonic, Now},
};

use super::{Effect, Effects, Handle, JoinId, Shard, Timer, downlink::Waiting, entry::FirstCopy};
use crate::{event, stats, store::first_copy};

/// How many frames are collected or recognised at a time; further ones are dropped as `too_many_windows`.
pub const WINDOWS_MAX: usize = 65_536;
/// How many metadata one frame keeps (NS-03).
pub const METADATA_MAX: usize = 50;
/// How many correlation ids one frame keeps: those of further copies are left out.
const CORRELATION_IDS_MAX: usize = 16;
/// How long the copies of a join-request are recognised (NS-04).
pub(super) const JOIN_WINDOW: Duration = Duration::from_secs(6);
/// What the way to a gateway needs besides its round-trip time (DESIGN 6).
const ANSWER_TIME: Duration = Duration::from_millis(120);

/// The copies of one frame.
pub(super) struct Window {
    /// The first copy, with the metadata of all.
    pub(super) uplink: Arc<Uplink>,
    pub(super) state: WindowState,
    /// Who waits to hear that the frame survives a crash.
    receipts: Vec<Receipt>,
    /// Whether it does: in the session record, or in the log.
    is_safe: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WindowState {
    /// The frame belongs to a device; copies are collected.
    Collecting(Content),
    /// It was processed; copies are late.
    Closed(Handle),
    /// It belongs to nobody here; copies are not looked at.
    Rejected,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    Data(Handle),
    Join(JoinId, Handle),
}

/// Why a frame is dropped: a name that never changes, and the numbers.
pub(super) struct Drop {
    pub(super) reason: &'static str,
    pub(super) detail: String,
    pub(super) device: Option<Handle>,
}

impl Drop {
    pub(super) fn new(reason: &'static str, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into(), device: None }
    }

    pub(super) const fn of(mut self, device: Handle) -> Self {
        self.device = Some(device);
        self
    }
}

impl Shard {
    /// Takes one copy of a frame.
    pub(super) fn on_copy(&mut self, now: Now, mut uplink: Uplink, out: &mut Effects) {
        let receipt = uplink.receipt.take();
        let key = key(&uplink.phy, &uplink.settings);
        stats::add(&self.stats.uplink_received, 1);
        let Some(window) = self.windows.get_mut(&key) else {
            self.on_first_copy(now, key, uplink, receipt, out);
            return;
        };
        stats::add(&self.stats.uplink_duplicates, 1);
        match receipt {
            Some(receipt) if window.is_safe => receipt.settle(),
            receipt => window.receipts.extend(receipt),
        }
        match window.state {
            WindowState::Collecting(_) => {
                // An event may have the frame as it was.
                let whole = Arc::make_mut(&mut window.uplink);
                let room = METADATA_MAX.saturating_sub(whole.rx_metadata.len());
                whole.rx_metadata.extend(uplink.rx_metadata.into_iter().take(room));
                let ids = &mut whole.correlation_ids;
                let room = CORRELATION_IDS_MAX.saturating_sub(ids.len());
                ids.extend(uplink.correlation_ids.into_iter().take(room));
                self.count("copy");
            }
            WindowState::Closed(handle) => {
                let since = now.monotonic.since(window.uplink.received);
                let detail = format!("a copy {} ms after the first", since.as_millis());
                self.drop_frame(now, &uplink, &Drop::new("late_copy", detail).of(handle), out);
            }
            WindowState::Rejected => self.count("copy_of_rejected"),
        }
    }

    fn on_first_copy(
        &mut self,
        now: Now,
        key: u64,
        mut uplink: Uplink,
        receipt: Option<Receipt>,
        out: &mut Effects,
    ) {
        if self.windows.len() >= WINDOWS_MAX {
            let detail = format!("{WINDOWS_MAX} frames are being collected");
            self.drop_frame(now, &uplink, &Drop::new("too_many_windows", detail), out);
            return receipt.into_iter().for_each(Receipt::settle);
        }
        uplink.rx_metadata.truncate(METADATA_MAX);
        uplink.correlation_ids.push(correlation_id("ns:uplink", now.utc, self.entropy.as_ref()));
        let matched = match &uplink.phy.form {
            Form::Data(data) if data.uplink => {
                self.find(&uplink, None).map(|(handle, _)| Content::Data(handle))
            }
            Form::JoinRequest(request) => {
                let request = *request;
                self.start_join(now, key, &uplink, &request, out)
            }
            Form::RejoinRequest(_) => {
                Err(Drop::new("rejoin_request", "rejoin-requests are not supported yet"))
            }
            _ => Err(Drop::new("not_an_uplink", "neither data uplink nor join-request")),
        };
        let received = uplink.received;
        let uplink = Arc::new(uplink);
        match matched {
            Ok(content) => {
                let closes = received.plus(self.window_length(content, &uplink));
                let (definition, handle, keep) = match content {
                    Content::Data(handle) => {
                        (event::UP_DATA_RECEIVE, handle, self.config.cooldown_window)
                    }
                    Content::Join(_, handle) => (event::UP_JOIN_RECEIVE, handle, JOIN_WINDOW),
                };
                let ids = uplink.correlation_ids.clone();
                self.publish(now, definition, handle, &ids, || message(&uplink), out);
                let is_safe = matches!(content, Content::Join(..));
                if let (Content::Data(handle), true) = (content, receipt.is_some()) {
                    self.keep_first_copy(handle, key, &uplink, out);
                }
                let state = WindowState::Collecting(content);
                let mut window = Window { uplink, state, receipts: Vec::new(), is_safe };
                match receipt {
                    // The device repeats a join-request that nobody answers.
                    Some(receipt) if is_safe => receipt.settle(),
                    receipt => window.receipts.extend(receipt),
                }
                self.windows.insert(key, window);
                self.set_timer(closes, Timer::CloseWindow(key));
                self.forget_window_at(closes.plus(keep), key);
            }
            Err(drop) => {
                self.drop_frame(now, &uplink, &drop, out);
                let keep = self.config.deduplication_window + self.config.cooldown_window;
                receipt.into_iter().for_each(Receipt::settle);
                let state = WindowState::Rejected;
                let window = Window { uplink, state, receipts: Vec::new(), is_safe: true };
                self.windows.insert(key, window);
                self.forget_window_at(received.plus(keep), key);
            }
        }
    }

    /// Writes the first copy into the session record, which is durable before anybody is told that it was received
    /// (DESIGN 4). A device has one frame in its windows; of a second one, which only an attacker sends, the
    /// acknowledgement waits for the log.
    fn keep_first_copy(&mut self, handle: Handle, window: u64, uplink: &Uplink, out: &mut Effects) {
        let Some(entry) = self.devices.get_mut(&handle) else { return };
        if entry.first_copy.is_some() {
            return;
        }
        entry.first_copy = Some(FirstCopy { window, octets: first_copy::encode(uplink) });
        self.store_hot(handle, out);
        self.when_durable(Waiting::Receipts { window }, out);
    }

    /// Gives the acknowledgements that waited for a frame.
    pub(super) fn settle(&mut self, window: u64) {
        let Some(window) = self.windows.get_mut(&window) else { return };
        window.is_safe = true;
        std::mem::take(&mut window.receipts).into_iter().for_each(Receipt::settle);
    }

    /// Ends all windows now, because nobody will be there when they would.
    pub(super) fn close_windows(&mut self, now: Now, out: &mut Effects) {
        let open = |window: &Window| matches!(window.state, WindowState::Collecting(_));
        let mut keys: Vec<(Monotonic, u64)> = self
            .windows
            .iter()
            .filter(|(_, window)| open(window))
            .map(|(key, window)| (window.uplink.received, *key))
            .collect();
        keys.sort_unstable();
        for (_, key) in keys {
            self.close_window(now, key, out);
        }
    }

    /// DESIGN 6: the answer must reach the gateway before RX1 opens.
    fn window_length(&self, content: Content, uplink: &Uplink) -> Duration {
        let longest = self.config.deduplication_window;
        let handle = match content {
            Content::Data(handle) => handle,
            Content::Join(..) => return longest,
        };
        let rx1_delay =
            self.devices.get(&handle).map_or(1, |entry| entry.mac.slow.current.rx1_delay.max(1));
        let way = uplink.round_trip_p95.unwrap_or_default() + ANSWER_TIME;
        longest.min(Duration::from_secs(rx1_delay.into()).saturating_sub(way))
    }

    pub(super) fn close_window(&mut self, now: Now, key: u64, out: &mut Effects) {
        let Some(window) = self.windows.get_mut(&key) else { return };
        let WindowState::Collecting(content) = window.state else { return };
        match content {
            Content::Data(handle) => {
                window.state = WindowState::Closed(handle);
                let (uplink, waits) = (window.uplink.clone(), !window.is_safe);
                let entry = self.devices.get_mut(&handle);
                let kept = entry
                    .and_then(|entry| entry.first_copy.take_if(|copy| copy.window == key))
                    .is_some();
                self.process_uplink(now, Some(handle), &uplink, out);
                if kept {
                    self.store_hot(handle, out);
                }
                if waits {
                    self.when_durable(Waiting::Receipts { window: key }, out);
                }
            }
            Content::Join(join, handle) => {
                window.state = WindowState::Closed(handle);
                self.finish_join(now, join, out);
            }
        }
    }

    /// Accounts for a frame that goes no further (DESIGN promise 2).
    pub(super) fn drop_frame(&mut self, now: Now, uplink: &Uplink, drop: &Drop, out: &mut Effects) {
        self.count(drop.reason);
        if !out.events_wanted {
            return;
        }
        let of = drop.device.and_then(|handle| self.devices.get(&handle));
        let radio_ids = of.map(|entry| entry.radio_ids()).unwrap_or_default();
        let identifiers = match of {
            Some(entry) => vec![EntityId::Device(entry.device.ids.key.clone())],
            None => uplink
                .rx_metadata
                .iter()
                .map(|metadata| EntityId::Gateway(metadata.gateway_id.clone()))
                .collect(),
        };
        let definition: &'static EventDefinition = match uplink.phy.form {
            Form::JoinRequest(_) | Form::RejoinRequest(_) => event::UP_JOIN_DROP,
            _ => event::UP_DATA_DROP,
        };
        let mut data = summary(uplink);
        if let Some(data) = data.as_object_mut() {
            data.insert("reason".to_owned(), drop.reason.into());
            data.insert("detail".to_owned(), drop.detail.as_str().into());
        }
        let correlation_ids = uplink.correlation_ids.clone();
        let time = now.utc;
        let (caller, data) = (None, data.into());
        let event =
            Event { definition, time, identifiers, radio_ids, correlation_ids, caller, data };
        out.now.push(Effect::Event(Box::new(event)));
    }
}

/// A frame with all its copies; the message is made when somebody reads it.
pub(super) fn message(uplink: &Arc<Uplink>) -> EventData {
    let uplink = uplink.clone();
    EventData::message(move || describe::uplink_message(&uplink))
}

/// What an event says of a frame that is dropped.
fn summary(uplink: &Uplink) -> serde_json::Value {
    let mut data = json!({
        "frequency": uplink.settings.frequency.hz().to_string(),
        "data_rate": uplink.settings.data_rate.to_string(),
        "gateways": uplink.rx_metadata.len(),
    });
    if let (Some(form), Some(object)) = (uplink.phy.data(), data.as_object_mut()) {
        object.insert("dev_addr".to_owned(), form.dev_addr.to_string().into());
        object.insert("f_cnt".to_owned(), form.f_cnt.into());
    }
    data
}

/// NS-01: FNV-64a over payload, frequency and data rate; a retransmission on another channel is a frame of its own.
fn key(phy: &PhyPayload, settings: &TxSettings) -> u64 {
    let mut hash = Fnv(0xCBF2_9CE4_8422_2325);
    hash.write(&phy.bytes);
    hash.write(&settings.frequency.hz().to_le_bytes());
    match settings.data_rate {
        DataRate::Fsk { bit_rate } => {
            hash.write(&[1]);
            hash.write(&bit_rate.to_le_bytes());
        }
        DataRate::Lora { spreading_factor, bandwidth, .. } => {
            hash.write(&[2, spreading_factor]);
            hash.write(&bandwidth.to_le_bytes());
        }
        DataRate::LrFhss { modulation_type, operating_channel_width, .. } => {
            hash.write(&[3]);
            hash.write(&modulation_type.to_le_bytes());
            hash.write(&operating_channel_width.to_le_bytes());
        }
        _ => hash.write(&[0]),
    }
    hash.0
}

struct Fnv(u64);

impl Fnv {
    fn write(&mut self, octets: &[u8]) {
        for octet in octets {
            self.0 = (self.0 ^ u64::from(*octet)).wrapping_mul(0x0000_0100_0000_01B3);
        }
    }
}

//! The next downlink: what goes into it, and how (NS-66, NS-67, NS-78, NS-79, NS-89 to NS-92).

use alloc::vec::Vec;

use ttn_core::{
    frame::FCtrl,
    radio::time_on_air,
    time::{GpsTime, Timestamp},
};

use super::{
    DataPlan, DownlinkDecision, DownlinkReason, Dropped, Engine, MacEvent, NetworkTiming,
    NoDownlink, Priority, QueueDrop, QueueResult, QueuedDownlink, RxWindow, Slot, TxPlan,
    matching::low_bits, relay::mac_payload_of, requests::Block, slot::Windows,
};
use crate::{
    class_b::{PING_SLOT_NANOS, beacon_channel, next_beacon},
    command::{Command, Direction, RootWorSKey},
    crypto::payload::encrypt_frm_payload,
    frame::{DataFrame, F_OPTS_LENGTH_MAX, RELAY_F_PORT},
    session::{DownlinkContext, seal_downlink},
    state::{AdrMode, DeviceClass, InFlight, MacState, PENDING_REQUESTS_MAX, Session},
    version::MacRules as _,
};

/// The octets of FHDR without FOpts, and of FPort.
const HEADER_LENGTH: usize = 8;

impl Engine<'_> {
    /// Builds what should be sent in a slot, if anything. Call it once per slot, and for [`Slot::Network`] whenever there is
    /// something in the queue and [`NoDownlink::NotYet`] does not say otherwise.
    ///
    /// On success the state has moved: the counter is taken, requests are pending. Store it, then send the frame.
    pub fn next_downlink(
        &self,
        st: &mut MacState,
        slot: &Slot,
        queue: &[QueuedDownlink<'_>],
        now: Timestamp,
    ) -> DownlinkDecision {
        let mut dropped = Vec::new();
        let result = self.plan_downlink(st, slot, queue, now, &mut dropped);
        DownlinkDecision { dropped, result }
    }

    fn plan_downlink(
        &self,
        st: &mut MacState,
        slot: &Slot,
        queue: &[QueuedDownlink<'_>],
        now: Timestamp,
        dropped: &mut Vec<Dropped>,
    ) -> Result<DataPlan, NoDownlink> {
        if !self.schedules_downlinks() {
            return Err(NoDownlink::Disabled);
        }
        let session = st.slow.session.clone().ok_or(NoDownlink::NoSession)?;
        let windows = match *slot {
            Slot::ClassA { .. } | Slot::Relayed { .. } if self.classes.multicast => {
                return Err(NoDownlink::NoWindow);
            }
            Slot::ClassA { received_at, channel } => {
                self.data_windows(&st.slow.current, channel, received_at)
            }
            Slot::Network(timing) => {
                return self.begin(st, &session, &timing, queue, now, dropped);
            }
            Slot::Relayed { phy_payload_max, until } => {
                Windows::relay(until, mac_payload_of(phy_payload_max))
            }
        };
        let max = windows.max_mac_payload();
        let head = self.queue_head(st, queue, max, now, |_| None, dropped);
        let max = windows.max_mac_payload_open(now)?;
        let room = max.saturating_sub(HEADER_LENGTH);
        let relayed = st.relayed.take().filter(|frame| frame.len() <= room);
        let room_for_commands = match &relayed {
            // They share the frame, which then has commands in FOpts only.
            Some(frame) => room.saturating_sub(frame.len()).min(F_OPTS_LENGTH_MAX),
            None => room,
        };
        let (commands, cut) = self.fitting_commands(st, room_for_commands);
        let reasons = self.reasons(st, &commands, relayed.is_some(), head.is_some());
        if reasons.is_empty() {
            return Err(NoDownlink::NothingToSend);
        }
        let content = content(commands, cut, relayed, head, queue, room);
        self.seal(st, &session, &windows, content, reasons, now)
    }

    /// A downlink that the network begins carries an item and no commands (NS-66).
    fn begin(
        &self,
        st: &mut MacState,
        session: &Session,
        timing: &NetworkTiming,
        queue: &[QueuedDownlink<'_>],
        now: Timestamp,
        dropped: &mut Vec<Dropped>,
    ) -> Result<DataPlan, NoDownlink> {
        let max = usize::from(self.network_window(st, session, now)?.max_mac_payload);
        let class = st.slow.class;
        let missed = |item: &QueuedDownlink<'_>| Self::missed(class, item, timing, now);
        let head = self
            .queue_head(st, queue, max, now, missed, dropped)
            .and_then(|index| queue.get(index).map(|item| (index, *item)));
        let (index, item) = head.ok_or(NoDownlink::NothingToSend)?;
        let windows = self.network_windows(st, session, &item, timing, now)?;
        let content = Content {
            commands: Commands::default(),
            item: Some((index, item)),
            relayed: None,
            // NS-92: a device of class C listens all the same.
            f_pending: windows.class == DeviceClass::B && index.saturating_add(1) < queue.len(),
        };
        self.seal(st, session, &windows, content, [DownlinkReason::Queue].into(), now)
    }

    /// The first item that can be sent; items before it that never can are dropped (NS-89).
    fn queue_head(
        &self,
        st: &MacState,
        queue: &[QueuedDownlink<'_>],
        max_mac_payload: usize,
        now: Timestamp,
        missed: impl Fn(&QueuedDownlink<'_>) -> Option<QueueDrop>,
        dropped: &mut Vec<Dropped>,
    ) -> Option<usize> {
        let next = self.next_app_f_cnt(st);
        let max = max_mac_payload.saturating_sub(HEADER_LENGTH);
        let of_pending = |item: &QueuedDownlink<'_>| {
            let pending = st.slow.pending_session.as_ref();
            pending.is_some_and(|pending| pending.session.session_key_id == *item.session_key_id)
        };
        for (index, item) in queue.iter().enumerate() {
            let known = st
                .slow
                .session
                .as_ref()
                .is_some_and(|session| session.session_key_id == *item.session_key_id);
            let size = item.frm_payload.len();
            let reason = match item.expires_at {
                _ if !known && of_pending(item) => continue,
                _ if !known => QueueDrop::UnknownSession,
                _ if item.confirmed && self.classes.multicast => QueueDrop::ConfirmedMulticast,
                Some(at) if at <= now => QueueDrop::Expired { at },
                _ if item.f_cnt < next => {
                    QueueDrop::FCntTooLow { got: item.f_cnt, last: next.saturating_sub(1) }
                }
                _ if size > max => QueueDrop::TooLong { size, max },
                _ => match missed(item) {
                    Some(reason) => reason,
                    None => return Some(index),
                },
            };
            dropped.push(Dropped { index, reason });
        }
        None
    }

    /// Answers, then requests, as far as they fit; the second value says that some did not (NS-67).
    fn fitting_commands(&self, st: &MacState, mut room: usize) -> (Commands, bool) {
        let mut answer_room = self.answer_room(st);
        let mut commands = Commands::default();
        let mut cut = false;
        for answer in &st.answers {
            let length = answer.encoded_length();
            cut |= length > room;
            if length <= room {
                room = room.saturating_sub(length);
                commands.answers.push(*answer);
            }
        }
        for block in self.requests(st) {
            let length: usize = block.iter().map(Command::encoded_length).sum();
            let answer_length = answer_length(&block);
            let count = commands.requests.len().saturating_add(block.len());
            if length > room || answer_length > answer_room || count > PENDING_REQUESTS_MAX {
                cut = true;
                break;
            }
            room = room.saturating_sub(length);
            answer_room = answer_room.saturating_sub(answer_length);
            commands.requests.extend(block);
        }
        (commands, cut)
    }

    /// How many octets of answers the next uplink can carry; before LoRaWAN 1.1 this is not looked at (NS-67).
    fn answer_room(&self, st: &MacState) -> usize {
        if !st.slow.version.validates_uplink_size_for_answers() {
            return usize::MAX;
        }
        let current = &st.slow.current;
        let dwell_time = current.uplink_dwell_time.unwrap_or(false);
        let max = self.band.max_mac_payload(current.adr_data_rate, dwell_time).unwrap_or(u8::MAX);
        usize::from(max).saturating_sub(HEADER_LENGTH)
    }

    fn seal(
        &self,
        st: &mut MacState,
        session: &Session,
        windows: &Windows,
        mut content: Content<'_>,
        reasons: Vec<DownlinkReason>,
        now: Timestamp,
    ) -> Result<DataPlan, NoDownlink> {
        let f_cnt = content.f_cnt(st)?;
        // What the network begins answers nothing.
        let class_a = windows.class == DeviceClass::A;
        let ack = class_a && st.hot.confirmed_up;
        let frame = self.frame(session, f_cnt, ack, &content)?;
        // Without MHDR and MIC.
        let size = frame.encoded_length().saturating_sub(5);
        let (rx1, mut rx2) = windows.open(now, size)?;
        let frame = match (content.commands.beacon_timing(), rx1.or(rx2)) {
            (Some(answer), Some(window)) => {
                // The answer is right for one of the windows only.
                rx2 = rx2.filter(|_| rx1.is_none());
                *answer = self.beacon_timing(&window, size.saturating_add(5));
                self.frame(session, f_cnt, ack, &content)?
            }
            _ => frame,
        };
        let conf_f_cnt = low_bits(st.hot.f_cnt_up.unwrap_or(0));
        let context = DownlinkContext { f_cnt, conf_f_cnt };
        let bytes = seal_downlink(&session.keys, st.slow.version, frame, &context)
            .map_err(NoDownlink::Build)?;

        let confirmed = content.confirmed();
        let flight = InFlight {
            f_cnt,
            application_counter: content.takes_application_counter(st),
            queue_item: content.item.is_some(),
            confirmed,
            requests: !content.commands.requests.is_empty(),
        };
        let superseded = st.hot.conf_f_cnt_down.filter(|_| confirmed && st.hot.ack_pending);
        let events = take(st, flight, &content.commands, class_a);
        st.hot.note_downlink(windows.last_opens_at(now));
        let tx = TxPlan {
            bytes,
            class: windows.class,
            rx1_delay: windows.rx1_delay,
            rx1,
            rx2,
            absolute_time: windows.absolute_time,
            priority: content.priority(),
        };
        let own_counter = flight.application_counter || st.slow.version.shares_f_cnt_down();
        Ok(DataPlan {
            tx,
            f_cnt,
            item: content.item.map(|(index, _)| index),
            confirmed,
            ack,
            f_pending: content.f_pending,
            slow_changed: flight.requests,
            relayed: content.relayed.is_some(),
            takes_queue_f_cnt: own_counter && content.item.is_none(),
            commands: content.commands.into_all(),
            reasons,
            events,
            queue_result: superseded.map(|f_cnt| QueueResult { f_cnt, acknowledged: false }),
        })
    }

    fn frame(
        &self,
        session: &Session,
        f_cnt: u32,
        ack: bool,
        content: &Content<'_>,
    ) -> Result<DataFrame, NoDownlink> {
        let adr = !matches!(self.adr_mode(), AdrMode::Disabled);
        let mut frame = DataFrame {
            uplink: false,
            confirmed: content.confirmed(),
            dev_addr: session.dev_addr,
            f_ctrl: FCtrl { adr, ack, f_pending: content.f_pending, ..FCtrl::default() },
            f_cnt: low_bits(f_cnt),
            f_opts: Vec::new(),
            f_port: None,
            frm_payload: Vec::new(),
        };
        let octets = content.commands.encode(self).map_err(NoDownlink::Build)?;
        if octets.len() > F_OPTS_LENGTH_MAX {
            frame.f_port = Some(0);
            frame.frm_payload = octets;
        } else {
            frame.f_opts = octets;
        }
        if let Some(relayed) = &content.relayed {
            frame.f_port = Some(RELAY_F_PORT);
            frame.frm_payload = relayed.clone();
            let (key, addr) = (&session.keys.nwk_s_enc_key, session.dev_addr);
            let payload = &mut frame.frm_payload;
            encrypt_frm_payload(key, Direction::Downlink, addr, f_cnt, payload);
        } else if let Some((_, item)) = content.item {
            frame.f_port = Some(item.f_port);
            frame.frm_payload = item.frm_payload.to_vec();
        }
        Ok(frame)
    }

    /// Why a downlink is due (NS-78).
    fn reasons(
        &self,
        st: &MacState,
        commands: &Commands,
        relayed: bool,
        queue: bool,
    ) -> Vec<DownlinkReason> {
        let asks = !commands.requests.is_empty() && self.requests_are_due(st);
        [
            (st.hot.confirmed_up, DownlinkReason::Ack),
            (!commands.answers.is_empty(), DownlinkReason::Answers),
            (asks, DownlinkReason::Requests),
            (relayed, DownlinkReason::Relay),
            (queue, DownlinkReason::Queue),
            (st.hot.adr_ack_req, DownlinkReason::AdrAckReq),
            (st.hot.sticky != 0, DownlinkReason::StickyAnswers),
        ]
        .into_iter()
        .filter(|(due, _)| *due)
        .map(|(_, reason)| reason)
        .collect()
    }

    /// NS-61: from the end of a downlink of `size` octets in this window to the next beacon.
    fn beacon_timing(&self, window: &RxWindow, size: usize) -> Command {
        let on_air = time_on_air(size, window.frequency, &window.data_rate).unwrap_or_default();
        let end = GpsTime::from_utc(window.opens_at.plus(on_air));
        let beacon = next_beacon(end);
        let left = beacon.nanos().saturating_sub(end.nanos());
        Command::BeaconTimingAns {
            delay: u16::try_from(left.div_euclid(PING_SLOT_NANOS)).unwrap_or(u16::MAX),
            channel_index: beacon_channel(self.band, beacon).unwrap_or(0),
        }
    }
}

/// The commands of a downlink.
#[derive(Debug, Default)]
struct Commands {
    answers: Vec<Command>,
    requests: Vec<Command>,
}

impl Commands {
    fn is_empty(&self) -> bool {
        self.answers.is_empty() && self.requests.is_empty()
    }

    fn length(&self) -> usize {
        self.answers.iter().chain(&self.requests).map(Command::encoded_length).sum()
    }

    fn encode(&self, engine: &Engine<'_>) -> Result<Vec<u8>, crate::frame::BuildError> {
        let mut octets = Vec::with_capacity(self.length());
        for command in self.answers.iter().chain(&self.requests) {
            command.encode(engine.band.frequency_step, &mut octets)?;
        }
        Ok(octets)
    }

    fn beacon_timing(&mut self) -> Option<&mut Command> {
        self.answers.iter_mut().find(|answer| matches!(answer, Command::BeaconTimingAns { .. }))
    }

    fn into_all(self) -> Vec<Command> {
        let mut all = self.answers;
        all.extend(self.requests);
        all
    }
}

/// What goes into a downlink.
struct Content<'q> {
    commands: Commands,
    item: Option<(usize, QueuedDownlink<'q>)>,
    /// A frame for a device behind this one (NS-110).
    relayed: Option<Vec<u8>>,
    f_pending: bool,
}

impl Content<'_> {
    fn confirmed(&self) -> bool {
        self.item.is_some_and(|(_, item)| item.confirmed)
    }

    /// In LoRaWAN 1.1 every port but 0 has the counter of the application.
    fn takes_application_counter(&self, st: &MacState) -> bool {
        let other_port = self.item.is_some() || self.relayed.is_some();
        !st.slow.version.shares_f_cnt_down() && other_port
    }

    fn f_cnt(&self, st: &MacState) -> Result<u32, NoDownlink> {
        match self.item {
            Some((_, item)) => Ok(item.f_cnt),
            None if self.takes_application_counter(st) => next(st.hot.a_f_cnt_down),
            None => next(st.hot.n_f_cnt_down),
        }
    }

    /// NS-91.
    fn priority(&self) -> Priority {
        match self.item {
            Some((_, item)) if self.commands.is_empty() => item.priority.min(Priority::High),
            _ => Priority::Highest,
        }
    }
}

/// Commands of up to 15 octets leave room for an item; more fill the payload themselves (NS-67). What is left over is
/// announced (NS-92). A frame for a device behind this one goes before the item (NS-110).
fn content<'q>(
    commands: Commands,
    cut: bool,
    relayed: Option<Vec<u8>>,
    head: Option<usize>,
    queue: &[QueuedDownlink<'q>],
    room: usize,
) -> Content<'q> {
    let length = commands.length();
    let room = room.saturating_sub(length);
    let item = head
        .filter(|_| relayed.is_none())
        .and_then(|index| queue.get(index).map(|item| (index, *item)))
        .filter(|(_, item)| length <= F_OPTS_LENGTH_MAX && item.frm_payload.len() <= room);
    let behind = match (item, head) {
        (Some((index, _)), _) => index.saturating_add(1),
        (None, Some(index)) => index,
        (None, None) => queue.len(),
    };
    Content { commands, item, relayed, f_pending: cut || behind < queue.len() }
}

/// Moves the state: from here on the frame counts as sent. Requests keep waiting for the next uplink if the network begins.
fn take(st: &mut MacState, flight: InFlight, commands: &Commands, class_a: bool) -> Vec<MacEvent> {
    let hot = &mut st.hot;
    let counter =
        if flight.application_counter { &mut hot.a_f_cnt_down } else { &mut hot.n_f_cnt_down };
    *counter = Some(flight.f_cnt);
    if flight.confirmed {
        hot.conf_f_cnt_down = Some(flight.f_cnt);
        hot.ack_pending = true;
    }
    hot.in_flight = Some(flight);
    if !class_a {
        return Vec::new();
    }
    st.answers.clear();
    st.slow.pending_requests = commands.requests.iter().map(without_key).collect();
    commands.requests.iter().cloned().map(MacEvent::RequestQueued).collect()
}

/// A request as it waits for its answer: keys are not kept.
fn without_key(request: &Command) -> Command {
    match *request {
        Command::RelayUpdateUplinkListReq { rule_index, limit, dev_addr, w_f_cnt, .. } => {
            let root_wor_s_key = RootWorSKey::new([0; 16]);
            Command::RelayUpdateUplinkListReq {
                rule_index,
                limit,
                dev_addr,
                w_f_cnt,
                root_wor_s_key,
            }
        }
        request => request,
    }
}

/// The octets of the answers to a block.
fn answer_length(block: &Block) -> usize {
    block
        .iter()
        .map(|request| match request {
            Command::LinkAdrReq { .. } | Command::RxParamSetupReq { .. } => 2,
            Command::NewChannelReq { .. } | Command::DlChannelReq { .. } => 2,
            Command::PingSlotChannelReq { .. } | Command::BeaconFreqReq { .. } => 2,
            Command::RejoinParamSetupReq { .. } => 2,
            Command::RelayConfReq { .. } | Command::RelayEndDeviceConfReq { .. } => 2,
            Command::ForceRejoinReq { .. } => 0,
            Command::RelayCtrlUplinkListReq { .. } => 6,
            Command::DevStatusReq => 3,
            _ => 1,
        })
        .sum()
}

fn next(last: Option<u32>) -> Result<u32, NoDownlink> {
    last.map_or(Ok(0), |last| last.checked_add(1).ok_or(NoDownlink::FCntExhausted))
}

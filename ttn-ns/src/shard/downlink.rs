//! Downlinks: the decision, the hand-over after the watermark, and the reports.

use std::{collections::VecDeque, time::Duration};

use serde_json::json;
use ttn_core::{
    error::ErrorBody,
    event::EventDefinition,
    msg::{
        CorrelationIds, Downlink, DownlinkError, DownlinkPath, QueueInvalidated, Scheduled,
        TransmissionId, TxAck, TxPriority, TxRequest, TxResult, TxWindow, Up, correlation_id,
    },
    radio::DeviceClass,
    store::Durable,
    time::{Now, Timestamp},
};
use ttn_mac::engine::{
    DataPlan, DownlinkDecision, NoDownlink, Priority, QueueDrop, QueuedDownlink, RxWindow, TxPlan,
    TxReport,
};

use super::{
    CallId, Effect, Effects, FlightOf, Handle, NotScheduled, Reply, Shard, Timer,
    entry::{Flight, OpenSlot, engine, failure},
};
use crate::{error::Error, event, store::NetworkWrite};

/// What happens when a commit is durable.
pub(super) enum Waiting {
    /// The first copy of a window is in the session record, or its uplink in the log.
    Receipts {
        window: u64,
    },
    Reply {
        call: CallId,
        result: Result<Reply, Error>,
    },
    Transmit(Box<Transmission>),
}

pub(super) struct Transmission {
    pub(super) id: TransmissionId,
    pub(super) of: FlightOf,
    pub(super) plan: TxPlan,
    pub(super) paths: Vec<DownlinkPath>,
    pub(super) correlation_ids: CorrelationIds,
}

/// How long before a window a frame must leave for the Gateway Server.
const TRANSMIT_LEAD: Duration = Duration::from_millis(50);
/// How long the report of a gateway is waited for (NS-93).
const REPORT_WAIT: Duration = Duration::from_secs(60);
/// How long the first report of a gateway is waited for that has never reported; then the downlink counts as sent.
const FIRST_REPORT_WAIT: Duration = Duration::from_secs(5);

impl Shard {
    /// Makes the downlink for the open windows, if there is something to send. Gives whether the registration must be
    /// written; the session record is the caller's to write.
    pub(super) fn try_downlink(&mut self, now: Now, handle: Handle, out: &mut Effects) -> bool {
        self.drop_sessionless(now, handle, out);
        let Some(entry) = self.devices.get_mut(&handle) else { return false };
        if entry.flight.is_some() {
            return false;
        }
        let Some(open) = entry.open.clone() else { return false };
        if open.paths.is_empty() {
            entry.open = None;
            let ids = open.correlation_ids;
            let why = || json!({ "reason": "no_downlink_path" });
            self.publish(now, event::DOWN_DATA_FAIL, handle, &ids, why, out);
            self.count("no_downlink_path");
            return false;
        }
        let session = entry.mac.slow.session.as_ref().map(|s| s.session_key_id.clone());
        // An item for class B or C keeps its place: what stands behind it has a higher counter.
        let seqs: Vec<u64> = entry
            .queue
            .iter()
            .take_while(|(_, item)| item.class_b_c.is_none())
            .filter(|(_, item)| Some(&item.session_key_id) == session.as_ref())
            .map(|(seq, _)| *seq)
            .collect();
        let queued: Vec<_> = entry
            .queue
            .iter()
            .filter(|(seq, _)| seqs.binary_search(seq).is_ok())
            .map(|(_, item)| queued(item))
            .collect();
        let decision = engine(entry.band, &entry.plan, &entry.device, &self.defaults)
            .next_downlink(&mut entry.mac, &open.slot, &queued, now.utc);
        drop(queued);
        self.carry_out(now, handle, open, &seqs, decision, out)
    }

    fn carry_out(
        &mut self,
        now: Now,
        handle: Handle,
        open: OpenSlot,
        seqs: &[u64],
        decision: DownlinkDecision,
        out: &mut Effects,
    ) -> bool {
        let chosen = decision.result.as_ref().ok().and_then(|plan| plan.item);
        let chosen = chosen.and_then(|index| {
            let seq = seqs.get(index)?;
            let entry = self.devices.get_mut(&handle)?;
            take(&mut entry.queue, *seq)
        });
        self.drop_items(now, handle, seqs, &decision, out);
        match decision.result {
            Ok(plan) => {
                let slow_changed = plan.slow_changed;
                self.launch(now, handle, open, plan, chosen, out);
                slow_changed
            }
            Err(none) => {
                self.explain_no_downlink(now, handle, &open, none, out);
                false
            }
        }
    }

    fn launch(
        &mut self,
        now: Now,
        handle: Handle,
        open: OpenSlot,
        plan: DataPlan,
        item: Option<(u64, Downlink)>,
        out: &mut Effects,
    ) {
        let id = TransmissionId(self.entropy.next_u64());
        let mut correlation_ids = open.correlation_ids;
        correlation_ids.push(correlation_id("ns:downlink", now.utc, self.entropy.as_ref()));
        if let Some((_, downlink)) = &item {
            correlation_ids.extend(downlink.correlation_ids.iter().cloned());
        }
        for mac_event in &plan.events {
            let Some(definition) = event::of_mac(mac_event) else { continue };
            let data = || event::mac::data(mac_event, definition);
            self.publish(now, definition, handle, &correlation_ids, data, out);
        }
        if let Some(entry) = self.devices.get_mut(&handle) {
            entry.open = None;
            entry.flight = Some(Box::new(Flight {
                id,
                f_cnt: plan.f_cnt,
                item,
                correlation_ids: correlation_ids.clone(),
                reports: true,
            }));
        }
        let of = FlightOf::Data(handle);
        self.flights.insert(id, of);
        let plan = plan.tx;
        let transmission = Transmission { id, of, plan, paths: open.paths, correlation_ids };
        self.when_durable(Waiting::Transmit(Box::new(transmission)), out);
    }

    fn explain_no_downlink(
        &mut self,
        now: Now,
        handle: Handle,
        open: &OpenSlot,
        none: NoDownlink,
        out: &mut Effects,
    ) {
        let definition: &'static EventDefinition = match none {
            NoDownlink::NothingToSend => return,
            NoDownlink::NoWindow => event::DOWN_RX_PARAMETERS_FAIL,
            _ => event::DOWN_DATA_FAIL,
        };
        if let (NoDownlink::WindowsClosed { .. }, Some(entry)) =
            (none, self.devices.get_mut(&handle))
        {
            entry.open = None;
        }
        self.count(none.name());
        let why = || json!({ "reason": none.name(), "detail": format!("{none:?}") });
        self.publish(now, definition, handle, &open.correlation_ids, why, out);
    }

    /// Items that can never be sent (NS-89), and those whose counter was used for something else (NS-90).
    fn drop_items(
        &mut self,
        now: Now,
        handle: Handle,
        seqs: &[u64],
        decision: &DownlinkDecision,
        out: &mut Effects,
    ) {
        let mut last_used = None;
        for dropped in &decision.dropped {
            let Some(seq) = seqs.get(dropped.index) else { continue };
            if let QueueDrop::FCntTooLow { last, .. } = dropped.reason {
                last_used = Some(last);
                continue;
            }
            let Some(entry) = self.devices.get_mut(&handle) else { return };
            let Some((seq, downlink)) = take(&mut entry.queue, *seq) else { continue };
            let error = failure(dropped.reason.name(), format!("{:?}", dropped.reason));
            self.count(dropped.reason.name());
            self.fail_item(now, handle, seq, downlink, error, out);
        }
        if let Ok(plan) = &decision.result {
            if plan.takes_queue_f_cnt || last_used.is_some() {
                self.invalidate_queue(now, handle, plan.f_cnt, out);
            }
        } else if let Some(last) = last_used {
            self.invalidate_queue(now, handle, last, out);
        }
    }

    /// Gives the session's queue back to the application, to be encrypted for counters above `last`. Nothing happens if
    /// all of it is above already.
    fn invalidate_queue(&mut self, now: Now, handle: Handle, last: u32, out: &mut Effects) {
        let Some(entry) = self.devices.get_mut(&handle) else { return };
        let Some(session) = &entry.mac.slow.session else { return };
        let (session_key_id, dev_addr) = (session.session_key_id.clone(), session.dev_addr);
        let of_session = |item: &Downlink| item.session_key_id == session_key_id;
        if !entry.queue.iter().any(|(_, item)| of_session(item) && item.f_cnt <= last) {
            return;
        }
        let (void, keep): (Vec<_>, Vec<_>) =
            std::mem::take(&mut entry.queue).into_iter().partition(|(_, item)| of_session(item));
        entry.queue = keep.into();
        let up = Up::DownlinkQueueInvalidated(QueueInvalidated {
            downlinks: void.iter().map(|(_, item)| item.clone()).collect(),
            last_f_cnt_down: last,
            session_key_id,
            dev_addr: Some(dev_addr),
        });
        let message = entry.up(now.utc, Vec::new(), up);
        self.count("queue_invalidated");
        self.tell_application(handle, message, out);
        for (seq, _) in void {
            let item = NetworkWrite::QueueItem { device: handle.no, seq, item: None };
            self.write(handle, item, out);
        }
    }

    /// Items of sessions that the device does not have.
    fn drop_sessionless(&mut self, now: Now, handle: Handle, out: &mut Effects) {
        let Some(entry) = self.devices.get_mut(&handle) else { return };
        let slow = &entry.mac.slow;
        let known = |item: &Downlink| {
            let current = slow.session.as_ref();
            let pending = slow.pending_session.as_ref().map(|pending| &pending.session);
            [current, pending]
                .into_iter()
                .flatten()
                .any(|s| s.session_key_id == item.session_key_id)
        };
        if entry.queue.iter().all(|(_, item)| known(item)) {
            return;
        }
        let (keep, void): (Vec<_>, Vec<_>) =
            std::mem::take(&mut entry.queue).into_iter().partition(|(_, item)| known(item));
        entry.queue = keep.into();
        for (seq, downlink) in void {
            let text = "the device has no such session".to_owned();
            let error = failure("unknown_session", text);
            self.fail_item(now, handle, seq, downlink, error, out);
        }
    }

    /// What was held back goes out: its commit is durable.
    pub(super) fn release(
        &mut self,
        now: Now,
        waiting: Waiting,
        proof: Durable,
        out: &mut Effects,
    ) {
        match waiting {
            Waiting::Receipts { window } => self.settle(window),
            Waiting::Reply { call, result } => Self::reply(call, result, out),
            Waiting::Transmit(transmission) => self.transmit(now, *transmission, proof, out),
        }
    }

    fn transmit(&mut self, now: Now, this: Transmission, proof: Durable, out: &mut Effects) {
        let (FlightOf::Data(handle) | FlightOf::JoinAccept(handle)) = this.of;
        let Some(entry) = self.devices.get(&handle) else {
            self.forget_transmission(this.id);
            return;
        };
        let given_up = entry.flight.as_ref().is_none_or(|flight| flight.id != this.id);
        if matches!(this.of, FlightOf::Data(_)) && given_up {
            return self.count("store_stalled");
        }
        let earliest = now.utc.plus(TRANSMIT_LEAD);
        let reachable = |window: Option<RxWindow>| window.filter(|rx| rx.opens_at > earliest);
        let (rx1, rx2) = (reachable(this.plan.rx1), reachable(this.plan.rx2));
        if rx1.is_none() && rx2.is_none() {
            return self.stalled(now, handle, &this, out);
        }
        let join = matches!(this.of, FlightOf::JoinAccept(_));
        let request = TxRequest {
            id: this.id,
            phy: this.plan.bytes.into(),
            class: DeviceClass::A,
            paths: this.paths,
            rx1_delay: this.plan.rx1_delay,
            rx1: rx1.map(window),
            rx2: rx2.map(window),
            priority: priority(this.plan.priority),
            absolute_time: None,
            frequency_plan_id: entry.device.frequency_plan_id.clone(),
            correlation_ids: this.correlation_ids.clone(),
        };
        let definition = if join { event::DOWN_JOIN_ATTEMPT } else { event::DOWN_DATA_ATTEMPT };
        let what = || json!({ "rx1": rx1.is_some(), "rx2": rx2.is_some() });
        self.publish(now, definition, handle, &this.correlation_ids, what, out);
        out.now.push(Effect::Transmit { request: Box::new(request), proof });
    }

    /// DESIGN 6: the watermark came too late even for RX2. Nothing was sent, so the item keeps its counter.
    fn stalled(&mut self, now: Now, handle: Handle, this: &Transmission, out: &mut Effects) {
        let last: Option<Timestamp> =
            [this.plan.rx1, this.plan.rx2].into_iter().flatten().map(|rx| rx.opens_at).max();
        let late =
            last.map_or(0, |opens_at| now.utc.plus(TRANSMIT_LEAD).since(opens_at).as_millis());
        let join = matches!(this.of, FlightOf::JoinAccept(_));
        let definition = if join { event::DOWN_JOIN_FAIL } else { event::DOWN_DATA_FAIL };
        let late_ms = u64::try_from(late).unwrap_or(u64::MAX);
        let why = || json!({ "reason": "store_stalled", "late_ms": late_ms });
        self.publish(now, definition, handle, &this.correlation_ids, why, out);
        self.count("store_stalled");
        self.forget_transmission(this.id);
        if !join {
            self.take_back(handle, out);
        }
    }

    /// The downlink in flight was not sent: its counter is free again, its item returns to the head (NS-82).
    fn take_back(&mut self, handle: Handle, out: &mut Effects) {
        let Some(entry) = self.devices.get_mut(&handle) else { return };
        let Some(flight) = entry.flight.take() else { return };
        if let Some(item) = flight.item {
            entry.queue.push_front(item);
        }
        self.report(handle, TxReport::NotSent { f_cnt: flight.f_cnt }, out);
    }

    fn report(&mut self, handle: Handle, report: TxReport, out: &mut Effects) {
        let Some(entry) = self.devices.get_mut(&handle) else { return };
        let outcome = engine(entry.band, &entry.plan, &entry.device, &self.defaults)
            .on_tx_report(&mut entry.mac, report);
        if outcome.slow_changed {
            self.store_device(handle, out);
        }
        self.store_hot(handle, out);
    }

    /// A Gateway Server answered.
    pub(super) fn on_scheduled(
        &mut self,
        now: Now,
        id: TransmissionId,
        result: Result<Scheduled, NotScheduled>,
        out: &mut Effects,
    ) {
        let Some(of) = self.flights.get(&id).copied() else { return };
        let (FlightOf::Data(handle) | FlightOf::JoinAccept(handle)) = of;
        let join = matches!(of, FlightOf::JoinAccept(_));
        let ids = self.flight_ids(id, handle);
        match result {
            Ok(scheduled) => {
                let definition =
                    if join { event::DOWN_JOIN_SUCCESS } else { event::DOWN_DATA_SUCCESS };
                let what = || describe(&scheduled);
                self.publish(now, definition, handle, &ids, what, out);
                if let (false, Some(entry)) = (join, self.devices.get_mut(&handle))
                    && let Some(flight) = entry.flight.as_mut().filter(|flight| flight.id == id)
                {
                    flight.reports = scheduled.reports;
                }
                let wait = if scheduled.reports { REPORT_WAIT } else { FIRST_REPORT_WAIT };
                let until = now.monotonic.plus(scheduled.delay).plus(wait);
                self.set_timer(until, Timer::ForgetFlight(id));
            }
            Err(error) => {
                self.forget_transmission(id);
                let (NotScheduled::NotSent(cause) | NotScheduled::Unknown(cause)) = &error;
                let definition = if join { event::DOWN_JOIN_FAIL } else { event::DOWN_DATA_FAIL };
                let body = cause.to_body();
                let why = || describe_error("schedule", &body);
                self.publish(now, definition, handle, &ids, why, out);
                self.count("schedule");
                if join {
                    return;
                }
                match error {
                    NotScheduled::NotSent(_) => self.take_back(handle, out),
                    NotScheduled::Unknown(_) => self.unknown_outcome(now, handle, out),
                }
            }
        }
    }

    /// A gateway reported (NS-93).
    pub(super) fn on_tx_ack(&mut self, now: Now, ack: &TxAck, out: &mut Effects) {
        let Some(of) = self.flights.remove(&ack.id) else {
            return self.count("unknown_transmission");
        };
        let (FlightOf::Data(handle) | FlightOf::JoinAccept(handle)) = of;
        let mut ids = self.flight_ids(ack.id, handle);
        self.join_flights.remove(&ack.id);
        let own = ack.correlation_ids.iter().filter(|id| !ids.contains(id)).cloned();
        let own: Vec<_> = own.collect();
        ids.extend(own);
        let result = ack.result;
        let gateway = &ack.gateway_id;
        let what = || json!({ "result": format!("{result:?}"), "gateway_id": gateway.as_str() });
        let definition = if result == TxResult::Success {
            event::DOWN_TRANSMISSION_SUCCESS
        } else {
            event::DOWN_TRANSMISSION_FAIL
        };
        self.publish(now, definition, handle, &ids, what, out);
        if matches!(of, FlightOf::JoinAccept(_)) {
            return;
        }
        let Some(entry) = self.devices.get_mut(&handle) else { return };
        let Some(flight) = entry.flight.take_if(|flight| flight.id == ack.id) else { return };
        let f_cnt = flight.f_cnt;
        match result {
            TxResult::Success => self.sent(now, handle, *flight, out),
            TxResult::UnknownError => {
                self.give_item_up(now, handle, flight.item, transmission_failed(result), out);
                self.report(handle, TxReport::Unknown { f_cnt }, out);
            }
            _ => {
                self.give_item_up(now, handle, flight.item, transmission_failed(result), out);
                self.report(handle, TxReport::NotSent { f_cnt }, out);
            }
        }
    }

    fn sent(&mut self, now: Now, handle: Handle, flight: Flight, out: &mut Effects) {
        match flight.item {
            Some((seq, downlink)) if downlink.confirmed => {
                let Some(entry) = self.devices.get_mut(&handle) else { return };
                entry.awaiting_ack = Some(Box::new((seq, downlink.clone())));
                let ids = downlink.correlation_ids.clone();
                let message = entry.up(now.utc, ids, Up::DownlinkSent(downlink));
                self.tell_application(handle, message, out);
            }
            Some((seq, downlink)) => {
                self.finish_item(now, handle, seq, downlink, Up::DownlinkSent, out);
            }
            None => {}
        }
        self.report(handle, TxReport::Sent { f_cnt: flight.f_cnt }, out);
    }

    fn give_item_up(
        &mut self,
        now: Now,
        handle: Handle,
        item: Option<(u64, Downlink)>,
        error: DownlinkError,
        out: &mut Effects,
    ) {
        if let Some((seq, downlink)) = item {
            self.fail_item(now, handle, seq, downlink, error, out);
        }
    }

    /// Nobody knows whether the downlink in flight was sent: its counter stays taken, and the application is told.
    fn unknown_outcome(&mut self, now: Now, handle: Handle, out: &mut Effects) {
        let Some(entry) = self.devices.get_mut(&handle) else { return };
        let Some(flight) = entry.flight.take() else { return };
        self.count("unknown_outcome");
        match flight.item {
            // The next uplink tells whether the device has received it.
            Some(item) if item.1.confirmed => {
                if let Some(entry) = self.devices.get_mut(&handle) {
                    entry.awaiting_ack = Some(Box::new(item));
                }
            }
            item => {
                let text = "no gateway reported on it; it may have been sent".to_owned();
                self.give_item_up(now, handle, item, failure("unknown_outcome", text), out);
            }
        }
        self.report(handle, TxReport::Unknown { f_cnt: flight.f_cnt }, out);
    }

    /// The next uplink is there before the report on the last downlink.
    pub(super) fn give_up_flight(&mut self, now: Now, handle: Handle, out: &mut Effects) {
        let Some(entry) = self.devices.get(&handle) else { return };
        if let Some(flight) = &entry.flight {
            let (id, reports) = (flight.id, flight.reports);
            self.flights.remove(&id);
            if reports {
                self.unknown_outcome(now, handle, out);
            } else {
                self.assume_sent(now, handle, out);
            }
        }
    }

    /// The gateway took the downlink and has never reported on any: old forwarders do not. Its word is taken.
    fn assume_sent(&mut self, now: Now, handle: Handle, out: &mut Effects) {
        let flight = self.devices.get(&handle).and_then(|entry| entry.flight.as_ref());
        let ids = flight.map(|flight| flight.correlation_ids.clone()).unwrap_or_default();
        let why = || json!({ "assumed": true, "reason": "gateway_sends_no_tx_ack" });
        self.publish(now, event::DOWN_TRANSMISSION_SUCCESS, handle, &ids, why, out);
        self.count("assumed_sent");
        let flight = self.devices.get_mut(&handle).and_then(|entry| entry.flight.take());
        if let Some(flight) = flight {
            self.sent(now, handle, *flight, out);
        }
    }

    pub(super) fn forget_flight(&mut self, now: Now, id: TransmissionId, out: &mut Effects) {
        self.join_flights.remove(&id);
        let Some(FlightOf::Data(handle)) = self.flights.remove(&id) else { return };
        let current = self.devices.get(&handle).and_then(|entry| entry.flight.as_ref());
        if current.is_some_and(|flight| flight.id == id && !flight.reports) {
            self.assume_sent(now, handle, out);
        } else if current.is_some_and(|flight| flight.id == id) {
            let ids = self.flight_ids(id, handle);
            let why = || json!({ "reason": "no_tx_ack" });
            self.publish(now, event::DOWN_TRANSMISSION_FAIL, handle, &ids, why, out);
            self.unknown_outcome(now, handle, out);
        }
    }

    fn forget_transmission(&mut self, id: TransmissionId) {
        self.flights.remove(&id);
        self.join_flights.remove(&id);
    }

    fn flight_ids(&self, id: TransmissionId, handle: Handle) -> CorrelationIds {
        if let Some(ids) = self.join_flights.get(&id) {
            return ids.clone();
        }
        self.devices
            .get(&handle)
            .and_then(|entry| entry.flight.as_ref())
            .map(|flight| flight.correlation_ids.clone())
            .unwrap_or_default()
    }
}

fn take(queue: &mut VecDeque<(u64, Downlink)>, seq: u64) -> Option<(u64, Downlink)> {
    let at = queue.iter().position(|(of, _)| *of == seq)?;
    queue.remove(at)
}

fn queued(item: &Downlink) -> QueuedDownlink<'_> {
    QueuedDownlink {
        session_key_id: &item.session_key_id,
        f_cnt: item.f_cnt,
        f_port: item.f_port,
        frm_payload: &item.frm_payload,
        confirmed: item.confirmed,
        priority: match item.priority {
            TxPriority::Lowest => Priority::Lowest,
            TxPriority::Low => Priority::Low,
            TxPriority::BelowNormal => Priority::BelowNormal,
            TxPriority::Normal => Priority::Normal,
            TxPriority::AboveNormal => Priority::AboveNormal,
            TxPriority::High => Priority::High,
            TxPriority::Highest => Priority::Highest,
        },
        expires_at: None,
        absolute_time: None,
    }
}

const fn priority(priority: Priority) -> TxPriority {
    match priority {
        Priority::Lowest => TxPriority::Lowest,
        Priority::Low => TxPriority::Low,
        Priority::BelowNormal => TxPriority::BelowNormal,
        Priority::Normal => TxPriority::Normal,
        Priority::AboveNormal => TxPriority::AboveNormal,
        Priority::High => TxPriority::High,
        Priority::Highest => TxPriority::Highest,
    }
}

const fn window(window: RxWindow) -> TxWindow {
    TxWindow { frequency: window.frequency, data_rate: window.data_rate }
}

fn transmission_failed(result: TxResult) -> DownlinkError {
    let mut error = failure("transmission", format!("the gateway reported {result:?}"));
    error.0 = error.0.with("result", format!("{result:?}"));
    error
}

fn describe(scheduled: &Scheduled) -> serde_json::Value {
    json!({
        "gateway_id": scheduled.gateway_id.as_str(),
        "rx1": !scheduled.rx2,
        "rx2": scheduled.rx2,
        "delay_ms": u64::try_from(scheduled.delay.as_millis()).unwrap_or(u64::MAX),
        "refused": scheduled.refused.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

fn describe_error(reason: &str, body: &ErrorBody) -> serde_json::Value {
    json!({
        "reason": reason,
        "namespace": body.namespace,
        "name": body.name,
        "message_format": body.message,
        "attributes": body.attributes,
    })
}

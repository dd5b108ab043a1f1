//! An uplink at the end of its window: through the engine, into the log, then the answer.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::json;
use ttn_core::{
    event::EventData,
    msg::{Up, Uplink, UplinkUp},
    radio::time_on_air,
    time::{GpsTime, Now},
};
use ttn_mac::{
    engine::{MacEvent, MatchedUplink, Outcome, QueueResult, RxInfo, UplinkFrame, UplinkKind},
    state::Candidate,
};

use super::{
    Effects, Handle, Shard,
    entry::{OpenSlot, engine, failure},
    path,
    window::{Drop, message},
};
use crate::{event, store::NetworkWrite};

impl Shard {
    /// Processes an uplink with the metadata of all its copies. Its first copy was of the device `of`.
    pub(super) fn process_uplink(
        &mut self,
        now: Now,
        of: Option<Handle>,
        uplink: &Arc<Uplink>,
        out: &mut Effects,
    ) {
        // The device may have changed since the first copy (NS-43): the match is made anew.
        let (handle, matched) = match self.find(uplink, of) {
            Ok(found) => found,
            Err(drop) => return self.drop_frame(now, uplink, &drop, out),
        };
        // An earlier downlink that nobody reported on is not heard of any more.
        self.give_up_flight(now, handle, out);
        let outcome = match self.run_engine(now, handle, matched, uplink) {
            Ok(outcome) => outcome,
            Err(drop) => return self.drop_frame(now, uplink, &drop, out),
        };
        let gateways = u64::try_from(uplink.rx_metadata.len()).unwrap_or(u64::MAX);
        self.stats.uplink_gateways.observe_micros(gateways.saturating_mul(1_000_000));
        let ids = uplink.correlation_ids.clone();
        self.publish(now, event::UP_DATA_PROCESS, handle, &ids, || message(uplink), out);
        self.publish_mac(now, handle, uplink, &outcome.events, out);
        if let Some(result) = outcome.queue_result {
            self.finish_confirmed(now, handle, result, out);
        }
        if outcome.kind == UplinkKind::SessionStarted {
            self.end_old_session(now, handle, out);
        }
        if outcome.deliver {
            self.deliver(now, handle, uplink, &outcome, out);
        } else {
            self.count("retransmission");
        }
        if let Some(entry) = self.devices.get_mut(&handle) {
            entry.open = Some(OpenSlot {
                slot: outcome.slot,
                paths: path::rank(&uplink.rx_metadata, &uplink.settings.data_rate),
                correlation_ids: ids,
            });
        }
        let answer_changed = self.try_downlink(now, handle, out);
        if outcome.slow_changed || answer_changed {
            self.store_device(handle, out);
        }
        self.store_hot(handle, out);
    }

    fn run_engine(
        &mut self,
        now: Now,
        handle: Handle,
        matched: MatchedUplink,
        uplink: &Uplink,
    ) -> Result<Outcome, Drop> {
        let sessions_change = matched.candidate == Candidate::Pending;
        if sessions_change {
            self.devices.forget_addresses(handle);
        }
        let result = self.devices.get_mut(&handle).map(|entry| {
            engine(entry.band, &entry.plan, &entry.device, &self.defaults).on_uplink(
                &mut entry.mac,
                &UplinkFrame { phy: &uplink.phy, matched },
                &rx_info(uplink),
                now.utc,
            )
        });
        if sessions_change {
            self.devices.index_addresses(handle);
        } else {
            self.devices.counted(handle);
        }
        match result {
            Some(Ok(outcome)) => Ok(outcome),
            Some(Err(reject)) => Err(Drop::new(reject.name(), reject.to_string()).of(handle)),
            None => Err(Drop::new("device_not_found", "the device was deleted meanwhile")),
        }
    }

    /// NS-18: to the application log, payload still encrypted; port 0 without payload.
    fn deliver(
        &mut self,
        now: Now,
        handle: Handle,
        uplink: &Uplink,
        outcome: &Outcome,
        out: &mut Effects,
    ) {
        let (Some(entry), Some(data)) = (self.devices.get(&handle), uplink.phy.data()) else {
            return;
        };
        let Some(session) = &entry.mac.slow.session else { return };
        let payload: &[u8] =
            if data.f_port == Some(0) { &[] } else { uplink.phy.slice(&data.frm_payload) };
        let (size, settings) = (uplink.phy.bytes.len(), &uplink.settings);
        let airtime = time_on_air(size, settings.frequency, &settings.data_rate);
        let up = Up::Uplink(Box::new(UplinkUp {
            session_key_id: session.session_key_id.clone(),
            f_port: data.f_port,
            f_cnt: outcome.f_cnt,
            frm_payload: payload.into(),
            rx_metadata: uplink.rx_metadata.clone(),
            settings: *settings,
            data_rate_index: outcome.channel.data_rate_index,
            confirmed: data.confirmed,
            consumed_airtime: airtime.unwrap_or_default(),
            packet_error_rate: outcome.packet_error_rate,
            net_id: self.config.net_id,
        }));
        let mut message = entry.up(now.utc, uplink.correlation_ids.clone(), up);
        message.received_at = uplink.received_at;
        self.tell_application(handle, message, out);
        let latency = now.monotonic.since(uplink.received).as_micros();
        let latency = u64::try_from(latency).unwrap_or(u64::MAX);
        self.stats.uplink_latency_seconds.observe_micros(latency);
        let (ids, f_cnt, f_port) = (uplink.correlation_ids.clone(), outcome.f_cnt, data.f_port);
        let data = || EventData::later(move || json!({ "f_cnt": f_cnt, "f_port": f_port }));
        self.publish(now, event::UP_DATA_FORWARD, handle, &ids, data, out);
    }

    /// NS-87.
    fn finish_confirmed(
        &mut self,
        now: Now,
        handle: Handle,
        result: QueueResult,
        out: &mut Effects,
    ) {
        let Some(entry) = self.devices.get_mut(&handle) else { return };
        let Some((seq, downlink)) =
            entry.awaiting_ack.take_if(|it| it.1.f_cnt == result.f_cnt).map(|it| *it)
        else {
            return;
        };
        let up = if result.acknowledged { Up::DownlinkAck } else { Up::DownlinkNack };
        self.finish_item(now, handle, seq, downlink, up, out);
    }

    /// NS-15: the queue of the old session is void. What the join handed over is the application's business (NS-29).
    fn end_old_session(&mut self, now: Now, handle: Handle, out: &mut Effects) {
        let Some(entry) = self.devices.get_mut(&handle) else { return };
        let current = entry.mac.slow.session.as_ref().map(|s| s.session_key_id.clone());
        let (keep, void): (Vec<_>, Vec<_>) = std::mem::take(&mut entry.queue)
            .into_iter()
            .partition(|(_, item)| Some(&item.session_key_id) == current.as_ref());
        entry.queue = keep.into();
        let handed_over = std::mem::take(&mut entry.handed_over_seq);
        let unacknowledged = entry.awaiting_ack.take().map(|it| *it);
        for (seq, downlink) in void {
            if seq < handed_over {
                let item = NetworkWrite::QueueItem { device: handle.no, seq, item: None };
                self.write(handle, item, out);
            } else {
                let text = "the session that it was encrypted for has ended".to_owned();
                let error = failure("unknown_session", text);
                self.fail_item(now, handle, seq, downlink, error, out);
            }
        }
        if let Some((seq, downlink)) = unacknowledged {
            self.finish_item(now, handle, seq, downlink, Up::DownlinkNack, out);
        }
    }

    pub(super) fn publish_mac(
        &self,
        now: Now,
        handle: Handle,
        uplink: &Uplink,
        events: &[MacEvent],
        out: &mut Effects,
    ) {
        if !out.events_wanted {
            return;
        }
        for event in events {
            let Some(definition) = event::of_mac(event) else { continue };
            let data = || event::mac::data(event, definition);
            self.publish(now, definition, handle, &uplink.correlation_ids, data, out);
        }
    }
}

/// What all gateways together know.
fn rx_info(uplink: &Uplink) -> RxInfo {
    let metadata = &uplink.rx_metadata;
    let gateways: BTreeSet<_> = metadata.iter().map(|of| &of.gateway_id).collect();
    let snr = metadata.iter().map(|of| of.snr).max_by(f32::total_cmp);
    let lora = matches!(uplink.settings.data_rate, ttn_core::radio::DataRate::Lora { .. });
    let gps_time = metadata
        .iter()
        .find_map(|of| of.gps_time)
        .or_else(|| metadata.first().map(|of| of.received_at));
    RxInfo {
        received_at: uplink.received_at,
        max_snr: snr.filter(|_| lora),
        gateway_count: u32::try_from(gateways.len()).unwrap_or(u32::MAX),
        gps_time: gps_time.map(GpsTime::from_utc),
    }
}

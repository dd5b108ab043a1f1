//! Joins: the request to the Join Server, the new session, the accept.

use std::sync::Arc;

use serde_json::json;
use ttn_core::{
    addr::{DevAddr, DevAddrPrefix},
    error::ErrorBody,
    frame::JoinRequestForm,
    msg::{
        DlSettings, JoinAcceptUp, JoinAnswer, JoinRequest, SessionKeys, TransmissionId, Up, Uplink,
        correlation_id,
    },
    peer::PeerError,
    store::{PARTITIONS, PartitionId},
    time::Now,
    vault::VaultError,
};
use ttn_mac::{
    engine::{JoinAccepted, UplinkChannel},
    session::NetworkKeys,
    state::{JoinParameters, Session},
};

use super::{
    Effect, Effects, FlightOf, Handle, JOINS_MAX, JoinId, Shard, Timer,
    downlink::{Transmission, Waiting},
    entry::engine,
    matching::radio,
    path,
    window::{Content, Drop, JOIN_WINDOW, WindowState, message},
};
use crate::event;

/// A join between request and accept.
pub(super) struct Join {
    handle: Handle,
    window: u64,
    dev_addr: DevAddr,
    parameters: JoinParameters,
    channel: UplinkChannel,
    answer: Option<Box<JoinAnswer>>,
}

/// How often another address is drawn if it is the one that the device has (NS-23).
const DEV_ADDR_TRIES: usize = 5;
/// The low bits of an address that name the partition, where the prefix leaves them free (DESIGN 4).
const PARTITION_BITS: u32 = PARTITIONS.trailing_zeros();

impl Shard {
    /// Asks the Join Server. The copies of the request are collected meanwhile (NS-04).
    pub(super) fn start_join(
        &mut self,
        now: Now,
        window: u64,
        uplink: &Uplink,
        form: &JoinRequestForm,
        out: &mut Effects,
    ) -> Result<Content, Drop> {
        let euis = (form.join_eui, form.dev_eui);
        let Some(handle) = self.devices.by_euis(form.join_eui, form.dev_eui) else {
            let detail = format!("no device with JoinEUI {} and DevEUI {}", euis.0, euis.1);
            return Err(Drop::new("device_not_found", detail));
        };
        if self.joins.len() >= JOINS_MAX {
            let detail = format!("{JOINS_MAX} joins wait for the Join Server");
            return Err(Drop::new("too_many_joins", detail).of(handle));
        }
        let Some(entry) = self.devices.get(&handle) else {
            return Err(Drop::new("device_not_found", "the device was deleted"));
        };
        if !entry.device.supports_join {
            let detail = "the device is registered with activation by personalisation";
            return Err(Drop::new("abp_join_request", detail).of(handle));
        }
        let rules = engine(entry.band, &entry.plan, &entry.device, &self.defaults);
        let channel = rules
            .join_channel(&radio(uplink))
            .map_err(|reject| Drop::new(reject.name(), reject.to_string()).of(handle))?;
        let parameters = rules.join_parameters(&entry.mac, channel);
        let cf_list = match &parameters.cf_list {
            Some(list) => Some(
                list.encode(entry.band.frequency_step)
                    .map_err(|error| Drop::new("cf_list", error.to_string()).of(handle))?,
            ),
            None => None,
        };
        let settings = parameters.dl_settings;
        let in_use = entry.mac.slow.session.as_ref().map(|session| session.dev_addr);
        let dev_addr = self.new_dev_addr(handle.partition, in_use);
        let request = JoinRequest {
            phy: uplink.phy.bytes.clone(),
            join_eui: form.join_eui,
            dev_eui: form.dev_eui,
            dev_nonce: form.dev_nonce,
            dev_addr,
            net_id: self.config.net_id,
            mac_version: entry.device.mac_version,
            dl_settings: DlSettings {
                opt_neg: settings.opt_neg,
                rx1_dr_offset: settings.rx1_dr_offset,
                rx2_dr: settings.rx2_dr,
            },
            rx_delay: parameters.rx_delay,
            cf_list,
            correlation_ids: uplink.correlation_ids.clone(),
        };
        let id = JoinId(self.join_next);
        self.join_next += 1;
        let join = Join { handle, window, dev_addr, parameters, channel, answer: None };
        self.joins.insert(id, join);
        self.set_timer(uplink.received.plus(JOIN_WINDOW), Timer::ForgetJoin(id));
        let what = || json!({ "dev_addr": dev_addr.to_string(), "dev_nonce": form.dev_nonce });
        let ids = &uplink.correlation_ids;
        self.publish(now, event::UP_JOIN_CLUSTER_ATTEMPT, handle, ids, what, out);
        out.now.push(Effect::Join { join: id, request: Box::new(request) });
        Ok(Content::Join(id, handle))
    }

    /// The Join Server answered: the accept goes out when the copies are collected.
    pub(super) fn on_join_answered(
        &mut self,
        now: Now,
        id: JoinId,
        result: Result<Box<JoinAnswer>, PeerError>,
        out: &mut Effects,
    ) {
        let Some(join) = self.joins.get_mut(&id) else { return self.count("late_join_answer") };
        let handle = join.handle;
        match result {
            Ok(answer) => {
                let (warnings, ids) = (answer.warnings.clone(), answer.correlation_ids.clone());
                let window = join.window;
                join.answer = Some(answer);
                let what = || json!({ "warnings": warnings });
                self.publish(now, event::UP_JOIN_CLUSTER_SUCCESS, handle, &ids, what, out);
                let collected = self
                    .windows
                    .get(&window)
                    .is_none_or(|window| matches!(window.state, WindowState::Closed(_)));
                if collected {
                    self.finish_join(now, id, out);
                }
            }
            Err(error) => self.refuse_join(now, id, &error.to_body(), out),
        }
    }

    fn refuse_join(&mut self, now: Now, id: JoinId, body: &ErrorBody, out: &mut Effects) {
        let Some(join) = self.joins.remove(&id) else { return };
        let Some(window) = self.windows.get(&join.window) else { return };
        let uplink = window.uplink.clone();
        let ids = &uplink.correlation_ids;
        let why = || {
            json!({ "namespace": body.namespace, "name": body.name, "message_format": body.message,
                "attributes": body.attributes })
        };
        self.publish(now, event::UP_JOIN_CLUSTER_FAIL, join.handle, ids, why, out);
        let drop = Drop::new("join_refused", body.to_string()).of(join.handle);
        self.drop_frame(now, &uplink, &drop, out);
    }

    pub(super) fn forget_join(&mut self, now: Now, id: JoinId, out: &mut Effects) {
        if self.joins.contains_key(&id) {
            let error = PeerError::Unavailable { relation: "NsJs" };
            self.refuse_join(now, id, &error.to_body(), out);
        }
    }

    /// Makes the pending session and the accept, if both the answer and all copies are there.
    pub(super) fn finish_join(&mut self, now: Now, id: JoinId, out: &mut Effects) {
        if self.joins.get(&id).is_none_or(|join| join.answer.is_none()) {
            return;
        }
        let Some(join) = self.joins.remove(&id) else { return };
        let Some(answer) = join.answer.as_deref() else { return };
        let Some(uplink) = self.windows.get(&join.window).map(|window| window.uplink.clone())
        else {
            return self.count("late_join_answer");
        };
        if let Err(drop) = self.accept(now, &join, answer, &uplink, out) {
            self.drop_frame(now, &uplink, &drop.of(join.handle), out);
        }
    }

    fn accept(
        &mut self,
        now: Now,
        join: &Join,
        answer: &JoinAnswer,
        uplink: &Arc<Uplink>,
        out: &mut Effects,
    ) -> Result<(), Drop> {
        let handle = join.handle;
        let keys = self
            .network_keys(&answer.keys)
            .map_err(|error| Drop::new("unknown_session_key", error.to_string()))?;
        let session = Session {
            dev_addr: join.dev_addr,
            keys,
            session_key_id: answer.keys.id.clone(),
            started_at: now.utc,
        };
        let accepted = JoinAccepted {
            session,
            parameters: join.parameters.clone(),
            phy: answer.phy.to_vec(),
            channel: join.channel,
            received_at: uplink.received_at,
        };
        self.devices.forget_addresses(handle);
        let plan = self.devices.get_mut(&handle).map(|entry| {
            engine(entry.band, &entry.plan, &entry.device, &self.defaults).on_join(
                &mut entry.mac,
                accepted,
                now.utc,
            )
        });
        self.devices.index_addresses(handle);
        let plan = match plan {
            Some(Ok(plan)) => plan,
            Some(Err(none)) => return Err(Drop::new(none.name(), format!("{none:?}"))),
            None => return Err(Drop::new("device_not_found", "the device was deleted meanwhile")),
        };
        let ids = uplink.correlation_ids.clone();
        self.publish(now, event::UP_JOIN_PROCESS, handle, &ids, || message(uplink), out);
        self.tell_join(now, join, answer, uplink, out);
        self.store_device(handle, out);
        let paths = path::rank(&uplink.rx_metadata, &uplink.settings.data_rate);
        if paths.is_empty() {
            return Err(Drop::new("no_downlink_path", "no gateway may answer"));
        }
        let id = TransmissionId(self.entropy.next_u64());
        let of = FlightOf::JoinAccept(handle);
        let mut correlation_ids = ids;
        correlation_ids.push(correlation_id("ns:downlink", now.utc, self.entropy.as_ref()));
        self.flights.insert(id, of);
        self.join_flights.insert(id, correlation_ids.clone());
        let transmission = Transmission { id, of, plan, paths, correlation_ids };
        self.when_durable(Waiting::Transmit(Box::new(transmission)), out);
        Ok(())
    }

    /// NS-29: the application gets its key and the queue of the old session.
    fn tell_join(
        &mut self,
        now: Now,
        join: &Join,
        answer: &JoinAnswer,
        uplink: &Uplink,
        out: &mut Effects,
    ) {
        let handle = join.handle;
        let Some(entry) = self.devices.get_mut(&handle) else { return };
        let invalidated_downlinks: Vec<_> = entry
            .queue
            .iter()
            .filter(|(seq, _)| *seq >= entry.handed_over_seq)
            .map(|(_, item)| item.clone())
            .collect();
        entry.handed_over_seq = entry.queue_seq_next;
        let up = Up::JoinAccept(JoinAcceptUp {
            session_key_id: answer.keys.id.clone(),
            app_s_key: answer.keys.app_s_key.clone(),
            invalidated_downlinks,
            pending_session: true,
            received_at: uplink.received_at,
        });
        let mut message = entry.up(now.utc, uplink.correlation_ids.clone(), up);
        message.ids.dev_addr = Some(join.dev_addr);
        self.tell_application(handle, message, out);
        let what = || json!({ "dev_addr": join.dev_addr.to_string() });
        let ids = &uplink.correlation_ids;
        self.publish(now, event::UP_JOIN_ACCEPT_FORWARD, handle, ids, what, out);
    }

    fn network_keys(&self, keys: &SessionKeys) -> Result<NetworkKeys, VaultError> {
        Ok(NetworkKeys {
            f_nwk_s_int_key: self.sealer.open(&keys.f_nwk_s_int_key)?,
            s_nwk_s_int_key: self.sealer.open(&keys.s_nwk_s_int_key)?,
            nwk_s_enc_key: self.sealer.open(&keys.nwk_s_enc_key)?,
        })
    }

    /// NS-23: a random address in the prefixes, each weighted by its size, other than the one in use.
    pub(super) fn new_dev_addr(&self, partition: PartitionId, in_use: Option<DevAddr>) -> DevAddr {
        let prefixes = self.config.prefixes();
        let mut drawn = self.draw_dev_addr(&prefixes, partition);
        for _ in 0..DEV_ADDR_TRIES {
            if Some(drawn) != in_use {
                break;
            }
            drawn = self.draw_dev_addr(&prefixes, partition);
        }
        drawn
    }

    fn draw_dev_addr(&self, prefixes: &[DevAddrPrefix], partition: PartitionId) -> DevAddr {
        let total = prefixes.iter().map(|prefix| prefix.size()).sum();
        let mut at = self.entropy.below(total);
        for prefix in prefixes {
            if at >= prefix.size() {
                at -= prefix.size();
                continue;
            }
            let free_bits = 32 - u32::from(prefix.length());
            let host = u32::try_from(at).unwrap_or(u32::MAX);
            let host = if free_bits >= PARTITION_BITS {
                (host & !u32::from(PARTITIONS - 1)) | u32::from(partition.get())
            } else {
                host
            };
            return DevAddr::from_u32(prefix.addr().to_u32() | host);
        }
        DevAddr::default()
    }
}

//! The way of uplinks and acknowledgements (GS-47 to GS-54, GS-57).

use std::sync::Arc;

use serde_json::json;
use ttn_core::{
    event::{EventData, describe},
    id::GatewayIds,
    msg::{
        CorrelationIds, RxMetadata, TxAck, TxResult, TxSettings, Uplink, UplinkBatch,
        correlation_id,
    },
    store::Refusal,
    time::{ConcentratorTime, Now, Timestamp},
};
use ttn_mac::frame;

use super::GatewayServer;
use crate::{
    conn::{Connection, Repeat, State, UplinkToken},
    count::Reason,
    event,
    frontend::{GatewayStatus, GatewayTxAck, GatewayUp, Part, RawUplink, Reception},
};

/// What goes upstream together. Front ends fill it with [`GatewayServer::receive`] and empty it with
/// [`GatewayServer::forward`] after every batch of datagrams.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Intake {
    uplinks: UplinkBatch,
    acks: Vec<TxAck>,
}

/// Why an uplink was not forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UpDrop {
    /// It is a frame of a network, not of a device.
    Downlink,
    /// The same frame was received better within one message (GS-27).
    Duplicate,
    /// Its CRC is wrong (GS-48).
    MessageCrc,
    /// No Network Server is there.
    NetworkServerAbsent,
    /// The Network Server takes no more.
    NetworkServerFull,
    /// Another server has taken over.
    NetworkServerFenced,
    /// No upstream takes its address (GS-54).
    NoUpstream,
    /// It is no PHYPayload (GS-48).
    PhyPayload,
    /// It is a proprietary frame.
    Proprietary,
    /// It is the same reception as the one before (GS-47).
    Repeated,
}

impl Reason for UpDrop {
    const ALL: &'static [Self] = &[
        Self::Downlink,
        Self::Duplicate,
        Self::MessageCrc,
        Self::NetworkServerAbsent,
        Self::NetworkServerFull,
        Self::NetworkServerFenced,
        Self::NoUpstream,
        Self::PhyPayload,
        Self::Proprietary,
        Self::Repeated,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Downlink => "downlink",
            Self::Duplicate => "duplicate",
            Self::MessageCrc => "message_crc",
            Self::NetworkServerAbsent => "network_server_not_found",
            Self::NetworkServerFull => "network_server_full",
            Self::NetworkServerFenced => "network_server_fenced",
            Self::NoUpstream => "no_upstream",
            Self::PhyPayload => "phy_payload",
            Self::Proprietary => "proprietary",
            Self::Repeated => "repeated",
        }
    }
}

impl GatewayServer {
    /// Takes what a gateway sent. What is to go upstream is added to `intake`.
    pub fn receive(
        &self,
        connection: &Arc<Connection>,
        received: Now,
        up: GatewayUp,
        intake: &mut Intake,
    ) {
        if let Some(status) = up.status {
            self.status(connection, received, status);
        }
        for uplink in self.best_of_equals(up.uplinks) {
            if let Some(mut uplink) = self.uplink(connection, received, &uplink) {
                uplink.receipt.clone_from(&up.receipt);
                intake.uplinks.uplinks.push(uplink);
            }
        }
        if let Some(receipt) = up.receipt {
            receipt.settle();
        }
    }

    /// Takes a gateway's report on a transmission.
    pub fn tx_ack(
        &self,
        connection: &Arc<Connection>,
        received: Now,
        mut ack: GatewayTxAck,
        intake: &mut Intake,
    ) {
        let id = connection.ids();
        {
            let mut state = connection.state();
            state.round_trips.record(received.monotonic, ack.round_trip);
            state.stats.tx_acknowledgment_count += 1;
            state.stats.last_tx_acknowledgment_received_at = Some(received.utc);
            state.changed = true;
        }
        ack.correlation_ids.push(correlation_id("gs:tx_ack", received.utc, &*self.entropy));
        let (utc, ids) = (received.utc, &ack.correlation_ids);
        let result = tx_result_name(ack.result);
        self.publisher.gateway(
            &event::TX_ACK_RECEIVE,
            utc,
            id,
            ids,
            || json!({ "result": result, "round_trip_ms": ack.round_trip.as_secs_f64() * 1e3 }),
        );
        let outcome = match ack.result {
            TxResult::Success => &event::DOWN_TX_SUCCESS,
            _ => &event::DOWN_TX_FAIL,
        };
        // The API declares the number of the result here, and nothing for a success.
        self.publisher.gateway(outcome, utc, id, ids, || match ack.result {
            TxResult::Success => serde_json::Value::Null,
            result => json!(result_number(result)),
        });
        intake.acks.push(TxAck {
            gateway_id: id.gateway_id.clone(),
            id: ack.id,
            result: ack.result,
            correlation_ids: ack.correlation_ids,
        });
    }

    /// Tells that a front end could not take a part of what a gateway sent (GS-78).
    pub fn untaken(
        &self,
        connection: &Connection,
        received: Timestamp,
        part: Part,
        reason: &'static str,
    ) {
        let definition = match part {
            Part::Status => &event::IO_STATUS_DROP,
            Part::TxAck => &event::IO_TX_ACK_DROP,
            Part::Uplink => &event::IO_UP_DROP,
        };
        let id = connection.ids();
        let data = || json!({ "reason": reason });
        self.publisher.gateway(definition, received, id, &vec![], data);
    }

    /// Sends upstream what was collected. What is refused there is counted and told.
    pub fn forward(&self, intake: &mut Intake) {
        if !intake.uplinks.uplinks.is_empty() {
            self.forward_uplinks(std::mem::take(&mut intake.uplinks));
        }
        if !intake.acks.is_empty() {
            self.forward_acks(std::mem::take(&mut intake.acks));
        }
    }

    fn forward_uplinks(&self, batch: UplinkBatch) {
        // Kept for the events, because the batch is gone when it was taken.
        let names: Vec<_> = batch
            .uplinks
            .iter()
            .filter_map(|up| {
                let first = up.rx_metadata.first()?;
                let gateway_id = first.gateway_id.clone();
                let ids = GatewayIds { gateway_id, eui: first.gateway_eui };
                Some((ids, up.correlation_ids.clone()))
            })
            .collect();
        let outcome = match self.peers.gs_ns() {
            Err(_) => Err(UpDrop::NetworkServerAbsent),
            Ok(server) => server.uplinks(batch).map_err(|refused| drop_of(refused.reason)),
        };
        let now = self.clock.utc();
        for (gateway, ids) in names {
            match outcome {
                Ok(()) => self.publisher.gateway(&event::UP_FORWARD, now, &gateway, &ids, || {
                    EventData::constant(|| json!({ "host": "cluster" }))
                }),
                Err(reason) => {
                    self.up_drops.count(reason);
                    self.publisher.gateway(
                        &event::UP_DROP,
                        now,
                        &gateway,
                        &ids,
                        || json!({ "host": "cluster", "reason": reason.name() }),
                    );
                }
            }
        }
    }

    fn forward_acks(&self, acks: Vec<TxAck>) {
        let names: Vec<_> = acks
            .iter()
            .map(|ack| (self.ids_of(&ack.gateway_id), ack.correlation_ids.clone()))
            .collect();
        let outcome = match self.peers.gs_ns() {
            Err(_) => Err(UpDrop::NetworkServerAbsent),
            Ok(server) => server.tx_acks(acks).map_err(|refused| drop_of(refused.reason)),
        };
        let now = self.clock.utc();
        for (gateway, ids) in names {
            let (definition, reason) = match outcome {
                Ok(()) => (&event::TX_ACK_FORWARD, None),
                Err(reason) => (&event::TX_ACK_DROP, Some(reason.name())),
            };
            self.publisher.gateway(
                definition,
                now,
                &gateway,
                &ids,
                || json!({ "host": "cluster", "reason": reason }),
            );
        }
    }

    fn status(&self, connection: &Arc<Connection>, received: Now, status: GatewayStatus) {
        let id = connection.ids();
        let status = Arc::new(status);
        self.publisher.gateway(&event::STATUS_RECEIVE, received.utc, id, &vec![], || {
            let status = status.clone();
            EventData::message(move || status.to_json())
        });
        self.upkeep.take_status(connection, received.monotonic, &status, &*self.entropy);
        let mut state = connection.state();
        state.stats.last_status = Some(status);
        state.stats.last_status_received_at = Some(received.utc);
        state.changed = true;
    }

    /// GS-27
    fn best_of_equals(&self, uplinks: Vec<RawUplink>) -> Vec<RawUplink> {
        let mut best: Vec<RawUplink> = Vec::with_capacity(uplinks.len());
        for uplink in uplinks {
            match best.iter_mut().find(|known| known.raw_payload == uplink.raw_payload) {
                None => best.push(uplink),
                Some(known) => {
                    self.up_drops.count(UpDrop::Duplicate);
                    if strength(&uplink) > strength(known) {
                        *known = uplink;
                    }
                }
            }
        }
        best
    }

    fn uplink(
        &self,
        connection: &Arc<Connection>,
        received: Now,
        raw: &RawUplink,
    ) -> Option<Uplink> {
        let ids: CorrelationIds = vec![correlation_id("gs:uplink", received.utc, &*self.entropy)];
        let id = connection.ids();
        if raw.crc_status == Some(false) {
            self.drop_up(connection, received.utc, &ids, UpDrop::MessageCrc);
            return None;
        }
        let mut state = connection.state();
        if let Repeat::Repeated { report } = state.repeats.check(received.monotonic, raw) {
            drop(state);
            self.up_drops.count(UpDrop::Repeated);
            if report {
                self.publisher.gateway(
                    &event::UP_REPEAT,
                    received.utc,
                    id,
                    &ids,
                    || json!({ "timestamp": raw.timestamp }),
                );
            }
            return None;
        }
        let time = state.radio.sync(raw.timestamp, received.monotonic);
        state.stats.uplink_count += 1;
        state.stats.last_uplink_received_at = Some(received.utc);
        state.changed = true;
        let phy = frame::parse(raw.raw_payload.as_slice());
        let known = phy.map_err(|_| UpDrop::PhyPayload).and_then(|phy| {
            self.forwarding.check(&phy.form)?;
            Ok(phy)
        });
        let phy = match known {
            Ok(phy) => phy,
            Err(reason) => {
                drop(state);
                self.drop_up(connection, received.utc, &ids, reason);
                return None;
            }
        };
        let uplink = Uplink {
            phy,
            settings: settings(raw, time),
            rx_metadata: metadata(connection, &state, received, raw),
            received_at: received.utc,
            received: received.monotonic,
            round_trip_p95: state.round_trips.percentile(received.monotonic, 95),
            correlation_ids: ids,
            receipt: None,
        };
        drop(state);
        self.publisher.gateway(
            &event::UP_RECEIVE,
            received.utc,
            id,
            &uplink.correlation_ids,
            || {
                let uplink = uplink.clone();
                EventData::message(move || json!({ "message": describe::uplink_message(&uplink) }))
            },
        );
        Some(uplink)
    }

    fn drop_up(
        &self,
        connection: &Connection,
        now: Timestamp,
        ids: &CorrelationIds,
        reason: UpDrop,
    ) {
        self.up_drops.count(reason);
        self.publisher.gateway(
            &event::UP_DROP,
            now,
            connection.ids(),
            ids,
            || json!({ "reason": reason.name() }),
        );
    }
}

const fn drop_of(reason: Refusal) -> UpDrop {
    match reason {
        Refusal::Fenced => UpDrop::NetworkServerFenced,
        Refusal::Full => UpDrop::NetworkServerFull,
        _ => UpDrop::NetworkServerAbsent,
    }
}

fn strength(uplink: &RawUplink) -> f32 {
    uplink.antennas.iter().map(|antenna| antenna.rssi).fold(f32::NEG_INFINITY, f32::max)
}

const fn settings(raw: &RawUplink, time: ConcentratorTime) -> TxSettings {
    TxSettings {
        data_rate: raw.data_rate,
        frequency: raw.frequency,
        timestamp: raw.timestamp,
        time: raw.time,
        concentrator_time: Some(time),
    }
}

fn metadata(
    connection: &Connection,
    state: &State,
    received: Now,
    raw: &RawUplink,
) -> Vec<RxMetadata> {
    // GS-50
    let median = state.round_trips.stats(received.monotonic).map(|stats| stats.median);
    let received_at = received.utc.minus(median.unwrap_or_default() / 2);
    raw.antennas
        .iter()
        .map(|antenna| of_antenna(connection, received.utc, received_at, raw, antenna))
        .collect()
}

fn of_antenna(
    connection: &Connection,
    server_time: Timestamp,
    received_at: Timestamp,
    raw: &RawUplink,
    antenna: &Reception,
) -> RxMetadata {
    let info = connection.info();
    let index = usize::try_from(antenna.antenna_index).unwrap_or(usize::MAX);
    // GS-52
    let location = info.antennas.get(index).and_then(|(_, location)| *location);
    let token =
        UplinkToken { antenna_index: antenna.antenna_index, timestamp: raw.timestamp, server_time };
    RxMetadata {
        gateway_id: info.ids.gateway_id.clone(),
        gateway_eui: info.ids.eui,
        antenna_index: antenna.antenna_index,
        time: raw.time,
        gps_time: raw.gps_time,
        timestamp: raw.timestamp,
        fine_timestamp: antenna.fine_timestamp,
        received_at,
        channel_rssi: antenna.channel_rssi,
        rssi: antenna.rssi,
        signal_rssi: antenna.signal_rssi,
        snr: antenna.snr,
        frequency_offset: antenna.frequency_offset,
        channel_index: antenna.channel_index,
        location: location.filter(|_| info.location_public),
        path_constraint: info.path_constraint,
        uplink_token: token.encode(&info.ids.gateway_id),
    }
}

/// The number in the API.
const fn result_number(result: TxResult) -> u8 {
    match result {
        TxResult::Success => 0,
        TxResult::UnknownError => 1,
        TxResult::TooLate => 2,
        TxResult::TooEarly => 3,
        TxResult::CollisionPacket => 4,
        TxResult::CollisionBeacon => 5,
        TxResult::TxFreq => 6,
        TxResult::TxPower => 7,
        TxResult::GpsUnlocked => 8,
    }
}

const fn tx_result_name(result: TxResult) -> &'static str {
    match result {
        TxResult::Success => "SUCCESS",
        TxResult::UnknownError => "UNKNOWN_ERROR",
        TxResult::TooLate => "TOO_LATE",
        TxResult::TooEarly => "TOO_EARLY",
        TxResult::CollisionPacket => "COLLISION_PACKET",
        TxResult::CollisionBeacon => "COLLISION_BEACON",
        TxResult::TxFreq => "TX_FREQ",
        TxResult::TxPower => "TX_POWER",
        TxResult::GpsUnlocked => "GPS_UNLOCKED",
    }
}

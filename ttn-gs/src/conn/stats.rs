//! What is told about a gateway's connection (GS-75).

use std::{net::SocketAddr, sync::Arc};

use ttn_core::{radio::Frequency, time::Timestamp};

use super::rtt::RoundTripStats;
use crate::{
    frontend::GatewayStatus,
    sched::{HOUR, Usage},
};

/// Statistics of a connection.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct ConnectionStats {
    /// When it began.
    pub connected_at: Option<Timestamp>,
    /// When it ended; `None` while it lasts.
    pub disconnected_at: Option<Timestamp>,
    /// The protocol.
    pub protocol: &'static str,
    /// Where the gateway connects from.
    pub remote: Option<SocketAddr>,
    /// When the last status came.
    pub last_status_received_at: Option<Timestamp>,
    /// The last status.
    pub last_status: Option<Arc<GatewayStatus>>,
    /// When the last uplink came.
    pub last_uplink_received_at: Option<Timestamp>,
    /// How many came.
    pub uplink_count: u64,
    /// When the last downlink was sent to the gateway.
    pub last_downlink_received_at: Option<Timestamp>,
    /// How many were.
    pub downlink_count: u64,
    /// When the last report on a transmission came.
    pub last_tx_acknowledgment_received_at: Option<Timestamp>,
    /// How many came.
    pub tx_acknowledgment_count: u64,
    /// Round-trip times.
    pub round_trips: Option<RoundTripStats>,
    /// Use of the duty cycle per sub-band.
    pub sub_bands: Vec<SubBandStats>,
}

/// Use of a sub-band.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "complete by definition")]
pub struct SubBandStats {
    /// The lowest frequency.
    pub min_frequency: Frequency,
    /// The highest frequency.
    pub max_frequency: Frequency,
    /// What is allowed, 0 to 1.
    pub limit: f32,
    /// What was used within the last hour, 0 to 1.
    pub used: f32,
}

impl ConnectionStats {
    pub(crate) fn without_uplinks(&mut self) {
        (self.uplink_count, self.last_uplink_received_at) = (0, None);
        (self.last_status, self.last_status_received_at) = (None, None);
    }

    pub(crate) fn without_downlinks(&mut self) {
        (self.downlink_count, self.last_downlink_received_at) = (0, None);
        (self.tx_acknowledgment_count, self.last_tx_acknowledgment_received_at) = (0, None);
        self.round_trips = None;
    }
}

impl SubBandStats {
    pub(crate) fn of(usage: &Usage) -> Self {
        Self {
            min_frequency: usage.rule.min_frequency,
            max_frequency: usage.rule.max_frequency,
            limit: usage.rule.duty_cycle_ppm as f32 / 1e6,
            used: (usage.used.as_secs_f64() / HOUR.as_secs_f64()) as f32,
        }
    }
}

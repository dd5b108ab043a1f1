//! What gateways receive.

use std::sync::Arc;

use crate::{
    eui::GatewayEui,
    frame::PhyPayload,
    id::GatewayId,
    msg::{CorrelationIds, Receipt},
    radio::{DataRate, Frequency},
    time::{ConcentratorTime, Monotonic, Now, Timestamp},
};

/// A place on earth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Location {
    /// Degrees north.
    pub latitude: f64,
    /// Degrees east.
    pub longitude: f64,
    /// Metres above the sea.
    pub altitude: i32,
    /// Metres; 0 if unknown.
    pub accuracy: i32,
    /// Where the location comes from.
    pub source: LocationSource,
}

/// Where a location comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocationSource {
    /// A satellite receiver.
    Gps,
    /// The registry.
    Registry,
    /// Unknown.
    Unknown,
}

/// Whether a gateway may send downlinks (GS-53).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum PathConstraint {
    /// Never.
    Never,
    /// Without restriction.
    #[default]
    None,
    /// If no other gateway can.
    PreferOther,
}

/// How one antenna of one gateway received a frame.
#[derive(Clone, Debug, PartialEq)]
pub struct RxMetadata {
    /// The gateway.
    pub gateway_id: GatewayId,
    /// Its EUI.
    pub gateway_eui: Option<GatewayEui>,
    /// The antenna.
    pub antenna_index: u32,
    /// When the gateway received it by its own clock.
    pub time: Option<Timestamp>,
    /// When the gateway received it by GPS, as UTC.
    pub gps_time: Option<Timestamp>,
    /// The concentrator's counter in microseconds.
    pub timestamp: u32,
    /// Nanoseconds within the second, of gateways that measure them.
    pub fine_timestamp: Option<u64>,
    /// When the gateway received it, reckoned by the Gateway Server (GS-50).
    pub received_at: Timestamp,
    /// Strength of the signal and noise in dBm, of the channel.
    pub channel_rssi: f32,
    /// The strength that counts, in dBm.
    pub rssi: f32,
    /// Strength of the signal alone in dBm.
    pub signal_rssi: Option<f32>,
    /// Signal to noise ratio in dB.
    pub snr: f32,
    /// Offset of the frequency in hertz.
    pub frequency_offset: i64,
    /// The gateway's own number of the channel.
    pub channel_index: u32,
    /// Where the antenna is, if that is public.
    pub location: Option<Location>,
    /// Whether downlinks may go back this way.
    pub path_constraint: PathConstraint,
    /// What the Gateway Server needs to answer; opaque to everybody else.
    pub uplink_token: Arc<[u8]>,
}

impl RxMetadata {
    /// What every gateway knows: who received it, when, how well, and what is needed to answer on the same way.
    #[must_use]
    pub fn new(
        gateway_id: GatewayId,
        received_at: Timestamp,
        rssi: f32,
        snr: f32,
        uplink_token: impl Into<Arc<[u8]>>,
    ) -> Self {
        Self {
            gateway_id,
            gateway_eui: None,
            antenna_index: 0,
            time: None,
            gps_time: None,
            timestamp: 0,
            fine_timestamp: None,
            received_at,
            channel_rssi: rssi,
            rssi,
            signal_rssi: None,
            snr,
            frequency_offset: 0,
            channel_index: 0,
            location: None,
            path_constraint: PathConstraint::None,
            uplink_token: uplink_token.into(),
        }
    }
}

/// How a frame was sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TxSettings {
    /// The modulation.
    pub data_rate: DataRate,
    /// The frequency.
    pub frequency: Frequency,
    /// The concentrator's counter in microseconds.
    pub timestamp: u32,
    /// The time by the gateway's clock.
    pub time: Option<Timestamp>,
    /// The concentrator's time with its roll-overs unfolded.
    pub concentrator_time: Option<ConcentratorTime>,
}

impl TxSettings {
    /// Without any time of the gateway.
    #[must_use]
    pub const fn new(data_rate: DataRate, frequency: Frequency) -> Self {
        Self { data_rate, frequency, timestamp: 0, time: None, concentrator_time: None }
    }
}

/// A frame from one gateway, parsed, on its way to the Network Server.
#[derive(Clone, Debug)]
pub struct Uplink {
    /// The frame.
    pub phy: PhyPayload,
    /// How it was sent.
    pub settings: TxSettings,
    /// One entry per antenna.
    pub rx_metadata: Vec<RxMetadata>,
    /// When the server received it.
    pub received_at: Timestamp,
    /// The same by the clock of the process: windows are reckoned from here.
    pub received: Monotonic,
    /// The 95th percentile of the gateway's round-trip time, if enough are known (DESIGN 6).
    pub round_trip_p95: Option<core::time::Duration>,
    /// `gs:uplink:…` and what came before.
    pub correlation_ids: CorrelationIds,
    /// To be settled when the frame survives a crash, or is dropped with a reason; `None` if nobody waits for that.
    pub receipt: Option<Receipt>,
}

impl Uplink {
    /// A frame that was received now and that nobody waits for.
    #[must_use]
    pub const fn new(
        phy: PhyPayload,
        settings: TxSettings,
        rx_metadata: Vec<RxMetadata>,
        now: Now,
    ) -> Self {
        Self {
            phy,
            settings,
            rx_metadata,
            received_at: now.utc,
            received: now.monotonic,
            round_trip_p95: None,
            correlation_ids: Vec::new(),
            receipt: None,
        }
    }
}

/// Frames that go together to the Network Server.
#[derive(Clone, Debug, Default)]
pub struct UplinkBatch {
    /// The frames, in the order in which they came.
    pub uplinks: Vec<Uplink>,
}

//! Gateway protocols: how gateways and the server exchange messages.
//!
//! A front end turns what a gateway sends into [`GatewayUp`] and [`GatewayDown`] into what the gateway understands.
//! Each protocol has a pure codec, a session machine without I/O and a thin shell that does the I/O.

pub mod memory;
pub mod udp;

use std::{collections::BTreeMap, fmt, net::SocketAddr, sync::Arc, time::Duration};

use ttn_core::{
    auth::Credentials,
    eui::GatewayEui,
    id::{FrequencyPlanId, GatewayId},
    msg::{CorrelationIds, Location, Receipt, TransmissionId, TxResult},
    radio::{DataRate, Frequency},
    task::Tasks,
    time::{ConcentratorTime, Monotonic, Timestamp},
};

use crate::{error::Error, server::GatewayServer};

/// A gateway protocol, or one listener of it.
pub trait Frontend: fmt::Debug + Send + Sync + 'static {
    /// The name of the protocol as it stands in connection statistics (GS-12).
    fn protocol(&self) -> &'static str;

    /// Begins to serve gateways. The tasks live in `tasks`.
    fn start(self: Box<Self>, server: Arc<GatewayServer>, tasks: &mut Tasks);
}

/// A gateway that wants to connect.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "built by front ends")]
pub struct ConnectRequest {
    /// How it names itself.
    pub gateway: GatewayRef,
    /// The name of the protocol.
    pub protocol: &'static str,
    /// Whether it proved who it is (GS-04).
    pub authenticated: bool,
    /// The key that it showed. A connection ends when that no longer gives the right to link (GS-08).
    pub credentials: Credentials,
    /// Where it connects from.
    pub remote: Option<SocketAddr>,
    /// The plan for gateways that nobody registered (GS-02).
    pub fallback_frequency_plan: Option<FrequencyPlanId>,
    /// Takes its downlinks.
    pub sink: Arc<dyn DownlinkSink>,
}

/// How a gateway names itself.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum GatewayRef {
    /// By its EUI.
    Eui(GatewayEui),
    /// By its id.
    Id(GatewayId),
}

/// Takes the downlinks of a connected gateway to its front end. Sending never blocks.
pub trait DownlinkSink: fmt::Debug + Send + Sync + 'static {
    /// Hands over a downlink.
    ///
    /// # Errors
    ///
    /// The queue of the front end is full; nothing will be sent.
    fn send(&self, down: GatewayDown) -> Result<(), Error>;

    /// Takes the news that the server ended the connection, or another one took its place: the front end lets go of
    /// it. Never blocks.
    fn closed(&self) {}
}

/// What a gateway sent, in the words of every protocol.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "built by front ends")]
pub struct GatewayUp {
    /// Frames that it received.
    pub uplinks: Vec<RawUplink>,
    /// How it is.
    pub status: Option<GatewayStatus>,
    /// To be settled when the frames survive a crash; `None` if nobody waits for that.
    pub receipt: Option<Receipt>,
}

/// A part of what gateways send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum Part {
    /// How the gateway is.
    Status,
    /// A report on a transmission.
    TxAck,
    /// A frame that it received.
    Uplink,
}

/// A frame as a gateway received it, not yet looked into.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "built by front ends")]
pub struct RawUplink {
    /// The PHYPayload.
    pub raw_payload: Vec<u8>,
    /// The frequency.
    pub frequency: Frequency,
    /// The modulation.
    pub data_rate: DataRate,
    /// The concentrator's counter in microseconds.
    pub timestamp: u32,
    /// The concentrator's time, of protocols that tell the whole of it.
    pub concentrator_time: Option<ConcentratorTime>,
    /// Whether the CRC was right; `None` if the frame had none.
    pub crc_status: Option<bool>,
    /// When it was received by the gateway's clock.
    pub time: Option<Timestamp>,
    /// When it was received by GPS, as UTC.
    pub gps_time: Option<Timestamp>,
    /// The hopping width of LR-FHSS.
    pub hopping_width: Option<u32>,
    /// One entry per antenna.
    pub antennas: Vec<Reception>,
}

/// How one antenna received a frame.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "built by front ends")]
pub struct Reception {
    /// The antenna.
    pub antenna_index: u32,
    /// The gateway's own number of the channel.
    pub channel_index: u32,
    /// The strength that counts, in dBm.
    pub rssi: f32,
    /// Signal and noise in the channel, in dBm.
    pub channel_rssi: f32,
    /// The signal alone, in dBm.
    pub signal_rssi: Option<f32>,
    /// The standard deviation of the strength; `None` of gateways with one antenna.
    pub rssi_standard_deviation: Option<f32>,
    /// Signal to noise ratio in dB.
    pub snr: f32,
    /// Offset of the frequency in hertz.
    pub frequency_offset: i64,
    /// Drift of the frequency in hertz, of LR-FHSS.
    pub frequency_drift: Option<i64>,
    /// Nanoseconds within the second.
    pub fine_timestamp: Option<u64>,
    /// The same, encrypted.
    pub encrypted_fine_timestamp: Option<Vec<u8>>,
    /// The key of the encrypted one.
    pub encrypted_fine_timestamp_key_id: Option<String>,
}

/// How a gateway is (GS-25).
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "built by front ends")]
pub struct GatewayStatus {
    /// When it said so.
    pub time: Option<Timestamp>,
    /// When it started.
    pub boot_time: Option<Timestamp>,
    /// Where it is.
    pub antenna_location: Option<Location>,
    /// Versions of its parts.
    pub versions: BTreeMap<String, String>,
    /// Its counters.
    pub metrics: BTreeMap<String, f32>,
}

/// A transmission for a gateway to make.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "built by the server, read by front ends")]
pub struct GatewayDown {
    /// Its number; the acknowledgement carries it back.
    pub id: TransmissionId,
    /// What it belongs to.
    pub correlation_ids: CorrelationIds,
    /// The PHYPayload.
    pub phy: Arc<[u8]>,
    /// The frequency.
    pub frequency: Frequency,
    /// The modulation.
    pub data_rate: DataRate,
    /// The power of the transmitter: EIRP less the antenna's gain, in dBm.
    pub tx_power: f32,
    /// When to send it.
    pub start: TxStart,
    /// The same by the clock of the process, as far as it is known; for front ends that send late (GS-22).
    pub starts_at: Option<Monotonic>,
    /// The antenna.
    pub antenna_index: u32,
}

/// When to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum TxStart {
    /// At a time of GPS, given as UTC.
    Absolute(Timestamp),
    /// At a time of the concentrator.
    Concentrator(ConcentratorTime),
    /// At once.
    Immediate,
}

/// A gateway's report on a transmission, matched with what was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "built by front ends")]
pub struct GatewayTxAck {
    /// Which transmission.
    pub id: TransmissionId,
    /// What it belongs to.
    pub correlation_ids: CorrelationIds,
    /// How it ended.
    pub result: TxResult,
    /// From sending the request to the report.
    pub round_trip: Duration,
}

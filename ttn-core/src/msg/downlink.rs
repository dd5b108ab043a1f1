//! What gateways send.

use std::{sync::Arc, time::Duration};

use crate::{
    id::{FrequencyPlanId, GatewayId},
    msg::CorrelationIds,
    radio::{DataRate, DeviceClass, Frequency},
    time::Timestamp,
};

/// The number of a transmission; the Network Server draws it, acknowledgements carry it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TransmissionId(pub u64);

/// Who is served first when air time is short (GS-70).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum TxPriority {
    /// At most 40 % of the duty cycle.
    Lowest,
    /// 50 %.
    Low,
    /// 60 %.
    BelowNormal,
    /// 70 %.
    #[default]
    Normal,
    /// 80 %.
    AboveNormal,
    /// 90 %.
    High,
    /// All of it.
    Highest,
}

/// A way to a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DownlinkPath {
    /// An antenna that was named beforehand.
    Fixed {
        /// The gateway.
        gateway_id: GatewayId,
        /// Its antenna.
        antenna_index: u32,
    },
    /// The antenna that received the uplink.
    Uplink {
        /// The gateway.
        gateway_id: GatewayId,
        /// The token of its [`crate::msg::RxMetadata`].
        token: Arc<[u8]>,
    },
}

/// A receive window of the device.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TxWindow {
    /// Where.
    pub frequency: Frequency,
    /// How.
    pub data_rate: DataRate,
}

/// A request to send a frame in the first window on the first path that can take it.
#[derive(Clone, Debug, PartialEq)]
pub struct TxRequest {
    /// The number of this transmission.
    pub id: TransmissionId,
    /// The PHYPayload.
    pub phy: Arc<[u8]>,
    /// The class of the window.
    pub class: DeviceClass,
    /// The ways to the device, the best first.
    pub paths: Vec<DownlinkPath>,
    /// From the end of the uplink to RX1; RX2 follows a second later.
    pub rx1_delay: Duration,
    /// The first window.
    pub rx1: Option<TxWindow>,
    /// The second window.
    pub rx2: Option<TxWindow>,
    /// Who is served first.
    pub priority: TxPriority,
    /// The exact time of a class B or C transmission.
    pub absolute_time: Option<Timestamp>,
    /// The plan of the device.
    pub frequency_plan_id: FrequencyPlanId,
    /// What it belongs to.
    pub correlation_ids: CorrelationIds,
}

/// A transmission that a gateway will make.
#[derive(Clone, Debug, PartialEq)]
pub struct Scheduled {
    /// The gateway.
    pub gateway_id: GatewayId,
    /// Which of the paths was taken.
    pub path: usize,
    /// Whether the second window was taken.
    pub rx2: bool,
    /// From now to the start of the transmission.
    pub delay: Duration,
    /// Whether the gateway has reported on transmissions before, so that a report can be waited for.
    pub reports: bool,
    /// Why earlier windows and paths were not taken, in order; for the event.
    pub refused: Vec<crate::error::ErrorBody>,
}

impl Scheduled {
    /// On the first path, in the first window, by a gateway that does not report.
    #[must_use]
    pub const fn new(gateway_id: GatewayId, delay: Duration) -> Self {
        Self { gateway_id, path: 0, rx2: false, delay, reports: false, refused: Vec::new() }
    }
}

/// How a transmission ended at the gateway (GS-23).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TxResult {
    /// It was sent.
    Success,
    /// The gateway does not know why.
    UnknownError,
    /// It came too late.
    TooLate,
    /// It came too early.
    TooEarly,
    /// Another packet was already scheduled.
    CollisionPacket,
    /// A beacon was already scheduled.
    CollisionBeacon,
    /// The frequency is not supported.
    TxFreq,
    /// The power is not supported.
    TxPower,
    /// There is no GPS time.
    GpsUnlocked,
}

/// The report of a gateway on a transmission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TxAck {
    /// The gateway.
    pub gateway_id: GatewayId,
    /// Which transmission.
    pub id: TransmissionId,
    /// How it ended.
    pub result: TxResult,
    /// What it belongs to.
    pub correlation_ids: CorrelationIds,
}

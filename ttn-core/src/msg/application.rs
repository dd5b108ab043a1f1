//! What applications get and send.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use crate::{
    addr::{DevAddr, NetId},
    error::ErrorBody,
    id::{DeviceIds, GatewayId},
    key::{KeyEnvelope, SessionKeyId},
    msg::{CorrelationIds, Location, RxMetadata, TxPriority, TxSettings},
    radio::DataRateIndex,
    store::{LaneId, Owned},
    time::Timestamp,
};

/// Messages that go together to the Application Server, in one lane of the store.
#[derive(Clone, Debug)]
pub struct ApplicationBatch {
    /// The sender's lane: the log goes into the same one, before the session record (DESIGN 4).
    pub lane: LaneId,
    /// The messages in order, each with the partition and epoch of its device.
    pub messages: Vec<(Owned, ApplicationUp)>,
}

/// A message about a device. Up to the Application Server payloads are encrypted, behind it clear.
#[derive(Clone, Debug)]
pub struct ApplicationUp {
    /// The device.
    pub ids: DeviceIds,
    /// What it belongs to.
    pub correlation_ids: CorrelationIds,
    /// When the server received or made it.
    pub received_at: Timestamp,
    /// What it is.
    pub up: Up,
    /// Whether it comes from a simulation.
    pub simulated: bool,
    /// Whether it may have been handed out before a crash (DESIGN promise 3).
    pub repeated: bool,
}

/// The kinds of messages (AS-10); others come with their features.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Up {
    /// A confirmed downlink was acknowledged.
    DownlinkAck(Downlink),
    /// A downlink will not be sent.
    DownlinkFailed(Downlink, DownlinkError),
    /// A confirmed downlink was not acknowledged.
    DownlinkNack(Downlink),
    /// A downlink was queued.
    DownlinkQueued(Downlink),
    /// Queued downlinks must be encrypted anew.
    DownlinkQueueInvalidated(QueueInvalidated),
    /// A downlink was sent.
    DownlinkSent(Downlink),
    /// The device joined.
    JoinAccept(JoinAcceptUp),
    /// A place of the device became known.
    LocationSolved(LocationSolved),
    /// A service has something to tell.
    ServiceData(ServiceData),
    /// The device sent data.
    Uplink(Box<UplinkUp>),
    /// One measurement of an uplink; the uplink itself was the message before.
    UplinkNormalized(Box<UplinkUp>),
}

/// Data from a device.
#[derive(Clone, Debug)]
pub struct UplinkUp {
    /// The session's keys.
    pub session_key_id: SessionKeyId,
    /// The port; `None` if the frame has none.
    pub f_port: Option<u8>,
    /// The whole counter.
    pub f_cnt: u32,
    /// The payload.
    pub frm_payload: Arc<[u8]>,
    /// Who received it.
    pub rx_metadata: Vec<RxMetadata>,
    /// How it was sent.
    pub settings: TxSettings,
    /// The index of its data rate.
    pub data_rate_index: DataRateIndex,
    /// Whether the device asked for an acknowledgement.
    pub confirmed: bool,
    /// How long it was on air.
    pub consumed_airtime: Duration,
    /// Lost of the expected uplinks, 0 to 1 (NS-20).
    pub packet_error_rate: Option<f32>,
    /// The network that received it.
    pub net_id: NetId,
}

/// A new session.
#[derive(Clone, Debug)]
pub struct JoinAcceptUp {
    /// The new session's keys.
    pub session_key_id: SessionKeyId,
    /// AppSKey, if the Join Server gave it to the Network Server.
    pub app_s_key: Option<KeyEnvelope>,
    /// The queue of the old session, to be encrypted anew (NS-29).
    pub invalidated_downlinks: Vec<Downlink>,
    /// Whether the device has not shown yet that it uses the session.
    pub pending_session: bool,
    /// When the join-request was received.
    pub received_at: Timestamp,
}

/// A place of a device.
#[derive(Clone, Debug, PartialEq)]
pub struct LocationSolved {
    /// Who found it, such as `frm-payload`.
    pub service: String,
    /// The place.
    pub location: Location,
    /// What the service adds.
    pub attributes: BTreeMap<String, String>,
}

/// What a service tells about a device.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceData {
    /// Who tells it.
    pub service: String,
    /// What it tells.
    pub data: serde_json::Map<String, serde_json::Value>,
}

/// A downlink of an application.
#[derive(Clone, Debug, PartialEq)]
pub struct Downlink {
    /// The session it is encrypted for.
    pub session_key_id: SessionKeyId,
    /// The port, 1 to 255.
    pub f_port: u8,
    /// Its counter.
    pub f_cnt: u32,
    /// The payload.
    pub frm_payload: Arc<[u8]>,
    /// Whether the device is to acknowledge it.
    pub confirmed: bool,
    /// Who is served first.
    pub priority: TxPriority,
    /// Where and when to send to class B and C.
    pub class_b_c: Option<ClassBC>,
    /// What it belongs to.
    pub correlation_ids: CorrelationIds,
    /// How often it is sent again if the device does not acknowledge it; `None`: as often as the server likes.
    pub confirmed_retry: Option<ConfirmedRetry>,
}

impl Downlink {
    /// An unconfirmed downlink of normal priority for class A; its payload is encrypted already.
    #[must_use]
    pub fn new(
        session_key_id: SessionKeyId,
        f_port: u8,
        f_cnt: u32,
        frm_payload: impl Into<Arc<[u8]>>,
    ) -> Self {
        Self {
            session_key_id,
            f_port,
            f_cnt,
            frm_payload: frm_payload.into(),
            confirmed: false,
            priority: TxPriority::Normal,
            class_b_c: None,
            correlation_ids: CorrelationIds::new(),
            confirmed_retry: None,
        }
    }
}

/// How often a confirmed downlink is sent again (AS-26).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct ConfirmedRetry {
    /// How often it was sent again; 0 the first time.
    pub attempt: u32,
    /// How often it is sent again at most; `None`: the server's default.
    pub max_attempts: Option<u32>,
}

/// Where and when to send to class B and C.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassBC {
    /// Gateways and antennas to use.
    pub gateways: Vec<ClassBCGateway>,
    /// The exact time.
    pub absolute_time: Option<Timestamp>,
}

/// An antenna to send with to class B and C (AS-29).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassBCGateway {
    /// The gateway.
    pub gateway_id: GatewayId,
    /// Its antenna.
    pub antenna_index: u32,
    /// The group: every group sends once, through one of its antennas (NS-81).
    pub group_index: u32,
}

/// Why a downlink will not be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct DownlinkError(pub ErrorBody);

/// Queued downlinks that must be encrypted anew (NS-90).
#[derive(Clone, Debug, PartialEq)]
pub struct QueueInvalidated {
    /// What is still to be sent.
    pub downlinks: Vec<Downlink>,
    /// The last counter that was used.
    pub last_f_cnt_down: u32,
    /// The session.
    pub session_key_id: SessionKeyId,
    /// The address of the session.
    pub dev_addr: Option<DevAddr>,
}

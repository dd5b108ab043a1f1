//! Fake peers, a virtual clock, and a gateway's side of the protocol.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use futures::future::BoxFuture;
use parking_lot::Mutex;
use serde_json::Value;
use ttn_core::{
    clock::Clock,
    error::ErrorBody,
    eui::{DevEui, GatewayEui, JoinEui},
    id::{ApplicationId, DeviceIds, DeviceKey, FrequencyPlanId, GatewayId, GatewayIds},
    msg::{
        DownlinkPath, PathConstraint, TransmissionId, TxAck, TxPriority, TxRequest, TxWindow,
        Uplink, UplinkBatch,
    },
    peer::{
        ApplicationInfo, DeviceInfo, DeviceUpdate, Directory, GatewayInfo, GatewayReport, GsNs,
        Local, PeerError,
    },
    radio::{DataRate, DeviceClass, Frequency},
    rand::Entropy,
    store::{Durable, LaneId, Position, Refused},
    time::{Monotonic, Timestamp},
};

pub(crate) const EUI: [u8; 8] = [0xAA, 0x55, 0x5A, 0, 0, 0, 1, 1];

/// Agrees with tokio's clock, paused or not.
#[derive(Debug)]
pub(crate) struct TestClock(tokio::time::Instant);

impl TestClock {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(tokio::time::Instant::now()))
    }
}

impl Clock for TestClock {
    fn utc(&self) -> Timestamp {
        let start = Timestamp::from_unix_secs(1_767_225_600);
        start.plus(std::time::Duration::from_nanos(self.monotonic().nanos()))
    }

    fn monotonic(&self) -> Monotonic {
        Monotonic::from_nanos(self.0.elapsed().as_nanos() as u64)
    }

    fn sleep_until(&self, deadline: Monotonic) -> BoxFuture<'static, ()> {
        let until = self.0 + std::time::Duration::from_nanos(deadline.nanos());
        Box::pin(tokio::time::sleep_until(until))
    }
}

#[derive(Debug, Default)]
pub(crate) struct Counting(AtomicU64);

impl Entropy for Counting {
    fn fill(&self, buffer: &mut [u8]) {
        let next = self.0.fetch_add(1, Ordering::Relaxed);
        buffer.iter_mut().zip(next.to_le_bytes()).for_each(|(to, from)| *to = from);
    }
}

/// A Network Server that remembers what it got.
#[derive(Debug)]
pub(crate) struct Recorder {
    pub(crate) uplinks: Mutex<Vec<Uplink>>,
    pub(crate) acks: Mutex<Vec<TxAck>>,
    pub(crate) changed: tokio::sync::Notify,
}

impl Recorder {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            uplinks: Mutex::default(),
            acks: Mutex::default(),
            changed: tokio::sync::Notify::new(),
        })
    }

    pub(crate) async fn uplink(&self, index: usize) -> Uplink {
        loop {
            if let Some(uplink) = self.uplinks.lock().get(index).cloned() {
                return uplink;
            }
            self.changed.notified().await;
        }
    }

    pub(crate) async fn ack(&self, index: usize) -> TxAck {
        loop {
            if let Some(ack) = self.acks.lock().get(index).cloned() {
                return ack;
            }
            self.changed.notified().await;
        }
    }
}

impl GsNs for Recorder {
    fn uplinks(&self, batch: UplinkBatch) -> Result<(), Refused<UplinkBatch>> {
        self.uplinks.lock().extend(batch.uplinks);
        self.changed.notify_one();
        Ok(())
    }

    fn tx_acks(&self, acks: Vec<TxAck>) -> Result<(), Refused<Vec<TxAck>>> {
        self.acks.lock().extend(acks);
        self.changed.notify_one();
        Ok(())
    }
}

/// A directory that knows one gateway, or none.
#[derive(Debug, Default)]
pub(crate) struct OneGateway {
    pub(crate) info: Mutex<Option<GatewayInfo>>,
    pub(crate) asked: AtomicU64,
    /// So many lookups fail before one is answered.
    pub(crate) failures: AtomicU64,
    pub(crate) reports: Mutex<Vec<(GatewayId, GatewayReport)>>,
}

impl OneGateway {
    fn find(&self) -> Result<Option<GatewayInfo>, PeerError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        if self.failures.load(Ordering::Relaxed) > 0 {
            self.failures.fetch_sub(1, Ordering::Relaxed);
            return Err(PeerError::Unavailable { relation: "Directory" });
        }
        Ok(self.info.lock().clone())
    }
}

#[async_trait::async_trait]
impl Directory for OneGateway {
    async fn gateway_by_eui(&self, eui: GatewayEui) -> Result<Option<GatewayInfo>, PeerError> {
        // A lookup takes a while.
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        Ok(self.find()?.filter(|info| info.ids.eui == Some(eui)))
    }

    async fn gateway(&self, id: &GatewayId) -> Result<Option<GatewayInfo>, PeerError> {
        Ok(self.find()?.filter(|info| info.ids.gateway_id == *id))
    }

    async fn application(&self, _id: &ApplicationId) -> Result<Option<ApplicationInfo>, PeerError> {
        Ok(None)
    }

    async fn device_ids_by_euis(
        &self,
        _join_eui: JoinEui,
        _dev_eui: DevEui,
    ) -> Result<Option<DeviceIds>, PeerError> {
        Ok(None)
    }

    async fn device(&self, _: &DeviceKey) -> Result<Option<DeviceInfo>, PeerError> {
        Ok(None)
    }

    async fn update_device(&self, _: &DeviceKey, _: DeviceUpdate) -> Result<(), PeerError> {
        Ok(())
    }

    async fn report_gateway(&self, id: &GatewayId, report: GatewayReport) -> Result<(), PeerError> {
        self.find()?;
        self.reports.lock().push((id.clone(), report));
        Ok(())
    }

    async fn report_last_seen(&self, _seen: Vec<(DeviceKey, Timestamp)>) -> Result<(), PeerError> {
        Ok(())
    }
}

pub(crate) fn registered() -> GatewayInfo {
    GatewayInfo {
        ids: GatewayIds {
            gateway_id: GatewayId::new("roof").unwrap(),
            eui: Some(GatewayEui::from_be_bytes(EUI)),
        },
        frequency_plan_ids: vec![FrequencyPlanId::new("EU_863_870_TTN").unwrap()],
        enforce_duty_cycle: true,
        require_authenticated_connection: false,
        schedule_downlink_late: false,
        schedule_anytime_delay: None,
        path_constraint: PathConstraint::None,
        antennas: vec![(3.0, None)],
        location_public: false,
        status_public: false,
        update_location_from_status: false,
        disable_packet_broker_forwarding: false,
        gateway_server_address: String::new(),
    }
}

/// The peers of a test; the caller keeps the parts alive.
pub(crate) fn peers(recorder: &Arc<Recorder>, directory: &Arc<OneGateway>) -> Arc<Local> {
    let peers = Arc::new(Local::default());
    peers.set_gs_ns(recorder).set_directory(directory);
    peers
}

pub(crate) fn packet(packet_type: u8, token: u16, json: &str) -> Vec<u8> {
    let mut octets = vec![2];
    octets.extend(token.to_be_bytes());
    octets.push(packet_type);
    octets.extend(EUI);
    octets.extend(json.as_bytes());
    octets
}

/// PUSH_DATA with an unconfirmed data frame of a counter.
pub(crate) fn push(tmst: u32, f_cnt: u8) -> Vec<u8> {
    let phy = [0x40, 3, 2, 1, 0x26, 0, f_cnt, 0, 1, 2, 3, 4];
    let data = data_encoding::BASE64.encode(&phy);
    packet(
        0,
        1,
        &format!(
            r#"{{"rxpk":[{{"tmst":{tmst},"chan":2,"rfch":1,"freq":868.1,"stat":1,"modu":"LORA",
            "datr":"SF7BW125","codr":"4/5","rssi":-70,"lsnr":8.5,"size":12,"data":"{data}"}}]}}"#
        ),
    )
}

pub(crate) fn pull_data() -> Vec<u8> {
    packet(2, 2, "")
}

/// The token and the `txpk` of PULL_RESP.
pub(crate) fn pull_resp(octets: &[u8]) -> (u16, Value) {
    assert_eq!((octets[0], octets[3]), (2, 3), "PULL_RESP of version 2");
    let json: Value = serde_json::from_slice(&octets[4..]).unwrap();
    (u16::from_be_bytes([octets[1], octets[2]]), json["txpk"].clone())
}

/// An answer to an uplink: RX1 at its own frequency, RX2 at the plan's.
pub(crate) fn answer(uplink: &Uplink, id: u64) -> TxRequest {
    let metadata = &uplink.rx_metadata[0];
    let rx1 =
        TxWindow { frequency: uplink.settings.frequency, data_rate: uplink.settings.data_rate };
    let rx2 = TxWindow {
        frequency: Frequency::from_hz(869_525_000),
        data_rate: DataRate::lora(9, 125_000),
    };
    TxRequest {
        id: TransmissionId(id),
        phy: Arc::from([0x60, 3, 2, 1, 0x26, 0, 1, 0, 1, 2, 3, 4]),
        class: DeviceClass::A,
        paths: vec![DownlinkPath::Uplink {
            gateway_id: metadata.gateway_id.clone(),
            token: metadata.uplink_token.clone(),
        }],
        rx1_delay: std::time::Duration::from_secs(1),
        rx1: Some(rx1),
        rx2: Some(rx2),
        priority: TxPriority::Normal,
        absolute_time: None,
        frequency_plan_id: FrequencyPlanId::new("EU_863_870_TTN").unwrap(),
        correlation_ids: vec![Arc::from("ns:downlink:1")],
    }
}

pub(crate) fn proof() -> Durable {
    Durable::attested_by_store(Position { lane: LaneId(0), seq: 0 })
}

pub(crate) fn rejected(error: PeerError) -> ErrorBody {
    error.to_body()
}

//! The whole server over a network in memory, on paused time.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use ttn_core::{
    clock::Clock,
    event::{EventBus, Subscription},
    id::{FrequencyPlanId, GatewayId},
    msg::{TxPriority, TxResult},
    peer::{GatewayInfo, NsGs},
    radio::{DataRate, DeviceClass, Frequency},
    task::Tasks,
};
use ttn_gs::{
    Config, GatewayServer,
    conn::DOWNLINKS_MAX,
    frontend::{
        memory::{MemoryNetwork, network},
        udp::{Reject, RxpkReject, UdpCounters, UdpFrontend},
    },
    server::UpDrop,
};

use crate::support::{
    Counting, OneGateway, Recorder, TestClock, answer, packet, peers, proof, pull_data, pull_resp,
    push, registered, rejected,
};

pub(crate) struct Stack {
    pub(crate) server: Arc<GatewayServer>,
    pub(crate) recorder: Arc<Recorder>,
    network: MemoryNetwork,
    pub(crate) counters: Arc<UdpCounters>,
    clock: Arc<TestClock>,
    events: Subscription,
    pub(crate) directory: Arc<OneGateway>,
    _tasks: Tasks,
}

impl Stack {
    pub(crate) fn new(info: Option<GatewayInfo>, config: Config, fallback: Option<&str>) -> Self {
        let (recorder, directory) =
            (Recorder::new(), Arc::new(OneGateway { info: info.into(), ..OneGateway::default() }));
        let peers = peers(&recorder, &directory);
        let (transport, network) = network("[::1]:1700".parse().unwrap());
        let fallback = fallback.map(|id| FrequencyPlanId::new(id).unwrap());
        let udp = UdpFrontend::new(transport, config.udp.clone(), fallback);
        let (counters, clock, bus) = (udp.counters(), TestClock::new(), Arc::new(EventBus::new()));
        let events = bus.subscribe();
        let entropy = Arc::new(Counting::default());
        let server = GatewayServer::builder(config, clock.clone(), entropy, peers)
            .events(bus)
            .frontend(udp)
            .build()
            .unwrap();
        let mut tasks = Tasks::new();
        server.start(&mut tasks);
        Self { server, recorder, network, counters, clock, events, directory, _tasks: tasks }
    }

    pub(crate) fn registered() -> Self {
        Self::new(Some(registered()), Config::default(), None)
    }

    pub(crate) fn send(&self, octets: Vec<u8>) {
        assert!(self.network.send(from(), octets));
    }

    /// The next PULL_RESP; acknowledgements are passed over.
    async fn pull_resp(&mut self) -> (u16, serde_json::Value) {
        loop {
            let (to, octets) = self.network.receive().await.unwrap();
            assert_eq!(to, from());
            if octets[3] == 3 {
                return pull_resp(&octets);
            }
        }
    }

    /// Connects, sends an uplink stamped `tmst` and waits until it went upstream.
    pub(crate) async fn uplink(&self, tmst: u32, index: usize) -> ttn_core::msg::Uplink {
        self.send(pull_data());
        self.send(push(tmst, index as u8));
        self.recorder.uplink(index).await
    }

    fn ms(&self) -> u64 {
        self.clock.monotonic().nanos() / 1_000_000
    }

    fn event_names(&mut self) -> Vec<&'static str> {
        self.told().into_iter().map(|(name, _)| name).collect()
    }

    /// What was told since the last call, with its data.
    pub(crate) fn told(&mut self) -> Vec<(&'static str, serde_json::Value)> {
        let events = std::iter::from_fn(|| self.events.try_next());
        events.map(|event| (event.definition.name, event.data.to_json())).collect()
    }
}

fn from() -> SocketAddr {
    "[2001:db8::1]:50000".parse().unwrap()
}

async fn settle() {
    tokio::time::sleep(Duration::from_millis(100)).await;
}

// GS-14, GS-22, GS-23, GS-78
#[tokio::test(start_paused = true)]
async fn a_downlink_leaves_late_until_the_gateway_shows_that_it_has_a_queue() {
    let mut stack = Stack::registered();
    let mut uplink = stack.uplink(1_000_000, 0).await;
    let received = stack.ms() - 20;
    stack.server.schedule_downlink(&answer(&uplink, 1), proof()).await.unwrap();
    let (token, txpk) = stack.pull_resp().await;
    assert_eq!(txpk["tmst"], 2_000_000);
    assert_eq!(stack.ms() - received, 200, "800 ms before the window opens");
    stack.send(packet(5, token, ""));
    assert_eq!(stack.recorder.ack(0).await.result, TxResult::Success);

    tokio::time::sleep(Duration::from_secs(5)).await;
    let now = stack.ms();
    let tmst = 1_000_000 + (now - received) as u32 * 1000;
    uplink = stack.uplink(tmst, 1).await;
    stack.server.schedule_downlink(&answer(&uplink, 2), proof()).await.unwrap();
    let (token, txpk) = stack.pull_resp().await;
    assert_eq!((txpk["tmst"].as_u64(), stack.ms()), (Some(u64::from(tmst) + 1_000_000), now));
    stack.send(packet(5, token, r#"{"txpk_ack":{"error":"COLLISION_PACKET"}}"#));
    assert_eq!(stack.recorder.ack(1).await.result, TxResult::CollisionPacket);

    let names = stack.event_names();
    for name in [
        "gs.gateway.connect",
        "gs.up.receive",
        "gs.up.forward",
        "gs.down.schedule.attempt",
        "gs.down.send",
        "gs.txack.receive",
        "gs.down.tx.success",
        "gs.down.tx.fail",
        "gs.txack.forward",
    ] {
        assert!(names.contains(&name), "{name} in {names:?}");
    }
}

// GS-01, GS-02
#[tokio::test(start_paused = true)]
async fn a_gateway_that_nobody_registered_gets_an_id_of_its_eui() {
    let stack = Stack::new(None, Config::default(), Some("EU_863_870_TTN"));
    let uplink = stack.uplink(5, 0).await;
    assert_eq!(uplink.rx_metadata[0].gateway_id.as_str(), "eui-aa555a0000000101");
}

// GS-01
#[tokio::test(start_paused = true)]
async fn a_gateway_that_must_be_registered_is_refused_but_acknowledged() {
    let config = Config { require_registered_gateways: true, ..Config::default() };
    let mut stack = Stack::new(None, config, Some("EU_863_870_TTN"));
    stack.send(push(5, 0));
    assert_eq!(stack.network.receive().await.unwrap().1, [2, 0, 1, 1]);
    settle().await;
    assert_eq!((stack.server.connected(), stack.recorder.uplinks.lock().len()), (0, 0));
    assert_eq!(stack.counters.datagrams.get(Reject::ConnectFailed), 1);
}

// GS-03: only a protocol without authentication is given the right to link for nothing; GS-04
#[tokio::test(start_paused = true)]
async fn a_gateway_that_must_authenticate_cannot_connect_by_udp() {
    let info = GatewayInfo { require_authenticated_connection: true, ..registered() };
    let stack = Stack::new(Some(info), Config::default(), None);
    stack.send(pull_data());
    settle().await;
    assert_eq!(stack.server.connected(), 0);
}

// GS-19, GS-75
#[tokio::test(start_paused = true)]
async fn a_silent_gateway_is_disconnected_and_its_statistics_stay() {
    let mut stack = Stack::registered();
    stack.uplink(5, 0).await;
    let id = GatewayId::new("roof").unwrap();
    assert_eq!(stack.server.stats(&id).unwrap().uplink_count, 1);
    tokio::time::sleep(Duration::from_secs(240)).await;
    assert_eq!(stack.server.connected(), 0);
    let stats = stack.server.stats(&id).unwrap();
    assert!(stats.disconnected_at > stats.connected_at);
    assert!(stack.event_names().contains(&"gs.gateway.disconnect"));
}

// GS-21
#[tokio::test(start_paused = true)]
async fn without_pull_data_a_downlink_is_refused_by_name() {
    let stack = Stack::registered();
    stack.send(push(5, 0));
    let uplink = stack.recorder.uplink(0).await;
    let refused = stack.server.schedule_downlink(&answer(&uplink, 1), proof()).await.unwrap_err();
    let body = rejected(refused);
    assert_eq!(body.name, "schedule");
    assert_eq!(body.cause.unwrap().name, "downlink_path_expired");
}

// GS-61, GS-67, DESIGN 3
#[tokio::test(start_paused = true)]
async fn rx2_is_taken_when_rx1_is_occupied_and_the_reason_is_told() {
    let stack = Stack::registered();
    let uplink = stack.uplink(1_000_000, 0).await;
    stack.server.schedule_downlink(&answer(&uplink, 1), proof()).await.unwrap();
    let second = stack.server.schedule_downlink(&answer(&uplink, 2), proof()).await.unwrap();
    assert!(second.rx2);
    assert_eq!(second.refused.len(), 1);
    assert_eq!(
        (&*second.refused[0].name, &second.refused[0].attributes["window"]),
        ("conflict", &1.into())
    );
    assert!(second.refused[0].attributes.contains_key("retry_after"));

    let third =
        rejected(stack.server.schedule_downlink(&answer(&uplink, 3), proof()).await.unwrap_err());
    assert_eq!((&*third.namespace, &*third.name), ("pkg/gatewayserver", "schedule"));
    assert_eq!(third.attributes["causes"].as_array().unwrap().len(), 2);
}

// GS-60 to GS-62, GS-65, GS-68, GS-74
#[tokio::test(start_paused = true)]
async fn every_refusal_has_its_name() {
    let stack = Stack::registered();
    let uplink = stack.uplink(1_000_000, 0).await;
    let name = async |change: fn(&mut ttn_core::msg::TxRequest)| {
        let mut tx = answer(&uplink, 1);
        change(&mut tx);
        let body = rejected(stack.server.schedule_downlink(&tx, proof()).await.unwrap_err());
        body.cause.map_or(body.name, |cause| cause.name)
    };
    assert_eq!(name(|tx| tx.paths.clear()).await, "downlink_path");
    assert_eq!(name(|tx| tx.rx1_delay = Duration::from_millis(999)).await, "no_rx_delay");
    assert_eq!(name(|tx| (tx.rx1, tx.rx2) = (None, None)).await, "rx_empty");
    assert_eq!(name(|tx| tx.phy = Arc::from([0; 256])).await, "too_long");
    assert_eq!(name(|tx| tx.class = DeviceClass::C).await, "unsupported_class");
    let plan = name(|tx| tx.frequency_plan_id = FrequencyPlanId::new("US_902_928_FSB_2").unwrap());
    assert_eq!(plan.await, "frequency_plan_not_configured");
    let gap = name(|tx| {
        tx.rx1.as_mut().unwrap().frequency = Frequency::from_hz(868_650_000);
        tx.rx2 = None;
    });
    assert_eq!(gap.await, "sub_band_not_found");
    let rate = name(|tx| {
        tx.rx1.as_mut().unwrap().data_rate = DataRate::lora(8, 500_000);
        tx.rx2 = None;
    });
    assert_eq!(rate.await, "data_rate_rx_window");
    let token = name(|tx| {
        let gateway_id = GatewayId::new("roof").unwrap();
        tx.paths = vec![ttn_core::msg::DownlinkPath::Fixed { gateway_id, antenna_index: 0 }];
    });
    assert_eq!(token.await, "no_uplink_token");
    let other = name(|tx| {
        let gateway_id = GatewayId::new("cellar").unwrap();
        tx.paths = vec![ttn_core::msg::DownlinkPath::Fixed { gateway_id, antenna_index: 0 }];
    });
    assert_eq!(other.await, "not_connected");
    tokio::time::sleep(Duration::from_millis(1900)).await;
    assert_eq!(name(|_| {}).await, "too_late");
}

// GS-80
#[tokio::test(start_paused = true)]
async fn more_downlinks_than_a_gateway_may_have_waiting_are_refused() {
    let stack = Stack::registered();
    let uplink = stack.uplink(1_000_000, 0).await;
    let schedule = async |number: usize| {
        let mut tx = answer(&uplink, number as u64);
        tx.rx1_delay = Duration::from_millis(2000 + 200 * number as u64);
        tx.rx2 = None;
        stack.server.schedule_downlink(&tx, proof()).await
    };
    for number in 0..DOWNLINKS_MAX {
        schedule(number).await.unwrap();
    }
    let refused = rejected(schedule(DOWNLINKS_MAX).await.unwrap_err());
    assert_eq!(refused.cause.unwrap().name, "buffer_full");
    // The first has left.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    schedule(DOWNLINKS_MAX).await.unwrap();
}

// GS-69, GS-70: what was sent counts beyond the end of a connection.
#[tokio::test(start_paused = true)]
async fn the_duty_cycle_outlives_the_connection() {
    let stack = Stack::registered();
    let mut refused = None;
    let start = stack.ms();
    for turn in 0..40_u32 {
        if turn == 20 {
            tokio::time::sleep(Duration::from_secs(300)).await;
            assert_eq!(stack.server.connected(), 0);
        }
        let tmst = (stack.ms() - start) as u32 * 1000;
        let uplink = stack.uplink(tmst, turn as usize).await;
        let mut tx = answer(&uplink, u64::from(turn));
        tx.priority = TxPriority::Normal;
        tx.rx1.as_mut().unwrap().data_rate = DataRate::lora(12, 125_000);
        tx.rx2 = None;
        if let Err(error) = stack.server.schedule_downlink(&tx, proof()).await {
            refused = Some((turn, *rejected(error).cause.unwrap()));
            break;
        }
        tokio::time::sleep(Duration::from_secs(10)).await;
    }
    let (turn, cause) = refused.unwrap();
    // 70 % of 36 s, 1.155 s each.
    assert_eq!((turn, &*cause.name), (21, "duty_cycle"));
    assert_eq!(cause.attributes["usable"], "25.2s");
    assert!(cause.attributes.contains_key("retry_after"));
}

// GS-27, GS-47, GS-48, GS-78, and bad input
#[tokio::test(start_paused = true)]
async fn bad_input_is_counted_and_told_by_reason_and_the_good_goes_on() {
    let mut stack = Stack::registered();
    stack.uplink(1_000_000, 0).await;
    stack.send(push(1_000_000, 0));
    let rxpk = |members: &str| packet(0, 1, &format!(r#"{{"rxpk":[{{{members}}}]}}"#));
    let head = r#""tmst":9,"datr":"SF7BW125""#;
    stack.send(rxpk(&format!(r#"{head},"freq":0,"data":"AA==""#)));
    stack.send(rxpk(&format!(r#"{head},"freq":"868.1","data":"AA==""#)));
    stack.send(rxpk(&format!(r#"{head},"freq":868.1,"size":9,"data":"AA==""#)));
    stack.send(rxpk(&format!(r#"{head},"freq":868.1,"stat":-1,"data":"AA==""#)));
    stack.send(rxpk(&format!(r#"{head},"freq":868.1,"data":"QAA=""#)));
    stack.send(vec![7; 60_000]);
    stack.send(packet(0, 1, &"[".repeat(60_000)));
    stack.send(vec![2, 0]);
    stack.send(packet(0, 1, r#"{"stat":{"time":"noon"}}"#));
    stack.send(packet(5, 77, ""));
    stack.uplink(2_000_000, 1).await;
    assert_eq!(stack.recorder.uplinks.lock().len(), 2);
    assert_eq!(stack.counters.rxpk.get(RxpkReject::FrequencyZero), 1);
    assert_eq!(stack.counters.rxpk.get(RxpkReject::Json), 1);
    assert_eq!(stack.counters.rxpk.get(RxpkReject::SizeMismatch), 1);
    assert_eq!(stack.counters.datagrams.get(Reject::Version), 1);
    assert_eq!(stack.counters.datagrams.get(Reject::HeaderTruncated), 1);
    assert_eq!(stack.counters.datagrams.total(), 5);
    let drops = stack.server.up_drops();
    assert_eq!(drops.snapshot(), [("message_crc", 1), ("phy_payload", 1), ("repeated", 1)]);
    let told = stack
        .told()
        .into_iter()
        .filter(|(name, _)| name.starts_with("gs.io.") && name.ends_with("drop"));
    let told: Vec<_> =
        told.map(|(name, data)| format!("{name} {}", data["reason"].as_str().unwrap())).collect();
    assert_eq!(
        told,
        [
            "gs.io.up.drop rxpk_frequency_zero",
            "gs.io.up.drop rxpk_json",
            "gs.io.up.drop rxpk_size_mismatch",
            "gs.io.status.drop stat_time",
            "gs.io.tx.ack.drop unknown_token",
        ]
    );
}

// GS-55
#[tokio::test(start_paused = true)]
async fn uplinks_without_a_network_server_are_dropped_by_name() {
    let stack = Stack::registered();
    let Stack { server, recorder, network, events, .. } = stack;
    drop(recorder);
    assert!(network.send(from(), push(1, 0)));
    settle().await;
    assert_eq!(server.up_drops().get(UpDrop::NetworkServerAbsent), 1);
    let told = std::iter::from_fn(|| events.try_next());
    let drop = told.into_iter().find(|event| event.definition.name == "gs.up.drop").unwrap();
    // EVT-01
    assert_eq!(drop.radio_ids.gateway_eui, registered().ids.eui);
    assert_eq!(drop.data.to_json()["host"], "cluster");
    assert_eq!(drop.data.to_json()["reason"], "network_server_not_found");
}

//! Tests of the session: value in, value out.

use std::sync::atomic::{AtomicU64, Ordering};

use ttn_core::{
    radio::{DataRate, Frequency},
    time::{ConcentratorTime, Timestamp},
};

use super::*;
use crate::frontend::TxStart;

#[derive(Debug, Default)]
struct Counting(AtomicU64);

impl Entropy for Counting {
    fn fill(&self, buffer: &mut [u8]) {
        let next = self.0.fetch_add(1, Ordering::Relaxed);
        buffer.iter_mut().zip(next.to_le_bytes()).for_each(|(to, from)| *to = from);
    }
}

const EUI: [u8; 8] = [0xAA, 0x55, 0x5A, 0, 0, 0, 1, 1];

struct Bench {
    session: UdpSession,
    effects: Vec<Effect>,
    now: u64,
}

impl Bench {
    fn new() -> Self {
        let counters = Arc::new(UdpCounters::default());
        let session =
            UdpSession::new(UdpConfig::default(), Arc::new(Counting::default()), counters);
        Self { session, effects: vec![], now: 0 }
    }

    fn now(&self) -> Now {
        let monotonic = Monotonic::from_nanos(self.now * 1_000_000);
        Now { utc: Timestamp::from_unix_secs(1_767_225_600), monotonic }
    }

    fn at(&mut self, ms: u64) -> &mut Self {
        self.now = ms;
        let now = self.now();
        self.session.handle_timeout(now, &mut self.effects);
        self
    }

    fn datagram(&mut self, octets: &[u8]) -> &mut Self {
        let now = self.now();
        self.session.handle_datagram(now, from(), octets, &mut self.effects);
        self
    }

    fn connect(&mut self) -> &mut Self {
        self.session.connected(eui(), false, &mut self.effects);
        self
    }

    fn down(&mut self, starts_at_ms: u64) -> &mut Self {
        let now = self.now();
        self.session.handle_down(now, eui(), down(starts_at_ms), &mut self.effects);
        self
    }

    fn sent(&mut self) -> Option<Vec<u8>> {
        self.session.poll_transmit().map(|transmit| transmit.octets)
    }

    fn effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    fn dropped(&self, reject: Reject) -> u64 {
        self.session.counters.datagrams.get(reject)
    }
}

fn from() -> SocketAddr {
    "[2001:db8::1]:50000".parse().unwrap()
}

fn eui() -> GatewayEui {
    GatewayEui::from_be_bytes(EUI)
}

fn packet(packet_type: u8, token: u16, json: &str) -> Vec<u8> {
    let mut octets = vec![2];
    octets.extend(token.to_be_bytes());
    octets.push(packet_type);
    octets.extend(EUI);
    octets.extend(json.as_bytes());
    octets
}

fn down(starts_at_ms: u64) -> GatewayDown {
    GatewayDown {
        id: TransmissionId(7),
        correlation_ids: vec![],
        phy: Arc::from([1, 2, 3]),
        frequency: Frequency::from_hz(868_100_000),
        data_rate: DataRate::lora(7, 125_000),
        tx_power: 16.15,
        start: TxStart::Concentrator(ConcentratorTime::from_nanos(5_000_000_000)),
        starts_at: Some(Monotonic::from_nanos(starts_at_ms * 1_000_000)),
        antenna_index: 0,
    }
}

fn token_of(octets: &[u8]) -> u16 {
    u16::from_be_bytes([octets[1], octets[2]])
}

const RXPK: &str = r#"{"rxpk":[{"tmst":1,"freq":868.1,"datr":"SF7BW125","data":"AA=="}]}"#;

// GS-14
#[test]
fn acknowledges_before_the_gateway_is_looked_up() {
    let mut bench = Bench::new();
    bench.datagram(&packet(0, 0x0102, RXPK)).datagram(&packet(2, 0x0103, ""));
    assert_eq!(bench.sent(), Some(vec![2, 1, 2, 1]));
    assert_eq!(bench.sent(), Some(vec![2, 1, 3, 4]));
    assert_eq!(bench.effects(), [Effect::Connect { eui: eui(), remote: from() }]);
}

// DESIGN 4: `ack = durable`
#[test]
fn a_promise_waits_until_everything_in_the_datagram_is_settled() {
    let mut bench = Bench::new();
    bench.session.config.ack = Ack::Durable;
    bench.datagram(&packet(2, 0x0103, "")).datagram(&packet(0, 0x0102, RXPK)).connect();
    assert_eq!(bench.sent(), Some(vec![2, 1, 3, 4]), "PULL_ACK promises nothing");
    assert_eq!(bench.sent(), None);
    let receipt = bench.effects().into_iter().find_map(|effect| match effect {
        Effect::Up { up, .. } => up.receipt,
        _ => None,
    });
    receipt.unwrap().settle();
    assert_eq!(bench.sent(), Some(vec![2, 1, 2, 1]));
}

// GS-14
#[test]
fn what_waits_for_the_connection_is_handed_over_with_its_own_time() {
    let mut bench = Bench::new();
    bench.datagram(&packet(0, 1, RXPK)).at(50).datagram(&packet(2, 2, "")).effects();
    bench.connect();
    let effects = bench.effects();
    assert_eq!(effects[0], Effect::DownlinkPath { eui: eui(), open: true });
    let Effect::Up { received, up, .. } = &effects[1] else { panic!("{effects:?}") };
    assert_eq!((received.monotonic.nanos(), up.uplinks.len()), (0, 1));
}

#[test]
fn a_bounded_number_of_datagrams_waits() {
    let mut bench = Bench::new();
    for turn in 0..PENDING_MAX + 3 {
        bench.at(turn as u64 * 5).datagram(&packet(0, 1, RXPK));
    }
    assert_eq!(bench.dropped(Reject::PendingFull), 3);
    bench.connect();
    let ups = bench.effects().into_iter().filter(|effect| matches!(effect, Effect::Up { .. }));
    assert_eq!(ups.count(), PENDING_MAX);
}

// GS-20
#[test]
fn a_gateway_that_could_not_connect_is_tried_again_after_five_minutes() {
    let mut bench = Bench::new();
    bench.datagram(&packet(2, 1, "")).effects();
    let now = bench.now();
    bench.session.connect_failed(now, eui(), false);
    bench.at(299_000).datagram(&packet(2, 1, ""));
    assert_eq!((bench.effects(), bench.dropped(Reject::ConnectFailed)), (vec![], 1));
    bench.at(300_000).datagram(&packet(2, 1, ""));
    assert!(bench.effects().contains(&Effect::Connect { eui: eui(), remote: from() }));
}

// GS-20: a server that has not started yet is no reason to refuse a gateway.
#[test]
fn a_gateway_is_tried_again_soon_when_the_reason_passes() {
    let mut bench = Bench::new();
    bench.datagram(&packet(0, 1, RXPK)).effects();
    let now = bench.now();
    bench.session.connect_failed(now, eui(), true);
    bench.at(999);
    assert_eq!(bench.effects(), vec![]);
    bench.at(1000);
    assert_eq!(bench.effects(), [Effect::Connect { eui: eui(), remote: from() }]);
    bench.connect();
    let effects = bench.effects();
    assert!(matches!(effects.as_slice(), [Effect::Up { .. }]), "what waited: {effects:?}");
    assert_eq!(bench.dropped(Reject::ConnectFailed), 0);
}

// GS-77
#[test]
fn pushing_ends_three_minutes_after_the_last_push_and_begins_again() {
    let mut bench = Bench::new();
    bench.datagram(&packet(0, 1, RXPK)).connect().effects();
    for seconds in (45..=225).step_by(45) {
        bench.at(seconds * 1000).datagram(&packet(2, 1, ""));
    }
    let stopped = Effect::Pushing { eui: eui(), active: false };
    assert_eq!(bench.effects().iter().filter(|effect| **effect == stopped).count(), 1);
    bench.datagram(&packet(0, 1, RXPK));
    assert!(bench.effects().contains(&Effect::Pushing { eui: eui(), active: true }));
}

// GS-05, GS-07
#[test]
fn a_gateway_whose_connection_was_ended_connects_with_its_next_datagram() {
    let mut bench = Bench::new();
    bench.datagram(&packet(2, 1, "")).connect().effects();
    bench.session.closed(eui());
    bench.at(20).datagram(&packet(2, 1, ""));
    assert_eq!(bench.effects(), [Effect::Connect { eui: eui(), remote: from() }]);
}

// GS-22
#[test]
fn before_the_first_tx_ack_a_downlink_leaves_800_ms_before_its_time() {
    let mut bench = Bench::new();
    bench.datagram(&packet(2, 1, "")).connect();
    bench.sent();
    bench.down(5000);
    assert_eq!(bench.sent(), None);
    assert_eq!(bench.session.next_timeout(), Some(Monotonic::from_nanos(4_200_000_000)));
    bench.at(4199);
    assert_eq!(bench.sent(), None);
    bench.at(4200);
    let octets = bench.sent().unwrap();
    assert_eq!(octets[3], 3);
    // The gateway has a queue: the next one leaves at once.
    bench.datagram(&packet(5, token_of(&octets), "")).down(9000);
    assert!(bench.sent().is_some());
}

// GS-23
#[test]
fn a_tx_ack_comes_back_with_the_number_of_its_transmission_once() {
    let mut bench = Bench::new();
    bench.datagram(&packet(2, 1, "")).connect().down(100);
    bench.sent();
    let token = token_of(&bench.sent().unwrap());
    bench.effects();
    let late = packet(5, token, r#"{"txpk_ack":{"error":"TOO_LATE"}}"#);
    bench.at(40).datagram(&late).datagram(&late);
    let effects = bench.effects();
    let [Effect::TxAck { ack, .. }, Effect::Untaken { part, reason, .. }] = effects.as_slice()
    else {
        panic!("{effects:?}")
    };
    assert_eq!((*part, *reason), (Part::TxAck, "unknown_token"));
    assert_eq!((ack.id, ack.result), (TransmissionId(7), TxResult::TooLate));
    assert_eq!(ack.round_trip, Duration::from_millis(40));
    assert_eq!(bench.dropped(Reject::UnknownToken), 1);
}

#[test]
fn a_tx_ack_in_the_name_of_another_gateway_touches_nothing() {
    let mut bench = Bench::new();
    bench.datagram(&packet(2, 1, "")).connect().down(100);
    bench.sent();
    let token = token_of(&bench.sent().unwrap());
    bench.effects();
    let mut other = packet(5, token, "");
    other[11] ^= 1;
    bench.datagram(&other);
    assert_eq!((bench.effects(), bench.dropped(Reject::NotConnected)), (vec![], 1));
    bench.datagram(&packet(5, token, ""));
    assert!(matches!(bench.effects().as_slice(), [Effect::TxAck { .. }]));
}

// GS-23
#[test]
fn sixteen_transmissions_are_remembered() {
    let mut bench = Bench::new();
    bench.datagram(&packet(2, 1, "")).connect();
    bench.sent();
    let tokens: Vec<u16> =
        (0..=OUTSTANDING_MAX).map(|_| token_of(&bench.down(1).sent().unwrap())).collect();
    bench.datagram(&packet(5, tokens[0], "")).datagram(&packet(5, tokens[1], ""));
    assert_eq!(bench.dropped(Reject::UnknownToken), 1);
}

// GS-21
#[test]
fn without_pull_data_the_downlink_path_closes_and_opens_again() {
    let mut bench = Bench::new();
    bench.datagram(&packet(2, 1, "")).connect().at(45_000).at(90_000);
    assert!(bench.effects().contains(&Effect::DownlinkPath { eui: eui(), open: false }));
    bench.down(90_100);
    assert_eq!(bench.dropped(Reject::DownlinkPath), 1);
    bench.datagram(&packet(2, 1, ""));
    assert!(bench.effects().contains(&Effect::DownlinkPath { eui: eui(), open: true }));
}

// GS-19
#[test]
fn a_silent_gateway_is_disconnected() {
    let mut bench = Bench::new();
    bench.datagram(&packet(0, 1, RXPK)).connect();
    for seconds in [45, 90, 135] {
        bench.at(seconds * 1000);
    }
    assert!(!bench.effects().contains(&Effect::Disconnect { eui: eui() }));
    bench.at(180_000);
    assert!(bench.effects().contains(&Effect::Disconnect { eui: eui() }));
    assert_eq!((bench.session.gateways(), bench.session.next_timeout()), (0, None));
}

// GS-13
#[test]
fn what_is_no_datagram_of_a_gateway_is_counted_and_not_answered() {
    let mut bench = Bench::new();
    bench
        .datagram(&[])
        .datagram(&[2, 0, 0, 3])
        .datagram(&packet(0, 1, "{"))
        .datagram(&[9, 0, 0, 2]);
    assert_eq!((bench.sent(), bench.effects()), (None, vec![]));
    assert_eq!(
        bench.session.counters.datagrams.snapshot(),
        [("header_truncated", 1), ("json_syntax", 1), ("packet_type", 1), ("version", 1)]
    );
}

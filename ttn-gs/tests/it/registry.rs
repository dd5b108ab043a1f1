//! What the registry says of a gateway, and what a gateway says of itself.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use ttn_core::{
    auth::Credentials,
    msg::{Location, LocationSource, PathConstraint},
    peer::{GatewayInfo, NsGs as _},
};
use ttn_gs::{
    Config, Error,
    conn::Connection,
    frontend::{ConnectRequest, DownlinkSink, GatewayDown, GatewayRef, GatewayStatus, GatewayUp},
    server::Intake,
};

use crate::{
    memory::Stack,
    support::{answer, proof, pull_data, push, registered, rejected},
};

#[derive(Debug)]
struct NoSink;

impl DownlinkSink for NoSink {
    fn send(&self, _down: GatewayDown) -> Result<(), Error> {
        Ok(())
    }
}

/// Connects a gateway as a protocol with authentication does.
async fn authenticated(stack: &Stack) -> Arc<Connection> {
    let request = ConnectRequest {
        gateway: GatewayRef::Id("roof".parse().unwrap()),
        protocol: "test",
        authenticated: true,
        credentials: Credentials::None,
        remote: None,
        fallback_frequency_plan: None,
        sink: Arc::new(NoSink),
    };
    stack.server.connect(request).await.unwrap()
}

fn place(latitude: f64, source: LocationSource) -> Location {
    Location { latitude, longitude: 4.9, altitude: 3, accuracy: 0, source }
}

fn says(stack: &Stack, connection: &Arc<Connection>, status: GatewayStatus) {
    let up = GatewayUp { status: Some(status), ..GatewayUp::default() };
    stack.server.receive(connection, stack.server.clock().now(), up, &mut Intake::default());
}

fn located(latitude: f64) -> GatewayStatus {
    let antenna_location = Some(place(latitude, LocationSource::Gps));
    GatewayStatus { antenna_location, ..GatewayStatus::default() }
}

async fn minutes(minutes: u64) {
    tokio::time::sleep(Duration::from_secs(60 * minutes)).await;
}

// GS-07
#[tokio::test(start_paused = true)]
async fn a_registration_that_changed_ends_the_connection_and_the_next_one_has_the_new_values() {
    let mut stack = Stack::registered();
    stack.uplink(5, 0).await;
    stack.told();
    stack.directory.info.lock().as_mut().unwrap().enforce_duty_cycle = false;
    for _ in 0..12 {
        minutes(1).await;
        stack.send(pull_data());
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    let ends = stack.told().into_iter().find(|(name, _)| *name == "gs.gateway.disconnect");
    assert_eq!(ends.unwrap().1["name"], "gateway_changed");
    let connection = stack.server.connection(&"roof".parse().unwrap()).unwrap();
    assert!(!connection.info().enforce_duty_cycle);
}

// GS-08
#[tokio::test(start_paused = true)]
async fn a_gateway_that_was_deleted_is_disconnected() {
    let stack = Stack::registered();
    authenticated(&stack).await;
    *stack.directory.info.lock() = None;
    minutes(12).await;
    assert_eq!(stack.server.connected(), 0);
}

// GS-07: nothing is lost when the registry does not answer.
#[tokio::test(start_paused = true)]
async fn a_registry_that_does_not_answer_ends_no_connection() {
    let stack = Stack::registered();
    authenticated(&stack).await;
    let asked = stack.directory.asked.load(Ordering::Relaxed);
    stack.directory.failures.store(2, Ordering::Relaxed);
    minutes(40).await;
    assert_eq!(stack.server.connected(), 1);
    assert!(stack.directory.asked.load(Ordering::Relaxed) >= asked + 3);
}

// GS-20
#[tokio::test(start_paused = true)]
async fn a_gateway_is_heard_although_the_registry_starts_later() {
    let stack = Stack::registered();
    stack.directory.failures.store(5, Ordering::Relaxed);
    let started = stack.server.clock().monotonic();
    let uplink = stack.uplink(5, 0).await;
    assert_eq!(uplink.rx_metadata[0].gateway_id.as_str(), "roof");
    let waited = stack.server.clock().monotonic().since(started);
    assert!(waited < Duration::from_secs(7), "{waited:?}");
}

// GS-52
#[tokio::test(start_paused = true)]
async fn the_registered_location_is_told_only_if_it_is_public() {
    for public in [false, true] {
        let info = GatewayInfo {
            antennas: vec![(0.0, Some(place(52.0, LocationSource::Registry)))],
            location_public: public,
            ..registered()
        };
        let stack = Stack::new(Some(info), Config::default(), None);
        let uplink = stack.uplink(5, 0).await;
        assert_eq!(uplink.rx_metadata[0].location.is_some(), public);
    }
}

// GS-53
#[tokio::test(start_paused = true)]
async fn a_gateway_that_may_never_send_says_so_in_metadata_and_refuses() {
    for constraint in [PathConstraint::Never, PathConstraint::PreferOther] {
        let info = GatewayInfo { path_constraint: constraint, ..registered() };
        let stack = Stack::new(Some(info), Config::default(), None);
        let uplink = stack.uplink(5, 0).await;
        assert_eq!(uplink.rx_metadata[0].path_constraint, constraint);
        let result = stack.server.schedule_downlink(&answer(&uplink, 1), proof()).await;
        let refused = result.err().map(|error| rejected(error).cause.unwrap().name);
        let never = constraint == PathConstraint::Never;
        assert_eq!(refused.as_deref(), never.then_some("not_allowed"));
    }
}

// GS-58, GS-11
#[tokio::test(start_paused = true)]
async fn the_location_of_an_authenticated_gateway_follows_its_statuses_at_most_hourly() {
    let info = GatewayInfo { update_location_from_status: true, ..registered() };
    let stack = Stack::new(Some(info), Config::default(), None);
    let connection = authenticated(&stack).await;
    for latitude in [52.0, 52.1, 52.2] {
        says(&stack, &connection, located(latitude));
        minutes(1).await;
    }
    let told = |stack: &Stack| -> Vec<f64> {
        let reports = stack.directory.reports.lock();
        reports.iter().filter_map(|(_, report)| report.location).map(|at| at.latitude).collect()
    };
    assert_eq!(told(&stack), [52.0]);
    minutes(76).await;
    says(&stack, &connection, located(52.300_005));
    says(&stack, &connection, located(52.300_006));
    minutes(1).await;
    assert_eq!(told(&stack), [52.0, 52.300_005]);
}

// GS-58
#[tokio::test(start_paused = true)]
async fn a_location_that_is_not_asked_for_or_not_new_is_not_reported() {
    let here = place(52.0, LocationSource::Registry);
    for (update, antennas) in [(false, vec![]), (true, vec![(0.0, Some(here))])] {
        let info = GatewayInfo { update_location_from_status: update, antennas, ..registered() };
        let stack = Stack::new(Some(info), Config::default(), None);
        let connection = authenticated(&stack).await;
        says(&stack, &connection, located(52.000_009));
        minutes(1).await;
        assert_eq!(stack.directory.reports.lock().len(), 0);
    }
}

// GS-59
#[tokio::test(start_paused = true)]
async fn model_and_firmware_of_the_first_status_become_attributes() {
    let stack = Stack::registered();
    let connection = authenticated(&stack).await;
    for firmware in ["2.0.6", "2.0.7"] {
        let versions: BTreeMap<String, String> =
            [("model", "corecell"), ("firmware", firmware), ("hal", "x")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into();
        says(&stack, &connection, GatewayStatus { versions, ..GatewayStatus::default() });
    }
    tokio::time::sleep(Duration::from_secs(7)).await;
    let reports = stack.directory.reports.lock();
    let attributes: Vec<_> =
        reports.iter().flat_map(|(_, report)| report.attributes.clone()).collect();
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(attributes, [pair("model", "corecell"), pair("firmware", "2.0.6")]);
    assert_eq!(stack.server.status_forwarded(), 1, "GS-79");
}

// GS-78
#[tokio::test(start_paused = true)]
async fn news_of_a_gateway_that_the_registry_does_not_take_are_told_as_dropped() {
    let info = GatewayInfo { update_location_from_status: true, ..registered() };
    let mut stack = Stack::new(Some(info), Config::default(), None);
    let connection = authenticated(&stack).await;
    stack.directory.failures.store(1, Ordering::Relaxed);
    says(&stack, &connection, located(52.0));
    minutes(1).await;
    let told = stack.told();
    let (_, data) = told.iter().find(|(name, _)| *name == "gs.status.drop").unwrap();
    assert!(data["name"].is_string(), "{data}");
    assert_eq!(stack.server.status_forwarded(), 0);
}

// GS-77
#[tokio::test(start_paused = true)]
async fn counters_of_a_stream_that_ended_are_not_shown() {
    let stack = Stack::registered();
    stack.uplink(5, 0).await;
    let id = "roof".parse().unwrap();
    assert_eq!(stack.server.stats(&id).unwrap().uplink_count, 1);
    for _ in 0..6 {
        tokio::time::sleep(Duration::from_secs(45)).await;
        stack.send(pull_data());
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    let stats = stack.server.stats(&id).unwrap();
    assert_eq!((stats.uplink_count, stats.last_uplink_received_at), (0, None));
    stack.send(push(9, 1));
    stack.recorder.uplink(1).await;
    assert_eq!(stack.server.stats(&id).unwrap().uplink_count, 2);
}

//! Activation.

use std::time::Duration;

use ttn_core::{
    error::{ErrorBody, ErrorKind},
    msg::TxPriority,
    peer::PeerError,
    version::MacVersion,
};
use ttn_ns::shard::Input;

use crate::harness::{World, abp, otaa, otaa_device};

fn joins_and_sends(version: MacVersion) {
    let mut world = World::with(&otaa(version));
    let mut device = otaa_device(version);
    let request = device.join(&world.entropy).unwrap();
    world.receive(&request, "gateway-a");
    world.receive(&request, "gateway-b");
    assert_eq!(world.joins.len(), 1, "the Join Server is asked once (NS-04)");
    let dev_addr = world.joins[0].1.dev_addr;
    let partition = otaa(version).partition();
    assert_eq!(dev_addr.to_u32() & 0x3FF, u32::from(partition.get()), "NS-23");
    world.answer_join(version, 1);
    assert!(world.transmissions.is_empty(), "copies are still collected");
    world.advance(Duration::from_millis(250));
    let accept = world.transmissions.pop().expect("a join-accept");
    assert_eq!(accept.priority, TxPriority::Highest, "NS-26");
    assert_eq!(accept.rx1_delay, Duration::from_secs(5), "NS-26");
    assert_eq!(accept.paths.len(), 2, "both gateways could answer");
    assert!(accept.rx1.is_some() && accept.rx2.is_some());
    assert_eq!(accept.phy.len(), 33, "EU868 has a CFList (NS-25)");
    assert_eq!(world.take_ups(), ["join"]);
    // The address changes only with the first uplink (NS-15).
    assert_eq!(world.view().device.ids.dev_addr, None);
    device.hear(&accept.phy).unwrap();
    world.advance(Duration::from_secs(6));
    let uplink = device.uplink(1, b"hello", false, &world.entropy).unwrap();
    world.receive_and_wait(&uplink);
    assert_eq!(world.take_ups(), ["uplink"], "dropped: {:?}", world.drop_reasons());
    assert_eq!(world.view().device.ids.dev_addr, Some(dev_addr));
    if version.is_1_1() {
        // NS-30
        let answer = world.transmissions.pop().expect("RekeyConf");
        device.hear(&answer.phy).unwrap();
        assert!(world.event_names().contains(&"ns.mac.rekey.indication"));
        assert!(world.event_names().contains(&"ns.mac.rekey.confirmation"));
    }
}

// NS-22, NS-24
#[test]
fn a_device_of_1_0_3_joins_and_sends() {
    joins_and_sends(MacVersion::V1_0_3);
}

// NS-30
#[test]
fn a_device_of_1_1_joins_and_rekeys() {
    joins_and_sends(MacVersion::V1_1);
}

// NS-27
#[test]
fn join_requests_that_go_nowhere_are_dropped_with_a_reason() {
    let mut world = World::new(&otaa(MacVersion::V1_0_3));
    let mut device = otaa_device(MacVersion::V1_0_3);
    let request = device.join(&world.entropy).unwrap();
    world.receive_and_wait(&request);
    assert_eq!(world.drop_reasons(), ["device_not_found"]);
    let mut world = World::with(&abp());
    world.receive_and_wait(&request);
    assert_eq!(world.drop_reasons(), ["abp_join_request"]);
    let mut world = World::with(&otaa(MacVersion::V1_0_3));
    let mut elsewhere = request.clone();
    elsewhere.frequency = ttn_core::radio::Frequency::from_hz(867_000_000);
    world.receive_and_wait(&elsewhere);
    assert_eq!(world.drop_reasons(), ["unknown_channel"]);
}

// DESIGN 3
#[test]
fn a_refused_join_names_the_join_servers_reason() {
    let mut world = World::with(&otaa(MacVersion::V1_0_3));
    let mut device = otaa_device(MacVersion::V1_0_3);
    world.receive(&device.join(&world.entropy).unwrap(), "gateway-a");
    let (join, _) = world.joins.pop().unwrap();
    let text = "DevNonce 1 was used before";
    let body =
        ErrorBody::new("pkg/joinserver", "reuse_dev_nonce", ErrorKind::InvalidArgument, text);
    let result = Err(PeerError::Rejected(Box::new(body)));
    world.handle(Input::JoinAnswered { join, result });
    let fail = world.events.iter().find(|e| e.definition.name == "ns.up.join.cluster.fail");
    assert_eq!(fail.unwrap().data.to_json()["name"], "reuse_dev_nonce");
    assert_eq!(world.drop_reasons(), ["join_refused"]);
    world.advance(Duration::from_secs(1));
    assert!(world.transmissions.is_empty());
}

// NS-29
#[test]
fn the_old_session_stays_until_the_new_one_is_used() {
    let version = MacVersion::V1_0_3;
    let mut world = World::with(&otaa(version));
    let mut device = otaa_device(version);
    for nonce in 1..=2 {
        world.receive(&device.join(&world.entropy).unwrap(), "gateway-a");
        world.answer_join(version, nonce);
        world.advance(Duration::from_millis(250));
        let accept = world.transmissions.pop().unwrap();
        if nonce == 2 {
            // The accept gets lost: the device goes on with its old session.
            break;
        }
        device.hear(&accept.phy).unwrap();
        world.advance(Duration::from_secs(7));
        let uplink = device.uplink(1, b"a", false, &world.entropy).unwrap();
        world.receive_and_wait(&uplink);
    }
    world.advance(Duration::from_secs(7));
    let uplink = device.uplink(1, b"b", false, &world.entropy).unwrap();
    world.receive_and_wait(&uplink);
    assert_eq!(world.take_ups(), ["join", "uplink", "join", "uplink"]);
}

// NS-04
#[test]
fn a_copy_of_a_join_request_that_comes_seconds_later_asks_nobody() {
    let mut world = World::with(&otaa(MacVersion::V1_0_3));
    let mut device = otaa_device(MacVersion::V1_0_3);
    let request = device.join(&world.entropy).unwrap();
    world.receive(&request, "gateway-a");
    world.answer_join(MacVersion::V1_0_3, 1);
    world.advance(Duration::from_secs(3));
    world.receive(&request, "gateway-b");
    world.advance(Duration::from_secs(1));
    assert!(world.joins.is_empty(), "the Join Server is asked once");
    assert_eq!(world.event_names().iter().filter(|it| **it == "ns.up.join.receive").count(), 1);
    assert_eq!(world.drop_reasons(), ["late_copy"]);
    assert_eq!(world.transmissions.len(), 1, "one join-accept");
    // NS-21, NS-95
    for name in [
        "ns.up.join.cluster.attempt",
        "ns.up.join.cluster.success",
        "ns.up.join.process",
        "ns.up.join.accept.forward",
        "ns.down.join.schedule.attempt",
    ] {
        assert!(world.event_names().contains(&name), "{name} in {:?}", world.event_names());
    }
}

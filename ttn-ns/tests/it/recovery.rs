//! What a crash leaves.

use std::time::Duration;

use ttn_core::msg::{TxResult, Up};
use ttn_mac::device::Received;

use crate::harness::{World, abp, abp_device, downlink};

// DESIGN promises 4 and 6
#[test]
fn counters_go_on_after_a_crash() {
    let mut world = World::with(&abp());
    let mut device = abp_device();
    for round in 0..4 {
        let tx = device.uplink(1, b"x", true, &world.entropy).unwrap();
        world.receive_and_wait(&tx);
        let request = world.transmitted(TxResult::Success);
        let Received::Data(data) = device.hear(&request.phy).unwrap() else { panic!("no data") };
        // The retransmission below takes a counter as well, which stays taken.
        assert_eq!(data.f_cnt, 2 * round);
        world.advance(Duration::from_secs(10));
        let before = world.view();
        world.restart();
        assert_eq!(world.view(), before);
        // The new process takes the same frame for a retransmission (NS-12).
        world.receive_and_wait(&tx);
        world.transmissions.clear();
        world.restart();
    }
    assert_eq!(world.take_ups().iter().filter(|up| **up == "uplink").count(), 4);
}

// DESIGN 6
#[test]
fn a_downlink_in_flight_has_an_unknown_outcome_after_a_crash() {
    let mut world = World::with(&abp());
    let mut device = abp_device();
    world.push(vec![downlink(0, false), downlink(1, false)]).unwrap();
    let tx = device.uplink(1, b"x", false, &world.entropy).unwrap();
    world.receive_and_wait(&tx);
    assert_eq!(world.transmissions.len(), 1);
    world.take_ups();
    world.restart();
    let Up::DownlinkFailed(item, error) = &world.application[0].up else { panic!("not failed") };
    assert_eq!((item.f_cnt, error.0.name.as_ref()), (0, "unknown_outcome"));
    assert_eq!(world.view().queue.iter().map(|item| item.f_cnt).collect::<Vec<_>>(), [1]);
    // The counter is burnt: the next one is used.
    world.advance(Duration::from_secs(10));
    let tx = device.uplink(1, b"y", false, &world.entropy).unwrap();
    world.receive_and_wait(&tx);
    let request = world.transmitted(TxResult::Success);
    let Received::Data(data) = device.hear(&request.phy).unwrap() else { panic!("no data") };
    assert_eq!(data.f_cnt, 1);
}

// NS-87
#[test]
fn an_acknowledgement_after_a_crash_finds_its_downlink() {
    let mut world = World::with(&abp());
    let mut device = abp_device();
    world.push(vec![downlink(0, true)]).unwrap();
    let tx = device.uplink(1, b"x", false, &world.entropy).unwrap();
    world.receive_and_wait(&tx);
    let request = world.transmitted(TxResult::Success);
    device.hear(&request.phy).unwrap();
    world.take_ups();
    world.restart();
    assert!(world.view().queue.is_empty());
    world.advance(Duration::from_secs(10));
    let tx = device.uplink(1, b"y", false, &world.entropy).unwrap();
    world.receive_and_wait(&tx);
    assert_eq!(world.take_ups(), ["ack", "uplink"]);
}

//! How often memory is allocated on the way of an uplink (DESIGN 6): counted, so that it cannot grow unseen.
#![allow(
    missing_docs,
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test"
)]

#[path = "../benches/network/mod.rs"]
mod network;

use std::time::Duration;

use network::{Backend, Network};

const DEVICES: usize = 200;
/// From the datagram to the JSON, per uplink that one gateway hears: 96 were counted. A change that needs more says
/// why.
const ALLOCATIONS_MAX: u64 = 105;

#[test]
fn an_uplink_costs_a_bounded_number_of_allocations() {
    let mut network = Network::start(Backend::Memory, 1, DEVICES);
    // Maps and rings have their size, and everything that is asked for once has been asked for.
    for _ in 0..3 {
        network.wait(Duration::from_secs(5));
        let datagrams = network.uplinks(0..DEVICES);
        network.deliver(datagrams, DEVICES);
    }
    network.wait(Duration::from_secs(5));
    let datagrams = network.uplinks(0..DEVICES);
    let counted = allocation_counter::measure(|| {
        network.deliver(datagrams, DEVICES);
    });
    let per_uplink = counted.count_total / DEVICES as u64;
    assert!(per_uplink <= ALLOCATIONS_MAX, "{per_uplink} allocations per uplink: {counted:?}");
}

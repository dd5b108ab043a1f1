//! A whole uplink: from the datagram of a gateway to the durable message, decrypted and encoded as JSON for one reader.
//!
//! A thousand devices send within one deduplication window (200 ms): 5,000 uplinks per second. An item is one unique
//! uplink; the time per item is the CPU time that it takes, divided by the number of items of the batch.
#![allow(
    missing_docs,
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a benchmark"
)]

mod network;

use std::time::Duration;

use divan::{Bencher, black_box, counter::ItemsCount};
use network::{Backend, Network};

const DEVICES: usize = 1000;

fn main() {
    divan::main();
}

#[divan::bench(sample_count = 50, sample_size = 1, args = [(Backend::Memory, 1), (Backend::Memory, 3), (Backend::Embedded, 1), (Backend::Embedded, 3)])]
fn a_thousand_uplinks(bencher: Bencher<'_, '_>, (backend, gateways): (Backend, usize)) {
    let network = std::cell::RefCell::new(Network::start(backend, gateways, DEVICES));
    let input = || {
        let mut network = network.borrow_mut();
        // Late copies and round trips of the last batch are history.
        network.wait(Duration::from_secs(5));
        network.uplinks(0..DEVICES)
    };
    let bencher = bencher.counter(ItemsCount::new(DEVICES)).with_inputs(input);
    bencher.bench_local_values(|datagrams| {
        black_box(network.borrow_mut().deliver(datagrams, DEVICES));
    });
}

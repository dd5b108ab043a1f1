//! Batches of uplinks, the same in every run, for `cargo xtask instructions`, which counts instructions with valgrind.
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

use network::{Backend, Network};

/// How many uplinks a batch has.
const DEVICES: usize = 200;

fn main() {
    let batches = std::env::args().nth(1).and_then(|text| text.parse::<usize>().ok());
    // `cargo test` and `cargo bench` run it, too, and ask for nothing.
    let Some(batches) = batches else { return };
    let mut network = Network::start(Backend::Memory, 1, DEVICES);
    for _ in 0..batches {
        network.wait(Duration::from_secs(5));
        let datagrams = network.uplinks(0..DEVICES);
        std::hint::black_box(network.deliver(datagrams, DEVICES));
    }
}

//! A whole downlink: from the application's push to the datagram for the gateway.
//!
//! One iteration is a push (encrypted, queued, durable, `downlink_queued` in the log), the uplink of the device that opens
//! its windows, and the PULL_RESP. The time is CPU time: in virtual time nothing waits.
#![allow(
    missing_docs,
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a benchmark"
)]

mod network;

use std::{cell::RefCell, time::Duration};

use divan::{Bencher, black_box};
use network::{Backend, Network, device_key};
use ttn::application_server::{DownlinkItem, QueueOperation};

const DEVICES: usize = 50;

fn main() {
    divan::main();
}

#[divan::bench(sample_count = 300, sample_size = 1, args = [Backend::Memory, Backend::Embedded])]
fn push_uplink_and_pull_resp(bencher: Bencher<'_, '_>, backend: Backend) {
    let network = RefCell::new(Network::start(backend, 1, DEVICES));
    // Every device has been heard before.
    let mut warm = network.borrow_mut();
    warm.wait(Duration::from_secs(5));
    let datagrams = warm.uplinks(0..DEVICES);
    warm.deliver(datagrams, DEVICES);
    drop(warm);
    let mut next = 0;
    let input = || {
        let mut network = network.borrow_mut();
        // The duty cycle of the gateway recovers.
        network.wait(Duration::from_secs(30));
        let device = next % network.devices();
        next += 1;
        (device, network.uplinks(device..device + 1))
    };
    bencher.with_inputs(input).bench_local_values(|(device, datagrams)| {
        let mut network = network.borrow_mut();
        let item = DownlinkItem { f_port: 2, frm_payload: vec![1; 10], ..DownlinkItem::default() };
        let (key, operation) = (device_key(device), QueueOperation::Push);
        let pushed = network.stack.applications.queue_downlinks(&key, operation, vec![item]);
        network.runtime.block_on(pushed).unwrap();
        black_box(network.answer(datagrams));
    });
}

//! What is acknowledged, to whom, and what a crash or a stop leaves of it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use ttn_core::{
    msg::{Receipt, Scheduled, Up, UplinkBatch},
    store::Replaces,
};
use ttn_ns::{
    shard::{Command, Input},
    store::MemoryNetworkStore,
};

use crate::harness::{World, abp, abp_device, downlink};

/// A receipt, and how often the acknowledgement was given.
fn receipt() -> (Receipt, Arc<AtomicUsize>) {
    let given = Arc::new(AtomicUsize::new(0));
    let count = given.clone();
    let acknowledge = move || {
        count.fetch_add(1, Ordering::SeqCst);
    };
    (Receipt::new(acknowledge), given)
}

fn receive(world: &mut World, tx: &ttn_mac::device::DeviceTx, gateway: &str) -> Arc<AtomicUsize> {
    let (receipt, given) = receipt();
    let mut uplink = world.uplink(tx, gateway);
    uplink.receipt = Some(receipt);
    world.handle(Input::Uplinks(UplinkBatch { uplinks: vec![uplink] }));
    given
}

// DESIGN promise 1, DESIGN 4: `ack = durable`
#[test]
fn an_uplink_that_was_acknowledged_reaches_the_application_after_a_crash() {
    let mut world = World::with(&abp());
    let mut device = abp_device();
    let tx = device.uplink(1, b"x", false, &world.entropy).unwrap();
    let given = receive(&mut world, &tx, "gateway-a");
    assert_eq!(given.load(Ordering::SeqCst), 1, "durable at once in this store");
    assert!(world.application.is_empty(), "the window is open");
    world.restart();
    assert_eq!(world.take_ups(), ["uplink"]);
    // It is processed once: the next start has nothing left.
    world.restart();
    assert!(world.take_ups().is_empty());
    world.advance(Duration::from_secs(10));
    let tx = device.uplink(1, b"y", false, &world.entropy).unwrap();
    world.receive_and_wait(&tx);
    let Up::Uplink(up) = &world.application[0].up else { panic!("no uplink") };
    assert_eq!(up.f_cnt, 1);
}

// DESIGN promise 1
#[test]
fn a_store_that_is_behind_withholds_the_acknowledgement() {
    let mut world = World::with_store(&abp(), MemoryNetworkStore::held_back());
    let (device, replaces) = (Box::new(abp()), Replaces::Nothing);
    world.call(Command::Put { device, hot: None, replaces });
    world.store.release();
    world.watermark();
    let tx = abp_device().uplink(1, b"x", false, &world.entropy).unwrap();
    let first = receive(&mut world, &tx, "gateway-a");
    let second = receive(&mut world, &tx, "gateway-b");
    assert_eq!((first.load(Ordering::SeqCst), second.load(Ordering::SeqCst)), (0, 0));
    world.store.release();
    world.watermark();
    assert_eq!((first.load(Ordering::SeqCst), second.load(Ordering::SeqCst)), (1, 1));
    let late = receive(&mut world, &tx, "gateway-c");
    assert_eq!(late.load(Ordering::SeqCst), 1, "the frame is safe already");
}

// DESIGN promise 2: of what is dropped nothing is promised, and the gateway need not wait
#[test]
fn a_frame_that_is_dropped_is_acknowledged_at_once() {
    let mut world = World::with(&abp());
    let mut tx = abp_device().uplink(1, b"x", false, &world.entropy).unwrap();
    *tx.bytes.last_mut().unwrap() ^= 1;
    assert_eq!(receive(&mut world, &tx, "gateway-a").load(Ordering::SeqCst), 1);
    assert_eq!(world.drop_reasons(), ["mic_mismatch"]);
}

// NS-93: a gateway that never sends TX_ACK
#[test]
fn what_a_gateway_without_reports_took_counts_as_sent() {
    let mut world = World::with(&abp());
    let mut device = abp_device();
    world.push(vec![downlink(0, false), downlink(1, false)]).unwrap();
    for turn in 0..2 {
        let tx = device.uplink(1, b"x", false, &world.entropy).unwrap();
        world.receive_and_wait(&tx);
        let request = world.transmissions.pop().expect("a transmission");
        let gateway_id = "gateway-a".parse().unwrap();
        let scheduled = Scheduled::new(gateway_id, Duration::from_secs(5));
        world.take_ups();
        world.handle(Input::Scheduled { id: request.id, result: Ok(scheduled) });
        // The first one is told by time, the second one by the next uplink.
        world.advance(Duration::from_secs(if turn == 0 { 11 } else { 3 }));
        if turn == 0 {
            assert_eq!(world.take_ups(), ["sent"]);
        }
    }
    world.advance(Duration::from_secs(1));
    let tx = device.uplink(1, b"x", false, &world.entropy).unwrap();
    world.receive_and_wait(&tx);
    assert_eq!(world.take_ups(), ["sent", "uplink"]);
    let told = world.events.iter().find(|event| {
        event.definition.name == "ns.down.transmission.success"
            && event.data.to_json()["assumed"] == true
    });
    assert_eq!(told.unwrap().data.to_json()["reason"], "gateway_sends_no_tx_ack");
    assert!(!world.shard.counters().contains_key("unknown_outcome"));
}

#[test]
fn a_stop_closes_the_windows_that_are_open() {
    let mut world = World::with(&abp());
    let tx = abp_device().uplink(1, b"x", true, &world.entropy).unwrap();
    world.receive(&tx, "gateway-a");
    assert!(world.application.is_empty() && !world.shard.is_busy());
    world.handle(Input::Drain);
    assert_eq!(world.take_ups(), ["uplink"]);
    assert_eq!(world.transmissions.len(), 1, "the answer leaves");
    assert!(world.shard.is_busy(), "its report is waited for");
    world.transmitted(ttn_core::msg::TxResult::Success);
    assert!(!world.shard.is_busy());
}

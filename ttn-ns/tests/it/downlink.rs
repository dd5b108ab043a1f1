//! Downlinks and the application's queue.

use std::time::Duration;

use ttn_core::{
    msg::{ClassBC, TxResult, Up},
    peer::PeerError,
};
use ttn_mac::device::Received;
use ttn_ns::store::MemoryNetworkStore;

use crate::harness::{World, abp, abp_device, downlink, session_id};

fn send(world: &mut World, device: &mut ttn_mac::device::Device, confirmed: bool) {
    let tx = device.uplink(1, b"x", confirmed, &world.entropy).unwrap();
    world.receive_and_wait(&tx);
}

// NS-78, NS-93
#[test]
fn a_queued_downlink_goes_out_after_the_next_uplink() {
    let mut world = World::with(&abp());
    let mut device = abp_device();
    world.push(vec![downlink(0, false), downlink(1, false)]).unwrap();
    send(&mut world, &mut device, false);
    let request = world.transmitted(TxResult::Success);
    let Received::Data(data) = device.hear(&request.phy).unwrap() else { panic!("no data") };
    assert_eq!((data.f_cnt, data.f_port, data.f_pending), (0, Some(10), true)); // NS-92
    assert_eq!(world.take_ups(), ["uplink", "sent"]);
    assert_eq!(world.view().queue.len(), 1);
    assert!(world.event_names().contains(&"ns.down.transmission.success"));
}

// NS-87
#[test]
fn a_confirmed_downlink_is_acknowledged_by_the_next_uplink() {
    let mut world = World::with(&abp());
    let mut device = abp_device();
    world.push(vec![downlink(0, true)]).unwrap();
    send(&mut world, &mut device, false);
    let request = world.transmitted(TxResult::Success);
    device.hear(&request.phy).unwrap();
    world.advance(Duration::from_secs(10));
    send(&mut world, &mut device, false);
    assert_eq!(world.take_ups(), ["uplink", "sent", "ack", "uplink"]);
    // Without hearing it the device does not acknowledge.
    world.push(vec![downlink(1, true)]).unwrap();
    world.transmitted(TxResult::Success);
    world.advance(Duration::from_secs(10));
    send(&mut world, &mut device, false);
    assert_eq!(world.take_ups(), ["sent", "nack", "uplink"]);
    assert!(world.view().queue.is_empty());
}

// NS-88
#[test]
fn a_queue_takes_only_what_fits_and_says_what_would() {
    let mut world = World::with(&abp());
    let mut device = abp_device();
    world.push(vec![downlink(3, false)]).unwrap();
    let error = world.push(vec![downlink(3, false)]).unwrap_err();
    let PeerError::QueueMismatch(mismatch) = PeerError::from(error) else { panic!("no details") };
    assert_eq!(mismatch.reason.name, "f_cnt_too_low");
    let current = mismatch.current.unwrap();
    assert_eq!((current.min_f_cnt_down, current.session_key_id), (4, session_id()));
    assert_eq!(mismatch.pending, None);
    let mut foreign = downlink(4, false);
    foreign.session_key_id = ttn_core::key::SessionKeyId::new(b"other").unwrap();
    let error = world.push(vec![downlink(4, false), foreign]).unwrap_err();
    assert_eq!(error.to_body().name, "unknown_session");
    let mut long = downlink(4, false);
    long.frm_payload = vec![0; 300].into();
    assert_eq!(world.push(vec![long]).unwrap_err().to_body().name, "application_downlink_too_long");
    assert_eq!(world.view().queue.len(), 1, "all or none");
    // A push within the windows of the last uplink is sent at once.
    world.call(ttn_ns::shard::Command::ReplaceQueue {
        key: crate::harness::key(),
        downlinks: Vec::new(),
    });
    send(&mut world, &mut device, false);
    assert!(world.transmissions.is_empty());
    world.push(vec![downlink(0, false)]).unwrap();
    assert_eq!(world.transmissions.len(), 1);
}

#[test]
fn a_full_queue_refuses() {
    let mut world = World::with(&abp());
    let items = (0..10_000).map(|f_cnt| downlink(f_cnt, false)).collect();
    world.push(items).unwrap();
    let error = world.push(vec![downlink(10_000, false)]).unwrap_err();
    assert_eq!(error.to_body().name, "downlink_queue_capacity");
}

// NS-82
#[test]
fn a_refused_downlink_returns_to_the_head_with_its_counter() {
    let mut world = World::with(&abp());
    let mut device = abp_device();
    world.push(vec![downlink(0, false), downlink(1, false)]).unwrap();
    send(&mut world, &mut device, false);
    world.refused();
    let queue: Vec<_> = world.view().queue.iter().map(|item| item.f_cnt).collect();
    assert_eq!(queue, [0, 1]);
    let fail = world.events.iter().find(|e| e.definition.name == "ns.down.data.schedule.fail");
    assert_eq!(fail.unwrap().data.to_json()["message_format"], "busy");
    world.advance(Duration::from_secs(10));
    send(&mut world, &mut device, false);
    let request = world.transmitted(TxResult::Success);
    let Received::Data(data) = device.hear(&request.phy).unwrap() else { panic!("no data") };
    assert_eq!(data.f_cnt, 0);
    assert_eq!(world.take_ups(), ["uplink", "uplink", "sent"]);
}

// NS-93
#[test]
fn a_gateway_that_is_too_late_fails_the_downlink() {
    let mut world = World::with(&abp());
    let mut device = abp_device();
    world.push(vec![downlink(0, false)]).unwrap();
    send(&mut world, &mut device, false);
    world.transmitted(TxResult::TooLate);
    assert_eq!(world.take_ups(), ["uplink", "failed"]);
    assert!(world.view().queue.is_empty());
}

// NS-90
#[test]
fn a_network_downlink_invalidates_the_queue_of_a_shared_counter() {
    let mut world = World::with(&abp());
    let mut device = abp_device();
    let mut bound = downlink(0, false);
    bound.class_b_c = Some(ClassBC { gateways: Vec::new(), absolute_time: None });
    world.push(vec![bound, downlink(1, false)]).unwrap();
    send(&mut world, &mut device, true);
    let request = world.transmitted(TxResult::Success);
    let Received::Data(data) = device.hear(&request.phy).unwrap() else { panic!("no data") };
    assert!(data.ack && data.payload.is_empty());
    let Some(Up::DownlinkQueueInvalidated(invalidated)) = world
        .application
        .iter()
        .map(|up| up.up.clone())
        .find(|up| crate::harness::kind(up) == "invalidated")
    else {
        panic!("not invalidated")
    };
    assert_eq!(invalidated.last_f_cnt_down, 0);
    assert_eq!(invalidated.downlinks.len(), 2);
    assert!(world.view().queue.is_empty());
}

// DESIGN 4: the counter is durable before the frame leaves.
#[test]
fn nothing_is_transmitted_or_answered_before_it_is_durable() {
    let mut world = World::with_store(&abp(), MemoryNetworkStore::held_back());
    let device = Box::new(abp());
    let replaces = ttn_core::store::Replaces::Nothing;
    let command = ttn_ns::shard::Command::Put { device, hot: None, replaces };
    assert!(world.call(command).is_none(), "the caller waits");
    world.store.release();
    world.watermark();
    let tx = abp_device().uplink(1, b"x", true, &world.entropy).unwrap();
    world.receive_and_wait(&tx);
    assert_eq!(world.take_ups(), ["uplink"], "the log record is submitted");
    assert!(world.transmissions.is_empty());
    world.store.release();
    world.watermark();
    let request = world.transmissions.pop().expect("the acknowledgement");
    assert!(request.rx1.is_some());
}

// DESIGN 6: late for RX1 means RX2, later still means `store_stalled`.
#[test]
fn a_late_watermark_means_rx2_and_then_a_drop() {
    for (wait_ms, rx2) in [(4_800, true), (7_000, false)] {
        let mut world = World::with_store(&abp(), MemoryNetworkStore::held_back());
        let device = Box::new(abp());
        let replaces = ttn_core::store::Replaces::Nothing;
        world.call(ttn_ns::shard::Command::Put { device, hot: None, replaces });
        world.store.release();
        world.watermark();
        let mut device = abp_device();
        assert!(
            world
                .call(ttn_ns::shard::Command::PushQueue {
                    key: crate::harness::key(),
                    downlinks: vec![downlink(0, false)],
                })
                .is_none()
        );
        world.store.release();
        world.watermark();
        send(&mut world, &mut device, false);
        world.advance(Duration::from_millis(wait_ms));
        world.store.release();
        world.watermark();
        if rx2 {
            let request = world.transmissions.pop().expect("RX2");
            assert!(request.rx1.is_none() && request.rx2.is_some());
        } else {
            assert!(world.transmissions.is_empty());
            let fail =
                world.events.iter().find(|e| e.definition.name == "ns.down.data.schedule.fail");
            let data = fail.unwrap().data.to_json();
            assert_eq!(data["reason"], "store_stalled");
            assert!(data["late_ms"].as_u64().unwrap() > 0);
            world.store.release();
            world.watermark();
            let view = world.view();
            assert_eq!(view.queue.len(), 1, "the item keeps its place");
            assert_eq!(view.hot.n_f_cnt_down, None, "and its counter");
        }
    }
}

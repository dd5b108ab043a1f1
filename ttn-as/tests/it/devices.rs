//! What is registered about devices, and what their uplinks tell about them (AS-07, AS-17 to AS-19).

use std::{sync::atomic::Ordering, time::Duration};

use ttn_as::testing;
use ttn_core::{
    msg::{ApplicationUp, Up},
    peer::{DeviceInfo, DeviceUpdate},
};

use crate::world::{World, as_uplink, device, settle, uplink};

/// GPS on channel 1 at 52.5, 4.5, 12 m as Cayenne LPP.
const GPS: [u8; 11] = [1, 0x88, 0x08, 0x02, 0xC8, 0x00, 0xAF, 0xC8, 0x00, 0x04, 0xB0];

fn info() -> DeviceInfo {
    (*testing::context().device.unwrap()).clone()
}

// AS-17, AS-18
#[tokio::test(start_paused = true)]
async fn uplinks_carry_what_is_registered_and_it_is_asked_once() {
    let world = World::with_directory(Some(info())).await;
    world.deliver(vec![uplink(1, &[3, 0x67, 0, 1]), uplink(2, &[3, 0x67, 0, 1])]);
    settle().await;
    world.deliver(vec![uplink(3, &[3, 0x67, 0, 1])]);
    let log = world.log().await;
    assert_eq!(log.len(), 3);
    for message in &log {
        let json: serde_json::Value = serde_json::from_slice(&message.json()).unwrap();
        let message = &json["uplink_message"];
        assert_eq!(message["locations"]["user"]["latitude"], 52.25);
        assert_eq!(message["version_ids"]["brand_id"], "my-brand");
        assert_eq!(message["network_ids"]["net_id"], "000013");
    }
    assert_eq!(world.directory.asked.load(Ordering::Relaxed), 1);
}

// AS-17: refreshed behind the uplinks
#[tokio::test(start_paused = true)]
async fn what_is_registered_is_asked_again_after_hours() {
    let world = World::with_directory(None).await;
    world.deliver(vec![uplink(1, &[0])]);
    settle().await;
    *world.directory.info.lock() = Some(info());
    tokio::time::sleep(Duration::from_secs(4 * 3600)).await;
    world.deliver(vec![uplink(2, &[0])]);
    settle().await;
    world.deliver(vec![uplink(3, &[0])]);
    let log = world.log().await;
    let known = |at: usize| log[at].record().context.device.is_some();
    assert!(!known(0) && known(2));
}

// AS-17: an Identity Server that does not answer costs five seconds once
#[tokio::test(start_paused = true)]
async fn uplinks_do_not_wait_for_an_identity_server_that_is_away() {
    let world = World::with_directory(None).await;
    *world.directory.away.lock() = true;
    world.deliver(vec![uplink(1, &[0])]);
    tokio::time::sleep(Duration::from_secs(6)).await;
    world.deliver(vec![uplink(2, &[0])]);
    assert_eq!(world.log().await.len(), 2);
}

// AS-17
#[tokio::test(start_paused = true)]
async fn a_place_in_a_payload_is_told_and_registered() {
    let world = World::with_directory(None).await;
    world.deliver(vec![uplink(1, &GPS)]);
    let log = world.log().await;
    let Up::LocationSolved(solved) = &log[1].record().up.up else { panic!("{log:?}") };
    assert_eq!(solved.service, "frm-payload");
    assert_eq!((solved.location.latitude, solved.location.altitude), (52.5, 12));
    let updates = world.directory.updates.lock().clone();
    let located = updates.iter().filter(|update| matches!(update, DeviceUpdate::Located { .. }));
    assert_eq!(located.count(), 1);
    world.deliver(vec![uplink(2, &[0])]);
    let log = world.log().await;
    let known = log[2].record().context.device.as_ref().unwrap();
    assert!(known.locations.contains_key("frm-payload"), "it is with the next uplink");
}

// AS-07
#[tokio::test(start_paused = true)]
async fn a_device_is_activated_by_its_first_data_once() {
    let world = World::with_directory(None).await;
    let activated = |world: &World| {
        let updates = world.directory.updates.lock();
        updates.iter().filter(|update| matches!(update, DeviceUpdate::Activated(_))).count()
    };
    assert!(world.server.device(&device()).unwrap().0.value.activated_at.is_none());
    *world.directory.away.lock() = true;
    world.deliver(vec![uplink(1, &[0])]);
    settle().await;
    *world.directory.away.lock() = false;
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(activated(&world), 1);
    assert!(world.server.device(&device()).unwrap().0.value.activated_at.is_some());
    let world = world.restarted(None).await;
    world.peers.set_directory(&world.directory);
    world.deliver(vec![uplink(2, &[0])]);
    settle().await;
    assert_eq!(activated(&world), 0, "it is kept over a restart");
}

// AS-19
#[tokio::test(start_paused = true)]
async fn a_simulated_uplink_is_decoded_and_changes_nothing() {
    let world = World::with_directory(None).await;
    let before = world.server.device(&device()).unwrap().1;
    let mut sent = testing::uplink(77, &GPS);
    sent.session_key_id = crate::world::key_id("other");
    let up = |up| ApplicationUp { up, ..testing::up(Up::DownlinkSent(testing::downlink(1))) };
    world.server.simulate(up(Up::Uplink(Box::new(sent)))).unwrap();
    let log = world.log().await;
    assert_eq!(log.len(), 2, "the uplink and its place");
    assert_eq!(&*as_uplink(&log[0].record().up.up).frm_payload, &GPS);
    assert!(log[0].record().decoded.is_some());
    assert!(log.iter().all(|message| message.record().up.simulated));
    assert!(world.directory.updates.lock().is_empty());
    let after = world.server.device(&device()).unwrap().1;
    assert_eq!(after.current, before.current);
    assert!(world.server.simulate(up(Up::DownlinkSent(testing::downlink(1)))).is_err());
}

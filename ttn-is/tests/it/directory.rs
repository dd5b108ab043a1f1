use std::time::Duration;

use ttn_core::{
    clock::Clock as _,
    eui::GatewayEui,
    msg::{Location, LocationSource, PathConstraint},
    peer::{DeviceUpdate, Directory},
    time::Timestamp,
};
use ttn_is::record::{self, Antenna, Device, Gateway, Span};

use crate::bench::Bench;

const EUI: GatewayEui = GatewayEui::from_u64(0x0102_0304_0506_0708);

#[tokio::test]
async fn a_gateway_is_found_as_it_is_registered_now() {
    let bench = Bench::new().await;
    let owner = bench.user("alice").await;
    let server = &bench.server;
    let id = "gtw1".parse().unwrap();
    assert_eq!(server.gateway_by_eui(EUI).await.unwrap(), None);
    let location = record::Location {
        latitude: 52.0,
        longitude: 4.0,
        source: 3,
        ..record::Location::default()
    };
    let record = Gateway {
        frequency_plan_ids: vec!["EU_863_870".to_owned()],
        enforce_duty_cycle: true,
        downlink_path_constraint: 2,
        schedule_anytime_delay: Some(Span { seconds: 0, nanos: 530_000_000 }),
        antennas: vec![Antenna { gain: 3.0, location: Some(location), ..Antenna::default() }],
        ..Gateway::new(&id).with_eui(EUI)
    };
    let entity = bench.gateway(&owner, "alice", record).await;
    let info = server.gateway_by_eui(EUI).await.unwrap().unwrap();
    assert_eq!(info.ids.gateway_id, id);
    assert_eq!(info.path_constraint, PathConstraint::Never);
    assert_eq!(info.schedule_anytime_delay, Some(Duration::from_millis(530)));
    assert_eq!(info.antennas[0].1.unwrap().latitude, 52.0);
    assert_eq!(server.gateway(&id).await.unwrap(), Some(info));
    // What is cached follows every change.
    let off = |gateway: &mut Gateway| {
        gateway.enforce_duty_cycle = false;
        gateway.ids.get_or_insert_default().eui = vec![9; 8];
        Ok(())
    };
    server.update_gateway(&owner, &id, &[], off).await.unwrap();
    assert_eq!(server.gateway_by_eui(EUI).await.unwrap(), None);
    assert!(!server.gateway(&id).await.unwrap().unwrap().enforce_duty_cycle);
    server.delete(&owner, &entity).await.unwrap();
    assert_eq!(server.gateway(&id).await.unwrap(), None);
}

#[tokio::test]
async fn devices_are_found_by_their_euis_and_seen_forward_only() {
    let bench = Bench::new().await;
    let owner = bench.user("alice").await;
    bench.application(&owner, "alice", "app1").await;
    let (join_eui, dev_eui) = ("11".repeat(8).parse().unwrap(), "22".repeat(8).parse().unwrap());
    let key: ttn_core::id::DeviceKey = "app1.dev1".parse().unwrap();
    let record = Device::new(&key).with_euis(join_eui, dev_eui);
    bench.server.create_device(&owner, record).await.unwrap();
    let ids = bench.server.device_ids_by_euis(join_eui, dev_eui).await.unwrap().unwrap();
    assert_eq!((ids.key, ids.dev_eui), (key.clone(), Some(dev_eui)));
    let now = bench.clock.utc();
    let gone = "app1.gone".parse().unwrap();
    let seen =
        vec![(gone, now), (key.clone(), now), (key.clone(), now.minus(Duration::from_secs(9)))];
    bench.server.report_last_seen(seen).await.unwrap();
    let device = bench.server.device(&owner, &key).await.unwrap();
    assert_eq!(device.last_seen_at.map(Timestamp::from), Some(now));
}

// AS-07, AS-17, AS-18
#[tokio::test]
async fn what_becomes_known_about_a_device_is_merged() {
    let bench = Bench::new().await;
    let owner = bench.user("alice").await;
    bench.application(&owner, "alice", "app1").await;
    let (join_eui, dev_eui) = ("11".repeat(8).parse().unwrap(), "22".repeat(8).parse().unwrap());
    let key: ttn_core::id::DeviceKey = "app1.dev1".parse().unwrap();
    let record = Device::new(&key).with_euis(join_eui, dev_eui);
    bench.server.create_device(&owner, record).await.unwrap();
    let directory: &dyn Directory = &*bench.server;
    let now = bench.clock.utc();
    let place = |latitude| Location {
        latitude,
        longitude: 4.5,
        altitude: 0,
        accuracy: 0,
        source: LocationSource::Gps,
    };
    let located = |service: &str, latitude| DeviceUpdate::Located {
        service: service.into(),
        location: place(latitude),
    };
    for update in [
        DeviceUpdate::Activated(now),
        DeviceUpdate::Activated(now.plus(Duration::from_secs(9))),
        located("user", 1.0),
        located("frm-payload", 2.0),
        located("frm-payload", 3.0),
    ] {
        directory.update_device(&key, update).await.unwrap();
    }
    directory.update_device(&"app1.gone".parse().unwrap(), located("x", 1.0)).await.unwrap();
    let info = directory.device(&key).await.unwrap().unwrap();
    let expected = [("frm-payload".to_owned(), place(3.0)), ("user".to_owned(), place(1.0))];
    assert_eq!(info.locations, expected.into());
    let device = bench.server.device(&owner, &key).await.unwrap();
    assert_eq!(device.activated_at.map(Timestamp::from), Some(now));
    assert!(directory.device(&"app1.gone".parse().unwrap()).await.unwrap().is_none());
}

#[tokio::test]
async fn an_application_is_found_until_it_is_deleted() {
    let bench = Bench::new().await;
    let owner = bench.user("alice").await;
    let app = bench.application(&owner, "alice", "app1").await;
    let id = "app1".parse().unwrap();
    assert_eq!(bench.server.application(&owner, &id).await.unwrap().id(), "app1");
    let server: &dyn Directory = &*bench.server;
    assert!(server.application(&id).await.unwrap().is_some());
    bench.server.delete(&owner, &app).await.unwrap();
    assert!(server.application(&id).await.unwrap().is_none());
}

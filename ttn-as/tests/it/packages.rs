//! Application packages (AS-53, AS-56).

use std::sync::Arc;

use serde_json::json;
use tonic::Code;
use ttn_as::{
    integration::packages::{Association, PackageError, Place},
    testing,
};
use ttn_core::{
    msg::Up,
    store::Replaces,
    time::{GpsTime, Timestamp},
};
use ttn_mac::{
    command::Direction,
    package::clock_sync::{Downlink, Uplink, parse_downlink},
};
use ttn_proto::{service::ApplicationPackageRegistry, v3};

use crate::{
    api::{Tokens, api, application, bearer},
    world::{World, crypt, device, key_id, settle},
};

const PORT: u8 = 202;

fn association(data: serde_json::Value) -> Association {
    Association {
        package_name: "alcsync-v1".to_owned(),
        data: data.as_object().unwrap().clone(),
        ..Association::default()
    }
}

async fn set(world: &World, place: Place, data: serde_json::Value) -> Result<(), PackageError> {
    world.server.set_association(&place, &association(data), Replaces::Any).await
}

fn of_all() -> Place {
    Place::Default("my-app".parse().unwrap(), PORT)
}

fn of_device() -> Place {
    Place::Device(device(), PORT)
}

/// An uplink on the port of the package, received at second 1 795 000 000.
fn asks(f_cnt: u32, error: i32, answer_required: bool) -> Up {
    // The gateway notes the end of the frame; the device its clock at the start.
    let mut uplink = testing::uplink(f_cnt, &[]);
    let sent = Timestamp::from_unix_secs(1_795_000_000).minus(uplink.consumed_airtime);
    let gps = GpsTime::from_utc(sent).nanos() / 1_000_000_000;
    let device_time = (gps as u32).wrapping_sub(error as u32);
    let mut payload = Vec::new();
    Uplink::AppTimeReq { device_time, token: 3, answer_required }.encode(&mut payload);
    uplink.frm_payload = crypt(Direction::Uplink, f_cnt, &payload).into();
    uplink.f_port = Some(PORT);
    uplink.session_key_id = key_id("one");
    Up::Uplink(Box::new(uplink))
}

/// What the device was told since the last call.
async fn told(world: &World) -> Vec<Downlink> {
    settle().await;
    let sent = std::mem::take(&mut *world.ns.pushed.lock());
    let commands = sent.iter().flat_map(|downlink| {
        assert_eq!(downlink.f_port, PORT);
        let clear = crypt(Direction::Downlink, downlink.f_cnt, &downlink.frm_payload);
        parse_downlink(&clear).map(Result::unwrap).collect::<Vec<_>>()
    });
    commands.collect()
}

// AS-56
#[tokio::test(start_paused = true)]
async fn a_clock_that_is_off_is_corrected_and_one_that_is_right_is_not() {
    let world = World::new().await;
    set(&world, of_all(), json!({})).await.unwrap();
    world.deliver(vec![asks(1, 10, false)]);
    assert_eq!(told(&world).await, [Downlink::AppTimeAns { correction: 10, token: 3 }]);
    let prefix = "as.packages.alcsync.v1.time_correction.";
    assert_eq!(
        world.event_names(prefix),
        ["cmd_received", "answer_enqueued"].map(|name| format!("{prefix}{name}"))
    );
    world.deliver(vec![asks(2, 4, false)]);
    assert_eq!(told(&world).await, []);
    world.deliver(vec![asks(3, -5, false)]);
    assert_eq!(told(&world).await, [Downlink::AppTimeAns { correction: -5, token: 3 }]);
    world.deliver(vec![asks(4, 0, true)]);
    assert_eq!(told(&world).await, [Downlink::AppTimeAns { correction: 0, token: 3 }]);
}

// AS-53: data of the device lie over those of the application
#[tokio::test(start_paused = true)]
async fn data_of_a_device_lie_over_those_of_its_application() {
    let world = World::new().await;
    set(&world, of_all(), json!({ "threshold": 60, "periodicity": 3 })).await.unwrap();
    world.deliver(vec![asks(1, 10, false)]);
    let period = Downlink::DeviceAppTimePeriodicityReq { period: 3 };
    assert_eq!(told(&world).await, [period], "asked once");
    set(&world, of_device(), json!({ "threshold": 5 })).await.unwrap();
    world.deliver(vec![asks(2, 10, false)]);
    assert_eq!(told(&world).await, [Downlink::AppTimeAns { correction: 10, token: 3 }]);
    world.server.delete_association(&of_device()).await.unwrap();
    world.server.delete_association(&of_all()).await.unwrap();
    world.deliver(vec![asks(3, 100, true)]);
    assert_eq!(told(&world).await, []);
}

// AS-56: forced resynchronization, periodicity and version
#[tokio::test(start_paused = true)]
async fn a_device_is_asked_when_it_is_set() {
    let world = World::new().await;
    let data = json!({ "resync": 2, "periodicity": 5, "ask_version": true });
    set(&world, of_device(), data).await.unwrap();
    let expected = [
        Downlink::PackageVersionReq,
        Downlink::DeviceAppTimePeriodicityReq { period: 5 },
        Downlink::ForceDeviceResyncReq { transmissions: 2 },
    ];
    assert_eq!(told(&world).await, expected);
    world.deliver(vec![asks(1, 0, true)]);
    assert_eq!(told(&world).await, [Downlink::AppTimeAns { correction: 0, token: 3 }]);
    let wrong = set(&world, of_device(), json!({ "periodicity": 16 })).await;
    assert!(matches!(wrong, Err(PackageError::Field { field: "periodicity", .. })));
}

// AS-56: bad octets become an event, and what came before them is answered
#[tokio::test(start_paused = true)]
async fn commands_that_cannot_be_read_are_told() {
    let world = World::new().await;
    set(&world, of_all(), json!({})).await.unwrap();
    let mut uplink = testing::uplink(1, &crypt(Direction::Uplink, 1, &[0, 1, 1, 0x77, 1]));
    uplink.f_port = Some(PORT);
    uplink.session_key_id = key_id("one");
    world.deliver(vec![Up::Uplink(Box::new(uplink))]);
    settle().await;
    assert_eq!(world.event_names("as.packages"), ["as.packages.alcsync.v1.fail"]);
}

// AS-53: an association outlives a restart
#[tokio::test(start_paused = true)]
async fn associations_are_kept() {
    let world = World::new().await;
    set(&world, of_all(), json!({})).await.unwrap();
    let world = world.restarted(None).await;
    settle().await;
    world.deliver(vec![asks(1, 10, false)]);
    assert_eq!(told(&world).await.len(), 1);
}

const SETTINGS: &str = "RIGHT_APPLICATION_SETTINGS_PACKAGES";

// AS-53
#[tokio::test(start_paused = true)]
async fn associations_are_set_read_listed_and_deleted() {
    let (world, access) = (World::new().await, Arc::new(Tokens));
    let api = api(&world, &access);
    let end_device_ids = v3::EndDeviceIdentifiers::from(&device());
    let packages = bearer(end_device_ids.clone(), "RIGHT_APPLICATION_DEVICES_READ");
    let packages = api.list(packages).await.unwrap().into_inner().packages;
    assert_eq!((packages[0].name.as_str(), packages[0].default_f_port), ("alcsync-v1", 202));

    let mask = |paths: &[&str]| {
        let paths = paths.iter().map(ToString::to_string).collect();
        Some(prost_types::FieldMask { paths })
    };
    let ids = |f_port| v3::ApplicationPackageAssociationIdentifiers {
        end_device_ids: Some(end_device_ids.clone()),
        f_port,
    };
    let set = |f_port, name: &str| v3::SetApplicationPackageAssociationRequest {
        association: Some(v3::ApplicationPackageAssociation {
            ids: Some(ids(f_port)),
            package_name: name.to_owned(),
            ..Default::default()
        }),
        field_mask: mask(&["package_name"]),
    };
    let refused = api.set_association(bearer(set(5, "alcsync-v1"), "RIGHT_APPLICATION_INFO")).await;
    assert_eq!(refused.unwrap_err().code(), Code::PermissionDenied);
    let refused = api.set_association(bearer(set(5, "unknown"), SETTINGS)).await.unwrap_err();
    assert_eq!(ttn_rpc::status::to_body(&refused).name, "package_not_implemented");
    for port in [202, 5] {
        api.set_association(bearer(set(port, "alcsync-v1"), SETTINGS)).await.unwrap();
    }
    let list = v3::ListApplicationPackageAssociationRequest {
        ids: Some(end_device_ids.clone()),
        limit: 1,
        page: 2,
        field_mask: mask(&["package_name"]),
    };
    let list = api.list_associations(bearer(list, SETTINGS)).await.unwrap();
    assert_eq!(list.metadata().get("x-total-count").unwrap(), "2");
    let second = &list.get_ref().associations[0];
    assert_eq!(second.ids.as_ref().unwrap().f_port, 202);
    assert_eq!(second.package_name, "alcsync-v1");
    api.delete_association(bearer(ids(5), SETTINGS)).await.unwrap();
    let get = v3::GetApplicationPackageAssociationRequest { ids: Some(ids(5)), field_mask: None };
    let missing = api.get_association(bearer(get, SETTINGS)).await.unwrap_err();
    assert_eq!(missing.code(), Code::NotFound);

    let ids = v3::ApplicationPackageDefaultAssociationIdentifiers {
        application_ids: Some(application()),
        f_port: 9,
    };
    let set = v3::SetApplicationPackageDefaultAssociationRequest {
        default: Some(v3::ApplicationPackageDefaultAssociation {
            ids: Some(ids.clone()),
            package_name: "alcsync-v1".to_owned(),
            ..Default::default()
        }),
        field_mask: mask(&["package_name"]),
    };
    api.set_default_association(bearer(set, SETTINGS)).await.unwrap();
    let list = v3::ListApplicationPackageDefaultAssociationRequest {
        ids: Some(application()),
        ..Default::default()
    };
    let list = api.list_default_associations(bearer(list, SETTINGS)).await.unwrap().into_inner();
    assert_eq!(list.defaults.len(), 1);
    api.delete_default_association(bearer(ids, SETTINGS)).await.unwrap();
    assert!(world.server.default_associations(&"my-app".parse().unwrap()).is_empty());
}

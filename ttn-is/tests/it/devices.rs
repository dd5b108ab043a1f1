use ttn_core::{error::ApiError as _, id::DeviceKey};
use ttn_is::{
    Query,
    record::{Application, Device},
};

use crate::bench::{Bench, name};

const JOIN_EUI: &str = "1112131415161718";
const DEV_EUI: &str = "0102030405060708";

fn device(key: &str) -> Device {
    Device::new(&key.parse().unwrap())
}

fn with_euis(key: &str) -> Device {
    device(key).with_euis(JOIN_EUI.parse().unwrap(), DEV_EUI.parse().unwrap())
}

fn key(text: &str) -> DeviceKey {
    text.parse().unwrap()
}

// IS-07
#[tokio::test]
async fn an_application_with_devices_is_not_deleted() {
    let bench = Bench::new().await;
    let owner = bench.user("alice").await;
    let app = bench.application(&owner, "alice", "app1").await;
    bench.server.create_device(&owner, device("app1.dev1")).await.unwrap();
    let error = bench.server.delete(&owner, &app).await.unwrap_err();
    assert_eq!(error.name(), "application_has_devices");
    assert_eq!(error.attributes()["count"], 1);
    assert_eq!(name(bench.server.purge(&bench.admin, &app).await), "application_has_devices");
    bench.server.delete_device(&owner, &key("app1.dev1")).await.unwrap();
    bench.server.delete(&owner, &app).await.unwrap();
    let names = bench.event_names();
    assert!(names.contains(&"end_device.create") && names.contains(&"end_device.delete"));
}

#[tokio::test]
async fn a_device_and_the_end_of_its_application_exclude_each_other() {
    let bench = Bench::new().await;
    let owner = bench.user("alice").await;
    let app = bench.application(&owner, "alice", "app1").await;
    let (created, deleted) = tokio::join!(
        bench.server.create_device(&owner, device("app1.dev1")),
        bench.server.delete(&owner, &app),
    );
    assert!(created.is_ok() != deleted.is_ok(), "{created:?} {deleted:?}");
}

// IS-13
#[tokio::test]
async fn a_pair_of_euis_belongs_to_one_device() {
    let bench = Bench::new().await;
    let (owner, other) = (bench.user("alice").await, bench.user("other").await);
    bench.application(&owner, "alice", "app-one").await;
    bench.application(&other, "other", "app-two").await;
    bench.server.create_device(&owner, with_euis("app-one.dev-one")).await.unwrap();
    let error = bench.server.create_device(&other, with_euis("app-two.dev-two")).await.unwrap_err();
    assert_eq!(error.name(), "end_device_euis_taken");
    let attributes = error.attributes();
    assert_eq!(attributes["device_id"], "dev-one");
    assert_eq!(attributes["application_id"], "app-one");
    assert_eq!(attributes["join_eui"], JOIN_EUI);
    assert_eq!(attributes["dev_eui"], DEV_EUI);
    // The refused device left nothing behind.
    let none = bench.server.device(&other, &key("app-two.dev-two")).await;
    assert_eq!(name(none), "end_device_not_found");
    let again = bench.server.create_device(&owner, device("app-one.dev-one")).await;
    assert_eq!(name(again), "id_taken");
    bench.server.delete_device(&owner, &key("app-one.dev-one")).await.unwrap();
    bench.server.create_device(&other, with_euis("app-two.dev-two")).await.unwrap();
}

// IS-13
#[tokio::test]
async fn server_hosts_must_be_those_of_the_application() {
    let bench = Bench::new().await;
    let owner = bench.user("alice").await;
    bench.application(&owner, "alice", "app1").await;
    let set = |application: &mut Application| {
        application.network_server_address = "eu1.example.com".to_owned();
        Ok(())
    };
    bench.server.update_application(&owner, &"app1".parse().unwrap(), &[], set).await.unwrap();
    let mut wrong = device("app1.dev1");
    wrong.network_server_address = "us1.example.com:8884".to_owned();
    let refused = bench.server.create_device(&owner, wrong.clone()).await;
    assert_eq!(name(refused), "network_server_address_mismatch");
    wrong.network_server_address = "eu1.example.com:8884".to_owned();
    bench.server.create_device(&owner, wrong).await.unwrap();
    let change = |device: &mut Device| {
        device.network_server_address = "us1.example.com".to_owned();
        Ok(())
    };
    let refused = bench.server.update_device(&owner, &key("app1.dev1"), &[], change).await;
    assert_eq!(name(refused), "network_server_address_mismatch");
}

#[tokio::test]
async fn devices_are_listed_found_and_kept_from_strangers() {
    let bench = Bench::new().await;
    let (owner, stranger) = (bench.user("alice").await, bench.user("stranger").await);
    bench.application(&owner, "alice", "app1").await;
    bench.application(&owner, "alice", "app1-2").await;
    bench.server.create_device(&owner, with_euis("app1.one")).await.unwrap();
    bench.server.create_device(&owner, device("app1.two")).await.unwrap();
    bench.server.create_device(&owner, device("app1-2.one")).await.unwrap();
    let app = "app1".parse().unwrap();
    let page = bench.server.list_devices(&owner, &app, &Query::default()).await.unwrap();
    assert_eq!(page.items.iter().map(Device::id).collect::<Vec<_>>(), ["one", "two"]);
    for (order, number, found) in
        [("", 1, "one"), ("", 2, "two"), ("device_id", 2, "two"), ("-device_id", 2, "one")]
    {
        let query = Query { order: order.to_owned(), limit: 1, page: number, ..Query::default() };
        let page = bench.server.list_devices(&owner, &app, &query).await.unwrap();
        assert_eq!(page.items.iter().map(Device::id).collect::<Vec<_>>(), [found]);
        assert_eq!(page.total, 2);
    }
    let query = Query { limit: 1, page: u32::MAX, ..Query::default() };
    assert!(bench.server.list_devices(&owner, &app, &query).await.unwrap().items.is_empty());
    let euis = (JOIN_EUI.parse().unwrap(), DEV_EUI.parse().unwrap());
    let found = bench.server.device_by_euis(&owner, euis.0, euis.1).await.unwrap();
    assert_eq!(found.id(), "one");
    let hidden = bench.server.device_by_euis(&stranger, euis.0, euis.1).await;
    assert_eq!(name(hidden), "end_device_not_found");
    let refused = bench.server.list_devices(&stranger, &app, &Query::default()).await;
    assert_eq!(name(refused), "no_application_rights");
    let refused = bench.server.delete_device(&stranger, &key("app1.one")).await;
    assert_eq!(name(refused), "no_application_rights");
}

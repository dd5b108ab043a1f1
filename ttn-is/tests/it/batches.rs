use std::time::Duration;

use ttn_core::{
    auth::{Right, Rights},
    clock::Clock as _,
    eui::DevEui,
    id::{ApplicationId, DeviceId, GatewayId},
};
use ttn_is::{
    Config, DevEuis, EuiBlock, Query,
    record::{Device, Gateway},
};

use crate::bench::{Bench, account, name, set};

fn app() -> ApplicationId {
    "app1".parse().unwrap()
}

fn devices(ids: &[&str]) -> Vec<DeviceId> {
    ids.iter().map(|id| id.parse().unwrap()).collect()
}

fn gateways(ids: &[&str]) -> Vec<GatewayId> {
    ids.iter().map(|id| id.parse().unwrap()).collect()
}

// IS-15, IS-07
#[tokio::test]
async fn several_devices_are_read_and_deleted_at_once() {
    let bench = Bench::new().await;
    let (owner, stranger) = (bench.user("alice").await, bench.user("stranger").await);
    let entity = bench.application(&owner, "alice", "app1").await;
    let server = &bench.server;
    for (index, id) in ["one", "two", "three"].into_iter().enumerate() {
        let device = Device::new(&format!("app1.{id}").parse().unwrap())
            .with_euis("11".repeat(8).parse().unwrap(), DevEui::from_u64(index as u64));
        server.create_device(&owner, device).await.unwrap();
    }
    let some = devices(&["three", "one", "none", "one"]);
    let read = server.devices(&owner, &app(), &some).await.unwrap();
    assert_eq!(read.iter().map(Device::id).collect::<Vec<_>>(), ["one", "three"]);
    assert_eq!(name(server.devices(&stranger, &app(), &some).await), "no_application_rights");
    let refused = server.delete_devices(&stranger, &app(), &some).await;
    assert_eq!(name(refused), "no_application_rights");
    server.delete_devices(&owner, &app(), &some).await.unwrap();
    let left = server.list_devices(&owner, &app(), &Query::default()).await.unwrap();
    assert_eq!(left.items.iter().map(Device::id).collect::<Vec<_>>(), ["two"]);
    let told = bench.event_names().into_iter().filter(|name| *name == "end_device.batch.delete");
    assert_eq!(told.count(), 2);
    // The count is right: with the last device gone, the application can go, and EUIs are free.
    assert_eq!(name(server.delete(&owner, &entity).await), "application_has_devices");
    server.delete_devices(&owner, &app(), &devices(&["two"])).await.unwrap();
    let again = Device::new(&"app1.four".parse().unwrap())
        .with_euis("11".repeat(8).parse().unwrap(), DevEui::from_u64(0));
    server.create_device(&owner, again).await.unwrap();
    server.delete_devices(&owner, &app(), &devices(&["four"])).await.unwrap();
    server.delete(&owner, &entity).await.unwrap();
}

// IS-15
#[tokio::test]
async fn several_gateways_are_deleted_all_or_none() {
    let bench = Bench::new().await;
    let (owner, other) = (bench.user("alice").await, bench.user("other").await);
    let server = &bench.server;
    let gateway = |id: &str, eui: u64| {
        let eui = ttn_core::eui::GatewayEui::from_u64(eui);
        Gateway::new(&id.parse().unwrap()).with_eui(eui)
    };
    let one = bench.gateway(&owner, "alice", gateway("gtw-one", 1)).await;
    bench.gateway(&owner, "alice", gateway("gtw-two", 2)).await;
    bench.gateway(&other, "other", gateway("gtw-other", 3)).await;

    let link = set(&[Right::GatewayLink]);
    server.assert_gateway_rights(&owner, &gateways(&["gtw-one", "gtw-two"]), link).await.unwrap();
    let foreign = gateways(&["gtw-one", "gtw-other"]);
    let refused = server.assert_gateway_rights(&owner, &foreign, link).await;
    assert_eq!(name(refused), "no_gateway_rights");
    let missing = gateways(&["gtw-one", "gtw-none"]);
    let refused = server.assert_gateway_rights(&bench.admin, &missing, link).await;
    assert_eq!(name(refused), "some_gateways_not_found");
    let wrong = set(&[Right::GatewayLink, Right::ApplicationInfo]);
    let refused = server.assert_gateway_rights(&owner, &gateways(&["gtw-one"]), wrong).await;
    assert_eq!(name(refused), "non_gateway_rights");
    let none = server.assert_gateway_rights(&owner, &gateways(&["gtw-one"]), Rights::NONE).await;
    assert_eq!(name(none), "empty_request");

    assert_eq!(name(server.delete_gateways(&owner, &foreign).await), "no_gateway_rights");
    assert!(server.gateway_record(&owner, &"gtw-one".parse().unwrap()).await.is_ok());
    server.delete_gateways(&owner, &gateways(&["gtw-one", "gtw-two", "gtw-one"])).await.unwrap();
    assert_eq!(server.list_gateways(&owner, None, &Query::default()).await.unwrap().total, 0);
    // They are deleted as one by one: the EUI is free, and they come back.
    bench.gateway(&other, "other", gateway("gtw-new", 2)).await;
    server.restore(&owner, &one).await.unwrap();
    let told = bench.event_names().into_iter().filter(|name| *name == "gateway.batch.delete");
    assert_eq!(told.count(), 2);
}

// IS-14
#[tokio::test]
async fn lists_give_what_changed_since_a_time() {
    let bench = Bench::new().await;
    let owner = bench.user("alice").await;
    bench.application(&owner, "alice", "app1").await;
    let server = &bench.server;
    server.create_device(&owner, Device::new(&"app1.dev-old".parse().unwrap())).await.unwrap();
    bench.gateway(&owner, "alice", Gateway::new(&"gtw-old".parse().unwrap())).await;
    bench.clock.advance(Duration::from_secs(10));
    let since = bench.clock.utc();
    server.create_device(&owner, Device::new(&"app1.dev-new".parse().unwrap())).await.unwrap();
    bench.gateway(&owner, "alice", Gateway::new(&"gtw-new".parse().unwrap())).await;
    let query = Query { updated_since: Some(since), ..Query::default() };
    let page = server.list_devices(&owner, &app(), &query).await.unwrap();
    assert_eq!((page.total, page.items[0].id()), (1, "dev-new"));
    let page = server.list_gateways(&owner, None, &query).await.unwrap();
    assert_eq!((page.total, page.items[0].id()), (1, "gtw-new"));
}

fn with_block(length: u8, application_limit: u32) -> Config {
    let first = DevEui::from_u64(0x70B3_D57E_D000_0000);
    let blocks = vec![EuiBlock { first, length }];
    Config { dev_euis: Some(DevEuis { blocks, application_limit }), ..Config::default() }
}

// IS-17
#[tokio::test]
async fn a_hundred_dev_euis_drawn_at_once_are_a_hundred() {
    let bench = Bench::with(with_block(48, 100)).await;
    let owner = bench.user("alice").await;
    bench.application(&owner, "alice", "app1").await;
    let id = app();
    let draws = (0..101).map(|_| bench.server.issue_dev_eui(&owner, &id));
    let (mut drawn, mut errors) = (std::collections::BTreeSet::new(), Vec::new());
    for result in futures::future::join_all(draws).await {
        match result {
            Ok(eui) => drop(drawn.insert(eui)),
            error => errors.push(name(error)),
        }
    }
    assert_eq!((drawn.len(), errors), (100, vec!["application_dev_eui_limit_reached"]));
    let owner_record = bench.server.application(&owner, &app()).await.unwrap();
    assert_eq!(owner_record.dev_eui_counter, 100);
    assert!(bench.event_names().contains(&"application.issue_dev_eui"));
}

// IS-17
#[tokio::test]
async fn dev_euis_end_with_the_block_and_are_off_by_default() {
    let bench = Bench::with(with_block(63, 100)).await;
    let (owner, stranger) = (bench.user("alice").await, bench.user("stranger").await);
    bench.application(&owner, "alice", "app1").await;
    let refused = bench.server.issue_dev_eui(&stranger, &app()).await;
    assert_eq!(name(refused), "no_application_rights");
    let first = bench.server.issue_dev_eui(&owner, &app()).await.unwrap();
    assert_eq!(first.to_string(), "70B3D57ED0000000");
    bench.server.issue_dev_eui(&owner, &app()).await.unwrap();
    assert_eq!(name(bench.server.issue_dev_eui(&owner, &app()).await), "no_eui_or_block_available");
    let off = Bench::new().await;
    let owner = off.user("alice").await;
    off.application(&owner, "alice", "app1").await;
    assert_eq!(name(off.server.issue_dev_eui(&owner, &app()).await), "dev_eui_issuing_not_enabled");
}

// IS-19
#[tokio::test]
async fn contacts_cannot_leave_and_may_have_to_be_oneself() {
    let bench = Bench::with(Config { set_others_as_contacts: false, ..Config::default() }).await;
    let (owner, other) = (bench.user("alice").await, bench.user("other").await);
    let app_entity = bench.application(&owner, "alice", "app1").await;
    let server = &bench.server;
    let all = set(&[Right::All]);
    server.set_collaborator(&owner, &app_entity, &account("other"), all).await.unwrap();
    let leaves =
        server.set_collaborator(&owner, &app_entity, &account("alice"), Rights::NONE).await;
    assert_eq!(name(leaves), "collaborator_is_contact");
    let take_over = |application: &mut ttn_is::record::Application| {
        let contact = Some(account("other").to_ids());
        (application.administrative_contact, application.technical_contact) =
            (contact.clone(), contact);
        Ok(())
    };
    let refused = server.update_application(&owner, &app(), &[], take_over).await;
    assert_eq!(name(refused), "contact_info_restricted");
    server.update_application(&other, &app(), &[], take_over).await.unwrap();
    server.set_collaborator(&owner, &app_entity, &account("alice"), Rights::NONE).await.unwrap();
}

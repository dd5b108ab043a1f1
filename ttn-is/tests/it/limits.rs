//! How much there may be (IS-61).

use ttn_core::{
    error::{ApiError as _, ErrorKind},
    id::EntityId,
};
use ttn_is::{
    Config, Error, Limits,
    record::{Application, Client, Device, Gateway, Organization, User},
};

use crate::bench::{Bench, PASSWORD, account, id, name};

async fn limited(limits: Limits) -> Bench {
    Bench::with(Config { limits, ..Config::default() }).await
}

// IS-61
#[tokio::test]
async fn nothing_is_created_beyond_its_limit() {
    let one = Some(1);
    let bench = limited(Limits {
        max_applications: one,
        max_clients: one,
        max_end_devices: Some(2),
        max_gateways: one,
        max_organizations: one,
        max_users: Some(2),
    })
    .await;
    let server = &bench.server;
    let alice = bench.user("alice").await;
    let user = User::new(&id("bob"), "bob@example.com");
    let refused = server.create_user(&bench.admin, user, PASSWORD, "").await;
    let error = refused.unwrap_err();
    assert_eq!((error.name(), error.kind()), ("limit_reached", ErrorKind::ResourceExhausted));
    let attributes = error.attributes();
    assert_eq!(attributes.get("entity"), Some(&"user".into()));
    assert_eq!(attributes.get("limit"), Some(&2_u64.into()));

    let owner = account("alice");
    bench.application(&alice, "alice", "app1").await;
    let application = Application::new(&"app2".parse().unwrap());
    let refused = server.create_application(&alice, application, &owner).await;
    assert_eq!(name(refused), "limit_reached");
    bench.gateway(&alice, "alice", Gateway::new(&"gtw1".parse().unwrap())).await;
    let gateway = Gateway::new(&"gtw2".parse().unwrap());
    assert_eq!(name(server.create_gateway(&alice, gateway, &owner).await), "limit_reached");
    let organization = |id: &str| Organization::new(&id.parse().unwrap());
    server.create_organization(&alice, organization("org1"), &owner).await.unwrap();
    let refused = server.create_organization(&alice, organization("org2"), &owner).await;
    assert_eq!(name(refused), "limit_reached");
    let client = |id: &str| Client::new(&id.parse().unwrap());
    server.create_client(&alice, client("client1"), "", &owner).await.unwrap();
    let refused = server.create_client(&alice, client("client2"), "", &owner).await;
    assert_eq!(name(refused), "limit_reached");
    let device = |id: &str| Device::new(&format!("app1.{id}").parse().unwrap());
    for id in ["dev1", "dev2"] {
        server.create_device(&alice, device(id)).await.unwrap();
    }
    assert_eq!(name(server.create_device(&alice, device("dev3")).await), "limit_reached");
    server.delete_device(&alice, &"app1.dev1".parse().unwrap()).await.unwrap();
    server.create_device(&alice, device("dev3")).await.unwrap();
    assert_eq!(name(server.create_device(&alice, device("dev4")).await), "limit_reached");
}

// IS-61
#[tokio::test]
async fn what_was_deleted_gives_its_place_free_and_needs_one_to_come_back() {
    let bench = limited(Limits { max_applications: Some(1), ..Limits::default() }).await;
    let alice = bench.user("alice").await;
    let app1 = bench.application(&alice, "alice", "app1").await;
    bench.server.delete(&alice, &app1).await.unwrap();
    let app2 = bench.application(&alice, "alice", "app2").await;
    assert_eq!(name(bench.server.restore(&alice, &app1).await), "limit_reached");
    bench.server.delete(&alice, &app2).await.unwrap();
    bench.server.restore(&alice, &app1).await.unwrap();
}

// IS-61
#[tokio::test]
async fn a_limit_that_changes_holds_from_the_next_call_on() {
    let bench = limited(Limits::default()).await;
    let alice = bench.user("alice").await;
    for id in ["app1", "app2", "app3"] {
        bench.application(&alice, "alice", id).await;
    }
    let create = async |id: &str| -> Result<(), Error> {
        let application = Application::new(&id.parse().unwrap());
        bench.server.create_application(&alice, application, &account("alice")).await.map(drop)
    };
    let set = |max| {
        let limits = Limits { max_applications: max, ..Limits::default() };
        bench.server.set_limits(limits);
    };
    set(Some(2));
    assert_eq!(name(create("app4").await), "limit_reached");
    set(Some(4));
    create("app4").await.unwrap();
    assert_eq!(name(create("app5").await), "limit_reached");
    set(None);
    create("app5").await.unwrap();
    // What is there beyond a limit stays, and can be deleted.
    set(Some(0));
    bench.server.delete(&alice, &EntityId::Application("app5".parse().unwrap())).await.unwrap();
}

// IS-61
#[tokio::test]
async fn many_at_once_get_no_more_places_than_there_are() {
    let bench = limited(Limits { max_applications: Some(5), ..Limits::default() }).await;
    let alice = bench.user("alice").await;
    let create = async |n: usize| {
        let application = Application::new(&format!("app-{n}").parse().unwrap());
        bench.server.create_application(&alice, application, &account("alice")).await.is_ok()
    };
    let created = futures::future::join_all((0..20).map(create)).await;
    assert_eq!(created.iter().filter(|created| **created).count(), 5);
}

use ttn_core::{auth::Right, id::EntityId};
use ttn_is::{
    AccountSearch, Query, Search,
    record::{Application, Device, Organization},
};

use crate::bench::{Bench, account, id, name, set};

fn part(query: &str) -> Search {
    Search { query: query.to_owned(), ..Search::default() }
}

async fn named(bench: &Bench, owner: &ttn_core::auth::Principal, of: &str, app: &str, name: &str) {
    let record = Application { name: name.to_owned(), ..Application::new(&app.parse().unwrap()) };
    bench.server.create_application(owner, record, &account(of)).await.unwrap();
}

// IS-52
#[tokio::test]
async fn a_search_finds_what_the_caller_is_a_member_of() {
    let bench = Bench::new().await;
    let (alice, bob) = (bench.user("alice").await, bench.user("bob").await);
    let server = &bench.server;
    named(&bench, &alice, "alice", "meters-north", "Water").await;
    named(&bench, &alice, "alice", "meters-south", "Gas").await;
    named(&bench, &bob, "bob", "meters-bob", "Water").await;
    let all = server.search_applications(&alice, &part("METERS"), &Query::default()).await.unwrap();
    assert_eq!(
        all.items.iter().map(Application::id).collect::<Vec<_>>(),
        ["meters-north", "meters-south"]
    );
    let query = Query { order: "-application_id".to_owned(), limit: 1, ..Query::default() };
    let first = server.search_applications(&alice, &part("meters"), &query).await.unwrap();
    assert_eq!((first.total, first.items[0].id()), (2, "meters-south"));
    let every = server.search_applications(&bench.admin, &part("water"), &Query::default()).await;
    assert_eq!(every.unwrap().total, 2, "an administrator searches everything");
    let entity = EntityId::Application("meters-south".parse().unwrap());
    server.delete(&alice, &entity).await.unwrap();
    let deleted = Query { deleted: true, ..Query::default() };
    let gone = server.search_applications(&alice, &part("meters"), &deleted).await.unwrap();
    assert_eq!((gone.total, gone.items[0].id()), (1, "meters-south"));
}

// IS-52, IS-03
#[tokio::test]
async fn nothing_is_found_by_what_the_caller_may_not_read() {
    let bench = Bench::new().await;
    let (alice, bob) = (bench.user("alice").await, bench.user("bob").await);
    let server = &bench.server;
    named(&bench, &alice, "alice", "app1", "Secret project").await;
    let entity = EntityId::Application("app1".parse().unwrap());
    let rights = set(&[Right::ApplicationTrafficRead]);
    server.set_collaborator(&alice, &entity, &account("bob"), rights).await.unwrap();
    let by_name = server.search_applications(&bob, &part("secret"), &Query::default()).await;
    assert_eq!(by_name.unwrap().total, 0);
    let by_id = server.search_applications(&bob, &part("app1"), &Query::default()).await.unwrap();
    assert_eq!((by_id.total, by_id.items[0].name.as_str()), (1, ""));
}

// IS-52
#[tokio::test]
async fn keys_of_applications_and_of_few_rights_do_not_search() {
    let bench = Bench::new().await;
    let alice = bench.user("alice").await;
    let server = &bench.server;
    let app = bench.application(&alice, "alice", "app1").await;
    let all = set(&[Right::ApplicationAll]);
    let key = server.create_api_key(&alice, &app, "", all, None).await.unwrap();
    let key = bench.caller(&key.token).await.unwrap();
    let found = server.search_applications(&key, &part(""), &Query::default()).await;
    assert_eq!(name(found), "search_forbidden");
    let user = EntityId::User(id("alice"));
    let few = set(&[Right::UserInfo]);
    let few = server.create_api_key(&alice, &user, "", few, None).await.unwrap();
    let few = bench.caller(&few.token).await.unwrap();
    let found = server.search_gateways(&few, &part(""), &Query::default()).await;
    assert_eq!(name(found), "insufficient_user_rights");
    let found = server.search_users(&alice, &part("a"), &Query::default()).await;
    assert_eq!(name(found), "search_forbidden");
    let found = server.search_users(&bench.admin, &part("LICE@"), &Query::default()).await.unwrap();
    assert_eq!((found.total, found.items[0].id()), (1, "alice"));
}

// IS-52
#[tokio::test]
async fn devices_are_found_by_ids_euis_and_models() {
    let bench = Bench::new().await;
    let (alice, bob) = (bench.user("alice").await, bench.user("bob").await);
    let server = &bench.server;
    bench.application(&alice, "alice", "app1").await;
    let app = "app1".parse().unwrap();
    for (device, eui, brand) in [("dev1", "0A", "acme"), ("dev2", "0B", "other")] {
        let mut device = Device::new(&format!("app1.{device}").parse().unwrap())
            .with_euis("01".repeat(8).parse().unwrap(), eui.repeat(8).parse().unwrap());
        device.version_ids.get_or_insert_default().brand_id = brand.to_owned();
        server.create_device(&alice, device).await.unwrap();
    }
    let query = Query::default();
    for (search, expected) in [
        (part("dev"), vec!["dev1", "dev2"]),
        (part("a0a0"), vec!["dev1"]),
        (part("Acme"), vec!["dev1"]),
        (Search { eui: "0b0b".to_owned(), ..Search::default() }, vec!["dev2"]),
        (Search { join_eui: "0b0b".to_owned(), ..Search::default() }, vec![]),
    ] {
        let found = server.search_devices(&alice, &app, &search, &query).await.unwrap();
        let found: Vec<_> = found.items.iter().map(Device::id).collect();
        assert_eq!(found, expected, "{search:?}");
    }
    let stranger = server.search_devices(&bob, &app, &part(""), &query).await;
    assert_eq!(name(stranger), "no_application_rights");
}

// IS-52
#[tokio::test]
async fn strangers_find_few_accounts_and_need_two_characters() {
    let bench = Bench::new().await;
    let alice = bench.user("alice").await;
    let server = &bench.server;
    for n in 0..12 {
        let user =
            ttn_is::record::User::new(&id(&format!("user-{n}")), &format!("{n}@example.com"));
        server.create_user(&bench.admin, user, crate::bench::PASSWORD, "").await.unwrap();
    }
    let organization = Organization::new(&"users-of-meters".parse().unwrap());
    server.create_organization(&alice, organization, &account("alice")).await.unwrap();
    let search =
        |query: &str| AccountSearch { query: query.to_owned(), ..AccountSearch::default() };
    let count =
        async |caller, query| server.search_accounts(caller, &search(query)).await.unwrap().len();
    assert_eq!(count(&alice, "u").await, 0);
    assert_eq!(count(&alice, "us").await, 10);
    assert_eq!(count(&bench.admin, "").await, 15);
    let only_users = AccountSearch { only_users: true, ..search("users") };
    assert!(server.search_accounts(&alice, &only_users).await.unwrap().is_empty());
    assert_eq!(count(&alice, "users").await, 1);
    server.delete(&bench.admin, &EntityId::User(id("user-11"))).await.unwrap();
    assert_eq!(count(&alice, "user-11").await, 0, "who is deleted is not found");
    let nobody = ttn_core::auth::Principal::anonymous();
    assert_eq!(name(server.search_accounts(&nobody, &search("us")).await), "unauthenticated");
}

// IS-52, IS-25
#[tokio::test]
async fn accounts_are_found_within_and_beyond_the_collaborators() {
    let bench = Bench::new().await;
    let (alice, bob) = (bench.user("alice").await, bench.user("bob").await);
    let server = &bench.server;
    let app = bench.application(&alice, "alice", "app1").await;
    let of = |complement: bool, query: &str| AccountSearch {
        query: query.to_owned(),
        collaborator_of: Some(app.clone()),
        complement,
        ..AccountSearch::default()
    };
    let inside = server.search_accounts(&alice, &of(false, "")).await.unwrap();
    assert_eq!(inside, [account("alice")]);
    assert!(server.search_accounts(&alice, &of(true, "alice")).await.unwrap().is_empty());
    assert_eq!(server.search_accounts(&alice, &of(true, "bo")).await.unwrap(), [account("bob")]);
    let stranger = server.search_accounts(&bob, &of(false, "")).await;
    assert_eq!(name(stranger), "no_application_rights");
}

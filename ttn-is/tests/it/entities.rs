use std::time::Duration;

use ttn_core::{
    auth::{Principal, Right},
    error::ApiError as _,
    store::Replaces,
};
use ttn_is::{
    Query,
    record::{Application, Gateway},
    store::{Change, IdentityStore as _, Scan, Table, Write, WriteError},
};

use crate::bench::{Bench, account, name, set};

fn gateway(id: &str, eui: &str) -> Gateway {
    Gateway::new(&id.parse().unwrap()).with_eui(eui.parse().unwrap())
}

const EUI: &str = "0102030405060708";

#[tokio::test]
async fn an_application_is_created_read_changed_and_deleted() {
    let bench = Bench::new().await;
    let owner = bench.user("alice").await;
    let server = &bench.server;
    let app = bench.application(&owner, "alice", "app1").await;
    let id = "app1".parse().unwrap();
    let read = server.application(&owner, &id).await.unwrap();
    assert!(read.created_at.is_some() && read.administrative_contact.is_some());
    bench.clock.advance(Duration::from_secs(1));
    let change = |application: &mut Application| {
        application.name = "New".to_owned();
        application.ids = None;
        application.created_at = None;
        Ok(())
    };
    let fields = ["name".to_owned()];
    let changed = server.update_application(&owner, &id, &fields, change).await.unwrap();
    assert_eq!((changed.id(), changed.created_at), ("app1", read.created_at));
    assert!(changed.updated_at > read.updated_at);
    server.delete(&owner, &app).await.unwrap();
    assert_eq!(name(server.application(&owner, &id).await), "application_not_found");
    let names = bench.event_names();
    for event in ["application.create", "application.update", "application.delete"] {
        assert!(names.contains(&event), "{names:?}");
    }
}

// IS-01
#[tokio::test]
async fn reserved_and_taken_ids_are_refused() {
    let bench = Bench::new().await;
    let owner = bench.user("alice").await;
    let server = &bench.server;
    let www = Application::new(&"www".parse().unwrap());
    let refused = server.create_application(&owner, www, &account("alice")).await;
    assert_eq!(name(refused), "forbidden_id");
    let app = bench.application(&owner, "alice", "app1").await;
    let again = || Application::new(&"app1".parse().unwrap());
    let refused = server.create_application(&owner, again(), &account("alice")).await;
    assert_eq!(name(refused), "id_taken");
    // Deleted, the id stays taken (IS-16).
    server.delete(&owner, &app).await.unwrap();
    let refused = server.create_application(&owner, again(), &account("alice")).await;
    assert_eq!(name(refused), "id_taken");
    server.purge(&bench.admin, &app).await.unwrap();
    server.create_application(&owner, again(), &account("alice")).await.unwrap();
    // Users and organizations share one namespace.
    let clash = ttn_is::record::Organization::new(&"alice".parse().unwrap());
    let refused = server.create_organization(&owner, clash, &account("alice")).await;
    assert_eq!(name(refused), "id_taken");
}

// IS-10
#[tokio::test]
async fn a_taken_eui_names_the_gateway_and_its_contact() {
    let bench = Bench::new().await;
    let (owner, other) = (bench.user("alice").await, bench.user("other").await);
    let server = &bench.server;
    let first = bench.gateway(&owner, "alice", gateway("gtw-one", EUI)).await;
    let refused = server.create_gateway(&other, gateway("gtw-two", EUI), &account("other")).await;
    let error = refused.unwrap_err();
    assert_eq!(error.name(), "gateway_eui_taken");
    let attributes = error.attributes();
    assert_eq!(attributes["gateway_id"], "gtw-one");
    assert_eq!(attributes["gateway_eui"], EUI);
    assert_eq!(attributes["administrative_contact"], "alice");
    // Deletion frees the EUI, not the id; the first can then not be restored with it.
    server.delete(&owner, &first).await.unwrap();
    bench.gateway(&other, "other", gateway("gtw-two", EUI)).await;
    assert_eq!(name(server.restore(&owner, &first).await), "gateway_eui_taken");
    let change = |gateway: &mut Gateway| {
        gateway.ids.get_or_insert_default().eui = vec![9; 8];
        Ok(())
    };
    let id = "gtw-two".parse().unwrap();
    server.update_gateway(&other, &id, &[], change).await.unwrap();
    server.restore(&owner, &first).await.unwrap();
    let found = server.gateway_id_for_eui(&other, EUI.parse().unwrap()).await.unwrap();
    assert_eq!(found.as_str(), "gtw-one");
}

// IS-16
#[tokio::test]
async fn deleted_entities_can_be_restored_for_a_day_and_purged_by_administrators() {
    let bench = Bench::new().await;
    let owner = bench.user("alice").await;
    let server = &bench.server;
    let app = bench.application(&owner, "alice", "app1").await;
    server.delete(&owner, &app).await.unwrap();
    bench.clock.advance(Duration::from_secs(24 * 3600 + 1));
    assert_eq!(name(server.restore(&owner, &app).await), "restore_window_expired");
    assert_eq!(name(server.purge(&owner, &app).await), "admins_purge_applications");
    server.purge(&bench.admin, &app).await.unwrap();
    for table in [Table::Membership, Table::MembershipOfAccount, Table::Application] {
        let scan = Scan { table, prefix: String::new(), after: None, limit: 10 };
        assert!(bench.store.scan(&scan).await.unwrap().is_empty(), "{table:?}");
    }
}

#[tokio::test]
async fn of_two_writers_of_one_record_one_gets_a_conflict() {
    let bench = Bench::new().await;
    let owner = bench.user("alice").await;
    bench.application(&owner, "alice", "app1").await;
    let stored = bench.store.get(Table::Application, "app1").await.unwrap().unwrap();
    let change = |octets: &[u8]| Change {
        table: Table::Application,
        key: "app1".to_owned(),
        replaces: Replaces::Revision(stored.revision),
        write: Write::Put(octets.to_vec()),
    };
    let mut other = stored.value.clone();
    other.extend_from_slice(&[0x22, 1, b'x']);
    let first = bench.store.write(vec![change(&other)]).await;
    let second = bench.store.write(vec![change(&stored.value)]).await;
    assert!(first.is_ok());
    assert!(matches!(second, Err(WriteError::Conflict { table: Table::Application, .. })));
}

#[tokio::test]
async fn concurrent_updates_of_different_fields_both_happen() {
    let bench = Bench::new().await;
    let owner = bench.user("alice").await;
    bench.application(&owner, "alice", "app1").await;
    let id = "app1".parse().unwrap();
    let (first, second) = tokio::join!(
        bench.server.update_application(&owner, &id, &[], |app: &mut Application| {
            app.name = "name".to_owned();
            Ok(())
        }),
        bench.server.update_application(&owner, &id, &[], |app: &mut Application| {
            app.description = "description".to_owned();
            Ok(())
        }),
    );
    assert!(first.is_ok() && second.is_ok());
    let read = bench.server.application(&owner, &id).await.unwrap();
    assert_eq!((read.name.as_str(), read.description.as_str()), ("name", "description"));
}

// IS-03
#[tokio::test]
async fn strangers_see_public_fields_and_nobody_sees_nothing() {
    let bench = Bench::new().await;
    let (owner, stranger) = (bench.user("alice").await, bench.user("stranger").await);
    let mut record = gateway("gtw1", EUI);
    record.attributes.insert("secret".to_owned(), "1".to_owned());
    record.name = "Name".to_owned();
    record.gateway_server_address = "gs.example.com".to_owned();
    bench.gateway(&owner, "alice", record).await;
    let id = "gtw1".parse().unwrap();
    let refused = bench.server.gateway_record(&stranger, &id).await;
    assert_eq!(name(refused), "no_gateway_rights");
    let public = bench.server.gateway_public(&stranger, &id).await.unwrap();
    assert_eq!(public.name, "Name");
    assert!(public.attributes.is_empty() && public.gateway_server_address.is_empty());
    let nobody = bench.server.gateway_public(&Principal::anonymous(), &id).await;
    assert_eq!(name(nobody), "unauthenticated");
}

// IS-04
#[tokio::test]
async fn lists_show_what_the_caller_is_a_member_of() {
    let bench = Bench::new().await;
    let (owner, other) = (bench.user("alice").await, bench.user("other").await);
    for name in ["app-one", "app-two", "app-three"] {
        bench.application(&owner, "alice", name).await;
    }
    let shared = ttn_core::id::EntityId::Application("app-two".parse().unwrap());
    let rights = set(&[Right::ApplicationTrafficRead]);
    bench.server.set_collaborator(&owner, &shared, &account("other"), rights).await.unwrap();
    let query = Query { limit: 2, order: "-application_id".to_owned(), ..Query::default() };
    let page = bench.server.list_applications(&owner, None, &query).await.unwrap();
    assert_eq!(page.total, 3);
    assert_eq!(
        page.items.iter().map(Application::id).collect::<Vec<_>>(),
        ["app-two", "app-three"]
    );
    let his = bench.server.list_applications(&other, None, &Query::default()).await.unwrap();
    assert_eq!(his.items.iter().map(Application::id).collect::<Vec<_>>(), ["app-two"]);
    let of_owner = Some(account("alice"));
    let refused =
        bench.server.list_applications(&other, of_owner.as_ref(), &Query::default()).await;
    assert_eq!(name(refused), "no_user_rights");
    let all = bench.server.list_applications(&bench.admin, None, &Query::default()).await.unwrap();
    assert_eq!(all.total, 3);
}

// IS-19
#[tokio::test]
async fn a_contact_must_be_a_collaborator() {
    let bench = Bench::new().await;
    let owner = bench.user("alice").await;
    bench.user("other").await;
    bench.application(&owner, "alice", "app1").await;
    let change = |application: &mut Application| {
        application.technical_contact = Some(account("other").to_ids());
        Ok(())
    };
    let id = "app1".parse().unwrap();
    let refused = bench.server.update_application(&owner, &id, &[], change).await;
    assert_eq!(name(refused), "contact_no_collaborator");
}

use ttn_core::id::EntityId;
use ttn_is::{
    Query,
    record::{Bookmark, Device},
    store::{IdentityStore as _, Scan, Table},
};

use crate::bench::{Bench, id, name};

fn entities(bookmarks: &[Bookmark]) -> Vec<&str> {
    bookmarks.iter().map(|bookmark| bookmark.entity.as_str()).collect()
}

// IS-53
#[tokio::test]
async fn bookmarks_are_made_listed_and_deleted() {
    let bench = Bench::new().await;
    let (alice, bob) = (bench.user("alice").await, bench.user("bob").await);
    let (server, me) = (&bench.server, id("alice"));
    let app = bench.application(&alice, "alice", "app1").await;
    let device = EntityId::Device("app1.dev1".parse().unwrap());
    assert_eq!(name(server.create_bookmark(&alice, &me, &device).await), "end_device_not_found");
    let record = Device::new(&"app1.dev1".parse().unwrap());
    server.create_device(&alice, record).await.unwrap();
    for entity in [&app, &device, &app] {
        server.create_bookmark(&alice, &me, entity).await.unwrap();
    }
    let foreign = server.create_bookmark(&bob, &id("bob"), &device).await;
    assert_eq!(name(foreign), "no_application_rights");
    assert_eq!(name(server.create_bookmark(&bob, &me, &app).await), "no_user_rights");
    let query = Query { order: "-entity_type".to_owned(), ..Query::default() };
    let all = server.list_bookmarks(&alice, &me, &[], &query).await.unwrap();
    assert_eq!(entities(&all.items), ["device/app1/dev1", "application/app1"]);
    let devices = ["end device".to_owned()];
    let some = server.list_bookmarks(&alice, &me, &devices, &query).await.unwrap();
    assert_eq!(entities(&some.items), ["device/app1/dev1"]);
    server.delete_bookmarks(&alice, &me, std::slice::from_ref(&app)).await.unwrap();
    let gone = server.delete_bookmarks(&alice, &me, &[device.clone(), app]).await;
    assert_eq!(name(gone), "user_bookmark_not_found");
    let rest = server.list_bookmarks(&alice, &me, &[], &query).await.unwrap();
    assert_eq!(entities(&rest.items), ["device/app1/dev1"], "all or none");
    server.delete_device(&alice, &"app1.dev1".parse().unwrap()).await.unwrap();
    assert_eq!(server.list_bookmarks(&alice, &me, &[], &query).await.unwrap().total, 0);
}

// IS-53, IS-16
#[tokio::test]
async fn bookmarks_follow_the_entity() {
    let bench = Bench::new().await;
    let alice = bench.user("alice").await;
    let (server, me) = (&bench.server, id("alice"));
    let app = bench.application(&alice, "alice", "app1").await;
    server.create_bookmark(&alice, &me, &app).await.unwrap();
    let user = EntityId::User(me.clone());
    server.create_bookmark(&alice, &me, &user).await.unwrap();
    let count = async |deleted: bool| {
        let query = Query { deleted, ..Query::default() };
        server.list_bookmarks(&alice, &me, &[], &query).await.unwrap().total
    };
    server.delete(&alice, &app).await.unwrap();
    assert_eq!((count(false).await, count(true).await), (1, 1));
    server.restore(&alice, &app).await.unwrap();
    assert_eq!((count(false).await, count(true).await), (2, 0));
    server.purge(&bench.admin, &app).await.unwrap();
    assert_eq!((count(false).await, count(true).await), (1, 0));
    server.purge(&bench.admin, &user).await.unwrap();
    for table in [Table::Bookmark, Table::BookmarkOfEntity, Table::Notification] {
        let scan = Scan { table, prefix: String::new(), after: None, limit: 9 };
        let rows = bench.store.scan(&scan).await.unwrap();
        assert!(rows.iter().all(|row| !row.key.contains("alice")), "{table:?}");
    }
}

use std::sync::Arc;

use ttn_core::{
    auth::{Principal, Right},
    id::EntityId,
};
use ttn_is::{
    Config, Query,
    notifications::{ADMINISTRATIVE_CONTACT, COLLABORATOR, News},
    record::{Client, Notification, Organization, User},
};

use crate::{
    bench::{Bench, PASSWORD, account, id, name, set},
    logins::Postbox,
};

/// What a user was told, the latest first.
async fn told(bench: &Bench, user: &str) -> Vec<Notification> {
    let himself = bench.server.log_in(&id(user), PASSWORD).await.unwrap();
    let query = Query::default();
    bench.server.list_notifications(&himself, &id(user), &[], &query).await.unwrap().items
}

async fn kinds(bench: &Bench, user: &str) -> Vec<String> {
    told(bench, user).await.into_iter().map(|told| told.notification_type).collect()
}

async fn with_postbox(config: Config) -> (Bench, Postbox) {
    let postbox = Postbox::default();
    (Bench::with_mails(config, Arc::new(postbox.clone())).await, postbox)
}

// IS-54
#[tokio::test]
async fn those_are_told_of_keys_and_collaborators_who_could_see_them() {
    let (bench, postbox) = with_postbox(Config::default()).await;
    let alice = bench.user("alice").await;
    for name in ["bob", "carol"] {
        bench.user(name).await;
    }
    let server = &bench.server;
    let app = bench.application(&alice, "alice", "app1").await;
    let traffic = set(&[Right::ApplicationTrafficRead]);
    server.set_collaborator(&alice, &app, &account("bob"), traffic).await.unwrap();
    // The one it is about is told, whatever he may see.
    assert_eq!(kinds(&bench, "bob").await[0], "collaborator_changed");
    assert_eq!(kinds(&bench, "alice").await[0], "collaborator_changed");
    let link = set(&[Right::ApplicationLink]);
    let issued = server.create_api_key(&alice, &app, "link", link, None).await.unwrap();
    let latest = told(&bench, "alice").await.remove(0);
    assert_eq!(
        (&*latest.notification_type, &*latest.entity),
        ("api_key_created", "application/app1")
    );
    assert_eq!(latest.sender_ids.unwrap().user_id, "alice");
    let data = latest.data.unwrap();
    assert_eq!(data.type_url, "type.googleapis.com/ttn.lorawan.v3.APIKey");
    let secret = issued.token.rsplit('.').next().unwrap().as_bytes();
    for hidden in [secret, issued.key.hash.as_bytes()] {
        assert!(!data.value.windows(hidden.len()).any(|octets| octets == hidden));
    }
    let of_app = |told: Vec<Notification>| {
        told.into_iter().filter(|told| told.entity == "application/app1").count()
    };
    assert_eq!(of_app(told(&bench, "bob").await), 1, "he may not see keys");
    assert_eq!(of_app(told(&bench, "carol").await), 0);
    assert_eq!(postbox.count("collaborator_changed"), 2);
    let id = issued.key.id;
    server.update_api_key(&alice, &app, &id, |key| key.name = "new".to_owned()).await.unwrap();
    assert_eq!(kinds(&bench, "alice").await[0], "api_key_changed");
    assert!(bench.event_names().contains(&"user.notification.create"));
}

// IS-54, IS-12, IS-34, IS-06
#[tokio::test]
async fn administrators_are_told_who_waits_and_people_what_became_of_it() {
    let config = Config { registration_admin_approval: true, ..Config::default() };
    let (bench, postbox) = with_postbox(config).await;
    let server = &bench.server;
    let new = User::new(&id("zoe"), "zoe@example.com");
    server.create_user(&Principal::anonymous(), new, PASSWORD, "").await.unwrap();
    let latest = told(&bench, "admin").await.remove(0);
    assert_eq!((&*latest.notification_type, &*latest.entity), ("user_requested", "user/zoe"));
    assert_eq!(postbox.count("user_requested"), 1);
    let approve = |user: &mut User| {
        user.state = 1;
        Ok(())
    };
    server.update_user(&bench.admin, &id("zoe"), &[], approve).await.unwrap();
    assert_eq!(kinds(&bench, "zoe").await, ["entity_state_changed"]);
    let new = server.log_in(&id("zoe"), PASSWORD).await.unwrap();
    let client = Client::new(&"client1".parse().unwrap());
    server.create_client(&new, client, "", &account("zoe")).await.unwrap();
    assert_eq!(kinds(&bench, "admin").await[0], "client_requested");
    let suspend = |client: &mut Client| {
        client.state = 4;
        Ok(())
    };
    let client1 = "client1".parse().unwrap();
    server.update_client(&bench.admin, &client1, &[], None, suspend).await.unwrap();
    assert_eq!(told(&bench, "zoe").await[0].entity, "client/client1");
    server.update_password(&new, &id("zoe"), PASSWORD, "Another-horse-2", false).await.unwrap();
    let himself = server.log_in(&id("zoe"), "Another-horse-2").await.unwrap();
    let told = server.list_notifications(&himself, &id("zoe"), &[], &Query::default()).await;
    assert_eq!(told.unwrap().items[0].notification_type, "password_changed");
    assert_eq!(postbox.count("password_changed"), 1);
}

// IS-11
#[tokio::test]
async fn an_organization_passes_news_on_if_it_wants_so() {
    let bench = Bench::new().await;
    let alice = bench.user("alice").await;
    for name in ["bob", "carol"] {
        bench.user(name).await;
    }
    let server = &bench.server;
    let org = "org1".parse().unwrap();
    let organization = Organization::new(&org);
    server.create_organization(&alice, organization, &account("alice")).await.unwrap();
    let org1 = EntityId::Organization(org.clone());
    for (name, right) in [("bob", Right::All), ("carol", Right::OrganizationInfo)] {
        server.set_collaborator(&alice, &org1, &account(name), set(&[right])).await.unwrap();
    }
    let app = bench.application(&bench.admin, "admin", "app1").await;
    let all = set(&[Right::ApplicationAll]);
    let member = ttn_is::entity::Account::Organization(org.clone());
    server.set_collaborator(&bench.admin, &app, &member, all).await.unwrap();
    let count = async |name| {
        let told = told(&bench, name).await;
        told.iter()
            .filter(|told| told.notification_type == "api_key_created")
            .filter(|told| told.entity == "application/app1")
            .count()
    };
    let key = async || {
        let link = set(&[Right::ApplicationLink]);
        server.create_api_key(&bench.admin, &app, "", link, None).await
    };
    key().await.unwrap();
    // Its contacts are told: Alice made it.
    assert_eq!((count("alice").await, count("bob").await, count("carol").await), (1, 0, 0));
    let fan_out = |organization: &mut Organization| {
        organization.fanout_notifications = true;
        Ok(())
    };
    server.update_organization(&alice, &org, &[], fan_out).await.unwrap();
    key().await.unwrap();
    // Carol has no right to see keys of the organization's applications.
    assert_eq!((count("alice").await, count("bob").await, count("carol").await), (2, 1, 0));
}

// IS-54
#[tokio::test]
async fn a_status_is_set_and_filters() {
    let bench = Bench::new().await;
    let (alice, bob) = (bench.user("alice").await, bench.user("bob").await);
    let server = &bench.server;
    bench.application(&alice, "alice", "app1").await;
    let app = EntityId::Application("app1".parse().unwrap());
    let link = set(&[Right::ApplicationLink]);
    for _ in 0..2 {
        server.create_api_key(&alice, &app, "", link, None).await.unwrap();
    }
    let all = told(&bench, "alice").await;
    let (ids, of_alice) = ([all[0].id.clone()], id("alice"));
    assert_eq!(ids[0].len(), 36);
    let stranger = server.update_notifications(&bob, &of_alice, &ids, 1).await;
    assert_eq!(name(stranger), "no_user_rights");
    server.update_notifications(&alice, &of_alice, &ids, 1).await.unwrap();
    let query = Query::default();
    let seen = server.list_notifications(&alice, &of_alice, &[1], &query).await.unwrap();
    assert_eq!((seen.total, &seen.items[0].id), (1, &ids[0]));
    let unseen = server.list_notifications(&alice, &of_alice, &[0], &query).await.unwrap();
    assert_eq!(unseen.total, all.len() as u64 - 1);
    assert!(bench.event_names().contains(&"user.notification.update_status"));
    let stranger = server.list_notifications(&bob, &of_alice, &[], &query).await;
    assert_eq!(name(stranger), "no_user_rights");
}

// IS-54
#[tokio::test]
async fn only_the_cluster_tells_what_it_likes() {
    let bench = Bench::new().await;
    let alice = bench.user("alice").await;
    let server = &bench.server;
    let app = bench.application(&alice, "alice", "app1").await;
    let news = |receivers: &[i32]| News {
        notification_type: "ours".to_owned(),
        entity: app.clone(),
        sender: None,
        data: None,
        receivers: receivers.to_vec(),
        email: false,
    };
    let refused = server.create_notification(&alice, news(&[COLLABORATOR])).await;
    assert_eq!(name(refused), "cluster_key");
    let cluster = Principal::cluster();
    let both = [COLLABORATOR, ADMINISTRATIVE_CONTACT];
    let told_id = server.create_notification(&cluster, news(&both)).await.unwrap();
    let ours = told(&bench, "alice").await;
    let ours: Vec<_> = ours.iter().filter(|told| told.notification_type == "ours").collect();
    assert_eq!(ours.len(), 1, "once, however he is addressed");
    assert_eq!(ours[0].id, told_id);
    assert_eq!(name(server.create_notification(&cluster, news(&[9])).await), "validation");
}

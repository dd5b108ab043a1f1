use ttn_core::{
    auth::{Caller, Principal, Right},
    id::EntityId,
};
use ttn_is::{Config, record::User};

use crate::bench::{Bench, PASSWORD, id, name};

#[tokio::test]
async fn the_first_start_makes_one_administrator() {
    let bench = Bench::new().await;
    assert!(bench.admin.is_admin);
    assert!(bench.admin.universal.contains(Right::ApplicationInfo));
    let again = bench.server.ensure_admin(&id("admin"), "other", "x@example.com").await.unwrap();
    assert!(again.is_none());
    let login = bench.server.log_in(&id("admin"), PASSWORD).await.unwrap();
    assert!(login.is_admin && login.caller == Caller::User(id("admin")));
}

// IS-34
#[tokio::test]
async fn people_register_themselves_without_becoming_administrators() {
    let bench = Bench::new().await;
    let user = User { admin: true, state: 3, ..User::new(&id("me"), "me@example.com") };
    let nobody = Principal::anonymous();
    let created = bench.server.create_user(&nobody, user.clone(), PASSWORD, "").await.unwrap();
    assert!(!created.admin && created.state == ttn_is::rights::STATE_APPROVED);
    assert!(!format!("{created:?}").contains("argon2"));
    let same = User::new(&id("zoe"), "ME@example.com");
    assert!(bench.server.create_user(&nobody, same, PASSWORD, "").await.is_err());
    let weak = User::new(&id("zoe"), "zoe@example.com");
    let refused = bench.server.create_user(&nobody, weak, "weak", "").await;
    assert_eq!(name(refused), "password_strength_min_length");

    let closed = Config { registration_enabled: false, ..Config::default() };
    let closed = Bench::with(closed).await;
    let refused = closed.server.create_user(&nobody, user, PASSWORD, "").await;
    assert_eq!(name(refused), "user_registration_disabled");
}

// IS-36
#[tokio::test]
async fn a_password_is_changed_with_the_old_one() {
    let bench = Bench::new().await;
    let me = bench.user("me").await;
    let new = "Another-horse-2";
    let server = &bench.server;
    let wrong = server.update_password(&me, &id("me"), "Wrong-horse-1", new, false).await;
    assert_eq!(name(wrong), "old_password");
    let same = server.update_password(&me, &id("me"), PASSWORD, PASSWORD, false).await;
    assert_eq!(name(same), "password_equals_old");
    server.update_password(&me, &id("me"), PASSWORD, new, false).await.unwrap();
    assert!(server.log_in(&id("me"), PASSWORD).await.is_err());
    assert!(server.log_in(&id("me"), new).await.is_ok());
    let other = bench.user("other").await;
    let refused = server.update_password(&other, &id("me"), new, "Third-horse-3", false).await;
    assert_eq!(name(refused), "no_user_rights");
    assert!(bench.event_names().contains(&"user.update.incorrect_password"));
}

#[tokio::test]
async fn only_administrators_change_state_and_administration() {
    let bench = Bench::new().await;
    let me = bench.user("me").await;
    let rise = |user: &mut User| {
        user.admin = true;
        Ok(())
    };
    let refused = bench.server.update_user(&me, &id("me"), &[], rise).await;
    assert_eq!(name(refused), "update_admin_field");
    let last = |user: &mut User| {
        user.admin = false;
        Ok(())
    };
    let refused = bench.server.update_user(&bench.admin, &id("admin"), &[], last).await;
    assert_eq!(name(refused), "last_admin");
    let entity = EntityId::User(id("admin"));
    assert_eq!(name(bench.server.delete(&bench.admin, &entity).await), "last_admin");
    bench.server.update_user(&bench.admin, &id("me"), &[], rise).await.unwrap();
    bench.server.delete(&bench.admin, &entity).await.unwrap();
    // The keys of a deleted user are dead.
    assert_eq!(name(bench.caller(&bench.admin_token).await), "api_key_not_found");
}

#[tokio::test]
async fn users_are_listed_by_administrators_only() {
    let bench = Bench::new().await;
    let me = bench.user("me").await;
    let query = ttn_is::Query::default();
    assert_eq!(name(bench.server.list_users(&me, &query).await), "permission_denied");
    assert_eq!(bench.server.list_users(&bench.admin, &query).await.unwrap().total, 2);
    let stranger = bench.server.user(&me, &id("admin")).await;
    assert_eq!(name(stranger), "no_user_rights");
    let public = bench.server.user_public(&me, &id("admin")).await.unwrap();
    assert!(public.primary_email_address.is_empty() && public.password_hash.is_empty());
}

#[tokio::test]
async fn a_narrow_key_of_an_administrator_does_not_administrate() {
    let bench = Bench::new().await;
    let server = &bench.server;
    let entity = EntityId::User(id("admin"));
    let rights = crate::bench::set(&[Right::UserInfo, Right::UserSettingsBasic]);
    let issued = server.create_api_key(&bench.admin, &entity, "", rights, None).await.unwrap();
    let narrow = bench.caller(&issued.token).await.unwrap();
    let user = User { admin: true, state: 1, ..User::new(&id("me"), "me@example.com") };
    let created = server.create_user(&narrow, user, PASSWORD, "").await.unwrap();
    assert!(!created.admin);
    let query = ttn_is::Query::default();
    assert_eq!(name(server.list_users(&narrow, &query).await), "permission_denied");
    let purged = server.purge(&narrow, &EntityId::User(id("me"))).await;
    assert_eq!(name(purged), "admins_purge_users");
}

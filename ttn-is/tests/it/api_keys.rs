use std::time::Duration;

use ttn_core::{
    auth::{Caller, Right, Rights},
    clock::Clock as _,
    id::EntityId,
};
use ttn_is::Query;

use crate::bench::{Bench, name, set};

// IS-26, IS-27
#[tokio::test]
async fn a_key_lives_from_creation_to_deletion() {
    let bench = Bench::new().await;
    let owner = bench.user("alice").await;
    let app = bench.application(&owner, "alice", "app1").await;
    let server = &bench.server;
    let rights = set(&[Right::ApplicationInfo, Right::ApplicationTrafficRead]);
    let issued = server.create_api_key(&owner, &app, "my key", rights, None).await.unwrap();
    assert!(issued.token.starts_with(&format!("NNSXS.{}.", issued.key.id)));
    assert!(issued.key.hash.starts_with("PBKDF2$sha256$"));
    assert!(!format!("{issued:?}").contains(&issued.token));

    let caller = bench.caller(&issued.token).await.unwrap();
    assert!(matches!(&caller.caller, Caller::ApiKey { entity, .. } if *entity == app));
    assert_eq!(server.effective_rights(&caller, &app).await.unwrap(), rights);
    assert!(!caller.is_admin && caller.universal.is_empty());

    let less = |key: &mut ttn_is::record::ApiKey| {
        key.name = "renamed".to_owned();
        key.rights = vec![Right::ApplicationInfo.number()];
    };
    let updated = server.update_api_key(&owner, &app, &issued.key.id, less).await.unwrap();
    assert_eq!(updated.name, "renamed");
    let caller = bench.caller(&issued.token).await.unwrap();
    let has = server.effective_rights(&caller, &app).await.unwrap();
    assert_eq!(has, set(&[Right::ApplicationInfo]));

    let listed = server.list_api_keys(&owner, &app, &Query::default()).await.unwrap();
    assert_eq!((listed.total, listed.items[0].name.as_str()), (1, "renamed"));
    server.delete_api_key(&owner, &app, &issued.key.id).await.unwrap();
    // Revocation is seen at once, although the key was just verified.
    assert_eq!(name(bench.caller(&issued.token).await), "api_key_not_found");
    let gone = server.api_key(&owner, &app, &issued.key.id).await;
    assert_eq!(name(gone), "api_key_not_found");
    let names = bench.event_names();
    for event in
        ["application.api-key.create", "application.api-key.update", "application.api-key.delete"]
    {
        assert!(names.contains(&event), "{names:?}");
    }
}

// IS-26
#[tokio::test]
async fn an_expired_key_is_refused_by_name() {
    let bench = Bench::new().await;
    let owner = bench.user("alice").await;
    let gateway = bench
        .gateway(&owner, "alice", ttn_is::record::Gateway::new(&"gtw1".parse().unwrap()))
        .await;
    let end = bench.clock.utc().plus(Duration::from_secs(60));
    let rights = set(&[Right::GatewayLink]);
    let issued =
        bench.server.create_api_key(&owner, &gateway, "", rights, Some(end)).await.unwrap();
    assert!(bench.caller(&issued.token).await.is_ok());
    bench.clock.advance(Duration::from_secs(60));
    assert_eq!(name(bench.caller(&issued.token).await), "api_key_expired");
    let past = bench.server.create_api_key(&owner, &gateway, "", rights, Some(end)).await;
    assert!(past.is_err());
}

#[tokio::test]
async fn wrong_secrets_and_other_tokens_are_refused() {
    let bench = Bench::new().await;
    let (kind_and_id, secret) = bench.admin_token.rsplit_once('.').unwrap();
    let swapped: String = secret.chars().rev().collect();
    assert_eq!(name(bench.caller(&format!("{kind_and_id}.{swapped}")).await), "api_key_not_found");
    assert_eq!(name(bench.caller("NNSXS.AAAA.BBBB").await), "api_key_not_found");
    assert_eq!(name(bench.caller("nonsense").await), "token");
    assert_eq!(name(bench.caller("MFRWG.AAAA.BBBB").await), "token_expired");
}

// IS-25, IS-26
#[tokio::test]
async fn nobody_makes_a_key_with_more_than_he_has() {
    let bench = Bench::new().await;
    let owner = bench.user("alice").await;
    let app = bench.application(&owner, "alice", "app1").await;
    let server = &bench.server;
    let rights = set(&[Right::ApplicationSettingsApiKeys, Right::ApplicationInfo]);
    let narrow = server.create_api_key(&owner, &app, "", rights, None).await.unwrap();
    let caller = bench.caller(&narrow.token).await.unwrap();
    for too_much in [Right::ApplicationDelete, Right::ApplicationAll, Right::All] {
        let refused = server.create_api_key(&caller, &app, "", set(&[too_much]), None).await;
        assert_eq!(name(refused), "insufficient_application_rights", "{too_much:?}");
    }
    let raise = |key: &mut ttn_is::record::ApiKey| key.rights.push(Right::ApplicationLink.number());
    let refused = server.update_api_key(&caller, &app, &narrow.key.id, raise).await;
    assert_eq!(name(refused), "insufficient_rights");
    let none = server.create_api_key(&owner, &app, "", Rights::NONE, None).await;
    assert!(none.is_err());
    assert!(server.create_api_key(&caller, &app, "", rights, None).await.is_ok());
}

#[tokio::test]
async fn a_key_opens_only_its_own_entity() {
    let bench = Bench::new().await;
    let owner = bench.user("alice").await;
    let app = bench.application(&owner, "alice", "app-one").await;
    let other = bench.application(&owner, "alice", "app-two").await;
    let rights = set(&[Right::ApplicationAll]);
    let issued = bench.server.create_api_key(&owner, &app, "", rights, None).await.unwrap();
    let caller = bench.caller(&issued.token).await.unwrap();
    assert_eq!(bench.server.effective_rights(&caller, &other).await.unwrap(), Rights::NONE);
    let user = EntityId::User("alice".parse().unwrap());
    assert_eq!(bench.server.effective_rights(&caller, &user).await.unwrap(), Rights::NONE);
    // A key of one entity is not found under another, even by its owner.
    let elsewhere = bench.server.api_key(&owner, &other, &issued.key.id).await;
    assert_eq!(name(elsewhere), "api_key_not_found");
}

// Beyond the reference: IS-26
#[tokio::test]
async fn a_rotated_key_has_two_secrets_for_a_while_and_then_one() {
    let bench = Bench::new().await;
    let owner = bench.user("alice").await;
    let app = bench.application(&owner, "alice", "app1").await;
    let server = &bench.server;
    let rights = set(&[Right::ApplicationInfo]);
    let first = server.create_api_key(&owner, &app, "k", rights, None).await.unwrap();
    let hour = Duration::from_secs(3600);
    let second = server.rotate_api_key(&owner, &app, &first.key.id, hour).await.unwrap();
    assert_eq!((&second.key.id, second.key.rights()), (&first.key.id, rights));
    assert_ne!(second.token, first.token);
    assert!(bench.caller(&first.token).await.is_ok() && bench.caller(&second.token).await.is_ok());
    bench.clock.advance(hour);
    assert_eq!(name(bench.caller(&first.token).await), "api_key_not_found");
    assert!(bench.caller(&second.token).await.is_ok());
    // Without an overlap the secret of before ends at once.
    let third = server.rotate_api_key(&owner, &app, &first.key.id, Duration::ZERO).await.unwrap();
    assert_eq!(name(bench.caller(&second.token).await), "api_key_not_found");
    assert!(bench.caller(&third.token).await.is_ok());
    let too_long = server.rotate_api_key(&owner, &app, &first.key.id, hour * 24 * 31).await;
    assert_eq!(name(too_long), "validation");
}

// Beyond the reference: IS-26
#[tokio::test]
async fn nobody_rotates_a_key_that_may_more_than_he() {
    let bench = Bench::new().await;
    let owner = bench.user("alice").await;
    let app = bench.application(&owner, "alice", "app1").await;
    let server = &bench.server;
    let strong = set(&[Right::ApplicationDelete]);
    let strong = server.create_api_key(&owner, &app, "", strong, None).await.unwrap();
    let narrow = set(&[Right::ApplicationSettingsApiKeys]);
    let narrow = server.create_api_key(&owner, &app, "", narrow, None).await.unwrap();
    let caller = bench.caller(&narrow.token).await.unwrap();
    let refused = server.rotate_api_key(&caller, &app, &strong.key.id, Duration::ZERO).await;
    assert_eq!(name(refused), "insufficient_application_rights");
}

// Beyond the reference: IS-26
#[tokio::test]
async fn a_key_knows_to_the_hour_when_it_was_used() {
    let bench = Bench::new().await;
    let owner = bench.user("alice").await;
    let app = bench.application(&owner, "alice", "app1").await;
    let server = &bench.server;
    let rights = set(&[Right::ApplicationInfo]);
    let issued = server.create_api_key(&owner, &app, "k", rights, None).await.unwrap();
    let used = async || server.api_key(&owner, &app, &issued.key.id).await.unwrap().last_used_at;
    assert_eq!(used().await, None);
    bench.caller(&issued.token).await.unwrap();
    let first = used().await;
    assert_eq!(first, Some(bench.clock.utc().into()));
    bench.clock.advance(Duration::from_secs(3599));
    bench.caller(&issued.token).await.unwrap();
    assert_eq!(used().await, first);
    bench.clock.advance(Duration::from_secs(1));
    bench.caller(&issued.token).await.unwrap();
    assert_eq!(used().await, Some(bench.clock.utc().into()));
}

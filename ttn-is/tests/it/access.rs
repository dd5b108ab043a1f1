use ttn_core::{
    auth::{Credentials, Principal, Right, Rights},
    id::EntityId,
    peer::{Access as _, PeerError},
};
use ttn_is::{Config, entity::Account, record::Organization};

use crate::bench::{Bench, CLUSTER_KEY, account, name, set};

fn organization(id: &str) -> (Account, EntityId) {
    let id: ttn_core::id::OrganizationId = id.parse().unwrap();
    (Account::Organization(id.clone()), EntityId::Organization(id))
}

// IS-23: who has which right on an application, by which way.
#[tokio::test]
async fn rights_come_directly_and_through_organizations() {
    let bench = Bench::new().await;
    let server = &bench.server;
    let (owner, member, stranger) =
        (bench.user("alice").await, bench.user("bob").await, bench.user("stranger").await);
    let app = bench.application(&owner, "alice", "app1").await;
    let (org_account, org) = organization("org1");
    let record = Organization::new(&"org1".parse().unwrap());
    server.create_organization(&owner, record, &account("alice")).await.unwrap();
    let org_rights = set(&[Right::ApplicationInfo, Right::ApplicationTrafficRead]);
    server.set_collaborator(&owner, &app, &org_account, org_rights).await.unwrap();
    let in_org = set(&[Right::ApplicationInfo, Right::ApplicationDelete, Right::OrganizationInfo]);
    server.set_collaborator(&owner, &org, &account("bob"), in_org).await.unwrap();

    let rights = |caller: Principal, entity: EntityId| async move {
        server.rights_of(&caller, &entity).await.unwrap()
    };
    assert!(rights(owner.clone(), app.clone()).await.contains(Right::ApplicationAll));
    assert_eq!(rights(member.clone(), app.clone()).await, set(&[Right::ApplicationInfo]));
    assert_eq!(rights(member.clone(), org.clone()).await, in_org);
    let device = EntityId::Device("app1.dev1".parse().unwrap());
    assert_eq!(rights(member.clone(), device).await, set(&[Right::ApplicationInfo]));
    assert_eq!(rights(stranger.clone(), app.clone()).await, Rights::NONE);
    assert_eq!(rights(Principal::anonymous(), app.clone()).await, Rights::NONE);

    // Without the membership the way is closed at once; a deleted organization gives nothing either.
    server.set_collaborator(&owner, &org, &account("bob"), Rights::NONE).await.unwrap();
    assert_eq!(rights(member.clone(), app.clone()).await, Rights::NONE);
    server.set_collaborator(&owner, &org, &account("bob"), in_org).await.unwrap();
    server.delete(&owner, &org).await.unwrap();
    assert_eq!(rights(member, app).await, Rights::NONE);
}

// IS-11
#[tokio::test]
async fn an_organization_is_no_member_of_an_organization() {
    let bench = Bench::new().await;
    let owner = bench.user("alice").await;
    for name in ["org-one", "org-two"] {
        let record = Organization::new(&name.parse().unwrap());
        bench.server.create_organization(&owner, record, &account("alice")).await.unwrap();
    }
    let (one, _) = organization("org-one");
    let (_, two) = organization("org-two");
    let rights = set(&[Right::OrganizationInfo]);
    let refused = bench.server.set_collaborator(&owner, &two, &one, rights).await;
    assert_eq!(name(refused), "nested_organizations");
}

// IS-22
#[tokio::test]
async fn a_key_of_a_user_never_has_more_than_the_user() {
    let bench = Bench::new().await;
    let owner = bench.user("alice").await;
    let app = bench.application(&owner, "alice", "app1").await;
    let token = bench.user_token("reader", &[Right::ApplicationAll]).await;
    let reader = bench.caller(&token).await.unwrap();
    let given = set(&[Right::ApplicationInfo, Right::ApplicationLink]);
    bench.server.set_collaborator(&owner, &app, &account("reader"), given).await.unwrap();
    let has = bench.server.rights_of(&reader, &app).await.unwrap();
    assert_eq!(has, given.implied());
    let narrow = EntityId::User("alice".parse().unwrap());
    let rights = set(&[Right::ApplicationInfo]);
    let issued = bench.server.create_api_key(&owner, &narrow, "", rights, None).await.unwrap();
    let caller = bench.caller(&issued.token).await.unwrap();
    assert_eq!(bench.server.rights_of(&caller, &app).await.unwrap(), rights);
}

// IS-31
#[tokio::test]
async fn an_administrator_reads_no_keys_of_others_unless_configured() {
    let bench = Bench::new().await;
    let owner = bench.user("alice").await;
    let app = bench.application(&owner, "alice", "app1").await;
    let has = bench.server.rights_of(&bench.admin, &app).await.unwrap();
    assert!(has.contains(Right::ApplicationDevicesWrite));
    assert!(!has.contains(Right::ApplicationDevicesReadKeys));
    let query = ttn_is::Query::default();
    let refused = bench.server.list_api_keys(&bench.admin, &app, &query).await;
    assert_eq!(name(refused), "insufficient_application_rights");

    let all = Bench::with(Config { admin_rights_all: true, ..Config::default() }).await;
    let owner = all.user("alice").await;
    let app = all.application(&owner, "alice", "app1").await;
    assert!(all.server.list_api_keys(&all.admin, &app, &query).await.is_ok());
}

// IS-30
#[tokio::test]
async fn the_cluster_key_reads_and_does_not_write() {
    let bench = Bench::new().await;
    let owner = bench.user("alice").await;
    let app = bench.application(&owner, "alice", "app1").await;
    let cluster = Credentials::ClusterKey(CLUSTER_KEY.to_vec());
    let cluster = bench.server.principal(&cluster).await.unwrap();
    let has = bench.server.rights_of(&cluster, &app).await.unwrap();
    assert!(has.contains(Right::ApplicationInfo) && has.contains(Right::ApplicationDevicesRead));
    assert!(!has.contains(Right::ApplicationDevicesWrite));
    assert!(!has.contains(Right::ApplicationLink));
    let wrong = Credentials::ClusterKey(vec![8; 16]);
    let refused = bench.server.principal(&wrong).await;
    assert!(matches!(refused, Err(PeerError::Rejected(body)) if body.name == "cluster_key"));
}

// IS-06
#[tokio::test]
async fn a_suspended_user_keeps_no_right_but_to_his_information() {
    let bench = Bench::new().await;
    let token = bench.user_token("alice", &[Right::All]).await;
    let owner = bench.caller(&token).await.unwrap();
    let app = bench.application(&owner, "alice", "app1").await;
    let suspend = |user: &mut ttn_is::record::User| {
        user.state = ttn_is::rights::STATE_SUSPENDED;
        Ok(())
    };
    let id = "alice".parse().unwrap();
    bench.server.update_user(&bench.admin, &id, &[], suspend).await.unwrap();
    let owner = bench.caller(&token).await.unwrap();
    let has = bench.server.rights_of(&owner, &app).await.unwrap();
    assert_eq!(has, set(&[Right::UserInfo]));
    assert!(bench.server.user(&owner, &id).await.is_ok());
    let login = bench.server.log_in(&id, crate::bench::PASSWORD).await;
    assert_eq!(name(login), "user_suspended");
}

// IS-25
#[tokio::test]
async fn the_last_owner_stays_and_nobody_gives_what_he_lacks() {
    let bench = Bench::new().await;
    let (owner, helper) = (bench.user("alice").await, bench.user("helper").await);
    let app = bench.application(&owner, "alice", "app1").await;
    let server = &bench.server;
    let last = server.set_collaborator(&owner, &app, &account("alice"), Rights::NONE).await;
    assert_eq!(name(last), "application_needs_collaborator");
    let some = set(&[Right::ApplicationSettingsCollaborators, Right::ApplicationInfo]);
    server.set_collaborator(&owner, &app, &account("helper"), some).await.unwrap();
    let more = set(&[Right::ApplicationDelete]);
    let too_much = server.set_collaborator(&helper, &app, &account("helper"), more).await;
    assert_eq!(name(too_much), "insufficient_rights");
    let takes = server.set_collaborator(&helper, &app, &account("alice"), Rights::NONE).await;
    assert_eq!(name(takes), "insufficient_rights");
    let info = set(&[Right::ApplicationInfo]);
    let unknown = server.set_collaborator(&owner, &app, &account("nobody"), info).await;
    assert_eq!(name(unknown), "user_not_found");
}

#[tokio::test]
async fn of_two_owners_who_remove_each_other_one_stays() {
    let bench = Bench::new().await;
    let alice = bench.user("alice").await;
    let (one, two) = (bench.user("one").await, bench.user("two").await);
    let app = bench.application(&alice, "alice", "app1").await;
    for (name, rights) in
        [("one", Right::All), ("two", Right::All), ("alice", Right::ApplicationInfo)]
    {
        bench.server.set_collaborator(&alice, &app, &account(name), set(&[rights])).await.unwrap();
    }
    let (account_one, account_two) = (account("one"), account("two"));
    let (first, second) = tokio::join!(
        bench.server.set_collaborator(&one, &app, &account_two, Rights::NONE),
        bench.server.set_collaborator(&two, &app, &account_one, Rights::NONE),
    );
    assert!(first.is_ok() != second.is_ok(), "{first:?} {second:?}");
}

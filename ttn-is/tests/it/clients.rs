use ttn_core::{
    auth::{Principal, Right, Rights},
    error::ApiError as _,
    id::{ClientId, EntityId},
};
use ttn_is::{
    Config, NewClient, Query, UserRights,
    record::{Client, GRANT_AUTHORIZATION_CODE, GRANT_REFRESH_TOKEN},
    rights::{STATE_APPROVED, STATE_REQUESTED},
};

use crate::bench::{Bench, account, name, set};

fn client_id(name: &str) -> ClientId {
    name.parse().unwrap()
}

async fn create(bench: &Bench, owner: &Principal, of: &str, name: &str) -> NewClient {
    let client = Client {
        state: STATE_APPROVED,
        skip_authorization: true,
        endorsed: true,
        redirect_uris: vec!["https://example.com/back".to_owned()],
        rights: vec![Right::ApplicationInfo.number()],
        ..Client::new(&client_id(name))
    };
    bench.server.create_client(owner, client, "", &account(of)).await.unwrap()
}

// IS-12
#[tokio::test]
async fn a_client_of_a_user_waits_for_approval_and_hides_its_secret() {
    let bench = Bench::new().await;
    let owner = bench.user("alice").await;
    let NewClient { client, secret, .. } = create(&bench, &owner, "alice", "my-client").await;
    assert_eq!(
        (client.state, client.skip_authorization, client.endorsed),
        (STATE_REQUESTED, false, false)
    );
    assert_eq!(client.grants, [GRANT_AUTHORIZATION_CODE, GRANT_REFRESH_TOKEN]);
    assert!(secret.len() > 40 && !client.secret_hash.contains(&secret));
    assert!(client.secret_hash.starts_with("PBKDF2$sha256$"));
    assert!(client.administrative_contact.is_some());

    let by_admin = create(&bench, &bench.admin, "admin", "endorsed-client").await.client;
    assert_eq!((by_admin.state, by_admin.endorsed), (STATE_APPROVED, true));

    let approve = |client: &mut Client| {
        client.state = STATE_APPROVED;
        Ok(())
    };
    let id = client_id("my-client");
    let refused = bench.server.update_client(&owner, &id, &[], None, approve).await.unwrap_err();
    assert_eq!(
        (refused.name(), &refused.attributes()["field"]),
        ("update_admin_field", &"state".into())
    );
    bench.server.update_client(&bench.admin, &id, &[], None, approve).await.unwrap();
    let rename = |client: &mut Client| {
        client.name = "Mine".to_owned();
        client.secret_hash.clear();
        Ok(())
    };
    let renamed = bench.server.update_client(&owner, &id, &[], None, rename).await.unwrap();
    assert_eq!((renamed.state, &renamed.secret_hash), (STATE_APPROVED, &client.secret_hash));
    let changed = bench.server.update_client(&owner, &id, &[], Some("another"), |_| Ok(())).await;
    assert_ne!(changed.unwrap().secret_hash, client.secret_hash);
    let names = bench.event_names();
    assert!(names.contains(&"client.create") && names.contains(&"client.update"), "{names:?}");
}

// IS-03, IS-12, IS-16, IS-25
#[tokio::test]
async fn a_client_has_what_every_entity_has() {
    let bench = Bench::new().await;
    let (owner, other) = (bench.user("alice").await, bench.user("other").await);
    let server = &bench.server;
    create(&bench, &owner, "alice", "my-client").await;
    let (id, entity) = (client_id("my-client"), EntityId::Client(client_id("my-client")));
    assert_eq!(name(server.client(&other, &id).await), "no_client_rights");
    let public = server.client_public(&other, &id).await.unwrap();
    assert_eq!(public.redirect_uris.len(), 1);
    assert!(public.state_description.is_empty());
    let listed = server.list_clients(&owner, None, &Query::default()).await.unwrap();
    assert_eq!(listed.items.iter().map(Client::id).collect::<Vec<_>>(), ["my-client"]);
    assert_eq!(server.list_clients(&other, None, &Query::default()).await.unwrap().total, 0);

    let all = server.list_rights(&owner, &entity).await.unwrap();
    assert!(all.contains(Right::ClientSettingsCollaborators));
    let info = set(&[Right::ClientInfo]);
    server.set_collaborator(&owner, &entity, &account("other"), info).await.unwrap();
    assert!(server.client(&other, &id).await.is_ok());
    assert_eq!(name(server.delete(&other, &entity).await), "insufficient_client_rights");
    let last = server.set_collaborator(&owner, &entity, &account("alice"), Rights::NONE).await;
    assert_eq!(name(last), "client_needs_collaborator");

    server.delete(&owner, &entity).await.unwrap();
    assert_eq!(name(server.client(&owner, &id).await), "client_not_found");
    server.restore(&owner, &entity).await.unwrap();
    server.delete(&owner, &entity).await.unwrap();
    assert_eq!(name(server.purge(&owner, &entity).await), "admins_purge_clients");
    server.purge(&bench.admin, &entity).await.unwrap();
    create(&bench, &other, "other", "my-client").await;
    assert_eq!(name(server.client(&owner, &id).await), "no_client_rights");
    let names = bench.event_names();
    for event in ["client.collaborator.update", "client.delete", "client.restore", "client.purge"] {
        assert!(names.contains(&event), "{names:?}");
    }
}

// IS-32
#[tokio::test]
async fn what_only_administrators_create_is_refused_to_others_by_name() {
    let user_rights = UserRights {
        create_applications: false,
        create_clients: false,
        create_gateways: false,
        create_organizations: false,
    };
    let bench = Bench::with(Config { user_rights, ..Config::default() }).await;
    let owner = bench.user("alice").await;
    let server = &bench.server;
    let client = || Client::new(&client_id("my-client"));
    let refused = server.create_client(&owner, client(), "", &account("alice")).await;
    assert_eq!(name(refused), "admins_create_clients");
    let application = || ttn_is::record::Application::new(&"app1".parse().unwrap());
    let refused = server.create_application(&owner, application(), &account("alice")).await;
    assert_eq!(name(refused), "admins_create_applications");
    let gateway = ttn_is::record::Gateway::new(&"gtw1".parse().unwrap());
    let refused = server.create_gateway(&owner, gateway, &account("alice")).await;
    assert_eq!(name(refused), "admins_create_gateways");
    let organization = ttn_is::record::Organization::new(&"org1".parse().unwrap());
    let refused = server.create_organization(&owner, organization, &account("alice")).await;
    assert_eq!(name(refused), "admins_create_organizations");
    server.create_client(&bench.admin, client(), "", &account("admin")).await.unwrap();
    server.create_application(&bench.admin, application(), &account("admin")).await.unwrap();
}

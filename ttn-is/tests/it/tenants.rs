//! The registry of tenants (IS-61).

use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use tonic::{Code, Status};
use ttn_core::{auth::Right, id::TenantId};
use ttn_is::{Config, Tenancy, tenant::TenantHost};
use ttn_proto::service::Method;

use crate::{api::call, bench::Bench};

const KEY: &str = "TenantAdminKey correct-horse-battery";

/// Knows one key, and writes down what it is told.
#[derive(Debug, Default)]
struct Host(Mutex<Vec<String>>);

impl TenantHost for Host {
    fn check(&self, configuration: &Map<String, Value>) -> Result<(), String> {
        match configuration.keys().find(|key| *key != "network") {
            Some(key) => Err(format!("unknown key `{key}`")),
            None => Ok(()),
        }
    }

    fn changed(&self, id: &TenantId) {
        self.0.lock().push(id.to_string());
    }
}

struct World {
    bench: Bench,
    host: Arc<Host>,
    methods: Vec<Method>,
}

impl World {
    async fn new() -> Self {
        let host = Arc::new(Host::default());
        let admin_keys = vec!["another-key-of-this-server".to_owned(), KEY[15..].to_owned()];
        let tenancy = Tenancy { admin_keys, tenants_max: 4 };
        let config = Config { tenancy, ..Config::default() };
        let bench = Bench::built(config, |builder| builder.tenants(host.clone())).await;
        let methods = ttn_is::api::methods(&bench.server);
        Self { bench, host, methods }
    }

    async fn call(&self, rpc: &str, token: &str, body: Value) -> Result<(Value, u64), Status> {
        let path = format!("/ttn.v1.Tenants/{rpc}");
        let method = self.methods.iter().find(|method| method.rpc().path == path).unwrap();
        call(method, token, body).await
    }

    async fn ask(&self, rpc: &str, body: Value) -> Value {
        self.call(rpc, KEY, body).await.unwrap().0
    }

    async fn refused(&self, rpc: &str, body: Value) -> String {
        name(&self.call(rpc, KEY, body).await.unwrap_err())
    }
}

fn name(status: &Status) -> String {
    ttn_rpc::status::to_body(status).name.to_string()
}

fn tenant(id: &str) -> Value {
    json!({ "tenant": { "ids": { "tenant_id": id } } })
}

// IS-61
#[tokio::test]
async fn a_tenant_is_created_read_changed_and_deleted() {
    let world = World::new().await;
    let created = world
        .ask(
            "Create",
            json!({
                "tenant": {
                    "ids": { "tenant_id": "acme" }, "name": "Acme", "attributes": { "plan": "s" },
                    "limits": { "max_end_devices": 10, "max_users": 0 },
                    "configuration": { "network": { "net_id": "000013", "hours": 3 } },
                },
                "administrator": { "user_id": "root", "primary_email_address": "r@example.com" },
            }),
        )
        .await;
    let administrator = &created["administrator"];
    assert_eq!(administrator["user_id"], "root");
    assert_eq!(administrator["password"].as_str().unwrap().len(), 24, "it was drawn");
    let ids = json!({ "tenant_ids": { "tenant_id": "acme" } });
    let read = world.ask("Get", ids.clone()).await;
    assert_eq!(read, created["tenant"]);
    assert_eq!(read["state"], "TENANT_STATE_APPROVED");
    assert_eq!(read["limits"], json!({ "max_end_devices": 10, "max_users": 0 }));
    assert_eq!(read["configuration"]["network"], json!({ "net_id": "000013", "hours": 3 }));
    assert!(read["created_at"].is_string());

    world.bench.clock.advance(std::time::Duration::from_secs(60));
    let mut change = tenant("acme");
    change["tenant"]["state"] = json!("SUSPENDED");
    change["tenant"]["name"] = json!("ignored");
    change["tenant"]["limits"] = json!({ "max_users": 7 });
    change["field_mask"] = json!("state,limits.max_users");
    let updated = world.ask("Update", change).await;
    assert_eq!(updated["name"], "Acme");
    assert_eq!(updated["state"], "TENANT_STATE_SUSPENDED");
    assert_eq!(updated["limits"], json!({ "max_end_devices": 10, "max_users": 7 }));
    assert_eq!(updated["created_at"], read["created_at"]);
    assert_ne!(updated["updated_at"], read["updated_at"]);

    world.ask("Delete", json!({ "tenant_id": "acme" })).await;
    assert_eq!(world.refused("Get", ids).await, "tenant_not_found");
    assert_eq!(*world.host.0.lock(), ["acme", "acme", "acme"]);
    let log = world.bench.server.list_audit(&world.bench.admin, &Default::default()).await.unwrap();
    let of = log.entries.iter().filter(|entry| entry.entity == "tenant/acme");
    let deeds: Vec<_> = of.map(|entry| (&*entry.action, &*entry.credential)).collect();
    let key = "tenant_admin_key";
    assert_eq!(deeds, [("entity.delete", key), ("entity.update", key), ("entity.create", key)]);
    let text = format!("{:?}", log.entries);
    assert!(!text.contains(administrator["password"].as_str().unwrap()));
}

// IS-61
#[tokio::test]
async fn lists_have_pages_orders_and_a_search() {
    let world = World::new().await;
    for (id, name) in [("one", "Beta"), ("two", "Alpha"), ("three", "Beta two")] {
        let mut body = tenant(id);
        body["tenant"]["name"] = json!(name);
        world.ask("Create", body).await;
    }
    let list = async |body: Value| {
        let (answer, total) = world.call("List", KEY, body).await.unwrap();
        let tenants = answer["tenants"].as_array().cloned().unwrap_or_default();
        let ids = tenants.iter().map(|tenant| tenant["ids"]["tenant_id"].as_str().unwrap());
        (ids.map(str::to_owned).collect::<Vec<_>>().join(" "), total)
    };
    assert_eq!(list(json!({})).await, ("one three two".to_owned(), 3));
    assert_eq!(list(json!({ "order": "name" })).await.0, "two one three");
    assert_eq!(list(json!({ "limit": 2, "page": 2 })).await, ("two".to_owned(), 3));
    assert_eq!(list(json!({ "query": "TWO" })).await, ("three two".to_owned(), 2));
    assert_eq!(list(json!({ "query": "nothing" })).await, (String::new(), 0));
    assert!(world.call("List", KEY, json!({ "limit": 1001 })).await.is_err());
}

// IS-61
#[tokio::test]
async fn only_admin_keys_and_administrators_look_after_tenants() {
    let world = World::new().await;
    let alice = world.bench.user_token("alice", &[Right::All]).await;
    let narrow = "TenantAdminKey correct-horse-batter";
    for (token, refused) in [
        ("", Some("unauthenticated")),
        (&*alice, Some("permission_denied")),
        (narrow, Some("tenant_admin_key")),
        ("TenantAdminKey ", Some("unauthenticated")),
        ("TenantAdminKey x", Some("tenant_admin_key")),
        ("ClusterKey 00112233445566778899aabbccddeeff", Some("cluster_key")),
        ("tenantadminkey another-key-of-this-server", None),
        (&*world.bench.admin_token, None),
    ] {
        for (rpc, body) in [
            ("List", json!({})),
            ("Create", tenant("x--y")),
            ("Get", json!({ "tenant_ids": { "tenant_id": "nobody" } })),
            ("Update", tenant("nobody")),
            ("Delete", json!({ "tenant_id": "nobody" })),
        ] {
            let answer = world.call(rpc, token, body).await;
            let error = answer.err().map(|status| (status.code(), name(&status)));
            match refused {
                // What is malformed is refused before it is asked who calls.
                Some(_) if rpc == "Create" => assert!(error.is_some(), "{token} {rpc}"),
                Some(expected) => assert_eq!(error.unwrap().1, expected, "{token} {rpc}"),
                None => assert!(
                    error.is_none_or(|(code, _)| !matches!(
                        code,
                        Code::PermissionDenied | Code::Unauthenticated
                    )),
                    "{token} {rpc}"
                ),
            }
        }
    }
    // The key opens nothing else.
    let auth =
        world.methods.iter().find(|it| it.rpc().path.ends_with("UserRegistry/List")).unwrap();
    assert_eq!(call(auth, KEY, json!({})).await.unwrap_err().code(), Code::Unauthenticated);
}

// IS-61
#[tokio::test]
async fn bad_input_is_refused_by_name_and_changes_nothing() {
    let world = World::new().await;
    for (body, expected) in [
        (tenant("www"), "forbidden_id"),
        (json!({ "tenant": { "ids": {} } }), "validation"),
        (json!({}), "validation"),
    ] {
        assert_eq!(world.refused("Create", body.clone()).await, expected, "{body}");
    }
    for id in ["", "a", "A.b", "a--b", "-abc", &"a".repeat(37)] {
        let answer = world.call("Create", KEY, tenant(id)).await;
        assert_eq!(answer.unwrap_err().code(), Code::InvalidArgument, "{id}");
    }
    let with = |name: &str, value: Value| {
        let mut body = tenant("acme");
        body["tenant"][name] = value;
        body
    };
    let unknown = with("configuration", json!({ "data": "/tmp" }));
    assert_eq!(world.refused("Create", unknown.clone()).await, "tenant_configuration");
    let many = with("configuration", json!({ "network": "x".repeat(70_000) }));
    assert_eq!(world.refused("Create", many).await, "validation");
    let weak = json!({ "tenant": tenant("acme")["tenant"], "administrator": { "password": "x" } });
    assert!(world.call("Create", KEY, weak).await.is_err());
    let nobody =
        json!({ "tenant": tenant("acme")["tenant"], "administrator": { "user_id": "N O" } });
    assert_eq!(world.refused("Create", nobody).await, "validation");
    assert!(world.host.0.lock().is_empty());

    world.ask("Create", tenant("acme")).await;
    assert_eq!(world.refused("Create", tenant("acme")).await, "id_taken");
    let mut change = unknown;
    change["field_mask"] = json!("configuration");
    assert_eq!(world.refused("Update", change).await, "tenant_configuration");
    let mut change = tenant("acme");
    change["field_mask"] = json!("state");
    assert_eq!(world.refused("Update", change.clone()).await, "validation");
    change["field_mask"] = json!("nothing");
    assert!(world.call("Update", KEY, change).await.is_err());
    for id in ["two", "three", "four"] {
        world.ask("Create", tenant(id)).await;
    }
    assert_eq!(world.refused("Create", tenant("five")).await, "limit_reached");
}

// IS-61: without a host there is no trace of tenants
#[tokio::test]
async fn without_a_host_nothing_is_served() {
    let bench = Bench::new().await;
    let methods = ttn_is::api::methods(&bench.server);
    assert!(methods.iter().all(|method| method.rpc().service != "Tenants"));
    assert!(bench.server.tenant_admin("correct-horse-battery").is_err());
    let query = ttn_is::Query::default();
    assert!(bench.server.list_tenants(&bench.admin, "", &query).await.is_err());
}

// IS-61
#[tokio::test]
async fn the_first_user_of_a_tenant_is_an_administrator_with_the_password_of_before() {
    let world = World::new().await;
    let mut body = tenant("acme");
    body["administrator"] = json!({ "password": "Correct-horse-2" });
    let created = world.ask("Create", body).await;
    assert_eq!(created["administrator"].get("password"), None, "he knows it");
    let tenants = world.bench.server.tenants().await.unwrap();
    let first = tenants[0].administrator.clone().unwrap();
    assert!(!format!("{tenants:?}").contains("argon"), "no hash is shown");
    let own = Bench::with(Config::default()).await;
    let first = ttn_is::record::TenantAdministrator { user_id: "root".into(), ..first };
    own.server.ensure_administrator(&first).await.unwrap();
    own.server.ensure_administrator(&first).await.unwrap();
    let root = own.server.log_in(&"root".parse().unwrap(), "Correct-horse-2").await.unwrap();
    assert!(root.is_admin);
}

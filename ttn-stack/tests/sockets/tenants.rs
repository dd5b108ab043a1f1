//! Tenants of one server (IS-61, CLU-24, AS-32).

use std::fs;

use serde_json::{Value, json};
use ttn_core::{eui::GatewayEui, rand::OsEntropy};
use ttn_mac::device::Received;
use ttn_proto::rpc::SERVICES;

use crate::{
    client::{Client, dial},
    http::{self, Answer},
    network::{APPLICATION, JOIN_EUI, MAY_ANSWER, MUST_ANSWER, Node, PLAN},
    radio::Forwarder,
    server::{Server, wait_for},
    traffic::f_cnt,
};

const CONFIG: &str =
    "tenancy:\n  enabled: true\n  domain: lora.test\n  admin_keys: [an-admin-key-of-tests]\n";
const ADMIN_KEY: &str = "TenantAdminKey an-admin-key-of-tests";
const BASE: &str = "lora.test";
const PASSWORD: &str = "Correct-horse-1";

/// Calls a server by one of its host names; `path` begins with `/`.
fn ask(port: u16, host: &str, method: &str, path: &str, who: &str, body: &Value) -> Answer {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let authorization = match who {
        "" => String::new(),
        who if who.contains(' ') => format!("Authorization: {who}\r\n"),
        key => format!("Authorization: Bearer {key}\r\n"),
    };
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n{authorization}\r\n{body}",
        body.len(),
    );
    http::exchange(dial(port), request.as_bytes()).unwrap()
}

fn json_of(answer: &Answer) -> Value {
    serde_json::from_str(&answer.body).unwrap_or(Value::Null)
}

/// The name of an error.
fn error(answer: &Answer) -> String {
    json_of(answer)["details"][0]["name"].as_str().unwrap_or_default().to_owned()
}

/// A tenant with an application, a gateway and a device, whose ids are those of every other tenant.
struct Tenant {
    name: &'static str,
    host: String,
    api_key: String,
    forwarder: Forwarder,
    node: Node,
}

/// Looks after tenants.
fn manage(port: u16, method: &str, path: &str, body: &Value) -> Value {
    let answer = ask(port, BASE, method, &format!("/api/v1/tenants{path}"), ADMIN_KEY, body);
    assert_eq!(answer.status, 200, "{method} {path}: {}", answer.body);
    json_of(&answer)
}

impl Tenant {
    fn create(server: &Server, name: &'static str, gateway: u64) -> Self {
        let body = json!({
            "tenant": { "ids": { "tenant_id": name } },
            "administrator": { "password": PASSWORD },
        });
        manage(server.http, "POST", "", &body);
        let host = format!("{name}.{BASE}");
        let is_healthy =
            || ask(server.http, &host, "GET", "/healthz", "", &Value::Null).status == 200;
        wait_for(is_healthy);
        let api_key = Self::log_in(server.http, &host);
        let eui = GatewayEui::from_u64(gateway);
        let mut forwarder = Forwarder::of(eui);
        forwarder.connect(server.udp);
        let mut tenant = Self { name, host, api_key, forwarder, node: Node::new("meter", 1) };
        tenant.register(server, eui);
        tenant
    }

    /// Gives a key of the tenant's first user, who logs in with his password.
    fn log_in(port: u16, host: &str) -> String {
        let cookie = |answer: &Answer, name: &str| {
            let (_, rest) = answer.head.split_once(name).expect(name);
            rest.split(';').next().unwrap().to_owned()
        };
        let csrf = cookie(&ask(port, host, "GET", "/oauth/api/me", "", &Value::Null), "_csrf=");
        let login = json!({ "user_id": "admin", "password": PASSWORD }).to_string();
        let request = format!(
            "POST /oauth/api/auth/login HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\nX-CSRF-Token: {csrf}\r\n\
             Cookie: _csrf={csrf}\r\n\r\n{login}",
            login.len(),
        );
        let answer = http::exchange(dial(port), request.as_bytes()).unwrap();
        let session = format!("ONZW4.{}", cookie(&answer, "_session="));
        let body = json!({ "name": "all", "rights": ["RIGHT_ALL"] });
        let path = "/api/v3/users/admin/api-keys";
        let answer = ask(port, host, "POST", path, &session, &body);
        json_of(&answer)["key"].as_str().unwrap().to_owned()
    }

    fn register(&mut self, server: &Server, eui: GatewayEui) {
        let ids = json!({ "application_id": APPLICATION });
        let application = json!({ "application": { "ids": ids } });
        self.call(server, "POST", "/api/v3/users/admin/applications", &application);
        let ids = json!({ "gateway_id": "test-gateway", "eui": eui.to_string() });
        let gateway = json!({ "ids": ids, "frequency_plan_ids": [PLAN], "name": self.name });
        self.call(server, "POST", "/api/v3/users/admin/gateways", &json!({ "gateway": gateway }));
        let device = json!({
            "ids": {
                "device_id": self.node.name, "join_eui": JOIN_EUI.to_string(),
                "dev_eui": Node::dev_eui(1).to_string(),
            },
            "frequency_plan_id": PLAN, "lorawan_version": "MAC_V1_0_4",
            "lorawan_phy_version": "RP002_V1_0_1", "supports_join": true,
            "root_keys": { "app_key": { "key": "01".repeat(16) } },
        });
        let path = format!("/api/v1/applications/{APPLICATION}/devices");
        self.call(server, "POST", &path, &json!({ "end_device": device }));
        // The socket forgets within seconds whose the gateway was before it was registered.
        let path = "/api/v3/gs/gateways/test-gateway/connection/stats";
        wait_for(|| {
            self.forwarder.connect(server.udp);
            self.ask(server, "GET", path).status == 200
        });
    }

    fn ask(&self, server: &Server, method: &str, path: &str) -> Answer {
        ask(server.http, &self.host, method, path, &self.api_key, &Value::Null)
    }

    fn call(&self, server: &Server, method: &str, path: &str, body: &Value) -> Value {
        let answer = ask(server.http, &self.host, method, path, &self.api_key, body);
        assert_eq!(answer.status, 200, "{method} {path}: {}", answer.body);
        json_of(&answer)
    }

    fn subscriber(&self, server: &Server) -> Client {
        let user = format!("{APPLICATION}@{}", self.name);
        let stream = Box::new(dial(server.mqtt));
        let (mut client, _) = Client::connect_as(stream, "one-id-for-all", &user, &self.api_key);
        client.subscribe(&format!("v3/{user}/devices/+/up"));
        client
    }

    fn join(&mut self) {
        let tx = self.node.mac.join(&OsEntropy::default()).unwrap();
        self.forwarder.forward(&tx);
        let answer = self.forwarder.pull_resp(MUST_ANSWER).expect("a join-accept");
        assert_eq!(self.node.mac.hear(&answer.phy), Ok(Received::Joined));
    }

    fn send(&mut self, payload: &[u8]) {
        let entropy = OsEntropy::default();
        let tx = self.node.mac.uplink(1, payload, false, &entropy).unwrap();
        self.forwarder.forward(&tx);
        let answer = self.forwarder.pull_resp(MAY_ANSWER);
        let heard = answer.map(|answer| self.node.mac.hear(&answer.phy));
        assert!(heard.iter().all(Result::is_ok), "{heard:?}");
        assert_eq!(self.node.mac.windows_closed(heard.is_some(), &entropy), None);
    }
}

/// The next message is this uplink, through this gateway.
fn expect_uplink(client: &mut Client, counter: u64, payload: &str, gateway: &str) {
    let (publish, message) = client.next();
    client.acknowledge(&publish);
    assert_eq!(f_cnt(&message), counter, "{message}");
    assert_eq!(message["uplink_message"]["frm_payload"], payload, "{message}");
    let eui = &message["uplink_message"]["rx_metadata"][0]["gateway_ids"]["eui"];
    assert_eq!(*eui, gateway, "{message}");
}

// IS-61, CLU-24, AS-32
pub(crate) fn tenants_with_the_same_ids_live_side_by_side() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start_with(directory.path(), CONFIG);
    let mut acme = Tenant::create(&server, "acme", 0x00AA_0000_0000_0001);
    let mut globex = Tenant::create(&server, "globex", 0x00AA_0000_0000_0002);
    let (mut at_acme, mut at_globex) = (acme.subscriber(&server), globex.subscriber(&server));
    // The device of both has the same EUIs and the same key.
    acme.join();
    globex.join();
    acme.send(&[0xA0]);
    expect_uplink(&mut at_acme, 0, "oA==", "00AA000000000001");
    globex.send(&[0xB0]);
    expect_uplink(&mut at_globex, 0, "sA==", "00AA000000000002");
    acme.send(&[0xA1]);
    expect_uplink(&mut at_acme, 1, "oQ==", "00AA000000000001");
    for (user, key) in [
        ("test-app@acme", &globex.api_key),
        ("test-app@globex", &acme.api_key),
        ("test-app@nobody", &acme.api_key),
        ("test-app", &acme.api_key),
    ] {
        assert!(Client::is_refused_as(&dial(server.mqtt), user, key), "{user}");
    }
    hosts_and_ids_choose_the_network(&server, &acme);
    nothing_opens_for_the_key_of_another(&server, &acme, &globex);
}

fn hosts_and_ids_choose_the_network(server: &Server, acme: &Tenant) {
    let get =
        |host: &str, path: &str| ask(server.http, host, "GET", path, &acme.api_key, &Value::Null);
    let path = format!("/api/v3/applications/{APPLICATION}");
    let scoped = format!("{path}@acme");
    for (host, path) in [
        ("acme.lora.test", &path),
        ("ACME.lora.test", &path),
        ("acme.lora.test", &scoped),
        (BASE, &scoped),
        ("localhost", &scoped),
    ] {
        let answer = get(host, path);
        assert_eq!(answer.status, 200, "{host} {path}: {}", answer.body);
        assert_eq!(json_of(&answer)["ids"]["application_id"], APPLICATION);
    }
    for (host, path, status, name) in [
        ("globex.lora.test", &scoped, 400, "tenant_mismatch"),
        ("nobody.lora.test", &path, 404, "tenant_not_found"),
        (BASE, &format!("{path}@nobody"), 404, "tenant_not_found"),
        (BASE, &path, 401, "api_key_not_found"),
        ("globex.lora.test", &path, 401, "api_key_not_found"),
    ] {
        let answer = get(host, path);
        assert_eq!((answer.status, &*error(&answer)), (status, name), "{host} {path}");
    }
    // The registry is the base's, and the key looks after tenants only.
    let tenants =
        |host: &str| ask(server.http, host, "GET", "/api/v1/tenants", ADMIN_KEY, &Value::Null);
    assert_eq!(tenants(BASE).status, 200);
    assert_eq!(tenants("acme.lora.test").status, 404);
    let users = ask(server.http, BASE, "GET", "/api/v3/users", ADMIN_KEY, &Value::Null);
    assert_eq!(users.status, 401, "{}", users.body);
}

/// No binding of the API does anything for a key of another tenant that it does not for everybody.
fn nothing_opens_for_the_key_of_another(server: &Server, one: &Tenant, other: &Tenant) {
    let mut asked = 0;
    for rpc in SERVICES.iter().flat_map(|service| service.rpcs) {
        for binding in rpc.bindings {
            let path: Vec<_> = binding.path.split('/').map(value).collect();
            let path = format!("{}{}", rpc.base(), path.join("/"));
            let verb = binding.verb.as_str();
            let of = |key: &str| ask(server.http, &other.host, verb, &path, key, &Value::Null);
            let answer = of(&one.api_key);
            asked += 1;
            if answer.status < 300 {
                let everybodys = of("");
                assert_eq!(everybodys.status, answer.status, "{verb} {path}");
            }
        }
    }
    assert!(asked > 300, "{asked}");
    let path = format!("/api/v3/applications/{APPLICATION}/devices/meter");
    other.call(server, "GET", &path, &Value::Null);
}

/// What stands for a part of a path.
fn value(part: &str) -> &str {
    match part.trim_end_matches('}').rsplit(['{', '.']).next().unwrap_or_default() {
        _ if !part.starts_with('{') => part,
        "application_id" => APPLICATION,
        "device_id" => "meter",
        "gateway_id" => "test-gateway",
        "user_id" => "admin",
        _ => "other",
    }
}

// IS-61
pub(crate) fn tenants_are_suspended_changed_deleted_and_found_again() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start_with(directory.path(), CONFIG);
    let mut acme = Tenant::create(&server, "acme", 0x00AA_0000_0000_0003);
    let application = format!("/api/v3/applications/{APPLICATION}");
    acme.join();
    let client = acme.subscriber(&server);
    let update = |server: &Server, field: &str, value: Value| {
        let body = json!({ "tenant": { field: value }, "field_mask": field });
        manage(server.http, "PUT", "/acme", &body)
    };

    // A limit holds without a restart, a configuration with one of this network alone.
    update(&server, "limits", json!({ "max_applications": 1 }));
    let mut number = 0;
    wait_for(|| {
        number += 1;
        let ids = json!({ "application_id": format!("app-{number}") });
        let more = json!({ "application": { "ids": ids } });
        let path = "/api/v3/users/admin/applications";
        let answer = ask(server.http, &acme.host, "POST", path, &acme.api_key, &more);
        error(&answer) == "limit_reached"
    });
    let wrong = json!({
        "tenant": { "configuration": { "data": "/tmp" } }, "field_mask": "configuration",
    });
    let refused = ask(server.http, BASE, "PUT", "/api/v1/tenants/acme", ADMIN_KEY, &wrong);
    assert_eq!((refused.status, &*error(&refused)), (400, "tenant_configuration"));
    update(
        &server,
        "configuration",
        json!({ "join": { "default_join_eui": JOIN_EUI.to_string() } }),
    );
    let default_join_eui = |server: &Server, host: &str| {
        let path = "/api/v3/js/default_join_eui";
        let answer = ask(server.http, host, "GET", path, "", &Value::Null);
        json_of(&answer)["join_eui"].as_str().unwrap_or_default().to_owned()
    };
    let own = JOIN_EUI.to_string();
    wait_for(|| default_join_eui(&server, &acme.host) == own);
    assert_ne!(default_join_eui(&server, BASE), own);
    // Its clients come back to the session that they had.
    assert!(client.closes());
    let mut client = acme.subscriber(&server);
    acme.send(&[1]);
    expect_uplink(&mut client, 0, "AQ==", "00AA000000000003");

    update(&server, "state", json!("TENANT_STATE_SUSPENDED"));
    wait_for(|| acme.ask(&server, "GET", &application).status == 403);
    assert_eq!(error(&acme.ask(&server, "GET", &application)), "tenant_suspended");
    assert!(client.closes());
    assert!(Client::is_refused_as(&dial(server.mqtt), "test-app@acme", &acme.api_key));
    assert!(server.terminate().success());
    let server = Server::start_with(directory.path(), CONFIG);
    assert_eq!(error(&acme.ask(&server, "GET", &application)), "tenant_suspended");
    update(&server, "state", json!("TENANT_STATE_APPROVED"));
    wait_for(|| acme.ask(&server, "GET", &application).status == 200);
    server.kill();
    let server = Server::start_with(directory.path(), CONFIG);
    wait_for(|| acme.ask(&server, "GET", &application).status == 200);
    assert_eq!(default_join_eui(&server, &acme.host), own);

    manage(server.http, "DELETE", "/acme", &Value::Null);
    wait_for(|| acme.ask(&server, "GET", &application).status == 404);
    let data = directory.path().join("data/tenants");
    wait_for(|| data.join("acme.deleted-1").is_dir());
    assert!(!data.join("acme").exists());
    let body = json!({ "tenant": { "ids": { "tenant_id": "acme" } } });
    let created = manage(server.http, "POST", "", &body);
    assert!(created["administrator"]["password"].is_string());
    wait_for(|| acme.ask(&server, "GET", "/healthz").status == 200);
    let again = acme.ask(&server, "GET", &application);
    assert_eq!((again.status, &*error(&again)), (401, "api_key_not_found"));
    let names = fs::read_dir(&data).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(names.count(), 2);
}

// CLU-24: without tenants nothing tells of them
pub(crate) fn a_server_without_tenants_shows_no_trace_of_them() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start_with(directory.path(), "");
    let key = server.api_key.clone().unwrap();
    let get =
        |path: &str, who: &str| ask(server.http, "acme.lora.test", "GET", path, who, &Value::Null);
    assert_eq!(get("/healthz", "").status, 200, "the host name says nothing");
    let nothing = get("/api/v1/nothing", &key);
    for who in ["", &key, ADMIN_KEY] {
        let answer = get("/api/v1/tenants", who);
        assert_eq!((answer.status, &answer.body), (nothing.status, &nothing.body));
        let answer = ask(server.http, BASE, "POST", "/api/v1/tenants", who, &json!({}));
        assert_eq!((answer.status, &answer.body), (nothing.status, &nothing.body));
    }
    let scoped = get("/api/v3/applications/test-app@acme", &key);
    assert_eq!(scoped.status, 400, "{}", scoped.body);
    assert!(!scoped.body.contains("tenant"), "{}", scoped.body);
    assert!(!get("/api/v3/openapi.json", "").body.contains("/tenants"));
    assert!(Client::is_refused_as(&dial(server.mqtt), "test-app@acme", &key));
    let config = crate::server::write_config(directory.path(), "tenancy:\n  enabled: true\n");
    let output = crate::server::command(&["config", "--config", config.to_str().unwrap()]).output();
    let output = output.unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && text.contains("tenancy.domain"), "{text}");
}

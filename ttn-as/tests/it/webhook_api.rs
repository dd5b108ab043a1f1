//! The API of webhooks: registry, downlinks, dead letters (AS-37, AS-41 to AS-43).

use axum::{
    Router,
    body::{Body, to_bytes},
    http::Request,
};
use prost::Message as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;
use ttn_as::{api, integration::webhook::TemplateFile};
use ttn_core::{clock::SystemClock, rand::OsEntropy};
use ttn_proto::v3;
use ttn_rpc::server::Api;

use crate::{
    endpoint::Does,
    world::{World, settle, uplink},
};

fn router(world: &World) -> Router {
    let clock = std::sync::Arc::new(SystemClock::new());
    Api::builder(clock, std::sync::Arc::new(OsEntropy::default()))
        .methods(api::methods(&world.server))
        .routes(api::routes(&world.server))
        .build()
        .router()
}

async fn call(world: &World, key: &str, line: &str, body: impl Into<Body>) -> (u16, Value) {
    let (method, path) = line.split_once(' ').unwrap();
    let request = Request::builder().method(method).uri(format!("/api{path}"));
    let request = request.header("authorization", format!("Bearer {key}"));
    let answer = router(world).oneshot(request.body(body.into()).unwrap()).await.unwrap();
    let status = answer.status().as_u16();
    assert_eq!(answer.headers()["cache-control"], "no-store");
    let octets = to_bytes(answer.into_body(), 1 << 20).await.unwrap();
    (status, serde_json::from_slice(&octets).unwrap_or(Value::Null))
}

fn name(answer: &Value) -> &str {
    answer["details"][0]["name"].as_str().unwrap_or_default()
}

const PATHS: [&str; 5] = ["base_url", "format", "uplink_message", "downlink_api_key", "headers"];

fn hook() -> Value {
    json!({
        "webhook": {
            "ids": { "application_ids": { "application_id": "my-app" }, "webhook_id": "my-hook" },
            "base_url": "https://example.com",
            "format": "json",
            "headers": { "Authorization": "Bearer abc" },
            "downlink_api_key": "NNSXS.KEY",
            "uplink_message": { "path": "/up" },
        },
        "field_mask": { "paths": PATHS },
    })
}

async fn hooked() -> World {
    let world = World::new().await;
    let set = call(&world, "settings", "POST /v3/as/webhooks/my-app", hook().to_string()).await;
    assert_eq!(set.0, 200, "{}", set.1);
    settle().await;
    world
}

// AS-37
#[tokio::test(start_paused = true)]
async fn webhooks_are_set_read_listed_changed_and_deleted() {
    let world = hooked().await;
    let path = "/v3/as/webhooks/my-app/my-hook";
    let (_, all) = call(
        &world,
        "settings",
        &format!("GET {path}?field_mask=base_url,headers,uplink_message"),
        "",
    )
    .await;
    assert_eq!(all["base_url"], "https://example.com");
    assert_eq!(all["headers"]["Authorization"], "Bearer abc");
    assert_eq!(all["uplink_message"]["path"], "/up");
    assert!(all["created_at"].is_string() && all["downlink_api_key"].is_null());
    let change = json!({
        "webhook": { "paused": true, "base_url": "https://ignored.example" },
        "field_mask": { "paths": ["paused"] },
    });
    let (status, changed) =
        call(&world, "settings", &format!("PUT {path}"), change.to_string()).await;
    assert_eq!((status, &changed["paused"]), (200, &json!(true)));
    let (_, list) =
        call(&world, "settings", "GET /v3/as/webhooks/my-app?field_mask=base_url,paused", "").await;
    assert_eq!(list["webhooks"][0]["base_url"], "https://example.com");
    assert_eq!(list["webhooks"][0]["paused"], true);
    assert_eq!(list["webhooks"][0]["ids"]["webhook_id"], "my-hook");
    assert_eq!(call(&world, "settings", &format!("DELETE {path}"), "").await.0, 200);
    let (status, gone) = call(&world, "settings", &format!("GET {path}"), "").await;
    assert_eq!((status, name(&gone)), (404, "webhook_not_found"));
}

// AS-37; promise 7
#[tokio::test(start_paused = true)]
async fn rights_and_values_are_checked() {
    let world = hooked().await;
    for line in ["GET /v3/as/webhooks/my-app/my-hook", "GET /v3/as/webhooks/my-app"] {
        assert_eq!(call(&world, "read", line, "").await.0, 403, "{line}");
    }
    let mut wrong = hook();
    wrong["webhook"]["format"] = json!("xml");
    let (status, answer) =
        call(&world, "settings", "POST /v3/as/webhooks/my-app", wrong.to_string()).await;
    assert_eq!((status, name(&answer)), (404, "format_not_found"));
    let mut wrong = hook();
    wrong["webhook"]["ids"]["webhook_id"] = json!("No Id");
    let (status, _) =
        call(&world, "settings", "POST /v3/as/webhooks/my-app", wrong.to_string()).await;
    assert_eq!(status, 400);
    let (_, formats) = call(&world, "none", "GET /v3/as/webhook-formats", "").await;
    assert_eq!(formats["formats"], json!({ "json": "JSON", "protobuf": "Protocol Buffers" }));
}

// AS-41, AS-45
#[tokio::test(start_paused = true)]
async fn health_and_dead_letters_are_shown() {
    let world = hooked().await;
    world.endpoint.always(Does::Answers(400));
    world.deliver(vec![uplink(1, b"x")]);
    settle().await;
    let health = "GET /v3/as/webhooks/my-app/my-hook?field_mask=health_status";
    let (_, sick) = call(&world, "settings", health, "").await;
    let sick = &sick["health_status"]["unhealthy"];
    assert_eq!(sick["failed_attempts"], "1");
    let details = &sick["last_failed_attempt_details"];
    assert_eq!(details["namespace"], "pkg/applicationserver/io/web/sink");
    assert_eq!(details["name"], "request");
    assert_eq!(details["attributes"]["webhook_id"], "my-hook");
    assert_eq!(details["attributes"]["status_code"].as_f64(), Some(400.0));
    tokio::time::sleep(std::time::Duration::from_secs(2 * 3600)).await;
    let own = "/v1/as/applications/my-app/webhooks/my-hook";
    let (status, dead) = call(&world, "read", &format!("GET {own}/dead-letters"), "").await;
    assert_eq!(status, 200);
    assert_eq!(dead["dead_letters"][0]["device_id"], "my-dev");
    assert_eq!(dead["dead_letters"][0]["attempts"], 7);
    assert_eq!(dead["dead_letters"][0]["type"], "uplink_message");
    world.endpoint.always(Does::Answers(200));
    let replay = format!("POST {own}/replay");
    let after = json!({ "after": "2020-01-01T00:00:00Z" }).to_string();
    assert_eq!(call(&world, "read", &replay, after.clone()).await.0, 403);
    assert_eq!(call(&world, "settings", &replay, "{}").await.0, 400);
    assert_eq!(call(&world, "settings", &replay, after).await.0, 200);
    settle().await;
    assert_eq!(world.endpoint.taken("my-dev"), [1]);
    let (_, dead) = call(&world, "read", &format!("GET {own}/dead-letters"), "").await;
    assert_eq!(dead["dead_letters"], json!([]));
    let (_, well) = call(&world, "settings", health, "").await;
    assert_eq!(well["health_status"], json!({ "healthy": {} }));
}

// AS-42
#[tokio::test(start_paused = true)]
async fn downlinks_come_back_through_the_webhook() {
    let world = hooked().await;
    let down = "/v3/as/applications/my-app/webhooks/my-hook/devices/my-dev/down";
    let body = r#"{"downlinks":[{"f_port":5,"frm_payload":"aGVsbG8="}]}"#;
    let (status, answer) = call(&world, "write", &format!("POST {down}/push"), body).await;
    assert_eq!((status, answer), (200, Value::Null), "an empty body");
    assert_eq!(world.ns.pushed.lock().len(), 1);
    assert_eq!(call(&world, "write", &format!("POST {down}/replace"), body).await.0, 200);
    assert_eq!(world.ns.replaced.lock().len(), 1);
    assert_eq!(call(&world, "read", &format!("POST {down}/push"), body).await.0, 403);
    assert_eq!(call(&world, "wrong", &format!("POST {down}/push"), body).await.0, 401);
    let (status, answer) = call(&world, "write", &format!("POST {down}/push"), "{").await;
    assert_eq!((status, name(&answer)), (400, "decode_body"));
    let other = down.replace("my-hook", "other-hook");
    assert_eq!(call(&world, "write", &format!("POST {other}/push"), body).await.0, 404);
    let change = json!({
        "webhook": { "paused": true, "format": "protobuf" },
        "field_mask": { "paths": ["format"] },
    });
    let path = "PUT /v3/as/webhooks/my-app/my-hook";
    assert_eq!(call(&world, "settings", path, change.to_string()).await.0, 200);
    let downlink =
        v3::ApplicationDownlink { f_port: 6, frm_payload: vec![1], ..Default::default() };
    let proto = v3::ApplicationDownlinks { downlinks: vec![downlink] }.encode_to_vec();
    assert_eq!(call(&world, "write", &format!("POST {down}/push"), proto.clone()).await.0, 200);
    assert_eq!(world.ns.pushed.lock().len(), 2);
    // AS-44
    let pause = change.to_string().replace(r#"["format"]"#, r#"["paused"]"#);
    assert_eq!(call(&world, "settings", path, pause).await.0, 200);
    assert_eq!(call(&world, "write", &format!("POST {down}/push"), proto).await.0, 406);
}

// AS-43
#[test]
fn templates_are_read_as_the_public_repository_writes_them() {
    let file = json!({
        "template-id": "my-cloud",
        "name": "My Cloud",
        "description": "Sends to My Cloud",
        "base-url": "https://{region}.example.com/ttn",
        "headers": { "Authorization": "Bearer {token}" },
        "format": "json",
        "fields": [{ "id": "token", "name": "Token", "secret": true, "default-value": "" }],
        "create-downlink-api-key": true,
        "paths": { "uplink-message": "/up", "join-accept": "" },
        "field-mask": ["up.uplink_message.f_port"],
    });
    let read = |file: Value| -> Result<v3::ApplicationWebhookTemplate, _> {
        serde_json::from_value::<TemplateFile>(file).unwrap().try_into()
    };
    let template = read(file.clone()).unwrap();
    assert_eq!(template.ids.unwrap().template_id, "my-cloud");
    assert_eq!(template.uplink_message.unwrap().path, "/up");
    assert!(template.join_accept.is_some() && template.downlink_ack.is_none());
    assert!(template.create_downlink_api_key && template.fields[0].secret);
    for (key, value) in [
        ("format", json!("xml")),
        ("paths", json!({ "uplinks": "" })),
        ("template-id", json!("No Id")),
    ] {
        let mut wrong = file.clone();
        wrong[key] = value;
        read(wrong).expect_err(key);
    }
}

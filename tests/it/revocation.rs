//! What a right that is taken away still lets happen, and for how long (IS-24).

use std::time::Duration;

use futures::StreamExt as _;
use serde_json::{Value, json};
use tonic::{Request, Status};
use ttn::{
    proto::service::{BoxStream, Incoming, Outgoing},
    stack::client::Client,
};

use crate::net::{Kind, Net};

/// What each server is asked for with the key.
const CALLS: [(&str, &str); 6] = [
    ("Identity Server", "/applications/test-app?field_mask=name"),
    ("Identity Server, a device", "/applications/test-app/devices/sensor?field_mask=name"),
    ("Network Server", "/ns/applications/test-app/devices/sensor?field_mask=mac_settings"),
    ("Application Server", "/as/applications/test-app/devices/sensor?field_mask=formatters"),
    ("Application Server, traffic", "/as/applications/test-app/devices/sensor/down"),
    ("Application Server, storage", "/as/applications/test-app/packages/storage/uplink_message"),
];

const RIGHTS: [&str; 3] =
    ["RIGHT_APPLICATION_INFO", "RIGHT_APPLICATION_DEVICES_READ", "RIGHT_APPLICATION_TRAFFIC_READ"];

/// A key of an entity with some rights, and its id.
async fn key(client: &Client, of: &str, rights: &[&str]) -> (String, String) {
    let key = client.post(&format!("{of}/api-keys"), json!({ "rights": rights })).await.unwrap();
    let text = |name: &str| key[name].as_str().unwrap().to_owned();
    (text("key"), text("id"))
}

async fn delete(client: &Client, of: &str, id: &str) {
    let none = json!({ "api_key": { "rights": [] }, "field_mask": { "paths": ["rights"] } });
    client.put(&format!("{of}/api-keys/{id}"), none).await.unwrap();
}

/// `AppAs.Subscribe`, which is gRPC alone.
async fn subscribe(net: &Net, key: &str) -> Result<BoxStream<Outgoing>, Status> {
    let api = net.sim.stack().unwrap().api();
    let rpc = |name: &str| api.methods().find(|method| method.rpc().path.ends_with(name)).cloned();
    let mut request = Request::new(Incoming::Json(json!({ "application_id": "test-app" })));
    request.metadata_mut().insert("authorization", format!("Bearer {key}").parse().unwrap());
    let now = prost_types::Timestamp { seconds: 1_790_000_000, nanos: 0 };
    let answer = rpc("AppAs/Subscribe").unwrap().server_stream(request, now).await?;
    Ok(answer.into_inner())
}

// IS-24: nothing is cached, every call asks
#[tokio::test(start_paused = true)]
async fn a_key_that_is_deleted_is_refused_by_every_server_at_the_next_call() {
    let mut net = Net::start(73, 1).await;
    let device = net.abp("sensor", Kind::default()).await;
    net.send(device, &[1], false).await;
    let client = net.sim.client().unwrap().clone();
    let (token, id) = key(&client, "/applications/test-app", &RIGHTS).await;
    let reader = client.with_key(&token);
    for (server, path) in CALLS {
        let answer = reader.get(path).await;
        assert!(answer.is_ok(), "{server}: {}", answer.unwrap_err());
    }
    delete(&client, "/applications/test-app", &id).await;
    for (server, path) in CALLS {
        let refused = reader.get(path).await.unwrap_err();
        assert_eq!(refused.status.as_u16(), 401, "{server}");
    }
    let of = "/gateways/gateway-0";
    let (token, id) = key(&client, of, &["RIGHT_GATEWAY_STATUS_READ"]).await;
    let stats = "/gs/gateways/gateway-0/connection/stats";
    let answer = client.with_key(&token).get(stats).await;
    assert!(answer.is_ok(), "{}", answer.unwrap_err());
    delete(&client, of, &id).await;
    assert_eq!(client.with_key(&token).get(stats).await.unwrap_err().status.as_u16(), 401);
}

// IS-24: a member who is removed loses what his own key gave him, on the Application Server too
#[tokio::test(start_paused = true)]
async fn a_member_who_is_removed_is_refused_at_the_next_call() {
    let mut net = Net::start(74, 0).await;
    net.abp("sensor", Kind::default()).await;
    let client = net.sim.client().unwrap().clone();
    let user = json!({ "user": {
        "ids": { "user_id": "bob" }, "password": "Correct-horse-1", "state": "STATE_APPROVED",
        "primary_email_address": "bob@example.com",
    } });
    client.post("/users", user).await.unwrap();
    let server = net.sim.stack().unwrap().identity.clone();
    let himself = server.log_in(&"bob".parse().unwrap(), "Correct-horse-1").await.unwrap();
    let all = [ttn::core::auth::Right::All].into_iter().collect();
    let bob = ttn::core::id::EntityId::User("bob".parse().unwrap());
    let token = server.create_api_key(&himself, &bob, "", all, None).await.unwrap().token;
    let bob = client.with_key(&token);
    let member = |rights: &[&str]| {
        let ids = json!({ "user_ids": { "user_id": "bob" } });
        json!({ "collaborator": { "ids": ids, "rights": rights } })
    };
    client.put("/applications/test-app/collaborators", member(&RIGHTS)).await.unwrap();
    for (server, path) in CALLS {
        assert!(bob.get(path).await.is_ok(), "{server}");
    }
    client.put("/applications/test-app/collaborators", member(&[])).await.unwrap();
    for (server, path) in CALLS {
        assert_eq!(bob.get(path).await.unwrap_err().status.as_u16(), 403, "{server}");
    }
}

// IS-24: what is open already ends when its rights are asked for again
#[tokio::test(start_paused = true)]
async fn an_open_subscription_ends_within_half_a_minute() {
    let mut net = Net::start(75, 1).await;
    let device = net.abp("sensor", Kind::default()).await;
    let client = net.sim.client().unwrap().clone();
    let (token, id) = key(&client, "/applications/test-app", &RIGHTS).await;
    let mut messages = subscribe(&net, &token).await.unwrap();
    net.wait(100).await;
    net.send(device, &[1], false).await;
    assert!(messages.next().await.unwrap().is_ok(), "the key still holds");
    delete(&client, "/applications/test-app", &id).await;
    let end = tokio::time::timeout(Duration::from_secs(31), messages.next()).await;
    let end = end.unwrap().unwrap();
    assert_eq!(end.map(drop).unwrap_err().code(), tonic::Code::Unauthenticated);
    assert!(messages.next().await.is_none());
    assert!(subscribe(&net, &token).await.is_err());
    let _: Value = client.get("/applications/test-app?field_mask=name").await.unwrap();
}

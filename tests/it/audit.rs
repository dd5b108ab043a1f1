//! The audit log over the HTTP API.

use serde_json::{Value, json};
use ttn::stack::client::Client;

use crate::net::Net;

async fn entries(client: &Client, query: &str) -> Vec<Value> {
    let answer = client.get(&format!("/api/v1/audit?{query}")).await.unwrap();
    answer["entries"].as_array().cloned().unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn an_administrator_asks_who_did_what() {
    let net = Net::start(72, 0).await;
    let client = net.sim.client().unwrap();
    let key = json!({ "name": "reader", "rights": ["RIGHT_APPLICATION_INFO"] });
    let key = client.post("/applications/test-app/api-keys", key).await.unwrap();
    let query = "entity=application%2Ftest-app&actions=api_key.create&actions=api_key.delete";
    let found = entries(client, query).await;
    assert_eq!(found[0]["action"], "api_key.create");
    assert_eq!(found[0]["subject"], format!("api_key/{}", key["id"].as_str().unwrap()));
    assert_eq!(found[0]["actor"], "user/admin");
    assert!(found[0]["credential"].as_str().unwrap().starts_with("api_key/"));
    assert_eq!(found[0]["after"]["rights"], json!(["RIGHT_APPLICATION_INFO"]));
    let text = serde_json::to_string(&found).unwrap();
    assert!(!text.contains(key["key"].as_str().unwrap().rsplit('.').next().unwrap()));
    let page = client.get("/api/v1/audit?limit=1").await.unwrap();
    let next = page["next"].as_str().unwrap();
    assert_ne!(
        entries(client, &format!("limit=1&after={next}")).await,
        [page["entries"][0].clone()]
    );
    let reader = client.with_key(key["key"].as_str().unwrap());
    assert_eq!(reader.get("/api/v1/audit").await.unwrap_err().status.as_u16(), 403);
    let wrong = client.get("/api/v1/audit?actions=nothing").await.unwrap_err();
    assert_eq!(wrong.status.as_u16(), 400);
}

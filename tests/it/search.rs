//! Search over the HTTP API.

use serde_json::{Value, json};
use ttn::stack::client::Client;

use crate::net::Net;

async fn ids(client: &Client, path: &str, list: &str, id: &str) -> Vec<String> {
    let answer = client.get(path).await.unwrap();
    let found = answer[list].as_array().cloned().unwrap_or_default();
    found.iter().map(|entity| entity["ids"][id].as_str().unwrap_or_default().to_owned()).collect()
}

// IS-52
#[tokio::test(start_paused = true)]
async fn devices_and_applications_are_found_by_what_they_are_called() {
    let net = Net::start(71, 0).await;
    let client = net.sim.client().unwrap();
    for (id, eui, floor) in [("cellar", "1", "0"), ("attic", "2", "3"), ("attic-two", "3", "3")] {
        let device = json!({
            "ids": { "device_id": id, "dev_eui": format!("70B3D57ED000900{eui}"),
                     "join_eui": "70B3D57ED0000000" },
            "name": format!("Meter of the {id}"), "attributes": { "floor": floor },
        });
        let made = client.post("/applications/test-app/devices", json!({ "end_device": device }));
        made.await.unwrap();
    }
    let devices = "/search/applications/test-app/devices";
    for (query, wanted) in [
        ("query=ATTIC", &["attic", "attic-two"][..]),
        ("id_contains=cell", &["cellar"]),
        ("dev_eui_contains=9003", &["attic-two"]),
        ("attributes_contain[floor]=3&name_contains=two", &["attic-two"]),
        ("query=nobody", &[]),
        ("query=attic&limit=1&page=2&order=-device_id", &["attic"]),
    ] {
        let found = ids(client, &format!("{devices}?{query}"), "end_devices", "device_id").await;
        assert_eq!(found, wanted, "{query}");
    }
    let path = "/search/applications?id_contains=test-a";
    assert_eq!(ids(client, path, "applications", "application_id").await, ["test-app"]);
    let found = client.get(&format!("{devices}?query=cellar&field_mask=name")).await.unwrap();
    assert_eq!(found["end_devices"][0]["name"], "Meter of the cellar");
    assert_eq!(found["end_devices"][0]["attributes"], Value::Null);
    let stranger = client.with_key("NNSXS.AAAA.BBBB");
    assert_eq!(stranger.get(devices).await.unwrap_err().status.as_u16(), 401);
}

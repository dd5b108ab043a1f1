//! Webhooks of the whole stack: set over HTTP, fed by the air, answered with downlinks.

use serde_json::{Value, json};

use crate::net::{Kind, Net};

async fn hooked(seed: u64) -> Net {
    let net = Net::start(seed, 1).await;
    let webhook = json!({
        "webhook": {
            "ids": { "application_ids": { "application_id": "test-app" }, "webhook_id": "my-hook" },
            "base_url": "https://example.com/{appID}",
            "format": "json",
            "downlink_api_key": "NNSXS.ANY",
            "uplink_message": { "path": "up{/devID}" },
            "downlink_sent": {},
        },
        "field_mask": {
            "paths": ["base_url", "format", "downlink_api_key", "uplink_message", "downlink_sent"],
        },
    });
    net.sim.client().unwrap().post("/as/webhooks/test-app", webhook).await.unwrap();
    net.wait(1).await;
    net
}

fn bodies(net: &Net) -> Vec<(String, Value)> {
    let requests = net.sim.endpoint.take().into_iter();
    requests.map(|it| (it.url.to_string(), serde_json::from_slice(&it.body).unwrap())).collect()
}

// AS-38, AS-39, AS-42
#[tokio::test(start_paused = true)]
async fn an_uplink_reaches_the_endpoint_and_a_downlink_comes_back_through_the_webhook() {
    let mut net = hooked(41).await;
    let device = net.otaa("sensor", Kind::default()).await;
    net.join(device).await;
    net.send(device, &[1], false).await;
    let requests = net.sim.endpoint.take();
    assert_eq!(requests.len(), 1, "{:?}", net.drops());
    assert_eq!(requests[0].url.to_string(), "https://example.com/test-app/up/sensor");
    let up: Value = serde_json::from_slice(&requests[0].body).unwrap();
    assert_eq!(up["uplink_message"]["frm_payload"], "AQ==");
    let push = requests[0].headers["x-downlink-push"].to_str().unwrap();
    let path = push.strip_prefix("http://localhost:1885/api/v3").unwrap();
    let body = json!({ "downlinks": [{ "f_port": 2, "frm_payload": "AQI=" }] });
    net.sim.client().unwrap().post(path, body).await.unwrap();
    let heard = net.send(device, &[2], false).await;
    let down = heard.iter().find(|(_, data)| data.f_port == Some(2)).unwrap();
    assert_eq!(down.1.payload, [1, 2]);
    let bodies = bodies(&net);
    let sent = bodies.iter().find(|(_, body)| body["downlink_sent"].is_object()).unwrap();
    assert_eq!(sent.0, "https://example.com/test-app");
    assert_eq!(sent.1["downlink_sent"]["frm_payload"], "AQI=");
}

// AS-45, promise 3
#[tokio::test(start_paused = true)]
async fn a_dead_endpoint_and_a_restart_lose_nothing() {
    let mut net = hooked(42).await;
    let device = net.otaa("sensor", Kind::default()).await;
    net.join(device).await;
    net.sim.endpoint.answer(0);
    for payload in 1..=3 {
        net.send(device, &[payload], false).await;
    }
    net.sim.restart().await.unwrap();
    net.wait(60).await;
    for payload in 4..=5 {
        net.send(device, &[payload], false).await;
    }
    net.sim.endpoint.answer(200);
    net.wait(600).await;
    let got: Vec<_> = bodies(&net)
        .into_iter()
        .map(|(_, body)| body["uplink_message"]["frm_payload"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(got, ["AQ==", "Ag==", "Aw==", "BA==", "BQ=="]);
}

// AS-57
#[tokio::test(start_paused = true)]
async fn stored_messages_are_counted() {
    let mut net = Net::start(43, 1).await;
    let device = net.abp("sensor", Kind::default()).await;
    for payload in 1..=2 {
        net.send(device, &[payload], false).await;
    }
    let client = net.sim.client().unwrap();
    let base = "/as/applications/test-app";
    for path in [
        format!("{base}/packages/storage/uplink_message/count"),
        format!("{base}/devices/sensor/packages/storage/uplink_message/count"),
    ] {
        let counts = client.get(&path).await.unwrap();
        assert_eq!(counts["count"], json!({ "uplink_message": 2 }), "{path}");
    }
}

//! What clients read and set besides devices.

use serde_json::{Value, json};

use crate::net::{Kind, Net};

const LINK: &str = "/as/applications/test-app/link";

// AS-01, AS-11
#[tokio::test(start_paused = true)]
async fn the_link_gives_devices_without_formatters_theirs() {
    let mut net = Net::start(51, 1).await;
    let client = net.sim.client().unwrap().clone();
    assert_eq!(client.get(LINK).await.unwrap(), json!({}), "no link is an empty one");
    let formatters = json!({ "up_formatter": "FORMATTER_CAYENNELPP" });
    let body = json!({
        "link": { "default_formatters": formatters },
        "field_mask": { "paths": ["default_formatters"] },
    });
    client.put(LINK, body).await.unwrap();
    let link = client.get(&format!("{LINK}?field_mask=default_formatters")).await.unwrap();
    assert_eq!(link["default_formatters"]["up_formatter"], "FORMATTER_CAYENNELPP");

    // A device of its own formatter, which is then taken away.
    let device = net.abp("sensor", Kind::default()).await;
    let formatters = json!({ "paths": ["formatters"] });
    let ids = json!({ "application_ids": { "application_id": "test-app" }, "device_id": "sensor" });
    let body = json!({ "end_device": { "ids": ids }, "field_mask": formatters });
    client.put("/as/applications/test-app/devices/sensor", body).await.unwrap();
    let temperature = [1, 0x67, 0, 215];
    net.send(device, &temperature, false).await;
    let decoded = |message: &Value| message["uplink_message"]["decoded_payload"].clone();
    let messages = net.messages("uplink_message").await;
    assert_eq!(decoded(&messages[0]), json!({ "temperature_1": 21.5 }));

    client.delete(LINK).await.unwrap();
    net.send(device, &temperature, false).await;
    let messages = net.messages("uplink_message").await;
    assert_eq!((messages.len(), decoded(&messages[1])), (2, Value::Null));
}

// JS-02, JS-03, AS-35
#[tokio::test(start_paused = true)]
async fn clients_learn_where_to_connect_and_what_to_join() {
    let net = Net::start(52, 0).await;
    let client = net.sim.client().unwrap();
    let answer = client.get("/js/default_join_eui").await.unwrap();
    assert_eq!(answer, json!({ "join_eui": "0000000000000000" }));
    let answer = client.get("/js/join_eui_prefixes").await.unwrap();
    assert_eq!(answer["prefixes"][0]["length"].as_u64().unwrap_or_default(), 0, "{answer}");
    let path = "/as/applications/test-app/mqtt-connection-info";
    let answer = client.get(path).await.unwrap();
    assert_eq!(answer["public_address"], "localhost:1883");
    assert_eq!(answer["username"], "test-app");
    let error = net.sim.stack().unwrap().client().get(path).await.unwrap_err();
    assert_eq!(error.status.as_u16(), 401, "{error}");
}

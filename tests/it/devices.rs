//! `ttn.v1.Devices`: a device whole, in one call.

use futures::FutureExt as _;
use serde_json::{Value, json};
use ttn::stack::client::Client;

use crate::net::Net;

const DEVICES: &str = "/api/v1/applications/test-app/devices";
const DEVICE: &str = "/api/v1/applications/test-app/devices/meter";
const REGISTRIES: [&str; 4] = ["", "/js", "/ns", "/as"];

fn device() -> Value {
    json!({
        "ids": {
            "application_ids": { "application_id": "test-app" }, "device_id": "meter",
            "dev_eui": "70B3D57ED0003001", "join_eui": "70B3D57ED0000000",
        },
        "name": "Water meter", "attributes": { "floor": "2" },
        "frequency_plan_id": "EU_863_870_TTN", "supports_join": true,
        "lorawan_version": "MAC_V1_0_3", "lorawan_phy_version": "PHY_V1_0_3_REV_A",
        "mac_settings": { "rx1_delay": 5, "supports_32_bit_f_cnt": true },
        "root_keys": { "app_key": { "key": "A1B2C3D4E5F60718293A4B5C6D7E8F90" } },
        "formatters": { "up_formatter": "FORMATTER_CAYENNELPP" },
    })
}

async fn create(client: &Client, device: Value) -> Result<Value, String> {
    let answer = client.post(DEVICES, json!({ "end_device": device })).await;
    answer.map_err(|error| error.to_string())
}

/// Which registries have the device.
async fn known(client: &Client) -> [bool; 4] {
    let mut found = [false; 4];
    for (is_there, registry) in found.iter_mut().zip(REGISTRIES) {
        let path = format!("{registry}/applications/test-app/devices/meter");
        match client.get(&path).await {
            Ok(_) => *is_there = true,
            Err(error) => assert_eq!(error.status.as_u16(), 404, "{error}"),
        }
    }
    found
}

// CLI-05
#[tokio::test(start_paused = true)]
async fn a_device_is_created_read_changed_and_deleted_in_one_call() {
    let net = Net::start(61, 0).await;
    let client = net.sim.client().unwrap();
    let made = create(client, device()).await.unwrap();
    assert_eq!(made["name"], "Water meter");
    assert_eq!(known(client).await, [true; 4]);

    let read = client.get(DEVICE).await.unwrap();
    for (pointer, value) in [
        ("/attributes/floor", json!("2")),
        ("/formatters/up_formatter", json!("FORMATTER_CAYENNELPP")),
        ("/lorawan_version", json!("MAC_V1_0_3")),
        ("/mac_settings/rx1_delay", json!(5)),
        ("/ids/dev_eui", json!("70B3D57ED0003001")),
    ] {
        assert_eq!(read.pointer(pointer), Some(&value), "{pointer} of {read}");
    }
    assert!(!read.to_string().contains("A1B2C3D4"), "keys are shown to those who ask for them");
    let key = client.get(&format!("{DEVICE}?field_mask=root_keys,name")).await.unwrap();
    assert_eq!(key["root_keys"]["app_key"]["key"], "A1B2C3D4E5F60718293A4B5C6D7E8F90");

    let change = json!({
        "end_device": { "name": "Gas meter", "mac_settings": { "rx1_delay": 7 }, "attributes": {} },
        "field_mask": { "paths": ["name", "mac_settings", "attributes", "formatters"] },
    });
    client.put(DEVICE, change).await.unwrap();
    let read = client.get(DEVICE).await.unwrap();
    assert_eq!(
        (&read["name"], &read["mac_settings"]["rx1_delay"]),
        (&json!("Gas meter"), &json!(7))
    );
    let cleared =
        [&read["attributes"], &read["formatters"], &read["mac_settings"]["supports_32_bit_f_cnt"]];
    assert_eq!(cleared, [&Value::Null; 3], "{read}");

    client.delete(DEVICE).await.unwrap();
    assert_eq!(known(client).await, [false; 4]);
    let error = client.delete(DEVICE).await.unwrap_err();
    assert_eq!((error.status.as_u16(), error.name()), (404, "end_device_not_found"));
}

// CLI-05: failing NS, no IS leftover
#[tokio::test(start_paused = true)]
async fn what_one_registry_refuses_is_in_none() {
    let net = Net::start(62, 0).await;
    let client = net.sim.client().unwrap();
    let mut refused = device();
    refused["frequency_plan_id"] = json!("MOON_1_2");
    let error = create(client, refused).await.unwrap_err();
    assert!(error.contains("MOON_1_2"), "{error}");
    assert_eq!(known(client).await, [false; 4]);
    let mut refused = device();
    refused["battery_percentage"] = json!(0.5);
    refused["no_such_field"] = json!(1);
    refused["application_server_id"] = json!("x");
    refused["provisioner_id"] = json!("y");
    assert!(create(client, refused).await.is_err());
    assert_eq!(known(client).await, [false; 4]);

    create(client, device()).await.unwrap();
    let error = create(client, device()).await.unwrap_err();
    assert!(error.contains("409"), "{error}");
    assert_eq!(known(client).await, [true; 4], "the first one stays");

    // The Network Server takes its part, then the Join Server refuses.
    let change = json!({
        "end_device": { "name": "x", "mac_settings": { "rx1_delay": 7 }, "last_rj_count_0": 3 },
        "field_mask": { "paths": ["name", "mac_settings.rx1_delay", "last_rj_count_0"] },
    });
    let error = client.put(DEVICE, change).await.unwrap_err();
    assert_eq!(error.status.as_u16(), 501, "{error}");
    let read = client.get(DEVICE).await.unwrap();
    assert_eq!(
        (&read["name"], &read["mac_settings"]["rx1_delay"]),
        (&json!("Water meter"), &json!(5))
    );
    let path = format!("{DEVICE}?field_mask=nonsense");
    assert_eq!(client.get(&path).await.unwrap_err().name(), "field_mask_paths");
}

#[tokio::test(start_paused = true)]
async fn halves_are_replaced_and_deleted() {
    let net = Net::start(63, 0).await;
    let client = net.sim.client().unwrap();
    create(client, device()).await.unwrap();
    // What other clients may leave behind.
    client.delete("/applications/test-app/devices/meter").await.unwrap();
    client.delete("/js/applications/test-app/devices/meter").await.unwrap();
    let mut other = device();
    other["mac_settings"] = json!({ "rx1_delay": 3 });
    create(client, other).await.unwrap();
    let read = client.get(DEVICE).await.unwrap();
    assert_eq!(read["mac_settings"], json!({ "rx1_delay": 3 }), "nothing is left of the half");

    client.delete("/ns/applications/test-app/devices/meter").await.unwrap();
    client.delete(DEVICE).await.unwrap();
    assert_eq!(known(client).await, [false; 4]);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_leaves_no_half() {
    let net = Net::start(64, 0).await;
    let client = net.sim.client().unwrap();
    {
        let mut call = std::pin::pin!(create(client, device()));
        assert!(call.as_mut().now_or_never().is_none(), "it has begun and is dropped");
    }
    let mut found = known(client).await;
    for _ in 0..100 {
        if found == [true; 4] {
            break;
        }
        tokio::task::yield_now().await;
        found = known(client).await;
    }
    assert_eq!(found, [true; 4]);
}

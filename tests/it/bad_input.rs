//! What comes from outside and is wrong.

use serde_json::{Value, json};

use crate::net::{Kind, Net};

// Promise 7, IS-26
#[tokio::test(start_paused = true)]
async fn calls_without_rights_are_refused_by_name() {
    let net = Net::start(41, 0).await;
    let client = net.sim.client().unwrap();
    let path = "/applications/test-app";
    let nobody = net.sim.stack().unwrap().client();
    let error = nobody.get(path).await.unwrap_err();
    assert_eq!(error.status.as_u16(), 401, "{error}");
    let key = client
        .post(
            &format!("{path}/api-keys"),
            json!({ "name": "read", "rights": ["RIGHT_APPLICATION_INFO"] }),
        )
        .await
        .unwrap();
    let weak = client.with_key(key["key"].as_str().unwrap());
    weak.get(path).await.unwrap();
    let error = weak.get("/as/applications/test-app/devices/sensor/down").await.unwrap_err();
    assert_eq!(error.status.as_u16(), 403, "{error}");
    assert_eq!(error.name(), "insufficient_application_rights");
    let error = weak.get("/applications/another-app").await.unwrap_err();
    assert_eq!((error.status.as_u16(), error.name()), (404, "application_not_found"));
}

#[tokio::test(start_paused = true)]
async fn unknown_ids_masks_and_bodies_answer_named_errors() {
    let net = Net::start(42, 0).await;
    let client = net.sim.client().unwrap();
    let status = async |path: &str| client.get(path).await.unwrap_err().status.as_u16();
    assert_eq!(status("/ns/applications/test-app/devices/nobody?field_mask=session").await, 404);
    assert_eq!(status("/js/applications/test-app/devices/nobody").await, 404);
    assert_eq!(status("/as/applications/test-app/devices/nobody?field_mask=formatters").await, 404);
    let error = client.get("/applications/test-app?field_mask=nonsense").await.unwrap_err();
    assert_eq!((error.status.as_u16(), error.name()), (400, "field_mask_paths"));
    assert_eq!(error.body["details"][0]["attributes"]["forbidden_paths"], json!(["nonsense"]));
    let eui = json!({ "end_device": { "ids": {
        "application_ids": { "application_id": "test-app" }, "device_id": "sensor", "dev_eui": "70B3" } } });
    let error = client.post("/applications/test-app/devices", eui).await.unwrap_err();
    assert_eq!((error.status.as_u16(), error.name()), (400, "invalid_length"));
    assert!(error.to_string().contains("dev_eui: 2 bytes where 8 are needed"), "{error}");
    let huge = Value::String("x".repeat(17 << 20));
    let error = client.post("/users/admin/applications", huge).await.unwrap_err();
    assert_eq!((error.status.as_u16(), error.name()), (400, "request_body_too_large"));
    assert_eq!(status("/there/is/nothing").await, 404);
    let error = client.get("/users/admin/tenants").await.unwrap_err();
    assert_eq!(error.status.as_u16(), 404);
}

#[tokio::test(start_paused = true)]
async fn malformed_datagrams_touch_nobody() {
    let mut net = Net::start(43, 1).await;
    let device = net.abp("sensor", Kind::default()).await;
    let gateway = net.gateways[0];
    for datagram in [
        &[][..],
        &[2],
        &[9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
        b"\x02\0\0\0\0\xAA\0\0\0\0\0\x01{",
        b"\x02\0\0\0\0\xAA\0\0\0\0\0\x01{\"rxpk\":[{\"tmst\":\"1\"}]}",
    ] {
        net.sim.world.with(|world, now| world.send_raw(now, gateway, datagram));
    }
    net.wait(2).await;
    net.send(device, &[1], false).await;
    assert_eq!(net.f_cnts().await, [0]);
}

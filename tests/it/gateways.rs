//! Gateways through the API: their statistics, and what a changed registration does.

use serde_json::json;
use ttn::testkit::Action;

use crate::net::{Kind, Net, PLAN};

// GS-75, GS-76
#[tokio::test(start_paused = true)]
async fn statistics_of_connections_are_read_through_the_api() {
    let mut net = Net::start(41, 0).await;
    net.add_gateway("roof", PLAN).await;
    let device = net.abp("sensor", Kind::default()).await;
    net.send(device, &[1], true).await;
    let client = net.sim.client().unwrap();
    let stats = client.get("/gs/gateways/roof/connection/stats").await.unwrap();
    assert_eq!((&stats["protocol"], &stats["uplink_count"]), (&json!("udp"), &json!("1")));
    assert_eq!(
        (&stats["downlink_count"], &stats["tx_acknowledgment_count"]),
        (&json!("1"), &json!("1"))
    );
    let ask = json!({ "gateway_ids": [{ "gateway_id": "roof" }] });
    let batch = client.post("/gs/gateways/connection/stats", ask).await.unwrap();
    assert_eq!(batch["entries"]["roof"]["uplink_count"], "1");
    let unknown = client.get("/gs/gateways/cellar/connection/stats").await.unwrap_err();
    assert!([403, 404].contains(&unknown.status.as_u16()), "{unknown:?}");
}

// GS-07
#[tokio::test(start_paused = true)]
async fn a_changed_registration_takes_effect_within_twelve_minutes() {
    let mut net = Net::start(42, 0).await;
    net.add_gateway("roof", PLAN).await;
    let device = net.abp("sensor", Kind::default()).await;
    net.send(device, &[1], false).await;
    let change = json!({
        "gateway": { "downlink_path_constraint": "DOWNLINK_PATH_CONSTRAINT_NEVER" },
        "field_mask": { "paths": ["downlink_path_constraint"] },
    });
    net.sim.client().unwrap().put("/gateways/roof", change).await.unwrap();
    net.wait(730).await;
    let told: Vec<_> = net
        .sim
        .events()
        .unwrap()
        .into_iter()
        .filter(|(name, _)| name == "gs.gateway.disconnect")
        .collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].1["name"], "gateway_changed");
    // It is heard again, and nothing is sent through it any more.
    let action = Action::Uplink { f_port: 1, payload: vec![2], confirmed: true };
    net.sim.world.act(device, action);
    net.wait(10).await;
    assert_eq!(net.f_cnts().await, [0, 1]);
    assert!(net.heard(device).is_empty());
}

//! What `GET /metrics` tells (EVT-10, AS-46, GS-79, NS-117).

use serde_json::json;

use crate::net::{Kind, Net};

/// The value of a series; `None` if there is none.
fn value(text: &str, series: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}

#[tokio::test(start_paused = true)]
async fn frames_downlinks_webhooks_and_events_are_counted() {
    let mut net = Net::start(81, 2).await;
    let device = net.otaa("sensor", Kind::default()).await;
    let hook = json!({
        "webhook": {
            "ids": { "application_ids": { "application_id": "test-app" }, "webhook_id": "hook" },
            "base_url": "https://example.com",
            "format": "json",
            "uplink_message": { "path": "/up" },
        },
        "field_mask": { "paths": ["base_url", "format", "uplink_message"] },
    });
    let path = format!("/as/webhooks/{}", net.app);
    net.sim.client().unwrap().post(&path, hook).await.unwrap();
    net.join(device).await;
    net.send(device, &[1, 0x67, 0, 0xDC], true).await;
    net.sim.endpoint.answer(500);
    net.send(device, &[1, 0x67, 0, 0xDD], false).await;

    let text = net.sim.stack().unwrap().metrics();
    // Two gateways hear a join-request and two uplinks; the acknowledged one gets an answer.
    for (series, expected) in [
        (r#"gs_connected_gateways{protocol="udp"}"#, 2.0),
        ("gs_uplink_received_total", 6.0),
        ("gs_uplink_forwarded_total", 6.0),
        ("gs_uplink_dropped_total", 0.0),
        ("gs_downlink_sent_total", 2.0),
        ("gs_downlink_tx_success_total", 2.0),
        ("gs_txack_received_total", 2.0),
        ("ns_uplink_received_total", 6.0),
        ("ns_uplink_duplicates_total", 3.0),
        (r#"ns_uplink_processed_total{type="data"}"#, 2.0),
        (r#"ns_uplink_processed_total{type="join"}"#, 1.0),
        (r#"ns_uplink_forwarded_total{type="data"}"#, 2.0),
        (r#"ns_downlink_attempted_total{type="data"}"#, 1.0),
        (r#"ns_downlink_forwarded_total{type="join"}"#, 1.0),
        (r#"ns_uplink_gateways_bucket{le="2.0"}"#, 2.0),
        ("ns_uplink_gateways_sum", 4.0),
        (r#"ns_uplink_latency_seconds_bucket{le="+Inf"}"#, 2.0),
        (r#"as_uplink_forwarded_total{type="data"}"#, 2.0),
        ("as_webhook_sent_total", 1.0),
        (r#"events_publishes_total{name="ns.up.data.process"}"#, 2.0),
        ("events_channel_dropped_total", 0.0),
    ] {
        let series = format!("ttn_lw_{series}");
        assert_eq!(value(&text, &series), Some(expected), "{series} in\n{text}");
    }
    let failed = value(&text, r#"ttn_lw_as_webhook_failed_total{error="status"}"#);
    assert!(failed.unwrap() >= 1.0, "{text}");
    let datagrams = value(&text, "ttn_lw_gs_io_udp_message_received_total");
    assert!(datagrams.unwrap() > 6.0, "{text}");
    assert!(text.ends_with("# EOF\n"), "{text}");
}

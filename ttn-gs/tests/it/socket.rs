//! One uplink and one downlink over a real UDP socket.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use tokio::{net::UdpSocket, time::timeout};
use ttn_core::{clock::SystemClock, msg::TxResult, peer::NsGs, task::Tasks};
use ttn_gs::{
    Config, Error, GatewayServer,
    config::{UdpConfig, UdpListener},
    frontend::udp::UdpFrontend,
};

use crate::support::{
    Counting, OneGateway, Recorder, answer, packet, peers, proof, pull_data, pull_resp, push,
    registered,
};

async fn receive(socket: &UdpSocket) -> Vec<u8> {
    let mut buffer = [0; 2048];
    let length = timeout(Duration::from_secs(10), socket.recv(&mut buffer)).await.unwrap().unwrap();
    buffer[..length].to_vec()
}

// GS-14, GS-22, GS-23, GS-26, GS-50, GS-51, GS-60 to GS-62
#[tokio::test]
async fn an_uplink_is_answered_in_rx1_and_the_report_comes_back() {
    let (recorder, directory) = (
        Recorder::new(),
        Arc::new(OneGateway { info: Some(registered()).into(), ..OneGateway::default() }),
    );
    let peers = peers(&recorder, &directory);
    let listener =
        UdpListener { address: "127.0.0.1:0".parse().unwrap(), fallback_frequency_plan_id: None };
    let frontend = UdpFrontend::bind(&listener, UdpConfig::default()).unwrap();
    let address = frontend.local_addr();
    let clock = Arc::new(SystemClock::new());
    let server =
        GatewayServer::builder(Config::default(), clock, Arc::new(Counting::default()), peers)
            .frontend(frontend)
            .build()
            .unwrap();
    let mut tasks = Tasks::new();
    server.start(&mut tasks);

    let gateway = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    gateway.connect(address).await.unwrap();
    gateway.send(&pull_data()).await.unwrap();
    assert_eq!(receive(&gateway).await, [2, 0, 2, 4]);
    gateway.send(&push(0xFFFF_FFF0, 1)).await.unwrap();
    assert_eq!(receive(&gateway).await, [2, 0, 1, 1]);

    let uplink = timeout(Duration::from_secs(10), recorder.uplink(0)).await.unwrap();
    assert_eq!(uplink.rx_metadata[0].gateway_id.as_str(), "roof");
    assert_eq!(uplink.settings.frequency.hz(), 868_100_000);
    let scheduled = server.schedule_downlink(&answer(&uplink, 42), proof()).await.unwrap();
    assert_eq!((scheduled.path, scheduled.rx2), (0, false));
    assert!(scheduled.delay > Duration::from_millis(500), "{:?}", scheduled.delay);

    let (token, txpk) = pull_resp(&receive(&gateway).await);
    assert_eq!(
        txpk,
        json!({
            "imme": false,
            // A second behind a stamp just before the counter's roll-over (GS-49).
            "tmst": 999_984,
            "freq": 868.1,
            "rfch": 0,
            // 16.15 dBm EIRP less 3 dBi of the antenna and 2.15 dB of a dipole.
            "powe": 11,
            "modu": "LORA",
            "datr": "SF7BW125",
            "codr": "4/5",
            "ipol": true,
            "size": 12,
            "ncrc": true,
            "data": "YAMCASYAAQABAgME",
        })
    );
    gateway.send(&packet(5, token, "")).await.unwrap();
    let ack = timeout(Duration::from_secs(10), recorder.ack(0)).await.unwrap();
    assert_eq!((ack.id.0, ack.result), (42, TxResult::Success));
    assert_eq!(&*ack.correlation_ids[0], "ns:downlink:1");
    assert!(ack.correlation_ids[1].starts_with("gs:tx_ack:"), "{:?}", ack.correlation_ids);
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let listener = UdpListener { address, fallback_frequency_plan_id: None };
    let error = UdpFrontend::bind(&listener, UdpConfig::default()).unwrap_err();
    assert!(matches!(error, Error::Listen { protocol: "udp", .. }));
    assert!(error.to_string().contains(&address.to_string()), "{error}");
}

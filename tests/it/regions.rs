//! A device joins, sends and is answered in every region that has a frequency plan below 1 GHz.

use crate::net::{Kind, Net};

/// A plan of the region, and the data rate of SF7 at 125 kHz.
const REGIONS: [(&str, u8); 12] = [
    ("EU_863_870_TTN", 5),
    ("US_902_928_FSB_2", 3),
    ("AU_915_928_FSB_2", 5),
    ("AS_923", 5),
    ("AS_923_2", 5),
    ("AS_920_923_TTN_AU", 5),
    ("KR_920_923_TTN", 5),
    ("IN_865_867", 5),
    ("RU_864_870_TTN", 5),
    ("EU_433", 5),
    ("CN_470_510_FSB_11", 5),
    ("MA_869_870_DRAFT", 5),
];

// NS-24, NS-25, NS-79, NS-106, NS-107
#[tokio::test(start_paused = true)]
async fn a_device_joins_sends_and_is_answered_in_every_region() {
    for (plan, data_rate) in REGIONS {
        let mut net = Net::start(7, 0).await;
        net.add_gateway("gateway", plan).await;
        net.wait(1).await;
        let device = net.otaa("device", Kind { plan, data_rate, ..Kind::default() }).await;
        net.join(device).await;
        assert!(net.mac(device, |mac| mac.session().is_some()), "{plan}: no join");
        let mut acks = 0;
        for round in 0..6 {
            let heard = net.send(device, b"hello", true).await;
            acks += heard.iter().filter(|(_, data)| data.ack).count();
            assert_eq!(net.f_cnts().await.last(), Some(&round), "{plan}: {:?}", net.drops());
        }
        assert_eq!(acks, 6, "{plan}: {:?}", net.drops());
        net.push("device", "AQI=", false).await;
        let heard = net.send(device, b"hello", false).await;
        let got = heard.iter().any(|(_, data)| data.payload == [1, 2]);
        assert!(got, "{plan}: {:?}", net.drops());
        assert!(net.drops().is_empty(), "{plan}: {:?}", net.drops());
    }
}

// NS-52: where the plan limits dwell time, the device learns it by TxParamSetupReq.
#[tokio::test(start_paused = true)]
async fn a_device_with_dwell_time_is_told_so_and_goes_on() {
    let plan = "AS_923_DT";
    let mut net = Net::start(8, 0).await;
    net.add_gateway("gateway", plan).await;
    net.wait(1).await;
    let device = net.otaa("device", Kind { plan, data_rate: 5, ..Kind::default() }).await;
    net.join(device).await;
    for _ in 0..3 {
        net.send(device, b"hello", true).await;
    }
    assert!(net.mac(device, |mac| mac.parameters().downlink_dwell_time));
    let heard = net.send(device, b"hello", true).await;
    assert!(heard.iter().any(|(_, data)| data.ack));
}

// NS-106
#[tokio::test(start_paused = true)]
async fn plans_of_every_region_are_listed() {
    let net = Net::start(9, 0).await;
    let plans = net.sim.client().unwrap().get("/configuration/frequency-plans").await.unwrap();
    assert_eq!(plans["frequency_plans"].as_array().map(Vec::len), Some(71), "{plans}");
}

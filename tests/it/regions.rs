//! A device joins, sends and is answered in every region that has a frequency plan below 1 GHz.

use ttn::core::version::MacVersion;

use crate::net::{Kind, Net};

/// One test for each plan, with the data rate of SF7 at 125 kHz and the version of the device.
macro_rules! a_device_joins_sends_and_is_answered {
    ($($region:ident: $plan:literal, $data_rate:literal, $version:ident;)*) => {
        $(
            // NS-24, NS-25, NS-79, NS-106, NS-107
            #[tokio::test(start_paused = true)]
            async fn $region() {
                assert_joins_sends_and_is_answered($plan, $data_rate, MacVersion::$version).await;
            }
        )*
    };
}

a_device_joins_sends_and_is_answered! {
    a_device_is_served_in_eu_868: "EU_863_870_TTN", 5, V1_0_3;
    a_device_is_served_in_us_915: "US_902_928_FSB_2", 3, V1_0_3;
    a_device_is_served_in_au_915: "AU_915_928_FSB_2", 5, V1_0_3;
    a_device_is_served_in_as_923: "AS_923", 5, V1_0_3;
    a_device_is_served_in_as_923_2: "AS_923_2", 5, V1_0_4;
    a_device_is_served_in_as_923_in_australia: "AS_920_923_TTN_AU", 5, V1_0_3;
    a_device_is_served_in_kr_920: "KR_920_923_TTN", 5, V1_0_3;
    a_device_is_served_in_in_865: "IN_865_867", 5, V1_0_3;
    a_device_is_served_in_ru_864: "RU_864_870_TTN", 5, V1_0_3;
    a_device_is_served_in_eu_433: "EU_433", 5, V1_0_3;
    a_device_is_served_in_cn_470: "CN_470_510_FSB_11", 5, V1_0_3;
    a_device_is_served_in_ma_869: "MA_869_870_DRAFT", 5, V1_0_3;
}

async fn assert_joins_sends_and_is_answered(
    plan: &'static str,
    data_rate: u8,
    version: MacVersion,
) {
    let mut net = Net::start(7, 0).await;
    net.add_gateway("gateway-a", plan).await;
    net.wait(1).await;
    let device = net.otaa("sensor", Kind { plan, data_rate, version, ..Kind::default() }).await;
    net.join(device).await;
    assert!(net.mac(device, |mac| mac.session().is_some()), "{plan}: no join");
    let mut acks = 0;
    for round in 0..6 {
        let heard = net.send(device, b"hello", true).await;
        acks += heard.iter().filter(|(_, data)| data.ack).count();
        assert_eq!(net.f_cnts().await.last(), Some(&round), "{plan}: {:?}", net.drops());
    }
    assert_eq!(acks, 6, "{plan}: {:?}", net.drops());
    net.push("sensor", "AQI=", false).await;
    // The acknowledgements have taken the counter that it was encrypted for: it comes a round later.
    let mut heard = net.send(device, b"hello", false).await;
    heard.extend(net.send(device, b"hello", false).await);
    let got = heard.iter().any(|(_, data)| data.payload == [1, 2]);
    assert!(got, "{plan}: {heard:?} {:?}", net.drops());
    let radio = |name: &str| name.starts_with("ns.") || name.starts_with("gs.");
    let drops: Vec<_> = net.drops().into_iter().filter(|(name, _)| radio(name)).collect();
    assert!(drops.is_empty(), "{plan}: {drops:?}");
}

// NS-52: where the plan limits dwell time, the device learns it by TxParamSetupReq.
#[tokio::test(start_paused = true)]
async fn a_device_with_dwell_time_is_told_so_and_goes_on() {
    let plan = "AS_923_DT";
    let mut net = Net::start(8, 0).await;
    net.add_gateway("gateway-a", plan).await;
    net.wait(1).await;
    let device = net.otaa("sensor", Kind { plan, data_rate: 5, ..Kind::default() }).await;
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

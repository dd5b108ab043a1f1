//! Windows, conflicts, data rates.

use ttn::{
    core::radio::Frequency,
    testkit::{Action, Happened, Link},
};

use crate::net::{Kind, Net};

// NS-24, NS-26, GS-62: to the microsecond
#[tokio::test(start_paused = true)]
async fn answers_start_at_the_microsecond_of_the_window() {
    for (settings, delay) in
        [("", 5_000_000_000), (r#"{"desired_rx1_delay":1,"rx1_delay":1}"#, 1_000_000_000)]
    {
        let mut net = Net::start(21, 1).await;
        let device = net.otaa("sensor", Kind { mac_settings: settings, ..Kind::default() }).await;
        net.join(device).await;
        let join = scheduled(&mut net);
        assert_eq!(join, [5_000_000_000], "the join-accept");
        let action = Action::Uplink { f_port: 1, payload: vec![1], confirmed: true };
        net.sim.world.act(device, action);
        net.wait(10).await;
        assert_eq!(scheduled(&mut net), [delay], "{settings}");
    }
}

/// How long after the end of the last uplink each emission starts, in nanoseconds, rounded to microseconds.
fn scheduled(net: &mut Net) -> Vec<u64> {
    let mut ended = None;
    let mut delays = Vec::new();
    let since = net.seen();
    for (at, what) in net.sim.world.happened_since(since) {
        match what {
            Happened::Sent(_, phy, frequency, rate) => {
                let toa = ttn::core::radio::time_on_air(phy.len(), frequency, &rate).unwrap();
                ended = Some(at.plus(toa).nanos() / 1000);
            }
            Happened::Scheduled(_, starts, _) => {
                delays.push((starts.nanos() / 1000 - ended.unwrap()) * 1000);
            }
            _ => {}
        }
    }
    net.happened();
    delays
}

// GS-26, GS-73
#[tokio::test(start_paused = true)]
async fn an_answer_has_the_frequency_data_rate_polarisation_and_power_of_its_window() {
    let mut net = Net::start(22, 1).await;
    let device = net.abp("sensor", Kind::default()).await;
    net.send(device, &[1], true).await;
    let Happened::Sent(_, _, frequency, data_rate) = net.last_sent(device) else { panic!() };
    let happened = net.sim.world.happened_since(0);
    let emission = happened.iter().find_map(|(_, what)| match what {
        Happened::Scheduled(_, _, emission) => Some(emission.clone()),
        _ => None,
    });
    let emission = emission.unwrap();
    assert_eq!(emission.frequency, frequency);
    assert!(emission.data_rate.same_modulation(&data_rate));
    assert!(emission.inverted);
    // 16.15 dBm EIRP at most, less 2.15 dB, rounded down.
    assert_eq!(emission.power, 14);
}

// GS-61, GS-67, NS-80
#[tokio::test(start_paused = true)]
async fn a_conflicting_downlink_goes_to_rx2_or_to_the_other_gateway_with_the_reason() {
    let mut net = Net::start(23, 1).await;
    let first = net.abp("sensor-a", Kind::default()).await;
    let second = net.abp("sensor-b", Kind::default()).await;
    for device in [first, second] {
        let action = Action::Uplink { f_port: 1, payload: vec![1], confirmed: true };
        net.sim.world.act(device, action);
    }
    net.wait(4).await;
    net.wait(5).await;
    let windows: Vec<usize> = net
        .happened()
        .into_iter()
        .filter_map(|what| match what {
            Happened::Heard(_, window, ttn::testkit::Heard::Data(_)) => Some(window),
            _ => None,
        })
        .collect();
    assert_eq!(windows, [0, 1], "{:?}", net.sim.events().unwrap());
    let events = net.sim.events().unwrap();
    let told = events.iter().any(|(name, data)| {
        name == "ns.down.data.schedule.success"
            && data["refused"].to_string().contains("scheduling:conflict")
    });
    let down: Vec<_> = events.iter().filter(|(name, _)| name.contains("down")).collect();
    assert!(told, "{down:#?}");
}

// NS-80, GS-60: both windows of the better gateway are taken, the other one sends
#[tokio::test(start_paused = true)]
async fn a_busy_gateway_leaves_the_answer_to_the_other_one() {
    let mut net = Net::start(24, 2).await;
    let (good, other) = (net.gateways[0], net.gateways[1]);
    let weak = Link { rssi: -110.0, snr: 1.0, loss_per_mille: 0 };
    let mut devices = Vec::new();
    for (name, link) in [("sensor-a", None), ("sensor-b", None), ("sensor-c", Some(weak))] {
        let device = net.abp(name, Kind::default()).await;
        net.sim.world.with(|world, _| world.link(device, other, link));
        devices.push(device);
    }
    for device in devices {
        let action = Action::Uplink { f_port: 1, payload: vec![1], confirmed: true };
        net.sim.world.act(device, action);
    }
    net.wait(10).await;
    let happened = net.happened();
    let gateways: Vec<_> = happened
        .iter()
        .filter_map(|what| match what {
            Happened::Scheduled(gateway, ..) => Some(*gateway),
            _ => None,
        })
        .collect();
    let count = |wanted| gateways.iter().filter(|gateway| **gateway == wanted).count();
    assert_eq!((count(good), count(other)), (2, 1), "{gateways:?}");
}

// NS-69 to NS-72
#[tokio::test(start_paused = true)]
async fn adr_moves_a_device_from_sf12_to_sf7_and_lower_power() {
    let mut net = Net::start(25, 1).await;
    let device = net.otaa("sensor", Kind { data_rate: 0, ..Kind::default() }).await;
    let gateway = net.gateways[0];
    let strong = Link { rssi: -50.0, snr: 14.0, loss_per_mille: 0 };
    net.sim.world.with(|world, _| world.link(device, gateway, Some(strong)));
    net.join(device).await;
    for _ in 0..45 {
        net.send(device, &[1], false).await;
        net.wait(20).await;
    }
    let (rate, power) =
        net.mac(device, |mac| (mac.parameters().data_rate.get(), mac.parameters().tx_power_index));
    assert_eq!(rate, 5, "{:?}", net.sim.events().unwrap().last());
    assert!(power > 0, "{power}");
    // The frequency of a plan channel, so that the device was told more than the three default ones.
    let Happened::Sent(_, _, frequency, _) = net.last_sent(device) else { panic!() };
    assert!(frequency > Frequency::from_hz(863_000_000));
}

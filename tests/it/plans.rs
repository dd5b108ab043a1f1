//! Frequency plans that a network brings along.

use std::fs;

use ttn::{core::radio::Frequency, stack::config::Config};

use crate::net::{Kind, Net, PLAN};

const INDEX: &str = "
- id: EU_863_870_TTN
  name: With a quiet channel
  band-id: EU_863_870
  base-frequency: 868
  file: QUIET.yml
- id: MY_VALLEY
  name: The same in the valley
  base-id: EU_863_870_TTN
  file: VALLEY.yml
";
const QUIET: &str = "
band-id: EU_863_870
uplink-channels:
- {frequency: 868100000, min-data-rate: 0, max-data-rate: 5, radio: 0}
- {frequency: 868300000, min-data-rate: 0, max-data-rate: 5, radio: 0}
- {frequency: 868500000, min-data-rate: 0, max-data-rate: 5, radio: 0}
- {frequency: 867200000, min-data-rate: 0, max-data-rate: 5, radio: 1}
downlink-channels:
- {frequency: 868100000, min-data-rate: 0, max-data-rate: 5}
- {frequency: 868300000, min-data-rate: 0, max-data-rate: 5}
- {frequency: 868500000, min-data-rate: 0, max-data-rate: 5}
- {frequency: 867200000, min-data-rate: 0, max-data-rate: 5}
rx2-default-data-rate: 4
";

// NS-107: what the plan of the network says reaches the device
#[tokio::test(start_paused = true)]
async fn a_device_gets_channels_and_windows_of_the_networks_own_plan() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
    write("frequency-plans.yml", INDEX);
    write("QUIET.yml", QUIET);
    write("VALLEY.yml", "max-eirp: 7\n");
    let mut config = Config::default();
    config.frequency_plans = Some(directory.path().to_str().unwrap().to_owned());
    let mut net = Net::configured(91, 1, config).await;

    let list = "/configuration/frequency-plans?base_frequency=868";
    let plans = net.sim.client().unwrap().get(list).await.unwrap();
    let plans = plans["frequency_plans"].as_array().unwrap();
    assert_eq!(
        (&plans[0]["id"], &plans[0]["name"]),
        (&PLAN.into(), &"With a quiet channel".into())
    );
    assert_eq!((&plans[1]["id"], &plans[1]["base_id"]), (&"MY_VALLEY".into(), &PLAN.into()));

    let device = net.otaa("sensor", Kind::default()).await;
    net.join(device).await;
    net.send(device, &[1], false).await;
    let (rx2, channels) = net.mac(device, |mac| {
        let parameters = mac.parameters();
        let band = &ttn::mac::band::latest(ttn::mac::band::BandId::EU_863_870).unwrap();
        let channels = parameters.channels.iter(band).map(|(_, channel)| channel.uplink_frequency);
        (parameters.rx2_data_rate.get(), channels.collect::<Vec<_>>())
    });
    assert_eq!(rx2, 4);
    let expected = [868_100_000, 868_300_000, 868_500_000, 867_200_000].map(Frequency::from_hz);
    assert_eq!(channels, expected);
    assert_eq!(net.f_cnts().await, [0]);
}

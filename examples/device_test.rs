//! How a user tests his application: with virtual devices, a virtual gateway and the real stack, in virtual time.
//!
//! ```text
//! cargo run --example device_test
//! ```
//!
//! An hour on the air takes a moment. In a test suite the same stands in a `#[tokio::test(start_paused = true)]`.
#![allow(
    missing_docs,
    clippy::disallowed_methods,
    reason = "an example; it also shows how long it took"
)]

use std::time::Duration;

use serde_json::{Value, json};
use ttn::{
    core::{
        addr::DevAddr,
        eui::DevEui,
        id::{ApplicationId, DeviceKey},
        key::Aes128Key,
    },
    stack::{
        config::Config,
        provision::{self, Activation, NewDevice},
        simulation::Simulation,
    },
    testkit::{Action, DeviceNo, Happened, Heard, Link},
};

/// The application under test: it tells the freezer to cool down whenever it is too warm.
fn on_message(message: &Value) -> Option<Value> {
    let temperature = message["uplink_message"]["decoded_payload"]["temperature_1"].as_f64()?;
    let cool_down = json!({ "f_port": 2, "frm_payload": "AQ==" });
    (temperature > -18.0).then(|| json!({ "downlinks": [cool_down] }))
}

fn main() -> anyhow::Result<()> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().start_paused(true).build()?.block_on(a_warm_freezer_is_cooled_down())
}

async fn a_warm_freezer_is_cooled_down() -> anyhow::Result<()> {
    let began = std::time::Instant::now();
    let directory = tempfile::tempdir()?;
    let simulation = Simulation::start(1, directory.path().join("data"), Config::default()).await?;
    let application: ApplicationId = "freezers".parse()?;
    provision::create_application(simulation.client()?, &application).await?;
    simulation.add_gateway(&"on-the-roof".parse()?, "EU_863_870_TTN").await?;
    let (nwk_s_key, app_s_key) = (Aes128Key::new([1; 16]), Aes128Key::new([2; 16]));
    let activation = Activation::abp(DevAddr::from_u32(0x0000_1234), nwk_s_key, app_s_key);
    let key = DeviceKey::new(application.clone(), "freezer".parse()?);
    let mut freezer = NewDevice::new(key, DevEui::from_u64(0x70B3_D57E_D000_1234), activation);
    freezer.up_formatter = "FORMATTER_CAYENNELPP";
    // One frame in ten is lost.
    let link = Link { rssi: -110.0, snr: -2.0, loss_per_mille: 100 };
    let device = simulation.add_device(&freezer, link).await?;

    let (mut seen, mut looked_at, mut warm) = (0, 0, 0_i16);
    for minute in 0..60 {
        // It warms up by half a degree per minute until it is told to cool down.
        let happened = simulation.world.happened_since(looked_at);
        looked_at += happened.len();
        let told = happened.iter().any(|(_, what)| is_downlink(what, device));
        warm = if told { 0 } else { warm + 5 };
        let [high, low] = (-200_i16 + warm).to_be_bytes();
        let action =
            Action::Uplink { f_port: 1, payload: vec![1, 0x67, high, low], confirmed: false };
        simulation.world.act(device, action);
        simulation.wait(Duration::from_secs(60)).await;
        for message in simulation.messages(&application).await?.into_iter().skip(seen) {
            seen += 1;
            if let Some(downlinks) = on_message(&message) {
                let path = format!("/as/applications/{application}/devices/freezer/down/replace");
                simulation.client()?.post(&path, downlinks).await?;
            }
        }
        anyhow::ensure!(
            warm < 100,
            "minute {minute}: the freezer is {} degrees too warm",
            warm / 10
        );
    }
    println!("an hour of the freezer, {seen} messages, in {:?}", began.elapsed());
    Ok(())
}

/// Whether it is the application's downlink, heard by the device.
fn is_downlink(what: &Happened, device: DeviceNo) -> bool {
    matches!(what, Happened::Heard(by, _, Heard::Data(data)) if *by == device && data.f_port == Some(2))
}

//! `start --demo`: a virtual gateway over real UDP and three virtual devices, and what comes of them.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context as _;
use data_encoding::HEXUPPER;
use serde_json::{Value, json};
use ttn_as::log::{Cursor, Item, Start};
use ttn_core::{
    addr::DevAddr,
    clock::Clock,
    eui::{DevEui, GatewayEui, JoinEui},
    id::{ApplicationId, DeviceKey},
    key::Aes128Key,
    radio::DataRateIndex,
    rand::{Entropy, OsEntropy},
    task::Tasks,
    version::{MacVersion, PhyVersion},
};
use ttn_mac::device::ReceivedData;
use ttn_testkit::{
    Action, DeviceNo, GatewayModel, Happened, Heard, Link, UdpLink, World, WorldHandle, drive,
};

use crate::{
    client::Client,
    compose::Stack,
    provision::{self, Activation, NewDevice},
};

/// Where the demo's clients connect.
#[derive(Clone, Copy)]
pub(super) struct Ports {
    pub(super) udp: u16,
    pub(super) mqtt: u16,
    pub(super) http: u16,
}

const APPLICATION: &str = "demo-app";
const GATEWAY_EUI: GatewayEui = GatewayEui::from_u64(0x00AA_BBCC_DDEE_FF01);
const PLAN: &str = "EU_863_870_TTN";
/// From one uplink of a device to its next.
const INTERVAL: Duration = Duration::from_secs(10);
/// Every so many uplinks a downlink is pushed.
const DOWNLINK_EVERY: u64 = 3;

/// Registers gateway and devices, lets them live, and prints what applications get.
pub(super) async fn start(
    stack: &Stack,
    api_key: &str,
    ports: Ports,
    clock: Arc<dyn Clock>,
    tasks: &mut Tasks,
) -> anyhow::Result<()> {
    let client = stack.client().with_key(api_key);
    let application: ApplicationId = APPLICATION.parse()?;
    provision::create_application(&client, &application).await?;
    provision::create_gateway(&client, &"demo-gateway".parse()?, GATEWAY_EUI, PLAN).await?;
    let mut world = World::new(OsEntropy::default());
    let backhaul = Duration::from_millis(5);
    let model = GatewayModel { eui: GATEWAY_EUI, counter_start: 0, backhaul };
    let gateway = world.add_gateway(model, clock.monotonic());
    let mut numbers = Vec::new();
    for device in devices()? {
        provision::create_device(&client, &device).await?;
        let mut config = device.device_config()?;
        config.data_rate = DataRateIndex::from_low_bits(3);
        let number = world.add_device(ttn_testkit::Device::new(device.on_air(config)));
        let link = Link { rssi: -71.0, snr: 8.5, loss_per_mille: 0 };
        world.link(number, gateway, Some(link));
        let joins = matches!(device.activation, Activation::Otaa { .. });
        numbers.push((number, device.key.device_id.to_string(), joins));
    }
    let handle = WorldHandle::new(world, clock.clone());
    let server = SocketAddr::from(([127, 0, 0, 1], ports.udp));
    let link = UdpLink::connect(server, 1).await.context("the sockets of the virtual gateway")?;
    print_hints(api_key, ports);
    tasks.spawn("demo-world", drive(handle.clone(), link));
    for (index, (number, name, joins)) in numbers.iter().enumerate() {
        let delay = Duration::from_millis(1500 * index as u64);
        tasks.spawn("demo-device", live(handle.clone(), clock.clone(), *number, *joins, delay));
        println!("demo: {name} is on the air");
    }
    let names = numbers.into_iter().map(|(number, name, _)| (number, name)).collect();
    tasks.spawn("demo-air", print_air(handle, clock, names));
    let reader = stack.applications.read(&application, Start::At(Cursor::start()));
    tasks.spawn("demo-messages", print_messages(reader, client));
    Ok(())
}

fn print_hints(api_key: &str, ports: Ports) {
    let Ports { mqtt, http, .. } = ports;
    println!("\nWatch it as an application does, in another terminal:");
    println!("  mosquitto_sub -p {mqtt} -u {APPLICATION} -P {api_key} -t 'v3/+/devices/+/up'");
    println!("Send a downlink; it goes out after the device's next uplink:");
    println!(
        "  mosquitto_pub -p {mqtt} -u {APPLICATION} -P {api_key} \
         -t v3/{APPLICATION}/devices/otaa-1-0-4/down/push \
         -m '{{\"downlinks\":[{{\"f_port\":2,\"frm_payload\":\"AQI=\"}}]}}'"
    );
    println!("Ask the API:");
    println!(
        "  curl -H 'Authorization: Bearer {api_key}' \
         http://localhost:{http}/api/v3/ns/applications/{APPLICATION}/devices/otaa-1-0-4?field_mask=session,mac_state"
    );
    println!("Stop with Ctrl-C.\n");
}

fn devices() -> anyhow::Result<Vec<NewDevice>> {
    let entropy = OsEntropy::default();
    let join_eui = JoinEui::from_u64(0x70B3_D57E_D000_0000);
    let otaa = |nwk_key| Activation::Otaa { join_eui, app_key: random_key(&entropy), nwk_key };
    let dev_addr = DevAddr::from_u32(0x0000_1234);
    let abp = Activation::abp(dev_addr, random_key(&entropy), random_key(&entropy));
    let (v1_1, v1_0_4) = (PhyVersion::RP001_V1_1_REV_B, PhyVersion::RP002_V1_0_1);
    let kinds = [
        ("otaa-1-0-4", MacVersion::V1_0_4, v1_0_4, otaa(None)),
        ("otaa-1-1", MacVersion::V1_1, v1_1, otaa(Some(random_key(&entropy)))),
        ("abp-1-0-3", MacVersion::V1_0_3, PhyVersion::RP001_V1_0_3_REV_A, abp),
    ];
    let devices =
        kinds.into_iter().zip(1..).map(|((name, version, phy_version, activation), n)| {
            let key = DeviceKey::new(APPLICATION.parse()?, name.parse()?);
            let dev_eui = DevEui::from_u64(0x70B3_D57E_D000_1000 + n);
            let up_formatter = "FORMATTER_CAYENNELPP";
            let device = NewDevice::new(key, dev_eui, activation);
            Ok(NewDevice { version, phy_version, up_formatter, ..device })
        });
    devices.collect()
}

fn random_key(entropy: &dyn Entropy) -> Aes128Key {
    let mut octets = [0; 16];
    entropy.fill(&mut octets);
    Aes128Key::new(octets)
}

/// Joins until it is heard, then sends temperature and humidity for ever.
async fn live(
    world: WorldHandle,
    clock: Arc<dyn Clock>,
    device: DeviceNo,
    joins: bool,
    delay: Duration,
) {
    let entropy = OsEntropy::default();
    let wait = async |duration| clock.sleep_until(clock.monotonic().plus(duration)).await;
    wait(delay).await;
    while joins
        && !world.with(|world, _| world.mac(device).is_some_and(|mac| mac.session().is_some()))
    {
        world.act(device, Action::Join);
        wait(Duration::from_secs(6)).await;
    }
    loop {
        let tenths = 180 + entropy.below(60) as u16;
        let [high, low] = tenths.to_be_bytes();
        let humidity = 80 + entropy.below(40) as u8;
        let payload = vec![1, 0x67, high, low, 2, 0x68, humidity];
        world.act(device, Action::Uplink { f_port: 1, payload, confirmed: false });
        wait(INTERVAL).await;
    }
}

/// Prints what devices hear.
async fn print_air(world: WorldHandle, clock: Arc<dyn Clock>, names: Vec<(DeviceNo, String)>) {
    let mut seen = 0;
    loop {
        clock.sleep_until(clock.monotonic().plus(Duration::from_millis(200))).await;
        let happened = world.happened_since(seen);
        seen += happened.len();
        for (_, what) in happened {
            let name = |device: DeviceNo| {
                names.iter().find(|(number, _)| *number == device).map_or("?", |(_, name)| name)
            };
            match what {
                Happened::Heard(device, window, Heard::Joined) => {
                    println!(
                        "device {:<11} joined; heard the accept in RX{}",
                        name(device),
                        window + 1
                    );
                }
                Happened::Heard(device, window, Heard::Data(data)) => println!(
                    "device {:<11} heard downlink {} in RX{}: {}",
                    name(device),
                    data.f_cnt,
                    window + 1,
                    contents(&data),
                ),
                Happened::Violation(what) => println!("VIOLATION {what}"),
                _ => {}
            }
        }
    }
}

/// What a downlink brought: payload, commands, an acknowledgement.
fn contents(data: &ReceivedData) -> String {
    let mut parts = Vec::new();
    if let Some(port) = data.f_port.filter(|port| *port > 0) {
        parts.push(format!("port {port} payload {}", HEXUPPER.encode(&data.payload)));
    }
    parts.extend(data.commands.iter().map(|command| command.name().to_owned()));
    if data.ack {
        parts.push("acknowledgement".to_owned());
    }
    if parts.is_empty() { "nothing but its header".to_owned() } else { parts.join(", ") }
}

/// Prints what the application gets, and pushes a downlink now and then.
async fn print_messages(mut reader: ttn_as::log::Reader, client: Client) {
    let mut uplinks = 0;
    while let Some(Ok(item)) = reader.next().await {
        let Item::Message(message) = item else { continue };
        let Ok(message) = serde_json::from_slice::<Value>(&message.json()) else { continue };
        let device = message["end_device_ids"]["device_id"].as_str().unwrap_or("?").to_owned();
        let up = &message["uplink_message"];
        if up.is_object() {
            uplinks += 1;
            println!(
                "uplink {device:<11} FCnt {} port {} {} dBm: {}",
                up["f_cnt"].as_u64().unwrap_or_default(),
                up["f_port"],
                up["rx_metadata"][0]["rssi"],
                up["decoded_payload"],
            );
            if uplinks % DOWNLINK_EVERY == 0 {
                let path = format!("/as/applications/{APPLICATION}/devices/{device}/down/push");
                let downlink = json!({ "f_port": 2, "frm_payload": "AQI=" });
                if let Err(error) = client.post(&path, json!({ "downlinks": [downlink] })).await {
                    println!("downlink for {device}: {error}");
                }
            }
        } else if let Some(kind) =
            message.as_object().and_then(|it| it.keys().find(|key| is_kind(key)))
        {
            println!("event  {device:<11} {kind}");
        }
    }
}

fn is_kind(key: &str) -> bool {
    key.starts_with("downlink_") || key == "join_accept"
}

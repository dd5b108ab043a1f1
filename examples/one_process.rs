//! The whole network embedded in a program: an application, a device, and the messages that arrive.
//!
//! ```text
//! cargo run --example one_process
//! ```
//!
//! It listens for real gateways on a free UDP port; a virtual one is on the air so that something happens.
#![allow(missing_docs, reason = "an example")]

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context as _;
use serde_json::Value;
use ttn::{
    application_server::log::{Cursor, Item, Start},
    core::{
        addr::DevAddr,
        clock::{Clock, SystemClock},
        eui::{DevEui, GatewayEui},
        id::DeviceKey,
        key::Aes128Key,
        radio::DataRateIndex,
        rand::OsEntropy,
        task::Tasks,
        version::{MacVersion, PhyVersion},
    },
    gateway_server::frontend::udp::{SocketTransport, Transport as _},
    mac::{
        band::{self, BandId},
        device::{DevNonces, Device, DeviceConfig, DeviceSession},
        session::NetworkKeys,
    },
    stack::{
        compose::{Parts, Stack, Stores},
        config::Config,
        provision::{self, Activation, NewDevice},
    },
    store_embedded::{EmbeddedStore, LocalVault, Options},
    testkit::{self, Action, GatewayModel, Link, UdpLink, World, WorldHandle, drive},
};

const PLAN: &str = "EU_863_870_TTN";
const GATEWAY: GatewayEui = GatewayEui::from_u64(0x00AA_BBCC_DDEE_FF01);

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    // The parts: time, chance, a store in a directory, the key that wraps keys at rest.
    let directory = tempfile::tempdir()?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let entropy = Arc::new(OsEntropy::default());
    let store = EmbeddedStore::open(directory.path().join("data"), Options::default())?;
    let vault = Arc::new(LocalVault::load_or_create(directory.path().join("kek"), &*entropy)?);
    let parts = Parts { clock: clock.clone(), entropy, stores: Stores::embedded(&store), vault };

    // The network. Tasks belong to whoever starts them: dropping them stops it.
    let udp = SocketTransport::bind("127.0.0.1:0".parse()?, 1 << 20)?;
    let port = udp.local_addr().port();
    let stack = Stack::build(&Config::default(), parts, udp).await?;
    let mut tasks = Tasks::new();
    stack.start(&mut tasks);
    println!("gateways may connect to UDP port {port}");

    // The API without sockets, in the name of the administrator.
    let admin = "admin".parse()?;
    let created =
        stack.identity.ensure_admin(&admin, "a good password", "admin@example.com").await?;
    let client = stack.client().with_key(&created.context("the store is new")?.api_key);
    let application = "my-app".parse()?;
    provision::create_application(&client, &application).await?;
    provision::create_gateway(&client, &"my-gateway".parse()?, GATEWAY, PLAN).await?;
    let (registration, device) = device(DeviceKey::new(application.clone(), "my-device".parse()?))?;
    provision::create_device(&client, &registration).await?;

    // A virtual device sends a temperature every 500 ms to a virtual gateway with a real socket.
    let mut world = World::new(OsEntropy::default());
    let model = GatewayModel { eui: GATEWAY, counter_start: 0, backhaul: Duration::from_millis(5) };
    let gateway = world.add_gateway(model, clock.monotonic());
    let device = world.add_device(testkit::Device::new(device));
    world.link(device, gateway, Some(Link { rssi: -71.0, snr: 8.5, loss_per_mille: 0 }));
    for number in 1..=3_u8 {
        let action =
            Action::Uplink { f_port: 1, payload: vec![1, 0x67, 0, 220 + number], confirmed: false };
        let at = clock.monotonic().plus(Duration::from_millis(500) * u32::from(number));
        world.at(at, device, action);
    }
    let link = UdpLink::connect(SocketAddr::from(([127, 0, 0, 1], port)), 1).await?;
    tasks.spawn("world", drive(WorldHandle::new(world, clock), link));

    // The application's messages, from the durable log.
    let mut reader = stack.applications.read(&application, Start::At(Cursor::start()));
    for _ in 0..3 {
        if let Some(Item::Message(message)) = reader.next().await.transpose()? {
            let message: Value = serde_json::from_slice(&message.json())?;
            println!(
                "{}: {}",
                message["received_at"], message["uplink_message"]["decoded_payload"]
            );
        }
    }
    Ok(())
}

/// A device as it is registered, and the same on the air.
fn device(key: DeviceKey) -> anyhow::Result<(NewDevice, Device)> {
    let (dev_addr, app_s_key) = (DevAddr::from_u32(0x0000_1234), Aes128Key::new([2; 16]));
    let nwk_s_key = Aes128Key::new([1; 16]);
    let network_keys = [nwk_s_key.clone(), nwk_s_key.clone(), nwk_s_key.clone()];
    let registration = NewDevice {
        key,
        dev_eui: DevEui::from_u64(0x70B3_D57E_D000_1234),
        lorawan_version: "MAC_V1_0_3",
        lorawan_phy_version: "RP001_V1_0_3_REV_A",
        frequency_plan_id: PLAN,
        up_formatter: "FORMATTER_CAYENNELPP",
        mac_settings: Value::Null,
        activation: Activation::Abp { dev_addr, network_keys, app_s_key: app_s_key.clone() },
    };
    let version = MacVersion::V1_0_3;
    let config = DeviceConfig {
        band: band::get(BandId::EU_863_870, PhyVersion::RP001_V1_0_3_REV_A)?,
        version,
        channels: None,
        data_rate: DataRateIndex::from_low_bits(5),
        adr: true,
        dev_nonces: DevNonces::Random,
        first_f_cnt_up: 0,
    };
    let keys = NetworkKeys::v1_0(nwk_s_key);
    let (next_f_cnt_up, last_n_f_cnt_down, last_a_f_cnt_down) = (0, None, None);
    let session = DeviceSession {
        version,
        dev_addr,
        keys,
        app_s_key,
        next_f_cnt_up,
        last_n_f_cnt_down,
        last_a_f_cnt_down,
    };
    Ok((registration, Device::abp(config, session)))
}

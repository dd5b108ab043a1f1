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
    application_server::{
        format::javascript::{InProcessHost, Limits},
        log::{Cursor, Item, Start},
    },
    core::{
        addr::DevAddr,
        clock::{Clock, SystemClock},
        eui::{DevEui, GatewayEui},
        id::DeviceKey,
        key::Aes128Key,
        rand::OsEntropy,
        task::Tasks,
    },
    gateway_server::frontend::udp::{SocketTransport, Transport as _},
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
    let stores = Stores::embedded(&store);
    // Scripts of payload formatters: this program writes them itself. Those of others belong into processes.
    let scripts = Arc::new(InProcessHost::new(Limits::default()));
    let parts = Parts { clock: clock.clone(), entropy, stores, vault, scripts, webhooks: None };

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
    let key = DeviceKey::new(application.clone(), "my-device".parse()?);
    let (nwk_s_key, app_s_key) = (Aes128Key::new([1; 16]), Aes128Key::new([2; 16]));
    let activation = Activation::abp(DevAddr::from_u32(0x0000_1234), nwk_s_key, app_s_key);
    let mut device = NewDevice::new(key, DevEui::from_u64(0x70B3_D57E_D000_1234), activation);
    device.up_formatter = "FORMATTER_CAYENNELPP";
    provision::create_device(&client, &device).await?;

    // A virtual device sends a temperature every 500 ms to a virtual gateway with a real socket.
    let mut world = World::new(OsEntropy::default());
    let model = GatewayModel { eui: GATEWAY, counter_start: 0, backhaul: Duration::from_millis(5) };
    let gateway = world.add_gateway(model, clock.monotonic());
    let device = world.add_device(testkit::Device::new(device.on_air(device.device_config()?)));
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

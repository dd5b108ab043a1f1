//! A whole stack in virtual time, with devices and gateways that only make and read datagrams.
//!
//! On a paused, current-thread runtime nothing waits: the wall time of a batch is the CPU time that it takes.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use ttn::{
    application_server::{
        format::javascript::{InProcessHost, Limits},
        log::{Cursor, Item, MemoryLog, Reader, Start},
        store::MemoryStore as MemoryApplicationStore,
    },
    core::{
        addr::DevAddr,
        clock::Clock as _,
        eui::{DevEui, GatewayEui},
        id::{ApplicationId, DeviceKey},
        key::Aes128Key,
        task::Tasks,
    },
    gateway_server::frontend::memory::{self, MemoryNetwork},
    identity_server::store::MemoryIdentityStore,
    join_server::store::MemoryStore as MemoryJoinStore,
    mac::device::{Device, DeviceConfig},
    network_server::store::MemoryNetworkStore,
    stack::{
        compose::{KEK_LABEL, Parts, Stack, Stores},
        config::Config,
        provision::{self, Activation, NewDevice},
    },
    store_embedded::{Commit, EmbeddedStore, LocalVault, Options, Survives},
    testkit::{Emission, Gateway, GatewayModel, SeededEntropy, VirtualClock},
};

/// Where the stack keeps what it has.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Backend {
    /// In one directory; commits are handed to the operating system by the caller.
    Embedded,
    /// In memory.
    Memory,
}

/// Datagrams and where they come from.
pub(crate) type Datagrams = Vec<(SocketAddr, Vec<u8>)>;

pub(crate) struct Network {
    pub(crate) runtime: Runtime,
    pub(crate) stack: Stack,
    clock: Arc<VirtualClock>,
    network: MemoryNetwork,
    gateways: Vec<Gateway>,
    devices: Vec<Device>,
    reader: Reader,
    _tasks: Tasks,
    _directory: TempDir,
}

const PLAN: &str = "EU_863_870_TTN";
/// Of everything that is drawn: two runs do the same.
const SEED: u64 = 6;
const PAYLOAD: [u8; 20] = [7; 20];

impl Network {
    /// Registers gateways and activated devices. The devices are as the network wants them: nothing is to be said.
    pub(crate) fn start(backend: Backend, gateways: usize, devices: usize) -> Self {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().start_paused(true).build().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let clock = {
            let _guard = runtime.enter();
            Arc::new(VirtualClock::starting_at(VirtualClock::DEFAULT_START))
        };
        let parts = Parts {
            clock: clock.clone(),
            entropy: Arc::new(SeededEntropy::new(SEED)),
            stores: stores(backend, &directory),
            vault: Arc::new(LocalVault::new().with(KEK_LABEL, &[1; 16]).unwrap()),
            webhooks: None,
            scripts: Arc::new(InProcessHost::new(Limits::default())),
        };
        let (transport, network) = memory::network("192.0.2.1:1700".parse().unwrap());
        let mut tasks = Tasks::new();
        let (stack, devices) = runtime.block_on(async {
            let mut config = Config::default();
            // Virtual time stands still while a bench sends: every packet comes at the same instant.
            config.gateways.rate_firewall = false;
            let stack = Stack::build(&config, parts, transport).await.unwrap();
            stack.start(&mut tasks);
            let devices = register(&stack, gateways, devices).await;
            (stack, devices)
        });
        let reader = stack.applications.read(&application(), Start::At(Cursor::start()));
        let gateways = (0..gateways).map(|index| {
            let (counter_start, backhaul) = (0, Duration::ZERO);
            Gateway::new(GatewayModel { eui: gateway_eui(index), counter_start, backhaul })
        });
        let gateways = gateways.collect();
        let _tasks = tasks;
        Self {
            runtime,
            stack,
            clock,
            network,
            gateways,
            devices,
            reader,
            _tasks,
            _directory: directory,
        }
    }

    /// How many devices there are.
    pub(crate) fn devices(&self) -> usize {
        self.devices.len()
    }

    /// Lets virtual time pass, and keeps the ways of downlinks open.
    pub(crate) fn wait(&mut self, duration: Duration) {
        for (index, gateway) in self.gateways.iter_mut().enumerate() {
            assert!(self.network.send(address(index), gateway.pull_data()));
        }
        let clock = self.clock.clone();
        // Virtual time is that of the runtime: outside of it the clock would be the system's.
        self.runtime
            .block_on(async move { clock.sleep_until(clock.monotonic().plus(duration)).await });
        while self.network.try_receive().is_some() {}
    }

    /// One uplink of each of some devices, received by every gateway now.
    pub(crate) fn uplinks(&mut self, devices: std::ops::Range<usize>) -> Datagrams {
        let entropy = SeededEntropy::new(SEED);
        let now = {
            let _guard = self.runtime.enter();
            self.clock.monotonic()
        };
        let mut datagrams = Vec::new();
        for device in &mut self.devices[devices] {
            let tx = device.uplink(1, &PAYLOAD, false, &entropy).unwrap();
            for (index, gateway) in self.gateways.iter_mut().enumerate() {
                let rssi = -90.0 - index as f32;
                let datagram =
                    gateway.push_data(now, tx.frequency, &tx.data_rate, rssi, 7.0, &tx.bytes);
                datagrams.push((address(index), datagram));
            }
        }
        datagrams
    }

    /// Sends datagrams and waits until the application's reader has so many uplinks as JSON; gives their octets.
    pub(crate) fn deliver(&mut self, datagrams: Datagrams, uplinks: usize) -> usize {
        for (from, octets) in datagrams {
            assert!(self.network.send(from, octets), "the queue of the transport is full");
        }
        let reader = &mut self.reader;
        self.runtime.block_on(async {
            let mut octets = 0;
            for _ in 0..uplinks {
                match reader.next().await {
                    Some(Ok(Item::Message(message))) => octets += message.json().len(),
                    other => panic!("{other:?}"),
                }
            }
            octets
        })
    }

    /// Sends datagrams and waits for a transmission; gives it and accepts it.
    pub(crate) fn answer(&mut self, datagrams: Datagrams) -> Emission {
        for (from, octets) in datagrams {
            assert!(self.network.send(from, octets), "the queue of the transport is full");
        }
        let (network, gateways) = (&mut self.network, &mut self.gateways);
        self.runtime.block_on(async {
            loop {
                let received =
                    tokio::time::timeout(Duration::from_secs(10), network.receive()).await;
                let (to, datagram) = received.expect("a PULL_RESP within ten seconds").unwrap();
                let index = usize::from(to.port() - FIRST_PORT);
                if let Some((emission, ack)) = gateways[index].receive(&datagram) {
                    assert!(network.send(to, ack));
                    return emission;
                }
            }
        })
    }
}

/// The name of a device.
pub(crate) fn device_key(index: usize) -> DeviceKey {
    DeviceKey::new(application(), format!("device-{index}").parse().unwrap())
}

fn application() -> ApplicationId {
    "bench-app".parse().unwrap()
}

fn gateway_eui(index: usize) -> GatewayEui {
    GatewayEui::from_u64(0x00AA_0000_0000_0001 + index as u64)
}

const FIRST_PORT: u16 = 50_000;

fn address(gateway: usize) -> SocketAddr {
    SocketAddr::from(([198, 18, 0, 1], FIRST_PORT + gateway as u16))
}

fn stores(backend: Backend, directory: &TempDir) -> Stores {
    match backend {
        Backend::Embedded => {
            // Virtual time knows no other threads.
            let (commit, survives) = (Commit::Inline, Survives::ProcessKill);
            let options = Options { commit, survives, ..Options::default() };
            Stores::embedded(&EmbeddedStore::open(directory.path().join("data"), options).unwrap())
        }
        Backend::Memory => {
            let log = Arc::new(MemoryLog::new());
            Stores {
                network: Arc::new(MemoryNetworkStore::new()),
                applications: Arc::new(MemoryApplicationStore::new(log.clone())),
                log,
                joins: Arc::new(MemoryJoinStore::new()),
                identity: Arc::new(MemoryIdentityStore::new()),
            }
        }
    }
}

async fn register(stack: &Stack, gateways: usize, devices: usize) -> Vec<Device> {
    let admin = "admin".parse().unwrap();
    let created = stack.identity.ensure_admin(&admin, "a password", "admin@example.com").await;
    let client = stack.client().with_key(&created.unwrap().unwrap().api_key);
    provision::create_application(&client, &application()).await.unwrap();
    for index in 0..gateways {
        let id = format!("gateway-{index}").parse().unwrap();
        provision::create_gateway(&client, &id, gateway_eui(index), PLAN).await.unwrap();
    }
    let mut on_air = Vec::new();
    for index in 0..devices {
        let (registration, device) = device(index);
        provision::create_device(&client, &registration).await.unwrap();
        on_air.push(device);
    }
    on_air
}

/// A device as it is registered, and the same on the air.
fn device(index: usize) -> (NewDevice, Device) {
    let number = index as u32 + 1;
    let key = |kind: u8| {
        let mut octets = [kind; 16];
        octets[..4].copy_from_slice(&number.to_be_bytes());
        Aes128Key::new(octets)
    };
    let activation = Activation::abp(DevAddr::from_u32(number), key(1), key(2));
    let dev_eui = DevEui::from_u64(0x70B3_D57E_D000_0000 + u64::from(number));
    let mut registration = NewDevice::new(device_key(index), dev_eui, activation);
    registration.mac_settings = settled();
    let config = DeviceConfig { adr: false, ..registration.device_config().unwrap() };
    let device = registration.on_air(config);
    (registration, device)
}

/// A device that is from the factory as the plan wants it.
fn settled() -> Value {
    let megahertz = [868.1, 868.3, 868.5, 867.1, 867.3, 867.5, 867.7, 867.9];
    let frequencies: Vec<String> =
        megahertz.iter().map(|it| format!("{}", (it * 1e6_f64).round() as u64)).collect();
    json!({
        "rx1_delay": 5,
        "rx2_data_rate_index": 3,
        "factory_preset_frequencies": frequencies,
        "adr": { "disabled": {} },
        // The question for the battery, else part of the first answer to every device.
        "status_time_periodicity": "0s",
        "status_count_periodicity": 0,
    })
}

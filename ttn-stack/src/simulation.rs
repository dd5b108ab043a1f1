//! The whole network in virtual time: for tests of the stack, and for tests of applications that use it.
//!
//! Run it on a current-thread runtime with paused time (`#[tokio::test(start_paused = true)]`). Devices, gateways and the
//! air are a [`ttn_testkit::World`]; everything behind the gateways' datagrams is the real stack. The same seed gives
//! the same run.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context as _;
use futures::future::{BoxFuture, FutureExt as _};
use serde_json::Value;
use ttn_as::{
    format::javascript::{InProcessHost, Limits},
    integration::mqtt::memory::{self as mqtt_memory, MemoryClients},
    log::{Cursor, Item, Start},
};
use ttn_core::{
    clock::Clock,
    eui::GatewayEui,
    event::Subscription,
    id::{ApplicationId, GatewayId},
    task::Tasks,
};
use ttn_gs::frontend::memory::{self, MemoryNetwork};
use ttn_mac::device::DeviceConfig;
use ttn_store_embedded::{Commit, EmbeddedStore, LocalVault, Options, Survives};
use ttn_testkit::{
    DeviceNo, GatewayLink, GatewayModel, GatewayNo, Link, SeededEntropy, VirtualClock, World,
    WorldHandle, drive,
};

use crate::{
    client::Client,
    compose::{KEK_LABEL, Parts, Stack, Stores},
    config::Config,
    endpoint::MemoryEndpoint,
    provision::{self, NewDevice},
};

/// A stack with the world around it.
#[derive(Debug)]
pub struct Simulation {
    /// Devices, gateways and air.
    pub world: WorldHandle,
    /// The clock of everything.
    pub clock: Arc<VirtualClock>,
    /// Where the requests of webhooks go, whatever their URLs.
    pub endpoint: Arc<MemoryEndpoint>,
    /// The stack; `None` while it is down.
    stack: Option<Running>,
    client: Option<Client>,
    config: Config,
    directory: PathBuf,
    seed: u64,
    starts: u64,
    api_key: String,
}

#[derive(Debug)]
struct Running {
    // Tasks stop before the components that they use.
    _tasks: Tasks,
    stack: Stack,
    events: Subscription,
    mqtt: MemoryClients,
}

/// The key that wraps keys at rest in simulations.
const KEK: [u8; 16] = [0x4B; 16];

impl Simulation {
    /// Starts a stack on a store in `directory`, with a world whose chance comes from `seed`.
    ///
    /// # Errors
    ///
    /// The store cannot be opened.
    pub async fn start(
        seed: u64,
        directory: impl Into<PathBuf>,
        config: Config,
    ) -> anyhow::Result<Self> {
        let clock = Arc::new(VirtualClock::starting_at(VirtualClock::DEFAULT_START));
        let world = WorldHandle::new(World::new(SeededEntropy::new(seed)), clock.clone());
        let directory = directory.into();
        let mut simulation = Self {
            world,
            clock,
            endpoint: Arc::default(),
            stack: None,
            client: None,
            config,
            directory,
            seed,
            starts: 0,
            api_key: String::new(),
        };
        simulation.boot().await?;
        Ok(simulation)
    }

    /// Drops the stack and builds it again on the same directory; the world goes on meanwhile.
    ///
    /// # Errors
    ///
    /// The store cannot be opened again.
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        self.client = None;
        self.stack = None;
        // Tasks that were dropped let go of what they hold when the runtime has seen it.
        tokio::task::yield_now().await;
        self.boot().await
    }

    async fn boot(&mut self) -> anyhow::Result<()> {
        self.starts += 1;
        let options = Options {
            commit: Commit::Inline,
            survives: Survives::ProcessKill,
            ..Options::default()
        };
        let store = EmbeddedStore::open(&self.directory, options)?;
        let parts = Parts {
            clock: self.clock.clone(),
            entropy: Arc::new(SeededEntropy::new(self.seed.wrapping_add(self.starts << 32))),
            stores: Stores::embedded(&store),
            vault: Arc::new(LocalVault::new().with(KEK_LABEL, &KEK)?),
            scripts: Arc::new(InProcessHost::new(Limits::default())),
            webhooks: Some(self.endpoint.clone()),
        };
        let (transport, network) = memory::network(SERVER.parse()?);
        let stack = Stack::build(&self.config, parts, transport).await?;
        let admin = "admin".parse()?;
        let created = stack.identity.ensure_admin(&admin, "simulated", "admin@example.com").await?;
        if let Some(created) = created {
            self.api_key = created.api_key;
        }
        let mut tasks = Tasks::new();
        let events = stack.events.subscribe();
        stack.start(&mut tasks);
        let (mqtt, mqtt_listener) = mqtt_memory::listener();
        stack.serve_mqtt(mqtt_listener, &mut tasks);
        tasks.spawn("world", drive(self.world.clone(), MemoryLink { network }));
        self.client = Some(stack.client().with_key(&self.api_key));
        self.stack = Some(Running { _tasks: tasks, stack, events, mqtt });
        Ok(())
    }

    /// The running stack.
    ///
    /// # Errors
    ///
    /// The last restart failed.
    pub fn stack(&self) -> anyhow::Result<&Stack> {
        self.stack.as_ref().map(|running| &running.stack).context("the stack is down")
    }

    /// The API in the name of the administrator.
    ///
    /// # Errors
    ///
    /// The last restart failed.
    pub fn client(&self) -> anyhow::Result<&Client> {
        self.client.as_ref().context("the stack is down")
    }

    /// What connects MQTT clients to the running stack.
    ///
    /// # Errors
    ///
    /// The last restart failed.
    pub fn mqtt(&self) -> anyhow::Result<&MemoryClients> {
        self.stack.as_ref().map(|running| &running.mqtt).context("the stack is down")
    }

    /// The key of the administrator.
    #[must_use]
    pub fn api_key(&self) -> &str {
        &self.api_key
    }

    /// Registers a gateway and puts it into the world.
    ///
    /// # Errors
    ///
    /// The API refused it.
    pub async fn add_gateway(&self, id: &GatewayId, plan: &str) -> anyhow::Result<GatewayNo> {
        let count = self.world.with(|world, _| world.gateways());
        let eui = GatewayEui::from_u64(0x00AA_0000_0000_0001 + count as u64);
        provision::create_gateway(self.client()?, id, eui, plan).await?;
        let backhaul = Duration::from_millis(15);
        // The counter rolls over two minutes after the start.
        let counter_start = u32::MAX - 120_000_000;
        let model = GatewayModel { eui, counter_start, backhaul };
        Ok(self.world.with(|world, now| world.add_gateway(model, now)))
    }

    /// Registers a device and puts it into the world as it is registered, heard by every gateway.
    ///
    /// # Errors
    ///
    /// The API refused it, or its plan is not known.
    pub async fn add_device(&self, device: &NewDevice, link: Link) -> anyhow::Result<DeviceNo> {
        self.add_device_with(device, device.device_config()?, link).await
    }

    /// As [`Self::add_device`], for a device that is not quite as it is registered.
    ///
    /// # Errors
    ///
    /// The API refused it.
    pub async fn add_device_with(
        &self,
        device: &NewDevice,
        config: DeviceConfig,
        link: Link,
    ) -> anyhow::Result<DeviceNo> {
        provision::create_device(self.client()?, device).await?;
        let device = ttn_testkit::Device::new(device.on_air(config));
        Ok(self.world.with(|world, _| {
            let number = world.add_device(device);
            for gateway in 0..world.gateways() {
                world.link(number, GatewayNo::new(gateway), Some(link));
            }
            number
        }))
    }

    /// Lets time pass.
    pub async fn wait(&self, duration: Duration) {
        self.clock.sleep_until(self.clock.monotonic().plus(duration)).await;
    }

    /// Every message that an application has got so far, as JSON of the API, from the durable log.
    ///
    /// # Errors
    ///
    /// The log cannot be read.
    pub async fn messages(&self, application: &ApplicationId) -> anyhow::Result<Vec<Value>> {
        let mut reader = self.stack()?.applications.read(application, Start::At(Cursor::start()));
        let mut messages = Vec::new();
        // A reader waits at the end of the log for more.
        while let Ok(Some(item)) =
            tokio::time::timeout(Duration::from_millis(1), reader.next()).await
        {
            if let Item::Message(message) = item? {
                messages.push(serde_json::from_slice(&message.json())?);
            }
        }
        Ok(messages)
    }

    /// The events since the last call, as name and data, in order.
    ///
    /// # Errors
    ///
    /// The last restart failed.
    pub fn events(&self) -> anyhow::Result<Vec<(String, Value)>> {
        let running = self.stack.as_ref().context("the stack is down")?;
        let events = std::iter::from_fn(|| running.events.try_next());
        Ok(events.map(|event| (event.definition.name.to_owned(), event.data.to_json())).collect())
    }
}

/// The address of the simulated server.
const SERVER: &str = "192.0.2.1:1700";

/// Gateways in memory: each has an address of its own.
#[derive(Debug)]
struct MemoryLink {
    network: MemoryNetwork,
}

/// The address of a gateway and back: by its number.
fn address_of(gateway: GatewayNo) -> SocketAddr {
    let number = u16::try_from(gateway.index()).unwrap_or(u16::MAX);
    let [high, low] = number.to_be_bytes();
    SocketAddr::from(([198, 18, high, low], 50_000))
}

impl GatewayLink for MemoryLink {
    fn send(&mut self, gateway: GatewayNo, datagram: Vec<u8>) -> BoxFuture<'_, ()> {
        // A full queue loses the datagram, as networks do.
        self.network.send(address_of(gateway), datagram);
        futures::future::ready(()).boxed()
    }

    fn receive(&mut self) -> BoxFuture<'_, (GatewayNo, Vec<u8>)> {
        async move {
            match self.network.receive().await {
                Some((SocketAddr::V4(to), datagram)) => {
                    let [_, _, high, low] = to.ip().octets();
                    (GatewayNo::new(usize::from(u16::from_be_bytes([high, low]))), datagram)
                }
                _ => std::future::pending().await,
            }
        }
        .boxed()
    }
}

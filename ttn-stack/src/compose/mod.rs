//! All components put together into one process.

pub mod codecs;
mod download;
mod http;
mod identity;
mod listeners;
mod mail;
mod mqtt;
mod plans;
mod proxies;
mod stores;
pub mod tls;
mod webhooks;

pub use http::HttpSockets;
pub(crate) use identity::build as build_identity;
pub use identity::{ClusterKey, Identity};
pub use listeners::{BindError, Listeners};
pub use mqtt::MqttSockets;
pub use proxies::{NoNetwork, TrustedProxies};
pub use stores::Stores;

use std::{fmt, sync::Arc, time::Duration};

use anyhow::Context as _;
use parking_lot::Mutex;
use ttn_as::{
    config::PubSubConfig,
    format::{
        javascript::{JavaScript, ScriptHost},
        service::ServiceFormatter,
    },
    integration::{
        mqtt::{self as clients, Listener},
        pubsub::{ProviderKind, mqtt::MqttProvider, nats::NatsProvider},
        webhook::Transport as WebhookTransport,
    },
    store::FormatterKind,
};
use ttn_core::{
    clock::Clock,
    event::EventBus,
    limit::{MemoryLimiter, RateLimiter},
    net::Reach,
    peer::Local,
    rand::Entropy,
    task::Tasks,
    vault::KeyVault,
};
use ttn_gs::{
    GatewayServer,
    config::UdpConfig,
    frontend::udp::{Transport, UdpFrontend},
};
use ttn_is::tenant::TenantHost;
use ttn_rpc::server::Api;

use crate::{
    client::Client,
    config::{self, Config},
    devices, interop,
    metrics::{Exporter, Metrics},
    traces::Traces,
};

use codecs::CodecDirectory;

/// The label of the key that wraps keys at rest.
pub const KEK_LABEL: &str = ttn_store_embedded::LocalVault::AT_REST;

/// What a stack is made of besides its configuration.
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "built by embedders")]
pub struct Parts {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub entropy: Arc<dyn Entropy>,
    /// Storage.
    pub stores: Stores,
    /// The key that wraps keys at rest, under [`KEK_LABEL`].
    pub vault: Arc<dyn KeyVault>,
    /// Where scripts of payload formatters run.
    pub scripts: Arc<dyn ScriptHost>,
    /// The way to the endpoints of webhooks; without one over sockets, as far as the configuration allows.
    pub webhooks: Option<Arc<dyn WebhookTransport>>,
}

/// The whole network in one process. Dropping it and its tasks frees everything: the same stores can be used again.
pub struct Stack {
    /// The Gateway Server.
    pub gateways: Arc<GatewayServer>,
    /// The Network Server.
    pub network: Arc<ttn_ns::NetworkServer>,
    /// The Application Server.
    pub applications: Arc<ttn_as::ApplicationServer>,
    /// The Identity Server.
    pub identity: Arc<ttn_is::IdentityServer>,
    /// The Join Server.
    pub joins: Arc<ttn_js::JoinServer>,
    /// What happens.
    pub events: Arc<EventBus>,
    // Components find each other through it; it holds none of them.
    peers: Arc<Local>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    metrics: Exporter,
    traces: Traces,
    metrics_config: config::Metrics,
    secure_cookies: bool,
    // Calls that concern several registries.
    calls: devices::Queue,
    caller: Mutex<Option<devices::Worker>>,
}

impl Stack {
    /// Builds all components and lets them know each other; gateways are heard through `udp`. Nothing runs before
    /// [`Self::start`].
    ///
    /// # Errors
    ///
    /// A store cannot be read, or the configuration is not sound.
    pub async fn build<T: Transport>(
        config: &Config,
        parts: Parts,
        udp: T,
    ) -> anyhow::Result<Self> {
        Self::build_with_tenants(config, parts, udp, None).await
    }

    /// The same, and the Identity Server keeps a registry of tenants whose networks somebody runs.
    ///
    /// # Errors
    ///
    /// As [`Self::build`].
    pub async fn build_with_tenants<T: Transport>(
        config: &Config,
        parts: Parts,
        udp: T,
        host: Option<Arc<dyn TenantHost>>,
    ) -> anyhow::Result<Self> {
        let Parts { clock, entropy, stores, vault, scripts, webhooks } = parts;
        let peers = Arc::new(Local::default());
        let bus = event_bus(config, &*entropy);
        let metrics = Metrics::new(bus.clone());
        let events = metrics.sink();
        let limiter: Arc<dyn RateLimiter> =
            Arc::new(MemoryLimiter::new(clock.clone(), &config.rate_limiting.profiles));
        let secure_cookies = identity::account_url(config).starts_with("https:");
        let identity = identity::build(config, &clock, &entropy, stores.identity, &events, host)?;
        let join_config = join_config(config);
        let joins =
            ttn_js::JoinServer::builder(join_config, clock.clone(), entropy.clone(), peers.clone())
                .store(stores.joins)
                .vault(vault.clone())
                .events(events.clone())
                .build()
                .context("the Join Server")?;
        let applications = ttn_as::ApplicationServer::builder(
            application_config(config),
            clock.clone(),
            entropy.clone(),
            peers.clone(),
            stores.log,
            stores.applications,
        )
        .vault(vault.clone())
        .events(events.clone())
        .limiter(limiter.clone());
        let traces = Traces::new(&config.traces, &clock)?;
        let webhooks = traces.webhooks(webhooks.map_or_else(|| webhooks::transport(config), Ok)?);
        let applications = with_integrations(applications, config, &entropy, scripts, webhooks);
        let applications = applications.await?.build();
        let plans = plans::load(config.frequency_plans.as_deref()).await?;
        let store = stores.network.clone();
        let network =
            ttn_ns::NetworkServer::builder(network_config(config), clock.clone(), peers.clone())
                .entropy(entropy.clone())
                .store(stores.network)
                .vault(vault)
                .events(events.clone())
                .plans(plans.clone())
                .build()
                .context("the Network Server")?;
        let frontend = udp_frontend(config, udp);
        let udp_counters = frontend.counters();
        let gateway_config = gateway_config(config);
        let gateways =
            GatewayServer::builder(gateway_config, clock.clone(), entropy.clone(), peers.clone())
                .limiter(limiter)
                .frontend(frontend)
                .plans(plans)
                .events(events)
                .build()
                .context("the Gateway Server")?;
        let metrics = metrics.exporter(&applications, &gateways, &network, &store, &udp_counters);
        peers.set_directory(&identity).set_access(&identity);
        peers.set_ns_js(&joins).set_as_js(&joins);
        peers.set_ns_as(&applications).set_as_ns(&network);
        peers.set_gs_ns(&network).set_ns_gs(&gateways);
        load(&applications, &network).await?;
        let (calls, caller) = devices::Queue::new();
        Ok(Self {
            gateways,
            network,
            applications,
            identity,
            joins,
            events: bus,
            peers,
            clock,
            entropy,
            metrics,
            traces,
            metrics_config: config.metrics.clone(),
            secure_cookies,
            calls,
            caller: Mutex::new(Some(caller)),
        })
    }

    /// Starts every component, the receivers of a message before its senders.
    pub fn start(&self, tasks: &mut Tasks) {
        self.traces.start(&self.events, tasks);
        self.applications.start(tasks);
        self.network.start(tasks);
        self.gateways.start(tasks);
        self.identity.start(tasks);
        if let Some(caller) = self.caller.lock().take() {
            tasks.spawn("devices", caller.run(tasks.stopping()));
        }
    }

    /// Serves MQTT clients of applications. There may be several listeners.
    pub fn serve_mqtt<L: Listener>(&self, listener: L, tasks: &mut Tasks) {
        tasks.spawn("mqtt", clients::serve(self.applications.clone(), listener));
    }

    /// The same, and those of tenants: `APPLICATION@TENANT` is for the tenant's Application Server.
    pub fn serve_mqtt_of_tenants<L: Listener>(
        &self,
        listener: L,
        tenants: clients::Tenants,
        tasks: &mut Tasks,
    ) {
        let server = self.applications.clone();
        tasks.spawn("mqtt", clients::serve_with_tenants(server, tenants, listener));
    }

    /// Everything that the components serve over gRPC and HTTP.
    #[must_use]
    pub fn api(&self) -> Api {
        let network = Arc::downgrade(&self.network);
        let ready = move || match network.upgrade() {
            Some(network) if network.is_ready() => Ok(()),
            Some(_) => Err("the Network Server loads its devices".to_owned()),
            None => Err("the stack is stopping".to_owned()),
        };
        let mut registries = ttn_is::api::methods(&self.identity);
        registries.extend(ttn_js::api::methods(&self.joins));
        registries.extend(ttn_ns::api::methods(&self.network));
        registries.extend(ttn_as::api::methods(&self.applications));
        let whole = devices::methods(registries.clone(), self.clock.clone(), self.calls.clone());
        Api::builder(self.clock.clone(), self.entropy.clone())
            .methods(registries)
            .methods(whole)
            .methods(ttn_gs::api::methods(&self.gateways))
            .methods(ttn_rpc::events::methods(&self.events, self.peers.clone(), self.clock.clone()))
            .routes(ttn_as::api::routes(&self.applications))
            .routes(ttn_is::api::routes(&self.identity))
            .routes(ttn_is::account::routes(&self.identity, self.secure_cookies))
            .routes(self.metrics_routes())
            .readiness(Arc::new(ready))
            .build()
    }

    /// What other networks are answered over the LoRaWAN Backend Interfaces, for a listener of its own.
    pub fn interop(&self, config: &Config) -> axum::Router {
        interop::routes(&self.identity, &interop::Network::new(config))
    }

    /// A client of the HTTP API in this process, in the name of nobody.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::new(self.api().router(), None)
    }

    /// What happened since the start, in the text format of Prometheus.
    #[must_use]
    pub fn metrics(&self) -> String {
        self.metrics.text()
    }

    fn metrics_routes(&self) -> axum::Router {
        if !self.metrics_config.enabled {
            return axum::Router::new();
        }
        self.metrics.routes(self.metrics_config.password.as_deref())
    }

    /// How the components find each other.
    #[must_use]
    pub const fn peers(&self) -> &Arc<Local> {
        &self.peers
    }
}

/// Both at the same time, on as many cores.
async fn load(
    applications: &Arc<ttn_as::ApplicationServer>,
    network: &ttn_ns::NetworkServer,
) -> anyhow::Result<()> {
    let applications = applications.clone();
    let mut loading = Tasks::new();
    loading.spawn_fallible("application server", async move { Ok(applications.load().await?) });
    network.load().await.context("the Network Server")?;
    while let Some(loaded) = loading.next_ended().await {
        loaded?;
    }
    Ok(())
}

/// What hands messages to applications: formatters, webhooks, pub/sub.
async fn with_integrations(
    mut applications: ttn_as::Builder,
    config: &Config,
    entropy: &Arc<dyn Entropy>,
    scripts: Arc<dyn ScriptHost>,
    webhooks: Arc<dyn WebhookTransport>,
) -> anyhow::Result<ttn_as::Builder> {
    let reach = if config.allow_private_targets { Reach::Private } else { Reach::Public };
    if let Some(directory) = &config.device_repository {
        let codecs = CodecDirectory::new(directory.clone());
        applications = applications.codec_repository(Arc::new(codecs));
    }
    Ok(applications
        .formatter(FormatterKind::GrpcService, Arc::new(ServiceFormatter::new(reach, &[])?))
        .formatter(FormatterKind::Javascript, Arc::new(JavaScript::new(scripts)))
        .webhook_transport(webhooks)
        .webhook_templates(webhooks::templates(config).await?)
        .pubsub_provider(ProviderKind::Mqtt, Arc::new(MqttProvider::new(reach, entropy.clone())))
        .pubsub_provider(ProviderKind::Nats, Arc::new(NatsProvider::new(reach))))
}

fn application_config(config: &Config) -> ttn_as::Config {
    let address =
        |port: u16| format!("{}:{}", config.public_host, port.saturating_add(config.ports.offset));
    let mqtt = ttn_as::config::MqttConfig {
        public_address: address(config.ports.mqtt),
        public_tls_address: address(config.ports.mqtt_tls),
        tenant: config.mqtt.tenant.clone(),
        ..ttn_as::config::MqttConfig::default()
    };
    let retention = ttn_as::config::RetentionConfig {
        age: Duration::from_secs(u64::from(config.log.retention_days) * 24 * 3600),
        bytes_max: u64::from(config.log.retention_mib) << 20,
        ..ttn_as::config::RetentionConfig::default()
    };
    ttn_as::Config {
        device_kek_label: KEK_LABEL.into(),
        mqtt,
        retention,
        webhook: webhooks::config(config),
        pubsub: PubSubConfig { mqtt: config.pubsub.mqtt, nats: config.pubsub.nats },
        ..ttn_as::Config::default()
    }
}

fn event_bus(config: &Config, entropy: &dyn Entropy) -> Arc<EventBus> {
    let history = config.events.history();
    Arc::new(EventBus::with_history(history, &config.public_host, entropy))
}

fn join_config(config: &Config) -> ttn_js::Config {
    ttn_js::Config {
        device_kek_label: KEK_LABEL.into(),
        default_join_eui: config.join.default_join_eui,
        ..ttn_js::Config::default()
    }
}

fn gateway_config(config: &Config) -> ttn_gs::Config {
    ttn_gs::Config {
        require_registered_gateways: config.gateways.require_registered,
        ..ttn_gs::Config::default()
    }
}

fn udp_frontend(config: &Config, udp: impl Transport) -> UdpFrontend {
    UdpFrontend::new(udp, udp_config(config), config.gateways.fallback_frequency_plan.clone())
}

fn udp_config(config: &Config) -> UdpConfig {
    let mut udp = UdpConfig {
        ack: config.gateways.ack,
        addr_change_block: Duration::from_secs(config.gateways.addr_change_block),
        ..UdpConfig::default()
    };
    if !config.gateways.rate_firewall {
        udp.rate_messages = 0;
    }
    udp
}

fn network_config(config: &Config) -> ttn_ns::config::Config {
    ttn_ns::config::Config {
        net_id: config.network.net_id,
        dev_addr_prefixes: config.network.dev_addr_prefixes.clone(),
        device_kek_label: KEK_LABEL.into(),
        ..ttn_ns::config::Config::default()
    }
}

impl fmt::Debug for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stack").finish_non_exhaustive()
    }
}

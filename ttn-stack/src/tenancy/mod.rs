//! Tenants: each one a network of its own in this process, behind the sockets of all (docs/adr/0039-tenants.md).
//!
//! A tenant has its own [`Stack`] on its own stores; nothing leads from one to another. The stack without a tenant, the base,
//! keeps the registry. What comes in is told apart at the door: HTTP and gRPC by host name, MQTT by user name, gateways by
//! who registered them.

mod error;
mod http;
mod settings;
mod supervisor;
mod udp;

pub use error::TenancyError;
pub use udp::TenantTransport;

use std::{
    collections::BTreeMap,
    fmt,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Weak},
};

use axum::Router;
use parking_lot::{Mutex, RwLock};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;
use ttn_as::{ApplicationServer, format::javascript::ScriptHost, integration::mqtt};
use ttn_core::{clock::Clock, id::TenantId, rand::Entropy, task::Tasks};
use ttn_gs::frontend::udp::Transport;
use ttn_is::{IdentityServer, tenant::TenantHost};

use crate::{compose::Stack, config::Config};
use settings::Settings;
use udp::{DATAGRAMS_MAX, Datagram, Demultiplexer};

/// Tenants; there are none unless this is enabled.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct TenancyConfig {
    /// Whether there may be tenants.
    pub enabled: bool,
    /// The host name below which each tenant has its own, `TENANT.DOMAIN`.
    pub domain: String,
    /// The keys that tenants may be looked after with (`Authorization: TenantAdminKey KEY`), 16 characters or more each.
    #[serde(skip_serializing)]
    pub admin_keys: Vec<String>,
    /// How many tenants there may be.
    pub tenants_max: usize,
}

impl Default for TenancyConfig {
    fn default() -> Self {
        let ttn_is::Tenancy { tenants_max, .. } = ttn_is::Tenancy::default();
        Self { enabled: false, domain: String::new(), admin_keys: Vec::new(), tenants_max }
    }
}

impl fmt::Debug for TenancyConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenancyConfig")
            .field("enabled", &self.enabled)
            .field("domain", &self.domain)
            .finish_non_exhaustive()
    }
}

/// What tenants share.
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "built by embedders")]
pub struct Shared {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub entropy: Arc<dyn Entropy>,
    /// Where scripts of payload formatters run.
    pub scripts: Arc<dyn ScriptHost>,
}

/// The networks of all tenants.
pub struct Tenants {
    /// Of the base.
    config: Config,
    shared: Shared,
    slots: RwLock<BTreeMap<TenantId, Slot>>,
    /// Something may have to be started or stopped.
    changed: Notify,
    /// The address of the UDP socket, and the way out through it.
    udp_address: SocketAddr,
    to_gateways: mpsc::Sender<Datagram>,
    /// Waits for [`Self::start`].
    parts: Mutex<Option<(mpsc::Receiver<Datagram>, mpsc::Sender<Datagram>)>>,
}

/// What there is of a tenant.
enum Slot {
    Running(Arc<Running>),
    Suspended,
    /// It is being started, or cannot be.
    Unavailable,
}

/// A tenant's network at work.
struct Running {
    stack: Arc<Stack>,
    router: Router,
    from_gateways: mpsc::Sender<Datagram>,
    /// Whoever serves a client of it ends with it.
    stopped: CancellationToken,
}

impl Tenants {
    /// Prepares tenants, and gives what the base hears its gateways through. `udp` is the socket that all share.
    #[must_use]
    pub fn new(
        config: &Config,
        shared: Shared,
        udp: &impl Transport,
    ) -> (Arc<Self>, TenantTransport) {
        let (to_gateways, outgoing) = mpsc::channel(DATAGRAMS_MAX);
        let (to_base, incoming) = mpsc::channel(DATAGRAMS_MAX);
        let udp_address = udp.local_addr();
        let transport = TenantTransport::new(udp_address, incoming, to_gateways.clone());
        let tenants = Self {
            config: config.clone(),
            shared,
            slots: RwLock::default(),
            changed: Notify::new(),
            udp_address,
            to_gateways,
            parts: Mutex::new(Some((outgoing, to_base))),
        };
        (Arc::new(tenants), transport)
    }

    /// Starts the networks of all tenants, one after the other, and whatever changes from then on. `base` keeps the registry.
    ///
    /// # Errors
    ///
    /// The registry cannot be read.
    pub async fn start(
        self: &Arc<Self>,
        base: &Arc<IdentityServer>,
        udp: impl Transport,
        tasks: &mut Tasks,
    ) -> Result<(), ttn_is::Error> {
        for tenant in base.tenants().await? {
            self.changed(&tenant.id().parse()?);
        }
        let Some((outgoing, to_base)) = self.parts.lock().take() else { return Ok(()) };
        let ways = (outgoing, to_base);
        let demultiplexer = Demultiplexer::new(udp, ways, self.clone(), Arc::downgrade(base));
        tasks.spawn_fallible("udp of tenants", demultiplexer.run());
        let stopping = tasks.stopping();
        let base: Weak<IdentityServer> = Arc::downgrade(base);
        tasks.spawn("tenants", supervisor::run(self.clone(), base, stopping));
        Ok(())
    }

    /// A router that gives each call to the network that it is for: a tenant's by host name or by an id `ID@TENANT` in the
    /// path, otherwise `base`.
    pub fn router(self: &Arc<Self>, base: Router) -> Router {
        http::router(self.clone(), base)
    }

    /// Finds whom an MQTT client `APPLICATION@TENANT` is for.
    #[must_use]
    pub fn mqtt(self: &Arc<Self>) -> mqtt::Tenants {
        let tenants = self.clone();
        Arc::new(move |tenant| {
            let running = tenants.running(&tenant.parse().ok()?).ok()?;
            let server: Arc<ApplicationServer> = running.stack.applications.clone();
            Some(mqtt::Tenant { server, stopped: running.stopped.clone() })
        })
    }

    /// The network of a tenant.
    fn running(&self, id: &TenantId) -> Result<Arc<Running>, TenancyError> {
        match self.slots.read().get(id) {
            Some(Slot::Running(running)) => Ok(running.clone()),
            Some(Slot::Suspended) => Err(TenancyError::Suspended { id: id.clone() }),
            Some(Slot::Unavailable) => Err(TenancyError::Unavailable { id: id.clone() }),
            None => Err(TenancyError::NotFound { id: id.to_string() }),
        }
    }

    fn domain(&self) -> &str {
        &self.config.tenancy.domain
    }

    /// Where the data of tenants are.
    fn directory(&self) -> PathBuf {
        self.config.data.join("tenants")
    }
}

impl TenantHost for Tenants {
    fn check(&self, configuration: &Map<String, Value>) -> Result<(), String> {
        Settings::read(configuration).map(drop)
    }

    fn changed(&self, id: &TenantId) {
        self.slots.write().entry(id.clone()).or_insert(Slot::Unavailable);
        self.changed.notify_one();
    }
}

impl fmt::Debug for Tenants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tenants").field("tenants", &self.slots.read().len()).finish_non_exhaustive()
    }
}

//! Configuration: a YAML file, laid over by the environment, laid over by flags.
//!
//! Every key has one name: `ports.udp` in the file is `TTN_PORTS_UDP` in the environment. A wrong key or value
//! is an error that names the key and where it stands.

mod store;

pub use store::{NoStore, Store};

use std::{
    fs,
    net::IpAddr,
    num::NonZeroUsize,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use ttn_as::config::ProviderStatus;
use ttn_core::{
    addr::{DevAddrPrefix, NetId},
    eui::JoinEui,
    event::HistoryConfig,
    id::FrequencyPlanId,
    limit::LimitProfile,
};
use ttn_gs::config::Ack;

pub use crate::compose::{ClusterKey, Identity, TrustedProxies};
pub use crate::interop::{NoNsId, NsId};
pub use crate::tenancy::TenancyConfig;
pub use crate::traces::{TracesConfig, TracesError};

/// Everything that can be set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Config {
    /// The directory of the store, and of what belongs to this server alone.
    pub data: PathBuf,
    /// Where everything is stored: `embedded` in the directory, or in a PostgreSQL database by its URL.
    pub store: Store,
    /// The file of the key that wraps keys at rest; `DATA/kek` if empty.
    pub kek_file: Option<PathBuf>,
    /// The address that all listeners bind.
    pub listen: IpAddr,
    /// The name by which clients reach this server.
    pub public_host: String,
    /// The ports of the listeners.
    pub ports: Ports,
    /// The network.
    pub network: Network,
    /// Gateways.
    pub gateways: Gateways,
    /// Joins.
    pub join: Join,
    /// The application log.
    pub log: Log,
    /// A directory laid out as the public `lorawan-devices` repository: the codecs of `FORMATTER_REPOSITORY`.
    pub device_repository: Option<PathBuf>,
    /// Payload formatters.
    pub formatters: Formatters,
    /// `GET /metrics`.
    pub metrics: Metrics,
    /// Whether users may let this server call private and loopback addresses.
    pub allow_private_targets: bool,
    /// Frequency plans of the network's own: a directory or an address with `frequency-plans.yml`.
    pub frequency_plans: Option<String>,
    /// Webhooks.
    pub webhooks: Webhooks,
    /// The certificate of TLS listeners.
    pub tls: Tls,
    /// Whose word is taken for where a call over HTTP or gRPC comes from.
    pub trusted_proxies: TrustedProxies,
    /// Traces of frames.
    pub traces: TracesConfig,
    /// MQTT for applications.
    pub mqtt: Mqtt,
    /// Rate limits.
    pub rate_limiting: RateLimiting,
    /// Pub/sub.
    pub pubsub: PubSub,
    /// What is remembered of events.
    pub events: Events,
    /// People, and what they may do by themselves.
    pub identity: Identity,
    /// Tenants.
    pub tenancy: TenancyConfig,
}

/// The ports of the listeners, as in The Things Stack; `--port-offset` shifts all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Ports {
    /// Semtech UDP.
    pub udp: u16,
    /// MQTT for applications.
    pub mqtt: u16,
    /// The same with TLS.
    pub mqtt_tls: u16,
    /// MQTT for applications over WebSockets.
    pub mqtt_ws: u16,
    /// The same with TLS.
    pub mqtt_wss: u16,
    /// gRPC.
    pub grpc: u16,
    /// The same with TLS.
    pub grpc_tls: u16,
    /// HTTP.
    pub http: u16,
    /// The same with TLS.
    pub http_tls: u16,
    /// The LoRaWAN Backend Interfaces, 1886 in The Things Stack. Without it, there are none: whoever reaches this port is
    /// answered.
    pub interop: Option<u16>,
    /// Added to all of them.
    pub offset: u16,
}

/// The network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Network {
    /// The NetID; 000000 and 000001 are for experiments.
    pub net_id: NetId,
    /// The EUI by which other networks know this Network Server (NSID).
    pub ns_id: Option<NsId>,
    /// Prefixes of the addresses that are given out; those of the NetID if empty.
    pub dev_addr_prefixes: Vec<DevAddrPrefix>,
}

/// Gateways.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Gateways {
    /// Whether gateways that nobody registered are refused.
    pub require_registered: bool,
    /// The frequency plan of gateways that nobody registered.
    pub fallback_frequency_plan: Option<FrequencyPlanId>,
    /// When uplinks over UDP are acknowledged: at once, or when they survive a crash.
    pub ack: Ack,
    /// Whether more than 10 packets of one gateway within 10 ms are dropped.
    pub rate_firewall: bool,
    /// For how many seconds packets in the name of a gateway are refused that come from another address; 0 for not at
    /// all.
    pub addr_change_block: u64,
}

/// Rate limits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct RateLimiting {
    /// How often something may happen, by class.
    pub profiles: Vec<LimitProfile>,
}

/// Payload formatters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Formatters {
    /// How many scripts run at the same time, each in a process of its own.
    pub workers: NonZeroUsize,
}

/// `GET /metrics` on the ports of HTTP and gRPC.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Metrics {
    /// Whether they are served.
    pub enabled: bool,
    /// The password of the user `metrics`; everybody may read them without one.
    #[serde(skip_serializing)]
    pub password: Option<String>,
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").field("enabled", &self.enabled).finish_non_exhaustive()
    }
}

/// Joins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Join {
    /// The JoinEUI that is proposed for new devices.
    pub default_join_eui: JoinEui,
}

/// The application log: how long messages are kept for readers that are away and for the storage API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Log {
    /// How many days; 0: as long as there is room.
    pub retention_days: u32,
    /// How many MiB the messages of all applications may take; 0: as many as they like.
    pub retention_mib: u32,
}

/// Webhooks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Webhooks {
    /// The URL by which endpoints reach this server, without `/api/v3`; by default made of `public_host` and `ports.http`.
    pub public_url: Option<String>,
    /// The templates: a directory, or the address of one with the list `templates.yml`.
    pub templates: Option<String>,
    /// A file of certificates (PEM) that endpoints may have besides public ones.
    pub ca_file: Option<PathBuf>,
}

/// The certificate of TLS listeners, read again when its files change. Without one, a certificate for `public_host` is made and kept in `DATA/tls`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Tls {
    /// The file of the certificate and those that vouch for it, PEM.
    pub certificate: Option<PathBuf>,
    /// The file of its private key, PEM.
    pub key: Option<PathBuf>,
}

/// MQTT for applications.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Mqtt {
    /// Clients may say `APPLICATION@TENANT` with this tenant in place of the application's id.
    pub tenant: Option<String>,
}

/// Which brokers pub/subs may use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct PubSub {
    /// MQTT brokers.
    pub mqtt: ProviderStatus,
    /// NATS servers.
    pub nats: ProviderStatus,
}

/// What is remembered of events, in memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Events {
    /// How many events are kept per device, gateway or other entity; 0 keeps none.
    pub per_entity: usize,
    /// Of how many entities events are kept; the quietest are forgotten first.
    pub entities: usize,
    /// How many hours events are kept at most.
    pub hours: u16,
}

impl Events {
    pub(crate) fn history(&self) -> HistoryConfig {
        HistoryConfig {
            per_entity: self.per_entity,
            entities: self.entities,
            age: std::time::Duration::from_secs(u64::from(self.hours) * 3600),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data: PathBuf::from("ttn-data"),
            store: Store::default(),
            kek_file: None,
            listen: IpAddr::from([0, 0, 0, 0]),
            public_host: String::from("localhost"),
            ports: Ports::default(),
            network: Network::default(),
            gateways: Gateways::default(),
            join: Join::default(),
            log: Log::default(),
            device_repository: None,
            formatters: Formatters::default(),
            metrics: Metrics::default(),
            allow_private_targets: false,
            frequency_plans: None,
            webhooks: Webhooks::default(),
            tls: Tls::default(),
            trusted_proxies: TrustedProxies::default(),
            traces: TracesConfig::default(),
            mqtt: Mqtt::default(),
            rate_limiting: RateLimiting::default(),
            pubsub: PubSub::default(),
            events: Events::default(),
            identity: Identity::default(),
            tenancy: TenancyConfig::default(),
        }
    }
}

impl Default for Ports {
    fn default() -> Self {
        Self {
            udp: 1700,
            mqtt: 1883,
            mqtt_tls: 8883,
            mqtt_ws: 8083,
            mqtt_wss: 8084,
            grpc: 1884,
            grpc_tls: 8884,
            http: 1885,
            http_tls: 8885,
            interop: None,
            offset: 0,
        }
    }
}

impl Default for Formatters {
    fn default() -> Self {
        Self { workers: NonZeroUsize::MIN.saturating_add(3) }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self { enabled: true, password: None }
    }
}

impl Default for Network {
    fn default() -> Self {
        Self { net_id: NetId::from_be_bytes([0, 0, 0]), ns_id: None, dev_addr_prefixes: Vec::new() }
    }
}

impl Default for Gateways {
    fn default() -> Self {
        let plan = FrequencyPlanId::new("EU_863_870_TTN").ok();
        Self {
            require_registered: false,
            fallback_frequency_plan: plan,
            ack: Ack::Receipt,
            rate_firewall: true,
            addr_change_block: 0,
        }
    }
}

impl Default for Join {
    fn default() -> Self {
        Self { default_join_eui: JoinEui::from_u64(0) }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { retention_days: 30, retention_mib: 8192 }
    }
}

impl Default for Events {
    fn default() -> Self {
        let HistoryConfig { per_entity, entities, .. } = HistoryConfig::default();
        Self { per_entity, entities, hours: 24 }
    }
}

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A variable of the environment has a wrong value.
    #[error("environment variable {variable}: {value:?} is no value for `{key}`: {reason}")]
    Environment {
        /// The variable.
        variable: String,
        /// The key that it sets.
        key: &'static str,
        /// Its value.
        value: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The file says something that is wrong.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong, with key, line and column.
        reason: String,
    },
    /// A port does not fit.
    #[error(
        "port {port} of `ports.{key}` shifted by {offset} is above 65535; choose a smaller --port-offset"
    )]
    Port {
        /// The key.
        key: &'static str,
        /// The port before shifting.
        port: u16,
        /// The shift.
        offset: u16,
    },
    /// One of certificate and key is missing.
    #[error("set both `tls.certificate` and `tls.key`, or none; `{missing}` is missing")]
    Certificate {
        /// The key that is missing.
        missing: &'static str,
    },
    /// Tenants are enabled where there can be none.
    #[error("`{key}`: {reason}")]
    Tenancy {
        /// The key that stands against them.
        key: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The file cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The environment names a key that does not exist.
    #[error("environment variable {variable} names no key; the keys are {}", known_variables())]
    UnknownVariable {
        /// The variable.
        variable: String,
    },
}

/// Sets one key from text.
type Set = fn(&mut Config, &str) -> Result<(), String>;

/// Every key that the environment can set.
const KEYS: &[(&str, Set)] = &[
    ("data", |config, text| parse(text).map(|value| config.data = value)),
    ("store", |config, text| parse(text).map(|value| config.store = value)),
    ("kek_file", |config, text| parse(text).map(|value| config.kek_file = Some(value))),
    ("listen", |config, text| parse(text).map(|value| config.listen = value)),
    ("public_host", |config, text| parse(text).map(|value| config.public_host = value)),
    ("ports.udp", |config, text| parse(text).map(|value| config.ports.udp = value)),
    ("ports.mqtt", |config, text| parse(text).map(|value| config.ports.mqtt = value)),
    ("ports.mqtt_tls", |config, text| parse(text).map(|value| config.ports.mqtt_tls = value)),
    ("ports.mqtt_ws", |config, text| parse(text).map(|value| config.ports.mqtt_ws = value)),
    ("ports.mqtt_wss", |config, text| parse(text).map(|value| config.ports.mqtt_wss = value)),
    ("ports.grpc", |config, text| parse(text).map(|value| config.ports.grpc = value)),
    ("ports.grpc_tls", |config, text| parse(text).map(|value| config.ports.grpc_tls = value)),
    ("ports.http", |config, text| parse(text).map(|value| config.ports.http = value)),
    ("ports.http_tls", |config, text| parse(text).map(|value| config.ports.http_tls = value)),
    ("ports.interop", |config, text| parse(text).map(|value| config.ports.interop = Some(value))),
    ("ports.offset", |config, text| parse(text).map(|value| config.ports.offset = value)),
    ("network.net_id", |config, text| parse(text).map(|value| config.network.net_id = value)),
    ("network.ns_id", |config, text| parse(text).map(|value| config.network.ns_id = Some(value))),
    ("network.dev_addr_prefixes", |config, text| {
        let prefixes = text.split(',').map(str::trim).filter(|item| !item.is_empty());
        let prefixes = prefixes.map(parse).collect::<Result<_, _>>();
        prefixes.map(|value| config.network.dev_addr_prefixes = value)
    }),
    ("gateways.require_registered", |config, text| {
        parse(text).map(|value| config.gateways.require_registered = value)
    }),
    ("gateways.fallback_frequency_plan", |config, text| {
        parse(text).map(|value| config.gateways.fallback_frequency_plan = Some(value))
    }),
    ("gateways.ack", |config, text| parse(text).map(|value| config.gateways.ack = value)),
    ("gateways.rate_firewall", |config, text| {
        parse(text).map(|value| config.gateways.rate_firewall = value)
    }),
    ("gateways.addr_change_block", |config, text| {
        parse(text).map(|value| config.gateways.addr_change_block = value)
    }),
    ("join.default_join_eui", |config, text| {
        parse(text).map(|value| config.join.default_join_eui = value)
    }),
    ("log.retention_days", |config, text| {
        parse(text).map(|value| config.log.retention_days = value)
    }),
    ("pubsub.mqtt", |config, text| parse(text).map(|value| config.pubsub.mqtt = value)),
    ("pubsub.nats", |config, text| parse(text).map(|value| config.pubsub.nats = value)),
    ("log.retention_mib", |config, text| parse(text).map(|value| config.log.retention_mib = value)),
    ("device_repository", |config, text| {
        parse(text).map(|value| config.device_repository = Some(value))
    }),
    ("formatters.workers", |config, text| {
        parse(text).map(|value| config.formatters.workers = value)
    }),
    ("metrics.enabled", |config, text| flag(text).map(|value| config.metrics.enabled = value)),
    ("metrics.password", |config, text| {
        parse(text).map(|value| config.metrics.password = Some(value))
    }),
    ("allow_private_targets", |config, text| {
        flag(text).map(|value| config.allow_private_targets = value)
    }),
    ("frequency_plans", |config, text| {
        parse(text).map(|value| config.frequency_plans = Some(value))
    }),
    ("webhooks.public_url", |config, text| {
        parse(text).map(|value| config.webhooks.public_url = Some(value))
    }),
    ("webhooks.templates", |config, text| {
        parse(text).map(|value| config.webhooks.templates = Some(value))
    }),
    ("webhooks.ca_file", |config, text| {
        parse(text).map(|value| config.webhooks.ca_file = Some(value))
    }),
    ("tls.certificate", |config, text| {
        parse(text).map(|value| config.tls.certificate = Some(value))
    }),
    ("trusted_proxies", |config, text| parse(text).map(|value| config.trusted_proxies = value)),
    ("tls.key", |config, text| parse(text).map(|value| config.tls.key = Some(value))),
    ("traces.endpoint", |config, text| {
        parse(text).map(|value| config.traces.endpoint = Some(value))
    }),
    ("traces.probability", |config, text| {
        parse(text).map(|value| config.traces.probability = value)
    }),
    ("mqtt.tenant", |config, text| parse(text).map(|value| config.mqtt.tenant = Some(value))),
    ("events.per_entity", |config, text| parse(text).map(|value| config.events.per_entity = value)),
    ("events.entities", |config, text| parse(text).map(|value| config.events.entities = value)),
    ("events.hours", |config, text| parse(text).map(|value| config.events.hours = value)),
    ("identity.registration", |config, text| {
        flag(text).map(|value| config.identity.registration = value)
    }),
    ("identity.registration_approval", |config, text| {
        flag(text).map(|value| config.identity.registration_approval = value)
    }),
    ("identity.registration_invitation", |config, text| {
        flag(text).map(|value| config.identity.registration_invitation = value)
    }),
    ("identity.registration_validation", |config, text| {
        flag(text).map(|value| config.identity.registration_validation = value)
    }),
    ("identity.network_name", |config, text| {
        parse(text).map(|value| config.identity.network_name = value)
    }),
    ("identity.mail_directory", |config, text| {
        parse(text).map(|value| config.identity.mail_directory = Some(value))
    }),
    ("identity.mail_server", |config, text| {
        parse(text).map(|value| config.identity.mail_server = Some(value))
    }),
    ("identity.mail_templates", |config, text| {
        parse(text).map(|value| config.identity.mail_templates = Some(value))
    }),
    ("identity.login_tokens", |config, text| {
        flag(text).map(|value| config.identity.login_tokens = value)
    }),
    ("identity.mail_sender", |config, text| {
        parse(text).map(|value| config.identity.mail_sender = Some(value))
    }),
    ("identity.set_others_as_contacts", |config, text| {
        flag(text).map(|value| config.identity.set_others_as_contacts = value)
    }),
    ("identity.admin_rights_all", |config, text| {
        flag(text).map(|value| config.identity.admin_rights_all = value)
    }),
    ("identity.restore_hours", |config, text| {
        parse(text).map(|value| config.identity.restore_hours = value)
    }),
    ("identity.audit_days", |config, text| {
        parse(text).map(|value| config.identity.audit_days = value)
    }),
    ("identity.pictures", |config, text| flag(text).map(|value| config.identity.pictures = value)),
    ("identity.gravatar", |config, text| flag(text).map(|value| config.identity.gravatar = value)),
    ("identity.dev_eui_limit", |config, text| {
        parse(text).map(|value| config.identity.dev_eui_limit = value)
    }),
    ("tenancy.enabled", |config, text| flag(text).map(|value| config.tenancy.enabled = value)),
    ("tenancy.domain", |config, text| parse(text).map(|value| config.tenancy.domain = value)),
    ("tenancy.admin_keys", |config, text| {
        let keys = text.split(',').map(str::trim).filter(|key| !key.is_empty());
        config.tenancy.admin_keys = keys.map(str::to_owned).collect();
        Ok(())
    }),
    ("tenancy.tenants_max", |config, text| {
        parse(text).map(|value| config.tenancy.tenants_max = value)
    }),
];

/// Variables with our prefix that tests and the command-line client read and that set no key.
const NOT_KEYS: &[&str] = &[
    "TTN_VECTORS",
    "TTN_REQUIRE",
    "TTN_LOG",
    "TTN_CONFIG",
    "TTN_SERVER",
    "TTN_API_KEY",
    "TTN_CLI_CONFIG",
];

fn parse<T: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: T::Err| error.to_string())
}

/// `true` or `1`, `false` or `0`.
fn flag(text: &str) -> Result<bool, String> {
    match text {
        "1" => Ok(true),
        "0" => Ok(false),
        _ => parse(text),
    }
}

fn variable(key: &str) -> String {
    format!("TTN_{}", key.to_uppercase().replace('.', "_"))
}

fn known_variables() -> String {
    KEYS.iter().map(|(key, _)| variable(key)).collect::<Vec<_>>().join(", ")
}

impl Config {
    /// Reads the file, if one is named, and lays the environment over it.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or a key or value is wrong: the error names it and where it stands.
    pub fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let mut config = match file {
            Some(path) => Self::from_file(path)?,
            None => Self::default(),
        };
        for (name, value) in environment {
            if !name.starts_with("TTN_") || NOT_KEYS.contains(&name.as_str()) {
                continue;
            }
            let Some((key, set)) = KEYS.iter().find(|(key, _)| variable(key) == name) else {
                return Err(ConfigError::UnknownVariable { variable: name });
            };
            set(&mut config, &value).map_err(|reason| ConfigError::Environment {
                variable: name,
                key,
                value: if *key == "store" { store::without_password(&value) } else { value },
                reason,
            })?;
        }
        config.check()?;
        Ok(config)
    }

    fn from_file(path: &Path) -> Result<Self, ConfigError> {
        let text = fs::read_to_string(path)
            .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        serde_saphyr::from_str(&text)
            .map_err(|error| ConfigError::File { path: path.to_owned(), reason: error.to_string() })
    }

    /// Checks what no single key can.
    ///
    /// # Errors
    ///
    /// A shifted port is too high, or one of certificate and key is missing.
    pub fn check(&self) -> Result<(), ConfigError> {
        let ports = &self.ports;
        let all = [
            ("udp", ports.udp),
            ("mqtt", ports.mqtt),
            ("mqtt_tls", ports.mqtt_tls),
            ("mqtt_ws", ports.mqtt_ws),
            ("mqtt_wss", ports.mqtt_wss),
            ("grpc", ports.grpc),
            ("grpc_tls", ports.grpc_tls),
            ("http", ports.http),
            ("http_tls", ports.http_tls),
            ("interop", ports.interop.unwrap_or_default()),
        ];
        for (key, port) in all {
            if port.checked_add(ports.offset).is_none() {
                return Err(ConfigError::Port { key, port, offset: ports.offset });
            }
        }
        if self.tenancy.enabled {
            self.check_tenancy()?;
        }
        match (&self.tls.certificate, &self.tls.key) {
            (Some(_), None) => Err(ConfigError::Certificate { missing: "tls.key" }),
            (None, Some(_)) => Err(ConfigError::Certificate { missing: "tls.certificate" }),
            _ => Ok(()),
        }
    }

    fn check_tenancy(&self) -> Result<(), ConfigError> {
        if self.tenancy.domain.is_empty() {
            let reason = "tenants need a domain below which each has its host name";
            return Err(ConfigError::Tenancy { key: "tenancy.domain", reason });
        }
        if self.store != Store::Embedded {
            let reason = "tenants are built on the embedded store alone; disable `tenancy.enabled`";
            return Err(ConfigError::Tenancy { key: "store", reason });
        }
        Ok(())
    }

    /// The file of the key that wraps keys at rest.
    #[must_use]
    pub fn kek_path(&self) -> PathBuf {
        self.kek_file.clone().unwrap_or_else(|| self.data.join("kek"))
    }

    /// The configuration as YAML.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        serde_saphyr::to_string(self).unwrap_or_else(|error| format!("# {error}\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Config, ConfigError> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ttn.yml");
        fs::write(&path, text).unwrap();
        Config::load(Some(&path), [])
    }

    #[test]
    fn an_unknown_key_names_the_key_the_file_and_the_line() {
        let error = load("listen: 127.0.0.1\nports:\n  upd: 1700\n").unwrap_err().to_string();
        for part in ["ttn.yml", "upd", "3"] {
            assert!(error.contains(part), "{part} is missing in: {error}");
        }
    }

    #[test]
    fn a_wrong_value_names_the_line() {
        let error = load("ports:\n  udp: many\n").unwrap_err().to_string();
        assert!(error.contains("ttn.yml") && error.contains('2'), "{error}");
    }

    #[test]
    fn the_environment_overrides_the_file_and_names_what_is_wrong() {
        let set = |name: &str, value: &str| Config::load(None, [(name.into(), value.into())]);
        assert_eq!(set("TTN_PORTS_UDP", "1800").unwrap().ports.udp, 1800);
        let error = set("TTN_PORTS_UDP", "x").unwrap_err().to_string();
        assert!(error.contains("TTN_PORTS_UDP") && error.contains("ports.udp"), "{error}");
        let error = set("TTN_PORT_UDP", "1").unwrap_err().to_string();
        assert!(error.contains("TTN_PORT_UDP") && error.contains("TTN_PORTS_UDP"), "{error}");
        assert!(set("TTN_VECTORS", "x").is_ok());
    }

    #[test]
    fn a_shift_above_the_last_port_is_refused() {
        let error = Config::load(None, [("TTN_PORTS_OFFSET".into(), "64000".into())]);
        assert!(error.unwrap_err().to_string().contains("--port-offset"));
    }

    #[test]
    fn a_certificate_needs_its_key() {
        let set = |name: &str| Config::load(None, [(name.into(), "file.pem".into())]);
        let error = set("TTN_TLS_CERTIFICATE").unwrap_err().to_string();
        assert!(error.contains("`tls.key` is missing"), "{error}");
        assert!(set("TTN_TLS_KEY").is_err());
    }

    #[test]
    fn what_is_printed_can_be_read_again() {
        let config = Config::default();
        assert_eq!(load(&config.to_yaml()).unwrap(), config);
    }
}

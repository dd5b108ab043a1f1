//! Settings: plain data, loaded by whoever composes the server.
#![expect(clippy::exhaustive_structs, reason = "built by other crates")]

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The settings of an Application Server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The label of the key encryption key that AppSKeys are kept wrapped with (AS-06); empty: as they come.
    pub device_kek_label: String,
    /// How many messages a live reader may lag behind before it loses the oldest.
    pub reader_lag_max: usize,
    /// How long a payload formatter may run.
    pub formatter_timeout: Duration,
    /// How many devices' pending messages are worked on at the same time.
    pub workers: usize,
    /// How many messages of a device may wait for a key or a formatter; then the oldest is completed without.
    pub pending_max: usize,
    /// How many devices are kept decoded, at about 1 KB each; the others rest in memory, in a third of that, and take a few
    /// microseconds to wake. More only while messages of more of them wait.
    pub devices_awake: usize,
    /// How often devices' last activity is reported to the Identity Server (AS-08); zero: never.
    pub last_seen_interval: Duration,
    /// How often a confirmed downlink is sent again, unless the application says so (AS-26).
    pub confirmed_retries: u32,
    /// The most that an application may say.
    pub confirmed_retries_max: u32,
    /// The MQTT server.
    pub mqtt: MqttConfig,
    /// Which brokers pub/subs may use.
    pub pubsub: PubSubConfig,
    /// How long the log keeps messages.
    pub retention: RetentionConfig,
    /// Webhooks.
    pub webhook: WebhookConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            device_kek_label: String::new(),
            reader_lag_max: 16_384,
            formatter_timeout: Duration::from_millis(100),
            workers: 64,
            pending_max: 256,
            devices_awake: 16_384,
            last_seen_interval: Duration::from_secs(10),
            confirmed_retries: 8,
            confirmed_retries_max: 32,
            mqtt: MqttConfig::default(),
            pubsub: PubSubConfig::default(),
            retention: RetentionConfig::default(),
            webhook: WebhookConfig::default(),
        }
    }
}

/// How long the log keeps messages. A reader whose cursor falls behind gets one message that counts the gap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetentionConfig {
    /// How old a message may become; zero: as old as it likes.
    pub age: Duration,
    /// How many octets the messages of all applications may take; zero: as many as they like.
    pub bytes_max: u64,
    /// How often the log is looked at.
    pub interval: Duration,
}

impl Default for RetentionConfig {
    fn default() -> Self {
        Self {
            age: Duration::from_secs(30 * 24 * 3600),
            bytes_max: 8 << 30,
            interval: Duration::from_secs(60),
        }
    }
}

/// The settings of the MQTT server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MqttConfig {
    /// The address that `GetMQTTConnectionInfo` gives (AS-35).
    pub public_address: String,
    /// The same with TLS.
    pub public_tls_address: String,
    /// The largest packet that is accepted, in octets.
    pub packet_size_max: u32,
    /// How many clients may be connected to each listener.
    pub connections_max: usize,
    /// How many filters a client may have.
    pub filters_max: usize,
    /// How long a client may take to send CONNECT.
    pub connect_timeout: Duration,
    /// How long a client may take nothing of what is sent to it; then its connection is closed.
    pub write_timeout: Duration,
    /// How often clients are written to, all together, before messages are collected: with `N` clients each for `N` times the
    /// part of a second that this leaves, 10 ms at most. Timers have a grain of 1 ms; less is not waited for.
    pub writes_per_second: u32,
    /// How often clients' rights are asked for again: a key that is gone ends its connections within this time.
    pub rights_interval: Duration,
    /// How long a session with CleanSession 0 waits for its client.
    pub session_expiry: Duration,
    /// How often the places of such sessions are stored. What was acknowledged since is sent again after a crash.
    pub session_save_interval: Duration,
    /// User names and topics may have `APPLICATION@TENANT` with this tenant in place of the application's id.
    pub tenant: Option<String>,
}

impl Default for MqttConfig {
    fn default() -> Self {
        Self {
            public_address: String::new(),
            public_tls_address: String::new(),
            packet_size_max: 256 * 1024,
            connections_max: 10_000,
            filters_max: 128,
            connect_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(60),
            writes_per_second: 10_000,
            rights_interval: Duration::from_secs(60),
            session_expiry: Duration::from_secs(24 * 3600),
            session_save_interval: Duration::from_secs(5),
            tenant: None,
        }
    }
}

/// The settings of webhooks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebhookConfig {
    /// The URL by which endpoints reach this server, without `/api/v3`; empty: they are not told where to send downlinks.
    pub public_url: String,
    /// How long an endpoint may take to answer.
    pub timeout: Duration,
    /// The pauses between attempts at a message that was not taken; behind the last one it is given up (AS-45).
    pub retry_waits: Vec<Duration>,
    /// How long a message is tried while its endpoint is out; then it is given up.
    pub outage_max: Duration,
    /// How many webhooks an application may have.
    pub webhooks_max: usize,
    /// How many requests may be under way, of all webhooks (AS-40); further ones wait.
    pub requests_max: usize,
    /// How many requests of a webhook may be under way.
    pub requests_per_webhook: usize,
    /// How many messages of a webhook are read ahead.
    pub read_ahead: usize,
    /// How many devices of a webhook may be set aside because a message was not taken; then all others wait for them.
    pub devices_aside_max: usize,
    /// How many given up messages of a webhook are remembered; the oldest are forgotten.
    pub dead_letters_max: usize,
    /// How often the place of a webhook in the log is saved.
    pub save_interval: Duration,
    /// After how many failures in a row nothing is sent for `unhealthy_retry_interval` (AS-41); 0: never.
    pub unhealthy_attempts_threshold: u32,
    /// How long nothing is sent then.
    pub unhealthy_retry_interval: Duration,
}

impl Default for WebhookConfig {
    fn default() -> Self {
        let waits = [4, 8, 15, 15, 15, 15];
        Self {
            public_url: String::new(),
            timeout: Duration::from_secs(10),
            retry_waits: waits.map(|minutes| Duration::from_secs(minutes * 60)).to_vec(),
            outage_max: Duration::from_secs(7 * 24 * 3600),
            webhooks_max: 100,
            requests_max: 1024,
            requests_per_webhook: 8,
            read_ahead: 64,
            devices_aside_max: 256,
            dead_letters_max: 100,
            save_interval: Duration::from_secs(1),
            unhealthy_attempts_threshold: 0,
            unhealthy_retry_interval: Duration::ZERO,
        }
    }
}

/// Which brokers pub/subs may use (AS-52).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PubSubConfig {
    /// MQTT brokers.
    pub mqtt: ProviderStatus,
    /// NATS servers.
    pub nats: ProviderStatus,
}

/// Whether brokers of a kind may be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum ProviderStatus {
    /// They may.
    #[default]
    Enabled,
    /// They may, and whoever sets one is told that this will end.
    Warning,
    /// They may not.
    Disabled,
}

impl std::str::FromStr for ProviderStatus {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "enabled" => Ok(Self::Enabled),
            "warning" => Ok(Self::Warning),
            "disabled" => Ok(Self::Disabled),
            _ => Err("`enabled`, `warning` or `disabled` expected"),
        }
    }
}

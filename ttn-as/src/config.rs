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
    /// How often devices' last activity is reported to the Identity Server (AS-08); zero: never.
    pub last_seen_interval: Duration,
    /// How often a confirmed downlink is sent again, unless the application says so (AS-26).
    pub confirmed_retries: u32,
    /// The most that an application may say.
    pub confirmed_retries_max: u32,
    /// The MQTT server.
    pub mqtt: MqttConfig,
    /// How long the log keeps messages.
    pub retention: RetentionConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            device_kek_label: String::new(),
            reader_lag_max: 1024,
            formatter_timeout: Duration::from_millis(100),
            workers: 64,
            pending_max: 256,
            last_seen_interval: Duration::from_secs(10),
            confirmed_retries: 8,
            confirmed_retries_max: 32,
            mqtt: MqttConfig::default(),
            retention: RetentionConfig::default(),
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
    /// How many clients may be connected.
    pub connections_max: usize,
    /// How many filters a client may have.
    pub filters_max: usize,
    /// How long a client may take to send CONNECT.
    pub connect_timeout: Duration,
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
        }
    }
}

//! Configuration: plain data with defaults.
#![expect(clippy::exhaustive_structs, reason = "built by other crates")]

use std::time::Duration;

use serde::{Deserialize, Serialize};
use ttn_core::addr::{DevAddrPrefix, NetId};

/// Configuration of a Network Server.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Config {
    /// The network's identifier.
    pub net_id: NetId,
    /// Prefixes of the addresses that joining devices get; empty means the NetID's own prefix (NS-23).
    pub dev_addr_prefixes: Vec<DevAddrPrefix>,
    /// How long copies of an uplink are collected at most (NS-02).
    pub deduplication_window: Duration,
    /// How long late copies are recognised after that (NS-02).
    pub cooldown_window: Duration,
    /// The label of the key encryption key of session keys (NS-28); empty means that they are stored in clear text.
    pub device_kek_label: String,
    /// How many uplinks, reports and commands wait for the shard before further ones are refused.
    pub input_queue_length: usize,
    /// How many devices are kept decoded, at about 2.5 KB each; the others rest in memory, in a fifth of that, and take a few
    /// microseconds to wake. More only while more of them are in the middle of something.
    pub devices_awake: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            net_id: NetId::default(),
            dev_addr_prefixes: Vec::new(),
            deduplication_window: Duration::from_millis(200),
            cooldown_window: Duration::from_secs(1),
            device_kek_label: String::new(),
            input_queue_length: 16_384,
            devices_awake: 16_384,
        }
    }
}

impl Config {
    /// The prefixes of the addresses that are assigned: the configured ones, else that of the NetID.
    #[must_use]
    pub fn prefixes(&self) -> Vec<DevAddrPrefix> {
        if self.dev_addr_prefixes.is_empty() {
            vec![self.net_id.dev_addr_prefix()]
        } else {
            self.dev_addr_prefixes.clone()
        }
    }
}

//! Configuration: plain data with defaults.
#![expect(clippy::exhaustive_structs, reason = "built by other crates")]

use std::{net::SocketAddr, time::Duration};

use serde::{Deserialize, Serialize};
use ttn_core::{addr::DevAddrPrefix, id::FrequencyPlanId};

/// Configuration of a Gateway Server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Whether only registered gateways may connect (GS-01).
    pub require_registered_gateways: bool,
    /// Addresses whose uplinks go to the Network Server; joins always do (GS-54).
    pub forward: Vec<DevAddrPrefix>,
    /// The UDP protocol.
    pub udp: UdpConfig,
}

/// Configuration of the UDP protocol.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UdpConfig {
    /// Where to listen.
    pub listeners: Vec<UdpListener>,
    /// Octets of the receive buffer of each socket, as far as the system allows.
    pub receive_buffer: usize,
    /// Gateways per listener; further ones are refused and counted.
    pub gateways_max: usize,
    /// How long a gateway may be silent before its connection ends (GS-19).
    pub connection_expires: Duration,
    /// How long a gateway that could not be connected is refused at once (GS-20).
    pub connection_error_ttl: Duration,
    /// How long a gateway can be reached after PULL_DATA (GS-21).
    pub downlink_path_expires: Duration,
    /// How long before its time a downlink leaves for a gateway without a queue (GS-22).
    pub schedule_late_time: Duration,
}

/// A listener of the UDP protocol.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UdpListener {
    /// Where to listen.
    pub address: SocketAddr,
    /// The plan of gateways that nobody registered; without one they are refused (GS-02).
    #[serde(default)]
    pub fallback_frequency_plan_id: Option<FrequencyPlanId>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            require_registered_gateways: false,
            forward: vec![DevAddrPrefix::ALL],
            udp: UdpConfig::default(),
        }
    }
}

impl Default for UdpConfig {
    fn default() -> Self {
        Self {
            listeners: vec![],
            receive_buffer: 4 << 20,
            gateways_max: 50_000,
            connection_expires: Duration::from_secs(180),
            connection_error_ttl: Duration::from_secs(300),
            downlink_path_expires: Duration::from_secs(90),
            schedule_late_time: Duration::from_millis(800),
        }
    }
}

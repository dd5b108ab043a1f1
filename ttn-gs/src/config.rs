//! Configuration: plain data with defaults.
#![expect(clippy::exhaustive_structs, reason = "built by other crates")]

use std::{net::SocketAddr, str::FromStr, time::Duration};

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

/// When PUSH_DATA is acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum Ack {
    /// When its uplinks survive a crash: the acknowledgement is a promise.
    Durable,
    /// At once: the acknowledgement is a receipt, as forwarders expect it (GS-14).
    #[default]
    Receipt,
}

impl FromStr for Ack {
    type Err = UnknownAck;

    fn from_str(text: &str) -> Result<Self, UnknownAck> {
        match text {
            "durable" => Ok(Self::Durable),
            "receipt" => Ok(Self::Receipt),
            _ => Err(UnknownAck),
        }
    }
}

/// A text that is no [`Ack`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write `durable` or `receipt`")]
#[non_exhaustive]
pub struct UnknownAck;

/// Configuration of the UDP protocol.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UdpConfig {
    /// Where to listen.
    pub listeners: Vec<UdpListener>,
    /// Octets of the receive buffer of each socket, as far as the system allows.
    pub receive_buffer: usize,
    /// When PUSH_DATA is acknowledged.
    pub ack: Ack,
    /// Gateways per listener; further ones are refused and counted.
    pub gateways_max: usize,
    /// How long a gateway may be silent before its connection ends (GS-19).
    pub connection_expires: Duration,
    /// How long a gateway that could not be connected is refused at once (GS-20).
    pub connection_error_ttl: Duration,
    /// For how long packets in the name of a gateway are refused that come from another IP address than its last one;
    /// 0 for not at all (GS-17).
    pub addr_change_block: Duration,
    /// How many packets of one gateway are taken within [`Self::rate_threshold`]; 0 for any number (GS-16).
    pub rate_messages: usize,
    /// See [`Self::rate_messages`].
    pub rate_threshold: Duration,
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
            ack: Ack::Receipt,
            gateways_max: 50_000,
            connection_expires: Duration::from_secs(180),
            connection_error_ttl: Duration::from_secs(300),
            addr_change_block: Duration::ZERO,
            rate_messages: 10,
            rate_threshold: Duration::from_millis(10),
            downlink_path_expires: Duration::from_secs(90),
            schedule_late_time: Duration::from_millis(800),
        }
    }
}

//! The Semtech UDP protocol, as the packet forwarders speak it (GS-13 to GS-27).
//!
//! The protocol has no authentication: whoever knows a gateway's EUI can speak in its name.

pub mod codec;
mod firewall;
mod reject;
mod rxpk;
mod serve;
mod session;
mod stat;
mod transport;
mod txpk;

pub use reject::Reject;
pub use rxpk::{RxpkReject, decode as decode_rxpk, parse_data_rate};
pub use serve::UdpFrontend;
pub use session::{
    Effect, OUTSTANDING_MAX, PENDING_MAX, RETRY_INTERVAL, SWEEP_INTERVAL, Transmit, UdpCounters,
    UdpSession,
};
pub use stat::decode as decode_stat;
pub use transport::{SocketTransport, Transport};
pub use txpk::{
    NoLrFhssDownlink, TxFrame, TxTime, decode_tx_ack, encode as encode_txpk, encode_pull_resp,
};

/// The name of the protocol in connection statistics.
pub const PROTOCOL: &str = "udp";

//! Sockets of the reference server.

use std::{io, net::SocketAddr};

use tokio::net::TcpListener;
use ttn_gs::{config::UdpConfig, frontend::udp::SocketTransport};

use crate::config::Config;

/// The bound sockets of a server.
#[derive(Debug)]
#[non_exhaustive]
pub struct Listeners {
    /// Semtech UDP.
    pub udp: SocketTransport,
    /// MQTT for applications.
    pub mqtt: TcpListener,
    /// The same with TLS.
    pub mqtt_tls: TcpListener,
    /// MQTT for applications over WebSockets.
    pub mqtt_ws: TcpListener,
    /// The same with TLS.
    pub mqtt_wss: TcpListener,
    /// gRPC.
    pub grpc: TcpListener,
    /// The same with TLS.
    pub grpc_tls: TcpListener,
    /// HTTP.
    pub http: TcpListener,
    /// The same with TLS.
    pub http_tls: TcpListener,
    /// The LoRaWAN Backend Interfaces, if they are configured.
    pub interop: Option<TcpListener>,
}

/// A socket that cannot be bound.
#[derive(Debug, thiserror::Error)]
#[error(
    "{address} ({protocol}, key `ports.{key}`) cannot be bound: {source}; \
     stop the program that uses it, set another port, or shift all with --port-offset N"
)]
#[non_exhaustive]
pub struct BindError {
    /// The key of the port.
    pub key: &'static str,
    /// `udp` or `tcp`.
    pub protocol: &'static str,
    /// The address.
    pub address: SocketAddr,
    /// Why.
    pub source: io::Error,
}

impl Listeners {
    /// Binds every socket of a configuration. Port 0 takes a free one.
    ///
    /// # Errors
    ///
    /// A port is taken or not allowed; the error names its key.
    pub async fn bind(config: &Config) -> Result<Self, BindError> {
        let ports = &config.ports;
        let address = |port: u16| {
            let shifted = if port == 0 { 0 } else { port.saturating_add(ports.offset) };
            SocketAddr::new(config.listen, shifted)
        };
        let tcp = async |key, port| {
            let address = address(port);
            let bound = TcpListener::bind(address).await;
            bound.map_err(|source| BindError { key, protocol: "tcp", address, source })
        };
        let udp_address = address(ports.udp);
        let udp = SocketTransport::bind(udp_address, UdpConfig::default().receive_buffer);
        let udp = udp.map_err(|source| BindError {
            key: "udp",
            protocol: "udp",
            address: udp_address,
            source,
        })?;
        let interop = match ports.interop {
            Some(port) => Some(tcp("interop", port).await?),
            None => None,
        };
        Ok(Self {
            udp,
            mqtt: tcp("mqtt", ports.mqtt).await?,
            mqtt_tls: tcp("mqtt_tls", ports.mqtt_tls).await?,
            mqtt_ws: tcp("mqtt_ws", ports.mqtt_ws).await?,
            mqtt_wss: tcp("mqtt_wss", ports.mqtt_wss).await?,
            grpc: tcp("grpc", ports.grpc).await?,
            grpc_tls: tcp("grpc_tls", ports.grpc_tls).await?,
            http: tcp("http", ports.http).await?,
            http_tls: tcp("http_tls", ports.http_tls).await?,
            interop,
        })
    }
}

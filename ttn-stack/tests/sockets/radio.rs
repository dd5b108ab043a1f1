//! A packet forwarder on a real UDP socket.

use std::{
    net::UdpSocket,
    time::{Duration, Instant},
};

use serde_json::Value;
use ttn_core::{eui::GatewayEui, time::Monotonic};
use ttn_mac::device::DeviceTx;
use ttn_testkit::{Gateway, GatewayModel};

pub(crate) const GATEWAY_EUI: GatewayEui = GatewayEui::from_u64(0x00AA_BBCC_0011_2233);

/// Forwards the frames of devices and takes what the server wants to be sent.
pub(crate) struct Forwarder {
    gateway: Gateway,
    socket: UdpSocket,
    started: Instant,
}

/// What the server wants to be sent, as in the datagram.
pub(crate) struct PullResp {
    pub(crate) txpk: Value,
    pub(crate) phy: Vec<u8>,
}

impl Forwarder {
    pub(crate) fn new() -> Self {
        Self::of(GATEWAY_EUI)
    }

    /// The forwarder of a gateway.
    pub(crate) fn of(eui: GatewayEui) -> Self {
        let backhaul = Duration::ZERO;
        // The counter rolls over three seconds after the start, between an uplink and its answer.
        let counter_start = u32::MAX - 3_000_000;
        let model = GatewayModel { eui, counter_start, backhaul };
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        Self { gateway: Gateway::new(model), socket, started: Instant::now() }
    }

    /// Speaks to a server from now on, and waits until it has answered.
    pub(crate) fn connect(&mut self, port: u16) {
        self.socket.connect(("127.0.0.1", port)).unwrap();
        // What an earlier server wanted to be sent nobody waits for.
        self.socket.set_nonblocking(true).unwrap();
        while self.socket.recv(&mut [0; 4096]).is_ok() {}
        self.socket.set_nonblocking(false).unwrap();
        self.keep_alive();
    }

    /// Forwards a frame that was received now; gives the counter of its reception.
    pub(crate) fn forward(&mut self, tx: &DeviceTx) -> u32 {
        self.keep_alive();
        self.push(tx)
    }

    /// The same, whatever the server wants to be sent.
    pub(crate) fn push(&mut self, tx: &DeviceTx) -> u32 {
        let now = Instant::now().duration_since(self.started);
        let now = Monotonic::from_nanos(u64::try_from(now.as_nanos()).unwrap());
        let (rssi, snr) = (-57.0, 9.5);
        let datagram =
            self.gateway.push_data(now, tx.frequency, &tx.data_rate, rssi, snr, &tx.bytes);
        self.socket.send(&datagram).unwrap();
        self.gateway.counter(now)
    }

    /// Says how the gateway is, and what time it has.
    pub(crate) fn status(&self, time: &str) {
        let mut datagram = vec![2, 0, 7, 0];
        datagram.extend(GATEWAY_EUI.to_be_bytes());
        datagram.extend(format!(r#"{{"stat":{{"time":"{time}"}}}}"#).bytes());
        self.socket.send(&datagram).unwrap();
    }

    /// The next PULL_RESP, if one comes in time; it is accepted with a TX_ACK.
    pub(crate) fn pull_resp(&mut self, within: Duration) -> Option<PullResp> {
        let deadline = Instant::now() + within;
        while let Some(datagram) = self.receive(deadline) {
            if let Some((emission, ack)) = self.gateway.receive(&datagram) {
                self.socket.send(&ack).unwrap();
                let body: Value = serde_json::from_slice(&datagram[4..]).unwrap();
                return Some(PullResp { txpk: body["txpk"].clone(), phy: emission.phy });
            }
        }
        None
    }

    fn keep_alive(&mut self) {
        let acks = self.gateway.acks;
        let deadline = Instant::now() + Duration::from_secs(10);
        let datagram = self.gateway.pull_data();
        self.socket.send(&datagram).unwrap();
        while self.gateway.acks == acks {
            let datagram = self.receive(deadline).expect("PULL_DATA is acknowledged");
            assert!(self.gateway.receive(&datagram).is_none(), "a PULL_RESP nobody waits for");
        }
    }

    fn receive(&self, deadline: Instant) -> Option<Vec<u8>> {
        let left = deadline.saturating_duration_since(Instant::now());
        self.socket.set_read_timeout(Some(left.max(Duration::from_millis(1)))).unwrap();
        let mut buffer = vec![0; 65_536];
        let length = self.socket.recv(&mut buffer).ok()?;
        buffer.truncate(length);
        Some(buffer)
    }
}

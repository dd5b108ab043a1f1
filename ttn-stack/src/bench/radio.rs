//! The gateways: virtual packet forwarders, each with a socket of its own.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{net::UdpSocket, sync::mpsc};
use ttn_core::{clock::Clock, map::Map, task::Tasks, time::Monotonic};
use ttn_mac::device::DeviceTx;
use ttn_testkit::{Emission, Gateway, GatewayModel};

use super::fleet::gateway_eui;

/// All gateways.
#[derive(Debug)]
pub(super) struct Radio {
    clock: Arc<dyn Clock>,
    stations: Vec<Station>,
    /// The datagrams that were acknowledged, of those that [`Self::receive_for_receipt`] sent.
    receipts: Mutex<Vec<u64>>,
}

#[derive(Debug)]
struct Station {
    socket: UdpSocket,
    gateway: Mutex<Gateway>,
    /// What waits for its PUSH_ACK, by token.
    waiting: Mutex<Map<[u8; 2], u64>>,
}

/// A transmission that the server asked for.
#[derive(Clone, Debug)]
pub(super) struct Heard {
    /// When the gateway was asked.
    pub(super) at: Monotonic,
    /// When the transmission is to begin; `None` for at once.
    pub(super) starts_at: Option<Monotonic>,
    /// The transmission.
    pub(super) emission: Emission,
}

/// How many transmissions wait to be looked at; further ones are lost, as if the gateway had not sent them.
const HEARD_MAX: usize = 65_536;
/// How often a gateway says that it is there.
const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// The kind of an answer to a received frame.
const PUSH_ACK: u8 = 1;
const CONNECT_MAX: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(10);

impl Radio {
    /// Opens the sockets. Gateways that receive keep their downlink path open.
    pub(super) async fn open(
        server: SocketAddr,
        gateways: usize,
        clock: &Arc<dyn Clock>,
        tasks: &mut Tasks,
    ) -> io::Result<(Arc<Self>, mpsc::Receiver<Heard>)> {
        let mut stations = Vec::with_capacity(gateways);
        for index in 0..gateways {
            let socket = UdpSocket::bind("127.0.0.1:0").await?;
            socket.connect(server).await?;
            let (eui, backhaul) = (gateway_eui(index), Duration::ZERO);
            let gateway = Gateway::new(GatewayModel { eui, counter_start: 0, backhaul });
            let waiting = Mutex::default();
            stations.push(Station { socket, gateway: Mutex::new(gateway), waiting });
        }
        let radio = Arc::new(Self { clock: clock.clone(), stations, receipts: Mutex::default() });
        let (sender, heard) = mpsc::channel(HEARD_MAX);
        for index in 0..gateways {
            tasks.spawn("bench gateway", listen(radio.clone(), index, sender.clone()));
        }
        tasks.spawn("bench keep-alives", keep_alive(radio.clone()));
        Ok((radio, heard))
    }

    /// Waits until the server has answered every gateway, and gives the time that passed.
    pub(super) async fn connected(&self) -> anyhow::Result<()> {
        let began = self.clock.monotonic();
        while self.stations.iter().any(|station| station.gateway.lock().acks == 0) {
            let waited = self.clock.monotonic().since(began);
            anyhow::ensure!(waited < CONNECT_MAX, "not every gateway was answered");
            self.clock.sleep_until(self.clock.monotonic().plus(PAUSE)).await;
        }
        Ok(())
    }

    /// Lets some gateways, one after the other from `first` on, receive a frame. Gives the counter of the first, by which
    /// its answer is known.
    pub(super) async fn receive(&self, first: usize, copies: usize, tx: &DeviceTx) -> u32 {
        let now = self.clock.monotonic();
        let mut counter = 0;
        for copy in 0..copies {
            let count = self.stations.len();
            let Some(station) = self.stations.get((first + copy) % count) else { continue };
            let rssi = -70.0 - copy as f32;
            let datagram = {
                let mut gateway = station.gateway.lock();
                if copy == 0 {
                    counter = gateway.counter(now);
                }
                gateway.push_data(now, tx.frequency, &tx.data_rate, rssi, 8.0, &tx.bytes)
            };
            // A datagram that the network refuses is lost, as datagrams are.
            let _ = station.socket.send(&datagram).await;
        }
        counter
    }

    /// Lets one gateway receive a frame that has a number: [`Self::receipts`] tells it when the server acknowledges it.
    pub(super) async fn receive_for_receipt(&self, number: u64, tx: &DeviceTx) -> u32 {
        let now = self.clock.monotonic();
        let place = usize::try_from(number).unwrap_or_default() % self.stations.len().max(1);
        let Some(station) = self.stations.get(place) else { return 0 };
        let (counter, datagram) = {
            let mut gateway = station.gateway.lock();
            let datagram =
                gateway.push_data(now, tx.frequency, &tx.data_rate, -70.0, 8.0, &tx.bytes);
            (gateway.counter(now), datagram)
        };
        if let Some(token) = token(&datagram) {
            station.waiting.lock().insert(token, number);
        }
        // A datagram that the network refuses is lost, as datagrams are.
        let _ = station.socket.send(&datagram).await;
        counter
    }

    /// The numbers of the frames that were acknowledged.
    pub(super) fn receipts(&self) -> Vec<u64> {
        std::mem::take(&mut *self.receipts.lock())
    }

    /// Datagrams that were acknowledged.
    pub(super) fn acknowledged(&self) -> u64 {
        self.stations.iter().map(|station| station.gateway.lock().acks).sum()
    }
}

/// Takes what the server sends to a gateway, and accepts every transmission.
async fn listen(radio: Arc<Radio>, index: usize, heard: mpsc::Sender<Heard>) {
    let Some(station) = radio.stations.get(index) else { return };
    let mut buffer = vec![0; 2048];
    loop {
        // A server that is not there is not there: its answers are missing.
        let Ok(length) = station.socket.recv(&mut buffer).await else { continue };
        let at = radio.clock.monotonic();
        let datagram = buffer.get(..length).unwrap_or_default();
        if let (Some(token), Some(PUSH_ACK)) = (token(datagram), datagram.get(3).copied())
            && let Some(number) = station.waiting.lock().remove(&token)
        {
            radio.receipts.lock().push(number);
        }
        let (received, starts_at) = {
            let mut gateway = station.gateway.lock();
            let received = gateway.receive(datagram);
            let tmst = received.as_ref().and_then(|(emission, _)| emission.tmst);
            (received, tmst.map(|tmst| gateway.time_of(tmst, at)))
        };
        let Some((emission, ack)) = received else { continue };
        let _ = station.socket.send(&ack).await;
        let _ = heard.try_send(Heard { at, starts_at, emission });
    }
}

/// What an answer has in common with its datagram.
fn token(datagram: &[u8]) -> Option<[u8; 2]> {
    datagram.get(1..3)?.first_chunk().copied()
}

async fn keep_alive(radio: Arc<Radio>) {
    loop {
        for station in &radio.stations {
            let datagram = station.gateway.lock().pull_data();
            let _ = station.socket.send(&datagram).await;
        }
        radio.clock.sleep_until(radio.clock.monotonic().plus(KEEP_ALIVE)).await;
    }
}

//! The world: devices, gateways and the air between them.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use ttn_core::{
    radio::{DataRate, Frequency, time_on_air},
    rand::Entropy,
    time::Monotonic,
};

use ttn_mac::{command::Command, device::ReceivedData};

use crate::{
    gateway::{Emission, Gateway, GatewayModel},
    heap::EventHeap,
};

/// The number of a device in its world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeviceNo(pub(crate) usize);

/// The number of a gateway in its world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GatewayNo(pub(crate) usize);

impl GatewayNo {
    /// The gateway of a number for arrays.
    #[must_use]
    pub const fn new(index: usize) -> Self {
        Self(index)
    }

    /// The number for arrays: gateways count from 0 in the order in which they were added.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0
    }
}

/// What a device is told to do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Send a join-request.
    Join,
    /// Add a MAC command to the next uplink.
    Request(Command),
    /// Send data.
    Uplink {
        /// The port.
        f_port: u8,
        /// The payload.
        payload: Vec<u8>,
        /// Whether it wants an acknowledgement.
        confirmed: bool,
    },
}

/// A frame that a device puts on air, and the windows that it opens afterwards.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "built by nodes")]
pub struct Transmission {
    /// The frame.
    pub phy: Vec<u8>,
    /// Where.
    pub frequency: Frequency,
    /// How.
    pub data_rate: DataRate,
    /// The receive windows, in order.
    pub windows: Vec<Window>,
}

/// A receive window of a device.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "built by nodes")]
pub struct Window {
    /// From the end of the transmission to the opening.
    pub opens_after: Duration,
    /// Where.
    pub frequency: Frequency,
    /// How.
    pub data_rate: DataRate,
}

/// What a device made of a frame that it heard.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Heard {
    /// It joined.
    Joined,
    /// It took data, or commands alone.
    Data(ReceivedData),
    /// It refused the frame; the reason.
    Refused(String),
}

/// A device as the air sees it. [`crate::Device`] is the well-behaved one.
pub trait Node: fmt::Debug + Send {
    /// Makes the frame of an action, or says why it cannot.
    ///
    /// # Errors
    ///
    /// The device cannot do it now, such as sending before it joined.
    fn act(&mut self, action: &Action, entropy: &dyn Entropy) -> Result<Transmission, String>;

    /// Takes a frame that it heard in one of its windows.
    fn hear(&mut self, phy: &[u8]) -> Heard;

    /// Its windows closed; it may transmit again.
    fn windows_closed(&mut self, heard: bool, entropy: &dyn Entropy) -> Option<Transmission>;

    /// The device inside, if it is ours: for tests that look at its parameters or change them.
    fn mac(&mut self) -> Option<&mut ttn_mac::device::Device> {
        None
    }
}

/// How well a gateway hears a device.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "built by tests")]
pub struct Link {
    /// Strength in dBm.
    pub rssi: f32,
    /// Signal to noise ratio in dB.
    pub snr: f32,
    /// How many of a thousand frames are lost.
    pub loss_per_mille: u16,
}

/// What is still to happen.
#[derive(Debug)]
#[non_exhaustive]
pub enum Occurrence {
    /// A device acts.
    Act(DeviceNo, Action),
    /// A datagram reaches a gateway.
    AtGateway(GatewayNo, Vec<u8>),
    /// A datagram leaves the backhaul of a gateway towards the server.
    AtServer(GatewayNo, Vec<u8>),
    /// A gateway's transmission ends.
    EmissionEnds(GatewayNo, Monotonic, Arc<Emission>),
    /// A gateway keeps its downlink path open.
    KeepAlive(GatewayNo),
    /// The windows of a device's transmission have closed.
    WindowsClose(DeviceNo, u64),
}

/// What happened, in order. The record of a run; two runs of one seed have the same.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Happened {
    /// A device sent a frame.
    Sent(DeviceNo, Vec<u8>, Frequency, DataRate),
    /// A device could not act; why.
    Idle(DeviceNo, String),
    /// A gateway was asked to transmit, at this time.
    Scheduled(GatewayNo, Monotonic, Arc<Emission>),
    /// A device heard a frame in a window (from 0).
    Heard(DeviceNo, usize, Heard),
    /// An invariant of the radio was broken.
    Violation(String),
}

#[derive(Debug)]
struct Station {
    node: Box<dyn Node>,
    links: BTreeMap<GatewayNo, Link>,
    listening: Option<Listening>,
    transmissions: u64,
}

#[derive(Debug)]
struct Listening {
    ended: Monotonic,
    windows: Vec<Window>,
    heard: bool,
}

/// Devices, gateways and air.
#[derive(Debug)]
pub struct World {
    heap: EventHeap<Occurrence>,
    stations: Vec<Station>,
    gateways: Vec<Gateway>,
    busy: BTreeMap<GatewayNo, Vec<(Monotonic, Monotonic)>>,
    outbox: Vec<(GatewayNo, Vec<u8>)>,
    happened: Vec<(Monotonic, Happened)>,
    entropy: Box<dyn Entropy>,
}

/// How often a gateway sends PULL_DATA.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// How far the start of a transmission may be from the opening of a window.
const WINDOW_TOLERANCE: Duration = Duration::from_millis(5);
/// How long after the opening of its last window a device gives up, at the longest time on air.
const WINDOW_CLOSES: Duration = Duration::from_millis(2_900);
/// How late a forwarder takes a downlink (real gateways, fact 3).
const LEAD_MIN: Duration = Duration::from_micros(31_500);

impl World {
    /// Makes an empty world whose chance comes from `entropy`.
    #[must_use]
    pub fn new(entropy: impl Entropy) -> Self {
        Self {
            heap: EventHeap::new(),
            stations: Vec::new(),
            gateways: Vec::new(),
            busy: BTreeMap::new(),
            outbox: Vec::new(),
            happened: Vec::new(),
            entropy: Box::new(entropy),
        }
    }

    /// Adds a gateway; it opens its downlink path at once.
    pub fn add_gateway(&mut self, model: GatewayModel, now: Monotonic) -> GatewayNo {
        let number = GatewayNo(self.gateways.len());
        self.gateways.push(Gateway::new(model));
        self.heap.push(now, Occurrence::KeepAlive(number));
        number
    }

    /// How many gateways there are.
    #[must_use]
    pub fn gateways(&self) -> usize {
        self.gateways.len()
    }

    /// Adds a device that no gateway hears yet.
    pub fn add_device(&mut self, node: impl Node + 'static) -> DeviceNo {
        let station = Station {
            node: Box::new(node),
            links: BTreeMap::new(),
            listening: None,
            transmissions: 0,
        };
        self.stations.push(station);
        DeviceNo(self.stations.len() - 1)
    }

    /// Sets how well a gateway hears a device; `None` for not at all.
    pub fn link(&mut self, device: DeviceNo, gateway: GatewayNo, link: Option<Link>) {
        let links = &mut self.stations[device.0].links;
        match link {
            Some(link) => links.insert(gateway, link),
            None => links.remove(&gateway),
        };
    }

    /// Lets a device act at a point in time.
    pub fn at(&mut self, at: Monotonic, device: DeviceNo, action: Action) {
        self.heap.push(at, Occurrence::Act(device, action));
    }

    /// Puts a frame on air that no device sent, such as a recorded one.
    pub fn replay(
        &mut self,
        now: Monotonic,
        gateway: GatewayNo,
        phy: &[u8],
        frequency: Frequency,
        data_rate: &DataRate,
    ) {
        let Some(station) = self.gateways.get_mut(gateway.0) else { return };
        let datagram = station.push_data(now, frequency, data_rate, -60.0, 9.0, phy);
        let arrives = now.plus(station.model().backhaul);
        self.heap.push(arrives, Occurrence::AtServer(gateway, datagram));
    }

    /// Sends octets to the server that no forwarder would send.
    pub fn send_raw(&mut self, now: Monotonic, gateway: GatewayNo, datagram: &[u8]) {
        self.heap.push(now, Occurrence::AtServer(gateway, datagram.to_vec()));
    }

    /// A datagram of the server has left for a gateway.
    pub fn from_server(&mut self, now: Monotonic, gateway: GatewayNo, datagram: Vec<u8>) {
        let Some(station) = self.gateways.get(gateway.0) else { return };
        self.heap
            .push(now.plus(station.model().backhaul), Occurrence::AtGateway(gateway, datagram));
    }

    /// When the next thing happens.
    #[must_use]
    pub fn next_at(&self) -> Option<Monotonic> {
        self.heap.next_at()
    }

    /// Lets everything happen that is due, and gives the datagrams for the server.
    pub fn advance(&mut self, now: Monotonic) -> Vec<(GatewayNo, Vec<u8>)> {
        while let Some((at, occurrence)) = self.heap.pop_due(now) {
            self.happen(at, occurrence);
        }
        std::mem::take(&mut self.outbox)
    }

    /// The MAC of a device, if it is one of ours.
    pub fn mac(&mut self, device: DeviceNo) -> Option<&mut ttn_mac::device::Device> {
        self.stations[device.0].node.mac()
    }

    /// The record of the run so far.
    #[must_use]
    pub fn happened(&self) -> &[(Monotonic, Happened)] {
        &self.happened
    }

    fn happen(&mut self, at: Monotonic, occurrence: Occurrence) {
        match occurrence {
            Occurrence::Act(device, action) => {
                let entropy = &*self.entropy;
                match self.stations[device.0].node.act(&action, entropy) {
                    Ok(transmission) => self.transmit(at, device, transmission),
                    Err(reason) => self.happened.push((at, Happened::Idle(device, reason))),
                }
            }
            Occurrence::AtGateway(gateway, datagram) => self.at_gateway(at, gateway, &datagram),
            Occurrence::AtServer(gateway, datagram) => self.outbox.push((gateway, datagram)),
            Occurrence::EmissionEnds(gateway, started, emission) => {
                self.emission_ends(at, gateway, started, &emission);
            }
            Occurrence::KeepAlive(gateway) => {
                let station = &mut self.gateways[gateway.0];
                let (datagram, backhaul) = (station.pull_data(), station.model().backhaul);
                self.heap.push(at.plus(backhaul), Occurrence::AtServer(gateway, datagram));
                self.heap.push(at.plus(KEEP_ALIVE), Occurrence::KeepAlive(gateway));
            }
            Occurrence::WindowsClose(device, transmission) => {
                self.windows_close(at, device, transmission);
            }
        }
    }

    fn transmit(&mut self, at: Monotonic, device: DeviceNo, transmission: Transmission) {
        let Transmission { phy, frequency, data_rate, windows } = transmission;
        let on_air = time_on_air(phy.len(), frequency, &data_rate).unwrap_or_default();
        let ended = at.plus(on_air);
        let station = &mut self.stations[device.0];
        station.transmissions += 1;
        let number = station.transmissions;
        if let Some(last) = windows.last() {
            let closes = ended.plus(last.opens_after).plus(WINDOW_CLOSES);
            self.heap.push(closes, Occurrence::WindowsClose(device, number));
        }
        station.listening = Some(Listening { ended, windows, heard: false });
        for (gateway, link) in &station.links {
            if self.entropy.below(1000) < u64::from(link.loss_per_mille) {
                continue;
            }
            let Some(receiver) = self.gateways.get_mut(gateway.0) else { continue };
            let datagram =
                receiver.push_data(ended, frequency, &data_rate, link.rssi, link.snr, &phy);
            let arrives = ended.plus(receiver.model().backhaul);
            self.heap.push(arrives, Occurrence::AtServer(*gateway, datagram));
        }
        self.happened.push((at, Happened::Sent(device, phy, frequency, data_rate)));
    }

    fn at_gateway(&mut self, at: Monotonic, gateway: GatewayNo, datagram: &[u8]) {
        let station = &mut self.gateways[gateway.0];
        let Some((emission, mut ack)) = station.receive(datagram) else { return };
        let starts = emission.tmst.map_or(at, |tmst| station.time_of(tmst, at));
        let backhaul = station.model().backhaul;
        let lead = starts.since(at);
        let error = if lead < LEAD_MIN || lead > Duration::from_secs(2_147) {
            // A counter that has passed looks like one far ahead.
            Some("TOO_LATE")
        } else if lead > Duration::from_secs(512) {
            Some("TOO_EARLY")
        } else {
            None
        };
        if let Some(error) = error.filter(|_| emission.tmst.is_some()) {
            ack.extend(format!(r#"{{"txpk_ack":{{"error":"{error}"}}}}"#).into_bytes());
            self.happened.push((at, Happened::Violation(format!("{error}: lead {lead:?}"))));
        } else {
            self.emit(at, gateway, starts, emission);
        }
        self.heap.push(at.plus(backhaul), Occurrence::AtServer(gateway, ack));
    }

    fn emit(&mut self, at: Monotonic, gateway: GatewayNo, starts: Monotonic, emission: Emission) {
        let on_air = time_on_air(emission.phy.len(), emission.frequency, &emission.data_rate);
        let ends = starts.plus(on_air.unwrap_or_default());
        let busy = self.busy.entry(gateway).or_default();
        busy.retain(|(_, until)| until.plus(Duration::from_secs(60)) > at);
        // DESIGN promise 5.
        if busy.iter().any(|(from, until)| *from < ends && starts < *until) {
            let text = format!("two transmissions overlap on gateway {}", gateway.0);
            self.happened.push((at, Happened::Violation(text)));
        }
        busy.push((starts, ends));
        let emission = Arc::new(emission);
        self.happened.push((at, Happened::Scheduled(gateway, starts, emission.clone())));
        self.heap.push(ends, Occurrence::EmissionEnds(gateway, starts, emission));
    }

    fn emission_ends(
        &mut self,
        at: Monotonic,
        gateway: GatewayNo,
        started: Monotonic,
        emission: &Emission,
    ) {
        for (index, station) in self.stations.iter_mut().enumerate() {
            if !station.links.contains_key(&gateway) || !emission.inverted {
                continue;
            }
            let Some(listening) = station.listening.as_mut().filter(|it| !it.heard) else {
                continue;
            };
            let hit = listening.windows.iter().position(|window| {
                let opens = listening.ended.plus(window.opens_after);
                let off = started.since(opens).max(opens.since(started));
                off <= WINDOW_TOLERANCE
                    && window.frequency == emission.frequency
                    && window.data_rate.same_modulation(&emission.data_rate)
            });
            let Some(window) = hit else { continue };
            let heard = station.node.hear(&emission.phy);
            // A frame for somebody else leaves the window open for the next one.
            listening.heard = !matches!(heard, Heard::Refused(_));
            self.happened.push((at, Happened::Heard(DeviceNo(index), window, heard)));
        }
    }

    fn windows_close(&mut self, at: Monotonic, device: DeviceNo, transmission: u64) {
        let station = &mut self.stations[device.0];
        if station.transmissions != transmission {
            return;
        }
        let heard = station.listening.take().is_some_and(|listening| listening.heard);
        if let Some(again) = station.node.windows_closed(heard, &*self.entropy) {
            self.transmit(at, device, again);
        }
    }
}

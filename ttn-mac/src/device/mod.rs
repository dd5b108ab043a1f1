//! An end device as a sans-io machine: the other side of the air, for tests, simulations and device firmware to compare with.
//!
//! * **Class A.** [`Device::join`], [`Device::rejoin`] and [`Device::uplink`] give a frame with the receive windows that
//!   the device opens afterwards; [`Device::hear`] takes what arrives in one of them; [`Device::windows_closed`] may give
//!   the frame again (NbTrans, confirmed uplinks).
//! * **Class B.** [`Device::start_class_b`], then [`Device::beacon_heard`] with the time of a beacon;
//!   [`Device::next_ping_slot`] says when and where it listens next, for itself and for multicast groups.
//! * **Class C.** [`Device::set_class_c`]; [`Device::continuous_windows`] says where it listens all the time.
//!
//! What it hears outside class A goes to [`Device::hear_in`]. Time and randomness are arguments; what the driver must see to
//! is said where it matters (duty cycle, loss of the beacon). It speaks LoRaWAN 1.0 to 1.1 and obeys every MAC command of its
//! version, those of a relay after [`Device::start_relay`]. [`Misbehaviour`] makes it do things wrong.
//!
//! ```
//! use ttn_core::{addr::DevAddr, key::Aes128Key, radio::DataRateIndex, rand::Entropy, version::{MacVersion, PhyVersion}};
//! use ttn_mac::{band::{self, BandId}, device::{DevNonces, Device, DeviceConfig, DeviceSession}, session::NetworkKeys};
//!
//! # #[derive(Debug)] struct Dice;
//! # impl Entropy for Dice { fn fill(&self, buffer: &mut [u8]) { buffer.fill(4) } }
//! let config = DeviceConfig {
//!     band: band::get(BandId::EU_863_870, PhyVersion::RP002_V1_0_4)?,
//!     version: MacVersion::V1_0_4,
//!     channels: None,
//!     data_rate: DataRateIndex::from_low_bits(5),
//!     adr: true,
//!     dev_nonces: DevNonces::Counter(0),
//!     first_f_cnt_up: 0,
//! };
//! let session = DeviceSession {
//!     version: MacVersion::V1_0_4,
//!     dev_addr: DevAddr::from_u32(0x2601_0203),
//!     keys: NetworkKeys::v1_0(Aes128Key::new([1; 16])),
//!     app_s_key: Aes128Key::new([2; 16]),
//!     next_f_cnt_up: 0,
//!     last_n_f_cnt_down: None,
//!     last_a_f_cnt_down: None,
//! };
//! let mut device = Device::abp(config, session);
//! let tx = device.uplink(1, b"hello", false, &Dice).expect("it has a session and channels");
//! assert_eq!(tx.windows.len(), 2);
//! # Ok::<(), band::UnknownBand>(())
//! ```

mod adr;
mod channels;
mod class_b;
mod commands;
mod config;
mod downlink;
mod join;
mod misbehaviour;
mod multicast;
mod parameters;
mod rejoin;
mod relay;
mod types;
mod uplink;

#[cfg(test)]
mod tests;

use alloc::vec::Vec;

use ttn_core::{addr::NetId, radio::DataRateIndex};

use crate::command::Command;

pub use class_b::BEACONLESS_MAX;
pub use config::{
    DevNonces, DeviceConfig, DeviceSession, MulticastListening, MulticastSession, RootKeys,
};
pub use misbehaviour::Misbehaviour;
pub use parameters::{DeviceParameters, RejoinTimes, RelayUse};
pub use relay::{Relay, RelayFilter, ServedDevice, Unforwarded};
pub use types::{
    ContinuousWindow, DeviceError, DeviceTx, PingSlot, Received, ReceivedData, RxWindow,
    WindowClass,
};

/// An end device.
#[derive(Clone, Debug)]
pub struct Device {
    config: DeviceConfig,
    root: Option<RootKeys>,
    session: Option<DeviceSession>,
    parameters: DeviceParameters,
    misbehaviour: Misbehaviour,
    /// Battery and margin of DevStatusAns.
    status: (u8, i8),
    nonces: Nonces,
    joining: Option<join::Joining>,
    outgoing: Outgoing,
    /// The low 16 bits of the counter of a confirmed downlink to acknowledge.
    acknowledge: Option<u16>,
    /// The low 16 bits of the counter of the last confirmed uplink, which an acknowledgement in LoRaWAN 1.1 is bound to.
    confirmed_up: u16,
    /// The uplink that may be sent again.
    sent: Option<uplink::Sent>,
    /// Uplinks since the last downlink.
    silence: u32,
    /// The silence at which ADR fell back last.
    stepped_at: u32,
    class_b: Option<class_b::ClassB>,
    class_c: bool,
    multicast: Vec<MulticastSession>,
    rejoins: rejoin::Rejoins,
    relay: Option<Relay>,
}

/// What a device remembers of its joins, over all sessions.
#[derive(Clone, Debug, Default)]
struct Nonces {
    last_dev_nonce: Option<u16>,
    last_join_nonce: Option<u32>,
    /// The network of the session.
    net_id: NetId,
    /// RJcount0, of this session.
    rejoin_count_0: u16,
    /// RJcount1, for life.
    rejoin_count_1: u16,
}

/// Commands that wait for an uplink.
#[derive(Clone, Debug, Default)]
struct Outgoing {
    /// Repeated until the network confirms them: RekeyInd, ResetInd, DeviceModeInd, PingSlotInfoReq.
    indications: Vec<Command>,
    /// Answers that every uplink carries until a downlink of class A arrives.
    sticky: Vec<Command>,
    /// Answers to the last downlink. What does not fit the next uplink is lost, and the network asks again.
    answers: Vec<Command>,
    /// What the application asked for.
    requests: Vec<Command>,
}

impl Device {
    /// Makes a device that has to join.
    #[must_use]
    pub fn otaa(config: DeviceConfig, root: RootKeys) -> Self {
        Self::new(config, Some(root), None)
    }

    /// Makes a device with a session. In LoRaWAN 1.1 it indicates its reset.
    #[must_use]
    pub fn abp(config: DeviceConfig, session: DeviceSession) -> Self {
        let mut device = Self::new(config, None, Some(session));
        if device.config.version.is_1_1() {
            device.outgoing.indications.push(Command::ResetInd { minor_version: 1 });
        }
        device
    }

    /// The session, if it has one.
    #[must_use]
    pub const fn session(&self) -> Option<&DeviceSession> {
        self.session.as_ref()
    }

    /// What the network has set.
    #[must_use]
    pub const fn parameters(&self) -> &DeviceParameters {
        &self.parameters
    }

    /// Uplinks since the last downlink: ADR_ACK_CNT.
    #[must_use]
    pub const fn silence(&self) -> u32 {
        self.silence
    }

    /// Adds a request, such as LinkCheckReq, to the next uplink that has room for it.
    pub fn request(&mut self, command: Command) {
        self.outgoing.requests.push(command);
    }

    /// Changes the data rate of uplinks.
    pub const fn set_data_rate(&mut self, data_rate: DataRateIndex) {
        self.parameters.data_rate = data_rate;
    }

    /// Changes the counter of the next uplink.
    pub const fn set_next_f_cnt_up(&mut self, f_cnt: u32) {
        if let Some(session) = &mut self.session {
            session.next_f_cnt_up = f_cnt;
        }
    }

    /// Sets what DevStatusAns says: the battery (0: external power, 255: unknown) and the margin in dB, -32 to 31.
    pub const fn set_status(&mut self, battery: u8, margin: i8) {
        self.status = (battery, margin);
    }

    /// Makes it do things wrong from now on.
    pub fn misbehave(&mut self, misbehaviour: Misbehaviour) {
        self.misbehaviour = misbehaviour;
    }

    fn new(config: DeviceConfig, root: Option<RootKeys>, session: Option<DeviceSession>) -> Self {
        let parameters = DeviceParameters::at_boot(&config);
        Self {
            config,
            root,
            session,
            parameters,
            misbehaviour: Misbehaviour::default(),
            status: (255, 10),
            nonces: Nonces::default(),
            joining: None,
            outgoing: Outgoing::default(),
            acknowledge: None,
            confirmed_up: 0,
            sent: None,
            silence: 0,
            stepped_at: 0,
            class_b: None,
            class_c: false,
            multicast: Vec::new(),
            rejoins: rejoin::Rejoins::default(),
            relay: None,
        }
    }
}

/// The 16 bits of a counter that go on the air.
const fn low_bits(f_cnt: u32) -> u16 {
    (f_cnt & 0xFFFF) as u16
}

//! An end device of class A as a sans-io machine: the other side of the air, for tests and simulations.
//!
//! [`Device::join`] and [`Device::uplink`] give a frame with the receive windows that the device opens afterwards;
//! [`Device::hear`] takes what arrives in one of them; [`Device::windows_closed`] may give the frame again. It answers the
//! MAC commands of class A as a well-behaved device does. It knows no duty cycle of its own.

mod commands;
mod downlink;
mod join;
mod uplink;

#[cfg(test)]
mod tests;

use alloc::vec::Vec;
use core::{fmt, time::Duration};

use ttn_core::{
    addr::DevAddr,
    eui::{DevEui, JoinEui},
    key::Aes128Key,
    radio::{DataRate, DataRateIndex, Frequency},
    version::MacVersion,
};

use crate::{
    band::{Band, ChannelMask},
    command::Command,
    frame::{BuildError, FrameError},
    session::NetworkKeys,
    state::Channels,
};

/// What a device is made with.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "built by other crates")]
pub struct DeviceConfig {
    /// The band that it is certified for.
    pub band: &'static Band,
    /// The version of LoRaWAN that it speaks.
    pub version: MacVersion,
    /// The channels that it sends on before anybody tells it others; all of the band's if `None`.
    pub channels: Option<ChannelMask>,
    /// The data rate that it begins with.
    pub data_rate: DataRateIndex,
    /// Whether the network may control its data rate.
    pub adr: bool,
    /// How it chooses DevNonces.
    pub dev_nonces: DevNonces,
    /// FCntUp of the first uplink of a session: 0, and 1 with LoRaMac-node.
    pub first_f_cnt_up: u32,
}

/// How a device chooses DevNonces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "both ways that there are")]
pub enum DevNonces {
    /// It counts (from LoRaWAN 1.0.4 on); the next one.
    Counter(u16),
    /// It draws them (up to LoRaWAN 1.0.3).
    Random,
}

/// The keys that a device joins with.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "built by other crates")]
pub struct RootKeys {
    /// The Join Server.
    pub join_eui: JoinEui,
    /// The device.
    pub dev_eui: DevEui,
    /// AppKey.
    pub app_key: Aes128Key,
    /// NwkKey, of LoRaWAN 1.1.
    pub nwk_key: Option<Aes128Key>,
}

/// A session as the device has it.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "built by other crates")]
pub struct DeviceSession {
    /// The version that both sides agreed on.
    pub version: MacVersion,
    /// The address.
    pub dev_addr: DevAddr,
    /// The keys of the network.
    pub keys: NetworkKeys,
    /// The key of the application.
    pub app_s_key: Aes128Key,
    /// FCntUp of the next uplink.
    pub next_f_cnt_up: u32,
    /// The last FCntDown, or NFCntDown in LoRaWAN 1.1.
    pub last_n_f_cnt_down: Option<u32>,
    /// The last AFCntDown, in LoRaWAN 1.1.
    pub last_a_f_cnt_down: Option<u32>,
}

/// What the network can set.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "read by tests")]
pub struct DeviceParameters {
    /// The data rate of uplinks.
    pub data_rate: DataRateIndex,
    /// The index of the power of uplinks.
    pub tx_power_index: u8,
    /// How often an uplink is sent.
    pub nb_trans: u8,
    /// The channels.
    pub channels: Channels,
    /// The delay of RX1 in seconds.
    pub rx1_delay: u8,
    /// RX1DROffset.
    pub rx1_dr_offset: u8,
    /// The data rate of RX2.
    pub rx2_data_rate: DataRateIndex,
    /// The frequency of RX2.
    pub rx2_frequency: Frequency,
    /// Whether downlinks keep a dwell time, which changes RX1.
    pub downlink_dwell_time: bool,
    /// The frequency (zero for that of the band) and data rate of ping slots, once the network has set them.
    pub ping_slot: Option<(Frequency, DataRateIndex)>,
    /// The frequency of the beacon, once the network has set it; zero for that of the band.
    pub beacon_frequency: Option<Frequency>,
}

/// A frame for the air.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "read by other crates")]
pub struct DeviceTx {
    /// The PHYPayload.
    pub bytes: Vec<u8>,
    /// The channel.
    pub channel: u8,
    /// Its frequency.
    pub frequency: Frequency,
    /// The index of the data rate.
    pub data_rate_index: DataRateIndex,
    /// The modulation.
    pub data_rate: DataRate,
    /// RX1 and RX2.
    pub windows: Vec<RxWindow>,
}

/// A receive window.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "read by other crates")]
pub struct RxWindow {
    /// From the end of the uplink to the opening.
    pub opens_after: Duration,
    /// The frequency.
    pub frequency: Frequency,
    /// The modulation.
    pub data_rate: DataRate,
}

/// What a device took.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Received {
    /// Data, or commands alone.
    Data(ReceivedData),
    /// A join-accept: it has a new session.
    Joined,
}

/// A downlink that a device took.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "read by other crates")]
pub struct ReceivedData {
    /// The whole counter.
    pub f_cnt: u32,
    /// The port; `None` if there is none.
    pub f_port: Option<u8>,
    /// The decrypted payload of the application; empty on port 0.
    pub payload: Vec<u8>,
    /// Whether the last confirmed uplink is acknowledged.
    pub ack: bool,
    /// Whether the device is to acknowledge it.
    pub confirmed: bool,
    /// Whether more is waiting.
    pub f_pending: bool,
    /// The commands, in order.
    pub commands: Vec<Command>,
}

/// Why a device cannot send, or did not take a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeviceError {
    /// The frame does not fit the data rate.
    Build(BuildError),
    /// The frame has no form.
    Frame(FrameError),
    /// The counter was used before.
    FCntReplayed {
        /// The last one.
        last: u32,
        /// The one of the frame.
        got: u32,
    },
    /// The integrity code is wrong.
    Mic,
    /// No channel allows the data rate.
    NoChannel,
    /// It has no root keys to join with.
    NoRootKeys,
    /// It has no session.
    NoSession,
    /// The frame is not for this device, or no downlink.
    NotForMe,
}

impl fmt::Display for DeviceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Build(error) => write!(f, "the frame cannot be built: {error}"),
            Self::Frame(error) => write!(f, "{error}"),
            Self::FCntReplayed { last, got } => {
                write!(f, "counter {got} was used before; the last one was {last}")
            }
            Self::Mic => f.write_str("the integrity code is wrong"),
            Self::NoChannel => f.write_str("no channel allows the data rate"),
            Self::NoRootKeys => f.write_str("the device has no root keys to join with"),
            Self::NoSession => f.write_str("the device has no session; join first"),
            Self::NotForMe => f.write_str("the frame is not a downlink for this device"),
        }
    }
}

impl core::error::Error for DeviceError {}

/// An end device of class A.
#[derive(Clone, Debug)]
pub struct Device {
    config: DeviceConfig,
    root: Option<RootKeys>,
    session: Option<DeviceSession>,
    parameters: DeviceParameters,
    joining: Option<Joining>,
    /// Answers and requests that the next uplink carries.
    outgoing: Vec<Command>,
    /// Answers that every uplink carries until a downlink arrives.
    sticky: Vec<Command>,
    /// RekeyInd or ResetInd, until it is confirmed.
    indication: Option<Command>,
    /// The low 16 bits of the counter of a confirmed downlink to acknowledge.
    acknowledge: Option<u16>,
    /// The uplink that may be sent again.
    sent: Option<Sent>,
    /// Uplinks since the last downlink.
    silence: u32,
}

#[derive(Clone, Debug)]
struct Joining {
    dev_nonce: u16,
}

#[derive(Clone, Debug)]
struct Sent {
    frame: crate::frame::DataFrame,
    f_cnt: u32,
    conf_f_cnt: u16,
    confirmed: bool,
    acknowledged: bool,
    left: u8,
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
            device.indication = Some(Command::ResetInd { minor_version: 1 });
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

    /// Adds a request, such as LinkCheckReq, to the next uplink.
    pub fn request(&mut self, command: Command) {
        self.outgoing.push(command);
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

    fn new(config: DeviceConfig, root: Option<RootKeys>, session: Option<DeviceSession>) -> Self {
        let parameters = DeviceParameters::at_boot(&config);
        Self {
            config,
            root,
            session,
            parameters,
            joining: None,
            outgoing: Vec::new(),
            sticky: Vec::new(),
            indication: None,
            acknowledge: None,
            sent: None,
            silence: 0,
        }
    }
}

impl DeviceParameters {
    fn at_boot(config: &DeviceConfig) -> Self {
        let band = config.band;
        let mut channels = Channels::at_boot(band);
        if let Some(mask) = config.channels {
            channels.enabled = mask;
        }
        Self {
            data_rate: config.data_rate,
            tx_power_index: 0,
            nb_trans: 1,
            channels,
            rx1_delay: u8::try_from(band.receive_delay_1.as_secs()).unwrap_or(1),
            rx1_dr_offset: 0,
            rx2_data_rate: band.default_rx2.data_rate,
            rx2_frequency: band.default_rx2.frequency,
            downlink_dwell_time: band.boot_dwell_time.downlinks.unwrap_or(false),
            ping_slot: None,
            beacon_frequency: None,
        }
    }
}

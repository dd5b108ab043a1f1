//! What the engine knows of a device, in two parts: [`SlowState`] changes rarely and lies in the registration record;
//! [`Hot`] changes with every frame, is small and has a fixed layout.
//!
//! All fields are public: a store converts them as it likes. [`crate::engine::Engine`] makes and changes them.
#![expect(
    clippy::exhaustive_structs,
    reason = "built by other crates: stores and registries convert them"
)]

mod channels;
mod hot;
mod relay;
mod settings;

use alloc::vec::Vec;

use ttn_core::{
    addr::DevAddr,
    key::SessionKeyId,
    radio::{DataRateIndex, Frequency},
    time::Timestamp,
    version::MacVersion,
};

use crate::{
    band::ChannelMask,
    command::Command,
    frame::{CfList, DlSettings},
    session::NetworkKeys,
};

pub use ttn_core::radio::DeviceClass;

pub use channels::{Channel, Channels};
pub use hot::{
    ADR_RING_LENGTH, AdrRing, AdrSample, HOT_LENGTH, HOT_LENGTH_MAX, Hot, HotDecodeError, InFlight,
    UNANSWERED_MAX,
};
pub use relay::{RELAY_RULES_MAX, Relay, RelayRule, RuleSession, ServedRelay, ServingRelay};
pub use settings::{
    AdrDynamic, AdrMode, AdrStatic, FACTORY_PRESETS_MAX, MacSettings, STATUS_COUNT_DEFAULT,
    STATUS_TIME_DEFAULT,
};

/// Everything the engine knows of a device.
#[derive(Clone, Debug, PartialEq)]
pub struct MacState {
    /// The part that changes rarely.
    pub slow: SlowState,
    /// The part that changes with every frame. It belongs to the current session.
    pub hot: Hot,
    /// Answers to the commands of the last uplink. They live as long as its receive windows and are never stored.
    pub answers: Vec<Command>,
    /// A frame for a device that this one serves as a relay: the next downlink after an uplink carries it (NS-110). It
    /// lives as long as the receive windows and is never stored.
    pub relayed: Option<Vec<u8>>,
}

impl MacState {
    /// A state as it comes from a store.
    #[must_use]
    pub const fn new(slow: SlowState, hot: Hot) -> Self {
        Self { slow, hot, answers: Vec::new(), relayed: None }
    }
}

/// The part that changes rarely; stored with the registration whenever an outcome says so.
#[derive(Clone, Debug, PartialEq)]
pub struct SlowState {
    /// The version of LoRaWAN that both sides speak.
    pub version: MacVersion,
    /// Whether the device gets its sessions by joining; else it has one from the start (ABP).
    pub supports_join: bool,
    /// The session in use; `None` until a device has joined.
    pub session: Option<Session>,
    /// A session that the device has not used yet.
    pub pending_session: Option<PendingSession>,
    /// What the device does.
    pub current: Parameters,
    /// What it shall do.
    pub desired: Parameters,
    /// Requests that wait for their answers in the next uplink; at most [`PENDING_REQUESTS_MAX`].
    pub pending_requests: Vec<Command>,
    /// What the device has refused.
    pub rejected: Rejected,
    /// The last DevStatusAns.
    pub status: Option<DeviceStatus>,
    /// When the device listens.
    pub class: DeviceClass,
    /// How often the device listens in class B: every 2 to this power seconds, 0 to 7; `None` while it is not known (NS-36).
    pub ping_slot_periodicity: Option<u8>,
    /// What is asked of the device with the next ForceRejoinReq (NS-57).
    pub force_rejoin: Option<ForceRejoin>,
    /// RJcount0 of the last rejoin-request of type 0 or 2 in this session; `None` before the first.
    pub rejoin_count_0: Option<u16>,
}

/// A rejoin that the network asks for (NS-57).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForceRejoin {
    /// The delay between attempts is 32 s × 2 to this power, plus a random time; 0 to 7.
    pub period_exponent: u8,
    /// How often the device tries again, 0 to 7.
    pub max_retries: u8,
    /// The type of the rejoin-request, 0 to 2; with 1 the device sends type 0.
    pub rejoin_type: u8,
    /// The data rate of the rejoin-request.
    pub data_rate: DataRateIndex,
}

/// The most requests that one downlink carries; each has at least two octets.
pub const PENDING_REQUESTS_MAX: usize = 64;

/// A session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The address.
    pub dev_addr: DevAddr,
    /// The network session keys, in clear text.
    pub keys: NetworkKeys,
    /// The id of the key set; empty for sessions without one.
    pub session_key_id: SessionKeyId,
    /// When it started.
    pub started_at: Timestamp,
}

/// A session that was accepted, but not used by the device yet.
#[derive(Clone, Debug, PartialEq)]
pub struct PendingSession {
    /// The session; `started_at` is when the join was accepted.
    pub session: Session,
    /// The parameters of the join-accept, which hold from the first uplink on.
    pub parameters: JoinParameters,
    /// The channels that the join-accept leaves the device with.
    pub channels: Channels,
    /// The device keeps its radio parameters: the session answers a rejoin-request of type 2.
    pub keeps_parameters: bool,
}

/// What the network puts into a join-accept (NS-24, NS-25).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinParameters {
    /// RxDelay in seconds, 1 to 15.
    pub rx_delay: u8,
    /// OptNeg, RX1DROffset, RX2 data rate.
    pub dl_settings: DlSettings,
    /// The channel list; `None` if there is none or if it does not fit.
    pub cf_list: Option<CfList>,
}

/// A full set of MAC parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameters {
    /// The maximum EIRP in dBm.
    pub max_eirp: f32,
    /// The data rate of uplinks.
    pub adr_data_rate: DataRateIndex,
    /// TXPower, an index into the band's offsets.
    pub adr_tx_power_index: u8,
    /// How often each uplink is sent, 1 to 15.
    pub adr_nb_trans: u8,
    /// ADR_ACK_LIMIT as an exponent of two, 0 to 15.
    pub adr_ack_limit_exponent: u8,
    /// ADR_ACK_DELAY as an exponent of two, 0 to 15.
    pub adr_ack_delay_exponent: u8,
    /// The delay of RX1 in seconds, 1 to 15.
    pub rx1_delay: u8,
    /// RX1DROffset, 0 to 7.
    pub rx1_dr_offset: u8,
    /// The data rate of RX2.
    pub rx2_data_rate: DataRateIndex,
    /// The frequency of RX2.
    pub rx2_frequency: Frequency,
    /// MaxDCycle: the aggregated duty cycle is 1 / 2^n.
    pub max_duty_cycle: u8,
    /// Whether uplinks have a dwell time limit; `None` if the band has none.
    pub uplink_dwell_time: Option<bool>,
    /// Whether downlinks have a dwell time limit; `None` if the band has none.
    pub downlink_dwell_time: Option<bool>,
    /// The channels.
    pub channels: Channels,
    /// The frequency of ping slots; zero for those of the band.
    pub ping_slot_frequency: Frequency,
    /// The data rate of ping slots; `None` for that of the band's beacon.
    pub ping_slot_data_rate: Option<DataRateIndex>,
    /// The frequency of the beacon; zero for those of the band.
    pub beacon_frequency: Frequency,
    /// A rejoin-request of type 0 after 2 to this power + 10 seconds, 0 to 15 (LoRaWAN 1.1).
    pub rejoin_time_exponent: u8,
    /// A rejoin-request of type 0 after 2 to this power + 4 uplinks, 0 to 15 (LoRaWAN 1.1).
    pub rejoin_count_exponent: u8,
    /// What the device has to do with relays; `None` if nothing.
    pub relay: Option<Relay>,
}

/// What a device has refused; it is not asked again (NS-41).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Rejected {
    /// The channels of LinkADRReq.
    pub channel_mask: Option<ChannelMask>,
    /// Data rates of LinkADRReq, bit i for index i.
    pub adr_data_rates: u16,
    /// TXPower of LinkADRReq, bit i for index i.
    pub adr_tx_powers: u16,
    /// Channels whose data rates in NewChannelReq were refused, bit i for channel i.
    pub channel_data_rates: u16,
    /// Frequencies that any request named; at most [`REJECTED_FREQUENCIES_MAX`].
    pub frequencies: Vec<Frequency>,
    /// RX1DROffset of RXParamSetupReq, bit i for offset i.
    pub rx1_dr_offsets: u8,
    /// RX2 data rates of RXParamSetupReq, bit i for index i.
    pub rx2_data_rates: u16,
    /// Data rates of PingSlotChannelReq, bit i for index i.
    pub ping_slot_data_rates: u16,
    /// Requests about relays that were refused as a whole; at most [`REJECTED_REQUESTS_MAX`], the oldest falls out.
    pub requests: Vec<Command>,
}

/// The most refused requests that are remembered.
pub const REJECTED_REQUESTS_MAX: usize = 4;

/// The most refused frequencies that are remembered; more are asked again.
pub const REJECTED_FREQUENCIES_MAX: usize = 32;

impl Rejected {
    /// Remembers a frequency; nothing happens if it is known or [`REJECTED_FREQUENCIES_MAX`] is reached.
    pub fn push_frequency(&mut self, frequency: Frequency) {
        if !self.frequencies.contains(&frequency)
            && self.frequencies.len() < REJECTED_FREQUENCIES_MAX
        {
            self.frequencies.push(frequency);
        }
    }

    /// Remembers a request that is not made again in the same form.
    pub fn push_request(&mut self, request: Command) {
        if self.requests.contains(&request) {
            return;
        }
        if self.requests.len() >= REJECTED_REQUESTS_MAX {
            self.requests.remove(0);
        }
        self.requests.push(request);
    }
}

/// A DevStatusAns.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DeviceStatus {
    /// 0: external power; 1 to 254: the level; 255: unknown.
    pub battery: u8,
    /// The margin of the last DevStatusReq in dB, -32 to 31.
    pub margin: i8,
    /// When it came.
    pub received_at: Timestamp,
    /// The counter of the uplink that brought it.
    pub f_cnt_up: u32,
}

impl MacState {
    /// The session that `candidate` names.
    #[must_use]
    pub fn session(&self, candidate: Candidate) -> Option<&Session> {
        match candidate {
            Candidate::Current => self.slow.session.as_ref(),
            Candidate::Pending => {
                self.slow.pending_session.as_ref().map(|pending| &pending.session)
            }
        }
    }
}

/// Which of the two sessions of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum Candidate {
    /// The session in use.
    Current,
    /// The one that was accepted last and is not used yet.
    Pending,
}

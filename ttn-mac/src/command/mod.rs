//! MAC commands: one enum for both directions, its octets, and the stream of commands that FOpts or FRMPayload carry.

mod channel;
mod class_b;
mod device;
mod link;
pub(crate) mod relay;
mod session;
mod table;

pub use device::DeviceModeClass;
pub use relay::{
    RelayActivation, RelayFilterEui, RelayLimit, RelayLimits, RelaySecondChannel, RootWorSKey,
};

use alloc::vec::Vec;
use core::fmt;

use ttn_core::{
    addr::DevAddr,
    radio::{DataRateIndex, Frequency},
};

use crate::frame::{BuildError, FrequencyStep};

/// Which way a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum Direction {
    /// From the device to the network.
    Uplink,
    /// From the network to the device.
    Downlink,
}

impl Direction {
    /// The direction of a message that is an uplink, or is not.
    #[must_use]
    pub const fn of_uplink(uplink: bool) -> Self {
        if uplink { Self::Uplink } else { Self::Downlink }
    }

    /// The `Dir` octet of cryptographic blocks.
    pub(crate) const fn bit(self) -> u8 {
        match self {
            Self::Uplink => 0,
            Self::Downlink => 1,
        }
    }
}

/// A MAC command. Uplinks and downlinks of one command identifier (CID) are variants of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Command {
    /// CID 0x01, uplink: an ABP device of LoRaWAN 1.1 has lost its state.
    ResetInd {
        /// The minor version of LoRaWAN 1.x.
        minor_version: u8,
    },
    /// CID 0x01, downlink.
    ResetConf {
        /// The minor version of LoRaWAN 1.x.
        minor_version: u8,
    },
    /// CID 0x02, uplink: does anybody hear me?
    LinkCheckReq,
    /// CID 0x02, downlink.
    LinkCheckAns {
        /// How far the uplink was above the demodulation floor, in dB, 0 to 254.
        margin: u8,
        /// How many gateways received it.
        gateway_count: u8,
    },
    /// CID 0x03, downlink: data rate, power, channels and repetitions.
    LinkAdrReq {
        /// The data rate of uplinks.
        data_rate_index: DataRateIndex,
        /// The power of uplinks, 0 to 15.
        tx_power_index: u8,
        /// The channels that `channel_mask_control` selects, the first in bit 0.
        channel_mask: u16,
        /// What `channel_mask` speaks of, 0 to 7.
        channel_mask_control: u8,
        /// How often an uplink is sent, 0 to 15.
        nb_trans: u8,
    },
    /// CID 0x03, uplink.
    LinkAdrAns {
        /// The channels were accepted.
        channel_mask_ack: bool,
        /// The data rate was accepted.
        data_rate_index_ack: bool,
        /// The power was accepted.
        tx_power_index_ack: bool,
    },
    /// CID 0x04, downlink: the share of time that the device may send.
    DutyCycleReq {
        /// The exponent `n` of the share 1/2^n, 0 to 15.
        max_duty_cycle: u8,
    },
    /// CID 0x04, uplink.
    DutyCycleAns,
    /// CID 0x05, downlink: the receive windows.
    RxParamSetupReq {
        /// The offset between uplink data rate and that of the first window, 0 to 7.
        rx1_data_rate_offset: u8,
        /// The data rate of the second window.
        rx2_data_rate_index: DataRateIndex,
        /// The frequency of the second window.
        rx2_frequency: Frequency,
    },
    /// CID 0x05, uplink.
    RxParamSetupAns {
        /// The frequency was accepted.
        rx2_frequency_ack: bool,
        /// The data rate was accepted.
        rx2_data_rate_index_ack: bool,
        /// The offset was accepted.
        rx1_data_rate_offset_ack: bool,
    },
    /// CID 0x06, downlink: asks for battery and margin.
    DevStatusReq,
    /// CID 0x06, uplink.
    DevStatusAns {
        /// 0: external power; 1 to 254: the level; 255: not known.
        battery: u8,
        /// The margin of the request in dB, -32 to 31.
        margin: i8,
    },
    /// CID 0x07, downlink: adds, changes or removes a channel.
    NewChannelReq {
        /// The channel.
        channel_index: u8,
        /// Its frequency; zero removes it.
        frequency: Frequency,
        /// The lowest data rate.
        min_data_rate_index: DataRateIndex,
        /// The highest data rate.
        max_data_rate_index: DataRateIndex,
    },
    /// CID 0x07, uplink.
    NewChannelAns {
        /// The frequency was accepted.
        frequency_ack: bool,
        /// The data rates were accepted.
        data_rate_ack: bool,
    },
    /// CID 0x08, downlink: the delay of the first receive window.
    RxTimingSetupReq {
        /// In seconds, 0 to 15; 0 means 1.
        delay: u8,
    },
    /// CID 0x08, uplink.
    RxTimingSetupAns,
    /// CID 0x09, downlink: power and dwell time.
    TxParamSetupReq {
        /// The index of the highest EIRP, 0 to 15.
        max_eirp_index: u8,
        /// The dwell time of uplinks is limited.
        uplink_dwell_time: bool,
        /// The dwell time of downlinks is limited.
        downlink_dwell_time: bool,
    },
    /// CID 0x09, uplink.
    TxParamSetupAns,
    /// CID 0x0A, downlink: the downlink frequency of a channel.
    DlChannelReq {
        /// The channel.
        channel_index: u8,
        /// Its frequency in the first receive window.
        frequency: Frequency,
    },
    /// CID 0x0A, uplink.
    DlChannelAns {
        /// The device can use the frequency.
        channel_frequency_ok: bool,
        /// The channel has an uplink frequency.
        uplink_frequency_exists: bool,
    },
    /// CID 0x0B, uplink: a device of LoRaWAN 1.1 begins to use its new keys.
    RekeyInd {
        /// The minor version of LoRaWAN 1.x.
        minor_version: u8,
    },
    /// CID 0x0B, downlink.
    RekeyConf {
        /// The minor version of LoRaWAN 1.x.
        minor_version: u8,
    },
    /// CID 0x0C, downlink: when the device falls back for want of downlinks.
    AdrParamSetupReq {
        /// ADR_ACK_LIMIT is 2 to this power, 0 to 15.
        adr_ack_limit_exponent: u8,
        /// ADR_ACK_DELAY is 2 to this power, 0 to 15.
        adr_ack_delay_exponent: u8,
    },
    /// CID 0x0C, uplink.
    AdrParamSetupAns,
    /// CID 0x0D, uplink: what time is it?
    DeviceTimeReq,
    /// CID 0x0D, downlink: the time at the end of the uplink.
    DeviceTimeAns {
        /// Seconds since the epoch of GPS.
        gps_seconds: u32,
        /// The 256th parts of a second on top.
        fraction_256: u8,
    },
    /// CID 0x0E, downlink: the device shall rejoin.
    ForceRejoinReq {
        /// The delay between attempts is 32 s × 2 to this power, plus a random time; 0 to 7.
        period_exponent: u8,
        /// How often the device tries again, 0 to 7.
        max_retries: u8,
        /// The type of the rejoin-request, 0 to 2.
        rejoin_type: u8,
        /// The data rate of the rejoin-request.
        data_rate_index: DataRateIndex,
    },
    /// CID 0x0F, downlink: how often the device sends rejoin-requests of type 0.
    RejoinParamSetupReq {
        /// After 2 to this power + 10 seconds at the latest, 0 to 15.
        max_time_exponent: u8,
        /// After 2 to this power + 4 uplinks at the latest, 0 to 15.
        max_count_exponent: u8,
    },
    /// CID 0x0F, uplink.
    RejoinParamSetupAns {
        /// The device can measure the time.
        max_time_exponent_ack: bool,
    },
    /// CID 0x10, uplink: how often the device listens in class B.
    PingSlotInfoReq {
        /// Every 2 to this power seconds, 0 to 7.
        period: u8,
    },
    /// CID 0x10, downlink.
    PingSlotInfoAns,
    /// CID 0x11, downlink: where the device listens in class B.
    PingSlotChannelReq {
        /// The frequency of ping slots; zero for that of the band.
        frequency: Frequency,
        /// The data rate of ping slots.
        data_rate_index: DataRateIndex,
    },
    /// CID 0x11, uplink.
    PingSlotChannelAns {
        /// The frequency was accepted.
        frequency_ack: bool,
        /// The data rate was accepted.
        data_rate_index_ack: bool,
    },
    /// CID 0x12, uplink: when is the next beacon? Deprecated: DeviceTimeReq says it.
    BeaconTimingReq,
    /// CID 0x12, downlink. Deprecated.
    BeaconTimingAns {
        /// The time to the beacon: 30 ms × (this + 1) from the end of the downlink, at the latest.
        delay: u16,
        /// The channel of the beacon, where it changes.
        channel_index: u8,
    },
    /// CID 0x13, downlink: where the beacon is.
    BeaconFreqReq {
        /// The frequency of the beacon; zero for that of the band.
        frequency: Frequency,
    },
    /// CID 0x13, uplink.
    BeaconFreqAns {
        /// The frequency was accepted.
        frequency_ack: bool,
    },
    /// CID 0x20, uplink: the device changes its class.
    DeviceModeInd {
        /// The class from now on.
        class: DeviceModeClass,
    },
    /// CID 0x20, downlink.
    DeviceModeConf {
        /// The class of the indication.
        class: DeviceModeClass,
    },
    /// CID 0x40, downlink: how a relay listens (TS011).
    RelayConfReq {
        /// Whether it relays.
        start: bool,
        /// How often it looks for wake-on-radio frames: every 1000, 500, 250, 100, 50 or 20 ms; 0 to 5.
        cad_periodicity: u8,
        /// Which of the band's wake-on-radio channels it uses, 0 or 1.
        default_channel_index: u8,
        /// The second channel.
        second_channel: RelaySecondChannel,
    },
    /// CID 0x40, uplink.
    RelayConfAns {
        /// The frequency of the second channel was accepted.
        second_channel_frequency_ack: bool,
        /// The place of its acknowledgement was accepted.
        second_channel_ack_offset_ack: bool,
        /// Its data rate was accepted.
        second_channel_data_rate_index_ack: bool,
        /// Its index was accepted.
        second_channel_index_ack: bool,
        /// The default channel was accepted.
        default_channel_index_ack: bool,
        /// The periodicity was accepted.
        cad_periodicity_ack: bool,
    },
    /// CID 0x41, downlink: how a device uses relays (TS011).
    RelayEndDeviceConfReq {
        /// When it does.
        activation: RelayActivation,
        /// After 8, 16, 32 or 64 uplinks without downlink, if `activation` is dynamic; 0 to 3.
        smart_enable_level: u8,
        /// After how many wake-on-radio frames without acknowledgement it sends all the same, 0 to 63; 0 for always.
        backoff: u8,
        /// The second channel.
        second_channel: RelaySecondChannel,
    },
    /// CID 0x41, uplink.
    RelayEndDeviceConfAns {
        /// The frequency of the second channel was accepted.
        second_channel_frequency_ack: bool,
        /// Its data rate was accepted.
        second_channel_data_rate_index_ack: bool,
        /// Its index was accepted.
        second_channel_index_ack: bool,
        /// The back-off was accepted.
        backoff_ack: bool,
    },
    /// CID 0x42, downlink: which join-requests a relay forwards (TS011).
    RelayFilterListReq {
        /// The rule, 0 to 15; rule 0 is for what no other matches.
        index: u8,
        /// 0: no rule; 1: forward; 2: do not forward; 3 is reserved.
        action: u8,
        /// What it matches.
        eui: RelayFilterEui,
    },
    /// CID 0x42, uplink.
    RelayFilterListAns {
        /// The action was accepted.
        action_ack: bool,
        /// The length was accepted.
        length_ack: bool,
        /// The rule agrees with the others.
        combined_rules_ack: bool,
    },
    /// CID 0x43, downlink: a device that a relay serves (TS011).
    RelayUpdateUplinkListReq {
        /// The rule, 0 to 15.
        rule_index: u8,
        /// How fast its frames are forwarded; a reload rate of 63 means no limit.
        limit: RelayLimit,
        /// Its address.
        dev_addr: DevAddr,
        /// Its wake-on-radio counter.
        w_f_cnt: u32,
        /// The root of its wake-on-radio keys.
        root_wor_s_key: RootWorSKey,
    },
    /// CID 0x43, uplink.
    RelayUpdateUplinkListAns,
    /// CID 0x44, downlink: asks for the counter of a rule, or removes the rule (TS011).
    RelayCtrlUplinkListReq {
        /// The rule, 0 to 15.
        rule_index: u8,
        /// Whether the rule is removed.
        remove: bool,
    },
    /// CID 0x44, uplink.
    RelayCtrlUplinkListAns {
        /// There was such a rule.
        rule_index_ack: bool,
        /// Its wake-on-radio counter.
        w_f_cnt: u32,
    },
    /// CID 0x45, downlink: how much a relay forwards (TS011). A reload rate of 127 means no limit.
    RelayConfigureFwdLimitReq(RelayLimits),
    /// CID 0x45, uplink.
    RelayConfigureFwdLimitAns,
    /// CID 0x46, uplink: a relay heard a device that it does not serve (TS011).
    RelayNotifyNewEndDeviceReq {
        /// Its address.
        dev_addr: DevAddr,
        /// The SNR of its frame in dB, -20 to 11.
        snr: i8,
        /// The level of its frame in dBm, -142 to -15.
        rssi: i16,
    },
}

impl Command {
    /// Appends the command identifier and its fields to `out`, which stays as it was on an error.
    ///
    /// # Errors
    ///
    /// [`BuildError::OutOfRange`] and [`BuildError::Frequency`].
    pub fn encode(&self, step: FrequencyStep, out: &mut Vec<u8>) -> Result<(), BuildError> {
        let length = out.len();
        out.push(self.cid());
        let written = self.encode_fields(step, out);
        if written.is_err() {
            out.truncate(length);
        }
        written
    }

    fn encode_fields(&self, step: FrequencyStep, out: &mut Vec<u8>) -> Result<(), BuildError> {
        match self.cid() {
            0x02..=0x04 | 0x0C => link::encode(self, out),
            0x06 | 0x0D | 0x20 => device::encode(self, out),
            0x01 | 0x0B | 0x0E | 0x0F => session::encode(self, out),
            0x10..=0x13 => class_b::encode(self, step, out),
            0x40..=0x46 => relay::encode(self, step, out),
            _ => channel::encode(self, step, out),
        }
    }

    /// How many octets it has, command identifier included.
    #[must_use]
    pub fn encoded_length(&self) -> usize {
        let variable = match self {
            Self::RelayFilterListReq { eui, .. } => eui.as_slice().len(),
            _ => 0,
        };
        let fields = self.entry().map_or(0, |entry| usize::from(entry.length));
        fields.saturating_add(variable).saturating_add(1)
    }

    /// The name that the specification gives it, such as `LinkADRReq`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.entry().map_or("", |entry| entry.name)
    }

    fn entry(&self) -> Option<&'static table::Entry> {
        table::find(self.direction(), self.cid())
    }
}

/// Reads the commands of a decrypted FOpts field or of a decrypted FRMPayload on port 0 (TS001-1.0.4 §5).
///
/// Reserved bits are ignored. The iterator never panics and always ends: after an [`CommandError::Unknown`] or
/// [`CommandError::CutOff`] nothing follows.
#[must_use]
pub const fn parse(direction: Direction, step: FrequencyStep, octets: &[u8]) -> Commands<'_> {
    Commands { direction, step, rest: octets }
}

/// The commands of a stream of octets; made by [`parse`].
#[derive(Clone, Debug)]
pub struct Commands<'o> {
    direction: Direction,
    step: FrequencyStep,
    rest: &'o [u8],
}

impl Iterator for Commands<'_> {
    type Item = Result<Command, CommandError>;

    fn next(&mut self) -> Option<Self::Item> {
        // Whatever goes wrong before the next command is found ends the stream.
        let (&cid, rest) = core::mem::take(&mut self.rest).split_first()?;
        let Some(entry) = table::find(self.direction, cid) else {
            return Some(Err(CommandError::Unknown { cid, skipped: rest.len() }));
        };
        let wanted = entry.length_of(rest);
        let Some((fields, rest)) = rest.split_at_checked(usize::from(wanted)) else {
            let name = entry.name;
            return Some(Err(CommandError::CutOff { name, wanted, got: rest.len() }));
        };
        self.rest = rest;
        Some(
            decode(self.direction, cid, fields, self.step)
                .ok_or(CommandError::InvalidFields { name: entry.name }),
        )
    }
}

impl core::iter::FusedIterator for Commands<'_> {}

fn decode(direction: Direction, cid: u8, fields: &[u8], step: FrequencyStep) -> Option<Command> {
    match cid {
        0x02..=0x04 | 0x0C => link::decode(direction, cid, fields),
        0x06 | 0x0D | 0x20 => device::decode(direction, cid, fields),
        0x01 | 0x0B | 0x0E | 0x0F => session::decode(direction, cid, fields),
        0x10..=0x13 => class_b::decode(direction, cid, fields, step),
        0x40..=0x46 => relay::decode(direction, cid, fields, step),
        _ => channel::decode(direction, cid, fields, step),
    }
}

/// Octets that are no MAC command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CommandError {
    /// The octets end within a command. Nothing follows.
    CutOff {
        /// The name of the command.
        name: &'static str,
        /// The octets that its fields have.
        wanted: u8,
        /// The octets that were left.
        got: usize,
    },
    /// The fields of a command have values that mean nothing. The next command follows.
    InvalidFields {
        /// The name of the command.
        name: &'static str,
    },
    /// The command identifier is unknown in this direction, so its length is too. Nothing follows.
    Unknown {
        /// The command identifier.
        cid: u8,
        /// The octets behind it that were not read.
        skipped: usize,
    },
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::CutOff { name, wanted, got } => {
                write!(f, "{name} has {wanted} octets behind its identifier, there are {got}")
            }
            Self::InvalidFields { name } => write!(f, "the fields of {name} mean nothing"),
            Self::Unknown { cid, skipped } => {
                write!(f, "MAC command {cid:#04X} is unknown; {skipped} octets behind it skipped")
            }
        }
    }
}

impl core::error::Error for CommandError {}

/// The number, or an error that names the field.
const fn at_most(field: &'static str, got: u8, max: u8) -> Result<u8, BuildError> {
    if got > max {
        return Err(BuildError::OutOfRange { field, got: got as u32, max: max as u32 });
    }
    Ok(got)
}

const fn bit(octet: u8, position: u8) -> bool {
    octet & (1 << position) != 0
}

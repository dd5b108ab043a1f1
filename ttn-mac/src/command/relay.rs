//! The relay (TS011): configuration of relays and served devices, rules, limits.

use alloc::vec::Vec;
use core::fmt;

use ttn_core::{
    addr::DevAddr,
    radio::{DataRateIndex, Frequency},
};

use super::{Command, Direction, at_most, bit};
use crate::frame::{BuildError, FrequencyStep};

/// The second wake-on-radio channel of a relay or of the device that it serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[expect(clippy::exhaustive_structs, reason = "complete by definition: the fields of TS011")]
pub struct RelaySecondChannel {
    /// Whether there is one: 0 or 1; 2 and 3 are reserved.
    pub index: u8,
    /// Its data rate.
    pub data_rate_index: DataRateIndex,
    /// Where the acknowledgement is: 0 for the same frequency, up to 5; 6 and 7 are reserved.
    pub ack_offset: u8,
    /// Its frequency; zero if there is none.
    pub frequency: Frequency,
}

impl RelaySecondChannel {
    /// The low nine bits of the settings.
    fn encode(self) -> Result<u16, BuildError> {
        // Reserved values are read, but not sent.
        let ack_offset = u16::from(at_most("SecondChAckOffset", self.ack_offset, 5)?);
        let index = u16::from(at_most("SecondChIdx", self.index, 1)?);
        Ok(ack_offset | (u16::from(self.data_rate_index.get()) << 3) | (index << 7))
    }

    const fn decode(settings: u16, frequency: Frequency) -> Self {
        Self {
            index: ((settings >> 7) & 0x03) as u8,
            data_rate_index: DataRateIndex::from_low_bits((settings >> 3) as u8),
            ack_offset: (settings & 0x07) as u8,
            frequency,
        }
    }
}

/// How a served device uses relays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition: two bits")]
pub enum RelayActivation {
    /// Never.
    Disabled,
    /// Always.
    Enabled,
    /// After some uplinks without downlink.
    Dynamic,
    /// As the device likes.
    DeviceControlled,
}

impl RelayActivation {
    /// The two bits on air.
    #[must_use]
    pub const fn bits(self) -> u8 {
        match self {
            Self::Disabled => 0,
            Self::Enabled => 1,
            Self::Dynamic => 2,
            Self::DeviceControlled => 3,
        }
    }

    /// The meaning of the low two bits.
    #[must_use]
    pub const fn from_low_bits(octet: u8) -> Self {
        match octet & 0x03 {
            0 => Self::Disabled,
            1 => Self::Enabled,
            2 => Self::Dynamic,
            _ => Self::DeviceControlled,
        }
    }
}

/// How fast one kind of frame may be forwarded: a token bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[expect(clippy::exhaustive_structs, reason = "complete by definition: the fields of TS011")]
pub struct RelayLimit {
    /// Tokens an hour; the greatest value of the field means no limit.
    pub reload_rate: u8,
    /// The bucket holds this exponent's number of reloads: 1, 2, 4 or 12; 0 to 3.
    pub bucket_size: u8,
}

/// The limits of ConfigureFwdLimitReq.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[expect(clippy::exhaustive_structs, reason = "complete by definition: the fields of TS011")]
pub struct RelayLimits {
    /// What happens to the counters now: 0 zero, 1 reload rate, 2 maximum, 3 keep.
    pub reset_limit_counter: u8,
    /// Join-requests.
    pub join_request: RelayLimit,
    /// NotifyNewEndDeviceReq.
    pub notify: RelayLimit,
    /// Uplinks of all rules.
    pub global_uplink: RelayLimit,
    /// Everything.
    pub overall: RelayLimit,
}

/// The beginning of JoinEUI and DevEUI that a filter rule matches, up to 16 octets, first octets first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct RelayFilterEui {
    octets: [u8; Self::LENGTH_MAX],
    length: u8,
}

impl RelayFilterEui {
    /// JoinEUI and DevEUI in full.
    pub const LENGTH_MAX: usize = 16;

    /// Makes one; `None` above [`Self::LENGTH_MAX`] octets.
    #[must_use]
    pub fn new(prefix: &[u8]) -> Option<Self> {
        let mut octets = [0; Self::LENGTH_MAX];
        octets.get_mut(..prefix.len())?.copy_from_slice(prefix);
        Some(Self { octets, length: u8::try_from(prefix.len()).ok()? })
    }

    /// The octets, in display order.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        self.octets.get(..usize::from(self.length)).unwrap_or_default()
    }
}

/// The root key of wake-on-radio sessions as a command carries it. `Debug` hides it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RootWorSKey([u8; 16]);

impl RootWorSKey {
    /// Makes a key of its octets in display order.
    #[must_use]
    pub const fn new(octets: [u8; 16]) -> Self {
        Self(octets)
    }

    /// The octets of the key. Never log them.
    #[must_use]
    pub const fn expose(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for RootWorSKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RootWorSKey(…)")
    }
}

/// The octets of FilterListReq before the EUI.
pub(super) const FILTER_LIST_HEADER: u8 = 2;

/// The octets of the EUI that the first octet of FilterListReq announces.
pub(super) const fn filter_list_eui_length(first: u8) -> u8 {
    first & 0x1F
}

pub(super) fn decode(
    direction: Direction,
    cid: u8,
    fields: &[u8],
    step: FrequencyStep,
) -> Option<Command> {
    match direction {
        Direction::Uplink => decode_uplink(cid, fields),
        Direction::Downlink => decode_downlink(cid, fields, step),
    }
}

fn decode_downlink(cid: u8, fields: &[u8], step: FrequencyStep) -> Option<Command> {
    Some(match (cid, fields) {
        (0x40, &[low, high, a, b, c]) => {
            let settings = u16::from_le_bytes([low, high]);
            Command::RelayConfReq {
                start: settings & (1 << 13) != 0,
                cad_periodicity: ((settings >> 10) & 0x07) as u8,
                default_channel_index: ((settings >> 9) & 0x01) as u8,
                second_channel: RelaySecondChannel::decode(settings, step.decode([a, b, c])),
            }
        }
        (0x41, &[mode, low, high, a, b, c]) => {
            let settings = u16::from_le_bytes([low, high]);
            Command::RelayEndDeviceConfReq {
                activation: RelayActivation::from_low_bits(mode >> 2),
                smart_enable_level: mode & 0x03,
                backoff: ((settings >> 9) & 0x3F) as u8,
                second_channel: RelaySecondChannel::decode(settings, step.decode([a, b, c])),
            }
        }
        (0x42, [low, high, eui @ ..]) => {
            let settings = u16::from_le_bytes([*low, *high]);
            let eui: Vec<u8> = eui.iter().rev().copied().collect();
            Command::RelayFilterListReq {
                index: ((settings >> 7) & 0x0F) as u8,
                action: ((settings >> 5) & 0x03) as u8,
                eui: RelayFilterEui::new(&eui)?,
            }
        }
        (0x43, &[index, limit, a, b, c, d, e, f, g, h, ref key @ ..]) => {
            Command::RelayUpdateUplinkListReq {
                rule_index: index & 0x0F,
                limit: RelayLimit { reload_rate: limit & 0x3F, bucket_size: limit >> 6 },
                dev_addr: DevAddr::from_le_bytes([a, b, c, d]),
                w_f_cnt: u32::from_le_bytes([e, f, g, h]),
                root_wor_s_key: RootWorSKey(key.try_into().ok()?),
            }
        }
        (0x44, &[octet]) => {
            Command::RelayCtrlUplinkListReq { rule_index: octet & 0x0F, remove: bit(octet, 4) }
        }
        (0x45, &[a, b, c, d, sizes]) => {
            let rates = u32::from_le_bytes([a, b, c, d]);
            let limit = |rate_shift: u32, size_shift: u32| RelayLimit {
                reload_rate: (rates.wrapping_shr(rate_shift) & 0x7F) as u8,
                bucket_size: sizes.wrapping_shr(size_shift) & 0x03,
            };
            Command::RelayConfigureFwdLimitReq(RelayLimits {
                reset_limit_counter: ((rates >> 28) & 0x03) as u8,
                join_request: limit(21, 6),
                notify: limit(14, 4),
                global_uplink: limit(7, 2),
                overall: limit(0, 0),
            })
        }
        _ => return None,
    })
}

fn decode_uplink(cid: u8, fields: &[u8]) -> Option<Command> {
    Some(match (cid, fields) {
        (0x40, &[status]) => Command::RelayConfAns {
            second_channel_frequency_ack: bit(status, 0),
            second_channel_ack_offset_ack: bit(status, 1),
            second_channel_data_rate_index_ack: bit(status, 2),
            second_channel_index_ack: bit(status, 3),
            default_channel_index_ack: bit(status, 4),
            cad_periodicity_ack: bit(status, 5),
        },
        (0x41, &[status]) => Command::RelayEndDeviceConfAns {
            second_channel_frequency_ack: bit(status, 0),
            second_channel_data_rate_index_ack: bit(status, 1),
            second_channel_index_ack: bit(status, 2),
            backoff_ack: bit(status, 3),
        },
        (0x42, &[status]) => Command::RelayFilterListAns {
            action_ack: bit(status, 0),
            length_ack: bit(status, 1),
            combined_rules_ack: bit(status, 2),
        },
        (0x43, []) => Command::RelayUpdateUplinkListAns,
        (0x44, &[status, a, b, c, d]) => Command::RelayCtrlUplinkListAns {
            rule_index_ack: bit(status, 0),
            w_f_cnt: u32::from_le_bytes([a, b, c, d]),
        },
        (0x45, []) => Command::RelayConfigureFwdLimitAns,
        (0x46, &[a, b, c, d, low, high]) => {
            let power = u16::from_le_bytes([low, high]);
            Command::RelayNotifyNewEndDeviceReq {
                dev_addr: DevAddr::from_le_bytes([a, b, c, d]),
                snr: decode_snr((power & 0x1F) as u8),
                rssi: decode_rssi(((power >> 5) & 0x7F) as u8),
            }
        }
        _ => return None,
    })
}

pub(super) fn encode(
    command: &Command,
    step: FrequencyStep,
    out: &mut Vec<u8>,
) -> Result<(), BuildError> {
    match *command {
        Command::RelayConfReq { start, cad_periodicity, default_channel_index, second_channel } => {
            let cad = u16::from(at_most("CADPeriodicity", cad_periodicity, 5)?);
            let default = u16::from(at_most("DefaultChIdx", default_channel_index, 1)?);
            let settings =
                second_channel.encode()? | (default << 9) | (cad << 10) | (u16::from(start) << 13);
            out.extend_from_slice(&settings.to_le_bytes());
            out.extend_from_slice(&step.encode_or_none(second_channel.frequency)?);
        }
        Command::RelayEndDeviceConfReq {
            activation,
            smart_enable_level,
            backoff,
            second_channel,
        } => {
            let level = at_most("SmartEnableLevel", smart_enable_level, 3)?;
            out.push((activation.bits() << 2) | level);
            let backoff = u16::from(at_most("Backoff", backoff, 63)?);
            out.extend_from_slice(&(second_channel.encode()? | (backoff << 9)).to_le_bytes());
            out.extend_from_slice(&step.encode_or_none(second_channel.frequency)?);
        }
        Command::RelayFilterListReq { index, action, eui } => {
            let index = u16::from(at_most("FilterListIdx", index, 15)?);
            let action = u16::from(at_most("FilterListAction", action, 2)?);
            let settings = u16::from(eui.length) | (action << 5) | (index << 7);
            out.extend_from_slice(&settings.to_le_bytes());
            out.extend(eui.as_slice().iter().rev());
        }
        Command::RelayUpdateUplinkListReq {
            rule_index,
            limit,
            dev_addr,
            w_f_cnt,
            ref root_wor_s_key,
        } => {
            out.push(at_most("UplinkListIdx", rule_index, 15)?);
            let rate = at_most("ReloadRate", limit.reload_rate, 63)?;
            out.push(rate | (at_most("BucketSize", limit.bucket_size, 3)? << 6));
            out.extend_from_slice(&dev_addr.to_le_bytes());
            out.extend_from_slice(&w_f_cnt.to_le_bytes());
            out.extend_from_slice(root_wor_s_key.expose());
        }
        Command::RelayCtrlUplinkListReq { rule_index, remove } => {
            out.push(at_most("UplinkListIdx", rule_index, 15)? | (u8::from(remove) << 4));
        }
        Command::RelayConfigureFwdLimitReq(limits) => encode_limits(&limits, out)?,
        _ => encode_uplink(command, out)?,
    }
    Ok(())
}

fn encode_limits(limits: &RelayLimits, out: &mut Vec<u8>) -> Result<(), BuildError> {
    let rate = |limit: RelayLimit| at_most("ReloadRate", limit.reload_rate, 127).map(u32::from);
    let size = |limit: RelayLimit| at_most("BucketSize", limit.bucket_size, 3);
    let reset = u32::from(at_most("ResetLimitCounter", limits.reset_limit_counter, 3)?);
    let rates = rate(limits.overall)?
        | (rate(limits.global_uplink)? << 7)
        | (rate(limits.notify)? << 14)
        | (rate(limits.join_request)? << 21)
        | (reset << 28);
    out.extend_from_slice(&rates.to_le_bytes());
    out.push(
        size(limits.overall)?
            | (size(limits.global_uplink)? << 2)
            | (size(limits.notify)? << 4)
            | (size(limits.join_request)? << 6),
    );
    Ok(())
}

fn encode_uplink(command: &Command, out: &mut Vec<u8>) -> Result<(), BuildError> {
    let bits = |flags: &[bool]| {
        flags.iter().rev().fold(0_u8, |octet, flag| (octet << 1) | u8::from(*flag))
    };
    match *command {
        Command::RelayConfAns {
            second_channel_frequency_ack,
            second_channel_ack_offset_ack,
            second_channel_data_rate_index_ack,
            second_channel_index_ack,
            default_channel_index_ack,
            cad_periodicity_ack,
        } => out.push(bits(&[
            second_channel_frequency_ack,
            second_channel_ack_offset_ack,
            second_channel_data_rate_index_ack,
            second_channel_index_ack,
            default_channel_index_ack,
            cad_periodicity_ack,
        ])),
        Command::RelayEndDeviceConfAns {
            second_channel_frequency_ack,
            second_channel_data_rate_index_ack,
            second_channel_index_ack,
            backoff_ack,
        } => out.push(bits(&[
            second_channel_frequency_ack,
            second_channel_data_rate_index_ack,
            second_channel_index_ack,
            backoff_ack,
        ])),
        Command::RelayFilterListAns { action_ack, length_ack, combined_rules_ack } => {
            out.push(bits(&[action_ack, length_ack, combined_rules_ack]));
        }
        Command::RelayCtrlUplinkListAns { rule_index_ack, w_f_cnt } => {
            out.push(u8::from(rule_index_ack));
            out.extend_from_slice(&w_f_cnt.to_le_bytes());
        }
        Command::RelayNotifyNewEndDeviceReq { dev_addr, snr, rssi } => {
            out.extend_from_slice(&dev_addr.to_le_bytes());
            let power = u16::from(encode_snr(snr)?) | (u16::from(encode_rssi(rssi)?) << 5);
            out.extend_from_slice(&power.to_le_bytes());
        }
        _ => {}
    }
    Ok(())
}

/// Five bits: -20 to 11 dB.
pub(crate) const fn decode_snr(bits: u8) -> i8 {
    (bits & 0x1F).cast_signed().saturating_sub(20)
}

/// Seven bits: -15 to -142 dBm.
pub(crate) const fn decode_rssi(bits: u8) -> i16 {
    (-15_i16).saturating_sub((bits & 0x7F) as i16)
}

pub(crate) fn encode_snr(snr: i8) -> Result<u8, BuildError> {
    let max = if snr < 0 { 20 } else { 11 };
    let refused = BuildError::OutOfRange { field: "|SNR|", got: snr.unsigned_abs().into(), max };
    let shifted = i16::from(snr).saturating_add(20);
    u8::try_from(shifted).ok().filter(|bits| *bits <= 31).ok_or(refused)
}

pub(crate) fn encode_rssi(rssi: i16) -> Result<u8, BuildError> {
    let got = rssi.unsigned_abs().into();
    let refused = BuildError::OutOfRange { field: "|RSSI|", got, max: 142 };
    let shifted = (-15_i16).saturating_sub(rssi);
    u8::try_from(shifted).ok().filter(|bits| *bits <= 127).ok_or(refused)
}

//! Integrity codes of data messages (TS001-1.0.4 §4.4, TS001-1.1 §4.4.1, §4.4.2).
//!
//! `message` is always the PHYPayload without its integrity code, `f_cnt` the full 32-bit counter.

use ttn_core::{addr::DevAddr, key::Aes128Key, radio::DataRateIndex};

use super::{Mic, ReadyKey};
use crate::command::Direction;

/// What an uplink of LoRaWAN 1.1 is bound to beyond its octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_structs, reason = "complete by definition")]
pub struct UplinkBinding {
    /// The low 16 bits of the counter of the confirmed downlink that it acknowledges; 0 if it acknowledges none.
    pub conf_f_cnt: u16,
    /// The data rate it was sent with.
    pub data_rate: DataRateIndex,
    /// The index of the channel it was sent on.
    pub channel: u8,
}

/// The integrity code of an uplink of LoRaWAN 1.0, and the one that LoRaWAN 1.1 calls `cmacF` (key: FNwkSIntKey).
#[must_use]
pub fn uplink_mic_1_0(key: &Aes128Key, dev_addr: DevAddr, f_cnt: u32, message: &[u8]) -> Mic {
    uplink_mic_1_0_with(&ReadyKey::new(key), dev_addr, f_cnt, message)
}

/// As [`uplink_mic_1_0`], with a key that is ready.
#[must_use]
pub fn uplink_mic_1_0_with(key: &ReadyKey, dev_addr: DevAddr, f_cnt: u32, message: &[u8]) -> Mic {
    let b0 = block([0; 4], Direction::Uplink, dev_addr, f_cnt, message);
    mic(key, b0, message)
}

/// The code that LoRaWAN 1.1 calls `cmacS` (key: SNwkSIntKey).
#[must_use]
pub fn uplink_cmac_s(
    key: &Aes128Key,
    dev_addr: DevAddr,
    f_cnt: u32,
    binding: &UplinkBinding,
    message: &[u8],
) -> Mic {
    uplink_cmac_s_with(&ReadyKey::new(key), dev_addr, f_cnt, binding, message)
}

/// As [`uplink_cmac_s`], with a key that is ready.
#[must_use]
pub fn uplink_cmac_s_with(
    key: &ReadyKey,
    dev_addr: DevAddr,
    f_cnt: u32,
    binding: &UplinkBinding,
    message: &[u8],
) -> Mic {
    let [conf_low, conf_high] = binding.conf_f_cnt.to_le_bytes();
    let bound_to = [conf_low, conf_high, binding.data_rate.get(), binding.channel];
    let b1 = block(bound_to, Direction::Uplink, dev_addr, f_cnt, message);
    mic(key, b1, message)
}

/// The integrity code of an uplink of LoRaWAN 1.1: two octets of `cmacS`, then two of `cmacF`.
#[must_use]
pub fn uplink_mic_1_1(
    s_nwk_s_int_key: &Aes128Key,
    f_nwk_s_int_key: &Aes128Key,
    dev_addr: DevAddr,
    f_cnt: u32,
    binding: &UplinkBinding,
    message: &[u8],
) -> Mic {
    let [s0, s1, _, _] = uplink_cmac_s(s_nwk_s_int_key, dev_addr, f_cnt, binding, message);
    let [f0, f1, _, _] = uplink_mic_1_0(f_nwk_s_int_key, dev_addr, f_cnt, message);
    [s0, s1, f0, f1]
}

/// The integrity code of a downlink of LoRaWAN 1.0.
#[must_use]
pub fn downlink_mic_1_0(key: &Aes128Key, dev_addr: DevAddr, f_cnt: u32, message: &[u8]) -> Mic {
    downlink_mic_1_1(key, dev_addr, f_cnt, 0, message)
}

/// The integrity code of a downlink of LoRaWAN 1.1.
///
/// `conf_f_cnt` is the low 16 bits of the counter of the confirmed uplink that it acknowledges, 0 if it acknowledges
/// none.
#[must_use]
pub fn downlink_mic_1_1(
    s_nwk_s_int_key: &Aes128Key,
    dev_addr: DevAddr,
    f_cnt: u32,
    conf_f_cnt: u16,
    message: &[u8],
) -> Mic {
    let [conf_low, conf_high] = conf_f_cnt.to_le_bytes();
    let b0 = block([conf_low, conf_high, 0, 0], Direction::Downlink, dev_addr, f_cnt, message);
    mic(&ReadyKey::new(s_nwk_s_int_key), b0, message)
}

fn mic(key: &ReadyKey, block: [u8; 16], message: &[u8]) -> Mic {
    let [a, b, c, d, ..] = key.cmac(block, message);
    [a, b, c, d]
}

/// The block in front of the message. Its last octet counts the octets of the message, of which there are at most 251.
fn block(
    bound_to: [u8; 4],
    direction: Direction,
    dev_addr: DevAddr,
    f_cnt: u32,
    message: &[u8],
) -> [u8; 16] {
    let [a, b, c, d] = bound_to;
    let [e, f, g, h] = dev_addr.to_le_bytes();
    let [i, j, k, l] = f_cnt.to_le_bytes();
    let length = u8::try_from(message.len()).unwrap_or(u8::MAX);
    [0x49, a, b, c, d, direction.bit(), e, f, g, h, i, j, k, l, 0, length]
}

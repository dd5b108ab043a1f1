//! Sessions: frame counters (TS001-1.0.4 §4.3.1.5), verification, sealing and opening of data messages.
//!
//! Everything here is bound to keys and a full frame counter. Which session a frame may belong to, and what a counter
//! that repeats means, is the decision of callers.

use alloc::{boxed::Box, vec::Vec};

use ttn_core::{
    frame::{DataForm, PhyPayload},
    key::Aes128Key,
    radio::DataRateIndex,
    version::MacVersion,
};

use crate::{
    command::Direction,
    crypto::{
        Mic, ReadyKey,
        mic::{
            UplinkBinding, downlink_mic_1_1, uplink_cmac_s_with, uplink_mic_1_0,
            uplink_mic_1_0_with, uplink_mic_1_1,
        },
        mic_matches,
        payload::{FOptsCounter, encrypt_f_opts, encrypt_frm_payload, encrypt_frm_payload_with},
    },
    frame::{BuildError, DataFrame},
};

/// The keys of the network in a session.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "complete by definition")]
pub struct NetworkKeys {
    /// FNwkSIntKey: the integrity of uplinks, as a forwarding network can check it.
    pub f_nwk_s_int_key: Aes128Key,
    /// SNwkSIntKey: the integrity of uplinks and downlinks.
    pub s_nwk_s_int_key: Aes128Key,
    /// NwkSEncKey: the encryption of MAC commands.
    pub nwk_s_enc_key: Aes128Key,
}

impl NetworkKeys {
    /// The keys of LoRaWAN 1.0, where NwkSKey serves all purposes.
    #[must_use]
    pub fn v1_0(nwk_s_key: Aes128Key) -> Self {
        Self {
            f_nwk_s_int_key: nwk_s_key.clone(),
            s_nwk_s_int_key: nwk_s_key.clone(),
            nwk_s_enc_key: nwk_s_key,
        }
    }
}

/// What the integrity code of an uplink covers besides its octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "built by other crates")]
pub struct UplinkContext {
    /// The full frame counter, see [`full_f_cnt`].
    pub f_cnt: u32,
    /// The low 16 bits of the counter of the last confirmed downlink. Counts when the uplink acknowledges.
    pub conf_f_cnt: u16,
    /// The data rate of the uplink.
    pub data_rate: DataRateIndex,
    /// The index of the channel of the uplink.
    pub channel: u8,
}

impl UplinkContext {
    fn binding(&self, ack: bool) -> UplinkBinding {
        UplinkBinding {
            conf_f_cnt: if ack { self.conf_f_cnt } else { 0 },
            data_rate: self.data_rate,
            channel: self.channel,
        }
    }
}

/// What the integrity code of a downlink covers besides its octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "built by other crates")]
pub struct DownlinkContext {
    /// The full frame counter: FCntDown, NFCntDown or AFCntDown.
    pub f_cnt: u32,
    /// The low 16 bits of the counter of the last confirmed uplink. Counts when the downlink acknowledges.
    pub conf_f_cnt: u16,
}

/// Completes the 16 bits of a frame counter on the air.
///
/// The result is never below `last`, and equal to it for a repeated frame. `None` if no such counter exists: behind
/// 32 bits, or, for devices with counters of 16 bits (`supports_32_bit` false), when `low` is below `last`.
#[must_use]
pub const fn full_f_cnt(last: Option<u32>, low: u16, supports_32_bit: bool) -> Option<u32> {
    let Some(last) = last else { return Some(low as u32) };
    let same_epoch = (last & 0xFFFF_0000) | low as u32;
    if same_epoch >= last {
        Some(same_epoch)
    } else if supports_32_bit {
        same_epoch.checked_add(0x1_0000)
    } else {
        None
    }
}

/// Whether the integrity code of an uplink is right.
///
/// Allocates nothing. In LoRaWAN 1.1 most candidates cost one CMAC: the half of the code made with FNwkSIntKey is
/// compared first. Anything but an uplink data message is not verified.
#[must_use]
pub fn verify_uplink(
    keys: &NetworkKeys,
    version: MacVersion,
    phy: &PhyPayload,
    context: &UplinkContext,
) -> bool {
    let Some(uplink) = ReceivedUplink::new(phy, context) else { return false };
    let f_key = ReadyKey::new(&keys.f_nwk_s_int_key);
    if version.is_1_1() {
        uplink.matches_f(&f_key) && uplink.matches_s(&ReadyKey::new(&keys.s_nwk_s_int_key))
    } else {
        uplink.matches_1_0(&f_key)
    }
}

/// Whether the integrity code of an uplink can have been made with this key and counter: `false` is certain. Where the version
/// is 1.1 the key makes half of the code, and nothing else of the session is needed.
///
/// For those who look for one session among very many; whoever is left is for [`verify_uplink`].
#[must_use]
pub fn may_be_sealed_with(
    f_nwk_s_int_key: &Aes128Key,
    is_1_1: bool,
    phy: &PhyPayload,
    f_cnt: u32,
) -> bool {
    let context =
        UplinkContext { f_cnt, conf_f_cnt: 0, data_rate: DataRateIndex::default(), channel: 0 };
    let Some(uplink) = ReceivedUplink::new(phy, &context) else { return false };
    let f_key = ReadyKey::new(f_nwk_s_int_key);
    if is_1_1 { uplink.matches_f(&f_key) } else { uplink.matches_1_0(&f_key) }
}

/// The keys that verify uplinks of a session, with their round keys: for those who expect more than one frame of it.
///
/// Where memory counts more than a few dozen nanoseconds, [`verify_uplink`] does without; see [`ReadyKey`] for what a key takes.
#[derive(Clone, Debug)]
pub struct ReadyNetworkKeys {
    f_nwk_s_int_key: ReadyKey,
    /// LoRaWAN 1.1 only; boxed, because most sessions have none.
    s_nwk_s_int_key: Option<Box<ReadyKey>>,
}

impl ReadyNetworkKeys {
    /// Makes the keys of a session ready.
    #[must_use]
    pub fn new(keys: &NetworkKeys, version: MacVersion) -> Self {
        Self {
            f_nwk_s_int_key: ReadyKey::new(&keys.f_nwk_s_int_key),
            s_nwk_s_int_key: version
                .is_1_1()
                .then(|| Box::new(ReadyKey::new(&keys.s_nwk_s_int_key))),
        }
    }

    /// As [`verify_uplink`].
    #[must_use]
    pub fn verify_uplink(&self, phy: &PhyPayload, context: &UplinkContext) -> bool {
        let Some(uplink) = ReceivedUplink::new(phy, context) else { return false };
        match &self.s_nwk_s_int_key {
            Some(s_key) => uplink.matches_f(&self.f_nwk_s_int_key) && uplink.matches_s(s_key),
            None => uplink.matches_1_0(&self.f_nwk_s_int_key),
        }
    }
}

/// What an integrity code of an uplink covers, and what was received.
struct ReceivedUplink<'a> {
    data: &'a DataForm,
    context: &'a UplinkContext,
    message: &'a [u8],
    mic: Mic,
}

impl<'a> ReceivedUplink<'a> {
    fn new(phy: &'a PhyPayload, context: &'a UplinkContext) -> Option<Self> {
        let data = phy.data().filter(|data| data.uplink)?;
        Some(Self { data, context, message: phy.without_mic(), mic: phy.mic() })
    }

    fn cmac_f(&self, f_key: &ReadyKey) -> Mic {
        uplink_mic_1_0_with(f_key, self.data.dev_addr, self.context.f_cnt, self.message)
    }

    fn matches_1_0(&self, key: &ReadyKey) -> bool {
        mic_matches(&self.cmac_f(key), &self.mic)
    }

    /// The half that LoRaWAN 1.1 makes with FNwkSIntKey.
    fn matches_f(&self, f_key: &ReadyKey) -> bool {
        let ([_, _, received @ ..], [computed @ .., _, _]) = (self.mic, self.cmac_f(f_key));
        mic_matches(&computed, &received)
    }

    /// The half that LoRaWAN 1.1 makes with SNwkSIntKey.
    fn matches_s(&self, s_key: &ReadyKey) -> bool {
        let Self { data, context, message, .. } = *self;
        let binding = context.binding(data.f_ctrl.ack);
        let cmac_s = uplink_cmac_s_with(s_key, data.dev_addr, context.f_cnt, &binding, message);
        let ([received @ .., _, _], [computed @ .., _, _]) = (self.mic, cmac_s);
        mic_matches(&computed, &received)
    }
}

/// Whether the integrity code of a downlink is right. Anything but a downlink data message is not verified.
#[must_use]
pub fn verify_downlink(
    keys: &NetworkKeys,
    version: MacVersion,
    phy: &PhyPayload,
    context: &DownlinkContext,
) -> bool {
    let Some(data) = phy.data().filter(|data| !data.uplink) else { return false };
    let conf_f_cnt = bound_conf_f_cnt(version, data.f_ctrl.ack, context.conf_f_cnt);
    let computed = downlink_mic_1_1(
        &keys.s_nwk_s_int_key,
        data.dev_addr,
        context.f_cnt,
        conf_f_cnt,
        phy.without_mic(),
    );
    mic_matches(&computed, &phy.mic())
}

/// The plaintext of FOpts: encrypted in LoRaWAN 1.1 only. Empty if it is no data message.
#[must_use]
pub fn open_f_opts(
    keys: &NetworkKeys,
    version: MacVersion,
    phy: &PhyPayload,
    f_cnt: u32,
) -> Vec<u8> {
    let Some(data) = phy.data() else { return Vec::new() };
    let mut f_opts = phy.slice(&data.f_opts).to_vec();
    if version.is_1_1() {
        let direction = Direction::of_uplink(data.uplink);
        let counter = FOptsCounter::of(direction, data.f_port);
        let key = &keys.nwk_s_enc_key;
        encrypt_f_opts(key, direction, counter, data.dev_addr, f_cnt, &mut f_opts);
    }
    f_opts
}

/// The port of forwarded frames between a relay and the network (TS011); encrypted with NwkSEncKey.
pub const RELAY_F_PORT: u8 = 226;

/// The plaintext of FRMPayload. Empty if it is no data message.
///
/// The key is NwkSEncKey on port 0, and on [`RELAY_F_PORT`] if the device is a relay; else AppSKey.
#[must_use]
pub fn open_frm_payload(key: &Aes128Key, phy: &PhyPayload, f_cnt: u32) -> Vec<u8> {
    let Some(data) = phy.data() else { return Vec::new() };
    let mut payload = phy.slice(&data.frm_payload).to_vec();
    let direction = Direction::of_uplink(data.uplink);
    encrypt_frm_payload(key, direction, data.dev_addr, f_cnt, &mut payload);
    payload
}

/// As [`open_frm_payload`], with a key that is ready and into octets of the caller. `None` if they are too few, or if it is
/// no data message. Allocates nothing.
#[must_use]
pub fn open_frm_payload_into<'b>(
    key: &ReadyKey,
    phy: &PhyPayload,
    f_cnt: u32,
    buffer: &'b mut [u8],
) -> Option<&'b [u8]> {
    let data = phy.data()?;
    let encrypted = phy.slice(&data.frm_payload);
    let payload = buffer.get_mut(..encrypted.len())?;
    payload.copy_from_slice(encrypted);
    let direction = Direction::of_uplink(data.uplink);
    encrypt_frm_payload_with(key, direction, data.dev_addr, f_cnt, payload);
    Some(payload)
}

/// Where the MAC commands of a data message stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum CommandPlace {
    /// In both. No specification allows it; NS-14 then reads FRMPayload alone.
    Both,
    /// In FOpts.
    FOpts,
    /// In FRMPayload, on port 0.
    FrmPayload,
    /// There are none.
    None,
}

impl CommandPlace {
    /// The place in a message.
    #[must_use]
    pub fn of(data: &DataForm) -> Self {
        match (data.f_opts.is_empty(), data.f_port == Some(0)) {
            (false, true) => Self::Both,
            (false, false) => Self::FOpts,
            (true, true) => Self::FrmPayload,
            (true, false) => Self::None,
        }
    }
}

/// Decrypts the MAC commands of a message, wherever they stand; those of FRMPayload if they stand in both.
#[must_use]
pub fn open_commands(
    keys: &NetworkKeys,
    version: MacVersion,
    phy: &PhyPayload,
    f_cnt: u32,
) -> Vec<u8> {
    match phy.data().map(CommandPlace::of) {
        Some(CommandPlace::FrmPayload | CommandPlace::Both) => {
            open_frm_payload(&keys.nwk_s_enc_key, phy, f_cnt)
        }
        Some(CommandPlace::FOpts) => open_f_opts(keys, version, phy, f_cnt),
        Some(CommandPlace::None) | None => Vec::new(),
    }
}

/// Builds the PHYPayload of a downlink.
///
/// FOpts (LoRaWAN 1.1) and an FRMPayload on port 0 are plaintext and encrypted here. An FRMPayload on another port is
/// sent as it is: who has its key has encrypted it with [`encrypt_frm_payload`]. `frame.f_cnt` and `frame.uplink` do not count.
///
/// # Errors
///
/// As [`DataFrame::encode`].
pub fn seal_downlink(
    keys: &NetworkKeys,
    version: MacVersion,
    frame: DataFrame,
    context: &DownlinkContext,
) -> Result<Vec<u8>, BuildError> {
    let frame = DataFrame { uplink: false, ..frame };
    let (dev_addr, f_cnt, ack) = (frame.dev_addr, context.f_cnt, frame.f_ctrl.ack);
    let mut octets = encode_encrypted(keys, version, frame, f_cnt)?;
    let conf_f_cnt = bound_conf_f_cnt(version, ack, context.conf_f_cnt);
    let mic = downlink_mic_1_1(&keys.s_nwk_s_int_key, dev_addr, f_cnt, conf_f_cnt, &octets);
    octets.extend_from_slice(&mic);
    Ok(octets)
}

/// Builds the PHYPayload of an uplink; the counterpart of [`seal_downlink`] for devices.
///
/// # Errors
///
/// As [`DataFrame::encode`].
pub fn seal_uplink(
    keys: &NetworkKeys,
    version: MacVersion,
    frame: DataFrame,
    context: &UplinkContext,
) -> Result<Vec<u8>, BuildError> {
    let frame = DataFrame { uplink: true, ..frame };
    let (addr, f_cnt, ack) = (frame.dev_addr, context.f_cnt, frame.f_ctrl.ack);
    let mut octets = encode_encrypted(keys, version, frame, f_cnt)?;
    let NetworkKeys { f_nwk_s_int_key: f_key, s_nwk_s_int_key: s_key, .. } = keys;
    let mic = if version.is_1_1() {
        uplink_mic_1_1(s_key, f_key, addr, f_cnt, &context.binding(ack), &octets)
    } else {
        uplink_mic_1_0(f_key, addr, f_cnt, &octets)
    };
    octets.extend_from_slice(&mic);
    Ok(octets)
}

fn encode_encrypted(
    keys: &NetworkKeys,
    version: MacVersion,
    mut frame: DataFrame,
    f_cnt: u32,
) -> Result<Vec<u8>, BuildError> {
    let (direction, dev_addr, key) = (frame.direction(), frame.dev_addr, &keys.nwk_s_enc_key);
    let [low_0, low_1, ..] = f_cnt.to_le_bytes();
    frame.f_cnt = u16::from_le_bytes([low_0, low_1]);
    if version.is_1_1() {
        let counter = FOptsCounter::of(direction, frame.f_port);
        encrypt_f_opts(key, direction, counter, dev_addr, f_cnt, &mut frame.f_opts);
    }
    if frame.f_port == Some(0) {
        encrypt_frm_payload(key, direction, dev_addr, f_cnt, &mut frame.frm_payload);
    }
    frame.encode()
}

/// LoRaWAN 1.1 binds an acknowledgement to what it acknowledges.
const fn bound_conf_f_cnt(version: MacVersion, ack: bool, conf_f_cnt: u16) -> u16 {
    if version.is_1_1() && ack { conf_f_cnt } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    // NS-08
    #[test]
    fn the_counter_rolls_over_after_16_bits() {
        assert_eq!(full_f_cnt(Some(65_535), 0, true), Some(65_536));
        assert_eq!(full_f_cnt(Some(65_536), 65_535, true), Some(131_071));
        assert_eq!(full_f_cnt(Some(65_536), 0, true), Some(65_536));
        assert_eq!(full_f_cnt(None, 7, true), Some(7));
    }

    // NS-08
    #[test]
    fn a_counter_of_16_bits_does_not_roll_over() {
        assert_eq!(full_f_cnt(Some(65_535), 0, false), None);
        assert_eq!(full_f_cnt(Some(5), 5, false), Some(5));
        assert_eq!(full_f_cnt(Some(5), 6, false), Some(6));
    }

    #[test]
    fn the_counter_ends_after_32_bits() {
        assert_eq!(full_f_cnt(Some(u32::MAX), 0, true), None);
        assert_eq!(full_f_cnt(Some(u32::MAX), 0xFFFF, true), Some(u32::MAX));
    }
}

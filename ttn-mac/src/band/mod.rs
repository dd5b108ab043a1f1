//! Bands: the Regional Parameters as constant data, one file per region.
//!
//! ```
//! use ttn_mac::{band::{self, BandId}, version::PhyVersion};
//!
//! let band = band::get(BandId::EU_863_870, PhyVersion::RP002_V1_0_4)?;
//! assert_eq!(band.default_rx2.frequency.hz(), 869_525_000);
//! # Ok::<(), band::UnknownBand>(())
//! ```
#![expect(clippy::exhaustive_structs, reason = "tables: complete by definition of the documents")]

mod as_923;
mod au_915_928;
mod base;
mod ch_mask;
mod cn_470_510;
mod cn_779_787;
mod eirp;
mod eu_433;
mod eu_863_870;
mod id;
mod in_865_867;
mod ism_2400;
mod kr_920_923;
mod lookup;
mod ma_869_870;
mod rp002_1_0_5;
mod ru_864_870;
mod us_902_928;

use core::{fmt, time::Duration};

use ttn_core::{
    radio::{CodingRate, DataRate, DataRateIndex, Frequency},
    version::PhyVersion,
};

use crate::frame::FrequencyStep;

pub use ch_mask::{ChMaskScheme, ChannelMask, MaskPair};
pub use eirp::{eirp_of_index, index_of_eirp};
pub use id::{BandId, UnknownBandId};
pub use lookup::Rx1DataRateError;
pub use rp002_1_0_5::rp002_1_0_5;

/// A region in one version of the Regional Parameters.
#[derive(Clone, Copy, Debug)]
pub struct Band {
    /// Which region.
    pub id: BandId,
    /// Which document.
    pub phy_version: PhyVersion,
    /// How many uplink channels a device can have.
    pub uplink_channels_max: u8,
    /// The channels that every device has: all of a fixed plan, the first few of a dynamic one.
    pub uplink_channels: &'static [BandChannel],
    /// How many downlink channels there are.
    pub downlink_channels_max: u8,
    /// The downlink channels that go with [`Self::uplink_channels`] by [`Self::rx1_channel`].
    pub downlink_channels: &'static [BandChannel],
    /// Parts of the band with their limits; the first that contains a frequency holds.
    pub sub_bands: &'static [SubBand],
    /// Data rates by index.
    pub data_rates: DataRates,
    /// Those of downlinks where they are others under the same indexes; else `None`.
    pub downlink_data_rates: Option<&'static DataRates>,
    /// Whether the coding rate is part of a data rate when it is looked up.
    pub strict_coding_rate: bool,
    /// The unit of frequencies in MAC commands.
    pub frequency_step: FrequencyStep,
    /// Whether a join-accept carries a CFList.
    pub implements_cf_list: bool,
    /// The form of the CFList. Frequencies mean a dynamic channel plan, masks a fixed one.
    pub cf_list_type: CfListType,
    /// Whether the network may control the data rate by its own choice.
    pub supports_dynamic_adr: bool,
    /// Decibels below the maximum EIRP by TXPower index.
    pub tx_offsets: &'static [i8],
    /// The highest data rate that ADR asks for.
    pub max_adr_data_rate: DataRateIndex,
    /// Whether TxParamSetupReq is defined.
    pub supports_tx_param_setup: bool,
    /// The maximum EIRP of a device at boot, in dBm.
    pub default_max_eirp: f32,
    /// From uplink to downlink channel.
    pub rx1_channel: Rx1Channel,
    /// From uplink data rate to the data rate of RX1.
    pub rx1_data_rates: Rx1DataRates,
    /// RX2 at boot.
    pub default_rx2: Rx2,
    /// Dwell time limits at boot; `None` where the band has none.
    pub boot_dwell_time: DwellTime,
    /// How ChMask and ChMaskCntl of LinkADRReq address channels.
    pub ch_mask: ChMaskScheme,
    /// The class B beacon.
    pub beacon: Beacon,
    /// Default frequencies of class B ping slots.
    pub ping_slot_frequencies: &'static [Frequency],
    /// Wake-on-radio channels of relays; empty where relays are not defined.
    pub relay_wor_channels: &'static [RelayWorChannel],
    /// RECEIVE_DELAY1.
    pub receive_delay_1: Duration,
    /// RECEIVE_DELAY2.
    pub receive_delay_2: Duration,
    /// JOIN_ACCEPT_DELAY1.
    pub join_accept_delay_1: Duration,
    /// JOIN_ACCEPT_DELAY2.
    pub join_accept_delay_2: Duration,
    /// MAX_FCNT_GAP.
    pub max_f_cnt_gap: u32,
    /// ADR_ACK_LIMIT.
    pub adr_ack_limit: u16,
    /// ADR_ACK_DELAY.
    pub adr_ack_delay: u16,
    /// The least RETRANSMIT_TIMEOUT.
    pub retransmit_timeout_min: Duration,
    /// The greatest RETRANSMIT_TIMEOUT.
    pub retransmit_timeout_max: Duration,
    /// From the end of a forwarded uplink to the relay's; zero where relays are not defined.
    pub relay_forward_delay: Duration,
    /// The delay of the relay's receive window; zero where relays are not defined.
    pub relay_receive_delay: Duration,
    /// Uplinks without wake-on-radio acknowledgement before a served device gives up; zero where relays are not defined.
    pub served_relay_backoff: u8,
}

/// A channel of a band.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BandChannel {
    /// Its frequency.
    pub frequency: Frequency,
    /// The lowest data rate.
    pub min_data_rate: DataRateIndex,
    /// The highest data rate.
    pub max_data_rate: DataRateIndex,
}

/// A part of a band with its limits. Both ends belong to it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SubBand {
    /// The lowest frequency.
    pub min_frequency: Frequency,
    /// The highest frequency.
    pub max_frequency: Frequency,
    /// The part of the time that a transmitter may be on air, 0 to 1.
    pub duty_cycle: f32,
    /// The maximum EIRP in dBm.
    pub max_eirp: f32,
}

/// A data rate of a band and the largest MACPayload that it carries (FHDR, FPort and FRMPayload).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BandDataRate {
    /// The modulation.
    pub rate: DataRate,
    /// The largest MACPayload without dwell time limit.
    pub max_mac_payload: u8,
    /// The largest MACPayload with dwell time limit; zero where the data rate may not be used then.
    pub max_mac_payload_dwell: u8,
    /// The largest MACPayload behind a repeater, without dwell time limit.
    pub max_mac_payload_repeater: u8,
}

/// Data rates by index.
pub type DataRates = [Option<BandDataRate>; 16];

/// The form of a CFList.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum CfListType {
    /// Type 0: up to five frequencies; channels are made one by one (dynamic channel plan).
    Frequencies,
    /// Type 1: masks over a fixed list of channels (fixed channel plan).
    ChannelMasks,
}

/// How the channel of RX1 follows from the uplink channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum Rx1Channel {
    /// The downlink channel of the same index; for channels made later, their own downlink frequency.
    Identity,
    /// The uplink channel's index modulo this number.
    Modulo(u8),
}

/// A row per uplink data rate, a column per RX1DROffset; [`NO_DATA_RATE`] where none is defined.
pub type Rx1Table = [[u8; 8]; 16];

/// Stands for “not defined” in a [`Rx1Table`].
pub const NO_DATA_RATE: u8 = 0xFF;

/// The data rates of RX1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rx1DataRates {
    /// Without downlink dwell time limit.
    pub no_dwell: &'static Rx1Table,
    /// With it; the same table where it makes no difference.
    pub dwell: &'static Rx1Table,
}

/// The parameters of RX2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rx2 {
    /// The data rate.
    pub data_rate: DataRateIndex,
    /// The frequency.
    pub frequency: Frequency,
}

/// Whether dwell time limits hold; `None` where the region has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct DwellTime {
    /// For uplinks.
    pub uplinks: Option<bool>,
    /// For downlinks.
    pub downlinks: Option<bool>,
}

/// The class B beacon of a band.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beacon {
    /// Its data rate.
    pub data_rate: DataRateIndex,
    /// Its coding rate.
    pub coding_rate: CodingRate,
    /// Its frequencies, used in turn; empty where none is defined.
    pub frequencies: &'static [Frequency],
}

/// A wake-on-radio channel of relays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RelayWorChannel {
    /// The frequency of the wake-on-radio frame.
    pub frequency: Frequency,
    /// The frequency of its acknowledgement.
    pub ack_frequency: Frequency,
    /// The data rate.
    pub data_rate: DataRateIndex,
}

/// A band that this version of the Regional Parameters does not define.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnknownBand {
    /// The band that was asked for.
    pub id: BandId,
    /// The version that was asked for.
    pub phy_version: PhyVersion,
}

impl fmt::Display for UnknownBand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no band {} in {}; known versions:", self.id, self.phy_version.name())?;
        versions(self.id).iter().try_for_each(|band| write!(f, " {}", band.phy_version.name()))
    }
}

impl core::error::Error for UnknownBand {}

/// Finds a band in a version of the Regional Parameters.
///
/// # Errors
///
/// The band has no table in that version.
pub fn get(id: BandId, phy_version: PhyVersion) -> Result<&'static Band, UnknownBand> {
    let found = versions(id).iter().find(|band| band.phy_version == phy_version);
    found.ok_or(UnknownBand { id, phy_version })
}

/// A band in its newest version.
#[must_use]
pub const fn latest(id: BandId) -> Option<&'static Band> {
    versions(id).last()
}

/// Every table of every band.
pub fn all() -> impl Iterator<Item = &'static Band> {
    BandId::ALL.iter().flat_map(|id| versions(*id))
}

/// The tables of a band, oldest version first.
#[must_use]
pub const fn versions(id: BandId) -> &'static [Band] {
    match id {
        BandId::AS_923 => &as_923::GROUP_1,
        BandId::AS_923_2 => &as_923::GROUP_2,
        BandId::AS_923_3 => &as_923::GROUP_3,
        BandId::AS_923_4 => &as_923::GROUP_4,
        BandId::AU_915_928 => &au_915_928::BANDS,
        BandId::CN_470_510 => &cn_470_510::BANDS,
        BandId::CN_470_510_20_A => &cn_470_510::TYPE_20_A,
        BandId::CN_470_510_20_B => &cn_470_510::TYPE_20_B,
        BandId::CN_470_510_26_A => &cn_470_510::TYPE_26_A,
        BandId::CN_470_510_26_B => &cn_470_510::TYPE_26_B,
        BandId::CN_779_787 => &cn_779_787::BANDS,
        BandId::EU_433 => &eu_433::BANDS,
        BandId::EU_863_870 => &eu_863_870::BANDS,
        BandId::IN_865_867 => &in_865_867::BANDS,
        BandId::ISM_2400 => &ism_2400::BANDS,
        BandId::KR_920_923 => &kr_920_923::BANDS,
        BandId::MA_869_870_DRAFT => &ma_869_870::BANDS,
        BandId::RU_864_870 => &ru_864_870::BANDS,
        BandId::US_902_928 => &us_902_928::BANDS,
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use super::*;

    // NS-105, NS-106
    #[test]
    fn versions_of_a_band_are_named_by_it_and_in_order() {
        for id in BandId::ALL {
            let bands = versions(*id);
            assert!(!bands.is_empty(), "{id}");
            assert!(bands.iter().all(|band| band.id == *id), "{id}");
            assert!(bands.is_sorted_by(|a, b| a.phy_version < b.phy_version), "{id}");
            assert_eq!(latest(*id).unwrap().phy_version, bands[bands.len() - 1].phy_version);
        }
    }

    #[test]
    fn tables_fit_together() {
        for band in all() {
            let name = (band.id, band.phy_version);
            for channel in band.uplink_channels {
                assert!(band.data_rate(channel.min_data_rate).is_some(), "{name:?} {channel:?}");
                assert!(band.data_rate(channel.max_data_rate).is_some(), "{name:?} {channel:?}");
                assert!(band.sub_band(channel.frequency).is_some(), "{name:?} {channel:?}");
            }
            for rate in band.data_rates.iter().flatten() {
                assert!(rate.max_mac_payload_dwell <= rate.max_mac_payload, "{name:?}");
                assert!(rate.max_mac_payload_repeater <= rate.max_mac_payload, "{name:?}");
            }
            assert!(band.uplink_channels.len() <= band.uplink_channels_max.into(), "{name:?}");
            assert!(band.ch_mask.channels() >= band.uplink_channels_max, "{name:?}");
        }
    }

    #[test]
    fn a_version_that_does_not_have_a_band_is_told_with_those_that_do() {
        let missing = get(BandId::AS_923_4, PhyVersion::RP002_V1_0_0).unwrap_err();
        assert!(missing.to_string().ends_with("known versions: RP002_V1_0_3 RP002_V1_0_4"));
    }
}

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

mod ch_mask;
mod eirp;
mod eu_863_870;
mod id;
mod lookup;
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
    pub data_rates: [Option<BandDataRate>; 16],
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
    /// The largest MACPayload with dwell time limit.
    pub max_mac_payload_dwell: u8,
}

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

/// A band that has no table in this version of the Regional Parameters, or whose tables are not built yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnknownBand {
    /// The band that was asked for.
    pub id: BandId,
    /// The version that was asked for.
    pub phy_version: PhyVersion,
    /// Versions of this band that are there.
    pub known: &'static [PhyVersion],
}

impl fmt::Display for UnknownBand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no band {} in {}; known versions:", self.id, self.phy_version.name())?;
        if self.known.is_empty() {
            return f.write_str(" none");
        }
        self.known.iter().try_for_each(|version| write!(f, " {}", version.name()))
    }
}

impl core::error::Error for UnknownBand {}

/// Finds a band in a version of the Regional Parameters.
///
/// # Errors
///
/// The band has no table in that version.
pub fn get(id: BandId, phy_version: PhyVersion) -> Result<&'static Band, UnknownBand> {
    let (bands, known) = versions(id);
    bands.iter().find(|band| band.phy_version == phy_version).ok_or(UnknownBand {
        id,
        phy_version,
        known,
    })
}

/// Every table of every band that is built.
pub fn all() -> impl Iterator<Item = &'static Band> {
    BandId::ALL.iter().flat_map(|id| versions(*id).0)
}

const fn versions(id: BandId) -> (&'static [Band], &'static [PhyVersion]) {
    match id {
        BandId::EU_863_870 => (&eu_863_870::BANDS, &PhyVersion::ALL),
        BandId::US_902_928 => (&us_902_928::BANDS, &us_902_928::VERSIONS),
        _ => (&[], &[]),
    }
}

/// A frequency, for tables.
const fn hz(value: u64) -> Frequency {
    Frequency::from_hz(value)
}

/// A data rate index, for tables.
const fn dr(index: u8) -> DataRateIndex {
    DataRateIndex::from_low_bits(index)
}

const fn channel(frequency: u64, min: u8, max: u8) -> BandChannel {
    BandChannel { frequency: hz(frequency), min_data_rate: dr(min), max_data_rate: dr(max) }
}

const fn sub_band(min: u64, max: u64, duty_cycle: f32, max_eirp: f32) -> SubBand {
    SubBand { min_frequency: hz(min), max_frequency: hz(max), duty_cycle, max_eirp }
}

/// A LoRa data rate whose payload is not limited by dwell time.
const fn lora(spreading_factor: u8, bandwidth: u32, max: u8) -> Option<BandDataRate> {
    rate(DataRate::lora(spreading_factor, bandwidth), max)
}

const fn lr_fhss(width: u32, coding_rate: CodingRate, max: u8) -> Option<BandDataRate> {
    rate(DataRate::LrFhss { modulation_type: 0, operating_channel_width: width, coding_rate }, max)
}

const fn rate(rate: DataRate, max: u8) -> Option<BandDataRate> {
    Some(BandDataRate { rate, max_mac_payload: max, max_mac_payload_dwell: max })
}

const NA: u8 = NO_DATA_RATE;
const NO_ROW: [u8; 8] = [NA; 8];

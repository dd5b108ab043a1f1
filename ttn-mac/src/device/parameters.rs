//! What the network can set.

use ttn_core::radio::{DataRateIndex, Frequency};

use super::DeviceConfig;
use crate::{
    band::{Band, BandId},
    command::{RelayActivation, RelaySecondChannel},
    state::Channels,
};

/// What the network can set.
#[derive(Clone, Debug, PartialEq)]
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
    /// Whether uplinks keep a dwell time, which limits their length and data rates.
    pub uplink_dwell_time: bool,
    /// Whether downlinks keep a dwell time, which changes RX1.
    pub downlink_dwell_time: bool,
    /// The maximum EIRP in dBm.
    pub max_eirp: f32,
    /// MaxDCycle: the device may send 1 / 2^n of the time. The driver has to see to it.
    pub max_duty_cycle: u8,
    /// ADR_ACK_LIMIT: the uplinks without downlink before it asks for one.
    pub adr_ack_limit: u16,
    /// ADR_ACK_DELAY: the uplinks from there to each step of its back-off.
    pub adr_ack_delay: u16,
    /// The frequency (zero for that of the band) and data rate of ping slots, once the network has set them.
    pub ping_slot: Option<(Frequency, DataRateIndex)>,
    /// The frequency of the beacon, once the network has set it; zero for that of the band.
    pub beacon_frequency: Option<Frequency>,
    /// When it sends rejoin-requests of type 0, once the network has set it.
    pub rejoin: Option<RejoinTimes>,
    /// How it uses relays, once the network has set it.
    pub relay: Option<RelayUse>,
}

/// RejoinParamSetupReq: how often a device sends rejoin-requests of type 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "complete by definition")]
pub struct RejoinTimes {
    /// After 2 to this power + 10 seconds; `None` if the device cannot measure the time.
    pub time_exponent: Option<u8>,
    /// After 2 to this power + 4 uplinks.
    pub count_exponent: u8,
}

/// RelayEndDeviceConfReq: how a device uses relays (TS011).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "complete by definition")]
pub struct RelayUse {
    /// When it does.
    pub activation: RelayActivation,
    /// After 8, 16, 32 or 64 uplinks without downlink, if `activation` is dynamic.
    pub smart_enable_level: u8,
    /// After how many wake-on-radio frames without acknowledgement it sends all the same; 0 for always.
    pub backoff: u8,
    /// The second channel.
    pub second_channel: RelaySecondChannel,
}

impl DeviceParameters {
    pub(super) fn at_boot(config: &DeviceConfig) -> Self {
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
            uplink_dwell_time: band.boot_dwell_time.uplinks.unwrap_or(false),
            downlink_dwell_time: band.boot_dwell_time.downlinks.unwrap_or(false),
            max_eirp: band.default_max_eirp,
            max_duty_cycle: 0,
            adr_ack_limit: band.adr_ack_limit,
            adr_ack_delay: band.adr_ack_delay,
            ping_slot: None,
            beacon_frequency: None,
            rejoin: None,
            relay: None,
        }
    }

    /// Whether a data rate may be sent with, dwell time considered.
    pub(super) fn allows(&self, band: &Band, rate: DataRateIndex) -> bool {
        band.max_mac_payload(rate, self.uplink_dwell_time).is_some_and(|max| max > 0)
    }

    /// The data rates that some enabled channel allows, lowest first.
    pub(super) fn data_rates(&self, band: &Band) -> impl Iterator<Item = DataRateIndex> {
        (0..16).filter_map(DataRateIndex::new).filter(move |rate| {
            self.allows(band, *rate)
                && self.channels.iter(band).any(|(index, channel)| {
                    self.channels.enabled.contains(index)
                        && (channel.min_data_rate..=channel.max_data_rate).contains(rate)
                })
        })
    }

    /// The data rate that is really used: where dwell time or the channels of a join-accept forbid the one that was set, the
    /// next one up, or the highest.
    pub(super) fn sending_rate(&self, band: &Band) -> DataRateIndex {
        let wanted = self.data_rate;
        let above = self.data_rates(band).find(|rate| *rate >= wanted);
        above.or_else(|| self.data_rates(band).last()).unwrap_or(wanted)
    }
}

/// Whether the radio of a device for this region can be tuned to a frequency: to all of the region, not only to the parts
/// where duty cycles are regulated.
pub(super) fn can_tune(band: &Band, frequency: Frequency) -> bool {
    let (from, to) = match band.id {
        BandId::AS_923 | BandId::AS_923_2 | BandId::AS_923_3 | BandId::AS_923_4 => (915, 928),
        BandId::AU_915_928 => (915, 928),
        BandId::CN_470_510
        | BandId::CN_470_510_20_A
        | BandId::CN_470_510_20_B
        | BandId::CN_470_510_26_A
        | BandId::CN_470_510_26_B => (470, 510),
        BandId::CN_779_787 => (779, 787),
        BandId::EU_433 => (433, 435),
        BandId::EU_863_870 => (863, 870),
        BandId::IN_865_867 => (865, 867),
        BandId::ISM_2400 => (2400, 2500),
        BandId::KR_920_923 => (920, 924),
        BandId::MA_869_870_DRAFT => (869, 870),
        BandId::RU_864_870 => (864, 870),
        BandId::US_902_928 => (902, 928),
    };
    let megahertz = |count: u64| Frequency::from_hz(count.saturating_mul(1_000_000));
    (megahertz(from)..=megahertz(to)).contains(&frequency)
}

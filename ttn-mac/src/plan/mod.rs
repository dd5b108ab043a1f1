//! Frequency plans: which channels of a band a network uses, and what its gateways need to know of them (NS-107).
//!
//! ```
//! use ttn_mac::plan;
//!
//! let plan = plan::get("EU_863_870_TTN")?;
//! assert_eq!(plan.rx2_default_data_rate.map(|dr| dr.get()), Some(3));
//! # Ok::<(), plan::UnknownPlan>(())
//! ```
#![expect(
    clippy::exhaustive_structs,
    reason = "built by other crates: plans can come from elsewhere"
)]

mod asia;
mod australia;
mod builtin;
mod china;
mod europe;
mod others;
mod set;
mod table;
mod united_states;
mod validate;
#[cfg(feature = "std")]
mod yaml;

use alloc::{borrow::Cow, string::String, vec::Vec};
use core::{fmt, time::Duration};

use ttn_core::radio::{DataRateIndex, Frequency};

use crate::band::{Band, BandChannel, BandId, SubBand};

pub use builtin::ALL;
pub use set::Plans;
pub use validate::{PLAN_ENTRIES_MAX, PlanError, PlanProblem};
#[cfg(feature = "std")]
pub use yaml::{PLANS_MAX, files, load};

/// A frequency plan, base plans already merged.
#[derive(Clone, Debug, PartialEq)]
pub struct FrequencyPlan {
    /// The id, `EU_863_870_TTN`.
    pub id: Cow<'static, str>,
    /// The name for people.
    pub name: Cow<'static, str>,
    /// The plan that this one extends.
    pub base_id: Option<Cow<'static, str>>,
    /// The frequency that the hardware is made for, in megahertz.
    pub base_frequency: u16,
    /// Whether gateways may use it.
    pub gateways: bool,
    /// The band.
    pub band_id: BandId,
    /// The channels that devices send on.
    pub uplink_channels: Cow<'static, [PlanChannel]>,
    /// The channels that devices listen on; empty if they follow from the band.
    pub downlink_channels: Cow<'static, [BandChannel]>,
    /// The channel of the single-rate LoRa receiver.
    pub lora_standard_channel: Option<SingleRateChannel>,
    /// The channel of the FSK receiver.
    pub fsk_channel: Option<SingleRateChannel>,
    /// Sub-bands in place of the band's; empty to use those of the band.
    pub sub_bands: Cow<'static, [PlanSubBand]>,
    /// The limit of a transmission's length; where it says nothing, the band holds.
    pub dwell_time: Option<PlanDwellTime>,
    /// Gateways listen before they talk.
    pub listen_before_talk: Option<ListenBeforeTalk>,
    /// The radios of a gateway.
    pub radios: Cow<'static, [Radio]>,
    /// Which radio gives the clock.
    pub clock_source: u8,
    /// The frequency of RX2, if it is not the band's.
    pub rx2_frequency: Option<Frequency>,
    /// The data rate of RX2, if it is not the band's.
    pub rx2_default_data_rate: Option<DataRateIndex>,
    /// The maximum EIRP of devices and gateways in dBm, if it is not the band's.
    pub max_eirp: Option<f32>,
}

/// A channel of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlanChannel {
    /// Its frequency.
    pub frequency: Frequency,
    /// The lowest data rate.
    pub min_data_rate: DataRateIndex,
    /// The highest data rate.
    pub max_data_rate: DataRateIndex,
    /// The radio that receives it.
    pub radio: u8,
}

/// A channel with one data rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SingleRateChannel {
    /// Its frequency.
    pub frequency: Frequency,
    /// Its data rate.
    pub data_rate: DataRateIndex,
    /// The radio that receives it.
    pub radio: u8,
}

/// The limit of a transmission's length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlanDwellTime {
    /// Whether it holds for uplinks; `None` leaves it to the band.
    pub uplinks: Option<bool>,
    /// Whether it holds for downlinks; `None` leaves it to the band.
    pub downlinks: Option<bool>,
    /// The limit; there is one if it holds for either.
    pub duration: Option<Duration>,
}

/// A part of a plan with its limits, in place of the band's. Both ends belong to it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlanSubBand {
    /// The lowest frequency.
    pub min_frequency: Frequency,
    /// The highest frequency.
    pub max_frequency: Frequency,
    /// The part of the time that a transmitter may be on air, 0 to 1; `None` does not limit it.
    pub duty_cycle: Option<f32>,
    /// The maximum EIRP in dBm; `None` leaves it to the plan or the band.
    pub max_eirp: Option<f32>,
}

/// Parameters of listen before talk.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ListenBeforeTalk {
    /// The level below which the channel counts as free, in dBm.
    pub rssi_target: f32,
    /// What is added to the measured level, in dB.
    pub rssi_offset: f32,
    /// How long to listen.
    pub scan_time: Duration,
}

/// A radio of a gateway.
#[derive(Clone, Debug, PartialEq)]
pub struct Radio {
    /// Whether it is used.
    pub enable: bool,
    /// The chip.
    pub chip_type: Cow<'static, str>,
    /// Its centre frequency.
    pub frequency: Frequency,
    /// What is added to the measured level, in dB.
    pub rssi_offset: f32,
    /// What it can send; `None` if it only receives.
    pub tx: Option<RadioTx>,
}

/// What a radio can send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RadioTx {
    /// The lowest frequency.
    pub min_frequency: Frequency,
    /// The highest frequency.
    pub max_frequency: Frequency,
    /// The frequency of the notch filter.
    pub notch_frequency: Option<Frequency>,
}

impl FrequencyPlan {
    /// The limit of transmissions in one direction, if the plan sets one.
    #[must_use]
    pub fn dwell_time_limit(&self, downlink: bool) -> Option<Duration> {
        let limit = self.dwell_time?;
        let holds = if downlink { limit.downlinks } else { limit.uplinks };
        limit.duration.filter(|_| holds == Some(true))
    }

    /// The sub-bands of a band, stretched so that they cover the downlink channels of this plan and the frequencies that
    /// the band itself names for beacons and ping slots.
    ///
    /// Some tables end a little too early: that of KR920-923 at 923.0 MHz, with ping slots at 923.1 MHz and channels up to
    /// 923.3 MHz. What lies at most [`SUB_BAND_GAP_MAX`] below the first or above the last sub-band belongs to that one;
    /// gaps between sub-bands stay gaps.
    #[must_use]
    pub fn sub_bands_of(&self, band: &Band) -> Vec<SubBand> {
        let mut sub_bands = band.sub_bands.to_vec();
        let channels = self.downlink_channels.iter().map(|channel| channel.frequency);
        let own = band.beacon.frequencies.iter().chain(band.ping_slot_frequencies).copied();
        let is_near = |edge: Frequency, frequency: Frequency| {
            edge.hz().abs_diff(frequency.hz()) <= SUB_BAND_GAP_MAX.hz()
        };
        for frequency in channels.chain(own) {
            let last = sub_bands.iter_mut().max_by_key(|sub| sub.max_frequency);
            if let Some(sub) = last.filter(|sub| is_near(sub.max_frequency, frequency)) {
                sub.max_frequency = sub.max_frequency.max(frequency);
            }
            let first = sub_bands.iter_mut().min_by_key(|sub| sub.min_frequency);
            if let Some(sub) = first.filter(|sub| is_near(sub.min_frequency, frequency)) {
                sub.min_frequency = sub.min_frequency.min(frequency);
            }
        }
        sub_bands
    }

    /// Whether a transmission of this length keeps the dwell time. The limit itself is allowed.
    #[must_use]
    pub fn respects_dwell_time(&self, downlink: bool, duration: Duration) -> bool {
        self.dwell_time_limit(downlink).is_none_or(|limit| duration <= limit)
    }
}

/// How far a channel may lie outside of the sub-bands of its band, see [`FrequencyPlan::sub_bands_of`].
pub const SUB_BAND_GAP_MAX: Frequency = Frequency::from_hz(500_000);

/// Finds a built-in plan. A server looks into its [`Plans`] instead.
///
/// # Errors
///
/// There is none with this id.
pub fn get(id: &str) -> Result<&'static FrequencyPlan, UnknownPlan> {
    ALL.iter().find(|plan| plan.id == id).ok_or_else(|| UnknownPlan::new(id, ALL.iter()))
}

/// There is no plan with this id.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnknownPlan {
    /// The id, cut off after [`Self::ID_LENGTH_MAX`] characters.
    pub id: String,
    /// The ids that there are.
    pub known: Vec<String>,
}

impl UnknownPlan {
    /// How much of an unknown id is repeated.
    pub const ID_LENGTH_MAX: usize = 64;
}

impl fmt::Display for UnknownPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no frequency plan {:?}; known:", self.id)?;
        self.known.iter().try_for_each(|id| write!(f, " {id}"))
    }
}

impl core::error::Error for UnknownPlan {}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use super::*;

    // NS-107
    #[test]
    fn every_plan_is_valid_and_found_by_its_id() {
        for plan in &ALL {
            assert_eq!(plan.validate(), Ok(()));
            assert_eq!(get(&plan.id), Ok(plan));
            let base = plan.base_id.as_deref().map(|id| get(id).unwrap().band_id);
            assert_eq!(base.unwrap_or(plan.band_id), plan.band_id, "{}", plan.id);
        }
    }

    #[test]
    fn a_sub_band_covers_channels_just_outside_of_it() {
        let plan = get("KR_920_923_TTN").unwrap();
        let band = crate::band::latest(plan.band_id).unwrap();
        let [only] = plan.sub_bands_of(band)[..] else { panic!("one sub-band") };
        assert_eq!(band.sub_bands[0].max_frequency.hz(), 923_000_000);
        assert_eq!((only.min_frequency.hz(), only.max_frequency.hz()), (920_000_000, 923_300_000));
    }

    // GS-68
    #[test]
    fn every_downlink_channel_of_every_plan_is_in_a_sub_band() {
        let mut outside = Vec::new();
        for plan in ALL.iter().filter(|plan| plan.sub_bands.is_empty()) {
            let sub_bands = plan.sub_bands_of(crate::band::latest(plan.band_id).unwrap());
            for channel in plan.downlink_channels.iter() {
                let within = |sub: &SubBand| {
                    (sub.min_frequency..=sub.max_frequency).contains(&channel.frequency)
                };
                if !sub_bands.iter().any(within) {
                    outside.push((&plan.id, channel.frequency));
                }
            }
        }
        assert!(outside.is_empty(), "{outside:?}");
    }

    #[test]
    fn an_unknown_plan_is_named() {
        assert!(get("EU_1").unwrap_err().to_string().starts_with("no frequency plan \"EU_1\""));
    }

    #[test]
    fn dwell_time_holds_up_to_its_limit_and_in_its_direction() {
        let plan = get("US_902_928_FSB_2").unwrap();
        assert!(plan.respects_dwell_time(false, Duration::from_millis(400)));
        assert!(!plan.respects_dwell_time(false, Duration::from_millis(401)));
        assert!(plan.respects_dwell_time(true, Duration::from_millis(401)));
    }
}

//! The steps of the default policy, each on its own. All arithmetic is in single precision.

use ttn_core::radio::{DataRate, DataRateIndex};

use super::AdrParameters;
use crate::band::Band;

/// The SNR in dB below which a modulation cannot be received; `None` for others than LoRa.
#[must_use]
pub fn demodulation_floor(rate: &DataRate) -> Option<f32> {
    let DataRate::Lora { spreading_factor, bandwidth, .. } = rate else { return None };
    // -7.5 dB at SF7 and 125 kHz; 2.5 dB less per spreading factor, 3 dB more per doubling of the bandwidth.
    let wider = match *bandwidth {
        ..=125_000 => 0.0,
        125_001..=250_000 => 3.0,
        250_001..=500_000 => 6.0,
        // 6.5 times and 13 times 125 kHz, at 2.4 GHz.
        500_001..=812_500 => 8.1,
        _ => 11.1,
    };
    Some((4.0 - f32::from(*spreading_factor)) * 2.5 + wider)
}

/// ADR_ACK_LIMIT or ADR_ACK_DELAY as ADRParamSetupReq says it: the largest exponent of two that is not above the number.
#[must_use]
pub fn ack_exponent(number: u16) -> u8 {
    u8::try_from(number.checked_ilog2().unwrap_or(0)).unwrap_or(0)
}

/// Lost over expected, for counters in rising order; repeated ones count once. Zero for fewer than two.
#[must_use]
pub fn loss_rate(f_cnts: impl IntoIterator<Item = u32>) -> f32 {
    let mut f_cnts = f_cnts.into_iter();
    let Some(first) = f_cnts.next() else { return 0.0 };
    let (mut last, mut lost) = (first, 0_u32);
    for f_cnt in f_cnts {
        lost = lost.saturating_add(f_cnt.saturating_sub(last).saturating_sub(1));
        last = f_cnt;
    }
    lost as f32 / last.saturating_sub(first).saturating_add(1) as f32
}

/// How often each uplink should be sent (NS-73). Fewer than ten uplinks say nothing.
#[must_use]
pub fn adapt_nb_trans(current: u8, uplinks: usize, loss_rate: f32) -> u8 {
    let current = current.clamp(1, 15);
    if uplinks < NB_TRANS_UPLINKS_MIN {
        return current;
    }
    let wanted = match loss_rate {
        ..0.05 => current.div_euclid(3).saturating_add(1),
        ..0.10 => current,
        ..0.30 => current.div_euclid(2).saturating_add(2),
        _ => NB_TRANS_MAX,
    };
    wanted.min(NB_TRANS_MAX)
}

/// The uplinks that it takes to judge how many are lost.
pub(super) const NB_TRANS_UPLINKS_MIN: usize = 10;
/// More repetitions are not asked for.
const NB_TRANS_MAX: u8 = 3;

/// A set of data rates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct DataRateSet(u16);

impl DataRateSet {
    /// Makes a set of bits: bit i for data rate i.
    #[must_use]
    pub const fn from_bits(bits: u16) -> Self {
        Self(bits)
    }

    /// The data rates from `min` to `max`.
    #[must_use]
    pub const fn range(min: DataRateIndex, max: DataRateIndex) -> Self {
        let below_end = (2_u32 << max.get()).wrapping_sub(1) as u16;
        let below_start = (1_u32 << min.get()).wrapping_sub(1) as u16;
        Self(below_end & !below_start)
    }

    /// Those that are in either set.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Those that are in both sets.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Those that are not in the other set.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether a data rate is in the set.
    #[must_use]
    pub const fn contains(self, index: DataRateIndex) -> bool {
        self.0 & (1_u16 << index.get()) != 0
    }

    /// The data rates, lowest first.
    pub fn iter(self) -> impl DoubleEndedIterator<Item = DataRateIndex> {
        (0..16).filter_map(DataRateIndex::new).filter(move |index| self.contains(*index))
    }
}

/// A data rate, the power that goes with it, and what is left of the margin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DataRateChoice {
    /// The data rate.
    pub data_rate: DataRateIndex,
    /// TXPower.
    pub tx_power_index: u8,
    /// The margin that is left, in dB.
    pub margin: f32,
}

/// The highest data rate that the margin pays for, never below the current one (NS-71). A raise sets the power to the
/// highest that is allowed, which is part of the price if that is not the band's highest.
#[must_use]
pub fn adapt_data_rate(
    band: &Band,
    current: AdrParameters,
    allowed: DataRateSet,
    powers: PowerRange,
    margin: f32,
) -> DataRateChoice {
    let unchanged = DataRateChoice {
        data_rate: current.data_rate,
        tx_power_index: current.tx_power_index,
        margin,
    };
    let floor = |index| band.data_rate(index).and_then(|entry| demodulation_floor(&entry.rate));
    let Some(from) = floor(current.data_rate) else { return unchanged };
    let power_price = -offset(band, powers.min);
    let raised = |to: DataRateIndex, price: f32| DataRateChoice {
        data_rate: to,
        tx_power_index: powers.min,
        margin: margin - price - power_price,
    };
    let above = || allowed.iter().filter(|index| *index > current.data_rate);
    let paid = above().rev().find_map(|to| {
        let price = floor(to)? - from;
        (margin - price - power_price >= 0.0).then(|| raised(to, price))
    });
    // A data rate below the lowest allowed is left even if nothing pays for it.
    let forced = || {
        let lowest = allowed.iter().next().filter(|lowest| *lowest > current.data_rate)?;
        Some(raised(lowest, floor(lowest)? - from))
    };
    paid.or_else(forced).unwrap_or(unchanged)
}

/// The powers that may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PowerRange {
    /// The lowest TXPower index, that is the highest power.
    pub min: u8,
    /// The highest TXPower index, that is the lowest power.
    pub max: u8,
    /// Indexes that the device has refused, bit i for index i.
    pub rejected: u16,
}

impl PowerRange {
    /// The indexes of a band within limits that were not refused; `None` if there are none.
    #[must_use]
    pub fn new(band: &Band, min: Option<u8>, max: Option<u8>, rejected: u16) -> Option<Self> {
        let band_max = band.max_tx_power_index();
        let allowed = |index: &u8| !is_set(rejected, *index);
        let mut range = min.unwrap_or(0)..=max.unwrap_or(band_max).min(band_max);
        let min = range.find(allowed)?;
        let max = range.rfind(allowed).unwrap_or(min);
        Some(Self { min, max, rejected })
    }

    pub(super) fn contains(self, index: u8) -> bool {
        (self.min..=self.max).contains(&index) && !is_set(self.rejected, index)
    }
}

/// A power and what is left of the margin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PowerChoice {
    /// TXPower.
    pub tx_power_index: u8,
    /// The margin that is left, in dB.
    pub margin: f32,
}

/// The lowest power that the margin pays for; a missing margin raises it (NS-72).
///
/// `optimal` says that the history is full. Before that the margin is reckoned 2.5 dB too small, and as much may be
/// missing without a change, or else the power would go up and down again.
#[must_use]
pub fn adapt_tx_power(
    band: &Band,
    current: u8,
    range: PowerRange,
    margin: f32,
    optimal: bool,
) -> PowerChoice {
    let start = current.clamp(range.min, range.max);
    let margin = margin + offset(band, start) - offset(band, current);
    let after = |index: u8| margin + offset(band, index) - offset(band, start);
    let choose = |index: u8| PowerChoice { tx_power_index: index, margin: after(index) };
    let found = if margin >= 0.0 {
        (start..=range.max).rev().find(|index| range.contains(*index) && after(*index) >= 0.0)
    } else if !optimal && margin >= -SAFETY_MARGIN {
        None
    } else {
        let mut higher = (range.min..start).rev().filter(|index| range.contains(*index));
        higher.find(|index| after(*index) >= 0.0).or(Some(range.min))
    };
    choose(found.unwrap_or(start))
}

/// What is left aside while the history is not full, in dB (NS-70).
pub(super) const SAFETY_MARGIN: f32 = 2.5;

/// Decibels relative to the maximum EIRP; an index behind the table counts as its end.
pub(super) fn offset(band: &Band, index: u8) -> f32 {
    let offsets = band.tx_offsets;
    offsets.get(usize::from(index)).or_else(|| offsets.last()).copied().map_or(0.0, f32::from)
}

const fn is_set(mask: u16, index: u8) -> bool {
    index < 16 && mask & (1 << index) != 0
}

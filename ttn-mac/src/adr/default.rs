//! The default policy (NS-69 to NS-73).

use ttn_core::radio::DataRate;

use super::{
    AdrAlgorithm, AdrDecision, AdrEvidence, AdrInput, AdrKeep, AdrParameters, AdrReason, AdrUplink,
    DataRateSet, PowerRange,
    rules::{
        SAFETY_MARGIN, adapt_data_rate, adapt_nb_trans, adapt_tx_power, demodulation_floor,
        loss_rate,
    },
};
use crate::state::ADR_RING_LENGTH;

/// The margin in dB that is kept unless the settings say otherwise.
pub const DEFAULT_MARGIN: f32 = 15.0;

/// The default policy: the best SNR of the last uplinks pays first for a higher data rate, then for less power; losses
/// pay with repetitions.
#[derive(Clone, Copy, Debug, Default)]
pub struct DefaultAdr;

impl AdrAlgorithm for DefaultAdr {
    fn decide(&self, input: &AdrInput<'_>) -> AdrDecision {
        decide(input).into()
    }
}

fn decide(input: &AdrInput<'_>) -> Result<(AdrParameters, AdrEvidence), AdrKeep> {
    let AdrInput { band, current, limits, .. } = *input;
    let uplinks = || relevant(input);
    let count = uplinks().count();
    if let Some(parameters) = steered(input) {
        return Ok((parameters, AdrEvidence::without_uplinks(AdrReason::Steered)));
    }
    let max_snr = uplinks().map(|up| up.max_snr).reduce(f32::max).ok_or(AdrKeep::NoUplinks)?;
    let data_rates = data_rates(input).ok_or(AdrKeep::NoDataRate)?;
    let powers = powers(input)?;
    let rate = band.data_rate(current.data_rate).map(|entry| entry.rate);
    let floor = rate.as_ref().and_then(demodulation_floor).ok_or(AdrKeep::NoFloor)?;

    let optimal = count >= ADR_RING_LENGTH;
    let mut margin = max_snr - floor - limits.margin.unwrap_or(DEFAULT_MARGIN);
    if !optimal {
        margin -= SAFETY_MARGIN;
    }
    let rate = adapt_data_rate(band, current, data_rates, powers, margin);
    let power = adapt_tx_power(band, rate.tx_power_index, powers, rate.margin, optimal);
    let loss_rate = loss_rate(uplinks().map(|up| up.f_cnt));
    let nb_trans = nb_trans_within(input, adapt_nb_trans(current.nb_trans, count, loss_rate));
    let evidence = AdrEvidence {
        reason: AdrReason::Margin,
        uplinks: u8::try_from(count).unwrap_or(u8::MAX),
        max_snr,
        margin,
        margin_left: power.margin,
        loss_rate,
    };
    let parameters =
        AdrParameters { data_rate: rate.data_rate, tx_power_index: power.tx_power_index, nb_trans };
    Ok((parameters, evidence))
}

/// Of the last [`ADR_RING_LENGTH`] uplinks those since the last change, at the current data rate (NS-69).
pub(super) fn relevant<'a>(input: &'a AdrInput<'_>) -> impl Iterator<Item = &'a AdrUplink> {
    let skip = input.uplinks.len().saturating_sub(ADR_RING_LENGTH);
    let since = input.last_change_f_cnt.unwrap_or(0);
    let data_rate = input.current.data_rate;
    input.uplinks.iter().skip(skip).filter(move |up| up.f_cnt >= since && up.data_rate == data_rate)
}

/// NS-74: from a data rate of 500 kHz to the best one of 125 kHz, with full power.
pub(super) fn steered(input: &AdrInput<'_>) -> Option<AdrParameters> {
    let bandwidth = |index| match input.band.data_rate(index)?.rate {
        DataRate::Lora { bandwidth, .. } => Some(bandwidth),
        _ => None,
    };
    let is_wide = input.limits.steer_narrow
        && bandwidth(input.current.data_rate).is_some_and(|bandwidth| bandwidth > NARROW);
    if !is_wide {
        return None;
    }
    let mut narrow = data_rates(input)?.iter().filter(|index| bandwidth(*index) == Some(NARROW));
    let data_rate = narrow.next_back()?;
    Some(AdrParameters { data_rate, tx_power_index: 0, nb_trans: input.current.nb_trans })
}

/// The bandwidth of narrow channels in hertz.
const NARROW: u32 = 125_000;

/// The data rates that may be asked for; `None` if there are none.
pub(super) fn data_rates(input: &AdrInput<'_>) -> Option<DataRateSet> {
    let highest = input.band.max_adr_data_rate;
    let max = input.limits.max_data_rate.map_or(highest, |max| max.min(highest));
    let within = DataRateSet::range(input.limits.min_data_rate.unwrap_or_default(), max);
    let refused = DataRateSet::from_bits(input.rejected.adr_data_rates);
    let allowed = input.channel_data_rates.and(within).without(refused);
    (allowed != DataRateSet::default()).then_some(allowed)
}

/// The powers that may be asked for.
pub(super) fn powers(input: &AdrInput<'_>) -> Result<PowerRange, AdrKeep> {
    let AdrInput { band, limits, rejected, .. } = *input;
    let (min, max) = (limits.min_tx_power_index, limits.max_tx_power_index);
    PowerRange::new(band, min, max, rejected.adr_tx_powers).ok_or(AdrKeep::NoTxPower)
}

/// The nearest number of repetitions that the settings allow.
pub(super) fn nb_trans_within(input: &AdrInput<'_>, wanted: u8) -> u8 {
    let limits = input.limits;
    wanted.min(limits.max_nb_trans.unwrap_or(u8::MAX)).max(limits.min_nb_trans.unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use ttn_core::radio::DataRateIndex;

    use super::*;
    use crate::{
        band::{self, BandId},
        state::{AdrDynamic, Rejected},
        version::PhyVersion,
    };

    fn decide_eu(current: AdrParameters, snr: f32, count: u32, rejected: &Rejected) -> AdrDecision {
        let uplinks: Vec<_> = (0..count)
            .map(|f_cnt| AdrUplink { f_cnt, max_snr: snr, data_rate: current.data_rate })
            .collect();
        DefaultAdr.decide(&AdrInput {
            band: band::get(BandId::EU_863_870, PhyVersion::RP001_V1_0_2_REV_B).unwrap(),
            current,
            channel_data_rates: DataRateSet::range(DataRateIndex::ZERO, dr(5)),
            rejected,
            limits: AdrDynamic::default(),
            last_change_f_cnt: None,
            uplinks: &uplinks,
        })
    }

    fn dr(index: u8) -> DataRateIndex {
        DataRateIndex::new(index).unwrap()
    }

    fn at(data_rate: u8, tx_power_index: u8) -> AdrParameters {
        AdrParameters { data_rate: dr(data_rate), tx_power_index, nb_trans: 1 }
    }

    // NS-71
    #[test]
    fn ten_decibels_at_sf12_lead_to_data_rate_5() {
        let decision = decide_eu(at(0, 0), 10.0, 20, &Rejected::default());
        let AdrDecision::Use { parameters, evidence } = decision else { panic!("{decision:?}") };
        assert_eq!(parameters, at(5, 1));
        assert_eq!((evidence.margin, evidence.margin_left), (15.0, 0.5));
    }

    // NS-74
    #[test]
    fn a_device_on_a_wide_channel_is_steered_to_the_best_narrow_data_rate() {
        let band = band::get(BandId::US_902_928, PhyVersion::RP001_V1_0_2_REV_B).unwrap();
        let uplinks = [AdrUplink { f_cnt: 1, max_snr: -10.0, data_rate: dr(4) }];
        let rejected = Rejected::default();
        let decide = |steer_narrow| {
            DefaultAdr.decide(&AdrInput {
                band,
                current: AdrParameters { nb_trans: 2, ..at(4, 3) },
                channel_data_rates: DataRateSet::range(DataRateIndex::ZERO, dr(4)),
                rejected: &rejected,
                limits: AdrDynamic { steer_narrow, ..AdrDynamic::default() },
                last_change_f_cnt: None,
                uplinks: &uplinks,
            })
        };
        let AdrDecision::Use { parameters, .. } = decide(true) else { panic!("kept") };
        assert_eq!(parameters, AdrParameters { nb_trans: 2, ..at(3, 0) });
        let AdrDecision::Use { parameters, .. } = decide(false) else { panic!("kept") };
        assert_eq!(parameters.data_rate, dr(4));
    }

    #[test]
    fn no_uplinks_and_no_data_rates_are_reasons_to_keep() {
        let all = Rejected { adr_data_rates: 0xFF, ..Rejected::default() };
        assert_eq!(decide_eu(at(0, 0), 1.0, 0, &all), AdrDecision::Keep(AdrKeep::NoUplinks));
        assert_eq!(decide_eu(at(0, 0), 1.0, 1, &all), AdrDecision::Keep(AdrKeep::NoDataRate));
    }
}

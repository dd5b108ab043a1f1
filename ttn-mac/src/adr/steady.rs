//! Our own policy: it follows the link both ways, and leaves a device alone in between.

use ttn_core::radio::DataRateIndex;

use super::{
    AdrAlgorithm, AdrDecision, AdrEvidence, AdrInput, AdrKeep, AdrParameters, AdrReason,
    DEFAULT_MARGIN, DataRateSet, PowerRange,
    default::{data_rates, nb_trans_within, powers, relevant, steered},
    rules::{demodulation_floor, loss_rate, offset},
};
use crate::{band::Band, state::ADR_RING_LENGTH};

/// A policy that lowers the data rate too.
///
/// The default policy trusts the best SNR of twenty uplinks and leaves it to the device to find out that a link has
/// become worse, which takes it 96 uplinks. This one looks at the mean and the spread:
///
/// * **needed** are 2.5 times the spread between the mean SNR and the demodulation floor, at least [`NEEDED_MIN`] and at
///   most the margin of the settings: a link that varies little needs little;
/// * the link is **better** when the mean, less twice its own uncertainty, is [`HYSTERESIS`] above that for a higher data
///   rate or clearly less power: five uplinks can be enough, twenty mostly are;
/// * it is **worse** when the mean of the last six is [`HYSTERESIS`] below it, or just below it while frames are lost:
///   then the power goes up, and if that is not enough the data rate goes down as far as it takes, in one command;
/// * between the two nothing changes. Losses without a bad link (collisions, interference) are paid for with
///   repetitions: a lower data rate would make them worse.
///
/// A device that has lowered its data rate itself (NS-75) starts a new history with that data rate: it is raised again
/// only when enough uplinks say so.
#[derive(Clone, Copy, Debug, Default)]
pub struct SteadyAdr;

/// The least distance between mean SNR and demodulation floor, in dB.
pub const NEEDED_MIN: f32 = 6.0;
/// How far the mean SNR must be on either side of what is needed before anything changes, in dB.
pub const HYSTERESIS: f32 = 3.0;

impl AdrAlgorithm for SteadyAdr {
    fn decide(&self, input: &AdrInput<'_>) -> AdrDecision {
        decide(input).into()
    }
}

fn decide(input: &AdrInput<'_>) -> Result<(AdrParameters, AdrEvidence), AdrKeep> {
    let AdrInput { band, current, limits, .. } = *input;
    if let Some(parameters) = steered(input) {
        return Ok((parameters, AdrEvidence::without_uplinks(AdrReason::Steered)));
    }
    let allowed = data_rates(input).ok_or(AdrKeep::NoDataRate)?;
    let powers = powers(input)?;
    if let Some(parameters) = into_bounds(current, allowed, powers) {
        return Ok((parameters, AdrEvidence::without_uplinks(AdrReason::Bounds)));
    }
    let link = Link::of(input).ok_or(AdrKeep::NoUplinks)?;
    let choices = Choices { band, current, allowed, powers };
    let floor = choices.floor(current.data_rate).ok_or(AdrKeep::NoFloor)?;
    let needed = link.needed(limits.margin.unwrap_or(DEFAULT_MARGIN));
    let (change, reason) = choices.choose(&link, floor, needed);
    let (change, reason) = match change {
        Some(change) => (change, reason),
        None => match link.repetitions(current.nb_trans) {
            Some(nb_trans) => (AdrParameters { nb_trans, ..current }, AdrReason::Losses),
            None => (current, reason),
        },
    };
    let nb_trans = nb_trans_within(input, change.nb_trans);
    let parameters = AdrParameters { nb_trans, ..change };
    let margin = link.mean - floor - needed;
    let evidence = AdrEvidence {
        reason,
        uplinks: u8::try_from(link.uplinks).unwrap_or(u8::MAX),
        max_snr: link.max,
        margin,
        margin_left: margin + choices.gain(parameters),
        loss_rate: link.loss_rate,
    };
    Ok((parameters, evidence))
}

/// A device that uses what it may not is moved to the nearest that it may.
fn into_bounds(
    current: AdrParameters,
    allowed: DataRateSet,
    powers: PowerRange,
) -> Option<AdrParameters> {
    let above = || allowed.iter().find(|index| *index >= current.data_rate);
    let data_rate = above().or_else(|| allowed.iter().next_back())?;
    let tx_power_index =
        if powers.contains(current.tx_power_index) { current.tx_power_index } else { powers.min };
    let parameters = AdrParameters { data_rate, tx_power_index, ..current };
    (parameters != current).then_some(parameters)
}

/// What the history says of a link.
struct Link {
    uplinks: usize,
    max: f32,
    mean: f32,
    /// The mean of the last [`RECENT`] uplinks, or of all if that is lower.
    recent: f32,
    spread: f32,
    loss_rate: f32,
}

/// The uplinks that show a change for the worse.
const RECENT: usize = 6;
/// Fewer uplinks do not move a data rate.
const UPLINKS_MIN: usize = 5;
/// What is believed of the spread before there are uplinks, in dB, and how many uplinks that belief is worth.
const PRIOR_SPREAD: f32 = 4.0;
const PRIOR_UPLINKS: f32 = 4.0;
/// More losses are too many.
const LOSSES_MAX: f32 = 0.1;
/// More repetitions are not asked for.
const NB_TRANS_MAX: u8 = 3;

impl Link {
    fn of(input: &AdrInput<'_>) -> Option<Self> {
        let snrs = || relevant(input).map(|up| up.max_snr);
        let uplinks = snrs().count();
        let mean = mean(snrs())?;
        let recent = self::mean(snrs().skip(uplinks.saturating_sub(RECENT)))?.min(mean);
        let squares: f32 = snrs().map(|snr| (snr - mean) * (snr - mean)).sum();
        let prior = PRIOR_SPREAD * PRIOR_SPREAD * PRIOR_UPLINKS;
        let variance = (squares + prior) / (uplinks as f32 + PRIOR_UPLINKS);
        Some(Self {
            uplinks,
            max: snrs().reduce(f32::max)?,
            mean,
            recent,
            spread: square_root(variance),
            loss_rate: loss_rate(relevant(input).map(|up| up.f_cnt)),
        })
    }

    fn needed(&self, margin: f32) -> f32 {
        (2.5 * self.spread).max(NEEDED_MIN).min(margin.max(NEEDED_MIN))
    }

    /// How far the mean may be off: two standard errors.
    fn uncertainty(&self) -> f32 {
        2.0 * self.spread / square_root(self.uplinks as f32)
    }

    fn loses(&self) -> bool {
        self.uplinks >= UPLINKS_MIN && self.loss_rate > LOSSES_MAX
    }

    /// Another number of repetitions, for a link that is good enough.
    fn repetitions(&self, current: u8) -> Option<u8> {
        let (full, many) = (self.uplinks >= ADR_RING_LENGTH, self.uplinks >= RECENT);
        if many && self.loss_rate > LOSSES_MAX && current < NB_TRANS_MAX {
            Some(current.max(1).saturating_add(1))
        } else if full && self.loss_rate <= 0.0 && current > 1 {
            Some(current.saturating_sub(1))
        } else {
            None
        }
    }
}

struct Choices<'a> {
    band: &'a Band,
    current: AdrParameters,
    allowed: DataRateSet,
    powers: PowerRange,
}

impl Choices<'_> {
    fn floor(&self, index: DataRateIndex) -> Option<f32> {
        self.band.data_rate(index).and_then(|entry| demodulation_floor(&entry.rate))
    }

    /// How much better the link is with these parameters, in dB.
    fn gain(&self, to: AdrParameters) -> f32 {
        let floor = |of: AdrParameters| self.floor(of.data_rate).unwrap_or_default();
        offset(self.band, to.tx_power_index) - offset(self.band, self.current.tx_power_index)
            + floor(self.current)
            - floor(to)
    }

    fn choose(&self, link: &Link, floor: f32, needed: f32) -> (Option<AdrParameters>, AdrReason) {
        let recent = link.recent - floor;
        let lower_below = if link.loses() { needed } else { needed - HYSTERESIS };
        let has_enough = link.uplinks >= UPLINKS_MIN;
        if has_enough && recent < lower_below {
            let change = self.better(recent, needed);
            return (change, AdrReason::LinkWorse { headroom: recent, needed });
        }
        let raise_above = needed + HYSTERESIS + link.uncertainty();
        if has_enough && !link.loses() {
            let change = self.cheaper(recent - raise_above, link.uplinks);
            if change.is_some() {
                return (change, AdrReason::LinkBetter { headroom: recent, needed: raise_above });
            }
        }
        (None, AdrReason::Hold { headroom: recent, lower_below, raise_above })
    }

    /// Full power, and of the data rates up to the current one the highest that is good enough, or else the lowest.
    fn better(&self, headroom: f32, needed: f32) -> Option<AdrParameters> {
        let full = AdrParameters { tx_power_index: self.powers.min, ..self.current };
        let below = || {
            let slower = self.allowed.iter().rev().skip_while(|dr| *dr > self.current.data_rate);
            slower.map(|data_rate| AdrParameters { data_rate, ..full })
        };
        let is_enough = |to: &AdrParameters| headroom + self.gain(*to) >= needed;
        let found = below().find(is_enough).or_else(|| below().last())?;
        (found != self.current).then_some(found)
    }

    /// What `spare` decibels pay for: a higher data rate, then less power. A saving of power alone must be worth it.
    fn cheaper(&self, spare: f32, uplinks: usize) -> Option<AdrParameters> {
        let with_full_power = |data_rate| AdrParameters {
            data_rate,
            tx_power_index: self.powers.min,
            ..self.current
        };
        let above = self.allowed.iter().rev().take_while(|dr| *dr > self.current.data_rate);
        let is_paid = |to: &AdrParameters| spare + self.gain(*to) >= 0.0;
        let faster = above.map(with_full_power).find(is_paid);
        let from = faster.unwrap_or(self.current);
        let weakest = (self.powers.min..=self.powers.max)
            .rev()
            .filter(|index| self.powers.contains(*index))
            .map(|tx_power_index| AdrParameters { tx_power_index, ..from })
            .find(is_paid);
        if faster.is_some() {
            return weakest.or(faster);
        }
        let saved = |to: &AdrParameters| -self.gain(*to);
        weakest.filter(|to| uplinks >= ADR_RING_LENGTH && saved(to) >= SAVING_MIN)
    }
}

/// Less power is asked for alone only if it saves as much, in dB.
const SAVING_MIN: f32 = 4.0;

fn mean(values: impl Iterator<Item = f32>) -> Option<f32> {
    let (sum, count) =
        values.fold((0.0, 0_u16), |(sum, count), value| (sum + value, count.saturating_add(1)));
    (count > 0).then(|| sum / f32::from(count))
}

/// Newton's method: `core` has no square root. Exact to single precision for what spreads are.
fn square_root(value: f32) -> f32 {
    if value <= 0.0 {
        return 0.0;
    }
    (0..12).fold(value.max(1.0), |root, _| 0.5 * (root + value / root))
}

#[cfg(test)]
mod tests {
    use alloc::{string::ToString as _, vec::Vec};

    use super::*;
    use crate::{
        adr::AdrUplink,
        band::{self, BandId},
        state::{AdrDynamic, Rejected},
        version::PhyVersion,
    };

    fn decide_eu(current: AdrParameters, uplinks: &[(u32, f32)]) -> AdrDecision {
        decide_with(current, uplinks, AdrDynamic::default())
    }

    fn decide_with(
        current: AdrParameters,
        uplinks: &[(u32, f32)],
        limits: AdrDynamic,
    ) -> AdrDecision {
        let uplinks: Vec<_> = uplinks
            .iter()
            .map(|(f_cnt, max_snr)| AdrUplink {
                f_cnt: *f_cnt,
                max_snr: *max_snr,
                data_rate: current.data_rate,
            })
            .collect();
        SteadyAdr.decide(&AdrInput {
            band: band::get(BandId::EU_863_870, PhyVersion::RP001_V1_0_2_REV_B).unwrap(),
            current,
            channel_data_rates: DataRateSet::range(DataRateIndex::ZERO, dr(5)),
            rejected: &Rejected::default(),
            limits,
            last_change_f_cnt: None,
            uplinks: &uplinks,
        })
    }

    fn dr(index: u8) -> DataRateIndex {
        DataRateIndex::from_low_bits(index)
    }

    fn at(data_rate: u8, tx_power_index: u8, nb_trans: u8) -> AdrParameters {
        AdrParameters { data_rate: dr(data_rate), tx_power_index, nb_trans }
    }

    fn steady(count: u32, snr: f32) -> Vec<(u32, f32)> {
        (0..count).map(|f_cnt| (f_cnt, snr)).collect()
    }

    fn used(decision: AdrDecision) -> (AdrParameters, AdrReason) {
        let AdrDecision::Use { parameters, evidence } = decision else { panic!("{decision}") };
        (parameters, evidence.reason)
    }

    // NS-71
    #[test]
    fn a_good_link_pays_for_a_higher_data_rate_and_then_for_less_power() {
        let (parameters, reason) = used(decide_eu(at(0, 0, 1), &steady(20, 10.0)));
        assert_eq!(parameters, at(5, 3, 1));
        assert!(matches!(reason, AdrReason::LinkBetter { .. }));
    }

    #[test]
    fn four_uplinks_are_too_few_and_five_count_for_less_than_twenty() {
        assert_eq!(used(decide_eu(at(0, 0, 1), &steady(4, 10.0))).0, at(0, 0, 1));
        let (five, _) = used(decide_eu(at(0, 0, 1), &steady(5, -5.0)));
        let (twenty, _) = used(decide_eu(at(0, 0, 1), &steady(20, -5.0)));
        assert!(five.data_rate < twenty.data_rate, "{five:?} {twenty:?}");
    }

    #[test]
    fn a_bad_link_gets_full_power_first_and_then_a_lower_data_rate() {
        let (parameters, reason) = used(decide_eu(at(5, 4, 1), &steady(10, -6.0)));
        assert_eq!(parameters, at(5, 0, 1));
        assert!(matches!(reason, AdrReason::LinkWorse { headroom: 1.5, .. }));
        let (parameters, _) = used(decide_eu(at(5, 0, 1), &steady(10, -6.0)));
        assert_eq!(parameters, at(3, 0, 1));
        // As low as it goes.
        let (parameters, _) = used(decide_eu(at(1, 0, 1), &steady(10, -20.0)));
        assert_eq!(parameters, at(0, 0, 1));
    }

    #[test]
    fn between_good_and_bad_nothing_changes_and_the_reason_says_how_far_it_is() {
        let decision = decide_eu(at(5, 0, 1), &steady(20, 1.0));
        let (parameters, reason) = used(decision);
        assert_eq!(parameters, at(5, 0, 1));
        let AdrReason::Hold { headroom, lower_below, raise_above } = reason else {
            panic!("{reason}")
        };
        assert!(lower_below < headroom && headroom < raise_above, "{reason}");
        assert!(decision.to_string().contains("8.5 dB above the floor"), "{decision}");
    }

    // NS-73
    #[test]
    fn losses_of_a_good_link_are_paid_with_repetitions_and_given_back() {
        let every_other: Vec<_> = (0..20).map(|at| (at * 2, 1.0)).collect();
        assert_eq!(used(decide_eu(at(5, 0, 1), &every_other)), (at(5, 0, 2), AdrReason::Losses));
        assert_eq!(used(decide_eu(at(5, 0, 3), &steady(20, 1.0))).0, at(5, 0, 2));
        let limits = AdrDynamic { max_nb_trans: Some(1), ..AdrDynamic::default() };
        assert_eq!(used(decide_with(at(5, 0, 1), &every_other, limits)).0, at(5, 0, 1));
    }

    #[test]
    fn a_device_out_of_bounds_is_moved_at_once() {
        let limits = AdrDynamic { max_data_rate: Some(dr(3)), ..AdrDynamic::default() };
        let (parameters, reason) = used(decide_with(at(5, 0, 1), &steady(1, 0.0), limits));
        assert_eq!((parameters, reason), (at(3, 0, 1), AdrReason::Bounds));
    }

    #[test]
    fn square_roots_are_right() {
        for value in [0.25_f32, 2.0, 16.0, 144.0, 900.0] {
            let root = square_root(value);
            assert!((root * root - value).abs() < 0.001 * value.max(1.0), "{value}: {root}");
        }
        assert_eq!(square_root(0.0), 0.0);
    }
}

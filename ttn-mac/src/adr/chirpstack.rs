//! The default policy of ChirpStack, as the second one to choose from: steps of 3 dB, first for the data rate, then for
//! the power; a missing margin raises the power, never lowers the data rate.

use super::{
    AdrAlgorithm, AdrDecision, AdrEvidence, AdrInput, AdrKeep, AdrParameters, AdrReason,
    DataRateSet, PowerRange, adapt_nb_trans,
    default::{data_rates, nb_trans_within, powers},
    rules::{NB_TRANS_UPLINKS_MIN, demodulation_floor},
};
use crate::state::ADR_RING_LENGTH;

/// ChirpStack's default policy.
///
/// It knows no lower bounds and no refused values; where the settings of a device name some, the nearest value within
/// them is used. It works on LoRa at one bandwidth: for others it keeps what is.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "its one setting")]
pub struct ChirpStackAdr {
    /// The margin in dB that is kept unless the settings of a device say otherwise.
    pub margin: f32,
}

impl Default for ChirpStackAdr {
    fn default() -> Self {
        Self { margin: 10.0 }
    }
}

impl AdrAlgorithm for ChirpStackAdr {
    fn decide(&self, input: &AdrInput<'_>) -> AdrDecision {
        let decided = self.request(input).and_then(|(request, allowed, powers)| {
            let (wanted, evidence) = request.decide()?;
            Ok((within(input, wanted, allowed, powers), evidence))
        });
        decided.into()
    }
}

impl ChirpStackAdr {
    fn request(
        &self,
        input: &AdrInput<'_>,
    ) -> Result<(ChirpStackRequest, DataRateSet, PowerRange), AdrKeep> {
        let AdrInput { band, current, limits, .. } = *input;
        let rate = band.data_rate(current.data_rate).map(|entry| entry.rate);
        let required_snr = rate.as_ref().and_then(demodulation_floor).ok_or(AdrKeep::NoFloor)?;
        let allowed = data_rates(input).ok_or(AdrKeep::NoDataRate)?;
        let powers = powers(input)?;
        let last = input.uplinks.len().saturating_sub(ADR_RING_LENGTH);
        let uplinks = || input.uplinks.iter().skip(last);
        let since = input.last_change_f_cnt.unwrap_or(0);
        let request = ChirpStackRequest {
            current,
            required_snr,
            margin: limits.margin.unwrap_or(self.margin),
            max_data_rate: allowed.iter().next_back().unwrap_or(band.max_adr_data_rate),
            max_tx_power_index: powers.max,
            max_snr: uplinks().map(|up| up.max_snr).reduce(f32::max).ok_or(AdrKeep::NoUplinks)?,
            uplinks: uplinks().count(),
            uplinks_at_power: uplinks().filter(|up| up.f_cnt >= since).count(),
            packet_loss_percent: packet_loss_percent(uplinks().map(|up| up.f_cnt)),
        };
        Ok((request, allowed, powers))
    }
}

/// Moves what the rule wants to where the settings allow it.
fn within(
    input: &AdrInput<'_>,
    wanted: AdrParameters,
    allowed: DataRateSet,
    powers: PowerRange,
) -> AdrParameters {
    let up_to = allowed.iter().rfind(|index| *index <= wanted.data_rate);
    let from = || allowed.iter().next();
    let mut power = (powers.min..=wanted.tx_power_index).rev();
    AdrParameters {
        data_rate: up_to.or_else(from).unwrap_or(input.current.data_rate),
        tx_power_index: power.find(|index| powers.contains(*index)).unwrap_or(powers.min),
        nb_trans: nb_trans_within(input, wanted.nb_trans),
    }
}

/// What the rule looks at.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "built by those who want the rule alone")]
pub struct ChirpStackRequest {
    /// What the device uses.
    pub current: AdrParameters,
    /// The demodulation floor of its data rate, in dB.
    pub required_snr: f32,
    /// The margin to keep, in dB.
    pub margin: f32,
    /// The highest data rate, of LoRa at 125 kHz.
    pub max_data_rate: ttn_core::radio::DataRateIndex,
    /// The highest TXPower index.
    pub max_tx_power_index: u8,
    /// The best SNR of the history, in dB.
    pub max_snr: f32,
    /// How many uplinks the history has, at most [`ADR_RING_LENGTH`].
    pub uplinks: usize,
    /// How many of them were sent with the current power.
    pub uplinks_at_power: usize,
    /// The losses of the history, see [`packet_loss_percent`].
    pub packet_loss_percent: f32,
}

impl ChirpStackRequest {
    /// Applies the rule.
    ///
    /// # Errors
    ///
    /// The power would have to be raised upon a history that is not full, which could as well be undone right after; the
    /// data rate is within bounds and the repetitions stay.
    pub fn decide(&self) -> Result<(AdrParameters, AdrEvidence), AdrKeep> {
        let start = AdrParameters {
            data_rate: self.current.data_rate.min(self.max_data_rate),
            nb_trans: nb_trans(self.current.nb_trans, self.packet_loss_percent),
            ..self.current
        };
        let margin = self.max_snr - self.required_snr - self.margin;
        // `as` truncates towards zero.
        let steps = (margin / STEP) as i32;
        let too_few = steps < 0 && self.uplinks_at_power < ADR_RING_LENGTH;
        if too_few && start == self.current {
            return Err(AdrKeep::TooFewUplinks);
        }
        let steps = if too_few { 0 } else { steps };
        let parameters = ideal_step(steps, start, self.max_tx_power_index, self.max_data_rate);
        let evidence = AdrEvidence {
            reason: AdrReason::Margin,
            uplinks: u8::try_from(self.uplinks).unwrap_or(u8::MAX),
            max_snr: self.max_snr,
            margin,
            margin_left: margin - STEP * steps_between(start, parameters),
            loss_rate: self.packet_loss_percent / 100.0,
        };
        Ok((parameters, evidence))
    }
}

/// What a step of data rate or power costs, in dB.
const STEP: f32 = 3.0;

fn steps_between(from: AdrParameters, to: AdrParameters) -> f32 {
    f32::from(to.data_rate.get()) - f32::from(from.data_rate.get()) + f32::from(to.tx_power_index)
        - f32::from(from.tx_power_index)
}

/// Spends steps on the data rate and then on less power; takes missing ones from the power.
#[must_use]
pub fn ideal_step(
    steps: i32,
    start: AdrParameters,
    max_tx_power_index: u8,
    max_data_rate: ttn_core::radio::DataRateIndex,
) -> AdrParameters {
    let count = u8::try_from(steps.unsigned_abs()).unwrap_or(u8::MAX);
    if steps < 0 {
        return AdrParameters {
            tx_power_index: start.tx_power_index.saturating_sub(count),
            ..start
        };
    }
    let to_highest = max_data_rate.get().saturating_sub(start.data_rate.get());
    let faster = count.min(to_highest);
    let to_weakest = max_tx_power_index.saturating_sub(start.tx_power_index);
    let weaker = count.saturating_sub(faster).min(to_weakest);
    let data_rate = start.data_rate.get().saturating_add(faster);
    AdrParameters {
        data_rate: ttn_core::radio::DataRateIndex::from_low_bits(data_rate),
        tx_power_index: start.tx_power_index.saturating_add(weaker),
        ..start
    }
}

/// How often each uplink should be sent: the table of the default policy, for 1 to 3.
#[must_use]
pub fn nb_trans(current: u8, packet_loss_percent: f32) -> u8 {
    adapt_nb_trans(current.clamp(1, 3), NB_TRANS_UPLINKS_MIN, packet_loss_percent / 100.0)
}

/// Lost frames per received one, in percent, for counters in rising order. Zero for a history that is not full.
#[must_use]
pub fn packet_loss_percent(f_cnts: impl IntoIterator<Item = u32>) -> f32 {
    let (mut received, mut lost, mut last) = (0_u16, 0_u32, None::<u32>);
    for f_cnt in f_cnts {
        let gap = last.map_or(0, |last| f_cnt.saturating_sub(last).saturating_sub(1));
        lost = lost.saturating_add(gap);
        received = received.saturating_add(1);
        last = Some(f_cnt);
    }
    if usize::from(received) < ADR_RING_LENGTH {
        return 0.0;
    }
    lost as f32 / f32::from(received) * 100.0
}

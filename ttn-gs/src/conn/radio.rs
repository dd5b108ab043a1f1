//! What the frequency plans and the band of a gateway say about its transmissions (GS-61, GS-68, GS-72 to GS-74).

use std::{sync::Arc, time::Duration};

use ttn_core::{
    id::{FrequencyPlanId, GatewayId},
    peer::GatewayInfo,
    radio::{DataRate, Frequency},
};
use ttn_mac::{
    band::{self, Band, SubBand},
    plan::{FrequencyPlan, PlanSubBand, Plans},
};

use crate::{
    error::Error,
    sched::{Refusal, Rules, SubBandRule},
};

/// The frequency plans of a gateway and their band.
#[derive(Clone, Debug)]
pub struct RadioPlan {
    plans: Vec<Arc<FrequencyPlan>>,
    known: Arc<Plans>,
    band: &'static Band,
    gains: Vec<f32>,
    enforce_duty_cycle: bool,
}

impl RadioPlan {
    /// Finds the plans of a gateway among those that the network knows.
    ///
    /// # Errors
    ///
    /// There is none, one is not known, or they are of several bands (GS-06).
    pub fn new(info: &GatewayInfo, known: &Arc<Plans>) -> Result<Self, Error> {
        let find = |id: &FrequencyPlanId| {
            known.get(id.as_str()).map_err(|_| Error::FrequencyPlan { id: id.clone() }).cloned()
        };
        let plans: Vec<_> = info.frequency_plan_ids.iter().map(find).collect::<Result<_, _>>()?;
        let main = plans.first().ok_or_else(|| no_plan(&info.ids.gateway_id))?;
        if plans.iter().any(|plan| plan.band_id != main.band_id) {
            return Err(Error::FrequencyPlansOfSeveralBands);
        }
        let band = band::latest(main.band_id).ok_or_else(|| no_plan(&info.ids.gateway_id))?;
        Ok(Self {
            band,
            gains: info.antennas.iter().map(|(gain, _)| *gain).collect(),
            enforce_duty_cycle: info.enforce_duty_cycle,
            plans,
            known: known.clone(),
        })
    }

    /// What the scheduler keeps to (GS-68).
    ///
    /// # Errors
    ///
    /// Sub-bands of the plans overlap without being the same (GS-06).
    pub fn rules(&self) -> Result<Rules, Error> {
        if !self.enforce_duty_cycle {
            return Ok(Rules::unlimited());
        }
        let mut sub_bands: Vec<SubBandRule> = Vec::new();
        for plan in &self.plans {
            for rule in self.sub_bands(plan) {
                let from_others = sub_bands.iter().filter(|known| overlap(known, &rule));
                let mut from_others = from_others.peekable();
                if from_others.peek().is_none() {
                    sub_bands.push(rule);
                } else if self.plans.len() > 1 && !from_others.any(|known| *known == rule) {
                    return Err(Error::SubBandsOverlap);
                } else if self.plans.len() == 1 {
                    // Neighbours of one table share their edge; the first holds there.
                    sub_bands.push(rule);
                }
            }
        }
        Ok(Rules { sub_bands, time_off_air: Duration::ZERO })
    }

    /// The sub-bands of a plan; those of the band where it has none.
    fn sub_bands(&self, plan: &FrequencyPlan) -> Vec<SubBandRule> {
        if plan.sub_bands.is_empty() {
            let own =
                |sub: &SubBand| sub_band_rule(sub.min_frequency, sub.max_frequency, sub.duty_cycle);
            return plan.sub_bands_of(self.band).iter().map(own).collect();
        }
        // A plan may name a sub-band without saying anything about its duty cycle.
        let own = |sub: &PlanSubBand| {
            let duty_cycle = sub.duty_cycle.filter(|part| *part > 0.0).unwrap_or(1.0);
            sub_band_rule(sub.min_frequency, sub.max_frequency, duty_cycle)
        };
        plan.sub_bands.iter().map(own).collect()
    }

    /// The plan of a request: it must be known and of the gateway's band (GS-74).
    ///
    /// # Errors
    ///
    /// It is not.
    pub fn plan_of_request(&self, id: &FrequencyPlanId) -> Result<&FrequencyPlan, Error> {
        if let Some(own) = self.plans.iter().find(|plan| plan.id == id.as_str()) {
            return Ok(own);
        }
        let plan = self.known.get(id.as_str()).ok().filter(|plan| plan.band_id == self.band.id);
        plan.map(AsRef::as_ref).ok_or_else(|| Error::FrequencyPlan { id: id.clone() })
    }

    /// Checks that a data rate exists and can carry a frame, in a window of the device (GS-61).
    ///
    /// # Errors
    ///
    /// [`Refusal::DataRate`] or [`Refusal::TooLong`].
    pub fn check_length(
        &self,
        plan: &FrequencyPlan,
        window: u8,
        data_rate: DataRate,
        length: usize,
    ) -> Result<(), Refusal> {
        let unknown = Refusal::DataRate { window, data_rate };
        if matches!(data_rate, DataRate::LrFhss { .. }) {
            return Err(unknown);
        }
        let dwell = plan.dwell_time_limit(true).is_some();
        let index = self.band.downlink_data_rate(&data_rate).ok_or_else(|| unknown.clone())?;
        let payload = self.band.max_mac_payload_of_downlink(index, dwell).ok_or(unknown)?;
        let max = usize::from(payload) + PHY_OVERHEAD;
        if length > max { Err(Refusal::TooLong { length, max, data_rate }) } else { Ok(()) }
    }

    /// The power of the transmitter in dBm: the latest of band, its sub-band, plan, its sub-band that sets an EIRP,
    /// less the gain of the antenna (GS-73).
    #[must_use]
    pub fn tx_power(&self, plan: &FrequencyPlan, frequency: Frequency, antenna: u32) -> f32 {
        let of_plan = plan.sub_bands.iter();
        let of_plan = of_plan.filter(|sub| sub.min_frequency <= frequency);
        let of_plan = of_plan.filter(|sub| frequency <= sub.max_frequency).find_map(|s| s.max_eirp);
        let of_band = || self.band.sub_band(frequency).map(|(_, sub)| sub.max_eirp);
        let eirp = of_plan.or(plan.max_eirp).or_else(of_band).unwrap_or(self.band.default_max_eirp);
        let antenna = usize::try_from(antenna).unwrap_or(usize::MAX);
        eirp - self.gains.get(antenna).copied().unwrap_or_default()
    }

    /// The longest transmission that a plan allows, if it limits it (GS-72).
    #[must_use]
    pub fn dwell_time(plan: &FrequencyPlan) -> Option<Duration> {
        plan.dwell_time_limit(true)
    }
}

fn no_plan(gateway: &GatewayId) -> Error {
    Error::NoFrequencyPlan { gateway_id: gateway.clone() }
}

fn sub_band_rule(min: Frequency, max: Frequency, duty_cycle: f32) -> SubBandRule {
    SubBandRule {
        min_frequency: min,
        max_frequency: max,
        duty_cycle_ppm: (f64::from(duty_cycle.min(1.0)) * 1e6).round() as u32,
    }
}

fn overlap(a: &SubBandRule, b: &SubBandRule) -> bool {
    a.min_frequency < b.max_frequency && b.min_frequency < a.max_frequency
}

/// MHDR and MIC: what a PHYPayload has besides the MACPayload.
const PHY_OVERHEAD: usize = 5;

#[cfg(test)]
mod tests {
    use ttn_core::{id::GatewayIds, msg::PathConstraint};

    use super::*;

    fn info(plans: &[&str]) -> GatewayInfo {
        let gateway_id = GatewayId::new("gtw").unwrap();
        GatewayInfo {
            ids: GatewayIds { gateway_id, eui: None },
            frequency_plan_ids: plans.iter().map(|id| FrequencyPlanId::new(id).unwrap()).collect(),
            enforce_duty_cycle: true,
            require_authenticated_connection: false,
            schedule_downlink_late: false,
            schedule_anytime_delay: None,
            path_constraint: PathConstraint::None,
            antennas: vec![(3.0, None)],
            location_public: false,
            status_public: false,
            update_location_from_status: false,
            disable_packet_broker_forwarding: false,
            gateway_server_address: String::new(),
        }
    }

    fn radio(info: &GatewayInfo) -> Result<RadioPlan, Error> {
        RadioPlan::new(info, &Arc::default())
    }

    // GS-68, GS-73
    #[test]
    fn the_band_gives_sub_bands_and_power_where_the_plan_is_silent() {
        let radio = radio(&info(&["EU_863_870_TTN"])).unwrap();
        let plan = &radio.plans[0];
        assert!((radio.tx_power(plan, Frequency::from_hz(869_525_000), 1) - 29.15).abs() < 1e-4);
        assert!((radio.tx_power(plan, Frequency::from_hz(868_100_000), 0) - 13.15).abs() < 1e-4);
        let rules = radio.rules().unwrap();
        let g1 = rules.sub_bands.iter().find(|sub| sub.min_frequency.hz() == 868_000_000).unwrap();
        assert_eq!(g1.duty_cycle_ppm, 10_000);
    }

    // GS-61
    #[test]
    fn lengths_are_those_of_the_data_rate() {
        let radio = radio(&info(&["EU_863_870_TTN"])).unwrap();
        let plan = &radio.plans[0];
        let sf12 = DataRate::lora(12, 125_000);
        assert_eq!(radio.check_length(plan, 1, sf12, 64), Ok(()));
        let refused = radio.check_length(plan, 1, sf12, 65);
        assert_eq!(refused, Err(Refusal::TooLong { length: 65, max: 64, data_rate: sf12 }));
        let unknown = DataRate::lora(8, 500_000);
        let refused = radio.check_length(plan, 2, unknown, 10);
        assert_eq!(refused, Err(Refusal::DataRate { window: 2, data_rate: unknown }));
    }

    // GS-06
    #[test]
    fn plans_of_two_bands_do_not_go_together() {
        let two = info(&["EU_863_870_TTN", "US_902_928_FSB_2"]);
        assert!(matches!(radio(&two), Err(Error::FrequencyPlansOfSeveralBands)));
        let same = info(&["EU_863_870_TTN", "EU_863_870"]);
        assert_eq!(
            radio(&same).unwrap().rules().unwrap(),
            radio(&info(&["EU_863_870"])).unwrap().rules().unwrap()
        );
        assert!(matches!(radio(&info(&[])), Err(Error::NoFrequencyPlan { .. })));
        assert!(matches!(radio(&info(&["XX"])), Err(Error::FrequencyPlan { .. })));
    }
}

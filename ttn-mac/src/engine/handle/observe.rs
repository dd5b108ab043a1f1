//! What the uplink itself tells: the data rate that the device uses, and what ADR makes of it.

use super::{Handling, MacEvent};
use crate::{
    adr::{AdrDecision, AdrInput, AdrParameters, AdrUplink, DataRateSet},
    band::{Band, ChannelMask},
    engine::requests::NO_CHANGE,
    state::{ADR_RING_LENGTH, AdrDynamic, AdrMode, Channels, Parameters},
    version::MacRules as _,
};

impl Handling<'_> {
    /// A device that uses another data rate than asked has chosen it by itself; if it is lower, it also sends at full
    /// power again (NS-75).
    pub(in crate::engine) fn observe(&mut self, adr: bool) {
        let used = self.matched.channel.data_rate_index;
        let current = &mut self.st.slow.current;
        if used == current.adr_data_rate {
            return;
        }
        if adr && used < current.adr_data_rate {
            current.adr_tx_power_index = 0;
        }
        current.adr_data_rate = used;
        self.slow_changed = true;
    }

    /// Makes the desired ADR parameters again (NS-68, NS-69).
    pub(in crate::engine) fn run_adr(&mut self, adr: bool) {
        let current = parameters(&self.st.slow.current);
        let desired = match self.engine.adr_mode() {
            AdrMode::Static(fixed) if adr => AdrParameters {
                data_rate: fixed.data_rate,
                tx_power_index: fixed.tx_power_index,
                nb_trans: fixed.nb_trans.clamp(1, 15),
            },
            AdrMode::Dynamic(limits) if adr => self.decide(current, limits),
            // The device controls its data rate itself.
            _ => current,
        };
        if parameters(&self.st.slow.desired) != desired {
            let slow = &mut self.st.slow.desired;
            slow.adr_data_rate = desired.data_rate;
            slow.adr_tx_power_index = desired.tx_power_index;
            slow.adr_nb_trans = desired.nb_trans;
            self.slow_changed = true;
        }
    }

    fn decide(&mut self, current: AdrParameters, limits: AdrDynamic) -> AdrParameters {
        let (band, slow, hot) = (self.engine.band, &self.st.slow, &self.st.hot);
        let latest = self.matched.f_cnt;
        let samples = hot.adr_ring.samples();
        // Twenty at most: no allocation for every uplink.
        let mut uplinks = [AdrUplink::default(); ADR_RING_LENGTH];
        for (uplink, sample) in uplinks.iter_mut().zip(samples) {
            let (f_cnt, max_snr) = (sample.f_cnt(latest), sample.max_snr());
            *uplink = AdrUplink { f_cnt, max_snr, data_rate: sample.data_rate() };
        }
        let decision = self.engine.adr.decide(&AdrInput {
            band,
            current,
            channel_data_rates: channel_data_rates(
                band,
                &slow.current.channels,
                slow.current.channels.enabled,
            ),
            rejected: &slow.rejected,
            limits,
            last_change_f_cnt: hot.last_adr_change_f_cnt,
            uplinks: uplinks.get(..samples.len()).unwrap_or_default(),
        });
        match decision {
            AdrDecision::Use { parameters, .. } if parameters != current => {
                self.events.push(MacEvent::AdrDecided(decision));
                // Where the highest index stands for “keep” it is no power, whatever the table of the band has.
                let kept = slow.version.has_no_change_adr_indices();
                let weakest = if kept { NO_CHANGE.saturating_sub(1) } else { NO_CHANGE };
                let tx_power_index = parameters.tx_power_index.min(weakest);
                AdrParameters { tx_power_index, ..parameters }
            }
            _ => current,
        }
    }
}

impl crate::engine::Engine<'_> {
    /// How the data rate is controlled. Bands without dynamic ADR and multicast groups stay off (NS-68).
    pub(in crate::engine) fn adr_mode(&self) -> AdrMode {
        match self.setting(|set| set.adr).unwrap_or_default() {
            _ if self.classes.multicast => AdrMode::Disabled,
            AdrMode::Dynamic(_) if !self.band.supports_dynamic_adr => AdrMode::Disabled,
            mode => mode,
        }
    }
}

const fn parameters(of: &Parameters) -> AdrParameters {
    AdrParameters {
        data_rate: of.adr_data_rate,
        tx_power_index: of.adr_tx_power_index,
        nb_trans: of.adr_nb_trans,
    }
}

/// The data rates of those channels that are in the mask.
pub(in crate::engine) fn channel_data_rates(
    band: &Band,
    channels: &Channels,
    mask: ChannelMask,
) -> DataRateSet {
    channels
        .iter(band)
        .filter(|(index, _)| mask.contains(*index))
        .map(|(_, channel)| DataRateSet::range(channel.min_data_rate, channel.max_data_rate))
        .fold(DataRateSet::default(), DataRateSet::or)
}

//! Which parameters a device has at boot, and which it should have (NS-37, NS-38).

use alloc::vec::Vec;

use ttn_core::version::MacVersion;

use super::Engine;
use crate::{
    adr::ack_exponent,
    band::{Band, ChannelMask},
    state::{
        Channel, Channels, FACTORY_PRESETS_MAX, Hot, MacState, Parameters, Rejected, Session,
        SlowState,
    },
};

/// The RX1 delay in seconds that is wanted unless something else is set (NS-24).
const DEFAULT_DESIRED_RX1_DELAY: u8 = 5;

impl Engine<'_> {
    /// The state of a device that joins and has not yet.
    #[must_use]
    pub fn new_otaa(&self, version: MacVersion) -> MacState {
        self.new_state(version, true, None)
    }

    /// The state of a device that has its session from the start (NS-31), or whose session is imported.
    #[must_use]
    pub fn new_abp(&self, version: MacVersion, session: Session) -> MacState {
        self.new_state(version, false, Some(session))
    }

    /// Makes the desired parameters again after settings, defaults or plan have changed. What ADR wants is kept. A class
    /// that the device cannot do any more is given up; a multicast group cannot be asked, it has what is set.
    pub fn refresh_desired(&self, st: &mut MacState) {
        self.settle_class(st);
        if self.classes.multicast {
            st.slow.current = self.boot_parameters();
            st.slow.ping_slot_periodicity = self.setting(|set| set.ping_slot_periodicity);
        }
        let wanted = &st.slow.desired;
        st.slow.desired = Parameters {
            adr_data_rate: wanted.adr_data_rate,
            adr_tx_power_index: wanted.adr_tx_power_index,
            adr_nb_trans: wanted.adr_nb_trans,
            ..self.desired_parameters()
        };
    }

    /// The counter that the next item of the application's queue may have at least.
    #[must_use]
    pub fn next_app_f_cnt(&self, st: &MacState) -> u32 {
        let last = if st.slow.version.is_1_1() { st.hot.a_f_cnt_down } else { st.hot.n_f_cnt_down };
        last.map_or(0, |last| last.saturating_add(1))
    }

    fn new_state(
        &self,
        version: MacVersion,
        supports_join: bool,
        session: Option<Session>,
    ) -> MacState {
        MacState::new(
            SlowState {
                version,
                supports_join,
                session,
                pending_session: None,
                current: self.boot_parameters(),
                desired: self.desired_parameters(),
                pending_requests: Vec::new(),
                rejected: Rejected::default(),
                status: None,
                class: self.start_class(version),
                ping_slot_periodicity: self.setting(|set| set.ping_slot_periodicity),
                force_rejoin: None,
                rejoin_count_0: None,
            },
            Hot::default(),
        )
    }

    /// What the device does after it has started.
    pub(super) fn boot_parameters(&self) -> Parameters {
        let band = self.band;
        Parameters {
            max_eirp: band.default_max_eirp,
            adr_data_rate: band
                .uplink_channels
                .first()
                .map(|first| first.min_data_rate)
                .unwrap_or_default(),
            adr_tx_power_index: 0,
            adr_nb_trans: 1,
            adr_ack_limit_exponent: ack_exponent(band.adr_ack_limit),
            adr_ack_delay_exponent: ack_exponent(band.adr_ack_delay),
            rx1_delay: self
                .setting(|set| set.rx1_delay)
                .unwrap_or_else(|| u8::try_from(band.receive_delay_1.as_secs()).unwrap_or(1)),
            rx1_dr_offset: self.setting(|set| set.rx1_dr_offset).unwrap_or(0),
            rx2_data_rate: self
                .setting(|set| set.rx2_data_rate)
                .unwrap_or(band.default_rx2.data_rate),
            rx2_frequency: self
                .setting(|set| set.rx2_frequency)
                .unwrap_or(band.default_rx2.frequency),
            max_duty_cycle: self.setting(|set| set.max_duty_cycle).unwrap_or(0),
            uplink_dwell_time: self
                .setting(|set| set.uplink_dwell_time)
                .or(band.boot_dwell_time.uplinks),
            downlink_dwell_time: self
                .setting(|set| set.downlink_dwell_time)
                .or(band.boot_dwell_time.downlinks),
            channels: self.boot_channels(),
            ping_slot_frequency: self.setting(|set| set.ping_slot_frequency).unwrap_or_default(),
            ping_slot_data_rate: self.setting(|set| set.ping_slot_data_rate),
            beacon_frequency: self.setting(|set| set.beacon_frequency).unwrap_or_default(),
            rejoin_time_exponent: 0,
            rejoin_count_exponent: 0,
            relay: self.setting(|set| set.relay.clone()),
        }
    }

    /// What the device should do.
    pub(super) fn desired_parameters(&self) -> Parameters {
        let (boot, plan) = (self.boot_parameters(), self.plan);
        if self.classes.multicast {
            return boot;
        }
        let plan_dwell = plan.dwell_time;
        // Where the network sets it, whatever the device does at boot.
        let has_dwell_time = self.band.supports_tx_param_setup;
        Parameters {
            max_eirp: self
                .setting(|set| set.desired_max_eirp)
                .or(plan.max_eirp)
                .unwrap_or(boot.max_eirp),
            adr_ack_limit_exponent: self
                .setting(|set| set.desired_adr_ack_limit_exponent)
                .unwrap_or(boot.adr_ack_limit_exponent),
            adr_ack_delay_exponent: self
                .setting(|set| set.desired_adr_ack_delay_exponent)
                .unwrap_or(boot.adr_ack_delay_exponent),
            rx1_delay: self
                .setting(|set| set.desired_rx1_delay)
                .unwrap_or(DEFAULT_DESIRED_RX1_DELAY),
            rx1_dr_offset: self
                .setting(|set| set.desired_rx1_dr_offset)
                .unwrap_or(boot.rx1_dr_offset),
            rx2_data_rate: self
                .setting(|set| set.desired_rx2_data_rate)
                .or(plan.rx2_default_data_rate)
                .unwrap_or(self.band.default_rx2.data_rate),
            rx2_frequency: self
                .setting(|set| set.desired_rx2_frequency)
                .or(plan.rx2_frequency)
                .unwrap_or(self.band.default_rx2.frequency),
            max_duty_cycle: self
                .setting(|set| set.desired_max_duty_cycle)
                .unwrap_or(boot.max_duty_cycle),
            uplink_dwell_time: self
                .setting(|set| set.desired_uplink_dwell_time)
                .or_else(|| plan_dwell.and_then(|limit| limit.uplinks))
                .filter(|_| has_dwell_time || boot.uplink_dwell_time.is_some())
                .or(boot.uplink_dwell_time),
            downlink_dwell_time: self
                .setting(|set| set.desired_downlink_dwell_time)
                .or_else(|| plan_dwell.and_then(|limit| limit.downlinks))
                .filter(|_| has_dwell_time || boot.downlink_dwell_time.is_some())
                .or(boot.downlink_dwell_time),
            channels: self.desired_channels(),
            ping_slot_frequency: self
                .setting(|set| set.desired_ping_slot_frequency)
                .unwrap_or(boot.ping_slot_frequency),
            ping_slot_data_rate: self
                .setting(|set| set.desired_ping_slot_data_rate)
                .or(boot.ping_slot_data_rate),
            beacon_frequency: self
                .setting(|set| set.desired_beacon_frequency)
                .unwrap_or(boot.beacon_frequency),
            rejoin_time_exponent: self
                .setting(|set| set.desired_rejoin_time_exponent)
                .unwrap_or(boot.rejoin_time_exponent),
            rejoin_count_exponent: self
                .setting(|set| set.desired_rejoin_count_exponent)
                .unwrap_or(boot.rejoin_count_exponent),
            relay: self.setting(|set| set.desired_relay.clone()).or_else(|| boot.relay.clone()),
            ..boot
        }
    }

    fn boot_channels(&self) -> Channels {
        let presets = [self.settings, self.defaults]
            .into_iter()
            .map(|set| &set.factory_preset_frequencies)
            .find(|presets| !presets.is_empty());
        let at_boot = Channels::at_boot(self.band);
        let Some(presets) = presets else { return at_boot };
        if self.band.has_fixed_channels() {
            let enabled = (0_u8..)
                .zip(self.band.uplink_channels)
                .filter(|(_, channel)| presets.contains(&channel.frequency))
                .map(|(index, _)| index);
            return Channels { enabled: enabled.collect(), ..at_boot };
        }
        let Some(model) = self.band.uplink_channels.first() else { return at_boot };
        let count = FACTORY_PRESETS_MAX.min(usize::from(self.band.uplink_channels_max));
        let mut channels = Channels::default();
        for (index, frequency) in (0_u8..).zip(presets.iter().take(count)) {
            let channel = Channel {
                uplink_frequency: *frequency,
                downlink_frequency: *frequency,
                min_data_rate: model.min_data_rate,
                max_data_rate: model.max_data_rate,
            };
            channels.set(self.band, index, Some(channel));
        }
        channels
    }

    /// The channels of the plan. Those of the band keep their places; they are on if the plan has them.
    fn desired_channels(&self) -> Channels {
        let (band, plan) = (self.band, self.plan);
        let at_boot = Channels::at_boot(band);
        let in_plan =
            |frequency| plan.uplink_channels.iter().any(|channel| channel.frequency == frequency);
        let mut channels = Channels {
            enabled: at_boot
                .iter(band)
                .filter(|(_, channel)| in_plan(channel.uplink_frequency))
                .map(|(index, _)| index)
                .collect::<ChannelMask>(),
            ..at_boot
        };
        if band.has_fixed_channels() {
            return channels;
        }
        for (place, wanted) in plan.uplink_channels.iter().enumerate() {
            let downlink =
                plan.downlink_channels.get(place).map_or(wanted.frequency, |down| down.frequency);
            let channel = Channel {
                uplink_frequency: wanted.frequency,
                downlink_frequency: downlink,
                min_data_rate: wanted.min_data_rate,
                max_data_rate: wanted.max_data_rate,
            };
            let index = channels
                .index_of(band, wanted.frequency)
                .unwrap_or_else(|| next_index(band, &channels));
            channels.set(band, index, Some(channel));
        }
        channels
    }
}

/// The first index without channel; out of reach if there is none.
fn next_index(band: &Band, channels: &Channels) -> u8 {
    (0..band.uplink_channels_max)
        .find(|index| channels.channel(band, *index).is_none())
        .unwrap_or(u8::MAX)
}

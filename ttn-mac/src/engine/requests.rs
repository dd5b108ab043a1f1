//! What the network wants changed: the difference between current and desired parameters, as requests in the order of
//! NS-66.

use alloc::vec::Vec;

use ttn_core::radio::DataRateIndex;

use super::{
    Engine,
    handle::{STICKY_DL_CHANNEL, channel_data_rates},
};
use crate::{
    band::{ChannelMask, index_of_eirp},
    command::Command,
    state::{Channel, MacState, Parameters, STATUS_COUNT_DEFAULT, STATUS_TIME_DEFAULT},
    version::MacRules as _,
};

/// Requests that stand or fall together: all of them go into a downlink, or none.
pub(super) type Block = Vec<Command>;

/// “Keep the value” in LinkADRReq, from LoRaWAN 1.0.4 on (TS001-1.0.4 §5.2).
pub(super) const NO_CHANGE: u8 = 15;
/// How many uplinks in a row may leave requests unanswered before they become rarer.
const UNANSWERED_FREE: u8 = 3;

impl Engine<'_> {
    /// Everything that should be asked.
    pub(super) fn requests(&self, st: &MacState) -> Vec<Block> {
        let slow = &st.slow;
        let (current, desired) = (&slow.current, &slow.desired);
        let mut blocks = Vec::new();
        if self.classes.multicast {
            return blocks;
        }
        if current.max_duty_cycle != desired.max_duty_cycle {
            let max_duty_cycle = desired.max_duty_cycle.min(15);
            blocks.push(Block::from([Command::DutyCycleReq { max_duty_cycle }]));
        }
        blocks.extend(self.tx_param_setup(st).map(|command| Block::from([command])));
        blocks.extend(rx_param_setup(st).map(|command| Block::from([command])));
        let new_channels = self.new_channels(st);
        let link_adr = if new_channels.is_empty() { self.link_adr(st) } else { Block::new() };
        blocks.extend(new_channels.into_iter().map(|command| Block::from([command])));
        blocks.extend(Some(link_adr).filter(|block| !block.is_empty()));
        if current.rx1_delay != desired.rx1_delay {
            let delay = desired.rx1_delay.clamp(1, 15);
            blocks.push(Block::from([Command::RxTimingSetupReq { delay }]));
        }
        blocks.extend(beacon_freq(st).map(|command| Block::from([command])));
        blocks.extend(self.ping_slot_channel(st).map(|command| Block::from([command])));
        blocks.extend(self.dl_channels(st).into_iter().map(|command| Block::from([command])));
        if slow.version.uses_adr_param_setup_req() && adr_ack(current) != adr_ack(desired) {
            blocks.push(Block::from([Command::AdrParamSetupReq {
                adr_ack_limit_exponent: desired.adr_ack_limit_exponent.min(15),
                adr_ack_delay_exponent: desired.adr_ack_delay_exponent.min(15),
            }]));
        }
        blocks.extend(force_rejoin(st).map(|command| Block::from([command])));
        blocks.extend(rejoin_param_setup(st).map(|command| Block::from([command])));
        blocks.extend(self.dev_status(st).map(|command| Block::from([command])));
        blocks.extend(self.relay_requests(st).into_iter().map(|command| Block::from([command])));
        blocks
    }

    /// Whether requests alone are a reason to send. A device that has left them unanswered for some uplinks is asked with
    /// every second one from then on, then every fourth, up to every sixteenth; whatever is sent for another reason takes
    /// them along. Without that, every uplink of a device that ignores them would cost a downlink for ever.
    pub(super) fn requests_are_due(&self, st: &MacState) -> bool {
        let rarer = st.hot.unanswered.saturating_sub(UNANSWERED_FREE);
        let every = 1_u32.checked_shl(rarer.into()).unwrap_or(1);
        let turn = st.hot.f_cnt_up.unwrap_or(0).checked_rem(every) == Some(0);
        turn || st.slow.force_rejoin.is_some()
    }

    /// NS-49: after so many uplinks or so much time, and if the device never told.
    fn dev_status(&self, st: &MacState) -> Option<Command> {
        let count =
            self.setting(|set| set.status_count_periodicity).unwrap_or(STATUS_COUNT_DEFAULT);
        let period = self.setting(|set| set.status_time_periodicity).unwrap_or(STATUS_TIME_DEFAULT);
        if count == 0 && period.is_zero() {
            return None;
        }
        let (f_cnt, at) = (st.hot.f_cnt_up?, st.hot.last_uplink_at?);
        let is_due = st.slow.status.is_none_or(|status| {
            // A counter below that of the status is one of a new session.
            let uplinks = f_cnt.checked_sub(status.f_cnt_up).unwrap_or(f_cnt);
            (count > 0 && uplinks >= count)
                || (!period.is_zero() && at.since(status.received_at) >= period)
        });
        is_due.then_some(Command::DevStatusReq)
    }

    /// NS-52.
    fn tx_param_setup(&self, st: &MacState) -> Option<Command> {
        let slow = &st.slow;
        if !self.band.supports_tx_param_setup || !slow.version.uses_tx_param_setup_req() {
            return None;
        }
        let wanted = |of: &Parameters| Command::TxParamSetupReq {
            max_eirp_index: index_of_eirp(of.max_eirp),
            uplink_dwell_time: of.uplink_dwell_time.unwrap_or(false),
            downlink_dwell_time: of.downlink_dwell_time.unwrap_or(false),
        };
        let request = wanted(&slow.desired);
        // What the device does at boot is not known where the band leaves it open.
        let unknown =
            |current: Option<bool>, desired: Option<bool>| current.is_none() && desired.is_some();
        let (current, desired) = (&slow.current, &slow.desired);
        let unknown = unknown(current.uplink_dwell_time, desired.uplink_dwell_time)
            || unknown(current.downlink_dwell_time, desired.downlink_dwell_time);
        (unknown || request != wanted(&slow.current)).then_some(request)
    }

    /// NS-60.
    fn ping_slot_channel(&self, st: &MacState) -> Option<Command> {
        let (current, desired, rejected) = (&st.slow.current, &st.slow.desired, &st.slow.rejected);
        let channel = |of: &Parameters| {
            let data_rate = of.ping_slot_data_rate.unwrap_or(self.band.beacon.data_rate);
            (of.ping_slot_frequency, data_rate)
        };
        let (frequency, data_rate_index) = channel(desired);
        let refused = rejected.frequencies.contains(&frequency)
            || rejected.ping_slot_data_rates & (1_u16 << data_rate_index.get()) != 0;
        (channel(current) != channel(desired) && !refused)
            .then_some(Command::PingSlotChannelReq { frequency, data_rate_index })
    }

    /// NS-50: channels behind those of the band.
    fn new_channels(&self, st: &MacState) -> Vec<Command> {
        let (band, slow) = (self.band, &st.slow);
        if band.has_fixed_channels() || slow.current.channels == slow.desired.channels {
            return Vec::new();
        }
        let first = u8::try_from(band.uplink_channels.len()).unwrap_or(u8::MAX);
        let differs = |index: u8| {
            let current = slow.current.channels.channel(band, index);
            let desired = slow.desired.channels.channel(band, index);
            (uplink_part(current) != uplink_part(desired)).then_some((index, desired))
        };
        (first..band.uplink_channels_max)
            .filter_map(differs)
            .filter(|(index, desired)| {
                let frequency = desired.map(|channel| channel.uplink_frequency).unwrap_or_default();
                !slow.rejected.frequencies.contains(&frequency)
                    && slow.rejected.channel_data_rates & (1_u16 << (index & 15)) == 0
            })
            .map(|(channel_index, desired)| Command::NewChannelReq {
                channel_index,
                frequency: desired.map(|channel| channel.uplink_frequency).unwrap_or_default(),
                min_data_rate_index: desired
                    .map(|channel| channel.min_data_rate)
                    .unwrap_or_default(),
                max_data_rate_index: desired
                    .map(|channel| channel.max_data_rate)
                    .unwrap_or_default(),
            })
            .collect()
    }

    /// NS-46. If the device did not answer the last one, it may do what that said all the same: it is told in any case.
    fn link_adr(&self, st: &MacState) -> Block {
        let slow = &st.slow;
        let (current, desired) = (&slow.current, &slow.desired);
        let unsure = st.hot.link_adr_unsure;
        let mask = self.desired_mask(st);
        // NS-41
        let refused = |mask: u16, index: u8| mask & (1_u16 << (index & 15)) != 0;
        let data_rate = Some(desired.adr_data_rate)
            .filter(|index| unsure || *index != current.adr_data_rate)
            .filter(|index| !refused(slow.rejected.adr_data_rates, index.get()));
        let power = Some(desired.adr_tx_power_index)
            .filter(|index| unsure || *index != current.adr_tx_power_index)
            .filter(|index| !refused(slow.rejected.adr_tx_powers, *index));
        let same_mask = mask == current.channels.enabled;
        if !unsure
            && same_mask
            && data_rate.is_none()
            && power.is_none()
            && desired.adr_nb_trans == current.adr_nb_trans
        {
            return Block::new();
        }
        let used = data_rate.unwrap_or(current.adr_data_rate);
        let data_rate = match self.usable_rate(st, mask, used) {
            usable if usable != used && !same_mask => Some(usable),
            _ => data_rate,
        };
        let no_change = slow.version.has_no_change_adr_indices();
        let keep = DataRateIndex::from_low_bits(NO_CHANGE);
        let data_rate_index =
            data_rate.unwrap_or(if no_change { keep } else { current.adr_data_rate });
        let tx_power_index =
            power.unwrap_or(if no_change { NO_CHANGE } else { current.adr_tx_power_index });
        let pairs = self.band.ch_mask.pairs(current.channels.enabled, mask);
        pairs
            .into_iter()
            .map(|pair| Command::LinkAdrReq {
                data_rate_index,
                tx_power_index,
                channel_mask: pair.ch_mask,
                channel_mask_control: pair.ch_mask_cntl,
                nb_trans: desired.adr_nb_trans.clamp(1, 15),
            })
            .collect()
    }

    /// The data rate that is wanted, if one of these channels allows it; else the nearest that one does, lower ones first. A
    /// device refuses channels together with a data rate that none of them has.
    fn usable_rate(
        &self,
        st: &MacState,
        mask: ChannelMask,
        wanted: DataRateIndex,
    ) -> DataRateIndex {
        let (current, desired) = (&st.slow.current, &st.slow.desired);
        let limits = [current.uplink_dwell_time, desired.uplink_dwell_time];
        let dwell_time = limits.contains(&Some(true));
        let allowed = |index: &DataRateIndex| {
            self.band.max_mac_payload(*index, dwell_time).is_some_and(|max| max > 0)
        };
        let usable =
            || channel_data_rates(self.band, &current.channels, mask).iter().filter(allowed);
        let lower = usable().rfind(|index| *index <= wanted);
        lower.or_else(|| usable().next()).unwrap_or(wanted)
    }

    /// The desired channels, as far as the device has them; the current ones if it has refused just that.
    fn desired_mask(&self, st: &MacState) -> ChannelMask {
        let (current, desired) = (&st.slow.current.channels, &st.slow.desired.channels);
        if current == desired {
            return current.enabled;
        }
        let mask: ChannelMask = desired
            .enabled
            .iter()
            .filter(|index| {
                let desired = desired.channel(self.band, *index);
                uplink_part(desired) == uplink_part(current.channel(self.band, *index))
            })
            .collect();
        if mask.is_empty() || st.slow.rejected.channel_mask == Some(mask) {
            return current.enabled;
        }
        mask
    }

    /// NS-53. Not while the device repeats its last DlChannelAns: if it does not hear this downlink, it does so again, and
    /// that would look like the answer for other channels.
    fn dl_channels(&self, st: &MacState) -> Vec<Command> {
        let slow = &st.slow;
        let repeats = st.hot.sticky & STICKY_DL_CHANNEL != 0;
        let same = slow.current.channels == slow.desired.channels;
        if same || self.band.has_fixed_channels() || !slow.version.uses_dl_channel_req() || repeats
        {
            return Vec::new();
        }
        let wanted = |(index, current): (u8, Channel)| {
            let desired = slow.desired.channels.channel(self.band, index)?;
            let same_uplink = uplink_part(Some(desired)) == uplink_part(Some(current));
            let frequency = desired.downlink_frequency;
            let refused = slow.rejected.frequencies.contains(&frequency);
            (same_uplink && frequency != current.downlink_frequency && !refused)
                .then_some(Command::DlChannelReq { channel_index: index, frequency })
        };
        slow.current.channels.iter(self.band).filter_map(wanted).collect()
    }
}

/// NS-48.
fn rx_param_setup(st: &MacState) -> Option<Command> {
    let (current, desired, rejected) = (&st.slow.current, &st.slow.desired, &st.slow.rejected);
    let windows = |of: &Parameters| (of.rx1_dr_offset, of.rx2_data_rate, of.rx2_frequency);
    let refused = rejected.rx1_dr_offsets & (1_u8 << (desired.rx1_dr_offset & 7)) != 0
        || rejected.rx2_data_rates & (1_u16 << desired.rx2_data_rate.get()) != 0
        || rejected.frequencies.contains(&desired.rx2_frequency);
    (windows(current) != windows(desired) && !refused).then(|| Command::RxParamSetupReq {
        rx1_data_rate_offset: desired.rx1_dr_offset.min(7),
        rx2_data_rate_index: desired.rx2_data_rate,
        rx2_frequency: desired.rx2_frequency,
    })
}

/// NS-62.
fn beacon_freq(st: &MacState) -> Option<Command> {
    let frequency = st.slow.desired.beacon_frequency;
    let refused = st.slow.rejected.frequencies.contains(&frequency);
    (st.slow.current.beacon_frequency != frequency && !refused)
        .then_some(Command::BeaconFreqReq { frequency })
}

/// NS-57: once; no MAC command answers it.
fn force_rejoin(st: &MacState) -> Option<Command> {
    st.slow.force_rejoin.filter(|_| st.slow.version.rejoins()).map(|wanted| {
        Command::ForceRejoinReq {
            period_exponent: wanted.period_exponent,
            max_retries: wanted.max_retries,
            rejoin_type: wanted.rejoin_type,
            data_rate_index: wanted.data_rate,
        }
    })
}

/// NS-58.
fn rejoin_param_setup(st: &MacState) -> Option<Command> {
    let exponents = |of: &Parameters| (of.rejoin_time_exponent, of.rejoin_count_exponent);
    let (current, desired) = (&st.slow.current, &st.slow.desired);
    let differs = exponents(current) != exponents(desired);
    (st.slow.version.uses_rejoin_param_setup_req() && differs).then(|| {
        Command::RejoinParamSetupReq {
            max_time_exponent: desired.rejoin_time_exponent.min(15),
            max_count_exponent: desired.rejoin_count_exponent.min(15),
        }
    })
}

/// What NewChannelReq can say of a channel.
fn uplink_part(channel: Option<Channel>) -> Option<(u64, u8, u8)> {
    channel.map(|channel| {
        (channel.uplink_frequency.hz(), channel.min_data_rate.get(), channel.max_data_rate.get())
    })
}

const fn adr_ack(of: &Parameters) -> (u8, u8) {
    (of.adr_ack_limit_exponent, of.adr_ack_delay_exponent)
}

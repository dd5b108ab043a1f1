//! Channels, data rate and power: LinkADRReq, NewChannelReq, DlChannelReq.

use ttn_core::{
    radio::{DataRateIndex, Frequency},
    version::MacVersion,
};

use super::{Device, parameters::can_tune};
use crate::{
    band::{ChMaskScheme, ChannelMask, MaskPair},
    command::Command,
    state::Channel,
    version::MacRules as _,
};

/// “Keep what you have” in a LinkADRReq (from LoRaWAN 1.0.4 on).
const KEEP: u8 = 15;
/// ChMaskCntl for all channels that the device has, where there are 16.
const ALL_OF_16: u8 = 6;

impl Device {
    /// Requests that stand together are one from LoRaWAN 1.0.2 on; LoRaWAN 1.1 answers them once, the others one by one.
    pub(super) fn link_adr(&mut self, block: &[Command]) {
        let version = self.session_version();
        let at_once = match self.config.band.ch_mask {
            ChMaskScheme::Channels72 { atomic, .. } => atomic,
            _ => version >= MacVersion::V1_0_2,
        };
        if at_once {
            let answers = if version.has_singular_link_adr_ans() { 1 } else { block.len() };
            let answer = self.link_adr_block(block);
            self.outgoing.answers.extend(core::iter::repeat_n(answer, answers));
        } else {
            for request in block {
                let answer = self.link_adr_block(core::slice::from_ref(request));
                self.answer(answer);
            }
        }
    }

    /// The masks one after the other, the rest of the last request; all of it or nothing.
    fn link_adr_block(&mut self, block: &[Command]) -> Command {
        let band = self.config.band;
        let mut mask = Some(self.parameters.channels.enabled);
        let mut last = (self.parameters.data_rate, 0, 0);
        for command in block {
            let &Command::LinkAdrReq {
                data_rate_index,
                tx_power_index,
                channel_mask,
                channel_mask_control,
                nb_trans,
            } = command
            else {
                continue;
            };
            let pair = MaskPair { ch_mask_cntl: channel_mask_control, ch_mask: channel_mask };
            mask = mask.and_then(|mask| self.apply_mask(mask, pair));
            last = (data_rate_index, tx_power_index, nb_trans);
        }
        let (rate, power, nb_trans) = last;
        let keeps = self.session_version().has_no_change_adr_indices();
        let rate = if keeps && rate.get() == KEEP { self.parameters.data_rate } else { rate };
        let power = if keeps && power == KEEP { self.parameters.tx_power_index } else { power };
        let channel_mask_ack = mask.is_some_and(|mask| self.has_channels(mask));
        let mask = mask.filter(|_| channel_mask_ack).unwrap_or_default();
        let data_rate_index_ack = self.is_usable(mask, rate);
        let tx_power_index_ack = power <= band.max_tx_power_index();
        if channel_mask_ack && data_rate_index_ack && tx_power_index_ack {
            self.parameters.channels.enabled = mask;
            self.parameters.data_rate = rate;
            self.parameters.tx_power_index = power;
            if nb_trans > 0 {
                self.parameters.nb_trans = nb_trans;
            }
        }
        Command::LinkAdrAns { channel_mask_ack, data_rate_index_ack, tx_power_index_ack }
    }

    fn apply_mask(&self, mask: ChannelMask, pair: MaskPair) -> Option<ChannelMask> {
        let band = self.config.band;
        if band.ch_mask == ChMaskScheme::Channels16 && pair.ch_mask_cntl == ALL_OF_16 {
            return Some(self.parameters.channels.iter(band).map(|(index, _)| index).collect());
        }
        band.ch_mask.apply(mask, pair)
    }

    /// Whether there is a channel in the mask, and the device knows them all.
    fn has_channels(&self, mask: ChannelMask) -> bool {
        let band = self.config.band;
        let known = |index| self.parameters.channels.channel(band, index).is_some();
        !mask.is_empty() && mask.iter().all(known)
    }

    fn is_usable(&self, mask: ChannelMask, rate: DataRateIndex) -> bool {
        let (band, parameters) = (self.config.band, &self.parameters);
        parameters.allows(band, rate)
            && mask
                .iter()
                .filter_map(|index| parameters.channels.channel(band, index))
                .any(|channel| (channel.min_data_rate..=channel.max_data_rate).contains(&rate))
    }

    /// A fixed channel plan knows no such command, and the default channels stay.
    pub(super) fn channel_command(&mut self, command: &Command) {
        if self.config.band.has_fixed_channels() {
            return;
        }
        match *command {
            Command::NewChannelReq {
                channel_index,
                frequency,
                min_data_rate_index: min,
                max_data_rate_index: max,
            } => {
                let answer = self.new_channel(channel_index, frequency, min, max);
                self.answer(answer);
            }
            Command::DlChannelReq { channel_index, frequency } => {
                let answer = self.dl_channel(channel_index, frequency);
                self.answer_until_heard(answer);
            }
            _ => {}
        }
    }

    fn new_channel(
        &mut self,
        index: u8,
        frequency: Frequency,
        min: DataRateIndex,
        max: DataRateIndex,
    ) -> Command {
        let band = self.config.band;
        let own = usize::from(index) >= band.uplink_channels.len();
        let in_reach = index < band.uplink_channels_max;
        let frequency_ack = own && in_reach && (frequency.is_zero() || can_tune(band, frequency));
        let data_rate_ack =
            min <= max && band.data_rate(min).is_some() && band.data_rate(max).is_some();
        if frequency_ack && data_rate_ack {
            let channel = (!frequency.is_zero()).then_some(Channel {
                uplink_frequency: frequency,
                downlink_frequency: frequency,
                min_data_rate: min,
                max_data_rate: max,
            });
            self.parameters.channels.set(band, index, channel);
        }
        Command::NewChannelAns { frequency_ack, data_rate_ack }
    }

    fn dl_channel(&mut self, index: u8, frequency: Frequency) -> Command {
        let band = self.config.band;
        let channel = self.parameters.channels.channel(band, index);
        let channel_frequency_ok = can_tune(band, frequency);
        let enabled = self.parameters.channels.enabled;
        if let Some(channel) = channel.filter(|_| channel_frequency_ok) {
            let changed = Channel { downlink_frequency: frequency, ..channel };
            self.parameters.channels.set(band, index, Some(changed));
            // Its place in the mask stays as it was.
            self.parameters.channels.enabled = enabled;
        }
        Command::DlChannelAns { channel_frequency_ok, uplink_frequency_exists: channel.is_some() }
    }
}

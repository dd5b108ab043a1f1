//! Obeying MAC commands.

use alloc::vec::Vec;

use ttn_core::{
    radio::{DataRateIndex, Frequency},
    version::MacVersion,
};

use super::Device;
use crate::{band::MaskPair, command::Command, state::Channel};

/// “Keep what you have” in a LinkADRReq (from LoRaWAN 1.0.4 on).
const KEEP: u8 = 15;

impl Device {
    /// Carries out commands and queues the answers.
    pub(super) fn obey(&mut self, commands: &[Command]) {
        let mut rest = commands;
        while let Some((command, tail)) = rest.split_first() {
            rest = tail;
            if matches!(command, Command::LinkAdrReq { .. }) {
                let block: Vec<Command> = core::iter::once(command)
                    .chain(tail)
                    .take_while(|command| matches!(command, Command::LinkAdrReq { .. }))
                    .copied()
                    .collect();
                rest = tail.get(block.len().saturating_sub(1)..).unwrap_or_default();
                self.link_adr(&block);
            } else {
                self.obey_one(command);
            }
        }
    }

    fn obey_one(&mut self, command: &Command) {
        match *command {
            Command::DutyCycleReq { .. } => self.outgoing.push(Command::DutyCycleAns),
            Command::AdrParamSetupReq { .. } => self.outgoing.push(Command::AdrParamSetupAns),
            Command::DevStatusReq => {
                self.outgoing.push(Command::DevStatusAns { battery: 255, margin: 10 });
            }
            Command::RxParamSetupReq {
                rx1_data_rate_offset,
                rx2_data_rate_index,
                rx2_frequency,
            } => {
                self.rx_param_setup(rx1_data_rate_offset, rx2_data_rate_index, rx2_frequency);
            }
            Command::RxTimingSetupReq { delay } => {
                self.parameters.rx1_delay = delay.max(1);
                self.sticky.push(Command::RxTimingSetupAns);
            }
            Command::NewChannelReq {
                channel_index,
                frequency,
                min_data_rate_index,
                max_data_rate_index,
            } => {
                self.new_channel(channel_index, frequency, min_data_rate_index, max_data_rate_index)
            }
            Command::DlChannelReq { channel_index, frequency } => {
                self.dl_channel(channel_index, frequency);
            }
            Command::TxParamSetupReq { downlink_dwell_time, .. }
                if self.config.band.supports_tx_param_setup =>
            {
                self.parameters.downlink_dwell_time = downlink_dwell_time;
                self.sticky.push(Command::TxParamSetupAns);
            }
            Command::PingSlotChannelReq { frequency, data_rate_index } => {
                self.ping_slot_channel(frequency, data_rate_index);
            }
            Command::BeaconFreqReq { frequency } => self.beacon_freq(frequency),
            // It cannot measure the time.
            Command::RejoinParamSetupReq { .. } => {
                self.outgoing.push(Command::RejoinParamSetupAns { max_time_exponent_ack: false });
            }
            Command::RekeyConf { .. } | Command::ResetConf { .. } => self.indication = None,
            _ => {}
        }
    }

    fn link_adr(&mut self, block: &[Command]) {
        let band = self.config.band;
        let mut mask = self.parameters.channels.enabled;
        let mut known = true;
        let mut last = (self.parameters.data_rate, 0, 0);
        for command in block {
            let Command::LinkAdrReq {
                data_rate_index,
                tx_power_index,
                channel_mask,
                channel_mask_control,
                nb_trans,
            } = *command
            else {
                continue;
            };
            let pair = MaskPair { ch_mask_cntl: channel_mask_control, ch_mask: channel_mask };
            match band.ch_mask.apply(mask, pair) {
                Some(applied) => mask = applied,
                None => known = false,
            }
            last = (data_rate_index, tx_power_index, nb_trans);
        }
        let (rate, power, nb_trans) = last;
        let keeps = self.config.version >= MacVersion::V1_0_4;
        let rate = if keeps && rate.get() == KEEP { self.parameters.data_rate } else { rate };
        let power = if keeps && power == KEEP { self.parameters.tx_power_index } else { power };
        let channels = &self.parameters.channels;
        let channel_mask_ack = known
            && !mask.is_empty()
            && mask.iter().all(|index| channels.channel(band, index).is_some());
        let data_rate_index_ack = mask.iter().any(|index| {
            channels
                .channel(band, index)
                .is_some_and(|it| (it.min_data_rate..=it.max_data_rate).contains(&rate))
        });
        let tx_power_index_ack = power <= band.max_tx_power_index();
        if channel_mask_ack && data_rate_index_ack && tx_power_index_ack {
            self.parameters.channels.enabled = mask;
            self.parameters.data_rate = rate;
            self.parameters.tx_power_index = power;
            if nb_trans > 0 {
                self.parameters.nb_trans = nb_trans;
            }
        }
        let answer =
            Command::LinkAdrAns { channel_mask_ack, data_rate_index_ack, tx_power_index_ack };
        // LoRaWAN 1.1 answers a block once, the others every request.
        let answers = if self.config.version.is_1_1() { 1 } else { block.len() };
        self.outgoing.extend(core::iter::repeat_n(answer, answers));
    }

    fn rx_param_setup(&mut self, offset: u8, rate: DataRateIndex, frequency: Frequency) {
        let band = self.config.band;
        let rx1_data_rate_offset_ack =
            band.rx1_data_rate(self.parameters.data_rate, offset, false).is_ok();
        let rx2_data_rate_index_ack = band.data_rate(rate).is_some();
        let rx2_frequency_ack = band.sub_band(frequency).is_some();
        if rx1_data_rate_offset_ack && rx2_data_rate_index_ack && rx2_frequency_ack {
            self.parameters.rx1_dr_offset = offset;
            self.parameters.rx2_data_rate = rate;
            self.parameters.rx2_frequency = frequency;
        }
        self.sticky.push(Command::RxParamSetupAns {
            rx2_frequency_ack,
            rx2_data_rate_index_ack,
            rx1_data_rate_offset_ack,
        });
    }

    fn new_channel(
        &mut self,
        index: u8,
        frequency: Frequency,
        min: DataRateIndex,
        max: DataRateIndex,
    ) {
        let band = self.config.band;
        // A fixed channel plan knows no such command, and the default channels stay.
        let own = usize::from(index) >= band.uplink_channels.len() && !band.has_fixed_channels();
        let frequency_ack = own && (frequency.is_zero() || band.sub_band(frequency).is_some());
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
        self.outgoing.push(Command::NewChannelAns { frequency_ack, data_rate_ack });
    }

    fn ping_slot_channel(&mut self, frequency: Frequency, rate: DataRateIndex) {
        let frequency_ack = self.can_hear(frequency);
        let data_rate_index_ack = self.config.band.data_rate(rate).is_some();
        if frequency_ack && data_rate_index_ack {
            self.parameters.ping_slot = Some((frequency, rate));
        }
        self.outgoing.push(Command::PingSlotChannelAns { frequency_ack, data_rate_index_ack });
    }

    fn beacon_freq(&mut self, frequency: Frequency) {
        let frequency_ack = self.can_hear(frequency);
        if frequency_ack {
            self.parameters.beacon_frequency = Some(frequency);
        }
        self.outgoing.push(Command::BeaconFreqAns { frequency_ack });
    }

    /// Zero stands for the frequency of the band.
    fn can_hear(&self, frequency: Frequency) -> bool {
        frequency.is_zero() || self.config.band.sub_band(frequency).is_some()
    }

    fn dl_channel(&mut self, index: u8, frequency: Frequency) {
        let band = self.config.band;
        let channel = self.parameters.channels.channel(band, index);
        let channel_frequency_ok = band.sub_band(frequency).is_some();
        if let Some(channel) = channel.filter(|_| channel_frequency_ok) {
            let changed = Channel { downlink_frequency: frequency, ..channel };
            self.parameters.channels.set(band, index, Some(changed));
        }
        self.sticky.push(Command::DlChannelAns {
            channel_frequency_ok,
            uplink_frequency_exists: channel.is_some(),
        });
    }
}

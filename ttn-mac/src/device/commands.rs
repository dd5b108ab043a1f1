//! Obeying MAC commands.

use alloc::vec::Vec;

use ttn_core::{
    radio::{DataRateIndex, Frequency},
    version::MacVersion,
};

use super::{Device, RelayUse, misbehaviour::refusal, parameters::can_tune};
use crate::{
    band::eirp_of_index,
    command::{Command, RelaySecondChannel},
    version::MacRules as _,
};

impl Device {
    /// Carries out commands and queues the answers. What its version does not know ends the list.
    pub(super) fn obey(&mut self, commands: &[Command]) {
        let mut rest: Vec<Command> =
            commands.iter().take_while(|command| self.knows(command)).copied().collect();
        rest.retain(|command| !self.misbehaviour.ignores.contains(&command.cid()));
        let mut rest = rest.as_slice();
        while let Some((command, tail)) = rest.split_first() {
            let is_block = |command: &&Command| matches!(command, Command::LinkAdrReq { .. });
            let more =
                if is_block(&command) { tail.iter().take_while(is_block).count() } else { 0 };
            let (block, tail) =
                rest.split_at_checked(more.saturating_add(1)).unwrap_or((rest, &[]));
            rest = tail;
            if !self.refuse(block) {
                match command {
                    Command::LinkAdrReq { .. } => self.link_adr(block),
                    _ => self.obey_one(command),
                }
            }
        }
    }

    /// A misbehaving device refuses without a reason.
    fn refuse(&mut self, block: &[Command]) -> bool {
        let Some((first, _)) = block.split_first() else { return false };
        let rejects = self.misbehaviour.rejects.contains(&first.cid());
        let Some(answer) = refusal(first).filter(|_| rejects) else { return false };
        let answers = if self.session_version().is_1_1() { 1 } else { block.len() };
        self.outgoing.answers.extend(core::iter::repeat_n(answer, answers));
        true
    }

    /// The version that both sides speak.
    pub(super) fn session_version(&self) -> MacVersion {
        self.session.as_ref().map_or(self.config.version, |session| session.version)
    }

    fn knows(&self, command: &Command) -> bool {
        let version = self.session_version();
        match command.cid() {
            0x01 | 0x0B | 0x0E | 0x20 => version.is_1_1(),
            0x09 => version.uses_tx_param_setup_req(),
            0x0A => version.uses_dl_channel_req(),
            0x0C => version.uses_adr_param_setup_req(),
            0x0D => version >= MacVersion::V1_0_3,
            0x0F => version.uses_rejoin_param_setup_req(),
            0x40 | 0x42..=0x45 => self.relay.is_some(),
            _ => true,
        }
    }

    fn obey_one(&mut self, command: &Command) {
        match *command {
            Command::DutyCycleReq { max_duty_cycle } => {
                self.parameters.max_duty_cycle = max_duty_cycle;
                self.answer(Command::DutyCycleAns);
            }
            Command::AdrParamSetupReq { adr_ack_limit_exponent, adr_ack_delay_exponent } => {
                let power = |exponent: u8| 1_u16.wrapping_shl(u32::from(exponent & 15));
                self.parameters.adr_ack_limit = power(adr_ack_limit_exponent);
                self.parameters.adr_ack_delay = power(adr_ack_delay_exponent);
                self.answer(Command::AdrParamSetupAns);
            }
            Command::DevStatusReq => {
                let (battery, margin) = self.status;
                self.answer(Command::DevStatusAns { battery, margin });
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
                self.answer_until_heard(Command::RxTimingSetupAns);
            }
            Command::NewChannelReq { .. } | Command::DlChannelReq { .. } => {
                self.channel_command(command);
            }
            Command::TxParamSetupReq { max_eirp_index, uplink_dwell_time, downlink_dwell_time }
                if self.config.band.supports_tx_param_setup =>
            {
                let parameters = &mut self.parameters;
                parameters.max_eirp = eirp_of_index(max_eirp_index).unwrap_or(parameters.max_eirp);
                parameters.uplink_dwell_time = uplink_dwell_time;
                parameters.downlink_dwell_time = downlink_dwell_time;
                self.answer_until_heard(Command::TxParamSetupAns);
            }
            Command::RekeyConf { .. } | Command::ResetConf { .. } => {
                self.confirmed(command.cid());
            }
            Command::DeviceModeConf { .. } => self.confirmed(command.cid()),
            Command::ForceRejoinReq {
                period_exponent,
                max_retries,
                rejoin_type,
                data_rate_index,
            } => {
                self.force_rejoin(period_exponent, max_retries, rejoin_type, data_rate_index);
            }
            Command::RejoinParamSetupReq { max_time_exponent, max_count_exponent } => {
                let max_time_exponent_ack =
                    self.set_rejoin_times(max_time_exponent, max_count_exponent);
                self.answer(Command::RejoinParamSetupAns { max_time_exponent_ack });
            }
            _ => self.obey_class_b_or_relay(command),
        }
    }

    fn obey_class_b_or_relay(&mut self, command: &Command) {
        match *command {
            Command::PingSlotInfoAns => self.ping_slots_known(),
            Command::PingSlotChannelReq { frequency, data_rate_index } => {
                let frequency_ack = self.can_hear(frequency);
                let data_rate_index_ack =
                    self.config.band.rate_of_downlink(data_rate_index).is_some();
                if frequency_ack && data_rate_index_ack {
                    self.parameters.ping_slot = Some((frequency, data_rate_index));
                }
                let answer = Command::PingSlotChannelAns { frequency_ack, data_rate_index_ack };
                // TS001-1.0.4 §12.3: repeated like the answers about receive windows.
                if self.session_version() == MacVersion::V1_0_4 {
                    self.answer_until_heard(answer);
                } else {
                    self.answer(answer);
                }
            }
            Command::BeaconFreqReq { frequency } => {
                let frequency_ack = self.can_hear(frequency);
                if frequency_ack {
                    self.parameters.beacon_frequency = Some(frequency);
                }
                self.answer(Command::BeaconFreqAns { frequency_ack });
            }
            Command::RelayEndDeviceConfReq {
                activation,
                smart_enable_level,
                backoff,
                second_channel,
            } => {
                self.use_relay(RelayUse { activation, smart_enable_level, backoff, second_channel })
            }
            _ => {
                if let Some(answer) = self.relay.as_mut().and_then(|it| it.obey(command)) {
                    self.answer(answer);
                }
            }
        }
    }

    fn rx_param_setup(&mut self, offset: u8, rate: DataRateIndex, frequency: Frequency) {
        let band = self.config.band;
        let rx1_data_rate_offset_ack =
            band.rx1_data_rate(self.parameters.sending_rate(band), offset, false).is_ok();
        let rx2_data_rate_index_ack = band.rate_of_downlink(rate).is_some();
        let rx2_frequency_ack = can_tune(band, frequency);
        if rx1_data_rate_offset_ack && rx2_data_rate_index_ack && rx2_frequency_ack {
            self.parameters.rx1_dr_offset = offset;
            self.parameters.rx2_data_rate = rate;
            self.parameters.rx2_frequency = frequency;
        }
        self.answer_until_heard(Command::RxParamSetupAns {
            rx2_frequency_ack,
            rx2_data_rate_index_ack,
            rx1_data_rate_offset_ack,
        });
    }

    fn use_relay(&mut self, relay: RelayUse) {
        let RelaySecondChannel { index, data_rate_index, frequency, .. } = relay.second_channel;
        let none = index == 0;
        let second_channel_frequency_ack = none || can_tune(self.config.band, frequency);
        let second_channel_data_rate_index_ack =
            none || self.config.band.data_rate(data_rate_index).is_some();
        let second_channel_index_ack = index <= 1;
        if second_channel_frequency_ack
            && second_channel_data_rate_index_ack
            && second_channel_index_ack
        {
            self.parameters.relay = Some(relay);
        }
        self.answer(Command::RelayEndDeviceConfAns {
            second_channel_frequency_ack,
            second_channel_data_rate_index_ack,
            second_channel_index_ack,
            backoff_ack: true,
        });
    }

    /// Zero stands for the frequency of the band.
    fn can_hear(&self, frequency: Frequency) -> bool {
        frequency.is_zero() || can_tune(self.config.band, frequency)
    }

    pub(super) fn answer(&mut self, answer: Command) {
        self.outgoing.answers.push(answer);
    }

    pub(super) fn answer_until_heard(&mut self, answer: Command) {
        self.outgoing.sticky.push(answer);
    }
}

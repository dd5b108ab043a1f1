//! Answers to the network's requests, all but LinkADRAns; those about receive windows are repeated until a downlink is heard
//! (TS001-1.0.4 §5.7, §12.3).

use super::{Handling, MacEvent};
use crate::{
    band::eirp_of_index,
    command::Command,
    state::{Channel, DeviceStatus},
};

/// Bits of [`crate::state::Hot::sticky`]: answers that the device repeats until it hears a downlink (NS-40).
pub(in crate::engine) const STICKY_DL_CHANNEL: u8 = 1;
const STICKY_RX_PARAM_SETUP: u8 = 1 << 1;
const STICKY_RX_TIMING_SETUP: u8 = 1 << 2;
const STICKY_TX_PARAM_SETUP: u8 = 1 << 3;
pub(super) const STICKY_PING_SLOT_CHANNEL: u8 = 1 << 4;

impl Handling<'_> {
    /// Matches an answer with its request and does what both agree upon.
    pub(super) fn answer(&mut self, answer: Command) {
        match answer {
            Command::DutyCycleAns => self.duty_cycle(answer),
            Command::RxParamSetupAns {
                rx2_frequency_ack,
                rx2_data_rate_index_ack,
                rx1_data_rate_offset_ack,
            } => {
                let acks = (rx2_frequency_ack, rx2_data_rate_index_ack, rx1_data_rate_offset_ack);
                self.rx_param_setup(answer, acks);
            }
            Command::DevStatusAns { battery, margin } => self.dev_status(battery, margin, answer),
            Command::NewChannelAns { frequency_ack, data_rate_ack } => {
                self.new_channel(answer, frequency_ack, frequency_ack && data_rate_ack);
            }
            Command::RxTimingSetupAns => self.rx_timing_setup(answer),
            Command::TxParamSetupAns => self.tx_param_setup(answer),
            Command::DlChannelAns { channel_frequency_ok, uplink_frequency_exists } => {
                self.dl_channel(answer, channel_frequency_ok, uplink_frequency_exists);
            }
            Command::AdrParamSetupAns => self.adr_param_setup(answer),
            Command::RejoinParamSetupAns { .. }
            | Command::PingSlotChannelAns { .. }
            | Command::BeaconFreqAns { .. } => self.class_b_or_rejoin(answer),
            Command::RelayConfAns { .. }
            | Command::RelayEndDeviceConfAns { .. }
            | Command::RelayUpdateUplinkListAns
            | Command::RelayCtrlUplinkListAns { .. }
            | Command::RelayConfigureFwdLimitAns => self.relay(answer),
            _ => self.events.push(MacEvent::Unsupported(answer)),
        }
    }

    fn duty_cycle(&mut self, answer: Command) {
        match self.take_request(|request| matches!(request, Command::DutyCycleReq { .. })) {
            Some(request @ Command::DutyCycleReq { max_duty_cycle }) => {
                self.st.slow.current.max_duty_cycle = max_duty_cycle;
                self.answered(request, answer, true);
            }
            _ => self.events.push(MacEvent::AnswerUnexpected(answer)),
        }
    }

    /// NS-48: applied only if all three parts are accepted.
    fn rx_param_setup(&mut self, answer: Command, acks: (bool, bool, bool)) {
        let request =
            self.take_request(|request| matches!(request, Command::RxParamSetupReq { .. }));
        self.st.hot.sticky |= STICKY_RX_PARAM_SETUP;
        let Some(
            request @ Command::RxParamSetupReq {
                rx1_data_rate_offset,
                rx2_data_rate_index,
                rx2_frequency,
            },
        ) = request
        else {
            return self.unasked(STICKY_RX_PARAM_SETUP, answer);
        };
        let (frequency_ack, data_rate_ack, offset_ack) = acks;
        let accepted = frequency_ack && data_rate_ack && offset_ack;
        if accepted {
            let current = &mut self.st.slow.current;
            current.rx1_dr_offset = rx1_data_rate_offset;
            current.rx2_data_rate = rx2_data_rate_index;
            current.rx2_frequency = rx2_frequency;
        }
        let rejected = &mut self.st.slow.rejected;
        if !frequency_ack {
            rejected.push_frequency(rx2_frequency);
        }
        if !data_rate_ack {
            rejected.rx2_data_rates |= 1_u16 << rx2_data_rate_index.get();
        }
        if !offset_ack {
            rejected.rx1_dr_offsets |= 1_u8 << (rx1_data_rate_offset & 7);
        }
        self.answered(request, answer, accepted);
    }

    /// NS-49. A device that reports unasked is heard.
    fn dev_status(&mut self, battery: u8, margin: i8, answer: Command) {
        let asked = self.take_request(|request| matches!(request, Command::DevStatusReq));
        self.st.slow.status = Some(DeviceStatus {
            battery,
            margin,
            received_at: self.rx.received_at,
            f_cnt_up: self.matched.f_cnt,
        });
        self.slow_changed = true;
        match asked {
            Some(request) => self.answered(request, answer, true),
            None => self.events.push(MacEvent::AnswerUnexpected(answer)),
        }
    }

    /// NS-50.
    fn new_channel(&mut self, answer: Command, frequency_ack: bool, accepted: bool) {
        let request = self.take_request(|request| matches!(request, Command::NewChannelReq { .. }));
        let Some(
            request @ Command::NewChannelReq {
                channel_index,
                frequency,
                min_data_rate_index,
                max_data_rate_index,
            },
        ) = request
        else {
            return self.events.push(MacEvent::AnswerUnexpected(answer));
        };
        if accepted {
            let channel = (!frequency.is_zero()).then_some(Channel {
                uplink_frequency: frequency,
                downlink_frequency: frequency,
                min_data_rate: min_data_rate_index,
                max_data_rate: max_data_rate_index,
            });
            self.st.slow.current.channels.set(self.engine.band, channel_index, channel);
        } else if frequency_ack {
            self.st.slow.rejected.channel_data_rates |= 1_u16 << (channel_index & 15);
        } else {
            self.st.slow.rejected.push_frequency(frequency);
        }
        self.answered(request, answer, accepted);
    }

    /// NS-51.
    fn rx_timing_setup(&mut self, answer: Command) {
        let request =
            self.take_request(|request| matches!(request, Command::RxTimingSetupReq { .. }));
        self.st.hot.sticky |= STICKY_RX_TIMING_SETUP;
        let Some(request @ Command::RxTimingSetupReq { delay }) = request else {
            return self.unasked(STICKY_RX_TIMING_SETUP, answer);
        };
        self.st.slow.current.rx1_delay = delay.max(1);
        self.answered(request, answer, true);
    }

    /// NS-52.
    fn tx_param_setup(&mut self, answer: Command) {
        let request =
            self.take_request(|request| matches!(request, Command::TxParamSetupReq { .. }));
        self.st.hot.sticky |= STICKY_TX_PARAM_SETUP;
        let Some(
            request @ Command::TxParamSetupReq {
                max_eirp_index,
                uplink_dwell_time,
                downlink_dwell_time,
            },
        ) = request
        else {
            return self.unasked(STICKY_TX_PARAM_SETUP, answer);
        };
        let current = &mut self.st.slow.current;
        current.max_eirp = eirp_of_index(max_eirp_index).unwrap_or(current.max_eirp);
        current.uplink_dwell_time = Some(uplink_dwell_time);
        current.downlink_dwell_time = Some(downlink_dwell_time);
        self.answered(request, answer, true);
    }

    /// NS-53.
    fn dl_channel(&mut self, answer: Command, frequency_ok: bool, uplink_exists: bool) {
        let request = self.take_request(|request| matches!(request, Command::DlChannelReq { .. }));
        self.st.hot.sticky |= STICKY_DL_CHANNEL;
        let Some(request @ Command::DlChannelReq { channel_index, frequency }) = request else {
            return self.unasked(STICKY_DL_CHANNEL, answer);
        };
        let channels = &mut self.st.slow.current.channels;
        let at = usize::from(channel_index);
        if frequency_ok && uplink_exists {
            if let Some(Some(channel)) = channels.list.get_mut(at) {
                channel.downlink_frequency = frequency;
            }
        } else if frequency_ok {
            // The device knows no such channel: it is made again.
            channels.set(self.engine.band, channel_index, None);
        } else {
            self.st.slow.rejected.push_frequency(frequency);
        }
        self.answered(request, answer, frequency_ok && uplink_exists);
    }

    /// NS-55.
    fn adr_param_setup(&mut self, answer: Command) {
        match self.take_request(|request| matches!(request, Command::AdrParamSetupReq { .. })) {
            Some(
                request @ Command::AdrParamSetupReq {
                    adr_ack_limit_exponent,
                    adr_ack_delay_exponent,
                },
            ) => {
                self.st.slow.current.adr_ack_limit_exponent = adr_ack_limit_exponent;
                self.st.slow.current.adr_ack_delay_exponent = adr_ack_delay_exponent;
                self.answered(request, answer, true);
            }
            _ => self.events.push(MacEvent::AnswerUnexpected(answer)),
        }
    }

    /// An answer that may be repeated is fine if the uplink before had it too (NS-40).
    pub(super) fn unasked(&mut self, sticky: u8, answer: Command) {
        if self.sticky_before & sticky == 0 {
            self.events.push(MacEvent::AnswerUnexpected(answer));
        }
    }
}

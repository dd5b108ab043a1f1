//! Answers about relays (TS011, NS-64, NS-108, NS-111, NS-114).

use super::{Handling, MacEvent};
use crate::{
    command::{Command, RelaySecondChannel},
    state::{Relay, ServedRelay, ServingRelay},
};

impl Handling<'_> {
    /// Matches an answer with its request and does what both agree upon.
    pub(super) fn relay(&mut self, answer: Command) {
        let request = self.take_request(|request| {
            request.cid() == answer.cid() && request.direction() != answer.direction()
        });
        let Some(request) = request else {
            return self.events.push(MacEvent::AnswerUnexpected(answer));
        };
        let accepted = is_accepted(&answer);
        match (request, answer) {
            (Command::RelayConfReq { .. } | Command::RelayEndDeviceConfReq { .. }, _)
                if !accepted =>
            {
                // NS-41
                self.st.slow.rejected.push_request(request);
            }
            (Command::RelayConfReq { .. }, _) => self.relay_conf(request),
            (Command::RelayEndDeviceConfReq { .. }, _) => self.relay_end_device_conf(request),
            (Command::RelayUpdateUplinkListReq { rule_index, limit, dev_addr, w_f_cnt, .. }, _) => {
                let rule = self.engine.updated_rule(limit, dev_addr, w_f_cnt);
                if let Some(serving) = self.serving() {
                    serving.set_rule(rule_index, rule);
                }
            }
            (
                Command::RelayCtrlUplinkListReq { rule_index, remove },
                Command::RelayCtrlUplinkListAns { w_f_cnt, .. },
            ) => self.ctrl_uplink_list(rule_index, remove, w_f_cnt),
            (Command::RelayConfigureFwdLimitReq(limits), _) => {
                if let Some(serving) = self.serving() {
                    serving.limits = Some(limits);
                }
            }
            _ => {}
        }
        self.answered(request, answer, accepted);
    }

    fn relay_conf(&mut self, request: Command) {
        let Command::RelayConfReq { start, cad_periodicity, default_channel_index, second_channel } =
            request
        else {
            return;
        };
        let relay = &mut self.st.slow.current.relay;
        if !start {
            *relay = relay.take().filter(|relay| relay.serving().is_none());
            return;
        }
        // Rules and limits outlive a change, and end with the relay.
        let before = match relay.take() {
            Some(Relay::Serving(serving)) => serving,
            _ => ServingRelay::default(),
        };
        *relay = Some(Relay::Serving(ServingRelay {
            second_channel: used(second_channel),
            default_channel_index,
            cad_periodicity,
            ..before
        }));
    }

    fn relay_end_device_conf(&mut self, request: Command) {
        let Command::RelayEndDeviceConfReq {
            activation,
            smart_enable_level,
            backoff,
            second_channel,
        } = request
        else {
            return;
        };
        let slow = &mut self.st.slow;
        let Some(shall) = slow.desired.relay.as_ref().and_then(Relay::served) else {
            // It shall not be served: what is asked then ends it.
            slow.current.relay = slow.current.relay.take().filter(|relay| relay.served().is_none());
            return;
        };
        slow.current.relay = Some(Relay::Served(ServedRelay {
            activation,
            smart_enable_level,
            backoff,
            second_channel: used(second_channel),
            serving_device_id: shall.serving_device_id.clone(),
        }));
    }

    /// A rule that the relay does not know is as good as removed.
    fn ctrl_uplink_list(&mut self, rule_index: u8, remove: bool, w_f_cnt: u32) {
        let Some(serving) = self.serving() else { return };
        if remove {
            serving.set_rule(rule_index, None);
            return;
        }
        let rule = serving.rules.get_mut(usize::from(rule_index)).and_then(Option::as_mut);
        if let Some(session) = rule.and_then(|rule| rule.session.as_mut()) {
            session.w_f_cnt = w_f_cnt;
        }
    }

    fn serving(&mut self) -> Option<&mut ServingRelay> {
        match &mut self.st.slow.current.relay {
            Some(Relay::Serving(serving)) => Some(serving),
            _ => None,
        }
    }
}

fn used(channel: RelaySecondChannel) -> Option<RelaySecondChannel> {
    (channel.index > 0).then_some(channel)
}

/// Whether every bit of an answer is set.
const fn is_accepted(answer: &Command) -> bool {
    match *answer {
        Command::RelayConfAns {
            second_channel_frequency_ack,
            second_channel_ack_offset_ack,
            second_channel_data_rate_index_ack,
            second_channel_index_ack,
            default_channel_index_ack,
            cad_periodicity_ack,
        } => {
            second_channel_frequency_ack
                && second_channel_ack_offset_ack
                && second_channel_data_rate_index_ack
                && second_channel_index_ack
                && default_channel_index_ack
                && cad_periodicity_ack
        }
        Command::RelayEndDeviceConfAns {
            second_channel_frequency_ack,
            second_channel_data_rate_index_ack,
            second_channel_index_ack,
            backoff_ack,
        } => {
            second_channel_frequency_ack
                && second_channel_data_rate_index_ack
                && second_channel_index_ack
                && backoff_ack
        }
        Command::RelayCtrlUplinkListAns { rule_index_ack, .. } => rule_index_ack,
        _ => true,
    }
}

//! LinkADRAns (NS-46).

use alloc::vec::Vec;

use super::{Handling, MacEvent};
use crate::{
    band::{ChannelMask, MaskPair},
    command::Command,
    version::MacRules as _,
};

/// The three acknowledgements of an answer: channels, data rate, power.
type Acks = (bool, bool, bool);

impl Handling<'_> {
    /// Matches the answers of one uplink with the pending block of requests.
    pub(super) fn link_adr_answers(&mut self, answers: Vec<Command>) {
        let Some(first) = answers.first().cloned() else { return };
        let mut block = Vec::new();
        while let Some(request) =
            self.take_request(|request| matches!(request, Command::LinkAdrReq { .. }))
        {
            block.push(request);
        }
        if block.is_empty() {
            self.events.extend(answers.into_iter().map(MacEvent::AnswerUnexpected));
            return;
        }
        let version = self.st.slow.version;
        if version.has_singular_link_adr_ans() || version.allows_duplicate_link_adr_ans() {
            // One answer counts for the block. Devices of 1.0.x may repeat it for each request.
            let allowed = if version.has_singular_link_adr_ans() { 1 } else { block.len() };
            let acks = answers
                .iter()
                .take(allowed)
                .filter_map(acks)
                .reduce(|a, b| (a.0 && b.0, a.1 && b.1, a.2 && b.2));
            self.apply(block, first, acks.unwrap_or_default());
            self.events.extend(answers.into_iter().skip(allowed).map(MacEvent::AnswerUnexpected));
        } else {
            let mut answers = answers.into_iter();
            for request in block {
                match answers.next() {
                    Some(answer) => {
                        let acks = acks(&answer).unwrap_or_default();
                        self.apply(Vec::from([request]), answer, acks);
                    }
                    None => self.events.push(MacEvent::Unanswered(request)),
                }
            }
            self.events.extend(answers.map(MacEvent::AnswerUnexpected));
        }
    }

    /// The requests of a block ask for the same, except for their masks.
    fn apply(&mut self, block: Vec<Command>, answer: Command, acks: Acks) {
        let (mask_ack, data_rate_ack, power_ack) = acks;
        let accepted = mask_ack && data_rate_ack && power_ack;
        let mask = self.mask_after(&block);
        let Some(Command::LinkAdrReq { data_rate_index, tx_power_index, nb_trans, .. }) =
            block.last().cloned()
        else {
            return;
        };
        let no_change = self.st.slow.version.has_no_change_adr_indices();
        let data_rate = Some(data_rate_index).filter(|index| !no_change || index.get() != 15);
        let power = Some(tx_power_index).filter(|index| !no_change || *index != 15);
        self.st.hot.link_adr_unsure = false;
        let slow = &mut self.st.slow;
        if accepted {
            slow.current.channels.enabled = mask.unwrap_or(slow.current.channels.enabled);
            slow.current.adr_data_rate = data_rate.unwrap_or(slow.current.adr_data_rate);
            slow.current.adr_tx_power_index = power.unwrap_or(slow.current.adr_tx_power_index);
            if nb_trans > 0 {
                slow.current.adr_nb_trans = nb_trans;
            }
            self.st.hot.last_adr_change_f_cnt = Some(self.matched.f_cnt);
        } else {
            // NS-41
            if !mask_ack {
                slow.rejected.channel_mask = mask;
            }
            if let Some(index) = data_rate.filter(|_| !data_rate_ack) {
                slow.rejected.adr_data_rates |= 1_u16 << index.get();
            }
            if let Some(index) = power.filter(|_| !power_ack) {
                slow.rejected.adr_tx_powers |= 1_u16 << (index & 15);
            }
        }
        for request in block {
            self.answered(request, answer, accepted);
        }
    }

    fn mask_after(&self, block: &[Command]) -> Option<ChannelMask> {
        let scheme = self.engine.band.ch_mask;
        block.iter().try_fold(
            self.st.slow.current.channels.enabled,
            |mask, request| match request {
                Command::LinkAdrReq { channel_mask, channel_mask_control, .. } => scheme.apply(
                    mask,
                    MaskPair { ch_mask_cntl: *channel_mask_control, ch_mask: *channel_mask },
                ),
                _ => None,
            },
        )
    }
}

const fn acks(answer: &Command) -> Option<Acks> {
    match answer {
        Command::LinkAdrAns { channel_mask_ack, data_rate_index_ack, tx_power_index_ack } => {
            Some((*channel_mask_ack, *data_rate_index_ack, *tx_power_index_ack))
        }
        _ => None,
    }
}

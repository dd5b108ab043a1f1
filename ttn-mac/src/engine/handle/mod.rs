//! What the commands of an uplink do; one file per family.

mod answer;
mod class_b;
mod link_adr;
mod observe;
mod relay;
mod request;

use alloc::vec::Vec;

pub(super) use answer::STICKY_DL_CHANNEL;
pub(super) use observe::channel_data_rates;

use super::{Engine, MacEvent, MatchedUplink, RxInfo};
use crate::{
    command::{Command, CommandError},
    state::{MacState, UNANSWERED_MAX},
};

/// The state while the commands of one uplink are processed.
pub(super) struct Handling<'h> {
    engine: &'h Engine<'h>,
    st: &'h mut MacState,
    matched: MatchedUplink,
    rx: &'h RxInfo,
    events: Vec<MacEvent>,
    slow_changed: bool,
    /// The sticky answers of the uplink before this one (NS-40).
    sticky_before: u8,
}

impl<'h> Handling<'h> {
    pub(super) fn new(
        engine: &'h Engine<'h>,
        st: &'h mut MacState,
        matched: MatchedUplink,
        rx: &'h RxInfo,
    ) -> Self {
        // NS-39: answers live as long as the windows of the uplink that asked.
        st.answers.clear();
        st.relayed = None;
        let sticky_before = st.hot.sticky;
        Self { engine, st, matched, rx, events: Vec::new(), slow_changed: false, sticky_before }
    }

    /// Processes the commands in their order. Answers of the device are ignored in a retransmission (NS-12).
    pub(super) fn commands(
        &mut self,
        commands: Vec<Result<Command, CommandError>>,
        retransmission: bool,
    ) {
        if !retransmission {
            self.st.hot.sticky = 0;
        }
        let mut link_adr = Vec::new();
        for command in commands {
            match command {
                Err(error) => self.events.push(MacEvent::Unreadable(error)),
                Ok(command) if self.device_request(&command, retransmission) => {}
                Ok(_) if retransmission => {}
                Ok(command @ Command::LinkAdrAns { .. }) => link_adr.push(command),
                Ok(command) => self.answer(command),
            }
        }
        if !retransmission {
            self.link_adr_answers(link_adr);
            self.unanswered();
        }
    }

    pub(super) fn finish(self) -> (Vec<MacEvent>, bool) {
        (self.events, self.slow_changed)
    }

    /// Requests wait one uplink only; what is still wanted is asked again (NS-39).
    fn unanswered(&mut self) {
        let left = core::mem::take(&mut self.st.slow.pending_requests);
        self.slow_changed |= !left.is_empty();
        self.st.hot.link_adr_unsure |=
            left.iter().any(|request| matches!(request, Command::LinkAdrReq { .. }));
        let mut ignored = false;
        for request in left {
            // A device that is forced to rejoin answers with a rejoin-request, if it has heard (NS-57).
            if matches!(request, Command::ForceRejoinReq { .. }) {
                self.st.slow.force_rejoin = None;
            } else {
                ignored = true;
                self.events.push(MacEvent::Unanswered(request));
            }
        }
        if ignored {
            let count = &mut self.st.hot.unanswered;
            *count = count.saturating_add(1).min(UNANSWERED_MAX);
        }
    }

    /// Takes the first pending request that `is` describes.
    fn take_request(&mut self, is: impl Fn(&Command) -> bool) -> Option<Command> {
        let at = self.st.slow.pending_requests.iter().position(is)?;
        self.slow_changed = true;
        Some(self.st.slow.pending_requests.remove(at))
    }

    fn answered(&mut self, request: Command, answer: Command, accepted: bool) {
        self.slow_changed = true;
        self.st.hot.unanswered = 0;
        self.events.push(MacEvent::Answered { request, answer, accepted });
    }
}

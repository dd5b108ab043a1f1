//! A matched uplink changes the state (NS-12, NS-14, NS-15, NS-20, NS-39, NS-75, NS-76, NS-87).

use alloc::vec::Vec;

use ttn_core::{frame::DataForm, time::Timestamp};

use super::{
    Engine, MatchKind, Outcome, QueueResult, Reject, RxInfo, Slot, UplinkFrame, UplinkKind,
    handle::Handling,
};
use crate::{
    adr::loss_rate,
    command::{self, Command, CommandError, Direction},
    session::open_commands,
    state::{AdrSample, Candidate, Hot, MacState, Rejected},
    version::MacRules as _,
};

/// The commands of a frame, read to their end or to what cannot be read.
type Commands = Vec<Result<Command, CommandError>>;

impl Engine<'_> {
    /// Processes an uplink at the end of its window.
    ///
    /// # Errors
    ///
    /// The frame is not accepted after all: the state has moved since the match, or the first frame of a LoRaWAN 1.1
    /// session has no RekeyInd (NS-30). The state is unchanged then.
    pub fn on_uplink(
        &self,
        st: &mut MacState,
        uplink: &UplinkFrame<'_>,
        rx: &RxInfo,
        _now: Timestamp,
    ) -> Result<Outcome, Reject> {
        let data = uplink.phy.data().ok_or(Reject::NotADataUplink)?;
        let matched = uplink.matched;
        check_still_matches(st, uplink)?;
        let commands = self.commands(st, uplink)?;
        if matched.kind == MatchKind::Retransmission {
            return Ok(self.on_retransmission(st, uplink, data, rx, commands));
        }
        let class = st.slow.class;
        let (kind, mut slow_changed) = self.start(st, uplink, rx);
        let queue_result = acknowledge(&mut st.hot, matched.acknowledges);
        note(&mut st.hot, uplink, data, rx);

        let mut handling = Handling::new(self, st, matched, rx);
        handling.class_was(class);
        if !data.f_ctrl.class_b {
            handling.leave_class_b();
        }
        handling.commands(commands, false);
        if data.f_ctrl.class_b {
            handling.enter_class_b();
        }
        handling.observe(data.f_ctrl.adr);
        handling.run_adr(data.f_ctrl.adr);
        let (events, changed) = handling.finish();
        slow_changed |= changed;
        let relayed = self.relayed_uplink(st, uplink, rx.received_at);
        Ok(Outcome {
            kind,
            f_cnt: matched.f_cnt,
            channel: matched.channel,
            // NS-18
            deliver: relayed.is_none(),
            events,
            relayed,
            queue_result,
            reply_due: self.reply_due(st, data),
            slot: Slot::ClassA { received_at: rx.received_at, channel: matched.channel },
            packet_error_rate: packet_error_rate(&st.hot),
            slow_changed,
        })
    }

    /// The same frame once more: the device has not heard the answer, so it gets another (NS-12).
    fn on_retransmission(
        &self,
        st: &mut MacState,
        uplink: &UplinkFrame<'_>,
        data: &DataForm,
        rx: &RxInfo,
        commands: Commands,
    ) -> Outcome {
        let matched = uplink.matched;
        st.hot.repeats = st.hot.repeats.saturating_add(1);
        st.hot.last_uplink_at = Some(rx.received_at);
        st.hot.in_flight = None;
        let mut handling = Handling::new(self, st, matched, rx);
        handling.commands(commands, true);
        let (events, slow_changed) = handling.finish();
        Outcome {
            kind: UplinkKind::Retransmission,
            f_cnt: matched.f_cnt,
            channel: matched.channel,
            deliver: false,
            events,
            relayed: None,
            queue_result: None,
            reply_due: self.reply_due(st, data),
            slot: Slot::ClassA { received_at: rx.received_at, channel: matched.channel },
            packet_error_rate: packet_error_rate(&st.hot),
            slow_changed,
        }
    }

    /// Decrypts and reads the commands; none are missing that must be there (NS-14, NS-30).
    fn commands(&self, st: &MacState, uplink: &UplinkFrame<'_>) -> Result<Commands, Reject> {
        let UplinkFrame { phy, matched } = *uplink;
        let candidate = matched.candidate;
        let session = st.session(candidate).ok_or(Reject::NoSession { candidate })?;
        let version = st.slow.version;
        let octets = open_commands(&session.keys, version, phy, matched.f_cnt);
        let commands: Commands =
            command::parse(Direction::Uplink, self.band.frequency_step, &octets).collect();
        let rekey = |command: &Result<Command, _>| matches!(command, Ok(Command::RekeyInd { .. }));
        if candidate == Candidate::Pending
            && version.uses_rekey_ind()
            && !commands.iter().any(rekey)
        {
            return Err(Reject::RekeyIndMissing { f_cnt: matched.f_cnt });
        }
        Ok(commands)
    }

    /// Switches sessions (NS-15) or starts the session again (NS-10).
    fn start(
        &self,
        st: &mut MacState,
        uplink: &UplinkFrame<'_>,
        rx: &RxInfo,
    ) -> (UplinkKind, bool) {
        if let Candidate::Pending = uplink.matched.candidate
            && let Some(pending) = st.slow.pending_session.take()
        {
            let settings = pending.parameters.dl_settings;
            let mut session = pending.session;
            session.started_at = rx.received_at;
            st.slow.session = Some(session);
            st.slow.force_rejoin = None;
            st.slow.rejoin_count_0 = None;
            st.hot = Hot::default();
            if pending.keeps_parameters {
                st.slow.pending_requests.clear();
                return (UplinkKind::SessionStarted, true);
            }
            self.restart(st);
            st.slow.current.rx1_delay = pending.parameters.rx_delay;
            st.slow.current.rx1_dr_offset = settings.rx1_dr_offset;
            st.slow.current.rx2_data_rate = settings.rx2_dr;
            st.slow.current.channels = pending.channels;
            return (UplinkKind::SessionStarted, true);
        }
        if uplink.matched.kind == MatchKind::Reset {
            self.restart(st);
            if let Some(session) = &mut st.slow.session {
                session.started_at = rx.received_at;
            }
            // Downlink counters go on: a counter is never used twice under one key.
            st.hot = Hot {
                n_f_cnt_down: st.hot.n_f_cnt_down,
                a_f_cnt_down: st.hot.a_f_cnt_down,
                ..Hot::default()
            };
            return (UplinkKind::Reset, true);
        }
        (UplinkKind::New, false)
    }

    /// The parameters of a device that has just started.
    pub(super) fn restart(&self, st: &mut MacState) {
        st.slow.current = self.boot_parameters();
        st.slow.desired = self.desired_parameters();
        st.slow.pending_requests.clear();
        st.slow.rejected = Rejected::default();
        st.slow.class = self.start_class(st.slow.version);
        st.slow.ping_slot_periodicity = self.setting(|set| set.ping_slot_periodicity);
        st.answers.clear();
    }

    fn reply_due(&self, st: &mut MacState, data: &DataForm) -> bool {
        let wants = !self.requests(st).is_empty();
        if !wants {
            st.hot.unanswered = 0;
        }
        data.confirmed
            || data.f_ctrl.adr_ack_req
            || !st.answers.is_empty()
            || st.hot.sticky != 0
            || (wants && self.requests_are_due(st))
    }
}

/// The state may have moved between match and end of window.
fn check_still_matches(st: &MacState, uplink: &UplinkFrame<'_>) -> Result<(), Reject> {
    let matched = uplink.matched;
    let replayed = |last| Reject::FCntReplayed { last, got: matched.f_cnt };
    match (matched.candidate, matched.kind, st.hot.f_cnt_up) {
        (Candidate::Current, MatchKind::New, Some(last)) if last >= matched.f_cnt => {
            Err(replayed(last))
        }
        (Candidate::Current, MatchKind::Retransmission, Some(last)) if last != matched.f_cnt => {
            Err(replayed(last))
        }
        _ => Ok(()),
    }
}

/// NS-87. An acknowledgement of an earlier downlink is none of the last one.
fn acknowledge(hot: &mut Hot, acknowledges: Option<u32>) -> Option<QueueResult> {
    let f_cnt = hot.conf_f_cnt_down.filter(|_| hot.ack_pending)?;
    hot.ack_pending = false;
    Some(QueueResult { f_cnt, acknowledged: acknowledges == Some(f_cnt) })
}

/// Counters and history.
fn note(hot: &mut Hot, uplink: &UplinkFrame<'_>, data: &DataForm, rx: &RxInfo) {
    let matched = uplink.matched;
    hot.f_cnt_up = Some(matched.f_cnt);
    hot.confirmed_up = data.confirmed;
    hot.adr_ack_req = data.f_ctrl.adr_ack_req;
    hot.last_mic = uplink.phy.mic();
    hot.repeats = 0;
    hot.last_uplink_at = Some(rx.received_at);
    // A report that has not come by now never will; the counter stays taken.
    hot.in_flight = None;
    let snr = rx.max_snr.unwrap_or(0.0);
    hot.adr_ring.push(AdrSample::new(matched.f_cnt, snr, matched.channel.data_rate_index));
}

/// NS-20.
fn packet_error_rate(hot: &Hot) -> Option<f32> {
    let latest = hot.f_cnt_up?;
    let samples = hot.adr_ring.samples();
    (samples.len() > 1).then(|| loss_rate(samples.iter().map(|sample| sample.f_cnt(latest))))
}

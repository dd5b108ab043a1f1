//! What a webhook has to send next: a machine without I/O.
//!
//! Messages come in from one reader of the log, in order, into a window of bounded length. Of each device one message is
//! under way at a time, so that devices keep their order and do not wait for each other. A device whose message was not
//! taken is *set aside* with a place of its own in the log: its later messages pass the window unread, and are read again
//! from that place when their turn comes. The window's front is the webhook's cursor; what is set aside is kept beside it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::{sync::Arc, time::Duration};

use ttn_core::{
    id::DeviceId,
    rand::Entropy,
    time::{Monotonic, Now, Timestamp},
};

use super::{
    failure::{DeadLetter, Failure, Health},
    gate::{Fault, Gate, Suspension, jittered},
    record::MessageKind,
};
use crate::log::{Cursor, Delivery};

/// The bounds of an outbox.
#[derive(Clone, Debug)]
pub(super) struct Limits {
    /// Requests under way.
    pub(super) under_way_max: usize,
    /// Messages in the window.
    pub(super) window_max: usize,
    /// Devices set aside; beyond it the window waits for devices whose message was not taken.
    pub(super) aside_max: usize,
    /// Dead letters kept; the oldest go.
    pub(super) dead_max: usize,
    /// The pauses between attempts (AS-45).
    pub(super) waits: Vec<Duration>,
    /// How long a message is tried while the endpoint is out.
    pub(super) outage_max: Duration,
    pub(super) suspension: Option<Suspension>,
}

/// How many messages may be handed out between two savings: what is marked as repeated after a crash.
pub(super) const UNSAVED_MAX: usize = 256;
/// Up to how many devices set aside an endpoint that is out is probed with new messages.
const PROBES_NEW_MAX: usize = 8;
/// The pause after the log could not be read.
const UNREADABLE_PAUSE: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Outbox {
    limits: Limits,
    window: VecDeque<Slot>,
    /// The number of the window's first slot since the start.
    first: u64,
    /// Everything up to here is delivered, given up or set aside.
    cursor: Cursor,
    aside: BTreeMap<DeviceId, Aside>,
    busy: BTreeSet<DeviceId>,
    gate: Gate,
    prefers_aside: bool,
    dead: VecDeque<DeadLetter>,
    health: Health,
    unsaved: usize,
    is_dirty: bool,
}

#[derive(Debug)]
struct Slot {
    /// The place before the message.
    before: Cursor,
    behind: Cursor,
    state: SlotState,
    tries: Tries,
    not_before: Monotonic,
}

#[derive(Debug)]
enum SlotState {
    Done,
    UnderWay(Arc<Delivery>),
    Waiting(Arc<Delivery>),
}

/// How often a message was tried.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tries {
    /// In all.
    pub(super) attempts: u32,
    /// As far as they are held against the message.
    pub(super) counted: u32,
    /// When the first one failed.
    pub(super) since: Option<Timestamp>,
    /// Whether the endpoint may have got it.
    pub(super) may_have_arrived: bool,
}

/// A device whose message was not taken.
#[derive(Clone, Debug)]
pub(super) struct Aside {
    /// The place before that message.
    pub(super) cursor: Cursor,
    /// The number of the last message that passed the window.
    pub(super) passed: u64,
    pub(super) tries: Tries,
    /// When the next attempt is due. An earlier one, which only asks whether the endpoint is back, does not count.
    pub(super) due_at: Monotonic,
    pub(super) tried_at: Monotonic,
    /// Whether an attempt is made early, because the endpoint is back.
    pub(super) is_called: bool,
    /// Whether the endpoint was at fault the last time.
    pub(super) was_endpoint: bool,
}

/// A message to send.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) device: DeviceId,
    pub(super) source: Source,
    pub(super) tries: Tries,
    is_early: bool,
    begun: u64,
}

/// What [`Outbox::next`] chose.
struct Choice {
    device: DeviceId,
    source: Source,
    tries: Tries,
    is_early: bool,
}

/// Where the message of a job is.
#[derive(Debug)]
pub(super) enum Source {
    /// In the log, behind a place, not after a number.
    Log { behind: Cursor, passed: u64 },
    /// In the window.
    Window { slot: u64, message: Arc<Delivery> },
}

/// What became of a job.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The endpoint has taken it.
    Delivered,
    /// It was not taken.
    Failed { failure: Failure, retry_after: Option<Duration> },
    /// There is nothing left for the device up to the number.
    Nothing,
    /// The log could not be read.
    Unreadable,
    /// The webhook does not want it.
    Unwanted,
}

/// A message that a job was about.
#[derive(Clone, Debug)]
pub(super) struct About {
    pub(super) behind: Cursor,
    pub(super) number: u64,
    pub(super) kind: Option<MessageKind>,
    pub(super) received_at: Timestamp,
}

impl Outbox {
    pub(super) fn new(limits: Limits, cursor: Cursor) -> Self {
        Self {
            gate: Gate::new(limits.suspension),
            limits,
            window: VecDeque::new(),
            first: 0,
            cursor,
            aside: BTreeMap::new(),
            busy: BTreeSet::new(),
            prefers_aside: false,
            dead: VecDeque::new(),
            health: Health::default(),
            unsaved: 0,
            is_dirty: false,
        }
    }

    /// Takes over what was kept.
    pub(super) fn restore(
        &mut self,
        aside: BTreeMap<DeviceId, Aside>,
        dead: VecDeque<DeadLetter>,
        health: Health,
    ) {
        (self.aside, self.dead, self.health) = (aside, dead, health);
    }

    /// Forgets everything that was to be sent and goes on from a place. Requests under way are given up.
    pub(super) fn move_to(&mut self, cursor: Cursor, revived_since: Option<Timestamp>) {
        self.first += self.window.len() as u64;
        self.window.clear();
        self.aside.clear();
        self.busy.clear();
        self.gate = Gate::new(self.limits.suspension);
        if let Some(since) = revived_since {
            self.dead.retain(|letter| letter.received_at < since);
        }
        self.cursor = cursor;
        self.is_dirty = true;
    }

    /// Tries everything again now: somebody changed the webhook.
    pub(super) fn hurry(&mut self, now: Monotonic) {
        self.gate.succeeded();
        for aside in self.aside.values_mut() {
            aside.due_at = now;
        }
    }

    pub(super) fn reset_health(&mut self) {
        self.health = Health::default();
        self.is_dirty = true;
    }

    /// Whether another message of the reader fits.
    pub(super) fn has_room(&self) -> bool {
        self.window.len() < self.limits.window_max
    }

    /// Takes a message of the reader; one that nobody wants only moves the cursor.
    pub(super) fn push(
        &mut self,
        message: Arc<Delivery>,
        behind: Cursor,
        is_wanted: bool,
        may_repeat: bool,
    ) {
        let record = message.record();
        let (device, number) = (&record.up.ids.key.device_id, record.number);
        // Numbers begin anew when a device is created again.
        let aside = self.aside.get_mut(device);
        let is_aside = aside.map(|aside| aside.passed = aside.passed.max(number)).is_some();
        let state =
            if is_aside || !is_wanted { SlotState::Done } else { SlotState::Waiting(message) };
        let before = self.window.back().map_or(&self.cursor, |slot| &slot.behind).clone();
        let tries = Tries { may_have_arrived: may_repeat, ..Tries::default() };
        let not_before = Monotonic::default();
        self.window.push_back(Slot { before, behind, state, tries, not_before });
        self.advance();
    }

    /// Chooses what to send next.
    pub(super) fn next(&mut self, now: Monotonic) -> Option<Job> {
        let max = self.limits.under_way_max;
        if self.unsaved >= UNSAVED_MAX || !self.gate.lets_through(now, self.busy.len(), max) {
            return None;
        }
        let new_first = if self.gate.is_out() {
            self.aside.len() < PROBES_NEW_MAX
        } else {
            !self.prefers_aside
        };
        let found = if new_first {
            self.next_new(now).or_else(|| self.next_aside(now))
        } else {
            self.next_aside(now).or_else(|| self.next_new(now))
        };
        let Choice { device, source, tries, is_early } = found?;
        self.prefers_aside = !self.prefers_aside;
        self.busy.insert(device.clone());
        self.unsaved += 1;
        self.is_dirty = true;
        Some(Job { device, source, tries, is_early, begun: self.gate.begin() })
    }

    /// When [`Self::next`] may find something that it does not find now.
    pub(super) fn next_at(&self, now: Monotonic) -> Option<Monotonic> {
        let asides = self.aside.iter().filter(|(device, _)| !self.busy.contains(*device));
        let asides = asides.map(|(_, aside)| aside.due_at);
        let slots = self.window.iter().map(|slot| slot.not_before);
        let gate = self.gate.opens_at();
        asides.chain(slots).chain(gate).filter(|at| *at > now).min()
    }

    /// Takes what became of a job. Gives the message if it was given up now.
    pub(super) fn finish(
        &mut self,
        job: &Job,
        about: Option<&About>,
        outcome: Outcome,
        now: Now,
        entropy: &dyn Entropy,
    ) -> Option<DeadLetter> {
        if !self.busy.remove(&job.device) {
            // Everything was forgotten meanwhile.
            return None;
        }
        self.is_dirty = true;
        match outcome {
            Outcome::Delivered => {
                self.health.succeeded();
                let (was_closed, was_out) = (self.gate.is_closed(), self.gate.is_out());
                self.gate.succeeded();
                if was_closed {
                    self.endpoint_is_back(was_out, now.monotonic);
                }
                self.done_with(job, about, now.monotonic);
                None
            }
            Outcome::Unwanted => {
                self.gate.told_nothing(job.begun);
                self.done_with(job, about, now.monotonic);
                None
            }
            Outcome::Nothing => {
                self.gate.told_nothing(job.begun);
                self.aside.remove(&job.device);
                None
            }
            Outcome::Unreadable => {
                self.gate.told_nothing(job.begun);
                if let Some(aside) = self.aside.get_mut(&job.device) {
                    aside.due_at = now.monotonic.plus(UNREADABLE_PAUSE);
                    aside.is_called = false;
                }
                None
            }
            Outcome::Failed { failure, retry_after } => {
                self.failed(job, about, failure, retry_after, now, entropy)
            }
        }
    }

    fn failed(
        &mut self,
        job: &Job,
        about: Option<&About>,
        failure: Failure,
        retry_after: Option<Duration>,
        now: Now,
        entropy: &dyn Entropy,
    ) -> Option<DeadLetter> {
        self.health.failed(&failure, now.utc);
        let fault = failure.fault();
        let mut tries = job.tries.clone();
        tries.attempts = tries.attempts.saturating_add(1);
        // While the endpoint is out its failures say nothing about messages.
        let counts = !job.is_early && (fault == Fault::Message || !self.gate.is_out());
        tries.counted = tries.counted.saturating_add(u32::from(counts));
        tries.may_have_arrived |= failure.may_have_arrived();
        let since = *tries.since.get_or_insert(now.utc);
        self.gate.failed(job.begun, fault, retry_after, now.monotonic, entropy);
        let about = about?;
        let wait = self.limits.waits.get(tries.counted.saturating_sub(1) as usize);
        let is_too_old = now.utc.since(since) >= self.limits.outage_max;
        let (Some(wait), false) = (wait, is_too_old) else {
            let letter = DeadLetter {
                device_id: job.device.clone(),
                number: about.number,
                kind: about.kind.unwrap_or(MessageKind::UplinkMessage),
                received_at: about.received_at,
                failed_at: now.utc,
                attempts: tries.attempts,
                failure: failure.shortened(),
            };
            if self.dead.len() >= self.limits.dead_max {
                self.dead.pop_front();
            }
            self.dead.push_back(letter.clone());
            self.done_with(job, Some(about), now.monotonic);
            return Some(letter);
        };
        let due_at = counts.then(|| now.monotonic.plus(jittered(*wait, entropy)));
        let was_endpoint = fault == Fault::Endpoint;
        match &job.source {
            Source::Log { .. } => {
                if let Some(aside) = self.aside.get_mut(&job.device) {
                    aside.due_at = due_at.unwrap_or(aside.due_at);
                    (aside.tries, aside.tried_at) = (tries, now.monotonic);
                    (aside.is_called, aside.was_endpoint) = (false, was_endpoint);
                }
            }
            Source::Window { slot, message } => {
                let aside = Aside {
                    cursor: Cursor::end(),
                    passed: about.number,
                    tries,
                    due_at: due_at.unwrap_or_else(|| now.monotonic.plus(*wait)),
                    tried_at: now.monotonic,
                    is_called: false,
                    was_endpoint,
                };
                self.set_aside(&job.device, *slot, message, aside);
            }
        }
        None
    }

    /// Sets a device aside, with all its messages in the window; or, without room, puts its message off.
    fn set_aside(
        &mut self,
        device: &DeviceId,
        slot: u64,
        message: &Arc<Delivery>,
        mut aside: Aside,
    ) {
        let has_room = self.aside.len() < self.limits.aside_max;
        let Some(found) = index_of(slot, self.first).and_then(|at| self.window.get_mut(at)) else {
            return;
        };
        if !has_room {
            (found.tries, found.not_before) = (aside.tries, aside.due_at);
            found.state = SlotState::Waiting(message.clone());
            return;
        }
        aside.cursor = found.before.clone();
        for slot in &mut self.window {
            let (SlotState::Waiting(message) | SlotState::UnderWay(message)) = &slot.state else {
                continue;
            };
            if message.record().up.ids.key.device_id == *device {
                aside.passed = aside.passed.max(message.record().number);
                slot.state = SlotState::Done;
            }
        }
        self.aside.insert(device.clone(), aside);
        self.advance();
    }

    /// The message of a job needs no more care.
    fn done_with(&mut self, job: &Job, about: Option<&About>, now: Monotonic) {
        if let Source::Window { slot, .. } = &job.source {
            if let Some(found) = index_of(*slot, self.first).and_then(|at| self.window.get_mut(at))
            {
                found.state = SlotState::Done;
            }
            self.advance();
            return;
        }
        let (Some(aside), Some(about)) = (self.aside.get_mut(&job.device), about) else { return };
        if about.number >= aside.passed {
            // The window goes on with the device.
            self.aside.remove(&job.device);
            return;
        }
        aside.cursor = about.behind.clone();
        (aside.tries, aside.due_at, aside.tried_at) = (Tries::default(), now, now);
    }

    /// The endpoint is back: what failed because of it is tried at once, and does not count if it fails again. What has
    /// failed twice while others did not may itself be the reason, and waits unless there was an outage.
    fn endpoint_is_back(&mut self, was_out: bool, now: Monotonic) {
        for aside in self.aside.values_mut().filter(|aside| aside.was_endpoint) {
            aside.is_called = was_out || aside.tries.counted <= 1;
        }
        for slot in &mut self.window {
            if was_out || slot.tries.counted <= 1 {
                slot.not_before = now;
            }
        }
    }

    fn advance(&mut self) {
        while let Some(slot) =
            self.window.pop_front_if(|slot| matches!(slot.state, SlotState::Done))
        {
            self.cursor = slot.behind;
            self.first += 1;
            self.is_dirty = true;
        }
    }

    fn next_new(&mut self, now: Monotonic) -> Option<Choice> {
        let mut seen = BTreeSet::new();
        for (index, slot) in self.window.iter_mut().enumerate() {
            let message = match &slot.state {
                SlotState::Waiting(message) => message.clone(),
                SlotState::UnderWay(_) | SlotState::Done => continue,
            };
            let device = message.record().up.ids.key.device_id.clone();
            let is_first = seen.insert(device.clone());
            if !is_first || slot.not_before > now || self.busy.contains(&device) {
                continue;
            }
            slot.state = SlotState::UnderWay(message.clone());
            let slot_number = self.first + index as u64;
            let source = Source::Window { slot: slot_number, message };
            return Some(Choice { device, source, tries: slot.tries.clone(), is_early: false });
        }
        None
    }

    fn next_aside(&self, now: Monotonic) -> Option<Choice> {
        // An endpoint that does not answer is probed with whatever waits.
        let any = self.gate.is_closed();
        let free = self.aside.iter().filter(|(device, _)| !self.busy.contains(*device));
        let wanted = free.filter(|(_, aside)| any || aside.is_called || aside.due_at <= now);
        let (device, aside) = wanted.min_by_key(|(_, aside)| aside.tried_at)?;
        Some(Choice {
            device: device.clone(),
            source: Source::Log { behind: aside.cursor.clone(), passed: aside.passed },
            tries: aside.tries.clone(),
            is_early: aside.due_at > now,
        })
    }
}

/// What is kept and shown.
impl Outbox {
    pub(super) const fn cursor(&self) -> &Cursor {
        &self.cursor
    }

    pub(super) const fn aside(&self) -> &BTreeMap<DeviceId, Aside> {
        &self.aside
    }

    pub(super) const fn dead(&self) -> &VecDeque<DeadLetter> {
        &self.dead
    }

    pub(super) const fn health(&self) -> &Health {
        &self.health
    }

    /// Where the reader goes on.
    pub(super) fn read_from(&self) -> &Cursor {
        self.window.back().map_or(&self.cursor, |slot| &slot.behind)
    }

    /// Whether there is something to save.
    pub(super) const fn is_dirty(&self) -> bool {
        self.is_dirty
    }

    /// Whether nothing goes on before it is saved.
    pub(super) const fn must_save(&self) -> bool {
        self.unsaved >= UNSAVED_MAX
    }

    pub(super) const fn saved(&mut self) {
        (self.is_dirty, self.unsaved) = (false, 0);
    }

    /// The saving failed: nothing goes on before the next one.
    pub(super) const fn not_saved(&mut self) {
        (self.is_dirty, self.unsaved) = (true, UNSAVED_MAX);
    }
}

fn index_of(slot: u64, first: u64) -> Option<usize> {
    usize::try_from(slot.checked_sub(first)?).ok()
}

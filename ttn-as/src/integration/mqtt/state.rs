//! What a session consists of.

use std::{num::NonZeroU16, time::Duration};

use ttn_core::{map::Set, time::Timestamp};

use super::{
    topic,
    window::{Turn, Window},
};
use crate::log::{Cursor, Delivery};

/// The state of a session.
#[derive(Debug, Default)]
pub(super) struct SessionState {
    /// Whether it outlives its connection.
    pub(super) is_kept: bool,
    filters: Vec<Filter>,
    /// There is one while a filter at QoS 1 is there, or a message is under way.
    window: Option<Window>,
    /// QoS 2 messages of the client that wait for their release.
    pub(super) unreleased: Set<NonZeroU16>,
    repeated: Option<Repeated>,
    /// When the client left; `None` while it is there.
    disconnected_at: Option<Timestamp>,
    /// Whether the store has it.
    pub(super) is_stored: bool,
    filters_version: Version,
    place_version: Version,
}

/// A filter as it was granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Filter {
    /// Narrowed to the application.
    pub(super) text: String,
    /// Whether it is at QoS 1.
    pub(super) is_acknowledged: bool,
}

/// What may have been handed out by a process that is no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Repeated {
    /// Messages received before this time,
    pub(super) before: Timestamp,
    /// and up to this one, if it is known.
    pub(super) through: Option<Cursor>,
}

/// How far a session is, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(super) struct Place {
    /// Everything up to here is done with; `None` without a filter at QoS 1.
    pub(super) done: Option<Cursor>,
    /// What had been handed out behind it when the client left; unknown while it is connected.
    pub(super) repeated: Option<Repeated>,
    /// When the client left; `None` while it is there.
    pub(super) disconnected_at: Option<Timestamp>,
}

/// How a message goes to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outgoing {
    /// At QoS 1.
    Acknowledged { id: NonZeroU16, dup: bool },
    /// At QoS 0.
    Once,
}

/// Counts changes, and which of them are stored.
#[derive(Debug, Default)]
struct Version {
    now: u64,
    stored: u64,
}

impl SessionState {
    /// A session as the store had it at the start.
    pub(super) fn restored(
        filters: Vec<Filter>,
        place: Place,
        started_at: Timestamp,
        end: impl FnOnce() -> Cursor,
    ) -> Self {
        let crashed = Repeated { before: started_at, through: None };
        let needs_place = filters.iter().any(|filter| filter.is_acknowledged);
        Self {
            is_kept: true,
            filters,
            // Without a place, nobody was told yet that there is a filter at QoS 1.
            window: place.done.or_else(|| needs_place.then(end)).map(Window::at),
            repeated: place.disconnected_at.map_or(Some(crashed), |_| place.repeated),
            // A client that was connected when the process ended left then, as far as anybody knows.
            disconnected_at: Some(place.disconnected_at.unwrap_or(started_at)),
            is_stored: true,
            ..Self::default()
        }
    }

    /// Begins a connection; gives whether the session was there before.
    pub(super) fn connect(&mut self, is_clean: bool) -> bool {
        let is_present = self.is_kept && !is_clean;
        if !is_present {
            self.clear();
        }
        self.is_kept = !is_clean;
        self.disconnected_at = None;
        if let Some(window) = &mut self.window {
            window.restart();
        }
        self.place_version.change();
        is_present
    }

    /// Ends a connection; gives whether the session is kept.
    pub(super) fn disconnect(&mut self, now: Timestamp) -> bool {
        self.disconnected_at = Some(now);
        self.place_version.change();
        self.is_kept
    }

    /// Without a connection: whether the session is kept. One that is not is empty afterwards.
    pub(super) fn keep_until(&mut self, now: Timestamp, expiry: Duration) -> bool {
        if self.is_kept && self.disconnected_at.is_none() {
            // Its connection was dropped halfway.
            self.disconnect(now);
        }
        let expiry = i64::try_from(expiry.as_nanos()).unwrap_or(i64::MAX);
        let is_young = |left: Timestamp| now.unix_nanos() - left.unix_nanos() < expiry;
        if self.is_kept && self.disconnected_at.is_some_and(is_young) {
            return true;
        }
        self.clear();
        false
    }

    fn clear(&mut self) {
        *self = Self { is_stored: self.is_stored, ..Self::default() };
        self.filters_version.change();
        self.place_version.change();
    }

    /// Adds a filter or changes its QoS; `end` is the end of the log, where a first filter at QoS 1 begins.
    pub(super) fn subscribe(&mut self, filter: Filter, end: impl FnOnce() -> Cursor) {
        if filter.is_acknowledged && self.window.is_none() {
            self.window = Some(Window::at(end()));
        }
        match self.filters.iter_mut().find(|known| known.text == filter.text) {
            Some(known) => *known = filter,
            None => self.filters.push(filter),
        }
        self.filters_version.change();
        self.settle();
    }

    /// Removes a filter, if it is there.
    pub(super) fn unsubscribe(&mut self, filter: &str) {
        self.filters.retain(|known| known.text != filter);
        self.filters_version.change();
        self.settle();
    }

    /// Takes note of a message that was read from the log and says how it goes to the client, if at all.
    pub(super) fn read(
        &mut self,
        cursor: &Cursor,
        topic: &str,
        delivery: &Delivery,
    ) -> Option<Outgoing> {
        let wanted = self.wants(topic);
        let is_repeated = self.is_repeated(cursor, delivery);
        let window = self.window.as_mut()?;
        self.place_version.change();
        match (window.read(cursor), wanted) {
            (Turn::Replay(id), _) => Some(Outgoing::Acknowledged { id, dup: true }),
            (Turn::New, Some(true)) => {
                Some(Outgoing::Acknowledged { id: window.send(), dup: is_repeated })
            }
            // What was sent at most once is not sent again.
            (Turn::New, Some(false)) => (!is_repeated).then_some(Outgoing::Once),
            (Turn::New, None) | (Turn::Skip, _) => None,
        }
    }

    /// Takes note of records that were deleted before they were read.
    pub(super) fn read_gap(&mut self, behind: &Cursor) {
        if let Some(window) = &mut self.window {
            window.skip_gap(behind);
            self.place_version.change();
        }
    }

    /// Takes an acknowledgement.
    pub(super) fn acknowledge(&mut self, id: NonZeroU16) {
        if let Some(window) = &mut self.window {
            window.acknowledge(id);
            self.settle();
        }
    }

    /// Whether a topic matches a filter, and one of them at QoS 1.
    pub(super) fn wants(&self, topic: &str) -> Option<bool> {
        let matching = self.filters.iter().filter(|filter| topic::matches(&filter.text, topic));
        matching.map(|filter| filter.is_acknowledged).max()
    }

    /// Where to read the log from; `None` if the live end will do.
    pub(super) fn place(&self) -> Option<&Cursor> {
        self.window.as_ref().map(Window::place)
    }

    /// Whether the client has to acknowledge something before it gets more.
    pub(super) fn is_full(&self) -> bool {
        self.window.as_ref().is_some_and(Window::is_full)
    }

    /// The filters as they were granted.
    pub(super) fn filters(&self) -> &[Filter] {
        &self.filters
    }

    /// The filters, if the store has others, and their version.
    pub(super) fn unstored_filters(&self) -> Option<(u64, &[Filter])> {
        let version = self.filters_version.unstored().or_else(|| {
            let is_new = !self.is_stored;
            is_new.then_some(self.filters_version.now)
        });
        version.map(|version| (version, &*self.filters))
    }

    /// The place, if the store has another, and its version.
    pub(super) fn unstored_place(&self) -> Option<(u64, Place)> {
        let place = || Place {
            done: self.window.as_ref().map(|window| window.done().clone()),
            repeated: self.disconnected_at.and_then(|left| self.handed_out(left)),
            disconnected_at: self.disconnected_at,
        };
        self.place_version.unstored().map(|version| (version, place()))
    }

    /// Takes note of filters that are stored now.
    pub(super) const fn filters_stored(&mut self, version: u64) {
        self.filters_version.stored = version;
        self.is_stored = true;
    }

    /// Takes note of a place that is stored now.
    pub(super) const fn place_stored(&mut self, version: u64) {
        self.place_version.stored = version;
    }

    fn settle(&mut self) {
        self.place_version.change();
        let is_done = self.window.as_ref().is_some_and(Window::is_empty);
        if is_done && !self.filters.iter().any(|filter| filter.is_acknowledged) {
            self.window = None;
        }
    }

    /// What was handed out behind [`Place::done`] before the client left.
    fn handed_out(&self, left: Timestamp) -> Option<Repeated> {
        let sent = self.window.as_ref().and_then(Window::last_sent).cloned();
        match (&self.repeated, sent) {
            (None, None) => None,
            (None, through) => Some(Repeated { before: left, through }),
            (Some(earlier), None) => Some(earlier.clone()),
            // Two processes handed something out; rather too much is marked than too little.
            (Some(_), Some(_)) => Some(Repeated { before: left, through: None }),
        }
    }

    /// Whether a process that is no more may have handed a message out.
    fn is_repeated(&mut self, cursor: &Cursor, delivery: &Delivery) -> bool {
        let Some(repeated) = &self.repeated else { return false };
        let is_repeated = delivery.record().up.received_at < repeated.before;
        if repeated.through.as_ref() == Some(cursor) {
            self.repeated = None;
        }
        is_repeated
    }
}

impl Version {
    const fn change(&mut self) {
        self.now += 1;
    }

    fn unstored(&self) -> Option<u64> {
        (self.now != self.stored).then_some(self.now)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ttn_core::msg::Up;

    use super::*;
    use crate::{log::Record, testing};

    const TOPIC: &str = "v3/my-app/devices/my-dev/up";

    fn state() -> SessionState {
        let mut state = SessionState::default();
        state.connect(false);
        let filter = Filter { text: "v3/my-app/#".to_owned(), is_acknowledged: true };
        state.subscribe(filter, || Cursor::behind(0));
        state
    }

    fn read(state: &mut SessionState, number: u64) -> Option<Outgoing> {
        let up = testing::up(Up::Uplink(Box::new(testing::uplink(0, b""))));
        let delivery = Delivery::new(Arc::new(Record::deliver(number, up)));
        state.read(&Cursor::behind(number), TOPIC, &delivery)
    }

    /// The state after the process ended, by what was stored of it; messages are from before.
    fn restarted(state: &SessionState) -> SessionState {
        let (_, place) = state.unstored_place().unwrap();
        let (later, no_end) = (Timestamp::from_unix_secs(1_800_000_000), || unreachable!());
        let mut state = SessionState::restored(state.filters().to_vec(), place, later, no_end);
        assert!(state.connect(false), "the session is present");
        state
    }

    fn dup(outgoing: Option<Outgoing>) -> bool {
        match outgoing {
            Some(Outgoing::Acknowledged { dup, .. }) => dup,
            other => panic!("{other:?} is not at QoS 1"),
        }
    }

    // DESIGN promise 3
    #[test]
    fn after_a_crash_everything_behind_the_stored_place_is_marked() {
        let mut state = state();
        assert!(!dup(read(&mut state, 1)));
        let mut state = restarted(&state);
        assert!(dup(read(&mut state, 1)) && dup(read(&mut state, 2)));
    }

    #[test]
    fn after_an_ordered_end_only_what_was_under_way_is_marked() {
        let mut state = state();
        assert!(!dup(read(&mut state, 1)) && !dup(read(&mut state, 2)));
        state.disconnect(Timestamp::from_unix_secs(1_799_000_000));
        let mut state = restarted(&state);
        assert!(dup(read(&mut state, 1)) && dup(read(&mut state, 2)));
        assert!(!dup(read(&mut state, 3)), "it was never sent");
    }

    #[test]
    fn a_crash_is_remembered_until_its_messages_were_read() {
        let mut state = restarted(&state());
        assert!(dup(read(&mut state, 1)));
        state.disconnect(Timestamp::from_unix_secs(1_800_000_001));
        let mut state = restarted(&state);
        assert!(dup(read(&mut state, 1)) && dup(read(&mut state, 2)));
    }

    #[test]
    fn a_clean_connection_forgets_the_session() {
        let mut state = state();
        assert!(!state.connect(true));
        assert_eq!((state.filters(), state.place()), (&[][..], None));
        assert!(!state.connect(false), "nothing is present after it");
    }

    #[test]
    fn a_session_ends_when_nobody_comes_back_in_time() {
        let mut state = state();
        let (left, day) = (Timestamp::from_unix_secs(1_000_000), Duration::from_secs(86_400));
        state.disconnect(left);
        assert!(state.keep_until(Timestamp::from_unix_secs(1_086_399), day));
        assert!(!state.keep_until(Timestamp::from_unix_secs(1_086_400), day));
        assert!(state.filters().is_empty());
    }
}

//! What a client at QoS 1 was sent and has not acknowledged, as a pure state: places in the log and packet ids, no
//! messages (DESIGN 4).

use std::{collections::VecDeque, num::NonZeroU16};

use crate::log::Cursor;

/// How many messages a client may leave unacknowledged; then nothing more is read for it.
pub(super) const WINDOW: usize = 64;

/// The messages under way to a client, and its place in the log.
#[derive(Clone, Debug, Default)]
pub(super) struct Window {
    /// Sent on this connection, in the order of the log.
    sent: VecDeque<Entry>,
    /// Sent on an earlier connection and not read again yet; all behind those of `sent`.
    replay: VecDeque<Entry>,
    /// The place behind the last entry that was read.
    read: Cursor,
    /// Everything up to here is done with.
    done: Cursor,
    last_id: u16,
}

#[derive(Clone, Debug)]
struct Entry {
    id: NonZeroU16,
    /// The place behind the message.
    cursor: Cursor,
    acknowledged: bool,
}

/// What becomes of a message that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// It has not been sent.
    New,
    /// It was sent under this packet id and is sent again.
    Replay(NonZeroU16),
    /// It is done with.
    Skip,
}

impl Window {
    /// Begins at a place, with nothing under way.
    pub(super) fn at(cursor: Cursor) -> Self {
        Self { read: cursor.clone(), done: cursor, ..Self::default() }
    }

    /// Begins a connection: what is not acknowledged is read, and sent, again.
    pub(super) fn restart(&mut self) {
        let mut replay = std::mem::take(&mut self.sent);
        replay.append(&mut self.replay);
        self.replay = replay;
        self.read = self.done.clone();
    }

    /// Takes note of a message that was read and says what becomes of it.
    pub(super) fn read(&mut self, cursor: &Cursor) -> Turn {
        self.read = cursor.clone();
        let is_known = |entry: &mut Entry| entry.cursor == *cursor;
        match self.replay.pop_front_if(is_known) {
            Some(entry) => {
                let turn = if entry.acknowledged { Turn::Skip } else { Turn::Replay(entry.id) };
                self.sent.push_back(entry);
                self.advance();
                turn
            }
            // What lies between messages that were sent did not match the filters then.
            None if !self.replay.is_empty() => Turn::Skip,
            None => Turn::New,
        }
    }

    /// Gives the message that was just read a packet id; it is under way now.
    pub(super) fn send(&mut self) -> NonZeroU16 {
        let id = loop {
            self.last_id = self.last_id.wrapping_add(1);
            // At most twice the window is in use, so that one is free.
            if let Some(id) = NonZeroU16::new(self.last_id)
                && !self.entries().any(|entry| entry.id == id)
            {
                break id;
            }
        };
        let cursor = self.read.clone();
        self.sent.push_back(Entry { id, cursor, acknowledged: false });
        id
    }

    /// Takes an acknowledgement. Unknown ids are ignored: they were acknowledged before.
    pub(super) fn acknowledge(&mut self, id: NonZeroU16) {
        if let Some(entry) = self.sent.iter_mut().chain(&mut self.replay).find(|it| it.id == id) {
            entry.acknowledged = true;
            self.advance();
        }
    }

    /// Records were deleted before they were read: what was under way among them is gone.
    pub(super) fn skip_gap(&mut self, behind: &Cursor) {
        self.replay.clear();
        self.read = behind.clone();
    }

    /// Whether nothing more may be sent before an acknowledgement.
    pub(super) fn is_full(&self) -> bool {
        self.sent.len() >= WINDOW
    }

    /// Whether nothing is under way.
    pub(super) fn is_empty(&self) -> bool {
        self.sent.is_empty() && self.replay.is_empty()
    }

    /// The place behind the last entry that was read.
    pub(super) const fn place(&self) -> &Cursor {
        &self.read
    }

    /// The place up to which everything is done with: nothing behind it is lost if reading begins there.
    pub(super) fn done(&self) -> &Cursor {
        if self.is_empty() { &self.read } else { &self.done }
    }

    /// The place behind the last message that was sent and is not done with.
    pub(super) fn last_sent(&self) -> Option<&Cursor> {
        self.entries().next_back().map(|entry| &entry.cursor)
    }

    fn entries(&self) -> impl DoubleEndedIterator<Item = &Entry> {
        self.sent.iter().chain(&self.replay)
    }

    fn advance(&mut self) {
        while let Some(entry) = self.sent.pop_front_if(|entry| entry.acknowledged) {
            self.done = entry.cursor;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursor(number: u64) -> Cursor {
        Cursor::behind(number)
    }

    fn send(window: &mut Window, number: u64) -> NonZeroU16 {
        assert_eq!(window.read(&cursor(number)), Turn::New);
        window.send()
    }

    #[test]
    fn the_place_moves_only_behind_what_is_acknowledged() {
        let mut window = Window::at(cursor(0));
        let ids: Vec<_> = (1..=3).map(|number| send(&mut window, number)).collect();
        window.acknowledge(ids[1]);
        assert_eq!(window.done(), &cursor(0));
        window.acknowledge(ids[0]);
        assert_eq!(window.done(), &cursor(2));
        assert_eq!(window.read(&cursor(7)), Turn::New, "read, but matched by no filter");
        window.acknowledge(ids[2]);
        assert_eq!(window.done(), &cursor(7));
        assert_eq!(window.last_sent(), None);
    }

    #[test]
    fn a_new_connection_replays_with_the_old_ids_what_is_not_acknowledged() {
        let mut window = Window::at(cursor(0));
        let ids: Vec<_> = (1..=3).map(|number| send(&mut window, number * 10)).collect();
        window.acknowledge(ids[1]);
        assert_eq!(window.last_sent(), Some(&cursor(30)));
        window.restart();
        assert_eq!(window.place(), &cursor(0));
        assert_eq!(window.read(&cursor(10)), Turn::Replay(ids[0]));
        assert_eq!(window.read(&cursor(15)), Turn::Skip);
        assert_eq!(window.read(&cursor(20)), Turn::Skip);
        window.restart();
        assert_eq!(window.read(&cursor(10)), Turn::Replay(ids[0]), "a second broken connection");
        window.acknowledge(ids[2]);
        assert_eq!(window.read(&cursor(20)), Turn::Skip);
        assert_eq!(window.read(&cursor(30)), Turn::Skip, "acknowledged before it was sent again");
        let new = send(&mut window, 40);
        assert!(!ids.contains(&new));
        window.acknowledge(ids[0]);
        assert_eq!(window.done(), &cursor(30));
    }

    #[test]
    fn ids_in_use_are_not_given_again() {
        let mut window = Window::at(cursor(0));
        let first = send(&mut window, 1);
        for number in 2..70_000 {
            let id = send(&mut window, number);
            assert_ne!(id, first);
            window.acknowledge(id);
            // The first one stays under way, and those behind it wait for it.
            if window.is_full() {
                window.sent.truncate(1);
            }
        }
    }

    #[test]
    fn a_gap_forgets_what_was_under_way_in_it() {
        let mut window = Window::at(cursor(0));
        send(&mut window, 1);
        window.restart();
        window.skip_gap(&cursor(100));
        assert_eq!(window.read(&cursor(101)), Turn::New);
        assert!(window.is_empty());
    }
}

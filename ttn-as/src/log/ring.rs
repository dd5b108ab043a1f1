//! What live readers of one application have not all read yet.

use std::{collections::VecDeque, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::Notify;

/// A bounded queue with many readers. An item goes when everybody has read it, so that the queue is as long as its
/// slowest reader is behind; at the limit the oldest goes, and who had not read it counts it.
#[derive(Debug)]
pub(super) struct Ring<T> {
    state: Mutex<State<T>>,
    grown: Notify,
    max: usize,
}

#[derive(Debug)]
struct State<T> {
    /// The number of the first item in the queue.
    first: u64,
    queue: VecDeque<Slot<T>>,
    readers: usize,
    is_closed: bool,
}

#[derive(Debug)]
struct Slot<T> {
    item: T,
    /// How many readers have it before them.
    unread: usize,
}

/// Reads what comes since it was made.
#[derive(Debug)]
pub(crate) struct RingReader<T> {
    ring: Arc<Ring<T>>,
    next: u64,
    lost: u64,
}

impl<T> Ring<T> {
    pub(super) fn new(max: usize) -> Self {
        let state = State { first: 0, queue: VecDeque::new(), readers: 0, is_closed: false };
        Self { state: Mutex::new(state), grown: Notify::new(), max: max.max(1) }
    }

    /// Reads what comes from now on.
    pub(super) fn subscribe(self: &Arc<Self>) -> RingReader<T> {
        let mut state = self.state.lock();
        state.readers += 1;
        RingReader { ring: self.clone(), next: state.end(), lost: 0 }
    }

    /// Adds an item, unless nobody reads: then it gives `false`.
    pub(super) fn push(&self, item: T) -> bool {
        let mut state = self.state.lock();
        if state.readers == 0 {
            return false;
        }
        if state.queue.len() == self.max {
            state.queue.pop_front();
            state.first += 1;
        }
        let unread = state.readers;
        state.queue.push_back(Slot { item, unread });
        drop(state);
        self.grown.notify_waiters();
        true
    }

    /// Nothing comes any more.
    pub(super) fn close(&self) {
        self.state.lock().is_closed = true;
        self.grown.notify_waiters();
    }
}

impl<T> State<T> {
    fn end(&self) -> u64 {
        self.first + self.queue.len() as u64
    }

    fn forget_read(&mut self) {
        while self.queue.pop_front_if(|slot| slot.unread == 0).is_some() {
            self.first += 1;
        }
    }
}

impl<T: Clone> RingReader<T> {
    /// Waits for the next item; `None` when the ring is closed. Safe to drop halfway.
    pub(crate) async fn next(&mut self) -> Option<T> {
        let ring = self.ring.clone();
        loop {
            // Made before looking, so that nothing that comes in between is missed.
            let grown = ring.grown.notified();
            if let Some(item) = self.try_next() {
                return Some(item);
            }
            if ring.state.lock().is_closed {
                return None;
            }
            grown.await;
        }
    }

    /// The next item, if there is one already.
    pub(crate) fn try_next(&mut self) -> Option<T> {
        let mut state = self.ring.state.lock();
        self.lost += state.first.saturating_sub(self.next);
        self.next = self.next.max(state.first);
        let index = usize::try_from(self.next - state.first).ok()?;
        let slot = state.queue.get_mut(index)?;
        slot.unread -= 1;
        let item = slot.item.clone();
        self.next += 1;
        if index == 0 {
            state.forget_read();
        }
        Some(item)
    }

    /// How many items this reader lost because it was slow.
    pub(crate) const fn lost(&self) -> u64 {
        self.lost
    }
}

impl<T> Drop for RingReader<T> {
    fn drop(&mut self) {
        let mut state = self.ring.state.lock();
        state.readers -= 1;
        let read = usize::try_from(self.next.saturating_sub(state.first)).unwrap_or(usize::MAX);
        for slot in state.queue.iter_mut().skip(read) {
            slot.unread -= 1;
        }
        state.forget_read();
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    fn drain(reader: &mut RingReader<u32>) -> Vec<u32> {
        std::iter::from_fn(|| reader.try_next()).collect()
    }

    // DESIGN promise 9
    #[test]
    fn a_slow_reader_loses_the_oldest_and_others_nothing() {
        let ring = Arc::new(Ring::new(3));
        assert!(!ring.push(0), "nobody reads yet");
        let (mut slow, mut fast) = (ring.subscribe(), ring.subscribe());
        for item in 1..=5 {
            assert!(ring.push(item));
            assert_eq!(fast.try_next(), Some(item));
        }
        assert_eq!(drain(&mut slow), [3, 4, 5]);
        assert_eq!((slow.lost(), fast.lost()), (2, 0));
    }

    #[test]
    fn what_everybody_has_read_is_freed() {
        let ring = Arc::new(Ring::new(8));
        let (mut first, mut second, third) = (ring.subscribe(), ring.subscribe(), ring.subscribe());
        for item in 1..=4 {
            ring.push(item);
        }
        let length = || ring.state.lock().queue.len();
        assert_eq!(drain(&mut first), [1, 2, 3, 4]);
        assert_eq!((second.try_next(), length()), (Some(1), 4), "the third has read nothing");
        drop(third);
        assert_eq!(length(), 3, "nobody waits for the first item any more");
        assert_eq!(drain(&mut second), [2, 3, 4]);
        assert_eq!(length(), 0);
        drop((first, second));
        assert!(!ring.push(5));
    }

    #[test]
    fn a_waiting_reader_wakes_and_ends_with_the_ring() {
        let ring = Arc::new(Ring::new(8));
        let mut reader = ring.subscribe();
        {
            let mut next = std::pin::pin!(reader.next());
            assert_eq!(next.as_mut().now_or_never(), None);
        }
        ring.push(1);
        ring.close();
        assert_eq!(reader.next().now_or_never(), Some(Some(1)));
        assert_eq!(reader.next().now_or_never(), Some(None));
    }
}

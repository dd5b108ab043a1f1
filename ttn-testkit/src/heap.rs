//! What is still to happen, in the order of (time, sequence).

use std::{
    cmp::{Ordering, Reverse},
    collections::BinaryHeap,
};

use ttn_core::time::Monotonic;

/// A heap of occurrences. Of two at the same time the one that was added first comes first.
#[derive(Debug)]
pub struct EventHeap<T> {
    heap: BinaryHeap<Reverse<Entry<T>>>,
    sequence: u64,
}

#[derive(Debug)]
struct Entry<T> {
    at: Monotonic,
    sequence: u64,
    what: T,
}

impl<T> EventHeap<T> {
    /// Makes an empty heap.
    #[must_use]
    pub const fn new() -> Self {
        Self { heap: BinaryHeap::new(), sequence: 0 }
    }

    /// Adds an occurrence.
    pub fn push(&mut self, at: Monotonic, what: T) {
        self.sequence += 1;
        self.heap.push(Reverse(Entry { at, sequence: self.sequence, what }));
    }

    /// Takes the first occurrence that is due.
    pub fn pop_due(&mut self, now: Monotonic) -> Option<(Monotonic, T)> {
        if self.next_at()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse(entry)| (entry.at, entry.what))
    }

    /// When the next occurrence is due.
    #[must_use]
    pub fn next_at(&self) -> Option<Monotonic> {
        self.heap.peek().map(|Reverse(entry)| entry.at)
    }
}

impl<T> Default for EventHeap<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<T> Eq for Entry<T> {}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.sequence).cmp(&(other.at, other.sequence))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_added_first_happens_first_at_the_same_time() {
        let mut heap = EventHeap::new();
        let (early, late) = (Monotonic::from_nanos(1), Monotonic::from_nanos(2));
        heap.push(late, "c");
        heap.push(early, "a");
        heap.push(early, "b");
        assert_eq!(heap.pop_due(early), Some((early, "a")));
        assert_eq!(heap.pop_due(early), Some((early, "b")));
        assert_eq!(heap.pop_due(early), None);
        assert_eq!(heap.pop_due(late), Some((late, "c")));
    }
}

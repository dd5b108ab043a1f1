//! When a sub-band was used: spans that do not overlap, with running sums.

use std::{collections::VecDeque, time::Duration};

use ttn_core::time::ConcentratorTime;

/// The spans in which a sub-band was or will be used, in order.
#[derive(Clone, Debug, Default)]
pub(super) struct AirTime {
    spans: VecDeque<Span>,
}

#[derive(Clone, Copy, Debug)]
struct Span {
    start: i64,
    end: i64,
    /// The sum of the lengths of all spans before this one.
    before: i64,
}

impl Span {
    const fn length(&self) -> i64 {
        self.end - self.start
    }
}

impl AirTime {
    /// Adds a span, which overlaps none. Beyond `max` spans the oldest is forgotten.
    pub(super) fn insert(&mut self, start: ConcentratorTime, end: ConcentratorTime, max: usize) {
        if self.spans.len() >= max {
            self.spans.pop_front();
        }
        let (start, end) = (start.nanos(), end.nanos());
        let index = self.spans.partition_point(|span| span.start < start);
        self.spans.insert(index, Span { start, end, before: 0 });
        let mut before = match index.checked_sub(1).and_then(|index| self.spans.get(index)) {
            Some(previous) => previous.before + previous.length(),
            None => self.spans.get(index + 1).map_or(0, |next| next.before - (end - start)),
        };
        for span in self.spans.iter_mut().skip(index) {
            span.before = before;
            before += span.length();
        }
    }

    /// Forgets spans that ended before a time.
    pub(super) fn prune(&mut self, before: ConcentratorTime) {
        while self.spans.front().is_some_and(|span| span.end < before.nanos()) {
            self.spans.pop_front();
        }
    }

    pub(super) fn shift(&mut self, nanos: i64) {
        for span in &mut self.spans {
            span.start = span.start.saturating_add(nanos);
            span.end = span.end.saturating_add(nanos);
        }
    }

    /// How long it was used between two times.
    pub(super) fn used(&self, from: ConcentratorTime, to: ConcentratorTime) -> Duration {
        duration(self.used_nanos(from.nanos(), to.nanos()))
    }

    /// The most that is used in any window of length `window` that contains `[start, start + length)`, at least in
    /// part, that span itself not counted.
    ///
    /// Of all windows it is enough to look at those that end with this span or with a later one: moving any other
    /// window until its end meets the end of a span never lessens its sum.
    pub(super) fn most_used_around(
        &self,
        start: ConcentratorTime,
        length: Duration,
        window: Duration,
    ) -> Duration {
        let end = start.plus(length).nanos();
        let window = nanos(window);
        let later = self.spans.partition_point(|span| span.start < start.nanos());
        let ends = self.spans.iter().skip(later).map(|span| span.end);
        let ends = ends.take_while(|other| other - window < end);
        let most = ends.chain([end]).map(|end| self.used_nanos(end - window, end)).max();
        duration(most.unwrap_or_default())
    }

    /// The earliest begin from `start` on at which a span of this length leaves no window with more than `usable`;
    /// `None` if it is too long in itself. Exact as long as nothing else is added.
    pub(super) fn next_with_room(
        &self,
        start: ConcentratorTime,
        length: Duration,
        window: Duration,
        usable: Duration,
    ) -> Option<ConcentratorTime> {
        let room = nanos(usable).checked_sub(nanos(length)).filter(|room| *room >= 0)?;
        let window_start = start.plus(length).minus(window).nanos();
        let mut excess = self.used_nanos(window_start, i64::MAX).checked_sub(room)?;
        let first = self.spans.partition_point(|span| span.end <= window_start);
        for span in self.spans.iter().skip(first) {
            let begin = span.start.max(window_start);
            let part = span.end - begin;
            if excess <= part {
                let leaves = begin.saturating_add(excess.max(0));
                let next = ConcentratorTime::from_nanos(leaves).plus(window).minus(length);
                return Some(next.max(start));
            }
            excess -= part;
        }
        Some(start)
    }

    fn used_nanos(&self, from: i64, to: i64) -> i64 {
        let first = self.spans.partition_point(|span| span.end <= from);
        let past = self.spans.partition_point(|span| span.start < to);
        let (Some(first), Some(last)) =
            (self.spans.get(first), past.checked_sub(1).and_then(|last| self.spans.get(last)))
        else {
            return 0;
        };
        if last.start < first.start {
            return 0;
        }
        let whole = last.before + last.length() - first.before;
        whole - (from - first.start).max(0) - (last.end - to).max(0)
    }
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

fn duration(nanos: i64) -> Duration {
    Duration::from_nanos(u64::try_from(nanos).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> ConcentratorTime {
        ConcentratorTime::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn sums_count_parts_of_spans() {
        let mut air = AirTime::default();
        for start in [30, 10, 20, 0] {
            air.insert(at(start), at(start + 4), usize::MAX);
        }
        let used = |from, to| air.used(at(from), at(to)).as_secs();
        assert_eq!([used(0, 100), used(2, 100), used(2, 12), used(4, 10)], [16, 14, 4, 0]);
        assert_eq!([used(1, 3), used(31, 32), used(40, 50), used(-5, 0)], [2, 1, 0, 0]);
    }

    #[test]
    fn sums_stay_right_after_pruning() {
        let mut air = AirTime::default();
        for start in [0, 10, 20] {
            air.insert(at(start), at(start + 4), usize::MAX);
        }
        air.prune(at(5));
        air.insert(at(8), at(9), usize::MAX);
        assert_eq!(air.used(at(0), at(100)).as_secs(), 9);
        assert_eq!(air.used(at(9), at(100)).as_secs(), 8);
    }
}

//! Counters with a name for every reason.

use std::{
    fmt,
    marker::PhantomData,
    sync::atomic::{AtomicU64, Ordering},
};

/// A reason that is counted: an enum of a fixed number of variants, each with a name.
pub trait Reason: Copy + PartialEq + fmt::Debug + 'static {
    /// Every reason.
    const ALL: &'static [Self];

    /// The name under which it is counted.
    fn name(self) -> &'static str;
}

/// How often each reason was met.
pub struct Counters<R> {
    counts: Vec<AtomicU64>,
    reasons: PhantomData<fn() -> R>,
}

impl<R: Reason> Counters<R> {
    /// Makes counters at zero.
    #[must_use]
    pub fn new() -> Self {
        let counts = R::ALL.iter().map(|_| AtomicU64::new(0)).collect();
        Self { counts, reasons: PhantomData }
    }

    /// Counts one.
    pub fn count(&self, reason: R) {
        if let Some(count) = self.slot(reason) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How often a reason was met.
    #[must_use]
    pub fn get(&self, reason: R) -> u64 {
        self.slot(reason).map_or(0, |count| count.load(Ordering::Relaxed))
    }

    /// Every reason that was met, by name.
    #[must_use]
    pub fn snapshot(&self) -> Vec<(&'static str, u64)> {
        let all = R::ALL.iter().map(|reason| (reason.name(), self.get(*reason)));
        all.filter(|(_, count)| *count > 0).collect()
    }

    /// The sum of all.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }

    fn slot(&self, reason: R) -> Option<&AtomicU64> {
        self.counts.get(R::ALL.iter().position(|known| *known == reason)?)
    }
}

impl<R: Reason> Default for Counters<R> {
    fn default() -> Self {
        Self::new()
    }
}

impl<R: Reason> fmt::Debug for Counters<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.snapshot()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        frontend::udp::{Reject, RxpkReject},
        server::UpDrop,
    };

    fn every_reason_has_a_name_of_its_own<R: Reason>() {
        let counters = Counters::<R>::new();
        for reason in R::ALL {
            counters.count(*reason);
            assert_eq!(counters.get(*reason), 1, "{reason:?}");
        }
        let mut names: Vec<_> = counters.snapshot().into_iter().map(|(name, _)| name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), R::ALL.len());
        assert_eq!(counters.total(), R::ALL.len() as u64);
    }

    #[test]
    fn every_reason_is_counted_under_its_own_name() {
        every_reason_has_a_name_of_its_own::<Reject>();
        every_reason_has_a_name_of_its_own::<RxpkReject>();
        every_reason_has_a_name_of_its_own::<UpDrop>();
    }
}

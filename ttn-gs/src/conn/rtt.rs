//! Round-trip times of a gateway (GS-65).

use std::{collections::VecDeque, time::Duration};

use ttn_core::time::Monotonic;

/// The latest round-trip times; old ones are forgotten.
#[derive(Clone, Debug, Default)]
pub struct RoundTrips {
    samples: VecDeque<(Monotonic, Duration)>,
}

/// What the samples say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "complete by definition")]
pub struct RoundTripStats {
    /// The shortest.
    pub min: Duration,
    /// The longest.
    pub max: Duration,
    /// The one in the middle.
    pub median: Duration,
    /// How many there are.
    pub count: usize,
}

impl RoundTrips {
    /// Adds a sample; it pushes out the oldest of [`SAMPLES_MAX`].
    pub fn record(&mut self, now: Monotonic, round_trip: Duration) {
        if self.samples.len() == SAMPLES_MAX {
            self.samples.pop_front();
        }
        self.samples.push_back((now, round_trip));
    }

    /// The summary; `None` without samples.
    #[must_use]
    pub fn stats(&self, now: Monotonic) -> Option<RoundTripStats> {
        let sorted = self.sorted(now);
        Some(RoundTripStats {
            min: *sorted.first()?,
            max: *sorted.last()?,
            median: percentile(&sorted, 50)?,
            count: sorted.len(),
        })
    }

    /// The time that this part of the samples, in percent, does not exceed; `None` with fewer than [`SAMPLES_MIN`].
    #[must_use]
    pub fn percentile(&self, now: Monotonic, percent: usize) -> Option<Duration> {
        let sorted = self.sorted(now);
        if sorted.len() < SAMPLES_MIN { None } else { percentile(&sorted, percent) }
    }

    fn sorted(&self, now: Monotonic) -> Vec<Duration> {
        let fresh = self.samples.iter().filter(|(at, _)| now.since(*at) < TTL);
        let mut sorted: Vec<_> = fresh.map(|(_, round_trip)| *round_trip).collect();
        sorted.sort_unstable();
        sorted
    }
}

/// By nearest rank.
fn percentile(sorted: &[Duration], percent: usize) -> Option<Duration> {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

/// How many samples are kept.
pub const SAMPLES_MAX: usize = 20;
/// How many samples say enough.
pub const SAMPLES_MIN: usize = 5;
/// How long a sample counts.
const TTL: Duration = Duration::from_secs(30 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Monotonic {
        Monotonic::from_nanos(seconds * 1_000_000_000)
    }

    // GS-65
    #[test]
    fn five_samples_are_enough_and_twenty_are_kept() {
        let mut trips = RoundTrips::default();
        for ms in 1..=4 {
            trips.record(at(0), Duration::from_millis(ms));
        }
        assert_eq!(trips.percentile(at(0), 90), None);
        for ms in 5..=30 {
            trips.record(at(0), Duration::from_millis(ms));
        }
        assert_eq!(trips.percentile(at(0), 90), Some(Duration::from_millis(28)));
        let stats = trips.stats(at(0)).unwrap();
        assert_eq!(
            (stats.count, stats.min, stats.median),
            (20, Duration::from_millis(11), Duration::from_millis(20))
        );
    }

    // GS-65
    #[test]
    fn samples_are_forgotten_after_half_an_hour() {
        let mut trips = RoundTrips::default();
        trips.record(at(0), Duration::from_millis(1));
        assert!(trips.stats(at(1799)).is_some());
        assert!(trips.stats(at(1800)).is_none());
    }
}

//! What is counted of frames (NS-117). Counters only rise; reading them stops nobody.

use std::sync::atomic::{AtomicU64, Ordering};

/// The counts of a Network Server since its start.
#[derive(Debug)]
#[non_exhaustive]
pub struct NetworkStats {
    /// Copies of frames that gateways handed over.
    pub uplink_received: AtomicU64,
    /// Those of them that were not the first of their frame.
    pub uplink_duplicates: AtomicU64,
    /// How many gateways received a frame that was processed.
    pub uplink_gateways: Histogram,
    /// How long a frame took from the first gateway to the application log, its window included, in seconds.
    pub uplink_latency_seconds: Histogram,
    /// Sessions that came into question for a frame.
    pub match_candidates: AtomicU64,
    /// Those of them whose MIC was computed.
    pub mic_computations: AtomicU64,
}

/// How often a value was how large.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [f64],
    /// One more than bounds: the last are the values above all of them.
    counts: Vec<AtomicU64>,
    sum_micros: AtomicU64,
}

const GATEWAYS: &[f64] = &[1.0, 2.0, 3.0, 4.0, 5.0, 10.0, 20.0, 30.0, 40.0, 50.0];
const LATENCY: &[f64] = &[0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0, 10.0];

impl Default for NetworkStats {
    fn default() -> Self {
        Self {
            uplink_received: AtomicU64::default(),
            uplink_duplicates: AtomicU64::default(),
            uplink_gateways: Histogram::new(GATEWAYS),
            uplink_latency_seconds: Histogram::new(LATENCY),
            match_candidates: AtomicU64::default(),
            mic_computations: AtomicU64::default(),
        }
    }
}

impl Histogram {
    fn new(bounds: &'static [f64]) -> Self {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::default()).collect();
        Self { bounds, counts, sum_micros: AtomicU64::default() }
    }

    /// Counts a value in millionths.
    pub(crate) fn observe_micros(&self, micros: u64) {
        let value = micros as f64 / 1e6;
        let slot = self.bounds.partition_point(|bound| *bound < value);
        if let Some(count) = self.counts.get(slot) {
            count.fetch_add(1, Ordering::Relaxed);
            self.sum_micros.fetch_add(micros, Ordering::Relaxed);
        }
    }

    /// How often a value was at most a bound and above the one before, in the order of the bounds; the last bound is
    /// infinite.
    #[must_use]
    pub fn buckets(&self) -> Vec<(f64, u64)> {
        let bounds = self.bounds.iter().copied().chain([f64::INFINITY]);
        bounds.zip(&self.counts).map(|(bound, it)| (bound, it.load(Ordering::Relaxed))).collect()
    }

    /// The sum of all values.
    #[must_use]
    pub fn sum(&self) -> f64 {
        self.sum_micros.load(Ordering::Relaxed) as f64 / 1e6
    }
}

pub(crate) fn add(counter: &AtomicU64, count: usize) {
    counter.fetch_add(count as u64, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_counted_up_to_its_bound() {
        let histogram = Histogram::new(&[1.0, 2.0]);
        for micros in [1_000_000, 1_500_000, 2_000_000, 9_000_000] {
            histogram.observe_micros(micros);
        }
        assert_eq!(histogram.buckets(), [(1.0, 1), (2.0, 2), (f64::INFINITY, 1)]);
        assert!((histogram.sum() - 13.5).abs() < 1e-9);
    }
}

//! When an endpoint is called: at full speed, one request at a time, or not at all.
//!
//! A failure that says something about the endpoint (no connection, no answer, 502 to 504, 408, 429) closes the gate for a
//! pause that doubles with each further one. Behind the pause one request goes through; its success opens the gate.

use std::time::Duration;

use ttn_core::{rand::Entropy, time::Monotonic};

/// From how many failures in a row the endpoint counts as out: what is tried then is not held against messages.
pub(super) const OUT_AFTER: u32 = 5;
/// The first and the longest pause.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));
/// How far chance moves a pause, in percent.
const JITTER_PERCENT: u64 = 15;

/// What a failure says something about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The endpoint: any message would have failed.
    Endpoint,
    /// The message: the endpoint answered and did not take it.
    Message,
}

/// After how many failures in a row, of any kind, nothing is sent for how long (AS-41).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Suspension {
    pub(super) after: u32,
    pub(super) pause: Duration,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Gate {
    suspension: Option<Suspension>,
    /// Failures of the endpoint in a row.
    failures: u32,
    /// Failures of any kind in a row.
    any_failures: u32,
    opens_at: Option<Monotonic>,
    is_probing: bool,
    /// Counts closings: a request that began before the last one tells nothing new.
    epoch: u64,
}

impl Gate {
    pub(super) fn new(suspension: Option<Suspension>) -> Self {
        Self { suspension, ..Self::default() }
    }

    /// Whether another request may begin while so many are under way.
    pub(super) fn lets_through(&self, now: Monotonic, under_way: usize, max: usize) -> bool {
        match self.opens_at {
            None => under_way < max,
            Some(at) => now >= at && !self.is_probing,
        }
    }

    /// Begins a request; its number goes back to [`Self::failed`].
    pub(super) const fn begin(&mut self) -> u64 {
        self.is_probing = self.opens_at.is_some();
        self.epoch
    }

    /// A request succeeded.
    pub(super) fn succeeded(&mut self) {
        *self = Self { suspension: self.suspension, epoch: self.epoch + 1, ..Self::default() };
    }

    /// A request failed.
    pub(super) fn failed(
        &mut self,
        begun: u64,
        fault: Fault,
        ask: Option<Duration>,
        now: Monotonic,
        entropy: &dyn Entropy,
    ) {
        self.any_failures = self.any_failures.saturating_add(1);
        let suspended = self.suspension.filter(|it| self.any_failures >= it.after);
        let is_news = begun == self.epoch;
        if is_news {
            self.is_probing = false;
        }
        if let Some(suspension) = suspended {
            if is_news {
                self.close(now.plus(suspension.pause));
            }
            return;
        }
        match fault {
            Fault::Message => {
                // It answers.
                self.failures = 0;
                self.opens_at = None;
            }
            Fault::Endpoint if is_news => {
                let doubled = PAUSES.0.saturating_mul(1 << self.failures.min(20));
                self.failures = self.failures.saturating_add(1);
                let pause = jittered(doubled.min(PAUSES.1), entropy);
                self.close(now.plus(pause.max(ask.unwrap_or_default())));
            }
            Fault::Endpoint => {}
        }
    }

    /// A request ended without saying anything about the endpoint.
    pub(super) const fn told_nothing(&mut self, begun: u64) {
        if begun == self.epoch {
            self.is_probing = false;
        }
    }

    /// Whether failures say nothing about messages now.
    pub(super) fn is_out(&self) -> bool {
        self.failures >= OUT_AFTER
            || (self.opens_at.is_some()
                && self.suspension.is_some_and(|it| self.any_failures >= it.after))
    }

    /// Whether only one request at a time goes through.
    pub(super) const fn is_closed(&self) -> bool {
        self.opens_at.is_some()
    }

    /// When the next request goes through, if the gate is closed and none is under way.
    pub(super) fn opens_at(&self) -> Option<Monotonic> {
        self.opens_at.filter(|_| !self.is_probing)
    }

    const fn close(&mut self, until: Monotonic) {
        self.opens_at = Some(until);
        self.epoch += 1;
    }
}

/// A pause moved by chance, so that what failed together is not tried together.
pub(super) fn jittered(pause: Duration, entropy: &dyn Entropy) -> Duration {
    let percent = 100 - JITTER_PERCENT + entropy.below(2 * JITTER_PERCENT + 1);
    pause.saturating_mul(u32::try_from(percent).unwrap_or(100)) / 100
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Middle;

    impl Entropy for Middle {
        fn fill(&self, buffer: &mut [u8]) {
            buffer.fill(0x80);
        }
    }

    fn at(secs: u64) -> Monotonic {
        Monotonic::default().plus(Duration::from_secs(secs))
    }

    #[test]
    fn pauses_double_and_one_request_at_a_time_probes() {
        let mut gate = Gate::new(None);
        assert!(gate.lets_through(at(0), 7, 8) && !gate.lets_through(at(0), 8, 8));
        let mut now = at(0);
        for expected in [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300] {
            let begun = gate.begin();
            gate.failed(begun, Fault::Endpoint, None, now, &Middle);
            let opens = gate.opens_at().unwrap();
            assert_eq!(opens, now.plus(Duration::from_secs(expected)));
            assert!(!gate.lets_through(now, 0, 8) && gate.lets_through(opens, 3, 8));
            now = opens;
        }
        assert!(gate.is_out());
        gate.begin();
        assert!(!gate.lets_through(now, 0, 8), "one probe at a time");
        gate.succeeded();
        assert!(gate.lets_through(now, 7, 8));
    }

    #[test]
    fn requests_that_were_under_way_together_count_once() {
        let mut gate = Gate::new(None);
        let begun: Vec<_> = (0..8).map(|_| gate.begin()).collect();
        for begun in begun {
            gate.failed(begun, Fault::Endpoint, None, at(0), &Middle);
        }
        assert_eq!(gate.opens_at(), Some(at(1)));
        assert!(!gate.is_out());
    }

    #[test]
    fn an_answer_opens_the_gate_and_retry_after_is_kept() {
        let mut gate = Gate::new(None);
        let begun = gate.begin();
        gate.failed(begun, Fault::Endpoint, Some(Duration::from_secs(60)), at(0), &Middle);
        assert_eq!(gate.opens_at(), Some(at(60)));
        let begun = gate.begin();
        gate.failed(begun, Fault::Message, None, at(60), &Middle);
        assert!(!gate.is_closed());
    }

    // AS-41
    #[test]
    fn with_a_threshold_failures_of_any_kind_suspend() {
        let suspension = Suspension { after: 3, pause: Duration::from_secs(60) };
        let mut gate = Gate::new(Some(suspension));
        for _ in 0..3 {
            assert!(!gate.is_out() && !gate.is_closed());
            let begun = gate.begin();
            gate.failed(begun, Fault::Message, None, at(0), &Middle);
        }
        assert!(gate.is_out());
        assert_eq!(gate.opens_at(), Some(at(60)));
        gate.begin();
        gate.succeeded();
        assert!(!gate.is_closed() && !gate.is_out(), "one success makes it healthy");
    }

    // AS-45
    #[test]
    fn chance_moves_a_pause_by_at_most_15_percent() {
        #[derive(Debug)]
        struct Fixed(u8);
        impl Entropy for Fixed {
            fn fill(&self, buffer: &mut [u8]) {
                buffer.fill(self.0);
            }
        }
        let pause = Duration::from_secs(100);
        assert_eq!(jittered(pause, &Fixed(0)), Duration::from_secs(85));
        assert_eq!(jittered(pause, &Fixed(0xFF)), Duration::from_secs(115));
    }
}

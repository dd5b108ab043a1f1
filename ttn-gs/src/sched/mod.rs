//! The scheduler of a gateway's transmissions over concentrator time; a machine without I/O and without a clock.
//!
//! One transmission at a time, dwell times and duty cycles kept: what it lets pass does not have to be looked at again,
//! and what it refuses it refuses with the rule, the numbers and the next time at which it could succeed.

mod air_time;
mod refusal;

pub use refusal::Refusal;

use std::{collections::VecDeque, time::Duration};

use ttn_core::{msg::TxPriority, radio::Frequency, time::ConcentratorTime};

use air_time::AirTime;

/// What the scheduler keeps to.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "built by hosts and tests")]
pub struct Rules {
    /// The parts of the band in which may be sent; the first that contains a frequency holds (GS-68).
    pub sub_bands: Vec<SubBandRule>,
    /// How long the radio must rest after a transmission; [`QUEUE_DELAY`] at least (GS-67).
    pub time_off_air: Duration,
}

/// A part of the band and its duty cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "built by hosts and tests")]
pub struct SubBandRule {
    /// The lowest frequency.
    pub min_frequency: Frequency,
    /// The highest frequency.
    pub max_frequency: Frequency,
    /// The part of an hour that may be used, in millionths; a million is no limit.
    pub duty_cycle_ppm: u32,
}

/// What is to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "built by the server and by tests")]
pub struct Transmission {
    /// When it begins.
    pub start: ConcentratorTime,
    /// How long it lasts.
    pub time_on_air: Duration,
    /// Where.
    pub frequency: Frequency,
    /// The longest that is allowed there (GS-72).
    pub dwell_time: Option<Duration>,
    /// Who is served first.
    pub priority: TxPriority,
}

/// A transmission that was granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "read by other crates")]
pub struct Emission {
    /// When it begins.
    pub start: ConcentratorTime,
    /// When it ends.
    pub end: ConcentratorTime,
    /// From now to its begin.
    pub lead: Duration,
}

/// Use of a sub-band within the hour that ends now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "read by other crates")]
pub struct Usage {
    /// The sub-band.
    pub rule: SubBandRule,
    /// How long was or will be sent.
    pub used: Duration,
}

/// The transmissions of one gateway.
#[derive(Clone, Debug)]
pub struct Scheduler {
    rules: Rules,
    air_times: Vec<AirTime>,
    /// What may still be in the way of others, by begin.
    busy: VecDeque<Busy>,
}

#[derive(Clone, Copy, Debug)]
struct Busy {
    start: ConcentratorTime,
    /// The end with the rest that follows.
    free: ConcentratorTime,
}

impl Rules {
    /// One sub-band without limits, for gateways whose duty cycle is not enforced.
    #[must_use]
    pub fn unlimited() -> Self {
        let sub_band = SubBandRule {
            min_frequency: Frequency::from_hz(0),
            max_frequency: Frequency::from_hz(u64::MAX),
            duty_cycle_ppm: SubBandRule::NO_LIMIT,
        };
        Self { sub_bands: vec![sub_band], time_off_air: Duration::ZERO }
    }
}

impl SubBandRule {
    /// No duty cycle.
    pub const NO_LIMIT: u32 = 1_000_000;

    /// How long a priority may use the sub-band within any hour (GS-70).
    #[must_use]
    pub fn usable(&self, priority: TxPriority) -> Duration {
        let percent = match priority {
            TxPriority::Lowest => 40,
            TxPriority::Low => 50,
            TxPriority::BelowNormal => 60,
            TxPriority::Normal => 70,
            TxPriority::AboveNormal => 80,
            TxPriority::High => 90,
            TxPriority::Highest => 100,
        };
        let nanos = HOUR.as_nanos() as u64 / 1_000_000 * u64::from(self.duty_cycle_ppm);
        Duration::from_nanos(nanos / 100 * percent)
    }

    const fn contains(&self, frequency: Frequency) -> bool {
        self.min_frequency.hz() <= frequency.hz() && frequency.hz() <= self.max_frequency.hz()
    }

    const fn is_limited(&self) -> bool {
        self.duty_cycle_ppm < Self::NO_LIMIT
    }
}

impl Scheduler {
    /// Makes a scheduler of a radio that has not sent yet.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        let air_times = rules.sub_bands.iter().map(|_| AirTime::default()).collect();
        Self { rules, air_times, busy: VecDeque::new() }
    }

    /// Grants a transmission at its exact time, or says why not. `now` is the time of the concentrator, `lead_min` how
    /// long before its begin a transmission must leave the server.
    ///
    /// # Errors
    ///
    /// The first rule that it breaks. Nothing is changed.
    pub fn schedule(
        &mut self,
        now: ConcentratorTime,
        lead_min: Duration,
        tx: &Transmission,
    ) -> Result<Emission, Refusal> {
        let sub_band = self.check(now, lead_min, tx)?;
        let end = tx.start.plus(tx.time_on_air);
        if let (Some(rule), Some(air_time)) =
            (self.rules.sub_bands.get(sub_band), self.air_times.get_mut(sub_band))
        {
            air_time.prune(now.minus(HOUR + HISTORY_MARGIN));
            air_time.insert(tx.start, end, if rule.is_limited() { usize::MAX } else { SPANS_MAX });
        }
        let index = self.busy.partition_point(|busy| busy.start < tx.start);
        self.busy.insert(index, Busy { start: tx.start, free: end.plus(self.rest()) });
        while self.busy.front().is_some_and(|busy| busy.free.plus(HISTORY_MARGIN) < now) {
            self.busy.pop_front();
        }
        Ok(Emission { start: tx.start, end, lead: tx.start.since(now) })
    }

    /// Moves everything that was granted by so many nanoseconds, because the concentrator's time jumped.
    pub fn shift(&mut self, nanos: i64) {
        let moved = |time: ConcentratorTime| {
            ConcentratorTime::from_nanos(time.nanos().saturating_add(nanos))
        };
        for busy in &mut self.busy {
            *busy = Busy { start: moved(busy.start), free: moved(busy.free) };
        }
        self.air_times.iter_mut().for_each(|air_time| air_time.shift(nanos));
    }

    /// What it keeps to.
    #[must_use]
    pub const fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The use of every sub-band within the hour that ends now; what is granted already for later counts as well.
    pub fn usage(&self, now: ConcentratorTime) -> impl Iterator<Item = Usage> + '_ {
        let from = now.minus(HOUR);
        let rules = self.rules.sub_bands.iter();
        rules.zip(&self.air_times).map(move |(rule, air_time)| Usage {
            rule: *rule,
            used: air_time.used(from, ConcentratorTime::from_nanos(i64::MAX)),
        })
    }

    fn check(
        &self,
        now: ConcentratorTime,
        lead_min: Duration,
        tx: &Transmission,
    ) -> Result<usize, Refusal> {
        // GS-65
        if tx.start < now.plus(lead_min) {
            let delay_nanos = tx.start.nanos().saturating_sub(now.nanos());
            return Err(Refusal::TooLate { delay_nanos, min: lead_min });
        }
        let sub_band = self
            .rules
            .sub_bands
            .iter()
            .position(|rule| rule.contains(tx.frequency))
            .ok_or(Refusal::SubBandNotFound { frequency: tx.frequency })?;
        // GS-72
        if let Some(limit) = tx.dwell_time.filter(|limit| tx.time_on_air > *limit) {
            return Err(Refusal::DwellTime { time_on_air: tx.time_on_air, limit });
        }
        // GS-67
        if let Some(with) = self.conflict(tx.start, tx.time_on_air) {
            let next = self.next_free(with.free, tx.time_on_air);
            return Err(Refusal::Conflict { with_start: with.start, next });
        }
        self.check_duty_cycle(sub_band, tx)?;
        Ok(sub_band)
    }

    /// GS-69, GS-70
    fn check_duty_cycle(&self, sub_band: usize, tx: &Transmission) -> Result<(), Refusal> {
        let (Some(rule), Some(air_time)) =
            (self.rules.sub_bands.get(sub_band), self.air_times.get(sub_band))
        else {
            return Ok(());
        };
        if !rule.is_limited() {
            return Ok(());
        }
        let usable = rule.usable(tx.priority);
        let used = air_time.most_used_around(tx.start, tx.time_on_air, HOUR);
        if used.saturating_add(tx.time_on_air) <= usable {
            return Ok(());
        }
        Err(Refusal::DutyCycle {
            sub_band: *rule,
            used,
            usable,
            time_on_air: tx.time_on_air,
            priority: tx.priority,
            next: air_time.next_with_room(tx.start, tx.time_on_air, HOUR, usable),
        })
    }

    fn conflict(&self, start: ConcentratorTime, time_on_air: Duration) -> Option<Busy> {
        let free = start.plus(time_on_air).plus(self.rest());
        self.busy.iter().find(|busy| start < busy.free && busy.start < free).copied()
    }

    fn next_free(&self, earliest: ConcentratorTime, time_on_air: Duration) -> ConcentratorTime {
        let mut start = earliest;
        // Every turn passes one of the transmissions.
        while let Some(busy) = self.conflict(start, time_on_air) {
            start = busy.free;
        }
        start
    }

    fn rest(&self) -> Duration {
        self.rules.time_off_air.max(QUEUE_DELAY)
    }
}

/// How long a gateway needs between two transmissions (GS-67).
pub const QUEUE_DELAY: Duration = Duration::from_millis(30);
/// The minimum lead before round-trip times are known (GS-65).
pub const LEAD_MIN: Duration = Duration::from_millis(130);
/// The span over which duty cycles are reckoned.
pub const HOUR: Duration = Duration::from_secs(3600);
/// How much longer than needed history is kept, because concentrators' times are not exact.
const HISTORY_MARGIN: Duration = Duration::from_secs(300);
/// Transmissions remembered per sub-band without limit, for statistics; those with a limit are bounded by it.
const SPANS_MAX: usize = 4096;

#[cfg(test)]
mod tests;

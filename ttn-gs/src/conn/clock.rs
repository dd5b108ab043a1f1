//! The clock of a concentrator, seen from the server (GS-49).

use std::time::Duration;

use ttn_core::time::{ConcentratorTime, Monotonic};

/// Relates a concentrator's 32-bit microsecond counter to the clock of the process and unfolds its roll-overs.
///
/// The relation is taken from the uplinks that travelled fastest: one that was held up on its way says less about the
/// concentrator than those before it.
#[derive(Clone, Debug, Default)]
pub struct ClockSync {
    anchor: Option<Anchor>,
}

#[derive(Clone, Copy, Debug)]
struct Anchor {
    /// The concentrator's time at `at`, as far as the server knows.
    time: ConcentratorTime,
    at: Monotonic,
    /// The greatest time that was stamped.
    latest: ConcentratorTime,
}

/// What a stamp said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "complete by definition")]
pub struct Synced {
    /// The stamp with its roll-overs.
    pub time: ConcentratorTime,
    /// If the concentrator started anew: by how many nanoseconds its time jumped against ours. What was reckoned in
    /// the old time moves by that much.
    pub jumped: Option<i64>,
}

impl ClockSync {
    /// Takes the stamp of an uplink and the time of its arrival.
    pub fn sync(&mut self, counter: u32, received: Monotonic) -> Synced {
        let Some(anchor) = &mut self.anchor else {
            let time = ConcentratorTime::from_nanos(i64::from(counter) * 1000);
            self.anchor = Some(Anchor { time, at: received, latest: time });
            return Synced { time, jumped: None };
        };
        let expected = anchor.expected(received);
        let nearest = unfold(counter, expected);
        let fell = nearest.plus(RESTART_TOLERANCE) < anchor.latest;
        let rose = nearest > expected.plus(RESTART_TOLERANCE);
        if fell || rose {
            // GS-49: a stamp that fell is one roll-over later, so that time does not go back.
            let time = if fell { nearest.plus(ROLL_OVER) } else { nearest };
            *anchor = Anchor { time, at: received, latest: time };
            return Synced { time, jumped: Some(time.nanos() - expected.nanos()) };
        }
        anchor.latest = anchor.latest.max(nearest);
        let elapsed = received.since(anchor.at);
        let predicted = expected.minus(elapsed / DRIFT_PARTS);
        let held_up = predicted.since(nearest);
        anchor.time = if held_up.is_zero() || held_up > HELD_UP_MAX { nearest } else { predicted };
        anchor.at = received;
        Synced { time: nearest, jumped: None }
    }

    /// The concentrator's time; `None` before the first stamp.
    #[must_use]
    pub fn at(&self, now: Monotonic) -> Option<ConcentratorTime> {
        self.anchor.map(|anchor| anchor.expected(now))
    }

    /// When the concentrator's time will be, or was, `time`; `None` before the first stamp.
    #[must_use]
    pub fn when(&self, time: ConcentratorTime) -> Option<Monotonic> {
        let anchor = self.anchor?;
        Some(if time >= anchor.time {
            anchor.at.plus(time.since(anchor.time))
        } else {
            anchor.at.minus(anchor.time.since(time))
        })
    }
}

impl Anchor {
    fn expected(&self, now: Monotonic) -> ConcentratorTime {
        if now >= self.at {
            self.time.plus(now.since(self.at))
        } else {
            self.time.minus(self.at.since(now))
        }
    }
}

/// The time with this counter that lies nearest to another one.
#[must_use]
pub fn unfold(counter: u32, near: ConcentratorTime) -> ConcentratorTime {
    let difference = counter.wrapping_sub(near.counter()) as i32;
    let whole = near.nanos().div_euclid(1000) * 1000;
    ConcentratorTime::from_nanos(whole.saturating_add(i64::from(difference) * 1000))
}

/// How far a stamp may lie before the latest or after the expected one without meaning a restart (GS-49).
const RESTART_TOLERANCE: Duration = Duration::from_secs(60);
const ROLL_OVER: Duration = Duration::from_micros(1 << 32);
/// The slowest concentrator loses this part of the time: 100 ppm.
const DRIFT_PARTS: u32 = 10_000;
/// An uplink that comes later than this after it was expected is believed to be right.
const HELD_UP_MAX: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(seconds: u64) -> Monotonic {
        Monotonic::from_nanos(seconds * 1_000_000_000)
    }

    fn micros(micros: i64) -> ConcentratorTime {
        ConcentratorTime::from_nanos(micros * 1000)
    }

    // GS-49
    #[test]
    fn a_roll_over_is_unfolded() {
        let mut clock = ClockSync::default();
        clock.sync(0xFFFF_FFF0, secs(10));
        let synced = clock.sync(0x10, secs(10).plus(Duration::from_micros(32)));
        assert_eq!(synced, Synced { time: micros((1 << 32) + 0x10), jumped: None });
        assert_eq!(synced.time.counter(), 0x10);
    }

    // GS-49
    #[test]
    fn whole_windows_of_silence_are_counted() {
        let mut clock = ClockSync::default();
        clock.sync(1_000_000, secs(1));
        let day = 86_400_000_000_i64;
        let counter = (day + 1_000_000) as u32;
        let synced = clock.sync(counter, secs(86_401));
        assert_eq!(synced, Synced { time: micros(day + 1_000_000), jumped: None });
    }

    #[test]
    fn a_restart_moves_time_on_and_says_by_how_much() {
        let mut clock = ClockSync::default();
        clock.sync(3_000_000_000, secs(100));
        let synced = clock.sync(5_000_000, secs(110));
        assert_eq!(synced.time, micros((1 << 32) + 5_000_000));
        assert_eq!(synced.jumped, Some(((1_i64 << 32) + 5_000_000 - 3_010_000_000) * 1000));
        assert_eq!(clock.at(secs(111)), Some(micros((1 << 32) + 6_000_000)));
    }

    #[test]
    fn a_restart_just_before_a_roll_over_is_a_roll_over() {
        let mut clock = ClockSync::default();
        clock.sync(4_000_000_000, secs(100));
        let synced = clock.sync(5_000_000, secs(110));
        assert_eq!(synced.time, micros((1 << 32) + 5_000_000));
    }

    #[test]
    fn an_uplink_that_was_held_up_does_not_delay_the_clock() {
        let mut clock = ClockSync::default();
        clock.sync(1_000_000, secs(1));
        // Stamped at 11 s, arrived half a second late.
        clock.sync(11_000_000, Monotonic::from_nanos(11_500_000_000));
        let now = clock.at(Monotonic::from_nanos(11_500_000_000)).unwrap();
        assert!(micros(11_500_000).since(now) <= Duration::from_millis(2), "{now:?}");
        assert_eq!(clock.when(now), Some(Monotonic::from_nanos(11_500_000_000)));
    }

    #[test]
    fn an_old_stamp_out_of_order_keeps_its_place() {
        let mut clock = ClockSync::default();
        clock.sync(20_000_000, secs(20));
        let synced = clock.sync(19_000_000, secs(20));
        assert_eq!(synced, Synced { time: micros(19_000_000), jumped: None });
    }
}

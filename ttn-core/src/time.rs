//! Points in time: of the wall clock, of a process, of GPS and of a concentrator.

use core::{fmt, time::Duration};

/// A point in time in UTC, nanoseconds since 1970-01-01 (leap seconds not counted).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// 1970-01-01T00:00:00Z.
    pub const UNIX_EPOCH: Self = Self(0);

    /// Makes it of nanoseconds since 1970.
    #[must_use]
    pub const fn from_unix_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// Makes it of seconds since 1970.
    #[must_use]
    pub const fn from_unix_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(NANOS))
    }

    /// Nanoseconds since 1970.
    #[must_use]
    pub const fn unix_nanos(self) -> i64 {
        self.0
    }

    /// Milliseconds since 1970; 0 before.
    #[must_use]
    pub const fn unix_millis(self) -> u64 {
        if self.0 < 0 { 0 } else { (self.0 / 1_000_000) as u64 }
    }

    /// The time since `earlier`; zero if that is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        let nanos = self.0.saturating_sub(earlier.0);
        Duration::from_nanos(if nanos < 0 { 0 } else { nanos as u64 })
    }

    /// The point `duration` later.
    #[must_use]
    pub const fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(nanos_i64(duration)))
    }

    /// The point `duration` earlier.
    #[must_use]
    pub const fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(nanos_i64(duration)))
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unix {}.{:09}", self.0.div_euclid(NANOS), self.0.rem_euclid(NANOS))
    }
}

/// A point in time of one process: it never goes back. Nanoseconds since the clock was made.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Monotonic(u64);

impl Monotonic {
    /// Makes it of nanoseconds since the clock was made.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the clock was made.
    #[must_use]
    pub const fn nanos(self) -> u64 {
        self.0
    }

    /// The time since `earlier`; zero if that is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// The point `duration` later.
    #[must_use]
    pub const fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(nanos_i64(duration) as u64))
    }

    /// The point `duration` earlier; the start of the clock at the earliest.
    #[must_use]
    pub const fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(nanos_i64(duration) as u64))
    }
}

impl fmt::Debug for Monotonic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "+{}.{:09}", self.0 / NANOS as u64, self.0 % NANOS as u64)
    }
}

/// Both clocks at one instant: what a sans-io machine is told of the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "complete by definition")]
pub struct Now {
    /// The wall clock.
    pub utc: Timestamp,
    /// The clock of the process: deadlines are reckoned with it.
    pub monotonic: Monotonic,
}

/// GPS time: nanoseconds since 1980-01-06, leap seconds counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GpsTime(i64);

impl GpsTime {
    /// Makes it of nanoseconds since the GPS epoch.
    #[must_use]
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the GPS epoch.
    #[must_use]
    pub const fn nanos(self) -> i64 {
        self.0
    }

    /// The GPS time of a UTC timestamp. During a leap second UTC repeats itself; the later of both is given.
    #[must_use]
    pub fn from_utc(utc: Timestamp) -> Self {
        let plain = utc.unix_nanos().saturating_sub(GPS_EPOCH_UNIX * NANOS);
        let mut leaps = 0;
        for (index, leap) in LEAP_SECONDS.iter().enumerate() {
            // At the leap second itself, UTC without it is `leap - index` seconds.
            if plain >= (leap - index as i64) * NANOS {
                leaps = index as i64 + 1;
            }
        }
        Self(plain.saturating_add(leaps * NANOS))
    }

    /// The UTC timestamp of a GPS time; a leap second maps to the second that follows it.
    #[must_use]
    pub fn to_utc(self) -> Timestamp {
        let leaps =
            LEAP_SECONDS.iter().filter(|leap| self.0 >= (**leap + 1) * NANOS).count() as i64;
        Timestamp((self.0 + GPS_EPOCH_UNIX * NANOS).saturating_sub(leaps * NANOS))
    }

    /// Whether it lies in a leap second.
    #[must_use]
    pub fn is_leap_second(self) -> bool {
        LEAP_SECONDS.contains(&self.0.div_euclid(NANOS))
    }
}

/// Time of a concentrator: nanoseconds since its start, 32-bit roll-overs of its counter unfolded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct ConcentratorTime(i64);

impl ConcentratorTime {
    /// Makes it of nanoseconds.
    #[must_use]
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the start of the concentrator.
    #[must_use]
    pub const fn nanos(self) -> i64 {
        self.0
    }

    /// The value of the 32-bit microsecond counter at this time.
    #[must_use]
    pub const fn counter(self) -> u32 {
        self.0.div_euclid(1000) as u32
    }

    /// The point `duration` later.
    #[must_use]
    pub const fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(nanos_i64(duration)))
    }

    /// The point `duration` earlier.
    #[must_use]
    pub const fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(nanos_i64(duration)))
    }

    /// The time since `earlier`; zero if that is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        let nanos = self.0.saturating_sub(earlier.0);
        Duration::from_nanos(if nanos < 0 { 0 } else { nanos as u64 })
    }
}

const NANOS: i64 = 1_000_000_000;
/// 1980-01-06T00:00:00Z in seconds since 1970.
const GPS_EPOCH_UNIX: i64 = 315_964_800;
/// The GPS seconds that are leap seconds (IERS bulletin C; none since 2017).
const LEAP_SECONDS: [i64; 18] = [
    46_828_800,
    78_364_801,
    109_900_802,
    173_059_203,
    252_028_804,
    315_187_205,
    346_723_206,
    393_984_007,
    425_520_008,
    457_056_009,
    504_489_610,
    551_750_411,
    599_184_012,
    820_108_813,
    914_803_214,
    1_025_136_015,
    1_119_744_016,
    1_167_264_017,
];

const fn nanos_i64(duration: Duration) -> i64 {
    let nanos = duration.as_nanos();
    if nanos > i64::MAX as u128 { i64::MAX } else { nanos as i64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gps_time_counts_eighteen_leap_seconds_in_2026() {
        let utc = Timestamp::from_unix_secs(1_790_000_000);
        let gps = GpsTime::from_utc(utc);
        assert_eq!(gps.nanos(), (1_790_000_000 - GPS_EPOCH_UNIX + 18) * NANOS);
        assert_eq!(gps.to_utc(), utc);
    }

    #[test]
    fn a_concentrator_counter_is_the_low_32_bits_of_microseconds() {
        let time = ConcentratorTime::from_nanos(((1_i64 << 32) + 16) * 1000);
        assert_eq!(time.counter(), 16);
    }
}

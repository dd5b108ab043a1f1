//! Uplinks that a gateway reports twice (GS-47).

use std::time::Duration;

use ttn_core::{
    radio::{DataRate, Frequency},
    time::Monotonic,
};

use crate::frontend::RawUplink;

/// Remembers the last uplink of a connection and recognises it.
///
/// A device that repeats a frame, because it asked for an acknowledgement or has NbTrans above one, first waits for
/// its receive windows: more than a second. Its repetition is no repeat in the sense of this filter, even on the same
/// channel, unless it bears the same stamp.
#[derive(Clone, Debug, Default)]
pub struct RepeatFilter {
    last: Option<Seen>,
    reported: Option<Monotonic>,
}

#[derive(Clone, Debug, PartialEq)]
struct Seen {
    hash: u64,
    length: usize,
    frequency: Frequency,
    data_rate: DataRate,
    antennas: Vec<u32>,
    timestamp: u32,
}

/// Whether an uplink was seen before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum Repeat {
    /// It is new.
    New,
    /// It was seen before; `report` says whether to tell, once a minute at most.
    Repeated {
        /// Whether to tell.
        report: bool,
    },
}

impl RepeatFilter {
    /// Looks at an uplink and remembers it.
    pub fn check(&mut self, now: Monotonic, uplink: &RawUplink) -> Repeat {
        let seen = Seen {
            hash: fnv1a(&uplink.raw_payload),
            length: uplink.raw_payload.len(),
            frequency: uplink.frequency,
            data_rate: uplink.data_rate,
            antennas: uplink.antennas.iter().map(|antenna| antenna.antenna_index).collect(),
            timestamp: uplink.timestamp,
        };
        let repeated = self.last.as_ref().is_some_and(|last| last.is_repeated_by(&seen));
        self.last = Some(seen);
        if !repeated {
            return Repeat::New;
        }
        let report = self.reported.is_none_or(|at| now.since(at) >= REPORT_INTERVAL);
        if report {
            self.reported = Some(now);
        }
        Repeat::Repeated { report }
    }
}

impl Seen {
    fn is_repeated_by(&self, other: &Self) -> bool {
        let apart = Duration::from_micros(u64::from(
            (other.timestamp.wrapping_sub(self.timestamp) as i32).unsigned_abs(),
        ));
        let same = Self { timestamp: other.timestamp, ..self.clone() } == *other;
        same && apart < REPEAT_MAX
    }
}

/// FNV-1a of 64 bits.
fn fnv1a(octets: &[u8]) -> u64 {
    octets.iter().fold(0xCBF2_9CE4_8422_2325, |hash, octet| {
        (hash ^ u64::from(*octet)).wrapping_mul(0x0000_0100_0000_01B3)
    })
}

/// Stamps of the same reception lie nearer to each other than this.
pub const REPEAT_MAX: Duration = Duration::from_secs(1);
const REPORT_INTERVAL: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    fn uplink(timestamp: u32) -> RawUplink {
        RawUplink {
            raw_payload: vec![1, 2, 3],
            frequency: Frequency::from_hz(868_100_000),
            data_rate: DataRate::lora(7, 125_000),
            timestamp,
            concentrator_time: None,
            crc_status: Some(true),
            time: None,
            gps_time: None,
            hopping_width: None,
            antennas: vec![],
        }
    }

    // GS-47
    #[test]
    fn the_same_reception_is_a_repeat_and_reported_once_a_minute() {
        let mut filter = RepeatFilter::default();
        let at = |seconds: u64| Monotonic::from_nanos(seconds * 1_000_000_000);
        assert_eq!(filter.check(at(0), &uplink(5)), Repeat::New);
        assert_eq!(filter.check(at(0), &uplink(5)), Repeat::Repeated { report: true });
        assert_eq!(filter.check(at(59), &uplink(400)), Repeat::Repeated { report: false });
        assert_eq!(filter.check(at(60), &uplink(400)), Repeat::Repeated { report: true });
    }

    // GS-47, NS-12
    #[test]
    fn a_frame_that_the_device_repeats_is_not_swallowed() {
        let mut filter = RepeatFilter::default();
        assert_eq!(filter.check(Monotonic::default(), &uplink(5)), Repeat::New);
        assert_eq!(filter.check(Monotonic::default(), &uplink(3_000_005)), Repeat::New);
        let mut other = uplink(3_000_005);
        other.frequency = Frequency::from_hz(868_300_000);
        assert_eq!(filter.check(Monotonic::default(), &other), Repeat::New);
    }
}

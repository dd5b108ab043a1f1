//! Units of the radio: frequencies, data rates, powers, time on air.

mod data_rate;
mod toa;

pub use data_rate::{CodingRate, DataRate, DataRateIndex, ParseDataRateError};
pub use toa::{TimeOnAirError, time_on_air, time_on_air_with};

use core::fmt;

/// A radio frequency in hertz.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Frequency(u64);

impl Frequency {
    /// Makes a frequency of hertz.
    #[must_use]
    pub const fn from_hz(hz: u64) -> Self {
        Self(hz)
    }

    /// The frequency in hertz.
    #[must_use]
    pub const fn hz(self) -> u64 {
        self.0
    }

    /// Whether it is the zero that stands for “none” on the wire.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for Frequency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06} MHz", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

impl fmt::Debug for Frequency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A class of operation (TS001-1.0.4 §2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum DeviceClass {
    /// Downlinks only after uplinks.
    A,
    /// Downlinks in ping slots as well.
    B,
    /// Downlinks at any time.
    C,
}

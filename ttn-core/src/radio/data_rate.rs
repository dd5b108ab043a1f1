//! Data rates: the index of a band's table, and what it stands for.

use core::{fmt, str::FromStr};

/// The index of a data rate in a band's table, 0 to 15.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct DataRateIndex(u8);

impl DataRateIndex {
    /// Data rate 0.
    pub const ZERO: Self = Self(0);

    /// Makes an index; `None` above 15.
    #[must_use]
    pub const fn new(index: u8) -> Option<Self> {
        if index > 15 { None } else { Some(Self(index)) }
    }

    /// The low four bits of an octet as an index.
    #[must_use]
    pub const fn from_low_bits(octet: u8) -> Self {
        Self(octet & 0x0F)
    }

    /// The index as a number.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }

    /// The index for arrays.
    #[must_use]
    pub const fn as_usize(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for DataRateIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DR{}", self.0)
    }
}

impl fmt::Debug for DataRateIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A forward error correction rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CodingRate {
    /// 1/3 (LR-FHSS).
    R1_3,
    /// 1/2 (LR-FHSS).
    R1_2,
    /// 2/3 (LR-FHSS).
    R2_3,
    /// 4/5, the rate of LoRaWAN.
    R4_5,
    /// 4/6.
    R4_6,
    /// 4/7.
    R4_7,
    /// 4/8.
    R4_8,
    /// 4/5 with long interleaving (2.4 GHz).
    R4_5Li,
    /// 4/6 with long interleaving (2.4 GHz).
    R4_6Li,
    /// 4/8 with long interleaving (2.4 GHz).
    R4_8Li,
}

impl CodingRate {
    /// The rate as it is written on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::R1_3 => "1/3",
            Self::R1_2 => "1/2",
            Self::R2_3 => "2/3",
            Self::R4_5 => "4/5",
            Self::R4_6 => "4/6",
            Self::R4_7 => "4/7",
            Self::R4_8 => "4/8",
            Self::R4_5Li => "4/5LI",
            Self::R4_6Li => "4/6LI",
            Self::R4_8Li => "4/8LI",
        }
    }
}

impl fmt::Display for CodingRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Text that is no coding rate or data rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParseDataRateError;

impl fmt::Display for ParseDataRateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no data rate: use SF7BW125, a bit rate, or M0CW137")
    }
}

impl core::error::Error for ParseDataRateError {}

impl FromStr for CodingRate {
    type Err = ParseDataRateError;

    fn from_str(text: &str) -> Result<Self, ParseDataRateError> {
        Ok(match text {
            "1/3" | "2/6" => Self::R1_3,
            "1/2" => Self::R1_2,
            "2/3" => Self::R2_3,
            "4/5" => Self::R4_5,
            "4/6" => Self::R4_6,
            "4/7" => Self::R4_7,
            "4/8" => Self::R4_8,
            "4/5LI" => Self::R4_5Li,
            "4/6LI" => Self::R4_6Li,
            // Radios number it 7, so that it has two names.
            "4/7LI" | "4/8LI" => Self::R4_8Li,
            _ => return Err(ParseDataRateError),
        })
    }
}

/// How a frame is modulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DataRate {
    /// FSK.
    Fsk {
        /// Bits per second.
        bit_rate: u32,
    },
    /// LoRa.
    Lora {
        /// Spreading factor, 5 to 12.
        spreading_factor: u8,
        /// Bandwidth in hertz.
        bandwidth: u32,
        /// Coding rate.
        coding_rate: CodingRate,
    },
    /// Long-range frequency hopping.
    LrFhss {
        /// Modulation type.
        modulation_type: u32,
        /// Operating channel width in hertz.
        operating_channel_width: u32,
        /// Coding rate.
        coding_rate: CodingRate,
    },
}

impl DataRate {
    /// A LoRa data rate with coding rate 4/5.
    #[must_use]
    pub const fn lora(spreading_factor: u8, bandwidth: u32) -> Self {
        Self::Lora { spreading_factor, bandwidth, coding_rate: CodingRate::R4_5 }
    }

    /// Whether both are the same modulation, leaving the coding rate aside.
    #[must_use]
    pub fn same_modulation(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Lora { spreading_factor: a, bandwidth: b, .. },
                Self::Lora { spreading_factor: c, bandwidth: d, .. },
            ) => a == c && b == d,
            _ => self == other,
        }
    }
}

impl fmt::Display for DataRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Fsk { bit_rate } => write!(f, "{bit_rate}"),
            Self::Lora { spreading_factor, bandwidth, .. } => {
                write!(f, "SF{spreading_factor}BW{}", bandwidth / 1000)
            }
            Self::LrFhss { modulation_type, operating_channel_width, .. } => {
                write!(f, "M{modulation_type}CW{}", operating_channel_width / 1000)
            }
        }
    }
}

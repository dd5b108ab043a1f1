//! Names of bands.

use core::{fmt, str::FromStr};

macro_rules! band_ids {
    ($($name:ident: $doc:literal),* $(,)?) => {
        /// The name of a band, as on the wire.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        #[expect(non_camel_case_types, reason = "the names on the wire")]
        pub enum BandId {
            $(#[doc = $doc] $name,)*
        }

        impl BandId {
            /// Every band.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The name on the wire, `EU_863_870`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }
        }
    };
}

band_ids! {
    AS_923: "AS923 group 1.",
    AS_923_2: "AS923 group 2.",
    AS_923_3: "AS923 group 3.",
    AS_923_4: "AS923 group 4.",
    AU_915_928: "AU915-928.",
    CN_470_510: "CN470-510, before RP002.",
    CN_470_510_20_A: "CN470-510, 20 MHz antenna, type A.",
    CN_470_510_20_B: "CN470-510, 20 MHz antenna, type B.",
    CN_470_510_26_A: "CN470-510, 26 MHz antenna, type A.",
    CN_470_510_26_B: "CN470-510, 26 MHz antenna, type B.",
    CN_779_787: "CN779-787.",
    EU_433: "EU433.",
    EU_863_870: "EU863-870.",
    IN_865_867: "IN865-867.",
    ISM_2400: "2.4 GHz.",
    KR_920_923: "KR920-923.",
    MA_869_870_DRAFT: "MA869-870, draft.",
    RU_864_870: "RU864-870.",
    US_902_928: "US902-928.",
}

impl fmt::Display for BandId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Text that names no band.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnknownBandId;

impl fmt::Display for UnknownBandId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no such band")
    }
}

impl core::error::Error for UnknownBandId {}

impl FromStr for BandId {
    type Err = UnknownBandId;

    fn from_str(text: &str) -> Result<Self, UnknownBandId> {
        Self::ALL.iter().copied().find(|id| id.as_str() == text).ok_or(UnknownBandId)
    }
}

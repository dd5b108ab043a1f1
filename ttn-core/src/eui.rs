//! Extended unique identifiers.

use alloc::string::String;
use core::{fmt, str::FromStr};

/// Text that is no identifier of the wanted number of octets.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HexError {
    /// What was to be parsed.
    pub kind: &'static str,
    /// How many hexadecimal digits it has.
    pub digits: usize,
    /// The text that was refused, cut to 64 characters.
    pub value: String,
}

impl fmt::Display for HexError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is no {}: use {} hexadecimal digits", self.value, self.kind, self.digits)
    }
}

impl core::error::Error for HexError {}

/// Reads exactly `N` octets of hexadecimal text.
pub(crate) fn parse_hex<const N: usize>(
    kind: &'static str,
    text: &str,
) -> Result<[u8; N], HexError> {
    let refuse = || HexError { kind, digits: N * 2, value: text.chars().take(64).collect() };
    let mut octets = [0; N];
    if text.len() != N * 2 {
        return Err(refuse());
    }
    match data_encoding::HEXUPPER_PERMISSIVE.decode_mut(text.as_bytes(), &mut octets) {
        Ok(_) => Ok(octets),
        Err(_) => Err(refuse()),
    }
}

/// Writes octets as upper-case hexadecimal digits.
pub(crate) fn write_hex(f: &mut fmt::Formatter<'_>, octets: &[u8]) -> fmt::Result {
    octets.iter().try_for_each(|octet| write!(f, "{octet:02X}"))
}

macro_rules! eui {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
        pub struct $name(u64);

        impl $name {
            /// Makes it from octets in display (big-endian) order.
            #[must_use]
            pub const fn from_be_bytes(octets: [u8; 8]) -> Self {
                Self(u64::from_be_bytes(octets))
            }

            /// Makes it from octets in on-air (little-endian) order.
            #[must_use]
            pub const fn from_le_bytes(octets: [u8; 8]) -> Self {
                Self(u64::from_le_bytes(octets))
            }

            /// The octets in display (big-endian) order.
            #[must_use]
            pub const fn to_be_bytes(self) -> [u8; 8] {
                self.0.to_be_bytes()
            }

            /// The octets in on-air (little-endian) order.
            #[must_use]
            pub const fn to_le_bytes(self) -> [u8; 8] {
                self.0.to_le_bytes()
            }

            /// The identifier as a number.
            #[must_use]
            pub const fn to_u64(self) -> u64 {
                self.0
            }

            /// Makes it from a number.
            #[must_use]
            pub const fn from_u64(value: u64) -> Self {
                Self(value)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(f, &self.to_be_bytes())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(f, &self.to_be_bytes())
            }
        }

        impl FromStr for $name {
            type Err = HexError;

            fn from_str(text: &str) -> Result<Self, HexError> {
                parse_hex($kind, text).map(Self::from_be_bytes)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

eui!(
    /// The EUI of an end device.
    DevEui, "DevEUI"
);
eui!(
    /// The EUI of a gateway.
    GatewayEui, "gateway EUI"
);
eui!(
    /// The EUI of a Join Server (called AppEUI up to LoRaWAN 1.0.3).
    JoinEui, "JoinEUI"
);

/// All JoinEUIs that begin with the same bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct JoinEuiPrefix {
    prefix: u64,
    length: u8,
}

impl JoinEuiPrefix {
    /// The prefix that every JoinEUI has.
    pub const ALL: Self = Self { prefix: 0, length: 0 };

    /// Makes a prefix; `None` for more than 64 bits.
    #[must_use]
    pub const fn new(eui: JoinEui, length: u8) -> Option<Self> {
        if length > 64 { None } else { Some(Self { prefix: eui.0, length }) }
    }

    /// The prefix with its other bits, and its length in bits.
    #[must_use]
    pub const fn parts(self) -> (JoinEui, u8) {
        (JoinEui(self.prefix), self.length)
    }

    /// Whether `eui` begins with this prefix.
    #[must_use]
    pub const fn contains(self, eui: JoinEui) -> bool {
        match (self.prefix ^ eui.0).checked_shr(64 - self.length as u32) {
            Some(rest) => rest == 0,
            None => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn parses_and_prints_display_order() {
        let eui: DevEui = "70b3d57ed0000001".parse().unwrap();
        assert_eq!(eui.to_string(), "70B3D57ED0000001");
        assert_eq!(eui.to_le_bytes()[0], 1);
        assert!("70b3d57ed000000".parse::<DevEui>().is_err());
        assert!("70b3d57ed000000g".parse::<DevEui>().is_err());
    }

    // JS-02
    #[test]
    fn a_prefix_of_zero_bits_contains_everything() {
        assert!(JoinEuiPrefix::ALL.contains(JoinEui::from_u64(u64::MAX)));
        let prefix = JoinEuiPrefix::new(JoinEui::from_u64(0x70B3_D57E_D000_0000), 36).unwrap();
        assert!(prefix.contains(JoinEui::from_u64(0x70B3_D57E_D123_4567)));
        assert!(!prefix.contains(JoinEui::from_u64(0x70B3_D57F_D123_4567)));
    }
}

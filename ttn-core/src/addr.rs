//! Device addresses and network identifiers (TS001-1.0.4 §6.1.1, TS002).

use alloc::string::String;
use core::{fmt, str::FromStr};

use crate::eui::{HexError, parse_hex, write_hex};

/// The 32-bit address of a device within its session.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct DevAddr(u32);

impl DevAddr {
    /// Makes it from a number.
    #[must_use]
    pub const fn from_u32(value: u32) -> Self {
        Self(value)
    }

    /// The address as a number.
    #[must_use]
    pub const fn to_u32(self) -> u32 {
        self.0
    }

    /// Makes it from octets in on-air (little-endian) order.
    #[must_use]
    pub const fn from_le_bytes(octets: [u8; 4]) -> Self {
        Self(u32::from_le_bytes(octets))
    }

    /// The octets in on-air (little-endian) order.
    #[must_use]
    pub const fn to_le_bytes(self) -> [u8; 4] {
        self.0.to_le_bytes()
    }

    /// Makes it from octets in display (big-endian) order.
    #[must_use]
    pub const fn from_be_bytes(octets: [u8; 4]) -> Self {
        Self(u32::from_be_bytes(octets))
    }

    /// The octets in display (big-endian) order.
    #[must_use]
    pub const fn to_be_bytes(self) -> [u8; 4] {
        self.0.to_be_bytes()
    }
}

/// The 24-bit identifier of a network.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct NetId(u32);

impl NetId {
    /// Makes it from a number; `None` above 24 bits.
    #[must_use]
    pub const fn from_u32(value: u32) -> Option<Self> {
        if value > 0xFF_FFFF { None } else { Some(Self(value)) }
    }

    /// The identifier as a number.
    #[must_use]
    pub const fn to_u32(self) -> u32 {
        self.0
    }

    /// Makes it from octets in display (big-endian) order.
    #[must_use]
    pub const fn from_be_bytes(octets: [u8; 3]) -> Self {
        let [a, b, c] = octets;
        Self(u32::from_be_bytes([0, a, b, c]))
    }

    /// The octets in display (big-endian) order.
    #[must_use]
    pub const fn to_be_bytes(self) -> [u8; 3] {
        let [_, a, b, c] = self.0.to_be_bytes();
        [a, b, c]
    }

    /// The octets in on-air (little-endian) order.
    #[must_use]
    pub const fn to_le_bytes(self) -> [u8; 3] {
        let [a, b, c, _] = self.0.to_le_bytes();
        [a, b, c]
    }

    /// The type of NetID, 0 to 7.
    #[must_use]
    pub const fn net_id_type(self) -> u8 {
        (self.0 >> 21) as u8
    }

    /// The ID part, without the type: as many low bits as the type has (TS002).
    #[must_use]
    pub const fn id(self) -> u32 {
        match self.net_id_type() {
            0 | 1 => self.0 & 0x3F,
            2 => self.0 & 0x1FF,
            _ => self.0 & 0x1F_FFFF,
        }
    }

    /// The prefix of all addresses that this network assigns.
    #[must_use]
    pub const fn dev_addr_prefix(self) -> DevAddrPrefix {
        // TS002: the type prefix has type + 1 bits (ones, then a zero); NwkID follows.
        let kind = self.net_id_type() as u32;
        let nwk_id_bits = [6, 6, 9, 11, 12, 13, 15, 17][kind as usize];
        let type_bits = kind + 1;
        let type_prefix = ((1_u32 << kind) - 1) << 1;
        let nwk_id = self.id() & ((1 << nwk_id_bits) - 1);
        let addr = (type_prefix << (32 - type_bits)) | (nwk_id << (32 - type_bits - nwk_id_bits));
        DevAddrPrefix { addr: DevAddr(addr), length: (type_bits + nwk_id_bits) as u8 }
    }
}

/// All addresses that begin with the same bits, written `26000000/7`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct DevAddrPrefix {
    addr: DevAddr,
    length: u8,
}

impl DevAddrPrefix {
    /// The prefix that every address has.
    pub const ALL: Self = Self { addr: DevAddr(0), length: 0 };

    /// Makes a prefix; `None` for more than 32 bits. Bits behind the prefix are cleared.
    #[must_use]
    pub const fn new(addr: DevAddr, length: u8) -> Option<Self> {
        if length > 32 {
            return None;
        }
        Some(Self { addr: DevAddr(addr.0 & Self::mask(length)), length })
    }

    /// The first address of the prefix.
    #[must_use]
    pub const fn addr(self) -> DevAddr {
        self.addr
    }

    /// The number of bits that all addresses share.
    #[must_use]
    pub const fn length(self) -> u8 {
        self.length
    }

    /// How many addresses have this prefix.
    #[must_use]
    pub const fn size(self) -> u64 {
        1 << (32 - self.length as u32)
    }

    /// Whether `addr` has this prefix.
    #[must_use]
    pub const fn contains(self, addr: DevAddr) -> bool {
        addr.0 & Self::mask(self.length) == self.addr.0
    }

    /// Whether every address of this prefix has the prefix `other`.
    #[must_use]
    pub const fn is_subset_of(self, other: Self) -> bool {
        self.length >= other.length && other.contains(self.addr)
    }

    const fn mask(length: u8) -> u32 {
        if length == 0 { 0 } else { u32::MAX << (32 - length as u32) }
    }
}

impl fmt::Display for DevAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.to_be_bytes())
    }
}

impl fmt::Debug for DevAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for DevAddr {
    type Err = HexError;

    fn from_str(text: &str) -> Result<Self, HexError> {
        parse_hex("DevAddr", text).map(Self::from_be_bytes)
    }
}

impl fmt::Display for NetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.to_be_bytes())
    }
}

impl fmt::Debug for NetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for NetId {
    type Err = HexError;

    fn from_str(text: &str) -> Result<Self, HexError> {
        parse_hex("NetID", text).map(Self::from_be_bytes)
    }
}

impl fmt::Display for DevAddrPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.addr, self.length)
    }
}

impl fmt::Debug for DevAddrPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for DevAddrPrefix {
    type Err = HexError;

    fn from_str(text: &str) -> Result<Self, HexError> {
        let refuse = || HexError {
            kind: "DevAddr prefix (such as 26000000/7)",
            digits: 8,
            value: text.chars().take(64).collect(),
        };
        let (addr, length) = text.split_once('/').ok_or_else(refuse)?;
        let length = length.parse().map_err(|_| refuse())?;
        Self::new(addr.parse()?, length).ok_or_else(refuse)
    }
}

macro_rules! text_serde {
    ($($name:ident),*) => {$(
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
    )*};
}

text_serde!(DevAddr, NetId, DevAddrPrefix);

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    // TS001-1.0.4 §6.1.1
    #[test]
    fn the_addresses_of_a_network_begin_with_its_type_and_id() {
        for (net_id, prefix) in
            [(0x00_0013, "26000000/7"), (0x60_0002, "E0040000/15"), (0xE0_0001, "FE000080/25")]
        {
            let net_id = NetId::from_u32(net_id).unwrap();
            assert_eq!(net_id.dev_addr_prefix().to_string(), prefix);
        }
    }
}

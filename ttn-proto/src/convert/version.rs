//! Versions of LoRaWAN and of the regional parameters.

use ttn_core::version::{MacVersion, PhyVersion};

use super::ConvertError;
use crate::v3;

/// A version of the link layer as the API numbers it.
pub const fn mac_version(version: MacVersion) -> v3::MacVersion {
    match version {
        MacVersion::V1_0 => v3::MacVersion::MacV10,
        MacVersion::V1_0_1 => v3::MacVersion::MacV101,
        MacVersion::V1_0_2 => v3::MacVersion::MacV102,
        MacVersion::V1_0_3 => v3::MacVersion::MacV103,
        MacVersion::V1_0_4 => v3::MacVersion::MacV104,
        MacVersion::V1_1 => v3::MacVersion::MacV11,
    }
}

/// The version of the link layer of a message.
///
/// # Errors
///
/// The version is unknown.
pub fn to_mac_version(version: i32) -> Result<MacVersion, ConvertError> {
    let found = MacVersion::ALL.into_iter().find(|known| mac_version(*known) as i32 == version);
    found.ok_or_else(|| ConvertError::malformed("lorawan_version", "unknown version"))
}

/// A version of the regional parameters as the API numbers it.
pub const fn phy_version(version: PhyVersion) -> v3::PhyVersion {
    match version {
        PhyVersion::TS001_V1_0 => v3::PhyVersion::PhyV10,
        PhyVersion::TS001_V1_0_1 => v3::PhyVersion::PhyV101,
        PhyVersion::RP001_V1_0_2 => v3::PhyVersion::PhyV102RevA,
        PhyVersion::RP001_V1_0_2_REV_B => v3::PhyVersion::PhyV102RevB,
        PhyVersion::RP001_V1_0_3_REV_A => v3::PhyVersion::PhyV103RevA,
        PhyVersion::RP001_V1_1_REV_A => v3::PhyVersion::PhyV11RevA,
        PhyVersion::RP001_V1_1_REV_B => v3::PhyVersion::PhyV11RevB,
        PhyVersion::RP002_V1_0_0 => v3::PhyVersion::Rp002V100,
        PhyVersion::RP002_V1_0_1 => v3::PhyVersion::Rp002V101,
        PhyVersion::RP002_V1_0_2 => v3::PhyVersion::Rp002V102,
        PhyVersion::RP002_V1_0_3 => v3::PhyVersion::Rp002V103,
        PhyVersion::RP002_V1_0_4 => v3::PhyVersion::Rp002V104,
    }
}

/// The version of the regional parameters of a message.
///
/// # Errors
///
/// The version is unknown.
pub fn to_phy_version(version: i32) -> Result<PhyVersion, ConvertError> {
    let found = PhyVersion::ALL.into_iter().find(|known| phy_version(*known) as i32 == version);
    found.ok_or_else(|| ConvertError::malformed("lorawan_phy_version", "unknown version"))
}

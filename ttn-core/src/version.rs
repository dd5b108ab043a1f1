//! Versions of LoRaWAN and of the Regional Parameters.

use core::fmt;

/// A version of the LoRaWAN link layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition: a new one needs rules")]
pub enum MacVersion {
    /// LoRaWAN 1.0.
    V1_0,
    /// LoRaWAN 1.0.1.
    V1_0_1,
    /// LoRaWAN 1.0.2.
    V1_0_2,
    /// LoRaWAN 1.0.3.
    V1_0_3,
    /// LoRaWAN 1.0.4.
    V1_0_4,
    /// LoRaWAN 1.1.
    V1_1,
}

impl MacVersion {
    /// Every version, oldest first.
    pub const ALL: [Self; 6] =
        [Self::V1_0, Self::V1_0_1, Self::V1_0_2, Self::V1_0_3, Self::V1_0_4, Self::V1_1];

    /// The name in the API, `MAC_V1_0_3`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::V1_0 => "MAC_V1_0",
            Self::V1_0_1 => "MAC_V1_0_1",
            Self::V1_0_2 => "MAC_V1_0_2",
            Self::V1_0_3 => "MAC_V1_0_3",
            Self::V1_0_4 => "MAC_V1_0_4",
            Self::V1_1 => "MAC_V1_1",
        }
    }

    /// Whether sessions have the key set of LoRaWAN 1.1.
    #[must_use]
    pub const fn is_1_1(self) -> bool {
        matches!(self, Self::V1_1)
    }
}

impl fmt::Display for MacVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V1_0 => "1.0.0",
            Self::V1_0_1 => "1.0.1",
            Self::V1_0_2 => "1.0.2",
            Self::V1_0_3 => "1.0.3",
            Self::V1_0_4 => "1.0.4",
            Self::V1_1 => "1.1.0",
        })
    }
}

/// A version of the Regional Parameters, by the name of its document.
#[expect(non_camel_case_types, reason = "the names of the documents")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition: a new one needs tables")]
pub enum PhyVersion {
    /// LoRaWAN 1.0, chapter on regions.
    TS001_V1_0,
    /// LoRaWAN 1.0.1, chapter on regions.
    TS001_V1_0_1,
    /// Regional Parameters 1.0.2.
    RP001_V1_0_2,
    /// Regional Parameters 1.0.2 revision B.
    RP001_V1_0_2_REV_B,
    /// Regional Parameters 1.0.3 revision A.
    RP001_V1_0_3_REV_A,
    /// Regional Parameters 1.1 revision A.
    RP001_V1_1_REV_A,
    /// Regional Parameters 1.1 revision B.
    RP001_V1_1_REV_B,
    /// RP002-1.0.0.
    RP002_V1_0_0,
    /// RP002-1.0.1.
    RP002_V1_0_1,
    /// RP002-1.0.2.
    RP002_V1_0_2,
    /// RP002-1.0.3.
    RP002_V1_0_3,
    /// RP002-1.0.4.
    RP002_V1_0_4,
}

impl PhyVersion {
    /// Every version, oldest first.
    pub const ALL: [Self; 12] = [
        Self::TS001_V1_0,
        Self::TS001_V1_0_1,
        Self::RP001_V1_0_2,
        Self::RP001_V1_0_2_REV_B,
        Self::RP001_V1_0_3_REV_A,
        Self::RP001_V1_1_REV_A,
        Self::RP001_V1_1_REV_B,
        Self::RP002_V1_0_0,
        Self::RP002_V1_0_1,
        Self::RP002_V1_0_2,
        Self::RP002_V1_0_3,
        Self::RP002_V1_0_4,
    ];

    /// The name as the document's, `RP002_V1_0_4`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TS001_V1_0 => "TS001_V1_0",
            Self::TS001_V1_0_1 => "TS001_V1_0_1",
            Self::RP001_V1_0_2 => "RP001_V1_0_2",
            Self::RP001_V1_0_2_REV_B => "RP001_V1_0_2_REV_B",
            Self::RP001_V1_0_3_REV_A => "RP001_V1_0_3_REV_A",
            Self::RP001_V1_1_REV_A => "RP001_V1_1_REV_A",
            Self::RP001_V1_1_REV_B => "RP001_V1_1_REV_B",
            Self::RP002_V1_0_0 => "RP002_V1_0_0",
            Self::RP002_V1_0_1 => "RP002_V1_0_1",
            Self::RP002_V1_0_2 => "RP002_V1_0_2",
            Self::RP002_V1_0_3 => "RP002_V1_0_3",
            Self::RP002_V1_0_4 => "RP002_V1_0_4",
        }
    }
}

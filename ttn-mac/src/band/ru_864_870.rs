//! RU864-870.

use ttn_core::{radio::Frequency, version::PhyVersion};

use super::{
    Band, BandChannel, BandId, RelayWorChannel, SubBand,
    base::{at, channel, dynamic, hz, relay, rx2, sub_band, wor},
};

/// RU864-870 in every version.
pub(super) static BANDS: [Band; 8] = [
    RP001,
    at(PhyVersion::RP001_V1_1_REV_A, RP001),
    at(PhyVersion::RP001_V1_1_REV_B, RP001),
    RP002,
    at(PhyVersion::RP002_V1_0_1, RP002),
    at(PhyVersion::RP002_V1_0_2, RP002),
    at(PhyVersion::RP002_V1_0_3, RP002),
    at(PhyVersion::RP002_V1_0_4, relay(RP002, &RELAY_WOR_CHANNELS)),
];

const RP001: Band = Band {
    phy_version: PhyVersion::RP001_V1_0_3_REV_A,
    ping_slot_frequencies: &[hz(868_900_000)],
    ..dynamic(BandId::RU_864_870, &CHANNELS, rx2(0, 869_100_000), &BEACON, &SUB_BANDS)
};

const RP002: Band = Band { strict_coding_rate: true, ..at(PhyVersion::RP002_V1_0_0, RP001) };

const CHANNELS: [BandChannel; 2] = [channel(868_900_000, 0, 5), channel(869_100_000, 0, 5)];

const SUB_BANDS: [SubBand; 1] = [sub_band(864_000_000, 870_000_000, 0.01, 22.15)];

const BEACON: [Frequency; 1] = [hz(869_100_000)];

const RELAY_WOR_CHANNELS: [RelayWorChannel; 2] =
    [wor(866_100_000, 866_300_000, 3), wor(866_500_000, 866_900_000, 3)];

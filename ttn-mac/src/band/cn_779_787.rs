//! CN779-787. RP002 1.0.4 does not have it any more.

use ttn_core::{radio::Frequency, version::PhyVersion};

use super::{
    Band, BandChannel, BandId, SubBand,
    base::{at, chain, channels, dynamic, hz, rx2, sub_band, tx_offsets},
};

/// CN779-787 in every version.
pub(super) static BANDS: [Band; 11] = [
    TS001,
    at(PhyVersion::TS001_V1_0_1, TS001),
    at(PhyVersion::RP001_V1_0_2, TS001),
    at(PhyVersion::RP001_V1_0_2_REV_B, TS001),
    at(PhyVersion::RP001_V1_0_3_REV_A, TS001),
    at(PhyVersion::RP001_V1_1_REV_A, TS001),
    at(PhyVersion::RP001_V1_1_REV_B, TS001),
    RP002,
    at(PhyVersion::RP002_V1_0_1, RP002),
    at(PhyVersion::RP002_V1_0_2, RP002),
    at(PhyVersion::RP002_V1_0_3, RP002),
];

const TS001: Band = Band {
    tx_offsets: tx_offsets(6),
    default_max_eirp: 12.15,
    ..dynamic(BandId::CN_779_787, &CHANNELS, rx2(0, 786_000_000), &CLASS_B, &SUB_BANDS)
};

const RP002: Band = Band { strict_coding_rate: true, ..at(PhyVersion::RP002_V1_0_0, TS001) };

const CHANNELS: [BandChannel; 6] =
    chain::<3, 3, 6>(channels(779_500_000, 200_000, 0, 5), channels(780_500_000, 200_000, 0, 5));

const SUB_BANDS: [SubBand; 1] = [sub_band(779_000_000, 787_000_000, 0.01, 12.15)];

const CLASS_B: [Frequency; 1] = [hz(785_000_000)];

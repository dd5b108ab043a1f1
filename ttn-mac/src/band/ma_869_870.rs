//! MA869-870, a draft that is the same in every version.

use ttn_core::{radio::Frequency, version::PhyVersion};

use super::{
    Band, BandChannel, BandId, SubBand,
    base::{LORA_FSK_AND_LR_FHSS, at, channel, dynamic, hz, relay, rx2, sub_band},
};

/// MA869-870 in every version.
pub(super) static BANDS: [Band; 12] = [
    DRAFT,
    at(PhyVersion::TS001_V1_0_1, DRAFT),
    at(PhyVersion::RP001_V1_0_2, DRAFT),
    at(PhyVersion::RP001_V1_0_2_REV_B, DRAFT),
    at(PhyVersion::RP001_V1_0_3_REV_A, DRAFT),
    at(PhyVersion::RP001_V1_1_REV_A, DRAFT),
    at(PhyVersion::RP001_V1_1_REV_B, DRAFT),
    at(PhyVersion::RP002_V1_0_0, DRAFT),
    at(PhyVersion::RP002_V1_0_1, DRAFT),
    at(PhyVersion::RP002_V1_0_2, DRAFT),
    at(PhyVersion::RP002_V1_0_3, DRAFT),
    at(PhyVersion::RP002_V1_0_4, DRAFT),
];

const DRAFT: Band = Band {
    data_rates: LORA_FSK_AND_LR_FHSS,
    strict_coding_rate: true,
    ..relay(
        dynamic(BandId::MA_869_870_DRAFT, &CHANNELS, rx2(0, 869_525_000), &CLASS_B, &SUB_BANDS),
        &[],
    )
};

const CHANNELS: [BandChannel; 3] =
    [channel(869_100_000, 0, 5), channel(869_300_000, 0, 5), channel(869_700_000, 0, 5)];

const SUB_BANDS: [SubBand; 3] = [
    sub_band(869_000_000, 869_400_000, 0.001, 16.15),
    sub_band(869_400_000, 869_650_000, 0.1, 29.15),
    sub_band(869_650_000, 870_000_000, 0.01, 16.15),
];

const CLASS_B: [Frequency; 1] = [hz(869_525_000)];

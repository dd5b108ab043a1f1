//! EU433.

use ttn_core::{radio::Frequency, version::PhyVersion};

use super::{
    Band, BandChannel, BandId, SubBand,
    base::{at, channel, dynamic, hz, relay, rx2, sub_band, tx_offsets},
};

/// EU433 in every version.
pub(super) static BANDS: [Band; 12] = [
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
    at(PhyVersion::RP002_V1_0_4, relay(RP002, &[])),
];

const TS001: Band = Band {
    tx_offsets: tx_offsets(6),
    default_max_eirp: 12.15,
    ..dynamic(BandId::EU_433, &CHANNELS, rx2(0, 434_665_000), &CLASS_B, &SUB_BANDS)
};

const RP002: Band = Band { strict_coding_rate: true, ..at(PhyVersion::RP002_V1_0_0, TS001) };

const CHANNELS: [BandChannel; 3] =
    [channel(433_175_000, 0, 5), channel(433_375_000, 0, 5), channel(433_575_000, 0, 5)];

const SUB_BANDS: [SubBand; 1] = [sub_band(433_175_000, 434_665_000, 0.1, 12.15)];

const CLASS_B: [Frequency; 1] = [hz(434_655_000)];

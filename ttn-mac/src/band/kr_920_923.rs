//! KR920-923.

use ttn_core::{radio::Frequency, version::PhyVersion};

use super::{
    Band, BandChannel, BandId, RelayWorChannel, Rx1DataRates, SubBand,
    base::{LORA_125, at, channel, dynamic, hz, relay, rx2, sub_band, tx_offsets, wor},
    cn_470_510::RX1,
};

/// KR920-923 in every version.
pub(super) static BANDS: [Band; 10] = [
    RP001_1_0_2,
    RP001,
    at(PhyVersion::RP001_V1_0_3_REV_A, RP001),
    at(PhyVersion::RP001_V1_1_REV_A, RP001),
    at(PhyVersion::RP001_V1_1_REV_B, RP001),
    RP002,
    at(PhyVersion::RP002_V1_0_1, RP002),
    at(PhyVersion::RP002_V1_0_2, RP002),
    at(PhyVersion::RP002_V1_0_3, RP002),
    at(PhyVersion::RP002_V1_0_4, relay(RP002, &RELAY_WOR_CHANNELS)),
];

/// The first version names powers of 20, 14, 10, 8, 5, 2 and 0 dBm.
const RP001_1_0_2: Band = Band {
    phy_version: PhyVersion::RP001_V1_0_2,
    data_rates: LORA_125,
    tx_offsets: &[0, -6, -10, -12, -15, -18, -20],
    default_max_eirp: 20.0,
    rx1_data_rates: Rx1DataRates { no_dwell: &RX1, dwell: &RX1 },
    ..dynamic(BandId::KR_920_923, &CHANNELS, rx2(0, 921_900_000), &CLASS_B, &SUB_BANDS)
};

const RP001: Band = Band {
    tx_offsets: tx_offsets(8),
    default_max_eirp: 14.0,
    ..at(PhyVersion::RP001_V1_0_2_REV_B, RP001_1_0_2)
};

const RP002: Band = Band { strict_coding_rate: true, ..at(PhyVersion::RP002_V1_0_0, RP001) };

const CHANNELS: [BandChannel; 3] =
    [channel(922_100_000, 0, 5), channel(922_300_000, 0, 5), channel(922_500_000, 0, 5)];

const SUB_BANDS: [SubBand; 1] = [sub_band(920_000_000, 923_000_000, 1.0, 16.15)];

const CLASS_B: [Frequency; 1] = [hz(923_100_000)];

const RELAY_WOR_CHANNELS: [RelayWorChannel; 2] =
    [wor(922_700_000, 922_900_000, 3), wor(923_100_000, 923_100_000, 3)];

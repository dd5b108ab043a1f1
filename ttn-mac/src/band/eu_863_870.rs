//! EU863-870.

use ttn_core::{radio::Frequency, version::PhyVersion};

use super::{
    Band, BandChannel, BandId, RelayWorChannel, Rx1DataRates, Rx1Table, SubBand,
    base::{
        LORA_FSK_AND_LR_FHSS, at, channel, dynamic, hz, relay, rx1_six_offsets, rx2, same_row,
        sub_band, tx_offsets, wor,
    },
};

/// EU863-870 in every version.
pub(super) static BANDS: [Band; 12] = [
    TS001,
    at(PhyVersion::TS001_V1_0_1, TS001),
    at(PhyVersion::RP001_V1_0_2, TS001),
    RP001,
    at(PhyVersion::RP001_V1_0_3_REV_A, RP001),
    at(PhyVersion::RP001_V1_1_REV_A, RP001),
    at(PhyVersion::RP001_V1_1_REV_B, RP001),
    RP002,
    at(PhyVersion::RP002_V1_0_1, RP002),
    RP002_LR_FHSS,
    at(PhyVersion::RP002_V1_0_3, RP002_LR_FHSS),
    at(PhyVersion::RP002_V1_0_4, relay(RP002_LR_FHSS, &RELAY_WOR_CHANNELS)),
];

const TS001: Band = Band {
    tx_offsets: tx_offsets(6),
    ..dynamic(BandId::EU_863_870, &CHANNELS, rx2(0, 869_525_000), &CLASS_B, &SUB_BANDS)
};

const RP001: Band = Band { tx_offsets: tx_offsets(8), ..at(PhyVersion::RP001_V1_0_2_REV_B, TS001) };

const RP002: Band = Band { strict_coding_rate: true, ..at(PhyVersion::RP002_V1_0_0, RP001) };

const RP002_LR_FHSS: Band = Band {
    data_rates: LORA_FSK_AND_LR_FHSS,
    rx1_data_rates: Rx1DataRates { no_dwell: &RX1_LR_FHSS, dwell: &RX1_LR_FHSS },
    ..at(PhyVersion::RP002_V1_0_2, RP002)
};

const CHANNELS: [BandChannel; 3] =
    [channel(868_100_000, 0, 5), channel(868_300_000, 0, 5), channel(868_500_000, 0, 5)];

const SUB_BANDS: [SubBand; 6] = [
    sub_band(863_000_000, 865_000_000, 0.001, 16.15),
    sub_band(865_000_000, 868_000_000, 0.01, 16.15),
    sub_band(868_000_000, 868_600_000, 0.01, 16.15),
    sub_band(868_700_000, 869_200_000, 0.001, 16.15),
    sub_band(869_400_000, 869_650_000, 0.1, 29.15),
    sub_band(869_700_000, 870_000_000, 0.01, 16.15),
];

const CLASS_B: [Frequency; 1] = [hz(869_525_000)];

static RX1_LR_FHSS: Rx1Table = {
    let table = same_row(same_row(rx1_six_offsets(8), 8, 1), 9, 2);
    same_row(same_row(table, 10, 1), 11, 2)
};

const RELAY_WOR_CHANNELS: [RelayWorChannel; 2] =
    [wor(865_100_000, 865_300_000, 3), wor(865_500_000, 865_900_000, 3)];

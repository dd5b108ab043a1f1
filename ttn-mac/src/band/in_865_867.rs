//! IN865-867.

use ttn_core::{radio::Frequency, version::PhyVersion};

use super::{
    Band, BandChannel, BandDataRate, BandId, Beacon, RelayWorChannel, Rx1DataRates, Rx1Table,
    SubBand,
    base::{
        FSK_50, LORA_125, at, channel, dr, dynamic, hz, relay, rx1_eight_offsets, rx2, sub_band,
        tx_offsets, wor,
    },
};

/// IN865-867 in every version.
pub(super) static BANDS: [Band; 9] = [
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

const RP001: Band = Band {
    data_rates: DATA_RATES,
    tx_offsets: tx_offsets(11),
    default_max_eirp: 30.0,
    rx1_data_rates: Rx1DataRates { no_dwell: &RX1_UP_TO_5, dwell: &RX1_UP_TO_5 },
    beacon: Beacon { data_rate: dr(4), ..DYNAMIC.beacon },
    ..at(PhyVersion::RP001_V1_0_2_REV_B, DYNAMIC)
};

const DYNAMIC: Band =
    dynamic(BandId::IN_865_867, &CHANNELS, rx2(2, 866_550_000), &CLASS_B, &SUB_BANDS);

const RP002: Band = Band {
    strict_coding_rate: true,
    rx1_data_rates: Rx1DataRates { no_dwell: &RX1_UP_TO_7, dwell: &RX1_UP_TO_7 },
    ..at(PhyVersion::RP002_V1_0_0, RP001)
};

const CHANNELS: [BandChannel; 3] =
    [channel(865_062_500, 0, 5), channel(865_402_500, 0, 5), channel(865_985_000, 0, 5)];

const SUB_BANDS: [SubBand; 1] = [sub_band(865_000_000, 867_000_000, 1.0, 16.15)];

const CLASS_B: [Frequency; 1] = [hz(866_500_000)];

const RELAY_WOR_CHANNELS: [RelayWorChannel; 2] =
    [wor(866_000_000, 866_200_000, 3), wor(866_700_000, 866_900_000, 3)];

const DATA_RATES: [Option<BandDataRate>; 16] = {
    let mut rates = LORA_125;
    rates[7] = FSK_50;
    rates
};

static RX1_UP_TO_5: Rx1Table = rx1_eight_offsets(0, 5);
static RX1_UP_TO_7: Rx1Table = rx1_eight_offsets(0, 7);

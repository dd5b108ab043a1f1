//! AS923, groups 1 to 4: the same tables around different frequencies.

use ttn_core::{radio::Frequency, version::PhyVersion};

use super::{
    Band, BandChannel, BandDataRate, BandId, Beacon, DwellTime, RelayWorChannel, Rx1DataRates,
    Rx1Table, SubBand,
    base::{
        LORA_AND_FSK, at, channel, dynamic, hz, lora_dwell, relay, rx1_eight_offsets, rx2,
        sub_band, tx_offsets, wor,
    },
};

/// Group 1 in every version.
pub(super) static GROUP_1: [Band; 10] = [
    RP001,
    RP001_REV_B,
    RP001_1_0_3,
    RP001_1_1,
    at(PhyVersion::RP001_V1_1_REV_B, RP001_1_1),
    RP002,
    RP002_1_0_1,
    RP002_1_0_2,
    at(PhyVersion::RP002_V1_0_3, RP002_1_0_2),
    at(PhyVersion::RP002_V1_0_4, relay(RP002_1_0_2, &WOR_1)),
];

/// Group 2 in every version.
pub(super) static GROUP_2: [Band; 4] = [
    in_group_2(RP002_1_0_1),
    in_group_2(RP002_1_0_2),
    at(PhyVersion::RP002_V1_0_3, in_group_2(RP002_1_0_2)),
    at(PhyVersion::RP002_V1_0_4, relay(in_group_2(RP002_1_0_2), &WOR_2)),
];

/// Group 3 in every version.
pub(super) static GROUP_3: [Band; 4] = [
    in_group_3(RP002_1_0_1),
    in_group_3(RP002_1_0_2),
    at(PhyVersion::RP002_V1_0_3, in_group_3(RP002_1_0_2)),
    at(PhyVersion::RP002_V1_0_4, relay(in_group_3(RP002_1_0_2), &WOR_3)),
];

/// Group 4 in every version.
pub(super) static GROUP_4: [Band; 2] = [
    at(PhyVersion::RP002_V1_0_3, in_group_4(RP002_1_0_2)),
    at(PhyVersion::RP002_V1_0_4, relay(in_group_4(RP002_1_0_2), &WOR_4)),
];

const RP001: Band = Band {
    phy_version: PhyVersion::RP001_V1_0_2,
    data_rates: DATA_RATES,
    tx_offsets: tx_offsets(6),
    supports_tx_param_setup: true,
    default_max_eirp: 14.0,
    rx1_data_rates: Rx1DataRates { no_dwell: &RX1_UP_TO_5, dwell: &RX1_UP_TO_5_DWELL },
    ..dynamic(BandId::AS_923, &CHANNELS_1, rx2(2, 923_200_000), &CLASS_B_1, &SUB_BANDS_1)
};

const RP001_REV_B: Band = Band {
    tx_offsets: tx_offsets(8),
    default_max_eirp: 16.0,
    boot_dwell_time: DwellTime { uplinks: Some(true), downlinks: Some(true) },
    ..at(PhyVersion::RP001_V1_0_2_REV_B, RP001)
};

const RP001_1_0_3: Band =
    Band { boot_dwell_time: UPLINKS, ..at(PhyVersion::RP001_V1_0_3_REV_A, RP001_REV_B) };

const RP001_1_1: Band =
    Band { boot_dwell_time: UNKNOWN, ..at(PhyVersion::RP001_V1_1_REV_A, RP001_1_0_3) };

const RP002: Band = Band {
    strict_coding_rate: true,
    rx1_data_rates: Rx1DataRates { no_dwell: &RX1_UP_TO_7, dwell: &RX1_UP_TO_7_DWELL },
    ..at(PhyVersion::RP002_V1_0_0, RP001_1_1)
};

const RP002_1_0_1: Band = Band {
    data_rates: DATA_RATES_RP002,
    boot_dwell_time: UPLINKS,
    ..at(PhyVersion::RP002_V1_0_1, RP002)
};

const RP002_1_0_2: Band =
    Band { boot_dwell_time: UNKNOWN, ..at(PhyVersion::RP002_V1_0_2, RP002_1_0_1) };

const UPLINKS: DwellTime = DwellTime { uplinks: Some(true), downlinks: Some(false) };
/// The network has to say it by TxParamSetupReq.
const UNKNOWN: DwellTime = DwellTime { uplinks: None, downlinks: None };

const fn in_group_2(band: Band) -> Band {
    let default_rx2 = rx2(2, 921_400_000);
    moved(Band { id: BandId::AS_923_2, default_rx2, ..band }, &CHANNELS_2, &CLASS_B_2, &SUB_BANDS_2)
}

const fn in_group_3(band: Band) -> Band {
    let default_rx2 = rx2(2, 916_600_000);
    moved(Band { id: BandId::AS_923_3, default_rx2, ..band }, &CHANNELS_3, &CLASS_B_3, &SUB_BANDS_3)
}

const fn in_group_4(band: Band) -> Band {
    let default_rx2 = rx2(2, 917_300_000);
    moved(Band { id: BandId::AS_923_4, default_rx2, ..band }, &CHANNELS_4, &CLASS_B_4, &SUB_BANDS_4)
}

/// The same tables around other frequencies.
const fn moved(
    band: Band,
    channels: &'static [BandChannel],
    class_b: &'static [Frequency],
    sub_bands: &'static [SubBand],
) -> Band {
    Band {
        uplink_channels: channels,
        downlink_channels: channels,
        sub_bands,
        beacon: Beacon { frequencies: class_b, ..band.beacon },
        ping_slot_frequencies: class_b,
        ..band
    }
}

const CHANNELS_1: [BandChannel; 2] = [channel(923_200_000, 0, 5), channel(923_400_000, 0, 5)];
const CHANNELS_2: [BandChannel; 2] = [channel(921_400_000, 0, 5), channel(921_600_000, 0, 5)];
const CHANNELS_3: [BandChannel; 2] = [channel(916_600_000, 0, 5), channel(916_800_000, 0, 5)];
const CHANNELS_4: [BandChannel; 2] = [channel(917_300_000, 0, 5), channel(917_500_000, 0, 5)];

const SUB_BANDS_1: [SubBand; 1] = [sub_band(923_000_000, 923_500_000, 0.01, 16.0)];
const SUB_BANDS_2: [SubBand; 1] = [sub_band(921_400_000, 922_000_000, 0.01, 16.0)];
const SUB_BANDS_3: [SubBand; 1] = [sub_band(916_500_000, 917_000_000, 0.01, 16.0)];
const SUB_BANDS_4: [SubBand; 1] = [sub_band(917_300_000, 917_500_000, 0.01, 16.0)];

const CLASS_B_1: [Frequency; 1] = [hz(923_400_000)];
const CLASS_B_2: [Frequency; 1] = [hz(921_600_000)];
const CLASS_B_3: [Frequency; 1] = [hz(916_800_000)];
const CLASS_B_4: [Frequency; 1] = [hz(917_500_000)];

const WOR_1: [RelayWorChannel; 1] = [wor(923_600_000, 923_800_000, 3)];
const WOR_2: [RelayWorChannel; 1] = [wor(921_800_000, 922_000_000, 3)];
const WOR_3: [RelayWorChannel; 1] = [wor(917_000_000, 917_200_000, 3)];
const WOR_4: [RelayWorChannel; 1] = [wor(917_700_000, 917_900_000, 3)];

const DATA_RATES: [Option<BandDataRate>; 16] = {
    let mut rates = LORA_AND_FSK;
    rates[0] = lora_dwell(12, 59, 0);
    rates[1] = lora_dwell(11, 59, 0);
    rates[2] = lora_dwell(10, 59, 19);
    rates[3] = lora_dwell(9, 123, 61);
    rates[4] = lora_dwell(8, 250, 133);
    rates
};

const DATA_RATES_RP002: [Option<BandDataRate>; 16] = {
    let mut rates = DATA_RATES;
    rates[2] = lora_dwell(10, 123, 19);
    rates
};

static RX1_UP_TO_5: Rx1Table = rx1_eight_offsets(0, 5);
static RX1_UP_TO_5_DWELL: Rx1Table = rx1_eight_offsets(2, 5);
static RX1_UP_TO_7: Rx1Table = rx1_eight_offsets(0, 7);
static RX1_UP_TO_7_DWELL: Rx1Table = rx1_eight_offsets(2, 7);

//! US902-928.

use ttn_core::{
    radio::{CodingRate, Frequency},
    version::PhyVersion,
};

use super::{
    Band, BandChannel, BandDataRate, BandId, Beacon, ChMaskScheme, DwellTime, RelayWorChannel,
    Rx1DataRates, Rx1Table, SubBand,
    base::{
        Rx1Rule, at, chain, channels, dr, dynamic, fixed, frequencies, lora, lora_repeater,
        lr_fhss, relay, rx2, same_row, sub_band, tx_offsets, wor,
    },
};

/// US902-928 in every version.
pub(super) static BANDS: [Band; 12] = [
    TS001,
    at(PhyVersion::TS001_V1_0_1, TS001),
    RP001,
    RP001_REV_B,
    RP001_1_0_3,
    RP001_1_1,
    at(PhyVersion::RP001_V1_1_REV_B, RP001_1_1),
    at(PhyVersion::RP002_V1_0_0, RP001_1_1),
    at(PhyVersion::RP002_V1_0_1, RP001_1_1),
    RP002_LR_FHSS,
    at(PhyVersion::RP002_V1_0_3, RP002_LR_FHSS),
    at(PhyVersion::RP002_V1_0_4, relay(RP002_LR_FHSS, &RELAY_WOR_CHANNELS)),
];

const TS001: Band = Band {
    data_rates: DATA_RATES,
    implements_cf_list: false,
    tx_offsets: tx_offsets(11),
    max_adr_data_rate: dr(3),
    default_max_eirp: 30.0,
    rx1_data_rates: Rx1DataRates { no_dwell: &RX1, dwell: &RX1 },
    boot_dwell_time: DwellTime { uplinks: Some(true), downlinks: Some(false) },
    ..fixed(
        dynamic(BandId::US_902_928, &[], rx2(8, 923_300_000), &CLASS_B, &SUB_BANDS),
        &UPLINK_CHANNELS,
        &DOWNLINK_CHANNELS,
        ChMaskScheme::Channels72 { uses_cntl5: false, atomic: false },
    )
};

const RP001: Band = Band {
    strict_coding_rate: true,
    ch_mask: ChMaskScheme::Channels72 { uses_cntl5: false, atomic: true },
    ..at(PhyVersion::RP001_V1_0_2, TS001)
};

const RP001_REV_B: Band = Band {
    beacon: Beacon { data_rate: dr(8), ..RP001.beacon },
    ..at(PhyVersion::RP001_V1_0_2_REV_B, RP001)
};

const RP001_1_1: Band = Band {
    implements_cf_list: true,
    tx_offsets: tx_offsets(15),
    ch_mask: ChMaskScheme::Channels72 { uses_cntl5: true, atomic: true },
    ..at(PhyVersion::RP001_V1_1_REV_A, RP001_REV_B)
};

/// Index 15 is a power as well.
const RP001_1_0_3: Band =
    Band { tx_offsets: tx_offsets(16), ..at(PhyVersion::RP001_V1_0_3_REV_A, RP001_1_1) };

const RP002_LR_FHSS: Band = Band {
    uplink_channels: &UPLINK_CHANNELS_LR_FHSS,
    data_rates: DATA_RATES_LR_FHSS,
    rx1_data_rates: Rx1DataRates { no_dwell: &RX1_LR_FHSS, dwell: &RX1_LR_FHSS },
    ..at(PhyVersion::RP002_V1_0_2, RP001_1_1)
};

const UPLINK_CHANNELS: [BandChannel; 72] = chain::<64, 8, 72>(
    channels(902_300_000, 200_000, 0, 3),
    channels(903_000_000, 1_600_000, 4, 4),
);

const UPLINK_CHANNELS_LR_FHSS: [BandChannel; 72] = chain::<64, 8, 72>(
    channels(902_300_000, 200_000, 0, 3),
    channels(903_000_000, 1_600_000, 4, 6),
);

const DOWNLINK_CHANNELS: [BandChannel; 8] = channels(923_300_000, 600_000, 8, 13);

const CLASS_B: [Frequency; 8] = frequencies(923_300_000, 600_000);

const SUB_BANDS: [SubBand; 2] = [
    sub_band(902_300_000, 914_900_000, 1.0, 23.15),
    sub_band(923_300_000, 927_500_000, 1.0, 28.15),
];

const DATA_RATES: [Option<BandDataRate>; 16] = {
    let mut rates = DOWNLINK_DATA_RATES;
    rates[0] = lora(10, 125_000, 19);
    rates[1] = lora(9, 125_000, 61);
    rates[2] = lora(8, 125_000, 133);
    rates[3] = lora(7, 125_000, 250);
    rates[4] = lora(8, 500_000, 250);
    rates
};

/// DR8 to DR13, which AU915-928 has too.
pub(super) const DOWNLINK_DATA_RATES: [Option<BandDataRate>; 16] = {
    let mut rates = [None; 16];
    rates[8] = lora_repeater(12, 500_000, 61, 41);
    rates[9] = lora_repeater(11, 500_000, 137, 117);
    rates[10] = lora(10, 500_000, 250);
    rates[11] = lora(9, 500_000, 250);
    rates[12] = lora(8, 500_000, 250);
    rates[13] = lora(7, 500_000, 250);
    rates
};

const DATA_RATES_LR_FHSS: [Option<BandDataRate>; 16] = {
    let mut rates = DATA_RATES;
    rates[5] = lr_fhss(1_523_000, CodingRate::R1_3, 58);
    rates[6] = lr_fhss(1_523_000, CodingRate::R2_3, 133);
    rates[8] = lora(12, 500_000, 61);
    rates[9] = lora(11, 500_000, 137);
    rates
};

pub(super) static RX1: Rx1Table = RX1_RULE;

static RX1_LR_FHSS: Rx1Table = same_row(same_row(RX1_RULE, 5, 0), 6, 1);

const RX1_RULE: Rx1Table =
    Rx1Rule { rows: 5, offsets: [0, 1, 2, 3], shift: 10, min: 8, max: 13 }.table();

pub(super) const RELAY_WOR_CHANNELS: [RelayWorChannel; 2] =
    [wor(916_700_000, 918_300_000, 10), wor(919_900_000, 921_500_000, 10)];

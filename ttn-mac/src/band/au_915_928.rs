//! AU915-928.

use ttn_core::{
    radio::{CodingRate, Frequency},
    version::PhyVersion,
};

use super::{
    Band, BandChannel, BandDataRate, BandId, Beacon, ChMaskScheme, DwellTime, Rx1DataRates,
    Rx1Table, SubBand,
    base::{
        Rx1Rule, at, chain, channels, dr, dynamic, fixed, frequencies, lora, lora_dwell, lr_fhss,
        relay, rx2, same_row, sub_band, tx_offsets,
    },
    us_902_928::{DOWNLINK_DATA_RATES, RELAY_WOR_CHANNELS, RX1},
};

/// AU915-928 in every version.
pub(super) static BANDS: [Band; 11] = [
    TS001,
    RP001,
    RP001_REV_B,
    RP001_1_0_3,
    RP001_1_1,
    RP001_1_1_REV_B,
    RP002,
    at(PhyVersion::RP002_V1_0_1, RP002),
    RP002_LR_FHSS,
    at(PhyVersion::RP002_V1_0_3, RP002_LR_FHSS),
    at(PhyVersion::RP002_V1_0_4, relay(RP002_LR_FHSS, &RELAY_WOR_CHANNELS)),
];

const TS001: Band = Band {
    phy_version: PhyVersion::TS001_V1_0_1,
    data_rates: DATA_RATES_5,
    strict_coding_rate: true,
    implements_cf_list: false,
    tx_offsets: tx_offsets(11),
    max_adr_data_rate: dr(3),
    default_max_eirp: 30.0,
    rx1_data_rates: Rx1DataRates { no_dwell: &RX1, dwell: &RX1 },
    beacon: Beacon { data_rate: dr(10), coding_rate: CodingRate::R4_5, frequencies: &CLASS_B },
    ..fixed(
        dynamic(BandId::AU_915_928, &[], rx2(8, 923_300_000), &CLASS_B, &SUB_BANDS),
        &UPLINK_CHANNELS_5,
        &DOWNLINK_CHANNELS,
        ChMaskScheme::Channels72 { uses_cntl5: false, atomic: false },
    )
};

const RP001: Band = Band {
    ch_mask: ChMaskScheme::Channels72 { uses_cntl5: false, atomic: true },
    ..at(PhyVersion::RP001_V1_0_2, TS001)
};

/// Seven uplink data rates instead of five.
const RP001_REV_B: Band = Band {
    uplink_channels: &UPLINK_CHANNELS,
    data_rates: DATA_RATES,
    max_adr_data_rate: dr(5),
    rx1_data_rates: Rx1DataRates { no_dwell: &RX1_7, dwell: &RX1_7 },
    ..at(PhyVersion::RP001_V1_0_2_REV_B, RP001)
};

const RP001_1_1: Band = Band {
    implements_cf_list: true,
    boot_dwell_time: DwellTime { uplinks: Some(true), downlinks: Some(false) },
    ch_mask: ChMaskScheme::Channels72 { uses_cntl5: true, atomic: true },
    ..at(PhyVersion::RP001_V1_1_REV_A, RP001_REV_B)
};

/// Later than RP001 1.1 A: TxParamSetupReq is defined, and index 15 is a power as well.
const RP001_1_0_3: Band = Band {
    tx_offsets: tx_offsets(16),
    supports_tx_param_setup: true,
    ..at(PhyVersion::RP001_V1_0_3_REV_A, RP001_1_1)
};

const RP001_1_1_REV_B: Band = Band {
    tx_offsets: tx_offsets(15),
    supports_tx_param_setup: true,
    beacon: Beacon { data_rate: dr(8), ..RP001_1_1.beacon },
    ..at(PhyVersion::RP001_V1_1_REV_B, RP001_1_1)
};

const RP002: Band =
    Band { data_rates: DATA_RATES_DWELL, ..at(PhyVersion::RP002_V1_0_0, RP001_1_1_REV_B) };

const RP002_LR_FHSS: Band = Band {
    uplink_channels: &UPLINK_CHANNELS_LR_FHSS,
    data_rates: DATA_RATES_LR_FHSS,
    rx1_data_rates: Rx1DataRates { no_dwell: &RX1_LR_FHSS, dwell: &RX1_LR_FHSS },
    ..at(PhyVersion::RP002_V1_0_2, RP002)
};

const UPLINK_CHANNELS_5: [BandChannel; 72] = chain::<64, 8, 72>(
    channels(915_200_000, 200_000, 0, 3),
    channels(915_900_000, 1_600_000, 4, 4),
);

const UPLINK_CHANNELS: [BandChannel; 72] = chain::<64, 8, 72>(
    channels(915_200_000, 200_000, 0, 5),
    channels(915_900_000, 1_600_000, 6, 6),
);

const UPLINK_CHANNELS_LR_FHSS: [BandChannel; 72] = chain::<64, 8, 72>(
    channels(915_200_000, 200_000, 0, 5),
    channels(915_900_000, 1_600_000, 6, 7),
);

const DOWNLINK_CHANNELS: [BandChannel; 8] = channels(923_300_000, 600_000, 8, 13);

const CLASS_B: [Frequency; 8] = frequencies(923_300_000, 600_000);

const SUB_BANDS: [SubBand; 1] = [sub_band(915_000_000, 928_000_000, 1.0, 30.0)];

const DATA_RATES_5: [Option<BandDataRate>; 16] = {
    let mut rates = DOWNLINK_DATA_RATES;
    rates[0] = lora(10, 125_000, 59);
    rates[1] = lora(9, 125_000, 123);
    rates[2] = lora(8, 125_000, 250);
    rates[3] = lora(7, 125_000, 250);
    rates[4] = lora(8, 500_000, 250);
    rates
};

const DATA_RATES: [Option<BandDataRate>; 16] = {
    let mut rates = DOWNLINK_DATA_RATES;
    rates[0] = lora(12, 125_000, 59);
    rates[1] = lora(11, 125_000, 59);
    rates[2] = lora(10, 125_000, 59);
    rates[3] = lora(9, 125_000, 123);
    rates[4] = lora(8, 125_000, 250);
    rates[5] = lora(7, 125_000, 250);
    rates[6] = lora(8, 500_000, 250);
    rates
};

const DATA_RATES_DWELL: [Option<BandDataRate>; 16] = {
    let mut rates = DATA_RATES;
    rates[0] = lora_dwell(12, 59, 0);
    rates[1] = lora_dwell(11, 59, 0);
    rates[2] = lora_dwell(10, 59, 19);
    rates[3] = lora_dwell(9, 123, 61);
    rates[4] = lora_dwell(8, 250, 133);
    rates
};

const DATA_RATES_LR_FHSS: [Option<BandDataRate>; 16] = {
    let mut rates = DATA_RATES_DWELL;
    rates[7] = lr_fhss(1_523_000, CodingRate::R1_3, 58);
    rates[8] = lora(12, 500_000, 61);
    rates[9] = lora(11, 500_000, 137);
    rates
};

static RX1_7: Rx1Table = RX1_RULE;

static RX1_LR_FHSS: Rx1Table = same_row(RX1_RULE, 7, 1);

const RX1_RULE: Rx1Table =
    Rx1Rule { rows: 7, offsets: [0, 1, 2, 3, 4, 5], shift: 8, min: 8, max: 13 }.table();

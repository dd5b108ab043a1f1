//! EU863-870.

use core::time::Duration;

use ttn_core::{
    radio::{CodingRate, DataRate, Frequency},
    version::PhyVersion,
};

use crate::frame::FrequencyStep;

use super::{
    Band, BandChannel, BandDataRate, BandId, Beacon, CfListType, ChMaskScheme, DwellTime, NA,
    NO_ROW, RelayWorChannel, Rx1Channel, Rx1DataRates, Rx1Table, Rx2, SubBand, channel, dr, hz,
    lora, lr_fhss, rate, sub_band,
};

/// EU863-870 in every version.
pub(super) static BANDS: [Band; 12] = [
    TS001,
    Band { phy_version: PhyVersion::TS001_V1_0_1, ..TS001 },
    Band { phy_version: PhyVersion::RP001_V1_0_2, ..TS001 },
    RP001,
    Band { phy_version: PhyVersion::RP001_V1_0_3_REV_A, ..RP001 },
    Band { phy_version: PhyVersion::RP001_V1_1_REV_A, ..RP001 },
    Band { phy_version: PhyVersion::RP001_V1_1_REV_B, ..RP001 },
    RP002,
    Band { phy_version: PhyVersion::RP002_V1_0_1, ..RP002 },
    RP002_LR_FHSS,
    Band { phy_version: PhyVersion::RP002_V1_0_3, ..RP002_LR_FHSS },
    RP002_RELAY,
];

const TS001: Band = Band {
    id: BandId::EU_863_870,
    phy_version: PhyVersion::TS001_V1_0,
    uplink_channels_max: 16,
    uplink_channels: &CHANNELS,
    downlink_channels_max: 16,
    downlink_channels: &CHANNELS,
    sub_bands: &SUB_BANDS,
    data_rates: DATA_RATES,
    strict_coding_rate: false,
    frequency_step: FrequencyStep::Hz100,
    implements_cf_list: true,
    cf_list_type: CfListType::Frequencies,
    supports_dynamic_adr: true,
    tx_offsets: &[0, -2, -4, -6, -8, -10],
    max_adr_data_rate: dr(5),
    supports_tx_param_setup: false,
    default_max_eirp: 16.0,
    rx1_channel: Rx1Channel::Identity,
    rx1_data_rates: Rx1DataRates { no_dwell: &RX1, dwell: &RX1 },
    default_rx2: Rx2 { data_rate: dr(0), frequency: hz(869_525_000) },
    boot_dwell_time: DwellTime { uplinks: None, downlinks: None },
    ch_mask: ChMaskScheme::Channels16,
    beacon: Beacon {
        data_rate: dr(3),
        coding_rate: CodingRate::R4_5,
        frequencies: &CLASS_B_FREQUENCIES,
    },
    ping_slot_frequencies: &CLASS_B_FREQUENCIES,
    relay_wor_channels: &[],
    receive_delay_1: Duration::from_secs(1),
    receive_delay_2: Duration::from_secs(2),
    join_accept_delay_1: Duration::from_secs(5),
    join_accept_delay_2: Duration::from_secs(6),
    max_f_cnt_gap: 16384,
    adr_ack_limit: 64,
    adr_ack_delay: 32,
    retransmit_timeout_min: Duration::from_secs(1),
    retransmit_timeout_max: Duration::from_secs(3),
    relay_forward_delay: Duration::ZERO,
    relay_receive_delay: Duration::ZERO,
    served_relay_backoff: 0,
};

const RP001: Band = Band {
    phy_version: PhyVersion::RP001_V1_0_2_REV_B,
    tx_offsets: &[0, -2, -4, -6, -8, -10, -12, -14],
    ..TS001
};

const RP002: Band =
    Band { phy_version: PhyVersion::RP002_V1_0_0, strict_coding_rate: true, ..RP001 };

const RP002_LR_FHSS: Band = Band {
    phy_version: PhyVersion::RP002_V1_0_2,
    data_rates: DATA_RATES_LR_FHSS,
    rx1_data_rates: Rx1DataRates { no_dwell: &RX1_LR_FHSS, dwell: &RX1_LR_FHSS },
    ..RP002
};

const RP002_RELAY: Band = Band {
    phy_version: PhyVersion::RP002_V1_0_4,
    relay_wor_channels: &RELAY_WOR_CHANNELS,
    relay_forward_delay: Duration::from_millis(50),
    relay_receive_delay: Duration::from_secs(18),
    served_relay_backoff: 8,
    ..RP002_LR_FHSS
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

const CLASS_B_FREQUENCIES: [Frequency; 1] = [hz(869_525_000)];

const DATA_RATES: [Option<BandDataRate>; 16] = [
    lora(12, 125_000, 59),
    lora(11, 125_000, 59),
    lora(10, 125_000, 59),
    lora(9, 125_000, 123),
    lora(8, 125_000, 250),
    lora(7, 125_000, 250),
    lora(7, 250_000, 250),
    rate(DataRate::Fsk { bit_rate: 50_000 }, 250),
    None,
    None,
    None,
    None,
    None,
    None,
    None,
    None,
];

const DATA_RATES_LR_FHSS: [Option<BandDataRate>; 16] = {
    let mut rates = DATA_RATES;
    rates[8] = lr_fhss(137_000, CodingRate::R1_3, 58);
    rates[9] = lr_fhss(137_000, CodingRate::R2_3, 123);
    rates[10] = lr_fhss(336_000, CodingRate::R1_3, 58);
    rates[11] = lr_fhss(336_000, CodingRate::R2_3, 123);
    rates
};

static RX1: Rx1Table = RX1_BASE;
static RX1_LR_FHSS: Rx1Table = {
    let mut table = RX1_BASE;
    table[8] = [1, 0, 0, 0, 0, 0, NA, NA];
    table[9] = [2, 1, 0, 0, 0, 0, NA, NA];
    table[10] = [1, 0, 0, 0, 0, 0, NA, NA];
    table[11] = [2, 1, 0, 0, 0, 0, NA, NA];
    table
};

const RX1_BASE: Rx1Table = [
    [0, 0, 0, 0, 0, 0, NA, NA],
    [1, 0, 0, 0, 0, 0, NA, NA],
    [2, 1, 0, 0, 0, 0, NA, NA],
    [3, 2, 1, 0, 0, 0, NA, NA],
    [4, 3, 2, 1, 0, 0, NA, NA],
    [5, 4, 3, 2, 1, 0, NA, NA],
    [6, 5, 4, 3, 2, 1, NA, NA],
    [7, 6, 5, 4, 3, 2, NA, NA],
    NO_ROW,
    NO_ROW,
    NO_ROW,
    NO_ROW,
    NO_ROW,
    NO_ROW,
    NO_ROW,
    NO_ROW,
];

const RELAY_WOR_CHANNELS: [RelayWorChannel; 2] = [
    RelayWorChannel {
        frequency: hz(865_100_000),
        ack_frequency: hz(865_300_000),
        data_rate: dr(3),
    },
    RelayWorChannel {
        frequency: hz(865_500_000),
        ack_frequency: hz(865_900_000),
        data_rate: dr(3),
    },
];

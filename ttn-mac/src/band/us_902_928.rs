//! US902-928.
#![cfg_attr(
    not(test),
    expect(
        clippy::arithmetic_side_effects,
        clippy::indexing_slicing,
        reason = "constants: the compiler would refuse them"
    )
)]

use core::time::Duration;

use ttn_core::{
    radio::{CodingRate, Frequency},
    version::PhyVersion,
};

use crate::frame::FrequencyStep;

use super::{
    Band, BandChannel, BandDataRate, BandId, Beacon, CfListType, ChMaskScheme, DwellTime, NA,
    NO_ROW, RelayWorChannel, Rx1Channel, Rx1DataRates, Rx1Table, Rx2, SubBand, channel, dr, hz,
    lora, lr_fhss, sub_band,
};

/// The versions that define US902-928.
pub(super) const VERSIONS: [PhyVersion; 11] = [
    PhyVersion::TS001_V1_0,
    PhyVersion::TS001_V1_0_1,
    PhyVersion::RP001_V1_0_2,
    PhyVersion::RP001_V1_0_2_REV_B,
    PhyVersion::RP001_V1_1_REV_A,
    PhyVersion::RP001_V1_1_REV_B,
    PhyVersion::RP002_V1_0_0,
    PhyVersion::RP002_V1_0_1,
    PhyVersion::RP002_V1_0_2,
    PhyVersion::RP002_V1_0_3,
    PhyVersion::RP002_V1_0_4,
];

/// US902-928 in every version.
pub(super) static BANDS: [Band; 11] = [
    TS001,
    Band { phy_version: PhyVersion::TS001_V1_0_1, ..TS001 },
    RP001,
    RP001_REV_B,
    RP001_1_1,
    Band { phy_version: PhyVersion::RP001_V1_1_REV_B, ..RP001_1_1 },
    Band { phy_version: PhyVersion::RP002_V1_0_0, ..RP001_1_1 },
    Band { phy_version: PhyVersion::RP002_V1_0_1, ..RP001_1_1 },
    RP002_LR_FHSS,
    Band { phy_version: PhyVersion::RP002_V1_0_3, ..RP002_LR_FHSS },
    RP002_RELAY,
];

const TS001: Band = Band {
    id: BandId::US_902_928,
    phy_version: PhyVersion::TS001_V1_0,
    uplink_channels_max: 72,
    uplink_channels: &UPLINK_CHANNELS,
    downlink_channels_max: 8,
    downlink_channels: &DOWNLINK_CHANNELS,
    sub_bands: &SUB_BANDS,
    data_rates: DATA_RATES,
    strict_coding_rate: false,
    frequency_step: FrequencyStep::Hz100,
    implements_cf_list: false,
    cf_list_type: CfListType::ChannelMasks,
    supports_dynamic_adr: true,
    tx_offsets: &[0, -2, -4, -6, -8, -10, -12, -14, -16, -18, -20],
    max_adr_data_rate: dr(3),
    supports_tx_param_setup: false,
    default_max_eirp: 30.0,
    rx1_channel: Rx1Channel::Modulo(8),
    rx1_data_rates: Rx1DataRates { no_dwell: &RX1, dwell: &RX1 },
    default_rx2: Rx2 { data_rate: dr(8), frequency: hz(923_300_000) },
    boot_dwell_time: DwellTime { uplinks: Some(true), downlinks: Some(false) },
    ch_mask: ChMaskScheme::Channels72 { uses_cntl5: false, atomic: false },
    beacon: BEACON_DR3,
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
    phy_version: PhyVersion::RP001_V1_0_2,
    strict_coding_rate: true,
    ch_mask: ChMaskScheme::Channels72 { uses_cntl5: false, atomic: true },
    ..TS001
};

const RP001_REV_B: Band = Band {
    phy_version: PhyVersion::RP001_V1_0_2_REV_B,
    beacon: Beacon { data_rate: dr(8), ..BEACON_DR3 },
    ..RP001
};

const RP001_1_1: Band = Band {
    phy_version: PhyVersion::RP001_V1_1_REV_A,
    implements_cf_list: true,
    tx_offsets: &[0, -2, -4, -6, -8, -10, -12, -14, -16, -18, -20, -22, -24, -26, -28],
    ch_mask: ChMaskScheme::Channels72 { uses_cntl5: true, atomic: true },
    ..RP001_REV_B
};

const RP002_LR_FHSS: Band = Band {
    phy_version: PhyVersion::RP002_V1_0_2,
    uplink_channels: &UPLINK_CHANNELS_LR_FHSS,
    data_rates: DATA_RATES_LR_FHSS,
    rx1_data_rates: Rx1DataRates { no_dwell: &RX1_LR_FHSS, dwell: &RX1_LR_FHSS },
    ..RP001_1_1
};

const RP002_RELAY: Band = Band {
    phy_version: PhyVersion::RP002_V1_0_4,
    relay_wor_channels: &RELAY_WOR_CHANNELS,
    relay_forward_delay: Duration::from_millis(50),
    relay_receive_delay: Duration::from_secs(18),
    served_relay_backoff: 8,
    ..RP002_LR_FHSS
};

const UPLINK_CHANNELS: [BandChannel; 72] = uplink_channels(4);
const UPLINK_CHANNELS_LR_FHSS: [BandChannel; 72] = uplink_channels(6);

/// 64 channels of 125 kHz, then 8 of 500 kHz up to this data rate.
const fn uplink_channels(max_wide: u8) -> [BandChannel; 72] {
    let mut channels = [channel(0, 0, 0); 72];
    let mut index = 0;
    while index < 64 {
        channels[index] = channel(902_300_000 + 200_000 * index as u64, 0, 3);
        index += 1;
    }
    while index < 72 {
        channels[index] = channel(903_000_000 + 1_600_000 * (index as u64 - 64), 4, max_wide);
        index += 1;
    }
    channels
}

const DOWNLINK_CHANNELS: [BandChannel; 8] = [
    channel(923_300_000, 8, 13),
    channel(923_900_000, 8, 13),
    channel(924_500_000, 8, 13),
    channel(925_100_000, 8, 13),
    channel(925_700_000, 8, 13),
    channel(926_300_000, 8, 13),
    channel(926_900_000, 8, 13),
    channel(927_500_000, 8, 13),
];

const CLASS_B_FREQUENCIES: [Frequency; 8] = [
    hz(923_300_000),
    hz(923_900_000),
    hz(924_500_000),
    hz(925_100_000),
    hz(925_700_000),
    hz(926_300_000),
    hz(926_900_000),
    hz(927_500_000),
];

const BEACON_DR3: Beacon =
    Beacon { data_rate: dr(3), coding_rate: CodingRate::R4_5, frequencies: &CLASS_B_FREQUENCIES };

const SUB_BANDS: [SubBand; 2] = [
    sub_band(902_300_000, 914_900_000, 1.0, 23.15),
    sub_band(923_300_000, 927_500_000, 1.0, 28.15),
];

const DATA_RATES: [Option<BandDataRate>; 16] = [
    lora(10, 125_000, 19),
    lora(9, 125_000, 61),
    lora(8, 125_000, 133),
    lora(7, 125_000, 250),
    lora(8, 500_000, 250),
    None,
    None,
    None,
    lora(12, 500_000, 61),
    lora(11, 500_000, 137),
    lora(10, 500_000, 250),
    lora(9, 500_000, 250),
    lora(8, 500_000, 250),
    lora(7, 500_000, 250),
    None,
    None,
];

const DATA_RATES_LR_FHSS: [Option<BandDataRate>; 16] = {
    let mut rates = DATA_RATES;
    rates[5] = lr_fhss(1_523_000, CodingRate::R1_3, 58);
    rates[6] = lr_fhss(1_523_000, CodingRate::R2_3, 133);
    rates
};

static RX1: Rx1Table = RX1_BASE;
static RX1_LR_FHSS: Rx1Table = {
    let mut table = RX1_BASE;
    table[5] = [10, 9, 8, 8, NA, NA, NA, NA];
    table[6] = [11, 10, 9, 8, NA, NA, NA, NA];
    table
};

const RX1_BASE: Rx1Table = {
    let mut table = [NO_ROW; 16];
    table[0] = [10, 9, 8, 8, NA, NA, NA, NA];
    table[1] = [11, 10, 9, 8, NA, NA, NA, NA];
    table[2] = [12, 11, 10, 9, NA, NA, NA, NA];
    table[3] = [13, 12, 11, 10, NA, NA, NA, NA];
    table[4] = [13, 13, 12, 11, NA, NA, NA, NA];
    table
};

const RELAY_WOR_CHANNELS: [RelayWorChannel; 2] = [
    RelayWorChannel {
        frequency: hz(916_700_000),
        ack_frequency: hz(918_300_000),
        data_rate: dr(10),
    },
    RelayWorChannel {
        frequency: hz(919_900_000),
        ack_frequency: hz(921_500_000),
        data_rate: dr(10),
    },
];

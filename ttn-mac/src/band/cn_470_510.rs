//! CN470-510: one plan of 96 channels before RP002, four plans by antenna from RP002 on.

use ttn_core::{
    radio::{CodingRate, Frequency},
    version::PhyVersion,
};

use super::{
    Band, BandChannel, BandDataRate, BandId, Beacon, ChMaskScheme, RelayWorChannel, Rx1Channel,
    Rx1DataRates, Rx1Table, SubBand,
    base::{
        FSK_50, LORA_125, at, chain, channels, dr, dynamic, fixed, frequencies, hz, lora, relay,
        rx1_six_offsets, rx2, sub_band, tx_offsets, wor,
    },
};

/// The old plan in every version.
pub(super) static BANDS: [Band; 6] = [
    TS001,
    at(PhyVersion::RP001_V1_0_2, TS001),
    RP001,
    RP001_1_0_3,
    at(PhyVersion::RP001_V1_1_REV_A, RP001_1_0_3),
    at(PhyVersion::RP001_V1_1_REV_B, RP001_1_0_3),
];

/// 20 MHz antenna, type A, in every version.
pub(super) static TYPE_20_A: [Band; 5] = from_dr1(
    RP002_20_A,
    fixed(RP002_20_A, &UPLINK_20_A_DR1, &DOWNLINK_20_A_DR1, ChMaskScheme::Channels64),
    Rx1Channel::Identity,
);

/// 20 MHz antenna, type B, in every version.
pub(super) static TYPE_20_B: [Band; 5] = from_dr1(
    RP002_20_B,
    fixed(RP002_20_B, &CHANNELS_20_B_DR1, &CHANNELS_20_B_DR1, ChMaskScheme::Channels64),
    Rx1Channel::Identity,
);

/// 26 MHz antenna, type A, in every version.
pub(super) static TYPE_26_A: [Band; 5] = from_dr1(
    RP002_26_A,
    fixed(RP002_26_A, &UPLINK_26_A_DR1, &DOWNLINK_26_A_DR1, ChMaskScheme::Channels48),
    Rx1Channel::Modulo(24),
);

/// 26 MHz antenna, type B, in every version.
pub(super) static TYPE_26_B: [Band; 5] = from_dr1(
    RP002_26_B,
    fixed(RP002_26_B, &UPLINK_26_B_DR1, &DOWNLINK_26_B_DR1, ChMaskScheme::Channels48),
    Rx1Channel::Modulo(24),
);

const TS001: Band = Band {
    phy_version: PhyVersion::TS001_V1_0_1,
    data_rates: LORA_125,
    strict_coding_rate: true,
    implements_cf_list: false,
    tx_offsets: &[0, -1, -3, -5, -7, -10, -12, -15],
    default_max_eirp: 17.0,
    rx1_data_rates: Rx1DataRates { no_dwell: &RX1, dwell: &RX1 },
    beacon: Beacon { data_rate: dr(2), coding_rate: CodingRate::R4_5, frequencies: &CLASS_B },
    ..fixed(
        dynamic(BandId::CN_470_510, &[], rx2(0, 505_300_000), &CLASS_B, &SUB_BANDS),
        &UPLINK_CHANNELS,
        &DOWNLINK_CHANNELS,
        ChMaskScheme::Channels96,
    )
};

const RP001: Band = Band {
    tx_offsets: tx_offsets(8),
    default_max_eirp: 19.15,
    ..at(PhyVersion::RP001_V1_0_2_REV_B, TS001)
};

const RP001_1_0_3: Band =
    Band { implements_cf_list: true, ..at(PhyVersion::RP001_V1_0_3_REV_A, RP001) };

const RP002_20_A: Band = Band {
    id: BandId::CN_470_510_20_A,
    default_rx2: rx2(0, 486_900_000),
    rx1_channel: Rx1Channel::Identity,
    ..antenna(&[], fixed(RP001_1_0_3, &UPLINK_20_A, &DOWNLINK_20_A, ChMaskScheme::Channels64))
};

const RP002_20_B: Band = Band {
    id: BandId::CN_470_510_20_B,
    default_rx2: rx2(0, 498_300_000),
    rx1_channel: Rx1Channel::Identity,
    ..antenna(&[], fixed(RP001_1_0_3, &CHANNELS_20_B, &CHANNELS_20_B, ChMaskScheme::Channels64))
};

const RP002_26_A: Band = Band {
    id: BandId::CN_470_510_26_A,
    default_rx2: rx2(0, 492_500_000),
    ..antenna(
        &CLASS_B_26_A,
        fixed(RP001_1_0_3, &UPLINK_26_A, &DOWNLINK_26_A, ChMaskScheme::Channels48),
    )
};

const RP002_26_B: Band = Band {
    id: BandId::CN_470_510_26_B,
    default_rx2: rx2(0, 502_500_000),
    ..antenna(
        &CLASS_B_26_B,
        fixed(RP001_1_0_3, &UPLINK_26_B, &DOWNLINK_26_B, ChMaskScheme::Channels48),
    )
};

const fn antenna(class_b: &'static [Frequency], band: Band) -> Band {
    Band {
        beacon: Beacon { frequencies: class_b, ..band.beacon },
        ping_slot_frequencies: class_b,
        ..at(PhyVersion::RP002_V1_0_0, band)
    }
}

/// RP002 1.0.1 takes DR0 away and adds DR6 and DR7; 1.0.4 adds the relay.
const fn from_dr1(first: Band, channels: Band, rx1_channel: Rx1Channel) -> [Band; 5] {
    let second = Band { data_rates: DATA_RATES_RP002, rx1_channel, ..channels };
    [
        first,
        at(PhyVersion::RP002_V1_0_1, second),
        at(PhyVersion::RP002_V1_0_2, second),
        at(PhyVersion::RP002_V1_0_3, second),
        at(PhyVersion::RP002_V1_0_4, relay(second, &RELAY_WOR_CHANNELS)),
    ]
}

const UPLINK_CHANNELS: [BandChannel; 96] = channels(470_300_000, 200_000, 0, 5);
const DOWNLINK_CHANNELS: [BandChannel; 48] = channels(500_300_000, 200_000, 0, 5);

const UPLINK_20_A: [BandChannel; 64] = uplink_20_a(0);
const UPLINK_20_A_DR1: [BandChannel; 64] = uplink_20_a(1);
const DOWNLINK_20_A: [BandChannel; 64] = channels(483_900_000, 200_000, 0, 5);
const DOWNLINK_20_A_DR1: [BandChannel; 64] = channels(483_900_000, 200_000, 1, 5);

const CHANNELS_20_B: [BandChannel; 64] = channels_20_b(0);
const CHANNELS_20_B_DR1: [BandChannel; 64] = channels_20_b(1);

const UPLINK_26_A: [BandChannel; 48] = channels(470_300_000, 200_000, 0, 5);
const UPLINK_26_A_DR1: [BandChannel; 48] = channels(470_300_000, 200_000, 1, 5);
const DOWNLINK_26_A: [BandChannel; 24] = channels(490_100_000, 200_000, 0, 5);
const DOWNLINK_26_A_DR1: [BandChannel; 24] = channels(490_100_000, 200_000, 1, 5);

const UPLINK_26_B: [BandChannel; 48] = channels(480_300_000, 200_000, 0, 5);
const UPLINK_26_B_DR1: [BandChannel; 48] = channels(480_300_000, 200_000, 1, 5);
const DOWNLINK_26_B: [BandChannel; 24] = channels(500_100_000, 200_000, 0, 5);
const DOWNLINK_26_B_DR1: [BandChannel; 24] = channels(500_100_000, 200_000, 1, 5);

const fn uplink_20_a(min: u8) -> [BandChannel; 64] {
    chain::<32, 32, 64>(
        channels(470_300_000, 200_000, min, 5),
        channels(503_500_000, 200_000, min, 5),
    )
}

const fn channels_20_b(min: u8) -> [BandChannel; 64] {
    chain::<32, 32, 64>(
        channels(476_900_000, 200_000, min, 5),
        channels(496_900_000, 200_000, min, 5),
    )
}

const SUB_BANDS: [SubBand; 1] = [sub_band(470_000_000, 510_000_000, 1.0, 19.15)];

const CLASS_B: [Frequency; 8] = frequencies(508_300_000, 200_000);
const CLASS_B_26_A: [Frequency; 1] = [hz(494_900_000)];
const CLASS_B_26_B: [Frequency; 1] = [hz(504_900_000)];

const RELAY_WOR_CHANNELS: [RelayWorChannel; 2] =
    [wor(472_100_000, 485_300_000, 3), wor(494_900_000, 505_500_000, 3)];

const DATA_RATES_RP002: [Option<BandDataRate>; 16] = {
    let mut rates = LORA_125;
    rates[0] = None;
    rates[1] = lora(11, 125_000, 31);
    rates[2] = lora(10, 125_000, 94);
    rates[3] = lora(9, 125_000, 172);
    rates[6] = lora(7, 500_000, 250);
    rates[7] = FSK_50;
    rates
};

/// RX1 of the regions with data rates 0 to 5.
pub(super) static RX1: Rx1Table = rx1_six_offsets(6);

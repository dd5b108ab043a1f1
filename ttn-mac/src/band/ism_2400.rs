//! 2.4 GHz, the same in every version.
#![cfg_attr(
    not(test),
    expect(clippy::indexing_slicing, reason = "constants: the compiler would refuse them")
)]

use ttn_core::{
    radio::{CodingRate, DataRate, Frequency},
    version::PhyVersion,
};

use super::{
    Band, BandChannel, BandDataRate, BandId, Beacon, SubBand,
    base::{at, channel, dr, dynamic, hz, rate, relay, rx2, sub_band},
};
use crate::frame::FrequencyStep;

/// 2.4 GHz in every version.
pub(super) static BANDS: [Band; 12] = [
    BAND,
    at(PhyVersion::TS001_V1_0_1, BAND),
    at(PhyVersion::RP001_V1_0_2, BAND),
    at(PhyVersion::RP001_V1_0_2_REV_B, BAND),
    at(PhyVersion::RP001_V1_0_3_REV_A, BAND),
    at(PhyVersion::RP001_V1_1_REV_A, BAND),
    at(PhyVersion::RP001_V1_1_REV_B, BAND),
    at(PhyVersion::RP002_V1_0_0, BAND),
    at(PhyVersion::RP002_V1_0_1, BAND),
    at(PhyVersion::RP002_V1_0_2, BAND),
    at(PhyVersion::RP002_V1_0_3, BAND),
    at(PhyVersion::RP002_V1_0_4, BAND),
];

const BAND: Band = Band {
    data_rates: DATA_RATES,
    strict_coding_rate: true,
    frequency_step: FrequencyStep::Hz200,
    supports_dynamic_adr: false,
    max_adr_data_rate: dr(0),
    default_max_eirp: 10.0,
    beacon: Beacon { data_rate: dr(3), coding_rate: CodingRate::R4_8Li, frequencies: &CLASS_B },
    ..relay(dynamic(BandId::ISM_2400, &CHANNELS, rx2(0, 2_423_000_000), &CLASS_B, &SUB_BANDS), &[])
};

const CHANNELS: [BandChannel; 3] =
    [channel(2_403_000_000, 0, 7), channel(2_425_000_000, 0, 7), channel(2_479_000_000, 0, 7)];

const SUB_BANDS: [SubBand; 1] = [sub_band(2_400_000_000, 2_500_000_000, 1.0, 10.15)];

const CLASS_B: [Frequency; 1] = [hz(2_424_000_000)];

/// SF12 to SF5 at 812 kHz, 4/8 with long interleaving.
const DATA_RATES: [Option<BandDataRate>; 16] = {
    let sizes = [59, 123, 250, 250, 250, 250, 250, 250];
    let mut rates = [None; 16];
    let mut index = 0;
    while index < sizes.len() {
        let data_rate = DataRate::Lora {
            spreading_factor: 12 - index as u8,
            bandwidth: 812_000,
            coding_rate: CodingRate::R4_8Li,
        };
        rates[index] = rate(data_rate, sizes[index]);
        index += 1;
    }
    rates
};

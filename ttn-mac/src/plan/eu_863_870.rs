//! Plans of EU863-870.
#![cfg_attr(
    not(test),
    expect(clippy::indexing_slicing, reason = "constants: the compiler would refuse them")
)]

use alloc::borrow::Cow;

use ttn_core::radio::{DataRateIndex, Frequency};

use super::{FrequencyPlan, PlanChannel, Radio, channel, radio, single_rate, tx};
use crate::band::{BandChannel, BandId};

/// RX2 at the band's data rate.
pub(super) static EU_863_870: FrequencyPlan = PLAN;

/// RX2 at data rate 3.
pub(super) static EU_863_870_TTN: FrequencyPlan = FrequencyPlan {
    id: Cow::Borrowed("EU_863_870_TTN"),
    name: Cow::Borrowed("Europe 863-870 MHz (SF9 for RX2 - recommended)"),
    base_id: Some(Cow::Borrowed("EU_863_870")),
    base_frequency: 868,
    gateways: false,
    band_id: BandId::EU_863_870,
    uplink_channels: Cow::Borrowed(&UPLINK_CHANNELS),
    downlink_channels: Cow::Borrowed(&DOWNLINK_CHANNELS),
    lora_standard_channel: single_rate(868_300_000, 6, 1),
    fsk_channel: single_rate(868_800_000, 7, 1),
    sub_bands: Cow::Borrowed(&[]),
    dwell_time: None,
    listen_before_talk: None,
    radios: Cow::Borrowed(&RADIOS),
    clock_source: 1,
    rx2_frequency: None,
    rx2_default_data_rate: Some(DataRateIndex::from_low_bits(3)),
    max_eirp: None,
};

const PLAN: FrequencyPlan = FrequencyPlan {
    id: Cow::Borrowed("EU_863_870"),
    name: Cow::Borrowed("Europe 863-870 MHz (SF12 for RX2)"),
    base_id: None,
    base_frequency: 868,
    gateways: true,
    band_id: BandId::EU_863_870,
    uplink_channels: Cow::Borrowed(&UPLINK_CHANNELS),
    downlink_channels: Cow::Borrowed(&DOWNLINK_CHANNELS),
    lora_standard_channel: single_rate(868_300_000, 6, 1),
    fsk_channel: single_rate(868_800_000, 7, 1),
    sub_bands: Cow::Borrowed(&[]),
    dwell_time: None,
    listen_before_talk: None,
    radios: Cow::Borrowed(&RADIOS),
    clock_source: 1,
    rx2_frequency: None,
    rx2_default_data_rate: None,
    max_eirp: None,
};

const UPLINK_CHANNELS: [PlanChannel; 8] = [
    channel(868_100_000, 0, 5, 1),
    channel(868_300_000, 0, 5, 1),
    channel(868_500_000, 0, 5, 1),
    channel(867_100_000, 0, 5, 0),
    channel(867_300_000, 0, 5, 0),
    channel(867_500_000, 0, 5, 0),
    channel(867_700_000, 0, 5, 0),
    channel(867_900_000, 0, 5, 0),
];

/// The same frequencies as for uplinks.
const DOWNLINK_CHANNELS: [BandChannel; 8] = {
    let mut channels = [BandChannel {
        frequency: Frequency::from_hz(0),
        min_data_rate: DataRateIndex::ZERO,
        max_data_rate: DataRateIndex::from_low_bits(5),
    }; 8];
    let mut index = 0;
    while index < channels.len() {
        channels[index].frequency = UPLINK_CHANNELS[index].frequency;
        index += 1;
    }
    channels
};

const RADIOS: [Radio; 2] =
    [radio(867_500_000, tx(863_000_000, 870_000_000)), radio(868_500_000, None)];

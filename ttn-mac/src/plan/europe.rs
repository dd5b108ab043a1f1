//! Plans of EU863-870 and EU433.

use ttn_core::radio::DataRateIndex;

use super::{
    PlanChannel, Radio,
    table::{
        EMPTY, Table, downlinks, plan_sub_band, radio, radio_sx1255, single_rate, tx, uplinks,
    },
};
use crate::band::{BandChannel, BandId};

pub(super) const EU_863_870: Table = Table {
    id: "EU_863_870",
    name: "Europe 863-870 MHz (SF12 for RX2)",
    base_frequency: 868,
    gateways: true,
    band_id: BandId::EU_863_870,
    uplink_channels: &UPLINK_EU_863_870,
    downlink_channels: &DOWNLINK_EU_863_870,
    lora_standard_channel: single_rate(868_300_000, 6, 1),
    fsk_channel: single_rate(868_800_000, 7, 1),
    radios: &RADIOS_EU_863_870,
    clock_source: 1,
    ..EMPTY
};

pub(super) const EU_863_870_TTN: Table = Table {
    id: "EU_863_870_TTN",
    name: "Europe 863-870 MHz (SF9 for RX2 - recommended)",
    base_id: Some("EU_863_870"),
    gateways: false,
    rx2_default_data_rate: Some(DataRateIndex::from_low_bits(3)),
    ..EU_863_870
};

pub(super) const EU_863_870_ROAMING_DRAFT: Table = Table {
    id: "EU_863_870_ROAMING_DRAFT",
    name: "Europe 863-870 MHz, 6 channels for roaming (Draft)",
    base_id: Some("EU_863_870"),
    gateways: false,
    uplink_channels: &UPLINK_EU_863_870_ROAMING_DRAFT,
    downlink_channels: &DOWNLINK_EU_863_870_ROAMING_DRAFT,
    ..EU_863_870
};

pub(super) const EU_868_1: Table = Table {
    id: "EU_868_1",
    name: "Europe 868.1 MHz",
    base_id: Some("EU_863_870"),
    uplink_channels: &UPLINK_EU_868_1,
    downlink_channels: &DOWNLINK_EU_868_1,
    ..EU_863_870
};

pub(super) const EU_433: Table = Table {
    id: "EU_433",
    name: "Europe 433 MHz (ITU region 1)",
    base_frequency: 433,
    gateways: true,
    band_id: BandId::EU_433,
    sub_bands: &[plan_sub_band(433_050_000, 434_790_000, Some(0.1), Some(12.15))],
    uplink_channels: &UPLINK_EU_433,
    downlink_channels: &DOWNLINK_EU_433,
    lora_standard_channel: single_rate(434_075_000, 6, 1),
    radios: &RADIOS_EU_433,
    clock_source: 1,
    ..EMPTY
};

const UPLINK_EU_863_870: [PlanChannel; 8] = uplinks(
    [
        (868_100_000, 1),
        (868_300_000, 1),
        (868_500_000, 1),
        (867_100_000, 0),
        (867_300_000, 0),
        (867_500_000, 0),
        (867_700_000, 0),
        (867_900_000, 0),
    ],
    5,
);

const DOWNLINK_EU_863_870: [BandChannel; 8] = downlinks(UPLINK_EU_863_870);

static RADIOS_EU_863_870: [Radio; 2] =
    [radio(867_500_000, tx(863_000_000, 870_000_000)), radio(868_500_000, None)];

const UPLINK_EU_863_870_ROAMING_DRAFT: [PlanChannel; 6] = uplinks(
    [
        (868_100_000, 1),
        (868_300_000, 1),
        (868_500_000, 1),
        (867_100_000, 0),
        (867_300_000, 0),
        (867_900_000, 0),
    ],
    5,
);

const DOWNLINK_EU_863_870_ROAMING_DRAFT: [BandChannel; 6] =
    downlinks(UPLINK_EU_863_870_ROAMING_DRAFT);

const UPLINK_EU_868_1: [PlanChannel; 1] = uplinks([(868_100_000, 1)], 5);

const DOWNLINK_EU_868_1: [BandChannel; 1] = downlinks(UPLINK_EU_868_1);

const UPLINK_EU_433: [PlanChannel; 8] = uplinks(
    [
        (433_175_000, 0),
        (433_375_000, 0),
        (433_575_000, 0),
        (433_775_000, 0),
        (433_975_000, 1),
        (434_175_000, 1),
        (434_375_000, 1),
        (434_575_000, 1),
    ],
    5,
);

const DOWNLINK_EU_433: [BandChannel; 8] = downlinks(UPLINK_EU_433);

static RADIOS_EU_433: [Radio; 2] =
    [radio_sx1255(433_475_000, tx(433_050_000, 434_790_000)), radio_sx1255(434_275_000, None)];

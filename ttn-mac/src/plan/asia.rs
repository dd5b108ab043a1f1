//! Plans of AS923: groups 1 to 4, and the countries that use them.

use ttn_core::radio::{DataRateIndex, Frequency};

use super::{
    PlanChannel, Radio,
    table::{
        DWELL_TIME, EMPTY, NO_DWELL_TIME, Table, downlinks, listen, plan_sub_band, radio,
        single_rate, tx, uplinks,
    },
};
use crate::band::{BandChannel, BandId};

pub(super) const AS_920_923: Table = Table {
    id: "AS_920_923",
    name: "Asia 920-923 MHz",
    base_frequency: 915,
    gateways: true,
    band_id: BandId::AS_923,
    sub_bands: &[plan_sub_band(922_000_000, 923_400_000, None, None)],
    uplink_channels: &UPLINK_AS_920_923,
    downlink_channels: &DOWNLINK_AS_920_923,
    lora_standard_channel: single_rate(922_100_000, 6, 1),
    fsk_channel: single_rate(921_800_000, 7, 1),
    radios: &RADIOS_AS_920_923,
    clock_source: 1,
    ..EMPTY
};

pub(super) const AS_920_923_LBT: Table = Table {
    id: "AS_920_923_LBT",
    name: "Asia 920-923 MHz with LBT",
    base_id: Some("AS_920_923"),
    listen_before_talk: listen(128),
    ..AS_920_923
};

pub(super) const AS_920_923_TTN_JP_1: Table = Table {
    id: "AS_920_923_TTN_JP_1",
    name: "Japan 920-923 MHz with LBT (channels 31-38)",
    base_frequency: 915,
    gateways: true,
    band_id: BandId::AS_923,
    sub_bands: &[plan_sub_band(922_000_000, 923_400_000, None, Some(16.0))],
    uplink_channels: &UPLINK_AS_920_923_TTN_JP_1,
    downlink_channels: &DOWNLINK_AS_920_923_TTN_JP_1,
    lora_standard_channel: single_rate(922_100_000, 6, 1),
    fsk_channel: single_rate(921_800_000, 7, 1),
    radios: &RADIOS_AS_920_923_TTN_JP_1,
    clock_source: 1,
    listen_before_talk: listen(5000),
    ..EMPTY
};

pub(super) const AS_920_923_TTN_JP_1_LAND_MOBILE: Table = Table {
    id: "AS_920_923_TTN_JP_1_LAND_MOBILE",
    name: "Japan 920-923 MHz with LBT (channels 31-38), Max EIRP 27 dBm",
    base_id: Some("AS_920_923_TTN_JP_1"),
    sub_bands: &[plan_sub_band(922_000_000, 923_400_000, None, Some(27.0))],
    ..AS_920_923_TTN_JP_1
};

pub(super) const AS_920_923_TTN_JP_2: Table = Table {
    id: "AS_920_923_TTN_JP_2",
    name: "Japan 920-923 MHz with LBT (channels 24-27 and 35-38)",
    base_frequency: 915,
    gateways: true,
    band_id: BandId::AS_923,
    sub_bands: &[plan_sub_band(920_600_000, 923_400_000, None, Some(16.0))],
    uplink_channels: &UPLINK_AS_920_923_TTN_JP_2,
    downlink_channels: &DOWNLINK_AS_920_923_TTN_JP_2,
    lora_standard_channel: single_rate(923_100_000, 6, 1),
    radios: &RADIOS_AS_920_923_TTN_JP_2,
    clock_source: 1,
    listen_before_talk: listen(5000),
    ..EMPTY
};

pub(super) const AS_920_923_TTN_JP_3: Table = Table {
    id: "AS_920_923_TTN_JP_3",
    name: "Japan 920-923 MHz with LBT (channels 24-31)",
    base_frequency: 915,
    gateways: true,
    band_id: BandId::AS_923,
    sub_bands: &[plan_sub_band(920_600_000, 922_000_000, None, Some(16.0))],
    uplink_channels: &UPLINK_AS_920_923_TTN_JP_3,
    downlink_channels: &DOWNLINK_AS_920_923_TTN_JP_3,
    lora_standard_channel: single_rate(922_100_000, 6, 1),
    radios: &RADIOS_AS_920_923_TTN_JP_3,
    clock_source: 1,
    listen_before_talk: listen(5000),
    ..EMPTY
};

pub(super) const AS_920_923_TTN_JP_3_LAND_MOBILE: Table = Table {
    id: "AS_920_923_TTN_JP_3_LAND_MOBILE",
    name: "Japan 920-923 MHz with LBT (channels 24-31), Max EIRP 27 dBm",
    base_id: Some("AS_920_923_TTN_JP_3"),
    sub_bands: &[plan_sub_band(920_600_000, 922_000_000, None, Some(27.0))],
    ..AS_920_923_TTN_JP_3
};

pub(super) const AS_923: Table = Table {
    id: "AS_923",
    name: "Asia 915-928 MHz (AS923 Group 1) with only default channels",
    base_frequency: 915,
    gateways: true,
    band_id: BandId::AS_923,
    uplink_channels: &UPLINK_AS_923,
    downlink_channels: &DOWNLINK_AS_923,
    radios: &RADIOS_AS_923,
    clock_source: 1,
    ..EMPTY
};

pub(super) const AS_923_2: Table = Table {
    id: "AS_923_2",
    name: "Asia 920-923 MHz (AS923 Group 2) with only default channels",
    base_frequency: 915,
    gateways: true,
    band_id: BandId::AS_923_2,
    uplink_channels: &UPLINK_AS_923_2,
    downlink_channels: &DOWNLINK_AS_923_2,
    radios: &RADIOS_AS_923_2,
    clock_source: 1,
    ..EMPTY
};

pub(super) const AS_923_3: Table = Table {
    id: "AS_923_3",
    name: "Asia 915-921 MHz (AS923 Group 3) with only default channels",
    base_frequency: 915,
    gateways: true,
    band_id: BandId::AS_923_3,
    uplink_channels: &UPLINK_AS_923_3,
    downlink_channels: &DOWNLINK_AS_923_3,
    radios: &RADIOS_AS_923_3,
    clock_source: 1,
    ..EMPTY
};

pub(super) const AS_923_4: Table = Table {
    id: "AS_923_4",
    name: "Asia 917-920 MHz (AS923 Group 4) with only default channels",
    base_frequency: 915,
    gateways: true,
    band_id: BandId::AS_923_4,
    uplink_channels: &UPLINK_AS_923_4,
    downlink_channels: &DOWNLINK_AS_923_4,
    radios: &RADIOS_AS_923_4,
    clock_source: 1,
    ..EMPTY
};

pub(super) const AS_923_NDT: Table = Table {
    id: "AS_923_NDT",
    name: "Asia 915-928 MHz (AS923 Group 1) with only default channels and dwell time disabled",
    base_id: Some("AS_923"),
    dwell_time: NO_DWELL_TIME,
    ..AS_923
};

pub(super) const AS_923_DT: Table = Table {
    id: "AS_923_DT",
    name: "Asia 915-928 MHz (AS923 Group 1) with only default channels and dwell time enabled",
    base_id: Some("AS_923"),
    dwell_time: DWELL_TIME,
    ..AS_923
};

pub(super) const AS_923_2_NDT: Table = Table {
    id: "AS_923_2_NDT",
    name: "Asia 920-923 MHz (AS923 Group 2) with only default channels and dwell time disabled",
    base_id: Some("AS_923_2"),
    dwell_time: NO_DWELL_TIME,
    ..AS_923_2
};

pub(super) const AS_923_2_DT: Table = Table {
    id: "AS_923_2_DT",
    name: "Asia 920-923 MHz (AS923 Group 2) with only default channels and dwell time enabled",
    base_id: Some("AS_923_2"),
    dwell_time: DWELL_TIME,
    ..AS_923_2
};

pub(super) const AS_923_3_NDT: Table = Table {
    id: "AS_923_3_NDT",
    name: "Asia 920-923 MHz (AS923 Group 3) with only default channels and dwell time disabled",
    base_id: Some("AS_923_3"),
    dwell_time: NO_DWELL_TIME,
    ..AS_923_3
};

pub(super) const AS_923_3_DT: Table = Table {
    id: "AS_923_3_DT",
    name: "Asia 920-923 MHz (AS923 Group 3) with only default channels and dwell time enabled",
    base_id: Some("AS_923_3"),
    dwell_time: DWELL_TIME,
    ..AS_923_3
};

pub(super) const AS_923_4_NDT: Table = Table {
    id: "AS_923_4_NDT",
    name: "Asia 920-923 MHz (AS923 Group 4) with only default channels and dwell time disabled",
    base_id: Some("AS_923_4"),
    dwell_time: NO_DWELL_TIME,
    ..AS_923_4
};

pub(super) const AS_923_4_DT: Table = Table {
    id: "AS_923_4_DT",
    name: "Asia 920-923 MHz (AS923 Group 4) with only default channels and dwell time enabled",
    base_id: Some("AS_923_4"),
    dwell_time: DWELL_TIME,
    ..AS_923_4
};

pub(super) const AS_923_925: Table = Table {
    id: "AS_923_925",
    name: "Asia 923-925 MHz",
    base_frequency: 915,
    gateways: true,
    band_id: BandId::AS_923,
    sub_bands: &[plan_sub_band(923_200_000, 924_600_000, None, None)],
    uplink_channels: &UPLINK_AS_923_925,
    downlink_channels: &DOWNLINK_AS_923_925,
    lora_standard_channel: single_rate(924_500_000, 6, 1),
    fsk_channel: single_rate(924_800_000, 7, 1),
    radios: &RADIOS_AS_923_925,
    clock_source: 1,
    ..EMPTY
};

pub(super) const AS_923_925_LBT: Table = Table {
    id: "AS_923_925_LBT",
    name: "Asia 923-925 MHz with LBT",
    base_id: Some("AS_923_925"),
    listen_before_talk: listen(128),
    ..AS_923_925
};

pub(super) const AS_920_923_TTN_AU: Table = Table {
    id: "AS_920_923_TTN_AU",
    name: "Asia 920-923 MHz (used by TTN Australia)",
    base_id: Some("AS_920_923"),
    sub_bands: &[plan_sub_band(915_000_000, 928_000_000, Some(1.0), None)],
    dwell_time: NO_DWELL_TIME,
    max_eirp: Some(30.0),
    ..AS_920_923
};

pub(super) const AS_923_925_TTN_AU: Table = Table {
    id: "AS_923_925_TTN_AU",
    name: "Asia 923-925 MHz (used by TTN Australia - secondary channels)",
    base_id: Some("AS_923_925"),
    gateways: false,
    sub_bands: &[plan_sub_band(915_000_000, 928_000_000, Some(1.0), None)],
    dwell_time: NO_DWELL_TIME,
    max_eirp: Some(30.0),
    ..AS_923_925
};

pub(super) const IL_917_920_TTN: Table = Table {
    id: "IL_917_920_TTN",
    name: "Israel 917-920 MHz (channels 1-4 and 11-14)",
    base_frequency: 915,
    gateways: true,
    band_id: BandId::AS_923_4,
    sub_bands: &[plan_sub_band(917_300_000, 919_900_000, Some(0.01), None)],
    dwell_time: NO_DWELL_TIME,
    uplink_channels: &UPLINK_IL_917_920_TTN,
    downlink_channels: &DOWNLINK_IL_917_920_TTN,
    radios: &RADIOS_IL_917_920_TTN,
    clock_source: 1,
    ..EMPTY
};

pub(super) const IL_917_920_TTN_2: Table = Table {
    id: "IL_917_920_TTN_2",
    name: "Israel 917-920 MHz (channels 1-7 and 9)",
    base_frequency: 915,
    gateways: true,
    band_id: BandId::AS_923_4,
    sub_bands: &[plan_sub_band(917_300_000, 918_900_000, Some(0.01), None)],
    dwell_time: NO_DWELL_TIME,
    uplink_channels: &UPLINK_IL_917_920_TTN_2,
    downlink_channels: &DOWNLINK_IL_917_920_TTN_2,
    radios: &RADIOS_IL_917_920_TTN_2,
    clock_source: 1,
    ..EMPTY
};

pub(super) const SG_920_923_TTN: Table = Table {
    id: "SG_920_923_TTN",
    name: "Singapore 920-923 MHz",
    base_id: Some("AS_920_923"),
    sub_bands: &[plan_sub_band(922_000_000, 923_400_000, Some(0.1), None)],
    dwell_time: NO_DWELL_TIME,
    ..AS_920_923
};

pub(super) const UZ_923_1: Table = Table {
    id: "UZ_923_1",
    name: "Uzbekistan 915-928 MHz with only default channels",
    base_frequency: 915,
    gateways: true,
    band_id: BandId::AS_923,
    sub_bands: &[plan_sub_band(926_200_000, 926_800_000, None, Some(16.0))],
    uplink_channels: &UPLINK_UZ_923_1,
    downlink_channels: &DOWNLINK_UZ_923_1,
    rx2_frequency: Some(Frequency::from_hz(926_200_000)),
    rx2_default_data_rate: Some(DataRateIndex::from_low_bits(2)),
    radios: &RADIOS_UZ_923_1,
    clock_source: 1,
    ..EMPTY
};

const UPLINK_AS_920_923: [PlanChannel; 8] = uplinks(
    [
        (923_200_000, 0),
        (923_400_000, 0),
        (922_200_000, 1),
        (922_400_000, 1),
        (922_600_000, 0),
        (922_800_000, 0),
        (923_000_000, 0),
        (922_000_000, 1),
    ],
    5,
);

const DOWNLINK_AS_920_923: [BandChannel; 8] = downlinks(UPLINK_AS_920_923);

static RADIOS_AS_920_923: [Radio; 2] =
    [radio(923_000_000, tx(920_000_000, 923_400_000)), radio(922_100_000, None)];

const UPLINK_AS_920_923_TTN_JP_1: [PlanChannel; 8] = uplinks(
    [
        (923_200_000, 0),
        (923_400_000, 0),
        (922_800_000, 0),
        (923_000_000, 0),
        (922_600_000, 0),
        (922_000_000, 1),
        (922_200_000, 1),
        (922_400_000, 1),
    ],
    5,
);

const DOWNLINK_AS_920_923_TTN_JP_1: [BandChannel; 8] = downlinks(uplinks(
    [
        (923_200_000, 0),
        (923_400_000, 0),
        (922_800_000, 0),
        (923_000_000, 0),
        (922_000_000, 0),
        (922_200_000, 0),
        (922_400_000, 0),
        (922_600_000, 0),
    ],
    5,
));

static RADIOS_AS_920_923_TTN_JP_1: [Radio; 2] =
    [radio(923_000_000, tx(922_000_000, 923_400_000)), radio(922_100_000, None)];

const UPLINK_AS_920_923_TTN_JP_2: [PlanChannel; 8] = uplinks(
    [
        (923_200_000, 1),
        (923_400_000, 1),
        (922_800_000, 1),
        (923_000_000, 1),
        (920_600_000, 0),
        (920_800_000, 0),
        (921_000_000, 0),
        (921_200_000, 0),
    ],
    5,
);

const DOWNLINK_AS_920_923_TTN_JP_2: [BandChannel; 8] = downlinks(UPLINK_AS_920_923_TTN_JP_2);

static RADIOS_AS_920_923_TTN_JP_2: [Radio; 2] =
    [radio(920_900_000, tx(920_600_000, 923_400_000)), radio(923_100_000, None)];

const UPLINK_AS_920_923_TTN_JP_3: [PlanChannel; 8] = uplinks(
    [
        (920_600_000, 0),
        (920_800_000, 0),
        (921_000_000, 0),
        (921_200_000, 0),
        (921_400_000, 1),
        (921_600_000, 1),
        (921_800_000, 1),
        (922_000_000, 1),
    ],
    5,
);

const DOWNLINK_AS_920_923_TTN_JP_3: [BandChannel; 8] = downlinks(UPLINK_AS_920_923_TTN_JP_3);

static RADIOS_AS_920_923_TTN_JP_3: [Radio; 2] =
    [radio(920_900_000, tx(920_600_000, 922_000_000)), radio(921_800_000, None)];

const UPLINK_AS_923: [PlanChannel; 2] = uplinks([(923_200_000, 0), (923_400_000, 0)], 5);

const DOWNLINK_AS_923: [BandChannel; 2] = downlinks(UPLINK_AS_923);

static RADIOS_AS_923: [Radio; 1] = [radio(923_300_000, tx(915_000_000, 928_000_000))];

const UPLINK_AS_923_2: [PlanChannel; 2] = uplinks([(921_400_000, 0), (921_600_000, 0)], 5);

const DOWNLINK_AS_923_2: [BandChannel; 2] = downlinks(UPLINK_AS_923_2);

static RADIOS_AS_923_2: [Radio; 1] = [radio(921_500_000, tx(915_000_000, 928_000_000))];

const UPLINK_AS_923_3: [PlanChannel; 2] = uplinks([(916_600_000, 0), (916_800_000, 0)], 5);

const DOWNLINK_AS_923_3: [BandChannel; 2] = downlinks(UPLINK_AS_923_3);

static RADIOS_AS_923_3: [Radio; 1] = [radio(916_700_000, tx(915_000_000, 928_000_000))];

const UPLINK_AS_923_4: [PlanChannel; 2] = uplinks([(917_300_000, 0), (917_500_000, 0)], 5);

const DOWNLINK_AS_923_4: [BandChannel; 2] = downlinks(UPLINK_AS_923_4);

static RADIOS_AS_923_4: [Radio; 1] = [radio(917_400_000, tx(915_000_000, 928_000_000))];

const UPLINK_AS_923_925: [PlanChannel; 8] = uplinks(
    [
        (923_200_000, 0),
        (923_400_000, 0),
        (923_600_000, 0),
        (923_800_000, 0),
        (924_000_000, 0),
        (924_200_000, 1),
        (924_400_000, 1),
        (924_600_000, 1),
    ],
    5,
);

const DOWNLINK_AS_923_925: [BandChannel; 8] = downlinks(UPLINK_AS_923_925);

static RADIOS_AS_923_925: [Radio; 2] =
    [radio(923_600_000, tx(923_200_000, 925_000_000)), radio(924_500_000, None)];

const UPLINK_IL_917_920_TTN: [PlanChannel; 8] = uplinks(
    [
        (917_300_000, 0),
        (917_500_000, 0),
        (917_700_000, 0),
        (917_900_000, 0),
        (919_300_000, 1),
        (919_500_000, 1),
        (919_700_000, 1),
        (919_900_000, 1),
    ],
    5,
);

const DOWNLINK_IL_917_920_TTN: [BandChannel; 8] = downlinks(UPLINK_IL_917_920_TTN);

static RADIOS_IL_917_920_TTN: [Radio; 2] =
    [radio(917_600_000, tx(915_000_000, 928_000_000)), radio(919_600_000, None)];

const UPLINK_IL_917_920_TTN_2: [PlanChannel; 8] = uplinks(
    [
        (917_300_000, 0),
        (917_500_000, 0),
        (917_700_000, 0),
        (917_900_000, 0),
        (918_100_000, 1),
        (918_300_000, 1),
        (918_500_000, 1),
        (918_900_000, 1),
    ],
    5,
);

const DOWNLINK_IL_917_920_TTN_2: [BandChannel; 8] = downlinks(UPLINK_IL_917_920_TTN_2);

static RADIOS_IL_917_920_TTN_2: [Radio; 2] =
    [radio(917_600_000, tx(915_000_000, 928_000_000)), radio(918_500_000, None)];

const UPLINK_UZ_923_1: [PlanChannel; 3] =
    uplinks([(926_400_000, 0), (926_600_000, 0), (926_800_000, 0)], 5);

const DOWNLINK_UZ_923_1: [BandChannel; 3] = downlinks(UPLINK_UZ_923_1);

static RADIOS_UZ_923_1: [Radio; 2] =
    [radio(926_600_000, tx(926_200_000, 927_800_000)), radio(926_600_000, None)];

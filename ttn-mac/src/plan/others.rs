//! Plans of regions with one plan: India, Korea, Morocco, Russia, 2.4 GHz.

use super::{
    PlanChannel, Radio,
    table::{EMPTY, Table, downlinks, listen, radio, single_rate, tx, tx_notch, uplinks},
};
use crate::band::{BandChannel, BandId};

pub(super) const KR_920_923_TTN: Table = Table {
    id: "KR_920_923_TTN",
    name: "South Korea 920-923 MHz",
    base_frequency: 915,
    gateways: true,
    band_id: BandId::KR_920_923,
    uplink_channels: &UPLINK_KR_920_923_TTN,
    downlink_channels: &DOWNLINK_KR_920_923_TTN,
    radios: &RADIOS_KR_920_923_TTN,
    clock_source: 1,
    listen_before_talk: listen(128),
    ..EMPTY
};

pub(super) const MA_869_870_DRAFT: Table = Table {
    id: "MA_869_870_DRAFT",
    name: "Morocco 869-870 MHz",
    base_frequency: 868,
    gateways: true,
    band_id: BandId::MA_869_870_DRAFT,
    uplink_channels: &UPLINK_MA_869_870_DRAFT,
    downlink_channels: &DOWNLINK_MA_869_870_DRAFT,
    lora_standard_channel: single_rate(869_300_000, 6, 1),
    fsk_channel: single_rate(869_800_000, 7, 1),
    radios: &RADIOS_MA_869_870_DRAFT,
    clock_source: 1,
    ..EMPTY
};

pub(super) const IN_865_867: Table = Table {
    id: "IN_865_867",
    name: "India 865-867 MHz",
    base_frequency: 868,
    gateways: true,
    band_id: BandId::IN_865_867,
    uplink_channels: &UPLINK_IN_865_867,
    downlink_channels: &DOWNLINK_IN_865_867,
    radios: &RADIOS_IN_865_867,
    clock_source: 1,
    ..EMPTY
};

pub(super) const RU_864_870_TTN: Table = Table {
    id: "RU_864_870_TTN",
    name: "Russia 864-870 MHz",
    base_frequency: 868,
    gateways: true,
    band_id: BandId::RU_864_870,
    uplink_channels: &UPLINK_RU_864_870_TTN,
    downlink_channels: &DOWNLINK_RU_864_870_TTN,
    radios: &RADIOS_RU_864_870_TTN,
    clock_source: 1,
    ..EMPTY
};

pub(super) const ISM_2400_3CH_DRAFT2: Table = Table {
    id: "ISM_2400_3CH_DRAFT2",
    name: "LoRa 2.4 GHz with 3 channels (Draft 2)",
    base_frequency: 2450,
    gateways: true,
    band_id: BandId::ISM_2400,
    uplink_channels: &UPLINK_ISM_2400_3CH_DRAFT2,
    downlink_channels: &DOWNLINK_ISM_2400_3CH_DRAFT2,
    ..EMPTY
};

const UPLINK_KR_920_923_TTN: [PlanChannel; 7] = uplinks(
    [
        (922_100_000, 0),
        (922_300_000, 0),
        (922_500_000, 0),
        (922_700_000, 0),
        (922_900_000, 1),
        (923_100_000, 1),
        (923_300_000, 1),
    ],
    5,
);

const DOWNLINK_KR_920_923_TTN: [BandChannel; 7] = downlinks(UPLINK_KR_920_923_TTN);

static RADIOS_KR_920_923_TTN: [Radio; 2] =
    [radio(922_400_000, tx(920_900_000, 923_300_000)), radio(923_000_000, None)];

const UPLINK_MA_869_870_DRAFT: [PlanChannel; 4] =
    uplinks([(869_100_000, 0), (869_300_000, 0), (869_700_000, 0), (869_900_000, 0)], 5);

const DOWNLINK_MA_869_870_DRAFT: [BandChannel; 4] = downlinks(UPLINK_MA_869_870_DRAFT);

static RADIOS_MA_869_870_DRAFT: [Radio; 2] =
    [radio(869_500_000, tx(869_000_000, 870_000_000)), radio(869_500_000, None)];

const UPLINK_IN_865_867: [PlanChannel; 8] = uplinks(
    [
        (865_062_500, 0),
        (865_402_500, 0),
        (865_985_000, 1),
        (865_232_500, 0),
        (866_185_000, 1),
        (866_385_000, 1),
        (866_585_000, 1),
        (866_785_000, 1),
    ],
    5,
);

const DOWNLINK_IN_865_867: [BandChannel; 8] = downlinks(UPLINK_IN_865_867);

static RADIOS_IN_865_867: [Radio; 2] =
    [radio(865_200_000, tx_notch(865_000_000, 867_000_000, 129_000)), radio(866_385_000, None)];

const UPLINK_RU_864_870_TTN: [PlanChannel; 7] = uplinks(
    [
        (868_900_000, 1),
        (869_100_000, 1),
        (864_100_000, 0),
        (864_300_000, 0),
        (864_500_000, 0),
        (864_700_000, 0),
        (864_900_000, 0),
    ],
    5,
);

const DOWNLINK_RU_864_870_TTN: [BandChannel; 7] = downlinks(UPLINK_RU_864_870_TTN);

static RADIOS_RU_864_870_TTN: [Radio; 2] =
    [radio(864_500_000, tx(864_000_000, 870_000_000)), radio(869_000_000, None)];

const UPLINK_ISM_2400_3CH_DRAFT2: [PlanChannel; 3] =
    uplinks([(2_403_000_000, 0), (2_425_000_000, 0), (2_479_000_000, 0)], 7);

const DOWNLINK_ISM_2400_3CH_DRAFT2: [BandChannel; 3] = downlinks(UPLINK_ISM_2400_3CH_DRAFT2);

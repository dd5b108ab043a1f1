//! Plans of CN470-510: blocks of eight channels.

use super::{
    PlanChannel, Radio,
    table::{EMPTY, Table, radio_sx1255, tx, uplinks},
};
use crate::band::BandId;

pub(super) const CN_470_510_FSB_1: Table = Table {
    id: "CN_470_510_FSB_1",
    name: "China 470-510 MHz, FSB 1",
    base_frequency: 470,
    gateways: true,
    band_id: BandId::CN_470_510,
    uplink_channels: &UPLINK_CN_470_510_FSB_1,
    radios: &RADIOS_CN_470_510_FSB_1,
    clock_source: 1,
    ..EMPTY
};

pub(super) const CN_470_510_FSB_11: Table = Table {
    id: "CN_470_510_FSB_11",
    name: "China 470-510 MHz, FSB 11 (used by TTN)",
    base_frequency: 470,
    gateways: true,
    band_id: BandId::CN_470_510,
    uplink_channels: &UPLINK_CN_470_510_FSB_11,
    radios: &RADIOS_CN_470_510_FSB_11,
    clock_source: 1,
    ..EMPTY
};

const UPLINK_CN_470_510_FSB_1: [PlanChannel; 8] = uplinks(
    [
        (470_300_000, 0),
        (470_500_000, 0),
        (470_700_000, 0),
        (470_900_000, 0),
        (471_100_000, 1),
        (471_300_000, 1),
        (471_500_000, 1),
        (471_700_000, 1),
    ],
    5,
);

static RADIOS_CN_470_510_FSB_1: [Radio; 2] =
    [radio_sx1255(470_600_000, tx(470_000_000, 510_000_000)), radio_sx1255(471_400_000, None)];

const UPLINK_CN_470_510_FSB_11: [PlanChannel; 8] = uplinks(
    [
        (486_300_000, 0),
        (486_500_000, 0),
        (486_700_000, 0),
        (486_900_000, 0),
        (487_100_000, 1),
        (487_300_000, 1),
        (487_500_000, 1),
        (487_700_000, 1),
    ],
    5,
);

static RADIOS_CN_470_510_FSB_11: [Radio; 2] =
    [radio_sx1255(486_600_000, tx(470_000_000, 510_000_000)), radio_sx1255(487_400_000, None)];

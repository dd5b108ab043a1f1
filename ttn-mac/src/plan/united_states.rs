//! Plans of US902-928: one per block of eight channels, and one per single channel of 500 kHz spacing.
#![cfg_attr(
    not(test),
    expect(
        clippy::arithmetic_side_effects,
        clippy::indexing_slicing,
        reason = "constants: the compiler would refuse them"
    )
)]

use super::{
    PlanChannel, Radio,
    table::{EMPTY, Table, block, downlinks, dwell_time, radio, single_rate, tx, uplinks},
};
use crate::band::{BandChannel, BandId};

pub(super) const FSB_1: Table = fsb(1, "US_902_928_FSB_1", "United States 902-928 MHz, FSB 1");
pub(super) const FSB_2: Table =
    fsb(2, "US_902_928_FSB_2", "United States 902-928 MHz, FSB 2 (used by TTN)");
pub(super) const FSB_3: Table = fsb(3, "US_902_928_FSB_3", "United States 902-928 MHz, FSB 3");
pub(super) const FSB_4: Table = fsb(4, "US_902_928_FSB_4", "United States 902-928 MHz, FSB 4");
pub(super) const FSB_5: Table = fsb(5, "US_902_928_FSB_5", "United States 902-928 MHz, FSB 5");
pub(super) const FSB_6: Table = fsb(6, "US_902_928_FSB_6", "United States 902-928 MHz, FSB 6");
pub(super) const FSB_7: Table = fsb(7, "US_902_928_FSB_7", "United States 902-928 MHz, FSB 7");
pub(super) const FSB_8: Table = fsb(8, "US_902_928_FSB_8", "United States 902-928 MHz, FSB 8");

pub(super) const US_903_0: Table = single(1, "US_903_0", "United States 903.0 MHz", FSB_1);
pub(super) const US_904_6: Table = single(2, "US_904_6", "United States 904.6 MHz", FSB_2);
pub(super) const US_906_2: Table = single(3, "US_906_2", "United States 906.2 MHz", FSB_3);
pub(super) const US_907_8: Table = single(4, "US_907_8", "United States 907.8 MHz", FSB_4);
pub(super) const US_909_4: Table = single(5, "US_909_4", "United States 909.4 MHz", FSB_5);
pub(super) const US_911_0: Table = single(6, "US_911_0", "United States 911.0 MHz", FSB_6);
pub(super) const US_912_6: Table = single(7, "US_912_6", "United States 912.6 MHz", FSB_7);
pub(super) const US_914_2: Table = single(8, "US_914_2", "United States 914.2 MHz", FSB_8);

/// The plan of a block, 1 to 8.
const fn fsb(number: usize, id: &'static str, name: &'static str) -> Table {
    Table {
        id,
        name,
        base_frequency: 915,
        band_id: BandId::US_902_928,
        uplink_channels: &CHANNELS[number - 1],
        lora_standard_channel: single_rate(first(number - 1) + 700_000, 4, 0),
        dwell_time: dwell_time(Some(true), Some(false)),
        radios: &RADIOS[number - 1],
        clock_source: 1,
        ..EMPTY
    }
}

/// The plan of one channel in the middle of a block.
const fn single(number: usize, id: &'static str, name: &'static str, base: Table) -> Table {
    Table {
        id,
        name,
        base_id: Some(base.id),
        gateways: false,
        uplink_channels: &SINGLE_UPLINKS[number - 1],
        downlink_channels: &SINGLE_DOWNLINKS[number - 1],
        max_eirp: Some(24.15),
        ..base
    }
}

static CHANNELS: [[PlanChannel; 8]; 8] = {
    let mut blocks = [block(0, 3); 8];
    let mut index = 0;
    while index < 8 {
        blocks[index] = block(first(index), 3);
        index += 1;
    }
    blocks
};

static SINGLE_UPLINKS: [[PlanChannel; 1]; 8] = {
    let mut list = [uplinks([(0, 1)], 3); 8];
    let mut index = 0;
    while index < 8 {
        list[index] = uplinks([(first(index) + 700_000, 1)], 3);
        index += 1;
    }
    list
};

static SINGLE_DOWNLINKS: [[BandChannel; 1]; 8] = {
    let mut list = [downlinks(SINGLE_UPLINKS[0]); 8];
    let mut index = 0;
    while index < 8 {
        list[index] = downlinks(SINGLE_UPLINKS[index]);
        index += 1;
    }
    list
};

static RADIOS: [[Radio; 2]; 8] =
    [radios(0), radios(1), radios(2), radios(3), radios(4), radios(5), radios(6), radios(7)];

const fn radios(index: usize) -> [Radio; 2] {
    let first = first(index);
    [radio(first + 400_000, tx(923_000_000, 928_000_000)), radio(first + 1_100_000, None)]
}

/// The frequency of the first channel of a block.
const fn first(index: usize) -> u64 {
    902_300_000 + 1_600_000 * index as u64
}

//! Plans of AU915-928: one per block of eight channels, for Australia and, without dwell time, for Brazil.
#![cfg_attr(
    not(test),
    expect(
        clippy::arithmetic_side_effects,
        clippy::indexing_slicing,
        reason = "constants: the compiler would refuse them"
    )
)]

use super::{
    PlanChannel, PlanDwellTime, Radio,
    table::{EMPTY, NO_DWELL_TIME, Table, block, radio, single_rate, tx},
};
use crate::band::BandId;

pub(super) const FSB_1: Table = fsb(1, "AU_915_928_FSB_1", "Australia 915-928 MHz, FSB 1");
pub(super) const FSB_2: Table =
    fsb(2, "AU_915_928_FSB_2", "Australia 915-928 MHz, FSB 2 (used by TTN)");
pub(super) const FSB_3: Table = fsb(3, "AU_915_928_FSB_3", "Australia 915-928 MHz, FSB 3");
pub(super) const FSB_4: Table = fsb(4, "AU_915_928_FSB_4", "Australia 915-928 MHz, FSB 4");
pub(super) const FSB_5: Table = fsb(5, "AU_915_928_FSB_5", "Australia 915-928 MHz, FSB 5");
pub(super) const FSB_6: Table = fsb(6, "AU_915_928_FSB_6", "Australia 915-928 MHz, FSB 6");
pub(super) const FSB_7: Table = fsb(7, "AU_915_928_FSB_7", "Australia 915-928 MHz, FSB 7");
pub(super) const FSB_8: Table = fsb(8, "AU_915_928_FSB_8", "Australia 915-928 MHz, FSB 8");

pub(super) const FSB_1_BR: Table =
    brazil("AU_915_928_FSB_1_BR", "Brazil 915-928 MHz, FSB 1 (dwell time disabled)", FSB_1);
pub(super) const FSB_2_BR: Table =
    brazil("AU_915_928_FSB_2_BR", "Brazil 915-928 MHz, FSB 2 (dwell time disabled)", FSB_2);
pub(super) const FSB_3_BR: Table =
    brazil("AU_915_928_FSB_3_BR", "Brazil 915-928 MHz, FSB 3 (dwell time disabled)", FSB_3);
pub(super) const FSB_4_BR: Table =
    brazil("AU_915_928_FSB_4_BR", "Brazil 915-928 MHz, FSB 4 (dwell time disabled)", FSB_4);
pub(super) const FSB_5_BR: Table =
    brazil("AU_915_928_FSB_5_BR", "Brazil 915-928 MHz, FSB 5 (dwell time disabled)", FSB_5);
pub(super) const FSB_6_BR: Table =
    brazil("AU_915_928_FSB_6_BR", "Brazil 915-928 MHz, FSB 6 (dwell time disabled)", FSB_6);
pub(super) const FSB_7_BR: Table =
    brazil("AU_915_928_FSB_7_BR", "Brazil 915-928 MHz, FSB 7 (dwell time disabled)", FSB_7);
pub(super) const FSB_8_BR: Table =
    brazil("AU_915_928_FSB_8_BR", "Brazil 915-928 MHz, FSB 8 (dwell time disabled)", FSB_8);

/// The plan of a block, 1 to 8.
const fn fsb(number: usize, id: &'static str, name: &'static str) -> Table {
    Table {
        id,
        name,
        base_frequency: 915,
        band_id: BandId::AU_915_928,
        uplink_channels: &CHANNELS[number - 1],
        lora_standard_channel: single_rate(first(number - 1) + 700_000, 6, 0),
        // Uplinks: whatever the band says.
        dwell_time: Some(PlanDwellTime { uplinks: None, downlinks: Some(false), duration: None }),
        radios: &RADIOS[number - 1],
        clock_source: 1,
        ..EMPTY
    }
}

/// The same block without dwell time.
const fn brazil(id: &'static str, name: &'static str, block: Table) -> Table {
    Table { id, name, dwell_time: NO_DWELL_TIME, ..block }
}

static CHANNELS: [[PlanChannel; 8]; 8] = {
    let mut blocks = [block(0, 5); 8];
    let mut index = 0;
    while index < 8 {
        blocks[index] = block(first(index), 5);
        index += 1;
    }
    blocks
};

static RADIOS: [[Radio; 2]; 8] =
    [radios(0), radios(1), radios(2), radios(3), radios(4), radios(5), radios(6), radios(7)];

const fn radios(index: usize) -> [Radio; 2] {
    let first = first(index);
    [radio(first + 400_000, tx(915_000_000, 928_000_000)), radio(first + 1_100_000, None)]
}

/// The frequency of the first channel of a block.
const fn first(index: usize) -> u64 {
    915_200_000 + 1_600_000 * index as u64
}

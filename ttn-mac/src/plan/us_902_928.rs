//! Plans of US902-928: one per block of eight channels.
#![cfg_attr(
    not(test),
    expect(
        clippy::arithmetic_side_effects,
        clippy::indexing_slicing,
        reason = "constants: the compiler would refuse them"
    )
)]

use alloc::borrow::Cow;
use core::time::Duration;

use super::{FrequencyPlan, PlanChannel, PlanDwellTime, Radio, channel, radio, single_rate, tx};
use crate::band::BandId;

/// The plans of blocks 1 to 8.
pub(super) static FSB: [FrequencyPlan; 8] = [
    plan("US_902_928_FSB_1", "United States 902-928 MHz, FSB 1", 0, &CHANNELS[0], &RADIOS[0]),
    plan(
        "US_902_928_FSB_2",
        "United States 902-928 MHz, FSB 2 (used by TTN)",
        1,
        &CHANNELS[1],
        &RADIOS[1],
    ),
    plan("US_902_928_FSB_3", "United States 902-928 MHz, FSB 3", 2, &CHANNELS[2], &RADIOS[2]),
    plan("US_902_928_FSB_4", "United States 902-928 MHz, FSB 4", 3, &CHANNELS[3], &RADIOS[3]),
    plan("US_902_928_FSB_5", "United States 902-928 MHz, FSB 5", 4, &CHANNELS[4], &RADIOS[4]),
    plan("US_902_928_FSB_6", "United States 902-928 MHz, FSB 6", 5, &CHANNELS[5], &RADIOS[5]),
    plan("US_902_928_FSB_7", "United States 902-928 MHz, FSB 7", 6, &CHANNELS[6], &RADIOS[6]),
    plan("US_902_928_FSB_8", "United States 902-928 MHz, FSB 8", 7, &CHANNELS[7], &RADIOS[7]),
];

const fn plan(
    id: &'static str,
    name: &'static str,
    block: u64,
    channels: &'static [PlanChannel; 8],
    radios: &'static [Radio; 2],
) -> FrequencyPlan {
    FrequencyPlan {
        id: Cow::Borrowed(id),
        name: Cow::Borrowed(name),
        base_id: None,
        base_frequency: 915,
        gateways: true,
        band_id: BandId::US_902_928,
        uplink_channels: Cow::Borrowed(channels),
        downlink_channels: Cow::Borrowed(&[]),
        lora_standard_channel: single_rate(first(block) + 700_000, 4, 0),
        fsk_channel: None,
        sub_bands: Cow::Borrowed(&[]),
        dwell_time: Some(PlanDwellTime {
            uplinks: true,
            downlinks: false,
            duration: Duration::from_millis(400),
        }),
        listen_before_talk: None,
        radios: Cow::Borrowed(radios),
        clock_source: 1,
        rx2_frequency: None,
        rx2_default_data_rate: None,
        max_eirp: None,
    }
}

static CHANNELS: [[PlanChannel; 8]; 8] = {
    let mut blocks = [[channel(0, 0, 3, 0); 8]; 8];
    let mut block = 0;
    while block < 8 {
        let mut index = 0;
        while index < 8 {
            let frequency = first(block as u64) + 200_000 * index as u64;
            blocks[block][index] = channel(frequency, 0, 3, if index < 4 { 0 } else { 1 });
            index += 1;
        }
        block += 1;
    }
    blocks
};

static RADIOS: [[Radio; 2]; 8] = {
    let mut blocks = [[radio(0, None); 2]; 8];
    let mut block = 0;
    while block < 8 {
        let first = first(block as u64);
        blocks[block] =
            [radio(first + 400_000, tx(923_000_000, 928_000_000)), radio(first + 1_100_000, None)];
        block += 1;
    }
    blocks
};

/// The frequency of the first channel of a block.
const fn first(block: u64) -> u64 {
    902_300_000 + 1_600_000 * block
}

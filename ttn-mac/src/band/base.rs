//! What regions have in common: constructors of tables, and the rules behind tables that follow one.
#![cfg_attr(
    not(test),
    expect(
        clippy::arithmetic_side_effects,
        clippy::indexing_slicing,
        reason = "constants: the compiler would refuse them"
    )
)]

use core::time::Duration;

use ttn_core::{
    radio::{CodingRate, DataRate, DataRateIndex, Frequency},
    version::PhyVersion,
};

use super::{
    Band, BandChannel, BandDataRate, BandId, Beacon, CfListType, ChMaskScheme, DwellTime,
    NO_DATA_RATE, RelayWorChannel, Rx1Channel, Rx1DataRates, Rx1Table, Rx2, SubBand,
};
use crate::frame::FrequencyStep;

/// The MACPayload that leaves room for the header of a repeater.
const REPEATER_MAX: u8 = 230;

/// A dynamic channel plan in the form that most regions share: the data rates of EU863-870, 16 channels, no dwell time.
pub(super) const fn dynamic(
    id: BandId,
    channels: &'static [BandChannel],
    rx2: Rx2,
    class_b: &'static [Frequency],
    sub_bands: &'static [SubBand],
) -> Band {
    Band {
        id,
        phy_version: PhyVersion::TS001_V1_0,
        uplink_channels_max: 16,
        uplink_channels: channels,
        downlink_channels_max: 16,
        downlink_channels: channels,
        sub_bands,
        data_rates: LORA_AND_FSK,
        downlink_data_rates: None,
        strict_coding_rate: false,
        frequency_step: FrequencyStep::Hz100,
        implements_cf_list: true,
        cf_list_type: CfListType::Frequencies,
        supports_dynamic_adr: true,
        tx_offsets: tx_offsets(8),
        max_adr_data_rate: dr(5),
        supports_tx_param_setup: false,
        default_max_eirp: 16.0,
        rx1_channel: Rx1Channel::Identity,
        rx1_data_rates: Rx1DataRates { no_dwell: &RX1_8, dwell: &RX1_8 },
        default_rx2: rx2,
        boot_dwell_time: DwellTime { uplinks: None, downlinks: None },
        ch_mask: ChMaskScheme::Channels16,
        beacon: Beacon { data_rate: dr(3), coding_rate: CodingRate::R4_5, frequencies: class_b },
        ping_slot_frequencies: class_b,
        relay_wor_channels: &[],
        receive_delay_1: Duration::from_secs(1),
        receive_delay_2: Duration::from_secs(2),
        join_accept_delay_1: Duration::from_secs(5),
        join_accept_delay_2: Duration::from_secs(6),
        max_f_cnt_gap: 16384,
        adr_ack_limit: 64,
        adr_ack_delay: 32,
        retransmit_timeout_min: Duration::from_secs(1),
        retransmit_timeout_max: Duration::from_secs(3),
        relay_forward_delay: Duration::ZERO,
        relay_receive_delay: Duration::ZERO,
        served_relay_backoff: 0,
    }
}

/// A fixed channel plan: RX1 on the uplink channel's index modulo the number of downlink channels.
pub(super) const fn fixed(
    band: Band,
    uplink: &'static [BandChannel],
    downlink: &'static [BandChannel],
    ch_mask: ChMaskScheme,
) -> Band {
    Band {
        uplink_channels_max: uplink.len() as u8,
        uplink_channels: uplink,
        downlink_channels_max: downlink.len() as u8,
        downlink_channels: downlink,
        cf_list_type: CfListType::ChannelMasks,
        rx1_channel: Rx1Channel::Modulo(downlink.len() as u8),
        ch_mask,
        ..band
    }
}

/// The same tables in another version.
pub(super) const fn at(phy_version: PhyVersion, band: Band) -> Band {
    Band { phy_version, ..band }
}

/// With the relay of TS011.
pub(super) const fn relay(band: Band, wor_channels: &'static [RelayWorChannel]) -> Band {
    Band {
        relay_wor_channels: wor_channels,
        relay_forward_delay: Duration::from_millis(50),
        relay_receive_delay: Duration::from_secs(18),
        served_relay_backoff: 8,
        ..band
    }
}

/// A frequency.
pub(super) const fn hz(value: u64) -> Frequency {
    Frequency::from_hz(value)
}

/// A data rate index.
pub(super) const fn dr(index: u8) -> DataRateIndex {
    DataRateIndex::from_low_bits(index)
}

/// RX2: data rate and frequency.
pub(super) const fn rx2(data_rate: u8, frequency: u64) -> Rx2 {
    Rx2 { data_rate: dr(data_rate), frequency: hz(frequency) }
}

/// A channel: frequency, lowest and highest data rate.
pub(super) const fn channel(frequency: u64, min: u8, max: u8) -> BandChannel {
    BandChannel { frequency: hz(frequency), min_data_rate: dr(min), max_data_rate: dr(max) }
}

/// Equally spaced channels.
pub(super) const fn channels<const N: usize>(
    first: u64,
    step: u64,
    min: u8,
    max: u8,
) -> [BandChannel; N] {
    let mut list = [channel(first, min, max); N];
    let mut index = 0;
    while index < N {
        list[index].frequency = hz(first + step * index as u64);
        index += 1;
    }
    list
}

/// The channels of `a`, then those of `b`.
pub(super) const fn chain<const A: usize, const B: usize, const N: usize>(
    a: [BandChannel; A],
    b: [BandChannel; B],
) -> [BandChannel; N] {
    assert!(A + B == N, "the sum of both");
    let mut list = [a[0]; N];
    let mut index = 0;
    while index < N {
        list[index] = if index < A { a[index] } else { b[index - A] };
        index += 1;
    }
    list
}

/// Equally spaced frequencies.
pub(super) const fn frequencies<const N: usize>(first: u64, step: u64) -> [Frequency; N] {
    let mut list = [hz(first); N];
    let mut index = 0;
    while index < N {
        list[index] = hz(first + step * index as u64);
        index += 1;
    }
    list
}

/// A sub-band: first and last frequency, duty cycle (0 to 1), maximum EIRP in dBm.
pub(super) const fn sub_band(min: u64, max: u64, duty_cycle: f32, max_eirp: f32) -> SubBand {
    SubBand { min_frequency: hz(min), max_frequency: hz(max), duty_cycle, max_eirp }
}

/// A wake-on-radio channel: frequency, frequency of its acknowledgement, data rate.
pub(super) const fn wor(frequency: u64, ack_frequency: u64, data_rate: u8) -> RelayWorChannel {
    RelayWorChannel {
        frequency: hz(frequency),
        ack_frequency: hz(ack_frequency),
        data_rate: dr(data_rate),
    }
}

/// A LoRa data rate whose payload is not limited by dwell time.
pub(super) const fn lora(spreading_factor: u8, bandwidth: u32, max: u8) -> Option<BandDataRate> {
    rate(DataRate::lora(spreading_factor, bandwidth), max)
}

/// A LoRa data rate of 125 kHz with its largest MACPayload without and with dwell time limit.
pub(super) const fn lora_dwell(spreading_factor: u8, max: u8, dwell: u8) -> Option<BandDataRate> {
    match lora(spreading_factor, 125_000, max) {
        Some(rate) => Some(BandDataRate { max_mac_payload_dwell: dwell, ..rate }),
        None => None,
    }
}

/// A LoRa data rate of the fixed plans with its own limit behind a repeater.
pub(super) const fn lora_repeater(
    spreading_factor: u8,
    bandwidth: u32,
    max: u8,
    repeater: u8,
) -> Option<BandDataRate> {
    match lora(spreading_factor, bandwidth, max) {
        Some(rate) => Some(BandDataRate { max_mac_payload_repeater: repeater, ..rate }),
        None => None,
    }
}

/// An LR-FHSS data rate.
pub(super) const fn lr_fhss(width: u32, coding_rate: CodingRate, max: u8) -> Option<BandDataRate> {
    rate(DataRate::LrFhss { modulation_type: 0, operating_channel_width: width, coding_rate }, max)
}

/// A data rate whose payload is not limited by dwell time.
pub(super) const fn rate(rate: DataRate, max: u8) -> Option<BandDataRate> {
    Some(BandDataRate {
        rate,
        max_mac_payload: max,
        max_mac_payload_dwell: max,
        max_mac_payload_repeater: if max < REPEATER_MAX { max } else { REPEATER_MAX },
    })
}

/// The offsets of TXPower 0 to `count` - 1, in steps of 2 dB.
pub(super) const fn tx_offsets(count: usize) -> &'static [i8] {
    TX_OFFSETS.split_at(count).0
}

const TX_OFFSETS: [i8; 16] =
    [0, -2, -4, -6, -8, -10, -12, -14, -16, -18, -20, -22, -24, -26, -28, -30];

/// The rule behind the tables of RX1: the uplink's data rate, moved by `shift` and less the offset, within `min` and `max`.
pub(super) struct Rx1Rule<const OFFSETS: usize> {
    /// The uplink data rates 0 to `rows` - 1.
    pub(super) rows: usize,
    /// What RX1DROffset takes away.
    pub(super) offsets: [i8; OFFSETS],
    /// From uplink to downlink data rates.
    pub(super) shift: i8,
    /// The lowest downlink data rate.
    pub(super) min: i8,
    /// The highest downlink data rate.
    pub(super) max: i8,
}

impl<const OFFSETS: usize> Rx1Rule<OFFSETS> {
    /// The table.
    pub(super) const fn table(self) -> Rx1Table {
        let mut table = [[NO_DATA_RATE; 8]; 16];
        let mut row = 0;
        while row < self.rows {
            let mut column = 0;
            while column < OFFSETS {
                let wanted = row as i8 + self.shift - self.offsets[column];
                let above = if wanted < self.min { self.min } else { wanted };
                table[row][column] = if above > self.max { self.max } else { above } as u8;
                column += 1;
            }
            row += 1;
        }
        table
    }
}

/// RX1 of the regions like EU863-870 with this many data rates.
pub(super) const fn rx1_six_offsets(rows: usize) -> Rx1Table {
    Rx1Rule { rows, offsets: [0, 1, 2, 3, 4, 5], shift: 0, min: 0, max: 7 }.table()
}

/// RX1 of the regions like AS923, where offsets 6 and 7 raise the data rate (RP002-1.0.5 §3.10.7).
pub(super) const fn rx1_eight_offsets(min: i8, max: i8) -> Rx1Table {
    Rx1Rule { rows: 16, offsets: [0, 1, 2, 3, 4, 5, -1, -2], shift: 0, min, max }.table()
}

/// The table with the row of data rate `to` as that of `from`.
pub(super) const fn same_row(mut table: Rx1Table, to: usize, from: usize) -> Rx1Table {
    table[to] = table[from];
    table
}

/// RX1 of the regions with data rates 0 to 7.
pub(super) static RX1_8: Rx1Table = rx1_six_offsets(8);

/// DR0 to DR5: SF12 to SF7 at 125 kHz.
pub(super) const LORA_125: [Option<BandDataRate>; 16] = {
    let mut rates = [None; 16];
    rates[0] = lora(12, 125_000, 59);
    rates[1] = lora(11, 125_000, 59);
    rates[2] = lora(10, 125_000, 59);
    rates[3] = lora(9, 125_000, 123);
    rates[4] = lora(8, 125_000, 250);
    rates[5] = lora(7, 125_000, 250);
    rates
};

/// With DR6, SF7 at 250 kHz, and DR7, FSK at 50 kbit/s.
pub(super) const LORA_AND_FSK: [Option<BandDataRate>; 16] = {
    let mut rates = LORA_125;
    rates[6] = lora(7, 250_000, 250);
    rates[7] = FSK_50;
    rates
};

/// With DR8 to DR11, LR-FHSS.
pub(super) const LORA_FSK_AND_LR_FHSS: [Option<BandDataRate>; 16] = {
    let mut rates = LORA_AND_FSK;
    rates[8] = lr_fhss(137_000, CodingRate::R1_3, 58);
    rates[9] = lr_fhss(137_000, CodingRate::R2_3, 123);
    rates[10] = lr_fhss(336_000, CodingRate::R1_3, 58);
    rates[11] = lr_fhss(336_000, CodingRate::R2_3, 123);
    rates
};

/// FSK at 50 kbit/s.
pub(super) const FSK_50: Option<BandDataRate> = rate(DataRate::Fsk { bit_rate: 50_000 }, 250);

//! How built-in plans are written down: like [`FrequencyPlan`], but `Copy`, so that a plan can extend another.
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

use ttn_core::radio::{DataRateIndex, Frequency};

use super::{
    FrequencyPlan, ListenBeforeTalk, PlanChannel, PlanDwellTime, PlanSubBand, Radio, RadioTx,
    SingleRateChannel,
};
use crate::band::{BandChannel, BandId};

/// A built-in plan. The fields are those of [`FrequencyPlan`].
#[derive(Clone, Copy)]
pub(super) struct Table {
    pub(super) id: &'static str,
    pub(super) name: &'static str,
    pub(super) base_id: Option<&'static str>,
    pub(super) base_frequency: u16,
    pub(super) gateways: bool,
    pub(super) band_id: BandId,
    pub(super) uplink_channels: &'static [PlanChannel],
    pub(super) downlink_channels: &'static [BandChannel],
    pub(super) lora_standard_channel: Option<SingleRateChannel>,
    pub(super) fsk_channel: Option<SingleRateChannel>,
    pub(super) sub_bands: &'static [PlanSubBand],
    pub(super) dwell_time: Option<PlanDwellTime>,
    pub(super) listen_before_talk: Option<ListenBeforeTalk>,
    pub(super) radios: &'static [Radio],
    pub(super) clock_source: u8,
    pub(super) rx2_frequency: Option<Frequency>,
    pub(super) rx2_default_data_rate: Option<DataRateIndex>,
    pub(super) max_eirp: Option<f32>,
}

/// What a plan without a base starts from.
pub(super) const EMPTY: Table = Table {
    id: "",
    name: "",
    base_id: None,
    base_frequency: 0,
    gateways: true,
    band_id: BandId::EU_863_870,
    uplink_channels: &[],
    downlink_channels: &[],
    lora_standard_channel: None,
    fsk_channel: None,
    sub_bands: &[],
    dwell_time: None,
    listen_before_talk: None,
    radios: &[],
    clock_source: 0,
    rx2_frequency: None,
    rx2_default_data_rate: None,
    max_eirp: None,
};

impl Table {
    /// The plan.
    pub(super) const fn plan(self) -> FrequencyPlan {
        FrequencyPlan {
            id: Cow::Borrowed(self.id),
            name: Cow::Borrowed(self.name),
            base_id: match self.base_id {
                Some(id) => Some(Cow::Borrowed(id)),
                None => None,
            },
            base_frequency: self.base_frequency,
            gateways: self.gateways,
            band_id: self.band_id,
            uplink_channels: Cow::Borrowed(self.uplink_channels),
            downlink_channels: Cow::Borrowed(self.downlink_channels),
            lora_standard_channel: self.lora_standard_channel,
            fsk_channel: self.fsk_channel,
            sub_bands: Cow::Borrowed(self.sub_bands),
            dwell_time: self.dwell_time,
            listen_before_talk: self.listen_before_talk,
            radios: Cow::Borrowed(self.radios),
            clock_source: self.clock_source,
            rx2_frequency: self.rx2_frequency,
            rx2_default_data_rate: self.rx2_default_data_rate,
            max_eirp: self.max_eirp,
        }
    }
}

/// Limits of 400 ms both ways.
pub(super) const DWELL_TIME: Option<PlanDwellTime> = dwell_time(Some(true), Some(true));

/// No limits.
pub(super) const NO_DWELL_TIME: Option<PlanDwellTime> =
    Some(PlanDwellTime { uplinks: Some(false), downlinks: Some(false), duration: None });

/// Limits of 400 ms.
pub(super) const fn dwell_time(
    uplinks: Option<bool>,
    downlinks: Option<bool>,
) -> Option<PlanDwellTime> {
    Some(PlanDwellTime { uplinks, downlinks, duration: Some(Duration::from_millis(400)) })
}

/// Listen before talk at -80 dBm.
pub(super) const fn listen(scan_time_us: u64) -> Option<ListenBeforeTalk> {
    Some(ListenBeforeTalk {
        rssi_target: -80.0,
        rssi_offset: -4.0,
        scan_time: Duration::from_micros(scan_time_us),
    })
}

/// Channels from data rate 0 to `max`: frequency and radio of each.
pub(super) const fn uplinks<const N: usize>(list: [(u64, u8); N], max: u8) -> [PlanChannel; N] {
    let mut channels = [channel(0, max, 0); N];
    let mut index = 0;
    while index < N {
        channels[index] = channel(list[index].0, max, list[index].1);
        index += 1;
    }
    channels
}

/// Eight channels 200 kHz apart, four on each radio.
pub(super) const fn block(first: u64, max: u8) -> [PlanChannel; 8] {
    let mut channels = [channel(first, max, 0); 8];
    let mut index = 0;
    while index < 8 {
        let radio = if index < 4 { 0 } else { 1 };
        channels[index] = channel(first + 200_000 * index as u64, max, radio);
        index += 1;
    }
    channels
}

/// The same frequencies and data rates for downlinks.
pub(super) const fn downlinks<const N: usize>(uplinks: [PlanChannel; N]) -> [BandChannel; N] {
    let mut channels = [BandChannel {
        frequency: Frequency::from_hz(0),
        min_data_rate: DataRateIndex::ZERO,
        max_data_rate: DataRateIndex::ZERO,
    }; N];
    let mut index = 0;
    while index < N {
        channels[index].frequency = uplinks[index].frequency;
        channels[index].max_data_rate = uplinks[index].max_data_rate;
        index += 1;
    }
    channels
}

/// The channel of a single-rate receiver.
pub(super) const fn single_rate(
    frequency: u64,
    data_rate: u8,
    radio: u8,
) -> Option<SingleRateChannel> {
    Some(SingleRateChannel {
        frequency: Frequency::from_hz(frequency),
        data_rate: DataRateIndex::from_low_bits(data_rate),
        radio,
    })
}

/// A sub-band: first and last frequency, duty cycle (0 to 1), maximum EIRP in dBm.
pub(super) const fn plan_sub_band(
    min: u64,
    max: u64,
    duty_cycle: Option<f32>,
    max_eirp: Option<f32>,
) -> PlanSubBand {
    PlanSubBand {
        min_frequency: Frequency::from_hz(min),
        max_frequency: Frequency::from_hz(max),
        duty_cycle,
        max_eirp,
    }
}

/// An SX1257.
pub(super) const fn radio(frequency: u64, tx: Option<RadioTx>) -> Radio {
    Radio {
        enable: true,
        chip_type: Cow::Borrowed("SX1257"),
        frequency: Frequency::from_hz(frequency),
        rssi_offset: -166.0,
        tx,
    }
}

/// An SX1255.
pub(super) const fn radio_sx1255(frequency: u64, tx: Option<RadioTx>) -> Radio {
    Radio {
        enable: true,
        chip_type: Cow::Borrowed("SX1255"),
        frequency: Frequency::from_hz(frequency),
        rssi_offset: -176.0,
        tx,
    }
}

/// What a radio can send.
pub(super) const fn tx(min: u64, max: u64) -> Option<RadioTx> {
    Some(RadioTx {
        min_frequency: Frequency::from_hz(min),
        max_frequency: Frequency::from_hz(max),
        notch_frequency: None,
    })
}

/// What a radio with a notch filter can send.
pub(super) const fn tx_notch(min: u64, max: u64, notch: u64) -> Option<RadioTx> {
    Some(RadioTx {
        min_frequency: Frequency::from_hz(min),
        max_frequency: Frequency::from_hz(max),
        notch_frequency: Some(Frequency::from_hz(notch)),
    })
}

const fn channel(frequency: u64, max: u8, radio: u8) -> PlanChannel {
    PlanChannel {
        frequency: Frequency::from_hz(frequency),
        min_data_rate: DataRateIndex::ZERO,
        max_data_rate: DataRateIndex::from_low_bits(max),
        radio,
    }
}

//! Bands as the API shows them (NS-106), and what holds for a device that sets nothing (NS-38).

use ttn_core::version::MacVersion;
use ttn_mac::{
    band::{Band, BandChannel, CfListType},
    engine::Engine,
    plan::FrequencyPlan,
    state::{AdrMode, MacSettings, STATUS_COUNT_DEFAULT, STATUS_TIME_DEFAULT},
};
use ttn_proto::{
    convert::duration,
    v3::{
        self, AdrAckLimitExponent,
        band_description::{
            self, BandDataRate, Beacon, Channel, RelayParameters, SubBandParameters,
            relay_parameters::RelayWorChannel,
        },
    },
};

use crate::shard::Defaults;

/// The settings that a device has in a plan if it sets none.
pub(super) fn default_settings(
    band: &Band,
    plan: &FrequencyPlan,
    defaults: &Defaults,
) -> MacSettings {
    let none = MacSettings::default();
    let engine = Engine::new(band, plan, &none, &defaults.settings, defaults.adr.as_ref());
    let slow = engine.new_otaa(MacVersion::V1_0_3).slow;
    let (current, desired) = (&slow.current, &slow.desired);
    let set = &defaults.settings;
    MacSettings {
        rx1_delay: Some(current.rx1_delay),
        rx1_dr_offset: Some(current.rx1_dr_offset),
        rx2_data_rate: Some(current.rx2_data_rate),
        rx2_frequency: Some(current.rx2_frequency),
        factory_preset_frequencies: current
            .channels
            .iter(band)
            .map(|(_, channel)| channel.uplink_frequency)
            .collect(),
        max_duty_cycle: Some(current.max_duty_cycle),
        supports_32_bit_f_cnt: set.supports_32_bit_f_cnt.or(Some(true)),
        resets_f_cnt: set.resets_f_cnt.or(Some(false)),
        uplink_dwell_time: current.uplink_dwell_time,
        downlink_dwell_time: current.downlink_dwell_time,
        desired_rx1_delay: Some(desired.rx1_delay),
        desired_rx1_dr_offset: Some(desired.rx1_dr_offset),
        desired_rx2_data_rate: Some(desired.rx2_data_rate),
        desired_rx2_frequency: Some(desired.rx2_frequency),
        desired_max_duty_cycle: Some(desired.max_duty_cycle),
        desired_max_eirp: Some(desired.max_eirp),
        desired_adr_ack_limit_exponent: Some(desired.adr_ack_limit_exponent),
        desired_adr_ack_delay_exponent: Some(desired.adr_ack_delay_exponent),
        desired_uplink_dwell_time: desired.uplink_dwell_time,
        desired_downlink_dwell_time: desired.downlink_dwell_time,
        adr: set.adr.or_else(|| Some(AdrMode::default())),
        schedule_downlinks: set.schedule_downlinks.or(Some(true)),
        status_time_periodicity: set.status_time_periodicity.or(Some(STATUS_TIME_DEFAULT)),
        status_count_periodicity: set.status_count_periodicity.or(Some(STATUS_COUNT_DEFAULT)),
        ping_slot_periodicity: set.ping_slot_periodicity,
        ping_slot_frequency: Some(current.ping_slot_frequency),
        ping_slot_data_rate: current.ping_slot_data_rate,
        beacon_frequency: Some(current.beacon_frequency),
        desired_ping_slot_frequency: Some(desired.ping_slot_frequency),
        desired_ping_slot_data_rate: desired.ping_slot_data_rate,
        desired_beacon_frequency: Some(desired.beacon_frequency),
        desired_rejoin_time_exponent: Some(desired.rejoin_time_exponent),
        desired_rejoin_count_exponent: Some(desired.rejoin_count_exponent),
        relay: current.relay.clone(),
        desired_relay: desired.relay.clone(),
    }
}

pub(super) fn band_to_api(band: &Band) -> v3::BandDescription {
    let channels = |channels: &[BandChannel]| channels.iter().map(channel).collect();
    let (delay, hertz) = (duration, |f: &ttn_core::radio::Frequency| f.hz());
    let frequencies = band.cf_list_type == CfListType::Frequencies;
    let cf_list_type =
        if frequencies { v3::CfListType::Frequencies } else { v3::CfListType::ChannelMasks };
    v3::BandDescription {
        id: band.id.as_str().to_owned(),
        beacon: Some(Beacon {
            data_rate_index: band.beacon.data_rate.get().into(),
            coding_rate: band.beacon.coding_rate.to_string(),
            frequencies: band.beacon.frequencies.iter().map(hertz).collect(),
        }),
        ping_slot_frequencies: band.ping_slot_frequencies.iter().map(hertz).collect(),
        max_uplink_channels: band.uplink_channels_max.into(),
        uplink_channels: channels(band.uplink_channels),
        max_downlink_channels: band.downlink_channels_max.into(),
        downlink_channels: channels(band.downlink_channels),
        sub_bands: band.sub_bands.iter().map(sub_band).collect(),
        data_rates: data_rates(band),
        freq_multiplier: u64::from(band.frequency_step.hz()),
        implements_cf_list: band.implements_cf_list,
        cf_list_type: cf_list_type.into(),
        receive_delay_1: Some(delay(band.receive_delay_1)),
        receive_delay_2: Some(delay(band.receive_delay_2)),
        join_accept_delay_1: Some(delay(band.join_accept_delay_1)),
        join_accept_delay_2: Some(delay(band.join_accept_delay_2)),
        max_fcnt_gap: band.max_f_cnt_gap.into(),
        supports_dynamic_adr: band.supports_dynamic_adr,
        adr_ack_limit: adr_ack_limit(band.adr_ack_limit).into(),
        min_retransmit_timeout: Some(delay(band.retransmit_timeout_min)),
        max_retransmit_timeout: Some(delay(band.retransmit_timeout_max)),
        tx_offset: band.tx_offsets.iter().map(|offset| f32::from(*offset)).collect(),
        max_adr_data_rate_index: band.max_adr_data_rate.get().into(),
        relay_forward_delay: Some(delay(band.relay_forward_delay)),
        relay_receive_delay: Some(delay(band.relay_receive_delay)),
        tx_param_setup_req_support: band.supports_tx_param_setup,
        default_max_eirp: band.default_max_eirp,
        default_rx2_parameters: Some(band_description::Rx2Parameters {
            data_rate_index: band.default_rx2.data_rate.get().into(),
            frequency: band.default_rx2.frequency.hz(),
        }),
        boot_dwell_time: Some(band_description::DwellTime {
            uplinks: band.boot_dwell_time.uplinks,
            downlinks: band.boot_dwell_time.downlinks,
        }),
        relay: relay(band),
    }
}

fn data_rates(band: &Band) -> std::collections::BTreeMap<u32, BandDataRate> {
    let numbered = (0_u32..).zip(&band.data_rates);
    let rates = numbered.filter_map(|(index, rate)| Some((index, rate.as_ref()?.rate)));
    rates.map(|(index, rate)| (index, BandDataRate { rate: Some(rate.into()) })).collect()
}

fn relay(band: &Band) -> Option<RelayParameters> {
    let wor_channels: Vec<_> = band
        .relay_wor_channels
        .iter()
        .map(|channel| RelayWorChannel {
            frequency: channel.frequency.hz(),
            ack_frequency: channel.ack_frequency.hz(),
            data_rate_index: channel.data_rate.get().into(),
        })
        .collect();
    (!wor_channels.is_empty()).then_some(RelayParameters { wor_channels })
}

fn channel(channel: &BandChannel) -> Channel {
    Channel {
        frequency: channel.frequency.hz(),
        min_data_rate: channel.min_data_rate.get().into(),
        max_data_rate: channel.max_data_rate.get().into(),
    }
}

fn sub_band(sub_band: &ttn_mac::band::SubBand) -> SubBandParameters {
    SubBandParameters {
        min_frequency: sub_band.min_frequency.hz(),
        max_frequency: sub_band.max_frequency.hz(),
        duty_cycle: sub_band.duty_cycle,
        max_eirp: sub_band.max_eirp,
    }
}

/// The exponent of the API: the value is a power of two.
fn adr_ack_limit(limit: u16) -> AdrAckLimitExponent {
    let exponent = limit.checked_ilog2().and_then(|exponent| i32::try_from(exponent).ok());
    AdrAckLimitExponent::try_from(exponent.unwrap_or_default()).unwrap_or_default()
}

//! MAC states as the API has them: shown, and imported with live sessions (NS-98).
//!
//! Histories of uplinks and downlinks, commands on their way and what belongs to class B and C are not imported: the
//! network asks again for what it needs.

use ttn_core::radio::{DataRateIndex, Frequency};
use ttn_mac::{
    band::{Band, CfListType, ChannelMask},
    frame::{CfList, DlSettings},
    state::{
        Channel, Channels, DeviceClass, Hot, JoinParameters, Parameters, PendingSession,
        REJECTED_FREQUENCIES_MAX, Session, SlowState,
    },
};
use ttn_proto::{
    convert::{ConvertError, mac_version, to_mac_version},
    v3::{self, mac_parameters, mac_state},
};

use super::{FromApiError, index_of};

pub(super) fn to_api(state: &SlowState, hot: &Hot) -> v3::MacState {
    v3::MacState {
        current_parameters: Some(parameters_to_api(&state.current)),
        desired_parameters: Some(parameters_to_api(&state.desired)),
        lorawan_version: mac_version(state.version).into(),
        last_dev_status_f_cnt_up: state.status.map_or(0, |status| status.f_cnt_up),
        rejected_frequencies: state.rejected.frequencies.iter().map(|f| f.hz()).collect(),
        rejected_adr_data_rate_indexes: bits(state.rejected.adr_data_rates)
            .map(i32::from)
            .collect(),
        rejected_adr_tx_power_indexes: bits(state.rejected.adr_tx_powers).map(u32::from).collect(),
        last_adr_change_f_cnt_up: hot.last_adr_change_f_cnt.unwrap_or(0),
        device_class: match state.class {
            DeviceClass::A => v3::Class::A,
            DeviceClass::B => v3::Class::B,
            DeviceClass::C => v3::Class::C,
        }
        .into(),
        ping_slot_periodicity: state
            .ping_slot_periodicity
            .map(|period| v3::PingSlotPeriodValue { value: period.into() }),
        ..v3::MacState::default()
    }
}

/// Takes a state over into that of a session.
///
/// # Errors
///
/// A number is out of its range.
pub(crate) fn import(
    state: &mut SlowState,
    hot: &mut Hot,
    message: &v3::MacState,
    band: &Band,
) -> Result<(), FromApiError> {
    if message.lorawan_version != 0 {
        state.version = to_mac_version(message.lorawan_version)?;
    }
    if let Some(current) = &message.current_parameters {
        state.current = parameters_from_api(current, &state.current, band)?;
    }
    if let Some(desired) = &message.desired_parameters {
        state.desired = parameters_from_api(desired, &state.desired, band)?;
    }
    let rejected = &mut state.rejected;
    rejected.frequencies = message
        .rejected_frequencies
        .iter()
        .take(REJECTED_FREQUENCIES_MAX)
        .map(|hz| Frequency::from_hz(*hz))
        .collect();
    rejected.adr_data_rates = mask(message.rejected_adr_data_rate_indexes.iter().copied());
    rejected.adr_tx_powers = mask(
        message
            .rejected_adr_tx_power_indexes
            .iter()
            .map(|index| i32::try_from(*index).unwrap_or(-1)),
    );
    hot.last_adr_change_f_cnt = Some(message.last_adr_change_f_cnt_up).filter(|f_cnt| *f_cnt > 0);
    Ok(())
}

pub(super) fn pending_to_api(pending: &PendingSession, state: &SlowState) -> v3::MacState {
    let parameters = &pending.parameters;
    let current = Parameters { channels: pending.channels.clone(), ..state.current.clone() };
    v3::MacState {
        lorawan_version: mac_version(state.version).into(),
        current_parameters: Some(parameters_to_api(&current)),
        pending_join_request: Some(mac_state::JoinRequest {
            downlink_settings: Some(v3::DlSettings {
                rx1_dr_offset: parameters.dl_settings.rx1_dr_offset.into(),
                rx2_dr: parameters.dl_settings.rx2_dr.get().into(),
                opt_neg: parameters.dl_settings.opt_neg,
            }),
            rx_delay: parameters.rx_delay.into(),
            cf_list: parameters.cf_list.as_ref().map(cf_list_to_api),
        }),
        ..v3::MacState::default()
    }
}

/// A session that was accepted and is not used yet, with what its join-accept says.
///
/// # Errors
///
/// Parts are missing, or a number is out of its range.
pub(crate) fn pending_from_api(
    session: Session,
    message: &v3::MacState,
    band: &Band,
) -> Result<PendingSession, FromApiError> {
    let accepted = message.queued_join_accept.as_ref().and_then(|accept| accept.request.as_ref());
    let request = message
        .pending_join_request
        .as_ref()
        .or(accepted)
        .ok_or(ConvertError::Missing { field: "pending_mac_state.pending_join_request" })?;
    let settings = request.downlink_settings.unwrap_or_default();
    let field = "pending_mac_state.pending_join_request";
    let small = |value: i32, max: u8| {
        u8::try_from(value).ok().filter(|value| *value <= max).ok_or(FromApiError::Range { field })
    };
    let channels = message.current_parameters.as_ref().filter(|of| !of.channels.is_empty());
    Ok(PendingSession {
        session,
        parameters: JoinParameters {
            rx_delay: small(request.rx_delay, 15)?,
            dl_settings: DlSettings {
                opt_neg: settings.opt_neg,
                rx1_dr_offset: small(settings.rx1_dr_offset, 7)?,
                rx2_dr: index_of(field, settings.rx2_dr)?,
            },
            cf_list: request.cf_list.as_ref().map(cf_list_from_api),
        },
        channels: match channels {
            Some(of) => channels_from_api(&of.channels, band)?,
            None => Channels::at_boot(band),
        },
        keeps_parameters: false,
    })
}

fn parameters_to_api(of: &Parameters) -> v3::MacParameters {
    let bool_value = |value: Option<bool>| value.map(|value| v3::BoolValue { value });
    v3::MacParameters {
        max_eirp: of.max_eirp,
        adr_data_rate_index: of.adr_data_rate.get().into(),
        adr_tx_power_index: of.adr_tx_power_index.into(),
        adr_nb_trans: of.adr_nb_trans.into(),
        rx1_delay: of.rx1_delay.into(),
        rx1_data_rate_offset: of.rx1_dr_offset.into(),
        rx2_data_rate_index: of.rx2_data_rate.get().into(),
        rx2_frequency: of.rx2_frequency.hz(),
        max_duty_cycle: of.max_duty_cycle.into(),
        adr_ack_limit_exponent: Some(v3::AdrAckLimitExponentValue {
            value: of.adr_ack_limit_exponent.into(),
        }),
        adr_ack_delay_exponent: Some(v3::AdrAckDelayExponentValue {
            value: of.adr_ack_delay_exponent.into(),
        }),
        uplink_dwell_time: bool_value(of.uplink_dwell_time),
        downlink_dwell_time: bool_value(of.downlink_dwell_time),
        ping_slot_frequency: of.ping_slot_frequency.hz(),
        ping_slot_data_rate_index_value: of
            .ping_slot_data_rate
            .map(|dr| v3::DataRateIndexValue { value: dr.get().into() }),
        beacon_frequency: of.beacon_frequency.hz(),
        rejoin_time_periodicity: of.rejoin_time_exponent.into(),
        rejoin_count_periodicity: of.rejoin_count_exponent.into(),
        channels: of
            .channels
            .list
            .iter()
            .zip(0_u8..)
            .filter_map(|(channel, index)| {
                let channel = (*channel)?;
                Some(mac_parameters::Channel {
                    uplink_frequency: channel.uplink_frequency.hz(),
                    downlink_frequency: channel.downlink_frequency.hz(),
                    min_data_rate_index: channel.min_data_rate.get().into(),
                    max_data_rate_index: channel.max_data_rate.get().into(),
                    enable_uplink: of.channels.enabled.contains(index),
                })
            })
            .collect(),
        ..v3::MacParameters::default()
    }
}

/// What the message leaves out stays as in `before`.
fn parameters_from_api(
    of: &v3::MacParameters,
    before: &Parameters,
    band: &Band,
) -> Result<Parameters, FromApiError> {
    let small = |field, value: i32, max: u8| {
        u8::try_from(value).ok().filter(|value| *value <= max).ok_or(FromApiError::Range { field })
    };
    let number = |field, value: u32, max: u8| {
        u8::try_from(value).ok().filter(|value| *value <= max).ok_or(FromApiError::Range { field })
    };
    let frequency = |hz, before| if hz == 0 { before } else { Frequency::from_hz(hz) };
    let yes = |value: &Option<v3::BoolValue>, before: Option<bool>| {
        value.as_ref().map(|value| value.value).or(before)
    };
    Ok(Parameters {
        max_eirp: if of.max_eirp == 0.0 { before.max_eirp } else { of.max_eirp },
        adr_data_rate: index_of("adr_data_rate_index", of.adr_data_rate_index)?,
        adr_tx_power_index: number("adr_tx_power_index", of.adr_tx_power_index, 15)?,
        adr_nb_trans: number("adr_nb_trans", of.adr_nb_trans, 15)?.max(1),
        adr_ack_limit_exponent: match &of.adr_ack_limit_exponent {
            Some(exponent) => small("adr_ack_limit_exponent", exponent.value, 15)?,
            None => before.adr_ack_limit_exponent,
        },
        adr_ack_delay_exponent: match &of.adr_ack_delay_exponent {
            Some(exponent) => small("adr_ack_delay_exponent", exponent.value, 15)?,
            None => before.adr_ack_delay_exponent,
        },
        rx1_delay: small("rx1_delay", of.rx1_delay, 15)?.max(1),
        rx1_dr_offset: small("rx1_data_rate_offset", of.rx1_data_rate_offset, 7)?,
        rx2_data_rate: index_of("rx2_data_rate_index", of.rx2_data_rate_index)?,
        rx2_frequency: frequency(of.rx2_frequency, before.rx2_frequency),
        max_duty_cycle: small("max_duty_cycle", of.max_duty_cycle, 15)?,
        uplink_dwell_time: yes(&of.uplink_dwell_time, before.uplink_dwell_time),
        downlink_dwell_time: yes(&of.downlink_dwell_time, before.downlink_dwell_time),
        ping_slot_frequency: frequency(of.ping_slot_frequency, before.ping_slot_frequency),
        ping_slot_data_rate: match &of.ping_slot_data_rate_index_value {
            Some(index) => Some(index_of("ping_slot_data_rate_index_value", index.value)?),
            None => before.ping_slot_data_rate,
        },
        beacon_frequency: frequency(of.beacon_frequency, before.beacon_frequency),
        rejoin_time_exponent: small("rejoin_time_periodicity", of.rejoin_time_periodicity, 15)?,
        rejoin_count_exponent: small("rejoin_count_periodicity", of.rejoin_count_periodicity, 15)?,
        relay: before.relay.clone(),
        channels: if of.channels.is_empty() {
            before.channels.clone()
        } else {
            channels_from_api(&of.channels, band)?
        },
    })
}

fn channels_from_api(
    list: &[mac_parameters::Channel],
    band: &Band,
) -> Result<Channels, FromApiError> {
    let field = "channels";
    let fixed = band.cf_list_type == CfListType::ChannelMasks;
    let max = if fixed { band.uplink_channels.len() } else { band.uplink_channels_max.into() };
    if list.len() > max {
        return Err(FromApiError::Range { field });
    }
    let enabled = (0_u8..).zip(list).filter(|(_, channel)| channel.enable_uplink);
    let enabled: ChannelMask = enabled.map(|(index, _)| index).collect();
    if fixed {
        return Ok(Channels { enabled, ..Channels::at_boot(band) });
    }
    let channel = |of: &mac_parameters::Channel| -> Result<Option<Channel>, FromApiError> {
        Ok((of.uplink_frequency != 0).then_some(Channel {
            uplink_frequency: Frequency::from_hz(of.uplink_frequency),
            downlink_frequency: Frequency::from_hz(of.downlink_frequency),
            min_data_rate: index_of(field, of.min_data_rate_index)?,
            max_data_rate: index_of(field, of.max_data_rate_index)?,
        }))
    };
    Ok(Channels { list: list.iter().map(channel).collect::<Result<_, _>>()?, enabled })
}

fn cf_list_to_api(list: &CfList) -> v3::CfList {
    match list {
        CfList::ChannelMasks(masks) => v3::CfList {
            r#type: v3::CfListType::ChannelMasks.into(),
            freq: Vec::new(),
            ch_masks: masks
                .iter()
                .flat_map(|mask| (0..16).map(move |bit| mask & (1 << bit) != 0))
                .collect(),
        },
        // In units of 100 Hz, as in the frame.
        CfList::Frequencies(frequencies) => v3::CfList {
            r#type: v3::CfListType::Frequencies.into(),
            freq: frequencies
                .iter()
                .map(|frequency| u32::try_from(frequency.hz() / 100).unwrap_or_default())
                .collect(),
            ch_masks: Vec::new(),
        },
    }
}

fn cf_list_from_api(list: &v3::CfList) -> CfList {
    if list.r#type == i32::from(v3::CfListType::ChannelMasks) {
        let mut masks = [0_u16; 6];
        for (at, on) in list.ch_masks.iter().take(96).enumerate() {
            if let (true, Some(mask)) = (*on, masks.get_mut(at / 16)) {
                *mask |= 1 << (at % 16);
            }
        }
        return CfList::ChannelMasks(masks);
    }
    let mut frequencies = [Frequency::default(); 5];
    for (to, from) in frequencies.iter_mut().zip(&list.freq) {
        *to = Frequency::from_hz(u64::from(*from) * 100);
    }
    CfList::Frequencies(frequencies)
}

fn bits(mask: u16) -> impl Iterator<Item = u8> {
    (0..16).filter(move |bit| mask & (1 << bit) != 0)
}

fn mask(indexes: impl Iterator<Item = i32>) -> u16 {
    let bits = indexes.filter_map(|index| DataRateIndex::new(u8::try_from(index).ok()?));
    bits.fold(0, |mask, index| mask | (1 << index.get()))
}

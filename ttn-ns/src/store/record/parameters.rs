//! MAC settings and the slow part of the MAC state, to and from protobuf.

use std::time::Duration;

use ttn_core::{
    radio::{DataRateIndex, Frequency},
    time::Timestamp,
    vault::VaultError,
    version::{MacVersion, PhyVersion},
};
use ttn_mac::{
    band::ChannelMask,
    command::{self, Command, Direction},
    frame::{CfList, DlSettings, FrequencyStep},
    state::{
        AdrDynamic, AdrMode, AdrStatic, Channel, Channels, DeviceClass, DeviceStatus, ForceRejoin,
        JoinParameters, MacSettings, Parameters, PendingSession, Rejected, SlowState,
    },
};

use super::{RecordError, Sealer, relay, session_from_wire, session_to_wire, wire};

pub(super) fn mac_version(name: &str) -> Result<MacVersion, RecordError> {
    MacVersion::ALL
        .into_iter()
        .find(|version| version.to_string() == name)
        .ok_or(RecordError::Field { field: "LoRaWAN version" })
}

pub(super) fn phy_version(name: &str) -> Result<PhyVersion, RecordError> {
    PhyVersion::ALL
        .into_iter()
        .find(|version| version.name() == name)
        .ok_or(RecordError::Field { field: "Regional Parameters version" })
}

pub(super) fn settings_to_wire(of: &MacSettings) -> wire::Settings {
    wire::Settings {
        rx1_delay: of.rx1_delay.map(Into::into),
        rx1_dr_offset: of.rx1_dr_offset.map(Into::into),
        rx2_data_rate: of.rx2_data_rate.map(|dr| dr.get().into()),
        rx2_frequency: of.rx2_frequency.map(Frequency::hz),
        factory_preset_frequencies: hertz(&of.factory_preset_frequencies),
        max_duty_cycle: of.max_duty_cycle.map(Into::into),
        supports_32_bit_f_cnt: of.supports_32_bit_f_cnt,
        resets_f_cnt: of.resets_f_cnt,
        uplink_dwell_time: of.uplink_dwell_time,
        downlink_dwell_time: of.downlink_dwell_time,
        desired_rx1_delay: of.desired_rx1_delay.map(Into::into),
        desired_rx1_dr_offset: of.desired_rx1_dr_offset.map(Into::into),
        desired_rx2_data_rate: of.desired_rx2_data_rate.map(|dr| dr.get().into()),
        desired_rx2_frequency: of.desired_rx2_frequency.map(Frequency::hz),
        desired_max_duty_cycle: of.desired_max_duty_cycle.map(Into::into),
        desired_max_eirp: of.desired_max_eirp,
        desired_adr_ack_limit_exponent: of.desired_adr_ack_limit_exponent.map(Into::into),
        desired_adr_ack_delay_exponent: of.desired_adr_ack_delay_exponent.map(Into::into),
        desired_uplink_dwell_time: of.desired_uplink_dwell_time,
        desired_downlink_dwell_time: of.desired_downlink_dwell_time,
        adr: of.adr.as_ref().map(adr_to_wire),
        schedule_downlinks: of.schedule_downlinks,
        status_time_periodicity_ns: of
            .status_time_periodicity
            .map(|period| u64::try_from(period.as_nanos()).unwrap_or(u64::MAX)),
        status_count_periodicity: of.status_count_periodicity,
        ping_slot_periodicity: of.ping_slot_periodicity.map(Into::into),
        ping_slot_frequency: of.ping_slot_frequency.map(Frequency::hz),
        ping_slot_data_rate: of.ping_slot_data_rate.map(|dr| dr.get().into()),
        beacon_frequency: of.beacon_frequency.map(Frequency::hz),
        desired_ping_slot_frequency: of.desired_ping_slot_frequency.map(Frequency::hz),
        desired_ping_slot_data_rate: of.desired_ping_slot_data_rate.map(|dr| dr.get().into()),
        desired_beacon_frequency: of.desired_beacon_frequency.map(Frequency::hz),
        desired_rejoin_time_exponent: of.desired_rejoin_time_exponent.map(Into::into),
        desired_rejoin_count_exponent: of.desired_rejoin_count_exponent.map(Into::into),
        relay: of.relay.as_ref().map(relay::to_wire),
        desired_relay: of.desired_relay.as_ref().map(relay::to_wire),
    }
}

pub(super) fn settings_from_wire(of: &wire::Settings) -> Result<MacSettings, RecordError> {
    Ok(MacSettings {
        rx1_delay: octet_opt(of.rx1_delay)?,
        rx1_dr_offset: octet_opt(of.rx1_dr_offset)?,
        rx2_data_rate: data_rate_opt(of.rx2_data_rate)?,
        rx2_frequency: of.rx2_frequency.map(Frequency::from_hz),
        factory_preset_frequencies: frequencies(&of.factory_preset_frequencies),
        max_duty_cycle: octet_opt(of.max_duty_cycle)?,
        supports_32_bit_f_cnt: of.supports_32_bit_f_cnt,
        resets_f_cnt: of.resets_f_cnt,
        uplink_dwell_time: of.uplink_dwell_time,
        downlink_dwell_time: of.downlink_dwell_time,
        desired_rx1_delay: octet_opt(of.desired_rx1_delay)?,
        desired_rx1_dr_offset: octet_opt(of.desired_rx1_dr_offset)?,
        desired_rx2_data_rate: data_rate_opt(of.desired_rx2_data_rate)?,
        desired_rx2_frequency: of.desired_rx2_frequency.map(Frequency::from_hz),
        desired_max_duty_cycle: octet_opt(of.desired_max_duty_cycle)?,
        desired_max_eirp: of.desired_max_eirp,
        desired_adr_ack_limit_exponent: octet_opt(of.desired_adr_ack_limit_exponent)?,
        desired_adr_ack_delay_exponent: octet_opt(of.desired_adr_ack_delay_exponent)?,
        desired_uplink_dwell_time: of.desired_uplink_dwell_time,
        desired_downlink_dwell_time: of.desired_downlink_dwell_time,
        adr: of.adr.as_ref().map(adr_from_wire).transpose()?,
        schedule_downlinks: of.schedule_downlinks,
        status_time_periodicity: of.status_time_periodicity_ns.map(Duration::from_nanos),
        status_count_periodicity: of.status_count_periodicity,
        ping_slot_periodicity: octet_opt(of.ping_slot_periodicity)?,
        ping_slot_frequency: of.ping_slot_frequency.map(Frequency::from_hz),
        ping_slot_data_rate: data_rate_opt(of.ping_slot_data_rate)?,
        beacon_frequency: of.beacon_frequency.map(Frequency::from_hz),
        desired_ping_slot_frequency: of.desired_ping_slot_frequency.map(Frequency::from_hz),
        desired_ping_slot_data_rate: data_rate_opt(of.desired_ping_slot_data_rate)?,
        desired_beacon_frequency: of.desired_beacon_frequency.map(Frequency::from_hz),
        desired_rejoin_time_exponent: octet_opt(of.desired_rejoin_time_exponent)?,
        desired_rejoin_count_exponent: octet_opt(of.desired_rejoin_count_exponent)?,
        relay: of.relay.as_ref().map(relay::from_wire).transpose()?,
        desired_relay: of.desired_relay.as_ref().map(relay::from_wire).transpose()?,
    })
}

fn adr_to_wire(adr: &AdrMode) -> wire::Adr {
    match adr {
        AdrMode::Dynamic(limits) => wire::Adr {
            mode: 1,
            margin: limits.margin,
            min_data_rate: limits.min_data_rate.map(|dr| dr.get().into()),
            max_data_rate: limits.max_data_rate.map(|dr| dr.get().into()),
            min_tx_power_index: limits.min_tx_power_index.map(Into::into),
            max_tx_power_index: limits.max_tx_power_index.map(Into::into),
            min_nb_trans: limits.min_nb_trans.map(Into::into),
            max_nb_trans: limits.max_nb_trans.map(Into::into),
            steer_narrow: limits.steer_narrow,
            ..wire::Adr::default()
        },
        AdrMode::Static(fixed) => wire::Adr {
            mode: 2,
            data_rate: fixed.data_rate.get().into(),
            tx_power_index: fixed.tx_power_index.into(),
            nb_trans: fixed.nb_trans.into(),
            ..wire::Adr::default()
        },
        _ => wire::Adr::default(),
    }
}

fn adr_from_wire(adr: &wire::Adr) -> Result<AdrMode, RecordError> {
    Ok(match adr.mode {
        0 => AdrMode::Disabled,
        1 => AdrMode::Dynamic(AdrDynamic {
            margin: adr.margin,
            min_data_rate: data_rate_opt(adr.min_data_rate)?,
            max_data_rate: data_rate_opt(adr.max_data_rate)?,
            min_tx_power_index: octet_opt(adr.min_tx_power_index)?,
            max_tx_power_index: octet_opt(adr.max_tx_power_index)?,
            min_nb_trans: octet_opt(adr.min_nb_trans)?,
            max_nb_trans: octet_opt(adr.max_nb_trans)?,
            steer_narrow: adr.steer_narrow,
        }),
        2 => AdrMode::Static(AdrStatic {
            data_rate: data_rate(adr.data_rate)?,
            tx_power_index: octet(adr.tx_power_index)?,
            nb_trans: octet(adr.nb_trans)?,
        }),
        _ => return Err(RecordError::Field { field: "ADR mode" }),
    })
}

pub(super) fn state_to_wire(of: &SlowState, sealer: &Sealer) -> Result<wire::State, VaultError> {
    let (step, pending_requests) = commands_to_wire(&of.pending_requests);
    let (requests_step, requests) = commands_to_wire(&of.rejected.requests);
    Ok(wire::State {
        version: of.version.to_string(),
        supports_join: of.supports_join,
        session: match &of.session {
            Some(session) => Some(session_to_wire(session, sealer)?),
            None => None,
        },
        pending_session: match &of.pending_session {
            Some(pending) => Some(pending_to_wire(pending, sealer)?),
            None => None,
        },
        current: Some(parameters_to_wire(&of.current)),
        desired: Some(parameters_to_wire(&of.desired)),
        pending_requests,
        frequency_step: step.hz(),
        rejected: Some(wire::Rejected {
            adr_data_rates: of.rejected.adr_data_rates.into(),
            adr_tx_powers: of.rejected.adr_tx_powers.into(),
            frequencies: hertz(&of.rejected.frequencies),
            rx1_dr_offsets: of.rejected.rx1_dr_offsets.into(),
            rx2_data_rates: of.rejected.rx2_data_rates.into(),
            channel_data_rates: of.rejected.channel_data_rates.into(),
            channel_mask: of.rejected.channel_mask.map(|mask| mask.bits().to_le_bytes().to_vec()),
            ping_slot_data_rates: of.rejected.ping_slot_data_rates.into(),
            requests,
            requests_frequency_step: requests_step.hz(),
        }),
        status: of.status.map(|status| wire::Status {
            battery: status.battery.into(),
            margin: status.margin.into(),
            received_at: status.received_at.unix_nanos(),
            f_cnt_up: status.f_cnt_up,
        }),
        class: match of.class {
            DeviceClass::A => 0,
            DeviceClass::B => 1,
            DeviceClass::C => 2,
        },
        ping_slot_periodicity: of.ping_slot_periodicity.map(Into::into),
        force_rejoin: of.force_rejoin.map(|wanted| wire::ForceRejoin {
            period_exponent: wanted.period_exponent.into(),
            max_retries: wanted.max_retries.into(),
            rejoin_type: wanted.rejoin_type.into(),
            data_rate: wanted.data_rate.get().into(),
        }),
        rejoin_count_0: of.rejoin_count_0.map(Into::into),
    })
}

pub(super) fn state_from_wire(of: &wire::State, sealer: &Sealer) -> Result<SlowState, RecordError> {
    let missing = |field| move || RecordError::Field { field };
    let rejected = of.rejected.clone().unwrap_or_default();
    let mut state = SlowState {
        version: mac_version(&of.version)?,
        supports_join: of.supports_join,
        session: None,
        pending_session: None,
        current: parameters_from_wire(
            of.current.as_ref().ok_or_else(missing("current parameters"))?,
        )?,
        desired: parameters_from_wire(
            of.desired.as_ref().ok_or_else(missing("desired parameters"))?,
        )?,
        pending_requests: Vec::new(),
        rejected: Rejected {
            adr_data_rates: short(rejected.adr_data_rates)?,
            adr_tx_powers: short(rejected.adr_tx_powers)?,
            frequencies: frequencies(&rejected.frequencies),
            rx1_dr_offsets: octet(rejected.rx1_dr_offsets)?,
            rx2_data_rates: short(rejected.rx2_data_rates)?,
            channel_data_rates: short(rejected.channel_data_rates)?,
            channel_mask: rejected.channel_mask.as_deref().map(channel_mask).transpose()?,
            ping_slot_data_rates: short(rejected.ping_slot_data_rates)?,
            requests: commands_from_wire(rejected.requests_frequency_step, &rejected.requests)?,
        },
        status: None,
        class: match of.class {
            0 => DeviceClass::A,
            1 => DeviceClass::B,
            2 => DeviceClass::C,
            _ => return Err(RecordError::Field { field: "class" }),
        },
        ping_slot_periodicity: octet_opt(of.ping_slot_periodicity)?,
        force_rejoin: None,
        rejoin_count_0: None,
    };
    own_state_from_wire(of, sealer, &mut state)?;
    Ok(state)
}

/// What no two devices have in common.
pub(super) fn own_state_from_wire(
    of: &wire::State,
    sealer: &Sealer,
    state: &mut SlowState,
) -> Result<(), RecordError> {
    let pending = of.pending_session.as_ref();
    state.session = of.session.as_ref().map(|s| session_from_wire(s, sealer)).transpose()?;
    state.pending_session = pending.map(|p| pending_from_wire(p, sealer)).transpose()?;
    state.pending_requests = commands_from_wire(of.frequency_step, &of.pending_requests)?;
    state.status = of.status.as_ref().map(status_from_wire).transpose()?;
    state.force_rejoin = of.force_rejoin.as_ref().map(force_rejoin_from_wire).transpose()?;
    state.rejoin_count_0 = of.rejoin_count_0.map(short).transpose()?;
    Ok(())
}

fn force_rejoin_from_wire(of: &wire::ForceRejoin) -> Result<ForceRejoin, RecordError> {
    Ok(ForceRejoin {
        period_exponent: octet(of.period_exponent)?,
        max_retries: octet(of.max_retries)?,
        rejoin_type: octet(of.rejoin_type)?,
        data_rate: data_rate(of.data_rate)?,
    })
}

fn status_from_wire(status: &wire::Status) -> Result<DeviceStatus, RecordError> {
    Ok(DeviceStatus {
        battery: octet(status.battery)?,
        margin: i8::try_from(status.margin).map_err(|_| RecordError::Field { field: "margin" })?,
        received_at: Timestamp::from_unix_nanos(status.received_at),
        f_cnt_up: status.f_cnt_up,
    })
}

/// Frequencies of 2.4 GHz only fit in steps of 200 Hz.
fn commands_to_wire(commands: &[Command]) -> (FrequencyStep, Vec<u8>) {
    let encode = |step: FrequencyStep| {
        let mut octets = Vec::new();
        commands
            .iter()
            .try_for_each(|command| command.encode(step, &mut octets))
            .is_ok()
            .then_some((step, octets))
    };
    // A request that was sent fits one of both.
    encode(FrequencyStep::Hz100)
        .or_else(|| encode(FrequencyStep::Hz200))
        .unwrap_or((FrequencyStep::Hz100, Vec::new()))
}

fn commands_from_wire(step: u32, octets: &[u8]) -> Result<Vec<Command>, RecordError> {
    let step =
        if step == FrequencyStep::Hz200.hz() { FrequencyStep::Hz200 } else { FrequencyStep::Hz100 };
    command::parse(Direction::Downlink, step, octets)
        .collect::<Result<_, _>>()
        .map_err(|_| RecordError::Field { field: "pending requests" })
}

fn pending_to_wire(
    pending: &PendingSession,
    sealer: &Sealer,
) -> Result<wire::PendingSession, VaultError> {
    let parameters = &pending.parameters;
    let (cf_list_frequencies, cf_list_masks) = match &parameters.cf_list {
        Some(CfList::Frequencies(list)) => (hertz(list), Vec::new()),
        Some(CfList::ChannelMasks(masks)) => {
            (Vec::new(), masks.iter().map(|mask| u32::from(*mask)).collect())
        }
        None => (Vec::new(), Vec::new()),
    };
    Ok(wire::PendingSession {
        session: Some(session_to_wire(&pending.session, sealer)?),
        rx_delay: parameters.rx_delay.into(),
        opt_neg: parameters.dl_settings.opt_neg,
        rx1_dr_offset: parameters.dl_settings.rx1_dr_offset.into(),
        rx2_dr: parameters.dl_settings.rx2_dr.get().into(),
        cf_list_frequencies,
        cf_list_masks,
        channels: Some(channels_to_wire(&pending.channels)),
        keeps_parameters: pending.keeps_parameters,
    })
}

fn pending_from_wire(
    pending: &wire::PendingSession,
    sealer: &Sealer,
) -> Result<PendingSession, RecordError> {
    let field = |field| RecordError::Field { field };
    let cf_list = match (pending.cf_list_frequencies.len(), pending.cf_list_masks.len()) {
        (0, 0) => None,
        (5, 0) => {
            let mut list = [Frequency::default(); 5];
            for (to, hz) in list.iter_mut().zip(&pending.cf_list_frequencies) {
                *to = Frequency::from_hz(*hz);
            }
            Some(CfList::Frequencies(list))
        }
        (0, 6) => {
            let mut masks = [0; 6];
            for (to, mask) in masks.iter_mut().zip(&pending.cf_list_masks) {
                *to = short(*mask)?;
            }
            Some(CfList::ChannelMasks(masks))
        }
        _ => return Err(field("CFList")),
    };
    Ok(PendingSession {
        session: session_from_wire(
            pending.session.as_ref().ok_or_else(|| field("pending session"))?,
            sealer,
        )?,
        parameters: JoinParameters {
            rx_delay: octet(pending.rx_delay)?,
            dl_settings: DlSettings {
                opt_neg: pending.opt_neg,
                rx1_dr_offset: octet(pending.rx1_dr_offset)?,
                rx2_dr: data_rate(pending.rx2_dr)?,
            },
            cf_list,
        },
        channels: channels_from_wire(pending.channels.as_ref())?,
        keeps_parameters: pending.keeps_parameters,
    })
}

fn parameters_to_wire(of: &Parameters) -> wire::Parameters {
    wire::Parameters {
        max_eirp: of.max_eirp,
        adr_data_rate: of.adr_data_rate.get().into(),
        adr_tx_power_index: of.adr_tx_power_index.into(),
        adr_nb_trans: of.adr_nb_trans.into(),
        adr_ack_limit_exponent: of.adr_ack_limit_exponent.into(),
        adr_ack_delay_exponent: of.adr_ack_delay_exponent.into(),
        rx1_delay: of.rx1_delay.into(),
        rx1_dr_offset: of.rx1_dr_offset.into(),
        rx2_data_rate: of.rx2_data_rate.get().into(),
        rx2_frequency: of.rx2_frequency.hz(),
        max_duty_cycle: of.max_duty_cycle.into(),
        uplink_dwell_time: of.uplink_dwell_time,
        downlink_dwell_time: of.downlink_dwell_time,
        channels: Some(channels_to_wire(&of.channels)),
        ping_slot_frequency: of.ping_slot_frequency.hz(),
        ping_slot_data_rate: of.ping_slot_data_rate.map(|dr| dr.get().into()),
        beacon_frequency: of.beacon_frequency.hz(),
        rejoin_time_exponent: of.rejoin_time_exponent.into(),
        rejoin_count_exponent: of.rejoin_count_exponent.into(),
        relay: of.relay.as_ref().map(relay::to_wire),
    }
}

fn parameters_from_wire(of: &wire::Parameters) -> Result<Parameters, RecordError> {
    Ok(Parameters {
        max_eirp: of.max_eirp,
        adr_data_rate: data_rate(of.adr_data_rate)?,
        adr_tx_power_index: octet(of.adr_tx_power_index)?,
        adr_nb_trans: octet(of.adr_nb_trans)?,
        adr_ack_limit_exponent: octet(of.adr_ack_limit_exponent)?,
        adr_ack_delay_exponent: octet(of.adr_ack_delay_exponent)?,
        rx1_delay: octet(of.rx1_delay)?,
        rx1_dr_offset: octet(of.rx1_dr_offset)?,
        rx2_data_rate: data_rate(of.rx2_data_rate)?,
        rx2_frequency: Frequency::from_hz(of.rx2_frequency),
        max_duty_cycle: octet(of.max_duty_cycle)?,
        uplink_dwell_time: of.uplink_dwell_time,
        downlink_dwell_time: of.downlink_dwell_time,
        channels: channels_from_wire(of.channels.as_ref())?,
        ping_slot_frequency: Frequency::from_hz(of.ping_slot_frequency),
        ping_slot_data_rate: data_rate_opt(of.ping_slot_data_rate)?,
        beacon_frequency: Frequency::from_hz(of.beacon_frequency),
        rejoin_time_exponent: octet(of.rejoin_time_exponent)?,
        rejoin_count_exponent: octet(of.rejoin_count_exponent)?,
        relay: of.relay.as_ref().map(relay::from_wire).transpose()?,
    })
}

fn channels_to_wire(channels: &Channels) -> wire::Channels {
    let bits = channels.enabled.bits();
    wire::Channels {
        list: channels
            .list
            .iter()
            .map(|channel| {
                channel.map_or_else(wire::Channel::default, |channel| wire::Channel {
                    uplink_frequency: channel.uplink_frequency.hz(),
                    downlink_frequency: channel.downlink_frequency.hz(),
                    min_data_rate: channel.min_data_rate.get().into(),
                    max_data_rate: channel.max_data_rate.get().into(),
                })
            })
            .collect(),
        enabled_low: bits as u64,
        enabled_high: (bits >> 64) as u64,
    }
}

fn channels_from_wire(channels: Option<&wire::Channels>) -> Result<Channels, RecordError> {
    let channels = channels.ok_or(RecordError::Field { field: "channels" })?;
    let mut list = Vec::with_capacity(channels.list.len());
    for channel in &channels.list {
        list.push(if channel.uplink_frequency == 0 {
            None
        } else {
            Some(Channel {
                uplink_frequency: Frequency::from_hz(channel.uplink_frequency),
                downlink_frequency: Frequency::from_hz(channel.downlink_frequency),
                min_data_rate: data_rate(channel.min_data_rate)?,
                max_data_rate: data_rate(channel.max_data_rate)?,
            })
        });
    }
    let bits = u128::from(channels.enabled_low) | (u128::from(channels.enabled_high) << 64);
    Ok(Channels { list, enabled: ChannelMask::from_bits(bits) })
}

fn channel_mask(octets: &[u8]) -> Result<ChannelMask, RecordError> {
    <[u8; 16]>::try_from(octets)
        .map(|octets| ChannelMask::from_bits(u128::from_le_bytes(octets)))
        .map_err(|_| RecordError::Field { field: "channel mask" })
}

fn hertz(frequencies: &[Frequency]) -> Vec<u64> {
    frequencies.iter().map(|frequency| frequency.hz()).collect()
}

fn frequencies(hertz: &[u64]) -> Vec<Frequency> {
    hertz.iter().map(|hz| Frequency::from_hz(*hz)).collect()
}

pub(super) fn octet(number: u32) -> Result<u8, RecordError> {
    u8::try_from(number).map_err(|_| RecordError::Field { field: "small number" })
}

fn short(number: u32) -> Result<u16, RecordError> {
    u16::try_from(number).map_err(|_| RecordError::Field { field: "bit set" })
}

fn octet_opt(number: Option<u32>) -> Result<Option<u8>, RecordError> {
    number.map(octet).transpose()
}

pub(super) fn data_rate(number: u32) -> Result<DataRateIndex, RecordError> {
    u8::try_from(number)
        .ok()
        .and_then(DataRateIndex::new)
        .ok_or(RecordError::Field { field: "data rate" })
}

fn data_rate_opt(number: Option<u32>) -> Result<Option<DataRateIndex>, RecordError> {
    number.map(data_rate).transpose()
}

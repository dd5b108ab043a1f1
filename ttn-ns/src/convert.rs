//! Devices as the API has them. The waiting times of class B and C are kept and given back, but not acted on yet; settings
//! of relays are neither kept nor given back.

pub(crate) mod state;

use ttn_core::{
    addr::DevAddr,
    key::{KeyEnvelope, SessionKeyId},
    radio::{DataRateIndex, Frequency},
    time::Timestamp,
    vault::VaultError,
};
use ttn_mac::{
    session::NetworkKeys,
    state::{AdrDynamic, AdrMode, AdrStatic, Hot, MacSettings, Session},
};
use ttn_proto::{
    convert::{
        ConvertError, duration, mac_version, phy_version, timestamp, to_duration, to_mac_version,
        to_phy_version, to_timestamp,
    },
    v3::{
        self,
        adr_settings::{
            self,
            dynamic_mode::{ChannelSteeringSettings, channel_steering_settings},
        },
    },
};

use crate::{
    device::{ClassSettings, Device},
    shard::DeviceView,
    store::Sealer,
};

/// A message that is no device.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FromApiError {
    /// A field is missing or malformed.
    #[error(transparent)]
    Field(#[from] ConvertError),
    /// A number is out of its range.
    #[error("the field `{field}` is out of its range")]
    Range {
        /// Which field.
        field: &'static str,
    },
    /// A session key cannot be unwrapped.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

/// A device as the API shows it, keys in clear text: callers filter what may not be seen.
#[must_use]
pub fn to_api(view: &DeviceView) -> v3::EndDevice {
    let device = &view.device;
    let state = device.state.as_ref();
    let session = state.and_then(|state| state.session.as_ref());
    let pending = state.and_then(|state| state.pending_session.as_ref());
    let status = state.and_then(|state| state.status);
    v3::EndDevice {
        ids: Some((&device.ids).into()),
        created_at: Some(timestamp(device.created_at)),
        updated_at: Some(timestamp(device.updated_at)),
        supports_class_b: device.supports_class_b,
        supports_class_c: device.supports_class_c,
        supports_join: device.supports_join,
        multicast: device.multicast,
        lorawan_version: mac_version(device.mac_version).into(),
        lorawan_phy_version: phy_version(device.phy_version).into(),
        frequency_plan_id: device.frequency_plan_id.to_string(),
        mac_settings: Some(with_class_settings(
            settings_to_api(&device.settings),
            &device.class_settings,
        )),
        mac_state: session.and(state).map(|state| state::to_api(state, &view.hot)),
        pending_mac_state: pending
            .zip(state)
            .map(|(pending, state)| state::pending_to_api(pending, state)),
        session: session.map(|session| session_to_api(session, Some(view))),
        pending_session: pending.map(|pending| session_to_api(&pending.session, None)),
        last_dev_status_received_at: status.map(|status| timestamp(status.received_at)),
        battery_percentage: status
            .filter(|status| (1..255).contains(&status.battery))
            .map(|status| f32::from(status.battery - 1) / 253.0),
        downlink_margin: status.map_or(0, |status| status.margin.into()),
        ..v3::EndDevice::default()
    }
}

fn session_to_api(session: &Session, view: Option<&DeviceView>) -> v3::Session {
    let hot = view.map(|view| view.hot).unwrap_or_default();
    let envelope = |key: &ttn_core::key::Aes128Key| Some((&KeyEnvelope::Clear(key.clone())).into());
    let queue = view.map(|view| view.queue.as_slice()).unwrap_or_default();
    v3::Session {
        dev_addr: session.dev_addr.to_be_bytes().to_vec(),
        keys: Some(v3::SessionKeys {
            session_key_id: session.session_key_id.as_bytes().to_vec(),
            f_nwk_s_int_key: envelope(&session.keys.f_nwk_s_int_key),
            s_nwk_s_int_key: envelope(&session.keys.s_nwk_s_int_key),
            nwk_s_enc_key: envelope(&session.keys.nwk_s_enc_key),
            app_s_key: None,
        }),
        last_f_cnt_up: hot.f_cnt_up.unwrap_or(0),
        last_n_f_cnt_down: hot.n_f_cnt_down.unwrap_or(0),
        last_a_f_cnt_down: hot.a_f_cnt_down.unwrap_or(0),
        last_conf_f_cnt_down: hot.conf_f_cnt_down.unwrap_or(0),
        started_at: Some(timestamp(session.started_at)),
        queued_application_downlinks: queue.iter().map(Into::into).collect(),
    }
}

/// The part of a message that the owner of a device sets. The state is that of `existing`.
///
/// # Errors
///
/// A field is missing or malformed.
pub fn from_api(
    message: &v3::EndDevice,
    existing: Option<&DeviceView>,
) -> Result<Device, FromApiError> {
    let ids = message.ids.as_ref().ok_or(ConvertError::Missing { field: "ids" })?;
    let plan = message.frequency_plan_id.parse().map_err(|error: ttn_core::id::IdError| {
        ConvertError::Malformed { field: "frequency_plan_id", reason: error.to_string() }
    })?;
    let mut device = Device::new(
        ids.try_into()?,
        plan,
        to_mac_version(message.lorawan_version)?,
        to_phy_version(message.lorawan_phy_version)?,
    );
    device.supports_join = message.supports_join;
    device.supports_class_b = message.supports_class_b;
    device.supports_class_c = message.supports_class_c;
    device.multicast = message.multicast;
    if let Some(settings) = &message.mac_settings {
        device.settings = settings_from_api(settings)?;
        device.class_settings = class_settings_from_api(settings);
    }
    device.state = existing.and_then(|view| view.device.state.clone());
    Ok(device)
}

/// A session with its counters. A counter of zero that was never used cannot be told from one that was: for a session
/// that has begun, it counts as used.
///
/// # Errors
///
/// A field is missing or malformed, or a key cannot be unwrapped.
pub fn session_from_api(
    message: &v3::Session,
    v1_1: bool,
    now: Timestamp,
    sealer: &Sealer,
) -> Result<(Session, Hot), FromApiError> {
    let address = <[u8; 4]>::try_from(message.dev_addr.as_slice())
        .map_err(|_| ConvertError::Missing { field: "session.dev_addr" })?;
    let keys = message.keys.as_ref().ok_or(ConvertError::Missing { field: "session.keys" })?;
    let first = keys
        .f_nwk_s_int_key
        .as_ref()
        .ok_or(ConvertError::Missing { field: "session.keys.f_nwk_s_int_key" })?;
    let open = |key: Option<&v3::KeyEnvelope>| -> Result<_, FromApiError> {
        Ok(sealer.open(&key.unwrap_or(first).try_into()?)?)
    };
    let session = Session {
        dev_addr: DevAddr::from_be_bytes(address),
        keys: NetworkKeys {
            f_nwk_s_int_key: open(Some(first))?,
            s_nwk_s_int_key: open(keys.s_nwk_s_int_key.as_ref())?,
            nwk_s_enc_key: open(keys.nwk_s_enc_key.as_ref())?,
        },
        session_key_id: SessionKeyId::new(&keys.session_key_id)
            .ok_or(FromApiError::Range { field: "session.keys.session_key_id" })?,
        started_at: message.started_at.as_ref().map_or(now, to_timestamp),
    };
    let begun =
        message.last_f_cnt_up > 0 || message.last_n_f_cnt_down > 0 || message.last_a_f_cnt_down > 0;
    let used = |counter: u32| (begun || counter > 0).then_some(counter);
    let hot = Hot {
        f_cnt_up: used(message.last_f_cnt_up),
        n_f_cnt_down: used(message.last_n_f_cnt_down),
        a_f_cnt_down: used(message.last_a_f_cnt_down).filter(|_| v1_1),
        conf_f_cnt_down: (message.last_conf_f_cnt_down > 0).then_some(message.last_conf_f_cnt_down),
        ..Hot::default()
    };
    Ok((session, hot))
}

pub(crate) fn settings_to_api(of: &MacSettings) -> v3::MacSettings {
    let number = |value: Option<u8>| value.map(i32::from);
    let bool_value = |value: Option<bool>| value.map(|value| v3::BoolValue { value });
    let data_rate = |value: Option<DataRateIndex>| {
        value.map(|dr| v3::DataRateIndexValue { value: dr.get().into() })
    };
    let frequency = |value: Option<Frequency>| value.map(|f| v3::FrequencyValue { value: f.hz() });
    let zeroable =
        |value: Option<Frequency>| value.map(|f| v3::ZeroableFrequencyValue { value: f.hz() });
    let delay = |value| number(value).map(|value| v3::RxDelayValue { value });
    let offset = |value| number(value).map(|value| v3::DataRateOffsetValue { value });
    let duty_cycle = |value| number(value).map(|value| v3::AggregatedDutyCycleValue { value });
    v3::MacSettings {
        rx1_delay: delay(of.rx1_delay),
        rx1_data_rate_offset: offset(of.rx1_dr_offset),
        rx2_data_rate_index: data_rate(of.rx2_data_rate),
        rx2_frequency: frequency(of.rx2_frequency),
        factory_preset_frequencies: of
            .factory_preset_frequencies
            .iter()
            .map(|frequency| frequency.hz())
            .collect(),
        max_duty_cycle: duty_cycle(of.max_duty_cycle),
        supports_32_bit_f_cnt: bool_value(of.supports_32_bit_f_cnt),
        resets_f_cnt: bool_value(of.resets_f_cnt),
        status_time_periodicity: of.status_time_periodicity.map(duration),
        status_count_periodicity: of.status_count_periodicity,
        desired_rx1_delay: delay(of.desired_rx1_delay),
        desired_rx1_data_rate_offset: offset(of.desired_rx1_dr_offset),
        desired_rx2_data_rate_index: data_rate(of.desired_rx2_data_rate),
        desired_rx2_frequency: frequency(of.desired_rx2_frequency),
        desired_max_duty_cycle: duty_cycle(of.desired_max_duty_cycle),
        desired_adr_ack_limit_exponent: number(of.desired_adr_ack_limit_exponent)
            .map(|value| v3::AdrAckLimitExponentValue { value }),
        desired_adr_ack_delay_exponent: number(of.desired_adr_ack_delay_exponent)
            .map(|value| v3::AdrAckDelayExponentValue { value }),
        desired_max_eirp: of.desired_max_eirp.and_then(|dbm| {
            let index = EIRP_DBM.iter().position(|known| *known == dbm)?;
            Some(v3::DeviceEirpValue { value: i32::try_from(index).ok()? })
        }),
        uplink_dwell_time: bool_value(of.uplink_dwell_time),
        downlink_dwell_time: bool_value(of.downlink_dwell_time),
        adr: of.adr.as_ref().map(adr_to_api),
        schedule_downlinks: bool_value(of.schedule_downlinks),
        ping_slot_periodicity: number(of.ping_slot_periodicity)
            .map(|value| v3::PingSlotPeriodValue { value }),
        ping_slot_frequency: zeroable(of.ping_slot_frequency),
        ping_slot_data_rate_index: data_rate(of.ping_slot_data_rate),
        beacon_frequency: zeroable(of.beacon_frequency),
        desired_ping_slot_frequency: zeroable(of.desired_ping_slot_frequency),
        desired_ping_slot_data_rate_index: data_rate(of.desired_ping_slot_data_rate),
        desired_beacon_frequency: zeroable(of.desired_beacon_frequency),
        ..v3::MacSettings::default()
    }
}

fn settings_from_api(of: &v3::MacSettings) -> Result<MacSettings, FromApiError> {
    let frequency = |value: &Option<v3::FrequencyValue>| {
        value.as_ref().map(|value| Frequency::from_hz(value.value))
    };
    let yes = |value: &Option<v3::BoolValue>| value.as_ref().map(|value| value.value);
    Ok(MacSettings {
        rx1_delay: small("rx1_delay", of.rx1_delay.as_ref().map(|v| v.value))?,
        rx1_dr_offset: small(
            "rx1_data_rate_offset",
            of.rx1_data_rate_offset.as_ref().map(|v| v.value),
        )?,
        rx2_data_rate: index("rx2_data_rate_index", of.rx2_data_rate_index.as_ref())?,
        rx2_frequency: frequency(&of.rx2_frequency),
        factory_preset_frequencies: of
            .factory_preset_frequencies
            .iter()
            .map(|hz| Frequency::from_hz(*hz))
            .collect(),
        max_duty_cycle: small("max_duty_cycle", of.max_duty_cycle.as_ref().map(|v| v.value))?,
        supports_32_bit_f_cnt: yes(&of.supports_32_bit_f_cnt),
        resets_f_cnt: yes(&of.resets_f_cnt),
        uplink_dwell_time: yes(&of.uplink_dwell_time),
        downlink_dwell_time: yes(&of.downlink_dwell_time),
        desired_rx1_delay: small(
            "desired_rx1_delay",
            of.desired_rx1_delay.as_ref().map(|v| v.value),
        )?,
        desired_rx1_dr_offset: small(
            "desired_rx1_data_rate_offset",
            of.desired_rx1_data_rate_offset.as_ref().map(|v| v.value),
        )?,
        desired_rx2_data_rate: index(
            "desired_rx2_data_rate_index",
            of.desired_rx2_data_rate_index.as_ref(),
        )?,
        desired_rx2_frequency: frequency(&of.desired_rx2_frequency),
        desired_max_duty_cycle: small(
            "desired_max_duty_cycle",
            of.desired_max_duty_cycle.as_ref().map(|v| v.value),
        )?,
        desired_max_eirp: match &of.desired_max_eirp {
            Some(eirp) => Some(
                usize::try_from(eirp.value)
                    .ok()
                    .and_then(|index| EIRP_DBM.get(index).copied())
                    .ok_or(FromApiError::Range { field: "mac_settings.desired_max_eirp" })?,
            ),
            None => None,
        },
        desired_adr_ack_limit_exponent: small(
            "desired_adr_ack_limit_exponent",
            of.desired_adr_ack_limit_exponent.as_ref().map(|v| v.value),
        )?,
        desired_adr_ack_delay_exponent: small(
            "desired_adr_ack_delay_exponent",
            of.desired_adr_ack_delay_exponent.as_ref().map(|v| v.value),
        )?,
        adr: of.adr.as_ref().map(adr_from_api).transpose()?,
        schedule_downlinks: yes(&of.schedule_downlinks),
        status_time_periodicity: of.status_time_periodicity.as_ref().map(to_duration),
        status_count_periodicity: of.status_count_periodicity,
        ..class_b_from_api(of)?
    })
}

/// What class B needs, and nothing else.
fn class_b_from_api(of: &v3::MacSettings) -> Result<MacSettings, FromApiError> {
    let frequency = |value: &Option<v3::ZeroableFrequencyValue>| {
        value.as_ref().map(|value| Frequency::from_hz(value.value))
    };
    Ok(MacSettings {
        ping_slot_periodicity: small(
            "ping_slot_periodicity",
            of.ping_slot_periodicity.as_ref().map(|v| v.value),
        )?,
        ping_slot_frequency: frequency(&of.ping_slot_frequency),
        ping_slot_data_rate: index(
            "ping_slot_data_rate_index",
            of.ping_slot_data_rate_index.as_ref(),
        )?,
        beacon_frequency: frequency(&of.beacon_frequency),
        desired_ping_slot_frequency: frequency(&of.desired_ping_slot_frequency),
        desired_ping_slot_data_rate: index(
            "desired_ping_slot_data_rate_index",
            of.desired_ping_slot_data_rate_index.as_ref(),
        )?,
        desired_beacon_frequency: frequency(&of.desired_beacon_frequency),
        ..MacSettings::default()
    })
}

/// Lays the waiting times of class B and C over the other settings.
fn with_class_settings(message: v3::MacSettings, of: &ClassSettings) -> v3::MacSettings {
    v3::MacSettings {
        class_b_timeout: of.class_b_timeout.map(duration),
        class_c_timeout: of.class_c_timeout.map(duration),
        class_b_c_downlink_interval: of.class_b_c_downlink_interval.map(duration),
        ..message
    }
}

fn class_settings_from_api(of: &v3::MacSettings) -> ClassSettings {
    ClassSettings {
        class_b_timeout: of.class_b_timeout.as_ref().map(to_duration),
        class_c_timeout: of.class_c_timeout.as_ref().map(to_duration),
        class_b_c_downlink_interval: of.class_b_c_downlink_interval.as_ref().map(to_duration),
    }
}

/// What the names of the API's EIRP values mean.
const EIRP_DBM: [f32; 16] =
    [8.0, 10.0, 12.0, 13.0, 14.0, 16.0, 18.0, 20.0, 21.0, 24.0, 26.0, 27.0, 29.0, 30.0, 33.0, 36.0];

fn adr_to_api(adr: &AdrMode) -> v3::AdrSettings {
    let data_rate = |value: Option<DataRateIndex>| {
        value.map(|dr| v3::DataRateIndexValue { value: dr.get().into() })
    };
    let mode = match adr {
        AdrMode::Dynamic(limits) => adr_settings::Mode::Dynamic(adr_settings::DynamicMode {
            margin: limits.margin,
            min_data_rate_index: data_rate(limits.min_data_rate),
            max_data_rate_index: data_rate(limits.max_data_rate),
            min_tx_power_index: limits.min_tx_power_index.map(Into::into),
            max_tx_power_index: limits.max_tx_power_index.map(Into::into),
            min_nb_trans: limits.min_nb_trans.map(Into::into),
            max_nb_trans: limits.max_nb_trans.map(Into::into),
            channel_steering: limits.steer_narrow.then(|| ChannelSteeringSettings {
                mode: Some(channel_steering_settings::Mode::LoraNarrow(Default::default())),
            }),
            ..adr_settings::DynamicMode::default()
        }),
        AdrMode::Static(fixed) => adr_settings::Mode::Static(adr_settings::StaticMode {
            data_rate_index: fixed.data_rate.get().into(),
            tx_power_index: fixed.tx_power_index.into(),
            nb_trans: fixed.nb_trans.into(),
        }),
        _ => adr_settings::Mode::Disabled(adr_settings::DisabledMode::default()),
    };
    v3::AdrSettings { mode: Some(mode) }
}

fn adr_from_api(adr: &v3::AdrSettings) -> Result<AdrMode, FromApiError> {
    let octet = |value: Option<u32>| -> Result<Option<u8>, FromApiError> {
        let range = |_| FromApiError::Range { field: "mac_settings.adr" };
        value.map(u8::try_from).transpose().map_err(range)
    };
    Ok(match &adr.mode {
        Some(adr_settings::Mode::Disabled(_)) => AdrMode::Disabled,
        Some(adr_settings::Mode::Static(fixed)) => AdrMode::Static(AdrStatic {
            data_rate: index_of("mac_settings.adr.static", fixed.data_rate_index)?,
            tx_power_index: octet(Some(fixed.tx_power_index))?.unwrap_or(0),
            nb_trans: octet(Some(fixed.nb_trans))?.unwrap_or(0),
        }),
        Some(adr_settings::Mode::Dynamic(limits)) => AdrMode::Dynamic(AdrDynamic {
            margin: limits.margin,
            min_data_rate: index("adr", limits.min_data_rate_index.as_ref())?,
            max_data_rate: index("adr", limits.max_data_rate_index.as_ref())?,
            min_tx_power_index: octet(limits.min_tx_power_index)?,
            max_tx_power_index: octet(limits.max_tx_power_index)?,
            min_nb_trans: octet(limits.min_nb_trans)?,
            max_nb_trans: octet(limits.max_nb_trans)?,
            steer_narrow: matches!(
                limits.channel_steering.and_then(|steering| steering.mode),
                Some(channel_steering_settings::Mode::LoraNarrow(_))
            ),
        }),
        None => AdrMode::default(),
    })
}

fn small(field: &'static str, value: Option<i32>) -> Result<Option<u8>, FromApiError> {
    value.map(u8::try_from).transpose().map_err(|_| FromApiError::Range { field })
}

fn index(
    field: &'static str,
    value: Option<&v3::DataRateIndexValue>,
) -> Result<Option<DataRateIndex>, FromApiError> {
    value.map(|value| index_of(field, value.value)).transpose()
}

fn index_of(field: &'static str, value: i32) -> Result<DataRateIndex, FromApiError> {
    u8::try_from(value).ok().and_then(DataRateIndex::new).ok_or(FromApiError::Range { field })
}

#[cfg(test)]
mod tests {
    use super::*;

    // NS-101
    #[test]
    fn settings_come_back_from_the_api_as_they_went() {
        let settings = MacSettings {
            rx1_delay: Some(3),
            rx1_dr_offset: Some(2),
            rx2_data_rate: DataRateIndex::new(3),
            rx2_frequency: Some(Frequency::from_hz(869_525_000)),
            factory_preset_frequencies: vec![Frequency::from_hz(868_100_000)],
            max_duty_cycle: Some(4),
            supports_32_bit_f_cnt: Some(false),
            resets_f_cnt: Some(true),
            desired_rx1_delay: Some(5),
            desired_max_eirp: Some(14.0),
            adr: Some(AdrMode::Static(AdrStatic {
                data_rate: DataRateIndex::ZERO,
                tx_power_index: 1,
                nb_trans: 2,
            })),
            schedule_downlinks: Some(false),
            status_count_periodicity: Some(7),
            ..MacSettings::default()
        };
        assert_eq!(settings_from_api(&settings_to_api(&settings)).unwrap(), settings);
    }

    // NS-101
    #[test]
    fn class_b_and_c_settings_come_back_as_they_went() {
        let seconds = std::time::Duration::from_secs;
        let waits = ClassSettings {
            class_b_timeout: Some(seconds(600)),
            class_c_timeout: Some(seconds(300)),
            class_b_c_downlink_interval: Some(seconds(2)),
        };
        let settings = MacSettings {
            ping_slot_periodicity: Some(4),
            ping_slot_data_rate: DataRateIndex::new(3),
            ping_slot_frequency: Some(Frequency::from_hz(0)),
            beacon_frequency: Some(Frequency::from_hz(869_525_000)),
            desired_ping_slot_data_rate: DataRateIndex::new(2),
            desired_ping_slot_frequency: Some(Frequency::from_hz(868_300_000)),
            ..MacSettings::default()
        };
        let message = with_class_settings(settings_to_api(&settings), &waits);
        assert_eq!(settings_from_api(&message).unwrap(), settings);
        assert_eq!(class_settings_from_api(&message), waits);
    }

    // NS-98
    #[test]
    fn a_session_in_use_is_imported_with_its_counters() {
        let key = v3::KeyEnvelope { key: vec![7; 16], ..v3::KeyEnvelope::default() };
        let message = v3::Session {
            dev_addr: vec![0x26, 0x01, 0x02, 0x03],
            keys: Some(v3::SessionKeys {
                f_nwk_s_int_key: Some(key),
                ..v3::SessionKeys::default()
            }),
            last_f_cnt_up: 70_000,
            ..v3::Session::default()
        };
        let now = Timestamp::from_unix_secs(1);
        let (session, hot) = session_from_api(&message, false, now, &Sealer::clear()).unwrap();
        assert_eq!(session.dev_addr.to_string(), "26010203");
        assert_eq!(session.keys.f_nwk_s_int_key, session.keys.nwk_s_enc_key);
        assert_eq!((hot.f_cnt_up, hot.n_f_cnt_down), (Some(70_000), Some(0)));
        let missing = v3::Session { keys: None, ..message };
        assert!(session_from_api(&missing, false, now, &Sealer::clear()).is_err());
    }
}

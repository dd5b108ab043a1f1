//! MAC commands as the vectors write them.

use ttn_core::radio::{DataRateIndex, Frequency};
use ttn_mac::{
    command::{
        Command, DeviceModeClass, RelayActivation, RelayFilterEui, RelayLimit, RelayLimits,
        RelaySecondChannel, RootWorSKey,
    },
    frame::FrequencyStep,
};

use crate::support::Fields;

/// A type does not have the value: refused before it could be encoded.
#[derive(Debug)]
pub(crate) struct Refused;

pub(crate) fn step(input: Fields<'_>) -> FrequencyStep {
    match input.number("freq_multiplier") {
        100 => FrequencyStep::Hz100,
        200 => FrequencyStep::Hz200,
        other => panic!("unknown unit {other}"),
    }
}

pub(crate) fn command(name: &str, f: Fields<'_>) -> Result<Command, Refused> {
    Ok(match name {
        "ResetInd" => Command::ResetInd { minor_version: octet(f, "minor_version")? },
        "ResetConf" => Command::ResetConf { minor_version: octet(f, "minor_version")? },
        "LinkCheckReq" => Command::LinkCheckReq,
        "LinkCheckAns" => Command::LinkCheckAns {
            margin: octet(f, "margin")?,
            gateway_count: octet(f, "gateway_count")?,
        },
        "LinkADRReq" => Command::LinkAdrReq {
            data_rate_index: data_rate(f, "data_rate_index")?,
            tx_power_index: octet(f, "tx_power_index")?,
            channel_mask: number(f, "channel_mask")?,
            channel_mask_control: octet(f, "channel_mask_control")?,
            nb_trans: octet(f, "nb_trans")?,
        },
        "LinkADRAns" => Command::LinkAdrAns {
            channel_mask_ack: f.flag("channel_mask_ack"),
            data_rate_index_ack: f.flag("data_rate_index_ack"),
            tx_power_index_ack: f.flag("tx_power_index_ack"),
        },
        "DutyCycleReq" => Command::DutyCycleReq { max_duty_cycle: octet(f, "max_duty_cycle")? },
        "DutyCycleAns" => Command::DutyCycleAns,
        "RxParamSetupReq" => Command::RxParamSetupReq {
            rx1_data_rate_offset: octet(f, "rx1_data_rate_offset")?,
            rx2_data_rate_index: data_rate(f, "rx2_data_rate_index")?,
            rx2_frequency: frequency(f, "rx2_frequency"),
        },
        "RxParamSetupAns" => Command::RxParamSetupAns {
            rx2_frequency_ack: f.flag("rx2_frequency_ack"),
            rx2_data_rate_index_ack: f.flag("rx2_data_rate_index_ack"),
            rx1_data_rate_offset_ack: f.flag("rx1_data_rate_offset_ack"),
        },
        "DevStatusReq" => Command::DevStatusReq,
        "DevStatusAns" => {
            Command::DevStatusAns { battery: octet(f, "battery")?, margin: number(f, "margin")? }
        }
        "NewChannelReq" => Command::NewChannelReq {
            channel_index: octet(f, "channel_index")?,
            frequency: frequency(f, "frequency"),
            min_data_rate_index: data_rate(f, "min_data_rate_index")?,
            max_data_rate_index: data_rate(f, "max_data_rate_index")?,
        },
        "NewChannelAns" => Command::NewChannelAns {
            frequency_ack: f.flag("frequency_ack"),
            data_rate_ack: f.flag("data_rate_ack"),
        },
        "RxTimingSetupReq" => Command::RxTimingSetupReq { delay: octet(f, "delay")? },
        "RxTimingSetupAns" => Command::RxTimingSetupAns,
        "TxParamSetupReq" => Command::TxParamSetupReq {
            max_eirp_index: octet(f, "max_eirp_index")?,
            uplink_dwell_time: f.flag("uplink_dwell_time"),
            downlink_dwell_time: f.flag("downlink_dwell_time"),
        },
        "TxParamSetupAns" => Command::TxParamSetupAns,
        "DLChannelReq" => Command::DlChannelReq {
            channel_index: octet(f, "channel_index")?,
            frequency: frequency(f, "frequency"),
        },
        "DLChannelAns" => Command::DlChannelAns {
            channel_frequency_ok: f.flag("channel_frequency_ok"),
            uplink_frequency_exists: f.flag("uplink_frequency_exists"),
        },
        "RekeyInd" => Command::RekeyInd { minor_version: octet(f, "minor_version")? },
        "RekeyConf" => Command::RekeyConf { minor_version: octet(f, "minor_version")? },
        "ADRParamSetupReq" => Command::AdrParamSetupReq {
            adr_ack_limit_exponent: octet(f, "adr_ack_limit_exponent")?,
            adr_ack_delay_exponent: octet(f, "adr_ack_delay_exponent")?,
        },
        "ADRParamSetupAns" => Command::AdrParamSetupAns,
        "DeviceTimeReq" => Command::DeviceTimeReq,
        "DeviceTimeAns" => Command::DeviceTimeAns {
            gps_seconds: number(f, "gps_seconds")?,
            fraction_256: octet(f, "fraction_256")?,
        },
        "ForceRejoinReq" => Command::ForceRejoinReq {
            period_exponent: octet(f, "period_exponent")?,
            max_retries: octet(f, "max_retries")?,
            rejoin_type: octet(f, "rejoin_type")?,
            data_rate_index: data_rate(f, "data_rate_index")?,
        },
        "RejoinParamSetupReq" => Command::RejoinParamSetupReq {
            max_time_exponent: octet(f, "max_time_exponent")?,
            max_count_exponent: octet(f, "max_count_exponent")?,
        },
        "RejoinParamSetupAns" => {
            Command::RejoinParamSetupAns { max_time_exponent_ack: f.flag("max_time_exponent_ack") }
        }
        "DeviceModeInd" => Command::DeviceModeInd { class: class(f)? },
        "DeviceModeConf" => Command::DeviceModeConf { class: class(f)? },
        "PingSlotInfoReq" => Command::PingSlotInfoReq { period: octet(f, "period")? },
        "PingSlotInfoAns" => Command::PingSlotInfoAns,
        "PingSlotChannelReq" => Command::PingSlotChannelReq {
            frequency: frequency(f, "frequency"),
            data_rate_index: data_rate(f, "data_rate_index")?,
        },
        "PingSlotChannelAns" => Command::PingSlotChannelAns {
            frequency_ack: f.flag("frequency_ack"),
            data_rate_index_ack: f.flag("data_rate_index_ack"),
        },
        "BeaconTimingReq" => Command::BeaconTimingReq,
        "BeaconTimingAns" => Command::BeaconTimingAns {
            delay: number(f, "delay")?,
            channel_index: octet(f, "channel_index")?,
        },
        "BeaconFreqReq" => Command::BeaconFreqReq { frequency: frequency(f, "frequency") },
        "BeaconFreqAns" => Command::BeaconFreqAns { frequency_ack: f.flag("frequency_ack") },
        _ => return relay_command(name, f),
    })
}

fn relay_command(name: &str, f: Fields<'_>) -> Result<Command, Refused> {
    Ok(match name {
        "RelayConfReq" => Command::RelayConfReq {
            start: switch(f, "start_stop")?,
            cad_periodicity: octet(f, "cad_periodicity")?,
            default_channel_index: octet(f, "default_channel_index")?,
            second_channel: second_channel(f)?,
        },
        "RelayConfAns" => Command::RelayConfAns {
            second_channel_frequency_ack: f.flag("second_channel_frequency_ack"),
            second_channel_ack_offset_ack: f.flag("second_channel_ack_offset_ack"),
            second_channel_data_rate_index_ack: f.flag("second_channel_data_rate_index_ack"),
            second_channel_index_ack: f.flag("second_channel_index_ack"),
            default_channel_index_ack: f.flag("default_channel_index_ack"),
            cad_periodicity_ack: f.flag("cad_periodicity_ack"),
        },
        "RelayEndDeviceConfReq" => Command::RelayEndDeviceConfReq {
            activation: activation(f)?,
            smart_enable_level: octet(f, "smart_enable_level")?,
            backoff: octet(f, "backoff")?,
            second_channel: second_channel(f)?,
        },
        "RelayEndDeviceConfAns" => Command::RelayEndDeviceConfAns {
            second_channel_frequency_ack: f.flag("second_channel_frequency_ack"),
            second_channel_data_rate_index_ack: f.flag("second_channel_data_rate_index_ack"),
            second_channel_index_ack: f.flag("second_channel_index_ack"),
            backoff_ack: f.flag("backoff_ack"),
        },
        "RelayFilterListReq" => Command::RelayFilterListReq {
            index: octet(f, "filter_list_index")?,
            action: octet(f, "filter_list_action")?,
            eui: RelayFilterEui::new(&f.bytes("filter_list_eui")).ok_or(Refused)?,
        },
        "RelayFilterListAns" => Command::RelayFilterListAns {
            action_ack: flag_of(f, "action"),
            length_ack: flag_of(f, "len"),
            combined_rules_ack: flag_of(f, "combined"),
        },
        "RelayUpdateUplinkListReq" => Command::RelayUpdateUplinkListReq {
            rule_index: octet(f, "rule_index")?,
            limit: RelayLimit {
                reload_rate: octet(f, "reload_rate")?,
                bucket_size: octet(f, "bucket_size")?,
            },
            dev_addr: f.dev_addr("dev_addr"),
            w_f_cnt: number(f, "w_f_cnt")?,
            root_wor_s_key: RootWorSKey::new(f.array("root_wor_s_key")),
        },
        "RelayUpdateUplinkListAns" => Command::RelayUpdateUplinkListAns,
        "RelayCtrlUplinkListReq" => Command::RelayCtrlUplinkListReq {
            rule_index: octet(f, "rule_index")?,
            remove: switch(f, "action")?,
        },
        "RelayCtrlUplinkListAns" => Command::RelayCtrlUplinkListAns {
            rule_index_ack: f.flag("rule_index_ack"),
            w_f_cnt: number(f, "w_f_cnt")?,
        },
        "RelayConfigureFwdLimitReq" => Command::RelayConfigureFwdLimitReq(RelayLimits {
            reset_limit_counter: octet(f, "reset_limit_counter")?,
            join_request: limit(f, "join_request")?,
            notify: limit(f, "notify")?,
            global_uplink: limit(f, "global_uplink")?,
            overall: limit(f, "overall")?,
        }),
        "RelayConfigureFwdLimitAns" => Command::RelayConfigureFwdLimitAns,
        "RelayNotifyNewEndDeviceReq" => Command::RelayNotifyNewEndDeviceReq {
            dev_addr: f.dev_addr("dev_addr"),
            snr: number(f, "snr")?,
            rssi: number(f, "rssi")?,
        },
        other => panic!("unknown command {other}"),
    })
}

fn second_channel(f: Fields<'_>) -> Result<RelaySecondChannel, Refused> {
    Ok(RelaySecondChannel {
        index: octet(f, "second_channel_index")?,
        data_rate_index: data_rate(f, "second_channel_data_rate_index")?,
        ack_offset: octet(f, "second_channel_ack_offset")?,
        frequency: frequency(f, "second_channel_frequency"),
    })
}

fn limit(f: Fields<'_>, name: &str) -> Result<RelayLimit, Refused> {
    Ok(RelayLimit {
        reload_rate: octet(f, &format!("{name}_reload_rate"))?,
        bucket_size: octet(f, &format!("{name}_bucket_size"))?,
    })
}

fn octet(f: Fields<'_>, name: &str) -> Result<u8, Refused> {
    number(f, name)
}

fn number<T: TryFrom<i64>>(f: Fields<'_>, name: &str) -> Result<T, Refused> {
    T::try_from(f.number(name)).map_err(|_| Refused)
}

/// A number that is a flag in our types.
fn switch(f: Fields<'_>, name: &str) -> Result<bool, Refused> {
    match f.value(name).as_bool() {
        Some(flag) => Ok(flag),
        None => octet(f, name).and_then(|number| match number {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Refused),
        }),
    }
}

fn activation(f: Fields<'_>) -> Result<RelayActivation, Refused> {
    let bits = octet(f, "relay_mode_activation")?;
    if bits > 3 { Err(Refused) } else { Ok(RelayActivation::from_low_bits(bits)) }
}

/// The flag whose name has this part.
fn flag_of(f: Fields<'_>, part: &str) -> bool {
    let members = f.0.as_object().unwrap();
    let found = members.iter().find(|(name, _)| name.contains(part));
    found.and_then(|(_, value)| value.as_bool()).unwrap_or_else(|| panic!("{part} in {}", f.0))
}

fn data_rate(f: Fields<'_>, name: &str) -> Result<DataRateIndex, Refused> {
    DataRateIndex::new(octet(f, name)?).ok_or(Refused)
}

fn frequency(f: Fields<'_>, name: &str) -> Frequency {
    Frequency::from_hz(f.int(name))
}

fn class(f: Fields<'_>) -> Result<DeviceModeClass, Refused> {
    match f.number("class") {
        0 => Ok(DeviceModeClass::A),
        2 => Ok(DeviceModeClass::C),
        _ => Err(Refused),
    }
}

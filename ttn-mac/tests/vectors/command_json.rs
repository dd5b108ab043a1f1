//! MAC commands as the vectors write them.

use ttn_core::radio::{DataRateIndex, Frequency};
use ttn_mac::{
    command::{Command, DeviceModeClass},
    frame::FrequencyStep,
};

use crate::support::Fields;

/// A command that cannot be made.
#[derive(Debug)]
pub(crate) enum NoCommand {
    /// It belongs to a later issue.
    Later,
    /// A type does not have the value: refused before it could be encoded.
    Refused,
}

pub(crate) fn step(input: Fields<'_>) -> FrequencyStep {
    match input.number("freq_multiplier") {
        100 => FrequencyStep::Hz100,
        200 => FrequencyStep::Hz200,
        other => panic!("unknown unit {other}"),
    }
}

/// Whether a command of this name is read by a later issue.
pub(crate) fn is_later(name: &str) -> bool {
    ["PingSlot", "Beacon", "Relay"].iter().any(|family| name.starts_with(family))
}

pub(crate) fn command(name: &str, f: Fields<'_>) -> Result<Command, NoCommand> {
    if is_later(name) {
        return Err(NoCommand::Later);
    }
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
            channel_mask: f.int("channel_mask"),
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
        "DevStatusAns" => Command::DevStatusAns {
            battery: octet(f, "battery")?,
            margin: i8::try_from(f.number("margin")).map_err(|_| NoCommand::Refused)?,
        },
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
            gps_seconds: f.int("gps_seconds"),
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
        other => panic!("unknown command {other}"),
    })
}

fn octet(f: Fields<'_>, name: &str) -> Result<u8, NoCommand> {
    u8::try_from(f.number(name)).map_err(|_| NoCommand::Refused)
}

fn data_rate(f: Fields<'_>, name: &str) -> Result<DataRateIndex, NoCommand> {
    DataRateIndex::new(octet(f, name)?).ok_or(NoCommand::Refused)
}

fn frequency(f: Fields<'_>, name: &str) -> Frequency {
    Frequency::from_hz(f.int(name))
}

fn class(f: Fields<'_>) -> Result<DeviceModeClass, NoCommand> {
    match f.number("class") {
        0 => Ok(DeviceModeClass::A),
        2 => Ok(DeviceModeClass::C),
        _ => Err(NoCommand::Refused),
    }
}

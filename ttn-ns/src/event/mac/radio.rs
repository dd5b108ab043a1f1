//! Commands about data rates, channels and windows as messages of the API.

use serde_json::{Value, json};
use ttn_mac::command::Command;

/// Data rates, channels and windows: the name of the command within `MACCommand` and its fields.
pub(super) fn fields(command: &Command) -> Option<(&'static str, Value)> {
    link_adr(command).or_else(|| channel(command))
}

fn channel(command: &Command) -> Option<(&'static str, Value)> {
    Some(match command {
        Command::BeaconFreqReq { frequency } => {
            ("beacon_freq_req", json!({ "frequency": frequency.hz().to_string() }))
        }
        Command::BeaconFreqAns { frequency_ack } => {
            ("beacon_freq_ans", json!({ "frequency_ack": frequency_ack }))
        }
        Command::DlChannelReq { channel_index, frequency } => (
            "dl_channel_req",
            json!({ "channel_index": channel_index, "frequency": frequency.hz().to_string() }),
        ),
        Command::DlChannelAns { channel_frequency_ok, uplink_frequency_exists } => (
            "dl_channel_ans",
            json!({
                "channel_index_ack": uplink_frequency_exists,
                "frequency_ack": channel_frequency_ok,
            }),
        ),
        Command::NewChannelReq {
            channel_index,
            frequency,
            min_data_rate_index,
            max_data_rate_index,
        } => (
            "new_channel_req",
            json!({
                "channel_index": channel_index,
                "frequency": frequency.hz().to_string(),
                "min_data_rate_index": min_data_rate_index.get(),
                "max_data_rate_index": max_data_rate_index.get(),
            }),
        ),
        Command::NewChannelAns { frequency_ack, data_rate_ack } => (
            "new_channel_ans",
            json!({ "frequency_ack": frequency_ack, "data_rate_ack": data_rate_ack }),
        ),
        Command::PingSlotChannelReq { frequency, data_rate_index } => (
            "ping_slot_channel_req",
            json!({
                "frequency": frequency.hz().to_string(),
                "data_rate_index": data_rate_index.get(),
            }),
        ),
        Command::PingSlotChannelAns { frequency_ack, data_rate_index_ack } => (
            "ping_slot_channel_ans",
            json!({ "frequency_ack": frequency_ack, "data_rate_index_ack": data_rate_index_ack }),
        ),
        Command::RxParamSetupReq { rx1_data_rate_offset, rx2_data_rate_index, rx2_frequency } => (
            "rx_param_setup_req",
            json!({
                "rx1_data_rate_offset": rx1_data_rate_offset,
                "rx2_data_rate_index": rx2_data_rate_index.get(),
                "rx2_frequency": rx2_frequency.hz().to_string(),
            }),
        ),
        Command::RxParamSetupAns {
            rx2_frequency_ack,
            rx2_data_rate_index_ack,
            rx1_data_rate_offset_ack,
        } => (
            "rx_param_setup_ans",
            json!({
                "rx2_data_rate_index_ack": rx2_data_rate_index_ack,
                "rx1_data_rate_offset_ack": rx1_data_rate_offset_ack,
                "rx2_frequency_ack": rx2_frequency_ack,
            }),
        ),
        Command::RxTimingSetupReq { delay } => ("rx_timing_setup_req", json!({ "delay": delay })),
        Command::TxParamSetupReq { max_eirp_index, uplink_dwell_time, downlink_dwell_time } => (
            "tx_param_setup_req",
            json!({
                "max_eirp_index": max_eirp_index,
                "uplink_dwell_time": uplink_dwell_time,
                "downlink_dwell_time": downlink_dwell_time,
            }),
        ),
        _ => return None,
    })
}

fn link_adr(command: &Command) -> Option<(&'static str, Value)> {
    Some(match command {
        Command::LinkAdrReq {
            data_rate_index,
            tx_power_index,
            channel_mask,
            channel_mask_control,
            nb_trans,
        } => (
            "link_adr_req",
            json!({
                "data_rate_index": data_rate_index.get(),
                "tx_power_index": tx_power_index,
                "channel_mask": (0..16).map(|bit| (channel_mask >> bit) & 1 == 1).collect::<Vec<_>>(),
                "channel_mask_control": channel_mask_control,
                "nb_trans": nb_trans,
            }),
        ),
        Command::LinkAdrAns { channel_mask_ack, data_rate_index_ack, tx_power_index_ack } => (
            "link_adr_ans",
            json!({
                "channel_mask_ack": channel_mask_ack,
                "data_rate_index_ack": data_rate_index_ack,
                "tx_power_index_ack": tx_power_index_ack,
            }),
        ),
        _ => return None,
    })
}

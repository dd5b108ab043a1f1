//! Commands of relays (TS011) as messages of the API.

use serde_json::{Value, json};
use ttn_mac::command::{Command, RelayActivation, RelayLimit, RelaySecondChannel};

/// The name of the command within `MACCommand` and its fields. The root of wake-on-radio keys is left out.
pub(super) fn fields(command: &Command) -> Option<(&'static str, Value)> {
    Some(match command {
        Command::RelayConfReq { start, cad_periodicity, default_channel_index, second_channel } => {
            let configuration = start.then(|| {
                json!({
                    "second_channel": second(second_channel),
                    "default_channel_index": default_channel_index,
                    "cad_periodicity": cad_periodicity,
                })
            });
            ("relay_conf_req", json!({ "configuration": configuration }))
        }
        Command::RelayConfAns {
            second_channel_frequency_ack,
            second_channel_ack_offset_ack,
            second_channel_data_rate_index_ack,
            second_channel_index_ack,
            default_channel_index_ack,
            cad_periodicity_ack,
        } => (
            "relay_conf_ans",
            json!({
                "second_channel_frequency_ack": second_channel_frequency_ack,
                "second_channel_ack_offset_ack": second_channel_ack_offset_ack,
                "second_channel_data_rate_index_ack": second_channel_data_rate_index_ack,
                "second_channel_index_ack": second_channel_index_ack,
                "default_channel_index_ack": default_channel_index_ack,
                "cad_periodicity_ack": cad_periodicity_ack,
            }),
        ),
        Command::RelayEndDeviceConfReq {
            activation,
            smart_enable_level,
            backoff,
            second_channel,
        } => {
            let mode = match activation {
                RelayActivation::Disabled => None,
                RelayActivation::Enabled => Some(("always", json!({}))),
                RelayActivation::Dynamic => {
                    Some(("dynamic", json!({ "smart_enable_level": smart_enable_level })))
                }
                RelayActivation::DeviceControlled => Some(("end_device_controlled", json!({}))),
            };
            let configuration = mode.map(|(name, mode)| {
                json!({ name: mode, "backoff": backoff, "second_channel": second(second_channel) })
            });
            ("relay_end_device_conf_req", json!({ "configuration": configuration }))
        }
        Command::RelayEndDeviceConfAns {
            second_channel_frequency_ack,
            second_channel_data_rate_index_ack,
            second_channel_index_ack,
            backoff_ack,
        } => (
            "relay_end_device_conf_ans",
            json!({
                "second_channel_frequency_ack": second_channel_frequency_ack,
                "second_channel_data_rate_index_ack": second_channel_data_rate_index_ack,
                "second_channel_index_ack": second_channel_index_ack,
                "backoff_ack": backoff_ack,
            }),
        ),
        _ => return rules(command),
    })
}

/// Rules and limits.
fn rules(command: &Command) -> Option<(&'static str, Value)> {
    Some(match command {
        Command::RelayUpdateUplinkListReq { rule_index, limit: of, dev_addr, w_f_cnt, .. } => (
            "relay_update_uplink_list_req",
            json!({
                "rule_index": rule_index,
                "forward_limits": limit(of),
                "dev_addr": dev_addr.to_string(),
                "w_f_cnt": w_f_cnt,
            }),
        ),
        Command::RelayUpdateUplinkListAns => ("relay_update_uplink_list_ans", json!({})),
        Command::RelayCtrlUplinkListReq { rule_index, remove } => (
            "relay_ctrl_uplink_list_req",
            json!({ "rule_index": rule_index, "action": u8::from(*remove) }),
        ),
        Command::RelayCtrlUplinkListAns { rule_index_ack, w_f_cnt } => (
            "relay_ctrl_uplink_list_ans",
            json!({ "rule_index_ack": rule_index_ack, "w_f_cnt": w_f_cnt }),
        ),
        Command::RelayConfigureFwdLimitReq(limits) => (
            "relay_configure_fwd_limit_req",
            json!({
                "reset_limit_counter": limits.reset_limit_counter,
                "join_request_limits": limit(&limits.join_request),
                "notify_limits": limit(&limits.notify),
                "global_uplink_limits": limit(&limits.global_uplink),
                "overall_limits": limit(&limits.overall),
            }),
        ),
        Command::RelayConfigureFwdLimitAns => ("relay_configure_fwd_limit_ans", json!({})),
        Command::RelayNotifyNewEndDeviceReq { dev_addr, snr, rssi } => (
            "relay_notify_new_end_device_req",
            json!({ "dev_addr": dev_addr.to_string(), "snr": snr, "rssi": rssi }),
        ),
        _ => return None,
    })
}

fn second(channel: &RelaySecondChannel) -> Option<Value> {
    (channel.index != 0).then(|| {
        json!({
            "ack_offset": channel.ack_offset,
            "data_rate_index": channel.data_rate_index.get(),
            "frequency": channel.frequency.hz().to_string(),
        })
    })
}

fn limit(limit: &RelayLimit) -> Value {
    json!({ "bucket_size": limit.bucket_size, "reload_rate": limit.reload_rate })
}

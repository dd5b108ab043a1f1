//! What events of MAC commands tell: the command as the API's message of it, in JSON.

mod radio;
mod relay;

use serde_json::{Map, Value, json};
use ttn_core::event::{EventData, EventDefinition};
use ttn_mac::{
    command::{Command, CommandError, DeviceModeClass},
    engine::MacEvent,
};

/// What an event of this definition tells, made when somebody reads it. What the API has no message for is told as a value.
pub(crate) fn data(event: &MacEvent, definition: &EventDefinition) -> EventData {
    let is_message = definition.data_type.starts_with("ttn.") && !is_failure(event);
    let event = event.clone();
    let make = move || told(&event).unwrap_or_default();
    if is_message { EventData::message(make) } else { EventData::later(make) }
}

/// Whether the API tells an error instead of a command.
const fn is_failure(event: &MacEvent) -> bool {
    match event {
        MacEvent::AnswerUnexpected(_) | MacEvent::Unsupported(_) => true,
        MacEvent::Unreadable(error) => !matches!(error, CommandError::Unknown { .. }),
        _ => false,
    }
}

fn told(event: &MacEvent) -> Option<Value> {
    match event {
        MacEvent::Answered { answer: command, .. }
        | MacEvent::AnswerQueued(command)
        | MacEvent::Received(command)
        | MacEvent::RequestQueued(command) => fields(command).map(|(_, fields)| fields),
        MacEvent::Unanswered(command) => Some(json!({ "commands": [command_of(command)] })),
        MacEvent::AnswerUnexpected(command) => {
            Some(failure("unexpected_answer", "the network did not ask for this", command))
        }
        MacEvent::Unsupported(command) => {
            Some(failure("unsupported", "this command does nothing here", command))
        }
        MacEvent::Unreadable(CommandError::Unknown { cid, .. }) => Some(json!({ "cid": cid })),
        MacEvent::Unreadable(error) => {
            Some(json!({ "reason": "mac_command", "detail": error.to_string() }))
        }
        _ => None,
    }
}

fn failure(reason: &str, detail: &str, command: &Command) -> Value {
    json!({ "reason": reason, "detail": detail, "command": command_of(command) })
}

/// The command with its identifier: `MACCommand`.
fn command_of(command: &Command) -> Value {
    let mut message = Map::from_iter([("cid".to_owned(), json!(command.cid()))]);
    message.extend(fields(command).map(|(name, fields)| (name.to_owned(), fields)));
    Value::Object(message)
}

/// The name of the command within `MACCommand` and its fields; `None` if it has none. Enumerations are numbers.
fn fields(command: &Command) -> Option<(&'static str, Value)> {
    radio::fields(command).or_else(|| session(command)).or_else(|| relay::fields(command))
}

/// The device, its session and its class.
fn session(command: &Command) -> Option<(&'static str, Value)> {
    Some(match command {
        Command::AdrParamSetupReq { adr_ack_limit_exponent, adr_ack_delay_exponent } => (
            "adr_param_setup_req",
            json!({
                "adr_ack_limit_exponent": adr_ack_limit_exponent,
                "adr_ack_delay_exponent": adr_ack_delay_exponent,
            }),
        ),
        Command::BeaconTimingAns { delay, channel_index } => {
            ("beacon_timing_ans", json!({ "delay": delay, "channel_index": channel_index }))
        }
        Command::DevStatusAns { battery, margin } => {
            ("dev_status_ans", json!({ "battery": battery, "margin": margin }))
        }
        Command::DeviceModeInd { class } => ("device_mode_ind", json!({ "class": mode(*class) })),
        Command::DeviceModeConf { class } => ("device_mode_conf", json!({ "class": mode(*class) })),
        // No event declares a message for it: the time as it is on air.
        Command::DeviceTimeAns { gps_seconds, fraction_256 } => {
            let seconds = f64::from(*gps_seconds) + f64::from(*fraction_256) / 256.0;
            ("device_time_ans", json!({ "gps_seconds": seconds }))
        }
        Command::DutyCycleReq { max_duty_cycle } => {
            ("duty_cycle_req", json!({ "max_duty_cycle": max_duty_cycle }))
        }
        Command::ForceRejoinReq { period_exponent, max_retries, rejoin_type, data_rate_index } => (
            "force_rejoin_req",
            json!({
                "rejoin_type": rejoin_type,
                "data_rate_index": data_rate_index.get(),
                "max_retries": max_retries,
                "period_exponent": period_exponent,
            }),
        ),
        Command::LinkCheckAns { margin, gateway_count } => {
            ("link_check_ans", json!({ "margin": margin, "gateway_count": gateway_count }))
        }
        Command::PingSlotInfoReq { period } => ("ping_slot_info_req", json!({ "period": period })),
        Command::RejoinParamSetupReq { max_time_exponent, max_count_exponent } => (
            "rejoin_param_setup_req",
            json!({
                "max_count_exponent": max_count_exponent,
                "max_time_exponent": max_time_exponent,
            }),
        ),
        Command::RejoinParamSetupAns { max_time_exponent_ack } => {
            ("rejoin_param_setup_ans", json!({ "max_time_exponent_ack": max_time_exponent_ack }))
        }
        Command::RekeyInd { minor_version } => {
            ("rekey_ind", json!({ "minor_version": minor_version }))
        }
        Command::RekeyConf { minor_version } => {
            ("rekey_conf", json!({ "minor_version": minor_version }))
        }
        Command::ResetInd { minor_version } => {
            ("reset_ind", json!({ "minor_version": minor_version }))
        }
        Command::ResetConf { minor_version } => {
            ("reset_conf", json!({ "minor_version": minor_version }))
        }
        _ => return None,
    })
}

const fn mode(class: DeviceModeClass) -> &'static str {
    match class {
        DeviceModeClass::A => "CLASS_A",
        DeviceModeClass::C => "CLASS_C",
    }
}

#[cfg(test)]
mod tests {
    use ttn_mac::command::{self, Direction};

    use super::*;

    fn told(direction: Direction, octets: &[u8]) -> Value {
        let step = ttn_mac::frame::FrequencyStep::Hz100;
        command_of(&command::parse(direction, step, octets).next().unwrap().unwrap())
    }

    // EVT-02
    #[test]
    fn a_command_is_told_as_the_message_of_the_api() {
        let link_adr = &told(Direction::Downlink, &[0x03, 0x51, 0x07, 0x00, 0x02])["link_adr_req"];
        assert_eq!((&link_adr["data_rate_index"], &link_adr["nb_trans"]), (&json!(5), &json!(2)));
        let mask = link_adr["channel_mask"].as_array().unwrap();
        assert!(
            mask.iter().take(3).all(|set| *set == true) && mask[3] == false && mask.len() == 16
        );
        assert_eq!(
            told(Direction::Uplink, &[0x06, 0xFE, 0x3F]),
            json!({ "cid": 6, "dev_status_ans": { "battery": 254, "margin": -1 } })
        );
        let time = told(Direction::Downlink, &[0x0D, 0x00, 0xCA, 0x9A, 0x3B, 0x80]);
        assert_eq!(time["device_time_ans"]["gps_seconds"], 1_000_000_000.5);
        let mode = told(Direction::Uplink, &[0x20, 0x02]);
        assert_eq!(mode["device_mode_ind"]["class"], "CLASS_C");
        assert_eq!(told(Direction::Uplink, &[0x02]), json!({ "cid": 2 }));
    }

    // Promise 6
    #[test]
    fn the_key_of_a_relay_rule_is_not_told() {
        let mut octets = vec![0x43, 0x00, 0x3F, 4, 3, 2, 1, 9, 0, 0, 0];
        octets.extend([0xAB; 16]);
        let text = told(Direction::Downlink, &octets).to_string();
        assert!(text.contains("01020304") && text.contains("\"w_f_cnt\":9"), "{text}");
        assert!(!text.to_lowercase().contains("abab") && !text.contains("171"), "{text}");
    }
}

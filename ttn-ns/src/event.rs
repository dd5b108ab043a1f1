//! The events of this component. Every drop has a named reason in its data (DESIGN 3).

pub(crate) mod mac;

use ttn_core::event::{EventDefinition, named};
use ttn_mac::{
    command::{Command, CommandError},
    engine::MacEvent,
    state::DeviceClass,
};

macro_rules! events {
    ($($constant:ident = $name:literal;)*) => {
        $(pub(crate) const $constant: &EventDefinition = &named($name);)*
    };
}

events! {
    CLASS_SWITCH_A = "ns.class.switch.a";
    CLASS_SWITCH_B = "ns.class.switch.b";
    CLASS_SWITCH_C = "ns.class.switch.c";
    DOWN_DATA_ATTEMPT = "ns.down.data.schedule.attempt";
    DOWN_DATA_FAIL = "ns.down.data.schedule.fail";
    DOWN_DATA_SUCCESS = "ns.down.data.schedule.success";
    DOWN_JOIN_ATTEMPT = "ns.down.join.schedule.attempt";
    DOWN_JOIN_FAIL = "ns.down.join.schedule.fail";
    DOWN_JOIN_SUCCESS = "ns.down.join.schedule.success";
    DOWN_RX_PARAMETERS_FAIL = "ns.down.rx.parameters.fail";
    DOWN_TRANSMISSION_FAIL = "ns.down.transmission.fail";
    DOWN_TRANSMISSION_SUCCESS = "ns.down.transmission.success";
    END_DEVICE_CREATE = "ns.end_device.create";
    END_DEVICE_DELETE = "ns.end_device.delete";
    END_DEVICE_UPDATE = "ns.end_device.update";
    UP_DATA_DROP = "ns.up.data.drop";
    UP_DATA_FORWARD = "ns.up.data.forward";
    UP_DATA_PROCESS = "ns.up.data.process";
    UP_DATA_RECEIVE = "ns.up.data.receive";
    UP_JOIN_ACCEPT_FORWARD = "ns.up.join.accept.forward";
    UP_JOIN_CLUSTER_ATTEMPT = "ns.up.join.cluster.attempt";
    UP_JOIN_CLUSTER_FAIL = "ns.up.join.cluster.fail";
    UP_JOIN_CLUSTER_SUCCESS = "ns.up.join.cluster.success";
    UP_JOIN_DROP = "ns.up.join.drop";
    UP_JOIN_PROCESS = "ns.up.join.process";
    UP_JOIN_RECEIVE = "ns.up.join.receive";
}

macro_rules! mac_events {
    ($($name:literal)*) => {
        const MAC_EVENTS: &[EventDefinition] =
            &[$(named(concat!("ns.mac.", $name)),)*];
    };
}

mac_events! {
    "adr_param_setup.answer" "adr_param_setup.request" "beacon_freq.answer.accept"
    "beacon_freq.answer.reject" "beacon_freq.request" "command.parse.fail"
    "command.process.fail" "command.unanswered" "command.unknown" "dev_status.answer"
    "dev_status.request" "device_mode.confirmation" "device_mode.indication"
    "device_time.answer" "device_time.request" "dl_channel.answer.accept"
    "dl_channel.answer.reject" "dl_channel.request" "duty_cycle.answer" "duty_cycle.request"
    "force_rejoin.request" "link_adr.answer.accept" "link_adr.answer.reject" "link_adr.request"
    "link_check.answer" "link_check.request" "new_channel.answer.accept"
    "new_channel.answer.reject" "new_channel.request" "ping_slot_channel.answer.accept"
    "ping_slot_channel.answer.reject" "ping_slot_channel.request" "ping_slot_info.answer"
    "ping_slot_info.request" "proprietary.receive" "rejoin_param_setup.answer" "relay_conf.answer.accept"
    "relay_conf.answer.reject" "relay_conf.request" "relay_configure_fwd_limit.answer"
    "relay_configure_fwd_limit.request" "relay_ctrl_uplink_list.answer.accept"
    "relay_ctrl_uplink_list.answer.reject" "relay_ctrl_uplink_list.request"
    "relay_end_device_conf.answer.accept" "relay_end_device_conf.answer.reject"
    "relay_end_device_conf.request" "relay_notify_new_end_device.indication"
    "relay_update_uplink_list.answer" "relay_update_uplink_list.request"
    "rejoin_param_setup.request" "rekey.confirmation" "rekey.indication" "reset.confirmation"
    "reset.indication" "rx_param_setup.answer.accept" "rx_param_setup.answer.reject"
    "rx_param_setup.request" "rx_timing_setup.answer" "rx_timing_setup.request"
    "tx_param_setup.answer" "tx_param_setup.request"
}

/// MAC commands from here on belong to whoever makes device and network (TS001-1.0.4 §5).
const PROPRIETARY_CID: u8 = 0x80;

/// The event of what happened in the MAC state machine; `None` for what the API has no event for.
pub(crate) fn of_mac(event: &MacEvent) -> Option<&'static EventDefinition> {
    let find = |name: &str, suffix: &str| {
        MAC_EVENTS.iter().find(|definition| {
            let rest = definition.name.strip_prefix("ns.mac.");
            rest.and_then(|rest| rest.strip_prefix(name)) == Some(suffix)
        })
    };
    match event {
        MacEvent::ClassSwitched(DeviceClass::A) => Some(CLASS_SWITCH_A),
        MacEvent::ClassSwitched(DeviceClass::B) => Some(CLASS_SWITCH_B),
        MacEvent::ClassSwitched(DeviceClass::C) => Some(CLASS_SWITCH_C),
        MacEvent::Answered { request, accepted, .. } => {
            let suffix = if *accepted { ".answer.accept" } else { ".answer.reject" };
            let family = family(request);
            find(family, suffix).or_else(|| find(family, ".answer"))
        }
        MacEvent::AnswerQueued(command) => {
            find(family(command), ".answer").or_else(|| find(family(command), ".confirmation"))
        }
        MacEvent::Received(command) => {
            find(family(command), ".request").or_else(|| find(family(command), ".indication"))
        }
        MacEvent::RequestQueued(command) => find(family(command), ".request"),
        MacEvent::Unanswered(_) => find("command", ".unanswered"),
        MacEvent::AnswerUnexpected(_) | MacEvent::ClassBIgnored(_) | MacEvent::Unsupported(_) => {
            find("command", ".process.fail")
        }
        MacEvent::Unreadable(CommandError::Unknown { cid, .. }) => {
            if *cid < PROPRIETARY_CID {
                find("command", ".unknown")
            } else {
                find("proprietary", ".receive")
            }
        }
        MacEvent::Unreadable(_) => find("command", ".parse.fail"),
        _ => None,
    }
}

/// How events name a command.
const fn family(command: &Command) -> &'static str {
    match command {
        Command::AdrParamSetupReq { .. } | Command::AdrParamSetupAns => "adr_param_setup",
        Command::BeaconFreqReq { .. } | Command::BeaconFreqAns { .. } => "beacon_freq",
        Command::DevStatusReq | Command::DevStatusAns { .. } => "dev_status",
        Command::DeviceModeInd { .. } | Command::DeviceModeConf { .. } => "device_mode",
        Command::DeviceTimeReq | Command::DeviceTimeAns { .. } => "device_time",
        Command::DlChannelReq { .. } | Command::DlChannelAns { .. } => "dl_channel",
        Command::DutyCycleReq { .. } | Command::DutyCycleAns => "duty_cycle",
        Command::ForceRejoinReq { .. } => "force_rejoin",
        Command::LinkAdrReq { .. } | Command::LinkAdrAns { .. } => "link_adr",
        Command::LinkCheckReq | Command::LinkCheckAns { .. } => "link_check",
        Command::NewChannelReq { .. } | Command::NewChannelAns { .. } => "new_channel",
        Command::PingSlotChannelReq { .. } | Command::PingSlotChannelAns { .. } => {
            "ping_slot_channel"
        }
        Command::PingSlotInfoReq { .. } | Command::PingSlotInfoAns => "ping_slot_info",
        Command::RejoinParamSetupReq { .. } | Command::RejoinParamSetupAns { .. } => {
            "rejoin_param_setup"
        }
        Command::RekeyInd { .. } | Command::RekeyConf { .. } => "rekey",
        Command::RelayConfReq { .. } | Command::RelayConfAns { .. } => "relay_conf",
        Command::RelayConfigureFwdLimitReq(_) | Command::RelayConfigureFwdLimitAns => {
            "relay_configure_fwd_limit"
        }
        Command::RelayCtrlUplinkListReq { .. } | Command::RelayCtrlUplinkListAns { .. } => {
            "relay_ctrl_uplink_list"
        }
        Command::RelayEndDeviceConfReq { .. } | Command::RelayEndDeviceConfAns { .. } => {
            "relay_end_device_conf"
        }
        Command::RelayNotifyNewEndDeviceReq { .. } => "relay_notify_new_end_device",
        Command::RelayUpdateUplinkListReq { .. } | Command::RelayUpdateUplinkListAns => {
            "relay_update_uplink_list"
        }
        Command::ResetInd { .. } | Command::ResetConf { .. } => "reset",
        Command::RxParamSetupReq { .. } | Command::RxParamSetupAns { .. } => "rx_param_setup",
        Command::RxTimingSetupReq { .. } | Command::RxTimingSetupAns => "rx_timing_setup",
        Command::TxParamSetupReq { .. } | Command::TxParamSetupAns => "tx_param_setup",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // EVT-08
    #[test]
    fn unknown_commands_are_told_from_those_of_manufacturers() {
        let name = |cid| {
            let error = CommandError::Unknown { cid, skipped: 0 };
            of_mac(&MacEvent::Unreadable(error)).map(|definition| definition.name)
        };
        assert_eq!(name(0x7F), Some("ns.mac.command.unknown"));
        assert_eq!(name(0x80), Some("ns.mac.proprietary.receive"));
    }
}

//! Knobs to misbehave. Own design: each breaks a rule of TS001 that it names.

use alloc::vec::Vec;

use crate::command::Command;

/// What a device does wrong, for tests of what a network makes of it. The default is nothing.
///
/// ```
/// use ttn_mac::device::Misbehaviour;
///
/// // A device that never sees LinkADRReq (0x03) and refuses every NewChannelReq (0x07).
/// let wrong = Misbehaviour { ignores: vec![0x03], rejects: vec![0x07], ..Misbehaviour::default() };
/// assert_eq!(wrong.f_cnt_up_step, 1);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "built by other crates")]
pub struct Misbehaviour {
    /// The commands that it neither obeys nor answers, by identifier.
    pub ignores: Vec<u8>,
    /// The commands that it refuses, by identifier: every status bit of the answer is 0. Commands whose answer has no
    /// status bits are obeyed.
    pub rejects: Vec<u8>,
    /// The commands that it obeys without an answer, by identifier.
    pub leaves_unanswered: Vec<u8>,
    /// How far FCntUp goes on with each uplink: 1; with 0 it repeats counters, with more it leaves gaps.
    pub f_cnt_up_step: u32,
    /// It joins with the DevNonce of its last join-request, as a device that forgot it.
    pub repeats_dev_nonce: bool,
    /// It repeats sticky answers (RXParamSetupAns and others) although it heard a downlink.
    pub repeats_sticky_answers: bool,
    /// It takes downlinks whose counter it has seen.
    pub takes_replayed_downlinks: bool,
    /// It never acknowledges confirmed downlinks.
    pub never_acknowledges: bool,
    /// It sends payloads that are longer than the data rate allows.
    pub exceeds_length_limit: bool,
    /// The last bit of every integrity code is wrong.
    pub wrong_mic: bool,
}

impl Default for Misbehaviour {
    fn default() -> Self {
        Self {
            ignores: Vec::new(),
            rejects: Vec::new(),
            leaves_unanswered: Vec::new(),
            f_cnt_up_step: 1,
            repeats_dev_nonce: false,
            repeats_sticky_answers: false,
            takes_replayed_downlinks: false,
            never_acknowledges: false,
            exceeds_length_limit: false,
            wrong_mic: false,
        }
    }
}

/// The answer that refuses everything; `None` if the request cannot be refused.
pub(super) fn refusal(request: &Command) -> Option<Command> {
    Some(match request {
        Command::LinkAdrReq { .. } => Command::LinkAdrAns {
            channel_mask_ack: false,
            data_rate_index_ack: false,
            tx_power_index_ack: false,
        },
        Command::RxParamSetupReq { .. } => Command::RxParamSetupAns {
            rx2_frequency_ack: false,
            rx2_data_rate_index_ack: false,
            rx1_data_rate_offset_ack: false,
        },
        Command::NewChannelReq { .. } => {
            Command::NewChannelAns { frequency_ack: false, data_rate_ack: false }
        }
        Command::DlChannelReq { .. } => {
            Command::DlChannelAns { channel_frequency_ok: false, uplink_frequency_exists: false }
        }
        Command::RejoinParamSetupReq { .. } => {
            Command::RejoinParamSetupAns { max_time_exponent_ack: false }
        }
        Command::PingSlotChannelReq { .. } => {
            Command::PingSlotChannelAns { frequency_ack: false, data_rate_index_ack: false }
        }
        Command::BeaconFreqReq { .. } => Command::BeaconFreqAns { frequency_ack: false },
        Command::RelayEndDeviceConfReq { .. } => Command::RelayEndDeviceConfAns {
            second_channel_frequency_ack: false,
            second_channel_data_rate_index_ack: false,
            second_channel_index_ack: false,
            backoff_ack: false,
        },
        Command::RelayConfReq { .. } => Command::RelayConfAns {
            second_channel_frequency_ack: false,
            second_channel_ack_offset_ack: false,
            second_channel_data_rate_index_ack: false,
            second_channel_index_ack: false,
            default_channel_index_ack: false,
            cad_periodicity_ack: false,
        },
        Command::RelayFilterListReq { .. } => Command::RelayFilterListAns {
            action_ack: false,
            length_ack: false,
            combined_rules_ack: false,
        },
        _ => return None,
    })
}

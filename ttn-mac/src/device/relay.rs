//! The device as a relay (TS011): whom it serves, what it forwards. Wake-on-radio itself is the driver's.

use alloc::vec::Vec;

use ttn_core::{addr::DevAddr, frame::Form, rand::Entropy};

use super::{Device, DeviceError, DeviceTx};
use crate::{
    command::{Command, RelayFilterEui, RelayLimit, RelayLimits, RelaySecondChannel, RootWorSKey},
    frame::{self, RelayForwardUplink},
};

/// The rules of each list.
const RULES: usize = 16;
/// The action of a filter rule that lets join-requests pass.
const FORWARD: u8 = 1;

/// What the network has set on a relay.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Relay {
    /// Whether it relays.
    pub started: bool,
    /// How often it looks for wake-on-radio frames, 0 to 5.
    pub cad_periodicity: u8,
    /// The wake-on-radio channel of the band.
    pub default_channel_index: u8,
    /// The second channel.
    pub second_channel: RelaySecondChannel,
    /// Which join-requests it forwards, by rule.
    pub filters: [Option<RelayFilter>; RULES],
    /// The devices that it serves, by rule.
    pub served: [Option<ServedDevice>; RULES],
    /// How much it forwards.
    pub limits: RelayLimits,
}

/// A rule for join-requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "complete by definition")]
pub struct RelayFilter {
    /// 1: forward; 2: do not forward.
    pub action: u8,
    /// What it matches.
    pub eui: RelayFilterEui,
}

/// A device that a relay serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "complete by definition")]
pub struct ServedDevice {
    /// How fast its frames are forwarded.
    pub limit: RelayLimit,
    /// Its address.
    pub dev_addr: DevAddr,
    /// Its wake-on-radio counter.
    pub w_f_cnt: u32,
    /// The root of its wake-on-radio keys.
    pub root_wor_s_key: RootWorSKey,
}

/// Why a relay does not forward a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unforwarded {
    /// It cannot send; a data frame may wait.
    Device(DeviceError),
    /// No rule forwards it.
    NoRule,
    /// The device is no relay, or was not started.
    NotStarted,
}

impl Device {
    /// Makes it a relay that waits for RelayConfReq.
    pub fn start_relay(&mut self) {
        self.relay = Some(Relay::default());
    }

    /// What the network has set on the relay, if it is one.
    #[must_use]
    pub const fn relay(&self) -> Option<&Relay> {
        self.relay.as_ref()
    }

    /// Makes the uplink that forwards a frame of another device. Limits are the driver's.
    ///
    /// # Errors
    ///
    /// The relay may not forward the frame, or cannot send.
    pub fn forward(
        &mut self,
        uplink: &RelayForwardUplink,
        entropy: &dyn Entropy,
    ) -> Result<DeviceTx, Unforwarded> {
        let relay = self.relay.as_ref().filter(|it| it.started).ok_or(Unforwarded::NotStarted)?;
        if !relay.forwards(&uplink.phy_payload) {
            return Err(Unforwarded::NoRule);
        }
        let payload = uplink
            .encode(self.config.band.frequency_step)
            .map_err(|error| Unforwarded::Device(DeviceError::Build(error)))?;
        self.send_relayed(&payload, entropy).map_err(Unforwarded::Device)
    }

    /// Asks the network whether it shall serve a device that it heard.
    pub fn notify_new_end_device(&mut self, dev_addr: DevAddr, snr: i8, rssi: i16) {
        self.request(Command::RelayNotifyNewEndDeviceReq { dev_addr, snr, rssi });
    }
}

impl Relay {
    /// Whether a rule forwards a frame.
    #[must_use]
    pub fn forwards(&self, phy: &[u8]) -> bool {
        match frame::parse(phy).map(|parsed| parsed.form) {
            Ok(Form::JoinRequest(request)) => {
                let mut euis = Vec::from(request.join_eui.to_be_bytes());
                euis.extend(request.dev_eui.to_be_bytes());
                // The longest prefix decides; rule 0 has none.
                let matching = self
                    .filters
                    .iter()
                    .flatten()
                    .filter(|rule| euis.starts_with(rule.eui.as_slice()));
                matching
                    .max_by_key(|rule| rule.eui.as_slice().len())
                    .is_none_or(|rule| rule.action == FORWARD)
            }
            Ok(Form::Data(data)) if data.uplink => {
                self.served.iter().flatten().any(|served| served.dev_addr == data.dev_addr)
            }
            _ => false,
        }
    }

    /// Carries out a command and gives the answer.
    pub(super) fn obey(&mut self, command: &Command) -> Option<Command> {
        Some(match *command {
            Command::RelayConfReq {
                start,
                cad_periodicity,
                default_channel_index,
                second_channel,
            } => self.configure(start, cad_periodicity, default_channel_index, second_channel),
            Command::RelayFilterListReq { index, action, eui } => self.filter(index, action, eui),
            Command::RelayUpdateUplinkListReq {
                rule_index,
                limit,
                dev_addr,
                w_f_cnt,
                root_wor_s_key,
            } => {
                if let Some(rule) = self.served.get_mut(usize::from(rule_index)) {
                    *rule = Some(ServedDevice { limit, dev_addr, w_f_cnt, root_wor_s_key });
                }
                Command::RelayUpdateUplinkListAns
            }
            Command::RelayCtrlUplinkListReq { rule_index, remove } => {
                let rule = self.served.get_mut(usize::from(rule_index))?;
                let found = if remove { rule.take() } else { *rule };
                Command::RelayCtrlUplinkListAns {
                    rule_index_ack: found.is_some(),
                    w_f_cnt: found.map_or(0, |served| served.w_f_cnt),
                }
            }
            Command::RelayConfigureFwdLimitReq(limits) => {
                self.limits = limits;
                Command::RelayConfigureFwdLimitAns
            }
            _ => return None,
        })
    }

    fn configure(
        &mut self,
        start: bool,
        cad_periodicity: u8,
        default_channel_index: u8,
        second_channel: RelaySecondChannel,
    ) -> Command {
        let cad_periodicity_ack = cad_periodicity <= 5;
        let default_channel_index_ack = default_channel_index <= 1;
        let second_channel_index_ack = second_channel.index <= 1;
        let second_channel_ack_offset_ack = second_channel.ack_offset <= 5;
        if cad_periodicity_ack
            && default_channel_index_ack
            && second_channel_index_ack
            && second_channel_ack_offset_ack
        {
            self.started = start;
            self.cad_periodicity = cad_periodicity;
            self.default_channel_index = default_channel_index;
            self.second_channel = second_channel;
        }
        Command::RelayConfAns {
            second_channel_frequency_ack: true,
            second_channel_ack_offset_ack,
            second_channel_data_rate_index_ack: true,
            second_channel_index_ack,
            default_channel_index_ack,
            cad_periodicity_ack,
        }
    }

    fn filter(&mut self, index: u8, action: u8, eui: RelayFilterEui) -> Command {
        let action_ack = action <= 2;
        // Rule 0 is for what no other matches, so it matches everything and is always there.
        let combined_rules_ack = index != 0 || (eui.as_slice().is_empty() && action != 0);
        if action_ack
            && combined_rules_ack
            && let Some(rule) = self.filters.get_mut(usize::from(index))
        {
            *rule = (action != 0).then_some(RelayFilter { action, eui });
        }
        Command::RelayFilterListAns { action_ack, length_ack: true, combined_rules_ack }
    }
}

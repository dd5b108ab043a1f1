//! What a device has to do with relays (TS011, NS-108).

use alloc::vec::Vec;

use ttn_core::{addr::DevAddr, id::DeviceId, key::SessionKeyId};

use crate::command::{RelayActivation, RelayLimit, RelayLimits, RelaySecondChannel};

/// The role of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition: both sides of a relay")]
pub enum Relay {
    /// It may send by way of a relay.
    Served(ServedRelay),
    /// It is a relay.
    Serving(ServingRelay),
}

/// A device that may send by way of a relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServedRelay {
    /// When it does.
    pub activation: RelayActivation,
    /// After 8, 16, 32 or 64 uplinks without downlink, if `activation` is dynamic; 0 to 3.
    pub smart_enable_level: u8,
    /// After how many wake-on-radio frames without acknowledgement it sends all the same, 0 to 63; 0 for always.
    pub backoff: u8,
    /// The second wake-on-radio channel.
    pub second_channel: Option<RelaySecondChannel>,
    /// The relay.
    pub serving_device_id: Option<DeviceId>,
}

/// A relay.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ServingRelay {
    /// The second wake-on-radio channel.
    pub second_channel: Option<RelaySecondChannel>,
    /// Which of the band's wake-on-radio channels it uses, 0 or 1.
    pub default_channel_index: u8,
    /// How often it looks for wake-on-radio frames: every 1000, 500, 250, 100, 50 or 20 ms; 0 to 5.
    pub cad_periodicity: u8,
    /// Whose uplinks it forwards, by index; at most [`RELAY_RULES_MAX`], what stands behind is not looked at.
    pub rules: Vec<Option<RelayRule>>,
    /// How much it forwards; `None` leaves it to the relay.
    pub limits: Option<RelayLimits>,
}

/// The most rules of a relay.
pub const RELAY_RULES_MAX: usize = 16;

/// A device whose uplinks a relay forwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelayRule {
    /// The device.
    pub device_id: DeviceId,
    /// How fast; `None` for no limit.
    pub limit: Option<RelayLimit>,
    /// The session that the relay knows; `None` in settings.
    pub session: Option<RuleSession>,
}

/// The session of a served device as its relay knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleSession {
    /// The address.
    pub dev_addr: DevAddr,
    /// The id of the key set.
    pub session_key_id: SessionKeyId,
    /// The last wake-on-radio counter that is known.
    pub w_f_cnt: u32,
}

impl Relay {
    /// The relay, if it is one.
    #[must_use]
    pub const fn serving(&self) -> Option<&ServingRelay> {
        match self {
            Self::Serving(serving) => Some(serving),
            Self::Served(_) => None,
        }
    }

    /// The served device, if it is one.
    #[must_use]
    pub const fn served(&self) -> Option<&ServedRelay> {
        match self {
            Self::Served(served) => Some(served),
            Self::Serving(_) => None,
        }
    }
}

impl ServingRelay {
    /// The rule of an index.
    #[must_use]
    pub fn rule(&self, index: u8) -> Option<&RelayRule> {
        self.rules.get(usize::from(index)).and_then(Option::as_ref)
    }

    /// Sets the rule of an index below [`RELAY_RULES_MAX`].
    pub(crate) fn set_rule(&mut self, index: u8, rule: Option<RelayRule>) {
        let at = usize::from(index);
        if at >= RELAY_RULES_MAX {
            return;
        }
        if self.rules.len() <= at {
            self.rules.resize(at.saturating_add(1), None);
        }
        if let Some(slot) = self.rules.get_mut(at) {
            *slot = rule;
        }
    }
}

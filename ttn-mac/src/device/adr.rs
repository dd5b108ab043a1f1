//! What a device does for want of downlinks: ADR_ACK_LIMIT, ADR_ACK_DELAY (TS001-1.0.4 §4.3.1.1), relays.

use super::Device;
use crate::{
    command::RelayActivation,
    state::Channels,
    version::{MacRules as _, MacVersion},
};

impl Device {
    /// Whether the next uplink asks for a sign of life; falls back a step when ADR_ACK_DELAY uplinks more have had none.
    pub(super) fn back_off(&mut self) -> bool {
        let limit = u32::from(self.parameters.adr_ack_limit);
        let Some(over) = self.silence.checked_sub(limit).filter(|_| self.config.adr) else {
            return false;
        };
        let delay = u32::from(self.parameters.adr_ack_delay);
        if over > 0 && over.checked_rem(delay) == Some(0) && self.stepped_at != self.silence {
            self.stepped_at = self.silence;
            self.step_back();
        }
        // Up to LoRaWAN 1.0.3 a device at its lowest data rate does not ask: nothing would follow.
        self.config.version >= MacVersion::V1_0_4 || self.lower_data_rate().is_some()
    }

    /// The whole power, then the next lower data rate, then the channels that it had at first, each sent once.
    fn step_back(&mut self) {
        if self.parameters.tx_power_index > 0 {
            self.parameters.tx_power_index = 0;
        } else if let Some(lower) = self.lower_data_rate() {
            self.parameters.data_rate = lower;
        } else {
            let boot =
                self.config.channels.unwrap_or_else(|| Channels::at_boot(self.config.band).enabled);
            let enabled = self.parameters.channels.enabled.bits() | boot.bits();
            self.parameters.channels.enabled = crate::band::ChannelMask::from_bits(enabled);
            self.parameters.nb_trans = 1;
        }
    }

    fn lower_data_rate(&self) -> Option<ttn_core::radio::DataRateIndex> {
        let band = self.config.band;
        let rate = self.parameters.sending_rate(band);
        self.parameters.data_rates(band).take_while(|lower| *lower < rate).last()
    }

    /// Without RekeyConf after ADR_ACK_LIMIT uplinks the session is not one, and the device has to join again.
    pub(super) fn gives_up_session(&self) -> bool {
        let rekeys = self.outgoing.indications.iter().any(|it| it.cid() == 0x0B);
        let uses_rekey = self.session.as_ref().is_some_and(|it| it.version.uses_rekey_ind());
        rekeys && uses_rekey && self.silence >= u32::from(self.parameters.adr_ack_limit)
    }

    /// Whether the driver shall wake a relay before each uplink (TS011).
    #[must_use]
    pub fn uses_relay(&self) -> bool {
        self.parameters.relay.is_some_and(|relay| match relay.activation {
            RelayActivation::Enabled => true,
            RelayActivation::Dynamic => {
                self.silence >= 8_u32.wrapping_shl(u32::from(relay.smart_enable_level & 3))
            }
            RelayActivation::Disabled | RelayActivation::DeviceControlled => false,
        })
    }
}

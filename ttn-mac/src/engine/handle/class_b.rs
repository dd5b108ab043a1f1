//! The class of a device; answers about class B and rejoins: BeaconFreqAns, PingSlotChannelAns, RejoinParamSetupAns.

use ttn_core::radio::{DataRateIndex, Frequency};

use super::{Handling, MacEvent, answer::STICKY_PING_SLOT_CHANNEL};
use crate::{command::Command, state::DeviceClass, version::MacRules as _};

impl Handling<'_> {
    /// The class B bit of an uplink is clear, before its commands (NS-35): PingSlotInfoReq may come with it.
    pub(in crate::engine) fn leave_class_b(&mut self) {
        if self.st.slow.class != DeviceClass::B {
            return;
        }
        let version = self.st.slow.version;
        let c = self.engine.classes.c && !version.uses_device_mode_ind();
        self.switch_class(if c { DeviceClass::C } else { DeviceClass::A });
    }

    /// The class B bit of an uplink is set, after its commands (NS-36, TS001-1.0.4 §4.3.1.7).
    pub(in crate::engine) fn enter_class_b(&mut self) {
        match self.engine.ping_slots(self.st) {
            Ok(_) => self.switch_class(DeviceClass::B),
            Err(missing) => {
                self.leave_class_b();
                self.events.push(MacEvent::ClassBIgnored(missing));
            }
        }
    }

    pub(super) fn switch_class(&mut self, class: DeviceClass) {
        let before = core::mem::replace(&mut self.st.slow.class, class);
        self.class_was(before);
    }

    /// Tells of a class that is another one now.
    pub(in crate::engine) fn class_was(&mut self, before: DeviceClass) {
        let class = self.st.slow.class;
        if before != class {
            self.slow_changed = true;
            self.events.push(MacEvent::ClassSwitched(class));
        }
    }

    /// Matches an answer with its request and does what both agree upon.
    pub(super) fn class_b_or_rejoin(&mut self, answer: Command) {
        let request = self.take_request(|request| {
            request.cid() == answer.cid() && request.direction() != answer.direction()
        });
        // TS001-1.0.4 §12.3: repeated until the device hears a downlink of class A.
        let repeats = matches!(answer, Command::PingSlotChannelAns { .. });
        let sticky = if repeats { STICKY_PING_SLOT_CHANNEL } else { 0 };
        self.st.hot.sticky |= sticky;
        let Some(request) = request else { return self.unasked(sticky, answer) };
        let accepted = match (request, answer) {
            (
                Command::PingSlotChannelReq { frequency, data_rate_index },
                Command::PingSlotChannelAns { frequency_ack, data_rate_index_ack },
            ) => {
                let acks = (frequency_ack, data_rate_index_ack);
                self.ping_slot_channel(frequency, data_rate_index, acks)
            }
            (Command::BeaconFreqReq { frequency }, Command::BeaconFreqAns { frequency_ack }) => {
                self.beacon_freq(frequency, frequency_ack)
            }
            (
                Command::RejoinParamSetupReq { max_time_exponent, max_count_exponent },
                Command::RejoinParamSetupAns { max_time_exponent_ack },
            ) => {
                let slow = &mut self.st.slow;
                slow.current.rejoin_count_exponent = max_count_exponent;
                if max_time_exponent_ack {
                    slow.current.rejoin_time_exponent = max_time_exponent;
                } else {
                    // The device cannot measure the time: it is not asked again (NS-41).
                    slow.desired.rejoin_time_exponent = slow.current.rejoin_time_exponent;
                }
                max_time_exponent_ack
            }
            _ => false,
        };
        self.answered(request, answer, accepted);
    }

    /// NS-60: applied only if both parts are accepted.
    fn ping_slot_channel(
        &mut self,
        frequency: Frequency,
        data_rate_index: DataRateIndex,
        (frequency_ack, data_rate_ack): (bool, bool),
    ) -> bool {
        let slow = &mut self.st.slow;
        if frequency_ack && data_rate_ack {
            slow.current.ping_slot_frequency = frequency;
            slow.current.ping_slot_data_rate = Some(data_rate_index);
            return true;
        }
        if !frequency_ack {
            slow.rejected.push_frequency(frequency);
        }
        if !data_rate_ack {
            slow.rejected.ping_slot_data_rates |= 1_u16 << data_rate_index.get();
        }
        false
    }

    /// NS-62.
    fn beacon_freq(&mut self, frequency: Frequency, accepted: bool) -> bool {
        if accepted {
            self.st.slow.current.beacon_frequency = frequency;
        } else {
            self.st.slow.rejected.push_frequency(frequency);
        }
        accepted
    }
}

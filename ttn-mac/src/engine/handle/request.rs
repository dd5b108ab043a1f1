//! What the device asks for or announces: LinkCheckReq, DeviceTimeReq, RekeyInd, ResetInd, PingSlotInfoReq,
//! BeaconTimingReq, DeviceModeInd, RelayNotifyNewEndDeviceReq.

use ttn_core::time::GpsTime;

use super::{Handling, MacEvent};
use crate::{
    adr::demodulation_floor,
    command::{Command, DeviceModeClass},
    state::DeviceClass,
    version::MacRules as _,
};

/// The minor version of LoRaWAN 1.x that the network speaks.
const MINOR_VERSION: u8 = 1;
/// The highest margin of LinkCheckAns; 255 is reserved.
const MARGIN_MAX: f32 = 254.0;
const NANOS: i64 = 1_000_000_000;

impl Handling<'_> {
    /// Handles a command that is no answer; `false` if it is one.
    pub(super) fn device_request(&mut self, command: &Command, retransmission: bool) -> bool {
        let answer = match command {
            Command::LinkCheckReq => self.link_check(),
            Command::DeviceTimeReq => Some(self.device_time()),
            Command::RekeyInd { minor_version } => self.rekey(*minor_version),
            Command::ResetInd { minor_version } => self.reset(*minor_version, retransmission),
            Command::PingSlotInfoReq { period } => self.ping_slot_info(*period),
            Command::DeviceModeInd { class } => self.device_mode(*class),
            Command::BeaconTimingReq => self.beacon_timing(),
            // NS-112: told, not answered.
            Command::RelayNotifyNewEndDeviceReq { .. } => {
                self.events.push(MacEvent::Received(*command));
                return true;
            }
            _ => return false,
        };
        self.events.push(MacEvent::Received(*command));
        match answer {
            Some(answer) => {
                self.events.push(MacEvent::AnswerQueued(answer));
                self.st.answers.push(answer);
            }
            None => self.events.push(MacEvent::Unsupported(*command)),
        }
        true
    }

    /// NS-45. Without a known floor (FSK) there is no margin to speak of.
    fn link_check(&self) -> Option<Command> {
        let rate = self.engine.band.data_rate(self.matched.channel.data_rate_index)?.rate;
        let margin = self.rx.max_snr? - demodulation_floor(&rate)?;
        Some(Command::LinkCheckAns {
            margin: margin.clamp(0.0, MARGIN_MAX) as u8,
            gateway_count: u8::try_from(self.rx.gateway_count).unwrap_or(u8::MAX),
        })
    }

    /// NS-56.
    fn device_time(&self) -> Command {
        let time = self.rx.gps_time.unwrap_or_else(|| GpsTime::from_utc(self.rx.received_at));
        let (seconds, nanos) = (time.nanos().div_euclid(NANOS), time.nanos().rem_euclid(NANOS));
        // Exact: 256 / 10^9 = 4 / 15,625,000.
        let fraction = nanos.saturating_mul(4).div_euclid(15_625_000);
        Command::DeviceTimeAns {
            gps_seconds: u32::try_from(seconds).unwrap_or(0),
            fraction_256: u8::try_from(fraction).unwrap_or(u8::MAX),
        }
    }

    /// NS-30.
    fn rekey(&self, minor_version: u8) -> Option<Command> {
        self.st
            .slow
            .version
            .uses_rekey_ind()
            .then_some(Command::RekeyConf { minor_version: minor_version.min(MINOR_VERSION) })
    }

    /// NS-59: not while the device is in class B. Before LoRaWAN 1.1 a class C device cannot say that it is in class A.
    fn ping_slot_info(&mut self, period: u8) -> Option<Command> {
        let slow = &mut self.st.slow;
        if slow.class == DeviceClass::B {
            return None;
        }
        self.slow_changed |= slow.ping_slot_periodicity != Some(period);
        slow.ping_slot_periodicity = Some(period);
        Some(Command::PingSlotInfoAns)
    }

    /// NS-61: not from LoRaWAN 1.0.3 on. The times are put in when the downlink is made.
    fn beacon_timing(&self) -> Option<Command> {
        let has_beacon = !self.engine.band.beacon.frequencies.is_empty();
        (has_beacon && self.st.slow.version.answers_beacon_timing_req())
            .then_some(Command::BeaconTimingAns { delay: 0, channel_index: 0 })
    }

    /// NS-63. The answer names the class that holds from now on: class A for a device that was not registered for C.
    fn device_mode(&mut self, class: DeviceModeClass) -> Option<Command> {
        if !self.st.slow.version.uses_device_mode_ind() {
            return None;
        }
        let (class, wanted) = match class {
            DeviceModeClass::C if self.engine.classes.c => (DeviceModeClass::C, DeviceClass::C),
            _ => (DeviceModeClass::A, DeviceClass::A),
        };
        self.switch_class(wanted);
        Some(Command::DeviceModeConf { class })
    }

    /// NS-44: an ABP device has lost its state.
    fn reset(&mut self, minor_version: u8, retransmission: bool) -> Option<Command> {
        if !self.st.slow.version.is_1_1() || self.st.slow.supports_join {
            return None;
        }
        if !retransmission {
            let before = self.st.slow.class;
            self.engine.restart(self.st);
            self.slow_changed = true;
            self.class_was(before);
        }
        Some(Command::ResetConf { minor_version: minor_version.min(MINOR_VERSION) })
    }
}

//! The end of the device under test (TS009).

use ttn_core::radio::{DeviceClass, Frequency};

use super::{Downlink, F_PORT, IDENTIFIER, PERIODICITIES, Uplink, VERSION, parse_downlink};
use crate::package::ParseError;

/// A device under test: what it counts and tells. What it does is the caller's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    versions: Versions,
    enabled: bool,
    received: u16,
}

/// What the device runs: each major, minor, patch and revision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "complete by the specification")]
pub struct Versions {
    /// The firmware.
    pub firmware: [u8; 4],
    /// The link layer.
    pub lorawan: [u8; 4],
    /// The regional parameters.
    pub regional_parameters: [u8; 4],
}

/// What the device has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by the specification")]
pub enum Effect {
    /// Set the ADR bit of uplinks.
    Adr(bool),
    /// Send this on the port of the package.
    Answer(Uplink),
    /// Send a carrier without modulation.
    ContinuousWave {
        /// For so many seconds.
        timeout_s: u16,
        /// The frequency.
        frequency: Frequency,
        /// The power in dBm.
        power_dbm: i8,
    },
    /// Send confirmed uplinks, or unconfirmed ones.
    Confirmed(bool),
    /// Send DeviceTimeReq.
    DeviceTime,
    /// Keep the duty cycle of the region, or not.
    DutyCycle(bool),
    /// Forget the session and join.
    Join,
    /// Send LinkCheckReq.
    LinkCheck,
    /// Not a command that is known: nothing happens.
    Malformed(ParseError),
    /// Send an uplink every so many seconds; `None` for what the device does without being told.
    Periodicity(Option<u16>),
    /// Send PingSlotInfoReq with this periodicity.
    PingSlotInfo(u8),
    /// Keep the port closed over the reset, and reset.
    PortDisabled,
    /// Reset.
    Reset,
    /// Change to this class.
    SwitchClass(DeviceClass),
}

impl Device {
    /// A device whose port is open.
    #[must_use]
    pub const fn new(versions: Versions) -> Self {
        Self { versions, enabled: true, received: 0 }
    }

    /// Whether the port is open.
    #[must_use]
    pub const fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// Counts a downlink that was received, and takes its command if it is one. `f_port` is absent without a payload;
    /// then it counts only if it acknowledges an uplink.
    pub fn handle(
        &mut self,
        f_port: Option<u8>,
        acknowledges: bool,
        payload: &[u8],
    ) -> Option<Effect> {
        if !self.enabled {
            return None;
        }
        if f_port.is_some_and(|port| port > 0) || acknowledges {
            self.received = self.received.wrapping_add(1);
        }
        if f_port != Some(F_PORT) {
            return None;
        }
        match parse_downlink(payload) {
            Ok(command) => self.command(command),
            Err(error) => Some(Effect::Malformed(error)),
        }
    }

    fn command(&mut self, command: Downlink) -> Option<Effect> {
        let effect = match command {
            Downlink::AdrBitChangeReq { adr_enable } => Effect::Adr(adr_enable),
            Downlink::DeviceTimeReq => Effect::DeviceTime,
            Downlink::DutFPort224DisableReq => {
                self.enabled = false;
                Effect::PortDisabled
            }
            Downlink::DutJoinReq => Effect::Join,
            Downlink::DutResetReq => Effect::Reset,
            Downlink::DutVersionsReq => {
                let Versions { firmware, lorawan, regional_parameters } = self.versions;
                Effect::Answer(Uplink::DutVersionsAns { firmware, lorawan, regional_parameters })
            }
            Downlink::EchoIncPayloadReq { mut payload } => {
                payload.iter_mut().for_each(|octet| *octet = octet.wrapping_add(1));
                Effect::Answer(Uplink::EchoIncPayloadAns { payload })
            }
            Downlink::LinkCheckReq => Effect::LinkCheck,
            Downlink::PackageVersionReq => {
                let (identifier, version) = (IDENTIFIER, VERSION);
                Effect::Answer(Uplink::PackageVersionAns { identifier, version })
            }
            Downlink::PingSlotInfoReq { periodicity } => Effect::PingSlotInfo(periodicity),
            Downlink::RegionalDutyCycleCtrlReq { enable } => Effect::DutyCycle(enable),
            Downlink::RxAppCntReq => Effect::Answer(Uplink::RxAppCntAns { count: self.received }),
            Downlink::RxAppCntResetReq => {
                self.received = 0;
                return None;
            }
            Downlink::SwitchClassReq { class } => Effect::SwitchClass(class),
            Downlink::TxCwReq { timeout_s, frequency, power_dbm } => {
                Effect::ContinuousWave { timeout_s, frequency, power_dbm }
            }
            Downlink::TxFramesCtrlReq { frame_type, .. } => match frame_type {
                1 => Effect::Confirmed(false),
                2 => Effect::Confirmed(true),
                _ => return None,
            },
            Downlink::TxPeriodicityChangeReq { periodicity_index } => {
                let seconds = PERIODICITIES.get(usize::from(periodicity_index)).copied();
                Effect::Periodicity(seconds.flatten())
            }
        };
        Some(effect)
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    fn ask(device: &mut Device, command: &Downlink) -> Option<Effect> {
        device.handle(Some(F_PORT), false, &command.encode().unwrap())
    }

    #[test]
    fn downlinks_of_the_application_are_counted() {
        let mut device = Device::new(Versions::default());
        assert_eq!(device.handle(Some(0), false, &[1, 2]), None);
        assert_eq!(device.handle(None, false, &[]), None);
        assert_eq!(device.handle(None, true, &[]), None);
        assert_eq!(device.handle(Some(5), false, &[1]), None);
        let count = |count| Some(Effect::Answer(Uplink::RxAppCntAns { count }));
        assert_eq!(ask(&mut device, &Downlink::RxAppCntReq), count(3));
        assert_eq!(ask(&mut device, &Downlink::RxAppCntResetReq), None);
        assert_eq!(ask(&mut device, &Downlink::RxAppCntReq), count(1));
    }

    #[test]
    fn an_echo_is_one_higher_and_turns_around() {
        let mut device = Device::new(Versions::default());
        let request = Downlink::EchoIncPayloadReq { payload: vec![1, 5, 255] };
        let answer = Uplink::EchoIncPayloadAns { payload: vec![2, 6, 0] };
        assert_eq!(ask(&mut device, &request), Some(Effect::Answer(answer)));
    }

    #[test]
    fn what_the_device_has_to_do_is_handed_on() {
        let mut device = Device::new(Versions::default());
        let class = DeviceClass::C;
        let confirmed = |frame_type| Downlink::TxFramesCtrlReq { frame_type, rest: vec![] };
        let every = |periodicity_index| Downlink::TxPeriodicityChangeReq { periodicity_index };
        for (command, effect) in [
            (Downlink::SwitchClassReq { class }, Some(Effect::SwitchClass(class))),
            (Downlink::AdrBitChangeReq { adr_enable: true }, Some(Effect::Adr(true))),
            (Downlink::DutJoinReq, Some(Effect::Join)),
            (confirmed(0), None),
            (confirmed(1), Some(Effect::Confirmed(false))),
            (confirmed(2), Some(Effect::Confirmed(true))),
            (every(0), Some(Effect::Periodicity(None))),
            (every(10), Some(Effect::Periodicity(Some(480)))),
        ] {
            assert_eq!(ask(&mut device, &command), effect, "{command:?}");
        }
        let unknown = device.handle(Some(F_PORT), false, &[0x60]);
        assert_eq!(unknown, Some(Effect::Malformed(ParseError::Unknown { cid: 0x60 })));
    }

    // TS009-1.0.0 §5.15
    #[test]
    fn a_closed_port_stays_closed() {
        let mut device = Device::new(Versions::default());
        let close = Downlink::DutFPort224DisableReq;
        assert_eq!(ask(&mut device, &close), Some(Effect::PortDisabled));
        assert!(!device.is_enabled());
        assert_eq!(ask(&mut device, &Downlink::DutVersionsReq), None);
    }
}

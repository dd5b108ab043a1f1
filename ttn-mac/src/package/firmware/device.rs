//! The end of the device.

use alloc::vec::Vec;

use super::{
    COUNTDOWN_MAX, Downlink, IDENTIFIER, RebootAns, RebootReq, UpImageStatus, Uplink, VERSION,
    parse_downlink,
};
use crate::package::{ParseError, Source};

/// The firmware of a device as its server sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Device {
    fw_version: u32,
    hw_version: u32,
    image: UpImageStatus,
    reboot: Option<Reboot>,
}

/// A reboot that is due at a time of the device: seconds of any clock that does not jump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "complete by definition")]
pub struct Reboot {
    /// The time, in seconds of that clock.
    pub at: u64,
}

/// What to do after a downlink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum Effect {
    /// Send a command.
    Answer(Uplink),
    /// Delete the image.
    DeleteImage,
    /// Not a command; what follows it is not read.
    Malformed(ParseError),
    /// The commands came to a group: they are dropped.
    NotForGroups,
    /// Reboot now; nothing is answered.
    Reboot,
}

impl Device {
    /// A device that runs a firmware and has no image.
    #[must_use]
    pub const fn new(fw_version: u32, hw_version: u32) -> Self {
        Self { fw_version, hw_version, image: UpImageStatus::Absent, reboot: None }
    }

    /// Tells which image was received.
    pub const fn set_image(&mut self, image: UpImageStatus) {
        self.image = image;
    }

    /// The reboot that is due. The caller reboots then, with the new firmware if the image is valid.
    #[must_use]
    pub const fn reboot(&self) -> Option<Reboot> {
        self.reboot
    }

    /// Takes the commands of a downlink in order. `uptime` is a clock that does not jump, in seconds; `now` the time in
    /// seconds since the GPS epoch, `None` if the device does not know it.
    pub fn handle(
        &mut self,
        uptime: u64,
        now: Option<u32>,
        source: Source,
        payload: &[u8],
    ) -> Vec<Effect> {
        let mut effects = Vec::new();
        // TS006-1.0.0 §3: never to groups.
        if source != Source::Unicast {
            effects.push(Effect::NotForGroups);
            return effects;
        }
        for command in parse_downlink(payload) {
            match command {
                Ok(command) => self.command(uptime, now, command, &mut effects),
                Err(error) => effects.push(Effect::Malformed(error)),
            }
        }
        effects
    }

    fn command(
        &mut self,
        uptime: u64,
        now: Option<u32>,
        command: Downlink,
        effects: &mut Vec<Effect>,
    ) {
        let answer = match command {
            Downlink::DevDeleteImageReq { version } => self.delete(version, effects),
            // TS006-1.0.0 §3.4: a reboot at once is not answered.
            Downlink::DevRebootCountdownReq(RebootReq::Now)
            | Downlink::DevRebootTimeReq(RebootReq::Now) => return effects.push(Effect::Reboot),
            Downlink::DevRebootCountdownReq(RebootReq::Cancel) => {
                self.reboot = None;
                Uplink::DevRebootCountdownAns(RebootAns::Cancelled)
            }
            Downlink::DevRebootTimeReq(RebootReq::Cancel) => {
                self.reboot = None;
                Uplink::DevRebootTimeAns(RebootAns::Cancelled)
            }
            Downlink::DevRebootCountdownReq(RebootReq::When(seconds)) => {
                Uplink::DevRebootCountdownAns(self.reboot_in(uptime, seconds, COUNTDOWN_MAX))
            }
            Downlink::DevRebootTimeReq(RebootReq::When(time)) => {
                // TS006-1.0.0 §3.3: not in the past, and not without knowing the time.
                let seconds = now.and_then(|now| time.checked_sub(now)).unwrap_or_default();
                Uplink::DevRebootTimeAns(self.reboot_in(uptime, seconds, u32::MAX))
            }
            Downlink::DevUpgradeImageReq => Uplink::DevUpgradeImageAns(self.image),
            Downlink::DevVersionReq => {
                let (fw_version, hw_version) = (self.fw_version, self.hw_version);
                Uplink::DevVersionAns { fw_version, hw_version }
            }
            Downlink::PackageVersionReq => {
                Uplink::PackageVersionAns { identifier: IDENTIFIER, version: VERSION }
            }
        };
        effects.push(Effect::Answer(answer));
    }

    fn reboot_in(&mut self, uptime: u64, seconds: u32, max: u32) -> RebootAns {
        if seconds == 0 || seconds > max {
            return RebootAns::Failed;
        }
        // TS006-1.0.0 §3.3: one reboot at most; the last request holds.
        self.reboot = Some(Reboot { at: uptime.saturating_add(seconds.into()) });
        RebootAns::In(seconds)
    }

    fn delete(&mut self, version: u32, effects: &mut Vec<Effect>) -> Uplink {
        let (no_valid_image, invalid_version) = match self.image {
            UpImageStatus::Valid { next_version } => (false, next_version != version),
            UpImageStatus::Absent | UpImageStatus::Corrupt | UpImageStatus::Incompatible => {
                (true, false)
            }
        };
        if !no_valid_image && !invalid_version {
            self.image = UpImageStatus::Absent;
            effects.push(Effect::DeleteImage);
        }
        Uplink::DevDeleteImageAns { no_valid_image, invalid_version }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(device: &mut Device, now: Option<u32>, command: Downlink) -> Vec<Effect> {
        let mut payload = Vec::new();
        command.encode(&mut payload).unwrap();
        device.handle(100, now, Source::Unicast, &payload)
    }

    // TS006-1.0.0 §3.3
    #[test]
    fn a_reboot_is_at_a_time_in_the_future_of_a_known_clock() {
        let mut device = Device::new(1, 2);
        let at = |time| Downlink::DevRebootTimeReq(RebootReq::When(time));
        let answer = |answer| [Effect::Answer(Uplink::DevRebootTimeAns(answer))];
        assert_eq!(ask(&mut device, Some(1000), at(1060)), answer(RebootAns::In(60)));
        assert_eq!(device.reboot(), Some(Reboot { at: 160 }));
        assert_eq!(ask(&mut device, Some(1000), at(999)), answer(RebootAns::Failed));
        assert_eq!(ask(&mut device, None, at(1060)), answer(RebootAns::Failed));
        assert_eq!(device.reboot(), Some(Reboot { at: 160 }), "the last valid request holds");
        let cancel = Downlink::DevRebootTimeReq(RebootReq::Cancel);
        assert_eq!(ask(&mut device, None, cancel), answer(RebootAns::Cancelled));
        assert_eq!(device.reboot(), None);
    }

    // TS006-1.0.0 §3.4
    #[test]
    fn a_countdown_needs_no_clock_and_now_is_not_answered() {
        let mut device = Device::new(1, 2);
        let countdown = Downlink::DevRebootCountdownReq(RebootReq::When(30));
        let answer = Effect::Answer(Uplink::DevRebootCountdownAns(RebootAns::In(30)));
        assert_eq!(ask(&mut device, None, countdown), [answer]);
        assert_eq!(device.reboot(), Some(Reboot { at: 130 }));
        let now = Downlink::DevRebootCountdownReq(RebootReq::Now);
        assert_eq!(ask(&mut device, None, now), [Effect::Reboot]);
    }

    // TS006-1.0.0 §3.5, §3.6
    #[test]
    fn only_the_valid_image_of_the_version_is_deleted() {
        let mut device = Device::new(1, 2);
        let delete = Downlink::DevDeleteImageReq { version: 3 };
        let answer = |no_valid_image, invalid_version| {
            Effect::Answer(Uplink::DevDeleteImageAns { no_valid_image, invalid_version })
        };
        assert_eq!(ask(&mut device, None, delete), [answer(true, false)]);
        device.set_image(UpImageStatus::Valid { next_version: 4 });
        assert_eq!(ask(&mut device, None, delete), [answer(false, true)]);
        device.set_image(UpImageStatus::Valid { next_version: 3 });
        let status =
            Effect::Answer(Uplink::DevUpgradeImageAns(UpImageStatus::Valid { next_version: 3 }));
        assert_eq!(ask(&mut device, None, Downlink::DevUpgradeImageReq), [status]);
        assert_eq!(ask(&mut device, None, delete), [Effect::DeleteImage, answer(false, false)]);
        assert_eq!(ask(&mut device, None, delete), [answer(true, false)]);
    }

    // TS006-1.0.0 §3
    #[test]
    fn groups_cannot_reboot_devices() {
        let mut device = Device::new(1, 2);
        let effects = device.handle(0, None, Source::Multicast(0), &[3, 0, 0, 0]);
        assert_eq!(effects, [Effect::NotForGroups]);
    }
}

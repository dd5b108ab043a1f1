//! The end of the device.

use super::{Downlink, IDENTIFIER, Uplink, parse_downlink};
use crate::package::{ParseError, Version};

/// The clock synchronization of a device. The clock itself is the caller's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    version: Version,
    token: u8,
    accepts_periodicity: bool,
}

/// What a downlink asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by the specification")]
pub enum Heard {
    /// Answer at once.
    Answer(Uplink),
    /// Move the clock by seconds; if `again`, the field was too small and another request is due (TS003-2.0.0 §3.2).
    Correct {
        /// The seconds.
        seconds: i32,
        /// Whether to ask again afterwards.
        again: bool,
    },
    /// Not a command; what follows it is not read.
    Malformed(ParseError),
    /// From now on ask every so many seconds; `answer` is sent.
    Periodicity {
        /// The seconds between requests.
        seconds: u32,
        /// The answer.
        answer: Uplink,
    },
    /// Ask so many times, 0 to 7, until an answer comes.
    Resync {
        /// How many times.
        transmissions: u8,
    },
    /// An answer to another request than the last: nothing happens.
    StaleToken {
        /// The number that the answer has.
        got: u8,
        /// The number of the request.
        expected: u8,
    },
}

impl Device {
    /// A device that has not asked yet. Without `accepts_periodicity` it decides itself when to ask.
    #[must_use]
    pub const fn new(version: Version, accepts_periodicity: bool) -> Self {
        Self { version, token: 0, accepts_periodicity }
    }

    /// The request to send; `now` is the clock at the transmission, seconds since the GPS epoch modulo 2^32.
    #[must_use]
    pub const fn request(&self, now: u32, answer_required: bool) -> Uplink {
        Uplink::AppTimeReq { device_time: now, token: self.token, answer_required }
    }

    /// Takes the commands of a downlink to the device alone, in order.
    pub fn handle(&mut self, now: u32, payload: &[u8]) -> impl Iterator<Item = Heard> {
        parse_downlink(payload).map(move |command| match command {
            Err(error) => Heard::Malformed(error),
            Ok(command) => self.command(now, command),
        })
    }

    fn command(&mut self, now: u32, command: Downlink) -> Heard {
        match command {
            Downlink::AppTimeAns { token, .. } if token != self.token => {
                Heard::StaleToken { got: token, expected: self.token }
            }
            Downlink::AppTimeAns { correction, .. } => {
                // TS003-2.0.0 §3.2: incremented with each answer that was processed.
                self.token = self.token.wrapping_add(1) & 0x0F;
                let saturated = matches!(correction, i32::MAX | i32::MIN);
                Heard::Correct { seconds: correction, again: saturated }
            }
            Downlink::DeviceAppTimePeriodicityReq { period } => {
                let answer = Uplink::DeviceAppTimePeriodicityAns {
                    not_supported: !self.accepts_periodicity,
                    device_time: now,
                };
                if self.accepts_periodicity {
                    Heard::Periodicity { seconds: 128_u32.wrapping_shl(period.into()), answer }
                } else {
                    Heard::Answer(answer)
                }
            }
            Downlink::ForceDeviceResyncReq { transmissions } => Heard::Resync { transmissions },
            Downlink::PackageVersionReq => Heard::Answer(Uplink::PackageVersionAns {
                identifier: IDENTIFIER,
                version: self.version.number(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;
    use crate::package::clock_sync::correction_saturating;

    fn hear(device: &mut Device, commands: &[Downlink]) -> Vec<Heard> {
        let mut payload = Vec::new();
        commands.iter().for_each(|command| command.encode(&mut payload));
        device.handle(1000, &payload).collect()
    }

    // TS003-2.0.0 §3.2
    #[test]
    fn an_answer_counts_once_and_to_its_request_only() {
        let mut device = Device::new(Version::V2, true);
        let answer = Downlink::AppTimeAns { correction: -3, token: 0 };
        let heard = hear(&mut device, &[answer, answer]);
        let stale = Heard::StaleToken { got: 0, expected: 1 };
        assert_eq!(heard, [Heard::Correct { seconds: -3, again: false }, stale]);
        assert!(matches!(device.request(7, true), Uplink::AppTimeReq { token: 1, .. }));
    }

    // TS003-2.0.0 §3.2: the example of 2050.
    #[test]
    fn a_correction_that_does_not_fit_comes_in_two_steps() {
        let (mut clock, time) = (0_u32, 2_208_643_200_u32);
        let mut device = Device::new(Version::V2, true);
        let mut steps = Vec::new();
        for token in 0..2 {
            let correction = correction_saturating(clock, time);
            let heard = hear(&mut device, &[Downlink::AppTimeAns { correction, token }]);
            let Some(Heard::Correct { seconds, again }) = heard.first().copied() else { panic!() };
            clock = clock.wrapping_add_signed(seconds);
            steps.push((seconds, again));
        }
        assert_eq!(steps, [(0x7FFF_FFFF, true), (0x03A5_3881, false)]);
        assert_eq!(clock, time);
    }

    // TS003-2.0.0 §3.3
    #[test]
    fn a_device_that_decides_itself_says_so() {
        let ask = Downlink::DeviceAppTimePeriodicityReq { period: 2 };
        let answer = Uplink::DeviceAppTimePeriodicityAns { not_supported: true, device_time: 1000 };
        assert_eq!(hear(&mut Device::new(Version::V1, false), &[ask]), [Heard::Answer(answer)]);
        let answer =
            Uplink::DeviceAppTimePeriodicityAns { not_supported: false, device_time: 1000 };
        let heard = hear(&mut Device::new(Version::V1, true), &[ask]);
        assert_eq!(heard, [Heard::Periodicity { seconds: 512, answer }]);
    }

    #[test]
    fn the_rest_is_answered_or_handed_on() {
        let mut device = Device::new(Version::V2, true);
        let force = Downlink::ForceDeviceResyncReq { transmissions: 3 };
        let version = Uplink::PackageVersionAns { identifier: 1, version: 2 };
        let heard = hear(&mut device, &[Downlink::PackageVersionReq, force]);
        assert_eq!(heard, [Heard::Answer(version), Heard::Resync { transmissions: 3 }]);
        let heard: Vec<_> = device.handle(0, &[0x7F]).collect();
        assert_eq!(heard, [Heard::Malformed(ParseError::Unknown { cid: 0x7F })]);
    }
}

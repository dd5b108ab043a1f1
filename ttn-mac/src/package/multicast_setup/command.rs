//! The commands and their octets.

use alloc::vec::Vec;

use ttn_core::{addr::DevAddr, radio::Frequency};

use super::TIME_TO_START_MAX;
use crate::{
    frame::FrequencyStep,
    package::{
        BuildError, ParseError, Version,
        codec::{Read, bit, commands, fits, frequency, identifier, le_24, take},
    },
};

const CID_PACKAGE_VERSION: u8 = 0;
const CID_STATUS: u8 = 1;
const CID_SETUP: u8 = 2;
const CID_DELETE: u8 = 3;
const CID_CLASS_C: u8 = 4;
const CID_CLASS_B: u8 = 5;

/// A command from the device.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by the specification")]
pub enum Uplink {
    /// Whether a session in class B is set up.
    McClassBSessionAns(SessionAns),
    /// Whether a session in class C is set up.
    McClassCSessionAns(SessionAns),
    /// A group is deleted.
    McGroupDeleteAns {
        /// The group, 0 to 3.
        mc_group_id: u8,
        /// There was none.
        mc_group_undefined: bool,
    },
    /// A group is set up.
    McGroupSetupAns {
        /// The group, 0 to 3.
        mc_group_id: u8,
        /// The device does not have as many groups.
        id_error: bool,
    },
    /// The groups of the device.
    McGroupStatusAns {
        /// How many groups it has, 0 to 4.
        nb_total_groups: u8,
        /// The groups that are told here, McGroupID and address: fewer than were asked for if the payload is too short.
        groups: Vec<(u8, DevAddr)>,
    },
    /// The device tells which package it speaks.
    PackageVersionAns {
        /// The number of the package.
        identifier: u8,
        /// Its version.
        version: u8,
    },
}

/// Whether a session is set up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "complete by the specification")]
pub struct SessionAns {
    /// The group, 0 to 3.
    pub mc_group_id: u8,
    /// The data rate is not defined.
    pub dr_error: bool,
    /// The device cannot use the frequency.
    pub freq_error: bool,
    /// There is no such group.
    pub mc_group_undefined: bool,
    /// The start is over already (version 2).
    pub start_missed: bool,
    /// The seconds until the session begins, there exactly if no error is; at most [`TIME_TO_START_MAX`].
    pub time_to_start: Option<u32>,
}

impl SessionAns {
    /// Whether no error is told.
    #[must_use]
    pub const fn is_accepted(&self) -> bool {
        !(self.dr_error || self.freq_error || self.mc_group_undefined || self.start_missed)
    }
}

/// A command to the device.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by the specification")]
pub enum Downlink {
    /// Sets up a session in class B or C.
    McSessionReq(Session),
    /// Deletes a group.
    McGroupDeleteReq {
        /// The group, 0 to 3.
        mc_group_id: u8,
    },
    /// Makes or changes a group.
    McGroupSetupReq(GroupSetup),
    /// Asks for groups.
    McGroupStatusReq {
        /// Bit n is McGroupID n.
        req_group_mask: u8,
    },
    /// Asks which package the device speaks.
    PackageVersionReq,
}

/// A group as a device learns it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "complete by the specification")]
pub struct GroupSetup {
    /// The group, 0 to 3.
    pub mc_group_id: u8,
    /// Its address.
    pub mc_addr: DevAddr,
    /// Its key, encrypted for this device.
    pub mc_key_encrypted: [u8; 16],
    /// The counter of the next frame.
    pub min_mc_f_cnt: u32,
    /// The counter at which the group ends.
    pub max_mc_f_cnt: u32,
}

/// When and how devices listen to a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "complete by the specification")]
pub struct Session {
    /// The group, 0 to 3.
    pub mc_group_id: u8,
    /// The class.
    pub kind: SessionKind,
    /// The begin, seconds since the GPS epoch modulo 2^32.
    pub session_time: u32,
    /// The longest duration, 0 to 15: 2^n seconds in class C, 2^n beacon periods in class B.
    pub time_out: u8,
    /// The frequency; zero in class B for the frequencies of the beacon.
    pub dl_frequency: Frequency,
    /// The index of the data rate.
    pub dr: u8,
}

/// The class of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by the specification")]
pub enum SessionKind {
    /// Ping slots.
    ClassB {
        /// How often, 0 to 7: as in PingSlotInfoReq.
        periodicity: u8,
    },
    /// All the time.
    ClassC,
}

impl Session {
    /// The longest duration in seconds.
    #[must_use]
    pub const fn seconds_max(&self) -> u32 {
        // TS005-2.0.0 §4.5, §4.6: a beacon period has 128 seconds.
        let unit = match self.kind {
            SessionKind::ClassB { .. } => 128_u32,
            SessionKind::ClassC => 1,
        };
        unit.wrapping_shl((self.time_out & 0x0F) as u32)
    }

    /// Whether devices listen now; `now` is seconds since the GPS epoch modulo 2^32.
    #[must_use]
    pub const fn is_open(&self, now: u32) -> bool {
        now.wrapping_sub(self.session_time) < self.seconds_max()
    }
}

/// Reads the commands of an uplink in order. Ends behind the first error.
pub fn parse_uplink(
    version: Version,
    payload: &[u8],
) -> impl Iterator<Item = Result<Uplink, ParseError>> {
    commands(payload, move |octets| uplink(version, octets))
}

/// Reads the commands of a downlink in order; they are the same in both versions. Ends behind the first error.
pub fn parse_downlink(
    step: FrequencyStep,
    payload: &[u8],
) -> impl Iterator<Item = Result<Downlink, ParseError>> {
    commands(payload, move |octets| downlink(step, octets))
}

fn uplink(version: Version, octets: &[u8]) -> Read<'_, Uplink> {
    let (cid, rest) = identifier(octets)?;
    match cid {
        CID_PACKAGE_VERSION => {
            let ([identifier, version], rest) = take::<2>(cid, rest)?;
            Ok((Uplink::PackageVersionAns { identifier, version }, rest))
        }
        CID_STATUS => status_ans(cid, rest),
        CID_SETUP => {
            let ([header], rest) = take::<1>(cid, rest)?;
            let (mc_group_id, id_error) = (header & 0x03, header & 0x04 != 0);
            Ok((Uplink::McGroupSetupAns { mc_group_id, id_error }, rest))
        }
        CID_DELETE => {
            let ([header], rest) = take::<1>(cid, rest)?;
            let (mc_group_id, mc_group_undefined) = (header & 0x03, header & 0x04 != 0);
            Ok((Uplink::McGroupDeleteAns { mc_group_id, mc_group_undefined }, rest))
        }
        CID_CLASS_C => {
            let (answer, rest) = session_ans(version, cid, rest)?;
            Ok((Uplink::McClassCSessionAns(answer), rest))
        }
        CID_CLASS_B => {
            let (answer, rest) = session_ans(version, cid, rest)?;
            Ok((Uplink::McClassBSessionAns(answer), rest))
        }
        _ => Err(ParseError::Unknown { cid }),
    }
}

fn status_ans(cid: u8, octets: &[u8]) -> Read<'_, Uplink> {
    let ([status], mut rest) = take::<1>(cid, octets)?;
    let mut groups = Vec::new();
    for _ in 0..(status & 0x0F).count_ones() {
        let ([id, addr @ ..], behind) = take::<5>(cid, rest)?;
        groups.push((id & 0x03, DevAddr::from_le_bytes(addr)));
        rest = behind;
    }
    Ok((Uplink::McGroupStatusAns { nb_total_groups: (status >> 4) & 0x07, groups }, rest))
}

fn session_ans(version: Version, cid: u8, octets: &[u8]) -> Read<'_, SessionAns> {
    let ([status], rest) = take::<1>(cid, octets)?;
    // TS005-2.0.0 §4.5: bits that are not assigned yet are errors too.
    let errors = match version {
        Version::V1 => status & 0x1C,
        Version::V2 => status & 0xFC,
    };
    let (time_to_start, rest) = if errors == 0 {
        let ([a, b, c], rest) = take::<3>(cid, rest)?;
        (Some(u32::from_le_bytes([a, b, c, 0])), rest)
    } else {
        (None, rest)
    };
    let answer = SessionAns {
        mc_group_id: status & 0x03,
        dr_error: status & 0x04 != 0,
        freq_error: status & 0x08 != 0,
        mc_group_undefined: status & 0x10 != 0,
        start_missed: version == Version::V2 && status & 0x20 != 0,
        time_to_start,
    };
    Ok((answer, rest))
}

fn downlink(step: FrequencyStep, octets: &[u8]) -> Read<'_, Downlink> {
    let (cid, rest) = identifier(octets)?;
    match cid {
        CID_PACKAGE_VERSION => Ok((Downlink::PackageVersionReq, rest)),
        CID_STATUS => {
            let ([mask], rest) = take::<1>(cid, rest)?;
            Ok((Downlink::McGroupStatusReq { req_group_mask: mask & 0x0F }, rest))
        }
        CID_SETUP => {
            let ([header], rest) = take::<1>(cid, rest)?;
            let (addr, rest) = take::<4>(cid, rest)?;
            let (mc_key_encrypted, rest) = take::<16>(cid, rest)?;
            let (min, rest) = take::<4>(cid, rest)?;
            let (max, rest) = take::<4>(cid, rest)?;
            let setup = GroupSetup {
                mc_group_id: header & 0x03,
                mc_addr: DevAddr::from_le_bytes(addr),
                mc_key_encrypted,
                min_mc_f_cnt: u32::from_le_bytes(min),
                max_mc_f_cnt: u32::from_le_bytes(max),
            };
            Ok((Downlink::McGroupSetupReq(setup), rest))
        }
        CID_DELETE => {
            let ([header], rest) = take::<1>(cid, rest)?;
            Ok((Downlink::McGroupDeleteReq { mc_group_id: header & 0x03 }, rest))
        }
        CID_CLASS_C | CID_CLASS_B => {
            let ([header, a, b, c, d, param, e, f, g, dr], rest) = take::<10>(cid, rest)?;
            let kind = match cid {
                CID_CLASS_B => SessionKind::ClassB { periodicity: (param >> 4) & 0x07 },
                _ => SessionKind::ClassC,
            };
            let session = Session {
                mc_group_id: header & 0x03,
                kind,
                session_time: u32::from_le_bytes([a, b, c, d]),
                time_out: param & 0x0F,
                dl_frequency: step.decode([e, f, g]),
                dr,
            };
            Ok((Downlink::McSessionReq(session), rest))
        }
        _ => Err(ParseError::Unknown { cid }),
    }
}

impl Uplink {
    /// Appends the command to a payload.
    ///
    /// # Errors
    ///
    /// If a number does not go into its field, if a group stands twice, if the time to the start is there beside an
    /// error or lacks without one, and for what the version does not have; nothing is appended.
    pub fn encode(&self, version: Version, payload: &mut Vec<u8>) -> Result<(), BuildError> {
        match self {
            Self::McClassBSessionAns(answer) => {
                encode_session_ans(CID_CLASS_B, answer, version, payload)?;
            }
            Self::McClassCSessionAns(answer) => {
                encode_session_ans(CID_CLASS_C, answer, version, payload)?;
            }
            Self::McGroupDeleteAns { mc_group_id, mc_group_undefined } => {
                let id = fits("mc_group_id", *mc_group_id, 3)?;
                payload.extend_from_slice(&[CID_DELETE, id | bit(*mc_group_undefined, 0x04)]);
            }
            Self::McGroupSetupAns { mc_group_id, id_error } => {
                let id = fits("mc_group_id", *mc_group_id, 3)?;
                payload.extend_from_slice(&[CID_SETUP, id | bit(*id_error, 0x04)]);
            }
            Self::McGroupStatusAns { nb_total_groups, groups } => {
                let mut status = fits("nb_total_groups", *nb_total_groups, 7)?.wrapping_shl(4);
                for (id, _) in groups {
                    let mask = 1_u8.wrapping_shl(fits("mc_group_id", *id, 3)?.into());
                    if status & mask != 0 {
                        let value = u64::from(*id);
                        let field = "mc_group_id, twice,";
                        return Err(BuildError::Value { field, value, min: 0, max: 3 });
                    }
                    status |= mask;
                }
                payload.extend_from_slice(&[CID_STATUS, status]);
                for (id, addr) in groups {
                    payload.push(*id);
                    payload.extend_from_slice(&addr.to_le_bytes());
                }
            }
            Self::PackageVersionAns { identifier, version } => {
                payload.extend_from_slice(&[CID_PACKAGE_VERSION, *identifier, *version]);
            }
        }
        Ok(())
    }
}

fn encode_session_ans(
    cid: u8,
    answer: &SessionAns,
    version: Version,
    payload: &mut Vec<u8>,
) -> Result<(), BuildError> {
    if version == Version::V1 && answer.start_missed {
        return Err(BuildError::Version { field: "start_missed", version });
    }
    if answer.time_to_start.is_some() != answer.is_accepted() {
        return Err(BuildError::Version { field: "time_to_start", version });
    }
    let status = fits("mc_group_id", answer.mc_group_id, 3)?
        | bit(answer.dr_error, 0x04)
        | bit(answer.freq_error, 0x08)
        | bit(answer.mc_group_undefined, 0x10)
        | bit(answer.start_missed, 0x20);
    let time = match answer.time_to_start {
        Some(time) => Some(le_24(fits("time_to_start", time, TIME_TO_START_MAX.into())?)),
        None => None,
    };
    payload.extend_from_slice(&[cid, status]);
    payload.extend_from_slice(time.as_ref().map_or(&[], |time| time.as_slice()));
    Ok(())
}

impl Downlink {
    /// Appends the command to a payload; it is the same in both versions.
    ///
    /// # Errors
    ///
    /// If a number does not go into its field, and for a frequency that the wire cannot carry; nothing is appended.
    pub fn encode(&self, step: FrequencyStep, payload: &mut Vec<u8>) -> Result<(), BuildError> {
        match self {
            Self::McSessionReq(session) => encode_session(session, step, payload)?,
            Self::McGroupDeleteReq { mc_group_id } => {
                let id = fits("mc_group_id", *mc_group_id, 3)?;
                payload.extend_from_slice(&[CID_DELETE, id]);
            }
            Self::McGroupSetupReq(setup) => {
                let id = fits("mc_group_id", setup.mc_group_id, 3)?;
                payload.extend_from_slice(&[CID_SETUP, id]);
                payload.extend_from_slice(&setup.mc_addr.to_le_bytes());
                payload.extend_from_slice(&setup.mc_key_encrypted);
                payload.extend_from_slice(&setup.min_mc_f_cnt.to_le_bytes());
                payload.extend_from_slice(&setup.max_mc_f_cnt.to_le_bytes());
            }
            Self::McGroupStatusReq { req_group_mask } => {
                let mask = fits("req_group_mask", *req_group_mask, 0x0F)?;
                payload.extend_from_slice(&[CID_STATUS, mask]);
            }
            Self::PackageVersionReq => payload.push(CID_PACKAGE_VERSION),
        }
        Ok(())
    }
}

fn encode_session(
    session: &Session,
    step: FrequencyStep,
    payload: &mut Vec<u8>,
) -> Result<(), BuildError> {
    let id = fits("mc_group_id", session.mc_group_id, 3)?;
    let time_out = fits("time_out", session.time_out, 0x0F)?;
    let (cid, param, hops) = match session.kind {
        SessionKind::ClassB { periodicity } => {
            (CID_CLASS_B, fits("periodicity", periodicity, 7)?.wrapping_shl(4) | time_out, true)
        }
        SessionKind::ClassC => (CID_CLASS_C, time_out, false),
    };
    let frequency = frequency("dl_frequency", session.dl_frequency, step, hops)?;
    payload.extend_from_slice(&[cid, id]);
    payload.extend_from_slice(&session.session_time.to_le_bytes());
    payload.push(param);
    payload.extend_from_slice(&frequency);
    payload.push(session.dr);
    Ok(())
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use super::*;

    // TS005-2.0.0 §4.5
    #[test]
    fn the_time_to_the_start_is_there_exactly_without_an_error() {
        let mut payload = Vec::new();
        let late = SessionAns { start_missed: true, ..SessionAns::default() };
        let start = SessionAns { time_to_start: Some(1 << 24), ..SessionAns::default() };
        let both = SessionAns { time_to_start: Some(5), ..late };
        let neither = SessionAns::default();
        for answer in [start, both, neither] {
            let command = Uplink::McClassCSessionAns(answer);
            command.encode(Version::V2, &mut payload).unwrap_err();
        }
        Uplink::McClassCSessionAns(late).encode(Version::V1, &mut payload).unwrap_err();
        assert!(payload.is_empty());
        Uplink::McClassCSessionAns(late).encode(Version::V2, &mut payload).unwrap();
        assert_eq!(payload, [4, 0x20]);
        let read: Vec<_> = parse_uplink(Version::V2, &payload).collect();
        assert_eq!(read, [Ok(Uplink::McClassCSessionAns(late))]);
    }

    // TS005-2.0.0 §4.6
    #[test]
    fn durations_are_powers_of_two() {
        let session = Session {
            mc_group_id: 0,
            kind: SessionKind::ClassC,
            session_time: 0,
            time_out: 8,
            dl_frequency: Frequency::from_hz(869_525_000),
            dr: 0,
        };
        assert_eq!(session.seconds_max(), 256);
        let kind = SessionKind::ClassB { periodicity: 0 };
        assert_eq!(Session { kind, ..session }.seconds_max(), 32_768);
    }

    #[test]
    fn what_does_not_go_onto_the_wire_is_named() {
        let session = Session {
            mc_group_id: 0,
            kind: SessionKind::ClassC,
            session_time: 0,
            time_out: 0,
            dl_frequency: Frequency::from_hz(0),
            dr: 0,
        };
        let mut payload = Vec::new();
        let refused = |session, payload: &mut Vec<u8>| {
            let request = Downlink::McSessionReq(session);
            request.encode(FrequencyStep::Hz100, payload).unwrap_err().to_string()
        };
        let why = refused(session, &mut payload);
        assert_eq!(why, "dl_frequency is 0 Hz, which 24 bits of 100 Hz cannot carry");
        let why = refused(Session { mc_group_id: 4, ..session }, &mut payload);
        assert_eq!(why, "mc_group_id is 4, not 0 to 3");
        let twice = alloc::vec![(1, DevAddr::from_be_bytes([0; 4])); 2];
        let answer = Uplink::McGroupStatusAns { nb_total_groups: 1, groups: twice };
        let why = answer.encode(Version::V1, &mut payload).unwrap_err().to_string();
        assert_eq!(why, "mc_group_id, twice, is 1, not 0 to 3");
        assert!(payload.is_empty());
    }
}

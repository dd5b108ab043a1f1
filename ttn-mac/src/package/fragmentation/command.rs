//! The commands and their octets.

use alloc::vec::Vec;

use super::N_MAX;
use crate::{
    crypto::Mic,
    package::{
        BuildError, ParseError, Version,
        codec::{Read, bit, commands, fits, identifier, take},
    },
};

const CID_PACKAGE_VERSION: u8 = 0;
const CID_STATUS: u8 = 1;
const CID_SETUP: u8 = 2;
const CID_DELETE: u8 = 3;
const CID_BLOCK_RECEIVED: u8 = 4;
const CID_DATA_FRAGMENT: u8 = 8;

/// A command from the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by the specification")]
pub enum Uplink {
    /// The device has the whole block (version 2).
    FragDataBlockReceivedReq {
        /// The session, 0 to 3.
        frag_index: u8,
        /// Its integrity code does not fit: the device will not use it.
        mic_error: bool,
    },
    /// A session is deleted.
    FragSessionDeleteAns {
        /// The session, 0 to 3.
        frag_index: u8,
        /// There was none.
        session_does_not_exist: bool,
    },
    /// A session is set up, or why not.
    FragSessionSetupAns(SetupAns),
    /// How far a session is.
    FragSessionStatusAns(StatusAns),
    /// The device tells which package it speaks.
    PackageVersionAns {
        /// The number of the package.
        identifier: u8,
        /// Its version.
        version: u8,
    },
}

/// Whether a session is set up. It is when no reason against it is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "complete by the specification")]
pub struct SetupAns {
    /// The session, 0 to 3.
    pub frag_index: u8,
    /// The device does not know the algorithm.
    pub frag_algo_unsupported: bool,
    /// The block does not go into its memory.
    pub not_enough_memory: bool,
    /// It does not have as many sessions.
    pub frag_index_unsupported: bool,
    /// It does not want a block of this descriptor.
    pub wrong_descriptor: bool,
    /// The counter of sessions did not rise (version 2).
    pub session_cnt_replay: bool,
}

impl SetupAns {
    /// Whether the session is set up.
    #[must_use]
    pub const fn is_accepted(&self) -> bool {
        !(self.frag_algo_unsupported
            || self.not_enough_memory
            || self.frag_index_unsupported
            || self.wrong_descriptor
            || self.session_cnt_replay)
    }
}

/// How far a session is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "complete by the specification")]
pub struct StatusAns {
    /// The memory for the reconstruction was exceeded.
    pub memory_error: bool,
    /// The integrity code of the block does not fit (version 2).
    pub mic_error: bool,
    /// There is no such session (version 2); then `reception` lacks.
    pub session_does_not_exist: bool,
    /// What was received; always there in version 1.
    pub reception: Option<Reception>,
}

/// What a session has received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "complete by the specification")]
pub struct Reception {
    /// The session, 0 to 3.
    pub frag_index: u8,
    /// How many fragments came, repeated ones too; at most 16,383.
    pub nb_frag_received: u16,
    /// How many are missing, 255 for more.
    pub missing_frag: u8,
}

/// A command to the device.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by the specification")]
pub enum Downlink {
    /// A fragment; the only command of its payload.
    DataFragment {
        /// The session, 0 to 3.
        frag_index: u8,
        /// The number of the fragment: from 1, redundant ones behind the others, at most 16,383.
        n: u16,
        /// Its octets.
        data: Vec<u8>,
    },
    /// The answer to [`Uplink::FragDataBlockReceivedReq`] (version 2).
    FragDataBlockReceivedAns {
        /// The session, 0 to 3.
        frag_index: u8,
    },
    /// Deletes a session.
    FragSessionDeleteReq {
        /// The session, 0 to 3.
        frag_index: u8,
    },
    /// Sets up a session.
    FragSessionSetupReq(Setup),
    /// Asks how far a session is.
    FragSessionStatusReq {
        /// The session, 0 to 3.
        frag_index: u8,
        /// Whether devices that have the whole block answer too.
        participants: bool,
    },
    /// Asks which package the device speaks.
    PackageVersionReq,
}

/// A session as the server wants it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "complete by the specification")]
pub struct Setup {
    /// The session, 0 to 3.
    pub frag_index: u8,
    /// The multicast groups that may bring fragments: bit n is McGroupID n.
    pub mc_group_bit_mask: u8,
    /// How many fragments the block has without redundancy.
    pub nb_frag: u16,
    /// How many octets a fragment has.
    pub frag_size: u8,
    /// Answers to what many receive wait up to 2^(n + 4) seconds; 0 to 7.
    pub block_ack_delay: u8,
    /// The algorithm, 0 to 7.
    pub frag_algo: u8,
    /// How many octets at the end of the last fragment are not of the block.
    pub padding: u8,
    /// What the block is; vendors decide.
    pub descriptor: [u8; 4],
    /// What version 2 adds.
    pub integrity: Option<Integrity>,
}

/// What version 2 adds to a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "complete by the specification")]
pub struct Integrity {
    /// Whether the device tells when it has the whole block.
    pub ack_reception: bool,
    /// The counter of sessions.
    pub session_cnt: u16,
    /// The integrity code of the block.
    pub mic: Mic,
}

impl Setup {
    /// How many octets the block has; `None` if the padding is longer than everything.
    #[must_use]
    pub fn block_length(&self) -> Option<usize> {
        let octets = usize::from(self.nb_frag).checked_mul(self.frag_size.into())?;
        octets.checked_sub(self.padding.into())
    }

    /// The longest that an answer to what many receive waits, in seconds.
    #[must_use]
    pub const fn answer_delay_s_max(&self) -> u16 {
        // TS004-2.0.0 §3.3
        16_u16.wrapping_shl((self.block_ack_delay & 0x07) as u32)
    }
}

/// Reads the commands of an uplink in order. Ends behind the first error.
pub fn parse_uplink(
    version: Version,
    payload: &[u8],
) -> impl Iterator<Item = Result<Uplink, ParseError>> {
    commands(payload, move |octets| uplink(version, octets))
}

/// Reads the commands of a downlink in order. Ends behind the first error and behind a fragment.
pub fn parse_downlink(
    version: Version,
    payload: &[u8],
) -> impl Iterator<Item = Result<Downlink, ParseError>> {
    commands(payload, move |octets| downlink(version, octets))
}

fn uplink(version: Version, octets: &[u8]) -> Read<'_, Uplink> {
    let (cid, rest) = identifier(octets)?;
    match (cid, version) {
        (CID_PACKAGE_VERSION, _) => {
            let ([identifier, version], rest) = take::<2>(cid, rest)?;
            Ok((Uplink::PackageVersionAns { identifier, version }, rest))
        }
        (CID_STATUS, Version::V1) => {
            let (received, rest) = take::<3>(cid, rest)?;
            let ([status], rest) = take::<1>(cid, rest)?;
            let memory_error = status & 0x01 != 0;
            let reception = Some(reception(received));
            let status = StatusAns { memory_error, reception, ..StatusAns::default() };
            Ok((Uplink::FragSessionStatusAns(status), rest))
        }
        (CID_STATUS, Version::V2) => {
            let ([status], rest) = take::<1>(cid, rest)?;
            let session_does_not_exist = status & 0x04 != 0;
            // TS004-2.0.0 §3.2: then the rest lacks. Some devices send it nevertheless, and nothing behind it.
            let (reception, rest) = if session_does_not_exist && rest.len() != 3 {
                (None, rest)
            } else {
                let (received, rest) = take::<3>(cid, rest)?;
                (Some(reception(received)), rest)
            };
            let (memory_error, mic_error) = (status & 0x01 != 0, status & 0x02 != 0);
            let status = StatusAns { memory_error, mic_error, session_does_not_exist, reception };
            Ok((Uplink::FragSessionStatusAns(status), rest))
        }
        (CID_SETUP, _) => {
            let ([status], rest) = take::<1>(cid, rest)?;
            Ok((Uplink::FragSessionSetupAns(setup_ans(version, status)), rest))
        }
        (CID_DELETE, _) => {
            let ([status], rest) = take::<1>(cid, rest)?;
            let (frag_index, session_does_not_exist) = (status & 0x03, status & 0x04 != 0);
            Ok((Uplink::FragSessionDeleteAns { frag_index, session_does_not_exist }, rest))
        }
        (CID_BLOCK_RECEIVED, Version::V2) => {
            let ([status], rest) = take::<1>(cid, rest)?;
            let (frag_index, mic_error) = (status & 0x03, status & 0x04 != 0);
            Ok((Uplink::FragDataBlockReceivedReq { frag_index, mic_error }, rest))
        }
        _ => Err(ParseError::Unknown { cid }),
    }
}

const fn reception([a, b, missing_frag]: [u8; 3]) -> Reception {
    let nb_frag_received = u16::from_le_bytes([a, b & 0x3F]);
    Reception { frag_index: b >> 6, nb_frag_received, missing_frag }
}

const fn setup_ans(version: Version, status: u8) -> SetupAns {
    SetupAns {
        frag_index: status >> 6,
        frag_algo_unsupported: status & 0x01 != 0,
        not_enough_memory: status & 0x02 != 0,
        frag_index_unsupported: status & 0x04 != 0,
        wrong_descriptor: status & 0x08 != 0,
        session_cnt_replay: matches!(version, Version::V2) && status & 0x10 != 0,
    }
}

fn downlink(version: Version, octets: &[u8]) -> Read<'_, Downlink> {
    let (cid, rest) = identifier(octets)?;
    match (cid, version) {
        (CID_PACKAGE_VERSION, _) => Ok((Downlink::PackageVersionReq, rest)),
        (CID_STATUS, _) => {
            let ([param], rest) = take::<1>(cid, rest)?;
            let (frag_index, participants) = ((param >> 1) & 0x03, param & 0x01 != 0);
            Ok((Downlink::FragSessionStatusReq { frag_index, participants }, rest))
        }
        (CID_SETUP, _) => {
            let (setup, rest) = setup(cid, rest)?;
            let (integrity, rest) = match version {
                Version::V1 => (None, rest),
                Version::V2 => {
                    let ([a, b, mic @ ..], rest) = take::<6>(cid, rest)?;
                    let session_cnt = u16::from_le_bytes([a, b]);
                    let ack_reception = setup.1;
                    (Some(Integrity { ack_reception, session_cnt, mic }), rest)
                }
            };
            Ok((Downlink::FragSessionSetupReq(Setup { integrity, ..setup.0 }), rest))
        }
        (CID_DELETE, _) => {
            let ([param], rest) = take::<1>(cid, rest)?;
            Ok((Downlink::FragSessionDeleteReq { frag_index: param & 0x03 }, rest))
        }
        (CID_BLOCK_RECEIVED, Version::V2) => {
            let ([param], rest) = take::<1>(cid, rest)?;
            Ok((Downlink::FragDataBlockReceivedAns { frag_index: param & 0x03 }, rest))
        }
        (CID_DATA_FRAGMENT, _) => {
            let ([a, b], data) = take::<2>(cid, rest)?;
            let (frag_index, n) = (b >> 6, u16::from_le_bytes([a, b & 0x3F]));
            Ok((Downlink::DataFragment { frag_index, n, data: data.to_vec() }, &[]))
        }
        _ => Err(ParseError::Unknown { cid }),
    }
}

/// What both versions have, and the bit that tells whether to acknowledge the block.
fn setup(cid: u8, octets: &[u8]) -> Read<'_, (Setup, bool)> {
    let ([session, a, b, frag_size, control, padding, descriptor @ ..], rest) =
        take::<10>(cid, octets)?;
    let setup = Setup {
        frag_index: (session >> 4) & 0x03,
        mc_group_bit_mask: session & 0x0F,
        nb_frag: u16::from_le_bytes([a, b]),
        frag_size,
        block_ack_delay: control & 0x07,
        frag_algo: (control >> 3) & 0x07,
        padding,
        descriptor,
        integrity: None,
    };
    Ok(((setup, control & 0x40 != 0), rest))
}

impl Uplink {
    /// Appends the command to a payload.
    ///
    /// # Errors
    ///
    /// If a number does not go into its field, and for what the version does not have; nothing is appended.
    pub fn encode(&self, version: Version, payload: &mut Vec<u8>) -> Result<(), BuildError> {
        match *self {
            Self::FragDataBlockReceivedReq { frag_index, mic_error } => {
                only_v2("FragDataBlockReceivedReq", true, version)?;
                let index = fits("frag_index", frag_index, 3)?;
                payload.extend_from_slice(&[CID_BLOCK_RECEIVED, index | bit(mic_error, 0x04)]);
            }
            Self::FragSessionDeleteAns { frag_index, session_does_not_exist } => {
                let index = fits("frag_index", frag_index, 3)?;
                let status = index | bit(session_does_not_exist, 0x04);
                payload.extend_from_slice(&[CID_DELETE, status]);
            }
            Self::FragSessionSetupAns(answer) => {
                only_v2("session_cnt_replay", answer.session_cnt_replay, version)?;
                let status = fits("frag_index", answer.frag_index, 3)?.wrapping_shl(6)
                    | bit(answer.frag_algo_unsupported, 0x01)
                    | bit(answer.not_enough_memory, 0x02)
                    | bit(answer.frag_index_unsupported, 0x04)
                    | bit(answer.wrong_descriptor, 0x08)
                    | bit(answer.session_cnt_replay, 0x10);
                payload.extend_from_slice(&[CID_SETUP, status]);
            }
            Self::FragSessionStatusAns(answer) => encode_status(&answer, version, payload)?,
            Self::PackageVersionAns { identifier, version } => {
                payload.extend_from_slice(&[CID_PACKAGE_VERSION, identifier, version]);
            }
        }
        Ok(())
    }
}

fn encode_status(
    answer: &StatusAns,
    version: Version,
    payload: &mut Vec<u8>,
) -> Result<(), BuildError> {
    let received = match answer.reception {
        Some(Reception { frag_index, nb_frag_received, missing_frag }) => {
            let index = fits("frag_index", frag_index, 3)?.wrapping_shl(6);
            let [a, b] = fits("nb_frag_received", nb_frag_received, N_MAX.into())?.to_le_bytes();
            Some([a, b | index, missing_frag])
        }
        None => None,
    };
    let status = bit(answer.memory_error, 0x01)
        | bit(answer.mic_error, 0x02)
        | bit(answer.session_does_not_exist, 0x04);
    match (version, received) {
        (Version::V1, Some([a, b, c])) => {
            only_v2("mic_error", answer.mic_error, version)?;
            only_v2("session_does_not_exist", answer.session_does_not_exist, version)?;
            payload.extend_from_slice(&[CID_STATUS, a, b, c, status]);
        }
        (Version::V2, Some([a, b, c])) => {
            payload.extend_from_slice(&[CID_STATUS, status, a, b, c]);
        }
        (Version::V2, None) if answer.session_does_not_exist => {
            payload.extend_from_slice(&[CID_STATUS, status]);
        }
        (version, None) => return Err(BuildError::Version { field: "reception", version }),
    }
    Ok(())
}

impl Downlink {
    /// Appends the command to a payload.
    ///
    /// # Errors
    ///
    /// If a number does not go into its field, for what the version does not have or lacks, and for a fragment that
    /// would not be alone; nothing is appended.
    pub fn encode(&self, version: Version, payload: &mut Vec<u8>) -> Result<(), BuildError> {
        match self {
            Self::DataFragment { frag_index, n, data } => {
                // TS004-2.0.0 §3: the only command in its payload.
                fits("payload", payload.len() as u64, 0)?;
                let index = fits("frag_index", *frag_index, 3)?.wrapping_shl(6);
                let [a, b] = fits("n", *n, N_MAX.into())?.to_le_bytes();
                payload.extend_from_slice(&[CID_DATA_FRAGMENT, a, b | index]);
                payload.extend_from_slice(data);
            }
            Self::FragDataBlockReceivedAns { frag_index } => {
                only_v2("FragDataBlockReceivedAns", true, version)?;
                let index = fits("frag_index", *frag_index, 3)?;
                payload.extend_from_slice(&[CID_BLOCK_RECEIVED, index]);
            }
            Self::FragSessionDeleteReq { frag_index } => {
                let index = fits("frag_index", *frag_index, 3)?;
                payload.extend_from_slice(&[CID_DELETE, index]);
            }
            Self::FragSessionSetupReq(setup) => encode_setup(setup, version, payload)?,
            Self::FragSessionStatusReq { frag_index, participants } => {
                let index = fits("frag_index", *frag_index, 3)?.wrapping_shl(1);
                payload.extend_from_slice(&[CID_STATUS, index | bit(*participants, 0x01)]);
            }
            Self::PackageVersionReq => payload.push(CID_PACKAGE_VERSION),
        }
        Ok(())
    }
}

fn encode_setup(setup: &Setup, version: Version, payload: &mut Vec<u8>) -> Result<(), BuildError> {
    if setup.integrity.is_some() != (version == Version::V2) {
        return Err(BuildError::Version { field: "integrity", version });
    }
    let session = fits("frag_index", setup.frag_index, 3)?.wrapping_shl(4)
        | fits("mc_group_bit_mask", setup.mc_group_bit_mask, 0x0F)?;
    let ack_reception = setup.integrity.is_some_and(|integrity| integrity.ack_reception);
    let control = fits("block_ack_delay", setup.block_ack_delay, 7)?
        | fits("frag_algo", setup.frag_algo, 7)?.wrapping_shl(3)
        | bit(ack_reception, 0x40);
    let [a, b] = setup.nb_frag.to_le_bytes();
    payload.extend_from_slice(&[CID_SETUP, session, a, b, setup.frag_size, control]);
    payload.push(setup.padding);
    payload.extend_from_slice(&setup.descriptor);
    if let Some(Integrity { session_cnt, mic, .. }) = setup.integrity {
        payload.extend_from_slice(&session_cnt.to_le_bytes());
        payload.extend_from_slice(&mic);
    }
    Ok(())
}

/// Refuses what version 1 does not have.
const fn only_v2(field: &'static str, present: bool, version: Version) -> Result<(), BuildError> {
    match version {
        Version::V1 if present => Err(BuildError::Version { field, version }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use super::*;

    // TS004-2.0.0 §3.2
    #[test]
    fn a_session_that_does_not_exist_has_no_reception() {
        let missing = StatusAns { session_does_not_exist: true, ..StatusAns::default() };
        let mut payload = Vec::new();
        for command in [
            Uplink::FragSessionStatusAns(missing),
            Uplink::FragSessionDeleteAns { frag_index: 1, session_does_not_exist: true },
        ] {
            command.encode(Version::V2, &mut payload).unwrap();
        }
        assert_eq!(payload, [1, 4, 3, 5]);
        assert_eq!(parse_uplink(Version::V2, &payload).filter_map(Result::ok).count(), 2);
        let refused = Uplink::FragSessionStatusAns(missing).encode(Version::V1, &mut payload);
        let field = "reception";
        assert_eq!(refused, Err(BuildError::Version { field, version: Version::V1 }));
        assert_eq!(payload.len(), 4);
    }

    #[test]
    fn what_does_not_go_onto_the_wire_is_named() {
        let mut payload = Vec::new();
        let fragment = Downlink::DataFragment { frag_index: 0, n: 16_384, data: Vec::new() };
        let error = fragment.encode(Version::V1, &mut payload).unwrap_err();
        assert_eq!(error.to_string(), "n is 16384, not 0 to 16383");
        let setup = Downlink::FragSessionSetupReq(Setup::default());
        let error = setup.encode(Version::V2, &mut payload).unwrap_err();
        assert_eq!(error.to_string(), "integrity does not go with version 2");
        let answer = Downlink::FragDataBlockReceivedAns { frag_index: 0 };
        answer.encode(Version::V1, &mut payload).unwrap_err();
        assert!(payload.is_empty());
    }

    // TS004-2.0.0 §3
    #[test]
    fn a_fragment_is_alone() {
        let fragment = Downlink::DataFragment { frag_index: 0, n: 1, data: alloc::vec![1] };
        let mut payload = alloc::vec![0];
        fragment.encode(Version::V2, &mut payload).unwrap_err();
        assert_eq!(payload, [0]);
    }

    // TS004-2.0.0 §3.3
    #[test]
    fn answers_wait_longer_the_larger_the_group() {
        let delay = |block_ack_delay| Setup { block_ack_delay, ..Setup::default() };
        assert_eq!(delay(0).answer_delay_s_max(), 16);
        assert_eq!(delay(7).answer_delay_s_max(), 2048);
    }
}

//! Join-requests, rejoin-requests and join-accepts: integrity codes, encryption, sealing and opening.

use alloc::vec::Vec;
use core::fmt;

use ttn_core::{eui::JoinEui, key::Aes128Key};

use super::{Ecb, LengthError, Mic, check_length, cmac_mic, ecb, mic_matches};
use crate::frame::{BuildError, FrameError, FrequencyStep, JOIN_ACCEPT_M_HDR, JoinAccept};

/// What a join-accept answers: an octet of its integrity code in LoRaWAN 1.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum JoinReqType {
    /// A join-request.
    JoinRequest,
    /// A rejoin-request of type 0.
    Rejoin0,
    /// A rejoin-request of type 1.
    Rejoin1,
    /// A rejoin-request of type 2.
    Rejoin2,
}

impl JoinReqType {
    /// The octet.
    #[must_use]
    pub const fn octet(self) -> u8 {
        match self {
            Self::JoinRequest => 0xFF,
            Self::Rejoin0 => 0,
            Self::Rejoin1 => 1,
            Self::Rejoin2 => 2,
        }
    }

    /// The type of an octet; `None` if there is none.
    #[must_use]
    pub const fn from_octet(octet: u8) -> Option<Self> {
        match octet {
            0xFF => Some(Self::JoinRequest),
            0 => Some(Self::Rejoin0),
            1 => Some(Self::Rejoin1),
            2 => Some(Self::Rejoin2),
            _ => None,
        }
    }
}

/// The key of a join-accept's integrity code, and what else it covers.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum JoinAcceptMic<'k> {
    /// LoRaWAN 1.0, and OptNeg 0: AppKey or NwkKey.
    V1_0(&'k Aes128Key),
    /// LoRaWAN 1.1 with OptNeg 1.
    V1_1 {
        /// JSIntKey.
        js_int_key: &'k Aes128Key,
        /// What is answered.
        join_req_type: JoinReqType,
        /// The Join Server.
        join_eui: JoinEui,
        /// DevNonce of the join-request, or the counter of the rejoin-request.
        dev_nonce: u16,
    },
}

/// The integrity code of a join-request, MHDR first (key: AppKey or NwkKey; TS001-1.0.4 §6.2.5).
///
/// # Errors
///
/// If `payload` has not 19 octets.
pub fn join_request_mic(key: &Aes128Key, payload: &[u8]) -> Result<Mic, LengthError> {
    check_length("the integrity code of a join-request", payload.len(), &[19])?;
    Ok(cmac_mic(key, &[payload]))
}

/// The integrity code of a rejoin-request, MHDR first (key: SNwkSIntKey for types 0 and 2, JSIntKey for
/// type 1; TS001-1.1 §6.2.4).
///
/// # Errors
///
/// If `payload` has neither 15 octets nor 20.
pub fn rejoin_request_mic(key: &Aes128Key, payload: &[u8]) -> Result<Mic, LengthError> {
    check_length("the integrity code of a rejoin-request", payload.len(), &[15, 20])?;
    Ok(cmac_mic(key, &[payload]))
}

/// The integrity code of an unencrypted join-accept, MHDR first (TS001-1.0.4 §6.2.6, TS001-1.1 §6.2.3).
///
/// # Errors
///
/// If `payload` has neither 13 octets nor 29.
pub fn join_accept_mic(mic: JoinAcceptMic<'_>, payload: &[u8]) -> Result<Mic, LengthError> {
    check_length("the integrity code of a join-accept", payload.len(), &[13, 29])?;
    Ok(match mic {
        JoinAcceptMic::V1_0(key) => cmac_mic(key, &[payload]),
        JoinAcceptMic::V1_1 { js_int_key, join_req_type, join_eui, dev_nonce } => cmac_mic(
            js_int_key,
            &[&[join_req_type.octet()], &join_eui.to_le_bytes(), &dev_nonce.to_le_bytes(), payload],
        ),
    })
}

/// Encrypts payload and integrity code of a join-accept, without MHDR.
///
/// The key is AppKey or NwkKey, and JSEncKey in answer to a rejoin-request. This is the *decryption* of AES, so that
/// devices need the other half only.
///
/// # Errors
///
/// If `plaintext` has neither 16 octets nor 32.
pub fn encrypt_join_accept(key: &Aes128Key, plaintext: &[u8]) -> Result<Vec<u8>, LengthError> {
    check_length("the encryption of a join-accept", plaintext.len(), &[16, 32])?;
    let mut octets = plaintext.to_vec();
    ecb(key, &mut octets, Ecb::Decrypt);
    Ok(octets)
}

/// Decrypts payload and integrity code of a join-accept, without MHDR.
///
/// # Errors
///
/// If `ciphertext` has neither 16 octets nor 32.
pub fn decrypt_join_accept(key: &Aes128Key, ciphertext: &[u8]) -> Result<Vec<u8>, LengthError> {
    check_length("the decryption of a join-accept", ciphertext.len(), &[16, 32])?;
    let mut octets = ciphertext.to_vec();
    ecb(key, &mut octets, Ecb::Encrypt);
    Ok(octets)
}

/// Builds the PHYPayload of a join-accept: encodes, adds the integrity code, encrypts.
///
/// # Errors
///
/// As [`JoinAccept::encode`].
pub fn seal_join_accept(
    accept: &JoinAccept,
    step: FrequencyStep,
    mic: JoinAcceptMic<'_>,
    encryption_key: &Aes128Key,
) -> Result<Vec<u8>, BuildError> {
    let mut octets = Vec::with_capacity(33);
    octets.push(JOIN_ACCEPT_M_HDR);
    octets.extend_from_slice(&accept.encode(step)?);
    // `encode` gives 12 or 28 octets, so neither length is ever refused.
    let too_long = |error: LengthError| BuildError::TooLong { got: error.got };
    let mic = join_accept_mic(mic, &octets).map_err(too_long)?;
    octets.extend_from_slice(&mic);
    let [m_hdr, plaintext @ ..] = octets.as_slice() else { return Ok(octets) };
    let mut sealed = Vec::with_capacity(octets.len());
    sealed.push(*m_hdr);
    sealed.extend_from_slice(&encrypt_join_accept(encryption_key, plaintext).map_err(too_long)?);
    Ok(sealed)
}

/// Opens the PHYPayload of a join-accept: decrypts, decodes, checks the integrity code.
///
/// `mic` chooses the integrity code when the join-accept has said whether the network speaks LoRaWAN 1.1 (OptNeg).
///
/// # Errors
///
/// If it is no join-accept, or its integrity code is wrong.
pub fn open_join_accept<'k>(
    phy_payload: &[u8],
    step: FrequencyStep,
    encryption_key: &Aes128Key,
    mic: impl FnOnce(&JoinAccept) -> JoinAcceptMic<'k>,
) -> Result<JoinAccept, JoinAcceptError> {
    let length = FrameError::JoinAcceptLength { got: phy_payload.len() };
    let (&m_hdr, ciphertext) = phy_payload.split_first().ok_or(FrameError::Empty)?;
    if m_hdr >> 5 != JOIN_ACCEPT_M_HDR >> 5 {
        return Err(JoinAcceptError::OtherMessage);
    }
    let mut octets = decrypt_join_accept(encryption_key, ciphertext).map_err(|_| length)?;
    octets.insert(0, m_hdr);
    let (covered, received) = octets.split_last_chunk::<4>().ok_or(length)?;
    let payload = covered.get(1..).ok_or(length)?;
    let accept = match JoinAccept::decode(payload, step) {
        Ok(accept) => accept,
        // With another key any octets come out: an unknown type of CFList most likely means just that.
        Err(FrameError::CfListType { .. }) => return Err(JoinAcceptError::Mic),
        Err(error) => return Err(error.into()),
    };
    let computed = join_accept_mic(mic(&accept), covered).map_err(|_| length)?;
    if mic_matches(&computed, received) { Ok(accept) } else { Err(JoinAcceptError::Mic) }
}

/// A join-accept that cannot be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum JoinAcceptError {
    /// It has no form of a join-accept.
    Frame(FrameError),
    /// Its integrity code is wrong.
    Mic,
    /// It is another message.
    OtherMessage,
}

impl From<FrameError> for JoinAcceptError {
    fn from(error: FrameError) -> Self {
        Self::Frame(error)
    }
}

impl fmt::Display for JoinAcceptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frame(error) => error.fmt(f),
            Self::Mic => f.write_str("the integrity code of the join-accept is wrong"),
            Self::OtherMessage => f.write_str("the message is no join-accept"),
        }
    }
}

impl core::error::Error for JoinAcceptError {}

//! The end of the server: a block for many devices, and what is known of each. Own design around the commands of TS004.

use alloc::vec::Vec;

use ttn_core::key::Aes128Key;

use super::{
    Downlink, Encoder, EncoderError, Integrity, N_MAX, Reception, Setup, SetupAns, StatusAns,
    Uplink,
};
use crate::{
    crypto::multicast::data_block_mic,
    package::{BuildError, Version},
};

/// How a block is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "built by other crates")]
pub struct Offer {
    /// The session, 0 to 3.
    pub frag_index: u8,
    /// The multicast groups that bring it: bit n is McGroupID n; 0 for fragments to each device.
    pub mc_group_bit_mask: u8,
    /// How many octets a fragment has; three octets fewer than the longest payload.
    pub frag_size: u8,
    /// Answers to what many receive wait up to 2^(n + 4) seconds; 0 to 7.
    pub block_ack_delay: u8,
    /// What the block is.
    pub descriptor: [u8; 4],
    /// How many redundant fragments are sent behind the others.
    pub redundancy: u16,
}

impl Default for Offer {
    fn default() -> Self {
        Self {
            frag_index: 0,
            mc_group_bit_mask: 0,
            frag_size: 48,
            block_ack_delay: 0,
            descriptor: [0; 4],
            redundancy: 0,
        }
    }
}

/// A device that a session is set up in.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_enums, reason = "complete by the specifications")]
pub enum Recipient<'k> {
    /// It speaks version 1.
    V1,
    /// It speaks version 2.
    V2 {
        /// Its key of data blocks.
        data_block_int_key: &'k Aes128Key,
        /// The counter of sessions with this device and index: higher than the last.
        session_cnt: u16,
        /// Whether it tells when it has the whole block.
        ack_reception: bool,
    },
}

/// A block that is sent to one or more devices of one version.
#[derive(Clone, Debug)]
pub struct DataBlock {
    version: Version,
    setup: Setup,
    encoder: Encoder,
    /// The number of the last fragment that was sent.
    sent: u16,
    /// The number of the last one to send.
    last: u16,
}

impl DataBlock {
    /// Takes a block.
    ///
    /// # Errors
    ///
    /// If it is empty, or has more fragments than there are numbers.
    pub fn new(version: Version, offer: Offer, data: Vec<u8>) -> Result<Self, EncoderError> {
        let (encoder, padding) = Encoder::padded(version, data, offer.frag_size.into())?;
        let setup = Setup {
            frag_index: offer.frag_index,
            mc_group_bit_mask: offer.mc_group_bit_mask,
            nb_frag: encoder.nb_frag(),
            frag_size: offer.frag_size,
            block_ack_delay: offer.block_ack_delay,
            frag_algo: 0,
            padding,
            descriptor: offer.descriptor,
            integrity: None,
        };
        let last = encoder.nb_frag().saturating_add(offer.redundancy).min(N_MAX);
        Ok(Self { version, setup, encoder, sent: 0, last })
    }

    /// Sets the session up in a device.
    ///
    /// # Errors
    ///
    /// If the device does not speak the version of the block.
    pub fn setup(&self, recipient: &Recipient<'_>) -> Result<Downlink, BuildError> {
        let (version, integrity) = match recipient {
            Recipient::V1 => (Version::V1, None),
            Recipient::V2 { data_block_int_key, session_cnt, ack_reception } => {
                let octets = self.setup.block_length().unwrap_or_default();
                let block = self.encoder.data().get(..octets).unwrap_or_default();
                let Setup { frag_index, descriptor, .. } = self.setup;
                let mic =
                    data_block_mic(data_block_int_key, *session_cnt, frag_index, descriptor, block);
                let (ack_reception, session_cnt) = (*ack_reception, *session_cnt);
                let integrity = mic.map(|mic| Integrity { ack_reception, session_cnt, mic });
                (Version::V2, integrity)
            }
        };
        if version != self.version {
            return Err(BuildError::Version { field: "recipient", version: self.version });
        }
        Ok(Downlink::FragSessionSetupReq(Setup { integrity, ..self.setup }))
    }

    /// The next fragment; `None` when all were sent.
    pub fn next_fragment(&mut self) -> Option<Downlink> {
        let n = self.sent.checked_add(1).filter(|n| *n <= self.last)?;
        let data = self.encoder.fragment(n)?;
        self.sent = n;
        Some(Downlink::DataFragment { frag_index: self.setup.frag_index, n, data })
    }

    /// Sends more redundant fragments behind the last, as many as there are numbers for; tells how many.
    pub fn add_redundancy(&mut self, fragments: u16) -> u16 {
        let before = self.last;
        self.last = before.saturating_add(fragments).min(N_MAX);
        self.last.saturating_sub(before)
    }

    /// How many fragments are still to be sent.
    #[must_use]
    pub const fn remaining(&self) -> u16 {
        self.last.saturating_sub(self.sent)
    }

    /// Asks how far devices are; with `participants` also those that have the whole block.
    #[must_use]
    pub const fn ask(&self, participants: bool) -> Downlink {
        Downlink::FragSessionStatusReq { frag_index: self.setup.frag_index, participants }
    }

    /// Ends the session.
    #[must_use]
    pub const fn delete(&self) -> Downlink {
        Downlink::FragSessionDeleteReq { frag_index: self.setup.frag_index }
    }
}

/// What is known of a session in one device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfer {
    frag_index: u8,
    state: TransferState,
}

/// How far a session in a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum TransferState {
    /// The device has the block.
    Complete,
    /// It has all fragments, but their integrity code does not fit.
    Corrupt,
    /// The session is deleted, or never was.
    Deleted,
    /// Its memory does not go for what it misses: the fragments as they are must be sent again.
    OutOfMemory(Reception),
    /// It misses fragments.
    Receiving(Reception),
    /// It refused the session.
    Refused(SetupAns),
    /// It was asked and has not answered.
    SettingUp,
}

impl Transfer {
    /// A session that a device was asked to set up.
    #[must_use]
    pub const fn new(frag_index: u8) -> Self {
        Self { frag_index, state: TransferState::SettingUp }
    }

    /// How far it is.
    #[must_use]
    pub const fn state(&self) -> TransferState {
        self.state
    }

    /// Takes a command of the device, and gives the answer to it if there is one. Commands of other sessions are left
    /// alone.
    pub fn handle(&mut self, command: &Uplink) -> Option<Downlink> {
        let frag_index = self.frag_index;
        match *command {
            Uplink::FragSessionSetupAns(answer) if answer.frag_index == frag_index => {
                let reception = Reception { frag_index, ..Reception::default() };
                self.state = match self.state {
                    _ if !answer.is_accepted() => TransferState::Refused(answer),
                    TransferState::SettingUp => TransferState::Receiving(reception),
                    later => later,
                };
            }
            Uplink::FragSessionStatusAns(StatusAns { reception: Some(reception), .. })
                if reception.frag_index != frag_index => {}
            Uplink::FragSessionStatusAns(status) => self.state = status_of(&status),
            Uplink::FragSessionDeleteAns { frag_index: other, .. } if other == frag_index => {
                self.state = TransferState::Deleted;
            }
            Uplink::FragDataBlockReceivedReq { frag_index: other, mic_error }
                if other == frag_index =>
            {
                self.state =
                    if mic_error { TransferState::Corrupt } else { TransferState::Complete };
                return Some(Downlink::FragDataBlockReceivedAns { frag_index });
            }
            Uplink::FragSessionSetupAns(_)
            | Uplink::FragSessionDeleteAns { .. }
            | Uplink::FragDataBlockReceivedReq { .. }
            | Uplink::PackageVersionAns { .. } => {}
        }
        None
    }
}

const fn status_of(status: &StatusAns) -> TransferState {
    match status.reception {
        Some(_) if status.session_does_not_exist => TransferState::Deleted,
        None => TransferState::Deleted,
        Some(Reception { missing_frag: 0, .. }) if status.mic_error => TransferState::Corrupt,
        Some(Reception { missing_frag: 0, .. }) => TransferState::Complete,
        Some(reception) if status.memory_error => TransferState::OutOfMemory(reception),
        Some(reception) => TransferState::Receiving(reception),
    }
}

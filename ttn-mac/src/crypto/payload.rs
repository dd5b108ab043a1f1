//! Encryption of FRMPayload and FOpts. Encrypting twice gives the plaintext again.

use aes::cipher::BlockCipherEncrypt as _;
use ttn_core::{addr::DevAddr, key::Aes128Key};

use super::encryptor;
use crate::command::Direction;

/// The counter that FOpts of LoRaWAN 1.1 are encrypted with: a constant of the block, by the erratum on FCntDwn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum FOptsCounter {
    /// A downlink that uses AFCntDown: one with a port above 0.
    Application,
    /// None: what LoRaWAN 1.1 did before the erratum.
    BeforeErratum,
    /// FCntUp, or NFCntDown: an uplink, or a downlink without port or with port 0.
    Network,
}

impl FOptsCounter {
    /// The counter of a message.
    #[must_use]
    pub const fn of(direction: Direction, f_port: Option<u8>) -> Self {
        match (direction, f_port) {
            (Direction::Downlink, Some(1..)) => Self::Application,
            _ => Self::Network,
        }
    }

    const fn constant(self) -> u8 {
        match self {
            Self::BeforeErratum => 0,
            Self::Network => 1,
            Self::Application => 2,
        }
    }
}

/// Encrypts or decrypts an FRMPayload in place. `f_cnt` is the full 32-bit counter.
pub fn encrypt_frm_payload(
    key: &Aes128Key,
    direction: Direction,
    dev_addr: DevAddr,
    f_cnt: u32,
    payload: &mut [u8],
) {
    let cipher = encryptor(key);
    for (number, chunk) in (1_u8..=u8::MAX).zip(payload.chunks_mut(16)) {
        let mut stream = a_block(0, direction, dev_addr, f_cnt, number).into();
        cipher.encrypt_block(&mut stream);
        for (octet, mask) in chunk.iter_mut().zip(stream) {
            *octet ^= mask;
        }
    }
}

/// Encrypts or decrypts FOpts of LoRaWAN 1.1 in place. `f_cnt` is the full 32-bit counter.
pub fn encrypt_f_opts(
    nwk_s_enc_key: &Aes128Key,
    direction: Direction,
    counter: FOptsCounter,
    dev_addr: DevAddr,
    f_cnt: u32,
    f_opts: &mut [u8],
) {
    let mut stream = a_block(counter.constant(), direction, dev_addr, f_cnt, 1).into();
    encryptor(nwk_s_enc_key).encrypt_block(&mut stream);
    for (octet, mask) in f_opts.iter_mut().zip(stream) {
        *octet ^= mask;
    }
}

fn a_block(
    constant: u8,
    direction: Direction,
    dev_addr: DevAddr,
    f_cnt: u32,
    number: u8,
) -> [u8; 16] {
    let [e, f, g, h] = dev_addr.to_le_bytes();
    let [i, j, k, l] = f_cnt.to_le_bytes();
    [0x01, 0, 0, 0, constant, direction.bit(), e, f, g, h, i, j, k, l, 0, number]
}

//! Encryption of FRMPayload (TS001-1.0.4 §4.3.3) and FOpts (TS001-1.1 §4.3.1.6). Encrypting twice gives the plaintext again.

use ttn_core::{addr::DevAddr, key::Aes128Key};

use super::ReadyKey;
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
    encrypt_frm_payload_with(&ReadyKey::new(key), direction, dev_addr, f_cnt, payload);
}

/// As [`encrypt_frm_payload`], with a key that is ready.
pub fn encrypt_frm_payload_with(
    key: &ReadyKey,
    direction: Direction,
    dev_addr: DevAddr,
    f_cnt: u32,
    payload: &mut [u8],
) {
    key.add_stream(a_block(0, direction, dev_addr, f_cnt), payload);
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
    let first = a_block(counter.constant(), direction, dev_addr, f_cnt);
    let (f_opts, _) = f_opts.split_at_mut(f_opts.len().min(16));
    ReadyKey::new(nwk_s_enc_key).add_stream(first, f_opts);
}

/// The first block of a stream, but for its number.
fn a_block(constant: u8, direction: Direction, dev_addr: DevAddr, f_cnt: u32) -> [u8; 16] {
    let [e, f, g, h] = dev_addr.to_le_bytes();
    let [i, j, k, l] = f_cnt.to_le_bytes();
    [0x01, 0, 0, 0, constant, direction.bit(), e, f, g, h, i, j, k, l, 0, 0]
}

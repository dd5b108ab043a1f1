//! Cryptography of LoRaWAN: integrity codes, encryption, key derivation and key wrap.
//!
//! Keys come as [`Aes128Key`], results are values. AES itself stands behind private functions of this module; received
//! integrity codes are compared in constant time by [`mic_matches`].

pub mod derive;
pub mod join;
pub mod mic;
pub mod multicast;
pub mod payload;
mod ready;
pub mod wrap;

use core::fmt;

use aes::{
    Aes128Dec, Aes128Enc,
    cipher::{BlockCipherDecrypt as _, BlockCipherEncrypt as _, KeyInit as _},
};
use cmac::{
    Cmac, Mac as _,
    digest::{FixedOutput as _, common::InnerInit as _},
};
use subtle::ConstantTimeEq as _;
use ttn_core::key::Aes128Key;

pub use ready::ReadyKey;

/// A message integrity code in on-air order.
pub type Mic = [u8; 4];

/// Compares integrity codes in constant time.
#[must_use]
pub fn mic_matches(computed: &[u8], received: &[u8]) -> bool {
    computed.ct_eq(received).into()
}

/// AES-CMAC (RFC 4493) of the parts, one behind the other.
#[must_use]
pub fn aes_cmac(key: &Aes128Key, parts: &[&[u8]]) -> [u8; 16] {
    let mut cmac = Cmac::<Aes128Enc>::inner_init(encryptor(key));
    for part in parts {
        cmac.update(part);
    }
    cmac.finalize_fixed().into()
}

/// The first four octets of AES-CMAC: what LoRaWAN calls a MIC.
fn cmac_mic(key: &Aes128Key, parts: &[&[u8]]) -> Mic {
    let [a, b, c, d, ..] = aes_cmac(key, parts);
    [a, b, c, d]
}

fn encryptor(key: &Aes128Key) -> Aes128Enc {
    Aes128Enc::new(key.expose().into())
}

/// Encrypts one block.
pub(crate) fn encrypt_block(key: &Aes128Key, block: [u8; 16]) -> [u8; 16] {
    let mut block = block.into();
    encryptor(key).encrypt_block(&mut block);
    block.into()
}

/// Applies AES to blocks that stand one behind the other (ECB); octets behind the last whole block stay.
fn ecb(key: &Aes128Key, octets: &mut [u8], way: Ecb) {
    let (blocks, _) = octets.as_chunks_mut::<16>();
    match way {
        Ecb::Encrypt => {
            let cipher = encryptor(key);
            blocks.iter_mut().for_each(|block| cipher.encrypt_block(block.into()));
        }
        Ecb::Decrypt => {
            let cipher = Aes128Dec::new(key.expose().into());
            blocks.iter_mut().for_each(|block| cipher.decrypt_block(block.into()));
        }
    }
}

#[derive(Clone, Copy)]
enum Ecb {
    Decrypt,
    Encrypt,
}

/// A payload whose length the operation does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LengthError {
    /// The operation.
    pub operation: &'static str,
    /// The lengths that it takes.
    pub wanted: &'static [usize],
    /// The length of the payload.
    pub got: usize,
}

impl fmt::Display for LengthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { operation, wanted, got } = self;
        write!(f, "{operation} takes {wanted:?} octets, not {got}")
    }
}

impl core::error::Error for LengthError {}

/// Refuses a payload of another length.
const fn check_length(
    operation: &'static str,
    got: usize,
    wanted: &'static [usize],
) -> Result<(), LengthError> {
    let mut rest = wanted;
    while let [length, shorter @ ..] = rest {
        if *length == got {
            return Ok(());
        }
        rest = shorter;
    }
    Err(LengthError { operation, wanted, got })
}

//! Keys that are ready for use, and what data messages need of them.
//!
//! All blocks of a message go through the cipher in one call, so that it looks for the instructions of the processor
//! once a message and not once a block.

use core::fmt;

use aes::{
    Aes128Enc,
    cipher::{
        BlockCipherEncBackend, BlockCipherEncClosure, BlockCipherEncrypt as _, BlockSizeUser,
        KeyInit as _, consts::U16,
    },
};
use ttn_core::key::Aes128Key;

/// An AES-128 key with its round keys, for those who use it for more than one message.
///
/// To make one costs as much as a few blocks, to keep one takes [`size_of::<ReadyKey>()`](size_of) octets: about 700
/// where the processor has to be asked for its AES instructions. It is erased when dropped; `Debug` hides it.
#[derive(Clone)]
pub struct ReadyKey(Aes128Enc);

impl ReadyKey {
    /// Works out the round keys.
    #[must_use]
    #[inline]
    pub fn new(key: &Aes128Key) -> Self {
        Self(Aes128Enc::new(key.expose().into()))
    }

    /// AES-CMAC of a block and a message behind it.
    #[inline]
    pub(super) fn cmac(&self, first: [u8; 16], message: &[u8]) -> [u8; 16] {
        let mut mac = 0;
        self.0.encrypt_with_backend(Cmac { first, message, mac: &mut mac });
        mac.to_ne_bytes()
    }

    /// Adds the stream of blocks that `first` and its successors give: their last octet counts on from 1.
    #[inline]
    pub(super) fn add_stream(&self, first: [u8; 16], octets: &mut [u8]) {
        self.0.encrypt_with_backend(Stream { first, octets });
    }
}

impl fmt::Debug for ReadyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReadyKey(…)")
    }
}

/// Blocks as numbers in the order of the machine: to add them is all that is done with most of them.
#[inline(always)]
fn encrypt<B: BlockCipherEncBackend<BlockSize = U16>>(backend: &B, block: u128) -> u128 {
    let mut block = aes::Block::from(block.to_ne_bytes());
    backend.encrypt_block((&mut block).into());
    u128::from_ne_bytes(block.into())
}

/// AES-CMAC (RFC 4493).
struct Cmac<'a> {
    first: [u8; 16],
    message: &'a [u8],
    mac: &'a mut u128,
}

impl BlockSizeUser for Cmac<'_> {
    type BlockSize = U16;
}

impl BlockCipherEncClosure for Cmac<'_> {
    #[inline(always)]
    fn call<B: BlockCipherEncBackend<BlockSize = U16>>(self, backend: &B) {
        let subkey = double(encrypt(backend, 0));
        let first = u128::from_ne_bytes(self.first);
        let (whole, tail) = self.message.as_chunks::<16>();
        let (body, last) = match (tail, whole) {
            ([], []) => {
                *self.mac = encrypt(backend, first ^ subkey);
                return;
            }
            ([], [body @ .., last]) => (body, u128::from_ne_bytes(*last) ^ subkey),
            (tail, body) => {
                let mut last = [0; 16];
                for (to, from) in last.iter_mut().zip(tail.iter().chain(&[0x80])) {
                    *to = *from;
                }
                (body, u128::from_ne_bytes(last) ^ double(subkey))
            }
        };
        let state = body.iter().fold(encrypt(backend, first), |state, block| {
            encrypt(backend, state ^ u128::from_ne_bytes(*block))
        });
        *self.mac = encrypt(backend, state ^ last);
    }
}

/// Doubling in the field of RFC 4493, where blocks are numbers in big-endian order.
#[inline(always)]
const fn double(block: u128) -> u128 {
    let number = u128::from_be(block);
    let carry = if number >> 127 == 1 { 0x87 } else { 0 };
    ((number << 1) ^ carry).to_be()
}

struct Stream<'a> {
    first: [u8; 16],
    octets: &'a mut [u8],
}

impl BlockSizeUser for Stream<'_> {
    type BlockSize = U16;
}

impl BlockCipherEncClosure for Stream<'_> {
    #[inline(always)]
    fn call<B: BlockCipherEncBackend<BlockSize = U16>>(self, backend: &B) {
        let [front @ .., _] = self.first;
        let block = |number: u8| {
            let mut block = [number; 16];
            for (to, from) in block.iter_mut().zip(front) {
                *to = from;
            }
            encrypt(backend, u128::from_ne_bytes(block))
        };
        let mut numbers = 1_u8..=u8::MAX;
        let (whole, tail) = self.octets.as_chunks_mut::<16>();
        for (chunk, number) in whole.iter_mut().zip(&mut numbers) {
            *chunk = (u128::from_ne_bytes(*chunk) ^ block(number)).to_ne_bytes();
        }
        if let (false, Some(number)) = (tail.is_empty(), numbers.next()) {
            for (octet, mask) in tail.iter_mut().zip(block(number).to_ne_bytes()) {
                *octet ^= mask;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;
    use crate::crypto::{aes_cmac, encrypt_block};

    proptest! {
        // The library is the judge: RFC 4493's own examples are among the vectors of `aes_cmac`.
        #[test]
        fn the_code_is_that_of_the_library(
            key: [u8; 16],
            first: [u8; 16],
            message in proptest::collection::vec(any::<u8>(), 0..80),
        ) {
            let key = Aes128Key::new(key);
            prop_assert_eq!(ReadyKey::new(&key).cmac(first, &message), aes_cmac(&key, &[&first, &message]));
        }

        #[test]
        fn the_stream_is_that_of_the_blocks(
            key: [u8; 16],
            first: [u8; 16],
            octets in proptest::collection::vec(any::<u8>(), 0..80),
        ) {
            let key = Aes128Key::new(key);
            let mut streamed = octets.clone();
            ReadyKey::new(&key).add_stream(first, &mut streamed);
            let by_hand: Vec<u8> = (1..).zip(octets.chunks(16)).flat_map(|(number, chunk)| {
                let mut block = first;
                block[15] = number;
                let block = encrypt_block(&key, block);
                chunk.iter().zip(block).map(|(octet, mask)| octet ^ mask).collect::<Vec<_>>()
            }).collect();
            prop_assert_eq!(streamed, by_hand);
        }
    }
}

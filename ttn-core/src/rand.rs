//! Randomness as an argument.

use core::fmt;

/// A source of random octets. Nonces, ids and jitter take it as an argument.
pub trait Entropy: fmt::Debug + Send + Sync + 'static {
    /// Fills the whole buffer.
    fn fill(&self, buffer: &mut [u8]);

    /// Draws a random number.
    fn next_u64(&self) -> u64 {
        let mut octets = [0; 8];
        self.fill(&mut octets);
        u64::from_le_bytes(octets)
    }

    /// Draws a number below `bound`; 0 if `bound` is 0.
    fn below(&self, bound: u64) -> u64 {
        if bound == 0 {
            return 0;
        }
        // The bias of a multiplication of 64 bits is below 2^-64 × bound.
        ((u128::from(self.next_u64()) * u128::from(bound)) >> 64) as u64
    }
}

/// A cryptographically secure generator for each thread, seeded, and again and again reseeded, by the operating system:
/// every uplink needs random numbers, and most of the cost of asking the system for each is the call.
///
/// Without randomness of the system it panics: going on with predictable keys and nonces would be worse than stopping.
#[cfg(feature = "std")]
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct OsEntropy;

#[cfg(feature = "std")]
impl Entropy for OsEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        rand::Rng::fill_bytes(&mut rand::rng(), buffer);
    }
}

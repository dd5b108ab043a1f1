//! Hash maps of components: iteration order depends on nothing but the order of operations.
//!
//! `std`'s maps draw a key per process, so that two runs iterate differently; the simulation could not repeat
//! itself. These take a fixed key. Keys that come from outside are bounded in number wherever they are stored, which is
//! what keeps chosen collisions harmless.

use std::hash::{BuildHasherDefault, Hasher};

/// A hash map with a fixed hash function.
pub type Map<K, V> = hashbrown::HashMap<K, V, BuildHasherDefault<FixedHasher>>;
/// A hash set with a fixed hash function.
pub type Set<K> = hashbrown::HashSet<K, BuildHasherDefault<FixedHasher>>;

/// A fast hash function with a fixed key (multiply, fold, rotate).
#[derive(Clone, Copy, Debug)]
pub struct FixedHasher(u64);

impl Default for FixedHasher {
    fn default() -> Self {
        Self(0x9E37_79B9_7F4A_7C15)
    }
}

impl Hasher for FixedHasher {
    fn finish(&self) -> u64 {
        let folded = u128::from(self.0).wrapping_mul(0xD6E8_FEB8_6659_FD93_u128);
        (folded as u64) ^ ((folded >> 64) as u64)
    }

    fn write(&mut self, bytes: &[u8]) {
        let mut chunks = bytes.chunks_exact(8);
        for chunk in &mut chunks {
            let mut octets = [0; 8];
            octets.copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(octets));
        }
        let rest = chunks.remainder();
        if !rest.is_empty() {
            let mut octets = [0; 8];
            octets.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
            self.write_u64(u64::from_le_bytes(octets) ^ ((rest.len() as u64) << 56));
        }
    }

    fn write_u64(&mut self, value: u64) {
        let mixed = u128::from(self.0 ^ value).wrapping_mul(0xA076_1D64_78BD_642F_u128);
        self.0 = ((mixed as u64) ^ ((mixed >> 64) as u64)).rotate_left(23);
    }

    fn write_u32(&mut self, value: u32) {
        self.write_u64(u64::from(value));
    }

    fn write_usize(&mut self, value: usize) {
        self.write_u64(value as u64);
    }
}

//! Which fragments a redundant fragment is the sum of.

use alloc::{vec, vec::Vec};

use crate::package::Version;

/// A row of bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bits(Vec<u64>);

impl Bits {
    pub(super) fn new(length: usize) -> Self {
        Self(vec![0; length.div_ceil(64)])
    }

    pub(super) fn set(&mut self, index: usize) {
        if let Some(word) = self.0.get_mut(index / 64) {
            *word |= mask(index);
        }
    }

    pub(super) fn clear(&mut self, index: usize) {
        if let Some(word) = self.0.get_mut(index / 64) {
            *word &= !mask(index);
        }
    }

    pub(super) fn get(&self, index: usize) -> bool {
        self.0.get(index / 64).is_some_and(|word| word & mask(index) != 0)
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(a, b)| *a ^= b);
    }

    /// The lowest bit that is set.
    pub(super) fn first(&self) -> Option<usize> {
        let (index, word) = self.0.iter().enumerate().find(|(_, word)| **word != 0)?;
        Some(index.saturating_mul(64).saturating_add(word.trailing_zeros() as usize))
    }

    /// The bits that are set here and there.
    pub(super) fn common(&self, other: &Self) -> Vec<usize> {
        let words = self.0.iter().zip(&other.0).map(|(a, b)| a & b).enumerate();
        let mut found = Vec::new();
        for (index, word) in words.filter(|(_, word)| *word != 0) {
            let first = index.saturating_mul(64);
            let set = (0..64).filter(|bit| word & mask(*bit) != 0);
            found.extend(set.map(|bit| first.saturating_add(bit)));
        }
        found
    }

    /// The bits that are set.
    pub(super) fn ones(&self) -> Vec<usize> {
        self.common(self)
    }
}

const fn mask(index: usize) -> u64 {
    1_u64.wrapping_shl((index % 64) as u32)
}

/// The fragments of `nb_frag` that redundant fragment `n`, from 1, is the sum of.
///
/// Half as many draws of a 23-bit register as there are fragments; version 1 may draw one twice, version 2 draws on.
/// A block of one fragment has no redundancy: its redundant fragments are empty sums.
pub(super) fn line(version: Version, n: u16, nb_frag: u16) -> Bits {
    let width = u32::from(nb_frag);
    let modulus = width.saturating_add(u32::from(width.is_power_of_two()));
    let mut line = Bits::new(nb_frag.into());
    let mut register = u32::from(n).saturating_mul(1001).saturating_add(1);
    let mut drawn = 0;
    while drawn < width / 2 {
        // The register runs through all its states but zero, so this ends.
        let fragment = loop {
            register = prbs_23(register);
            let fragment = register.checked_rem(modulus).unwrap_or(0);
            if fragment < width {
                break fragment as usize;
            }
        };
        if version == Version::V1 || !line.get(fragment) {
            line.set(fragment);
            drawn = drawn.saturating_add(1);
        }
    }
    line
}

const fn prbs_23(register: u32) -> u32 {
    let feedback = (register ^ (register >> 5)) & 1;
    (register >> 1).saturating_add(feedback << 22)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_version_2_has_half_of_the_fragments() {
        for nb_frag in [2, 3, 10, 16, 64, 100, 255, 256, 1000] {
            for n in [1, 2, 77, 5000] {
                let ones = line(Version::V2, n, nb_frag).ones();
                assert_eq!(ones.len(), usize::from(nb_frag / 2));
                assert!(ones.iter().all(|one| *one < usize::from(nb_frag)));
            }
        }
    }

    #[test]
    fn the_longest_and_the_shortest_lines_end() {
        assert!(line(Version::V2, 16_382, 1).ones().is_empty());
        assert!(line(Version::V1, 1, 0).ones().is_empty());
        assert_eq!(line(Version::V2, 16_383, 16_383).ones().len(), 8191);
        assert_eq!(line(Version::V2, u16::MAX, u16::MAX).ones().len(), 32_767);
    }
}

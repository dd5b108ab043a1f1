//! From fragments to the block (TS004, appendix on the erasure code).

use alloc::{collections::BTreeMap, vec, vec::Vec};
use core::fmt;

use super::{
    N_MAX,
    encoder::add,
    matrix::{Bits, line},
};
use crate::package::Version;

/// How much memory a reconstruction may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "built by other crates")]
pub struct Limits {
    /// The longest block with its padding, in octets.
    pub octets_max: usize,
    /// How many sums of several missing fragments are kept. Each takes a fragment and a bit for each fragment of the
    /// block. A block with more missing fragments is not reconstructed of redundancy alone.
    pub rows_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { octets_max: 256 << 10, rows_max: 512 }
    }
}

/// A block that is being put together: what came as it is, and sums of fragments that are missing.
#[derive(Clone, Debug)]
pub struct Decoder {
    version: Version,
    nb_frag: u16,
    frag_size: u8,
    rows_max: usize,
    data: Vec<u8>,
    /// The fragments that are in `data`.
    known: Bits,
    known_count: usize,
    /// Sums by their lowest fragment; no two have the same.
    rows: BTreeMap<usize, Row>,
}

#[derive(Clone, Debug)]
struct Row {
    fragments: Bits,
    sum: Vec<u8>,
}

/// What a fragment brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum Inserted {
    /// The block is complete.
    Complete,
    /// So many more fragments that tell something new are needed.
    Missing(u16),
    /// It told nothing new.
    Redundant,
}

/// A fragment that was not taken, or a block that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FragmentError {
    /// The block has no fragments, more than there are numbers, or empty ones.
    Block {
        /// The fragments.
        nb_frag: u16,
        /// The octets of each.
        frag_size: u8,
    },
    /// The block is longer than the memory for it.
    Memory {
        /// The octets that it needs.
        octets: usize,
        /// The most that it may have.
        max: usize,
    },
    /// There is no such number.
    Number {
        /// The number.
        n: u16,
    },
    /// There is no room for another sum.
    Rows {
        /// The most that there may be.
        max: usize,
    },
    /// It has not as many octets as the others.
    Size {
        /// Its octets.
        got: usize,
        /// Those of a fragment.
        expected: usize,
    },
}

impl fmt::Display for FragmentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Block { nb_frag, frag_size } => {
                write!(f, "a block of {nb_frag} fragments of {frag_size} octets cannot be")
            }
            Self::Memory { octets, max } => {
                write!(f, "the block has {octets} octets, and memory is {max}")
            }
            Self::Number { n } => write!(f, "n is {n}, not 1 to {N_MAX}"),
            Self::Rows { max } => write!(f, "{max} sums of fragments are kept already"),
            Self::Size { got, expected } => {
                write!(f, "the fragment has {got} octets, not {expected}")
            }
        }
    }
}

impl core::error::Error for FragmentError {}

impl Decoder {
    /// A block of which nothing is known.
    ///
    /// # Errors
    ///
    /// If there cannot be such a block, or if it is longer than the limit.
    pub fn new(
        version: Version,
        nb_frag: u16,
        frag_size: u8,
        limits: Limits,
    ) -> Result<Self, FragmentError> {
        if nb_frag == 0 || nb_frag > N_MAX || frag_size == 0 {
            return Err(FragmentError::Block { nb_frag, frag_size });
        }
        let octets = usize::from(nb_frag).saturating_mul(frag_size.into());
        if octets > limits.octets_max {
            return Err(FragmentError::Memory { octets, max: limits.octets_max });
        }
        Ok(Self {
            version,
            nb_frag,
            frag_size,
            rows_max: limits.rows_max,
            data: vec![0; octets],
            known: Bits::new(nb_frag.into()),
            known_count: 0,
            rows: BTreeMap::new(),
        })
    }

    /// Takes fragment `n`, from 1, in any order.
    ///
    /// # Errors
    ///
    /// If there is no such number, if it has another length than the others, and if it is a sum for which there is no
    /// room. Nothing that came before is lost.
    pub fn insert(&mut self, n: u16, fragment: &[u8]) -> Result<Inserted, FragmentError> {
        let expected = usize::from(self.frag_size);
        if fragment.len() != expected {
            return Err(FragmentError::Size { got: fragment.len(), expected });
        }
        let index = n.checked_sub(1).filter(|_| n <= N_MAX).ok_or(FragmentError::Number { n })?;
        let before = self.missing();
        if before == 0 {
            return Ok(Inserted::Redundant);
        }
        match n.checked_sub(self.nb_frag).filter(|redundant| *redundant > 0) {
            None => self.insert_uncoded(index.into(), fragment)?,
            Some(redundant) => {
                let fragments = line(self.version, redundant, self.nb_frag);
                self.insert_row(Row { fragments, sum: fragment.to_vec() })?;
            }
        }
        match self.missing() {
            0 => {
                self.solve();
                Ok(Inserted::Complete)
            }
            missing if missing == before => Ok(Inserted::Redundant),
            missing => Ok(Inserted::Missing(missing)),
        }
    }

    /// How many more fragments that tell something new are needed.
    #[must_use]
    pub fn missing(&self) -> u16 {
        let have = self.known_count.saturating_add(self.rows.len());
        self.nb_frag.saturating_sub(u16::try_from(have).unwrap_or(u16::MAX))
    }

    /// The numbers of the fragments that are not there as they are, in order; none once the block is complete.
    pub fn missing_fragments(&self) -> impl Iterator<Item = u16> {
        (1..=self.nb_frag).filter(|n| !self.known.get(usize::from(*n).saturating_sub(1)))
    }

    /// The block with its padding, once it is complete.
    #[must_use]
    pub fn data(&self) -> Option<&[u8]> {
        (self.missing() == 0).then_some(&*self.data)
    }

    fn insert_uncoded(&mut self, index: usize, fragment: &[u8]) -> Result<(), FragmentError> {
        if self.known.get(index) {
            return Ok(());
        }
        let row = self.rows.remove(&index);
        self.learn(index, fragment);
        // A sum that began with this fragment goes on without it.
        row.map_or(Ok(()), |row| self.insert_row(row))
    }

    /// Subtracts what is known, and keeps what remains.
    fn insert_row(&mut self, mut row: Row) -> Result<(), FragmentError> {
        loop {
            self.subtract_known(&mut row);
            let Some(first) = row.fragments.first() else { return Ok(()) };
            let Some(other) = self.rows.get(&first) else {
                if self.rows.len() >= self.rows_max {
                    return Err(FragmentError::Rows { max: self.rows_max });
                }
                self.rows.insert(first, row);
                return Ok(());
            };
            row.fragments.add(&other.fragments);
            add(&mut row.sum, &other.sum);
        }
    }

    /// With as many sums as missing fragments: from the last to the first, each has one fragment that is not known.
    fn solve(&mut self) {
        while let Some((index, mut row)) = self.rows.pop_last() {
            self.subtract_known(&mut row);
            self.learn(index, &row.sum);
        }
    }

    fn subtract_known(&self, row: &mut Row) {
        for index in row.fragments.common(&self.known) {
            row.fragments.clear(index);
            if let Some(known) = self.data.chunks_exact(self.frag_size.into()).nth(index) {
                add(&mut row.sum, known);
            }
        }
    }

    fn learn(&mut self, index: usize, fragment: &[u8]) {
        if let Some(place) = self.data.chunks_exact_mut(self.frag_size.into()).nth(index) {
            place.copy_from_slice(fragment);
            self.known.set(index);
            self.known_count = self.known_count.saturating_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::fragmentation::Encoder;

    fn block(octets: usize) -> Vec<u8> {
        (0..octets).map(|at| (at * 31 % 251) as u8).collect()
    }

    fn decoder(version: Version, encoder: &Encoder) -> Decoder {
        let limits = Limits::default();
        Decoder::new(version, encoder.nb_frag(), encoder.frag_size(), limits).unwrap()
    }

    #[test]
    fn lost_fragments_come_back_from_redundant_ones_in_any_order() {
        for version in [Version::V1, Version::V2] {
            let encoder = Encoder::new(version, block(400), 10).unwrap();
            let mut decoder = decoder(version, &encoder);
            // The sums first, then the fragments backwards without every fourth.
            let coded = 41..=80;
            let uncoded = (1..=40).rev().filter(|n| n % 4 != 0);
            let mut last = None;
            for n in coded.chain(uncoded) {
                if decoder.data().is_none() {
                    last = Some(decoder.insert(n, &encoder.fragment(n).unwrap()).unwrap());
                }
            }
            assert_eq!(last, Some(Inserted::Complete));
            assert_eq!(decoder.data(), Some(encoder.data()));
            assert_eq!(decoder.missing_fragments().count(), 0);
        }
    }

    #[test]
    fn every_useful_fragment_lowers_what_is_missing_by_one() {
        let encoder = Encoder::new(Version::V2, block(160), 10).unwrap();
        let mut decoder = decoder(Version::V2, &encoder);
        assert_eq!(decoder.missing(), 16);
        assert_eq!(decoder.insert(3, &encoder.fragment(3).unwrap()), Ok(Inserted::Missing(15)));
        assert_eq!(decoder.insert(3, &encoder.fragment(3).unwrap()), Ok(Inserted::Redundant));
        assert_eq!(decoder.insert(17, &encoder.fragment(17).unwrap()), Ok(Inserted::Missing(14)));
        assert_eq!(decoder.insert(17, &encoder.fragment(17).unwrap()), Ok(Inserted::Redundant));
        assert_eq!(decoder.missing_fragments().count(), 15);
        assert_eq!(decoder.data(), None);
    }

    #[test]
    fn memory_has_a_limit() {
        let limits = Limits { octets_max: 100, rows_max: 1 };
        let error = Decoder::new(Version::V1, 11, 10, limits).unwrap_err();
        assert_eq!(error, FragmentError::Memory { octets: 110, max: 100 });
        let encoder = Encoder::new(Version::V2, block(100), 10).unwrap();
        let mut decoder = Decoder::new(Version::V2, 10, 10, limits).unwrap();
        decoder.insert(11, &encoder.fragment(11).unwrap()).unwrap();
        let refused = decoder.insert(12, &encoder.fragment(12).unwrap());
        assert_eq!(refused, Err(FragmentError::Rows { max: 1 }));
        for n in 1..=9 {
            decoder.insert(n, &encoder.fragment(n).unwrap()).unwrap();
        }
        decoder.insert(10, &encoder.fragment(10).unwrap()).unwrap();
        assert_eq!(decoder.data(), Some(encoder.data()));
    }

    #[test]
    fn what_cannot_be_a_fragment_is_refused() {
        let mut decoder = Decoder::new(Version::V1, 3, 4, Limits::default()).unwrap();
        assert_eq!(decoder.insert(0, &[0; 4]), Err(FragmentError::Number { n: 0 }));
        assert_eq!(decoder.insert(16_384, &[0; 4]), Err(FragmentError::Number { n: 16_384 }));
        assert_eq!(decoder.insert(1, &[0]), Err(FragmentError::Size { got: 1, expected: 4 }));
        for (nb_frag, frag_size) in [(0, 1), (1, 0), (16_384, 1)] {
            let refused = Decoder::new(Version::V1, nb_frag, frag_size, Limits::default());
            assert_eq!(refused.unwrap_err(), FragmentError::Block { nb_frag, frag_size });
        }
    }
}

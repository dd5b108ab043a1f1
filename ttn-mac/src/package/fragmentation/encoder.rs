//! From a block to its fragments (TS004, appendix on the erasure code).

use alloc::{vec, vec::Vec};
use core::fmt;

use super::{N_MAX, matrix::line};
use crate::package::Version;

/// The fragments of a block of data.
#[derive(Clone, Debug)]
pub struct Encoder {
    version: Version,
    frag_size: u8,
    nb_frag: u16,
    data: Vec<u8>,
}

/// A block that cannot be fragmented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EncoderError {
    /// There is nothing to send.
    Empty,
    /// Fragments have 1 to 255 octets.
    FragmentSize {
        /// The octets wanted.
        got: usize,
    },
    /// The block does not end with a fragment.
    Length {
        /// The octets of the block.
        octets: usize,
        /// The octets of a fragment.
        frag_size: usize,
    },
    /// There are more fragments than numbers.
    TooLong {
        /// The fragments.
        fragments: usize,
        /// The most that there may be.
        max: usize,
    },
}

impl fmt::Display for EncoderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the block has no octets"),
            Self::FragmentSize { got } => write!(f, "frag_size is {got}, not 1 to 255"),
            Self::Length { octets, frag_size } => {
                write!(f, "{octets} octets are no multiple of frag_size, which is {frag_size}")
            }
            Self::TooLong { fragments, max } => {
                write!(f, "the block has {fragments} fragments, at most {max} have numbers")
            }
        }
    }
}

impl core::error::Error for EncoderError {}

impl Encoder {
    /// Takes a block whose length is a multiple of `frag_size`.
    ///
    /// # Errors
    ///
    /// If it is not, and as [`Self::padded`].
    pub fn new(version: Version, data: Vec<u8>, frag_size: usize) -> Result<Self, EncoderError> {
        let octets = data.len();
        let (encoder, padding) = Self::padded(version, data, frag_size)?;
        match padding {
            0 => Ok(encoder),
            _ => Err(EncoderError::Length { octets, frag_size }),
        }
    }

    /// Takes a block and fills its last fragment with zeros; tells how many.
    ///
    /// # Errors
    ///
    /// If the block is empty or has more fragments than there are numbers, or if fragments have not 1 to 255 octets.
    pub fn padded(
        version: Version,
        mut data: Vec<u8>,
        frag_size: usize,
    ) -> Result<(Self, u8), EncoderError> {
        let wrong_size = EncoderError::FragmentSize { got: frag_size };
        let size = u8::try_from(frag_size).ok().filter(|size| *size > 0).ok_or(wrong_size)?;
        if data.is_empty() {
            return Err(EncoderError::Empty);
        }
        let octets = data.len();
        let fragments = octets.div_ceil(size.into());
        let max = N_MAX.into();
        let nb_frag = u16::try_from(fragments).ok().filter(|nb_frag| *nb_frag <= N_MAX);
        let nb_frag = nb_frag.ok_or(EncoderError::TooLong { fragments, max })?;
        data.resize(fragments.saturating_mul(size.into()), 0);
        let padding = u8::try_from(data.len().saturating_sub(octets)).unwrap_or(u8::MAX);
        Ok((Self { version, frag_size: size, nb_frag, data }, padding))
    }

    /// How many fragments the block has without redundancy.
    #[must_use]
    pub const fn nb_frag(&self) -> u16 {
        self.nb_frag
    }

    /// How many octets a fragment has.
    #[must_use]
    pub const fn frag_size(&self) -> u8 {
        self.frag_size
    }

    /// The block with its padding.
    #[must_use]
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// Fragment `n`, from 1; those above [`Self::nb_frag`] are redundant. `None` for 0 and above [`N_MAX`].
    #[must_use]
    pub fn fragment(&self, n: u16) -> Option<Vec<u8>> {
        let index = n.checked_sub(1).filter(|_| n <= N_MAX)?;
        let Some(redundant) = n.checked_sub(self.nb_frag).filter(|redundant| *redundant > 0) else {
            return self.uncoded(index.into()).map(<[u8]>::to_vec);
        };
        let mut sum = vec![0; self.frag_size.into()];
        for index in line(self.version, redundant, self.nb_frag).ones() {
            add(&mut sum, self.uncoded(index)?);
        }
        Some(sum)
    }

    fn uncoded(&self, index: usize) -> Option<&[u8]> {
        self.data.chunks_exact(self.frag_size.into()).nth(index)
    }
}

/// Adds octets bit by bit.
pub(super) fn add(sum: &mut [u8], octets: &[u8]) {
    sum.iter_mut().zip(octets).for_each(|(a, b)| *a ^= b);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_that_cannot_be_fragmented_is_refused_with_its_numbers() {
        let new = |octets, size| Encoder::new(Version::V1, vec![0; octets], size).unwrap_err();
        assert_eq!(new(5, 10), EncoderError::Length { octets: 5, frag_size: 10 });
        assert_eq!(new(0, 10), EncoderError::Empty);
        assert_eq!(new(10, 0), EncoderError::FragmentSize { got: 0 });
        assert_eq!(new(256, 256), EncoderError::FragmentSize { got: 256 });
        assert_eq!(new(16_384, 1), EncoderError::TooLong { fragments: 16_384, max: 16_383 });
    }

    #[test]
    fn numbers_begin_at_one_and_end() {
        let (encoder, padding) = Encoder::padded(Version::V2, vec![9; 25], 10).unwrap();
        assert_eq!((padding, encoder.nb_frag()), (5, 3));
        assert_eq!(encoder.fragment(0), None);
        assert_eq!(encoder.fragment(3).unwrap(), [9, 9, 9, 9, 9, 0, 0, 0, 0, 0]);
        assert!(encoder.fragment(N_MAX).is_some());
        assert_eq!(encoder.fragment(N_MAX + 1), None);
    }
}

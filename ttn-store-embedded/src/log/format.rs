//! The octets of the log's files.
//!
//! A file is a *segment*: a head of 32 octets, then records without gaps. Numbers are big-endian.
//!
//! ```text
//! segment: "TTN-LOG" version:1 number:8 first:8 salt:4 crc:4, then records
//! record:  crc:4 length:4 sequence:8 body
//! body:    rows, each: kind:1 length:varint key [length:varint value]
//! ```
//!
//! The checksum of a record begins with the segment's salt, a random number: neither what another file left on the
//! disk nor what somebody sends as a payload is taken for a record.

use ttn_core::store::{StoreError, StoreErrorKind};

use crate::base::{Key, Layer, Space, Value};

/// The head of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// The segment's own number: it gives the order of files.
    pub(crate) number: u64,
    /// The sequence of its first record.
    pub(crate) first: u64,
    /// What its checksums begin with.
    pub(crate) salt: u32,
}

/// Why a head does not parse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadHead {
    /// It is not all there, or not right.
    Broken,
    /// A newer version of this program wrote it.
    Newer(u8),
}

/// A record as it lies in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record<'a> {
    pub(crate) seq: u64,
    pub(crate) body: &'a [u8],
    /// Where the next one begins.
    pub(crate) end: usize,
}

/// The octets of a segment's head.
pub(crate) const HEAD: usize = 32;
/// The octets in front of a record's body.
pub(crate) const RECORD_HEAD: usize = 16;
const MAGIC: [u8; 7] = *b"TTN-LOG";
/// The version of what follows it. A newer one is not touched.
const VERSION: u8 = 1;

impl Head {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut octets = [&MAGIC[..], &[VERSION]].concat();
        octets.extend(self.number.to_be_bytes());
        octets.extend(self.first.to_be_bytes());
        octets.extend(self.salt.to_be_bytes());
        octets.extend(crc32c::crc32c(&octets).to_be_bytes());
        octets
    }

    pub(crate) fn parse(octets: &[u8]) -> Result<Self, BadHead> {
        let broken = BadHead::Broken;
        let (magic, rest) = octets.split_first_chunk::<7>().ok_or(broken)?;
        let (version, rest) = rest.split_first().ok_or(broken)?;
        // Behind a newer version's number anything may follow.
        if *magic == MAGIC && *version > VERSION {
            return Err(BadHead::Newer(*version));
        }
        let (number, rest) = rest.split_first_chunk().ok_or(broken)?;
        let (first, rest) = rest.split_first_chunk().ok_or(broken)?;
        let (salt, rest) = rest.split_first_chunk().ok_or(broken)?;
        let (crc, _) = rest.split_first_chunk().ok_or(broken)?;
        let is_right = octets.get(..HEAD - 4).map(crc32c::crc32c) == Some(u32::from_be_bytes(*crc));
        if *magic != MAGIC || *version != VERSION || !is_right {
            return Err(broken);
        }
        Ok(Self {
            number: u64::from_be_bytes(*number),
            first: u64::from_be_bytes(*first),
            salt: u32::from_be_bytes(*salt),
        })
    }
}

/// Writes a record into a buffer, which is emptied first.
pub(crate) fn encode(
    buffer: &mut Vec<u8>,
    salt: u32,
    seq: u64,
    layer: &Layer,
) -> Result<(), StoreError> {
    buffer.clear();
    buffer.resize(RECORD_HEAD, 0);
    for ((space, key), value) in layer {
        buffer.push(*space as u8 | if value.is_none() { DELETES } else { 0 });
        push(buffer, key);
        if let Some(value) = value {
            push(buffer, value);
        }
    }
    let length = u32::try_from(buffer.len() - RECORD_HEAD);
    let length = length.map_err(|error| {
        StoreError::new(StoreErrorKind::Io, "a batch of 4 GiB and more").caused_by(error)
    })?;
    let (head, body) = buffer.split_at_mut(RECORD_HEAD);
    head[4..8].copy_from_slice(&length.to_be_bytes());
    head[8..].copy_from_slice(&seq.to_be_bytes());
    let crc = checksum(salt, &head[4..], body);
    head[..4].copy_from_slice(&crc.to_be_bytes());
    Ok(())
}

/// Reads the record that begins at an octet, if there is a whole one.
pub(crate) fn parse(octets: &[u8], at: usize, salt: u32) -> Option<Record<'_>> {
    let rest = octets.get(at..)?;
    let (crc, rest) = rest.split_first_chunk()?;
    let head = rest.get(..RECORD_HEAD - 4)?;
    let (length, rest) = rest.split_first_chunk()?;
    let (seq, rest) = rest.split_first_chunk()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let body = rest.get(..length)?;
    if checksum(salt, head, body) != u32::from_be_bytes(*crc) {
        return None;
    }
    Some(Record { seq: u64::from_be_bytes(*seq), body, end: at + RECORD_HEAD + length })
}

/// Whether a whole record with a sequence above `seq` begins anywhere behind an octet.
pub(crate) fn is_followed(octets: &[u8], at: usize, salt: u32, seq: u64) -> bool {
    let window = seq + 1..=seq + (octets.len() / RECORD_HEAD) as u64;
    let starts = at + 1..octets.len().saturating_sub(RECORD_HEAD - 1);
    // The sequence first: it rules nearly all places out.
    starts.into_iter().any(|at| {
        let seq = octets.get(at + 8..).and_then(|rest| rest.first_chunk());
        seq.is_some_and(|seq| window.contains(&u64::from_be_bytes(*seq)))
            && parse(octets, at, salt).is_some()
    })
}

/// Reads the rows of a body.
pub(crate) fn rows(mut body: &[u8]) -> impl Iterator<Item = Result<(Key, Value), StoreError>> {
    std::iter::from_fn(move || {
        let (kind, rest) = body.split_first()?;
        let row = row(*kind, rest);
        body = row.as_ref().map_or(&[], |(_, rest)| rest);
        Some(row.map(|(row, _)| row).ok_or_else(|| crate::table::corrupt("a row of the log")))
    })
}

fn row(kind: u8, body: &[u8]) -> Option<((Key, Value), &[u8])> {
    let space = [Space::Hot, Space::Log, Space::State];
    let space = space.into_iter().find(|space| *space as u8 == kind & !DELETES)?;
    let (key, body) = take(body)?;
    let key = (space, key.to_vec());
    if kind & DELETES != 0 {
        return Some(((key, None), body));
    }
    let (value, body) = take(body)?;
    Some(((key, Some(value.into())), body))
}

fn push(buffer: &mut Vec<u8>, octets: &[u8]) {
    // A vector grows: it has room for whatever length.
    prost::encode_length_delimiter(octets.len(), buffer).unwrap_or_default();
    buffer.extend_from_slice(octets);
}

fn take(mut octets: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = prost::decode_length_delimiter(&mut octets).ok()?;
    octets.split_at_checked(length)
}

fn checksum(salt: u32, head: &[u8], body: &[u8]) -> u32 {
    let crc = crc32c::crc32c(&salt.to_be_bytes());
    crc32c::crc32c_append(crc32c::crc32c_append(crc, head), body)
}

/// The bit of a row's kind that says that it is deleted.
const DELETES: u8 = 0x80;

#[cfg(test)]
mod tests {
    use super::*;

    fn layer() -> Layer {
        let value = |octets: &[u8]| Some(octets.into());
        Layer::from([
            ((Space::Hot, vec![1, 2]), value(&[3; 300])),
            ((Space::Log, vec![0; 200]), value(&[])),
            ((Space::State, vec![9]), None),
        ])
    }

    #[test]
    fn a_record_reads_as_it_was_written() {
        let mut buffer = vec![7; 5];
        encode(&mut buffer, 11, 12, &layer()).unwrap();
        let record = parse(&buffer, 0, 11).unwrap();
        assert_eq!((record.seq, record.end), (12, buffer.len()));
        assert_eq!(rows(record.body).collect::<Result<Layer, _>>().unwrap(), layer());
        assert_eq!(parse(&buffer, 0, 10), None, "of another segment");
    }

    #[test]
    fn no_flipped_bit_and_no_cut_goes_unnoticed() {
        let mut buffer = Vec::new();
        encode(&mut buffer, 1, 2, &layer()).unwrap();
        for at in 0..buffer.len() {
            assert_eq!(parse(&buffer[..at], 0, 1), None, "cut at {at}");
            buffer[at] ^= 0x10;
            assert_eq!(parse(&buffer, 0, 1), None, "octet {at}");
            buffer[at] ^= 0x10;
        }
        let head = Head { number: 1, first: 2, salt: 3 };
        let octets = head.encode();
        assert_eq!((octets.len(), Head::parse(&octets)), (HEAD, Ok(head)));
        for at in (0..HEAD).filter(|at| *at != 7) {
            let mut octets = octets.clone();
            octets[at] ^= 1;
            assert_eq!(Head::parse(&octets), Err(BadHead::Broken), "octet {at}");
            assert_eq!(Head::parse(&octets[..at]), Err(BadHead::Broken), "cut at {at}");
        }
    }

    #[test]
    fn a_body_that_does_not_decode_is_an_error_and_ends() {
        for body in [&[3, 1, 1][..], &[0, 5, 1], &[0x82, 0xFF], &[1, 1, 7]] {
            let found: Vec<_> = rows(body).collect();
            assert!(found.len() == 1 && found[0].is_err(), "{body:?}");
        }
    }
}

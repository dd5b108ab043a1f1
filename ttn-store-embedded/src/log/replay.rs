//! What a start finds in the log.

use std::io;

use ttn_core::store::{StoreError, StoreErrorKind};

use crate::{
    base::Layer,
    disk::Disk,
    log::{
        failed,
        format::{self, BadHead, HEAD, Head},
        name_of, number_of,
    },
};

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// The sequence of the last whole record, or of the last that is in the engine.
    pub(crate) last: u64,
    /// The numbers of all files, in their order.
    pub(crate) numbers: Vec<u64>,
}

/// Gives every record behind `mark`, the last one that the engine is known to have, in its order.
///
/// A record that is not whole ends the log if nothing follows it: its write was cut off, and nobody was told of it.
///
/// # Errors
///
/// `Corrupt` with file and octet if something is missing or wrong in front of what is whole, `Schema` if a newer version
/// wrote a file, and what `each` gives.
pub(crate) fn replay(
    disk: &dyn Disk,
    mark: Option<u64>,
    mut each: impl FnMut(Layer) -> Result<(), StoreError>,
) -> Result<Found, StoreError> {
    let names = disk.list().map_err(|error| failed("the list of", disk, "", error))?;
    let mut numbers: Vec<u64> = names.iter().filter_map(|name| number_of(name)).collect();
    numbers.sort_unstable();
    let heads = heads(disk, &numbers)?;
    let done = mark.unwrap_or(0);
    if mark.is_some() && heads.is_empty() {
        return Err(corrupt(format!("{} without a segment", disk.describe(""))));
    }
    let mut next = done + 1;
    for (index, head) in heads.iter().enumerate() {
        let follower = heads.get(index + 1).map(|head| head.first);
        if follower.is_some_and(|first| first <= done + 1) {
            // The engine has all of it.
            continue;
        }
        if head.first > next {
            let context = format!("{} at octet 0: what comes before it", place(disk, head));
            return Err(corrupt(context));
        }
        next = Segment { disk, head, follower, done }.replay(&mut each)?;
    }
    if next <= done {
        let end = heads.last().map(|head| place(disk, head)).unwrap_or_default();
        return Err(corrupt(format!("{end}: its end before what the engine has")));
    }
    Ok(Found { last: next - 1, numbers })
}

/// Reads the heads of segments. A file that was just being made when the power failed has none, and no records: those come
/// when the head is durable. If it was more than that, what it had is missing between the others.
fn heads(disk: &dyn Disk, numbers: &[u64]) -> Result<Vec<Head>, StoreError> {
    let mut heads = Vec::with_capacity(numbers.len());
    for number in numbers {
        let octets = read(disk, *number, HEAD as u64 + 1)?;
        match Head::parse(&octets) {
            Ok(head) if head.number == *number => heads.push(head),
            Err(BadHead::Newer(version)) => {
                let name = disk.describe(&name_of(*number));
                let context = format!("{name}, of version {version},");
                return Err(StoreError::new(StoreErrorKind::Schema, context));
            }
            Err(BadHead::Broken) if octets.len() <= HEAD => {}
            _ => {
                let name = disk.describe(&name_of(*number));
                return Err(corrupt(format!("{name} at octet 0")));
            }
        }
    }
    Ok(heads)
}

/// A segment to be read.
struct Segment<'a> {
    disk: &'a dyn Disk,
    head: &'a Head,
    /// The first record of the segment behind it.
    follower: Option<u64>,
    /// The last record that the engine is known to have.
    done: u64,
}

impl Segment<'_> {
    /// Gives what is new in it, and the sequence of the record that would come next.
    fn replay(
        &self,
        each: &mut impl FnMut(Layer) -> Result<(), StoreError>,
    ) -> Result<u64, StoreError> {
        let octets = read(self.disk, self.head.number, u64::MAX)?;
        let salt = self.head.salt;
        let (mut at, mut next) = (HEAD, self.head.first);
        let broken = |at| corrupt(format!("{} at octet {at}", place(self.disk, self.head)));
        while Some(next) != self.follower {
            let Some(record) = format::parse(&octets, at, salt) else {
                let is_lost = self.follower.is_some() || next <= self.done;
                if is_lost || format::is_followed(&octets, at, salt, next) {
                    return Err(broken(at));
                }
                if at < octets.len() {
                    let (file, left) = (place(self.disk, self.head), octets.len() - at);
                    tracing::info!(file, at, left, "the last write to the log was cut off");
                }
                break;
            };
            if record.seq != next {
                return Err(broken(at));
            }
            if next > self.done {
                let rows: Result<Layer, _> = format::rows(record.body).collect();
                each(rows.map_err(|_| broken(at))?)?;
            }
            (at, next) = (record.end, next + 1);
        }
        Ok(next)
    }
}

fn read(disk: &dyn Disk, number: u64, octets_max: u64) -> Result<Vec<u8>, StoreError> {
    let name = name_of(number);
    let failed = |error: io::Error| failed("a read of", disk, &name, error);
    disk.read(&name, octets_max).map_err(failed)
}

fn place(disk: &dyn Disk, head: &Head) -> String {
    disk.describe(&name_of(head.number))
}

fn corrupt(context: String) -> StoreError {
    StoreError::new(StoreErrorKind::Corrupt, format!("the log's file {context}"))
}

//! The append-only log: what is in it is durable, whatever the engine has.
//!
//! A group of batches is one record, written by one append and one sync. Records lie in segments; one that is full is
//! followed by the next, and removed when the engine has all of it. A start replays into the engine what it does not
//! have yet, and then begins a new segment: nothing is ever written behind a torn end.

pub(crate) mod format;
mod replay;

use std::{collections::VecDeque, fmt, io, sync::Arc};

use parking_lot::Mutex;
use ttn_core::{
    rand::Entropy,
    store::{StoreError, StoreErrorKind},
};

use crate::{base::Layer, disk::Disk};

pub(crate) use self::{
    format::Head,
    replay::{Found, replay},
};

/// The log, opened for writing.
pub(crate) struct Log {
    disk: Arc<dyn Disk>,
    entropy: Arc<dyn Entropy>,
    options: LogOptions,
    tail: Mutex<Tail>,
}

/// How the log writes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LogOptions {
    /// How long a segment grows before the next one begins.
    pub(crate) segment_bytes: u64,
    /// Whether a record is synced before it counts.
    pub(crate) syncs: bool,
}

struct Tail {
    head: Head,
    name: String,
    octets: u64,
    /// The sequence of the next record.
    next: u64,
    /// Older segments that are still there.
    closed: VecDeque<Head>,
    buffer: Vec<u8>,
    /// Nothing is written any more: it would lie behind something of which nobody knows whether it is there.
    is_broken: bool,
    breaks: bool,
}

impl Log {
    /// Begins a new segment behind what was found, all of which the engine has, and removes the old ones.
    pub(crate) fn begin(
        disk: Arc<dyn Disk>,
        entropy: Arc<dyn Entropy>,
        options: LogOptions,
        found: &Found,
    ) -> Result<Self, StoreError> {
        let number = found.numbers.last().map_or(1, |number| number + 1);
        let head = begin_segment(&*disk, &*entropy, options, number, found.last + 1)?;
        for number in &found.numbers {
            remove(&*disk, *number);
        }
        let tail = Tail {
            head,
            name: name_of(number),
            octets: 0,
            next: head.first,
            closed: VecDeque::new(),
            buffer: Vec::new(),
            is_broken: false,
            breaks: false,
        };
        Ok(Self { disk, entropy, options, tail: Mutex::new(tail) })
    }

    /// Writes a layer as one record and gives its sequence: it survives a crash as a whole, with all before it.
    ///
    /// After an error the record may be there or not, and nothing more is written: a sync that failed says nothing
    /// about what is on the disk, and the next one would not make it good. The next start finds out.
    pub(crate) fn append(&self, layer: &Layer) -> Result<u64, StoreError> {
        let mut tail = self.tail.lock();
        if tail.is_broken {
            return Err(StoreError::new(StoreErrorKind::Io, "a commit to the log that failed"));
        }
        let result = self.write(&mut tail, layer);
        tail.is_broken = result.is_err();
        result
    }

    fn write(&self, tail: &mut Tail, layer: &Layer) -> Result<u64, StoreError> {
        if tail.octets >= self.options.segment_bytes {
            let number = tail.head.number + 1;
            let head = begin_segment(&*self.disk, &*self.entropy, self.options, number, tail.next)?;
            tail.closed.push_back(std::mem::replace(&mut tail.head, head));
            tail.name = name_of(number);
            tail.octets = 0;
        }
        let seq = tail.next;
        format::encode(&mut tail.buffer, tail.head.salt, seq, layer)?;
        let failed = |error| failed("a commit to", &*self.disk, &tail.name, error);
        self.disk.append(&tail.name, &tail.buffer).map_err(failed)?;
        if tail.breaks {
            return Err(failed(io::Error::other("the disk was broken for a test")));
        }
        if self.options.syncs {
            self.disk.sync(&tail.name).map_err(failed)?;
        }
        tail.octets += tail.buffer.len() as u64;
        tail.next += 1;
        tail.buffer.shrink_to(BUFFER_KEPT);
        Ok(seq)
    }

    /// Removes the segments of which the engine has everything: all whose records go up to `seq`.
    pub(crate) fn forget(&self, seq: u64) {
        loop {
            let mut tail = self.tail.lock();
            let follower = tail.closed.get(1).unwrap_or(&tail.head).first;
            let Some(number) = tail.closed.front().map(|head| head.number) else { return };
            if follower > seq + 1 {
                return;
            }
            tail.closed.pop_front();
            drop(tail);
            // The writer does not wait for the file system's work.
            remove(&*self.disk, number);
        }
    }

    /// Lets every commit from now on fail behind its write, as a broken disk does.
    pub(crate) fn break_disk(&self) {
        self.tail.lock().breaks = true;
    }
}

fn begin_segment(
    disk: &dyn Disk,
    entropy: &dyn Entropy,
    options: LogOptions,
    number: u64,
    first: u64,
) -> Result<Head, StoreError> {
    let mut salt = [0; 4];
    entropy.fill(&mut salt);
    let head = Head { number, first, salt: u32::from_be_bytes(salt) };
    let name = name_of(number);
    let failed = |error| failed("the begin of", disk, &name, error);
    disk.append(&name, &head.encode()).map_err(failed)?;
    // Before the first record: a file with records and without a head is broken, not unfinished.
    if options.syncs {
        disk.sync(&name).map_err(failed)?;
    }
    Ok(head)
}

/// Removes a segment that nobody needs. If that fails the next start does it.
fn remove(disk: &dyn Disk, number: u64) {
    let name = name_of(number);
    if let Err(error) = disk.remove(&name) {
        tracing::warn!(file = disk.describe(&name), %error, "an old segment of the log stays");
    }
}

fn name_of(number: u64) -> String {
    format!("{number:016x}.{EXTENSION}")
}

fn number_of(name: &str) -> Option<u64> {
    let number = u64::from_str_radix(name.strip_suffix(EXTENSION)?.strip_suffix('.')?, 16).ok()?;
    // One spelling per number.
    (name_of(number) == name).then_some(number)
}

fn failed(what: &str, disk: &dyn Disk, name: &str, error: io::Error) -> StoreError {
    let context = format!("{what} the log {}", disk.describe(name));
    StoreError::new(StoreErrorKind::Io, context).caused_by(error)
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").field("options", &self.options).finish_non_exhaustive()
    }
}

const EXTENSION: &str = "log";
/// How much of the buffer is kept after a large record.
const BUFFER_KEPT: usize = 1 << 20;

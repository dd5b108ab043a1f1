//! What all storage ports share: revisions, pages, positions in lanes and the proof of durability.

pub mod dump;

use std::{
    error, fmt,
    future::poll_fn,
    sync::atomic::{AtomicU64, Ordering},
    task::{Context, Poll},
};

use crate::eui::DevEui;

/// The revision of a record; it rises with every write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
#[expect(clippy::exhaustive_structs, reason = "built by stores")]
pub struct Revision(pub u64);

/// Which revision a write replaces. A write against another one fails with a conflict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum Replaces {
    /// Whatever is there, or nothing.
    Any,
    /// Nothing: the record must not exist.
    Nothing,
    /// This revision.
    Revision(Revision),
}

impl Replaces {
    /// Whether a write may replace `current`.
    #[must_use]
    pub fn allows(self, current: Option<Revision>) -> bool {
        match self {
            Self::Any => true,
            Self::Nothing => current.is_none(),
            Self::Revision(revision) => current == Some(revision),
        }
    }
}

/// A record with its revision.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "built by stores")]
pub struct Versioned<T> {
    /// The revision.
    pub revision: Revision,
    /// The record.
    pub value: T,
}

/// One page of a list and the number of all items.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "built by stores")]
pub struct Page<T> {
    /// The items of this page.
    pub items: Vec<T>,
    /// How many items there are on all pages.
    pub total: u64,
}

/// A lane: an order of writes. All of a shard's writes go through one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
#[expect(clippy::exhaustive_structs, reason = "built by other crates")]
pub struct LaneId(pub u16);

/// A place in a lane. Sequence 0 is the start: always durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
#[expect(clippy::exhaustive_structs, reason = "built by stores")]
pub struct Position {
    /// The lane.
    pub lane: LaneId,
    /// The place in it, from 1.
    pub seq: u64,
}

/// Proof that everything up to a position survives a crash.
///
/// It is an argument of what must not happen before: sending a downlink, acknowledging, publishing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Durable(Position);

impl Durable {
    /// Attests durability. Called by stores and by nobody else (`cargo xtask tidy` checks it).
    #[must_use]
    pub const fn attested_by_store(position: Position) -> Self {
        Self(position)
    }

    /// Up to where everything is durable.
    #[must_use]
    pub const fn position(&self) -> Position {
        self.0
    }

    /// Whether the proof covers a position.
    #[must_use]
    pub fn covers(&self, position: Position) -> bool {
        position.seq == 0 || (self.0.lane == position.lane && self.0.seq >= position.seq)
    }
}

/// Tells how far a lane is durable.
pub trait Watermark: fmt::Debug + Send + Sync + 'static {
    /// Ready with a proof as soon as everything up to `seq` of the lane is durable (`seq` 0: at once).
    ///
    /// # Errors
    ///
    /// The store can no longer write; nothing behind the last proof may be acknowledged.
    fn poll_durable(
        &self,
        lane: LaneId,
        seq: u64,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Durable, StoreError>>;

    /// How often it has made durable what was taken, since its start: one sync of the disk each. 0 if there is no disk.
    fn syncs(&self) -> u64 {
        0
    }
}

/// Waits until a position is durable. Safe to drop halfway.
///
/// # Errors
///
/// The store can no longer write.
pub async fn durable<W: Watermark + ?Sized>(
    watermark: &W,
    position: Position,
) -> Result<Durable, StoreError> {
    poll_fn(|cx| watermark.poll_durable(position.lane, position.seq, cx)).await
}

/// How many partitions the devices of a network are spread over.
pub const PARTITIONS: u16 = 1024;

/// A partition of the devices; each has one owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PartitionId(u16);

impl PartitionId {
    /// Makes it of a number; `None` from [`PARTITIONS`] up.
    #[must_use]
    pub const fn new(number: u16) -> Option<Self> {
        if number < PARTITIONS { Some(Self(number)) } else { None }
    }

    /// The partition of a device: by its DevEUI, else by its unique id.
    #[must_use]
    pub fn of_device(dev_eui: Option<DevEui>, uid: &str) -> Self {
        let hash = match dev_eui {
            Some(eui) => fnv1a(&eui.to_be_bytes()),
            None => fnv1a(uid.as_bytes()),
        };
        Self(((hash ^ (hash >> 32)) % u64::from(PARTITIONS)) as u16)
    }

    /// The partition as a number.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// Every partition.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..PARTITIONS).map(Self)
    }
}

/// FNV-1a of 64 bits: stored data depends on it, so it never changes.
fn fnv1a(octets: &[u8]) -> u64 {
    octets.iter().fold(0xCBF2_9CE4_8422_2325, |hash, octet| {
        (hash ^ u64::from(*octet)).wrapping_mul(0x0000_0100_0000_01B3)
    })
}

/// How often a partition changed hands. Writes of an older epoch are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(clippy::exhaustive_structs, reason = "built by stores")]
pub struct Epoch(pub u64);

impl Epoch {
    /// Whatever the epoch is: for writes that do not stem from the owner's state and are not to be fenced, such as an
    /// application's call that the Application Server records. Ports that only owners write to refuse it.
    pub const LATEST: Self = Self(u64::MAX);
}

/// Who owns partitions: one per process and start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "built by other crates")]
pub struct OwnerId(pub u64);

/// What every hot write carries: whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "built by other crates")]
pub struct Owned {
    /// The partition.
    pub partition: PartitionId,
    /// The owner's epoch.
    pub epoch: Epoch,
}

/// A batch that was not taken, with the reason. The batch is given back whole.
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "built by stores and peers")]
pub struct Refused<B> {
    /// The batch.
    pub batch: B,
    /// Why.
    pub reason: Refusal,
}

/// Why a batch was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// A write names another revision than the stored one.
    Conflict,
    /// Another owner has a higher epoch.
    Fenced,
    /// The queue is full: try again when the watermark has moved.
    Full,
    /// Nobody is there.
    Unavailable,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Conflict => "a write names another revision than the stored one",
            Self::Fenced => "another owner has taken the partition over",
            Self::Full => "the queue is full",
            Self::Unavailable => "the receiver is not available",
        })
    }
}

/// What went wrong in a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// It exists already.
    AlreadyExists,
    /// A write named another revision than the stored one.
    Conflict,
    /// Stored octets do not decode.
    Corrupt,
    /// Another owner has a higher epoch.
    Fenced,
    /// The engine failed.
    Io,
    /// Another process holds the store.
    Locked,
    /// It does not exist.
    NotFound,
    /// The store was written by a newer version.
    Schema,
}

/// An error of a store.
#[derive(Debug)]
#[non_exhaustive]
pub struct StoreError {
    /// What went wrong.
    pub kind: StoreErrorKind,
    /// What was attempted, with which value.
    pub context: String,
    /// The engine's error.
    pub source: Option<Box<dyn error::Error + Send + Sync>>,
}

impl StoreError {
    /// Makes an error.
    #[must_use]
    pub fn new(kind: StoreErrorKind, context: impl Into<String>) -> Self {
        Self { kind, context: context.into(), source: None }
    }

    /// Adds the engine's error.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            StoreErrorKind::AlreadyExists => "exists already",
            StoreErrorKind::Conflict => "was changed by somebody else; read it again",
            StoreErrorKind::Corrupt => "does not decode",
            StoreErrorKind::Fenced => "belongs to another owner now",
            StoreErrorKind::Io => "could not be read or written",
            StoreErrorKind::Locked => "is held by another process",
            StoreErrorKind::NotFound => "does not exist",
            StoreErrorKind::Schema => "was written by a newer version",
        };
        write!(f, "{} {what}", self.context)?;
        self.source.as_ref().map_or(Ok(()), |source| write!(f, ": {source}"))
    }
}

impl error::Error for StoreError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// A watermark for stores that are durable as soon as a write returns (memory stores).
#[derive(Debug, Default)]
pub struct ImmediateWatermark(AtomicU64);

impl ImmediateWatermark {
    /// Counts a write and gives its position, durable already.
    pub fn advance(&self, lane: LaneId) -> Position {
        Position { lane, seq: self.0.fetch_add(1, Ordering::SeqCst) + 1 }
    }
}

impl Watermark for ImmediateWatermark {
    fn poll_durable(
        &self,
        lane: LaneId,
        _seq: u64,
        _cx: &mut Context<'_>,
    ) -> Poll<Result<Durable, StoreError>> {
        let seq = self.0.load(Ordering::SeqCst);
        Poll::Ready(Ok(Durable::attested_by_store(Position { lane, seq })))
    }
}

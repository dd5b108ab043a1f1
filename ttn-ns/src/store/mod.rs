//! The storage port of the Network Server: registrations, session records and downlink queues.
//!
//! Everything that a shard writes goes through one lane, in order, and is durable before anybody hears of it.

pub(crate) mod first_copy;
pub mod memory;
mod record;
mod wire;

#[cfg(feature = "testing")]
pub mod conformance;

pub use memory::MemoryNetworkStore;
pub(crate) use record::Own;
pub use record::{DeviceRecord, HotRecord, QueueItem, RecordError, Sealer};

use async_trait::async_trait;
use futures::stream::BoxStream;
use ttn_core::{
    id::{ApplicationId, DeviceKey},
    store::{
        Epoch, LaneId, Owned, OwnerId, Page, PartitionId, Position, Refused, Replaces, StoreError,
        Versioned, Watermark,
    },
};

/// The number of a device within its partition. Numbers are not used again while any row of theirs exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(clippy::exhaustive_structs, reason = "built by stores")]
pub struct DeviceNo(pub u64);

/// Writes that become durable together or not at all.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "read by stores")]
pub struct NetworkBatch {
    /// The order that they belong to.
    pub lane: LaneId,
    /// The writes in order, each with its partition and the owner's epoch.
    pub writes: Vec<(Owned, NetworkWrite)>,
}

/// One write.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum NetworkWrite {
    /// Removes the device with its session record and its queue.
    Delete {
        /// Which device.
        device: DeviceNo,
        /// The revision that is removed.
        replaces: Replaces,
    },
    /// Writes the registration; rare. The new revision is one above the replaced one, 1 for a new record.
    Device {
        /// Which device.
        device: DeviceNo,
        /// The revision that is replaced.
        replaces: Replaces,
        /// The registration.
        record: Box<DeviceRecord>,
    },
    /// Writes the session record: with every frame.
    Hot {
        /// Which device.
        device: DeviceNo,
        /// The session record.
        hot: HotRecord,
    },
    /// Writes or removes an item of the downlink queue.
    QueueItem {
        /// Which device.
        device: DeviceNo,
        /// The place in the queue: a number that is never used again for this device.
        seq: u64,
        /// The item; `None` removes it.
        item: Option<QueueItem>,
    },
}

/// Everything that is stored of a device.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "built by stores")]
pub struct HotRow {
    /// Its number.
    pub device: DeviceNo,
    /// Its registration.
    pub record: Versioned<DeviceRecord>,
    /// Its session record, if it ever had one.
    pub hot: Option<HotRecord>,
    /// Its queue, in the order of the numbers.
    pub queue: Vec<(u64, QueueItem)>,
}

/// Which devices to list: in the order of their unique ids.
#[derive(Clone, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "built by other crates")]
pub struct DeviceQuery {
    /// Only devices of this application.
    pub application_id: Option<ApplicationId>,
    /// The page, from 1; 0 means 1.
    pub page: u32,
    /// How many per page; 0 and everything above [`LIST_LIMIT_MAX`] mean that.
    pub limit: u32,
}

/// The most devices of one page.
pub const LIST_LIMIT_MAX: u32 = 1000;

impl DeviceQuery {
    /// How many items to leave out and how many to give.
    #[must_use]
    pub const fn window(&self) -> (usize, usize) {
        let limit = if self.limit == 0 || self.limit > LIST_LIMIT_MAX {
            LIST_LIMIT_MAX
        } else {
            self.limit
        };
        ((self.page.saturating_sub(1) as usize).saturating_mul(limit as usize), limit as usize)
    }
}

/// Registrations, session records and queues, by partition and device number.
///
/// # Contract
///
/// * `submit` is atomic and ordered within its lane, and returns before durability. A batch that is not taken comes
///   back whole and changed nothing: [`Full`](ttn_core::store::Refusal::Full) when too much is not durable yet,
///   [`Fenced`](ttn_core::store::Refusal::Fenced) when an epoch is not the partition's,
///   [`Conflict`](ttn_core::store::Refusal::Conflict) when a revision is not the stored one, or when a new device has
///   the unique id of another one.
/// * If a batch survives a crash, so does every earlier one of its lane.
/// * `acquire` gives an epoch above every earlier one of the partition; from then on older epochs are fenced.
/// * `load` gives every device of the partition once, as of all batches that were taken, and fails with
///   [`Fenced`](ttn_core::store::StoreErrorKind::Fenced) for another epoch than the partition's.
/// * `Hot` and `QueueItem` of a device that does not exist change nothing; `Delete` of one with
///   [`Replaces::Any`] changes nothing.
/// * `device` and `list` see all batches that were taken.
///
/// `conformance` (feature `testing`) checks all of this; a backend is a backend when it passes.
#[async_trait]
pub trait NetworkStore: Watermark {
    /// Takes a batch. Returns before it is durable.
    ///
    /// # Errors
    ///
    /// See the contract.
    fn submit(&self, batch: NetworkBatch) -> Result<Position, Refused<NetworkBatch>>;

    /// Takes a partition over. The epoch is durable when it returns.
    ///
    /// # Errors
    ///
    /// The engine failed.
    async fn acquire(&self, partition: PartitionId, owner: OwnerId) -> Result<Epoch, StoreError>;

    /// Reads a partition, several rows at a time, in the order of the device numbers.
    fn load(
        &self,
        partition: PartitionId,
        epoch: Epoch,
    ) -> BoxStream<'_, Result<Vec<HotRow>, StoreError>>;

    /// Reads one device.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ttn_core::store::StoreErrorKind::NotFound) if it does not exist.
    async fn device(&self, key: &DeviceKey) -> Result<HotRow, StoreError>;

    /// Lists devices.
    ///
    /// # Errors
    ///
    /// The engine failed.
    async fn list(&self, query: &DeviceQuery) -> Result<Page<HotRow>, StoreError>;
}

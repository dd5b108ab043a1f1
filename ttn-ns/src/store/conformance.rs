//! What every [`NetworkStore`] promises, as tests.
//!
//! A backend calls [`crate::network_store_conformance`] with an expression that makes a [`Backend`].
#![expect(clippy::expect_used, reason = "a suite of tests")]

use std::sync::Arc;

use async_trait::async_trait;
use futures::TryStreamExt as _;
use ttn_core::{
    eui::DevEui,
    id::{DeviceIds, DeviceKey},
    key::SessionKeyId,
    msg::{Downlink, TxPriority},
    store::{
        Epoch, LaneId, Owned, OwnerId, PartitionId, Position, Refusal, Refused, Replaces, Revision,
        StoreErrorKind, durable,
    },
    version::{MacVersion, PhyVersion},
};
use ttn_mac::state::Hot;

use super::{
    DeviceNo, DeviceQuery, DeviceRecord, HotRecord, HotRow, NetworkBatch, NetworkStore,
    NetworkWrite, QueueItem, Sealer,
};
use crate::device::Device;

/// A kind of store under test: it can be killed and opened again.
#[async_trait]
pub trait Backend: Send + Sync {
    /// Opens the store; what earlier ones of this backend made durable is there.
    async fn open(&self) -> Arc<dyn NetworkStore>;

    /// Stops a store without any good-bye, as a crash does.
    async fn kill(&self, store: Arc<dyn NetworkStore>);
}

/// Makes one test per promise of [`NetworkStore`]. The argument makes a fresh [`Backend`] for each test.
#[macro_export]
macro_rules! network_store_conformance {
    ($backend:expr) => {
        $crate::network_store_conformance! { @list [$crate::network_store_conformance] [@tests $backend;] }
    };
    // Hands the names of all tests to another macro, behind its arguments.
    (@list [$($then:tt)*] [$($arguments:tt)*]) => {
        $($then)*! { $($arguments)*
            a_batch_is_seen_by_device_list_and_load
            a_write_against_another_revision_conflicts_and_changes_nothing
            two_devices_cannot_have_one_unique_id
            a_stale_epoch_is_fenced
            the_epoch_that_is_never_stale_is_not_for_owners
            batches_become_durable_in_order
            a_deleted_device_leaves_nothing
            hot_and_queue_of_an_unknown_device_change_nothing
            a_full_store_gives_the_batch_back
            lists_are_paged_by_application
            what_survives_a_kill_is_a_prefix
        }
    };
    (@tests $backend:expr; $($name:ident)*) => {
        $(
            #[tokio::test]
            async fn $name() {
                $crate::store::conformance::$name(&$backend).await;
            }
        )*
    };
}

/// A partition that a test owns.
struct Owner {
    store: Arc<dyn NetworkStore>,
    partition: PartitionId,
    epoch: Epoch,
}

impl Owner {
    async fn new(store: Arc<dyn NetworkStore>, partition: u16) -> Self {
        let partition = PartitionId::new(partition).expect("a partition");
        let epoch = store.acquire(partition, OwnerId(1)).await.expect("the partition is free");
        Self { store, partition, epoch }
    }

    fn batch(&self, writes: Vec<NetworkWrite>) -> NetworkBatch {
        let owned = Owned { partition: self.partition, epoch: self.epoch };
        NetworkBatch { lane: LANE, writes: writes.into_iter().map(|w| (owned, w)).collect() }
    }

    fn try_submit(&self, writes: Vec<NetworkWrite>) -> Result<Position, Refused<NetworkBatch>> {
        self.store.submit(self.batch(writes))
    }

    /// Submits and waits until it is durable.
    async fn submit(&self, writes: Vec<NetworkWrite>) -> Position {
        let position = self.try_submit(writes).expect("the batch is taken");
        let proof = durable(self.store.as_ref(), position).await.expect("it becomes durable");
        assert!(proof.covers(position), "the proof covers what was waited for");
        position
    }

    async fn rows(&self) -> Vec<HotRow> {
        let pages: Vec<_> = self
            .store
            .load(self.partition, self.epoch)
            .try_collect()
            .await
            .expect("the partition can be read");
        pages.concat()
    }
}

const LANE: LaneId = LaneId(0);

/// A registration for tests.
fn record(id: &str) -> Box<DeviceRecord> {
    let key: DeviceKey = id.parse().expect("a device id");
    let ids = DeviceIds { dev_eui: Some(DevEui::from_u64(1)), ..DeviceIds::new(key) };
    let plan = "EU_863_870".parse().expect("a plan id");
    let device = Device::new(ids, plan, MacVersion::V1_0_3, PhyVersion::RP001_V1_0_3_REV_A);
    Box::new(DeviceRecord::seal(&device, &Sealer::clear()).expect("nothing is wrapped"))
}

fn create(no: u64, id: &str) -> NetworkWrite {
    NetworkWrite::Device { device: DeviceNo(no), replaces: Replaces::Nothing, record: record(id) }
}

fn hot(no: u64, f_cnt_up: u32) -> NetworkWrite {
    let hot = Hot { f_cnt_up: Some(f_cnt_up), ..Hot::default() };
    NetworkWrite::Hot { device: DeviceNo(no), hot: HotRecord { hot, first_copy: None } }
}

fn item(no: u64, seq: u64) -> NetworkWrite {
    let id = SessionKeyId::new(&[1, 2, 3]).expect("a short id");
    let mut downlink = Downlink::new(id, 1, u32::try_from(seq).unwrap_or(0), [1_u8, 2].as_slice());
    downlink.confirmed = true;
    downlink.priority = TxPriority::High;
    downlink.correlation_ids.push(Arc::from("as:downlink:1"));
    NetworkWrite::QueueItem { device: DeviceNo(no), seq, item: Some(QueueItem { downlink }) }
}

fn queue_seqs(row: &HotRow) -> Vec<u64> {
    row.queue.iter().map(|(seq, _)| *seq).collect()
}

/// What was submitted is read back.
pub async fn a_batch_is_seen_by_device_list_and_load(backend: &dyn Backend) {
    let owner = Owner::new(backend.open().await, 7).await;
    owner.submit(vec![create(1, "app.one"), hot(1, 5), item(1, 2), item(1, 1)]).await;
    let row = owner.store.device(&"app.one".parse().expect("an id")).await.expect("it exists");
    assert_eq!(row.device, DeviceNo(1));
    assert_eq!(row.record.revision, Revision(1));
    assert_eq!(row.record.value, *record("app.one"));
    assert_eq!(row.hot.as_ref().and_then(|hot| hot.hot.f_cnt_up), Some(5));
    assert_eq!(queue_seqs(&row), [1, 2], "the queue is ordered by its numbers");
    assert_eq!(owner.rows().await, std::slice::from_ref(&row));
    let page = owner.store.list(&DeviceQuery::default()).await.expect("it can be listed");
    assert_eq!((page.items, page.total), (vec![row], 1));
}

/// Revisions are checked, and a refused batch changes nothing at all.
pub async fn a_write_against_another_revision_conflicts_and_changes_nothing(backend: &dyn Backend) {
    let owner = Owner::new(backend.open().await, 7).await;
    owner.submit(vec![create(1, "app.one"), hot(1, 5)]).await;
    let before = owner.rows().await;
    for replaces in [Replaces::Nothing, Replaces::Revision(Revision(2))] {
        let write =
            NetworkWrite::Device { device: DeviceNo(1), replaces, record: record("app.one") };
        let refused = owner.try_submit(vec![hot(1, 6), write]).expect_err("it conflicts");
        assert_eq!(refused.reason, Refusal::Conflict);
        assert_eq!(refused.batch.writes.len(), 2, "the batch comes back whole");
        let delete = NetworkWrite::Delete { device: DeviceNo(1), replaces };
        let refused = owner.try_submit(vec![delete]).expect_err("it conflicts");
        assert_eq!(refused.reason, Refusal::Conflict);
    }
    assert_eq!(owner.rows().await, before);
    let replaces = Replaces::Revision(Revision(1));
    let write = NetworkWrite::Device { device: DeviceNo(1), replaces, record: record("app.one") };
    owner.submit(vec![write]).await;
    let rows = owner.rows().await;
    assert_eq!(rows[0].record.revision, Revision(2));
    assert!(rows[0].hot.is_some(), "a new registration leaves the session record alone");
}

/// A unique id belongs to one device number of one partition.
pub async fn two_devices_cannot_have_one_unique_id(backend: &dyn Backend) {
    let store = backend.open().await;
    let (one, other) = (Owner::new(store.clone(), 7).await, Owner::new(store, 8).await);
    one.submit(vec![create(1, "app.one")]).await;
    for owner in [&one, &other] {
        let refused = owner.try_submit(vec![create(2, "app.one")]).expect_err("the id is taken");
        assert_eq!(refused.reason, Refusal::Conflict);
    }
}

/// A new owner ends the writes of the old one.
pub async fn a_stale_epoch_is_fenced(backend: &dyn Backend) {
    let store = backend.open().await;
    let old = Owner::new(store.clone(), 7).await;
    old.submit(vec![create(1, "app.one"), hot(1, 1)]).await;
    let other = Owner::new(store.clone(), 8).await;
    let new = Owner::new(store, 7).await;
    assert!(new.epoch > old.epoch);
    let refused = old.try_submit(vec![hot(1, 2)]).expect_err("the epoch is stale");
    assert_eq!(refused.reason, Refusal::Fenced);
    let loaded: Result<Vec<_>, _> = old.store.load(old.partition, old.epoch).try_collect().await;
    assert_eq!(loaded.expect_err("the epoch is stale").kind, StoreErrorKind::Fenced);
    // One stale write refuses the whole batch.
    let mut batch = other.batch(vec![create(1, "app.other")]);
    batch.writes.extend(old.batch(vec![hot(1, 3)]).writes);
    assert_eq!(new.store.submit(batch).expect_err("stale").reason, Refusal::Fenced);
    assert!(other.rows().await.is_empty());
    new.submit(vec![hot(1, 4)]).await;
    let f_cnt_up = new.rows().await[0].hot.as_ref().and_then(|hot| hot.hot.f_cnt_up);
    assert_eq!(f_cnt_up, Some(4));
}

/// [`Epoch::LATEST`] is for who writes without owning: sessions and queues refuse it, whoever owns them.
pub async fn the_epoch_that_is_never_stale_is_not_for_owners(backend: &dyn Backend) {
    let owner = Owner::new(backend.open().await, 7).await;
    owner.submit(vec![create(1, "app.one"), hot(1, 1)]).await;
    for partition in [owner.partition, PartitionId::all().last().expect("there are partitions")] {
        let owned = Owned { partition, epoch: Epoch::LATEST };
        let batch = NetworkBatch { lane: LaneId(0), writes: vec![(owned, hot(1, 2))] };
        let refused = owner.store.submit(batch).expect_err("nobody has this epoch");
        assert_eq!(refused.reason, Refusal::Fenced);
        let loaded: Result<Vec<_>, _> =
            owner.store.load(partition, Epoch::LATEST).try_collect().await;
        assert_eq!(loaded.expect_err("nobody has this epoch").kind, StoreErrorKind::Fenced);
    }
    let f_cnt_up = owner.rows().await[0].hot.as_ref().and_then(|hot| hot.hot.f_cnt_up);
    assert_eq!(f_cnt_up, Some(1));
}

/// Positions rise, and a later proof covers earlier positions.
pub async fn batches_become_durable_in_order(backend: &dyn Backend) {
    let owner = Owner::new(backend.open().await, 7).await;
    let first = owner.try_submit(vec![create(1, "app.one")]).expect("taken");
    let mut last = first;
    for f_cnt_up in 0..100 {
        let position = owner.try_submit(vec![hot(1, f_cnt_up)]).expect("taken");
        assert!(position > last, "{position:?} after {last:?}");
        last = position;
    }
    let proof = durable(owner.store.as_ref(), last).await.expect("durable");
    assert!(proof.covers(first) && proof.covers(last));
    let f_cnt_up = owner.rows().await[0].hot.as_ref().and_then(|hot| hot.hot.f_cnt_up);
    assert_eq!(f_cnt_up, Some(99));
}

/// A device that was deleted and made again is new.
pub async fn a_deleted_device_leaves_nothing(backend: &dyn Backend) {
    let owner = Owner::new(backend.open().await, 7).await;
    owner.submit(vec![create(1, "app.one"), hot(1, 5), item(1, 1)]).await;
    let replaces = Replaces::Revision(Revision(1));
    let delete = NetworkWrite::Delete { device: DeviceNo(1), replaces };
    owner.submit(vec![delete, create(1, "app.one")]).await;
    let rows = owner.rows().await;
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].record.revision, Revision(1));
    assert_eq!(rows[0].hot, None);
    assert!(rows[0].queue.is_empty());
    let delete = NetworkWrite::Delete { device: DeviceNo(1), replaces: Replaces::Any };
    owner.submit(vec![delete.clone(), delete]).await;
    assert!(owner.rows().await.is_empty());
    let missing = owner.store.device(&"app.one".parse().expect("an id")).await;
    assert_eq!(missing.expect_err("it is gone").kind, StoreErrorKind::NotFound);
}

/// Late writes of a deleted device do no harm.
pub async fn hot_and_queue_of_an_unknown_device_change_nothing(backend: &dyn Backend) {
    let owner = Owner::new(backend.open().await, 7).await;
    owner.submit(vec![hot(1, 5), item(1, 1)]).await;
    assert!(owner.rows().await.is_empty());
    owner.submit(vec![create(1, "app.one")]).await;
    let rows = owner.rows().await;
    assert!(rows[0].hot.is_none() && rows[0].queue.is_empty());
}

/// A store that cannot keep up says so, and goes on when it has caught up.
pub async fn a_full_store_gives_the_batch_back(backend: &dyn Backend) {
    let owner = Owner::new(backend.open().await, 7).await;
    let mut last = owner.submit(vec![create(1, "app.one")]).await;
    for f_cnt_up in 0..FLOOD {
        match owner.try_submit(vec![hot(1, f_cnt_up)]) {
            Ok(position) => last = position,
            Err(refused) => {
                assert_eq!(refused.reason, Refusal::Full);
                assert_eq!(refused.batch.writes.len(), 1);
                durable(owner.store.as_ref(), last).await.expect("durable");
                owner.store.submit(refused.batch).expect("there is room again");
            }
        }
    }
    let f_cnt_up = owner.rows().await[0].hot.as_ref().and_then(|hot| hot.hot.f_cnt_up);
    assert_eq!(f_cnt_up, Some(FLOOD - 1));
}

/// More batches than a store needs to keep in memory.
const FLOOD: u32 = 20_000;

/// Lists know applications and pages.
pub async fn lists_are_paged_by_application(backend: &dyn Backend) {
    let owner = Owner::new(backend.open().await, 7).await;
    let ids = ["app.aaa", "app.bbb", "app.ccc", "bpp.aaa"];
    let writes = ids.iter().zip(1..).map(|(id, no)| create(no, id)).collect();
    owner.submit(writes).await;
    let application_id = Some("app".parse().expect("an id"));
    let query = DeviceQuery { application_id, page: 2, limit: 2 };
    let page = owner.store.list(&query).await.expect("it can be listed");
    assert_eq!(page.total, 3);
    let keys: Vec<_> = page.items.iter().map(|row| row.record.value.key().to_string()).collect();
    assert_eq!(keys, ["app.ccc"]);
}

/// If a batch survives, so does every earlier one; and what was durable survives.
pub async fn what_survives_a_kill_is_a_prefix(backend: &dyn Backend) {
    let owner = Owner::new(backend.open().await, 7).await;
    owner.submit(vec![create(1, "app.one")]).await;
    owner.submit((0..10).map(|seq| item(1, seq)).collect()).await;
    for seq in 10..50 {
        owner.try_submit(vec![hot(1, u32::try_from(seq).unwrap_or(0)), item(1, seq)]).ok();
    }
    let Owner { store, epoch, .. } = owner;
    backend.kill(store).await;
    let again = Owner::new(backend.open().await, 7).await;
    assert!(again.epoch > epoch, "epochs survive");
    let rows = again.rows().await;
    let seqs = queue_seqs(&rows[0]);
    let expected: Vec<_> = (0..seqs.len() as u64).collect();
    assert!(seqs.len() >= 10, "what was durable survives");
    assert_eq!(seqs, expected, "no batch survives without the earlier ones");
    let f_cnt_up = rows[0].hot.as_ref().and_then(|hot| hot.hot.f_cnt_up).map(u64::from);
    let last = seqs.last().copied().filter(|last| *last >= 10);
    assert_eq!(f_cnt_up, last, "a batch survives as a whole");
}

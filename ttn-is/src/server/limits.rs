//! How much there may be (IS-61).

use std::collections::BTreeMap;

use parking_lot::RwLock;
use tokio::sync::{Mutex, MutexGuard};

use super::{IdentityServer, kind::Entity};
use crate::{
    config::Limits,
    error::Error,
    record::DeviceCount,
    store::{IdentityStoreExt as _, Table},
};

/// How much room there still is. It is counted when none is left or the limit is another one; between two counts only
/// creations take of it, so that they cost no count.
#[derive(Debug)]
pub(crate) struct Room {
    limits: RwLock<Limits>,
    left: Mutex<BTreeMap<Table, Left>>,
}

#[derive(Debug)]
pub(crate) struct Left {
    limit: u32,
    left: u32,
}

/// Held until what there was room for is written: counts see it then.
pub(crate) type Place<'a> = Option<MutexGuard<'a, BTreeMap<Table, Left>>>;

impl Room {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits: RwLock::new(limits), left: Mutex::default() }
    }
}

impl IdentityServer {
    /// Sets how much there may be from now on. What is there beyond it stays.
    pub fn set_limits(&self, limits: Limits) {
        *self.room.limits.write() = limits;
    }

    /// Takes a place for an entity that is created or restored.
    pub(crate) async fn room_for<E: Entity>(&self) -> Result<Place<'_>, Error> {
        let limit = (E::KIND.limit)(&self.room.limits.read());
        let count = async {
            let all = self.store.records::<E>("").await?;
            Ok(all.iter().filter(|entity| entity.deleted_at().is_none()).count() as u64)
        };
        self.place(E::TABLE, limit, count).await
    }

    /// Takes a place for an end device. The counters of applications are added up, no device is read.
    pub(crate) async fn room_for_device(&self) -> Result<Place<'_>, Error> {
        let limit = self.room.limits.read().max_end_devices;
        let count = async {
            let counts = self.store.records::<DeviceCount>("").await?;
            Ok(counts.iter().map(|of| of.count).sum())
        };
        self.place(Table::Device, limit, count).await
    }

    async fn place(
        &self,
        table: Table,
        limit: Option<u32>,
        count: impl Future<Output = Result<u64, Error>> + Send,
    ) -> Result<Place<'_>, Error> {
        let Some(limit) = limit else { return Ok(None) };
        let mut rooms = self.room.left.lock().await;
        let known = rooms.get(&table).filter(|known| known.limit == limit && known.left > 0);
        let left = match known {
            Some(known) => known.left,
            None => limit.saturating_sub(u32::try_from(count.await?).unwrap_or(u32::MAX)),
        };
        let Some(left) = left.checked_sub(1) else {
            let entity = if table == Table::Device { "end_device" } else { table.name() };
            return Err(Error::LimitReached { entity, limit: limit.into() });
        };
        rooms.insert(table, Left { limit, left });
        Ok(Some(rooms))
    }
}

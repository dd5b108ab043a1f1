//! DevEUIs that applications draw (IS-17).

use ttn_core::{
    auth::{Principal, Right},
    eui::DevEui,
    id::{ApplicationId, EntityId},
    store::Replaces,
};

use super::{IdentityServer, TRIES, lifecycle::contention};
use crate::{
    access::{is_full_admin, require_known},
    config::EuiBlock,
    error::{AdminOnly, Error},
    event,
    record::{Application, EuiCount},
    store::{IdentityStoreExt as _, Transaction, WriteError},
};

impl IdentityServer {
    /// Draws a DevEUI for an application. It is never given out again, whatever becomes of the application.
    ///
    /// # Errors
    ///
    /// The caller lacks the right; nobody draws here; the application drew all that it may; every block is used up.
    pub async fn issue_dev_eui(
        &self,
        caller: &Principal,
        application: &ApplicationId,
    ) -> Result<DevEui, Error> {
        let entity = EntityId::Application(application.clone());
        self.authorize(caller, &entity, &[Right::ApplicationDevicesWrite]).await?;
        let config = self.config.dev_euis.as_ref().ok_or(Error::DevEuisDisabled)?;
        let mut blocks = config.blocks.clone();
        blocks.extend(self.standing_blocks().await?);
        if blocks.is_empty() {
            return Err(Error::DevEuisDisabled);
        }
        let _turn = self.drawing.lock().await;
        for _ in 0..TRIES {
            let mut owner = self.live::<Application>(&entity).await?;
            if owner.value.dev_eui_counter >= config.application_limit {
                return Err(Error::DevEuiLimit { limit: config.application_limit });
            }
            let (eui, count, replaces) = self.next_eui(&blocks).await?;
            owner.value.dev_eui_counter += 1;
            let write = Transaction::new()
                .put(&owner.value, Replaces::Revision(owner.revision))
                .put(&count, replaces);
            match write.commit(&*self.store).await {
                Ok(_) => {
                    let event = &event::APPLICATION_ISSUE_DEV_EUI;
                    self.publish(caller, event, &entity, serde_json::Value::Null);
                    return Ok(eui);
                }
                Err(WriteError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(contention(&entity))
    }

    /// The next EUI of the first block that has one.
    async fn next_eui(&self, blocks: &[EuiBlock]) -> Result<(DevEui, EuiCount, Replaces), Error> {
        for block in blocks {
            let (mut count, replaces) = self.eui_count(block).await?;
            if let Some(eui) = block.get(count.given) {
                count.given += 1;
                return Ok((eui, count, replaces));
            }
        }
        Err(Error::DevEuisUsedUp)
    }

    /// Creates a block of which `given` EUIs are given out already: it is drawn from after those of the configuration. If
    /// it is known, only its count may rise. Gives how many are left.
    ///
    /// # Errors
    ///
    /// The caller is no administrator; more were given out than that, or the block has; the store failed.
    pub async fn create_eui_block(
        &self,
        caller: &Principal,
        block: EuiBlock,
        given: u64,
    ) -> Result<u64, Error> {
        require_known(caller)?;
        if !is_full_admin(caller) {
            return Err(Error::AdminOnly { what: AdminOnly::CreateEuiBlocks });
        }
        let (mut count, replaces) = self.eui_count(&block).await?;
        let size = block
            .size()
            .ok_or(Error::InvalidField { field: "block", reason: "its length is 0 to 64 bits" })?;
        if given < count.given || u128::from(given) > size {
            let reason = "more are given out already, or it has not as many";
            return Err(Error::InvalidField { field: "given", reason });
        }
        count.given = given;
        count.standing = true;
        Transaction::new().put(&count, replaces).commit(&*self.store).await?;
        Ok(u64::try_from(size - u128::from(given)).unwrap_or(u64::MAX))
    }

    /// The blocks that the configuration need not name.
    async fn standing_blocks(&self) -> Result<Vec<EuiBlock>, Error> {
        let counts = self.store.records::<EuiCount>("").await?;
        let standing = counts.iter().filter(|count| count.standing);
        Ok(standing.filter_map(|count| block_of_key(&count.block)).collect())
    }

    async fn eui_count(&self, block: &EuiBlock) -> Result<(EuiCount, Replaces), Error> {
        let key = format!("{}/{}", block.first, block.length);
        let stored = self.store.record::<EuiCount>(&key).await?;
        Ok(stored.map_or_else(
            || (EuiCount { block: key, ..EuiCount::default() }, Replaces::Nothing),
            |stored| (stored.value, Replaces::Revision(stored.revision)),
        ))
    }
}

fn block_of_key(key: &str) -> Option<EuiBlock> {
    let (first, length) = key.split_once('/')?;
    Some(EuiBlock { first: first.parse().ok()?, length: length.parse().ok()? })
}

impl EuiBlock {
    /// How many EUIs it has, from its first one on.
    fn size(&self) -> Option<u128> {
        let free = 64_u32.checked_sub(u32::from(self.length))?;
        let all = 1_u128 << free;
        Some(all - (u128::from(self.first.to_u64()) & (all - 1)))
    }

    /// The EUI with a place in the block, counted from its first.
    fn get(self, place: u64) -> Option<DevEui> {
        let free = 64_u32.checked_sub(u32::from(self.length))?;
        let last = u64::MAX.checked_shr(64 - free).unwrap_or(0);
        let first = self.first.to_u64() & last;
        let at = first.checked_add(place).filter(|at| *at <= last)?;
        Some(DevEui::from_u64(self.first.to_u64() & !last | at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // IS-17
    #[test]
    fn a_block_ends_with_its_last_address() {
        let block = |first: u64, length| EuiBlock { first: DevEui::from_u64(first), length };
        let small = block(0x70B3_D57E_D000_00F0, 56);
        assert_eq!(small.get(0), Some(DevEui::from_u64(0x70B3_D57E_D000_00F0)));
        assert_eq!(small.get(15), Some(DevEui::from_u64(0x70B3_D57E_D000_00FF)));
        assert_eq!(small.get(16), None);
        assert_eq!(block(7, 64).get(0), Some(DevEui::from_u64(7)));
        assert_eq!(block(7, 64).get(1), None);
        assert_eq!(block(0, 0).get(u64::MAX), Some(DevEui::from_u64(u64::MAX)));
        assert_eq!(block(0, 65).get(0), None);
        assert_eq!((small.size(), block(7, 64).size()), (Some(16), Some(1)));
        assert_eq!((block(0, 0).size(), block(0, 65).size()), (Some(1 << 64), None));
    }
}

//! DevEUIs that applications draw (IS-17).

use ttn_core::{
    auth::{Principal, Right},
    eui::DevEui,
    id::{ApplicationId, EntityId},
    store::Replaces,
};

use super::{IdentityServer, TRIES, lifecycle::contention};
use crate::{
    config::EuiBlock,
    error::Error,
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
        let _turn = self.drawing.lock().await;
        for _ in 0..TRIES {
            let mut owner = self.live::<Application>(&entity).await?;
            if owner.value.dev_eui_counter >= config.application_limit {
                return Err(Error::DevEuiLimit { limit: config.application_limit });
            }
            let (eui, count, replaces) = self.next_eui(&config.blocks).await?;
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
            let key = format!("{}/{}", block.first, block.length);
            let stored = self.store.record::<EuiCount>(&key).await?;
            let (given, replaces) = stored.map_or((0, Replaces::Nothing), |stored| {
                (stored.value.given, Replaces::Revision(stored.revision))
            });
            if let Some(eui) = block.get(given) {
                return Ok((eui, EuiCount { block: key, given: given + 1 }, replaces));
            }
        }
        Err(Error::DevEuisUsedUp)
    }
}

impl EuiBlock {
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
    }
}

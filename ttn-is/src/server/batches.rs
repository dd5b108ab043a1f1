//! Several devices or gateways in one call (IS-15).

use serde_json::{Value, json};
use ttn_core::{
    auth::{AccessDenied, Principal, Right, Rights},
    event::EventData,
    id::{ApplicationId, DeviceId, DeviceKey, EntityId, GatewayId},
    store::{Replaces, Versioned},
};

use super::{
    IdentityServer, TRIES,
    audit::Deed,
    kind::{Common, Entity as _},
    lifecycle::contention,
    pictures::without_picture,
};
use crate::{
    access::require_known,
    audit::Action,
    entity::device_key,
    error::Error,
    event,
    record::{Device, Gateway, Record as _},
    rights,
    store::{IdentityStoreExt as _, Table, Transaction, WriteError},
};

impl IdentityServer {
    /// Reads some end devices of an application; those that do not exist are left out.
    ///
    /// # Errors
    ///
    /// The caller lacks the right.
    pub async fn devices(
        &self,
        caller: &Principal,
        application: &ApplicationId,
        ids: &[DeviceId],
    ) -> Result<Vec<Device>, Error> {
        let entity = EntityId::Application(application.clone());
        self.authorize(caller, &entity, &[Right::ApplicationDevicesRead]).await?;
        Ok(self.found(application, ids).await?.into_iter().map(|found| found.value).collect())
    }

    /// Deletes some end devices of an application, all or none; those that do not exist are left out.
    ///
    /// # Errors
    ///
    /// The caller lacks the right.
    pub async fn delete_devices(
        &self,
        caller: &Principal,
        application: &ApplicationId,
        ids: &[DeviceId],
    ) -> Result<(), Error> {
        let entity = EntityId::Application(application.clone());
        self.authorize(caller, &entity, &[Right::ApplicationDevicesWrite]).await?;
        for _ in 0..TRIES {
            let found = self.found(application, ids).await?;
            if found.is_empty() {
                return Ok(());
            }
            let (mut count, replaces) = self.device_count(application).await?;
            count.count = count.count.saturating_sub(found.len() as u64);
            let mut transaction = Transaction::new().put(&count, replaces);
            for Versioned { revision, value: device } in &found {
                let replaces = Replaces::Revision(*revision);
                transaction = transaction.delete(Table::Device, device.key(), replaces);
                transaction = without_picture(transaction, device.picture.as_ref());
                let key = DeviceKey::new(application.clone(), device.id().parse()?);
                let entity = EntityId::Device(key);
                transaction = self.without_bookmarks(&entity, transaction).await?;
                let deed = Deed::new(Action::EntityDelete, &entity).before(device);
                transaction = self.remember(transaction, caller, deed).await?;
                if let Some(euis) = device.euis_key() {
                    transaction = transaction.delete(Table::DeviceOfEuis, euis, Replaces::Any);
                }
            }
            match transaction.commit(&*self.store).await {
                Ok(_) => {
                    self.tell_deleted_devices(caller, application, &found);
                    return Ok(());
                }
                Err(WriteError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(contention(&entity))
    }

    /// Deletes some gateways, all or none: they can be restored for a while.
    ///
    /// # Errors
    ///
    /// The caller lacks the right on one of them, or one does not exist.
    pub async fn delete_gateways(
        &self,
        caller: &Principal,
        ids: &[GatewayId],
    ) -> Result<(), Error> {
        self.assert_on_gateways(caller, ids, &[Gateway::KIND.delete]).await?;
        let entities: Vec<_> = unique(ids).into_iter().map(EntityId::Gateway).collect();
        for _ in 0..TRIES {
            let mut transaction = Transaction::new();
            for entity in &entities {
                let gateway = self.live::<Gateway>(entity).await.map_err(some_missing)?;
                let Versioned { revision, value: mut gateway } = gateway;
                let Common { deleted_at, .. } = gateway.common();
                *deleted_at = Some(self.clock.utc().into());
                transaction = transaction.put(&gateway, Replaces::Revision(revision));
                let deed = Deed::new(Action::EntityDelete, entity).before(&gateway);
                transaction = self.remember(transaction, caller, deed).await?;
                if let Some((table, key)) = gateway.unique() {
                    transaction = transaction.delete(table, key, Replaces::Any);
                }
            }
            let written = transaction.commit(&*self.store).await;
            entities.iter().for_each(|entity| self.forget(entity));
            match written {
                Ok(_) => {
                    let ids = entities.iter().map(|id| json!({ "gateway_id": id.uid() })).collect();
                    let list = list("gateway_ids", ids);
                    for entity in &entities {
                        self.publish(caller, &event::GATEWAY_BATCH_DELETE, entity, list.clone());
                    }
                    return Ok(());
                }
                Err(WriteError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Contention { what: "one of the gateways".to_owned() })
    }

    /// Checks that a caller has rights on each of some gateways.
    ///
    /// # Errors
    ///
    /// The caller lacks a right on one of them; no right is asked for, or one that is not on gateways; a gateway does not
    /// exist.
    pub async fn assert_gateway_rights(
        &self,
        caller: &Principal,
        ids: &[GatewayId],
        needs: Rights,
    ) -> Result<(), Error> {
        require_known(caller)?;
        if needs.is_empty() {
            return Err(Error::EmptyRequest);
        }
        if rights::of_kind(needs, "RIGHT_GATEWAY_") != needs {
            return Err(Error::NonGatewayRights);
        }
        let needs: Vec<_> = needs.iter().collect();
        self.assert_on_gateways(caller, ids, &needs).await?;
        for id in unique(ids) {
            self.live::<Gateway>(&EntityId::Gateway(id)).await.map_err(some_missing)?;
        }
        Ok(())
    }

    async fn assert_on_gateways(
        &self,
        caller: &Principal,
        ids: &[GatewayId],
        needs: &[Right],
    ) -> Result<(), Error> {
        require_known(caller)?;
        for id in unique(ids) {
            let entity = EntityId::Gateway(id);
            let has = self.effective_rights(caller, &entity).await?;
            AccessDenied::check(has, needs, &entity)?;
        }
        Ok(())
    }

    async fn found(
        &self,
        application: &ApplicationId,
        ids: &[DeviceId],
    ) -> Result<Vec<Versioned<Device>>, Error> {
        let mut found = Vec::new();
        for id in unique(ids) {
            let key = device_key(&DeviceKey::new(application.clone(), id));
            found.extend(self.store.record::<Device>(&key).await?);
        }
        Ok(found)
    }

    fn tell_deleted_devices(
        &self,
        caller: &Principal,
        application: &ApplicationId,
        devices: &[Versioned<Device>],
    ) {
        let ids = devices.iter().map(|device| {
            let application = json!({ "application_id": application.as_str() });
            json!({ "device_id": device.value.id(), "application_ids": application })
        });
        let list = list("end_device_ids", ids.collect());
        for device in devices {
            if let Ok(id) = device.value.id().parse() {
                let entity = EntityId::Device(DeviceKey::new(application.clone(), id));
                self.publish(caller, &event::END_DEVICE_BATCH_DELETE, &entity, list.clone());
            }
        }
    }
}

/// A message of the API that lists identifiers.
fn list(field: &'static str, ids: Vec<Value>) -> EventData {
    EventData::message(move || json!({ field: ids }))
}

fn unique<T: Ord + Clone>(ids: &[T]) -> std::collections::BTreeSet<T> {
    ids.iter().cloned().collect()
}

fn some_missing(error: Error) -> Error {
    match error {
        Error::NotFound { .. } => Error::SomeGatewaysNotFound,
        error => error,
    }
}

//! End devices: what they are and where their servers are (IS-13).

use ttn_core::{
    auth::{Caller, Principal, Right},
    eui::{DevEui, JoinEui},
    id::{ApplicationId, DeviceKey, EntityId},
    store::{Page, Replaces, Versioned},
    time::Timestamp,
};

use super::{
    IdentityServer, TRIES,
    audit::Deed,
    lifecycle::{contention, is_conflict_in},
    pictures::{PictureOf, without_picture},
};
use crate::{
    access::require_known,
    audit::Action,
    entity::{self, Query, Search, check_reserved, device_key, device_of_key},
    error::{Error, Server},
    event,
    record::{Application, Device, DeviceCount, Record as _},
    store::{IdentityStoreExt as _, Table, Transaction, WriteError},
};

impl IdentityServer {
    /// Creates an end device.
    ///
    /// # Errors
    ///
    /// The caller lacks the right; the application does not exist or has other server addresses; the id or the pair of
    /// EUIs is taken.
    pub async fn create_device(
        &self,
        caller: &Principal,
        mut device: Device,
    ) -> Result<Device, Error> {
        let key = DeviceKey::new(device.application_id().parse()?, device.id().parse()?);
        let entity = EntityId::Device(key.clone());
        self.authorize(caller, &entity, &[Right::ApplicationDevicesWrite]).await?;
        check_reserved(device.id())?;
        check_euis(&device)?;
        let application = EntityId::Application(key.application_id.clone());
        let _room = self.room_for_device().await?;
        let now = Some(self.clock.utc().into());
        (device.created_at, device.updated_at) = (now, now);
        let uploaded = device.picture.take();
        for _ in 0..TRIES {
            let owner = self.live::<Application>(&application).await?;
            check_addresses(&device, &owner.value)?;
            let (count, replaces) = self.device_count(&key.application_id).await?;
            let count = DeviceCount { count: count.count + 1, ..count };
            let mut transaction = Transaction::new()
                .check(Table::Application, owner.value.key(), Replaces::Revision(owner.revision))
                .put(&count, replaces);
            device.picture.clone_from(&uploaded);
            transaction =
                self.draw(transaction, PictureOf::DEVICE, None, &mut device.picture).await?;
            transaction = transaction.put(&device, Replaces::Nothing);
            if let Some(euis) = device.euis_key() {
                let value = device.key().into_bytes();
                transaction = transaction.set(Table::DeviceOfEuis, euis, value, Replaces::Nothing);
            }
            let deed = Deed::new(Action::EntityCreate, &entity).after(&device);
            transaction = self.remember(transaction, caller, deed).await?;
            match transaction.commit(&*self.store).await {
                Ok(_) => {
                    self.publish(
                        caller,
                        &event::END_DEVICE_CREATE,
                        &entity,
                        serde_json::Value::Null,
                    );
                    return Ok(device);
                }
                Err(WriteError::Conflict { table: Table::Device, .. }) => {
                    return Err(Error::IdTaken { id: device.id().to_owned() });
                }
                Err(WriteError::Conflict { table: Table::DeviceOfEuis, .. }) => {
                    if let Some((join_eui, dev_eui)) = device.euis()
                        && let Some(other) = self.find_device(join_eui, dev_eui).await?
                    {
                        return Err(Error::DeviceEuisTaken { device: Box::new(other) });
                    }
                }
                Err(error @ WriteError::Conflict { .. }) => drop(error),
                Err(error) => return Err(error.into()),
            }
        }
        Err(contention(&entity))
    }

    /// Reads an end device.
    ///
    /// # Errors
    ///
    /// The caller lacks the right, or it does not exist.
    pub async fn device(&self, caller: &Principal, key: &DeviceKey) -> Result<Device, Error> {
        let entity = EntityId::Device(key.clone());
        self.authorize(caller, &entity, &[Right::ApplicationDevicesRead]).await?;
        Ok(self.stored_device(key).await?.value)
    }

    /// Lists the end devices of an application.
    ///
    /// # Errors
    ///
    /// The caller lacks the right.
    pub async fn list_devices(
        &self,
        caller: &Principal,
        application: &ApplicationId,
        query: &Query,
    ) -> Result<Page<Device>, Error> {
        if !query.is_by_id("device_id") {
            return self.search_devices(caller, application, &Search::default(), query).await;
        }
        // The order of the store: nothing but the page is read whole.
        let entity = EntityId::Application(application.clone());
        self.authorize(caller, &entity, &[Right::ApplicationDevicesRead]).await?;
        let (skip, limit) = query.window();
        let items = self.store.slice(&format!("{application}/"), skip, limit).await?;
        let (count, _) = self.device_count(application).await?;
        Ok(Page { items, total: count.count })
    }

    /// Searches the end devices of an application (IS-52).
    ///
    /// # Errors
    ///
    /// The caller lacks the right.
    pub async fn search_devices(
        &self,
        caller: &Principal,
        application: &ApplicationId,
        search: &Search,
        query: &Query,
    ) -> Result<Page<Device>, Error> {
        let entity = EntityId::Application(application.clone());
        self.authorize(caller, &entity, &[Right::ApplicationDevicesRead]).await?;
        let mut devices = self.store.records::<Device>(&format!("{application}/")).await?;
        devices.retain(|device| search.finds(device));
        Ok(entity::page(devices, query))
    }

    /// Finds an end device by its EUIs. Whoever may not read it is told that there is none.
    ///
    /// # Errors
    ///
    /// The caller is nobody or may not read it, or there is none.
    pub async fn device_by_euis(
        &self,
        caller: &Principal,
        join_eui: JoinEui,
        dev_eui: DevEui,
    ) -> Result<Device, Error> {
        require_known(caller)?;
        let device = self.find_device(join_eui, dev_eui).await?;
        let device = device.ok_or(Error::DeviceNotFoundByEuis)?;
        let key = device_of_key(&device.key()).ok_or(Error::DeviceNotFoundByEuis)?;
        let rights = self.effective_rights(caller, &EntityId::Device(key)).await?;
        if rights.contains(Right::ApplicationDevicesRead) {
            Ok(device)
        } else {
            Err(Error::DeviceNotFoundByEuis)
        }
    }

    /// Changes an end device. Its identifiers are left alone.
    ///
    /// # Errors
    ///
    /// The caller lacks the right; it does not exist; its addresses would differ from the application's.
    pub async fn update_device<F>(
        &self,
        caller: &Principal,
        key: &DeviceKey,
        fields: &[String],
        mut change: F,
    ) -> Result<Device, Error>
    where
        F: FnMut(&mut Device) -> Result<(), Error> + Send,
    {
        let entity = EntityId::Device(key.clone());
        self.authorize(caller, &entity, &[Right::ApplicationDevicesWrite]).await?;
        let application = EntityId::Application(key.application_id.clone());
        for _ in 0..TRIES {
            let owner = self.live::<Application>(&application).await?.value;
            let Versioned { revision, value: old } = self.stored_device(key).await?;
            let mut device = old.clone();
            change(&mut device)?;
            (device.ids, device.created_at) = (old.ids, old.created_at);
            device.updated_at = Some(self.clock.utc().into());
            check_addresses(&device, &owner)?;
            let drawing = Transaction::new();
            let picture = (old.picture.as_ref(), &mut device.picture);
            let drawing = self.draw(drawing, PictureOf::DEVICE, picture.0, picture.1).await?;
            let write = drawing.put(&device, Replaces::Revision(revision));
            match write.commit(&*self.store).await {
                Ok(_) => {
                    let fields = serde_json::Value::from(fields);
                    self.publish(caller, &event::END_DEVICE_UPDATE, &entity, fields);
                    return Ok(device);
                }
                Err(error) if is_conflict_in(&error, Table::Device) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(contention(&entity))
    }

    /// Deletes an end device, for good.
    ///
    /// # Errors
    ///
    /// The caller lacks the right, or it does not exist.
    pub async fn delete_device(&self, caller: &Principal, key: &DeviceKey) -> Result<(), Error> {
        let entity = EntityId::Device(key.clone());
        self.authorize(caller, &entity, &[Right::ApplicationDevicesWrite]).await?;
        for _ in 0..TRIES {
            let Versioned { revision, value: device } = self.stored_device(key).await?;
            let (count, replaces) = self.device_count(&key.application_id).await?;
            let count = DeviceCount { count: count.count.saturating_sub(1), ..count };
            let mut transaction = Transaction::new()
                .delete(Table::Device, device.key(), Replaces::Revision(revision))
                .put(&count, replaces);
            transaction = without_picture(transaction, device.picture.as_ref());
            transaction = self.without_bookmarks(&entity, transaction).await?;
            let deed = Deed::new(Action::EntityDelete, &entity).before(&device);
            transaction = self.remember(transaction, caller, deed).await?;
            if let Some(euis) = device.euis_key() {
                transaction = transaction.delete(Table::DeviceOfEuis, euis, Replaces::Any);
            }
            match transaction.commit(&*self.store).await {
                Ok(_) => {
                    self.publish(
                        caller,
                        &event::END_DEVICE_DELETE,
                        &entity,
                        serde_json::Value::Null,
                    );
                    return Ok(());
                }
                Err(WriteError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(contention(&entity))
    }

    /// Notes when end devices were last heard; for servers of the cluster, and whoever may write the devices.
    ///
    /// # Errors
    ///
    /// The caller lacks the right on one of them; nothing is written then.
    pub async fn update_last_seen(
        &self,
        caller: &Principal,
        seen: &[(DeviceKey, Timestamp)],
    ) -> Result<(), Error> {
        require_known(caller)?;
        if caller.caller != Caller::Cluster {
            for (key, _) in seen {
                let entity = EntityId::Device(key.clone());
                self.authorize(caller, &entity, &[Right::ApplicationDevicesWrite]).await?;
            }
        }
        for (key, at) in seen {
            self.see(key, *at).await?;
        }
        Ok(())
    }

    async fn stored_device(&self, key: &DeviceKey) -> Result<Versioned<Device>, Error> {
        let stored = self.store.record::<Device>(&device_key(key)).await?;
        stored.ok_or_else(|| Error::NotFound { entity: EntityId::Device(key.clone()) })
    }

    pub(crate) async fn device_count(
        &self,
        id: &ApplicationId,
    ) -> Result<(DeviceCount, Replaces), Error> {
        let stored = self.store.record::<DeviceCount>(id.as_str()).await?;
        Ok(stored.map_or_else(
            || (DeviceCount { application_id: id.to_string(), count: 0 }, Replaces::Nothing),
            |stored| (stored.value, Replaces::Revision(stored.revision)),
        ))
    }
}

fn check_euis(device: &Device) -> Result<(), Error> {
    let reason = "an EUI has 8 octets";
    let Some(ids) = &device.ids else { return Ok(()) };
    if !matches!(ids.dev_eui.len(), 0 | 8) {
        return Err(Error::InvalidField { field: "ids.dev_eui", reason });
    }
    if !matches!(ids.join_eui.len(), 0 | 8) {
        return Err(Error::InvalidField { field: "ids.join_eui", reason });
    }
    Ok(())
}

/// Hosts of servers must be those of the application, where both are set.
fn check_addresses(device: &Device, application: &Application) -> Result<(), Error> {
    let pairs = [
        (Server::Network, &device.network_server_address, &application.network_server_address),
        (
            Server::Application,
            &device.application_server_address,
            &application.application_server_address,
        ),
        (Server::Join, &device.join_server_address, &application.join_server_address),
    ];
    for (server, address, expected) in pairs {
        if !address.is_empty() && !expected.is_empty() && host(address) != host(expected) {
            let (address, expected) = (address.clone(), expected.clone());
            return Err(Error::AddressMismatch { server, address, expected });
        }
    }
    Ok(())
}

/// The host of `host`, `host:port` or `scheme://host:port/path`.
fn host(address: &str) -> &str {
    let address = address.split_once("://").map_or(address, |(_, rest)| rest);
    let address = address.split('/').next().unwrap_or_default();
    match address.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|octet| octet.is_ascii_digit()) => host,
        _ => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_compared_without_ports() {
        assert_eq!(host("eu1.example.com:8884"), "eu1.example.com");
        assert_eq!(host("https://eu1.example.com:443/api"), "eu1.example.com");
        assert_eq!(host("eu1.example.com"), "eu1.example.com");
        assert_eq!(host("[::1]:8884"), "[::1]");
    }
}

//! Commands of the registry: the owner checks revisions, so that of two writers one gets a conflict.

use serde_json::json;
use ttn_core::{
    id::DeviceKey,
    store::{Replaces, Revision},
    time::Now,
};
use ttn_mac::state::{Hot, MacState};

use super::{
    CallId, Command, Effects, Handle, Reply, Shard,
    downlink::Waiting,
    entry::{Entry, engine, rules},
};
use crate::{
    device::Device,
    error::Error,
    event, registry,
    store::{DeviceNo, DeviceRecord, NetworkWrite},
};

impl Shard {
    pub(super) fn on_call(&mut self, now: Now, call: CallId, command: Command, out: &mut Effects) {
        // What changes something is answered when it is durable.
        let result = match command {
            Command::Delete { key, replaces } => self.delete(now, call, &key, replaces, out),
            Command::Get { key } => self.get(&key).map(|reply| Self::reply(call, Ok(reply), out)),
            Command::ListQueue { key } => {
                self.list_queue(&key).map(|queue| Self::reply(call, Ok(Reply::Queue(queue)), out))
            }
            Command::PushQueue { key, downlinks } => {
                self.change_queue(now, call, &key, downlinks, false, out)
            }
            Command::Put { device, hot, replaces } => {
                self.put(now, call, *device, hot.map(|hot| *hot), replaces, out)
            }
            Command::ReplaceQueue { key, downlinks } => {
                self.change_queue(now, call, &key, downlinks, true, out)
            }
        };
        if let Err(error) = result {
            Self::reply(call, Err(error), out);
        }
    }

    pub(super) fn handle_of(&self, key: &DeviceKey) -> Result<Handle, Error> {
        let found = self.devices.by_key(key);
        found.ok_or_else(|| Error::DeviceNotFound { device: key.clone() })
    }

    fn get(&self, key: &DeviceKey) -> Result<Reply, Error> {
        let handle = self.handle_of(key)?;
        match self.devices.get(&handle) {
            Some(entry) => Ok(Reply::Device(Box::new(entry.view()))),
            None => Err(Error::DeviceNotFound { device: key.clone() }),
        }
    }

    fn put(
        &mut self,
        now: Now,
        call: CallId,
        mut device: Device,
        hot: Option<Hot>,
        replaces: Replaces,
        out: &mut Effects,
    ) -> Result<(), Error> {
        registry::validate(&device, &self.defaults.plans)?;
        let key = device.ids.key.clone();
        let existing = self.devices.by_key(&key);
        let revision = existing.and_then(|h| self.devices.get(&h)).map(|entry| entry.revision);
        if !replaces.allows(revision) {
            return Err(match (replaces, revision) {
                (Replaces::Nothing, _) => Error::DeviceExists { device: key },
                (_, None) => Error::DeviceNotFound { device: key },
                _ => Error::Conflict { device: key },
            });
        }
        if let (Some(join_eui), Some(dev_eui)) = (device.ids.join_eui, device.ids.dev_eui) {
            let holder = self.devices.by_euis(join_eui, dev_eui);
            if holder.is_some_and(|holder| Some(holder) != existing) {
                return Err(Error::DeviceExists { device: key });
            }
        }
        device.updated_at = now.utc;
        match existing {
            Some(handle) => self.update(now, handle, device, hot, out)?,
            None => {
                device.created_at = now.utc;
                self.create(now, device, hot, out)?;
            }
        }
        let reply = self.get(&key);
        self.when_durable(Waiting::Reply { call, result: reply }, out);
        Ok(())
    }

    fn create(
        &mut self,
        now: Now,
        device: Device,
        hot: Option<Hot>,
        out: &mut Effects,
    ) -> Result<(), Error> {
        let partition = device.partition();
        let entry = Entry::new(device, Revision(1), hot, &self.defaults)?;
        let record = Box::new(DeviceRecord::seal(&entry.to_device(), &self.sealer)?);
        let highest = self.device_no_max.entry(partition).or_default();
        *highest += 1;
        let no = DeviceNo(*highest);
        let handle = Handle { partition, no };
        let has_session = entry.mac.slow.session.is_some();
        self.devices.insert(handle, entry);
        let replaces = Replaces::Nothing;
        self.write(handle, NetworkWrite::Device { device: no, replaces, record }, out);
        if has_session {
            self.store_hot(handle, out);
        }
        self.publish(now, event::END_DEVICE_CREATE, handle, &Vec::new(), || json!({}), out);
        Ok(())
    }

    fn update(
        &mut self,
        now: Now,
        handle: Handle,
        mut device: Device,
        hot: Option<Hot>,
        out: &mut Effects,
    ) -> Result<(), Error> {
        let (band, plan) = rules(&device, &self.defaults.plans)?;
        let Some(entry) = self.devices.get(&handle) else { return Ok(()) };
        let (was, is) = (&entry.device.ids, &device.ids);
        if (was.dev_eui, was.join_eui) != (is.dev_eui, is.join_eui) {
            return Err(Error::FieldValue {
                field: "ids",
                reason: "the EUIs of a device do not change; delete it and create it again"
                    .to_owned(),
            });
        }
        device.created_at = entry.device.created_at;
        // Wrapping is tried before anything changes.
        DeviceRecord::seal(&device, &self.sealer)?;
        self.devices.forget_addresses(handle);
        if let Some(entry) = self.devices.get_mut(&handle) {
            let state = device.state.take();
            let rules = engine(band, &plan, &device, &self.defaults);
            match state {
                Some(slow) => {
                    let hot = hot.unwrap_or(entry.mac.hot);
                    entry.mac = MacState::new(*slow, hot);
                    rules.refresh_desired(&mut entry.mac);
                }
                None => entry.mac = rules.new_otaa(device.mac_version),
            }
            (entry.band, entry.plan) = (band, plan);
            entry.open = None;
            entry.device = device;
        }
        self.devices.index_addresses(handle);
        self.store_device(handle, out);
        self.store_hot(handle, out);
        self.publish(now, event::END_DEVICE_UPDATE, handle, &Vec::new(), || json!({}), out);
        Ok(())
    }

    fn delete(
        &mut self,
        now: Now,
        call: CallId,
        key: &DeviceKey,
        replaces: Replaces,
        out: &mut Effects,
    ) -> Result<(), Error> {
        let handle = self.handle_of(key)?;
        let revision = self.devices.get(&handle).map(|entry| entry.revision);
        if !replaces.allows(revision) {
            return Err(Error::Conflict { device: key.clone() });
        }
        self.publish(now, event::END_DEVICE_DELETE, handle, &Vec::new(), || json!({}), out);
        if let Some(flight) = self.devices.remove(handle).and_then(|entry| entry.flight) {
            self.flights.remove(&flight.id);
        }
        let replaces = revision.map_or(Replaces::Any, Replaces::Revision);
        self.write(handle, NetworkWrite::Delete { device: handle.no, replaces }, out);
        self.when_durable(Waiting::Reply { call, result: Ok(Reply::Done) }, out);
        Ok(())
    }
}

//! The Join Server's devices, nonces and session keys.

use async_trait::async_trait;
use prost::Message as _;
use ttn_core::{
    id::{ApplicationId, DeviceKey},
    key::SessionKeyId,
    store::{Durable, Replaces, Revision, StoreError, StoreErrorKind, Versioned},
};
use ttn_js::{
    ActivationSettings, Device, Euis,
    store::{
        DevNonceRule, DeviceSelector, JoinStore, JoinWrite, NonceId, Nonces, NoncesChange,
        RootKeyTag, SessionKeySet,
    },
};

use crate::{
    EmbeddedStore,
    base::Space,
    lane::Change,
    table::{Table, corrupt, parse_uid, split_u64, uid},
    write::Denied,
};

pub(crate) mod record;

#[async_trait]
impl JoinStore for EmbeddedStore {
    async fn device(&self, of: &DeviceSelector) -> Result<Versioned<Device>, StoreError> {
        let missing = || StoreError::new(StoreErrorKind::NotFound, of.to_string());
        let uid = match of {
            DeviceSelector::Key(key) => uid(key),
            DeviceSelector::Euis(euis) => {
                self.lanes.get(Space::State, &euis_key(*euis))?.ok_or_else(missing)?
            }
        };
        let row = self.lanes.get(Space::State, &Table::JoinDevice.key(&[&uid]))?;
        versioned(parse_uid(&uid)?, &row.ok_or_else(missing)?)
    }

    async fn put_device(
        &self,
        device: &Device,
        replaces: Replaces,
    ) -> Result<Revision, StoreError> {
        let octets = device.encode();
        let written = self.lanes.write(|change| {
            let old = stored(change, &device.key)?;
            if !replaces.allows(old.as_ref().map(|old| old.revision)) {
                return Err(conflict(&device.key).into());
            }
            let owner = change.get(Space::State, &euis_key(device.euis))?;
            let uid = uid(&device.key);
            if owner.is_some_and(|owner| owner != uid) {
                let context = format!("a device with EUIs {}", device.euis);
                return Err(StoreError::new(StoreErrorKind::AlreadyExists, context).into());
            }
            if let Some(old) = &old {
                change.delete(Space::State, euis_key(old.value.euis));
            }
            let revision = old.map_or(1, |old| old.revision.0 + 1);
            let value = [&revision.to_be_bytes()[..], &octets].concat();
            change.put(Space::State, Table::JoinDevice.key(&[&uid]), value);
            change.put(Space::State, euis_key(device.euis), uid);
            Ok(Revision(revision))
        });
        Ok(written.await?.1)
    }

    async fn delete_device(&self, key: &DeviceKey, replaces: Replaces) -> Result<(), StoreError> {
        let written = self.lanes.write(|change| {
            let Some(old) = stored(change, key)? else {
                let context = format!("the device {key}");
                return Err(StoreError::new(StoreErrorKind::NotFound, context).into());
            };
            if !replaces.allows(Some(old.revision)) {
                return Err(conflict(key).into());
            }
            change.delete(Space::State, Table::JoinDevice.key(&[&uid(key)]));
            change.delete(Space::State, euis_key(old.value.euis));
            change.delete(Space::State, Table::JoinSessionKeys.key(&[&octets(old.value.euis)]));
            Ok(())
        });
        written.await?;
        Ok(())
    }

    async fn nonces(&self, id: &NonceId, dev_nonce: u16) -> Result<Nonces, StoreError> {
        // The used nonce is read after the counters: a join in between shows at least in the revision, which will
        // not match then.
        let row = self.lanes.get(Space::State, &nonces_key(id.euis))?;
        let nonces = record::Nonces::parse(row.as_deref())?;
        let used = self.lanes.get(Space::State, &used_key(id, dev_nonce))?;
        Ok(Nonces {
            revision: Revision(nonces.revision),
            join_nonce: nonces.join_nonce,
            last_dev_nonce: nonces.last(id.root_key),
            is_used: used.is_some(),
        })
    }

    async fn used_dev_nonces(&self, id: &NonceId, limit: usize) -> Result<Vec<u16>, StoreError> {
        let (from, to) = Table::JoinUsedDevNonce.prefix(&[&octets(id.euis), &id.root_key.0]);
        let rows = self.lanes.range(Space::State, from, to, limit);
        rows.map(|row| {
            let (key, _) = row?;
            let dev_nonce = key.last_chunk().ok_or_else(|| corrupt("a used DevNonce"))?;
            Ok(u16::from_be_bytes(*dev_nonce))
        })
        .collect()
    }

    async fn change_nonces(&self, euis: Euis, what: &NoncesChange) -> Result<(), StoreError> {
        let written = self.lanes.write(|change| {
            let row = change.get(Space::State, &nonces_key(euis))?;
            let mut nonces = record::Nonces::parse(row.as_deref())?;
            match what {
                NoncesChange::Purge => {
                    nonces = record::Nonces { revision: nonces.revision, ..Default::default() };
                    let (from, to) = Table::JoinUsedDevNonce.prefix(&[&octets(euis)]);
                    for row in change.range(Space::State, from, to, usize::MAX) {
                        change.delete(Space::State, row?.0);
                    }
                }
                NoncesChange::Raise { root_key, join_nonce, last_dev_nonce, used_dev_nonces } => {
                    nonces.join_nonce = nonces.join_nonce.max(*join_nonce);
                    if let Some(dev_nonce) = last_dev_nonce {
                        nonces.raise_last(*root_key, *dev_nonce);
                    }
                    let id = NonceId { euis, root_key: *root_key };
                    for dev_nonce in used_dev_nonces {
                        change.put(Space::State, used_key(&id, *dev_nonce), Vec::new());
                    }
                }
            }
            nonces.revision += 1;
            change.put(Space::State, nonces_key(euis), nonces.encode_to_vec());
            Ok(())
        });
        written.await?;
        Ok(())
    }

    async fn join(&self, write: JoinWrite) -> Result<Durable, StoreError> {
        Ok(self.lanes.write(|change| join(change, &write)).await?.0)
    }

    async fn activation_settings(
        &self,
        application: &ApplicationId,
    ) -> Result<Versioned<ActivationSettings>, StoreError> {
        let row = self.lanes.get(Space::State, &settings_key(application))?;
        let row = row.ok_or_else(|| no_settings(application, StoreErrorKind::NotFound))?;
        let (revision, octets) = split_u64(&row)?;
        let value = ActivationSettings::decode(octets)?;
        Ok(Versioned { revision: Revision(revision), value })
    }

    async fn put_activation_settings(
        &self,
        application: &ApplicationId,
        settings: Option<&ActivationSettings>,
        replaces: Replaces,
    ) -> Result<Revision, StoreError> {
        let key = settings_key(application);
        let octets = settings.map(ActivationSettings::encode);
        let written = self.lanes.write(|change| {
            let row = change.get(Space::State, &key)?;
            let old = row.map(|row| split_u64(&row).map(|(number, _)| number)).transpose()?;
            if old.is_none() && octets.is_none() {
                return Err(no_settings(application, StoreErrorKind::NotFound).into());
            }
            if !replaces.allows(old.map(Revision)) {
                return Err(no_settings(application, StoreErrorKind::Conflict).into());
            }
            let revision = old.unwrap_or_default() + 1;
            match &octets {
                Some(octets) => {
                    let value = [&revision.to_be_bytes()[..], octets].concat();
                    change.put(Space::State, key.clone(), value);
                }
                None => change.delete(Space::State, key.clone()),
            }
            Ok(Revision(revision))
        });
        Ok(written.await?.1)
    }

    async fn session_keys(
        &self,
        euis: Euis,
        id: &SessionKeyId,
    ) -> Result<SessionKeySet, StoreError> {
        let key = Table::JoinSessionKeys.key(&[&octets(euis)]);
        let sets = record::SessionKeySets::parse(self.lanes.get(Space::State, &key)?.as_deref())?;
        sets.find(id)?.ok_or_else(|| {
            let context = format!("the session keys {id} of {euis}");
            StoreError::new(StoreErrorKind::NotFound, context)
        })
    }
}

fn join(change: &mut Change<'_>, write: &JoinWrite) -> Result<(), Denied> {
    let euis = write.id.euis;
    let row = change.get(Space::State, &nonces_key(euis))?;
    let mut nonces = record::Nonces::parse(row.as_deref())?;
    if nonces.revision != write.reads.0 {
        let context = format!("the nonces of {euis}");
        return Err(StoreError::new(StoreErrorKind::Conflict, context).into());
    }
    let key = Table::JoinSessionKeys.key(&[&octets(euis)]);
    let mut sets = record::SessionKeySets::parse(change.get(Space::State, &key)?.as_deref())?;
    sets.sets.insert(0, write.keys.encode());
    sets.sets.truncate(write.session_keys_max);
    nonces.revision += 1;
    nonces.join_nonce = write.join_nonce;
    match write.dev_nonce_rule {
        DevNonceRule::Counter => nonces.raise_last(write.id.root_key, write.dev_nonce),
        DevNonceRule::Random => {
            change.put(Space::State, used_key(&write.id, write.dev_nonce), Vec::new());
        }
    }
    change.put(Space::State, nonces_key(euis), nonces.encode_to_vec());
    change.put(Space::State, key, sets.encode_to_vec());
    Ok(())
}

/// Writes where a device of a dump is found by its EUIs.
#[cfg(feature = "dump")]
pub(crate) fn fill_euis(
    change: &mut Change<'_>,
    uid: &[u8],
    value: &[u8],
) -> Result<(), StoreError> {
    let device = versioned(parse_uid(uid)?, value)?.value;
    change.put(Space::State, euis_key(device.euis), uid);
    Ok(())
}

fn stored(change: &Change<'_>, key: &DeviceKey) -> Result<Option<Versioned<Device>>, StoreError> {
    let row = change.get(Space::State, &Table::JoinDevice.key(&[&uid(key)]))?;
    row.map(|row| versioned(key.clone(), &row)).transpose()
}

fn versioned(key: DeviceKey, row: &[u8]) -> Result<Versioned<Device>, StoreError> {
    let (revision, octets) = split_u64(row)?;
    Ok(Versioned { revision: Revision(revision), value: Device::decode(key, octets)? })
}

fn settings_key(application: &ApplicationId) -> Vec<u8> {
    Table::JoinActivationSettings.key(&[application.as_str().as_bytes()])
}

fn no_settings(application: &ApplicationId, kind: StoreErrorKind) -> StoreError {
    StoreError::new(kind, format!("the activation settings of {application}"))
}

fn conflict(key: &DeviceKey) -> StoreError {
    StoreError::new(StoreErrorKind::Conflict, format!("the device {key}"))
}

fn octets(euis: Euis) -> [u8; 16] {
    let mut octets = [0; 16];
    octets[..8].copy_from_slice(&euis.join_eui.to_be_bytes());
    octets[8..].copy_from_slice(&euis.dev_eui.to_be_bytes());
    octets
}

fn euis_key(euis: Euis) -> Vec<u8> {
    Table::JoinDeviceOfEuis.key(&[&octets(euis)])
}

fn nonces_key(euis: Euis) -> Vec<u8> {
    Table::JoinNonces.key(&[&octets(euis)])
}

fn used_key(id: &NonceId, dev_nonce: u16) -> Vec<u8> {
    let RootKeyTag(tag) = id.root_key;
    Table::JoinUsedDevNonce.key(&[&octets(id.euis), &tag, &dev_nonce.to_be_bytes()])
}

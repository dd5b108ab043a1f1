//! Registration of devices (JS-17): what the API and embedding programs call.

use ttn_core::{
    id::{ApplicationId, DeviceIds, DeviceKey},
    store::{Replaces, Revision, StoreError, StoreErrorKind, Versioned},
};

use crate::{
    device::{ActivationSettings, Device, Euis, RootKeys},
    error::Error,
    event,
    server::JoinServer,
    store::{DeviceSelector, NonceId, NoncesChange},
};

/// How often a change of activation settings is tried against other writers.
const SET_TRIES: u32 = 8;

/// The nonces of a device as an administrator sees them.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct NoncesView {
    /// The last JoinNonce that was given out; 0 for none.
    pub join_nonce: u32,
    /// The highest DevNonce that was used as a counter.
    pub last_dev_nonce: Option<u16>,
    /// Random DevNonces that were used, the lowest [`Self::USED_MAX`].
    pub used_dev_nonces: Vec<u16>,
}

impl NoncesView {
    /// How many used DevNonces are listed at most.
    pub const USED_MAX: usize = 1000;
}

/// Nonces that a device brings along. They can only raise what is known.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_structs, reason = "built by callers")]
pub struct NoncesImport {
    /// The last JoinNonce that was given out.
    pub join_nonce: u32,
    /// The highest DevNonce that was used as a counter.
    pub last_dev_nonce: Option<u16>,
    /// Random DevNonces that were used.
    pub used_dev_nonces: Vec<u16>,
}

impl JoinServer {
    /// Loads a device. Its root keys are wrapped as the store has them; [`Self::clear_root_keys`] opens them.
    ///
    /// # Errors
    ///
    /// The device is not registered here.
    pub async fn device(&self, of: &DeviceSelector) -> Result<Versioned<Device>, Error> {
        Ok(self.store.device(of).await?)
    }

    /// Opens the root keys of a device: the caller has checked the rights.
    ///
    /// # Errors
    ///
    /// A key encryption key is missing or another one.
    pub fn clear_root_keys(&self, device: &Device) -> Result<RootKeys, Error> {
        self.keys.clear_root_keys(&device.root_keys)
    }

    /// Registers a device or changes its registration; wraps its keys and sets its times.
    ///
    /// # Errors
    ///
    /// Another revision is stored, the EUIs belong to another device or differ from the stored ones.
    pub async fn set_device(&self, device: &Device, replaces: Replaces) -> Result<Revision, Error> {
        let mut device = device.clone();
        device.root_keys = self.keys.rest_root_keys(&device.root_keys)?;
        let old = self.find(&DeviceSelector::Key(device.key.clone())).await?;
        let now = self.clock.utc();
        device.updated_at = now;
        let (replaces, definition) = match &old {
            Some(old) if old.value.euis != device.euis => {
                let stored = old.value.euis;
                return Err(Error::ImmutableEuis { device: device.key.to_string(), stored });
            }
            Some(old) if replaces.allows(Some(old.revision)) => {
                device.created_at = old.value.created_at;
                // What was compared is what is replaced.
                (Replaces::Revision(old.revision), &event::DEVICE_UPDATE)
            }
            None if replaces.allows(None) => {
                device.created_at = now;
                (Replaces::Nothing, &event::DEVICE_CREATE)
            }
            _ => {
                let context = format!("the device {}", device.key);
                return Err(StoreError::new(StoreErrorKind::Conflict, context).into());
            }
        };
        let revision = self.store.put_device(&device, replaces).await?;
        self.publish(definition, Some(device.ids()), &Vec::new(), || serde_json::Value::Null);
        Ok(revision)
    }

    /// Deletes a device and its session keys. Its nonces stay, so that nobody can replay old joins by deleting and
    /// registering it again (DESIGN promise 4).
    ///
    /// # Errors
    ///
    /// The device is not registered here, or has another revision.
    pub async fn delete_device(&self, key: &DeviceKey, replaces: Replaces) -> Result<(), Error> {
        let known = self.find(&DeviceSelector::Key(key.clone())).await?;
        self.store.delete_device(key, replaces).await?;
        let ids = known.map_or_else(|| DeviceIds::new(key.clone()), |known| known.value.ids());
        self.publish(&event::DEVICE_DELETE, Some(ids), &Vec::new(), || serde_json::Value::Null);
        Ok(())
    }

    /// Shows the nonces of a device, those of NwkKey and AppKey together.
    ///
    /// # Errors
    ///
    /// The store or the vault cannot answer.
    pub async fn nonces(&self, device: &Device) -> Result<NoncesView, Error> {
        let mut view = NoncesView::default();
        for root_key in self.keys.tags(&device.root_keys)? {
            let id = NonceId { euis: device.euis, root_key };
            let nonces = self.store.nonces(&id, 0).await?;
            view.join_nonce = nonces.join_nonce;
            view.last_dev_nonce = view.last_dev_nonce.max(nonces.last_dev_nonce);
            let used = self.store.used_dev_nonces(&id, NoncesView::USED_MAX).await?;
            view.used_dev_nonces.extend(used);
        }
        view.used_dev_nonces.sort_unstable();
        view.used_dev_nonces.dedup();
        view.used_dev_nonces.truncate(NoncesView::USED_MAX);
        Ok(view)
    }

    /// Takes over nonces that a device brings along. Nothing falls (DESIGN promise 4).
    ///
    /// # Errors
    ///
    /// The device has no root key that they could belong to.
    pub async fn import_nonces(&self, device: &Device, import: &NoncesImport) -> Result<(), Error> {
        let tags = self.keys.tags(&device.root_keys)?;
        if tags.is_empty() {
            return Err(Error::NoncesWithoutKey);
        }
        for root_key in tags {
            let change = NoncesChange::Raise {
                root_key,
                join_nonce: import.join_nonce,
                last_dev_nonce: import.last_dev_nonce,
                used_dev_nonces: import.used_dev_nonces.clone(),
            };
            self.store.change_nonces(device.euis, &change).await?;
        }
        Ok(())
    }

    /// Forgets all nonces of a device, registered or not: for administrators only. Join-requests that were recorded
    /// before can be replayed afterwards.
    ///
    /// # Errors
    ///
    /// The store cannot write.
    pub async fn purge_nonces(&self, euis: Euis) -> Result<(), Error> {
        Ok(self.store.change_nonces(euis, &NoncesChange::Purge).await?)
    }

    /// Loads the activation settings of an application, their key in clear text: the caller has checked the rights.
    ///
    /// # Errors
    ///
    /// The application has none, or the key does not unwrap.
    pub async fn activation_settings(
        &self,
        application: &ApplicationId,
    ) -> Result<ActivationSettings, Error> {
        let found = self.find_settings(application).await?;
        let missing = || Error::NoActivationSettings { application: application.clone() };
        self.keys.clear_settings(&found.ok_or_else(missing)?)
    }

    /// Changes the activation settings of an application; without any it begins with empty ones. `change` is pure,
    /// because it may run more than once.
    ///
    /// # Errors
    ///
    /// The key cannot be wrapped, or others change them all the time.
    pub async fn set_activation_settings<F>(
        &self,
        application: &ApplicationId,
        mut change: F,
    ) -> Result<ActivationSettings, Error>
    where
        F: FnMut(&mut ActivationSettings) -> Result<(), Error> + Send,
    {
        let mut attempt = 1;
        loop {
            let stored = self.store.activation_settings(application).await;
            let (mut settings, replaces) = match stored {
                Ok(old) => {
                    let settings = self.keys.clear_settings(&old.value)?;
                    (settings, Replaces::Revision(old.revision))
                }
                Err(error) if error.kind == StoreErrorKind::NotFound => {
                    (ActivationSettings::default(), Replaces::Nothing)
                }
                Err(error) => return Err(error.into()),
            };
            change(&mut settings)?;
            let rest = self.keys.rest_settings(&settings)?;
            match self.store.put_activation_settings(application, Some(&rest), replaces).await {
                Ok(_) => return Ok(settings),
                Err(error) if error.kind == StoreErrorKind::Conflict && attempt < SET_TRIES => {
                    attempt += 1;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Removes the activation settings of an application.
    ///
    /// # Errors
    ///
    /// The application has none.
    pub async fn delete_activation_settings(
        &self,
        application: &ApplicationId,
    ) -> Result<(), Error> {
        let removed = self.store.put_activation_settings(application, None, Replaces::Any).await;
        match removed {
            Ok(_) => Ok(()),
            Err(error) if error.kind == StoreErrorKind::NotFound => {
                Err(Error::NoActivationSettings { application: application.clone() })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The settings as they are stored, if the application has any.
    pub(crate) async fn find_settings(
        &self,
        application: &ApplicationId,
    ) -> Result<Option<ActivationSettings>, Error> {
        match self.store.activation_settings(application).await {
            Ok(found) => Ok(Some(found.value)),
            Err(error) if error.kind == StoreErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn find(&self, of: &DeviceSelector) -> Result<Option<Versioned<Device>>, Error> {
        match self.store.device(of).await {
            Ok(device) => Ok(Some(device)),
            Err(error) if error.kind == StoreErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

//! What the Join Server needs of a store.
#![expect(clippy::exhaustive_structs, clippy::exhaustive_enums, reason = "read by stores")]

mod memory;
mod record;

#[cfg(feature = "testing")]
pub mod conformance;

pub use memory::MemoryStore;

use std::fmt;

use async_trait::async_trait;
use ttn_core::{
    addr::NetId,
    id::{ApplicationId, DeviceKey},
    key::SessionKeyId,
    msg::SessionKeys,
    store::{Durable, Replaces, Revision, StoreError, Versioned},
};

use crate::device::{ActivationSettings, Device, Euis};

/// Devices, nonces and session keys of the Join Server.
///
/// # Contract
///
/// * A write of a device names the revision it replaces; against another one it fails with
///   [`StoreErrorKind::Conflict`](ttn_core::store::StoreErrorKind::Conflict) and changes nothing. Two devices never
///   have the same EUIs: the second fails with `AlreadyExists`.
/// * [`join`](Self::join) is atomic: nonces and keys are written together or not at all, and only if the nonces of the
///   device have the revision that the caller has read; else `Conflict`. So of two joins that decided on the same
///   nonces only one succeeds.
/// * Nonces outlive the deletion of the device. They end only with [`NoncesChange::Purge`]. A used DevNonce is
///   remembered per root key and for ever; the last JoinNonce per device, whatever its root key.
/// * What a method has written is durable when it returns, and every handle sees it.
///
/// [`conformance`] checks all of this; a backend is a backend when it passes.
#[async_trait]
pub trait JoinStore: fmt::Debug + Send + Sync + 'static {
    /// Loads a device.
    ///
    /// # Errors
    ///
    /// `NotFound` if it was never registered or is deleted.
    async fn device(&self, of: &DeviceSelector) -> Result<Versioned<Device>, StoreError>;

    /// Writes a device.
    ///
    /// # Errors
    ///
    /// `Conflict` for another revision than `replaces`, `AlreadyExists` if another device has its EUIs.
    async fn put_device(&self, device: &Device, replaces: Replaces)
    -> Result<Revision, StoreError>;

    /// Deletes a device and its session keys; its nonces stay.
    ///
    /// # Errors
    ///
    /// `NotFound`, and `Conflict` for another revision than `replaces`.
    async fn delete_device(&self, key: &DeviceKey, replaces: Replaces) -> Result<(), StoreError>;

    /// Reads the nonces of a device under a root key, and whether `dev_nonce` was used. A device that never joined
    /// has revision 0.
    ///
    /// # Errors
    ///
    /// The store cannot answer.
    async fn nonces(&self, id: &NonceId, dev_nonce: u16) -> Result<Nonces, StoreError>;

    /// Lists the used DevNonces that were remembered one by one under a root key: the lowest `limit`.
    ///
    /// # Errors
    ///
    /// The store cannot answer.
    async fn used_dev_nonces(&self, id: &NonceId, limit: usize) -> Result<Vec<u16>, StoreError>;

    /// Raises nonces or forgets them.
    ///
    /// # Errors
    ///
    /// The store cannot write.
    async fn change_nonces(&self, euis: Euis, change: &NoncesChange) -> Result<(), StoreError>;

    /// Writes a join: nonces and session keys.
    ///
    /// # Errors
    ///
    /// `Conflict` if the nonces changed since `write.reads`.
    async fn join(&self, write: JoinWrite) -> Result<Durable, StoreError>;

    /// Loads the activation settings of an application.
    ///
    /// # Errors
    ///
    /// `NotFound` if it has none.
    async fn activation_settings(
        &self,
        application: &ApplicationId,
    ) -> Result<Versioned<ActivationSettings>, StoreError>;

    /// Writes the activation settings of an application, or with `None` removes them. The new revision is one above
    /// the replaced one, 1 for new settings.
    ///
    /// # Errors
    ///
    /// `Conflict` for another revision than `replaces`, `NotFound` if there is nothing to remove.
    async fn put_activation_settings(
        &self,
        application: &ApplicationId,
        settings: Option<&ActivationSettings>,
        replaces: Replaces,
    ) -> Result<Revision, StoreError>;

    /// Loads a set of session keys.
    ///
    /// # Errors
    ///
    /// `NotFound` if it never existed, was pushed out by newer ones, or the device is deleted.
    async fn session_keys(
        &self,
        euis: Euis,
        id: &SessionKeyId,
    ) -> Result<SessionKeySet, StoreError>;
}

/// Which device is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceSelector {
    /// By its EUIs.
    Euis(Euis),
    /// By its id.
    Key(DeviceKey),
}

impl fmt::Display for DeviceSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Euis(euis) => write!(f, "the device with EUIs {euis}"),
            Self::Key(key) => write!(f, "the device {key}"),
        }
    }
}

/// A root key without showing it: a keyed digest that is the same whenever the key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RootKeyTag(pub [u8; 8]);

/// Whose nonces: those of a device under one root key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NonceId {
    /// The device.
    pub euis: Euis,
    /// The root key that authenticates its join-requests.
    pub root_key: RootKeyTag,
}

/// The nonces of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Nonces {
    /// The revision of all nonces of the device.
    pub revision: Revision,
    /// The last JoinNonce that was given out; 0 for none.
    pub join_nonce: u32,
    /// The highest DevNonce that was used as a counter.
    pub last_dev_nonce: Option<u16>,
    /// Whether the DevNonce asked for was used.
    pub is_used: bool,
}

/// How a DevNonce is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DevNonceRule {
    /// As a counter (LoRaWAN 1.0.4 and 1.1): the highest is kept.
    Counter,
    /// As a random number (up to LoRaWAN 1.0.3): each is kept.
    Random,
}

/// A change of nonces that no join made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoncesChange {
    /// Forgets all nonces of the device, under every root key.
    Purge,
    /// Raises nonces, as when a device moves in from another Join Server. Nothing ever falls.
    Raise {
        /// The root key that DevNonces belong to.
        root_key: RootKeyTag,
        /// At least this JoinNonce was given out.
        join_nonce: u32,
        /// At least this DevNonce was used as a counter.
        last_dev_nonce: Option<u16>,
        /// These DevNonces were used.
        used_dev_nonces: Vec<u16>,
    },
}

/// The session keys of one join, wrapped for the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionKeySet {
    /// The network that the device joined.
    pub net_id: NetId,
    /// The keys, AppSKey included.
    pub keys: SessionKeys,
}

/// What a join writes.
#[derive(Clone, Debug)]
pub struct JoinWrite {
    /// Whose nonces.
    pub id: NonceId,
    /// The revision of the nonces that the decision was taken on.
    pub reads: Revision,
    /// The DevNonce of the request.
    pub dev_nonce: u16,
    /// How it is remembered.
    pub dev_nonce_rule: DevNonceRule,
    /// The JoinNonce of the accept.
    pub join_nonce: u32,
    /// The keys of the new session.
    pub keys: SessionKeySet,
    /// How many sets of session keys the device keeps, this one included.
    pub session_keys_max: usize,
}

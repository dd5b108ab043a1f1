//! What the Application Server keeps besides the log: devices, links, integrations and sessions.
//!
//! Devices, links and integrations are registry records, checked by revision. Sessions are hot: they are written through the lane
//! together with the log ([`crate::log::LogBatch::sessions`]), live in memory, and are read once, at the start.

mod codec;
mod integration;
mod memory;
mod record;

#[cfg(feature = "testing")]
pub mod conformance;

pub use integration::{Integration, IntegrationKey, IntegrationKind, ReaderState};
pub use memory::MemoryStore;
pub use record::{
    Device, FormatterKind, Formatters, LastUplink, Link, RegistryKey, RegistryRecord, Session,
    SessionRecord,
};

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use futures::stream::BoxStream;
use ttn_core::{
    id::DeviceKey,
    store::{Replaces, Revision, StoreError, Versioned},
};

pub(crate) use codec::wire;

/// Devices and links by key, and sessions as the log's batches left them.
///
/// # Contract
///
/// * Every `put` and `delete` names the revision it replaces; against another one it fails with
///   [`ttn_core::store::StoreErrorKind::Conflict`] ([`ttn_core::store::StoreErrorKind::AlreadyExists`] where
///   nothing should be) and changes nothing. A missing record is
///   [`ttn_core::store::StoreErrorKind::NotFound`].
/// * After `put` returns the record is durable, and `get` and `load` on any handle see it.
/// * Deleting a device deletes its session record; a later session record of it is kept again.
/// * `put_readers` writes all or none, durable when it returns. The place of an integration that is not stored is
///   not kept; deleting an integration deletes its place.
/// * `load` gives every registry record, session record and place in the log once, in any order.
///
/// `conformance::SUITE` (feature `testing`) checks all of this.
#[async_trait]
pub trait ApplicationStore: fmt::Debug + Send + Sync + 'static {
    /// Reads a record.
    ///
    /// # Errors
    ///
    /// It does not exist, or the engine failed.
    async fn get(&self, key: &RegistryKey) -> Result<Versioned<RegistryRecord>, StoreError>;

    /// Writes a record.
    ///
    /// # Errors
    ///
    /// Another revision is stored, or the engine failed.
    async fn put(
        &self,
        record: &RegistryRecord,
        replaces: Replaces,
    ) -> Result<Revision, StoreError>;

    /// Deletes a record.
    ///
    /// # Errors
    ///
    /// It does not exist, another revision is stored, or the engine failed.
    async fn delete(&self, key: &RegistryKey, replaces: Replaces) -> Result<(), StoreError>;

    /// Writes how far integrations have read the log.
    ///
    /// # Errors
    ///
    /// The engine failed.
    async fn put_readers(
        &self,
        readers: &[(IntegrationKey, ReaderState)],
    ) -> Result<(), StoreError>;

    /// Reads everything. Called at the start.
    fn load(&self) -> BoxStream<'_, Result<Loaded, StoreError>>;
}

/// A record that [`ApplicationStore::load`] gives.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_enums, reason = "built by stores")]
pub enum Loaded {
    /// How far an integration has read the log.
    Reader(IntegrationKey, ReaderState),
    /// A device, a link or an integration.
    Registry(Versioned<RegistryRecord>),
    /// The sessions of a device.
    Sessions(DeviceKey, Arc<SessionRecord>),
}
